"""Checks objects: each hashes to its name, has the form of its kind, and names the right ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from ork.errors import Corrupt
from ork.objects import tree
from ork.objects.canonical import Oid, frame, hash_bytes, unpacked
from ork.objects.kinds import (
    TREES,
    Blob,
    Deploy,
    Node,
    Object,
    Operation,
    Run,
    Snapshot,
    Tree,
    decode_object,
    kind_of,
)
from ork.objects.walk import Named, Reached, fits, named, walk
from ork.store.store import Store
from ork.upkeep.findings import Finding

AFFECTED_MAX = 20  # names that a finding tells of
BLOBS_TOGETHER = 8  # that are asked for together where each question takes time
_BLOB = frame("blob", b"")


class Objects:
    """The objects of a store that do not change while they are checked, each looked at once."""

    def __init__(
        self,
        store: Store,
        tell: Callable[[Finding], None],
        *,
        quick: bool,
        reached: Reached | None = None,
        blobs_together: int = 1,
    ) -> None:
        """What is `reached` already is not looked at. So many blobs are in memory at a time."""
        self._store = store
        self._tell = tell
        self._quick = quick
        self._blobs_together = blobs_together
        self.reached = Reached() if reached is None else reached
        self._with_trees: list[tuple[Oid, Object]] = []
        self._leaves: dict[Oid, int] = {}  # those read lately -> their entries
        self._shapes: dict[tuple[Oid, str], int | None] = {}
        self.bad: set[Oid] = set()
        self.checked = 0

    def check(self, roots: Iterable[Named]) -> Iterator[int]:
        """Check all that roots need; yield, now and then, how many objects were looked at."""
        for number, _ in enumerate(walk(self._read, roots, self.reached, weak=lambda _: False)):
            if number % 1000 == 0:
                self._check_trees()
                yield self.checked
        self._check_trees()

    def check_undo(self, operations: Iterable[tuple[Oid, Operation]]) -> Iterator[int]:
        """Check what operations moved: where it is gone, all that is lost is the undo."""
        links = (one for _, operation in operations for one in named(operation) if one.weak)
        ends = {one.oid: one for one in links}
        yield from self.check(one for one in ends.values() if self._is_there(one))

    def check_rest(self) -> Iterator[int]:
        """Check and tell of the objects that nothing needs."""
        for oid in self._store.backend.oids():
            if oid not in self.reached:
                self._tell(_finding("N502", oid, "nothing needs this object"))
                self._read([Named(oid, None)])
                self._check_trees()
                yield self.checked

    def affected(self, roots: Iterable[tuple[str, Oid]]) -> dict[Oid, tuple[str, ...]]:
        """Return which of these, given in words with their oids, need each bad object."""
        found: dict[Oid, list[str]] = {oid: [] for oid in self.bad}
        for words, needs in self.needing(roots):
            for bad in needs:
                found[bad].append(words)
        return {oid: _cut(words) for oid, words in found.items()}

    def needing(self, roots: Iterable[tuple[str, Oid]]) -> Iterator[tuple[str, frozenset[Oid]]]:
        """Yield those of these that need something bad themselves, and what."""
        known: dict[Oid, frozenset[Oid]] = {}
        for words, oid in roots:
            if needs := self._needs(oid, known):
                yield words, needs

    def _is_there(self, one: Named) -> bool:
        if one.oid in self.reached or self._store.has(one.oid):
            return True
        self._tell(_finding("N501", one.oid, "an operation moved it, and it is gone"))
        return False

    def _read(self, batch: list[Named]) -> Mapping[Oid, Object]:
        """Return what is whole of some objects, and tell what is not.

        Blobs, which may be large, are read a few at a time.
        """
        backend = self._store.backend
        stored = backend.get_many([one.oid for one in batch if one.kind != "blob"])
        blobs = [one.oid for one in batch if one.kind == "blob"]
        places = {oid: place for place, oid in enumerate(blobs)}
        few: list[Oid] = []
        few_stored: dict[Oid, bytes] = {}
        found: dict[Oid, Object] = {}
        for one in batch:
            self.checked += 1
            if one.oid in self.bad:
                continue
            if one.kind == "blob" and one.oid not in few:
                few = blobs[places[one.oid] :][: self._blobs_together]
                few_stored = backend.get_many(few)
            of_one = few_stored if one.kind == "blob" else stored
            value = self._value(one, of_one.get(one.oid))
            if isinstance(value, Finding):
                self._fault(value)
            elif not fits(value, one.kind):
                words = f"it is a {kind_of(value)}, and named as a {one.kind}"
                self._fault(_finding("E104", one.oid, words))
            else:
                found[one.oid] = value
                if not self._quick and isinstance(value, Snapshot | Run | Deploy):
                    self._with_trees.append((one.oid, value))
                elif isinstance(value, TREES) and not isinstance(value, Node):
                    self._leaves[one.oid] = len(value.entries)
        return found

    def _value(self, one: Named, stored: bytes | None) -> Object | Finding:
        oid = one.oid
        if stored is None:
            if oid in self._store.forgotten:
                return self._in_place_of(oid)
            return _finding("E101", oid, missing(one.kind or "thing"))
        try:
            data = unpacked(oid, stored)
        except Corrupt as error:
            return _finding("E102", oid, error.message)
        is_blob = data[: len(_BLOB)] == _BLOB
        if self._quick and one.kind == "blob" and is_blob:
            return Blob(b"")
        if hash_bytes(data) != oid:
            return _finding("E102", oid, "its bytes do not match its name")
        try:
            return Blob(b"") if is_blob else decode_object(bytes(data))
        except Corrupt as error:
            return _finding("E103", oid, error.message)

    def _in_place_of(self, oid: Oid) -> Object | Finding:
        try:
            return self._store.read(oid, keep=False)
        except Corrupt as error:
            return _finding("E101", oid, error.message)

    def _fault(self, finding: Finding) -> None:
        assert finding.object is not None
        self.bad.add(finding.object)
        self._tell(finding)

    def _check_trees(self) -> None:
        """Look at whole trees, when most of their parts have been read by the way."""
        waiting, self._with_trees = self._with_trees, []
        for oid, value in waiting:
            self._check_shape(oid, value)
        self._leaves.clear()

    def _check_shape(self, oid: Oid, value: Object) -> None:
        if isinstance(value, Snapshot):
            count = self._counted(value.tasks, "")
            self._counted(value.files, "")
            if count is not None and count != value.task_count:
                words = f"it has {count} tasks and says {value.task_count}"
                self._fault(_finding("E106", oid, words))
        elif isinstance(value, Run) and value.tasks:
            self._counted(value.tasks, "")
        elif isinstance(value, Deploy) and value.source.chunks:
            self._counted(value.source.chunks, "")

    def _shape(self, oid: Oid, path: str) -> int | None:
        """Return the entries of a tree at its place; None where that cannot be said."""
        if (oid, path) not in self._shapes:
            self._shapes[oid, path] = None  # whatever leads back here is told of once
            self._shapes[oid, path] = self._counted(oid, path)
        return self._shapes[oid, path]

    def _counted(self, oid: Oid, path: str) -> int | None:
        if not path and oid in self._leaves:  # a whole tree: its entries lie where they may
            return self._leaves[oid]
        try:
            value = self._store.tree(oid)
        except Corrupt:  # of which the walk tells
            return None
        try:
            tree.check_place(value, path)
        except Corrupt as error:
            if oid not in self.bad:
                self._fault(_finding("E105", oid, error.message))
            return None
        if not isinstance(value, Node):
            return len(value.entries)
        counts = [self._shape(below, path + f"{digit:x}") for digit, below in value.children]
        known = [count for count in counts if count is not None]
        if len(known) < len(counts):
            return None
        if not tree.needs_node(sum(known)):
            words = f"a node for {sum(known)} entries, which fit into a leaf"
            self._fault(_finding("E105", oid, words))
        return sum(known)

    def _needs(self, root: Oid, known: dict[Oid, frozenset[Oid]]) -> frozenset[Oid]:
        """Return the bad objects among those that a deploy, run or other object needs itself.

        What came before a deploy or run has a name of its own: all that is asked of it is whether
        it is there itself. No recursion.
        """
        waiting = [root]
        while waiting:
            oid = waiting[-1]
            if oid in known:
                waiting.pop()
                continue
            below = self._own_links(oid)
            if missing := [link for link in below if link not in known]:
                waiting += missing
                continue
            own = {oid} & self.bad
            known[oid] = frozenset(own.union(*(known[link] for link in below)))
        return known[root]

    def _own_links(self, oid: Oid) -> list[Oid]:
        if oid in self.bad:
            return []
        try:
            value = self._store.read(oid, keep=False)
        except Corrupt:
            return []
        if isinstance(value, Tree):
            return [link for link in value.links() if link]
        others = ("deploy", "run", "operation")
        return [one.oid for one in named(value) if one.kind not in others or one.oid in self.bad]


def missing(kind: str) -> str:
    """Return what is told of an object that is gone."""
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind} is missing"


def _finding(code: str, oid: Oid, message: str) -> Finding:
    return Finding(code=code, message=message, object=oid)


def _cut(words: list[str]) -> tuple[str, ...]:
    more = len(words) - AFFECTED_MAX
    return (*words[:AFFECTED_MAX], f"and {more} more") if more > 0 else tuple(words)
