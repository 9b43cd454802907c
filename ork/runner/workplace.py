"""Where the tasks of one run work: their place, environment, interpreter and logs."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Mapping
from contextlib import suppress
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from ork.backends.address import public
from ork.definition.bindings import given_by_ork
from ork.errors import OrkError, StoreError
from ork.executors.base import Job, Outcome
from ork.logs.writing import Shipping, Slots
from ork.objects import canonical, kinds
from ork.objects.canonical import Json
from ork.objects.kinds import SECOND, Log, Run, Task, format_time
from ork.runner.target import Target
from ork.store.location import is_beside
from ork.store.resolve import newest_deploy
from ork.store.store import Store
from ork.worker import probe
from ork.worktree.globs import excluded, expression
from ork.worktree.load import check
from ork.worktree.place import Checkout, Place, Project, interpreter, modules_of

PROBE_SECONDS_MAX = 20
MODULES_MAX = 1_000  # that are looked for, so that a command line has room for them
_PYTHONS = ("python", "python3")
# Variables with folders in which programs look for code.
_SEARCHED = (
    "PATH",
    "PYTHONPATH",
    "PERL5LIB",
    "RUBYLIB",
    "NODE_PATH",
    "CLASSPATH",
    "LD_LIBRARY_PATH",
)
_OF_ENVIRONMENTS = ("/site-packages/", "/dist-packages/", "/lib/python")


class Workplace:
    """All that the jobs of one run share.

    Tasks begin in the project's folder if that is the snapshot. When it is not any more, those that
    are still to start go to a checkout, which they do not leave again.
    """

    def __init__(
        self,
        store: Store,
        target: Target,
        tasks: Mapping[str, Task],
        environ: Mapping[str, str],
        *,
        hidden: Collection[str] = (),
        checkout: bool = False,
    ) -> None:
        """Look at the project's folder; with `checkout` it is not used in any case.

        `hidden` are variables whose values nothing may show, besides the secrets of the tasks.
        """
        self._store, self._target = store, target
        self._captured = dict(store.snapshot(target.snapshot).files)
        self._paths = tuple(self._captured)
        self._data = expression(excluded(target.settings))
        self._other_code = _other_code(store, target, self._data)
        self._root = target.root if target.root.is_dir() else None
        self._places: list[Place] = []  # the newest is the one where attempts start
        # A running task: its place, since when, and its log.
        self._entered: dict[str, tuple[Place, int, Log]] = {}
        # A worker knows ours from that of the user, who wants none of what is installed either.
        self._base = inherited(store, {"PYTHONDONTWRITEBYTECODE": "ork", **environ})
        self._secrets = secrets_in(tasks, environ, hidden)
        self.python = interpreter(target.settings, target.root, environ)
        if self._root and not checkout:
            project = Project(self._root, self._captured)
            others = any((self._root / path).exists() for path in self._other_code)
            if not others and not project.renew():
                self._places.append(project)

    @property
    def kind(self) -> kinds.Place:
        """The kind of place in which the next attempt executes."""
        return self._places[-1].kind if self._places else "checkout"

    def describe(self) -> bytes:
        """Return what is recorded of where attempts execute; see `describe`.

        Where the store lies in the project there is one folder, which may be moved.
        """
        root = self._target.root
        if is_beside(self._store, root):
            return describe(self.python)
        return describe(self.python, os.fsencode(root).decode(errors="replace"))

    @property
    def checkout(self) -> Path | None:
        """The folder of the checkout, once there is one."""
        return self._places[-1].folder if self._places and self.kind == "checkout" else None

    def belong_to(self, run: Run) -> None:
        """Take the names that the record has given to the run, and make a checkout if need be."""
        self._run = run
        self._slots = Slots(self._store, run)
        self._extra = {
            "ORK_RUN_ID": run.id,
            "ORK_WORKFLOW_NAME": run.workflow,
            "ORK_SNAPSHOT": run.snapshot,
        }
        if run.scheduled is not None:
            self._extra["ORK_SCHEDULED_TIME"] = format_time(run.scheduled)
        if not self._places:
            self._check_out()

    def look(self) -> None:
        """Find the captured files that were touched, in each place where attempts may execute."""
        for place in self._places:
            place.look()

    def renew(self) -> list[str]:
        """Make sure of the place before attempts start, as of the last look.

        Return the files because of which it is a checkout from now on.
        """
        place = self._places[-1]
        try:
            wrong = place.renew()
        except OSError as error:
            raise self._store.gone() or _unusable(error) from None
        if not wrong:
            return []
        if place.kind == "checkout":
            raise StoreError(f"the checkout of the run has other files than it should: {wrong[0]}")
        self._check_out()
        return wrong

    def enter(
        self,
        name: str,
        task: Task,
        attempt: int,
        *,
        inputs: Json,
        variables: Mapping[str, str | None],
        upstream: Mapping[str, str],
    ) -> Job:
        """Return the job of an attempt, which starts now.

        `variables` replace those of ork, or take them away; `upstream` tells how each task that
        this one needs has ended.
        """
        place = self._places[-1]
        path, log = self._slots.take(name, attempt)
        if task.executor == "process":
            variables = {**variables, **self._for_programs(variables)}
        if place.kind == "checkout":
            variables = {**variables, **self._led_here(place, task, variables)}
        self._entered[name] = place, place.looks, log
        return Job(
            executor=task.executor,
            file=task.file,
            module=task.module,
            command=task.command,
            function=task.function,
            inputs=inputs,
            input_type=task.input_type,
            shell=task.shell,
            fresh=task.fresh,
            base=self._base,
            environment={
                **variables,
                **self._extra,
                "PWD": str(place.folder),
                "ORK_TASK_NAME": name,
                "ORK_ATTEMPT": str(attempt),
                "ORK_UPSTREAM_JSON": json.dumps(upstream),
            },
            secrets=self._secrets,
            root=str(place.folder),
            project=str(self._root) if self._root and place.kind == "checkout" else None,
            files=self._paths,
            data=self._data,
            python=self.python,
            timeout_s=math.inf if task.timeout is None else task.timeout / SECOND,
            log=path,
            store=str(self._store.folder) if self._store.folder else None,
        )

    def _for_programs(self, given: Mapping[str, str | None]) -> dict[str, str]:
        """Return the variables by which programs find the interpreter of the tasks."""
        path, programs = given.get("PATH", self._inherited.get("PATH")), self._programs
        return {} if programs is None else {"PATH": _joined(programs, path)}

    def _led_here(
        self, place: Place, task: Task, given: Mapping[str, str | None]
    ) -> dict[str, str]:
        """Return the variables that lead to a checkout, where others lead to the project's folder.

        So do those of the environment, and what is installed from there.
        """
        if self._root is None:
            return {}
        given = {**self._inherited, **given}
        found = {name: self._moved(given.get(name), place) for name in _SEARCHED}
        pythons = [self.python]
        if task.executor == "process":
            pythons += [shutil.which(it, path=given.get("PATH")) or "" for it in _PYTHONS]
        if task.executor == "process" or self._modules:
            wanted = tuple(sorted(set(filter(None, pythons))))
            below = installed_from(wanted, str(self._root), self._modules)
            ours = [os.path.join(place.folder, one) for one in below]
            found["PYTHONPATH"] = _joined(found["PYTHONPATH"], *ours)
        return {name: value for name, value in found.items() if value and value != given.get(name)}

    def _moved(self, listed: str | None, place: Place) -> str:
        """Return a list of folders, of which those of the project that have code are here."""
        folders = (listed or "").split(":")
        for number, folder in enumerate(folders):
            below = {
                f"{folder}/"[len(root) :] for root in self._roots if f"{folder}/".startswith(root)
            }
            for start in below:
                if any(path.startswith(start) for path in self._paths):
                    folders[number] = os.path.join(place.folder, start).rstrip("/")
        return ":".join(folders)

    @cached_property
    def _roots(self) -> set[str]:
        """How the paths below the project's folder begin, as they are given and without links."""
        return {f"{self._root}/", f"{os.path.realpath(self._root or '')}/"}

    @cached_property
    def _inherited(self) -> dict[str, str]:
        return dict(self._base)

    @cached_property
    def _modules(self) -> tuple[str, ...]:
        """The modules of the project that may be installed from where they are developed."""
        return modules_of(self._root, self._paths)[:MODULES_MAX] if self._root else ()

    @cached_property
    def _programs(self) -> str | None:
        """The folder of programs of the environment in which the tasks' interpreter is, if any."""
        folder = Path(self.python).parent
        is_own = self.python == sys.executable
        return None if is_own or not (folder.parent / "pyvenv.cfg").is_file() else str(folder)

    def log(self, name: str) -> Log:
        """Return where the attempt that runs prints to."""
        return self._entered[name][2]

    def leave(self, name: str, attempt: int, outcome: Outcome) -> tuple[kinds.Place, set[str], Log]:
        """Return where the attempt of a task executed, the files touched since, and its log."""
        place, since, log = self._entered.pop(name)
        if outcome.log_error is not None:
            self._slots.tell_cut(name, attempt, outcome.log_error)
        return place.kind, place.touched_since(since), self._slots.give_back(log, outcome.printed)

    @property
    def shipping(self) -> Shipping | None:
        """What puts the logs of the run into the store, if others read them there."""
        return self._slots.shipping

    def show_life(self) -> None:
        """Leave a sign that the owner of the run lives at this moment."""
        self._slots.show_life()

    @property
    def cut_logs(self) -> dict[str, str]:
        """The tasks whose logs could not be written to the end, and why."""
        return self._slots.cut if hasattr(self, "_slots") else {}

    def close(self) -> None:
        """Let go of what is open; nothing runs any more. Idempotent."""
        if hasattr(self, "_slots"):
            self._slots.close()

    def _check_out(self) -> None:
        try:
            checkout = Checkout(
                self._store,
                self._run.id,
                self._captured,
                root=self._root,
                other_code=self._other_code,
            )
            checkout.renew()
        except OSError as error:
            raise self._store.gone() or _unusable(error) from None
        self._places.append(checkout)


def inherited(
    store: Store, environ: Mapping[str, str], wanted: Collection[str] = ()
) -> tuple[tuple[str, str], ...]:
    """Return what a job has of ork's environment: all that ork itself does not give it.

    What opens the store is not for tasks, unless it is wanted as a secret.
    """
    keys = {*store.keys} - {*wanted}
    kept = {name: value for name, value in environ.items() if name not in keys}
    if "ORK_STORE" in kept:
        kept["ORK_STORE"] = public(kept["ORK_STORE"])
    return tuple(item for item in kept.items() if not given_by_ork(item[0]))


def describe(python: str, folder: str | None = None) -> bytes:
    """Return canonical JSON about an interpreter: version, platform, installed distributions.

    Of one that does not start only its path is known. `folder` is the one that tasks work in, where
    there may be several.
    """
    found = probe.describe() if python == sys.executable else _probed(python)
    where = {} if folder is None else {"folder": folder}
    return canonical.encode({**(found or {"executable": python}), **where})


@lru_cache(maxsize=8)
def installed_from(
    pythons: tuple[str, ...], root: str, modules: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the folders below a root, relative to it, where interpreters find modules.

    Those are of what is installed as it is developed; environments that lie there do not count.
    """
    found: dict[str, None] = {}
    for python in pythons:
        for entry in _probed(python, "path", *modules) or ():
            inside = f"{entry}/".startswith(f"{root}/")
            if inside and not any(part in f"{entry}/" for part in _OF_ENVIRONMENTS):
                found[os.path.relpath(entry, root)] = None
    return tuple(found)


def _probed(python: str, *words: str) -> Any:
    """Return what an interpreter says of itself; None of one that does not start."""
    try:
        done = subprocess.run(
            [python, "-B", str(probe.__file__), *words],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=PROBE_SECONDS_MAX,
            cwd="/",
        )
        # In the last line: a `sitecustomize` may have printed some before it.
        return json.loads(done.stdout.strip().rpartition(b"\n")[2])
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def _joined(*parts: str | None) -> str:
    return ":".join(filter(None, parts))


def _other_code(store: Store, target: Target, data: str) -> set[str]:
    """Return the paths of code that other versions have, and that is no data.

    These are the newest deploy of the workflow, and its file as it is now.
    """
    newest = newest_deploy(store, target.workflow)
    if newest is None or target.is_on_disk:
        return set()
    others = set(store.snapshot(newest.snapshot).files)
    with suppress(OrkError):  # what is wrong with the file is said where it is deployed
        edited = check(store.project / newest.source.path, store)
        others.update(edited.files if edited.root == target.root else ())
    others.difference_update(store.snapshot(target.snapshot).files)
    return {path for path in others if not re.fullmatch(data, path)}


def _unusable(error: OSError) -> StoreError:
    what = f"{error.filename}: " if error.filename else ""
    return StoreError(
        f"the checkout of the run cannot be made: {what}{error.strerror or error}",
        hint="it lies in .ork/work, which must be writable by you and have room",
    )


def secrets_in(
    tasks: Mapping[str, Task], base: Mapping[str, str], hidden: Collection[str]
) -> tuple[str, ...]:
    """Return the values of all secrets that any of the tasks has, and of the `hidden` variables.

    Each task inherits ork's environment, so it may show a secret that only another one asks for.
    """
    names = {*hidden, *(name for task in tasks.values() for name in task.secrets)}
    return tuple(sorted({base[name] for name in names if base.get(name)}))
