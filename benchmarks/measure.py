"""Interleaved repeats, and the rows that come of them.

Whatever is compared runs in turns, one of each per round, so that a slow moment of the machine
hits all of them. A ratio is the median over the rounds of (ours / theirs); beside it stands the
ratio of the two fastest, which noise can only make larger on both sides.
"""

from __future__ import annotations

import gc
import os
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Times = dict[str, list[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table. `ok` is None where there is no budget."""

    what: str
    seconds: float | None = None  # the median, for orientation only
    ratio: str = ""
    budget: str = ""
    ok: bool | None = None


def interleaved(
    actions: Mapping[str, Callable[[], float | None]],
    repeats: int,
    *,
    processor: Times | None = None,
) -> Times:
    """Run every action once unmeasured, then `repeats` rounds of each in turn.

    An action that returns a number has measured itself, and its preparations do not count.
    `processor` gets the processor time of the processes that each started.
    """
    times: Times = {name: [] for name in actions}
    for turn in range(-1, repeats):
        for name, action in actions.items():
            gc.collect()
            start, used = time.perf_counter(), _processor()
            own = action()
            taken = time.perf_counter() - start if own is None else own
            if turn >= 0:
                times[name].append(taken)
                if processor is not None:
                    processor.setdefault(name, []).append(_processor() - used)
    return times


def _processor() -> float:
    """Return the processor time of all processes that were started and have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime


def timed(action: Callable[[], object]) -> float:
    """Return the seconds that a call takes, without searches for cycles in the middle of it."""
    gc.collect()
    gc.disable()
    try:
        start = time.perf_counter()
        kept = action()
        taken = time.perf_counter() - start
    finally:
        gc.enable()
    del kept
    return taken


def process(words: Sequence[str], folder: Path) -> Callable[[], None]:
    """Return an action: one process, from start to end, that has to succeed."""
    environ = clean_environment()

    def run() -> None:
        subprocess.run(
            words,
            cwd=folder,
            env=environ,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    return run


def clean_environment() -> dict[str, str]:
    """Return an environment as users have it: with .pyc files, without our stores and settings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "ORK_", "GIT_"))}
    return {**kept, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}


def row(
    what: str,
    times: Times,
    ours: str,
    theirs: str | None = None,
    *,
    at_most: float | None = None,
    budget: str = "",
) -> Row:
    """Return the row of one comparison, or of a time alone when there is nothing to compare."""
    seconds = statistics.median(times[ours])
    if theirs is None:
        return Row(what=what, seconds=seconds)
    value, least = ratio(times, ours, theirs)
    return Row(
        what=what,
        seconds=seconds,
        ratio=f"{number(value)} ({number(least)})",
        budget=budget or (f"at most {at_most:g}" if at_most else ""),
        ok=None if at_most is None else value <= at_most,
    )


def ratio(times: Times, ours: str, theirs: str) -> tuple[float, float]:
    """Return the median of the ratios of each round, and the ratio of the minima."""
    pairs = zip(times[ours], times[theirs], strict=True)
    return statistics.median(a / b for a, b in pairs), min(times[ours]) / min(times[theirs])


def number(value: float) -> str:
    """Return a ratio with three digits at most."""
    return f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"
