"""What other programs ask: whether all is well, and numbers for Prometheus.

Each number costs little, however many runs there are: of each workflow the newest runs are read,
and their numbers tell how many there were.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, process_time
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ork import __version__
from ork.daemon.lines import Lines, undecided
from ork.daemon.pauses import all_paused
from ork.errors import Corrupt, OrkError, StoreError
from ork.objects.kinds import Run
from ork.objects.value import Value, of_line
from ork.schedule.times import slots
from ork.store import location
from ork.store.resolve import archived, known_names, next_number
from ork.store.runs import all_going_on, runs
from ork.store.verdict import of_newest, verdict

if TYPE_CHECKING:
    from ork.cli.web.app import Web
    from ork.cli.web.live import Live
    from ork.store.store import Store

BEAT_SECONDS_MAX = 60.0  # that the newest beat of `ork up` may be old
HEALTH_SECONDS_MAX = 5.0  # for the store to answer
RECENT_RUNS = 20  # of each workflow
OLD_RUNS = 1000  # of a workflow, that are looked at for one that succeeded
WORKFLOWS_MAX = 1000  # of more only the first, by name
KEEP_SECONDS = 10.0  # that the numbers of the store are good for
QUANTILES = (0.5, 0.9, 1.0)
STATES = ("running", "success", "failed", "cancelled", "interrupted")
HOOK_STATES = ("success", "failed", "cancelled")
KIND = "text/plain; version=0.0.4; charset=utf-8"

Labels: TypeAlias = dict[str, str]
Samples: TypeAlias = list[tuple[Labels, float]]


class Beat(Value, frozen=True, kw_only=True):
    """What `ork up` says of itself every few seconds. `lag_s` is that of its newest fire."""

    time: datetime
    fires: int
    skips: int
    lag_s: float | None
    running: int
    places: int = 0
    ended: Mapping[str, int] = {}
    hooks: Mapping[str, int] = {}
    ok: bool = True


class Beats:
    """The newest beat, and when it came."""

    def __init__(self) -> None:
        self.last: Beat | None = None
        self._came = monotonic()

    def take(self, line: bytes) -> None:
        """Note a beat; a line that was cut is none."""
        with suppress(ValueError):
            self.last, self._came = of_line(line, Beat), monotonic()

    @property
    def age_s(self) -> float:
        """How old the newest is."""
        return monotonic() - self._came

    def fine(self) -> bool:
        """Say whether `ork up` is at work; where it sends no beats nobody asks it to be."""
        return self.last is None or (self.last.ok and self.age_s <= BEAT_SECONDS_MAX)


class Metric(NamedTuple):
    """One metric with its samples."""

    name: str
    kind: str  # counter | gauge
    help: str
    samples: Samples


def routes(web: Web, live: Live) -> list[Route]:
    """Return the routes of what programs ask."""
    thread = ThreadPoolExecutor(1, "health")  # its own: others may all be at work for long
    kept: tuple[float, list[Metric]] = (-KEEP_SECONDS, [])

    async def health(request: Request) -> Response:
        """Say in one word whether all is well: this anybody may ask."""
        asking = asyncio.get_running_loop().run_in_executor(thread, web.store.backend.sequence)
        # Also when nobody waits for it any longer.
        asking.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            await asyncio.wait_for(asyncio.shield(asking), HEALTH_SECONDS_MAX)
            fine = web.beats.fine()
        except (OrkError, TimeoutError):
            fine = False
        return JSONResponse({"ok": fine}, 200 if fine else 503)

    async def metrics(request: Request) -> Response:
        nonlocal kept
        if monotonic() - kept[0] >= KEEP_SECONDS:
            kept = monotonic(), await web.in_thread(_of_all, web.store)
        found = [*_of_beats(web.beats), *kept[1], *_of_process(live)]
        return Response(text(found), media_type=KIND)

    return [Route("/health", health), Route("/metrics", metrics)]


def text(metrics: Iterable[Metric]) -> str:
    """Return metrics in the text format of Prometheus."""
    return "".join(line + "\n" for metric in metrics for line in _lines(metric))


def _lines(metric: Metric) -> Iterator[str]:
    yield f"# HELP {metric.name} {metric.help}"
    yield f"# TYPE {metric.name} {metric.kind}"
    for labels, value in metric.samples:
        pairs = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
        yield f"{metric.name}{{{pairs}}} {value:.12g}" if pairs else f"{metric.name} {value:.12g}"


def _escaped(text: str) -> str:
    for one, other in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n")):
        text = text.replace(one, other)
    return text.encode("utf-8", "backslashreplace").decode()


def _one(name: str, kind: str, help: str, value: float) -> Metric:
    return Metric(name, kind, help, [({}, value)])


def _of_beats(beats: Beats) -> Iterator[Metric]:
    yield Metric("ork_build_info", "gauge", "The version of ork.", [({"version": __version__}, 1)])
    beat = beats.last
    if beat is None:
        return
    help = "Whether this ork up could use and write the store when it was last heard of."
    yield _one("ork_up_ok", "gauge", help, beat.ok)
    ended: Samples = [({"state": state}, beat.ended.get(state, 0)) for state in STATES[1:]]
    help = "Runs that have ended so for good, not to be retried, of this ork up or found by it."
    yield Metric("ork_up_runs_ended_total", "counter", help, ended)
    yield _one("ork_up_fires_total", "counter", "Runs that this ork up has fired.", beat.fires)
    yield _one("ork_up_skips_total", "counter", "Slots that this ork up has left out.", beat.skips)
    yield _one("ork_up_runs", "gauge", "Runs of this ork up that go on.", beat.running)
    yield _one("ork_up_places", "gauge", "How many of them may go on at once.", beat.places)
    hooks: Samples = [({"state": state}, beat.hooks.get(state, 0)) for state in HOOK_STATES]
    yield Metric("ork_up_hooks_total", "counter", "Hooks that this ork up has executed.", hooks)
    if beat.lag_s is not None:
        help = "How long after its slot the newest run was fired."
        yield _one("ork_up_lag_seconds", "gauge", help, beat.lag_s)
    help = "Seconds since this ork up was last heard of."
    yield _one("ork_up_beat_age_seconds", "gauge", help, beats.age_s)


def _of_all(store: Store) -> list[Metric]:
    return [*_of_store(store), *_of_schedules(store, datetime.now(UTC))]


def _of_store(store: Store) -> Iterator[Metric]:
    counts: Samples = []
    recent: Samples = []
    durations: Samples = []
    ends: Samples = []
    good: Samples = []
    for name in sorted(known_names(store) - archived(store))[:WORKFLOWS_MAX]:
        labels = {"workflow": name}
        counts.append((labels, next_number(store, name) - 1))
        found = _that_count(store, name, RECENT_RUNS)
        last = _last_good(store, found)
        if last is None:
            found = _that_count(store, name, OLD_RUNS)
            last = _last_good(store, found)
        if last is not None:
            good.append((labels, last.timestamp()))
        del found[RECENT_RUNS:]
        states: Counter[str] = Counter(run.state for run in found)
        recent += [({**labels, "state": state}, states[state]) for state in STATES]
        durations += _quantiles(labels, found)
        newest = next((run for run in found if run.ended), None)
        if newest is not None and newest.ended is not None:
            ends.append(({**labels, "state": newest.state}, newest.ended.timestamp()))
    yield Metric("ork_runs_total", "counter", "Runs that have begun, ever.", counts)
    help = f"How the newest {RECENT_RUNS} runs of each workflow went that ran its newest version."
    yield Metric("ork_recent_runs", "gauge", help, recent)
    help = "How long those took that have ended."
    yield Metric("ork_recent_run_duration_seconds", "gauge", help, durations)
    help = "When the newest of them has ended that does not go on, and how."
    yield Metric("ork_last_end_timestamp_seconds", "gauge", help, ends)
    help = f"When the newest good run has ended, if it is among the newest {OLD_RUNS}."
    yield Metric("ork_last_success_timestamp_seconds", "gauge", help, good)
    active = sum(1 for _ in store.folders("active/"))
    yield _one("ork_active_runs", "gauge", "Runs that go on, whoever has started them.", active)
    waiting = sum(1 for _ in store.refs("queue/"))
    yield _one("ork_queued_runs", "gauge", "Runs that wait for an ork up.", waiting)
    if (size := _size(store)) is not None:
        yield _one("ork_store_bytes", "gauge", "What the data of the store take on disk.", size)


def _that_count(store: Store, workflow: str, limit: int) -> list[Run]:
    """Return the newest runs, but for those in a bisection, or of another version than the newest.

    Where a version is lost, nobody can tell which the newest was: then those count as well.
    """
    entries = runs(
        store, workflow, limit=limit, having=lambda run: run.trigger != "bisect", damage=[]
    )
    found = [entry.run for entry in entries]
    with suppress(Corrupt):
        return list(of_newest(store, workflow, found))
    return found


def _last_good(store: Store, found: Iterable[Run]) -> datetime | None:
    """Return when the newest good run of these has ended; of a damaged one nobody can tell."""
    for run in found:
        with suppress(Corrupt):
            if run.state == "success" and verdict(store, run) == "good":
                return run.ended
    return None


def _of_schedules(store: Store, now: datetime) -> Iterator[Metric]:
    lines = sorted(Lines(store).look(), key=lambda line: line.workflow)[:WORKFLOWS_MAX]
    paused = all_paused(store)
    held = {*paused, *(run.workflow for run in all_going_on(store))}  # its end decides what follows
    coming: dict[str, float] = {}
    late: dict[str, float] = {}
    for line, first in zip(lines, undecided(store, lines), strict=True):
        name = line.workflow
        if name not in paused:
            slot = max(first, next(slots(line.schedule, now))).timestamp()
            coming[name] = min(slot, coming.get(name, slot))
        late_s = (now - first).total_seconds() if name not in held else 0.0
        late[name] = max(0.0, late_s, late.get(name, 0.0))
    help = "When the next slot of a schedule comes; none while that is paused."
    yield Metric("ork_schedule_next_timestamp_seconds", "gauge", help, _by_workflow(coming))
    help = "For how long a slot has been due that nobody has decided about, while no run goes on."
    yield Metric("ork_schedule_overdue_seconds", "gauge", help, _by_workflow(late))
    is_paused = {name: float(name in paused) for name in late}
    help = "Whether the schedules of a workflow are paused."
    yield Metric("ork_schedule_paused", "gauge", help, _by_workflow(is_paused))


def _by_workflow(values: Mapping[str, float]) -> Samples:
    return [({"workflow": name}, value) for name, value in values.items()]


def _quantiles(labels: Labels, found: list[Run]) -> Iterator[tuple[Labels, float]]:
    seconds = sorted(run.seconds for run in found if run.ended is not None and run.seconds)
    for quantile in QUANTILES if seconds else ():
        place = min(len(seconds) - 1, int(quantile * len(seconds)))
        yield {**labels, "quantile": f"{quantile:g}"}, seconds[place]


def _size(store: Store) -> int | None:
    """Return the bytes on this disk; None where the data are on a server, or in many files."""
    if store.folder is None:
        return None
    with suppress(StoreError):
        data = location.on_disk(store.folder, environ=os.environ)
        size = 0
        for path in data.kind.files(data.at):
            with suppress(FileNotFoundError):
                if path.is_dir():
                    return None
                size += path.stat().st_blocks * 512
        return size
    return None


def _of_process(live: Live) -> Iterator[Metric]:
    streams = len(live.streams)
    yield _one("ork_page_event_streams", "gauge", "Streams of events that are open.", streams)
    help = "Processor time of the process of the page."
    yield _one("process_cpu_seconds_total", "counter", help, process_time())
    with suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        size = pages * os.sysconf("SC_PAGE_SIZE")
        yield _one("process_resident_memory_bytes", "gauge", "Memory of that process.", size)
