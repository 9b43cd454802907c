"""A graph of tasks -> an SVG picture that needs nothing else: no script, no font, no style."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ork.cli.show import visible
from ork.cli.views.graph import COLORS, PLAIN_COLOR, Graph
from ork.core.layers import layout

FONT = 13
LETTER = 7.9  # of a monospaced font of that size, with a little to spare
HEIGHT, STEP = 28, 40  # of a box, and from one to the one below
GAP = 56  # between the columns
MARGIN = 16


def svg(graph: Graph) -> Iterator[str]:
    """Yield the lines of the picture: tasks in columns, each right of what it needs."""
    found = layout(graph.needs)
    columns = _columns(found.places)
    heights = [height for _, height in found.places.values()]
    heights += [height for *_, bends in found.ways for _, height in bends]
    top, bottom = min(heights, default=0.0), max(heights, default=0.0)
    width = columns[-1][0] + columns[-1][1] + MARGIN if columns else 2 * MARGIN
    tall = _y(bottom, top) + HEIGHT / 2 + MARGIN
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{tall:.0f}" '
           f'viewBox="0 0 {width:.0f} {tall:.0f}" role="img">')  # fmt: skip
    yield f"<title>{_text(graph.title)}</title>"
    yield f'<rect width="{width:.0f}" height="{tall:.0f}" fill="#ffffff"/>'
    yield '<g fill="none" stroke="#90a4ae" stroke-width="1.5">'
    for start, end, bends in found.ways:
        path = _path(start, [*bends, found.places[end]], found.places[start], columns, top)
        yield f'<path d="{path}"><title>{_text(f"{start} -> {end}")}</title></path>'
    yield "</g>"
    yield (f'<g font-family="ui-monospace,Menlo,Consolas,monospace" font-size="{FONT}" '
           'fill="#111111" text-anchor="middle">')  # fmt: skip
    for name, (column, height) in found.places.items():
        yield _task(graph, name, columns[column][0], _y(height, top))
    yield "</g>"
    yield "</svg>"


def _task(graph: Graph, name: str, x: float, y: float) -> str:
    state = graph.state(name)
    fill, border = COLORS[state] if state else PLAIN_COLOR
    wide = _box(name)
    tip = f"{name}: {state}" if state else name
    return (
        f'<g><title>{_text(tip)}</title><rect x="{x:.1f}" y="{y - HEIGHT / 2:.1f}" '
        f'width="{wide:.1f}" height="{HEIGHT}" rx="6" fill="{fill}" stroke="{border}"/>'
        f'<text x="{x + wide / 2:.1f}" y="{y + FONT / 3:.1f}">{_text(name)}</text></g>'
    )


def _path(
    start: str, stops: list[tuple[int, float]], place: tuple[int, float],
    columns: list[tuple[float, float]], top: float,
) -> str:  # fmt: skip
    """Return the way of an edge: it swings within the gaps, and is level where columns are."""
    x, y = columns[place[0]][0] + _box(start), _y(place[1], top)
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


def _columns(places: Mapping[str, tuple[int, float]]) -> list[tuple[float, float]]:
    """Return where each column begins, and how wide its widest box is."""
    wide: list[float] = [0.0] * (1 + max((column for column, _ in places.values()), default=-1))
    for name, (column, _) in places.items():
        wide[column] = max(wide[column], _box(name))
    columns, x = [], float(MARGIN)
    for each in wide:
        columns.append((x, each))
        x += each + GAP
    return columns


def _box(name: str) -> float:
    return len(visible(name)) * LETTER + 2 * 10


def _text(text: str) -> str:
    """Return a text as XML, without the characters that XML cannot hold."""
    text = visible(text)  # first: it spells a letter that is not seen <U+200B>
    for letter, written in _XML.items():
        text = text.replace(letter, written)
    return text


_XML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\t": " ", "\ufffe": "?", "\uffff": "?"}
