"""Makes room in a store: says which objects nothing needs, or removes them and records that.

And gives the room back to the disk, by a new data file of all that there is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from ork.errors import Conflict, Corrupt, StoreError
from ork.failpoints import failpoint
from ork.files import remove
from ork.objects.kinds import Operation
from ork.objects.value import Value
from ork.store import location
from ork.store.location import DATA
from ork.store.store import Stamp, Store
from ork.upkeep.gc import Doomed, Garbage
from ork.upkeep.repair import alone, beside, copy_objects, swap

UNDO_DAYS = 30
RACES_MAX = 100  # lost one after the other


class Repacked(Value, frozen=True, kw_only=True):
    """How many bytes the data file has, and how many it would have, or has now (`done`)."""

    done: bool
    before: int
    after: int


class Pruned(Value, frozen=True, kw_only=True):
    """The objects that nothing needs, and whether they are gone (`done`)."""

    done: bool
    objects: int
    bytes: int
    kinds: dict[str, int]  # how many of each
    objects_before: int  # in the whole store
    file: Repacked | None = None


def gc(
    store: Store,
    *,
    now: datetime,
    undo_days: int = UNDO_DAYS,
    stamp: Stamp | None = None,
    force: bool = False,
) -> Pruned:
    """Say which objects nothing needs; with a stamp, remove them and record that as an operation.

    What commands moved in the last `undo_days` stays, so that it can be undone. Raise StoreError
    rather than remove more than half of all objects, unless `force`; raise Corrupt when something
    that is needed is missing or damaged.
    """
    garbage = Garbage(store, undo_since=now - timedelta(days=undo_days))
    doomed = garbage.doomed
    if stamp is not None and doomed:
        if 2 * len(doomed) > garbage.objects and not force:
            raise StoreError(
                f"nothing needs {len(doomed)} of {garbage.objects} objects: were refs lost?",
                hint="`ork fsck` looks for that; --force removes them all the same",
            )
        _record(store, stamp)
        doomed = garbage.sweep()
        store.tell_anchor()
    return _pruned(doomed, done=stamp is not None, before=garbage.objects)


def _pruned(doomed: list[Doomed], *, done: bool, before: int) -> Pruned:
    return Pruned(
        done=done,
        objects=len(doomed),
        bytes=sum(one.bytes for one in doomed),
        kinds=dict(sorted(Counter(one.kind for one in doomed).items())),
        objects_before=before,
    )


def _record(store: Store, stamp: Stamp) -> None:
    """Add an operation that moves nothing: it tells who removed something, and when."""
    for _ in range(RACES_MAX):
        parent = store.ref("ops")
        with suppress(Conflict):  # another command was recorded meanwhile
            with store.transaction() as tx:
                operation = Operation(
                    parent=parent, time=stamp.time, author=stamp.author, argv=stamp.argv, moves=()
                )
                tx.move("ops", old=parent, new=tx.add(operation))
            return
    raise Conflict("other commands were always faster; nothing was removed", hint="try it again")


def room(folder: Path, *, environ: Mapping[str, str], less: int = 0) -> Repacked:
    """Say about how much `repack` would give back, with so many bytes `less` to keep."""
    found = location.kept_by(folder, environ=environ).room(folder / DATA)
    return Repacked(done=False, before=found.bytes, after=min(found.bytes, found.used - less))


def check_closed(folder: Path, *, environ: Mapping[str, str]) -> None:
    """Raise StoreError while a process has the store open: then it cannot be repacked."""
    location.kept_by(folder, environ=environ).check_closed(folder / DATA)


def repack(folder: Path, *, environ: Mapping[str, str]) -> Repacked:
    """Write the data file anew, record by record, so that what was free in it is given back.

    Raise StoreError, with nothing changed, while a process has the store open; raise Corrupt when
    the data file is damaged: what it still holds here and there would be lost.
    """
    kept_by = location.kept_by(folder, environ=environ)
    with alone(folder):
        check_closed(folder, environ=environ)  # else all would be copied for nothing
        if problems := kept_by.problems(folder / DATA, every_page=True):
            raise Corrupt(f"the data file is damaged: {problems[0]}", hint="`ork fsck --repair`")
        before = kept_by.room(folder / DATA)
        new = beside(folder)
        try:
            sequence = _write_anew(folder, new / DATA, environ)
            if (copied := kept_by.room(new / DATA).records) != before.records:
                raise StoreError(
                    f"the data file has {before.records} records, and {copied} were found",
                    hint="repeat the command, if somebody wrote meanwhile; else `ork fsck`",
                )
            failpoint("repack.copied")
            swap(folder, new / DATA, keep=new / "data.mdb", sequence=sequence, environ=environ)
            failpoint("repack.swapped")
        finally:
            remove(new)
        after = kept_by.room(folder / DATA)
    return Repacked(done=True, before=before.bytes, after=after.bytes)


def _write_anew(folder: Path, new: Path, environ: Mapping[str, str]) -> int:
    """Copy all objects and refs; return the sequence number of what was copied."""
    kept_by = location.kept_by(folder, environ=environ)
    new.parent.mkdir(mode=0o700)
    kept_by.create(new)
    store = location.open_store(folder, environ=environ)
    backend = kept_by.open(new, readonly=False)
    try:
        with store.backend.frozen() as still:
            copy_objects(still, backend)
            backend.write({}, {ref: (None, oid) for ref, oid in still.refs()})
            return still.sequence()
    finally:
        backend.close()
        store.close()
