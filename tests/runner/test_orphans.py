"""No process outlives its task, though it has left its parents, its session and its environment."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runner.suite import Project, eventually, python, shell
from tests.scale import LONG

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives orphans away")

# Twice away, in another session, without an environment: nothing tells where it comes from.
LOST = "(setsid env -i sh -c 'echo $$ > {pid}; exec sleep {seconds}' >/dev/null 2>&1 &)"
AWAY = """\
    import os, signal, time
    def away(command):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.execve("/bin/sh", ["sh", "-c", command], {})
            os._exit(0)
"""


class Lost:
    """Processes that can be told from all others by how long they sleep."""

    def __init__(self) -> None:
        self.seconds = f"300.{random.randrange(10**9):09}"

    def line(self, pid: str) -> str:
        """Return a shell line that loses one process, and goes on once that has begun."""
        return f"{self.lose(pid)} until test -s {pid}; do sleep 0.01; done"

    def lose(self, pid: str) -> str:
        return LOST.format(pid=pid, seconds=self.seconds) + ";"

    def living(self) -> list[int]:
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                if self.seconds.encode() in Path(f"/proc/{name}/cmdline").read_bytes():
                    found.append(int(name))
            except OSError:
                continue
        return found


@pytest.fixture
def lost() -> Iterator[Lost]:
    made = Lost()
    yield made
    for pid in made.living():
        os.kill(pid, signal.SIGKILL)


def gone(pid: str) -> str:
    """Return a shell line that succeeds if the process whose number is in this file is gone."""
    return f"test -s {pid} && ! kill -0 $(cat {pid})"


def test_what_a_program_has_lost_ends_with_its_task(project: Project, lost: Lost) -> None:
    project.workflow(
        shell("loses", lost.line("pid")),
        shell("after", gone("pid"), ", depends_on: [loses]"),
    )
    project.ork("run", "flow.yaml", alone=True)
    assert not lost.living()


def test_what_a_function_has_lost_ends_with_its_task(project: Project, lost: Lost) -> None:
    command = f"echo $$ > pid; exec sleep {lost.seconds}"
    project.write(
        "code.py",
        f"""{AWAY}
    def main():
        away({command!r})
        while not (os.path.exists("pid") and os.path.getsize("pid")):
            time.sleep(0.01)
    """,
    )
    project.workflow(python("loses"), shell("after", gone("pid"), ", depends_on: [loses]"))
    project.ork("run", "flow.yaml", alone=True)
    assert not lost.living()


def test_what_may_be_of_two_programs_ends_with_the_later_one(project: Project, lost: Lost) -> None:
    project.workflow(
        shell("loses", lost.line("pid")),
        shell("beside", "until test -e stop; do sleep 0.01; done"),
        shell("stops", "touch stop", ", depends_on: [loses]"),
        shell("after", gone("pid"), ", depends_on: [beside, stops]"),
    )
    project.ork("run", "flow.yaml", "-j", "2", alone=True)
    assert not lost.living()


@pytest.mark.parametrize("how", ["timeout", "signal", "twice"] if LONG else ["timeout"])
@pytest.mark.turns(2)
def test_a_task_that_is_stopped_takes_200_processes_with_it(
    project: Project, lost: Lost, how: str
) -> None:
    one = f"exec sleep {lost.seconds}"
    ways = [
        f"sh -c '{one}' &",
        f"sh -c 'trap \"\" TERM; {one}' &",
        f"setsid sh -c '{one}' &",
        f"env -i sh -c '{one}' &",
        f"(setsid env -i sh -c '{one}' &);",
        f"(setsid env -i sh -c 'trap \"\" TERM; {one}' &);",
        f"setsid env -i sh -c 'trap \"\" TERM; {one}' &",
        f"(setsid sh -c 'setsid env -i sh -c \"{one}\" &' &);",
    ]
    many = f"i=0; while test $i -lt 25; do {' '.join(ways)} i=$((i + 1)); done"
    late = ", timeout: 3" if how == "timeout" else ""
    project.write(
        "code.py", f"{AWAY}\n    def main():\n        away({many!r})\n        time.sleep(99)"
    )
    tasks = [shell("program", f"{many}; sleep 300", late)]
    if how != "timeout":
        tasks.append(python("function"))
    project.workflow(*tasks)
    child = project.start("run", "flow.yaml", "-j", "2")
    started = 200 * len(tasks)
    assert eventually(lambda: len(lost.living()) >= started or child.poll() is not None)
    if how != "timeout":
        child.send_signal(signal.SIGINT)
    if how == "twice":
        child.send_signal(signal.SIGINT)
    child.communicate(timeout=120)
    assert not lost.living()
    assert child.returncode == (1 if how == "timeout" else -signal.SIGINT)


def test_orphans_that_have_ended_are_reaped(project: Project) -> None:
    short = "(setsid env -i sh -c 'echo >> ended' &);" * 20
    zombies = 'grep -lsE "^[0-9]+ .* Z $PPID " /proc/[0-9]*/stat'
    waits = (
        f"for i in $(seq 200); do {zombies} || exit 0; sleep 0.02; done; exit 1"  # some end late
    )
    project.workflow(
        shell("loses", f"{short} until test $(wc -l < ended) -eq 20; do sleep 0.01; done"),
        shell("beside", "until test -e stop; do sleep 0.01; done"),
        shell("next", "true", ", depends_on: [loses]"),
        shell("after", f"touch stop; {waits}", ", depends_on: [next]"),
    )
    project.ork("run", "flow.yaml", "-j", "2", alone=True)


@pytest.mark.slow
def test_children_from_before_are_no_remains_of_a_task(project: Project, lost: Lost) -> None:
    project.workflow(shell("a", "true"), shell("b", "true", ", depends_on: [a]"))
    words = (
        f"setsid sleep {lost.seconds} >/dev/null 2>&1 & exec {sys.executable} -m ork run flow.yaml"
    )
    subprocess.run(
        ["sh", "-c", words],
        check=True,
        cwd=project.folder,
        env=project.environ,
        capture_output=True,
    )
    assert len(lost.living()) == 1
    os.kill(lost.living()[0], signal.SIGKILL)
    assert eventually(lambda: not lost.living())


@pytest.mark.turns(3)
def test_without_the_kernels_help_an_orphan_outlives_ork(project: Project, lost: Lost) -> None:
    project.workflow(shell("loses", lost.line("pid")))
    patch = "from ork.executors import process_tree; process_tree.adopt_orphans = lambda *_: False"
    project.ork("run", "flow.yaml", patch=patch)
    assert len(lost.living()) == 1
