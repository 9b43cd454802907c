"""What the page of `ork up` costs: its start, each page in a long history, and open streams.

The process is the one that `ork up` starts. Times are of one client that asks again and again on
one connection; the rate is that of eight at once, which have the cores to share with the process.
"""

from __future__ import annotations

import http.client
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from material import long_history
from measure import Row, clean_environment, interleaved, row

CLIENTS = 8
STREAMS = 50
TOKEN = "token-of-a-measurement"
BARE = "python -c pass (= 1)"
FIRST = "the first answer of a new process"


def rows(folder: Path, quick: bool) -> Iterator[Row]:
    """Yield the start, then each page, then the memory."""
    deploys, runs, repeats = (500, 5_000, 5) if quick else (10_000, 1_000_000, 30)
    long_history(folder / "project", deploys, runs, each=runs // deploys).close()
    yield from _start(folder / "project", 3 if quick else 10)
    with _serving(folder / "project") as served:
        size = f"{deploys:,} deploys, {runs:,} runs"
        for path in _pages(runs):
            yield _page(served, path, size, repeats, 0.2 if quick else 1.0)
        yield from _streams(served, runs)


def _pages(runs: int) -> list[str]:
    return [
        "/health",
        "/page.css",
        "/",
        "/index.json",
        "/workflows/etl",
        "/workflows/etl/log",
        "/deploys/etl",
        "/runs/etl",
        "/runs/etl?state=failed",
        f"/runs/etl/{runs // 2}",
        f"/runs/etl/{runs // 2}.json",
        f"/runs/etl/{runs // 2}/log/task_00",
        "/compare?old=etl~1&new=etl",
        "/tasks/etl/task_00",
        "/search?q=task_07",
        "/ops",
        "/schedules",
        "/metrics",
    ]


class Served:
    """A process of the page."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process, self.port = process, port

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def memory(self) -> float:
        """Return the memory of the process in MiB, without what it sees of the store's file."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("RssAnon"))
        return int(line.split()[1]) / 1024


def ask(connection: http.client.HTTPConnection, path: str) -> int:
    """Ask for a page; return its size."""
    connection.request("GET", path, headers={"Authorization": f"Bearer {TOKEN}"})
    answer = connection.getresponse()
    data = answer.read()
    assert answer.status == 200, (path, answer.status, data[:500])
    return len(data)


@contextmanager
def _serving(project: Path) -> Iterator[Served]:
    words = json.dumps({"store": str(project / ".ork")})
    process = subprocess.Popen(
        [sys.executable, "-m", "ork.cli.web", words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**clean_environment(), "ORK_UP_TOKEN": TOKEN},
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        url = json.loads(process.stdout.readline())["url"]
        yield Served(process, int(url.split(":")[2].split("/")[0]))
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


def _start(project: Path, repeats: int) -> Iterator[Row]:
    def first() -> float:
        start = time.perf_counter()
        with _serving(project) as served, closing(served.connection()) as connection:
            ask(connection, "/")
            return time.perf_counter() - start

    def bare() -> None:
        subprocess.run([sys.executable, "-c", "pass"], check=True, env=clean_environment())

    times = interleaved({BARE: bare, FIRST: first}, repeats)
    yield row(BARE, times, BARE)
    yield row(FIRST, times, FIRST, BARE)


def _page(served: Served, path: str, size: str, repeats: int, seconds: float) -> Row:
    with closing(served.connection()) as connection:
        count = ask(connection, path)
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            ask(connection, path)
            times.append(time.perf_counter() - start)
    rate = _rate(served, path, seconds)
    what = f"{path}, {count / 1024:.0f} KiB" + (f": {size}" if path == "/" else "")
    return Row(what=what, seconds=statistics.median(times), ratio=f"{rate:,.0f} a second")


def _rate(served: Served, path: str, seconds: float) -> float:
    def client(_: int) -> int:
        count = 0
        with closing(served.connection()) as connection:
            while time.perf_counter() < until:
                ask(connection, path)
                count += 1
        return count

    start = time.perf_counter()
    until = start + seconds
    with ThreadPoolExecutor(CLIENTS) as clients:
        count = sum(clients.map(client, range(CLIENTS)))
    return count / (time.perf_counter() - start)


def _streams(served: Served, runs: int) -> Iterator[Row]:
    before = served.memory()
    yield Row(
        what="memory of the process after all of this, without the store's file",
        ratio=f"{before:.0f} MiB",
    )
    with ExitStack() as stack:
        for number in range(STREAMS):
            connection = stack.enter_context(closing(served.connection()))
            path = "/events" if number % 2 else f"/runs/etl/{runs - number}/events"
            connection.request("GET", path, headers={"Authorization": f"Bearer {TOKEN}"})
            stack.callback(connection.getresponse().close)
        time.sleep(2)
        more = served.memory() - before
    yield Row(what=f"what {STREAMS} open streams add to it", ratio=f"{more:.1f} MiB")
