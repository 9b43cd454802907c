"""Exports, imports, undo, restore and bisect at once: one wins or all are appended, never a half.

What a loser is told is an error with the exit code of a lost race; the store and the repository are
whole after every round.
"""

from __future__ import annotations

import subprocess
from contextlib import contextmanager

import pytest

from ork.backends.memory import Memory
from ork.errors import Conflict
from ork.git import to_git as git_export
from ork.git.to_git import export_git
from ork.heads.deploy import deploy
from ork.heads.undo import undo
from ork.objects.kinds import Deploy
from ork.store.operations import operations
from ork.store.resolve import history
from ork.store.runs import runs
from ork.store.store import Store
from tests.forked import Forked
from tests.git.repositories import ENVIRON, FLOW, Repository
from tests.heads.test_races import folder, looking
from tests.history import racers
from tests.stores import NOON, assert_sound, stamp

pytestmark = pytest.mark.turns(2)

__all__ = ["folder"]  # the fixture


@contextmanager
def racing(folder, *acts):
    """Start a process for each act; yield a function that gives each a line and returns answers."""
    children = [
        Forked(lambda act=act, who=f"who{n}": racers.main(folder, act, who))
        for n, act in enumerate(acts)
    ]

    def race(*words):
        for child, word in zip(children, words, strict=True):
            child.tell(word)
        return [child.hear() for child in children]

    try:
        assert [child.hear() for child in children] == ["ready"] * len(children)
        yield race
    finally:
        for child in children:
            child.rest()


def deploy_next(folder, store, *, to=1):
    for _ in range(to):
        number = sum(1 for _ in history(store, "etl"))
        (folder / "run.sh").write_text(f"exit {int(number > 5)}\n")
        (folder / "etl.yaml").write_text(racers.FLOW.format(number))
        deploy(store, folder / "etl.yaml", stamp=stamp(number), message=str(number))


def git(folder, *words):
    done = subprocess.run(["git", *words], cwd=folder, env=ENVIRON, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def assert_whole(repository, commits):
    """Assert that a repository is sound, with files as of its branch and nothing left over."""
    git(repository, "fsck", "--strict")
    assert git(repository, "status", "--short") == ""
    assert git(repository, "rev-list", "--count", "main").strip() == str(commits)
    assert git(repository, "for-each-ref", "--format=%(refname)").split() == ["refs/heads/main"]
    assert not list(repository.glob("**/*ork-export*"))


class Busy(Memory):
    """A backend of somebody who undoes the newest deploy whenever one is about to be written.

    As soon as it has been seen that the head is elsewhere, they do it again.
    """

    store, step = None, "off"

    def undo(self, step):
        self.step = "off"
        undo(self.store, stamp=stamp(9), now=NOON)
        self.step = step

    def write(self, objects, moves, remove=(), needs=()):
        if self.step == "undo":
            self.undo("redo")
        return super().write(objects, moves, remove, needs)

    def ref(self, name):
        found = super().ref(name)
        if self.step == "redo" and name == "workflows/etl":
            self.undo("off")
        return found


def test_a_deploy_is_appended_though_its_head_was_away_for_a_moment(tmp_path):
    backend = Busy()
    store = backend.store = Store(backend)
    (tmp_path / "run.sh").touch()
    oids = []
    for number in range(3):
        (tmp_path / "etl.yaml").write_text(racers.FLOW.format(number))
        backend.step = "undo" if number == 2 else "off"
        oids.append(deploy(store, tmp_path / "etl.yaml", stamp=stamp(number)).deploy)
    assert [oid for oid, _ in history(store, "etl")] == oids[::-1]
    assert len(list(operations(store))) == 5


# -- two exports


@pytest.mark.slow
def test_updates_of_one_repository_at_once_add_each_commit_once(folder):
    out = folder / "out"
    with racing(folder, *["update"] * 4) as race, looking(folder) as store:
        for number in range(1, 9):
            deploy_next(folder, store)
            assert sorted(race(*[out] * 4)) == ["ok 0"] * 3 + ["ok 1"] or number == 1
            assert_whole(out, number)


@pytest.mark.slow
def test_of_exports_to_one_new_folder_at_once_one_wins(folder):
    with racing(folder, *["export"] * 4) as race, looking(folder) as store:
        deploy_next(folder, store, to=3)
        for number in range(8):
            out = folder / f"out{number}"
            won, *lost = sorted(race(*[out] * 4), reverse=True)
            assert won == "ok 3"
            assert {words.split()[0] for words in lost} <= {"2", "5"}, lost
            assert_whole(out, 3)


@pytest.mark.parametrize("step", ["open_folder", "lock"])
def test_an_export_whose_folder_was_taken_for_remains_gives_way(folder, monkeypatch, step):
    out = folder / "out"
    real = getattr(git_export, step)

    def late(*words):
        if step == "open_folder" and words[0].parent != out:
            return real(*words)
        monkeypatch.setattr(git_export, step, real)
        export_git(store, out, "etl")
        return real(*words)

    with looking(folder) as store:
        deploy_next(folder, store, to=2)
        monkeypatch.setattr(git_export, step, late)
        with pytest.raises(Conflict, match="another export is at work"):
            export_git(store, out, "etl")
    assert_whole(out, 2)


@pytest.mark.parametrize("is_there", [False, True])
def test_an_export_that_comes_second_leaves_what_the_first_one_wrote(folder, monkeypatch, is_there):
    out = folder / "out"
    if is_there:
        out.mkdir()
    random = git_export.os.urandom  # asked for the name of the folder that an export is made in

    def late(size):
        monkeypatch.setattr(git_export.os, "urandom", random)
        export_git(store, out, "etl")
        (out / "mine.txt").write_text("of the user")
        return random(size)

    with looking(folder) as store:
        deploy_next(folder, store, to=2)
        monkeypatch.setattr(git_export.os, "urandom", late)
        with pytest.raises(Conflict, match="written by somebody else meanwhile"):
            export_git(store, out, "etl")
    (out / "mine.txt").unlink()
    assert_whole(out, 2)


# -- an update that does not get through


@pytest.fixture
def behind(folder):
    """A store, and a repository that lacks its newest deploy."""
    with looking(folder) as store:
        deploy_next(folder, store, to=2)
        export_git(store, folder / "out", "etl")
        deploy_next(folder, store)
        yield store, folder / "out"


@pytest.mark.parametrize("lock", ["index.lock", "refs/heads/main.lock"])
def test_an_update_beside_another_git_program_changes_nothing_and_can_be_repeated(behind, lock):
    store, out = behind
    (out / ".git" / lock).touch()
    with pytest.raises(Conflict):
        export_git(store, out, "etl", update=True)
    (out / ".git" / lock).unlink()
    assert_whole(out, 2)
    assert export_git(store, out, "etl", update=True).added == 1
    assert_whole(out, 3)


def test_the_first_update_of_an_empty_repository_takes_its_files_back(behind, tmp_path):
    store, _ = behind
    repository = Repository(tmp_path / "empty")
    lock = repository.folder / ".git/refs/heads/main.lock"
    lock.touch()
    with pytest.raises(Conflict):
        export_git(store, repository.folder, "etl", update=True)
    lock.unlink()
    assert [path.name for path in repository.folder.iterdir()] == [".git"]
    export_git(store, repository.folder, "etl", update=True)
    assert_whole(repository.folder, 3)


def test_an_update_that_was_killed_before_the_branch_moved_is_made_good(behind, monkeypatch):
    store, out = behind

    def killed(*words):
        raise KeyboardInterrupt

    monkeypatch.setattr(git_export, "_move", killed)
    with pytest.raises(KeyboardInterrupt):
        export_git(store, out, "etl", update=True)
    monkeypatch.undo()
    export_git(store, out, "etl", update=True)
    assert_whole(out, 3)


# -- others


@pytest.mark.slow
def test_imports_of_one_repository_at_once_make_each_deploy_once(folder):
    repository = Repository(folder / "repository")
    with racing(folder, *["load"] * 3) as race, looking(folder) as store:
        for number in range(1, 6):
            for name in ("etl", "b"):
                text = FLOW.replace("etl", name) + f"description: '{number}'\n"
                repository.commit(f"{name} {number}", {f"{name}.yaml": text, "run.sh": ""})
            answers = sorted(race(*[repository.folder] * 3))
            assert answers.count("ok 2") == 1
            for words in answers:
                assert words in ("ok 0", "ok 2") or words.startswith("5 "), words
            for name in ("etl", "b"):
                found = [deploy.message for _, deploy in history(store, name)]
                assert found == [f"{name} {n}" for n in range(number, 0, -1)]
            assert_sound(store)


@pytest.mark.slow
def test_undo_and_deploy_at_once_are_each_appended_whole(folder):
    with racing(folder, "deploy", "undo", "deploy", "undo") as race, looking(folder) as store:
        deploy_next(folder, store, to=8)
        for _ in range(4):
            answers = race(5, 5, 5, 5)
            assert answers[0] == answers[2] == "ok 5"
            for words in (answers[1], answers[3]):
                assert words == "ok 5" or words.startswith("5 "), words
            assert_sound(store)


@pytest.mark.slow
def test_restore_while_others_deploy_the_same_file_damages_nothing(folder):
    with racing(folder, "restore", "redeploy", "deploy") as race, looking(folder) as store:
        deploy_next(folder, store, to=8)
        for _ in range(3):
            head = store.ref("workflows/etl")
            restored, redeployed, deployed = race(6, 10, 5)
            assert (restored, deployed) == ("ok 6", "ok 5")
            assert redeployed.startswith(("ok", "3 ")), redeployed
            assert head in [oid for oid, _ in history(store, "etl")]
            assert_sound(store)


@pytest.mark.slow
def test_bisect_judges_the_line_that_it_began_with_while_others_deploy(folder):
    with racing(folder, "bisect", "bisect", "deploy") as race, looking(folder) as store:
        deploy_next(folder, store, to=8)
        first, second, deployed = race("etl~7..etl", "etl~7..etl", 12)
        # Whoever resolved `etl` later has a longer line before it, in which its good end lies.
        assert deployed == "ok 12"
        for words in (first, second):
            assert words in ("ok 1", "ok 2", "ok 3"), words
        assert_sound(store)
        numbers = [one.run.number for one in runs(store, "etl")]
        assert numbers == list(range(len(numbers), 0, -1))
        assert all(one.run.state in ("success", "failed") for one in runs(store, "etl"))
        assert store.get(Deploy, store.ref("workflows/etl")).author == "who2"
