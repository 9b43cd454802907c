"""Histories as git repositories, with a real git."""

import os
import shutil
import subprocess
from datetime import UTC, datetime
from functools import partial

import pytest

from ork.errors import Ambiguous, Conflict, InvalidInput, NotFound, UsageError
from ork.git.to_git import export_git, stream_git, the_workflow
from ork.objects.kinds import Blob, Deploy, Source
from ork.objects.snapshot import CodeFile, build
from ork.store.resolve import history
from ork.store.store import Stamp
from tests.git.repositories import ENVIRON, FLOW, set_traps
from tests.stores import NOON, stamp


@pytest.fixture
def three(project, keep):
    """A project with three deploys of flows/etl.yaml: the last one has other code."""
    folder = project.project / "flows"
    folder.mkdir()
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    keep(FLOW, path="flows/etl.yaml", message="First\n\nWhy: it had to begin.")
    keep(FLOW + "schedule: '@daily'\n", path="flows/etl.yaml", hours=1, message="Daily")
    (folder / "run.sh").write_text("#!/bin/sh\necho more\n")
    keep(FLOW + "schedule: '@daily'\n", path="flows/etl.yaml", hours=2, message="More")
    return project


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def git(folder, *words, feed=None):
    done = subprocess.run(["git", *words], cwd=folder, env=ENVIRON, input=feed, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def tag(store, label, back=0):
    oid = [oid for oid, _ in history(store, "etl")][back]
    with store.transaction(stamp()) as tx:
        tx.move(f"tags/etl/{label}", old=store.ref(f"tags/etl/{label}"), new=oid)


def state(folder):
    """Return all refs and all files of a repository."""
    files = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".git" not in path.parts
    }
    return git(folder, "for-each-ref"), git(folder, "symbolic-ref", "HEAD"), files


def test_each_deploy_is_a_commit_with_its_files(three, out):
    done = export_git(three, out, "etl")
    assert (done.commits, done.added, done.created) == (3, 3, True)
    assert git(out, "log", "--format=%an <%ae>|%at|%ct|%s").splitlines() == [
        f"Ada Lovelace <ada@example.org>|{noon}|{noon}|{subject}"
        for noon, subject in ((1793541600, "More"), (1793538000, "Daily"), (1793534400, "First"))
    ]
    assert git(out, "ls-tree", "-r", "--format=%(objectmode) %(path)", "HEAD").splitlines() == [
        "100644 flows/etl.yaml",
        "100755 flows/run.sh",
    ]
    assert git(out, "show", "HEAD~2:flows/run.sh") == "#!/bin/sh\n"
    assert git(out, "status", "--porcelain") == ""
    assert git(out, "rev-parse", "HEAD").strip() == done.commit
    git(out, "fsck", "--strict")


def test_trailers_name_what_ork_knows(three, out):
    export_git(three, out, "etl")
    newest = next(history(three, "etl"))
    found = git(out, "log", "-1", "--format=%(trailers:only,unfold)").split("\n")
    assert [line for line in found if line] == [
        f"Ork-Snapshot: {newest[1].snapshot}",
        f"Ork-Deploy: {newest[0]}",
        "Ork-Workflow: etl",
        "Ork-File: flows/etl.yaml",
        "Ork-Action: deploy",
    ]


def test_the_same_history_gives_the_same_commits_everywhere(three, out, tmp_path):
    first = export_git(three, out, "etl").commit
    second = export_git(three, tmp_path / "deep" / "other", "etl").commit
    piped = tmp_path / "piped"
    piped.mkdir()
    git(piped, "init", "-q", "-b", "main")
    git(piped, "fast-import", "--quiet", feed=b"".join(stream_git(three, "etl")))
    assert first == second == git(piped, "rev-parse", "main").strip()


def test_the_environment_and_the_configuration_of_git_do_not_count(
    three, out, tmp_path, monkeypatch
):
    expected = export_git(three, out, "etl").commit
    config = tmp_path / "config"
    config.write_text(
        "[init]\n templateDir = /\n defaultBranch = x\n[commit]\n gpgSign = true\n"
        "[core]\n autocrlf = true\n[user]\n name = Eve\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"):
        monkeypatch.setenv(name, str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Eve")
    monkeypatch.setenv("GIT_DEFAULT_HASH", "sha256")
    assert export_git(three, tmp_path / "again", "etl").commit == expected
    assert not (tmp_path / "nowhere").exists()


def test_an_empty_folder_becomes_the_repository(three, out):
    out.mkdir()
    inode = out.stat().st_ino
    export_git(three, out, "etl")
    assert out.stat().st_ino == inode
    assert sorted(os.listdir(out)) == [".git", "flows"]


def test_a_folder_with_anything_in_it_is_refused(three, out):
    out.mkdir()
    (out / "mine").write_text("x")
    with pytest.raises(UsageError, match="not empty"):
        export_git(three, out, "etl")
    with pytest.raises(UsageError, match="not a git repository"):
        export_git(three, out, "etl", update=True)
    assert os.listdir(out) == ["mine"]
    with pytest.raises(UsageError, match="not a folder"):
        export_git(three, out / "mine", "etl")


def test_a_failed_export_leaves_nothing(three, out, monkeypatch):
    blob = next(history(three, "etl"))[1].source.blob
    three.backend.sweep(lambda: [blob])
    three._cache.clear()
    with pytest.raises(Exception, match="missing"):
        export_git(three, out, "etl")
    assert not out.exists()
    out.mkdir()
    with pytest.raises(Exception, match="missing"):
        export_git(three, out, "etl")
    assert os.listdir(out) == []


def test_without_git_the_export_says_so(three, out, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NotFound, match="git is not installed"):
        export_git(three, out, "etl")
    assert not out.exists()


# -- update


def test_an_update_adds_only_what_is_new(three, keep, out):
    before = export_git(three, out, "etl")
    keep(FLOW, path="flows/etl.yaml", hours=3, message="Not daily")
    after = export_git(three, out, "etl", update=True)
    assert (after.added, after.commits, after.created) == (1, 4, False)
    assert git(out, "rev-parse", "HEAD~1").strip() == before.commit
    assert git(out, "status", "--porcelain") == ""
    assert (out / "flows/etl.yaml").read_text() == FLOW
    fresh = export_git(three, out.parent / "fresh", "etl")
    assert fresh.commit == after.commit
    assert git(out, "for-each-ref", "refs/ork") == ""


def test_an_update_without_news_changes_nothing(three, out):
    export_git(three, out, "etl")
    before = state(out)
    done = export_git(three, out, "etl", update=True)
    assert done.added == 0
    assert state(out) == before


def test_an_update_of_nothing_makes_the_repository(three, out):
    assert export_git(three, out, "etl", update=True).created


def test_a_bare_repository_is_updated(three, keep, out, tmp_path):
    export_git(three, out, "etl")
    bare = tmp_path / "bare.git"
    git(tmp_path, "clone", "-q", "--bare", str(out), str(bare))
    keep(FLOW, path="flows/etl.yaml", hours=3)
    done = export_git(three, bare, "etl", update=True)
    assert git(bare, "rev-parse", "main").strip() == done.commit


def test_a_worktree_is_updated(three, keep, out, tmp_path):
    export_git(three, out, "etl")
    tree = tmp_path / "tree"
    git(out, "worktree", "add", "-q", "-b", "other", str(tree), "main~1")
    keep(FLOW + "schedule: '@weekly'\n", path="flows/etl.yaml", hours=4)
    assert export_git(three, tree, "etl", branch="other", update=True).added == 2
    assert "@weekly" in (tree / "flows/etl.yaml").read_text()
    assert git(tree, "status", "--short") == git(out, "status", "--short") == ""
    assert export_git(three, tree, "etl", branch="other").added == 0
    keep(FLOW, path="flows/etl.yaml", hours=5)
    with pytest.raises(Conflict, match="tree shows the branch other"):
        export_git(three, out, "etl", branch="other", update=True)
    assert git(tree, "status", "--short") == ""
    shutil.rmtree(tree)
    assert export_git(three, out, "etl", branch="other", update=True).added == 1


def test_a_repository_that_was_packed_is_updated(three, keep, out):
    export_git(three, out, "etl")
    git(out, "gc", "-q", "--prune=now")
    git(out, "pack-refs", "--all")
    keep(FLOW, path="flows/etl.yaml", hours=3)
    assert export_git(three, out, "etl", update=True).added == 1


def test_commits_of_others_are_never_overwritten(three, keep, out):
    export_git(three, out, "etl")
    git(out, "-c", "user.name=G", "-c", "user.email=g@x", "commit", "-qm", "Mine", "--allow-empty")
    keep(FLOW, path="flows/etl.yaml", hours=3)
    before = state(out)
    with pytest.raises(InvalidInput, match="a commit that is not from ork: 'Mine'"):
        export_git(three, out, "etl", update=True)
    assert state(out) == before


def test_a_history_that_was_amended_is_refused(three, keep, out):
    export_git(three, out, "etl")
    git(
        out,
        "-c",
        "user.name=G",
        "-c",
        "user.email=g@x",
        "commit",
        "-q",
        "--amend",
        "--no-edit",
        "--reset-author",
    )
    before = state(out)
    with pytest.raises(InvalidInput, match="not in the history of etl as it is now"):
        export_git(three, out, "etl", update=True)
    assert state(out) == before


def test_a_history_that_was_undone_is_refused_and_exported_anew(three, out):
    export_git(three, out, "etl")
    newest, older = [oid for oid, _ in history(three, "etl")][:2]
    with three.transaction(stamp()) as tx:
        tx.move("workflows/etl", old=newest, new=older)
    before = state(out)
    with pytest.raises(InvalidInput, match="not in the history of etl as it is now"):
        export_git(three, out, "etl", update=True)
    assert state(out) == before
    assert export_git(three, out.parent / "new", "etl").commits == 2
    assert export_git(three, out, "etl", update=True, branch="undone").commits == 2


def test_two_workflows_have_two_branches(three, keep, out):
    export_git(three, out, "etl")
    keep("name: other\ntasks: {a: {executor: process, command: 'true'}}\n", path="other.yaml")
    with pytest.raises(InvalidInput, match="holds the history of etl, not of other"):
        export_git(three, out, "other", update=True)
    export_git(three, out, "other", update=True, branch="other")
    assert git(out, "ls-tree", "-r", "--name-only", "other") == "other.yaml\n"
    assert (out / "flows/etl.yaml").exists()
    assert not (out / "other.yaml").exists()


def test_changes_in_the_work_tree_are_kept(three, keep, out):
    export_git(three, out, "etl")
    (out / "notes.txt").write_text("mine")
    (out / "flows/run.sh").write_text("mine")
    keep(FLOW, path="flows/etl.yaml", hours=3)
    done = export_git(three, out, "etl", update=True)
    assert git(out, "rev-parse", "HEAD").strip() == done.commit
    assert (out / "flows/run.sh").read_text() == (out / "notes.txt").read_text() == "mine"


def test_changes_that_an_update_would_overwrite_stop_it(three, keep, out):
    export_git(three, out, "etl")
    (out / "flows/etl.yaml").write_text("mine")
    keep(FLOW, path="flows/etl.yaml", hours=3)
    before = state(out)
    with pytest.raises(Conflict, match="changes of its own"):
        export_git(three, out, "etl", update=True)
    assert state(out) == before


def test_a_hostile_repository_runs_nothing_and_writes_nowhere_else(three, keep, out, tmp_path):
    (three.project / "flows/.gitattributes").write_text("* filter=x diff=x\n")
    text = FLOW + "include: [.gitattributes]\n"
    keep(text, path="flows/etl.yaml", hours=3)
    export_git(three, out, "etl")
    trap = set_traps(partial(git, out), tmp_path)
    outside = tmp_path / "outside"
    outside.mkdir()
    git(out, "config", "filter.x.required", "true")
    git(out, "config", "core.hooksPath", str(tmp_path / "hooks"))
    git(out, "config", "core.worktree", str(outside))
    (tmp_path / "hooks").mkdir()
    for name in ("reference-transaction", "post-index-change", "post-checkout", "pre-auto-gc"):
        shutil.copy(trap, tmp_path / "hooks" / name)
        (out / ".git/hooks").mkdir(exist_ok=True)
        shutil.copy(trap, out / ".git/hooks" / name)
    keep(text + "schedule: '@weekly'\n", path="flows/etl.yaml", hours=4)
    export_git(three, out, "etl", update=True)
    assert "@weekly" in (out / "flows/etl.yaml").read_text()
    assert not (tmp_path / "sprung").exists()
    assert os.listdir(outside) == []


def test_files_are_not_written_through_links(three, keep, out, tmp_path):
    export_git(three, out, "etl")
    outside = tmp_path / "outside"
    (out / "flows").rename(outside)
    (out / "flows").symlink_to(outside)
    before = {path.name: path.read_text() for path in outside.iterdir()}
    (three.project / "flows/run.sh").write_text("#!/bin/sh\necho other\n")
    keep(FLOW, path="flows/etl.yaml", hours=3)
    export_git(three, out, "etl", update=True)
    assert {path.name: path.read_text() for path in outside.iterdir()} == before


# -- tags and branches


def test_tags_are_exported_under_names_that_git_allows(three, out):
    for label, back in (("v1", 2), ("v1.lock", 1), ("v1.lock_", 0), ("end.", 0)):
        tag(three, label, back)
    done = export_git(three, out, "etl")
    assert done.tags == ("end._", "v1", "v1.lock_", "v1.lock__")
    found = {name: git(out, "rev-parse", f"refs/tags/{name}").strip() for name in done.tags}
    ids = git(out, "rev-list", "HEAD").split()
    assert found == {"v1": ids[2], "v1.lock__": ids[1], "v1.lock_": ids[0], "end._": ids[0]}


def test_a_tag_that_moved_moves_with_an_update(three, out):
    tag(three, "prod", 2)
    export_git(three, out, "etl")
    tag(three, "prod", 0)
    done = export_git(three, out, "etl", update=True)
    assert git(out, "rev-parse", "prod").strip() == done.commit


def test_tags_of_others_are_left_alone(three, out):
    export_git(three, out, "etl")
    git(out, "tag", "v1", "HEAD^{tree}")
    tag(three, "v1")
    before = state(out)
    assert export_git(three, out, "etl", update=True).left == ("v1",)
    assert state(out) == before


def test_a_tag_on_what_is_no_longer_in_the_history_is_left_out(three, out):
    tag(three, "gone")
    newest, older = [oid for oid, _ in history(three, "etl")][:2]
    with three.transaction(stamp()) as tx:
        tx.move("workflows/etl", old=newest, new=older)
    done = export_git(three, out, "etl")
    assert (done.tags, done.left) == ((), ("gone",))


@pytest.mark.parametrize("name", ["", "-x", "a b", "a..b", "x.lock", "x/.y", "a~1", "@", "a\nb"])
def test_bad_names_of_branches_are_refused(three, out, name):
    with pytest.raises(UsageError, match="no name for a branch"):
        export_git(three, out, "etl", branch=name)
    assert not out.exists()


def test_a_branch_can_have_any_other_name(three, out):
    export_git(three, out, "etl", branch="flows/etl")
    assert git(out, "symbolic-ref", "--short", "HEAD") == "flows/etl\n"


def test_the_only_workflow_need_not_be_named(three, keep):
    assert the_workflow(three, None) == "etl"
    keep("name: other\ntasks: {a: {executor: process, command: 'true'}}\n", path="other.yaml")
    with pytest.raises(Ambiguous):
        the_workflow(three, None)
    with pytest.raises(NotFound):
        the_workflow(three, "nobody")


# -- what git cannot hold


def put(store, files, path="etl.yaml", time=NOON, **fields):
    """Store a deploy of any shape."""
    built = build({}, {name: CodeFile(data=data) for name, data in files.items()})
    with store.transaction(Stamp(time=NOON, author="x")) as tx:
        tx.add_all(built.objects)
        text = tx.add(Blob(FLOW.encode()))
        old = store.ref("workflows/etl")
        values = {"author": "Ada", "message": "First", **fields}
        new = tx.add(
            Deploy(
                workflow="etl",
                snapshot=built.oid,
                parents=(old,) if old else (),
                time=time,
                settings={},
                source=Source(path=path, blob=text),
                **values,
            )
        )
        tx.move("workflows/etl", old=old, new=new)


def test_names_that_are_hard_to_quote(project, out):
    names = ['a "b"', "c\\d", "e\nf", "\t g ", "caf\xe9", "\u202e", "-x", "x\rdone"]
    put(project, dict.fromkeys(names, b"x"))
    export_git(project, out, "etl")
    listed = git(out, "ls-tree", "-r", "-z", "--name-only", "HEAD").split("\0")
    assert sorted(listed[:-1]) == sorted([*names, "etl.yaml"])


@pytest.mark.parametrize(
    "name", [".git/config", "a/.GIT/x", "../x", "/etc/passwd", "a//b", "git~1"]
)
def test_names_that_git_would_refuse_are_refused(project, out, name):
    put(project, {name: b"x"})
    with pytest.raises(InvalidInput, match="git cannot hold"):
        export_git(project, out, "etl")
    assert not out.exists()


@pytest.mark.parametrize("path", ["../elsewhere/etl.yaml", "/abs/etl.yaml"])
def test_a_file_from_outside_of_the_project_is_at_the_top(project, out, path):
    put(project, {"a/b": b"x"}, path=path)
    export_git(project, out, "etl")
    assert sorted(os.listdir(out)) == [".git", "a", "etl.yaml"]
    assert f"Ork-File: {path}\n" in git(out, "log", "-1", "--format=%B")


def test_a_file_that_becomes_a_folder_and_a_workflow_that_moves(project, out):
    put(project, {"a": b"1", "b/c": b"2"})
    put(project, {"a/x": b"1", "b": b"2"})
    put(project, {"a/x": b"1"}, path="flows/etl.yaml")
    put(project, {"a/x": b"1", "etl.yaml": b"own"}, path="flows/etl.yaml")
    put(project, {"a/x": b"1"}, path="flows/etl.yaml")
    export_git(project, out, "etl")
    listed = [
        git(out, "ls-tree", "-r", "--name-only", f"HEAD~{back}").split() for back in (4, 3, 2, 1, 0)
    ]
    assert listed == [
        ["a", "b/c", "etl.yaml"],
        ["a/x", "b", "etl.yaml"],
        *[["flows/a/x", "flows/etl.yaml"]] * 3,
    ]


def test_hostile_authors_messages_and_times(project, out):
    put(project, {}, author="Eve\ncommitter Evil <e@x> 1 +0000\n\n<x>", message="a\0b\n\ndone\n")
    put(project, {}, author="", message="", time=datetime(1, 1, 1, tzinfo=UTC))
    put(project, {}, author="a" * 10_000, time=datetime(9999, 12, 31, tzinfo=UTC))
    export_git(project, out, "etl")
    assert git(out, "log", "--format=%cn|%at").splitlines()[1:] == [
        "unknown|0",
        "Eve committer Evil  e@x  1 +0000 x|1793534400",
    ]
    git(out, "fsck", "--strict")


def test_a_large_workflow_file_is_one_file(project, keep, out):
    text = "name: etl\ntasks:\n" + "".join(
        f"  t{n:05d}: {{executor: process, command: 'true'}}\n" for n in range(3000)
    )
    keep(text)
    export_git(project, out, "etl")
    assert (out / "etl.yaml").read_text() == text
