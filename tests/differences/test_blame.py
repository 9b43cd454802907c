"""What tasks and texts consist of, and what of it was there before."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ork.differences import lines
from ork.differences.blame import carried, changed_fields, changed_paths, fields, same
from ork.objects.kinds import Task

TASK = Task(
    executor="python",
    file="a.py",
    function="main",
    depends_on=("x", "y"),
    timeout=600,
    inputs={"url": {"const": {"host": "h", "port": 1}}, "rows": {"ref": "tasks.x.output.rows"}},
    env={"MODE": "fast", "KEY": {"secret": "API"}},
    output_type={"rows": "int", "at": ["date"]},
)


def test_fields_are_those_not_at_their_default_by_the_paths_of_a_diff():
    assert fields(TASK) == {
        "depends_on": ["x", "y"],
        "env.KEY.secret": "API",
        "env.MODE": "fast",
        "executor": "python",
        "file": "a.py",
        "function": "main",
        "inputs.rows.ref": "tasks.x.output.rows",
        "inputs.url.const.host": "h",
        "inputs.url.const.port": 1,
        "output_type.at": ["date"],
        "output_type.rows": "int",
        "timeout": 600,
    }
    assert fields(Task(executor="process", inputs={"a b": {"const": {}}})) == {
        "executor": "process",
        'inputs."a b".const': {},
    }


def test_fields_that_changed():
    other = Task(executor="python", timeout=600, inputs={"url": {"const": {"host": "h"}}})
    paths = ["timeout", "inputs.url.const.host", "inputs.url.const.port", "inputs.rows.ref"]
    assert changed_fields(TASK, TASK) == changed_paths(TASK, TASK, paths) == []
    assert changed_paths(other, TASK, paths) == ["inputs.url.const.port", "inputs.rows.ref"]
    assert changed_paths(Task(executor="python", env={}), TASK, ["env.MODE"]) == ["env.MODE"]


def test_true_is_not_one():
    assert same(1, 1.0)
    assert not same(True, 1)
    assert not same({"a": [True]}, {"a": [1]})
    assert same({"a": [1], "b": 2}, {"b": 2, "a": [1]})


texts = st.lists(st.sampled_from("abcdef"), max_size=12)


@settings(deadline=None, max_examples=300)
@given(texts, texts, st.data())
def test_lines_are_carried_as_the_diff_says(old, new, data):
    chosen = data.draw(st.lists(st.sampled_from(range(len(new))), unique=True)) if new else []
    before = {j + n: i + n for i, j, length in lines.matches(old, new) for n in range(length)}
    kept, rest = carried(old, new, [(place, place * 10) for place in chosen])
    assert kept == [(before[p], p * 10) for p in chosen if p in before]
    assert rest == [(p, p * 10) for p in chosen if p not in before]
