"""Notebooks that commands execute: they are code, and so is what their cells name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ork.errors import InvalidInput
from tests.code.test_notebook import R, text_of
from tests.conftest import Ork
from tests.worktree.test_capture import captured, paths, write

CONVERT = "executor: process, command: jupyter nbconvert --to html --execute {}"


def messages(root: Path, task: str) -> tuple[list[str], list[str]]:
    """Return what is not known of a task: what a person can name, and the rest."""
    found = captured(root, task)
    told, silent = (
        [f"{p.file}:{p.line}: {p.message}" for p in some] for some in (found.unknown, found.silent)
    )
    return told, silent


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with one notebook that imports, runs and starts others."""
    folder = tmp_path / "root"
    cells = (
        "%xmode Plain\nimport helper, sys\nsys.path += ['..', '../more']",
        "!cat data.csv\nfrom lib import x\nimport e",
        "%run ../tools/draw.py\n%run other.ipynb",
    )
    write(folder, "nb/report.ipynb", text_of(*cells))
    write(folder, "nb/other.ipynb", text_of("import deeper"))
    write(folder, "nb/helper.py", "import deeper")
    write(folder, "tools/draw.py", "import beside")
    more = ("nb/deeper.py", "lib/__init__.py", "lib/x.py", "more/e.py", "tools/beside.py")
    for path in (*more, "common.py", "nb/data.csv", "nb/unused.py"):
        write(folder, path)
    return folder


REACHED = [
    "lib/__init__.py",
    "lib/x.py",
    "more/e.py",
    "nb/deeper.py",
    "nb/helper.py",
    "nb/other.ipynb",
    "nb/report.ipynb",
    "tools/beside.py",
    "tools/draw.py",
]


@pytest.mark.parametrize(
    "command",
    [
        "jupyter nbconvert --to html --execute nb/report.ipynb --output x.html",
        "timeout 60 jupyter execute nb/report.ipynb",
        "cd nb && python -m jupyter nbconvert --execute --to notebook report.ipynb",
        "papermill -p a 1 --cwd nb nb/report.ipynb nb/made.ipynb",
    ],
)
def test_a_notebook_is_captured_and_all_that_it_reaches(root: Path, command: str) -> None:
    write(root, "nb/made.ipynb", text_of("import no"))
    assert paths(root, f"executor: process, command: {command}") == REACHED
    assert messages(root, f"executor: process, command: {command}") == ([], [])


def test_a_notebook_in_a_script_is_followed(root: Path) -> None:
    write(root, "run.sh", "cd nb\njupyter execute report\n")
    assert paths(root, "executor: process, command: sh run.sh") == sorted([*REACHED, "run.sh"])


def test_after_the_folder_of_a_notebook_the_root_is_searched(root: Path) -> None:
    write(root, "a/in.ipynb", text_of("import common, near"))
    write(root, "a/near.py")
    write(root, "near.py")
    assert paths(root, CONVERT.format("a/in.ipynb")) == ["a/in.ipynb", "a/near.py", "common.py"]


def test_papermill_executes_where_it_starts(root: Path) -> None:
    write(root, "a/in.ipynb", text_of("import common\n%run tools/draw.py"))
    write(root, "a/common.py")
    found = paths(root, "executor: process, command: papermill a/in.ipynb out.ipynb")
    assert found == ["a/in.ipynb", "common.py", "tools/beside.py", "tools/draw.py"]
    write(
        root, "start.py", "import papermill as pm\npm.execute_notebook('nb/other.ipynb', 'o.ipynb')"
    )
    found = paths(root, "executor: process, command: python start.py")
    assert found == ["nb/other.ipynb", "start.py"]


def test_a_notebook_that_is_only_read_is_data(root: Path) -> None:
    command = "jupyter nbconvert --to script nb/report.ipynb; cat nb/report.ipynb; jupyter lab"
    assert paths(root, f"executor: process, command: {command}") == []


REWRITTEN = "w/{}: nb/report.ipynb is in no version: what executes it writes it as well"


@pytest.mark.parametrize(
    "command",
    [
        "jupyter execute --inplace nb/report.ipynb",
        "cd nb && jupyter nbconvert --execute --to notebook --inplace report.ipynb",
        "jupyter nbconvert --execute --to notebook nb/report.ipynb --output report",
        "papermill nb/report.ipynb nb/../nb/report.ipynb",
        "papermill nb/report.ipynb o.ipynb && mv o.ipynb nb/report.ipynb",
    ],
)
def test_of_a_notebook_that_a_command_writes_anew_it_is_told_that_it_is_data(
    root: Path, command: str
) -> None:
    task = f"executor: process, command: {command}"
    assert paths(root, task) == []
    assert messages(root, task)[0] == [REWRITTEN.format("etl.yaml:3")]
    assert captured(root, task, head="exclude: [nb/report.ipynb]\n").unknown == ()


def test_of_a_notebook_that_a_script_writes_anew_it_is_told_once(root: Path) -> None:
    lines = "import papermill as pm\nx = 'nb/report.ipynb'\npm.execute_notebook(x, output_path=x)"
    write(root, "start.py", lines)
    task = "executor: process, command: python start.py"
    assert paths(root, task) == ["start.py"]
    found = captured(root, task, task.replace("python", "python -u")).unknown
    assert [f"{one.file}:{one.line}: {one.message}" for one in found] == [
        REWRITTEN.format("start.py:3")
    ]


def test_a_script_that_is_made_of_a_notebook_tells_of_the_notebook(root: Path) -> None:
    make, use = "jupyter nbconvert --to script nb/report.ipynb", "python nb/report.py"
    tasks = [f"executor: process, command: {command}" for command in (make, use)]
    (told,) = captured(root, *tasks).unknown
    assert told.message == "nb/report.py is made of nb/report.ipynb, which is not captured"
    assert captured(root, *tasks, head="include: [nb/report.ipynb]\n").unknown == ()


def test_what_notebooks_write_for_one_another_is_data(root: Path) -> None:
    write(root, "step.ipynb")
    lines = ("papermill nb/other.ipynb step.ipynb", "papermill step.ipynb o.ipynb")
    tasks = [f"executor: process, command: {line}" for line in lines]
    assert paths(root, *tasks) == ["nb/deeper.py", "nb/other.ipynb"]
    assert captured(root, *tasks).unknown == ()


@pytest.mark.parametrize(
    ("data", "line"),
    [(b"{", 0), (b"", 0), (text_of("import lib.x", metadata=R), 0), (text_of("x y\nimport a"), 24)],
)
def test_a_notebook_that_cannot_be_read_is_captured_as_bytes(
    root: Path, data: bytes, line: int
) -> None:
    write(root, "odd.ipynb", data)
    task = CONVERT.format("odd.ipynb")
    assert captured(root, task).files["odd.ipynb"].data == data
    assert paths(root, task) == ["odd.ipynb"]
    assert messages(root, task) == ([], [f"w/odd.ipynb:{line}: it is not known what this executes"])


def test_a_name_that_only_a_run_knows_is_told_until_notebooks_are_included(root: Path) -> None:
    task = CONVERT.format("$NB")
    assert messages(root, task)[0] == [
        "w/etl.yaml:3: it is not known which script this executes: $NB"
    ]
    found = captured(root, task, head="include: ['nb/*.ipynb']\n")
    assert (found.unknown, sorted(found.files)) == ((), ["nb/other.ipynb", "nb/report.ipynb"])
    write(root, "a.ipynb", text_of("x = 1", "import_module(x)"))
    (told,) = captured(root, CONVERT.format("a.ipynb")).unknown
    assert told.message == "it is not known which module this imports: import_module(x)"
    assert told.source is not None
    assert told.source[told.column - 1 :].startswith("import_module(x)")
    assert messages(root, CONVERT.format("no.ipynb"))[0] == [
        "w/etl.yaml:3: there is no file no.ipynb"
    ]


@pytest.mark.parametrize(
    ("file", "place", "message", "hint"),
    [
        ("a.ipynb", "w/etl.yaml:3", "a.ipynb is a notebook, which has no function", "--execute"),
        ("a.sh", "w/a.sh:1", "not valid Python: invalid syntax", "execute it by a `command`"),
    ],
)
def test_a_python_task_of_what_is_no_python_is_told_of_commands(
    root: Path, file: str, place: str, message: str, hint: str
) -> None:
    write(root, "a.ipynb", text_of("x = 1"))
    write(root, "a.sh", "echo a b")
    with pytest.raises(InvalidInput) as caught:
        captured(root, f"executor: python, file: {file}, function: x")
    (found,) = caught.value.problems
    assert f"{found.file}:{found.line}" == place
    assert found.message.startswith(message) and hint in (found.hint or "")


# -- through the commands

FLOW = """\
    name: flow
    tasks:
      report: {{executor: process, command: "{command}"}}
      other: {{executor: process, command: "echo other"}}
"""
CELL = "import helper\nopen('out.txt', 'w').write(helper.WORD + ' {word}')"


def a_flow(ork: Ork, command: str = "jupyter execute nb/report.ipynb") -> None:
    ork.write("flow.yaml", FLOW.format(command=command))
    ork.write("nb/report.ipynb", text_of(CELL.format(word="one")).decode())
    ork.write("nb/helper.py", "WORD = 'first'\n")


def test_check_lists_it_and_diff_and_blame_tell_of_it(ork: Ork) -> None:
    a_flow(ork)
    listed = ork("check", "flow.yaml", "--files").out.splitlines()
    assert listed[1:] == [
        "  nb/helper.py     imported by nb/report.ipynb",
        "  nb/report.ipynb  script of report",
    ]
    assert ork("deploy", "flow.yaml", "-m", "one").code == 0
    ork.write("nb/report.ipynb", text_of(CELL.format(word="two")).decode())
    assert ork("deploy", "flow.yaml", "-m", "two").code == 0
    ork.write("nb/helper.py", "WORD = 'second'\n")
    assert ork("deploy", "flow.yaml", "-m", "three").code == 0
    shown = ork("diff", "flow~2", "flow~1").out
    assert (
        "nb/report.ipynb" in shown and "+open('out.txt', 'w').write(helper.WORD + ' two')" in shown
    )
    # What was captured then tells which task it belongs to, whatever lies in the folder now.
    (ork.folder / "nb/report.ipynb").write_text("{")
    for older, newer in (("flow~2", "flow~1"), ("flow~1", "flow")):
        found = json.loads(ork("diff", older, newer, "--json").out)["data"]
        assert [one["name"] for one in found["impact"]["affected"]] == ["report"]
    found = ork("log", "flow", "--oneline", "--", "report").out.splitlines()
    assert [line.split()[-1] for line in found] == ["two", "one"]
    (line,) = (x for x in ork("blame", "flow:nb/report.ipynb").out.splitlines() if "WORD" in x)
    assert line.split()[0] == json.loads(ork("log", "flow", "--json").out)["data"][1]["oid"][:8]


def test_diff_folds_pictures_and_says_where_only_the_layout_differs(ork: Ork) -> None:
    ork.write("flow.yaml", FLOW.format(command="jupyter execute a.ipynb"))
    notebook = json.loads(text_of("x = 1"))
    (code_cell,) = (one for one in notebook["cells"] if one["cell_type"] == "code")
    for name, picture, indent in (("one", "A", 1), ("two", "B", 1), ("three", "B", None)):
        data = {"image/png": picture * 500}
        code_cell["outputs"] = [{"output_type": "display_data", "data": data}]
        ork.write("a.ipynb", json.dumps(notebook, indent=indent))
        assert ork("deploy", "flow.yaml", "-m", name).code == 0
    for form in ((), ("--patch",), ("--word-diff",), ("--format", "markdown"), ("--json",)):
        shown = ork("diff", "flow~2", "flow~1", *form).out
        assert "image/png" in shown and "BBB" not in shown and "AAA" not in shown
    assert "~ a.ipynb  only the layout" in ork("diff", "flow~1", "flow").out
    assert ork("diff", "flow~1:a.ipynb", "a.ipynb").out == "only the layout differs\n"


@pytest.mark.slow
def test_an_old_revision_executes_the_notebook_and_the_modules_of_then(ork: Ork) -> None:
    pytest.importorskip("nbclient", reason="no nbclient to execute a notebook")
    pytest.importorskip("ipykernel", reason="no kernel to execute a notebook")
    ork.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    a_flow(ork)
    assert ork("run", "flow.yaml").code == 0
    out = ork.folder / "nb/out.txt"
    assert out.read_text() == "first one"
    ork.write("nb/report.ipynb", text_of(CELL.format(word="two")).decode())
    ork.write("nb/helper.py", "WORD = 'second'\n")
    assert ork("run", "flow.yaml").code == 0
    assert out.read_text() == "second two"
    assert ork("run", "flow~1").code == 0
    assert out.read_text() == "first one"


SEEN = "open(__import__('os').environ['SEEN'], 'a').write('{}\\n')\n"


@pytest.mark.slow
def test_what_a_kernel_really_executes_is_what_is_captured(root: Path, tmp_path: Path) -> None:
    pytest.importorskip("nbclient", reason="no nbclient to execute a notebook")
    pytest.importorskip("ipykernel", reason="no kernel to execute a notebook")
    for path in root.rglob("*.py"):
        name = path.relative_to(root).as_posix()
        path.write_text(SEEN.format(name) + path.read_text())
    environ = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    environ |= {"SEEN": str(tmp_path / "seen"), "PYTHONDONTWRITEBYTECODE": "1"}
    line = ["jupyter", "execute", "nb/report.ipynb"]
    subprocess.run(line, cwd=root, env=environ, check=True, capture_output=True, timeout=60)
    seen = {*(tmp_path / "seen").read_text().split(), "nb/report.ipynb", "nb/other.ipynb"}
    assert sorted(seen) == REACHED
    assert paths(root, "executor: process, command: jupyter execute nb/report.ipynb") == REACHED
