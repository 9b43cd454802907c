"""A process that has ork loaded and forks for each command: what is tried thousands of times.

A command can be hurt at the n-th call by which it changes data below a folder: `shim.c` stands
between it and the C library. The same process looks at what a command has left.
"""

from __future__ import annotations

import ctypes
import functools
import gc
import json
import os
import pkgutil
import re
import shutil
import signal
import subprocess
import sys
import traceback
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from tests.conftest import START

SHIM = Path(__file__).with_name("shim.c")
ROOT = Path(__file__).parents[2]
SECONDS_MAX = 60
EVER = 2**31 - 1


class Hurt(NamedTuple):
    """The call that does not happen: it fails, or the process dies there."""

    at: int
    error: int = 0  # an errno; 0 is a kill
    on: bool = False  # every later one, too
    half: bool = False  # half of the first one is done, if it is a write

    def __str__(self) -> str:
        how = os.strerror(self.error) if self.error else "killed"
        place = "in" if self.half else "from" if self.on else "at"
        return f"{how} {place} call {self.at}"


class Done(NamedTuple):
    """What came of a command: its exit code, or a signal as a negative number."""

    code: int
    out: str
    err: str
    calls: list[str]  # by which it changed data, or would have

    def told(self) -> str:
        """Return what it has told in whole lines."""
        return self.out[: self.out.rfind("\n") + 1]


def compiled(folder: Path) -> Path | None:
    """Compile the shim; None where there is no compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    library = folder / "shim.so"
    words = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SHIM), "-ldl"]
    subprocess.run(words, check=True)
    return library


class Running(NamedTuple):
    """A command that was started, and the folder of what it prints."""

    pid: int
    files: Path


class Forker:
    """The process, from the outside."""

    def __init__(self, folder: Path, library: Path) -> None:
        self._folder = folder
        self._started = 0
        kept = {key: value for key, value in os.environ.items() if not key.startswith("ORK_")}
        environ = {
            **kept,
            "LD_PRELOAD": str(library),
            "HOME": str(folder),
            "TZ": "UTC",
            "TERM": "dumb",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CEILING_DIRECTORIES": str(folder),
            "ORK_AUTHOR_NAME": "Ada",
            "ORK_AUTHOR_EMAIL": "ada@example.org",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.forker", str(library)],
            cwd=ROOT,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ork(self, project: Path, *argv: str, **options: Any) -> Done:
        """Run a command in a project to its end; the options are those of `start`."""
        return self.wait(self.start(project, *argv, **options))

    def start(
        self,
        project: Path,
        *argv: str,
        token: int = 0,
        box: Path | None = None,
        hurt: Hurt | None = None,
    ) -> Running:
        """Start a command; calls that change data below `box` count, and may be hurt.

        What is random in a command, and its clock, follow from the token.
        """
        self._started += 1
        files = self._folder / str(self._started)
        files.mkdir()
        for name in ("out", "err", "calls"):
            (files / name).touch()
        at, error, on, half = hurt or Hurt(0)
        names = [str(path) for path in (project, box or project.parent, files)]
        pid = self._ask("ork", *names, argv, token, at, EVER if on else at, error, half)
        return Running(pid, files)

    def wait(self, running: Running) -> Done:
        """Wait for the end of a command."""
        code = self._ask("wait", running.pid)
        out, err, calls = ((running.files / name).read_text() for name in ("out", "err", "calls"))
        shutil.rmtree(running.files)
        return Done(code, out, err, calls.splitlines())

    def look(self, project: Path) -> dict[str, Any]:
        """Return what a full check says of a store, and what is in it."""
        out = self._folder / "look"
        if code := self._ask("wait", self._ask("look", str(project), str(out))):
            raise AssertionError(f"the look at {project} ended with {code}: {out.read_text()}")
        found: dict[str, Any] = json.loads(out.read_text())
        return found

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _ask(self, *words: object) -> int:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def main(library: str) -> None:
    """Do in a forked child what a line asks for, and answer with its id; or wait for its end."""
    del os.environ["LD_PRELOAD"]  # this process has it
    shim = ctypes.CDLL(library)
    _warm()
    for line in sys.stdin:
        act, *words = json.loads(line)
        if act == "wait":
            _, status = os.waitpid(*words, 0)
            answer = os.waitstatus_to_exitcode(status)
        elif (answer := os.fork()) == 0:
            code = 99
            try:
                signal.alarm(SECONDS_MAX)
                code = {"ork": functools.partial(_ork, shim), "look": _look}[act](*words)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


def _warm() -> None:
    """Import and build all that commands need, so that each begins as if it had been at work."""
    import ork
    from ork.cli.app import COMMANDS, main

    for module in pkgutil.walk_packages(ork.__path__, "ork."):
        if not module.name.startswith(("ork.worker", "ork.__main__")):
            import_module(module.name)
    sink = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for command in COMMANDS:
        main([command, "--help"])
    sys.stdout.flush()
    os.dup2(sink, 1)
    os.close(sink)
    gc.freeze()


def _ork(
    shim: Any,
    project: str,
    box: str,
    files: str,
    argv: list[str],
    token: int,
    first: int,
    last: int,
    error: int,
    half: bool,
) -> int:
    from ork.cli.app import main
    from ork.cli.screen import signals
    from ork.cli.session import World

    os.chdir(project)
    _onto(0, os.devnull, os.O_RDONLY)
    for number, name in ((1, "out"), (2, "err")):
        _onto(number, f"{files}/{name}", os.O_WRONLY)
    journal = os.open(f"{files}/calls", os.O_WRONLY | os.O_CLOEXEC)
    signals.unwind()
    now = START + timedelta(hours=1, milliseconds=token)
    world = World(environ=os.environ, clock=lambda: now, token=lambda: f"{token:06x}")
    shim.shim_arm(os.fsencode(box), journal, first, last, error, half)
    code = main(argv, world=world)
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _onto(number: int, path: str, flags: int) -> None:
    opened = os.open(path, flags, 0o600)
    os.dup2(opened, number)
    os.close(opened)


def _look(project: str, out: str) -> int:
    from ork.store import location

    _onto(1, out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    folder = Path(project, ".ork")
    found: dict[str, Any] = {"errors": [], "heads": {}, "deploys": [], "operations": [], "runs": {}}
    if folder.exists():
        found["errors"] = location.data_problems(folder, environ={}, every_page=True)
        _look_into(folder, found)
    json.dump(found, sys.stdout)
    sys.stdout.flush()
    return 0


def _look_into(folder: Path, found: dict[str, Any]) -> None:
    from ork.objects.kinds import Run
    from ork.store import location
    from ork.store.contents import task_runs
    from ork.store.operations import operations
    from ork.store.resolve import history, workflows
    from ork.store.store import Store
    from ork.upkeep.findings import Finding
    from ork.upkeep.fsck import inspect

    store = Store(location.open_backend(folder, environ={}, readonly=True), folder=folder)
    for told in inspect(store, depth="full"):
        if isinstance(told, Finding) and told.level == "error":
            found["errors"].append(f"{told.code} {told.ref} {told.object} {told.message}")
    if found["errors"]:
        return
    for space in ("workflows/", "tags/"):
        found["heads"] |= dict(store.refs(space))
    found["operations"] = [oid for oid, _ in operations(store)]
    for name, oid in store.refs("runs/"):
        run = store.get(Run, oid)
        tasks = {task: one.state for task, one in task_runs(store, run).items()}
        found["runs"][name] = [run.state, tasks]
    for workflow in workflows(store):
        found["deploys"] += [oid for oid, _ in history(store, workflow)]
    found["objects"] = sum(1 for _ in store.backend.oids()) - len(found["operations"])


def names_below(box: Path) -> set[str]:
    """Return the names of all files and folders, without what is random in them."""
    names = set()
    for top, folders, files in os.walk(box):
        if ".git" in folders:
            folders.remove(".git")
        for name in (*folders, *files):
            names.add(_without_random(os.path.relpath(os.path.join(top, name), box)))
    return names


def _without_random(name: str) -> str:
    return re.sub(
        r"\d{8}T\d{6}\.\d+(-[0-9a-f]{6})?|[0-9a-f]{8,}|(?<=objects/)[0-9a-f]{2}\b", "*", name
    )


if __name__ == "__main__":
    main(sys.argv[1])
