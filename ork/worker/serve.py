"""What a warm worker does, as `main.py` says: it takes jobs, runs one at a time, and answers."""

from __future__ import annotations

import faulthandler
import gc
import importlib.util
import io
import json
import os
import signal
import sys
import traceback
from _contextvars import Context
from collections.abc import Coroutine
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from ork.worker import interpreter, modules, surroundings, values

OUTPUT_BYTES_MAX = 64 * 1024 * 1024
READ_BYTES = 64 * 1024  # for more, each read would have to be given fresh memory by the kernel
ERROR_CHARACTERS_MAX = 1_000_000  # ork keeps less, but must see whole what it masks
HERE = os.path.dirname(os.path.abspath(__file__))
OURS = (HERE + "/", "<frozen importlib", str(importlib.__file__))
TRACE, PROFILE = sys.gettrace(), sys.getprofile()
ASKED = ("EOFError", "EOF when reading a line")  # what input() raises; a debugger: BdbQuit
ANSWER = "ORK_OUTPUT:"
WRITTEN = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)


class Refused(Exception):
    """A job that cannot be run as it is; the text says why."""


def main(startup: frozenset[str]) -> None:
    """Serve jobs until the channel ends, or a job needs the end of the process.

    `startup` names the modules that every script finds loaded.
    """
    channel, lifeline = int(sys.argv[1]), int(sys.argv[2])
    sys.argv[:] = [""]
    faulthandler.enable(2)  # a crash in C code tells in the log where it was
    for descriptor in (channel, lifeline):
        os.set_inheritable(descriptor, False)
    _die_with(lifeline)
    worker = Worker(channel, startup)
    received = bytearray()
    while True:
        data = os.read(channel, READ_BYTES)
        if not data:
            os._exit(0)
        received += data
        if data.endswith(b"\n"):
            then, answer = worker.run(_understood(json.loads(received.decode())))
            received.clear()
            _send(channel, answer)
            if then == "end":
                return


def _understood(job: dict[str, Any]) -> dict[str, Any]:
    """Return a job with names of files and variables as this interpreter reads and writes them.

    ork has them in UTF-8 whatever the locale.
    """
    if sys.getfilesystemencoding() == "utf-8":
        return job
    if "task" in job:
        job["task"][1] = _local(job["task"][1])
    return {**job, **{part: _local(job[part]) for part in ("set", "unset", "code") if part in job}}


def _local(value: Any) -> Any:
    if isinstance(value, str):
        return os.fsdecode(value.encode("utf-8", "surrogateescape"))
    if isinstance(value, list):
        return list(map(_local, value))
    if isinstance(value, dict):
        return {_local(name): _local(one) for name, one in value.items()}
    return value


def _send(channel: int, answer: bytes) -> None:
    view = memoryview(answer)
    while view:
        view = view[os.write(channel, view) :]


def _die_with(lifeline: int) -> None:
    """Let the process group be killed when the other end of the lifeline closes."""
    import fcntl
    import select

    if hasattr(fcntl, "F_SETSIG"):
        # By the kernel: this needs no thread, and works while C code holds the interpreter.
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_ASYNC | fcntl.fcntl(lifeline, fcntl.F_GETFL))
        if select.select([lifeline], [], [], 0)[0]:  # closed before anybody listened
            os.killpg(0, signal.SIGKILL)
        return
    import threading

    def watch() -> None:
        os.read(lifeline, 1)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def _sibling(name: str) -> ModuleType:
    """Load a module of this folder without making the folder a place of imports."""
    spec = importlib.util.spec_from_file_location(f"_ork_{name}", os.path.join(HERE, f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if not TYPE_CHECKING:
    interpreter = _sibling("interpreter")
    modules = _sibling("modules")
    surroundings = _sibling("surroundings")
    values = _sibling("values")


class Worker:
    """Runs tasks, one after the other; keeps what they have imported of others for the next."""

    def __init__(self, channel: int, startup: frozenset[str]) -> None:
        self._pid = os.getpid()
        self._root = "/"
        self._task: Any = None  # kind, file, module, function, input type
        self._surroundings = surroundings.Surroundings()
        self._interpreter = interpreter.Interpreter(channel)
        self._modules = modules.Modules(
            startup, self._interpreter.around_import, interpreter.ATTRIBUTES
        )
        gc.freeze()  # what is here to stay costs no look after each attempt

    def run(self, job: dict[str, Any]) -> tuple[str, bytes]:
        """Run one job; return what becomes of the worker, and the answer as a line."""
        output = b"null"
        problem = None
        ready = False
        try:
            self._prepare(job)
            ready = True
            output = _encoded(Context().run(self._call, job))
        except SystemExit as end:
            if end.code not in (None, 0):
                problem = _exit_of(end)
        except BaseException as error:  # whatever a task raises is how it ended, no more
            _flush(*self._surroundings.printed_to())
            problem = {"error": _words(error)}
        _flush(*self._surroundings.printed_to())
        ended = monotonic()
        if os.getpid() != self._pid:
            os._exit(0)  # a child that the task has forked came back from its function
        if not ready:
            then = "kill"  # it may lack what ork believes it to have by now
        elif problem or job.get("fresh") or self._task[0] == "library":
            then = "end"
        else:
            then = self._clean_up()
        if problem is None:
            head = f'{{"then":"{then}","at":{ended!r},"output":'
            return then, b"%s%s}\n" % (head.encode(), output)
        return then, json.dumps({"then": then, **problem}).encode() + b"\n"

    def _prepare(self, job: dict[str, Any]) -> None:
        """Give the task its log, its environment, its code and its folder."""
        try:
            self._surroundings.enter(job)
            if "code" in job:
                self._root, files, project, data = job["code"]
                self._modules.settle(self._root, files, project, data)
            self._task = job.get("task", self._task)
            os.chdir(self._root)
        except OSError as problem:
            raise Refused(f"cannot start: {problem.filename}: {problem.strerror}") from None
        except ValueError as problem:
            raise Refused(f"cannot start: {problem}") from None

    def _has_deferred(self) -> bool:
        """Say whether the task has left what a Python process does at its end."""
        processes = sys.modules.get("multiprocessing.process")
        return (
            self._interpreter.waits_for_exit()
            or self._has_threads()
            or bool(processes and processes.active_children())
        )

    def _has_threads(self) -> bool:
        """Say whether threads of the task still run; those of libraries may, as daemons."""
        threading = sys.modules.get("threading")
        if threading is None or threading.active_count() == 1:
            return False
        main = threading.main_thread()
        if any(thread is not main and not thread.daemon for thread in threading.enumerate()):
            return True
        return any(
            self._modules.is_own(frame.f_code.co_filename)
            for number, innermost in sys._current_frames().items()
            for frame, _ in traceback.walk_stack(innermost)
            if number != main.ident
        )

    def _clean_up(self) -> str:
        """Make the worker what it was before the task; return what becomes of it."""
        try:
            if self._has_deferred():
                return "end"
            self._interpreter.disarm()
            children = self._surroundings.has_children()  # while SIGCHLD is what the task made it
            grown, clean = self._modules.leave()
            self._interpreter.put_back(grown=grown)
        except Exception:  # a limit that was lowered for good, a log handler that fails to close
            return "kill"
        # Before they are collected, which closes a file beneath its buffer.
        _flush(*(held for held in gc.get_objects() if issubclass(type(held), WRITTEN)))
        gc.collect()
        if grown:
            gc.freeze()
        if self._interpreter.waits_to_finalize():
            return "end"
        if not self._surroundings.leave() or not clean:
            return "kill"
        return "look" if children else "wait"

    def _call(self, job: dict[str, Any]) -> Any:
        kind, file, where, function, input_type = self._task
        if kind == "library":
            return self._call_library(file, job["inputs"])
        if file is not None:
            where = file
            self._modules.enter(file.rpartition("/")[0])
            module = self._modules.load_file(file)
        else:
            self._modules.enter("")
            module = importlib.import_module(where)
        inputs = values.from_json(job["inputs"] or {}, input_type)
        called = _function(module, function or "main", where)
        return values.to_json(_called(called, _with_floats(inputs, called)))

    def _call_library(self, file: str, inputs: Any) -> Any:
        import ctypes

        try:
            library = ctypes.CDLL(os.path.join(self._root, file))
            library.ork_task_run.restype = ctypes.c_void_p
            library.ork_task_run.argtypes = [ctypes.c_char_p]
            library.ork_task_free.restype = None
            library.ork_task_free.argtypes = [ctypes.c_void_p]
        except (OSError, AttributeError) as problem:
            raise Refused(f"{file} is no task library: {problem}") from None
        pointer = library.ork_task_run(json.dumps(inputs or {}).encode())
        text = ctypes.string_at(pointer) if pointer else None
        if pointer:
            library.ork_task_free(pointer)
        ctypes.CDLL(None).fflush(None)  # what C printed belongs to this task's log
        if text is None:
            raise Refused(f"{file}: ork_task_run returned NULL")
        try:
            answer = text.decode("utf-8").strip()
            return json.loads(answer[len(ANSWER) :] if answer.startswith(ANSWER) else answer)
        except ValueError as problem:
            raise Refused(f"{file}: ork_task_run returned no JSON: {problem}") from None


def _function(module: ModuleType, name: str, where: str) -> Any:
    function = getattr(module, name, None)
    if function is None:
        own = [
            key
            for key, value in vars(module).items()
            if not key.startswith("_")
            and callable(value)
            and getattr(value, "__module__", None) == module.__name__
        ]
        defines = f"it defines {', '.join(own[:10])}" if own else "it defines none"
        raise Refused(f"{where} has no function {name!r}; {defines}")
    if not callable(function):
        raise Refused(f"{name!r} in {where} is {type(function).__name__!r}, not a function")
    return function


def _with_floats(inputs: dict[str, Any], function: Any) -> dict[str, Any]:
    """Return inputs of which 1 is 1.0 where the function says `float`: JSON has one for both."""
    try:
        said = dict(function.__annotations__)
    except Exception:  # it has none, or what they name is only there for type checkers
        return inputs
    fitted = dict(inputs)
    for name in inputs.keys() & said.keys():
        try:
            fitted[name] = values.with_floats(inputs[name], said[name], function)
        except Exception:  # this one cannot be evaluated
            pass
    return fitted


def _called(function: Any, inputs: dict[str, Any]) -> Any:
    try:
        returned = function(**inputs)
    except TypeError as problem:
        trace = problem.__traceback__
        if trace is not None and trace.tb_next is None:  # the call itself, not something in it
            names = ", ".join(inputs) or "no inputs"
            raise Refused(f"the function does not take ({names}): {problem}") from None
        raise
    finally:
        sys.settrace(TRACE)
        sys.setprofile(PROFILE)
    if isinstance(returned, Coroutine):
        import asyncio

        return asyncio.run(returned)
    return returned


_dumps = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False).encode


def _encoded(value: Any) -> bytes:
    encoded = _dumps(value).encode()
    if len(encoded) > OUTPUT_BYTES_MAX:
        size = OUTPUT_BYTES_MAX >> 20
        raise Refused(f"output: larger than {size} MiB; write a file, return its path")
    return encoded


def _flush(*files: Any) -> None:
    for file in files:
        try:
            file.flush()
        except BaseException:  # it is closed, its disk is full, it is not even a file
            pass


def _exit_of(end: SystemExit) -> dict[str, Any]:
    """Return how the task failed that has ended itself, in its own words where it has some."""
    if isinstance(end.code, int):
        return {"error": f"exited with code {int(end.code)}", "exit": end.code & 0xFF}
    words = str(end.code).encode("utf-8", "backslashreplace")
    try:
        os.write(2, words + b"\n")
    except OSError:
        pass
    return {"error": words[:ERROR_CHARACTERS_MAX].decode("utf-8", "replace")}


def _words(problem: BaseException) -> str:
    """Return one line and, unless the task was never at fault, its traceback; log the latter."""
    if isinstance(problem, (Refused, values.Unfit)):
        words = str(problem)
    else:
        try:
            text = str(problem)
        except BaseException:
            text = "(it has no text: its __str__ failed)"
        kind = type(problem).__name__
        head = ": ".join(part for part in (kind, text.partition("\n")[0]) if part)
        if kind == "BdbQuit" or (kind, text) == ASKED:
            head += "; a task has no terminal and no standard input"
        words = f"{head}\n\n{_traceback(problem)}"
    words = words.encode("utf-8", "backslashreplace").decode()
    try:
        os.write(2, (words.partition("\n\n")[2] or words).encode() + b"\n")
    except OSError:
        pass
    if len(words) > ERROR_CHARACTERS_MAX:
        half = ERROR_CHARACTERS_MAX // 2
        words = f"{words[:half]}\n[...]\n{words[-half:]}"
    return words


def _traceback(problem: BaseException) -> str:
    """Return the traceback without the frames of the worker."""
    try:
        trace = traceback.TracebackException.from_exception(problem)
        waiting = [trace]
        while waiting:
            part = waiting.pop()
            part.stack[:] = [f for f in part.stack if not f.filename.startswith(OURS)]
            waiting += [p for p in (part.__cause__, part.__context__) if p is not None]
            waiting += getattr(part, "exceptions", None) or ()
        return "".join(trace.format()).rstrip("\n")
    except BaseException as second:  # an exception can make its own traceback fail
        return f"(no traceback: {type(second).__name__})"
