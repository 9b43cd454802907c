"""Worlds in which runs end badly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runner.suite import Project, eventually, kill_marked


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A folder whose commands run in processes of their own; no process may be left of it."""
    folder = tmp_path / "project"
    folder.mkdir()
    made = Project(folder)
    try:
        yield made
        assert eventually(lambda: not made.survivors()), made.survivors()
    finally:
        kill_marked(made.mark)
