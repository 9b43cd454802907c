"""Who may ask for what: hosts, token, cookie, origins, and the headers of every answer.

A page of another site can make a browser send requests here, and by a name that it lets point to
this machine it could read the answers. So the name that a request is for must be a known one,
everything asks for the token, and changes and streams ask where the request comes from. Other
users of this machine reach it as well, which is why loopback alone proves nothing.
"""

from __future__ import annotations

import hmac
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from ork.daemon.page import HOST, split_host
from ork.errors import OrkError
from ork.objects.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
OPEN = ("/health", "/page.css", "/page.js")  # what tells nothing of a store
JSON = "application/json"
TOKEN = "token"  # in the address that `ork up` prints
NOTICE_CHARS_MAX = 1000
NOTICE_SECONDS = 60
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " connect-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none';"
    " form-action 'self'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    # With `no-referrer` browsers say of the forms of a page that they come from nowhere.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class Refused(OrkError):
    """This is not for whoever asks."""


class Rules(Value, frozen=True, kw_only=True):
    """What is asked of a request. `port` is a part of the cookie's name: browsers share those."""

    token: str | None
    hosts: tuple[str, ...]
    port: int
    key: bytes  # signs cookies


class Visitor(Value, frozen=True, kw_only=True):
    """Who asks: the token of this session's forms, and the cookie of a session that begins."""

    form_token: str
    new_cookie: str | None
    by_header: bool  # it has the token of the page itself


def rules(token: str | None, hosts: tuple[str, ...], port: int) -> Rules:
    """Return the rules for a token; without one cookies are good for this process only."""
    key = token.encode("utf-8", "surrogatepass") if token is not None else os.urandom(32)
    known = (*LOOPBACK, *map(split_host, hosts))
    return Rules(token=token, hosts=known, port=port, key=sha256(b"ork up\n" + key).digest())


class Guard:
    """Lets through what keeps the rules; everything gets the headers."""

    def __init__(
        self, app: ASGIApp, rules: Rules, refuse: Callable[[Request, int], Response]
    ) -> None:
        self._app, self._rules, self._refuse = app, rules, refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let the pages answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        request = Request(scope)
        if wrong := self._wrong_at_once(request):
            await wrong(scope, receive, with_headers)
            return
        if request.url.path in OPEN:
            await self._app(scope, receive, with_headers)
            return
        response = self._introduced(request) or self._unproved(request)
        await (response or self._app)(scope, receive, with_headers)

    def _wrong_at_once(self, request: Request) -> Response | None:
        """Return the answer to what nobody may ask, whoever it is: a name that is not known.

        The very address that a request came in at is fine: nobody can let that point elsewhere.
        """
        host = request.headers.get("host", "").lower()
        if (found := HOST.fullmatch(host)) is None:
            return PlainTextResponse("a request says for which host it is\n", 421 if host else 400)
        server = request.scope.get("server")
        at = server[0] if server else ""
        if found[1] in (*self._rules.hosts, at, f"[{at}]"):
            return None
        words = "this name is not known here; `ork up --host NAME` makes one known\n"
        return PlainTextResponse(words, 421)

    def _introduced(self, request: Request) -> Response | None:
        """Return the answer to who comes by the printed link: a cookie, and the same without it."""
        given = dict(parse_qsl(request.url.query, keep_blank_values=True)).get(TOKEN)
        token = self._rules.token
        if token is None or given is None or request.method == "POST" or not _same(given, token):
            return None
        response = RedirectResponse(without_token(request), 303)
        set_cookie(request, response, _name(self._rules), _signed(self._rules, _new_session()))
        return response

    def _unproved(self, request: Request) -> Response | None:
        """Return the answer to who has shown no token, or comes from another site's page."""
        headers = request.headers
        session = _session(request, self._rules)
        bearer = headers.get("authorization", "").partition(" ")[2]
        token = self._rules.token
        by_header = token is not None and _same(bearer, token)
        if token is not None and session is None and not by_header:
            return self._refuse(request, 401)
        is_change = request.method not in ("GET", "HEAD")
        if (is_change or is_stream(request)) and not self._is_own(headers):
            return self._refuse(request, 403)
        new = None if session else _new_session()
        request.scope["visitor"] = Visitor(
            new_cookie=new and _signed(self._rules, new),
            form_token=_proof(self._rules, "form", session or new or ""),
            by_header=by_header,
        )
        return None

    def _is_own(self, headers: Headers) -> bool:
        """Say whether a request comes from a page of ours, as far as its browser tells."""
        if headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return False
        origin = headers.get("origin")
        if origin is None:
            return True
        scheme, _, there = origin.lower().partition("://")
        if scheme not in ("http", "https") or not (found := HOST.fullmatch(there)):
            return False
        # A proxy may ask by another name than the one that people see.
        foreign = found[1] in self._rules.hosts and found[1] not in LOOPBACK
        return there == headers.get("host", "").lower() or foreign


def is_stream(request: Request) -> bool:
    """Say whether a request is for a stream of events, which a page must ask for itself."""
    return request.url.path.endswith("/events")


def visitor(request: Request) -> Visitor:
    """Return who asks."""
    found: Visitor = request.scope["visitor"]
    return found


def has_form_token(request: Request, given: str) -> bool:
    """Say whether a form was on a page of this very session."""
    found = visitor(request)
    return found.new_cookie is None and _same(given, found.form_token)


def is_program(request: Request) -> bool:
    """Say whether a program asks for a change: in JSON, with the token itself.

    No page of another site can send JSON, also where a proxy adds the token to whatever it passes
    on: its browser would ask first whether it may, and nothing here says so.
    """
    return speaks_json(request) and visitor(request).by_header


def speaks_json(request: Request) -> bool:
    """Say whether what was sent is JSON, by what its sender says."""
    return kind_of(request) == JSON


def kind_of(request: Request) -> str:
    """Return of what kind a body is, without what may follow that."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def remember(request: Request, response: Response, rules: Rules) -> None:
    """Give a browser that has proved itself otherwise a session, so that its forms work."""
    if (cookie := visitor(request).new_cookie) is not None:
        set_cookie(request, response, _name(rules), cookie)


def set_cookie(
    request: Request, response: Response, name: str, value: str, seconds: int | None = None
) -> None:
    """Set a cookie that no script reads and no other site's page makes use of."""
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        httponly=True,
        samesite="strict",
        secure=request.headers.get("x-forwarded-proto") == "https",
    )


def without_token(request: Request) -> str:
    """Return what a request asks for, as an address of this host, without a token."""
    fields = parse_qsl(request.url.query, keep_blank_values=True)
    rest = urlencode([field for field in fields if field[0] != TOKEN])
    path = local_path(request.scope["raw_path"].decode("ascii"))
    return f"{path}?{rest}" if rest else path


def local_path(path: str) -> str:
    """Return a path that leads to no other host: two slashes would begin the name of one."""
    return "/" + path.lstrip("/\\")


def set_notice(request: Request, response: Response, rules: Rules, text: str) -> None:
    """Let the next page say what was done; nobody else can make it say anything."""
    words = urlsafe_b64encode(text[:NOTICE_CHARS_MAX].encode("utf-8", "backslashreplace")).decode()
    value = f"{words}.{_proof(rules, 'notice', words)}"
    set_cookie(request, response, _name(rules, "-notice"), value, NOTICE_SECONDS)


def notice(request: Request, rules: Rules) -> str | None:
    """Return what `set_notice` was told."""
    words, _, proof = request.cookies.get(_name(rules, "-notice"), "").partition(".")
    if not words or not _same(proof, _proof(rules, "notice", words)):
        return None
    return urlsafe_b64decode(words).decode()


def forget_notice(response: Response, rules: Rules) -> None:
    """Let a browser forget what a page has shown by now."""
    response.delete_cookie(_name(rules, "-notice"), httponly=True, samesite="strict")


def _name(rules: Rules, end: str = "") -> str:
    return f"ork-{rules.port}{end}"


def _new_session() -> str:
    return os.urandom(16).hex()


def _session(request: Request, rules: Rules) -> str | None:
    """Return the session that a cookie of ours proves."""
    found, _, proof = request.cookies.get(_name(rules), "").partition(".")
    return found if found and _same(proof, _proof(rules, "session", found)) else None


def _signed(rules: Rules, session: str) -> str:
    return f"{session}.{_proof(rules, 'session', session)}"


def _proof(rules: Rules, purpose: str, text: str) -> str:
    words = f"{purpose}\n{text}".encode("utf-8", "surrogatepass")
    return hmac.digest(rules.key, words, "sha256").hex()


def _same(given: str, wanted: str) -> bool:
    """Compare in a time that does not tell how much is alike."""
    return hmac.compare_digest(
        given.encode("utf-8", "surrogatepass"), wanted.encode("utf-8", "surrogatepass")
    )
