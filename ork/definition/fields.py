"""Single values of a workflow file: each function reads one node, or complains and gives None."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from ork.definition.types import is_number, show
from ork.objects.canonical import INTEGER_MAX
from ork.objects.kinds import is_name
from ork.schedule.durations import seconds_of
from ork.yaml.nodes import Node
from ork.yaml.problems import Problems

PATH_LENGTH_MAX = 1024
WORD_BYTES_MAX = 128 * 1024 - 1  # of a command; Linux starts no program with a longer one
NAME_HINT = (
    "a name has letters a-z, digits, `_`, `-`, single `.`; at most 128, the first no `.` or `-`"
)
Value = TypeVar("Value")

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_SHELLS = ("sh", "bash", "dash", "zsh", "ksh")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def mapping(
    node: Node, what: str, known: Collection[str], problems: Problems, other: Mapping[str, str]
) -> dict[str, Node]:
    """Return the values that are given, without those that are null; complain of unknown keys.

    `other` maps words that other tools use to the word that is meant here, or to a sentence about
    what there is instead.
    """
    if not isinstance(node.value, dict):
        form = f"a mapping is keys with their values, as in `{next(iter(known), 'KEY')}: ...`"
        problems.at(node, f"{what} must be a mapping, not {show(node.value)}", form)
        return {}
    found = {}
    empty: Node | None = None  # the key before, if nothing is below it
    for name, (key, value) in node.value.items():
        if name not in known:
            meant = other.get(name, "")
            first, _, rest = name.partition(":")
            if rest and first in known and value.value is None:
                meant = f"a space is missing: `{first}: {rest}`"
            hint = meant if " " in meant else f"did you mean `{meant}`?" if meant else None
            hint = hint or problems.near(name, known)
            if empty and not hint:
                hint = f"if it is part of `{empty.value}`, indent it below line {empty.line}"
            hint = hint or f"{what} has: {', '.join(known)}"
            problems.at(key, f"unknown key `{name}` in {what}", hint)
        elif value.value is None:
            empty = key
        else:
            empty, found[name] = None, value
    return found


def text(node: Node, what: str, problems: Problems) -> str | None:
    """Return a text without NUL that is not empty."""
    value = node.value
    if not isinstance(value, str):
        scalar = not isinstance(value, (list, dict))
        problems.at(
            node, f"{what} must be a text, not {show(value)}", "quote it" if scalar else None
        )
    elif not value.strip():
        problems.at(node, f"{what} is empty")
    elif "\0" in value:
        problems.at(node, f"{what} contains the character NUL")
    else:
        return value
    return None


def name(node: Node, what: str, problems: Problems) -> str | None:
    """Return a name, as of a workflow or a task."""
    value = text(node, what, problems)
    if value is None or is_name(value):
        return value
    known = (
        f"a {'space' if c == ' ' else short(c)} cannot stand in it; "
        for c in value
        if not is_name(f"a{c}b")
    )
    problems.at(node, f"{what} cannot be {short(value)}", next(known, "") + NAME_HINT)
    return None


def number(
    node: Node, what: str, problems: Problems, *, least: float, above: bool = False
) -> float | None:
    """Return a number that is at least (or above) this; whole ones as int."""
    value = node.value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        quoted = isinstance(value, str) and is_number(value)
        hint = "write it without quotes" if quoted else None
        problems.at(node, f"{what} must be a number, not {show(value)}", hint)
        return None
    if value < least or (above and value == least):
        bound = f"more than {least:g}" if above else f"at least {least:g}"
        problems.at(node, f"{what} must be {bound}, not {value}")
        return None
    return int(value) if value == int(value) else value


def scaled(
    node: Node, what: str, problems: Problems, *, unit: int, least: float, above: bool = False
) -> int | None:
    """Return a number as the nearest whole count of small units, so many to one."""
    value = number(node, what, problems, least=least, above=above)
    if value is None:
        return None
    count, most = round(value * unit), INTEGER_MAX // unit
    if value > most:
        problems.at(node, f"{what} must be at most {most}, not {node.value}")
        return None
    if above and count == 0:
        problems.at(node, f"{what} must be at least {1 / unit:f}, not {node.value}")
        return None
    return count


def duration(
    node: Node, what: str, problems: Problems, *, unit: int, least: float, above: bool = False
) -> int | None:
    """Return seconds, or a text such as `5m` or `1h30m`, as a whole count of small units."""
    value = node.value
    if isinstance(value, (list, dict)):
        problems.at(node, f"{what} must be a time, not {show(value)}", "as in `5m` or `1h30m`")
        return None
    if isinstance(value, str):
        seconds = seconds_of(value)
        if seconds is None:
            hint = "write it without quotes, or " if is_number(value) else ""
            hint += "as in `30s`, `5m`, `1h30m`, `2d`, `500ms`, or a number of seconds such as 0.5"
            hint += "; `none` is no limit" if what == "timeout" else ""
            problems.at(node, f"{what} cannot be {short(value)}", hint)
            return None
        node = Node(seconds, node.place)
    return scaled(node, what, problems, unit=unit, least=least, above=above)


def whole(node: Node, what: str, problems: Problems, *, least: int) -> int | None:
    """Return a whole number that is at least this."""
    value = number(node, what, problems, least=least)
    if isinstance(value, float):
        problems.at(node, f"{what} must be a whole number, not {value}")
        return None
    if value is not None and value > INTEGER_MAX:
        problems.at(node, f"{what} must be at most {INTEGER_MAX}, not {node.value}")
        return None
    return value


def flag(node: Node, what: str, problems: Problems) -> bool | None:
    """Return true or false."""
    if isinstance(node.value, bool):
        return node.value
    problems.at(node, f"{what} must be true or false, not {show(node.value)}")
    return None


def choice(
    node: Node, what: str, problems: Problems, *, words: Collection[str], other: Mapping[str, str]
) -> str | None:
    """Return one of these words."""
    value = text(node, what, problems)
    if value is None or value in words:
        return value
    near = other.get(value)
    hint = f"did you mean `{near}`?" if near else problems.near(value, words)
    listed = ", ".join(words)
    problems.at(node, f"{what} must be one of {listed}, not {short(value)}", hint)
    return None


def sequence(node: Node, what: str, hint: str, problems: Problems) -> list[Node]:
    """Return the elements of a list."""
    if isinstance(node.value, list):
        return node.value
    problems.at(node, f"{what} must be a list, not {show(node.value)}", hint)
    return []


def path(node: Node, what: str, problems: Problems, *, is_pattern: bool = False) -> str | None:
    """Return a relative POSIX path in its shortest form, which stays below the root."""
    value = text(node, what, problems)
    if value is None:
        return None
    wrong = _path_error(value, is_pattern=is_pattern)
    if wrong is not None:
        message, hint = wrong
        problems.at(node, f"{what}: {message}", hint)
        return None
    return posixpath.normpath(value)


def root(node: Node, what: str, problems: Problems) -> str | None:
    """Return a path that leads upwards only; None as well for the folder of the file itself."""
    value = text(node, what, problems)
    if value is None:
        return None
    short = posixpath.normpath(value)
    if value.startswith("/") or {*short.split("/")} - {".", ".."}:
        hint = "as in `root: ..`: the folder above that of the workflow file"
        problems.at(node, f"{what} leads upwards, and no other way", hint)
        return None
    return None if short == "." else short


@lru_cache  # most tasks name the same few files
def _path_error(value: str, *, is_pattern: bool) -> tuple[str, str] | None:
    """Return the mistake in a path of a workflow file, and how to mend it, or None."""
    relative = "write a path relative to the folder of the workflow file"
    if len(value) > PATH_LENGTH_MAX:
        return f"a path of more than {PATH_LENGTH_MAX} characters", relative
    if _CONTROL.search(value):
        return "a path with a control character", relative
    if "\\" in value:
        return "a path with a backslash", "write `/` between folders"
    if value.startswith("/"):
        return f"the path {short(value)} is absolute", relative
    if value.startswith("~") or "://" in value:
        return f"{short(value)} is not a path below the workflow file", relative
    shortest = posixpath.normpath(value)
    if shortest == ".." or shortest.startswith("../"):
        hint = "code must lie in the folder of the workflow file or below"
        return f"the path {short(value)} leaves the folder of the workflow file", hint
    if shortest == "." or value.endswith(("/", "/.")):
        hint = f"name a file, or {posixpath.normpath(f'{shortest}/**')}" if is_pattern else ""
        return f"the path {short(value)} names a folder, not a file", hint or "name one file"
    return None


def dotted(node: Node, what: str, problems: Problems) -> str | None:
    """Return a dotted Python name."""
    value = text(node, what, problems)
    if value is None or all(map(str.isidentifier, value.split("."))):
        return value
    hint = "dotted names, as in `tasks.etl`" if what == "module" else "a Python name"
    before, colon, name = value.rpartition(":")
    if what == "function" and colon and name.isidentifier():
        place = "file" if before.endswith(".py") else "module"
        hint = f"`{place}: {before}` and `function: {name}`"
    if what == "module" and ("/" in value or value.endswith(".py")):
        hint = "a path belongs in `file:`"
    problems.at(node, f"{what} cannot be {short(value)}", hint)
    return None


def command(node: Node, what: str, problems: Problems) -> str | tuple[str, ...] | None:
    """Return a line for a shell, or the words of a command as a tuple."""
    if isinstance(node.value, list):
        return _words(node, what, problems)
    line = text(node, what, problems)
    if line is not None:
        _check_length(node, line, problems)
    return line


def shell(node: Node, what: str, problems: Problems) -> tuple[str, ...] | None:
    """Return the words that start a shell; the line of a command is the last word after them."""
    if not isinstance(node.value, list):
        message = f"{what} must be a list of words, not {show(node.value)}"
        problems.at(node, message, "as in `shell: [bash, -euo, pipefail, -c]`")
        return None
    words = _words(node, what, problems)
    program, *options = words or ("",)
    if is_shell(program) and not any(
        word.startswith("-") and word.endswith("c") for word in options
    ):
        message = f"{what}: without `-c`, {program} takes a line for the name of a file"
        problems.at(node, message, "as in `shell: [bash, -euo, pipefail, -c]`")
    return words


def is_shell(program: str) -> bool:
    """Say whether this program is a shell of POSIX."""
    return posixpath.basename(program) in _SHELLS


def shell_of(line: str) -> tuple[str, ...]:
    """Return what a line is given to where no shell is chosen: several stop where one fails."""
    several = "\n" in line.strip()
    return ("/bin/sh", "-e", "-c") if several else ("/bin/sh", "-c")


def _words(node: Node, what: str, problems: Problems) -> tuple[str, ...] | None:
    assert isinstance(node.value, list)
    words = [_word(below, what, problems) for below in node.value]
    if not words:
        problems.at(node, f"{what} is empty")
    elif words[0] is not None and not words[0].strip():
        problems.at(node.value[0], f"the first word of a {what} is a program")
    found = tuple(word for word in words if word is not None)
    return found if found and len(found) == len(words) else None


def is_variable(name: str) -> bool:
    """Say whether an environment variable can have this name in a shell."""
    return _VARIABLE.fullmatch(name) is not None


def each(
    nodes: Mapping[str, Node],
    key: str,
    read: Callable[..., Value | None],
    problems: Problems,
    **options: Any,
) -> Value | None:
    """Return the value of one key as `read` returns it, None when the key is not given."""
    node = nodes.get(key)
    return None if node is None else read(node, key, problems, **options)


def _word(node: Node, what: str, problems: Problems) -> str | None:
    value = node.value
    if isinstance(value, str) and "\0" not in value:
        _check_length(node, value, problems)
        return value
    message = f"a word of a {what} must be a text, not {show(value)}"
    problems.at(node, message, None if isinstance(value, (list, dict)) else "quote it")
    return None


def _check_length(node: Node, word: str, problems: Problems) -> None:
    if len(word.encode("utf-8", "surrogatepass")) > WORD_BYTES_MAX:
        message = "no command of more than 128 KiB can be started"
        problems.at(node, message, "put it into a script of its own: `file: script.sh`")


def short(value: str) -> str:
    """Return a text as a complaint quotes it."""
    return repr(value if len(value) <= 60 else value[:57] + "...")
