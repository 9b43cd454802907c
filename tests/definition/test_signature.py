"""The functions that tasks name: what is said of them before they run, and what is left unsaid."""

from __future__ import annotations

from pathlib import Path

import pytest

from ork.definition.signature import check_functions, modules_of, warn_of_dates
from ork.definition.workflow import parse
from ork.errors import InvalidInput, Problem
from ork.yaml.problems import Problems


def complaints(source: str, task: str = "", *, path: str = "a.py") -> list[Problem]:
    """Return what is said of one task and its code."""
    text = f"name: n\ntasks:\n  t: {{executor: python, {task or 'file: a.py'}}}\n"
    definition = parse(text.encode(), file="flow.yaml")
    problems = Problems("flow.yaml", text)
    check_functions(definition, modules_of({path: source.encode()}), problems)
    try:
        problems.check()
    except InvalidInput as error:
        return list(error.problems)
    return []


def test_a_function_that_is_not_there_is_named_where_the_task_names_it() -> None:
    source = "def extract(): pass\nasync def load(): pass\ndef _own(): pass\nLIMIT = 3\n"
    (found,) = complaints(source, "file: a.py, function: extrct")
    assert found.message == "a.py has no function `extrct`; it defines extract, load"
    assert found.hint == "did you mean `extract`?"
    assert found.source is not None and found.source[found.column - 1 :] == "extrct}"
    (found,) = complaints(source)
    assert found.message == "a.py has no function `main`; it defines extract, load"
    assert found.source is not None and found.source[found.column - 1 :] == "a.py}"
    (found,) = complaints("", "module: pkg.a", path="pkg/a.py")
    assert found.message == "pkg/a.py has no function `main`; it defines none"
    (found,) = complaints("", "module: pkg", path="pkg/__init__.py")
    assert found.message == "pkg/__init__.py has no function `main`; it defines none"


def test_a_mistake_that_several_tasks_share_is_told_once_where_the_function_is_defined() -> None:
    task = "executor: python, file: a.py, inputs: {dya: {const: 1}}"
    tasks = "".join(f"  t{n}: {{{task}}}\n" for n in range(5))
    text = f"name: n\ntasks:\n{tasks}  other: {{executor: python, file: a.py, inputs: {{}}}}\n"
    definition = parse(text.encode(), file="flow.yaml")
    problems = Problems("flow.yaml", text)
    sources = {"a.py": b"import os\n\ndef main(day): pass\n", "b.py": b""}
    check_functions(definition, modules_of(sources), problems, Path("flows"))
    by = "tasks call it so"
    assert [(one.file, one.line, one.column, one.message) for one in problems.found] == [
        (
            *("flows/a.py", 3, 1),
            f"`main` in a.py does not take the input `dya`; 5 {by}: t0, t1, t2 and 2 more",
        ),
        (
            *("flows/a.py", 3, 1),
            f"`main` in a.py needs `day`, which no input gives; 6 {by}: other, t0, t1 and 3 more",
        ),
    ]
    assert problems.found[0].source == "def main(day): pass"
    assert problems.found[0].hint == "did you mean `day`?"
    definition = parse(text.replace("a.py", "b.py").encode(), file="flow.yaml")
    problems = Problems("flow.yaml", text)
    check_functions(definition, modules_of(sources), problems)
    message = f"b.py has no function `main`; it defines none; 6 {by}: other, t0, t1 and 3 more"
    assert [(one.file, one.line, one.message) for one in problems.found] == [
        ("flow.yaml", 8, message)
    ]


@pytest.mark.parametrize(
    "source",
    [
        "main = lambda: 1",
        "main: object = print",
        "from other import main",
        "from other import f as main",
        "import main",
        "import main.sub",
        "from other import *",
        "def __getattr__(name): return print",
        "globals()['main'] = print",
        "exec('def main(): pass')",
        "import sys\nsetattr(sys.modules[__name__], 'main', print)",
        "try:\n    def main(): pass\nexcept ImportError:\n    pass",
        "if 1:\n    def main(): pass\nelse:\n    def main(a): pass",
        "for main in [print]: pass",
        "def set_up():\n    global main\n    main = print\nset_up()",
        "(main := print)",
        "a, (b, *main) = [1, [2, 3]]",
        "class main:\n    def __init__(self): pass",
        "with open('x') as main: pass",
        "match 1:\n    case main: pass",
        "def f(:",
        "x = [main for main in [print]]",  # not a name of the module, but who would write that
        "x = " + "-" * 100_000 + "1",
        "\0",
    ],
)
def test_what_may_be_there_is_no_complaint(source: str) -> None:
    assert complaints(source) == []


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    main = 1",
        "class A:\n    def main(self): pass",
        "def f():\n    def main(): pass",
        "x = lambda main: 1",
        "import os.main",
        "'def main(): pass'",
    ],
)
def test_what_is_inside_of_something_else_is_not_there(source: str) -> None:
    assert "has no function `main`" in complaints(source)[0].message


@pytest.mark.parametrize(
    ("arguments", "inputs", "messages"),
    [
        ("day, url", "{day: {const: 1}, url: {const: 2}}", []),
        ("day, url=1, *, n=2", "{day: {const: 1}}", []),
        ("day, url=1, *, n=2", "{day: {const: 1}, n: {const: 1}}", []),
        ("**all", "{day: {const: 1}}", []),
        ("*all", "{}", []),
        ("day, **all", "{x: {const: 1}, day: {const: 1}}", []),
        ("day=1, /", "{}", []),
        ("", "{day: {const: 1}}", ["`main` in a.py does not take the input `day`"]),
        ("*day", "{day: {const: 1}}", ["`main` in a.py does not take the input `day`"]),
        ("day=1, /", "{day: {const: 1}}", ["`main` in a.py does not take the input `day`"]),
        ("day", "{}", ["`main` in a.py needs `day`, which no input gives"]),
        ("*, day, n=1", "{}", ["`main` in a.py needs `day`, which no input gives"]),
        ("day, **all", "{x: {const: 1}}", ["`main` in a.py needs `day`, which no input gives"]),
        (
            "day, url",
            "{dya: {const: 1}, url: {const: 2}}",
            [
                "`main` in a.py does not take the input `dya`",
                "`main` in a.py needs `day`, which no input gives",
            ],
        ),
        ("day, /", "{}", ["`main` in a.py takes `day` by position only; inputs are given by name"]),
    ],
)
def test_inputs_fit_the_arguments(arguments: str, inputs: str, messages: list[str]) -> None:
    source = f"async def main({arguments}):\n    pass\n"
    found = complaints(source, f"file: a.py, inputs: {inputs}")
    assert sorted(problem.message for problem in found) == sorted(messages)


def test_an_input_that_the_function_does_not_take_is_shown_where_it_stands() -> None:
    source = "def main(day, url=1): pass"
    found = complaints(source, "file: a.py, inputs: {day: {const: 1}, ulr: {const: 2}}")
    assert [problem.hint for problem in found] == ["did you mean `url`?"]
    assert found[0].source is not None
    assert found[0].source[found[0].column - 1 :].startswith("ulr:")
    (missing,) = complaints(source)
    assert missing.source is not None and missing.source[missing.column - 1 :] == "a.py}"


@pytest.mark.parametrize(
    "source",
    [
        "@wrapped\ndef main(): pass",
        "def main(): pass\nmain = wrapped(main)",
        "def main(): pass\ndef main(a): pass",
        "from other import main",
    ],
)
def test_a_function_that_is_not_what_it_looks_like_takes_anything(source: str) -> None:
    assert complaints(source, "file: a.py, inputs: {x: {const: 1}}") == []


def test_a_task_that_calls_no_function_of_the_project_is_not_looked_at() -> None:
    text = (
        b"name: n\ntasks: {t: {executor: process, file: a.py}, u: {executor: library, file: a.py}}"
    )
    problems = Problems("flow.yaml")
    check_functions(parse(text, file="flow.yaml"), modules_of({"a.py": b""}), problems)
    assert problems.count == 0


def test_each_task_with_a_wrong_call_is_told_and_none_with_a_good_one() -> None:
    tasks = ("f, inputs: {a: {const: 1}}", "f", "g", "f, inputs: {a: {const: 2}}", "f", "g")
    lines = "".join(
        f"  t{number}: {{executor: python, file: a.py, function: {rest}}}\n"
        for number, rest in enumerate(tasks)
    )
    text = f"name: n\ntasks:\n{lines}"
    problems = Problems("flow.yaml", text)
    source = b"def f(a): pass\n"
    check_functions(parse(text.encode(), file="flow.yaml"), modules_of({"a.py": source}), problems)
    with pytest.raises(InvalidInput) as caught:
        problems.check()
    found = [(one.line, one.message.rpartition("; ")[2]) for one in caught.value.problems]
    assert found == [(1, "2 tasks call it so: t1, t4"), (5, "2 tasks call it so: t2, t5")]


@pytest.mark.parametrize(
    ("annotation", "wanted"),
    [
        ("date", "date"),
        ("datetime.date", "date"),
        ("dt.datetime", "datetime"),
        ("date | None", "date"),
        ("Optional[date]", "date"),
        ("typing.Optional[dt.date]", "date"),
        ("'dt.date'", "date"),
        ("date | str", None),
        ("str | None", None),
        ("list[date]", None),
        ("f()", None),
        ("1", None),
        ("a" + "[0]" * 900, None),
    ],
)
def test_a_date_that_arrives_as_text_is_told(annotation: str, wanted: str | None) -> None:
    module_of = modules_of({"a.py": f"def main(*, day: {annotation}, other=1): pass".encode()})

    def warned(text: str) -> list[Problem]:
        definition, warnings = parse(text.encode(), file="flow.yaml"), Problems("flow.yaml", text)
        warn_of_dates(definition, module_of, warnings)
        return warnings.found

    text = (
        "name: n\nparams: {day: {type: date}}\n"
        "tasks: {t: {executor: python, file: a.py, inputs: {day: {ref: params.day}}}}\n"
    )
    warnings = warned(text)
    assert len(warnings) == (wanted is not None)
    for found in warnings:
        assert found.message == f"`day` arrives as text, but `main` in a.py takes a {wanted}"
        assert found.hint == "`input_type: {day: date}` makes it one"
        assert found.source is not None and found.source[found.column - 1 :].startswith("day:")
    assert warned(text.replace("inputs:", "input_type: {day: date}, inputs:")) == []


@pytest.mark.parametrize(
    ("annotation", "form"),
    [
        ("list[date]", "[date]"),
        ("list[dt.date] | None", "[date]"),
        ("Optional[List['date']]", "[date]"),
        ("Sequence[datetime | None]", "[datetime_tz]"),
        ("list[list[date]]", "[[date]]"),
        ("dict[str, dt.date]", "{KEY: date}"),
        ("Mapping[str, list[date]]", "{KEY: [date]}"),
        ("list[str]", None),
        ("list", None),
        ("dict[date]", None),
        ("date[str]", None),
    ],
)
def test_dates_within_that_arrive_as_texts_are_told(annotation: str, form: str | None) -> None:
    module_of = modules_of({"a.py": f"def main(days: {annotation}): pass".encode()})
    for types in ("", "type: [date], "):
        text = (
            f"name: n\nparams: {{days: {{{types}default: ['2026-11-01']}}}}\n"
            "tasks: {t: {executor: python, file: a.py, inputs: {days: {ref: params.days}}}}\n"
        )
        definition, warnings = parse(text.encode(), file="flow.yaml"), Problems("flow.yaml", text)
        warn_of_dates(definition, module_of, warnings)
        fits = not types or str(form).startswith("[")  # else the type tells that it is wrong
        assert len(warnings.found) == (form is not None and fits)
        for found in warnings.found:
            told = f"`days` holds texts, but `main` in a.py takes {annotation}"
            assert found.message == told
            wanted = "[date]" if types else form
            assert found.hint == f"`input_type: {{days: {wanted}}}` makes it so"
