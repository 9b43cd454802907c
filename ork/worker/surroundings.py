"""The streams, the environment and the children of a task in a warm worker.

Runs in the worker, on Python 3.9 or newer. A task may close, replace and change whatever it likes.
The next task notices nothing of that.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from operator import attrgetter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

COOKIE = "ORK_COOKIE"
HOW = attrgetter("closed", "encoding", "errors", "line_buffering", "write_through")
HANDLER_OF = sys.modules["_signal"].getsignal  # beneath the enumerations, which take their time


class Surroundings:
    """Streams, environment and children of the task that runs."""

    def __init__(self) -> None:
        # Of the environment that the worker was started with, only the cookie is to stay.
        self._environment = {key: os.environ[key] for key in (COOKIE,) if key in os.environ}
        self._bytes: Any = None
        self._streams: list[Any] = [None, None, None]  # ours, whatever sys.stdout is by now
        self._printed = os.dup(1)  # the pipe to ork, wherever a task points its streams
        self._nowhere = os.open(os.devnull, os.O_RDWR)
        self._ours = self._files()
        self._ended = _ended_children()
        self._zone = _zone()

    def enter(self, job: dict[str, Any]) -> None:
        """Give a task its streams and its environment."""
        os.dup2(self._nowhere, 0)
        os.dup2(self._printed, 1)
        os.dup2(self._printed, 2)
        self._renew_streams()
        self._set_environment(job["set"], job["unset"])
        if self._zone != _zone():
            time.tzset()
            self._zone = _zone()

    def leave(self) -> bool:
        """Point the streams to nowhere; say whether the task has left our own descriptors alone."""
        try:
            for number in (0, 1, 2):
                os.dup2(self._nowhere, number)
            return self._files() == self._ours
        except OSError:
            return False

    def printed_to(self) -> list[Any]:
        """Return the streams that the task may have printed to."""
        return [sys.stdout, sys.stderr, *self._streams[1:]]

    def has_children(self) -> bool:
        """Say whether the task has perhaps left children behind; it reaps those that have ended."""
        left: bool = HANDLER_OF(signal.SIGCHLD) != signal.SIG_DFL  # nobody keeps count then
        try:
            while os.waitpid(-1, os.WNOHANG)[0] != 0:
                pass
            left = True
        except ChildProcessError:
            pass
        # Children that have ended may have left children of their own.
        ended = _ended_children()
        left = left or ended != self._ended
        self._ended = ended
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
        for name, value in changed.items():
            os.environ[name] = value
        self._bytes = dict(getattr(os.environ, "_data", None) or {}) or None

    def _renew_streams(self) -> None:
        """Let sys.stdin, stdout and stderr be ours again, and new ones if a task broke them."""
        for number, name in enumerate(("stdin", "stdout", "stderr")):
            stream = self._streams[number]
            mode, errors = ("w", "backslashreplace") if number else ("r", "surrogateescape")
            if not _is_as_opened(stream, errors):
                stream = self._streams[number] = open(  # noqa: SIM115 (it stays open)
                    number, mode, buffering=1, encoding="utf-8", errors=errors, closefd=False
                )
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)

    def _files(self) -> list[Any]:
        """Return the files on which our own descriptors are open."""
        found = [os.fstat(descriptor) for descriptor in (self._printed, self._nowhere)]
        return [(status.st_dev, status.st_ino) for status in found]


def _is_as_opened(stream: Any, errors: str) -> bool:
    try:
        return bool(HOW(stream) == (False, "utf-8", errors, True, False))
    except (AttributeError, ValueError):  # there is none yet; it is detached
        return False


def _zone() -> Any:
    """Return the zone that is set and the one that is in force."""
    return os.environ.get("TZ"), time.tzname, time.timezone, time.altzone


def _ended_children() -> Any:
    """Return a value that changes whenever a child has ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (usage.ru_minflt, usage.ru_nvcsw, usage.ru_utime, usage.ru_stime)
