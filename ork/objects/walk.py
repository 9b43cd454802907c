"""What objects name, with the kind that each must have, and a walk over all that roots reach.

A link is weak where the object stays whole without what it names: what an operation moved is needed
as long as that can be undone, and may be gone later. Everything else an object names, it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from ork.objects.canonical import Oid
from ork.objects.kinds import (
    TREES,
    Deploy,
    Node,
    Object,
    Operation,
    Run,
    RunLeaf,
    Snapshot,
    TaskRun,
    Tombstone,
    kind_of,
)

BATCH = 256  # objects that are read together
TASKS, FILES, CHUNKS, TASKRUNS = (
    f"tree of {what}" for what in ("tasks", "files", "chunks", "taskruns")
)
_ENTRIES = {TASKS: "task", FILES: "blob", CHUNKS: "blob"}
_LEAVES = {TASKS: "oids", FILES: "files", CHUNKS: "oids", TASKRUNS: "taskruns"}
ENDS = frozenset({"blob", "task"})  # kinds that name nothing


class Named(NamedTuple):
    """An object that something names: what kind it must have, and whether it may be gone.

    The kind is a word such as `deploy`, of a tree with what its entries are: `tree of files`. None
    is any kind.
    """

    oid: Oid
    kind: str | None
    weak: bool = False


def named(value: Object, kind: str | None = None) -> Iterator[Named]:
    """Yield what an object names; `kind` is what it was named as, which a tree does not say."""
    for oid, word, weak in _named(value, kind or kind_of(value)):
        if oid is not None:
            yield Named(oid, word, weak)


def fits(value: Object, kind: str | None) -> bool:
    """Say whether an object is of the kind that it is named as."""
    if kind not in _LEAVES:
        return kind is None or kind_of(value) == kind
    return isinstance(value, Node) or (
        isinstance(value, TREES) and value.__struct_config__.tag == _LEAVES[kind]
    )


class Reached:
    """The objects that a walk has come to; 32 bytes each, under the kind that they were named as.

    One that is named as two kinds counts as two, since at most one of them is right. What is in
    `base` is there as well, and stays as it is.
    """

    def __init__(self, base: Reached | None = None) -> None:
        self._by_kind: dict[str | None, set[bytes]] = {}
        self._base = base

    def add(self, one: Named) -> bool:
        """Add one; return False if it is there already."""
        if self._base is not None and self._base.has(one):
            return False
        known = self._by_kind.setdefault(one.kind, set())
        before = len(known)
        known.add(bytes.fromhex(one.oid))
        return len(known) > before

    def has(self, one: Named) -> bool:
        """Say whether it is there, under its kind."""
        if bytes.fromhex(one.oid) in self._by_kind.get(one.kind, ()):
            return True
        return self._base is not None and self._base.has(one)

    def oids(self) -> Iterator[Oid]:
        """Yield each of them once, sorted, but for those of the base."""
        return (Oid(key.hex()) for key in sorted(set().union(*self._by_kind.values())))

    def __contains__(self, oid: Oid) -> bool:
        key = bytes.fromhex(oid)
        if any(key in known for known in self._by_kind.values()):
            return True
        return self._base is not None and oid in self._base


def walk(
    read: Callable[[list[Named]], Mapping[Oid, Object]],
    roots: Iterable[Named],
    reached: Reached,
    *,
    weak: Callable[[Operation], bool] = lambda _: True,
) -> Iterator[Named]:
    """Yield all that roots reach and that was not reached before, each once. No recursion.

    `read` is given some objects at a time, and returns those whose links are to be followed.
    `weak` says of which operations the weak links are followed. Beside what is reached, memory
    holds what a few hundred objects name.
    """
    waiting: list[Named] = []
    roots = iter(roots)
    while True:
        while len(waiting) < BATCH and (root := next(roots, None)):
            if reached.add(root):
                waiting.append(root)
        if not waiting:
            return
        # The newest first, so that what waits stays as little as the objects are deep.
        batch, waiting = waiting[-BATCH:], waiting[:-BATCH]
        yield from batch
        found = read(batch)
        for one in batch:
            if (value := found.get(one.oid)) is None:
                continue
            follow = not isinstance(value, Operation) or weak(value)
            for below in named(value, one.kind):
                if (follow or not below.weak) and reached.add(below):
                    waiting.append(below)


_Links = Iterator[tuple[Oid | None, str | None, bool]]


def _named(value: Object, kind: str) -> _Links:
    if isinstance(value, Deploy):
        yield value.snapshot, "snapshot", False
        yield value.source.blob, "blob", False
        yield value.source.chunks, CHUNKS, False
        for oid in (value.restores, *value.parents):
            yield oid, "deploy", False
    elif isinstance(value, Snapshot):
        yield value.tasks, TASKS, False
        yield value.files, FILES, False
    elif isinstance(value, Run):
        yield value.snapshot, "snapshot", False
        yield value.deploy, "deploy", False
        yield value.environment, "blob", False
        yield value.params, "blob", False
        yield value.tasks, TASKRUNS, False
        yield value.previous, "run", False
    elif isinstance(value, TaskRun):
        yield from _of_taskrun(value)
    elif isinstance(value, RunLeaf):
        for _, taskrun in value.entries:
            yield from _of_taskrun(taskrun)
    elif isinstance(value, Operation):
        yield value.parent, "operation", False
        for _, *ends in value.moves:
            for oid in ends:
                yield oid, "deploy", True
    elif isinstance(value, Tombstone):
        yield value.replacement, None, False
    elif isinstance(value, Node):
        for _, oid in value.children:
            yield oid, kind, False
    elif isinstance(value, TREES):
        for oid in value.links():
            yield oid, _ENTRIES.get(kind), False


def _of_taskrun(value: TaskRun) -> _Links:
    yield value.task, "task", False
    yield value.each, "blob", False
    yield value.key, None, False
    yield value.source, "taskrun", False
    if value.output and value.output.text is None:
        yield value.output.oid, "blob", False
    for attempt in value.attempts:
        yield attempt.environment, "blob", False
