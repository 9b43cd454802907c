"""Words of commands: what they can be, and what a shell that meets them may know."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import NamedTuple

from ork.code.use import HERE, UNKNOWN, Values, above

POSSIBLE_MAX = 32  # texts that a word may have; with more it can be anything
PATH_MAX = 4096  # characters
HOME = "/~"  # somebody's own folder, which is none of the project

SIMPLE = re.compile(r"[\w./:,@%+-]+(?=[\s;]|\Z)")  # a whole word that is what it says
_GLOB = frozenset("*?[")


class Word(NamedTuple):
    """One word of a command: what it can be, and its source text."""

    values: Values
    text: str  # with its quotes gone and what the shell expands as it is written
    start: int
    is_plain: bool = False  # no quotes and nothing to expand
    name: str = ""  # of NAME=VALUE, whose value alone the values are

    @property
    def only(self) -> str | None:
        """The one text that the word can be, None when that is not known."""
        return next(iter(self.values)) if len(self.values) == 1 else None


@dataclass(slots=True)
class State:
    """Where the shell may be, and what its variables may hold."""

    folders: Values = HERE
    variables: dict[str, Values] = field(default_factory=dict)

    def copy(self) -> State:
        return State(self.folders, dict(self.variables))

    def take(self, other: State) -> None:
        """Become what may be either of the two."""
        self.folders |= other.folders
        for name in self.variables.keys() | other.variables.keys():
            both = self.variables.get(name, UNKNOWN) | other.variables.get(name, UNKNOWN)
            self.variables[name] = both

    def beyond(self, other: State) -> list[str]:
        """Return the variables that may hold what they cannot in the other state."""
        both = other.variables.items()
        return [name for name, values in both if not self.variables.get(name, UNKNOWN) <= values]

    def is_within(self, other: State) -> bool:
        """Say whether nothing is possible here that is not there; new variables do not count."""
        return self.folders <= other.folders and not self.beyond(other)


@dataclass(slots=True)
class Command:
    """A simple command while it is read."""

    words: list[Word] = field(default_factory=list)
    assigned: dict[str, Values] = field(default_factory=dict)
    stdin: Word | None = None  # the file that it reads
    given: Word | None = None  # the text that it reads: a here-document
    piped: bool = False
    otherwise: bool = False  # runs only if what is before it fails
    has_redirection: bool = False


def simple(match: re.Match[str]) -> Word:
    return Word(frozenset((match.group(),)), match.group(), match.start(), True)


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


def answer(ran: list[list[Values]], state: State) -> Values:
    """Return what the output of these commands can be; most commands are not known."""
    if not ran:
        return UNKNOWN
    name, *rest = ran[-1]
    if name == frozenset(("pwd",)):
        return state.folders
    if len(ran) > 1 or not rest:
        return UNKNOWN
    if name == frozenset(("dirname",)):
        return frozenset(map(above, rest[-1]))
    if name in (frozenset(("realpath",)), frozenset(("readlink",))):
        return rest[-1]
    if name == frozenset(("echo",)) and len(rest) == 1:
        return rest[0]
    return UNKNOWN
