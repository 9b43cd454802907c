"""The timeline of a run: a lane for each task, a bar for each attempt.

Where nothing ran for long - a retry on the next day - the time is cut out, and the cut is drawn.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime

from ork.cli.screen import human
from ork.objects.kinds import TaskRun
from ork.objects.value import Value, replace

LANES_MAX = 300
GAP_SHARE_MAX = 0.25  # of the busy time: a longer gap is cut, and drawn as
CUT_SHARE = 0.06  # of it
TICKS_MAX = 8
TICK_SHARE_MIN = 0.07  # between two ticks
LETTER_SHARE = 1.2  # of the axis, in 100, that a letter of a mark takes on a small window
BAR_SHARE_MIN = 0.4  # a bar must not be too thin to see
WAIT_SHARE_MIN = 0.3
SECOND, MINUTE, HOUR = 1, 60, 3600
STEPS = (
    *(n * unit for unit in (0.001, 0.01, 0.1) for n in (1, 2, 5)),
    *(n * SECOND for n in (1, 2, 5, 10, 15, 30)),
    *(n * MINUTE for n in (1, 2, 5, 10, 15, 30)),
    *(n * HOUR for n in (1, 2, 4, 12, 24)),
)


class Bar(Value, frozen=True, kw_only=True):
    """One attempt, in seconds since the first task of the run began."""

    start: float
    end: float
    state: str
    number: int


class Lane(Value, frozen=True, kw_only=True):
    """The attempts of one task; `ready` is when all that it needs had ended."""

    name: str
    bars: tuple[Bar, ...]
    ready: float = 0.0


class Row(Value, frozen=True, kw_only=True):
    """A lane as it is drawn: places and widths are shares of the axis, from 0 to 100."""

    name: str
    label: str
    seconds: float
    long: bool  # on the critical path
    waits: tuple[tuple[float, float], ...]  # from, to
    bars: tuple[tuple[float, float, str, str], ...]  # place, width, state, what it says


class Mark(Value, frozen=True, kw_only=True):
    """A place on the axis, what it says, "" without room for it, and which end of that is there."""

    place: float
    text: str
    anchor: str  # start | middle | end

    @property
    def span(self) -> tuple[float, float]:
        """From where to where the words go."""
        width = LETTER_SHARE * len(self.text)
        start = self.place - {"start": 0.0, "middle": width / 2, "end": width}[self.anchor]
        return start, start + width


class Timeline(Value, frozen=True, kw_only=True):
    """Rows under an axis with its ticks and with the places where time was cut out.

    `path_state` is how the last task of the critical path ended, None where there is no such path.
    """

    ticks: tuple[Mark, ...]
    cuts: tuple[Mark, ...]
    rows: tuple[Row, ...]
    others: int  # lanes that are not drawn
    path_state: str | None


class Scale:
    """Turns seconds into a share of the width, 0 to 100, without the long gaps between bars."""

    def __init__(self, bars: Iterable[Bar]) -> None:
        spans = _joined(sorted((bar.start, bar.end) for bar in bars))
        busy = sum(end - start for start, end in spans) or 1.0
        self.pieces: list[tuple[float, float, float, bool]] = []  # from, to, width, cut
        at = 0.0
        for start, end in spans:
            if start > at:
                cut = start - at > GAP_SHARE_MAX * busy
                self.pieces.append((at, start, CUT_SHARE * busy if cut else start - at, cut))
            self.pieces.append((max(at, start), end, end - max(at, start), False))
            at = end
        self.width = sum(width for _, _, width, _ in self.pieces) or 1.0

    def __call__(self, seconds: float) -> float:
        x = 0.0
        for start, end, width, _ in self.pieces:
            if seconds < end:
                inside = max(0.0, seconds - start) / (end - start)
                return 100 * (x + inside * width) / self.width
            x += width
        return 100.0

    def cuts(self) -> Iterator[tuple[float, float]]:
        """Yield where time was cut out, and how much."""
        for start, end, _, cut in self.pieces:
            if cut:
                yield self((start + end) / 2), end - start

    def ticks(self) -> Iterator[tuple[float, str]]:
        """Yield the marks on the axis, at round times: the place and the words of each."""
        shown = sum(width for _, _, width, cut in self.pieces if not cut)
        step = next((s for s in STEPS if shown / s <= TICKS_MAX), STEPS[-1])
        step *= max(1, -(-shown // (step * TICKS_MAX)))
        last = -100.0
        for start, end, _, cut in self.pieces:
            count = 0 if cut else int((end - start) // step) + 2
            first = -(-start // step) * step
            for tick in (first + index * step for index in range(count)):
                x = self(tick)
                if tick <= end and x - last >= 100 * TICK_SHARE_MIN:
                    yield x, _moment(tick, step)
                    last = x


def lanes(
    tasks: Mapping[str, TaskRun],
    needs: Mapping[str, Collection[str]],
    began: datetime,
    *,
    going: Mapping[str, tuple[datetime, datetime]] = {},
) -> list[Lane]:
    """Return a lane for each task that was tried, in the order in which they started.

    `going` has the tasks that run now: since when, and until which moment that is known.
    """
    # Before its first task a run waits for nothing: it is being started.
    starts = [one.started for taskrun in tasks.values() for one in taskrun.attempts]
    began = max(began, min([*starts, *(since for since, _ in going.values())], default=began))
    bars = {name: tuple(_bars(taskrun, began)) for name, taskrun in tasks.items()}
    for name, (since, until) in going.items():
        before = bars.get(name, ())
        start = max(0.0, (since - began).total_seconds())
        end = max(start, (until - began).total_seconds())
        bar = Bar(start=start, end=end, state="running", number=len(before) + 1)
        bars[name] = (*before, bar)
    found = [
        Lane(
            name=name,
            bars=own,
            ready=min(
                own[0].start,
                max((bars[n][-1].end for n in needs.get(name, ()) if bars.get(n)), default=0.0),
            ),
        )
        for name, own in bars.items()
        if own
    ]
    return sorted(found, key=lambda lane: (lane.bars[0].start, lane.name))


def critical_path(found: Iterable[Lane], needs: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Return the tasks that the end had to wait for: from the last to end back to its last need."""
    ends = {lane.name: lane.bars[-1].end for lane in found}
    path: list[str] = []
    name = max(ends, key=lambda n: (ends[n], n), default=None)
    while name is not None:
        path.append(name)
        before = [n for n in needs.get(name, ()) if n in ends]
        name = max(before, key=lambda n: (ends[n], n), default=None)
    return tuple(path[::-1])


def timeline(found: list[Lane], path: Collection[str]) -> Timeline:
    """Place the lanes on one axis; those of the critical path stand out."""
    shown = found[:LANES_MAX]
    scale = Scale(bar for lane in shown for bar in lane.bars)
    cuts = _apart(_mark(x, f"... {human.duration(gap)} ...") for x, gap in scale.cuts())
    # A tick can be missed where time was cut out.
    told = [cut.span for cut in cuts if cut.text]
    marks = (_mark(x, text) for x, text in scale.ticks())
    ticks = (mark for mark in marks if not any(_meet(mark.span, span) for span in told))
    return Timeline(
        ticks=_apart(ticks),
        cuts=cuts,
        rows=tuple(_row(lane, scale, long=lane.name in path) for lane in shown),
        others=len(found) - len(shown),
        path_state=next((one.bars[-1].state for one in shown[::-1] if one.name in path), None),
    )


def _mark(place: float, text: str) -> Mark:
    room = LETTER_SHARE * len(text) / 2
    anchor = "start" if place < room else "end" if place > 100 - room else "middle"
    return Mark(place=place, text=text, anchor=anchor)


def _apart(marks: Iterable[Mark]) -> tuple[Mark, ...]:
    """Return the marks, those without words that have no room beside the one before."""
    found: list[Mark] = []
    end = -100.0
    for mark in marks:
        start, after = mark.span
        found.append(mark if start >= end else replace(mark, text=""))
        end = after if start >= end else end
    return tuple(found)


def _meet(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _row(lane: Lane, scale: Scale, *, long: bool) -> Row:
    waits, bars = [], []
    waited_from = lane.ready
    for bar in lane.bars:
        x, end, before = scale(bar.start), scale(bar.end), scale(waited_from)
        if bar.start > waited_from and x - before > WAIT_SHARE_MIN:
            waits.append((before, x))
        took = f"{human.duration(bar.end - bar.start)} from {human.duration(bar.start)}"
        tip = f"{lane.name}, attempt {bar.number}: {bar.state}, {took}"
        width = max(end - x, BAR_SHARE_MIN)
        bars.append((min(x, 100 - width), width, bar.state, tip))
        waited_from = bar.end
    return Row(
        name=lane.name,
        label=f"{lane.name}: {human.count(len(lane.bars), 'attempt')}, {lane.bars[-1].state}",
        seconds=lane.bars[-1].end - lane.bars[-1].start,
        long=long,
        waits=tuple(waits),
        bars=tuple(bars),
    )


def _bars(taskrun: TaskRun, began: datetime) -> Iterator[Bar]:
    for attempt in taskrun.attempts:
        # A clock that was set back must not turn a bar round.
        start = max(0.0, (attempt.started - began).total_seconds())
        yield Bar(
            start=start, end=start + attempt.seconds, state=attempt.state, number=attempt.number
        )


def _moment(seconds: float, step: float) -> str:
    """Return a time on an axis, as exact as it takes to tell it from the next."""
    if seconds == 0:
        return "0"
    if 1 <= seconds < 60 and step < 0.1:
        return f"{seconds:.{2 if step >= 0.01 else 3}f}s"
    if (seconds >= 60 and step < 1) or (seconds >= 3600 and step < 60):
        digits = 1 if step >= 0.1 else 3
        minutes, rest = divmod(round(seconds, digits), 60)
        hours, minutes = divmod(int(minutes), 60)
        return f"{hours}:{minutes:02d}:{rest:0{digits + 3}.{digits}f}"
    return human.duration(seconds)


def _joined(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined
