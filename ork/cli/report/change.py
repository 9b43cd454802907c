"""The page of a change: the graph, the diff with all lines, and the deploys between."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from ork.cli.diff.wording import headline
from ork.cli.pictures.change import Change, change_of
from ork.cli.pictures.graph import Graph
from ork.cli.report.page import render
from ork.cli.screen import human
from ork.differences.impact import Impact
from ork.history.compare import Comparison
from ork.history.compare_runs import RunDiff
from ork.history.log import LogEntry, log
from ork.objects.value import Value
from ork.store.store import Store

DEPLOYS_MAX = 100


class History(Value, frozen=True, kw_only=True):
    """The deploys that the new side of a change has and the old one has not, and the old one."""

    entries: list[LogEntry]
    note: str


def change_values(
    store: Store, comparison: Comparison, run_diff: RunDiff | None, *, now: datetime
) -> dict[str, Any]:
    """Return what the page of a change shows."""
    change = change_of(store, comparison, hunks=True)
    return {
        "title": headline(change.comparison, change.impact),
        "change": change,
        "run_diff": run_diff,
        "history": _history(store, change.comparison, now),
        "now": now,
    }


def html_view(comparison: Comparison, impact: Impact, graph: Graph) -> Iterator[str]:
    """Yield the lines of the page of a change alone; the same change gives the same bytes."""
    change = Change(comparison=comparison, impact=impact, graph=graph)
    title = headline(comparison, impact)
    page = render("change", title=title, change=change, run_diff=None, history=None, now=None)
    yield from "".join(page).removesuffix("\n").split("\n")


def _history(store: Store, comparison: Comparison, now: datetime) -> History | None:
    """Return the deploys between both sides; None unless both are of one workflow."""
    old, new = comparison.old, comparison.new
    if old.deploy is None or new.deploy is None or old.workflow != new.workflow:
        return None
    between = list(islice(log(store, f"{old.deploy}..{new.deploy}", now=now), DEPLOYS_MAX + 1))
    note = human.count(len(between), "deploy")
    if len(between) > DEPLOYS_MAX:
        note, between = f"the newest {DEPLOYS_MAX}", between[:DEPLOYS_MAX]
    if between:
        note += ", and the one before"
    elif old.deploy == new.deploy:
        note = "the same deploy on both sides"
    else:
        note = "the new side is no later deploy"
        between = list(log(store, str(new.deploy), now=now, limit=1))
    start = log(store, str(old.deploy), now=now, limit=1)
    return History(entries=[*between, *start], note=note)
