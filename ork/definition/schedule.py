"""The five-field cron line of a workflow, checked but never evaluated here."""

from __future__ import annotations

import re

NICKNAMES = ("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually")

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
# name, least, most, words for the numbers from `least`
_FIELDS: tuple[tuple[str, int, int, list[str]], ...] = (
    ("minute", 0, 59, []),
    ("hour", 0, 23, []),
    ("day of month", 1, 31, []),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 7, _DAYS),
)
_ITEM = re.compile(r"(\*|[a-z]+|\d{1,3})(?:-([a-z]+|\d{1,3}))?(?:/(\d{1,3}))?", re.ASCII)


def schedule_error(line: str) -> str | None:
    """Return what is wrong with a schedule, in words, or None."""
    words = line.lower().split()
    if len(words) == 1 and words[0].startswith("@"):
        if words[0] in NICKNAMES:
            return None
        return f"unknown schedule {words[0][:40]!r}; there are {', '.join(NICKNAMES)}"
    if len(words) != len(_FIELDS):
        return f"a schedule has five fields, this has {len(words)}"
    for word, field in zip(words, _FIELDS, strict=True):
        for item in word.split(","):
            wrong = _item_error(item, *field)
            if wrong is not None:
                return f"{field[0]}: {wrong}"
    return None


def _item_error(item: str, name: str, least: int, most: int, names: list[str]) -> str | None:
    match = _ITEM.fullmatch(item)
    if match is None:
        return f"cannot read {item[:40]!r}"
    first, last, step = match.groups()
    if step is not None and int(step) == 0:
        return "a step of 0"
    if first == "*":
        return None if last is None else f"cannot read {item[:40]!r}"
    numbers = []
    for word in (first, last):
        if word is None:
            continue
        if word[:3] in names:
            number = names.index(word[:3]) + least
            if word is last and number == 0:
                number = 7  # a range may end with Sunday
        elif word.isdigit():
            number = int(word)
        else:
            return f"cannot read {word[:40]!r}"
        if not least <= number <= most:
            return f"{number} is not within {least}-{most}"
        numbers.append(number)
    if len(numbers) == 2 and numbers[0] > numbers[1]:
        return f"the range {item[:40]!r} runs backwards"
    return None
