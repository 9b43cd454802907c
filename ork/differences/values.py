"""The difference between two JSON objects, field by field, as deep as it helps.

A path is written as a person would: `inputs.url.const`, `command[2]`; a key that is not a plain
word is quoted, so every path means one place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from itertools import takewhile, zip_longest
from json import dumps
from operator import ne

from ork.differences import lines
from ork.objects import canonical
from ork.objects.canonical import Json, same
from ork.objects.value import Value, replace

PARTED_CHARS = 20  # shown before the place where two long lines part


class FieldChange(Value, frozen=True, kw_only=True):
    """One value that differs. `kind` tells an absent side, where the value is None, from null.

    Of a list whose elements moved, `removed` counts by the old list and `added` by the new one. In
    `depends_on`, which is a set, a change names an element and has no index.
    """

    kind: str  # added | removed | changed
    path: str
    old: Json = None
    new: Json = None


def sides(change: FieldChange, shown: Callable[[Json], str]) -> tuple[str, str, str]:
    """Return the old and the new value as they are shown, and of which line that is.

    That is "" but for long texts of which all that has room is the same: of these the first line
    that differs is shown, or its end.
    """
    old, new = shown(change.old), shown(change.new)
    if old != new or not isinstance(change.old, str) or not isinstance(change.new, str):
        return "", old, new
    pairs = zip_longest(change.old.split("\n"), change.new.split("\n"), fillvalue="")
    number, pair = next((n, pair) for n, pair in enumerate(pairs, 1) if pair[0] != pair[1])
    if shown(pair[0]) == shown(pair[1]):
        alike = takewhile(lambda letters: letters[0] == letters[1], zip(*pair, strict=False))
        start = max(0, sum(1 for _ in alike) - PARTED_CHARS)
        pair = f"...{pair[0][start:]}", f"...{pair[1][start:]}"
    return f"line {number}", shown(pair[0]), shown(pair[1])


def object_changes(
    old: Mapping[str, Json], new: Mapping[str, Json], *, path: str = ""
) -> Iterator[FieldChange]:
    """Yield the changes between two objects, by key; in a nested object by its own keys."""
    for key in sorted(old.keys() | new.keys()):
        if key in old and key in new and same(old[key], new[key]):
            continue
        place = _key_path(path, key)
        if key not in new:
            yield FieldChange(kind="removed", path=place, old=old[key])
        elif key not in old:
            yield FieldChange(kind="added", path=place, new=new[key])
        else:
            yield from value_changes(old[key], new[key], path=place)


def value_changes(old: Json, new: Json, *, path: str) -> Iterator[FieldChange]:
    """Yield the changes between two values; objects without a common key change as a whole."""
    if isinstance(old, dict) and isinstance(new, dict):
        if not old or not new or old.keys() & new.keys():
            yield from object_changes(old, new, path=path)
            return
    elif isinstance(old, list) and isinstance(new, list):
        yield from _list_changes(old, new, path)
        return
    if not same(old, new):
        yield FieldChange(kind="changed", path=path, old=old, new=new)


def changes_in(changes: Iterable[FieldChange], *keys: str) -> list[FieldChange]:
    """Return the changes of a part of a value, each with its path in that part."""
    place = place_of(*keys)
    inside = [one for one in changes if not place or lies_in(one.path, place)]
    return [replace(one, path=one.path[len(place) :].removeprefix(".")) for one in inside]


def place_of(*keys: str) -> str:
    """Return the path to a part of a value, from key to key."""
    return reduce(_key_path, keys, "")


def lies_in(path: str, place: str) -> bool:
    """Say whether a path is this one, or leads below it."""
    return path == place or path.startswith((f"{place}.", f"{place}["))


def leaves(value: Json, *, path: str = "") -> Iterator[tuple[str, Json]]:
    """Yield every value that is no object, or an empty one, by the path that a change of it has."""
    if isinstance(value, dict) and value:
        for key in sorted(value):
            yield from leaves(value[key], path=_key_path(path, key))
    else:
        yield path, value


def set_changes(
    old: Sequence[str], new: Sequence[str], *, path: str, names: Mapping[str, str]
) -> Iterator[FieldChange]:
    """Yield the elements removed and added, where `names` gives the new name of a renamed one."""
    kept = {names.get(name, name) for name in old} & set(new)
    for name in sorted(old):
        if names.get(name, name) not in kept:
            yield FieldChange(kind="removed", path=path, old=name)
    for name in sorted(set(new) - kept):
        yield FieldChange(kind="added", path=path, new=name)


def _list_changes(old: list[Json], new: list[Json], path: str) -> Iterator[FieldChange]:
    """Yield the changes between two lists, for which only what lies between their ends is read."""
    start = _alike(old, new)
    end = _alike(old[start:][::-1], new[start:][::-1])
    left, right = old[start : len(old) - end], new[start : len(new) - end]
    before, after = _tokens(left), _tokens(right)
    runs = lines.matches(before, after)
    kept = sum(length for _, _, length in runs)
    pairs = enumerate(zip(before, after, strict=False))
    other = [index for index, (was, now) in pairs if was != now]
    # Element by element where that says no more than what was taken out and put in.
    if len(left) == len(right) and len(other) <= 2 * (len(left) - kept):
        for index in other:
            yield from value_changes(left[index], right[index], path=f"{path}[{start + index}]")
        return
    stays_old = {i + n for i, _, length in runs for n in range(length)}
    stays_new = {j + n for _, j, length in runs for n in range(length)}
    for index, value in enumerate(left):
        if index not in stays_old:
            yield FieldChange(kind="removed", path=f"{path}[{start + index}]", old=value)
    for index, value in enumerate(right):
        if index not in stays_new:
            yield FieldChange(kind="added", path=f"{path}[{start + index}]", new=value)


def _alike(old: list[Json], new: list[Json]) -> int:
    """Return how many values two lists begin with that are the same."""
    least = min(len(old), len(new))
    count = next((n for n, differ in enumerate(map(ne, old, new)) if differ), least)
    if same(old[:count], new[:count]):
        return count
    return next(n for n in range(count) if not same(old[n], new[n]))  # to Python, true is 1


def _tokens(values: list[Json]) -> list[str]:
    return [canonical.encode(value).decode() for value in values]


def _key_path(path: str, key: str) -> str:
    plain = key.replace("_", "").replace("-", "").isalnum()
    name = key if plain else dumps(key, ensure_ascii=False)
    return f"{path}.{name}" if path else name
