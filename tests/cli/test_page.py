"""Templates: what they are given is data."""

import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError

import ork.cli.report
from ork.cli.report.page import render
from ork.objects.value import replace
from ork.store.runs import RunEntry
from tests.cli.html_page import Page, drawn_part
from tests.cli.naughty import NAUGHTY
from tests.conftest import START
from tests.runs import PIN

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


def listed(*params, author="Ada Lovelace <ada@example.org>", trigger="run", **more):
    """Return the table of runs with these parameters."""
    run = replace(PIN, state="success", trigger=trigger, author=author, created=START)
    found = [RunEntry(oid=run.snapshot, run=run, params=given, **more) for given in params]
    return drawn_part("parts", "runs", found, START)


def words_of(html):
    return " ".join(re.sub("<[^>]*>", " ", html).replace("&#34;", '"').split())


@pytest.mark.parametrize(
    ("trigger", "words"),
    [
        ("run", "Ada Lovelace, by hand"),
        ("retry", "Ada Lovelace, by a retry"),
        ("schedule", "Ada Lovelace, by a schedule"),
        ("queue", "Ada Lovelace, from the queue"),
        ("bisect", "Ada Lovelace, by bisect"),
        ("cronjob", "Ada Lovelace, cronjob"),  # an imported one
    ],
)
def test_a_list_of_runs_tells_who_began_each_and_why(trigger, words):
    table = listed(None, trigger=trigger)
    assert words in words_of(table)
    assert 'title="Ada Lovelace &lt;ada@example.org&gt;"' in table


def test_a_list_of_runs_tells_first_of_the_parameters_that_differ():
    common = {"a": "x", "b": [1]}
    words = words_of(listed({**common, "z": 2}, {**common, "z": 1}))
    assert "parameters" in words
    assert 'z 2 a "x" b [1]' in words and 'z 1 a "x" b [1]' in words


def test_of_many_or_long_parameters_a_list_of_runs_tells_a_part():
    words = words_of(listed({f"p{number}": "x" * 5000 for number in range(9)}))
    assert "p3" in words and "p4" not in words and "and 5 more" in words
    assert len(words) < 500


def test_without_parameters_a_list_of_runs_has_no_column_for_them():
    assert "parameters" not in listed(None, {})


def test_a_list_of_runs_marks_a_hook_that_failed():
    mark = '<span class="chip failed" title="on_failure, on_success">hook failed</span>'
    assert mark in listed(None, failed_hooks=("on_failure", "on_success"))
    assert "hook" not in listed(None)


@pytest.mark.parametrize("name", NAUGHTY)
def test_whoever_began_a_run_and_its_parameters_are_text(name):
    plain, naughty = (
        listed({text: text}, {text: {text: [text]}}, author=text, trigger=text)
        for text in ("x", NAUGHTY[name])
    )
    assert len(re.findall('[<>"]', naughty)) == len(re.findall('[<>"]', plain))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202e\u2066\ufeff]", naughty)
