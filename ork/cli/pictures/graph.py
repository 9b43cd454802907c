"""A graph of tasks, drawn as lanes, and written as mermaid, dot and JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ork.cli.pictures.looks import ALL_COLORS, ALL_SIGNS, EDGE_COLORS, PLAIN_COLOR
from ork.cli.screen import human
from ork.cli.screen.fit import fitted_lines
from ork.cli.screen.line import MARKS, Line, json_text, plain, visible
from ork.cli.screen.parts import clip
from ork.errors import UsageError, count
from ork.graph.lanes import LANES_MAX, Row, draw
from ork.objects.canonical import Json
from ork.objects.kinds import TaskRun
from ork.objects.value import Value
from ork.store.verdict import taint, taint_text

# What stands for a task in each state, with slashes and with lines.
NODES = {"success": "*●", "failed": "x✗", "running": "@◉", "pending": "o○"}
OTHER_NODE = "-◌"
FORMATS = ("text", "mermaid", "dot", "svg", "json")
REMARK_COLUMNS = 24  # beside the lanes and the name: a state, a time, how many lanes are folded
WIDE_MAX = 60  # lanes; nobody follows one among more


class TaskMark(Value, frozen=True, kw_only=True):
    """The place of a task in a change.

    `fields` are the fields of it that differ. `why` and `via` say why its result can differ, as
    `ork.differences.impact` does; None where it cannot.
    """

    kind: str  # added | removed | changed | renamed | affected | same
    old_name: str | None = None
    fields: tuple[str, ...] = ()
    why: str | None = None
    via: tuple[str, ...] = ()


class Graph(Value, frozen=True, kw_only=True):
    """Tasks in the order in which they can run; of a run what became of each.

    `states` is None for a definition, `marks` for all but a change, where every task has one.
    `edge_marks` are the edges of a change that came or went; an edge that is not in `needs` too
    would close a cycle with what the other side has. `others` counts tasks that were left out.
    """

    title: str
    needs: Mapping[str, tuple[str, ...]]
    states: Mapping[str, TaskRun] | None = None
    marks: Mapping[str, TaskMark] | None = None
    edge_marks: Mapping[tuple[str, str], str] = {}
    others: int = 0

    def cells(self) -> dict[str, object]:
        return {"title": self.title, "tasks": count(len(self.needs), "task")}

    def _repr_html_(self) -> None:
        """A notebook shows the picture."""

    def __str__(self) -> str:
        from ork.cli.pictures.change import lanes

        return "\n".join(plain(line) for line in lanes(self, box=True))

    def _repr_svg_(self) -> str:
        from ork.cli.pictures.fold import folded
        from ork.cli.pictures.svg import svg

        return "\n".join(svg(folded(self)))

    def to_text(self, form: str) -> str:
        """Return it as `ork graph --format` does: "text", "mermaid", "dot", "svg" or "json"."""
        if form not in FORMATS:
            raise UsageError(f"no format named {form!r}", hint=f"there are {', '.join(FORMATS)}")
        return str(self) if form == "text" else "\n".join(written(self, form))

    def state(self, name: str) -> str | None:
        """Return the state of a task: pending when it has not started, None without a run."""
        if self.states is None:
            return None
        return self.states[name].state if name in self.states else "pending"

    def look(self, name: str) -> str | None:
        """Return what a task is painted by: its state, or how it stands to a change."""
        return self.marks[name].kind if self.marks is not None else self.state(name)

    def label(self, name: str) -> str:
        """Return the name of a task, after its sign if it has one."""
        return f"{self.sign(name)} {name}" if self.sign(name) else name

    def sign(self, name: str) -> str:
        """Return the sign of what a task is painted by; of a tainted one !."""
        return "!" if self.taint(name) else ALL_SIGNS.get(self.look(name) or "", "")

    def taint(self, name: str) -> tuple[str, ...]:
        """Return the captured files that changed under a task while it ran."""
        return taint(self.states[name]) if self.states and name in self.states else ()

    @property
    def edges(self) -> Iterator[tuple[str, str]]:
        """The edges, each from a task to one that depends on it."""
        for name, needs in self.needs.items():
            yield from ((below, name) for below in needs if below in self.needs)
        yield from self.turned

    @property
    def turned(self) -> Iterator[tuple[str, str]]:
        """The edges that lead backwards, which no layout can follow."""
        return ((up, down) for up, down in self.edge_marks if up not in self.needs[down])

    @property
    def rest(self) -> str | None:
        """How many tasks the picture does not show, in words."""
        return f"and {self.others:,} other{'s' * (self.others != 1)}" if self.others else None


def written(graph: Graph, form: str) -> Iterable[str]:
    """Return the lines of a graph in a format other than text."""
    from ork.cli.pictures.svg import svg

    if form == "json":
        return [json_text("graph", as_json(graph))]
    return {"mermaid": mermaid, "dot": dot, "svg": svg}[form](graph)


def node_mark(state: str, *, box: bool) -> str:
    """Return the one letter that stands for a task in this state."""
    return NODES.get(state, OTHER_NODE)[box]


def node_row(row: Row, mark: str, style: str) -> Line:
    """Return the lanes of a row, with a mark in this style for its node; a space follows."""
    before, after = row.prefix[: row.node], row.prefix[row.node + 1 :]
    return [(before, "dim"), (mark, style), (after, "dim"), " "]


def rows_of(graph: Graph, *, box: bool, columns: int | None) -> tuple[list[Row], list[Line]]:
    """Return the graph in lanes, more of them where a terminal is wide, and what stands above it.

    That says what a number of lanes means that have no room.
    """
    names = max(map(len, graph.needs), default=0)
    room = (columns or 0) - names - REMARK_COLUMNS
    rows = list(draw(graph.needs, box=box, lanes_max=min(max(LANES_MAX, room // 2), WIDE_MAX)))
    told = "+1, +2...: so many more lines pass here than have room; `--format svg` draws all"
    above = fitted_lines([[(told, "dim")]], columns) if any(row.folded for row in rows) else ()
    return rows, list(above)


def name_of(row: Row, columns: int | None, *, beside: int = 0) -> str:
    """Return the name of the task of a row, its middle left out where a terminal has no room."""
    return clip(row.name or "", columns and columns - len(row.prefix) - 1 - beside)


def text_view(graph: Graph, *, box: bool, columns: int | None = None) -> Iterator[Line]:
    """Yield the graph in lanes; of a run with the state and time of each task."""
    rows, above = rows_of(graph, box=box, columns=columns)
    yield from above
    if graph.states is None:
        for row in rows:
            yield [row.prefix, " ", (name_of(row, columns), "name")] if row.name else [row.prefix]
        return
    names = {row.name: name_of(row, columns, beside=REMARK_COLUMNS) for row in rows}
    marks = human.mark_columns(one.state for one in graph.states.values())
    width = max((len(r.prefix) + 1 + len(names[r.name]) for r in rows if r.name), default=0)
    for row in rows:
        if row.name is None:
            yield [(row.prefix, "dim")]
            continue
        state = graph.state(row.name) or "pending"
        room = width - len(row.prefix) - 1
        taskrun = graph.states.get(row.name)
        attempts = taskrun.attempts if taskrun else ()
        line: Line = [
            *node_row(row, node_mark(state, box=box), state),
            f"{names[row.name]:<{room}}  ",
            (f"{human.mark(taskrun) if taskrun else MARKS[state]:<{marks}}", state),
        ]
        if taskrun and attempts:
            line.append(f" {human.took(taskrun):>7}")
        if len(attempts) > 1:
            line.append((f"  attempt {len(attempts)}", "dim"))
        if changed := graph.taint(row.name):
            line.append((f"  {taint_text(changed)}", "warning"))
        yield line


def mermaid(graph: Graph) -> Iterator[str]:
    """Yield the lines of a mermaid flowchart; states, and kinds of changes, are classes."""
    ids = {name: f"t{index}" for index, name in enumerate(graph.needs)}
    yield "flowchart TD"
    for name, short in ids.items():
        look = graph.look(name)
        # The sign comes last: mermaid takes a label that begins with "- " or "+ " for a list.
        label = f"{name} {graph.sign(name)}".rstrip()
        yield f'    {short}["{_mermaid_text(label)}"]' + (f":::{look}" if look else "")
    if graph.rest:
        yield f'    rest["{_mermaid_text(graph.rest)}"]:::same'
    painted: dict[str, list[int]] = {}
    for index, (below, name) in enumerate(graph.edges):
        mark = graph.edge_marks.get((below, name))
        arrow = {None: "-->", "added": "==>", "removed": "-.->"}[mark]
        yield f"    {ids[below]} {arrow} {ids[name]}"
        if mark:
            painted.setdefault(mark, []).append(index)
    looks = {look for name in graph.needs if (look := graph.look(name))}
    for look in sorted(looks | ({"same"} if graph.rest else set())):
        fill, border = ALL_COLORS[look]
        dashes = ",stroke-dasharray:4 3" if look == "removed" else ""
        yield f"    classDef {look} fill:{fill},stroke:{border},color:#111{dashes}"
    for mark, places in sorted(painted.items()):
        yield f"    linkStyle {','.join(map(str, places))} stroke:{EDGE_COLORS[mark]}"


def dot(graph: Graph) -> Iterator[str]:
    """Yield the lines of a graph for Graphviz."""
    yield f"digraph {_dot_text(graph.title)} {{"
    yield '    node [shape=box, style="rounded,filled", fontname=sans, fontcolor="#111111"];'
    for name in graph.needs:
        look = graph.look(name)
        fill, border = ALL_COLORS[look] if look else PLAIN_COLOR
        more = f", tooltip={_dot_text(look)}" if look else ""
        if graph.label(name) != name:
            more += f", label={_dot_text(graph.label(name))}"
        if look == "removed":
            more += ', style="rounded,filled,dashed"'
        yield f'    {_dot_text(name)} [fillcolor="{fill}", color="{border}"{more}];'
    for below, name in graph.edges:
        mark = graph.edge_marks.get((below, name))
        style = "dashed" if mark == "removed" else "bold"
        look = f' [color="{EDGE_COLORS[mark]}", style={style}]' if mark else ""
        yield f"    {_dot_text(below)} -> {_dot_text(name)}{look};"
    yield "}"


def as_json(graph: Graph) -> dict[str, Json]:
    """Return the value that `--format json` prints; of a change each part says how it stands."""
    tasks: list[Json] = [_task_json(graph, name) for name in graph.needs]
    edges: list[Json] = []
    for below, name in graph.edges:
        edge: dict[str, Json] = {"from": below, "to": name}
        if graph.marks is not None:
            edge["change"] = graph.edge_marks.get((below, name), "same")
        edges.append(edge)
    return {"title": graph.title, "tasks": tasks, "edges": edges}


def _task_json(graph: Graph, name: str) -> dict[str, Json]:
    task: dict[str, Json] = {"name": name, "state": graph.state(name)}
    if graph.states is not None:
        task["tainted"] = list(graph.taint(name))
    if graph.marks is not None:
        mark = graph.marks[name]
        task |= {
            "change": mark.kind,
            "old_name": mark.old_name,
            "why": mark.why,
            "via": list(mark.via),
        }
    return task


def _mermaid_text(text: str) -> str:
    """Spell out, by number, whatever could mean something to mermaid or to the page around it."""
    return "".join(
        letter if letter.isalnum() or letter in "_.- " else f"#{ord(letter)};"
        for letter in visible(text)
    )


def _dot_text(text: str) -> str:
    escaped = visible(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
