"""How much the tests try: a part by day, all of it in `make test-long`.

What is a matrix of cases takes turns: each day has its share of them, and after a few days all have
been tried. So do the slow tests: `make check` has one in four of them a day, `make test-all` all.
`make test`, which is for whoever waits, has none, and `pytest` itself one in ten. `ORK_DAY=3 make
check` tries what was tried on that day.
"""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TypeVar

LONG = os.environ.get("ORK_TESTS") == "long"
# One in so many of what is marked `slow` is tried; with 0 none of it.
SLOW_TURNS = {"long": 1, "all": 1, "check": 4, "quick": 0}.get(os.environ.get("ORK_TESTS", ""), 10)
# Processes that run a part of the tests have the day of the one that started them.
DAY = int(os.environ.setdefault("ORK_DAY", str(int(time.time()) // 86400)))
# How often processes that are to get in each other's way try it: some machines run them in turn.
TRIES_MAX = 20
Case = TypeVar("Case")


def examples(number: int) -> int:
    """Return how many of so many examples of a property are tried."""
    return number if LONG else max(4, number // 5)


def size(whole: int, *, by_day: int) -> int:
    """Return how large something is made whose size is the point: by day less, still too much."""
    return whole if LONG else by_day


def sampled(cases: Sequence[Case], *, one_in: int = 3) -> list[Case]:
    """Return the cases of a matrix that are tried; by day every third, others each day."""
    return list(cases if LONG else cases[DAY % one_in :: one_in])


def has_its_turn(name: str, index: int, *, one_in: int) -> bool:
    """Say whether a case is tried today, by what it is a case of and its place there."""
    if LONG or one_in == 0:
        return LONG
    return (zlib.crc32(name.encode()) + index + DAY) % one_in == 0


def bundled(cases: Iterable[Case], *, size: int) -> list[tuple[Case, ...]]:
    """Return cases that are tried together: by day so many, in `make test-long` each alone."""
    waiting = iter(cases)
    return list(iter(lambda: tuple(islice(waiting, 1 if LONG else size)), ()))
