"""Single values of a workflow file: each function reads one node, or complains and gives None."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias, TypeVar

from ork.definition.types import show
from ork.objects.canonical import INTEGER_MAX, Json
from ork.objects.kinds import is_name
from ork.yaml.nodes import Node
from ork.yaml.problems import Problems

PATH_LENGTH_MAX = 1024
NAME_HINT = "a name has letters, digits, `_`, `.`, `-`; at most 128, the first a letter or digit"
Value = TypeVar("Value")
Env: TypeAlias = "dict[str, Json]"

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def mapping(
    node: Node, what: str, known: Collection[str], problems: Problems, other: Mapping[str, str]
) -> dict[str, Node]:
    """Return the values that are given, without those that are null; complain of unknown keys.

    `other` maps words that other tools use to the word that is meant here.
    """
    if not isinstance(node.value, dict):
        problems.at(node, f"{what} must be a mapping, not {show(node.value)}")
        return {}
    for name, (key, _) in node.value.items():
        if name not in known:
            hint = f"did you mean `{other[name]}`?" if name in other else problems.near(name, known)
            hint = hint or f"{what} has: {', '.join(known)}"
            problems.at(key, f"unknown key `{name}` in {what}", hint)
    return {
        name: value
        for name, (_, value) in node.value.items()
        if value.value is not None and name in known
    }


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
    problems.at(node, f"{what} cannot be {_short(value)}", NAME_HINT)
    return None


def number(
    node: Node, what: str, problems: Problems, *, least: float, above: bool = False
) -> float | None:
    """Return a number that is at least (or above) this; whole ones as int."""
    value = node.value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        hint = f"as in `{what}: 600`" if what == "timeout" else None
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
    problems.at(node, f"{what} must be one of {listed}, not {_short(value)}", hint)
    return None


def sequence(node: Node, what: str, hint: str, problems: Problems) -> list[Node]:
    """Return the elements of a list."""
    if isinstance(node.value, list):
        return node.value
    problems.at(node, f"{what} must be a list, not {show(node.value)}", hint)
    return []


def path(node: Node, what: str, problems: Problems) -> str | None:
    """Return a relative POSIX path in its shortest form, which stays below the root."""
    value = text(node, what, problems)
    if value is None:
        return None
    wrong = path_error(value)
    if wrong is not None:
        message, hint = wrong
        problems.at(node, f"{what}: {message}", hint)
        return None
    return posixpath.normpath(value)


def path_error(value: str) -> tuple[str, str] | None:
    """Return the mistake in a path of a workflow file, and how to mend it, or None."""
    relative = "write a path relative to the folder of the workflow file"
    if len(value) > PATH_LENGTH_MAX:
        return f"a path of more than {PATH_LENGTH_MAX} characters", relative
    if _CONTROL.search(value):
        return "a path with a control character", relative
    if "\\" in value:
        return "a path with a backslash", "write `/` between folders"
    if value.startswith("/"):
        return f"the path {_short(value)} is absolute", relative
    if value.startswith("~") or "://" in value:
        return f"{_short(value)} is not a path below the workflow file", relative
    short = posixpath.normpath(value)
    if short == ".." or short.startswith("../"):
        hint = "code must lie in the folder of the workflow file or below"
        return f"the path {_short(value)} leaves the folder of the workflow file", hint
    if short == "." or value.endswith(("/", "/.")):
        return f"the path {_short(value)} names a folder, not a file", "name one file"
    return None


def dotted(node: Node, what: str, problems: Problems) -> str | None:
    """Return a dotted Python name."""
    value = text(node, what, problems)
    if value is None or all(part.isidentifier() for part in value.split(".")):
        return value
    hint = "dotted names, as in `tasks.etl`" if what == "module" else "a Python name"
    if what == "module" and ("/" in value or value.endswith(".py")):
        hint = "a path belongs in `file:`"
    problems.at(node, f"{what} cannot be {_short(value)}", hint)
    return None


def command(node: Node, what: str, problems: Problems) -> str | tuple[str, ...] | None:
    """Return a line for /bin/sh, or the words of a command as a tuple."""
    if not isinstance(node.value, list):
        return text(node, what, problems)
    words = [_word(below, problems) for below in node.value]
    if not words:
        problems.at(node, f"{what} is empty")
    elif words[0] is not None and not words[0].strip():
        problems.at(node.value[0], "the first word of a command is a program")
    found = tuple(word for word in words if word is not None)
    return found if found and len(found) == len(words) else None


def environment(node: Node, what: str, problems: Problems) -> Env:
    """Return variables: each a text, or `{"secret": NAME}`."""
    if not isinstance(node.value, dict):
        problems.at(
            node,
            f"{what} must be a mapping, not {show(node.value)}",
            "as in `env: {MODE: fast, TOKEN: {secret: API_TOKEN}}`",
        )
        return {}
    found: Env = {}
    for variable, (key, value) in node.value.items():
        if not _VARIABLE.fullmatch(variable):
            hint = "letters, digits and `_`, the first not a digit"
            problems.at(key, f"{_short(variable)} is not a name of a variable", hint)
        entry = _variable_value(value, variable, problems)
        if entry is not None:
            found[variable] = entry
    return found


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


def _variable_value(node: Node, variable: str, problems: Problems) -> Json:
    value = node.value
    if isinstance(value, str) and "\0" not in value:
        return value
    if isinstance(value, dict) and value.keys() == {"secret"}:
        secret = value["secret"][1]
        if isinstance(secret.value, str) and _VARIABLE.fullmatch(secret.value):
            return {"secret": secret.value}
        problems.at(
            secret,
            "a secret names one variable of ork's own environment",
            "letters, digits and `_`, as in {secret: API_TOKEN}",
        )
        return None
    scalar = not isinstance(value, (list, dict, str))
    hint = 'quote it: `""` is the empty text' if value is None else "quote it"
    hint = hint if scalar else "a text, or {secret: NAME}"
    problems.at(node, f"env: {variable} must be a text, not {show(value)}", hint)
    return None


def _word(node: Node, problems: Problems) -> str | None:
    value = node.value
    if isinstance(value, str) and "\0" not in value:
        return value
    message = f"a word of a command must be a text, not {show(value)}"
    problems.at(node, message, None if isinstance(value, (list, dict)) else "quote it")
    return None


def _short(value: str) -> str:
    return repr(value if len(value) <= 60 else value[:57] + "...")
