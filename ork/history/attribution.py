"""What is not attributed yet, on its way back through a history: tasks, files, values, lines.

Each of these takes `step` after step, from a deploy to the one before it: what is not so there, the
newer one has touched; the rest goes on. `end` attributes what is left to the last deploy looked at,
and `found` has the answers. Knows nothing of revisions, nor where to begin.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from ork.differences import lines
from ork.differences.lines import carried
from ork.differences.tasks import changed_paths, given_fields
from ork.differences.values import same
from ork.errors import InvalidInput
from ork.history.lineage import TaskStep, file_steps, task_steps
from ork.objects.canonical import Json, Oid
from ork.objects.kinds import Deploy, Task
from ork.store.store import Store
from ork.store.text import join_text, text_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """The deploy that last touched something; with `boundary` only the oldest one looked at."""

    deploy: Oid
    boundary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rename:
    """The newest deploy that gave something another name, and the name before."""

    deploy: Oid
    old_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LineTouch:
    """Who touched a line, and where it stands in that deploy, from 1 on."""

    touch: Touch
    path: str
    number: int


class Tasks:
    """Tasks, or with `by_field` their fields, which differ each for itself."""

    def __init__(self, store: Store, tasks: Mapping[str, Task], *, by_field: bool) -> None:
        self.store = store
        self.by_field = by_field
        self.found: dict[tuple[str, str], Touch] = {}  # name and path of a field, "" for the whole
        self.renames: dict[str, Rename] = {}
        self.names = {name: name for name in tasks}  # here -> where the walk began
        self.paths = {
            name: set(given_fields(task)) if by_field else {""} for name, task in tasks.items()
        }

    def is_open(self) -> bool:
        return bool(self.names)

    def step(self, oid: Oid, deploy: Deploy, before: Deploy) -> None:
        if deploy.snapshot == before.snapshot:
            return
        new, old = (self.store.snapshot(one.snapshot) for one in (deploy, before))
        moved: dict[str, str] = {}
        for step in task_steps(self.store, old.tasks, new.tasks, self.names):
            name = self.names.pop(step.name)
            if step.old is not None and step.old_name != step.name:
                self.renames.setdefault(name, Rename(deploy=oid, old_name=step.old_name))
            self._keep(name, self._differing(name, step), Touch(deploy=oid))
            if self.paths[name]:
                moved[step.old_name] = name
        self.names |= moved

    def end(self, oid: Oid, *, boundary: bool) -> None:
        for name in self.names.values():
            self._keep(name, self.paths[name], Touch(deploy=oid, boundary=boundary))
        self.names = {}

    def _differing(self, name: str, step: TaskStep) -> Collection[str]:
        if step.old is None or step.new is None:
            return self.paths[name]
        if not self.by_field:
            return self.paths[name] if step.changed else ()
        return changed_paths(step.old, step.new, self.paths[name])

    def _keep(self, name: str, paths: Collection[str], touch: Touch) -> None:
        self.found.update(((name, path), touch) for path in paths)
        self.paths[name] = self.paths[name].difference(paths)


class Files:
    """Code files, each as a whole: its bytes, and whether it is executable."""

    def __init__(self, store: Store, paths: Iterable[str]) -> None:
        self.store = store
        self.found: dict[str, Touch] = {}
        self.renames: dict[str, Rename] = {}
        self.paths = {path: path for path in paths}  # here -> where the walk began

    def is_open(self) -> bool:
        return bool(self.paths)

    def step(self, oid: Oid, deploy: Deploy, before: Deploy) -> None:
        if deploy.snapshot == before.snapshot:
            return
        new, old = (self.store.snapshot(one.snapshot) for one in (deploy, before))
        moved: dict[str, str] = {}
        for step in file_steps(self.store, old.files, new.files, self.paths):
            path = self.paths.pop(step.path)
            if step.old is not None and step.old_path != step.path:
                self.renames.setdefault(path, Rename(deploy=oid, old_name=step.old_path))
            if step.old == step.new:
                moved[step.old_path] = path
            else:
                self.found[path] = Touch(deploy=oid)
        self.paths |= moved

    def end(self, oid: Oid, *, boundary: bool) -> None:
        self.found.update(
            (path, Touch(deploy=oid, boundary=boundary)) for path in self.paths.values()
        )
        self.paths = {}


class Values:
    """The leaves of an object that each deploy has, its settings or parameters, by their paths."""

    def __init__(self, leaves: Callable[[Deploy], dict[str, Json]], paths: Iterable[str]) -> None:
        self.leaves = leaves
        self.found: dict[str, Touch] = {}
        self.paths = set(paths)

    def is_open(self) -> bool:
        return bool(self.paths)

    def step(self, oid: Oid, deploy: Deploy, before: Deploy) -> None:
        new, old = self.leaves(deploy), self.leaves(before)
        for path in [p for p in self.paths if p not in old or not same(old[p], new[p])]:
            self.found[path] = Touch(deploy=oid)
            self.paths.remove(path)

    def end(self, oid: Oid, *, boundary: bool) -> None:
        self.found.update((path, Touch(deploy=oid, boundary=boundary)) for path in self.paths)
        self.paths = set()


class Lines:
    """The lines of a code file, or of the workflow file (`path` is None)."""

    def __init__(self, store: Store, start: Deploy, *, path: str | None) -> None:
        self.store = store
        self.path = path
        self.blob = self._blob(start, path)
        text = self._lines(start)
        if text is None:
            raise InvalidInput(f"{self._path(start)} is binary: it has no lines")
        self.text = self.lines = text  # where the walk began, and where it is
        self.places = [(place, place) for place in range(len(text))]  # here, where it began
        self.found: dict[int, LineTouch] = {}

    def is_open(self) -> bool:
        return bool(self.places)

    def step(self, oid: Oid, deploy: Deploy, before: Deploy) -> None:
        path = self.path and self._path_before(deploy, before)
        blob = self._blob(before, path)
        rest: list[tuple[int, int]] = []
        if blob != self.blob:
            self.blob, here = blob, self.lines
            self.lines = self._lines(before) or []
            self.places, rest = carried(self.lines, here, self.places)
        self._keep(oid, deploy, rest, boundary=False)
        self.path = path

    def end(self, oid: Oid, *, boundary: bool) -> None:
        deploy = self.store.get(Deploy, oid)
        self._keep(oid, deploy, self.places, boundary=boundary)
        self.places = []

    def _keep(
        self, oid: Oid, deploy: Deploy, places: Iterable[tuple[int, int]], *, boundary: bool
    ) -> None:
        touch, path = Touch(deploy=oid, boundary=boundary), self._path(deploy)
        for here, began in places:
            self.found[began] = LineTouch(touch=touch, path=path, number=here + 1)

    def _path(self, deploy: Deploy) -> str:
        return self.path or str(deploy.source["path"])

    def _path_before(self, deploy: Deploy, before: Deploy) -> str:
        """Return the path of the file in the deploy before, or the same if it is not there."""
        assert self.path is not None
        if deploy.snapshot == before.snapshot:
            return self.path
        new, old = (self.store.snapshot(one.snapshot) for one in (deploy, before))
        if new.files == old.files or self.path in old.files:
            return self.path
        return file_steps(self.store, old.files, new.files, {self.path})[0].old_path

    def _blob(self, deploy: Deploy, path: str | None) -> Oid | None:
        """Return what holds the text in a deploy, None for nothing."""
        if path is None:
            return text_of(deploy.source)
        entry = self.store.snapshot(deploy.snapshot).files.get(path)
        return entry.blob if entry else None

    def _lines(self, deploy: Deploy) -> list[str] | None:
        """Return the lines of the text that is at hand; none of bytes that are no text."""
        if self.blob is None:
            return []
        data = self.store.blob(self.blob) if self.path else join_text(self.store, deploy.source)
        text = lines.as_text(data)
        return None if text is None else lines.split(text)


Open: TypeAlias = Tasks | Files | Values | Lines
