"""TERM and HUP end every command as Ctrl-C does, and how it ended says which of them it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from ork.files import lock
from tests.conftest import Ork
from tests.runner.suite import eventually

CODES = [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]


@contextmanager
def started(ork: Ork, *argv: str, **options: object) -> Iterator[subprocess.Popen[str]]:
    """Start ork in the world of a test; it is gone after the block."""
    child = subprocess.Popen(
        [sys.executable, "-m", "ork", *argv],
        cwd=ork.folder,
        env=ork.environ,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,  # type: ignore[call-overload]
    )
    with child:
        try:
            yield child
        finally:
            child.kill()


def has_open(pid: int, path: Path) -> bool:
    """Say whether a process has a file open; others may be closed while they are looked at."""
    with suppress(FileNotFoundError):
        return any(one.readlink() == path for one in Path("/proc", str(pid), "fd").iterdir())
    return False


# Whoever imports this module gets a signal in the middle of that.
INTERRUPTED = """\
import importlib.abc, os, signal, sys, time

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "MODULE":
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(60)

sys.meta_path.insert(0, Finder())
"""


@pytest.mark.parametrize("module", ["ork.cli.app", "typer", "ork.cli.history.log"])
def test_what_stops_a_command_while_it_starts_says_nothing(ork: Ork, module: str) -> None:
    ork.write("early/sitecustomize.py", INTERRUPTED.replace("MODULE", module))
    ork.environ["PYTHONPATH"] = str(ork.folder / "early")
    with started(ork, "log") as child:
        assert child.communicate(timeout=60) == ("", "")
    assert child.returncode == -signal.SIGINT


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), CODES)
def test_a_run_is_recorded_as_cancelled(ork: Ork, number: int, code: int) -> None:
    ork.write("w.yaml", "name: w\ntasks: {t: {executor: process, command: touch here; sleep 60}}\n")
    with started(ork, "run", "w.yaml") as child:
        assert eventually((ork.folder / "here").exists)
        child.send_signal(number)
        out, err = child.communicate(timeout=60)
    assert "Traceback" not in err
    assert child.returncode == code
    assert out.startswith("w#1 cancelled")
    assert " cancelled " in ork("runs", "w").out


@pytest.mark.slow
def test_a_loop_of_a_shell_ends_with_the_run_that_ctrl_c_stops(ork: Ork) -> None:
    ork.write("w.yaml", "name: w\ntasks: {t: {executor: process, command: touch here; sleep 60}}\n")
    loop = f"for day in 1 2 3; do {sys.executable} -m ork run w.yaml; done; echo over"
    words = ["bash", "-c", loop]
    with subprocess.Popen(
        words, cwd=ork.folder, env=ork.environ, stdout=-1, stderr=-1, start_new_session=True
    ) as shell:
        try:
            assert eventually((ork.folder / "here").exists)
            os.killpg(shell.pid, signal.SIGINT)
            out, _ = shell.communicate(timeout=20)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
    assert (out.startswith(b"w#1 cancelled"), b"over" in out) == (True, False)
    assert len(ork("runs", "w").out.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "by", "hooked"),
    [
        (signal.SIGINT, "the user", False),
        (signal.SIGTERM, "signal TERM", True),
        (signal.SIGHUP, "signal HUP, as when a terminal is closed", True),
    ],
)
def test_the_record_says_what_stopped_a_run_and_who_did_not_ask_for_it_is_told(
    ork: Ork, number: int, by: str, hooked: bool
) -> None:
    ork.write(
        "w.yaml",
        "name: w\non_failure: {command: cat > facts.json}\n"
        "tasks: {t: {executor: process, command: touch here; sleep 60}}\n",
    )
    with started(ork, "run", "w.yaml") as child:
        assert eventually((ork.folder / "here").exists)
        child.send_signal(number)
        out, _ = child.communicate(timeout=60)
    assert f": stopped by {by}; 1 cancelled" in out
    assert f"cancelled - stopped by {by}\n" in ork("show", "w#1").out
    (entry,) = json.loads(ork("runs", "w", "--json").out)["data"]
    assert entry["run"]["reason"] == f"stopped by {by}"
    assert (ork.folder / "facts.json").exists() == hooked
    assert len(json.loads(ork("show", "w#1", "--json").out)["data"]["hooks"]) == hooked
    again = ork("retry", "--failed", "--since", "1h", "--dry-run")
    assert again.out.startswith("w#1 ") == hooked


@pytest.mark.slow
def test_another_run_of_the_workflow_that_goes_on_is_told_of(ork: Ork) -> None:
    text = "name: w\ntasks: {t: {executor: process, command: 'touch here; until test -e go;"
    ork.write("w.yaml", text + " do sleep 0.05; done'}}\n")
    with started(ork, "run", "w.yaml") as child:
        assert eventually((ork.folder / "here").exists)
        refused = ork("run", "w.yaml", "--timeout", "0.1")
        assert "note: w#1 goes on at the same time: `ork watch w#1`" in refused.err
        child.kill()
        child.communicate(timeout=60)
    (ork.folder / "go").touch()
    assert "goes on" not in ork("run", "w.yaml").err


@pytest.mark.slow
def test_a_part_that_is_tried_again_leaves_the_rest_of_a_stopped_run_as_it_is(ork: Ork) -> None:
    names = [f"part_{number}" for number in range(8)]
    parts = "".join(f"  {name}: {{executor: process, command: 'true'}}\n" for name in names)
    last = f"executor: process, command: touch here; sleep 60, depends_on: [{', '.join(names)}]"
    ork.write("w.yaml", f"name: w\ntasks:\n{parts}  last: {{{last}}}\n")
    with started(ork, "run", "w.yaml") as child:
        assert eventually((ork.folder / "here").exists)
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=60)
    done = ork("retry", "w#1", "--only", "part_0")
    assert done.code == 1 and "not tried again: last; 8 succeeded, 1 cancelled" in done.out
    (kept,) = (line for line in done.err.splitlines() if "kept" in line)
    assert kept.endswith("part_1, part_2, part_3, part_4, part_5 and 2 more")


@pytest.mark.slow
def test_a_terminal_that_is_closed_may_tell_twice_and_kills_no_hook(ork: Ork) -> None:
    ork.write(
        "w.yaml",
        "name: w\non_failure: {command: touch begun; sleep 1; touch told}\n"
        "tasks: {t: {executor: process, command: touch here; sleep 60}}\n",
    )
    with started(ork, "run", "w.yaml") as child:
        assert eventually((ork.folder / "here").exists)
        child.send_signal(signal.SIGHUP)
        assert eventually((ork.folder / "begun").exists)
        child.send_signal(signal.SIGHUP)
        child.communicate(timeout=60)
    assert (ork.folder / "told").exists()
    assert child.returncode == 129


@pytest.mark.parametrize(("number", "code"), CODES)
def test_a_command_that_waits_for_the_store_writes_nothing(
    etl: Ork, number: int, code: int
) -> None:
    assert etl("init").code == 0
    (gate,) = (etl.folder / ".ork" / "db").glob("*gate")
    holder = os.open(gate, os.O_RDWR)
    assert lock(holder)
    with started(etl, "deploy", "etl.yaml") as child:
        assert eventually(lambda: has_open(child.pid, gate))
        child.send_signal(number)
        out, err = child.communicate(timeout=60)
    os.close(holder)
    assert (out, err.strip()) == ("", "")
    assert child.returncode == code
    assert etl("log", "etl").code == 3


@pytest.mark.slow
def test_a_signal_that_is_ignored_stays_ignored(ork: Ork) -> None:
    ork.write(
        "w.yaml", "name: w\ntasks: {t: {executor: process, command: touch here; sleep 0.3}}\n"
    )
    ignoring = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)  # noqa: E731
    with started(ork, "run", "w.yaml", preexec_fn=ignoring) as child:
        assert eventually((ork.folder / "here").exists)
        child.send_signal(signal.SIGHUP)
        child.communicate(timeout=60)
    assert child.returncode == 0
