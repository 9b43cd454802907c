"""What hangs, or cannot be written, keeps nothing else from going on, and is told once."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ork.daemon import fires, loop
from ork.daemon.lines import Lines
from ork.daemon.loop import WAITS, Control, Daemon, Options
from ork.daemon.told import Began, LeftOut, Told, Trouble
from ork.store import location
from tests.conftest import Ork
from tests.daemon.test_page import metrics, status
from tests.daemon.ups import Up, eventually, running

pytestmark = pytest.mark.slow
FLOW = """\
name: {name}
schedule: {schedule}
on_failure: {{command: 'touch begun; until test -e go; do sleep 0.05; done'}}
tasks: {{t: {{executor: process, command: '{command}'}}}}
"""


def deploy(ork: Ork, name: str, schedule: str, command: str = "true") -> None:
    ork.write(f"{name}.yaml", FLOW.format(name=name, schedule=schedule, command=command))
    assert ork("deploy", f"{name}.yaml").code == 0


def utc_now() -> datetime:
    return datetime.now(UTC)


class Within:
    """A daemon in this process, by the real clock."""

    def __init__(self, ork: Ork, jobs: int, clock: Callable[[], datetime] = utc_now) -> None:
        self.control = Control()
        self.daemon = Daemon(
            lambda: location.open_store(ork.folder / ".ork", environ=ork.environ),
            Options(jobs=jobs),
            self.control,
            clock=clock,
            environ=ork.environ,
            author="ada",
        )
        self.told: list[Told] = []

    def events(self) -> Iterator[Told]:
        """Yield what it tells, and keep that."""
        for one in self.daemon.events():
            self.told.append(one)
            yield one

    def troubles(self) -> list[str]:
        return [one.message for one in self.told if isinstance(one, Trouble)]


def test_a_hook_that_hangs_holds_no_place(ork: Ork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "HOOK_SECONDS", 0.0)
    deploy(ork, "bad", "{every: 300d, after_failure: fire}", "exit 1")
    assert ork("schedule", "fire", "bad").code == 0
    up, good = Within(ork, jobs=1), 0
    for one in up.events():
        if isinstance(one, Trouble) and not good:
            deploy(ork, "good", "{every: 1s}")
        if isinstance(one, Began) and one.workflow == "good":
            good += 1
            assert not (ork.folder / "go").exists()
        if good == 2 and not up.control.stops:
            ork.write("go", "")
            up.control.stop()
    assert good >= 2
    assert up.troubles() == ["the hook on_failure of bad#1 has gone on for 0 s"]
    (trouble,) = (one for one in up.told if isinstance(one, Trouble))
    assert (trouble.workflow, trouble.hint) == ("bad", "it is killed after 300 s; `ork show bad#1`")


def test_slots_that_waited_for_a_place_are_left_out_with_that_reason(ork: Ork) -> None:
    deploy(ork, "long", "{every: 300d}", "until test -e go; do sleep 0.05; done")
    assert ork("schedule", "fire", "long").code == 0
    due = datetime.max.replace(tzinfo=UTC)

    def clock() -> datetime:
        if utc_now() > due:
            ork.write("go", "")
        return utc_now()

    up = Within(ork, jobs=1, clock=clock)
    for one in up.events():
        if isinstance(one, Began) and one.workflow == "long":
            deploy(ork, "tick", "{every: 1s}")
            due = utc_now() + timedelta(seconds=3)
        if isinstance(one, Began) and one.workflow == "tick" and not up.control.stops:
            up.control.stop()
    skips = [one for one in up.told if isinstance(one, LeftOut)]
    assert sum(skip.count for skip in skips if skip.reason == "the only place was taken") >= 2


def forker_of(up: Up) -> int:
    """Return the process from which those of runs are forked."""
    children = Path(f"/proc/{up.process.pid}/task/{up.process.pid}/children").read_text().split()
    (found,) = (
        one for one in children if b"ork.daemon.child" in Path(f"/proc/{one}/cmdline").read_bytes()
    )
    return int(found)


def why_due(ork: Ork) -> str:
    """Return why the slot of the only schedule is due, as lists tell; nothing while none is."""
    with closing(location.open_store(ork.folder / ".ork", environ={})) as store:
        (one,) = fires.listed(store, Lines(store).look(), utc_now())
    return one.reason or ""


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux sets limits of others")
def test_a_hook_that_cannot_be_written_is_executed_when_it_can(ork: Ork) -> None:
    deploy(ork, "tick", "{every: 1s}", command="sleep 60")
    ork.write("go", "")
    with running(ork, "--no-web", "--grace", "0s") as up:
        up.until("Began")
        pid, size = forker_of(up), resource.RLIMIT_FSIZE
        no_limit = resource.prlimit(pid, size)
        resource.prlimit(pid, size, (0, no_limit[1]))  # as if the disk were full
        owner = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
        os.kill(owner, signal.SIGKILL)
        assert up.until("Ended")["state"] == "interrupted"
        up.until("Trouble", workflow=None)
        resource.prlimit(pid, size, no_limit)
        assert eventually((ork.folder / "begun").exists)
        assert up.end() == 0


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux sets limits of others")
def test_while_runs_cannot_be_written_it_is_not_well_and_says_so_once(ork: Ork) -> None:
    pytest.importorskip("uvicorn")
    deploy(ork, "tick", '{every: 1s}\non_success: {command: "true"}')
    with running(ork, "--listen", "127.0.0.1:0", "--jobs", "4") as up:
        url = up.until("Listening")["url"]
        up.until("Began")
        up.until("Ended")
        pid, size = forker_of(up), resource.RLIMIT_FSIZE
        no_limit = resource.prlimit(pid, size)
        resource.prlimit(pid, size, (0, no_limit[1]))  # as if the disk were full
        trouble = up.until("Trouble", workflow=None)
        message = trouble["message"]
        assert "the disk is full or failing" in message and trouble["hint"] == WAITS
        who = f"`ork up`, process {up.process.pid} on {os.uname().nodename}"
        assert eventually(lambda: f"{who}, has not come to it: if that stays so" in why_due(ork))
        took_s = -time.monotonic()
        assert eventually(lambda: status(url, "/health") == 503)
        took_s += time.monotonic()
        assert "ork_up_ok 0\n" in metrics(url)
        resource.prlimit(pid, size, no_limit)
        up.until("Note", message="the store can be written again")
        took_s -= time.monotonic()
        assert eventually(lambda: status(url, "/health") == 200)
        took_s += time.monotonic()
        assert took_s < 4, "the page hears of it at once, and not only now and then"
        assert up.until("LeftOut")["reason"] == "the store could not be written"
        assert "ork_up_places 4\n" in metrics(url)
        assert up.end() == 0
        assert [one["message"] for one in up.all("Trouble")] == [message]
