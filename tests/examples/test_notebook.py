"""The notebook of the penguins, executed in a copy of its folder."""

from __future__ import annotations

import shutil

import pytest

from tests.examples.test_examples import EXAMPLES

# What the code cells show, in their order: the kind of it, and what is in it.
SHOWN = [
    ("text/html", "<caption>RunDetails penguins#1, success,"),
    ("image/svg+xml", "by_island"),
    ("text/html", "<td>Gentoo</td>"),
    ("text/html", "<td>First deploy of 5 tasks</td>"),
    ("text/html", "<td>success</td>"),
    ("text/html", ">no difference between penguins#1 and penguins#2</span>"),
    ("text/html", "<iframe sandbox="),
]


pytestmark = [
    pytest.mark.slow,
    pytest.mark.turns(3),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

# Something that goes wrong in a function of the notebook's own, and in a file.
ERRORS = """
import ork
project = ork.open(create=True)
def deploy(name):
    return project.deploy(name)
---
deploy("nope.yaml")
---
open("bad.yaml", "w").write("name: bad\\ntasks: {a: {exector: process, command: x}}")
deploy("bad.yaml")
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("HOME", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return shutil.copytree(EXAMPLES / "penguins", tmp_path / "penguins")


def executed(notebook, folder, **options):
    """Execute a notebook; return what its cells show last."""
    client = pytest.importorskip("nbclient").NotebookClient
    client(notebook, resources={"metadata": {"path": str(folder)}}, **options).execute()
    return [cell.outputs[-1] for cell in notebook.cells if cell.get("outputs")]


def test_an_error_is_the_own_place_and_what_is_wrong(folder):
    nbformat = pytest.importorskip("nbformat")
    cells = [nbformat.v4.new_code_cell(text) for text in ERRORS.split("---\n")]
    found = executed(nbformat.v4.new_notebook(cells=cells), folder, allow_errors=True)
    missing, wrong = ("\n".join(one.traceback).split("\n") for one in found)
    assert [line for line in missing if not line.startswith("  File")] == [
        '    deploy("nope.yaml")',
        "    return project.deploy(name)",
        "ork.errors.NotFound: no file nope.yaml",
    ]
    assert wrong[:2] == [wrong[0], '    deploy("bad.yaml")'] and "line 2" in wrong[0]
    assert "bad.yaml:2:13: unknown key `exector` in the task `a`" in wrong
    assert len(wrong) < 12


# A run that an interrupt of the kernel reaches once its task has begun.
INTERRUPTED = """
import os, pathlib, signal, threading, time
import ork
task = '{executor: process, command: "echo > begun; exec sleep 60"}'
pathlib.Path("etl.yaml").write_text("name: etl\\ntasks: {wait: " + task + "}")
project = ork.open(create=True)
def interrupt():
    while not pathlib.Path("begun").exists():
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt).start()
---
run = project.run("etl.yaml")
---
project.logs("etl#1")
---
project.run("penguins.yaml").state
"""


def test_a_run_shows_how_far_it_is_and_an_interrupt_ends_it(folder):
    nbformat = pytest.importorskip("nbformat")
    cells = [nbformat.v4.new_code_cell(text) for text in INTERRUPTED.split("---\n")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    executed(notebook, folder, allow_errors=True)
    _, stopped, logs, whole = ([*cell.outputs] for cell in notebook.cells)
    shown, error = stopped
    assert shown.data["text/plain"].startswith("etl#1 cancelled in ")
    assert shown.data["text/html"].startswith('<progress value="1" max="1"></progress> etl#1')
    first, line, last = "\n".join(error.traceback).split("\n")
    assert first.startswith("  File ") and line == '    run = project.run("etl.yaml")'
    assert last.startswith("KeyboardInterrupt: etl#1 ended as cancelled: stopped by the user; ")
    assert logs[0].data["text/plain"] == ""
    assert whole[0].data["text/plain"].endswith(": 5 succeeded") and len(whole) == 2


def test_the_notebook_shows_what_it_says(folder):
    notebook = pytest.importorskip("nbformat").read(folder / "penguins.ipynb", as_version=4)
    found = [one.data for one in executed(notebook, folder)]
    for data, (kind, text) in zip(found, SHOWN, strict=True):
        assert text in data[kind]


def test_a_run_offers_what_it_has_and_the_names_of_its_tasks(folder, monkeypatch):
    run_kernel = pytest.importorskip("jupyter_client.manager").run_kernel
    pytest.importorskip("ipykernel")
    code = "import ork; project = ork.open(create=True); run = project.run('penguins.yaml')"
    code += "; entry = project.runs()[0]; found = project.show('penguins')"
    with run_kernel(cwd=str(folder)) as client:
        assert client.execute_interactive(code, timeout=60)["content"]["status"] == "ok"
        for text, wanted in (
            ("run.", ["ok", "outputs", "state", "tasks"]),
            ("entry.", ["name", "ok", "state"]),
            ('run.outputs["', ["clean", "report"]),
            ('run.tasks["', ["clean", "report"]),
            ('found.tasks["', ["clean", "report"]),
        ):
            offered = client.complete(text, reply=True, timeout=60)["content"]["matches"]
            assert {one.rpartition(".")[2] for one in offered} >= set(wanted), (text, offered)
