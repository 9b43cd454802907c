from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ork.backends.base import Backend
from ork.backends.lmdb import Lmdb
from ork.backends.memory import Memory
from ork.backends.plain.files import Files
from ork.backends.sqlite import Sqlite

pytest.register_assert_rewrite("tests.backends.suite")

from tests.backends.suite import *  # noqa: E402, F403


@pytest.fixture(params=[Memory, Lmdb, Sqlite, Files], ids=lambda kind: kind.__name__.lower())
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    if request.param is Memory:
        opened: Backend = Memory()
    else:
        request.param.create(tmp_path / "db")
        opened = request.param.open(tmp_path / "db")
    yield opened
    opened.close()
