"""How long a run will take, told from an earlier one, or from its own first tasks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import islice

from ork.history.compare_runs import last_good
from ork.objects.kinds import Run
from ork.store.contents import task_runs
from ork.store.runs import earlier
from ork.store.store import Store

RUNS_LOOKED_AT_MAX = 50
SURE_FROM = 0.2  # the share that has to be done before this run's own pace counts
MOST = 0.9  # of its tasks must a run that failed have executed, to tell of the next one
TASKS_MIN = 10  # that have to end before they tell of the rest
ALMOST = 0.95  # of what a running task took before: it may take longer this time


@dataclass(slots=True)
class Pace:
    """What an earlier run took, and how much of that this one has behind it."""

    lasted: float  # seconds, from begin to end
    seconds: Mapping[str, float]  # task -> how long its attempts took together
    known: float = 0.0  # of the earlier run, all tasks together
    total: float = 0.0  # of this one
    done: float = 0.0
    ended: int = 0  # how many tasks that is

    def begin(self, tasks: Collection[str]) -> None:
        """Take note of all tasks of the run; new ones count as the mean of the others."""
        self.known = sum(self.seconds.values())
        mean = self.known / max(1, len(self.seconds))
        self.seconds = {task: self.seconds.get(task, mean) for task in tasks}
        self.total = sum(self.seconds.values())

    def end(self, task: str, *, executed: bool) -> None:
        """Take note that a task has ended; one that was not executed takes no time."""
        if executed:
            self.done += self.seconds.get(task, 0.0)
            self.ended += 1
        else:
            self.total -= self.seconds.get(task, 0.0)

    def left(self, elapsed: float, running: Mapping[str, float]) -> float | None:
        """Return how many seconds the run still takes; `running`: task -> since how many seconds.

        The rest of the earlier run, as far as this one executes the same, at the pace of this one.
        None: nothing tells.
        """
        part = sum(min(age, ALMOST * self.seconds.get(task, 0.0)) for task, age in running.items())
        share = (self.done + part) / self.total if self.total > 0 else 0.0
        if self.total <= 0 or self.lasted <= 0:
            return None
        whole = self.lasted * self.total / self.known
        # Many slow tasks tell it earlier: of 10,000 a fifth is long to wait for.
        is_slow = self.ended >= TASKS_MIN and elapsed > SURE_FROM * whole
        # Half done in the time of the whole: it takes twice as long.
        pace = elapsed / (whole * share) if share > SURE_FROM or is_slow else 1.0
        return whole * (1 - share) * pace


def own_pace(elapsed: float, ended: int, left: int) -> float | None:
    """Return how many seconds a run still takes, at the pace of its own tasks that have ended.

    None: too few have.
    """
    return elapsed * left / ended if ended >= TASKS_MIN else None


def pace_of(store: Store, run: Run) -> Pace | None:
    """Return the pace of the newest good run before this one; None if nothing tells.

    If there is none, a run that failed late will do.
    """
    before = last_good(store, run, within=RUNS_LOOKED_AT_MAX) or _last_failed(store, run)
    if before is None or before.seconds is None:
        return None
    states = task_runs(store, before)
    seconds = {name: one.seconds for name, one in states.items() if one.seconds is not None}
    if not seconds or (before.state == "failed" and len(seconds) < MOST * len(states)):
        return None
    return Pace(before.seconds, seconds)


def _last_failed(store: Store, run: Run) -> Run | None:
    before = islice(earlier(store, run), RUNS_LOOKED_AT_MAX)
    return next((one for one in before if one.state == "failed"), None)
