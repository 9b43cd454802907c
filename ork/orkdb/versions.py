"""A version of a workflow: the tasks that the original kept become the text of a workflow file.

The text is read as `ork deploy` reads one, so nothing comes in that ork would refuse. Code is no
part of it: the original kept none, only the paths.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Mapping, Sequence

from ork.definition.workflow import Definition, parse
from ork.errors import InvalidInput
from ork.objects.canonical import Json
from ork.objects.snapshot import Built, build
from ork.objects.value import Value, replace
from ork.orkdb.names import fitting
from ork.orkdb.rows import Step, WorkflowRow
from ork.orkdb.text import written


class Version(Value, frozen=True, kw_only=True):
    """One version: the text of its file, its snapshot, and what ork calls each of its tasks.

    `remarks` say what of it could not be kept.
    """

    text: bytes
    definition: Definition
    built: Built
    names: Mapping[str, str]
    remarks: tuple[str, ...] = ()


class Writer:
    """Makes the versions of one workflow; equal tasks are read once."""

    def __init__(self, workflow: WorkflowRow, name: str, settings: Mapping[str, Json]) -> None:
        self._workflow, self._name, self._settings = workflow, name, settings
        self._known: dict[str, Version | InvalidInput] = {}
        self._types: dict[str, Mapping[str, Json]] = {}  # of tasks, by all else that they are

    def version(self, steps: Sequence[Step]) -> Version:
        """Return the version with these tasks; raise InvalidInput when ork could not run it."""
        for step in steps:
            self._types.setdefault(_key([step], typed=False), step.types)
        return self._version(steps)

    def executed(self, steps: Sequence[Step]) -> Version:
        """Return the version with these tasks of a run, which kept no types.

        A task has those of the first version in which it is else the same.
        """
        known = ((step, self._types.get(_key([step], typed=False), {})) for step in steps)
        return self._version([replace(step, types=types) for step, types in known])

    def _version(self, steps: Sequence[Step]) -> Version:
        key = _key(steps)
        if key not in self._known:
            try:
                self._known[key] = self._read(steps)
            except InvalidInput as error:
                self._known[key] = error
        found = self._known[key]
        if isinstance(found, InvalidInput):
            raise found
        return found

    def _read(self, steps: Sequence[Step]) -> Version:
        if not steps:
            raise InvalidInput("it has no tasks")
        names = fitting(step.name for step in steps)
        if len(names) < len(steps):
            raise InvalidInput("two of its tasks have the same name")
        content = _Content(self._workflow, steps, names)
        remarks = [*content.remarks(), *_lost_types(steps)]
        try:
            text, definition = self._parse(content.tasks())
        except InvalidInput as error:
            if not any(step.types for step in steps):
                raise _in_words(error) from None
            try:
                text, definition = self._parse(content.tasks(typed=False))
            except InvalidInput:
                raise _in_words(error) from None
            remarks.append(f"types left out: {_in_words(error).message}")
        return Version(
            text=text,
            definition=definition,
            built=build(definition.tasks, {}, definition.params),
            names=names,
            remarks=tuple(remarks),
        )

    def _parse(self, tasks: dict[str, Json]) -> tuple[bytes, Definition]:
        try:
            text = written({"name": self._name, **self._settings, "tasks": tasks})
        except UnicodeEncodeError:
            raise InvalidInput("a text in it is not Unicode") from None
        return text, parse(text, file=f"{self._name}.yaml")


class _Content:
    """The keys of a workflow file for the tasks of one version."""

    def __init__(
        self, workflow: WorkflowRow, steps: Sequence[Step], names: Mapping[str, str]
    ) -> None:
        self._workflow, self._steps, self._names = workflow, steps, names
        self._root = _root(steps)

    def tasks(self, *, typed: bool = True) -> dict[str, Json]:
        """Return the tasks; raise InvalidInput for one that says nothing that ork can execute."""
        found: dict[str, Json] = {}
        for step in self._steps:
            needs: list[Json] = [self._names.get(need, need) for need in step.needs]
            keys: dict[str, Json] = dict(self._code(step))
            keys |= {"depends_on": needs} if needs else {}
            keys |= _types(step) if typed else {}
            keys |= self._values(step)
            found[self._names[step.name]] = keys
        return found

    def remarks(self) -> Iterator[str]:
        """Yield what is another path here than there."""
        for step in self._steps:
            for key in ("task_file", "library_path"):
                path = step.params.get(key)
                if isinstance(path, str) and path.startswith("/") and not self._is_inside(path):
                    yield f"{step.name}: {path} is not below {self._root or 'a known folder'}"

    def _code(self, step: Step) -> Iterator[tuple[str, Json]]:
        """Yield the keys that say what a task executes."""
        params, job = step.params, self._workflow.job
        if step.executor == "python":
            yield "executor", "python"
            if params.get("task_file"):
                yield "file", self._path(params["task_file"])
            else:
                yield "module", params.get("task_module")
            if (function := params.get("task_function")) not in (None, "main"):
                yield "function", function
        elif step.executor == "library":
            yield from (("executor", "library"), ("file", self._path(params.get("library_path"))))
        elif step.executor in ("process", "shell"):
            command = params.get("command") or (job[0] if job[0] != "dag" else None)
            yield from (("executor", "process"), ("command", self._command(command)))
        elif step.executor == "cloudrun":
            name, region, project = (
                str(params.get(key) or own)
                for key, own in zip(("job_name", "region", "project"), job, strict=True)
            )
            yield "executor", "process"
            words = ("gcloud", "run", "jobs", "execute", name, "--region", region)
            yield "command", [*words, "--project", project, "--wait"]
        else:
            raise InvalidInput(f"{step.name}: ork has no executor {step.executor!r}")

    def _values(self, step: Step) -> dict[str, Json]:
        params = step.params
        found: dict[str, Json] = {}
        if bindings := params.get("task_bindings"):
            found["inputs"] = self._bindings(bindings)
        if isinstance(env := params.get("env"), dict) and env:
            found["env"] = {k: v if isinstance(v, str) else json.dumps(v) for k, v in env.items()}
        found["timeout"] = params.get("timeout_seconds") or "none"
        if retries := params.get("max_retries"):
            found["retries"] = retries
        return found

    def _bindings(self, bindings: Json) -> Json:
        """Return bindings whose references have the names that tasks have here."""
        if not isinstance(bindings, dict):
            return bindings
        found: dict[str, Json] = {}
        for field, binding in bindings.items():
            if isinstance(binding, dict) and isinstance(ref := binding.get("ref"), str):
                for old, new in self._names.items():
                    lead = f"tasks.{old}.output"
                    if ref == lead or ref.startswith(f"{lead}."):
                        binding = {**binding, "ref": f"tasks.{new}.output{ref[len(lead) :]}"}
                        break
            found[field] = binding
        return found

    def _path(self, path: Json) -> Json:
        """Return a path relative to the folder of the workflow; one that lies elsewhere whole."""
        if not isinstance(path, str) or not path.startswith("/"):
            return path
        if self._is_inside(path):
            return posixpath.relpath(path, self._root)
        return posixpath.normpath(path).lstrip("/")

    def _is_inside(self, path: str) -> bool:
        root = self._root
        return root is not None and posixpath.normpath(path).startswith(root.rstrip("/") + "/")

    def _command(self, command: Json) -> Json:
        """Return a command that names a program below the folder of the workflow from there."""
        if self._root and isinstance(command, str) and command.startswith(f"{self._root}/"):
            return f"./{command[len(self._root) + 1 :]}"
        return command


def _root(steps: Sequence[Step]) -> str | None:
    """Return the folder in which the workflow file lay, as far as its tasks tell."""
    for key, of in (("python_path", str), ("task_file", posixpath.dirname)):
        for step in steps:
            path = step.params.get(key)
            if isinstance(path, str) and path.startswith("/"):
                return of(posixpath.normpath(path))
    return None


def _types(step: Step) -> dict[str, Json]:
    found = {key: step.types.get(key) for key in ("input_type", "output_type")}
    return {key: kind for key, kind in found.items() if kind and not _has_alias(kind)}


def _lost_types(steps: Sequence[Step]) -> Iterator[str]:
    for step in steps:
        for key in ("input_type", "output_type"):
            if _has_alias(kind := step.types.get(key)):
                yield f"{step.name}: its {key} is {json.dumps(kind)}, and `types` were not kept"


def _has_alias(kind: Json) -> bool:
    if isinstance(kind, dict):
        return any(map(_has_alias, kind.values()))
    if isinstance(kind, list):
        return any(map(_has_alias, kind))
    return isinstance(kind, str) and kind.startswith("types.")


def _key(steps: Sequence[Step], *, typed: bool = True) -> str:
    """Return a text that two lists of tasks share where they are one version."""
    parts = [
        [s.name, s.executor, sorted(s.needs), dict(s.params), _types(s) if typed else {}]
        for s in sorted(steps, key=lambda one: one.name)
    ]
    return json.dumps(parts, sort_keys=True)


def _in_words(error: InvalidInput) -> InvalidInput:
    """Return a complaint about the text as one about what it was made of."""
    return InvalidInput(error.problems[0].message if error.problems else error.message)
