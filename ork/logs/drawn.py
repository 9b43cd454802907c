"""What is left of lines that were drawn over, as progress bars do.

A bar goes back to the start of its line, or erases it; one below another goes up to that one again.
No other movement of a cursor is understood: what asks for it stays in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

LINE_BYTES_MAX = 1 << 20  # a longer line is cut into several
BARS_MAX = 64  # below each other, that may yet be drawn over
_BLANK = re.compile(r"(?:\s|\x1b\[[0-9;]*m)*")  # shows nothing, though it may change the colour
_ERASES_REST = re.compile(r"\x1b\[0?K")  # to the right of the cursor, where nothing is yet
_START = re.compile(r"\r|\x1b\[2K")  # what follows is drawn over the whole line
_SEQUENCES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?)")
_UP = re.compile(rb"\x1b\[(\d{0,2})A")


def last_part(line: str) -> str:
    """Return what is left of a line that went back to its start, as progress bars do."""
    if "\x1b" in line:
        line = _ERASES_REST.sub("", line)
    parts = _START.split(line)
    return next((part for part in reversed(parts) if not _BLANK.fullmatch(part)), "")


def undrawn(line: str) -> str:
    """Return a line without colours, links and other sequences for terminals (ECMA-48)."""
    return "".join(filter(str.isprintable, _SEQUENCES.sub("", line))).strip()


def last_states(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a log that comes piece by piece without what was drawn over in it."""
    states = LastStates(waits=True)
    for piece in pieces:
        yield states.add(piece)
    yield states.add(b"", over=True)


class LastStates:
    """What an attempt prints, without the states of a line that it drew over, as of a progress bar.

    Bytes come in as they arrive, and go out when their line is complete.
    """

    def __init__(self, *, waits: bool = False) -> None:
        """`waits`: a bar comes out when a line follows that is none: others may go up to it.

        Without that, it is so from when one has gone up.
        """
        self._waits = waits
        self._bars: list[str] = []  # lines that may be drawn over
        self._at = 0  # the one with the cursor; behind them all begins a new line
        self._rest = b""

    @property
    def open_line(self) -> str:
        """What the line shows now that has the cursor, or the last of those that are not out."""
        if shown := last_part(self._rest.decode("utf-8", "ignore")):
            return shown
        near = (*self._bars[self._at : self._at + 1], *reversed(self._bars))
        return next(filter(None, near), "")

    @property
    def open_lines(self) -> list[str]:
        """All that shows now of what is not out, from top to bottom."""
        shown = last_part(self._rest.decode("utf-8", "ignore"))
        lines = [*self._bars, ""]
        lines[self._at] = shown or lines[self._at]
        return [line for line in lines if line]

    def add(self, data: bytes, *, over: bool = False) -> bytes:
        """Return the lines that are complete by now; when it is `over`, also one that is not."""
        *lines, rest = (self._rest + data).split(b"\n")
        done = b"".join(map(self._end, lines))
        rest = self._draw(rest)
        parts = rest.split(b"\r")  # of which the last one counts that shows something
        while len(parts) > 2 and any(last_part(_text(part)) for part in parts[2:]):
            del parts[1]
            parts[0] = b""
        self._rest = b"\r".join(parts)
        if over or len(self._rest) > LINE_BYTES_MAX:
            if self._at < len(self._bars):
                self._set(self._rest)
                self._rest = b""
            done, self._rest = done + self._out() + _last_state(self._rest), b""
        return done

    def _end(self, line: bytes) -> bytes:
        """Take in a whole line; return what nothing goes up to any more."""
        rest = self._draw(line)
        goes_up = len(rest) < len(line)
        is_bar = _is_drawn_over(rest.rstrip(b"\r"))
        if not self._bars and not is_bar and not goes_up:
            return line + b"\n"
        self._set(rest)
        self._at += 1
        if self._at < len(self._bars):
            return b""
        if goes_up or not line or (is_bar and self._waits):
            return self._out(len(self._bars) - BARS_MAX)
        return self._out()

    def _draw(self, text: bytes) -> bytes:
        """Go up as a text says, with what is drawn on the way; return what is drawn last."""
        begin = 0
        for up in _UP.finditer(text):
            before = text[begin : up.start()]
            self._set(before)
            if before and not last_part(_text(before)):
                self._bars[self._at] = ""
            self._at = max(0, self._at - int(up[1] or 1))
            self._waits = True
            while self._at + 1 < len(self._bars) and not self._bars[-1]:
                del self._bars[-1]
            begin = up.end()
        return text[begin:]

    def _set(self, text: bytes) -> None:
        """Draw a text over the line with the cursor; nothing leaves it as it is."""
        if self._at == len(self._bars):
            self._bars.append("")
        if last_part(_text(text)):
            self._bars[self._at] = _text(_last_state(text))

    def _out(self, count: int | None = None) -> bytes:
        """Let go of the first lines, all of them unless told how many."""
        count = len(self._bars) if count is None else max(0, count)
        gone, self._bars = self._bars[:count], self._bars[count:]
        self._at = max(0, self._at - count)
        return "".join(f"{line}\n" for line in gone).encode("utf-8", "surrogateescape")


def _last_state(line: bytes) -> bytes:
    shown = line.rstrip(b"\r")  # with which others end a line
    if not _is_drawn_over(shown):
        return line
    return last_part(_text(shown)).encode("utf-8", "surrogateescape") + line[len(shown) :]


def _is_drawn_over(line: bytes) -> bool:
    return b"\r" in line or b"\x1b[2K" in line


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
