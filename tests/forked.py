"""Processes forked from the tests: ready at once, as a new interpreter would not be."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import ClassVar


class Forked:
    """A child that does some work and ends; its standard input and output lead here."""

    alive: ClassVar[list[Forked]] = []

    def __init__(self, work: Callable[[], object]) -> None:
        theirs_in, ours_in = os.pipe()
        ours_out, theirs_out = os.pipe()
        self.stdin, self.stdout = os.fdopen(ours_in, "w"), os.fdopen(ours_out)
        self.alive.append(self)
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                # A pipe ends when nobody holds its other end, neither we nor a sibling of ours.
                for one in self.alive:
                    one.stdin.close()
                    one.stdout.close()
                sys.stdin, sys.stdout = os.fdopen(theirs_in), os.fdopen(theirs_out, "w")
                work()
                sys.stdout.flush()
                code = 0
            except BaseException:
                os.write(2, traceback.format_exc().encode())
            finally:
                os._exit(code)
        os.close(theirs_in)
        os.close(theirs_out)

    def tell(self, line: str) -> None:
        """Give it a line."""
        print(line, file=self.stdin, flush=True)

    def hear(self) -> str:
        """Return its next line, without the end of the line."""
        return self.stdout.readline().rstrip("\n")

    def is_running(self) -> bool:
        """Say whether it has not ended yet."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def kill(self) -> None:
        """Kill it."""
        os.kill(self.pid, signal.SIGKILL)

    def rest(self) -> str:
        """Return what it still prints until it ends; fail if an exception ended it."""
        self.alive.remove(self)
        self.stdin.close()
        with self.stdout:
            out = self.stdout.read()
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        assert code in (0, -signal.SIGKILL), "it says why on stderr"
        return out
