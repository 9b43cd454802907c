"""Where files of a project say that its packages lie."""

from __future__ import annotations

import pytest

from ork.code.python.packages import read_folders, read_places
from ork.code.tables.documents import SIZE_MAX


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
        whole = text * (SIZE_MAX // len(text))
        assert len(read_places("setup.py", whole.encode())) <= 1


def test_what_names_no_folder_of_packages_is_passed_over() -> None:
    for text in ("", "[", "tool = 1", "[tool.setuptools]\npackage-dir = {a = 'lib'}"):
        assert not read_folders("pyproject.toml", text.encode())
    assert not read_folders("setup.py", b"setup(packages=find_packages())")
