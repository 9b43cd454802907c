"""The modules that a source text names."""

from __future__ import annotations

import pytest

from ork.definition.imports import Import, Unreadable, read_imports


def names(source: str, *, is_package: bool = False) -> list[str]:
    found = read_imports(source.encode(), is_package=is_package)
    assert not isinstance(found, Unreadable)
    return ["." * named.level + named.name for named in found]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import a", ["a"]),
        ("import a.b as c, d", ["a.b", "d"]),
        ("from a import b", ["a", "a.b"]),
        ("from a.b import (c as d, e)", ["a.b", "a.b.c", "a.b.e"]),
        ("from a import *", ["a"]),
        ("from . import x", [".", ".x"]),
        ("from ..a import x", ["..a", "..a.x"]),
        ("from .. import *", [".."]),
        ("def f():\n  try:\n    import a\n  except ImportError:\n    import b", ["a", "b"]),
        ("if x:\n  import a\nelse:\n  class C:\n    from b import c", ["a", "b", "b.c"]),
        ("import importlib\nimportlib.import_module('a.b')", ["a.b", "importlib"]),
        ("import_module(name='a')", ["a"]),
        ("import_module('.x', package=__package__)", [".x"]),
        ("__import__('a')", ["a"]),
        ("import_module(x)\n__import__(f'{x}')\nimport_module('not a name')\n__import__()", []),
        ("'import a'  # import b", []),
        ("", []),
    ],
)
def test_imports_are_found_wherever_they_stand(source: str, expected: list[str]) -> None:
    assert sorted(names(source)) == sorted(expected)


def test_a_package_names_what_a_star_import_takes() -> None:
    assert names("__all__ = ['a', 'b']\n__all__ += ('c',)", is_package=True) == [".a", ".b", ".c"]
    assert names("__all__ = ['a']") == []


def test_an_encoding_line_is_obeyed() -> None:
    assert read_imports("# coding: latin-1\nimport é".encode("latin-1")) == (Import(0, "é"),)


def test_nothing_is_executed() -> None:
    assert names("raise SystemExit(1)\nimport a") == ["a"]


@pytest.mark.parametrize(
    ("source", "line"),
    [
        (b"import a\ndef f(:\n", 2),
        (b"x = '", 1),
        (b"a\0b", 0),
        (b"\xff\xfe", 0),
        (b"# coding: nothing-known\n", 0),
        (b"x = " + b"(" * 5000, 1),
        (b"x" + b".y" * 100_000, 0),
        (b"-" * 100_000 + b"1", 0),
    ],
)
def test_what_is_no_python_is_a_result(source: bytes, line: int) -> None:
    found = read_imports(source)
    assert isinstance(found, Unreadable)
    assert found.message
    assert found.line in (line, 0, 1)


def test_a_warning_about_the_source_is_not_ours() -> None:
    assert names("import a\nx = '\\d'\nassert (1, 'x')\n") == ["a"]
