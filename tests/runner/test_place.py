"""Where attempts execute: what they see there is what the record has, or they are tainted."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from tests.conftest import Ork

# Somebody who edits the project while the run goes on, played by a task.
EDIT = "until test -e waiting; do sleep 0.01; done; {edit}; touch edited"
WAIT = "touch waiting; until test -e edited; do sleep 0.01; done; "


def record(ork: Ork, run: str = "w#1") -> dict:
    return json.loads(ork("show", run, "--json").out)["data"]


def attempts(ork: Ork, run: str = "w#1") -> dict[str, dict]:
    """Return the last attempt of each task of a run."""
    tasks = record(ork, run)["tasks"]
    return {name: task["taskrun"]["attempts"][-1] for name, task in tasks.items()}


def log(ork: Ork, task: str, run: str = "w#1") -> str:
    return ork("logs", f"{run}:{task}").out


def checkouts(ork: Ork) -> list[Path]:
    folder = ork.folder / ".ork" / "work"
    return list(folder.iterdir()) if folder.exists() else []


def workflow(ork: Ork, **commands: str) -> None:
    """Write a workflow of shell tasks, one after the other; `also...` is waited for by nobody."""
    tasks, before = {}, []
    for name, command in commands.items():
        tasks[name] = {"executor": "process", "command": command, "depends_on": before}
        before = before if name.startswith("also") else [name]
    ork.write("w.yaml", json.dumps({"name": "w", "tasks": tasks}))


def test_a_run_in_the_project_leaves_its_files_there(ork: Ork) -> None:
    workflow(ork, one="pwd; echo $PWD; date > out.csv")
    assert ork("run", "w.yaml").code == 0
    assert log(ork, "one").splitlines() == [str(ork.folder)] * 2
    assert record(ork)["run"]["place"] == "project"
    assert (ork.folder / "out.csv").exists()
    assert checkouts(ork) == []


def test_whatever_a_run_makes_in_the_store_is_for_its_owner_alone(ork: Ork) -> None:
    ork.write("b.sh", "umask 077; echo one; touch left\n")
    workflow(ork, a="sh b.sh")
    before = os.umask(0)
    try:
        assert ork("run", "w.yaml", "--checkout").code == 0
    finally:
        os.umask(before)
    (checkout,) = checkouts(ork)
    made = [path for path in (ork.folder / ".ork").rglob("*") if not path.is_symlink()]
    assert {checkout / "b.sh", ork.folder / ".ork/logs/w"} < {*made}
    assert [path for path in made if path.stat().st_mode & 0o077] == []


def test_a_script_that_an_earlier_task_changed_is_executed_as_captured(ork: Ork) -> None:
    ork.write("b.sh", "echo one\n")
    workflow(ork, a="sed -i s/one/two/ b.sh", b="sh b.sh; cat b.sh")
    result = ork("run", "w.yaml")
    assert log(ork, "b") == "one\necho one\n"
    assert ork("show", "w#1:b.sh").out == "echo one\n"
    assert (ork.folder / "b.sh").read_text() == "echo two\n"
    found = attempts(ork)
    assert (found["a"]["place"], found["b"]["place"]) == (None, "checkout")
    assert found["a"]["tainted"] == found["b"]["tainted"] == []
    assert "b.sh is no longer as recorded: tasks start in .ork/work/" in result.err
    hint = "hint: nothing to do if you edited it; if a task writes it, as data: `exclude: [b.sh]`\n"
    assert hint in result.err
    assert "place    the project's folder, and a checkout for b\n" in ork("show", "w#1").out


def test_what_changes_under_an_attempt_that_executes_it_taints_it(ork: Ork) -> None:
    ork.write("lib.sh", "say() { echo one; }\n")
    ork.write("main.sh", f"{WAIT}\n. ./lib.sh\nsay\n")
    ork.write("other.sh", f"{WAIT}\n")
    edit = EDIT.format(edit="sed -i s/one/two/ lib.sh")
    workflow(ork, also_edit=edit, also_main="sh main.sh", also_other="sh other.sh")
    assert ork("run", "w.yaml", "-j", "3").code == 0
    assert log(ork, "also_main") == "two\n"
    tainted = {name: one["tainted"] for name, one in attempts(ork).items()}
    assert tainted == {"also_edit": [], "also_main": ["lib.sh"], "also_other": []}


def test_a_file_that_is_as_it_was_again_taints_all_the_same(ork: Ork) -> None:
    ork.write("main.sh", f"{WAIT}\n")
    edit = EDIT.format(edit="sed -i p main.sh; sed -i 'n;d' main.sh")
    workflow(ork, also_edit=edit, main="sh main.sh", then="sh main.sh")
    assert ork("run", "w.yaml", "-j", "2").code == 0
    found = attempts(ork)
    assert found["main"]["tainted"] == ["main.sh"]
    assert (found["then"]["place"], found["then"]["tainted"]) == (None, [])


def test_a_file_of_include_may_be_read_by_anybody(ork: Ork) -> None:
    ork.write("q.sql", "select 1\n")
    edit = EDIT.format(edit="echo select 2 > q.sql")
    workflow(ork, also_edit=edit, main=f"{WAIT} cat q.sql", then="cat q.sql")
    text = json.loads((ork.folder / "w.yaml").read_text())
    ork.write("w.yaml", json.dumps({**text, "include": ["q.sql"]}))
    ork("run", "w.yaml", "-j", "2")
    assert log(ork, "main") == "select 2\n"
    assert log(ork, "then") == "select 1\n" == ork("show", "w#1:q.sql").out
    assert attempts(ork)["main"]["tainted"] == ["q.sql"]
    assert attempts(ork)["then"]["tainted"] == []


def test_a_revision_of_the_past_sees_all_its_captured_files_and_todays_data(ork: Ork) -> None:
    ork.write("code/q.sql", "select 1\n")
    ork.write("code/lib.py", "WORD = 'one'\n")
    ork.write(
        "code/main.py", "import lib\ndef main(): return [lib.WORD, open('code/q.sql').read()]\n"
    )
    ork.write(
        "w.yaml",
        "name: w\ninclude: [code/*.sql]\ntasks: {t: {executor: python, file: code/main.py}}\n",
    )
    ork.write("code/data.csv", "monday")
    ork.write("data/more.csv", "monday")
    ork("run", "w.yaml")
    ork.write("code/q.sql", "select 2\n")
    ork.write("code/lib.py", "WORD = 'two'\n")
    ork("run", "w.yaml")
    assert json.loads(ork("outputs", "w#2", "--json").out)["data"]["t"] == ["two", "select 2\n"]
    result = ork("run", "w~1")
    assert json.loads(ork("outputs", "w#3", "--json").out)["data"]["t"] == ["one", "select 1\n"]
    assert record(ork, "w#3")["run"]["place"] == "checkout"
    assert "in .ork/work/" in result.err
    assert checkouts(ork) == []  # nothing was written there


def test_files_that_a_run_writes_in_its_checkout_are_kept_and_told(ork: Ork) -> None:
    ork.write("in.csv", "old\n")
    ork.write("data/more.csv", "old\n")
    workflow(ork, one="echo new > out.csv; echo new > in.csv; echo new > data/out.csv; mkdir empty")
    result = ork("run", "w.yaml", "--checkout")
    [folder] = checkouts(ork)
    assert f"files that its tasks wrote are in .ork/work/{folder.name}" in result.err
    assert f"place    a checkout: .ork/work/{folder.name} has its files" in ork("show", "w#1").out
    assert (folder / "out.csv").read_text() == "new\n"
    assert not (ork.folder / "out.csv").exists()
    # What is data of the project is written there, by its link.
    assert (
        (ork.folder / "in.csv").read_text() == (ork.folder / "data/out.csv").read_text() == "new\n"
    )


def test_an_old_checkout_without_files_of_tasks_goes_with_the_next_run(ork: Ork) -> None:
    workflow(ork, one="echo new > out.csv")
    for number in (1, 2):
        assert ork("run", "w.yaml", "--checkout").code == 0, number
    first, second = sorted(checkouts(ork))
    (first / "out.csv").unlink()  # what was worth keeping was taken elsewhere
    unknown = ork.folder / ".ork/work/20260101T000000.000-abcdef"
    unknown.mkdir()
    assert ork("run", "w.yaml").code == 0
    assert sorted(checkouts(ork)) == sorted([second, unknown])
    assert (second / "out.csv").read_text() == "new\n"
    assert os.listdir(ork.folder / ".ork/locks") == []


def test_a_task_in_a_checkout_finds_what_earlier_ones_wrote_in_the_project(ork: Ork) -> None:
    ork.write("b.sh", "cat first second\n")
    workflow(
        ork,
        a="echo 1 > first; sed -i 's/.*/echo no/' b.sh",
        b="sh b.sh 2>/dev/null; echo 2 > second",
        c="sh b.sh",
    )
    ork("run", "w.yaml")
    assert log(ork, "c") == "1\n2\n"


def test_a_captured_file_that_a_task_changes_in_its_checkout_is_put_back(ork: Ork) -> None:
    ork.write("b.sh", "echo one\n")
    workflow(ork, a="sed -i s/one/two/ b.sh", b="sh b.sh", c="rm b.sh", d="sh b.sh")
    assert ork("run", "w.yaml", "--checkout").code == 0
    assert (log(ork, "b"), log(ork, "d")) == ("one\n", "one\n")
    assert (ork.folder / "b.sh").read_text() == "echo one\n"


def test_captured_files_in_a_checkout_are_read_only(ork: Ork) -> None:
    ork.write("b.sh", "true\n", executable=True)
    workflow(ork, a="stat -c %A b.sh; ./b.sh")
    ork("run", "w.yaml", "--checkout")
    assert log(ork, "a") == "-r-x------\n"


def test_code_of_other_versions_is_not_linked_in(ork: Ork) -> None:
    ork.write("main.sh", "if [ -e extra.sh ]; then . ./extra.sh; else echo alone; fi\n")
    workflow(ork, a="sh main.sh")
    ork("run", "w.yaml")
    ork.write("extra.sh", "echo extra\n")
    ork("run", "w.yaml")
    ork("run", "w~1")
    assert (log(ork, "a", "w#2"), log(ork, "a", "w#3")) == ("extra\n", "alone\n")


def test_a_run_whose_folder_is_gone_works_with_its_code_alone(ork: Ork) -> None:
    ork.write("flows/b.sh", "echo one\n")
    ork.write("flows/w.yaml", 'name: w\ntasks: {a: {executor: process, command: "sh b.sh; ls"}}\n')
    ork("init")
    ork("deploy", "flows/w.yaml")
    shutil.rmtree(ork.folder / "flows")
    assert ork("run", "w").code == 0
    assert log(ork, "a") == "one\nb.sh\n"


def test_a_retry_goes_on_in_the_checkout_of_its_run(ork: Ork) -> None:
    workflow(ork, a="echo 1 > first", b="cat first; test $ORK_ATTEMPT = 2")
    assert ork("run", "w.yaml", "--checkout").code == 1
    assert ork("retry", "w#1", "--checkout").code == 0
    assert ork("logs", "w#1:b", "--attempt", "2").out == "1\n"


def test_a_file_without_a_deploy_runs_where_it_lies(ork: Ork) -> None:
    ork.write("old.sh", "true\n")
    workflow(ork, a="sh old.sh")
    ork("deploy", "w.yaml")
    workflow(ork, a="pwd")
    assert ork("run", "w.yaml", "--no-deploy").code == 0
    assert log(ork, "a") == f"{ork.folder}\n"


@pytest.mark.parametrize(
    "task", ["{executor: process, command: python use.py}", "{executor: python, file: use.py}"]
)
def test_byte_code_of_an_edit_in_the_same_second_never_executes(
    ork: Ork, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    ork.write("use.py", "import word\nprint(word.WORD)\ndef main(): pass\n")
    ork.write("w.yaml", f"name: w\ntasks: {{a: {task}}}\n")
    now = time.time()
    for text in ("one", "two"):
        path = ork.write("word.py", f"WORD = {text!r}\n")
        os.utime(path, (now, now))
        if text == "one":
            os.system(f"cd {ork.folder} && python -c 'import word'")
    assert list(ork.folder.glob("__pycache__/word.*"))
    ork("run", "w.yaml")
    assert log(ork, "a") == "two\n"


def test_no_byte_code_is_written_beside_captured_files(
    ork: Ork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    ork.write("use.py", "import word\ndef main(): pass\n")
    ork.write("word.py", "")
    ork.write(
        "w.yaml",
        """\
        name: w
        tasks:
          a: {executor: process, command: python use.py}
          b: {executor: python, file: use.py}
        """,
    )
    assert ork("run", "w.yaml").code == 0
    assert list(ork.folder.rglob("__pycache__")) == []


@pytest.mark.slow
def test_what_is_excluded_is_data_though_tasks_execute_it(ork: Ork) -> None:
    ork.write("make.py", GENERATE)
    ork.write("use.py", "from gen import names\n\ndef main():\n    return names.NAME\n")
    ork.write("w.yaml", GENERATED)
    for number in (1, 2):
        result = ork("run", "w.yaml")
        assert result.code == 0, result.err
        record = json.loads(ork("show", f"w#{number}", "--json").out)["data"]
        assert record["run"]["place"] == "project"
        outputs = {task: record["tasks"][task]["output"] for task in ("shell", "python")}
        assert outputs == {"shell": number, "python": number}
    checked = ork("check", "w.yaml", "--files")
    assert checked.err == ""
    assert checked.out.splitlines()[1:] == [
        "  make.py  script of make",
        "  use.py   file of python",
        "  use.py:1: it is not known what this executes: gen",
        "  use.py:1: it is not known what this executes: gen.names",
        "  w.yaml:8: it is not known what this executes: ./gen/params.sh",
    ]
    assert "2 succeeded" in ork("log", "w").out
    assert ork("run", "w.yaml", "--checkout").code == 0
    # That a newer version takes it for code is nothing to this one.
    ork.write("w.yaml", GENERATED.replace("exclude: [gen]", "include: [gen/*]"))
    assert ork("deploy", "w.yaml").code == 0
    assert ork("run", "w~1").code == 0
    assert json.loads(ork("show", "w#4", "--json").out)["data"]["run"]["place"] == "project"


GENERATE = """\
import pathlib
folder = pathlib.Path("gen")
folder.mkdir(exist_ok=True)
number = int((folder / "count").read_text()) + 1 if (folder / "count").exists() else 1
(folder / "count").write_text(str(number))
(folder / "params.sh").write_text(f"NUMBER={number}\\n")
(folder / "names.py").write_text(f"NAME = {number}\\n")
"""
GENERATED = """\
name: w
exclude: [gen]
tasks:
  make: {executor: process, command: python make.py}
  shell:
    executor: process
    depends_on: [make]
    command: ". ./gen/params.sh; echo ORK_OUTPUT:$NUMBER"
  python: {executor: python, file: use.py, depends_on: [make]}
"""
