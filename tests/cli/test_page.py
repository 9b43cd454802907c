"""Templates: what they are given is data."""

import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError

import ork.cli.report
from ork.cli.report.page import render
from tests.cli.html_page import Page, drawn_part
from tests.cli.naughty import NAUGHTY

ROOM = Path(ork.cli.report.__file__).parent
TEMPLATES = sorted((ROOM / "templates").glob("*.html"))


def test_only_the_picture_that_ork_draws_is_marked_as_safe():
    marked = [
        line.strip()
        for file in [*TEMPLATES, *ROOM.glob("*.py")]
        for line in file.read_text().splitlines()
        if re.search(r"\|\s*safe|Markup|autoescape (false|no)|autoescape=False", line)
    ]
    assert marked == ["<figure>{{ svg(graph, leads) | safe }}</figure>"]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda file: file.stem)
def test_attributes_stand_in_quotation_marks_and_nothing_is_loaded_or_runs(template):
    # Where a page leads is decided in one place, and addresses are made by `link` alone.
    text = template.read_text().replace('{% if url %}<a href="{{ url }}">', "{% if url %}")
    assert not re.search(r"=\{\{|='\{\{|<script|<link|<img|\bon\w+=|\bstyle=|\b(href|src)=", text)


def test_the_style_sheet_loads_nothing():
    sheet = (ROOM / "report.css").read_text()
    assert not re.search(r"url\(|@import|expression|\{\{|\{%|\{#|<", sheet)


@pytest.mark.parametrize("name", NAUGHTY)
def test_text_is_escaped_and_shows_what_is_hidden(name):
    plain, naughty = (drawn_part("parts", "chip", text, text) for text in ("x", NAUGHTY[name]))
    assert len(re.findall('[<>"]', naughty)) == len(re.findall('[<>"]', plain))
    assert not re.search("[\x00-\x08\x0a-\x1f\x7f-\x9f\u200b\u202e\u2066\ufeff]", naughty)


def test_a_value_that_nobody_gave_is_an_error():
    with pytest.raises(UndefinedError):
        list(render("workflow", title="etl"))


def test_a_text_of_several_lines_keeps_them():
    assert drawn_part("parts", "multiline", "a\n<b>\n\nc") == "a\n&lt;b&gt;\n\nc"


def test_a_title_does_not_end_its_element():
    page = Page("".join(render("page", title="</title><p>x", now=None)))
    assert "</title><p>x" in page.text and "p" not in page.counts
