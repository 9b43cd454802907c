"""Lines that fit a terminal: long ones are wrapped between words, lists cut at their end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ork.cli.screen.fit import VERBATIM, columns, cut, fitted_lines
from ork.cli.screen.line import Line, plain

WIDTHS = st.integers(20, 120)
WORDS = st.lists(st.sampled_from(["a", "etl#12", "表表", "naïve", "x" * 30, "é\u0301"]), min_size=1)


def _shown(*lines: Line, width: int | None) -> list[str]:
    return [plain(line) for line in fitted_lines(lines, width)]


def test_wrapped_lines_go_on_under_their_text():
    line: Line = [("error    ", "label"), "the file is not there any more"]
    assert _shown(line, width=24) == [
        "error    the file is not",
        "         there any more",
    ]
    assert _shown(line, width=None) == [plain(line)]


def test_a_word_longer_than_the_terminal_is_all_there():
    lines = _shown([("snapshot ", "label"), "f" * 64], width=40)
    assert "".join(line.removeprefix("snapshot ").strip() for line in lines) == "f" * 64
    assert max(map(len, lines)) <= 40


def test_what_goes_on_never_stands_at_the_margin():
    assert _shown(["not good: error: it is all over"], width=20) == [
        "not good: error: it",
        "    is all over",
    ]


def test_code_stays_as_it_is():
    assert _shown(["    " + "word " * 40, VERBATIM], width=60) == ["    " + "word " * 40]


@given(WORDS, WIDTHS)
def test_wrapping_loses_no_word_and_keeps_to_the_width(words: list[str], width: int):
    lines = _shown([" ".join(words)], width=width)
    assert "".join(lines).replace(" ", "") == "".join(words)
    assert all(columns(line) <= width for line in lines)
    if max(map(columns, words)) <= width // 2 - 4:
        assert [word for line in lines for word in line.split()] == words


@given(WORDS, WIDTHS)
def test_a_cut_line_is_the_start_of_the_whole(words: list[str], width: int):
    text = " ".join(words)
    short = plain(cut([(text, "name")], width))
    assert columns(short) <= width
    assert short == text or text.startswith(short.removesuffix("..."))


def test_columns_says_how_wide_a_terminal_is(monkeypatch: pytest.MonkeyPatch):
    import os
    import sys

    from ork.cli.screen.line import terminal_width

    size = os.terminal_size((100, 30))
    monkeypatch.setattr("os.get_terminal_size", lambda descriptor: size)
    assert terminal_width(sys.__stdout__, {}) == 100
    assert terminal_width(sys.__stdout__, {"COLUMNS": "60"}) == 60
    assert terminal_width(sys.__stdout__, {"COLUMNS": "wide"}) == 100
