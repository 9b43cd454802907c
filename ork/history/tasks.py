"""One task over time: what became of it in each run, and what was another than in the run before.

From run to run it is followed through its renames, as `ork blame` does from deploy to deploy.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from itertools import islice

from ork.alike import did_you_mean
from ork.errors import Corrupt, NotFound, UsageError
from ork.history.filters import Parts, existing
from ork.history.lineage import is_changed, task_steps
from ork.history.log import LogEntry, entries_of
from ork.objects.canonical import Json, Oid
from ork.objects.kinds import RUN_STATES, Deploy, Run, Task, TaskRun
from ork.objects.rows import columns
from ork.objects.snapshot import Contents, changes
from ork.objects.value import Value, replace
from ork.store.resolve import history, only_workflow
from ork.store.revision import split_part
from ork.store.runs import RunEntry, outcome_of
from ork.store.store import Store
from ork.worktree.globs import excluded
from ork.worktree.reached import reached

STATES = ("pending", *RUN_STATES[1:], "skipped", "upstream_failed")
DEPLOYS_LOOKED_AT_MAX = 1_000  # for those that changed a task
DEPLOYS_SHOWN = 15


class TaskRow(Value, frozen=True, kw_only=True):
    """A task in one run, in a list of these, newest first.

    `taskrun` is None while the run has not come to it. `task` is the name that it had there, and
    `changed` what is another than in the next one of the list: name, definition, code, output.
    """

    run: Run
    taskrun: TaskRun | None
    task: str
    changed: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What it is called: "etl#5:load"."""
        return f"{self.run.name}:{self.task}"

    @property
    def revision(self) -> str:
        """The text that means it: its name."""
        return self.name

    @property
    def state(self) -> str:
        """How it ended; pending as long as nothing is recorded of it."""
        return self.taskrun.state if self.taskrun else "pending"

    def cells(self) -> dict[str, object]:
        of_task = self.taskrun.cells() if self.taskrun else {"state": self.state}
        new = f"new {', '.join(self.changed)}" if self.changed else None
        return {"task": self.name, "began": self.run.created, **of_task, "changed": new}

    def _row(self) -> dict[str, object]:
        found = self.taskrun
        return {
            "workflow": self.run.workflow,
            "number": self.run.number,
            "state": self.state,
            "created": self.run.created,
            "seconds": found.seconds if found else None,
            "task": self.task,
            "attempts": len(found.attempts) if found else 0,
            "reason": found.reason if found else None,
            "changed": self.changed,
        }


class TaskRowWithOutput(TaskRow, frozen=True, kw_only=True):
    """A task in one run, with the value that it gave; None of one that gave none."""

    output: Json

    def cells(self) -> dict[str, object]:
        return super().cells() | {"output": self.output}

    def _row(self) -> dict[str, object]:
        return super()._row() | columns("output", self.output)


class TaskHistory(Value, frozen=True, kw_only=True):
    """One task over time: the runs that have it, and the newest deploys that changed it."""

    workflow: str
    task: str
    runs: tuple[TaskRow, ...]
    deploys: tuple[LogEntry, ...]


def workflow_and_task(store: Store, text: str) -> tuple[str, str]:
    """Return the workflow and the task that a text such as etl:load names."""
    workflow, task = split_part(text)
    if not task:
        raise UsageError(f"{text} names no task", hint="write WORKFLOW:TASK")
    name = only_workflow(store) if workflow in ("", "@") else workflow
    if re.search("[@~^#]", name):
        hint = f"`ork runs {re.split('[@~^#]', name)[0]}:{task}` lists all runs of the task"
        raise UsageError(f"{text} is of one version; a workflow is wanted here", hint=hint)
    return name, task


def task_rows(
    store: Store,
    entries: Iterable[RunEntry],
    workflow: str,
    task: str,
    *,
    states: Collection[str] = (),
) -> Iterator[TaskRow]:
    """Yield a row for each of these runs of a workflow, newest first, that has a task. Lazy.

    With `states` only those in which it ended so. A row is compared with the next one, so of as
    many as are taken one more is read.
    """
    for state in states:
        if state not in STATES:
            hint = did_you_mean(state, STATES, form="`{}`") or f"say one of {', '.join(STATES)}"
            raise UsageError(f"no task is {state!r}", hint=hint)
    names = _Names(store, workflow, task)
    newer: TaskRow | None = None
    for run in (entry.run for entry in entries):
        name = names.in_snapshot(run.snapshot)
        if name is None:
            continue
        row = TaskRow(run=run, taskrun=outcome_of(store, run, name), task=name)
        if states and row.state not in states:
            continue
        if newer is not None:
            yield replace(newer, changed=tuple(_changed(store, row, newer)))
        newer = row
    if newer is not None:
        yield newer


def task_history(store: Store, workflow: str, task: str, rows: Iterable[TaskRow]) -> TaskHistory:
    """Return these rows of a task, and the deploys that changed it, of those that are looked at."""
    head = store.ref(f"workflows/{workflow}")
    found: Iterator[tuple[Oid, Deploy]] = iter(())
    if head and task in store.snapshot(store.get(Deploy, head).snapshot).tasks:
        deploys = islice(history(store, workflow), DEPLOYS_LOOKED_AT_MAX)
        found = Parts(store, [task], follow=True).changed(deploys)
    changed = entries_of(store, dict(islice(found, DEPLOYS_SHOWN)))
    return TaskHistory(workflow=workflow, task=task, runs=tuple(rows), deploys=tuple(changed))


def row_with_output(store: Store, row: TaskRow) -> TaskRowWithOutput:
    """Return a row with the value that the task gave."""
    fields = {name: getattr(row, name) for name in row.__struct_fields__}
    output = row.taskrun.output if row.taskrun else None
    return TaskRowWithOutput(**fields, output=store.output(output) if output else None)


def refuse_unknown(store: Store, workflow: str, task: str, *, now: datetime) -> None:
    """Raise NotFound unless some version of a workflow has a task."""
    versions = (deploy.snapshot for _, deploy in history(store, workflow))
    if any(task in store.snapshot(snapshot).tasks for snapshot in versions):
        return
    existing(store, workflow, task, now=now)
    hint = f"`ork runs --containing {workflow}:{task}` lists the runs that have it"
    raise NotFound(f"{task} is a code file of {workflow}, and no task", hint=hint)


class _Names:
    """What a task is called, on the way back from its newest definition."""

    def __init__(self, store: Store, workflow: str, name: str) -> None:
        self.store, self.name = store, name
        self.last: Contents | None = None  # the oldest so far that has it, under this name
        self.without: set[Oid] = set()  # snapshots that have nothing of which it came
        if head := store.ref(f"workflows/{workflow}"):
            self.in_snapshot(store.get(Deploy, head).snapshot)

    def in_snapshot(self, oid: Oid) -> str | None:
        """Return its name in an older snapshot, None where it is absent."""
        if self.last is not None and self.last.oid == oid:
            return self.name
        if oid in self.without:
            return None
        here = self.store.snapshot(oid)
        if self.name not in here.tasks:
            old_name = self._name_before(here)
            if old_name is None:
                self.without.add(oid)
                return None
            self.name = old_name
        self.last = here
        self.without.clear()
        return self.name

    def _name_before(self, older: Contents) -> str | None:
        if self.last is None:
            return None
        steps = task_steps(self.store, older.tasks, self.last.tasks, {self.name})
        return next((step.old_name for step in steps if step.is_renamed), None)


def _changed(store: Store, old: TaskRow, new: TaskRow) -> Iterator[str]:
    """Yield what of a task is another in the newer one of two rows."""
    if old.task != new.task:
        yield "name"
    if old.run.snapshot != new.run.snapshot:
        before, after = (store.snapshot(row.run.snapshot) for row in (old, new))
        steps = task_steps(store, before.tasks, after.tasks, {new.task})
        if any(map(is_changed, steps)):
            yield "definition"
        changed = changes(before.files, after.files)
        if changed and any(_executes(store, row, changed) for row in (old, new)):
            yield "code"
    if _gave_another(store, old, new):
        yield "output"


def _gave_another(store: Store, old: TaskRow, new: TaskRow) -> bool:
    """Say whether two outputs differ by more than the id of each run, as `ork diff` of both does.

    One that was damaged or forgotten is another.
    """
    was, now = (row.taskrun.output if row.taskrun else None for row in (old, new))
    if was is None or now is None or was.oid == now.oid:
        return False
    with suppress(Corrupt):
        before = store.output_text(was).replace(old.run.id.encode(), new.run.id.encode())
        return before != store.output_text(now)
    return True


def _executes(store: Store, row: TaskRow, paths: Collection[str]) -> bool:
    """Say whether a task executes one of these files in a run, as far as reading tells."""
    here = store.snapshot(row.run.snapshot)
    task = store.get(Task, here.tasks[row.task])
    deploy = store.get(Deploy, row.run.deploy) if row.run.deploy else None
    exclude = excluded(deploy.settings) if deploy else ()
    reach = reached(store, here.files, {row.task: task}, exclude)[row.task]
    return not reach.complete or not reach.files.isdisjoint(paths)
