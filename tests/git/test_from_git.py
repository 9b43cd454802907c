"""Deploys from the history of real git repositories."""

import os
import subprocess
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ork.backends.memory import Memory
from ork.errors import Conflict, InvalidInput, NotFound, OrkError
from ork.git.commit import place_of
from ork.git.from_git import import_git
from ork.git.to_git import export_git
from ork.heads.deploy import deploy
from ork.heads.rename import rename
from ork.heads.rollback import rollback
from ork.heads.tags import tag, tags
from ork.heads.undo import undo
from ork.objects.kinds import Operation, Origin
from ork.store.contents import join_text
from ork.store.resolve import history, workflows
from ork.store.store import Stamp, Store
from ork.worktree.folder import FILE_BYTES_MAX
from tests.git.repositories import ENVIRON, FLOW, Repository, set_traps
from tests.scale import examples
from tests.stores import NOON, contents, reachable, stamp
from tests.sync.test_transfer import is_whole

PY = "name: etl\ntasks: {a: {executor: python, file: tasks/a.py}}\n"
TOKEN = "ghp_" + "a1B2" * 9


@pytest.fixture
def repo(tmp_path):
    return Repository(tmp_path / "repo")


@pytest.fixture
def target(project):
    return project


def load(store, repo, path="etl.yaml", **options):
    folder = repo.folder if isinstance(repo, Repository) else repo
    return import_git(store, folder, path, stamp=stamp(9), **options)


def deploys(store, name="etl"):
    """Return the deploys, oldest first."""
    return [deploy for _, deploy in history(store, name)][::-1]


def files(store, deploy):
    return sorted(store.snapshot(deploy.snapshot).files)


def labels(store):
    return {f"{one.workflow}@{one.label}": one.oid for one in tags(store)}


def test_a_tag_comes_with_the_deploy_that_was_newest_at_its_commit(target, repo):
    repo("tag", "before", repo.commit("Nothing"))
    repo.commit("First", {"etl.yaml": FLOW, "run.sh": "#!/bin/sh\n"})
    repo("tag", "-a", "-m", "With words", "v1")
    repo.commit("Code", {"run.sh": "#!/bin/sh\necho\n"})
    repo("tag", "release/2")
    repo("tag", "v2", repo.commit("Other", {"notes.txt": "x"}))
    repo("tag", "tree", "HEAD^{tree}")
    (done,) = load(target, repo).workflows
    first, second = (one.deploy for one in done.added)
    assert done.tags == ("v1", "v2")
    assert labels(target) == {"etl@v1": first, "etl@v2": second}
    undo(target, stamp=stamp(9), now=NOON)
    assert labels(target) == {} and target.ref("workflows/etl") is None


def test_a_tag_of_a_version_that_was_skipped_is_on_no_other(target, repo):
    key = repo.commit("Key", {"etl.yaml": FLOW, "run.sh": f"TOKEN={TOKEN}\n"})
    repo.commit("First", {"run.sh": "#!/bin/sh\n"})
    repo.commit("Broken", {"etl.yaml": "x"})
    repo("tag", "v2")
    repo("tag", "v2.1", repo.commit("Other", {"notes.txt": "x"}))
    repo("tag", "v3", repo.commit("As it was", {"etl.yaml": FLOW}))
    repo("tag", "v4", repo.commit("Key again", {"run.sh": f"TOKEN={TOKEN}\n"}))
    repo("tag", "v1", key)
    done = load(target, repo)
    assert {one.reason.split(":")[0] for one in done.skipped} == {"run.sh, line 1", "line 1"}
    assert labels(target) == {"etl@v3": target.ref("workflows/etl")}
    assert done.left == ("v1", "v2", "v2.1", "v4")


def test_a_tag_comes_once_and_stays_where_the_workflow_has_it(target, repo):
    repo.commit("First", {"etl.yaml": FLOW, "run.sh": "#!/bin/sh\n"})
    load(target, repo)
    head = target.ref("workflows/etl")
    tag(target, "etl@v1", stamp=stamp(9), now=NOON)
    repo("tag", "late")
    assert load(target, repo).workflows == ()
    repo("tag", "v1", repo.commit("Code", {"run.sh": "#!/bin/sh\necho\n"}))
    repo("tag", "v2")
    (done,) = load(target, repo).workflows
    assert done.tags == ("v2",)
    assert labels(target) == {"etl@v1": head, "etl@v2": done.deploy}


def test_the_tags_of_an_export_come_back(target, repo, tmp_path):
    repo.commit("First", {"etl.yaml": FLOW, "run.sh": "#!/bin/sh\n"})
    load(target, repo)
    for label in ("v1", "v1.lock"):
        tag(target, f"etl@{label}", stamp=stamp(9), now=NOON)
    export_git(target, tmp_path / "out", "etl")
    other = Store(Memory())
    load(other, tmp_path / "out")
    head = other.ref("workflows/etl")
    assert labels(other) == {"etl@v1": head, "etl@v1.lock_": head}


def test_each_commit_that_changes_the_definition_is_a_deploy(target, repo):
    ids = [
        repo.commit("First\n\nWhy.", {"etl.yaml": FLOW, "run.sh": "#!/bin/sh\n"}),
        repo.commit("Code", {"run.sh": "#!/bin/sh\necho\n"}),
        repo.commit("Comment", {"etl.yaml": "# x\n" + FLOW}),
        repo.commit("Other", {"notes.txt": "x"}),
        repo.commit("Settings", {"etl.yaml": FLOW + "schedule: '@daily'\n"}),
    ]
    done = load(target, repo)
    found = deploys(target)
    assert [one.message for one in found] == ["First\n\nWhy.", "Code", "Settings"]
    assert [one.origin for one in found] == [Origin(commit=ids[n], dirty=False) for n in (0, 1, 4)]
    assert {one.action for one in found} == {"import"}
    assert {one.author for one in found} == {"Grace <grace@example.org>"}
    assert found[0].time == datetime.fromtimestamp(1_700_000_060, UTC)
    assert found[-1].settings == {"schedule": "@daily"}
    assert join_text(target, found[0].source).decode() == FLOW
    assert found[0].source.path == "etl.yaml"
    assert [one.commit for one in done.workflows[0].added] == [ids[0], ids[1], ids[4]]
    assert (done.commit, done.commits, done.skipped) == (ids[4], 5, ())
    reachable(target, target.ref("workflows/etl"))


def test_what_is_imported_is_what_a_deploy_of_the_checkout_gives(target, repo):
    repo.commit(
        "First",
        {
            "flows/etl.yaml": PY + "include: ['sql/**']\n",
            "flows/tasks/a.py": "import lib.b\ndef main(): pass\n",
            "flows/lib/__init__.py": "",
            "flows/lib/b.py": "from . import c\nimport os, gone\n",
            "flows/lib/c.py": "",
            "flows/lib/unused.py": "",
            "flows/sql/x/q.sql": "select",
            "flows/run.sh": "",
        },
    )
    load(target, repo, "flows/etl.yaml")
    other = Store(Memory())
    done = deploy(other, repo.folder / "flows/etl.yaml", stamp=stamp())
    assert deploys(target)[0].snapshot == done.snapshot
    assert files(target, deploys(target)[0]) == [
        "lib/__init__.py",
        "lib/b.py",
        "lib/c.py",
        "sql/x/q.sql",
        "tasks/a.py",
    ]


def test_a_file_that_was_looked_for_and_comes_later_matters(target, repo):
    repo.commit("First", {"etl.yaml": PY, "tasks/a.py": "import lib.b, own\n"})
    repo.commit("A package", {"lib/b.py": "x = 1\n"})
    repo.commit("In front of it", {"tasks/own.py": "", "other/own.py": ""})
    repo("rm", "-rq", "lib")
    repo.commit("Away")
    load(target, repo)
    assert [(one.message, len(files(target, one))) for one in deploys(target)] == [
        ("First", 1),
        ("A package", 2),
        ("In front of it", 3),
        ("Away", 2),
    ]


def test_an_include_that_matches_later_matters(target, repo):
    text = FLOW + "include: ['sql/*.sql']\n"
    repo.commit("None yet", {"etl.yaml": text, "run.sh": ""})
    repo.commit("One", {"sql/a.sql": "1"})
    repo.commit("Two", {"sql/b.sql": "1"})
    repo.commit("Other", {"sql/c.txt": "1", "sql/d/e.sql": "2"})
    done = load(target, repo)
    assert [one.message for one in deploys(target)] == ["One", "Two"]
    assert [one.reason for one in done.skipped] == ["line 3: include: no file matches sql/*.sql"]


def test_a_mode_matters(target, repo):
    repo.commit("First", {"etl.yaml": FLOW, "run.sh": ""})
    repo.write("run.sh", "", executable=False)
    repo.commit("Not executable")
    load(target, repo)
    assert [one.message for one in deploys(target)] == ["First", "Not executable"]


def test_renames_of_the_file_are_followed(target, repo):
    other = FLOW + "description: a text that is long enough for git to see the same file\n"
    repo.commit("First", {"etl.yaml": FLOW, "run.sh": ""})
    repo.commit("More", {"etl.yaml": other})
    (repo.folder / "flows").mkdir()
    repo("mv", "etl.yaml", "flows/pipeline.yaml")
    repo("mv", "run.sh", "flows/run.sh")
    repo.commit("Move", {"flows/pipeline.yaml": other + "max_parallel: 2\n"})
    repo("mv", "flows", "workflows")
    repo.commit("Move again")
    repo.commit("More", {"workflows/run.sh": "x"})
    load(target, repo, "workflows/pipeline.yaml")
    assert [(one.message, one.source.path) for one in deploys(target)] == [
        ("First", "etl.yaml"),
        ("More", "etl.yaml"),
        ("Move", "flows/pipeline.yaml"),
        ("Move again", "workflows/pipeline.yaml"),
        ("More", "workflows/pipeline.yaml"),
    ]
    before, moved = list(deploys(target))[2:4]
    assert moved.snapshot == before.snapshot


def test_a_file_that_went_and_came_back_goes_on(target, repo):
    repo.commit("First", {"etl.yaml": FLOW, "run.sh": ""})
    repo("rm", "-q", "etl.yaml")
    repo.commit("Gone")
    repo.commit("Back", {"etl.yaml": FLOW + "schedule: '@daily'\n"})
    repo("rm", "-q", "etl.yaml")
    repo.commit("Gone again")
    load(target, repo)
    assert [one.message for one in deploys(target)] == ["First", "Back"]


def test_invalid_versions_are_skipped_and_told(target, repo):
    repo.commit("First", {"etl.yaml": FLOW, "run.sh": ""})
    bad = repo.commit("Broken", {"etl.yaml": FLOW + "steps: 3\nnonsense: 4\n"})
    lost = repo.commit("Lost", {"etl.yaml": PY})
    repo.commit("Good", {"etl.yaml": FLOW + "schedule: '@daily'\n"})
    done = load(target, repo)
    assert [one.message for one in deploys(target)] == ["First", "Good"]
    assert [(one.commit, one.path, len(one.problems)) for one in done.skipped] == [
        (bad, "etl.yaml", 2),
        (lost, "etl.yaml", 1),
    ]
    assert done.skipped[0].reason.endswith("(and 1 more)")
    assert "no such file: tasks/a.py" in done.skipped[1].reason


def test_secrets_are_skipped_unless_allowed(target, repo):
    repo.commit("First", {"etl.yaml": FLOW, "run.sh": ""})
    repo.commit("Oops", {"run.sh": f"curl -H {TOKEN}\n"})
    repo.commit(f"Clean {TOKEN}", {"run.sh": "curl\n"})
    repo.commit("Daily", {"etl.yaml": FLOW + "schedule: '@daily'\n"})
    done = load(target, repo)
    assert [one.message for one in deploys(target)] == ["First", "Daily"]
    assert TOKEN not in str(done)
    assert [one.reason[:30] for one in done.skipped] == [
        "run.sh, line 1: this looks lik",
        "its message has what looks lik",
    ]
    other = Store(Memory())
    load(other, repo, allow_secret=True)
    assert len(deploys(other)) == 4


# -- again


def test_importing_again_adds_only_what_is_new(target, repo):
    repo.commit("First", {"etl.yaml": FLOW, "run.sh": ""})
    repo.commit("Broken", {"etl.yaml": "x"})
    repo.commit("Second", {"etl.yaml": FLOW + "schedule: '@daily'\n"})
    load(target, repo)
    before = contents(target)
    done = load(target, repo)
    assert contents(target) == before
    assert (done.workflows, done.skipped) == ((), ())
    repo.commit("Code", {"run.sh": "x"})
    done = load(target, repo)
    assert [one.message for one in done.workflows[0].added] == ["Code"]
    assert len(deploys(target)) == 3


@pytest.fixture
def tried(target, repo, keep):
    """What was imported, and then deployed here otherwise: the text of the script."""
    repo.commit("First", {"etl.yaml": FLOW, "run.sh": ""})
    load(target, repo)
    script = "#!/bin/sh\n# tried\n"
    (target.project / "run.sh").write_text(script)
    (target.project / "run.sh").chmod(0o755)
    keep(FLOW, message="Tried")
    return script


def test_what_was_deployed_since_is_taken_back_by_force_alone(target, repo, tried):
    repo.commit("Code", {"run.sh": "x"})
    before = contents(target)
    with pytest.raises(Conflict, match="went different ways") as refused:
        load(target, repo)
    assert "etl here: " in refused.value.message and "Tried" in refused.value.message
    assert f"etl in {repo.folder}: {repo('rev-parse', 'HEAD')[:12]}" in refused.value.message
    assert contents(target) == before
    load(target, repo, force=True)
    assert [one.message for one in deploys(target)] == ["First", "Tried", "Code"]
    repo.commit("More", {"run.sh": "y"})
    load(target, repo)  # from here on they go the same way
    assert deploys(target)[-1].message == "More"


def test_one_that_went_another_way_keeps_all_from_being_imported(target, repo, tried):
    repo.commit("Code", {"run.sh": "x", "b.yaml": FLOW.replace("etl", "b")})
    before = contents(target)
    with pytest.raises(Conflict, match=r"^etl: "):
        load(target, repo, "*.yaml")
    assert contents(target) == before


@pytest.mark.parametrize("before", ["", "# other\n"])
def test_what_was_deployed_since_may_be_among_the_new_commits(target, repo, tried, before):
    if before:
        repo.commit("Other", {"run.sh": before})
    repo.commit("As tried", {"run.sh": tried})
    repo.commit("Code", {"run.sh": "x"})
    load(target, repo)
    assert deploys(target)[-1].message == "Code"


def test_what_was_deployed_since_and_taken_back_is_in_nobodys_way(target, repo, tried):
    rollback(target, "etl", "etl~1", stamp=stamp(9), now=NOON)
    repo.commit("Code", {"run.sh": "x"})
    load(target, repo)
    assert deploys(target)[-1].message == "Code"


def test_what_was_deployed_since_stays_where_git_has_nothing_new(target, repo, tried):
    repo.commit("Notes", {"notes.txt": "x"})
    (done,) = load(target, repo).workflows
    assert done.added == ()
    assert deploys(target)[-1].message == "Tried"


def test_a_rename_there_is_held_back_by_what_was_deployed_since_as_well(target, repo, tried):
    repo.commit("Other name", {"etl.yaml": FLOW.replace("etl", "load")})
    before = contents(target)
    with pytest.raises(Conflict, match=r"^load: "):
        load(target, repo)
    assert contents(target) == before


def test_a_clean_deploy_of_a_commit_is_where_an_import_goes_on(target, repo):
    repo.commit("First", {"etl.yaml": FLOW, "run.sh": ""})
    deploy(target, repo.folder / "etl.yaml", stamp=stamp(), message="By hand")
    repo.commit("Code", {"run.sh": "x"})
    load(target, repo)
    assert [one.message for one in deploys(target)] == ["By hand", "Code"]


def test_a_workflow_with_a_history_of_its_own_is_refused(target, repo, keep):
    (target.project / "run.sh").write_text("x")
    keep(FLOW)
    repo.commit("First", {"etl.yaml": FLOW + "schedule: '@daily'\n", "run.sh": ""})
    before = contents(target)
    with pytest.raises(InvalidInput, match="a history of its own"):
        load(target, repo)
    assert contents(target) == before


def test_a_history_that_was_rewritten_is_refused(target, repo):
    repo.commit("First", {"etl.yaml": FLOW, "run.sh": ""})
    repo.commit("Second", {"run.sh": "x"})
    load(target, repo)
    before = contents(target)
    repo("reset", "-q", "--hard", "HEAD~1")
    repo.commit("Instead", {"run.sh": "y"})
    with pytest.raises(InvalidInput, match="not in this history"):
        load(target, repo)
    assert contents(target) == before


def test_an_import_is_one_operation_with_all_workflows(target, repo):
    repo.commit("First", {"etl.yaml": FLOW, "run.sh": ""})
    repo.commit("Second", {"b.yaml": FLOW.replace("etl", "b"), "run.sh": "x"})
    load(target, repo, "*.yaml")
    operation = target.get(Operation, target.ref("ops"))
    assert operation.parent is None
    assert [(ref, old) for ref, old, _ in operation.moves] == [
        ("workflows/b", None),
        ("workflows/etl", None),
    ]


def test_a_lost_race_writes_nothing(target, repo, monkeypatch):
    repo.commit("First", {"etl.yaml": FLOW, "run.sh": ""})
    (target.project / "run.sh").write_text("z")
    (target.project / "etl.yaml").write_text(FLOW)
    import ork.git.from_git as module

    def late(*words):
        deploy(target, target.project / "etl.yaml", stamp=stamp(), message="Meanwhile")
        return False

    monkeypatch.setattr(module, "is_shallow", late)
    with pytest.raises(OrkError, match="moved by somebody else"):
        load(target, repo)
    assert [one.message for one in deploys(target)] == ["Meanwhile"]


# -- patterns, names, places


def test_a_pattern_means_several_workflows(target, repo):
    repo.commit(
        "First",
        {
            "flows/a.yaml": FLOW.replace("etl", "a"),
            "flows/sub/b.yaml": FLOW.replace("etl", "b"),
            "flows/run.sh": "",
            "flows/sub/run.sh": "",
            "other.yaml": "x",
            "flows/c.yml": "x",
        },
    )
    assert [one.workflow for one in load(target, repo, "flows/*.yaml").workflows] == ["a"]
    assert [one.workflow for one in load(target, repo, "flows/**/*.yaml").workflows] == ["b"]
    with pytest.raises(NotFound, match="matches"):
        load(target, repo, "*.json")


def test_two_files_of_one_name_are_not_mixed(target, repo):
    repo.commit("First", {"a.yaml": FLOW, "run.sh": ""})
    repo.commit("A copy", {"b.yaml": FLOW + "schedule: '@daily'\n"})
    repo.commit("Its own name", {"b.yaml": FLOW.replace("etl", "b")})
    done = load(target, repo, "*.yaml")
    assert [one.reason for one in done.skipped] == ["it is named etl, as a.yaml is"]
    assert [(one.workflow, len(one.added)) for one in done.workflows] == [("b", 1), ("etl", 1)]


def test_a_file_that_changes_its_name_renames_the_workflow(target, repo):
    repo.commit("First", {"etl.yaml": FLOW, "run.sh": ""})
    repo("tag", "v1")
    repo.commit("Renamed", {"etl.yaml": FLOW.replace("etl", "new")})
    (new,) = load(target, repo).workflows
    assert (new.workflow, new.was, new.parent, new.tags) == ("new", ("etl",), None, ("v1",))
    assert workflows(target) == ["new"]
    said = [(one.workflow, one.message) for one in deploys(target, "new")]
    assert said == [("etl", "First"), ("new", "Rename etl to new"), ("new", "Renamed")]
    assert b"name: new" in join_text(target, deploys(target, "new")[-1].source)
    assert labels(target)["new@v1"] == new.added[0].deploy
    for label in ("release/1.0", "elsewhere"):
        repo("tag", label, repo("commit-tree", "-m", "Another line", "HEAD^{tree}"))
    again = load(target, repo)
    assert (again.workflows, again.left) == ((), ("elsewhere", "release/1.0"))
    assert is_whole(target)


def test_a_later_import_renames_what_an_earlier_one_brought(target, repo):
    repo.commit("First", {"etl.yaml": FLOW, "run.sh": ""})
    load(target, repo)
    first = target.ref("workflows/etl")
    tag(target, "etl@mine", stamp=stamp(), now=NOON)
    with target.transaction(stamp()) as tx:
        tx.move("paused/etl", old=None, new=first)
        decided = tx.add_value({"slot": "2026-11-01T12:00:00Z"})
        tx.move(f"decided/etl/{decided[:16]}", old=None, new=decided)
    for name in ("new", "newer", "etl", "last"):
        repo.commit(f"As {name}", {"etl.yaml": FLOW.replace("etl", name)})
    (last,) = load(target, repo).workflows
    assert (last.workflow, last.parent) == ("last", first)
    assert last.was == ("etl", "new", "newer")
    assert workflows(target) == ["last"]
    assert labels(target) == {"last@mine": first}
    assert target.ref("paused/last") == first and target.ref("paused/etl") is None
    assert target.ref(f"decided/last/{decided[:16]}") == decided
    assert is_whole(target)
    undo(target, stamp=stamp(10), now=NOON)
    assert (workflows(target), target.ref("workflows/etl")) == (["etl"], first)
    assert is_whole(target)


def test_a_file_that_did_nothing_but_move_since_the_last_import(target, repo):
    repo.commit("First", {"etl.yaml": FLOW, "run.sh": ""})
    load(target, repo)
    repo("mv", "etl.yaml", "load.yaml")
    repo.commit("Moved", {})
    assert [len(one.added) for one in load(target, repo, "load.yaml").workflows] == [1]
    assert deploys(target)[-1].source.path == "load.yaml"
    assert load(target, repo, "load.yaml").workflows == ()


@pytest.mark.parametrize("name", ["etl", "load"])
def test_a_file_that_moved_is_of_the_workflow_that_it_was_of(target, repo, name):
    """Be it that the workflow was renamed here, or in the very commit that moved the file."""
    repo.commit("First", {"etl.yaml": FLOW, "run.sh": ""})
    load(target, repo)
    if name == "etl":
        rename(target, "etl", "load", stamp=stamp(10))
    repo("mv", "etl.yaml", "moved.yaml")
    repo.commit("Moved", {"moved.yaml": FLOW.replace("etl", name) + "description: more\n"})
    (done,) = load(target, repo, "moved.yaml").workflows
    assert (done.workflow, workflows(target)) == (name, [name])
    assert is_whole(target)


def test_a_file_below_the_project_renames_its_workflow(target, tmp_path):
    repo = Repository(tmp_path)
    repo.commit("First", {"project/etl.yaml": FLOW, "project/run.sh": ""})
    load(target, repo, "project/etl.yaml")
    repo.commit("Renamed", {"project/etl.yaml": FLOW.replace("etl", "load")})
    load(target, repo, "project/etl.yaml")
    assert workflows(target) == ["load"]


def test_a_rename_that_no_file_has_yet_comes_back(target, repo, tmp_path):
    repo.commit("First", {"etl.yaml": FLOW, "run.sh": ""})
    load(target, repo)
    for number, name in enumerate(("load", "take")):
        rename(target, workflows(target)[0], name, stamp=stamp(10 + number))
    out = tmp_path / "out"
    export_git(target, out, "take")
    store = Store(Memory(), project=target.project)
    (take,) = load(store, out).workflows
    assert (take.workflow, take.was) == ("take", ("etl", "load"))
    said = [(one.workflow, one.message) for one in deploys(store, "take")]
    assert said == [(one.workflow, one.message) for one in deploys(target, "take")]
    assert load(store, out).workflows == ()
    assert is_whole(store)


def test_another_file_may_have_the_name_that_was_given_up(target, repo):
    repo.commit("First", {"etl.yaml": FLOW, "run.sh": ""})
    repo.commit("Renamed", {"etl.yaml": FLOW.replace("etl", "new")})
    repo.commit("Again", {"again.yaml": FLOW})
    done = load(target, repo, "*.yaml")
    assert [(one.workflow, one.was) for one in done.workflows] == [("etl", ()), ("new", ("etl",))]
    assert [one.message for one in deploys(target, "etl")] == ["Again"]
    assert is_whole(target)


@pytest.mark.parametrize(
    ("path", "hint"),
    [("flows/elt.yaml", "flows/etl.yaml"), ("etl.yaml", "flows/etl.yaml"), ("q", "relative")],
)
def test_a_path_that_never_was_is_told_with_near_ones(target, repo, path, hint):
    repo.commit("First", {"flows/etl.yaml": FLOW, "flows/run.sh": ""})
    with pytest.raises(NotFound) as error:
        load(target, repo, path)
    assert hint in error.value.hint


def test_a_folder_of_a_repository_can_be_named(target, repo):
    repo.commit("First", {"flows/etl.yaml": FLOW, "flows/run.sh": ""})
    load(target, repo.folder / "flows", "./etl.yaml")
    assert deploys(target)[0].source.path == "flows/etl.yaml"
    assert load(target, repo, str(repo.folder / "flows/etl.yaml")).workflows == ()
    with pytest.raises(NotFound, match="outside"):
        load(target, repo, "../etl.yaml")


def test_a_folder_whose_name_begins_with_dots_is_inside(target, repo):
    repo.commit("First", {"..flows/etl.yaml": FLOW, "..flows/run.sh": ""})
    load(target, repo, "..flows/etl.yaml")
    assert deploys(target)[0].source.path == "..flows/etl.yaml"


def test_in_a_repository_around_the_project_paths_are_relative_to_that(target, tmp_path):
    repo = Repository(tmp_path)
    repo.write("project/flows/etl.yaml", FLOW)
    repo.write("project/flows/run.sh", "")
    repo("add", "project/flows")
    repo("commit", "-qm", "First")
    load(target, repo, "project/flows/etl.yaml")
    assert deploys(target)[0].source.path == "flows/etl.yaml"


def test_another_branch_or_commit_can_be_named(target, repo):
    first = repo.commit("First", {"etl.yaml": FLOW, "run.sh": ""})
    repo("checkout", "-qb", "side")
    repo.commit("Side", {"run.sh": "x"})
    repo("checkout", "-q", "--detach", "main")
    load(target, repo)
    assert load(target, repo, branch="side").workflows[0].added[0].message == "Side"
    assert load(Store(Memory()), repo, branch=first[:8]).commit == first
    for wrong in ("nowhere", "--all", "^main", "HEAD:etl.yaml", "a\0b"):
        with pytest.raises(NotFound) as error:
            load(target, repo, branch=wrong)
        assert "main, side" in error.value.hint


def test_merges_count_by_their_first_parent(target, repo):
    repo.commit("First", {"etl.yaml": FLOW, "run.sh": ""})
    repo("checkout", "-qb", "side")
    repo.commit("One", {"run.sh": "1"})
    repo.commit("Two", {"run.sh": "2"})
    repo("checkout", "-q", "main")
    repo.commit("Meanwhile", {"etl.yaml": FLOW + "schedule: '@daily'\n"})
    repo("merge", "-q", "--no-ff", "-m", "Merge", "side")
    load(target, repo)
    assert [one.message for one in deploys(target)] == ["First", "Meanwhile", "Merge"]


# -- repositories of other shapes


def test_no_repository_and_no_commit(target, repo, tmp_path, monkeypatch):
    with pytest.raises(NotFound, match="has no commit yet"):
        load(target, repo)
    with pytest.raises(NotFound, match="no folder"):
        load(target, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFound, match="in no git repository"):
        load(target, tmp_path / "empty")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NotFound, match="git is not installed"):
        load(target, repo)


def test_bare_shallow_and_sha256_repositories(repo, tmp_path):
    repo.commit("First", {"etl.yaml": FLOW, "run.sh": ""})
    repo.commit("Second", {"run.sh": "x"})
    repo("clone", "-q", "--bare", str(repo.folder), str(tmp_path / "bare"))
    bare = Store(Memory())
    assert len(load(bare, tmp_path / "bare").workflows[0].added) == 2
    repo("clone", "-q", "--depth=1", f"file://{repo.folder}", str(tmp_path / "shallow"))
    shallow = Store(Memory())
    done = load(shallow, tmp_path / "shallow")
    assert done.shallow
    assert [one.message for one in deploys(shallow)] == ["Second"]
    long = Repository(tmp_path / "long", "--object-format=sha256")
    commit = long.commit("First", {"etl.yaml": FLOW, "run.sh": ""})
    store = Store(Memory())
    load(store, long)
    assert deploys(store)[0].origin == Origin(commit=commit, dirty=False)
    assert len(commit) == 64


def test_a_linked_work_tree(target, repo, tmp_path):
    repo.commit("First", {"etl.yaml": FLOW, "run.sh": ""})
    repo("worktree", "add", "-q", str(tmp_path / "linked"), "-b", "other")
    assert load(target, tmp_path / "linked").workflows[0].workflow == "etl"


def test_a_damaged_repository_is_an_error_and_nothing_is_written(target, repo):
    repo.commit("First", {"etl.yaml": FLOW, "run.sh": "#!/bin/sh\n"})
    before = contents(target)
    blob = repo("rev-parse", "HEAD:run.sh")
    (repo.folder / ".git/objects" / blob[:2] / blob[2:]).unlink()
    done = load(target, repo)
    assert [one.reason for one in done.skipped] == [
        "line 2: cannot read run.sh: git does not have its content here"
    ]
    tree = repo("rev-parse", "HEAD^{tree}")
    (repo.folder / ".git/objects" / tree[:2] / tree[2:]).unlink()
    with pytest.raises(OrkError):
        load(target, repo)
    assert contents(target) == before


def test_nothing_of_a_hostile_repository_is_run(target, repo, tmp_path):
    repo.commit("First", {"etl.yaml": FLOW, "run.sh": "", ".gitattributes": "* filter=x diff=x\n"})
    repo.commit("Second", {"run.sh": "x"})
    trap = set_traps(repo, tmp_path)
    repo("config", "log.showSignature", "true")
    repo("config", "core.hooksPath", str(tmp_path))
    repo("config", "core.worktree", "/")
    # Objects that are not here would be fetched from there.
    blob = repo("rev-parse", "HEAD:run.sh")
    repo("config", "extensions.partialClone", "origin")
    repo("config", "core.repositoryFormatVersion", "1")
    repo("config", "remote.origin.promisor", "true")
    repo("config", "remote.origin.url", f"ext::{trap}")
    repo("config", "protocol.ext.allow", "always")
    (repo.folder / ".git/objects" / blob[:2] / blob[2:]).unlink()
    before = sorted(path for path in tmp_path.rglob("*") if "project/.ork" not in str(path))
    try:
        done = load(target, repo)
        assert len(done.skipped) == 1
    except OrkError:
        pass  # an older git gives up on what it may not fetch
    assert not (tmp_path / "sprung").exists()
    assert before == sorted(p for p in tmp_path.rglob("*") if "project/.ork" not in str(p))


def test_a_configuration_of_the_user_does_not_count(target, repo, tmp_path, monkeypatch):
    repo.commit("First", {"etl.yaml": FLOW, "run.sh": ""})
    config = tmp_path / "config"
    config.write_text(
        "[diff]\n renames = false\n noprefix = true\n[log]\n showSignature = true\n"
        "[core]\n quotePath = false\n abbrev = 4\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert len(load(target, repo).workflows) == 1


# -- trees and commits that git itself would not make


def tree(repo, *entries):
    """Write a tree with any entries: (mode, name, id)."""
    data = b"".join(b"%s %s\0" % (mode, name) + bytes.fromhex(oid) for mode, name, oid in entries)
    return repo("hash-object", "-t", "tree", "-w", "--stdin", "--literally", feed=data)


def blob(repo, data):
    return repo("hash-object", "-w", "--stdin", feed=data)


def commit_of(repo, root, more=b"author A <a@b> 5 +0000\ncommitter A <a@b> 5 +0000\n\nFirst\n"):
    return repo.raw_commit(b"tree " + root.encode() + b"\n" + more)


def test_names_that_mean_something_else_are_not_there(target, repo, tmp_path):
    text = FLOW.replace("./run.sh", "'./run.sh .GIT/x'") + "include: ['**']\n"
    code, text = blob(repo, b"x"), blob(repo, text.encode())
    inner = tree(repo, (b"100644", b"x", code))
    root = tree(
        repo,
        (b"100644", b"\xff\xfe", code),
        (b"100644", b"..", code),
        (b"40000", b".GIT", inner),
        (b"40000", b"..", inner),
        (b"100644", b"a/../b", code),
        (b"100644", b"a\nb", code),
        (b"100644", b"RUN.SH", code),
        (b"100644", b"etl.yaml", text),
        (b"100755", b"run.sh", code),
    )
    commit_of(repo, root)
    load(target, repo)
    assert files(target, deploys(target)[0]) == ["RUN.SH", "a\nb", "etl.yaml", "run.sh"]
    assert sorted(os.listdir(tmp_path)) == ["project", "repo"]


@pytest.mark.parametrize(
    ("links", "outcome"),
    [
        ({"run.sh": "real.sh"}, ["run.sh"]),
        ({"run.sh": "sub/../real.sh", "sub/x": "y"}, ["run.sh"]),
        ({"run.sh": "a", "a": "b", "b": "real.sh"}, ["run.sh"]),
        ({"run.sh": "loop", "loop": "run.sh"}, []),
        ({"run.sh": "nowhere"}, []),
        ({"run.sh": "/etc/passwd"}, []),
        ({"run.sh": "../../../../etc/passwd"}, []),
        ({"run.sh": "../outside.sh"}, []),
    ],
)
def test_links_are_followed_inside_of_the_folder_only(target, repo, links, outcome):
    repo.commit("Before", {"flows/real.sh": "#!/bin/sh\n", "outside.sh": "x"})
    repo.write("flows/etl.yaml", FLOW)
    for path, to in links.items():
        (repo.folder / "flows" / path).parent.mkdir(exist_ok=True)
        (repo.folder / "flows" / path).symlink_to(to)
    repo.commit("First")
    load(target, repo, "flows/etl.yaml")
    expected = deploy(Store(Memory()), repo.folder / "flows/etl.yaml", stamp=stamp()).snapshot
    assert files(target, deploys(target)[0]) == outcome
    assert deploys(target)[0].snapshot == expected


def test_a_module_behind_a_folder_that_leads_out_is_refused(target, repo):
    repo.commit("Before", {"lib/__init__.py": "", "flows/tasks/a.py": "import lib.b\n"})
    (repo.folder / "flows/lib").symlink_to("../lib")
    repo.commit("First", {"flows/etl.yaml": PY})
    done = load(target, repo, "flows/etl.yaml")
    assert "leads out of the workflow's folder" in done.skipped[0].reason


def test_what_a_link_leads_to_matters(target, repo):
    repo.write("etl.yaml", FLOW)
    (repo.folder / "run.sh").symlink_to("bin/real.sh")
    repo.commit("First", {"bin/real.sh": "1"})
    repo.commit("Code", {"bin/real.sh": "2"})
    (repo.folder / "run.sh").unlink()
    (repo.folder / "run.sh").symlink_to("bin/../other.sh")
    repo.commit("Another", {"other.sh": "3"})
    load(target, repo)
    assert [one.message for one in deploys(target)] == ["First", "Code", "Another"]


def test_a_workflow_file_that_is_a_link_or_a_submodule_is_skipped(target, repo):
    oid = "1" * 40
    for mode in (b"120000", b"160000"):
        commit_of(repo, tree(repo, (mode, b"etl.yaml", oid)))
        done = load(target, repo)
        assert done.skipped[0].reason == "it is a link or a submodule, not a file"


def test_a_submodule_is_an_empty_folder(target, repo):
    text, oid = blob(repo, PY.encode()), "1" * 40
    commit_of(repo, tree(repo, (b"100644", b"etl.yaml", text), (b"160000", b"tasks", oid)))
    done = load(target, repo)
    assert "no such file: tasks/a.py" in done.skipped[0].reason


@pytest.mark.slow
def test_files_beyond_the_limits_are_told(target, repo):
    repo.commit("Large", {"etl.yaml": FLOW, "run.sh": "x" * (FILE_BYTES_MAX + 1)})
    repo.commit("Larger", {"etl.yaml": "#" * (FILE_BYTES_MAX + 1)})
    done = load(target, repo)
    assert "run.sh is larger than 16 MiB" in done.skipped[0].reason
    assert done.skipped[1].reason == "it is larger than 16 MiB"


@pytest.mark.parametrize(
    ("more", "author", "year", "message"),
    [
        (b"\n", "unknown", 1970, "Import of etl.yaml"),
        (b"author A <a@b> -100000000 +0000\n\nBefore\n", "A <a@b>", 1966, "Before"),
        (b"author A <a@b> 99999999999999999 +0000\n\nLate\n", "A <a@b>", 1970, "Late"),
        (
            b"author nonsense\ncommitter A <a@b> 5 +0000\n\n\xff\x00x\n",
            "unknown",
            1970,
            "\ufffd\0x",
        ),
        (
            b"author J\xf6rg <j@x> 5 +0000\nencoding latin1\n\ncaf\xe9\n",
            "J\xf6rg <j@x>",
            1970,
            "caf\xe9",
        ),
        (b"author A <a@b> 5 +0000\n\n\n\n \n", "A <a@b>", 1970, "Import of etl.yaml"),
    ],
)
def test_commits_that_say_odd_things(target, repo, more, author, year, message):
    root = tree(repo, (b"100644", b"etl.yaml", blob(repo, FLOW.encode())))
    commit_of(repo, root, more)
    load(target, repo)
    found = deploys(target)[0]
    assert (found.author, found.time.year, found.message) == (author, year, message)


def test_a_commit_without_a_message_is_told_by_its_difference(target, repo):
    repo.commit("First", {"etl.yaml": FLOW, "run.sh": ""})
    repo.write("run.sh", "x", executable=True)
    repo("commit", "-qa", "--allow-empty-message", "-m", "")
    load(target, repo)
    assert deploys(target)[-1].message == "Edit run.sh"


# -- there and back

STEPS = st.lists(
    st.fixed_dictionaries(
        {
            "command": st.sampled_from(["./run.sh", "./run.sh lib/a.py", "true"]),
            "schedule": st.sampled_from(["", "@daily", "0 2 * * *"]),
            "code": st.sampled_from(["#!/bin/sh\n", "x", "", "a\r\nb"]),
            "mode": st.sampled_from([0o644, 0o755]),
            "folder": st.sampled_from(["", "", "", "flows", "a/b"]),
            "include": st.booleans(),
            "message": st.sampled_from(
                ["Fix", "Fix\n\nWhy\n", "\n x", "a\n\nOrk-Deploy: b\n", "\r"]
            ),
            "author": st.sampled_from(
                ["Ada <a@b>", "Ada", "a@b", "<>", "A\nB <c", "\u65e5 <\u672c>"]
            ),
            "microseconds": st.integers(-(10**16), 10**16),
        }
    ),
    min_size=1,
    max_size=6,
)


@settings(
    deadline=None,
    max_examples=examples(15),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
@pytest.mark.slow
def test_a_history_comes_back_as_it_was(steps, tmp_path_factory, monkeypatch):
    from datetime import timedelta

    folder = tmp_path_factory.mktemp("round")
    monkeypatch.chdir(folder)
    store = Store(Memory())
    for step in steps:
        place = folder / step["folder"]
        (place / "lib").mkdir(parents=True, exist_ok=True)
        (place / "lib/a.py").write_text("import os\n")
        (place / "run.sh").write_text(step["code"], newline="")
        (place / "run.sh").chmod(step["mode"])
        text = f"name: etl\ntasks: {{a: {{executor: process, command: '{step['command']}'}}}}\n"
        text += f"schedule: '{step['schedule']}'\n" if step["schedule"] else ""
        text += "include: ['**/*.py', etl.yaml]\n" if step["include"] else ""
        (place / "etl.yaml").write_text(text)
        time = NOON + timedelta(microseconds=step["microseconds"])
        deploy(
            store,
            place / "etl.yaml",
            message=step["message"],
            stamp=Stamp(time=time, author=step["author"]),
        )
    out = folder / "exported"
    first = export_git(store, out, "etl")
    newest = place_of(deploys(store)[-1].source.path)
    back = Store(Memory())
    import_git(back, out, newest, stamp=stamp())
    kept = ("snapshot", "settings", "author", "time", "message", "workflow")
    assert [[getattr(d, name) for name in kept] for d in deploys(back)] == [
        [getattr(d, name) for name in kept] for d in deploys(store)
    ]
    assert [d.source for d in deploys(back)] == [d.source for d in deploys(store)]
    assert export_git(store, folder / "again", "etl").commit == first.commit
    assert import_git(store, out, newest, stamp=stamp()).workflows == ()
    subprocess.run(
        ["git", "fsck", "--strict"], cwd=out, env=ENVIRON, check=True, capture_output=True
    )
