"""What a task and a text consist of, for asking who last touched each part. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ork.differences import lines
from ork.differences.values import leaves
from ork.objects import canonical
from ork.objects.canonical import Json
from ork.objects.kinds import Task, to_json


def fields(task: Task) -> dict[str, Json]:
    """Return the fields that are not at their default, by the paths of a diff.

    Objects are taken apart; a list is one value, since its elements have no names.
    """
    return _leaves(task, changed_fields(_DEFAULT, task))


def changed_fields(old: Task, new: Task) -> list[str]:
    """Return the names of the fields that differ, sorted."""
    return [name for name in _NAMES if not same(getattr(old, name), getattr(new, name))]


def changed_paths(old: Task, new: Task, paths: Iterable[str]) -> list[str]:
    """Return which of these paths of `new` hold something else in `old`, or are not there."""
    differing = changed_fields(old, new)
    before, after = _leaves(old, differing), _leaves(new, differing)
    return [
        path
        for path in paths
        if path in after and (path not in before or not same(before[path], after[path]))
    ]


def same(old: Json, new: Json) -> bool:
    """Say whether two values are one in JSON, where true is not 1."""
    if old != new:
        return False
    if old and isinstance(old, dict | list):
        return canonical.encode(old) == canonical.encode(new)
    return isinstance(old, bool) == isinstance(new, bool)


def carried(
    old: Sequence[str], new: Sequence[str], places: Sequence[tuple[int, int]]
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return which lines the old text has as well, by their places in it; and the other ones.

    `places` are pairs of a line's place in the new text, and of what it is known by.
    """
    before = _kept(old, new, [place for place, _ in places])
    kept: list[tuple[int, int]] = []
    rest: list[tuple[int, int]] = []
    for place, key in places:
        if place in before:
            kept.append((before[place], key))
        else:
            rest.append((place, key))
    return kept, rest


def _kept(old: Sequence[str], new: Sequence[str], wanted: Sequence[int]) -> dict[int, int]:
    """Return place in new -> place in old, of the lines that both have; of the wanted at least."""
    least = min(len(old), len(new))
    start = next((n for n in range(least) if old[n] != new[n]), least)
    end = next((n for n in range(least - start) if old[-1 - n] != new[-1 - n]), least - start)
    shift = len(old) - len(new)
    inside = range(start, len(new) - end)
    gone = set(old[start : len(old) - end])
    # What is left of an old text is mostly in its unchanged parts, where no search is needed.
    if not any(place in inside and new[place] in gone for place in wanted):
        return {
            place: place if place < start else place + shift
            for place in wanted
            if place not in inside
        }
    return {j + n: i + n for i, j, length in lines.matches(old, new) for n in range(length)}


def _leaves(task: Task, names: Iterable[str]) -> dict[str, Json]:
    payload = to_json(task) if names else {}
    return {path: value for name in names for path, value in leaves(payload[name], path=name)}


_DEFAULT = Task(executor="")
_NAMES = sorted(to_json(_DEFAULT))
