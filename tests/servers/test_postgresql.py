"""PostgreSQL keeps the promises of a backend."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ork.backends.base import Backend
from ork.servers.cache import Cached
from tests.servers.conftest import Open

pytest.register_assert_rewrite("tests.backends.suite")

from tests.backends.suite import *  # noqa: E402, F403


@pytest.fixture(params=["bare", "cached"])
def backend(
    request: pytest.FixtureRequest, url: str, opened: Open, tmp_path: Path
) -> Iterator[Backend]:
    bare = opened(url)
    kept = Cached(bare, tmp_path / "cache") if request.param == "cached" else bare
    yield kept
    kept.close()
