"""Process trees start as told and end as a whole."""

from __future__ import annotations

import gc
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from selectors import DefaultSelector

import pytest

from ork.executors import process_tree
from ork.executors.local import Local
from ork.executors.process_tree import COOKIE, Guard, Tree, spawn
from tests.executors.suite import (
    Served,
    alive,
    eventually,
    living_children,
    read_pid,
    run,
)


@pytest.fixture
def start(tmp_path):
    trees = []

    def start(line: str) -> Tree:
        log = os.open(tmp_path / f"log{len(trees)}", os.O_CREAT | os.O_WRONLY)
        environment = {b"PATH": b"/usr/bin:/bin"}
        words = ["/bin/sh", "-c", line]
        trees.append(Tree(words, environment=environment, cwd=str(tmp_path), output=log))
        os.close(log)
        return trees[-1]

    yield start
    for tree in trees:
        tree.kill()
        tree.release()


HEADLESS = """
import ctypes, os, threading, time
def rest():
    while " Z " not in open("/proc/self/stat").read():
        time.sleep(0.01)
    print(os.getpid(), file=open("pid", "w"))
    time.sleep(300)
threading.Thread(target=rest).start()
ctypes.CDLL(None).pthread_exit(None)
"""
# Ways to get away from the process that started one.
ESCAPES = {
    "background": "sh -c 'echo $$ > pid; exec sleep 300' &",
    "ignores TERM": "sh -c 'trap \"\" TERM; echo $$ > pid; while :; do sleep 300; done' &",
    "own session": "setsid sh -c 'echo $$ > pid; exec sleep 300' &",
    "twice away": "(setsid sh -c 'setsid sh -c \"echo \\$\\$ > pid; exec sleep 300\" &' &);",
    "no environment": "env -i sh -c 'echo $$ > pid; exec sleep 300' &",
    "first thread gone": f"setsid {sys.executable} -c {shlex.quote(HEADLESS)} &",
    "own group": "bash -mc 'sh -c \"echo \\$\\$ > pid; exec sleep 300\" & wait' &",
}


@pytest.mark.parametrize("line", ESCAPES.values(), ids=ESCAPES.keys())
def test_kill_leaves_nobody(start, tmp_path, line):
    tree = start(f"{line} sleep 300")
    pid = read_pid(tmp_path / "pid")
    assert tree.status() is None
    tree.kill()
    assert not alive(pid)
    assert tree.status() == -9
    assert tree.members() == []


@pytest.mark.parametrize("line", ESCAPES.values(), ids=ESCAPES.keys())
def test_what_outlives_its_parent_is_found(start, tmp_path, line):
    tree = start(f"{line} until test -s pid; do sleep 0.01; done")
    pid = read_pid(tmp_path / "pid")
    assert eventually(lambda: tree.status() == 0)
    assert not tree.quiet()
    assert pid in tree.members()
    tree.kill_rest()
    assert not alive(pid)


@pytest.mark.parametrize("line", ESCAPES.values(), ids=ESCAPES.keys())
def test_no_child_survives_its_task(place, line):
    executor = Served(1)
    try:
        job = place.shell(f"{line} until test -s pid; do sleep 0.01; done; echo ORK_OUTPUT:1")
        outcome = run(executor, job)
        assert (outcome.state, outcome.output) == ("success", 1)
        assert not alive(int((place.root / "pid").read_text()))
    finally:
        executor.close()


def test_a_tree_that_starts_processes_all_the_time_is_killed(start, tmp_path):
    tree = start("while :; do setsid sh -c 'echo x >> many; exec sleep 300' & done")
    many = tmp_path / "many"
    assert eventually(lambda: many.exists() and many.stat().st_size > 50)
    tree.kill()
    assert tree.members() == []
    size = many.stat().st_size
    time.sleep(0.05)
    assert many.stat().st_size == size


def test_children_have_the_grace_too_when_the_first_process_is_gone(place):
    executor = Served(1)
    try:
        # A shell that is about to become `sleep` would lose the signal: one that sleeps is asked.
        script = """trap 'sleep 0.3; echo cleaned > done; exit' TERM
            sleep 300 & until grep -qsx sleep /proc/$!/comm; do :; done
            echo $$ > pid; wait"""
        job = place.shell(f"sh -c {shlex.quote(script)}; true")
        future = executor.submit(job)
        read_pid(place.root / "pid")
        executor.stop(grace_s=30)
        assert future.result(timeout=20).state == "cancelled"
        assert (place.root / "done").read_text() == "cleaned\n"
    finally:
        executor.close()


@pytest.mark.slow
@pytest.mark.turns(3)
def test_nobody_survives_a_stop_at_whatever_moment_of_its_start(place):
    lines = ["true", "sleep 300", "setsid sleep 300 & sleep 300"]
    for number in range(30):
        executor = Served(3)
        futures = [executor.submit(place.shell(line)) for line in lines]
        time.sleep(0.0002 * number)
        if number % 2:
            executor.stop(grace_s=0.01 * (number % 4))
        executor.close()
        states = {future.result(timeout=0).state for future in futures}
        assert states <= {"success", "cancelled"}
        assert living_children() == []


def test_a_defect_of_ours_is_raised_and_leaves_nothing(place, monkeypatch):
    before = set(os.listdir("/proc/self/fd"))
    with DefaultSelector() as selector:
        executor = Local(1, selector)
        monkeypatch.setattr(process_tree, "spawn", lambda *words, **given: {}["defect"])
        executor.start("a", place.shell("true"))
        with pytest.raises(KeyError):
            executor.close()
        assert executor.step() == []
        assert not selector.get_map()
    assert set(os.listdir("/proc/self/fd")) == before
    assert living_children() == []


@pytest.mark.slow
def test_what_ends_well_when_it_is_stopped_has_not_succeeded(place):
    executor = Served(2)
    try:
        line = "trap 'echo ORK_OUTPUT:1; exit 0' TERM; echo $$ > {0}; while :; do sleep 0.01; done"
        late = executor.submit(place.shell(line.format("late"), timeout_s=1.0))
        stopped = executor.submit(place.shell(line.format("stopped")))
        outcome = late.result(timeout=20)
        assert (outcome.state, outcome.error) == ("failed", "timed out after 1 s")
        assert (outcome.exit, outcome.output) == (0, None)
        read_pid(place.root / "stopped")
        executor.stop(grace_s=30)
        assert stopped.result(timeout=20).state == "cancelled"
    finally:
        executor.close()


def test_other_processes_are_no_members(start):
    stranger = subprocess.Popen(["sleep", "300"], start_new_session=True)
    try:
        first, second = start("sleep 300"), start("sleep 300")
        assert {stranger.pid, os.getpid()}.isdisjoint(first.members())
        first.kill()
        assert alive(stranger.pid)
        assert second.status() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_the_environment_of_what_began_before_the_tree_is_not_read(start, tmp_path, monkeypatch):
    older = start("setsid sh -c 'echo $$ > pid; exec sleep 300' &")
    stranger = read_pid(tmp_path / "pid")
    os.waitpid(older.pid, 0)
    time.sleep(0.05)  # the kernel tells the begin of a process in hundredths of a second
    tree = start("sleep 300")
    read, environ = set(), process_tree._environ
    monkeypatch.setattr(process_tree, "_environ", lambda pid: read.add(pid) or environ(pid))
    assert stranger not in tree.members()
    assert stranger not in read
    assert stranger in older.members()
    assert stranger in read


THREADS = """
import threading, time
threading.Thread(target=time.sleep, args=(300,), daemon=True).start()
open("ready", "w").close()
time.sleep(300)
"""


def test_a_thread_is_no_process_of_any_tree(start, tmp_path, monkeypatch):
    monkeypatch.setattr(process_tree, "YOUNG_SECONDS_MAX", 60.0)
    monkeypatch.setattr(process_tree, "NEWER_MAX", 2**22)
    with process_tree.adopting():
        before = start("exit 0")
        threads = start(f"exec {sys.executable} -c {shlex.quote(THREADS)}")
        assert eventually((tmp_path / "ready").exists)
        assert not threads.left_over()
        assert eventually(before.quiet)
        before.kill_rest()
        threads.rest()  # from now on, an orphan could only be of the tree that comes next
        after = start("exit 0")
        assert eventually(lambda: after.status() == 0)
        assert after.quiet()


def test_trees_of_an_inner_ork_belong_to_the_outer_tree(start, tmp_path, monkeypatch):
    outer = start("sleep 300")
    monkeypatch.setenv(COOKIE, outer.cookie)
    inner = start("sleep 300")
    assert inner.pid in outer.members()
    assert outer.pid not in inner.members()


@pytest.mark.turns(3)
def test_who_becomes_another_program_again_and_again_is_a_member(start, tmp_path):
    (tmp_path / "again").write_text("exec sh again\n")
    tree = start("setsid sh -c 'echo $$ > pid; exec sh again' & sleep 300")
    pid = read_pid(tmp_path / "pid")
    assert all(pid in tree.members() for _ in range(200))
    tree.kill()
    assert not alive(pid)


def test_an_end_that_somebody_else_was_told_of_is_no_success(start):
    tree = start("exit 0")
    os.waitpid(tree.pid, 0)
    assert tree.status() == process_tree.LOST != 0
    assert tree.quiet()


def test_a_guard_kills_what_was_only_just_being_started():
    guard = Guard()
    late = subprocess.Popen(
        ["/bin/sh", "-c", f"sleep 0.05; exec env {COOKIE}=x.{guard.mark} sleep 300"]
    )
    try:
        guard._popen.stdin.close()  # as when ork is killed
        assert late.wait(timeout=20) == -9
        assert guard._popen.wait(timeout=20) == 0
    finally:
        late.kill()
        late.wait()
        guard.dismiss()


def test_without_a_counter_of_processes_all_are_looked_at(start, tmp_path, monkeypatch):
    monkeypatch.setattr(process_tree, "LAST_PID", (str(tmp_path / "none"), os.devnull))
    assert 1 in process_tree._newer(1000)
    tree = start(f"{ESCAPES['own session']} until test -s pid; do sleep 0.01; done")
    pid = read_pid(tmp_path / "pid")
    assert eventually(lambda: tree.status() == 0)
    assert tree.left_over()
    tree.kill_rest()
    assert not alive(pid)


def test_after_the_largest_process_number_all_are_looked_at(start):
    assert 1 in process_tree._newer(2**31)
    tree = start("sleep 300")
    assert tree.pid in process_tree._newer(tree.pid)


# Programs.

ENVIRONMENT = {b"PATH": b"/usr/bin:/bin"}


@pytest.fixture
def run_program(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Start a program, wait for its end; return how it ended, and what it printed."""

    def run_program(*words: str, **given: object) -> tuple[int, str]:
        file = tmp_path / "printed"
        output = os.open(file, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
        settings = {"environment": ENVIRONMENT, "cwd": str(tmp_path), **given}
        try:
            pid = spawn(words, output=output, **settings)
        finally:
            os.close(output)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return status, os.fsdecode(file.read_bytes())

    return run_program


def test_it_runs_in_its_folder_with_its_environment_and_no_input(run_program, tmp_path):
    line = 'pwd; cat; echo "$A"; echo error >&2; exit 3'
    status, text = run_program("/bin/sh", "-c", line, environment={b"A": "ä b=c\nd".encode()})
    assert (status, text) == (3, f"{tmp_path}\nä b=c\nd\nerror\n")


def test_without_a_folder_it_runs_in_ours(run_program):
    assert run_program("/bin/pwd", cwd=None) == (0, f"{os.getcwd()}\n")


def test_an_environment_may_be_empty_and_text_may_be_no_utf8(run_program):
    assert run_program("/bin/echo", "a\udcff", environment={}) == (0, "a\udcff\n")
    assert run_program("/usr/bin/env", environment={}) == (0, "")


def test_it_is_a_session_of_its_own(run_program):
    script = "import os; print(os.getsid(0) == os.getpgid(0) == os.getpid())"
    assert run_program(sys.executable, "-c", script) == (0, "True\n")


@pytest.mark.parametrize("name", ["SIGPIPE", "SIGXFSZ", "SIGTERM", "SIGKILL"])
def test_signals_end_it_although_python_ignores_some(run_program, name):
    number = signal.Signals[name]
    assert run_program("/bin/sh", "-c", f"kill -{int(number)} $$") == (-number, "")


def test_the_umask_is_ours(run_program):
    before = os.umask(0o027)
    try:
        assert run_program("/bin/sh", "-c", "umask") == (0, "0027\n")
    finally:
        os.umask(before)


def test_it_gets_no_descriptor_but_those_that_are_passed(run_program):
    read, write = os.pipe()
    os.set_inheritable(read, True)
    os.set_inheritable(write, True)
    try:
        script = (
            "import os; print(*(n for n in range(9999) if os.path.exists(f'/proc/self/fd/{n}')))"
        )
        assert run_program(sys.executable, "-c", script) == (0, "0 1 2\n")
        far = os.dup2(write, 90)
        passed = run_program(sys.executable, "-c", script, pass_fds=(far, write))
        assert passed == (0, "0 1 2 {} {}\n".format(*sorted([far, write])))
        os.close(far)
    finally:
        os.close(read)
        os.close(write)


def test_programs_are_looked_for_in_their_own_path(run_program, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    for folder, mode in (("plain", 0o644), ("first", 0o755), ("second", 0o755)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "tool").write_text(f"#!/bin/sh\necho {folder}\n")
        (tmp_path / folder / "tool").chmod(mode)
    path = f"{tmp_path}/none:{tmp_path}/plain:first:{tmp_path}/second"
    assert run_program("tool", environment={b"PATH": path.encode()}) == (0, "first\n")
    assert run_program("second/tool") == (0, "second\n")
    with pytest.raises(PermissionError, match="'tool'"):
        run_program("tool", environment={b"PATH": f"{tmp_path}/plain".encode()})
    with pytest.raises(FileNotFoundError, match="'tool'"):
        run_program("tool", cwd=str(tmp_path / "first"))


def test_what_is_in_the_way_is_named(run_program, tmp_path):
    (tmp_path / "file").write_text("words\n")
    (tmp_path / "file").chmod(0o755)
    nowhere = str(tmp_path / "nowhere")
    for folder in (nowhere, str(tmp_path / "file")):
        with pytest.raises(OSError, match=folder):
            run_program("/bin/true", cwd=folder)
    with pytest.raises(FileNotFoundError, match=nowhere):
        run_program(nowhere)
    with pytest.raises(PermissionError, match=str(tmp_path)):
        run_program(str(tmp_path))
    with pytest.raises(OSError, match=r"Exec format error.*'\./file'"):
        run_program("./file")


def test_what_no_program_can_be_given_is_refused(run_program, tmp_path):
    with pytest.raises(ValueError, match="null byte"):
        run_program("/bin/echo", "a\0b")
    with pytest.raises(ValueError, match="null byte"):
        run_program("/bin/true", environment={b"A": b"\0"})
    with pytest.raises(ValueError, match="illegal environment variable name"):
        run_program("/bin/true", environment={b"A=B": b"c"})
    with pytest.raises(OSError, match="too long"):
        run_program("/bin/true", "x" * 5_000_000)


def test_its_streams_are_right_although_ours_are_closed(tmp_path):
    script = """
import os
from ork.executors.process_tree import spawn
for number in (0, 1, 2):
    os.close(number)
output = os.open("printed", os.O_CREAT | os.O_WRONLY)
assert output == 0
words = ["/bin/sh", "-c", "cat; echo out; echo error >&2"]
os.waitpid(spawn(words, environment={}, cwd=None, output=output), 0)
assert os.dup(output) == 1  # nothing else was left open
"""
    root = Path(__file__).resolve().parents[2]
    subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(root)},
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
