"""A part of a workflow is run; recorded outputs stand in for the rest."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from ork.errors import NotFound
from ork.runner.select import Selection, chosen
from tests.conftest import Ork

#   a -> b -> d
#   a -> c -> d     e
NEEDS = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c"), "e": ()}
FLOW = """\
    name: flow
    tasks:
      a: {executor: python, file: code.py, function: one}
      b: {executor: python, file: code.py, function: add, depends_on: [a],
          inputs: {n: {ref: tasks.a.output.n}}}
      c: {executor: python, file: code.py, function: add, depends_on: [a],
          inputs: {n: {ref: tasks.a.output.n}}}
      d: {executor: python, file: code.py, function: both, depends_on: [b, c],
          inputs: {n: {ref: tasks.b.output.n}, m: {ref: tasks.c.output.n}}}
      e: {executor: python, file: code.py, function: one}
"""
CODE = """\
    def one():
        return {"n": 1}
    def add(n):
        return {"n": n + 1}
    def both(n, m):
        return {"n": n + m}
"""


@pytest.fixture
def flow(ork: Ork) -> Ork:
    ork.write("flow.yaml", FLOW)
    ork.write("code.py", CODE)
    return ork


def states(ork: Ork, run: str) -> dict[str, str]:
    shown = json.loads(ork("show", run, "--json").out)["data"]["tasks"]
    return {name: task["taskrun"]["state"] for name, task in shown.items()}


def outputs(ork: Ork, run: str) -> dict[str, int]:
    found = json.loads(ork("outputs", run, "--json").out)["data"]
    return {name: value["n"] for name, value in found.items()}


@pytest.mark.parametrize(
    ("selection", "names"),
    [
        (Selection(), "abcde"),
        (Selection(only=("b",)), "b"),
        (Selection(only=("a", "e")), "ae"),
        (Selection(start=("b",)), "bd"),
        (Selection(start=("a",)), "abcd"),
        (Selection(until=("b",)), "ab"),
        (Selection(until=("d",)), "abcd"),
        (Selection(start=("b",), until=("d",)), "bd"),
        (Selection(start=("b", "c"), until=("c",)), "c"),
    ],
)
def test_a_selection_means_these_tasks(selection: Selection, names: str) -> None:
    assert chosen(NEEDS, selection) == set(names)


@pytest.mark.parametrize("name", ["x", "", "A", "a ", "../a", "\x1b[31m", "a" * 5000])
def test_an_unknown_name_is_not_found(name: str) -> None:
    with pytest.raises(NotFound):
        chosen(NEEDS, Selection(only=(name,)))


def test_a_name_that_is_near_is_proposed(flow: Ork) -> None:
    flow.write("flow.yaml", FLOW.replace("      e:", "      extract:"))
    result = flow("run", "flow.yaml", "--until", "extrac")
    assert (result.code, result.out) == (3, "")
    assert "did you mean extract?" in result.err
    assert flow("runs").out == "", "nothing was run"


def test_from_takes_what_is_upstream_from_the_newest_run_that_has_it(flow: Ork) -> None:
    assert flow("run", "flow.yaml").code == 0
    assert flow("run", "flow", "--only", "e").code == 0
    assert flow("run", "flow", "--from", "b").code == 0
    assert states(flow, "flow#3") == {
        "a": "skipped",
        "b": "success",
        "c": "skipped",
        "d": "success",
        "e": "skipped",
    }
    shown = json.loads(flow("show", "flow#3:c", "--json").out)["data"]
    assert "output of flow#1" in json.dumps(shown)
    assert outputs(flow, "flow#3") == {"a": 1, "b": 2, "c": 2, "d": 4, "e": 1}


def test_base_says_which_run(flow: Ork, edit: Callable[[str, str, str], None]) -> None:
    assert flow("run", "flow.yaml").code == 0
    edit("code.py", '{"n": 1}', '{"n": 10}')
    assert flow("run", "flow.yaml").code == 0
    assert flow("run", "flow", "--only", "d").code == 0
    assert flow("run", "flow", "--only", "d", "--base", "flow#1").code == 0
    assert outputs(flow, "flow#3")["d"] == 22
    assert outputs(flow, "flow#4")["d"] == 4
    run = json.loads(flow("show", "flow#4", "--json").out)["data"]["run"]
    assert run["base"] == json.loads(flow("show", "flow#1", "--json").out)["data"]["run"]["id"]


def test_until_needs_no_earlier_run(flow: Ork) -> None:
    assert flow("run", "flow.yaml", "--until", "b").code == 0
    assert states(flow, "flow#1") == {
        "a": "success",
        "b": "success",
        "c": "skipped",
        "d": "skipped",
        "e": "skipped",
    }


def test_without_recorded_outputs_nothing_runs_and_the_error_says_what_lacks(flow: Ork) -> None:
    assert flow("run", "flow.yaml", "--until", "b").code == 0
    result = flow("run", "flow", "--only", "d")
    assert result.code == 2
    assert "no run of flow has the outputs of b, c" in result.err
    assert "--until" in result.err
    result = flow("run", "flow", "--only", "d", "--base", "flow#1")
    assert result.code == 2
    assert "flow#1 has no output of c" in result.err
    assert len(json.loads(flow("runs", "--json").out)["data"]) == 1


@pytest.mark.parametrize("more", [("--from", "a"), ("--until", "a")])
def test_only_excludes_the_others(flow: Ork, more: tuple[str, ...]) -> None:
    result = flow("run", "flow.yaml", "--only", "a", *more)
    assert result.code == 2
    assert "--only excludes" in result.err


def test_an_empty_selection_runs_nothing_and_is_told(flow: Ork) -> None:
    result = flow("run", "flow.yaml", "--from", "e", "--until", "a")
    assert result.code == 2
    assert "no task" in result.err


def test_a_failure_of_the_selected_is_a_failure_of_the_run(
    flow: Ork, edit: Callable[[str, str, str], None]
) -> None:
    edit("code.py", 'return {"n": n + m}', "raise ValueError(n)")
    assert flow("run", "flow.yaml").code == 1
    assert flow("run", "flow", "--only", "d").code == 1
    assert states(flow, "flow#2")["d"] == "failed"
