"""Which tasks a change can affect, by what is stored; and the diff of some tasks alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence

import pytest

from ork.errors import NotFound
from ork.history.compare import Comparison, diff, impact_of, narrow, reach_of_both
from ork.objects.kinds import Task
from ork.store.resolve import resolve
from ork.store.store import Store
from tests.stores import NOON

TEXT = """\
name: etl
schedule: "@daily"
include: ["sql/*.sql"]
params: {day: {type: str, default: "2026-01-01"}, size: {type: int, default: 3}}
tasks:
  extract:
    executor: python
    file: tasks/etl.py
    inputs: {day: {ref: params.day}}
  clean: {executor: python, file: tasks/clean.py, depends_on: [extract]}
  load: {executor: process, command: "sh ./load.sh", depends_on: [clean]}
  audit: {executor: process, command: "true"}
"""
FILES = {
    "tasks/etl.py": "import common, lib.dates\ndef main(day): ...\n",
    "tasks/clean.py": "import lib.dates\ndef main(): ...\n",
    "common.py": "import helper\n",
    "helper.py": "x = 1\n",
    "lib/__init__.py": "",
    "lib/dates.py": "y = 1\n",
    "load.sh": "echo load\n",
    "sql/a.sql": "select 1\n",
}


class World:
    """A workflow with two deploys: the one above, and whatever a test makes of it."""

    def __init__(self, store: Store, keep: Callable[..., object]) -> None:
        self.store = store
        self._keep = keep
        for path, text in FILES.items():
            self.write(path, text)
        keep(TEXT)

    def write(self, path: str, text: str) -> None:
        target = self.store.project / path
        target.parent.mkdir(exist_ok=True)
        target.write_text(text)

    def changed(self, *edits: tuple[str, str], rename: bool = True) -> Comparison:
        """Deploy again, the text of the workflow edited; return what differs."""
        text = TEXT
        for old, new in edits:
            assert old in text
            text = text.replace(old, new)
        self._keep(text, hours=1)
        return diff(self.store, "etl~1", "etl", now=NOON, rename=rename)

    def impact(self, *edits: tuple[str, str], rename: bool = True) -> dict[str, str]:
        """Return affected task -> why, with what it is by."""
        found = impact_of(self.store, self.changed(*edits, rename=rename))
        return {one.name: " ".join((one.why, *one.via)) for one in found.affected}


@pytest.fixture
def world(project: Store, keep: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.chdir(project.project)
    return World(project, keep)


def names(parts: Sequence[object]) -> list[str]:
    return [str(getattr(part, "name", None) or getattr(part, "path", part)) for part in parts]


# -- impact


def test_code_that_a_task_imports_affects_it_and_what_comes_after(world: World) -> None:
    world.write("helper.py", "x = 2\n")
    assert world.impact() == {
        "extract": "code helper.py",
        "clean": "upstream extract",
        "load": "upstream clean",
    }


def test_code_that_two_tasks_import_affects_both(world: World) -> None:
    world.write("lib/__init__.py", "z = 1\n")
    world.write("lib/dates.py", "y = 2\n")
    assert world.impact() == {
        "extract": "code lib/__init__.py lib/dates.py",
        "clean": "code lib/__init__.py lib/dates.py",
        "load": "upstream clean",
    }


def test_a_file_that_a_command_names_affects_that_task(world: World) -> None:
    world.write("load.sh", "echo more\n")
    assert world.impact() == {"load": "code load.sh"}


def test_a_file_that_came_by_include_affects_every_task(world: World) -> None:
    world.write("sql/a.sql", "select 2\n")
    assert world.impact() == dict.fromkeys(("audit", "extract", "clean", "load"), "maybe sql/a.sql")


def test_a_module_that_is_gone_affects_whoever_imported_it(world: World) -> None:
    (world.store.project / "helper.py").unlink()
    found = world.impact()
    assert found["extract"] == "code helper.py" and "audit" not in found


def test_a_module_that_came_affects_whoever_imports_it(world: World) -> None:
    world.write("tasks/helper.py", "x = 2\n")  # is found before the one in the root
    assert world.impact()["extract"] == "code helper.py tasks/helper.py"


def test_a_file_that_only_a_removed_task_executed_affects_nobody(world: World) -> None:
    line = '  load: {executor: process, command: "sh ./load.sh", depends_on: [clean]}\n'
    assert world.impact((line, "")) == {}


def test_a_renamed_task_is_affected_by_code_that_it_had_by_its_old_name(world: World) -> None:
    world.write("load2.sh", FILES["load.sh"])
    assert world.impact(("  load:", "  store:")) == {}
    (world.store.project / "helper.py").unlink()
    found = world.impact(
        ("  load:", "  store:"), ("  extract:", "  fetch:"), ("[extract]", "[fetch]")
    )
    assert found["fetch"] == "code helper.py"


def test_a_parameter_affects_the_tasks_that_take_it(world: World) -> None:
    found = world.impact(("2026-01-01", "2026-01-02"), ("default: 3", "default: 4"))
    assert found["extract"] == "param day" and "audit" not in found


def test_settings_and_mere_renames_affect_nobody(world: World) -> None:
    edits = (("@daily", "@hourly"), ("  clean:", "  tidy:"), ("[clean]", "[tidy]"))
    assert world.impact(*edits) == {}


def test_without_renames_a_renamed_task_is_a_new_one(world: World) -> None:
    found = world.impact(("  clean:", "  tidy:"), ("[clean]", "[tidy]"), rename=False)
    assert found == {"tidy": "added", "load": "changed"}


def test_only_what_is_stored_counts_not_the_disk(world: World) -> None:
    world.write("helper.py", "x = 2\n")
    comparison = world.changed()
    expected = impact_of(world.store, comparison)
    for path in ("tasks", "lib"):
        shutil.rmtree(world.store.project / path)
    (world.store.project / "common.py").write_text("import nothing")
    assert impact_of(world.store, comparison) == expected


def test_every_file_that_was_captured_for_a_task_is_reached_by_one(world: World) -> None:
    store = world.store
    snapshot = store.snapshot(resolve(store, "etl^{snapshot}", now=NOON).oid)
    tasks = {name: store.get(Task, oid) for name, oid in snapshot.tasks.items()}
    found = reach_of_both(store, snapshot, snapshot, tasks, ())
    assert set().union(*(one.files for one in found.values())) == FILES.keys() - {"sql/a.sql"}


def test_a_definition_does_not_affect_itself(world: World) -> None:
    found = impact_of(world.store, diff(world.store, "etl", "etl", now=NOON))
    assert found.affected == () and len(found.unaffected) == 4


# -- some tasks alone


def test_a_task_comes_with_its_edges_parameters_and_code(world: World) -> None:
    world.write("helper.py", "x = 2\n")
    world.write("load.sh", "echo more\n")
    comparison = world.changed(
        ("@daily", "@hourly"),
        ("2026-01-01", "2026-01-02"),
        ("default: 3", "default: 4"),
        ('command: "true"', 'command: "true", depends_on: [extract]'),
        ("file: tasks/etl.py", "file: tasks/etl.py\n    timeout: 9"),
    )
    found = narrow(world.store, comparison, ["extract"]).diff
    assert names(found.tasks) == ["extract"]
    assert [(edge.upstream, edge.downstream) for edge in found.edges] == [("extract", "audit")]
    assert names(found.params) == ["day.default"]
    assert names(found.files) == ["helper.py"]
    assert found.settings == ()
    assert not narrow(world.store, comparison, ["clean"]).diff


def test_a_file_comes_alone(world: World) -> None:
    world.write("helper.py", "x = 2\n")
    world.write("load.sh", "echo more\n")
    world.write("sql/a.sql", "select 2\n")
    comparison = world.changed(('command: "true"', 'command: "false"'))
    found = narrow(world.store, comparison, ["./load.sh"]).diff
    assert (names(found.files), found.tasks) == (["load.sh"], ())
    assert names(narrow(world.store, comparison, ["audit"]).diff.files) == ["sql/a.sql"]


def test_a_renamed_task_is_found_by_both_names(world: World) -> None:
    comparison = world.changed(("  load:", "  store:"))
    for name in ("load", "store"):
        (task,) = narrow(world.store, comparison, [name]).diff.tasks
        assert (task.kind, task.name, task.old_name) == ("renamed", "store", "load")


def test_a_removed_task_comes_with_the_code_that_it_executed(world: World) -> None:
    line = '  load: {executor: process, command: "sh ./load.sh", depends_on: [clean]}\n'
    found = narrow(world.store, world.changed((line, "")), ["load"]).diff
    assert (names(found.tasks), names(found.files)) == (["load"], ["load.sh"])


def test_a_name_that_neither_side_has_is_an_error_with_names_that_are_near(world: World) -> None:
    comparison = world.changed(("@daily", "@hourly"))
    with pytest.raises(NotFound, match="named 'extrct', 'loads'") as caught:
        narrow(world.store, comparison, ["extrct", "audit", "loads"])
    assert caught.value.hint == "did you mean extract or load?"
