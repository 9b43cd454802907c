"""Programs are started in the same way, whether the C library does it or `subprocess`."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ork.executors import spawn as spawning
from ork.executors.spawn import spawn

ENVIRONMENT = {"PATH": "/usr/bin:/bin"}


@pytest.fixture(params=["glibc", "subprocess"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run each test in both ways, as far as this machine has both."""
    if request.param == "subprocess":
        monkeypatch.setattr(spawning, "_glibc", lambda: None)
    elif spawning._glibc() is None:
        pytest.skip("the C library is not glibc 2.34 or newer")
    return str(request.param)


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Start a program, wait for its end; return how it ended, and what it printed."""

    def start(*words: str, **given: object) -> tuple[int, str]:
        file = tmp_path / "printed"
        output = os.open(file, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
        settings = {"environment": ENVIRONMENT, "cwd": str(tmp_path), **given}
        try:
            pid = spawn(words, output=output, **settings)
        finally:
            os.close(output)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return status, os.fsdecode(file.read_bytes())

    return start


def test_it_runs_in_its_folder_with_its_environment_and_no_input(start, tmp_path):
    line = 'pwd; cat; echo "$A"; echo error >&2; exit 3'
    status, text = start("/bin/sh", "-c", line, environment={"A": "ä b=c\nd"})
    assert (status, text) == (3, f"{tmp_path}\nä b=c\nd\nerror\n")


def test_without_a_folder_it_runs_in_ours(start):
    assert start("/bin/pwd", cwd=None) == (0, f"{os.getcwd()}\n")


def test_an_environment_may_be_empty_and_text_may_be_no_utf8(start):
    assert start("/bin/echo", "a\udcff", environment={}) == (0, "a\udcff\n")
    assert start("/usr/bin/env", environment={}) == (0, "")


def test_it_is_a_session_of_its_own(start):
    script = "import os; print(os.getsid(0) == os.getpgid(0) == os.getpid())"
    assert start(sys.executable, "-c", script) == (0, "True\n")


@pytest.mark.parametrize("name", ["SIGPIPE", "SIGXFSZ", "SIGTERM", "SIGKILL"])
def test_signals_end_it_although_python_ignores_some(start, name):
    number = signal.Signals[name]
    assert start("/bin/sh", "-c", f"kill -{int(number)} $$") == (-number, "")


def test_the_umask_is_ours(start):
    before = os.umask(0o027)
    try:
        assert start("/bin/sh", "-c", "umask") == (0, "0027\n")
    finally:
        os.umask(before)


def test_it_gets_no_descriptor_but_those_that_are_passed(start):
    read, write = os.pipe()
    os.set_inheritable(read, True)
    os.set_inheritable(write, True)
    try:
        script = "import os; print(*(n for n in range(99) if os.path.exists(f'/proc/self/fd/{n}')))"
        assert start(sys.executable, "-c", script) == (0, "0 1 2\n")
        far = os.dup2(write, 90)
        passed = start(sys.executable, "-c", script, pass_fds=(far, write))
        assert passed == (0, f"0 1 2 {write} 90\n")
        os.close(far)
    finally:
        os.close(read)
        os.close(write)


def test_programs_are_looked_for_in_their_own_path(start, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    for folder, mode in (("plain", 0o644), ("first", 0o755), ("second", 0o755)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "tool").write_text(f"#!/bin/sh\necho {folder}\n")
        (tmp_path / folder / "tool").chmod(mode)
    path = f"{tmp_path}/none:{tmp_path}/plain:first:{tmp_path}/second"
    assert start("tool", environment={"PATH": path}) == (0, "first\n")
    assert start("second/tool") == (0, "second\n")
    with pytest.raises(PermissionError, match="'tool'"):
        start("tool", environment={"PATH": f"{tmp_path}/plain"})
    with pytest.raises(FileNotFoundError, match="'tool'"):
        start("tool", cwd=str(tmp_path / "first"))


def test_what_is_in_the_way_is_named(start, tmp_path):
    (tmp_path / "file").write_text("words\n")
    (tmp_path / "file").chmod(0o755)
    nowhere = str(tmp_path / "nowhere")
    for folder in (nowhere, str(tmp_path / "file")):
        with pytest.raises(OSError, match=folder):
            start("/bin/true", cwd=folder)
    with pytest.raises(FileNotFoundError, match=nowhere):
        start(nowhere)
    with pytest.raises(PermissionError, match=str(tmp_path)):
        start(str(tmp_path))
    with pytest.raises(OSError, match=r"Exec format error.*'\./file'"):
        start("./file")


def test_what_no_program_can_be_given_is_refused(start, tmp_path):
    with pytest.raises(ValueError, match="null byte"):
        start("/bin/echo", "a\0b")
    with pytest.raises(ValueError, match="null byte"):
        start("/bin/true", environment={"A": "\0"})
    with pytest.raises(ValueError, match="illegal environment variable name"):
        start("/bin/true", environment={"A=B": "c"})
    with pytest.raises(OSError, match="too long"):
        start("/bin/true", "x" * 5_000_000)


def test_its_streams_are_right_although_ours_are_closed(way, tmp_path):
    script = """
import os, sys
from ork.executors import spawn
if sys.argv[1] == "subprocess":
    spawn._glibc = lambda: None
for number in (0, 1, 2):
    os.close(number)
output = os.open("printed", os.O_CREAT | os.O_WRONLY)
assert output == 0
words = ["/bin/sh", "-c", "cat; echo out; echo error >&2"]
os.waitpid(spawn.spawn(words, environment={}, cwd=None, output=output), 0)
assert os.dup(output) == 1  # nothing else was left open
"""
    root = Path(__file__).resolve().parents[2]
    subprocess.run(
        [sys.executable, "-c", script, way],
        check=True,
        cwd=tmp_path,
        env={**ENVIRONMENT, "PYTHONPATH": str(root)},
    )
    assert (tmp_path / "printed").read_text() == "out\nerror\n"


@pytest.mark.filterwarnings("error")
def test_nobody_but_the_caller_reaps(tmp_path):
    with open(os.devnull, "wb") as output:
        pids = [
            spawn(
                ["/bin/sh", "-c", f"exit {n}"],
                environment=ENVIRONMENT,
                cwd=None,
                output=output.fileno(),
            )
            for n in range(3)
        ]
    gc.collect()
    subprocess.run(["/bin/true"], check=True)  # which reaps what `subprocess` has lost sight of
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    assert codes == [0, 1, 2]


def test_more_ways_than_are_kept_do_not_harm(start, monkeypatch, tmp_path):
    monkeypatch.setattr(spawning, "PREPARED_MAX", 1)
    fresh = spawning._Glibc() if spawning._glibc() else None
    monkeypatch.setattr(spawning, "_glibc", lambda: fresh)
    for name in "abab":
        (tmp_path / name).mkdir(exist_ok=True)
        assert start("/bin/pwd", cwd=str(tmp_path / name)) == (0, f"{tmp_path / name}\n")
