"""A change in words: the sentences, and how an output draws their parts."""

import pytest

from ork.cli.diff.wording import (
    became,
    drawn,
    field_hunks,
    gist,
    hunk_lines,
    listed,
    reason,
    remarks,
    replacement,
    sizes,
    value_text,
)
from ork.differences.definitions import FieldChange, FileChange, TaskChange
from ork.differences.impact import Affected
from ork.differences.lines import Hunk


def in_angles(name):
    return f"<{name}>"


def test_names_are_drawn_by_the_output_and_asides_stand_where_it_puts_them():
    renamed = became(TaskChange(kind="renamed", name="b", old_name="a\t", similarity=80))
    assert drawn(renamed) == 'renamed from "a\\t" (80% similar)'
    assert drawn(renamed, name=in_angles, aside=", {}") == "renamed from <a\t>, 80% similar"
    assert drawn(renamed, name=in_angles, aside="") == "renamed from <a\t>"
    assert drawn(became(TaskChange(kind="added", name="b"))) == "added"


def test_a_file_says_all_that_its_lines_do_not():
    file = FileChange(
        kind="renamed",
        path="b",
        old_path="a",
        similarity=60,
        binary=True,
        old_executable=False,
        new_executable=True,
    )
    assert drawn(remarks(file)) == "renamed from a (60% similar), binary, now executable"
    assert remarks(FileChange(kind="changed", path="b")) == []


def test_reasons_are_short_in_a_table_and_sentences_elsewhere():
    after = Affected(name="d", why="upstream", via=("a", "b", "c"))
    assert drawn(reason(after)) == "needs a, b, c"
    assert drawn(reason(after, short=True, names_max=2)) == "after a, b and 1 more"
    params = Affected(name="d", why="param", via=("day", "size"))
    assert drawn(reason(params)) == "its parameters changed: day, size"
    assert drawn(reason(params, short=True)) == "parameters day, size"
    assert drawn(reason(Affected(name="d", why="added"))) == "it is new"


def test_sizes_leave_out_what_is_zero():
    assert [drawn(sizes(*pair)) for pair in ((3, 1), (3, 0), (0, 1), (0, 0))] == [
        "+3 -1",
        "+3",
        "-1",
        "",
    ]


def test_many_names_are_counted():
    assert drawn(listed([], 3)) == ""
    assert drawn(listed(["a"], None)) == "a"
    assert drawn(listed(["a"] * 2_000, 1)) == "a and 1,999 more"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"executor": "process", "command": "one\ntwo"}, ("process", "one ...")),
        ({"executor": "process", "command": ["echo", "a b"]}, ("process", "echo a b")),
        ({"executor": "python", "file": "a.py", "function": "f"}, ("python", "a.py:f")),
        ({}, ("", "")),
    ],
)
def test_a_task_in_one_line(values, said):
    fields = tuple(FieldChange(kind="added", path=p, new=value) for p, value in values.items())
    assert gist(TaskChange(kind="added", name="t", fields=fields)) == said


def test_values_are_json_and_an_arrow_stands_between_them():
    assert value_text({"b": 2.0, "a": "ü"}) == '{"a": "ü", "b": 2.0}'
    assert value_text(600.0) == "600"
    assert drawn(replacement("changed", "1", "2")) == "1 -> 2"
    assert drawn(replacement("added", "null", "2")) == "+ 2"
    assert drawn(replacement("removed", "1", "null")) == "- 1"


def test_texts_of_several_lines_are_compared_by_line():
    field = FieldChange(kind="changed", path="command", old="a\nb", new="a\nc")
    (hunk,) = field_hunks(field)
    assert hunk.lines == (" a", "-b", "+c")
    assert field_hunks(FieldChange(kind="changed", path="command", old="a", new="c")) == ()
    assert field_hunks(FieldChange(kind="changed", path="command", old=1, new="a\nc")) == ()
    added = FieldChange(kind="added", path="command", new="a\nc")
    assert field_hunks(added)[0].lines == ("+a", "+c")


def test_each_line_of_a_hunk_has_its_meaning():
    hunk = Hunk(old_start=1, old_lines=2, new_start=3, new_lines=1, lines=(" a", "-b", "+c"))
    assert list(hunk_lines([hunk])) == [
        ("@@ -1,2 +3,1 @@", "hunk"),
        (" a", ""),
        ("-b", "removed"),
        ("+c", "added"),
    ]
