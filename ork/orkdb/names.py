"""Names of the original become names of ork, which have letters, digits, `_`, `.` and `-` only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ork.alike import did_you_mean
from ork.definition.workflow import RESERVED
from ork.errors import NotFound, UsageError
from ork.objects.canonical import hash_bytes
from ork.objects.kinds import is_name

_OTHER = re.compile(r"[^A-Za-z0-9_.-]+", re.ASCII)
_CHARS_MAX = 100
_DIGITS = 6


def fitting(names: Iterable[str], *, reserved: Iterable[str] = ()) -> dict[str, str]:
    """Return old name -> new name. A name that fits stays; two that would be one are told apart.

    It depends on the names alone, not on their order.
    """
    old = sorted(set(names))
    taken = {name for name in old if _fits(name, reserved)}
    wanted = {name: name if name in taken else _fitted(name, reserved) for name in old}
    found = {}
    for name in old:
        new = wanted[name]
        alone = sum(other == new for other in wanted.values()) == 1
        if name not in taken and (not alone or new in taken):
            new = f"{new}_{hash_bytes(name.encode('utf-8', 'replace'))[:_DIGITS]}"
        found[name] = new
    return found


def renamed(names: Iterable[str], wishes: Mapping[str, str]) -> dict[str, str]:
    """Return old name -> new name of all workflows, as somebody wishes for some of them."""
    names = list(names)
    for old, new in wishes.items():
        if old not in names:
            hint = did_you_mean(old, names, form="{!r}")
            raise NotFound(f"the database has no workflow named {old!r}", hint=hint)
        if not is_name(new) or new in RESERVED:
            raise UsageError(f"a workflow cannot be named {new!r}")
    found = {**fitting(names, reserved=RESERVED), **wishes}
    for new in wishes.values():
        if len(clash := [old for old, other in found.items() if other == new]) > 1:
            words = " and ".join(map(repr, clash))
            raise UsageError(f"{words} would both be named {new}", hint="--rename the other one")
    return found


def _fits(name: str, reserved: Iterable[str]) -> bool:
    return is_name(name) and name not in reserved and "output" not in name.split(".")[1:]


def _fitted(name: str, reserved: Iterable[str]) -> str:
    new = _OTHER.sub("_", name).strip("_")[:_CHARS_MAX]
    new = re.sub(r"\.\.+", ".", new).lstrip(".-") or "unnamed"
    return new if _fits(new, reserved) else f"{new.replace('.', '_')}_"
