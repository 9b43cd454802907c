"""The routes: what comes in becomes a question to a page, and what it says an answer.

A page is a plain function that reads the store, so it runs in one of a few threads: one that takes
long keeps nobody waiting but whoever asked for it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ork.cli.report.page import environment
from ork.cli.screen.errors import fields_of_error
from ork.cli.screen.line import json_text
from ork.cli.web import guard
from ork.cli.web.metrics import Beats
from ork.cli.web.page import JSON_END, Answer, Asked, Page, link
from ork.cli.web.pages import PAGES
from ork.errors import Ambiguous, Conflict, Corrupt, NotFound, OrkError, StoreError
from ork.objects.value import Value
from ork.store import location
from ork.zone import now_here

if TYPE_CHECKING:
    from jinja2 import Environment
    from starlette.types import ASGIApp

    from ork.store.store import Store

THREADS = 8  # pages that are made at once
WAITING_MAX = 64  # pages that are asked for at once
PAGE_SECONDS_MAX = 60.0
DOUBT_SECONDS = 3.0  # for a page, before the store is asked whether it is there at all
CLOSE_SECONDS = 60.0  # until a store is closed that another has taken the place of
PERSON_CHARS_MAX = 200
_STATUS: tuple[tuple[type[OrkError], int], ...] = (
    (guard.Refused, 403),
    (NotFound, 404),
    (Ambiguous, 404),
    (Corrupt, 500),
    (StoreError, 503),
    (Conflict, 409),
    (OrkError, 400),
)
T = TypeVar("T")


class Setup(Value, frozen=True, kw_only=True):
    """What `ork up` asks the process of the page for.

    Its command line says it, which every user of the machine can read: so `ork up` hands the token
    over in the environment, as ORK_UP_TOKEN.
    """

    store: str  # the folder
    host: str  # by which people reach the address that is listened at
    socket: int  # the descriptor of what listens, which `ork up` has opened
    token: str | None = None
    allow_changes: bool = False
    hosts: tuple[str, ...] = ()
    proxy_user_header: str | None = None
    schedule: bool = True


class Web:
    """What all requests share: the store, the threads that read it, the rules for visitors."""

    def __init__(self, setup: Setup, rules: guard.Rules) -> None:
        self.setup, self.rules = setup, rules
        self._folder = Path(setup.store)
        self._identity = location.identity(self._folder)
        self.store: Store = location.open_here(self._folder, environ=os.environ)
        self._threads = ThreadPoolExecutor(THREADS, "page")
        self._doubting = ThreadPoolExecutor(THREADS, "doubt")
        self._asked_for = 0
        self.beats = Beats()

    async def in_thread(self, work: Callable[..., T], *args: Any, doubts: bool = True) -> T:
        """Return what a function returns that reads the store, and may take its time.

        What reads waits for a server that is away: a visitor is told so unless nobody `doubts`.
        """
        if self._asked_for >= WAITING_MAX:
            raise StoreError("too many pages are asked for at once", hint="try again in a moment")
        self._asked_for += 1
        loop = asyncio.get_running_loop()
        working = loop.run_in_executor(self._threads, work, *args)
        working.add_done_callback(self._done)
        late = monotonic() + PAGE_SECONDS_MAX
        while (left_s := late - monotonic()) > 0:
            wait_s = min(DOUBT_SECONDS, left_s) if doubts else left_s
            await asyncio.wait((working,), timeout=wait_s)
            if working.done():
                return working.result()
            await self.reach()
        raise StoreError(
            f"this took more than {PAGE_SECONDS_MAX:.0f} seconds",
            hint="the command line has no such limit",
        )

    async def reach(self) -> None:
        """Raise StoreError when the store is on a server that does not answer."""
        reach = partial(location.reach, self._folder, environ=os.environ)
        await asyncio.get_running_loop().run_in_executor(self._doubting, reach)

    def _done(self, working: asyncio.Future[Any]) -> None:
        self._asked_for -= 1
        if not working.cancelled():
            working.exception()  # perhaps nobody waits for it any longer

    def renew(self) -> None:
        """Open the store anew when another has taken its place, as after `rm -r` and a restore."""
        identity = location.identity(self._folder)
        if identity is None or identity == self._identity:
            return
        with suppress(OrkError):  # half there; asked again in a moment
            new = location.open_here(self._folder, environ=os.environ)
            asyncio.get_running_loop().call_later(CLOSE_SECONDS, self.store.close)
            self.store, self._identity = new, identity

    def asked(self, request: Request, *, notice: str | None = None) -> Asked:
        """Return what a request asks for, as a page wants to know it."""
        path = request.scope["raw_path"].decode("ascii")
        query = request.scope["query_string"].decode("ascii", "replace")
        return Asked(
            store=self.store,
            now=now_here(),
            path={name: str(value) for name, value in request.path_params.items()},
            query=dict(request.query_params),
            url=f"{path}?{query}" if query else path,
            allow_changes=self.setup.allow_changes,
            schedule=self.setup.schedule,
            form_token=guard.visitor(request).form_token,
            notice=notice,
        )

    def person(self, request: Request) -> str | None:
        """Return whom the proxy names, if there is one that does."""
        if self.setup.proxy_user_header is None:
            return None
        named = request.headers.get(self.setup.proxy_user_header, "").encode("latin-1")
        return named.decode("utf-8", "replace").strip()[:PERSON_CHARS_MAX] or None


def app(web: Web, routes: list[Route]) -> ASGIApp:
    """Return all that is served: these routes, the pages, and the errors as pages."""
    pages = [route for pattern, answer in PAGES for route in _routes(web, pattern, answer)]
    static = [Route(f"/{name}", partial(_static, name)) for name in _KINDS]
    inner = Starlette(
        routes=[*routes, *static, *pages],
        exception_handlers={
            OrkError: _error,
            HTTPException: _error,
            500: _bug,
        },
    )
    inner.router.redirect_slashes = False
    return guard.Guard(inner, web.rules, _refused)


def _routes(web: Web, pattern: str, answer: Answer) -> list[Route]:
    """Return the routes of a page: as a document, with a slash behind it, as it is."""
    as_json = Route(
        f"{pattern if pattern != '/' else '/index'}{JSON_END}", _page(web, answer, True)
    )
    as_html = _page(web, answer, False)
    slashed = [Route(f"{pattern}/", as_html)] if pattern != "/" else []
    return [as_json, *slashed, Route(pattern, as_html)]


def _page(web: Web, answer: Answer, as_json: bool) -> Callable[[Request], Any]:
    async def page(request: Request) -> Response:
        notice = None if as_json else guard.notice(request, web.rules)
        asked = web.asked(request, notice=notice)
        status, text = await web.in_thread(_made, answer, asked, as_json)
        response = _response(request, status, text, "application/json" if as_json else "text/html")
        guard.remember(request, response, web.rules)
        if notice:
            guard.forget_notice(response, web.rules)
        return response

    return page


def _made(answer: Answer, asked: Asked, as_json: bool) -> tuple[int, str]:
    """Return a page as text; everything that reads the store happens in here."""
    sequence = asked.store.backend.sequence()  # before: what is written meanwhile is news
    page = answer(asked)
    if not as_json:
        return page.status, _drawn(page, asked, sequence)
    if page.schema is None:
        raise NotFound("this page is no document", hint="leave out .json")
    return page.status, json_text(page.schema, page.document) + "\n"


def _drawn(page: Page, asked: Asked | None, sequence: int | None = None) -> str:
    template = _templates().get_template(f"web/templates/{page.template}.html")
    about = {"asked": asked, "sequence": sequence}
    return template.render({"now": asked and asked.now, **page.values, **about})


@cache
def _templates() -> Environment:
    return environment("web/templates/frame.html", link)


def _response(request: Request, status: int, text: str, kind: str) -> Response:
    """Return an answer that a browser keeps, and asks each time whether it is still so."""
    data = text.encode("utf-8", "backslashreplace")
    headers = {"cache-control": "private, no-cache"}
    if status == 200:
        headers["etag"] = f'"{sha256(data).hexdigest()[:32]}"'
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
    return Response(data, status, headers=headers, media_type=f"{kind}; charset=utf-8")


async def _static(name: str, request: Request) -> Response:
    return _response(request, 200, _read(name), _KINDS[name])


_KINDS = {"page.css": "text/css", "page.js": "text/javascript"}


@cache
def _read(name: str) -> str:
    """Return the style sheet, which shares with the report what both need, or the script."""
    if name.endswith(".css"):
        return _templates().get_template(f"web/{name}").render()
    return (Path(__file__).parent / name).read_text("utf-8")


async def _error(request: Request, error: Exception) -> Response:
    if isinstance(error, OrkError):
        status = next(status for kind, status in _STATUS if isinstance(error, kind))
        return _error_page(request, status, error)
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        return _error_page(request, 405, OrkError("this is to be looked at, not to be sent to"))
    return _error_page(request, error.status_code, NotFound("there is no such page"))


async def _bug(request: Request, error: Exception) -> Response:
    hint = "what went wrong stands where `ork up` prints: please report it"
    return _error_page(request, 500, OrkError("a bug in ork", hint=hint))


def _refused(request: Request, status: int) -> Response:
    if status == 401:
        words = "this page asks for a token"
        hint = "open the link that `ork up` printed; if you did so before, go on"
        return _error_page(
            request, status, OrkError(words, hint=hint), again=guard.without_token(request)
        )
    words = "a request that comes from another site is refused"
    return _error_page(request, status, OrkError(words, hint="open the page itself"))


def _error_page(
    request: Request, status: int, error: OrkError, *, again: str | None = None
) -> Response:
    """Return an error as a page or, where a document was asked for, as the command prints it."""
    values = fields_of_error(error, error.hint)
    if request.url.path.endswith((JSON_END, "/events")) or guard.speaks_json(request):
        return _response(request, status, json_text("error", values) + "\n", "application/json")
    page = Page(
        template="error",
        values={**values, "title": error.message, "status": status, "again": again},
    )
    return _response(request, status, _drawn(page, None), "text/html")
