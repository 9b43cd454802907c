from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ork.backends.base import Backend
from ork.backends.lmdb import Lmdb
from ork.backends.memory import Memory

pytest.register_assert_rewrite("tests.backends.suite")

from tests.backends.suite import *  # noqa: E402, F403


@pytest.fixture(params=["memory", "lmdb"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    if request.param == "memory":
        opened: Backend = Memory()
    else:
        Lmdb.create(tmp_path / "db")
        opened = Lmdb.open(tmp_path / "db")
    yield opened
    opened.close()
