"""`import ork`: cheap, complete, and as its documentation says."""

import ast
import inspect
import json
import pickle
import re
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path

import pytest

import ork as library
from ork import errors
from ork.objects.value import Value, replace
from ork.project import stamp_of
from tests.orkdb.databases import fill, sqlite

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
    out = python("import sys, ork; ork.open, ork.Project; print(*(set(sys.modules)))")
    assert not {"typer", "rich", "ork.cli", "ruamel"} & set(out.split())


@pytest.mark.slow
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
    with library.open(etl.folder, create=True) as project:
        project.deploy(str(etl.folder / "etl.yaml"))
    with library.open(etl.folder) as project:
        assert [entry.deploy.workflow for entry in project.log()] == ["etl"]


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'ork' has no attribute 'lgo'"):
        _ = library.lgo


def example(text):
    """Return the first indented block that begins with `import ork`."""
    found = re.search(r"(?m)^(    import ork\n(?:(?:    .*)?\n)+)", text)
    assert found
    return textwrap.dedent(found[1])


@pytest.mark.slow
def test_the_example_of_the_docstring_works_in_a_new_project(etl):
    out = python(example(library.__doc__), etl.folder)
    assert out.startswith("success {'extract': {'rows': 3}, 'load': {'loaded': 3}}\n")
    assert "Fetch twice a day" in out
    assert "● load" in out
    assert "Fetch twice a day" in etl("log").out
    assert "etl#1" in etl("runs").out


@pytest.mark.slow
def test_the_example_of_the_readme_works_in_a_new_project(etl):
    blocks = re.findall(r"(?ms)^```python\n(.*?)^```", (ROOT / "README.md").read_text())
    for block in blocks:
        assert "import ork" in block
        python(block, etl.folder)


# -- in this process


@pytest.fixture
def project(etl):
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
        assert opened.store.folder == etl.folder / ".ork"
        opened.close()
        opened.close()


@pytest.mark.parametrize("renamed", ["by ork mv", "in the file"])
def test_a_file_under_another_name_is_no_second_workflow_unless_it_is_to_be(project, edit, renamed):
    project.deploy("etl.yaml")
    if renamed == "by ork mv":
        project.move("etl", "load")
    else:
        edit("etl.yaml", "name: etl", "name: load")
    was = {one.workflow for one in project.workflows()}
    for refused in (
        lambda: project.deploy("etl.yaml"),
        lambda: project.queue("etl.yaml"),
        lambda: project.run("etl.yaml"),
    ):
        with pytest.raises(library.InvalidInput, match="nothing was deployed") as caught:
            refused()
        assert "this file is deployed as" in caught.value.problems[0].message
    assert {one.workflow for one in project.workflows()} == was
    assert project.deploy("etl.yaml", new=True).changed
    assert {one.workflow for one in project.workflows()} == {"etl", "load"}
    assert project.queue("etl.yaml").workflow in {"etl", "load"} - was


def test_what_was_undone_is_told_in_the_words_of_the_command(project, etl):
    project.deploy("etl.yaml")
    for act, told in (
        (lambda: project.pause("etl"), "etl goes on"),
        (lambda: project.archive("etl"), "etl is no longer archived"),
        (lambda: project.move("etl", "load"), "etl created, load removed"),
    ):
        act()
        undone = project.undo()
        assert undone.cells()["moved"] == told
    assert "etl  is paused" in etl("ops").out


@pytest.mark.slow
def test_all_that_is_returned_is_a_short_line(project, etl, tmp_path):
    run = project.run("etl.yaml")
    (tmp_path / "old").mkdir()
    original = sqlite(tmp_path / "old" / "ork.db")
    fill(original)
    original.close()
    library.clone(".", tmp_path / "team")
    project.add_remote("team", tmp_path / "team")
    project.run("etl")
    moved = project.move("etl", "load")
    project.undo()
    returned = (
        moved,
        project.push("team"),
        project.push("team", "etl", force=True),
        project.pull("team"),
        project.fetch("team"),
        project.backup(tmp_path / "a.orkbackup"),
        library.restore_backup(tmp_path / "a.orkbackup", tmp_path / "restored"),
        library.clone(".", tmp_path / "copy"),
        project.gc(),
        project.create_bundle(tmp_path / "a.bundle", runs=None),
        project.import_bundle(tmp_path / "a.bundle"),
        project.export_git(tmp_path / "git"),
        project.import_git(tmp_path / "git", "*.yaml"),
        project.import_ork_db(tmp_path / "old" / "ork.db", dry_run=True),
        project.backfill("etl", since=run.run.created - timedelta(days=3)),
    )
    project.close()
    returned += (
        library.fsck(),
        library.repair(),
        library.forget(text="loading"),
        library.repack(),
    )
    for one in returned:
        name = type(one).__name__
        assert re.fullmatch(rf"<{name} [^={{]+>", repr(one)), one
        assert "\n" not in repr(one) and len(repr(one).replace(str(tmp_path), "")) < 160, one
        assert one._repr_html_().startswith("<table>")
    given = {"Options", "Selection", "Task"}
    kinds = (getattr(library, name) for name in set(library.__all__) - given)
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, Value):
            assert kind.cells is not Value.cells, kind


def test_a_dry_run_puts_nothing_into_the_queue(project):
    project.deploy("etl.yaml")
    would = project.backfill("etl", since="3 days ago", dry_run=True)
    assert would.queued and project.queued() == []
    done = project.backfill("etl", since="3 days ago")
    assert len(project.queued()) == len(done.queued) == len(would.queued)


def test_the_whole_story(project, edit):
    done = project.deploy("etl.yaml", message="First", author="Ada <ada@example.org>")
    assert (done.workflow, done.changed, done.task_count) == ("etl", True, 2)
    assert not project.deploy(Path("etl.yaml")).changed
    events = list(project.events("etl"))
    assert events[-1].run.state == "success"
    edit("etl.yaml", "timeout: 300", "fresh: true")
    assert [one.state for one in project.status()] == ["modified"]
    assert list(project.events("etl.yaml"))[-1].run.number == 2
    second, first = project.log("etl")
    assert (first.deploy.author, first.runs.counts) == ("Ada <ada@example.org>", {"success": 1})
    assert second.deploy.parents == (first.oid,)
    assert isinstance(second.deploy.time, datetime)
    assert project.resolve("etl~1").oid == first.oid
    assert [entry.run.number for entry in project.runs("etl")] == [2, 1]
    assert project.runs(states=("failed",)) == []
    assert project.runs(author="Nobody") == project.runs(triggers="retry") == []
    assert len(project.runs(triggers=("run", "retry"))) == 2
    assert project.operations("etl", author="Nobody") == []
    assert project.operations("etl", since="1h") == project.operations()
    shown = project.show("etl#1")
    assert shown.tasks["load"].output == {"loaded": 3}
    assert list(project.show("etl").tasks) == ["extract", "load"]
    (change,) = project.diff("etl#1", "etl#2").diff.tasks
    assert change.fields[0].path == "fresh"
    assert not project.diff("etl", "etl").diff
    assert not project.diff("etl#1", "etl#2", tasks=["load"]).diff
    touched = {part.name: part.deploy for part in project.blame("etl").parts}
    assert (touched["load"], touched["extract"]) == (first.oid, second.oid)
    assert [entry.oid for entry in project.log("etl:load")] == [first.oid]
    impact = project.impact(project.diff("etl~1", "etl", tasks=["extract"]))
    assert [(one.name, one.why) for one in impact.affected] == [
        ("extract", "changed"),
        ("load", "upstream"),
    ]


def test_times_of_tasks_are_rows(project, etl):
    project.deploy("etl.yaml")
    assert project.task_times("etl") == []
    with pytest.raises(library.NotFound, match="no run had a parameter named 'day'"):
        project.task_times("etl", params={"day": 1})
    project.run("etl")
    etl.write("load.sh", "#!/bin/sh\nexit 3\n", executable=True)
    project.run("etl.yaml", check=False)
    found = {one.task: one for one in project.task_times()}
    extract, load = found["extract"], found["load"]
    assert (extract.succeeded, extract.failed, load.succeeded, load.failed) == (2, 0, 1, 1)
    assert load.median == load.last > 0
    assert repr(load).startswith("<TaskTimes load, ") and repr(load).endswith(", failed 1 of 2>")
    assert [one.last for one in project.task_times("etl", limit=1) if one.task == "load"] == [None]
    pytest.importorskip("pandas")
    table = project.task_times("etl").to_pandas().set_index("task")
    assert (table.failed["load"], table["median"]["load"]) == (1, load.median)


def test_moving_and_undoing(project, edit):
    first = project.deploy("etl.yaml", message="First")
    project.tag("v1")
    edit("etl.yaml", "timeout: 300", "timeout: 600")
    second = project.deploy("etl.yaml", message="Second")
    back = project.rollback("etl", "@v1", message="It lost rows")
    assert (back.restores, back.parent) == (first.deploy, second.deploy)
    written = project.restore("etl", code=True)
    assert [file.path for file in written.files if file.state == "written"] == ["etl.yaml"]
    assert [one.state for one in project.status()] == ["unchanged"]
    assert project.restore("etl~1", to="old.yaml").files[0].path == "old.yaml"
    assert [one.label for one in project.tags("etl")] == ["v1"]
    assert project.untag("etl@v1").removed
    assert project.undo().moves == (("tags/etl/v1", None, first.deploy),)
    argv = [one.operation.argv for one in project.operations(limit=3)]
    assert [words[1:] for words in argv] == [("undo",), ("untag", "etl@v1"), ("rollback", "etl")]
    then = library.open(at_op="@{3}")
    assert then.resolve("etl").oid == second.deploy
    then.close()
    with pytest.raises(library.NotFound, match="not that many operations"):
        library.open(at_op="@{99}")


def test_check_needs_no_store(etl):
    for path in (Path("etl.yaml"), "etl.yaml"):
        assert library.check(path).definition.name == "etl"
    assert not (etl.folder / ".ork").exists()


def test_errors_say_what_happened_and_what_to_do(project, etl):
    project.deploy("etl.yaml")
    with pytest.raises(library.NotFound) as caught:
        project.resolve("elt")
    assert caught.value.message == str(caught.value) == "no workflow or object named 'elt'"
    assert (caught.value.hint, caught.value.exit_code) == ("did you mean etl?", 3)
    etl.write("bad.yaml", "name: bad\ntasks:\n  a: {executor: pyhton, colour: red}\n")
    with pytest.raises(library.InvalidInput) as caught:
        project.deploy("bad.yaml")
    assert {(problem.line, problem.file) for problem in caught.value.problems} == {(3, "bad.yaml")}
    assert len(caught.value.problems) >= 2
    first, *told = str(caught.value).split("\n")
    assert (first, told[0].partition("; ")[0]) == (
        caught.value.message,
        "bad.yaml:3:17: executor must be one of python, process, library, shell, not 'pyhton'",
    )
    assert told[1] == "    hint: did you mean `python`?"
    assert caught.value.__notes__ == ["hint: more may follow once these are mended"]
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own
    assert (str(again), again.message) == (str(caught.value), first)
    etl.write("other.yaml", "name: other\ntasks: {a: {executor: process, command: ls}}\n")
    project.deploy("other.yaml")
    with pytest.raises(library.Ambiguous) as caught:
        project.resolve("@")
    assert caught.value.candidates == ("etl", "other")
    for place in (".", Path()):
        with pytest.raises(
            library.UsageError, match=r"of a store that is open, not of '\.'"
        ) as caught:
            library.Project(place)
        assert caught.value.hint == "`ork.open('.')` opens it"
    for error in ("NotFound", "Ambiguous", "InvalidInput", "Conflict", "Corrupt"):
        assert issubclass(getattr(library, error), library.OrkError)


def test_parameters_are_values_of_python(project, etl):
    etl.write(
        "days.yaml",
        """\
        name: days
        params: {day: date, at: datetime_utc, sizes: [int], any: {default: null}}
        tasks: {a: {executor: process, command: "true"}}
        """,
    )
    given = {
        "day": date(2026, 11, 1),
        "at": datetime(2026, 11, 1, 12, tzinfo=UTC),
        "sizes": (1, 2),
        "any": {"day": date(2026, 11, 2)},
    }
    values = {
        "day": "2026-11-01",
        "at": "2026-11-01T12:00:00Z",
        "sizes": [1, 2],
        "any": {"day": "2026-11-02"},
    }
    assert project.run("days.yaml", params=given).params == values
    assert [one.name for one in project.runs(params={"day": date(2026, 11, 1)})] == ["days#1"]
    assert project.runs(params={"day": date(2026, 11, 2)}) == []
    wrong = {**given, "any": [Decimal(1)], "sizes": {1}}
    with pytest.raises(library.InvalidInput) as caught:
        project.run("days.yaml", params=wrong)
    assert caught.value.message == (
        "the parameter sizes: a set is not a JSON value; `sorted(...)` of it is one\n"
        "the parameter any[0]: a decimal.Decimal is not a JSON value;"
        " `str(...)`, or `float(...)`, of it is one"
    )
    assert len(project.runs("days")) == 1


def test_whoever_tags_a_run_is_told_that_its_parameters_do_not_come_with_the_tag(project):
    run = project.run("etl.yaml")
    told = r"^etl@best is on the deploy that etl#1 ran; `project.run\('etl#1'\)` repeats that run"
    with pytest.warns(library.OrkWarning, match=told) as caught:
        assert project.tag("best", run).tag.oid == run.run.deploy
    assert caught[0].filename == __file__
    with warnings.catch_warnings(action="error"):
        project.tag("best", project.log("etl")[0])


@pytest.mark.slow
def test_what_is_returned_is_taken_where_a_revision_is_wanted(project, edit, tmp_path):
    old = project.deploy("etl.yaml", message="First")
    first = project.run(old)
    edit("etl.yaml", "timeout: 300", "timeout: 600")
    new = project.deploy("etl.yaml", message="Second")
    second = project.run("etl")
    entry, listed = project.log(old)[0], project.runs("etl")[-1]
    assert (first.revision, listed.revision, entry.revision) == ("etl#1", "etl#1", old.deploy)
    tag = project.tag("v1", old)
    assert tag.revision == "etl@v1"
    for named in (old, entry, tag, tag.tag, project.resolve("etl~1"), project.resolve("etl#1")):
        assert project.resolve(named).snapshot == old.snapshot
    assert project.resolve(project.untag("v1")).oid == old.deploy
    assert project.resolve(project.resolve("etl#1:load")).kind == "taskrun"
    assert project.resolve(project.resolve(Path("etl.yaml"))).snapshot == new.snapshot
    for named in (first, listed, first.run):
        assert project.logs(named) == project.logs("etl#1")
        assert project.outputs(named) == dict(first.outputs)
        assert project.show(named).run.number == 1
        assert project.graph(named).title == "etl#1"
        assert project.report(named) != project.report(second)
        assert project.diff_runs(named, second).new.name == "etl#2"
        with pytest.raises(library.OrkError, match="etl#1 has ended"):
            project.cancel(named)
        with pytest.raises(library.OrkError, match="etl#1 succeeded"):
            project.retry(named)
    change = project.diff(old, new)
    assert change.diff == project.diff("etl~1", "etl").diff
    assert repr(change) == f"<Comparison {old.deploy[:12]}, {new.deploy[:12]}, 1 task>"
    assert project.graph(change) == project.graph(f"{old.revision}..{new.revision}")
    assert "timeout" in project.report(change)
    assert project.graph(Path("etl.yaml")).title == project.graph(project.workflows()[0]).title
    assert [one.name for one in project.runs(snapshot=entry)] == ["etl#1"]
    assert [one.name for one in project.runs(containing=new)] == ["etl#2"]
    alone = library.Options(selection=library.Selection(only=("load",)), base=first)
    assert project.run(new, options=alone).tasks["extract"].taskrun.reason == "output of etl#1"
    assert project.run(first, with_code=new).run.snapshot == new.snapshot
    assert project.rollback("etl", entry).restores == old.deploy
    assert project.blame(new).deploy == new.deploy
    assert project.restore(new, to=tmp_path / "new.yaml").deploy == new.deploy
    assert project.create_bundle(tmp_path / "a.bundle", new, since=[old]).going_on == ()
    assert project.undo(project.operations(limit=1)[0]).operation.argv[1] == "rollback"
    waiting = project.queue(Path("etl.yaml"))
    with pytest.raises(library.NotFound, match="still waits"):
        project.show(waiting)


def test_what_names_no_revision_is_told_what_does(project):
    for use in (project.show, project.logs, project.retry, project.graph, project.report):
        with pytest.raises(library.OrkError, match="a dict names no revision") as caught:
            use({})
        assert "'etl#57'" in caught.value.hint
    for use in (project.run, project.queue):
        with pytest.raises(library.OrkError, match="a Python function is no workflow") as caught:
            use(example)
        assert "`function:`" in caught.value.hint


def test_a_moment_is_a_text_a_date_or_a_datetime(project):
    began = project.run("etl.yaml").run.created.astimezone()
    before = began - timedelta(hours=1)
    first = ("2h", "yesterday", "2020-02-01", date(2020, 2, 1), before.replace(tzinfo=None))
    last = ("2h", "2020-02-01", date(2020, 2, 1), before, before.astimezone(UTC))
    for ask in (project.log, project.runs):
        for moment in first:
            assert len(ask(since=moment)) == 1, moment
        for moment in last:
            assert ask(until=moment) == [], moment
        assert len(ask(until=began.date())) == 1  # to the end of that day
        for wrong in ("tomorow", 5):
            with pytest.raises(library.OrkError, match="cannot read the time") as caught:
                ask(since=wrong)
            assert "yesterday" in caught.value.hint


@pytest.fixture
def ran(etl, edit, once):
    """A project with one run, of a workflow with a parameter."""

    def steps():
        edit("etl.yaml", "tasks:\n", "params: {n: {type: int, default: 1}}\ntasks:\n")
        with library.open(create=True) as project:
            project.run("etl.yaml")

    once("ran with a parameter", steps)
    with library.open() as project:
        yield project


@pytest.mark.parametrize(
    ("wrong", "said", "hint"),
    [
        (lambda p: library.Options(jobs=0), "jobs=0: say how many tasks", None),
        (lambda p: library.Options(timeout_s=0), "timeout_s=0: say after how many seconds", None),
        (lambda p: library.Options(jobs="2"), "jobs='2': say how many tasks", None),
        (lambda p: library.Options(timeout_s=-1), "timeout_s=-1: say after how many seconds", None),
        (lambda p: library.Options(selection="load"), "write ork.Selection", None),
        (
            lambda p: p.run("etl", params={"n": 1}, options=library.Options(given={"n": "2"})),
            "params and options both give n",
            "let one of them give it",
        ),
        (lambda p: p.run("etl", options={}), "options are no dict", "ork.Options(jobs=2)"),
        (lambda p: p.queue("etl", options={"jobs": 2}), "options are no dict", "ork.Options("),
        (lambda p: p.run("etl", params=[1]), "params are names with values", 'params={"day"'),
        (lambda p: p.run("etl", options=library.Options(values={"zz": 0})), "named 'zz'", None),
        (lambda p: p.queue("etl", options=library.Options(values={"zz": 0})), "named 'zz'", None),
        (lambda p: p.queue("etl", params={"zz": 0}), "no parameter named 'zz'", None),
        (
            lambda p: p.retry("etl#1", options=library.Options(values={"n": 1})),
            "goes on",
            "params=",
        ),
        (lambda p: p.runs("etl", status="failed"), "no argument 'status'", "did you mean states?"),
        (lambda p: p.tags("etl", zz=1), "no argument 'zz'", "there are: workflow"),
        (lambda p: p.run("etl", n=2), "no argument 'n'", "`params={'n': 2}` gives a parameter"),
        (lambda p: p.queue("etl", n="n" * 99), "no argument 'n'", "`params={'n': VALUE}`"),
        (lambda p: p.retry("etl#1", n=2), "no argument 'n'", "there are: jobs"),
        (lambda p: library.open(folder="."), "no argument 'folder'", "there are: path, create"),
        (lambda p: p.runs(states=("faild",)), "no run is 'faild'", "failed"),
        (lambda p: p.runs(states="faild"), "no run is 'faild'", "failed"),
        (lambda p: p.runs(params={"zz": 0}), "no run had a parameter named 'zz'", "there are: n"),
        (lambda p: p.runs("etl", params={"m": 0}), "no run had a parameter named 'm'", "n"),
        (lambda p: p.runs(triggers="schedul"), "no run began by 'schedul'", "schedule"),
        (lambda p: p.runs(limit=-1), "limit=-1: say how many", None),
        (lambda p: p.log(limit="3"), "limit='3': say how many", None),
        (lambda p: p.workflows(limit=-1), "limit=-1: say how many", None),
        (lambda p: p.operations(limit=-1), "limit=-1: say how many", None),
        (lambda p: p.create_bundle("b", runs=-1), "runs=-1: say how many", None),
        (lambda p: p.push("../other", runs=-1), "runs=-1: say how many", None),
        (lambda p: p.gc(prune=True, keep_runs=-1), "runs to keep are from 0", None),
        (lambda p: p.gc(undo_days=1.5), "undo_days to keep are from 0", None),
        (lambda p: library.Selection(only="a", start="b"), "has `only`, or", None),
        (lambda p: p.runs(p.runs()[0]), "a RunEntry names no workflow", "project.workflows()"),
        (lambda p: p.rollback(None), "a NoneType names no workflow", "name"),
        (lambda p: p.deploy(3), "`path` takes a text or a path, not int", "help(project.deploy)"),
        (lambda p: p.check("etl.yaml", None), "`files` takes a text or a path, not None", "check"),
        (
            lambda p: p.runs(states=["failed", 3]),
            "`states` takes a text or a list of texts",
            "runs",
        ),
        (lambda p: library.open(3), "`path` takes a text or a path, not int", "help(ork.open)"),
        (lambda p: p.diff_runs("etl#1"), "etl#1 is one", "project.diff_last(WORKFLOW)"),
    ],
)
def test_what_makes_no_sense_is_told_and_never_ignored(ran, wrong, said, hint):
    with pytest.raises(library.OrkError) as caught:
        wrong(ran)
    assert said in caught.value.message
    assert hint is None or hint in caught.value.hint
    assert len(ran.runs()) == 1
    assert ran.queued() == []


def test_a_parameter_that_is_new_has_no_runs_and_one_that_is_gone_has_old_ones(project, edit):
    edit("etl.yaml", "tasks:\n", "params: {n: {type: int, default: 1}}\ntasks:\n")
    project.run("etl.yaml")
    edit("etl.yaml", "params: {n:", "params: {m:")
    project.deploy("etl.yaml")
    assert project.runs("etl", params={"m": 1}) == []
    assert len(project.runs("etl", params={"n": 1})) == 1
    assert project.runs("etl", params={"n": 2}) == []
    assert project.runs("etl", params={"n": 1}, limit=0) == []


def test_what_would_run_is_told_and_nothing_runs(project, tmp_path):
    assert list(project.would_run("etl.yaml").tasks) == ["extract", "load"]
    assert not project.workflows()
    run = project.run("etl.yaml")
    some = library.Options(selection=library.Selection(only="load"))
    assert list(project.would_retry(run, options=some).why.items()) == [("load", "asked for")]
    assert repr(project.would_run("etl")) == "<WouldRun etl, 2 tasks would run>"
    assert "kept     extract" in str(project.would_retry(run, options=some))
    assert len(project.runs()) == 1


def test_an_entry_of_the_workflows_names_its_workflow(project, tmp_path):
    project.run("etl.yaml")
    (entry,) = project.workflows()
    assert [one.name for one in project.runs(entry)] == ["etl#1"]
    assert project.log(entry)[0].head
    assert [one.workflow for one in project.schedules(entry)] == ["etl"]
    assert (project.pause(entry).workflow, project.resume(entry).workflow) == ("etl", "etl")
    project.unqueue(project.fire(entry))
    assert project.tags(entry) == []
    with pytest.raises(library.NotFound, match="no run of etl has failed"):
        project.diff_last(entry)
    with pytest.raises(library.NotFound, match="etl"):
        project.rollback(entry)
    project.add_remote("team", tmp_path / "other")
    assert project.export_git(tmp_path / "git", entry).workflow == "etl"
    library.open(tmp_path / "other", create=True).close()
    assert [one.workflow for one in project.push(tmp_path / "other", entry).workflows] == ["etl"]
    assert repr(project.archive(entry)) == "<Archived etl>"
    assert project.unarchive(entry).workflow == "etl"
    assert project.move(entry, "load").new == "load"


def test_a_text_is_one_name(project, edit):
    project.run("etl.yaml")
    edit("load.sh", "loading", "loaded")
    project.deploy("etl.yaml")
    alone = library.Selection(only="load")
    assert alone == library.Selection(only=["load"]) == library.Selection(only=("load",))
    assert project.run("etl", options=library.Options(selection=alone)).run.selected == ("load",)
    assert len(project.runs(states="success")) == 2
    assert len(project.log(names="extract")) == 1
    assert not project.diff("etl~1", "etl", tasks="extract").diff
    assert project.diff("etl~1", "etl", tasks="load.sh").diff


def test_a_run_that_waits_has_the_parameters_that_it_was_given(project, edit):
    edit("etl.yaml", "tasks:\n", "params: {n: {default: '1'}, m: {default: 1}}\ntasks:\n")
    waiting = project.queue("etl.yaml", params={"n": "3"})
    assert waiting.entry.params == {"n": "3", "m": 1}
    project.unqueue(waiting)
    with pytest.raises(library.Conflict, match=f"{waiting.id} of etl does not wait") as caught:
        project.unqueue(waiting)
    assert "`ork runs etl`" in caught.value.hint


def test_what_a_task_said_of_options_is_told_as_it_was_said(project, etl):
    etl.write("wrong.py", "def main():\n    raise ValueError('no --force here')\n")
    etl.write("wrong.yaml", "name: wrong\ntasks:\n  a: {executor: python, file: wrong.py}\n")
    with pytest.raises(library.RunFailed, match="no --force here"):
        project.run("wrong.yaml", check=True)


def is_told(called: ast.expr) -> bool:
    """Say whether what is called makes an error, or adds to the problems that one tells of."""
    if isinstance(called, ast.Attribute):
        owner = called.value
        return called.attr == "append" and isinstance(owner, ast.Name) and owner.id == "problems"
    return isinstance(called, ast.Name) and hasattr(errors, called.id)


def words_of_errors(source: str) -> Iterator[str]:
    """Yield what the errors and hints say that a file of ork makes; X for each value in it."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        parts: list[ast.expr] = []
        if isinstance(node, ast.Call) and is_told(node.func):
            parts = [*node.args, *(keyword.value for keyword in node.keywords)]
        elif isinstance(node, ast.Assign | ast.AugAssign):
            text = "\n".join(lines[node.lineno - 1 : node.end_lineno])
            parts = [node.value] if "hint" in text.lower() else []
        for part in parts:
            below = list(ast.walk(part))
            texts = [one for one in below if isinstance(one, ast.JoinedStr)]
            inside = {id(one) for text in texts for one in ast.walk(text) if one is not text}
            for one in below:
                if isinstance(one, ast.JoinedStr):
                    pieces = (
                        it.value if isinstance(it, ast.Constant) else "X" for it in one.values
                    )
                    yield "".join(map(str, pieces))
                elif isinstance(one, ast.Constant) and id(one) not in inside:
                    yield str(one.value)


@pytest.mark.slow
def test_each_option_that_an_error_names_is_an_argument_in_python():
    called = [one for name, one in inspect.getmembers(library.Project) if name[0] != "_"]
    called = [*filter(callable, called), library.open]
    known = {name for one in called for name in inspect.signature(one).parameters}
    known |= {*library.Options.__struct_fields__, *library.Selection.__struct_fields__}
    root, unknown, seen, calls = Path(library.__file__).parent, {}, set(), set()
    rooms = (
        "cli",
        "daemon/page.py",
        "upkeep/forget.py",
        "servers",
        "worker",
    )  # of the command line
    for file in sorted(root.rglob("*.py")):
        place = file.relative_to(root).as_posix()
        if place.startswith(rooms):
            continue
        for words in words_of_errors(file.read_text()):
            told = errors.in_python(words)
            named = set(re.findall("`([a-z_]+)(?:=[^`]*)?`", told)) if told != words else set()
            named -= set(re.findall("`([a-z_]+)`", words))
            seen |= named
            if named - known or re.search(r"(?<!\S)--[a-z]", re.sub("`[^`]*`", "", told)):
                unknown[place] = told
            for called in re.findall(r"`((?:project|ork)\.\w+\([^`.]*\))`", errors.as_calls(words)):
                call = ast.parse(called, mode="eval").body
                of = library.Project if called.startswith("project.") else library
                taken = inspect.signature(getattr(of, call.func.attr)).parameters
                named = {one.arg for one in call.keywords}
                assert named <= taken.keys() | library.How.__annotations__.keys(), words
                calls.add(call.func.attr)
    assert unknown == {} and {"restore", "resume", "unarchive", "add_remote", "gc"} <= calls
    assert {"force", "base", "start", "move", "allow_secret", "good", "params", "to"} <= seen


def test_a_hint_names_parameters_and_no_options(project, etl):
    project.deploy("etl.yaml")
    etl.write("two.yaml", (etl.folder / "etl.yaml").read_text())
    with pytest.raises(library.InvalidInput) as caught:
        project.deploy("two.yaml")
    first, told, hint = str(caught.value).split("\n")
    assert first == caught.value.message
    assert told == "two.yaml:1:7: the workflow etl is deployed from etl.yaml"
    assert hint.startswith("    hint: give this one another name, or `move` if")
    assert "--move" in caught.value.problems[0].hint
    error = library.NotFound(
        "no", hint="`ork run --base X`, or with --allow-secret, --base or a--b"
    )
    assert error.__notes__ == [
        "hint: `project.run(base='X')`, or with `allow_secret`, `base` or a--b"
    ]
    error = library.NotFound(
        "nothing that --from names", hint="`--until`, or `--base etl#3`; --allow-secret"
    )
    assert str(error) == "nothing that `start` names" and "--from" in error.message
    assert error.__notes__ == ["hint: `until`, or `base='etl#3'`; `allow_secret`"]
    assert "--allow-secret" in error.hint
    error = library.UsageError("day has no default: give it with `-i day=VALUE`")
    assert str(error) == "day has no default: give it with `params={'day': VALUE}`"


def test_a_hint_names_calls_and_no_commands(project):
    for head, (called, most) in errors.CALLS.items():
        for one in {called, errors.OF_TASK.get(head, called)}:
            name = one.partition("(")[0].partition(".")[2]
            of = library if one.startswith("ork.") else project
            assert inspect.signature(getattr(of, name)).bind_partial(*["x"] * most), head
    for command, call in {
        "ork log": "project.log",
        "ork log etl~1:load": "project.log('etl~1:load')",
        "ork log etl -- load": "project.log('etl', names=['load'])",
        "ork runs etl": "project.runs('etl')",
        "ork runs etl:load": "project.task_history('etl:load')",
        "ork show etl#1": "project.show('etl#1')",
        "ork show etl#1:load": "project.task('etl#1:load')",
        "ork show file:etl.yaml": "project.show('file:etl.yaml')",
        "ork diff OLD etl#2": "project.diff('OLD', 'etl#2')",
        "ork undo --redo": "project.undo(redo=True)",
        "ork undo @ etl": "project.undo('@', workflows=['etl'])",
        "ork deploy --new etl.yaml": "project.deploy('etl.yaml', new=True)",
        "ork restore --code etl": "project.restore('etl', code=True)",
        "ork runs --tasks etl": "project.task_times('etl')",
        "ork runs etl:load --status skipped": "project.task_history('etl:load', states='skipped')",
        "ork run 'a b.yaml'": "project.run('a b.yaml')",
        "ork run 'a": "ork run 'a",
        "ork run --queue etl -i a=VALUE -i b=VALUE": (
            "project.queue('etl', params={'a': VALUE, 'b': VALUE})"
        ),
        "ork run etl --nope": "ork run etl --nope",
        "ork restore etl --code": "project.restore('etl', code=True)",
        "ork ops --author 'A B'": "project.operations(author='A B')",
        "ork schedule resume etl": "project.resume('etl')",
        "ork schedule resume --all": "project.resume_all",
        "ork fsck --repair": "ork.repair",
        "ork init": "ork.open(create=True)",
        "ork gc --damaged": "project.gc(damaged=True)",
        "ork retry etl#1 --from load": "project.retry('etl#1', start='load')",
        "ork up": "ork up",
        "ork tag --force etl@v1 etl~1": "project.tag('etl@v1', 'etl~1', force=True)",
        "ork tag -l etl": "project.tags('etl')",
    }.items():
        error = library.NotFound(f"`{command}`", hint=f"try `{command}`, or --force")
        assert error.__notes__ == [f"hint: try `{call}`, or `force`"]
        assert (str(error), error.hint) == (f"`{command}`", f"try `{command}`, or --force")
    project.deploy("etl.yaml")
    with pytest.raises(library.NotFound) as caught:
        project.bisect("etl")
    assert caught.value.__notes__ == ["hint: `project.runs('etl')` lists its runs"]
    with pytest.raises(library.NotFound) as caught:
        project.tag("etl", "v1")
    assert caught.value.__notes__ == ["hint: the label comes first: `project.tag('v1', 'etl')`"]
    with pytest.raises(library.UsageError, match=r"^`judge` judges only what lies between"):
        project.bisect("etl", judge=lambda deploy, run: "good")


def test_no_argument_of_another_kind_goes_further_in(project):
    project.deploy("etl.yaml")
    usual = {"path": "etl.yaml", "name": "v1", "task": "etl:load", "pattern": "x", "since": "2h"}
    for name, method in inspect.getmembers(library.Project, inspect.isfunction):
        taken = inspect.signature(method).parameters.values()
        needed = {
            one.name: usual.get(one.name, "etl")
            for one in list(taken)[1:]
            if one.default is one.empty and one.kind is not one.VAR_POSITIONAL
        }
        for one in () if name[0] == "_" else list(taken)[1:]:
            if one.annotation == "bool":  # anything is true or false
                continue
            with pytest.raises(library.OrkError):
                if one.kind is one.VAR_POSITIONAL:
                    found = getattr(project, name)(*needed.values(), object())
                else:
                    found = getattr(project, name)(**{**needed, one.name: object()})
                if isinstance(found, Iterator):
                    found = list(found)
                pytest.fail(f"{name}({one.name}=...) gave {found!r}")


def test_a_change_may_be_named_as_after_a_command(project, etl):
    for text in ("echo 1", "echo 2"):
        etl.write("load.sh", f"#!/bin/sh\n{text}\n", executable=True)
        project.run("etl.yaml")
    whole = project.diff("etl~1", "etl")
    assert whole == project.diff("etl~1..etl") and [one.path for one in whole.diff.files]
    assert project.impact("etl~1..etl") == project.impact(whole)
    assert (
        project.diff("etl~1..etl:extract").diff
        == project.diff("etl~1", "etl", tasks="extract").diff
    )
    assert project.diff("etl~1:load", "etl:load").diff == whole.diff
    assert not project.diff("etl") and project.diff("etl").new.text == "file:etl.yaml"
    assert project.diff_runs("etl#1..etl#2") == project.diff_runs("etl#1", "etl#2")


def test_how_to_run_is_given_as_in_a_command(project):
    project.run("etl.yaml")
    executed = [
        project.run("etl", only="load", jobs=1, base="etl#1"),
        project.run("etl", start=["load"]),
        project.run("etl", without="extract"),
        project.retry("etl#1", only="load"),
        project.run("etl", options=library.Options(jobs=1), only="l*"),
    ]
    assert [one.run.selected for one in executed] == [("load",)] * 5
    assert project.run("etl", until="load").run.selected == ("extract", "load")
    assert list(project.would_run("etl", only="load").tasks) == ["load"]
    assert list(project.would_retry("etl#1", only="load").tasks) == ["load"]
    project.unqueue(project.queue("etl", only="load"))
    with pytest.raises(library.UsageError, match="jobs=0: say how many"):
        project.run("etl", jobs=0)
    with pytest.raises(library.UsageError, match="there is no argument 'onyl'") as caught:
        project.run("etl", onyl="load")
    assert caught.value.hint == "did you mean only?"
    with pytest.raises(library.NotFound, match="no task named 'lod'"):
        project.run("etl", only="lod")


def test_a_run_of_a_part_is_called_partial_wherever_it_is_shown(project):
    project.run("etl.yaml")
    *_, finished = project.events("etl", only="load")
    run = project.show("etl#2")
    (of_list, whole), (of_workflow,) = project.runs(), project.workflows()
    assert run.partial and of_list.partial and of_workflow.last.partial and not whole.partial
    for one in finished, run, of_list, of_workflow:
        assert ", partial" in repr(one)
    assert "partial" not in repr(whole) and str(run).splitlines()[1] == "state    success  partial"
    project.run("etl")
    assert not project.workflows()[0].last.partial


def test_a_task_that_fails_is_an_event_and_no_exception(project, etl):
    etl.write("load.sh", "#!/bin/sh\nexit 3\n", executable=True)
    *_, finished = project.events("etl.yaml")
    assert (finished.run.state, finished.states) == ("failed", {"failed": 1, "success": 1})


def test_closing_the_events_stops_the_run(project, etl):
    etl.write("load.sh", "#!/bin/sh\nsleep 600\n", executable=True)
    events = project.events("etl.yaml")
    next(events)
    events.close()
    (entry,) = project.runs()
    assert entry.run.state == "cancelled"


def test_closing_the_project_stops_its_runs_and_hides_no_exception(project, etl):
    etl.write("load.sh", "#!/bin/sh\nsleep 600\n", executable=True)
    with pytest.raises(LookupError, match="mine"), library.open(etl.folder) as other:
        events = other.events("etl.yaml")
        next(events)
        raise LookupError("mine")
    (entry,) = project.runs()
    assert (entry.run.state, entry.run.reason) == ("cancelled", "stopped by the user")
    assert [*events] == []


@pytest.mark.slow
def test_the_end_of_python_stops_a_run_whose_events_are_still_held(project, etl):
    etl.write("load.sh", "#!/bin/sh\nsleep 600\n", executable=True)
    python(
        """
        import builtins, ork  # what is kept there goes last
        builtins.kept = ork.open().events("etl.yaml")
        next(kept)
        """,
        etl.folder,
    )
    (entry,) = project.runs()
    assert (entry.run.state, entry.run.reason) == ("cancelled", "stopped by the user")


def test_nothing_happens_before_the_first_event_is_asked_for(project, edit):
    head = project.store.ref("workflows/etl")
    edit("etl.yaml", "timeout: 300", "timeout: 600")
    events = project.events("etl.yaml")
    assert repr(events) == "<Events of etl.yaml, not begun: iterate over it>"
    assert (project.store.ref("workflows/etl"), project.runs()) == (head, [])
    never = project.events("etl.yaml")
    never.close()
    assert [*never] == []
    begun = next(events)
    assert repr(events) == "<Events of etl.yaml, begun>"
    assert project.store.ref("workflows/etl") != head
    project.cancel(begun.run)
    [*_, finished] = events
    again = project.retry_events(finished.run)
    assert repr(again) == "<Events of a retry of etl#1, not begun: iterate over it>"
    missing = project.events("no.yaml")
    with pytest.raises(library.OrkError, match=r"no\.yaml"):
        next(missing)


def test_a_closed_store_says_so(etl):
    opened = library.open(create=True)
    opened.close()
    with pytest.raises(library.OrkError, match="the store is closed") as caught:
        opened.log()
    assert "`ork.open`" in caught.value.hint


def test_the_folder_of_a_new_store_is_made(etl):
    with library.open("far/away", create=True) as project:
        assert project.store.folder == etl.folder / "far" / "away" / ".ork"
    etl.write("file", "")
    with pytest.raises(
        library.OrkError, match=r"no store can be made in .*/file/below/.ork"
    ) as caught:
        library.open("file/below", create=True)
    assert "--" not in caught.value.hint


@pytest.mark.slow
def test_what_a_workflow_would_run_without_is_a_warning_where_it_was_asked(project, etl, edit):
    project.deploy("etl.yaml")
    edit("etl.yaml", "timeout: 300", "timeout: 600")
    for ask in (project.run, project.queue, lambda name: next(project.events(name))):
        for name in ("etl", "@"):
            with pytest.warns(library.OrkWarning, match="etl runs without what you") as caught:
                ask(name)
            assert str(caught[0].message).endswith("`project.run('etl.yaml')` runs with that")
            assert caught[0].filename == __file__
    for no_warning in ("etl#1", "etl~0", "etl.yaml", "etl"):
        project.run(no_warning)
    (etl.folder / "etl.yaml").unlink()
    with pytest.warns(library.OrkWarning, match="etl.yaml is not here"):
        project.run("etl")


def test_an_output_of_another_definition_is_a_warning_of_a_run(project, edit):
    project.run("etl.yaml")
    edit("tasks/etl.py", "extracting", "reading")
    only = library.Options(selection=library.Selection(only="load"))
    with pytest.warns(library.OrkWarning, match="extract: output of etl#1, of another") as caught:
        project.run("etl.yaml", options=only)
    assert caught[0].filename == __file__


@pytest.mark.slow
def test_what_seems_a_mistake_is_a_warning_of_a_deploy_and_of_a_run(project, edit):
    edit("etl.yaml", "command: ./load.sh", "command: ./load.sh {{ tasks.extract.output.rows }}")
    with pytest.warns(library.OrkWarning, match=r"etl.yaml:\d+: .* in which nothing is") as caught:
        assert len(project.deploy("etl.yaml").warnings) == 1
    assert caught[0].filename == __file__
    project.run("etl.yaml")
    edit("etl.yaml", "timeout: 300", "timeout: 600")
    with pytest.warns(library.OrkWarning, match="in which nothing is replaced"):
        project.run("etl.yaml")
    with pytest.warns(library.OrkWarning, match="the message is not kept"):
        project.run("etl", message="Again")


@pytest.mark.slow
def test_all_that_is_wrong_in_files_is_a_value(project, etl, edit):
    edit("etl.yaml", "command: ./load.sh", "command: ./load.sh {{ tasks.extract.output.rows }}")
    etl.write("bad.yaml", "name: bad\ntasks:\n  a: {executor: pyhton, colour: red}\n")
    etl.write("below/same.yaml", "name: same\ntasks: {a: {executor: process, command: 'true'}}\n")
    bad, good, same = project.check()
    assert [one.file for one in (bad, good, same)] == ["bad.yaml", "etl.yaml", "below/same.yaml"]
    assert (bad.ok, same.ok, good.ok) == (False, True, True)
    assert {problem.line for problem in bad.problems} == {3}
    assert "in which nothing is replaced" in good.warnings[0].message
    assert repr(good) == "<Checked etl.yaml, etl, good, 1 warning>"
    assert project.check("below").to_pandas()["file"].tolist() == ["below/same.yaml"]
    found = project.check("below", "bad.yaml")
    assert f"{found}\n" == etl("check", "below", "bad.yaml").out
    assert "'pyhton'" in str(bad) and "did you mean `python`?" in str(bad)
    assert (
        repr(found) == "[<Checked below/same.yaml, same, good>,\n <Checked bad.yaml, 2 problems>]"
    )
    assert found._repr_html_().count("<pre ") == 2 and "pyhton" in bad._repr_html_()
    (whole,) = project.check(Path("etl.yaml"), with_files=True)
    assert {file.path for file in whole.files} == {"tasks/etl.py", "load.sh"}
    assert "no workflow file is in this folder" in project.check("tasks")[0].problems[0].message


def test_parts_of_a_definition_and_of_a_run(project, edit):
    run = project.run("etl.yaml")
    edit("load.sh", "loading", "loaded")
    project.deploy("etl.yaml")
    assert project.task("etl:load").depends_on == ("extract",)
    assert project.task(f"{run.revision}:load") == run.tasks["load"]
    assert "loading" in project.text("etl~1:load.sh") and "loaded" in project.text("etl:load.sh")
    assert project.text("etl#1:") == Path("etl.yaml").read_text() == project.text("file:etl.yaml:")
    for part, kind in (
        ("etl:load", "a task"),
        ("etl#1:load", "a task of a run"),
        ("etl:", "a blob"),
    ):
        with pytest.raises(library.OrkError, match=f"{part} is only a part: {kind}") as caught:
            project.show(part)
        assert "`text`" in caught.value.hint
    with pytest.raises(library.OrkError, match="etl:load is a task, and no text"):
        project.text("etl:load")
    with pytest.raises(library.OrkError, match=r"etl:load.sh is a blob, and no task"):
        project.task("etl:load.sh")


def test_a_run_that_goes_on_is_watched(project):
    events = project.events("etl.yaml")
    begun = next(events)
    with library.open() as other:
        watching = other.watch()
        assert next(watching) == replace(begun, slots=0)
        finished = list(events)[-1]
        assert list(watching)[-1].run == finished.run
        assert list(other.watch(finished.run))[-1].oid == finished.oid


def test_a_schedule_is_fired_by_hand(project, edit):
    edit("etl.yaml", "tasks:\n", "params: {n: {default: 1}}\ntasks:\n")
    project.deploy("etl.yaml")
    waiting = project.fire("etl", params={"n": 2})
    assert (waiting.entry.params, project.queued()) == ({"n": 2}, [waiting])
    with pytest.raises(library.OrkError, match="still to come"):
        project.fire("etl", slot=date(9000, 1, 1))


def test_the_last_failure_is_compared_with_the_last_good_run(project, edit):
    project.run("etl.yaml")
    edit("load.sh", 'echo "', 'exit 1; echo "')
    project.run("etl.yaml")
    for found in (project.diff_last(), project.diff_last("etl")):
        assert (found.old.name, found.new.name, found.first.task) == ("etl#1", "etl#2", "load")
    assert str(found) == str(project.diff_runs("etl#1", "etl#2"))
    edit("load.sh", 'exit 1; echo "', 'echo "')
    project.run("etl.yaml")
    found = project.diff_last()
    assert "\ngood again since etl#3\n" in str(found)
    assert "good again " in found._repr_html_()


def test_the_last_failure_says_that_the_good_run_had_other_parameters(project, edit):
    edit("etl.yaml", "tasks:\n", "params: {n: {default: 1}}\ntasks:\n")
    project.run("etl.yaml")
    edit("load.sh", 'echo "', 'exit 1; echo "')
    project.run("etl.yaml", params={"n": 2})
    with pytest.warns(library.OrkWarning, match="no good run shortly before had those of etl#2"):
        project.diff_last()


def test_a_run_in_a_pickle_has_all_of_its_values(project):
    run = project.run("etl.yaml")
    data = pickle.dumps([run, project.runs(), project.log(), project.diff("etl", "etl")])
    project.close()
    again = pickle.loads(data)[0]  # noqa: S301 - our own
    assert (again, again.outputs) == (run, {"extract": {"rows": 3}, "load": {"loaded": 3}})
    assert again.tasks["load"].inputs == {"rows": 3}
    assert again.tasks.output("load") == {"loaded": 3}
    assert list(again.tasks) == ["extract", "load"]
    assert repr(again) == str(again) == repr(run)
    assert pickle.loads(pickle.dumps(again)) == again  # noqa: S301 - our own


def test_a_task_takes_as_long_as_its_last_attempt(project, edit):
    edit("etl.yaml", "command: ./load.sh", "command: ./load.sh\n    retries: 1\n    retry_delay: 0")
    edit("load.sh", 'echo "', '[ -d tried ] || { mkdir tried; sleep 0.1; exit 1; }; echo "')
    events = [*project.events("etl.yaml")]
    load = project.task("etl#1:load").taskrun
    first, last = load.attempts
    assert load.seconds == last.seconds and first.seconds > 0
    took = timedelta(seconds=last.seconds)
    ended = next(
        one for one in events if isinstance(one, library.TaskFinished) and one.task == "load"
    )
    history = project.task_history("etl:load")
    assert load.cells()["took"] == ended.cells()["took"] == history[0].cells()["took"] == took
    for frame in (project.show("etl#1").to_pandas()[1:], history.to_pandas()):
        assert frame["seconds"].tolist() == [last.seconds]


def test_outputs_are_those_that_the_command_prints(etl):
    etl("run", "etl.yaml")
    etl.write("load.sh", "#!/bin/sh\nexit 3\n", executable=True)
    etl("run", "etl.yaml")
    with library.open() as project:
        for part in ("etl#1", "etl#1:load", "etl#1:load.loaded", "etl#2"):
            assert project.outputs(part) == json.loads(etl("outputs", part).out)
        for part in ("etl#2:load", "etl#1:load.lod", "etl#1:lod"):
            with pytest.raises(library.NotFound) as refused:
                project.outputs(part)
            assert str(refused.value) in etl("outputs", part).err


def test_a_name_that_is_a_page_is_told_by_its_beginning(project):
    run = project.run("etl.yaml")
    for ask in (project.task, project.logs, project.diff, project.runs, project.rollback):
        with pytest.raises(library.NotFound, match=r"'run      etl#1 .*\.\.\.' is no name") as no:
            ask(f"{run}:load")
        assert "run.revision" in no.value.hint
        assert no.value.message.endswith(f": it has {len(f'{run}'.splitlines())} lines")
    for name in ("x" * 3000, f"etl:{'x' * 3000}", f"etl@{'x' * 3000}"):
        for ask in (project.task, project.log, project.logs, project.diff, project.blame):
            with pytest.raises(library.NotFound, match=r"'(etl@)?x{76,80}\.\.\.'") as no:
                ask(name)
            assert len(no.value.message) < 140


def test_logs_are_of_an_attempt_and_of_what_failed(etl):
    etl.write("load.sh", '#!/bin/sh\necho "attempt $ORK_ATTEMPT"\necho again\nexit 3\n')
    (etl.folder / "load.sh").chmod(0o755)
    etl("run", "etl.yaml")
    etl("retry", "etl#1")
    with library.open() as project:
        assert project.logs("etl#1:load") == "attempt 2\nagain\n"
        assert project.logs("etl#1:load", attempt=1, tail=2) == "attempt 1\nagain\n"
        assert project.logs("etl#1", failed=True, tail=1) == "==> load (attempt 2) <==\nagain\n"
        for part in ("etl#1", "etl#1:*", "etl#1:l*"):
            assert project.logs(part) == etl("logs", part).out
        assert project.logs("etl#1").startswith("==> extract (attempt 1) <==\nextracting\n")
        with pytest.raises(library.NotFound, match="has no attempt 7"):
            project.logs("etl#1", attempt=7)
        with pytest.raises(library.UsageError, match="tail=-1: say how many at most"):
            project.logs("etl#1", tail=-1)


def test_a_graph_is_written_as_the_command_writes_it(etl):
    etl("deploy", "etl.yaml")
    with library.open() as project:
        graph = project.graph("etl")
        for form in ("mermaid", "dot", "svg", "json"):
            assert f"{graph.to_text(form)}\n" == etl("graph", "etl", "--format", form).out
        assert graph.to_text("text") == str(graph)
        with pytest.raises(library.UsageError, match="no format named 'png'"):
            graph.to_text("png")


def test_an_operation_keeps_no_password_and_no_half_a_character():
    word = "secret"
    argv = stamp_of("Ada", "pull", f"postgresql://ada:{word}@host/db", "\udcff").argv
    assert argv == ("project", "pull", "postgresql://ada@host/db", "\\udcff")


def test_operations_say_what_was_called(project, etl, edit):
    project.deploy("etl.yaml")
    edit("etl.yaml", "timeout: 300", "timeout: 600")
    project.run(Path("etl.yaml"))
    edit("etl.yaml", "timeout: 600", "timeout: 900")
    project.queue("etl.yaml")
    edit("etl.yaml", "timeout: 900", "timeout: 300")
    project.run(library.check("etl.yaml"))
    project.undo()
    project.undo(redo=True)
    called = [
        "project.undo(redo=True)",
        "project.undo()",
        "project.run('etl.yaml')",
        "project.queue('etl.yaml')",
        "project.run('etl.yaml')",
        "project.deploy('etl.yaml')",
    ]
    assert [entry.operation.command for entry in project.operations()] == called
    lines = [line.rpartition("  ")[2] for line in etl("ops").out.splitlines() if "()" in line]
    assert lines == ["project.undo()"]
    project.rollback("etl")
    assert next(iter(project.operations())).operation.command == "project.rollback('etl')"
    with pytest.raises(library.InvalidInput, match=r"before a rollback by .*: nothing"):
        project.deploy("etl.yaml")


def test_a_history_goes_to_git_and_comes_back(project, tmp_path):
    oid = project.deploy("etl.yaml", message="First", author="Ada <ada@example.org>").snapshot
    done = project.export_git(tmp_path / "out")
    assert (done.workflow, done.commits) == ("etl", 1)
    assert project.export_git(tmp_path / "out", "etl", update=True).added == 0
    (tmp_path / "other").mkdir()
    other = library.open(tmp_path / "other", create=True)
    found = other.import_git(tmp_path / "out", "*.yaml").workflows[0]
    assert [one.snapshot for one in found.added] == [oid]
    other.close()


def test_schedules_pauses_and_the_queue(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = "name: etl\nschedule: '@hourly'\non_success: {command: echo done > done}\n"
    text += "tasks:\n  a: {executor: process, command: 'true'}\n"
    (tmp_path / "etl.yaml").write_text(text)
    project = library.open(tmp_path, create=True)
    try:
        list(project.events("etl.yaml"))
        assert (tmp_path / "done").exists()
        (tmp_path / "done").unlink()
        list(project.events("etl", hooks=False))
        assert not (tmp_path / "done").exists()
        assert project.pause("etl", author="Ada").author == "Ada"
        (listed,) = project.schedules("etl")
        assert listed.paused and listed.next is None
        assert project.resume("etl").workflow == "etl"
        assert project.schedules()[0].next is not None
        assert project.pause_all(author="Ada")[0].author == "Ada"
        assert [one.workflow for one in project.resume_all()] == ["etl"]
        waiting = project.queue("etl")
        assert project.queued() == [waiting]
        project.unqueue(waiting)
        assert project.queued() == []
    finally:
        project.close()


def test_a_run_is_returned_at_its_end_and_a_failure_is_raised_on_request(project, etl):
    etl.write("asked.sh", "#!/bin/sh\necho seen $ORK_IN_day\n", executable=True)
    text = "name: asked\nparams: {day: {}, n: int}\ntasks:\n  a: {executor: process, "
    text += "command: ./asked.sh, inputs: {day: {ref: params.day}}}\n"
    etl.write("asked.yaml", text.replace("day: {}", "day: {default: '1'}"))
    run = project.run("asked.yaml", params={"day": "3", "n": 3})
    assert (run.name, run.state, run.ok) == ("asked#1", "success", True)
    assert project.show("asked#1").params == {"day": "3", "n": 3}
    assert project.logs("asked#1:a") == "seen 3\n"
    with pytest.raises(library.OrkError, match="the parameter n"):
        project.run("asked", params={"n": "3"})
    etl.write("load.sh", "#!/bin/sh\necho no disk\nexit 3\n", executable=True)
    run = project.run("etl.yaml")
    assert (run.ok, dict(run.outputs)) == (False, {"extract": {"rows": 3}})
    load = run.tasks["load"]
    assert (load.ok, load.state) == (False, "failed")
    assert load.reason == load.error == "exited with code 3: no disk"
    kept, *_ = (repr(event) for event in project.retry_events(run) if "extract" in repr(event))
    assert kept.startswith("<TaskFinished extract, kept, success, ")
    with pytest.raises(library.RunFailed, match="etl#1 ended as failed") as caught:
        project.retry("etl#1", check=True)
    assert caught.value.run.name == "etl#1"
    assert caught.value.__notes__ == [
        "the end of the log of load:\nno disk",
        "hint: `print(project.logs('etl#1:load'))` shows all that it printed, "
        "`project.retry('etl#1')` goes on with the run",
    ]
    etl.write("load.sh", "echo unsaved\n")
    with pytest.raises(library.InvalidInput) as unsaved:
        project.restore("etl", code=True)
    assert "\nload.sh: has changes" in str(unsaved.value)


TYPED = """
from datetime import date
from pathlib import Path
import ork

def main() -> list[str]:
    with ork.open(create=True) as project:
        deployed = project.deploy("etl.yaml", message="First")
        run = project.run("etl", params={"day": "2026-11-01"}, options=ork.Options(jobs=2))
        rows: int = run.outputs["extract"]["rows"]
        names: list[str] = [entry.deploy.message for entry in project.log("etl", limit=3)]
        numbers: list[int] = [entry.run.number for entry in project.runs(states=("failed",))]
        Path("run.html").write_text(project.report(run))
        names += [project.logs(run), project.runs(since="2h")[0].revision]
        project.show(run)
        names += [entry.revision for entry in project.bisect("etl").suspects]
        project.runs(states=["failed"])
        project.diff(deployed, project.log(deployed, since=date(2026, 11, 1))[0])
        try:
            project.retry("etl#1", check=True)
        except ork.RunFailed as error:
            names.append(error.run.state)
        return [*names, deployed.workflow, *map(str, [*numbers, rows]), str(project.graph("etl"))]

reveal_type(main())
ork.open().deploy(1)
"""


NAMED = """
from collections.abc import Iterator

import ork
from ork.testing import Result, RunTask, RunWorkflow


def shown(run: ork.RunDetails, project: ork.Project) -> str:
    return f"{run.name} {run.state} {project.deploy('etl.yaml').snapshot}"


def messages(rows: ork.Rows[ork.LogEntry]) -> Iterator[str]:
    return (row.deploy.message for row in rows)


def told(event: ork.Event) -> str:
    match event:
        case ork.RunStarted(run=run, tasks=tasks):
            return f"{run.name} {len(tasks)}"
        case ork.TaskFinished(task=task, taskrun=taskrun):
            return f"{task} {taskrun.state}"
        case ork.RunFinished(run=run):
            return run.state
        case ork.TaskStarted() | ork.TaskRetried() | ork.CheckedOut():
            return type(event).__name__


def test_etl(run_task: RunTask, run_workflow: RunWorkflow, ork_project: ork.Project) -> None:
    result: Result = run_task("etl.yaml", "load", inputs={"rows": 3})
    assert result.ok and run_workflow("etl.yaml").ok
"""


def types_of(folder, text):
    """Return what mypy says of a script."""
    (folder / "script.py").write_text(text)
    words = ("mypy", "--strict", "--cache-dir", ROOT / ".mypy_cache", "script.py")
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, capture_output=True, text=True
    )
    return re.findall(r"script.py:\d+: (.*)", done.stdout.replace("builtins.", ""))


@pytest.mark.slow
def test_what_python_returns_has_a_name_in_typed_code(tmp_path):
    told = types_of(tmp_path, f"{NAMED}    run_task('etl.yaml', 'load', input={{}})\n")
    (wrong,) = [one for one in told if one.startswith("error")]
    assert 'Unexpected keyword argument "input" for "__call__" of "RunTask"' in wrong


def test_events_are_told_apart_by_their_classes(project):
    names = {}
    exec(NAMED, names)  # noqa: S102 - it is ours
    assert [*map(names["told"], project.events("etl.yaml"))] == [
        "etl#1 2",
        "TaskStarted",
        "extract success",
        "TaskStarted",
        "load success",
        "success",
    ]


@pytest.mark.slow
@pytest.mark.turns(3)
def test_a_script_is_checked_by_its_types(tmp_path):
    assert types_of(tmp_path, TYPED) == [
        'note: Revealed type is "list[str]"',
        'error: Argument 1 to "deploy" of "Project" has incompatible type "int";'
        ' expected "str | Path"  [arg-type]',
    ]
