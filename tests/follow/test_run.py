"""A run that Python waits for, and Ctrl-C while it does."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import ork
from ork.follow.progress import Progress
from ork.objects.canonical import Oid
from ork.objects.value import replace
from ork.runner.events import RunFinished, RunStarted, TaskFinished, TaskRetried, TaskStarted
from tests.runs import PIN, outcome
from tests.stores import NOON

TASK = Oid("a" * 64)

# The task of the first attempt says that it has begun; whoever interrupts has waited for that.
FLOW = """\
name: etl
tasks:
  wait: {executor: process, command: "echo > begun; exec sleep 60"}
  after: {executor: process, command: "true", depends_on: [wait]}
"""
SCRIPT = """\
import os, pathlib, signal, threading, time
import ork

def interrupt():
    while not pathlib.Path("begun").exists():
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)

project = ork.open(create=True)
threading.Thread(target=interrupt).start()
"""


def executed(folder: Path, rest: str) -> subprocess.CompletedProcess[str]:
    (folder / "etl.yaml").write_text(FLOW)
    (folder / "script.py").write_text(SCRIPT + rest)
    return subprocess.run(
        [sys.executable, "script.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_an_interrupt_ends_the_run_and_says_how_in_the_last_line(tmp_path: Path) -> None:
    done = executed(tmp_path, "project.run('etl.yaml')\nprint('not here')")
    assert (done.returncode, done.stdout) == (-signal.SIGINT, "")
    *above, last = done.stderr.splitlines()
    again = "`project.retry('etl#1')` goes on with it"
    assert last == f"KeyboardInterrupt: etl#1 ended as cancelled: stopped by the user; {again}"
    assert sum(line.startswith("  File") for line in above) == 4
    with ork.open(tmp_path) as project:
        (entry,) = project.runs("etl")
        assert (entry.run.state, entry.run.reason) == ("cancelled", "stopped by the user")
        assert {it.state for it in project.show("etl#1").tasks.states.values()} == {"cancelled"}


def test_a_retry_is_interrupted_as_well_and_python_has_its_handler_again(tmp_path: Path) -> None:
    rest = """
try:
    project.run("etl.yaml")
except KeyboardInterrupt:
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    pathlib.Path("begun").unlink()
    threading.Thread(target=interrupt).start()
    try:
        project.retry("etl#1")
    except KeyboardInterrupt as error:
        print(error)
"""
    done = executed(tmp_path, rest)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("etl#1 ended as cancelled: stopped by the user")


def test_an_interrupt_of_a_bisection_is_one_of_its_run(tmp_path: Path) -> None:
    rest = """
slow = pathlib.Path("etl.yaml").read_text()
for command in ("true", "echo > begun; exec sleep 60", "false"):
    pathlib.Path("etl.yaml").write_text(slow.replace("echo > begun; exec sleep 60", command))
    (project.deploy if "sleep" in command else project.run)("etl.yaml")
project.bisect("etl", good="etl~2")
"""
    done = executed(tmp_path, rest)
    assert done.returncode == -signal.SIGINT
    assert done.stderr.splitlines()[-1].startswith("KeyboardInterrupt: etl#3 ended as cancelled")


def test_who_has_a_handler_of_his_own_keeps_it(tmp_path: Path) -> None:
    rest = """
control = ork.Control()
def stop(number, frame):
    control.stop("somebody else")
    control.stop()
signal.signal(signal.SIGINT, stop)
print(project.run("etl.yaml", control=control).run.reason)
"""
    done = executed(tmp_path, rest)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "stopped by somebody else\n"


def test_progress_is_a_line_and_in_html_a_bar() -> None:
    progress = Progress()

    def note(*events: ork.Event) -> str:
        for event in events:
            progress.note(event)
        return repr(progress)

    def started(task: str) -> TaskStarted:
        return TaskStarted(task=task, attempt=1, time=NOON, log=None)

    tasks = dict.fromkeys(("<a>", "b", "c", "d", "e", "kept"), ())
    found = note(RunStarted(run=PIN, tasks=tasks, slots=4))
    assert found == "etl#1 running: 0 of 6 tasks ended"
    found = note(TaskFinished(task="kept", taskrun=outcome(TASK), kept=True))
    assert found == "etl#1 running: 0 of 5 tasks ended"
    found = note(*map(started, ("<a>", "b", "c", "d")))
    assert found == "etl#1 running: 0 of 5 tasks ended; <a>, b, c and 1 more"
    note(TaskFinished(task="b", taskrun=outcome(TASK, "failed")))
    found = note(TaskRetried(task="c", attempt=1, time=NOON, error="x", delay=1.0))
    assert found == "etl#1 running: 1 of 5 tasks ended, 1 failed; <a>, d"
    html = progress._repr_html_()
    assert html.startswith('<progress value="1" max="5"></progress> etl#1') and "&lt;a&gt;" in html
    note(*(TaskFinished(task=name, taskrun=outcome(TASK)) for name in ("<a>", "c", "d")))
    note(TaskFinished(task="e", taskrun=outcome(TASK, "upstream_failed")))
    run = replace(PIN, state="failed", duration=1_500_000)
    found = note(RunFinished(oid=TASK, run=run, states={}))
    assert found == "etl#1 failed in 1.5 s: 1 failed, 4 succeeded, 1 skipped"


def test_outside_of_a_notebook_nothing_is_printed(tmp_path: Path) -> None:
    flow = "name: x\ntasks: {t: {executor: process, command: 'true'}}"
    (tmp_path / "x.yaml").write_text(flow)
    code = (
        "import ork, sys; ork.open(create=True).run('x.yaml'); assert 'IPython' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
