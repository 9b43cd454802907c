"""A project whose commands run in processes of their own, which may be killed, and what is left."""

from __future__ import annotations

import contextlib
import io
import json
import os
import secrets
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ork.cli.app import main
from ork.cli.session import World
from ork.logs.reading import pieces
from ork.objects.canonical import Oid
from ork.objects.kinds import (
    Deploy,
    FileLeaf,
    Node,
    OidLeaf,
    Operation,
    Run,
    RunLeaf,
    Snapshot,
    TaskRun,
)
from ork.store import location
from ork.store.contents import task_runs
from ork.store.resolve import run_of_number
from ork.store.store import Store
from tests.scale import LONG
from tests.started import Started

SECONDS_MAX = 30  # nothing here takes a second on an idle machine
MAIN = "import sys\nfrom ork.cli.app import entry\n{patch}\nentry()\n"
# For runs whose tasks will not end by themselves when the user asks them to stop, or not at all.
IMPATIENT = "" if LONG else "from ork.runner import brake; brake.LINGER_SECONDS = 0.0"
FIERCE = "" if LONG else f"{IMPATIENT}; brake.GRACE_SECONDS = 0.2"


class Project:
    """A folder with workflows; ork runs in it as a child, marked so that its children are found."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = f"mark-{secrets.token_hex(8)}"
        self._forked: list[Started] = []  # whose environment nobody sees from outside

    @property
    def environ(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("ORK_")}
        return {
            **kept,
            "TEST_MARK": self.mark,
            "HOME": str(self.folder),
            "TZ": "UTC",
            "TERM": "dumb",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CEILING_DIRECTORIES": str(self.folder.parent),
            "ORK_AUTHOR_NAME": "Ada",
            "PYTHONPATH": str(Path(location.__file__).parents[2]),
        }

    def write(self, path: str, text: str, *, executable: bool = False) -> Path:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(textwrap.dedent(text))
        target.chmod(0o755 if executable else 0o644)
        return target

    def workflow(self, *tasks: str, head: str = "", path: str = "flow.yaml") -> Path:
        body = textwrap.indent("\n".join(textwrap.dedent(task) for task in tasks), "  ")
        return self.write(path, f"name: flow\n{textwrap.dedent(head)}\ntasks:\n{body}\n")

    def start(
        self, *argv: str, patch: str = "", failpoint: str = "", anew: bool = False, **options: Any
    ) -> subprocess.Popen[str]:
        """Start a command; `patch` is Python that is executed before ork begins.

        Python itself is started anew where that is asked for: for what a process has in memory.
        """
        environ = {**self.environ, **options.pop("environ", {})}
        if failpoint:
            environ["ORK_FAILPOINT"] = failpoint
        patch = textwrap.dedent(patch)
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        options = {"cwd": self.folder, "text": True, "env": environ, **options}
        if anew:
            start = ["-c", MAIN.format(patch=patch)] if patch else ["-m", "ork"]
            return subprocess.Popen([sys.executable, *start, *argv], **options)
        self._forked.append(Started(*argv, patch=patch, **options))
        return self._forked[-1]

    def ork(self, *argv: str, code: int | None = 0, alone: bool = False, **options: Any) -> Any:
        """Run a command to its end; its exit code must be as expected, unless that is None.

        It has a process of its own when it may be hurt, which is when it is to be alone or started
        in some other way than usual: others would wait for Python to start and for nothing else.
        """
        if not alone and not options:
            done = self._here(argv)
        else:
            child = self.start(*argv, **options)
            out, err = child.communicate(timeout=120)
            done = subprocess.CompletedProcess(argv, child.returncode, out, err)
        assert code is None or done.returncode == code, f"{argv}: {done}"
        return done

    def _here(self, argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a command in this process."""
        with (
            io.TextIOWrapper(io.BytesIO(), "utf-8") as out,
            io.TextIOWrapper(io.BytesIO(), "utf-8") as err,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            contextlib.chdir(self.folder),
        ):
            code = main(argv, world=World(environ=self.environ))
            texts = []
            for stream in (out, err):
                stream.flush()
                texts.append(stream.buffer.getvalue().decode())
        return subprocess.CompletedProcess(argv, code, *texts)

    def open(self) -> Store:
        """Open the store as it is now, with nothing cached; the caller closes it."""
        folder = self.folder / ".ork"
        return Store(location.open_backend(folder, environ={}), folder=folder)

    def run_of(self, number: int = 1) -> tuple[Run, dict[str, TaskRun]]:
        """Return a run as it is recorded, and its task runs."""
        store = self.open()
        try:
            _, run = run_of_number(store, "flow", number)
            return run, task_runs(store, run)
        finally:
            store.close()

    def states(self, number: int = 1) -> dict[str, str]:
        return {name: taskrun.state for name, taskrun in self.run_of(number)[1].items()}

    def output(self, task: str, number: int = 1) -> Any:
        shown = json.loads(self.ork("outputs", f"flow#{number}", "--json").stdout)
        return shown["data"][task]

    def lines(self, path: str) -> list[str]:
        target = self.folder / path
        return target.read_text().split() if target.exists() else []

    def log(self, task: str, attempt: int = 1, number: int = 1) -> bytes:
        store = self.open()
        try:
            _, run = run_of_number(store, "flow", number)
            return b"".join(pieces(store, task_runs(store, run)[task].attempts[attempt - 1].log))
        finally:
            store.close()

    def survivors(self) -> list[int]:
        """Return the living processes that come from this project."""
        return marked(self.mark) + [one.pid for one in self._forked if one.poll() is None]


def shell(name: str, command: str, more: str = "") -> str:
    return f"{name}: {{executor: process, command: {json.dumps(command)}{more}}}"


def python(name: str, function: str = "main", more: str = "", *, file: str = "code.py") -> str:
    return f"{name}: {{executor: python, file: {file}, function: {function}{more}}}"


def marked(mark: str) -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and mark.encode() in Path(f"/proc/{name}/environ").read_bytes():
                found.append(int(name))
        except OSError:
            continue
    return found


def kill_marked(mark: str) -> None:
    for pid in marked(mark):
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            continue


def eventually(condition: Callable[[], object], seconds: float = SECONDS_MAX) -> bool:
    """Say whether something becomes true before a generous deadline."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def told(out: str) -> list[dict[str, Any]]:
    """Return the events that a command with --json told; a line cut short was not told."""
    return [json.loads(line) for line in out.splitlines(keepends=True) if line.endswith("\n")]


def check_whole(store: Store) -> int:
    """Read every object that a ref needs, each checked against its name; return how many."""
    seen: set[Oid] = set()
    waiting = [oid for _, oid in store.refs("")]
    while waiting:
        oid = waiting.pop()
        if oid not in seen:
            seen.add(oid)
            waiting += named_in(store.read(oid))
    return len(seen)


def check_index(store: Store) -> None:
    """Check that the index of runs by snapshot has every run, and no other."""
    runs = {name: store.get(Run, oid).snapshot for name, oid in store.refs("runs/")}
    assert sorted(name for name, _ in store.refs("ran/")) == sorted(
        f"{snapshot}/{name}" for name, snapshot in runs.items()
    )


def named_in(value: object) -> Iterator[Oid] | Sequence[Oid]:
    """Return the oids that an object names."""
    if isinstance(value, Deploy):
        restored = [value.restores] if value.restores else []
        return [value.snapshot, *value.parents, value.source.oid, *restored]
    if isinstance(value, Snapshot):
        return [value.tasks, value.files]
    if isinstance(value, OidLeaf):
        return [oid for _, oid in value.entries]
    if isinstance(value, FileLeaf):
        return [file.blob for _, file in value.entries]
    if isinstance(value, RunLeaf):
        return [oid for _, taskrun in value.entries for oid in named_in(taskrun)]
    if isinstance(value, Node):
        return [oid for _, oid in value.children]
    if isinstance(value, Run):
        named = (
            value.snapshot,
            value.deploy,
            value.tasks,
            value.environment,
            value.params,
            value.previous,
        )
        return [oid for oid in named if oid]
    if isinstance(value, TaskRun):
        output = value.output.oid if value.output and value.output.text is None else None
        places = [attempt.environment for attempt in value.attempts]
        return [oid for oid in (value.task, value.each, value.source, output, *places) if oid]
    if isinstance(value, Operation):
        news = [new for _, _, new in value.moves]
        return [oid for oid in (value.parent, *news) if oid]
    return []
