"""Stopping a run: from another terminal, after a time, at the first failure. Nobody survives."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

from ork.runner.owner import stops_asked
from tests.runner.suite import FIERCE, IMPATIENT, Project, eventually, python, shell, told

pytestmark = pytest.mark.slow

AWAY = "(setsid sleep 300 &); (setsid setsid sleep 300 &); sleep 300 &"


@pytest.fixture
def long(project: Project) -> Project:
    """A workflow with a task that runs long, and a child of it in a session of its own."""
    project.workflow(
        shell("long", f"{AWAY} touch here; wait; sleep 300"),
        shell("next", "true", ", depends_on: [long]"),
    )
    return project


def test_a_run_is_cancelled_from_another_process(long: Project) -> None:
    child = long.start("run", "flow.yaml", patch=IMPATIENT)
    assert eventually((long.folder / "here").exists)
    assert long.ork("cancel", "flow#1").stdout == "flow#1 cancelled\n"
    out, _ = child.communicate(timeout=60)
    assert child.returncode == 130
    assert re.match(r"flow#1 cancelled in \S+: stopped by Ada; 2 cancelled", out)
    assert not long.survivors()
    run, states = long.run_of()
    assert (run.state, run.reason) == ("cancelled", "stopped by Ada")
    assert {name: t.state for name, t in states.items()} == {
        "long": "cancelled",
        "next": "cancelled",
    }
    assert [a.state for a in states["long"].attempts] == ["cancelled"]
    assert {one.reason for one in states.values()} == {"stopped by Ada"}
    assert "state    cancelled - stopped by Ada\n" in long.ork("show", "flow#1").stdout
    store = long.open()
    assert list(store.refs("stops/")) == []
    store.close()


def test_what_ends_by_itself_in_time_has_its_success(project: Project) -> None:
    project.workflow(
        shell("quick", "touch here; until test -e asked; do :; done; echo 'ORK_OUTPUT:1'"),
        shell("next", "true", ", depends_on: [quick]"),
    )
    child = project.start("run", "flow.yaml")
    assert eventually((project.folder / "here").exists)
    project.ork("cancel", "flow#1", "--no-wait")
    project.write("asked", "")
    child.communicate(timeout=60)
    assert project.states() == {"quick": "success", "next": "cancelled"}
    project.ork("retry", "flow#1")
    assert project.states() == {"quick": "success", "next": "success"}
    assert project.run_of()[1]["next"].reason is None


def test_a_task_may_tidy_up_when_it_is_asked_to_end(project: Project) -> None:
    project.workflow(
        shell("tidy", "trap 'touch tidied; exit 0' TERM; touch here; while :; do sleep 0.05; done")
    )
    child = project.start("run", "flow.yaml", patch=IMPATIENT)
    assert eventually((project.folder / "here").exists)
    project.ork("cancel", "flow#1")
    child.communicate(timeout=60)
    assert (project.folder / "tidied").exists()
    assert project.states() == {"tidy": "cancelled"}


def test_a_task_that_ignores_term_is_killed(project: Project) -> None:
    project.write(
        "code.py",
        """\
        import signal, time
        def main():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            open("py", "w").close()
            while True:
                time.sleep(300)
    """,
    )
    deaf = "trap '' TERM; touch sh; while :; do sleep 0.1; done"
    project.workflow(python("py"), shell("sh", deaf))
    child = project.start("run", "flow.yaml", "-j", "2", patch=FIERCE)
    assert eventually(lambda: (project.folder / "py").exists() and (project.folder / "sh").exists())
    project.ork("cancel", "flow#1")
    child.communicate(timeout=60)
    assert not project.survivors()
    assert project.states() == {"py": "cancelled", "sh": "cancelled"}


def test_now_kills_at_once(project: Project) -> None:
    project.workflow(
        shell("sh", "trap 'touch tidied; exit' TERM; touch here; while :; do sleep 0.05; done")
    )
    child = project.start("run", "flow.yaml")
    assert eventually((project.folder / "here").exists)
    assert project.ork("cancel", "flow#1", "--now").stdout == "flow#1 cancelled\n"
    child.communicate(timeout=60)
    assert not (project.folder / "tidied").exists()
    assert project.states() == {"sh": "cancelled"}


def test_a_suspended_process_is_told_of_and_goes_on_to_be_killed(long: Project) -> None:
    child = long.start("run", "flow.yaml")
    assert eventually((long.folder / "here").exists)
    os.kill(child.pid, signal.SIGSTOP)
    assert eventually(lambda: ") T " in Path(f"/proc/{child.pid}/stat").read_text())
    asked = long.ork("cancel", "--no-wait")
    assert asked.stderr == (
        f"note: flow#1 ends when its process {child.pid} goes on: it is suspended (Ctrl-Z)\n"
        "hint: `fg` in its terminal, or `ork cancel flow#1 --now`\n"
    )
    words = f"suspended: `fg` continues it (process {child.pid})\n"
    assert long.ork("runs").stdout.endswith(f"  {words}")
    assert f"state    running  {words}" in long.ork("show", "flow#1").stdout
    watching = long.start("watch")
    assert watching.stderr is not None
    assert watching.stderr.readline() == f"note: flow#1 is {words}"
    assert long.ork("cancel", "--now").stdout == "flow#1 cancelled\n"
    for one in (child, watching):
        one.communicate(timeout=60)
    assert "suspended" not in long.ork("runs").stdout
    assert not long.survivors()


def test_no_wait_returns_before_the_end(long: Project) -> None:
    child = long.start("run", "flow.yaml", patch=IMPATIENT)
    assert eventually((long.folder / "here").exists)
    assert long.ork("cancel", "flow#1", "--no-wait").stdout == "asked flow#1 to stop\n"
    child.communicate(timeout=60)
    assert child.returncode == 130


def test_a_retry_can_be_cancelled(long: Project) -> None:
    child = long.start("run", "flow.yaml")
    assert eventually((long.folder / "here").exists)
    long.ork("cancel", "flow#1", "--now")
    child.communicate(timeout=60)
    (long.folder / "here").unlink()
    child = long.start("retry", "flow#1")
    assert eventually((long.folder / "here").exists)
    long.ork("cancel", "--now")
    child.communicate(timeout=60)
    assert child.returncode == 130
    assert [a.state for a in long.run_of()[1]["long"].attempts] == ["cancelled"] * 2


@pytest.mark.slow
def test_several_are_all_asked_and_none_where_one_is_unknown(project: Project) -> None:
    project.workflow(shell("long", 'touch "here$ORK_RUN_ID"; trap "" TERM; sleep 60'))
    children = []
    for number in (1, 2, 3):
        children.append(project.start("run", "flow.yaml"))
        assert eventually(lambda n=number: len([*project.folder.glob("here*")]) == n)
    project.ork("cancel", "flow#1", "flow#9", "--now", code=3)
    project.ork("cancel", "flow#2", "--now")
    both = project.ork("cancel", "flow#1", "flow#2", "flow#3", "flow#1", "--now", code=2)
    assert both.stdout == "flow#1 cancelled\nflow#3 cancelled\n"
    assert both.stderr == "error: flow#2 has ended: cancelled\n"
    for child in children:
        child.communicate(timeout=60)
        assert child.returncode == 130


def test_a_run_that_has_ended_cannot_be_cancelled(project: Project) -> None:
    project.workflow(shell("a", "true"))
    project.ork("run", "flow.yaml")
    refused = project.ork("cancel", "flow#1", code=2)
    assert "flow#1 has ended: success" in refused.stderr
    assert not list((project.folder / ".ork" / "locks").iterdir())


def test_a_run_whose_owner_is_dead_has_ended(long: Project) -> None:
    child = long.start("run", "flow.yaml")
    assert eventually((long.folder / "here").exists)
    child.kill()
    child.communicate()
    refused = long.ork("cancel", "flow#1", code=2)
    assert "flow#1 has ended: interrupted" in refused.stderr


def test_cancel_returns_when_the_owner_dies_meanwhile(long: Project) -> None:
    child = long.start(
        "run",
        "flow.yaml",
        patch="""\
        from ork.runner import owner
        owner.stops_asked = lambda store, run: owner.Stops()
    """,
    )
    assert eventually((long.folder / "here").exists)
    waiting = long.start("cancel", "flow#1")
    run, store = long.run_of()[0], long.open()
    assert eventually(lambda: stops_asked(store, run).times == 1)
    store.close()
    time.sleep(0.2)
    assert waiting.poll() is None
    child.kill()
    child.communicate()
    out, _ = waiting.communicate(timeout=60)
    assert out == "flow#1 interrupted\n"


def test_a_run_that_takes_too_long_is_stopped(long: Project) -> None:
    done = long.ork("run", "flow.yaml", "--timeout", "0.5", code=124)
    assert re.match(r"flow#1 failed in \S+: the run took longer than 0\.5 s; ", done.stdout)
    assert long.ork("watch", "flow#1", code=124).stdout == done.stdout
    assert "the run took longer than 0.5 s" in long.ork("runs").stdout
    assert not long.survivors()
    run, states = long.run_of()
    assert run.state == "failed"
    assert run.reason == "the run took longer than 0.5 s"
    assert states["long"].state == states["next"].state == "cancelled"
    assert {one.reason for one in states.values()} == {run.reason}
    assert run.seconds is not None and run.seconds >= 0.5


def test_the_timeout_of_a_run_is_told_in_its_last_event(long: Project) -> None:
    done = long.ork("run", "flow.yaml", "--timeout", "0.5", "--json", code=124)
    assert told(done.stdout)[-1]["timed_out"] is True


def test_a_run_that_is_quick_enough_does_not_wait_for_its_timeout(project: Project) -> None:
    project.workflow(shell("a", "true"))
    began = time.monotonic()
    project.ork("run", "flow.yaml", "--timeout", "60")
    assert time.monotonic() - began < 30


def test_the_timeout_of_a_task_kills_its_whole_tree_and_only_it(project: Project) -> None:
    project.write(
        "code.py",
        """\
        import subprocess, time
        def main():
            subprocess.Popen(["setsid", "sleep", "300"])
            time.sleep(300)
        def fine():
            return 1
    """,
    )
    project.workflow(
        shell("sh", f"{AWAY} sleep 300", ", timeout: 0.5"),
        python("py", more=", timeout: 0.5"),
        python("fine", "fine"),
    )
    project.ork("run", "flow.yaml", "-j", "3", code=1)
    assert not project.survivors()
    assert project.states() == {"sh": "failed", "py": "failed", "fine": "success"}
    _, states = project.run_of()
    assert states["sh"].reason == states["py"].reason == "timed out after 0.5 s"


@pytest.mark.parametrize("fail_fast", [True, False])
def test_fail_fast_stops_what_runs_and_keep_going_does_not(
    project: Project, fail_fast: bool
) -> None:
    project.workflow(
        shell("bad", "until test -e here; do sleep 0.02; done; exit 3"),
        shell("long", "touch here; sleep 1"),
        shell("later", "true", ", depends_on: [long]"),
        shell("after", "true", ", depends_on: [bad]"),
    )
    option = "--fail-fast" if fail_fast else "--keep-going"
    project.ork("run", "flow.yaml", "-j", "2", option, code=1)
    states = project.states()
    assert states["bad"] == "failed"
    assert states["after"] in ("upstream_failed", "cancelled")
    expected = "cancelled" if fail_fast else "success"
    assert (states["long"], states["later"]) == (expected, expected)
    run, taskruns = project.run_of()
    assert run.state == "failed"
    why = "bad failed (--fail-fast)" if fail_fast else None
    assert (taskruns["long"].reason, taskruns["later"].reason) == (why, why)
    assert taskruns["bad"].reason == "exited with code 3"


def test_a_cancelled_run_is_in_the_lists_as_such(long: Project) -> None:
    child = long.start("run", "flow.yaml")
    assert eventually((long.folder / "here").exists)
    long.ork("cancel", "--now")
    child.communicate(timeout=60)
    listed = json.loads(long.ork("runs", "--status", "cancelled", "--json").stdout)["data"]
    assert [entry["run"]["number"] for entry in listed] == [1]
    (entry,) = json.loads(long.ork("log", "flow", "--json").stdout)["data"]
    assert entry["runs"]["counts"] == {"cancelled": 1}


@pytest.mark.parametrize(
    ("how", "why"), [("cancel", "stopped by Ada"), ("kill", "ork was killed while long ran")]
)
def test_a_stopped_run_is_found_among_those_that_failed_if_a_task_had(
    project: Project, how: str, why: str
) -> None:
    project.workflow(
        shell("bad", "test -e good"), shell("long", "test -e good || { touch here; sleep 300; }")
    )
    project.write("good", "")
    project.ork("run", "flow.yaml")
    (project.folder / "good").unlink()
    child = project.start("run", "flow.yaml")
    assert eventually((project.folder / "here").exists)
    assert eventually(lambda: "FAILED   bad" in project.ork("show", "flow#2").stdout)
    if how == "cancel":
        project.ork("cancel", "--now")
    else:
        child.kill()
    child.communicate(timeout=60)
    assert f"{why}; bad: exited with code 1\n" in project.ork("runs", "--status", "failed").stdout
    assert f"- {why}; bad: exited with code 1\n" in project.ork("show", "flow#2").stdout
    assert project.ork("diff", "--last", "flow").stdout.startswith("first difference: bad - ")
    assert "flow#2 " in project.ork("retry", "--failed", "--since", "1h", "--dry-run").stdout
    (entry,) = json.loads(project.ork("log", "flow", "--json").stdout)["data"]
    assert entry["runs"]["counts"] == {"failed": 1, "success": 1}
    project.ork("fsck")
