"""Tasks over time: of one what became of it in each run, of all how long they take by now.

From run to run they are followed through their renames, as `ork blame` does from deploy to deploy.
"""

from __future__ import annotations

import posixpath
import re
from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import chain, islice

from ork.alike import did_you_mean
from ork.definition.reach import Reach
from ork.differences.impact import same_work
from ork.errors import Corrupt, NotFound, UsageError, some
from ork.history.details import RunValues, where_executed
from ork.history.filters import Parts, existing
from ork.history.lineage import is_changed, task_steps
from ork.history.log import LogEntry, entries_of
from ork.history.results import makers_of, without_ids
from ork.logs.begun import Beginnings
from ork.objects.canonical import Json, Oid, encode
from ork.objects.kinds import NOT_EXECUTED, RUN_STATES, Deploy, Run, Task, TaskRun
from ork.objects.rows import columns
from ork.objects.snapshot import Contents, changes
from ork.objects.value import Value, extended, replace
from ork.store.contents import is_pattern, newest, outcomes
from ork.store.resolve import history, present_name, workflow_meant
from ork.store.revision import as_word, split_part
from ork.store.runs import RunEntry, outcome_of, outcomes_of, runs
from ork.store.store import Store
from ork.store.verdict import DAMAGED
from ork.worktree.globs import excluded
from ork.worktree.reached import reached

STATES = ("pending", *RUN_STATES, "skipped", *NOT_EXECUTED, "upstream_failed", DAMAGED)
DEPLOYS_LOOKED_AT_MAX = 1_000  # for those that changed a task
DEPLOYS_SHOWN = 15
INPUTS_NAMED_MAX = 3  # of those that are new in a run
FILES_NAMED_MAX = 3  # of those that a task may use
TASKS_READ_MIN = 16  # together, for what they execute; then four times as many
SINCE_RUNS_MAX, SINCE_TASKS_MAX = 20, 200  # that are looked at for what ran since
TASKS_NAMED_MAX = 5  # that a sentence names
TIMED_RUNS = 20  # that tell how long tasks take, where nobody says how many
# A task takes another time since a run if so many before it, and so many since, differ by at least
# a fifth, a tenth of a second, and so many times what one usually is off the others.
BEFORE_MIN, SINCE_MIN = 7, 3
SHARE_MIN, SECONDS_MIN, SPREADS_MIN = 0.2, 0.1, 5.0


class TaskRow(Value, frozen=True, kw_only=True):
    """A task in one run, in a list of these, newest first.

    `taskrun` is None while the run has not come to it or, if it has `begun`, nothing is recorded of
    it yet, and of a run that is `damaged`. `task` is the name that it had there, and `changed` what
    is another than in the next one of the list: name, definition, code, inputs, output. `inputs`
    names the inputs, and variables, that are, and `maybe` the changed code files that it may use,
    where it is not known that it executes any of them.
    """

    run: Run
    taskrun: TaskRun | None
    task: str
    begun: bool = False
    changed: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    maybe: tuple[str, ...] = ()
    damaged: bool = False

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
        """How it ended; pending until it has begun, damaged if what is recorded of it is lost."""
        if self.damaged or self.taskrun is None:
            return DAMAGED if self.damaged else "running" if self.begun else "pending"
        return self.taskrun.state

    @property
    def new(self) -> str:
        """What is another, in words: "new inputs (rate), output"; "" where nothing is."""
        names = f" ({some(self.inputs, INPUTS_NAMED_MAX)})"
        told = [f"{one}{names}" if one == "inputs" else one for one in self.changed]
        told[:1] = [f"new {one}" for one in told[:1]]
        if self.maybe:
            told.append(f"may use {some(self.maybe, FILES_NAMED_MAX)}")
        return ", ".join(told)

    def cells(self) -> dict[str, object]:
        of_task = self.taskrun.cells() if self.taskrun else {"state": self.state}
        changed = self.new or None
        return {"task": self.name, "began": self.run.created, **of_task, "changed": changed}

    def _row(self) -> dict[str, object]:
        found = self.taskrun
        return {
            "name": self.name,
            "workflow": self.run.workflow,
            "number": self.run.number,
            "state": self.state,
            "created": self.run.created,
            "seconds": found.seconds if found else None,
            "task": self.task,
            "attempts": len(found.attempts) if found else 0,
            "reason": found.reason if found else None,
            "changed": self.changed,
            "inputs": self.inputs,
            "maybe": self.maybe,
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


class TaskTimes(Value, frozen=True, kw_only=True):
    """How long a task of the newest version takes, by what it executed in some runs.

    `median` and `last` are the seconds of attempts that succeeded, None without any. Where it takes
    another time since the run `since`, `median` is of those from then on, and `before` of the
    others.
    """

    task: str
    succeeded: int = 0
    failed: int = 0
    median: float | None = None
    last: float | None = None
    before: float | None = None
    since: str | None = None

    @property
    def slower(self) -> float:
        """How many seconds more it takes than before; less than 0 if it has become faster."""
        return 0.0 if self.median is None or self.before is None else self.median - self.before

    def cells(self) -> dict[str, object]:
        executed = self.succeeded + self.failed
        how = "slower" if self.slower > 0 else "faster"
        times = {name: getattr(self, name) for name in ("median", "last", "before")}
        spans = {name: it and timedelta(seconds=it) for name, it in times.items()}
        return {
            "task": self.task,
            **spans,
            "change": f"{how} since {self.since}" if self.since else None,
            "failed": f"failed {self.failed} of {executed}" if self.failed else None,
        }


def workflow_and_task(store: Store, text: str) -> tuple[str, str]:
    """Return the workflow and the task that a text such as etl:load names."""
    workflow, task = split_part(text)
    if not task:
        raise UsageError(f"{text} names no task", hint="write WORKFLOW:TASK")
    name = workflow_meant(store, workflow or "@")
    whole = re.split("[@~^#]", name)[0] or "@"
    if is_pattern(task):
        hint = f"`ork runs --tasks {whole}` has a line for each"
        if "#" in name:
            hint = f"`ork show {as_word(text)}` lists them as they were in this run"
        raise UsageError(f"{text} means several tasks; one is wanted here", hint=hint)
    if whole != name:
        hint = f"`ork runs {as_word(f'{whole}:{task}')}` lists all runs of the task"
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

    With `states` only those in which it is called so, or that are damaged; "upstream_failed" are
    those called "skipped" since a task before it had not succeeded. A row is compared with the next
    one, so of as many as are taken one more is read.
    """
    for state in states:
        if state not in STATES:
            hint = did_you_mean(state, STATES, form="`{}`") or f"say one of {', '.join(STATES)}"
            raise UsageError(f"no task is {state!r}", hint=hint)
    names, code = _Names(store, [task], newest(store, workflow)), _Code(store)
    newer: TaskRow | None = None
    for entry in entries:
        run = entry.run
        try:
            name = names.in_snapshot(run.snapshot).get(task)
            if name is None:
                continue
            one = outcome_of(store, run, name) if not entry.damaged else None
            is_open = one is None and run.ended is None
            begun = is_open and (name, 1) in Beginnings(store, run).now()
            row = TaskRow(run=run, taskrun=one, task=name, begun=begun, damaged=entry.damaged)
        except Corrupt:
            row = TaskRow(run=run, taskrun=None, task=names.there[task], damaged=True)
        called = {row.taskrun.called if row.taskrun else row.state}
        if row.state == "upstream_failed":
            called.add(row.state)
        if states and called.isdisjoint((*states, DAMAGED)):
            continue
        if newer is not None:
            yield _compared(store, row, newer, code)
        newer = row
    if newer is not None:
        yield newer


def ran_since(
    store: Store, run: Run, names: Iterable[str], *, until: datetime | None = None
) -> list[TaskRow]:
    """Return where tasks whose outcomes a run has ran since, changed or with other inputs.

    By another run, one of the newest; with `until` before then. Of many names the first are looked
    at. Outputs are kept of each run, but files that a task wrote are of the last one alone.
    """
    made = _executed_last(store, run, [*islice(names, SINCE_TASKS_MAX)])
    if not made:
        return []
    first = min(_began(row) for row in made.values())
    workflow = present_name(store, run.workflow)
    newest: dict[str, TaskRow] = {}
    for entry in runs(store, workflow, until=until, limit=SINCE_RUNS_MAX):
        if entry.run.ended is not None and entry.run.ended < first:
            continue
        for name, row in made.items():
            with suppress(Corrupt):
                other = _executed(entry.run, outcome_of(store, entry.run, name), name)
                if other is None or (until and _began(other) > until):
                    continue
                if _elsewhere(store, other, row):  # as of a run that was pulled: other files
                    continue
                if _began(other) > _began(newest.get(name, row)):
                    newest[name] = other
    found, code = [], _Code(store)
    for name, other in newest.items():
        with suppress(Corrupt):
            row = _compared(store, made[name], other, code)
            if _works_otherwise(store, made[name], row) and row.run.id != made[name].run.id:
                found.append(row)
    return found


def written_since(rows: Iterable[TaskRow]) -> list[str]:
    """Return what to say of files that were perhaps written since an output was made."""
    told: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows:
        how = f"with {row.new}" if row.changed else f"and {row.new}"
        told[row.run.name, how].append(row.task)
    return [
        f"{some(names, TASKS_NAMED_MAX)} ran again in {run} since, {how}:"
        f" files that {'it' if len(names) == 1 else 'they'} wrote may be of that"
        for (run, how), names in told.items()
    ]


def task_history(store: Store, workflow: str, task: str, rows: Iterable[TaskRow]) -> TaskHistory:
    """Return these rows of a task, and the deploys that changed it, of those that are looked at."""
    found: Iterator[tuple[Oid, Deploy]] = iter(())
    if (version := newest(store, workflow)) and task in version.tasks:
        deploys = islice(history(store, workflow), DEPLOYS_LOOKED_AT_MAX)
        found = Parts(store, [task], follow=True).changed(deploys)
    changed = entries_of(store, dict(islice(found, DEPLOYS_SHOWN)))
    return TaskHistory(workflow=workflow, task=task, runs=tuple(rows), deploys=tuple(changed))


def row_with_output(store: Store, row: TaskRow) -> TaskRowWithOutput:
    """Return a row with the value that the task gave."""
    output = row.taskrun.output if row.taskrun else None
    return extended(TaskRowWithOutput, row, output=store.output(output) if output else None)


def refuse_unknown(store: Store, workflow: str, task: str, *, now: datetime) -> None:
    """Raise NotFound unless some version of a workflow has a task."""
    versions = (deploy.snapshot for _, deploy in history(store, workflow))
    if any(task in store.snapshot(snapshot).tasks for snapshot in versions):
        return
    existing(store, workflow, task, now=now)
    hint = f"`ork runs --containing {workflow}:{task}` lists the runs that have it"
    raise NotFound(f"{task} is a code file of {workflow}, and no task", hint=hint)


def task_times(
    store: Store,
    entries: Iterable[RunEntry],
    workflow: str,
    *,
    limit: int | None = TIMED_RUNS,
    damaged: list[str] | None = None,
) -> list[TaskTimes]:
    """Return how long each task of a workflow's newest version takes, by so many of these runs.

    The runs come newest first; those of a bisection are passed over, for they run what is long
    replaced, and so are damaged ones, whose names are added to `damaged`. Without any there is
    nothing. First are the tasks that have become slower, by how
    much, then those that take longest.
    """
    found = islice((one for one in entries if one.run.trigger != "bisect"), limit)
    first, lost = next(found, None), [] if damaged is None else damaged
    if first is None:
        return []
    version = newest(store, workflow) or store.snapshot(first.run.snapshot)
    names = _Names(store, version.tasks, version)
    took: dict[str, list[tuple[str, float]]] = defaultdict(list)  # run, seconds
    failed: Counter[str] = Counter()
    for entry in chain([first], found):
        run = entry.run
        try:
            states, called = dict(outcomes(store, run)), names.in_snapshot(run.snapshot)
        except Corrupt:
            lost.append(run.name)
            continue
        if entry.damaged:
            lost.append(run.name)
        for name, there in called.items():
            one = states.get(there)
            if one and one.state == "success" and one.attempts:
                took[name].append((run.name, one.attempts[-1].seconds))
            elif one and one.state == "failed":
                failed[name] += 1
    times = [_times(name, took[name][::-1], failed[name]) for name in version.tasks]
    return sorted(times, key=lambda one: (-max(one.slower, 0.0), -(one.median or 0.0), one.task))


def _times(task: str, took: Sequence[tuple[str, float]], failed: int) -> TaskTimes:
    """Return how long a task takes, by how long it took in runs, the oldest first."""
    told = TaskTimes(task=task, succeeded=len(took), failed=failed)
    if not took:
        return told
    seconds = [it for _, it in took]
    told = replace(told, median=_median(seconds), last=seconds[-1])
    if at := _change(seconds):
        before, since = _median(seconds[:at]), _median(seconds[at:])
        return replace(told, median=since, before=before, since=took[at][0])
    return told


def _change(seconds: Sequence[float]) -> int | None:
    """Return where these begin to be others than before, None where they do not, beyond doubt.

    That is where both sides lie closest to their medians; a few that are far off change nothing.
    Where one beside the place is rather of the other side, too few are there to tell.
    """
    count = len(seconds)
    places = range(BEFORE_MIN, count - SINCE_MIN + 1)
    if not places:
        return None
    older, newer = _spreads(seconds), _spreads(seconds[::-1])[::-1]
    at = min(places, key=lambda place: older[place - 1] + newer[place])
    sides = seconds[:at], seconds[at:]
    before, since = map(_median, sides)
    if any(
        abs(seconds[place] - own) > abs(seconds[place] - other)
        for place, own, other in ((at - 1, before, since), (at, since, before))
    ):
        return None
    spread = _median([abs(it - _median(side)) for side in sides for it in side])
    least = max(SECONDS_MIN, SHARE_MIN * before, SPREADS_MIN * spread)
    return at if abs(since - before) >= least else None


def _spreads(values: Iterable[float]) -> list[float]:
    """Return how far the first value, two, three ... lie off their median, all together."""
    ordered: list[float] = []
    found = []
    for value in values:
        insort(ordered, value)
        half = len(ordered) // 2
        found.append(sum(ordered[len(ordered) - half :]) - sum(ordered[:half]))
    return found


def _median(values: Iterable[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return round((ordered[middle] + ordered[~middle]) / 2, 6)  # they are whole microseconds


class _Names:
    """What tasks are called, on the way back from their newest definitions."""

    def __init__(self, store: Store, names: Iterable[str], newest: Contents | None) -> None:
        self.store = store
        self.there = {name: name for name in names}  # in the oldest so far that has it
        self.last: dict[str, Contents] = {}  # that is this one
        # Snapshots that have nothing of which it came.
        self.without: dict[str, set[Oid]] = defaultdict(set)
        self.found: tuple[Oid, Mapping[str, str]] | None = None
        if newest:
            self.in_snapshot(newest.oid)

    def in_snapshot(self, oid: Oid) -> Mapping[str, str]:
        """Return what those are called in an older snapshot that it has."""
        if self.found and self.found[0] == oid:
            return self.found[1]
        here = self.store.snapshot(oid)
        absent: dict[Oid, list[str]] = defaultdict(list)
        for name, there in self.there.items():
            if there not in here.tasks and name in self.last and oid not in self.without[name]:
                absent[self.last[name].oid].append(name)
        for newer, names in absent.items():
            self._rename(here, self.store.snapshot(newer), names)
        found = {name: there for name, there in self.there.items() if there in here.tasks}
        for name in found:
            self.last[name] = here
            self.without[name].clear()
        self.found = (oid, found)
        return found

    def _rename(self, older: Contents, newer: Contents, names: Iterable[str]) -> None:
        """Take note of what these of a newer snapshot were called in an older one, if they were."""
        wanted = {self.there[name] for name in names}
        steps = task_steps(self.store, older.tasks, newer.tasks, wanted)
        old_names = {step.name: step.old_name for step in steps if step.is_renamed}
        for name in names:
            if old_name := old_names.get(self.there[name]):
                self.there[name] = old_name
            else:
                self.without[name].add(older.oid)


class _Code:
    """Which changed code tasks execute in two runs, or may use. Of the same two many may ask."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._between = lru_cache(1)(self._of_all)
        self._may_be_open = lru_cache(1)(self._is_open)

    def changed(self, old: TaskRow, new: TaskRow) -> tuple[bool, tuple[str, ...]]:
        """Return whether a task executes any and, where that is not known, which it may use."""
        if not (changed := self._changes(old.run, new.run)):
            return False, ()
        reach = [self._reached(row.run, [row.task])[row.task] for row in (old, new)]
        if any(not one.files.isdisjoint(changed) for one in reach):
            return True, ()
        if all(one.complete for one in reach) and not self._may_be_open(old.run, new.run):
            return False, ()
        return False, self._between(old.run, new.run).get(new.task, {}).get("maybe", ())

    def _changes(self, old: Run, new: Run) -> Collection[str]:
        before, after = (self._store.snapshot(run.snapshot).files for run in (old, new))
        return changes(before, after)

    def _of_all(self, old: Run, new: Run) -> dict[str, dict[str, tuple[str, ...]]]:
        from ork.history.compare_runs import code_between  # which most lists do without

        return code_between(self._store, old, new)

    def _is_open(self, old: Run, new: Run) -> bool:
        """Say whether something changed that perhaps no task executes: that any may use.

        Tasks are read until each file has one; first those with its name in what they call.
        """
        here, left = self._store.snapshot(new.snapshot), set(self._changes(old, new))
        if not left <= here.files.keys():
            return True
        stems = {posixpath.basename(path).partition(".")[0] for path in left}
        tasks = self._store.get_all(Task, here.tasks)
        calls = {name: f"{it.command} {it.file} {it.module}" for name, it in tasks.items()}
        likely = [name for name, text in calls.items() if any(stem in text for stem in stems)]
        names, count = iter(dict.fromkeys([*likely, *calls])), TASKS_READ_MIN
        while left and (page := list(islice(names, count))):
            left.difference_update(*(it.files for it in self._reached(new, page).values()))
            count *= 4
        return bool(left)

    def _reached(self, run: Run, names: Iterable[str]) -> dict[str, Reach]:
        """Return what tasks execute in a run, as far as reading tells."""
        here = self._store.snapshot(run.snapshot)
        tasks = self._store.get_all(Task, {name: here.tasks[name] for name in names})
        deploy = self._store.get(Deploy, run.deploy) if run.deploy else None
        exclude = excluded(deploy.settings) if deploy else ()
        return reached(self._store, here.files, tasks, exclude)


def _compared(store: Store, old: TaskRow, new: TaskRow, code: _Code) -> TaskRow:
    """Return the newer one of two rows with what is another in it; nothing where one is lost."""
    if old.damaged or new.damaged:
        return new
    inputs = tuple(_other_inputs(store, old, new))
    executes, maybe = code.changed(old, new)
    changed = tuple(_changed(store, old, new, inputs, code=executes))
    return replace(new, changed=changed, inputs=inputs, maybe=maybe)


def _changed(
    store: Store, old: TaskRow, new: TaskRow, inputs: Collection[str], *, code: bool
) -> Iterator[str]:
    """Yield what of a task is another in the newer one of two rows."""
    if old.task != new.task:
        yield "name"
    if old.run.snapshot != new.run.snapshot:
        before, after = (store.snapshot(row.run.snapshot) for row in (old, new))
        steps = task_steps(store, before.tasks, after.tasks, {new.task})
        if any(map(is_changed, steps)):
            yield "definition"
    if code:
        yield "code"
    if inputs:
        yield "inputs"
    if _gave_another(store, old, new):
        yield "output"


def _other_inputs(store: Store, old: TaskRow, new: TaskRow) -> Iterator[str]:
    """Yield the inputs and variables that a task got with other values, where both can be read.

    They differ by more than the id of each run. A task that was kept got those with which it ran.
    """
    old, new = (_executed_last(store, row.run, [row.task]).get(row.task, row) for row in (old, new))
    with suppress(Corrupt):
        was, now = (_values_around(store, row) for row in (old, new))
        if was.origins(old.task) == now.origins(new.task):
            return
        before, after = was.received(old.task), now.received(new.task)
        yield from (
            name
            for name in sorted(before.keys() & after.keys())
            if _differ(store, (old, encode(before[name])), (new, encode(after[name])))
        )


def _values_around(store: Store, row: TaskRow) -> RunValues:
    """Return the values of a run, of which no more is read than a task and what it depends on."""
    if row.taskrun is None:
        return RunValues(store, row.run, {})
    above = store.get(Task, row.taskrun.task).depends_on
    states = outcomes_of(store, row.run, above)
    return RunValues(store, row.run, states | {row.task: row.taskrun})


def _executed(run: Run, one: TaskRun | None, name: str) -> TaskRow | None:
    """Return a task of a run if that executed it."""
    return TaskRow(run=run, taskrun=one, task=name) if one and one.attempts else None


def _executed_last(store: Store, run: Run, names: Collection[str]) -> dict[str, TaskRow]:
    """Return tasks in the runs that executed them for this one, if that is known."""
    made = makers_of(store, run, names).items()
    return {name: row for name, maker in made if (row := _executed(*maker, name))}


def _began(row: TaskRow) -> datetime:
    """Return when the last attempt at an executed task began."""
    assert row.taskrun is not None
    return row.taskrun.attempts[-1].started


def _works_otherwise(store: Store, old: TaskRow, new: TaskRow) -> bool:
    """Say whether a task can have written other files in the newer one of two rows."""
    if {"code", "inputs"} & {*new.changed} or new.maybe:
        return True
    tasks = (store.get(Task, row.taskrun.task) for row in (old, new) if row.taskrun)
    return "definition" in new.changed and not same_work(*tasks)


def _elsewhere(store: Store, old: TaskRow, new: TaskRow) -> bool:
    """Say whether a task was executed on different machines, or in different folders."""
    was, now = (where_executed(one.run, one.taskrun) for one in (old, new) if one.taskrun)
    if was == now or was is None or now is None:
        return was != now
    folders = {where.folder(store) for where in (was, now)} - {None}
    return was.host != now.host or len(folders) > 1


def _gave_another(store: Store, old: TaskRow, new: TaskRow) -> bool:
    """Say whether two outputs differ by more than the id of each run, as `ork diff` of both does.

    One that was damaged or forgotten is another.
    """
    was, now = (row.taskrun.output if row.taskrun else None for row in (old, new))
    if was is None or now is None or was.oid == now.oid:
        return False
    with suppress(Corrupt):
        return _differ(store, (old, store.output_text(was)), (new, store.output_text(now)))
    return True


def _differ(store: Store, *sides: tuple[TaskRow, bytes]) -> bool:
    """Say whether texts of two rows differ by more than the ids of runs."""
    was, now = (without_ids(store, row.run)(text.decode()) for row, text in sides)
    return was != now
