"""Differences within lines, word by word."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ork.differences import lines
from ork.differences.inline import CHARS_MAX, hunk_words, word_changes

TEXT = st.text(st.sampled_from("ab c_1.,(\n\t=é\u0301"), max_size=40)


@given(TEXT, TEXT)
@settings(deadline=None)
def test_the_pieces_make_up_both_texts(old, new):
    pieces = word_changes(old, new)
    assert "".join(text for sign, text in pieces if sign in " -") == old
    assert "".join(text for sign, text in pieces if sign in " +") == new
    assert all(text for _, text in pieces)
    signs = "".join(sign for sign, _ in pieces)
    assert "+-" not in signs and "  " not in signs and "--" not in signs and "++" not in signs


@given(TEXT, TEXT)
@settings(deadline=None)
def test_the_lines_of_a_hunk_keep_every_letter_of_both_sides(old, new):
    shown = [line for hunk in lines.hunks(old, new, context=99) for line in hunk.lines]
    for sign in "-+":
        side = "".join(line[1:] for line in shown if line[0] in (" ", sign))
        pieces = [piece for line in hunk_words(shown) for piece in line]
        assert "".join(text for mark, text in pieces if mark in (" ", sign)) == side


@given(TEXT)
@settings(deadline=None)
def test_equal_texts_have_no_changes(text):
    assert word_changes(text, text) == ([(" ", text)] if text else [])


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        ("return {'rows': 3}", "return {'rows': 4}", "return {'rows': [-3-]{+4+}}"),
        ("./load.sh", "./load.sh --all", "./load.sh{+ --all+}"),
        ("call(a, b)", "call(x, y)", "call([-a, b-]{+x, y+})"),
        ("one two three", "red blue green", "[-one two three-]{+red blue green+}"),
        ("", "new", "{+new+}"),
        ("end  ", "end", "end[-  -]"),
        ("snake_case = 1", "snake_core = 1", "[-snake_case-]{+snake_core+} = 1"),
    ],
)
def test_what_people_see(old, new, shown):
    assert marked(word_changes(old, new)) == shown


def test_a_very_long_text_is_replaced_as_a_whole():
    old = "word " * (CHARS_MAX // 5)
    assert len(word_changes(old, old[:-5])) == 2
    assert word_changes(old + "x", old) == [("-", old + "x"), ("+", old)]


def test_removed_and_added_lines_become_one():
    hunk = [" def f():", "-    a = 1", "-    return a", "+    a = 2", "+    return a", " end"]
    assert [marked(line) for line in hunk_words(hunk)] == [
        "def f():",
        "    a = [-1-]{+2+}",
        "    return a",
        "end",
    ]


def test_lines_without_words_in_common_stand_below_each_other():
    hunk = ["-one two", "+red blue", "\\ No newline at end of file"]
    assert [marked(line) for line in hunk_words(hunk)] == ["[-one two-]", "{+red blue+}"]


def test_a_line_more_is_a_line_of_its_own():
    assert [marked(line) for line in hunk_words(["-a = 1", "+a = 1", "+b = a", " c"])] == [
        "a = 1",
        "{+b = a+}",
        "c",
    ]


def test_a_removed_line_after_an_added_one_begins_another_change():
    assert [marked(line) for line in hunk_words(["+new", "-old"])] == ["{+new+}", "[-old-]"]


def marked(pieces: list[tuple[str, str]]) -> str:
    marks = {" ": "{}", "-": "[-{}-]", "+": "{{+{}+}}"}
    return "".join(marks[sign].format(text) for sign, text in pieces)
