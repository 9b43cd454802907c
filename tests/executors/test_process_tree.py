"""Process trees end as a whole."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ork.executors import process
from ork.executors import process_tree as child
from ork.executors.process import Process
from ork.executors.process_tree import COOKIE, Guard, Tree
from tests.executors.suite import Place, alive, eventually, living_children, read_pid, run


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def start(tmp_path):
    trees = []

    def start(line: str) -> Tree:
        log = os.open(tmp_path / f"log{len(trees)}", os.O_CREAT | os.O_WRONLY)
        environment = {"PATH": "/usr/bin:/bin"}
        words = ["/bin/sh", "-c", line]
        trees.append(Tree(words, environment=environment, cwd=str(tmp_path), output=log))
        os.close(log)
        return trees[-1]

    yield start
    for tree in trees:
        tree.kill()
        tree.release()


# Ways to get away from the process that started one.
ESCAPES = {
    "background": "sh -c 'echo $$ > pid; exec sleep 300' &",
    "ignores TERM": "sh -c 'trap \"\" TERM; echo $$ > pid; while :; do sleep 300; done' &",
    "own session": "setsid sh -c 'echo $$ > pid; exec sleep 300' &",
    "twice away": "(setsid sh -c 'setsid sh -c \"echo \\$\\$ > pid; exec sleep 300\" &' &);",
    "no environment": "env -i sh -c 'echo $$ > pid; exec sleep 300' &",
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
    executor = Process(1)
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
    executor = Process(1)
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


def test_nobody_survives_a_stop_at_whatever_moment_of_its_start(place):
    lines = ["true", "sleep 300", "setsid sleep 300 & sleep 300"]
    for number in range(30):
        executor = Process(1 + number % 3)
        futures = [executor.submit(place.shell(line)) for line in lines]
        time.sleep(0.0002 * number)
        if number % 2:
            executor.stop(grace_s=0.01 * (number % 4))
        executor.close()
        states = {future.result(timeout=0).state for future in futures}
        assert states <= {"success", "cancelled"}
        assert living_children() == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_defect_of_ours_fails_a_start_and_hangs_nobody(place, monkeypatch):
    executor = Process(1)
    try:
        with monkeypatch.context() as broken:
            broken.setattr(process, "_tree", lambda *given: {}["defect"])
            for _ in range(3):
                outcome = run(executor, place.shell("true"))
                assert (outcome.state, outcome.error) == ("failed", "cannot start: a defect of ork")
        assert run(executor, place.shell("true")).state == "success"
    finally:
        executor.close()


def test_what_ends_well_when_it_is_stopped_has_not_succeeded(place):
    executor = Process(2)
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


def test_trees_of_an_inner_ork_belong_to_the_outer_tree(start, tmp_path, monkeypatch):
    outer = start("sleep 300")
    monkeypatch.setenv(COOKIE, outer.cookie)
    inner = start("sleep 300")
    assert inner.pid in outer.members()
    assert outer.pid not in inner.members()


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
    assert tree.status() == child.LOST != 0
    assert tree.quiet()


def test_of_many_who_ask_all_learn_how_it_ended(start):
    for _ in range(20):
        tree = start("exit 7")
        assert eventually(lambda pid=tree.pid: not alive(pid))
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(lambda _, tree=tree: tree.status(), range(8)))
        assert found == [7] * 8


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
    monkeypatch.setattr(child, "LAST_PID", (str(tmp_path / "none"), os.devnull))
    child._counter.cache_clear()
    try:
        assert 1 in child._newer(1000)
        tree = start(f"{ESCAPES['own session']} until test -s pid; do sleep 0.01; done")
        pid = read_pid(tmp_path / "pid")
        assert eventually(lambda: tree.status() == 0)
        assert tree.left_over()
        tree.kill_rest()
        assert not alive(pid)
    finally:
        child._counter.cache_clear()


def test_after_the_largest_process_number_all_are_looked_at(start):
    assert 1 in child._newer(2**31)
    tree = start("sleep 300")
    assert tree.pid in child._newer(tree.pid)
