"""A file that is as an older version was is not deployed over what others made newest."""

import re
from itertools import islice, pairwise
from types import SimpleNamespace

import pytest

from ork.errors import InvalidInput
from ork.heads import behind
from ork.heads import deploy as deploys
from ork.heads.deploy import deploy, deploy_all, status
from ork.heads.rename import rename
from ork.heads.rollback import rollback
from ork.heads.undo import undo
from ork.objects.value import replace
from ork.store.resolve import history
from ork.store.store import Stamp, Store
from ork.upkeep.fsck import fsck
from ork.worktree.load import load
from tests.git.repositories import Repository
from tests.heads.conftest import NOW, version
from tests.stores import ADA, stamp

BOB = "Bob <bob@example.org>"


def by(author, hours):
    return Stamp(time=stamp(hours).time, author=author)


def state(etl, author=ADA):
    (one,) = status(etl.store, etl.store.project, author=author)
    return one.state, one.other


def refused(etl, author=ADA):
    """Return what a deploy of the file complains about, after which all is as it was."""
    before = etl.store.ref("workflows/etl")
    with pytest.raises(InvalidInput, match="nothing was deployed") as caught:
        deploy(etl.store, etl.store.project / "etl.yaml", stamp=by(author, 90))
    assert etl.store.ref("workflows/etl") == before
    return caught.value.message


def test_after_a_rollback_the_file_is_behind(etl):
    etl.back()
    assert state(etl) == ("behind", "etl~1")
    assert f"is as in etl~1, before a rollback by {ADA}" in refused(etl)


def test_what_a_rollback_passed_over_is_behind_as_well(etl):
    etl.back("etl~3")
    (etl.store.project / "etl.yaml").write_text(version(3))
    assert state(etl) == ("behind", "etl~2")


def test_what_somebody_else_deployed_is_not_taken_back(etl):
    path = etl.store.project / "etl.yaml"
    path.write_text(version(5))
    deploy(etl.store, path, stamp=by(BOB, 5))
    path.write_text(version(4))
    assert state(etl) == ("behind", "etl~1")
    assert f"before a deploy by {BOB}" in refused(etl)
    assert state(etl, BOB) == ("modified", None)


@pytest.fixture
def another(etl, tmp_path):
    """The same store with a folder elsewhere, where the file is as it is here."""
    folder = tmp_path / "another"
    folder.mkdir()
    (folder / "etl.yaml").write_text((etl.store.project / "etl.yaml").read_text())
    store = Store(etl.store.backend, folder=etl.store.folder, project=folder)
    assert not deploy(store, folder / "etl.yaml", stamp=stamp(4)).changed
    return SimpleNamespace(store=store, path=folder / "etl.yaml")


def test_a_folder_takes_nothing_back_that_the_same_author_deployed_elsewhere(etl, keep, another):
    keep(version(5), hours=5)
    keep(version(6), hours=6)
    assert state(another) == ("behind", "etl~2")
    assert "as in etl~2, before a deploy in another folder" in refused(another)
    (etl.store.project / "etl.yaml").write_text(version(5))
    assert state(etl) == ("modified", None), "who edits it back where it was deployed"
    another.path.write_text(version(6))
    assert not deploy(another.store, another.path, stamp=stamp(7)).changed
    another.path.write_text(version(4))
    assert state(another) == ("modified", None), "who had the newest"
    assert deploy(another.store, another.path, stamp=stamp(8)).changed
    assert state(etl) == ("behind", "etl~2")


def test_a_folder_is_known_whose_deploy_was_undone(etl, keep, another):
    another.path.write_text(version(5))
    deploy(another.store, another.path, stamp=stamp(5))
    undo(etl.store, stamp=stamp(6), now=NOW)
    keep(version(6), hours=7)
    another.path.write_text(version(4))
    assert state(another) == ("behind", "etl~1")
    another.path.write_text(f"description: mine\n{version(4)}")
    (one,) = status(another.store, another.store.project, author=ADA)
    assert one.lost.startswith("takes back what Ada Lovelace did in ")


@pytest.mark.parametrize("names", [("load",), ("load", "last")])
def test_a_folder_is_known_under_another_name(etl, keep, another, names):
    keep(version(5), hours=5)
    for number, (old, new) in enumerate(pairwise(("etl", *names))):
        rename(etl.store, old, new, stamp=stamp(50 + number))
    another.path.write_text(version(4).replace("name: etl", f"name: {names[-1]}"))
    assert state(another) == ("behind", f"{names[-1]}~{len(names) + 1}")
    with pytest.raises(InvalidInput, match="before a deploy in another folder"):
        deploy(another.store, another.path, stamp=stamp(90))


def test_an_edit_that_lacks_what_the_same_author_did_elsewhere_tells_of_it(etl, keep, another):
    keep(version(5), hours=5)
    another.path.write_text(f"description: mine\n{version(4)}")
    (one,) = status(another.store, another.store.project, author=ADA)
    assert one.state == "modified" and one.lost.startswith("takes back what Ada Lovelace did in ")
    (warned,) = deploy(another.store, another.path, stamp=stamp(6)).warnings
    assert warned.message == f"this {one.lost}"
    (one,) = status(etl.store, etl.store.project, author=ADA)
    assert (one.state, one.other) == ("behind", "etl~1")


def test_of_many_folders_those_are_known_that_had_the_newest(etl, keep, monkeypatch, tmp_path):
    monkeypatch.setattr(behind, "FILES_MAX", 3)
    for number in range(5):
        folder = tmp_path / f"n{number}"
        folder.mkdir()
        (folder / "etl.yaml").write_text(version(10 + number))
        store = Store(etl.store.backend, folder=etl.store.folder, project=folder)
        deploy(store, folder / "etl.yaml", stamp=stamp(10 + number))
    newest = [oid for oid, _ in islice(history(etl.store, "etl"), 3)]
    assert sorted(oid for _, oid in etl.store.refs("read/etl/file/")) == sorted(newest)


@pytest.mark.parametrize("names", [("load",), ("load", "last"), ("load", "etl")])
def test_another_name_lets_no_file_take_back_a_rollback(etl, names):
    etl.back()
    for number, (old, new) in enumerate(pairwise(("etl", *names))):
        rename(etl.store, old, new, stamp=stamp(50 + number))
    path, name = etl.store.project / "etl.yaml", names[-1]
    path.write_text(path.read_text().replace("name: etl", f"name: {name}"))
    assert state(etl) == ("behind", f"{name}~{len(names) + 1}")
    with pytest.raises(InvalidInput, match=r"is as in .* before a rollback by"):
        deploy(etl.store, path, stamp=stamp(90))
    path.write_text(path.read_text() + "description: new\n")
    (one,) = status(etl.store, etl.store.project, author=ADA)
    assert one.state == "modified" and "takes back what" in one.lost


def test_who_edits_a_file_back_after_another_name_is_not_behind(etl):
    rename(etl.store, "etl", "load", stamp=stamp(50))
    path = etl.store.project / "etl.yaml"
    path.write_text(version(2).replace("name: etl", "name: load"))
    assert state(etl) == ("modified", None)
    undo(etl.store, stamp=stamp(51), now=NOW)
    path.write_text(version(2))
    assert state(etl) == ("modified", None)


def test_who_edits_a_file_back_is_not_behind(etl, keep):
    (etl.store.project / "etl.yaml").write_text(version(2))
    assert state(etl) == ("modified", None)
    assert keep(version(2), hours=9).changed


def test_new_content_is_not_behind_whoever_made_the_newest(etl, keep):
    etl.back()
    assert keep(version(7), hours=60).changed


def test_what_was_undone_can_be_deployed_again(etl, keep):
    undo(etl.store, stamp=stamp(9), now=NOW)
    assert state(etl) == ("modified", None)
    assert keep(version(4), hours=10).changed


@pytest.mark.parametrize("whose", [(BOB, ADA), (ADA, BOB), (BOB, BOB)])
def test_what_others_did_or_undid_is_not_deployed_again(etl, whose):
    deployer, undoer = whose
    path = etl.store.project / "etl.yaml"
    for number in (5, 6):
        path.write_text(version(number))
        deploy(etl.store, path, stamp=by(deployer, number))
    for number, what in ((7, "@"), (8, "@{2}")):
        undoing = replace(by(undoer, number), argv=("ork", "undo", what))
        undo(etl.store, what, stamp=undoing, now=NOW)
    assert state(etl) == ("behind", "etl@{2}")
    who = f" by {BOB}" if undoer == BOB else ""
    assert f"is as in etl@{{2}}, before `ork undo @`{who}: nothing" in refused(etl)
    path.write_text(version(5))
    assert state(etl) == ("behind", "etl@{1}")
    assert state(etl, BOB)[0] == ("modified" if whose == (BOB, BOB) else "behind")
    etl.back("etl@{1}")
    assert state(etl) == ("unchanged", None)


def test_after_the_cure_nothing_is_behind(etl):
    etl.back()
    message = refused(etl)
    etl.back(re.search(r"as in (etl~\d)", message)[1])
    assert state(etl) == ("unchanged", None)


def half(a, b, schedule="@daily"):
    return (
        f"name: etl\nschedule: '{schedule}'\n"
        f"tasks: {{a: {{executor: process, command: echo {a}}}, "
        f"b: {{executor: process, command: echo {b}}}}}\n"
    )


def lost(etl, text, author=ADA):
    """Return what a file with this text takes back, by its status; a deploy warns of the same."""
    path = etl.store.project / "etl.yaml"
    path.write_text(text)
    (one,) = status(etl.store, etl.store.project, author=author)
    done = deploy(etl.store, path, stamp=by(author, 95))
    messages = [warning.message for warning in done.warnings]
    assert messages == ([f"this {one.lost}"] if one.lost else [])
    undo(etl.store, stamp=by(author, 96), now=NOW)
    assert next(status(etl.store, etl.store.project, author=author)).lost == one.lost
    return one.lost


def did(etl, back, who):
    """Return how it is told that somebody made this version, so many before the newest."""
    _, one = [*history(etl.store, "etl")][back]
    when = one.time.astimezone()
    return f"{who} did in {etl.store.short(one.snapshot)} ({when:%Y-%m-%d %H:%M})"


@pytest.fixture
def shared(etl, keep):
    """Ada deploys, then Bob changes a from another folder."""
    keep(half(1, 1), hours=60)
    path = etl.store.project / "etl.yaml"
    path.write_text(half(2, 1))
    deploy(etl.store, path, stamp=by(BOB, 61))
    return etl


def test_an_edited_file_that_lacks_what_others_did_takes_that_back(shared):
    told = lost(shared, half(1, 2))
    assert told == f'takes back what {did(shared, 0, "Bob")}: change a.command "echo 1" -> "echo 2"'
    assert lost(shared, half(1, 2, "@hourly")) == told
    assert lost(shared, half(1, 2).replace("{a:", "{c:")) == told, "also under another name"
    assert lost(shared, half(2, 2)) == lost(shared, half(3, 2)) == ""
    assert lost(shared, version(9)) == "", "b, which is gone, was there before Bob as well"
    assert lost(shared, half(1, 2), BOB) == "", "it is his own"


def test_what_others_did_is_told_as_they_did_it(etl, keep):
    keep(half(1, 1), hours=60)
    path = etl.store.project / "etl.yaml"
    path.write_text(
        half(1, 1).replace("b: {", "c: {executor: process, command: ls}, b: {env: {A: x}, ")
    )
    deploy(etl.store, path, stamp=by(BOB, 61))
    told = lost(etl, half(1, 2))
    assert told == f"takes back what {did(etl, 0, 'Bob')}: add c; change b.env.A"


def test_what_others_did_is_not_taken_back_unseen_by_who_never_deployed(shared):
    path = shared.store.project / "etl.yaml"
    path.write_text(half(3, 1))
    deploy(shared.store, path, stamp=by(BOB, 62))
    bob, new = did(shared, 0, "Bob"), "Di <di@example.org>"
    told = f'takes back what {bob}: change a.command "echo 2" -> "echo 3"'
    assert lost(shared, half(2, 2), new) == told
    assert lost(shared, half(9, 2), new) == lost(shared, half(3, 2), new) == ""


def test_what_had_changed_before_somebody_else_changed_it_counts_as_well(shared):
    path = shared.store.project / "etl.yaml"
    for hours, text in ((62, half(2, 3)), (63, half(2, 4))):
        path.write_text(text)
        deploy(shared.store, path, stamp=by(BOB, hours))
    told = lost(shared, half(2, 3, "@hourly"))
    assert told == f'takes back what {did(shared, 0, "Bob")}: change b.command "echo 3" -> "echo 4"'


def test_an_edit_in_a_clone_that_takes_back_what_others_did_before_it_is_told(shared):
    with shared.store.transaction(replace(stamp(63), argv=("ork", "clone"))) as tx:
        moved = shared.store.ref("workflows/etl")
        tx.move("workflows/etl", old=moved, new=None)
    with shared.store.transaction(replace(stamp(64), argv=("ork", "clone"))) as tx:
        tx.move("workflows/etl", old=None, new=moved)
    told = lost(shared, half(1, 2), "Di <di@example.org>")
    assert told.startswith(f"takes back what {did(shared, 0, 'Bob')}: change a.command")


def test_of_several_changes_by_others_all_count(shared):
    path = shared.store.project / "etl.yaml"
    path.write_text(half(2, 1, "@hourly"))
    deploy(shared.store, path, stamp=by("Cy <cy@example.org>", 62))
    told = lost(shared, half(1, 2))
    cy, bob = did(shared, 0, "Cy"), did(shared, 1, "Bob")
    assert told.startswith(f"takes back what {cy}, {bob}: change a.command")
    assert "schedule" in told
    assert lost(shared, half(2, 2)).startswith(f"takes back what {cy}: change schedule")


def test_a_part_of_what_a_rollback_did_is_taken_back(etl, keep):
    keep(half(1, 1), hours=40)
    keep(half(2, 2), hours=41)
    etl.back("etl~1")
    told = lost(etl, half(2, 3))
    assert re.fullmatch('takes back what `.*` did: change a.command "echo 2" -> "echo 1"', told)


def test_what_a_rollback_did_after_an_undo_and_a_redo_is_not_taken_back_unseen(etl, keep):
    keep(half(1, 1), hours=40)
    keep(half(2, 2), hours=41)
    undo(etl.store, stamp=stamp(42), now=NOW)
    undo(etl.store, "@", stamp=stamp(43), now=NOW)
    etl.back("etl~1")
    told = lost(etl, half(2, 3))
    assert re.fullmatch('takes back what `.*` did: change a.command "echo 2" -> "echo 1"', told)


def test_after_an_undo_nothing_is_taken_back(etl, keep):
    keep(half(1, 1), hours=60)
    keep(half(2, 2), hours=61)
    undo(etl.store, stamp=stamp(62), now=NOW)
    assert lost(etl, half(2, 3)) == ""


def test_a_part_of_what_others_undid_is_not_deployed_again_unseen(shared):
    path = shared.store.project / "etl.yaml"
    path.write_text(half(3, 3))
    deploy(shared.store, path, stamp=by(BOB, 62))
    for hours, what in ((63, "@"), (64, "@{2}")):
        undo(shared.store, what, stamp=replace(stamp(hours), argv=("ork", "undo", what)), now=NOW)
    path.write_text(half(3, 4))
    (one,) = status(shared.store, shared.store.project, author=ADA)
    assert one.lost == 'takes back what `ork undo @` did: change a.command "echo 3" -> "echo 1"'
    path.write_text(half(2, 3))
    done = deploy(shared.store, path, stamp=stamp(65))
    told = done.warnings[0].message
    assert told.startswith("this takes back what `ork undo '@{2}'` did, `ork undo @` did: change a")
    assert "a.command" in told and "b.command" in told


@pytest.fixture
def forced(shared):
    """Ada deploys, too, and gives that up for what Bob has: what a forced pull does."""
    name, path = "workflows/etl", shared.store.project / "etl.yaml"
    bobs = shared.store.ref(name)
    undo(shared.store, "@", stamp=stamp(62), now=NOW)
    for hours, text in ((63, half(1, 2)), (64, half(1, 3))):
        path.write_text(text)
        deploy(shared.store, path, stamp=stamp(hours))
    with shared.store.transaction(replace(stamp(65), argv=("ork", "pull", "--force"))) as tx:
        tx.move(name, old=shared.store.ref(name), new=bobs)
    return shared


def test_after_a_forced_pull_the_files_of_what_was_left_are_behind(forced):
    assert state(forced) == ("behind", "etl@{1}")
    assert "is as in etl@{1}, before `ork pull --force`" in refused(forced)
    (forced.store.project / "etl.yaml").write_text(half(1, 2))
    assert state(forced) == ("behind", "etl@{1}~1")
    forced.back("etl@{1}~1")
    assert state(forced) == ("unchanged", None)


@pytest.mark.parametrize(("who", "told"), [(ADA, "modified"), (BOB, "behind")])
def test_after_a_forced_pull_own_work_that_has_that_of_others_is_deployed(shared, who, told):
    """It was merged in git. What somebody else did may have been dropped on purpose."""
    name, path = "workflows/etl", shared.store.project / "etl.yaml"
    bobs = shared.store.ref(name)
    undo(shared.store, "@", stamp=stamp(62), now=NOW)
    path.write_text(half(2, 3))
    deploy(shared.store, path, stamp=by(who, 63))
    with shared.store.transaction(replace(stamp(64), argv=("ork", "pull", "--force"))) as tx:
        tx.move(name, old=shared.store.ref(name), new=bobs)
    assert state(shared)[0] == told


def test_after_a_forced_pull_a_part_of_it_is_taken_back(forced):
    told = lost(forced, half(1, 4))
    bob = did(forced, 0, "Bob")
    assert told.startswith(f'takes back what {bob}: change a.command "echo 1" -> "echo 2"'), told
    assert lost(forced, half(2, 4)) == ""
    assert lost(forced, half(2, 3)) == "", "what was ours before the pull is nobody else's"


def test_in_a_clone_a_file_of_an_older_version_is_behind(ork, monkeypatch):
    def at(name, *words):
        monkeypatch.chdir(ork.folder / name)
        return ork(*words)

    for name in ("team", "mine"):
        (ork.folder / name).mkdir()
    for number in (1, 2, 3):
        (ork.folder / "team" / "etl.yaml").write_text(version(number))
        assert at("team", "deploy").code == 0
    assert at("mine", "clone", "../team", ".").code == 0
    mine = ork.folder / "mine" / "etl.yaml"
    mine.write_text(version(2))
    assert "behind" in at("mine", "status").out
    for command in ("deploy", "run"):
        refused = at("mine", command, "etl.yaml")
        assert (refused.code, "as in etl~1, before `ork clone" in refused.err) == (3, True)
    assert at("mine", "rollback", "etl", "etl~1").code == 0
    assert "behind" not in at("mine", "status").out
    mine.write_text(version(4))
    assert at("mine", "deploy", "etl.yaml").code == 0


@pytest.fixture
def pushed(etl):
    """The repository of the project, where Bob deployed what he had committed."""
    git = Repository(etl.store.project)
    (git.folder / ".gitignore").write_text(".ork\n")
    git.commit("Four", {"etl.yaml": version(4)})
    git.commit("Five", {"etl.yaml": version(5)})
    deploy(etl.store, git.folder / "etl.yaml", stamp=by(BOB, 60))
    return git


def test_what_git_has_after_the_newest_was_edited_back(etl, pushed):
    pushed("checkout", "-q", "HEAD~1")
    assert state(etl) == ("behind", "etl~1"), "git has it earlier"
    pushed("checkout", "-q", "main")
    pushed("revert", "--no-edit", "HEAD")
    assert state(etl) == ("modified", None)
    done = deploy(etl.store, pushed.folder / "etl.yaml", stamp=stamp(61))
    assert done.changed and f"takes back what {did(etl, 1, 'Bob')}" in done.warnings[0].message


def test_what_others_deployed_without_a_commit_is_not_taken_back_by_a_later_one(etl, pushed):
    (pushed.folder / "etl.yaml").write_text(version(6))
    deploy(etl.store, pushed.folder / "etl.yaml", stamp=by(BOB, 61))
    pushed.commit("Five again", {"etl.yaml": version(5)})
    assert state(etl) == ("behind", "etl~1")


def test_after_a_rollback_a_later_commit_takes_nothing_back(etl, pushed):
    etl.back("etl~1")
    pushed.commit("Tell about it", {"README": "about\n"})
    assert state(etl) == ("behind", "etl~1")


def skipping(etl, author):
    """Deploy the file, unless it is behind."""
    path = etl.store.project / "etl.yaml"
    stamp = by(author, 70)
    (done,) = deploy_all(etl.store, [load(etl.store, path)], stamp=stamp, skip_behind=True)
    return done


def left_out(etl, author):
    """Return why a deploy that leaves out what is behind passes over the file, or "" if not."""
    done = skipping(etl, author)
    assert done.changed != bool(done.left_out)
    return done.left_out


@pytest.mark.parametrize("author", [ADA, BOB])
@pytest.mark.parametrize("number", [4, 8], ids=["deployed", "never deployed"])
def test_a_job_of_an_earlier_commit_takes_nothing_back(etl, pushed, author, number):
    pushed("checkout", "-q", "HEAD~1")
    early = pushed.commit("Late", {"etl.yaml": version(number)})
    late = pushed.commit("Six", {"etl.yaml": version(6)})
    path = etl.store.project / "etl.yaml"
    deploy(etl.store, path, stamp=by(author, 61))
    pushed("checkout", "-q", "HEAD~1")
    told = f"as in commit {early[:12]}, before commit {late[:12]} was deployed"
    assert left_out(etl, author) == told
    assert skipping(etl, author).hint == f"`ork deploy {path}` makes that version the newest"
    assert state(etl, author) == ("modified", None)
    (one,) = status(etl.store, etl.store.project, author=author)
    done = deploy(etl.store, path, stamp=by(author, 71))
    assert done.changed, "who goes back may mean it"
    assert one.lost == f"is {told}" and done.warnings[0].message == f"this is {told}"
    assert state(etl, author) == ("unchanged", None)


def test_a_job_of_what_a_later_commit_has_reverted_takes_nothing_back(etl, pushed):
    """Though that commit made no version: the job of what it reverts had failed by then."""
    failed = pushed.commit("Six", {"etl.yaml": version(6)})
    pushed("revert", "--no-edit", "HEAD")
    reverted = pushed("rev-parse", "HEAD").strip()
    about = pushed.commit("Tell about it", {"README": "about\n"})
    path = etl.store.project / "etl.yaml"

    def noted():
        return [commit for commit, _ in etl.store.refs("read/etl/git/")]

    assert deploy(etl.store, path, stamp=by(BOB, 69)).bytes_written == 0
    assert noted() == [], "who does not ask for it"
    for commit, newest in ((reverted, reverted), (f"{failed}~1", reverted), (about, about)):
        pushed("checkout", "-q", commit)
        done = skipping(etl, BOB)
        assert (done.changed, done.left_out, done.bytes_written) == (False, "", 0)
        assert noted() == [newest]
    assert "read/" not in str(fsck(etl.store.folder, environ={}).findings)
    pushed("checkout", "-q", failed)
    told = f"as in commit {failed[:12]}, before commit {about[:12]} was deployed"
    assert left_out(etl, BOB).startswith(told)
    assert noted() == [about]
    pushed("checkout", "-q", "main")
    eight = pushed.commit("Eight", {"etl.yaml": version(8)})
    assert left_out(etl, BOB) == ""
    pushed("checkout", "-q", about)
    assert f"before commit {eight[:12]} was deployed" in left_out(etl, BOB), "that counts by now"
    undo(etl.store, "@", stamp=by(ADA, 71), now=NOW)
    pushed("checkout", "-q", failed)
    assert left_out(etl, BOB).startswith(told), "after an undo the one before does"


def test_git_may_go_back_from_what_it_has_taken_over(etl, pushed):
    """Of a rollback, and of a version that no commit had, until one has."""
    path = etl.store.project / "etl.yaml"
    path.write_text(version(6))
    deploy(etl.store, path, stamp=by(ADA, 61))  # not committed
    pushed("checkout", "-q", "etl.yaml")
    assert left_out(etl, BOB), "git does not have it yet"
    pushed.commit("Six, as the hotfix", {"etl.yaml": version(6)})
    assert skipping(etl, BOB).bytes_written == 0
    pushed("revert", "--no-edit", "HEAD")
    assert left_out(etl, BOB) == ""
    rollback(etl.store, "etl", "etl~1", stamp=by(ADA, 71), now=NOW)
    assert left_out(etl, BOB).endswith(f"before a rollback by {ADA}")
    pushed("revert", "--no-edit", "HEAD")
    assert skipping(etl, BOB).bytes_written == 0
    pushed("revert", "--no-edit", "HEAD")
    assert left_out(etl, BOB) == ""


def test_a_job_from_before_a_move_takes_it_not_back(etl, pushed):
    early = pushed("rev-parse", "HEAD").strip()
    pushed("mv", "etl.yaml", "daily.yaml")
    late = pushed.commit("Move", {})
    path = pushed.folder / "daily.yaml"
    assert deploy(etl.store, path, stamp=by(BOB, 61)).moved == "etl.yaml"
    pushed("checkout", "-q", early)
    told = f"as in commit {early[:12]}, before commit {late[:12]} was deployed"
    (one,) = status(etl.store, etl.store.project, author=BOB)
    assert (one.state, one.lost) == ("moved", f"is {told}")
    assert skipping(etl, BOB).left_out == told
    (warned,) = deploy(etl.store, etl.store.project / "etl.yaml", stamp=by(BOB, 62)).warnings
    assert (warned.message, warned.hint) == (f"this is {told}", "if it is not meant: `ork undo`")


def test_a_job_from_before_another_name_is_left_out(etl, pushed):
    early = pushed("rev-parse", "HEAD").strip()
    rename(etl.store, "etl", "load", stamp=stamp(61))
    with pytest.raises(InvalidInput, match="nothing was deployed"):
        skipping(etl, BOB)
    late = pushed.commit("Load", {"etl.yaml": version(5, "load")})
    assert not skipping(etl, BOB).left_out
    pushed("checkout", "-q", early)
    done = skipping(etl, BOB)
    told = f"as in commit {early[:12]}, before commit {late[:12]} was deployed"
    assert (done.workflow, done.left_out) == ("load", told)


@pytest.mark.parametrize("skip_behind", [True, False])
def test_what_others_do_while_a_file_is_judged_is_not_taken_back(
    etl, keep, monkeypatch, skip_behind
):
    keep(version(5), hours=5)
    other = etl.store.project / "other.yaml"
    other.write_text(version(1, "other"))
    judge, acts = getattr(deploys, "outdated" if skip_behind else "behind"), [etl.back]

    def slow(*args, **options):
        found = judge(*args, **options)
        for act in acts[::-1]:
            acts.remove(act)
            act("etl~1")
        return found

    monkeypatch.setattr(deploys, judge.__name__, slow)
    files = [load(etl.store, etl.store.project / name) for name in ("etl.yaml", "other.yaml")]
    if skip_behind:
        done = deploy_all(etl.store, files, stamp=by(BOB, 90), skip_behind=True)
        assert [(bool(one.left_out), one.changed) for one in done] == [(True, False), (False, True)]
    else:
        with pytest.raises(InvalidInput, match="before a rollback by"):
            deploy_all(etl.store, files, stamp=by(BOB, 90))
    assert acts == [] and etl.get(etl.store.ref("workflows/etl")).action == "rollback"


def test_after_a_rollback_a_job_of_an_earlier_commit_takes_nothing_back(etl, pushed):
    pushed("checkout", "-q", "HEAD~1")
    early = pushed.commit("Late", {"etl.yaml": version(8)})
    pushed.commit("Six", {"etl.yaml": version(6)})
    path = etl.store.project / "etl.yaml"
    deploy(etl.store, path, stamp=by(BOB, 61))
    etl.back("etl~2")
    pushed("checkout", "-q", "HEAD~1")
    assert left_out(etl, BOB).startswith(f"as in commit {early[:12]}, before commit ")
    pushed("checkout", "-q", "-")
    pushed.commit("Seven", {"etl.yaml": version(7)})
    assert left_out(etl, BOB) == ""


def test_an_edit_of_an_earlier_commit_is_not_behind(etl, pushed):
    pushed("checkout", "-q", "HEAD~1")
    (pushed.folder / "etl.yaml").write_text(version(9))
    assert state(etl, BOB) == ("modified", None)


def test_of_another_line_and_of_a_commit_that_is_not_known_nothing_is_behind(etl, pushed):
    pushed("checkout", "-q", "HEAD~1")
    pushed.commit("Aside", {"etl.yaml": version(8)})
    assert state(etl, BOB) == ("modified", None)
    pushed("checkout", "-q", "HEAD~1")
    pushed("branch", "-D", "main")
    pushed("reflog", "expire", "--expire=now", "--all")
    pushed("gc", "-q", "--prune=now")
    assert left_out(etl, BOB) == ""


@pytest.mark.parametrize(
    ("of_bob", "takes_back", "has_all"),
    [
        ("one\ntwo\n3\n", "1\ntwo\nthree\n", "1\ntwo\n3\n"),
        ("one\ntwo\nthree\nfour\n", "1\ntwo\nthree\n", "1\ntwo\nthree\nfour\n"),
        ("two\nthree\n", "one\ntwo\n3\n", "two\n3\n"),
    ],
)
def test_a_code_file_that_both_edited_takes_back_what_it_lacks(
    etl, keep, of_bob, takes_back, has_all
):
    text = "name: etl\ntasks: {a: {executor: process, command: sh a.sh}}\n"
    code = etl.store.project / "a.sh"
    code.write_text("one\ntwo\nthree\n")
    keep(text, hours=60)
    code.write_text(of_bob)
    deploy(etl.store, etl.store.project / "etl.yaml", stamp=by(BOB, 61))
    code.write_text(has_all)
    assert lost(etl, text) == ""
    code.write_text(takes_back)
    assert lost(etl, text) == f"takes back what {did(etl, 0, 'Bob')}: edit a.sh"
    code.write_text(f"{takes_back}\n")
    assert lost(etl, text, BOB) == "", "it is his own"


@pytest.mark.parametrize(
    ("versions", "takes_back", "back"),
    [
        (("x\nz\n", "a\nd\nz\n", "A\nd\nz\n"), "a\nD\nz\n", 0),
        (("x\nz\n", "y\nz\n", "y\nz\nnew\n"), "y\nZ\n", 0),
        (("a\nz\n", "a\nnew\nz\n", "A\nnew\nz\n"), "A\nZ\n", 1),
        (("a\nz\n", "a\nb\nc\nz\n", "a\nb\nC\nz\n"), "a\nZ\n", 1),
        (("a\nz\n", "a\nb\nz\n", "a\nB\nz\n"), "a\nZ\n", 1),
    ],
)
def test_a_line_that_is_taken_back_is_told_of_whatever_else_was_done(
    etl, versions, takes_back, back
):
    text = "name: etl\ntasks: {a: {executor: process, command: sh a.sh}}\n"
    code = etl.store.project / "a.sh"
    for hours, of_bob in enumerate(versions, 60):
        code.write_text(of_bob)
        (etl.store.project / "etl.yaml").write_text(text)
        deploy(etl.store, etl.store.project / "etl.yaml", stamp=by(BOB, hours))
    code.write_text(takes_back)
    told = f"takes back what {did(etl, back, 'Bob')}: edit a.sh"
    assert lost(etl, text, "Di <di@example.org>") == told
    code.write_text(f"{versions[-1]}more\n")
    assert lost(etl, text, "Di <di@example.org>") == ""
