"""Streams of events: what is told, that nothing is lost or comes twice, and what they may cost."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

import pytest

from ork.cli.web import live
from ork.cli.web.app import Setup, Web
from ork.cli.web.guard import rules
from ork.store.resolve import run_of_number
from tests.scale import size
from tests.web.server import Event, Served, make_project, serving

WAITS = """\
name: slow
tasks:
  talk:
    executor: process
    command: |
      printf 'one\\ntwo \\303'; while [ ! -e go ]; do sleep 0.02; done; printf '\\251\\nthree\\n'
    retries: 1
  after: {executor: process, command: echo done, depends_on: [talk]}
"""
LOUD = """\
name: loud
tasks:
  loud: {{executor: process, command: "head -c {bytes} /dev/zero | tr '\\\\0' x"}}
"""


def ork(folder: Path, *argv: str) -> subprocess.Popen[bytes]:
    """Start a command."""
    words = [sys.executable, "-m", "ork", *argv]
    return subprocess.Popen(words, cwd=folder, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project, with a workflow that waits for a file, and the run of one that prints much."""
    made = tmp_path_factory.mktemp("watched")
    make_project(made).close()
    (made / "slow.yaml").write_text(WAITS)
    loud = LOUD.format(bytes=size(100_000_000, by_day=20_000_000))
    (made / "loud.yaml").write_text(loud)
    assert ork(made, "run", "loud.yaml").wait() == 0
    return made


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Served]:
    """A process that all tests of this page ask."""
    limits = {"live.LOOK_SECONDS": 0.1, "live.POLL_SECONDS": 0.05, "page.CLIENT_SECONDS_MAX": 100}
    with serving(folder, limits=limits) as found:
        yield found


class Slow(NamedTuple):
    """A run that goes on until it is let go."""

    number: int
    go: Path

    def let_go(self) -> None:
        self.go.touch()


@pytest.fixture
def slow(folder: Path) -> Iterator[Slow]:
    """A run that goes on until it is let go."""
    go = folder / "go"
    go.unlink(missing_ok=True)
    words = [sys.executable, "-m", "ork", "run", "--json", "slow.yaml"]
    with subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        yield Slow(json.loads(running.stdout.readline())["run"]["number"], go)
        go.touch()
        running.stdout.read()
    assert running.returncode == 0


def texts(events: Iterator[Event]) -> str:
    """Return what the log that is followed has printed."""
    found = takewhile(lambda event: event.name != "end", events)
    return "".join(event.data["text"] for event in found if event.name == "message")


def kinds(events: Iterator[Event]) -> list[str]:
    """Return what happened in the run that is watched, up to its end."""
    found = takewhile(lambda event: event.name != "end", events)
    return [event.data["event"] for event in found]


@pytest.mark.slow
def test_a_run_that_has_ended_is_told_whole(served: Served, folder: Path):
    with served.events("/runs/etl/1/events") as events:
        told = list(events)
    assert [one.name for one in told] == ["message"] * (len(told) - 1) + ["end"]
    shown = subprocess.run(
        [sys.executable, "-m", "ork", "watch", "--json", "etl#1"], cwd=folder, capture_output=True
    )
    assert [one.data for one in told[:-1]] == list(map(json.loads, shown.stdout.splitlines()))


def test_who_comes_back_gets_what_followed(served: Served):
    with served.events("/runs/etl/1/events") as events:
        whole = [event for event in events if event.name == "message"]
    for at, event in enumerate(whole[:-1]):
        with served.events("/runs/etl/1/events", Last_Event_ID=event.id) as events:
            assert [one.id for one in events if one.id] == [one.id for one in whole[at + 1 :]]
    last = served.get("/runs/etl/1/events", Last_Event_ID=whole[-1].id)
    assert last.status == 204  # so that a browser does not ask for ever


def test_who_was_told_by_another_process_hears_that_all_comes_anew(served: Served):
    with served.events("/runs/etl/1/events", Last_Event_ID="00000000.3") as events:
        first = next(events)
        assert first.name == "reset"
        assert next(events).data["event"] == "RunStarted"


@pytest.mark.slow
def test_a_run_is_told_while_it_goes_on(served: Served, slow: Slow):
    with served.events(f"/runs/slow/{slow.number}/events") as events:
        first = [next(events).data["event"] for _ in range(2)]
        assert first == ["RunStarted", "TaskStarted"]
        slow.let_go()
        assert kinds(events) == ["TaskFinished", "TaskStarted", "TaskFinished", "RunFinished"]


@pytest.mark.slow
def test_a_log_is_told_as_it_is_written(served: Served, slow: Slow):
    log = f"/runs/slow/{slow.number}/log/talk/events"
    with served.events(log) as events:
        first = next(events)
        assert first.data == {"attempt": 1, "text": "one\ntwo "}  # whole characters only
        assert first.id == "1:8"
        slow.let_go()
        assert texts(events) == "\u00e9\nthree\n"
    with served.events(log, Last_Event_ID="1:4") as events:
        assert texts(events) == "two \u00e9\nthree\n"
    with served.events(f"{log}?from=1:8") as events:
        assert texts(events) == "\u00e9\nthree\n"
    assert served.get(log, Last_Event_ID="end").status == 204


def test_a_log_is_followed_before_its_task_has_begun(served: Served, slow: Slow):
    with served.events(f"/runs/slow/{slow.number}/log/after/events") as events:
        slow.let_go()
        assert texts(events) == "done\n"


def test_a_log_whose_run_is_looked_at_no_longer_ends_where_it_is(folder: Path, slow: Slow):
    async def told() -> list[bytes]:
        web = Web(Setup(store=str(folder / ".ork"), host="127.0.0.1", socket=0), rules(None, (), 0))
        all_streams = live.Live(web)
        run = run_of_number(web.store, "slow", slow.number)[1]
        watched = live._Watched(all_streams, live._watching(web.store, run))
        watched.newest["talk"] = 1
        found = []
        async for event in live._log_events(all_streams, watched, "talk", 1, 0):
            found.append(event)
            watched.stopped = True  # as after a minute in which the client took nothing
        web.store.close()
        return found

    with ThreadPoolExecutor(1) as aside:  # in this thread the browser of other tests has a loop
        (only,) = aside.submit(asyncio.run, told()).result()
    assert only.startswith(b"id: 1:8\n")  # whoever asks again goes on from there


def test_what_is_not_there_is_told_as_an_error(served: Served):
    for path in ("/runs/etl/99/events", "/runs/no/1/events", "/runs/etl/1/log/no/events"):
        answer = served.get(path)
        assert answer.status == 404
        assert answer.json["schema"] == "ork.error.v1"


def test_a_write_is_told_once_to_all(served: Served, folder: Path):
    with served.events("/events") as one, served.events("/events") as two:
        begun = [next(events) for events in (one, two)]
        assert [event.name for event in begun] == ["ready", "ready"]
        assert ork(folder, "tag", "-f", "told", "etl").wait() == 0
        moved = [next(events) for events in (one, two)]
        assert [event.name for event in moved] == ["moved", "moved"]
        assert moved[0] == moved[1]
    with served.events("/events", Last_Event_ID=begun[0].id) as events:
        missed = next(events)
        assert (missed.name, missed.data) == ("moved", moved[0].data)


@pytest.mark.slow
def test_a_large_log_is_told_in_bounded_memory(served: Served, folder: Path):
    before = served.metric("process_resident_memory_bytes")
    with served.events("/runs/loud/1/log/loud/events") as events:
        length = sum(len(e.data["text"]) for e in events if e.name == "message")
    assert length == size(100_000_000, by_day=20_000_000)
    assert served.metric("process_resident_memory_bytes") - before < 12 << 20


@pytest.mark.slow
def test_two_hundred_streams_are_served_and_no_more(served: Served):
    before = served.metric("process_resident_memory_bytes")
    with ExitStack() as stack:
        for number in range(200):  # half of them are told a long log, and read nothing of it
            path = "/runs/loud/1/log/loud/events" if number % 2 else "/events"
            there = stack.enter_context(served.socket(served.request(path), buffer=4096))
            assert b"200 OK" in there.recv(200)
        assert served.metric("ork_page_event_streams") == 200
        refused = served.get("/events")
        assert refused.status == 503
        assert served.get("/").status == 200  # pages are still served
        assert served.metric("process_resident_memory_bytes") - before < 60 << 20
    for _ in range(100):  # they have gone, which is seen soon
        if not served.metric("ork_page_event_streams"):
            break
        with served.events("/events") as events:
            next(events)
    assert served.metric("ork_page_event_streams") == 0


@pytest.mark.slow
def test_who_does_not_read_a_stream_is_cut(folder: Path):
    limits = {"page.CLIENT_SECONDS_MAX": 0.3}
    with serving(folder, limits=limits) as served:
        request = served.request("/runs/loud/1/log/loud/events")
        with served.socket(request, buffer=4096) as there:
            assert b"200 OK" in there.recv(200)
            deadline = time.monotonic() + 15
            while served.metric("ork_page_event_streams"):
                assert time.monotonic() < deadline
        assert served.errors() == ""


@pytest.mark.slow
def test_streams_end_when_the_process_is_told_to(folder: Path):
    with serving(folder) as short, short.events("/events") as events:
        next(events)
        short.process.terminate()
        assert list(events) == []
        assert short.process.wait(20) == 0


@pytest.mark.slow
def test_the_process_ends_when_who_started_it_is_gone(folder: Path):
    with serving(folder) as short, short.events("/events") as events:
        next(events)
        assert short.process.stdin is not None
        short.process.stdin.close()
        assert list(events) == []
        assert short.process.wait(20) == 0


@pytest.mark.slow
def test_a_retry_is_told_to_who_watches_then(served: Served, folder: Path):
    flaky = "name: flaky\ntasks:\n  a: {executor: process, command: test -e good}\n"
    (folder / "flaky.yaml").write_text(flaky)
    (folder / "good").unlink(missing_ok=True)
    assert ork(folder, "run", "flaky.yaml").wait() == 1
    with served.events("/runs/flaky/1/events") as events:
        assert kinds(events)[-1] == "RunFinished"
    (folder / "good").touch()
    assert ork(folder, "retry", "flaky#1").wait() == 0
    with served.events("/runs/flaky/1/events") as events:
        told = [event.data for event in events if event.name == "message"]
    assert told[-1]["run"]["state"] == "success"
