"""What stands between a client and a server, and loses what they say when it is told to."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread

Rule = Callable[[bytes], str]  # what a client says -> what becomes of it
PASS, LOSE_REQUEST, LOSE_ANSWER, HANG_UP = "pass", "lose request", "lose answer", "hang up"


class Proxy:
    """A port on this machine behind which a server listens.

    LOSE_REQUEST ends both connections before the server hears of it, LOSE_ANSWER once the server
    has answered and before the client hears that, HANG_UP that to the client alone, at once.
    """

    def __init__(self, port: int) -> None:
        self._server = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.rule: Rule = lambda _: PASS
        self.connections = 0
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._closed = Event()
        Thread(target=self._accept, daemon=True).start()

    def once(self, fate: str, mark: bytes) -> None:
        """Let this become of the next request that has a text in it."""

        def rule(data: bytes) -> str:
            if mark not in data:
                return PASS
            self.rule = lambda _: PASS
            return fate

        self.rule = rule

    def cut(self) -> None:
        """End all connections that there are, on both sides."""
        for pair in self._pairs:
            for end in pair:
                _end(end)

    def close(self) -> None:
        self._closed.set()
        _end(self._listener)
        self.cut()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                server = socket.create_connection(self._server)
            except OSError:
                client.close()
                continue
            self._pairs.append((client, server))
            Thread(target=self._carry, args=(client, server), daemon=True).start()

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        with selectors.DefaultSelector() as ready, suppress(OSError, ValueError):
            ready.register(client, selectors.EVENT_READ)
            ready.register(server, selectors.EVENT_READ)
            lost = False
            while True:
                for key, _ in ready.select():
                    data = key.fileobj.recv(1 << 16)  # type: ignore[union-attr]
                    if not data or (lost and key.fileobj is server):
                        raise OSError
                    if key.fileobj is server:
                        client.sendall(data)
                        continue
                    fate = self.rule(data)
                    if fate == LOSE_REQUEST:
                        raise OSError
                    server.sendall(data)
                    lost = lost or fate == LOSE_ANSWER
                    if fate == HANG_UP:
                        ready.unregister(client)
                        _end(client)
        _end(client)
        _end(server)


def _end(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
