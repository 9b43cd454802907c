"""ork run --watch, as a process, with files that are saved while it goes on"""

import signal
import subprocess
import sys

import pytest

from tests.runner.suite import eventually

WORKFLOW = "name: w\ntasks: {a: {executor: process, command: sh a.sh}}\n"


@pytest.fixture
def watching(ork):
    """A process that watches, and a function that waits for a text in what it says."""
    ork.write("w.yaml", WORKFLOW)
    ork.write("a.sh", "echo one\n")
    child = subprocess.Popen(
        [sys.executable, "-m", "ork", "run", "w.yaml", "--watch"],
        cwd=ork.folder,
        env=ork.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    def until(text):
        for line in child.stdout:
            if text in line:
                return
        raise AssertionError(f"it ended without {text!r}")

    yield child, until
    child.kill()
    child.wait()
    child.stdout.close()


@pytest.mark.slow
def test_every_save_of_what_it_executes_runs_it_again(ork, watching):
    child, until = watching
    until("w#1 success")
    until("watching w.yaml")
    ork.write("data.csv", "1\n")  # which is no part of it
    ork.write("a.sh", "echo two\n")
    until("w#2 success")
    until("watching")
    ork.write("w.yaml", "name: w\ntasks: {a: {executor: bash}}\n")
    until("executor must be one of")
    ork.write("w.yaml", WORKFLOW)
    until("good again: w.yaml is as it ran, nothing to run")
    ork.write("w.yaml", "name: w\ntasks: {a: {executor: bash}}\n")
    until("executor must be one of")
    ork.write("w.yaml", WORKFLOW.replace("name: w", "name: w\nmax_parallel: 2"))
    until("w#3 success")
    until("watching")
    (ork.folder / "w.yaml").rename(ork.folder / "away")  # as git does between two branches
    until("no file w.yaml")
    (ork.folder / "away").rename(ork.folder / "w.yaml")
    until("good again: w.yaml is as it ran, nothing to run")
    ork.write("a.sh", "exit 3\n")
    until("next: `ork show w#4:a`, `ork show w#4` or a save, which runs it again\n")
    until("watching")
    child.send_signal(signal.SIGINT)
    assert child.wait() == -signal.SIGINT
    assert ork("runs").out.count("w#") == 4


@pytest.mark.slow
def test_a_save_while_it_runs_is_told_of_and_runs_next(ork, watching):
    child, until = watching
    until("watching w.yaml")
    ork.write("a.sh", "touch here; until test -e on; do sleep 0.1; done\n")
    assert eventually((ork.folder / "here").exists)
    ork.write("data.csv", "1\n")  # which is no part of it
    ork.write("a.sh", "echo three\n")
    until("note: a.sh was saved: runs again after this\n")
    ork.write("on", "")
    until("so the run proves nothing: it runs again as it is now\n")
    until("w#3 success")
    until("watching")
    child.send_signal(signal.SIGINT)
    assert child.wait() == -signal.SIGINT


@pytest.mark.slow
def test_a_failed_run_waits_for_a_save_where_there_was_none(ork, watching):
    _, until = watching
    until("watching w.yaml")
    ork.write("a.sh", "touch here; until test -e on; do sleep 0.1; done; exit 3\n")
    assert eventually((ork.folder / "here").exists)
    ork.write("w.yaml", WORKFLOW + "max_parallel: 2\n")
    ork.write("on", "")
    until("next: `ork show w#2:a` or `ork show w#2`\n")
    until("next: `ork show w#3:a`, `ork show w#3` or a save, which runs it again\n")


@pytest.mark.slow
def test_an_interrupt_as_a_good_run_ends_is_one_between_two(ork, watching):
    child, until = watching
    until("watching w.yaml")
    hook = "touch here; until test -e on; do sleep 0.1; done"
    ork.write("w.yaml", f"{WORKFLOW}on_success: {{command: '{hook}'}}\n")
    until("w#2 success")
    assert eventually((ork.folder / "here").exists)
    child.send_signal(signal.SIGINT)
    until("stopping: ")
    ork.write("on", "")
    assert child.wait() == -signal.SIGINT


def test_a_revision_cannot_be_watched(etl):
    etl("deploy", "etl.yaml")
    refused = etl("run", "etl", "--watch")
    assert (refused.code, "--watch needs a workflow file" in refused.err) == (2, True)
    assert "`ork run etl.yaml --watch`" in refused.err


def test_the_library_that_is_missing_is_installed_for_the_python_of_ork(etl, monkeypatch):
    monkeypatch.setattr("ork.cli.runs.run.find_spec", lambda name: None)
    refused = etl("run", "etl.yaml", "--watch")
    hint = f"hint: `{sys.executable} -m pip install watchfiles`\n"
    assert (refused.code, refused.err.endswith(hint)) == (2, True)
