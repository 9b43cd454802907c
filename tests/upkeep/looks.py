"""What the reading commands answer about a store, and what a check says, each in a child.

Damage may kill whoever reads; that is an answer as well.
"""

from __future__ import annotations

import io
import os
import pickle
import signal
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from ork.cli.app import find_command, main
from ork.cli.session import World
from ork.errors import OrkError
from ork.store import location
from ork.store.store import Store
from ork.upkeep.findings import Finding
from ork.upkeep.fsck import Depth, inspect
from tests.conftest import START

READERS = (
    "log",
    "log -p",
    "status",
    "runs",
    "runs --snapshot etl~1",
    "ops",
    "tag",
    "log etl@prod",
    "show etl~1",
    "show etl:",
    "show etl#1",
    "show etl#2",
    "outputs etl#1",
    "diff etl~2 etl",
    "diff etl#1 etl#2",
    "--at-op @{1} log",
    "rev-parse etl@{1} etl@{2}",
    "cat-object etl:extract",
)


# What a child would import is imported before it is forked.
for reader in READERS:
    if not reader.startswith("-"):
        find_command(reader.split()[0])


def in_child(work: Callable[[], Any]) -> Any:
    """Return what a function returns in a forked child, or the name of the signal that ended it."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(ours)
            signal.alarm(60)
            with os.fdopen(theirs, "wb") as file:
                pickle.dump(work(), file)
            os._exit(0)
        except BaseException as error:
            os.write(2, f"{error!r}\n".encode())
            os._exit(9)
    os.close(theirs)
    with os.fdopen(ours, "rb") as file:
        data = file.read()
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    assert os.WEXITSTATUS(status) == 0
    return pickle.loads(data)  # noqa: S301


def answers(project: Path) -> Any:
    """Return exit code and output of each reading command."""
    return in_child(lambda: _answers(project))


def differs(project: Path, before: list[tuple[int, bytes]]) -> bool:
    """Say whether a reading command gives another answer than before, or none."""
    return in_child(lambda: _differs(project, before)) is not False


def _answers(project: Path) -> list[tuple[int, bytes]]:
    return list(_each_answer(project))


def _differs(project: Path, before: list[tuple[int, bytes]]) -> bool:
    return any(now != then for now, then in zip(_each_answer(project), before, strict=True))


def _each_answer(project: Path) -> Iterator[tuple[int, bytes]]:
    environ = {"HOME": str(project), "TERM": "dumb"}
    world = World(environ=environ, clock=lambda: START, token=lambda: "0")
    os.chdir(project)
    for line in READERS:
        out = io.TextIOWrapper(io.BytesIO())
        with redirect_stdout(out), redirect_stderr(io.StringIO()):
            code = main(line.split(), world=world)
        out.flush()
        yield code, out.buffer.getvalue()  # type: ignore[attr-defined]


def findings(folder: Path, depth: Depth = "default") -> list[Finding]:
    """Return what a check finds, as `ork fsck` does."""
    return in_child(lambda: look_here(folder, depth))


def look_here(folder: Path, depth: Depth = "default") -> list[Finding]:
    """Return what a check finds, in this process."""
    problems = location.data_problems(folder, environ={}, every_page=depth != "quick")
    found = [Finding(code="E001", message=problem) for problem in problems]
    try:
        store = Store(location.open_backend(folder, environ={}, readonly=True), folder=folder)
    except OrkError as error:
        return [*found, Finding(code="E003", message=error.message)]
    try:
        return found + [one for one in inspect(store, depth=depth) if isinstance(one, Finding)]
    finally:
        store.close()
