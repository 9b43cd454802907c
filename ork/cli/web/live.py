"""What happens, told to pages that are open, as server-sent events.

/events                               `moved` when the store was written: {"sequence": 57}
/runs/NAME/NUMBER/events              the lines of `ork watch --json`, then `end`
/runs/NAME/NUMBER/log/TASK/events     {"attempt": 1, "text": ...}, `over` after an attempt, `end`

Who comes back with the id of the last event it had gets what follows that: nothing is lost, nothing
comes twice. Where that cannot be, `reset` says that all comes anew. After `end` nothing follows:
whoever asks again is told so by 204. A log can be asked for from a place on: `?from=ATTEMPT:BYTES`.

A run is looked at once, however many watch it. Memory does not grow with slow readers: what is to
be sent next is asked for when the last was taken, and who takes nothing is cut off.
"""

from __future__ import annotations

import asyncio
import codecs
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from ork.cli.screen.line import event_text, without_colors
from ork.errors import NotFound, OrkError, StoreError
from ork.logs.begun import Beginnings
from ork.logs.reading import Growing
from ork.runner.events import Event, TaskFinished, TaskRetried, TaskStarted
from ork.runner.watch import Watching, pause_s
from ork.store.resolve import run_of_number, run_ref

if TYPE_CHECKING:
    from ork.cli.web.app import Web
    from ork.objects.kinds import Run
    from ork.store.store import Store

STREAMS_MAX = 200
THREADS = 4  # that look at the store for all streams
LOOK_SECONDS = 1.0  # between two looks at whether the store was written
POLL_SECONDS = 0.25  # between two looks at a run or a log
PING_SECONDS = 15.0  # of silence, after which something is sent: so that a dead client is noticed
KEEP_SECONDS = 60.0  # that a run is still looked at, or remembered, when nobody watches it
REMEMBERED_BYTES_MAX = 64 << 20  # of events of all runs that are watched
KIND = "text/event-stream"
RETRY_MS = 2000  # after which a browser that has lost a stream asks again
T = TypeVar("T")


class Live:
    """All streams of this process."""

    def __init__(self, web: Web) -> None:
        self._web = web
        self._threads = ThreadPoolExecutor(THREADS, "live")
        self._runs: dict[tuple[str, int], _Watched] = {}
        self._pulse = _Pulse(self)
        self.streams: set[asyncio.Task[Any]] = set()
        self._closed = False

    @property
    def store(self) -> Store:
        """The store as it is now."""
        return self._web.store

    def routes(self) -> list[Route]:
        """Return the routes of all streams."""
        run = "/runs/{name}/{number:int}"
        return [
            Route("/events", self._changes),
            Route(f"{run}/events", self._run),
            Route(f"{run}/log/{{task}}/events", self._log),
        ]

    def close(self) -> None:
        """End all streams; browsers ask for them again."""
        self._closed = True
        for stream in self.streams:
            stream.cancel()

    def in_thread(self, work: Callable[..., T], *args: Any) -> Awaitable[T]:
        """Return what a function returns that reads the store, and does not take long."""
        return asyncio.get_running_loop().run_in_executor(self._threads, work, *args)

    async def _changes(self, request: Request) -> Response:
        last = request.headers.get("last-event-id", "")
        return self._stream(request, self._pulse.events(last))

    async def _run(self, request: Request) -> Response:
        watched = await self._watched(request)
        last = request.headers.get("last-event-id", "")
        if watched.over and last == watched.id_of(len(watched.lines)):
            return Response(status_code=204)
        return self._stream(request, watched.told_after(last))

    async def _log(self, request: Request) -> Response:
        watched = await self._watched(request)
        task = str(request.path_params["task"])
        at = request.headers.get("last-event-id") or request.query_params.get("from", "")
        if at == END:
            return Response(status_code=204)
        await self.in_thread(_check_task, watched.watching, task)
        return self._stream(request, _log_events(self, watched, task, *_place(at)))

    def _stream(self, request: Request, events: AsyncIterator[bytes]) -> Response:
        if request.method == "HEAD":
            return Response(media_type=KIND)
        if len(self.streams) >= STREAMS_MAX:
            raise StoreError(
                f"{STREAMS_MAX} streams of events are open already", hint="close some pages"
            )
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(self._told(events), headers=headers, media_type=KIND)

    async def _told(self, events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield what a stream tells, until its events end, or all streams."""
        task = asyncio.current_task()
        assert task is not None
        self.streams.add(task)
        try:
            yield f"retry: {RETRY_MS}\n\n".encode()
            async for event in events:
                yield event
        except OrkError as error:
            words = {"message": error.message, "hint": error.hint}
            yield _event(json.dumps(words), name="error")
        except asyncio.CancelledError:
            if not self._closed:  # its reader has left
                raise
        finally:
            self.streams.discard(task)

    async def _watched(self, request: Request) -> _Watched:
        """Return the one look at a run that all who watch it share."""
        key = (str(request.path_params["name"]), int(request.path_params["number"]))
        found = self._runs.get(key)
        if found is not None and found.over and await self.in_thread(_has_moved, found.watching):
            found = None  # a retry went on with it
            self._runs.pop(key, None)
        if found is None:
            if sum(one.bytes for one in self._runs.values()) > REMEMBERED_BYTES_MAX:
                raise StoreError("too much is watched already", hint="close some pages")
            store = self.store
            _, run = await self.in_thread(run_of_number, store, *key)
            watching = await self.in_thread(_watching, store, run)
            found = self._runs.get(key) or _Watched(self, watching)
            if key not in self._runs:
                self._runs[key] = found
                found.task = asyncio.create_task(self._look(key, found))
        found.wanted_at = monotonic()
        return found

    async def _look(self, key: tuple[str, int], watched: _Watched) -> None:
        try:
            await watched.look()
        finally:
            watched.stopped = True
            watched.news.tell()
            if self._runs.get(key) is watched:
                del self._runs[key]


def _event(data: str, *, name: str | None = None, id: str | None = None) -> bytes:
    """Return an event as it is sent; the data are JSON, and so one line."""
    fields = [f"event: {name}\n" if name else "", f"id: {id}\n" if id is not None else ""]
    return f"{''.join(fields)}data: {data}\n\n".encode()


PING = b":\n\n"
END = "end"  # the id behind the last event of a log


class _News:
    """Something has happened: wakes all who wait for that."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def tell(self) -> None:
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, seconds: float) -> bool:
        """Wait for it; say whether it has happened."""
        try:
            await asyncio.wait_for(self._event.wait(), seconds)
        except TimeoutError:
            return False
        return True


class _Pulse:
    """Whether the store was written, asked once for all; only while anybody wants to know."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._news = _News()
        self._sequence: int | None = None
        self._listeners = 0
        self._looking: asyncio.Task[None] | None = None

    async def events(self, last: str) -> AsyncIterator[bytes]:
        """Yield an event for each time; who comes back is told at once if one was missed."""
        told = int(last) if last.isascii() and last.isdigit() and len(last) < 20 else None
        self._listeners += 1
        if self._looking is None or self._looking.done():
            self._sequence = await self._live.in_thread(self._ask)
            self._looking = asyncio.create_task(self._look())
        try:
            while True:
                if self._sequence == told:
                    if not await self._news.wait(PING_SECONDS):
                        yield PING
                    continue
                # Who begins learns the number, too: so the first id is there before anything moves.
                name = "moved" if told is not None else "ready"
                told = self._sequence
                yield _event(json.dumps({"sequence": told}), name=name, id=str(told))
        finally:
            self._listeners -= 1

    def _ask(self) -> int:
        return self._live.store.backend.sequence()

    async def _look(self) -> None:
        while self._listeners:
            await asyncio.sleep(LOOK_SECONDS)
            with suppress(StoreError):  # it is away, or being replaced
                sequence = await self._live.in_thread(self._ask)
                if sequence != self._sequence:
                    self._sequence = sequence
                    self._news.tell()


def _has_moved(watching: Watching) -> bool:
    run = watching.run
    return watching.oid != run_ref(watching.store, run.workflow, run.id)


def _watching(store: Store, run: Run) -> Watching:
    # `ork up` itself takes note of runs whose owners were killed.
    return Watching(store, run, lambda: datetime.now(UTC), settles=False)


class _Watched:
    """What is known of a run that somebody watches: its events so far, in the order they came."""

    def __init__(self, live: Live, watching: Watching) -> None:
        self._live, self.watching = live, watching
        self._mark = os.urandom(4).hex()  # so that an id tells whether it is one of these events
        self.news = _News()
        self.lines: list[str] = []
        self.bytes = 0
        self.over = False
        self.stopped = False  # nobody looks any more: what is open ends, and is asked for anew
        self.error: OrkError | None = None
        self.wanted_at = monotonic()
        self.task: asyncio.Task[None] | None = None
        self.newest: dict[str, int] = {}  # task -> its newest attempt
        self.ended: set[tuple[str, int]] = set()  # attempts
        self.done: set[str] = set()  # tasks

    def id_of(self, count: int) -> str:
        return f"{self._mark}.{count}"

    async def look(self) -> None:
        """Look at the run until it has ended, or nobody wants to know."""
        try:
            self._add(await self._live.in_thread(self.watching.begin))
            while not self.over and not self._unwanted():
                began = monotonic()
                for event in await self._live.in_thread(self.watching.poll):
                    self._add(event)
                self.over = self.watching.run.ended is not None
                self.news.tell()
                await asyncio.sleep(pause_s(monotonic() - began, least_s=POLL_SECONDS))
        except OrkError as error:
            self.error = error
            self.news.tell()
            return
        while not self._unwanted():
            await asyncio.sleep(1.0)

    def _unwanted(self) -> bool:
        return monotonic() - self.wanted_at > KEEP_SECONDS

    def _add(self, event: Event) -> None:
        line = event_text("ork.run.v1", event)  # one byte a letter
        self.lines.append(line)
        self.bytes += len(line)
        if isinstance(event, TaskStarted):
            self.newest[event.task] = max(event.attempt, self.newest.get(event.task, 0))
        elif isinstance(event, TaskRetried):
            self.ended.add((event.task, event.attempt))
        elif isinstance(event, TaskFinished):
            self.done.add(event.task)
            self.ended |= {(event.task, one.number) for one in event.taskrun.attempts}

    async def told_after(self, last: str) -> AsyncIterator[bytes]:
        """Yield the events after the one with this id, as they come."""
        mark, _, count = last.partition(".")
        known = mark == self._mark and count.isascii() and count.isdigit()
        at = min(int(count), len(self.lines)) if known else 0
        if last and not known:
            yield _event("{}", name="reset")
        while True:
            self.wanted_at = monotonic()
            over = self.over
            while at < len(self.lines):
                at += 1
                yield _event(self.lines[at - 1], id=self.id_of(at))
            if self.error is not None:
                raise self.error
            if over:
                yield _event("{}", name="end")
                return
            if self.stopped:
                return
            if not await self.news.wait(PING_SECONDS):
                yield PING


def _check_task(watching: Watching, task: str) -> None:
    run = watching.run
    if task not in watching.store.snapshot(run.snapshot).tasks:
        raise NotFound(f"{run.name} has no task named {task!r}")


def _place(text: str) -> tuple[int | None, int]:
    """Return the attempt, and how many bytes of its log are known; None is the newest one."""
    attempt, _, at = text.partition(":")
    numbers = [one.isascii() and one.isdigit() and len(one) < 16 for one in (attempt, at)]
    return (int(attempt), int(at)) if all(numbers) else (None, 0)


async def _log_events(
    live: Live, watched: _Watched, task: str, attempt: int | None, at: int
) -> AsyncIterator[bytes]:
    """Yield what the attempts at a task print, from a place on, until it has ended."""
    while True:
        watched.wanted_at = monotonic()
        newest = watched.newest.get(task, 0)
        attempt = attempt or newest or None
        if attempt is not None and attempt <= newest:
            async for event in _attempt_events(live, watched, task, attempt, at):
                yield event
            attempt, at = attempt + 1, 0
        elif watched.over or task in watched.done:
            yield _event("{}", name="end", id=END)
            return
        elif not watched.stopped and not await watched.news.wait(PING_SECONDS):
            yield PING
        if watched.error is not None:
            raise watched.error
        if watched.stopped and not watched.over:
            return


async def _attempt_events(
    live: Live, watched: _Watched, task: str, attempt: int, at: int
) -> AsyncIterator[bytes]:
    """Yield what one attempt prints, with whole characters only, and that it is over."""
    watching = watched.watching
    beginnings = Beginnings(watching.store, watching.run)
    log = Growing(watching.store, partial(beginnings.log, task, attempt), skip=at)
    characters = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    spoke_at = monotonic()
    try:
        while True:
            watched.wanted_at = monotonic()
            # Asked before the log is read: what was printed until then is there.
            ended = watched.over or task in watched.done or (task, attempt) in watched.ended
            piece = await live.in_thread(log.read)
            at += len(piece)
            if text := characters.decode(piece, final=ended and not piece):
                # What is a part of a character was not told yet.
                id = f"{attempt}:{at - len(characters.getstate()[0])}"
                yield _event(json.dumps({"attempt": attempt, "text": _shown(text)}), id=id)
                spoke_at = monotonic()
            if ended and not piece:
                break
            if not piece and watched.stopped:
                return
            if not piece:
                await watched.news.wait(POLL_SECONDS)
                if monotonic() - spoke_at > PING_SECONDS:
                    spoke_at = monotonic()
                    yield PING
    finally:
        log.close()
    error = (await live.in_thread(beginnings.cut)).get((task, attempt))
    over = json.dumps({"attempt": attempt, "error": error})
    yield _event(over, name="over", id=f"{attempt + 1}:0")


def _shown(text: str) -> str:
    """Return text of a log with all that is in it to be seen, line by line."""
    return "\n".join(map(without_colors, text.split("\n")))
