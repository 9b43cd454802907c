"""What `--dry-run` says: the tasks that would be executed, and those that would not."""

from __future__ import annotations

import json
from collections.abc import Iterator

from ork.cli.screen import human
from ork.cli.screen.line import Line, note_line
from ork.cli.screen.parts import column, quoted
from ork.cli.session import Session
from ork.runner.start import Prepared, WouldRun, would_run
from ork.store.store import Store


def show(session: Session, ready: Prepared, *, as_json: bool) -> None:
    """Say what a run that was prepared would do."""
    would = would_run(session.store, ready)
    if as_json:
        session.print_json("dry-run", would)
    else:
        session.say(*map(note_line, ready.notes))
        session.print(would_run_view(would, session.store), page=True)


def would_run_view(would: WouldRun, store: Store) -> Iterator[Line]:
    tasks = human.count(len(would.tasks), "task")
    new = "" if would.deployed or would.run else "; it would be deployed first"
    if would.why and not would.run:
        new = ", in a new run"
    snapshot = (store.short(would.snapshot), "oid")
    yield [(would.run or would.workflow, "name"), " ", snapshot, f"  {tasks} would run{new}"]
    if would.params:
        yield [("params ", "label"), json.dumps(would.params, ensure_ascii=False)]
    width = column(quoted(name) for name in (*would.tasks, *would.others))
    for name, needs in would.tasks.items():
        after = f"after {', '.join(map(quoted, needs))}" if needs else ""
        when = [f"if {would.conditions[name]}"] if name in would.conditions else []
        why = ", ".join(filter(None, (would.why.get(name, after), *when)))
        yield [
            "  run      ",
            (f"{quoted(name):<{width}}", "name"),
            (f"  {why}" if why else "", "dim"),
        ]
    for name, one in would.others.items():
        reason = f"  {one.reason}" if one.reason else ""
        yield [
            (f"  {one.outcome:<9}", "dim"),
            (f"{quoted(name):<{width}}", "name"),
            (reason, "dim"),
        ]
