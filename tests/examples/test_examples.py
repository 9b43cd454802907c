"""Every example is run as a reader would: through the command line, in a copy of its folder.

One of them is told by processes, as a reader starts them; the others need none of their own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"

EXPECTED = {
    "hello": {
        "greet": {"text": "Hello, world"},
        "shout": {"text": "HELLO, WORLD!"},
    },
    "fan": {
        "sum_low": {"sum": 338350},
        "total": {"total": sum(number * number for number in range(1, 301))},
    },
    "retries": {"fetch": {"attempt": 2, "text": "here I am"}},
    "dates": {
        "follow_up": {
            "day": "2026-03-01",
            "doors": "2026-03-01T10:00:00",
            "call": "2026-03-01T18:30:00+09:00",
            "logged": "2026-03-01T10:00:00Z",
        },
        "describe": {"weekday": "Sunday", "apart_s": 1800},
    },
    "modules": {
        "longest": {"word": "bird", "letters": 4},
        "counts": {"the": 3, "cat": 1, "dog": 1, "bird": 1, "and": 2},
    },
    "package": {
        "price": {"cents": 255, "items": 5},
        "invoice": {"text": "2 kinds of fruit; to pay: 2.55"},
    },
}


def ran(ork, *words):
    """Return what a command prints that ends well."""
    result = ork(*words)
    assert result.code == 0, (words, result)
    return result.out


def outputs(ork, revision):
    tasks = json.loads(ran(ork, "show", revision, "--json"))["data"]["tasks"]
    return {name: task["output"] for name, task in tasks.items()}


def test_nothing_is_wrong_with_any_example(ork):
    shutil.copytree(EXAMPLES, ork.folder, dirs_exist_ok=True)
    ork.write("library/libadd.so", "")  # which is compiled first
    shutil.rmtree("penguins/v2")
    ran(ork, "check", "--strict", ".")
    shutil.copytree(EXAMPLES / "penguins" / "v2", "penguins", dirs_exist_ok=True)
    ran(ork, "check", "--strict", "penguins")


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPECTED)
def test_example_runs_and_gives(name, ork):
    shutil.copytree(EXAMPLES / name, ork.folder, dirs_exist_ok=True)
    ran(ork, "run", f"{name}.yaml")
    found = outputs(ork, f"{name}#1")
    assert {task: found[task] for task in EXPECTED[name]} == EXPECTED[name]


@pytest.mark.slow
def test_retries_keeps_both_attempts(ork):
    shutil.copytree(EXAMPLES / "retries", ork.folder, dirs_exist_ok=True)
    ran(ork, "run", "retries.yaml")
    fetch = json.loads(ran(ork, "show", "retries#1", "--json"))["data"]["tasks"]["fetch"]
    first, second = fetch["taskrun"]["attempts"]
    assert (first["state"], second["state"]) == ("failed", "success")
    assert "connection refused" in first["error"]


def test_imported_modules_are_captured_with_the_file_that_the_task_names(ork):
    shutil.copytree(EXAMPLES / "package", ork.folder, dirs_exist_ok=True)
    ran(ork, "deploy", "package.yaml")
    listed = ran(ork, "ls-tree", "package^{snapshot}")
    for path in ("__init__", "orders", "prices", "invoice"):
        assert f"shop/{path}.py" in listed


@pytest.mark.slow
@pytest.mark.turns(3)
def test_penguins_tells_its_story(ork, tmp_path):
    script = tmp_path / "ork"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ork "$@"\n')
    script.chmod(0o755)
    told = subprocess.run(
        ["sh", EXAMPLES / "penguins" / "demo.sh", ork.folder],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "ORK": str(script),
            "PYTHONPATH": str(EXAMPLES.parent),
        },
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told
    assert told.stdout.count("$ ork run penguins") == 3
    first, second, third = (outputs(ork, f"penguins#{number}") for number in (1, 2, 3))
    assert "  the page is http://127.0.0.1:" in told.stdout
    assert "penguins#4 fired for " in told.stdout and "penguins#4 success in " in told.stdout
    assert first["clean"]["dropped"] == 11
    assert len(first["clean"]["penguins"]) == 333
    assert first["by_species"]["sizes"][0] == {
        "group": "Adelie",
        "count": 146,
        "mass_g": 3706.2,
        "spread_g": 457,
    }
    assert "Gentoo                119 birds   5092.4 g  +-  499.4" in first["report"]["text"]
    assert second["by_species"]["sizes"][0]["spread_g"] == 458.6
    assert second["growth"] == {"grams_per_mm": 50.15, "correlation": 0.873}
    assert third == first
    listed = ran(ork, "ls-tree", "penguins~1^{snapshot}")
    assert "tasks/measures.py" in listed and "data/penguins.csv" in listed


def test_every_example_is_in_the_table():
    table = (EXAMPLES / "README.md").read_text("utf-8")
    folders = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())
    assert [name for name in folders if f"]({name}/)" not in table] == []
    # The example in C is compiled and run by tests/runner/test_library.py; the last two are no
    # workflows.
    assert set(folders) == {*EXPECTED, "penguins", "library", "deploy", "ci"}
