"""`make bench`: ork beside the least that the same work can cost, as ratios within one run.

Prints the machine, the versions, the seed and one table; exits with 1 when a budget is missed.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import backends
import cloning
import deploying
import growing
import keeping
import looking_back
import memory
import paging
import placing
import running
import starting
import storing
import upping
from material import SEED
from measure import Row

PARTS: dict[str, tuple[str, Callable[[Path, bool], Iterator[Row]]]] = {
    "start": ("Looking something up: a whole command", starting.rows),
    "deploy": ("Deploying a large file", deploying.rows),
    "store": ("Objects and trees", storing.rows),
    "kinds": ("Objects of each kind", keeping.rows),
    "size": ("How much the file of a store grows", growing.rows),
    "backends": ("Each kind of store beside its own library", backends.rows),
    "history": ("Looking back in a long history", looking_back.rows),
    "clone": ("Making a store of another one", cloning.rows),
    "memory": ("The most memory of commands that read", memory.rows),
    "place": ("The place of execution", placing.rows),
    "run": ("Running no-op tasks", running.rows),
    "up": ("Firing what is due", upping.rows),
    "page": ("The page of ork up", paging.rows),
}
PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- table -->\n", "<!-- end of table -->\n"
LIBRARIES = (
    "ork-workflows",
    "typer",
    "msgspec",
    "lmdb",
    "psycopg",
    "blake3",
    "ruamel.yaml",
    "ruamel.yaml.clib",
)


def main() -> int:
    """Measure the chosen parts; print, and with --write keep, the table."""
    options = _options()
    with _spinning(2 if options.busy else 0):
        return _measured(options)


def _measured(options: argparse.Namespace) -> int:
    lines = _machine(options.quick)
    print("\n".join(lines) + "\n")
    missed = 0
    written = [f"{line}  \n" for line in lines]
    for part in options.parts or PARTS:
        title, measure = PARTS[part]
        with tempfile.TemporaryDirectory(prefix="ork-bench-") as folder:
            rows = list(_shown(title, _judged(measure(Path(folder), options.quick), options.quick)))
        missed += sum(row.ok is False for row in rows)
        written += ["\n", f"| {title} | median | ratio | budget | |\n", "|---|--:|--:|--:|---|\n"]
        written += [f"| {' | '.join(_cells(row))} |\n" for row in rows]
        print()
    if options.write:
        _write(["\n", *written, "\n"])
    verdict = "quick: budgets were not judged" if options.quick else "all budgets hold"
    print(f"{missed} over budget" if missed else verdict)
    return 1 if missed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="all when left out")
    parser.add_argument("--quick", action="store_true", help="small and short: a smoke test")
    parser.add_argument("--busy", action="store_true", help="beside two processes that only spin")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    return parser.parse_args()


@contextmanager
def _spinning(count: int) -> Iterator[None]:
    """Keep so many processes busy beside the block."""
    spin = [sys.executable, "-c", "while True: pass"]
    children = [subprocess.Popen(spin) for _ in range(count)]
    try:
        yield
    finally:
        for child in children:
            child.kill()
            child.wait()


def _judged(rows: Iterable[Row], quick: bool) -> Iterator[Row]:
    """Yield the rows, without verdicts when the sizes are not those of the budgets."""
    return (replace(row, ok=None) if quick else row for row in rows)


def _shown(title: str, rows: Iterable[Row]) -> Iterator[Row]:
    """Print every row as it is ready."""
    print(f"{title:<72} {'median':>9} {'ratio':>22} {'budget':>13}")
    for row in rows:
        what, seconds, ratio, budget, verdict = _cells(row)
        print(f"{what:<72} {seconds:>9} {ratio:>22} {budget:>13}  {verdict}", flush=True)
        yield row


def _cells(row: Row) -> tuple[str, str, str, str, str]:
    verdict = {None: "", True: "holds", False: "MISSED"}[row.ok]
    seconds = ""
    if row.seconds is not None:
        seconds = f"{row.seconds * 1e3:.1f} ms" if row.seconds < 10 else f"{row.seconds:.1f} s"
    return row.what, seconds, row.ratio, row.budget, verdict


def _machine(quick: bool) -> list[str]:
    words = " ".join(["python", "benchmarks/bench.py", *sys.argv[1:]])
    versions = []
    for name in LIBRARIES:
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            versions.append(f"{name} absent")
    return [
        f"Command: `{words}`" + (" (quick: small sizes, not for quoting)" if quick else ""),
        f"Machine: {os.cpu_count()} cores, {_processor()}, {platform.system()}",
        f"Python {platform.python_version()}; {', '.join(versions)}",
        f"Seed: {SEED}",
    ]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "an unknown processor"


def _write(table: list[str]) -> None:
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(before + BEGIN + "".join(table) + END + after, "utf-8")


if __name__ == "__main__":
    sys.exit(main())
