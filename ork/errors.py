"""Everything that can go wrong for a user, and the exit code of each.

    OrkError             1   raised on purpose; any other exception is a bug in ork (70)
      UsageError         2   the command line, or the call, makes no sense
      NotFound           3   no such name
      Ambiguous          3   one name for several things
      InvalidInput       3   a file is wrong, or other input
      StoreError         4   the store cannot be used
        Corrupt          4   bytes in it are not what they should be
        OtherFormat      4   it is of a format that this ork does not read
      Conflict           5   somebody else was faster

An error says what happened, to what, and what to do next. It is raised where the facts are known
and printed in one place, `ork.cli.app.main`. A new class needs a new thing for the user to *do*.
`some` is how a message tells of many names, `count` how it counts; `own_lines` is what a notebook
shows of an error.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from itertools import islice
from types import FrameType
from typing import NamedTuple

# A command stays as it is; an option may stand in backticks, too, and may have a value there.
_OPTION = r"`(?!-)[^`]*`|`--([a-z-]+)(?: ([^`]*))?`|(?<!\S)(-[io]|--[a-z][a-z-]*)(?: (\w+)=VALUE)?"
# Commands that a project has as methods: how many arguments they take there if not none.
CALLS = {"diff": 2, "rollback": 2}
CALLS |= dict.fromkeys(
    ("blame", "deploy", "log", "retry", "run", "runs", "show", "undo", "watch"), 1
)
OF_TASK = {"runs": "task_history", "show": "task"}
_CALL = rf"`ork ({'|'.join(CALLS)})((?: [^-`\s'][^`\s']*)*)`"
_ARGUMENTS = {
    "cmd": "judge",
    "from": "start",
    "except": "without",
    "i": "params",
    "o": "to",
}  # of those that Python calls otherwise


class OrkError(Exception):
    """Base of every error that ork raises on purpose; `hint` says what to do next."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(in_python(message))
        self.message = message
        self.hint = hint
        if hint:
            self.add_note(f"hint: {as_calls(hint)}")  # where Python itself shows an error

    def _render_traceback_(self) -> list[str]:
        return own_lines(self)  # which is what a notebook shows


class UsageError(OrkError):
    """The command line, or the call, asks for something that makes no sense."""

    exit_code = 2


class NotFound(OrkError):
    """No such name."""

    exit_code = 3


class Ambiguous(OrkError):
    """One name for several things; `candidates` lists them, ready to be printed."""

    exit_code = 3

    def __init__(
        self, message: str, *, candidates: Sequence[str] = (), hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.candidates = tuple(candidates)


class Problem(NamedTuple):
    """One complaint about a file. `line`, `column` count from 1; 0 means the file as a whole."""

    file: str
    message: str
    line: int = 0
    column: int = 0
    hint: str | None = None
    source: str | None = None  # the text of that line, for the caret


class InvalidInput(OrkError):
    """A workflow file, or other input, is wrong; `problems` holds all complaints in order."""

    exit_code = 3

    def __init__(
        self, message: str, *, problems: Sequence[Problem] = (), hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.problems = tuple(problems)
        for one in self.problems:
            place = f"{one.file}:{one.line}:{one.column}" if one.line else one.file
            self.add_note(f"{place}: {in_python(one.message)}")
            if one.hint:
                self.add_note(f"    hint: {as_calls(one.hint)}")


class StoreError(OrkError):
    """The store cannot be used: unreachable, locked, full, foreign, or of an unknown format."""

    exit_code = 4


class Corrupt(StoreError):
    """Stored bytes do not match their name, or are not what the format says."""


class OtherFormat(StoreError):
    """A store that is of a format which this ork does not read, and is whole for all it knows."""

    def __init__(self, place: object, found: object, known: int) -> None:
        from importlib.metadata import version

        this = version("ork-workflows")
        super().__init__(
            f"{place} has store format {found!r}, and this ork, {this}, reads format {known}",
            hint=f"a newer ork than {this} made it, and one that reads format {found} is needed:"
            " `pip install --upgrade ork-workflows`; nothing is to be repaired"
            if type(found) is int and found > known
            else f"it needs an ork that reads format {found!r}",
        )


class Conflict(OrkError):
    """Somebody else moved the ref first; nothing was written."""

    exit_code = 5


def in_python(words: str) -> str:
    """Return a message or a hint that names arguments in place of options, but in commands."""

    def argument(found: re.Match[str]) -> str:
        if not (option := (found[1] or found[3] or "").lstrip("-")):
            return found[0]
        name = _ARGUMENTS.get(option, option.replace("-", "_"))
        if found[4]:
            return f"`{name}={{{found[4]!r}: VALUE}}`"
        return f"`{name}={found[2]!r}`" if found[2] else f"`{name}`"

    return re.sub(_OPTION, argument, words)


def as_calls(hint: str) -> str:
    """Return a hint that names calls as well, in place of commands without options."""

    def call(found: re.Match[str]) -> str:
        name, words = found[1], found[2].split()
        if words and len(words) != CALLS[name]:
            return found[0]
        if any(":" in re.sub("^(file|run):", "", word) for word in words):
            name = OF_TASK.get(name, name)
        return f"`project.{name}({', '.join(map(repr, words))})`" if words else f"`project.{name}`"

    return in_python(re.sub(_CALL, call, hint))


def some(names: Collection[str], at_most: int) -> str:
    """Return names for a sentence: the first of them, and how many there are besides."""
    more = f" and {len(names) - at_most:,} more" if len(names) > at_most else ""
    return ", ".join(islice(names, at_most)) + more


def count(number: int, noun: str) -> str:
    """Return "1 task", "2 tasks"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def own_lines(error: BaseException) -> list[str]:
    """Return a traceback of the caller's own lines, without those of ork, and the error."""
    from itertools import takewhile
    from traceback import StackSummary, format_exception_only, walk_tb

    def room(frame: FrameType) -> str:
        return str(frame.f_globals.get("__name__")).partition(".")[0]

    outside = takewhile(lambda one: room(one[0]) != "ork", walk_tb(error.__traceback__))
    own = StackSummary.extract(one for one in outside if room(one[0]) != "IPython")
    lines = [*own.format(), *format_exception_only(error)]
    return [line.rstrip("\n") for line in lines]
