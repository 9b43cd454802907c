"""The live region of a terminal: lines at its bottom that are drawn over and over, and then left.

A terminal that goes away ends the drawing, and nothing else. Importing this imports rich, so do it
only where a terminal is drawn on.
"""

from __future__ import annotations

import io
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import IO, Any, TextIO, cast

from rich.ansi import AnsiDecoder
from rich.console import Console, ConsoleDimensions, ConsoleRenderable
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType, Segment, SegmentLines
from rich.theme import Theme

from ork.cli.screen.line import PRINTED, STYLES, Line, colors, visible
from ork.cli.screen.progress import is_ours

FRAMES_PER_SECOND = 8
HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
# While a frame is written, what is too long is cut by the terminal: a letter whose width it sees
# otherwise than we do must not cost a line.
CUT_LINES, WRAP_LINES = "\x1b[?7l", "\x1b[?7h"
_STYLES = Theme(STYLES).styles
REST_OF_LINE, REST_OF_SCREEN = "\x1b[K", "\x1b[J"


class Region(Live):
    """The lines of a live view; `frame(rows, columns)` says what they are at this moment.

    They are drawn by a thread of their own, so that a slow terminal slows no task, and never in
    the background. Ctrl-Z gives the terminal back to the shell.
    """

    def __init__(
        self, stream: TextIO, frame: Callable[[int, int], list[Line]], *, color: bool
    ) -> None:
        stream.flush()
        self.frame = frame
        self._terminal = _Terminal(stream.fileno())
        self._lines: list[list[Segment]] = []
        self._drawn: list[int] = []  # the widths of the lines that are on the screen now
        self._size = (0, 0)  # of the window when these were drawn
        self._overflowed = False  # lines of a frame have left the window above
        console = Console(
            file=cast("IO[str]", self._terminal),
            force_terminal=True,
            force_interactive=True,
            color_system="standard" if color else None,
            no_color=False,
        )
        super().__init__(
            console=console,
            refresh_per_second=FRAMES_PER_SECOND,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def start(self, refresh: bool = False) -> None:
        """Begin to draw."""
        self._before = signal.getsignal(signal.SIGTSTP)
        if self._before is not signal.SIG_IGN:
            signal.signal(signal.SIGTSTP, self._suspend)
        super().start(refresh)

    def stop(self) -> None:
        """Draw a last frame, which stays, and leave the terminal as it was."""
        try:
            super().stop()
        finally:
            signal.signal(signal.SIGTSTP, self._before or signal.SIG_DFL)

    def refresh(self) -> None:
        """Draw a frame, where a terminal is left and lets us."""
        if self._terminal.is_ours():
            super().refresh()

    def get_renderable(self) -> SegmentLines:
        """Return the lines of the present frame, cut to the window."""
        rows, columns = self._terminal.size()
        self.console.size = ConsoleDimensions(max(1, columns - 1), rows)
        # One row stays free: when a whole window is cleared, some terminals keep a copy of it.
        lines = self.frame(max(1, rows - 1), columns)[:rows]
        color = self.console.color_system is not None
        self._lines = [cut(line, columns - 1, color=color) for line in lines]
        return SegmentLines(self._lines, new_lines=True)

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Begin where the last frame began: in a narrower window its lines have been wrapped.

        What left a smaller window comes back in a larger one, somewhere above: from then on a new
        size clears all of the window.
        """
        size = rows, columns = self._terminal.size()
        above = sum(max(1, -(-width // columns)) for width in self._drawn) - 1
        self._overflowed |= above >= rows
        if self._overflowed and size != self._size:
            above = rows
        self._size = size
        up = [(ControlType.CURSOR_UP, min(above, rows - 1))] if above > 0 and rows > 1 else []
        self._drawn = [Segment.get_line_length(line) for line in self._lines]
        back = Control(ControlType.CARRIAGE_RETURN, *up)
        return [back, *super().process_renderables(renderables)[1:]]

    def _suspend(self, number: int, frame: Any) -> None:
        self._terminal.write(SHOW_CURSOR)
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        signal.raise_signal(signal.SIGTSTP)  # returns when we are continued
        signal.signal(signal.SIGTSTP, self._suspend)
        self._terminal.write(HIDE_CURSOR)
        self._drawn, self._overflowed = [], False  # the shell wrote below it


class _Terminal(io.TextIOBase):
    """The file that rich writes frames to; writes to a terminal that is gone do nothing."""

    def __init__(self, file: int) -> None:
        self._file, self._gone = file, False

    def write(self, text: str) -> int:
        text = text.replace("\n", REST_OF_LINE + "\r\n")
        data = f"{CUT_LINES}{text}{REST_OF_SCREEN}{WRAP_LINES}".encode("utf-8", "backslashreplace")
        while data and not self._gone:
            try:
                data = data[os.write(self._file, data) :]
            except BlockingIOError:
                time.sleep(1 / FRAMES_PER_SECOND)
            except OSError:
                self._gone = True
        return len(text)

    def size(self) -> tuple[int, int]:
        """Return the rows and columns of the window at this moment."""
        try:
            size = os.get_terminal_size(self._file)
        except OSError:
            self._gone = True
            return 24, 80
        return size.lines or 24, size.columns or 80

    def is_ours(self) -> bool:
        """Say whether the terminal is there, and does not serve another process group just now."""
        return not self._gone and is_ours(self._file)


def cut(line: Line, columns: int, *, color: bool = False) -> list[Segment]:
    """Return a line that fits so many columns; tabs, which move the cursor, become spaces.

    Segments, not Text: a frame of forty lines takes a quarter of the time, eight times a second.
    """
    segments: list[Segment] = []
    for piece in line:
        text, style = (piece, "") if isinstance(piece, str) else piece
        if color and style == PRINTED:
            segments += _colored(text)
        else:
            segments.append(Segment(visible(text).replace("\t", " "), _STYLES.get(style)))
    columns = max(0, columns)
    if Segment.get_line_length(segments) <= columns:
        return segments
    return [
        *Segment.adjust_line_length(segments, max(0, columns - 3), pad=False),
        Segment("..."[:columns]),
    ]


def _colored(text: str) -> Iterator[Segment]:
    decoder = AnsiDecoder()
    decoder.style = _STYLES["dim"]
    for number, part in enumerate(colors(text)):
        if number % 2:
            decoder.decode_line(part)
        else:
            yield Segment(part.replace("\t", " "), decoder.style)
