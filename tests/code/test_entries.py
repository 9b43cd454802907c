"""The commands that files of a project name."""

from __future__ import annotations

import pytest

from ork.code.tables import documents
from ork.code.tables.entries import TABLES, read_table

MODULE, LINE = ("pkg.cli", ""), ("", "python x.py")


@pytest.mark.parametrize(
    ("name", "text", "means"),
    [
        ("pyproject.toml", "[project.scripts]\nt = 'pkg.cli:main'", MODULE),
        ("pyproject.toml", "[project.gui-scripts]\nt = 'pkg.cli : app.run'", MODULE),
        ("pyproject.toml", "[tool.poetry.scripts]\nt = 'pkg.cli:main'", MODULE),
        (
            "pyproject.toml",
            "[tool.poetry.scripts]\nt = {reference='pkg.cli:main', type='x'}",
            MODULE,
        ),
        ("pyproject.toml", "[tool.pdm.scripts]\nt = {call = 'pkg.cli:main(1)'}", MODULE),
        ("pyproject.toml", "[tool.pdm.scripts]\nt = {cmd = ['python', 'x.py']}", LINE),
        ("pyproject.toml", "[tool.hatch.envs.a.scripts]\nt = 'python x.py'", LINE),
        ("pyproject.toml", "[tool.poe.tasks]\nt = {shell = 'python x.py'}", LINE),
        ("pyproject.toml", "[tool.hatch.envs.a.scripts]\nt = ['sh a.sh', 'b']", ("", "sh a.sh\nb")),
        ("sub/Pipfile", "[scripts]\nt = 'python x.py'", LINE),
        ("pixi.toml", "[tasks]\nt = {cmd = 'python x.py'}", LINE),
        ("package.json", '{"scripts": {"t": "python x.py"}}', LINE),
        ("setup.cfg", "[options.entry_points]\nconsole_scripts =\n  t = pkg.cli:main", MODULE),
        ("setup.py", "setup(entry_points={'x': ['a=b:c', 't = pkg.cli:main [y]']})", MODULE),
    ],
)
def test_what_a_name_means(name, text, means):
    assert read_table(name, text.encode())["t"][:2] == means


def test_the_line_is_told_in_which_a_name_stands():
    text = b"[project]\nname = 't'\n[project.scripts]\n# t = 'x:y'\n't' = 'pkg.cli:main'\n"
    assert read_table("pyproject.toml", text)["t"].at == 5


@pytest.mark.parametrize(
    "text",
    [b"", b"[", b"\xff\xfe", b"[project]\nscripts = 3", b"project = []", b"a" * 99, b"[" * 99_999],
)
@pytest.mark.parametrize("name", TABLES)
def test_what_cannot_be_read_names_nothing(name, text):
    assert read_table(name, text) == {}


def test_a_table_has_a_largest_size(monkeypatch):
    text = b"[scripts]\nt = 'x'"
    monkeypatch.setattr(documents, "SIZE_MAX", len(text))
    assert read_table("Pipfile", text)
    assert read_table("Pipfile", text + b"\n") == {}
