"""A database of the original ork, opened to be read as it is at one moment.

The scheduler that writes it may go on. What a cell holds comes as text, bytes or number, or as None
where it is NULL or where an older database does not have the column.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol, TypeAlias
from urllib.parse import quote, unquote

from ork.backends.address import public
from ork.errors import InvalidInput, NotFound, StoreError, UsageError
from ork.store.location import NAME, ORIGINAL

Cell: TypeAlias = str | bytes | int | float | None
Row: TypeAlias = Mapping[str, Cell]

# The tables that are read, and their columns, oldest database and newest together.
TABLES = {
    "workflows": "id name description job_name region project task_params created_at updated_at"
    " executor_type schedule schedule_enabled current_snapshot_id",
    "workflow_tasks": "workflow_id task_index task_name executor_type depends_on params created_at"
    " signature",
    "workflow_snapshots": "id workflow_id tasks_json created_at",
    "runs": "id workflow_id status triggered_by started_at finished_at error created_at"
    " snapshot_id",
    "tasks": "id run_id task_index task_name executor_type depends_on status params output error"
    " dispatched_at started_at finished_at created_at logs attempts max_retries timeout_seconds",
    "deferred_jobs": "task_id service_type job_id status error created_at finished_at",
}
_NEEDED = ("workflows", "workflow_tasks", "runs", "tasks")
_BUSY_SECONDS = 10
_BUSY_TRIES = 40  # of a copy, a quarter of a second each
_SERVER = re.compile(r"postgres(?:ql)?://", re.I)


class Database(Protocol):
    """The tables of one database, all as they were when it was opened."""

    name: str  # without a password, for messages

    def columns(self, table: str) -> frozenset[str]:
        """Return the columns that a table has; none if it is not there."""
        ...

    def select(self, query: str, value: Cell) -> Iterator[Row]:
        """Yield the rows of a query with one value for its `?`, if it has one."""
        ...

    def close(self) -> None:
        """Let go of it. Idempotent."""
        ...


def open_database(source: str | Path) -> Database:
    """Open what a path or a URL names; raise InvalidInput when it is no database of the original.

    A folder stands for the `ork.db` in it, or in its `.ork`.
    """
    text = str(source)
    if _SERVER.match(text):
        from ork.orkdb.postgresql import PostgreSQL

        opened: Database = PostgreSQL(text)
    else:
        opened = SQLite(_file(text))
    try:
        if missing := [table for table in _NEEDED if not opened.columns(table)]:
            raise InvalidInput(
                f"{opened.name} is no database of the original ork: it has no table {missing[0]}",
                hint="its schema may have another name: ...?schema=NAME"
                if _SERVER.match(text)
                else f"that is {ORIGINAL}, in the folder where `ork serve` was started",
            )
    except BaseException:
        opened.close()
        raise
    return opened


def rows(
    database: Database,
    table: str,
    of: tuple[str, Cell] | None = None,
    *,
    without: tuple[str, ...] = (),
) -> Iterator[Row]:
    """Yield the rows of a table, of those only where a column has this value; none without it.

    Columns that are not there, or that the caller goes `without`, are None.
    """
    known = database.columns(table).difference(without)
    columns = [name for name in TABLES[table].split() if name in known]
    if not columns or (of is not None and of[0] not in known):
        return
    query = f"SELECT {', '.join(columns)} FROM {table}"
    query += f" WHERE {of[0]} = ?" if of else ""
    if "task_index" in columns:
        query += " ORDER BY task_index"
    absent = dict.fromkeys(TABLES[table].split())
    for row in database.select(query, of[1] if of else None):
        yield {**absent, **row}


def _file(source: str) -> Path:
    scheme, colon, rest = source.partition(":")
    if colon and scheme == "sqlite":
        source = unquote(rest.removeprefix("//").partition("?")[0])
    elif "://" in source:
        raise UsageError(
            f"{public(source)!r} is no database of the original ork",
            hint="name its file, or postgresql://USER@HOST/NAME",
        )
    path = Path(source)
    if path.is_dir():
        inside = (folder / ORIGINAL for folder in (path, path / NAME))
        if not (found := next((one for one in inside if one.is_file()), None)):
            raise NotFound(f"no {ORIGINAL} in {path}", hint="name the file itself")
        return found
    if not path.exists():
        raise NotFound(f"no file {path}")
    return path


class SQLite:
    """A file of SQLite, in one read transaction.

    With a write-ahead log nobody waits for that. With any other journal a writer would, so the
    file is copied first, and the copy is read.
    """

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._kept = ExitStack()
        self._columns: dict[str, frozenset[str]] = {}
        try:
            with self._told():
                self._open(path)
        except BaseException:
            self.close()
            raise

    def columns(self, table: str) -> frozenset[str]:
        if table not in self._columns:
            with self._told():
                found = self._connection.execute(
                    "SELECT name FROM pragma_table_info(?1) WHERE EXISTS"
                    # A view would be a program, which may never end.
                    " (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1)",
                    [table],
                )
                self._columns[table] = frozenset(name for (name,) in found)
        return self._columns[table]

    def select(self, query: str, value: Cell) -> Iterator[Row]:
        with self._told():
            cursor = self._connection.execute(query, [value] if "?" in query else [])
            names = [column[0] for column in cursor.description]
        while True:
            with self._told():
                row = cursor.fetchone()
            if row is None:
                return
            yield dict(zip(names, row, strict=True))

    def close(self) -> None:
        self._kept.close()

    def _open(self, path: Path) -> None:
        self._connection = self._connect(f"file:{quote(os.path.abspath(path))}?mode=ro")
        (journal,) = self._connection.execute("PRAGMA journal_mode").fetchone()
        if journal != "wal":
            self._connection = self._copy(self._connection)
        self._connection.execute("PRAGMA trusted_schema = OFF")
        self._connection.execute("BEGIN")
        self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()

    def _connect(self, uri: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            uri, uri=True, isolation_level=None, timeout=_BUSY_SECONDS, check_same_thread=False
        )
        self._kept.callback(connection.close)
        # Whoever wrote bytes there that are no text may not take the rest of the row away.
        connection.text_factory = lambda data: data.decode("utf-8", "replace")
        return connection

    def _copy(self, original: sqlite3.Connection) -> sqlite3.Connection:
        folder = self._kept.enter_context(TemporaryDirectory(prefix="ork-"))
        copy = self._connect(f"file:{quote(folder)}/{ORIGINAL}?mode=rwc")
        tries = iter(range(_BUSY_TRIES))

        def progress(status: int, remaining: int, total: int) -> None:
            if remaining and next(tries, None) is None:
                raise self._locked()

        original.backup(copy, progress=progress)
        return copy

    def _locked(self) -> StoreError:
        return StoreError(
            f"{self.name} is locked by another program", hint="try again when that is done"
        )

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Raise what SQLite has to say as an error of ork."""
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", None)
            code = code if code is None else code & 0xFF
            if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise self._locked() from None
            if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR):
                raise StoreError(
                    f"{self.name} cannot be opened: {error}",
                    hint="SQLite needs a folder that you may write: copy the file there, and"
                    f" {Path(self.name).name}-wal if there is one",
                ) from None
            words = "is no database of SQLite" if code == sqlite3.SQLITE_NOTADB else "is damaged"
            raise InvalidInput(
                f"{self.name} {words}: {error}",
                hint="`sqlite3 FILE .recover` saves what can be read of a damaged one",
            ) from None
