"""Which files a workflow captures, and what is refused, on real files."""

from __future__ import annotations

import io
import json
import os
import socket
from pathlib import Path

import pytest

from ork.code.source import read_code
from ork.definition.signature import read_module
from ork.definition.workflow import parse
from ork.errors import InvalidInput, Problem
from ork.objects.snapshot import CodeFile
from ork.worktree import capture as capture_module
from ork.worktree import folder as root_module
from ork.worktree import globs
from ork.worktree.capture import Captured, Reason, capture


def write(folder: Path, path: str, text: str | bytes = "", *, mode: int = 0o644) -> Path:
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(text.encode() if isinstance(text, str) else text)
    target.chmod(mode)
    return target


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def captured(root: Path, *tasks: str, head: str = "") -> Captured:
    lines = "".join(f"  t{number}: {{{task}}}\n" for number, task in enumerate(tasks))
    definition = parse(f"name: n\n{head}tasks:\n{lines}".encode(), file="w/etl.yaml")
    return capture(definition, root, file="w/etl.yaml")


def take(root: Path, *tasks: str, head: str = "") -> dict[str, CodeFile]:
    return dict(captured(root, *tasks, head=head).files)


def paths(root: Path, *tasks: str, head: str = "") -> list[str]:
    return list(take(root, *tasks, head=head))


def included(root: Path, *patterns: str) -> list[str]:
    return paths(root, "executor: shell, command: x", head=f"include: {list(patterns)}\n")


def problem(root: Path, *tasks: str, head: str = "") -> Problem:
    with pytest.raises(InvalidInput) as caught:
        take(root, *tasks, head=head)
    (found,) = caught.value.problems
    return found


PYTHON = "executor: python, file: tasks/etl.py"


# -- python tasks


def test_a_python_task_takes_its_file_with_bytes_and_mode(root: Path) -> None:
    file = write(root, "tasks/etl.py", b"# coding: latin-1\nx = '\xe9'\n")
    assert take(root, PYTHON) == {
        "tasks/etl.py": CodeFile(data=file.read_bytes(), executable=False)
    }
    file.chmod(0o755)
    assert take(root, PYTHON)["tasks/etl.py"].executable


def test_imports_are_followed_from_the_folder_of_the_task_then_from_the_root(root: Path) -> None:
    write(root, "tasks/etl.py", "import near, far, both, json, numpy")
    for path in ("tasks/near.py", "far.py", "both.py", "tasks/both.py", "unused.py"):
        write(root, path)
    write(root, "far.py", "import deeper")
    write(root, "deeper.py", "import far")  # a cycle of imports is none of ours
    assert paths(root, PYTHON) == [
        "deeper.py",
        "far.py",
        "tasks/both.py",
        "tasks/etl.py",
        "tasks/near.py",
    ]


def test_the_folder_that_is_searched_first_is_that_of_the_task_not_of_the_module(
    root: Path,
) -> None:
    write(root, "tasks/etl.py", "import lib.a")
    write(root, "lib/a.py", "import common")
    for path in ("common.py", "lib/common.py"):
        write(root, path)
    assert paths(root, PYTHON) == ["common.py", "lib/a.py", "tasks/etl.py"]


def test_packages_are_taken_on_the_way(root: Path) -> None:
    write(root, "tasks/etl.py", "from pkg.inner.mod import f\nfrom pkg import other, name")
    write(root, "pkg/__init__.py", "from . import first")
    write(root, "pkg/inner/__init__.py", "from ..second import x\nfrom .third import *")
    for name in ("first", "second", "other", "inner/mod", "inner/third", "unused"):
        write(root, f"pkg/{name}.py")
    assert paths(root, PYTHON) == [
        "pkg/__init__.py",
        "pkg/first.py",
        "pkg/inner/__init__.py",
        "pkg/inner/mod.py",
        "pkg/inner/third.py",
        "pkg/other.py",
        "pkg/second.py",
        "tasks/etl.py",
    ]


def test_folders_without_init_are_packages(root: Path) -> None:
    write(root, "tasks/etl.py", "import ns.deep.mod\nfrom ns import side")
    write(root, "ns/deep/mod.py")
    write(root, "ns/side.py")
    assert paths(root, PYTHON) == ["ns/deep/mod.py", "ns/side.py", "tasks/etl.py"]


def test_a_namespace_spans_the_folder_of_the_task_and_the_root(root: Path) -> None:
    write(root, "tasks/etl.py", "import ns.a, ns.b")
    write(root, "tasks/ns/a.py")
    write(root, "ns/b.py")
    assert paths(root, PYTHON) == ["ns/b.py", "tasks/etl.py", "tasks/ns/a.py"]


def test_a_module_in_the_root_comes_before_a_namespace_of_its_name(root: Path) -> None:
    write(root, "tasks/etl.py", "import x")
    (root / "tasks/x").mkdir()
    write(root, "x.py")
    assert paths(root, PYTHON) == ["tasks/etl.py", "x.py"]


def test_a_package_comes_before_a_module_of_its_name(root: Path) -> None:
    write(root, "tasks/etl.py", "import x")
    write(root, "x/__init__.py")
    write(root, "x.py")
    assert paths(root, PYTHON) == ["tasks/etl.py", "x/__init__.py"]


def test_relative_imports_of_the_file_itself_bring_its_package(root: Path) -> None:
    write(root, "a/__init__.py", "import top")
    write(root, "a/b/__init__.py")
    write(root, "a/b/etl.py", "from . import x\nfrom ..y import z\nfrom ....beyond import w")
    for path in ("a/b/x.py", "a/y.py", "top.py"):
        write(root, path)
    assert paths(root, "executor: python, file: a/b/etl.py") == [
        "a/__init__.py",
        "a/b/__init__.py",
        "a/b/etl.py",
        "a/b/x.py",
        "a/y.py",
        "top.py",
    ]


def test_late_and_literal_dynamic_imports_are_followed(root: Path) -> None:
    write(root, "tasks/etl.py", "def f():\n    import a\n    import_module('b')\n__import__('c')")
    for name in "abcd":
        write(root, f"{name}.py")
    assert paths(root, PYTHON) == ["a.py", "b.py", "c.py", "tasks/etl.py"]


def test_a_module_is_looked_for_in_the_root(root: Path) -> None:
    write(root, "pkg/__init__.py")
    write(root, "pkg/etl.py", "import near, top")
    write(root, "pkg/near.py")
    write(root, "top.py")
    assert paths(root, "executor: python, module: pkg.etl") == [
        "pkg/__init__.py",
        "pkg/etl.py",
        "top.py",
    ]
    assert paths(root, "executor: python, module: pkg") == ["pkg/__init__.py"]
    found = problem(root, "executor: python, module: pkg.elt")
    assert (found.message, found.line, found.column) == ("no module named pkg.elt", 3, 34)
    (root / "folder").mkdir()
    assert "no module named" in problem(root, "executor: python, module: folder").message


def test_nothing_is_executed(root: Path) -> None:
    write(root, "tasks/etl.py", "raise SystemExit('ran')")
    assert paths(root, PYTHON) == ["tasks/etl.py"]


def test_a_syntax_error_in_a_tasks_own_file_has_its_place(root: Path) -> None:
    write(root, "tasks/etl.py", "x = 1\ndef f(:\n")
    found = problem(root, PYTHON)
    assert (found.file, found.line, found.column) == ("w/tasks/etl.py", 2, 7)
    assert found.message.startswith("not valid Python: ")
    assert found.source == "def f(:"


def test_a_syntax_error_elsewhere_is_for_the_run_to_find(root: Path) -> None:
    write(root, "tasks/etl.py", "try:\n    import old\nexcept SyntaxError:\n    pass")
    write(root, "old.py", "print 'x'")
    assert paths(root, PYTHON) == ["old.py", "tasks/etl.py"]


def test_tasks_of_one_file_share_it(root: Path) -> None:
    write(root, "tasks/etl.py", "import a")
    write(root, "a.py")
    assert paths(root, PYTHON, PYTHON + ", function: g") == ["a.py", "tasks/etl.py"]


# -- process and library tasks


def test_code_is_read_once_whatever_names_it() -> None:
    code, same = b"import other", b"import " + b"other"
    assert read_code(code, "python") is read_code(same, "python")
    assert read_code(code, "shell") is not read_code(code, "python")
    assert read_module(code) is read_module(same)


def test_a_process_task_takes_its_file(root: Path) -> None:
    write(root, "bin/load", b"\x7fELF\0\xff").chmod(0o700)
    found = take(root, "executor: process, file: bin/load")
    assert found == {"bin/load": CodeFile(data=b"\x7fELF\0\xff", executable=True)}


def test_of_a_command_its_programs_and_scripts_are_taken_and_no_data(root: Path) -> None:
    for path in ("load.sh", "conf/a.ini", "my file.py", "out.txt", "conf/rel.py", "done", "build"):
        write(root, path)
    line = (
        "cd conf && ../load.sh a.ini; python 'rel.py' missing > ../out.txt; python ../my\\ file.py"
    )
    assert paths(root, f'executor: shell, command: "{line.replace(chr(92), chr(92) * 2)}"') == [
        "conf/rel.py",
        "load.sh",
        "my file.py",
    ]
    assert paths(root, "executor: shell, command: [./load.sh, conf/../out.txt, conf, -v]") == [
        "load.sh"
    ]
    loop = "for i in 1 2; do echo $i; done; docker build ."
    assert paths(root, f"executor: shell, command: '{loop}'") == []


def test_scripts_are_read_for_what_they_source_run_and_import(root: Path) -> None:
    write(root, "run.sh", 'here=$(cd "$(dirname "$0")" && pwd)\n. "$here/lib/a.sh"\npython tool.py')
    write(root, "lib/a.sh", '. "$(dirname "${BASH_SOURCE[0]}")/b.sh"\n./bin/c')
    write(root, "lib/b.sh")
    write(root, "bin/c", "#!/usr/bin/env python3\nimport near, far")
    write(root, "bin/near.py")
    write(root, "far.py")
    write(root, "tool.py", "import helper")
    write(root, "helper.py")
    assert paths(root, "executor: process, file: run.sh") == [
        "bin/c",
        "bin/near.py",
        "helper.py",
        "lib/a.sh",
        "lib/b.sh",
        "run.sh",
        "tool.py",
    ]


def test_every_file_has_its_reasons(root: Path) -> None:
    write(root, "run.sh", ". ./lib.sh")
    write(root, "lib.sh")
    found = captured(
        root,
        "executor: process, command: sh run.sh",
        "executor: process, command: . ./lib.sh",
        head="include: ['*.sh']\n",
    )
    assert found.reasons == {
        "lib.sh": (
            Reason("t0", "sourced", "run.sh"),
            Reason("t1", "sourced"),
            Reason("", "include", "*.sh"),
        ),
        "run.sh": (Reason("t0", "script"), Reason("", "include", "*.sh")),
    }


def test_a_program_that_may_not_be_executed_is_told(root: Path) -> None:
    for name, mode in (("sub/run.sh", 0o644), ("b.sh", 0o644), ("good.sh", 0o755)):
        write(root, name, "echo\n", mode=mode)
    tasks = (
        "executor: process, command: cd sub && ./run.sh",
        "executor: process, file: b.sh",
        "executor: process, command: ./good.sh",
        "executor: process, command: sh ./b.sh",
    )
    told = [(p.line, p.message, p.hint) for p in captured(root, *tasks).unknown]
    hint = "`chmod +x {}`, or let an interpreter execute it"
    assert told == [
        (3, "sub/run.sh is not executable", hint.format("sub/run.sh")),
        (4, "b.sh is not executable", hint.format("b.sh")),
    ]
    made = "executor: process, command: chmod +x b.sh && ./b.sh"
    assert captured(root, made).unknown == ()


def test_a_program_with_windows_line_ends_is_told(root: Path) -> None:
    write(root, "a.sh", "#!/bin/sh\r\necho\r\n", mode=0o755)
    write(root, "b.sh", "#!/bin/sh\necho\n", mode=0o755)
    tasks = ("executor: process, command: ./a.sh", "executor: process, command: ./b.sh")
    told = [(p.line, p.message, p.hint) for p in captured(root, *tasks).unknown]
    hint = r"`sed -i 's/\r$//' a.sh` takes them out"
    assert told == [(3, "a.sh has Windows line ends", hint)]


def test_what_is_not_known_is_told_once_with_its_place(root: Path) -> None:
    write(root, "run.sh", 'echo begin\n  . "$LIB/a.sh"\n', mode=0o755)
    write(root, "etl.py", "from importlib import import_module\nx = import_module(name)\n")
    found = captured(
        root,
        "executor: process, command: ./run.sh",
        "executor: process, command: ./run.sh again",
        "executor: python, file: etl.py",
        "executor: process, command: $TOOL x",
    )
    told = [(p.file, p.line, p.column, p.source) for p in found.unknown]
    assert told == [
        ("w/run.sh", 2, 5, '  . "$LIB/a.sh"'),
        ("w/etl.py", 2, 5, "x = import_module(name)"),
        ("w/etl.yaml", 6, 36, "  t3: {executor: process, command: $TOOL x}"),
    ]
    assert all(p.hint and "include:" in p.hint for p in found.unknown)


def test_captured_python_that_is_none_is_told_with_its_place(root: Path) -> None:
    write(root, "s.py", "import h, pkg")
    write(root, "h.py", "def x(:\n")
    write(root, "pkg/__init__.py", "x = 1\n\nif x\n")
    write(root, "broken.py", "x = (\n")
    write(root, "tool", "#!/usr/bin/env python3\nx ==\n", mode=0o755)
    write(root, "late.py", "y = 'a\n")
    write(root, "data.txt", "def x(:\n")
    found = captured(
        root,
        "executor: python, file: s.py",
        "executor: process, command: python broken.py; ./tool",
        "executor: process, command: python broken.py; python -c 'def x(:'",
        head="include: [late.py, data.txt]\n",
    )
    told = {(p.file, p.line, p.column, p.source) for p in found.unknown}
    assert told == {
        ("w/h.py", 1, 7, "def x(:"),
        ("w/pkg/__init__.py", 3, 5, "if x"),
        ("w/broken.py", 1, 5, "x = ("),
        ("w/tool", 2, 5, "x =="),
        ("w/late.py", 1, 5, "y = 'a"),
    }
    assert len(found.unknown) == len(told)
    assert all(p.message.startswith("not valid Python: ") and not p.hint for p in found.unknown)
    assert not [p for p in found.silent if p.file != "w/etl.yaml"]


def test_what_a_command_of_the_workflow_writes_is_data(root: Path) -> None:
    for path in ("gen.sh", "made.py", "use.py", "copy.sh"):
        write(root, path)
    write(root, "use.py", "import made")
    tasks = (
        "executor: process, command: 'echo echo > gen.sh; cp gen.sh copy.sh'",
        "executor: process, command: 'sh gen.sh; ./copy.sh'",
        "executor: process, command: python x.py >> made.py",
        "executor: python, file: use.py",
    )
    assert paths(root, *tasks) == ["use.py"]
    assert paths(root, *tasks, head="include: [gen.sh]\n") == ["gen.sh", "use.py"]


def test_what_is_excluded_is_never_captured(root: Path) -> None:
    for path in ("gen/a.sh", "gen/names.py", "x/gen/b.sh", "run.sh"):
        write(root, path)
    write(root, "use.py", "from gen import names")
    tasks = (
        "executor: process, command: '. gen/a.sh; sh run.sh'",
        "executor: python, file: use.py",
    )
    assert paths(root, *tasks) == ["gen/a.sh", "gen/names.py", "run.sh", "use.py"]
    names = ["gen/a.sh", "gen/names.py", "nothing", "gen/[z-a]"]
    letters = (["g?n/[a-n]*"], ["gen/[!b]*"], ["gen/[]an]*"], ["gen/[!]b]*"])
    for patterns in (["gen"], ["gen/**"], ["**/gen/*"], *letters, names):
        found = captured(root, *tasks, head=f"exclude: {patterns}\n")
        assert list(found.files) == ["run.sh", "use.py"]
        assert found.unknown == () and found.silent != ()
    head = "include: ['**/*.sh']\nexclude: [gen]\n"
    assert paths(root, *tasks, head=head) == ["run.sh", "use.py", "x/gen/b.sh"]


def test_what_a_task_itself_is_cannot_be_data(root: Path) -> None:
    write(root, "tasks/etl.py")
    message = "tasks/etl.py is what this task executes, but `exclude` says that it is data"
    for task in (PYTHON, "executor: python, module: tasks.etl"):
        assert problem(root, task, head="exclude: [tasks]\n").message == message


@pytest.mark.parametrize("mark", ["pyvenv.cfg", "conda-meta/history"])
def test_an_environment_of_python_below_the_root_is_none_of_its_code(root: Path, mark: str) -> None:
    write(root, f".venv/{mark}")
    write(root, ".venv/bin/tool", "#!/bin/sh")
    write(root, ".venv/bin/python", b"\x7fELF")
    write(root, "x.py")
    for command in (
        "'.venv/bin/tool a; .venv/bin/python x.py'",
        "PATH=$PWD/.venv/bin:$PATH python x.py",
    ):
        assert paths(root, f"executor: process, command: {command}") == ["x.py"]


def test_literal_pythonpath_entries_are_searched(root: Path) -> None:
    write(root, "tasks/etl.py", "import a")
    write(root, "src/a.py")
    assert paths(root, PYTHON + ", env: {PYTHONPATH: 'src:/opt'}") == ["src/a.py", "tasks/etl.py"]
    assert paths(root, "executor: process, command: PYTHONPATH=src python tasks/etl.py") == [
        "src/a.py",
        "tasks/etl.py",
    ]


def test_a_module_may_lie_where_pythonpath_leads(root: Path) -> None:
    write(root, "src/pkg/etl.py", "import pkg.near")
    write(root, "src/pkg/near.py")
    task = "executor: python, module: pkg.etl, env: {PYTHONPATH: ./src}"
    assert paths(root, task) == ["src/pkg/etl.py", "src/pkg/near.py"]


@pytest.mark.parametrize("command", ["python -m pkg", "cd src && python -m pkg", "python src/pkg"])
def test_a_package_needs_no_init_to_be_executed(root: Path, command: str) -> None:
    write(root, "src/pkg/__main__.py")
    write(root, "pyproject.toml")
    assert paths(root, f"executor: process, command: {command}") == ["src/pkg/__main__.py"]


@pytest.mark.parametrize("line", ["python3", "env python3", "env -S uv run --script"])
def test_the_first_line_of_a_program_tells_its_language(root: Path, line: str) -> None:
    write(root, "load", f"#!/usr/bin/{line}\nimport near")
    write(root, "near.py")
    assert paths(root, "executor: process, command: ./load") == ["load", "near.py"]


def test_python_executes_the_folder_where_it_is(root: Path) -> None:
    write(root, "__main__.py")
    found = captured(root, "executor: process, command: python .")
    assert (list(found.files), found.unknown) == (["__main__.py"], ())


def test_a_module_that_is_executed_may_be_installed_from_where_it_is_developed(root: Path) -> None:
    write(root, "src/pkg/__init__.py")
    write(root, "src/pkg/train.py", "from pkg import near")
    write(root, "src/pkg/near.py")
    assert paths(root, command := "executor: process, command: python -m pkg.train") == []
    write(root, "pyproject.toml")
    names = ("__init__", "near", "train")
    assert paths(root, command) == [f"src/pkg/{name}.py" for name in names]


def test_a_console_script_is_what_its_table_says(root: Path) -> None:
    write(root, "pyproject.toml", "[project.scripts]\nload = 'pkg.cli:main'\nlost = 'gone:main'\n")
    write(root, "pkg/__init__.py")
    write(root, "pkg/cli.py", "from pkg import core")
    write(root, "pkg/core.py")
    write(root, ".venv/pyvenv.cfg")
    write(root, ".venv/bin/load", "#!/x")
    expected = [*(f"pkg/{name}.py" for name in ("__init__", "cli", "core")), "pyproject.toml"]
    for line in ("load a", "cat x | env A=1 load", "uv run load", ".venv/bin/load", "/v/bin/load"):
        assert paths(root, f"executor: process, command: {line}") == expected
    for line in ("loads", "echo load", "cat load"):
        assert paths(root, f"executor: process, command: {line}") == []
    (lost,) = captured(root, "executor: process, command: lost").unknown
    assert (lost.file, lost.line) == ("w/pyproject.toml", 3)
    write(root, "load", "#!/bin/sh", mode=0o755)
    assert paths(root, "executor: process, command: ./load") == ["load"]


def test_names_of_lines_are_followed_where_they_are_executed(root: Path) -> None:
    write(root, "web/package.json", '{"scripts": {"etl": "node etl.js && npm run etl"}}')
    write(root, "web/etl.js")
    write(root, "pixi.toml", "[tasks]\netl = 'sh etl.sh $X'\n")
    write(root, "etl.sh")
    node = ["web/etl.js", "web/package.json"]
    assert paths(root, "executor: process, command: npm --prefix web run etl") == node
    assert paths(root, "executor: process, command: pixi run etl") == ["etl.sh", "pixi.toml"]


def test_an_interpreter_of_the_project_leaves_nothing_open(root: Path) -> None:
    write(root, "x.py")
    found = captured(root, "executor: process, command: .venv/bin/python x.py")
    assert (list(found.files), found.unknown, found.silent) == (["x.py"], (), ())


def test_folders_that_code_adds_to_its_search_are_searched(root: Path) -> None:
    write(root, "tasks/etl.py", "import setup\nimport a")
    write(root, "tasks/setup.py", "sys.path.insert(0, str(Path(__file__).parents[1] / 'lib'))")
    write(root, "lib/a.py", "import b")
    write(root, "lib/b.py")
    assert paths(root, "executor: process, command: python tasks/etl.py") == [
        "lib/a.py",
        "lib/b.py",
        "tasks/etl.py",
        "tasks/setup.py",
    ]


def test_a_name_that_is_not_utf8_is_refused_where_it_is_included(root: Path) -> None:
    (root / "a.txt").touch()
    try:
        os.close(os.open(os.fsencode(root) + b"/bad\xff.txt", os.O_CREAT))
    except OSError:
        pytest.skip("this file system has only names in UTF-8")
    found = problem(root, "executor: shell, command: x", head="include: ['*.txt']\n")
    assert found.message == "the name of bad\\udcff.txt is not UTF-8"
    assert (found.line, found.column) == (2, 11)


def test_words_that_lead_out_are_simply_no_files(root: Path) -> None:
    write(root.parent, "outside.sh")
    (root / "link.sh").symlink_to("../outside.sh")
    command = "[./link.sh, ../outside.sh, /bin/sh, '~', '$HOME', '', '.', '*']"
    assert paths(root, f"executor: shell, command: {command}") == []


def test_what_lies_above_the_root_is_warned_of(root: Path) -> None:
    for path in ("../x.sh", "../lib/m.py", "a/b.sh", "../Makefile", "../venv/bin/python"):
        write(root, path)
    write(root, "t.py", "import sys, subprocess\nsys.path.append('../lib')\nimport m\n")
    write(root, "s.py", "import subprocess\nsubprocess.run(['sh', '../x.sh'])\n")
    for command, outside in (
        ("sh ../x.sh", "../x.sh"),
        ("../x.sh", "../x.sh"),
        ("cd a && . ../../x.sh", "../x.sh"),
        ("cd .. && sh x.sh", "../x.sh"),
        ("python s.py", "../x.sh"),
        ("python t.py", "../lib"),
        ("PYTHONPATH=../lib python -c 'import m'", "../lib"),
        ("cd .. && python -m lib.m", ".."),
        ("make -C ..", "../Makefile"),
    ):
        (found,) = captured(root, f"executor: process, command: {json.dumps(command)}").unknown
        assert (
            found.message == f"{outside} lies outside of the workflow's folder: it is not captured"
        )
        assert found.hint and "`root: ..`" in found.hint
    task = "executor: python, module: a.t, env: {PYTHONPATH: '../lib'}"
    write(root, "a/t.py")
    assert len(captured(root, task).unknown) == 1
    for command in (
        "cat ../x.sh",
        "cp ../x.sh y",
        "sh /x.sh",
        "cd a && sh ../a/b.sh",
    ):
        found = captured(root, f"executor: process, command: {command}")
        assert found.unknown == ()
    found = captured(root, "executor: process, command: ../venv/bin/python t.py")
    assert [one.message[:6] for one in found.unknown] == ["../lib"]


def test_a_library_task_takes_its_file(root: Path) -> None:
    write(root, "lib/x.so", b"\x7fELF")
    assert paths(root, "executor: library, file: lib/x.so") == ["lib/x.so"]


def test_the_project_itself_by_an_absolute_path_is_warned_of(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(root.parent))
    write(root, "x.sh")
    write(root, "lib/h.py")
    write(root, "tasks/etl.py", f"import runpy\nrunpy.run_path('{root}/lib/h.py')")
    write(root, ".venv/pyvenv.cfg")
    write(root, ".venv/bin/python")
    write(root, "gen/made.sh")

    def told(task: str) -> list[str]:
        found = captured(root, task, head="exclude: [gen]\n")
        return [problem.hint or "" for problem in found.unknown]

    for command, below in (
        (f"sh {root}/lib/../x.sh", "x.sh"),
        (f"cd {root} && sh x.sh", "x.sh"),
        (f"cd {root}; python -m lib.h", "."),
        (f"sh ~/{root.name}/x.sh", "x.sh"),
        (f'cd "$HOME/{root.name}" && ./x.sh', "x.sh"),
        (f"PYTHONPATH={root}/lib:/opt python -c 'import h'", "lib"),
        ("python tasks/etl.py", "lib/h.py"),
    ):
        hint = f"name it from the root: {below}"
        assert told(f"executor: process, command: {command!r}") == [hint]
    env = f"env: {{PYTHONPATH: '{root}/lib'}}"
    assert told(f"executor: python, module: lib.h, {env}") == ["name it from the root: lib"]
    for command in (f"{root}/.venv/bin/python -c 1", f"cat {root}/x.sh", f"sh {root}/gen/made.sh"):
        assert told(f"executor: process, command: {command!r}") == []


# -- what cannot be read


def test_a_missing_file_is_named_with_its_place_and_a_near_one(root: Path) -> None:
    write(root, "tasks/elt.py")
    found = problem(root, PYTHON)
    assert (found.file, found.line, found.column) == ("w/etl.yaml", 3, 32)
    assert found.message == "no such file: tasks/etl.py"
    assert found.hint == "did you mean tasks/elt.py?"
    assert found.source == f"  t0: {{{PYTHON}}}"


def test_of_a_workflow_file_that_was_moved_below_its_code_the_root_is_told(root: Path) -> None:
    assert "relative to the folder of the workflow file" in (problem(root, PYTHON).hint or "")
    write(root.parent, "tasks/etl.py")
    assert "the folder above, where paths begin with `root: ..`" in (
        problem(root, PYTHON).hint or ""
    )


def test_all_complaints_come_at_once(root: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        take(root, PYTHON, "executor: process, file: x", head="include: [y]\n")
    assert [p.line for p in caught.value.problems] == [2, 4, 5]


def test_a_link_out_of_the_root_is_refused(root: Path) -> None:
    write(root.parent, "secret.py", "import os")
    (root / "tasks").mkdir()
    (root / "tasks/etl.py").symlink_to("../../secret.py")
    found = problem(root, PYTHON)
    assert "leads out of the workflow's folder" in found.message
    assert found.hint is not None


def test_a_folder_that_leads_out_is_refused(root: Path) -> None:
    write(root.parent, "elsewhere/etl.py")
    (root / "tasks").symlink_to("../elsewhere")
    assert "leads out" in problem(root, PYTHON).message


def test_an_import_through_a_link_that_leads_out_is_refused(root: Path) -> None:
    write(root.parent, "shared.py")
    write(root, "tasks/etl.py", "import shared")
    (root / "shared.py").symlink_to("../shared.py")
    assert "leads out" in problem(root, PYTHON).message


def test_a_link_inside_of_the_root_is_the_file_it_leads_to(root: Path) -> None:
    write(root, "real/etl.py", "x = 1")
    (root / "tasks").symlink_to("real")
    (root / "etl.py").symlink_to(root / "real" / "etl.py")
    assert take(root, PYTHON)["tasks/etl.py"].data == b"x = 1"
    assert take(root, "executor: python, file: etl.py")["etl.py"].data == b"x = 1"


def test_a_root_that_is_reached_by_a_link_is_a_root(root: Path) -> None:
    write(root, "tasks/etl.py")
    (root.parent / "alias").symlink_to(root)
    assert paths(root.parent / "alias", PYTHON) == ["tasks/etl.py"]


def test_links_in_a_circle_or_to_nothing_are_refused(root: Path) -> None:
    (root / "tasks").mkdir()
    (root / "tasks/etl.py").symlink_to("etl.py")
    assert "cannot read tasks/etl.py" in problem(root, PYTHON).message
    (root / "tasks/etl.py").unlink()
    (root / "tasks/etl.py").symlink_to("gone.py")
    assert "cannot read tasks/etl.py" in problem(root, PYTHON).message


def test_what_is_no_regular_file_is_refused_without_waiting(root: Path) -> None:
    (root / "tasks").mkdir()
    os.mkfifo(root / "tasks/etl.py")
    assert "not a regular file" in problem(root, PYTHON).message
    (root / "tasks/etl.py").unlink()
    (root / "tasks/etl.py").mkdir()
    assert "is a folder" in problem(root, PYTHON).message
    (root / "tasks/etl.py").rmdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(root / "tasks/etl.py"))
        found = problem(root, PYTHON)
    assert "tasks/etl.py" in found.message


def test_a_file_that_may_not_be_read_is_named(root: Path) -> None:
    write(root, "tasks/etl.py").chmod(0)
    if os.access(root / "tasks/etl.py", os.R_OK):
        pytest.skip("this user may read everything")
    assert "cannot read tasks/etl.py: Permission denied" in problem(root, PYTHON).message


def test_a_name_too_long_is_no_crash(root: Path) -> None:
    assert "no such file" in problem(root, f"executor: python, file: {'x' * 300}.py").message


def test_a_file_has_a_largest_size(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(root_module, "FILE_BYTES_MAX", 10)
    write(root, "tasks/etl.py", "#" * 10)
    assert paths(root, PYTHON) == ["tasks/etl.py"]
    write(root, "tasks/etl.py", "#" * 11)
    found = problem(root, PYTHON)
    assert "too large for code" in found.message
    assert found.hint is not None and "inputs" in found.hint


def test_a_file_that_changes_while_it_is_read_is_refused(root: Path) -> None:
    path = write(root, "a.py", "one")
    os.utime(path, ns=(0, 0))

    class Changing(io.FileIO):
        def read(self, size: int = -1) -> bytes:
            data = super().read(size)
            path.write_text("two")
            return data

    with Changing(path) as file, pytest.raises(InvalidInput, match="changed while it was read"):
        root_module._read(file, "a.py")


def test_a_sparse_file_is_refused_without_reading_it(root: Path) -> None:
    with write(root, "tasks/etl.py").open("wb") as file:
        file.truncate(1 << 40)
    assert "larger than 16 MiB" in problem(root, PYTHON).message


def test_the_number_of_files_has_a_limit(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_module, "FILES_MAX", 2)
    for name in "ab":
        write(root, name)
    assert included(root, "*") == ["a", "b"]
    write(root, "c")
    with pytest.raises(InvalidInput, match="1 problem"):
        included(root, "*")


def test_the_bytes_of_all_files_have_a_limit(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_module, "CAPTURE_BYTES_MAX", 4)
    for name in "ab":
        write(root, name, "xx")
    assert included(root, "*") == ["a", "b"]
    write(root, "b", "xxx")
    with pytest.raises(InvalidInput, match="1 problem"):
        included(root, "*")


# -- include


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a.sql", ["a.sql"]),
        ("*.sql", ["a.sql"]),
        ("sql/*.sql", ["sql/b.sql", "sql/c.sql"]),
        ("**/*.sql", ["a.sql", "sql/b.sql", "sql/c.sql", "sql/deep/d.sql"]),
        ("sql/**", ["sql/b.sql", "sql/c.sql", "sql/deep/d.sql", "sql/deep/e.txt"]),
        ("**/deep/**/*.txt", ["sql/deep/e.txt"]),
        ("**/**/**/d.sql", ["sql/deep/d.sql"]),
        ("sql/[bx].sql", ["sql/b.sql"]),
        ("sql/?.sql", ["sql/b.sql", "sql/c.sql"]),
        ("*/deep/e.txt", ["sql/deep/e.txt"]),
        (".hidden/x", [".hidden/x"]),
        (".h*/*", [".hidden/x"]),
        ("sql/.*", ["sql/.dot"]),
    ],
)
def test_patterns_take_files(root: Path, pattern: str, expected: list[str]) -> None:
    for path in (
        "a.sql",
        "sql/b.sql",
        "sql/c.sql",
        "sql/deep/d.sql",
        "sql/deep/e.txt",
        "sql/.dot",
        ".hidden/x",
        ".git/config.sql",
        ".ork/x.sql",
        "sql/__pycache__/x.sql",
    ):
        write(root, path)
    assert included(root, pattern) == expected


def test_stores_and_caches_are_never_searched(root: Path) -> None:
    for path in (".git/x", ".ork/x", "__pycache__/x", "a/__pycache__/x", "keep"):
        write(root, path)
    assert included(root, "**", "k*") == ["keep"]
    for pattern in (".*/x", ".g*/x"):
        with pytest.raises(InvalidInput):
            included(root, pattern)


def test_a_pattern_that_matches_nothing_is_named(root: Path) -> None:
    write(root, "a")
    found = problem(root, "executor: shell, command: x", head="include: [a, '*.sql']\n")
    assert found.message == "include: no file matches *.sql"
    assert (found.line, found.column) == (2, 14)


def test_a_folder_is_not_a_file_but_the_hint_helps(root: Path) -> None:
    write(root, "sql/a.sql")
    found = problem(root, "executor: shell, command: x", head="include: [sql]\n")
    assert found.message == "sql is a folder, not a file"
    assert found.hint is not None and "sql/**" in found.hint


def test_a_pattern_meets_links_and_pipes(root: Path) -> None:
    write(root, "d/a")
    (root / "d/loop").symlink_to(".")
    (root / "d/link").symlink_to("a")
    assert included(root, "d/**") == ["d/a", "d/link"]
    os.mkfifo(root / "d/pipe")
    head = "include: ['d/**']\n"
    assert (
        "pipe is not a regular file"
        in problem(root, "executor: shell, command: x", head=head).message
    )
    (root / "d/pipe").unlink()
    (root / "d/out").symlink_to("/etc/passwd")
    assert "d/out" in problem(root, "executor: shell, command: x", head=head).message


def test_a_search_has_a_limit(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(globs, "VISITS_MAX", 3)
    for name in "abc":
        write(root, name)
    assert included(root, "*") == ["a", "b", "c"]
    write(root, "d")
    found = problem(root, "executor: shell, command: x", head="include: ['*']\n")
    assert "looks at more than 3 names" in found.message


def test_many_stars_cost_no_more_than_one(root: Path) -> None:
    for index in range(12):
        write(root, "/".join("d" * (index + 1)) + "/x")
    assert len(included(root, "/".join(["**", "*"] * 10) + "/x")) == 3
