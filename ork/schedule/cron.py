"""A line of cron: five fields, or one word such as `@daily`, read and checked.

Each field has numbers, names, `*`, ranges, steps and lists of these, and nothing more: other tools
have `L`, `W`, `#`, seconds and years, and mean different things by them. At which moments a line is
due is told by `ork.schedule.times`, since that needs a time zone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from functools import lru_cache

from ork.objects.value import Value
from ork.schedule.durations import seconds_of

NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}

MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
FORM = 'as in `schedule: "0 2 * * *"` (minute hour day month weekday) or `@daily`'

_MONTH_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
# name, least, most, words for the numbers from `least`, of which three letters are enough
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of month", 1, 31, ()),
    ("month", 1, 12, MONTHS),
    ("day of week", 0, 7, DAYS),
)
_ITEM = re.compile(r"(\*|[a-z]+|\d{1,3})(?:-([a-z]+|\d{1,3}))?(?:/(\d{1,3}))?", re.ASCII | re.I)
_OTHER_TOOLS = re.compile(r"[?#]|\d[lw]|^l", re.ASCII | re.I)


class CronError(ValueError):
    """A line that is no schedule: what is wrong, `at` which character of it, and what to do."""

    def __init__(self, message: str, at: int = 0, hint: str = FORM) -> None:
        super().__init__(message)
        self.at = at
        self.hint = hint


class Cron(Value, frozen=True, kw_only=True):
    """The numbers that a line means.

    `both` says that a day has to be right by the month and by the week, where otherwise one of the
    two is enough. `at_times` says that the line names times of the day, so that each comes once a
    day whatever the clocks do; otherwise it goes on steadily, as `*/15` does.
    """

    minutes: tuple[int, ...]  # since midnight, in order
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]  # 1 is Monday, 7 is Sunday
    both: bool
    at_times: bool

    def is_on(self, day: date) -> bool:
        """Say whether it is due on a day."""
        if day.month not in self.months:
            return False
        in_month, in_week = day.day in self.days, day.isoweekday() in self.weekdays
        return (in_month and in_week) if self.both else (in_month or in_week)


@lru_cache(maxsize=4096)
def read(line: str) -> Cron:
    """Return what a line means; raise CronError when it means nothing, or never comes."""
    words = list(re.finditer(r"\S+", line))
    if len(words) == 1 and line.strip().startswith("@"):
        (word,) = words
        if word.group().lower() not in NICKNAMES:
            known = ", ".join(NICKNAMES)
            message = f"unknown schedule {word.group()[:40]!r}; there are {known}"
            raise CronError(message, word.start())
        return read(NICKNAMES[word.group().lower()])
    if len(words) != len(_FIELDS):
        at = words[len(_FIELDS)].start() if len(words) > len(_FIELDS) else 0
        hint = "minute hour day month weekday: no seconds and no years" if at else _meant(line)
        raise CronError(f"a schedule has five fields, this has {len(words)}", at, hint)
    minutes, hours, days, months, weekdays = (
        frozenset(_numbers(word, *field)) for word, field in zip(words, _FIELDS, strict=True)
    )
    # In the cron of Debian, a field counts as `*` that begins with one.
    starred = [word.group().startswith("*") for word in words]
    both = starred[2] or starred[4]
    if both and all(min(days) > _MONTH_DAYS[month - 1] for month in months):
        message = f"it never comes: no month that is meant has a day {min(days)}"
        raise CronError(message, words[2].start())
    return Cron(
        minutes=tuple(hour * 60 + minute for hour in sorted(hours) for minute in sorted(minutes)),
        days=days,
        months=months,
        weekdays=frozenset(number or 7 for number in weekdays),
        both=both,
        at_times=not (starred[0] or starred[1]),
    )


def _meant(line: str) -> str:
    """Return how to write what is no line of cron: a word without `@`, a time, an interval."""
    word = line.strip().lower()
    if f"@{word}" in NICKNAMES:
        return f"did you mean `@{word}`?"
    if clock := re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", word, re.ASCII):
        return f'each day at {word} is `schedule: "{int(clock[2])} {int(clock[1])} * * *"`'
    if every := re.fullmatch(r"@?every\s+(.+)", word):
        length = re.sub(_UNIT, r"\1", every[1]).replace(" ", "")
        length = length if length[0].isdigit() else f"1{length}"
        return f"write `schedule: {{every: {length}}}`" if seconds_of(length) else FORM
    return FORM


# In words, as `5 minutes` and `hour`.
_UNIT = r"(?<![a-z])([dhms])(?:ays?|(?:ou)?rs?|in(?:ute)?s?|ec(?:ond)?s?)(?![a-z])"


def _numbers(
    word: re.Match[str], name: str, least: int, most: int, names: tuple[str, ...]
) -> Iterator[int]:
    """Yield the numbers that a field means."""
    at = word.start()
    for item in word.group().split(","):
        try:
            yield from _range(item, least, most, names)
        except CronError as error:
            raise CronError(f"{name}: {error}", at + error.at, error.hint) from None
        at += len(item) + 1


def _range(item: str, least: int, most: int, names: tuple[str, ...]) -> range:
    """Return the numbers that a part of a field means."""
    match = _ITEM.fullmatch(item)
    if match is None or (match[1] == "*" and match[2]):
        raise _unreadable(item)
    first, last, step = match.groups()
    if step is not None and not 0 < int(step) <= most - least:
        at = match.start(3)
        raise CronError(f"a step of {step} is not within 1-{most - least}", at)
    if first == "*":
        return range(least, most + 1, int(step or 1))
    begin = _number(first, 0, least, names)
    end = begin if last is None else _number(last, match.start(2), least, names)
    if last is not None and last.isalpha() and end == 0:
        end = 7  # a range may end with Sunday
    for number, group in ((begin, 1), (end, 2)):
        if not least <= number <= most:
            raise CronError(f"{number} is not within {least}-{most}", max(match.start(group), 0))
    if begin > end:
        raise CronError(f"the range {item[:40]!r} runs backwards")
    if last is None and step is not None:
        end = most
    return range(begin, end + 1, int(step or 1))


def _number(word: str, at: int, least: int, names: tuple[str, ...]) -> int:
    if word.isdigit():
        return int(word)
    for number, name in enumerate(names, least):
        if word.lower() in (name, name[:3]):
            return number
    raise _unreadable(word, at)


def _unreadable(part: str, at: int = 0) -> CronError:
    hint = FORM
    if _OTHER_TOOLS.search(part):
        hint = "`L`, `W`, `#` and `?` are of other tools; here are numbers, names, * - , /"
    return CronError(f"cannot read {part[:40]!r}", at, hint)
