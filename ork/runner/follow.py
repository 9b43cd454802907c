"""What the tasks of a run print, as they print it: their logs, followed while they grow."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from ork.objects.kinds import Run
from ork.runner.events import Event, TaskFinished, TaskRetried, TaskStarted
from ork.runner.watch import Watch, pause
from ork.store.logs import Growing, path_of
from ork.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """Some bytes that an attempt printed, whole lines or not; the last ones when `over`."""

    task: str
    attempt: int
    data: bytes
    over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NotStarted:
    """A task ended without an attempt, so it has no log; `reason` says why."""

    task: str
    reason: str


def follow(
    store: Store,
    run: Run,
    *,
    clock: Callable[[], datetime],
    task: str | None = None,
    attempt: int | None = None,
    tail: int | None = None,
) -> Iterator[Printed | NotStarted]:
    """Yield what the tasks of a run, or one of them, print until the run or that task has ended.

    It begins with what the newest attempts have printed so far, or the last `tail` lines of that,
    and goes on through the attempts that follow. Nothing is asked of the process that owns the run.
    """
    watching = Watch(store, run, clock=clock)
    logs: dict[tuple[str, int], Growing] = {}
    events: list[Event] | None = None
    try:
        while True:
            began = time.monotonic()
            news = [event for event in watching.poll() if _concerns(event, task, attempt)]
            events = _newest(news) if events is None else news
            for event in events:
                if isinstance(event, TaskStarted):
                    log = Growing(path_of(store, event.log), tail=tail)
                    logs[event.task, event.attempt] = log
                elif isinstance(event, (TaskRetried, TaskFinished)):
                    had_log = any(name == event.task for name, _ in logs)
                    yield from _end(event.task, logs)
                    if isinstance(event, TaskFinished) and not had_log:
                        yield from _without_log(event)
            for (name, number), log in logs.items():
                while data := log.read():
                    yield Printed(task=name, attempt=number, data=data)
            if watching.run.ended is not None or any(_is_last(e, task, attempt) for e in events):
                for name in [name for name, _ in logs]:
                    yield from _end(name, logs)
                return
            pause(time.monotonic() - began)
    finally:
        for log in logs.values():
            log.close()


def _concerns(event: Event, task: str | None, attempt: int | None) -> bool:
    if not isinstance(event, (TaskStarted, TaskRetried, TaskFinished)):
        return False
    if task is not None and event.task != task:
        return False
    return attempt is None or isinstance(event, TaskFinished) or event.attempt == attempt


def _newest(events: list[Event]) -> list[Event]:
    """Leave out the attempts that others have followed when we come to it."""
    last = {
        event.task: index for index, event in enumerate(events) if isinstance(event, TaskStarted)
    }
    return [
        event
        for index, event in enumerate(events)
        if not isinstance(event, (TaskStarted, TaskRetried)) or index >= last[event.task]
    ]


def _end(task: str, logs: dict[tuple[str, int], Growing]) -> Iterator[Printed]:
    """Yield the rest of what a task printed, and forget its log."""
    for key in [key for key in logs if key[0] == task]:
        log = logs.pop(key)
        while data := log.read():
            yield Printed(task=key[0], attempt=key[1], data=data)
        log.close()
        yield Printed(task=key[0], attempt=key[1], data=b"", over=True)


def _without_log(event: TaskFinished) -> Iterator[NotStarted]:
    if not event.taskrun.attempts:
        reason = event.taskrun.reason or event.taskrun.state
        yield NotStarted(task=event.task, reason=reason)


def _is_last(event: Event, task: str | None, attempt: int | None) -> bool:
    """Say whether nothing can follow: the one task has ended, or the one attempt at it."""
    if task is None:
        return False
    return isinstance(event, TaskFinished) or (
        attempt is not None and isinstance(event, TaskRetried)
    )
