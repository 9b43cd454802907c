"""The promises of every executor. A subclass of `Promises` says how to make one and its jobs."""

from __future__ import annotations

import pickle
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from pathlib import Path
from typing import Any

import pytest

from ork.executors.base import Executor, Job, Outcome

PROC = Path("/proc")


class Place:
    """A project folder, which of its files were captured, and the logs of what is run there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.files: list[str] = []
        self.count = 0
        self.root.mkdir()

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


def run(executor: Executor, job: Job) -> Outcome:
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
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


def read_pid(file: Path) -> int:
    """Wait for a task to write a process id to a file, and return it."""
    assert eventually(lambda: file.exists() and file.read_text().endswith("\n"))
    return int(file.read_text())


class Promises:
    """The promises. `make` and the jobs below are what an implementation supplies."""

    def make(self, slots: int) -> Executor:
        """Return a new executor."""
        raise NotImplementedError

    def answering(self, place: Place, value: str) -> Job:
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
    def place(self, tmp_path: Path) -> Place:
        return Place(tmp_path)

    @pytest.fixture
    def executor(self) -> Iterator[Executor]:
        executor = self.make(2)
        yield executor
        executor.close()

    def test_output_comes_back(self, executor: Executor, place: Place) -> None:
        outcome = run(executor, self.answering(place, "é"))
        assert (outcome.state, outcome.output, outcome.error) == ("success", {"value": "é"}, None)
        assert outcome.seconds >= 0
        assert outcome.started.utcoffset() is not None

    def test_what_is_printed_is_in_a_private_log(self, executor: Executor, place: Place) -> None:
        job = self.answering(place, "x")
        run(executor, job)
        assert b"printed\n" in Path(job.log).read_bytes()
        assert Path(job.log).stat().st_mode & 0o777 == 0o600

    def test_a_log_is_never_overwritten(self, executor: Executor, place: Place) -> None:
        for _ in range(2):
            job = self.answering(place, "x")
            Path(job.log).parent.mkdir(exist_ok=True)
            Path(job.log).write_text("older\n")
            outcome = run(executor, job)
            assert outcome.state == "failed"
            assert "File exists" in str(outcome.error)
            assert Path(job.log).read_text() == "older\n"
            assert run(executor, self.answering(place, "y")).state == "success"

    def test_failure_is_an_outcome(self, executor: Executor, place: Place) -> None:
        outcome = run(executor, self.failing(place))
        assert outcome.state == "failed"
        assert outcome.error
        assert run(executor, self.answering(place, "next")).output == {"value": "next"}

    def test_binary_output_survives(self, executor: Executor, place: Place) -> None:
        job = self.binary(place)
        assert run(executor, job).state == "success"
        assert b"\xff\xfe\x00" in Path(job.log).read_bytes()

    def test_timeout_ends_exactly_that_one(self, executor: Executor, place: Place) -> None:
        late, good = place.folder / "late", place.folder / "good"
        slow = executor.submit(self.lasting(place, late, timeout_s=1.5))
        other = executor.submit(self.lasting(place, good))
        outcome = slow.result(timeout=60)
        assert (outcome.state, outcome.error) == ("failed", "timed out after 1.5 s")
        assert not alive(read_pid(late))
        assert alive(read_pid(good))
        assert not other.done()
        assert run(executor, self.answering(place, "next")).state == "success"

    @pytest.mark.slow
    def test_timeout_kills_what_ignores_sigterm(
        self, executor: Executor, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ork.executors.supervisor.TIMEOUT_GRACE_S", 0.2)
        file = place.folder / "pid"
        outcome = run(executor, self.lasting(place, file, stubborn=True, timeout_s=1.0))
        assert (outcome.state, outcome.signal) == ("failed", 9)
        assert not alive(read_pid(file))

    def test_slots_are_respected(self, place: Place) -> None:
        executor = self.make(2)
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

    def test_stop_ends_running_jobs_as_cancelled(self, executor: Executor, place: Place) -> None:
        files = [place.folder / "1", place.folder / "2"]
        futures = [executor.submit(self.lasting(place, file)) for file in files]
        pids = [read_pid(file) for file in files]
        executor.stop(grace_s=30)
        assert [future.result(timeout=20).state for future in futures] == ["cancelled"] * 2
        assert not any(alive(pid) for pid in pids)

    def test_second_stop_shortens_the_grace(self, executor: Executor, place: Place) -> None:
        file = place.folder / "pid"
        future = executor.submit(self.lasting(place, file, stubborn=True))
        pid = read_pid(file)
        executor.stop(grace_s=3600)
        assert not future.done()
        executor.stop(grace_s=0)
        assert future.result(timeout=20).state == "cancelled"
        assert not alive(pid)

    def test_close_leaves_no_child(self, place: Place) -> None:
        executor = self.make(2)
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
        executor = self.make(1)
        executor.stop(grace_s=0)
        executor.close()
        executor.close()

    def test_missing_root_is_an_outcome(self, executor: Executor, place: Place) -> None:
        from dataclasses import replace

        job = replace(self.answering(place, "x"), root=str(place.folder / "nowhere"))
        outcome = run(executor, job)
        assert outcome.state == "failed"
        assert "nowhere" in str(outcome.error)

    def test_job_and_outcome_survive_pickling(self, executor: Executor, place: Place) -> None:
        job = self.answering(place, "x")
        assert pickle.loads(pickle.dumps(job)) == job  # noqa: S301
        outcome = run(executor, pickle.loads(pickle.dumps(job)))  # noqa: S301
        assert pickle.loads(pickle.dumps(outcome)) == outcome  # noqa: S301


def living_children() -> list[int]:
    """Return the processes that this one has started and that still run."""
    import os

    found = []
    for name in os.listdir(PROC):
        if name.isdigit() and alive(int(name)):
            try:
                stat = (PROC / name / "stat").read_text()
            except OSError:
                continue
            if int(stat.rpartition(")")[2].split()[1]) == os.getpid():
                found.append(int(name))
    return found
