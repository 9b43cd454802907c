"""The graph of a change, and its lanes.

What was removed stands where it was, with the edges that it had; the rest as it is now.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from ork.cli.pictures.graph import (
    REMARK_COLUMNS,
    Graph,
    TaskMark,
    name_of,
    node_row,
    rows_of,
    text_view,
)
from ork.cli.pictures.looks import SIGNS
from ork.cli.screen.fit import cut
from ork.cli.screen.line import Line, visible
from ork.differences.definitions import Diff, TaskChange, with_hunks
from ork.errors import some
from ork.objects.kinds import Run
from ork.objects.value import Value, replace
from ork.store.contents import needs_of, task_runs
from ork.store.resolve import snapshot_of
from ork.store.revision import parse_range, parse_since

if TYPE_CHECKING:
    from ork.differences.impact import Impact
    from ork.history.compare import Comparison
    from ork.store.store import Store

NODES = {"affected": "*●", "same": "o○"}  # with slashes and with lines; a sign for the others
NAMES_MAX = 3  # of tasks, files or fields in one remark


class Change(Value, frozen=True, kw_only=True):
    """A comparison with all that a picture or a page of it needs."""

    comparison: Comparison
    impact: Impact
    graph: Graph


def graph_of(store: Store, revision: str, *, now: datetime) -> Graph:
    """Return the picture of a revision, a workflow file, a run or a change, A..B."""
    from ork.history.compare import diff, ends
    from ork.worktree.lookup import as_revision, look_up

    revision = as_revision(revision)
    if parse_range(revision) or parse_since(revision):
        old, new = ends(store, [revision], now=now)
        return change_of(store, diff(store, old, new, now=now)).graph
    found = look_up(store, revision, now=now)
    needs = needs_of(store, store.snapshot(snapshot_of(found)))
    if found.kind == "run":
        run = store.get(Run, found.oid)
        return Graph(title=run.name, needs=needs, states=task_runs(store, run))
    return Graph(title=found.workflow or found.oid[:12], needs=needs)


def lanes(graph: Graph, *, box: bool, columns: int | None = None) -> Iterator[Line]:
    """Yield the lines of any graph, drawn with slashes or, with `box`, with lines.

    `columns` are those of a terminal, which may have room for more lanes, or not for all of a name.
    """
    view = text_view if graph.marks is None else change_lanes
    return (cut(line, columns) for line in view(graph, box=box, columns=columns))


def change_of(store: Store, comparison: Comparison, *, hunks: bool = False) -> Change:
    """Return a comparison with its impact and its graph; with `hunks`, with all lines of code."""
    from ork.history.compare import impact_of

    if hunks:
        comparison = replace(comparison, diff=with_hunks(comparison.diff, store.blob))
    old, new = comparison.old, comparison.new
    needs = needs_of(store, store.snapshot(new.snapshot))
    impact = impact_of(store, comparison)
    title = "..".join(str(side.workflow) if side.text == "@" else side.shown for side in (old, new))
    graph = change_graph(title, comparison.diff, impact, needs)
    return Change(comparison=comparison, impact=impact, graph=graph)


def change_graph(
    title: str, diff: Diff, impact: Impact, needs: Mapping[str, Collection[str]]
) -> Graph:
    """Return the picture of a change; `needs` are the edges of the new definition, whole."""
    renamed = {task.old_name: task.name for task in diff.tasks if task.old_name}
    edges = {
        (
            renamed.get(edge.upstream, edge.upstream),
            renamed.get(edge.downstream, edge.downstream),
        ): edge.kind
        for edge in diff.edges
    }
    removed = [task.name for task in diff.tasks if task.kind == "removed"]
    all_needs = {
        **{name: tuple(below) for name, below in needs.items()},
        **dict.fromkeys(removed, ()),
    }
    edges = {
        (up, down): kind
        for (up, down), kind in edges.items()
        if up in all_needs and down in all_needs
    }
    gone = [edge for edge, kind in edges.items() if kind == "removed"]
    for up, down in _without_cycles(all_needs, gone):
        all_needs[down] = (*all_needs[down], up)
    changes = {task.name: task for task in diff.tasks}
    reasons = {one.name: (one.why, one.via) for one in impact.affected}
    marks = {name: _mark(changes.get(name), reasons.get(name)) for name in all_needs}
    return Graph(title=title, needs=all_needs, marks=marks, edge_marks=edges)


def nearest(graph: Graph, tasks_max: int) -> Graph:
    """Return the graph, or of a larger one what matters most: changes, what they affect, and then
    what stands beside these; the rest is counted."""
    if len(graph.needs) <= tasks_max:
        return graph
    ranks = {name: _rank(graph, name) for name in graph.needs}
    near: set[str] = set()
    for up, down in graph.edges:
        near |= {up} if ranks[down] < 2 else set()
        near |= {down} if ranks[up] < 2 else set()
    # What stands beside a change says where it is; without a change any task is of interest.
    chosen = [
        name for name, rank in ranks.items() if rank < 2 or name in near or graph.marks is None
    ]
    chosen.sort(key=lambda name: (ranks[name], name not in near))
    kept = set(chosen[:tasks_max])
    return replace(
        graph,
        needs={
            name: tuple(n for n in below if n in kept)
            for name, below in graph.needs.items()
            if name in kept
        },
        marks=graph.marks and {name: graph.marks[name] for name in graph.needs if name in kept},
        edge_marks={edge: kind for edge, kind in graph.edge_marks.items() if kept.issuperset(edge)},
        others=len(graph.needs) - len(kept),
    )


def change_lanes(graph: Graph, *, box: bool, columns: int | None = None) -> Iterator[Line]:
    """Yield the graph in lanes, each task with its mark, a word for it, and the reason."""
    rows, above = rows_of(graph, box=box, columns=columns)
    yield from above
    names = {row.name: name_of(row, columns, beside=REMARK_COLUMNS) for row in rows}
    sizes = [len(row.prefix) + 1 + len(visible(names[row.name])) for row in rows if row.name]
    width = max(sizes, default=0)
    for row in rows:
        if row.name is None or graph.marks is None:
            yield [(row.prefix, "dim")]
            continue
        mark = graph.marks[row.name]
        sign = SIGNS.get(mark.kind) or NODES[mark.kind][box]
        if mark.kind == "same":
            yield [*node_row(row, sign, "dim"), (names[row.name], "dim")]
            continue
        room = width - len(row.prefix) - 1 - len(visible(names[row.name]))
        text = remark(graph, row.name)
        yield [
            *node_row(row, sign, mark.kind),
            (names[row.name], "name"),
            " " * room,
            "  ",
            (f"{mark.kind:<8}" if text else mark.kind, mark.kind),
            *([(f"  {text}", "dim")] if text else []),
        ]


def remark(graph: Graph, name: str) -> str:
    """Return in a few words what of a task changed, or what it is affected by."""
    if graph.marks is None:
        return ""
    mark = graph.marks[name]
    parts = [f"from {mark.old_name}"] if mark.old_name else []
    if mark.kind in ("changed", "renamed"):
        parts += [some(mark.fields, NAMES_MAX)] if mark.fields else []
        edges = [
            f"{SIGNS[kind]}{up}" for (up, down), kind in graph.edge_marks.items() if down == name
        ]
        parts += [f"after {some(edges, NAMES_MAX)}"] if edges else []
    if mark.via:
        leads = {"upstream": "through", "param": "by params", "maybe": "may use"}
        lead = leads.get(mark.why or "", "by")
        parts.append(f"{lead} {some(mark.via, NAMES_MAX)}")
    return "; ".join(parts)


def _mark(change: TaskChange | None, reason: tuple[str, tuple[str, ...]] | None) -> TaskMark:
    why, via = reason or (None, ())
    if change is None:
        return TaskMark(kind="affected" if reason else "same", why=why, via=via)
    heads = (field.path.partition(".")[0].partition("[")[0] for field in change.fields)
    fields = tuple(dict.fromkeys(head for head in heads if head != "depends_on"))
    return TaskMark(kind=change.kind, old_name=change.old_name, fields=fields, why=why, via=via)


def _rank(graph: Graph, name: str) -> int:
    look = graph.look(name)
    if graph.marks is not None:
        return {"affected": 1, "same": 2}.get(look or "", 0)
    return {"failed": 0, "interrupted": 0, "running": 1, "cancelled": 1}.get(look or "", 2)


def _without_cycles(
    needs: Mapping[str, Collection[str]], more: Iterable[tuple[str, str]]
) -> Iterator[tuple[str, str]]:
    """Yield those of the edges `more` (from, to) that an acyclic graph can have besides its own.

    Kahn's way: what waits only for such edges goes on when nothing else can; these edges then lead
    back from what comes later, and are left out.
    """
    waiting = {name: sum(n in needs for n in set(below)) for name, below in needs.items()}
    soft: dict[str, set[str]] = {name: set() for name in needs}
    leads: dict[str, list[str]] = {name: [] for name in needs}
    for up, down in more:
        soft[down].add(up)
    for name, below in needs.items():
        for other in {*below, *soft[name]}:
            if other in leads:
                leads[other].append(name)
    ready: list[tuple[bool, str]] = []  # True: it still waits for an edge of `more`
    for name, count in waiting.items():
        if not count:
            heappush(ready, (bool(soft[name]), name))
    done: set[str] = set()
    while ready:
        _, name = heappop(ready)
        if name in done:
            continue
        yield from ((up, name) for up in sorted(soft[name] & done))
        done.add(name)
        for other in leads[name]:
            waiting[other] -= name in needs[other]
            if not waiting[other] and other not in done:
                heappush(ready, (not soft[other] <= done, other))
