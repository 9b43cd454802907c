"""A git that is killed, prints nothing or stops halfway; an export that is killed anywhere."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ork.errors import StoreError
from ork.files import lock, open_folder
from ork.git.from_git import import_git
from ork.store.store import Store
from tests.conftest import Ork
from tests.git.repositories import ENVIRON, FLOW, Repository
from tests.runner.suite import eventually
from tests.scale import sampled
from tests.stores import stamp

GIT = shutil.which("git") or "git"
ENDS = {
    "is killed": "kill -9 $$",
    "prints nothing": "exit 0",
    "prints half a word": "printf ab; exit 0",
    "fails": "exit 3",
}
IMPORTING = ("rev-list", "ls-tree", "diff-tree", "cat-file", "rev-parse")
EXPORTING = ("init", "fast-import", "update-ref", "read-tree", "symbolic-ref", "rev-parse")


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    repo = Repository(tmp_path / "repo")
    for number in range(3):
        repo.commit(
            f"Change {number}", {"etl.yaml": FLOW + f"description: '{number}'\n", "run.sh": "x"}
        )
    return repo


def unlucky(folder: Path, monkeypatch: pytest.MonkeyPatch, command: str, end: str) -> None:
    """Put a git in front of git that does one of its commands badly."""
    folder.mkdir()
    script = folder / "git"
    script.write_text(
        f'#!/bin/sh\nfor word; do\n  if [ "$word" = {command} ]; then {end}; fi\ndone\n'
        f'exec "{GIT}" "$@"\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("command", IMPORTING)
def test_an_import_never_takes_silence_for_an_answer(
    project: Store,
    repo: Repository,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    end: str,
) -> None:
    unlucky(tmp_path / "bin", monkeypatch, command, ENDS[end])
    try:
        done = import_git(project, repo.folder, "etl.yaml", stamp=stamp())
    except StoreError:
        assert project.ref("workflows/etl") is None
    else:
        assert len(done.workflows[0].added) == 3


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("command", EXPORTING)
def test_an_export_never_takes_silence_for_an_answer(
    etl: Ork,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    end: str,
) -> None:
    assert etl("deploy", "etl.yaml").code == 0
    unlucky(tmp_path / "bin", monkeypatch, command, ENDS[end])
    result = etl("export", "git", "out", "etl")
    assert "Traceback" not in result.err
    if result.code:
        assert result.code in (4, 5)
        assert not (etl.folder / "out").exists()
    else:
        assert subprocess.run([GIT, "status", "--short"], cwd=etl.folder / "out", env=ENVIRON)


DEADLY = """
import os, signal, sys
from ork.cli.app import main
left = int(sys.argv[1])
calls = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "open", "subprocess.Popen"}
def die(event, arguments):
    global left
    writes = event != "open" or arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if event in calls and writes and "ork-history" in str(arguments):
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(die)
sys.exit(main(sys.argv[2:]))
"""


def killed(ork: Ork, number: int, *argv: str) -> bool:
    """Run a command that dies when it changes a file for this time; say whether it did."""
    words = [sys.executable, "-c", DEADLY, str(number), *argv]
    code = subprocess.run(words, cwd=ork.folder, env=ork.environ, capture_output=True).returncode
    assert code in (0, -signal.SIGKILL)
    return code != 0


@pytest.mark.turns(2)
def test_an_export_that_was_killed_anywhere_can_be_repeated(etl: Ork) -> None:
    assert etl("deploy", "etl.yaml").code == 0
    whole = etl("export", "git", "whole", "etl", "--json").out.replace("whole", "ork-history")
    out = etl.folder / "ork-history"
    for number in sampled(range(1, 100), one_in=4):
        shutil.rmtree(out, ignore_errors=True)
        if not killed(etl, number, "export", "git", "ork-history", "etl"):
            assert number > 15
            break
        again = etl("export", "git", "ork-history", "etl", "--json")
        assert again.code == 0, again.err
        assert sorted(os.listdir(out)) == [".git", "etl.yaml", "load.sh", "tasks"]
        status = subprocess.run(
            [GIT, "status", "--short"], cwd=out, env=ENVIRON, capture_output=True, text=True
        )
        assert (status.stdout, status.stderr) == ("", "")
        commit = [line for line in whole.splitlines() if '"commit"' in line]
        assert commit == [line for line in again.out.splitlines() if '"commit"' in line]
    else:
        raise AssertionError


CUT = """
import os, signal, sys
from ork.cli.app import main
from ork.git import to_git
commits = to_git._commits
def cut(*arguments):
    for piece in commits(*arguments):
        yield piece
        os.kill(os.getpid(), signal.SIGKILL)
to_git._commits = cut
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_an_update_that_was_killed_leaves_nothing_that_the_next_one_does_not_remove(
    etl: Ork, edit
) -> None:
    assert etl("deploy", "etl.yaml").code == 0
    assert etl("export", "git", "out", "etl").code == 0
    inside = etl.folder / "out" / ".git"
    before = sorted(os.listdir(inside))
    edit("load.sh", "echo", "echo more")
    assert etl("deploy", "etl.yaml").code == 0
    words = [sys.executable, "-c", CUT, "export", "git", "out", "etl", "--update"]
    done = subprocess.run(words, cwd=etl.folder, env=etl.environ, capture_output=True)
    assert done.returncode == -signal.SIGKILL
    assert eventually(  # git notices it a little later
        lambda: any("END" in path.read_text() for path in inside.glob("fast_import_crash_*"))
    )
    (inside / "ork-marks").touch()
    (inside / "ork-marks.lock").touch()  # as when the power fails while git writes it
    (inside / "fast_import_crash_1").write_text("of somebody else\n")
    assert etl("export", "git", "out", "etl", "--update").code == 0
    assert sorted(os.listdir(inside)) == sorted([*before, "fast_import_crash_1"])


def test_what_another_export_still_uses_or_only_has_such_a_name_is_left_alone(etl: Ork) -> None:
    assert etl("deploy", "etl.yaml").code == 0
    out = etl.folder / "out"
    alive = out / ".ork-export-0123456789ab"
    alive.mkdir(parents=True)
    (alive / ".ork-export").touch()
    with open_folder(alive) as at:
        assert lock(at)
        result = etl("export", "git", "out", "etl")
        assert (result.code, alive.is_dir()) == (5, True)
    assert etl("export", "git", "out", "etl").code == 0
    assert not alive.exists()

    for name in (".ork-export-0123456789ab", ".ork-export-mine"):
        mine = etl.folder / "other" / name
        mine.mkdir(parents=True)
        (mine / "mine").write_text("x")
    assert etl("export", "git", "other", "etl").code == 2
    assert sorted(path.name for path in (etl.folder / "other").rglob("mine")) == ["mine", "mine"]


def test_an_export_that_is_there_already_is_no_error(etl: Ork) -> None:
    assert etl("deploy", "etl.yaml").code == 0
    assert etl("export", "git", "out", "etl").code == 0
    again = etl("export", "git", "out", "etl")
    assert (again.code, again.out.split(" at ")[0]) == (0, "etl is up to date")
