"""The house rules, read from the source: layers, one library one file, bans.

Each rule is a function from one file to complaints; the last part of this page tries each rule on
a few lines of its own. A complaint names the file, the line and what to write instead.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("ork/**/*.py"))
TESTS = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("tests/**/*.py"))

LINE_COLUMNS_MAX = 100
WORKER = "ork/worker/serve.py"

FILES_IN_A_ROOM_MAX = 10

# The rooms of ork and of its command line, each above those that it may import.
ROOMS: dict[str, str] = {
    "errors": "",
    "alike": "errors",
    "failpoints": "",
    "files": "",
    "progress": "",
    "zone": "",
    "follow": "errors objects runner",
    "worker": "",
    "objects": "errors files progress zone",
    "mask": "objects",
    "graph": "errors files",
    "yaml": "errors alike files progress objects",
    "code": "objects",
    "schedule": "errors objects",
    "definition": "errors alike files progress objects graph yaml code schedule",
    "differences": "errors files objects graph code definition",
    "backends": "errors files failpoints objects",
    "servers": "errors alike files failpoints objects backends",
    "store": "errors alike files failpoints objects graph backends",
    "logs": "errors files objects store",
    "worktree": "errors alike files failpoints progress objects graph yaml code definition store",
    "params": "errors alike objects definition store worker zone",
    "search": "errors objects differences store worktree",
    "history": "errors alike files objects graph yaml definition differences store logs worktree"
    " search",
    "heads": "errors alike files failpoints objects graph yaml schedule definition differences"
    " backends store worktree history zone",
    "upkeep": "errors files failpoints progress objects mask backends store logs worktree history"
    " heads runner",
    "sync": "errors files failpoints progress objects graph backends store logs heads upkeep"
    " runner",
    "git": "errors alike files progress objects graph yaml definition differences store worktree"
    " history heads",
    "orkdb": "errors alike files failpoints progress objects yaml schedule definition differences"
    " backends servers store logs history",
    "executors": "errors files failpoints objects mask definition worker",
    "runner": "errors alike files failpoints objects graph definition differences backends store"
    " logs worktree history heads executors worker params",
    "daemon": "errors files failpoints objects graph schedule definition backends store logs"
    " worktree history heads executors runner zone",
    "bisection": "errors files objects graph differences store worktree history heads"
    " executors params runner follow",
    "project": "errors alike files objects graph yaml definition differences backends store"
    " worktree history heads git orkdb executors params runner schedule daemon bisection zone"
    " upkeep sync logs search follow cli/pictures cli/report cli/history",
    "api": "errors files differences objects backends search store worktree git orkdb history heads"
    " params runner daemon bisection zone upkeep sync follow project cli/pictures cli/report",
    "testing": "errors alike objects definition history store worktree params runner project",
    "cli": "*",
    "__init__": "*",  # resolves the public names on first use
    "__main__": "cli",
    "cli/screen": "",
    "cli/pictures": "screen",
    "cli/diff": "pictures screen",
    "cli/report": "diff pictures screen",
    "cli/heads": "diff pictures screen",
    "cli/history": "report diff pictures screen heads runs",
    "cli/runs": "heads diff pictures screen",
    "cli/upkeep": "screen",
    "cli/sync": "screen",
    "cli/web": "report runs heads history diff pictures screen",
}
PURE = tuple(
    f"ork/{room}/"
    for room in ("objects", "graph", "yaml", "code", "schedule", "definition", "differences")
)
# The rooms that hold implementations: elsewhere only their contract is known.
SEAMS = {"backends": ("base", "anchor", "address"), "executors": ("base",)}
CLI_FILES = ("session", "options")  # what every room of the command line may use

# Library -> the only places that may import it.
LIBRARIES: dict[str, tuple[str, ...]] = {
    "blake3": ("ork/objects/canonical.py", "ork/objects/tree.py"),
    "ruamel": ("ork/yaml/reader.py",),
    "_ruamel_yaml": ("ork/yaml/reader.py",),
    "lmdb": ("ork/backends/lmdb.py",),
    "psycopg": ("ork/servers/driver.py",),
    "obstore": ("ork/servers/cloud.py",),
    "msgspec": ("ork/objects/",),
    "typer": ("ork/cli/",),
    "rich": ("ork/cli/screen/", "ork/cli/runs/"),
    "jinja2": ("ork/cli/report/", "ork/cli/web/"),
    "pandas": ("ork/objects/rows.py",),
    "pytest": ("ork/testing/__init__.py",),
    "starlette": ("ork/cli/web/",),
    "watchfiles": ("ork/cli/runs/again.py",),
    "uvicorn": ("ork/cli/web/",),
}
# Modules of the standard library that some folder does without -> (where, what instead).
MODULE_BANS: dict[str, tuple[str | tuple[str, ...], str]] = {
    "pickle": ("ork/", "canonical.encode, or json between processes"),
    "marshal": ("ork/", "canonical.encode, or json between processes"),
    "shelve": ("ork/", "the store"),
    "subprocess": (PURE, "an executor, or worktree/origin.py; this room is pure"),
    "socket": (PURE, "nothing: this room is pure"),
    "logging": ("ork/", "an event that the loop yields, or an error with a hint"),
}
# Where the whole of Exception may be caught, and why.
CATCHES_ALL = {
    "ork/cli/app.py": "the one place that turns a bug into words",
    WORKER: "turns whatever a task raises into an Outcome",
    "ork/yaml/reader.py": "turns whatever a parser raises into a complaint about the text",
}
# What may print: commands, and scripts that another interpreter runs and whose stdout is read.
PRINTS = ("ork/cli/", WORKER, "ork/worker/probe.py")
VAGUE = ("manager", "helper", "util", "handler", "service", "info")


def complaints(file: str, source: str) -> list[str]:
    """Return what is wrong with one file of ork, sorted by line."""
    nodes = list(ast.walk(ast.parse(source)))
    found = [*_lines(source), *_imports(file, nodes)]
    found += [*_calls(file, nodes), *_catches(file, nodes), *_names(file, nodes)]
    return [f"{file}:{line}: {what}" for line, what in sorted(found)]


Complaint = tuple[int, str]


def _lines(source: str) -> Iterator[Complaint]:
    for number, line in enumerate(source.splitlines(), 1):
        if _columns(line) > LINE_COLUMNS_MAX:
            yield number, f"{_columns(line)} columns; {LINE_COLUMNS_MAX} at most"
        if re.search("# fmt: (skip|off)", line):
            yield number, "the formatter is switched off; let it lay the code out"
        if re.search(r"\)[*+?]\+", line):
            yield number, "Python before 3.11.5 repeats such a group wrongly; write (?>(...)*)"


def _columns(line: str) -> int:
    # As ruff counts: a comment for a tool at the end of a line is not read by people.
    return len(re.split(r"  # (type: ignore|noqa)", line)[0])


def _imports(file: str, nodes: list[ast.AST]) -> Iterator[Complaint]:
    room = _room(file.removeprefix("ork/").removesuffix(".py").split("/"))
    allowed = {*ROOMS.get(room, "").split(), room.removeprefix("cli/")}
    for line, name, typing_only in _imported(file, nodes):
        library, *path = name.split(".")
        if library == "ork":
            into = _room(path) if path else "__init__"
            inside_cli = into.startswith("cli/") and room.startswith("cli/")
            name_in_rule = into.removeprefix("cli/") if inside_cli else into
            if into == "cli" and room.startswith("cli/"):
                fine = path[1:2] and path[1] in CLI_FILES
            else:
                fine = name_in_rule in allowed or "*" in allowed
                if into in SEAMS and room not in (into, "servers", "api", "cli", "bisection"):
                    fine = fine and path[1] in SEAMS[into]
                fine = fine or (room.startswith("cli/") and not into.startswith("cli"))
            if not fine and not (room == "worker" and typing_only):
                words = ", ".join(sorted(allowed - {""}))
                yield line, f"imports {name}; {room} may import {words}"
        elif library in LIBRARIES:
            if not file.startswith(LIBRARIES[library]):
                yield line, f"imports {library}; call {' or '.join(LIBRARIES[library])} instead"
        elif library not in sys.stdlib_module_names:
            yield line, f"imports {library}, which no place has; add it to LIBRARIES first"
        folder, instead = MODULE_BANS.get(library, ("/", ""))
        if file.startswith(folder):
            yield line, f"imports {library}; use {instead}"


def _room(path: list[str]) -> str:
    """Return the room of a module, given the names from ork down to it."""
    if path[0] == "cli" and len(path) > 1 and f"cli/{path[1]}" in ROOMS:
        return f"cli/{path[1]}"
    return path[0]


def _imported(file: str, nodes: list[ast.AST]) -> Iterator[tuple[int, str, bool]]:
    """Yield line and full name of each import, and whether it is for type checkers only.

    `from ork.objects import tree` is ork.objects.tree.
    """
    package = file.split("/")[:-1]
    unseen = {
        id(inner)
        for node in nodes
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, id(node) in unseen) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            folder = (ROOT / base.replace(".", "/")).is_dir()
            for alias in node.names:
                name = f"{base}.{alias.name}" if folder else base
                yield node.lineno, name, id(node) in unseen


def _calls(file: str, nodes: list[ast.AST]) -> Iterator[Complaint]:
    for node in nodes:
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if called in ("eval", "exec") and file != WORKER:
            yield node.lineno, f"{called}; only {WORKER} executes code, use ast or json"
        if called == "print" and not file.startswith(PRINTS):
            yield node.lineno, "print; return or yield the value and let a view of cli draw it"
        if called in ("os.system", "os.popen"):
            yield node.lineno, f"{called}; use subprocess with a list of words"
        if called == "tempfile.mktemp":
            yield node.lineno, "tempfile.mktemp; use tempfile.mkstemp"
        if re.match(r"(yaml|YAML\(.*\))\.(safe_)?load", called):
            yield node.lineno, f"{called}; use ork.yaml.reader, which has positions and limits"
        if file.startswith(PURE) and called.endswith(CLOCKS):
            yield node.lineno, f"{called}; this room has no clock, take the time as an argument"
        for keyword in node.keywords:
            instead = KEYWORD_BANS.get((keyword.arg, ast.unparse(keyword.value)))
            if instead:
                yield node.lineno, f"{keyword.arg}={ast.unparse(keyword.value)}; {instead}"


CLOCKS = (
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
    "time.time",
    "time.monotonic",
    "time.sleep",
)
KEYWORD_BANS: dict[tuple[str | None, str], str] = {
    ("shell", "True"): 'use a list of words, ["/bin/sh", "-c", line] where a shell is meant',
    ("writemap", "True"): "leave it out: a full disk would kill the process, a bug the store",
    ("sync", "False"): "leave it out: what is acknowledged must be on the disk",
}


def _catches(file: str, nodes: list[ast.AST]) -> Iterator[Complaint]:
    for node in nodes:
        if isinstance(node, ast.ExceptHandler) and file not in CATCHES_ALL:
            caught = ast.unparse(node.type) if node.type else "everything"
            words = caught.strip("()").split(", ")
            if not {"everything", "Exception", "BaseException"}.isdisjoint(words):
                if _reraises(node):
                    continue
                yield node.lineno, f"catches {caught}; name the errors that are expected"


def _reraises(node: ast.ExceptHandler) -> bool:
    """Say whether the block is only tidying up: its last word is a bare `raise`."""
    last = node.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def _names(file: str, nodes: list[ast.AST]) -> Iterator[Complaint]:
    named = [(1, Path(file).stem)]
    for node in nodes:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            named.append((node.lineno, node.name))
    for line, name in named:
        for word in VAGUE:
            if word in _words(name):
                yield line, f"{name}: say what it is or does, {word!r} says neither"


def _words(name: str) -> set[str]:
    spaced = "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
    return {word.removesuffix("s") for word in spaced.split("_")}


# -- the house


@pytest.mark.slow
@pytest.mark.parametrize("room", sorted({str(Path(file).parent) for file in SOURCES}))
def test_the_files_of_a_room_keep_the_rules(room):
    files = [file for file in SOURCES if str(Path(file).parent) == room]
    found = {file: complaints(file, (ROOT / file).read_text("utf-8")) for file in files}
    assert {file: said for file, said in found.items() if said} == {}


def test_the_files_of_tests_fit_the_columns():
    for file in TESTS:
        lines = (ROOT / file).read_text("utf-8").splitlines()
        wide = [n for n, line in enumerate(lines, 1) if _columns(line) > LINE_COLUMNS_MAX]
        assert wide == [], file


def test_every_room_of_ork_has_its_arrows():
    rooms = {_room(file.removeprefix("ork/").removesuffix(".py").split("/")) for file in SOURCES}
    assert rooms == ROOMS.keys()


def test_no_arrow_goes_round():
    below = {
        room: {other if "/" not in room else f"cli/{other}" for other in rule.split()} - {"*"}
        for room, rule in ROOMS.items()
    }
    while ready := [room for room in below if not below[room] & below.keys()]:
        for room in ready:
            del below[room]
    assert below == {}


def test_a_room_has_at_most_ten_files():
    rooms = Counter(str(Path(file).parent) for file in SOURCES if "__init__" not in file)
    assert {room: n for room, n in rooms.items() if n > FILES_IN_A_ROOM_MAX} == {}


def test_each_place_named_by_a_rule_exists():
    places = [place for allowed in LIBRARIES.values() for place in allowed]
    assert [p for p in (*places, *CATCHES_ALL) if not (ROOT / p).exists()] == []


def test_every_dependency_has_its_place():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    texts = [*project["dependencies"], *(text for extra in extras for text in extra)]
    names = {re.split(r"[\[>.;]", text)[0] for text in texts}
    assert names == LIBRARIES.keys() - {"_ruamel_yaml"}


# -- the rules


def said(file, source):
    return "\n".join(complaints(file, source))


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("ork/errors.py", "from ork.objects import tree"),
        ("ork/objects/a.py", "from ork.store.store import Store"),
        ("ork/objects/a.py", "import ork.backends.base"),
        ("ork/objects/a.py", "from ..store import store"),
        ("ork/objects/a.py", "def f():\n    from ork import cli"),
        ("ork/backends/a.py", "from ork.store.store import Store"),
        ("ork/executors/a.py", "from ork.backends.base import Backend"),
        ("ork/store/a.py", "from ork.backends.lmdb import Lmdb"),
        ("ork/store/a.py", "from ork.backends import lmdb"),
        ("ork/store/a.py", "from ork.runner import run"),
        ("ork/runner/a.py", "from ork.executors.local import Local"),
        ("ork/runner/a.py", "from ork.cli.screen import line as show"),
        ("ork/__main__.py", "from ork.store import store"),
        (WORKER, "from ork.errors import OrkError"),
        (WORKER, "from ork.executors import base"),
        (WORKER, "if TYPE_CHECKING:\n    pass\nelse:\n    from ork.objects import tree"),
        ("ork/worker/values.py", "from ork.objects.canonical import DEPTH_MAX"),
        ("ork/store/a.py", "import lmdb"),
        ("ork/objects/tree.py", "import lmdb"),
        ("ork/definition/workflow.py", "from ruamel.yaml import YAML"),
        ("ork/store/a.py", "from blake3 import blake3"),
        ("ork/runner/a.py", "from typer import Typer"),
        ("ork/objects/a.py", "import numpy"),
        ("ork/executors/a.py", "import pickle"),
        ("ork/store/a.py", "from marshal import loads"),
        ("ork/objects/a.py", "import subprocess"),
    ],
)
def test_an_import_that_points_the_wrong_way_is_told(file, line):
    assert "imports " in said(file, line)


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("ork/objects/tree.py", "from blake3 import blake3"),
        (
            "ork/objects/a.py",
            "from . import tree\nfrom .tree import build",
        ),
        ("ork/store/a.py", "from ork.backends.base import Backend\nfrom ork.backends import base"),
        ("ork/runner/a.py", "from ork.executors.base import Executor"),
        ("ork/backends/lmdb.py", "import lmdb"),
        (
            "ork/cli/history/log.py",
            "import typer\nimport ork.store.gc",
        ),
        (WORKER, "import json, os, importlib.util"),
        (WORKER, "if TYPE_CHECKING:\n    from ork.objects import canonical"),
        (WORKER, "from ork.worker import modules"),
    ],
)
def test_an_import_that_points_the_right_way_passes(file, line):
    assert said(file, line) == ""


@pytest.mark.parametrize(
    ("file", "line", "instead"),
    [
        ("ork/objects/a.py", "eval('1')", "ast or json"),
        ("ork/objects/a.py", "WORDS = '(?:a)*+'", "(?>(...)*)"),
        ("ork/executors/worker.py", "exec('1')", "ast or json"),
        ("ork/store/a.py", "print(1)", "a view"),
        ("ork/executors/process.py", "subprocess.run('ls', shell=True)", "list of words"),
        ("ork/executors/process.py", "os.system('ls')", "list of words"),
        ("ork/backends/lmdb.py", "lmdb.open('a', writemap=True)", "leave it out"),
        ("ork/backends/lmdb.py", "lmdb.open('a', sync=False)", "leave it out"),
        ("ork/yaml/reader.py", "yaml.load(text)", "ork.yaml.reader"),
        ("ork/yaml/reader.py", "YAML(typ='safe').load(text)", "ork.yaml.reader"),
        ("ork/objects/a.py", "datetime.now(UTC)", "argument"),
        ("ork/objects/a.py", "datetime.datetime.now()", "argument"),
        ("ork/objects/a.py", "time.time()", "argument"),
        ("ork/store/a.py", "try:\n    f()\nexcept Exception:\n    pass", "expected"),
        ("ork/store/a.py", "try:\n    f()\nexcept (OSError, BaseException):\n    g()", "expected"),
        ("ork/store/a.py", "try:\n    f()\nexcept:\n    raise X() from None", "expected"),
        ("ork/store/a.py", "x = " + "1" * 97, "100 at most"),
        ("ork/store/a.py", "x = 1  # fmt" + ": skip", "lay the code out"),
        ("ork/store/utils.py", "", "says neither"),
        ("ork/store/a.py", "class StoreManager: pass", "says neither"),
        ("ork/store/a.py", "def get_task_info(): pass", "says neither"),
    ],
)
def test_a_ban_names_its_replacement(file, line, instead):
    assert instead in said(file, line)


@pytest.mark.parametrize(
    ("file", "line"),
    [
        (WORKER, "exec(code, names)\nprint(1)\ntry:\n    f()\nexcept BaseException:\n    g()"),
        ("ork/cli/screen/line.py", "print(1)"),
        ("ork/cli/app.py", "try:\n    f()\nexcept Exception:\n    g()"),
        ("ork/store/a.py", "try:\n    f()\nexcept BaseException:\n    undo()\n    raise"),
        ("ork/store/a.py", "datetime.now(UTC)\nre.compile('a')\nregex.eval('a')"),
        ("ork/store/a.py", "def information(): pass\nclass Inform: pass"),
        ("ork/store/a.py", "x = " + "1" * 90 + "  # type: ignore[no-any-return]"),
        ("ork/yaml/reader.py", "YAML(typ='safe', pure=True).parse(text)"),
    ],
)
def test_what_is_allowed_passes(file, line):
    assert said(file, line) == ""
