"""Runs that wait: checked when they are put there, run once, with all their options."""

from __future__ import annotations

import time

import pytest

from ork.daemon import queue
from ork.errors import Conflict, Corrupt, InvalidInput, UsageError
from ork.objects.kinds import Blob
from ork.objects.value import replace
from ork.runner import record
from ork.runner.choices import Selection
from ork.runner.events import RunFinished
from ork.runner.start import Options
from ork.store import location
from ork.store.contents import task_runs
from ork.store.resolve import run_of_number
from ork.store.store import Store
from tests.daemon.flow import MINUTE, caller
from tests.forked import Forked
from tests.stores import ADA, NOON, plant

FLOW = """\
name: etl
params: {day: {default: none}, n: {type: int, default: 1}}
tasks:
  first: {executor: process, command: 'true', inputs: {day: {ref: params.day}}}
  second: {executor: process, command: 'true', env: {TOKEN: {secret: TOKEN}}}
"""


@pytest.fixture
def flow(project, keep):
    keep(FLOW)
    return project


def taken(store, queued, now=NOON + MINUTE):
    who = replace(caller(now), environ={"TOKEN": "hidden-value"})
    *_, last = queue.take(store, queued.id, who).events
    assert isinstance(last, RunFinished)
    return last.run


def test_a_run_waits_and_is_run_with_its_options(flow):
    options = Options(
        given={"day": '"007"', "n": "2"}, selection=Selection(only=("first",)), timeout_s=60.0
    )
    queued = queue.put(flow, "etl", options=options, caller=caller(NOON))
    assert [one.id for one in queue.waiting(flow)] == [queued.id]
    assert queued.id.startswith("20261101T120000.000-")
    run = taken(flow, queued)
    assert (run.state, run.trigger, run.author, run.selected) == (
        "success",
        "queue",
        ADA,
        ("first",),
    )
    assert flow.value(run.params) == {"day": "007", "n": 2}
    assert queue.waiting(flow) == []
    with pytest.raises(Conflict):  # as for whoever comes a moment earlier
        queue.take(flow, queued.id, caller(NOON))


def test_it_runs_what_was_deployed_then(flow, keep):
    queued = queue.put(flow, "etl", caller=caller(NOON))
    before = flow.ref("workflows/etl")
    keep(FLOW.replace("'true'", "'false'"), hours=1)
    assert taken(flow, queued).deploy == before


def test_what_is_wrong_is_refused_at_once(flow):
    for given in ({"n": "x"}, {"m": "1"}):
        with pytest.raises(UsageError):
            queue.put(flow, "etl", options=Options(given=given), caller=caller(NOON))
    secret = {"day": "AKIA" + "ABCDEFGHIJKLMNOP"}
    with pytest.raises(InvalidInput):
        queue.put(flow, "etl", options=Options(given=secret), caller=caller(NOON))
    assert queue.waiting(flow) == []


def test_it_is_taken_once(flow):
    queued = queue.put(flow, "etl", caller=caller(NOON))
    who = replace(caller(NOON), environ={"TOKEN": "hidden-value"})
    both = [queue.take(flow, queued.id, who).events for _ in range(2)]
    list(both[0])
    with pytest.raises(Conflict, match="taken by another process, or taken back"):
        next(both[1])
    assert len(list(flow.refs("runs/"))) == 1


def test_it_is_taken_back(flow):
    queued = queue.put(flow, "etl", caller=caller(NOON))
    events = queue.take(flow, queued.id, replace(caller(NOON), environ={"TOKEN": "x" * 9})).events
    queue.remove(flow, queued)
    with pytest.raises(Conflict):
        next(events)
    with pytest.raises(Conflict):
        queue.remove(flow, queued)
    assert list(flow.refs("runs/")) == []


def test_one_that_waits_longer_comes_first(flow):
    later = queue.put(flow, "etl", caller=caller(NOON + MINUTE))
    sooner = queue.put(flow, "etl", caller=caller(NOON))
    assert [one.id for one in queue.waiting(flow)] == [sooner.id, later.id]


def test_an_entry_that_makes_no_sense_is_corrupt(flow):
    plant(flow, Blob(b"{}"))
    (oid,) = plant(flow, Blob(b'{"deploy": 1}'))
    plant(flow, Blob(b'{"deploy": 1}'), **{"queue__etl__20261101T120000.000-000000": oid})
    with pytest.raises(Corrupt, match="is no run that waits"):
        queue.waiting(flow)


def test_two_processes_take_one_entry(flow):
    queued = queue.put(flow, "etl", caller=caller(NOON))
    flow.close()

    def take() -> None:
        store = again(flow)
        try:
            taken(store, queued)
            print("run")
        except Conflict:
            print("lost")

    children = [Forked(take) for _ in range(3)]
    assert sorted(child.rest().strip() for child in children) == ["lost", "lost", "run"]


def test_it_is_watched_and_cancelled_as_any_run(project, keep):
    keep("name: etl\ntasks:\n  a: {executor: process, command: 'echo begun; sleep 60'}\n")
    queued = queue.put(project, "etl", caller=caller(NOON))

    def take() -> None:
        store = again(project)
        *_, last = queue.take(store, queued.id, caller(NOON)).events
        print(last.run.state)
        store.close()

    project.close()
    child = Forked(take)
    store = again(project)
    while not list(store.refs("active/")) and child.is_running():
        time.sleep(0.01)
    _, run = run_of_number(store, "etl", 1)
    logs = follow(store, run, child)
    record.cancel(store, run, author=ADA, now=True)
    assert record.wait(store, run).state == "cancelled"
    assert child.rest().strip() == "cancelled"
    store.close()
    assert "begun" in logs


def follow(store, run, child) -> str:
    """Return what the task of a run prints first."""
    folder = store.folder / "logs" / "etl" / run.id
    while child.is_running():
        found = [one.read_text() for one in folder.glob("*.log")]
        if any(found):
            return "".join(found)
        time.sleep(0.01)
    return ""


def again(store):
    return Store(location.open_backend(store.folder, environ={}), folder=store.folder)


def test_states_of_tasks_are_those_of_any_run(flow):
    run = taken(flow, queue.put(flow, "etl", caller=caller(NOON)))
    assert {name: one.state for name, one in task_runs(flow, run).items()} == {
        "first": "success",
        "second": "success",
    }
