"""Runs that nobody executed: begun and ended in the record, with the outcomes that are given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta

from ork.backends.memory import Memory
from ork.objects import tree
from ork.objects.canonical import Oid
from ork.objects.kinds import Attempt, Deploy, Run, RunState, TaskRun, TaskState, micros, output_of
from ork.objects.value import replace
from ork.runner import record
from ork.store.contents import task_runs
from ork.store.resolve import run_of_number
from ork.store.store import Store
from ork.store.verdict import counts_as, tally, tally_text
from tests.stores import ADA, NOON

# A run that goes on, of which a test says what is another.
PIN = Run(
    id="20261101T120000.000-ab12",
    workflow="etl",
    number=1,
    snapshot=Oid("a" * 64),
    deploy=None,
    state="running",
    trigger="run",
    author=ADA,
    host="h",
    environment=None,
    created=NOON,
)


def outcome(
    task: Oid, state: TaskState = "success", *, tainted: tuple[str, ...] = (), number: int = 1
) -> TaskRun:
    """Return what became of a task; it gave a number if it succeeded, and skipped it never ran."""
    attempt = Attempt(
        number=number, state=state, started=NOON, duration=micros(1), tainted=tainted, host="h"
    )
    return TaskRun(
        task=task,
        state=state,
        output=output_of({"n": 1})[0] if state == "success" else None,
        attempts=() if state in ("skipped", "upstream_failed") else (attempt,),
    )


def write_run(
    store: Store,
    deploy: Oid,
    states: Mapping[str, TaskRun],
    state: RunState = "success",
    **fields: object,
) -> Run:
    """Write a run of a deploy that has ended, and return it."""
    return end_run(begin_run(store, deploy, **fields), states, state)


def begin_run(store: Store, deploy: Oid, **fields: object) -> record.Record:
    """Write that a run of a deploy goes on, and own it."""
    entry = store.get(Deploy, deploy)
    pin = replace(PIN, workflow=entry.workflow, snapshot=entry.snapshot, deploy=deploy)
    return record.begin(store, replace(pin, **fields), {}, random="000000")


def write_retry(
    store: Store, workflow: str, number: int, states: Mapping[str, TaskRun], state: RunState
) -> Run:
    """Write that a run was gone on with, and ended with these states; return it."""
    oid, before = run_of_number(store, workflow, number)
    return end_run(record.resume(store, oid, before, before, {}), states, state)


def taint(store: Store, workflow: str, number: int, **changed: tuple[str, ...]) -> None:
    """Say that files changed under the last attempts of these tasks: taint(..., a=("x.py",))."""
    old, run = run_of_number(store, workflow, number)
    states = dict(task_runs(store, run))
    for name, files in changed.items():
        *before, last = states[name].attempts
        states[name] = replace(states[name], attempts=(*before, replace(last, tainted=files)))
    with store.transaction() as tx:
        new = tx.add(replace(run, tasks=tree.build(states, tx.add, TaskRun)))
        tx.move(f"runs/{workflow}/{run.id}", old=old, new=new)
        if run.deploy:
            counted = tally(store, run.deploy)
            counts = Counter(counted.counts)
            counts.subtract([counts_as(store, run, task_runs(store, run))])
            counts.update([counts_as(store, run, states)])
            folder = f"tally/{run.deploy}/"
            for text, oid in store.refs(folder):
                tx.move(folder + text, old=oid, new=None)
            after = tally_text(replace(counted, counts={**+counts}))
            tx.move(folder + after, old=None, new=run.deploy)


def in_memory() -> Store:
    """Return an empty store that no other process can own anything in."""
    return Store(Memory(), folder=None)


def end_run(begun: record.Record, states: Mapping[str, TaskRun], state: RunState) -> Run:
    ended = replace(begun.run, state=state, ended=NOON + timedelta(seconds=1), duration=micros(1))
    begun.end(ended, states, {})
    return begun.run
