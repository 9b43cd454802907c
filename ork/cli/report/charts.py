"""Runs over time as small pictures: a bar for each run, and a chart of durations with an axis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from ork.cli.report.timeline import STEPS
from ork.cli.screen import human
from ork.objects.value import Value

LINES_MAX = 4  # across a chart
TALL_MIN = 0.06  # of the height: a bar must not be too small to see
ROOM = 6.0  # free at the ends of the axis, in hundredths of the width


class Moment(Value, frozen=True, kw_only=True):
    """One run, or one task of it: how it ended and how long it took, if it has."""

    name: str
    number: int
    state: str
    seconds: float | None = None
    damaged: bool = False  # the record of the run is lost

    @property
    def words(self) -> str:
        """What is told of it beside its mark."""
        took = "" if self.seconds is None else f", took {human.duration(self.seconds)}"
        state = human.STATE_WORDS.get(self.state, self.state)
        return f"#{self.number} {state}{', damaged' if self.damaged else ''}{took}"


class Chart(Value, frozen=True, kw_only=True):
    """Durations, oldest first: places are hundredths of the width and of the height."""

    marks: tuple[tuple[float, float, Moment], ...]
    links: tuple[tuple[float, float, float, float], ...]  # from one mark to the next
    lines: tuple[tuple[float, str], ...]  # the height of each line across, and its words


def bars(moments: Sequence[Moment]) -> list[tuple[int, float, float, Moment]]:
    """Return index, top, height and run of each bar, in shares of 1; those that ended are drawn."""
    longest = max((one.seconds for one in moments if one.seconds is not None), default=0.0) or 1.0
    found = []
    for index, one in enumerate(moments):
        tall = max(TALL_MIN, (one.seconds or 0.0) / longest)
        found.append((index, 1 - tall, tall, one))
    return found


def chart(moments: Iterable[Moment]) -> Chart:
    """Place durations on axes that begin at 0; what has not ended has no place."""
    ended = [one for one in moments if one.seconds is not None]
    longest = max((one.seconds or 0.0 for one in ended), default=0.0)
    step = next((s for s in STEPS if longest / s <= LINES_MAX), STEPS[-1])
    step *= max(1, -(-longest // (step * LINES_MAX)))
    top = max(longest, step) * 1.08
    room = (100 - 2 * ROOM) / max(1, len(ended) - 1)
    marks = tuple(
        (
            50.0 if len(ended) == 1 else ROOM + index * room,
            100 - 100 * (one.seconds or 0.0) / top,
            one,
        )
        for index, one in enumerate(ended)
    )
    pairs = pairwise(marks)
    count = int(top // step)
    return Chart(
        marks=marks,
        links=tuple((x1, y1, x2, y2) for (x1, y1, _), (x2, y2, _) in pairs),
        lines=tuple(
            (100 - 100 * step * n / top, human.duration(step * n) if n else "0")
            for n in range(count + 1)
        ),
    )
