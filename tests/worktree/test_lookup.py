import json
import os

import pytest

from ork.errors import InvalidInput, NotFound
from ork.store.resolve import deploy_of
from ork.worktree.lookup import as_revision, files_in, look_up, workflow_files
from tests.store.test_resolve import NOW, own, version

__all__ = ["own"]  # a fixture


@pytest.fixture
def look(own, monkeypatch):
    """Look up a text in the folder of the project."""
    monkeypatch.chdir(own.store.project)
    return lambda text: look_up(own.store, text, now=NOW)


def test_a_file_that_is_not_deployed(own, look):
    (own.store.project / "new.yaml").write_text(new := version(9).replace("etl", "new"))
    found = look("file:new.yaml")
    assert (found.kind, found.workflow, found.deploy) == ("snapshot", "new", None)
    assert look("file:new.yaml:extract").kind == "task"
    text = look("file:new.yaml:")
    assert (text.name, text.oid, text.of.loaded.text) == ("", found.oid, new.encode())
    assert look("file:new.yaml:run.sh").kind == "blob"
    assert look(f"file:{own.store.project}/etl.yaml").oid == own.snapshots[3]
    with pytest.raises(NotFound, match="belongs to no deploy"):
        deploy_of(own.store, found)


def test_a_file_that_is_wrong(own, look):
    (own.store.project / "bad.yaml").write_text("name: [")
    os.mkfifo(own.store.project / "pipe.yaml")
    for name in ("bad.yaml", "pipe.yaml", "."):
        with pytest.raises(InvalidInput):
            look(f"file:{name}")


def test_a_file_that_is_not_there(look):
    with pytest.raises(NotFound, match=r"no file none\.yaml"):
        look("file:none.yaml")
    with pytest.raises(NotFound, match="has no task or code file 'nothing'"):
        look("file:etl.yaml:nothing")


def test_anything_else_is_a_revision(look, own):
    assert look("etl~1") == own.resolve("etl~1")
    assert look("etl:") == own.resolve("etl:")


def test_the_path_of_a_workflow_file_stands_for_the_file(look):
    assert as_revision("etl.yaml") == "file:etl.yaml"
    assert as_revision("none.yaml") == "none.yaml"
    assert as_revision("etl:etl.yaml") == "etl:etl.yaml"
    assert as_revision("run.sh") == "run.sh"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "name: a\ntasks:\n"),
        ("a.yaml", "\"name\": a\n'tasks':\n"),
        ("a.yaml", "name: a\ntasks : {b: {executor: process}}\n"),
        ("a.yaml", "{name: a, tasks: {b: {executor: process}}}\n"),
        ("a.json", json.dumps({"name": "a", "tasks": {"b": {"executor": "process"}}})),
        ("a.json", json.dumps({"tasks": {"b{": {"executor": "process"}}}, indent=4)),
        ("a.yml", '{"params": {"x\\"{": 1}, "tasks" : {"b": {"executor": "process", [} oh'),
    ],
)
def test_a_file_with_tasks_at_its_top_is_a_workflow(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert [*map(str, files_in(tmp_path))] == [name]
    assert [*workflow_files(tmp_path)] == [tmp_path / name]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "jobs:\n  tasks:\n"),
        ("a.txt", "tasks:\n"),
        ("a.yaml", "{executor: a, my-tasks: {b: {}}}\n"),
        ("deno.json", json.dumps({"tasks": {"dev": "deno run main.ts"}})),
        ("tasks.json", json.dumps({"version": "2.0.0", "tasks": [{"executor": 1}]})),
        ("show.json", json.dumps({"data": {"tasks": {"a": {"executor": "process"}}}})),
        ("a.json", json.dumps(["tasks", {"executor": 1}])),
    ],
)
def test_what_others_write_is_no_workflow(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert not files_in(tmp_path)
    assert not [*workflow_files(tmp_path)]


def test_many_json_files_hide_no_yaml(tmp_path):
    for n in range(5):
        (tmp_path / f"{n}.json").write_text("{}")
    (tmp_path / "z.yaml").write_text("tasks:\n")
    assert [*workflow_files(tmp_path, at_most=2)] == [tmp_path / "z.yaml"]


def test_the_files_of_another_project_below_are_not_of_this_one(tmp_path):
    for folder in (tmp_path, tmp_path / "other", tmp_path / "own"):
        folder.mkdir(exist_ok=True)
        (folder / "w.yaml").write_text("tasks:\n")
    for project in (tmp_path, tmp_path / "other"):
        (project / ".ork").mkdir()
    assert [*workflow_files(tmp_path)] == [tmp_path / "w.yaml", tmp_path / "own/w.yaml"]
    assert [*workflow_files(tmp_path / "other")] == [tmp_path / "other/w.yaml"]
