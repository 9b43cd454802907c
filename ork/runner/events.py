"""What happens in a run, in order. A display, JSON lines, a test are all just consumers."""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

from ork.errors import count
from ork.objects.canonical import Oid
from ork.objects.kinds import Log, Run, TaskRun
from ork.objects.value import Value


class RunStarted(Value, frozen=True, kw_only=True):
    """The pin is durable; nothing has run yet. `tasks` maps every task to those it depends on.

    `folder` is the checkout in which tasks execute, None when that is the project's folder.
    """

    run: Run
    tasks: dict[str, tuple[str, ...]]
    slots: int
    folder: str | None = None

    def cells(self) -> dict[str, object]:
        return {"run": self.run.name, "tasks": count(len(self.tasks), "task")}


class CheckedOut(Value, frozen=True, kw_only=True):
    """The project was edited while the run went on: tasks start in a checkout from now on."""

    folder: str
    changed: tuple[str, ...]  # the captured files that are not as they were, sorted

    def cells(self) -> dict[str, object]:
        return {"folder": self.folder, "changed": ", ".join(self.changed)}


class TaskStarted(Value, frozen=True, kw_only=True):
    """An attempt was handed to the executor; `log` is where it prints to, if that is known."""

    task: str
    attempt: int
    time: datetime
    log: Log | None

    def cells(self) -> dict[str, object]:
        return {"task": self.task, "attempt": _attempt(self.attempt)}


class TaskRetried(Value, frozen=True, kw_only=True):
    """An attempt failed at `time`, which is recorded; another follows after `delay` seconds."""

    task: str
    attempt: int
    time: datetime
    error: str
    delay: float

    def cells(self) -> dict[str, object]:
        again = f"again in {self.delay:.1f} s"
        return {
            "task": self.task,
            "attempt": _attempt(self.attempt),
            "error": self.error,
            "again": again,
        }


class TaskFinished(Value, frozen=True, kw_only=True):
    """A task ended, which is recorded: success, failed, cancelled, or never started and why.

    `kept`: it ended in an earlier attempt at this run, which a retry goes on with.
    """

    task: str
    taskrun: TaskRun
    kept: bool = False

    @property
    def is_aside(self) -> bool:
        """Whether the run, or this attempt at it, was never to execute the task."""
        return self.kept or (self.taskrun.state == "skipped" and not self.taskrun.is_unmet)

    def cells(self) -> dict[str, object]:
        return {"task": self.task, "kept": "kept" if self.kept else None, **self.taskrun.cells()}


class RunFinished(Value, frozen=True, kw_only=True):
    """The run ended, which is recorded."""

    oid: Oid
    run: Run
    states: dict[str, int]  # state -> number of tasks
    kept: int = 0  # of those that were skipped, how many have the output of an earlier run
    unmet: int = 0  # and how many did not run since a condition did not hold
    timed_out: bool = False
    folder: str | None = None  # the checkout, when tasks have left files in it
    tainted: dict[str, tuple[str, ...]] = {}  # task -> files that changed under its last attempt
    cut_logs: dict[str, str] = {}  # task -> why not all of a log of it could be written

    def cells(self) -> dict[str, object]:
        left_out = self.run.selected is not None and self.states.get("skipped", 0) > self.unmet
        return {**self.run.cells(), "partial": "partial" if left_out else None}


def _attempt(number: int) -> str | None:
    return f"attempt {number}" if number > 1 else None


Event: TypeAlias = RunStarted | CheckedOut | TaskStarted | TaskRetried | TaskFinished | RunFinished
