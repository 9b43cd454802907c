"""The process of the page, started as `ork up` starts it, and what a client may do to it."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, NamedTuple
from urllib.parse import urlencode

from ork.daemon.page import listening
from ork.heads.deploy import deploy
from ork.store import location
from ork.store.store import Store
from tests.runs import outcome, write_run
from tests.stores import stamp

TOKEN = "open-sesame"
# Limits that a test cannot wait for are set lower, and pages added, before the process serves.
PROGRAM = """\
import json, os, sys, time
from ork.cli.web import __main__ as page, acting, app, live, metrics, pages
for name, value in json.loads(sys.argv.pop(1)).items():
    module, _, limit = name.partition(".")
    there = {"page": page, "acting": acting, "app": app, "live": live, "metrics": metrics}[module]
    assert hasattr(there, limit), name
    setattr(there, limit, value)
def slow(asked):
    while (asked.store.project / "wait").exists():
        time.sleep(0.01)
    return pages.overview(asked)
app.PAGES += (("/a-bug", lambda asked: 1 // 0), ("/slow", slow))
code = page.main(sys.argv)
sys.stdout.flush()
os._exit(code)
"""
ETL = """\
name: etl
description: {description}
schedule: "0 2 * * *"
params:
  day: {{type: str, default: monday}}
tasks:
  extract: {{executor: process, command: echo extracted}}
  load: {{executor: process, command: echo loaded, depends_on: [extract]}}
"""


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> object:
        return json.loads(self.body)

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies that are set, with their attributes."""
        found = {}
        for line in self.headers.get("set-cookie", "").split("\n"):
            name, _, rest = line.partition("=")
            if name:
                found[name] = rest
        return found


class Event(NamedTuple):
    """One event of a stream."""

    name: str
    id: str | None
    data: object


class Served:
    """A process of the page in front of a store, and one browser."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, errors: IO[bytes]) -> None:
        self.process, self.url, self._errors = process, url, errors
        self.port = int(re.findall(r":(\d+)/", url)[0])
        self.cookie = ""
        self.form_token = ""

    def ask(
        self, path: str, method: str = "GET", body: str | None = None, **headers: str
    ) -> Answer:
        """Send a request and return the answer; `Sec_Fetch_Site` is a header's name here."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as there:
            sent = {name.replace("_", "-"): text for name, text in headers.items()}
            there.request(method, path, body, sent)
            answer = there.getresponse()
            found: dict[str, str] = {}
            for name, value in answer.getheaders():
                before = found.get(name.lower())
                found[name.lower()] = f"{before}\n{value}" if before else value
            return Answer(answer.status, found, answer.read())

    def get(self, path: str, **headers: str) -> Answer:
        """Ask as the browser does that has opened the printed link."""
        return self.ask(path, **{"Cookie": self.cookie, **headers})

    def post(self, path: str, fields: Mapping[str, str] | None = None, **headers: str) -> Answer:
        """Send a form as that browser does, with the token of its pages."""
        body = urlencode({"form_token": self.form_token, **(fields or {})})
        kind = {"Content_Type": "application/x-www-form-urlencoded", "Cookie": self.cookie}
        origin = {"Origin": f"http://127.0.0.1:{self.port}", "Sec_Fetch_Site": "same-origin"}
        return self.ask(path, "POST", body, **{**kind, **origin, **headers})

    @contextmanager
    def socket(self, data: bytes = b"", *, buffer: int | None = None) -> Iterator[socket.socket]:
        """Connect, and send these bytes; `buffer` is what may arrive unread."""
        with socket.socket() as there:
            if buffer is not None:
                there.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            there.settimeout(20)
            there.connect(("127.0.0.1", self.port))
            there.sendall(data)
            yield there

    @contextmanager
    def events(self, path: str, **headers: str) -> Iterator[Iterator[Event]]:
        """Open a stream of events."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as there:
            sent = {name.replace("_", "-"): text for name, text in headers.items()}
            there.request("GET", path, headers={"Cookie": self.cookie, **sent})
            answer = there.getresponse()
            assert answer.status == 200, answer.read()
            yield _events(answer)

    def request(self, path: str) -> bytes:
        """Return the bytes of a request, for who speaks the protocol himself."""
        head = (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nCookie: {self.cookie}\r\n\r\n"
        )
        return head.encode()

    def errors(self) -> str:
        """Return what the process has printed for whoever started it."""
        self._errors.seek(0)
        return self._errors.read().decode()

    def metric(self, name: str) -> float:
        """Return a number that /metrics tells."""
        text = self.ask("/metrics", Authorization=f"Bearer {TOKEN}").text
        return float(re.findall(rf"^{name} (\S+)$", text, re.MULTILINE)[0])

    def beat(self, **changes: object) -> None:
        """Tell the process that `ork up` is alive."""
        beat = {"time": "2026-11-01T12:00:00Z", "fires": 0, "skips": 0, "lag_s": None}
        assert self.process.stdin is not None
        line = json.dumps({**beat, "running": 0, "ok": True, **changes})
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()


def _events(answer: http.client.HTTPResponse) -> Iterator[Event]:
    fields: dict[str, str] = {}
    while line := answer.readline():
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name:
            fields[name] = value
        elif "data" in fields:
            yield Event(
                fields.get("event", "message"), fields.get("id"), json.loads(fields["data"])
            )
            fields = {}


@contextmanager
def serving(
    folder: Path,
    *,
    limits: Mapping[str, float] | None = None,
    token: str | None = TOKEN,
    environ: Mapping[str, str] | None = None,
    listen: str = "127.0.0.1:0",
    **setup: object,
) -> Iterator[Served]:
    """Serve the store of a project; the browser of what is yielded has opened the link."""
    there = listening(listen)
    asked = {"store": str(folder / ".ork"), "host": listen.rpartition(":")[0], **setup}
    words = json.dumps({**asked, "socket": there.fileno()})
    clean = {name: text for name, text in os.environ.items() if not name.startswith("ORK_")}
    secret = {"ORK_UP_TOKEN": token} if token is not None else {}
    errors = TemporaryFile()  # noqa: SIM115
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, json.dumps(limits or {}), words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        env={
            **clean,
            "ORK_AUTHOR_NAME": "Ada",
            "ORK_AUTHOR_EMAIL": "a@b",
            **(environ or {}),
            **secret,
        },
        pass_fds=[there.fileno()],
    )
    there.close()
    assert process.stdin is not None and process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, "the process of the page has ended"
        served = Served(process, json.loads(line)["url"], errors)
        path = "/" + served.url.split("/", 3)[3]
        answer = served.ask(path)
        served.cookie = "; ".join(
            f"{name}={value.split(';')[0]}" for name, value in answer.cookies.items()
        )
        served.form_token = form_token(served.cookie, token)
        yield served
    finally:
        process.stdin.close()
        process.terminate()
        process.wait(20)
        process.stdout.close()
        errors.close()


def form_token(cookie: str, token: str | None) -> str:
    """Return the token of the forms of a session, which stands in each of its pages."""
    from ork.cli.web import guard

    name, _, value = cookie.partition("=")
    rules = guard.rules(token, (), int(name.removeprefix("ork-") or 0))
    return guard._proof(rules, "form", value.partition(".")[0])


def make_project(folder: Path) -> Store:
    """Make a project with a workflow, two deploys of it, a good run and one that failed."""
    location.create(folder / ".ork")
    store = location.open_store(folder / ".ork", environ={})
    for hours, description in enumerate(("first", "second")):
        (folder / "etl.yaml").write_text(ETL.format(description=description))
        done = deploy(store, folder / "etl.yaml", stamp=stamp(hours), message=None)
    tasks = store.snapshot(done.snapshot).tasks
    good = {name: outcome(oid) for name, oid in tasks.items()}
    write_run(store, done.deploy, good)
    bad = {**good, "load": outcome(tasks["load"], "failed")}
    write_run(store, done.deploy, bad, "failed")
    return store
