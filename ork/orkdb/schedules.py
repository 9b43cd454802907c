"""A schedule of the original becomes one of five fields.

It had six fields, or seven: seconds first, years last, and counted the days of a week from 1, which
was Sunday. Where both a day of the month and one of the week were given, both had to be right,
while with five fields one of them is enough.
"""

from __future__ import annotations

import re

from ork.schedule.cron import NICKNAMES, read

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_ITEM = re.compile(r"(\*|[a-z]+|\d)(?:-([a-z]+|\d))?(?:/(\d))?", re.ASCII)


def five_fields(text: str) -> str:
    """Return the same schedule in five fields; raise ValueError, in words, where there is none."""
    words = text.lower().split()
    if len(words) == 1 and words[0] in NICKNAMES:
        return words[0]
    if len(words) == 5:
        raise ValueError("it has five fields, which never started a run there")
    if len(words) not in (6, 7):
        raise ValueError(f"it has {len(words)} fields")
    seconds, minute, hour, day, month, weekday, *year = ("*" if w == "?" else w for w in words)
    if seconds.strip("0"):
        raise ValueError(f"it counts seconds ({seconds!r}), and ork starts by the minute")
    if year and year != ["*"]:
        raise ValueError(f"it names years ({year[0]!r})")
    if day != "*" and weekday != "*":
        raise ValueError("it needs both a day of the month and a day of the week to be right")
    line = " ".join((minute, hour, day, month, _weekdays(weekday)))
    read(line)  # raises a ValueError that says what is wrong
    return line


def _weekdays(field: str) -> str:
    """Return the days of a week counted from Sunday as 0, as single days and ranges."""
    if field == "*":
        return field
    days: set[int] = set()
    for item in field.split(","):
        match = _ITEM.fullmatch(item)
        if match is None:
            raise ValueError(f"its day of the week cannot be read: {field!r}")
        first, last, step = match.groups()
        begin = 0 if first == "*" else _day(first)
        end = _day(last) if last else begin
        if first == "*" or (step and not last):
            end = 6
        if begin > end or step == "0":
            raise ValueError(f"its day of the week cannot be read: {field!r}")
        days.update(range(begin, end + 1, int(step or 1)))
    if len(days) == 7:
        return "*"
    parts: list[list[int]] = []
    for number in sorted(days):
        if parts and parts[-1][-1] == number - 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ",".join(f"{p[0]}-{p[-1]}" if len(p) > 1 else str(p[0]) for p in parts)


def _day(word: str) -> int:
    if word.isdigit() and 1 <= int(word) <= 7:
        return int(word) - 1
    for number, name in enumerate(_DAYS):
        if word[:3] == name and len(word) >= 3:
            return number
    raise ValueError(f"its day of the week cannot be read: {word!r}")
