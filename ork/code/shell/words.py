"""Words of commands, and what they can be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import NamedTuple

from ork.code.use import UNKNOWN, Values

POSSIBLE_MAX = 32  # texts that a word may have; with more it can be anything
PATH_MAX = 4096  # characters
HOME = "/~"  # somebody's own folder, which is none of the project

PIPES_MAX = 8  # programs that read from one another

_GLOB = frozenset("*?[")
_TELLING = frozenset(  # that print nothing of files
    [
        "echo",
        "printf",
        "ls",
        "find",
        "seq",
        "date",
        "dirname",
        "basename",
        "realpath",
        "readlink",
        "wc",
        "stat",
    ]
)


class Printed(NamedTuple):
    """A file of which a program prints something: all as it is, or what it makes of that."""

    file: Word
    is_whole: bool


class Word(NamedTuple):
    """One word of a command: what it can be, and its source text."""

    values: Values
    text: str  # with its quotes gone and what the shell expands as it is written
    start: int
    is_plain: bool = False  # no quotes and nothing to expand
    name: str = ""  # of NAME=VALUE, whose value alone the values are
    is_split: bool = False  # has what the shell expands outside of quotes, and then splits
    printed: tuple[Printed, ...] = ()  # the files in it, by programs whose output it holds

    @property
    def only(self) -> str | None:
        """The one text that the word can be, None when that is not known."""
        return next(iter(self.values)) if len(self.values) == 1 else None

    @property
    def is_printed(self) -> bool:
        """Say whether programs print it, of files that are named, so that it can be anything."""
        return bool(self.printed) and None in self.values

    @property
    def is_file(self) -> bool:
        """Say whether it is a file that has the output of a program, as in <(cat x)."""
        return self.text.startswith("<(")

    @property
    def split_values(self) -> Values:
        """What it can be of which the shell makes several words, or none."""
        if not self.is_split:
            return frozenset()
        return frozenset(v for v in self.values if v is not None and v.split() != [v])

    def split(self) -> list[Word]:
        """Return the words that the shell makes of this one."""
        if not self.split_values:
            return [self]
        if self.only is None:
            return [self._replace(values=UNKNOWN)]
        parts = self.only.split()
        return [Word(literal(part, is_first=False), part, self.start) for part in parts]

    def as_text(self, text: str) -> Word:
        """Return a word that is not written, in the place of this one."""
        return Word(frozenset((text,)), text, self.start, is_plain=True)

    def after(self, length: int) -> Word:
        """Return the word without its first characters."""
        values = frozenset(value and value[length:] for value in self.values)
        return self._replace(values=values, text=self.text[length:])


@dataclass(slots=True)
class Command:
    """A simple command while it is read."""

    before: str = ""  # the operator between the last command and this one
    words: list[Word] = field(default_factory=list)
    assigned: dict[str, Values] = field(default_factory=dict)
    stdin: Word | None = None  # the file that it reads
    given: Word | None = None  # the text that it reads: a here-document
    piped: Command | None = None  # the one whose output it reads
    targets: list[Word] = field(default_factory=list)  # the files that its output goes to
    is_apart: bool = False  # in a shell of its own, for a pipe or in the background

    def printed(self) -> Iterator[Printed]:
        """Yield the files of which it prints something, with those of what it reads from."""
        one: Command | None = self
        is_whole, number = True, 0
        while one is not None and number < PIPES_MAX:
            name = one.words[0].text if one.words else "cat"
            is_whole, number = is_whole and name == "cat", number + 1
            if name not in _TELLING:
                for word in (*one.words[1:], *filter(None, [one.stdin])):
                    if not word.text.startswith("-"):
                        yield Printed(word, is_whole)
            one = one.piped

    def text(self) -> Word | None:
        """Return what it prints if that stands in the text itself."""
        if len(self.words) == 1 and self.words[0].text == "cat":
            return self.given
        if not self.words or self.words[0].text not in ("echo", "printf"):
            return None
        words = [word for word in self.words[1:] if word.text not in ("-e", "-n", "--")]
        if not words or any(word.only is None for word in words):
            return None
        text = " ".join(map(str, (word.only for word in words))).replace("\\n", "\n")
        return words[0]._replace(values=frozenset((text,)), text=text)


def literal(part: str, *, is_first: bool) -> Values:
    """Return what an unquoted piece of a word can be."""
    if is_first and part.startswith("~") and part[1:2] in ("", "/"):
        return frozenset((HOME + part[1:],))
    if part == "[" or (_GLOB.isdisjoint(part) and not ("{" in part and "," in part)):
        return frozenset((part,))
    return UNKNOWN


def together(parts: Sequence[Values]) -> Values:
    """Return what a word of several parts can be."""
    number = 1
    for values in parts:
        number *= len(values)
    if number > POSSIBLE_MAX:
        return UNKNOWN
    return frozenset(map(_one_text, product(*parts)))


def _one_text(parts: tuple[str | None, ...]) -> str | None:
    text = ""
    for part in parts:
        # A path that has a beginning cannot go on after something else, but in a list of paths.
        if part is None or (part.startswith("\0") and text and not text.endswith(":")):
            return None
        text += part
    return text if len(text) <= PATH_MAX else None


def outside(line: str, quotes: str) -> str:
    """Return what a shell reads of a line, without comments and what stands in these quotes.

    In double quotes it reads a command, as in "$(awk '{print $1}')", which has quotes of its own.
    """

    def kept(match: re.Match[str]) -> str:
        part = match[0]
        if part[0] not in "'\"" or part[0] in quotes:
            return " "
        return re.sub("'[^']*'", " ", part) if "$(" in part and "'" in quotes else part

    return _PARTS.sub(kept, line)


_PARTS = re.compile(
    r"""'[^']*'|"(?:[^"\\]|\\.)*"|\\.|(?:^|(?<=\s))#[^\n]*""", re.DOTALL | re.MULTILINE
)
