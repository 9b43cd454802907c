"""Typed, checked objects and compare-and-set refs over a backend.

`Store` encodes, hashes, compresses, checks the hash on every read, decodes and caches. It knows no
workflow file and no command line.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ork.backends import anchor
from ork.backends.address import public
from ork.backends.anchor import Anchor
from ork.backends.base import Backend, Span
from ork.errors import Ambiguous, Conflict, Corrupt, NotFound, StoreError
from ork.files import open_folder
from ork.objects import canonical
from ork.objects.canonical import Json, Oid, begins_with, hash_bytes, pack, unpack
from ork.objects.kinds import (
    TREES,
    Blob,
    Deploy,
    Object,
    Operation,
    Output,
    Packed,
    Run,
    RunLeaf,
    Snapshot,
    Tombstone,
    Tree,
    decode_object,
    encode_object,
    is_name,
    kind_of,
)
from ork.objects.snapshot import Contents, OidMap
from ork.objects.value import Value

if TYPE_CHECKING:
    from ork.objects.walk import Named

CACHE_OBJECTS_MAX = 8_192  # more than the trees that two versions of a large workflow share
PAGE_OBJECTS = 512  # that are read together
ABREAST_FIRST, ABREAST_MAX = 128, 8_192  # refs of all that are read abreast, at once
PAGE_SHORT = 32  # lines whose oids are shortened together
PREFIX_DIGITS_MIN = 4
SHORT_DIGITS_MIN = 8
SHORT_OIDS_MAX = 65_536  # whose short forms are known
_SUFFERS = "`ork fsck` says what suffers from it, and what can be done"
REFUSALS_MAX = 10  # of a write that has no reason to be refused
# Moves of these refs are operations; runs keep their own record.
RECORDED = ("workflows/", "tags/", "paused/", "archived/", "former/")

_ENDS = (canonical.frame("blob", b""), canonical.frame("task", b""))  # they name nothing
# What the refs of each namespace lead to, how their names go on, and what they say: docs/format.md.
_KINDS_OF_REFS = {
    "workflows": "deploy",  # NAME: the head of a workflow
    "tags": "deploy",  # WORKFLOW/LABEL
    "runs": "run",  # WORKFLOW/RUN-ID: ids begin with the time
    "numbers": "run",  # WORKFLOW/NNNNNNNNNN: the pin of run #N; names its id, never moves
    "ran": "run",  # SNAPSHOT/WORKFLOW/RUN-ID: the pin of each run of a snapshot; never moves
    "active": "taskrun",  # RUN-ID/TASK, while the run goes on; `.run` is the run itself
    "logs": "blob",  # WORKFLOW/RUN-ID/FILE/N, of a shared store: a log from byte N on
    "stops": "blob",  # RUN-ID: how often that run was asked to stop
    "begun": "blob",  # WORKFLOW: the newest run that began, where that is bounded
    "unattached": "blob",  # WORKFLOW/RUN-ID, of a run without a deploy: its root and settings
    "tally": "deploy",  # DEPLOY/TEXT: how its runs went; can be rebuilt
    # WORKFLOW/READER/TEXT: has what a text says, see `ork.worktree.load`; or WORKFLOW/git/COMMIT;
    # or WORKFLOW/file/PLACE
    "read": "deploy",
    "fires": "run",  # WORKFLOW/SLOT: the pin of the run that a schedule started for it
    "skips": "blob",  # WORKFLOW/SLOT: slots that were left out, and why
    "decided": "blob",  # WORKFLOW/KEY: up to which slot all of a schedule is decided
    "paused": "deploy",  # WORKFLOW: the head when its schedules were paused
    "archived": "deploy",  # WORKFLOW: the head when it was archived
    "former": "deploy",  # WORKFLOW/NAME: the one by which NAME became WORKFLOW
    "remotes": "deploy",  # REMOTE/WORKFLOW: the head in another store, as last seen
    "agreed": "deploy",  # REMOTE/WORKFLOW/LABEL: a tag when another store had it alike last
    "queue": "blob",  # WORKFLOW/ID: a run that waits for `ork up`
    "up": "blob",  # now: which `ork up` fires, while it has the lease
    "hooks": "blob",  # WORKFLOW/RUN-ID/HOOK: how a hook of a run went
    "spent": "operation",  # WORKFLOW/NNNNNNNNNN: lost are runs up to it; none gets it again
    "ops": "operation",  # the newest; the chain is the reflog and the undo log
    "forgotten": "tombstone",  # OID, of an object that `ork forget` has taken away
}

K = TypeVar("K")
T = TypeVar("T")


def typed(words: Iterable[str]) -> tuple[str, ...]:
    """Return the words of a command line as they are recorded: without a password, and as UTF-8.

    Bytes that are none come as lone surrogates, which no object may hold.
    """
    return tuple(public(word).encode("utf-8", "backslashreplace").decode() for word in words)


class Stamp(Value, frozen=True, kw_only=True):
    """The author, time and command line that an Operation records; a Deploy has the first two."""

    time: datetime
    author: str
    argv: tuple[str, ...] = ()

    def operation(
        self, moves: Iterable[tuple[str, Oid | None, Oid | None]], parent: Oid | None
    ) -> Operation:
        """Return the record of some moves, which comes after another one."""
        return Operation(
            argv=self.argv, author=self.author, moves=tuple(moves), parent=parent, time=self.time
        )


def kind_of_target(ref: str) -> str | None:
    """Return the kind that a ref leads to; None when this ork does not know the ref."""
    if ref.startswith("active/") and ref.endswith("/.run"):
        return "run"
    return _KINDS_OF_REFS.get(ref.partition("/")[0])


def named_by(ref: str, oid: Oid) -> Named:
    """Return the object that a ref names, with the kind that it must have."""
    from ork.objects.walk import Named  # which few commands need

    return Named(oid, kind_of_target(ref))


def _of_kind(kind: type[T], oid: Oid, value: Object) -> T:
    if not isinstance(value, kind):
        raise Corrupt(f"object {oid} is a {kind_of(value)}, not a {kind.__name__.lower()}")
    return value


class Store:
    """The objects and refs of one project. Safe for threads; not to be used after a fork."""

    def __init__(
        self,
        backend: Backend,
        *,
        folder: Path | None = None,
        project: Path | None = None,
        shared: bool = False,
        keys: tuple[str, ...] = (),
    ) -> None:
        """`folder` is `.ork`, no link leads to it; `project` is the one above unless it is given.

        Paths of workflow files are relative to the project. Of a store in memory it is this folder.
        `shared`: the data lie elsewhere, where other machines may see them, and logs with them.
        `keys` are the variables of the environment by which it was opened.
        """
        self.backend = backend
        self.folder = folder
        self.shared = shared
        self.keys = keys
        self.project = project or (folder.parent if folder else Path.cwd())
        self.here: Path | None = None  # where a user is, which says what is meant without a name
        self.writing: dict[str, int] = {}  # logs that this process writes; see `ork.logs`
        self._cache: dict[Oid, Object] = {}
        self.held: dict[Oid, bytes] = {}  # readable here without being stored; see `hold`
        self._short: dict[Oid, str] = {}

    @contextmanager
    def inside(self, *names: str, make: bool = False) -> Iterator[int]:
        """Open a folder below `.ork` without following a link; yield its descriptor.

        A store in memory has its folders in the working directory.

        The one way from what a store says, such as the id of a run, to a folder: raises Corrupt for
        what is no name. With `make`, missing folders are made.
        """
        if (wrong := next((name for name in names if not is_name(name)), None)) is not None:
            raise Corrupt(f"{wrong!r} is no name of a folder", hint="no ork wrote this store")
        with open_folder(self.folder or Path.cwd(), names, make=0o700 if make else None) as at:
            yield at

    def gone(self) -> StoreError | None:
        """Return the error for a store whose folder is no longer there; None while it is."""
        if self.folder is None or self.folder.exists():
            return None
        return StoreError(
            f"the store was removed or renamed while it was used: {self.folder}",
            hint="if a folder above it was renamed, go to where it is now",
        )

    def raw(self, oid: Oid) -> bytes:
        """Return the bytes of an object, checked against its name.

        Of one that was forgotten they are those of what is read in its place.
        """
        return self._checked(oid, self.backend.get(oid))

    def _checked(self, oid: Oid, stored: bytes | None) -> bytes:
        if stored is None:
            stored = self.held.get(oid)
        if stored is not None:
            data = unpack(oid, stored)
        elif oid in self.forgotten:
            return self._in_place_of(oid)
        elif oid in self._cache:
            data = encode_object(self._cache[oid])  # it was there: gc has removed it since
        else:
            raise Corrupt(f"object {oid} is missing from the store", hint=_SUFFERS)
        if hash_bytes(data) != oid:
            words = f"object {oid} is damaged: its bytes do not match its name"
            raise Corrupt(words, hint=_SUFFERS)
        return data

    @cached_property
    def forgotten(self) -> Mapping[Oid, Oid]:
        """The objects that `ork forget` has taken away, each with its tombstone.

        While a store is open only its own writes add some.
        """
        return {Oid(name): tombstone for name, tombstone in self.refs("forgotten/")}

    def tombstone(self, oid: Oid) -> Tombstone | None:
        """Return what is known of an object that was forgotten; None if it was not."""
        found = self.forgotten.get(oid)
        return None if found is None else self.get(Tombstone, found)

    def _in_place_of(self, oid: Oid) -> bytes:
        """Return the bytes that are read in the place of an object that was forgotten."""
        seen: set[Oid] = set()
        stored = None
        while stored is None and oid in self.forgotten and oid not in seen:
            seen.add(oid)  # what took its place may have been forgotten as well
            mark = self.forgotten[oid]
            if mark in self.forgotten:
                break
            oid = self.get(Tombstone, mark).replacement
            stored = self.backend.get(oid)
        if stored is None:
            raise Corrupt(f"object {oid} was forgotten, and nothing is in its place")
        return self._checked(oid, stored)

    def read(self, oid: Oid, *, keep: bool = True) -> Object:
        """Return an object, checked and decoded; `keep` it at hand for the next time."""
        found = self._cache.get(oid)
        return self._decoded(oid, self.backend.get(oid), keep) if found is None else found

    def _decoded(self, oid: Oid, stored: bytes | None, keep: bool) -> Object:
        value = decode_object(self._checked(oid, stored))
        if keep and not isinstance(value, (Blob, RunLeaf)):  # which are large, and read once
            if len(self._cache) >= CACHE_OBJECTS_MAX:
                self._cache.clear()
            self._cache[oid] = value
        return value

    def get(self, kind: type[T], oid: Oid, *, keep: bool = True) -> T:
        """Return an object that must be of this class; raise Corrupt when it is another."""
        return _of_kind(kind, oid, self.read(oid, keep=keep))

    def get_all(self, kind: type[T], oids: Mapping[K, Oid], *, keep: bool = True) -> dict[K, T]:
        """Return what these oids name, under the same keys: objects of one class, read together."""
        known = {oid: self._cache.get(oid) for oid in oids.values()}
        stored = self.backend.get_many([oid for oid, value in known.items() if value is None])
        found = {}
        for key, oid in oids.items():
            value = known[oid]
            if value is None:
                value = known[oid] = self._decoded(oid, stored.get(oid), keep)
            found[key] = _of_kind(kind, oid, value)
        return found

    def raws(self, oids: Mapping[K, Oid]) -> Iterator[tuple[K, bytes]]:
        """Yield the bytes of these objects, checked, under the same keys. Lazy."""
        items = iter(oids.items())
        while page := list(islice(items, PAGE_OBJECTS)):
            stored = self.backend.get_many([oid for _, oid in page])
            for key, oid in page:
                yield key, self._checked(oid, stored.get(oid))

    def tree(self, oid: Oid, *, keep: bool = True) -> Tree:
        """Return one tree object: the reader that `ork.objects.tree` asks for."""
        found = self.read(oid, keep=keep)
        if not isinstance(found, TREES):
            raise Corrupt(f"object {oid} is a {kind_of(found)}, not a tree")
        return found

    def snapshot(self, oid: Oid, *, keep: bool = True) -> Contents:
        """Return the tasks, code files and parameters of a snapshot; its trees are read later.

        They are kept at hand for the next time, unless there is none.
        """
        return Contents.of(partial(self.tree, keep=keep), oid, self.get(Snapshot, oid))

    def named(self, root: Oid) -> OidMap:
        """Return a tree of objects as a mapping: name -> oid."""
        return OidMap(self.tree, root)

    def blob(self, oid: Oid) -> bytes:
        return self.get(Blob, oid).data

    def value(self, oid: Oid) -> Json:
        """Return the JSON value that a blob holds."""
        return canonical.decode(self.blob(oid))

    def output(self, output: Output) -> Json:
        """Return the value that a task gave."""
        if output.text is not None:
            return canonical.decode(output.text.encode())
        return self.value(output.oid)

    def output_text(self, output: Output) -> bytes:
        """Return the value that a task gave as JSON, which is not decoded."""
        return self.blob(output.oid) if output.text is None else output.text.encode()

    def gist(self, output: Output, chars: int) -> str:
        """Return as many characters of the value that a task gave, as JSON; it is not decoded."""
        return canonical.gist(self.output_text(output), chars)

    def has(self, oid: Oid) -> bool:
        """Say whether the store, or what it holds for now, has this object, or had to forget it."""
        return oid in self.held or self.backend.get(oid) is not None or oid in self.forgotten

    def keeps(self, oid: Oid) -> bool:
        """Say whether the store itself has this object, whole."""
        stored = self.backend.get(oid)
        try:
            return stored is not None and bool(self._checked(oid, stored))
        except Corrupt:
            return False

    def hold(self, objects: Mapping[Oid, bytes]) -> None:
        """Make packed objects readable here without storing them: a file that is not deployed."""
        self.held.update(objects)

    def let_go(self, oids: Iterable[Oid]) -> None:
        """Hold these objects no longer: by now they are stored."""
        for oid in oids:
            self.held.pop(oid, None)

    def ref(self, name: str) -> Oid | None:
        """Return the target of a ref, or None."""
        return self.backend.ref(name)

    def refs(
        self, prefix: str, *, newest_first: bool = False, below: str | None = None
    ) -> Iterator[tuple[str, Oid]]:
        """Yield (name without the prefix, target), sorted by name; `below` is without it, too."""
        end = None if below is None else prefix + below
        for name, oid in self.backend.refs(prefix, newest_first=newest_first, below=end):
            yield name[len(prefix) :], oid

    def refs_many(self, prefix: str, names: Iterable[str]) -> Iterator[tuple[str, Oid]]:
        """Yield what `refs` does for each of these names after the prefix, looked up together."""
        for name, oid in self.backend.refs_many(prefix + name for name in names):
            yield name[len(prefix) :], oid

    def refs_at(self, names: Iterable[str]) -> dict[str, Oid]:
        """Return the targets of those of these refs that are there, looked up together."""
        wanted = dict.fromkeys(names)
        return {name: oid for name, oid in self.backend.refs_many(wanted) if name in wanted}

    def abreast(self, spans: Iterable[Span]) -> list[Iterator[tuple[str, Oid]]]:
        """Return for each span what `refs` yields newest first. Lazy.

        All are read on together: a server is asked about as often for many of them as for one.
        """
        return _Abreast(self.backend, spans).streams

    def folders(self, prefix: str) -> Iterator[str]:
        """Yield what stands before the next slash in the refs below a prefix, each once, backwards.

        Costs one look-up for each, however many refs it has.
        """
        return self.backend.folders(prefix)

    def find(self, prefix: str) -> Oid:
        """Return the one object whose oid starts with these hex digits, at least four."""
        candidates = []
        for oid in self.backend.oids(prefix):
            candidates.append(oid)
            if len(candidates) > 10:
                break
        others = (*self.held, *self.forgotten)
        candidates += [oid for oid in others if oid.startswith(prefix)]
        candidates = sorted(set(candidates))
        if not candidates:
            raise NotFound(f"no object starts with {prefix}")
        if len(candidates) > 1:
            lines = [f"{oid[:16]}  {kind_of(self.read(oid))}" for oid in candidates]
            raise Ambiguous(f"{prefix} is the start of several objects", candidates=lines)
        return candidates[0]

    def short(self, oid: Oid) -> str:
        """Return the shortest prefix, of at least eight digits, that names only this object."""
        return self._short.get(oid) or self.shorten([oid])[oid]

    def shorten(self, oids: Iterable[Oid]) -> dict[Oid, str]:
        """Return the same for many objects, looked up together; `short` knows them from now on."""
        wanted = sorted(set(oids))
        others = sorted(
            {*self.backend.oids_many(oid[:SHORT_DIGITS_MIN] for oid in wanted), *self.forgotten}
        )
        found = {}
        for oid in wanted:
            # Whatever shares the most digits with it stands beside it.
            place = bisect_left(others, oid)
            near = (other for other in others[max(0, place - 1) : place + 2] if other != oid)
            digits = SHORT_DIGITS_MIN
            for other in near:
                while other.startswith(oid[:digits]):
                    digits += 1
            found[oid] = oid[:digits]
        if len(self._short) > SHORT_OIDS_MAX:  # what is kept open for long must not grow
            self._short.clear()
        self._short |= found
        return found

    def shortened(self, items: Iterable[T], named: Callable[[T], Iterable[Oid]]) -> Iterator[T]:
        """Yield the same items; `short` knows the oids of each by then. Lazy, page by page."""
        waiting = iter(items)
        while page := list(islice(waiting, PAGE_SHORT)):
            self.shorten(oid for item in page for oid in named(item))
            yield from page

    def transaction(self, stamp: Stamp | None = None) -> Transaction:
        """Begin a transaction; with a stamp, moves of heads and tags become an Operation."""
        return Transaction(self, stamp)

    def tell_anchor(self, pin: str | None = None) -> None:
        """Tell the anchor how far the store has come; `pin` is the ref of a new run's number."""
        if self.folder is not None and not self.shared:
            # The number last: when it is reached, the log has at least this operation.
            operation = self.backend.ref("ops")
            sequence = self.backend.sequence()
            anchor.append(self.folder, Anchor(sequence=sequence, operation=operation, pin=pin))

    def close(self) -> None:
        """Release the backend. Idempotent. At the end of a `with` block it is done by itself."""
        self.backend.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class _Abreast:
    """Spans of refs that are read newest first, side by side: a page of each, then longer ones."""

    def __init__(self, backend: Backend, spans: Iterable[Span]) -> None:
        self._backend, self._spans = backend, list(spans)
        self._pages: list[deque[tuple[str, Oid]]] = [deque() for _ in self._spans]
        self._unread = set(range(len(self._spans)))
        self._page = self._share(ABREAST_FIRST)
        self.streams = [self._stream(at) for at in range(len(self._spans))]

    def _share(self, refs: int) -> int:
        return max(2, refs // max(1, len(self._spans)))

    def _stream(self, at: int) -> Iterator[tuple[str, Oid]]:
        page, start = self._pages[at], len(self._spans[at].prefix)
        while page or at in self._unread:
            if not page:
                self._read_on()
            while page:
                name, oid = page.popleft()
                yield name[start:], oid

    def _read_on(self) -> None:
        """Read a page of each of which less than that is at hand."""
        near = sorted(at for at in self._unread if len(self._pages[at]) < self._page)
        found = self._backend.newest_many([self._spans[at] for at in near], self._page)
        for at, refs in zip(near, found, strict=True):
            self._pages[at] += refs
            if len(refs) < self._page:
                self._unread.discard(at)
            else:
                self._spans[at] = self._spans[at]._replace(below=refs[-1][0])
        self._page = min(2 * self._page, self._share(ABREAST_MAX))


class Transaction:
    """Objects and moves that become durable together when the `with` block ends, or not at all.

    Raises Conflict when a ref is not at the old value that was given for it.
    """

    def __init__(self, store: Store, stamp: Stamp | None = None) -> None:
        self.store = store
        self.stamp = stamp
        self.objects = Packed()
        self.moves: dict[str, tuple[Oid | None, Oid | None]] = {}  # ref -> old, new
        self.expected: set[str] = set()
        self.removed: set[Oid] = set()
        self.lost: set[Oid] | None = None  # what may be lost, as far as it is known to be

    def add(self, value: Object) -> Oid:
        """Add an object and return its oid."""
        return self.objects.add(value)

    def add_value(self, value: Json) -> Oid:
        """Add a JSON value as a blob of its canonical bytes."""
        return self.add(Blob(canonical.encode(value)))

    def add_all(self, objects: Mapping[Oid, bytes]) -> None:
        """Add objects that are packed already."""
        self.objects.update(objects)

    def move(self, ref: str, *, old: Oid | None, new: Oid | None) -> None:
        """Move a ref, provided that it is at `old`; None is absent."""
        self.moves[ref] = (old, new)

    def expect(self, ref: str, oid: Oid | None) -> None:
        """Write only if a ref is at `oid`; no operation tells of that."""
        self.moves[ref] = (oid, oid)
        self.expected.add(ref)

    def remove(self, oids: Iterable[Oid]) -> None:
        """Remove objects that nothing but a ref moved here can have needed."""
        self.removed.update(oids)

    def lack(self) -> None:
        """Write though objects are lost: it names none that the refs moved here did not lead to."""
        self.lost = set()

    def commit(self) -> None:
        """Write everything, durably; what `with` does at its end."""
        if not self.objects and not self.moves:
            return
        recorded = [
            (ref, *self.moves[ref])
            for ref in sorted(self.moves.keys() - self.expected)
            if ref.startswith(RECORDED)
        ]
        self._forget()
        refusals = 0
        while refusals < REFUSALS_MAX:
            needs = self._needs()
            moves, said = self.moves, None
            if recorded and self.stamp:
                operation = self.stamp.operation(recorded, self.store.ref("ops"))
                said = self.objects.add(operation)
                moves = {**moves, "ops": (operation.parent, said)}
            if self.store.backend.write(self.objects, moves, self.removed, needs):
                pins = (
                    ref for ref, (_, new) in moves.items() if new and ref.startswith("numbers/")
                )
                self.store.tell_anchor(next(pins, None))
                if forgotten := self._forgotten():
                    self.store.forgotten = {**self.store.forgotten, **forgotten}
                return
            if said:
                del self.objects[said]
            self._check_moves()
            for oid in needs:
                if self.store.backend.get(oid) is None:
                    self._bring(oid)
            # The chain of operations moves on whenever another workflow is deployed. Nothing else
            # can be in the way.
            old, _ = moves.get("ops", (None, None))
            refusals = 0 if "ops" in moves and self.store.ref("ops") != old else refusals + 1
        raise StoreError("the store refuses a write although no ref has moved", hint="`ork fsck`")

    def _needs(self) -> set[Oid]:
        """Return the objects that must be there and are not brought along.

        What refs are moved to, and what deploys, runs and snapshots name, is whole as well, or
        Corrupt is raised. The many objects that trees and task runs name are not read.
        """
        without = self._forgotten().keys() | self.store.forgotten.keys() | (self.lost or set())

        def brought(oid: Oid) -> bool:
            return oid in self.objects or oid in without

        targets = {new for old, new in self.moves.values() if new is not None and new != old}
        below: set[Oid] = set()
        for oid, stored in self.objects.items():
            if begins_with(stored, _ENDS):
                continue
            value = decode_object(unpack(oid, stored))
            if isinstance(value, Operation):
                targets.update(filter(None, [value.parent]))
            else:
                into = targets if isinstance(value, Deploy | Run | Snapshot) else below
                into.update(oid for oid in value.links() if oid and not brought(oid))
        broken = [oid for oid in targets if not (brought(oid) or self.store.keeps(oid))]
        if broken:
            self._check_moves()  # gc may have removed what a ref led to before it moved
        for oid in broken:
            self._bring(oid)
        if broken:
            return self._needs()
        return {oid for oid in targets if not brought(oid)} | below

    def _forgotten(self) -> dict[Oid, Oid]:
        """Return what is forgotten by this write, as it was where that comes from."""
        marks = ((ref.partition("/"), new) for ref, (_, new) in self.moves.items())
        return {Oid(of): new for (space, _, of), new in marks if space == "forgotten" and new}

    def _forget(self) -> None:
        """Leave out what was forgotten: it never comes back, whoever has its bytes."""
        for oid in self.objects.keys() & self.store.forgotten.keys():
            del self.objects[oid]

    def _bring(self, oid: Oid) -> None:
        """Write an object anew that the store has lost; raise Corrupt when it is not at hand."""
        try:
            held = self.store.held.get(oid)
            self.objects[oid] = pack(self.store.raw(oid)) if held is None else held
        except Corrupt:
            if self.lost is None:
                raise
            self.lost.add(oid)

    def _check_moves(self) -> None:
        for ref, (old, _) in self.moves.items():
            if self.store.ref(ref) != old:
                raise Conflict(
                    f"{ref} was moved by somebody else; nothing was written",
                    hint="look at what changed, then run the command again",
                )

    def __enter__(self) -> Transaction:
        return self

    def __exit__(self, kind: object, *error: object) -> None:
        if kind is None:
            self.commit()


class Arrival(Transaction):
    """A write that needs all that was written for it before, which was proven whole on its way.

    What gc took of that comes `again`. What refs are moved to is among it.
    """

    def __init__(
        self, store: Store, stamp: Stamp, written: set[Oid], again: Callable[[Oid], object]
    ) -> None:
        super().__init__(store, stamp)
        self._written, self._again = written, again

    def _needs(self) -> set[Oid]:
        return self._written

    def _bring(self, oid: Oid) -> None:
        self._again(oid)
