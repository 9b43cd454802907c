"""Clients that are slow, silent, large or many: what they cost is bounded, others are served."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.web.server import Served, make_project, serving

CLIENT_SECONDS = 0.5  # in this process: a client that does nothing for so long is cut
CONNECTIONS = 40
FOREVER = 15.0  # a test that waits so long has failed


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A process with little patience."""
    folder = tmp_path_factory.mktemp("limited")
    make_project(folder).close()
    limits = {
        "page.CLIENT_SECONDS_MAX": CLIENT_SECONDS,
        "page.CONNECTIONS_MAX": CONNECTIONS,
        "acting.FORM_SECONDS_MAX": CLIENT_SECONDS,
    }
    with serving(folder, limits=limits, allow_changes=True) as found:
        yield found


def ends(there: socket.socket) -> bool:
    """Say whether the other side ends the connection before long."""
    there.settimeout(FOREVER)
    with suppress(ConnectionError):
        while there.recv(1 << 16):
            pass
    return True


@pytest.mark.slow
def test_a_silent_client_is_cut(served: Served):
    with served.socket() as there:
        assert ends(there)


@pytest.mark.slow
def test_a_client_that_sends_its_head_slowly_is_cut(served: Served):
    with served.socket(b"GET / HTTP/1.1\r\n") as there, suppress(ConnectionError):
        deadline = time.monotonic() + FOREVER
        while time.monotonic() < deadline:
            there.sendall(b"x: y\r\n")
            time.sleep(CLIENT_SECONDS / 10)
        pytest.fail("it may go on for ever")


@pytest.mark.slow
def test_a_client_that_sends_a_form_slowly_is_told_to_stop(served: Served):
    head = (
        f"POST /workflows/etl/pause HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n"
        f"Cookie: {served.cookie}\r\nContent-Length: 100000\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    )
    with served.socket(head.encode()) as there:
        assert b" 400 " in there.recv(1000)
        assert ends(there)


def test_a_second_head_that_is_slow_is_cut(served: Served):
    with served.socket(served.request("/health")) as there:
        assert b"200 OK" in there.recv(10_000)
        there.sendall(b"GET / HTTP/1.1\r\n")
        assert ends(there)


def test_a_client_that_reads_nothing_is_cut(served: Served):
    with served.socket(buffer=4096) as there, pytest.raises(ConnectionError):
        there.settimeout(FOREVER)
        for _ in range(100_000):  # answers pile up, until no more requests are taken
            there.sendall(served.request("/page.css"))
    assert served.metric("process_resident_memory_bytes") < 150 << 20


def test_a_large_head_is_refused(served: Served):
    for head in (b"GET /" + b"x" * 100_000, b"GET / HTTP/1.1\r\nx: " + b"y" * 100_000):
        with served.socket() as there:
            with suppress(ConnectionError):
                there.sendall(head)
            with suppress(ConnectionError):
                assert b" 400 " in there.recv(1000)
            assert ends(there)


def test_a_large_form_is_refused(served: Served):
    answer = served.post("/workflows/etl/tag", {"label": "x" * 70_000})
    assert (answer.status, "65,536 bytes" in answer.text) == (400, True)
    answer = served.post("/workflows/etl/run", {f"input.{n}": "1" for n in range(1000)})
    assert answer.status == 400


def test_what_is_no_http_is_refused_and_nothing_is_printed(served: Served):
    before = served.errors()
    for data in (
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"SSH-2.0-x\r\n\r\n",
        b"\0" * 100,
        b"GET\r\n\r\n",
    ):
        with served.socket(data) as there:
            assert ends(there)
    # Behind a request that is answered, too.
    with served.socket(served.request("/health") + b"\0\0\r\n\r\n") as there:
        assert ends(there)
    assert served.errors() == before


@pytest.mark.slow
def test_one_connection_too_many_ends_at_once(served: Served):
    with ExitStack() as stack:
        for _ in range(CONNECTIONS):
            there = stack.enter_context(served.socket(served.request("/events")))
            assert b"200 OK" in there.recv(1000)
        with served.socket() as there, suppress(ConnectionError):
            there.sendall(served.request("/health"))
            assert there.recv(1000) == b""
    with served.socket(served.request("/health")) as there:  # soon there is room again
        assert ends(there)


@pytest.mark.slow
def test_a_page_that_takes_long_keeps_nobody_else_waiting(tmp_path: Path):
    make_project(tmp_path).close()
    (tmp_path / "wait").touch()
    with serving(tmp_path, limits={"app.THREADS": 2, "app.WAITING_MAX": 4}) as served:
        with served.socket(served.request("/slow")) as first:
            assert served.get("/").status == 200
            with ExitStack() as stack:
                for _ in range(3):
                    stack.enter_context(served.socket(served.request("/slow")))
                deadline = time.monotonic() + FOREVER
                while served.get("/").status != 503:
                    assert time.monotonic() < deadline  # until all four have been taken in
                assert served.ask("/health").status == 200
                assert served.get("/page.css").status == 200
                (tmp_path / "wait").unlink()
                assert b"200 OK" in first.recv(1000)
        assert served.get("/").status == 200


@pytest.mark.slow
def test_a_page_that_takes_too_long_is_given_up(tmp_path: Path):
    make_project(tmp_path).close()
    (tmp_path / "wait").touch()
    with serving(tmp_path, limits={"app.PAGE_SECONDS_MAX": 0.1}) as served:
        answer = served.get("/slow")
        assert (answer.status, "took more than" in answer.text) == (503, True)
        served.process.terminate()
        assert served.process.wait(FOREVER) == 0  # although a thread still works on it
