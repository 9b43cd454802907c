"""`ork diff --git-driver` and the hook for pre-commit, as docs/git.md says to set them up."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.git.repositories import ENVIRON, FLOW, Repository

ROOT = Path(__file__).parents[2]
HOOKS = YAML(typ="safe").load((ROOT / ".pre-commit-hooks.yaml").read_text())


@pytest.fixture
def repo(tmp_path):
    """A repository with a commit, set up with the lines of docs/git.md."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "ork").write_text(f'#!/bin/sh\nexec {sys.executable} -m ork "$@"\n')
    (bin_folder / "ork").chmod(0o755)
    repo = Repository(tmp_path / "repo")
    page = (ROOT / "docs/git.md").read_text()
    attributes = re.findall(r"(?m)^    (\S+ +diff=ork)$", page)
    commands = re.findall(r"(?m)^    git (config diff\.ork\..*)$", page)
    assert attributes and commands
    for command in commands:
        repo(*shlex.split(command))
    repo.commit("First", {"workflows/etl.yaml": FLOW, ".gitattributes": "\n".join(attributes)})
    return repo


def shown(repo, *words, **environ):
    path = f"{repo.folder.parent}/bin:{ENVIRON['PATH']}"
    return repo(*words, PATH=path, PYTHONPATH=str(ROOT), **environ)


@pytest.mark.slow
def test_a_diff_is_that_of_the_structure(repo, golden):
    text = FLOW.replace("{a: ", "{b: {executor: process, command: x}, a: ")
    repo.write("workflows/etl.yaml", text + "schedule: '@daily'\n")
    repo.write("workflows/new.yaml", FLOW.replace("etl", "new"))
    repo("add", "-N", ".")
    golden("diff/git_driver.txt", shown(repo, "diff"))


@pytest.mark.slow
def test_a_history_of_diffs(repo, golden):
    long = FLOW + "description: a text that is long enough for git to see the same file\n"
    repo.commit("Description", {"workflows/etl.yaml": long})
    repo("mv", "workflows/etl.yaml", "workflows/new.yaml")
    repo.commit("Move", {"workflows/new.yaml": long.replace("etl", "new") + "include: ['*.sql']\n"})
    repo("rm", "-q", "workflows/new.yaml")
    repo.commit("Remove")
    golden("diff/git_log.txt", shown(repo, "log", "-p", "--ext-diff", "--format=%s"))


@pytest.mark.slow
def test_a_side_that_is_no_workflow_is_shown_by_lines(repo, golden):
    repo.commit("Break", {"workflows/etl.yaml": FLOW + "steps: \x1b[31m3\n"})
    repo.commit("Binary", {"workflows/etl.yaml": "\xff\0"})
    golden("diff/git_lines.txt", shown(repo, "log", "-2", "-p", "--ext-diff", "--format=%s"))


def test_comments_make_no_difference(repo, golden):
    repo.write("workflows/etl.yaml", "# why\n" + FLOW)
    golden("diff/git_comments.txt", shown(repo, "diff"))


def test_an_unmerged_file_is_told(repo):
    repo("checkout", "-qb", "side")
    repo.commit("One", {"workflows/etl.yaml": FLOW + "schedule: '@daily'\n"})
    repo("checkout", "-q", "main")
    repo.commit("Two", {"workflows/etl.yaml": FLOW + "schedule: '@weekly'\n"})
    with pytest.raises(AssertionError):
        repo("merge", "-q", "side")
    assert "unmerged workflows/etl.yaml" in shown(repo, "diff", "--cached")


@pytest.mark.slow
def test_colour_follows_gits_pager(repo):
    repo.write("workflows/etl.yaml", FLOW + "schedule: '@daily'\n")
    pager = {"GIT_PAGER_IN_USE": "true", "TERM": "xterm"}
    assert "\x1b[" in shown(repo, "diff", **pager)
    assert "\x1b[" not in shown(repo, "diff", NO_COLOR="1", **pager)
    assert "\x1b[" not in shown(repo, "diff", **{**pager, "TERM": "dumb"})


def test_it_is_for_git(ork):
    result = ork("diff", "--git-driver", "--", "a", "b")
    assert result.code == 2
    assert "git config diff.ork.command" in result.err


def committing(repo):
    """Let git run pre-commit, and return a function that commits all."""
    environ = {
        **ENVIRON,
        "PATH": f"{repo.folder.parent}/bin:{ENVIRON['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PRE_COMMIT_HOME": str(repo.folder.parent / "cache"),
    }
    where = {"cwd": repo.folder, "env": environ, "capture_output": True, "text": True}
    subprocess.run([sys.executable, "-m", "pre_commit", "install"], check=True, **where)

    def commit(message):
        repo("add", "-A")
        return subprocess.run(["git", "commit", "-m", message], **where)

    return commit


@pytest.mark.slow
def test_pre_commit_looks_at_code_alone_and_at_workflows_anywhere(repo):
    _, hook = HOOKS
    assert f"- id: {hook['id']}" in (ROOT / "docs/git.md").read_text()
    local = {"repo": "local", "hooks": [{**hook, "language": "system"}]}
    repo.write(".pre-commit-config.yaml", json.dumps({"repos": [local]}))
    repo.write("root.yaml", "name: root\ntasks: {a: {executor: python, file: tasks/a.py}}\n")
    repo.write("tasks/a.py", "def main(): pass\n")
    commit = committing(repo)
    done = commit("Good")
    assert (done.returncode, "Passed" in done.stderr) == (0, True), done
    repo.write("tasks/a.py", "def mian(): pass\n")
    done = commit("Code alone")
    assert done.returncode == 1
    assert "root.yaml:2:37: tasks/a.py has no function `main`" in done.stderr, done.stderr
    repo.write("tasks/a.py", "def main(): return 1\n")
    assert commit("Good again").returncode == 0


@pytest.mark.slow
def test_pre_commit_runs_the_hook(repo):
    hook, _ = HOOKS
    assert hook["id"] in (ROOT / "docs/git.md").read_text()
    # With the ork of this repository: what pre-commit installs it would have to fetch.
    local = {"repo": "local", "hooks": [{**hook, "language": "system"}]}
    repo.write(".pre-commit-config.yaml", json.dumps({"repos": [local]}))
    repo.write("workflows/sub/etl.yml", FLOW)
    repo.write("ci/workflows.yaml", "no workflow\n")
    commit = committing(repo)
    done = commit("Good")
    assert (done.returncode, "Passed" in done.stderr) == (0, True), done
    repo.write("workflows/bad.yaml", "name: x\n")
    done = commit("Bad")
    assert done.returncode == 1
    assert "workflows/bad.yaml:1:1: `tasks` is missing" in done.stderr


def test_the_entry_of_the_hook_is_a_command_that_is_installed():
    words = (ROOT / "pyproject.toml").read_text()
    assert 'ork = "ork.__main__:entry"' in words
    assert (
        subprocess.run(
            [sys.executable, "-m", "ork", "check", "-h"], check=True, capture_output=True, cwd=ROOT
        ).returncode
        == 0
    )
