"""What looking back costs in a long history: whole commands, then the library alone.

One store has all the deploys and runs. The same versions of the same file stand beside it in a real
git repository, for orientation: git is a C program and starts thirty times as fast as Python.
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from material import git_history, long_history
from measure import Row, Times, interleaved, number, process, row, timed
from starting import ork

from ork.history.blame import blame
from ork.history.log import log
from ork.store.runs import runs
from ork.store.store import Store

NOW = datetime(2026, 11, 22, tzinfo=UTC)
AT_MOST = 2.0
LOG_MICROSECONDS = 8
RUNS_MILLISECONDS = 0.4
VERSION = "ork --version (= 1)"
GIT = {
    "git log -n 20": ("log", "-n", "20"),
    "git diff HEAD~1": ("diff", "HEAD~1"),
    "git blame etl.yaml": ("blame", "etl.yaml"),
}


def rows(folder: Path, quick: bool) -> Iterator[Row]:
    """Yield whole commands beside `ork --version` and git, then the library alone."""
    deploys, count, repeats = (500, 5_000, 5) if quick else (10_000, 1_000_000, 20)
    project, repository = folder / "project", folder / "repository"
    store = long_history(project, deploys, count, each=count // deploys)
    commands = {
        "ork log -n 20": ("log", "-n", "20"),
        "ork diff etl~1 etl": ("diff", "etl~1", "etl"),
        "ork runs -n 20 etl": ("runs", "-n", "20", "etl"),
        f"ork show etl#{count // 2}": ("show", f"etl#{count // 2}"),
        "ork blame etl": ("blame", "etl"),
    }
    actions: dict[str, Callable[[], float | None]] = {
        VERSION: process([*ork(), "--version"], folder)
    }
    actions |= {what: process([*ork(), *words], project) for what, words in commands.items()}
    actions["walk"] = lambda: timed(lambda: blame(_fresh(store), "etl", now=NOW))
    if shutil.which("git"):
        git_history(repository, deploys)
        actions |= {what: process(["git", *words], repository) for what, words in GIT.items()}
    times = interleaved(actions, repeats)
    yield from _commands(times, list(commands), f"{deploys:,} deploys, {count:,} runs")
    yield from _library(store, deploys, repeats)
    store.close()


def _commands(times: Times, commands: list[str], size: str) -> Iterator[Row]:
    yield row(VERSION, times, VERSION)
    blamed = commands[-1]
    times["less the walk"] = [
        whole - walk for whole, walk in zip(times[blamed], times["walk"], strict=True)
    ]
    for what in commands:
        budgeted = None if what == blamed else AT_MOST
        yield row(f"{what}; {size}", times, what, VERSION, at_most=budgeted)
    yield row(f"{blamed}, less the walk", times, "less the walk", VERSION, at_most=AT_MOST)
    yield row("the walk of blame, in the library", times, "walk")
    for what in GIT:
        if what in times:
            yield row(f"{what}, the same versions", times, what, VERSION)


def _library(store: Store, deploys: int, repeats: int) -> Iterator[Row]:
    times = interleaved(
        {
            "log": lambda: timed(lambda: sum(1 for _ in log(_fresh(store), "etl", now=NOW))),
            "runs": lambda: timed(lambda: list(runs(_fresh(store), "etl", limit=20))),
        },
        repeats,
    )
    each = statistics.median(times["log"]) / deploys * 1e6
    yield Row(
        what=f"library: log of all {deploys:,} deploys",
        ratio=f"{number(each)} us a deploy",
        seconds=statistics.median(times["log"]),
        ok=each <= LOG_MICROSECONDS,
        budget=f"at most {LOG_MICROSECONDS} us",
    )
    newest = statistics.median(times["runs"])
    yield Row(
        what="library: the newest 20 runs",
        seconds=newest,
        ratio=f"{number(newest * 1e3)} ms",
        ok=newest * 1e3 <= RUNS_MILLISECONDS,
        budget=f"at most {RUNS_MILLISECONDS} ms",
    )


def _fresh(store: Store) -> Store:
    """Return the same store with nothing cached."""
    return Store(store.backend, folder=store.folder)
