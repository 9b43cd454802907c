"""What `ork run --dry-run` says: the tasks that would be executed, and those that would not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from ork.cli.screen import human
from ork.cli.screen.line import Line
from ork.cli.screen.parts import column, quoted
from ork.cli.session import Session
from ork.objects.canonical import Json, Oid
from ork.objects.kinds import Deploy
from ork.objects.value import Value
from ork.runner.start import Prepared
from ork.store.contents import needs_of
from ork.store.store import Store


def show(session: Session, store: Store, ready: Prepared, *, as_json: bool) -> None:
    """Say what a run that was prepared would do."""
    would = would_run(store, ready)
    if as_json:
        session.print_json("dry-run", would)
    else:
        session.print(_lines(would, store), page=True)


class Stays(Value, frozen=True, kw_only=True):
    """A task that would not be executed: succeeded, kept or left out, and why."""

    outcome: str
    reason: str | None


class WouldRun(Value, frozen=True, kw_only=True):
    """What a run would execute: each task in the order in which they can run, and what it needs.

    `others` are the tasks that would not be executed.
    """

    workflow: str
    snapshot: Oid
    deployed: bool
    params: Mapping[str, Json]
    tasks: Mapping[str, tuple[str, ...]]
    others: Mapping[str, Stays]


def would_run(store: Store, ready: Prepared) -> WouldRun:
    target, terms = ready.target, ready.terms
    needs = needs_of(store, store.snapshot(target.snapshot))
    head = store.ref(f"workflows/{target.workflow}")
    return WouldRun(
        workflow=target.workflow,
        snapshot=target.snapshot,
        deployed=target.deploy is not None
        or (head is not None and store.get(Deploy, head).has(target.snapshot, target.settings)),
        params=terms.params,
        tasks={name: below for name, below in needs.items() if name not in terms.before},
        others={
            name: Stays(outcome=human.outcome(one), reason=one.reason)
            for name, one in ((name, terms.before.get(name)) for name in needs)
            if one is not None
        },
    )


def _lines(would: WouldRun, store: Store) -> Iterator[Line]:
    tasks = human.count(len(would.tasks), "task")
    new = "" if would.deployed else "; it would be deployed first"
    snapshot = (store.short(would.snapshot), "oid")
    yield [(would.workflow, "name"), " ", snapshot, f"  {tasks} would run{new}"]
    if would.params:
        yield [("params ", "label"), json.dumps(would.params, ensure_ascii=False)]
    width = column(quoted(name) for name in (*would.tasks, *would.others))
    for name, needs in would.tasks.items():
        after = f"  after {', '.join(map(quoted, needs))}" if needs else ""
        yield ["  run      ", (f"{quoted(name):<{width}}", "name"), (after, "dim")]
    for name, one in would.others.items():
        why = f"  {one.reason}" if one.reason else ""
        yield [(f"  {one.outcome:<9}", "dim"), (f"{quoted(name):<{width}}", "name"), (why, "dim")]
