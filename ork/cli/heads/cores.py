"""Looks at many files on all cores."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from ork.cli.screen import signals
from ork.heads.check import Looked
from ork.objects.value import as_line, of_line

PARALLEL_FILES_MIN = 100  # of fewer, starting processes costs more than it gains


def each(look: Callable[[Path], Looked], files: Sequence[Path]) -> Iterator[Looked]:
    """Look at files, in their order; at many of them on all cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    if cores == 1 or len(files) < PARALLEL_FILES_MIN:
        yield from map(look, files)
        return
    children = [_child(look, files[first::cores]) for first in range(cores)]
    try:
        for number, path in enumerate(files):
            line = children[number % cores][1].readline()
            # What ended the child ends us, in our own words.
            yield of_line(line, Looked) if line.endswith(b"\n") else look(path)
    finally:
        for pid, answers in children:
            answers.close()
            os.kill(pid, signal.SIGKILL)  # where we gave up; else it has ended, or is about to
            os.waitpid(pid, 0)


def _child(look: Callable[[Path], Looked], files: Sequence[Path]) -> tuple[int, BinaryIO]:
    """Return a process that looks at files, and what reads its answers."""
    reading, writing = os.pipe()
    # Ctrl-C in the middle of a fork would be a traceback; the child is to end without a word.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signals.ENDING)
    if pid := os.fork():
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        os.close(writing)
        return pid, os.fdopen(reading, "rb")
    try:
        for number in signals.ENDING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        os.close(reading)
        with os.fdopen(writing, "wb") as answers:
            for path in files:
                answers.write(as_line(look(path)))
    finally:
        os._exit(0)
