"""Maps from names to entries that share what did not change.

A tree of at most 256 entries is one leaf. A larger one is a node that fans out by the first byte of
BLAKE3(name), its parts by the second, and so on: the shape depends on the set alone, never on the
order of edits. Two trees are compared by walking only where their oids differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from blake3 import blake3

from ork.errors import Corrupt
from ork.objects.canonical import Json, Oid, hash_bytes
from ork.objects.kinds import LEAF_ENTRIES_MAX, Tree, encode_object

Read: TypeAlias = Callable[[Oid], Tree]


def build(entries: Mapping[str, Json]) -> tuple[Oid, dict[Oid, bytes]]:
    """Return the oid of the tree of these entries, and all its objects as stored bytes."""
    objects: dict[Oid, bytes] = {}
    keyed = [(blake3(name.encode()).digest(), name, entry) for name, entry in entries.items()]
    return _build(keyed, 0, objects), objects


def lookup(read: Read, root: Oid, name: str) -> Json:
    """Return the entry of one name, or None."""
    try:
        path = blake3(name.encode()).digest()
    except UnicodeEncodeError:  # of bytes that were typed and are no UTF-8: no tree has it
        return None
    tree = read(root)
    for depth in range(len(path)):
        if not tree.children:
            return dict(tree.entries).get(name)
        below = dict(_children(tree, depth)).get(path[depth])
        if below is None:
            return None
        tree = read(below)
    raise Corrupt("a tree deeper than the hash of a name")


def entries(read: Read, root: Oid) -> dict[str, Json]:
    """Return all entries, sorted by the UTF-8 bytes of their names."""
    found = dict(_entries(read, root, 0))
    return {name: found[name] for name in sorted(found, key=str.encode)}


def changes(read: Read, old: Oid, new: Oid) -> dict[str, tuple[Json, Json]]:
    """Return name -> (old entry, new entry) where they differ, None for absent; sorted by name."""
    found = {name: (before, after) for name, before, after in _changes(read, old, new, 0)}
    return {name: found[name] for name in sorted(found, key=str.encode)}


def oids(read: Read, root: Oid) -> Iterator[Oid]:
    """Yield the oids of the tree objects themselves, root first; not of what the entries name."""
    yield from _oids(read, root, 0)


def fresh(read: Read, old: Oid, new: Oid) -> Iterator[Oid]:
    """Yield the tree objects of `new` that are not at the same place in `old`."""
    yield from _fresh(read, old, new, 0)


def _build(keyed: list[tuple[bytes, str, Json]], depth: int, objects: dict[Oid, bytes]) -> Oid:
    if len(keyed) <= LEAF_ENTRIES_MAX:
        leaf = sorted(((name, entry) for _, name, entry in keyed), key=lambda e: e[0].encode())
        data = encode_object(Tree(entries=tuple(leaf)))
    else:
        groups: dict[int, list[tuple[bytes, str, Json]]] = {}
        for item in keyed:
            groups.setdefault(item[0][depth], []).append(item)
        children = tuple((b, _build(groups[b], depth + 1, objects)) for b in sorted(groups))
        data = encode_object(Tree(children=children, depth=depth))
    oid = hash_bytes(data)
    objects[oid] = data
    return oid


def _fresh(read: Read, old: Oid, new: Oid, depth: int) -> Iterator[Oid]:
    if old == new:
        return
    before, after = read(old), read(new)
    if not (before.children and after.children):
        yield from _oids(read, new, depth)
        return
    yield new
    olds = dict(_children(before, depth))
    for byte, below in _children(after, depth):
        if olds.get(byte) == below:
            continue
        if byte in olds:
            yield from _fresh(read, olds[byte], below, depth + 1)
        else:
            yield from _oids(read, below, depth + 1)


def _oids(read: Read, root: Oid, depth: int) -> Iterator[Oid]:
    yield root
    tree = read(root)
    if tree.children:
        for _, below in _children(tree, depth):
            yield from _oids(read, below, depth + 1)


def _children(tree: Tree, depth: int) -> tuple[tuple[int, Oid], ...]:
    # The depth is checked on the way down, so a damaged or cyclic tree ends in an error.
    if tree.depth != depth or depth > 31:
        raise Corrupt(f"a tree node of depth {tree.depth} at depth {depth}")
    return tree.children


def _entries(read: Read, root: Oid, depth: int) -> Iterator[tuple[str, Json]]:
    tree = read(root)
    if not tree.children:
        yield from tree.entries
        return
    for _, below in _children(tree, depth):
        yield from _entries(read, below, depth + 1)


def _changes(read: Read, old: Oid, new: Oid, depth: int) -> Iterator[tuple[str, Json, Json]]:
    if old == new:
        return
    before, after = read(old), read(new)
    if before.children and after.children:
        olds, news = dict(_children(before, depth)), dict(_children(after, depth))
        for byte in sorted(olds.keys() | news.keys()):
            if olds.get(byte) == news.get(byte):
                continue
            if byte in olds and byte in news:
                yield from _changes(read, olds[byte], news[byte], depth + 1)
            elif byte in olds:
                yield from ((n, e, None) for n, e in _entries(read, olds[byte], depth + 1))
            else:
                yield from ((n, None, e) for n, e in _entries(read, news[byte], depth + 1))
        return
    was, now = dict(_entries(read, old, depth)), dict(_entries(read, new, depth))
    for name in was.keys() | now.keys():
        if was.get(name) != now.get(name):
            yield name, was.get(name), now.get(name)
