"""A store in PostgreSQL, for many machines: one schema of a database. See `ork.servers.schema`.

A write is one statement, so it costs one round trip, and the server commits those of several
writers together. Reads have a session of their own, so that nobody waits for a writer.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from functools import partial
from typing import NamedTuple
from uuid import UUID, uuid4

from ork.backends import base
from ork.backends.base import BATCH_BYTES, BATCH_OBJECTS, Lease, Moves, Span, sealed, unsealed
from ork.errors import StoreError
from ork.objects.canonical import Oid
from ork.servers.driver import psycopg
from ork.servers.leases import Leases
from ork.servers.schema import FUNCTIONS, PARTS, PARTS_THERE, TABLES, VIEWS
from ork.servers.session import (
    Address,
    Session,
    check_format,
    explained,
    lost,
    unknown,
)

OBJECT_BYTES_MAX = 1_000_000_000  # a message of the protocol, and a value, have at most 1 GiB
NAMES_MAX = 200  # that one write locks by themselves; a server has room for some thousands of locks
PAGE_REFS_FIRST = 100  # who wants the newest twenty does not wait for more
PAGE_REFS = 2000
PAGE_OIDS = 4096
AHEAD_OBJECTS, AHEAD_BYTES = 2000, 1 << 20  # what is read ahead at most
AHEAD_OBJECT_BYTES = 16 << 10
ATTEMPTS_MAX = 20  # of a write that the server gave up, or that never arrived
PAUSE_MAX_S = 0.05  # before the next attempt, so that two do not meet again
_TANGLED = ("40P01", "40001")  # the server gave one of several up: nothing was written
_WRITE = (
    "SELECT written(%b, %b, %b::bigint[], %b::bytea[], %b::bytea[], %b::bytea[],"
    " %b::bytea[], %b::bytea[], %b::bytea[], %b::bytea[])"
)
_HELD = "SELECT held(%b, %b::bigint[], %b::bytea[], %b::bytea[], %b::bytea[])"
_PUT = (
    "INSERT INTO objects (oid, data) SELECT * FROM unnest(%b::bytea[], %b::bytea[])"
    " ON CONFLICT (oid) DO UPDATE SET data = excluded.data WHERE objects.data <> excluded.data"
)
_AHEAD = (
    "SELECT number, oid, data FROM ("
    "SELECT *, sum(octet_length(data)) OVER (ORDER BY number DESC) AS total FROM ("
    "SELECT number, oid, data FROM objects WHERE number > %b ORDER BY number DESC LIMIT %b"
    ") AS latest WHERE octet_length(data) <= %b"
    ") AS small WHERE total <= %b"
    " UNION ALL SELECT 0, oid, data FROM objects WHERE oid = ANY (%b::bytea[])"
)
_REFS_MANY = (
    "SELECT found.name, found.target FROM unnest(%b::bytea[], %b::bytea[]) WITH ORDINALITY"
    " AS part (start, ending, place), LATERAL (SELECT name, target FROM refs"
    " WHERE name >= start AND name < ending ORDER BY name OFFSET 0) AS found ORDER BY place, name"
)
_OIDS_MANY = (
    "SELECT found.oid FROM unnest(%b::bytea[], %b::bytea[]) WITH ORDINALITY"
    " AS part (start, ending, place), LATERAL (SELECT oid FROM objects"
    " WHERE oid >= start AND oid <= ending ORDER BY oid OFFSET 0) AS found ORDER BY place, oid"
)
_NEWEST_MANY = (
    "SELECT place, found.name, found.target FROM unnest(%b::bytea[], %b::bytea[]) WITH ORDINALITY"
    " AS part (start, ending, place), LATERAL (SELECT name, target FROM refs"
    " WHERE name >= start AND name < ending ORDER BY name DESC LIMIT %b) AS found"
    " ORDER BY place, name DESC"
)
# From each name to the last one before all of its folder.
_FOLDERS = (
    "WITH RECURSIVE asked (start, ending) AS (SELECT %b::bytea, %b::bytea), found (name) AS ("
    "(SELECT name FROM refs, asked WHERE name >= start AND name < ending"
    " ORDER BY name DESC LIMIT 1) UNION ALL SELECT"
    " (SELECT refs.name FROM refs WHERE refs.name >= start AND refs.name <"
    " substring(found.name for length(start) + position('/'::bytea in"
    " substring(found.name || '/'::bytea from length(start) + 1)))"
    " ORDER BY refs.name DESC LIMIT 1) FROM found, asked WHERE found.name IS NOT NULL"
    ") SELECT name FROM found WHERE name IS NOT NULL"
)
_SEQUENCE = "SELECT sum(written)::bigint FROM counters"

_Items = list[tuple[bytes, bytes]]


class _Change(NamedTuple):
    """What one write does, as the server is told it."""

    items: _Items
    locks: list[int]
    names: list[bytes]
    olds: list[bytes | None]
    news: list[bytes | None]
    needs: list[bytes]
    doomed: list[bytes]

    @property
    def alone(self) -> bool:
        """Whether other writers have to wait: for more names than there is room for locks."""
        return len(self.locks) > NAMES_MAX

    @property
    def checks(self) -> tuple[object, ...]:
        """What must be so for the write to happen."""
        return self.alone, self.locks, self.names, self.olds, self.needs


class Postgresql:
    """A `Backend` on a server; many threads, processes and machines may have it open at once.

    A handle is dead in a forked child, where every use raises StoreError.
    """

    @classmethod
    def exists(cls, url: str) -> bool:
        """Say whether there is a store, of whatever format."""
        with _outside(url) as session:
            sql = "SELECT to_regclass(%b) IS NOT NULL"
            return bool(session.rows(sql, f"{session.address.schema}.store")[0][0])

    @classmethod
    def create(cls, url: str) -> None:
        """Make an empty store, in one transaction; when there is one already, leave it."""
        with _outside(url) as session:
            _create(session)

    @classmethod
    def open(cls, url: str, *, readonly: bool = False) -> Postgresql:
        """Connect to the server and open the store that is there."""
        return cls(Address(url), readonly)

    def __init__(self, address: Address, readonly: bool) -> None:
        self._address, self._readonly = address, readonly
        self._reader, self._writer = Session(address), Session(address)
        self._leases = Leases(address)
        self._reader.connected()

    def get(self, oid: Oid) -> bytes | None:
        rows = self._reader.rows("SELECT data FROM objects WHERE oid = %b", bytes.fromhex(oid))
        return rows[0][0] if rows else None

    def get_many(self, oids: Iterable[Oid]) -> dict[Oid, bytes]:
        keys = list(map(bytes.fromhex, dict.fromkeys(oids)))
        if not keys:
            return {}
        rows = self._reader.rows(
            "SELECT oid, data FROM objects WHERE oid = ANY (%b::bytea[])", keys
        )
        return {Oid(key.hex()): data for key, data in rows}

    @property
    def epoch(self) -> str:
        return self._reader.epoch

    def ahead(self, oids: Iterable[Oid], after: int) -> tuple[dict[Oid, bytes], int]:
        """Return these objects and, besides, the newest small ones that came after a number.

        The number is that of the newest of these; a smaller one may still be on its way.
        """
        keys = list(map(bytes.fromhex, dict.fromkeys(oids)))
        rows = self._reader.rows(
            _AHEAD, after, AHEAD_OBJECTS, AHEAD_OBJECT_BYTES, AHEAD_BYTES, keys
        )
        found = {Oid(key.hex()): data for _, key, data in rows}
        return found, max((number for number, *_ in rows), default=0)

    def oids(self, prefix: str = "") -> Iterator[Oid]:
        sql = "SELECT oid FROM objects WHERE oid >= %b AND oid <= %b ORDER BY oid LIMIT %b"
        if ends := base.oids_between(prefix):
            for (key,) in base.paged(partial(self._reader.rows, sql), *ends, PAGE_OIDS, PAGE_OIDS):
                yield Oid(key.hex())

    def ref(self, name: str) -> Oid | None:
        key = base.key_of(name)
        rows = self._reader.rows("SELECT target FROM refs WHERE name = %b", key)
        return unsealed(key, rows[0][0]) if rows else None

    def refs(
        self, prefix: str = "", *, newest_first: bool = False, below: str | None = None
    ) -> Iterator[tuple[str, Oid]]:
        return base.read_refs(self._kept(prefix, below, backwards=newest_first))

    def refs_many(self, prefixes: Iterable[str]) -> Iterator[tuple[str, Oid]]:
        """Yield what `refs` does for each of these prefixes, all found at once."""
        bounds = list(map(base.refs_between, prefixes))
        if bounds:
            starts, ends = map(list, zip(*bounds, strict=True))
            yield from base.read_refs(self._reader.rows(_REFS_MANY, starts, ends))

    def oids_many(self, prefixes: Iterable[str]) -> Iterator[Oid]:
        """Yield what `oids` does for each of these prefixes, all found at once."""
        ranges = list(filter(None, map(base.oids_between, prefixes)))
        if ranges:
            starts, ends = map(list, zip(*ranges, strict=True))
            for (key,) in self._reader.rows(_OIDS_MANY, starts, ends):
                yield Oid(key.hex())

    def newest_many(self, spans: Iterable[Span], count: int) -> list[list[tuple[str, Oid]]]:
        """Return for each span the last of its refs, all found at once."""
        bounds = [base.refs_between(*span) for span in spans]
        found: list[list[tuple[str, Oid]]] = [[] for _ in bounds]
        if bounds:
            starts, ends = map(list, zip(*bounds, strict=True))
            for place, key, target in self._reader.rows(_NEWEST_MANY, starts, ends, count):
                found[place - 1].append((base.name_of(key), unsealed(key, target)))
        return found

    def folders(self, prefix: str) -> Iterator[str]:
        """Yield what stands before the next slash in the refs with a prefix, all found at once."""
        for (key,) in self._reader.rows(_FOLDERS, *base.refs_between(prefix)):
            folder, slash, _ = base.name_of(key)[len(prefix) :].partition("/")
            if slash:
                yield folder

    def survey(self, prefix: str = "") -> Iterator[tuple[str, Oid | None]]:
        return base.survey_refs(self._kept(prefix, None, backwards=False))

    def write(
        self,
        objects: Mapping[Oid, bytes],
        moves: Moves,
        remove: Iterable[Oid] = (),
        needs: Iterable[Oid] = (),
    ) -> bool:
        self._check_writable()
        change = self._change(objects, moves, remove, needs)
        with self._writer.lock:
            return self._written(change)

    def sweep(self, choose: Callable[[], Iterable[Oid]]) -> int:
        self._check_writable()
        mark, writer = uuid4(), self._writer
        with writer.transaction():
            writer.run("LOCK TABLE refs IN EXCLUSIVE MODE")
            doomed = sorted(map(bytes.fromhex, choose()))
            for start in range(0, len(doomed), PAGE_OIDS):
                page = doomed[start : start + PAGE_OIDS]
                writer.run("DELETE FROM objects WHERE oid = ANY (%b::bytea[])", page)
            writer.run("UPDATE store SET swept = swept + 1")
            writer.rows(_WRITE, mark, False, *([] for _ in range(8)))
            ((sequence,),) = writer.rows(_SEQUENCE)
            try:
                writer.connected().execute("COMMIT")
            except psycopg.Error as error:
                if not writer.broke(error):
                    raise
            else:
                return int(sequence)
        if not self._arrived(mark):
            raise lost()
        return int(sequence)

    def sequence(self) -> int:
        return int(self._reader.rows(_SEQUENCE)[0][0])

    @contextmanager
    def frozen(self) -> Iterator[Postgresql]:
        if self._reader.is_inside:
            yield self
            return
        still = copy(self)
        still._readonly, still._reader = True, Session(self._address)
        try:
            with still._reader.transaction("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"):
                still.sequence()
                yield still
        finally:
            still._reader.close()

    def lease(self, name: str) -> Lease | None:
        """Take a lease; None when anybody has it, or may be about to come back for it."""
        return self._leases.take(name)

    def leased(self) -> set[str]:
        """Return the names of leases that are held, or that killed holders have left."""
        return {key.decode() for (key,) in self._reader.rows("SELECT name FROM leases")}

    def close(self) -> None:
        self._leases.close()
        for session in (self._reader, self._writer):
            session.close()

    def _check_writable(self) -> None:
        if self._readonly:
            raise StoreError(f"the store {self._address.shown} is open for reading only")

    def _kept(
        self, prefix: str, below: str | None, *, backwards: bool
    ) -> Iterator[tuple[bytes, bytes]]:
        """Yield the refs with a prefix, as they are kept."""
        sql = (
            "SELECT name, target FROM refs WHERE name >= %b AND name < %b"
            f" ORDER BY name {'DESC' if backwards else 'ASC'} LIMIT %b"
        )
        start, end = base.refs_between(prefix, below)
        read = partial(self._reader.rows, sql)
        return base.paged(read, start, end, PAGE_REFS_FIRST, PAGE_REFS, backwards=backwards)

    def _change(
        self,
        objects: Mapping[Oid, bytes],
        moves: Moves,
        remove: Iterable[Oid],
        needs: Iterable[Oid],
    ) -> _Change:
        """Return a write in the form of the server: sorted, so that no two wait for each other."""
        for oid, data in objects.items():
            if len(data) > OBJECT_BYTES_MAX:
                raise StoreError(
                    f"object {oid} has {len(data):,} bytes; {OBJECT_BYTES_MAX:,} at most here",
                    hint="keep what is larger in files, and put their paths into outputs",
                )
        steps = sorted((base.key_of(name), old, new) for name, (old, new) in moves.items())
        names = [key for key, *_ in steps]
        return _Change(
            items=sorted((bytes.fromhex(oid), data) for oid, data in objects.items()),
            locks=sorted({self._address.lock_of("ref", key) for key in names}),
            names=names,
            olds=[None if old is None else sealed(key, old) for key, old, _ in steps],
            news=[None if new is None else sealed(key, new) for key, _, new in steps],
            needs=sorted(bytes.fromhex(oid) for oid in needs if oid not in objects),
            doomed=sorted(bytes.fromhex(oid) for oid in remove if oid not in objects),
        )

    def _written(self, change: _Change) -> bool:
        """Write until it is known what has come of it."""
        mark = uuid4()
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                return self._sent(mark, change)
            except psycopg.Error as error:
                if self._writer.broke(error):
                    if self._arrived(mark):
                        return True
                elif error.sqlstate not in _TANGLED or attempt == ATTEMPTS_MAX:
                    raise explained(error, self._address) from error
                time.sleep(random.random() * PAUSE_MAX_S)
        raise lost()

    def _sent(self, mark: UUID, change: _Change) -> bool:
        """Send a write: in one statement, or in a transaction of several when it is large."""
        connection = self._writer.connected()
        *parts, last = _parts(change.items)
        if parts:
            connection.execute("BEGIN")
        try:
            if parts and not _yes(connection, _HELD, *change.checks):
                return False
            for part in parts:
                connection.execute(_PUT, [list(column) for column in zip(*part, strict=True)])
            done = _yes(
                connection,
                _WRITE,
                mark,
                *change.checks[:-1],
                change.news,
                change.needs,
                change.doomed,
                [oid for oid, _ in last],
                [data for _, data in last],
            )
            if parts and done:
                connection.execute("COMMIT")
            return done
        finally:
            if not connection.closed and parts:
                connection.rollback()

    def _arrived(self, mark: UUID) -> bool:
        """Say whether a write whose answer was lost has happened; raise when nobody knows."""
        try:
            if self._writer.outlived():
                return bool(self._writer.rows("SELECT FROM writes WHERE token = %b", mark))
        except StoreError as error:
            raise unknown() from error
        raise unknown()


def lacking(url: str) -> list[str]:
    """Return what the schema of a store lacks of that which `create` has made."""
    with _outside(url) as session:
        schema = session.address.schema
        there = {part for (part,) in session.rows(PARTS_THERE, schema, schema)}
    return sorted(PARTS - there) if there else []  # without any it is no store


@contextmanager
def _outside(url: str) -> Iterator[Session]:
    """Give a session for a schema in which there may be no store, or nothing for this role."""
    session = Session(Address(url), is_store=False)
    try:
        yield session
    except StoreError as error:
        if not isinstance(refused := error.__cause__, psycopg.errors.InsufficientPrivilege):
            raise
        shown, schema = session.address.shown, session.address.schema
        raise StoreError(
            f"{shown} is not for this role: {refused.diag.message_primary}",
            hint="an administrator gives it the rights that docs/stores.md names, or makes it a"
            f" schema to have a store in: `CREATE SCHEMA {schema} AUTHORIZATION ROLE`",
        ) from None
    finally:
        session.close()


def _create(session: Session) -> None:
    address = session.address
    with session.transaction():
        # Whoever comes second waits, and finds what the first has made.
        session.run("SELECT pg_advisory_xact_lock(%s)", address.lock_of("store", b""))
        ask = "SELECT to_regnamespace(%s) IS NOT NULL, to_regclass(%s) IS NOT NULL"
        ((has_schema, has_store),) = session.rows(ask, address.schema, f"{address.schema}.store")
        if has_store:
            check_format(session.rows("SELECT format FROM store"), address)
            return
        if not has_schema:
            session.run(f'CREATE SCHEMA "{address.schema}"')
        for text in (TABLES, FUNCTIONS, VIEWS):
            session.run(text)
        session.run("COMMIT")


def _parts(items: _Items) -> Iterator[_Items]:
    """Cut objects into what is sent together; the last part, perhaps empty, goes with the moves."""
    part: _Items = []
    size = 0
    for key, data in items:
        if part and (size + len(data) > BATCH_BYTES or len(part) >= BATCH_OBJECTS):
            yield part
            part, size = [], 0
        part.append((key, data))
        size += len(data)
    yield part


def _yes(connection: psycopg.Connection[tuple[object, ...]], sql: str, *values: object) -> bool:
    row = connection.execute(sql.encode(), values, binary=True).fetchone()
    return row == (True,)
