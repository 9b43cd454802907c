"""A run on the screen: events -> plain lines, JSON lines or a live view; signals -> stop."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from ork.cli import words
from ork.cli.session import Session
from ork.cli.show import Line, to_json
from ork.cli.views.runs import STATE_WORDS, task_line
from ork.runner.events import (
    Event,
    RunFinished,
    RunStarted,
    TaskFinished,
    TaskRetried,
    TaskStarted,
)
from ork.runner.loop import Control

LOG_LINES_MAX = 10


@contextmanager
def stop_on_signals() -> Iterator[Control]:
    """Turn Ctrl-C, TERM and HUP into requests to stop the run, while the block lasts."""
    control = Control()

    def stop(number: int, frame: Any) -> None:
        control.stop()

    before = {number: signal.signal(number, stop)
              for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}  # fmt: skip
    try:
        yield control
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def follow(
    session: Session, events: Iterator[Event], *, control: Control, as_json: bool
) -> RunFinished:
    """Show events as they come; return the last one. `control` tells whether a stop was asked."""
    if as_json:
        return _json_lines(events)
    if sys.stderr.isatty() and session.world.environ.get("TERM") != "dumb":
        from ork.cli.live import live

        finished = live(session, events, control)
    else:
        finished = _plain_lines(session, events)
    _summary(session, finished)
    return finished


def event_line(event: Event, width: int, now: datetime) -> Line | None:
    """Return the line that tells of an event, or None when it needs none."""
    time: tuple[str, str] = (now.strftime("%H:%M:%S"), "time")
    if isinstance(event, RunStarted):
        run = event.run
        tasks = words.count(len(event.tasks), "task")
        return [time, "  run ", (f"{run.workflow}#{run.number}", "name"), " of ",
                (run.snapshot[:12], "oid"), f", {tasks}"]  # fmt: skip
    if isinstance(event, TaskStarted):
        attempt = f" (attempt {event.attempt})" if event.attempt > 1 else ""
        return [time, ("  start   ", "running"), event.task, attempt]
    if isinstance(event, TaskRetried):
        error = event.error.partition("\n")[0]
        after = f", again in {words.duration(event.delay)}" if event.delay else ", again at once"
        return [time, ("  retry   ", "cancelled"), event.task, f"  {error}{after}"]
    if isinstance(event, TaskFinished):
        return [time, *task_line(event.task, event.taskrun, width)]
    return None


def _json_lines(events: Iterator[Event]) -> RunFinished:
    for event in events:
        document = {"schema": "ork.run.v1", "event": type(event).__name__, **to_json(event)}
        sys.stdout.write(json.dumps(document) + "\n")
        sys.stdout.flush()
    assert isinstance(event, RunFinished)
    return event


def _plain_lines(session: Session, events: Iterator[Event]) -> RunFinished:
    width = 0
    for event in events:
        if isinstance(event, RunStarted):
            width = min(max(map(len, event.tasks), default=0), 32)
        line = event_line(event, width, session.now())
        if line:
            session.say(line)
    assert isinstance(event, RunFinished)
    return event


def _summary(session: Session, finished: RunFinished) -> None:
    """Print how the run went and what to do next; after a failure also what the task printed."""
    run = finished.run
    name = f"{run.workflow}#{run.number}"
    failed = _failed(session, finished)
    for task in failed[:3]:
        _log_tail(session, finished, task)
    session.print([[(name, "name"), " ", (run.state, run.state),
                    f" in {words.duration(run.seconds)}: {_counts(finished.states)}"]])  # fmt: skip
    if failed:
        session.say([("next: ", "hint"), f"`ork logs {name}:{failed[0]}` or `ork show {name}`"])
    else:
        session.say([("next: ", "hint"), f"`ork show {name}`"])


def _counts(states: dict[str, int]) -> str:
    counts: dict[str, int] = {}
    for state, number in sorted(states.items(), key=lambda item: item[0] != "success"):
        word = STATE_WORDS.get(state, state)
        counts[word] = counts.get(word, 0) + number
    return ", ".join(f"{number} {word}" for word, number in counts.items())


def _failed(session: Session, finished: RunFinished) -> list[str]:
    from ork.store.resolve import task_runs

    states = task_runs(session.store, finished.run)
    return [name for name, taskrun in states.items() if taskrun.state == "failed"]


def _log_tail(session: Session, finished: RunFinished, task: str) -> None:
    from ork.store.resolve import task_runs

    attempts = task_runs(session.store, finished.run)[task].attempts
    log = attempts[-1].log if attempts else None
    folder = session.store.folder
    if log is None or folder is None or not (folder / "logs" / log).exists():
        return
    with (folder / "logs" / log).open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - 8192))
        lines = file.read().decode("utf-8", "backslashreplace").rstrip("\n").split("\n")
    if lines != [""]:
        session.say([(f"--- the end of the log of {task}", "dim")])
        for line in lines[-LOG_LINES_MAX:]:
            session.say([line])
        session.say([("---", "dim")])
