"""A database of the original ork on a PostgreSQL server, in one transaction that only reads.

Every cell is asked for as text, in UTC, so that rows look as those of SQLite do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count

from ork.errors import InvalidInput, StoreError
from ork.orkdb.database import Cell, Row
from ork.servers.driver import psycopg
from ork.servers.session import Address, unreachable

_BEGIN = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    "SET LOCAL TimeZone = 'UTC'",
    "SET LOCAL DateStyle = 'ISO'",
    "SET LOCAL statement_timeout = 0",
)
_PAGE_ROWS = 100  # fetched together: the logs of a task may be megabytes
_SELECT = re.compile(r"SELECT (.*?) FROM (.*)", re.S)


class PostgreSQL:
    """The tables of one schema: that which the user finds first, or `?schema=NAME`."""

    def __init__(self, url: str) -> None:
        address = Address(url)
        self.name = address.shown
        self._columns: dict[str, frozenset[str]] = {}
        self._cursors = count(1)
        try:
            self._connection = address.connect()
        except psycopg.OperationalError as error:
            raise unreachable(error, address) from None
        with self._told():
            for step in _BEGIN:
                self._connection.execute(step.encode())
            if "schema=" in url.partition("?")[2]:
                self._connection.execute(f'SET LOCAL search_path = "{address.schema}"'.encode())

    def columns(self, table: str) -> frozenset[str]:
        if table not in self._columns:
            with self._told():
                found = self._connection.execute(
                    "SELECT attname::text FROM pg_attribute"
                    " WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
                    [table],
                )
                self._columns[table] = frozenset(name for (name,) in found)
        return self._columns[table]

    def select(self, query: str, value: Cell) -> Iterator[Row]:
        parts = _SELECT.fullmatch(query)
        assert parts is not None
        names = parts[1].split(", ")
        query = f"SELECT {', '.join(f'{name}::text' for name in names)} FROM {parts[2]}"
        values = [value] if "?" in query else None
        cursor = self._connection.cursor(f"rows_{next(self._cursors)}")
        try:
            with self._told():
                cursor.execute(query.replace("?", "%s").encode(), values)
            while True:
                with self._told():
                    page = cursor.fetchmany(_PAGE_ROWS)
                if not page:
                    return
                yield from (dict(zip(names, row, strict=True)) for row in page)
        finally:
            with suppress(psycopg.Error):
                cursor.close()

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Raise what the driver has to say as an error of ork."""
        try:
            yield
        except psycopg.Error as error:
            words = f"{self.name} cannot be read: {' '.join(str(error).split())}"
            if isinstance(error, psycopg.OperationalError):
                raise StoreError(words, hint="try again when the server is back") from None
            raise InvalidInput(words) from None
