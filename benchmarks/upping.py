"""`ork up`: how late it fires, what it costs when nothing is due, what it has in memory.

Each number is of one daemon in a process of its own, started on a store of its own. Its clock is
shifted by a whole number of seconds, so that nobody has to wait for a full hour.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from measure import Row, clean_environment, interleaved, process, row

from ork.heads.deploy import deploy
from ork.store import location
from ork.store.store import Stamp, Store

START_AT_MOST = 10
PROGRAM = """
import sys
from datetime import UTC, datetime, timedelta
from ork.cli.app import main
from ork.cli.session import World

shift = timedelta(seconds=float(sys.argv[1]))
world = World(clock=lambda: datetime.now(UTC) + shift)
sys.exit(main(["up", "--json", *sys.argv[2:]], world=world))
"""
TICK = os.sysconf("SC_CLK_TCK")


def rows(folder: Path, quick: bool) -> Iterator[Row]:
    """Yield how late slots are fired, what idling costs, memory, and the start with the page."""
    count = 100 if quick else 1_000
    yield from _lag(folder / "lag", count)
    yield from _idle(folder / "idle", count, 10 if quick else 60)
    yield from _memory(folder / "memory", (100, 500) if quick else (1_000, 10_000))
    yield from _start(folder / "start", 3 if quick else 9)


def _lag(folder: Path, count: int) -> Iterator[Row]:
    store = _store(folder)
    now = datetime.now(UTC)
    # The slot comes when all is deployed and read.
    slot = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    shift = slot - now - timedelta(seconds=15 + count / 50)
    for number in range(count):
        _deploy(store, f"w{number:04d}", '"0 * * * *"', now + shift)
    store.close()
    lags = []
    with _up(folder, shift) as up:
        while len(lags) < count:
            event = json.loads(up.stdout.readline())  # type: ignore[union-attr]
            if event["event"] == "Began":
                told = datetime.fromisoformat(event["time"])
                lags.append((told - slot).total_seconds())
    what = f"{count:,} schedules due in one moment: a run begins after,"
    lags.sort()
    yield Row(what=f"{what} median", seconds=statistics.median(lags))
    yield Row(what=f"{what} 95%", seconds=lags[int(0.95 * count)])
    yield Row(what=f"{what} last", seconds=lags[-1])


def _idle(folder: Path, count: int, seconds: int) -> Iterator[Row]:
    store = _store(folder)
    now = datetime.now(UTC)
    slot = now.replace(minute=0, second=0, microsecond=0)
    for number in range(count):
        _deploy(store, f"w{number:04d}", '"0 * * * *"', slot)
    store.close()
    with _up(folder, slot + timedelta(minutes=10) - now) as up:
        up.stdout.readline()  # type: ignore[union-attr]
        time.sleep(1)
        before = _used(up.pid), _wakes(up.pid)
        time.sleep(seconds)
        used, wakes = _used(up.pid) - before[0], _wakes(up.pid) - before[1]
    minute = 60 / seconds
    what = f"an idle minute with {count:,} schedules"
    yield Row(what=f"{what}: processor time", seconds=used * minute)
    yield Row(what=f"{what}: wakes", ratio=f"{wakes * minute:.0f}")


def _memory(folder: Path, at: tuple[int, int]) -> Iterator[Row]:
    """Let a child begin for each of many slots, and not get as far as a run, which takes longer."""
    store = _store(folder)
    now, lines = datetime.now(UTC), 4
    for number in range(lines):
        # All slots since then are made up for, one after the other.
        since = now - timedelta(seconds=at[1] / lines + 60)
        _deploy(store, f"w{number}", "{every: 1s, catchup: all}", since, "env: {A: {secret: NO}}")
    store.close()
    found = []
    decided = 0
    with _up(folder, timedelta()) as up:
        while decided < at[1]:
            event = json.loads(up.stdout.readline())  # type: ignore[union-attr]
            decided += event["event"] == "LeftOut"
            if event["event"] == "LeftOut" and decided in at:
                found.append(_own_memory(up.pid))
    for count, own in zip(at, found, strict=True):
        words = f"{own / 2**20:.1f} MiB"
        yield Row(what=f"memory of the daemon after {count:,} children", ratio=words)


def _start(folder: Path, repeats: int) -> Iterator[Row]:
    store = _store(folder)
    _deploy(store, "w", '"0 * * * *"', datetime.now(UTC))
    store.close()

    def listening() -> float:
        begun = time.perf_counter()
        with _up(folder, timedelta(), "--listen", "127.0.0.1:0") as up:
            while json.loads(up.stdout.readline())["event"] != "Listening":  # type: ignore[union-attr]
                pass
            return time.perf_counter() - begun

    python = process([sys.executable, "-c", "pass"], folder)
    times = interleaved({"python": python, "up": listening}, repeats)
    yield row("python -c pass (= 1)", times, "python")
    yield row("ork up until its page answers", times, "up", "python", at_most=START_AT_MOST)


def _store(folder: Path) -> Store:
    folder.mkdir()
    location.create(folder / location.NAME)
    return location.open_store(folder / location.NAME, environ={})


def _deploy(store: Store, name: str, schedule: str, moment: datetime, more: str = "") -> None:
    task = f"{{executor: process, command: ':', {more}}}"
    file = store.project / f"{name}.yaml"
    file.write_text(f"name: {name}\nschedule: {schedule}\ntasks: {{t: {task}}}\n")
    deploy(store, file, stamp=Stamp(time=moment, author="Ada"))


@contextmanager
def _up(folder: Path, shift: timedelta, *words: str) -> Iterator[subprocess.Popen[Any]]:
    program = [sys.executable, "-c", PROGRAM, str(shift.total_seconds())]
    up = subprocess.Popen(
        [*program, *(words or ["--no-web"])],
        cwd=folder,
        env=clean_environment(),
        stdout=subprocess.PIPE,
    )
    with up:
        yield up
        up.send_signal(signal.SIGTERM)
        for _ in up.stdout:  # type: ignore[union-attr]
            pass


def _used(pid: int) -> float:
    """Return the processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def _wakes(pid: int) -> int:
    return int(_status(pid, "voluntary_ctxt_switches"))


def _own_memory(pid: int) -> int:
    """Return the resident memory of a process without the pages of files, which all share."""
    return 1024 * int(_status(pid, "RssAnon").removesuffix("kB"))


def _status(pid: int, name: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line for line in lines if line.startswith(f"{name}:")).partition(":")[2].strip()
