"""How much the file of a store grows: by a deploy of one change, and by a run.

What a page of LMDB holds varies from one commit to the next, so each number is the growth over
many, after some that are not counted.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

from material import AUTHOR, SEED, START, new_store
from measure import Row

import ork
from ork.heads.deploy import deploy
from ork.store.store import Stamp, Store

STAMP = Stamp(time=START, author=AUTHOR)
# Tasks -> deploys that are counted, and the bytes that one may take.
DEPLOYS = {20: (200, 6_000), 1_000: (200, 8_000), 10_000: (60, 10_000), 100_000: (10, 12_000)}
QUICK_DEPLOYS = {20: 20, 1_000: 10, 10_000: 3}
RUNS, QUICK_RUNS = 80, 5
TASKS_OF_A_RUN = 20
HOURS_OF_A_YEAR = 365 * 24
YEAR_BYTES_AT_MOST = 30_000_000


def rows(folder: Path, quick: bool) -> Iterator[Row]:
    """Yield the bytes of a deploy in workflows of several sizes, then those of a run."""
    for tasks, (count, at_most) in DEPLOYS.items():
        if not quick or tasks in QUICK_DEPLOYS:
            deploys = QUICK_DEPLOYS[tasks] if quick else count
            yield _deploys(folder / str(tasks), tasks, deploys, at_most)
    yield from _runs(folder / "runs", QUICK_RUNS if quick else RUNS)


def _deploys(project: Path, tasks: int, count: int, at_most: int) -> Row:
    store = new_store(project)
    path = project / "large.yaml"
    dice = random.Random(SEED)
    written: list[int] = []
    lines = [_task(number, dice) for number in range(tasks)]

    def once() -> None:
        number = dice.randrange(tasks)
        lines[number] = _task(number, dice)
        path.write_text("\n".join(["name: large", "tasks:", *lines, ""]))
        written.append(deploy(store, path, stamp=STAMP).bytes_written)

    value = _growth(store, once, count)
    store.close()
    return Row(
        what=f"a deploy that changes one of {tasks:,} tasks: in the file (as objects), of {count}",
        ratio=f"{value / 1e3:.1f} ({written[-1] / 1e3:.1f}) kB",
        budget=f"at most {at_most / 1e3:g} kB",
        ok=value <= at_most,
    )


def _task(number: int, dice: random.Random) -> str:
    """Return a task in one line, so that the largest file stays below the limit of 16 MiB."""
    needs = f"task_{number - 1:06d}" if number % 10 else ""
    command = f"./step.sh --rows {dice.randrange(10**6)}"
    return f"  task_{number:06d}: {{executor: process, command: {command}, depends_on: [{needs}]}}"


def _runs(project: Path, count: int) -> Iterator[Row]:
    store = new_store(project)
    (project / "step.py").write_text("def main(n):\n    return {'rows': n, 'path': f'data/{n}'}\n")
    lines = ["name: hourly", "tasks:"]
    for n in range(TASKS_OF_A_RUN):
        body = f"executor: python, file: step.py, inputs: {{n: {{const: {n}}}}}"
        needs = f"step_{n - 1}" if n % 5 else ""
        lines.append(f"  step_{n}: {{{body}, depends_on: [{needs}]}}")
    path = project / "hourly.yaml"
    path.write_text("\n".join(lines) + "\n")

    def once() -> None:
        *_, last = ork.Project(store).events(path)
        assert last.run.state == "success"

    value = _growth(store, once, count)
    logs = sum(1 for found in (project / ".ork" / "logs").rglob("*") if found.is_file())
    store.close()
    yield Row(
        what=f"a run of {TASKS_OF_A_RUN} tasks: in the file, of {count}",
        ratio=f"{value / 1e3:.1f} kB",
    )
    year = value * HOURS_OF_A_YEAR
    yield Row(
        what="so a year of hourly runs",
        ratio=f"{year / 1e6:.0f} MB",
        budget=f"at most {YEAR_BYTES_AT_MOST / 1e6:g} MB",
        ok=year <= YEAR_BYTES_AT_MOST,
    )
    files = logs / (count + _before(count))
    yield Row(what="files of logs that such a run leaves", ratio=f"{files:.0f}")


def _growth(store: Store, once: Callable[[], None], count: int) -> float:
    """Return the bytes by which the file grows each time, of so many."""
    assert store.folder is not None
    file = store.folder / "db" / "data.mdb"
    for _ in range(_before(count)):
        once()
    before = file.stat().st_size
    for _ in range(count):
        once()
    return (file.stat().st_size - before) / count


def _before(count: int) -> int:
    return 1 + count // 4
