"""A database of the original, and what an import makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ork.orkdb.database import open_database
from ork.orkdb.importing import ImportedDatabase, import_database
from ork.store import location
from ork.store.store import Stamp, Store
from tests.conftest import START
from tests.orkdb.databases import Original, sqlite

STAMP = Stamp(time=START, author="Ada", argv=("ork", "import"))
Take = Callable[..., ImportedDatabase]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "original" / "ork.db"


@pytest.fixture
def original(file: Path) -> Iterator[Original]:
    """An empty database of the original, in a file."""
    made = sqlite(file)
    yield made
    made.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store on the disk."""
    folder = tmp_path / "project" / ".ork"
    folder.parent.mkdir()
    location.create(folder)
    opened = location.open_store(folder, environ={})
    yield opened
    opened.close()


@pytest.fixture
def take(file: Path, store: Store) -> Take:
    """Import the database as it is now: take(rename=..., dry_run=...)."""

    def importing(source: object = file, into: Store = store, **options: object) -> object:
        database = open_database(str(source))
        try:
            return import_database(into, database, stamp=STAMP, **options)  # type: ignore[arg-type]
        finally:
            database.close()

    return importing  # type: ignore[return-value]
