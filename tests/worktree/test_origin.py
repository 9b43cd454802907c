"""What git knows: the author, the commit, whether the files differ. With a real git."""

import os
import subprocess

import pytest

from ork.objects.kinds import Deploy, Origin
from ork.worktree import origin
from ork.worktree.origin import author, origin_of
from tests.git.repositories import set_traps

TEXT = "name: etl\ntasks: {a: {executor: process, command: ./run.sh}}\n"
NOBODY = {"USER": "ada", "HOME": "/nowhere"}


@pytest.fixture
def git(project, monkeypatch):
    """A git repository around the project; called, it runs a git command there."""
    for name in list(os.environ):
        if name.startswith("GIT_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    monkeypatch.setenv("HOME", str(project.project))
    monkeypatch.setenv("GIT_AUTHOR_DATE", "2026-11-01T12:00:00Z")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2026-11-01T12:00:00Z")

    def run(*words):
        command = ["git", "-c", "user.name=G", "-c", "user.email=g@example.org", *words]
        return subprocess.run(
            command, cwd=project.project, check=True, capture_output=True, text=True
        ).stdout.strip()

    run("init", "-q")
    (project.project / "run.sh").write_text("#!/bin/sh\n")
    (project.project / "etl.yaml").write_text(TEXT)
    return run


def recorded(store, keep, text=TEXT, **options):
    done = keep(text, **options)
    return store.get(Deploy, done.deploy).origin


def test_a_clean_commit_is_recorded(project, keep, git):
    git("add", "etl.yaml", "run.sh")
    git("commit", "-qm", "First")
    assert recorded(project, keep) == Origin(commit=git("rev-parse", "HEAD"), dirty=False)


def test_a_repository_without_a_commit_is_no_origin(project, keep, git):
    assert recorded(project, keep) is None


def test_outside_of_git_there_is_no_origin(project, keep, monkeypatch):
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    (project.project / "run.sh").write_text("#!/bin/sh\n")
    assert recorded(project, keep) is None


@pytest.mark.parametrize("change", ["workflow", "code", "untracked"])
def test_files_that_are_not_committed_so_are_dirty(project, keep, git, change):
    git("add", "etl.yaml", *([] if change == "untracked" else ["run.sh"]))
    git("commit", "-qm", "First")
    commit = git("rev-parse", "HEAD")
    if change == "code":
        (project.project / "run.sh").write_text("#!/bin/sh\n# more\n")
    text = TEXT + ("# more\n" if change == "workflow" else "")
    assert recorded(project, keep, text) == Origin(commit=commit, dirty=True)


def test_other_files_do_not_make_it_dirty(project, keep, git):
    git("add", "etl.yaml", "run.sh")
    git("commit", "-qm", "First")
    (project.project / "notes.txt").write_text("x")
    (project.project / "tracked.txt").write_text("x")
    git("add", "tracked.txt")
    assert recorded(project, keep).dirty is False


def test_a_workflow_in_a_folder_of_the_repository(project, keep, git):
    (project.project / "flows").mkdir()
    (project.project / "flows/run.sh").write_text("#!/bin/sh\n")
    (project.project / "flows/e\u0301 \u00e9\t.yaml").write_text(TEXT)
    git("add", "flows")
    git("commit", "-qm", "First")
    found = recorded(project, keep, path="flows/e\u0301 \u00e9\t.yaml")
    assert found == Origin(commit=git("rev-parse", "HEAD"), dirty=False)


def test_a_new_commit_of_the_same_content_is_no_deploy(project, keep, git):
    git("add", "etl.yaml", "run.sh")
    git("commit", "-qm", "First")
    keep(TEXT)
    git("commit", "-qm", "Second", "--allow-empty")
    assert not keep(TEXT, hours=1).changed


def test_a_hostile_repository_runs_nothing(project, keep, git):
    git("add", "etl.yaml", "run.sh")
    git("commit", "-qm", "First")
    set_traps(git, project.project)
    git("config", "core.hooksPath", str(project.project))
    (project.project / ".gitattributes").write_text("* filter=x\n")
    assert recorded(project, keep).dirty is False
    author({}, project.project)
    assert not (project.project / "sprung").exists()


def test_a_broken_repository_is_no_origin(project, keep, git):
    git("add", "etl.yaml", "run.sh")
    git("commit", "-qm", "First")
    (project.project / ".git/HEAD").write_text("nonsense")
    assert recorded(project, keep) is None


def test_without_git_there_is_no_origin(project, git, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert origin_of(project.project, {}) is None


# -- authors


def test_the_environment_names_the_author(project):
    environ = {"ORK_AUTHOR_NAME": "Ada", "ORK_AUTHOR_EMAIL": "ada@example.org"}
    assert author(environ, project.project) == "Ada <ada@example.org>"


def test_then_git_names_the_author(project, git):
    git("config", "user.name", "Grace")
    git("config", "user.email", "grace@example.org")
    assert author(NOBODY, project.project) == "Grace <grace@example.org>"


def test_each_half_may_come_from_another_place(project, git):
    git("config", "user.name", "Grace")
    git("config", "user.email", "grace@example.org")
    environ = {**NOBODY, "ORK_AUTHOR_NAME": "Ada"}
    assert author(environ, project.project) == "Ada <grace@example.org>"
    environ = {**NOBODY, "ORK_AUTHOR_EMAIL": "ada@example.org"}
    assert author(environ, project.project) == "Grace <ada@example.org>"


def test_half_an_author_is_better_than_none(project, git):
    git("config", "user.name", "Grace")
    assert author(NOBODY, project.project) == "Grace"
    assert author({**NOBODY, "ORK_AUTHOR_EMAIL": "a@b"}, project.project) == "Grace <a@b>"


def test_at_last_user_and_machine(project, git, monkeypatch):
    assert author(NOBODY, project.project) == f"ada@{os.uname().nodename}"
    assert author({}, project.project).endswith(f"@{os.uname().nodename}")
    monkeypatch.setattr(origin.os, "getuid", lambda: 4_000_000)
    assert author({}, project.project) == f"4000000@{os.uname().nodename}"


def test_empty_names_are_none(project, git):
    environ = {**NOBODY, "ORK_AUTHOR_NAME": "", "ORK_AUTHOR_EMAIL": ""}
    assert author(environ, project.project) == f"ada@{os.uname().nodename}"
