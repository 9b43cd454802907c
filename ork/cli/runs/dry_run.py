"""What `--dry-run` says: the tasks that would be executed, and those that would not."""

from __future__ import annotations

import json
from collections.abc import Iterator

from ork.cli.screen import human
from ork.cli.screen.line import Line, note_line
from ork.cli.screen.parts import clipped, column, quoted
from ork.cli.session import Session
from ork.runner.start import Prepared, WouldRun, would_run

WHAT_COLUMNS = 11  # what would become of a task, before its name


def show(session: Session, ready: Prepared, *, as_json: bool) -> None:
    """Say what a run that was prepared would do."""
    would = would_run(session.store, ready)
    if as_json:
        session.print_json("dry-run", would)
    else:
        session.say(*map(note_line, ready.notes))
        session.print(would_run_view(would, session), page=True)


def would_run_view(would: WouldRun, session: Session) -> Iterator[Line]:
    tasks = human.count(len(would.tasks), "task")
    new = "; it would be deployed first" if would.deploys else ""
    if would.why and not would.run:
        new = ", in a new run"
    snapshot = (session.store.short(would.snapshot), "oid")
    yield [(would.run or would.workflow, "name"), " ", snapshot, f"  {tasks} would run{new}"]
    if would.params:
        yield [("params ", "label"), json.dumps(would.params, ensure_ascii=False)]
    names = map(quoted, (*would.tasks, *would.others))
    shown = clipped(names, session.width and session.width - WHAT_COLUMNS)
    width = column(shown.values(), session.width)
    for name, needs in would.tasks.items():
        why = would.why.get(name, f"after {', '.join(map(quoted, needs))}" if needs else "")
        if when := _open_condition(would, name):
            why += f"; only if {when}" if name in would.why else f", if {when}"
        yield _row("run", shown[quoted(name)], why, width)
    for name, one in would.others.items():
        yield _row(one.outcome, shown[quoted(name)], one.reason or "", width)


def _open_condition(would: WouldRun, name: str) -> str | None:
    """Return on what it depends that a task runs, where that is not known before the run."""
    when = would.conditions.get(name, "")
    needs = (need for need in would.tasks[name] if need in would.tasks)
    return when if any(when.startswith(f"tasks.{need}.output") for need in needs) else None


def _row(what: str, name: str, why: str, width: int) -> Line:
    padded = f"{name:<{width}}  " if why else name
    return [
        (f"  {what}".ljust(WHAT_COLUMNS), "" if what == "run" else "dim"),
        (padded, "name"),
        (why, "dim"),
    ]
