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
    ("text/html", "<td>From a notebook</td>"),
    ("text/html", "<td>success</td>"),
    ("text/html", "<caption>RunDiff penguins#1, penguins#2, nothing differs</caption>"),
    ("text/html", "<iframe sandbox="),
]


@pytest.mark.slow
@pytest.mark.turns(3)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_notebook_shows_what_it_says(tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    folder = tmp_path / "penguins"
    shutil.copytree(EXAMPLES / "penguins", folder)
    for name in ("HOME", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    notebook = nbformat.read(folder / "penguins.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, resources={"metadata": {"path": str(folder)}}).execute()
    found = [cell.outputs[-1].data for cell in notebook.cells if cell.get("outputs")]
    for data, (kind, text) in zip(found, SHOWN, strict=True):
        assert text in data[kind]
