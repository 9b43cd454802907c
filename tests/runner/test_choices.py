"""The choices of a run: a part of its tasks, and its parameters."""

from __future__ import annotations

import json
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
    assert ("note" in back.err, reasons(ork, "flow#12")["c"]) == (False, "output of flow#1")


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


# Parameters: declared, given, checked, recorded, used again.

PARAMS_FLOW = """\
    name: flow
    params:
      day: {type: date, default: 2026-01-01}
      count: {type: int, default: 3}
      share: {type: float, default: 0.5}
      dry: {type: bool, default: false}
      who: {type: str, default: nobody}
      tags: {type: [str], default: []}
      place: {type: {x: int, y: float}, default: {x: 1, y: 2}}
      any: {default: null}
    tasks:
      all:
        executor: python
        file: code.py
        inputs:
          day: {ref: params.day}
          count: {ref: params.count}
          share: {ref: params.share}
          dry: {ref: params.dry}
          who: {ref: params.who}
          tags: {ref: params.tags}
          x: {ref: params.place.x}
          any: {ref: params.any}
      sh: {executor: process, command: "cat ${ORK_INPUT_FILE:-/dev/null} > $ORK_OUTPUT_FILE;
           printf %s \\"$ORK_INPUT_JSON\\" >> $ORK_OUTPUT_FILE", inputs: {who: {ref: params.who}}}
"""
PARAMS_CODE = """\
    def main(**given):
        return {name: [type(value).__name__, value] for name, value in given.items()}
"""


@pytest.fixture
def given_flow(ork: Ork) -> Ork:
    ork.write("flow.yaml", PARAMS_FLOW)
    ork.write("code.py", PARAMS_CODE)
    return ork


def given(ork: Ork, run: str = "flow#1") -> dict[str, list]:
    return json.loads(ork("outputs", run, "--json").out)["data"]["all"]


def params(ork: Ork, run: str = "flow#1") -> dict:
    return json.loads(ork("show", run, "--json").out)["data"]["params"]


def give(*values: str) -> list[str]:
    return [word for value in values for word in ("-i", value)]


def test_defaults_reach_the_tasks(given_flow: Ork) -> None:
    assert given_flow("run", "flow.yaml").code == 0
    assert given(given_flow) == {
        "day": ["str", "2026-01-01"],
        "count": ["int", 3],
        "share": ["float", 0.5],
        "dry": ["bool", False],
        "who": ["str", "nobody"],
        "tags": ["list", []],
        "x": ["int", 1],
        "any": ["NoneType", None],
    }


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("count=7", "count", 7),
        ("count=-1", "count", -1),
        ("share=2", "share", 2),
        ("share=1e3", "share", 1000),
        ("dry=true", "dry", True),
        ("who=7", "who", "7"),
        ("who=", "who", ""),
        ("who=a=b", "who", "a=b"),
        ("who=null", "who", "null"),
        ('who="quoted"', "who", '"quoted"'),
        ("day=2026-02-28", "day", "2026-02-28"),
        ('tags=["a", "b"]', "tags", ["a", "b"]),
        ("any=7", "any", 7),
        ("any=seven", "any", "seven"),
        ('any={"deep": [null]}', "any", {"deep": [None]}),
    ],
)
def test_a_given_text_is_read_by_the_declared_type(
    given_flow: Ork, text: str, name: str, value: object
) -> None:
    result = given_flow("run", "flow.yaml", *give(text))
    assert result.code == 0, result.err
    assert params(given_flow)[name] == value
    assert given(given_flow)[name][1] == value


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["count=x"], ["count", "int"]),
        (["count=1.5"], ["count", "int"]),
        (["count=true"], ["count", "int"]),
        (["count="], ["count", "int"]),
        (["count=9007199254740993"], ["count"]),
        (["share=nan"], ["share"]),
        (["share=NaN"], ["share"]),
        (["share=Infinity"], ["share"]),
        (["dry=yes"], ["dry", "bool"]),
        (["dry=1"], ["dry", "bool"]),
        (["day=2026-02-30"], ["day", "date"]),
        (["day=tomorrow"], ["day", "date"]),
        (["tags=a"], ["tags", """a list is JSON: -i 'tags=["a", "b"]'"""]),
        (["place=a"], ["place", """an object is JSON: -i 'place={"key": 1}'"""]),
        (["tags=[1]"], ["tags", "str"]),
        (['place={"x": 1}'], ["place", "y"]),
        (['place={"x": 1, "y": 2, "z": 3}'], ["place", "z"]),
        (["coun=1"], ["no parameter named 'coun'", "did you mean count?"]),
        (["=1"], ["NAME=VALUE"]),
        (["count"], ["NAME=VALUE"]),
        (["count=1", "count=2"], ["twice"]),
        (["who=@nowhere"], ["nowhere"]),
        (["who=@."], ["cannot read"]),
        (["count=x", "dry=y"], ["count", "dry"]),
        (["any=" + "[" * 10_000], []),
        (["any=NaN"], ["any"]),
        (["any=9007199254740993"], ["any"]),
        (['any={"a": 1, "a": 2}'], []),
        (["who=a\ud800b"], ["who"]),
        (["\x1b[31m=1"], ["no parameter named"]),
    ],
    ids=lambda value: None if isinstance(value, str) else str(value)[:30].encode().hex()[:12],
)
def test_what_is_wrong_is_told_and_nothing_is_deployed(
    given_flow: Ork, texts: list[str], said: list[str]
) -> None:
    result = given_flow("run", "flow.yaml", *give(*texts))
    if not said:  # a text is as good as any value where no type is declared
        assert result.code in (0, 2), result.err
        return
    assert (result.code, result.out) == (2, ""), result.err
    assert all(word in result.err for word in said), result.err
    assert "\x1b" not in result.err
    assert given_flow("log").code == 3, "nothing is deployed"


def test_a_file_gives_a_value(given_flow: Ork) -> None:
    given_flow.write("who.txt", "Ada\nÅngström\n")
    given_flow.write("tags.json", '["a",\n "b"]')
    assert given_flow("run", "flow.yaml", *give("who=@who.txt", "tags=@tags.json")).code == 0
    assert params(given_flow)["who"] == "Ada\nÅngström\n"
    assert params(given_flow)["tags"] == ["a", "b"]


def test_a_file_that_is_no_text_or_too_large_is_refused(given_flow: Ork) -> None:
    (given_flow.folder / "who.bin").write_bytes(b"\xff\xfe")
    assert "cannot read who.bin" in given_flow("run", "flow.yaml", *give("who=@who.bin")).err
    with (given_flow.folder / "large").open("wb") as file:
        file.truncate(64 * 1024 * 1024)
    result = given_flow("run", "flow.yaml", *give("who=@large"))
    assert result.code == 2
    assert "larger than 16 MiB" in result.err


@pytest.mark.parametrize(
    "value",
    [
        "$(touch hacked)",
        "`touch hacked`",
        "'; touch hacked; '",
        '"; touch hacked; "',
        "a\nb",
        "\x1b]0;title\x07",
        "\u202egnp.exe",
        "😀" * 1000,
        "x" * 200_000,
    ],
    ids=["subst", "ticks", "single", "double", "lines", "escape", "bidi", "astral", "large"],
)
def test_a_hostile_value_is_only_a_value(given_flow: Ork, value: str) -> None:
    given_flow.write("value", value)
    result = given_flow("run", "flow.yaml", *give("who=@value"))
    assert result.code == 0, result.err
    assert given(given_flow)["who"] == ["str", value]
    assert json.loads(given_flow("outputs", "flow#1:sh").out) == {"who": value}
    shown = given_flow("show", "flow#1").out
    assert "\x1b" not in shown and "\u202e" not in shown
    assert not (given_flow.folder / "hacked").exists()


def test_a_required_parameter_must_be_given(ork: Ork) -> None:
    ork.write(
        "flow.yaml",
        """\
        name: flow
        params: {day: date, n: {type: int}}
        tasks:
          a: {executor: process, command: "true", inputs: {day: {ref: params.day}}}
    """,
    )
    result = ork("run", "flow.yaml")
    assert result.code == 2
    assert "the parameter day has no default: give it with -i day=VALUE" in result.err
    assert "the parameter n has no default" in result.err
    assert ork("run", "flow.yaml", *give("day=2026-03-01", "n=1")).code == 0
    assert params(ork) == {"day": "2026-03-01", "n": 1}


def test_a_run_of_a_run_uses_its_parameters_and_given_ones_win(given_flow: Ork) -> None:
    assert given_flow("run", "flow.yaml", *give("count=7", "who=Ada")).code == 0
    assert given_flow("run", "flow#1").code == 0
    assert params(given_flow, "flow#2") == params(given_flow, "flow#1")
    assert given_flow("run", "flow#1", *give("who=Grace")).code == 0
    assert (params(given_flow, "flow#3")["count"], params(given_flow, "flow#3")["who"]) == (
        7,
        "Grace",
    )
    assert given_flow("run", "flow").code == 0
    assert params(given_flow, "flow#4")["count"] == 3, (
        "a run of the workflow begins with the defaults"
    )


def test_with_code_takes_another_definition_and_the_old_parameters(
    given_flow: Ork, edit: Callable[[str, str, str], None]
) -> None:
    assert given_flow("run", "flow.yaml", *give("count=7")).code == 0
    edit("code.py", "type(value).__name__", "'new'")
    assert given_flow("deploy", "flow.yaml").code == 0
    assert given_flow("run", "flow#1", "--with-code", "flow").code == 0
    assert given(given_flow, "flow#2")["count"] == ["new", 7]
    assert given_flow("run", "flow#1").code == 0
    assert given(given_flow, "flow#3")["count"] == ["int", 7]


def test_a_recorded_parameter_that_the_new_definition_does_not_have_is_dropped(
    given_flow: Ork, edit: Callable[[str, str, str], None]
) -> None:
    assert given_flow("run", "flow.yaml", *give("count=7")).code == 0
    edit("flow.yaml", "  who: {type: str, default: nobody}\n", "")
    edit("flow.yaml", "      who: {ref: params.who}\n", "")
    edit("flow.yaml", "inputs: {who: {ref: params.who}}", "inputs: {}")
    assert given_flow("deploy", "flow.yaml").code == 0
    assert given_flow("run", "flow#1", "--with-code", "flow").code == 0
    assert "who" not in params(given_flow, "flow#2")
    assert params(given_flow, "flow#2")["count"] == 7


def test_a_recorded_parameter_of_another_type_is_told(
    given_flow: Ork, edit: Callable[[str, str, str], None]
) -> None:
    assert given_flow("run", "flow.yaml", *give("who=Ada")).code == 0
    edit("flow.yaml", "{type: str, default: nobody}", "{type: int, default: 1}")
    assert given_flow("deploy", "flow.yaml").code == 0
    result = given_flow("run", "flow#1", "--with-code", "flow")
    assert result.code == 2
    assert "the parameter who" in result.err


def test_with_code_wants_a_run(given_flow: Ork) -> None:
    given_flow("run", "flow.yaml")
    result = given_flow("run", "flow", "--with-code", "flow")
    assert result.code == 2
    assert "flow is not a run" in result.err


def test_a_retry_uses_the_parameters_of_the_run(ork: Ork) -> None:
    ork.write(
        "flow.yaml",
        """\
        name: flow
        params: {n: {type: int, default: 1}}
        tasks:
          a: {executor: process, command: "test -e fixed && echo \\"ORK_OUTPUT:$ORK_INPUT_JSON\\"",
              inputs: {n: {ref: params.n}}}
    """,
    )
    assert ork("run", "flow.yaml", *give("n=7")).code == 1
    ork.write("fixed", "")
    assert ork("retry", "flow#1").code == 0
    assert json.loads(ork("outputs", "flow#1:a").out) == {"n": 7}


def test_a_diff_names_the_parameter_that_differs(
    given_flow: Ork, edit: Callable[[str, str, str], None]
) -> None:
    given_flow("run", "flow.yaml")
    edit("flow.yaml", "default: 3", "default: 4")
    given_flow("run", "flow.yaml")
    assert "count" in given_flow("diff", "flow#1", "flow#2").out
