"""Pairs of names: things that went away, and came back under another name.

Knows neither tasks nor files: names with a content, or with weighted features. The answer is one to
one, depends only on the sets, and swapping old and new swaps it. Costs grow with the number of
names and features, not with the number of pairs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from itertools import takewhile
from operator import eq
from typing import TypeAlias, TypeVar

PAIRS_PER_FEATURE_MAX = 2_500  # what more pairs share is too common to tell them apart
PAIRS_MAX = 50_000

T = TypeVar("T")
Features: TypeAlias = Mapping[str, int]  # feature -> weight, the same wherever it occurs


def family(name: str) -> str:
    """Return a name without its numbers: what a loop has made has one in common."""
    return re.sub("[0-9]+", "*", name)


def numbers(name: str) -> list[int]:
    """Return the numbers in a name."""
    return [int(digits) for digits in re.findall("[0-9]{1,18}", name)]


def pair(
    gone: Mapping[str, T],
    came: Mapping[str, T],
    *,
    contents: Iterable[Callable[[str, T], bytes]],
    features: Callable[[T], Features],
    percent_min: int,
    similar_max: int | None = None,
) -> dict[str, str]:
    """Return old name -> new name: equal by the first of `contents`, by the next, then similar.

    With more than `similar_max` names left on a side, similar ones are not looked for.
    """
    pairs: dict[str, str] = {}

    def left() -> tuple[dict[str, T], dict[str, T]]:
        taken = set(pairs.values())
        olds = {name: thing for name, thing in gone.items() if name not in pairs}
        return olds, {name: thing for name, thing in came.items() if name not in taken}

    for content in contents:
        sides = ({name: content(name, one) for name, one in side.items()} for side in left())
        pairs |= pair_equal(*sides)
    olds, news = left()
    if not olds or not news or (similar_max and max(len(olds), len(news)) > similar_max):
        return pairs
    found = ({name: features(one) for name, one in side.items()} for side in (olds, news))
    return pairs | pair_similar(*found, percent_min=percent_min)


def pair_equal(olds: Mapping[str, bytes], news: Mapping[str, bytes]) -> dict[str, str]:
    """Return old name -> new name of equal contents, near names first.

    Where there are too many pairs to choose from, the names of one content are paired in order.
    """
    pairs: dict[str, str] = {}
    room = PAIRS_MAX
    for count, _, old, new in _groups(olds, news):
        if 1 < count <= min(room, PAIRS_PER_FEATURE_MAX):
            pairs |= dict(_greedy((100, a, b) for a in old for b in new))
            room -= count
        else:
            pairs |= dict(zip(old, new, strict=False))
    return pairs


def pair_similar(
    olds: Mapping[str, Features], news: Mapping[str, Features], *, percent_min: int
) -> dict[str, str]:
    """Return old name -> new name of similar contents, the most similar pairs first."""
    scored = ((similarity(olds[a], news[b]), a, b) for a, b in _candidates(olds, news))
    return dict(_greedy(pair for pair in scored if pair[0] >= percent_min))


def similarity(old: Features, new: Features) -> int:
    """Return how much two sets of features share, in percent of their weight, rounded down."""
    total = sum(old.values()) + sum(new.values())
    shared = sum(old[feature] for feature in old.keys() & new.keys())
    return 200 * shared // total if total else 100


def _groups(
    olds: Mapping[str, bytes], news: Mapping[str, bytes]
) -> list[tuple[int, bytes, list[str], list[str]]]:
    """Return the names of each content that both sides have, and how many pairs these make.

    Fewest pairs first.
    """
    groups: dict[bytes, tuple[list[str], list[str]]] = {}
    for side, contents in enumerate((olds, news)):
        for name in sorted(contents):
            groups.setdefault(contents[name], ([], []))[side].append(name)
    both = ((len(old) * len(new), content, old, new) for content, (old, new) in groups.items())
    return sorted(group for group in both if group[0])


def _candidates(olds: Mapping[str, Features], news: Mapping[str, Features]) -> set[tuple[str, str]]:
    index: dict[str, tuple[list[str], list[str]]] = {}
    for side, contents in enumerate((olds, news)):
        for name, features in contents.items():
            for feature in features:
                index.setdefault(feature, ([], []))[side].append(name)
    # The rarest features first: they say the most, and bring the fewest pairs.
    shared = sorted((len(old) * len(new), key) for key, (old, new) in index.items() if old and new)
    found: set[tuple[str, str]] = set()
    for count, feature in shared:
        if count > PAIRS_PER_FEATURE_MAX or len(found) + count > PAIRS_MAX:
            break
        old, new = index[feature]
        found.update((a, b) for a in old for b in new)
    return found


def _greedy(scored: Iterable[tuple[int, str, str]]) -> Iterable[tuple[str, str]]:
    """Yield the best pairs, each name once; among equals the nearest names, then by name."""
    # Within one rank, lowest old with lowest new gives the same pairs as the other way round.
    ranked = sorted(scored, key=lambda pair: (-pair[0], -_closeness(*pair[1:]), *pair[1:]))
    taken_old: set[str] = set()
    taken_new: set[str] = set()
    for _, old, new in ranked:
        if old not in taken_old and new not in taken_new:
            taken_old.add(old)
            taken_new.add(new)
            yield old, new


def _closeness(old: str, new: str) -> int:
    """Return how many characters two names share at their beginnings and ends."""
    sides = ((old, new), (old[::-1], new[::-1]))
    return sum(sum(takewhile(bool, map(eq, *side))) for side in sides)
