"""The results of a run that hold for another definition as well."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from ork.history.compare import compare_resolved, impact_of
from ork.history.details import RunValues
from ork.objects.kinds import Run, TaskRun
from ork.store.contents import needs_of, task_runs
from ork.store.resolve import Resolved, resolve
from ork.store.store import Store
from ork.store.verdict import taint


def still_valid(
    store: Store, run: Run, new: Resolved, *, again: Collection[str], now: datetime
) -> dict[str, TaskRun]:
    """Return the outcomes of a run that the tasks of a new definition would only give again.

    Each task, the code that it executes and its interpreter are as they were, it succeeded
    untainted, and what it received is what it would receive now. So nothing that depends on a task
    which is executed again, as those of `again` are, is still valid.
    """
    comparison = compare_resolved(store, resolve(store, f"run:{run.id}", now=now), new)
    if comparison.unkept:
        return {}
    snapshot = store.snapshot(comparison.new.snapshot)
    alike = set(impact_of(store, comparison).unaffected).difference(again)
    values = RunValues(store, run, task_runs(store, run))
    found: dict[str, TaskRun] = {}
    for name, needs in needs_of(store, snapshot).items():
        old = values.states.get(name)
        if (
            old is not None
            and name in alike
            and old.task == snapshot.tasks[name]
            and _is_result(run, old)
            and all(up in found for up in needs)
            and _received_that(values, name, needs)
        ):
            found[name] = old
    return found


def _is_result(run: Run, taskrun: TaskRun) -> bool:
    """Say whether an outcome is a result of the definition that the run had.

    What stood in for a task that was not selected may have come from another one.
    """
    stood_in = taskrun.state == "skipped" and run.selected is not None
    return taskrun.output is not None and not stood_in and not taint(taskrun)


def _received_that(values: RunValues, name: str, needs: tuple[str, ...]) -> bool:
    """Say whether a task received the outputs that the run has of what it needs.

    It did not where a part of the run was executed again later.
    """
    origins = values.origins(name)
    if origins is None:  # it stood in there itself, as what it needs did
        return not any(values.states[up].attempts for up in needs)
    outputs = (values.states[up].output for up in needs)
    return origins[2] == tuple(output.oid if output else None for output in outputs)
