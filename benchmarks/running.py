"""What ork adds to tasks that do nothing, beside the least that running them can cost.

Every run is a whole process, cold, with a store that does not exist yet. What a further task costs
is the difference of two such runs, so that starting up, which both do, falls out of it. The rows
that need other tools than the machine has are in `peers.py`.
"""

from __future__ import annotations

import shutil
import statistics
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from material import small_workflow
from measure import Row, Times, interleaved, number, process, row
from starting import ork

HERE = Path(__file__).resolve().parent
PEERS = HERE / ".venv-peers"
TASKS = 1_000
LARGE = 10_000
HISTORY_AT_MOST = 1.4
PYTHON_AT_MOST = 3.0  # in processor time
CHAIN_AT_MOST = 3.0
SHELL_AT_MOST = 1.5
MEGABYTES_AT_MOST = 300
GROWTH_AT_MOST = 1.1  # as much per task as in a small run, and a tenth for noise
SHAPES = {
    "1 python task": (1, "flat"),
    "chain of 100": (100, "chain"),
    "fan 1-500-1": (502, "fan"),
}
# The kernel's own count for this process image. `ru_maxrss` would not do: it is inherited from
# whoever started the process, and that of children counts the workers.
PEAK = """\
import sys

from ork.cli.app import main

code = main(sys.argv[1:])
with open("/proc/self/status") as lines, open("peak", "w") as file:
    file.writelines(line for line in lines if line.startswith("VmHWM:"))
sys.exit(code)
"""

# The same run with a store that forgets everything, or with one on the disk.
LIBRARY = """\
import sys
from pathlib import Path

import ork
from ork.backends.memory import Memory
from ork.runner.start import Options
from ork.store import location
from ork.store.store import Store

if len(sys.argv) > 1:
    location.create(Path(sys.argv[1]).absolute())
    store = location.open_store(Path(sys.argv[1]).absolute(), environ={})
else:
    store = Store(Memory())
*_, last = ork.Project(store).events(Path("noop.yaml"), options=Options(jobs=2))
assert last.run.state == "success"
"""


def rows(folder: Path, quick: bool) -> Iterator[Row]:
    """Yield python tasks, shell tasks, and what a large run costs."""
    yield from _python(folder, 200 if quick else TASKS, 2 if quick else 9)
    yield from _shell(folder, 200 if quick else TASKS, 2 if quick else 5)
    yield from _history(folder, 200 if quick else TASKS, 2 if quick else 9)
    yield from _large(folder, 100 if quick else TASKS, 1_000 if quick else LARGE, 1 if quick else 3)


def run_noop(
    folder: Path, count: int, kind: str = "python", shape: str = "flat"
) -> Callable[[], None]:
    """Return an action: `ork run` of such a workflow in a store that does not exist yet."""
    project = _project(folder, count, kind, shape)
    stores = iter(range(10**6))

    def run() -> None:
        process(
            [*ork(), "--store", f"store-{next(stores)}", "run", "-j", "2", "noop.yaml"], project
        )()

    return run


def _project(folder: Path, count: int, kind: str, shape: str) -> Path:
    project = folder / f"{kind}-{count}-{shape}"
    project.mkdir(exist_ok=True)
    (project / "noop.py").write_text("def main():\n    return None\n")
    (project / "noop.yaml").write_text(small_workflow(count, kind, shape=shape))
    return project


def further(times: Times, small: str, large: str) -> tuple[float, float]:
    """Return what the larger run took more: by the medians, and by the fastest of each."""
    return (
        statistics.median(times[large]) - statistics.median(times[small]),
        min(times[large]) - min(times[small]),
    )


def _python(folder: Path, many: int, repeats: int) -> Iterator[Row]:
    shapes = {**SHAPES, "n": (many, "flat"), "2n": (2 * many, "flat")}
    actions = {"python": process([sys.executable, "-c", "pass"], folder)}
    for name, (count, shape) in shapes.items():
        actions[f"bare {name}"] = _bare(folder, count, shape)
        actions[f"ork {name}"] = run_noop(folder, count, shape=shape)
    processor: Times = {}
    times = interleaved(actions, repeats, processor=processor)
    what = f"{many:,} more independent python tasks"
    yield from _further(what, times, many, None)
    yield from _further(f"{what}, processor time", processor, many, PYTHON_AT_MOST)
    for name in SHAPES:
        most = CHAIN_AT_MOST if "chain" in name else None
        yield row(f"bare forked workers: {name}, whole process (= 1)", times, f"bare {name}")
        yield row(
            f"ork run: {name}, whole process", times, f"ork {name}", f"bare {name}", at_most=most
        )
    yield row("ork run: 1 python task, python -c pass = 1", times, "ork 1 python task", "python")


def _further(what: str, times: Times, many: int, at_most: float | None) -> Iterator[Row]:
    least, fastest = further(times, "bare n", "bare 2n")
    ours, our_fastest = further(times, "ork n", "ork 2n")
    yield Row(
        what=f"bare forked workers: {what} (= 1)",
        seconds=least,
        ratio=f"{least / many * 1e6:.0f} us per task",
    )
    yield Row(
        what=f"ork run: {what}; {ours / many * 1e6:.0f} us per task",
        seconds=ours,
        budget=f"at most {at_most:g}" if at_most else "",
        ratio=f"{number(ours / least)} ({number(our_fastest / fastest)})",
        ok=ours <= at_most * least if at_most else None,
    )


def _bare(folder: Path, count: int, shape: str) -> Callable[[], None]:
    stores = iter(range(10**6))

    def run() -> None:
        words = [str(count), shape, f"bare-{count}-{shape}-{next(stores)}"]
        process([sys.executable, str(HERE / "bare_workers.py"), *words], folder)()

    return run


def _shell(folder: Path, many: int, repeats: int) -> Iterator[Row]:
    tools = folder / "tools"
    tools.mkdir()
    (tools / "lines").write_text("\n".join(map(str, range(many))) + "\n")
    names = " ".join(f"t{n}" for n in range(many))
    (tools / "Makefile").write_text(f"all: {names}\n{names}:\n\t@true;\n.PHONY: all {names}\n")
    builds = "".join(f"build t{n}: go\n" for n in range(many))
    (tools / "build.ninja").write_text(f"rule go\n  command = true\n{builds}")
    ninja = shutil.which("ninja") or shutil.which("ninja", path=str(PEERS / "ninja" / "bin"))
    commands = {
        "ninja -j2": [ninja or "ninja", "--quiet", "-j2"],
        "make -j2": ["make", "-s", "-j2"],
        "xargs -P2 sh -c": ["sh", "-c", "xargs -P2 -n1 sh -c true < lines"],
    }
    actions = {
        name: process(words, tools) for name, words in commands.items() if shutil.which(words[0])
    }
    base = next(iter(actions))
    times = interleaved({**actions, "ork run": run_noop(folder, many, "process")}, repeats)
    yield row(f"{many:,} x `true` by {base} (= 1)", times, base)
    yield row(f"{many:,} x `true` by ork run", times, "ork run", base, at_most=SHELL_AT_MOST)
    for name in actions:
        if name != base:
            yield row(f"{many:,} x `true` by {name}", times, name, base)


def _history(folder: Path, many: int, repeats: int) -> Iterator[Row]:
    project = _project(folder, many, "python", "flat")
    (project / "library.py").write_text(LIBRARY)
    stores = iter(range(10**6))
    words = [sys.executable, "library.py"]
    actions = {
        "memory": process(words, project),
        "disk": lambda: process([*words, f"kept-{next(stores)}"], project)(),
    }
    times = interleaved(actions, repeats)
    what = f"ork run in the library: {many:,} python tasks, their history"
    yield row(f"{what} in memory (= 1)", times, "memory")
    yield row(f"{what} on the disk", times, "disk", "memory", at_most=HISTORY_AT_MOST)


def _large(folder: Path, many: int, large: int, repeats: int) -> Iterator[Row]:
    actions = {str(count): run_noop(folder, count) for count in (many, 2 * many, large)}
    times = interleaved(actions, repeats)
    few, some, most = (statistics.median(times[name]) for name in actions)
    parts = {
        "whole runs": (most / large) / (few / many),
        f"only beyond the first {many:,}": ((most - few) / (large - many)) / ((some - few) / many),
    }
    for part, value in parts.items():
        yield Row(
            what=f"a task of {large:,}, of {many:,} = 1: {part}",
            seconds=most / large,
            ratio=number(value),
            budget=f"at most {GROWTH_AT_MOST:g}",
            ok=value <= GROWTH_AT_MOST,
        )
    megabytes = _peak(folder / f"python-{large}-flat")
    yield Row(
        what=f"ork's own process at its largest, {large:,} tasks",
        ratio="not told here" if megabytes is None else f"{megabytes:.0f} MB",
        budget=f"under {MEGABYTES_AT_MOST} MB",
        ok=None if megabytes is None else megabytes < MEGABYTES_AT_MOST,
    )


def _peak(project: Path) -> float | None:
    """Return the most memory that ork's process itself held during a run, without its workers."""
    if not Path("/proc/self/status").exists():
        return None
    (project / "peak.py").write_text(PEAK)
    words = [sys.executable, "peak.py", "--store", "store-peak", "run", "-j", "2", "noop.yaml"]
    process(words, project)()
    return int((project / "peak").read_text().split()[1]) * 1024 / 1e6
