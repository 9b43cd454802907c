"""What ork adds to tasks that do nothing. Reported; there is no budget yet."""

from __future__ import annotations

import importlib.util
import shutil
import statistics
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from material import small_workflow
from measure import Row, Times, interleaved, number, process
from starting import ork

PYTHON_SHAPES = {
    "1 python task": (1, "flat"),
    "chain of 100 python tasks": (100, "chain"),
    "fan 1-500-1 of python tasks": (502, "fan"),
}
DODO = """\
def task_noop():
    for n in range(%d):
        yield {"name": str(n), "actions": ["true"]}
"""


def rows(folder: Path, quick: bool) -> Iterator[Row]:
    """Yield whole runs of no-op tasks, each cold and in a new store."""
    many = 200 if quick else 1_000
    repeats = 2 if quick else 5
    yield from _python(folder, many, repeats)
    yield from _shell(folder, many, repeats)


def _python(folder: Path, many: int, repeats: int) -> Iterator[Row]:
    shapes = {**PYTHON_SHAPES, "n": (many, "flat"), "2n": (2 * many, "flat")}
    actions = {name: _run(folder, f"python-{count}-{shape}", count, "python", shape)
               for name, (count, shape) in shapes.items()}  # fmt: skip
    actions["bare"] = process([sys.executable, "-c", "pass"], folder)
    actions["call"] = process([sys.executable, "-c", f"def f(): pass\nfor _ in range({many}): f()"],
                              folder)  # fmt: skip
    times = interleaved(actions, repeats)
    for name in PYTHON_SHAPES:
        yield _against(f"ork run, new store: {name}", times, name, "bare", "python -c pass")
    more = [b - a for a, b in zip(times["n"], times["2n"], strict=True)]
    each = statistics.median(more) / many
    yield Row(
        what=f"{many:,} independent python tasks ({2 * many:,} minus {many:,})",
        seconds=statistics.median(more), ratio=f"{each * 1e6:.0f} us per task",
    )  # fmt: skip


def _shell(folder: Path, many: int, repeats: int) -> Iterator[Row]:
    actions: dict[str, Callable[[], None]] = {
        "ork": _run(folder, f"shell-{many}", many, "process", "flat")
    }
    tools = folder / "tools"
    tools.mkdir()
    (tools / "lines").write_text("\n".join(map(str, range(many))) + "\n")
    names = " ".join(f"t{n}" for n in range(many))
    (tools / "Makefile").write_text(f"all: {names}\n{names}:\n\t@true;\n.PHONY: all {names}\n")
    builds = "".join(f"build t{n}: go\n" for n in range(many))
    (tools / "build.ninja").write_text(f"rule go\n  command = true\n{builds}")
    (tools / "dodo.py").write_text(DODO % many)
    commands = {
        "xargs": ["sh", "-c", "xargs -P2 -n1 sh -c true < lines"],
        "make": ["make", "-s", "-j2"],
        "ninja": ["ninja", "--quiet", "-j2"],
    }
    for name, words in commands.items():
        if shutil.which(name):
            actions[f"{name}"] = process(words, tools)
    if importlib.util.find_spec("doit"):
        actions["doit"] = process([sys.executable, "-m", "doit", "-n", "2"], tools)
    times = interleaved(actions, repeats)
    base = "xargs" if "xargs" in times else "ork"
    what = f"{many:,} x `true` by {'xargs -P2 sh -c' if base == 'xargs' else base} (= 1)"
    yield Row(what=what, seconds=statistics.median(times[base]))
    for name in times:
        if name != base:
            yield _against(f"{many:,} x `true` by {name}", times, name, base, "")


def _run(folder: Path, name: str, count: int, kind: str, shape: str) -> Callable[[], None]:
    """Return an action: `ork run` of such a workflow in a store that does not exist yet."""
    project = folder / name
    project.mkdir(exist_ok=True)
    (project / "noop.py").write_text("def main():\n    return None\n")
    (project / "noop.yaml").write_text(small_workflow(count, kind, shape=shape))
    stores = iter(range(10**6))

    def run() -> None:
        process([*ork(), "--store", f"store-{next(stores)}", "run", "noop.yaml"], project)()

    return run


def _against(what: str, times: Times, ours: str, theirs: str, unit: str) -> Row:
    values = [a / b for a, b in zip(times[ours], times[theirs], strict=True)]
    text = number(statistics.median(values)) + (f" x {unit}" if unit else "")
    return Row(what=what, seconds=statistics.median(times[ours]), ratio=text)
