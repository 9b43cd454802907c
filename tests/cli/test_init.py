"""ork init"""

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from ork.cli.heads.schema import document
from tests.conftest import Ork
from tests.definition.schema import errors


def test_init_makes_an_empty_store_and_says_where(ork, golden, masked):
    result = ork("init")
    assert result.code == 0
    golden("init/first.txt", masked(result.out + result.err))
    assert sorted(path.name for path in (ork.folder / ".ork").iterdir()) == [
        ".gitignore",
        "anchor",
        "config.json",
        "db",
        "logs",
    ]


def test_init_tells_of_git_where_there_is_git(ork):
    (ork.folder / "repository/.git").mkdir(parents=True)
    for folder, told in ((".", False), ("repository", True), ("repository/below", True)):
        assert ("`git clean -fdx` deletes all history" in ork("init", folder).err) is told
    shutil.rmtree(ork.folder / "repository/.ork")
    shutil.rmtree(ork.folder / ".ork")
    ork.write("repository/w.yaml", "name: w\ntasks: {a: {executor: process, command: echo hi}}\n")
    made = ork("deploy", "repository/w.yaml").err
    assert "in repository/.ork; git ignores it: `git clean -fdx` deletes all history" in made


def test_init_below_a_store_names_that_one_and_the_way_back(ork: Ork, tmp_path: Path) -> None:
    ork.write("flows/w.yaml", "name: w\ntasks: {a: {executor: process, command: echo hi}}\n")
    assert ork("run", "flows/w.yaml").code == 0
    made = ork("init", "flows").err
    assert f"the store above, {ork.folder}/.ork, which stays as it is" in made
    assert "above" not in ork("init", "flows").err  # it is there
    assert ork("-C", "flows", "runs").err == "no runs\n"
    os.chdir(ork.folder)
    way = re.search("`(rm -r .*)` goes back", made)
    assert way and subprocess.run(shlex.split(way[1])).returncode == 0
    assert "w#1" in ork("-C", "flows", "runs").out
    os.chdir(ork.folder)
    assert ork("backup", "../w.orkbackup").code == 0
    assert "the store above" in ork("init", "--from", "../w.orkbackup", "flows").err
    os.chdir(ork.folder)
    assert "above" not in ork("--store", f"{tmp_path}/other", "init").err  # which was chosen


def test_init_again_changes_nothing(etl):
    etl("deploy", "etl.yaml", "-m", "First")
    result = etl("init")
    assert result.code == 0
    assert "a store already" in result.out
    assert "First" in etl("log").out


@pytest.mark.slow
def test_init_of_another_kind_of_store_than_there_is_is_refused(etl, tmp_path):
    etl("deploy", "etl.yaml", "-m", "First")
    assert etl("init", "--store", "lmdb:").code == 0
    for url in ("files:", f"sqlite:{tmp_path}/other.db"):
        refused = etl("init", "--store", url)
        assert refused.code == 2 and "has its store already: lmdb:" in refused.err
    hint = re.search("`ork (init --from .*)`", etl("init", "--store", "files:").err)
    assert hint and etl(*hint[1].split()).code == 0
    assert "First" in etl("-C", "../copy", "log").out
    os.chdir(etl.folder)
    assert etl("init", "../else", "--store", f"sqlite:{tmp_path}/else.db").code == 0
    assert etl("init", "../else", "--store", f"sqlite:{tmp_path}/else.db").code == 0
    refused = etl("init", "../else", "--store", "sqlite:")
    assert refused.code == 2 and f"sqlite:{tmp_path}/else.db" in refused.err


def test_init_of_another_folder_which_is_made_if_need_be(ork):
    (ork.folder / "below").mkdir()
    for name in ("below", "new/folder"):
        assert ork("init", name).code == 0
        assert (ork.folder / name / ".ork/config.json").is_file()
    assert not (ork.folder / ".ork").exists()


def test_init_of_a_chosen_store(ork, tmp_path):
    assert ork("--store", str(tmp_path / "chosen"), "init").code == 0
    assert (tmp_path / "chosen/config.json").is_file()
    assert not (ork.folder / ".ork").exists()


def test_init_of_what_is_no_folder(ork):
    ork.write("file", "")
    result = ork("init", "file")
    assert result.code == 2
    assert "file is not a folder" in result.err
    result = ork("init", "file/below")
    assert result.code == 4
    assert "no store can be made" in result.err


def test_init_where_nothing_can_be_made(ork):
    result = ork("--store", "/proc/nowhere/.ork", "init")
    assert result.code == 4
    assert "no store can be made" in result.err
    assert "hint: " in result.err


@pytest.mark.parametrize("words", ["init", "log", "fsck", "fsck --repair", "run etl.yaml"])
def test_a_store_that_has_lost_its_data_says_how_to_begin_anew(etl, words):
    etl("init")
    shutil.rmtree(etl.folder / ".ork/db")
    result = etl(*words.split())
    assert (result.code, "has lost its data: it has no db\nhint: once it is out" in result.err) == (
        4,
        True,
    )


@pytest.mark.parametrize("kind", ["lmdb:", "sqlite:", "files:"])
def test_a_store_whose_folder_of_data_is_empty_says_how_to_begin_anew(etl, kind):
    assert etl("init", "--store", kind).code == 0
    for path in (etl.folder / ".ork/db").iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for words in ("log", "fsck --repair", "run etl.yaml"):
        result = etl(*words.split())
        assert (result.code, "lost its data: db has none\nhint: once" in result.err) == (4, True)


def test_a_file_in_place_of_a_store_is_in_the_way(ork):
    ork.write(".ork", "")
    assert "hint: once this file is out of the way, `ork init` makes one" in ork("init").err


def test_a_store_in_a_folder_above_is_found(etl, monkeypatch):
    etl("init")
    etl("deploy", "etl.yaml")
    monkeypatch.chdir(etl.folder / "tasks")
    assert etl("log", "etl").code == 0


@pytest.mark.parametrize(
    ("example", "workflow"),
    [("penguins", "penguins.yaml"), ("shell", "hello.yaml"), ("empty", "first.yaml")],
)
def test_an_example_is_written_and_runs(ork, example, workflow, monkeypatch):
    said = ork("init", "--example", example, "new/folder")
    assert said.code == 0
    written = [line.removeprefix("wrote ") for line in said.out.splitlines()[1:]]
    assert written[0] == f"new/folder/{workflow}"
    found = {path for path in (ork.folder / "new/folder").rglob("*") if path.is_file()}
    kept = {path for path in found if ".ork" not in path.parts}
    assert sorted(str(path.relative_to(ork.folder)) for path in kept) == sorted(written)
    assert said.err.endswith(f"next: `ork -C new/folder run {workflow}`\n")
    monkeypatch.chdir(ork.folder / "new/folder")
    assert errors(Path(workflow).read_text()) == []
    assert ork("run", workflow).code == 0


def test_an_example_names_its_schema_which_is_no_code_of_it(ork):
    ork("init", "--example", "shell")
    first, second = (ork.folder / "hello.yaml").read_text().splitlines()[:2]
    assert first == "# yaml-language-server: $schema=.ork.schema.json"
    assert second.startswith("# Two shell tasks")
    assert json.loads((ork.folder / ".ork.schema.json").read_text()) == document()
    assert ork("deploy").code == 0
    ork.write(".ork.schema.json", "older\n")
    assert ork("status").out.startswith("unchanged")
    assert ".ork.schema.json" not in ork("ls-tree", "hello").out
    assert ork("init", "--example", "empty").code == 0  # whose schema is the one that is there
    assert (ork.folder / ".ork.schema.json").read_text() == "older\n"


def test_an_example_replaces_nothing(ork):
    ork.write("shout.sh", "mine\n")
    refused = ork("init", "--example", "shell")
    assert refused.code == 3
    assert "there is shout.sh already" in refused.err
    assert [path.name for path in ork.folder.iterdir()] == ["shout.sh"]
    assert (ork.folder / "shout.sh").read_text() == "mine\n"


def test_an_example_that_is_not_there(ork):
    refused = ork("init", "--example", "nope")
    assert (refused.code, "penguins, shell, empty" in refused.err) == (2, True)
    assert ork("init", "--example", "shell", "--from", "x").code == 2


def test_quiet_makes_the_same_without_a_word(etl, tmp_path):
    for words in (["there", "--example", "shell"], [], []):
        result = etl("init", "-q", *words)
        assert (result.code, result.out, result.err) == (0, "", "")
    assert (etl.folder / "there" / ".ork").is_dir() and list((etl.folder / "there").glob("*.yaml"))
    assert etl("run", "etl.yaml").code == 0
    assert etl("backup", str(tmp_path / "kept")).code == 0
    result = etl("init", "--quiet", "--from", str(tmp_path / "kept"), str(tmp_path / "again"))
    assert (result.code, result.out) == (0, "")
    assert "next: " not in result.err and (tmp_path / "again" / ".ork").is_dir()
    result = etl("init", "-q", "--from", str(tmp_path / "kept"), str(tmp_path / "again"))
    assert (result.code, result.out) == (3, "") and result.err.startswith("error: ")
