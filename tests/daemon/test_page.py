"""The process of the page, as `ork up` keeps it."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ork.cli import up
from ork.cli.session import Session
from tests.conftest import Ork
from tests.daemon.ups import Up, eventually, running

pytest.importorskip("uvicorn")
pytestmark = pytest.mark.slow
LISTEN = ("--listen", "127.0.0.1:0")


def status(url: str, path: str) -> int | None:
    """Return how the page answers there; None if nobody listens."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except ConnectionError:
        return None
    finally:
        connection.close()


def metrics(url: str) -> str:
    """Return what the page tells programs."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    token = urlsplit(url).query.removeprefix("token=")
    connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {token}"})
    with closing(connection):
        return connection.getresponse().read().decode()


def page_of(up: Up) -> int:
    """Return the process of the page."""
    children = Path(f"/proc/{up.process.pid}/task/{up.process.pid}/children").read_text().split()
    (found,) = (
        one for one in children if b"ork.cli.web" in Path(f"/proc/{one}/cmdline").read_bytes()
    )
    return int(found)


@pytest.fixture
def deployed(etl: Ork) -> Ork:
    assert etl("deploy", "etl.yaml").code == 0
    return etl


def test_the_page_answers_whoever_has_its_address(deployed: Ork) -> None:
    with running(deployed, *LISTEN) as up:
        url = up.until("Listening")["url"]
        assert status(url, "/health") == 200
        assert status(url, "/") in (401, 403)
        assert status(url, f"/?{urlsplit(url).query}") in (200, 302, 303)
        assert eventually(lambda: "ork_up_fires_total" in metrics(url))  # the daemon is heard
        assert up.end() == 0
    assert status(url, "/health") is None


def test_a_run_that_succeeds_when_it_is_tried_again_has_not_failed(ork: Ork) -> None:
    command = "test -e tried || { touch tried; exit 1; }"
    tasks = f"tasks: {{t: {{executor: process, command: '{command}'}}}}"
    ork.write("w.yaml", f"name: w\nschedule: {{every: 300d, retries: 1}}\n{tasks}\n")
    assert ork("deploy", "w.yaml").code == 0
    with running(ork, *LISTEN) as up:
        url = up.until("Listening")["url"]
        assert ork("schedule", "fire", "w").code == 0
        assert up.until("Ended")["state"] == "failed"
        assert up.until("Ended")["state"] == "success"
        ended = 'ork_up_runs_ended_total{state="%s"} %d'
        assert eventually(lambda: ended % ("success", 1) in metrics(url))
        assert ended % ("failed", 0) in metrics(url)
        assert up.end() == 0


@pytest.mark.parametrize(
    ("listen", "words"),
    [
        ("nowhere", "a port up to 65535\nhint: write 127.0.0.1:8080"),
        ("8080", "a port up to 65535"),
        (":8080", "a port up to 65535"),
        ("127.0.0.1:99999", "a port up to 65535"),
        ("127.0.0.1:http", "a port up to 65535"),
        ("192.0.2.1:8080", "it is no address of this machine"),
        ("no-such.invalid:8080", "no machine is known by this name"),
        ("TAKEN", "somebody listens there already"),
    ],
)
def test_where_it_cannot_listen_it_ends_before_anything_is_fired(
    deployed: Ork, listen: str, words: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        done = subprocess.run(
            [sys.executable, "-m", "ork", "up", "--listen", taken if listen == "TAKEN" else listen],
            cwd=deployed.folder,
            env=deployed.environ,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


def test_that_the_usual_port_is_taken_is_said(
    ork: Ork, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        monkeypatch.setattr(up, "LISTEN", taken)
        with up._chosen(Session(ork.world(), ()), None) as chosen:
            host, port = chosen.getsockname()
    assert host == "127.0.0.1" and f"{host}:{port}" != taken
    words = f"{taken} is taken: the page has another port; --listen names one"
    assert capsys.readouterr().err == f"note: {words}\n"


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("0.0.0.0", "--listen says where it answers\nhint: `ssh -L 8080:127.0.0.1:8080 MACHINE`"),
        ("::", "--listen says where it answers"),
        ("a b", "no name of a host\nhint: write ork.example.org"),
    ],
)
def test_a_host_that_is_no_name_is_refused(deployed: Ork, host: str, words: str) -> None:
    for more in ([], ["--systemd"]):
        done = deployed("up", "--host", host, *more)
        assert (done.code, done.out, words in done.err) == (2, "", True)


def test_a_unit_has_no_address_that_is_none(deployed: Ork) -> None:
    assert deployed("up", "--systemd", "--listen", "nowhere").code == 2


def test_where_none_was_wished_for_a_second_page_takes_another_port(deployed: Ork) -> None:
    with running(deployed, "--no-schedule") as one:
        url = one.until("Listening")["url"]
        with running(deployed, "--no-schedule") as other:
            assert urlsplit(other.until("Listening")["url"]).netloc != urlsplit(url).netloc
            assert one.end() == other.end() == 0


def test_a_page_that_ends_is_started_again_at_the_same_address(deployed: Ork) -> None:
    with running(deployed, *LISTEN, "--no-schedule") as up:
        url = up.until("Listening")["url"]
        os.kill(page_of(up), signal.SIGKILL)
        assert "started again" in up.until("Trouble")["message"]
        assert status(url, "/health") == 200  # it waits: the port is nobody else's meanwhile
        assert up.until("Listening")["url"] == url
        up.process.send_signal(signal.SIGHUP)
        assert up.until("Listening")["url"] == url
        assert status(url, "/health") == 200
        assert up.end() == 0


def test_a_token_that_is_guessed_is_refused(deployed: Ork) -> None:
    deployed.environ["ORK_UP_TOKEN"] = "short"
    done = deployed("up", *LISTEN)
    assert (done.code, done.out) == (2, "")
    assert "ORK_UP_TOKEN has 5 characters" in done.err


def test_a_token_may_have_any_character(deployed: Ork) -> None:
    with running(deployed, *LISTEN, "--no-schedule", ORK_UP_TOKEN="a&b=c#d+e f/g%h?i") as up:
        url = up.until("Listening")["url"]
        assert status(url, f"/?{urlsplit(url).query}") == 303
        assert up.end() == 0


def test_the_token_is_on_no_command_line_and_in_no_environment_of_a_task(deployed: Ork) -> None:
    environ = {"ORK_UP_TOKEN": "a-word-that-is-long-enough"}
    deployed.write(
        "w.yaml",
        "name: w\nschedule: {every: 1s}\n"
        "tasks: {t: {executor: process, command: env > seen.tmp && mv seen.tmp seen}}\n",
    )
    assert deployed("deploy", "w.yaml").code == 0
    with running(deployed, *LISTEN, **environ) as up:
        assert up.until("Listening")["url"].endswith("?token=a-word-that-is-long-enough")
        commands = [Path(f"/proc/{page_of(up)}/cmdline"), Path(f"/proc/{up.process.pid}/cmdline")]
        assert not any(b"long-enough" in command.read_bytes() for command in commands)
        assert eventually((deployed.folder / "seen").exists)
        assert up.end() == 0
    seen = (deployed.folder / "seen").read_text()
    assert "ORK_SCHEDULED_TIME=" in seen
    assert "long-enough" not in seen


def test_the_page_ends_with_a_daemon_that_was_killed(deployed: Ork) -> None:
    with running(deployed, *LISTEN) as up:
        url = up.until("Listening")["url"]
    assert eventually(lambda: status(url, "/health") is None)
