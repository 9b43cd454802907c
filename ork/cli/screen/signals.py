"""The signals that end a command: Ctrl-C, TERM, HUP. The exit code says which one it was."""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import NoReturn

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_last: int | None = None


def note(number: int | None) -> None:
    """Remember that this signal asked for the end, or that none has so far."""
    global _last
    _last = number


def exit_code() -> int:
    """Return the exit code of a command that was asked to end: 130, 143 or 129."""
    return 128 + (_last or signal.SIGINT)


def interrupted() -> int:
    """Return the exit code after KeyboardInterrupt: it was Ctrl-C, if no other signal is noted."""
    note(_last or signal.SIGINT)
    return exit_code()


def end(code: int) -> NoReturn:
    """End the process; one that Ctrl-C has ended dies of that signal.

    A shell looks for that: else it goes on with the next line of its script or turn of its loop.
    """
    if (_last, code) == (signal.SIGINT, 128 + signal.SIGINT):
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(code)


def unwind() -> None:
    """Let Ctrl-C, and TERM and HUP as it does, end a command: what it has begun is put in order.

    Signals that are ignored, such as HUP under `nohup`, stay ignored.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        note(number)
        raise KeyboardInterrupt

    ends = dict.fromkeys(ENDING, stop) | {signal.SIGINT: signal.default_int_handler}
    for number, end in ends.items():
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, end)
