"""Cosmetic rewrites of a workflow file give the equal Definition; changes of meaning another."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ork.definition.workflow import Definition, parse
from ork.objects.kinds import encode_object
from tests.scale import examples

BASE: dict[str, Any] = {
    "name": "etl",
    "description": "what: it # does",
    "schedule": "0 2 * * *",
    "include": ["sql/*.sql"],
    "env": {"MODE": "yes", "EMPTY": ""},
    "types": {"Row": {"id": "int", "tags": ["str"]}},
    "tasks": {
        "extract": {
            "executor": "python",
            "file": "tasks/etl.py",
            "function": "extract",
            "timeout": 600,
            "retries": 2,
            "input_type": {"url": "str", "since": "datetime_utc", "ratio": "float"},
            "output_type": {"rows": ["types.Row"]},
            "inputs": {
                "url": {"const": "http://x:80/ a: b"},
                "since": {"const": "2026-01-02T03:04:05Z"},
                "ratio": {"const": 2},
            },
        },
        "load": {
            "executor": "process",
            "command": "echo 'a'\n./load.sh > \"out\"\n",
            "depends_on": ["extract", "check"],
            "inputs": {"rows": {"ref": "tasks.extract.output.rows"}},
            "env": {"TOKEN": {"secret": "API"}, "N": "1"},
        },
        "check": {"executor": "process", "command": ["true", "1", "- x", "é😀"]},
    },
}
DEFAULTS = {
    "timeout": 300,
    "retries": 0,
    "retry_delay": 0,
    "retry_backoff": 1,
    "depends_on": [],
    "env": {},
    "on_upstream_failure": "skip",
    "input_type": None,
    "module": None,
}


def meaning(definition: Definition) -> object:
    tasks = {name: encode_object(task) for name, task in definition.tasks.items()}
    return definition.name, tasks, definition.settings, definition.include


def read(text: str) -> Definition:
    return parse(text.encode(), file="x.yaml")


def shuffled(value: Any, random: Random) -> Any:
    """Return the same value with keys in another order, and lists whose order does not count."""
    if isinstance(value, dict):
        items = [(k, shuffled(v, random)) for k, v in value.items()]
        random.shuffle(items)
        for key, below in items:
            if key == "depends_on":
                random.shuffle(below)
        return dict(items)
    return value


def reworded(base: dict[str, Any], random: Random) -> dict[str, Any]:
    """Return a file that says the same in other words."""
    value = copy.deepcopy(base)
    for task in value["tasks"].values():
        for key, default in DEFAULTS.items():
            if key not in task and random.random() < 0.4:
                task[key] = default
        if task["executor"] == "process" and random.random() < 0.5:
            task["executor"] = "shell"
        if "file" in task and random.random() < 0.5:
            task["file"] = "./" + task["file"].replace("/", "//")
    first = value["tasks"]["extract"]
    if random.random() < 0.5:
        first["output_type"] = {"rows": [{"id": "int", "tags": ["str"]}]}
    if random.random() < 0.5:
        first["inputs"]["since"] = {"const": "2026-01-02 03:04:05.000+00:00"}
    if random.random() < 0.5:
        first["inputs"]["ratio"] = {"const": 2.0}
    if random.random() < 0.5:
        first["timeout"] = 600.0
    return value


class Writer:
    """Writes YAML in a style drawn anew for every value."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.anchors = 0

    def document(self, value: Any) -> str:
        lines = self.block(value, 0)
        text = "\n".join(("---", *lines)) if self.maybe() else "\n".join(lines)
        return text + self.random.choice(["\n", "\n\n# end\n", "\n...\n"])

    def maybe(self) -> bool:
        return self.random.random() < 0.3

    def block(self, value: Any, indent: int) -> list[str]:
        """Return the lines of a value that stands on lines of its own."""
        pad = " " * indent
        lines: list[str] = []
        if isinstance(value, dict) and value:
            for key, below in value.items():
                lines += self.pair(pad + self.text(key, key=True) + ":", below, indent)
        elif isinstance(value, list) and value:
            for below in value:
                lines += self.pair(pad + "-", below, indent)
        else:
            lines.append(pad + self.flow(value))
        return lines

    def pair(self, head: str, value: Any, indent: int) -> list[str]:
        before = (
            [" " * self.random.randrange(indent + 1) + "# a comment: {"] if self.maybe() else []
        )
        if isinstance(value, (dict, list)) and value and not self.maybe():
            deeper = indent + self.random.randrange(1, 5)
            anchor = ""
            if self.maybe():
                self.anchors += 1
                anchor = f" &a{self.anchors}"
            return [*before, head + anchor + self.end(), *self.block(value, deeper)]
        if isinstance(value, str) and value.endswith("\n") and self.maybe():
            lines = [" " * (indent + 3) + line for line in value.splitlines()]
            return [*before, head + " |", *lines]
        return [*before, f"{head} {self.flow(value)}{self.end()}"]

    def end(self) -> str:
        return "  # why" if self.maybe() else " " * self.random.randrange(2)

    def flow(self, value: Any) -> str:
        if isinstance(value, dict):
            pairs = [f"{self.text(k, key=True)}: {self.flow(v)}" for k, v in value.items()]
            return "{" + ", ".join(pairs) + ("," if pairs and self.maybe() else "") + "}"
        if isinstance(value, list):
            return "[" + ", ".join(self.flow(below) for below in value) + "]"
        if isinstance(value, str):
            return self.text(value)
        if value is None:
            return self.random.choice(["~", "null", "Null"])
        return json.dumps(value)

    def text(self, text: str, *, key: bool = False) -> str:
        plain = text.replace("_", "a").isalpha() and text not in ("true", "null", "yes")
        style = self.random.randrange(3 if plain and text.isascii() else 2)
        if style == 0 and "\n" not in text:
            return "'" + text.replace("'", "''") + "'"
        return text if style == 2 else json.dumps(text, ensure_ascii=self.maybe())


@settings(deadline=None, max_examples=examples(120))
@given(st.integers(0, 2**32))
def test_cosmetic_rewrites_give_the_equal_definition(seed: int) -> None:
    random = Random(seed)
    text = Writer(random).document(shuffled(reworded(BASE, random), random))
    if random.random() < 0.3:
        text = text.replace("\n", "\r\n")
    assert meaning(read(text)) == meaning(read(json.dumps(BASE))), text


@pytest.mark.parametrize("indent", [None, 2, "\t"])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_json_gives_the_equal_definition(indent: Any, ascii_only: bool) -> None:
    text = json.dumps(BASE, indent=indent, ensure_ascii=ascii_only)
    assert read(text) == read(json.dumps(BASE))


def test_anchors_and_merges_give_the_equal_definition() -> None:
    plain = (
        "name: n\ntasks:\n  a: {executor: process, command: x, retries: 2, env: {A: b}}\n"
        "  b: {executor: process, command: y, retries: 2, env: {A: b}}\n"
    )
    merged = (
        "name: n\ntasks:\n  a: &base {executor: process, command: x, retries: 2, env: &e {A: b}}\n"
        "  b: {<<: *base, command: y, env: *e}\n"
    )
    assert read(merged) == read(plain)


def change(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def apply(base: dict[str, Any]) -> None:
        *way, last = path.split("/")
        for step in way:
            base = base[step]
        if value is None:
            del base[last]
        else:
            base[last] = value

    return apply


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("name", "etl2"),
        ("description", "other"),
        ("schedule", "0 3 * * *"),
        ("include", ["sql/**"]),
        ("env/MODE", "no"),
        ("env/EMPTY", None),
        ("types/Row/id", "str"),
        ("tasks/extract/file", "tasks/etl2.py"),
        ("tasks/extract/function", None),
        ("tasks/extract/timeout", 601),
        ("tasks/extract/retries", 3),
        ("tasks/extract/retry_delay", 0.5),
        ("tasks/extract/output_type", None),
        ("tasks/extract/inputs/url/const", "http://x:81/ a: b"),
        ("tasks/extract/inputs/since/const", "2026-01-02T03:04:06Z"),
        ("tasks/extract/inputs/ratio/const", 2.5),
        ("tasks/load/command", "echo 'a'\n./load.sh > \"out\""),
        ("tasks/load/command", ["echo", "a"]),
        ("tasks/load/depends_on", ["extract"]),
        ("tasks/load/inputs/rows/ref", "tasks.extract.output"),
        ("tasks/load/env/TOKEN", "API"),
        ("tasks/load/on_upstream_failure", "run"),
        ("tasks/check/command", ["true", "1", "-x", "é😀"]),
        ("tasks/new", {"executor": "process", "command": "x"}),
    ],
)
def test_a_change_of_meaning_gives_another_definition(path: str, value: Any) -> None:
    changed = copy.deepcopy(BASE)
    change(path, value)(changed)
    assert meaning(read(json.dumps(changed))) != meaning(read(json.dumps(BASE)))


def test_a_text_and_a_number_are_not_the_same_constant() -> None:
    text = "name: n\ntasks: {t: {executor: process, command: x, inputs: {a: {const: %s}}}}"
    found = [meaning(read(text % written)) for written in ("1", "'1'", "true", "'true'", "~")]
    assert all(a != b for i, a in enumerate(found) for b in found[:i])
    assert meaning(read(text % "1.0")) == meaning(read(text % "1")) == meaning(read(text % "0x1"))
