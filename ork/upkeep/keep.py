"""Which runs, logs and checkouts a store keeps, by number and age; and how the others go.

`[keep]` in `.ork/config.toml` says it, or the options of `ork gc`; without either all stay.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

from ork import files
from ork.errors import Conflict, Corrupt, InvalidInput, StoreError, UsageError
from ork.failpoints import failpoint
from ork.logs.bytes import logs_there, parts_of, remove, size_of
from ork.objects.canonical import Oid
from ork.objects.kinds import Run, is_name
from ork.objects.value import Value, replace
from ork.runner import owner
from ork.store import location
from ork.store.contents import task_runs
from ork.store.resolve import REMOTES, has_run, known_names, next_number, number_ref, run_of_id
from ork.store.runs import RunEntry, refs_beside, refs_of, runs
from ork.store.store import RECORDED, Store, Transaction, named_by
from ork.store.verdict import Tally, counts_as, read_tally, retold, tally, verdict
from ork.upkeep.objects import Objects
from ork.upkeep.refs import count_run
from ork.worktree.place import WORK

UNDO_DAYS = 30
GOOD_KEPT = 2  # versions: what runs well now, and what `ork rollback` would go back to
RUNS_TOGETHER = 50  # that one write removes
SKIPS_KEPT = 1000  # the newest of each workflow: each tells of any number of slots
RACES_MAX = 100  # lost one after the other
RUNS_MAX = 10**9
DAYS_MAX = 100_000  # more than anybody has a history of, and less than the calendar has
LOGS = "logs"


class Keep(Value, frozen=True, kw_only=True):
    """What is kept; None is everything. A run stays that is among the newest, or young enough."""

    runs: int | None = None  # the newest of each workflow
    days: int | None = None
    logs_days: int | None = None
    checkouts_days: int | None = None
    undo_days: int = UNDO_DAYS


class Folder(Value, frozen=True, kw_only=True):
    """The logs of a run, or its checkout: the names that lead there from the store."""

    entry: RunEntry
    parts: tuple[str, ...]
    bytes: int


def chosen(folder: Path | None, **options: int | None) -> Keep:
    """Return what options say, and for those that are None the store's own configuration."""
    given = {name: value for name, value in options.items() if value is not None}
    for name, value in given.items():
        if not _is_fit(name, value):
            raise UsageError(f"{name} to keep are from 0 to {_most(name)}, and not {value!r}")
    return replace(configured(folder), **given)


def configured(folder: Path | None) -> Keep:
    """Return what the store's own configuration says; raise InvalidInput where it is wrong."""
    if folder is None:
        return Keep()
    path = folder / location.CONFIGURATION
    found = location.configuration(folder)
    keep = found.pop("keep", {})
    if (others := found.keys() - location.KNOWN) or not isinstance(keep, dict):
        name = next(iter(sorted(others)), "keep")
        raise InvalidInput(
            f"{path}: {name!r} is not known", hint="it has `store` and the table [keep]"
        )
    known = Keep.__struct_fields__
    for key, value in keep.items():
        if key not in known:
            hint = f"it knows {', '.join(known)}"
            raise InvalidInput(f"{path}: keep.{key} is not known", hint=hint)
        if not _is_fit(key, value):
            raise InvalidInput(f"{path}: keep.{key} is a number from 0 to {_most(key)}")
    return Keep(**keep)


def _is_fit(name: str, value: object) -> bool:
    return type(value) is int and 0 <= value <= _most(name)


def _most(name: str) -> int:
    return RUNS_MAX if name == "runs" else DAYS_MAX


def damaged(store: Store) -> list[RunEntry]:
    """Return the runs that have ended and lack something, sorted; not where histories lack it too.

    What is damaged in the history of a workflow stays so whatever becomes of its runs.
    """
    objects = Objects(store, lambda _: None, quick=False)
    spaces = (*RECORDED, REMOTES)
    histories = [named_by(ref, oid) for space in spaces for ref, oid in store.refs(space)]
    deque(objects.check(histories), 0)
    shared = set(objects.bad)
    beside = [one for space in ("unattached/", "hooks/") for one in store.refs(space)]
    roots = [(f"runs/{ref}", oid) for ref, oid in store.refs("runs/")]
    roots += [("runs/" + "/".join(ref.split("/")[:2]), oid) for ref, oid in beside]
    deque(objects.check(named_by(ref, oid) for ref, oid in roots), 0)
    objects.bad -= shared
    places = {place for place, _ in objects.needing(roots)}
    oids = {place: oid for place, oid in roots if place in places and oid == store.ref(place)}
    found = [RunEntry(oid=oid, run=store.get(Run, oid, keep=False)) for oid in oids.values()]
    found = [entry for entry in found if entry.run.ended]
    return sorted(found, key=lambda entry: (entry.run.workflow, entry.run.number))


def expired(
    store: Store, keep: Keep, now: datetime, damaged: Collection[str] = ()
) -> tuple[list[RunEntry], int]:
    """Return the runs that need not stay, those of a workflow in the order of their numbers.

    And how many others stay only as long as undo is possible. Nothing is asked of those that are
    `damaged`.

    Runs from before a workflow was renamed are its runs as well. Always kept are, of each workflow,
    the newest run and the newest good one of the two versions that had a good one last; runs that
    go on or ended while undo is possible; and what runs that are kept took their outputs from.
    """
    if keep.runs is None and keep.days is None:
        return [], 0
    days = keep.undo_days if keep.days is None else max(keep.days, keep.undo_days)
    young = now - timedelta(days=days)
    undoable = 0
    bases: dict[str, str | None] = {}
    going: dict[str, tuple[str, int, Oid]] = {}
    for workflow in sorted(known_names(store)):
        if not has_run(store, workflow):
            continue
        good: set[Oid] = set()
        last = next_number(store, workflow) - 1
        for index, entry in enumerate(runs(store, workflow)):
            run = entry.run
            if run.id in damaged:
                continue
            bases[run.id] = run.base
            wanted = len(good) < GOOD_KEPT and run.snapshot not in good
            if wanted and run.state == "success" and verdict(store, run) == "good":
                good.add(run.snapshot)
            elif index < max(1, keep.runs or 0) or run.number == last:
                continue
            elif run.ended and run.ended <= young:
                going[run.id] = workflow, run.number, entry.oid
            elif run.ended and (not keep.days or run.ended <= now - timedelta(days=keep.days)):
                undoable += 1
    for run_id in bases:
        base = None if run_id in going else bases[run_id]
        while base is not None and base in going:
            del going[base]
            base = bases[base]
    found = [oid for _, _, oid in sorted(going.values())]
    return [RunEntry(oid=oid, run=store.get(Run, oid, keep=False)) for oid in found], undoable


def refs_that_go(store: Store, gone: Sequence[RunEntry], logs: Iterable[Folder]) -> set[str]:
    """Return the refs that go with some runs and logs.

    With them go the tallies of deploys that have no other runs.
    """
    going = Counter(entry.run.deploy for entry in gone)
    refs = {ref for entry in gone for ref in (*refs_of(entry.run), *_beside(store, entry.run))}
    for folder in logs:
        refs |= parts_of(store, *folder.parts[1:]).keys()
    for deploy, count in going.items():
        if deploy is not None and sum(tally(store, deploy).counts.values()) == count:
            refs |= {f"tally/{deploy}/{text}" for text, _ in store.refs(f"tally/{deploy}/")}
    return refs


def logs(store: Store, keep: Keep, now: datetime, gone: Iterable[RunEntry]) -> list[Folder]:
    """Return the logs of runs that go, and of those that ended too long ago."""
    going = {entry.run.id: entry for entry in gone}
    if not going and keep.logs_days is None:
        return []
    return [
        found
        for workflow in sorted(with_logs(store))
        for run_id in sorted(with_logs(store, workflow))
        if (oid := store.ref(f"runs/{workflow}/{run_id}"))
        and (found := _folder(store, oid, (LOGS, workflow, run_id), keep.logs_days, now, going))
    ]


def with_logs(store: Store, *parts: str) -> Iterable[str]:
    """Return the names of the workflows that have logs, or of the runs of one that have."""
    if store.shared:
        return filter(is_name, store.folders("".join(f"{part}/" for part in (LOGS, *parts))))
    return _names(store, LOGS, *parts)


def checkouts(store: Store, keep: Keep, now: datetime, gone: Iterable[RunEntry]) -> list[Folder]:
    """Return the checkouts of runs that go, and of those that ended too long ago."""
    going = {entry.run.id: entry for entry in gone}
    names = _names(store, WORK) if going or keep.checkouts_days is not None else []
    places = {ref.rpartition("/")[2]: oid for ref, oid in store.refs("runs/")} if names else {}
    return [
        found
        for run_id in names
        if run_id in places
        and (
            found := _folder(store, places[run_id], (WORK, run_id), keep.checkouts_days, now, going)
        )
    ]


def old_skips(store: Store) -> dict[str, Oid]:
    """Return the refs that tell of slots left out, but for the newest of each workflow."""
    return {
        f"skips/{workflow}/{name}": oid
        for workflow in store.folders("skips/")
        for name, oid in islice(
            store.refs(f"skips/{workflow}/", newest_first=True), SKIPS_KEPT, None
        )
    }


def _beside(store: Store, run: Run) -> dict[str, Oid]:
    """Return the refs that go with a run besides those that each has."""
    pin = store.ref(number_ref(run.workflow, run.number))
    return refs_beside(store, {pin: run})[run.id] if pin else {}


def remove_runs(store: Store, gone: Sequence[RunEntry]) -> Iterator[Run]:
    """Remove runs, some at a time, with their logs and checkouts; yield those that are gone.

    After each write the tallies are right. A run that somebody goes on with at this moment stays.
    """
    for start in range(0, len(gone), RUNS_TOGETHER):
        with _owned(store, gone[start : start + RUNS_TOGETHER]) as batch:
            for entry in batch:
                _remove_folder(store, (LOGS, entry.run.workflow, entry.run.id))
                _remove_folder(store, (WORK, entry.run.id))
            failpoint("gc.folders")
            _move_away(store, batch)
            failpoint("gc.runs")
        yield from (entry.run for entry in batch)


def remove_folders(store: Store, folders: Iterable[Folder]) -> Iterator[Folder]:
    """Remove logs and checkouts of runs that stay; yield those that are gone.

    Of a run with which somebody has gone on since they stay.
    """
    for folder in folders:
        with _owned(store, [folder.entry]) as mine:
            if mine:
                _remove_folder(store, folder.parts)
                yield folder


@contextmanager
def _owned(store: Store, entries: Sequence[RunEntry]) -> Iterator[list[RunEntry]]:
    """Own some runs, so that nobody goes on with them; give those that are as they were."""
    leases = {}
    try:
        for entry in entries:
            if (lease := owner.own(store, entry.run.id)) is not None:
                leases[entry.run.id] = lease
        yield [
            entry
            for entry in entries
            if entry.run.id in leases and store.ref(refs_of(entry.run)[0]) == entry.oid
        ]
    finally:
        for lease in leases.values():
            owner.release(store, lease)


def _move_away(store: Store, batch: Sequence[RunEntry]) -> None:
    """Take away the refs of runs that nobody else can change, and count them out."""
    for _ in range(RACES_MAX):
        with suppress(Conflict):  # another run of the same deploy has ended meanwhile
            with store.transaction() as tx:
                for entry in batch:
                    place, *pins = refs_of(entry.run)
                    tx.move(place, old=entry.oid, new=None)
                    for pin in (*pins, *_beside(store, entry.run)):
                        tx.move(pin, old=store.ref(pin), new=None)
                _count_out(tx, [entry.run for entry in batch])
            return
    raise Conflict("runs end faster than others can be removed", hint="try it again")


def _count_out(tx: Transaction, gone: Sequence[Run]) -> None:
    """Write tallies without some runs."""
    store, ids = tx.store, {run.id for run in gone}
    for deploy in {run.deploy for run in gone}:
        if deploy is None:
            continue
        mine = [run for run in gone if run.deploy == deploy]
        found = dict(store.refs(f"tally/{deploy}/"))
        before = read_tally(found)
        counts = Counter(before.counts)
        last = before.last
        try:
            counts.subtract(counts_as(store, run, task_runs(store, run)) for run in mine)
        except Corrupt:  # how it counted is lost
            left: dict[Oid, Tally] = {}
            for run in _others(store, mine[0], ids):
                count_run(store, run, left)
            counts = Counter(left[deploy].counts if left else {})
        if any(run.number == last for run in mine):
            last = max((run.number for run in _others(store, mine[0], ids)), default=None)
        kept = {**+counts} if store.keeps(deploy) else {}  # else no ref can lead there
        tx.moves |= retold(deploy, found, Tally(counts=kept, last=last))


def _others(store: Store, like: Run, without: set[str]) -> Iterator[Run]:
    """Yield the other runs of a deploy that its tally counts."""
    for run_id, _ in store.refs(f"ran/{like.snapshot}/{like.workflow}/"):
        if run_id not in without:
            _, run = run_of_id(store, like.workflow, run_id)
            if run.deploy == like.deploy and (run.ended or run.previous):
                yield run


def _remove_folder(store: Store, parts: Sequence[str]) -> None:
    """Remove a folder below that of the store; nothing to remove is fine."""
    *above, name = parts
    if store.shared and parts[0] == LOGS:
        remove(store, *parts[1:])
    if store.folder is None:
        return
    try:
        with suppress(FileNotFoundError), store.inside(*above) as at:
            files.remove(name, at=at)
    except OSError as error:
        path = "/".join(parts)
        raise StoreError(f"{path} cannot be removed: {error.strerror}") from None


def _names(store: Store, *parts: str) -> list[str]:
    """Return the names in a folder of the store that may be names of workflows and runs."""
    if store.folder is None:
        return []
    try:
        with store.inside(*parts) as at:
            return sorted(filter(is_name, os.listdir(at)))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreError(f"{'/'.join(parts)} cannot be read: {error.strerror}") from None


def _folder(
    store: Store,
    oid: Oid,
    parts: tuple[str, ...],
    days: int | None,
    now: datetime,
    going: Mapping[str, RunEntry],
) -> Folder | None:
    """Return a folder of a run if it is to go."""
    entry = going.get(parts[-1])
    if entry is None or entry.oid != oid:
        if days is None:
            return None
        entry = RunEntry(oid=oid, run=store.get(Run, oid, keep=False))
        ended = entry.run.ended
        if ended is None or ended > now - timedelta(days=days):
            return None
    return Folder(entry=entry, parts=parts, bytes=_size(store, parts))


def _size(store: Store, parts: Sequence[str]) -> int:
    if store.shared and parts[0] == LOGS:
        names = logs_there(store, *parts[1:])
        return sum(size_of(store, "/".join((*parts[1:], name))) for name in names)
    size = 0
    with suppress(OSError), store.inside(*parts) as at:
        for _, _, names, here in os.fwalk(".", dir_fd=at, follow_symlinks=False):
            size += sum(files.size(name, at=here) for name in names)
    return size
