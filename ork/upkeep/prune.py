"""Makes room in a store: says what need not stay in it, or removes that and records it.

And gives the room back to the disk, by a new data file of all that there is.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

from ork.errors import Conflict, Corrupt, StoreError, count, some
from ork.failpoints import failpoint
from ork.files import make_folder, remove
from ork.logs.reading import name_of_logs
from ork.objects.kinds import Run
from ork.objects.value import Value, replace
from ork.progress import counted
from ork.store import location
from ork.store.location import DATA
from ork.store.operations import record_removal
from ork.store.resolve import newest_number, number_ref, spent_ref
from ork.store.runs import all_going_on
from ork.store.store import Stamp, Store
from ork.upkeep.gc import Doomed, Garbage
from ork.upkeep.keep import (
    Folder,
    Keep,
    checkouts,
    configured,
    expired,
    logs,
    old_skips,
    refs_that_go,
    remove_folders,
    remove_runs,
)
from ork.upkeep.keep import damaged as damaged_runs
from ork.upkeep.repair import BESIDE, alone, copy_data, swap

RACES_MAX = 100  # lost one after the other
NAMES_MAX = 10  # of runs in a message


class Repacked(Value, frozen=True, kw_only=True):
    """How many bytes the data file has, and how many it would have, or has now (`done`)."""

    done: bool
    before: int
    after: int

    def cells(self) -> dict[str, object]:
        verb = "has" if self.done else "would have"
        return {"before": f"{self.before:,} bytes", "after": f"{verb} {self.after:,}"}


class Folders(Value, frozen=True, kw_only=True):
    """How many folders go, and how many bytes are in them."""

    count: int
    bytes: int


class Pruned(Value, frozen=True, kw_only=True):
    """What need not stay in a store, and whether it is gone (`done`)."""

    done: bool
    objects: int
    bytes: int
    kinds: dict[str, int]  # how many objects of each
    objects_before: int  # in the whole store
    runs: dict[str, tuple[int, ...]]  # workflow -> numbers
    logs: Folders
    checkouts: Folders
    undoable: int = 0  # runs that stay only as long as undo is possible
    lacking: str = ""  # in words what is needed and lost, for which all objects stay
    file: Repacked | None = None

    @property
    def nothing(self) -> bool:
        """Whether all stays."""
        return not (self.objects or self.runs or self.logs.count or self.checkouts.count)

    def cells(self) -> dict[str, object]:
        if self.nothing:
            return {"done": "all stays"}
        return {
            "done": "removed" if self.done else "would remove",
            "objects": count(self.objects, "object"),
            "runs": count(sum(map(len, self.runs.values())), "run"),
            "logs": count(self.logs.count, "folder") + " of logs",
            "checkouts": count(self.checkouts.count, "checkout"),
        }


def gc(
    store: Store,
    *,
    now: datetime,
    keep: Keep | None = None,
    stamp: Stamp | None = None,
    force: bool = False,
    damaged: bool = False,
) -> Pruned:
    """Say what need not stay; with a stamp, remove it and record that as an operation.

    That are objects that nothing needs, and the runs, logs and checkouts that `keep`, or the
    configuration of the store, does not keep. What commands moved in the last `undo_days` stays, so
    that it can be undone. With `damaged` the runs go as well that lack something, which nobody can
    copy or read; where a history lacks something all objects stay, since nobody knows what that
    needs. Raise StoreError rather than remove more than half of all objects, beside
    those of runs that go, unless `force`; raise Corrupt when something that is needed is missing or
    damaged.
    """
    keep = configured(store.folder) if keep is None else keep
    broken = damaged_runs(store) if damaged else []
    skips = old_skips(store)
    with _naming_damaged(store):
        gone, undoable = expired(store, keep, now, {one.run.id for one in broken})
        gone = sorted([*gone, *broken], key=lambda one: (one.run.workflow, one.run.number))
        folders = logs(store, keep, now, gone), checkouts(store, keep, now, gone)
        garbage, lacking = None, ""
        try:
            garbage = Garbage(
                store,
                undo_since=now - timedelta(days=keep.undo_days),
                leaving=refs_that_go(store, gone, folders[0]) | skips.keys(),
            )
        except Corrupt as error:
            if not damaged:
                raise
            lacking = error.message
    objects = garbage.objects if garbage else sum(1 for _ in store.backend.oids())
    doomed = garbage.doomed if garbage else []
    found = _pruned(doomed, [one.run for one in gone], *folders, before=objects)
    found = replace(found, undoable=undoable, lacking=lacking)
    if stamp is None or found.nothing:
        return replace(found, done=stamp is not None)
    if garbage and 2 * garbage.unexplained > garbage.objects and not force:
        raise StoreError(
            f"nothing needs {garbage.unexplained} of {garbage.objects} objects: were refs lost?",
            hint="`ork fsck` looks for that; --force removes them all the same",
        )
    _record(store, stamp, [one.run for one in gone], folders[0])
    failpoint("gc.recorded")
    runs = list(counted("removing runs", remove_runs(store, gone), len(gone)))
    planned, ids = {one.run.id for one in gone}, {run.id for run in runs}
    left = [
        [one for one in some if one.entry.run.id in ids]
        + list(remove_folders(store, [one for one in some if one.entry.run.id not in planned]))
        for some in folders
    ]
    with store.transaction() as tx:
        tx.moves |= {ref: (oid, None) for ref, oid in skips.items()}
    doomed = garbage.sweep() if garbage else []
    store.tell_anchor()
    done = _pruned(doomed, runs, *left, before=objects)
    return replace(done, done=True, undoable=undoable, lacking=lacking)


@contextmanager
def _naming_damaged(store: Store) -> Iterator[None]:
    """Say which runs lack something, if that is what ends the block."""
    try:
        yield
    except Corrupt as error:
        if not (names := [one.run.name for one in damaged_runs(store)]):
            raise
        lack = "lacks" if len(names) == 1 else "lack"
        raise Corrupt(
            f"{error.message}: {some(names, NAMES_MAX)} {lack} something",
            hint="`ork gc --damaged` removes these runs, with --prune; `ork fsck` says more",
        ) from None


def _pruned(
    doomed: list[Doomed],
    runs: list[Run],
    logs: list[Folder],
    checkouts: list[Folder],
    *,
    before: int,
) -> Pruned:
    numbers: dict[str, list[int]] = {}
    for run in runs:
        numbers.setdefault(run.workflow, []).append(run.number)
    return Pruned(
        done=False,
        objects=len(doomed),
        bytes=sum(one.bytes for one in doomed),
        kinds=dict(sorted(Counter(one.kind for one in doomed).items())),
        objects_before=before,
        runs={workflow: tuple(numbers[workflow]) for workflow in sorted(numbers)},
        logs=_sum(logs),
        checkouts=_sum(checkouts),
    )


def _sum(folders: list[Folder]) -> Folders:
    return Folders(count=len(folders), bytes=sum(one.bytes for one in folders))


def _record(store: Store, stamp: Stamp, runs: list[Run], logs: list[Folder]) -> None:
    """Add an operation that tells which runs, and logs of which others, are gone for good."""
    ids = {run.id for run in runs}
    names = [number_ref(run.workflow, run.number) for run in runs]
    names += [name_of_logs(one.entry.run) for one in logs if one.entry.run.id not in ids]
    highest = {run.workflow: run.number for run in runs}  # of each the last
    spent = [
        spent_ref(workflow, number)
        for workflow, number in highest.items()
        if number == newest_number(store, workflow)
    ]
    names += spent
    for _ in range(RACES_MAX):
        with suppress(Conflict):  # another command was recorded meanwhile
            with store.transaction() as tx:
                oid = record_removal(tx, stamp, names)
                for ref in spent:
                    tx.move(ref, old=store.ref(ref), new=oid)
            return
    raise Conflict("other commands were always faster; nothing was removed", hint="try it again")


def room(folder: Path, *, environ: Mapping[str, str], less: int = 0) -> Repacked | None:
    """Say about how much `repack` would give back, with so many bytes `less` to keep.

    None where the data are no file of this machine.
    """
    there = location.elsewhere(folder, environ=environ)
    if there is not None and isinstance(there.at, str):
        return None
    data = location.on_disk(folder, environ=environ)
    found = data.kind.room(data.at)
    return Repacked(done=False, before=found.bytes, after=min(found.bytes, found.used - less))


def check_closed(folder: Path, *, environ: Mapping[str, str]) -> None:
    """Raise StoreError while a process has the store open: then it cannot be repacked."""
    data = location.on_disk(folder, environ=environ)
    try:
        data.kind.check_closed(data.at)
    except StoreError as error:
        with location.open_store(folder, environ=environ) as store:
            names = [run.name for run in all_going_on(store)]
        if not names:
            raise
        goes = "goes" if len(names) == 1 else "go"
        hint = f"let it end, or `ork cancel {names[0]}`, then repeat the command"
        raise StoreError(f"{error.message}; {some(names, 5)} {goes} on", hint=hint) from None


def repack(folder: Path, *, environ: Mapping[str, str]) -> Repacked:
    """Write the data file anew, record by record, so that what was free in it is given back.

    Raise StoreError, with nothing changed, while a process has the store open; raise Corrupt when
    the data file is damaged: what it still holds here and there would be lost.
    """
    data = location.on_disk(folder, environ=environ)
    kind = data.kind
    with alone(data.home):
        check_closed(folder, environ=environ)  # else all would be copied for nothing
        if problems := kind.problems(data.at, every_page=True):
            raise Corrupt(f"the data file is damaged: {problems[0]}", hint="`ork fsck --repair`")
        before = kind.room(data.at)
        new = data.home.new(BESIDE)
        _check_disk(new.parent, before.used)
        try:
            make_folder(new)
            with location.open_store(folder, environ=environ) as store:
                sequence = copy_data(store, kind, new / DATA)
            if (copied := kind.room(new / DATA).records) != before.records:
                raise StoreError(
                    f"the data file has {before.records} records, and {copied} were found",
                    hint="repeat the command, if somebody wrote meanwhile; else `ork fsck`",
                )
            failpoint("repack.copied")
            keep = new / "before"
            swap(folder, new / DATA, keep=keep, sequence=sequence, environ=environ)
            failpoint("repack.swapped")
        finally:
            remove(new)
        after = kind.room(data.at)
    return Repacked(done=True, before=before.bytes, after=after.bytes)


def _check_disk(folder: Path, needed: int) -> None:
    """Raise StoreError where the disk has not so many bytes left: the copying would end in that."""
    disk = os.statvfs(folder)
    if (free := disk.f_bavail * disk.f_frsize) < needed:
        raise StoreError(
            f"the new data file needs about {needed:,} bytes, and the disk has {free:,} left",
            hint="make room on it first; `ork gc --prune` makes some within the old file",
        )
