"""The two shapes of a tree's payload: a leaf with entries, or a node with children.

A node is what every diff of a large tree reads twice, so its bytes are also taken apart by hand, in
less than half of the time: they are put together again and compared, and whatever is not exactly as
ork writes it is left to `canonical.decode` and `shape`, which complain.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from ork.objects.canonical import Json, Oid
from ork.objects.shapes import a_count, a_text, an_entry, an_oid, need, pairs

LEAF_ENTRIES_MAX = 256  # a larger tree is a node: see `ork.objects.tree`
DEPTH_MAX = 31  # of a node, which fans out by that byte of a hash

Entries: TypeAlias = tuple[tuple[str, Json], ...]
Children: TypeAlias = tuple[tuple[int, Oid], ...]

_START, _END = '{"children":[[', ']],"depth":'
_TAIL = 67  # characters of `,"OID"`, behind the number of a child


def node(payload: bytes) -> tuple[Children, int] | None:
    """Return children and depth of a node; None for any other bytes."""
    try:
        inside, end, rest = payload.decode("ascii").rpartition(_END)
        items = inside.removeprefix(_START).split("],[") if end else []
        numbers = [int(item[:-_TAIL]) for item in items]
        depth = int(rest.removesuffix("}"))
    except ValueError:
        return None
    oids = [item[2 - _TAIL : -1] for item in items]
    if not _is_hex("".join(oids), 64 * len(oids)) or not 0 <= depth <= DEPTH_MAX:
        return None
    if numbers != sorted(set(numbers)) or numbers[0] < 0 or numbers[-1] > 255:
        return None
    body = "],[".join([f'{number},"{oid}"' for number, oid in zip(numbers, oids, strict=True)])
    if payload != f"{_START}{body}{_END}{depth}}}".encode():
        return None
    return tuple(zip(numbers, oids, strict=True)), depth  # type: ignore[arg-type]


def shape(value: Any) -> tuple[Entries, Children, int]:
    """Return entries, children and depth of a decoded payload; raise ValueError when it is none."""
    keys = value.keys() if type(value) is dict else ()
    if keys == {"entries"}:
        entries = pairs(value["entries"], a_text, an_entry)
        names = [name.encode() for name, _ in entries]
        need(names == sorted(set(names)), "entries must be sorted and unique")
        need(len(entries) <= LEAF_ENTRIES_MAX, f"a leaf has at most {LEAF_ENTRIES_MAX} entries")
        return entries, (), 0
    need(keys == {"children", "depth"}, "must have entries, or children and depth")
    children = pairs(value["children"], a_count, an_oid)
    numbers = [byte for byte, _ in children]
    need(bool(numbers) and numbers == sorted(set(numbers)), "children must be sorted")
    need(numbers[-1] < 256, "a child is at a byte")
    depth = a_count(value["depth"])
    need(depth <= DEPTH_MAX, "a node is at a byte of a hash")
    return (), children, depth


def _is_hex(text: str, length: int) -> bool:
    try:
        return 0 < length == len(text) and bytes.fromhex(text).hex() == text
    except ValueError:
        return False
