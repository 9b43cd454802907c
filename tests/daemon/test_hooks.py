"""Hooks: after the end, once, with the facts, and nothing of the run depends on them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from shutil import rmtree

import pytest

from ork import failpoints
from ork.daemon import hooks
from ork.objects.value import replace
from ork.runner import record
from ork.runner.loop import Control
from ork.runner.start import Caller, retry, start
from ork.store.resolve import run_of_number
from ork.store.runs import hooks_of
from tests.daemon.flow import caller
from tests.forked import Forked
from tests.stores import NOON, stamp

FLOW = """\
name: etl
on_failure: {{command: '{failure}'}}
on_success: {{command: '{success}'}}
tasks:
  load: {{executor: process, command: '{command}', env: {{TOKEN: {{secret: TOKEN}}}}}}
"""


@pytest.fixture
def flow(project, keep):
    """Deploy the workflow: flow(command=..., success=..., failure=...)."""

    def deployed(command="true", success="true", failure="true", hours=0.0):
        keep(FLOW.format(command=command, success=success, failure=failure), hours=hours)
        return project

    return deployed


WHO = Caller(stamp=stamp(), now=NOON, environ={"PATH": "/usr/bin:/bin", "TOKEN": "hidden-value"})


def run(store):
    """Run the workflow without its hooks."""
    *_, last = start(store, "etl", caller=WHO).events
    return last.run


def test_it_reads_the_facts_of_a_run_that_is_recorded(flow):
    store = flow(success="cat > facts.json; echo $ORK_RUN_ID; pwd")
    ended = run(store)
    hook = hooks.after(store, ended, WHO)
    facts = json.loads((store.project / "facts.json").read_text())
    assert facts["schema"] == "ork.hook.v1" and facts["hook"] == "on_success"
    assert facts["name"] == "etl#1" and facts["run"]["state"] == "success"
    assert facts["tasks"] == {"load": {"attempts": 1, "reason": None, "state": "success"}}
    assert (hook.state, hook.exit, hook.attempt) == ("success", 0, 1)
    assert hook.output == f"{ended.id}\n{store.project.resolve()}\n"
    assert hooks_of(store, ended) == (hook,)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("echo one; echo $TOKEN two >&2; echo; exit 3", "load: exited with code 3: *** two"),
        ('printf "\\033[31mred"; exit 3', "load: exited with code 3: red"),
        ("exit 3", "load: exited with code 3"),
    ],
)
def test_the_reason_has_what_a_command_printed_last(flow, command, why):
    store = flow(command=command, failure='echo "$ORK_RUN_REASON"')
    assert hooks.after(store, run(store), WHO).output == f"{why}\n"


@pytest.mark.parametrize("left", ["something", ""])
def test_where_the_project_is_not_there_it_is_executed_beside_what_tasks_left(project, keep, left):
    (project.project / "jobs").mkdir()
    command = "touch left" if left else "true"
    text = FLOW.format(command=command, success="ls; pwd", failure="true")
    keep(text, path="jobs/etl.yaml")
    rmtree(project.project / "jobs")
    ended = run(project)
    hook = hooks.after(project, ended, WHO)
    assert (hook.state, hook.error) == ("success", None)
    assert (ended.id in hook.output, "left\n" in hook.output) == (bool(left), bool(left))


def test_its_command_may_be_words(project, keep):
    keep(
        FLOW.format(command="true", success="true", failure="true").replace(
            "'true'}\ntasks", "[printf, '%s.', 'a b', c]}\ntasks"
        )
    )
    hook = hooks.after(project, run(project), WHO)
    assert (hook.output, hook.command) == ("a b.c.", ("printf", "%s.", "a b", "c"))
    assert hook.line == "printf %s. 'a b' c"
    assert [one.command for one in hooks_of(project, run_of_number(project, "etl", 1)[1])] == [
        hook.command
    ]


def test_a_run_that_is_not_recorded_as_ended_has_no_hook(flow):
    store = flow(success="echo too early > early")
    events = start(store, "etl", caller=WHO).events
    going = next(events).run
    early = replace(going, state="success", ended=datetime.now(UTC))
    assert hooks.after(store, early, WHO) is None
    events.close()
    assert not (store.project / "early").exists()


def test_that_it_fails_changes_nothing(flow):
    store = flow(command="exit 1", failure="echo sent; exit 3")
    ended = run(store)
    before = run_of_number(store, "etl", 1)
    hook = hooks.after(store, ended, WHO)
    assert (hook.which, hook.state, hook.exit) == ("on_failure", "failed", 3)
    assert hook.error == "exited with code 3" and hook.output == "sent\n"
    assert run_of_number(store, "etl", 1) == before


def test_it_is_executed_once(flow):
    store = flow(success="echo x >> done")
    ended = run(store)
    assert hooks.after(store, ended, WHO) is not None
    assert hooks.after(store, ended, WHO) is None
    assert (store.project / "done").read_text() == "x\n"


def test_each_attempt_has_one_but_for_failures_that_are_retried(flow):
    store = flow(command="test -e there", failure="echo $ORK_RUN_ID >> failed")
    ended = run(store)
    assert hooks.after(store, ended, WHO, retries=1) is None
    *_, last = retry(store, "etl#1", caller=WHO).events
    assert hooks.after(store, last.run, WHO, retries=1).attempt == 2
    (store.project / "there").touch()
    *_, last = retry(store, "etl#1", caller=WHO).events
    assert hooks.after(store, last.run, WHO).which == "on_success"
    found = [(hook.attempt, hook.which) for hook in hooks_of(store, last.run)]
    assert found == [(2, "on_failure"), (3, "on_success")]


def test_what_it_prints_is_masked_and_its_end_is_kept(flow):
    store = flow(success="printenv TOKEN; yes | head -c 9000; printenv TOKEN")
    hook = hooks.after(store, run(store), WHO)
    assert len(hook.output) <= hooks.OUTPUT_BYTES_MAX
    assert "hidden-value" not in hook.output and "***" in hook.output


def test_one_that_takes_too_long_is_killed_with_all_it_started(flow, monkeypatch):
    monkeypatch.setattr(hooks, "TIMEOUT_S", 0.2)
    store = flow(success="(sleep 60; echo late > late) & sleep 60")
    hook = hooks.after(store, run(store), WHO)
    assert hook.state == "failed" and "timed out after 0.2 s" in hook.error


def test_it_can_be_stopped(flow):
    store = flow(success="echo begun > begun; sleep 60")
    ended = run(store)

    class Stopped(Control):
        @property
        def stops(self):
            return int((store.project / "begun").exists())

        @stops.setter
        def stops(self, value):
            pass

    hook = hooks.after(store, ended, replace(WHO, control=Stopped()))
    assert hook.state == "cancelled"


def test_one_whose_ork_is_killed_is_not_executed_again(flow):
    store = flow(success="echo x >> done")
    ended = run(store)
    folder = store.folder
    store.close()

    def killed() -> None:
        failpoints._armed, failpoints._left = "hook.claimed", 1
        hooks.after(opened(folder), ended, WHO)

    Forked(killed).rest()
    store = opened(folder)
    assert hooks.after(store, ended, WHO) is None
    (hook,) = hooks_of(store, ended)
    assert hook.state is None and not (store.project / "done").exists()
    store.close()


def opened(folder):
    from ork.store import location
    from ork.store.store import Store

    return Store(location.open_backend(folder, environ={}), folder=folder)


def test_a_run_that_was_killed_has_its_hook_from_who_settles_it(flow):
    store = flow(command="exit 1", failure="cat > facts.json")
    folder = store.folder
    store.close()

    def killed() -> None:
        failpoints._armed, failpoints._left = "place.ready", 1
        run(opened(folder))

    Forked(killed).rest()
    store = opened(folder)
    (settled,) = record.settle(store, now=NOON)
    assert hooks.after(store, settled, WHO).which == "on_failure"
    assert json.loads((store.project / "facts.json").read_text())["run"]["state"] == "interrupted"
    store.close()


def test_runs_without_a_deploy_and_stopped_ones_have_none(flow):
    store = flow(success="true", failure="true")
    *_, last = start(store, f"file:{store.project}/etl.yaml", caller=WHO, no_deploy=True).events
    assert last.run.deploy is None and hooks.after(store, last.run, WHO) is None
    events = start(store, "etl", caller=WHO).events
    next(events)
    events.close()
    _, stopped = run_of_number(store, "etl", 2)
    assert stopped.state == "cancelled" and hooks.after(store, stopped, WHO) is None


@pytest.mark.parametrize(
    ("reason", "which"),
    [
        ("stopped by the user", None),
        ("stopped by Ada Lovelace", None),
        ("stopped by signal engineer", None),
        ("stopped by signal TERM", "on_failure"),
        ("stopped by signal HUP, as when a terminal is closed", "on_failure"),
    ],
)
def test_of_what_was_stopped_only_what_a_signal_has_cut_off_has_one(flow, reason, which):
    store = flow()
    events = start(store, "etl", caller=WHO).events
    next(events)
    events.close()
    oid, stopped = run_of_number(store, "etl", 1)
    with store.transaction() as tx:
        new = tx.add(replace(stopped, reason=reason))
        tx.move(f"runs/etl/{stopped.id}", old=oid, new=new)
    hook = hooks.after(store, stopped, WHO, retries=3)
    assert (hook and hook.which) == which


def test_the_events_of_a_run_come_first(flow):
    store = flow(success="echo x >> done")
    told = []
    for event in hooks.with_hooks(store, start(store, "etl", caller=WHO).events, WHO):
        told.append((type(event).__name__, (store.project / "done").exists()))
    assert told[-1] == ("RunFinished", False) and (store.project / "done").exists()
    assert caller(NOON).now == NOON
