"""Pages whose store is on a server that is away: visitors are told so, and soon."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ork.backends.address import parse_url
from ork.store import location
from tests.postgres import Server
from tests.servers.conftest import running_server
from tests.web.server import Served, serving

pytestmark = pytest.mark.slow


@pytest.fixture
def server() -> Iterator[Server]:
    yield from running_server()


@pytest.fixture
def served(server: Server, tmp_path: Path) -> Iterator[Served]:
    """A process that soon doubts whether its server is there."""
    address = parse_url(server.url(), base=tmp_path)
    assert location.make(tmp_path / ".ork", environ={}, address=address)
    limits = {"app.DOUBT_SECONDS": 0.1, "metrics.HEALTH_SECONDS_MAX": 0.1}
    with serving(tmp_path, limits=limits) as found:
        yield found


def test_what_is_wrong_is_said_while_the_server_is_away(server: Server, served: Served):
    assert served.get("/").status == 200
    server.stop()
    for path in (
        *("/", "/runs", "/schedules") * 4,
        "/metrics",
        "/index.json",
    ):  # more than there are threads
        answer = served.get(path)
        assert (answer.status, "cannot be reached" in answer.text) == (503, True)
    assert served.ask("/health").json == {"ok": False}
    server.start()
    deadline = time.monotonic() + 30
    while served.get("/").status != 200:
        assert time.monotonic() < deadline
    assert served.errors() == ""
