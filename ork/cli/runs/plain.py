"""A run on the screen: events -> plain lines, JSON lines or a live view; signals -> stop."""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from ork.cli.diff.diff_runs import since_good
from ork.cli.runs.list import task_line
from ork.cli.screen import human
from ork.cli.screen.human import STATE_WORDS
from ork.cli.screen.line import Line, to_json, unread_is_no_error
from ork.cli.session import Session
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


STOPPING = "stopping: what runs may end, for a moment; Ctrl-C again kills it\n"


@contextmanager
def stop_on_signals() -> Iterator[Control]:
    """Turn Ctrl-C, TERM and HUP into requests to stop the run, while the block lasts.

    What is ignored, as HUP under `nohup`, stays so.
    """
    control = Control()

    def stop(number: int, frame: Any) -> None:
        control.stop()
        if control.stops == 1 and not _is_live(os.environ):
            try:
                os.write(2, STOPPING.encode())  # a stream may be in the middle of a write
            except OSError:
                pass

    before = {
        number: signal.signal(number, stop)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield control
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def follow(
    session: Session, events: Iterator[Event], *, control: Control | None, as_json: bool
) -> RunFinished:
    """Show events as they come; return the last one.

    `control` tells whether a stop was asked. Where nobody reads any more, the run goes on unseen.
    """
    if not gc.isenabled():  # see `app.entry`: a run may last, and tasks may make it large
        gc.freeze()  # what there is by now stays, so it need not be looked at
        gc.enable()
    try:
        if as_json:
            return _json_lines(events, control or Control())
        if _is_live(session.world.environ):
            from ork.cli.runs.live import live

            finished = live(session, events, control)
        else:
            finished = _plain_lines(session, events, control or Control())
    finally:
        if isinstance(events, Generator):
            events.close()  # when we fail, the run ends now, while there is a store to record it
    summary(session, finished)
    return finished


def summary(session: Session, finished: RunFinished) -> None:
    """Print how the run went and what to do next; after a failure also what the task printed."""
    run = finished.run
    name = f"{run.workflow}#{run.number}"
    failed = _failed(session, finished)
    with unread_is_no_error():
        for task in failed[:3]:
            _log_tail(session, finished, task)
    with unread_is_no_error():
        took = human.duration(run.seconds)
        session.print(
            [
                [
                    (name, "name"),
                    " ",
                    (run.state, run.state),
                    f" in {took}: {_counts(finished.states)}",
                ]
            ]
        )
        sys.stdout.flush()
    if run.state == "failed" and (line := since_good(session.store, run)):
        with unread_is_no_error():
            session.say(line)
    with unread_is_no_error():
        also = f"`ork logs {name}:{failed[0]}` or " if failed else ""
        session.say([("next: ", "hint"), f"{also}`ork show {name}`"])


def event_line(event: Event, width: int, now: datetime) -> Line | None:
    """Return the line that tells of an event, or None when it needs none."""
    time: tuple[str, str] = (now.strftime("%H:%M:%S"), "time")
    if isinstance(event, RunStarted):
        run = event.run
        tasks = human.count(len(event.tasks), "task")
        return [
            time,
            "  run ",
            (f"{run.workflow}#{run.number}", "name"),
            " of ",
            (run.snapshot[:12], "oid"),
            f", {tasks}",
        ]
    if isinstance(event, TaskStarted):
        attempt = f" (attempt {event.attempt})" if event.attempt > 1 else ""
        return [time, ("  start   ", "running"), event.task, attempt]
    if isinstance(event, TaskRetried):
        error = event.error.partition("\n")[0]
        after = f", again in {human.duration(event.delay)}" if event.delay else ", trying again"
        return [time, ("  retry   ", "cancelled"), event.task, f"  {error}{after}"]
    if isinstance(event, TaskFinished) and event.kept:
        return [time, ("  kept    ", "skipped"), event.task]
    if isinstance(event, TaskFinished):
        return [time, *task_line(event.task, event.taskrun, width)]
    return None


def _is_live(environ: Mapping[str, str]) -> bool:
    return sys.stderr.isatty() and environ.get("TERM") != "dumb"


def _json_lines(events: Iterator[Event], control: Control) -> RunFinished:
    for event in events:
        document = {"schema": "ork.run.v1", "event": type(event).__name__, **to_json(event)}
        with unread_is_no_error():
            sys.stdout.write(json.dumps(document) + "\n")
            if not control.more:
                sys.stdout.flush()
    assert isinstance(event, RunFinished)
    return event


def _plain_lines(session: Session, events: Iterator[Event], control: Control) -> RunFinished:
    width = 0
    lines: list[Line] = []
    for event in events:
        if isinstance(event, RunStarted):
            width = min(max(map(len, event.tasks), default=0), 32)
        line = event_line(event, width, session.now())
        if line:
            lines.append(line)
        if lines and not control.more:
            session.say(*lines)
            lines = []
    assert isinstance(event, RunFinished)
    return event


def _counts(states: dict[str, int]) -> str:
    counts: dict[str, int] = {}
    for state, number in sorted(states.items(), key=lambda item: item[0] != "success"):
        word = STATE_WORDS.get(state, state)
        counts[word] = counts.get(word, 0) + number
    return ", ".join(f"{number} {word}" for word, number in counts.items())


def _failed(session: Session, finished: RunFinished) -> list[str]:
    from ork.store.contents import task_runs

    if "failed" not in finished.states:
        return []
    states = task_runs(session.store, finished.run)
    return [name for name, taskrun in states.items() if taskrun.state == "failed"]


def _log_tail(session: Session, finished: RunFinished, task: str) -> None:
    from ork.store.contents import task_runs
    from ork.store.logs import path_of

    attempts = task_runs(session.store, finished.run)[task].attempts
    log = attempts[-1].log if attempts else None
    path = path_of(session.store, log) if log else None
    if path is None or not path.exists():
        return
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - 8192))
        lines = file.read().decode("utf-8", "backslashreplace").rstrip("\n").split("\n")
    if lines != [""]:
        session.say([(f"--- the end of the log of {task}", "dim")])
        for line in lines[-LOG_LINES_MAX:]:
            session.say([line])
        session.say([("---", "dim")])
