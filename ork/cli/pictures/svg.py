"""A graph as an SVG picture that needs nothing else: no script, no font, no style."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from html import escape

from ork.cli.pictures.graph import Graph
from ork.cli.pictures.looks import ALL_COLORS, EDGE_COLORS, PLAIN_COLOR
from ork.cli.screen.line import visible
from ork.graph.layers import layout

FONT = 13
LETTER = 7.9  # of a monospaced font of that size, with a little to spare
HEIGHT, STEP = 28, 40  # of a box, and from one to the one below
GAP = 56  # between the columns
MARGIN = 16


def svg(graph: Graph, address: Callable[[str], str | None] = lambda _: None) -> Iterator[str]:
    """Yield the lines of the picture: tasks in columns, each right of what it needs.

    A task with an address leads there. The classes are for a page that holds the picture, to paint
    it with colours of its own.
    """
    found = layout(graph.needs)
    # What is one image to a screen reader hides the links in it.
    role = "group" if any(map(address, graph.needs)) else "img"
    columns = _columns(graph, found.places)
    heights = [height for _, height in found.places.values()]
    heights += [height for *_, bends in found.ways for _, height in bends]
    top, bottom = min(heights, default=0.0), max(heights, default=0.0)
    width = columns[-1][0] + columns[-1][1] + MARGIN if columns else 2 * MARGIN
    tall = _y(bottom, top) + HEIGHT / 2 + MARGIN + (STEP / 2 if graph.rest else 0)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{tall:.0f}" '
        f'viewBox="0 0 {width:.0f} {tall:.0f}" role="{role}" class="graph">'
    )
    yield f"<title>{_text(graph.title)}</title>"
    yield f'<rect class="ground" width="{width:.0f}" height="{tall:.0f}" fill="#ffffff"/>'
    yield '<g class="edges" fill="none" stroke="#90a4ae" stroke-width="1.5">'
    backwards = [(up, down, ()) for up, down in graph.turned]
    for start, end, bends in [*found.ways, *backwards]:
        stops = [*bends, found.places[end]]
        path = _path(graph, start, stops, found.places[start], columns, top)
        yield _edge(graph, start, end, path)
    yield "</g>"
    yield (
        f'<g font-family="ui-monospace,Menlo,Consolas,monospace" font-size="{FONT}" '
        'fill="#111111" text-anchor="middle">'
    )
    for name, (column, height) in found.places.items():
        task = _task(graph, name, columns[column][0], _y(height, top))
        url = address(name)
        # An address has no quotation marks: it is percent-encoded.
        yield f'<a href="{_text(url)}">{task}</a>' if url else task
    if graph.rest:
        yield (
            f'<text class="rest" x="{MARGIN}" y="{tall - MARGIN:.1f}" text-anchor="start" '
            f'fill="#607d8b">{_text(graph.rest)}</text>'
        )
    yield "</g>"
    yield "</svg>"


def _edge(graph: Graph, start: str, end: str, path: str) -> str:
    mark = graph.edge_marks.get((start, end))
    tip = _text(f"{start} -> {end}" + (f": {mark}" if mark else ""))
    look = f' class="{mark}" stroke="{EDGE_COLORS[mark]}"' if mark else ""
    if mark == "removed":
        look += ' stroke-dasharray="5 4"'
    return f'<path d="{path}"{look}><title>{tip}</title></path>'


def _task(graph: Graph, name: str, x: float, y: float) -> str:
    look = graph.look(name)
    fill, border = ALL_COLORS[look] if look else PLAIN_COLOR
    label = graph.label(name)
    wide = _box(label)
    tip = f"{name}: {look}" if look else name
    dashes = ' stroke-dasharray="4 3"' if look == "removed" else ""
    return (
        f'<g class="task {look or "plain"}"><title>{_text(tip)}</title>'
        f'<rect x="{x:.1f}" y="{y - HEIGHT / 2:.1f}" '
        f'width="{wide:.1f}" height="{HEIGHT}" rx="6" fill="{fill}" stroke="{border}"{dashes}/>'
        f'<text x="{x + wide / 2:.1f}" y="{y + FONT / 3:.1f}">{_text(label)}</text></g>'
    )


def _path(
    graph: Graph,
    start: str,
    stops: list[tuple[int, float]],
    place: tuple[int, float],
    columns: list[tuple[float, float]],
    top: float,
) -> str:
    """Return the way of an edge: it swings within the gaps, and is level where columns are."""
    x, y = columns[place[0]][0] + _box(graph.label(start)), _y(place[1], top)
    path = f"M{x:.1f} {y:.1f}"
    for index, (column, height) in enumerate(stops):
        left, wide = columns[column]
        bend = left - GAP / 2
        to = _y(height, top)
        path += f" H{left - GAP:.1f} C{bend:.1f} {y:.1f} {bend:.1f} {to:.1f} {left:.1f} {to:.1f}"
        y = to
        if index < len(stops) - 1:
            path += f" H{left + wide:.1f}"
    return path


def _y(height: float, top: float) -> float:
    return MARGIN + HEIGHT / 2 + (height - top) * STEP


def _columns(graph: Graph, places: Mapping[str, tuple[int, float]]) -> list[tuple[float, float]]:
    """Return where each column begins, and how wide its widest box is."""
    wide: list[float] = [0.0] * (1 + max((column for column, _ in places.values()), default=-1))
    for name, (column, _) in places.items():
        wide[column] = max(wide[column], _box(graph.label(name)))
    columns, x = [], float(MARGIN)
    for each in wide:
        columns.append((x, each))
        x += each + GAP
    return columns


def _box(name: str) -> float:
    return len(visible(name)) * LETTER + 2 * 10


def _text(text: str) -> str:
    """Return a text as XML, without the characters that XML cannot hold."""
    # First it is made visible: that spells a letter that is not seen <U+200B>.
    return escape(visible(text), quote=False).translate(_NOT_XML)


_NOT_XML = str.maketrans("\t\ufffe\uffff", " ??")
