"""Graphs drawn in lanes."""

import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ork.graph.lanes import LANES_MAX, draw, in_drawing_order

UP, DOWN = "│├┤┼╰╯┴", "│├┤┼╭╮┬"


def picture(needs, **options):
    rows = [f"{row.prefix} {row.name or ''}".rstrip() for row in draw(needs, **options)]
    return "\n".join(rows) + "\n"


def fan(size):
    parts = [f"t{index}" for index in range(size)]
    return {"a": [], **{part: ["a"] for part in parts}, "z": parts}


@st.composite
def graphs(draw_from, tasks_max=24, needs_max=3):
    size = draw_from(st.integers(0, tasks_max))
    needs = {}
    for index in range(size):
        below = draw_from(st.sets(st.integers(0, max(0, index - 1)), max_size=needs_max))
        needs[f"t{index}"] = [f"t{n}" for n in sorted(below) if n < index]
    return needs


@pytest.mark.parametrize(
    ("needs", "lines"),
    [
        (
            {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]},
            """\
            ● a
            ├─╮
            ● │ b
            │ ● c
            ├─╯
            ● d
            """,
        ),
        (  # the config is drawn just before its use, behind the lane of another task
            {"config": [], "a": [], "b": ["a"], "c": ["b"], "load": ["c", "config"], "side": ["b"]},
            """\
            ● a
            ● b
            ├─╮
            ● │ c
            │ │ ● config
            ├─│─╯
            ● │ load
              ● side
            """,
        ),
        (
            {"a": [], "b": [], "c": ["a", "b"], "d": ["a", "b"]},
            """\
            ● a
            ├─╮
            │ │ ● b
            ├─┼─╯
            ● │ c
              ● d
            """,
        ),
    ],
)
def test_a_small_graph(needs, lines):
    assert picture(needs, box=True) == textwrap.dedent(lines)
    ascii_only = lines.translate(str.maketrans("│─●├┼╮╯", "|-*++.'"))
    assert picture(needs) == textwrap.dedent(ascii_only)


def test_a_wide_fan_shares_lanes():
    assert picture(fan(9), box=True, lanes_max=5) == textwrap.dedent("""\
        ● a
        ├─┬─┬─╮
        │ ● │ │ t0
        │ │ ● │ t1
        │ │ │ ● t2
        │ ├─┴─╯
        ├─│─┬─╮
        │ │ ● │ t3
        │ │ │ ● t4
        │ ├─┴─╯
        ├─│─┬─╮
        │ │ ● │ t5
        │ │ │ ● t6
        │ ├─┴─╯
        ├─│─╮
        ● │ │ t7
        │ │ ● t8
        ├─┴─╯
        ● z
        """)


def test_lanes_beyond_the_last_are_folded_and_counted():
    above = [f"a{index}" for index in range(5)]
    needs = {**{name: [] for name in above}, **{f"b{index}": above for index in range(4)}}
    assert picture(needs, lanes_max=3) == textwrap.dedent("""\
        * a0
        | * a1
        | | * a2
        | | | * a3
        | | | * +1 a4
        +-+-+-.
        | | | * +2 b0
        +-+-+-.
        | | | * +2 b1
        +-+-+-.
        | | | * +2 b2
        +-+-+--
        * b3
        """)


@settings(deadline=None)
@given(graphs(needs_max=6))
def test_every_task_has_one_row_after_all_that_it_needs(needs):
    names = [row.name for row in draw(needs) if row.name]
    assert sorted(names) == sorted(needs)
    assert names == in_drawing_order(needs)
    at = {name: index for index, name in enumerate(names)}
    assert all(at[below] < at[name] for name in needs for below in needs[name])


@settings(deadline=None)
@given(graphs(needs_max=6), st.integers(1, 8), st.booleans())
def test_the_width_is_bounded_and_the_node_where_it_is_said_to_be(needs, lanes_max, box):
    for row in draw(needs, box=box, lanes_max=lanes_max):
        assert len(row.prefix) <= 2 * lanes_max + 1 + len(" +99")
        assert row.prefix == row.prefix.rstrip()
        if row.name:
            assert row.prefix[row.node] == "*●"[box]


@settings(deadline=None)
@given(graphs(needs_max=6))
def test_sets_are_drawn_as_lists_are(needs):
    turned = {name: set(below) for name, below in needs.items()}
    assert list(draw(needs)) == list(draw(turned))


@settings(deadline=None)
@given(graphs())
def test_both_sets_of_letters_have_the_same_shape(needs):
    rows = [(row.name, row.node) for row in draw(needs)]
    assert rows == [(row.name, row.node) for row in draw(needs, box=True)]


def traced(needs, lanes_max):
    """Follow the lines of a drawing; return for each task those that lines lead from."""
    lanes, found = {}, {}
    has_dependants = {below for names in needs.values() for below in names}
    for row in draw(needs, box=True, lanes_max=lanes_max):
        text = row.prefix.ljust(2 * lanes_max + 2)
        if row.name:
            found[row.name] = lanes.pop(row.node // 2, set())
            assert {c for c in range(lanes_max) if text[2 * c] == "│"} == lanes.keys()
            if row.name in has_dependants:
                lanes[row.node // 2] = {row.name}
            continue
        column = 0
        while column < lanes_max:
            last = column
            while text[2 * last + 1] == "─":
                last += 1
            ends = [c for c in range(column, last + 1) if text[2 * c] not in "│─ "]
            if last == column:
                assert (text[2 * column] == "│") == (column in lanes)
            sources = set().union(*(lanes[c] for c in ends if text[2 * c] in UP))
            for end in ends:
                lanes.pop(end, None)
                if text[2 * end] in DOWN:
                    lanes[end] = sources
            column = last + 1
    assert lanes == {}
    return found


@settings(deadline=None)
@given(graphs(needs_max=3), st.integers(24, 30))
def test_lines_lead_to_every_task_from_all_that_it_needs(needs, lanes_max):
    found = traced(needs, lanes_max)
    assert {name: set(below) & found[name] for name, below in needs.items()} == {
        name: set(below) for name, below in needs.items()
    }


@settings(deadline=None)
@given(graphs(needs_max=1), st.integers(24, 30))
def test_in_a_tree_lines_lead_from_nowhere_else(needs, lanes_max):
    assert traced(needs, lanes_max) == {name: set(below) for name, below in needs.items()}


def test_unknown_needs_are_ignored():
    assert picture({"a": ["nobody"]}) == "* a\n"
    assert list(draw({})) == []


@pytest.mark.slow
def test_rows_grow_with_the_tasks_and_no_faster():
    chain = {f"t{n}": [f"t{n - 1}"] if n else [] for n in range(10_000)}
    assert sum(1 for _ in draw(chain)) == 10_000
    rows = list(draw(fan(10_000)))
    assert len(rows) < 15_000
    assert max(len(row.prefix) for row in rows) <= 2 * LANES_MAX
