"""What an executor gets and gives back: plain values that survive a trip to another machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ork.objects.canonical import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One attempt at one task.

    Code is read below `code`, a private folder with the captured files of the snapshot at their
    paths relative to the root; `root` is the working directory, and what `__file__` points into.
    `files` are the captured paths. `environment` is complete: nothing is inherited beside it.
    """

    key: str  # names the attempt in the run: TASK or TASK.ATTEMPT; unique among running jobs
    executor: str  # python | process | library
    file: str | None = None
    module: str | None = None
    command: str | tuple[str, ...] | None = None
    function: str | None = None
    inputs: Json = None  # an object: field -> value, dates still as text
    input_type: Json = None
    output_type: Json = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)  # values that nothing may show
    root: str
    code: str
    files: tuple[str, ...] = ()
    python: str  # path of the interpreter for python and library tasks
    timeout_s: float
    log: str  # path of the file that receives what the task prints; created by the executor


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an attempt ended. A task that fails is an Outcome, never an exception.

    state: success, failed (raised, exited non-zero, was killed, timed out, gave no valid output)
    or cancelled (stopped because the run stops). `error` is for people: one line, then possibly a
    traceback. `output` is a JSON value, dates as text, not yet checked against the declared type.
    Neither has a secret of the job in it, nor has the log.
    """

    state: str
    started: datetime  # UTC
    seconds: float  # by a monotonic clock
    exit: int | None = None
    signal: int | None = None
    error: str | None = None
    output: Json = None
