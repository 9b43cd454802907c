"""The contract of all executors: a Job in, an Outcome out.

An executor knows no store, no order and no other task. Jobs and outcomes are plain values that
survive a trip to another machine.

It has no thread of its own that anybody could notice: whoever starts jobs waits with a selector, in
which the executor has registered what it wants to hear of, each with a function to be called then.
An executor whose work cannot be waited for in this way registers a pipe to which it writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from selectors import BaseSelector
from typing import Literal, Protocol, TypeAlias

from ork.objects.canonical import Json
from ork.objects.value import Value


class Executor(Protocol):
    """Runs tasks. Decides nothing: not their order, not whether they run."""

    slots: int  # how many jobs may run at once; the caller never has more unfinished ones
    step_at: float  # when `step` is to be called at the latest, by the monotonic clock

    def start(self, name: str, job: Job) -> None:
        """Start a job. It ends with an Outcome, whatever the task does."""
        ...

    def step(self) -> list[tuple[str, Outcome]]:
        """Do what is due by now; return what has ended, by the names given to `start`."""
        ...

    def stop(self, *, grace_s: float) -> None:
        """Ask every running job to end, kill what still lives after the grace.

        Returns at once; each job then ends with state "cancelled" (or with what it reached in
        time). May be called again with a shorter grace.
        """
        ...

    def close(self) -> None:
        """Kill what still runs and leave no process behind; `step` tells of it. Idempotent."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One attempt at one task.

    `root` is the folder of the place: the working directory, in which `files`, the captured ones,
    lie at their own paths; `project` is the folder that they come from, if that is another one and
    there. `environment` is what differs from `base`, None for what is taken away; nothing is
    inherited beside them.
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
    base: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # what all jobs of a run have
    environment: Mapping[str, str | None] = field(default_factory=dict, repr=False)
    stdin: str = field(default="", repr=False)  # what a process job can read there
    secrets: tuple[str, ...] = field(default=(), repr=False)  # values that nothing may show
    root: str
    project: str | None = None
    files: tuple[str, ...] = ()
    data: str = ""  # a regular expression of files that may be imported without being captured
    python: str  # path of the interpreter for python and library tasks
    timeout_s: float  # infinite: none
    log: str  # path of the file to which all is appended that the task prints
    store: str | None = None  # the folder that has this file; below it, no link is followed


OUTPUT_BYTES_MAX = 64 * 1024 * 1024  # as JSON
TOO_LARGE = f"larger than {OUTPUT_BYTES_MAX >> 20} MiB; write a file, return its path"

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
    printed: int = 0  # bytes that were appended to the log
    log_error: str | None = None  # why a part of what was printed could not be written there


EXECUTORS = {"local": "ork.executors.local:Local"}


def make(name: str, slots: int, selector: BaseSelector) -> Executor:
    """Return a new executor by its name; its module is imported now, not before."""
    module, _, attribute = EXECUTORS[name].partition(":")
    return getattr(import_module(module), attribute)(slots, selector)  # type: ignore[no-any-return]


def adopting() -> AbstractContextManager[None]:
    """Let what tasks have left behind become children of this process, while a block lasts.

    Only where the process is ork's own: every child that ork has not started itself, in another
    session, is then taken for the remains of a task, and ends with it.
    """
    return import_module("ork.executors.process_tree").adopting()  # type: ignore[no-any-return]
