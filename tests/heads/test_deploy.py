"""Deploy: what counts as a change, what is written for it, and how files stand to their heads."""

import json
import os
import random
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ork.backends.memory import Memory
from ork.errors import Conflict, InvalidInput, NotFound
from ork.heads.deploy import deploy, status
from ork.objects.kinds import Deploy, Operation
from ork.store.contents import join_text
from ork.store.store import Store
from ork.worktree.load import check, load, read_text
from tests.scale import examples
from tests.stores import ADA, NOON, contents, reachable, stamp

ETL = """\
name: etl
description: Fetch, then load
schedule: "0 2 * * *"
tasks:
  extract:
    executor: python
    file: tasks/etl.py
    output_type: {rows: int}
  load:
    executor: process
    command: ./load.sh
    depends_on: [extract]
"""


@pytest.fixture
def etl(project, keep):
    """A project with one deploy of etl in it; called, it deploys another text."""
    (project.project / "tasks").mkdir()
    (project.project / "tasks/etl.py").write_text("from tasks import parts\ndef main(): ...\n")
    (project.project / "tasks/parts.py").write_text("x = 1\n")
    (project.project / "load.sh").write_text("#!/bin/sh\n")
    keep(ETL, message="First")
    return keep


def head(store, name="etl"):
    return store.get(Deploy, store.ref(f"workflows/{name}"))


def test_the_first_deploy_records_everything(project, etl):
    found = head(project)
    assert (found.workflow, found.parents, found.message) == ("etl", (), "First")
    assert (found.time, found.author, found.action) == (NOON, ADA, "deploy")
    assert found.settings == {"description": "Fetch, then load", "schedule": "0 2 * * *"}
    assert found.source.path == "etl.yaml"
    assert join_text(project, found.source) == ETL.encode()
    assert found.origin is None


def test_a_deploy_is_an_operation(project, etl):
    done = etl(ETL.replace("0 2", "0 3"), hours=1)
    operation = project.get(Operation, project.ref("ops"))
    assert operation.moves == (("workflows/etl", done.parent, done.deploy),)
    assert (operation.author, operation.argv) == (ADA, ("ork", "test"))
    assert project.get(Operation, operation.parent).parent is None


def test_the_same_again_writes_nothing(project, etl):
    before = contents(project)
    done = etl(ETL, message="Again", hours=1)
    assert (done.changed, done.bytes_written, done.message) == (False, 0, "First")
    assert done.deploy == project.ref("workflows/etl")
    assert contents(project) == before


def reordered(text):
    head_, tail = text.split("tasks:\n")
    load_at = tail.index("  load:")
    return "tasks:\n" + tail[load_at:] + tail[:load_at] + head_


@pytest.mark.parametrize(
    "edit",
    [
        lambda t: "# a comment\n" + t.replace("\n", " # and another\n", 1),
        reordered,
        lambda t: t.replace("[extract]", "['extract']").replace('"0 2 * * *"', "'0 2 * * *'"),
        lambda t: t.replace("\n", "\r\n"),
        lambda t: "---\n" + t + "...\n",
        lambda t: "\ufeff" + t,
        lambda t: t.replace("{rows: int}", "{\n      rows: int}"),
        lambda t: t.replace("executor: process", "executor: shell"),
        lambda t: t.replace("  load:\n", "  load:\n    retries: 0\n    timeout: 300.0\n"),
        lambda t: t.replace("tasks/etl.py", "./tasks//etl.py"),
        lambda t: t.replace("tasks:", "types: {T: {rows: int}}\ntasks:").replace(
            "output_type: {rows: int}", "output_type: types.T"
        ),
        lambda t: t.replace("file: tasks", "function: main\n    file: tasks"),
    ],
    ids=[
        "comments",
        "order",
        "quoting",
        "crlf",
        "markers",
        "bom",
        "layout",
        "alias",
        "defaults",
        "path",
        "type_alias",
        "function",
    ],
)
def test_what_does_not_change_the_definition_writes_nothing(project, etl, edit):
    before = contents(project)
    text = edit(ETL)
    assert text != ETL
    assert not etl(text, hours=1).changed
    assert contents(project) == before


def test_the_definition_as_json_is_the_same(project, etl):
    before = contents(project)
    document = {
        "name": "etl",
        "description": "Fetch, then load",
        "schedule": "0 2 * * *",
        "tasks": {
            "load": {"command": "./load.sh", "executor": "process", "depends_on": ["extract"]},
            "extract": {
                "executor": "python",
                "file": "tasks/etl.py",
                "output_type": {"rows": "int"},
            },
        },
    }
    assert not etl(json.dumps(document)).changed
    assert contents(project) == before


def test_a_folder_that_was_moved_has_the_same_snapshot_and_another_path(project, etl):
    before, oid = head(project), project.ref("workflows/etl")
    moved = project.project / "moved"
    moved.mkdir()
    for name in ("etl.yaml", "tasks", "load.sh"):
        (project.project / name).rename(moved / name)
    done = deploy(project, moved / "etl.yaml", stamp=stamp(1))
    assert (done.changed, done.moved, done.snapshot) == (False, "etl.yaml", before.snapshot)
    assert done.message == "Move etl.yaml to moved/etl.yaml"
    assert (head(project).source.path, head(project).parents) == ("moved/etl.yaml", (oid,))
    assert head(project).source.blob == before.source.blob
    reachable(project, done.deploy)
    kept = contents(project)
    assert deploy(project, moved / "etl.yaml", stamp=stamp(2)).moved is None
    assert contents(project) == kept


def test_another_file_with_the_name_of_a_workflow_needs_to_be_a_move(project, etl):
    before = contents(project)
    copy = project.project / "copy.yaml"
    for text in (ETL, ETL.replace("0 2", "0 3")):
        copy.write_text(text)
        with pytest.raises(InvalidInput) as error:
            deploy(project, copy, stamp=stamp(1))
        (problem,) = error.value.problems
        assert (problem.line, problem.column, problem.source) == (1, 7, "name: etl")
        assert "etl is deployed from" in problem.message
        assert "--move" in problem.hint
        assert contents(project) == before
    done = deploy(project, copy, stamp=stamp(1), move=True)
    assert (done.changed, done.moved) == (True, "etl.yaml")
    assert done.message.endswith('"0 2 * * *" -> "0 3 * * *" (moved from etl.yaml)')
    assert head(project).source.path == "copy.yaml"


def test_a_file_that_moved_and_changed_needs_to_be_a_move(project, etl):
    (project.project / "etl.yaml").rename(project.project / "new.yaml")
    (project.project / "new.yaml").write_text(ETL.replace("0 2", "0 3"))
    with pytest.raises(InvalidInput) as error:
        deploy(project, project.project / "new.yaml", stamp=stamp(1))
    assert "which is gone: this looks like a move" in error.value.problems[0].message
    assert deploy(project, project.project / "new.yaml", stamp=stamp(1), move=True).changed


def test_a_name_that_another_deploy_took_meanwhile_is_refused(overtaking):
    store, path = overtaking
    theirs, other = Store(store.backend), path.parent / "other.yaml"
    other.write_text(large(3).replace("large", "etl"))
    store.backend.others = [lambda: deploy(theirs, other, stamp=stamp(1))]
    with pytest.raises(InvalidInput, match="nothing was deployed"):
        deploy(store, path, stamp=stamp(2))


def test_one_file_with_two_spellings_is_one_file(project, etl):
    """As on a disk that does not tell upper case from lower."""
    os.link(project.project / "etl.yaml", project.project / "ETL.yaml")
    done = deploy(project, project.project / "ETL.yaml", stamp=stamp(1))
    assert (done.changed, done.moved) == (False, None)


def test_what_moves_is_searched_for_keys_although_its_definition_is_kept(project, etl):
    (project.project / "etl.yaml").unlink()
    text = "# AKIA" + "IOSFODNN7REALKEY\n" + ETL  # apart: this file has no key
    (project.project / "new.yaml").write_text(text)
    with pytest.raises(InvalidInput, match="1 problem"):
        deploy(project, project.project / "new.yaml", stamp=stamp(1))
    assert head(project).source.path == "etl.yaml"


def test_files_that_no_task_calls_do_not_count(project, etl):
    before = contents(project)
    (project.project / "notes.txt").write_text("x")
    (project.project / "tasks/other.py").write_text("x")
    os.utime(project.project / "load.sh", (1, 1))
    assert not etl(ETL).changed
    assert contents(project) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "tasks/etl.py").write_text(
            "from tasks import parts\ndef main(): pass\n"
        ),
        lambda folder: (folder / "tasks/parts.py").write_text("x = 2\n"),
        lambda folder: (folder / "load.sh").write_text("#!/bin/sh\n\n"),
        lambda folder: (folder / "load.sh").chmod(0o755),
        lambda folder: (folder / "tasks/__init__.py").write_text(""),
    ],
    ids=["code", "import", "script", "mode", "package"],
)
def test_what_changes_the_code_is_a_new_snapshot(project, etl, change):
    before = head(project)
    change(project.project)
    done = etl(ETL, hours=1)
    assert done.changed
    assert done.snapshot != before.snapshot
    assert done.parent == head(project).parents[0]
    reachable(project, done.deploy)


def test_a_change_of_settings_is_a_new_deploy_of_the_same_snapshot(project, etl):
    before = head(project)
    done = etl(ETL.replace("0 2", "0 3"), hours=1)
    assert done.changed
    assert done.snapshot == before.snapshot
    assert done.message == 'Change schedule "0 2 * * *" -> "0 3 * * *"'
    assert head(project).settings["schedule"] == "0 3 * * *"


def test_changing_and_changing_back_are_two_deploys(project, etl):
    first = head(project)
    etl(ETL.replace("0 2", "0 3"), hours=1)
    done = etl(ETL, hours=2)
    assert done.changed
    assert done.snapshot == first.snapshot
    # One head, one chain of operations, one text whose meaning is known, one file.
    assert len(list(contents(project)[1])) == 4


def test_another_name_is_another_workflow_with_the_same_snapshot(project, etl):
    first = head(project)
    done = etl(ETL.replace("name: etl", "name: other"), new=True)
    assert (done.parent, done.snapshot) == (None, first.snapshot)
    assert done.message == "First deploy of 2 tasks"


def test_messages(project, etl):
    assert etl(ETL.replace("0 2", "0 3"), message="Why\n\nBecause.").message == "Why\n\nBecause."
    with pytest.raises(InvalidInput, match="longer than 64 KiB"):
        etl(ETL, message="é" * 40_000)
    with pytest.raises(InvalidInput, match="not UTF-8"):
        etl(ETL, message="\udcff")


def test_everything_a_deploy_needs_is_in_the_store(project, etl):
    for number in range(5):
        (project.project / "tasks/parts.py").write_text(f"x = {number}\n" * 10)
        etl(ETL.replace("[extract]", f"[extract]\n    retries: {number}"), hours=number)
    objects, refs = contents(project)
    assert reachable(project, *refs.values()) == objects.keys()


def large(tasks, changed=-1):
    rows = [
        f"  t{n:05d}: {{executor: process, command: echo {n + (n == changed)}}}\n"
        for n in range(tasks)
    ]
    return "name: large\ntasks:\n" + "".join(rows)


@pytest.mark.slow
def test_one_change_among_two_thousand_tasks_writes_little(project, keep):
    first = keep(large(2000))
    objects, _ = contents(project)
    second = keep(large(2000, changed=1234), hours=1)
    after, refs = contents(project)
    written = sum(len(data) for oid, data in after.items() if oid not in objects)
    assert written < 40_000 < first.bytes_written / 10
    # What the result says is what was written, but for the operation and what was there already.
    assert second.bytes_written < 40_000
    assert reachable(project, *refs.values()) == after.keys()


@pytest.mark.slow
@given(st.data())
@settings(deadline=None, max_examples=examples(25))
def test_any_history_is_complete(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("project")
    store = Store(Memory())
    numbers = random.Random(data.draw(st.integers(0, 1 << 30)))
    tasks = {f"t{n}": 0 for n in range(data.draw(st.sampled_from([1, 2, 250, 258, 600])))}
    for step in range(4):
        for _ in range(numbers.randrange(4)):
            tasks[numbers.choice(list(tasks))] = step
            tasks[f"t{numbers.randrange(700)}"] = step
            if len(tasks) > 1:
                tasks.pop(numbers.choice(list(tasks)))
        rows = [
            f'  {name}: {{executor: process, command: "echo {n}"}}\n' for name, n in tasks.items()
        ]
        (folder / "w.yaml").write_text("name: w\ntasks:\n" + "".join(rows))
        deploy(store, folder / "w.yaml", stamp=stamp(step))
        _, refs = contents(store)
        reachable(store, *refs.values())


# -- races that one process can lose


class Overtaking(Memory):
    """A backend where others move refs just before our next writes."""

    def __init__(self):
        super().__init__()
        self.others = []

    def write(self, objects, moves, remove=(), needs=()):
        if self.others and any(name.startswith("workflows/") for name in moves):
            self.others.pop()()
        return super().write(objects, moves, remove, needs)


@pytest.fixture
def overtaking(tmp_path):
    (tmp_path / "etl.yaml").write_text(large(2).replace("large", "etl"))
    return Store(Overtaking()), tmp_path / "etl.yaml"


def test_a_deploy_that_was_overtaken_becomes_the_child_of_the_other(overtaking):
    store, path = overtaking
    deploy(store, path, stamp=stamp())
    theirs = Store(store.backend)
    (path.parent / "other.yaml").write_text(large(3).replace("large", "etl"))
    file = path.parent / "other.yaml"
    store.backend.others = [lambda: deploy(theirs, file, stamp=stamp(1), move=True)]
    path.write_text(large(4).replace("large", "etl"))
    done = deploy(store, path, stamp=stamp(2), move=True)
    other = theirs.get(Deploy, done.parent)
    assert store.get(Deploy, done.deploy).parents == (done.parent,)
    assert other.time == stamp(1).time
    reachable(store, *dict(store.backend.refs()).values())


def test_a_deploy_that_was_overtaken_by_its_equal_has_nothing_to_do(overtaking):
    store, path = overtaking
    theirs = Store(store.backend)
    store.backend.others = [lambda: deploy(theirs, path, stamp=stamp(1))]
    done = deploy(store, path, stamp=stamp(2))
    assert not done.changed
    assert store.get(Deploy, done.deploy).time == stamp(1).time


def test_a_conflict_about_another_ref_is_not_retried(overtaking):
    store, path = overtaking
    loaded = load(store, path)
    with pytest.raises(Conflict), store.transaction(stamp()) as tx:
        tx.add_all(loaded.built.objects)
        tx.move("workflows/etl", old=loaded.snapshot, new=loaded.snapshot)
    assert contents(store) == ({}, {})


# -- reading the file


def test_what_is_no_workflow_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "folder.yaml").mkdir()
    for path, error in (
        (tmp_path / "pipe.yaml", InvalidInput),
        (tmp_path / "folder.yaml", InvalidInput),
        (tmp_path / "none.yaml", NotFound),
        (Path("/dev/null"), InvalidInput),
        (tmp_path / ("x" * 300), InvalidInput),
        (Path("a\0b"), InvalidInput),
    ):
        with pytest.raises(error):
            read_text(path)


def test_the_size_of_a_workflow_file_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("ork.worktree.load.TEXT_BYTES_MAX", 100)
    (tmp_path / "w.yaml").write_text("x" * 100)
    assert len(read_text(tmp_path / "w.yaml")) == 100
    (tmp_path / "w.yaml").write_text("x" * 101)
    with pytest.raises(InvalidInput, match="is larger than"):
        read_text(tmp_path / "w.yaml")


def test_checking_stores_and_holds_nothing(project, etl):
    before = contents(project)
    loaded = check(project.project / "etl.yaml")
    assert loaded.snapshot == head(project).snapshot
    assert contents(project) == before
    assert not project.held.keys() - reachable(project, *before[1].values())


# -- status


def states(store, folder=None):
    return {one.path: one.state for one in status(store, folder or store.project, author="Ada")}


def test_how_files_stand_to_their_heads(project, etl, keep):
    assert states(project) == {"etl.yaml": "unchanged"}
    (project.project / "new.yaml").write_text(large(1))
    (project.project / "bad.yml").write_text("name: x\ntasks: 3\n")
    (project.project / "values.yaml").write_text("rows: 3\n")
    (project.project / "load.sh").write_text("changed\n")
    assert states(project) == {"etl.yaml": "modified", "new.yaml": "new", "bad.yml": "invalid"}
    (project.project / "etl.yaml").unlink()
    assert states(project)["etl.yaml"] == "missing"


def test_what_a_modified_file_would_change_is_summed_up(project, etl):
    (project.project / "etl.yaml").write_text(ETL.replace("0 2", "0 3"))
    (found,) = status(project, project.project, author="Ada")
    assert found.summary == 'Change schedule "0 2 * * *" -> "0 3 * * *"'
    (project.project / "etl.yaml").write_text("name: [")
    (found,) = status(project, project.project, author="Ada")
    assert (found.state, found.workflow) == ("invalid", "etl")
    assert "not valid YAML" in found.summary


def test_files_of_deploys_are_looked_at_wherever_one_stands(project, etl):
    below = project.project / "tasks"
    (below / "new.yaml").write_text(large(1))
    assert states(project, below) == {"etl.yaml": "unchanged", "tasks/new.yaml": "new"}


def test_status_goes_into_no_hidden_folder_and_follows_no_link(project, etl, tmp_path):
    (tmp_path / "outside.yaml").write_text(large(1))
    for folder in (".hidden", "node_modules", "__pycache__"):
        (project.project / folder).mkdir()
        (project.project / folder / "new.yaml").write_text(large(1))
    (project.project / "link.yaml").symlink_to(tmp_path / "outside.yaml")
    (project.project / "loop").symlink_to(project.project)
    os.mkfifo(project.project / "pipe.yaml")
    assert states(project) == {"etl.yaml": "unchanged"}


def test_status_writes_nothing(project, etl):
    (project.project / "new.yaml").write_text(large(1))
    before = contents(project)
    states(project)
    assert contents(project) == before


def test_a_path_is_recorded_relative_to_the_project(project, etl, tmp_path, monkeypatch):
    (project.project / "below").mkdir()
    (project.project / "below/w.yaml").write_text(large(1))
    monkeypatch.chdir(project.project / "below")
    deploy(project, Path("w.yaml"), stamp=stamp())
    assert head(project, "large").source.path == "below/w.yaml"
    (tmp_path / "out.yaml").write_text(large(1).replace("large", "out"))
    deploy(project, tmp_path / "out.yaml", stamp=stamp())
    assert head(project, "out").source.path == "../out.yaml"
    assert states(project)["../out.yaml"] == "unchanged"


def test_a_link_to_a_workflow_file_means_that_file(project, etl):
    (project.project / "below").mkdir()
    (project.project / "below/link.yaml").symlink_to(project.project / "etl.yaml")
    before = contents(project)
    assert not deploy(project, project.project / "below/link.yaml", stamp=stamp(1)).changed
    assert contents(project) == before


def test_equal_files_have_equal_snapshots_in_every_store_and_folder(project, etl, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(project.project, copy, ignore=shutil.ignore_patterns(".ork"))
    (copy / "etl.yaml").rename(copy / "renamed.yml")
    done = deploy(Store(Memory()), copy / "renamed.yml", stamp=stamp(5))
    assert done.snapshot == head(project).snapshot
