"""All complaints about one file, collected and then raised at once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ork.alike import did_you_mean
from ork.errors import InvalidInput, Problem, count

if TYPE_CHECKING:
    from ork.yaml.nodes import Node

PROBLEMS_MAX = 100  # complaints kept per file; the rest are only counted
MESSAGE_LENGTH_MAX = 500
VALUE_LINES_MAX = 100  # of a value, in which a part of it is looked for
SOURCE_WIDTH_MAX = 500  # characters of a line that a complaint carries
_LINE_END = re.compile(r"\r\n?|\n")


class Problems:
    """Collects what is wrong with one text; each complaint once, sorted by position in the end."""

    def __init__(self, file: str, text: str = "") -> None:
        self.file = file
        self.count = 0
        self._text = text
        self._lines: list[str] | None = None
        self._found: set[Problem] = set()

    def add(self, line: int, column: int, message: str, hint: str | None = None) -> None:
        """Keep one complaint; `line` and `column` count from 1, 0 is the file as a whole."""
        self.count += 1
        if len(self._found) < PROBLEMS_MAX:
            self._found.add(self.problem(line, column, message, hint))

    def problem(self, line: int, column: int, message: str, hint: str | None = None) -> Problem:
        """Return a complaint about this text, without keeping it."""
        message, hint = _printable(message), hint and _printable(hint)
        line, column = self.inside(line, column)
        problem = Problem(file=self.file, line=line, column=column, message=message, hint=hint)
        return problem._replace(source=self.source(line))

    def at(self, node: Node, message: str, hint: str | None = None) -> None:
        """Keep one complaint about a node."""
        self.add(node.line, node.column, message, hint)

    def at_text(self, node: Node, text: str, message: str, hint: str | None = None) -> None:
        """Keep one complaint about a part of the value of a node."""
        self.add(*self.place(node, text), message, hint)

    def place(self, node: Node, text: str) -> tuple[int, int]:
        """Return where a part of the value of a node stands; else where that begins."""
        for line in range(node.line, node.line + VALUE_LINES_MAX):
            start = node.column - 1 if line == node.line else 0
            if (at := (self.source(line) or "").find(text, start)) >= 0:
                return line, at + 1
        return node.line, node.column

    def keep(self, problem: Problem) -> None:
        """Keep a complaint about another file, found while reading this one."""
        self.count += 1
        if len(self._found) < PROBLEMS_MAX:
            self._found.add(problem)

    def forget(self) -> None:
        """Drop every complaint."""
        self.count = 0
        self._found.clear()

    @property
    def found(self) -> list[Problem]:
        """Return what is kept, in order."""
        return sorted(self._found, key=_position)

    @property
    def full(self) -> bool:
        """Say whether further complaints would only be counted."""
        return len(self._found) >= PROBLEMS_MAX

    def near(self, word: str, known: Iterable[str]) -> str | None:
        """Return a hint that names the known word most like this one, or None."""
        return None if self.full else did_you_mean(word, known, form="`{}`")

    def check(self, hint: str | None = None) -> None:
        """Raise InvalidInput with everything kept; do nothing when there is nothing."""
        if not self._found:
            return
        found = self.found
        many = count(len(found), "problem")
        if self.full and self.count > len(found):
            many = f"more than {PROBLEMS_MAX} problems, the first"
        raise InvalidInput(f"{self.file}: {many}", problems=found, hint=hint)

    def inside(self, line: int, column: int) -> tuple[int, int]:
        """Return a place, or the end of the last line where it is behind that: a mark needs one."""
        last = len(self._split()) - self._text.endswith(("\n", "\r"))
        return (last, len(self._split()[last - 1]) + 1) if 0 < last < line else (line, column)

    def _split(self) -> list[str]:
        if self._lines is None:
            self._lines = _LINE_END.split(self._text) if self._text else []
        return self._lines

    def source(self, line: int) -> str | None:
        """Return a line of the text, as far as a complaint shows it; None when it has no such."""
        if not 1 <= line <= len(self._split()):
            return None
        return self._split()[line - 1][:SOURCE_WIDTH_MAX]


def _printable(text: str) -> str:
    # A complaint quotes the file, and must neither break the line nor paint the terminal.
    text = text if len(text) <= MESSAGE_LENGTH_MAX else text[: MESSAGE_LENGTH_MAX - 3] + "..."
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _position(problem: Problem) -> tuple[str, int, int, str]:
    return problem.file, problem.line, problem.column, problem.message
