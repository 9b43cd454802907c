"""Runs and what became of their tasks -> lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from ork.cli.screen import human as words
from ork.cli.screen.line import MARKS, Line
from ork.cli.session import Session
from ork.objects.canonical import Json
from ork.objects.kinds import TaskRun
from ork.store.contents import RunDetails, TaskDetails
from ork.store.runs import RunEntry
from ork.store.store import Store

VALUE_CHARS_MAX = 100


def runs_view(entries: Iterable[RunEntry], store: Store, session: Session) -> Iterator[Line]:
    """Yield one line per run: snapshot, name, state, time, duration, reason."""
    now = session.now()
    for entry in entries:
        run = entry.run
        time = words.ago(run.created, now) if session.width else words.date(run.created, now)
        name = f"{run.workflow}#{run.number}"
        yield [
            (store.short(run.snapshot), "oid"),
            "  ",
            (f"{name:<12}", "name"),
            "  ",
            (f"{run.state:<11}", run.state),
            "  ",
            (f"{time:<14}", "time"),
            "  ",
            f"{words.duration(run.seconds):>7}",
            *([] if run.deploy else ["  unattached"]),
            *(["  ", run.reason] if run.reason else []),
        ]


def run_view(details: RunDetails, store: Store, session: Session) -> Iterator[Line]:
    """Yield a run: what it executed, how it went, and a line per task."""
    run, now = details.run, session.now()
    snapshot = store.short(run.snapshot) if session.width else run.snapshot
    yield [("run      ", "label"), (f"{run.workflow}#{run.number}", "name"), "  ", run.id]
    yield [
        ("state    ", "label"),
        (run.state, run.state),
        *([" - ", run.reason] if run.reason else []),
    ]
    yield [("snapshot ", "label"), (snapshot, "oid")]
    deploy = run.deploy and (store.short(run.deploy) if session.width else run.deploy)
    yield [("deploy   ", "label"), deploy or "none: the snapshot was run unattached"]
    yield [("author   ", "label"), f"{run.author} on {run.host}"]
    if details.params:
        yield [("params   ", "label"), json.dumps(details.params, ensure_ascii=False)]
    took = f", took {words.duration(run.seconds)}" if run.seconds is not None else ""
    yield [("date     ", "label"), words.date(run.created, now), took]
    yield [""]
    width = min(max((len(name) for name in details.tasks), default=0), 32)
    for name, task in details.tasks.items():
        yield task_line(name, task.taskrun, width, value=task.output)


def task_line(name: str, taskrun: TaskRun, width: int, *, value: Json = None) -> Line:
    """Return one line about a task: state, name, duration, and its output or what went wrong."""
    seconds = taskrun.attempts[-1].seconds if taskrun.attempts else None
    line: Line = [
        "  ",
        (f"{MARKS[taskrun.state]:<8}", taskrun.state),
        f"{name:<{width}}",
        f"  {words.duration(seconds):>7}",
    ]
    if len(taskrun.attempts) > 1:
        line.append((f"  attempt {len(taskrun.attempts)}", "dim"))
    if taskrun.reason and taskrun.state != "success":
        line += ["  ", taskrun.reason]
    elif value is not None:
        line += ["  ", (_short(value), "dim")]
    return line


def taskrun_view(name: str, details: TaskDetails, session: Session) -> Iterator[Line]:
    """Yield what became of one task: state, values, every attempt."""
    taskrun = details.taskrun
    yield [("task     ", "label"), (name, "name"), "  ", (taskrun.task, "oid")]
    yield [
        ("state    ", "label"),
        (taskrun.state, taskrun.state),
        *([" - ", taskrun.reason] if taskrun.reason else []),
    ]
    yield [("inputs   ", "label"), json.dumps(details.inputs, ensure_ascii=False)]
    yield [("output   ", "label"), json.dumps(details.output, ensure_ascii=False)]
    for attempt in taskrun.attempts:
        yield [""]
        yield [
            ("attempt  ", "label"),
            f"{attempt.number}, ",
            (attempt.state, attempt.state),
            f", {words.date(attempt.started, session.now())}, took ",
            words.duration(attempt.seconds),
        ]
        for line in (attempt.error or "").rstrip("\n").split("\n") if attempt.error else ():
            yield ["    ", line]


def _short(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= VALUE_CHARS_MAX else text[: VALUE_CHARS_MAX - 3] + "..."
