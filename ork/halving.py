"""The search for the first bad entry in a line of entries that begins good and ends bad. Pure.

Halving as `git bisect` does it for a history without branches: every verdict on the entry in the
middle halves what is left. An entry that cannot be judged is skipped, and the one nearest to it is
judged instead; where only skipped ones are left, the first bad entry is one of several suspects.
"""

from __future__ import annotations

from collections.abc import Mapping

GOOD, BAD, SKIP = "good", "bad", "skip"


def bracket(verdicts: Mapping[int, str]) -> tuple[int, int]:
    """Return the entries between which good turns bad: the last good one and the bad one after it.

    `verdicts` has at least one good entry and a bad one after it. Where the line turned bad more
    than once, the newest turn is meant.
    """
    last = max(index for index, verdict in verdicts.items() if verdict == BAD)
    good = max(index for index, verdict in verdicts.items() if verdict == GOOD and index < last)
    bad = min(index for index, verdict in verdicts.items() if verdict == BAD and index > good)
    return good, bad


def pick(good: int, bad: int, verdicts: Mapping[int, str]) -> int | None:
    """Return the entry to judge next, the nearest one to the middle; None when there is none.

    Of two that are equally near, the older one.
    """
    middle = (good + bad) // 2
    left = [index for index in range(good + 1, bad) if index not in verdicts]
    return min(left, key=lambda index: (abs(index - middle), index), default=None)


def judgements_left(good: int, bad: int, verdicts: Mapping[int, str]) -> int:
    """Return about how many more verdicts the search needs."""
    return sum(index not in verdicts for index in range(good + 1, bad)).bit_length()
