"""The places of tasks in a picture of their graph: layers from left to right.

The usual way: each task stands one layer after the last that it needs; an edge over several
layers gets a bend in each; then layers are put into an order in which few edges cross.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise

from ork.graph.order import order

SWEEPS = 4
BENDS_MAX = 20_000  # in all; a graph that would need more gets straight edges


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Layer and height of each task, and the way of each edge, both in steps from 0."""

    places: Mapping[str, tuple[int, float]]
    ways: tuple[tuple[str, str, tuple[tuple[int, float], ...]], ...]  # from, to, bends between


# A task by its name, or the bend of an edge in a layer.
_Stop = str | tuple[str, str, int]


def layout(needs: Mapping[str, Collection[str]]) -> Layout:
    """Return where to draw an acyclic graph; the same graph always looks the same."""
    layer: dict[str, int] = {}
    for name in order(needs):
        layer[name] = 1 + max((layer[n] for n in needs[name] if n in layer), default=-1)
    edges = [(n, name) for name in layer for n in sorted(set(needs[name])) if n in layer]
    bends = sum(layer[end] - layer[start] - 1 for start, end in edges) <= BENDS_MAX
    rows: list[list[_Stop]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    for name, index in layer.items():
        rows[index].append(name)
    left: dict[_Stop, list[_Stop]] = {name: [] for name in layer}
    right: dict[_Stop, list[_Stop]] = {name: [] for name in layer}
    paths: list[tuple[str, str, list[_Stop]]] = []
    for start, end in edges:
        between: list[_Stop] = []
        if bends:
            between = [(start, end, index) for index in range(layer[start] + 1, layer[end])]
        stops: list[_Stop] = [start, *between, end]
        for index, stop in enumerate(between, layer[start] + 1):
            rows[index].append(stop)
        for one, other in pairwise(stops):
            right.setdefault(one, []).append(other)
            left.setdefault(other, []).append(one)
        paths.append((start, end, between))
    heights = _heights(rows, left, right)
    at: dict[_Stop, tuple[int, float]] = {
        stop: (index, heights[stop]) for index, row in enumerate(rows) for stop in row
    }
    return Layout(
        places={name: at[name] for name in layer},
        ways=tuple((start, end, tuple(at[stop] for stop in stops)) for start, end, stops in paths),
    )


def _heights(
    rows: list[list[_Stop]], left: dict[_Stop, list[_Stop]], right: dict[_Stop, list[_Stop]]
) -> dict[_Stop, float]:
    """Sort each layer by the middle of its neighbours, to and fro; return the height of each."""
    heights: dict[_Stop, float] = {}
    for row in rows:
        _stack(row, heights)
    for sweep in range(SWEEPS):
        forth = sweep % 2 == 0
        near = left if forth else right
        for row in rows if forth else rows[::-1]:
            wish = {stop: _middle(near.get(stop, []), heights, heights[stop]) for stop in row}
            row.sort(key=wish.__getitem__)
            _stack(row, heights)
    return heights


def _middle(near: list[_Stop], heights: dict[_Stop, float], otherwise: float) -> float:
    return sum(heights[stop] for stop in near) / len(near) if near else otherwise


def _stack(row: list[_Stop], heights: dict[_Stop, float]) -> None:
    """Put the stops of a layer one below the other, around the height of 0."""
    top = -(len(row) - 1) / 2
    for index, stop in enumerate(row):
        heights[stop] = top + index
