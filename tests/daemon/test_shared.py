"""`ork up` on a store that lies on a server."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.conftest import Ork
from tests.daemon.test_up import deploy
from tests.daemon.ups import SELDOM, running
from tests.postgres import PASSWORD, Running, Server, new_schema
from tests.scale import LONG
from tests.servers.conftest import running_server
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


@pytest.mark.slow
def test_a_role_that_may_only_read_is_told_what_there_is_and_that_it_cannot_fire(
    ork: Ork, postgres: Running
) -> None:
    schema = new_schema()
    ork.environ["ORK_STORE"] = postgres.url(schema=schema)
    assert ork("init").code == 0
    deploy(ork, "w", SELDOM)
    postgres.sql(
        f"CREATE ROLE {schema}_reader LOGIN; GRANT USAGE ON SCHEMA {schema} TO {schema}_reader;"
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {schema}_reader"
    )
    ork.environ["ORK_STORE"] = postgres.url(schema=schema, user=f"{schema}_reader")
    with running(ork) as up:
        told = up.until("Up")
        assert (told["schedules"], told["workflows"], told["workflow"]) == (1, 1, "w")
        assert "open for reading only" in up.until("Trouble")["message"]
        assert up.end() == 0


@pytest.fixture
def stopped_and_started() -> Iterator[Server]:
    yield from running_server()


@pytest.mark.slow
def test_slots_that_came_while_the_server_was_waited_for_are_left_out_for_that_reason(
    ork: Ork, stopped_and_started: Server
) -> None:
    server = stopped_and_started
    ork.environ["ORK_STORE"] = server.url()
    assert ork("init").code == 0
    deploy(ork, "w", "{every: 1s}")
    with running(ork) as up:
        up.until("Ended")
        server.stop()
        time.sleep(5)
        server.start()
        up.until("LeftOut", reason="the store could not be used")
        assert up.until("Ended")["state"] == "success"
        assert up.end() == 0
