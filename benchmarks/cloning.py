"""What it costs to make a store of another one: whole commands, beside a clone that git makes.

The git repository has as many objects; git, too, checks each of them as it arrives, since it does
not trust a clone by a URL.
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path

from material import git_history, long_history
from measure import Row, interleaved, process, row
from starting import ork

RUNS_OF_A_DEPLOY = 10
OBJECTS_OF_A_COMMIT = 3
REPEATS = 3


def rows(folder: Path, quick: bool) -> Iterator[Row]:
    """Yield a clone of a long history with its runs, and one of nothing new, beside git."""
    deploys = 100 if quick else 10_000
    runs = RUNS_OF_A_DEPLOY * deploys
    store = long_history(folder / "project", deploys, runs, each=RUNS_OF_A_DEPLOY)
    objects = sum(1 for _ in store.backend.oids()) - deploys  # the operations stay
    store.close()
    size = f"{deploys:,} deploys, {runs:,} runs, {objects:,} objects"
    actions: dict[str, Callable[[], float | None]] = {
        "ork clone": _into_a_new_folder(folder, [*ork(), "clone", "project"]),
    }
    if shutil.which("git"):
        git_history(folder / "repository", objects // OBJECTS_OF_A_COMMIT)
        url = f"file://{folder / 'repository'}"
        actions["git clone"] = _into_a_new_folder(folder, ["git", "clone", "-q", url])
    process([*ork(), "clone", "project", "kept"], folder)()
    actions["ork pull"] = process([*ork(), "-C", "kept", "pull"], folder)
    times = interleaved(actions, REPEATS)
    theirs = "git clone" if "git clone" in times else None
    each = {name: objects / statistics.median(seconds) for name, seconds in times.items()}
    yield row(f"ork clone: {each['ork clone']:,.0f} objects/s; {size}", times, "ork clone", theirs)
    if theirs:
        yield row(f"git clone: {each[theirs]:,.0f} objects/s; as many objects", times, theirs)
    yield row(f"ork pull of nothing new; {size}", times, "ork pull", theirs)


def _into_a_new_folder(folder: Path, words: list[str]) -> Callable[[], None]:
    """Return an action that makes a clone; the one before is removed, which is not much."""
    target = folder / f"made-{len(words)}"
    make = process([*words, str(target)], folder)

    def act() -> None:
        shutil.rmtree(target, ignore_errors=True)
        make()

    return act
