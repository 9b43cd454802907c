"""`import ork`: cheap, complete, and as its documentation says."""

import re
import subprocess
import sys
import textwrap
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import pytest

import ork as library

ROOT = Path(__file__).parents[1]
HEAVY = (
    "typer",
    "rich",
    "ruamel",
    "lmdb",
    "blake3",
    "asyncio",
    "multiprocessing",
    "inspect",
    "concurrent",
    "subprocess",
    "ork.api",
    "ork.store",
    "ork.core",
)


def python(code, folder=ROOT):
    child = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=folder,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT), "HOME": str(folder), "PATH": "/usr/bin:/bin"},
    )
    assert child.returncode == 0, child.stderr
    assert child.stderr == ""
    return child.stdout


def test_importing_ork_imports_nothing_heavy():
    out = python("import sys, ork; print(*(set(sys.modules)))")
    loaded = set(out.split())
    assert not [name for name in HEAVY if name in loaded]
    assert "ork" in loaded


def test_the_library_needs_nothing_of_the_command_line():
    out = python("import sys, ork; ork.open, ork.run, ork.Store; print(*(set(sys.modules)))")
    assert not {"typer", "rich", "ork.cli", "ruamel"} & set(out.split())


def test_every_public_name_is_there():
    assert library.__all__ == sorted(set(library.__all__))
    for name in library.__all__:
        assert getattr(library, name).__doc__, name
    assert dir(library) == list(library.__all__)
    names = "from ork import *; print(sorted(n for n in dir() if not n.startswith('__')))"
    assert python(names) == f"{sorted(library.__all__)}\n"


def test_the_version_is_that_of_the_distribution():
    assert library.__version__ == version("ork-workflows")


def test_a_store_is_closed_at_the_end_of_its_block(etl):
    with library.open(etl.folder, create=True) as store:
        library.deploy(store, str(etl.folder / "etl.yaml"))
    with library.open(etl.folder) as store:
        assert [entry.deploy.workflow for entry in library.log(store)] == ["etl"]


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'ork' has no attribute 'lgo'"):
        _ = library.lgo


def example(text):
    """Return the first indented block that begins with `import ork`."""
    found = re.search(r"(?m)^(    import ork\n(?:(?:    .*)?\n)+)", text)
    assert found
    return textwrap.dedent(found[1])


def test_the_example_of_the_docstring_works(etl, edit):
    etl("deploy", "etl.yaml")
    edit("etl.yaml", "timeout: 300", "timeout: 600")
    out = python(example(library.__doc__), etl.folder)
    assert "RunStarted" in out
    assert "RunFinished" in out
    assert "Fetch twice a day" in out
    assert "Diff(tasks=(TaskChange(kind='changed', name='extract'" in out
    assert "Fetch twice a day" in etl("log").out
    assert "etl#1" in etl("runs").out


def test_the_example_of_the_readme_works(etl, edit):
    etl("deploy", "etl.yaml")
    edit("etl.yaml", "timeout: 300", "timeout: 600")
    blocks = re.findall(r"(?ms)^```python\n(.*?)^```", (ROOT / "README.md").read_text())
    for block in blocks:
        assert "import ork" in block
        python(block, etl.folder)


# -- in this process


@pytest.fixture
def store(etl):
    opened = library.open(create=True)
    yield opened
    opened.close()


def test_a_store_is_found_upwards_or_made(etl, monkeypatch):
    with pytest.raises(library.NotFound, match="no ork store in") as caught:
        library.open(etl.folder)
    assert caught.value.hint
    assert not (etl.folder / ".ork").exists()
    library.open(etl.folder, create=True).close()
    for path in (etl.folder / "tasks", str(etl.folder), "."):
        opened = library.open(path)
        assert opened.folder == etl.folder / ".ork"
        opened.close()
        opened.close()


def test_the_whole_story(store, edit):
    done = library.deploy(store, "etl.yaml", message="First", author="Ada <ada@example.org>")
    assert (done.workflow, done.changed, done.task_count) == ("etl", True, 2)
    assert not library.deploy(store, Path("etl.yaml")).changed
    events = list(library.run(store, "etl"))
    assert events[-1].run.state == "success"
    edit("etl.yaml", "timeout: 300", "timeout: 600")
    assert [one.state for one in library.status(store)] == ["modified"]
    assert list(library.run(store, "etl.yaml"))[-1].run.number == 2
    first, second = reversed(list(library.log(store, "etl")))
    assert (first.deploy.author, first.runs.counts) == ("Ada <ada@example.org>", {"success": 1})
    assert second.deploy.parents == (first.oid,)
    assert isinstance(second.deploy.time, datetime)
    assert library.resolve(store, "etl~1").oid == first.oid
    assert [entry.run.number for entry in library.runs(store, "etl")] == [2, 1]
    assert list(library.runs(store, states=("failed",))) == []
    shown = library.show(store, "etl#1")
    assert shown.tasks["load"].output == {"loaded": 3}
    assert list(library.show(store, "etl").tasks) == ["extract", "load"]
    (change,) = library.diff(store, "etl#1", "etl#2").diff.tasks
    assert change.fields[0].path == "timeout"
    assert not library.diff(store, "etl", "etl").diff
    assert not library.diff(store, "etl#1", "etl#2", tasks=["load"]).diff
    touched = {part.name: part.deploy for part in library.blame(store, "etl").parts}
    assert (touched["load"], touched["extract"]) == (first.oid, second.oid)
    assert [entry.oid for entry in library.log(store, "etl:load")] == [first.oid]
    impact = library.impact(store, library.diff(store, "etl~1", "etl", tasks=["extract"]))
    assert [(one.name, one.why) for one in impact.affected] == [
        ("extract", "changed"),
        ("load", "upstream"),
    ]


def test_moving_and_undoing(store, edit):
    first = library.deploy(store, "etl.yaml", message="First")
    library.tag(store, "v1")
    edit("etl.yaml", "timeout: 300", "timeout: 600")
    second = library.deploy(store, "etl.yaml", message="Second")
    back = library.rollback(store, "etl", "@v1", message="It lost rows")
    assert (back.restores, back.parent) == (first.deploy, second.deploy)
    written = library.restore(store, "etl", code=True)
    assert [file.path for file in written.files if file.state == "written"] == ["etl.yaml"]
    assert [one.state for one in library.status(store)] == ["unchanged"]
    assert library.restore(store, "etl~1", to="old.yaml").files[0].path == "old.yaml"
    assert [one.label for one in library.tags(store, "etl")] == ["v1"]
    assert library.untag(store, "etl@v1").removed
    assert library.undo(store).moves == (("tags/etl/v1", None, first.deploy),)
    argv = [operation.argv for _, operation in library.operations(store, limit=3)]
    assert [words[1:] for words in argv] == [("undo",), ("untag", "etl@v1"), ("rollback", "etl")]
    then = library.open(at_op="@{3}")
    assert library.resolve(then, "etl").oid == second.deploy
    then.close()
    with pytest.raises(library.NotFound, match="not that many operations"):
        library.open(at_op="@{99}")


def test_check_needs_no_store(etl):
    loaded = library.check(Path("etl.yaml"))
    assert loaded.definition.name == "etl"
    assert not (etl.folder / ".ork").exists()


def test_errors_say_what_happened_and_what_to_do(store, etl):
    library.deploy(store, "etl.yaml")
    with pytest.raises(library.NotFound) as caught:
        library.resolve(store, "elt")
    assert caught.value.message == str(caught.value) == "no workflow or object named 'elt'"
    assert (caught.value.hint, caught.value.exit_code) == ("did you mean etl?", 3)
    etl.write("bad.yaml", "name: bad\ntasks:\n  a: {executor: pyhton, colour: red}\n")
    with pytest.raises(library.InvalidInput) as caught:
        library.deploy(store, "bad.yaml")
    assert {(problem.line, problem.file) for problem in caught.value.problems} == {(3, "bad.yaml")}
    assert len(caught.value.problems) >= 2
    etl.write("other.yaml", "name: other\ntasks: {a: {executor: process, command: ls}}\n")
    library.deploy(store, "other.yaml")
    with pytest.raises(library.Ambiguous) as caught:
        library.resolve(store, "@")
    assert caught.value.candidates == ("etl", "other")
    for error in ("NotFound", "Ambiguous", "InvalidInput", "Conflict", "Corrupt"):
        assert issubclass(getattr(library, error), library.OrkError)


def test_a_task_that_fails_is_an_event_and_no_exception(store, etl):
    etl.write("load.sh", "#!/bin/sh\nexit 3\n", executable=True)
    *_, finished = library.run(store, "etl.yaml")
    assert (finished.run.state, finished.states) == ("failed", {"failed": 1, "success": 1})


def test_closing_the_events_stops_the_run(store, etl):
    etl.write("load.sh", "#!/bin/sh\nsleep 600\n", executable=True)
    events = library.run(store, "etl.yaml")
    next(events)
    events.close()
    (entry,) = library.runs(store)
    assert entry.run.state == "cancelled"


def test_a_closed_store_says_so(etl):
    opened = library.open(create=True)
    opened.close()
    with pytest.raises(library.OrkError, match="the store is closed"):
        list(library.log(opened))


def test_a_history_goes_to_git_and_comes_back(store, tmp_path):
    oid = library.deploy(
        store, "etl.yaml", message="First", author="Ada <ada@example.org>"
    ).snapshot
    done = library.export_git(store, tmp_path / "out")
    assert (done.workflow, done.commits) == ("etl", 1)
    assert library.export_git(store, tmp_path / "out", "etl", update=True).added == 0
    (tmp_path / "other").mkdir()
    other = library.open(tmp_path / "other", create=True)
    found = library.import_git(other, tmp_path / "out", "*.yaml").workflows[0]
    assert [one.snapshot for one in found.added] == [oid]
    other.close()


def test_schedules_pauses_and_the_queue(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = "name: etl\nschedule: '@hourly'\non_success: {command: echo done > done}\n"
    text += "tasks:\n  a: {executor: process, command: 'true'}\n"
    (tmp_path / "etl.yaml").write_text(text)
    store = library.open(tmp_path, create=True)
    try:
        list(library.run(store, "etl.yaml"))
        assert (tmp_path / "done").exists()
        (tmp_path / "done").unlink()
        list(library.run(store, "etl", hooks=False))
        assert not (tmp_path / "done").exists()
        assert library.pause(store, "etl", author="Ada").author == "Ada"
        (listed,) = library.schedules(store, "etl")
        assert listed.paused and listed.next is None
        assert library.resume(store, "etl").workflow == "etl"
        assert library.schedules(store)[0].next is not None
        waiting = library.queue(store, "etl")
        assert library.queued(store) == [waiting]
        library.unqueue(store, waiting)
        assert library.queued(store) == []
    finally:
        store.close()
