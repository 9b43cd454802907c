"""What the pictures and pages of a change are made from, read from the store."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ork.cli.pictures.change import change_graph
from ork.history.compare import Comparison, impact_of
from ork.store.store import Store

if TYPE_CHECKING:
    from ork.cli.pictures.graph import Graph
    from ork.differences.impact import Impact


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A comparison with all that a picture of it needs."""

    comparison: Comparison
    impact: Impact
    graph: Graph


def change_of(store: Store, comparison: Comparison, *, hunks: bool = False) -> Change:
    """Return a comparison with its impact and its graph; with `hunks`, with all lines of code."""
    from ork.differences.definitions import with_hunks
    from ork.objects.canonical import Oid
    from ork.store.contents import definition
    from ork.store.resolve import Resolved

    if hunks:
        comparison = replace(comparison, diff=with_hunks(comparison.diff, store.blob))
    new = comparison.new
    snapshot = Oid(new.snapshot)
    found = Resolved(text=new.text, oid=snapshot, kind="snapshot", snapshot=snapshot)
    tasks = definition(store, found).tasks
    impact = impact_of(store, comparison)
    ends = [str(side.workflow) if side.text == "@" else side.text for side in (comparison.old, new)]
    title = "..".join(ends)
    graph = change_graph(
        title, comparison.diff, impact, {name: task.depends_on for name, task in tasks.items()}
    )
    return Change(comparison=comparison, impact=impact, graph=graph)
