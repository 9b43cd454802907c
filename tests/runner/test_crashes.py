"""Kill -9 at every transition of a run: nothing told is lost, nothing recorded is done twice."""

from __future__ import annotations

import ast
import json
import os
import signal
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

import ork
from ork import failpoints
from ork.runner import owner, record
from tests.conftest import START
from tests.runner.suite import (
    Project,
    check_index,
    check_whole,
    eventually,
    kill_marked,
    python,
    shell,
    told,
)

CODE = """\
    import os, time
    def note(name):
        with open("done", "a") as file:
            file.write(name + "\\n")
    def first():
        note("first")
        return {"n": 1}
    def second(n):
        note("second")
        return {"n": n + 1}
    def flaky():
        note("flaky")
        assert os.environ["ORK_ATTEMPT"] != "1"
    def slow():
        note("slow")
        time.sleep(0.25)
"""
AFTER_FIRST = ", depends_on: [first], inputs: {n: {ref: tasks.first.output.n}}"
TASKS = (
    python("first", "first"),
    python("second", "second", AFTER_FIRST),
    python("flaky", "flaky", ", retries: 1"),
    python("slow", "slow"),
    shell("left", "echo left >> done; (setsid sleep 60 &); sleep 0.2"),
    shell("last", "echo last >> done", ", depends_on: [second, left, flaky]"),
)
OF_OTHERS = (
    "backup",
    "clone",
    "fire",
    "gc",
    "hook",
    "import",
    "init",
    "logs",
    "orkdb",
    "repack",
    "restore",
    "sync",
)  # tried elsewhere
NAMES = [name for name in failpoints.NAMES if name.split(".")[0] not in OF_OTHERS]
IN_RUN = [name for name in NAMES if name.split(".")[0] not in ("resume", "settle")]
IN_RETRY = [name for name in NAMES if name.split(".")[0] not in ("begin", "deploy", "settle")]
IN_SETTLE = [name for name in NAMES if name.split(".")[0] in ("settle", "traces")]
LATER = ["task.submitted:4", "outcome.arrived:3", "save.before:3", "save.after:3", "turn.told:4"]


@pytest.fixture
def flow(project: Project) -> Project:
    project.write("code.py", CODE)
    project.workflow(*TASKS)
    return project


def crash(project: Project, *argv: str, at: str, patch: str = "") -> set[str]:
    """Run a command that dies at a failpoint; return the tasks whose success it told before."""
    done = project.ork(*argv, failpoint=at, patch=patch, code=None)
    assert done.returncode == -signal.SIGKILL, f"{at} was not reached: {done}"
    return successes(done.stdout)


def successes(out: str) -> set[str]:
    return {
        e["task"]
        for e in told(out)
        if e["event"] == "TaskFinished" and e["taskrun"]["state"] == "success"
    }


def recorded(project: Project) -> dict[str, str]:
    """Settle by looking, as any command does; return the states of the tasks, or nothing."""
    listed = json.loads(project.ork("runs", "--json").stdout)["data"]
    if not listed:
        return {}
    (entry,) = listed
    assert entry["run"]["state"] in ("interrupted", "success"), entry
    return project.states()


def check(project: Project, acknowledged: set[str]) -> set[str]:
    """Check all that must hold after a kill; return the tasks that are recorded as done."""
    assert eventually(lambda: not project.survivors()), "a child outlived ork"
    store = project.open()
    check_whole(store)
    check_index(store)
    store.close()
    states = recorded(project) if (project.folder / ".ork").exists() else {}
    done = {name for name, state in states.items() if state == "success"}
    assert acknowledged <= done, f"told, but not recorded: {acknowledged - done}"
    return done


def finish(project: Project) -> None:
    """Go on with what there is until all is done; then everything must be right."""
    listed = json.loads(project.ork("runs", "--json").stdout)["data"]
    if not listed or listed[0]["run"]["state"] != "success":
        project.ork(*(("retry", "flow#1") if listed else ("run", "flow.yaml")))
        assert not os.listdir(project.folder / ".ork" / "locks")
    assert set(project.states().values()) == {"success"}
    check(project, set())


def executed(project: Project, tasks: set[str]) -> dict[str, int]:
    """Return how often each of these tasks was executed so far."""
    counts = Counter(project.lines("done"))
    return {name: counts[name] for name in sorted(tasks)}


def test_every_failpoint_is_named_and_every_name_is_used() -> None:
    used = Counter()
    for path in Path(failpoints.__file__).parent.rglob("*.py"):
        text = path.read_text()
        for node in ast.walk(ast.parse(text)) if "failpoint(" in text else ():
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "failpoint":
                (name,) = node.args
                assert isinstance(name, ast.Constant), f"{path.name}:{node.lineno}"
                used[name.value] += 1
    assert set(used) == set(failpoints.NAMES)
    assert max(used.values()) == 1, "a name stands for one place"
    assert {*IN_RUN, *IN_RETRY, *IN_SETTLE} == set(NAMES)


@pytest.mark.slow
@pytest.mark.parametrize("at", [*IN_RUN, *LATER])
@pytest.mark.turns(6)
def test_a_run_that_is_killed_is_gone_on_with(flow: Project, at: str) -> None:
    flow.ork("init")
    acknowledged = crash(flow, "run", "flow.yaml", "-j", "3", "--json", at=at)
    done = executed(flow, check(flow, acknowledged))
    assert all(count == 1 + (name == "flaky") for name, count in done.items()), done
    finish(flow)
    assert executed(flow, set(done)) == done, "a recorded success was repeated"


@pytest.mark.slow
@pytest.mark.parametrize("at", [*IN_RETRY, "outcome.arrived:2", "save.after:2"])
@pytest.mark.turns(8)
def test_a_retry_that_is_killed_is_gone_on_with(flow: Project, at: str) -> None:
    first = crash(flow, "run", "flow.yaml", "-j", "2", "--json", at="outcome.arrived:3")
    done = executed(flow, check(flow, first))
    second = crash(flow, "retry", "flow#1", "-j", "2", "--json", at=at)
    more = executed(flow, check(flow, first | second))
    assert done.items() <= more.items(), "a recorded success was repeated"
    finish(flow)
    assert executed(flow, set(more)) == more, "a recorded success was repeated"


@pytest.mark.slow
@pytest.mark.parametrize("at", IN_SETTLE)
@pytest.mark.turns(4)
def test_a_command_that_is_killed_while_it_settles_leaves_it_to_the_next(
    flow: Project, at: str
) -> None:
    first = crash(flow, "run", "flow.yaml", "-j", "2", "--json", at="save.after:3")
    crash(flow, "runs", at=at)
    done = executed(flow, check(flow, first))
    finish(flow)
    assert executed(flow, set(done)) == done, "a recorded success was repeated"


@pytest.mark.slow
def test_a_process_that_could_not_settle_a_run_does_not_own_it(
    flow: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash(flow, "run", "flow.yaml", at="task.submitted")
    with closing(flow.open()) as store:
        with monkeypatch.context() as patched, pytest.raises(ValueError):
            patched.setattr(record, "_interrupt", lambda *_: int("the disk is full"))
            record.settle(store, now=START)
        (settled,) = record.settle(store, now=START)
    assert settled.state == "interrupted"


@pytest.mark.slow
def test_traces_that_a_killed_command_left_are_removed_by_the_next_run(flow: Project) -> None:
    flow.write("done", "")  # else the tasks would leave it in the checkout
    crash(flow, "run", "flow.yaml", "--checkout", at="traces.before")
    folder = flow.folder / ".ork"
    assert list((folder / "work").iterdir())
    assert flow.run_of()[0].state == "success"
    flow.ork("run", "flow")
    assert list((folder / "work").iterdir()) == list((folder / "locks").iterdir()) == []


@pytest.mark.slow
def test_a_request_to_stop_a_killed_run_does_not_stop_the_retry(flow: Project) -> None:
    flow.workflow(shell("once", "test -e fixed || sleep 60"))
    crash(flow, "run", "flow.yaml", at="task.submitted")
    run, _ = flow.run_of()
    with closing(flow.open()) as store:
        assert owner.ask_to_stop(store, run, author="Ada")
        assert owner.stops_asked(store, run).times == 1
    flow.write("fixed", "")
    flow.ork("retry", "flow#1")
    with closing(flow.open()) as store:
        assert not owner.ask_to_stop(store, run, author="Ada"), "it has ended"
        assert list(store.refs("stops/")) == []


@pytest.mark.slow
def test_what_was_in_flight_is_told(flow: Project) -> None:
    flow.workflow(
        shell("quick", "true"),
        shell("long", "touch here; sleep 60"),
        shell("never", "true", ", depends_on: [long]"),
    )
    child = flow.start("run", "flow.yaml", "-j", "2")
    assert eventually((flow.folder / "here").exists)
    begun = {"quick": "success", "long": "running"}
    assert eventually(lambda: flow.states() == begun)
    child.kill()
    child.communicate()
    said = flow.ork("runs")
    assert "flow#1 was interrupted: ork was killed while long ran" in said.stderr
    assert flow.states() == {"quick": "success", "long": "interrupted", "never": "pending"}
    assert "interrupted: ork" not in flow.ork("runs").stderr, "told once"


@pytest.mark.slow
def test_no_child_outlives_ork(project: Project) -> None:
    project.write(
        "code.py",
        """\
        import subprocess, time
        def main():
            subprocess.Popen(["setsid", "sleep", "300"])
            open("py", "w").close()
            time.sleep(300)
    """,
    )
    project.workflow(
        python("py"),
        shell("sh", "(setsid setsid sleep 300 &) ; touch sh; sleep 300"),
        shell("deaf", "trap '' TERM HUP; touch deaf; sleep 300; sleep 300"),
    )
    child = project.start("run", "flow.yaml", "-j", "3")
    assert eventually(lambda: all((project.folder / n).exists() for n in ("py", "sh", "deaf")))
    assert eventually(lambda: len(project.survivors()) >= 7), "ork, the tasks, their children"
    child.kill()
    child.communicate()
    assert eventually(lambda: not project.survivors())


@pytest.mark.slow
def test_a_living_run_is_left_alone(project: Project) -> None:
    project.workflow(shell("long", "touch here; until test -e stop; do sleep 0.02; done"))
    child = project.start("run", "flow.yaml")
    assert eventually((project.folder / "here").exists)
    assert "interrupted" not in project.ork("runs").stdout
    project.write("stop", "")
    child.communicate()
    assert child.returncode == 0


def test_a_library_that_retries_settles_first(project: Project) -> None:
    project.workflow(shell("once", "touch here; test -e fixed || sleep 60"))
    child = project.start("run", "flow.yaml")
    assert eventually((project.folder / "here").exists)
    child.kill()
    child.communicate()
    project.write("fixed", "")
    store = ork.open(project.folder)
    *_, last = store.retry_events("flow#1")
    store.close()
    assert last.run.state == "success"  # type: ignore[union-attr]


# Each guard is needed: without it, what it guards against is seen by the checks above.

TELLS_FIRST = """\
    import os, threading
    from ork.runner import events, loop, record
    save, turn, write = loop.Loop._save, loop.Loop.turn, record.Record.save
    def tell_then_save(self):
        self.told += self.events
        self.events = []
        save(self)
    def die_when_told(self):
        told = []
        for event in turn(self):  # what is told at once is printed at once
            yield event
            told.append(event)
        if any(isinstance(event, events.TaskFinished) for event in told):
            os.kill(os.getpid(), 9)
    def write_too_late(self, changed, objects):
        if any(taskrun.state == "success" for taskrun in changed.values()):
            threading.Event().wait()
        write(self, changed, objects)
    loop.Loop._save, loop.Loop.turn = {save}, die_when_told
    record.Record.save = write_too_late
"""


@pytest.mark.slow
@pytest.mark.turns(3)
def test_without_recording_first_the_check_sees_what_was_lost(flow: Project) -> None:
    patch = TELLS_FIRST.format(save="tell_then_save")
    words = ("run", "flow.yaml", "-j", "1", "--json")
    done = flow.ork(*words, patch=patch, anew=True, code=-signal.SIGKILL)
    assert successes(done.stdout) == {"first"}
    with pytest.raises(AssertionError, match="told, but not recorded"):
        check(flow, successes(done.stdout))


@pytest.mark.slow
@pytest.mark.turns(3)
def test_without_the_lock_a_living_run_is_settled(project: Project) -> None:
    project.workflow(shell("long", "touch here; until test -e stop; do sleep 0.02; done"))
    child = project.start("run", "flow.yaml")
    assert eventually((project.folder / "here").exists)
    project.ork("runs", patch="import fcntl; fcntl.flock = lambda *_: None")
    assert project.run_of()[0].state == "interrupted"
    project.write("stop", "")
    child.communicate()
    assert child.returncode == 5, "the owner sees that its record was taken away"


@pytest.mark.slow
@pytest.mark.turns(3)
def test_without_the_guard_children_outlive_ork(project: Project) -> None:
    project.workflow(shell("sh", "touch sh; sleep 300"))
    patch = "from ork.executors.process_tree import Guard; Guard._SCRIPT = 'exit 0'"
    child = project.start("run", "flow.yaml", patch=patch)
    assert eventually((project.folder / "sh").exists)
    child.kill()
    child.communicate()
    assert not eventually(lambda: not project.survivors(), seconds=2)
    kill_marked(project.mark)


@pytest.mark.slow
@pytest.mark.turns(3)
def test_without_what_is_kept_successes_are_repeated(flow: Project) -> None:
    acknowledged = crash(flow, "run", "flow.yaml", "-j", "2", "--json", at="outcome.arrived:4")
    done = executed(flow, check(flow, acknowledged))
    patch = """\
        from ork.runner import start
        start.again = lambda store, run, *_: set(start.task_runs(store, run))
    """
    flow.ork("retry", "flow#1", patch=patch)
    assert done
    assert executed(flow, set(done)) != done
