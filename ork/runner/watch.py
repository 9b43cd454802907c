"""The events of a run that another process owns, derived from what it records in the store."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

from ork.graph import order as graph
from ork.objects import tree
from ork.objects.canonical import Oid
from ork.objects.kinds import Attempt, Run, Snapshot, Task, TaskRun
from ork.runner.events import (
    Event,
    RunFinished,
    RunStarted,
    TaskFinished,
    TaskRetried,
    TaskStarted,
)
from ork.runner.record import settle
from ork.store.contents import task_runs
from ork.store.logs import path_of
from ork.store.resolve import run_of_id
from ork.store.store import Store

POLL_SECONDS = 0.125
SHARE_MAX = 0.1  # of the time that may go into polling: a run of 10,000 tasks is asked less often
SETTLE_SECONDS = 1.0  # a dead owner is noticed after this
OPEN = ("pending", "running")
LATE = "the run took longer than"  # how the record says, in words only, that --timeout ended a run


class Watch:
    """What is known of a run so far; each `poll` tells what is new.

    Attempts so short that their start was never recorded are told of when they have ended. The
    delay before a retry is not recorded, so it is 0 here, and so are the slots.
    """

    def __init__(self, store: Store, run: Run, *, clock: Callable[[], datetime]) -> None:
        self.store, self.clock = store, clock
        self.oid, self.run = run_of_id(store, run.workflow, run.id)
        self._seen: dict[str, Oid] = {}
        self._states: dict[str, TaskRun] = {}
        self._told: set[tuple[str, int]] = set()  # attempts whose start was told
        self._settled_at = time.monotonic()

    def begin(self) -> RunStarted:
        """Return the event that every run begins with."""
        snapshot = self.store.get(Snapshot, self.run.snapshot)
        oids = tree.entries(self.store.tree, snapshot.tasks)
        needs = {name: self.store.get(Task, Oid(str(oid))).depends_on for name, oid in oids.items()}
        order = graph.order(needs)
        return RunStarted(run=self.run, tasks={name: needs[name] for name in order}, slots=0)

    def poll(self) -> list[Event]:
        """Return what has happened since the last time; RunFinished comes last, and once."""
        self.oid, self.run = run_of_id(self.store, self.run.workflow, self.run.id)
        if self.run.ended is None and time.monotonic() - self._settled_at > SETTLE_SECONDS:
            self._settled_at = time.monotonic()
            if settle(self.store, now=self.clock()):
                self.oid, self.run = run_of_id(self.store, self.run.workflow, self.run.id)
        changes = []
        for name, oid in self._recorded():
            if self._seen.get(name) != oid:
                self._seen[name] = oid
                before, after = self._states.get(name), self.store.get(TaskRun, oid)
                self._states[name] = after
                changes.append((self._moment(before, after), name, before, after))
        changes.sort(key=lambda change: change[:2])
        events = [
            e for _, name, before, after in changes for e in self._told_of(name, before, after)
        ]
        if self.run.ended is not None:
            events.append(_finished(self.oid, self.run, self._states.values()))
        return events

    def _recorded(self) -> Iterator[tuple[str, Oid]]:
        if self.run.tasks is not None:
            for name, oid in tree.entries(self.store.tree, self.run.tasks).items():
                yield name, Oid(str(oid))
        else:
            for name, oid in self.store.refs(f"active/{self.run.id}/"):
                if name != ".run":
                    yield name, oid

    def _moment(self, before: TaskRun | None, after: TaskRun) -> datetime:
        """Return when the first of the new attempts began: what is told at once is told in order.

        What has no attempt, such as a task that is skipped, comes after what has.
        """
        new = after.attempts[len(before.attempts) if before else 0 :]
        return new[0].started if new else datetime.max.replace(tzinfo=UTC)

    def _told_of(self, name: str, before: TaskRun | None, after: TaskRun) -> Iterator[Event]:
        over = after.state not in OPEN
        for attempt in after.attempts[len(before.attempts) if before else 0 :]:
            yield from self._start(name, attempt.number, attempt)
            if not over or attempt is not after.attempts[-1]:
                yield TaskRetried(
                    task=name,
                    attempt=attempt.number,
                    delay=0.0,
                    error=attempt.error or attempt.state,
                )
        if after.state in ("running", "interrupted"):
            yield from self._start(name, len(after.attempts) + 1, None)
        if over:
            yield TaskFinished(task=name, taskrun=after)

    def _start(self, name: str, number: int, attempt: Attempt | None) -> Iterator[Event]:
        if (name, number) in self._told:
            return
        self._told.add((name, number))
        log = f"{self.run.workflow}/{self.run.id}/{name}.{number}.log"
        began = attempt.started if attempt else self._log_began(log)
        yield TaskStarted(task=name, attempt=number, time=began, log=log)

    def _log_began(self, log: str) -> datetime:
        """Return about when an attempt that runs began: its log is not older than that.

        The file system keeps no time of birth that could be asked for; until somebody reads the
        log, the time of the last access is the same.
        """
        path = path_of(self.store, log)
        try:
            status = path.stat() if path else None
        except OSError:
            status = None
        if status is None:
            return self.clock()
        return datetime.fromtimestamp(min(status.st_atime, status.st_mtime), UTC)


def watch(store: Store, run: Run, *, clock: Callable[[], datetime]) -> Iterator[Event]:
    """Yield the events of a run as they are recorded, until it has ended.

    A run whose owner was killed ends as interrupted. Leaving early changes nothing.
    """
    watching = Watch(store, run, clock=clock)
    yield watching.begin()
    while True:
        began = time.monotonic()
        yield from watching.poll()
        if watching.run.ended is not None:
            return
        pause(time.monotonic() - began)


def finished(store: Store, oid: Oid, run: Run) -> RunFinished:
    """Return the last event of a run that has ended."""
    return _finished(oid, run, task_runs(store, run).values())


def pause(spent_s: float) -> None:
    """Sleep between two polls, the longer the more a poll costs."""
    time.sleep(max(POLL_SECONDS, spent_s / SHARE_MAX))


def _finished(oid: Oid, run: Run, taskruns: Iterable[TaskRun]) -> RunFinished:
    counts = Counter(taskrun.state for taskrun in taskruns)
    late = run.state == "failed" and (run.reason or "").startswith(LATE)
    return RunFinished(oid=oid, run=run, states=dict(sorted(counts.items())), timed_out=late)
