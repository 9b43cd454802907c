"""Removes from a store the objects that nothing needs, beside whoever writes.

What is needed is marked outside of any lock, from the refs of one moment. What is not is deleted
in small writes. Each of them first marks what refs have come to need since. And it deletes from the
top down, an object never after what it names: whatever is there is whole, so that a writer need
only look at what its own objects name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from ork.backends.base import Backend, object_count
from ork.errors import Conflict, Corrupt
from ork.failpoints import failpoint
from ork.objects.canonical import Oid, unframe, unpack
from ork.objects.kinds import Object, Operation, decode_object, kind_of
from ork.objects.walk import BATCH, ENDS, Named, Reached, fits, walk
from ork.progress import counted, counting
from ork.store.store import Store, named_by

SWEEP_OBJECTS = 1000  # that one write deletes
DAMAGED = "damaged"
CACHE = "read/"  # refs that tell of what is there: what nothing else needs, they do not keep


class Doomed(NamedTuple):
    """An object that nothing needs."""

    oid: Oid
    kind: str  # such as deploy, or damaged
    bytes: int  # as it is stored


class Garbage:
    """The objects that nothing needs: no ref, no run, no operation that can still be undone."""

    def __init__(
        self, store: Store, *, undo_since: datetime, leaving: Collection[str] = ()
    ) -> None:
        """Mark what is needed, but for what only the refs need that are `leaving`.

        Raise Corrupt where something needed is missing or damaged: who knows what that needs?
        """
        self._store = store
        self._reached = Reached()
        self._known: dict[str, Oid] = {}
        self._sequence = 0
        self.objects = 0  # that there were, needed or not
        with store.backend.frozen() as still:
            refs = dict(still.refs())
            roots = {
                ref: oid
                for ref, oid in refs.items()
                if not ref.startswith(CACHE) and ref not in leaving
            }
            self._mark(still, roots, lambda operation: operation.time >= undo_since)
            self._stale = {
                ref: oid
                for ref, oid in refs.items()
                if ref.startswith(CACHE) and oid not in self._reached
            }
            self.doomed = self._survey(still)  # from the top down
            left = [named_by(ref, refs[ref]) for ref in leaving if ref in refs]
            # How many nothing needs even now, be it that refs were lost.
            self.unexplained = len(self.doomed) - self._count_of(still, left)

    def sweep(self) -> list[Doomed]:
        """Delete them, but for what is needed by now; return those that are gone."""
        backend, gone = self._store.backend, list[Doomed]()
        for ref, oid in self._stale.items():
            # Else it leads elsewhere now.
            with suppress(Conflict), self._store.transaction() as tx:
                tx.move(ref, old=oid, new=None)
        with counting("removing objects") as tell:
            for start in range(0, len(self.doomed), SWEEP_OBJECTS):
                batch = self.doomed[start : start + SWEEP_OBJECTS]
                self._catch_up()  # here, so that little is left to do while writers wait
                self._sequence = backend.sweep(partial(self._choose, batch))
                gone += (one for one in batch if one.oid not in self._reached)
                failpoint("gc.swept")
                tell(start + len(batch), len(self.doomed))
        return gone

    def _choose(self, batch: list[Doomed]) -> list[Oid]:
        self._catch_up()
        return [one.oid for one in batch if one.oid not in self._reached]

    def _catch_up(self) -> None:
        """Mark what refs have come to need, and whatever heads and tags have been at since.

        Those operations are followed however little can be undone: what has been needed once may
        name objects that are doomed, and is not among them itself.
        """
        if self._store.backend.sequence() != self._sequence:
            with self._store.backend.frozen() as still:
                self._mark(still, dict(still.refs()), lambda _: True)

    def _mark(
        self, still: Backend, refs: dict[str, Oid], weak: Callable[[Operation], bool]
    ) -> None:
        """Mark what those of these refs need that were not there, or elsewhere, until now."""
        self._sequence = still.sequence()
        roots = [named_by(ref, oid) for ref, oid in refs.items() if self._known.get(ref) != oid]
        self._known = refs
        needed = walk(partial(_read, still), roots, self._reached, weak=weak)
        how_many = partial(object_count, still)
        for _ in counted("finding what is needed", needed, how_many, about=True):
            pass

    def _count_of(self, still: Backend, roots: list[Named]) -> int:
        """Return how many objects some roots need that are not marked."""
        found = Reached()

        def read(batch: list[Named]) -> Mapping[Oid, Object]:
            some = [one for one in batch if one.oid not in self._reached]
            try:
                return _read(still, some)
            except Corrupt:  # of a damaged run, which goes: what else is there?
                values: dict[Oid, Object] = {}
                for one in some:
                    with suppress(Corrupt):
                        values |= _read(still, [one])
                return values

        for _ in walk(read, roots, found):
            pass
        return sum(oid not in self._reached for oid in found.oids())

    def _survey(self, still: Backend) -> list[Doomed]:
        """Return what was not marked, no object after one that it names."""
        places: dict[Oid, int] = {}
        for oid in still.oids():
            self.objects += 1
            if oid not in self._reached:
                places[oid] = len(places)
        found: list[Doomed] = []
        below: list[list[int]] = []
        namers = [0] * len(places)
        waiting = iter(places)
        while batch := list(islice(waiting, BATCH)):
            stored = still.get_many(batch)
            for oid in batch:
                kind, links = _look(oid, stored[oid])
                found.append(Doomed(oid, kind, len(stored[oid])))
                below.append([places[link] for link in links if link in places])
                for place in below[-1]:
                    namers[place] += 1
        ready = [place for place, count in enumerate(namers) if not count]
        order = []
        while ready:
            place = ready.pop()
            order.append(found[place])
            for other in below[place]:
                namers[other] -= 1
                if not namers[other]:
                    ready.append(other)
        return order


def _look(oid: Oid, stored: bytes) -> tuple[str, list[Oid]]:
    """Return the kind of an object, and what it names; a damaged one leads nowhere."""
    try:
        data = unpack(oid, stored)
        kind, _ = unframe(data)
        if kind in ENDS:
            return kind, []
        return kind, list({link for link in decode_object(data).links() if link is not None})
    except Corrupt:
        return DAMAGED, []


def _read(still: Backend, batch: list[Named]) -> Mapping[Oid, Object]:
    """Return those of some objects that name others."""
    naming = [one for one in batch if one.kind not in ENDS]
    # What an operation moved may have been removed when less could be undone.
    there = [one for one in naming if not one.weak or still.get(one.oid) is not None]
    found: dict[Oid, Any] = Store(still).get_all(object, {one.oid: one.oid for one in there})
    for one in there:
        if not fits(found[one.oid], one.kind):
            raise Corrupt(f"object {one.oid} is a {kind_of(found[one.oid])}, not a {one.kind}")
    return found
