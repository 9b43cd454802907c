"""The contract of all executors: a Job in, an Outcome out.

An executor knows no store, no order and no other task. Jobs and outcomes are plain values that
survive a trip to another machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from typing import Literal, Protocol, TypeAlias

from ork.objects.canonical import Json
from ork.objects.value import Value


class Executor(Protocol):
    """Runs tasks. Decides nothing: not their order, not whether they run."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One attempt at one task.

    `root` is the folder of the place: the working directory, in which `files`, the captured ones,
    lie at their own paths; `project` is the folder that they come from, if that is another one and
    there. `environment` is complete: nothing is inherited beside it.
    """

    executor: str  # python | process | library
    file: str | None = None
    module: str | None = None
    command: str | tuple[str, ...] | None = None
    function: str | None = None
    inputs: Json = None  # an object: field -> value, dates still as text
    input_type: Json = None
    shell: tuple[str, ...] | None = None  # what a line of a process task is given to; None: /bin/sh
    fresh: bool = False  # a process of its own, which no other attempt has used or will use
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)  # values that nothing may show
    root: str
    project: str | None = None
    files: tuple[str, ...] = ()
    data: str = ""  # a regular expression of files that may be imported without being captured
    python: str  # path of the interpreter for python and library tasks
    timeout_s: float  # infinite: none
    log: str  # path of the file that receives what the task prints; created by the executor


Ending: TypeAlias = Literal["success", "failed", "cancelled"]


class Outcome(Value, frozen=True, kw_only=True):
    """The end of an attempt. A task that fails is an Outcome, never an exception.

    state: success, failed (raised, exited non-zero, was killed, timed out, gave no valid output)
    or cancelled (stopped because the run stops). `error` is for people: one line, then possibly a
    traceback. `output` is a JSON value, dates as text, not yet checked against the declared type.
    Neither has a secret of the job in it, nor has the log.
    """

    state: Ending
    started: datetime  # UTC
    seconds: float  # by a monotonic clock
    exit: int | None = None
    signal: int | None = None
    error: str | None = None
    output: Json = None


EXECUTORS = {"local": "ork.executors.local:Local"}


def make(name: str, slots: int) -> Executor:
    """Return a new executor by its name; its module is imported now, not before."""
    module, _, attribute = EXECUTORS[name].partition(":")
    return getattr(import_module(module), attribute)(slots)  # type: ignore[no-any-return]
