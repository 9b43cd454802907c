"""A store in SQLite: made, used, read in SQL, damaged, repaired, cleared, moved there and back."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ork.store.store import Store
from tests.conftest import Ork
from tests.damage import flip, raw

SAME = ("log", "log -p", "runs", "ops", "show etl#1", "outputs etl#1", "diff etl~1 etl", "fsck")


@pytest.fixture
def kept(etl: Ork, edit: Callable[[str, str, str], None]) -> Ork:
    """The small pipeline in a store of SQLite: deployed twice, tagged, and run."""
    assert etl("init", "--store", "sqlite:").code == 0
    assert etl("deploy", "etl.yaml", "-m", "First").code == 0
    edit("etl.yaml", "timeout: 300", "timeout: 600")
    assert etl("run", "etl.yaml").code == 0
    assert etl("tag", "etl@prod", "etl~1").code == 0
    return etl


def answers(ork: Ork) -> list[tuple[int, str]]:
    found = (ork(*line.split(), *["--json"]) for line in SAME)
    return [(one.code, one.out) for one in found]


def test_a_store_in_sqlite_is_one_file_that_sql_reads(kept: Ork) -> None:
    data = kept.folder / ".ork/db"
    assert sorted(path.name for path in data.iterdir()) == [
        "store.db",
        "store.db-gate",
        "store.db-open",
    ]
    deploy = json.loads(kept("rev-parse", "etl", "--json").out)["data"][0]["oid"]
    with closing(sqlite3.connect(data / "store.db")) as connection:
        heads = connection.execute("SELECT name, deploy, message FROM workflows").fetchall()
        runs = connection.execute("SELECT workflow, number, state FROM runs").fetchall()
    assert heads == [("etl", deploy, "Change extract.timeout 300 -> 600")]
    assert runs == [("etl", 1, "success")]


@pytest.mark.slow
def test_a_history_moves_from_lmdb_to_sqlite_and_back(ran: Ork, tmp_path: Path) -> None:
    before = answers(ran)
    for number, url in enumerate(("sqlite:", "lmdb:")):
        file = tmp_path / f"{number}.orkbackup"
        assert ran("backup", str(file)).code == 0
        (ran.folder / ".ork").rename(tmp_path / f"old-{number}")
        assert ran("init", "--store", url, "--from", str(file)).code == 0
        config = json.loads((ran.folder / ".ork/config.json").read_text())
        assert config["backend"] == url[:-1]
        assert [code for code, _ in answers(ran)] == [0] * len(SAME)
        assert answers(ran)[:-1] == before[:-1]
    assert ran("run", "etl").code == 1


@pytest.mark.slow
def test_damage_is_found_and_repaired(kept: Ork) -> None:
    before = kept("log").out
    flip(kept.folder / ".ork", b"rworkflows/etl", 12)
    assert kept("log").code == 4
    assert kept("fsck").code == 1
    done = kept("fsck", "--repair")
    assert "made the ref 'workflows/etl' again" in done.out
    assert (done.code, kept("fsck", "--full").code, kept("log").out) == (0, 0, before)
    (old,) = (kept.folder / ".ork/quarantine").iterdir()
    assert old.name.endswith("-store.db")


@pytest.mark.slow
def test_a_page_that_is_gone_is_a_finding_and_the_rest_is_recovered(kept: Ork) -> None:
    file = kept.folder / ".ork/db/store.db"
    data = bytearray(file.read_bytes())
    data[3 * 4096 : 4 * 4096] = bytes(4096)
    file.write_bytes(data)
    found = kept("fsck")
    assert (found.code, "E001" in found.out) == (1, True)
    assert kept("fsck", "--repair").code in (0, 1)
    assert "E0" not in kept("fsck").out


@pytest.mark.slow
def test_room_is_given_back_and_a_secret_leaves_no_trace(kept: Ork) -> None:
    secret = "a-secret-of-someone"
    kept.write("load.sh", f"#!/bin/sh\necho {secret}\n", executable=True)
    assert kept("deploy", "etl.yaml").code == 0
    kept.write("secret.txt", secret)
    assert kept("forget", "--text-file", "secret.txt", "--yes").code == 0
    with raw(kept.folder / ".ork") as rows:
        assert not any(secret.encode() in value for _, value in rows.cursor())
    for path in (kept.folder / ".ork").rglob("*"):
        assert path.is_dir() or secret.encode() not in path.read_bytes()
    assert kept("gc", "--prune", "--repack").code == 0
    assert kept("fsck", "--full").code == 0


def test_it_is_not_replaced_while_somebody_has_it_open(
    kept: Ork, opened: Callable[[], Store]
) -> None:
    opened()
    done = kept("gc", "--repack")
    assert (done.code, "another process has the store open" in done.err) == (4, True)


def test_tables_that_ork_did_not_make_are_refused(kept: Ork) -> None:
    with closing(sqlite3.connect(kept.folder / ".ork/db/store.db")) as connection:
        connection.execute(
            "CREATE TRIGGER t AFTER INSERT ON refs BEGIN DELETE FROM refs WHERE 1; END"
        )
    done = kept("log")
    assert (done.code, "other tables than ork makes" in done.err) == (4, True)
    assert kept("fsck").code == 1


@pytest.mark.parametrize("url", ["sqlite", "mysql:", "sqlite://host/x.db", ""])
def test_what_is_no_kind_of_store_is_refused(ork: Ork, url: str) -> None:
    done = ork("init", "--store", url)
    assert (done.code, "hint: " in done.err) == (2, True)
    assert not (ork.folder / ".ork").exists()
