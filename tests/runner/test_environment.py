"""In which environment each task was executed: what the record says, and who goes by it."""

from __future__ import annotations

import json
import os
import sys
import venv
from pathlib import Path

import pytest

import ork as api
from tests.conftest import Ork

FLOW = """\
    name: w
    tasks:
      a: {executor: python, file: a.py}
      b: {executor: process, command: test -e ok, depends_on: [a]}
      c: {executor: process, command: "echo 'ORK_OUTPUT:1'"}
"""


def install(ork: Ork, version: str) -> None:
    """Let the environment beside the file have mylib in this version."""
    if not (ork.folder / ".venv").exists():
        venv.create(ork.folder / ".venv", symlinks=True)
    packages = next((ork.folder / ".venv").glob("lib/python*/site-packages"))
    for old in packages.glob("mylib-*"):
        old.rmdir()
    (packages / f"mylib-{version}.dist-info").mkdir()


@pytest.fixture
def failed(ork: Ork) -> Ork:
    """A world with a run in which a succeeded and b failed; b would succeed by now."""
    ork.write("w.yaml", FLOW)
    ork.write("a.py", "def main():\n    return 1\n")
    install(ork, "1.0")
    assert ork("run", "w.yaml").code == 1
    ork.write("ok", "")
    return ork


def environments(ork: Ork, name: str) -> list[str]:
    """Return which mylib each attempt at a had, in their order, and the one of the run."""
    with api.open(ork.folder) as project:
        run, store = project.show(name).run, project.store
        oids = [
            attempt.environment or run.environment
            for attempt in project.show(name).tasks["a"].taskrun.attempts
        ]
        found = [store.value(oid)["distributions"] for oid in [*oids, run.environment]]
    return [next(one for one in names if one.startswith("mylib")) for names in found]


def whole_record(ork: Ork, name: str) -> str:
    return ork("show", name, "--json").out


def test_what_a_retry_keeps_was_executed_in_the_environment_of_then(failed: Ork) -> None:
    install(failed, "2.0")
    assert failed("retry", "w#1").code == 0
    assert environments(failed, "w#1") == ["mylib==1.0", "mylib==2.0"]
    assert failed("fsck").code == 0
    (attempt,) = json.loads(whole_record(failed, "w#1:a"))["data"]["taskrun"]["attempts"]
    assert (attempt["host"], attempt["place"]) == (None, None), "they are as in the run"


def test_what_a_retry_keeps_was_executed_on_the_machine_of_then(
    failed: Ork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ork.runner.start.host", lambda: "elsewhere")
    assert failed("retry", "w#1").code == 0
    assert json.loads(whole_record(failed, "w#1"))["data"]["run"]["host"] == "elsewhere"
    (attempt,) = json.loads(whole_record(failed, "w#1:a"))["data"]["taskrun"]["attempts"]
    assert (attempt["host"], attempt["environment"]) == (os.uname().nodename, None)


def test_what_was_executed_before_several_retries_is_still_told(failed: Ork) -> None:
    (failed.folder / "ok").unlink()
    for version in ("2.0", "3.0", "1.0"):
        install(failed, version)
        failed("retry", "w#1", *(["--from", "a"] if version == "2.0" else []))
    assert environments(failed, "w#1") == ["mylib==1.0", "mylib==2.0", "mylib==1.0"]


def test_in_one_environment_the_record_of_a_retry_says_it_once(failed: Ork) -> None:
    assert failed("retry", "w#1").code == 0
    tasks = json.loads(whole_record(failed, "w#1"))["data"]["tasks"]
    attempts = [one for task in tasks.values() for one in task["taskrun"]["attempts"]]
    assert len(attempts) == 4
    assert {(it["environment"], it["host"], it["place"]) for it in attempts} == {(None,) * 3}


def test_where_a_kept_task_was_executed_is_told_beside_that_of_the_retry(failed: Ork) -> None:
    assert failed("retry", "w#1", "--checkout").code == 0
    shown = failed("show", "w#1").out
    assert "place    a checkout, and the project's folder for a, c\n" in shown


def test_what_a_kept_task_received_is_what_was_there_when_it_was_executed(ork: Ork) -> None:
    ork.write(
        "w.yaml",
        """\
        name: w
        tasks:
          a: {executor: python, file: a.py}
          b: {executor: python, file: b.py, depends_on: [a], inputs: {n: {ref: tasks.a.output}}}
          c: {executor: process, command: test -e ok}
        """,
    )
    ork.write("a.py", "def main():\n    return int(open('n').read())\n")
    ork.write("b.py", "def main(n):\n    return n\n")
    ork.write("n", "1")
    install(ork, "1.0")
    assert ork("run", "w.yaml").code == 1
    ork.write("n", "2")
    install(ork, "2.0")
    assert ork("retry", "w#1", "--only", "a").code == 1
    task = json.loads(whole_record(ork, "w#1:b"))["data"]
    assert (task["inputs"], task["output"]) == ({"n": 1}, 1)
    assert json.loads(whole_record(ork, "w#1:a"))["data"]["output"] == 2


def test_show_tells_the_version_of_the_interpreter(failed: Ork) -> None:
    version = ".".join(map(str, sys.version_info[:3]))
    assert f"python   .venv/bin/python ({version})\n" in failed("show", "w#1:a").out
    shown = json.loads(whole_record(failed, "w#1:a"))["data"]
    assert shown["python_version"] == version
    assert Path(shown["python"]).name == "python"
    assert json.loads(whole_record(failed, "w#1:c"))["data"]["python_version"] is None


def test_a_difference_is_explained_by_the_environment_of_the_task(failed: Ork) -> None:
    install(failed, "2.0")
    failed("retry", "w#1")
    failed("run", "w")
    told = failed("diff", "w#1", "w#2").out
    assert 'environment  mylib  "1.0" -> "2.0"\n             of a, c\n' in told
    found = json.loads(failed("diff", "w#1", "w#2", "--json").out)["data"]
    assert [one["path"] for one in found["environment"]] == ["distributions.mylib"]
    assert found["environment_of"] == ["a", "c"]
    failed("report", "w#1..w#2", "-o", "w.html")
    assert "<h3>Environment of a, c</h3>" in (failed.folder / "w.html").read_text()


def test_another_environment_is_told_before_what_went_on_at_the_same_time(failed: Ork) -> None:
    failed.write("a.py", "def main():\n    return int(open('n').read())\n")
    failed.write("n", "1")
    (failed.folder / "ok").unlink()
    assert failed("run", "w.yaml").code == 1
    install(failed, "2.0")
    failed.write("n", "2")
    failed.write("ok", "")
    assert failed("run", "w").code == 0
    assert failed("retry", "w#2").code == 0  # so it has lasted from before the other one
    why = '1 -> 2; the environment differs: mylib "1.0" -> "2.0"\n'
    assert why in failed("diff", "w#2", "w#3").out


def test_a_failure_is_told_with_the_environment_in_which_the_good_run_executed(
    failed: Ork,
) -> None:
    install(failed, "2.0")
    failed("retry", "w#1")
    failed.write("a.py", "def main():\n    raise SystemExit('no')\n")
    told = failed("run", "w.yaml")
    assert told.code == 1
    assert "since w#1 (good): edit a.py; another environment" in told.err


def test_the_report_names_the_tasks_of_each_environment(failed: Ork) -> None:
    install(failed, "2.0")
    failed("retry", "w#1")
    assert failed("report", "w#1", "-o", "w.html").code == 0
    page = (failed.folder / "w.html").read_text()
    ahead, of_kept = page.split("<dt>environment</dt>")[1:]
    assert "mylib==2.0" in ahead
    assert of_kept.startswith("<dd><div>of a, c</div>")
    assert "mylib==1.0" in of_kept


def dry(ork: Ork, *words: str) -> dict[str, str]:
    would = json.loads(ork("retry", *words, "--latest", "--dry-run", "--json").out)["data"]
    kept = {name: f"({one['outcome']})" for name, one in would["others"].items()}
    return {**would["why"], **kept}


def test_latest_runs_again_what_another_environment_would_execute(failed: Ork) -> None:
    install(failed, "2.0")
    assert dry(failed, "w#1") == {
        "a": 'its environment changed: mylib "1.0" -> "2.0"',
        "b": "failed: exited with code 1",
        "c": "(kept)",
    }
    assert failed("retry", "w#1", "--latest").code == 0
    tasks = json.loads(whole_record(failed, "w#2"))["data"]["tasks"]
    assert {name: task["taskrun"]["state"] for name, task in tasks.items()} == {
        "a": "success",
        "b": "success",
        "c": "skipped",
    }


def test_latest_goes_by_the_environment_in_which_a_kept_output_was_made(failed: Ork) -> None:
    """Whatever was executed later, in this run or in one that took it over."""
    (failed.folder / "ok").unlink()
    assert failed("retry", "w#1", "--latest").code == 1
    install(failed, "2.0")
    assert failed("retry", "w#2").code == 1
    assert dry(failed, "w#2")["a"] == 'its environment changed: mylib "1.0" -> "2.0"'
    install(failed, "1.0")
    assert dry(failed, "w#2")["a"] == "(kept)"


OTHER = 'of another environment: mylib "1.0" -> "2.0"'


def test_a_retry_says_that_it_keeps_what_another_environment_gave(failed: Ork) -> None:
    """Of c, a command, it is not known what it starts."""
    said = f"note: a: output of w#1, {OTHER}\n"
    assert OTHER not in failed("retry", "w#1", "--dry-run").err
    install(failed, "2.0")
    assert said in failed("retry", "w#1", "--dry-run").err
    assert said in failed("retry", "w#1").err
    assert OTHER not in failed("retry", "w#1", "--only", "a").err


def test_a_run_of_a_part_says_that_it_takes_what_another_environment_gave(failed: Ork) -> None:
    install(failed, "2.0")
    said = f"note: a: output of w#1, {OTHER}\n"
    words = ("run", "w", "--only", "b")
    assert said in failed(*words, "--dry-run").err
    assert said in failed(*words).err
    assert said in failed(*words, "--base", "w#2").err  # which has it of w#1
    assert OTHER not in failed(*words, "--queue").err  # that of `ork up` is not known
    assert OTHER not in failed("run", "w", "--from", "a").err


def test_each_run_of_one_process_describes_the_environment_as_it_is_then(failed: Ork) -> None:
    with api.open(failed.folder) as project:
        oids = []
        for version in ("1.0", "2.0"):
            install(failed, version)
            oids.append(project.run("w").run.environment)
    assert oids[0] != oids[1]


def test_an_interpreter_that_prints_when_it_starts_is_described_as_well(failed: Ork) -> None:
    packages = next((failed.folder / ".venv").glob("lib/python*/site-packages"))
    (packages / "sitecustomize.py").write_text("print('hello')\n")
    assert failed("run", "w").code == 0
    assert environments(failed, "w#2") == ["mylib==1.0", "mylib==1.0"]


def test_a_run_without_outputs_of_another_one_says_nothing_of_any(ork: Ork) -> None:
    ork.write("w.yaml", 'name: w\ntasks:\n  a: {executor: process, command: "./a.sh"}\n')
    ork.write("a.sh", "#!/bin/sh\nexit 1\n", executable=True)
    ork("run", "w.yaml")
    ork.write("a.sh", "#!/bin/sh\nexit 0\n", executable=True)
    ork("deploy", "w.yaml")
    assert ork("retry", "w#1", "--latest").code == 0
    assert ork("run", "w").code == 0
    assert "an earlier run" not in ork("diff", "w#2", "w#3").out
    assert json.loads(whole_record(ork, "w#2"))["data"]["run"]["base"] is None
