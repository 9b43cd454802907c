"""ork import ork-db: what people see of it, and of deploys whose code was never kept."""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path

import pytest

from tests.conftest import Ork
from tests.orkdb.databases import FIRST, Original, fill, sqlite, step

CODE = "def extract(url):\n    return {'path': 'u.json', 'rows': 1}\n"


@pytest.fixture
def original(ork: Ork) -> Original:
    """A database of the original, in a project beside this one."""
    made = sqlite(ork.folder.parent / "old" / "ork.db")
    fill(made)
    health = made.workflow("health")
    steps = [step("ping", executor="process", command="true")]
    made.deploy(health, steps, "2026-01-05T02:00:00.000Z")
    made.run(health, steps, "2026-01-05T02:10:00.000Z")
    yield made
    made.close()


@pytest.fixture
def imported(original: Original, ork: Ork) -> Ork:
    assert ork("import", "ork-db", "../old/ork.db").code == 0
    return ork


PAGE = Path(__file__).parents[2] / "docs" / "import-ork-db.md"
CONSOLE = re.compile(r"(?ms)^```console\n(.*?)^```$")


def test_the_page_shows_what_is_printed(original, ork):
    text = PAGE.read_text()
    (ork.folder.parent / "old").rename(ork.folder.parent / "pipelines")
    for block in CONSOLE.findall(text):
        for command, _ in re.findall(r"(?ms)^\$ ork (.*?)\n(.*?)(?=^\$ |\Z)", block):
            result = ork(*shlex.split(command))
            assert result.code == 0
            ork.told = getattr(ork, "told", "") + f"$ ork {command}\n{result.out}{result.err}"
    if os.environ.get("ORK_GOLDEN"):
        PAGE.write_text(CONSOLE.sub(lambda _: f"```console\n{ork.told}```", text))
    assert CONSOLE.findall(PAGE.read_text()) == [ork.told]


def both(result):
    return f"{result.out}---\n{result.err}"


def test_it_says_what_came_and_what_did_not(original, ork, golden):
    dry = ork("import", "ork-db", "../old/ork.db", "--dry-run")
    assert not (ork.folder / ".ork").exists()
    done = ork("import", "ork-db", "../old/ork.db")
    assert done.code == dry.code == 0
    golden("import-ork-db/done.txt", both(done))
    golden("import-ork-db/dry.txt", both(dry))
    golden("import-ork-db/again.txt", both(ork("import", "ork-db", "../old")))


def test_json_has_the_same(original, ork, golden):
    golden("import-ork-db/done.json", ork("import", "ork-db", "../old", "--json").out)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("log", ["log", "etl"]),
        ("runs", ["runs"]),
        ("show", ["show", "etl"]),
        ("show-run", ["show", "etl#2"]),
        ("show-text", ["show", "etl~1:"]),
        ("logs", ["logs", "etl#1"]),
        ("diff", ["diff", "etl~1", "etl"]),
        ("diff-same", ["diff", "etl~2", "etl"]),
        ("diff-runs", ["diff", "etl#1", "etl#2"]),
        ("diff.md", ["diff", "etl~2", "etl", "--format", "markdown"]),
        ("status", ["status"]),
        ("ops", ["ops"]),
    ],
)
def test_what_came_reads_well(imported, golden, name, words):
    golden(f"import-ork-db/{name}.txt", both(imported(*words)))


@pytest.mark.parametrize(
    "words", [["run", "etl"], ["retry", "etl#2"], ["rollback", "etl", "etl~1"]]
)
def test_a_deploy_without_its_code_is_not_run(imported, words):
    result = imported(*words)
    assert result.code == 3
    assert "this deploy of etl was imported without its code" in result.err
    assert "`ork deploy FILE`" in result.err
    assert imported("runs", "etl").out.count("etl#") == 5


def test_the_files_of_what_came_are_written_as_status_says(imported):
    assert "next: `ork restore --all --code` writes what is missing" in imported("status").err
    assert imported("restore", "--all", "--code").code == 0
    assert "missing" not in imported("status").out


def test_what_executes_no_code_of_its_own_is_run(imported):
    assert imported("run", "health").code == 0
    assert "code         the same" in imported("diff", "health#1", "health#2").out
    assert "another environment" not in imported("diff", "health#1", "health#2").out


def test_the_first_deploy_with_code_goes_on_with_the_history(imported, golden):
    assert imported("restore", "etl").code == 0
    (imported.folder / "flows").mkdir()
    os.rename(imported.folder / "etl.yaml", imported.folder / "flows" / "etl.yaml")
    imported.write("flows/tasks/etl.py", CODE)
    imported.write("flows/load.sh", "echo 'ORK_OUTPUT:{}'\n")
    os.chmod(imported.folder / "flows/load.sh", 0o755)
    # No --move: that the file was etl.yaml, only the import has said.
    result = imported("deploy", "flows/etl.yaml")
    assert result.code == 0, result.err
    assert "Add the code, which was never kept" in result.out
    golden("import-ork-db/diff-first.txt", both(imported("diff", "etl~1", "etl")))
    assert imported("run", "etl").code == 0
    told = imported("diff", "etl#1", "etl#6").out
    assert "code         not known: that of etl#1 was never kept" in told
    assert imported("rollback", "etl").code == 3  # no good run is of anything that can be run
    kept = imported("retry", "etl#1", "--latest")
    assert kept.code == 0
    assert "start    extract" in kept.err  # a result of unknown code is not used again


def test_a_rollback_to_a_deploy_without_code_lacks_it_as_well(imported):
    """As a store has one that an older ork wrote."""
    from ork.objects.kinds import Deploy
    from ork.objects.value import replace
    from ork.store import location
    from ork.worktree.reached import lacks_code

    store = location.open_store(imported.folder / ".ork", environ={})
    head = store.ref("workflows/etl")
    deploy = store.get(Deploy, head)
    back = replace(deploy, action="rollback", restores=head, parents=(head,))
    assert lacks_code(store, back)
    store.close()


def test_a_dead_end_above_the_project_names_the_way_out(original, ork):
    made = sqlite(ork.folder / ".ork" / "ork.db")
    fill(made)
    made.close()
    (ork.folder / "below").mkdir()
    for words in (["log"], ["-C", "below", "runs"], ["init"], ["fsck"], ["deploy", "x.yaml"]):
        ork.write("x.yaml", "name: x\ntasks:\n  a: {executor: process, command: 'true'}\n")
        result = ork(*words)
        assert result.code == 3, words
        assert "is of the original ork, and keeps its database, ork.db" in result.err
        folder = ork.folder / ".ork"
        at = "-C below " if "-C" in words else ""
        move = f"`mv {folder} {folder}-original`, then `ork {at}import ork-db {folder}-original`"
        assert move in result.err
        os.chdir(ork.folder)
    assert ork("--store", ".ork-new", "import", "ork-db", ".ork").code == 0
    (ork.folder / ".ork").rename(ork.folder / ".ork-original")
    assert ork("import", "ork-db", ".ork-original").code == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--rename", "x"], "say OLD=NEW"),
        (["--rename", "x=y"], "no workflow named 'x'"),
        (["--path", "x"], "--path, --branch, --force and --runs are not for ork-db"),
        (["--force"], "--force and --runs are not for ork-db"),
    ],
)
def test_options_that_make_no_sense_are_told(original, ork, words, told):
    result = ork("import", "ork-db", "../old", *words)
    assert result.code in (2, 3)
    assert told in result.err
    assert not (ork.folder / ".ork").exists()


def test_its_options_are_for_nothing_else(ork):
    assert (
        "--rename and --unfinished are for ork-db" in ork("import", "git", ".", "--unfinished").err
    )
    assert "git, bundle and ork-db are" in ork("import", "svn", ".").err


def test_a_workflow_comes_by_another_name(original, ork):
    assert ork("import", "ork-db", "../old", "--rename", "My Flow (prod)=odd").code == 0
    assert "odd" in ork("log", "--oneline").out


@pytest.mark.slow
def test_it_goes_into_a_store_elsewhere(original, ork):
    url = "sqlite:../runs.db"
    assert ork("--store", url, "import", "ork-db", "../old").code == 0
    assert (
        ork("--store", url, "logs", "etl#2").out == "==> extract (attempt 3) <==\nstderr: no rows\n"
    )
    assert ork("--store", url, "fsck").code == 0
    assert not (ork.folder / ".ork").exists()


def test_texts_of_a_database_neither_paint_nor_forge_lines(ork):
    evil = "\x1b[31mred\nFORGED\r\u202e\x9b2J"
    made = sqlite(ork.folder.parent / "old" / "ork.db")
    for name in (evil, f"{evil} 2"):
        flow = made.workflow(name, schedule=evil, schedule_enabled=name == evil, description=evil)
        steps = [step(f"a{evil}", executor="process", command=f"echo {evil}")]
        key = made.deploy(flow, steps, "2026-01-05T02:00:00.000Z")
        at = "2026-01-05T03:00:00.000Z"
        made.run(flow, [], at, status="failed", snapshot=key, error=evil, triggered_by=evil)
        made.run(flow, steps, at, status=evil, snapshot=key)
    made.deploy(made.workflow("x"), [step("a", executor=evil)], "2026-01-05T02:00:00.000Z")
    made.close()
    names = ork("import", "ork-db", "../old", "--json", "--dry-run").out
    found = [one["workflow"] for one in json.loads(names)["data"]["workflows"]]
    for words in (
        ["import", "ork-db", "../old"],
        ["log"],
        ["runs"],
        ["show", found[0]],
        ["status"],
    ):
        result = ork(*words)
        assert result.code == 0, result.err
        shown = result.out + result.err
        assert not {*"\x1b\r\x9b\u202e"} & {*shown}, words
        assert not [line for line in shown.splitlines() if line.startswith("FORGED")]


def test_a_failed_import_makes_no_store(ork):
    (ork.folder / "a.db").write_bytes(b"x" * 5000)
    assert ork("import", "ork-db", "a.db").code == 3
    assert not (ork.folder / ".ork").exists()


def test_python_takes_one_in_as_well(original, ork):
    import ork as library

    store = library.open(ork.folder, create=True)
    done = store.import_ork_db(ork.folder.parent / "old", dry_run=True)
    assert [one.workflow for one in done.workflows] == ["My_Flow_prod", "etl", "health"]
    assert store.import_ork_db(ork.folder.parent / "old").workflows == done.workflows
    store.close()


def test_json_of_a_diff_says_that_code_was_never_kept(imported):
    found = json.loads(imported("diff", "etl~1", "etl", "--json").out)["data"]
    assert (found["old"]["without_code"], found["new"]["without_code"]) == (True, True)
    found = json.loads(imported("diff", "etl#1", "etl#2", "--json").out)["data"]
    assert (found["old"]["without_code"], found["new"]["without_code"]) == (True, True)


def test_the_bundle_of_an_import_says_the_same_elsewhere(imported):
    assert imported("bundle", "create", "../a.bundle", "--all", "--runs", "all").code == 0
    elsewhere = imported.folder.parent / "elsewhere"
    elsewhere.mkdir()
    assert imported("-C", str(elsewhere), "import", "bundle", "../a.bundle").code == 0
    os.chdir(elsewhere)
    assert "code     never kept" in imported("show", "etl").out
    shown = imported("logs", "etl#1").out
    assert shown == "==> extract (attempt 2) <==\nstderr: boom\nstdout: 41 rows\n"
    assert FIRST
