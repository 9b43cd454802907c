"""Who owns a run: one process at a time, and whoever has lost it writes nothing more."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from ork.backends.base import Moves
from ork.errors import Conflict
from ork.heads.deploy import deploy
from ork.objects.canonical import Oid
from ork.objects.kinds import TaskRun
from ork.objects.value import replace
from ork.runner import owner, record
from ork.store.contents import task_runs
from ork.store.resolve import run_of_number
from ork.store.store import Store
from tests.runner.suite import IMPATIENT, Project, eventually, shell
from tests.runs import begin_run, outcome
from tests.stores import ADA, NOON, contents, stamp

FLOW = """\
name: etl
tasks:
  a: {executor: process, command: "true"}
  b: {executor: process, command: "true"}
"""


@pytest.fixture
def going_on(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> record.Record:
    """A run of two tasks that this process owns, and of which one has ended."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "etl.yaml").write_text(FLOW)
    begun = begin_run(store, deploy(store, tmp_path / "etl.yaml", stamp=stamp()).deploy)
    begun.save({"a": outcome(task(begun, "a"))}, {})
    return begun


def task(begun: record.Record, name: str) -> Oid:
    return begun.store.snapshot(begun.run.snapshot).tasks[name]


def abandon(begun: record.Record) -> None:
    """Lose the lease of a run without noticing, as when a server has been away."""
    begun.lease.release()
    begun.lease = Deceived()


class Deceived:
    """A lease that says that all is well, whatever has happened."""

    def held(self) -> bool:
        return True

    def release(self) -> None:
        pass


def ended(begun: record.Record) -> TaskRun:
    return outcome(task(begun, "b"))


def test_a_live_run_is_not_settled(going_on: record.Record) -> None:
    assert record.settle(going_on.store, now=NOON) == []
    going_on.lease.release()
    (settled,) = record.settle(going_on.store, now=NOON)
    assert settled.state == "interrupted"


def test_an_old_owner_writes_over_nothing_that_a_new_one_has_recorded(
    going_on: record.Record,
) -> None:
    store, run = going_on.store, going_on.run
    abandon(going_on)
    record.settle(store, now=NOON)
    before = contents(store)
    with pytest.raises(Conflict, match=r"etl#1 was lost to another process: .* interrupted by now"):
        going_on.save({"b": ended(going_on)}, {})
    assert going_on.lost
    states = {"a": outcome(task(going_on, "a")), "b": ended(going_on)}
    with pytest.raises(Conflict, match="lost to another process"):
        going_on.end(replace(run, state="success", ended=NOON), states, {})
    assert contents(store) == before


def test_nor_when_the_new_one_goes_on_with_the_run(going_on: record.Record) -> None:
    store = going_on.store
    abandon(going_on)
    record.settle(store, now=NOON)
    oid, settled = run_of_number(store, "etl", 1)
    newer = record.resume(store, oid, settled, settled, {})
    before = contents(store)
    with pytest.raises(Conflict, match="lost to another process: it is owned by somebody else"):
        going_on.save({"b": ended(going_on)}, {})
    assert contents(store) == before
    newer.save({"b": ended(newer)}, {})


def test_what_an_old_owner_records_at_the_last_moment_is_kept(
    going_on: record.Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new owner has seen that nobody owns the run, and not yet said that it does."""
    store = going_on.store

    def late(*words: object) -> None:
        monkeypatch.setattr(record.Record, "take_over", real)
        going_on.save({"b": ended(going_on)}, {})
        real(*words)

    real = record.Record.take_over
    monkeypatch.setattr(record.Record, "take_over", late)
    abandon(going_on)
    record.settle(store, now=NOON)
    _, run = run_of_number(store, "etl", 1)
    assert {name: t.state for name, t in task_runs(store, run).items()} == {
        "a": "success",
        "b": "success",
    }
    assert [ref for ref, _ in store.refs("active/")] == []


def test_what_an_old_owner_records_after_that_is_refused(
    going_on: record.Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new owner has read what there is, and not yet written the end of the run."""
    store = going_on.store
    real = record._interrupt

    def late(*words: object) -> object:
        with pytest.raises(Conflict, match="lost to another process"):
            going_on.save({"b": ended(going_on)}, {})
        with pytest.raises(Conflict, match="lost to another process"):
            going_on.end(replace(going_on.run, state="success", ended=NOON), {}, {})
        return real(*words)

    monkeypatch.setattr(record, "_interrupt", late)
    abandon(going_on)
    record.settle(store, now=NOON)
    _, run = run_of_number(store, "etl", 1)
    assert run.state == "interrupted"
    assert [ref for ref, _ in store.refs("active/")] == []


def test_a_run_that_ends_at_the_last_moment_is_not_settled(
    going_on: record.Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = going_on.store

    def late(*words: object) -> None:
        states = {"a": outcome(task(going_on, "a")), "b": ended(going_on)}
        going_on.end(replace(going_on.run, state="success", ended=NOON), states, {})
        real(*words)

    real = record.Record.take_over
    monkeypatch.setattr(record.Record, "take_over", late)
    abandon(going_on)
    assert record.settle(store, now=NOON) == []
    assert run_of_number(store, "etl", 1)[1].state == "success"
    assert store.backend.leased() == set()


def test_a_lost_lease_is_asked_for_anew(going_on: record.Record) -> None:
    going_on.lease.release()
    going_on.save({"b": ended(going_on)}, {})
    assert going_on.lease.held()
    assert owner.is_owned(going_on.store, going_on.run)


def test_who_only_looks_whether_anybody_has_a_lease_takes_no_run_away(
    going_on: record.Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process has it for the moment that it takes to see that it is free."""
    going_on.lease.release()
    looking = owner.own(going_on.store, going_on.run.id)
    assert looking is not None
    monkeypatch.setattr(record.time, "sleep", lambda _: looking.release())
    going_on.save({"b": ended(going_on)}, {})
    assert going_on.lease.held()


def test_a_lease_that_somebody_keeps_is_lost(
    going_on: record.Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    going_on.lease.release()
    keeper = owner.own(going_on.store, going_on.run.id)
    assert keeper is not None
    monkeypatch.setattr(record, "LOST_SECONDS", 0.1)
    with pytest.raises(Conflict, match="owned by somebody else"):
        going_on.save({"b": ended(going_on)}, {})
    keeper.release()


def test_requests_to_stop_go_with_the_run(going_on: record.Record) -> None:
    store, run = going_on.store, going_on.run
    assert owner.ask_to_stop(store, run, author=ADA)
    assert owner.ask_to_stop(store, run, author="Bob", times=2)
    assert owner.stops_asked(store, run) == owner.Stops(by=ADA, times=3)
    going_on.end(replace(run, state="cancelled", ended=NOON), {}, {})
    assert list(store.refs("stops/")) == []
    assert not owner.ask_to_stop(store, run, author=ADA)
    assert list(store.refs("stops/")) == []


def test_a_request_that_comes_as_the_run_ends_goes_with_it_as_well(
    going_on: record.Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = record.recounted

    def count(*words: Any) -> Moves:
        monkeypatch.setattr(record, "recounted", real)
        assert owner.ask_to_stop(going_on.store, going_on.run, author=ADA)
        return real(*words)

    monkeypatch.setattr(record, "recounted", count)
    going_on.end(replace(going_on.run, state="success", ended=NOON), {}, {})
    assert list(going_on.store.refs("stops/")) == []


def test_a_request_that_comes_too_late_leaves_nothing(
    going_on: record.Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = owner._stops

    def stops(*words: object) -> owner.Stops:
        monkeypatch.setattr(owner, "_stops", real)
        going_on.end(replace(going_on.run, state="success", ended=NOON), {}, {})
        return real(*words)

    monkeypatch.setattr(owner, "_stops", stops)
    assert not owner.ask_to_stop(going_on.store, going_on.run, author=ADA)
    assert list(going_on.store.refs("stops/")) == []


@pytest.mark.slow
def test_an_owner_that_was_taken_for_killed_stops_its_tasks_and_says_so(project: Project) -> None:
    project.workflow(
        shell("first", "touch here; until test -e on; do sleep 0.02; done"),
        shell("long", "sleep 300"),
        shell("next", "touch late", ", depends_on: [first]"),
    )
    child = project.start("run", "flow.yaml", "-j", "2", patch=IMPATIENT)
    assert eventually((project.folder / "here").exists)
    # From then on nothing is to be recorded until a task ends, and nobody looks at the lock.
    assert eventually(lambda: project.states() == {"first": "running", "long": "running"})
    shutil.rmtree(project.folder / ".ork" / "locks")
    assert "was interrupted" in project.ork("runs").stderr
    project.write("on", "")
    _, err = child.communicate(timeout=60)
    assert child.returncode == 5, err
    assert "flow#1 was lost to another process: it is recorded as interrupted by now" in err
    assert project.states() == {"first": "interrupted", "long": "interrupted", "next": "pending"}
    assert not project.survivors()


@pytest.mark.slow
def test_an_owner_whose_lock_was_removed_goes_on(project: Project) -> None:
    project.workflow(
        shell("first", "touch here; until test -e on; do sleep 0.02; done"),
        shell("next", "touch again; until test -e off; do :; done", ", depends_on: [first]"),
    )
    child = project.start("run", "flow.yaml")
    assert eventually((project.folder / "here").exists)
    shutil.rmtree(project.folder / ".ork" / "locks")
    project.write("on", "")
    assert eventually((project.folder / "again").exists)
    assert project.ork("runs").stderr == ""
    project.write("off", "")
    _, err = child.communicate(timeout=60)
    assert child.returncode == 0, err


@pytest.mark.slow
def test_a_silent_task_of_a_killed_ork_lasted_to_the_last_sign_of_life(project: Project) -> None:
    project.workflow(shell("t", "touch here; sleep 60"))
    child = project.start("run", "flow.yaml")
    assert eventually((project.folder / "here").exists)
    (begun,) = project.folder.glob(".ork/logs/flow/*/begun")
    first = begun.stat().st_mtime
    assert eventually(lambda: begun.stat().st_mtime > first)
    child.kill()
    child.communicate()
    project.ork("runs")
    (attempt,) = project.run_of()[1]["t"].attempts
    assert attempt.state == "interrupted"
    assert attempt.ended.timestamp() == pytest.approx(begun.stat().st_mtime, abs=0.001)
