"""ork bundle, ork import bundle"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


def steady(text):
    """Return a text without what depends on how long a run took."""
    return re.sub(r'[0-9,]+ bytes|"bytes": [0-9]+', "BYTES", text)


@pytest.fixture
def elsewhere(ran, tmp_path):
    """A folder without a store."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return str(folder)


def test_create_verify_list(ran, golden):
    created = ran("bundle", "create", "etl.bundle", "etl", "--runs", "all")
    assert created.code == 0
    assert "`ork import bundle 'of etl'`" in ran("bundle", "create", "of etl", "etl").err
    listed = ran("bundle", "list", "etl.bundle")
    golden("bundle/list.txt", steady(listed.out))
    size = listed.out.splitlines()[-1]
    assert created.out == f"etl.bundle: {size}\n"
    assert ran("bundle", "verify", "etl.bundle").out == f"whole: {size}\n"


@pytest.mark.parametrize(("words", "mode"), [((), 0o644), (("--runs", "1"), 0o600)])
def test_runs_are_for_the_owner_of_a_store_alone(ran, words, mode):
    before = os.umask(0o022)
    try:
        assert ran("bundle", "create", "etl.bundle", "etl", *words).code == 0
    finally:
        os.umask(before)
    assert Path("etl.bundle").stat().st_mode & 0o777 == mode


def test_json(ran, elsewhere, golden):
    golden("bundle/create.json", steady(ran("bundle", "create", "etl.bundle", "etl", "--json").out))
    golden("bundle/list.json", steady(ran("bundle", "list", "etl.bundle", "--json").out))
    golden("bundle/verify.json", steady(ran("bundle", "verify", "etl.bundle", "--json").out))
    file = str(ran.folder / "etl.bundle")
    golden(
        "bundle/import.json", steady(ran("-C", elsewhere, "import", "bundle", file, "--json").out)
    )


@pytest.mark.slow
def test_import_makes_a_store_and_undo_takes_it_back(ran, elsewhere, golden):
    assert ran("bundle", "create", "etl.bundle", "--all", "--runs", "1").code == 0
    os.chdir(elsewhere)
    file = str(ran.folder / "etl.bundle")
    dry = ran("import", "bundle", file, "--dry-run")
    done = ran("import", "bundle", file)
    assert (dry.code, dry.out) == (0, done.out)
    golden("bundle/import.txt", steady(done.out))
    told = "`ork restore etl --code` writes the files, `ork log etl` shows the history"
    assert f"next: {told}\n" in done.err
    assert ran("restore", "etl", "--code").code == 0
    assert Path("etl.yaml").read_bytes() == (ran.folder / "etl.yaml").read_bytes()
    assert ran("import", "bundle", file).out == "nothing new\n"
    assert ran("fsck", "--full").code == 0
    assert ran("log").code == 0
    assert ran("undo").code == 0
    assert ran("log", "etl").code == 3


def test_a_file_that_is_still_as_before_is_named(ran):
    before = (ran.folder / "etl.yaml").read_text()
    ran.write("etl.yaml", f"{before}  more: {{executor: process, command: 'true'}}\n")
    assert ran("deploy", "etl.yaml").code == 0
    assert ran("bundle", "create", "etl.bundle", "etl").code == 0
    assert ran("undo").code == 0
    ran.write("etl.yaml", before)
    tried = ran("import", "bundle", "etl.bundle", "--dry-run").err
    assert tried == "note: this was a dry run: nothing was moved\n"
    assert ran("import", "bundle", "etl.bundle").err == (
        "note: etl.yaml is as in etl~1: `ork restore etl --code` writes the new one\n"
        "next: `ork log etl`\n"
    )
    assert ran("import", "bundle", "etl.bundle").err == ""


def test_a_run_that_came_without_its_workflow_is_restored(ran, elsewhere):
    file = str(ran.folder / "etl.bundle")
    assert ran("bundle", "create", file, "etl#1").code == 0
    os.chdir(elsewhere)
    assert ran("import", "bundle", file).code == 0
    assert ran("log", "etl").code == 3
    for words in (("etl#1", "--code"), ("etl#1",)):
        restored = ran("restore", *words)
        assert (restored.code, restored.err) == (0, "next: `ork status`\n")
    assert "etl.yaml" in ran("status").out


@pytest.mark.slow
def test_runs_are_told_by_their_names(ran, elsewhere, golden):
    file = str(ran.folder / "etl.bundle")
    assert ran("bundle", "create", file, "etl", "--runs", "1").code == 0
    assert ran("-C", elsewhere, "import", "bundle", file).code == 0
    os.chdir(ran.folder)
    assert ran("retry", "etl#2").code == 1
    assert [ran("run", "etl").code for _ in range(3)] == [1, 1, 1]
    assert ran("tag", "etl@v1", "etl~1").code == 0
    assert ran("bundle", "create", file, "--all", "--runs", "all").code == 0
    golden("bundle/list_more.txt", steady(ran("bundle", "list", file).out))
    golden("bundle/import_more.txt", ran("-C", elsewhere, "import", "bundle", file).out)


def test_a_run_in_the_way_is_left_out_and_the_rest_is_taken(ran, elsewhere, golden):
    file = str(ran.folder / "all.bundle")
    assert ran("bundle", "create", file, "etl", "--runs", "1").code == 0
    assert ran("-C", elsewhere, "import", "bundle", file).code == 0
    assert ran("-C", elsewhere, "restore", "etl", "--code").code == 0
    for folder in (elsewhere, str(ran.folder)):
        assert ran("-C", folder, "run", "etl").code == 1
        assert ran("-C", folder, "retry", "etl#2").code == 1
    assert ran("-C", str(ran.folder), "run", "etl").code == 1
    assert ran("-C", str(ran.folder), "bundle", "create", file, "etl", "--runs", "3").code == 0
    os.chdir(elsewhere)
    Path("all.bundle").write_bytes(Path(file).read_bytes())
    dry, taken = (ran("import", "bundle", "all.bundle", *more) for more in (["--dry-run"], []))
    assert (dry.code, taken.code, dry.out) == (5, 5, taken.out)
    golden("bundle/in_the_way.txt", taken.out + taken.err)
    assert ran("show", "etl#4").code == 0
    for words in re.findall("`ork ([^`]*)`", taken.err)[:3]:
        assert ran(*words.split()).code == 0
    theirs = ran("-C", str(ran.folder), "show", "etl#2", "--json").out
    os.chdir(elsewhere)
    forced = ran("import", "bundle", "all.bundle", "--force")
    assert forced.code == 5, "the number is taken for ever"
    assert "note: etl#2 was retried in this store as well: nothing stays of that" in forced.err
    assert ran("show", "etl#2", "--json").out == theirs
    piped = json.loads(ran("import", "bundle", "all.bundle", "--json").out)["data"]
    assert (piped["other"], piped["retried"]) == (["etl#3"], [])
    assert ran("fsck", "--full").code == 0


def test_a_store_that_is_further_than_a_bundle_says_so(ran):
    assert ran("bundle", "create", "old.bundle", "etl").code == 0
    assert ran("import", "bundle", "old.bundle").err == "", "it is the same"
    assert ran("rollback", "etl", "etl~1").code == 0
    told = ran("import", "bundle", "old.bundle")
    assert (told.code, told.out) == (0, "nothing new\n")
    assert told.err == "note: etl: this store is further than old.bundle\n"


@pytest.mark.parametrize(
    "words",
    [
        "bundle make a.bundle",
        "bundle create a.bundle",
        "bundle create a.bundle etl --all",
        "bundle create a.bundle etl --runs some",
        "bundle create - etl --json",
        "bundle list a.bundle etl",
        "bundle verify a.bundle --no-tags",
        "import bundle a.bundle --path etl.yaml",
        "import bundle a.bundle --runs 3",
        "import git .",
    ],
)
def test_what_makes_no_sense_is_usage(ran, words):
    assert ran("bundle", "create", "a.bundle", "etl").code == 0
    assert ran(*words.split()).code == 2


def test_what_is_no_bundle_is_an_error(ran):
    for words in ("bundle list", "bundle verify", "import bundle"):
        assert ran(*words.split(), "etl.yaml").code == 3
        assert ran(*words.split(), "nowhere.bundle").code == 3
    assert ran("bundle", "create", "a.bundle", "nothing").code == 3
    ranged = ran("bundle", "create", "a.bundle", "etl~1..etl")
    assert (ranged.code, "`ork bundle create FILE etl --since etl~1`" in ranged.err) == (2, True)


def test_what_is_refused_or_only_tried_leaves_no_store(ran, elsewhere):
    assert ran("bundle", "create", "part.bundle", "etl", "--since", "etl~1").code == 0
    assert ran("bundle", "create", "all.bundle", "etl").code == 0
    there = ("-C", str(elsewhere))
    part, whole = ran.folder / "part.bundle", ran.folder / "all.bundle"
    refused = ran(*there, "import", "bundle", str(part))
    assert (refused.code, "builds on deploy" in refused.err) == (3, True)
    tried = ran(*there, "import", "bundle", str(whole), "--dry-run")
    assert tried.code == 0 and "workflow  " in tried.out
    whole.write_bytes(whole.read_bytes()[:-1])
    assert ran(*there, "import", "bundle", str(whole)).code == 3
    assert not Path(elsewhere, ".ork").exists()


def test_both_ends_are_told_of_what_went_different_ways(ran, elsewhere, edit, golden):
    there = ("-C", str(elsewhere))
    assert ran("bundle", "create", "first.bundle", "etl").code == 0
    assert ran(*there, "import", "bundle", str(ran.folder / "first.bundle")).code == 0
    assert ran(*there, "rollback", "etl", "etl~1", "-m", "Ours").code == 0
    os.chdir(ran.folder)
    edit("etl.yaml", "@daily", "@hourly")
    assert ran("deploy", "etl.yaml", "-m", "Theirs").code == 0
    for known in ([], ["--since", "etl~1"]):
        assert ran("bundle", "create", "next.bundle", "etl", *known).code == 0
        os.chdir(elsewhere)
        refused = ran("import", "bundle", str(ran.folder / "next.bundle"))
        assert refused.code == 3
        os.chdir(ran.folder)
        said = refused.err.replace(str(ran.folder), "FOLDER")
        golden(f"bundle/refused{'_part' if known else ''}.txt", said)
    take = (*there, "import", "bundle", str(ran.folder / "next.bundle"), "--force")
    undo = f"`ork -C {elsewhere} undo`"
    left = f"note: 1 deploy of this store left the history of etl: {undo} takes that back\n"
    tried, forced = ran(*take, "--dry-run"), ran(*take)
    assert forced.code == 0 and forced.out == tried.out
    assert re.search(r"^workflow  \w{12}  etl  forced: from \w{12}$", forced.out, re.MULTILINE)
    assert forced.err.startswith(left)
    assert tried.err == f"{left}note: this was a dry run: nothing was moved\n"
    assert ran(*there, "undo").code == 0
    assert json.loads(ran(*take, "--json").out)["data"]["left"] == [["etl", 1]]
    shown = ran(*there, "diff", "etl@{1}...etl").out
    assert '"@daily" -> "@hourly"' in shown


@pytest.mark.slow
def test_a_bundle_goes_through_a_pipe(ran, elsewhere):
    ork = [sys.executable, "-P", "-m", "ork"]
    environ = {**os.environ, **ran.environ}
    made = subprocess.run(
        [*ork, "bundle", "create", "-", "etl"], env=environ, capture_output=True, check=True
    )
    for words in (["bundle", "list", "-"], ["bundle", "verify", "-"], ["import", "bundle", "-"]):
        done = subprocess.run(
            [*ork, *words], env=environ, cwd=elsewhere, input=made.stdout, capture_output=True
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("line", ["import bundle", "bundle verify", "bundle list"])
def test_a_bundle_that_is_not_there_is_not_found(ran, line):
    done = ran(*line.split(), "nope.bundle")
    assert (done.code, done.out) == (3, "")
    assert "error: there is no file nope.bundle" in done.err
