"""The surroundings of a task in a warm worker, put in order before it and after it.

Runs in the worker, on Python 3.9 or newer. A task may close, replace and change whatever it likes:
streams, descriptors, environment, signals. The next task notices nothing of that.
"""

from __future__ import annotations

import os
import resource
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

COOKIE = "ORK_COOKIE"
SIGNALS = (signal.SIGTERM, signal.SIGALRM, signal.SIGCHLD)


class Surroundings:
    """Streams, environment, limits and signals of the task that runs."""

    def __init__(self) -> None:
        # Of the environment that the worker was started with, only the cookie is to stay.
        self._environment = {key: os.environ[key] for key in (COOKIE,) if key in os.environ}
        self._bytes: Any = None
        self._pid = os.getpid()
        self.streams: list[Any] = [None, None, None]  # ours, whatever sys.stdout is by now
        self._printed = os.dup(1)  # the pipe to ork, wherever a task points its streams
        self._nowhere = os.open(os.devnull, os.O_RDWR)
        self._ours = self._files()
        self._umask = os.umask(0o077)
        os.umask(self._umask)
        self._handlers = [(number, signal.getsignal(number)) for number in SIGNALS]
        self._recursion_limit = sys.getrecursionlimit()
        self._ended_children = _ended_children()

    def enter(self, job: dict[str, Any]) -> None:
        """Give a task its streams and its environment."""
        os.dup2(self._nowhere, 0)
        os.dup2(self._printed, 1)
        os.dup2(self._printed, 2)
        self._renew_streams()
        self._set_environment(job["set"], job["unset"])

    def leave(self) -> str | None:
        """Undo the changes of a task; say if it left "children" (perhaps) or "threads" behind."""
        signal.alarm(0)
        left = self._left() if self._silence() else "threads"  # or as bad
        os.umask(self._umask)
        sys.setrecursionlimit(self._recursion_limit)
        for number, handler in self._handlers:
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        return left

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
            stream = self.streams[number]
            try:
                broken = stream is None or stream.closed
            except ValueError:  # detached
                broken = True
            if broken:
                mode, errors = ("w", "backslashreplace") if number else ("r", "surrogateescape")
                stream = self.streams[number] = open(  # noqa: SIM115 (it stays open)
                    number, mode, buffering=1, encoding="utf-8", errors=errors, closefd=False
                )
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)

    def _silence(self) -> bool:
        """Point the streams to nowhere; say whether the task has left our own descriptors alone."""
        try:
            for number in (0, 1, 2):
                os.dup2(self._nowhere, number)
            return self._files() == self._ours
        except OSError:
            return False

    def _files(self) -> list[Any]:
        """Return the files on which our own descriptors are open."""
        found = [os.fstat(descriptor) for descriptor in (self._printed, self._nowhere)]
        return [(status.st_dev, status.st_ino) for status in found]

    def _left(self) -> str | None:
        if sys.modules.get("os") is not os:
            return "threads"  # or worse: the task has taken the interpreter apart
        threading = sys.modules.get("threading")
        if threading is not None and os.getpid() == self._pid:
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


def _ended_children() -> Any:
    """Return a value that changes whenever a child has ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (usage.ru_minflt, usage.ru_nvcsw, usage.ru_utime, usage.ru_stime)
