"""Python tasks in a warm worker: what they may import, give back, and do to it."""

from __future__ import annotations

import dataclasses
import datetime
import os
import pickle
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from selectors import DefaultSelector

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ork.executors.local import Local
from ork.worker import values
from tests.executors.suite import Served, alive, eventually, read_pid, run


@pytest.fixture
def survivor(pool, place):
    """Return a function: the id of the worker that runs a next, ordinary task correctly."""

    def ask() -> int:
        job = place.python(
            """
            import os, sys
            def main(a):
                print("out"); print("err", file=sys.stderr)
                return {"pid": os.getpid(), "cwd": os.getcwd(), "a": a, "x": os.environ.get("X")}
            """,
            inputs={"a": 1},
        )
        outcome = run(pool, job)
        assert outcome.state == "success", outcome.error
        assert Path(job.log).read_text() == "out\nerr\n"
        output = outcome.output
        assert Path(output.pop("cwd")).samefile(place.root)
        pid = output.pop("pid")
        assert output == {"a": 1, "x": None}
        return pid

    return ask


# Hostile tasks. After each, the next task finds everything as it should be.

KEEPS_THE_WORKER = {
    "closes its descriptors": "import os\ndef main():\n    os.closerange(0, 3)\n",
    "closes its streams": "import sys\ndef main():\n    sys.stdout.close(); sys.stderr.close()\n",
    "detaches stdout": "import sys\ndef main():\n    sys.stdout.detach()\n",
    "replaces stdout": """
        import io, sys
        def main():
            sys.stdout = sys.stderr = sys.__stdout__ = io.StringIO()
            print("lost")
        """,
    "puts nonsense for stdout": "import sys\ndef main():\n    sys.stdout = 1\n",
    "changes the folder": "import os\ndef main():\n    os.chdir('/')\n",
    "changes the environment": """
        import os
        def main():
            os.environ["X"] = "1"
            os.environ.pop("PATH")
        """,
    "prints half a line": "def main():\n    print('half', end='')\n",
    "ignores its children": """
        import signal
        def main():
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        """,
    "sets an alarm": "import signal\ndef main():\n    signal.setitimer(0, 0.05)\n",
    "starts a daemon thread": """
        import threading, time
        def main():
            threading.Thread(target=time.sleep, args=(300,), daemon=True).start()
        """,
    "has a monitor that is ended when the process ends": """
        import atexit, threading
        class Monitor(threading.Thread):
            def end(self):
                pass
        def main():
            monitor = Monitor(target=threading.Event().wait, daemon=True)
            atexit.register(monitor.end)
            monitor.start()
        """,
    "waits for its child": """
        import subprocess
        def main():
            subprocess.run(["true"], check=True)
        """,
    "traces": "import sys\ndef main():\n    sys.settrace(lambda *a: 1 / 0)\n",
    "lowers the limits": """
        import os, sys
        def main():
            sys.setrecursionlimit(60)
            os.umask(0)
        """,
    "empties sys.path": "import sys\ndef main():\n    sys.path.clear()\n",
}


@pytest.mark.parametrize("source", KEEPS_THE_WORKER.values(), ids=KEEPS_THE_WORKER.keys())
def test_next_task_finds_everything_restored(pool, place, survivor, source):
    before = survivor()
    assert run(pool, place.python(source)).state == "success"
    assert survivor() == before


COSTS_THE_WORKER = {
    "starts a daemon thread of its own": """
        import threading, time
        def sleep():
            time.sleep(300)
        def main():
            threading.Thread(target=sleep, daemon=True).start()
        """,
    "lowers a limit for good": """
        import resource
        def main():
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        """,
    "forks a child that stays": """
        import os, time
        def main(file):
            child = os.fork()
            if child == 0:
                time.sleep(300)
            else:
                with open(file, "w") as out:
                    out.write(f"{child}\\n")
        """,
    "leaves a child": """
        import subprocess
        def main(file):
            child = subprocess.Popen(["sleep", "300"])
            with open(file, "w") as out:
                out.write(f"{child.pid}\\n")
        """,
    "closes descriptors that are not its own": "import os\ndef main():\n    os.closerange(3, 5)\n",
    "takes the place of a descriptor": """
        import os
        def main():
            for number in (3, 4):
                os.dup2(os.open("/dev/zero", os.O_RDONLY), number)
        """,
    "leaves a daemon in its own session": """
        import subprocess, time, os
        def main(file):
            line = f"setsid sh -c 'echo $$ > {file}; exec sleep 300' </dev/null >/dev/null 2>&1 &"
            subprocess.run(line, shell=True, check=True)
            while not os.path.exists(file) or not os.path.getsize(file):
                time.sleep(0.01)
        """,
    "leaves a daemon while nobody counts its children": """
        import os, signal, time
        def main(file):
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    with open(file, "w") as out:
                        out.write(f"{os.getpid()}\\n")
                    time.sleep(300)
                os._exit(0)
            while not os.path.exists(file) or not os.path.getsize(file):
                time.sleep(0.01)
            try:
                os.wait()
            except ChildProcessError:
                pass
        """,
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("source", COSTS_THE_WORKER.values(), ids=COSTS_THE_WORKER.keys())
def test_nothing_a_task_started_outlives_it(pool, place, survivor, source):
    before = survivor()
    file = place.folder / "pid"
    inputs = {"file": str(file)} if "file" in source else {}
    outcome = run(pool, place.python(source, inputs=inputs))
    assert outcome.state == "success", outcome.error
    if file.exists():
        assert not alive(int(file.read_text()))
    assert survivor() != before
    assert not alive(before)


@pytest.mark.filterwarnings("ignore")
def test_a_forked_child_that_returns_does_not_answer(pool, place, survivor):
    source = "import os\ndef main():\n    child = os.fork()\n    return 'parent' if child else 0\n"
    for _ in range(5):
        assert run(pool, place.python(source)).output == "parent"
    survivor()


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("os.kill(os.getpid(), 9)", "killed by signal 9 (SIGKILL); perhaps out of memory"),
        ("os._exit(3)", "exited with code 3 before answering"),
        ("os._exit(0)", "exited with code 0 before answering"),
        ("os.abort()", "killed by signal 6 (SIGABRT)"),
        ("os.closerange(3, 4096)", "exited with code 1 before answering"),
    ],
)
def test_a_worker_that_dies_fails_only_that_attempt(pool, place, survivor, statement, error):
    before = survivor()
    outcome = run(pool, place.python(f"import os\ndef main():\n    {statement}\n"))
    assert (outcome.state, outcome.error) == ("failed", error)
    assert survivor() != before


def test_a_crash_in_machine_code_tells_where_it_was(ork):
    """Also after a task that has switched this off, in the same worker."""
    off = "import faulthandler\ndef main():\n    faulthandler.disable()\n"
    ork.write("off.py", off)
    ork.write("crash.py", "import ctypes\ndef main():\n    ctypes.string_at(0)\n")
    tasks = "{off: {executor: python, file: off.py}, crash: {executor: python, file: crash.py,"
    ork.write("w.yaml", f"name: w\ntasks: {tasks} depends_on: [off]}}}}\n")
    assert ork("run", "-j", "1").code == 1
    log = ork("logs", "w#1:crash").out
    assert log.startswith("Fatal Python error: Segmentation fault\n")
    assert 'crash.py", line 3 in main\n' in log


def test_a_worker_that_dies_between_tasks_costs_no_task(pool, survivor):
    before = survivor()
    os.kill(before, 9)
    assert eventually(lambda: not pool.executor._children)
    assert survivor() != before


def test_a_worker_is_reused(survivor):
    assert survivor() == survivor()


@pytest.mark.slow
@pytest.mark.parametrize("holder", ["python", "process"])
def test_everything_dies_with_ork(place, holder):
    """Also while a task holds the interpreter, and what left the session of its task."""
    near, far = place.folder / "near", place.folder / "far"
    line = f"echo $$ > {near}; setsid sh -c 'echo $$ > {far}; exec sleep 300' & sleep 300"
    if holder == "process":
        job = place.shell(line)
    else:
        source = """
            import re, subprocess
            def main(line):
                subprocess.Popen(line, shell=True)
                re.match("(a+)+$", "a" * 60 + "b")  # for hours, in C
            """
        job = place.python(source, inputs={"line": line})
    script = place.folder / "script.py"
    script.write_text(
        "import pickle, sys, time\n"
        "from tests.executors.suite import Served\n"
        "Served(1).submit(pickle.load(sys.stdin.buffer))\n"
        "time.sleep(300)\n"
    )
    repository = str(Path(__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, script], stdin=subprocess.PIPE, env={"PYTHONPATH": repository}
    ) as ork:
        assert ork.stdin is not None
        ork.stdin.write(pickle.dumps(job))
        ork.stdin.close()
        pids = [read_pid(near), read_pid(far)]
        parent = int((Path("/proc") / str(pids[0]) / "stat").read_text().split()[3])
        pids += [parent] if parent != ork.pid else []
        assert all(map(alive, pids))
        ork.kill()
    assert eventually(lambda: not any(map(alive, pids)))


# How a function fails.

ALONE = "a task has no terminal and no standard input"


@pytest.mark.parametrize(
    ("statement", "line"),
    [
        ("raise ValueError('text\\nmore')", "ValueError: text"),
        ("input('x? ')", f"EOFError: EOF when reading a line; {ALONE}"),
        ("for _ in (1, 2): breakpoint()", f"BdbQuit; {ALONE}"),
        ("raise KeyError", "KeyError"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise Silent()", "Silent: (it has no text: its __str__ failed)"),
        ("raise UnicodeError('\\udc80')", "UnicodeError: \\udc80"),
        ("main(1)", "TypeError: main() takes 0 positional arguments but 1 was given"),
        ("return main()", "RecursionError: maximum recursion depth exceeded"),
        ("import nowhere_xyz", "ModuleNotFoundError: No module named 'nowhere_xyz'"),
    ],
)
def test_whatever_is_raised_is_a_failure_in_one_line_and_a_traceback(
    pool, place, survivor, statement, line
):
    before = survivor()
    job = place.python(
        f"""
        class Silent(Exception):
            def __str__(self):
                raise self
        def main():
            {statement}
        """
    )
    outcome = run(pool, job)
    assert outcome.state == "failed"
    first, _, trace = outcome.error.partition("\n\n")
    assert first == line
    assert trace.startswith("Traceback (most recent call last):\n")
    assert str(place.root / job.file) in trace
    for path in ("ork/worker", "importlib"):
        assert path not in trace
    assert trace[:200] in Path(job.log).read_text()
    assert survivor() != before


def test_traceback_shows_the_source(pool, place):
    place.write("a/b.py", "def fail():\n    raise ValueError  # here\n")
    error = error_of(pool, place.python("import a.b\ndef main():\n    a.b.fail()\n"), place)
    assert "raise ValueError  # here" in error
    assert "    a.b.fail()" in error


@pytest.mark.parametrize("statement", ["sys.exit()", "sys.exit(0)", "raise SystemExit(False)"])
def test_a_task_that_exits_with_zero_succeeds(pool, place, statement):
    assert (
        output_of(pool, place.python(f"import sys\ndef main():\n    {statement}\n"), place) is None
    )
    assert output_of(pool, place.python(f"import sys\n{statement}\n"), place) is None


@pytest.mark.parametrize(
    ("end", "error", "exit", "log"),
    [("3", "exited with code 3", 3, ""), ("'no é data'", "no é data", None, "no é data\n")],
)
def test_a_task_that_exits_otherwise_fails_with_its_words(pool, place, end, error, exit, log):
    job = place.python(f"import sys\ndef main():\n    sys.exit({end})\n")
    outcome = run(pool, job)
    assert (outcome.state, outcome.error, outcome.exit) == ("failed", error, exit)
    assert outcome.printed == len(log.encode())
    assert not log or Path(job.log).read_text() == log


@pytest.mark.parametrize("wrapper", ["def main(): return work()", "main = work"])
def test_coroutines_are_awaited(pool, place, wrapper):
    source = f"""
        import asyncio
        async def work():
            await asyncio.sleep(0)
            return "awaited"
        {wrapper}
        """
    assert output_of(pool, place.python(source), place) == "awaited"


def test_a_long_error_is_shortened(pool, place):
    outcome = run(pool, place.python("def main():\n    raise ValueError('x' * 10**6)\n"))
    assert len(outcome.error) < 21_000


@pytest.mark.parametrize(
    ("source", "inputs", "error"),
    [
        ("def other(): pass\n", {}, "has no function 'main'; it defines other"),
        ("main = 3\n", {}, "'main' in tasks/task_0.py is 'int', not a function"),
        ("def main(a): pass\n", {}, "does not take (no inputs): main() missing 1 required"),
        ("def main(a): pass\n", {"a": 1, "b": 2}, "unexpected keyword argument 'b'"),
    ],
)
def test_a_function_that_cannot_be_called_is_explained(pool, place, source, inputs, error):
    outcome = run(pool, place.python(source, inputs=inputs))
    assert error in outcome.error
    assert "\n" not in outcome.error


def test_a_syntax_error_is_a_failure(pool, place):
    outcome = run(pool, place.python("def main(:\n"))
    assert outcome.error.startswith("SyntaxError: invalid syntax (task_0.py, line 1)")


@pytest.mark.parametrize(
    ("python", "words"),
    [
        ("/nowhere/python", "the Python interpreter /nowhere/python does not start: No such file"),
        ("/", "the Python interpreter / does not start: Permission denied"),
        ("/bin/false", "exited with code 1 before answering"),
    ],
)
def test_a_missing_interpreter_is_an_outcome(pool, place, survivor, python, words):
    outcome = run(pool, place.python("def main(): pass\n", python=python))
    assert outcome.state == "failed"
    assert words in outcome.error
    survivor()


# Imports.


@pytest.mark.slow
def test_an_interpreter_that_ends_at_once_is_told_whenever_it_does(place):
    bad = place.folder / "python"
    bad.write_text("#!/bin/sh\nexit 3\n")
    bad.chmod(0o755)
    for _ in range(20):
        job = place.python("def main():\n    pass\n", python=str(bad))
        pool = Served(2)
        try:
            assert run(pool, job).error == "exited with code 3 before answering"
        finally:
            pool.close()


def installed(place, path, text):
    """Put a module of somebody else where PYTHONPATH will say."""
    file = place.folder / "site-packages" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def output_of(pool, job, place):
    outcome = run(pool, dataclasses.replace(job, files=tuple(place.files)))
    assert outcome.state == "success", outcome.error
    return outcome.output


def error_of(pool, job, place):
    outcome = run(pool, dataclasses.replace(job, files=tuple(place.files)))
    assert outcome.state == "failed", outcome.output
    return outcome.error


def test_a_module_is_what_it_is_without_ork(pool, place):
    source = """
        import __main__, sys, other
        def main():
            return [__file__, __spec__.origin, main.__code__.co_filename, other.__file__, __name__,
                    __spec__.loader.get_source(__name__)[:7], sorted(vars(__main__))]
        """
    job = place.python(source)
    place.write("other.py", "VALUE = 1\n")
    path, other = str(place.root / job.file), str(place.root / "other.py")
    own = ["__doc__", "__loader__", "__name__", "__package__", "__spec__"]
    expected = [path, path, path, other, "task_0", "\nimport", own]
    assert output_of(pool, job, place) == expected


def test_data_is_found_beside_the_file(pool, place):
    source = """
        from pathlib import Path
        def main():
            return Path(__file__).with_name("data.txt").read_text()
        """
    place.write("tasks/data.txt", "on disk", capture=False)
    assert output_of(pool, place.python(source), place) == "on disk"


def test_folder_of_the_task_comes_before_the_root(pool, place):
    place.write("common.py", "WHERE = 'root'\n")
    place.write("tasks/common.py", "WHERE = 'tasks'\n")
    source = "import common\ndef main():\n    return common.WHERE\n"
    place.write("top.py", source)
    assert output_of(pool, place.python(source), place) == "tasks"
    assert output_of(pool, place.job(file="top.py"), place) == "root"


def test_modules_of_the_project_are_executed_anew_and_others_once(pool, place):
    installed(place, "others.py", "COUNT = []\n")
    for folder in "ab":
        place.write(f"{folder}/common.py", f"WHERE = '{folder}'\nCALLS = []\n")
        place.write(
            f"{folder}/task.py",
            "import common, others\ndef main():\n    common.CALLS.append(1)\n"
            "    others.COUNT.append(1)\n"
            "    return [common.WHERE, len(common.CALLS), len(others.COUNT)]\n",
        )
    path = {"environment": {"PYTHONPATH": str(place.folder / "site-packages")}}
    jobs = [place.job(file=f"{folder}/task.py", **path) for folder in "abab"]
    outputs = [output_of(pool, job, place) for job in jobs]
    assert outputs == [["a", 1, 1], ["b", 1, 2], ["a", 1, 3], ["b", 1, 4]]


def test_packages_relative_imports_and_namespaces(pool, place):
    place.write("pkg/__init__.py", "from .one import ONE\n")
    place.write("pkg/one.py", "ONE = 1\n")
    place.write("pkg/sub/two.py", "from ..one import ONE\nTWO = ONE + 1\n")
    place.write("space/three.py", "from pkg.sub.two import TWO\nTHREE = TWO + 1\n")
    source = """
        import pkg, space
        from pkg import one
        from pkg.sub import two
        import space.three
        def main():
            return [pkg.ONE, one.ONE, two.TWO, space.three.THREE]
        """
    assert output_of(pool, place.python(source), place) == [1, 1, 2, 3]


def test_a_task_file_inside_a_package_may_import_relatively(pool, place):
    place.write("tasks/__init__.py", "")
    place.write("tasks/near.py", "VALUE = 1\n")
    source = "from .near import VALUE\ndef main():\n    return [__name__, VALUE]\n"
    assert output_of(pool, place.python(source), place) == ["tasks.task_0", 1]


@pytest.mark.parametrize("path", ["tasks/my-etl.py", "tasks/etl.v2.py", "tasks/run", "sys.py"])
def test_a_file_that_cannot_be_imported_by_name_runs(pool, place, path):
    place.write(path, "import near\ndef main():\n    return [__name__, near.VALUE, __file__]\n")
    place.write("near.py", "VALUE = 1\n")
    name, value, file = output_of(pool, place.job(file=path), place)
    assert (value, file) == (1, str(place.root / path))
    assert name != "__main__"


def test_a_file_named_like_a_module_of_the_worker_runs(pool, place):
    for name in ("json", "traceback", "linecache", "worker", "captured", "signal"):
        place.write(f"tasks/{name}.py", f"def main():\n    return '{name}'\n")
    for name in ("json", "traceback", "linecache", "worker", "captured", "signal"):
        assert output_of(pool, place.job(file=f"tasks/{name}.py"), place) == name
    place.write("top.py", "import json\ndef main():\n    return json.dumps([1])\n")
    assert output_of(pool, place.job(file="top.py"), place) == "[1]"
    place.write("bad.py", "def main():\n    raise ValueError('x')\n")
    assert "Traceback" in error_of(pool, place.job(file="bad.py"), place)


def test_a_module_task_is_found_in_the_root_or_installed(pool, place):
    place.write("lib/etl.py", "def main():\n    return __name__\n")
    assert output_of(pool, place.job(module="lib.etl"), place) == "lib.etl"
    assert output_of(pool, place.job(module="platform", function="system"), place) == "Linux"


@pytest.mark.parametrize(
    ("path", "statement"),
    [
        ("other.py", "import other"),
        ("tasks/other.py", "import other"),
        ("other/__init__.py", "from other import x"),
        ("pkg/other.py", "import pkg.other"),
        ("pkg/other.py", "from pkg import other"),
        ("lib/other.py", "import sys; sys.path.insert(0, 'lib'); import other"),
        ("lib/other.py", "import sys; sys.path.append(ROOT + '/lib'); import other"),
        ("other.py", "import sys; sys.path.insert(0, ''); import other"),
    ],
)
def test_what_was_not_captured_is_not_importable(pool, place, path, statement):
    place.write("pkg/__init__.py", "")
    place.write(path, "x = 1\n", capture=False)
    source = f"import os; ROOT = os.getcwd()\ndef main():\n    {statement}\n"
    error = error_of(pool, place.python(source), place)
    assert f"{path} was not captured; add it to `include:`" in error.splitlines()[0]


def test_what_was_not_captured_is_not_executed_by_its_path(pool, place):
    place.write("plugins/other.py", "x = 1\n", capture=False)
    source = """
        import importlib.util
        def main():
            spec = importlib.util.spec_from_file_location("other", "plugins/other.py")
            spec.loader.exec_module(importlib.util.module_from_spec(spec))
        """
    assert "plugins/other.py was not captured" in error_of(pool, place.python(source), place)


@pytest.mark.parametrize("folder", [".venv/lib/python3/site-packages", "dist-packages"])
def test_what_is_installed_below_the_root_need_not_be_captured(pool, place, folder):
    place.write(f"{folder}/other.py", "x = 1\n", capture=False)
    environment = {"PYTHONPATH": str(place.root / folder)}
    job = place.python("import other\ndef main():\n    return other.x\n", environment=environment)
    assert output_of(pool, job, place) == 1


def test_what_is_installed_and_points_to_the_project_finds_the_place(pool, place):
    """As an editable installation does; only the place has the bytes of the snapshot."""
    project = place.folder / "project"
    for folder in ("src", ".venv/site-packages"):
        (project / folder).mkdir(parents=True)
    (project / "src" / "mine.py").write_text("WHERE = 'project'\n")
    (project / ".venv" / "site-packages" / "theirs.py").write_text("WHERE = 'installed'\n")
    place.write("src/mine.py", "WHERE = 'place'\n")
    environment = {"PYTHONPATH": f"{project}/src:{project}/.venv/site-packages"}
    source = "import mine, theirs\ndef main():\n    return [mine.WHERE, theirs.WHERE]\n"
    for _ in range(2):
        job = place.python(source, environment=environment, project=str(project))
        assert output_of(pool, job, place) == ["place", "installed"]
    source = f"""
        from importlib import util
        def main():
            spec = util.spec_from_file_location("mine", "{project}/src/mine.py")
            spec.loader.exec_module(util.module_from_spec(spec))
        """
    error = error_of(pool, place.python(source, project=str(project)), place)
    assert f"{project}/src/mine.py is not of the snapshot that runs" in error


def test_what_was_captured_is_found_where_a_task_adds_to_sys_path(pool, place):
    place.write("lib/other.py", "x = 1\n")
    source = "import sys\ndef main():\n    sys.path.insert(0, 'lib')\n    import other\n"
    alone = "def main():\n    import other\n"
    assert output_of(pool, place.python(source + "    return other.x\n"), place) == 1
    assert "No module named 'other'" in error_of(pool, place.python(alone), place)


def test_sys_path_begins_with_the_folder_of_the_file_and_the_root(pool, place):
    path = output_of(pool, place.python("import sys\ndef main():\n    return sys.path\n"), place)
    assert path[:2] == [str(place.root / "tasks"), str(place.root)]
    assert str(Path(values.__file__).parent) not in path
    place.write("top.py", "import sys\ndef main():\n    return sys.path\n")
    assert output_of(pool, place.job(file="top.py"), place) == path[1:]


def test_pythonpath_of_a_task_is_that_of_its_worker(pool, place):
    installed(place, "one/which.py", "NAME = 'one'\n")
    installed(place, "two/which.py", "NAME = 'two'\n")
    source = "import which\ndef main():\n    return which.NAME\n"
    names = []
    for name in ("one", "two", "one"):
        environment = {"PYTHONPATH": str(place.folder / "site-packages" / name)}
        names.append(output_of(pool, place.python(source, environment=environment), place))
    assert names == ["one", "two", "one"]
    place.write("lib/near.py", "NAME = 'near'\n")
    source = "import near\ndef main():\n    return near.NAME\n"
    job = place.python(source, environment={"PYTHONPATH": "lib"})
    assert output_of(pool, job, place) == "near"


def test_environment_is_exactly_that_of_the_job(pool, place, monkeypatch):
    monkeypatch.setenv("SECRET_OF_ORK", "1")
    source = "import os\ndef main():\n    return dict(os.environ)\n"
    for environment in ({"A": "1"}, {"B": "2", "PYTHONPATH": "/x"}, {"B": "3"}):
        job = place.python(source, environment=environment)
        output = output_of(pool, job, place)
        del output["ORK_COOKIE"]
        output.pop("LC_CTYPE", None)  # Python's own, for the locale C
        assert output == environment


def test_a_job_that_cannot_be_prepared_spoils_no_other(pool, place, survivor):
    source = "import os\ndef main():\n    return os.environ['MINE']\n"
    first = place.python("def main():\n    return 'another'\n")
    assert output_of(pool, first, place) == "another"
    job = place.python(source, environment={"MINE": "1"})
    nowhere = dataclasses.replace(job, root=str(place.folder / "nowhere"))
    assert "nowhere: No such file" in error_of(pool, nowhere, place)
    assert output_of(pool, job, place) == "1"


# Values.


def test_dates_arrive_as_dates_and_leave_as_text(pool, place):
    source = """
        def main(**inputs):
            return {"types": [type(inputs["d"]).__name__, type(inputs["rows"][0]["t"]).__name__],
                    "back": [inputs["d"], inputs["rows"][0]["t"], inputs["text"]]}
        """
    job = place.python(
        source,
        inputs={"d": "2026-01-02", "rows": [{"t": "2026-01-02T03:04:05Z"}], "text": "2026-01-02"},
        input_type={"d": "date", "rows": [{"t": "datetime_utc"}], "text": "str"},
    )
    assert output_of(pool, job, place) == {
        "types": ["date", "datetime"],
        "back": ["2026-01-02", "2026-01-02T03:04:05+00:00", "2026-01-02"],
    }


def test_structured_values_become_json(pool, place):
    source = """
        import collections, dataclasses, datetime, enum
        @dataclasses.dataclass
        class Row:
            a: int
            b: tuple = (1.5, None)
        class Model:
            def __init__(self, **allowed): self.allowed = allowed
            def model_dump(self, **options):
                if set(options) - set(self.allowed): raise TypeError
                return {"options": options}
        class Colour(str, enum.Enum):
            RED = "red"
        class int64:  # as numpy's
            __module__, shape = "numpy", ()
            def item(self): return 7
        def main():
            return [int64(), Row(1), Model(mode=1), Model(),
                    collections.OrderedDict(x=datetime.date.min),
                    Colour.RED, True, "é\\n\\u2028"]
        """
    assert output_of(pool, place.python(source), place) == [
        7,
        {"a": 1, "b": [1.5, None]},
        {"options": {"mode": "json"}},
        {"options": {}},
        {"x": "0001-01-01"},
        "red",
        True,
        "é\n\u2028",
    ]


def test_annotations_that_name_nothing_are_not_in_the_way(pool, place):
    source = """
        class Named(type):
            @property
            def __annotations__(cls): raise NameError("Frame")
        class main(metaclass=Named):
            __new__ = lambda cls, rate: repr(rate)
        """
    assert output_of(pool, place.python(source, inputs={"rate": 1}), place) == "1"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("{'rows': [1, {2}]}", "output.rows[1]: a set is not a JSON value"),
        ("[float('nan')]", "output[0]: nan is not a JSON number"),
        ("1e999", "output: inf is not a JSON number"),
        ("2**53", "output: an integer beyond 2^53-1 loses digits in JSON; `str(...)` of it"),
        ("{1: 2}", "output: the key 1 is an int, not a string; `{str(key): value for"),
        (
            "[*__import__('csv').DictReader(['a', '1,2'])]",
            "output[0]: a row has more fields than the header",
        ),
        ("object()", "an object is not a JSON value; write it to a file, and give its path"),
        ("__import__('enum').Enum('E', 'A').A", "E is not a JSON value; `.value` of it is one"),
        ("['\\ud800']", "output[0]: the text has a lone surrogate"),
        ("b'x'", "output: a bytes is not a JSON value; `.decode()` of it is one"),
        ("__import__('decimal').Decimal(1)", "Decimal is not a JSON value; `str(...)`, or `float("),
        ("__import__('datetime').time()", "a datetime.time is not a JSON value; `.isoformat()` of"),
        ("__import__('pathlib').Path('\\udc80')", "output: the text has a lone surrogate"),
        ("__import__('array').array('d')", "an array.array is not a JSON value; `.tolist()` of"),
        ("(x for x in 'a')", "output: a generator is not a JSON value; `list(...)` of it is one"),
        ("enumerate('a')", "output: an enumerate is not a JSON value; `list(...)` of it is one"),
        (
            "__import__('collections').deque()",
            "deque is not a JSON value; `list(...)` of it is one",
        ),
        ("type.__dict__", "output: a mappingproxy is not a JSON value; `dict(...)` of it is one"),
        ("__import__('fractions').Fraction()", "Fraction is not a JSON value; `str(...)`, or `fl"),
        ("KeyError('a')", "output: a KeyError is not a JSON value; `str(...)` of it is one"),
        ("[l := [], l.append(l)]", "output[0]: it contains itself"),
        ("'x' * (64 * 2**20)", "output: larger than 64 MiB"),
    ],
)
def test_what_is_not_json_is_refused_with_its_place(pool, place, value, error):
    outcome = run(pool, place.python(f"def main():\n    return {value}\n"))
    assert outcome.state == "failed"
    assert error in outcome.error
    assert "Traceback" not in outcome.error


@pytest.mark.slow
def test_the_largest_output_passes(pool, place):
    outcome = run(pool, place.python("def main():\n    return 'x' * (64 * 2**20 - 2)\n"))
    assert len(outcome.output) == 64 * 2**20 - 2


def test_a_task_that_floods_the_channel_costs_only_its_attempt(pool, place, survivor):
    source = """
        import os
        def main():
            for descriptor in range(3, 1000):  # the worker has the number that ork gave it
                try:
                    os.write(descriptor, b"nonsense\\n")
                except OSError:
                    pass
        """
    outcome = run(pool, place.python(source))
    assert outcome.state == "failed"
    survivor()


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3).filter(str.isascii), inner),
    max_leaves=20,
)


@pytest.mark.slow
@given(json_values)
def test_json_values_stay_what_they_are(value):
    assert values.to_json(value) == value
    assert values.from_json(value, None) == value


@given(st.datetimes(timezones=st.just(datetime.UTC)))
def test_moments_are_read_back(moment):
    text = moment.isoformat().replace("+00:00", "Z")
    assert values.from_json([text], ["datetime_utc"]) == [moment]


# Older and newer interpreters, where there are any.


def interpreter(minor: int) -> str | None:
    """Return a working interpreter of a version: one installed beside ours, or on the path.

    What is named like one may be a wrapper that fails.
    """
    name = f"python3.{minor}"
    beside = Path(sys.base_prefix).parent.glob(f"*3.{minor}*/bin/{name}")
    for path in [*sorted(map(str, beside)), shutil.which(name)]:
        show = "import sys; print(sys.executable)"
        done = path and subprocess.run([path, "-c", show], capture_output=True)
        if done and done.returncode == 0:
            return done.stdout.decode().strip()
    return None


@pytest.mark.parametrize("minor", [9, 10, 12, 13, 14])
def test_worker_runs_under_other_interpreters(pool, place, minor):
    python = interpreter(minor)
    if python is None:
        pytest.skip(f"there is no Python 3.{minor}")
    place.write("pkg/__init__.py", "")
    place.write("pkg/part.py", "import datetime\n")
    place.write("space/part.py", "VALUE = 1\n")
    place.write("missing.py", "", capture=False)
    source = """
        import sys
        import space.part
        from pkg.part import datetime
        def main(when, fail=False):
            if fail:
                import missing
            return [sys.executable, type(when).__name__, when, space.part.VALUE]
        """
    fields = {"input_type": {"when": "datetime_utc"}, "python": python}
    job = place.python(source, inputs={"when": "2026-01-02T03:04:05.1Z"}, **fields)
    assert output_of(pool, job, place) == [
        python,
        "datetime",
        "2026-01-02T03:04:05.100000+00:00",
        1,
    ]
    job = place.python(source, inputs={"when": "2026-01-02T03:04:05Z", "fail": True}, **fields)
    error = error_of(pool, job, place)
    assert "missing.py was not captured" in error.splitlines()[0]
    assert "import missing" in error
    assert "importlib" not in error


def test_each_interpreter_has_its_own_workers(place):
    pool = Served(1)
    try:
        for python in (sys.executable, f"{Path(sys.executable).parent}/./python", sys.executable):
            job = place.python("import os\ndef main():\n    return os.getpid()\n", python=python)
            outcome = run(pool, job)
            assert outcome.state == "success"
            assert [worker.tree.pid for worker in pool.executor._children] == [outcome.output]
    finally:
        pool.close()


# What a worker is sent, and prints, at its own pace.


HALF_CLOSED = """
import socket, sys, time
socket.socket(fileno=int(sys.argv[1])).shutdown(socket.SHUT_WR)
time.sleep(0.1)
"""


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("exec sleep 300", "timed out after 0.5 s"),
        ("sleep 0.1; exit 3", "exited with code 3 before answering"),
        (f"{sys.executable} -c {shlex.quote(HALF_CLOSED)} $2; exit 3", "exited with code 3"),
    ],
    ids=["never", "and ends", "and hangs up"],
)
def test_an_interpreter_that_reads_none_of_a_large_job_stops_nobody(place, line, error):
    pool = Served(2)
    try:
        place.write("python", f"#!/bin/bash\n{line}\n", mode=0o755)
        source = "def main(text):\n    return len(text)\n"
        given = {"inputs": {"text": "x" * 3_000_000}}
        job = place.python(source, **given)
        deaf = dataclasses.replace(job, python=str(place.root / "python"), timeout_s=0.5)
        future = pool.submit(deaf)
        assert run(pool, job).output == 3_000_000
        assert error in future.result(timeout=60).error
    finally:
        pool.close()


def test_what_an_idle_worker_prints_is_nobodys(place):
    with DefaultSelector() as selector:
        executor = Local(1, selector)
        try:
            for number in range(2):
                job = place.python("def main():\n    print('mine')\n")
                executor.start("a", job)
                while not (ended := executor.step()):
                    for key, _ in selector.select(60):
                        key.data()
                assert ended[0][1].state == "success"
                assert Path(job.log).read_text() == "mine\n"
                (worker,) = executor._children
                pipe = os.fstat(worker.printed).st_ino
                files = Path(f"/proc/{worker.tree.pid}/fd").iterdir()
                next(f for f in files if f.stat().st_ino == pipe).write_text(f"late {number}\n")
        finally:
            executor.close()
