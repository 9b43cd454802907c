"""What a field of an object may hold: one reader per shape of JSON value.

A reader returns the value of the field, or raises ValueError with words that follow the field's
name. It is `ork.objects.kinds` that says which field has which shape.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ork.objects.canonical import Oid

SCALARS = ("str", "int", "float", "bool", "date", "datetime_notz", "datetime_tz", "datetime_utc")
# No two dots in a row: A..B is a range.
NAME_PATTERN = re.compile(r"(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_OID = re.compile(r"[0-9a-f]{64}", re.ASCII)


def is_name(text: object) -> bool:
    """Say whether this is a valid name of a workflow, task, tag or run."""
    return isinstance(text, str) and NAME_PATTERN.fullmatch(text) is not None


def is_oid(text: object) -> bool:
    """Say whether this is a full oid."""
    return isinstance(text, str) and _OID.fullmatch(text) is not None


def is_path(text: str) -> bool:
    """Say whether this is a path that stays below the folder that it is relative to, and names one.

    With `/` between its parts, none of which is empty, `.` or `..`.
    """
    return "\0" not in text and {"", ".", ".."}.isdisjoint(text.split("/"))


def need(condition: bool, what: str) -> None:
    """Raise ValueError with these words unless the condition holds."""
    if not condition:
        raise ValueError(what)


def a_text(value: Any) -> str:
    need(type(value) is str, "must be a string")
    return value  # type: ignore[no-any-return]


def an_oid(value: Any) -> Oid:
    if type(value) is str and _OID.fullmatch(value) is not None:
        return value  # type: ignore[return-value]
    raise ValueError("must be an oid")


def a_name(value: Any) -> str:
    need(is_name(value), "must be a name")
    return value  # type: ignore[no-any-return]


def a_count(value: Any) -> int:
    if type(value) is int and value >= 0:
        return value
    raise ValueError("must be a natural number")


def an_integer(value: Any) -> int:
    need(type(value) is int, "must be an integer")
    return value  # type: ignore[no-any-return]


def seconds(value: Any) -> float:
    need(type(value) in (int, float) and value >= 0, "must be a number of seconds")
    return value  # type: ignore[no-any-return]


def a_mapping(value: Any) -> dict[str, Any]:
    need(type(value) is dict, "must be an object")
    return value  # type: ignore[no-any-return]


def optional(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else check(value)


def list_of(check: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    def read(value: Any) -> tuple[Any, ...]:
        need(type(value) is list, "must be a list")
        return tuple(check(item) for item in value)

    return read


def one_of(*words: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        need(value in words, f"must be one of {', '.join(words)}")
        return value  # type: ignore[no-any-return]

    return read


def a_command(value: Any) -> Any:
    return value if isinstance(value, str) or value is None else list_of(a_text)(value)


def a_type(value: Any) -> Any:
    """Take a type without aliases: a word, a list of one type, or field -> type."""
    if type(value) is dict:
        for inner in value.values():
            a_type(inner)
    elif type(value) is list:
        need(len(value) == 1, "must be a type: a list of one has exactly one element")
        a_type(value[0])
    else:
        need(type(value) is str and value in SCALARS, "must be a type")
    return value


def bindings(value: Any) -> Any:
    for binding in a_mapping(value).values():
        need(type(binding) is dict and len(binding) == 1, "must be const or ref")
        (word, target), *_ = binding.items()
        need(word == "const" or (word == "ref" and type(target) is str), "must be const or ref")
    return value


def parameters(value: Any) -> Any:
    """Take parameters: name -> {"type", "required", "default"}."""
    for name, entry in a_mapping(value).items():
        a_name(name)
        keys = type(entry) is dict and set(entry) == {"type", "required", "default"}
        need(keys and type(entry["required"]) is bool, "must have type, required and default")
        optional(a_type)(entry["type"])
    return value


def environment(value: Any) -> Any:
    for entry in a_mapping(value).values():
        secret = type(entry) is dict and list(entry) == ["secret"] and type(entry["secret"]) is str
        need(type(entry) is str or secret, "must be a text or {secret: NAME}")
    return value


def a_source(value: Any) -> Any:
    keys = set(a_mapping(value))
    need(keys in ({"path", "blob"}, {"path", "chunks"}), "must have path and blob or chunks")
    a_text(value["path"])
    an_oid(value.get("blob", value.get("chunks")))
    return value


def an_origin(value: Any) -> Any:
    need(set(a_mapping(value)) == {"commit", "dirty"}, "must have commit and dirty")
    a_text(value["commit"])
    need(type(value["dirty"]) is bool, "dirty must be true or false")
    return value


def a_move(value: Any) -> tuple[str, Oid | None, Oid | None]:
    need(type(value) is list and len(value) == 3, "must be [ref, old, new]")
    return a_text(value[0]), optional(an_oid)(value[1]), optional(an_oid)(value[2])


def pairs(
    value: Any, first: Callable[[Any], Any], second: Callable[[Any], Any]
) -> tuple[tuple[Any, Any], ...]:
    need(type(value) is list, "must be a list of pairs")
    found = []
    for pair in value:
        # Unpacking alone would take "ab" or {"a": 1, "b": 2} for a pair.
        if type(pair) is not list or len(pair) != 2:
            raise ValueError("must be a list of pairs")
        found.append((first(pair[0]), second(pair[1])))
    return tuple(found)


def an_entry(value: Any) -> Any:
    """Read what a tree holds under a name: an oid, or a code file."""
    if type(value) is dict:
        need(value.keys() == {"blob", "executable"}, "a file entry must have blob and executable")
        an_oid(value["blob"])
        need(type(value["executable"]) is bool, "executable must be true or false")
        return value
    return an_oid(value)
