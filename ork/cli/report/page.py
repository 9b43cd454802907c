"""The page around a report: one file that loads nothing and runs nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from ork.cli.diff.wording import LEGEND
from ork.cli.pictures.graph import COLORS, Graph
from ork.cli.report.markup import Html, Part, el, section
from ork.cli.report.style import sheet
from ork.cli.screen import human as words
from ork.cli.screen.human import STATE_WORDS

# Nothing is loaded and nothing runs, whatever should get into the page; styles are its own.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'"
)


def page(title: str, parts: Iterable[Html], *, made: datetime | None = None) -> Iterator[str]:
    """Yield the text of a whole page, part by part: a report may be long."""
    head = [
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=POLICY),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("meta", name="referrer", content="no-referrer"),
        el("title", title),
    ]
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n'
    yield "\n".join(head)
    yield f"\n<style>{sheet()}</style>\n</head>\n<body>\n<main>\n"
    for part in parts:
        yield part + "\n"
    when = f", {words.date(made, made)}" if made else ""
    yield el("footer", f"Made by ork{when}") + "\n</main>\n</body>\n</html>\n"


def header(title: Part, lead: Part = None, chips: Iterable[Html] = ()) -> Html:
    """Return the head of a page: what it is about, one line about it, and what to see first."""
    marks = list(chips)
    return el(
        "header",
        el("h1", title),
        el("p", lead, class_="lead") if lead else None,
        el("div", marks, class_="counts") if marks else None,
    )


def picture(title: str, graph: Graph, note: Part = None) -> Html:
    """Return a section with a graph and what its colours mean."""
    from ork.cli.pictures.svg import svg

    looks = {graph.look(name) for name in graph.needs}
    names = LEGEND if graph.marks is not None else STATE_WORDS
    legend = [
        el("li", el("i", class_=look), names.get(look, look.replace("_", " ")))
        for look in (*LEGEND, *COLORS)
        if look in looks
    ]
    figure = el("figure", Html("\n".join(svg(graph))))
    return section(title, figure, el("ul", legend, class_="legend") if legend else None, note=note)
