"""The program inside a warm worker: the standard library only, any Python from 3.9 on.

    python -E worker.py CHANNEL LIFELINE

It reads jobs from the descriptor CHANNEL, one line of JSON each, runs one at a time and answers
with one line. When the other end of the pipe LIFELINE closes, ork has died, and the worker's whole
process group is killed. It knows nothing of ork but what this folder's `captured.py` and
`values.py` say; it starts in a session of its own and is never asked to trust what it runs.
"""

# ruff: noqa: E402 (what is loaded, and from where, must be settled before the imports)
from __future__ import annotations

import sys

STARTUP = frozenset(sys.modules)  # before ours: what every script finds loaded
if __name__ == "__main__":
    del sys.path[0]  # the folder of this file

import importlib.util
import json
import os
import resource
import signal
import traceback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, NoReturn

    from ork.executors import captured, values

COOKIE = "ORK_COOKIE"
OUTPUT_BYTES_MAX = 64 * 1024 * 1024
ERROR_CHARACTERS_MAX = 20_000
HERE = os.path.dirname(os.path.abspath(__file__))
OURS = (HERE + "/", "<frozen importlib", str(importlib.__file__))
SIGNALS = (signal.SIGTERM, signal.SIGALRM, signal.SIGCHLD)


class Refused(Exception):
    """A job that cannot be run as it is; the text says why."""


def main() -> NoReturn:
    """Serve jobs until the channel ends."""
    channel, lifeline = int(sys.argv[1]), int(sys.argv[2])
    sys.argv[:] = [""]
    for descriptor in (channel, lifeline):
        os.set_inheritable(descriptor, False)
    _die_with(lifeline)
    worker = Worker()
    received = b""
    while True:
        data = os.read(channel, 1 << 18)
        if not data:
            os._exit(0)
        received += data
        if data.endswith(b"\n"):
            answer = worker.run(json.loads(received))
            received = b""
            if os.getpid() != worker.pid:
                os._exit(0)  # a child that the task has forked came back from its function
            _send(channel, answer)


def _send(channel: int, answer: bytes) -> None:
    view = memoryview(answer)
    while view:
        view = view[os.write(channel, view) :]


def _die_with(lifeline: int) -> None:
    """Let the process group be killed when the other end of the lifeline closes."""
    import fcntl

    if hasattr(fcntl, "F_SETSIG"):
        # By the kernel: this needs no thread, and works while C code holds the interpreter.
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_ASYNC | fcntl.fcntl(lifeline, fcntl.F_GETFL))
        if _closed(lifeline):
            os.killpg(0, signal.SIGKILL)
        return
    import threading

    def watch() -> None:
        os.read(lifeline, 1)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def _closed(lifeline: int) -> bool:
    """Say whether it was closed before anybody listened."""
    import select

    return bool(select.select([lifeline], [], [], 0)[0])


def _sibling(name: str) -> ModuleType:
    """Load a module of this folder without making the folder a place of imports."""
    spec = importlib.util.spec_from_file_location(f"_ork_{name}", os.path.join(HERE, f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if not TYPE_CHECKING:
    captured = _sibling("captured")
    values = _sibling("values")


class Worker:
    """What is kept between tasks: the captured modules, and what each task finds restored."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._captured: captured.Captured | None = None
        self._root = self._code = "/"
        self._libraries: dict[str, Any] = {}
        # Of the environment it was started with, only the cookie is to stay.
        self._environment = {key: os.environ[key] for key in (COOKIE,) if key in os.environ}
        self._bytes: Any = None
        self._streams: list[Any] = [None, None, None]
        self._umask = os.umask(0o077)
        os.umask(self._umask)
        self._handlers = [(number, signal.getsignal(number)) for number in SIGNALS]
        self._recursion_limit = sys.getrecursionlimit()
        self._ended_children = _ended_children()

    def run(self, job: dict[str, Any]) -> bytes:
        """Run one job; return the answer as a line."""
        output = b"null"
        error = None
        try:
            self._prepare(job)
            output = _encoded(values.to_json(self._call(job)))
        except BaseException as problem:  # whatever a task raises is how it ended, no more
            error = _words(problem)
        left = self._close()
        if error is None:
            return b'{"left":%s,"output":%s}\n' % (json.dumps(left).encode(), output)
        return json.dumps({"left": left, "error": error}).encode() + b"\n"

    def _prepare(self, job: dict[str, Any]) -> None:
        """Give the task its log, its environment, its folder and its code."""
        try:
            self._open(job)
        except (OSError, ValueError) as problem:
            raise Refused(f"cannot start: {problem}") from None

    def _open(self, job: dict[str, Any]) -> None:
        _point(_open_log(job["log"], create=job["create_log"]), 1, 2)
        _point(os.open(os.devnull, os.O_RDONLY), 0)
        self._renew_streams()
        self._set_environment(job["set"], job["unset"])
        if "code" in job:
            self._root, self._code, files = job["code"]
            self._libraries.clear()
            if self._captured is not None:
                self._captured.remove()
            self._captured = captured.Captured(self._root, self._code, files, STARTUP)
        os.chdir(self._root)

    def _call(self, job: dict[str, Any]) -> Any:
        if job["kind"] == "library":
            return self._call_library(job["file"], job["inputs"])
        finder = self._captured
        assert finder is not None
        if job["file"] is not None:
            where = job["file"]
            finder.enter(where.rpartition("/")[0])
            module = finder.load_file(where)
        else:
            where = job["module"]
            finder.enter("")
            module = importlib.import_module(where)
        inputs = values.from_json(job["inputs"] or {}, job["input_type"])
        return _called(_function(module, job["function"] or "main", where), inputs)

    def _call_library(self, file: str, inputs: Any) -> Any:
        import ctypes

        library = self._libraries.get(file)
        if library is None:
            try:
                library = ctypes.CDLL(os.path.join(self._code, file))
                library.ork_task_run.restype = ctypes.c_void_p
                library.ork_task_run.argtypes = [ctypes.c_char_p]
                library.ork_task_free.restype = None
                library.ork_task_free.argtypes = [ctypes.c_void_p]
            except (OSError, AttributeError) as problem:
                raise Refused(f"{file} is no task library: {problem}") from None
            self._libraries[file] = library
        pointer = library.ork_task_run(json.dumps(inputs or {}).encode())
        ctypes.CDLL(None).fflush(None)  # what C printed belongs to this task's log
        if not pointer:
            raise Refused(f"{file}: ork_task_run returned NULL")
        try:
            text = ctypes.string_at(pointer)
        finally:
            library.ork_task_free(pointer)
        try:
            return json.loads(text.decode("utf-8"))
        except ValueError as problem:
            raise Refused(f"{file}: ork_task_run returned no JSON: {problem}") from None

    def _set_environment(self, changed: dict[str, str], removed: list[str]) -> None:
        """Make the environment exactly what the job before had, but for these changes."""
        # Comparing CPython's own bytes is twenty times as fast as asking for every name.
        if self._bytes is None or getattr(os.environ, "_data", None) != self._bytes:
            os.environ.clear()
            os.environ.update(self._environment)
        for name in removed:
            self._environment.pop(name, None)
            os.environ.pop(name, None)
        self._environment.update(changed)
        os.environ.update(changed)
        self._bytes = dict(getattr(os.environ, "_data", None) or {}) or None

    def _renew_streams(self) -> None:
        """Let sys.stdin, stdout and stderr be ours again, and new ones if a task broke them."""
        for number, name in enumerate(("stdin", "stdout", "stderr")):
            stream = self._streams[number]
            try:
                broken = stream is None or stream.closed
            except ValueError:  # detached
                broken = True
            if broken:
                stream = open(  # noqa: SIM115 (it stays open)
                    number,
                    "w" if number else "r",
                    buffering=1,
                    encoding="utf-8",
                    errors="backslashreplace" if number else "surrogateescape",
                    closefd=False,
                )
                self._streams[number] = stream
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)

    def _close(self) -> str | None:
        """Take back what the task had and undo what it did; say what it left: children, threads."""
        for stream in (sys.stdout, sys.stderr, *self._streams[1:]):
            try:
                stream.flush()
            except BaseException:  # whatever a task has put there
                pass
        signal.alarm(0)
        _point(os.open(os.devnull, os.O_RDWR), 0, 1, 2)
        left = self._left()
        os.umask(self._umask)
        sys.setrecursionlimit(self._recursion_limit)
        for number, handler in self._handlers:
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        return left

    def _left(self) -> str | None:
        threading = sys.modules.get("threading")
        if threading is not None and os.getpid() == self.pid:
            main = threading.main_thread()
            if any(t is not main and not t.daemon for t in threading.enumerate()):
                return "threads"
        left = None
        if signal.getsignal(signal.SIGCHLD) is not signal.SIG_DFL:
            left = "children"  # perhaps: nobody keeps count of them then
        try:
            while os.waitpid(-1, os.WNOHANG)[0] != 0:
                pass
            left = "children"
        except ChildProcessError:
            pass
        # Children that have ended may have left children of their own.
        ended = _ended_children()
        if ended != self._ended_children:
            self._ended_children = ended
            left = "children"
        return left


def _point(descriptor: int, *targets: int) -> None:
    """Make the targets the same file as the descriptor, which is given back."""
    for target in targets:
        if descriptor != target:
            os.dup2(descriptor, target)
        else:
            os.set_inheritable(target, True)
    if descriptor not in targets:
        os.close(descriptor)


def _open_log(path: str, *, create: bool) -> int:
    flags = os.O_WRONLY | os.O_APPEND | (os.O_CREAT | os.O_EXCL if create else 0)
    try:
        return os.open(path, flags, 0o600)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        return os.open(path, flags | os.O_CREAT, 0o600)


def _ended_children() -> Any:
    """Return a value that changes whenever a child has ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (usage.ru_minflt, usage.ru_nvcsw, usage.ru_utime, usage.ru_stime)


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


def _called(function: Any, inputs: dict[str, Any]) -> Any:
    try:
        return function(**inputs)
    except TypeError as problem:
        trace = problem.__traceback__
        if trace is not None and trace.tb_next is None:  # the call itself, not something in it
            names = ", ".join(inputs) or "no inputs"
            raise Refused(f"the function does not take ({names}): {problem}") from None
        raise
    finally:
        sys.settrace(None)
        sys.setprofile(None)


def _encoded(value: Any) -> bytes:
    encoded = json.dumps(value, ensure_ascii=False, allow_nan=False, check_circular=False).encode()
    if len(encoded) > OUTPUT_BYTES_MAX:
        size = OUTPUT_BYTES_MAX >> 20
        raise Refused(f"the output is larger than {size} MiB; write a file, return its path")
    return encoded


def _words(problem: BaseException) -> str:
    """Return one line and, unless the task was never at fault, its traceback; log the latter."""
    if isinstance(problem, (Refused, values.Unfit)):
        words = str(problem)
    else:
        try:
            text = str(problem)
        except BaseException:
            text = "(it has no text: its __str__ failed)"
        head = ": ".join(part for part in (type(problem).__name__, text.partition("\n")[0]) if part)
        words = f"{head}\n\n{_traceback(problem)}"
    words = words.encode("utf-8", "backslashreplace").decode()
    try:
        os.write(2, (words if "\n" not in words else words.partition("\n\n")[2]).encode() + b"\n")
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


if __name__ == "__main__":
    main()
