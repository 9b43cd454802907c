"""The second seam: where tasks run. An executor knows no store, no order and no other task."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Protocol

from ork.executors.job import Job, Outcome


class Executor(Protocol):
    """Where tasks run. Decides nothing: not the order, not whether."""

    slots: int  # how many jobs may run at once; the caller never has more unfinished ones

    def submit(self, job: Job) -> Future[Outcome]:
        """Start a job. The future ends with an Outcome, whatever the task does."""
        ...

    def stop(self, *, grace_s: float) -> None:
        """Ask every running job to end, kill what still lives after the grace.

        Returns at once; each future then ends with state "cancelled" (or with what it reached in
        time). May be called again with a shorter grace.
        """
        ...

    def close(self) -> None:
        """Kill what still runs and leave no process behind. Idempotent."""
        ...


EXECUTORS = {"local": "ork.executors.local:Local"}


def make(name: str, slots: int) -> Executor:
    """Return a new executor by its name; its module is imported now, not before."""
    from importlib import import_module

    module, _, attribute = EXECUTORS[name].partition(":")
    return getattr(import_module(module), attribute)(slots)  # type: ignore[no-any-return]
