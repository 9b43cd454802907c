"""Reads a page as a strict browser would: every tag closed, nothing loaded, nothing that runs."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from ork.cli.report.page import environment

VOID = {"meta", "br", "hr", "col"}
TAGS = {
    "a",
    "b",
    "body",
    "code",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "figure",
    "footer",
    "g",
    "h1",
    "h2",
    "h3",
    "head",
    "header",
    "html",
    "i",
    "li",
    "line",
    "main",
    "meta",
    "p",
    "path",
    "pre",
    "rect",
    "section",
    "span",
    "style",
    "summary",
    "svg",
    "table",
    "tbody",
    "td",
    "text",
    "th",
    "thead",
    "title",
    "tr",
    "ul",
}
ATTRIBUTES = {
    "aria-hidden",
    "aria-label",
    "charset",
    "class",
    "colspan",
    "content",
    "d",
    "data-live",
    "fill",
    "font-family",
    "font-size",
    "height",
    "http-equiv",
    "lang",
    "name",
    "open",
    "role",
    "rx",
    "stroke",
    "stroke-dasharray",
    "stroke-width",
    "text-anchor",
    "title",
    "viewbox",
    "width",
    "x",
    "x1",
    "x2",
    "xmlns",
    "y",
    "y1",
    "y2",
}


def drawn_part(template, macro, *values):
    """Return what one macro of a template makes of these values, as a piece of a page."""
    module = environment().get_template(f"report/templates/{template}.html").module
    return str(getattr(module, macro)(*values))


class Page(HTMLParser):
    """One page, read: `text` is what it shows, `classes` the classes that it uses."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.shown: list[str] = []
        self.classes: set[str] = set()
        self.counts: dict[str, int] = {}
        self.style = ""
        self.policy = ""
        assert source.startswith("<!DOCTYPE html>\n")
        self.feed(source)
        self.close()
        assert self.open == [], f"not closed: {self.open}"
        assert not re.search(r"url\(|@import|expression", self.style)
        assert "default-src 'none'" in self.policy

    def handle_starttag(self, tag, attrs):
        assert tag in TAGS, tag
        self.counts[tag] = self.counts.get(tag, 0) + 1
        for name, value in attrs:
            assert name in ATTRIBUTES, (tag, name)
            if name != "xmlns" and tag != "meta":
                assert not re.match(r"\s*(javascript|data|vbscript):", value or "")
            if name == "class":
                self.classes |= set(value.split())
        given = dict(attrs)
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data):
        if "style" in self.open:
            self.style += data
        else:
            self.shown.append(data)

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data}")

    @property
    def text(self) -> str:
        return "".join(self.shown)
