"""Processes of `ork up`, and what they tell."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.conftest import Ork

PATIENCE_SECONDS = 60.0
SELDOM = "{cron: 0 0 29 2 *}"  # no slot of it comes while a test goes on
SELDOM_RETRIED = "{cron: 0 0 29 2 *, retries: 1}"
# The same program, with a clock that a file says to be wrong by so many seconds.
WRONG_CLOCK = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from ork.cli.app import main
from ork.cli.session import World

def clock():
    return datetime.now(UTC) + timedelta(seconds=float(Path("offset").read_text()))

sys.exit(main(sys.argv[1:], world=World(clock=clock)))
"""


def now(ork: Ork) -> datetime:
    """Return the moment by the clock of a test, which may be wrong."""
    file = ork.folder / "offset"
    wrong_s = float(file.read_text()) if file.exists() else 0.0
    return datetime.now(UTC) + timedelta(seconds=wrong_s)


def set_clock(ork: Ork, wrong_s: float) -> None:
    """Let the clock be wrong by so much."""
    (ork.folder / "new").write_text(str(wrong_s))
    os.replace(ork.folder / "new", ork.folder / "offset")


def set_to(ork: Ork, minute: int) -> None:
    """Set the clock forward to this minute of an hour."""
    real, wrong = datetime.now(UTC), now(ork)
    there = wrong.replace(minute=minute, second=0, microsecond=0)
    if there < wrong:
        there += timedelta(hours=1)
    set_clock(ork, (there - real).total_seconds())


class Up:
    """One `ork up --json` in the world of a test."""

    def __init__(self, ork: Ork, *argv: str, clock: bool = False, **environ: str) -> None:
        program = ["-c", WRONG_CLOCK] if clock else ["-m", "ork"]
        self.process = subprocess.Popen(
            [sys.executable, *program, "up", "--json", *argv],
            cwd=ork.folder,
            env={**ork.environ, **environ},
            stdout=subprocess.PIPE,
            start_new_session=True,  # as a terminal starts it: Ctrl-C goes to all of its group
        )
        self.told: list[dict[str, Any]] = []
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self.process.stdout, selectors.EVENT_READ)
        self._begun = b""
        self._passed = 0

    def hear(self, wait_s: float = 0.0) -> bool:
        """Take what it has told by now; say whether more may come."""
        assert self.process.stdout is not None
        if not self._selector.select(wait_s):
            return True
        data = os.read(self.process.stdout.fileno(), 1 << 16)
        *lines, self._begun = (self._begun + data).split(b"\n")
        self.told += map(json.loads, lines)
        return bool(data)

    def until(
        self, event: str, *, wait_s: float = PATIENCE_SECONDS, **fields: Any
    ) -> dict[str, Any]:
        """Return the next event of this name with these fields, after what was returned before."""
        deadline = time.monotonic() + wait_s
        while True:
            for at in range(self._passed, len(self.told)):
                one = self.told[at]
                if one["event"] == event and fields.items() <= one.items():
                    self._passed = at + 1
                    return one
            assert time.monotonic() < deadline, f"no {event} {fields} among {self.told}"
            assert self.hear(0.5), f"it has ended without {event} {fields}: {self.told}"

    def all(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        """Return all events of this name with these fields that were told so far."""
        return [o for o in self.told if o["event"] == event and fields.items() <= o.items()]

    def end(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end, hear the rest, and return its exit code."""
        self.process.send_signal(number)
        return self.rest()

    def rest(self) -> int:
        """Hear the rest, and return its exit code."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.hear(0.5):
            assert time.monotonic() < deadline, f"it does not end: {self.told}"
        return self.process.wait(PATIENCE_SECONDS)

    def close(self) -> None:
        """Kill it, if it is still there."""
        with self.process:
            self.process.kill()
        self._selector.close()


@contextmanager
def running(ork: Ork, *argv: str, clock: bool = False, **environ: str) -> Iterator[Up]:
    """Start `ork up` without a page; it is gone after the block, and so is what it has started."""
    web = () if "--no-schedule" in argv or "--listen" in argv else ("--no-web",)
    up = Up(ork, *web, *argv, clock=clock, **environ)
    try:
        yield up
    finally:
        up.close()


def eventually(holds: Callable[[], object]) -> bool:
    """Say whether something comes true before patience ends."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def owners(folder: Path) -> list[int]:
    """Return the processes in which runs go on: those that are led by nobody else, of `ork up`."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if (
                entry.name.isdigit()
                and b"ork.daemon.child" in (entry / "cmdline").read_bytes()
                and (entry / "cwd").resolve() == folder.resolve()
                and os.getsid(int(entry.name)) == int(entry.name)
            ):
                found.append(int(entry.name))
        except OSError:
            continue
    return found
