"""The events of a run, and a run to its end: Ctrl-C stops it, a notebook shows how far it is."""

from __future__ import annotations

import atexit
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from inspect import GEN_RUNNING, getgeneratorstate
from threading import current_thread, main_thread
from typing import Any
from weakref import WeakKeyDictionary

from ork.errors import own_lines
from ork.follow.progress import Progress, show_in_notebook
from ork.objects.kinds import Run
from ork.runner.events import Event, RunFinished, RunStarted
from ork.runner.loop import Control

_LIVE: WeakKeyDictionary[Generator[Event], object] = WeakKeyDictionary()  # of runs that may go on


class Events(Iterator[Event]):
    """What happens in a run, one event after the other; it begins when the first is asked for."""

    def __init__(self, of: str, begin: Callable[[], Iterator[Event]]) -> None:
        self._of, self._begin = of, begin
        self._events: Iterator[Event] | None = None

    def __repr__(self) -> str:
        state = "not begun: iterate over it" if self._events is None else "begun"
        return f"<Events of {self._of}, {state}>"

    def __next__(self) -> Event:
        return next(self.begin())

    def begin(self) -> Iterator[Event]:
        """Do all that comes before the run, a deploy if need be, and return its events."""
        if self._events is None:
            self._events = self._begin()
        return self._events

    def close(self) -> None:
        """Stop the run if it has begun; else it never does."""
        if isinstance(self._events, Generator):
            self._events.close()
        self._events = iter(())


def ending_with(project: object, events: Generator[Event]) -> Generator[Event]:
    """Return the events of a run that is stopped at the latest when `stop_all` is called."""
    _LIVE[events] = project
    return events


@atexit.register  # later nothing works any more that stops a run and records it
def stop_all(project: object = None) -> None:
    """Stop the runs of a project, or of all, whose events nobody has taken to the end.

    Not those of which another thread is taking the next one: there it is told.
    """
    for events, of in list(_LIVE.items()):
        if project in (None, of) and getgeneratorstate(events) != GEN_RUNNING:
            events.close()


def follow(events: Iterator[Event], control: Control) -> RunFinished:
    """Take the events of a run to its end, and return the last one.

    Ctrl-C asks `control` for a stop, as it does for `ork run`: KeyboardInterrupt is raised when the
    run has ended and is recorded.
    """
    progress, place = Progress(), None
    with _stopped_by_interrupts(control) as came:
        for event in events:
            progress.note(event)
            if isinstance(event, RunStarted):
                place = show_in_notebook(progress)
            elif place and not control.more:
                place.update(progress)
    assert isinstance(event, RunFinished)
    if came:
        raise _interrupted(event.run)
    return event


@contextmanager
def _stopped_by_interrupts(control: Control) -> Iterator[list[int]]:
    """Let Ctrl-C ask for a stop where it would raise KeyboardInterrupt; yield those that came."""
    came: list[int] = []

    def stop(number: int, _: Any) -> None:
        came.append(number)
        control.stop()

    usual = signal.default_int_handler
    if current_thread() is not main_thread() or signal.getsignal(signal.SIGINT) is not usual:
        yield came
        return
    signal.signal(signal.SIGINT, stop)
    try:
        yield came
    finally:
        signal.signal(signal.SIGINT, usual)


def _interrupted(run: Run) -> KeyboardInterrupt:
    """Return what tells that a run was interrupted; a notebook shows it as it shows our errors."""
    reason = f": {run.reason}" if run.reason else ""
    again = "" if run.state == "success" else f"; `project.retry({run.name!r})` goes on with it"
    error = KeyboardInterrupt(f"{run.name} ended as {run.state}{reason}{again}")
    vars(error)["_render_traceback_"] = lambda: own_lines(error)
    return error
