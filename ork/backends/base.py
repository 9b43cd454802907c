"""The first seam: where bytes live. Two tables, objects and refs, and nothing else.

A backend does not hash, decode, retry or cache. Absent is None, never an exception.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any, NamedTuple, Protocol, TypeAlias

from ork.errors import Corrupt, OrkError, StoreError
from ork.objects.canonical import Oid, digest
from ork.objects.value import Value

Moves: TypeAlias = Mapping[str, tuple[Oid | None, Oid | None]]
"""Ref name -> (old, new); None is "absent", so create, move and delete are one rule."""

BATCH_BYTES = 16 << 20  # of objects that are written together
BATCH_OBJECTS = 4096
SEAL_BYTES = 8
_SAMPLE = "00"  # what the names begin with that are counted
_SHARE = 256  # one name in so many begins with it
_TARGET_BYTES = 32
_REF = b"ork ref\n"  # so that no seal of a ref is one of anything else


def closed() -> StoreError:
    """Return the error for a backend that is used after its end."""
    hint = "use it before its `with` block ends or `close` is called; `ork.open` opens it again"
    return StoreError("the store is closed", hint=hint)


class Span(NamedTuple):
    """The refs whose names have a prefix and, with `below`, sort before that name."""

    prefix: str
    below: str | None = None


class Remain(NamedTuple):
    """A ref, or an object whose bytes prove nothing yet, that was found in damaged files."""

    ref: str | None  # None: an object
    oid: Oid  # the target, or the name of the object
    stored: bytes
    live: bool  # whether the files still lead to it


class Room(Value, frozen=True, kw_only=True):
    """How much room the files of a backend take, how much of that is used, and for how much."""

    bytes: int
    used: int
    records: int  # objects, refs and what the backend itself keeps


class Lease(Protocol):
    """What one holder at a time has, until it lets go or its process ends, however that ends.

    A child of the process has no part in it.
    """

    def held(self) -> bool:
        """Say whether this is still so; False once somebody else may have it, for ever."""
        ...

    def release(self) -> None:
        """Let go. Idempotent."""
        ...


class Backend(Protocol):
    """A place where bytes live. Safe to use from several threads and several processes at once.

    What is promised here, no backend says again; only what it promises besides.
    """

    def get(self, oid: Oid) -> bytes | None:
        """Return the stored bytes of an object, unchecked."""
        ...

    def get_many(self, oids: Iterable[Oid]) -> dict[Oid, bytes]:
        """Return the stored bytes of those of these objects that are there, unchecked.

        All of them as at one moment, and quicker than by one `get` after another.
        """
        ...

    def oids(self, prefix: str = "") -> Iterator[Oid]:
        """Yield every oid that starts with these hex digits, sorted."""
        ...

    def ref(self, name: str) -> Oid | None:
        """Return the target of one ref."""
        ...

    def refs(
        self, prefix: str = "", *, newest_first: bool = False, below: str | None = None
    ) -> Iterator[tuple[str, Oid]]:
        """Yield the refs whose names start with prefix, sorted by name; backwards on request.

        With `below`, only names that sort before it: found by seeking, not by reading past others.
        Reads in pages: a slow consumer may see a ref that moved meanwhile, never a torn one.
        """
        ...

    def refs_many(self, prefixes: Iterable[str]) -> Iterator[tuple[str, Oid]]:
        """Yield what `refs` does for each of these prefixes, one after the other.

        For prefixes of few refs: as quickly as a server can tell of all of them at once.
        """
        ...

    def oids_many(self, prefixes: Iterable[str]) -> Iterator[Oid]:
        """Yield what `oids` does for each of these prefixes, likewise."""
        ...

    def newest_many(self, spans: Iterable[Span], count: int) -> list[list[tuple[str, Oid]]]:
        """Return for each span the last of its refs, so many of them, the last one first."""
        ...

    def folders(self, prefix: str) -> Iterator[str]:
        """Yield what stands before the next slash in the refs with a prefix, each once, backwards.

        Costs one look-up for each, however many refs it has.
        """
        ...

    def survey(self, prefix: str = "") -> Iterator[tuple[str, Oid | None]]:
        """Yield all refs as `refs` does, with None for the target of one that is damaged."""
        ...

    def write(
        self,
        objects: Mapping[Oid, bytes],
        moves: Moves,
        remove: Iterable[Oid] = (),
        needs: Iterable[Oid] = (),
    ) -> bool:
        """Store all objects and move all refs, durably, or do nothing and return False.

        False means that some ref was not at its old value, or that one of the objects that the
        write needs, and does not bring, is absent. An object that is present with other bytes, as
        after damage, has the given ones from then on. Removing an absent object is harmless; what
        is removed, and not among the objects, only refs that this write moves away may have needed.
        """
        ...

    def sweep(self, choose: Callable[[], Iterable[Oid]]) -> int:
        """Delete the objects that `choose` returns; return the sequence number afterwards.

        During its call nobody can write, so what it reads of this backend is still so when they are
        deleted. Writers wait meanwhile.
        """
        ...

    def sequence(self) -> int:
        """Return a number that rises with each write that changes something, and never falls."""
        ...

    def frozen(self) -> AbstractContextManager[Backend]:
        """Give, for a `with` block in one thread, what there is at this moment, to be read only.

        Others may write meanwhile; what they write is not seen.
        """
        ...

    def lease(self, name: str) -> Lease | None:
        """Take a lease; None when anybody has it, here or on another machine.

        `name` is one that `ork.objects.kinds.is_name` accepts. To be released before `close`.
        """
        ...

    def leased(self) -> set[str]:
        """Return the names of leases that are held, or of which killed holders left a trace.

        A backend that leaves no traces may return nothing.
        """
        ...

    def close(self) -> None:
        """Release everything. Idempotent."""
        ...


class OneByOne(ABC):
    """The part of a backend near by, where many look-ups are one after the other."""

    @abstractmethod
    def oids(self, prefix: str = "") -> Iterator[Oid]: ...

    @abstractmethod
    def refs(
        self, prefix: str = "", *, newest_first: bool = False, below: str | None = None
    ) -> Iterator[tuple[str, Oid]]: ...

    def refs_many(self, prefixes: Iterable[str]) -> Iterator[tuple[str, Oid]]:
        return (ref for prefix in prefixes for ref in self.refs(prefix))

    def oids_many(self, prefixes: Iterable[str]) -> Iterator[Oid]:
        return (oid for prefix in prefixes for oid in self.oids(prefix))

    def newest_many(self, spans: Iterable[Span], count: int) -> list[list[tuple[str, Oid]]]:
        every = (self.refs(prefix, newest_first=True, below=below) for prefix, below in spans)
        return [list(islice(refs, count)) for refs in every]

    def folders(self, prefix: str) -> Iterator[str]:
        below = None
        while found := next(iter(self.refs(prefix, newest_first=True, below=below)), None):
            folder, slash, _ = found[0][len(prefix) :].partition("/")
            if slash:
                yield folder
            below = prefix + folder + slash


class ReadOnly(OneByOne):
    """The part of a backend that refuses to be written."""

    @abstractmethod
    def refusal(self) -> OrkError:
        """Return the error for whoever tries."""

    def survey(self, prefix: str = "") -> Iterator[tuple[str, Oid | None]]:
        yield from self.refs(prefix)

    def write(
        self,
        objects: Mapping[Oid, bytes],
        moves: Moves,
        remove: Iterable[Oid] = (),
        needs: Iterable[Oid] = (),
    ) -> bool:
        raise self.refusal()

    def sweep(self, choose: Callable[[], Iterable[Oid]]) -> int:
        raise self.refusal()

    def lease(self, name: str) -> Lease | None:
        raise self.refusal()

    def leased(self) -> set[str]:
        return set()


def refs_among(
    every: Sequence[tuple[str, Oid]], prefix: str, *, newest_first: bool, below: str | None
) -> Iterator[tuple[str, Oid]]:
    """Yield of these refs, sorted by name, what a backend that has them does; found by halving."""
    start = bisect_left(every, (prefix,))
    end = bisect_right(every, prefix, start, key=lambda one: one[0][: len(prefix)])
    if below is not None:
        end = min(end, bisect_left(every, (below,)))
    places = range(start, end)
    return map(every.__getitem__, reversed(places) if newest_first else places)


def object_count(backend: Backend) -> int:
    """Return about how many objects there are: names are hashes, so a part of them tells."""
    return _SHARE * sum(1 for _ in backend.oids(_SAMPLE))


def write_all(
    backend: Backend,
    objects: Iterable[tuple[Oid, bytes]],
    *,
    between: Callable[[], object] = lambda: None,
) -> int:
    """Write many objects, a bounded part at a time; return how many."""
    batch: dict[Oid, bytes] = {}
    size = count = 0
    for oid, stored in objects:
        if batch and (size + len(stored) > BATCH_BYTES or len(batch) >= BATCH_OBJECTS):
            backend.write(batch, {})
            between()
            batch, size = {}, 0
        batch[oid] = stored
        size += len(stored)
        count += 1
    backend.write(batch, {})
    return count


def seal(data: bytes) -> bytes:
    """Return the few bytes that are kept beside what has no hash for a name, to prove it whole."""
    return digest(data)[:SEAL_BYTES]


def sealed(name: bytes, oid: Oid) -> bytes:
    """Return what a disk keeps for a ref: the target, and the seal over it and the name."""
    target = bytes.fromhex(oid)
    return target + seal(_REF + name + target)


def unsealed(name: bytes, value: bytes) -> Oid:
    """Return the target of a ref that is kept so; raise Corrupt when name or value is damaged."""
    target = value[:_TARGET_BYTES]
    if value[_TARGET_BYTES:] != seal(_REF + name + target):
        shown = name.decode("utf-8", "backslashreplace")
        raise Corrupt(f"the ref {shown!r} is damaged: its seal does not match", hint="`ork fsck`")
    return Oid(target.hex())


def key_of(name: str) -> bytes:
    """Return the bytes of the name of a ref: any text has some, so any can be looked up."""
    return name.encode("utf-8", "surrogatepass")


def name_of(key: bytes) -> str:
    """Return the name with these bytes; raise Corrupt when they are no text."""
    try:
        return str(key, "utf-8", "surrogatepass")
    except (UnicodeDecodeError, TypeError):
        raise Corrupt(f"a ref has the name {key!r}, which is not text") from None


def read_refs(kept: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[str, Oid]]:
    """Yield refs, given the bytes of their names and what a disk keeps for each."""
    return ((name_of(key), unsealed(key, value)) for key, value in kept)


def survey_refs(kept: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[str, Oid | None]]:
    """Yield the same, with None for the target of one that is damaged."""
    for key, value in kept:
        try:
            yield name_of(key), unsealed(key, value)
        except Corrupt:
            yield str(key, "utf-8", "backslashreplace"), None


def refs_between(prefix: str, below: str | None = None) -> tuple[bytes, bytes]:
    """Return where the names begin that have a prefix and sort before another, and where they end.

    No name has the byte that comes last.
    """
    start = key_of(prefix)
    end = start + b"\xff"
    return start, end if below is None else min(end, key_of(below))


def oids_between(prefix: str) -> tuple[bytes, bytes] | None:
    """Return the first and the last key of objects with these digits; None when none can be."""
    if len(prefix) > 64 or not set(prefix) <= set("0123456789abcdef"):
        return None
    start, end = (bytes.fromhex(prefix.ljust(64, digit)) for digit in "0f")
    return start, end


def paged(
    read: Callable[[bytes, bytes, int], list[tuple[Any, ...]]],
    start: bytes,
    end: bytes,
    first: int,
    more: int,
    *,
    backwards: bool = False,
) -> Iterator[tuple[Any, ...]]:
    """Yield records by their keys, which come first in each: from `start` on, and up to `end`.

    `read` is given both and how many at most, and returns the next of them. Page by page, so that
    no read outlives a slow consumer; the first page is short, for who wants but few.
    """
    count = first
    while True:
        page = read(start, end, count)
        yield from page
        if len(page) < count:
            return
        last = page[-1][0]
        start, end = (start, last) if backwards else (last + b"\0", end)
        count = more
