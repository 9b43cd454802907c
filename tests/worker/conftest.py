"""Warm workers for the tests: a place for jobs, and an executor with one slot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.executors.suite import Place, Served


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def pool() -> Iterator[Served]:
    pool = Served(1)
    yield pool
    pool.close()
