"""A place for jobs, and an executor with two slots."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.executors.suite import Place, Served, note_children


@pytest.fixture
def place(tmp_path: Path) -> Place:
    note_children()
    return Place(tmp_path)


@pytest.fixture
def executor() -> Iterator[Served]:
    executor = Served(2)
    yield executor
    executor.close()
