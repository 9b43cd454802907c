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
`some` is how a message tells of many names, `quoted` of one, `count` how it counts, `pip_install`
what installs a package beside ork; `own_lines` is what a notebook shows of an error.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable, Collection, Sequence
from itertools import islice, takewhile
from types import FrameType
from typing import Literal, NamedTuple, TypeAlias, TypeVar

T = TypeVar("T")

# A command stays as it is; an option may stand in backticks, too, and may have a value there.
_OPTION = r"`(?!-)[^`]*`|`--([a-z-]+)(?: ([^`]*))?`|`-i (\w+)=VALUE`|(?<!\S)(-[io]|--[a-z][a-z-]*)"
# Commands that Python has as calls: what it says, and how many arguments at most stand there.
CALLS = {
    "archive --undo": ("project.unarchive", 1),
    "bundle create": ("project.create_bundle", 2),
    "clone": ("ork.clone", 2),
    "export git": ("project.export_git", 2),
    "fsck": ("ork.fsck", 0),
    "fsck --repair": ("ork.repair", 0),
    "import bundle": ("project.import_bundle", 1),
    "import git": ("project.import_git", 1),
    "import ork-db": ("project.import_ork_db", 1),
    "init": ("ork.open(create=True)", 0),
    "init --from": ("ork.restore_backup", 1),
    "mv": ("project.move", 2),
    "ops": ("project.operations", 1),
    "remote": ("project.remotes", 0),
    "remote add": ("project.add_remote", 2),
    "remote rm": ("project.remove_remote", 1),
    "run --queue": ("project.queue", 1),
    "runs --tasks": ("project.task_times", 1),
    "schedule backfill": ("project.backfill", 1),
    "schedule late": ("project.late", 1),
    "schedule list": ("project.schedules", 1),
    "schedule pause": ("project.pause", 1),
    "schedule resume": ("project.resume", 1),
    "schedule resume --all": ("project.resume_all", 0),
    "tag -l": ("project.tags", 1),
    "workflows --all": ("project.workflows(with_archived=True)", 0),
}
CALLS |= {
    name: (f"project.{name}", most)
    for most, names in {
        0: "gc workflows",
        1: "archive backup bisect blame cancel check deploy fetch graph log logs outputs report"
        " restore retry run runs show status undo watch",
        2: "diff pull push rollback tag",
    }.items()
    for name in names.split()
}
OF_TASK = {"runs": "project.task_history", "show": "project.task"}
# Options that are arguments of those: with a value, and those that are or are not there.
_GIVEN = {"author", "base", "branch", "containing", "except", "from", "only", "path"}
_GIVEN |= {"since", "status", "until"}
_FLAGS = {"code", "damaged", "follow", "force", "keys", "latest", "move", "new", "prune", "redo"}
_FLAGS |= {"update"}
_FURTHER = {"diff": "tasks", "undo": "workflows"}  # what more words are, where Python has no place
_ARGUMENTS = {
    "cmd": "judge",
    "from": "start",
    "except": "without",
    "i": "params",
    "o": "to",
    "status": "states",
}  # of those that Python calls otherwise
NAME_SHOWN_MAX = 80  # characters: what somebody takes for a name can be a whole page


class OrkError(Exception):
    """Base of every error that ork raises on purpose; `hint` says what to do next.

    It names commands; the note that Python shows with an error names the calls in their place.
    """

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


# What a complaint is about, for programs that group them; most of what is wrong in a file has none.
Kind: TypeAlias = Literal[
    "date-as-text",
    "doomed-task",
    "doubtful-command",
    "env-value",
    "hidden-module",
    "invalid-python",
    "leading-zero",
    "late-retry",
    "linked-script",
    "missing-python",
    "not-executable",
    "null-output",
    "relative-import",
    "secret",
    "uncaptured-code",
    "windows-line-ends",
]


class Problem(NamedTuple):
    """One complaint about a file. `line`, `column` count from 1; 0 means the file as a whole."""

    file: str
    message: str
    line: int = 0
    column: int = 0
    hint: str | None = None
    source: str | None = None  # the text of that line, for the caret
    kind: Kind | None = None


class InvalidInput(OrkError):
    """A workflow file, or other input, is wrong; `problems` holds all complaints in order."""

    exit_code = 3

    def __init__(
        self, message: str, *, problems: Sequence[Problem] = (), hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.problems = tuple(problems)
        told = [*self.args]
        for one in self.problems:
            place = f"{one.file}:{one.line}:{one.column}" if one.line else one.file
            told.append(f"{place}: {in_python(one.message)}")
            if one.hint:
                told.append(f"    hint: {as_calls(one.hint)}")
        self.args = ("\n".join(told),)


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
            f" {pip_install('-U', 'ork-workflows')}; nothing is to be repaired"
            if type(found) is int and found > known
            else f"it needs an ork that reads format {found!r}",
        )


class Conflict(OrkError):
    """Somebody else moved the ref first; nothing was written."""

    exit_code = 5


def in_python(words: str) -> str:
    """Return a message or a hint that names arguments in place of options, but in commands."""

    def argument(found: re.Match[str]) -> str:
        if found[3]:
            return f"`params={{{found[3]!r}: VALUE}}`"
        if not (option := (found[1] or found[4] or "").lstrip("-")):
            return found[0]
        name = _ARGUMENTS.get(option, option.replace("-", "_"))
        return f"`{name}={found[2]!r}`" if found[2] else f"`{name}`"

    return re.sub(_OPTION, argument, words)


def as_calls(hint: str) -> str:
    """Return a hint that names calls in place of commands, as far as Python has the same."""
    return in_python(re.sub("`ork ([^`]+)`", lambda found: _call(found[1]) or found[0], hint))


def _call(command: str) -> str | None:
    """Return how Python says a command, if it can."""
    try:
        words = shlex.split(command)
    except ValueError:  # a quote that nothing ends
        return None
    heads = (" ".join(words[:number]) for number in (3, 2, 1))
    if (head := next((one for one in heads if one in CALLS), None)) is None:
        return None
    called, most = CALLS[head]
    arguments, options, values = list[str](), list[str](), list[str]()
    rest = iter(words[head.count(" ") + 1 :])
    for word in rest:
        if word == "--":
            options.append(f"{_FURTHER.get(head, 'names')}={[*rest]!r}")
        elif not word.startswith("-"):
            arguments.append(word)
        elif word == "-i":
            name, _, value = next(rest, "").partition("=")
            values.append(f"{name!r}: {value}")
        elif (option := word.removeprefix("--")) in _FLAGS:
            options.append(f"{option}=True")
        elif option in _GIVEN:
            options.append(f"{_ARGUMENTS.get(option, option)}={next(rest, '')!r}")
        else:
            return None
    if further := arguments[most:]:
        if head != "undo":
            return None
        options.append(f"{_FURTHER[head]}={further!r}")
    if any(":" in re.sub("^(file|run):", "", word) for word in arguments):
        called = OF_TASK.get(head, called)
    options += [f"params={{{', '.join(values)}}}"] if values else []
    given = ", ".join([*map(repr, arguments[:most]), *options])
    return f"`{called}({given})`" if given else f"`{called}`"


def some(things: Collection[T], at_most: int, words: Callable[[T], str] = str) -> str:
    """Return names for a sentence: the first of them, and how many there are besides.

    `words` are those of one thing.
    """
    more = f" and {len(things) - at_most:,} more" if len(things) > at_most else ""
    return ", ".join(map(words, islice(things, at_most))) + more


def quoted(name: str) -> str:
    """Return a name as a message has it: in quotes, and of a long one its beginning."""
    begin = name.partition("\n")[0][:NAME_SHOWN_MAX]
    return repr(begin if begin == name else f"{begin}...")


def count(number: int, noun: str) -> str:
    """Return "1 task", "2 tasks"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def pip_install(*words: str) -> str:
    """Return the command that installs something for the Python that executes this: for ork."""
    return f"`{shlex.join([sys.executable, '-m', 'pip', 'install', *words])}`"


def own_lines(error: BaseException) -> list[str]:
    """Return a traceback of the caller's own lines, without those of ork, and the error."""
    from traceback import StackSummary, format_exception_only, walk_tb

    def room(frame: FrameType) -> str:
        return str(frame.f_globals.get("__name__")).partition(".")[0]

    outside = takewhile(lambda one: room(one[0]) != "ork", walk_tb(error.__traceback__))
    own = StackSummary.extract(one for one in outside if room(one[0]) != "IPython")
    lines = [*own.format(), *format_exception_only(error)]
    return [line.rstrip("\n") for line in lines]
