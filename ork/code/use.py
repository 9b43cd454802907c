"""One thing that a text executes, and where the text says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

from ork.objects.value import Value

# What a word can be: each text that is possible, and None for any other.
Values: TypeAlias = frozenset[str | None]

# file, folder, outside (a link leads out), data (excluded, there or not), or None
Kind: TypeAlias = Callable[[str], str | None]
Read: TypeAlias = Callable[[str], bytes | None]  # None: the file cannot be had
Names: TypeAlias = Callable[[str], Iterable[str]]  # what lies in a folder

# Beginnings of paths that only the reader of the text knows. What comes after is joined to it, as
# in OWN + "/../lib.sh", a neighbour of the file that is read.
OWN = "\0own"  # the file that is read, as BASH_SOURCE and __file__ tell
ZERO = "\0zero"  # the script that was started, as $0 tells
WORK = "\0work"  # the working directory in which that was started
INC = "\0inc"  # each folder where the language of the file searches for modules

UNKNOWN: Values = frozenset((None,))
HERE: Values = frozenset((WORK,))


class Use(NamedTuple):
    """A file, a module or a piece of code that a text executes.

    `paths` are the possible ones, absolute or with one of the beginnings above; `folders` the
    working directories in which it may start. The place counts from 1. A command is the name of a
    program, which may mean any; what is given to a program nobody knows it may execute or not, nor
    what code has the name of; what is loaded is code that a program finds by rules of its own. A
    package is a name to which tables of node may give a meaning.
    """

    # program | command | given | named | loaded | package | script | sourced | module | code |
    # imported | unclear, or of a module hidden: not found where it lies, or data
    role: str
    language: str = ""  # shell | python | closed (loads nothing) | other; "": its first line tells
    paths: Values = frozenset()
    text: str = ""  # the module or the code; else the words as they are written
    line: int = 1
    column: int = 1
    folders: Values = HERE
    search: Values = frozenset()  # folders in which Python searches as well
    is_optional: bool = False  # no wonder if there is no such file
    is_input: bool = False  # is read from standard input, so that it has no folder of its own

    @property
    def is_unclear(self) -> bool:
        """Say whether it is not known what is executed, so that a person could say it."""
        return None in self.paths and self.role != "unclear"

    def within_program(self) -> Use:
        """Return it as it is of a command that a program makes: nobody can say more about that."""
        return Use("unclear") if self.is_unclear and self.role != "loaded" else self


class Code(NamedTuple):
    """What a text executes, the files that it writes, and where Python then searches as well.

    Copies are pairs: a file that is written, and one of those that it is made of.
    """

    uses: tuple[Use, ...] = ()
    writes: frozenset[str] = frozenset()
    search: frozenset[str] = frozenset()
    copies: frozenset[tuple[str, str]] = frozenset()


class Unreadable(Value, frozen=True):
    """The reason why a text is not Python; line and column count from 1, 0 means the whole text."""

    line: int
    column: int
    message: str
    source: str | None = None


def joined(folder: str | None, path: str | None) -> str | None:
    """Return a path as it is seen from a folder."""
    if path is None or path.startswith(("/", "\0")):
        return path
    return None if folder is None else f"{folder}/{path}"


def above(path: str | None) -> str | None:
    """Return the folder of a path."""
    if path is None or (not path.startswith("\0") and "/" not in path):
        return path and "."
    return f"{path}/.."


def plain(path: str) -> str | None:
    """Return a path in its shortest form, "" for the root; None for one outside."""
    if path.startswith(("/", "../")) or path == ".." or "\0" in path:
        return None
    return "" if path == "." else path
