"""Which tasks of a run are executed, and what stands in for the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches

from ork.errors import NotFound, UsageError
from ork.graph import order as graph
from ork.objects.canonical import Oid
from ork.objects.kinds import Run, Task, TaskRun
from ork.store.contents import task_runs
from ork.store.store import Store

NOT_SELECTED = "not selected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What the user chose; names of tasks. Empty everywhere means all of them."""

    only: tuple[str, ...] = ()
    start: tuple[str, ...] = ()  # --from: these and what depends on them
    until: tuple[str, ...] = ()  # these and what they depend on

    def __bool__(self) -> bool:
        return bool(self.only or self.start or self.until)


def chosen(needs: Mapping[str, tuple[str, ...]], selection: Selection) -> set[str]:
    """Return the names of the tasks that a selection means; raise NotFound for unknown ones."""
    for name in (*selection.only, *selection.start, *selection.until):
        if name not in needs:
            near = get_close_matches(name, needs, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(needs)}"
            raise NotFound(f"no task named {name!r}", hint=hint)
    if not selection:
        return set(needs)
    if selection.only:
        return set(selection.only)
    names = set(needs)
    if selection.start:
        names &= {*selection.start, *graph.descendants(needs, selection.start)}
    if selection.until:
        names &= {*selection.until, *graph.ancestors(needs, selection.until)}
    if not names:
        raise UsageError(
            "there is no task to run: nothing that --from names leads to what --until names"
        )
    return names


def stand_ins(
    store: Store,
    needs: Mapping[str, tuple[str, ...]],
    oids: Mapping[str, Oid],
    selected: set[str],
    workflow: str,
    base: Run | None,
) -> tuple[dict[str, TaskRun], Run | None]:
    """Return a TaskRun for each task that is not selected, and the run that gave their outputs.

    What a selected task depends on must have succeeded in that run: in `base`, else in the newest
    run of the workflow in which all of it did.
    """
    wanted = {up for name in selected for up in needs[name]} - selected
    found = _base(store, workflow, wanted, base) if wanted or base else None
    outputs = task_runs(store, found) if found else {}
    states = {}
    for name in needs.keys() - selected:
        states[name] = TaskRun(task=oids[name], state="skipped", reason=NOT_SELECTED)
        before = outputs.get(name)
        if found and before and before.output:
            reason = f"output of {found.workflow}#{found.number}"
            states[name] = replace(states[name], output=before.output, reason=reason)
    return states, found if outputs else None


def unchanged(
    tasks: Mapping[str, Task], oids: Mapping[str, Oid], before: Mapping[str, TaskRun], base: Run
) -> dict[str, TaskRun]:
    """Return stand-ins for the tasks that `base` has done and that are as they were then.

    For a retry with another definition: a task is done again if it, or anything that it depends
    on, has changed or had not succeeded.
    """
    states: dict[str, TaskRun] = {}
    for name in graph.order({name: task.depends_on for name, task in tasks.items()}):
        old = before.get(name)
        same = old is not None and old.task == oids[name] and old.output is not None
        if same and old and all(up in states for up in tasks[name].depends_on):
            reason = f"output of {base.workflow}#{base.number}"
            states[name] = TaskRun(
                task=old.task, state="skipped", output=old.output, inputs=old.inputs, reason=reason
            )
    return states


def _base(store: Store, workflow: str, wanted: set[str], base: Run | None) -> Run | None:
    if base is not None:
        done = _done(store, base)
        if missing := sorted(wanted - done):
            raise UsageError(
                f"{base.workflow}#{base.number} has no output of {', '.join(missing)}",
                hint="choose another run with --base, or run from there with --from",
            )
        return base
    for _, oid in store.refs(f"runs/{workflow}/", newest_first=True):
        run = store.get(Run, oid)
        if run.ended is not None and wanted <= _done(store, run):
            return run
    raise UsageError(
        f"no run of {workflow} has the outputs of {', '.join(sorted(wanted))}",
        hint="run these first: `--until` runs what a task needs",
    )


def _done(store: Store, run: Run) -> set[str]:
    states = task_runs(store, run)
    return {name for name, taskrun in states.items() if taskrun.output is not None}
