"""Large graphs in small pictures: tasks that are alike and stand alike are one box."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping

from ork.cli.pictures.graph import Graph, TaskMark
from ork.differences.renames import family, numbers
from ork.objects.value import replace

TASKS_MIN, TASKS_MAX = 40, 20_000  # other graphs are drawn as they are
ROUNDS_MAX = 20


def folded(graph: Graph) -> Graph:
    """Return the graph with one box, such as `shard_* (199)`, for tasks that do not differ.

    They are of one family, look the same, and need and are needed by the same tasks, as far as
    those differ. A graph with long chains stays as it is.
    """
    groups = _groups(graph) if TASKS_MIN <= len(graph.needs) <= TASKS_MAX else None
    if groups is None:
        return graph
    sizes = Counter(groups.values())
    first: dict[int, str] = {}
    for name, group in groups.items():
        first.setdefault(group, name)
    alike = Counter((family(name), sizes[group]) for group, name in first.items())

    def label(group: int) -> str:
        name, size = first[group], sizes[group]
        if size == 1:
            return name
        unique = alike[family(name), size] == 1
        return f"{family(name)} ({size:,})" if unique else f"{name} and {size - 1:,} more"

    labels = {group: label(group) for group in first}
    box = {name: labels[group] for name, group in groups.items()}
    states, marks = graph.states, graph.marks
    return replace(
        graph,
        needs={
            box[name]: tuple(dict.fromkeys(box[one] for one in graph.needs[name] if one in box))
            for name in first.values()
        },
        states=states and {box[name]: states[name] for name in first.values() if name in states},
        marks=marks
        and {box[name]: _of_box(marks[name], sizes[groups[name]]) for name in first.values()},
    )


def _groups(graph: Graph) -> dict[str, int] | None:
    """Return the group of each task; None where splitting groups does not come to an end soon.

    Those that look alike are split until all tasks of a group have neighbours of the same groups.
    Then groups form no circle: from any of its tasks one could go round for ever.
    """
    ends = {name for edge in graph.edge_marks for name in edge}  # of what came or went
    above: dict[str, list[str]] = {name: [] for name in graph.needs}
    below: dict[str, list[str]] = {name: [] for name in graph.needs}
    for up, down in graph.edges:
        above[down].append(up)
        below[up].append(down)
    groups = _numbered({name: _look(graph, name, ends) for name in graph.needs})
    for _ in range(ROUNDS_MAX):
        count = len(set(groups.values()))
        groups = _numbered(
            {
                name: (
                    groups[name],
                    frozenset(groups[one] for one in above[name]),
                    frozenset(groups[one] for one in below[name]),
                )
                for name in graph.needs
            }
        )
        if len(set(groups.values())) == count:
            return groups
    return None


def _look(graph: Graph, name: str, ends: set[str]) -> Hashable:
    mark = graph.marks[name] if graph.marks else None
    if name in ends:
        return name
    was = (mark and mark.old_name) or name
    if numbers(was) != numbers(name):
        return name, was
    return family(was), family(name), graph.look(name), graph.taint(name), mark and mark.fields


def _of_box(mark: TaskMark, size: int) -> TaskMark:
    alone = size == 1 or mark.old_name is None
    return mark if alone else replace(mark, old_name=family(str(mark.old_name)))


def _numbered(keys: Mapping[str, Hashable]) -> dict[str, int]:
    numbers: dict[Hashable, int] = {}
    return {name: numbers.setdefault(key, len(numbers)) for name, key in keys.items()}
