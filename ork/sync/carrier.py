"""Carries objects from one store to another: what the other lacks, each checked on its way.

Objects come a part at a time, each part with all that it needs and the receiver has not. Blobs,
which need nothing, may go ahead; the rest of a part is held until all of it was checked as `ork
fsck` would check it, and is written at once. So whatever the receiver has is whole, and who begins
again after an interruption sends only what is not there yet.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property

from ork.backends.base import BATCH_BYTES, BATCH_OBJECTS, Backend, ReadOnly, refs_among
from ork.errors import Corrupt, OrkError, StoreError
from ork.failpoints import failpoint
from ork.objects.canonical import Oid, begins_with, frame, is_proven
from ork.objects.kinds import Tombstone, is_oid
from ork.objects.walk import Named, Reached
from ork.store.store import Arrival, Stamp, Store, named_by
from ork.upkeep.findings import Finding
from ork.upkeep.objects import BLOBS_TOGETHER, Objects

_BLOB = (frame("blob", b""),)


class Side:
    """One of the two stores, and what it is called."""

    def __init__(self, store: Store, name: str) -> None:
        self.store, self.name = store, name
        if wrong := next((oid for oid in self.forgotten if not is_oid(oid)), None):
            raise self.wrong(f"the ref {f'forgotten/{wrong}'!r} is of no form that this ork knows")

    @property
    def forgotten(self) -> Mapping[Oid, Oid]:
        """What the store had to forget, each with its tombstone."""
        return self.store.forgotten

    def wrong(self, what: str) -> OrkError:
        """Return the error for a store that is not what it should be."""
        return Corrupt(f"{self.name}: {what}", hint="there `ork fsck` says more")

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """Raise what the block finds to be wrong as an error of this store."""
        try:
            yield
        except OrkError as error:
            raise self.wrong(error.message) from None


class Carrier:
    """Brings objects from a source to a target; the one that is `near` costs less to ask."""

    def __init__(self, source: Side, target: Side, near: Side) -> None:
        self.source, self.target = source, target
        self.objects = 0  # that were sent
        self.tombstones: dict[str, Oid] = {}  # the refs of those that come along
        self._pulls = near is target
        self._rest: dict[Oid, bytes] = {}  # what arrived, and is not there yet
        self._blobs: dict[Oid, bytes] = {}
        self._blob_bytes = 0
        self.both = Store(_Both(self, lambda _oid, _stored: None))  # only read, nothing fetched
        self.arriving = self._new_view()

    def _new_view(self) -> Store:
        """Return what both stores have, where what is read of the source is fetched by that."""
        return Store(_Both(self, self._keep))

    def fetch(self, roots: Iterable[Named], known: Reached) -> None:
        """Fetch and check all that some roots need, but for what is `known`, and add it to that.

        With it comes the word of what the source had to forget, wherever the target lacks that.
        Raise Corrupt when the source lacks something, or something is not what it should be.
        """
        self._check(roots, known)
        lacking = {f"forgotten/{oid}": self.source.forgotten[oid] for oid in self._lacking()}
        self._check((named_by(*ref) for ref in lacking.items()), known)
        for ref, oid in lacking.items():
            if ref != f"forgotten/{self.arriving.get(Tombstone, oid).object}":
                raise self.source.wrong(f"the ref {ref!r} leads to something else than it says")
        self.tombstones |= lacking

    def _check(self, roots: Iterable[Named], known: Reached) -> None:
        together = BLOBS_TOGETHER if self.source.store.shared else 1
        check = Objects(
            self.arriving, self._refuse, quick=False, reached=known, blobs_together=together
        )
        for _ in check.check(roots):
            pass

    def _refuse(self, found: Finding) -> None:
        oid, what = found.object, found.message
        said = what if what.startswith("object ") else f"object {oid}: {what}"
        if oid is None or found.code == "E101" or oid in self._rest or oid in self._blobs:
            raise self.source.wrong(said)
        here = self.target if self._pulls else self.source
        raise here.wrong(said)

    def _lacking(self) -> set[Oid]:
        """Return what the source had to forget and the target neither has nor had to."""
        return self.source.forgotten.keys() - self.target.forgotten.keys() - self.still_there

    @cached_property
    def still_there(self) -> set[Oid]:
        """What the source had to forget, and the target has."""
        gone = self.source.forgotten.keys() - self.target.forgotten.keys()
        return set(self.target.store.backend.get_many(sorted(gone))) if gone else set()

    def send(self) -> None:
        """Send what was fetched, some at a time; what it needs is there already, or comes along."""
        self._send_blobs()
        rest, self._rest = self._rest, {}
        self._write(rest)
        self.arriving = self._new_view()  # which has nothing at hand any more
        failpoint("sync.objects")

    def bring(self, oid: Oid) -> None:
        """Send one object again."""
        stored = self.source.store.backend.get(oid)
        if stored is None:
            raise self.source.wrong(f"object {oid} is missing")
        self._write({oid: stored})

    def _keep(self, oid: Oid, stored: bytes) -> None:
        if not begins_with(stored, _BLOB):
            self._rest[oid] = stored
            return
        full = self._blob_bytes + len(stored) > BATCH_BYTES or len(self._blobs) >= BATCH_OBJECTS
        if self._blobs and full:
            self._send_blobs()
        self._blobs[oid] = stored
        self._blob_bytes += len(stored)

    def _send_blobs(self) -> None:
        blobs, self._blobs, self._blob_bytes = self._blobs, {}, 0
        self._write(blobs)
        failpoint("sync.blobs")

    def _write(self, objects: Mapping[Oid, bytes]) -> None:
        """Write those of some objects that are not there, each proven whole."""
        if not objects:
            return
        there = self.target.store.backend.get_many(objects)
        lacking = {
            oid: stored
            for oid, stored in objects.items()
            if not _is_there(oid, stored, there.get(oid))
        }
        for oid, stored in lacking.items():
            if not is_proven(oid, stored):
                raise self.source.wrong(f"object {oid}: its bytes do not match its name")
        if lacking:
            self.target.store.backend.write(lacking, {})
            self.objects += len(lacking)

    def land(
        self,
        moves: Mapping[str, tuple[Oid | None, Oid | None]],
        carried: Reached,
        also: Iterable[Oid],
        stamp: Stamp,
    ) -> None:
        """Move refs, all or none, if what was carried and what else they need is there.

        What is gone again is sent again. Raise Conflict when a ref was moved meanwhile.
        """
        gone = self.target.forgotten.keys() | self.source.forgotten.keys()
        needed = {oid for oid in (*carried.oids(), *also) if oid not in gone}
        with Arrival(self.target.store, stamp, needed, self.bring) as tx:
            tx.moves |= moves
            tx.moves |= {ref: (None, oid) for ref, oid in self.tombstones.items()}
        self.tombstones = {}


class Arriving(ReadOnly):
    """The part of a backend that is alike for all that arrives: it is only read."""

    @abstractmethod
    def _refs(self) -> Mapping[str, Oid]: ...

    @cached_property
    def _sorted(self) -> list[tuple[str, Oid]]:
        return sorted(self._refs().items())

    def ref(self, name: str) -> Oid | None:
        return self._refs().get(name)

    def refs(
        self, prefix: str = "", *, newest_first: bool = False, below: str | None = None
    ) -> Iterator[tuple[str, Oid]]:
        return refs_among(self._sorted, prefix, newest_first=newest_first, below=below)

    def refusal(self) -> OrkError:
        return StoreError("what arrives is only read")

    def sequence(self) -> int:
        """Return that nothing was ever written."""
        return 0

    def frozen(self: Backend) -> AbstractContextManager[Backend]:
        return nullcontext(self)

    def close(self) -> None:
        """Release nothing: what this reads belongs to others."""


class _Both(Arriving):
    """A `Backend` of the objects of two stores; what one of them had to forget is forgotten.

    `keep` is told what came from the source, and the target is not known to have.
    """

    def __init__(self, carrier: Carrier, keep: Callable[[Oid, bytes], None]) -> None:
        self._carrier, self._keep = carrier, keep
        self._source, self._target = carrier.source.store.backend, carrier.target.store.backend

    def get(self, oid: Oid) -> bytes | None:
        return self._get([oid], _one).get(oid)

    def get_many(self, oids: Iterable[Oid]) -> dict[Oid, bytes]:
        return self._get(list(oids), _many)

    def _get(self, oids: list[Oid], read: _Read) -> dict[Oid, bytes]:
        carrier = self._carrier
        found: dict[Oid, bytes] = {}
        for oid in oids:
            stored = carrier._rest.get(oid) or carrier._blobs.get(oid)
            if stored is not None:
                found[oid] = stored
        if carrier._pulls:
            found |= read(self._target, [oid for oid in oids if oid not in found])
        forgotten = carrier.target.forgotten
        left = [oid for oid in oids if oid not in found and oid not in forgotten]
        arrived = read(self._source, left)
        for oid, stored in arrived.items():
            self._keep(oid, stored)
        found |= arrived
        if not carrier._pulls and len(found) < len(oids):
            found |= read(self._target, [oid for oid in oids if oid not in found])
        return found

    def oids(self, prefix: str = "") -> Iterator[Oid]:
        """Yield nothing: who carries knows what is asked for."""
        return iter(())

    def _refs(self) -> Mapping[str, Oid]:
        """Return those of what either had to forget; no others arrive by this way."""
        forgotten = {**self._carrier.source.forgotten, **self._carrier.target.forgotten}
        return {f"forgotten/{oid}": tombstone for oid, tombstone in forgotten.items()}


_Read = Callable[[Backend, list[Oid]], dict[Oid, bytes]]


def _one(backend: Backend, oids: list[Oid]) -> dict[Oid, bytes]:
    return {oid: stored for oid in oids if (stored := backend.get(oid)) is not None}


def _many(backend: Backend, oids: list[Oid]) -> dict[Oid, bytes]:
    return backend.get_many(oids) if oids else {}


def _is_there(oid: Oid, stored: bytes, other: bytes | None) -> bool:
    return other is not None and (other == stored or is_proven(oid, other))
