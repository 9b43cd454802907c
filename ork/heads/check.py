"""All that is wrong in workflow files, and what of their code is captured. Needs no store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from ork.errors import InvalidInput, NotFound, Problem, count
from ork.heads.deploy import archived_of, perhaps_renamed, refuse_move, refuse_renamed
from ork.objects.canonical import Json
from ork.objects.drawn import Drawn
from ork.objects.kinds import Deploy
from ork.objects.value import Value, replace
from ork.schedule.schedule import read
from ork.schedule.times import slots, zone
from ork.schedule.words import in_words, policies
from ork.store.store import Store
from ork.worktree.capture import Captured
from ork.worktree.load import MORE, check, examine, problems_of, refuse_place, same_names
from ork.worktree.lookup import NO_FILE

TIMES_SHOWN = 3


class CheckedFile(Value, frozen=True, kw_only=True):
    """One captured file, and one of the reasons why it is: its role, for which tasks.

    `by` is the file that names it, or the pattern of `include`; None for the tasks themselves.
    """

    path: str
    role: str  # file | module | program | script | sourced | imported | table | include
    by: str | None = None
    tasks: tuple[str, ...] = ()


class CheckedSchedule(Value, frozen=True, kw_only=True):
    """One schedule of a file: in words, and the next times in its zone, as ISO 8601."""

    words: str
    policies: str  # what else it says, such as "retries: 2; after_failure: hold"
    timezone: str
    params: dict[str, Any]
    next: tuple[str, ...]


class Checked(Drawn, frozen=True, kw_only=True):
    """One file: the snapshot that a deploy would make of it, or all that is wrong with it.

    With `more`, what is wrong may hide more of that. `warnings` tell what seems to be wrong, and
    where it cannot be known what is executed. Of a good file `schedules` tell when it is due,
    `files`, if asked for, what is captured, and `open` then the places of which nobody could know
    more.
    """

    file: str
    workflow: str | None = None
    snapshot: str | None = None
    problems: tuple[Problem, ...] = ()
    more: bool = False
    schedules: tuple[CheckedSchedule, ...] = ()
    warnings: tuple[Problem, ...] = ()
    files: tuple[CheckedFile, ...] | None = None
    open: tuple[Problem, ...] | None = None

    @property
    def ok(self) -> bool:
        """Whether it could be deployed."""
        return self.snapshot is not None

    def with_warnings_as_errors(self) -> Checked:
        """Return what it is where nothing is to be warned of."""
        if not self.warnings:
            return self
        every = (*self.problems, *self.warnings)
        return replace(self, snapshot=None, problems=every, warnings=())

    def _columns(self) -> Iterable[str]:
        return Problem._fields

    def _records(self) -> Iterator[Mapping[str, object]]:
        """Yield a row for each complaint, the warnings last."""
        return (one._asdict() for one in (*self.problems, *self.warnings))

    def cells(self) -> dict[str, object]:
        found = count(len(self.problems), "problem") if self.problems else "good"
        warned = count(len(self.warnings), "warning") if self.warnings else None
        return {"file": self.file, "workflow": self.workflow, "found": found, "warned": warned}


Looked: TypeAlias = tuple[str | None, Checked]  # the name in a file that can be read
Look: TypeAlias = Callable[[Path], Looked]


def check_files(
    files: Sequence[Path],
    *,
    now: datetime,
    project: Path,
    store: Store | None = None,
    with_files: bool = False,
    over: Callable[[Look, Sequence[Path]], Iterable[Looked]] = map,
) -> list[Checked]:
    """Say all that is wrong in workflow files, as a deploy of each would; `over` looks at each.

    With a store, so is a name that it has from another file, or has not while it has the file's
    former one. `project` is the folder that no root may lead out of.
    """
    paths = list(dict.fromkeys(files))
    look = partial(_checked, with_files=with_files, now=now, project=project)
    looked = [  # again where something may be missing: what looks on other cores has no store
        look(path, deployed=store) if store and _may_lack(one) else (name, one)
        for path, (name, one) in zip(paths, over(look, paths), strict=True)
    ]
    names, found = zip(*looked, strict=True)
    checked = dict(zip(paths, found, strict=True))
    many = {name for name, count in Counter(names).items() if name and count > 1}
    doubled = [path for path, name in zip(paths, names, strict=True) if name in many]
    alone = [path for path in paths if store and path not in doubled and checked[path].ok]
    taken = _taken(store, {path: checked[path].workflow for path in alone}) if store else ()
    for problem in (*same_names([check(path) for path in doubled]), *taken):
        path = Path(problem.file)
        problems = (problem, *checked[path].problems)
        warnings = checked[path].warnings
        checked[path] = Checked(file=str(path), problems=problems, warnings=warnings)
    return [checked[path] for path in files]


def _taken(store: Store, files: Mapping[Path, str | None]) -> Iterator[Problem]:
    """Yield complaints that a workflow was deployed from another file, which is there still.

    And that a file was deployed under another name.
    """
    heads = store.refs_at(f"workflows/{workflow}" for workflow in files.values())
    deploys = store.get_all(Deploy, heads)
    new = []
    for path, workflow in files.items():
        if (deploy := deploys.get(f"workflows/{workflow}")) is None:
            new.append(path)
            continue
        source = store.project / deploy.source.path
        if source.resolve() != path.resolve() and source.exists():
            try:
                refuse_move(store, deploy, check(path))
            except InvalidInput as error:
                yield from error.problems
    loaded = map(check, perhaps_renamed(store, new, besides=files.values()))
    wanted = [one for one in loaded if not archived_of(store, one)]
    try:
        refuse_renamed(store, wanted, besides=files.values())
    except InvalidInput as error:
        yield from error.problems


def _may_lack(one: Checked) -> bool:
    """Say whether a file is told to be missing, which the newest deploy may have."""
    return bool(one.problems) or any(it.kind == "uncaptured-code" for it in one.warnings)


def _checked(
    path: Path, *, with_files: bool, now: datetime, project: Path, deployed: Store | None = None
) -> Looked:
    """Return the name in a file that can be read, and all that is to be said of it."""
    if path.is_dir():
        problem = Problem(file=str(path), message=NO_FILE)
        return None, Checked(file=str(path), problems=(problem,))
    try:
        loaded, error, warnings = examine(path, deployed)
    except NotFound as gone:
        problem = Problem(file=str(path), message="there is no such file", hint=gone.hint)
        return None, Checked(file=str(path), problems=(problem,))
    except InvalidInput as unread:
        loaded, error, warnings = None, unread, ()
    name = loaded.definition.name if loaded else None
    if loaded and not error:
        try:
            refuse_place(project, loaded)
        except InvalidInput as outside:
            error = outside
    if error or not loaded:
        assert error
        problems, more = problems_of(path, error), error.hint == MORE
        return name, Checked(file=str(path), problems=problems, more=more, warnings=warnings)
    captured = loaded.captured
    return name, Checked(
        file=str(path),
        workflow=name,
        snapshot=loaded.snapshot,
        schedules=tuple(_schedules(loaded.definition.settings.get("schedule"), now)),
        warnings=warnings,
        files=tuple(_captured(captured)) if with_files else None,
        open=captured.silent if with_files else None,
    )


def _schedules(setting: Json, now: datetime) -> Iterator[CheckedSchedule]:
    if setting is None:
        return
    for schedule in read(setting)[0]:
        there = zone(schedule.timezone)
        coming = islice(slots(schedule, now), TIMES_SHOWN)
        yield CheckedSchedule(
            words=in_words(schedule),
            policies=policies(schedule),
            timezone=schedule.timezone,
            params=dict(schedule.params),
            next=tuple(slot.astimezone(there).isoformat() for slot in coming),
        )


def _captured(captured: Captured) -> Iterator[CheckedFile]:
    """Yield the captured files; one that has several reasons comes as often."""
    for path, reasons in captured.reasons.items():
        tasks: dict[tuple[str, str], list[str]] = {}
        for task, role, by in reasons:
            tasks.setdefault((role, by), []).extend([task] if task else [])
        for (role, by), names in tasks.items():
            yield CheckedFile(path=path, role=role, by=by or None, tasks=tuple(names))
