"""What other programs ask: whether all is well, and numbers."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ork.errors import OrkError
from ork.objects.value import Value, of_line

if TYPE_CHECKING:
    from ork.cli.web.app import Web

BEAT_SECONDS_MAX = 60.0  # that the newest beat of `ork up` may be old
HEALTH_SECONDS_MAX = 5.0  # for the store to answer


class Beat(Value, frozen=True, kw_only=True):
    """What `ork up` says of itself every few seconds. `lag_s` is that of its newest fire."""

    time: datetime
    fires: int
    skips: int
    lag_s: float | None
    running: int
    ok: bool = True


class Beats:
    """The newest beat, and when it came."""

    def __init__(self) -> None:
        self.last: Beat | None = None
        self._came = monotonic()

    def take(self, line: bytes) -> None:
        """Note a beat."""
        self.last, self._came = of_line(line, Beat), monotonic()

    def fine(self) -> bool:
        """Say whether `ork up` is at work; where it sends no beats nobody asks it to be."""
        if self.last is None:
            return True
        return self.last.ok and monotonic() - self._came <= BEAT_SECONDS_MAX


def routes(web: Web) -> list[Route]:
    """Return the routes of what programs ask."""
    thread = ThreadPoolExecutor(1, "health")  # its own: others may all be at work for long

    async def health(request: Request) -> Response:
        """Say in one word whether all is well: this anybody may ask."""
        asking = asyncio.get_running_loop().run_in_executor(thread, web.store.backend.sequence)
        try:
            await asyncio.wait_for(asyncio.shield(asking), HEALTH_SECONDS_MAX)
            fine = web.beats.fine()
        except (OrkError, TimeoutError):
            fine = False
        return JSONResponse({"ok": fine}, 200 if fine else 503)

    return [Route("/health", health)]
