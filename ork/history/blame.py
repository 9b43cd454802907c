"""The deploy that last touched each task, field, or line: by first parents, through renames.

Lines are followed into files that have lost them, as by `git blame -C`.

The walk goes from newest to oldest and ends when everything is attributed. Of a deploy that left
alone what is asked for, only the deploy and its snapshot are read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import copy
from datetime import datetime
from functools import partial
from typing import Generic, TypeAlias, TypeVar

from ork.differences import lines
from ork.differences.definitions import declared
from ork.differences.lines import carried
from ork.differences.tasks import changed_paths, given_fields
from ork.differences.values import leaves
from ork.errors import Corrupt, InvalidInput, UsageError, count
from ork.history.filters import existing
from ork.history.lineage import Step, file_steps, is_changed, task_steps
from ork.objects.canonical import Json, Oid, same
from ork.objects.drawn import Drawn
from ork.objects.kinds import Deploy, FileEntry, Task
from ork.objects.snapshot import Contents, changes
from ork.objects.value import Value, columns_of, fields_of, replace
from ork.store import revision as grammar
from ork.store.contents import Tasks, join_text
from ork.store.resolve import ResolvedDeploy, deploy_of, history
from ork.store.store import Store
from ork.worktree.lookup import look_up

T = TypeVar("T")
_Places: TypeAlias = list[tuple[int, int]]  # of lines: in a text, and where the walk began

BLOCK_LINES_MIN = 3  # of what is found again in another file
BLOCK_CHARACTERS_MIN = 20  # in these lines, without blanks: three times "}" is everywhere


class Part(Value, frozen=True, kw_only=True):
    """A task, a code file, or one field of a definition, and the deploy that last touched it.

    `field` and `value` are those of a field, by its path in a diff. `old_name` is the name that it
    had before `renamed_by`, the newest deploy that gave it another one. With `boundary` the deploy
    is only where the range begins: it has the part like that, and nothing before it was looked at.
    """

    kind: str  # task | file | setting | param
    name: str
    field: str | None = None
    value: Json = None
    deploy: Oid
    boundary: bool = False
    old_name: str | None = None
    renamed_by: Oid | None = None


class BlamedLine(Value, frozen=True, kw_only=True):
    """One line of a text, and the deploy that last touched it.

    `old_number` and `path` are its number and its file in that deploy.
    """

    number: int
    text: str
    deploy: Oid
    boundary: bool = False
    old_number: int
    path: str


class Blame(Drawn, frozen=True, kw_only=True):
    """The parts of a definition, or the lines of one text; `deploys` are those that they name."""

    workflow: str
    deploy: Oid
    name: str | None = None  # the task or code file asked for; "" is the text of the workflow file
    parts: tuple[Part, ...] = ()
    lines: tuple[BlamedLine, ...] = ()
    deploys: Mapping[Oid, Deploy] = {}

    def cells(self) -> dict[str, object]:
        found = count(len(self.parts or self.lines), "part" if self.parts else "line")
        return {"workflow": self.workflow, "name": self.name, "blamed": found}

    def _columns(self) -> Iterable[str]:
        return [*columns_of(BlamedLine if self.lines else Part), "author", "time", "message"]

    def _records(self) -> Iterator[Mapping[str, object]]:
        """Yield a row for each part or line, with what its deploy says."""
        for one in self.parts or self.lines:
            deploy = self.deploys[one.deploy]
            said = {name: getattr(deploy, name) for name in ("author", "time", "message")}
            yield {**fields_of(one), **said}


def blame(store: Store, revision: str, *, now: datetime, keys: bool = False) -> Blame:
    """Return who last touched each task and code file of a definition, or with `keys` each field.

    Of REV:TASK each field is attributed, of REV:PATH and of `REV:`, the text of the workflow file,
    each line. In A..B, which may end in a name as well, nothing before A is looked at.
    """
    whole, name = grammar.split_part(revision)
    first, last = grammar.parse_range(whole) or ("", whole)
    last = last or deploy_of(store, look_up(store, first, now=now)).workflow
    start = deploy_of(store, look_up(store, last, now=now))
    stop = _boundary(store, start, first, now) if first else None
    if name is not None:
        if name:
            existing(store, last, name, now=now)
        kind = look_up(store, f"{last}:{name}", now=now).kind
        if name == "" or kind == "blob":
            return _blame_lines(store, start, stop, name.removeprefix("./"))
    return _blame_parts(store, start, stop, name, keys=keys)


def _boundary(store: Store, start: ResolvedDeploy, first: str, now: datetime) -> Oid:
    """Return the deploy at which to stop: one that the walk comes to."""
    oid = deploy_of(store, look_up(store, first, now=now), start.workflow).oid
    if all(oid != other for other, _ in history(store, start.workflow, start.oid)):
        raise UsageError(
            f"{first} is not in the history of {start.text}",
            hint="a range begins with the older deploy",
        )
    return oid


def _blame_lines(store: Store, start: ResolvedDeploy, stop: Oid | None, path: str) -> Blame:
    lines = _Lines(store, store.get(Deploy, start.oid), path)
    _walk(store, start, stop, [lines])
    found = tuple(lines.found[place] for place in sorted(lines.found))
    deploys = _deploys(store, {line.deploy for line in found})
    return Blame(workflow=start.workflow, deploy=start.oid, name=path, lines=found, deploys=deploys)


def _blame_parts(
    store: Store, start: ResolvedDeploy, stop: Oid | None, name: str | None, *, keys: bool
) -> Blame:
    deploy = store.get(Deploy, start.oid)
    snapshot = store.snapshot(deploy.snapshot)
    one = name is not None
    tasks: Mapping[str, Task] = (
        {name: store.get(Task, snapshot.tasks[name])} if name else Tasks(store, snapshot)
    )
    # The paths of the fields of a task, and their values; "" is the whole of it.
    fields = {n: given_fields(task) if keys or one else {"": None} for n, task in tasks.items()}
    whole_files = {} if one else {path: {"": None} for path in snapshot.files}
    values = {
        kind: _Values(leaves_of, leaves_of(deploy) if keys and not one else {})
        for kind, leaves_of in (("setting", _settings), ("param", partial(_params, store)))
    }
    of_tasks, of_files = _Tasks(store, fields), _Files(store, whole_files)
    _walk(store, start, stop, [of_tasks, of_files, *values.values()])
    found = of_tasks.parts("task", fields)
    for kind, these in values.items():
        found += [
            Part(kind=kind, name=path, value=value, deploy=oid, boundary=boundary)
            for path, value in sorted(these.values.items())
            for oid, boundary in (these.found[path],)
        ]
    found += of_files.parts("file", whole_files)
    oids = {oid for part in found for oid in (part.deploy, part.renamed_by) if oid}
    return Blame(
        workflow=deploy.workflow,
        deploy=start.oid,
        name=name,
        parts=tuple(found),
        deploys=_deploys(store, oids),
    )


def _walk(store: Store, start: ResolvedDeploy, stop: Oid | None, asked: Sequence[Asked]) -> None:
    """Go back from deploy to deploy until everything is attributed."""
    deploys = history(store, start.workflow, start.oid)
    oid, deploy = next(deploys)
    while asked := [one for one in asked if one.left]:
        before = None if oid == stop else next(deploys, None)
        if before is None:
            for one in asked:
                one.end(oid, boundary=oid == stop)
            return
        for one in asked:
            one.step(oid, deploy, before[1])
        oid, deploy = before


def _settings(deploy: Deploy) -> dict[str, Json]:
    return {path: value for path, value in leaves(dict(deploy.settings)) if path}


def _params(store: Store, deploy: Deploy) -> dict[str, Json]:
    params = declared(store.snapshot(deploy.snapshot).params)
    return {path: value for path, value in leaves(params) if path}


def _deploys(store: Store, oids: Iterable[Oid]) -> dict[Oid, Deploy]:
    return store.get_all(Deploy, {oid: oid for oid in sorted(oids)})


# What is asked about, on its way back through the history. Each takes `step` after step, from a
# deploy to the one before it: what the older one does not have, the newer one has touched; the rest
# is `left`. At its end the walk attributes what is left to the last deploy that it looked at.


class _Named(ABC, Generic[T]):
    """Tasks or code files, each with the paths of fields that are not attributed yet."""

    def __init__(self, store: Store, fields: Mapping[str, Iterable[str]]) -> None:
        self.store = store
        self.left = {name: (name, set(paths)) for name, paths in fields.items()}  # by name here
        self.found: dict[tuple[str, str], tuple[Oid, bool]] = {}
        self.renames: dict[str, tuple[Oid, str]] = {}  # the newest: by which deploy, and from what

    @abstractmethod
    def steps(self, old: Contents, new: Contents) -> list[Step[T]]:
        """Return those that differ between two definitions."""

    @abstractmethod
    def touched(self, step: Step[T], paths: set[str]) -> set[str]:
        """Return which of the paths a step has changed."""

    def step(self, oid: Oid, deploy: Deploy, before: Deploy) -> None:
        if deploy.snapshot == before.snapshot:
            return
        moved = {}
        old, new = self.store.snapshot(before.snapshot), self.store.snapshot(deploy.snapshot)
        for step in self.steps(old, new):
            name, paths = self.left.pop(step.name)
            if step.is_renamed:
                self.renames.setdefault(name, (oid, step.old_name))
            touched = self.touched(step, paths)
            self.found.update({(name, path): (oid, False) for path in touched})
            if rest := paths - touched:
                moved[step.old_name] = name, rest
        self.left |= moved

    def end(self, oid: Oid, *, boundary: bool) -> None:
        for name, paths in self.left.values():
            self.found.update({(name, path): (oid, boundary) for path in paths})

    def parts(self, kind: str, fields: Mapping[str, Mapping[str, Json]]) -> list[Part]:
        """Return them with their deploys, in this order."""
        found = []
        for name, values in fields.items():
            renamed_by, old_name = self.renames.get(name, (None, None))
            for path, value in values.items():
                oid, boundary = self.found[name, path]
                part = Part(kind=kind, name=name, field=path or None, value=value, deploy=oid)
                found.append(
                    replace(part, boundary=boundary, old_name=old_name, renamed_by=renamed_by)
                )
        return found


class _Tasks(_Named[Task]):
    def steps(self, old: Contents, new: Contents) -> list[Step[Task]]:
        return task_steps(self.store, old.tasks, new.tasks, self.left)

    def touched(self, step: Step[Task], paths: set[str]) -> set[str]:
        if step.old is None or step.new is None:
            return paths
        if "" in paths:
            return paths if is_changed(step) else set()
        return set(changed_paths(step.old, step.new, paths))


class _Files(_Named[FileEntry]):
    def steps(self, old: Contents, new: Contents) -> list[Step[FileEntry]]:
        return file_steps(self.store, old.files, new.files, self.left)

    def touched(self, step: Step[FileEntry], paths: set[str]) -> set[str]:
        return set() if step.old == step.new else paths


class _Values:
    """The settings or the parameters of a deploy, by their paths."""

    def __init__(
        self, leaves: Callable[[Deploy], dict[str, Json]], values: dict[str, Json]
    ) -> None:
        self.leaves, self.values = leaves, values
        self.left = set(values)
        self.found: dict[str, tuple[Oid, bool]] = {}

    def step(self, oid: Oid, deploy: Deploy, before: Deploy) -> None:
        new, old = self.leaves(deploy), self.leaves(before)
        touched = {path for path in self.left if path not in old or not same(old[path], new[path])}
        self.found.update(dict.fromkeys(touched, (oid, False)))
        self.left -= touched

    def end(self, oid: Oid, *, boundary: bool) -> None:
        self.found.update(dict.fromkeys(self.left, (oid, boundary)))


class _Lines:
    """The lines of a code file or, without a path, of the workflow file."""

    def __init__(self, store: Store, start: Deploy, path: str) -> None:
        self.store, self.path = store, path
        self.blob = self._blob(start, path)
        text = self._read(start)
        if text is None:
            raise InvalidInput(f"{path or start.source.path} is binary: it has no lines")
        self.text = self.lines = text  # where the walk began, and where it is
        self.places = [(place, place) for place in range(len(text))]  # here, where it began
        self.found: dict[int, BlamedLine] = {}
        self.others: list[_Lines] = []  # files from which lines of this one came

    @property
    def left(self) -> bool:
        return bool(self.places) or any(one.left for one in self.others)

    def step(self, oid: Oid, deploy: Deploy, before: Deploy) -> None:
        for one in self.others:
            one.step(oid, deploy, before)
        if not self.places:
            return
        path = self.path and self._path_before(deploy, before)
        blob = self._blob(before, path)
        touched: _Places = []
        if blob != self.blob:
            self.blob, here = blob, self.lines
            self.lines = self._read(before) or []
            self.places, touched = carried(self.lines, here, self.places)
            if self.path and _is_block(here, touched):
                touched = self._from_others(deploy, before, path, here, touched)
        self._keep(oid, deploy, touched, boundary=False)
        self.path = path

    def end(self, oid: Oid, *, boundary: bool) -> None:
        for one in self.others:
            one.end(oid, boundary=boundary)
        self._keep(oid, self.store.get(Deploy, oid), self.places, boundary=boundary)

    def _from_others(
        self, deploy: Deploy, before: Deploy, own: str, here: list[str], touched: _Places
    ) -> _Places:
        """Follow the blocks that other files have lost to this one; return the lines that are new.

        `own` is where this file was before, and `here` what its lines are now. Into a file that is
        damaged nothing is followed.
        """
        old, new = self.store.snapshot(before.snapshot), self.store.snapshot(deploy.snapshot)
        for path, (was, now) in changes(old.files, new.files).items():
            if path == own or was is None or (now and now.blob == was.blob):
                continue
            other = copy(self)
            other.path, other.blob, other.others = path, now.blob if now else None, []
            with suppress(Corrupt):
                other.places = other._lost(was.blob, deploy, before, here, touched)
                followed = {began for _, began in other.places}
                touched = [one for one in touched if one[1] not in followed]
                self.others += [other] if followed else []
        return touched

    def _lost(
        self, blob: Oid, deploy: Deploy, before: Deploy, here: list[str], touched: _Places
    ) -> _Places:
        """Go back to this blob, and return where in it the blocks are that it has lost."""
        after, self.blob = self.blob, blob
        self.lines = self._read(before) or []
        wanted = {here[place] for place, _ in touched}
        known = [(n, n) for n, line in enumerate(self.lines) if line in wanted]
        if not _is_block(self.lines, known):
            return []  # as in most files: nothing is compared
        self.blob = after
        _, lost = carried(self._read(deploy) or [], self.lines, known)
        self.blob = blob
        found: _Places = []
        for start, at, length in lines.matches(
            [self.lines[place] for place, _ in lost], [here[place] for place, _ in touched]
        ):
            block = touched[at : at + length]
            if _is_block(here, block):
                there = (place for place, _ in lost[start : start + length])
                found += zip(there, (began for _, began in block), strict=True)
        return found

    def _keep(self, oid: Oid, deploy: Deploy, places: _Places, *, boundary: bool) -> None:
        path = self.path or deploy.source.path
        for here, began in places:
            self.found[began] = BlamedLine(
                number=began + 1,
                text=self.text[began].removesuffix("\n"),
                deploy=oid,
                boundary=boundary,
                old_number=here + 1,
                path=path,
            )

    def _path_before(self, deploy: Deploy, before: Deploy) -> str:
        """Return the path of the file in the deploy before, or the same if it is not there."""
        old, new = self.store.snapshot(before.snapshot), self.store.snapshot(deploy.snapshot)
        if new.files == old.files or self.path in old.files:
            return self.path
        return file_steps(self.store, old.files, new.files, {self.path})[0].old_name

    def _blob(self, deploy: Deploy, path: str) -> Oid | None:
        """Return what holds the text in a deploy, None for nothing."""
        if not path:
            return deploy.source.oid
        file = self.store.snapshot(deploy.snapshot).files.get(path)
        return file.blob if file else None

    def _read(self, deploy: Deploy) -> list[str] | None:
        """Return the lines of the text that is at hand; none of bytes that are no text."""
        if self.blob is None:
            return []
        data = self.store.blob(self.blob) if self.path else join_text(self.store, deploy.source)
        text = lines.as_text(data)
        return None if text is None else lines.split(text)


def _is_block(text: Sequence[str], places: _Places) -> bool:
    """Say whether lines are enough to be known again in another file."""
    characters = sum(len("".join(text[place].split())) for place, _ in places)
    return len(places) >= BLOCK_LINES_MIN and characters >= BLOCK_CHARACTERS_MIN


Asked: TypeAlias = _Tasks | _Files | _Values | _Lines
