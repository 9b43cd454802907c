"""Of which project the store is, when a file lies elsewhere"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Ork
from tests.git.repositories import ENVIRON

FIRST = "name: {}\ntasks: {{hello: {{executor: process, command: echo hello}}}}\n"


@pytest.fixture
def inner(ork: Ork, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a store, below the folder where one is."""
    ork.write("inner/first.yaml", FIRST.format("first"))
    ork.write("other/second.yaml", FIRST.format("second"))
    monkeypatch.chdir("inner")
    assert "note: made an empty store in .ork\n" in ork("run", "first.yaml").err
    monkeypatch.chdir(ork.folder)
    return ork.folder / "inner"


@pytest.mark.parametrize("words", ["run inner/first.yaml", "deploy inner/first.yaml inner"])
def test_a_file_belongs_to_the_store_of_its_project(ork: Ork, inner: Path, words: str) -> None:
    done = ork(*words.split())
    assert (done.code, "made an empty store" in done.err) == (0, False)
    assert not (ork.folder / ".ork").exists()


def test_a_file_is_compared_with_what_its_own_project_has_deployed(ork: Ork, inner: Path) -> None:
    ork.write("inner/first.yaml", FIRST.format("first").replace("echo hello", "echo bye"))
    shown = ork("diff", "inner/first.yaml")
    assert (shown.code, "echo bye" in shown.out) == (0, True)


def test_a_hint_names_the_store_that_is_not_the_one_of_this_folder(ork: Ork, inner: Path) -> None:
    assert ork("deploy", "other/second.yaml").code == 0  # a store above that of the other
    assert "`ork --store inner show first#2`" in ork("run", "inner/first.yaml").err
    assert ork("--store", "inner", "show", "first#2").code == 0
    assert ork("show", "first").code == 3
    assert "`ork show second#1`" in ork("run", "other/second.yaml").err


def test_files_of_two_projects_are_not_deployed_together(ork: Ork, inner: Path) -> None:
    assert ork("deploy", ".").code == 0  # of a folder, all is in the project that the folder is in
    refused = ork("deploy", "inner/first.yaml", "other/second.yaml")
    assert refused.code == 2
    assert "inner/first.yaml and other/second.yaml lie in two projects" in refused.err
    assert ork("--store", ".", "deploy", "other/second.yaml", "inner/first.yaml").code == 0
    assert ork("check", "inner/first.yaml", "other/second.yaml").code == 0


def test_a_file_is_checked_against_its_own_project(
    ork: Ork, inner: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy("inner/first.yaml", "other/third.yaml")
    monkeypatch.chdir("other")
    assert ork("deploy", "third.yaml").code == 0
    for named in ("../inner/first.yaml", "../inner"):
        assert ork("check", named).out == "first  ../inner/first.yaml: good\n"
    (inner / "first.yaml").write_text("")
    assert "no workflow in this file" in ork("check", "../inner").out


def test_a_file_of_a_repository_without_a_store_is_deployed_to_that_of_this_folder(
    ork: Ork, inner: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (ork.folder / "other/.git").mkdir()
    monkeypatch.chdir(inner)
    assert ork("deploy", "../other/second.yaml").code == 0
    assert ork("status").out.splitlines()[0].startswith("unchanged ../other/second.yaml  second ")


def test_a_new_store_is_made_where_the_project_is(
    ork: Ork, inner: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(inner / ".ork")
    made = ork("deploy", "inner/first.yaml")  # below this folder, so this is the project
    assert "note: made an empty store in .ork\n" in made.err
    shutil.rmtree(ork.folder / ".ork")
    monkeypatch.chdir("other")
    made = ork("deploy", "../inner/first.yaml").err
    assert "made an empty store in ../inner/.ork\nnext: `ork --store ../inner run first`" in made
    shutil.rmtree(inner / ".ork")
    subprocess.run(["git", "init", "-q", str(inner)], check=True)
    monkeypatch.chdir(ork.folder)
    assert "in inner/.ork; git ignores it" in ork("deploy", "inner/first.yaml").err


@pytest.mark.parametrize("words", ["worktree add -q ../tree", "submodule --quiet add ./ tree"])
def test_a_worktree_and_a_submodule_are_projects_of_their_own(
    ork: Ork, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", "-c", "protocol.file.allow=always", *words], check=True, env=ENVIRON)

    ork.write("work/flows/first.yaml", FIRST.format("first"))
    monkeypatch.chdir("work")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "First")
    git(*words.split())
    tree = Path(words.rpartition(" ")[2]).resolve()
    assert (tree / ".git").is_file()  # which says where the rest is
    monkeypatch.chdir(tree / "flows")
    assert "made an empty store in ../.ork; git ignores it" in ork("run", "first.yaml").err
    (deploy,) = json.loads(ork("log", "first", "--json").out)["data"]
    assert deploy["deploy"]["source"]["path"] == "flows/first.yaml"
    assert deploy["deploy"]["origin"]["dirty"] is False
    monkeypatch.chdir(ork.folder)
    assert ork("--store", "all", "import", "git", str(tree), "--path", "flows/*.yaml").code == 0
    assert not Path("work/.ork").exists()


def test_a_store_is_made_without_a_word_where_nothing_is_to_be_said(ork: Ork) -> None:
    ork.write("first.yaml", FIRST.format("first"))
    assert ork("run", "first.yaml", "-q").err == ""


@pytest.mark.parametrize(
    "words", ["run other/second.yaml --dry-run", "graph other/second.yaml", "run second --dry-run"]
)
def test_what_writes_nothing_makes_no_store_where_one_is_named(ork: Ork, words: str) -> None:
    ork.write("other/second.yaml", FIRST.format("second"))
    done = ork("--store", "nowhere", *words.split())
    assert (done.code, (ork.folder / "nowhere").exists()) == (0 if "yaml" in words else 3, False)


KEY = "AKIA" + "IOSFODNN7EXAMPLE"  # apart: this file has no key
WRONG = {
    "run up.yaml": "root leads out of the project",
    "deploy up.yaml": "root leads out of the project",
    "deploy good.yaml up.yaml": "root leads out of the project",
    "run key.yaml": "keep it out of the file",
    "run key.yaml --no-deploy": "keep it out of the file",
    "deploy key.yaml": "keep it out of the file",
    "run good.yaml": "the parameter day has no default",
    "run good.yaml -i day=1": "the secret NOWHERE is not set",
    "run good.yaml -i day=1 --no-deploy": "the secret NOWHERE is not set",
    "run good.yaml -i day=1 --only b": "no task named 'b'",
    "run good.yaml -i day=1 --only a --base good#1": "no run good#1",
    "run good.yaml --queue": "the parameter day has no default",
    "run good.yaml --queue -i day=1 --no-deploy": "--queue excludes",
    "run good.yaml -i day=1 --watch --only b": "no task named 'b'",
    f"run good.yaml -i day={KEY}": "has what looks like",
}


@pytest.mark.parametrize("words", WRONG)
def test_what_is_refused_makes_no_store(ork: Ork, words: str) -> None:
    tasks = "tasks:\n  a: {executor: process, command: ls, env: {K: VALUE}}\n"
    good = tasks.replace("VALUE", "{secret: NOWHERE}")
    ork.write("good.yaml", f"name: good\nparams: {{day: str}}\n{good}")
    ork.write("up.yaml", f"name: up\nroot: ..\n{tasks}")
    ork.write("key.yaml", f"name: key\n{tasks.replace('VALUE', KEY)}")
    done = ork(*words.split())
    assert (done.code in (2, 3), WRONG[words] in done.err) == (True, True), done.err
    assert "made an empty store" not in done.err
    assert not (ork.folder / ".ork").exists()
    done = ork("run", "good.yaml", "-i", "day=1", "--queue")
    assert (done.code, "note: made an empty store in .ork\n" in done.err) == (0, True)
