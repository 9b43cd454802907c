"""Stores on the server that all tests share, and servers of a test's own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ork.servers.postgresql import Postgresql
from tests.postgres import PASSWORD, Running, Server, programs
from tests.servers.proxy import Proxy

Open = Callable[..., Postgresql]


@pytest.fixture
def url(postgres: Running) -> str:
    """The URL of an empty store, by way of the server's socket."""
    url = postgres.url()
    Postgresql.create(url)
    return url


@pytest.fixture
def opened() -> Iterator[Open]:
    """Open stores, which are closed at the end."""
    handles: list[Postgresql] = []

    def opening(url: str, **options: bool) -> Postgresql:
        handles.append(Postgresql.open(url, **options))
        return handles[-1]

    yield opening
    for handle in handles:
        handle.close()


@pytest.fixture
def backend(url: str, opened: Open) -> Postgresql:
    return opened(url)


@pytest.fixture
def proxy(postgres: Running, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A port behind which the server is; the password is where the driver looks for it."""
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    proxy = Proxy(postgres.port)
    yield proxy
    proxy.close()


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that may be stopped; it runs already."""
    yield from running_server()


def running_server() -> Iterator[Server]:
    """Yield a server of its own that runs."""
    if programs() is None:
        pytest.skip("no PostgreSQL is installed")
    folder = Path(tempfile.mkdtemp(prefix="ork-postgres-"))
    server = Server(folder)
    try:
        server.make()
        server.start()
        yield server
    finally:
        server.stop("SIGQUIT")
        shutil.rmtree(folder)
