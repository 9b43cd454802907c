"""One connection to a server of PostgreSQL: opened when it is needed, and anew when it broke.

Knows addresses, settings and errors; what is asked for over it, it does not know.
"""

from __future__ import annotations

import os
import re
import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import RLock
from typing import Any
from urllib.parse import parse_qsl, quote, unquote
from weakref import WeakSet

from ork.alike import did_you_mean
from ork.backends.address import public
from ork.backends.base import closed, seal
from ork.backends.gate import WAIT_S, forked
from ork.errors import Corrupt, NotFound, OrkError, OtherFormat, StoreError, UsageError
from ork.servers.driver import psycopg
from ork.servers.schema import FORMAT

SCHEMA = "ork"
OLDEST_SERVER = 14
PAUSE_S = 0.2  # between two attempts to connect anew
GONE_S = 10.0  # for the server to end a session whose connection broke
_NAME_BYTES_MAX = 63
_SHOWN = frozenset(["schema", "host", "hostaddr", "port", "dbname", "user", "service", "sslmode"])
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")
# A server that is gone is noticed after half a minute, not after the two hours of the system.
_OPTIONS = {
    "connect_timeout": "10",
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
# And so does the server notice that we are; limits that administrators set for programs which
# forget their transactions would end a sweep, or a lease, in the middle.
_SETTINGS = (
    "SET tcp_keepalives_idle = 15",
    "SET tcp_keepalives_interval = 5",
    "SET tcp_keepalives_count = 3",
    "SET statement_timeout = 0",
    "SET idle_in_transaction_session_timeout = 0",
    "SET idle_session_timeout = 0",
    f"SET lock_timeout = {round(WAIT_S * 1000)}",
    "SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') = 'off'",
)
_SELF = (
    "SELECT pg_backend_pid(), current_setting('server_version_num')::integer,"
    " (SELECT extract(epoch FROM backend_start)::text FROM pg_stat_get_activity(pg_backend_pid()))"
)
_LIKE = "as in postgresql://user@host:5432/database?schema=ork"
_ENCODED = (
    "in a password % is written as %25, / as %2F, @ as %40, : as %3A, ? as %3F, # as %23;"
    " or leave it out, and put it into ~/.pgpass or PGPASSWORD"
)
_LACKING = ("42P10", "42883", "42703")  # a key, a function or a column that a statement needs
_OWN = "SELECT pg_backend_pid()"
_PROBE = 0x6F726B2070726F62  # an advisory lock that only probes for poolers take

Rows = list[tuple[Any, ...]]


class Address:
    """Where a store lies: what the driver is told, the schema, and what people are shown."""

    def __init__(self, url: str) -> None:
        """Read a URL as libpq does, but for `schema`, which is ours; raise UsageError."""
        self.reached = False  # by any session: then a server that is away may come back
        head, mark, query = url.partition("?")
        given = query.split("&") if mark else []
        ours = [part for part in given if part.partition("=")[0] == "schema"]
        rest = [part for part in given if part not in ours]
        self.schema = unquote(ours[-1].partition("=")[2]) if ours else SCHEMA
        self._url = head + ("?" + "&".join(rest) if rest else "")
        self.shown = _without_password(head, given)
        _check_schema(self.schema)
        try:
            self._told = psycopg.conninfo.conninfo_to_dict(self._url)
        except psycopg.ProgrammingError as error:
            shown, reason, hint = self.shown, "", _LIKE
            if public(url) != url:  # where a password begins and ends is in doubt
                shown, hint = public(url).partition("?")[0], _ENCODED
                reason = ", with the password that stands in it"
            elif shown == url:  # what is left out may be a password, and be quoted here
                reason = f" ({str(error).strip()})"
            raise UsageError(
                f"{shown!r} is no address of a database{reason}", hint=_mistyped(given) or hint
            ) from None

    def __repr__(self) -> str:
        return f"Address({self.shown!r})"

    def lock_of(self, kind: str, name: bytes) -> int:
        """Return the advisory lock of a thing: the whole database has one space of them."""
        return int.from_bytes(seal(f"ork {kind}\n{self.schema}\n".encode() + name), signed=True)

    def connect(self) -> psycopg.Connection[Any]:
        """Connect; raise the error of the driver."""
        name = f"ork, process {os.getpid()} on {os.uname().nodename}"
        options = {**_OPTIONS, "client_encoding": "utf8", "application_name": name[:60]}
        if "PGCONNECT_TIMEOUT" in os.environ:
            del options["connect_timeout"]
        told = {key: str(value) for key, value in self._told.items() if value is not None}
        return psycopg.connect(autocommit=True, **{**options, **told})  # type: ignore[arg-type]


class Session:
    """A connection for the threads of one process, one at a time; dead in a forked child."""

    def __init__(self, address: Address, *, is_store: bool = True) -> None:
        """`is_store`: whether the schema must be one of ours already."""
        self.address = address
        self.lock = RLock()
        self.number = 0  # of the connection: it rises when there is a new one
        self.epoch = ""  # which store it is, and how often objects were swept from it
        self._is_store = is_store
        self._connection: psycopg.Connection[Any] | None = None
        self._refusal: StoreError | None = None
        self._process, self._began = 0, ""  # of the server, for this connection
        self.is_inside = False  # a transaction, which no other connection can continue
        _sessions.add(self)

    def connected(self, *, wait_s: float = WAIT_S) -> psycopg.Connection[Any]:
        """Return the connection, or a new one; tried for some time, if there ever was one."""
        if self._refusal is not None:
            raise self._refusal
        if self._connection is not None and not self._connection.closed:
            return self._connection
        if self.is_inside:
            raise lost()
        deadline = time.monotonic() + (wait_s if self.address.reached else 0)
        while True:
            try:
                return self._connect()
            except psycopg.OperationalError as error:
                if time.monotonic() >= deadline:
                    raise unreachable(error, self.address) from None
            time.sleep(PAUSE_S)

    def rows(self, sql: str, *values: object) -> Rows:
        """Return what a statement answers that changes nothing: asked again if the answer is lost.

        In a transaction it may change things, and is asked once.
        """
        with self.lock:
            inside, again = self.is_inside, not self.is_inside
            while True:
                connection = self.connected()
                try:
                    found = connection.execute(sql.encode(), values or None, binary=True)
                    return found.fetchall()
                except psycopg.Error as error:
                    if not self.broke(error) or inside or not again:
                        raise explained(error, self.address) from error
                    again = False

    def run(self, sql: str, *values: object) -> None:
        """Let the server do something that has no answer, in a transaction."""
        try:
            self.connected().execute(sql.encode(), values or None)
        except psycopg.Error as error:
            raise explained(error, self.address) from error

    @contextmanager
    def transaction(self, begin: str = "BEGIN") -> Iterator[None]:
        """Begin a transaction that the block has to end; what it leaves open is taken back."""
        with self.lock:
            connection = self.connected()
            try:
                try:
                    connection.execute(begin.encode())
                except psycopg.Error as error:
                    if not self.broke(error):
                        raise
                    connection = self.connected()
                    connection.execute(begin.encode())
                self.is_inside = True
                yield
            except psycopg.Error as error:
                raise explained(error, self.address) from error
            finally:
                self.is_inside = False
                with suppress(psycopg.Error):
                    if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                        connection.execute("ROLLBACK")

    def broke(self, error: psycopg.Error) -> bool:
        """Say whether it was the connection that failed, or the server that is ending it."""
        connection = self._connection
        if connection is None or self._refusal is not None:
            return False
        if (error.sqlstate or "").startswith(("57P", "08")):
            connection.close()
        return connection.closed

    @property
    def is_closed(self) -> bool:
        """Whether it can never be used again: it was closed, or belongs to a parent process."""
        return self._refusal is not None

    def drop(self) -> None:
        """Break the connection, and with it whatever the server keeps for it."""
        if self._connection is not None:
            self._connection.close()

    def is_cut(self) -> bool:
        """Say whether the other side has closed the connection, as far as can be known here."""
        connection = self._connection
        if connection is None or connection.closed:
            return True
        try:
            connection.pgconn.consume_input()
        except psycopg.Error:
            connection.close()
        return connection.closed

    def outlived(self) -> bool:
        """Say whether the server has ended the session of the connection that broke.

        Before that nobody knows what it still does; it is told to end. The new connection is there.
        """
        process, began = self._process, self._began
        ask = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_get_activity(%s)"
            " WHERE extract(epoch FROM backend_start)::text = %s"
        )
        deadline = time.monotonic() + GONE_S
        self.connected()
        while self.rows(ask, process, began):
            if time.monotonic() >= deadline:
                return False
            time.sleep(PAUSE_S / 4)
        return True

    def close(self, refusal: StoreError | None = None) -> None:
        """Give the connection back. Idempotent."""
        self._refusal = self._refusal or refusal or closed()
        if self._connection is not None and self._connection not in _of_the_parent:
            self._connection.close()

    def _connect(self) -> psycopg.Connection[Any]:
        connection = self.address.connect()
        try:
            self._process, self._began = self._set_up(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        self.address.reached = True
        self.number += 1
        return connection

    def _set_up(self, connection: psycopg.Connection[Any]) -> tuple[int, str]:
        """Set what counts for safety, and see in the same round trip what there is."""
        steps = [*_SETTINGS, f'SET search_path = "{self.address.schema}", pg_temp', _SELF]
        if self._is_store:
            steps.append("SELECT format, id::text, swept FROM store")
        try:
            cursor = connection.execute("; ".join(steps).encode())
        except psycopg.errors.UndefinedTable:
            raise missing(self.address) from None
        except psycopg.OperationalError:
            raise
        except psycopg.Error as error:
            raise explained(error, self.address) from error
        answers = []
        while True:
            if cursor.description is not None:
                answers.append(cursor.fetchall())
            if not cursor.nextset():
                break
        process, version, began = answers[1][0]
        if version < OLDEST_SERVER * 10_000:
            raise StoreError(
                f"the server is PostgreSQL {version // 10_000}",
                hint=f"ork needs PostgreSQL {OLDEST_SERVER} or newer",
            )
        if self._is_store:
            check_format([row[:1] for row in answers[2]], self.address)
            self.epoch = " ".join(map(str, answers[2][0][1:]))
        if process != connection.info.backend_pid:
            self._check_pooled(connection, process)
        return process, began

    def _check_pooled(self, connection: psycopg.Connection[Any], process: int) -> None:
        """Raise StoreError unless what stands between gives each connection a session of its own.

        Two connections that are open at once must not reach the same session, nor one connection
        two of them: locks, settings and prepared statements would be those of somebody else.
        """
        with self.address.connect() as other:
            take, give = f"SELECT pg_try_advisory_lock({_PROBE})", "SELECT pg_advisory_unlock_all()"
            steps = [_answer(one, take + ", pg_backend_pid()") for one in (connection, other)]
            own = _answer(connection, _OWN)
            for one in (connection, other):
                _answer(one, give)
        (taken, first), (taken_too, second) = steps
        if {process, first, own[0]} != {process} or second == process or (taken and taken_too):
            raise StoreError(
                "between ork and the server is a pool of connections in transaction mode",
                hint="leases, and what else belongs to a session, cannot be kept there: connect to"
                " the server itself, or let the pool work in session mode",
            )


_sessions: WeakSet[Session] = WeakSet()
_of_the_parent: list[object] = []  # closed by nobody in a child: the session is the parent's


def _after_fork() -> None:
    for session in _sessions:
        session._refusal = forked()
        session.lock = RLock()  # perhaps held by a thread that the child does not have
        if session._connection is not None:
            _of_the_parent.append(session._connection)


os.register_at_fork(after_in_child=_after_fork)


def check_format(rows: Rows, address: Address) -> None:
    """Raise StoreError unless this is the one row of a store that this ork can use."""
    versions = [version for (version,) in rows]
    if versions == [FORMAT]:
        return
    if len(versions) == 1:
        raise OtherFormat(address.shown, versions[0], FORMAT)
    raise StoreError(f"{address.shown} is no store of ork: it says no format, or several")


def missing(address: Address) -> StoreError | NotFound:
    """Return the error for a schema that holds no store, or none for this user.

    One that was there a moment ago may be on its way back, as from a dump: it can be waited for.
    """
    init = f"`ork init --store {shlex.quote(address.shown)}`"
    return (StoreError if address.reached else NotFound)(
        f"there is no store in schema {address.schema!r} of {address.shown}",
        hint=f"{init} makes one, if this user is not only kept out",
    )


def lost() -> StoreError:
    """Return the error for a transaction whose connection broke, so that nothing came of it."""
    return StoreError(
        "the connection to the server was lost, and nothing was changed",
        hint="run the command again",
    )


def unknown() -> StoreError:
    """Return the error for a commit whose answer was lost, and nobody can be asked."""
    return StoreError(
        "the connection to the server was lost, and whether the change was written is not known",
        hint="when the server is back, see in `ork log` whether the change arrived",
    )


def unreachable(error: psycopg.Error, address: Address) -> StoreError:
    """Return the error for a server that does not answer, or not to us."""
    words = _in_a_line(error)
    doubt = "is the server running, and is the address right?"
    if "FATAL" in words:  # in every language: the server itself says so
        doubt = "the server answers, and refuses: are user, database and password right?"
    return StoreError(
        f"{address.shown} cannot be reached: {words}",
        hint=f"{doubt} Passwords are read from ~/.pgpass and PGPASSWORD",
    )


def explained(error: psycopg.Error, address: Address) -> OrkError:
    """Return our error for one of PostgreSQL's, or of the driver's."""
    code, words = error.sqlstate or "", error.diag.message_primary or _in_a_line(error)
    if code in ("42P01", "3F000"):
        return missing(address)
    if code in ("42501", "25006"):
        hint = "docs/stores.md says which rights on its tables a role needs"
        if code == "25006":
            hint = "the server is a standby, or `default_transaction_read_only` is on for this role"
        message = f"the store {address.shown} is open for reading only: {words}"
        return StoreError(message, hint=hint)
    if code == "55P03":
        return StoreError(
            f"waited {WAIT_S:g} s for another writer",
            hint="it may be stopped or stuck: pg_stat_activity on the server shows who it is",
        )
    if code in ("53100", "58030"):
        return StoreError(
            f"the disk of the server is full or failing, and the change was not written ({words})",
            hint="make room there, then run the command again",
        )
    if code in ("54000", "53200") or "memory alloc" in words:
        return StoreError(
            f"an object is too large for the server ({words})",
            hint="it needs memory for several copies of the largest object",
        )
    if code in ("XX001", "XX002"):
        return Corrupt(f"the database is damaged ({words})", hint="ask who keeps the server")
    if code.startswith(("57P", "08")) or (not code and isinstance(error, psycopg.OperationalError)):
        return lost()
    return StoreError(
        f"PostgreSQL says: {words}" + (f" ({code})" if code else ""),
        hint="`ork fsck` says what the schema of the store lacks" if code in _LACKING else None,
    )


def _answer(connection: psycopg.Connection[Any], sql: str) -> tuple[Any, ...]:
    row: tuple[Any, ...] | None = connection.execute(sql.encode()).fetchone()
    return row or ()


def _in_a_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _check_schema(name: str) -> None:
    starts_well = name[:1].isalpha() or name.startswith("_")
    fits = 0 < len(name) <= _NAME_BYTES_MAX and not name.startswith("pg_")
    if not (fits and starts_well and _LETTERS.issuperset(name)):
        raise UsageError(
            f"{name!r} is no name of a schema for a store",
            hint="small letters, digits and _, as in ?schema=etl",
        )


def _mistyped(given: Sequence[str]) -> str | None:
    """Say which option is none, if it is like one; what is not may be part of a password."""
    known = {"schema", *(one.keyword.decode() for one in psycopg.pq.Conninfo.get_defaults())}
    for name in (part.partition("=")[0] for part in given):
        if name not in known and (meant := did_you_mean(name, known)):
            return f"there is no option {name!r}: {meant}"
    return None


def _without_password(head: str, given: Sequence[str]) -> str:
    """Return a URL as it may be shown: no password before the host, none among the options.

    Raise UsageError for a password that the driver would take for something else, and tell.
    """
    scheme, mark, rest = head.partition("://")
    if not mark:
        raise UsageError(f"{scheme.partition(':')[0]}: names no database", hint=_LIKE)
    login, at, host = rest.rpartition("@")
    user, _, secret = login.partition(":")
    odd_port = not at and re.search(r":(?!\d*(,|$))", rest.partition("/")[0].rpartition("]")[2])
    if odd_port or not {"/", "@", ":"}.isdisjoint(secret):
        raise UsageError(
            f"{scheme}://{re.split('[:/@]', rest)[0]}... is no address of a database",
            hint=_ENCODED,
        )
    options = [
        f"{quote(key)}={quote(value, safe='/')}"
        for key, value in parse_qsl("&".join(given), keep_blank_values=True)
        if key in _SHOWN
    ]
    return scheme + mark + user + at + host + ("?" + "&".join(options) if options else "")
