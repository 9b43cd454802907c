"""From the text of a workflow file to its Definition: what is understood, and every complaint."""

from __future__ import annotations

import gc
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ork.definition import workflow as syntax
from ork.definition.workflow import Definition, parse
from ork.definition.written import as_written
from ork.errors import InvalidInput, Problem
from ork.objects.canonical import Json
from ork.objects.kinds import BACKOFF_UNIT, SECOND, Task, decode_object, encode_object
from ork.yaml import forms
from ork.yaml.problems import PROBLEMS_MAX
from tests.definition import schema
from tests.scale import examples

FULL = """\
name: my_etl
description: text
schedule: "0 2 * * *"
types:
  Extracted: {path: str, rows: int}
tasks:
  extract:
    executor: python
    file: tasks/etl.py
    function: extract
    timeout: 600
    retries: 2
    input_type: {url: str}
    output_type: types.Extracted
    inputs: {url: {const: "https://..."}}
  load:
    executor: process
    command: ./load.sh
    depends_on: [extract]
    input_type: {path: str}
    output_type: {rows: int}
    inputs: {path: {ref: tasks.extract.output.path}}
"""


def read(text: str) -> Definition:
    found = parse(text.encode(), file="etl.yaml")
    assert schema.errors(text) == [], "the JSON Schema refuses what ork accepts"
    return found


def complaints(text: str) -> list[Problem]:
    with pytest.raises(InvalidInput) as caught:
        read(text)
    schema.check_refused(text, caught.value.problems)
    return list(caught.value.problems)


def one(text: str) -> Problem:
    (problem,) = complaints(text)
    return problem


def task(body: str, *, head: str = "") -> Task:
    return read(f"name: n\n{head}tasks:\n  t: {{executor: python, file: a.py, {body}}}\n").tasks[
        "t"
    ]


def task_problem(body: str, *, head: str = "") -> Problem:
    return one(f"name: n\n{head}tasks:\n  t: {{executor: python, file: a.py, {body}}}\n")


# -- what a file says


def test_the_example_of_the_format_is_read_as_it_says() -> None:
    found = read(FULL)
    assert found.name == "my_etl"
    assert found.settings == {"description": "text", "schedule": "0 2 * * *"}
    assert found.include == ()
    assert dict(found.tasks) == {
        "extract": Task(
            executor="python",
            file="tasks/etl.py",
            function="extract",
            timeout=600 * SECOND,
            retries=2,
            input_type={"url": "str"},
            output_type={"path": "str", "rows": "int"},
            inputs={"url": {"const": "https://..."}},
        ),
        "load": Task(
            executor="process",
            command="./load.sh",
            depends_on=("extract",),
            input_type={"path": "str"},
            output_type={"rows": "int"},
            inputs={"path": {"ref": "tasks.extract.output.path"}},
        ),
    }
    for found_task in found.tasks.values():
        encode_object(found_task)


def test_defaults_are_those_of_the_format() -> None:
    found = task("")
    assert (found.function, found.timeout, found.retries) == ("main", 300 * SECOND, 0)
    assert (found.retry_delay, found.retry_backoff) == (0, 1 * BACKOFF_UNIT)
    assert found.on_upstream_failure == "skip"


@pytest.mark.parametrize(
    ("written", "microseconds"),
    [
        ("0.000001", 1),
        ("0.5", 500_000),
        ("1.5e2", 150_000_000),
        ("9007199254", 9007199254 * SECOND),
    ],
)
def test_seconds_are_kept_as_whole_microseconds(written: str, microseconds: int) -> None:
    found = task(f"timeout: {written}, retry_delay: {written}")
    assert (found.timeout, found.retry_delay) == (microseconds, microseconds)
    assert as_written(found)["timeout"] == float(written)
    assert decode_object(encode_object(found)) == found


def test_a_backoff_is_kept_in_thousandths() -> None:
    found = task("retry_backoff: 1.5")
    assert found.retry_backoff == 1500
    assert as_written(found)["retry_backoff"] == 1.5


def test_null_is_as_good_as_not_given() -> None:
    empty = "timeout: ~, depends_on: , inputs: null, env: ~, input_type: null, module: ~"
    assert task(empty, head="description:\ninclude:\n") == task("")


def test_tasks_and_needs_are_sorted() -> None:
    body = "{executor: process, command: x"
    found = read(
        f"name: n\ntasks:\n  b: {body}}}\n  c: {body}, depends_on: [b, a]}}\n  a: {body}}}"
    )
    assert list(found.tasks) == ["a", "b", "c"]
    assert found.tasks["c"].depends_on == ("a", "b")


def test_shell_is_process_and_words_are_a_tuple() -> None:
    found = read("name: n\ntasks: {t: {executor: shell, command: [echo, 'a b', '']}}")
    assert found.tasks["t"].executor == "process"
    assert found.tasks["t"].command == ("echo", "a b", "")


def test_env_of_the_workflow_is_below_env_of_the_task() -> None:
    head = "env: {A: top, B: top, S: {secret: API_KEY}}\n"
    assert task("env: {B: own}", head=head).env == {
        "A": "top",
        "B": "own",
        "S": {"secret": "API_KEY"},
    }
    assert task("", head=head).env["B"] == "top"


def test_a_variable_is_a_text_or_refers_to_what_inputs_refer_to() -> None:
    head = "params: {day: date, n: {type: int, default: 1}}\nenv: {N: {ref: params.n}}\n"
    found = task(
        "env: {A: {const: a}, B: {const: 1.0}, C: {const: [1, {x: true}]}, D: {const: null},"
        " E: {ref: params.day}, F: {secret: KEY}}",
        head=head,
    )
    assert found.env == {
        "A": "a",
        "B": "1",
        "C": '[1,{"x":true}]',
        "D": {"const": None},
        "E": {"ref": "params.day"},
        "F": {"secret": "KEY"},
        "N": {"ref": "params.n"},
    }
    assert list(found.env) == sorted(found.env)
    assert task("env: {A: {const: a}}") == task("env: {A: a}")


def test_a_variable_takes_an_output_only_of_a_task_that_it_depends_on() -> None:
    text = (
        "name: n\n{head}tasks:\n"
        "  up: {{executor: process, command: a, output_type: {{rows: int}}}}\n"
        "  t: {{executor: process, command: a, {body}}}\n"
    )
    env = "env: {ROWS: {ref: tasks.up.output.rows}}"
    found = read(text.format(head="", body=f"{env}, depends_on: [up]")).tasks["t"]
    assert found.env == {"ROWS": {"ref": "tasks.up.output.rows"}}
    problem = one(text.format(head="", body=env))
    assert problem.message == "`up` is not in depends_on of `t`"
    problem = one(text.format(head="", body=f"{env.replace('rows', 'row')}, depends_on: [up]"))
    assert problem.hint == "did you mean `rows`?"
    problem = one(text.format(head=f"{env}\n", body="depends_on: [up]"))
    assert (problem.line, problem.message) == (
        2,
        "env of the whole workflow can refer to parameters only",
    )


@pytest.mark.parametrize("name", ["run", "file"])
def test_a_workflow_is_not_named_as_a_revision_begins(name: str) -> None:
    found = one(f"name: {name}\ntasks: {{t: {{executor: process, command: a}}}}")
    assert (found.line, found.column) == (1, 7)
    assert found.message == f"a workflow cannot be named `{name}`"
    assert read(f"name: {name}s\ntasks: {{{name}: {{executor: process, command: a}}}}").name


def test_a_shell_is_kept_where_it_is_not_the_usual_one() -> None:
    head = "shell: [bash, -euo, pipefail, -c]\n"
    bash = ("bash", "-euo", "pipefail", "-c")

    def shell(body: str, head: str = head) -> tuple[str, ...] | None:
        return read(f"name: n\n{head}tasks: {{t: {{executor: process, {body}}}}}").tasks["t"].shell

    assert shell("command: a | b") == bash
    assert shell("command: a, shell: [zsh, -c]") == ("zsh", "-c")
    assert shell("command: [a, b]") is None
    assert shell("file: a.sh") is None
    assert task("", head=head).shell is None
    assert shell("command: a, shell: [/bin/sh, -c]") is None
    assert shell('command: "a\\nb", shell: [/bin/sh, -e, -c]') is None
    assert shell('command: "a\\nb", shell: [/bin/sh, -c]') == ("/bin/sh", "-c")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("bash", 'shell must be a list of words, not str "bash"'),
        ("[]", "shell is empty"),
        ("[bash, -e]", "shell: without `-c`, bash takes a line for the name of a file"),
        ("[1]", "a word of a shell must be a text, not int 1"),
    ],
)
def test_a_wrong_shell_is_named(words: str, message: str) -> None:
    assert task_problem("", head=f"shell: {words}\n").message == message


def test_no_command_is_longer_than_a_system_starts() -> None:
    text = "name: n\ntasks: {t: {executor: process, command: %s}}"
    assert read(text % ("x" * (128 * 1024 - 1))).tasks["t"].command
    for command in ("x" * (128 * 1024), "[echo, " + "é" * (64 * 1024) + "]"):
        assert one(text % command).message == "no command of more than 128 KiB can be started"


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("30s", 30),
        ("5m", 300),
        ("1h30m", 5400),
        ("2d", 172_800),
        ("1d1h1m1s", 90_061),
        ("0.5s", 0.5),
        ("500ms", 0.5),
        ("1m1s1ms", 61.001),
        ("90", 90),
    ],
)
def test_a_duration_is_seconds_or_a_text(written: str, seconds: float) -> None:
    found = task(f"timeout: {written}, retry_delay: {written}")
    assert (found.timeout, found.retry_delay) == (seconds * SECOND, seconds * SECOND)


def test_no_timeout_is_said_and_shown() -> None:
    found = task("timeout: none")
    assert found.timeout is None
    assert as_written(found)["timeout"] == "none"
    assert task("timeout: null").timeout == 300 * SECOND


def test_fresh_is_of_tasks_that_share_a_process() -> None:
    assert task("fresh: true").fresh
    assert task("fresh: false") == task("")
    text = "name: n\ntasks: {t: {executor: process, command: a, fresh: true}}"
    assert one(text).message == "`fresh` has no meaning in a process task"


def test_ork_keys_are_understood() -> None:
    found = read(
        "name: n\nmax_parallel: 4\npython: .venv/bin/python\ninclude: [./b/**, a.sql, a.sql]\n"
        "tasks:\n  t: {executor: library, file: ./lib//x.so, retry_delay: 1.5, retry_backoff: 2.0,"
        " on_upstream_failure: run}"
    )
    assert found.settings == {"max_parallel": 4, "python": ".venv/bin/python"}
    assert found.include == ("a.sql", "b/**")
    assert found.tasks["t"].file == "lib/x.so"
    assert found.tasks["t"].function is None
    assert found.tasks["t"].retry_delay == 1.5 * SECOND
    assert found.tasks["t"].retry_backoff == 2 * BACKOFF_UNIT


def test_aliases_of_types_are_resolved() -> None:
    head = "types: {A: {x: types.B}, B: [types.C], C: date}\n"
    assert task("output_type: types.A", head=head).output_type == {"x": ["date"]}


def test_constants_have_the_form_of_their_type() -> None:
    body = (
        "input_type: {d: date, f: float, i: int, u: [datetime_utc]}, inputs: {d: {const: "
        "2026-01-02}, f: {const: 1}, i: {const: 2.0}, u: {const: ['2026-01-02 03:04+00:00']}}"
    )
    assert task(body).inputs == {
        "d": {"const": "2026-01-02"},
        "f": {"const": 1.0},
        "i": {"const": 2},
        "u": {"const": ["2026-01-02T03:04:00Z"]},
    }


@pytest.mark.parametrize(
    ("written", "path"),
    [("./a//b.py", "a/b.py"), ("a/../b.py", "b.py"), ("a/./b.py", "a/b.py"), ("é b.py", "é b.py")],
)
def test_paths_are_normalised(written: str, path: str) -> None:
    found = read(f"name: n\ntasks: {{t: {{executor: python, file: '{written}'}}}}")
    assert found.tasks["t"].file == path


def test_places_tell_where_things_stand() -> None:
    nodes = read(FULL + "include: [x, ./y]\n").places
    places = {path: (node.line, node.column) for path, node in nodes.items()}
    assert places["name",] == (1, 7)
    assert places["tasks", "extract"] == (7, 3)
    assert places["tasks", "extract", "file"] == (9, 11)
    assert places["include", "y"] == (23, 14)


def test_places_and_text_are_no_part_of_equality() -> None:
    assert read(FULL) == read("# comment\n" + FULL)


def outcome(text: str) -> object:
    try:
        return read(text)
    except InvalidInput as error:
        schema.check_refused(text, error.problems)
        return error.problems


@settings(
    deadline=None,
    max_examples=examples(60),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_what_is_wrong_is_told_alike_whether_places_were_kept_or_not(
    data: st.DataObject, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = re.split(r"(\w+)", FULL)
    for _ in range(data.draw(st.integers(0, 2))):
        at, other = (data.draw(st.integers(0, len(words) - 1)) for _ in range(2))
        words[at] = words[other]
    text = "".join(words)
    found = outcome(text)
    with monkeypatch.context() as patch:
        patch.setattr(forms, "read_unplaced", lambda text, key: None)
        assert found == outcome(text)


def test_cycle_collection_is_as_before() -> None:
    assert gc.isenabled()
    read(FULL)
    assert gc.isenabled()
    with pytest.raises(InvalidInput):
        read("a")
    assert gc.isenabled()


# -- complaints


def test_all_complaints_come_at_once_in_order_with_their_lines() -> None:
    text = "nam: x\ntasks:\n  a: {executor: pyton, file: a.py}\n  b: {executor: python}\n"
    found = complaints(text)
    assert [(p.line, p.column, p.message, p.hint) for p in found] == [
        (1, 1, "`name` is missing", "as in `name: my_etl`"),
        (1, 1, "unknown key `nam` in a workflow", "did you mean `name`?"),
        (
            3,
            17,
            "executor must be one of python, process, library, shell, not 'pyton'",
            "did you mean `python`?",
        ),
        (4, 3, "the task `b` does not say what to execute", "a python task has `file` or `module`"),
    ]
    assert [p.source for p in found] == [text.split("\n")[p.line - 1] for p in found]
    assert {p.file for p in found} == {"etl.yaml"}


@pytest.mark.parametrize(
    ("body", "at", "message", "hint"),
    [
        ("timeout: 0", "0}", "timeout must be more than 0, not 0", None),
        ("timeout: 10x", "10x}", "timeout cannot be '10x'", "as in `30s`, `5m`"),
        ("timeout: 5m1h", "5m1h}", "timeout cannot be '5m1h'", "as in `30s`, `5m`"),
        ("timeout: 0s", "0s}", "timeout must be more than 0, not 0", None),
        ("timeout: '600'", "'600'}", "timeout cannot be '600'", "or a number of seconds"),
        ("timeout: None", "None}", "timeout cannot be 'None'", "`none`"),
        ("retry_delay: {minutes: 5}", "{m", "must be a time, not an object", "as in `5m`"),
        ("retry_delay: none", "none}", "retry_delay cannot be 'none'", "as in `30s`"),
        ("timeout: true", "true}", "timeout must be a number, not bool true", None),
        ("timeout: 0.0000001", "0.0", "timeout must be at least 0.000001, not 1e-07", None),
        ("timeout: 1e300", "1e3", "timeout must be at most 9007199254, not 1e+300", None),
        ("timeout: .inf", ".inf", "timeout cannot be '.inf'", "`none`"),
        ("retry_delay: 1e300", "1e3", "retry_delay must be at most 9007199254,", None),
        ("retry_backoff: 1e300", "1e3", "retry_backoff must be at most 9007199254740,", None),
        ("retries: 1e300", "1e3", "retries must be at most 9007199254740991, not 1e+300", None),
        ("retries: -1", "-1}", "retries must be at least 0, not -1", None),
        ("retries: 1.5", "1.5}", "retries must be a whole number, not 1.5", None),
        ("retry_backoff: 0.5", "0.5}", "retry_backoff must be at least 1, not 0.5", None),
        ("retry_delay: -1", "-1}", "retry_delay must be at least 0, not -1", None),
        ("on_upstream_failure: stop", "stop}", "must be one of skip, run, not 'stop'", None),
        ("timout: 1", "timout: 1}", "unknown key `timout`", "did you mean `timeout`?"),
        ("retries:1", "retries:1}", "unknown key `retries:1`", "missing: `retries: 1`"),
        ("needs: [a]", "needs: [a]}", "unknown key `needs`", "did you mean `depends_on`?"),
        ("upstream: [a]", "upstream", "unknown key `upstream`", "did you mean `depends_on`?"),
        ("op_kwargs: {}", "op_k", "unknown key `op_kwargs`", "did you mean `inputs`?"),
        ("requires: [b]", "requ", "unknown key `requires`", "did you mean `depends_on`?"),
        ("outs: [x.csv]", "outs", "unknown key `outs`", "reads or writes need no key"),
        ("cwd: sub", "cwd", "unknown key `cwd`", "`cd FOLDER &&` leads elsewhere"),
        ("if: x", "if", "unknown key `if`", "did you mean `when`?"),
        ("skip_if: x", "skip_if", "unknown key `skip_if`", "is: false}` is the opposite"),
        ("when: true", "true}", "when is a reference, and the value", "as in `when: {ref:"),
        ("when: params.x", "params.x}", "when is a reference", "write {ref: params.x}"),
        ("when: '{{ params.x }}'", "'{", "when is a reference", "write {ref: params.x}"),
        ("when: {is: 1}", "{is", "when is a reference, and the value", "params.mode, is: fast"),
        ("when: {ref: params.x, was: 1}", "{ref", "when is a reference, and the value", None),
        ("when: {ref: x}", "x}}", 'not a reference: str "x"', "as in"),
        ("when: {ref: tasks.y.output}", "tasks.y.o", "no task named `y`", None),
        ("inputs: {a: {else: 1}}", "{else", "`a` is neither a constant", None),
        ("cache: true", "cach", "unknown key `cache`", "`ork retry` and `ork run --from` keep"),
        ("trigger_rule: all", "trig", "unknown key", "did you mean `on_upstream_failure`?"),
        ("matrix: {}", "matrix", "unknown key `matrix`", "shared keys by `<<: *name`, or one"),
        ("foreach: []", "foreach", "unknown key `foreach`", "goes over a list"),
        ("pool: x", "pool", "unknown key `pool`", "`max_parallel` at the top of the file"),
        ("depends_on: a", "a}", 'depends_on must be a list, not str "a"', "`depends_on: [a]`"),
        ("depends_on: [t]", "t]}", "`t` depends on itself", "remove it"),
        ("depends_on: [1]", "1]}", "must be a text, not int 1", "quote it"),
        ("depends_on: [x]", "x]}", "no task named `x`", None),
        ("command: x", "x}", "`command` has no meaning in a python task", "`executor: process`"),
        ("module: a.b", "a.b}", "has both `file` and `module`", "keep one"),
        ("function: x.py:f", "x.py:f}", "function cannot", "`file: x.py` and `function: f`"),
        ("function: x.y:f", "x.y:f}", "function cannot", "`module: x.y` and `function: f`"),
        ("function: 1a", "1a}", "function cannot be '1a'", "a Python name"),
        ("function: ''", "''}", "function is empty", None),
        ("input_type: str", "str}", "input_type must be an object type", "as in"),
        ("output_type: string", "string}", "unknown type `string`", "use str"),
        ("output_type: Integer", "Integer}", "unknown type `Integer`", "use int"),
        ("output_type: datetime", "datetime}", "unknown type", "datetime_notz, datetime_tz or"),
        ("output_type: timestamp", "timestamp}", "unknown type", "use datetime_utc"),
        ("output_type: flaot", "flaot}", "unknown type `flaot`", "did you mean `float`?"),
        ("output_type: types.X", "types.X}", "no alias `X` under `types:`", "declare it"),
        ("output_type: [int, str]", "[int, str]}", "a list type has exactly one element", "as in"),
        ("output_type: [1]", "1]}", "a type is expected, not int 1", "a type, as in"),
        ("output_type: {a.b: int}", "a.b: int}}", "'a.b' is not a name of a field", "without dots"),
        ("inputs: [a]", "[a]}", "inputs must be a mapping, not a list", "{const: VALUE}"),
        ("inputs: {a: '${params.x}'}", "'$", "`a` is neither a constant", "{ref: params.x}"),
        ("inputs: {a: '{{ tasks.a.output }}'}", "'{", "`a` is neither", "{ref: tasks.a.output}"),
        ("inputs: {a: 1}", "1}}", "`a` is neither a constant", "{const: 1}"),
        ("inputs: {a: {secret: X}}", "{secret", "`a` is neither", "`env: {a: {secret: NAME}}`"),
        ("inputs: {a: {cons: 1}}", "{cons", "`a` is neither", "did you mean `const`?"),
        ("env: {K: {secrets: X}}", "{secrets", "K must be a text", "did you mean `secret`?"),
        ("inputs: {a: tasks.x.output}", "tasks.x.outp", "`a` is neither", "{ref: tasks.x.output}"),
        (
            "inputs: {a: {const: 1, ref: b}}",
            "{const: 1, r",
            "`a` has both `const` and `ref`",
            "keep one of them",
        ),
        (
            "env: {A: {ref: params.x, secret: B}}",
            "{ref",
            "env: A has both `ref` and `secret`",
            "keep one of them",
        ),
        ("inputs: {a: tasks.x.rows}", "tasks.x.r", "`a` is neither", "{ref: params.NAME}"),
        ("inputs: {a: tasks.t.rows}", "tasks.t.r", "`a` is neither", "{ref: tasks.t.output.rows}"),
        ("inputs: {a: {ref: x}}", "x}}}", 'not a reference: str "x"', "as in"),
        ("inputs: {a: {ref: tasks.t.output}}", "tasks.t.outp", "cannot use its own output", None),
        ("inputs: {a: {ref: tasks.y.output}}", "tasks.y.outp", "no task named `y`", None),
        ("env: {A: 1}", "1}}", "env: A must be a text, not int 1", "quote it"),
        ("env: {A: true}", "true}}", "env: A must be a text, not bool true", "quote it"),
        ("env: {A: ~}", "~}}", "env: A must be a text, not null", "the empty text"),
        ("env: {A: {secret: 'a b'}}", "'a b'}}}", "a secret names one variable", "as in"),
        ("env: {A: {secrets: X}}", "{secrets: X}", "env: A must be a text", "{secret: NAME}"),
        ("env: {A-B: x}", "A-B: x}}", "'A-B' is not a name of a variable", "letters"),
        ("env: {'': x}", "'': x}}", "'' is not a name of a variable", "letters"),
        ('env: {A: "a\\0b"}', '"a\\0b"}}', "env: A contains the character NUL", None),
        ("env: {A: 1}", "1}}", "env: A must be a text, not int 1", "quote it"),
        ("env: {A: [1]}", "[1]}}", "env: A must be a text", "{ref: params.NAME}"),
        ("env: {A: {ref: params.p}}", "params.p}}", "no parameter named `p`", "declare it"),
        ("env: {A: {ref: tasks.u.output}}", "tasks.u", "no task named `u`", None),
        ("env: {A: '${params.x}'}", "'$", "nothing is replaced", "{ref: params.x}"),
        ("env: {A: {ref: x}}", "x}}", "not a reference", "as in `tasks.NAME.output`"),
        ("env: {ORK_RUN_ID: x}", "ORK_RUN_ID", "ork itself gives the variable", "another name"),
        ("env: {ORK_IN_day: x}", "ORK_IN_day", "ork itself gives the variable", "another name"),
        ("fresh: 1", "1}", "fresh must be true or false, not int 1", None),
        ("freshh: true", "freshh", "unknown key `freshh`", "did you mean `fresh`?"),
        ("shell: [sh, -c]", "[sh", "`shell` has no meaning here", "a `command`"),
        ("env: [A]", "[A]}", "env must be a mapping", "as in"),
    ],
)
def test_a_wrong_key_of_a_task_is_named(body: str, at: str, message: str, hint: str | None) -> None:
    found = task_problem(body)
    assert message in found.message
    assert found.line == 3
    assert found.source is not None
    assert found.source[found.column - 1 :].startswith(at)
    assert hint is None or hint in (found.hint or "")


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("schedule: '0 2 * *'\n", "five fields, this has 4"),
        ("schedule: 5\n", "schedule must be a text, a mapping or a list of these, not 5"),
        ("description: 5\n", "description must be a text"),
        ("max_parallel: 0\n", "max_parallel must be at least 1"),
        ("max_parallel: 1.5\n", "max_parallel must be a whole number"),
        ("include: a.sql\n", "include must be a list"),
        ("include: [../a]\n", "leaves the folder"),
        ("types: [a]\n", "types must be a mapping"),
        ("types: {a b: str}\n", "'a b' is not a name of a type"),
        ("types: {A: strin}\n", "unknown type `strin`"),
        ("types: {A: [A]}\n", "unknown type `A`"),
        ("types: {A: [types.A]}\n", "the type aliases form a cycle: A -> A"),
        ("types: {A: types.B, B: {x: types.C}, C: [types.B]}\n", "a cycle: B -> C -> B"),
        ("python: ''\n", "python is empty"),
        ("version: 2\n", "unknown key `version` in a workflow"),
        ("steps: {}\n", "unknown key `steps`"),
    ],
)
def test_a_wrong_key_of_a_workflow_is_named(head: str, message: str) -> None:
    assert message in task_problem("", head=head).message


@pytest.mark.parametrize(
    ("head", "hint"),
    [
        ("catchup: false\n", "`schedule: {cron: ..., catchup: ...}`"),
        ("start_date: 2026-01-01\n", "a schedule begins when it is deployed"),
        ("default_args: {}\n", "tasks share keys by `<<: *name`"),
        ("concurrency: 2\n", "did you mean `max_parallel`?"),
        ("params: {n: 3}\n", "a default is written as `n: {default: 3}`"),
        ("params: {n: eu}\n", 'a default is written as `n: {default: "eu"}`'),
        ("params: {n: ~}\n", "a default is written as `n: {default: null}`"),
        ("params: {n: flaot}\n", "did you mean `float`?"),
        ("params: {n: string}\n", "use str"),
        ("params: {n: Path}\n", "use str"),
        ("params: {n: {type: Decimal}}\n", "use float"),
        ("params: {n: {type: set}}\n", "use [type]"),
        ("params: {n: types.X}\n", "declare it under `types:`"),
        ("matrix: {}\n", "one task that goes over a list"),
        ("retries: 2\n", "did you mean `tasks.NAME.retries`?"),
        ("retry: 2\n", "did you mean `tasks.NAME.retries`?"),
    ],
)
def test_a_key_that_other_tools_have_at_the_top_is_told_what_there_is(head: str, hint: str) -> None:
    assert hint in (task_problem("", head=head).hint or "")


def test_a_default_that_is_meant_for_the_slot_is_told_where_it_belongs() -> None:
    hint = task_problem("", head="params: {day: {type: date, default: slot - 1d}}\n").hint
    assert hint == "`schedule: {cron: ..., params: {day: slot - 1d}}` gives it"
    found = task_problem("", head="params: {day: {type: date, default: today}}\n")
    assert "the default of the parameter `day`" in found.message
    assert found.hint == (
        "a default is the same each day; `ork run -i day=today`, or"
        " `schedule: {cron: ..., params: {day: slot}}` gives it"
    )


PAGE = Path(__file__).parents[2] / "docs" / "workflow.md"


def test_the_tasks_of_the_page_that_are_alike_share_their_keys() -> None:
    section = PAGE.read_text().partition("## Many tasks alike\n")[2]
    tasks = read(section.partition("```yaml\n")[2].partition("```")[0]).tasks
    assert len(tasks) == 3
    assert {(task.command, task.retries) for task in tasks.values()} == {
        ('./load.sh "$ORK_IN_shop"', 2)
    }
    assert len({str(task.inputs) for task in tasks.values()}) == 3


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{executor: process, command: x, file: y}", "has both `command` and `file`"),
        ("{executor: process}", "does not say what to execute"),
        ("{executor: process, command: ''}", "command is empty"),
        ("{executor: process, command: []}", "command is empty"),
        ("{executor: process, command: [a, 1]}", "a word of a command must be a text, not int 1"),
        ("{executor: process, command: ['', a]}", "the first word of a command is a program"),
        ('{executor: process, command: "a\\0b"}', "command contains the character NUL"),
        ("{executor: process, command: x, function: f}", "`function` has no meaning"),
        ("{executor: library, module: x, file: y}", "`module` has no meaning in a library task"),
        ("{executor: python, module: a/b.py}", "module cannot be 'a/b.py'"),
        ("{executor: python, module: .a}", "module cannot be '.a'"),
        ("{command: x}", "has no executor"),
        ("[a]", "the task `t` must be a mapping, not a list"),
        ("", "the task `t` must be a mapping, not null"),
    ],
)
def test_what_a_task_executes_is_said_exactly_once(body: str, message: str) -> None:
    assert message in one(f"name: n\ntasks:\n  t: {body}\n").message


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("../a.py", "leaves the folder"),
        ("a/../../b.py", "leaves the folder"),
        ("..", "leaves the folder"),
        ("/etc/passwd", "is absolute"),
        ("//a", "is absolute"),
        ("~/a.py", "is not a path below"),
        ("file:///a", "is not a path below"),
        ("a\\b.py", "backslash"),
        (".", "names a folder"),
        ("a/", "names a folder"),
        ("a/..", "names a folder"),
        ("a\\tb", "backslash"),
        ("x" * 1025, "more than 1024 characters"),
        (" ", "file is empty"),
    ],
)
def test_a_path_stays_below_the_root(path: str, message: str) -> None:
    found = one(f"name: n\ntasks:\n  t:\n    executor: python\n    file: '{path}'\n")
    assert message in found.message
    assert (found.line, found.column) == (5, 11)


@pytest.mark.parametrize(("glob", "files"), [("conf/", "conf/**"), (".", "**"), ("a/./", "a/**")])
def test_a_folder_is_included_by_a_pattern(glob: str, files: str) -> None:
    problem = task_problem("", head=f"include: [{glob}]\n")
    assert "names a folder, not a file" in problem.message
    assert problem.hint == f"name a file, or {files}"


@pytest.mark.parametrize(
    ("command", "at", "hint"),
    [
        ("echo ${params.day}", "${params.day}", "`inputs: {day: {ref: params.day}}`, and `$ORK_IN"),
        ("echo ${tasks.a.output.rows}", "${tasks", "{rows: {ref: tasks.a.output.rows}}`, and `$O"),
        ("|\n      cd x\n      y '${ params.a-b }'\n", "${ params", "{a_b: {ref: params.a-b}}`"),
        (
            "[sh, -c, 'x ${tasks.a.output}']",
            "${tasks.a",
            "`$ORK_IN_a` in a command that is one text",
        ),
    ],
)
def test_a_value_is_put_into_no_command(command: str, at: str, hint: str) -> None:
    problem = one(f"name: w\ntasks:\n  t:\n    executor: process\n    command: {command}\n")
    assert "stands in a command, in which nothing is replaced" in problem.message
    assert problem.source is not None and problem.source[problem.column - 1 :].startswith(at)
    assert hint in (problem.hint or "")


@pytest.mark.parametrize(
    "text", ["${day}", r"\${params.x}", "${paramsx}", "${#params}", "$params.x"]
)
def test_what_a_shell_has_is_put_into_commands(text: str) -> None:
    line = f"echo {text}"
    found = read(f"name: w\ntasks: {{t: {{executor: process, command: '{line}'}}}}\n")
    assert found.tasks["t"].command == line


def test_a_path_has_no_control_characters() -> None:
    found = one('name: n\ntasks: {t: {executor: python, file: "a\\0b"}}')
    assert "NUL" in found.message
    found = one('name: n\ntasks: {t: {executor: python, file: "a\\nb"}}')
    assert "control character" in found.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there is no workflow in this file"),
        ("# a\n", "there is no workflow in this file"),
        ("a", "a workflow must be a mapping, not str"),
        ("- a", "a workflow must be a mapping, not a list"),
        ("name: n", "`tasks` is missing"),
        ("name: n\nt: {executor: shell, command: x}", "`t` looks like a task, and does not stand"),
        ("name: n\ntasks: {}", "tasks must be a mapping of at least one task"),
        ("name: n\ntasks: [a]", "tasks must be a mapping of at least one task"),
        ("name: n\ntasks:\n", "`tasks` is missing"),
        ("name: a b\ntasks: {t: {executor: shell, command: x}}", "name cannot be 'a b'"),
        ("name: .a\ntasks: {t: {executor: shell, command: x}}", "name cannot be '.a'"),
        ("name: 12\ntasks: {t: {executor: shell, command: x}}", "name must be a text, not int 12"),
        ("name: n\ntasks: {a b: {executor: shell, command: x}}", "cannot be 'a b'"),
        ("name: n\ntasks: {é: {executor: shell, command: x}}", "cannot be 'é'"),
        ("name: n\ntasks: {a.output: {executor: shell, command: x}}", "cannot be named"),
        (f"name: {'n' * 129}\ntasks: {{t: {{executor: shell, command: x}}}}", "name cannot be"),
    ],
)
def test_a_workflow_has_a_name_and_tasks(text: str, message: str) -> None:
    assert message in one(text).message


@pytest.mark.parametrize(
    ("tasks", "line", "message", "hint"),
    [
        ("  a:\n  executor: process\n  command: x\n", 4, "`executor` is a key of a task", "line 3"),
        (
            "  a:\n  executor: process\n  command: x\n  b:\n  executor: process\n  command: y\n",
            4,
            "`executor` is a key of a task",
            "line 3",
        ),
        (
            "  executor: process\n  command: x\n",
            3,
            "`executor` is a key of a task",
            "name the task",
        ),
        (
            "  a: {executor: process, command: x}\n  b: {executor: process, command: y}\n"
            "  depends_on: [a]\n  retries: 2\n",
            5,
            "`depends_on` is a key of a task",
            "line 4",
        ),
        (
            "a: {executor: process, command: x}\nb: {executor: process, command: y}\n",
            3,
            "`a` stands beside `tasks`, which is empty",
            "below line 2",
        ),
        (
            "  a: {executor: process, command: x}\nb: {executor: process, command: y}\n"
            "on_failure: {command: z}\n",
            4,
            "`b` looks like a task, and does not stand below `tasks`",
            "below line 2",
        ),
    ],
)
def test_what_is_not_indented_enough_is_said_once(
    tasks: str, line: int, message: str, hint: str
) -> None:
    problem = one(f"name: w\ntasks:\n{tasks}")
    assert problem.line == line
    assert message in problem.message
    assert hint in (problem.hint or "")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("params: {p: {type: bool, default: yes}}", "write `true`"),
        ("params: {p: {type: bool, default: Off}}", "write `false`"),
        ("params: {p: {type: bool, default: maybe}}", None),
        ("params: {p: {type: str, default: 01067}}", "quote it"),
        ("params: {p: {type: [str], default: [true]}}", "quote it"),
        ("params: {p: {type: str, default: [a]}}", None),
        ('params: {p: {type: int, default: "3"}}', "write it without quotes"),
        ('params: {p: {type: float, default: "3.5"}}', "write it without quotes"),
        ('params: {p: {type: int, default: "3.5"}}', None),
        ("params: {p: bool}\nschedule: {cron: 0 6 * * *, params: {p: no}}", "write `false`"),
        ("schedule: daily", "did you mean `@daily`?"),
        ("schedule: 06:05", 'each day at 06:05 is `schedule: "5 6 * * *"`'),
        ("schedule: every 5 minutes", "write `schedule: {every: 5m}`"),
        ('schedule: "@every 1h30m"', "write `schedule: {every: 1h30m}`"),
        ("schedule: every hour", "write `schedule: {every: 1h}`"),
        ("schedule: every monday", 'as in `schedule: "0 2 * * *"`'),
        ("schedule: every 2 months", 'as in `schedule: "0 2 * * *"`'),
        ("params: {f: float = 2}", "as `f: {type: float, default: 2}`"),
        ("params: {f: integer 3}", "as `f: {type: int, default: 3}`"),
        ("params: {f: int | None}", "as `f: {type: int, default: VALUE}`"),
        ("params: {f: text of mails}", 'as `f: {default: "text of mails"}`'),
        ("schedule: 26:05", 'as in `schedule: "0 2 * * *"`'),
    ],
)
def test_a_value_that_is_nearly_right_has_a_hint(text: str, hint: str | None) -> None:
    found = one(f"name: w\n{text}\ntasks: {{a: {{executor: shell, command: x}}}}").hint
    assert found == hint or (hint is not None and hint in (found or ""))


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ('retries: "3"', "write it without quotes"),
        ("retries: many", None),
        ('timeout: "3"', "write it without quotes, or as in `30s`"),
        ("inputs: {x: {const: {b: [3]}}}", "quote it"),
    ],
)
def test_a_key_that_is_nearly_right_has_a_hint(key: str, hint: str | None) -> None:
    more = "input_type: {x: {b: [str]}}, " if "const" in key else ""
    found = one(f"name: w\ntasks: {{a: {{executor: shell, command: x, {more}{key}}}}}").hint
    assert found == hint or (hint is not None and (found or "").startswith(hint))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Task A", "a space cannot stand in it; a name has letters"),
        ("Größe", "a 'ö' cannot stand in it; a name has letters"),
        (".a", "a name has letters"),
    ],
)
def test_what_cannot_stand_in_a_name_is_told(name: str, hint: str) -> None:
    problem = one(f"name: w\ntasks: {{{name}: {{executor: shell, command: x}}}}")
    assert (problem.hint or "").startswith(hint)


def test_what_stands_beside_an_empty_key_may_be_part_of_it() -> None:
    keys = "executor: process\n    command: x\n    inputs:\n    day: {const: 1}\n    hour: 2\n"
    first, second = complaints(f"name: w\ntasks:\n  a:\n    {keys}")
    assert first.hint == second.hint == "if it is part of `inputs`, indent it below line 6"


def test_what_is_not_indented_enough_hides_no_other_mistake() -> None:
    tasks = "  a: {executor: process, command: x, retires: 1}\n  depends_on: [b]\n"
    assert [problem.message for problem in complaints(f"name: w\ntasks:\n{tasks}")] == [
        "unknown key `retires` in the task `a`",
        "`depends_on` is a key of a task, and stands where tasks stand",
        "no task named `b`",
    ]


def test_a_task_can_have_the_name_of_a_key() -> None:
    body = "{executor: process, command: x}"
    tasks = read(f"name: w\ntasks: {{file: {body}, env: {body}}}\n").tasks
    assert list(tasks) == ["env", "file"]


def test_a_cycle_is_printed() -> None:
    text = (
        "name: n\ntasks:\n  a: {executor: shell, command: x, depends_on: [b]}\n"
        "  b: {executor: shell, command: x, depends_on: [c]}\n"
        "  c: {executor: shell, command: x, depends_on: [a]}\n"
    )
    found = one(text)
    assert found.message == "a cycle in depends_on: a -> b -> c -> a"
    assert (found.line, found.column) == (3, 49)


def test_a_task_is_needed_once() -> None:
    text = FULL.replace("[extract]", "[extract, extract]")
    assert one(text).message == "`extract` is listed twice"


# -- references


def bind(output: str, asked: str, ref: str = "tasks.a.output", needs: str = "a") -> str:
    return (
        f"name: n\ntasks:\n  a: {{executor: shell, command: x{output}}}\n"
        f"  b:\n    executor: shell\n    command: x\n    depends_on: [{needs}]\n"
        f"    input_type: {{f: {asked}}}\n    inputs: {{f: {{ref: {ref}}}}}\n"
    )


@pytest.mark.parametrize(
    ("output", "asked", "ref"),
    [
        ("", "int", "tasks.a.output"),
        ("", "int", "tasks.a.output.any.thing"),
        (", output_type: int", "float", "tasks.a.output"),
        (", output_type: datetime_utc", "datetime_tz", "tasks.a.output"),
        (", output_type: {x: {y: [int]}}", "[int]", "tasks.a.output.x.y"),
        (", output_type: {x: {y: int}}", "{y: float}", "tasks.a.output.x"),
        (", output_type: {output: int}", "int", "tasks.a.output.output"),
    ],
)
def test_a_reference_that_fits_is_kept(output: str, asked: str, ref: str) -> None:
    assert read(bind(output, asked, ref)).tasks["b"].inputs == {"f": {"ref": ref}}


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (bind(", output_type: float", "int"), "`tasks.a.output` is float, but int is asked", ""),
        (
            bind(", output_type: {x: int}", "int", "tasks.a.output.y"),
            "has no field `y`",
            "{x: int}",
        ),
        (bind(", output_type: {rows: int}", "int", "tasks.a.output.row"), "no field", "`rows`?"),
        (bind(", output_type: [int]", "int", "tasks.a.output.x"), "has no field `x`", "[int]"),
        (bind("", "int", needs=""), "`a` is not in depends_on of `b`", "`depends_on: [a]`"),
        (bind("", "int", "task.a.output"), "not a reference", "`tasks.a.output`?"),
        (bind("", "int", "a.output.x"), "not a reference", "`tasks.a.output.x`?"),
        (bind("", "int", "a.x"), "not a reference", "tasks.NAME.output"),
        (bind("", "int", "tasks.a"), "not a reference", "`tasks.a.output`?"),
        (bind("", "int", "tasks.a.outputs.x"), "not a reference", "`tasks.a.output.x`?"),
        (bind("", "int", "tasks.a.out"), "not a reference", "`tasks.a.output.out`?"),
        (bind("", "int", "tasks.a.output."), "not a reference", "tasks.NAME.output"),
        (bind("", "int", "tasks.output"), "not a reference", "tasks.NAME.output"),
        (bind("", "int", "3"), "not a reference: int 3", "tasks.NAME.output"),
    ],
)
def test_a_reference_that_does_not_fit_is_named(text: str, message: str, hint: str) -> None:
    found = one(text)
    assert message in found.message
    assert hint in (found.hint or "")
    assert (found.line, found.column) == (9, 23)


def test_what_a_task_lacks_in_depends_on_is_added_to_what_it_has() -> None:
    tasks = "".join(f"  t{i}: {{executor: process, command: a}}\n" for i in range(9))
    own = "inputs: {a: {ref: tasks.t0.output}}"
    last = "  z: {executor: process, command: a, %s, depends_on: [%s]}"

    def hint(needs: list[str]) -> str | None:
        return one(f"name: n\ntasks:\n{tasks}{last % (own, ', '.join(needs))}\n").hint

    assert hint(["t2", "t1"]) == "add it: `depends_on: [t1, t2, t0]`"
    assert hint([f"t{i}" for i in range(1, 9)]) == "add it: `depends_on: [..., t0]`"


def test_a_name_with_dots_can_be_referred_to() -> None:
    text = bind(", output_type: {x: int}", "int", "tasks.v1.a.output.x", "v1.a")
    assert read(text.replace("  a:", "  v1.a:")).tasks["b"].depends_on == ("v1.a",)


def test_bindings_and_fields_match_exactly() -> None:
    body = "input_type: {url: str, n: int}, inputs: {urls: {const: x}, n: {const: '1'}}"
    found = complaints(f"name: n\ntasks:\n  t: {{executor: python, file: a.py, {body}}}\n")
    assert [(p.message, p.column) for p in found] == [
        ("inputs: nothing is bound to the field `url` of input_type", 77),
        ("`urls` is no field of input_type", 78),
        ('n: expected int, got str "1"', 107),
    ]
    assert found[1].hint == "did you mean `url`?"


def test_inputs_without_a_type_are_free() -> None:
    assert task("inputs: {x: {const: [1, {a: ~}]}}").inputs == {"x": {"const": [1, {"a": None}]}}


def test_a_constant_is_complained_of_where_it_is_wrong() -> None:
    body = "input_type: {a: [{b: int}]}, inputs: {a: {const: [{b: 1}, {b: x}]}}"
    found = task_problem(body)
    assert found.message == 'a[1].b: expected int, got str "x"'
    assert found.source is not None
    assert found.source[found.column - 1 :].startswith("x}")


# -- limits


def test_tasks_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syntax, "TASKS_MAX", 2)
    tasks = [f"  t{i}: {{executor: shell, command: x}}\n" for i in range(3)]
    assert len(read("name: n\ntasks:\n" + "".join(tasks[:2])).tasks) == 2
    assert "at most 2" in one("name: n\ntasks:\n" + "".join(tasks)).message


def test_env_times_tasks_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syntax, "ENV_BYTES_MAX", 20)
    task("", head="env: {A: 'xxxxxxxxxxxxxxxxxxx'}\n")
    assert "too large" in task_problem("", head="env: {A: 'xxxxxxxxxxxxxxxxxxxx'}\n").message


def test_types_cannot_explode() -> None:
    aliases = "".join(f"  A{i}: {{x: types.A{i + 1}, y: types.A{i + 1}}}\n" for i in range(30))
    found = complaints(
        f"name: n\ntypes:\n{aliases}  A30: str\n"
        "tasks: {t: {executor: shell, command: x, output_type: types.A0}}"
    )
    assert "a type of more than" in found[0].message


@pytest.mark.parametrize("turn", [1, -1])
def test_aliases_of_types_have_a_depth(turn: int) -> None:
    def text(count: int) -> str:
        lines = [f"  A{i}: [types.A{i + 1}]\n" for i in range(count)] + [f"  A{count}: int\n"]
        return f"name: n\ntypes:\n{''.join(lines[::turn])}tasks: {{t: {TASK}}}\n"

    TASK = "{executor: shell, command: x, output_type: types.A0}"
    assert read(text(14))
    assert any("deeper than" in p.message for p in complaints(text(200)))


def test_complaints_are_counted_beyond_a_limit() -> None:
    tasks = "".join(f"  t{i}: {{executor: x}}\n" for i in range(PROBLEMS_MAX + 50))
    with pytest.raises(InvalidInput, match=f"more than {PROBLEMS_MAX} problems") as caught:
        read("name: n\ntasks:\n" + tasks)
    assert len(caught.value.problems) == PROBLEMS_MAX


def test_a_definition_is_plain_data() -> None:
    settings: Mapping[str, Json] = read(FULL).settings
    assert type(settings) is dict


def test_every_field_of_a_task_is_shown_and_compared() -> None:
    assert sorted(as_written(Task(executor="python"))) == sorted(Task.__struct_fields__)


# -- conditions

WHEN = """\
name: w
params: {full: bool, mode: {type: str, default: a}, any: {default: 1}, day: {type: date}}
tasks:
  c: {executor: process, command: c, output_type: {n: int, ok: bool}}
  t: {executor: process, command: t, depends_on: [c], %s}
"""


@pytest.mark.parametrize(
    ("key", "when"),
    [
        ("when: {ref: params.full}", {"ref": "params.full", "is": True}),
        ("when: {ref: params.full, is: false}", {"ref": "params.full", "is": False}),
        ("when: {ref: params.any}", {"ref": "params.any", "is": True}),
        ("when: {ref: params.any, is: null}", {"ref": "params.any", "is": None}),
        ("when: {ref: params.any, is: [1, {a: b}]}", {"ref": "params.any", "is": [1, {"a": "b"}]}),
        ("when: {ref: tasks.c.output.ok}", {"ref": "tasks.c.output.ok", "is": True}),
        ("when: {ref: tasks.c.output.n, is: 3}", {"ref": "tasks.c.output.n", "is": 3}),
        ("when: {ref: params.day, is: 2026-11-01}", {"ref": "params.day", "is": "2026-11-01"}),
    ],
)
def test_a_condition_is_a_reference_and_a_value(key, when):
    task = read(WHEN % key).tasks["t"]
    assert as_written(task)["when"] == when
    assert decode_object(encode_object(task)) == task


@pytest.mark.parametrize(
    ("key", "at", "message"),
    [
        ("when: {ref: params.mode}", "params.mode", "`params.mode` is str, but bool is asked"),
        ("when: {ref: tasks.c.output}", "tasks.c", "`tasks.c.output` is {n: int, ok: bool}, but"),
        ("when: {ref: params.full, is: 3}", "3}", "when: expected bool, got int 3"),
        ("when: {ref: params.day, is: 1}", "1}", "when: expected date, got int 1"),
        ("when: {ref: tasks.c.output.x}", "tasks.c", "`output` of `c` has no field `x`"),
        ("when: {ref: params.ful}", "params.ful", "no parameter named `ful`"),
        ("inputs: {x: {ref: params.any, else: 1}}", "else", "a parameter always has a value"),
        ("inputs: {x: {ref: tasks.c.output.n, else: {const: 1}}}", "{const", "`else` is the value"),
        ("env: {X: {ref: tasks.c.output.n, else: {const: 1}}}", "{const", "`else` is the value"),
        ("input_type: {x: int}, inputs: {x: {ref: tasks.c.output.n, else: a}}", "a}", "x: expecte"),
        ("input_type: {x: str}, inputs: {x: {ref: tasks.c.output.n, else: a}}", "ta", "`tasks.c"),
    ],
)
def test_conditions_are_checked_against_the_declared_types(key, at, message):
    text = WHEN % key
    (problem,) = complaints(text)
    line = text.splitlines()[4]
    assert (problem.line, line[problem.column - 1 :].startswith(at)) == (5, True), problem
    assert problem.message.startswith(message)


def test_what_stands_in_for_an_output_is_of_the_declared_type():
    key = "input_type: {x: float}, inputs: {x: {ref: tasks.c.output.n, else: 2}}"
    assert read(WHEN % key).tasks["t"].inputs == {"x": {"ref": "tasks.c.output.n", "else": 2}}
    key = "env: {X: {ref: tasks.c.output.n, else: [1]}, Y: {ref: tasks.c.output.n, else: null}}"
    env = {name: one["else"] for name, one in read(WHEN % key).tasks["t"].env.items()}
    assert env == {"X": "[1]", "Y": None}
