"""The help of the commands and what is made from it: not stale, complete, and its examples run."""

import ast
import inspect
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ork import errors
from ork.cli import app
from ork.cli.reference import manual, reference
from ork.objects.kinds import Run
from ork.store import location
from ork.store.store import Store
from tests.orkdb.databases import fill, sqlite

ROOT = Path(__file__).parents[1]
COMMANDS = app.COMMANDS
# These do something and have no answer beside their exit code, or print what is a file.
ACTS = ("init", "report", "completion", "schema")


def source(command):
    return inspect.getsource(app.find_command(command))


def docstring(command):
    return app.find_command(command).__doc__


def examples(command):
    _, _, block = docstring(command).partition("Example:\n")
    return re.findall(r"(?m)^ +ork (.*)$", in_one_line(block))


def in_one_line(text):
    """Return a text with those lines together that a backslash says are one."""
    return re.sub(r"\\\n +", "", text)


def test_the_page_of_commands_is_not_stale():
    page = (ROOT / "docs/cli.md").read_text()
    assert page == reference(), "run `make docs`"


def test_the_pages_of_the_manual_are_not_stale():
    found = {path.name: path.read_text() for path in (ROOT / "docs/man").iterdir()}
    assert found == manual(), "run `make docs`"


def test_the_pages_of_the_manual_are_in_order():
    groff = shutil.which("groff")
    if groff is None:
        pytest.skip("groff is not installed")
    pages = sorted((ROOT / "docs/man").iterdir())
    done = subprocess.run([groff, "-man", "-ww", "-z", "-Tutf8", *pages], capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.slow
def test_the_page_of_commands_is_the_same_on_every_terminal():
    for columns in ("40", "200"):
        made = subprocess.run(
            [sys.executable, "-m", "ork.cli.reference"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
            env={"COLUMNS": columns, "TERM": "xterm", "FORCE_COLOR": "1"},
        ).stdout
        assert made == reference()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_help_begins_with_the_line_of_the_table(command):
    first, blank, *_ = docstring(command).splitlines()
    assert first == COMMANDS[command][1]
    assert first.endswith(".")
    assert blank == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_an_example_is_shown(command, ork):
    assert examples(command), "its docstring needs an example"
    for line in examples(command):
        assert shlex.split(line)[0] == command
        assert f"ork {line}" in in_one_line(ork(command, "--help").out)


@pytest.fixture
def world(etl, edit, once):
    """A world with what the examples name: etl, with five deploys, its runs #1 and #57, tag v1."""
    once("docs", lambda: deploy_and_run(etl, edit))
    return etl


@pytest.fixture
def around(world):
    """What the examples name that lies beside that world."""
    etl = world
    assert etl("export", "git", "../pipelines", "etl").code == 0
    assert etl("bundle", "create", "../etl.bundle", "etl").code == 0
    assert etl("backup", "../etl.orkbackup").code == 0
    for name in ("restored", "team"):
        (etl.folder.parent / name).mkdir()
    assert etl("init", "../team").code == 0
    assert etl("remote", "add", "origin", "../team").code == 0
    assert etl("push").code == 0
    original = sqlite(etl.folder.parent / "pipelines" / ".ork" / "ork.db")
    fill(original)
    original.close()


def deploy_and_run(etl, edit):
    for before, after in (("300", "301"), ("301", "302"), ("302", "303"), ("303", "300")):
        assert etl("deploy", "etl.yaml").code == 0
        edit("etl.yaml", f"timeout: {before}", f"timeout: {after}")
    edit("etl.yaml", "timeout: 300", "timeout: 600")
    assert etl("run", "etl.yaml").code == 0
    with_gap_before(57, etl)
    assert etl("run", "etl").code == 0
    edit("etl.yaml", "timeout: 600", "timeout: 900")


def with_gap_before(number, etl):
    """Take the numbers before this one, as if the runs had been."""
    folder = etl.folder / ".ork"
    store = Store(location.open_backend(folder, environ={}), folder=folder)
    pin = store.ref("numbers/etl/0000000001")
    assert store.get(Run, pin).number == 1
    with store.transaction() as tx:
        tx.move(f"numbers/etl/{number - 1:010d}", old=None, new=pin)
        tx.move("tags/etl/v1", old=None, new=store.ref("workflows/etl"))
    store.close()


BESIDE = ("../", "origin")
# Of a run that went well there is nothing to retry or to cancel, and a judge does not call it bad.
ENDED = ("retry", "cancel", "bisect")
GOES_ON = ("up",)  # until a signal comes: tests/daemon/test_up.py starts it as its example does
PLANTED = ("backup", "fsck")  # these find the numbers and the tag that `with_gap_before` made up


@pytest.mark.parametrize("command", [one for one in COMMANDS if one not in GOES_ON])
def test_the_examples_run(command, world, request):
    if any(place in line for line in examples(command) for place in BESIDE):
        request.getfixturevalue("around")
    for line in examples(command):
        result = world(*shlex.split(line))
        assert "Traceback" not in result.err
        may_be = (1, 2, 3) if command in ENDED else (1,) if command in PLANTED else ()
        assert result.code in (0, *may_be), result.err
        if command in ENDED and result.code:
            assert "etl#" in result.err  # the run was found, and that is what it says


@pytest.mark.parametrize("command", COMMANDS)
def test_whatever_reads_prints_json_as_well(command, ork):
    assert ("--json" in ork(command, "--help").out) == (command not in ACTS)


def exit_codes():
    """Return every exit code that an error, `main` or a command can give, read from the source."""
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, Exception)]
    found = {cls.exit_code for cls in classes} | {0, app.BUG_EXIT_CODE}
    modules = {inspect.getmodule(app.find_command(command)) for command in COMMANDS}
    for module in (*modules, app):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            is_exit = isinstance(node, ast.Call) and ast.unparse(node.func) == "typer.Exit"
            if is_exit or (module is app and isinstance(node, ast.Return)):
                found |= {
                    c.value
                    for c in ast.walk(node)
                    if isinstance(c, ast.Constant) and type(c.value) is int
                }
    return found - {141}  # the shell's own word for a reader that went away


@pytest.mark.slow
def test_every_exit_code_is_documented(ork):
    documented = set(re.findall(r"\b\d+\b", app.EPILOG))
    assert {str(code) for code in exit_codes()} <= documented
    assert app.EPILOG.split()[0] == "Exit"
    page = " ".join((ROOT / "docs/cli.md").read_text().split())
    assert " ".join(app.EPILOG.split()) in page


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_with_an_exit_code_of_its_own_says_so(command):
    if re.search(r"typer\.Exit\((?!0\))", source(command)):
        assert "Exit codes:" in docstring(command)


def test_links_in_the_documents_lead_somewhere():
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
            if not target.startswith(("http:", "https:", "mailto:")):
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_site_has_every_page():
    named = set(re.findall(r"(?m)^ +- [^:]+: (\S+\.md)$", (ROOT / "mkdocs.yml").read_text()))
    pages = {str(page.relative_to(ROOT / "docs")) for page in ROOT.glob("docs/**/*.md")}
    assert pages <= named
    assert all((ROOT / page).is_file() for page in named - pages)


def test_every_schema_is_documented_and_held_by_a_golden_file():
    page = (ROOT / "docs/json.md").read_text()
    documented = set(re.findall(r"\bork\.[a-z-]+\.v\d\b", page))
    held = {
        schema
        for path in (ROOT / "tests/cli/golden").glob("*/*")
        for schema in re.findall(r'"(ork\.[a-z-]+\.v\d)"', path.read_text())
    }
    printed = set()
    for path in (ROOT / "ork/cli").rglob("*.py"):
        source = path.read_text()
        names = re.findall(r'(?:print_json|json_text)\(\s*"([a-z-]+)"', source)
        names += re.findall(r'schema="([a-z-]+)"', source)  # of a page
        printed |= {f"ork.{name}.v1" for name in names}
        printed |= set(re.findall(r'"(ork\.[a-z-]+\.v\d)"', source))
    assert printed == documented
    assert printed <= held
