"""PostgreSQL keeps the promises of a backend."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ork.servers.postgresql import Postgresql
from tests.postgres import Running

pytest.register_assert_rewrite("tests.backends.suite")

from tests.backends.suite import *  # noqa: E402, F403


@pytest.fixture
def backend(postgres: Running) -> Iterator[Postgresql]:
    url = postgres.url()
    Postgresql.create(url)
    opened = Postgresql.open(url)
    yield opened
    opened.close()
