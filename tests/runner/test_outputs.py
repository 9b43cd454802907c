"""Outputs that just fit into the record of a run, and those that are one byte too long for it."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID

import pytest

from ork import open as open_store
from ork.objects.kinds import INLINE_OUTPUT_BYTES_MAX
from ork.store.contents import task_runs
from ork.store.resolve import run_of_number
from ork.worker.values import Unfit, to_json
from tests.conftest import Ork

FITS = INLINE_OUTPUT_BYTES_MAX - len('ork1 blob\n""')
CODE = """\
    import os
    def give():
        print("given", file=open("given", "a"))
        return "x" * {length}
    def take(text):
        if not os.path.exists("fixed"):
            raise ValueError("not yet")
        return len(text)
"""
FLOW = """\
    name: flow
    tasks:
      give: {executor: python, file: code.py, function: give, output_type: str}
      take: {executor: python, file: code.py, function: take, depends_on: [give],
             inputs: {text: {ref: tasks.give.output}}}
"""


def data(ork: Ork, *words: str) -> dict:
    done = ork(*words, "--json")
    assert done.code == 0, done
    return json.loads(done.out)["data"]


@pytest.mark.slow
@pytest.mark.parametrize(("length", "inline"), [(FITS, True), (FITS + 1, False)])
def test_an_output_is_found_again_whether_it_is_a_blob_or_not(
    ork: Ork, length: int, inline: bool
) -> None:
    ork.write("code.py", CODE.format(length=length))
    ork.write("flow.yaml", FLOW)
    text = "x" * length

    assert ork("run", "flow.yaml").code == 1
    store = open_store(ork.folder).store
    output = task_runs(store, run_of_number(store, "flow", 1)[1])["give"].output
    assert output is not None
    assert store.output(output) == text
    assert (output.text is not None) is inline
    assert store.has(output.oid) is not inline
    store.close()
    assert data(ork, "outputs", "flow#1") == {"give": text}

    ork.write("fixed", "")
    assert ork("retry", "flow#1").code == 0
    assert data(ork, "outputs", "flow#1") == {"give": text, "take": length}

    assert ork("run", "flow", "--only", "take").code == 0
    assert (ork.folder / "given").read_text() == "given\n", "its output stood in"
    assert data(ork, "outputs", "flow#2") == {"give": text, "take": length}
    for run in ("flow#1", "flow#2"):
        assert data(ork, "outputs", f"{run}:give") == {"give": text}
        shown = data(ork, "show", run)["tasks"]
        assert shown["give"]["output"] == text
        assert shown["take"]["inputs"] == {"text": text}
    assert data(ork, "diff", "flow#1", "flow#2")["outcome"] is None

    ork.write("code.py", CODE.format(length=length).replace("not yet", "never"))
    (ork.folder / "fixed").unlink()
    assert ork("run", "flow.yaml", "--from", "take", "--base", "flow#1").code == 1
    ork.write("fixed", "")
    assert ork("retry", "flow#3").code == 0
    assert data(ork, "outputs", "flow#3") == {"give": text, "take": length}
    assert (ork.folder / "given").read_text() == "given\n"


@pytest.mark.slow
def test_a_task_of_a_workflow_is_that_task_of_its_newest_run(ork: Ork) -> None:
    ork.write("flow.yaml", FLOW)
    ork.write("code.py", CODE.format(length=3))
    ork.write("fixed", "")
    ork("run", "flow.yaml")
    ork.write("code.py", CODE.format(length=5))
    ork("run", "flow.yaml")
    for revision, length in (("flow", 5), ("@", 5), ("flow~1", 3), ("flow#1", 3)):
        assert ork("outputs", f"{revision}:take").out == f"{length}\n"
        assert data(ork, "outputs", f"{revision}:take") == {"take": length}
    moment = "flow@{2026-11-01T23:00}"
    assert ork("outputs", f"{moment}:take").out == "5\n"
    missing = ork("outputs", "flow:code.py")
    assert (missing.code, missing.out) == (3, "")
    assert "flow#2 has no task 'code.py'" in missing.err


WRONG = """\
    name: wrong
    tasks:
      field:
        executor: process
        command: "echo 'ORK_OUTPUT:{\\"rows\\": \\"x\\"}'"
        output_type: {rows: int}
      fields:
        executor: process
        command: "echo 'ORK_OUTPUT:{\\"a\\": \\"x\\", \\"c\\": [1, true]}'"
        output_type: {a: int, b: str, c: [int]}
      list:
        executor: process
        command: "printf 'ORK_OUTPUT:[1%s]' $(printf ',1%.0s' $(seq 30))"
        output_type: [str]
      whole: {executor: process, command: "true", output_type: {rows: int}}
      text: {executor: process, command: "echo ORK_OUTPUT:x"}
      number: {executor: process, command: "echo ORK_OUTPUT:NaN"}
      deep: {executor: process, command: "echo 'ORK_OUTPUT:{\\"a\\": [99999999999999999999]}'"}
      file: {executor: process, command: "mkdir $ORK_OUTPUT_FILE"}
      value: {executor: python, file: code.py, function: value}
      long: {executor: python, file: code.py, function: long}
"""


@pytest.mark.slow
def test_whatever_is_wrong_with_an_output_is_told_in_one_way(ork: Ork) -> None:
    ork.write("wrong.yaml", WRONG)
    ork.write(
        "code.py",
        "def value():\n    return {'a': [1, b'x']}\ndef long():\n    return 'x' * (64 << 20)\n",
    )
    assert ork("run", "wrong.yaml").code == 1
    tasks = data(ork, "show", "wrong#1")["tasks"]
    told = {name: task["taskrun"]["attempts"][0]["error"] for name, task in tasks.items()}
    first, *others = told.pop("list").splitlines()
    assert first == "output[0]: expected str, got int 1 (and at least 19 more)"
    assert tasks["list"]["taskrun"]["reason"] == first
    assert len(others) == 19
    assert told == {
        "field": 'output.rows: expected int, got str "x"',
        "fields": "output.b: missing; expected str (and 2 more)\n"
        'output.a: expected int, got str "x"\n'
        "output.c[1]: expected int, got bool true",
        "whole": "output: expected {rows: int}, got null: has it printed a line"
        " `ORK_OUTPUT:{...}`?",
        "text": "output: not JSON: 'x' (Expecting value: line 1 column 1 (char 0))",
        "number": "output: nan is not a JSON number",
        "deep": "output.a[0]: an integer beyond 2^53-1 loses digits in JSON; "
        "only a text, of type `str`, keeps them",
        "file": "output: $ORK_OUTPUT_FILE: Is a directory",
        "value": "output.a[1]: a bytes is not a JSON value; `.decode()` of it is one",
        "long": "output: larger than 64 MiB; write a file, return its path",
    }


def test_all_that_cannot_be_in_an_output_is_told_at_once(ork: Ork) -> None:
    ork.write(
        "metrics.yaml",
        "name: metrics\ntasks: {train: {executor: python, file: train.py, function: train}}\n",
    )
    ork.write(
        "train.py",
        "def train():\n"
        "    keys = {1: 2, 3: 4}\n"
        "    return {'loss': float('nan'), 'best': [1, 1j, {2}], 'seen': [keys, keys], 'ok': 1}\n",
    )
    assert ork("run", "metrics.yaml").code == 1
    taskrun = data(ork, "show", "metrics#1:train")["taskrun"]
    first, *others = taskrun["attempts"][0]["error"].splitlines()
    missing = "None stands for what is missing"
    assert first.startswith(f"output.loss: nan is not a JSON number; {missing}")
    assert first.endswith(" (and 4 more)")
    assert taskrun["reason"] == first
    assert [one.partition(";")[0] for one in others] == [
        "output.best[1]: a complex is not a JSON value",
        "output.best[2]: a set is not a JSON value",
        "output.seen[0]: the key 1 is an int, not a string",
        "output.seen[1]: the key 1 is an int, not a string",
    ]
    logged = ork("logs", "metrics#1").out
    assert all(one in logged for one in others)


def test_of_many_values_that_cannot_be_in_an_output_nobody_looks_at_all() -> None:
    with pytest.raises(Unfit) as caught:
        to_json({"a": [b"x"] * 15, "b": [b"x"] * 1000, "c": b"x"})
    first, *others = str(caught.value).splitlines()
    assert first.endswith(" (and at least 19 more)")
    assert others[-1].startswith("output.b[4]: ")
    assert len(others) == 19


def test_a_value_that_contains_itself_twice_is_refused_at_once() -> None:
    value: list[object] = []
    value += [value, value]
    with pytest.raises(Unfit, match=r"^output: it contains itself$"):
        to_json(value)


def test_a_path_and_an_id_are_outputs_as_texts() -> None:
    number = UUID(int=5)
    value = {"model": Path("models/best.pt"), "ids": (number,)}
    assert to_json(value) == {"model": "models/best.pt", "ids": [str(number)]}


@pytest.mark.parametrize("begin", ["", "from __future__ import annotations\n"])
def test_a_whole_number_is_a_float_where_the_function_says_so(ork: Ork, begin: str) -> None:
    ork.write(
        "rates.yaml",
        """\
        name: rates
        tasks:
          give: {executor: python, file: rates.py, function: give}
          take:
            executor: python
            file: rates.py
            function: take
            depends_on: [give]
            inputs: {rate: {const: 1.0}, steps: {const: 1}, on: {const: true}, text: {const: "1"},
                     loss: {ref: tasks.give.output}, other: {const: 2.0}}
        """,
    )
    ork.write(
        "rates.py",
        f"{begin}"
        "def give():\n    return 3.0\n"
        "def take(rate: float, steps: int, on: float, text: float, *, loss: float, other):\n"
        "    return repr([rate, steps, on, text, loss, other])\n",
    )
    assert ork("run", "rates.yaml").code == 0
    assert data(ork, "outputs", "rates#1:take") == {"take": "[1.0, 1, True, '1', 3.0, 2]"}


NESTED = """\
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Dict, List, NewType, Optional, Tuple, TypedDict, Union
if TYPE_CHECKING:
    from nowhere import Frame

Rate = NewType("Rate", float)
Rates = List[Rate]
@dataclass
class Base:
    rate: float
@dataclass
class Row(Base):
    step: int
    names: "list[str] | None"
    after: "Row | None" = None
class Move(TypedDict):
    by: Tuple[float, int]
def take(frame: "Frame", one: "float | None", row: Row, rows: Annotated[list[Row], 1],
         move: Move, moves: Union[List[Move], None], plain: list, numbers: list[int], share: Rate,
         either: int | float, mixed: list[int] | list[float], by_name: Dict[str, Rates],
         some: Sequence["float"], fixed: tuple[float, int], every: tuple[float, ...],
         matrix: Mapping[str, list[Optional[float]]], texts: dict[str, "str | float"]):
    return {name: repr(value) for name, value in locals().items()}
"""


@pytest.mark.parametrize("begin", ["", "from __future__ import annotations\n"])
def test_a_whole_number_is_a_float_within_what_the_function_says(ork: Ork, begin: str) -> None:
    row = {"after": {"rate": 2.0, "step": 2}, "names": None, "rate": 1.0, "step": 1}
    wanted = {
        "frame": [1],
        "one": 1.0,
        "row": row,
        "rows": [row, 1],
        "move": {"by": [1.0, 1]},
        "moves": [{"by": [1.0, 1, 1]}],
        "plain": [1],
        "numbers": [1],
        "share": 1.0,
        "either": 1,
        "mixed": [1],
        "by_name": {"a": [1.0, 2.0]},
        "some": [1.0, True, "1", 0.5],
        "fixed": [1.0, 1],
        "every": [1.0, 1.0],
        "matrix": {"a": [1.0, None]},
        "texts": {"a": 1.0, "b": "1"},
    }
    inputs = {name: {"const": value} for name, value in wanted.items()}
    take = {"executor": "python", "file": "w.py", "function": "take", "inputs": inputs}
    ork.write("w.json", json.dumps({"name": "w", "tasks": {"take": take}}))
    ork.write("w.py", begin + NESTED)
    assert ork("run", "w.json").code == 0
    shown = {name: repr(value) for name, value in wanted.items()}
    assert data(ork, "outputs", "w#1:take") == {"take": shown}


@pytest.mark.slow
def test_a_time_that_is_none_is_no_output(ork: Ork) -> None:
    pytest.importorskip("pandas")
    ork.write(
        "times.yaml",
        """\
        name: times
        tasks:
          one: {executor: python, file: times.py, function: one}
          none: {executor: python, file: times.py, function: none}
        """,
    )
    ork.write(
        "times.py",
        "import pandas\n"
        "def one():\n    return pandas.Timestamp('2026-11-01')\n"
        "def none():\n    return {'at': [pandas.NaT]}\n",
    )
    assert ork("run", "times.yaml").code == 1
    assert data(ork, "outputs", "times#1") == {"one": "2026-11-01T00:00:00"}
    reason = data(ork, "show", "times#1")["tasks"]["none"]["taskrun"]["reason"]
    assert reason.startswith("output.at[0]: NaT is not a time; None stands for what is missing: ")


def test_of_a_table_with_what_is_missing_it_names_the_cure() -> None:
    pandas = pytest.importorskip("pandas")

    def said(value: object) -> str:
        with pytest.raises(Unfit) as caught:
            to_json(value)
        return str(caught.value)

    table = pandas.DataFrame({"b": [1.5, None], "a": ["x", None]})
    kind = "output: a pandas.DataFrame is not a JSON value; `.to_dict"
    assert said(table[["a", "b"]]) == f"{kind}('records')` of it is one"
    split = f"{kind}('split')`, in which its columns keep their order, of it is one"
    assert said(table) == said(pandas.DataFrame({"b": [1], 0: [1]})) == split
    cure = "df.astype(object).where(df.notna(), None)"
    missing = f"None stands for what is missing: of a DataFrame `{cure}`"
    empty = f"output[1].b: nan is not a JSON number; {missing} (and 1 more)\noutput[1].a: nan"
    assert said(table.to_dict("records")).startswith(empty)
    assert said([pandas.NA]).endswith(f"NAType is not a JSON value; {missing}")
    assert said([pandas.NaT]) == f"output[0]: NaT is not a time; {missing}"
    assert said(float("inf")) == "output: inf is not a JSON number"
    alone = "output: nan is not a JSON number; None stands for what is missing"
    assert said(float("nan")) == said(table["b"].sum(skipna=False)) == alone
    own = type("Own", (pandas.DataFrame,), {})({"a": [1]})
    assert said(own).endswith("Own is not a JSON value; `.to_dict('records')` of it is one")
    columns = (table.columns, table["a"], table.index, pandas.Categorical(["x"]), table.values)
    assert {said(one).partition("; ")[2] for one in columns} == {"`.tolist()` of it is one"}
    labelled = said(table["b"].describe())
    assert labelled.endswith("; `.to_dict()`, which keeps its labels, of it is one")
    assert said(pandas.Series([1, 2], ["x", "x"])).endswith("; `.tolist()` of it is one")
    assert said(pandas.Timedelta("1h")).endswith("; `.total_seconds()` of it is one")
    cured = table.astype(object).where(table.notna(), None)
    assert to_json(cured.to_dict("split"))["data"] == [[1.5, "x"], [None, None]]


def test_a_task_that_is_refused_its_inputs_says_so_in_one_line_and_shows_them(ork: Ork) -> None:
    ork.write(
        "flow.yaml",
        """\
        name: flow
        tasks:
          give: {executor: process, command: "echo 'ORK_OUTPUT:{\\"a\\": 1, \\"b\\": 2}'"}
          take: {executor: process, command: "true", depends_on: [give], input_type: {all: {}},
                 inputs: {all: {ref: tasks.give.output}}}
        """,
    )
    told = ork("run", "flow.yaml")
    reason = "input.all.a: not a field of the declared type (and 1 more)"
    assert told.err.count("not a field") == 1
    assert f"take  {reason}\n" in told.err
    assert "next: `ork show flow#1:take`," in told.err, "it has no log"
    shown = data(ork, "show", "flow#1:take")
    assert shown["taskrun"]["reason"] == reason
    assert shown["inputs"] == {"all": {"a": 1, "b": 2}}


def test_a_task_that_printed_nothing_is_shown_and_has_no_log_to_look_at(ork: Ork) -> None:
    ork.write(
        "flow.yaml",
        "name: flow\ntasks: {a: {executor: process, command: sleep 60, timeout: 10ms}}\n",
    )
    assert "next: `ork show flow#1:a`, `ork show flow#1`" in ork("run", "flow.yaml").err


@pytest.mark.slow
def test_where_a_task_was_when_its_time_was_over_is_shown_and_not_in_its_log(ork: Ork) -> None:
    ork.write(
        "code.py", "import time\ndef main():\n    print('begun', flush=True)\n    time.sleep(60)\n"
    )
    ork.write(
        "flow.yaml",
        "name: flow\ntasks: {a: {executor: python, file: code.py, timeout: 2}}\n",
    )
    done = ork("run", "flow.yaml")
    assert "begun\n" in done.err and "next: `ork show flow#1:a`, `ork show flow#1`" in done.err
    assert 'code.py", line 4 in main' in ork("show", "flow#1:a").out
    ork.write("code.py", "def main():\n    print('begun')\n    raise ValueError('no')\n")
    assert "next: `ork logs flow#2:a`, `ork show flow#2`" in ork("run", "flow.yaml").err
