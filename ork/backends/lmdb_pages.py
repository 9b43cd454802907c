"""What is left in an LMDB data file that is damaged, read without LMDB.

Every page is looked at for entries, whatever its header says and whether anything leads to it: who
asks can prove each entry, an object by its hash and a ref by its seal. Raises nothing for damage.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ork.backends.lmdb_file import MAGIC, META, PAGE_BYTES, TRANSACTION, number_at
from ork.files import open_file

_MAGIC = struct.pack("=I", MAGIC)
_ROOT = 112  # of the table of data
_FREE_ROOT = 64  # of the table of free pages
_HEADER = 16
_NODE = struct.Struct("=HHHH")
_BIG = 1  # the flag of a node whose value lies in pages of its own
_NO_PAGE = (1 << 64) - 1
_DEPTH_MAX = 32  # of a table, in LMDB
_PAGE_SIZES = tuple(1 << bits for bits in range(9, 17))


def remains(path: Path) -> Iterator[tuple[bytes, bytes, bool]]:
    """Yield every key and value that some page has, and whether the file still leads there.

    What it leads to comes first.
    """
    with open_file(path) as opened:
        file = opened.fileno()
        size = os.fstat(file).st_size
        newest = _newest(file)
        page_bytes = number_at(newest, PAGE_BYTES, 4) if newest else os.sysconf("SC_PAGE_SIZE")
        root = number_at(newest, _ROOT, 8) if newest else 0
        live = _leaves(file, root, page_bytes, size // page_bytes)
        rest = (page for page in range(size // page_bytes) if page not in live)
        for page in (*sorted(live), *rest):
            for key, value in _entries(file, page, page_bytes, size):
                yield key, value, page in live


def noted_number(path: Path) -> int | None:
    """Return the number that the newest commit should have; None where nothing tells.

    It noted it with the pages that it freed, beside the number that makes it the newest.
    """
    with open_file(path) as opened:
        newest = _newest(opened.fileno())
        return _noted(opened.fileno(), newest) if newest else None


def _newest(file: int) -> bytes | None:
    """Return the newest meta page that there is, whatever its place."""
    metas = (os.pread(file, 160, start + META) for start in (0, *_PAGE_SIZES))
    fit = (
        meta
        for meta in metas
        if meta.startswith(_MAGIC) and number_at(meta, PAGE_BYTES, 4) in _PAGE_SIZES
    )
    return max(fit, key=lambda meta: number_at(meta, TRANSACTION, 8), default=None)


def _noted(file: int, meta: bytes) -> int | None:
    page, page_bytes = number_at(meta, _FREE_ROOT, 8), number_at(meta, PAGE_BYTES, 4)
    if page == _NO_PAGE:
        return 1  # the first commit frees nothing, and every other one does
    pages = os.fstat(file).st_size // page_bytes
    for _ in range(_DEPTH_MAX):
        if not 1 < page < pages:
            break
        data = os.pread(file, page_bytes, page * page_bytes)
        *_, (low, high, flags, at) = ((0, 0, 0, 0), *_nodes(data))
        if not data[10] & 1:  # a leaf; its last key is the newest number
            return number_at(data, at + _NODE.size, 8) if at else None
        page = low | high << 16 | flags << 32
    return None


def _leaves(file: int, root: int, page_bytes: int, pages: int) -> set[int]:
    """Return the pages that the root leads to; branches are among them, and hold no entries."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        page = waiting.pop()
        if page in seen or not 1 < page < pages:
            continue
        seen.add(page)
        data = os.pread(file, page_bytes, page * page_bytes)
        if data[10:11] and data[10] & 1:  # a branch
            for low, high, flags, _ in _nodes(data):
                waiting.append(low | high << 16 | flags << 32)
    return seen


def _entries(file: int, page: int, page_bytes: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    data = os.pread(file, page_bytes, page * page_bytes)
    for low, high, flags, at in _nodes(data):
        length, key_length = low | high << 16, number_at(data, at + 6, 2)
        start = at + _NODE.size + key_length
        key = data[at + _NODE.size : start]
        if flags & _BIG:
            place = number_at(data, start, 8) * page_bytes + _HEADER
            if place + length <= size:
                yield key, os.pread(file, length, place)
        elif start + length <= len(data):
            yield key, data[start : start + length]


def _nodes(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield two parts of a number, the flags, and the place of each node that fits into a page."""
    lower = number_at(data, 12, 2)
    for slot in range(_HEADER, min(lower, len(data) - 1), 2):
        at = number_at(data, slot, 2)
        with suppress(struct.error):
            low, high, flags, _ = _NODE.unpack_from(data, at)
            yield low, high, flags, at
