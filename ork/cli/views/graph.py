"""A graph of tasks -> lanes, and the text of mermaid, dot and JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ork.cli import words
from ork.cli.show import Line, visible
from ork.cli.views.runs import MARKS
from ork.core.canonical import Json
from ork.core.lanes import Row, draw
from ork.core.objects import TaskRun

# What stands for a task in each state, with slashes and with lines.
NODES = {"success": "*●", "failed": "x✗", "running": "@◉", "pending": "o○"}
OTHER_NODE = "-◌"
# State -> fill and border; dark text is readable on all of them.
COLORS = {
    "success": ("#c8e6c9", "#388e3c"), "failed": ("#ffcdd2", "#c62828"),
    "running": ("#bbdefb", "#1565c0"), "pending": ("#eceff1", "#78909c"),
    "cancelled": ("#ffe0b2", "#ef6c00"), "interrupted": ("#ffe0b2", "#ef6c00"),
    "skipped": ("#f5f5f5", "#9e9e9e"), "upstream_failed": ("#fff9c4", "#f9a825"),
}  # fmt: skip
PLAIN_COLOR = ("#e8eaf6", "#3949ab")  # of a definition, which has no states


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Tasks in the order in which they can run, and of a run what became of each.

    `states` is None for a definition.
    """

    title: str
    needs: Mapping[str, tuple[str, ...]]
    states: Mapping[str, TaskRun] | None = field(default=None)

    def state(self, name: str) -> str | None:
        """Return the state of a task: pending when it has not started, None without a run."""
        if self.states is None:
            return None
        return self.states[name].state if name in self.states else "pending"

    @property
    def edges(self) -> Iterator[tuple[str, str]]:
        """The edges, each from a task to one that depends on it."""
        return ((below, name) for name, needs in self.needs.items()
                for below in needs if below in self.needs)  # fmt: skip


def node_mark(state: str, *, box: bool) -> str:
    """Return the one letter that stands for a task in this state."""
    return NODES.get(state, OTHER_NODE)[box]


def node_row(row: Row, state: str | None, *, box: bool) -> Line:
    """Return the lanes of a row, its node marked and painted by the state; a space follows."""
    if state is None:
        return [row.prefix, " "]
    before, after = row.prefix[: row.node], row.prefix[row.node + 1 :]
    return [(before, "dim"), (node_mark(state, box=box), state), (after, "dim"), " "]


def text_view(graph: Graph, *, box: bool) -> Iterator[Line]:
    """Yield the graph in lanes; of a run with the state and time of each task."""
    rows = draw(graph.needs, box=box)
    if graph.states is None:
        for row in rows:
            yield [row.prefix, " ", (row.name, "name")] if row.name else [row.prefix]
        return
    all_rows = list(rows)
    width = max((len(r.prefix) + 1 + len(r.name) for r in all_rows if r.name), default=0)
    for row in all_rows:
        if row.name is None:
            yield [(row.prefix, "dim")]
            continue
        state = graph.state(row.name) or "pending"
        room = width - len(row.prefix) - 1
        taskrun = graph.states.get(row.name)
        attempts = taskrun.attempts if taskrun else ()
        line: Line = [*node_row(row, state, box=box), f"{row.name:<{room}}  ",
                      (f"{MARKS[state]:<8}", state)]  # fmt: skip
        if attempts:
            line.append(f" {words.duration(attempts[-1].seconds):>7}")
        if len(attempts) > 1:
            line.append((f"  attempt {len(attempts)}", "dim"))
        yield line


def mermaid(graph: Graph) -> Iterator[str]:
    """Yield the lines of a mermaid flowchart; states are classes."""
    ids = {name: f"t{index}" for index, name in enumerate(graph.needs)}
    yield "flowchart TD"
    for name, short in ids.items():
        state = graph.state(name)
        yield f'    {short}["{_mermaid_text(name)}"]' + (f":::{state}" if state else "")
    for below, name in graph.edges:
        yield f"    {ids[below]} --> {ids[name]}"
    for state in _states(graph):
        fill, border = COLORS[state]
        yield f"    classDef {state} fill:{fill},stroke:{border},color:#111"


def dot(graph: Graph) -> Iterator[str]:
    """Yield the lines of a graph for Graphviz."""
    yield f"digraph {_dot_text(graph.title)} {{"
    yield '    node [shape=box, style="rounded,filled", fontname=sans, fontcolor="#111111"];'
    for name in graph.needs:
        state = graph.state(name)
        fill, border = COLORS[state] if state else PLAIN_COLOR
        tip = f", tooltip={_dot_text(state)}" if state else ""
        yield f'    {_dot_text(name)} [fillcolor="{fill}", color="{border}"{tip}];'
    for below, name in graph.edges:
        yield f"    {_dot_text(below)} -> {_dot_text(name)};"
    yield "}"


def as_json(graph: Graph) -> dict[str, Json]:
    """Return the value that `--format json` prints."""
    tasks: list[Json] = [{"name": name, "state": graph.state(name)} for name in graph.needs]
    edges: list[Json] = [{"from": below, "to": name} for below, name in graph.edges]
    return {"title": graph.title, "tasks": tasks, "edges": edges}


def _states(graph: Graph) -> Iterable[str]:
    return sorted({state for name in graph.needs if (state := graph.state(name))})


def _mermaid_text(text: str) -> str:
    """Spell out, by number, whatever could mean something to mermaid or to the page around it."""
    return "".join(letter if letter.isalnum() or letter in "_.- " else f"#{ord(letter)};"
                   for letter in visible(text))  # fmt: skip


def _dot_text(text: str) -> str:
    escaped = visible(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
