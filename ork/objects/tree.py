"""Maps from names to entries that share what did not change.

A map of at most 64 entries is one leaf. A larger one is a node that fans out by the first half byte
of BLAKE3(name), its parts by the second, and so on: the shape depends on the set alone, never on
the order of edits. Two maps are compared by descending only where their oids differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias, TypeVar

from blake3 import blake3

from ork.errors import Corrupt
from ork.objects.canonical import Oid
from ork.objects.kinds import (
    LEAF_ENTRIES_MAX,
    TREE_DEPTH_MAX,
    FileEntry,
    FileLeaf,
    Node,
    OidLeaf,
    RunLeaf,
    TaskRun,
    Tree,
)

Entry: TypeAlias = Oid | FileEntry | TaskRun
Read: TypeAlias = Callable[[Oid], Tree]
_LEAVES = {str: OidLeaf, FileEntry: FileLeaf, TaskRun: RunLeaf}
_Wanted: TypeAlias = tuple[str, str]  # the digits of a hashed name, and the name
_Keyed: TypeAlias = tuple[str, str, Entry]  # the same, and the entry
_Any = TypeVar("_Any", _Wanted, _Keyed)


def build(entries: Mapping[str, Entry], add: Callable[[Tree], Oid], kind: type = str) -> Oid:
    """Make the tree of these entries, `add` each of its objects, and return its oid.

    `kind` is the type of the entries: an oid (str), FileEntry or TaskRun.
    """

    def part(keyed: list[_Keyed], depth: int) -> Oid:
        if len(keyed) <= LEAF_ENTRIES_MAX:
            leaf = sorted(((name, entry) for _, name, entry in keyed), key=lambda pair: pair[0])
            return add(_LEAVES[kind](entries=tuple(leaf)))
        groups = _by_digit(keyed, depth)
        below = tuple((digit, part(groups[digit], depth + 1)) for digit in sorted(groups))
        return add(Node(children=below, depth=depth))

    return part([(_digits(name), name, entry) for name, entry in entries.items()], 0)


def lookup(read: Read, root: Oid, name: str) -> Entry | None:
    """Return the entry of one name, or None."""
    return dict(among(read, root, [name])).get(name)


def among(read: Read, root: Oid, names: Iterable[str]) -> Iterator[tuple[str, Entry]]:
    """Yield the entries of those of these names that are there; no part is read twice."""
    return _among(read, root, [(_digits(name), name) for name in names], 0)


def _among(
    read: Read, root: Oid, wanted: Sequence[_Wanted], depth: int
) -> Iterator[tuple[str, Entry]]:
    tree = read(root)
    if not isinstance(tree, Node):
        names = {name for _, name in wanted}
        yield from (entry for entry in tree.entries if entry[0] in names)
        return
    children, parts = _children(tree, depth), _by_digit(wanted, depth)
    for digit, below in children:
        if digit in parts:
            yield from _among(read, below, parts[digit], depth + 1)


def entries(read: Read, root: Oid) -> dict[str, Entry]:
    """Return all entries, sorted by the UTF-8 bytes of their names."""
    return dict(sorted(each(read, root)))


def each(read: Read, root: Oid, depth: int = 0) -> Iterator[tuple[str, Entry]]:
    """Yield all entries, leaf by leaf."""
    tree = read(root)
    if not isinstance(tree, Node):
        yield from tree.entries
        return
    for _, below in _children(tree, depth):
        yield from each(read, below, depth + 1)


def changes(read: Read, old: Oid, new: Oid) -> dict[str, tuple[Entry | None, Entry | None]]:
    """Return name -> (old entry, new entry) where they differ, None for absent; sorted by name."""
    return {name: (before, after) for name, before, after in sorted(_changes(read, old, new, 0))}


def oids(read: Read, root: Oid, depth: int = 0) -> Iterator[Oid]:
    """Yield the oids of the tree objects themselves, root first; not of what the entries name."""
    yield root
    tree = read(root)
    if isinstance(tree, Node):
        for _, below in _children(tree, depth):
            yield from oids(read, below, depth + 1)


def fresh(read: Read, old: Oid, new: Oid, depth: int = 0) -> Iterator[Oid]:
    """Yield the tree objects of `new` that are not at the same place in `old`."""
    if old == new:
        return
    before, after = read(old), read(new)
    if not (isinstance(before, Node) and isinstance(after, Node)):
        yield from oids(read, new, depth)
        return
    yield new
    olds = dict(_children(before, depth))
    for digit, below in _children(after, depth):
        if digit in olds:
            yield from fresh(read, olds[digit], below, depth + 1)
        else:
            yield from oids(read, below, depth + 1)


def check_place(value: Tree, path: str) -> None:
    """Raise Corrupt unless a tree may lie where these half bytes lead, from the root down."""
    if isinstance(value, Node):
        _children(value, len(path))
    elif path and not all(_digits(name).startswith(path) for name, _ in value.entries):
        raise Corrupt(f"a leaf has entries that are looked for elsewhere than at {path}")


def needs_node(count: int) -> bool:
    """Say whether so many entries do not fit into one leaf."""
    return count > LEAF_ENTRIES_MAX


def _digits(name: str) -> str:
    # What was typed may be no UTF-8: no tree has it.
    return blake3(name.encode(errors="surrogatepass")).hexdigest()


def _by_digit(keyed: Iterable[_Any], depth: int) -> dict[int, list[_Any]]:
    """Return what is keyed by hashed names in the parts in which it is at this depth."""
    groups: dict[int, list[_Any]] = {}
    for item in keyed:
        groups.setdefault(int(item[0][depth], 16), []).append(item)
    return groups


def _children(node: Node, depth: int) -> tuple[tuple[int, Oid], ...]:
    # The depth is checked on the way down, so a damaged or cyclic tree ends in an error.
    if node.depth != depth or depth > TREE_DEPTH_MAX:
        raise Corrupt(f"a tree node of depth {node.depth} at depth {depth}")
    return node.children


def _changes(
    read: Read, old: Oid, new: Oid, depth: int
) -> Iterator[tuple[str, Entry | None, Entry | None]]:
    if old == new:
        return
    before, after = read(old), read(new)
    if isinstance(before, Node) and isinstance(after, Node):
        olds, news = dict(_children(before, depth)), dict(_children(after, depth))
        for digit in olds.keys() | news.keys():
            if digit in olds and digit in news:
                yield from _changes(read, olds[digit], news[digit], depth + 1)
            elif digit in olds:
                yield from ((n, e, None) for n, e in each(read, olds[digit], depth + 1))
            else:
                yield from ((n, None, e) for n, e in each(read, news[digit], depth + 1))
        return
    was, now = dict(each(read, old, depth)), dict(each(read, new, depth))
    for name in was.keys() | now.keys():
        if was.get(name) != now.get(name):
            yield name, was.get(name), now.get(name)
