"""Which page a subject has: that of a change, A..B, of a run, or of a workflow."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from ork.cli.report.change import change_values
from ork.cli.report.page import render
from ork.cli.report.run import run_values
from ork.cli.report.workflow import workflow_values
from ork.errors import Corrupt
from ork.history.compare import Comparison, compare_resolved, ends
from ork.history.compare_runs import diff_runs
from ork.store.contents import find_run
from ork.store.revision import parse_range, parse_since
from ork.store.store import Store
from ork.worktree.lookup import look_up

DEPLOYS_MAX = 100  # of a workflow
RUNS_MAX = 50


def report_of(
    store: Store, subject: str | Comparison, *, now: datetime, damage: list[Corrupt]
) -> Iterator[str]:
    """Return the page about a change, A..B, a run, or a workflow.

    What is lost of the lists of a workflow is added to `damage`: the page has the rest.
    """
    if isinstance(subject, Comparison):
        return render("change", **change_values(store, subject, None, now=now))
    if parse_range(subject) or parse_since(subject):
        before, after = (look_up(store, text, now=now) for text in ends(store, [subject], now=now))
        runs = diff_runs(store, before, after) if before.kind == after.kind == "run" else None
        comparison = compare_resolved(store, before, after)
        return render("change", **change_values(store, comparison, runs, now=now))
    found = look_up(store, subject, now=now)
    if found.kind == "run":
        return render("run", **run_values(store, *find_run(store, found), now=now))
    values = workflow_values(
        store, found, now=now, deploys_max=DEPLOYS_MAX, runs_max=RUNS_MAX, damage=damage
    )
    return render("workflow", **values)
