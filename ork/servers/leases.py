"""Leases on a server: advisory locks of a session, and a row that says whose they are.

The lock says that a holder is there; it comes free when its session ends. The row says who it was
and when it was last heard of. So a holder whose connection broke, or whose server was started
again, has time to come back before somebody else may have its lease, and finds out if it was late.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from uuid import uuid4

from ork.errors import StoreError
from ork.servers.driver import psycopg
from ork.servers.schema import GRACE_S
from ork.servers.session import Address, Session, explained

HEARTBEAT_S = 10.0  # how often the server hears of a holder


class ServerLease:
    """A `Lease` that counts on all machines; it ends with the session of the process."""

    def __init__(self, leases: Leases, name: str) -> None:
        self._leases, self.name = leases, name

    def held(self) -> bool:
        """Say whether nobody else can have it; a connection that broke is made anew for that."""
        return self._leases.held(self)

    def release(self) -> None:
        """Let go. Idempotent."""
        self._leases.release(self)


class Leases:
    """All leases of one handle: a session of its own, from the first lease on."""

    def __init__(self, address: Address) -> None:
        self._session = Session(address)
        self._holder = uuid4()
        self._held: dict[str, ServerLease] = {}
        self._number = 0  # of the connection that has the locks
        self._heard = 0.0

    def take(self, name: str) -> ServerLease | None:
        """Take a lease; None when another holder has it, or may be about to come back for it."""
        with self._session.lock:
            self._renew(wait_s=GRACE_S)
            if name in self._held or not self._taken(name):
                return None
            lease = self._held[name] = ServerLease(self, name)
            return lease

    def held(self, lease: ServerLease) -> bool:
        """Say whether a lease is still ours alone; once it may not be, it never is again."""
        with self._session.lock:
            if self._session.is_closed or self._held.get(lease.name) is not lease:
                return False
            fresh = time.monotonic() < self._heard + HEARTBEAT_S
            if not fresh or self._session.is_cut() or self._session.number != self._number:
                try:
                    self._renew(wait_s=0)
                except StoreError:
                    # Nobody else gets it before the server has not heard of us for longer.
                    if time.monotonic() > self._heard + GRACE_S / 2:
                        self._held.clear()
            return self._held.get(lease.name) is lease

    def release(self, lease: ServerLease) -> None:
        """Let go of a lease, if it is ours still."""
        with self._session.lock:
            if self._held.get(lease.name) is lease:
                del self._held[lease.name]
                self._drop([lease.name])

    def close(self) -> None:
        """Let go of all leases. Idempotent."""
        with self._session.lock:
            if self._held and not self._session.is_closed:
                self._drop(self._held)
            self._held = {}
            self._session.close()

    def _renew(self, *, wait_s: float) -> None:
        """Let the server hear of us; over a new connection take again what nobody else has."""
        connection = self._session.connected(wait_s=wait_s)
        if self._held:
            try:
                connection.execute(
                    "UPDATE leases SET heard = clock_timestamp() WHERE holder = %b", [self._holder]
                )
            except psycopg.Error as error:
                if not self._session.broke(error):
                    raise explained(error, self._session.address) from error
                self._session.connected(wait_s=wait_s)
        if self._session.number != self._number:
            self._held = {name: one for name, one in self._held.items() if self._taken(name)}
            self._number = self._session.number
        self._heard = time.monotonic()

    def _taken(self, name: str) -> bool:
        ((taken,),) = self._session.rows(
            "SELECT leased(%b, %b, %b)", name.encode(), self._lock_of(name), self._holder
        )
        return bool(taken)

    def _drop(self, names: Collection[str]) -> None:
        """Let the server forget leases: first the rows, so that nobody waits for who is gone."""
        try:
            connection = self._session.connected(wait_s=0)
            connection.execute(
                "DELETE FROM leases WHERE name = ANY (%b::bytea[]) AND holder = %b",
                [[name.encode() for name in names], self._holder],
            )
            for name in names:
                connection.execute("SELECT pg_advisory_unlock(%b)", [self._lock_of(name)])
        except (psycopg.Error, StoreError):
            self._session.drop()  # the locks go with the session, the rows count for nothing soon

    def _lock_of(self, name: str) -> int:
        return self._session.address.lock_of("lease", name.encode())
