"""The smallest backend: two dictionaries and a lock. Forgets everything when the process ends.

Read it to learn what the contract in `base` means; use it in tests and for dry runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import RLock

from ork.backends.base import Lease, Moves, OneByOne
from ork.objects.canonical import Oid


class Memory(OneByOne):
    """A `Backend` in this process only."""

    @classmethod
    def exists(cls, at: object) -> bool:
        """Say that there is one, wherever it is looked for."""
        return True

    @classmethod
    def create(cls, at: object) -> None:
        """Do nothing: an empty one is made by opening it."""

    @classmethod
    def open(cls, at: object, *, readonly: bool = False) -> Memory:
        """Return an empty one."""
        return cls()

    def __init__(self) -> None:
        self._lock = RLock()  # what chooses for `sweep` reads
        self._objects: dict[Oid, bytes] = {}
        self._refs: dict[str, Oid] = {}
        self._sequence = 0
        self._leases: dict[str, _Lease] = {}

    def get(self, oid: Oid) -> bytes | None:
        return self._objects.get(oid)

    def get_many(self, oids: Iterable[Oid]) -> dict[Oid, bytes]:
        wanted = list(oids)  # outside the lock: the caller's iterator may read this backend
        with self._lock:
            found = {oid: self._objects.get(oid) for oid in wanted}
        return {oid: data for oid, data in found.items() if data is not None}

    def oids(self, prefix: str = "") -> Iterator[Oid]:
        """Yield every oid that starts with these hex digits, sorted, as they are now."""
        with self._lock:
            found = [oid for oid in self._objects if oid.startswith(prefix)]
        return iter(sorted(found))

    def ref(self, name: str) -> Oid | None:
        return self._refs.get(name)

    def refs(
        self, prefix: str = "", *, newest_first: bool = False, below: str | None = None
    ) -> Iterator[tuple[str, Oid]]:
        with self._lock:
            found = [
                item
                for item in self._refs.items()
                if item[0].startswith(prefix) and (below is None or item[0] < below)
            ]
        return iter(sorted(found, reverse=newest_first))

    def survey(self, prefix: str = "") -> Iterator[tuple[str, Oid | None]]:
        """Yield all refs as `refs` does; none is damaged."""
        return iter(list(self.refs(prefix)))

    def write(
        self,
        objects: Mapping[Oid, bytes],
        moves: Moves,
        remove: Iterable[Oid] = (),
        needs: Iterable[Oid] = (),
    ) -> bool:
        with self._lock:
            if any(self._refs.get(name) != old for name, (old, _) in moves.items()):
                return False
            if any(oid not in self._objects for oid in needs):
                return False
            self._sequence += 1
            for oid in remove:
                self._objects.pop(oid, None)
            self._objects |= objects
            for name, (_, new) in moves.items():
                if new is None:
                    self._refs.pop(name, None)
                else:
                    self._refs[name] = new
        return True

    def sweep(self, choose: Callable[[], Iterable[Oid]]) -> int:
        with self._lock:
            for oid in list(choose()):
                self._objects.pop(oid, None)
            self._sequence += 1
            return self._sequence

    def sequence(self) -> int:
        return self._sequence

    @contextmanager
    def frozen(self) -> Iterator[Memory]:
        """Give a copy of what there is at this moment."""
        copy = Memory()
        with self._lock:
            copy._objects, copy._refs = dict(self._objects), dict(self._refs)
            copy._sequence, copy._leases = self._sequence, self._leases
        yield copy

    def lease(self, name: str) -> Lease | None:
        with self._lock:
            if name in self._leases:
                return None
            lease = self._leases[name] = _Lease(self._leases, name)
            return lease

    def leased(self) -> set[str]:
        return set(self._leases)

    def close(self) -> None:
        self._objects = {}
        self._refs = {}


class _Lease:
    """A `Lease` among those of one backend."""

    def __init__(self, leases: dict[str, _Lease], name: str) -> None:
        self._leases, self._name = leases, name

    def held(self) -> bool:
        return self._leases.get(self._name) is self

    def release(self) -> None:
        if self.held():
            del self._leases[self._name]
