"""A team on a server that is stopped, loses connections, and forgets nobody."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ork.servers.postgresql import Postgresql
from tests.postgres import PASSWORD, USER, Server
from tests.runner.suite import IMPATIENT, eventually, kill_marked, shell
from tests.servers.conftest import running_server
from tests.servers.proxy import HANG_UP, PASS, Proxy
from tests.team import Machine, Team, team_on

pytestmark = [pytest.mark.slow, pytest.mark.turns(2)]

WAIT = "touch here; until test -e on; do sleep 0.02; done"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server for these tests alone, as they stop it and end connections."""
    yield from running_server()


@pytest.fixture
def url(server: Server) -> str:
    url = server.url()
    Postgresql.create(url)
    return url


@pytest.fixture
def team(url: str, tmp_path: Path) -> Iterator[Team]:
    yield from team_on(url, tmp_path)


def say(url: str, text: str) -> None:
    """Let an administrator do something; SCHEMA stands for that of the store."""
    address, _, schema = url.partition("&schema=")
    with psycopg.connect(address) as connection:
        connection.execute(text.replace("SCHEMA", schema))


def begun(ada: Machine) -> None:
    """Wait until a run of two tasks is recorded as running."""
    assert eventually((ada.folder / "here").exists)
    assert eventually(lambda: ada.states() == {"first": "running", "long": "running"})


def test_a_run_outlives_a_restart_of_the_server(server: Server, team: Team) -> None:
    ada, bob = team("ada"), team("bob")
    ada.workflow(
        shell("first", f"{WAIT}; echo first"),
        shell("long", "until test -e off; do sleep 0.1; done"),
    )
    running = ada.start("run", "flow.yaml", "-j", "2")
    begun(ada)
    server.stop()
    ada.write("on", "")
    server.start()
    assert bob.ork("runs").stderr == ""
    assert eventually(lambda: bob.states()["first"] == "success")
    assert bob.log("first") == b"first\n"
    ada.write("off", "")
    _, err = running.communicate(timeout=60)
    assert running.returncode == 0, err
    assert bob.states() == {"first": "success", "long": "success"}


def test_a_killed_owner_is_believed_dead_when_it_was_not_heard_of(url: str, team: Team) -> None:
    ada, bob = team("ada"), team("bob")
    ada.workflow(shell("first", WAIT), shell("long", "sleep 300"))
    running = ada.start("run", "flow.yaml", "-j", "2")
    begun(ada)
    running.kill()
    running.communicate()
    assert bob.ork("runs").stderr == "", "it may have lost its connection only"
    say(url, "UPDATE SCHEMA.store SET grace = '0 seconds'")
    assert eventually(lambda: "flow#1 was interrupted" in bob.ork("runs").stderr)
    bob.write("on", "")
    assert bob.states() == {"first": "interrupted", "long": "interrupted"}


def test_an_owner_that_was_believed_dead_stops(url: str, team: Team) -> None:
    ada, bob = team("ada"), team("bob")
    ada.workflow(shell("first", WAIT), shell("long", "sleep 300"))
    running = ada.start("run", "flow.yaml", "-j", "2", patch=IMPATIENT)
    begun(ada)
    say(url, "UPDATE SCHEMA.store SET grace = '0 seconds'")
    running.send_signal(signal.SIGSTOP)  # while its connection breaks
    say(url, "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
    assert eventually(lambda: "flow#1 was interrupted" in bob.ork("runs").stderr)
    running.send_signal(signal.SIGCONT)
    _, err = running.communicate(timeout=60)
    assert (running.returncode, "flow#1 was lost to another process" in err) == (5, True), err
    assert not ada.survivors()
    assert bob.states() == {"first": "interrupted", "long": "interrupted"}


def test_a_run_outlives_a_partition(
    server: Server, url: str, team: Team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    proxy, bob = Proxy(server.port), team("bob")
    schema = url.partition("&schema=")[2]
    by_proxy = f"postgresql://{USER}@127.0.0.1:{proxy.port}/postgres?schema={schema}"
    ada = Machine(tmp_path / "ada", by_proxy)
    ada.workflow(
        shell("first", f"{WAIT}; echo first"),
        shell("long", "until test -e off; do sleep 0.1; done"),
    )
    running = ada.start("run", "flow.yaml", "-j", "2")
    try:
        begun(ada)
        proxy.rule = lambda _: HANG_UP
        proxy.cut()
        ada.write("on", "")
        for _ in range(5):
            assert bob.ork("runs").stderr == ""
            time.sleep(0.2)
        assert bob.states() == {"first": "running", "long": "running"}
        proxy.rule = lambda _: PASS
        assert eventually(lambda: bob.states()["first"] == "success")
        assert bob.log("first") == b"first\n"
        ada.write("off", "")
        _, err = running.communicate(timeout=60)
        assert running.returncode == 0, err
    finally:
        proxy.close()
        kill_marked(ada.mark)
