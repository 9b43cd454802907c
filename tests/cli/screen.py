"""A terminal for tests: a window of some size, and what the bytes written to it make of it."""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import struct
import termios
import threading
from collections.abc import Callable

import pytest
from rich.cells import cell_len

from tests.conftest import Ork
from tests.started import Started

TERMINAL = {"TERM": "xterm", "LC_ALL": "C.UTF-8", "PAGER": "cat"}
END = b"\0the end\0"
ROWS = 50  # of a terminal on which one command prints

_TOKEN = re.compile(r"\x1b\[(\??)([0-9;]*)([A-Za-z])|[\x00-\x1f\x7f]|[^\x00-\x1f\x7f]")


class Window:
    """The screen of a terminal: only what ork may write is understood, anything else is an error.

    `lines` are the lines of the window, `above` those that have scrolled out of it, `broken`
    says how many lines were longer than it is wide, and `styles` by which numbers they are painted.
    """

    def __init__(self, rows: int, columns: int) -> None:
        self.rows, self.columns = rows, columns
        self.above: list[str] = []
        self.lines = [""] * rows
        self.row = self.column = self.broken = 0
        self.cursor_shown = self.wraps = True
        self.styles = set[str]()

    def write(self, text: str) -> None:
        """Take in what a program wrote."""
        end = 0
        for found in _TOKEN.finditer(text):
            assert found.start() == end, f"not understood: {text[end : found.start()]!r}"
            end = found.end()
            if found[3]:
                self._command(found[1] + found[3], found[2])
            elif found[0] == "\r":
                self.column = 0
            elif found[0] == "\n":
                self._down()
            else:
                assert found[0] >= " ", f"a control character reached the terminal: {found[0]!r}"
                self._letter(found[0])

    @property
    def text(self) -> str:
        """All that can be seen, by scrolling back too."""
        return "\n".join(line.rstrip() for line in [*self.above, *self.lines]).rstrip()

    def _command(self, name: str, number: str) -> None:
        if name == "A":
            self.row = max(0, self.row - int(number))
        elif name == "K":
            self.lines[self.row] = self._line()[: self.column]
        elif name == "J":
            self.lines[self.row] = self._line()[: self.column]
            self.lines[self.row + 1 :] = [""] * (self.rows - self.row - 1)
        elif name in ("?h", "?l"):
            if number == "25":
                self.cursor_shown = name == "?h"
            else:
                assert number == "7"
                self.wraps = name == "?h"
        else:
            assert name == "m", f"not understood: {name}"
            self.styles.update(number.split(";"))

    def _letter(self, letter: str) -> None:
        if self.column + cell_len(letter) > self.columns:
            if not self.wraps:
                return
            self.broken += 1
            self.column = 0
            self._down()
        line = self._line()
        self.lines[self.row] = line[: self.column] + letter + line[self.column + 1 :]
        self.column += cell_len(letter)

    def _line(self) -> str:
        return self.lines[self.row].ljust(self.column)

    def _down(self) -> None:
        if self.row < self.rows - 1:
            self.row += 1
        else:
            self.above.append(self.lines.pop(0))
            self.lines.append("")


class Child:
    """ork in a terminal of its own."""

    def __init__(
        self, *argv: str, environ: dict[str, str], folder: str, rows: int = 24, columns: int = 80
    ) -> None:
        self._ours, theirs = os.openpty()
        self.resize(rows, columns)
        self.window = Window(rows, columns)
        self.seen = ""
        self.process = Started(
            *argv,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**environ, "TERM": "xterm", "LC_ALL": "C.UTF-8", "NO_COLOR": "1"},
            cwd=folder,
            process_group=0,  # a job of its own, as a shell would start it: it can be suspended
        )
        os.close(theirs)

    def resize(self, rows: int, columns: int) -> None:
        """Give the window another size."""
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, size)

    def read_until(self, done: Callable[[str], bool]) -> None:
        """Read until what was seen is enough, at the latest until the other end is closed."""
        import codecs

        decoder = codecs.getincrementaldecoder("utf-8")("strict")
        while not done(self.seen):
            assert select.select([self._ours], [], [], 60)[0], f"nothing more after {self.seen!r}"
            try:
                part = os.read(self._ours, 65536)
            except OSError:  # Linux says so when the other end is closed
                return
            if not part:
                return
            text = decoder.decode(part)
            self.seen += text
            self.window.write(text)

    def end(self) -> int:
        """Read to the end, and return the exit code."""
        self.read_until(lambda seen: False)
        os.close(self._ours)
        return self.process.wait()

    def hang_up(self) -> int:
        """Take the terminal away, without a signal, and return the exit code."""
        os.close(self._ours)
        return self.process.wait()

    def suspend(self) -> None:
        """Do what Ctrl-Z does; return when it has stopped."""
        self.process.send_signal(signal.SIGTSTP)
        _, status = os.waitpid(self.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)

    def interrupt(self) -> None:
        """Do what Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)


def on_terminal(ork: Ork, wide: int, *argv: str) -> Window:
    """Run a command, in this process, on a terminal that is as wide; return what that shows.

    One of 0 columns is one that does not know how wide it is.
    """
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, wide, 0, 0))
    seen = bytearray()

    def read() -> None:
        # Not until the other end is closed: what was written last can be lost then.
        while not seen.endswith(END):
            seen.extend(os.read(ours, 65536))

    reader = threading.Thread(target=read)
    reader.start()
    with open(theirs, "w", encoding="utf-8") as terminal, pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", terminal)
        patch.setattr("sys.stderr", terminal)
        ork(*argv)
        terminal.flush()
        os.write(theirs, END)
        reader.join()
    os.close(ours)
    window = Window(ROWS, wide or 80)
    window.write(seen.removesuffix(END).decode())
    return window
