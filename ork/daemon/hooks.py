"""Hooks: a command of a workflow's settings that is executed when a run has ended.

The end of the run is recorded by then, and a hook can change nothing of it. That it begins is
recorded before it does, so it is executed once at most, whoever settles the run. How it went is
`hooks/WORKFLOW/RUN-ID/ATTEMPT-WHICH`.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from selectors import DefaultSelector

from ork.definition.written import hook_command
from ork.errors import Conflict
from ork.executors.base import Job, Outcome, make
from ork.failpoints import failpoint
from ork.objects.canonical import Json, encode
from ork.objects.kinds import Deploy, Run, Task, micros, to_json
from ork.objects.value import replace
from ork.runner.brake import was_cut_off
from ork.runner.events import Event, RunFinished
from ork.runner.loop import Control
from ork.runner.start import Caller
from ork.runner.target import target_of
from ork.runner.workplace import inherited, secrets_in
from ork.store.contents import task_runs
from ork.store.resolve import resolve, run_of_id
from ork.store.runs import HOOK_MAX, Hook, Which, params_of
from ork.store.store import Store
from ork.worktree.place import interpreter

TIMEOUT_S = HOOK_MAX.total_seconds()
OUTPUT_BYTES_MAX = 4096  # of what it printed, the end is kept
LOOK_SECONDS = 0.1
SCHEMA = "ork.hook.v1"


def after(
    store: Store,
    run: Run,
    caller: Caller,
    *,
    retries: int = 0,
    begins: Callable[[Which], None] = lambda which: None,
) -> Hook | None:
    """Execute the hook of a run that has ended, if it has one; return how it went.

    None as well for a run without a deploy, for one that goes on, that somebody has stopped, or
    whose hook somebody else executes. Of `retries` whole runs that follow, only the last failure
    counts; what a signal stopped is not retried. `begins` is called before it is executed.
    """
    _, run = run_of_id(store, run.workflow, run.id)  # as it is recorded
    which = _which(run)
    if run.ended is None or run.deploy is None or which is None:
        return None
    command = hook_command(store.get(Deploy, run.deploy).settings, which)
    if command is None or (run.state in ("failed", "interrupted") and run.attempt <= retries):
        return None
    hook = Hook(attempt=run.attempt, which=which, command=command, started=datetime.now(UTC))
    ref = f"hooks/{run.workflow}/{run.id}/{run.attempt}-{which}"
    if store.ref(ref) is not None:
        return None
    try:
        with store.transaction() as tx:
            claim = tx.add_value(to_json(hook))
            tx.move(ref, old=None, new=claim)
    except Conflict:  # somebody else was faster
        return None
    failpoint("hook.claimed")
    begins(which)
    outcome, output = _execute(store, run, hook, caller)
    ended = replace(
        hook,
        state=outcome.state,
        exit=outcome.exit,
        error=outcome.error,
        duration=micros(outcome.seconds),
        output=output,
    )
    with store.transaction() as tx:
        tx.move(ref, old=claim, new=tx.add_value(to_json(ended)))
    failpoint("hook.ended")
    return ended


def with_hooks(store: Store, events: Iterator[Event], caller: Caller) -> Iterator[Event]:
    """Yield the events of a run, and execute its hook at the end."""
    for event in events:
        yield event
        if isinstance(event, RunFinished):
            after(store, event.run, caller)


def facts(store: Store, run: Run, which: Which) -> Json:
    """Return what a hook reads about its run: see docs/schedules.md."""
    states = task_runs(store, run)
    return {
        "schema": SCHEMA,
        "hook": which,
        "name": run.name,
        "run": to_json(run),
        "params": params_of(store, run.params),
        "tasks": {
            name: {"state": one.state, "attempts": len(one.attempts), "reason": one.reason}
            for name, one in states.items()
        },
    }


def _which(run: Run) -> Which | None:
    """Return which hook a run has that has ended; none if somebody has stopped it, who knows."""
    if run.state == "cancelled" and not was_cut_off(run):
        return None
    return "on_success" if run.state == "success" else "on_failure"


def _execute(store: Store, run: Run, hook: Hook, caller: Caller) -> tuple[Outcome, str]:
    """Execute a hook as a process task is; return how it ended, and the end of its output."""
    target = target_of(store, resolve(store, f"run:{run.id}", now=caller.now))
    tasks = store.get_all(Task, store.snapshot(run.snapshot).tasks)
    wanted = {name for task in tasks.values() for name in task.secrets}
    control = caller.control or Control()
    with tempfile.TemporaryDirectory(prefix="ork-hook-") as folder, DefaultSelector() as selector:
        log = Path(folder) / "log"
        job = Job(
            executor="process",
            command=hook.command,
            base=inherited(store, caller.environ, wanted),
            environment={
                "ORK_HOOK": hook.which,
                "ORK_RUN_NAME": run.name,
                "ORK_RUN_STATE": run.state,
                "ORK_RUN_REASON": run.reason or "",
                "ORK_RUN_ID": run.id,
                "ORK_WORKFLOW_NAME": run.workflow,
                "ORK_SNAPSHOT": run.snapshot,
                "PWD": str(target.root),
            },
            stdin=encode(facts(store, run, hook.which)).decode() + "\n",
            secrets=secrets_in(tasks, caller.environ, caller.hidden),
            root=str(target.root),
            python=interpreter(target.settings, target.root, caller.environ),
            timeout_s=TIMEOUT_S,
            log=str(log),
        )
        with closing(make("local", 1, selector)) as executor:
            asked = control.stops  # which ended the run
            executor.start(hook.which, job)
            while not (ended := executor.step()):
                if control.stops > asked:
                    asked = control.stops
                    executor.stop(grace_s=0.0)
                until = min(LOOK_SECONDS, max(0.0, executor.step_at - time.monotonic()))
                for key, _ in selector.select(until):
                    key.data()
        return ended[0][1], _end_of(log)


def _end_of(log: Path) -> str:
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - OUTPUT_BYTES_MAX))
            return file.read().decode("utf-8", "replace")
    except FileNotFoundError:  # it printed nothing
        return ""
