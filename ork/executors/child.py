"""A program that was started for attempts: its tree, and the pipe to which it prints."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from functools import lru_cache

from ork.executors.attempt import Attempt
from ork.executors.base import Job, Outcome
from ork.executors.logfile import REST_BYTES_MAX, pipe, read
from ork.executors.process_tree import COOKIE, Tree


class Child:
    """A process tree that works for one attempt at a time. Base of workers and programs."""

    def __init__(
        self,
        words: Sequence[str],
        *,
        environment: Mapping[bytes, bytes],
        cwd: str,
        mark: str,
        stdin: int = subprocess.DEVNULL,
        pass_fds: Sequence[int] = (),
    ) -> None:
        """Start `words`; raise OSError or ValueError when that cannot be done."""
        self.attempt: Attempt | None = None
        self.printed, theirs = pipe()
        try:
            self.tree = Tree(
                words,
                environment=environment,
                cwd=cwd,
                output=theirs,
                stdin=stdin,
                pass_fds=pass_fds,
                mark=mark,
            )
        except BaseException:
            os.close(self.printed)
            raise
        finally:
            os.close(theirs)

    def hear(self) -> int:
        """Move what was printed to the log of the attempt; return how much that was, -1 at the end.

        What is printed while there is no attempt belongs to none.
        """
        data = read(self.printed) if self.printed >= 0 else None
        if data and self.attempt is not None:
            self.attempt.log.write(data)
        return -1 if data == b"" else len(data or b"")

    def complete(self) -> None:
        """Complete the log of an attempt that has ended; who still prints is not waited for."""
        moved = 0
        while moved < REST_BYTES_MAX and (more := self.hear()) > 0:
            moved += more
        if self.attempt is not None:
            self.attempt.log.close()

    def outcome(self, attempt: Attempt, status: int) -> Outcome:
        """Return the outcome of the attempt for which this worked until it ended."""
        raise NotImplementedError

    def files(self) -> list[int]:
        """Return the descriptors on which something is waited for."""
        return [self.tree.pidfd, self.printed]

    def close(self) -> None:
        """Give all descriptors back."""
        self.tree.release()
        if self.printed >= 0:
            os.close(self.printed)
            self.printed = -1


def environment_of(job: Job) -> dict[bytes, bytes]:
    """Return the whole environment of a job."""
    environment = _encoded(job.base).copy()
    for name, text in job.environment.items():
        if text is None:
            environment.pop(os.fsencode(name), None)
        else:
            environment[os.fsencode(name)] = os.fsencode(text)
    return environment


@lru_cache(maxsize=2)
def _encoded(base: tuple[tuple[str, str], ...]) -> dict[bytes, bytes]:
    return {os.fsencode(name): os.fsencode(text) for name, text in base if name != COOKIE}


def end_of(status: int) -> str:
    """Say in words how a process ended: "exited with code 2", "killed by signal 9 (SIGKILL)"."""
    if status >= 0:
        return f"exited with code {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = "unnamed"
    text = f"killed by signal {-status} ({name})"
    return f"{text}; perhaps out of memory" if name == "SIGKILL" else text
