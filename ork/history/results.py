"""The results of a run that hold for another definition as well, and what made them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path

from ork.definition.bindings import NotReady, why_skipped
from ork.differences.impact import NAMED_MAX, same_work
from ork.differences.runs import definition_words, environment_words
from ork.differences.values import object_changes
from ork.errors import Corrupt, some
from ork.graph import order as graph
from ork.history.compare import compare_resolved, impact_of
from ork.history.details import (
    BASES_MAX,
    RunValues,
    as_environment,
    base_of,
    recorded_environment,
    where_executed,
)
from ork.objects.canonical import Json, Oid
from ork.objects.kinds import Run, Task, TaskRun
from ork.objects.value import Value, replace
from ork.store.contents import needs_of, task_runs
from ork.store.resolve import Resolved, resolve
from ork.store.runs import outcomes_of
from ork.store.store import Store
from ork.store.verdict import taint
from ork.worktree.origin import host

COMPARED = ("python", "implementation", "distributions")  # of an environment


def still_valid(
    store: Store,
    run: Run,
    new: Resolved,
    *,
    params: Mapping[str, Json],
    here: Json,
    again: Collection[str],
    now: datetime,
) -> tuple[dict[str, TaskRun], dict[str, str]]:
    """Return the outcomes of a run that the tasks of a new definition would only give again.

    And why others could give something else, as far as the definitions and environments tell.

    Each task but for its patience, the code that it executes, its interpreter and, if that executes
    it, what is installed there are as they were; it succeeded untainted, and what it received is
    what it would receive now, with these `params`. So nothing that depends on a task which is
    executed again, as those of `again` are, is still valid. What stood in for a task in a run of a
    part counts if all this holds of the run that gave it, with the same parameters. `here` is what
    the interpreter says of itself now.
    """
    runs = [run]
    while runs[-1].selected is not None and (base := base_of(store, runs[-1])):
        if base.params != run.params:
            break
        runs.append(base)
        if len(runs) > BASES_MAX:
            break
    found, why = dict[str, TaskRun](), dict[str, str]()
    for one in reversed(runs):
        found, why = _valid_in(
            store, one, new, found, params=params, here=here, again=again, now=now
        )
    return found, why


class Made(Value, frozen=True, kw_only=True):
    """Which run made an output; `older` when the definition asked about might give another one."""

    run: str
    older: bool


def made_by(
    store: Store, run: Run, new: Resolved, names: Collection[str], *, now: datetime, depth: int = 0
) -> dict[str, Made]:
    """Return what made the outputs that a run has of these tasks, seen from a new definition.

    It is left out where that is not known. An output is also of another definition where something
    before it was, which stood in when it was made.
    """
    states = task_runs(store, run)
    there = {name for name in names if name in states and states[name].output}
    executed = {name for name in there if not states[name].is_kept}
    needs: dict[str, tuple[str, ...]] = {}  # where something may have stood in before them
    if executed and any(one.is_kept for one in states.values()):
        needs = needs_of(store, store.snapshot(run.snapshot))
    above = graph.ancestors(needs, executed)
    kept = {name for name in there | above if name in states and states[name].is_kept}
    base = base_of(store, run) if kept and depth < BASES_MAX else None
    before = made_by(store, base, new, kept, now=now, depth=depth + 1) if base else {}
    found = {name: before[name] for name in there & before.keys()}
    if not executed:
        return found
    comparison = compare_resolved(store, resolve(store, f"run:{run.id}", now=now), new)
    # Which values of parameters an output is of, its run says, whatever their defaults are.
    comparison = replace(comparison, diff=replace(comparison.diff, params=()))
    older = {one.name for one in impact_of(store, comparison).affected} if comparison else set()
    older |= graph.descendants(needs, [name for name, one in before.items() if one.older])
    return found | {name: Made(run=run.name, older=name in older) for name in executed}


def without_ids(store: Store, run: Run) -> Callable[[str], str]:
    """Return what takes the id of a run out of a text, as of the path of a file that it wrote.

    And those of the runs before it whose outputs it kept, for these have theirs.
    """
    ids = [run.id]
    while run.base and len(ids) < BASES_MAX:
        ids.append(run.base)
        if (base := base_of(store, run)) is None:
            break
        run = base
    return partial(re.sub, "|".join(map(re.escape, ids)), "\0")


def makers_of(
    store: Store, run: Run, names: Collection[str], depth: int = 0
) -> dict[str, tuple[Run, TaskRun]]:
    """Return the run that each outcome of a task is from, and the outcome there.

    That is this run, or one whose output it kept. What is not known is left out.
    """
    found: dict[str, tuple[Run, TaskRun]] = {}
    with suppress(Corrupt):
        states = outcomes_of(store, run, names)
        found |= {name: (run, one) for name, one in states.items() if not one.is_kept}
        kept = [name for name in states if name not in found]
        if kept and depth < BASES_MAX and (base := base_of(store, run)):
            before = makers_of(store, base, kept, depth + 1)
            same = (name for name, (_, one) in before.items() if one.output == states[name].output)
            found |= {name: before[name] for name in same}
    return found


def other_environments(
    store: Store, run: Run, tasks: Collection[str], here: Json
) -> dict[str, tuple[str, ...]]:
    """Return the tasks that were executed in another environment than `here`, and what differs.

    What is not known of one of them is no difference.
    """
    new = as_environment(here)
    differ: dict[Oid | None, tuple[str, ...]] = {}
    found = {}
    for name, oid in _environments(store, run, tasks).items():
        if oid not in differ:
            old = recorded_environment(store, oid)
            known = [key for key in COMPARED if key in old and key in new]
            changes = object_changes(*({key: side[key] for key in known} for side in (old, new)))
            differ[oid] = environment_words(changes)
        if differ[oid]:
            found[name] = differ[oid]
    return found


def other_folders(store: Store, run: Run, tasks: Collection[str], root: Path) -> dict[str, str]:
    """Return the tasks that were executed in another folder of this machine than `root`, and where.

    A folder that is not there any more was moved, and what tasks wrote in it as well.
    """
    folders: dict[Oid | None, str | None] = {}
    found = {}
    for name, maker in makers_of(store, run, tasks).items():
        if (where := where_executed(*maker)) is None or where.host != host():
            continue
        if (oid := where.environment) not in folders:
            folder = where.folder(store)
            is_other = folder and Path(folder) != root and Path(folder).is_dir()
            folders[oid] = folder if is_other else None
        if folder := folders[oid]:
            found[name] = folder
    return found


def _valid_in(
    store: Store,
    run: Run,
    new: Resolved,
    given: dict[str, TaskRun],
    *,
    params: Mapping[str, Json],
    here: Json,
    again: Collection[str],
    now: datetime,
) -> tuple[dict[str, TaskRun], dict[str, str]]:
    """Return what is still valid of one run, in which outcomes that are `given` may stand in.

    And why others could give something else.
    """
    comparison = compare_resolved(store, resolve(store, f"run:{run.id}", now=now), new)
    snapshot = store.snapshot(comparison.new.snapshot)
    if comparison.unkept:
        return {}, dict.fromkeys(snapshot.tasks, "its code was never kept")
    values = RunValues(store, run, task_runs(store, run))
    others = tuple(object_changes(values.params, params))
    comparison = replace(comparison, diff=replace(comparison.diff, params=others))
    impact = impact_of(store, comparison, other_environments(store, run, snapshot.tasks, here))
    changes = {one.name: one for one in comparison.diff.tasks if one.kind != "removed"}
    why = {
        one.name: definition_words(changes[one.name].fields) if one.why == "changed" else one.words
        for one in impact.affected
    }
    why |= {name: f"renamed from {one.old_name}" for name, one in changes.items() if one.old_name}
    alike = set(impact.unaffected).difference(again)
    found: dict[str, TaskRun] = {}
    for name, needs in needs_of(store, snapshot).items():
        old = values.states.get(name)
        if (
            old is None
            or name not in alike
            or not _is_same(store, old.task, snapshot.tasks[name])
            or any(up not in found for up in needs)
        ):
            continue
        if doubt := _doubt(run, values, name, needs, found, given.get(name)):
            why[name] = doubt
        else:
            found[name] = old
    return found, why


def _environments(store: Store, run: Run, names: Collection[str]) -> dict[str, Oid | None]:
    """Return in which environment each output that a run has was made, there or in one before.

    Where that is not known, it is the one of the run.
    """
    made = makers_of(store, run, names)
    found = dict.fromkeys(outcomes_of(store, run, {*names} - made.keys()), run.environment)
    executed = ((name, where_executed(*maker)) for name, maker in made.items())
    return found | {name: where.environment for name, where in executed if where}


def _doubt(
    run: Run,
    values: RunValues,
    name: str,
    needs: tuple[str, ...],
    found: Mapping[str, TaskRun],
    given: TaskRun | None,
) -> str:
    """Return why a task that is the same could end in another way now; nothing if it could not."""
    old = values.states[name]
    if not (_is_unmet(values, name, found) if old.is_unmet else _is_result(run, old, given)):
        return f"it was not run: {old.reason}" if old.state == "skipped" else old.state
    others = [] if old.is_unmet else _received_others(values, name, needs)
    return f"the output of {some(others, NAMED_MAX)} changed" if others else ""


def _is_same(store: Store, old: Oid, new: Oid) -> bool:
    return old == new or same_work(store.get(Task, old), store.get(Task, new))


def _is_result(run: Run, taskrun: TaskRun, given: TaskRun | None) -> bool:
    """Say whether an outcome is a result of the definition that the run had.

    What stood in for a task that was not selected may have come from another one.
    """
    if taskrun.state == "skipped" and run.selected is not None:
        return given is not None and given.output == taskrun.output
    return taskrun.output is not None and not taint(taskrun)


def _is_unmet(values: RunValues, name: str, found: Mapping[str, TaskRun]) -> bool:
    """Say whether a task would be skipped again, with what its run has of those before it."""
    task = values.store.get(Task, values.states[name].task)
    skipped = {up for up in task.depends_on if found[up].is_unmet}
    with suppress(NotReady):
        return why_skipped(task, values.outputs, values.params, skipped) is not None
    return False


def _received_others(values: RunValues, name: str, needs: tuple[str, ...]) -> list[str]:
    """Return what a task needs of which the run has another output than the task received.

    That is so where a part of the run was executed again later.
    """
    origins = values.origins(name)
    if origins is None:  # it stood in there itself, as what it needs did
        return [up for up in needs if values.states[up].attempts]
    outputs = ((up, values.states[up].output) for up in needs)
    has = [(up, output.oid if output else None) for up, output in outputs]
    return [up for (up, oid), got in zip(has, origins[2], strict=True) if oid != got]
