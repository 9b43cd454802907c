"""How long a run will take, told from how long the same tasks took in an earlier one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ork.history.compare_runs import last_good
from ork.objects.kinds import Run
from ork.store.contents import task_runs
from ork.store.store import Store

RUNS_LOOKED_AT_MAX = 50
SURE_FROM = 0.2  # the share that has to be done before this run's own pace counts
ALMOST = 0.95  # of what a running task took before: it may take longer this time


@dataclass(slots=True)
class Pace:
    """What an earlier run took, and how much of that this one has behind it."""

    lasted: float  # seconds, from begin to end
    seconds: Mapping[str, float]  # task -> how long its attempts took together
    total: float = 0.0
    done: float = 0.0

    def begin(self, tasks: Collection[str]) -> None:
        """Take note of all tasks of the run; new ones count as the mean of the others."""
        known = self.seconds.values()
        mean = sum(known) / max(1, len(self.seconds))
        self.seconds = {task: self.seconds.get(task, mean) for task in tasks}
        self.total = sum(self.seconds.values())

    def end(self, task: str, *, executed: bool) -> None:
        """Take note that a task has ended; one that was not executed takes no time."""
        if executed:
            self.done += self.seconds.get(task, 0.0)
        else:
            self.total -= self.seconds.get(task, 0.0)

    def left(self, elapsed: float, running: Mapping[str, float]) -> float | None:
        """Return how many seconds the run still takes; `running`: task -> since how many seconds.

        The rest of the earlier run, at the pace of this one. None: nothing tells.
        """
        part = sum(min(age, ALMOST * self.seconds.get(task, 0.0)) for task, age in running.items())
        share = (self.done + part) / self.total if self.total > 0 else 0.0
        if self.total <= 0 or self.lasted <= 0:
            return None
        # Half done in the time of the whole: it takes twice as long.
        pace = elapsed / (self.lasted * share) if share > SURE_FROM else 1.0
        return self.lasted * (1 - share) * pace


def pace_of(store: Store, run: Run) -> Pace | None:
    """Return the pace of the newest good run before this one; None if there is none."""
    before = last_good(store, run, within=RUNS_LOOKED_AT_MAX)
    if before is None or before.seconds is None:
        return None
    seconds = {
        name: sum(attempt.seconds for attempt in taskrun.attempts)
        for name, taskrun in task_runs(store, before).items()
        if taskrun.attempts
    }
    return Pace(before.seconds, seconds) if seconds else None
