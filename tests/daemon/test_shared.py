"""`ork up` on a store that lies on a server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import Ork
from tests.daemon.test_up import deploy
from tests.daemon.ups import running
from tests.postgres import PASSWORD, Running, new_schema
from tests.scale import LONG
from tests.servers.proxy import LOSE_REQUEST, PASS, Proxy


@pytest.fixture
def proxy(postgres: Running) -> Iterator[Proxy]:
    between = Proxy(postgres.port)
    yield between
    between.close()


@pytest.fixture
def far(
    ork: Ork, postgres: Running, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Ork]:
    """The world with a store on the server, behind the proxy, and a workflow that is due."""
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    ork.environ["PGPASSWORD"] = PASSWORD
    ork.environ["ORK_STORE"] = postgres.tcp_url(proxy.port, schema=new_schema())
    assert ork("init").code == 0
    deploy(ork, "w", "{every: 1s}")
    yield ork


@pytest.mark.slow
def test_connections_that_break_keep_nothing_from_being_fired(far: Ork, proxy: Proxy) -> None:
    with running(far) as up:
        for _ in range(2):
            up.until("Ended")
            proxy.cut()
        up.until("Began")
        assert up.until("Ended")["state"] == "success"
        assert up.end() == 0


@pytest.mark.skipif(not LONG, reason="the connection alone is waited for for a minute")
def test_a_store_that_is_away_is_waited_for_and_told_once(far: Ork, proxy: Proxy) -> None:
    with running(far) as up:
        up.until("Ended")
        proxy.rule = lambda _: LOSE_REQUEST
        proxy.cut()
        up.until("Trouble", workflow=None, wait_s=120)
        proxy.rule = lambda _: PASS
        assert up.until("Note")["message"] == "the store can be used again"
        up.until("Began")
        assert up.until("Ended")["state"] == "success"
        assert up.end() == 0
        assert len(up.all("Trouble", workflow=None)) == 1
