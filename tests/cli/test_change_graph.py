"""The graph of a change: `ork graph A..B`, its value, and its formats."""

import json
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ork.cli.pictures.change import change_graph, change_lanes, nearest
from ork.cli.pictures.graph import Graph, TaskMark, as_json, dot, mermaid
from ork.cli.pictures.svg import svg
from ork.cli.screen.line import plain
from ork.differences.definitions import compare
from ork.graph.order import find_cycle
from ork.objects.kinds import Task
from ork.objects.value import replace
from tests.cli.naughty import NAUGHTY
from tests.differences.test_impact import impact
from tests.scale import examples, size

FORMATS = ("mermaid", "dot", "svg", "json")
LABEL = r"(?:[\w .-]|#\d+;)*"
MERMAID = [
    r"flowchart TD",
    rf'    (?:t\d+|rest)\["{LABEL}"\](?::::[a-z_]+)?',
    r"    t\d+ (?:-->|==>|-\.->) t\d+",
    r"    classDef [a-z_]+ fill:#[0-9a-f]{6},stroke:#[0-9a-f]{6},color:#111"
    r"(?:,stroke-dasharray:4 3)?",
    r"    linkStyle \d+(?:,\d+)* stroke:#[0-9a-f]{6}",
]


def assert_is_mermaid(lines):
    """Hold lines to the small part of mermaid's grammar that ork uses."""
    lines = list(lines)
    assert lines[0] == MERMAID[0]
    for line in lines:
        assert any(re.fullmatch(rule, line) for rule in MERMAID), line
    nodes = {line.split("[")[0].strip() for line in lines if "[" in line}
    edges = [line.split() for line in lines if re.fullmatch(MERMAID[2], line)]
    assert {end for start, _, stop in edges for end in (start, stop)} <= nodes
    painted = [int(n) for line in lines if "linkStyle" in line for n in line.split()[1].split(",")]
    assert all(number < len(edges) for number in painted)


def picture_of(old, new, fields=None):
    """Return the graph of a change between two definitions, given as name -> needs."""
    fields = fields or {}
    sides = [
        {
            name: Task(
                executor="process",
                command=f"echo {fields.get((side, name), name)}",
                depends_on=tuple(sorted(below)),
            )
            for name, below in needs.items()
        }
        for side, needs in enumerate((old, new))
    ]
    tasks = {name: (sides[0].get(name), sides[1].get(name)) for name in old.keys() | new.keys()}
    tasks = {name: pair for name, pair in tasks.items() if pair[0] != pair[1]}
    diff = compare(tasks=tasks, files={}, settings=({}, {}), read=lambda oid: b"", rename=False)
    return change_graph(
        "a..b",
        diff,
        impact(diff, tasks=sides[1], reach={}),
        {name: task.depends_on for name, task in sides[1].items()},
    )


def edges_of(needs):
    return {(up, name) for name, below in needs.items() for up in below}


# -- the command


@pytest.mark.slow
def test_the_change_in_every_format(reworked, golden):
    for form in ("text", *FORMATS):
        result = reworked("graph", "etl~1..etl", "--format", form)
        assert (result.code, result.err) == (0, "")
        golden(f"graph/change.{'txt' if form == 'text' else form}", result.out)


def test_an_end_left_out_is_the_head(reworked):
    expected = reworked("graph", "etl~1..etl", "--json").out
    assert reworked("graph", "etl~1..", "--json").out == expected
    assert reworked("graph", "@~1..@", "--format", "text").out
    runs = json.loads(reworked("graph", "etl#1..etl#2", "--json").out)["data"]
    assert {**runs, "title": ""} == {**json.loads(expected)["data"], "title": ""}


def test_files_are_compared_without_a_store(etl, edit):
    text = (etl.folder / "etl.yaml").read_text()
    etl.write("old.yaml", text)
    edit("etl.yaml", "timeout: 300", "fresh: true")
    expected = "~ extract  changed   fresh\n* load     affected  through extract\n"
    assert etl("graph", "file:old.yaml..file:etl.yaml").out == expected
    assert not (etl.folder / ".ork").exists()
    assert etl("deploy", "old.yaml").code == 0
    assert etl("graph", "etl..etl.yaml").out == expected
    assert etl("graph", "old.yaml..etl.yaml").out == expected


def test_nothing_changed_draws_the_graph_with_nothing_marked(history):
    assert history("graph", "etl..etl").out == "o extract\no load\n"


def test_code_that_changed_affects_what_runs_it(history):
    out = history("graph", "etl~1..etl").out
    assert out == "* extract  affected  by tasks/etl.py\n* load     affected  through extract\n"


def test_signs_and_lines_on_a_terminal(reworked, terminal):
    drawn = terminal("graph", "etl~1..", LC_ALL="C.UTF-8", NO_COLOR="1")
    assert "○ extract" in drawn and "● archive" in drawn and "├" in drawn
    painted = terminal("graph", "etl~1..", LC_ALL="C.UTF-8")
    assert "\x1b[32madded\x1b[0m" in painted


def test_an_unknown_end_is_told(reworked):
    assert reworked("graph", "etl~9..etl").code == 3
    assert reworked("graph", "etl..nope").code == 3


# -- the value


def test_removed_tasks_stand_where_they_were():
    graph = picture_of({"a": "", "b": "a", "c": "b"}, {"a": "", "c": "a"})
    assert graph.needs == {"a": (), "c": ("a", "b"), "b": ("a",)}
    assert graph.edge_marks == {("a", "b"): "removed", ("b", "c"): "removed", ("a", "c"): "added"}
    assert {name: mark.kind for name, mark in graph.marks.items()} == {
        "a": "same",
        "b": "removed",
        "c": "changed",
    }


def test_an_edge_that_was_turned_round_closes_no_cycle():
    graph = picture_of({"a": "b", "b": ""}, {"a": "", "b": "a"})
    assert graph.needs == {"a": (), "b": ("a",)}
    assert list(graph.turned) == [("b", "a")]
    assert set(graph.edges) == {("a", "b"), ("b", "a")}
    shown = [plain(line) for line in change_lanes(graph, box=False)]
    assert shown == ["~ a  changed   after -b", "~ b  changed   after +a"]
    assert "removed" in "\n".join(svg(graph))


def test_thousands_of_edges_turned_round_are_no_trouble():
    names = [f"t{index:05d}" for index in range(size(10_000, by_day=2000))]
    forth = {name: names[index - 1 : index] if index else () for index, name in enumerate(names)}
    back = {name: names[index + 1 : index + 2] for index, name in enumerate(names)}
    graph = picture_of(forth, back)
    assert find_cycle(graph.needs) is None
    assert set(graph.edges) == edges_of(forth) | edges_of(back)


@st.composite
def definitions(draw):
    """Draw name -> needs, acyclic."""
    names = draw(st.permutations("abcdefg"))[: draw(st.integers(0, 7))]
    return {
        name: draw(st.sets(st.sampled_from(names[:index]))) if index else set()
        for index, name in enumerate(names)
    }


@pytest.mark.slow
@settings(deadline=None, max_examples=examples(150))
@given(definitions(), definitions(), st.sets(st.sampled_from("abcdefg")))
def test_a_change_shows_all_of_both_sides(old, new, edited):
    graph = picture_of(old, new, {(1, name): f"{name} anew" for name in edited})
    assert graph.needs.keys() == old.keys() | new.keys()
    assert find_cycle(graph.needs) is None
    assert set(graph.edges) == edges_of(old) | edges_of(new)
    kinds = {name: mark.kind for name, mark in graph.marks.items()}
    assert {name for name, kind in kinds.items() if kind == "added"} == new.keys() - old.keys()
    assert {name for name, kind in kinds.items() if kind == "removed"} == old.keys() - new.keys()
    for edge, kind in graph.edge_marks.items():
        assert (edge in edges_of(old), edge in edges_of(new)) == (
            kind == "removed",
            kind == "added",
        )
    assert_is_mermaid(mermaid(graph))
    ET.fromstring("\n".join(svg(graph)))
    small = nearest(graph, 3)
    assert len(small.needs) == min(len(graph.needs), len(small.needs), 3)
    assert small.others == len(graph.needs) - len(small.needs)
    assert set(small.edges) <= set(graph.edges)
    ET.fromstring("\n".join(svg(small)))


def test_of_a_large_graph_what_matters_is_kept():
    chain = {f"t{index:03d}": [f"t{index - 1:03d}"] if index else [] for index in range(300)}
    graph = nearest(picture_of(chain, chain, {(1, "t290"): "anew"}), 60)
    assert list(graph.needs) == [f"t{index:03d}" for index in range(289, 300)]
    assert graph.rest == "and 289 others"
    assert 'rest["and 289 others"]:::same' in "\n".join(mermaid(graph))
    assert "and 289 others" in "\n".join(svg(graph))


def test_of_a_change_that_affects_more_than_fits_the_changes_are_kept():
    fan = {"z": [], **{f"t{index:03d}": ["z"] for index in range(300)}}
    graph = nearest(picture_of(fan, fan, {(1, "z"): "anew"}), 60)
    assert len(graph.needs) == 60
    assert graph.look("z") == "changed"


def test_of_a_run_or_a_definition_any_task_will_do():
    graph = nearest(Graph(title="t", needs={f"t{n}": () for n in range(100)}), 10)
    assert (len(graph.needs), graph.others) == (10, 90)


@pytest.mark.parametrize("name", NAUGHTY.values(), ids=NAUGHTY)
def test_names_are_data_in_every_format(name):
    mark = TaskMark(kind="renamed", old_name=name, fields=(name,), why="upstream", via=(name,))
    marks = {name: mark, "b": replace(mark, kind="affected"), "c": replace(mark, kind="removed")}
    needs = {name: (), "b": (name,), "c": (name, "b")}
    graph = Graph(
        title=name,
        needs=needs,
        marks=marks,
        edge_marks={(name, "b"): "added", (name, "c"): "removed"},
        others=3,
    )
    assert_is_mermaid(mermaid(graph))
    assert len(list(mermaid(graph))) == 1 + 4 + 3 + 4 + 2
    assert list(mermaid(Graph(title="t", needs={"a b": ()}))) == ["flowchart TD", '    t0["a b"]']
    texts = ["\n".join(form(graph)) for form in (mermaid, dot, svg)]
    texts.append("\n".join(plain(line) for line in change_lanes(graph, box=True)))
    for text in texts:
        assert len(text) < 20_000
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202e\u2066\ufeff]", text)
    picture = ET.fromstring(texts[2])
    assert {node.tag.rpartition("}")[2] for node in picture.iter()} == {
        "svg",
        "title",
        "rect",
        "g",
        "path",
        "text",
    }
    assert len(texts[1].split("\n")) == 2 + 3 + 3 + 1
    assert json.loads(json.dumps(as_json(graph)))["tasks"][0]["name"] == name
