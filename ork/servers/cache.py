"""Objects of a backend behind a network, kept on this machine as well: they never change.

A copy is only ever a copy. One that is damaged counts as absent, whatever fails here fails without
harm, and the folder may be removed at any time. All copies are thrown away when objects were
removed from the store: what gc or `ork forget` has taken away must not live on here.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import RLock
from typing import Any, Protocol, TypeVar

from ork.backends.base import SEAL_BYTES, Backend, Moves, seal
from ork.objects.canonical import Oid

END = ".copies"
BYTES_MAX = 256 << 20
COPY_MAX = 1 << 20  # larger objects are read once, if at all
AT_HAND_MAX = 64 << 20  # of one moment
_BUSY_S = 1.0  # then it goes without
_WAITING = (5, 6)  # busy, locked
_PAGE_OBJECTS = 500
_TABLES = (
    "CREATE TABLE objects (oid BLOB UNIQUE NOT NULL, data BLOB NOT NULL)",
    "CREATE TABLE filled (number INTEGER NOT NULL)",
    "INSERT INTO filled VALUES (0)",
)

T = TypeVar("T")


class Distant(Backend, Protocol):
    """A backend that is worth keeping copies of."""

    @property
    def epoch(self) -> str:
        """Which store this is, and after which removal of objects, as when it was opened."""
        ...

    def ahead(self, oids: Iterable[Oid], after: int) -> tuple[dict[Oid, bytes], int]:
        """Return these objects and, besides, small ones that came after a number; the newest."""
        ...

    def frozen(self) -> AbstractContextManager[Distant]:
        """Give the same as of one moment."""
        ...


class Cached:
    """A `Backend` that asks another one only for the objects that this machine does not have."""

    def __init__(self, backend: Distant, folder: Path | None) -> None:
        """The folder is made for the first copy; without one this process alone keeps them."""
        self.backend = backend
        self._copies = _Copies(folder, backend.epoch) if folder else _AtHand()
        self._looked_ahead = False
        # Whatever is about no object is asked of the backend itself, and the truth at one moment.
        self.oids, self.oids_many, self.survey = backend.oids, backend.oids_many, backend.survey
        self.ref, self.refs, self.refs_many = backend.ref, backend.refs, backend.refs_many
        self.newest_many, self.folders = backend.newest_many, backend.folders
        self.sequence = backend.sequence
        self.lease, self.leased = backend.lease, backend.leased

    def get(self, oid: Oid) -> bytes | None:
        return self.get_many([oid]).get(oid)

    def get_many(self, oids: Iterable[Oid]) -> dict[Oid, bytes]:
        wanted = list(dict.fromkeys(oids))
        found = self._copies.get(wanted)
        if missing := [oid for oid in wanted if oid not in found]:
            found |= self._fetched(missing)
        return found

    def write(
        self,
        objects: Mapping[Oid, bytes],
        moves: Moves,
        remove: Iterable[Oid] = (),
        needs: Iterable[Oid] = (),
    ) -> bool:
        """After a refusal nothing is known to be there that the write needed."""
        doomed, needed = list(remove), list(needs)
        if not self.backend.write(objects, moves, doomed, needed):
            self._copies.remove(needed)
            return False
        self._copies.remove(doomed)
        self._copies.put(objects)
        return True

    def sweep(self, choose: Callable[[], Iterable[Oid]]) -> int:
        doomed: list[Oid] = []

        def chosen() -> list[Oid]:
            doomed.extend(choose())
            return doomed

        try:
            return self.backend.sweep(chosen)
        finally:
            self._copies.remove(doomed)

    @contextmanager
    def frozen(self) -> Iterator[Backend]:
        """Give what others have not written yet; nothing of it is asked for twice.

        It has no copy from before: what looks for damage is told what the server has.
        """
        with self.backend.frozen() as still:
            yield Cached(still, None)

    def close(self) -> None:
        self._copies.close()
        self.backend.close()

    def _fetched(self, missing: list[Oid]) -> dict[Oid, bytes]:
        """Fetch objects; the first time with others that are likely to be asked for next."""
        if self._looked_ahead:
            found = self.backend.get_many(missing)
            self._copies.put(found)
            return found
        self._looked_ahead = True
        found, newest = self.backend.ahead(missing, self._copies.newest())
        self._copies.put(found, newest=newest)
        return {oid: found[oid] for oid in missing if oid in found}


class _AtHand:
    """Copies of this process alone: some tens of megabytes of what was read last."""

    def __init__(self) -> None:
        self._found: dict[Oid, bytes] = {}
        self._bytes = 0

    def get(self, oids: Sequence[Oid]) -> dict[Oid, bytes]:
        """Return those of these objects that are at hand."""
        return {oid: self._found[oid] for oid in oids if oid in self._found}

    def put(self, objects: Mapping[Oid, bytes], *, newest: int = 0) -> None:
        """Keep copies, in the place of all others where there is no room."""
        small = {oid: data for oid, data in objects.items() if len(data) <= COPY_MAX}
        size = sum(map(len, small.values()))
        if self._bytes + size > AT_HAND_MAX:
            self._found, self._bytes = {}, 0
        self._found |= small
        self._bytes += size

    def newest(self) -> int:
        """Return 0: nothing was kept before."""
        return 0

    def remove(self, oids: Iterable[Oid]) -> None:
        """Do nothing: at one moment nothing is removed."""

    def close(self) -> None:
        """Do nothing: it goes with the process."""


class _Copies:
    """The file of copies, one for each epoch; nothing is raised when it cannot be used."""

    def __init__(self, folder: Path, epoch: str) -> None:
        self._path = folder / (seal(epoch.encode()).hex() + END)
        self._lock = RLock()
        self._process = os.getpid()
        self._connection: sqlite3.Connection | None = None
        if folder.exists():
            self._open()

    def get(self, oids: Sequence[Oid]) -> dict[Oid, bytes]:
        """Return those of these objects that have a copy, whole."""
        found: dict[Oid, bytes] = {}
        for start in range(0, len(oids), _PAGE_OBJECTS):
            keys = [bytes.fromhex(oid) for oid in oids[start : start + _PAGE_OBJECTS]]
            sql = f"SELECT oid, data FROM objects WHERE oid IN ({','.join('?' * len(keys))})"
            for key, kept in self._try(partial(_rows, sql=sql, values=keys)) or ():
                if isinstance(kept, bytes) and kept[-SEAL_BYTES:] == seal(key + kept[:-SEAL_BYTES]):
                    found[Oid(key.hex())] = kept[:-SEAL_BYTES]
        return found

    def put(self, objects: Mapping[Oid, bytes], *, newest: int = 0) -> None:
        """Keep copies; `newest`: up to which number of arrival all that is small is kept now."""
        keys = {oid: bytes.fromhex(oid) for oid, data in objects.items() if len(data) <= COPY_MAX}
        rows = [(key, objects[oid] + seal(key + objects[oid])) for oid, key in keys.items()]
        if rows and self._connection is None:
            self._open()
        if rows or newest:
            self._try(partial(_put, rows=rows, newest=newest))

    def newest(self) -> int:
        """Return up to which number of arrival all that is small is kept."""
        rows = self._try(partial(_rows, sql="SELECT number FROM filled"))
        return int(rows[0][0]) if rows else 0

    def remove(self, oids: Iterable[Oid]) -> None:
        """Keep no copies of these."""
        if keys := [(bytes.fromhex(oid),) for oid in oids]:
            self._try(partial(_remove, keys=keys))

    def close(self) -> None:
        """Give the file back. Idempotent."""
        with self._lock:
            if self._connection is not None and self._process == os.getpid():
                self._connection.close()
            self._process = -1

    def _open(self) -> None:
        """Open the file, or make it; remove those of other epochs."""
        with self._lock, suppress(OSError, sqlite3.Error):
            folder = self._path.parent
            folder.mkdir(mode=0o700, exist_ok=True)
            for other in folder.glob(f"*{END}*"):
                if not other.name.startswith(self._path.name):
                    other.unlink(missing_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            os.close(os.open(self._path, flags, 0o600))  # SQLite would make it as the umask says
            connection = sqlite3.connect(
                self._path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
            )
            self._connection = connection
            self._try(_set_up)

    def _try(self, use: Callable[[sqlite3.Connection], T]) -> T | None:
        with self._lock:
            connection = self._connection
            if connection is None or self._process != os.getpid():
                return None
            try:
                return use(connection)
            except sqlite3.Error as error:
                with suppress(sqlite3.Error):
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _WAITING:
                    self._connection = None
                    connection.close()
                    with suppress(OSError):
                        for end in ("", "-wal", "-shm"):
                            self._path.with_name(self._path.name + end).unlink(missing_ok=True)
            return None


def _set_up(connection: sqlite3.Connection) -> None:
    # Nothing waits for the disk: what a loss of power damages is fetched again.
    for setting in (
        "journal_mode = WAL",
        "synchronous = OFF",
        "secure_delete = ON",
        "trusted_schema = OFF",
        "cell_size_check = ON",
    ):
        connection.execute(f"PRAGMA {setting}")
    if not connection.execute("SELECT name FROM sqlite_schema").fetchall():
        for step in ("BEGIN IMMEDIATE", *_TABLES, "COMMIT"):
            connection.execute(step)


def _rows(
    connection: sqlite3.Connection, sql: str, values: Sequence[bytes] = ()
) -> list[tuple[Any, ...]]:
    return connection.execute(sql, values).fetchall()


def _put(connection: sqlite3.Connection, rows: list[tuple[bytes, bytes]], newest: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT OR REPLACE INTO objects VALUES (?, ?)", rows)
    connection.execute("UPDATE filled SET number = max(number, ?)", (newest,))
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    if (pages - free) * size > BYTES_MAX:  # a quarter goes, of what was put first
        first, last = connection.execute("SELECT min(rowid), max(rowid) FROM objects").fetchone()
        connection.execute("DELETE FROM objects WHERE rowid <= ?", (first + (last - first) // 4,))
    connection.execute("COMMIT")


def _remove(connection: sqlite3.Connection, keys: list[tuple[bytes]]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("DELETE FROM objects WHERE oid = ?", keys)
    connection.execute("COMMIT")
