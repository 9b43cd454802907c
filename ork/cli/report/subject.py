"""Which page a subject has: that of a change, A..B, of a run, or of a workflow."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from ork.cli.report.change import change_page, comparison_page
from ork.cli.report.run import run_page
from ork.cli.report.workflow import workflow_page
from ork.history.compare import Comparison, ends
from ork.store.revision import parse_range, parse_since
from ork.store.store import Store
from ork.worktree.lookup import look_up


def report_of(store: Store, subject: str | Comparison, *, now: datetime) -> Iterator[str]:
    """Return the page about a change, A..B, a run, or a workflow."""
    if isinstance(subject, Comparison):
        return comparison_page(store, subject, now=now)
    if parse_range(subject) or parse_since(subject):
        old, new = ends(store, [subject], now=now)
        return change_page(store, old, new, now=now)
    found = look_up(store, subject, now=now)
    if found.kind == "run":
        return run_page(store, found, now=now)
    return workflow_page(store, found, now=now)
