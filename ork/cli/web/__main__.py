"""The process of the page, which `ork up` starts: `python -m ork.cli.web JSON`.

It prints one line when it listens, and ends when it is told to, or when `ork up` does: then the
pipe on which that sends a beat every few seconds has an end.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from ipaddress import ip_address
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import quote

from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol

from ork.cli.screen.errors import error_view
from ork.cli.screen.line import texts_of
from ork.cli.web import acting, guard, metrics
from ork.cli.web.app import Setup, Web, app
from ork.cli.web.live import Live
from ork.errors import OrkError, UsageError
from ork.objects.value import of_line, replace

if TYPE_CHECKING:
    from types import FrameType

TOKEN = "ORK_UP_TOKEN"
CONNECTIONS_MAX = 512
HEAD_BYTES_MAX = 16 << 10  # the first line and the headers of a request
CLIENT_SECONDS_MAX = 10.0  # without a whole head, or without anything read
KEEP_SECONDS = 5
SEND_BYTES = 128 << 10  # that the system takes of an answer before it is read
STOP_SECONDS_MAX = 5  # that answers may take to end when the process is to
BEAT_BYTES_MAX = 1 << 16


def main(argv: list[str]) -> int:
    """Serve until the end; return the exit code."""
    try:
        setup: Setup = of_line(argv[1].encode(), Setup)
        # Taken out of the environment: what is started from here needs it as little as a task.
        given = os.environ.pop(TOKEN, None)
        setup = replace(setup, token=setup.token or given)
        with socket.socket(fileno=setup.socket) as listening:
            if setup.token is None and not ip_address(listening.getsockname()[0]).is_loopback:
                raise UsageError(f"--listen {setup.host} asks for a token: others reach it")
            _settle(listening)
            serve(setup, listening)
    except OrkError as error:
        sys.stderr.writelines(texts_of(error_view(error), color=False))
        return error.exit_code
    return 0


def serve(setup: Setup, listening: socket.socket) -> None:
    """Answer what comes in on a socket, until the process is told to end, or `ork up` is gone."""
    host, port = listening.getsockname()[:2]
    name = socket.gethostname() if host in ("0.0.0.0", "::") else setup.host
    web = Web(setup, guard.rules(setup.token, (name, *setup.hosts), port))
    live = Live(web)
    config = Config(
        app(web, [*metrics.routes(web, live), *live.routes(), *acting.routes(web)]),
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=HEAD_BYTES_MAX,
        timeout_keep_alive=KEEP_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS_MAX,
    )
    server = PageServer(config, web, live)
    Thread(target=_beats, args=(server,), name="beats", daemon=True).start()
    # uvicorn puts its own handlers in their place, and sends itself what came when it has ended.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.handle_exit)
    token = f"?token={quote(setup.token, safe='')}" if setup.token is not None else ""
    url = f"http://{name}:{port}/{token}"
    sys.stdout.write(json.dumps({"url": url}) + "\n")
    sys.stdout.flush()
    server.run([listening])


class PageServer(Server):
    """The server, which looks after its store, and lets streams end when it ends."""

    def __init__(self, config: Config, web: Web, live: Live) -> None:
        super().__init__(config)
        self.web, self.live = web, live

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop at SIGTERM; Ctrl-C in a terminal is for `ork up`, which stops this process."""
        if sig != signal.SIGINT:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Look each second whether the store is still the same."""
        if counter % 10 == 0:
            self.web.renew()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let no stream keep the process."""
        self.live.close()
        await super().shutdown(sockets)


class Connection(H11Protocol):
    """A connection that is cut when its request does not come, or its answer is not read.

    uvicorn itself waits for ever for the rest of a head, and for an answer to be taken.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; one too many ends at once."""
        super().connection_made(transport)
        self._late = self.loop.call_soon(self._wait)
        if len(self.connections) > CONNECTIONS_MAX:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._late.cancel()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Take in what has come; once that is a whole head, the client has done its part."""
        before = self.cycle
        super().handle_events()
        # What it asks for behind answers that it does not read is no sign of life.
        if self.cycle is not before and not self.flow.write_paused:
            self._late.cancel()

    def on_response_complete(self) -> None:
        """Wait for the next request, and for this answer to be read."""
        self._wait()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Wait for what was sent to be read."""
        super().pause_writing()
        self._wait()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.cycle.response_complete:
            self._late.cancel()

    def _wait(self) -> None:
        self._late.cancel()
        self._left = self.transport.get_write_buffer_size()
        self._late = self.loop.call_later(CLIENT_SECONDS_MAX, self._cut)

    def _cut(self) -> None:
        if self.transport.get_write_buffer_size() < self._left:  # it reads, if slowly
            self._wait()
        else:
            self.transport.abort()


def _beats(server: PageServer) -> None:
    """Note the beats of `ork up`; end when it does."""
    try:
        while line := sys.stdin.buffer.readline(BEAT_BYTES_MAX):
            server.web.beats.take(line)
    finally:
        server.should_exit = True


def _settle(listening: socket.socket) -> None:
    """Set what each connection has from the socket that it comes in on."""
    # Else the system keeps some megabytes for each client that does not read.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
    # Head and body are sent one after the other: else the second would wait 40 ms for a word
    # from the client. asyncio does this only for sockets that say which protocol they speak.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


if __name__ == "__main__":
    code = main(sys.argv)
    sys.stdout.flush()
    os._exit(code)  # a thread may still be reading for a page that nobody waits for
