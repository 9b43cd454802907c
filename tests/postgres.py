"""A real server of PostgreSQL for the tests, from the package of the system, where it is installed.

One server serves all tests of a session, each in a schema of its own. It ends when the last process
that uses it has ended, however that was.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

USER, PASSWORD = "ork", "open sesame/%"
SOON_S = 30
SETTINGS = {
    "fsync": "off",
    "listen_addresses": "127.0.0.1",
    "max_connections": "100",
    "deadlock_timeout": "100ms",  # so that nobody waits a second for one to be found
    "max_locks_per_transaction": "10",  # so that little room for locks is seen
    "shared_buffers": "32MB",
    "log_min_messages": "fatal",
}


def programs() -> Path | None:
    """Return the folder with the programs of a server; None when there is none."""
    found = shutil.which("initdb")
    folders = [*Path("/usr/lib/postgresql").glob("*/bin")]
    folders += [Path(found).resolve().parent] if found else []
    whole = [folder for folder in folders if (folder / "postgres").exists()]
    return max(whole, key=lambda folder: folder.parent.name, default=None)


def unprivileged() -> dict[str, Any]:
    """Return how a program is started that refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    known = {entry.pw_name for entry in pwd.getpwall()}
    name = "postgres" if "postgres" in known else "nobody"
    return {"user": name, "group": pwd.getpwnam(name).pw_gid, "extra_groups": []}


class Server:
    """A server in a folder: made, started, stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._bin = programs()

    def make(self) -> None:
        """Make its files."""
        assert self._bin
        self.folder.mkdir(exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(self.folder, unprivileged()["user"])
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        words = ["initdb", "--pgdata", "data", "--username", USER, "--pwfile", "password"]
        words += ["--auth-local", "trust", "--auth-host", "scram-sha-256", "--no-sync"]
        words += ["--encoding", "UTF8", "--no-locale"]
        secret.chmod(0o644)
        subprocess.run(
            [str(self._bin / words[0]), *words[1:]],
            cwd=self.folder,
            check=True,
            capture_output=True,
            **unprivileged(),
        )

    def start(self, **settings: str) -> None:
        """Start it, and wait until it answers."""
        assert self._bin
        options = {
            **SETTINGS,
            **settings,
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
        }
        words = [str(self._bin / "postgres"), "-D", str(self.folder / "data")]
        words += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                words, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                **unprivileged(),
            )  # fmt: skip
        ask = [str(self._bin / "pg_isready"), "-q", "-h", str(self.folder), "-p", str(self.port)]
        deadline = time.monotonic() + SOON_S
        while subprocess.run(ask, check=False).returncode != 0:
            assert self._process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def stop(self, how: str = "SIGINT") -> None:
        """Stop it: SIGINT ends all sessions, SIGQUIT is like a crash."""
        import signal

        if self._process is not None:
            self._process.send_signal(getattr(signal, how))
            self._process.wait(SOON_S)
            self._process = None

    def url(self, *, schema: str | None = None, **options: str) -> str:
        """Return a URL by way of the socket in the folder, in a schema of its own."""
        return socket_url(self.folder, self.port, schema or new_schema(), **options)


def socket_url(folder: Path, port: int, schema: str, *, user: str = USER) -> str:
    return f"postgresql://{user}@/postgres?host={folder}&port={port}&schema={schema}"


def new_schema() -> str:
    return f"test_{uuid4().hex[:12]}"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Running:
    """The server that all tests share, as a test sees it."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port

    def url(self, *, schema: str | None = None, user: str = USER) -> str:
        """Return the URL of a store, in a schema of its own unless one is given."""
        return socket_url(self.folder, self.port, schema or new_schema(), user=user)

    def tcp_url(self, port: int | None = None, *, schema: str | None = None) -> str:
        """Return the same over TCP, perhaps by way of another port, without the password."""
        name = schema or new_schema()
        return f"postgresql://{USER}@127.0.0.1:{port or self.port}/postgres?schema={name}"

    def sql(self, text: str) -> list[tuple[Any, ...]]:
        """Ask the server as its administrator."""
        import psycopg

        with psycopg.connect(self.url().partition("&schema")[0], autocommit=True) as connection:
            found = connection.execute(text.encode())
            return found.fetchall() if found.description else []


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The server that all tests share; the test is skipped where none is installed."""
    if programs() is None:
        pytest.skip("no PostgreSQL is installed")
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with (shared / "postgres-users").open("w") as users:
        with (shared / "postgres-start").open("w") as gate:
            fcntl.flock(gate, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_SH)
            place = shared / "postgres-place"
            if not place.exists():
                place.write_text(_started(users.name))
        folder, port = place.read_text().split("\n")
        yield Running(Path(folder), int(port))


class Pool:
    """A pool of connections in front of the server: pgbouncer, in one of its modes."""

    def __init__(self, server: Running, mode: str, order: str = "") -> None:
        program = pooler()
        assert program
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="ork-pool-"))
        lines = [
            "[databases]",
            f"postgres = host={server.folder} port={server.port} user={USER}",
            "[pgbouncer]",
            f"listen_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =",
            "auth_type = any\nignore_startup_parameters = extra_float_digits",
            f"pool_mode = {mode}\nserver_round_robin = {int(order == 'round robin')}",
        ]
        (self._folder / "pool.ini").write_text("\n".join(lines))
        if os.geteuid() == 0:
            shutil.chown(self._folder, unprivileged()["user"])
        self._process = subprocess.Popen(
            [program, str(self._folder / "pool.ini")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **unprivileged(),
        )
        deadline = time.monotonic() + SOON_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                break
            except OSError:
                assert time.monotonic() < deadline
                assert self._process.poll() is None
                time.sleep(0.02)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder)


def pooler() -> str | None:
    """Return the program that pools connections, if it is there."""
    return shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")


def _started(users: str) -> str:
    """Start what starts a server, and ends it when nobody holds the lock any more."""
    watcher = subprocess.Popen(
        [sys.executable, "-m", "tests.postgres", users],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    assert watcher.stdout
    with watcher.stdout:
        told = watcher.stdout.readline().rstrip("\n").replace("\t", "\n")
    watcher.returncode = 0  # nobody waits for it: it lives as long as the tests
    return told


def watch(users: str) -> None:
    """Run a server until no test uses it."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="ork-postgres-", dir=place))
    server = Server(folder)
    try:
        server.make()
        server.start()
        sys.stdout.write(f"{folder}\t{server.port}\n")
        sys.stdout.flush()
        os.close(1)
        with open(users) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
    finally:
        server.stop("SIGQUIT")
        shutil.rmtree(folder)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in a line of its own that nothing was tried on PostgreSQL."""
    if programs() is None:
        terminalreporter.write_line(
            "PostgreSQL was not tested: it is not installed (Debian: apt install postgresql)",
            yellow=True,
        )


if __name__ == "__main__":
    watch(sys.argv[1])
