"""ork schema

That it accepts what ork accepts, and refuses what ork refuses for its form, is tried with every
file of tests/definition, where stands what is beyond it.
"""

import json
from pathlib import Path

import pytest

from ork.cli.heads.schema import document
from ork.worktree.lookup import workflow_files
from tests.definition.schema import errors

EXAMPLES = sorted(workflow_files(Path(__file__).parents[2] / "examples"))
GOOD = "name: n\ntasks: {a: {executor: process, command: ls}}\n"


def test_it_is_printed(ork):
    said = ork("schema")
    assert (said.code, said.err) == (0, "")
    assert json.loads(said.out) == document()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_are_as_it_says(path):
    assert errors(path.read_text()) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: n", "nane: n"),
        ("name: n", "name: a b"),
        ("name: n", "name: run"),
        ("tasks: {a:", "tasks: {a b:"),
        ("executor: process", "executor: bash"),
        ("executor: process, ", ""),
        ("command: ls", "commands: ls"),
        ("command: ls", "command: ls, file: x"),
        ("command: ls", "module: x"),
        ("command: ls", "command: []"),
        ("command: ls", "command: ls, retries: -1"),
        ("command: ls", "command: ls, timeout: soon"),
        ("command: ls", "command: ls, fresh: 1"),
        ("command: ls", "command: ls, depends_on: b"),
        ("command: ls", "command: ls, output_type: string"),
        ("command: ls", "command: ls, output_type: [str, int]"),
        ("command: ls", "command: ls, inputs: {a: 1}"),
        ("command: ls", "command: ls, inputs: {a: {const: 1, ref: b}}"),
        ("command: ls", "command: ls, env: {a-b: x}"),
        ("command: ls", "command: ls, env: {a: 1}"),
        ("command: ls", "command: ls, on_upstream_failure: never"),
        ("name: n", "name: n\nschedule: {timezone: UTC}"),
        ("name: n", 'name: n\nschedule: {cron: "@daily", every: 5m}'),
        ("name: n", "name: n\nschedule: {every: 5m, catchup: some}"),
        ("name: n", "name: n\nschedule: []"),
        ("name: n", "name: n\non_failure: ls"),
        ("name: n", "name: n\nmax_parallel: 0"),
        ("name: n", "name: n\nparams: {a: {typ: int}}"),
    ],
)
def test_what_has_another_form_is_marked(old, new):
    assert errors(GOOD) == []
    assert errors(GOOD.replace(old, new)) != []


@pytest.mark.parametrize("time", ["500ms", "1m1.5s1ms", "90", "none"])
def test_times_are_read_as_a_file_has_them(time):
    assert errors(GOOD.replace("command: ls", f"command: ls, timeout: {time}")) == []


def test_without_tasks_there_is_no_workflow():
    assert errors("name: n\ntasks: {}\n") != []
    assert errors("name: n\n") != []
