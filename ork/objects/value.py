"""Frozen values: the base of every record of ork, stored or not.

A subclass says `frozen=True, kw_only=True` again: msgspec does not hand on the second, and type
checkers do not see the first. To define one takes a fortieth of the time of a frozen dataclass, and
msgspec reads and writes it in C.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sized
from inspect import get_annotations
from typing import Any, TypeVar

import msgspec
from msgspec import field as field
from msgspec.structs import force_setattr as force_setattr

Changed = TypeVar("Changed", bound="Value")
DERIVED = ("name", "seconds")  # what a table has of a value also where these are no fields of it


class Value(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    repr_omit_defaults=True,
):
    """A record that never changes."""

    def cells(self) -> dict[str, object]:
        """Return what a line about it says, title -> value; of most, nothing but their fields."""
        return {}

    def _row(self) -> dict[str, object]:
        """Return what a data frame has of it, column -> value."""
        return fields_of(self)

    def __repr__(self) -> str:
        from ork.objects.rows import line, record, told

        name, cells = type(self).__name__, self.cells()
        return line(name, told(cells)) if cells else record(name, given_of(self))

    def _repr_html_(self) -> str | None:
        from ork.objects.rows import table

        cells = self.cells()
        return table([cells], 1) if cells else None


def given_of(value: Value) -> Iterator[tuple[str, object]]:
    """Yield the fields of a value that are not as always, and not empty."""
    names, usual = value.__struct_fields__, value.__struct_defaults__
    for name, default in zip(names, (*(len(names) - len(usual)) * [...], *usual), strict=True):
        given = getattr(value, name)
        empty = given is None or (isinstance(given, Sized) and not len(given))
        if not empty and given != default:
            yield name, given


def fields_of(value: Value) -> dict[str, object]:
    """Return the fields of a value, those of the records in it among them, as far as names differ.

    What has a name has that as well, and what has a duration has `seconds` in its place. The name
    of a record within what has none stands under that of its field.
    """
    own: dict[str, object] = {}
    found: dict[str, object] = {}
    for name in value.__struct_fields__:
        one = getattr(value, name)
        if isinstance(one, Value):
            found |= {_within(value, name, title): it for title, it in fields_of(one).items()}
        else:
            own[name] = one
    own |= {name: getattr(value, name) for name in DERIVED if hasattr(value, name)}
    if "seconds" in own:
        own.pop("duration", None)
    return found | own


def _within(value: Value | type[Value], field: str, title: str) -> str:
    return field if title == "name" and not hasattr(value, "name") else title


def columns_of(kind: type[Value]) -> list[str]:
    """Return the names that `fields_of` gives for values of a class, without having one.

    A field that may be a record or None has its own name, and those of the record.
    """
    names: dict[str, None] = {}
    for base in kind.__mro__:
        for name, said in get_annotations(base).items():
            if name not in kind.__struct_fields__:
                continue
            word, _, other = str(getattr(said, "__name__", said)).partition(" | ")
            inner = getattr(sys.modules[base.__module__], word, None)
            if isinstance(inner, type) and issubclass(inner, Value):
                names |= dict.fromkeys(_within(kind, name, title) for title in columns_of(inner))
                if not other:
                    continue
            names[name] = None
    names |= dict.fromkeys(name for name in DERIVED if hasattr(kind, name))
    if "seconds" in names:
        names.pop("duration", None)
    return [*names]


def replace(value: Changed, **changes: Any) -> Changed:
    """Return the same value with some fields changed."""
    return msgspec.structs.replace(value, **changes)


def extended(kind: type[Changed], value: Value, **more: Any) -> Changed:
    """Return a record of another class: the fields of this one, and some more."""
    return kind(**msgspec.structs.asdict(value), **more)


def as_line(value: Any) -> bytes:
    """Return values as a line of JSON, for another process of the same ork."""
    return msgspec.json.encode(value) + b"\n"


def of_line(line: bytes, kind: Any) -> Any:
    """Return the values of `as_line`, of this type."""
    return msgspec.json.decode(line, type=kind)
