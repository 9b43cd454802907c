"""Damage as disks and people make it, done to the files of a store that nobody has open."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import lmdb


def data_file(folder: Path) -> Path:
    """Return the file in which a store has its data."""
    return next(
        path for name in ("data.mdb", "store.db", "refs") if (path := folder / "db" / name).exists()
    )


def flip(folder: Path, text: bytes, at: int, *, bit: int = 0) -> None:
    """Flip a bit in every copy of these bytes in the data file, so that the live one is hit."""
    file = data_file(folder)
    is_ref = file.name != "data.mdb" and text.startswith(b"r")
    if is_ref:  # LMDB keeps both tables in one
        text, at = text[1:], at - 1
    found = 0
    for path in (file, *(folder / "db/objects").glob("*/*")):  # the latter of plain files
        data = bytearray(path.read_bytes())
        start = -1
        while (start := data.find(text, start + 1)) >= 0:
            if is_ref and data[start - 1] == ord('"'):  # in an object, not the name of a ref
                continue
            data[start + at] ^= 1 << bit
            found += 1
        path.write_bytes(data)
    assert found, f"{text!r} is nowhere in the data file"


@contextmanager
def raw(folder: Path) -> Iterator[Any]:
    """Write to the tables behind the back of everything that checks, with the keys of LMDB."""
    file = data_file(folder)
    if file.name == "data.mdb":
        with lmdb.open(str(file.parent), map_size=1 << 30) as env, env.begin(write=True) as txn:
            yield txn
    else:
        with closing(sqlite3.connect(file)) as connection, connection:
            yield Rows(connection)


class Rows:
    """The two tables of SQLite, read and written as the one of LMDB."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def cursor(self) -> Iterator[tuple[bytes, bytes]]:
        for sign, table in ((b"o", "objects"), (b"r", "refs")):
            for key, value in self.connection.execute(f"SELECT * FROM {table}"):
                yield sign + key, value

    def get(self, key: bytes) -> bytes | None:
        return dict(self.cursor()).get(key)

    def put(self, key: bytes, value: bytes) -> None:
        if key == b"format":
            self.connection.execute(f"PRAGMA user_version = {int(value)}")
            return
        self.connection.execute(
            f"INSERT OR REPLACE INTO {_table(key)} VALUES (?, ?)", (key[1:], value)
        )

    def delete(self, key: bytes) -> bool:
        name = "oid" if key.startswith(b"o") else "name"
        done = self.connection.execute(f"DELETE FROM {_table(key)} WHERE {name} = ?", (key[1:],))
        return done.rowcount > 0


def _table(key: bytes) -> str:
    return "objects" if key.startswith(b"o") else "refs"
