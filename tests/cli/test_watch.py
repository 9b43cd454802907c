"""ork watch"""

import json
import os
import re
import signal
import subprocess
import time
from datetime import UTC, datetime

import pytest

from ork import open as open_project
from ork.cli.screen import human
from ork.runner import watch
from ork.store.runs import newest_of
from tests.started import Started

GATED = """\
    name: gated
    tasks:
      fetch:
        executor: process
        command: 'echo at the gate; while ! test -e go; do sleep 0.02; done'
      load: {executor: process, command: 'test ! -e bad', depends_on: [fetch]}
"""


@pytest.fixture
def spawn(ork):
    """Start ork in another process; what still lives at the end is killed."""
    children = []

    def start(*argv):
        children.append(
            Started(
                *argv,
                env=ork.environ,
                cwd=ork.folder,
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        )
        return children[-1]

    yield start
    for child in children:
        if child.poll() is None:
            child.kill()
        child.communicate()


@pytest.fixture
def going(ork, spawn):
    """A run in another process; its first task waits for a file `go`."""
    ork.write("gated.yaml", GATED)
    owner = spawn("run", "gated.yaml")
    until(owner.stderr, "start    fetch")
    return owner


def until(stream, text):
    """Read lines until one has this text."""
    for line in iter(stream.readline, ""):
        if text in line:
            return line
    raise AssertionError(f"no line has {text!r}")


@pytest.mark.slow
def test_a_look_that_took_long_delays_the_next_by_seconds(ork, going, monkeypatch):
    """As one that waited until a server was back, be it for a minute."""
    pauses, sleep = [], time.sleep

    def pause(seconds):
        pauses.append(seconds)
        if len(pauses) == 2:
            ork.write("go", "")
        sleep(0.05)

    def slow_clock():
        sleep(0.6)
        return datetime.now(UTC)

    monkeypatch.setattr(watch, "SETTLE_SECONDS", 0.0)  # each look asks for the time
    with open_project() as project:
        (one,) = newest_of(project.store, ["gated"], 1)["gated"]
        monkeypatch.setattr(time, "sleep", pause)
        *_, last = watch.watch(project.store, one.run, clock=slow_clock)
    assert last.run.state == "success"
    assert 1.0 < max(pauses) <= watch.PAUSE_SECONDS_MAX


def go(ork):
    (ork.folder / "go").touch()


def state(ork):
    return json.loads(ork("runs", "--json").out)["data"][0]["run"]["state"]


@pytest.mark.slow
def test_what_has_happened_has_the_time_at_which_it_did(ork, spawn):
    first = "executor: process, command: 'test $ORK_ATTEMPT = 2', retries: 1"
    ork.write("gated.yaml", GATED.replace("tasks:\n", f"tasks:\n      first: {{{first}}}\n", 1))
    owner = spawn("run", "gated.yaml", "-j", "4")
    began = until(owner.stderr, "start    fetch")
    time.sleep(2.5)
    watcher = spawn("watch")
    told = [
        until(watcher.stderr, text) for text in ("run gated#1", "retry    first", "ok       first")
    ]
    go(ork)
    ended = until(watcher.stderr, "ok       load")
    assert [after(began, line) <= 1 for line in (*told, ended)] == [True, True, True, False]


@pytest.mark.slow
def test_a_retry_has_the_time_at_which_it_began(ork, spawn):
    gate = "test -e again || exit 1; while ! test -e go; do sleep 0.02; done"
    ork.write("w.yaml", f"name: w\ntasks: {{a: {{executor: process, command: '{gate}'}}}}\n")
    run = spawn("run", "w.yaml")
    first = until(run.stderr, "start    a")
    assert run.wait() == 1
    time.sleep(2.5)
    (ork.folder / "again").touch()
    began = until(spawn("retry", "w#1").stderr, "start    a")
    time.sleep(2.5)
    told = until(spawn("watch").stderr, "run w#1")
    assert after(first, told) > 1 and after(told, began) <= 1
    go(ork)


def after(one, other):
    """Return how many seconds after one line another has its time, or before."""
    begun, ended = (datetime.strptime(line[:25], human.DATE) for line in (one, other))
    return abs((ended - begun).total_seconds())


def test_a_run_is_watched_to_its_end(ork, going, spawn):
    watcher = spawn("watch")
    until(watcher.stderr, "run gated#1")
    until(watcher.stderr, "start    fetch")
    go(ork)
    out, err = watcher.communicate()
    assert watcher.returncode == 0
    assert out.startswith("gated#1 success in ")
    assert "ok       fetch" in err and "ok       load" in err
    assert going.wait() == 0


PART = """\
    name: part
    tasks:
      a_1: {executor: process, command: 'true'}
      a_2: {executor: process, command: 'true'}
      fetch:
        executor: process
        command: 'echo at the gate; test ! -e gate || while ! test -e go; do sleep 0.02; done'
        depends_on: [a_2]
"""


@pytest.fixture
def partial(ork, spawn):
    """A run in another process of one task of three, which waits for a file `go`."""
    ork.write("part.yaml", PART)
    assert ork("run", "part.yaml").code == 0
    (ork.folder / "gate").touch()
    owner = spawn("run", "part.yaml", "--only", "fetch")
    until(owner.stderr, "start    fetch")
    return owner


def test_what_a_part_of_a_run_does_not_execute_is_known_from_its_begin(ork, partial, spawn):
    assert re.search(r"^tasks +1 running, 2 kept$", ork("show", "part#2").out, re.MULTILINE)
    watcher = spawn("watch", "part")
    until(watcher.stderr, "run part#2")
    assert "kept     a_1, a_2  output of part#1" in watcher.stderr.readline()
    follower = spawn("logs", "-f", "part#2")
    assert follower.stdout.readline() == "fetch | at the gate\n"
    go(ork)
    assert "kept" not in watcher.communicate()[1]
    assert follower.communicate() == ("", "")


def test_a_part_of_a_run_whose_owner_is_killed_stays_a_part(ork, partial, spawn):
    # A child that has not become the task yet would hold the lease a moment longer.
    assert spawn("logs", "-f", "part#2").stdout.readline() == "fetch | at the gate\n"
    partial.kill()
    partial.wait()
    assert re.search(r"^tasks +1 interrupted, 2 kept$", ork("show", "part#2").out, re.MULTILINE)
    go(ork)
    assert ork("retry", "part#2").out.endswith(": 1 succeeded, 2 kept\n")


def test_a_retry_is_watched_as_it_is_shown(ork, spawn):
    ork.write("part.yaml", PART.replace("'echo at", "'test -e gate || exit 1; echo at"))
    assert ork("run", "part.yaml").code == 1
    (ork.folder / "gate").touch()
    owner = spawn("retry", "part#1")
    until(owner.stderr, "start    fetch (attempt 2)")
    watcher = spawn("watch", "part", "--json")
    until(watcher.stdout, "RunStarted")
    told = [json.loads(watcher.stdout.readline()) for _ in range(3)]
    assert [(one["task"], one.get("kept")) for one in told] == [
        ("a_1", True),
        ("a_2", True),
        ("fetch", None),
    ]
    follower = spawn("logs", "-f", "part:a_1")
    assert follower.communicate() == ("", "")
    go(ork)
    assert owner.wait() == watcher.wait() == 0


def test_a_run_that_fails_has_the_exit_code_of_the_run(ork, going, spawn):
    (ork.folder / "bad").touch()
    watcher = spawn("watch", "gated#1", "--json")
    until(watcher.stdout, "TaskStarted")
    go(ork)
    events = [json.loads(line) for line in watcher.communicate()[0].splitlines()]
    assert watcher.returncode == going.wait() == 1
    assert [event["event"] for event in events] == [
        "TaskFinished",
        "TaskStarted",
        "TaskFinished",
        "RunFinished",
    ]
    assert events[-1]["states"] == {"failed": 1, "success": 1}


@pytest.mark.parametrize(("backoff", "least", "most"), [(1, 200, 300), (2, 0, 0)])
def test_what_is_left_of_a_delay_is_told(ork, spawn, backoff, least, most):
    ork.write(
        "flaky.yaml",
        f"""\
        name: flaky
        tasks:
          flaky:
            executor: process
            command: 'false'
            retries: 1
            retry_delay: 300
            retry_backoff: {backoff}
        """,
    )
    owner = spawn("run", "flaky.yaml")
    until(owner.stderr, "retry    flaky")
    retried = json.loads(until(spawn("watch", "flaky", "--json").stdout, "TaskRetried"))
    assert least <= retried["delay"] <= most
    owner.send_signal(signal.SIGINT)
    assert owner.wait() == -signal.SIGINT


@pytest.mark.slow
def test_of_a_run_that_has_ended_the_summary_is_printed(ran):
    for run, code in (("etl#1", 0), ("etl#2", 1)):
        result = ran("watch", run)
        assert result.code == code
        assert result.out.startswith(f"{run} ")
        assert "start" not in result.err
    assert "--- the end of the log of load" in result.err


def test_events_of_a_run_that_has_ended_are_those_that_it_had(ork):
    ork.write(
        "flaky.yaml",
        """\
        name: flaky
        tasks:
          flaky: {executor: process, command: 'test $ORK_ATTEMPT = 2', retries: 1}
          load: {executor: process, command: 'false', depends_on: [flaky]}
          skipped: {executor: process, command: 'true', depends_on: [load]}
        """,
    )
    told = ork("run", "flaky.yaml", "--json").out.splitlines()
    watched = ork("watch", "flaky", "--json").out.splitlines()

    def shape(lines):
        events = [json.loads(line) for line in lines]
        return [(e["event"], e.get("task"), e.get("attempt"), e.get("log")) for e in events]

    assert shape(watched) == shape(told)


@pytest.mark.slow
def test_a_run_whose_owner_is_killed_ends(ork, going, spawn):
    watcher = spawn("watch")
    until(watcher.stderr, "start    fetch")
    going.kill()
    out, err = watcher.communicate()
    assert watcher.returncode == 1
    assert re.match(r"gated#1 interrupted in >\d", out)  # when it died is not known
    assert "interrupted fetch" in err
    assert state(ork) == "interrupted"


def test_an_interrupt_ends_the_watching_and_not_the_run(ork, going, spawn):
    for number, code in ((signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 143)):
        watcher = spawn("watch")
        until(watcher.stderr, "start    fetch")
        os.kill(watcher.pid, number)
        assert "gated#1 goes on" in watcher.communicate()[1]
        assert watcher.returncode == code
    assert state(ork) == "running"
    go(ork)
    assert going.wait() == 0


def test_the_only_run_that_goes_on_is_watched_and_stopped(ork, going, spawn):
    ork.write("other.yaml", GATED.replace("name: gated", "name: other"))
    assert ork("deploy", "other.yaml").code == 0
    watcher = spawn("watch")
    until(watcher.stderr, "run gated#1")
    assert ork("cancel", "--now").out == "gated#1 cancelled\n"
    assert watcher.wait() == 130
    for command in (["watch"], ["cancel"], ["logs", "-f"]):
        done = ork(*command)
        assert (done.code, done.err.splitlines()[0]) == (3, "error: no run goes on")


@pytest.mark.slow
def test_a_workflow_means_its_run_that_goes_on_though_a_newer_one_has_ended(ork, going, spawn):
    ork.write("quick.yaml", "name: gated\ntasks: {fetch: {executor: process, command: echo no}}\n")
    assert ork("run", "quick.yaml", "--move").code == 0
    watcher = spawn("watch", "gated")
    until(watcher.stderr, "run gated#1")
    for revision in ("gated:fetch", "@:fetch"):
        assert until(spawn("logs", "-f", revision).stdout, "at the gate")
    assert until(spawn("logs", "-f").stdout, "fetch | at the gate")
    assert ork("logs", "gated:fetch").out == "no\n"
    assert ork("cancel", "gated", "--now").out == "gated#1 cancelled\n"
    assert going.wait() == 130
    assert "gated#2 has ended" in ork("cancel", "gated").err
    assert spawn("mv", "gated", "renamed").wait() == 0
    until(spawn("retry", "renamed#1").stderr, "start    fetch")
    assert ork("cancel", "renamed", "--now").out == "gated#1 cancelled\n"


@pytest.mark.slow
def test_the_list_says_how_long_a_run_has_gone_on(ork, going, spawn):
    def shown(command, pattern):
        out, _ = spawn(*command).communicate()
        return re.search(pattern, out)

    assert shown(["runs"], r" running .* \d+(\.\d)?m?s\n")
    assert shown(["show", "gated#1"], r"\ndate .*, goes on for \d+(\.\d)?m?s\n")
    assert json.loads(ork("runs", "--json").out)["data"][0]["run"]["duration"] is None
    assert ork("cancel", "--now").code == 0
    until(spawn("retry", "gated#1").stderr, "start    fetch")
    assert shown(["runs"], r" running .* \d+(\.\d)?m?s  2 attempts\n")
    assert shown(["show", "gated#1"], r", goes on for \d+(\.\d)?m?s in 2 attempts\n")
    asked = json.loads(ork("cancel", "--no-wait", "--json").out)["data"]
    assert (asked["run"]["state"], asked["queued"]) == ("running", [])


@pytest.mark.slow
def test_of_several_that_go_on_one_is_to_be_named(ork, going, spawn):
    until(spawn("run", "gated.yaml").stderr, "start    fetch")
    for command in (["watch"], ["watch", "gated"], ["cancel", "gated"], ["logs", "-f", "gated"]):
        done = ork(*command)
        assert (done.code, done.out) == (2, "")
        assert "2 runs go on: gated#1, gated#2" in done.err
    until(spawn("watch", "gated#2").stderr, "start    fetch")
    stopped = json.loads(ork("cancel", "gated#2", "--now", "--json").out)["data"]["run"]
    assert (stopped["number"], stopped["state"]) == (2, "cancelled")
    assert ork("cancel", "gated", "--now").out == "gated#1 cancelled\n"


@pytest.mark.slow
def test_all_that_go_on_are_stopped(ork, going, spawn):
    ork.write("other.yaml", GATED.replace("name: gated", "name: other"))
    for file in ("gated.yaml", "other.yaml"):
        until(spawn("run", file).stderr, "start    fetch")
    assert ork("run", "other", "--queue").code == 0
    assert ork("cancel", "--all", "gated", "nope").code == 3
    assert ork("cancel", "--all", "gated", "--now").out == "gated#2 cancelled\ngated#1 cancelled\n"
    assert going.wait() == 130
    again = ork("cancel", "--all", "gated")
    assert (again.code, again.out) == (0, "no run of gated goes on\n")
    done = json.loads(ork("cancel", "--all", "--now", "--json").out)["data"]
    assert ([run["workflow"] for run in done["runs"]], done["queued"]) == (["other"], [])
    both = ork("cancel", "--all", "--queue")
    assert (both.code, both.out) == (0, "other: took 1 run out of the queue\nno run goes on\n")
    none = json.loads(ork("cancel", "--all", "--json").out)["data"]
    assert none == {"run": None, "runs": [], "queued": []}


def test_each_of_several_that_have_ended_is_told(ork):
    for name in ("a", "b"):
        ork.write(
            f"{name}.yaml", f"name: {name}\ntasks: {{t: {{executor: process, command: ls}}}}\n"
        )
        assert ork("run", f"{name}.yaml").code == 0
    done = ork("cancel", "a", "b")
    assert (done.code, done.err) == (2, "error: a#1 has ended: success; b#1 has ended: success\n")


def test_what_is_not_there_cannot_be_watched(history):
    assert history("watch", "nope").code == 3
    assert "has not run" in history("watch", "etl").err
