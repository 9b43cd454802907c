"""What the machine does to a run: nothing executable, no descriptors, no disk, no terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ork.cli.app import main
from ork.cli.session import World
from ork.objects.canonical import Oid
from ork.objects.kinds import SECOND
from tests.conftest import Ork
from tests.runner.suite import (
    IMPATIENT,
    MAIN,
    Project,
    check_whole,
    eventually,
    kill_marked,
    python,
    shell,
    told,
)

pytestmark = [pytest.mark.slow, pytest.mark.turns(2)]


# Nothing to execute.


@pytest.mark.parametrize(
    ("head", "environ"),
    [
        ("python: /nowhere/python\n", {}),
        ("python: ./flow.yaml\n", {}),
        ("", {"ORK_PYTHON": "/nowhere/python"}),
        ("python: no-such-python\n", {}),
    ],
    ids=["missing", "no program", "ORK_PYTHON", "not on PATH"],
)
def test_an_interpreter_that_does_not_start_fails_the_python_tasks(
    project: Project, head: str, environ: dict[str, str]
) -> None:
    project.write("code.py", "def main():\n    return 1\n")
    project.workflow(python("py"), shell("sh", "true"), head=head)
    done = project.ork("run", "flow.yaml", code=1, environ=environ)
    assert project.states() == {"py": "failed", "sh": "success"}
    reason = str(project.run_of()[1]["py"].reason)
    assert "python" in reason or "flow.yaml" in reason
    assert "does not start" in reason
    assert "Traceback" not in done.stderr


def test_an_environment_whose_python_is_gone_is_not_passed_over(project: Project) -> None:
    project.write("code.py", "def main():\n    return 1\n")
    project.workflow(python("py"))
    (project.folder / ".venv" / "bin").mkdir(parents=True)
    (project.folder / ".venv" / "bin" / "python").symlink_to("/nowhere/python3.10")
    project.ork("run", "flow.yaml", code=1)
    reason = str(project.run_of()[1]["py"].reason)
    assert f"{project.folder}/.venv/bin/python does not start" in reason


def test_an_interpreter_that_is_too_old_is_told(project: Project) -> None:
    project.write("code.py", "def main():\n    return 1\n")
    main = "import runpy, sys; sys.version_info = (3, 6); runpy.run_path(sys.argv.pop(1))"
    project.write("old", f"#!/bin/sh\nexec {sys.executable} -c '{main}' \"$@\"\n", executable=True)
    project.workflow(python("py"), head="python: ./old\n")
    project.ork("run", "flow.yaml", code=1)
    assert "tasks need Python 3.9 or newer" in str(project.run_of()[1]["py"].reason)


def test_an_interpreter_that_is_none_is_told(project: Project) -> None:
    project.write("code.py", "def main():\n    return 1\n")
    project.write("fake", "#!/bin/sh\necho this is no Python >&2\nexit 3\n", executable=True)
    project.workflow(python("py"), head="python: ./fake\n")
    done = project.ork("run", "flow.yaml", code=1)
    assert "exited with code 3" in str(project.run_of()[1]["py"].reason)
    assert "this is no Python" in done.stderr


def test_a_file_without_the_permission_to_execute_says_what_to_do(project: Project) -> None:
    project.write("load.sh", "#!/bin/sh\necho hi\n")
    project.workflow(
        "file: {executor: process, file: load.sh}",
        shell("line", "./load.sh"),
        shell("ok", "sh ./load.sh"),
    )
    project.ork("run", "flow.yaml", code=1)
    _, states = project.run_of()
    assert {name: t.state for name, t in states.items()} == {
        "file": "failed",
        "line": "failed",
        "ok": "success",
    }
    assert "chmod +x" in str(states["file"].reason)
    assert "chmod +x" in str(states["line"].reason)


def test_a_file_that_is_no_program_says_so(project: Project) -> None:
    project.write("data", "neither #! nor ELF\n", executable=True)
    project.write("gone", "#!/nowhere/sh\n", executable=True)
    project.workflow(
        "data: {executor: process, file: data}", "gone: {executor: process, file: gone}"
    )
    project.ork("run", "flow.yaml", code=1)
    _, states = project.run_of()
    assert "#!" in str(states["data"].reason)
    assert "cannot start" in str(states["gone"].reason)


# Limits.


def few_descriptors(number: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, number))


def test_a_hundred_tasks_with_64_descriptors(project: Project) -> None:
    project.write("code.py", "def main():\n    return 1\n")
    project.workflow(
        *(python(f"p{n}") for n in range(50)), *(shell(f"s{n}", "true") for n in range(50))
    )
    done = project.ork("run", "flow.yaml", "-j", "4", preexec_fn=lambda: few_descriptors(64))
    assert "100 succeeded" in done.stdout


def test_exit_codes_are_known_although_ork_was_started_without_news_of_children(
    project: Project,
) -> None:
    def ignore() -> None:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    project.workflow(shell("bad", "exit 3"), shell("good", "true"))
    done = project.ork("run", "flow.yaml", code=1, preexec_fn=ignore)
    assert "1 failed" in done.stdout
    states = project.run_of()[1]
    assert states["bad"].attempts[0].exit == 3
    assert states["good"].state == "success"


def test_more_at_once_than_there_are_descriptors(project: Project) -> None:
    project.write("code.py", "import time\ndef main():\n    time.sleep(0.2)\n    return 1\n")
    project.workflow(
        *(python(f"p{n}") for n in range(40)), *(shell(f"s{n}", "sleep 0.2") for n in range(20))
    )
    done = project.ork(
        "run", "flow.yaml", "-j", "60", code=None, preexec_fn=lambda: few_descriptors(48)
    )
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr
    states = project.run_of()[1]
    for name, taskrun in states.items():
        assert taskrun.state in ("success", "failed"), name
        if taskrun.state == "failed":
            assert "open files" in str(taskrun.reason), taskrun.reason
    assert any(taskrun.state == "success" for taskrun in states.values())


@pytest.fixture
def small(project: Project) -> Iterator[Project]:
    """A project on a file system of 4 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system; RLIMIT_FSIZE is tried below")
    folder = Path(tempfile.mkdtemp())
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=True)
    before, project.folder = project.folder, folder
    try:
        yield project
    finally:
        kill_marked(project.mark)
        eventually(lambda: not project.survivors())
        subprocess.run(["umount", "-l", str(folder)], check=True)
        folder.rmdir()
        project.folder = before


def test_a_full_disk_stops_the_run_with_what_to_do_and_loses_nothing(small: Project) -> None:
    small.write(
        "code.py",
        """\
        import os, subprocess, sys
        def main():
            if os.path.exists("roomy"):
                return 1
            before = [sys.executable, "-m", "ork", "show", "flow#1:first"]
            while b"success" not in subprocess.run(before, stdout=subprocess.PIPE).stdout:
                pass  # until that is recorded
            with open("ballast", "wb", buffering=0) as file:
                try:
                    while file.write(b"x" * 4096):
                        pass
                except OSError:
                    return "x" * 10**6  # more than what LMDB may find among its free pages
    """,
    )
    small.workflow(
        shell("first", "echo first >> done"),
        python("fill", more=", depends_on: [first]"),
        shell("last", "echo last", ", depends_on: [fill]"),
    )
    done = small.ork("run", "flow.yaml", "--json", code=4, alone=True)
    acknowledged = {e["task"] for e in told(done.stdout) if e["event"] == "TaskFinished"}
    assert acknowledged == {"first"}
    assert "flow#1 could not go on: the disk is full" in done.stderr
    assert "`ork retry flow#1`" in done.stderr, "to run it again would begin another"
    assert "Traceback" not in done.stderr
    assert not small.survivors()
    for command in (("log", "flow"), ("runs",), ("show", "flow#1")):
        read = small.ork(*command)
        assert "flow" in read.stdout, "what is recorded can be read although the disk is full"
    (small.folder / "ballast").unlink()
    small.write("roomy", "")
    settled = small.ork("runs").stdout
    assert "interrupted" in settled and "ork ended while fill" in settled, "nobody killed it"
    store = small.open()
    check_whole(store)
    store.close()
    small.ork("retry", "flow#1")
    assert small.lines("done") == ["first"]
    assert set(small.states().values()) == {"success"}


def test_a_write_that_fails_once_leaves_no_hole(project: Project) -> None:
    project.workflow(
        shell("a", "echo ORK_OUTPUT:111"), shell("b", "echo ORK_OUTPUT:222", ", depends_on: [a]")
    )
    done = project.ork(
        "run",
        "flow.yaml",
        code=4,
        patch="""\
        from ork.errors import StoreError
        from ork.runner import record
        save = record.Record.save
        def fails_once(self, changed, objects):
            if not any(taskrun.state == "success" for taskrun in changed.values()):
                return save(self, changed, objects)  # on a busy machine: that a task began
            record.Record.save = save
            raise StoreError("the disk is full or failing")
        record.Record.save = fails_once
    """,
    )
    assert "the disk is full" in done.stderr
    store = project.open()
    check_whole(store)
    store.close()
    run, states = project.run_of()
    assert run.state == "interrupted"
    assert run.reason == "ork could not go on: the disk is full or failing"
    assert states["a"].state == "success", "the end of the run could be written"
    project.ork("retry", "flow#1")
    assert project.output("b") == 222


def test_a_limit_on_the_size_of_files_is_a_full_disk(project: Project) -> None:
    project.workflow(
        shell("a", "echo a"), shell("b", "head -c 3000000 /dev/zero", ", depends_on: [a]")
    )
    project.ork("init")
    project.ork("deploy", "flow.yaml")

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    done = project.ork("run", "flow", preexec_fn=limit)
    told_twice = "note: the log of flow#1:b is not complete: File too large"
    assert told_twice in done.stderr
    assert len(project.log("b")) == (1 << 20) - len("a\n")
    assert told_twice in project.ork("logs", "flow#1").stderr
    assert told_twice in project.ork("logs", "-f", "flow#1:b").stderr
    assert "note" not in project.ork("logs", "flow#1:a").stderr
    logs = json.loads(project.ork("logs", "flow#1", "--json").stdout)["data"]
    assert [log["error"] for log in logs] == [None, "File too large"]
    watched = told(project.ork("watch", "flow#1", "--json").stdout)[-1]
    assert watched["cut_logs"] == {"b": "File too large"}
    store = project.open()
    check_whole(store)
    store.close()


@pytest.mark.lmdb  # SQLite needs room for each commit, whatever is free in its file
def test_a_log_for_which_there_was_no_room_is_written_when_there_is(small: Project) -> None:
    small.workflow(
        shell("fill", "cat /dev/zero > ballast 2> /dev/null || true"),
        shell(
            "print",
            "head -c 500000 /dev/zero; sleep 0.3; rm ballast; echo end",
            ", depends_on: [fill]",
        ),
        shell(
            "last",
            "cat /dev/zero > ballast 2> /dev/null; echo last; head -c 100000 /dev/zero",
            ", depends_on: [print]",
        ),
    )
    small.ork("deploy", "flow.yaml")
    store = small.open()  # which leaves free pages for what is to be recorded meanwhile
    store.backend.write({Oid("0" * 64): bytes(10**6)}, {})
    store.backend.sweep(lambda: [Oid("0" * 64)])
    store.close()
    done = small.ork("run", "flow", "--json", code=None)
    assert done.returncode == 0, done.stderr
    assert told(done.stdout)[-1]["cut_logs"] == {"last": "No space left on device"}
    assert small.log("print") == bytes(500_000) + b"end\n"
    assert len(small.log("last")) < 100_000
    assert "not complete: No space left" in small.ork("logs", "flow#1:last").stderr


def test_no_log_is_written_where_a_link_leads(project: Project) -> None:
    project.workflow(
        shell("a", 'mv ".ork/logs/flow/$ORK_RUN_ID" . && mkdir out && echo a'),
        shell("b", 'ln -s ../../../out ".ork/logs/flow/$ORK_RUN_ID"', ", depends_on: [a]"),
        shell("c", "echo c", ", depends_on: [b]"),
    )
    done = project.ork("run", "flow.yaml", code=None)
    assert "Traceback" not in done.stderr
    assert list((project.folder / "out").iterdir()) == []


# Nobody reads.


@pytest.fixture
def flow(project: Project) -> Project:
    project.write("code.py", "import time\ndef main():\n    time.sleep(0.3)\n    return 1\n")
    project.workflow(
        shell("a", "sleep 0.3"),
        python("b", more=", depends_on: [a]"),
        shell("c", "true", ", depends_on: [b]"),
    )
    return project


@pytest.mark.parametrize("options", ["", "--json"])
def test_a_reader_that_leaves_early_does_not_stop_the_run(flow: Project, options: str) -> None:
    line = f'"{sys.executable}" -m ork run flow.yaml {options} | head -n 1; echo "$PIPESTATUS"'
    done = subprocess.run(
        ["bash", "-c", line], cwd=flow.folder, env=flow.environ, text=True, capture_output=True
    )
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr
    assert done.stdout.split("\n")[-2] in ("0", "141"), done.stdout
    assert flow.run_of()[0].state == "success"


@pytest.mark.parametrize(
    "redirection", [">&-", "2>&-", "<&- >&- 2>&-", ">/dev/full", "2>/dev/full", ">/dev/full 2>&1"]
)
@pytest.mark.turns(2)
def test_streams_that_are_closed_or_full_do_not_stop_the_run(
    project: Project, redirection: str
) -> None:
    project.write("code.py", "def main():\n    print('py')\n    return 1\n")
    project.workflow(shell("a", "echo sh"), python("b", more=", depends_on: [a]"))
    for command, name in (("run flow.yaml", "flow#1"), ("run flow --json", "flow#2")):
        line = f'exec "{sys.executable}" -m ork {command} {redirection}'
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=project.folder,
            env=project.environ,
            text=True,
            capture_output=True,
        )
        assert "Traceback" not in done.stderr, done.stderr
        lost = ">/dev/full" in redirection.split()
        assert done.returncode == (4 if lost else 0), done
        assert ("cannot write: No space left" in done.stderr) == (redirection == ">/dev/full")
        assert project.run_of(int(name[-1]))[0].state == "success"
    store = project.open()
    check_whole(store)  # nothing was printed into the file of the store
    store.close()


def start_on_terminal(
    project: Project, *argv: str, patch: str = ""
) -> tuple[subprocess.Popen[bytes], int]:
    """Start ork as the leader of a session with a terminal of its own; return our end of it."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, 0x5414, b"\x18\x00\x50\x00\x00\x00\x00\x00")  # TIOCSWINSZ: 24 x 80

    def lead() -> None:
        os.setsid()
        fcntl.ioctl(0, 0x540E, 0)  # TIOCSCTTY

    child = subprocess.Popen(
        [sys.executable, "-c", MAIN.format(patch=patch), *argv],
        cwd=project.folder,
        env={**project.environ, "TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        preexec_fn=lead,
    )
    os.close(theirs)
    return child, ours


def test_a_terminal_that_goes_away_stops_the_run_and_it_is_recorded(project: Project) -> None:
    project.workflow(
        shell("long", "touch here; sleep 300"),
        shell("next", "true", ", depends_on: [long]"),
        head="on_failure: {command: touch told; exit 3}",
    )
    child, ours = start_on_terminal(project, "run", "flow.yaml", patch=IMPATIENT)
    assert eventually((project.folder / "here").exists)
    os.close(ours)  # the kernel sends SIGHUP; writing to the terminal fails from here on
    child.wait(timeout=60)
    assert not project.survivors()
    run, _ = project.run_of()
    words = "stopped by signal HUP, as when a terminal is closed"
    assert (run.state, run.reason) == ("cancelled", words)
    assert (project.folder / "told").exists()
    assert project.states() == {"long": "cancelled", "next": "cancelled"}
    assert child.returncode == 129


def test_with_nohup_the_run_goes_on_without_its_terminal(project: Project) -> None:
    project.workflow(shell("long", "touch here; until test -e stop; do sleep 0.05; done"))
    ours, theirs = pty.openpty()

    def lead() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        os.setsid()
        fcntl.ioctl(0, 0x540E, 0)

    child = subprocess.Popen(
        [sys.executable, "-m", "ork", "run", "flow.yaml"],
        stdin=theirs,
        cwd=project.folder,
        env={**project.environ, "TERM": "xterm"},
        stdout=theirs,
        stderr=theirs,
        preexec_fn=lead,
    )
    os.close(theirs)
    assert eventually((project.folder / "here").exists)
    os.close(ours)
    project.write("stop", "")
    child.wait(timeout=60)
    assert project.run_of()[0].state == "success"
    assert child.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_run_with_an_honest_record(project: Project, number: int) -> None:
    project.workflow(shell("long", "touch here; (setsid sleep 300 &); sleep 300"))
    child = project.start("run", "flow.yaml", patch=IMPATIENT)
    assert eventually((project.folder / "here").exists)
    child.send_signal(number)
    child.communicate(timeout=60)
    # A shell says 128 and the number of each; by Ctrl-C ork dies of it.
    assert child.returncode == (-number if number == signal.SIGINT else 128 + number)
    assert not project.survivors()
    assert project.states() == {"long": "cancelled"}


# The clock.


def test_a_clock_that_jumps_back_and_forth_confuses_no_record(
    ork: Ork, capsys: pytest.CaptureFixture[str]
) -> None:
    ork.write("flow.yaml", "name: flow\ntasks: {a: {executor: process, command: 'sleep 0.05'}}\n")
    moment = datetime(2026, 11, 1, 12, tzinfo=UTC)
    jumps = [0, -86400, 86400, -3600, 0.0001, -365 * 86400, 5]

    def run(seconds: float, number: int) -> int:
        clock = moment + timedelta(seconds=seconds)
        world = World(environ=ork.environ, clock=lambda: clock, token=lambda: f"{number:06x}")
        return main(["run", "flow.yaml"], world=world)

    for number, seconds in enumerate(jumps, 1):
        assert run(seconds, number) == 0
    capsys.readouterr()
    listed = json.loads(ork("runs", "--json").out)["data"]
    assert [entry["run"]["number"] for entry in listed] == [7, 6, 5, 4, 3, 2, 1]
    ids = [entry["run"]["id"] for entry in listed]
    assert ids == sorted(ids, reverse=True)
    for entry in listed:
        assert 0.05 * SECOND <= entry["run"]["duration"] < 60 * SECOND
    for number in range(1, 8):
        assert ork("show", f"flow#{number}").code == 0


def test_a_clock_that_jumps_during_a_run_changes_no_duration_and_no_timeout(
    project: Project,
) -> None:
    project.workflow(
        shell("a", "sleep 0.3", ", timeout: 30, retries: 1, retry_delay: 0.1"),
        shell("b", "test $ORK_ATTEMPT = 2", ", retries: 1"),
    )
    project.ork(
        "run",
        "flow.yaml",
        "--timeout",
        "60",
        patch="""\
        import itertools, time, datetime
        jumps = itertools.cycle([0, 86400, -86400, 10**7, -10**8])
        real = time.time
        time.time = lambda: real() + next(jumps)
        class Jumping(datetime.datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime.datetime.fromtimestamp(time.time(), tz)
        from ork.executors import attempt
        from ork.runner import loop
        attempt.datetime = loop.datetime = Jumping
    """,
    )
    run, states = project.run_of()
    assert run.seconds is not None and 0.2 <= run.seconds < 60
    for taskrun in states.values():
        assert taskrun.state == "success"
        assert all(0 <= attempt.seconds < 60 for attempt in taskrun.attempts)
    for command in (("runs",), ("show", "flow#1"), ("logs", "flow#1"), ("log",)):
        project.ork(*command)


def test_a_run_of_a_killed_ork_with_a_wrong_clock_has_no_negative_duration(
    project: Project,
) -> None:
    project.workflow(shell("long", "touch here; sleep 300"))
    child = project.start(
        "run",
        "flow.yaml",
        patch="""\
        import datetime
        from ork.cli import session
        class Ahead(datetime.datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime.datetime.now(tz) + datetime.timedelta(days=400)
        session.datetime = Ahead
    """,
    )
    assert eventually((project.folder / "here").exists)
    child.kill()
    child.communicate()
    project.ork("runs")
    run, _ = project.run_of()
    assert run.state == "interrupted"
    assert run.seconds is not None and run.seconds >= 0
    project.ork("show", "flow#1")


# The store.


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Let nobody write below a folder: by its permissions, or for root by a mount."""
    if os.geteuid() == 0:
        subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
        try:
            yield
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=True)
        return
    paths = [folder, *folder.rglob("*")]
    modes = [path.stat().st_mode for path in paths]
    for path, mode in zip(reversed(paths), reversed(modes), strict=True):
        path.chmod(mode & ~0o222)
    try:
        yield
    finally:
        for path, mode in zip(paths, modes, strict=True):
            path.chmod(mode)


def test_a_store_that_cannot_be_written_can_be_read_and_says_why_nothing_runs(
    project: Project,
) -> None:
    project.workflow(shell("a", "echo $ORK_ATTEMPT >> done; touch here; test -e stop || sleep 300"))
    child = project.start("run", "flow.yaml")
    assert eventually((project.folder / "here").exists)
    child.kill()
    child.communicate()
    project.write("stop", "")
    with read_only(project.folder / ".ork"):
        for command in (("log",), ("runs",), ("show", "flow#1"), ("outputs", "flow#1")):
            done = project.ork(*command)
            assert "runs that nobody executes are shown as running" in done.stderr
        for command in (("run", "flow"), ("retry", "flow#1"), ("run", "flow.yaml")):
            done = project.ork(*command, code=4)
            assert "Traceback" not in done.stderr
            assert "error: " in done.stderr
    assert project.lines("done") == ["1"], "nothing ran"
    project.ork("retry", "flow#1")
    assert project.lines("done") == ["1", "2"]


def test_a_store_that_disappears_during_a_run_leaves_no_child(project: Project) -> None:
    project.workflow(shell("long", "touch here; until test -e stop; do sleep 0.02; done"))
    child = project.start("run", "flow.yaml")
    assert eventually((project.folder / "here").exists)
    shutil.rmtree(project.folder / ".ork")
    project.write("stop", "")
    child.communicate(timeout=60)
    assert child.returncode is not None
    assert not project.survivors()


@pytest.mark.parametrize("kind", ["lmdb", "sqlite"])
@pytest.mark.parametrize("what", [".ork", ".ork/db", ".ork/db/[ds]*"])
def test_a_store_that_a_task_removes_is_no_success(project: Project, what: str, kind: str) -> None:
    project.ork("init", "--store", f"{kind}:")
    project.workflow(shell("removes", f"rm -rf {what}"))
    done = project.ork("run", "flow.yaml", alone=True, code=4)
    assert re.search("the store was removed.* while it was used", done.stderr)
    assert "success" not in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("last", [shell("last", "true"), python("last")])
def test_a_project_that_is_renamed_during_a_run_is_not_made_anew(
    project: Project, last: str
) -> None:
    project.write("code.py", "def main(): return 1\n")
    wait = "touch here; until test -e ../stop; do sleep 0.02; done"
    project.workflow(shell("long", wait), last.replace("}", ", depends_on: [long]}"))
    child = project.start("run", "flow.yaml")
    old = project.folder
    assert eventually((old / "here").exists)
    project.folder = old.rename(old.with_name("renamed"))
    (old.parent / "stop").touch()
    _, err = child.communicate(timeout=60)
    assert child.returncode == 4
    assert f"the store was removed or renamed while it was used: {old}" in err
    assert "go to where it is now; then `ork retry flow#1` goes on" in err
    assert not old.exists()
    assert not project.survivors()
    project.ork("retry", "flow#1")
    assert project.states() == {"long": "success", "last": "success"}
    project.folder = project.folder.rename(old)
