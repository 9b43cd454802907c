"""Each attempt begins clean in a warm worker, and ends as a Python process ends."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import py_compile
import random
from pathlib import Path

import pytest

from tests.executors.suite import Served, alive, read_pid, run
from tests.worker.test_worker import error_of, installed, output_of

# What is put back: a change, and what the next attempt sees of it.

CHANGES = {
    "globals": ("module.SEEN.append(1)", "module.SEEN"),
    "attributes of modules of the project": ("near.VALUE = 2", "near.VALUE"),
    "modules": (
        "sys.modules['json'] = sys.modules['made'] = 1",
        "['made' in sys.modules, str(type(sys.modules['json']))]",
    ),
    "removed modules": ("del sys.modules['json']", "'json' in sys.modules"),
    "builtins": (
        "builtins.open = builtins.mine = None",
        "[open is None, hasattr(builtins, 'mine')]",
    ),
    "environment": ("os.environ['TZ'] = 'x'; os.environ.clear()", "sorted(os.environ)"),
    "another environment": ("os.environ = {}", "sorted(os.environ)"),
    "zone": ("os.environ['TZ'] = 'Asia/Tokyo'; time.tzset()", "[time.tzname, time.timezone]"),
    "working directory": ("os.chdir('/')", "os.getcwd()"),
    "umask": ("os.umask(0)", "os.umask(0o77)"),
    "sys.path": ("sys.path.insert(0, '/x')", "sys.path"),
    "another sys.path": ("sys.path = ()", "sys.path"),
    "sys.argv": ("sys.argv = ['x', 'y']", "sys.argv"),
    "sys.meta_path": ("sys.meta_path.insert(0, Finder())", "len(sys.meta_path)"),
    "sys.path_hooks": ("sys.path_hooks.clear()", "len(sys.path_hooks)"),
    "signals": (
        "for n in (1, 2, 15, 17, 34): signal.signal(n, signal.SIG_IGN)",
        "[str(signal.getsignal(n)) for n in (1, 2, 15, 17, 34)]",
    ),
    "a mask of signals": (
        "signal.pthread_sigmask(signal.SIG_BLOCK, [15])",
        "len(signal.pthread_sigmask(signal.SIG_BLOCK, []))",
    ),
    "timers": ("signal.setitimer(signal.ITIMER_VIRTUAL, 999)", "signal.getitimer(1)[0] > 0"),
    "log handlers and levels": (
        "logging.basicConfig(level=1); logging.getLogger('a').setLevel(1); "
        "logging.getLogger('a').addHandler(logging.StreamHandler())",
        "[[x.level, len(x.handlers)] for x in (logging.root, logging.getLogger('a'))]",
    ),
    "disabled logging": ("logging.disable(50)", "logging.root.manager.disable"),
    "names of levels": ("logging.addLevelName(20, 'X')", "logging.getLevelName(20)"),
    "warnings": ("warnings.simplefilter('error')", "len(warnings.filters)"),
    "a warning that is shown once": ("warned()", "warned()"),
    "decimal context": ("decimal.getcontext().prec = 3", "str(decimal.Decimal(1) / 3)"),
    "default decimal context": ("decimal.DefaultContext.prec = 3", "str(decimal.Decimal(1) / 3)"),
    "context variables": ("others.VARIABLE.set('mine')", "others.VARIABLE.get('none')"),
    "locale": (
        "locale.setlocale(locale.LC_ALL, 'POSIX')",
        "[locale.setlocale(n) for n in (locale.LC_CTYPE, locale.LC_NUMERIC)]",
    ),
    "socket timeout": ("socket.setdefaulttimeout(1)", "socket.getdefaulttimeout()"),
    "random seed": ("random.seed(1)", "random.random() == random.Random(1).random()"),
    "hooks": (
        "sys.excepthook = sys.displayhook = sys.breakpointhook = threading.excepthook = print",
        "print in (sys.excepthook, sys.displayhook, sys.breakpointhook, threading.excepthook)",
    ),
    "trace and profile": (
        "sys.setprofile(print); threading.setprofile(print)",
        "[sys.getprofile(), threading._profile_hook]",
    ),
    "recursion limit": ("sys.setrecursionlimit(5000)", "sys.getrecursionlimit()"),
    "switch interval": ("sys.setswitchinterval(1)", "sys.getswitchinterval()"),
    "digits": ("sys.set_int_max_str_digits(0)", "sys.get_int_max_str_digits()"),
    "length of tracebacks": ("sys.tracebacklimit = 0", "hasattr(sys, 'tracebacklimit')"),
    "event loop policy": (
        "asyncio.events._event_loop_policy = 1",
        "asyncio.events._event_loop_policy == 1",
    ),
    "resource limits": (
        "resource.setrlimit(resource.RLIMIT_NOFILE, (99, resource.getrlimit(7)[1]))",
        "resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 99",
    ),
    "garbage collector": (
        "gc.disable(); gc.set_threshold(1)",
        "[gc.isenabled(), gc.get_threshold()]",
    ),
    "streams": (
        "sys.stdout.reconfigure(errors='strict', line_buffering=False)",
        "[sys.stdout.errors, sys.stdout.line_buffering]",
    ),
    "__main__": ("import __main__; __main__.x = 1", "hasattr(__import__('__main__'), 'x')"),
    "priority": ("os.nice(1)", "os.nice(0)"),
}
OTHERS = """
import contextvars, warnings
VARIABLE = contextvars.ContextVar("VARIABLE")
def warn():
    warnings.warn("x")
"""
FORGETFUL = """
import asyncio, builtins, decimal, gc, io, locale, logging, os, random, resource, signal, socket
import sys, threading, time, warnings
import near, others
module = sys.modules[__name__]
SEEN = []
class Finder:
    def find_spec(self, *_): pass
def warned():
    kept, sys.stderr = sys.stderr, io.StringIO()
    others.warn()
    kept, sys.stderr = sys.stderr, kept
    return kept.getvalue()
"""


@pytest.mark.slow
def test_whatever_an_attempt_changes_the_next_one_finds_as_it_was(place):
    """One worker for all: each change in an attempt of its own."""
    installed(place, "others.py", OTHERS)
    place.write("near.py", "VALUE = 1\n")
    lines = [f"def change_{n}():\n    {c}\n" for n, (c, _) in enumerate(CHANGES.values())]
    lines += [f"def look_{n}():\n    return {s}\n" for n, (_, s) in enumerate(CHANGES.values())]
    lines += ["def pid():\n    return os.getpid()\n"]
    place.write("task.py", FORGETFUL + "".join(lines))
    environment = {
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": str(place.folder / "site-packages"),
        "TZ": "Europe/Berlin",
        "PYTHONCOERCECLOCALE": "0",
    }

    def job(function):
        return place.job(file="task.py", function=function, environment=environment)

    fresh, warm, wrong = Served(1), Served(1), {}
    try:
        # In the fresh one every look comes first, in the warm one after its change.
        clean = [output_of(fresh, job(f"look_{n}"), place) for n in range(len(CHANGES))]
        before = output_of(warm, job("pid"), place)
        for n, name in enumerate(CHANGES):
            output_of(warm, job(f"change_{n}"), place)
            found = output_of(warm, job(f"look_{n}"), place)
            if found != clean[n]:
                wrong[name] = (clean[n], found)
        assert wrong == {}
        assert output_of(warm, job("pid"), place) == before
    finally:
        fresh.close()
        warm.close()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.turns(2)
def test_a_warm_worker_gives_what_a_fresh_process_gives(place, seed):
    """Random sequences of attempts that change the interpreter and look at it."""
    installed(place, "others.py", OTHERS)
    place.write("near.py", "VALUE = 1\n")
    changes, looks = zip(*CHANGES.values(), strict=True)
    choose = random.Random(seed)
    functions = []
    text = FORGETFUL
    for number in range(5):
        text += f"def step_{number}():\n"
        for change in choose.sample(changes, 6):
            text += f"    {change}\n"
        text += "    return [" + ", ".join(choose.sample(looks, 15)) + "]\n"
        functions.append(f"step_{number}")
    place.write("task.py", text)
    environment = {"PYTHONPATH": str(place.folder / "site-packages"), "TZ": "Europe/Berlin"}
    pool = Served(1)
    try:
        for function in functions:
            job = place.job(file="task.py", function=function, environment=environment)
            warm = run(pool, job)
            alone = run(pool, dataclasses.replace(job, fresh=True, log=f"{job.log}f"))
            got, expected = ((o.state, o.output, (o.error or "")[:200]) for o in (warm, alone))
            assert got == expected
    finally:
        pool.close()


def test_what_a_module_of_somebody_else_changes_when_it_is_imported_stays(pool, place):
    """As in a fresh process, where it is imported again."""
    installed(
        place,
        "settled.py",
        """
import atexit, logging, sys, warnings
warnings.filterwarnings("ignore", message="settled")
logging.getLogger("settled").setLevel(10)
sys.meta_path.append(type("Finder", (), {"find_spec": lambda *_: None})())
sys.setrecursionlimit(2000)
atexit.register(print, "the end")
""",
    )
    source = """
        import settled
        import logging, os, sys, warnings
        def main():
            found = [len(warnings.filters), logging.getLogger("settled").level,
                     len(sys.meta_path), sys.getrecursionlimit(), os.getpid()]
            warnings.filters.clear()
            logging.getLogger("settled").setLevel(50)
            sys.meta_path.clear()
            sys.setrecursionlimit(3000)
            return found
        """
    environment = {"PYTHONPATH": str(place.folder / "site-packages")}
    jobs = [place.python(source, environment=environment) for _ in range(3)]
    first, second, third = (output_of(pool, job, place) for job in jobs)
    assert first[1:4] == [10, first[2], 2000]
    assert first == second == third


def test_a_module_of_the_project_may_have_the_name_of_one_that_is_looked_at(pool, place):
    installed(place, "others.py", "VALUE = 1\n")
    names = ("decimal", "logging", "socket")
    for name in names:
        place.write(f"a/{name}.py", "VALUE = 1\n")
    sources = {
        "a": "return [decimal.VALUE, logging.VALUE, socket.VALUE, others.VALUE]",
        "b": "return [str(decimal.Decimal(1) / 4), logging.raiseExceptions, socket.AF_INET > 0]",
    }
    for folder, line in sources.items():
        source = f"import {', '.join(names)}, others\ndef main():\n    {line}\n"
        place.write(f"{folder}/task.py", source)
    environment = {"PYTHONPATH": str(place.folder / "site-packages")}
    jobs = [place.job(file=f"{folder}/task.py", environment=environment) for folder in "abab"]
    ones, real = [1, 1, 1, 1], ["0.25", True, True]
    assert [output_of(pool, job, place) for job in jobs] == [ones, real, ones, real]


def test_a_module_that_has_imported_one_of_the_project_does_not_stay(pool, place):
    """Its `json` is that of the folder of the first task, not of the second."""
    installed(place, "others.py", "import json\nWHERE = json.WHERE\n")
    for folder in "ab":
        place.write(f"{folder}/json.py", f"WHERE = '{folder}'\n")
        place.write(f"{folder}/task.py", "import others\ndef main():\n    return others.WHERE\n")
    environment = {"PYTHONPATH": str(place.folder / "site-packages")}
    jobs = [place.job(file=f"{folder}/task.py", environment=environment) for folder in "aba"]
    assert [output_of(pool, job, place) for job in jobs] == ["a", "b", "a"]


REPLACING = {
    "an attribute": "json.dumps = print",
    "one of a module that has another name": "other.dumps = print",
    "one of a class": "json.JSONEncoder.default = print",
    "several": "x = json.dumps = json.loads = print",
    "by setattr": "setattr(json, 'dumps', print)",
    "of a module that the function imports": "import socket; socket.socket = print",
    "a new one": "json.mine = 1",
}
LEAVING = {
    "none": "here = json.dumps == print",
    "of an object": "decoder.strict = False; Own.dumps = self.dumps = print",
    "of what is put back": "logging.raiseExceptions = False; sys.stdout = sys.stderr",
    "of the project": "near.VALUE = 2",
}
REPLACES = """
import json, json as other, logging, os, sys, near
decoder = json.JSONDecoder()
class Own: pass
self = Own()
def main():
    {}
    return os.getpid()
"""


@pytest.mark.parametrize("name", [*REPLACING, *LEAVING])
def test_a_worker_in_which_a_library_of_python_is_replaced_is_not_used_again(pool, place, name):
    place.write("near.py", "VALUE = 1\n")
    line = {**REPLACING, **LEAVING}[name]
    place.write("task.py", REPLACES.format(line))
    job = place.job(file="task.py")
    pids = [output_of(pool, job, place) for _ in range(3)]
    assert len({*pids}) == (3 if name in REPLACING else 1)


def test_a_retry_does_not_get_the_worker_of_the_failed_attempt(pool, place):
    """Case 11."""
    place.write(
        "t.py",
        """
        import os
        SEEN = []
        CONNECTION = f"opened in attempt {os.environ['ORK_ATTEMPT']}"
        def step(name):
            SEEN.append(name)
            return [os.getpid(), *SEEN]
        def flaky():
            if os.environ["ORK_ATTEMPT"] == "1":
                raise RuntimeError("connection lost")
            return [os.getpid(), CONNECTION]
        """,
    )

    def job(function, attempt="1", **inputs):
        environment = {"ORK_ATTEMPT": attempt}
        return place.job(file="t.py", function=function, inputs=inputs, environment=environment)

    pid, *seen = output_of(pool, job("step", name="a"), place)
    assert seen == ["a"]
    assert output_of(pool, job("step", name="b"), place) == [pid, "b"]
    assert "connection lost" in error_of(pool, job("flaky"), place)
    other, said = output_of(pool, job("flaky", attempt="2"), place)
    assert said == "opened in attempt 2"
    assert other != pid


def test_a_fresh_task_has_a_process_that_no_other_has(pool, place):
    source = "import os\ndef main():\n    return os.getpid()\n"
    fresh = [False, True, True, False, True]
    jobs = [place.python(source, fresh=one) for one in fresh]
    pids = [output_of(pool, job, place) for job in jobs]
    assert len({pid for pid, one in zip(pids, fresh, strict=True) if one}) == 3
    assert not {pids[0], pids[3]} & {pids[1], pids[2], pids[4]}
    assert not any(map(alive, (pids[1], pids[2], pids[4])))


# What a process does at its end.

DEFERRED = {
    "thread": "threading.Thread(target=work).start()",
    "pool": "concurrent.futures.ThreadPoolExecutor(1).submit(work)",
    "atexit": "atexit.register(work)",
    "foreign": "others.at_exit(work)",
    "finalizer": "kept.append(work); weakref.finalize(others, work)",
    "buffered": "module.file = open(path, 'w'); module.file.write('done')",
    "kept": "others.file = open(path, 'w'); others.file.write('done')",
    "log": "logging.getLogger('x').addHandler(Memory(99)); logging.getLogger('x').error('done')",
    "child": "multiprocessing.get_context('fork').Process(target=work).start()",
    "failed": "atexit.register(work); raise ValueError",
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", DEFERRED)
def test_what_a_task_leaves_for_the_end_is_done_within_its_attempt(pool, place, name):
    """Case 08."""
    installed(place, "others.py", "import atexit\ndef at_exit(f):\n    atexit.register(f)\n")
    place.write(
        "t.py",
        f"""
        import atexit, concurrent.futures, logging, logging.handlers, multiprocessing, sys
        import threading, time, weakref
        import others
        module = sys.modules[__name__]
        kept = []
        class Memory(logging.handlers.MemoryHandler):
            def flush(self):
                open(path, "w").write(self.buffer[0].getMessage()) if self.buffer else None
        def work():
            time.sleep(0.1)
            print("printed at the end")
            with open(path, "w") as file:
                file.write("done")
        def main(file):
            global path
            path = file
            {DEFERRED[name]}
        """,
    )
    done = place.folder / "done"
    environment = {"PYTHONPATH": str(place.folder / "site-packages")}
    job = place.job(file="t.py", inputs={"file": str(done)}, environment=environment)
    outcome = run(pool, job)
    assert outcome.state == ("failed" if name == "failed" else "success"), outcome.error
    assert done.read_text() == "done"
    if name not in ("buffered", "kept", "log"):
        assert "printed at the end\n" in Path(job.log).read_text()


BUSY = """
import os, signal, sys, threading, time
def sleep():
    time.sleep(300)
def in_c():
    return sum(range(10**12))  # holds the interpreter: no handler of Python would run
def in_threads():
    thread = threading.Thread(target=sleep)
    thread.start()
    thread.join()
def in_a_child():
    if os.fork():
        os.wait()
    sleep()
def handled():
    signal.signal(signal.SIGTERM, lambda *_: None)
    sleep()
def main(name):
    if name == "restores":
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        return signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    globals()[name]()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "function", "places"),
    [
        ("sleep", "sleep", 1),
        ("in_c", "in_c", 1),
        ("in_threads", "sleep", 2),
        ("in_a_child", "in_a_child", 1),
        ("handled", None, 0),
    ],
)
def test_a_timeout_tells_where_the_task_was(pool, place, name, function, places):
    job = place.python(BUSY, inputs={"name": "restores"})
    assert run(pool, job).output is True, "a handler of before is none of its own"
    outcome = run(pool, place.job(file=job.file, inputs={"name": name}, timeout_s=0.5))
    first, _, where = outcome.error.partition("\n\n")
    assert first == "timed out after 0.5 s"
    assert where.count("most recent call first") == places
    if function:
        assert where.count(f"in {function}\n") == 1, where
    assert "worker/main.py" not in where
    assert not Path(job.log).exists(), "it has printed nothing"


@pytest.mark.slow
def test_what_does_not_end_times_out_in_words(pool, place):
    source = """
        import os, threading, time
        def main(file, fails):
            threading.Thread(target=time.sleep, args=(300,)).start()
            with open(file, "w") as out:
                out.write(f"{os.getpid()}\\n")
            if fails:
                raise ValueError("no")
        """
    for fails, words in ((False, "the function had returned"), (True, "failed (ValueError: no)")):
        file = place.folder / f"pid{fails}"
        job = place.python(source, inputs={"file": str(file), "fails": fails}, timeout_s=0.6)
        outcome = run(pool, job)
        assert outcome.state == "failed"
        assert outcome.error.startswith("timed out after 0.6 s: the function had ")
        first, _, where = outcome.error.partition("\n\n")
        assert first.endswith(f"{words}, its threads had not ended")
        assert where.count("a thread was here") == 2 and "in _shutdown" in where
        assert not alive(read_pid(file))


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("os.kill(os.getpid(), 9)", "killed by signal 9 (SIGKILL); perhaps out of memory"),
        ("os._exit(3)", "exited with code 3"),
    ],
)
def test_an_end_that_fails_is_a_failure(pool, place, statement, error):
    source = f"import atexit, os\ndef main():\n    atexit.register(lambda: {statement})\n"
    outcome = run(pool, place.python(source))
    assert (outcome.state, outcome.error) == (
        "failed",
        f"{error}, after the function had returned",
    )
    source = source + "    raise ValueError('no')\n"
    assert run(pool, place.python(source)).error.startswith("ValueError: no")


def test_a_stop_while_a_task_ends_stops_it(pool, place):
    source = """
        import os, threading, time
        def main(file):
            def last():
                threading.main_thread().join()
                with open(file, "w") as out:
                    out.write(f"{os.getpid()}\\n")
                time.sleep(300)
            threading.Thread(target=last).start()
        """
    file = place.folder / "pid"
    future = pool.submit(place.python(source, inputs={"file": str(file)}))
    pid = read_pid(file)
    pool.stop(grace_s=30)
    assert future.result(timeout=20).state == "cancelled"
    assert not alive(pid)


# Byte code, and other interpreters.


def test_stale_byte_code_never_executes(pool, place):
    """Neither what lies beside the file nor what the worker compiled before."""
    place.write("dep.py", "VALUE = 1\n")
    job = place.python("import dep\ndef main():\n    return dep.VALUE\n")
    py_compile.compile(str(place.root / "dep.py"))
    status = (place.root / "dep.py").stat()
    values = []
    for number in (2, 3):
        place.write("dep.py", f"VALUE = {number}\n")
        os.utime(place.root / "dep.py", ns=(status.st_atime_ns, status.st_mtime_ns))
        again = dataclasses.replace(job, log=f"{job.log}{number}")
        values.append(output_of(pool, again, place))
    assert values == [2, 3]


def test_another_file_in_the_place_of_one_that_was_compiled_is_executed(pool, place):
    """One of the same size and age; to the worker both are old, so that it looks no closer."""
    place.write("dep.py", "VALUE = 1\n")
    source = """
        import time
        time.time_ns = lambda: 2**62
        import dep
        def main():
            return dep.VALUE
        """
    first, second, third = (place.python(source) for _ in range(3))
    assert [output_of(pool, job, place) for job in (first, second)] == [1, 1]
    status = (place.root / "dep.py").stat()
    other = place.root / "other.py"
    other.write_text("VALUE = 2\n")
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(place.root / "dep.py")
    assert output_of(pool, third, place) == 2


def test_byte_code_without_its_source_is_a_file_like_others(pool, place):
    place.write("dep.py", "VALUE = 1\n", capture=False)
    compiled = py_compile.compile(str(place.root / "dep.py"), str(place.root / "dep.pyc"))
    (place.root / "dep.py").unlink()
    job = place.python("import dep\ndef main():\n    return dep.VALUE\n")
    assert "dep.pyc was not captured" in run(pool, job).error
    place.write("dep.pyc", Path(compiled).read_bytes())
    job = dataclasses.replace(job, files=tuple(place.files), log=f"{job.log}2")
    assert output_of(pool, job, place) == 1


def test_byte_code_is_written_beside_what_is_installed_only(pool, place):
    installed(place, "others.py", "VALUE = 1\n")
    place.write("near.py", "")
    source = """
        import importlib.util, others, near, subprocess, sys
        def main():
            spec = importlib.util.spec_from_file_location("again", near.__file__)
            spec.loader.exec_module(importlib.util.module_from_spec(spec))
            subprocess.run([sys.executable, "-c", "import near"], check=True)
        """
    path = f"{place.folder / 'site-packages'}:{place.root}"
    environment = {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "ork"}
    output_of(pool, place.python(source, environment=environment), place)
    assert [found.parent.parent.name for found in place.folder.rglob("*.pyc")] == ["site-packages"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_children_of_multiprocessing_import_the_project(pool, place, method):
    """Case 07."""
    place.write("helper.py", "def square(x): return x * x\n")
    source = f"""
        import multiprocessing
        from helper import square
        def twice(x):
            return 2 * x
        def main():
            with multiprocessing.get_context("{method}").Pool(2) as pool:
                return [pool.map(square, [1, 2, 3]), pool.map(twice, [1])]
        """
    assert output_of(pool, place.python(source), place) == [[1, 4, 9], [2]]


def test_machine_code_of_the_project_is_loaded_into_one_attempt_only(pool, place):
    """It keeps what it holds when it is imported again."""
    origin = getattr(importlib.util.find_spec("_queue"), "origin", None)
    if not origin or not Path(origin).exists():
        pytest.skip("there is no extension module to copy")
    place.write(Path(origin).name, Path(origin).read_bytes())
    source = "import _queue, os\ndef main():\n    return [os.getpid(), _queue.__file__]\n"
    jobs = [place.python(source) for _ in range(2)]
    (pid, file), (other, _) = (output_of(pool, job, place) for job in jobs)
    assert file == str(place.root / Path(origin).name)
    assert pid != other
    job = dataclasses.replace(jobs[0], files=(jobs[0].file,), log=f"{jobs[0].log}2")
    assert "was not captured; add it to `include:`" in run(pool, job).error
