"""Tasks that do what no task should: each has its own outcome, the others never notice."""

from __future__ import annotations

import pytest

from tests.runner.suite import Project, python, shell
from tests.scale import bundled, size

pytestmark = pytest.mark.slow

FINE = "def fine():\n    print('fine')\n    return 1\n"
NEIGHBOURS = ("n1", "n2", "n3", "sh")

# What the task does -> its state, a part of the reason, a part of its log.
PYTHON = {
    "kills its worker": ("os.kill(os.getpid(), 9)", "failed", "SIGKILL", ""),
    "kills its group": ("os.killpg(0, 15)", "failed", "SIGTERM", ""),
    "stops itself": ("os.kill(os.getpid(), signal.SIGSTOP)", "failed", "timed out", ""),
    "leaves at once": ("os._exit(0)", "failed", "exited with code 0 before answering", ""),
    "closes its streams": (
        "sys.stdout.close(); sys.stderr.close(); os.close(0); os.close(1); os.close(2)",
        "success",
        "",
        "",
    ),
    "closes everything": ("os.closerange(0, 256)", "failed", "", ""),
    "closes all but its streams": ("os.closerange(3, 256); return 2", "failed", "", ""),
    "changes the folder": ("os.chdir('/'); os.environ.clear(); os.umask(0)", "success", "", ""),
    "removes stdout": ("sys.stdout = sys.stderr = None", "success", "", ""),
    "replaces stdout": ("sys.stdout = io.StringIO(); print('lost')", "success", "", ""),
    "hostile stdout": ("sys.stdout = Raises()", "success", "", ""),
    "forks and returns": ("os.fork()", "success", "", ""),
    "forks and leaves a child": ("if not os.fork(): time.sleep(300)", "success", "", ""),
    "a daemon": ("subprocess.Popen(['setsid', 'sleep', '300'])", "success", "", ""),
    "a thread": (
        "threading.Thread(target=time.sleep, args=(300,)).start()",
        "failed",
        "its threads had not ended",
        "",
    ),
    "a daemon thread": ("threading.Thread(target=noise, daemon=True).start()", "success", "", ""),
    "half a line": ("print('half', end='')", "success", "", "half"),
    "no text": ("os.write(1, b'\\xff\\x00\\xfe\\n')", "success", "", ""),
    "an object": ("return object()", "failed", "output: an object is not a JSON value", ""),
    "a set": ("return {'a': {1, 2}}", "failed", "output.a: a set is not a JSON value", ""),
    "NaN": ("return [float('nan')]", "failed", "output[0]: nan", ""),
    "itself": ("a = []; a.append(a); return a", "failed", "output: it contains itself", ""),
    "itself below": (
        "a = {}; a['b'] = [1, {'c': a}]; return {'x': [0, a]}",
        "failed",
        "it contains itself",
        "",
    ),
    "deep": (
        "import functools; return functools.reduce(lambda a, _: [a], range(70), 1)",
        "failed",
        "[0][0][0]: nested deeper than 64 levels",
        "",
    ),
    "a generator": ("return (x for x in [1])", "failed", "generator", ""),
    "a key": ("return {1: 2}", "failed", "output: the key 1", ""),
    "half a character": ("return '\\ud800'", "failed", "lone surrogate", ""),
    "a large integer": ("return 2**53", "failed", "2^53-1", ""),
    "too many MB": (
        f"return 'x' * {size(200_000_000, by_day=70_000_000)}",
        "failed",
        "larger than 64 MiB",
        "",
    ),
    "exit": ("raise SystemExit(3)", "failed", "exited with code 3", ""),
    "exit 0": ("sys.exit(0)", "success", "", ""),
    "interrupt": ("raise KeyboardInterrupt", "failed", "KeyboardInterrupt", ""),
    "unprintable": ("raise Unprintable", "failed", "Unprintable", ""),
    "hostile text": ("raise ValueError('\\x1b[31m\\u202e' * 10)", "failed", "ValueError", ""),
    "a long text": ("raise ValueError('x' * 10_000_000)", "failed", "ValueError: xxx", ""),
    "a group": ("raise ExceptionGroup('g', [ValueError(1), KeyError(2)])", "failed", "g (2", ""),
    "too deep": ("return main()", "failed", "RecursionError", ""),
    "no memory": ("raise MemoryError", "failed", "MemoryError", ""),
    "a signal handler": (
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.alarm(1)",
        "success",
        "",
        "",
    ),
    "an audit": ("sys.settrace(lambda *a: None); sys.setrecursionlimit(10_000)", "success", "", ""),
    "modules": ("sys.modules.clear(); sys.path.clear()", None, "", ""),
    "another root": ("sys.meta_path.clear()", None, "", ""),
    "an import": ("import nowhere_at_all", "failed", "ModuleNotFoundError", ""),
}
HEAD = """\
import io, os, signal, subprocess, sys, threading, time
class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError
    __repr__ = __str__
class Raises:
    def __getattr__(self, name):
        raise OSError(name)
def noise():
    while True:
        try:
            print("noise")
        except Exception:
            pass
        time.sleep(0.01)
"""


def written(project: Project, *hostile: str) -> None:
    """Write a workflow with hostile tasks and others around them, some in the same worker."""
    project.write("fine.py", FINE)
    neighbours = [python(name, "fine", file="fine.py") for name in NEIGHBOURS[:3]]
    project.workflow(*hostile, *neighbours, shell("sh", "echo fine"))


def around(project: Project, code: int) -> None:
    """Check that the run ended as its tasks did, and the others as if no hostile had been there."""
    run, _ = project.run_of()
    states = project.states()
    assert run.state == ("success" if set(states.values()) == {"success"} else "failed")
    assert code == (0 if run.state == "success" else 1)
    assert {states[name] for name in NEIGHBOURS} == {"success"}, states
    for name in NEIGHBOURS:
        assert project.log(name) == b"fine\n"


@pytest.mark.parametrize("names", bundled(PYTHON, size=9), ids=" and ".join)
@pytest.mark.turns(2)
def test_hostile_python_tasks_hurt_nobody_else(project: Project, names: tuple[str, ...]) -> None:
    tasks = {f"bad{number}": name for number, name in enumerate(names)}
    for task, name in tasks.items():
        project.write(f"{task}.py", f"{HEAD}def main():\n    {PYTHON[name][0]}\n")
    more = dict.fromkeys(("stops itself", "a thread"), ", timeout: 1")
    written(
        project,
        *(python(task, more=more.get(name, ""), file=f"{task}.py") for task, name in tasks.items()),
    )
    done = project.ork("run", "flow.yaml", "-j", "1", code=None, alone=True)
    _, states = project.run_of()
    for task, name in tasks.items():
        _, state, reason, log = PYTHON[name]
        bad = states[task]
        assert state in (None, bad.state), (name, bad)
        assert reason in str(bad.reason or ""), (name, bad)
        assert log.encode() in project.log(task), name
        assert len(str(bad.reason)) < 30_000, name
    assert "Traceback" not in done.stdout
    assert "\x1b" not in done.stderr and "\u202e" not in done.stderr
    assert "bug in ork" not in done.stderr
    around(project, done.returncode)


SHELL = {
    "kills itself": ("kill -9 $$", "failed", "SIGKILL"),
    "kills its group": ("kill -TERM 0", "failed", "SIGTERM"),
    "closes its streams": ("exec >&- 2>&- <&-; true", "success", ""),
    "leaves a child": ("sleep 300 & (setsid sleep 300 &)", "success", ""),
    "leaves a child that holds its output": ("(setsid sleep 300 &) ; echo x", "success", ""),
    "half a line": ("printf half", "success", ""),
    "no JSON": ("echo 'ORK_OUTPUT:{'", "failed", "not JSON"),
    "NaN": ("echo 'ORK_OUTPUT:NaN'", "failed", ""),
    "a large integer": ("echo 'ORK_OUTPUT:9007199254740993'", "failed", "2^53-1"),
    "two outputs": ("echo ORK_OUTPUT:1; echo ORK_OUTPUT:2; echo more", "success", ""),
    "a FIFO": ("mkfifo $ORK_OUTPUT_FILE", "failed", "not a regular file"),
    "a folder": ("mkdir $ORK_OUTPUT_FILE", "failed", ""),
    "a link": ("ln -s /etc/hostname $ORK_OUTPUT_FILE", "failed", ""),
    "its folder is gone": ("mkdir x; cd x; rmdir ../x", "success", ""),
    "its log is gone": ("rm -rf .ork/logs/flow/*/*.log; echo x", None, ""),
    "no end": ("sleep 300", "failed", "timed out after 1 s"),
    "no command": ("no_such_command_at_all", "failed", "command not found"),
    "a large code": ("exit 300", "failed", "exited with code 44"),
}


@pytest.mark.parametrize("names", bundled(SHELL, size=9), ids=" and ".join)
@pytest.mark.turns(2)
def test_hostile_shell_tasks_hurt_nobody_else(project: Project, names: tuple[str, ...]) -> None:
    tasks = {f"bad{number}": name for number, name in enumerate(names)}
    more = {"no end": ", timeout: 1"}
    written(
        project,
        *(shell(task, SHELL[name][0], more.get(name, "")) for task, name in tasks.items()),
    )
    done = project.ork("run", "flow.yaml", "-j", "2", code=None, alone=True)
    assert "bug in ork" not in done.stderr
    _, states = project.run_of()
    for task, name in tasks.items():
        _, state, reason = SHELL[name]
        bad = states[task]
        assert state in (None, bad.state), (name, bad)
        assert reason in str(bad.reason or ""), (name, bad)
    around(project, done.returncode)


@pytest.mark.turns(2)
def test_100_mb_of_output_cost_bounded_memory(project: Project) -> None:
    project.write(
        "code.py",
        """\
        import sys
        def main():
            for _ in range(100):
                sys.stdout.write("x" * 99 + "\\n" + ("y" * 99 + "\\n") * 9999)
            return 7
    """,
    )
    project.workflow(
        python("py"),
        shell("sh", "yes yyyyyyyyyyyyyyy | head -c 100000000; echo; echo ORK_OUTPUT:8"),
    )
    done = project.ork(
        "run",
        "flow.yaml",
        "-j",
        "2",
        anew=True,
        patch="""\
        from ork.cli import app
        main = app.main
        def told(argv):
            code = main(argv)
            # Not ru_maxrss, which keeps the peak of whoever started us.
            status = open("/proc/self/status").read()
            kilobytes = int(status.partition("VmHWM:")[2].split()[0])
            open("memory", "w").write(str(kilobytes // 1024))
            return code
        app.main = told
    """,
    )
    assert project.output("py") == 7
    assert project.output("sh") == 8
    assert len(done.stdout) + len(done.stderr) < 10_000
    assert int((project.folder / "memory").read_text()) < 300, "MiB of ork itself"


def test_a_task_that_prints_without_a_newline_for_ever_is_stopped(project: Project) -> None:
    project.workflow(shell("bad", "tr '\\0' x < /dev/zero", ", timeout: 1"), shell("sh", "true"))
    project.ork("run", "flow.yaml", code=1, alone=True)
    assert project.states() == {"bad": "failed", "sh": "success"}


@pytest.mark.turns(2)
def test_many_tasks_that_all_crash_leave_a_run_that_ends(project: Project) -> None:
    project.write("code.py", "import os\ndef main():\n    os.kill(os.getpid(), 11)\n")
    project.workflow(*(python(f"t{n}") for n in range(size(40, by_day=12))), shell("sh", "true"))
    project.ork("run", "flow.yaml", "-j", "4", code=1, alone=True)
    states = project.states()
    assert states.pop("sh") == "success"
    assert set(states.values()) == {"failed"}
