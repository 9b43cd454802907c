"""The processes in which the runs of a daemon go on: starts them, hears of them, stops them.

What a child is and does is in `ork.daemon.child`. That one has ended is seen by its socket, which
nobody but the child holds.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress

from ork.daemon.child import Answer, Born, Finish, Order, Pinned, Work
from ork.daemon.page import ROOT
from ork.errors import StoreError
from ork.objects.value import as_line, of_line

BYTES_AT_ONCE = 65536
_PROGRAM = """\
import sys
sys.path.append(sys.argv[1])
from ork.daemon.child import serve
serve(sys.argv[2:])
"""
# What the store of the daemon is opened with, if it lies on a server.
SERVERS = ("ork.servers.cache", "ork.servers.postgresql")


class Child:
    """One process and its work."""

    def __init__(self, work: Work, ours: socket.socket) -> None:
        self.work = work
        self.socket = ours
        self.pid: int | None = None
        self.pinned: Pinned | None = None  # once its run has begun
        self.told = False  # how its work has ended
        self.ended = False  # its process
        self._begun = b""  # of a line

    @property
    def works(self) -> bool:
        """Say whether its run goes on, or is to begin: it is not at a hook alone."""
        return not (self.told or isinstance(self.work, Finish))

    def hear(self) -> list[Answer]:
        """Return what it has told since; when that is all it will tell, it has `ended`."""
        data = b""
        with suppress(ConnectionError):
            data = self.socket.recv(BYTES_AT_ONCE)
        self.ended = not data
        *lines, self._begun = (self._begun + data).split(b"\n")
        answers: list[Answer] = [of_line(line, Answer) for line in lines]
        for answer in answers:
            match answer:
                case Born():
                    self.pid = answer.pid
                case Pinned():
                    self.pinned = answer
        return answers

    def signal(self, number: int) -> None:
        """Send it a signal, if it lives: its number may be somebody else's by now."""
        if self.pid is None:
            return
        poll = select.poll()
        poll.register(self.socket, 0)
        if not poll.poll(0):  # it holds the other end
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


class Children:
    """The children of one daemon, and the process that they are forked from."""

    def __init__(self, store: str, environ: Mapping[str, str], author: str) -> None:
        """`store` is its folder; `author` who is recorded for runs that nobody asked for."""
        self._store, self._environ, self._author = store, dict(environ), author
        self.living: list[Child] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None

    @property
    def working(self) -> int:
        """How many runs go on, or are about to begin."""
        return sum(child.works for child in self.living)

    def prepare(self) -> None:
        """Start the process that children are forked from, unless it runs; it takes a moment."""
        if self._process is not None and self._process.poll() is None:
            return
        self._release()
        used = [name for name in SERVERS if name in sys.modules]
        self._channel, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-X", "utf8", "-c", _PROGRAM, ROOT, *used],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env=self._environ,
                start_new_session=True,
            )

    def start(self, work: Work, hidden: Iterable[str]) -> Child:
        """Start a child and tell it its work, and the variables whose values are secrets."""
        order = Order(work=work, store=self._store, author=self._author, hidden=tuple(hidden))
        reason = ""
        for _ in range(2):
            ours, theirs = socket.socketpair()
            try:
                with theirs:
                    self.prepare()
                    assert self._channel is not None
                    socket.send_fds(self._channel, [b"!"], [theirs.fileno()])
                ours.sendall(as_line(order))
            except OSError as error:  # killed just now, it is started anew
                reason = error.strerror or str(error)
                ours.close()
                self._release()
                continue
            child = Child(work, ours)
            self.living.append(child)
            return child
        raise StoreError(f"no process can be started for a run: {reason}")

    def forget(self, child: Child) -> None:
        """Let go of a child that has ended."""
        self.living.remove(child)
        child.socket.close()

    def signal(self, number: int) -> None:
        """Send a signal to all children: TERM asks to stop, asked again to kill what runs."""
        for child in self.living:
            child.signal(number)

    def close(self) -> None:
        """Start no more; children that still live go on without a daemon."""
        for child in self.living:
            child.socket.close()
        self.living.clear()
        self._release()

    def _release(self) -> None:
        if self._channel is not None:
            self._channel.close()  # which ends the process
        if self._process is not None:
            self._process.wait()
        self._process = self._channel = None
