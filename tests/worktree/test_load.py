"""A text that was deployed is not read again, and nobody can tell but by the clock."""

import shutil
from pathlib import Path

import pytest

from ork.definition.workflow import parse
from ork.errors import InvalidInput
from ork.heads.deploy import deploy
from ork.heads.undo import undo
from ork.objects.kinds import Deploy, Snapshot, Task
from ork.store.store import Store
from ork.worktree import load
from ork.worktree.load import _known, check, examine, secrets_in
from ork.worktree.lookup import workflow_files
from tests.store.test_forgotten import forget
from tests.stores import NOON, stamp

EXAMPLES = [
    path
    for path in sorted(workflow_files(Path(__file__).parents[2] / "examples"))
    # Not the library, which has to be compiled, and no second version, which is no project alone.
    if path.stem != "library" and path.parent.name != "v2"
]
ETL = """\
name: etl
description: "Fetch & load: \\u00e9"
schedule: {cron: "0 2 * * *", params: {plain: 1}}
max_parallel: 2
types:
  Table: {path: str, rows: int, when: datetime_utc}
params:
  day: {type: date, default: 2026-01-01}
  limit: {type: float, default: 1e3}
  plain: {}
env: {MODE: fast, PASSWORD: {secret: PASSWORD}}
tasks:
  extract: &extract
    executor: python
    file: tasks/etl.py
    function: extract
    retry_delay: 1.5
    retry_backoff: 1.25
    timeout: none
    output_type: types.Table
    inputs: {day: {ref: params.day}, rows: {const: [1.0, 1e0, -0.0, 1e20, .5, null, {a: "1"}]}}
  again: {<<: *extract, timeout: 1h30m}
  load:
    executor: shell
    command: ./load.sh
    depends_on: [extract]
    env: {DAY: {ref: params.day}, ROWS: {ref: tasks.extract.output.rows}}
"""


@pytest.fixture
def etl(project: Store) -> Path:
    """The file of a workflow with its code, not deployed."""
    (project.project / "tasks").mkdir()
    (project.project / "tasks/etl.py").write_text("def extract(day, rows): ...\n")
    (project.project / "load.sh").write_text("#!/bin/sh\n. ./$WHERE\n")
    (project.project / "load.sh").chmod(0o755)
    file = project.project / "etl.yaml"
    file.write_text(ETL)
    return file


def known(store: Store, file: Path) -> bool:
    """Say whether the text is not read: then no task is encoded."""
    built = check(file, store).built
    return built.snapshot.tasks not in built.objects


def compare(store: Store, file: Path) -> None:
    late, early = check(file, store), check(file)
    assert known(store, file)
    assert late.definition == early.definition
    assert list(late.definition.tasks) == list(early.definition.tasks)
    assert late.definition.text == early.definition.text
    assert (late.snapshot, late.built.snapshot) == (early.snapshot, early.built.snapshot)
    assert (late.captured, late.root, late.text) == (early.captured, early.root, early.text)
    assert late.captured.unknown == early.captured.unknown
    assert late.captured.silent == early.captured.silent
    assert secrets_in(late) == secrets_in(early)
    assert list(late.definition.places) == list(early.definition.places)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_store_says_what_the_text_of_an_example_says(project: Store, example: Path) -> None:
    folder = project.project / "example"
    shutil.copytree(example.parent, folder)
    file = folder / example.name
    deploy(project, file, stamp=stamp())
    if b"\ninclude:" in file.read_bytes():
        assert not known(project, file)
    else:
        compare(project, file)


@pytest.mark.parametrize(
    "text",
    [
        ETL,
        ETL.replace("\n", "\r\n"),
        ETL.replace("name: etl", '"name":   "etl"  # quoted'),
        '{"tasks": {"a": {"executor": "process", "command": "true"}}, "name": "etl"}',
        "tasks:\n  name: {executor: process, command: sleep 1}\nname: tasks\n",
        "name: etl\nroot: .\npython: python3\ntasks: {a: {executor: process, command: [ls, -l]}}",
    ],
)
def test_the_store_says_what_a_text_says(project: Store, etl: Path, text: str) -> None:
    etl.write_text(text, newline="")
    deploy(project, etl, stamp=stamp())
    if known(project, etl):
        compare(project, etl)
    else:
        assert text.startswith("tasks:")  # whose first `name` is another one: it is read


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("tasks/etl.py", "def main(): ...\n"),
        ("tasks/etl.py", "def extract(day): ...\n"),
        ("tasks/etl.py", "def extract(day, rows, more): ...\n"),
        ("tasks/etl.py", "def extract(\n"),
        ("tasks/etl.py", None),
        ("load.sh", "#!/bin/sh\n. ../outside.sh\n"),
    ],
)
def test_code_is_complained_of_in_the_same_words(
    project: Store, etl: Path, path: str, code: str | None
) -> None:
    deploy(project, etl, stamp=stamp())
    (etl.parent / path).unlink()
    if code is not None:
        (etl.parent / path).write_text(code)
    told = []
    for store in (project, None):
        try:
            found = check(etl, store).captured
            told.append((found, found.unknown, found.silent))
        except InvalidInput as error:
            told.append((error.message, error.problems))
    if code is None:  # which the store has
        (known,), (unknown,) = told[0][1], told[1][1]
        assert known.hint == "`ork restore etl:tasks/etl.py` writes tasks/etl.py as it was deployed"
        told[0] = (told[0][0], (known._replace(hint=unknown.hint),))
    assert told[0] == told[1]


def test_other_code_is_another_snapshot_of_a_text_that_is_known(project: Store, etl: Path) -> None:
    first = deploy(project, etl, stamp=stamp())
    (etl.parent / "tasks/etl.py").write_text("def extract(day, rows): return 1\n")
    assert known(project, etl)
    second = deploy(project, etl, stamp=stamp(1))
    assert second.changed and second.snapshot != first.snapshot
    assert [change.path for change in second.diff.files] == ["tasks/etl.py"]
    compare(project, etl)


def test_a_text_that_was_undone_is_deployed_whole(project: Store, etl: Path) -> None:
    deploy(project, etl, stamp=stamp())
    etl.write_text(ETL.replace("./load.sh", "./load.sh twice"))
    second = deploy(project, etl, stamp=stamp(1))
    undo(project, "@", stamp=stamp(2), now=NOON)
    assert known(project, etl)
    third = deploy(Store(project.backend, folder=project.folder), etl, stamp=stamp(3))
    assert third.changed and third.snapshot == second.snapshot
    assert third.bytes_written > 1000


PLAIN = """\
description: "{description}"
name: etl
tasks:
  extract:
    executor: process
    command: echo {word}
  load:
    executor: process
    command: echo
  tell:
    executor: process
    command: echo
"""


def edited(store: Store, file: Path, description: str = "") -> bool:
    """Edit a text that was deployed; say whether only the edit is read, which gives the same."""
    file.write_text(PLAIN.format(word="one", description=description))
    deploy(store, file, stamp=stamp())
    file.write_text(PLAIN.format(word="two", description=description))
    late, early = check(file, store), check(file)
    assert late.definition == early.definition
    assert (late.snapshot, late.definition.text) == (early.snapshot, early.definition.text)
    assert list(late.definition.places) == list(early.definition.places)
    known, _ = _known(store, late.text, str(file))
    found = parse(late.text, file=str(file), before=known)
    assert found == early.definition
    return known is not None and found.tasks["load"] is known.tasks["load"]


def test_of_an_edited_text_only_the_edit_is_read(project: Store, etl: Path) -> None:
    assert edited(project, etl)


def test_an_edited_text_that_names_another_workflow_is_read(project: Store, etl: Path) -> None:
    other = project.project / "other.yaml"
    other.write_text(PLAIN.format(word="one", description="").replace("etl", "other"))
    deploy(project, other, stamp=stamp())
    assert not edited(project, etl, "\nname: other")


def test_a_text_of_which_a_task_was_forgotten_is_read(project: Store, etl: Path) -> None:
    edited(project, etl)
    done = project.get(Deploy, project.ref("workflows/etl"))
    tasks = project.named(project.get(Snapshot, done.snapshot).tasks)
    found = check(etl).snapshot
    later = forget(project, tasks["load"], tasks["extract"])
    later.backend.sweep(lambda: [tasks["load"]])
    assert later.get(Task, tasks["load"]).command == "echo one"
    assert check(etl, later).snapshot == found


@pytest.mark.parametrize("edit", [" ", "# other\n", "\n"])
def test_another_text_is_read(project: Store, etl: Path, edit: str) -> None:
    deploy(project, etl, stamp=stamp())
    assert known(project, etl)
    etl.write_text(ETL + edit)
    assert not known(project, etl)


def test_what_another_reader_has_read_is_read(
    project: Store, etl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(project, etl, stamp=stamp())
    monkeypatch.setattr(load, "READER", load.READER + 1)
    assert not known(project, etl)
    (etl.parent / "tasks/etl.py").write_text("def extract(day, rows): return 1\n")
    deploy(project, etl, stamp=stamp(1))
    assert known(project, etl)
    assert len([ref for ref, _ in project.refs("read/etl/") if not ref.startswith("file/")]) == 1


def test_a_text_with_include_is_read(project: Store, etl: Path) -> None:
    etl.write_text(ETL + "include: [tasks/*]\n")
    deploy(project, etl, stamp=stamp())
    assert not known(project, etl)
    assert [ref for ref, _ in project.refs("read/etl/") if not ref.startswith("file/")] == []


def test_what_the_store_has_lost_is_read(project: Store, etl: Path) -> None:
    done = deploy(project, etl, stamp=stamp())
    snapshot = project.get(Snapshot, done.snapshot)
    for oid in (project.named(snapshot.tasks)["load"], snapshot.tasks, done.snapshot):
        store = Store(project.backend, folder=project.folder)
        store.backend.sweep([oid].copy)
        assert not known(store, etl)
        assert store.get(Deploy, done.deploy).snapshot == check(etl, store).snapshot


def test_without_the_text_that_was_edited_all_is_read(project: Store, etl: Path) -> None:
    assert edited(project, etl)
    oid = project.get(Deploy, project.ref("workflows/etl")).source.oid
    project.backend.sweep([oid].copy)
    store = Store(project.backend, folder=project.folder)
    assert check(etl, store).definition == check(etl).definition


@pytest.mark.slow
def test_a_deploy_warns_of_no_more_tasks_than_it_has_memory_for(tmp_path: Path) -> None:
    tasks = (f"  t{n}: {{executor: process, command: ./gone.sh}}\n" for n in range(20_001))
    path = tmp_path / "w.yaml"
    path.write_text("name: w\ntasks:\n" + "".join(tasks))
    assert check(path).warnings == ()
    loaded, _, _ = examine(path)
    assert loaded is not None and loaded.warnings[0].message == "there is no file gone.sh"
    path.write_text("name: w\ntasks:\n  t: {executor: process, command: ./gone.sh}\n")
    assert [one.message for one in check(path).warnings] == ["there is no file gone.sh"]
