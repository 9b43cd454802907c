"""The commands that files of a project name."""

from __future__ import annotations

import json

import pytest

from ork.code import tables
from ork.code.tables import main_of, named_paths, read_folders, read_places, read_table

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
@pytest.mark.parametrize("name", tables.TABLES)
def test_what_cannot_be_read_names_nothing(name, text):
    assert read_table(name, text) == {}


def test_a_table_has_a_largest_size(monkeypatch):
    text = b"[scripts]\nt = 'x'"
    monkeypatch.setattr(tables, "TABLE_MAX", len(text))
    assert read_table("Pipfile", text)
    assert read_table("Pipfile", text + b"\n") == {}


@pytest.mark.parametrize(
    ("path", "text", "folder"),
    [
        ("pyproject.toml", '[tool.setuptools]\npackage-dir = {"" = "lib"}', "lib"),
        ("pyproject.toml", '[tool.setuptools.packages.find]\nwhere = ["./lib/"]', "lib"),
        ("pyproject.toml", '[tool.poetry]\npackages = [{include = "a", from = "lib"}]', "lib"),
        ("pyproject.toml", '[tool.hatch.build.targets.wheel]\npackages = ["lib/a"]', "lib"),
        ("setup.cfg", "[options]\npackage_dir =\n    = lib\npackages = find:", "lib"),
        ("setup.cfg", "[options.packages.find]\nwhere = lib", "lib"),
        ("setup.py", "setup(package_dir={'': 'lib'}, packages=find_packages('lib'))", "lib"),
        ("setup.py", 'setup(packages=find_packages(where="lib"))', "lib"),
    ],
)
def test_folders_of_packages_are_read(path: str, text: str, folder: str) -> None:
    assert read_folders(path, text.encode()) == {folder}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("pyproject.toml", '[tool.setuptools.package-dir]\n"" = "lib"\n"a.b" = "x/y"'),
        ("setup.py", "setup(package_dir={'': 'lib', 'a.b': './x/y'}, packages=['a.b'])"),
        ("setup.cfg", "[options]\npackage_dir =\n    = lib\n    a.b = x/y\npackages = find:"),
    ],
)
def test_the_place_of_a_package_is_read(path: str, text: str) -> None:
    assert read_places(path, text.encode()) == {"a.b": "x/y"}
    assert not read_places(path, b"package_dir = {'a': 1")


def test_a_hostile_table_of_places_costs_little() -> None:
    for text in ("package_dir={", "package_dir =\n", "package_dir =\n a", "a='b"):
        whole = text * (tables.TABLE_MAX // len(text))
        assert len(read_places("setup.py", whole.encode())) <= 1


def test_what_names_no_folder_of_packages_is_passed_over() -> None:
    for text in ("", "[", "tool = 1", "[tool.setuptools]\npackage-dir = {a = 'lib'}"):
        assert not read_folders("pyproject.toml", text.encode())
    assert not read_folders("setup.py", b"setup(packages=find_packages())")


def test_the_file_that_a_folder_begins_with_is_read() -> None:
    assert main_of(b'{"main": "lib/x.js"}') == "lib/x.js"
    for text in (b"", b"[]", b'{"main": 1}', b"{}"):
        assert main_of(text) is None


def test_hostile_tables_of_packages_cost_little() -> None:
    for text in ('"', "/*", "//", ",", '"\\', "[", '{"a":', "/*/"):
        for size in (tables.COMMENTED_MAX, tables.TABLE_MAX):
            whole = (text * (size // len(text))).encode()
            assert not list(named_paths("tsconfig.json", whole, "a"))
    many = json.dumps({"imports": {f"*{n}": "./a" for n in range(50_000)}}).encode()
    assert not any(list(named_paths("package.json", many, f"x{n}b")) for n in range(200))
