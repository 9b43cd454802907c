"""Parameters: declared, given, checked, recorded, used again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from datetime import timedelta

import pytest

from ork import open as open_project
from ork.errors import UsageError
from ork.zone import now_here
from tests.conftest import Ork

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


@pytest.mark.slow
@pytest.mark.parametrize(("word", "ago"), [("today", 0), ("yesterday", 1)])
def test_a_word_for_a_day_is_recorded_as_the_date_that_it_meant(
    given_flow: Ork, word: str, ago: int
) -> None:
    before = now_here()
    result = given_flow("run", "flow.yaml", *give(f"day={word}", f"who={word}"))
    assert result.code == 0, result.err
    days = {str(moment.date() - timedelta(days=ago)) for moment in (before, now_here())}
    found = params(given_flow)
    assert found["day"] in days and found["who"] == word
    assert [found["day"]] == [given(given_flow)["day"][1]]
    if len(days) == 1:
        assert "flow#1" in given_flow("runs", "flow", *give(f"day={word}")).out


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
        (["day=tomorrow"], ["day", "date", "today and yesterday are dates, too"]),
        (["tags=a"], ["tags", """a list is JSON: `-i 'tags=["a", "b"]'`"""]),
        (["place=a"], ["place", """an object is JSON: `-i 'place={"x": 1, "y": 0.5}'`"""]),
        (["tags=[1]"], ["tags", "str"]),
        (['place={"x": 1}'], ["place", "y"]),
        (['place={"x": 1, "y": 2, "z": 3}'], ["place", "z"]),
        (["coun=1"], ["no parameter named 'coun'", "did you mean count?"]),
        (["=1"], ["NAME=VALUE"]),
        (["count"], ["NAME=VALUE"]),
        (["count=1", "count=2"], ["twice"]),
        (["who=@nowhere"], ["nowhere"]),
        (["who=@."], ["cannot read"]),
        (["who=@"], ["no file is named", "`@@` is the text `@`"]),
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


@pytest.mark.slow
@pytest.mark.parametrize(
    "declared",
    ["[int]", "[[bool]]", "[{n: float, days: [date]}]", "{at: datetime_tz, of: {it's: str}}"],
)
def test_the_form_of_a_value_that_is_told_is_one_that_is_taken(ork: Ork, declared: str) -> None:
    ork.write(
        "flow.yaml",
        f"""\
        name: flow
        params: {{it: {{type: {declared}}}}}
        tasks: {{a: {{executor: process, command: "true", inputs: {{it: {{ref: params.it}}}}}}}}
        """,
    )
    told = ork("run", "flow.yaml", "-i", "it=1").err
    typed = told.partition(" is JSON: `-i ")[2].rpartition("`")[0]
    assert ork("run", "flow.yaml", "-i", *shlex.split(typed)).code == 0
    with open_project(ork.folder) as project:
        with pytest.raises(UsageError) as error:
            project.run("flow", params={"it": "a"})
        value = json.loads(str(error.value).partition("such as ")[2])
        assert project.run("flow", params={"it": value}).ok


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
    assert "the parameter day has no default: give it with `-i day=VALUE`" in result.err
    assert "the parameter n has no default" in result.err
    assert ork("run", "flow.yaml", *give("day=2026-03-01", "n=1")).code == 0
    assert params(ork) == {"day": "2026-03-01", "n": 1}


@pytest.mark.slow
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


@pytest.mark.slow
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
