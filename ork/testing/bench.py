"""Runs a workflow, or one task of it, in a folder of its own, into which what it needs is copied.

So a test changes nothing of the project that it tests, neither its data nor its history.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from ork.alike import meant_or_known
from ork.definition.bindings import given_by_ork, refs_of, split_param, split_ref
from ork.definition.fields import is_variable
from ork.definition.types import convert
from ork.errors import NotFound, OrkError, UsageError, some
from ork.history.details import RunDetails
from ork.objects import snapshot
from ork.objects.canonical import Json, settled
from ork.objects.kinds import Task
from ork.objects.value import Value, replace
from ork.params.given import json_of
from ork.project import Project
from ork.runner.choices import as_names
from ork.store import location
from ork.worktree.load import Loaded, check
from ork.worktree.place import packaged_by

Given = ParamSpec("Given")
Got = TypeVar("Got")

# Relative to a root, with a suffix or a folder, or where an error names a folder.
_PATH = r"(?<![\w./-])\w[\w/-]*[./][\w./-]*\w|(?<=directory: ')\w[\w-]*(?=/?')"
NAMED_MAX = 3  # files that a hint names
_ROOT = "`files` are relative to the root of the workflow, where its tasks run"


def at_the_call(function: Callable[Given, Got]) -> Callable[Given, Got]:
    """Let pytest show an error at the line of the test that asked, without the depths of ork."""

    @wraps(function)
    def ask(*args: Given.args, **named: Given.kwargs) -> Got:
        __tracebackhide__ = True
        try:
            return function(*args, **named)
        except (OrkError, KeyError) as error:
            raise error.with_traceback(None) from None

    return ask


class Result(Value, frozen=True, kw_only=True):
    """What became of a workflow, or of one task of it."""

    run: RunDetails
    logs: str  # what the task printed; of a workflow, under the name of each
    folder: Path  # the copy in which they ran: a path that a task returns is relative to it
    task: str | None = None
    lacks: tuple[str, ...] = ()  # what is no file in the copy, but one of the project
    nowhere: tuple[str, ...] = ()  # no file of the project either, which has a folder for it

    @property
    def state(self) -> str:
        """How it ended: "success", "failed"..."""
        return self.run.state

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.run.ok

    @property
    def outputs(self) -> dict[str, Any]:
        """Task -> the value that it gave, of those that gave one."""
        return _Outputs(self.run)

    @property
    def output(self) -> Any:
        """The value that the one task gave; None if it gave none."""
        return self.outputs.get(self.task) if self.task else None

    @property
    def error(self) -> str | None:
        """What went wrong in the first task that failed, with its traceback."""
        found = error_of(self.run)
        return f"{found}\n{self._hint}" if found and self.lacks else found

    @property
    def _hint(self) -> str:
        hint = f"hint: not all files of the project are in the copy: files={list(self.lacks)!r}"
        if self.nowhere:
            names = some(self.nowhere, NAMED_MAX)
            hint += f" lets it write {names}, which the project does not have either"
        return hint

    def cells(self) -> dict[str, object]:
        return {**self.run.cells(), "hint": self._hint if self.lacks else None}


class _Outputs(dict[str, Any]):
    """All outputs of a run, a plain dict but that it says why a task gave none."""

    def __init__(self, run: RunDetails) -> None:
        super().__init__(run.outputs)
        self._run = run

    @at_the_call
    def __missing__(self, name: str) -> Any:
        return self._run.outputs[name]  # which knows


class Bench:
    """Runs workflow files. Their paths are relative to the folder of the test, or to one above."""

    def __init__(self, project: Project, start: Path) -> None:
        self.project, self._start = project, start

    @at_the_call
    def run_workflow(
        self,
        path: str | Path,
        *,
        params: Mapping[str, Any] = {},
        env: Mapping[str, str] = {},
        files: str | Collection[str] = (),
    ) -> Result:
        """Run a workflow file to its end, without its hooks.

        The code that it calls and what its `include` means are there; of data only those `files`
        and folders, relative to its root. Each task gets the variables of `env`, which stand for
        what the file binds to these names; what runs then is not deployed, being another workflow.
        """
        loaded, root = self._copied(path, files)
        if env:
            tasks = {
                name: with_variables(task, env) for name, task in loaded.definition.tasks.items()
            }
            loaded = of_tasks(loaded, tasks)
        run = self.project.run(loaded, params=params, no_deploy=bool(env), hooks=False)
        return self._ended(run, root)

    @at_the_call
    def run_task(
        self,
        path: str | Path,
        task: str,
        *,
        inputs: Mapping[str, Any] = {},
        params: Mapping[str, Any] = {},
        env: Mapping[str, str] = {},
        files: str | Collection[str] = (),
    ) -> Result:
        """Run one task of a workflow file, and none before it; the files are as for a workflow.

        `inputs` and `env` stand for what the file binds to these names: all must be given that
        comes from other tasks. Of the parameters, those must be that the task uses. Values are as
        for a run, and a task gets them as in one: dates, numbers of numpy, and 1.0 as 1 where
        nothing says `float`.
        """
        loaded, root = self._copied(path, files)
        loaded = alone(loaded, task, json_of(inputs, what="input"), params, env)
        run = self.project.run(loaded, params=params, no_deploy=True, hooks=False)
        return self._ended(run, root, task)

    def _copied(self, path: str | Path, files: str | Collection[str]) -> tuple[Loaded, Path]:
        """Copy a workflow file, its code and these files into the project of the test; read it.

        Returned with it is where they came from.
        """
        found = check(self._find(path))
        to, name = self.project.store.project, found.path.resolve().relative_to(found.root)
        for part in (*found.files, *as_names(files), *packaged_by(found.root), str(name)):
            is_inside = (to / part).resolve().is_relative_to(to.resolve())
            if not is_inside or not (found.root / part).exists():
                raise NotFound(f"no file or folder {part} in {found.root}", hint=_ROOT)
            (to / part).parent.mkdir(parents=True, exist_ok=True)
            if (found.root / part).is_dir():
                shutil.copytree(found.root / part, to / part, dirs_exist_ok=True)
            else:
                shutil.copy(found.root / part, to / part)
        if (found.root / ".venv").is_dir() and not (to / ".venv").exists():
            (to / ".venv").symlink_to(found.root / ".venv")  # whose Python the tasks run under
        return check(to / name), found.root

    def _ended(self, run: RunDetails, root: Path, task: str | None = None) -> Result:
        folder = self.project.store.project
        words = re.findall(_PATH, (error_of(run) or "").replace(f"{folder}/", ""))
        found = {word: one for word in words if (one := _lacking(word, root, folder))}
        logs = ""
        with suppress(NotFound):  # of a task that was skipped there is no log
            logs = self.project.logs(f"{run.name}:{task}" if task else run.name)
        return Result(
            run=run,
            logs=logs,
            folder=folder,
            task=task,
            lacks=tuple(dict.fromkeys(found.values())),
            nowhere=tuple(word for word, one in found.items() if word != one),
        )

    def _find(self, path: str | Path) -> Path:
        for folder in (self._start, *self._start.parents):
            if (folder / path).is_file():
                return folder / path
        raise NotFound(f"no file {path} in {self._start} or above")


def _lacking(path: str, root: Path, folder: Path) -> str | None:
    """Return the file or, if there is no such, the folder around it that only the root has."""
    for one in (path, *map(str, Path(path).parents)):
        if os.path.exists(root / one):
            return None if os.path.exists(folder / one) else one
    return None


def error_of(run: RunDetails) -> str | None:
    """Return what went wrong in the first task of a run that failed."""
    attempts = (one.attempts[-1:] for one in run.tasks.states.values())
    return next((last[0].error for last in attempts if last and last[0].error), None)


def project_in(folder: Path) -> Project:
    """Return an empty project in a folder, wherever the environment has its stores."""
    folder.mkdir()
    location.create(folder / location.NAME)
    return Project(location.open_store(folder / location.NAME, environ={}))


def alone(
    loaded: Loaded,
    name: str,
    inputs: Mapping[str, Json],
    params: Mapping[str, Any],
    env: Mapping[str, str],
) -> Loaded:
    """Return a workflow that is this task, with these inputs and variables, and nothing else."""
    definition = loaded.definition
    if name not in definition.tasks:
        raise NotFound(f"no task named {name!r}", hint=meant_or_known(name, definition.tasks))
    task = definition.tasks[name]
    bindings = {**task.inputs, **_constants(task, name, inputs)}
    task = replace(with_variables(task, env), inputs=bindings, depends_on=(), when=None)
    refs = list(refs_of(task))
    if missing := [*_missing("inputs", task.inputs), *_missing("env", task.env)]:
        raise UsageError("\n".join(f"{name} needs {one}" for one in missing))
    used = {split[0] for ref in refs if (split := split_param(ref))} | params.keys()
    kept = {param: it for param, it in definition.params.items() if param in used}
    definition = dataclasses.replace(definition, params=kept)
    return of_tasks(replace(loaded, definition=definition), {name: task})


def of_tasks(loaded: Loaded, tasks: dict[str, Task]) -> Loaded:
    """Return a workflow with other tasks than its file has."""
    definition = dataclasses.replace(loaded.definition, tasks=tasks)
    built = snapshot.build(tasks, loaded.files, definition.params)
    return replace(loaded, definition=definition, built=built)


def with_variables(task: Task, env: Mapping[str, str]) -> Task:
    """Return a task that gets these variables; raise UsageError with all that can be none."""
    if not isinstance(env, Mapping):
        wrong = f"env is names with texts, and no {type(env).__name__}"
        raise UsageError(wrong, hint='write env={"MODE": "fast"}')
    wrongs = []
    for name, value in env.items():
        if not isinstance(name, str) or not is_variable(name):
            wrongs.append(f"{name!r} is not a name of a variable")
        elif given_by_ork(name):
            wrongs.append(f"ork itself gives the variable {name} to each task")
        elif not isinstance(value, str):
            wrongs.append(f"env: {name} must be a text, not {value!r}")
    if wrongs:
        raise UsageError("\n".join(wrongs))
    return replace(task, env={**task.env, **env})


def _missing(where: str, bindings: Mapping[str, Json]) -> Iterator[str]:
    """Yield what still comes from other tasks, and where it is to be given instead."""
    for name, binding in bindings.items():
        ref = binding.get("ref") if isinstance(binding, dict) else None
        if isinstance(ref, str) and split_ref(ref):
            yield f"{name}, in place of {ref}: give it as {where}={{{name!r}: ...}}"


def _constants(task: Task, name: str, inputs: Mapping[str, Json]) -> dict[str, dict[str, Json]]:
    """Return bindings to values, which are checked as constants in the file are."""
    types = task.input_type if isinstance(task.input_type, dict) else {}
    found, wrong = {}, []
    for field, value in inputs.items():
        value = settled(value)  # as a task gets what another gave
        if field not in task.inputs:
            wrong.append(f"{name} has no input {field}; it has {', '.join(task.inputs) or 'none'}")
        elif field in types:
            value, mismatches = convert(value, types[field])
            wrong += [f"the input {field} of {name}: {one}" for one in mismatches]
        found[field] = {"const": value}
    if wrong:
        raise UsageError("\n".join(wrong))
    return found
