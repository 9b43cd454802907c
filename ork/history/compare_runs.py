"""The difference of two runs, layer by layer, and the first task at which they part.

Compares by oid first: values are read only where they differ.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain, islice, takewhile

from ork.definition.bindings import refs_of, split_param, split_ref
from ork.differences.definitions import Diff
from ork.differences.impact import params_of
from ork.differences.runs import (
    Around,
    Divergence,
    Proof,
    TaskDiff,
    first_difference,
    first_other_outcome,
    judged,
    paired,
)
from ork.differences.values import FieldChange, changes_in, object_changes, value_changes
from ork.errors import Corrupt, NotFound
from ork.graph import order as graph
from ork.history.compare import Comparison, compare_resolved, impact_of, narrow
from ork.history.details import RunValues, Where, recorded_environment, where_executed
from ork.objects.canonical import Json, Oid
from ork.objects.drawn import Drawn
from ork.objects.kinds import Run, Task, TaskRun, TaskRuns, oid_of
from ork.objects.value import Value, replace
from ork.store.contents import find_run, newest_params, read_needs, run_command, task_runs
from ork.store.resolve import (
    Resolved,
    a_kind,
    has_run,
    head,
    lacks_runs,
    resolved_run,
)
from ork.store.runs import Executed, Names, earlier, runs
from ork.store.store import Store
from ork.store.verdict import counts_as, of_newest, tainted, verdict

SIDE = ("state", "seconds")  # of a task in each run, in a data frame
TOLD = ("definition", "code", "maybe", "params", "inputs", "output")  # of what differs, there
ALIKE_WITHIN = 200  # runs, newest first, are searched for a good one with the same parameters
BESIDE_WITHIN = 50  # runs, newest first, are searched for those that went on at the same time


class RunSide(Value, frozen=True, kw_only=True):
    """One of the two runs; `tainted` are its tasks under which captured files changed."""

    name: str  # etl#57
    oid: Oid
    run: Run
    tainted: Mapping[str, tuple[str, ...]] = {}
    without_code: bool = False  # it was imported, and its code was never kept


class LastFailure(Value, frozen=True, kw_only=True):
    """The last good run before the newest bad ones, the first of those, and what came after.

    `good_again` is the first good run since then, None where the newest that says anything is bad.
    """

    good: str  # etl#56
    bad: str
    good_again: str | None = None


class RunDiff(Drawn, frozen=True, kw_only=True):
    """All that differs between two runs; false when nothing does but times.

    `tasks` has those that differ, or took notably longer in one of the runs, in the order in which
    they can run; `alike` counts the others. `first` is the first task of which anything differs,
    `outcome` the first that ended in another way or, if none did, that gave another output.
    `good_again` names the first good run after the last failure, where that was asked for.
    `good_since` is the newest good run between a good one and a bad one that ran the version of
    the bad one: that version alone did not make it fail.
    """

    old: RunSide
    new: RunSide
    definition: Diff
    params: tuple[FieldChange, ...]
    environment: tuple[FieldChange, ...]
    environment_of: tuple[str, ...] = ()  # the tasks that it differs for, if not for all
    tasks: tuple[TaskDiff, ...]
    alike: int
    first: Divergence | None
    outcome: Divergence | None
    names: tuple[str, ...] = ()  # of tasks and code files, if only these were compared
    good_again: str | None = None
    good_since: Proof | None = None

    @property
    def slots(self) -> bool:
        """Whether a schedule started the two runs for different slots, or only one of them."""
        return self.old.run.scheduled != self.new.run.scheduled

    def __bool__(self) -> bool:
        if self.names:
            return bool(self.definition) or any(task.kinds for task in self.tasks)
        parts = (
            self.definition,
            self.params,
            self.environment,
            self.slots,
            self.old.run.state != self.new.run.state,
        )
        return any(parts) or any(task.kinds for task in self.tasks)

    def cells(self) -> dict[str, object]:
        first = f"first differs {self.first.task}" if self.first else "nothing differs"
        return {"old": self.old.name, "new": self.new.name, "first": first}

    def _columns(self) -> Iterable[str]:
        sides = [f"{which}_{field}" for which in ("old", "new") for field in SIDE]
        return ["name", "old_name", "kinds", *sides, *TOLD]

    def _records(self) -> Iterator[Mapping[str, object]]:
        """Yield a row for each task that differs."""
        for task in self.tasks:
            row = {"name": task.name, "old_name": task.old_name, "kinds": task.kinds}
            for which, side in (("old", task.old), ("new", task.new)):
                row |= {f"{which}_{field}": getattr(side, field, None) for field in SIDE}
            yield row | {name: getattr(task, name) for name in TOLD}


def diff_runs(
    store: Store, before: Resolved, after: Resolved, *, names: Collection[str] = ()
) -> RunDiff:
    """Compare two runs, or of them these tasks and code files.

    A workflow or deploy stands for its newest run. Raises NotFound for a name that neither has.
    """
    found = [_run(store, one) for one in (before, after)]
    states = [task_runs(store, run) for _, run in found]
    old, new = (
        RunSide(name=run.name, oid=oid, run=run, tainted=tainted(state))
        for (oid, run), state in zip(found, states, strict=True)
    )
    ends = [resolved_run(side.oid, side.run, side.name) for side in (old, new)]
    comparison = compare_resolved(store, *ends)
    old = replace(old, without_code=comparison.old.without_code)
    new = replace(new, without_code=comparison.new.without_code)
    params = tuple(object_changes(*(_object(store, side.run.params) for side in (old, new))))
    was, now = (
        RunValues(store, side.run, _with_waiting(store, side.run, state))
        for side, state in zip((old, new), states, strict=True)
    )
    tasks, needs = _tasks(was, now, comparison, params)
    renamed = _renamed(comparison)
    environment, environment_of = environment_changes(was, now, renamed)
    good_since = None
    pairs = zip((old.run, new.run), states, strict=True)
    if [counts_as(store, *pair) for pair in pairs] == ["success", "failed"]:
        with suppress(Corrupt):  # what lies between must not take the comparison away
            good_since = proof(store, old.run, new.run)
    around = Around(
        tasks=tasks,
        needs=needs,
        environment=lambda task: _around(store, old.run, task.old, new.run, task.new),
        code=not comparison.unkept,
        proof=good_since,
        slots=_slots(old.run, new.run),
        since=lambda task, above: _since(store, old.run, new.run, task, above, renamed),
        beside=lambda: [*chain(*(_beside(store, side.run) for side in (old, new)))],
        taken=lambda task: _taken_beside_inputs(store, task),
        reasons=(old.run.reason, new.run.reason),
        executed=lambda task: _executed(store, task, old, new),
    )
    definition, count = comparison.diff, len(needs)
    if names:
        definition = narrow(store, comparison, names).diff
        count = sum(1 for name in needs if {name, renamed.get(name)} & {*names})
        tasks = [task for task in tasks if {task.name, task.old_name} & {*names}]
        taken = {name for task in tasks for name in task.params}
        params = tuple(one for one in params if one.path.partition(".")[0] in taken)
    return RunDiff(
        old=old,
        new=new,
        definition=definition,
        params=params,
        environment=environment,
        environment_of=environment_of,
        tasks=tuple(tasks),
        alike=count - len(tasks),
        first=first_difference(around, tasks),
        outcome=first_other_outcome(around, tasks),
        names=tuple(names),
        good_since=good_since,
    )


def _executed(store: Store, task: TaskDiff, old: RunSide, new: RunSide) -> Divergence | None:
    """Return how one task differs between the runs that executed it; None where that is unknown."""
    from ork.history.results import makers_of  # which most comparisons do without

    sides = (old.run, task.old_name or task.name), (new.run, task.name)
    makers = [run for side, name in sides for run, _ in makers_of(store, side, [name]).values()]
    ends = [resolved_run(oid_of(run), run, run.name) for run in makers]
    return diff_runs(store, *ends, names=[task.name]).first if len(ends) == len(sides) else None


def definition_diff(store: Store, old: Run, new: Run) -> tuple[Diff, Diff]:
    """Compare what two runs executed, and the settings of their deploys.

    Return all that differs, and of that what concerns the tasks that failed in the new run.
    """
    found = compare_resolved(store, *_definitions(old, new))
    states = task_runs(store, new) if found.diff else {}
    blamed = [name for name, one in states.items() if one.state == "failed"]
    return found.diff, narrow(store, found, blamed).diff if blamed else Diff()


def code_between(store: Store, old: Run, new: Run) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return task -> the changed `code` that it executes in two runs, or `maybe` may use."""
    return _code(store, compare_resolved(store, *_definitions(old, new)))


def _definitions(*of: Run) -> Iterator[Resolved]:
    return (resolved_run(run.snapshot, run, "") for run in of)


def _slots(old: Run, new: Run) -> str:
    if old.scheduled == new.scheduled:
        return ""
    if old.scheduled and new.scheduled:
        return "a schedule started them for different slots"
    return "only one of them was started by a schedule"


def _since(
    store: Store,
    old: Run,
    new: Run,
    task: TaskDiff,
    above: Collection[str],
    renamed: Mapping[str, str],
) -> list[str]:
    """Return what of the tasks `above` other runs had executed anew when a task began, in words."""
    from ork.history.tasks import ran_since, written_since  # which most comparisons do without

    before = [renamed.get(name, name) for name in above]
    told = (
        written_since(ran_since(store, run, names, until=one.attempts[-1].started))
        for run, one, names in ((old, task.old, before), (new, task.new, above))
        if one and one.attempts
    )
    return [*dict.fromkeys(chain(*told))]


def _beside(store: Store, run: Run) -> list[str]:
    """Return the other runs of a workflow that went on while this one did."""
    found = (entry.run for entry in runs(store, run.workflow, until=run.ended, limit=BESIDE_WITHIN))
    others = (one for one in found if one.ended is None or one.ended > run.created)
    return sorted(one.name for one in others if one.id != run.id)


def environment_changes(
    old: RunValues, new: RunValues, renamed: Mapping[str, str]
) -> tuple[tuple[FieldChange, ...], tuple[str, ...]]:
    """Return what differs between the environments in which two runs executed the same tasks.

    And the tasks that it differs for, if not for all; a run that was retried may have had several.
    Where they executed none of the same, those of the runs are compared.
    """
    alike: dict[tuple[Where, Where], list[str]] = {}
    for name, old_name in paired(old.states, new.states, renamed).items():
        sides = (old.run, old.states.get(old_name)), (new.run, new.states.get(name))
        was, now = (where_executed(run, one) if one else None for run, one in sides)
        if was and now:
            alike.setdefault((was, now), []).append(name)
    if not alike:
        was, now = (Where(run.host, run.environment) for run in (old.run, new.run))
        alike = {(was, now): []}
    found = {pair: _changes_around(new.store, *pair) for pair in alike}
    changes = {str(one): one for one in chain(*found.values())}
    names = [name for pair, of_pair in alike.items() if found[pair] for name in of_pair]
    return tuple(changes.values()), () if all(found.values()) else tuple(names)


def other_environment(store: Store, old: Run, new: Run) -> str:
    """Return in a word what differs where two runs executed any of the same tasks, or ""."""
    was, now = (RunValues(store, run, task_runs(store, run)) for run in (old, new))
    differ = {change.path for change in environment_changes(was, now, {})[0]}
    return "folder" if differ == {"folder"} else "environment" if differ else ""


def _around(
    store: Store, old: Run, was: TaskRun | None, new: Run, now: TaskRun | None
) -> tuple[FieldChange, ...]:
    """Return what differs between the environments in which a task was executed."""
    before, after = was and where_executed(old, was), now and where_executed(new, now)
    return _changes_around(store, before, after) if before and after else ()


def _changes_around(store: Store, old: Where, new: Where) -> tuple[FieldChange, ...]:
    """Return what differs: host, Python, platform, installed distributions.

    What is recorded of only one of them is no difference.
    """
    if old == new:
        return ()
    sides = [
        {**({"host": one.host} if one.host else {}), **recorded_environment(store, one.environment)}
        for one in (old, new)
    ]
    common = sides[0].keys() & sides[1].keys()
    if len({os.path.dirname(str(side.get("executable"))) for side in sides}) == 1:
        common.discard("executable")  # bin/python and bin/python3 are one interpreter
    return tuple(object_changes(*({k: side[k] for k in common} for side in sides)))


def last_failure(store: Store, workflow: str) -> LastFailure:
    """Return the first of the newest bad runs, the good one before them, and whether it is over.

    The newest bad run may be the last of many, and what made them fail is in the first.
    """
    if not has_run(store, workflow):
        head(store, workflow)
        run = run_command(workflow, newest_params(store, workflow))
        raise NotFound(f"{workflow} has not run yet", hint=f"`{run}` runs it")
    failed = (entry.run for entry in runs(store, workflow, states=("failed",)))
    found = of_newest(store, workflow, failed)
    bad = next((run for run in found if verdict(store, run) == "bad"), None)
    if bad is None:
        raise _no_failure(store, workflow)
    good = last_good(store, bad)
    if good is None:
        hint = f"`ork show {bad.name}` shows what failed"
        raise NotFound(f"no good run of {workflow} before {bad.name}", hint=hint)
    first = bad
    while (began := first_bad(store, good, first)).id != first.id:
        first = began  # which may have other parameters, and so another good run before it
        good = last_good(store, first) or good
    return LastFailure(good=good.name, bad=first.name, good_again=_good_after(store, workflow, bad))


def other_params(found: RunDiff) -> str:
    """Return in words that the last good run had other parameters than the first bad one, or ""."""
    words = f"the parameters differ: no good run shortly before had those of {found.new.name}"
    return words if found.params else ""


def _good_after(store: Store, workflow: str, bad: Run) -> str | None:
    """Return the name of the first good run after a bad one."""
    found = (entry.run for entry in runs(store, workflow))
    later = [*of_newest(store, workflow, takewhile(lambda run: run.id > bad.id, found))]
    return next((run.name for run in reversed(later) if verdict(store, run) == "good"), None)


def first_bad(store: Store, good: Run, bad: Run) -> Run:
    """Return the first bad run after the last good one; with its parameters, if this has them."""
    first, alike = bad, good.params == bad.params
    since = takewhile(lambda run: run.id != good.id, earlier(store, bad))
    for run in of_newest(store, Names(store).of(bad), since):
        if (not alike or run.params == bad.params) and verdict(store, run) == "bad":
            first = run
    return first


def last_good(store: Store, failed: Run, *, within: int | None = None) -> Run | None:
    """Return the newest good run before this one, of the newest so many, and `of_newest` of these.

    One with the same parameters comes first; else they may be others: where one is the day, each
    run has its own.
    """
    other: Run | None = None
    before = islice(earlier(store, failed), within)
    for back, run in enumerate(of_newest(store, Names(store).of(failed), before)):
        if other and back >= ALIKE_WITHIN:
            break
        alike = run.params == failed.params
        if (other and not alike) or verdict(store, run) != "good":
            continue
        if alike:
            return run
        other = run
    return other


def proof(store: Store, good: Run, bad: Run) -> Proof | None:
    """Return the newest good run, between these, of the version of the bad one, if it is another.

    Of the runs of that version the newest are looked at.
    """
    if good.snapshot == bad.snapshot:
        return None
    executed = Executed(kind="snapshot", oid=bad.snapshot)
    found = runs(store, Names(store).of(bad), executed=executed, before=bad.id)
    since = takewhile(lambda run: run.id > good.id, (entry.run for entry in found))
    for run in islice(since, ALIKE_WITHIN):
        if verdict(store, run) == "good":
            params, others = (_object(store, one.params) for one in (run, bad))
            its = {name: params[name] for name in params if params[name] != others.get(name)}
            return Proof(name=run.name, params=its)
    return None


def _no_failure(store: Store, workflow: str) -> NotFound:
    """Return the error for a workflow that no run calls bad; one that failed may say nothing."""
    newest = next(runs(store, workflow, states=("failed",), limit=1), None)
    none = f"no{' kept' * lacks_runs(store, workflow)} run of"
    if newest is None:
        hint = f"`ork runs {workflow}` lists its runs, `ork diff` compares any two of them"
        return NotFound(f"{none} {workflow} has failed", hint=hint)
    word = counts_as(store, newest.run, task_runs(store, newest.run))
    told = f"{none} {workflow} that was whole and untainted has failed; {newest.name} is {word}"
    if word == "failed":
        told = f"{none} the newest version of {workflow} has failed; {newest.name} ran another"
    hint = f"`ork diff OLD {newest.name}` compares it with another run"
    return NotFound(told, hint=hint)


def _run(store: Store, found: Resolved) -> tuple[Oid, Run]:
    if found.name is not None:
        raise NotFound(
            f"{found.text} is {a_kind(found)}; two runs are compared whole",
            hint="write NAME#NUMBER",
        )
    return find_run(store, found)


def _tasks(
    old: RunValues, new: RunValues, comparison: Comparison, params: tuple[FieldChange, ...]
) -> tuple[list[TaskDiff], dict[str, tuple[str, ...]]]:
    """Return the tasks that differ, or took notably longer in one of the runs, and what all need.

    Both in the order in which they can run.
    """
    store = new.store
    changes = {task.name: task for task in comparison.diff.tasks if task.kind != "removed"}
    renamed = _renamed(comparison)
    # Of what both have, only what differs is kept: the others are nearly all.
    before = paired(old.states, new.states, renamed)
    code = _code(store, comparison)
    changed = {change.path.partition(".")[0] for change in params}
    needs = read_needs(
        store, {name: (new.states.get(name) or old.states[name]).task for name in before}
    )
    found = []
    outputs: dict[str, tuple[FieldChange, ...]] = {}  # what differs of those so far
    for name in graph.order(needs):
        old_name = before[name]
        was, now = old.states.get(old_name), new.states.get(name)
        task = TaskDiff(name=name, old_name=renamed.get(name), old=was, new=now)
        if was is not None and now is not None:
            known = now.task, needs[name]
            origins = old.origins(old_name, known), new.origins(name, known)
            inputs = () if origins[0] == origins[1] else _inputs(old, old_name, new, name)
            task = replace(
                task,
                definition=changes[name].fields if name in changes else (),
                **code.get(name, {}),
                params=_taken(store, now.task, changed),
                inputs=tuple(inputs),
                output=tuple(_outputs(old, old_name, new, name)),
            )
            if task.inputs:
                told = _passed_on(store.get(Task, now.task), task.inputs, outputs, params)
                task = replace(task, passed_on=told)
            if task.output:
                outputs[name] = task.output
        task = judged(task)
        if task.kinds or task.seconds:
            found.append(task)
    return found, needs


def _renamed(comparison: Comparison) -> dict[str, str]:
    """Return new name -> old name of the tasks that were renamed."""
    tasks = (task for task in comparison.diff.tasks if task.kind != "removed")
    return {task.name: task.old_name for task in tasks if task.old_name}


def _taken(store: Store, task: Oid, changed: set[str]) -> tuple[str, ...]:
    """Return the changed parameters that a task takes."""
    return tuple(sorted(params_of(store.get(Task, task)) & changed)) if changed else ()


def _taken_beside_inputs(store: Store, task: TaskDiff) -> list[tuple[str, tuple[str, ...]]]:
    """Return the outputs that the condition and the variables of a task refer to."""
    if task.new is None:
        return []
    refs = refs_of(replace(store.get(Task, task.new.task), inputs={}))
    return [found for found in map(split_ref, dict.fromkeys(refs)) if found]


def _passed_on(
    task: Task,
    inputs: Sequence[FieldChange],
    outputs: Mapping[str, Sequence[FieldChange]],
    params: Sequence[FieldChange],
) -> dict[str, str]:
    """Return the inputs that changed as the output or the parameter that they are, by its name.

    That is told once. A task that was run again may give something else than was received before.
    """
    found = {}
    for name, binding in task.inputs.items():
        here = changes_in(inputs, name)
        if not here or binding.keys() != {"ref"}:
            continue
        ref = binding["ref"]
        if output := split_ref(ref):
            task_name, fields = output
            if here == changes_in(outputs.get(task_name, ()), *fields):
                found[name] = ".".join((task_name, *fields))
        elif (param := split_param(ref)) and here == changes_in(params, param[0], *param[1]):
            found[name] = ref
    return found


def _with_waiting(store: Store, run: Run, started: Mapping[str, TaskRun]) -> Mapping[str, TaskRun]:
    """Return every task of a run; one that has not started is pending."""
    tasks = store.snapshot(run.snapshot, keep=False).tasks.items()
    waiting = {n: TaskRun(task=oid, state="pending") for n, oid in tasks if n not in started}
    return TaskRuns(chain(waiting.items(), started.items())) if waiting else started


def _code(store: Store, comparison: Comparison) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return task -> the changed code files that it executes, or else those that it may use."""
    only_files = replace(comparison, diff=Diff(files=comparison.diff.files))
    if not only_files.diff:
        return {}
    affected = impact_of(store, only_files).affected
    return {task.name: {task.why: task.via} for task in affected if task.why in ("code", "maybe")}


def _inputs(old: RunValues, old_name: str, new: RunValues, name: str) -> Iterator[FieldChange]:
    """Yield what differs between the inputs of a task; nothing where one side has none."""
    was, now = old.inputs(old_name), new.inputs(name)
    return iter(()) if was is None or now is None else _changes(old, was, new, now)


def _outputs(old: RunValues, old_name: str, new: RunValues, name: str) -> Iterator[FieldChange]:
    was, now = old.states[old_name].output, new.states[name].output
    if was is None or now is None or was.oid == now.oid:
        return iter(())
    return _changes(old, old.outputs[old_name], new, new.outputs[name])


def _changes(old: RunValues, was: Json, new: RunValues, now: Json) -> Iterator[FieldChange]:
    """Yield what differs by more than the ids of the runs in a text."""
    from ork.history.results import without_ids  # which most comparisons do without

    before, after = (without_ids(one.store, one.run) for one in (old, new))
    for change in value_changes(was, now, path=""):
        match change:
            case FieldChange(old=str(text), new=str(other)) if before(text) == after(other):
                continue
        yield change


def _object(store: Store, oid: Oid | None) -> Mapping[str, Json]:
    value = store.value(oid) if oid else {}
    return value if isinstance(value, dict) else {}
