"""Frozen values: the base of every record of ork, stored or not.

A subclass says `frozen=True, kw_only=True` again: msgspec does not hand on the second, and type
checkers do not see the first. To define one takes a fortieth of the time of a frozen dataclass, and
msgspec reads and writes it in C.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from msgspec import field as field

Changed = TypeVar("Changed", bound="Value")


class Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A record that never changes."""


def replace(value: Changed, **changes: Any) -> Changed:
    """Return the same value with some fields changed."""
    return msgspec.structs.replace(value, **changes)


def as_line(value: Any) -> bytes:
    """Return values as a line of JSON, for another process of the same ork."""
    return msgspec.json.encode(value) + b"\n"


def of_line(line: bytes, kind: Any) -> Any:
    """Return the values of `as_line`, of this type."""
    return msgspec.json.decode(line, type=kind)
