"""How much the tests try: a fifth by day, all of it in `make test-long`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TypeVar

LONG = os.environ.get("ORK_TESTS") == "long"
Case = TypeVar("Case")


def examples(number: int) -> int:
    """Return how many of so many examples of a property are tried."""
    return number if LONG else max(4, number // 5)


def size(whole: int, *, by_day: int) -> int:
    """Return how large something is made whose size is the point: by day less, still too much."""
    return whole if LONG else by_day


def sampled(cases: Sequence[Case], *, one_in: int = 3) -> list[Case]:
    """Return the cases of a matrix that are tried; by day every third, always the same ones."""
    return list(cases if LONG else cases[::one_in])


def bundled(cases: Iterable[Case], *, size: int) -> list[tuple[Case, ...]]:
    """Return cases that are tried together: by day so many, in `make test-long` each alone."""
    waiting = iter(cases)
    return list(iter(lambda: tuple(islice(waiting, 1 if LONG else size)), ()))
