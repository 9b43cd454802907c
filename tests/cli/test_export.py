"""ork export"""

import subprocess
import sys

import pytest

from tests.git.repositories import ENVIRON


def git(ork, *words):
    return subprocess.run(
        ["git", *words], cwd=ork.folder, env=ENVIRON, check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture
def exported(history):
    assert history("export", "git", "out").code == 0
    return history


def test_a_new_repository(history, golden):
    result = history("export", "git", "out")
    assert result.code == 0
    golden("export/new.txt", result.out + result.err)
    golden("export/git_log.txt", git(history, "-C", "out", "log", "--stat", "--format=fuller"))


def test_an_update(exported, edit, golden):
    again = exported("export", "git", "out", "etl", "--update")
    edit("tasks/etl.py", "4", "5")
    exported("deploy", "etl.yaml")
    result = exported("export", "git", "out", "--update")
    golden("export/update.txt", again.out + again.err + result.out + result.err)
    exported("tag", "v1")
    assert exported("export", "git", "out", "--update").out.startswith("etl: 1 tag on main of out,")
    assert "is up to date" in exported("export", "git", "out", "--update").out


def test_json(exported, tag, golden):
    tag("etl", "v1", "etl~1")
    tag("etl", "v2.lock", "etl")
    result = exported("export", "git", "out", "--update", "--json")
    golden("export/json.json", result.out)


def test_tags_that_are_left_out_are_told(exported, tag, golden):
    git(exported, "-C", "out", "tag", "v1", "HEAD^{tree}")
    tag("etl", "v1", "etl~1")
    result = exported("export", "git", "out", "--update")
    golden("export/left.txt", result.out + result.err)


def test_a_stream(history, golden):
    result = history("export", "git", "--stream", "--branch", "etl")
    golden("export/stream.txt", result.out)


@pytest.mark.slow
def test_a_stream_is_read_by_git(exported):
    exported.folder.joinpath("piped").mkdir()
    git(exported, "-C", "piped", "init", "-q", "-b", "main")
    made = subprocess.run(
        [sys.executable, "-m", "ork", "export", "git", "--stream"],
        cwd=exported.folder,
        env=exported.environ,
        check=True,
        capture_output=True,
    ).stdout
    subprocess.run(
        ["git", "-C", "piped", "fast-import", "--quiet"],
        cwd=exported.folder,
        env=ENVIRON,
        input=made,
        check=True,
    )
    ids = [git(exported, "-C", place, "rev-parse", "main") for place in ("out", "piped")]
    assert ids[0] == ids[1]


def test_wrong_command_lines(exported, golden):
    lines = [
        ("svn", "out"),
        ("git",),
        ("git", "a", "b", "c"),
        ("git", "tasks"),
        ("git", "new", "etk"),
        ("git", "--stream", "a", "b"),
        ("git", "--stream", "--json"),
        ("git", "new", "--branch", "a b"),
    ]
    results = [exported("export", *words) for words in lines]
    assert [one.code for one in results] == [2, 2, 2, 2, 3, 2, 2, 2]
    golden("export/wrong.txt", "".join(one.err for one in results))
    assert not (exported.folder / "new").exists()


def test_a_version_is_no_workflow(exported):
    exported("tag", "v1")
    refused = exported("export", "git", "other", "etl@v1")
    assert refused.code == 3
    assert refused.err == "error: etl@v1 is a version; a workflow is wanted here\nhint: write etl\n"


def test_commits_of_others_are_told(exported, golden):
    git(exported, "-C", "out", "commit", "-qm", "\x1b[31mMine", "--allow-empty")
    result = exported("export", "git", "out", "--update")
    assert result.code == 3
    golden(
        "export/others.txt",
        result.err.replace(git(exported, "-C", "out", "rev-parse", "HEAD")[:12], "COMMIT"),
    )


def test_a_stream_is_not_for_the_screen(history, terminal):
    assert "fast-import" in terminal("export", "git", "--stream")
