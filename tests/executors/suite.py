"""The promises of every executor. A subclass of `Promises` says how to make one and its jobs."""

from __future__ import annotations

import pickle
import sys
import textwrap
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from selectors import EVENT_READ, BaseSelector, DefaultSelector
from socket import socketpair
from threading import Thread
from typing import Any, TypeAlias

import pytest

from ork.executors.base import Executor, Job, Outcome
from ork.executors.local import Local

PROC = Path("/proc")
Make: TypeAlias = Callable[[int, BaseSelector], Executor]


class Place:
    """A project folder, which of its files were captured, and the logs of what is run there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.files: list[str] = []
        self.count = 0
        self.root.mkdir()
        (folder / "logs").mkdir()

    def write(
        self, path: str, text: str | bytes, *, mode: int = 0o644, capture: bool = True
    ) -> None:
        """Put a file into the project; it is captured unless told otherwise."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(textwrap.dedent(text).encode() if isinstance(text, str) else text)
        file.chmod(mode)
        if capture and path not in self.files:
            self.files.append(path)

    def job(self, **fields: Any) -> Job:
        """Return a job of this place; all that is not given has a default."""
        self.count += 1
        given: dict[str, Any] = {
            "executor": "python",
            "environment": {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
            "root": str(self.root),
            "files": tuple(self.files),
            "python": sys.executable,
            "timeout_s": 60.0,
            "log": str(self.folder / "logs" / f"{self.count}.log"),
        }
        return Job(**{**given, **fields})

    def python(self, source: str, **fields: Any) -> Job:
        """Return a job that runs `main` of this source."""
        path = f"tasks/task_{self.count}.py"
        self.write(path, source)
        return self.job(file=path, **fields)

    def shell(self, command: str | tuple[str, ...], **fields: Any) -> Job:
        """Return a job that runs this command."""
        return self.job(executor="process", command=command, **fields)


class Served:
    """An executor with a thread that waits for it, so that a test may do other things meanwhile."""

    def __init__(self, slots: int, make: Make = Local) -> None:
        self.slots = slots
        self._selector = DefaultSelector()
        self.executor = make(slots, self._selector)
        self._ours, self._alarm = socketpair()
        self._selector.register(self._ours, EVENT_READ, lambda: self._ours.recv(4096))
        self._calls: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._waiting: deque[tuple[Future[Outcome], Job]] = deque()
        self._running: dict[str, Future[Outcome]] = {}
        self._names = map(str, count())
        self._closed = False
        self._thread = Thread(target=self._serve, daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> Future[Outcome]:
        """Start a job, as soon as there is a slot."""
        future: Future[Outcome] = Future()
        self._call(lambda: self._waiting.append((future, job)))
        return future

    def stop(self, *, grace_s: float) -> None:
        self._call(lambda: self.executor.stop(grace_s=grace_s))

    def stand_still(self, seconds: float, then: Callable[[], object] = lambda: None) -> None:
        """Let nobody listen for so long, as when something else takes time."""
        self._call(lambda: (time.sleep(seconds), then()))

    def close(self) -> None:
        if self._thread.is_alive():
            self._call(self._close)
            self._thread.join(timeout=60)
            assert len(self._selector.get_map()) == 1, "it waits for something"
            for thing in (self._selector, self._ours, self._alarm):
                thing.close()
        self.executor.close()

    def _close(self) -> None:
        self.executor.close()
        self._closed = True
        while self._waiting:
            self._waiting.popleft()[0].cancel()

    def _call(self, function: Callable[[], object]) -> None:
        done: Future[object] = Future()
        self._calls.put(lambda: done.set_result(function()))
        self._alarm.send(b"!")
        done.result(timeout=60)

    def _serve(self) -> None:
        while not self._closed:
            wait_s = min(max(0.0, self.executor.step_at - time.monotonic()), 60.0)
            for key, _ in self._selector.select(wait_s):
                key.data()
            while not self._calls.empty():
                self._calls.get()()
            for name, outcome in self.executor.step():
                self._running.pop(name).set_result(outcome)
            while self._waiting and len(self._running) < self.slots:
                future, job = self._waiting.popleft()
                name = next(self._names)
                self._running[name] = future
                self.executor.start(name, job)


def run(executor: Served, job: Job) -> Outcome:
    """Return the outcome of one job."""
    return executor.submit(job).result(timeout=60)


def eventually(condition: Callable[[], bool]) -> bool:
    """Wait until something is so, and say whether it came to be."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return condition()


def alive(pid: int) -> bool:
    """Say whether a process runs (a zombie does not)."""
    try:
        stat = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return False
    fields = stat.rpartition(")")[2].split()
    return fields[0] not in ("Z", "X") or int(fields[17]) > 1  # threads: the first may be gone


def read_pid(file: Path) -> int:
    """Wait for a task to write a process id to a file, and return it."""
    assert eventually(lambda: file.exists() and file.read_text().endswith("\n"))
    return int(file.read_text())


class Promises:
    """The promises. `make` and the jobs below are what an implementation supplies."""

    make: Make

    def answering(self, place: Place, value: str, **fields: Any) -> Job:
        """Return a job that prints a line and whose output is {"value": value}."""
        raise NotImplementedError

    def failing(self, place: Place) -> Job:
        """Return a job that fails."""
        raise NotImplementedError

    def binary(self, place: Place) -> Job:
        """Return a job that prints the bytes FF FE 00 and succeeds."""
        raise NotImplementedError

    def lasting(self, place: Place, pid: Path, *, stubborn: bool = False, **fields: Any) -> Job:
        r"""Return a job that lasts, ignoring SIGTERM if stubborn, and writes "PID\n" to `pid`."""
        raise NotImplementedError

    def logging(self, place: Place, file: Path) -> Job:
        r"""Return a job that appends "+\n" to `file`, waits for a second one, and appends "-\n"."""
        raise NotImplementedError

    @pytest.fixture
    def executor(self) -> Iterator[Served]:
        executor = Served(2, type(self).make)
        yield executor
        executor.close()

    def test_output_comes_back(self, executor: Served, place: Place) -> None:
        outcome = run(executor, self.answering(place, "é"))
        assert (outcome.state, outcome.output, outcome.error) == ("success", {"value": "é"}, None)
        assert outcome.seconds >= 0
        assert outcome.started.utcoffset() is not None

    def test_what_is_printed_is_in_a_private_log(self, executor: Served, place: Place) -> None:
        job = self.answering(place, "x")
        run(executor, job)
        assert b"printed\n" in Path(job.log).read_bytes()
        assert Path(job.log).stat().st_mode & 0o777 == 0o600

    def test_a_log_is_appended_to(self, executor: Served, place: Place) -> None:
        job = self.answering(place, "x")
        Path(job.log).parent.mkdir(exist_ok=True)
        Path(job.log).write_text("older\n")
        sizes = [6]
        for _ in range(2):
            sizes.append(sizes[-1] + run(executor, job).printed)
        text = Path(job.log).read_text()
        assert [len(text.encode()[:size]) for size in sizes] == sizes
        first, second = text[sizes[0] : sizes[1]], text[sizes[1] : sizes[2]]
        assert text.startswith("older\n")
        assert "printed\n" in first
        assert first == second

    def test_failure_is_an_outcome(self, executor: Served, place: Place) -> None:
        outcome = run(executor, self.failing(place))
        assert outcome.state == "failed"
        assert outcome.error
        assert run(executor, self.answering(place, "next")).output == {"value": "next"}

    def test_binary_output_survives(self, executor: Served, place: Place) -> None:
        job = self.binary(place)
        assert run(executor, job).state == "success"
        assert b"\xff\xfe\x00" in Path(job.log).read_bytes()

    def test_timeout_ends_exactly_that_one(self, executor: Served, place: Place) -> None:
        late, good = place.folder / "late", place.folder / "good"
        slow = executor.submit(self.lasting(place, late, timeout_s=1.5))
        other = executor.submit(self.lasting(place, good))
        outcome = slow.result(timeout=60)
        first = (outcome.error or "").partition("\n")[0]
        assert (outcome.state, first) == ("failed", "timed out after 1.5 s")
        assert not alive(read_pid(late))
        assert alive(read_pid(good))
        assert not other.done()
        assert run(executor, self.answering(place, "next")).state == "success"

    @pytest.mark.slow
    def test_timeout_kills_what_ignores_sigterm(
        self, executor: Served, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ork.executors.local.TIMEOUT_GRACE_S", 0.2)
        file = place.folder / "pid"
        outcome = run(executor, self.lasting(place, file, stubborn=True, timeout_s=3.0))
        assert (outcome.state, outcome.signal) == ("failed", 9)
        assert not alive(read_pid(file))

    @pytest.mark.slow
    def test_what_has_ended_is_not_late_because_nobody_listened(
        self, executor: Served, place: Place
    ) -> None:
        run(executor, self.answering(place, "warm"))
        future = executor.submit(self.answering(place, "in time", timeout_s=1.0))
        executor.stand_still(1.5)
        outcome = future.result(timeout=20)
        assert (outcome.error, outcome.output) == (None, {"value": "in time"})
        assert outcome.seconds <= 1.0  # what is not known is not made up

    @pytest.mark.slow
    def test_what_runs_too_long_is_late_though_nobody_listened(
        self, executor: Served, place: Place
    ) -> None:
        file = place.folder / "pid"
        future = executor.submit(self.lasting(place, file, timeout_s=2.0))
        pid = read_pid(file)
        executor.stand_still(2.0)
        error = (future.result(timeout=20).error or "").partition("\n")[0]
        assert error == "timed out after 2 s"
        assert not alive(pid)

    def test_slots_are_respected(self, place: Place) -> None:
        executor = Served(2, type(self).make)
        file = place.folder / "list"
        try:
            done = wait([executor.submit(self.logging(place, file)) for _ in range(5)], timeout=60)
        finally:
            executor.close()
        assert {future.result().state for future in done.done} == {"success"}
        running = most = 0
        for line in file.read_text().split():
            running += 1 if line == "+" else -1
            most = max(most, running)
        assert (most, running, executor.slots) == (2, 0, 2)

    def test_stop_ends_running_jobs_as_cancelled(self, executor: Served, place: Place) -> None:
        files = [place.folder / "1", place.folder / "2"]
        futures = [executor.submit(self.lasting(place, file)) for file in files]
        pids = [read_pid(file) for file in files]
        executor.stop(grace_s=30)
        assert [future.result(timeout=20).state for future in futures] == ["cancelled"] * 2
        assert not any(alive(pid) for pid in pids)

    def test_second_stop_shortens_the_grace(self, executor: Served, place: Place) -> None:
        file = place.folder / "pid"
        future = executor.submit(self.lasting(place, file, stubborn=True))
        pid = read_pid(file)
        executor.stop(grace_s=3600)
        assert not future.done()
        executor.stop(grace_s=0)
        assert future.result(timeout=20).state == "cancelled"
        assert not alive(pid)

    def test_close_leaves_no_child(self, place: Place) -> None:
        executor = Served(2, type(self).make)
        run(executor, self.answering(place, "warm"))
        file = place.folder / "pid"
        future = executor.submit(self.lasting(place, file, stubborn=True))
        pid = read_pid(file)
        executor.close()
        executor.close()
        assert not alive(pid)
        assert future.result(timeout=0).state == "cancelled"
        assert living_children() == []

    def test_unused_executor_can_be_closed(self) -> None:
        executor = Served(1, type(self).make)
        executor.stop(grace_s=0)
        executor.close()
        executor.close()

    def test_missing_root_is_an_outcome(self, executor: Served, place: Place) -> None:
        from dataclasses import replace

        job = replace(self.answering(place, "x"), root=str(place.folder / "nowhere"))
        outcome = run(executor, job)
        assert outcome.state == "failed"
        assert "nowhere" in str(outcome.error)

    def test_job_and_outcome_survive_pickling(self, executor: Served, place: Place) -> None:
        job = self.answering(place, "x")
        assert pickle.loads(pickle.dumps(job)) == job  # noqa: S301
        outcome = run(executor, pickle.loads(pickle.dumps(job)))  # noqa: S301
        assert pickle.loads(pickle.dumps(outcome)) == outcome  # noqa: S301


BEFORE: set[int] = set()  # children of other tests' servers, which end with all tests


def note_children() -> None:
    """Count only what is started from now on."""
    BEFORE.clear()
    BEFORE.update(living_children())


def living_children() -> list[int]:
    """Return the processes that the test has started in this one and that still run."""
    import os

    found = set()
    for name in os.listdir(PROC):
        if name.isdigit() and alive(int(name)):
            try:
                stat = (PROC / name / "stat").read_text()
            except OSError:
                continue
            if int(stat.rpartition(")")[2].split()[1]) == os.getpid():
                found.add(int(name))
    return sorted(found - BEFORE)
