"""Runs of what was: old revisions, old runs, and definitions that were never deployed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Ork, Steps
from tests.runner.test_library import compile_c

FLOW = """\
    name: flow
    description: "{word}"
    tasks:
      py: {{executor: python, file: tasks/code.py}}
      module: {{executor: python, module: tasks.other}}
      sh: {{executor: process, command: "./say.sh"}}
      inline: {{executor: process, command: "echo 'ORK_OUTPUT:\\"{word}\\"'"}}
      lib: {{executor: library, file: liblib.so}}
"""
CODE = """\
    from tasks import words
    def main():
        return words.WORD
"""
SAY = """\
    #!/bin/sh
    echo 'ORK_OUTPUT:"{word}"'
"""
LIB = """\
    #include <stdlib.h>
    #include <string.h>
    char *ork_task_run(const char *json) {{ return strdup("\\"{word}\\""); }}
    void ork_task_free(char *answer) {{ free(answer); }}
"""


def write(ork: Ork, word: str, path: str = "") -> None:
    """Write a workflow of which every task returns the word."""
    ork.write(f"{path}flow.yaml", FLOW.format(word=word))
    ork.write(f"{path}tasks/__init__.py", "")
    ork.write(f"{path}tasks/words.py", f"WORD = {word!r}\n")
    ork.write(f"{path}tasks/code.py", CODE)
    ork.write(f"{path}tasks/other.py", CODE)
    ork.write(f"{path}say.sh", SAY.format(word=word), executable=True)
    source = ork.write(f"{path}lib.c", LIB.format(word=word))
    compile_c(source, Path(ork.folder / path / "liblib.so"))


def said(ork: Ork, run: str) -> set[str]:
    """Return what the tasks of a run returned."""
    found = json.loads(ork("outputs", run, "--json").out)["data"]
    assert len(found) == 5, found
    return set(found.values())


def run_of(ork: Ork, run: str) -> dict:
    return json.loads(ork("show", run, "--json").out)["data"]["run"]


@pytest.fixture
def past(ork: Ork, once: Callable[[str, Steps], None]) -> Ork:
    """A world with two deploys of flow, `old` and `new`, each with a run."""
    once("past", lambda: _run_both(ork))
    return ork


def _run_both(ork: Ork) -> None:
    for word in ("old", "new"):
        write(ork, word)
        result = ork("run", "flow.yaml", "-m", f"The {word} one")
        assert result.code == 0, result.err


def lose(ork: Ork) -> None:
    """Remove everything but the store."""
    for path in ork.folder.iterdir():
        if path.name != ".ork":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.slow
@pytest.mark.parametrize("files", ["changed", "gone", "broken"])
def test_an_old_revision_runs_with_its_own_code(past: Ork, files: str) -> None:
    if files == "gone":
        lose(past)
    elif files == "broken":
        for path in past.folder.glob("**/*.*"):
            if path.is_file() and ".ork" not in path.parts:
                path.write_text("nonsense (")
    snapshot = run_of(past, "flow#1")["snapshot"]
    for number, words in enumerate([("flow~1",), ("--at", "flow~1"), ("flow#1",), (snapshot,)], 3):
        result = past("run", *words)
        assert result.code == 0, result.err
        assert said(past, f"flow#{number}") == {"old"}
        run = run_of(past, f"flow#{number}")
        assert run["snapshot"] == snapshot
        assert run["deploy"] == run_of(past, "flow#1")["deploy"]


@pytest.mark.slow
@pytest.mark.parametrize("task", ["file: src/pkg/load.py", "module: pkg.load"])
def test_folders_of_the_project_in_pythonpath_are_those_of_the_checkout(
    ork: Ork, task: str
) -> None:
    ork.write(
        "w.yaml",
        f"name: w\ntasks: {{a: {{executor: python, {task}, env: {{PYTHONPATH: src}}}}}}\n",
    )
    ork.write("src/pkg/__init__.py", "")
    ork.write("src/pkg/load.py", "from pkg.near import WORD\ndef main():\n    return WORD\n")
    for number, word in enumerate(("one", "two"), 1):
        ork.write("src/pkg/near.py", f"WORD = {word!r}\n")
        assert ork("run", "w.yaml").code == 0
        assert word in ork("outputs", f"w#{number}").out
    assert ork("run", "w~1").code == 0
    assert "one" in ork("outputs", "w#3").out


@pytest.mark.slow
def test_with_code_is_the_other_definition_with_the_parameters_of_the_run(past: Ork) -> None:
    assert past("run", "flow#1", "--with-code", "flow").code == 0
    assert said(past, "flow#3") == {"new"}
    assert past("run", "flow#2", "--with-code", "flow~1").code == 0
    assert said(past, "flow#4") == {"old"}


@pytest.mark.slow
def test_with_code_of_a_file_deploys_it(past: Ork) -> None:
    write(past, "newest")
    assert past("run", "flow#1", "--with-code", "file:flow.yaml").code == 0
    assert said(past, "flow#3") == {"newest"}
    assert len(json.loads(past("log", "flow", "--json").out)["data"]) == 3


@pytest.mark.slow
def test_a_run_of_the_past_does_not_move_the_head(past: Ork) -> None:
    before = past("log", "flow", "--oneline").out
    past("run", "flow~1")
    assert past("log", "flow").code == 0
    assert past("rev-parse", "flow").out in past("rev-parse", "flow@{0}").out
    assert len(before.splitlines()) == len(past("log", "flow", "--oneline").out.splitlines())


def test_at_names_what_to_run_alone(ork: Ork) -> None:
    result = ork("run", "flow", "--at", "flow~1")
    assert result.code == 2
    assert "--at names what to run" in result.err


@pytest.mark.slow
@pytest.mark.parametrize("damaged", ["tasks/words.py", "say.sh", "liblib.so"])
def test_code_is_verified_before_it_runs(past: Ork, damaged: str) -> None:
    from ork.objects.canonical import Oid
    from ork.store import location

    oid = past("rev-parse", f"flow~1:{damaged}").out.strip()
    backend = location.open_backend(past.folder / ".ork", environ={})
    data = bytearray(backend.get(Oid(oid)) or b"")
    data[-1] ^= 1
    backend.sweep(lambda: [Oid(oid)])
    assert backend.write({Oid(oid): bytes(data)}, {})
    backend.close()
    result = past("run", "flow~1")
    assert result.code == 4
    assert "damaged" in result.err
    run = run_of(past, "flow#3")
    assert run["state"] in ("failed", "cancelled", "interrupted")
    assert past("run", "flow").code == 0


# Definitions that no deploy has.


@pytest.mark.slow
def test_no_deploy_runs_the_file_and_leaves_the_history_alone(past: Ork) -> None:
    log = past("log", "flow", "--json").out
    write(past, "tried")
    assert past("run", "flow.yaml", "--no-deploy").code == 0
    assert said(past, "flow#3") == {"tried"}
    assert past("log", "flow", "--json").out == log
    assert run_of(past, "flow#3")["deploy"] is None
    assert "unattached" in past("runs", "-n", "1").out
    assert "unattached" in past("show", "flow#3").out
    lose(past)
    assert past("run", "flow#3").code == 0
    assert said(past, "flow#4") == {"tried"}


@pytest.mark.slow
def test_runs_of_what_was_never_deployed_are_listed_shown_and_run_again(ork: Ork) -> None:
    write(ork, "tried")
    assert ork("run", "flow.yaml", "--no-deploy").code == 0
    for words in (("runs",), ("runs", "flow")):
        result = ork(*words)
        assert result.code == 0, result.err
        assert "flow#1" in result.out and "unattached" in result.out
    assert ork("show", "flow#1").code == ork("logs", "flow#1").code == 0
    assert ork("outputs", "flow#1").code == ork("show", "flow#1:py").code == 0
    run_id = run_of(ork, "flow#1")["id"]
    assert ork("show", f"run:{run_id}").code == 0
    result = ork("log", "flow")
    assert result.code == 3
    assert "flow was never deployed" in result.err
    assert "`ork runs flow`" in result.err
    assert ork("log").code == 3
    assert ork("run", "flow#1").code == 0
    assert said(ork, "flow#2") == {"tried"}
    assert ork("diff", "flow#1", "flow#2").code == 0


@pytest.mark.slow
def test_an_unattached_run_is_retried_where_it_ran(ork: Ork) -> None:
    ork.write(
        "deep/flow.yaml",
        """\
        name: flow
        max_parallel: 1
        tasks:
          a: {executor: process, command: "echo $PWD > ../where; test -e fixed"}
    """,
    )
    ork.write("other", "")
    assert ork("init").code == 0
    assert ork("run", "deep/flow.yaml", "--no-deploy").code == 1
    ork.write("deep/fixed", "")
    (ork.folder / "where").unlink()
    assert ork("retry", "flow#1", "-j", "8").code == 0
    assert (ork.folder / "where").read_text() == f"{ork.folder}/deep\n"
    assert ork("run", "flow#1").code == 0
    run = run_of(ork, "flow#2")
    assert (run["deploy"], run["state"]) == (None, "success")
    first = json.loads(ork("run", "flow#1", "--json").out.splitlines()[0])
    assert first["slots"] == 1, "its settings are those of the file"


@pytest.mark.slow
def test_a_deploy_of_what_was_run_unattached_is_an_ordinary_first_deploy(ork: Ork) -> None:
    write(ork, "tried")
    ork("run", "flow.yaml", "--no-deploy")
    assert ork("run", "flow.yaml").code == 0
    assert run_of(ork, "flow#1")["deploy"] is None
    assert run_of(ork, "flow#2")["deploy"] is not None
    assert run_of(ork, "flow#1")["snapshot"] == run_of(ork, "flow#2")["snapshot"]
    assert ork("log", "flow").code == 0
    assert len(json.loads(ork("runs", "--json").out)["data"]) == 2


def test_no_deploy_of_a_revision_is_refused_or_means_nothing(ork: Ork) -> None:
    ork.write("flow.yaml", "name: flow\ntasks: {a: {executor: process, command: 'true'}}\n")
    ork("deploy", "flow.yaml")
    assert ork("run", "flow", "--no-deploy").code == 0
    assert run_of(ork, "flow#1")["deploy"] is not None


@pytest.mark.slow
@pytest.mark.parametrize("again", ["run {}", "run --checkout {}", "retry {}#1"])
def test_code_that_was_never_deployed_is_not_there_for_what_was(ork: Ork, again: str) -> None:
    included = (
        "include: [sql/*.sql]\ntasks:\n  a: {executor: shell, command: 'cat sql/*.sql; false'}\n"
    )
    sourced = "tasks:\n  a: {executor: shell, command: 'sh a.sh; false'}\n"
    ork.write("i.yaml", f"name: i\n{included}")
    ork.write("s.yaml", f"name: s\n{sourced}")
    ork.write("sql/1.sql", "one\n")
    ork.write("a.sh", "test -f own.sh && . ./own.sh\necho one\n")
    assert ork("deploy", "i.yaml", "s.yaml").code == 0
    for name in "is":
        assert ork("run", name).code == 1
    ork.write("sql/2.sql", "two\n")
    ork.write("own.sh", "echo two\n")
    for name, new in (("i", "sql/2.sql"), ("s", "own.sh")):
        done = ork(*again.format(name).split())
        assert done.code == 1
        assert f"note: {name} runs without what you changed: Add {new}" in done.err or "#1" in again
        assert ork("logs", f"{name}:a").out == "one\n"
    assert ork("run", "i.yaml").code == 1
    assert ork("logs", "i:a").out == "one\ntwo\n"
