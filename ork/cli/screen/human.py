"""Times, durations, sizes and counts in words."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ork.cli.screen.line import MARKS
from ork.cli.screen.parts import is_narrow
from ork.errors import count as count
from ork.objects.kinds import Attempt, Run, TaskRun

if TYPE_CHECKING:
    from ork.history.details import ComingRetry

DATE = "%Y-%m-%d %H:%M:%S %z"
CLOCK = "%H:%M:%S"  # of what is told to a terminal as it happens
LATE = timedelta(minutes=1)  # after its slot a run begins that makes up for it
_UNITS = (
    (31_536_000, "year", "y"),
    (2_592_000, "month", "mo"),
    (604_800, "week", "w"),
    (86_400, "day", "d"),
    (3600, "hour", "h"),
    (60, "minute", "m"),
    (1, "second", "s"),
)

# Other states are called as they are; of one task that was skipped, `TaskRun.called` says more.
STATE_WORDS = {"success": "succeeded", "upstream_failed": "skipped", "skipped": "kept or left out"}
MARK_COLUMNS = 8  # "left out"; few runs have what is cancelled or interrupted
# What became of tasks, in the order in which that is counted.
OUTCOMES = (
    *("failed", "interrupted", "cancelled", "running", "pending"),
    *("succeeded", "reused", "kept", "skipped", "left out"),
)
# How a run may have begun, and how that is told of one; an imported one may have another word.
BEGAN_BY = {
    "run": "by hand",
    "retry": "by a retry",
    "schedule": "by a schedule",
    "queue": "from the queue",
    "bisect": "by bisect",
}


def outcome(taskrun: TaskRun) -> str:
    """Return the word for what became of a task."""
    return "succeeded" if taskrun.state == "success" else taskrun.called


def outcomes(taskruns: Iterable[TaskRun]) -> list[tuple[tuple[str, str], int]]:
    """Return how many tasks came out how, what went wrong first: a state and its word, once."""
    states: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for one in taskruns:
        word = outcome(one)
        states[word] = min(one.state, states.get(word, one.state))
        counts[word] += 1
    return [((states[word], word), counts[word]) for word in OUTCOMES if counts[word]]


def mark(taskrun: TaskRun) -> str:
    """Return the same in a word that stands in front of a line."""
    return MARKS.get(taskrun.called, taskrun.called)


def mark_columns(states: Iterable[str]) -> int:
    """Return how wide a column of such words is, of tasks in these states."""
    return max([MARK_COLUMNS, *(len(MARKS.get(state, "")) for state in states)])


def people(records: Iterable[Run]) -> list[str]:
    """Return who began a run or retried it, and where: each once."""
    found: dict[str, None] = {}
    for one in records:
        who = "its schedule" if one.previous and one.trigger == "schedule" else one.author
        found[f"{who} on {one.host}" if one.host else who] = None
    return [*found]


def near(time: datetime, now: datetime, *, short: bool = False) -> str:
    """Return how far a moment is from now: "2 hours ago", "in 2 hours", in short "2h ago"."""
    seconds = int((now - time).total_seconds())
    for size, unit, letters in _UNITS:
        if number := abs(seconds) // size:
            far = f"{number}{letters}" if short else count(number, unit)
            return f"{far} ago" if seconds > 0 else f"in {far}"
    return "now"


def moment(time: datetime, now: datetime, width: int | None) -> str:
    """Return a time for a list: how far it is from now on a terminal, else the date."""
    return date(time, now) if width is None else near(time, now, short=is_narrow(width))


def padded_moment(time: datetime, now: datetime, width: int | None) -> str:
    """Return the same, as wide as all others."""
    return date(time, now) if width is None else padded_near(time, now, width)


def padded_near(time: datetime, now: datetime, width: int | None) -> str:
    """Return how far a moment is from now, in a column of a list."""
    short = is_narrow(width)
    return f"{near(time, now, short=short):<{8 if short else 14}}"


def date(time: datetime, now: datetime) -> str:
    """Return a date and time in the zone of `now`, which sorts and greps well."""
    return time.astimezone(now.tzinfo).strftime(DATE)


def coming(retry: ComingRetry, now: datetime) -> str:
    """Return when a schedule retries a run, and the how manieth of its retries that is."""
    return f"{date(retry.time, now)} ({retry.number} of {retry.retries})"


def slot(time: datetime, now: datetime) -> str:
    """Return a slot in the zone of `now`: how far it is from now would not tell which it is.

    In the hour that comes twice, where clocks are put back, with its offset.
    """
    there, seconds = time.astimezone(now.tzinfo), ":%S" if time.second else ""
    twice = there.replace(fold=0).utcoffset() != there.replace(fold=1).utcoffset()
    return there.strftime(f"%Y-%m-%d %H:%M{seconds}{' %z' if twice else ''}")


def made_up(run: Run, now: datetime) -> str:
    """Return for which slot a run is that began late, as all do that make up for slots, or ""."""
    if run.scheduled is None or run.created - run.scheduled < LATE:
        return ""
    return f"for {slot(run.scheduled, now)}"


def numbers(of_runs: Iterable[int]) -> str:
    """Return numbers of runs, those that follow each other together: #1 to #5, #7."""
    parts: list[list[int]] = []
    for number in sorted(of_runs):
        if parts and parts[-1][-1] == number - 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(
        f"#{part[0]} to #{part[-1]}" if len(part) > 2 else ", ".join(f"#{n}" for n in part)
        for part in parts
    )


def duration(seconds: float | None) -> str:
    """Return a duration of at most seven characters: 12ms, 3.4s, 2m05s, 3h07m."""
    if seconds is None:
        return "-"
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    if seconds < 60:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def took(ended: Run | TaskRun | Attempt) -> str:
    """Return how long something took, a task in its last attempt.

    Of what was killed only the last sign of life is known.
    """
    least = ended.state == "interrupted" and ended.seconds is not None
    return f">{duration(ended.seconds)}" if least else duration(ended.seconds)


def about(seconds: float) -> str:
    """Return a duration that is not known to tenths: 8s, 2m, 1h20m."""
    whole = math.ceil(seconds)
    if whole < 100:
        return f"{whole}s"
    minutes = round(whole / 60)
    return f"{minutes}m" if minutes < 100 else f"{minutes // 60}h{minutes % 60:02d}m"


def path(folder: str) -> str:
    """Return a path as one would type it here: relative when it lies below."""
    relative = os.path.relpath(folder)
    return folder if relative.startswith("..") else relative


def left_files(whose: str, folder: str) -> str:
    """Return where files are that tasks of a run wrote beside the project."""
    return f"files that {whose} wrote are in {path(folder)}"


def how_tainted(run: str, changed: Mapping[str, object], *, again: str = "") -> str:
    """Return which tasks of a run are tainted, and what that means; `changed` has their names.

    `again` says what runs them again, if not a retry.
    """
    first, *others = changed
    more = f" and {count(len(others), 'other task')}" if others else ""
    again = again or f"`ork retry {run}` runs {'these' if others else 'it'} again"
    return f"{first}{more} ran while its code changed, so the run proves nothing: {again}"


def cut_log(run: str, cut: Mapping[str, str]) -> str:
    """Return that logs have not all that was printed; `cut` has their tasks, and why."""
    first, *others = cut
    more = f" and of {count(len(others), 'other task')}" if others else ""
    return f"the log of {run}:{first}{more} is not complete: {cut[first]}"


def either(ways: Sequence[str]) -> str:
    """Return some alternatives in words: "a, b or c"."""
    *most, last = ways
    return f"{', '.join(most)} or {last}" if most else last
