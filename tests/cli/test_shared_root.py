"""Two workflows that share code above their folders: `root: ..`."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess

import pytest

from tests.conftest import Ork
from tests.git.repositories import ENVIRON

FLOW = """\
name: {name}
root: ..
tasks:
  load: {{executor: process, command: "sh lib/load.sh; pwd"}}
  use: {{executor: python, file: flows/use.py}}
"""


@pytest.fixture
def shared(ork: Ork) -> Ork:
    ork.write("lib/load.sh", ". lib/words.sh; echo $WORD\n")
    ork.write("lib/words.sh", "WORD=one\n")
    ork.write("lib/common.py", "WORD = 'one'\n")
    ork.write("flows/use.py", "from lib.common import WORD\ndef main(): return WORD\n")
    for name in ("a", "b"):
        ork.write(f"flows/{name}.yaml", FLOW.format(name=name))
    assert ork("init").code == 0
    return ork


def deploy_both(ork: Ork) -> None:
    result = ork("deploy", "flows/a.yaml", "flows/b.yaml")
    assert result.code == 0, result.err


def test_two_workflows_share_the_code_above_them(shared: Ork) -> None:
    deploy_both(shared)
    for name in ("a", "b"):
        assert shared("run", name).code == 0
        log = shared("logs", f"{name}:load").out
        assert log == f"one\n{shared.folder}\n"
    captured = ["flows/use.py", "lib/common.py", "lib/load.sh", "lib/words.sh"]
    found = json.loads(shared("check", "flows/a.yaml", "--files", "--json").out)
    assert [file["path"] for file in found["data"][0]["files"]] == captured
    assert shared("show", "b:lib/words.sh").out == "WORD=one\n"
    assert "flows/a.yaml  a" in shared("status").out
    shared.write("lib/words.sh", "WORD=two\n")
    assert shared("status").out.count("modified") == 2


def test_a_revision_of_the_past_runs_with_its_shared_code(shared: Ork) -> None:
    deploy_both(shared)
    shared.write("lib/words.sh", "WORD=two\n")
    shared.write("lib/common.py", "WORD = 'two'\n")
    deploy_both(shared)
    assert shared("run", "a~1").code == 0
    assert shared("logs", "a:load").out.startswith("one\n")
    out = json.loads(shared("outputs", "a", "--json").out)
    assert out["data"]["use"] == "one"


def test_files_come_back_to_where_they_were(shared: Ork) -> None:
    deploy_both(shared)
    paths = ("flows/a.yaml", "flows/use.py", "lib/words.sh")
    before = {path: (shared.folder / path).read_text() for path in paths}
    for path in paths:
        (shared.folder / path).unlink()
    assert shared("restore", "a", "--code").code == 0
    assert {path: (shared.folder / path).read_text() for path in paths} == before
    result = shared("restore", "a", "--code", "-o", "copy/")
    assert result.code == 0
    assert (shared.folder / "copy/flows/a.yaml").exists()
    assert (shared.folder / "copy/lib/words.sh").exists()


def test_a_history_goes_to_git_and_back(shared: Ork, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy_both(shared)
    shared.write("lib/words.sh", "WORD=two\n")
    deploy_both(shared)
    result = shared("export", "git", "repo", "a")
    assert result.code == 0, result.err
    words = ["git", "-C", str(shared.folder / "repo"), "ls-tree", "-r", "--name-only", "main"]
    listed = subprocess.run(words, capture_output=True, text=True, env=ENVIRON)
    assert listed.stdout.split() == [
        "flows/a.yaml",
        "flows/use.py",
        "lib/common.py",
        "lib/load.sh",
        "lib/words.sh",
    ]
    ours = shared("rev-parse", "a^{snapshot}", "a~1^{snapshot}").out
    (shared.folder / "other").mkdir()
    monkeypatch.chdir(shared.folder / "other")
    shared("init")
    result = shared("import", "git", "../repo", "--path", "flows/a.yaml")
    assert result.code == 0, result.err
    theirs = shared("rev-parse", "a^{snapshot}", "a~1^{snapshot}").out
    assert theirs == ours != ""


@pytest.mark.parametrize("root", ["lib", "/srv", "../lib", "''", "[a]", "'~'"])
def test_a_root_leads_upwards_only(ork: Ork, root: str) -> None:
    ork.write("w.yaml", f"name: w\nroot: {root}\ntasks: {{a: {{executor: process, command: x}}}}\n")
    result = ork("check", "w.yaml")
    assert result.code == 1 and result.out.startswith("w.yaml:2:7: root ")


def test_the_folder_itself_is_no_setting(ork: Ork) -> None:
    ork.write("w.yaml", "name: w\nroot: .\ntasks: {a: {executor: process, command: x}}\n")
    ork("deploy", "w.yaml")
    ork.write("w.yaml", "name: w\ntasks: {a: {executor: process, command: x}}\n")
    assert "up to date" in ork("deploy", "w.yaml").out


def test_a_root_outside_of_the_project_is_refused(ork: Ork) -> None:
    ork.write("w.yaml", "name: w\nroot: ..\ntasks: {a: {executor: process, command: 'true'}}\n")
    ork("init")
    for words in (("deploy", "w.yaml"), ("run", "w.yaml"), ("diff", "w.yaml", "w.yaml")):
        result = ork(*words)
        assert result.code == 3
        assert "w.yaml:2:7: root leads out of the project" in result.err


@pytest.mark.slow
def test_what_is_told_of_code_in_the_folder_above_lets_it_run(
    ork: Ork, monkeypatch: pytest.MonkeyPatch
) -> None:
    ork.write("lib/__init__.py", "def f(): return 1\n")
    ork.write("flows/a.py", "from lib import f\ndef main(): return f()\n")
    text = "name: w\ntasks: {a: {executor: python, file: a.py}}\n"
    ork.write("flows/w.yaml", text)
    monkeypatch.chdir(ork.folder / "flows")
    failed = ork("run", "w.yaml")
    told = "lib: it lies in .., where imports and paths begin with `root: ..` at the top of the"
    assert told in failed.err
    ork.write("flows/w.yaml", f"root: ..\n{text}")
    assert "hint: did you mean flows/a.py?\n" in ork("check").out
    ork.write("flows/w.yaml", f"root: ..\n{text.replace('a.py', 'flows/a.py')}")
    refused = ork("deploy", "w.yaml").err
    move, deploy = re.findall("`(mv .*?|ork deploy .*?)`", refused)
    subprocess.run(shlex.split(move), check=True)
    assert ork(*shlex.split(deploy)[1:]).code == 0
    assert ork("run", "w").code == 0
    shutil.rmtree(ork.folder / ".ork")
    made = re.findall("no store yet, `ork (init .*?)`", ork("run", "w.yaml").err)
    assert ork(*shlex.split(made[0])).code == 0
    assert ork("run", "w.yaml").code == 0


def test_complaints_call_files_as_the_root_lies(shared: Ork) -> None:
    shared.write("flows/use.py", "def main(:\n")
    result = shared("check", "flows/a.yaml")
    assert result.out.startswith("flows/use.py:1:")
    shared.write(
        "flows/use.py", "import importlib\nimportlib.import_module(NAME)\ndef main(): ...\n"
    )
    assert "flows/use.py:2:1" in shared("check", "flows/a.yaml").err
