"""How soon a command that only looks something up is done."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from material import git_history, long_history
from measure import Row, Times, interleaved, process, row

PROGRAM = '''\
"""The smallest Typer program: one command, one option."""

import typer

app = typer.Typer()


@app.command()
def hello(name: str = "world") -> None:
    """Greet somebody."""
    print(f"hello {name}")


if __name__ == "__main__":
    app()
'''
COMMANDS = {
    "ork log -n 20": ("log", "-n", "20"),
    "ork runs -n 20": ("runs", "-n", "20"),
    "ork diff etl~1 etl": ("diff", "etl~1", "etl"),
    "ork show etl": ("show", "etl"),
    "ork --version": ("--version",),
    "ork --help": ("--help",),
}
AT_MOST = 1.35


def ork() -> list[str]:
    """Return how a user of this interpreter starts ork."""
    script = Path(sys.executable).with_name("ork")
    return [str(script)] if script.exists() else [sys.executable, "-m", "ork"]


def rows(folder: Path, quick: bool) -> Iterator[Row]:
    """Yield how long commands take beside a program that does nothing but start."""
    deploys, runs, repeats = (1_000, 100, 7) if quick else (10_000, 1_000, 40)
    project, repository = folder / "project", folder / "repository"
    long_history(project, deploys, runs).close()
    (folder / "hello.py").write_text(PROGRAM)
    actions: dict[str, Callable[[], float | None]] = {
        "typer": process([sys.executable, "hello.py"], folder),
        "python": process([sys.executable, "-c", "pass"], folder),
    }
    if shutil.which("git"):
        git_history(repository, deploys)
        actions["git"] = process(["git", "log", "-n", "20"], repository)
    for what, words in COMMANDS.items():
        actions[what] = process([*ork(), *words], project)
    times = interleaved(actions, repeats)
    yield from _rows(times, f"{deploys:,}")


def _rows(times: Times, deploys: str) -> Iterator[Row]:
    yield row("one-command Typer program (= 1)", times, "typer")
    for what in COMMANDS:
        budgeted = not what.startswith("ork --")
        text = f"{what}, {deploys} deploys" if budgeted else what
        yield row(text, times, what, "typer", at_most=AT_MOST if budgeted else None)
    yield row("python -c pass", times, "python", "typer")
    if "git" in times:
        yield row(f"git log -n 20, {deploys} commits", times, "git", "typer")
