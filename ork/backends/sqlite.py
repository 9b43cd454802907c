"""A store in one file of SQLite: to be copied, mailed, and looked at by any program that reads it.

    objects   oid (32 bytes), data: the stored bytes of an object
    refs      name (UTF-8), target: 32 bytes of the oid, 8 of the seal over name and oid
    store     one row: the number of the newest write

The journal is a write-ahead log, so that readers go on while somebody writes, and each commit waits
for the disk. Beside the file lie, named after it, `-gate`, which lets in one writer at a time, and
`-open`, on which everybody who has the store open keeps a shared lock.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from functools import partial
from itertools import islice
from pathlib import Path
from threading import RLock
from typing import Any, ClassVar

from ork.backends import base
from ork.backends.base import Moves, Remain, Room, sealed, unsealed
from ork.backends.gate import Gate, Handle, alone, explaining, outcome
from ork.errors import Corrupt, OtherFormat, StoreError
from ork.files import create, lock, open_lock
from ork.objects.canonical import Oid

APPLICATION = 0x6F726B21  # "ork!", which `file` and SQLite tell
FORMAT = 3
PAGE_REFS_FIRST = 32  # who wants the newest one or twenty does not wait for more
PAGE_REFS = 512
PAGE_OIDS = 4096
PAGE_OBJECTS = 500
PATH_BYTES_MAX = 504  # 512 with the name of a journal, which SQLite may add
_BUSY_S = 5.0  # for other programs: ork's own writers wait at the gate
_TABLES = (
    "CREATE TABLE objects (oid BLOB PRIMARY KEY, data BLOB NOT NULL)",
    "CREATE TABLE refs (name BLOB PRIMARY KEY, target BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE store (sequence INTEGER NOT NULL)",
)
# For people. An object that is kept compressed shows no fields.
_VIEWS = (
    "CREATE VIEW named AS SELECT CAST(refs.name AS TEXT) AS ref,"
    " lower(hex(objects.oid)) AS oid, CASE WHEN substr(data, 1, 1) = x'00'"
    " THEN CAST(substr(data, instr(data, x'0a') + 1) AS TEXT) END AS fields"
    " FROM refs LEFT JOIN objects ON objects.oid = substr(refs.target, 1, 32)",
    "CREATE VIEW workflows AS SELECT substr(ref, 11) AS name, oid AS deploy,"
    " fields ->> 'time' AS time, fields ->> 'author' AS author, fields ->> 'message' AS message"
    " FROM named WHERE ref GLOB 'workflows/*'",
    "CREATE VIEW runs AS SELECT fields ->> 'workflow' AS workflow, fields ->> 'number' AS number,"
    " fields ->> 'state' AS state, fields ->> 'created' AS created, fields ->> 'ended' AS ended,"
    " fields ->> 'snapshot' AS snapshot, fields ->> 'id' AS id, oid"
    " FROM named WHERE ref GLOB 'runs/*'",
)
_CORRUPT, _NO_DATABASE = 11, 26
_FULL, _FAILING = 13, 10
_BUSY, _LOCKED = 5, 6
_READONLY, _NOT_OPENED, _TOO_BIG = 8, 14, 18

_Rows = list[tuple[Any, ...]]


_explain = explaining(
    sqlite3.Error, sqlite3.Warning, OverflowError, by=lambda error: _explanation(error)
)


class Sqlite(Handle):
    """A `Backend` in one file; many threads and processes may have it open at once."""

    INSIDE: ClassVar[str] = "store.db"

    @classmethod
    def files(cls, path: Path) -> tuple[Path, ...]:
        """Return the file, and those that belong to it."""
        return tuple(path.with_name(path.name + end) for end in ("", "-wal", "-shm", "-open"))

    @classmethod
    def exists(cls, path: Path) -> bool:
        return os.path.lexists(path)

    @classmethod
    @_explain
    def create(cls, path: Path) -> None:
        """Make an empty store in a file that does not exist yet, for its owner only."""
        for end in ("", "-gate", "-open"):  # SQLite would make its file as the umask says
            name = path.with_name(path.name + end)
            file = create(name, os.O_WRONLY | os.O_EXCL)
            os.fchmod(file, 0o600)
            os.close(file)
        with closing(_connected(path, "mode=rw")) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            for step in (
                "BEGIN",
                f"PRAGMA application_id = {APPLICATION}",
                f"PRAGMA user_version = {FORMAT}",
                *_TABLES,
                *_VIEWS,
                "INSERT INTO store VALUES (0)",
                "COMMIT",
            ):
                connection.execute(step)

    @classmethod
    def problems(cls, path: Path, *, every_page: bool = True) -> list[str]:
        """Say what is wrong with the file; without `every_page` only whether it can be opened."""
        try:
            with closing(_opened(path, readonly=True)) as connection:
                rows = connection.execute("PRAGMA integrity_check(20)") if every_page else ()
                return [text for (text,) in rows if text != "ok"]
        except OtherFormat:
            raise
        except (sqlite3.Error, StoreError) as error:
            return [getattr(error, "message", None) or str(error)]

    @classmethod
    def remains(cls, path: Path) -> Iterator[Remain]:
        """Yield what can be read of a damaged file: refs, and objects unproven.

        What lies in pages that no table leads to is not looked for.
        """
        with suppress(sqlite3.Error), closing(_opened(path, readonly=True)) as connection:
            for name, target in _readable(connection, "refs", "name, target", "name"):
                with suppress(Corrupt):
                    yield Remain(base.name_of(name), unsealed(name, target), b"", True)
            for oid, data in _readable(connection, "objects", "oid, data", "rowid"):
                if isinstance(oid, bytes) and len(oid) == 32 and isinstance(data, bytes):
                    yield Remain(None, Oid(oid.hex()), data, True)

    @classmethod
    def written(cls, path: Path) -> int | None:
        """Return the number of the newest write; None when damage hides it."""
        try:
            with closing(_opened(path, readonly=True)) as connection:
                return _sequence(connection)
        except (sqlite3.Error, StoreError):
            return None

    @classmethod
    @_explain
    def room(cls, path: Path) -> Room:
        with closing(_opened(path, readonly=True)) as connection:
            pages, free, size = (
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_count", "freelist_count", "page_size")
            )
            records = sum(
                connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                for table in ("objects", "refs")
            )
        return Room(bytes=pages * size, used=(pages - free) * size, records=records)

    @classmethod
    def check_closed(cls, path: Path) -> None:
        with _alone(path):
            pass

    @classmethod
    def swap(cls, path: Path, new: Path, *, keep: Path, sequence: int | None = None) -> None:
        """Let the store be what the one in `new` is; `keep` is its file until now.

        Raise StoreError, and do nothing, while any process has it open, or when it was written
        after this sequence number.
        """
        with _alone(path), _alone(new):
            if sequence is not None and sequence != cls.written(path):
                raise StoreError("the store was written meanwhile", hint="repeat the command")
            with suppress(Corrupt):  # then the journal is kept beside what it belongs to
                _without_journal(path)
            _without_journal(new)
            try:
                file, journal, memory, _ = cls.files(path)
                os.link(file, keep)
                if journal.exists():
                    os.link(journal, keep.with_name(f"{keep.name}-wal"))
                for one in (journal, memory):
                    one.unlink(missing_ok=True)
                os.rename(new, path)  # the last that can fail
            except OSError as error:
                raise StoreError(f"{path} cannot be changed: {error.strerror}") from None

    def _begin(self, readonly: bool) -> None:
        self._lock = RLock()
        self._still = False  # whether all reads are of one moment
        if not readonly:
            self._users = _sharing(self._path, self._wait_s)
            self._gate = Gate(self._beside("gate"), wait_s=self._wait_s, data=self._path)
        self._connection = self._connect()

    def _beside(self, name: str) -> Path:
        return self._path.with_name(f"{self._path.name}-{name}")

    def get(self, oid: Oid) -> bytes | None:
        rows = self._rows("SELECT data FROM objects WHERE oid = ?", bytes.fromhex(oid))
        return rows[0][0] if rows else None

    def get_many(self, oids: Iterable[Oid]) -> dict[Oid, bytes]:
        keys = iter(list(dict.fromkeys(map(bytes.fromhex, oids))))
        found: dict[Oid, bytes] = {}
        with self._at_once():
            while page := list(islice(keys, PAGE_OBJECTS)):
                marks = ",".join("?" * len(page))
                sql = f"SELECT oid, data FROM objects WHERE oid IN ({marks})"
                found |= {Oid(oid.hex()): data for oid, data in self._rows(sql, *page)}
        return found

    def oids(self, prefix: str = "") -> Iterator[Oid]:
        sql = "SELECT oid FROM objects WHERE oid >= ? AND oid <= ? ORDER BY oid LIMIT ?"
        if ends := base.oids_between(prefix):
            for (key,) in base.paged(partial(self._rows, sql), *ends, PAGE_OIDS, PAGE_OIDS):
                yield Oid(key.hex())

    def ref(self, name: str) -> Oid | None:
        key = base.key_of(name)
        rows = self._rows("SELECT target FROM refs WHERE name = ?", key)
        if not rows:
            self._check_beside(key)
            return None
        return unsealed(key, rows[0][0])

    def refs(
        self, prefix: str = "", *, newest_first: bool = False, below: str | None = None
    ) -> Iterator[tuple[str, Oid]]:
        start, end = base.refs_between(prefix, below)
        self._check_beside(end if newest_first else start)
        yield from base.read_refs(self._kept(start, end, backwards=newest_first))

    def survey(self, prefix: str = "") -> Iterator[tuple[str, Oid | None]]:
        return base.survey_refs(self._kept(*base.refs_between(prefix), backwards=False))

    def write(
        self,
        objects: Mapping[Oid, bytes],
        moves: Moves,
        remove: Iterable[Oid] = (),
        needs: Iterable[Oid] = (),
    ) -> bool:
        # Made outside of the lock; sorted, because neighbours share pages.
        items = sorted((bytes.fromhex(oid), data) for oid, data in objects.items())
        steps = [_step(base.key_of(name), old, new) for name, (old, new) in moves.items()]
        doomed, needed = (sorted(map(bytes.fromhex, oids)) for oids in (remove, needs))
        with self._passed():
            return self._commit(items, steps, doomed, needed)

    def sweep(self, choose: Callable[[], Iterable[Oid]]) -> int:
        with self._passed():
            self._commit([], [], sorted(map(bytes.fromhex, choose())), [])
            return self.sequence()

    def sequence(self) -> int:
        return int(self._rows("SELECT sequence FROM store")[0][0])

    @contextmanager
    def frozen(self) -> Iterator[Sqlite]:
        if self._still:
            yield self
            return
        still = self._reading()
        still._still, still._lock = True, RLock()
        still._connection = self._connect(readonly=True)
        try:
            still._rows("BEGIN")
            still.sequence()
            yield still
        finally:
            still._leave()

    def _leave(self) -> None:
        # After the gate is closed: who is inside of it waits for this lock.
        with self._lock:
            connection = getattr(self, "_connection", None)
            if connection is not None:
                connection.close()
            super()._leave()

    def _forget(self) -> None:
        self._lock = RLock()  # perhaps held by a thread that the child does not have
        _of_the_parent.append(self.__dict__.pop("_connection", None))
        super()._forget()

    def _connect(self, *, readonly: bool = False) -> sqlite3.Connection:
        self._check_open()
        return _explain(_opened)(self._path, readonly=readonly or self._gate is None)

    @_explain
    def _rows(self, sql: str, *values: object) -> _Rows:
        with self._lock:
            self._check_open()
            return self._connection.execute(sql, values).fetchall()

    @contextmanager
    def _at_once(self) -> Iterator[None]:
        """Let all reads of the block be of one moment."""
        with self._lock:
            if not self._still:
                self._rows("BEGIN")
            try:
                yield
            finally:
                if not self._still:
                    self._rows("COMMIT")

    def _kept(self, start: bytes, end: bytes, *, backwards: bool) -> Iterator[tuple[bytes, bytes]]:
        """Yield the refs from start on and below end, as they are kept."""
        sql = (
            "SELECT name, target FROM refs WHERE name >= ? AND name < ?"
            f" ORDER BY name {'DESC' if backwards else 'ASC'} LIMIT ?"
        )
        read = partial(self._rows, sql)
        return base.paged(read, start, end, PAGE_REFS_FIRST, PAGE_REFS, backwards=backwards)

    def _check_beside(self, key: bytes) -> None:
        """Raise Corrupt when a ref next to this place is damaged: perhaps it is the one wanted."""
        for sign, order in (("<", "DESC"), (">=", "ASC")):
            sql = f"SELECT name, target FROM refs WHERE name {sign} ? ORDER BY name {order} LIMIT 1"
            for name, target in self._rows(sql, key):
                unsealed(name, target)

    @_explain
    def _commit(
        self,
        items: Sequence[tuple[bytes, bytes]],
        steps: Sequence[tuple[bytes, bytes | None, bytes | None]],
        doomed: Sequence[bytes],
        needs: Sequence[bytes],
    ) -> bool:
        """Write in one transaction; the gate has let us in."""
        with self._lock:
            self._check_open()
            connection = self._connection
            try:
                connection.execute("BEGIN IMMEDIATE")
                number = _sequence(connection) + 1
                if not self._unmoved(connection, steps) or not self._present(connection, needs):
                    connection.execute("ROLLBACK")
                    return False
                _change(connection, items, steps, doomed)
                connection.execute("UPDATE store SET sequence = ?", (number,))
            except BaseException as error:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error) and _code(error) in (_FULL, _FAILING):
                    raise outcome(error, False) from error
                raise
            try:
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                raise outcome(error, self._reopened(number)) from error
        return True

    def _unmoved(
        self,
        connection: sqlite3.Connection,
        steps: Sequence[tuple[bytes, bytes | None, bytes | None]],
    ) -> bool:
        sql = "SELECT target FROM refs WHERE name = ?"
        return all(
            connection.execute(sql, (key,)).fetchone() == (None if old is None else (old,))
            for key, old, _ in steps
        )

    def _present(self, connection: sqlite3.Connection, needs: Sequence[bytes]) -> bool:
        sql = "SELECT 1 FROM objects WHERE oid = ?"
        return all(connection.execute(sql, (key,)).fetchone() for key in needs)

    def _reopened(self, number: int) -> bool | None:
        """Open the file anew, and say whether it has the write of a number; None: nobody knows."""
        try:
            self._connection.close()
            self._connection = _opened(self._path, readonly=False)
            return _sequence(self._connection) >= number
        except (sqlite3.Error, StoreError):
            return None


_of_the_parent: list[object] = []  # closed by nobody in a child: the locks are the parent's


def _connected(path: Path, *options: str) -> sqlite3.Connection:
    """Connect to a file that is there, and set what counts for safety."""
    if (length := len(os.fsencode(path.absolute()))) > PATH_BYTES_MAX:
        raise StoreError(
            f"the path of the store has {length} bytes, and SQLite takes {PATH_BYTES_MAX} at most",
            hint="keep it in a folder with a shorter path, or in LMDB",
        )
    address = f"{path.absolute().as_uri()}?{'&'.join(options)}"
    connection = sqlite3.connect(
        address, uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
    )
    try:
        for setting in ("synchronous = FULL", "trusted_schema = OFF", "cell_size_check = ON"):
            connection.execute(f"PRAGMA {setting}")
    except BaseException:
        connection.close()
        raise
    return connection


def _opened(path: Path, *, readonly: bool) -> sqlite3.Connection:
    """Open the file of a store, if it is one; raise StoreError or Corrupt when it is not."""
    if path.is_symlink() or not path.is_file():
        raise StoreError(f"there is no store in {path}: it is no regular file")
    try:
        return _recognised(path, "mode=ro" if readonly else "mode=rw")
    except sqlite3.OperationalError:
        # A journal can be neither read nor made where nothing can be written.
        if not readonly or os.access(path.parent, os.W_OK) or _has_journal(path):
            raise
    return _recognised(path, "mode=ro", "immutable=1")


def _has_journal(path: Path) -> bool:
    journal = path.with_name(path.name + "-wal")
    return journal.exists() and journal.stat().st_size > 0


def _recognised(path: Path, *options: str) -> sqlite3.Connection:
    """Connect, and see whether it is a store of ours."""
    connection = _connected(path, *options)
    try:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if application != APPLICATION:
            raise StoreError(f"{path} is no store of ork")
        if version != FORMAT:
            raise OtherFormat(path, version, FORMAT)
        # Triggers would do what somebody else wants; views are for people, and never read by ork.
        sql = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND type != 'view'"
        if sorted(row[0] for row in connection.execute(sql)) != sorted(_TABLES):
            raise Corrupt(f"{path} has other tables than ork makes", hint="`ork fsck`")
    except BaseException:
        connection.close()
        raise
    return connection


def _alone(path: Path) -> AbstractContextManager[None]:
    """Let no process open a store."""
    return alone(path, path.with_name(f"{path.name}-open"))


def _sharing(path: Path, wait_s: float) -> int:
    """Tell others that the store is open here, as long as the descriptor is."""
    try:
        users = open_lock(path.with_name(f"{path.name}-open"))
    except OSError as error:
        raise StoreError(f"{path} cannot be opened: {error.strerror}") from None
    if not lock(users, wait_s=wait_s, shared=True):
        os.close(users)
        raise StoreError("another process is making a new file for this store", hint="let it end")
    return users


@_explain
def _without_journal(path: Path) -> None:
    """Write what the journal has into the file; raise StoreError while another program reads."""
    with closing(_connected(path, "mode=rw")) as connection:
        busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise StoreError("another program has the store open", hint="let it end, then repeat it")


def _readable(
    connection: sqlite3.Connection, table: str, columns: str, key: str
) -> Iterator[tuple[Any, Any]]:
    """Yield the rows of a table that can be read: from either end up to what is damaged."""
    for order in ("ASC", "DESC"):
        sql = f"SELECT {columns} FROM {table} NOT INDEXED ORDER BY {key} {order}"
        with suppress(sqlite3.Error):
            yield from connection.execute(sql)
            return


def _change(
    connection: sqlite3.Connection,
    items: Sequence[tuple[bytes, bytes]],
    steps: Sequence[tuple[bytes, bytes | None, bytes | None]],
    doomed: Sequence[bytes],
) -> None:
    """Remove and put objects, and move refs, in the transaction that is open."""
    connection.executemany("DELETE FROM objects WHERE oid = ?", ((key,) for key in doomed))
    # What is there with the same bytes is not written again.
    connection.executemany(
        "INSERT INTO objects VALUES (?, ?) ON CONFLICT (oid) DO UPDATE SET data = excluded.data"
        " WHERE data != excluded.data",
        items,
    )
    for key, old, new in steps:
        if new is None:
            connection.execute("DELETE FROM refs WHERE name = ?", (key,))
        elif new != old:
            connection.execute("INSERT OR REPLACE INTO refs VALUES (?, ?)", (key, new))


def _sequence(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT sequence FROM store").fetchone()[0])


def _step(key: bytes, old: Oid | None, new: Oid | None) -> tuple[bytes, bytes | None, bytes | None]:
    before, after = (None if oid is None else sealed(key, oid) for oid in (old, new))
    return key, before, after


def _code(error: Exception) -> int:
    return getattr(error, "sqlite_errorcode", -1) & 0xFF


def _explanation(error: Exception) -> StoreError:
    """Return our error for one of SQLite's."""
    code = _code(error)
    if code in (_CORRUPT, _NO_DATABASE):
        return Corrupt(f"the store is damaged ({error})", hint="`ork fsck`")
    if code in (_FULL, _FAILING):
        words = f"the disk is full or failing ({error})"
        return StoreError(words, hint="make room, then run the command again")
    if code in (_BUSY, _LOCKED):
        return StoreError(f"another program has locked the store ({error})", hint="let it end")
    if code in (_READONLY, _NOT_OPENED):
        return StoreError(
            f"the store cannot be used ({error})",
            hint="its folder and its files must be writable by you",
        )
    if code == _TOO_BIG or isinstance(error, OverflowError):
        return StoreError(
            f"an object is too large to be stored ({error})",
            hint="objects have less than 1 GB here",
        )
    return StoreError(f"the store failed ({error})")
