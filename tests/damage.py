"""Damage as disks and people make it, done to the files of a store that nobody has open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lmdb


def flip(folder: Path, text: bytes, at: int, *, bit: int = 0) -> None:
    """Flip a bit in every copy of these bytes in the data file, so that the live one is hit."""
    file = folder / "db" / "data.mdb"
    data = bytearray(file.read_bytes())
    start, found = -1, 0
    while (start := data.find(text, start + 1)) >= 0:
        data[start + at] ^= 1 << bit
        found += 1
    assert found, f"{text!r} is nowhere in the data file"
    file.write_bytes(data)


@contextmanager
def raw(folder: Path) -> Iterator[lmdb.Transaction]:
    """Write to the tables behind the back of everything that checks."""
    with lmdb.open(str(folder / "db"), map_size=1 << 30) as env, env.begin(write=True) as txn:
        yield txn
