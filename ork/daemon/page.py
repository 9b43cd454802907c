"""The process of the page, which is one of its own, so that no page can disturb what is fired.

It says on its standard output where it listens, hears of the daemon by a line now and then, and
ends when no more can come. When it ends by itself it is started again, after a pause.
"""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ork.errors import UsageError

BEAT_SECONDS = 5.0
PAUSES_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0)  # before it is started again: longer each time
WELL_SECONDS = 60.0  # one that has lived so long counts as the first
CLOSE_SECONDS = 5.0
LINE_BYTES_MAX = 65536
PORT_MAX = 0xFFFF
# `-P`: no module of the project is taken for one of Python. So where ork is has to be told.
ROOT = str(Path(__file__).parents[2])
_PROGRAM = (  # `python -m ork.cli.web`, and see ROOT
    "import runpy, sys; sys.path.append(sys.argv.pop(1));"
    " runpy.run_module('ork.cli.web', run_name='__main__', alter_sys=True)"
)

HOST = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(:[0-9]{1,5})?", re.ASCII)
_EVERYWHERE = ("0.0.0.0", "::", "[::]")  # all addresses of a machine, and no name of one

# What is wrong with an address that is one, by what the system says.
_REFUSED = {
    errno.EADDRINUSE: "somebody listens there already",
    errno.EADDRNOTAVAIL: "it is no address of this machine",
}


def split_address(text: str) -> tuple[str, int]:
    """Return the host and the port of HOST:PORT or [ADDRESS]:PORT."""
    host, _, port = text.rpartition(":")
    name = host.removeprefix("[").removesuffix("]")
    if not (name and port.isascii() and port.isdecimal() and int(port) <= PORT_MAX):
        raise UsageError(
            f"--listen {text!r}: no such address: an address or name of this machine is expected, "
            f"a colon, and a port up to {PORT_MAX}",
            hint="write 127.0.0.1:8080, or [::1]:8080",
        )
    return name, int(port)


def split_host(text: str) -> str:
    """Return the name of a host without a port: whichever leads here is fine."""
    if (found := HOST.fullmatch(text.lower())) is None:
        raise UsageError(f"--host {text!r}: no name of a host", hint="write ork.example.org")
    return found[1]


def refuse_host(text: str) -> None:
    """Raise UsageError for a name by which nobody can ask, such as an address to listen at."""
    if text in _EVERYWHERE:
        raise UsageError(
            f"--host {text}: by this name nobody asks for the page; --listen says where it answers",
            hint="`ssh -L 8080:127.0.0.1:8080 MACHINE` on another machine brings it there;"
            " `--listen 0.0.0.0:8080` is for whoever can reach this one, without HTTPS",
        )
    split_host(text)


def listening(text: str) -> socket.socket:
    """Return a socket that listens at an address."""
    name, port = split_address(text)
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(found[4][:2], family=found[0])
    except (UnicodeError, socket.gaierror):
        raise UsageError(
            f"--listen {text}: no machine is known by this name", hint="write 127.0.0.1:8080"
        ) from None
    except OSError as error:
        why = _REFUSED.get(error.errno or 0, error.strerror)
        hint = "with port 0 the system chooses a free one"
        if error.errno == errno.EADDRNOTAVAIL:
            hint = "127.0.0.1 is for this machine alone, 0.0.0.0 for whoever can reach it"
        raise UsageError(f"--listen {text}: {why}", hint=hint) from None


class Page:
    """The process of the page, as the daemon sees it. Moments are of a clock that never jumps."""

    def __init__(self, setup: str, environ: Mapping[str, str], listening: socket.socket) -> None:
        """`setup` says what is served, and to whom: JSON, for all users of the machine to see.

        The socket is ours, so that nobody else gets the port while the process is started again.
        """
        self._setup, self._environ, self._listening = setup, dict(environ), listening
        self._process: subprocess.Popen[bytes] | None = None
        self._printed = b""
        self._started = 0.0
        self._failures = 0
        self.start_at = 0.0  # when it is to be started, if it does not run

    @property
    def runs(self) -> bool:
        """Say whether the process is there, as far as was heard."""
        return self._process is not None

    @property
    def descriptor(self) -> int:
        """What can be read when `hear` has to be called."""
        assert self._process is not None and self._process.stdout is not None
        return self._process.stdout.fileno()

    def start(self) -> bool:
        """Start the process; say whether that worked, and what it says is to be heard."""
        self._started = time.monotonic()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-X", "utf8", "-c", _PROGRAM, ROOT, self._setup],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=self._environ,
                pass_fds=(self._listening.fileno(),),
                start_new_session=True,  # Ctrl-C is for the daemon
            )
        except OSError:  # no more processes
            self._failed()
            return False
        assert self._process.stdin is not None
        os.set_blocking(self._process.stdin.fileno(), False)
        self._printed = b""
        return True

    def hear(self) -> str | None:
        """Return the address when it says that; None, and it `runs` no more, when it has ended."""
        data = os.read(self.descriptor, LINE_BYTES_MAX)
        if not data:
            self._failed()
            return None
        line, end, _ = (self._printed + data).partition(b"\n")
        self._printed = b"" if end else line[:LINE_BYTES_MAX]
        with suppress(ValueError, TypeError, KeyError):
            return str(json.loads(line)["url"]) if end else None
        return None

    def beat(self, facts: Mapping[str, object]) -> None:
        """Tell it how the daemon is; if it is too busy to read, it misses that."""
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError):
                os.write(self._process.stdin.fileno(), json.dumps(facts).encode() + b"\n")

    def close(self) -> None:
        """End the process."""
        if (process := self._process) is None:
            return
        self._process = None
        assert process.stdin is not None and process.stdout is not None
        process.stdin.close()
        process.terminate()
        try:
            process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

    def _failed(self) -> None:
        now = time.monotonic()
        if now - self._started > WELL_SECONDS:
            self._failures = 0
        pause = PAUSES_SECONDS[min(self._failures, len(PAUSES_SECONDS) - 1)]
        self._failures += 1
        self.start_at = now + pause
        self.close()
