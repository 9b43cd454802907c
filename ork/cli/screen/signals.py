"""The signals that end a command: Ctrl-C, TERM, HUP. The exit code says which one it was."""

from __future__ import annotations

import signal
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_last: int = signal.SIGINT


def note(number: int) -> None:
    """Remember that this signal asked for the end."""
    global _last
    _last = number


def exit_code() -> int:
    """Return the exit code of a command that was asked to end: 130, 143 or 129."""
    return 128 + _last


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
