"""How far long work has come: a line on the terminal that goes when it ends, with an estimate.

Elsewhere than on a terminal it is a line now and then. What takes no time is never told of.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Mapping

from ork.cli.screen.line import can_redraw, has_boxes, unread_is_no_error, visible

SECONDS_BEFORE = 1.0  # of work on a terminal, until it is told of
SECONDS_OF_PAUSE = 1.0  # after which other work is another wait
SECONDS_BETWEEN = 0.1
SECONDS_BETWEEN_LINES = 5.0  # where lines stay
SURE_FROM = 0.02  # the share that has to be done before the rest is estimated
BAR_COLUMNS_MAX = 30


class Shown:
    """Shows on stderr how far the work has come; a `Watcher`."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._passes = can_redraw(sys.stderr, environ)
        self._box = has_boxes(environ)
        self._ended = -math.inf
        self._what = ""
        self._shown = False

    def begin(self, what: str, *, about: bool) -> bool:
        """Begin a line, unless it is work inside of other work."""
        if self._what:
            return False
        self._what, self._about = visible(what), about
        self._since = time.monotonic()
        if self._since - self._ended > SECONDS_OF_PAUSE:  # else one waits for it already
            wait = SECONDS_BEFORE if self._passes else SECONDS_BETWEEN_LINES
            self._next = self._since + wait
        return True

    def at(self, done: int, total: int) -> None:
        """Write the line, if it is time to."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + (SECONDS_BETWEEN if self._passes else SECONDS_BETWEEN_LINES)
        if not self._passes:
            _write(f"{self.line(done, total, now - self._since)}\n")
        elif is_ours(sys.stderr.fileno()):
            self._shown = True
            _write(f"\r{self.line(done, total, now - self._since, _columns())}\x1b[K")

    def end(self) -> None:
        """Take the line away."""
        if self._shown:
            _write("\r\x1b[K")
        self._what, self._shown, self._ended = "", False, time.monotonic()

    def line(self, done: int, total: int, seconds: float, columns: int = 0) -> str:
        """Return what is told after so many seconds; with a bar, and cut, for so many columns."""
        from ork.cli.screen import human

        share = min(done / total, 0.99) if total else 0.0
        percent = f"{int(100 * share):>3}% " if total else ""
        of = f" of {'about ' if self._about else ''}{total:,}" if total > done else ""
        took = human.duration(int(seconds)) if seconds >= 60 else f"{seconds:.0f}s"
        left = seconds * (1 - share) / share if share >= SURE_FROM else 0
        rest = f", about {human.about(left)} left" if left >= 1 else ""
        words = f"{percent}({done:,}{of}), {took}{rest}"
        if not columns:
            return f"{self._what}: {words}"
        room = min(BAR_COLUMNS_MAX, columns - 3 - len(self._what) - len(words))
        full = round(room * share)
        solid, thin = "━─" if self._box else "#-"
        bar = f"{solid * full}{thin * (room - full)} " if room > 3 and total else ""
        return f"{self._what} {bar}{words}"[: columns - 1]


def is_ours(terminal: int) -> bool:
    """Say whether a terminal does not serve another process group just now."""
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return True  # it does not control us, so nobody is in its foreground


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except OSError:
        return 80


def _write(text: str) -> None:
    with unread_is_no_error():
        sys.stderr.write(text)
        sys.stderr.flush()
