"""The sealed world: the command line as a function of folder, environment, clock and arguments."""

from __future__ import annotations

import gc
import os
import re
import shutil
import signal
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import settings

from ork.store import location
from ork.store.store import Store
from tests.scale import DAY, LONG, SLOW_TURNS, examples, has_its_turn

if TYPE_CHECKING:
    from ork.cli.session import World

# Collecting makes much that stays: to look for garbage in it meanwhile finds none.
gc.disable()

# What `nohup make test &` ignores would be ignored by every process that a test starts.
for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)

# Tasks that say `python` mean ours: there may be no other, or one behind a wrapper that takes long.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

# Whoever forbids byte code (images of containers do) would wait for each file to be compiled again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def holds_temporary_folders(folder: str) -> bool:
    """Return whether a folder may be written, has room for all tests and lets programs start."""
    try:
        about = os.statvfs(folder)
    except OSError:
        return False
    room = about.f_bavail * about.f_frsize
    return os.access(folder, os.W_OK) and not about.f_flag & os.ST_NOEXEC and room >= 2 << 30


# A store waits for the disk at each write, for nothing in a test: in memory nothing is waited for.
if "TMPDIR" not in os.environ and holds_temporary_folders("/dev/shm"):
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", "/dev/shm")

# Tests that say no other make their stores of this kind: `ORK_STORE=sqlite: make test`.
KIND = os.environ.get("ORK_STORE", "").removesuffix(":")
if KIND:
    location.create.__defaults__ = (KIND,)
    location.begun.__wrapped__.__defaults__ = (KIND,)  # type: ignore[attr-defined]

pytest_plugins = ["tests.stores", "tests.postgres", "tests.browser"]
# By day the same examples every time; `make test-long` looks for new ones and prints how to repeat.
settings.register_profile(
    "ork", deadline=None, derandomize=not LONG, print_blob=True, max_examples=examples(100)
)
settings.load_profile("ork")
LEFT = pytest.StashKey[int]()
GOLDEN = Path(__file__).parent / "cli" / "golden"
START = datetime(2026, 11, 1, 12, 0, 0, tzinfo=UTC)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return two more than there are cores, since many tests wait for processes; six at most."""
    return min(len(os.sched_getaffinity(0)), 4) + 2


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what `make torture` alone runs, unless it is asked for by its name."""
    asked = any("torture" in argument for argument in config.args)
    return True if collection_path.name == "torture" and not asked else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests were left out, and how those that are tried today are tried again."""
    if not LONG:
        slow = "" if SLOW_TURNS == 1 else " (`make test-all` runs all slow ones)"
        left = terminalreporter.config.stash.get(LEFT, 0)
        terminalreporter.write_line(f"left out, to other days or as slow: {left:,} tests{slow}")
        terminalreporter.write_line(f"of matrices those of one day: ORK_DAY={DAY}")


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a worker has left to other days, which is the same for all."""
    node.config.stash[LEFT] = getattr(node, "workeroutput", {}).get("left", 0)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what has its turn on another day, and what looks into files that are not there."""
    another = KIND not in ("", "lmdb")
    if another:
        items[:] = [item for item in items if item.get_closest_marker("lmdb") is None]
    named = all("::" in argument or argument.endswith(".py") for argument in config.args)
    if named or os.environ.get("ORK_GOLDEN"):
        return  # whoever names a test or a file wants all of it, and `make golden` all files
    seen = Counter[str]()
    left = []
    for item in items:
        turns = item.get_closest_marker("turns")
        one_in = 1 if turns is None else turns.args[0]
        if item.get_closest_marker("slow") is not None:
            one_in = max(one_in, SLOW_TURNS) if SLOW_TURNS else 0
        elif another and "tests/cli/" in item.nodeid:
            one_in = max(one_in, 2)  # what they print does not depend on the store
        if one_in != 1:
            name = item.nodeid.partition("[")[0]
            seen[name] += 1
            if not has_its_turn(name, seen[name], one_in=one_in):
                left.append(item)
    config.hook.pytest_deselected(items=left)
    config.stash[LEFT] = len(left)
    if hasattr(config, "workeroutput"):
        config.workeroutput["left"] = len(left)
    gone = set(left)
    items[:] = [item for item in items if item not in gone]


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Let a worker say once that a test passed: to say it in six parts takes longer than the test.

    Whoever asks for durations is told of what came before and after it as well.
    """
    option = item.config.option
    asked = option.durations is not None or option.xmlpath is not None
    if asked or not hasattr(item.config, "workerinput"):
        return None
    for report in runtestprotocol(item, nextitem=nextitem, log=False):
        if report.when == "call" or not report.passed:
            report.keywords = {}  # nobody reads them
            item.ihook.pytest_runtest_logreport(report=report)
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Let each worker import other modules first: else all of them compile the same one at once."""
    worker = getattr(session.config, "workerinput", None)
    if worker is None or session.config.args != session.config.getini("testpaths"):
        return
    root = session.config.rootpath
    files = [file.relative_to(root) for file in sorted(root.glob("tests/**/test_*.py"))]
    names = [".".join(file.with_suffix("").parts) for file in files if "torture" not in file.parts]
    begin = len(names) * int(worker["workerid"].removeprefix("gw")) // worker["workercount"]
    for name in names[begin:] + names[:begin]:
        with suppress(Exception, pytest.skip.Exception):  # collecting tells it
            import_module(name)


def pytest_collection_finish() -> None:
    """Let the collector of garbage never look again at what stays: all modules and all tests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str


class Ork:
    """Runs command lines in one folder; its clock and ids advance by one with every use."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "TERM": "dumb",
            **{name: os.environ[name] for name in ("ORK_STORE",) if name in os.environ},
            "ORK_AUTHOR_NAME": "Ada Lovelace",
            "ORK_AUTHOR_EMAIL": "ada@example.org",
        }
        self._capture = capture
        self._seconds = self._tokens = 0

    def __call__(self, *argv: str) -> Result:
        from ork.cli.app import main

        self._capture.readouterr()
        code = main(argv, world=self.world())
        printed = self._capture.readouterr()
        return Result(code, printed.out, printed.err)

    def world(self) -> World:
        """Return the world of the next command."""
        from ork.cli.session import World

        return World(
            environ=self.environ,
            clock=self._clock,
            token=self._token,
        )

    def keep(self, folder: Path) -> Callable[[Ork], None]:
        """Keep this world in a folder; return what makes a fresh one of another test like it."""
        uses = self._seconds, self._tokens
        shutil.copytree(self.folder, folder, symlinks=True, dirs_exist_ok=True)

        def repeat(other: Ork) -> None:
            shutil.copytree(folder, other.folder, symlinks=True, dirs_exist_ok=True)
            other._seconds, other._tokens = uses

        return repeat

    def _clock(self) -> datetime:
        self._seconds += 1
        return START + timedelta(seconds=self._seconds - 1)

    def _token(self) -> str:
        self._tokens += 1
        return f"{self._tokens:06x}"

    def write(self, path: str, text: str, *, executable: bool = False) -> Path:
        """Write a file below the folder, the text without its common indentation."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(textwrap.dedent(text))
        target.chmod(0o755 if executable else 0o644)
        return target


Steps: TypeAlias = Callable[[], object]
Worlds: TypeAlias = dict[str, Callable[[Ork], None]]


@pytest.fixture
def ork(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Ork]:
    """The command line in an empty folder, nobody's configuration, a clock of its own, in UTC."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    for name in list(os.environ):
        if name.startswith("ORK_") and name not in ("ORK_GOLDEN", "ORK_DAY"):
            monkeypatch.delenv(name)
    time.tzset()
    yield Ork(folder, capsys)
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(scope="session")
def worlds() -> Worlds:
    """The worlds that were built so far, by the names of their fixtures."""
    return {}


@pytest.fixture
def once(
    ork: Ork, worlds: Worlds, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, Steps], None]:
    """Build a world as its fixture does, or copy it as it was built for an earlier test."""

    def build(name: str, steps: Steps) -> None:
        if name in worlds:
            worlds[name](ork)
        else:
            steps()
            worlds[name] = ork.keep(tmp_path_factory.mktemp(name))

    return build


@pytest.fixture
def opened(ork: Ork) -> Iterator[Callable[[], Store]]:
    """Open the store of the world as a library would."""
    stores = []

    def opening() -> Store:
        folder = ork.folder / ".ork"
        stores.append(Store(location.open_backend(folder, environ=ork.environ), folder=folder))
        return stores[-1]

    yield opening
    for store in stores:
        store.close()


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compare a whole output with a file below tests/cli/golden; `make golden` writes them anew.

    What differs from run to run is replaced first: durations, and the name of this machine.
    """

    def compare(name: str, text: str) -> None:
        text = text.replace(os.uname().nodename, "HOST")
        text = re.sub(r"\b\d+(?:\.\d+)?m?s\b(?! ago)", "TIME", text)
        text = re.sub(r" +TIME", " TIME", text)
        path = GOLDEN / name
        if os.environ.get("ORK_GOLDEN"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert path.exists(), f"no golden file {name}: write it with `make golden`, then read it"
        assert text == path.read_text()

    return compare


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no program that a busy machine starts slowly count as one that took notably longer."""
    monkeypatch.setattr("ork.differences.runs.NOTABLE_SECONDS", 60)


ETL = """\
    name: etl
    description: Fetch, then load
    schedule: "0 2 * * *"
    tasks:
      extract:
        executor: python
        file: tasks/etl.py
        function: extract
        timeout: 300
        output_type: {rows: int}
      load:
        executor: process
        command: ./load.sh
        depends_on: [extract]
        input_type: {rows: int}
        output_type: {loaded: int}
        inputs: {rows: {ref: tasks.extract.output.rows}}
"""
ETL_PY = """\
    def extract():
        print("extracting")
        return {"rows": 3}
"""
LOAD_SH = """\
    #!/bin/sh
    echo "loading $ORK_INPUT_JSON"
    echo 'ORK_OUTPUT:{"loaded": 3}'
"""


@pytest.fixture
def etl(ork: Ork) -> Ork:
    """The world with a small pipeline in it: etl.yaml, tasks/etl.py and load.sh."""
    ork.write("etl.yaml", ETL)
    ork.write("tasks/etl.py", ETL_PY)
    ork.write("load.sh", LOAD_SH, executable=True)
    return ork


@pytest.fixture
def edit(ork: Ork) -> Callable[[str, str, str], None]:
    """Replace a text that must be there in a file of the project."""

    def replace(path: str, old: str, new: str) -> None:
        target = ork.folder / path
        text = target.read_text()
        assert old in text
        target.write_text(text.replace(old, new))

    return replace
