"""How long a run still takes, told from an earlier one that executed all that is left of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import islice

from ork.history.compare_runs import last_good
from ork.objects.kinds import Run
from ork.store.contents import task_runs
from ork.store.runs import earlier
from ork.store.store import Store

RUNS_LOOKED_AT_MAX = 50
SURE_FROM = 0.2  # the share that has to be done before this run's own pace counts
TASKS_MIN = 10  # that have to end before they tell of the rest


@dataclass(slots=True)
class Pace:
    """What an earlier run took, and how much of that this one has behind it."""

    lasted: float  # seconds, from begin to end
    seconds: Mapping[str, float]  # task -> how long its attempts took together
    known: float = 0.0  # of the earlier run, all tasks together
    total: float = 0.0  # of this one
    done: float = 0.0
    ended: int = 0  # how many tasks that is
    new: set[str] = field(default_factory=set)  # those left of which nobody knows how long

    def begin(self, tasks: Collection[str]) -> None:
        """Take note of all tasks of the run."""
        self.known = sum(self.seconds.values())
        self.new = {task for task in tasks if task not in self.seconds}
        self.total = sum(self.seconds.get(task, 0.0) for task in tasks)

    def end(self, task: str, *, executed: bool) -> None:
        """Take note that a task has ended; one that was not executed takes no time."""
        self.new.discard(task)
        if not executed:
            self.total -= self.seconds.get(task, 0.0)
        elif task in self.seconds:
            self.done += self.seconds[task]
            self.ended += 1

    def left(self, elapsed: float, running: Mapping[str, float]) -> float | None:
        """Return how many seconds the run still takes; `running`: task -> since how many seconds.

        The rest of the earlier run, as far as this one executes the same, at the pace of this one;
        0 when all takes longer than it took then. None: nothing tells, as of a task that is new.
        """
        if self.new or self.total <= 0 or self.lasted <= 0:
            return None
        part = sum(min(age, self.seconds[task]) for task, age in running.items())
        share = (self.done + part) / self.total
        whole = self.lasted * self.total / self.known
        # Many slow tasks tell it earlier: of 10,000 a fifth is long to wait for.
        is_slow = self.ended >= TASKS_MIN and elapsed > SURE_FROM * whole
        # Half done in the time of the whole: it takes twice as long.
        pace = elapsed / (whole * share) if share > SURE_FROM or is_slow else 1.0
        return whole * (1 - share) * pace


def pace_of(store: Store, run: Run) -> Pace | None:
    """Return the pace of the newest good run before this one; None if nothing tells.

    If there is none, one that failed will do, for what it executed.
    """
    before = last_good(store, run, within=RUNS_LOOKED_AT_MAX) or _last_failed(store, run)
    if before is None or before.seconds is None:
        return None
    states = task_runs(store, before)
    seconds = {
        name: sum(attempt.seconds for attempt in one.attempts)
        for name, one in states.items()
        if one.attempts
    }
    return Pace(before.seconds, seconds)


def _last_failed(store: Store, run: Run) -> Run | None:
    before = islice(earlier(store, run), RUNS_LOOKED_AT_MAX)
    return next((one for one in before if one.state == "failed"), None)
