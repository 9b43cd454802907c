"""Frames on a terminal: a few lines at the bottom that are drawn over and over, then left or gone.

A terminal that goes away ends the drawing, and nothing else.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from threading import Event, Thread
from typing import TextIO
from unicodedata import category, east_asian_width

from ork.cli.screen.line import Line, plain, styled, visible

SECONDS_PER_FRAME = 1 / 8
HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
# While a frame is written, what is too long is cut by the terminal: a letter whose width it sees
# otherwise than we do must not cost a line.
CUT_LINES, WRAP_LINES = "\x1b[?7l", "\x1b[?7h"
REST_OF_LINE, REST_OF_SCREEN = "\x1b[K", "\x1b[J"


class Screen:
    """The lines of a live view; `frame(rows, columns)` says what they are at this moment."""

    def __init__(
        self, stream: TextIO, frame: Callable[[int, int], list[Line]], *, color: bool
    ) -> None:
        self._file, self._frame, self._color = stream.fileno(), frame, color
        self._columns = 0
        self._widths: list[int] = []  # of the lines that are on the screen now
        self._shown = ""
        self._gone = False
        self._ended = Event()
        self._thread = Thread(target=self._draw, name="screen", daemon=True)
        stream.flush()

    def start(self) -> None:
        """Begin to draw frames, in a thread of its own, so that a slow terminal slows no task."""
        self._write(HIDE_CURSOR)
        self._thread.start()

    def end(self, last: Callable[[int, int], list[Line]]) -> None:
        """Stop drawing; leave these lines, and the terminal as it was."""
        self._ended.set()
        try:
            self._thread.join()
            self._show(last(*self._size()), final=True)
        finally:
            self._write(SHOW_CURSOR)

    def _draw(self) -> None:
        while not self._ended.is_set() and not self._gone:
            began = time.monotonic()
            self._show(self._frame(*self._size()))
            # What takes long, on a slow line or of a large run, is followed by a longer rest.
            self._ended.wait(max(SECONDS_PER_FRAME, 4 * (time.monotonic() - began)))

    def _size(self) -> tuple[int, int]:
        try:
            size = os.get_terminal_size(self._file)
        except OSError:
            self._gone = True
            return 24, 80
        return size.lines or 24, size.columns or 80

    def _show(self, lines: list[Line], *, final: bool = False) -> None:
        rows, columns = self._size()
        lines = [cut(line, columns - 1) for line in lines[:rows]]
        render = styled if self._color else plain
        text = "\r\n".join(render(line) + REST_OF_LINE for line in lines)
        if text == self._shown and columns == self._columns and not final:
            return
        up = self._rows_above(columns, rows)
        back = "\r" + (f"\x1b[{up}A" if up else "")
        end = "\r\n" if final and lines else ""
        self._write(f"{CUT_LINES}{back}{text}{REST_OF_SCREEN}{end}{WRAP_LINES}")
        self._shown, self._columns = text, columns
        self._widths = [cells(plain(line)) for line in lines]

    def _rows_above(self, columns: int, rows: int) -> int:
        """Return how far above the cursor the frame begins, lines wrapped in a narrower window."""
        heights = [max(1, -(-width // columns)) for width in self._widths]
        return min(max(0, sum(heights) - 1), rows - 1)

    def _write(self, text: str) -> None:
        data = text.encode("utf-8", "backslashreplace")
        while data and not self._gone:
            try:
                data = data[os.write(self._file, data) :]
            except BlockingIOError:
                time.sleep(SECONDS_PER_FRAME)
            except OSError:
                self._gone = True


def cut(line: Line, columns: int) -> Line:
    """Return a line that fits so many columns; tabs, which move the cursor, become spaces."""
    left = columns
    fitting: Line = []
    for piece in line:
        text, style = (piece, "") if isinstance(piece, str) else piece
        text = visible(text).replace("\t", " ")
        fits = _first_cells(text, left)
        fitting.append((fits, style) if style else fits)
        if len(fits) < len(text):
            break
        left -= cells(text)
    return fitting


def cells(text: str) -> int:
    """Return how many columns a text takes on a terminal."""
    return len(text) if text.isascii() else sum(map(_cells_of, text))


def has_boxes(environ: Mapping[str, str]) -> bool:
    """Say whether a terminal shows lines and bullets: whether the locale is a UTF-8 one."""
    names: Iterable[str] = (environ.get(name, "") for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    locale = next((name for name in names if name), "")
    return "utf" in locale.lower()


def _first_cells(text: str, room: int) -> str:
    if text.isascii():
        return text[:room]
    for index, letter in enumerate(text):
        room -= _cells_of(letter)
        if room < 0:
            return text[:index]
    return text


def _cells_of(letter: str) -> int:
    if category(letter) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if east_asian_width(letter) in "WF" else 1
