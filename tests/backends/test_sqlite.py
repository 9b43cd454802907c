"""What is particular to the backend in a file of SQLite."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ork.backends.sqlite import PATH_BYTES_MAX, Sqlite
from ork.errors import StoreError
from tests.backends.children import as_oid, batch


@pytest.fixture
def kind() -> Any:
    return Sqlite


def test_a_path_that_is_too_long_for_sqlite_is_told(tmp_path: Path) -> None:
    folder = tmp_path / ("a" * 200) / ("b" * 200)
    folder.mkdir(parents=True)
    longest = folder / ("c" * (PATH_BYTES_MAX - len(f"{folder}/")))
    Sqlite.create(longest)
    Sqlite.open(longest).close()
    with pytest.raises(StoreError, match="has 505 bytes, and SQLite takes 504 at most"):
        Sqlite.create(longest.with_name(f"{longest.name}c"))


def test_a_commit_waits_for_the_disk(backend: Sqlite) -> None:
    assert backend._rows("PRAGMA synchronous") == [(2,)]  # FULL
    assert backend._rows("PRAGMA journal_mode") == [("wal",)]


def test_when_the_last_one_closes_all_is_in_the_one_file(backend: Sqlite, folder: Path) -> None:
    assert backend.write(batch(1), {"head": (None, as_oid(1))})
    assert folder.with_name(f"{folder.name}-wal").exists()
    backend.close()
    assert not folder.with_name(f"{folder.name}-wal").exists()


def test_another_program_that_writes_is_waited_for_and_named(backend: Sqlite, folder: Path) -> None:
    backend._rows("PRAGMA busy_timeout = 50")
    with closing(sqlite3.connect(folder, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another program has locked the store"):
            backend.write({}, {"head": (None, as_oid(1))})
        other.execute("ROLLBACK")
    assert backend.write({}, {"head": (None, as_oid(1))})


def test_a_second_swap_finds_what_the_first_one_made(folder: Path, tmp_path: Path) -> None:
    Sqlite.create(tmp_path / "new")
    new = Sqlite.open(tmp_path / "new")
    assert new.write(batch(2), {"head": (None, as_oid(2))})
    new.close()
    with pytest.raises(StoreError, match="written meanwhile"):
        Sqlite.swap(folder, tmp_path / "new", keep=tmp_path / "old", sequence=7)
    Sqlite.swap(folder, tmp_path / "new", keep=tmp_path / "old", sequence=0)
    backend = Sqlite.open(folder)
    assert backend.ref("head") == as_oid(2)
    with pytest.raises(StoreError, match="another process has the store open"):
        Sqlite.check_closed(folder)
    backend.close()
    Sqlite.check_closed(folder)
    with closing(sqlite3.connect(tmp_path / "old")) as old:
        assert old.execute("SELECT count(*) FROM refs").fetchone() == (0,)


@pytest.mark.slow
def test_a_file_that_another_program_reads_is_not_replaced(folder: Path, tmp_path: Path) -> None:
    Sqlite.create(tmp_path / "new")
    backend = Sqlite.open(folder)
    assert backend.write(batch(1), {})
    with closing(sqlite3.connect(folder, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM refs").fetchone()
        assert backend.write(batch(2), {})
        backend.close()
        with pytest.raises(StoreError, match="another program has the store open"):
            Sqlite.swap(folder, tmp_path / "new", keep=tmp_path / "old")
    assert not (tmp_path / "old").exists()
