"""A schedule in words, where there is a plain sentence for it; else as it was written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import pairwise

from ork.schedule.cron import DAYS, MONTHS, Cron, CronError, read
from ork.schedule.durations import duration_text
from ork.schedule.schedule import Schedule, setting_of
from ork.schedule.slot_values import is_of_slot

LISTED_MAX = 6  # times, days or months that a sentence names one by one
PARAMS_CHARS_MAX = 120
POLICIES = ("catchup", "overlap", "retries", "retry_delay", "timeout", "after_failure")
A_FEW = 3  # that it names one by one also where they follow each other

_DAY_MINUTES = 24 * 60
_UNITS = (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))
_WEEK = (*DAYS[1:], DAYS[0])


def in_words(schedule: Schedule) -> str:
    """Return when it is due and with which parameters.

    As in `every day at 02:00, Europe/Berlin` or `every 15 minutes, with region="eu"`.
    """
    when = "; ".join(_part(part) for part in schedule.parts)
    if not schedule.params:
        return when
    given = ", ".join(
        f"{name}={value if is_of_slot(value) else json.dumps(value)}"
        for name, value in schedule.params.items()
    )
    given = given if len(given) <= PARAMS_CHARS_MAX else given[: PARAMS_CHARS_MAX - 3] + "..."
    return f"{when}{';' if schedule.also else ','} with {given}"


def policies(schedule: Schedule) -> str:
    """Return what else it says, but for what is so anyway: `retries: 2; after_failure: hold`."""
    found = setting_of([schedule])
    said = found if isinstance(found, dict) else {}
    return "; ".join(f"{key}: {said[key]}" for key in POLICIES if key in said)


def _part(part: Schedule) -> str:
    if part.every_s is not None:
        return _every(part.every_s)
    assert part.cron is not None
    try:
        found = _sentence(read(part.cron))
    except CronError:  # it was kept by an older ork
        found = None
    sentence = found or " ".join(part.cron.split())
    # Of a sentence without a time of the day, no zone makes another.
    said = found is None or ":" in found or " on " in found or part.timezone != "UTC"
    return f"{sentence}, {part.timezone}" if said else sentence


def _sentence(line: Cron) -> str | None:
    times, days = _times(line.minutes), _days(line)
    if times is None or days is None:
        return None
    if days:
        return f"{times}{', ' if ' from ' in times else ' '}{days}"
    daily = f"every day {times}" if times.startswith("at ") else times
    return daily if len(line.months) == 12 else f"{daily}, {_months(line.months)}"


def _times(minutes: Sequence[int]) -> str | None:
    """Return the times of a day."""
    steps = {after - before for before, after in pairwise(minutes)}
    step = steps.pop() if len(steps) == 1 else 0
    first, last = minutes[0], minutes[-1]
    if step and step <= 60 and last + step - first == _DAY_MINUTES:  # all round the clock
        if first == 0:
            return _every(step * 60)
        if step == 60:
            return f"every hour at minute {first}"
    if len(minutes) > A_FEW and step:
        return f"{_every(step * 60)} from {_clock(first)} to {_clock(last)}"
    if len(minutes) <= LISTED_MAX:
        return f"at {_and(map(_clock, minutes))}"
    return None


def _days(line: Cron) -> str | None:
    """Return the days, empty for all; None where there is no plain word for them."""
    in_month = _month_days(line.days) if len(line.days) < 31 else ""
    in_week = _weekdays(line.weekdays) if len(line.weekdays) < 7 else ""
    if not line.both and not (in_month and in_week):
        return ""  # one of the two is enough, and that is any day
    if in_month is None or (line.both and in_month and in_week):
        return None
    months = _months(line.months) if len(line.months) < 12 else ""
    if in_month and not in_week:
        which = f"each month {months}" if months.startswith("from") else months[len("in ") :]
        return f"{in_month} of {which or 'the month'}"
    days = f"{in_month} of the month and {in_week}" if in_month else in_week
    return f"{days}, {months}" if days and months else days


def _month_days(numbers: Iterable[int]) -> str | None:
    days = sorted(numbers)
    if len(days) > A_FEW and days[-1] - days[0] == len(days) - 1:
        return f"from the {_ordinal(days[0])} to the {_ordinal(days[-1])}"
    return f"on the {_and(map(_ordinal, days))}" if len(days) <= LISTED_MAX else None


def _weekdays(numbers: Iterable[int]) -> str:
    days = sorted(numbers)
    names = [_WEEK[number - 1].capitalize() for number in days]
    if len(days) >= A_FEW and days[-1] - days[0] == len(days) - 1:
        return f"from {names[0]} to {names[-1]}"
    return f"on {_and(f'{name}s' for name in names)}"


def _months(numbers: Iterable[int]) -> str:
    months = sorted(numbers)
    names = [MONTHS[number - 1].capitalize() for number in months]
    if len(months) > A_FEW and months[-1] - months[0] == len(months) - 1:
        return f"from {names[0]} to {names[-1]}"
    return f"in {_and(names)}"


def _every(seconds: int) -> str:
    for unit, length in _UNITS:
        if seconds == length:
            return f"every {unit}"
        if seconds % length == 0 and (seconds < 100 * length):
            return f"every {seconds // length} {unit}s"
    return f"every {duration_text(seconds)}"


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _ordinal(number: int) -> str:
    teen = 10 < number % 100 < 20
    return f"{number}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def _and(words: Iterable[str]) -> str:
    *some, last = words
    return f"{', '.join(some)} and {last}" if some else last
