"""Who may ask for what. Each refusal is tried beside what is allowed, on one running process."""

from __future__ import annotations

import hmac
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from ork.cli.web.__main__ import main
from ork.daemon.page import listening
from ork.store import location
from tests.cli.naughty import NAUGHTY, harmless
from tests.web.server import TOKEN, Served, form_token, make_project, serving

KNOWN = "ork.example"
SECRET = "etl"  # what every page about the store says


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project."""
    made = tmp_path_factory.mktemp("guarded")
    make_project(made).close()
    return made


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Served]:
    """A process that all tests of this page ask, and none disturbs."""
    with serving(folder, allow_changes=True, hosts=[f"{KNOWN.upper()}:443"]) as found:
        yield found


def operations(folder: Path) -> str | None:
    """Return the newest operation of the store: changes have one."""
    store = location.open_store(folder / ".ork", environ={})
    try:
        return store.ref("ops")
    finally:
        store.close()


@pytest.mark.slow
def test_the_browser_that_opened_the_link_sees_the_store(served: Served):
    answer = served.get("/")
    assert (answer.status, SECRET in answer.text) == (200, True)


@pytest.mark.parametrize("path", ["/", "/health", "/page.css", "/events", "/index.json"])
def test_a_name_that_leads_here_by_rebinding_is_not_served(served: Served, path: str):
    for host in ("evil.example", f"evil.example:{served.port}", "localhost.evil.example", "a b"):
        answer = served.get(path, Host=host)
        assert (answer.status, SECRET in answer.text) == (421, False), host


def test_names_that_are_ours_are_served(served: Served):
    port = served.port
    for host in ("localhost", f"LOCALHOST:{port}", f"127.0.0.1:{port}", "[::1]:1", KNOWN):
        assert served.get("/", Host=host).status == 200, host


def test_a_request_that_names_no_host_is_not_served(served: Served):
    for head in (b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"):
        with served.socket(head) as there:
            assert b" 400 " in there.recv(1000)


def test_without_a_token_nothing_is_told(served: Served):
    for path in ("/", "/index.json", "/events", "/metrics", "/no-such-page"):
        answer = served.ask(path)
        assert (answer.status, SECRET in answer.text) == (401, False), path


def test_a_wrong_token_is_none(served: Served):
    for wrong in ("", TOKEN[:-1], TOKEN + "x", "\u00e9", TOKEN.upper()):
        assert served.ask(f"/?{urlencode({'token': wrong})}").status == 401
        assert served.ask("/", Authorization=f"Bearer {quote(wrong)}").status == 401


def test_a_cookie_of_another_making_is_none(served: Served):
    name, _, value = served.cookie.partition("=")
    session, _, proof = value.partition(".")
    wrong = hmac.digest(b"guess", session.encode(), "sha256").hex()
    for made in (f"{session}.{wrong}", f"{session}x.{proof}", f".{proof}", session, ""):
        assert served.ask("/", Cookie=f"{name}={made}").status == 401, made


def test_health_and_the_style_need_no_token_and_tell_nothing(served: Served):
    assert served.ask("/health").json == {"ok": True}
    for path in ("/page.css", "/page.js"):
        assert served.ask(path).status == 200


def test_the_link_leaves_a_cookie_and_goes_out_of_the_address(served: Served):
    answer = served.ask(f"/search?q=a%26b&token={TOKEN}&x=")
    assert (answer.status, answer.headers["location"]) == (303, "/search?q=a%26b&x=")
    (attributes,) = answer.cookies.values()
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(attributes.split("; "))
    assert "Secure" not in attributes
    assert TOKEN not in attributes


def test_behind_a_proxy_with_https_the_cookie_stays_there(served: Served):
    answer = served.ask(f"/?token={TOKEN}", X_Forwarded_Proto="https")
    assert "Secure" in next(iter(answer.cookies.values()))


def test_the_link_leads_nowhere_else(served: Served):
    for path in ("//evil.example/x", "///evil.example", "/%5Cevil.example", "/\\evil.example"):
        there = served.ask(f"{path}?token={TOKEN}").headers["location"]
        assert there.startswith("/") and not there.startswith(("//", "/\\"))
        asked = served.ask(f"{path}?token=wrong&x=%221").text
        (again,) = re.findall('href="([^"]*)">Go on', asked)
        assert again.startswith("/") and not again.startswith(("//", "/\\"))
        assert again.endswith("?x=%221")


def test_every_answer_has_the_headers(served: Served):
    tag = served.get("/page.css").headers["etag"]
    answers = [
        served.get("/"),
        served.ask("/"),
        served.get("/no-such-page"),
        served.get("/no-such-page.json"),
        served.get("/a-bug"),
        served.get("/", Host="evil.example"),
        served.ask("/", method="PUT", Cookie=served.cookie),
        served.ask(f"/?token={TOKEN}"),
        served.get("/page.css", If_None_Match=tag),
        served.post("/workflows/no-such/pause"),
    ]
    assert [one.status for one in answers] == [200, 401, 404, 404, 500, 421, 405, 303, 304, 404]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert not any(name.startswith("access-control-") for name in answer.headers)
        assert "server" not in answer.headers


def test_a_bug_is_told_without_its_traceback(served: Served):
    answer = served.get("/a-bug")
    assert "Traceback" not in answer.text and "ZeroDivisionError" not in answer.text
    deadline = time.monotonic() + 15
    while "ZeroDivisionError" not in served.errors():  # who started `ork up` sees it, soon
        assert time.monotonic() < deadline


def test_only_what_looks_or_sends_a_form_is_taken(served: Served):
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"):
        assert served.ask("/", method, Cookie=served.cookie).status in (400, 405), method


CROSS = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:1"},  # another server of this machine
    {"Origin": "http://127.0.0.1"},
    {"Origin": "file://"},
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"Sec_Fetch_Site": "none"},
]


@pytest.mark.parametrize("headers", CROSS, ids=str)
def test_a_form_of_another_site_changes_nothing(
    served: Served, folder: Path, headers: dict[str, str]
):
    before = operations(folder)
    assert served.post("/workflows/etl/tag", {"label": "x"}, **headers).status == 403
    with_cookie = {"Cookie": served.cookie, **headers}
    assert served.ask("/events", **with_cookie).status == 403
    assert operations(folder) == before


def test_a_form_that_was_on_none_of_our_pages_changes_nothing(served: Served, folder: Path):
    before = operations(folder)
    other = served.ask(f"/?token={TOKEN}").cookies
    ((name, value),) = other.items()
    elsewhere = form_token(f"{name}={value.split(';')[0]}", TOKEN)
    for token in ("", "0" * 64, TOKEN, elsewhere):
        answer = served.post("/workflows/etl/tag", {"label": "x", "form_token": token})
        assert answer.status == 403
    # A token alone is no session whose pages have forms.
    bearer = {"Authorization": f"Bearer {TOKEN}", "Cookie": ""}
    assert served.post("/workflows/etl/tag", {"label": "x"}, **bearer).status == 403
    assert operations(folder) == before


def test_a_proxy_may_be_known_by_another_name_than_it_asks_by(served: Served):
    answer = served.post("/workflows/no-such/pause", Origin=f"https://{KNOWN}")
    assert answer.status == 404  # it was let through, and there is no such workflow


@pytest.mark.parametrize("name", NAUGHTY)
def test_hostile_texts_in_an_address_or_a_form_are_shown_as_text(served: Served, name: str):
    text = NAUGHTY[name][:2000]
    answers = [
        served.get(f"/{quote(text, safe='')}"),
        served.get(f"/workflows/{quote(text, safe='')}"),
        served.get(f"/?{urlencode({text[:50]: text})}"),
        served.post("/workflows/etl/tag", {"label": text, "revision": text}),
        served.post("/workflows/etl/rollback", {"revision": text}),
        served.post(f"/workflows/{quote(text, safe='')}/run", {f"input.{text}": text}),
        served.post(f"/ops/{quote(text, safe='')}/undo", {"back": text}),
    ]
    for answer in answers:
        assert answer.status in (200, 400, 404)
        assert harmless(answer.text.replace("\n", ""))
        for bad in ("<script>alert", "<img src=x", "<svg onload", '<b onclick="'):
            assert bad not in answer.text
    assert all(answer.status != 200 for answer in answers[3:])


@pytest.mark.slow
def test_without_a_token_only_this_machine_is_served(folder: Path):
    with serving(folder, token=None) as open_to_all:
        assert open_to_all.url.endswith("/")
        assert open_to_all.ask("/").status == 200
        assert open_to_all.ask("/", Host="evil.example").status == 421


@pytest.mark.parametrize(
    ("host", "hosts", "words"),
    [("0.0.0.0", [], "asks for a token"), ("127.0.0.1", ["a b"], "no name of a host")],
)
def test_what_cannot_be_served_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], host: str, hosts: list[str], words: str
):
    there = listening(f"{host}:0").detach()
    setup = {"store": str(folder / ".ork"), "host": host, "socket": there, "hosts": hosts}
    assert main(["page", json.dumps(setup)]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.slow
def test_every_address_of_this_machine_is_served_by_its_number(folder: Path):
    with serving(folder, listen="0.0.0.0:0") as served:
        assert served.get("/", Host=f"127.0.0.1:{served.port}").status == 200
        assert served.get("/", Host="192.0.2.1").status == 421
        # And by the name of the machine, which is in the address that is printed.
        assert served.get("/", Host=served.url.split("/")[2]).status == 200


@pytest.mark.slow
def test_the_token_is_in_no_command_line(served: Served):
    command = Path(f"/proc/{served.process.pid}/cmdline")
    if not command.exists():
        pytest.skip("this system does not tell command lines")
    assert TOKEN.encode() not in command.read_bytes()
