"""The plug-in for pytest, in the pytest of somebody's project."""

import shutil
from pathlib import Path

import pytest

import ork as library
from tests.test_api import python

pytest_plugins = ["pytester"]
EXAMPLES = Path(__file__).parents[1] / "examples"

WORKFLOW = """
name: etl
params: {day: date, unused: int}
on_failure: {command: touch hooked}
tasks:
  extract:
    executor: process
    command: echo 'ORK_OUTPUT:{"rows":[1,2]}'
  clean:
    executor: python
    file: code/clean.py
    depends_on: [extract]
    input_type: {rows: [int], day: date}
    inputs: {rows: {ref: tasks.extract.output.rows}, day: {ref: params.day}}
    env: {MODE: {ref: tasks.extract.output.mode}}
  echo:
    executor: python
    file: code/clean.py
    function: echo
    inputs: {value: {const: 1}}
  read:
    executor: process
    command: cat data/all.txt && cat secret.txt
"""
MODES = """
name: modes
env: {MODE: slow}
tasks:
  say:
    executor: process
    command: echo "$MODE, $TOKEN"
    env: {TOKEN: {secret: API_TOKEN}}
  again:
    executor: process
    command: echo "again $MODE" && cat data/all.txt
    depends_on: [say]
"""
SAVE = """
name: save
tasks:
  save: {executor: python, file: code/save.py, function: save}
  table: {executor: python, file: code/save.py, function: table}
  shell: {executor: process, command: echo 1 > out/csv/new/b.csv}
"""
SAVED_BY = """
import os

def save():
    open("out/csv/a.csv", "w").close()

def table():  # as pandas does
    if not os.path.isdir("out"):
        raise OSError("Cannot save file into a non-existent directory: 'out'")
    raise ValueError("out, 'out', " + 300 * "x" + ".csv")
"""
CLEAN = """
import os

def main(rows, day):
    print("cleaning", os.environ["MODE"], os.path.basename(os.getcwd()))
    if not rows:
        raise ValueError("no rows")
    return {"sum": sum(rows), "day": day}
"""
CLEAN += """
def echo(value):
    print(value)
"""
TESTS = """
import json
from datetime import date

import pytest
import ork

CLEAN = {"env": {"MODE": "fast"}, "params": {"day": "2026-11-01"}}

def test_one_task(run_task, ork_project):
    result = run_task("etl.yaml", "clean", inputs={"rows": [1, 2]}, **CLEAN)
    assert (result.state, result.output) == ("success", {"sum": 3, "day": "2026-11-01"})
    assert result.outputs == {"clean": result.output}
    assert (result.folder / "code" / "clean.py").is_file() and result.folder.name == "project"
    assert result.logs == "cleaning fast project\\n"
    assert result.error is None
    assert [one.run.deploy for one in ork_project.runs()] == [None]

def test_values_are_those_of_a_run(run_task):
    np = pytest.importorskip("numpy")
    given = {"rows": (np.int64(1), True and 2)}
    assert run_task("etl.yaml", "clean", inputs=given, **CLEAN).output["sum"] == 3
    values = {"b": 1.0, "a": [2.5], "when": date(2026, 11, 1)}
    found = run_task("etl.yaml", "echo", inputs={"value": values})
    assert found.logs == "{'a': [2.5], 'b': 1, 'when': '2026-11-01'}\\n"

def test_a_task_that_fails(run_task):
    result = run_task("etl.yaml", "clean", inputs={"rows": []}, **CLEAN)
    assert result.state == "failed" and result.output is None
    assert "no rows" in result.error
    assert repr(result).endswith("clean: ValueError: no rows, 1 of 1 task failed>")

def test_files_that_are_not_in_the_copy_are_named(run_task):
    result = run_task("etl.yaml", "read")
    assert result.lacks == ("data/all.txt",) and "No such file" in result.error
    assert result.error.endswith("are in the copy: files=['data/all.txt']")
    assert result.nowhere == ()
    assert "files=['data/all.txt']" in repr(result)
    assert run_task("etl.yaml", "read", files="data").lacks == ("secret.txt",)
    assert run_task("etl.yaml", "read", files=["data", "secret.txt"]).error is None

def test_a_folder_to_write_into_that_is_not_in_the_copy_is_named(run_task):
    result = run_task("save.yaml", "save")
    assert result.lacks == ("out/csv",)
    told = "files=['out/csv'] lets it write out/csv/a.csv, which the project does not have either"
    assert result.error.endswith(told)
    assert run_task("save.yaml", "shell").lacks == ("out/csv",)
    assert run_task("save.yaml", "table").lacks == ("out",)
    assert run_task("save.yaml", "save", files="out/csv").ok
    assert run_task("save.yaml", "table").lacks == ()

@pytest.mark.parametrize(("task", "given", "says"), [
    ("claen", {}, "no task named 'claen'"),
    ("clean", {}, "clean needs rows, in place of tasks.extract.output.rows: give it as inputs="),
    ("clean", {"inputs": {"rows": []}}, "clean needs MODE, .*mode: give it as env={'MODE': ...}"),
    ("clean", {"inputs": {"rows": [1j, {2}]}}, r"rows\\[0\\].*complex.*\\n.*\\[1\\]: a set"),
    ("clean", {"inputs": {"rows": float("nan")}}, "the input rows: nan is not a JSON number"),
    ("clean", {"files": ["dat"]}, "no file or folder dat in .*(?s:.*)"),
    ("clean", {"files": ["data/../../x"]}, "no file or folder data/../../x in"),
    ("clean", {"inputs": {"row": 1}}, "clean has no input row; it has day, rows"),
    ("clean", {"inputs": {"rows": ["a"]}}, "the input rows of clean: .*expected int"),
    ("clean", {**CLEAN, "inputs": {"rows": []}, "params": {}}, "the parameter day has no default"),
    ("clean", {"inputs": [1]}, "inputs are names with values, and no list"),
    ("echo", {"env": {"A B": "", "MODE": 1}}, "'A B' is not a name of a variable\\nenv: MODE must"),
    ("echo", {"env": {"ORK_RUN_ID": "1"}}, "ork itself gives the variable ORK_RUN_ID"),
    ("echo", {"env": ["MODE"]}, "env is names with texts, and no list"),
])
def test_what_is_wrong_is_said(run_task, task, given, says):
    with pytest.raises(ork.OrkError, match=says):
        run_task("etl.yaml", task, **given)

def test_variables_stand_for_those_of_the_file(run_workflow, run_task, monkeypatch):
    env = {"MODE": "fast", "TOKEN": "mine"}
    assert run_task("modes.yaml", "say", env=env).logs == "fast, mine\\n"
    heading = "==> {} (attempt 1) <==\\n".format
    assert run_workflow("modes.yaml", env=env, files="data").logs == (
        f"{heading('say')}fast, mine\\n{heading('again')}again fast\\nall of it\\n"
    )
    monkeypatch.setenv("API_TOKEN", "hush")
    assert run_workflow("modes.yaml", files="data").logs == (
        f"{heading('say')}slow, ***\\n{heading('again')}again slow\\nall of it\\n"
    )

def test_a_workflow(run_workflow, ork_project):
    result = run_workflow("etl.yaml", params={"day": "2026-11-01", "unused": 1}, files=["data"])
    assert not result.ok and list(result.outputs) == ["echo", "extract"]
    assert "all of it" in result.logs and "secret.txt" in result.logs
    assert [one.deploy.workflow for one in ork_project.log()] == ["etl"]
    assert not (ork_project.store.project / "hooked").exists()
    assert result.outputs == dict(result.run.outputs) and json.loads(json.dumps(result.outputs))
    with pytest.raises(KeyError, match=r"clean gave no output .*; etl#1 failed: "):
        result.outputs["clean"]
    with pytest.raises(ork.NotFound, match="no file elsewhere.yaml in"):
        run_workflow("elsewhere.yaml")
"""


@pytest.mark.slow
def test_tasks_and_workflows_run_in_a_test(pytester):
    shutil.copytree(EXAMPLES / "penguins", pytester.path / "penguins")
    for name, text in {
        "etl.yaml": WORKFLOW,
        "modes.yaml": MODES,
        "code/clean.py": CLEAN,
        "save.yaml": SAVE,
        "code/save.py": SAVED_BY,
        "out/csv/old.csv": "1",
        "data/all.txt": "all of it\n",
        "secret.txt": "beside it\n",
        "tests/test_etl.py": TESTS,
    }.items():
        (pytester.path / name).parent.mkdir(parents=True, exist_ok=True)
        (pytester.path / name).write_text(text)
    before = sorted(pytester.path.rglob("*"))
    # Not in this process, which pytester would leave with half of the modules.
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=23)
    made = set(pytester.path.rglob("*")) - set(before)
    # What pytester itself leaves, and the folders of those tests.
    apart = {"__pycache__", "stdout", "stderr", "runpytest-0", "runpytest-current"}
    assert [one for one in made if apart.isdisjoint(one.parts)] == []


WRONG = """
def test_a_task(run_task):
    run_task("etl.yaml", "claen")

def test_an_input(run_task):
    run_task("etl.yaml", "clean", inputs={"row": 1})

def test_a_parameter(run_workflow):
    run_workflow("etl.yaml", params={"dya": "2026-11-01"})

def test_an_output(run_workflow):
    run_workflow("etl.yaml", params={"day": "2026-11-01", "unused": 1}).outputs["clean"]
"""


@pytest.mark.slow
def test_a_mistake_is_shown_in_the_test_and_nowhere_else(pytester):
    (pytester.path / "code").mkdir()
    for name, text in {"etl.yaml": WORKFLOW, "code/clean.py": CLEAN, "test_etl.py": WRONG}.items():
        (pytester.path / name).write_text(text)
    done = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    done.assert_outcomes(failed=4)
    told = done.stdout.str()
    assert "ork/" not in told.replace("ork/testing/__init__.py", "").partition("short test")[0]
    done.stdout.fnmatch_lines(
        [
            '>       run_task("etl.yaml", "claen")',
            "E       ork.errors.NotFound: no task named 'claen'",
            "E       hint: did you mean clean?",
            "E       ork.errors.UsageError: clean has no input row; it has day, rows",
            "E       ork.errors.*: *dya*",
            "E       KeyError: *clean gave no output *; etl#1 failed: *",
        ]
    )


def test_a_pytest_that_needs_nothing_of_ork_loads_nothing_of_it():
    loaded = python("""
        import sys, pytest
        before = set(sys.modules)
        import ork.testing
        print(*sorted(set(sys.modules) - before))
    """)
    assert loaded.split() == ["ork", "ork.testing"]


def test_pytest_finds_the_fixtures():
    from importlib.metadata import entry_points

    (found,) = entry_points(group="pytest11", name="ork")
    assert found.load().__name__ == "ork.testing"
    assert library.testing.run_task
