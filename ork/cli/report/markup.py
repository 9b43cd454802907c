"""HTML that cannot be broken out of: text becomes markup in one place, where it is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TypeAlias

from ork.cli.screen.line import visible


class Html(str):
    """Text that is HTML already: made here, and from pictures, which escape for themselves."""

    __slots__ = ()


Part: TypeAlias = "Html | str | Iterable[Part] | None"

VOID = frozenset(("meta", "col", "br", "hr"))


def text(value: str) -> Html:
    """Return data as HTML that shows it, with what is not seen spelt out."""
    return Html(escape(visible(value), quote=True))


def el(name: str, /, *parts: Part, **attributes: str | int | float | bool | None) -> Html:
    """Return an element; strings among its parts and attributes are data, and are escaped.

    A trailing underscore of an attribute's name is dropped, others become hyphens; None and False
    leave it out.
    """
    opened = name
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        word = key.rstrip("_").replace("_", "-")
        opened += f" {word}" if value is True else f' {word}="{text(str(value))}"'
    if name in VOID:
        return Html(f"<{opened}>")
    return Html(f"<{opened}>{join(parts)}</{name}>")


def join(parts: Iterable[Part]) -> Html:
    """Return parts one after the other."""
    return Html("".join(_flat(part) for part in parts))


def _flat(part: Part) -> str:
    if part is None:
        return ""
    if isinstance(part, Html):
        return part
    return text(part) if isinstance(part, str) else join(part)


def code(value: str, class_: str | None = None) -> Html:
    """Return a name, a path or a value in the letters of code."""
    return el("code", value, class_=class_)


def multiline(value: str) -> Html:
    """Return a text of several lines, each of which is data; for elements that keep line ends."""
    return Html("\n".join(text(line) for line in value.split("\n")))


def chip(word: str, look: str | None = None) -> Html:
    """Return a word in the colours of a state or of a kind of change."""
    return el("span", word, class_=f"chip {look or word}")


def table(head: Iterable[str], rows: Iterable[Iterable[Part]], class_: str | None = None) -> Html:
    """Return a table that scrolls by itself where the window is narrow."""
    body = [el("tr", [el("td", cell) for cell in row]) for row in rows]
    return el(
        "div",
        el(
            "table",
            el("thead", el("tr", [el("th", word) for word in head])),
            el("tbody", body),
            class_=class_,
        ),
        class_="wide",
    )


def section(title: str, *parts: Part, note: Part = None) -> Html:
    """Return a part of a page under its heading."""
    head = el("h2", title, el("span", note, class_="note") if note else None)
    return el("section", head, *parts)


def facts(rows: Iterable[tuple[str, Part]]) -> Html:
    """Return a list of what is known of something: a word, and what it is; None is left out."""
    return el(
        "dl", [[el("dt", word), el("dd", value)] for word, value in rows if value], class_="facts"
    )
