"""ork graph"""

import json
import re
import xml.etree.ElementTree as ET
from itertools import product

from ork.cli.pictures.change import lanes
from ork.cli.pictures.graph import Graph, dot, mermaid
from ork.cli.pictures.svg import svg
from ork.cli.screen.line import plain
from ork.graph.layers import layout
from tests.cli.screen import TERMINAL, on_terminal

HOSTILE = 'a"];x[<b>&\x1b[31m\u200b\\'


def test_the_formats(history, golden):
    golden("graph/definition.txt", history("graph", "etl").out)
    for form in ("mermaid", "dot", "svg", "json"):
        result = history("graph", "etl", "--format", form)
        assert (result.code, result.err) == (0, "")
        golden(f"graph/definition.{form}", result.out)
    assert history("graph", "--json").out == history("graph", "--format", "json").out


def test_a_run_shows_how_it_went(ran, golden):
    golden("graph/run.txt", ran("graph", "etl#2").out)
    for form in ("mermaid", "dot", "svg", "json"):
        golden(f"graph/run.{form}", ran("graph", "etl#2", "--format", form).out)


def test_a_file_is_drawn_without_a_store(etl):
    assert etl("graph", "etl.yaml").out == "* extract\n* load\n"
    assert etl("graph").out == "* extract\n* load\n"
    assert not (etl.folder / ".ork").exists()


def test_lines_that_have_no_room_are_counted_and_that_is_explained(ork):
    needs = {f"a{n}": () for n in range(12)}
    needs |= {f"b{n}": (f"a{n}",) for n in range(12)}
    needs |= {f"c{n}": tuple(f"b{m}" for m in range(12) if m != n) for n in range(12)}
    tasks = "".join(
        f"  {name}: {{executor: process, command: ls, depends_on: [{', '.join(below)}]}}\n"
        for name, below in needs.items()
    )
    ork.write("w.yaml", f"name: w\ntasks:\n{tasks}")
    told, *rows = ork("graph", "w.yaml").out.splitlines()
    assert told.startswith("+1, +2...: so many more lines pass here than have room")
    assert any(re.search(r" \+4 \w+$", row) for row in rows)
    graph = Graph(title="w", needs=needs)
    for columns, folds in ((50, True), (100, False), (None, True)):
        lines_shown = [plain(line) for line in lanes(graph, box=True, columns=columns)]
        assert lines_shown[0].startswith("+1") == folds
        assert all(len(line) < (columns or 50) for line in lines_shown[folds:])


def test_a_long_name_is_cut_in_its_middle_and_nothing_is_folded(ork):
    long = f"extract_{'of_the_orders_' * 7}of_last_month"
    text = "name: w\ntasks:\n  a: {executor: process, command: ls}\n"
    task = f"  {long}: {{executor: process, command: ls, depends_on: [a]}}\n"
    ork.write("w.yaml", f"{text}{task}")
    assert ork("run", "w.yaml").code == 0
    ork.write("w.yaml", f"{text}{task.replace('command: ls', 'command: pwd')}")
    ork.environ |= TERMINAL
    for wide, revision in product((40, 60, 100), ("w", "w#1", "w..file:w.yaml")):
        rows = on_terminal(ork, wide, "graph", revision).text.splitlines()
        assert all(len(row) <= wide for row in rows)
        assert re.search(r" extract_\S*\.\.\.\S*onth\b", rows[-1])
    assert "ok" in on_terminal(ork, 40, "graph", "w#1").text
    assert f"* {long}" in ork("graph", "w").out


def test_the_picture_goes_to_a_file(history):
    written = history("graph", "etl", "--format", "svg", "-o", "etl.svg")
    assert (written.out, written.err) == ("", "wrote etl.svg\n")
    text = (history.folder / "etl.svg").read_text()
    assert text == history("graph", "etl", "--format", "svg").out
    result = history("graph", "etl", "-o", "nowhere/etl.txt")
    assert (result.code, result.out) == (2, "")
    assert "No such file" in result.err


def test_the_ending_of_the_file_says_the_format(history):
    endings = {"svg": "svg", "mmd": "mermaid", "dot": "dot", "gv": "dot", "json": "json"}
    for ending, form in {**endings, "SVG": "svg", "txt": "text"}.items():
        assert history("graph", "etl", "-o", f"g.{ending}").err == f"wrote g.{ending}\n"
        text = (history.folder / f"g.{ending}").read_text()
        assert text == history("graph", "etl", "--format", form).out
    refused = history("graph", "etl", "--format", "dot", "-o", "other.svg")
    assert (refused.code, refused.out) == (2, "")
    assert "-o other.svg: a file of this name is svg, and not dot" in refused.err
    assert not (history.folder / "other.svg").exists()
    refused = history("graph", "etl", "-o", "other.png")
    assert refused.code == 2 and "no format has this ending" in refused.err
    assert history("graph", "etl", "--format", "svg", "-o", "other.picture").code == 0


def test_lines_are_drawn_on_a_terminal_that_has_them(history, terminal):
    assert terminal("graph", "etl", LC_ALL="C.UTF-8", NO_COLOR="1") == "● extract\n● load\n"
    assert terminal("graph", "etl", LC_ALL="C", NO_COLOR="1") == "* extract\n* load\n"


def test_what_cannot_be_drawn(history):
    assert history("graph", "nope").code == 3
    assert "did you mean" in history("graph", "elt").err
    result = history("graph", "etl", "--format", "png")
    assert result.code == 2
    assert "mermaid" in result.err


def test_names_are_data_in_every_format():
    graph = Graph(title=HOSTILE, needs={HOSTILE: (), "b": (HOSTILE,)})
    picture = ET.fromstring("\n".join(svg(graph)))
    shown = [node.text for node in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert shown == [HOSTILE.replace("\x1b", "^[").replace("\u200b", "<U+200B>"), "b"]
    flowchart = "\n".join(mermaid(graph))
    assert flowchart.count('"') == 4
    assert not {"<", "\x1b", "\\"} & set(flowchart)
    digraph = "\n".join(dot(graph))
    assert r'"a\"];x[<b>&^[[31m<U+200B>\\"' in digraph
    assert "\x1b" not in digraph


def test_colours_of_dot_have_six_digits():
    text = "\n".join(dot(Graph(title="t", needs={"a": ()})))
    assert re.findall(r"#[0-9a-f]+", text)
    assert all(len(colour) == 7 for colour in re.findall(r"#[0-9a-f]+", text))


def test_boxes_of_a_picture_do_not_overlap():
    parts = [f"part_{index}" for index in range(12)]
    needs = {"a": (), **dict.fromkeys(parts, ("a",)), "z": (*parts, "a")}
    places = layout(needs).places
    assert len(set(places.values())) == len(needs)
    assert all(places[below][0] < places[name][0] for name in needs for below in needs[name])


def test_an_edge_over_a_layer_has_a_bend_in_it():
    found = layout({"a": (), "b": ("a",), "c": ("a", "b")})
    bends = {(start, end): len(between) for start, end, between in found.ways}
    assert bends == {("a", "b"): 0, ("b", "c"): 0, ("a", "c"): 1}
    ((_, height),) = next(between for start, end, between in found.ways if between)
    assert height != found.places["b"][1]


def test_a_task_without_an_attempt_has_its_state(ran):
    ran.write(
        "three.yaml",
        """\
        name: three
        tasks:
          a: {executor: process, command: "false"}
          b: {executor: process, command: "true", depends_on: [a]}
        """,
    )
    assert ran("run", "three.yaml").code == 1
    states = {
        task["name"]: task["state"]
        for task in json.loads(ran("graph", "three#1", "--json").out)["data"]["tasks"]
    }
    assert states == {"a": "failed", "b": "upstream_failed"}
