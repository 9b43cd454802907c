"""Chosen tests of what stands on a backend, with the data in PostgreSQL and copies of them here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ork.backends.address import parse_url
from ork.servers.cache import Cached
from ork.servers.postgresql import Postgresql
from ork.store import location
from ork.store.store import Store
from tests.postgres import Running

pytest.register_assert_rewrite(
    "tests.store.test_store", "tests.store.test_writes", "tests.heads.test_undo"
)

from tests.heads.test_undo import *  # noqa: E402, F403
from tests.store.test_store import *  # noqa: E402, F403
from tests.store.test_writes import *  # noqa: E402, F403


@pytest.fixture
def store(postgres: Running, tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    url = postgres.url()
    Postgresql.create(url)
    opened = Store(Cached(Postgresql.open(url), tmp_path / "cache"), shared=True)
    yield opened
    opened.close()


@pytest.fixture
def project(postgres: Running, tmp_path: Path) -> Iterator[Store]:
    """A store of a project in an empty folder, `store.project`."""
    folder = tmp_path / "project" / ".ork"
    folder.parent.mkdir()
    location.make(folder, environ={}, address=parse_url(postgres.url(), base=tmp_path))
    opened = location.open_store(folder, environ={})
    yield opened
    opened.close()
