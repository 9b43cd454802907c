"""Hooks: a command of a workflow's settings that is executed when a run has ended.

The end of the run is recorded by then, and a hook can change nothing of it. That it begins is
recorded before it does, so it is executed once at most, whoever settles the run. How it went is
`hooks/WORKFLOW/RUN-ID/ATTEMPT-WHICH`.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from itertools import islice, takewhile
from pathlib import Path
from selectors import DefaultSelector

from ork.daemon import fires
from ork.daemon.fires import RETRIED
from ork.daemon.lines import FIRES_LOOKED_AT, Line, key_of_refs
from ork.definition.written import hook_command
from ork.errors import Conflict, Corrupt
from ork.executors.base import Job, Outcome, make
from ork.failpoints import failpoint
from ork.objects.canonical import Json, Oid, encode
from ork.objects.kinds import Deploy, Run, Task, micros, to_json
from ork.objects.value import replace
from ork.runner.brake import was_cut_off
from ork.runner.events import Event, RunFinished
from ork.runner.loop import Control
from ork.runner.start import Caller
from ork.runner.target import target_of
from ork.runner.workplace import inherited, secrets_in
from ork.schedule.policy import LATE_MAX
from ork.store.contents import task_runs
from ork.store.resolve import resolve, run_of_id, workflows_with_runs
from ork.store.runs import HOOK_MAX, Hook, Names, Which, id_time, params_of
from ork.store.store import Store
from ork.worktree.origin import host
from ork.worktree.place import checkout_of, interpreter

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
    hook = _due(store, run)
    if hook is None or (run.state in RETRIED and run.attempt <= retries):
        return None
    ref = _ref(run, hook)
    try:
        with store.transaction() as tx:
            claim = tx.add_value(to_json(hook))
            tx.move(ref, old=None, new=claim)
    except Conflict:  # somebody else was faster
        return None
    failpoint("hook.claimed")
    begins(hook.which)
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


def with_hooks(store: Store, events: Generator[Event], caller: Caller) -> Generator[Event]:
    """Yield the events of a run, and execute its hook at the end."""
    with closing(events):  # what goes wrong in stopping it is raised, where nobody awaits them
        for event in events:
            yield event
            if isinstance(event, RunFinished):
                after(store, event.run, caller)


def lacking(store: Store, left: Iterable[str] | None, now: datetime) -> Iterator[Run]:
    """Yield the runs, of refs that processes of `ork up` left, whose hooks have not begun.

    With None all of the last day: whoever was to execute them was killed. Of what a person may have
    tried again nothing tells that it was to have one. What is damaged is passed over.
    """
    for oid in _lately(store, now) if left is None else store.refs_at(left).values():
        with suppress(Corrupt):
            run = store.get(Run, oid, keep=False)
            known = left is not None or run.trigger in ("schedule", "queue")
            if known and is_lacking(store, run, now):
                yield run


def unfinished(store: Store, all_lines: Iterable[Line], now: datetime) -> Iterator[Run]:
    """Yield the newest runs of schedules that are gone which failed lately, and had no hook yet.

    Of this machine: they waited for a retry when its `ork up` ended.
    """
    there = {(line.workflow, key_of_refs(line.schedule)) for line in all_lines}
    known_as = Names(store)
    for workflow in store.folders("fires/"):
        refs = store.refs(f"fires/{workflow}/", newest_first=True)
        newest: dict[str, Oid] = {}
        for name, pin in islice(refs, FIRES_LOOKED_AT):
            newest.setdefault(name.partition(".")[2], pin)
        for key, pin in newest.items():
            begun = store.get(Run, pin, keep=False)
            if (known_as.of(begun), key) in there:
                continue
            _, run = run_of_id(store, workflow, begun.id)
            if run.state in RETRIED and is_lacking(store, run, now):
                yield run


def is_lacking(store: Store, run: Run, now: datetime) -> bool:
    """Say whether a run of this machine has ended lately, for good, and its hook has not begun."""
    lately = run.ended is not None and now - run.ended < LATE_MAX["latest"]
    if not lately or run.reason in fires.UNKNOWN or run.host != host() or not _due(store, run):
        return False
    return run.state not in RETRIED or run.attempt > fires.retries_of(store, run)


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


def _lately(store: Store, now: datetime) -> Iterator[Oid]:
    first = id_time(now - LATE_MAX["latest"])
    for workflow in workflows_with_runs(store):
        refs = store.refs(f"runs/{workflow}/", newest_first=True)
        yield from (oid for _, oid in takewhile(lambda ref: ref[0] >= first, refs))


def _due(store: Store, run: Run) -> Hook | None:
    """Return the hook of a run that has ended, unless it has begun, or somebody has stopped it."""
    stopped = run.state == "cancelled" and not was_cut_off(run)
    if run.ended is None or run.deploy is None or stopped:
        return None
    which: Which = "on_success" if run.state == "success" else "on_failure"
    command = hook_command(store.get(Deploy, run.deploy).settings, which)
    if command is None:
        return None
    hook = Hook(attempt=run.attempt, which=which, command=command, started=datetime.now(UTC))
    return hook if store.ref(_ref(run, hook)) is None else None


def _ref(run: Run, hook: Hook) -> str:
    return f"hooks/{run.workflow}/{run.id}/{hook.attempt}-{hook.which}"


def _execute(store: Store, run: Run, hook: Hook, caller: Caller) -> tuple[Outcome, str]:
    """Execute a hook as a process task is; return how it ended, and the end of its output."""
    target = target_of(store, resolve(store, f"run:{run.id}", now=caller.now))
    tasks = store.get_all(Task, store.snapshot(run.snapshot).tasks)
    wanted = {name for task in tasks.values() for name in task.secrets}
    control = caller.control or Control()
    with tempfile.TemporaryDirectory(prefix="ork-hook-") as folder, DefaultSelector() as selector:
        log = Path(folder) / "log"
        root = target.root
        if not root.is_dir():  # as on a machine that has the store and not the project
            root = checkout_of(store, run) or Path(folder)
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
                "PWD": str(root),
            },
            stdin=encode(facts(store, run, hook.which)).decode() + "\n",
            secrets=secrets_in(tasks, caller.environ, caller.hidden),
            root=str(root),
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
