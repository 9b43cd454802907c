"""The choice of tasks: a part of a run, and what stands in for the rest."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import pairwise

import pytest

from ork.errors import NotFound
from ork.runner.choices import Selection, chosen
from tests.conftest import Ork
from tests.runner.suite import told

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


@pytest.mark.slow
def test_outputs_stand_in_that_the_other_parameters_do_not_touch(ork: Ork) -> None:
    ork.write("code.py", CODE)
    ork.write(
        "w.yaml",
        """\
        name: w
        params: {n: {type: int, default: 1}, alpha: {type: int, default: 1}}
        tasks:
          load: {executor: python, file: code.py, function: add, inputs: {n: {ref: params.n}}}
          fit: {executor: python, file: code.py, function: both, depends_on: [load],
                inputs: {n: {ref: tasks.load.output.n}, m: {ref: params.alpha}}}
          end: {executor: python, file: code.py, function: add, depends_on: [fit],
                inputs: {n: {ref: tasks.fit.output.n}}}
        """,
    )
    assert ork("run").code == 0
    assert ork("run", "w", "--from", "fit", "-i", "alpha=5").code == 0
    assert outputs(ork, "w#2") == {"load": 2, "fit": 7, "end": 8}
    refused = ork("run", "w", "--from", "fit", "-i", "n=5")
    assert (refused.code, "with these parameters has the outputs of load" in refused.err) == (
        2,
        True,
    )
    refused = ork("run", "w", "--from", "end", "-i", "alpha=6")  # which w#2 has not
    assert (refused.code, "has the outputs of fit; w#2 has" in refused.err) == (2, True)
    assert ork("run", "w", "--from", "end", "-i", "alpha=5").code == 0
    assert ork("run", "w", "--only", "fit", "-i", "alpha=7").code == 0  # load of w#1, by w#3
    assert outputs(ork, "w#4") == {"load": 2, "fit": 9}
    assert ork("run", "w", "--from", "fit", "-i", "n=5", "--base", "w#1").code == 0
    refused = ork("run", "w", "--from", "end", "-i", "n=5")  # fit of w#5 took load of another n
    assert (refused.code, "has the outputs of fit; w#" in refused.err) == (2, True)


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
        (Selection(without=("b",)), "acde"),
        (Selection(without=("b", "e"), until=("d",)), "acd"),
        (Selection(without=("d",), start=("b",)), "b"),
        (Selection(only=("[a-c]", "e")), "abce"),
        (Selection(start=("?",), without=("[!ab]",)), "ab"),
        (Selection(until=("d*",)), "abcd"),
    ],
)
def test_a_selection_means_these_tasks(selection: Selection, names: str) -> None:
    assert chosen(NEEDS, selection) == set(names)


@pytest.mark.parametrize(
    "name", ["x", "", "A", "a ", "A*", "[!a-e]", "[", "../a", "\x1b[31m", "a" * 5000]
)
def test_an_unknown_name_is_not_found(name: str) -> None:
    with pytest.raises(NotFound):
        chosen(NEEDS, Selection(only=(name,)))


def test_a_name_that_is_near_is_proposed(flow: Ork) -> None:
    flow.write("flow.yaml", FLOW.replace("      e:", "      extract:"))
    result = flow("run", "flow.yaml", "--until", "extrac")
    assert (result.code, result.out) == (3, "")
    assert "did you mean extract?" in result.err
    assert flow("runs").out == "", "nothing was run"


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_outputs_of_other_parameters_stand_in_only_where_one_says_so(ork: Ork) -> None:
    given = "inputs: {day: {ref: params.day}}"
    ork.write(
        "flow.yaml",
        f"""\
        name: flow
        params: {{day: {{type: str, default: monday}}}}
        tasks:
          a: {{executor: python, file: code.py, function: one, {given}}}
          b: {{executor: python, file: code.py, function: two, depends_on: [a],
              inputs: {{n: {{ref: tasks.a.output.n}}}}}}
        """,
    )
    ork.write("code.py", "def one(day): return {'n': day}\ndef two(n): return {'n': n}\n")
    for day in ("monday", "sunday"):
        assert ork("run", "flow.yaml", "-i", f"day={day}").code == 0
    part = ("--only", "b")
    assert ork("run", "flow#1", *part).code == 0
    assert ork("run", "flow", *part, "-i", "day=sunday").code == 0
    assert ork("run", "flow#1", *part, "-i", "day=sunday").code == 0
    assert [outputs(ork, f"flow#{n}")["b"] for n in (3, 4, 5)] == ["monday", "sunday", "sunday"]
    refused = ork("run", "flow", *part, "-i", "day=friday")
    assert refused.code == 2
    assert 'flow#5 has, with day="sunday"' in refused.err
    done = ork("run", "flow", *part, "-i", "day=friday", "--base", "flow#1")
    assert done.code == 0
    assert 'note: the outputs of flow#1 were made with day="monday"' in done.err
    assert outputs(ork, "flow#6")["b"] == "monday"
    refused = ork("run", "flow", *part, "-i", "day=friday")
    assert refused.code == 2, "what stood in flow#6 is of another day"
    passed_on = ork("run", "flow", *part, "-i", "day=friday", "--base", "flow#6", "--dry-run")
    assert 'note: the outputs of flow#6 were made with day="monday"' in passed_on.err
    assert ork("run", "flow", "-i", "day=friday", "--until", "b").code == 0
    assert ork("run", "flow", *part, "-i", "day=friday").code == 0
    assert ork("run", "flow", *part, "-i", "day=friday").code == 0
    assert [outputs(ork, f"flow#{n}")["b"] for n in (7, 8, 9)] == ["friday"] * 3
    assert '  partial  day="friday"' in ork("runs", "-n", "1").out
    assert json.loads(ork("runs", "-n", "1", "--json").out)["data"][0]["params"] == {
        "day": "friday"
    }


def reasons(flow: Ork, run: str) -> dict[str, str | None]:
    tasks = json.loads(flow("show", run, "--json").out)["data"]["tasks"]
    return {name: task["taskrun"]["reason"] for name, task in tasks.items()}


@pytest.mark.slow
def test_an_output_of_another_definition_stands_in_and_is_told(ork: Ork) -> None:
    """c --> d --> e   where c is edited: what d gives from then on is made of the old c."""
    echo = "echo ORK_OUTPUT:"
    take = f"{{executor: process, command: '{echo}$ORK_INPUT_JSON', "
    text = f"""\
        name: flow
        params: {{n: {{default: 1}}}}
        tasks:
          c: {{executor: process, command: '{echo}5'}}
          d: {take}depends_on: [c], inputs: {{x: {{ref: tasks.c.output}}, n: {{ref: params.n}}}}}}
          e: {take}depends_on: [d], inputs: {{x: {{ref: tasks.d.output}}}}}}
        """
    ork.write("flow.yaml", text)
    assert ork("run", "flow.yaml").code == 0
    named = ("-i", "n=2", "--base", "flow#1", "--dry-run")
    made_with = "note: the outputs of flow#1 were made with n=1\n"
    assert ork("run", "flow.yaml", "--only", "e", *named).err == made_with
    assert not ork("run", "flow.yaml", "--from", "d", *named).err, "c, which is kept, takes no n"
    assert "note" not in ork("run", "flow.yaml", "--only", "d", "-i", "n=2").err
    assert reasons(ork, "flow#2") == {"c": "output of flow#1", "d": None, "e": "not selected"}
    assert "note" not in ork("run", "flow.yaml", "--only", "d", "-i", "n=2").err
    assert reasons(ork, "flow#3")["c"] == "output of flow#1", "which flow#2 has passed on"
    assert ork("retry", "flow#3", "--only", "d").code == 0
    assert reasons(ork, "flow#4")["c"] == "output of flow#1"

    ork.write("flow.yaml", text.replace("TPUT:5", "TPUT:6"))
    note = "note: c: output of flow#1, of another definition\n"
    dry = ork("run", "flow.yaml", "--only", "d", "--dry-run")
    assert note in dry.err
    assert "  kept     c  output of flow#1, of another definition\n" in dry.out
    for run in ("flow#5", "flow#6"):
        assert note in ork("run", "flow.yaml", "--only", "d").err
        assert reasons(ork, run)["c"] == "output of flow#1, of another definition"
    mixed = "note: d: output of flow#6, of another definition\n"
    assert mixed in ork("run", "flow.yaml", "--only", "e").err, "it was made of the old c"
    assert note in ork("retry", "flow#7", "--from", "d").err

    assert ork("run", "flow.yaml").code == 0
    assert "note" not in ork("run", "flow.yaml", "--only", "d").err
    ork.write("flow.yaml", text)
    assert note.replace("flow#1", "flow#9") in ork("run", "flow.yaml", "--only", "d").err
    back = ork("run", "flow.yaml", "--only", "d", "--base", "flow#5")
    since = "c ran again in flow#9 since, with new definition, output: files that it wrote may be"
    assert re.findall("^note: .*", back.err, re.M) == [f"note: {since} of that"]
    assert reasons(ork, "flow#12")["c"] == "output of flow#1"

    assert ork("mv", "flow", "stream").code == 0
    ork.write("flow.yaml", text.replace("TPUT:5", "TPUT:6").replace("name: flow", "name: stream"))
    assert note in ork("run", "flow.yaml", "--only", "d").err
    mixed = "note: d: output of stream#13, of another definition\n"
    assert mixed in ork("run", "flow.yaml", "--only", "e").err, "as before the workflow was renamed"


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


@pytest.mark.parametrize("more", [("--from", "a"), ("--until", "a"), ("--except", "b")])
def test_only_excludes_the_others(flow: Ork, more: tuple[str, ...]) -> None:
    result = flow("run", "flow.yaml", "--only", "a", *more)
    assert result.code == 2
    assert "--only excludes" in result.err


def test_what_does_not_run_is_told_in_the_order_of_the_tasks(ork: Ork) -> None:
    names = [f"t{number}" for number in range(12)]
    tasks = [
        f"  {name}: {{executor: process, command: 'true', depends_on: [{before}]}}"
        for before, name in pairwise(["", *reversed(names)])
    ]
    ork.write("w.yaml", "\n".join(["name: w", "tasks:", *tasks]) + "\n")
    for option in ((), ("--only", "t3"), ("--from", "t3")):
        events = told(ork("run", "w.yaml", *option, "--json").out)
        ended = [event for event in events if event["event"] == "TaskFinished"]
        first = [event["task"] for event in ended if event["taskrun"]["state"] == "skipped"]
        assert first == [name for name in reversed(names) if name in first]
        assert len(first) == {(): 0, ("--only", "t3"): 11, ("--from", "t3"): 8}[option]


def test_a_selected_task_that_is_skipped_is_told_before_the_others(ork: Ork) -> None:
    task = "{executor: process, command: 'true', when: {ref: params.go}}"
    tasks = "".join(f"  part_{number:02}: {task}\n" for number in range(20))
    ork.write("w.yaml", f"name: w\nparams: {{go: {{type: bool, default: false}}}}\ntasks:\n{tasks}")
    assert ork("run", "w.yaml").code == 0
    result = ork("run", "w#1", "--only", "part_1[78]")
    assert "skipped  part_17, part_18, part_00, part_01, part_02 and 15 more  params" in result.err


def test_of_many_outputs_that_lack_a_few_are_named(ork: Ork) -> None:
    names = [f"t{number}" for number in range(10)]
    tasks = "".join(f"  {name}: {{executor: process, command: 'true'}}\n" for name in names)
    end = f"  end: {{executor: process, command: 'true', depends_on: {names}}}\n"
    ork.write("w.yaml", f"name: w\ntasks:\n{tasks}{end}")
    refused = ork("run", "w.yaml", "--only", "end")
    assert "has the outputs of t0, t1, t2, t3, t4 and 5 more\n" in refused.err
    assert ork("run", "w.yaml", "--only", "t9").code == 0
    refused = ork("run", "w", "--only", "end", "--base", "w#1")
    assert "w#1 has no output of t0, t1, t2, t3, t4 and 4 more\n" in refused.err


@pytest.mark.slow
def test_all_but_some_run_with_the_outputs_that_these_had(flow: Ork) -> None:
    refused = flow("run", "flow.yaml", "--except", "b")
    assert (refused.code, "no run of flow has the outputs of b" in refused.err) == (2, True)
    assert flow("runs").out == ""
    assert flow("run", "flow.yaml", "--except", "b", "--except", "d").code == 0
    left_out = {"a": "success", "b": "skipped", "c": "success", "d": "skipped", "e": "success"}
    assert states(flow, "flow#1") == left_out
    assert flow("run", "flow.yaml").code == 0
    assert flow("run", "flow", "--except", "b").code == 0
    assert states(flow, "flow#3") == {**dict.fromkeys("acde", "success"), "b": "skipped"}
    assert "output of flow#2" in flow("show", "flow#3:b", "--json").out
    assert outputs(flow, "flow#3") == {"a": 1, "b": 2, "c": 2, "d": 4, "e": 1}
    assert "`--except TASK` runs all but" in flow("run", "flow", "--exclude", "b").err
    assert flow("run", "flow", "--except", "x").code == 3
    assert flow("run", "flow", "--until", "a", "--except", "a").code == 2
    assert "--only" in flow("retry", "flow#1", "--except", "b").err


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
