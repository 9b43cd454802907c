"""A database is read as it is at one moment, beside its scheduler; a bad one is refused."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from ork.backends.memory import Memory
from ork.definition.workflow import parse
from ork.errors import InvalidInput, NotFound, OrkError, StoreError, UsageError
from ork.objects.kinds import Deploy, Run, Task, to_json
from ork.objects.snapshot import build
from ork.orkdb.database import TABLES, open_database, rows
from ork.orkdb.rows import id_of, time_of
from ork.store.contents import join_text, task_runs
from ork.store.resolve import history, newest_number, run_of_number
from ork.store.store import Store
from tests.orkdb.databases import FIRST, fill, sqlite, step
from tests.scale import size

COLON = ":"  # so that no line here looks like one with a password


def names(database):
    return [row["name"] for row in rows(database, "workflows")]


# -- where it is


@pytest.mark.parametrize(
    "source",
    [
        "{0}/ork.db",
        "{0}",
        "sqlite:{0}/ork.db",
        "sqlite://{0}/ork.db?mode=rwc",
        "sqlite://{0}/%6frk.db",
    ],
)
def test_it_is_named_as_the_original_did(original, file, source):
    original.workflow("etl")
    database = open_database(source.format(file.parent))
    assert names(database) == ["etl"]
    database.close()


def test_the_folder_of_a_project_stands_for_it(tmp_path):
    made = sqlite(tmp_path / ".ork" / "ork.db")
    open_database(tmp_path).close()
    made.close()


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [
        ("nowhere.db", NotFound, "no file nowhere.db"),
        (".", NotFound, "no ork.db in ."),
        (
            f"mysql://u{COLON}p@h/d",
            UsageError,
            "'mysql://u@h/d' is no database of the original ork",
        ),
        ("sqlite:nowhere.db", NotFound, "no file nowhere.db"),
    ],
)
def test_what_names_none_is_told(tmp_path, monkeypatch, source, error, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=words):
        open_database(source)


# -- what is in it


def test_other_files_are_refused(tmp_path):
    (tmp_path / "a.db").write_bytes(b"no database, but long enough to be one" * 100)
    with pytest.raises(InvalidInput, match="is no database of SQLite"):
        open_database(tmp_path / "a.db")
    sqlite3.connect(tmp_path / "b.db").execute("CREATE TABLE objects (oid)").connection.close()
    with pytest.raises(InvalidInput, match="it has no table workflows"):
        open_database(tmp_path / "b.db")
    (tmp_path / "empty.db").touch()
    with pytest.raises(InvalidInput, match="it has no table workflows"):
        open_database(tmp_path / "empty.db")


def test_a_view_is_no_table(original, file):
    original.execute("DROP TABLE runs")
    loop = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x AS id FROM n"
    original.execute(f"CREATE VIEW runs AS {loop}")
    with pytest.raises(InvalidInput, match="it has no table runs"):
        open_database(file)


def test_damage_is_told_and_nothing_is_written(tmp_path, store, take):
    file = tmp_path / "old" / "ork.db"
    original = sqlite(file, journal="delete")
    fill(original)
    original.close()
    whole = file.read_bytes()
    told = set()
    for at in range(0, len(whole), 4096):
        file.write_bytes(whole[:at] + b"\xa5" * 2048 + whole[at + 2048 :])
        try:
            take(file, dry_run=True)
        except OrkError as error:
            told.add(type(error))
    assert told == {InvalidInput}
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InvalidInput, match="is damaged"):
        take(file)
    assert not dict(store.backend.refs())


def test_rows_may_hold_anything(original, take, store):
    etl = original.workflow("etl", description="naïve ☃")
    first = original.deploy(etl, FIRST, "2026-01-02T01:00:00.000Z")
    text = original.workflow("text ids", id="0f9d8c7b-6a59-4847-8362-514131211101")
    original.deploy(text, [step("a", executor="process", command="true")], "2026-01-02T01:00:00Z")
    original.run(etl, FIRST, "2026-01-02T02:00:00.000Z", snapshot=first, id="no id")
    one = original.run(etl, [], "2026-01-02T03:00:00.000Z", snapshot=first, error=b"\xff\xfe")
    original.task(one, 0, FIRST[0], "2026-01-02T03:00:00.000Z", logs=b"\xffraw", output="{broken")
    original.task(one, 1, FIRST[1], "2026-01-02T03:00:00.000Z", attempts="many", error=7)
    stranger = step("stranger", executor="process", command="true")
    original.task(one, 2, stranger, "2026-01-02T03:00:00.000Z")
    hollow = original.workflow("hollow")
    original.insert("workflow_tasks", workflow_id=hollow, task_name="a", params="[1]")
    original.insert("workflow_snapshots", workflow_id=hollow, tasks_json="{}", created_at="?")
    original.insert(
        "workflow_snapshots", workflow_id=hollow, tasks_json='[{"a": 1}]', created_at="2026-01-02"
    )
    half = step("half", executor="process", command="echo \ud800")
    original.deploy(original.workflow("half"), [half], "2026-01-02T01:00:00.000Z")
    done = take()
    told = {(one.workflow, one.what.split(" of ")[0]): one.reason for one in done.left_out}
    assert told["etl", "run ?"] == "it has no id"
    assert told["etl", "the output"] == "it is no JSON (its text is in the log)"
    assert told["etl", "the task 'stranger'"] == "it is not in what that run executed"
    assert told["hollow", "the workflow"] == "nothing of it is left"
    assert told["half", "the workflow"] == "nothing of it is left"
    assert run_of_number(store, "etl", 1)[1].state == "success"
    assert store.ref("workflows/text_ids")


def test_edges_that_make_no_graph_are_refused(original, take):
    ring = [
        step("a", "b", executor="process", command="true"),
        step("b", "a", executor="process", command="true"),
    ]
    original.deploy(original.workflow("ring"), ring, "2026-01-02T01:00:00.000Z")
    twice = [step("a", executor="process", command="true")] * 2
    original.deploy(original.workflow("twice"), twice, "2026-01-02T01:00:00.000Z")
    nobody = [step("a", "nobody", executor="process", command="true")]
    original.deploy(original.workflow("nobody"), nobody, "2026-01-02T01:00:00.000Z")
    told = {one.reason for one in take().left_out}
    assert {"two of its tasks have the same name", "no task named `nobody`"} <= told
    assert any("cycle" in reason for reason in told)


@pytest.mark.parametrize(
    ("cell", "time"),
    [
        ("2026-01-05T02:00:00.512Z", "2026-01-05T02:00:00.512000+00:00"),
        ("2026-01-08T02:00:00.000000789+00:00", "2026-01-08T02:00:00+00:00"),
        ("2026-01-06 02:00:36", "2026-01-06T02:00:36+00:00"),
        ("2026-01-05T02:00:00Z", "2026-01-05T02:00:00+00:00"),
        ("2026-01-05 02:00:00.5+00", "2026-01-05T02:00:00.500000+00:00"),
        ("2026-01-05T04:00:00+02:00", "2026-01-05T02:00:00+00:00"),
        (b"2026-01-05T02:00:00Z", "2026-01-05T02:00:00+00:00"),
    ],
)
def test_times_have_several_forms(cell, time):
    assert time_of(cell).isoformat() == time


@pytest.mark.parametrize("cell", [None, "", "infinity", "0001-01-01T00:00:00+02:00", 5, "never"])
def test_what_is_no_time_is_none(cell):
    assert time_of(cell) is None


def test_ids_have_two_forms():
    assert id_of(b"\x01" * 16) == id_of("01010101-0101-0101-0101-010101010101") == "01" * 16
    assert id_of(b"\x01") is id_of("x") is id_of(None) is None


# -- beside its scheduler


def test_what_is_written_meanwhile_is_not_seen(original, file):
    original.workflow("etl")
    database = open_database(file)
    original.workflow("later")
    assert names(database) == ["etl"]
    database.close()


def test_without_a_write_ahead_log_a_writer_need_not_wait(tmp_path):
    file = tmp_path / "old" / "ork.db"
    original = sqlite(file, journal="delete")
    original.execute("PRAGMA busy_timeout = 0")
    original.workflow("etl")
    database = open_database(file)
    original.workflow("later")  # would raise: locked
    assert names(database) == ["etl"]
    database.close()
    original.close()


def test_a_copy_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    made = sqlite(tmp_path / "old" / "ork.db", journal="delete")
    database = open_database(tmp_path / "old")
    assert os.listdir(tmp_path / "tmp")
    database.close()
    assert not os.listdir(tmp_path / "tmp")
    made.close()


def test_a_lock_that_stays_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("ork.orkdb.database._BUSY_SECONDS", 0)
    monkeypatch.setattr("ork.orkdb.database._BUSY_TRIES", 0)
    made = sqlite(tmp_path / "old" / "ork.db", journal="delete")
    made.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match="is locked by another program"):
        open_database(tmp_path / "old")
    made.close()


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
import sqlite3
import time
from tests.orkdb.databases import Original, EXTRACT, FIRST, SECOND
original = Original.__new__(Original)
original._connection = sqlite3.connect({file!r}, isolation_level=None, timeout=20)
original._server, original._count, original.snapshots = False, 10_000, True
(etl,) = original._connection.execute("SELECT id FROM workflows").fetchone()
for number in range(86_400):
    steps = FIRST if number % 10 < 5 else SECOND
    at = f"2026-02-01T{{number // 3600:02}}:{{number // 60 % 60:02}}:{{number % 60:02}}.000Z"
    kept = original.deploy(etl, steps, at)
    original.run(etl, steps, at, snapshot=kept)
    print(number, flush=True)
    time.sleep(0.001)
"""


@pytest.mark.slow
def test_a_scheduler_goes_on_while_it_is_imported(original, file, take, store):
    etl = original.workflow("etl")
    original.deploy(etl, FIRST, "2026-01-02T01:00:00.000Z")
    script = WRITER.format(root=str(Path(__file__).parents[2]), file=str(file))
    writer = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    try:
        assert writer.stdout
        for _ in range(5):
            writer.stdout.readline()
            done = take()
            assert not [one for one in done.left_out if "is not what" in one.reason]
            newest = run_of_number(store, "etl", newest_number(store, "etl"))[1]
            assert newest.state == "success"
        assert writer.poll() is None
    finally:
        writer.kill()
        writer.wait()
        writer.stdout.close()
    snapshots = [deploy.snapshot for _, deploy in history(store, "etl")]
    assert all(a != b for a, b in pairwise(snapshots))
    tasks = [store.get_all(Task, store.snapshot(oid).tasks) for oid in set(snapshots)]
    assert {len(one) for one in tasks} <= {2, 3}


HOSTILE = [
    *(None, "", 0, -1, 2**62, 1.5, float("inf"), b"", b"\xff\x00\xfe", "\x00", "\x1b[2J", "\ud7ff"),
    *(
        "null",
        "[]",
        "{}",
        '"x"',
        "[1]",
        '{"a": 1}',
        "[" * 3000,
        '[{"task_name": 5}]',
        "NaN",
        "1e999",
    ),
    *("9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2026-02-30", "success", "failed", "running"),
    *('["extract"]', '["load"]', '{"task_file": "../../etc/passwd"}', '{"command": ["a", 1]}'),
    *('{"env": {"A B": 1}, "command": "true"}', '{"timeout_seconds": -1, "command": "true"}'),
    *('{"task_bindings": {"x": {"ref": "tasks..output"}}}', '{"command": "\\ud800"}', "x" * 5000),
]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """The bytes of a database with something of everything."""
    file = tmp_path_factory.mktemp("base") / "ork.db"
    original = sqlite(file, journal="delete")
    fill(original)
    original.close()
    return file.read_bytes()


@pytest.mark.parametrize("seed", range(size(300, by_day=24)))
def test_no_cell_does_harm(base, tmp_path, take, seed):
    """Whatever a few cells hold, the import ends in words, and what it wrote is whole."""
    dice = random.Random(seed)
    file = tmp_path / "ork.db"
    file.write_bytes(base)
    with closing(sqlite3.connect(file)) as connection, connection:
        for _ in range(dice.choice((1, 1, 3, 12))):
            table = dice.choice([*TABLES])
            columns = TABLES[table].split()
            (row,) = dice.choice(connection.execute(f"SELECT rowid FROM {table}").fetchall())
            column = dice.choice(columns)
            connection.execute(
                f"UPDATE {table} SET {column} = ? WHERE rowid = ?", [dice.choice(HOSTILE), row]
            )
    connection.close()
    store = Store(Memory())
    options = {"unfinished": dice.random() < 0.5, "allow_secret": dice.random() < 0.5}
    try:
        done = take(file, into=store, **options)
    except OrkError:
        assert not dict(store.backend.refs())
        return
    told = json.dumps(to_json(done))
    assert "\x1b" not in told
    for _, oid in store.refs("runs/"):
        run = store.get(Run, oid)
        assert store.get(Deploy, run.deploy).snapshot == run.snapshot
        assert task_runs(store, run).keys() <= store.snapshot(run.snapshot).tasks.keys()
    for name, head in store.refs("workflows/"):
        for _, deploy in history(store, name, head):
            text = join_text(store, deploy.source)
            assert build(parse(text, file="a").tasks, {}).oid == deploy.snapshot
    before = dict(store.backend.refs())
    take(file, into=store, **options)
    assert dict(store.backend.refs()) == before
