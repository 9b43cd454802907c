"""The attempts of a run -> a timeline: a lane for each task, a bar for each attempt.

Where nothing ran for long - a retry on the next day - the time is cut out, and the cut is drawn.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from ork.cli.report.markup import Html, el
from ork.cli.screen import human as words
from ork.objects.kinds import TaskRun

LANES_MAX = 300
GAP_SHARE_MAX = 0.25  # of the busy time: a longer gap is cut, and drawn as
CUT_SHARE = 0.06  # of it
TICKS_MAX = 8
TICK_SHARE_MIN = 0.07  # between two ticks
STEPS = (
    0.001,
    0.002,
    0.005,
    0.01,
    0.02,
    0.05,
    0.1,
    0.2,
    0.5,
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    14400,
    43200,
    86400,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One attempt, in seconds since the run began."""

    start: float
    end: float
    state: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """What one task did; `ready` is when all that it needs had ended."""

    name: str
    bars: tuple[Bar, ...]
    ready: float = 0.0


class Scale:
    """Seconds -> the share of the width, from 0 to 100; without the long gaps between bars."""

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
    tasks: Mapping[str, TaskRun], needs: Mapping[str, Collection[str]], began: datetime
) -> list[Lane]:
    """Return a lane for each task that was tried, in the order in which they started."""
    bars = {name: tuple(_bars(taskrun, began)) for name, taskrun in tasks.items()}
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


def timeline(found: list[Lane], path: Collection[str]) -> Html:
    """Return the lanes as HTML; those of the critical path stand out."""
    shown = found[:LANES_MAX]
    scale = Scale(bar for lane in shown for bar in lane.bars)
    cuts = [
        el("line", x1=f"{x:.2f}%", x2=f"{x:.2f}%", y1=0, y2=29, class_="cut")
        for x, _ in scale.cuts()
    ]
    ticks = list(scale.ticks())
    grid = [
        el("line", x1=f"{x:.2f}%", x2=f"{x:.2f}%", y1=0, y2=29, class_="tick") for x, _ in ticks
    ] + cuts
    rows = [_row(lane, scale, grid, long=lane.name in path) for lane in shown]
    if len(found) > len(shown):
        rows.append(el("p", f"and {len(found) - len(shown):,} tasks that started later"))
    key = [el("span", _sample("wait"), "waiting for a free place, or for a retry")]
    if len(path) > 1:
        key.insert(0, el("span", _sample("long"), "critical path: the end had to wait for these"))
    return Html(el("div", _axis(scale, ticks), rows, class_="lanes") + el("div", key, class_="key"))


def _axis(scale: Scale, ticks: Iterable[tuple[float, str]]) -> Html:
    marks = [
        el(
            "text",
            label,
            x=f"{x:.2f}%",
            y=19,
            text_anchor="end" if x > 94 else "start" if x < 4 else "middle",
        )
        for x, label in ticks
    ]
    marks += [
        el("text", f"... {words.duration(seconds)} ...", x=f"{x:.2f}%", y=19, text_anchor="middle")
        for x, seconds in scale.cuts()
    ]
    return el(
        "div", el("span"), el("div", el("svg", marks), class_="line"), el("span"), class_="row axis"
    )


def _row(lane: Lane, scale: Scale, grid: list[Html], *, long: bool) -> Html:
    marks = list(grid)
    waited_from = lane.ready
    for bar in lane.bars:
        x, end = scale(bar.start), scale(bar.end)
        if bar.start > waited_from and x - scale(waited_from) > 0.3:
            marks.append(
                el(
                    "line",
                    x1=f"{scale(waited_from):.2f}%",
                    x2=f"{x:.2f}%",
                    y1=14.5,
                    y2=14.5,
                    class_="wait",
                )
            )
        tip = (
            f"{lane.name}, attempt {bar.number}: {bar.state}, "
            f"{words.duration(bar.end - bar.start)} from {words.duration(bar.start)}"
        )
        marks.append(
            el(
                "rect",
                el("title", tip),
                x=f"{x:.2f}%",
                width=f"{max(end - x, 0.4):.2f}%",
                y=7,
                height=15,
                rx=3,
                class_=f"bar {bar.state}",
            )
        )
        waited_from = bar.end
    took = words.duration(sum(bar.end - bar.start for bar in lane.bars))
    label = f"{lane.name}: {words.count(len(lane.bars), 'attempt')}, {lane.bars[-1].state}"
    return el(
        "div",
        el("span", lane.name, class_="task-name", title=lane.name),
        el("div", el("svg", marks, role="img", aria_label=label), class_="line"),
        el("span", took, class_="took"),
        class_="row long" if long else "row",
    )


def _sample(look: str) -> Html:
    if look == "wait":
        inside = el("line", x1=2, x2=24, y1=7, y2=7, class_="wait")
        return el("svg", inside, width=26, height=14, aria_hidden="true")
    inside = el("rect", x=2, y=2, width=22, height=10, rx=3, class_="bar plain")
    return el("svg", inside, width=26, height=14, class_="long", aria_hidden="true")


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
    return words.duration(seconds)


def _joined(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined
