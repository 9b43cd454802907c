"""The JSON Schema of workflow files, held against every file that the tests have read."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from ork.cli.heads.schema import document
from ork.definition.task import TASK_KEYS
from ork.definition.workflow import WORKFLOW_KEYS
from ork.errors import InvalidInput
from ork.yaml import nodes
from ork.yaml.problems import Problem, Problems

# What a schema cannot know of a file, by what ork says of it.
BEYOND = {
    "a name that is used is there": r"^no (task|parameter|alias) |has no field|is no field"
    r"|nothing is bound|gives no value to|^there is no time zone",
    "what depends on what": r"depends on itself|cycle|is not in depends_on|its own output"
    r"|can refer to parameters only",
    "values are of the types that are named": r"expected \w+(, got|$)|of the declared type"
    r"|, but .+ is asked|cannot take the slot",
    "where a path leads": r"leaves the folder|names a folder",
    "how large it is": r"^a type (of more|nested deeper) than|^\d+ tasks; |128 KiB"
    r"|env is too large",
    "what a number comes to": r"must be at least 0\.000001|^timeout must be more than 0",
    "when a schedule comes": r"five fields|^(minute|hour|day of \w+|month): |^it never comes",
    "what a key is, before it is one": r"is given twice|is not a text$|^an empty key",
    "what programs make of words": r"without `-c`|in which nothing is replaced|the character NUL",
}


@cache
def validator() -> Draft202012Validator:
    Draft202012Validator.check_schema(document())
    return Draft202012Validator(document())


def errors(text: str) -> list[str]:
    """Return what the schema has against a file; what is null counts as not given."""
    value = _given(nodes.plain(nodes.read(text, Problems("file"))))
    return [f"{error.json_path}: {error.message[:200]}" for error in validator().iter_errors(value)]


def _given(value: Any) -> Any:
    """Return a workflow without the keys of it and of its tasks that are null, which ork skips."""
    given = _without_null(value, WORKFLOW_KEYS)
    if isinstance(given, dict) and isinstance(tasks := given.get("tasks"), dict):
        given["tasks"] = {name: _without_null(task, TASK_KEYS) for name, task in tasks.items()}
    return given


def _without_null(value: Any, keys: Collection[str]) -> Any:
    if not isinstance(value, dict):
        return value
    return {k: v for k, v in value.items() if v is not None or k not in keys}


def check_refused(text: str, problems: Sequence[Problem]) -> None:
    """Hold that the schema refuses what ork has refused, unless each reason is beyond it."""
    try:
        accepted = not errors(text)
    except InvalidInput:
        return  # it is no YAML
    beyond = re.compile("|".join(BEYOND.values()))
    rest = [one.message for one in problems if not beyond.search(one.message)]
    assert not (accepted and rest), "the JSON Schema accepts what ork refuses"
