"""A run that another process owns, looked at from here: its events, and what its tasks print."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import TypeAlias

from ork.errors import Corrupt
from ork.logs.begun import Beginnings
from ork.logs.reading import NOT_EXECUTED, Growing, why_none
from ork.objects.canonical import Oid
from ork.objects.kinds import BACKOFF_UNIT, SECOND, Attempt, Run, Task, TaskRun
from ork.objects.value import Value, replace
from ork.runner.brake import LATE
from ork.runner.events import Event, RunFinished, RunStarted, TaskFinished, TaskRetried, TaskStarted
from ork.runner.record import settle
from ork.store.contents import needs_of, recorded, task_runs
from ork.store.resolve import run_of_id
from ork.store.store import Store
from ork.store.verdict import tainted
from ork.worktree.place import checkout_of

POLL_SECONDS = 0.125
SHARE_MAX = 0.1  # of the time that may go into polling: a run of 10,000 tasks is asked less often
PAUSE_SECONDS_MAX = 5.0  # also after a look that had to wait for a server, which cost nothing
SETTLE_SECONDS = 1.0  # a dead owner is noticed after this
OPEN = ("pending", "running")
OfTask: TypeAlias = TaskStarted | TaskRetried | TaskFinished


class Printed(Value, frozen=True, kw_only=True):
    """Some bytes that an attempt printed, whole lines or not; the last ones when `over`.

    Then `error` says why a part could not be written, if that is so.
    """

    task: str
    attempt: int
    data: bytes
    over: bool = False
    error: str | None = None


class NotStarted(Value, frozen=True, kw_only=True):
    """A task ended without an attempt, so it has no log; `reason` says why."""

    task: str
    reason: str


class Quiet(Value, frozen=True, kw_only=True):
    """All that was there has been told: the next thing comes after a pause."""


def watch(store: Store, run: Run, *, clock: Callable[[], datetime]) -> Iterator[Event]:
    """Yield the events of a run as they are recorded, until it has ended.

    A run whose owner was killed ends as interrupted. Leaving early changes nothing.
    """
    watching = Watching(store, run, clock)
    yield watching.begin()
    while True:
        began = time.monotonic()
        yield from watching.poll()
        if watching.run.ended is not None:
            return
        time.sleep(pause_s(time.monotonic() - began))


def finished(store: Store, oid: Oid, run: Run) -> RunFinished:
    """Return the last event of a run that has ended."""
    return _finished(store, oid, run, task_runs(store, run))


def follow(
    store: Store,
    run: Run,
    *,
    clock: Callable[[], datetime],
    tasks: Collection[str] = (),
    attempt: int | None = None,
    tail: int | None = None,
) -> Iterator[Printed | NotStarted | Quiet]:
    """Yield what the tasks of a run, or some of them, print until it, or those, have ended.

    It begins with what the newest attempts have printed so far, or the last `tail` lines of that,
    and goes on through the attempts that follow. Nothing is asked of the process that owns the run.
    """
    watching = Watching(store, run, clock)
    logs: dict[str, tuple[int, Growing]] = {}  # task -> the attempt that runs, its log
    events: list[OfTask] | None = None
    left = {*tasks}
    try:
        while True:
            began = time.monotonic()
            news = _concerning(watching.poll(), tasks, attempt)
            events = _newest(news) if events is None else news
            for event in events:
                if isinstance(event, TaskStarted):
                    now = partial(watching.beginnings.log, event.task, event.attempt)
                    logs[event.task] = event.attempt, Growing(store, now, tail=tail)
                elif event.task in logs:
                    yield from _rest(watching, event.task, *logs.pop(event.task))
                elif isinstance(event, TaskFinished):
                    done = [a.number for a in event.taskrun.attempts]
                    for number in [n for n in done if event.kept and attempt in (None, n)][-1:]:
                        now = partial(watching.beginnings.log, event.task, number)
                        log = Growing(store, now, tail=tail)
                        yield from _rest(watching, event.task, number, log)
                    if not done and (tasks or event.taskrun.state not in NOT_EXECUTED):
                        yield NotStarted(task=event.task, reason=why_none(event.taskrun))
            for name, (number, log) in logs.items():
                yield from _printed(name, number, log)
            left -= {event.task for event in events if _is_last(event, attempt)}
            if watching.run.ended is not None or (tasks and not left):
                while logs:
                    name, (number, log) = logs.popitem()
                    yield from _rest(watching, name, number, log)
                return
            yield Quiet()
            time.sleep(pause_s(time.monotonic() - began))
    finally:
        for _, log in logs.values():
            log.close()


class Watching:
    """The state of a run as it was seen last; each `poll` tells what is new.

    Attempts so short that their start was never recorded are told of when they have ended. The
    delay before a retry is what is left of it, and 0 with a backoff: it is not recorded, nor are
    the slots.
    """

    def __init__(
        self, store: Store, run: Run, clock: Callable[[], datetime], *, settles: bool = True
    ) -> None:
        """`settles`: takes note of runs whose owners were killed, which otherwise others do."""
        self.store, self.clock, self._settles = store, clock, settles
        self.oid, self.run = run_of_id(store, run.workflow, run.id)
        self._began_with: Oid | None = None  # the tree of what was known of tasks
        self._seen: dict[str, Oid] = {}
        self._states: dict[str, TaskRun] = {}
        self._told: set[tuple[str, int]] = set()  # attempts whose start was told
        self._settled_at = time.monotonic()
        self.beginnings = Beginnings(store, run)

    def begin(self) -> RunStarted:
        """Return the event that every run begins with."""
        return RunStarted(
            run=self.run,
            tasks=self._needs(),
            slots=0,
            folder=_checkout(self.store, self.run),
        )

    def _needs(self) -> dict[str, tuple[str, ...]]:
        return needs_of(self.store, self.store.snapshot(self.run.snapshot))

    def poll(self) -> list[Event]:
        """Return what has happened since the last time; RunFinished comes last, and once."""
        late = self._settles and time.monotonic() - self._settled_at > SETTLE_SECONDS
        if self.run.ended is None and late:
            self._settled_at = time.monotonic()
            settle(self.store, now=self.clock(), only=[self.run.id])
        self.oid, self.run = run_of_id(self.store, self.run.workflow, self.run.id)
        events: list[Event] = [*self._idle()]
        changes = []
        for name, after in self._recorded():
            before = self._states.get(name)
            if before != after:
                self._states[name] = after
                new = after.attempts[len(before.attempts) if before else 0 :]
                # In the order in which the attempts began; what has none comes last.
                moment = new[0].started if new else datetime.max.replace(tzinfo=UTC)
                changes.append((moment, name, new, after))
        changes.sort(key=lambda change: change[:2])
        events += (e for _, name, new, after in changes for e in self._news(name, new, after))
        if self.run.ended is not None:
            events.append(_finished(self.store, self.oid, self.run, self._states))
        return events

    def _idle(self) -> Iterator[TaskFinished]:
        """Yield the outcomes with which a run that goes on began, as its owner has told them."""
        if self.run.ended is not None or self.run.tasks == self._began_with:
            return
        self._began_with = self.run.tasks
        known = dict(recorded(self.store, self.run))
        self._states |= known
        for name in filter(known.__contains__, self._needs() if known else ()):
            if known[name].state not in OPEN:
                yield TaskFinished(task=name, taskrun=known[name], kept=self.run.attempt > 1)

    def _recorded(self) -> Iterator[tuple[str, TaskRun]]:
        """Yield the outcomes so far; of a run that goes on only those that are new."""
        if self.run.ended is not None:
            yield from task_runs(self.store, self.run).items()
            return
        active = f"active/{self.run.id}/"
        for name, oid in self.store.refs(active):
            if name == ".run" or self._seen.get(name) == oid:
                continue
            try:
                yield name, self.store.get(TaskRun, oid)
            except Corrupt:
                # A run takes away what it replaces; what is still named must be there.
                if self.store.ref(active + name) == oid:
                    raise
            else:
                self._seen[name] = oid

    def _news(self, name: str, new: tuple[Attempt, ...], after: TaskRun) -> Iterator[Event]:
        over = after.state not in OPEN
        for attempt in new:
            yield from self._start(name, attempt.number, attempt)
            is_last = attempt is after.attempts[-1]
            if is_last and not over and self.run.ended is not None:
                continue  # another one was to follow, and did not
            if not over or not is_last:
                error = attempt.error or attempt.state
                delay = 0.0
                if after.state == "pending" and is_last:
                    delay = next_in(self.store.get(Task, after.task), attempt, self.clock())
                yield TaskRetried(
                    task=name, attempt=attempt.number, time=attempt.ended, error=error, delay=delay
                )
        if after.state == "running":
            yield from self._start(name, len(after.attempts) + 1, None)
        if over:
            yield TaskFinished(task=name, taskrun=after)

    def _start(self, name: str, number: int, attempt: Attempt | None) -> Iterator[Event]:
        if (name, number) in self._told:
            return
        self._told.add((name, number))
        if attempt is not None:
            began, log = attempt.started, attempt.log and replace(attempt.log, length=None)
        else:
            begun = self.beginnings.now().get((name, number))
            began, log = (begun.started, begun.log) if begun else (self.clock(), None)
        yield TaskStarted(task=name, attempt=number, time=began, log=log)


def next_in(task: Task, last: Attempt, now: datetime) -> float:
    """Return the seconds until the attempt after this one; 0 where they were drawn at random."""
    if task.retry_backoff != BACKOFF_UNIT:
        return 0.0
    ago = (now - last.started).total_seconds() - last.seconds
    return max(0.0, task.retry_delay / SECOND - max(0.0, ago))


def pause_s(spent_s: float, *, least_s: float = POLL_SECONDS) -> float:
    """Return how long to wait before the next poll: the longer, the more the last one took."""
    return min(max(least_s, spent_s / SHARE_MAX), PAUSE_SECONDS_MAX)


def _finished(store: Store, oid: Oid, run: Run, states: Mapping[str, TaskRun]) -> RunFinished:
    counts = Counter(taskrun.state for taskrun in states.values())
    return RunFinished(
        oid=oid,
        run=run,
        states=dict(sorted(counts.items())),
        kept=sum(taskrun.is_kept for taskrun in states.values()),
        unmet=sum(taskrun.is_unmet for taskrun in states.values()),
        timed_out=run.state == "failed" and (run.reason or "").startswith(LATE),
        folder=_checkout(store, run),
        tainted=tainted(states),
        cut_logs={task: why for (task, _), why in Beginnings(store, run).cut().items()},
    )


def _checkout(store: Store, run: Run) -> str | None:
    folder = checkout_of(store, run) if store.folder else None
    return str(folder) if folder else None


def _concerning(events: list[Event], tasks: Collection[str], attempt: int | None) -> list[OfTask]:
    """Return the events of some tasks, or of one attempt at them; of all tasks for none."""
    return [
        event
        for event in events
        if isinstance(event, (TaskStarted, TaskRetried, TaskFinished))
        if not tasks or event.task in tasks
        if attempt is None or isinstance(event, TaskFinished) or event.attempt == attempt
    ]


def _newest(events: list[OfTask]) -> list[OfTask]:
    """Leave out the attempts that others have followed when we come to it."""
    last = {event.task: n for n, event in enumerate(events) if isinstance(event, TaskStarted)}
    return [e for n, e in enumerate(events) if isinstance(e, TaskFinished) or n >= last[e.task]]


def _printed(task: str, attempt: int, log: Growing) -> Iterator[Printed]:
    while data := log.read():
        yield Printed(task=task, attempt=attempt, data=data)


def _rest(watching: Watching, task: str, attempt: int, log: Growing) -> Iterator[Printed]:
    """Yield the rest of what an attempt printed."""
    yield from _printed(task, attempt, log)
    log.close()
    error = watching.beginnings.cut().get((task, attempt))
    yield Printed(task=task, attempt=attempt, data=b"", over=True, error=error)


def _is_last(event: OfTask, attempt: int | None) -> bool:
    """Say whether nothing of its task can follow: that has ended, or the one attempt at it."""
    return isinstance(event, TaskFinished) or (
        attempt is not None and isinstance(event, TaskRetried)
    )
