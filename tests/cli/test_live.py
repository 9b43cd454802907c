"""The live view of a run, in a real terminal."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
from datetime import UTC, datetime

import pytest

from ork import open as open_store
from ork.backends.memory import Memory
from ork.cli.runs.live import Board
from ork.cli.screen.line import PRINTED, has_boxes, plain
from ork.cli.screen.terminal import REST_OF_SCREEN, SHOW_CURSOR, Region, cut
from ork.history.pace import Pace
from ork.logs.writing import Slots
from ork.objects.canonical import Oid
from ork.objects.kinds import NOT_SELECTED, SECOND, Attempt, TaskRun
from ork.objects.value import replace
from ork.runner.events import CheckedOut, RunStarted, TaskFinished, TaskRetried, TaskStarted
from ork.runner.loop import Control
from ork.store.store import Store
from tests.cli.screen import Child, Window
from tests.runs import PIN
from tests.scale import sampled
from tests.started import Started

NOW = datetime(2026, 11, 1, tzinfo=UTC)
OID = Oid("0" * 64)
GATED = """\
    name: gated
    tasks:
      fetch:
        executor: process
        command: 'echo at the gate; while ! test -e go; do sleep 0.02; done'
      load: {executor: process, command: 'echo loading', depends_on: [fetch]}
"""


@pytest.fixture
def gated(ork):
    """A workflow whose first task waits until there is a file `go`."""
    ork.write("gated.yaml", GATED)
    return ork


@pytest.fixture
def show(ork):
    children = []

    def start(*argv, **options):
        children.append(Child(*argv, environ=ork.environ, folder=str(ork.folder), **options))
        return children[-1]

    yield start
    for child in children:
        if child.process.poll() is None:
            child.process.kill()
            child.process.wait()


def go(ork):
    (ork.folder / "go").touch()


def states(ork, run="gated#1"):
    return json.loads(ork("graph", run, "--json").out)["data"]["tasks"]


def test_the_graph_is_drawn_and_its_last_picture_stays(gated, show):
    assert gated("init").code == 0
    child = show("run", "gated.yaml")
    child.read_until(lambda seen: "at the gate" in seen)
    lines = child.window.text.split("\n")
    assert lines[-3].endswith(" 0 of 2")
    assert lines[-2].split()[:3] == ["◉", "fetch", "running"]
    assert lines[-1].split() == ["○", "load", "pending"]
    assert not child.window.cursor_shown
    go(gated)
    assert child.end() == 0
    lines = child.window.text.split("\n")
    assert [line.split()[:3] for line in lines[1:3]] == [["●", "fetch", "ok"], ["●", "load", "ok"]]
    assert lines[3].startswith("gated#1 success in ")
    assert len(lines) == 5
    assert child.window.cursor_shown and child.window.wraps


def test_of_a_failure_the_end_of_the_log_and_the_next_command_follow(ork, show):
    ork.write(
        "bad.yaml",
        """\
        name: bad
        tasks:
          flaky: {executor: process, command: 'echo try $ORK_ATTEMPT; exit 3', retries: 1}
          after: {executor: process, command: 'true', depends_on: [flaky]}
        """,
    )
    assert ork("init").code == 0
    child = show("run", "bad.yaml")
    assert child.end() == 1
    lines = child.window.text.split("\n")
    assert lines[1].split()[:3] == ["✗", "flaky", "FAILED"]
    assert "attempt 2" in lines[1] and "exited with code 3" in lines[1]
    assert lines[2].split() == ["◌", "after", "skipped", "flaky", "failed"]
    assert lines[3:6] == ["--- the end of the log of flaky", "try 2", "---"]
    assert "ork logs bad#1:flaky" in lines[-1]


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "columns"), sampled([(24, 80), (6, 30), (2, 10), (1, 4)]))
def test_a_graph_that_does_not_fit_leaves_nothing_but_failures(ork, show, rows, columns):
    gate = "while ! test -e go; do sleep 0.05; done"
    parts = "".join(
        f"  part_{n}: {{executor: process, command: 'echo {n}; {gate}; test {n} -ne 7'}}\n"
        for n in range(40)
    )
    ork.write("fan.yaml", "name: fan\ntasks:\n" + parts)
    assert ork("deploy", "fan.yaml").code == 0
    child = show("run", "fan", "-j", "30", rows=rows, columns=columns)
    child.read_until(lambda seen: seen.count(REST_OF_SCREEN) > (5 if columns > 20 else 1))
    assert "".join(child.window.above) == "", "a frame was taller than the window"
    go(ork)
    assert child.end() == 1
    lines = child.window.text.split("\n")
    assert not any(line.startswith(("fan#1 running", "◉", "●")) for line in lines)
    if columns > 20:
        assert lines[0].startswith("✗ part_7")
    assert child.window.cursor_shown


def test_what_a_task_prints_cannot_move_the_cursor(ork, show):
    ork.write(
        "evil.yaml",
        """\
        name: evil
        tasks:
          evil:
            executor: process
            command: |
              printf 'a\\033[2J\\033]0;title\\007\\tb\\r\\033[1mcolumn\\342\\200\\256'
              while ! test -e go; do sleep 0.02; done
        """,
    )
    child = show("run", "evil.yaml")
    child.read_until(lambda seen: "column" in seen)
    assert "^[[1mcolumn<U+202E>" in child.window.text
    go(ork)
    assert child.end() == 0


def test_an_interrupt_shows_that_the_run_is_stopping(gated, show):
    child = show("run", "gated.yaml")
    child.read_until(lambda seen: "at the gate" in seen)
    child.interrupt()
    child.read_until(lambda seen: "stopping" in seen)
    assert "Ctrl-C again kills" in child.window.text
    child.interrupt()
    assert child.end() == -signal.SIGINT
    assert child.window.cursor_shown
    assert {task["state"] for task in states(gated)} == {"cancelled"}


def test_a_run_outlives_its_terminal(gated, show):
    child = show("run", "gated.yaml")
    child.read_until(lambda seen: "at the gate" in seen)
    go(gated)
    assert child.hang_up() == 0
    assert {task["state"] for task in states(gated)} == {"success"}


@pytest.mark.slow
def test_a_window_may_change_its_size(gated, show):
    child = show("run", "gated.yaml")
    child.read_until(lambda seen: "at the gate" in seen)
    child.resize(2, 20)
    child.read_until(lambda seen: "○ load" not in seen.rpartition("gated#1")[2])
    child.resize(24, 80)
    child.read_until(lambda seen: "○ load" in seen.rpartition("gated#1")[2])
    go(gated)
    assert child.end() == 0
    assert child.window.cursor_shown


@pytest.mark.slow
def test_a_live_view_says_that_a_save_was_seen(gated, show):
    child = show("run", "gated.yaml", "--watch")
    child.read_until(lambda seen: "at the gate" in seen)
    gated.write("gated.yaml", GATED.replace("echo loading", "echo twice"))
    child.read_until(lambda seen: "; gated.yaml was saved: runs again after this: 1" in seen)
    gated.write("gated.yaml", GATED)
    child.read_until(lambda seen: "was saved" not in seen.rpartition("gated#1")[2])
    gated.write("gated.yaml", GATED.replace("echo loading", "echo twice"))
    go(gated)
    child.read_until(lambda seen: "watching" in seen.rpartition("gated#2 success")[2])
    child.process.send_signal(signal.SIGINT)
    assert child.end() == -signal.SIGINT


@pytest.mark.slow
def test_a_suspended_run_leaves_the_terminal_to_the_shell(gated, show):
    child = show("run", "gated.yaml")
    child.read_until(lambda seen: "at the gate" in seen)
    child.suspend()
    child.read_until(lambda seen: SHOW_CURSOR in seen)
    assert child.window.cursor_shown
    child.window.write("\r\n$ fg\r\n")
    child.process.send_signal(signal.SIGCONT)
    child.read_until(lambda seen: "gated#1 running" in seen.rpartition(SHOW_CURSOR)[2])
    assert not child.window.cursor_shown
    go(gated)
    assert child.end() == 0
    before, after = child.window.text.split("$ fg\n")
    assert "gated#1 running" in before
    assert after.startswith("● fetch")


@pytest.mark.slow
def test_a_narrower_window_shows_one_picture(gated, show):
    child = show("run", "gated.yaml")
    child.read_until(lambda seen: "at the gate" in seen)
    child.resize(24, 30)
    child.read_until(lambda seen: "1 pending" not in seen.rpartition("gated#1")[2])
    up = max(map(int, re.findall(r"\x1b\[([0-9]+)A", child.seen)))
    assert up > 3, "wrapped lines of a picture of four were left above the next one"
    go(gated)
    assert child.end() == 0


@pytest.fixture
def tmux(ork, tmp_path):
    """A function that speaks to a tmux of its own: a terminal that wraps lines anew, as most do."""
    path = shutil.which("tmux")
    if path is None:
        warnings.warn("tmux is not installed: a terminal that wraps was not tried", stacklevel=2)
        pytest.skip("tmux is not installed")

    def tell(*words):
        environ = {**ork.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8", "SHELL": "/bin/sh"}
        command = [path, "-f", "/dev/null", "-S", str(tmp_path / "tmux"), *words]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, cwd=ork.folder)
        assert done.returncode == 0, done.stderr
        return done.stdout

    yield tell
    tell("kill-server")


@pytest.mark.slow
def test_a_window_that_was_too_small_for_a_while_shows_one_picture(ork, tmux):
    gate = "while ! test -e go; do sleep 0.05; done"
    parts = "".join(
        f"  part_{n}: {{executor: process, command: 'echo a long line, to be cut; {gate}'}}\n"
        for n in range(9)
    )
    ork.write("fan.yaml", "name: fan\ntasks:\n" + parts)
    run = f"{sys.executable} -m ork run fan.yaml -j 9; sleep 60"
    tmux("new-session", "-d", "-x", "60", "-y", "30", run, ";", "set", "window-size", "manual")

    def shown_when(done):
        deadline = time.monotonic() + 60
        while not done(shown := tmux("capture-pane", "-p")):
            assert time.monotonic() < deadline, shown
            time.sleep(0.05)
        return shown

    shown_when(lambda shown: shown.count("long line") == 9)
    tmux("resize-window", "-x", "30", "-y", "6")
    shown_when(lambda shown: "part_*" in shown)
    tmux("resize-window", "-x", "60", "-y", "30")
    shown = shown_when(lambda shown: "part_8" in shown)
    assert shown.count("fan#1 running") == 1, shown
    go(ork)
    assert shown_when(lambda shown: "fan#1 success" in shown).count("part_0") == 1


def test_names_are_no_markup():
    line = ["[bold]a[/]", ("[/b]:smile:", "dim")]
    assert text_cut(line, 80) == "[bold]a[/][/b]:smile:"


@pytest.mark.slow
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_run_outlives_the_reader_of_its_lines(gated, stream):
    assert gated("deploy", "gated.yaml").code == 0
    reader, writer = os.pipe()
    options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: writer}
    child = Started(
        "run",
        "gated",
        env=gated.environ,
        cwd=gated.folder,
        **options,
    )
    os.close(writer)
    os.close(reader)
    go(gated)
    assert child.wait() == 0
    assert {task["state"] for task in states(gated)} == {"success"}


def test_without_a_terminal_an_interrupt_is_answered_in_words(gated):
    child = Started(
        "run",
        "gated.yaml",
        text=True,
        env=gated.environ,
        cwd=gated.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    lines = iter(child.stderr.readline, "")
    assert any("start    fetch" in line for line in lines)
    child.send_signal(signal.SIGINT)
    assert any(line.startswith("stopping: ") for line in lines)
    child.send_signal(signal.SIGINT)
    assert any("cancelled fetch" in line for line in lines)
    child.stderr.close()
    assert child.wait() == -signal.SIGINT


@pytest.mark.slow
def test_a_hang_up_that_is_ignored_stays_so(gated):
    child = subprocess.Popen(
        ["nohup", sys.executable, "-m", "ork", "run", "gated.yaml"],
        env=gated.environ,
        cwd=gated.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert any("start    fetch" in line for line in iter(child.stderr.readline, ""))
    child.send_signal(signal.SIGHUP)
    go(gated)
    child.stderr.read()
    child.stderr.close()
    assert child.wait() == 0


# -- frames


def started(size, created=NOW):
    run = replace(PIN, workflow="w", created=created)
    tasks = {f"task_{n}": (f"task_{n - 1}",) if n else () for n in range(size)}
    return RunStarted(run=run, tasks=tasks, slots=4)


def board_of(size, *, box=True):
    board = Board(Store(Memory()), Control(), box=box)
    board.note(started(size))
    return board


def finished(name, state="success", tainted=()):
    attempt = Attempt(number=1, state=state, started=NOW, duration=SECOND, tainted=tainted)
    taskrun = TaskRun(task=OID, state=state, attempts=(attempt,), reason="for\ta\x1b reason\n" * 9)
    return TaskFinished(task=name, taskrun=taskrun)


@pytest.mark.parametrize("size", [1, 5, 50, 1000])
@pytest.mark.parametrize("rows", [1, 2, 3, 10, 50])
def test_no_frame_is_taller_than_the_window(size, rows):
    board = board_of(size)
    for number in range(size):
        name = f"task_{number}"
        board.note(TaskStarted(task=name, attempt=1, time=NOW, log=None))
        if number % 3 == 0:
            board.note(TaskRetried(task=name, attempt=1, time=NOW, error="no\nwhy", delay=2.0))
        if number % 2 == 0:
            board.note(finished(name, "failed" if number % 4 == 0 else "success"))
        if number in (0, 1, size // 2, size - 1):
            assert 1 <= len(board.frame(rows, 40)) <= rows
            assert len(board.last(rows, 40)) <= rows


def test_a_task_under_which_code_changed_says_so():
    board = board_of(2)
    board.note(finished("task_0", tainted=("load.py",)))
    board.note(finished("task_1", "failed", tainted=("load.py",)))
    one, other = (plain(line) for line in board.last(10, 120))
    assert one.endswith("  tainted: load.py changed while it ran")
    assert "  tainted: load.py changed while it ran; for" in other


def test_failures_come_first_with_the_end_of_their_logs():
    board = board_of(300)
    board.note(TaskStarted(task="task_5", attempt=1, time=NOW, log=None))
    board.note(TaskRetried(task="task_6", attempt=1, time=NOW, error="no luck\nwhy", delay=90.0))
    for name in ("task_1", "task_2"):
        board.note(finished(name, "failed"))
        board._failed[name] = [f"{name} says", "why"]
    board.note(finished("task_3"))
    shown = [plain(line).rstrip() for line in board.frame(14, 60)]
    assert shown[1].endswith(" 3 of 300")
    assert [line.split()[:2] for line in shown[2:8]] == [
        ["✗", "task_1"],
        ["task_1", "says"],
        ["why"],
        ["✗", "task_2"],
        ["task_2", "says"],
        ["why"],
    ]
    lower = [plain(line).split()[:2] for line in board.frame(10, 60)]
    assert lower[5:7] == [["and", "1"], ["◉", "task_5"]], "the first is the one to read"
    assert [line.split()[:3] for line in shown[8:]] == [
        ["◉", "task_5", "running"],
        ["○", "task_6", "pending"],
        ["✗", "task_*", "2"],
        ["●", "task_3", "ok"],
    ]
    assert re.search(r"  pending   again in [0-9m]+s?: no luck$", shown[9])


@pytest.mark.parametrize("size", [3, 300])
@pytest.mark.parametrize("columns", [24, 60, 200])
def test_why_a_task_failed_can_be_read_in_a_narrow_window(size, columns):
    board = board_of(size)
    event = finished("task_1", "failed")
    reason = "exited with code 1 (a file is not executable: `chmod +x` it)"
    board.note(replace(event, taskrun=replace(event.taskrun, reason=reason)))
    board.note(finished("task_0"))
    lines = [plain(line) for line in board.last(24, columns)]
    assert reason in " ".join(" ".join(lines).split())
    below = lines[3 if size == 3 else 1 :]
    assert bool(below) == (columns < 200)
    assert all(len(line) < columns or "`chmod" in line for line in below)


@pytest.mark.parametrize("columns", [40, 160])
@pytest.mark.parametrize("number", [2, 4])
def test_what_a_command_printed_last_is_told_once(ork, show, columns, number):
    """Its reason is not told in full where the end of its log follows: of a few tasks."""
    said = "no table of so long a name"
    task = "{{executor: process, command: 'echo {said} as {name}; exit 3'}}"
    names = [f"task_{letter}" for letter in "abcd"[:number]]
    tasks = (f"  {name}: {task.format(said=said, name=name)}\n" for name in names)
    ork.write("bad.yaml", f"name: bad\ntasks:\n{''.join(tasks)}")
    assert ork("init").code == 0
    child = show("run", "bad.yaml", columns=columns)
    assert child.end() == 1
    text = " ".join(child.window.text.split())
    assert all(f"{said} as {name}" in text for name in names)
    assert text.count(said) == (2 if number == 2 else 4 + 3)
    assert re.search(r"^state +failed$", ork("show", "bad#1").out, re.MULTILINE)


@pytest.mark.parametrize("columns", [40, 160])
def test_where_the_log_is_the_reason_alone_it_does_not_follow(ork, show, columns):
    ork.write("bad.yaml", "name: bad\ntasks: {a: {executor: python, file: bad.py}}\n")
    ork.write("bad.py", "def main():\n    return {1, 2}\n")
    assert ork("init").code == 0
    child = show("run", "bad.yaml", columns=columns)
    assert child.end() == 1
    text = " ".join(child.window.text.split())
    assert text.count("a set is not a JSON value; `sorted(...)` of it is one") == 1
    assert "the end of the log" not in text
    said = "output: a set is not a JSON value; `sorted(...)` of it is one\n"
    assert ork("run", "bad.yaml").err.count(said) == 1
    assert f"--- the end of the log of a\n{said}---\n" in ork("run", "bad.yaml", "-q").err


def test_what_there_is_no_room_to_tell_of_failures_is_counted():
    board = board_of(300)
    reason = "a t.E is not a JSON value; `.value` of it is " * 3
    for number in range(25):
        event = finished(f"task_{number}", "failed")
        board.note(replace(event, taskrun=replace(event.taskrun, reason=reason)))
    lines = [plain(line).rstrip() for line in board.last(39, 60)]
    told = [n for n in range(25, len(lines)) if lines[n].startswith("task_")]
    assert len(lines) <= 39
    assert lines[-1] == f"`ork show w#1` says why {25 - len(told)} more tasks failed"
    assert len(told) == 3
    assert lines[-2].endswith("of it is"), "a sentence is told to its end"


def test_the_names_of_tasks_leave_room_in_a_narrow_window():
    name = "task_1"
    board = Board(Store(Memory()), Control(), box=True)
    board.note(replace(started(1), tasks={name: (), "task_of_" + "a_name_" * 6: ()}))
    board.note(finished(name, "failed"))
    row = next(line for line in map(plain, board.last(24, 60)) if name in line)
    assert row.index("FAILED") < 30


@pytest.mark.parametrize("columns", [60, 160])
def test_the_states_of_many_tasks_are_below_each_other(columns):
    board = board_of(2000)
    for name in ("task_7", "task_99", "task_1999"):
        board.note(finished(name))
    rows = [row for row in map(plain, board.frame(24, columns)) if " ok " in row]
    assert len(rows) == 3 and len({row.index(" ok ") for row in rows}) == 1


def test_a_long_name_leaves_room_for_the_state_and_the_time():
    board = board_of(3)
    board._name = f"{'nightly_' * 9}#12"
    board.note(finished("task_1", "failed"))
    for columns in (60, 100):
        head = plain(board.frame(24, columns)[0])
        assert len(head) < columns
        assert re.fullmatch(r"nightly_.*\.\.\..*#12 running [\dhms.]+.*: 1 failed.*", head)
    assert head.endswith(": 1 failed, 2 pending")
    assert plain(board.frame(24, 200)[0]).startswith(f"{board._name} running")


def test_a_bar_is_as_full_as_the_run():
    board = board_of(300)
    for number in range(150):
        board.note(finished(f"task_{number}"))
    for columns in (0, 5, 12, 40, 200):
        bar = plain(board.frame(5, columns)[1])
        solid, thin = bar.count("━"), bar.count("─")
        assert abs(solid - thin) <= 1 and solid + thin == max(0, min(60, columns - 12))
    plain_bar = plain(board_of(300, box=False).frame(5, 40)[1])
    assert plain_bar == "-" * 30 + " 0 of 300"


@pytest.mark.slow
def test_it_says_how_long_it_still_takes(ork, show):
    gate = "while ! test -e go; do sleep 0.02; done"
    ork.write("slow.yaml", f"name: slow\ntasks: {{a: {{executor: process, command: '{gate}'}}}}\n")
    first = show("run", "slow.yaml")
    first.read_until(lambda seen: "running     2." in seen)
    assert " left: " not in first.seen
    go(ork)
    assert first.end() == 0
    (ork.folder / "go").unlink()
    second = show("run", "slow")
    second.read_until(lambda seen: re.search(r"slow#2 running 0\.\ds, about [12]s left: ", seen))
    go(ork)
    assert second.end() == 0


def test_counts_add_up_and_are_said_once_per_word():
    board = board_of(300)
    board.note(TaskStarted(task="task_0", attempt=1, time=NOW, log=None))
    board.note(finished("task_0", "failed"))
    board.note(finished("task_1", "upstream_failed"))
    left_out = TaskRun(task=OID, state="skipped", reason=NOT_SELECTED)
    board.note(TaskFinished(task="task_2", taskrun=left_out))
    board.note(finished("task_4", "skipped"))  # since its condition did not hold
    board.note(TaskStarted(task="task_3", attempt=1, time=NOW, log=None))
    counts = ": 1 failed, 1 running, 1 left out, 2 skipped, 295 pending"
    assert plain(board.frame(5, 80)[0]).endswith(counts)


def test_a_first_run_tells_nothing_of_how_long_it_still_takes():
    board = Board(Store(Memory()), Control(), box=True)
    board.note(started(300, created=datetime.now(UTC)))
    board._since -= 60
    for number in range(100):
        board.note(finished(f"task_{number}"))
    assert "left" not in plain(board.frame(5, 80)[0])


def test_the_rest_is_folded_by_groups():
    board = Board(Store(Memory()), Control(), box=True)
    names = [f"{stage}_{n}" for stage in ("load", "clean", "fit") for n in range(100)]
    board.note(replace(started(1), tasks=dict.fromkeys(["start", *names], ())))
    for name in ("start", *names[:100]):
        board.note(finished(name))
    board.note(finished("clean_7", "failed"))
    board.note(TaskStarted(task="clean_8", attempt=1, time=NOW, log=None))
    shown = [plain(line).rstrip() for line in board.frame(10, 80)]
    assert shown[4:] == [
        "✗ clean_*   1 failed, 1 running, 98 pending",
        "● load_*    100 ok",
        "○ fit_*     100 pending",
        *shown[7:],
    ]
    assert [line.split()[:2] for line in shown[7:]] == [["●", f"load_{n}"] for n in (99, 98, 97)]
    narrow = [plain(line).rstrip() for line in board.frame(6, 32)]
    assert narrow[0].endswith(": 1 failed")
    assert narrow[4:] == ["✗ clean_*   1 failed, ...", "and 2 other groups"]


@pytest.mark.parametrize("rows", [4, 24])
def test_of_what_is_not_executed_one_line_is_told(rows):
    board = board_of(9)
    assert plain(board.frame(rows, 80)[1]).endswith(" 0 of 9")
    for number in range(7):
        kept = TaskRun(task=OID, state="skipped", output=OID, reason="output of w#1")
        board.note(TaskFinished(task=f"task_{number}", taskrun=kept))
    board.note(TaskStarted(task="task_7", attempt=1, time=NOW, log=None))
    shown = [plain(line).rstrip() for line in board.frame(rows, 80)]
    assert shown[0].endswith(": 1 running, 7 kept, 1 pending")
    assert shown[1].endswith(" 0 of 2")
    assert [line.split()[:2] for line in shown[2:4]] == [["◉", "task_7"], ["○", "task_8"]]
    told = "  kept     task_0, task_1, task_2, task_3, task_4 and 2 more  output of w#1"
    assert shown[4:] == ([told] if rows > 4 else [])
    for name in ("task_7", "task_8"):
        board.note(finished(name))
    assert [plain(line).rstrip() for line in board.last(24, 80)][2:] == [told]
    narrow = [plain(line).strip() for line in board.last(24, 36)][2:]
    assert narrow == ["kept     task_0 and 6 more", "output of w#1"]


def test_what_a_retry_does_not_try_again_is_no_part_of_its_bar():
    board = board_of(300)
    for number in range(298):
        board.note(replace(finished(f"task_{number}", "success"), kept=True))
    board.note(TaskStarted(task="task_298", attempt=2, time=NOW, log=None))
    shown = [plain(line).rstrip() for line in board.frame(24, 80)]
    assert shown[0].endswith(": 1 running, 298 kept, 1 pending")
    assert shown[1].endswith(" 0 of 2")
    assert [line.split()[1] for line in shown[2:4]] == ["task_298", "task_299"]


def test_a_group_tells_of_what_is_executed():
    board = board_of(300)
    for number in range(260):
        board.note(replace(finished(f"task_{number}"), kept=True))
    board.note(TaskStarted(task="task_260", attempt=2, time=NOW, log=None))
    shown = [plain(line).rstrip() for line in board.frame(8, 80)]
    assert [line for line in shown if "*" in line] == ["◉ task_*    1 running, 39 pending"]


def test_a_task_whose_condition_does_not_hold_counts_in_the_bar():
    board = board_of(3)
    unmet = TaskRun(task=OID, state="skipped", reason="params.full is false")
    board.note(TaskFinished(task="task_0", taskrun=unmet))
    assert plain(board.frame(24, 80)[1]).endswith(" 1 of 3")


def test_what_is_not_executed_takes_no_time_that_is_left():
    board = board_of(3)
    board._since = time.monotonic()
    board._pace = Pace(30.0, {f"task_{number}": 10.0 for number in range(3)})
    board._pace.begin(("task_0", "task_1", "task_2"))
    board.note(replace(finished("task_0"), kept=True))
    assert ", about 20s left: " in plain(board.frame(24, 80)[0])


def test_in_a_low_window_what_one_line_says_is_told_in_one():
    board = board_of(300)
    for name, said in (("task_1", "no such table"), ("task_2", "no such table in this schema")):
        event = finished(name, "failed")
        reason = f"exited with code 1: {said}"
        board.note(replace(event, taskrun=replace(event.taskrun, reason=reason)))
        board._failed[name] = [said]
    shown = [plain(line).rstrip() for line in board.frame(12, 64)]
    assert [line.split()[:2] for line in shown[2:5]] == [
        ["✗", "task_1"],
        ["✗", "task_2"],
        ["no", "such"],
    ]
    assert shown[2].endswith("  exited with code 1: no such table")
    assert shown[3].endswith("  exited with code 1")


def test_a_group_of_which_nothing_is_executed_is_not_shown():
    board = Board(Store(Memory()), Control(), box=True)
    names = [f"{what}_{n}" for what in ("extract", "load") for n in range(150)]
    board.note(replace(started(1), tasks=dict.fromkeys(names, ())))
    for name in names[:151]:
        board.note(replace(finished(name), kept=True))
    shown = [plain(line).rstrip() for line in board.frame(12, 60)]
    assert shown[0].endswith(": 151 kept, 149 pending")
    assert [line for line in shown if "*" in line] == ["○ load_*    149 pending"]


def test_names_that_are_not_shown_take_no_room():
    board = Board(Store(Memory()), Control(), box=True)
    names = [f"load_{n}" for n in range(200)] + [f"a_task_of_a_long_name_{n}" for n in range(99)]
    board.note(replace(started(1), tasks=dict.fromkeys(names, ())))
    board.note(finished("load_7", "failed"))
    assert plain(board.frame(12, 60)[2]).startswith("✗ load_7    FAILED      1.0s  for")


def text_cut(line, columns):
    return "".join(segment.text for segment in cut(line, columns))


def test_a_line_is_cut_where_the_window_ends():
    line = ["ab\tc", ("漢字", "dim"), "e\u0301f\x1b"]
    assert text_cut(line, 20) == "ab c漢字e\u0301f^["
    assert text_cut(line, 9) == "ab c漢..."
    assert text_cut(line, 8) == "ab c ..."
    assert text_cut(line, 2) == ".."
    assert text_cut(line, 0) == ""


@pytest.mark.parametrize(
    ("environ", "answer"),
    [
        ({"LANG": "C.UTF-8"}, True),
        ({"LANG": "de_DE.utf8", "LC_ALL": ""}, True),
        ({"LANG": "C.UTF-8", "LC_ALL": "C"}, False),
        ({}, False),
    ],
)
def test_the_locale_says_whether_lines_can_be_drawn(environ, answer):
    assert has_boxes(environ) is answer


def test_the_terminal_is_put_in_order_whatever_happens(show):
    ours, theirs = os.openpty()
    stream = io.TextIOWrapper(io.FileIO(theirs, "w"), write_through=True)

    def frame(rows, columns):
        return [["a line"]]

    with pytest.raises(ZeroDivisionError), Region(stream, frame, color=False) as region:
        region.frame = lambda rows, columns: 1 // 0
    stream.close()
    window = Window(24, 80)
    try:
        while part := os.read(ours, 4096):
            window.write(part.decode())
    except OSError:
        pass
    os.close(ours)
    assert window.cursor_shown and window.wraps


def test_time_counts_from_the_start_of_the_run():
    board = Board(Store(Memory()), Control(), box=True)
    assert plain(board.frame(5, 80)[0]).startswith("starting 0.")
    board._since -= 100  # so long took what came before
    board.note(started(3, created=datetime.now(UTC)))
    assert re.match(r"w#1 running [0-9]\.", plain(board.frame(5, 80)[0]))


def test_what_a_task_prints_has_its_colours_where_there_are_any():
    line = [("\x1b[1;31mab\x1b[0mc\x1b[2Jd", PRINTED)]
    segments = cut(line, 40, color=True)
    assert [segment.text for segment in segments] == ["", "ab", "c^[[2Jd"]
    assert segments[1].style.bold
    assert segments[1].style.color.name == "color(1)"
    assert "".join(segment.text for segment in cut(line, 6, color=True)) == "abc..."
    assert text_cut(line, 40) == "^[[1;31mab^[[0mc^[[2Jd"


def test_what_another_task_prints_to_the_same_file_is_not_shown(ork):
    assert ork("init").code == 0
    store = open_store(ork.folder).store
    event = started(3)
    slots = Slots(store, event.run)
    board = Board(store, Control(), box=True)
    board.note(event)
    for number, text in enumerate(["", "mine\n", "of another\n"]):
        name = f"task_{number}"
        path, log = slots.take(name, 1)
        board.note(TaskStarted(task=name, attempt=1, time=NOW, log=log))
        with open(path, "a") as file:
            file.write(text)
        slots.give_back(log, len(text))  # it has ended, of which the board was not told
    slots.close()
    shown = [plain(line).split()[4:] for line in board.frame(24, 80)[2:]]
    assert shown == [[], ["mine"], ["of", "another"]]


@pytest.mark.parametrize("size", [3, 1000])
def test_that_the_project_was_left_is_told_at_the_end(size):
    board = board_of(size)
    board.note(CheckedOut(folder="a/checkout", changed=("load.sh", "b.sh")))
    left = (
        "load.sh and 1 other file are no longer as recorded: tasks start in a/checkout from now on"
    )
    hint = (
        "hint: nothing to do if you edited it; if a task writes it, as data: `exclude: [load.sh]`"
    )
    assert list(map(plain, board.left)) == [left, hint]
    assert ", in a/checkout" in plain(board.frame(24, 80)[0])


def test_that_a_run_was_in_a_checkout_is_told_at_the_end():
    board = Board(Store(Memory()), Control(), box=True)
    board.note(replace(started(3), folder="a/checkout"))
    assert plain(board.left[0]).startswith("its tasks executed in a checkout")
