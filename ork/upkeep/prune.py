"""Makes room in a store: says which objects nothing needs, or removes them and records that."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta

from ork.errors import Conflict, StoreError
from ork.objects.kinds import Operation
from ork.objects.value import Value
from ork.store.store import Stamp, Store
from ork.upkeep.gc import Doomed, Garbage

UNDO_DAYS = 30
RACES_MAX = 100  # lost one after the other


class Pruned(Value, frozen=True, kw_only=True):
    """The objects that nothing needs, and whether they are gone (`done`)."""

    done: bool
    objects: int
    bytes: int
    kinds: dict[str, int]  # how many of each
    objects_before: int  # in the whole store


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
