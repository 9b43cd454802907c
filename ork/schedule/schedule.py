"""The schedules of a workflow, as its settings have them.

A setting is a line of cron, or a mapping with more than that, or a list of these. Schedules with
the same parameters start the same runs, so they are one here: its slots are those of all of them.
When a schedule is due is told by `ork.schedule.times`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal, TypeAlias, get_args

from ork.errors import InvalidInput
from ork.objects.canonical import Json, encode, hash_bytes
from ork.objects.value import Value, replace
from ork.schedule import cron

Catchup: TypeAlias = Literal["latest", "none", "all"]
Overlap: TypeAlias = Literal["skip", "queue", "allow"]
CATCHUPS: tuple[str, ...] = get_args(Catchup)
OVERLAPS: tuple[str, ...] = get_args(Overlap)
KEYS = ("cron", "every", "timezone", "catchup", "overlap", "params", "retries", "retry_delay")

_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?", re.ASCII)
_UNITS = {"d": 86_400, "h": 3600, "m": 60}


class Schedule(Value, frozen=True, kw_only=True):
    """When a workflow is to run: by a line of `cron` in a time zone, or `every` so many seconds.

    `every_s` counts from 1970-01-01T00:00Z, so that every process counts alike. `catchup` says
    which of the slots are made up for that went by while nobody was there to fire; `overlap` what
    happens to a slot that comes while a run of this schedule goes on. A run that fails is retried
    up to `retries` times, `retry_delay_s` after its end. `also` has further times at which the same
    runs are due: of those, only `cron`, `every_s` and `timezone` count.
    """

    cron: str | None = None
    every_s: int | None = None
    timezone: str = "UTC"
    catchup: Catchup = "latest"
    overlap: Overlap = "skip"
    params: Mapping[str, Json] = {}
    retries: int = 0
    retry_delay_s: float = 0.0
    also: tuple[Schedule, ...] = ()


def schedules_of(settings: Mapping[str, Json]) -> tuple[Schedule, ...]:
    """Return the schedules that the settings of a deploy have, no two with the same parameters.

    Raise InvalidInput where they make no sense: settings may be older than the check of today, or
    written by somebody else.
    """
    found = settings.get("schedule")
    each = found if isinstance(found, list) else [] if found is None else [found]
    grouped: dict[str, list[Schedule]] = {}
    for one in each:
        schedule = _stored(one)
        grouped.setdefault(key_of(schedule), []).append(schedule)
    return tuple(replace(first, also=tuple(rest)) for first, *rest in grouped.values())


def key_of(schedule: Schedule) -> str:
    """Return the 16 hex digits that stand for its parameters."""
    return hash_bytes(encode(dict(schedule.params)))[:16]


def slot_name(schedule: Schedule, slot: datetime) -> str:
    """Return a slot as a part of the name of a ref, such as `20261127T020000Z`."""
    moment = f"{slot.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    return f"{moment}.{key_of(schedule)}" if schedule.params else moment


def setting_of(schedules: Sequence[Schedule]) -> Json:
    """Return how schedules are kept: one that has only a line of cron as that, several as a list.

    A mapping has the keys alone that differ from what they are when they are left out.
    """
    found = [_setting(schedule) for schedule in schedules]
    return found[0] if len(found) == 1 else found


def _setting(schedule: Schedule) -> Json:
    found: dict[str, Json] = {}
    if schedule.cron is not None:
        found["cron"] = schedule.cron
    if schedule.every_s is not None:
        found["every"] = duration_text(schedule.every_s)
    usual = Schedule()
    for key in ("timezone", "catchup", "overlap", "retries"):
        if (value := getattr(schedule, key)) != getattr(usual, key):
            found[key] = value
    if schedule.params:
        found["params"] = dict(schedule.params)
    if schedule.retry_delay_s:
        found["retry_delay"] = duration_text(schedule.retry_delay_s)
    return schedule.cron if found.keys() == {"cron"} else found


def duration_text(seconds: float) -> str:
    """Return a duration as a workflow file writes it, such as `1h30m`."""
    rest, parts = seconds, []
    for unit, length in _UNITS.items():
        count, rest = divmod(rest, length)
        parts += [f"{count:.0f}{unit}"] if count else []
    return "".join([*parts, f"{round(rest, 6):g}s"] if rest or not parts else parts)


def seconds_of(text: str) -> float:
    """Return the seconds of a duration such as `1h30m`; raise ValueError of any other text."""
    match = _DURATION.fullmatch(text) if text else None
    if match is None:
        raise ValueError(f"{text!r} is no duration")
    parts = zip(match.groups("0"), (*_UNITS.values(), 1), strict=True)
    return sum(float(count) * length for count, length in parts)


def _stored(found: Json) -> Schedule:
    """Return a schedule as it is kept, checked."""
    try:
        return _read(found)
    except (ValueError, TypeError) as error:
        shown = repr(found) if len(repr(found)) <= 80 else repr(found)[:77] + "..."
        hint = "write a right `schedule:` into the workflow file, and `ork deploy` it"
        raise InvalidInput(f"the schedule {shown} cannot be read: {error}", hint=hint) from None


def _read(found: Json) -> Schedule:
    given = {"cron": found} if isinstance(found, str) else found
    if not isinstance(given, dict) or given.keys() - set(KEYS):
        raise ValueError("it is of a form that this ork does not know")
    line, every = given.get("cron"), given.get("every")
    if (line is None) == (every is None):
        raise ValueError("it has neither or both of `cron` and `every`")
    if line is not None:
        cron.read(_text(line))
    every_s = None if every is None else seconds_of(_text(every))
    if every_s is not None and (every_s < 1 or every_s != int(every_s)):
        raise ValueError("`every` is not a whole number of seconds")
    retries, params = given.get("retries", 0), given.get("params", {})
    if type(retries) is not int or retries < 0 or not isinstance(params, dict):
        raise ValueError("`retries` is no number, or `params` no mapping")
    return Schedule(
        cron=None if line is None else _text(line),
        every_s=None if every_s is None else int(every_s),
        timezone=_text(given.get("timezone", "UTC")),
        catchup=_one_of(given.get("catchup", "latest"), CATCHUPS),  # type: ignore[arg-type]
        overlap=_one_of(given.get("overlap", "skip"), OVERLAPS),  # type: ignore[arg-type]
        params=params,
        retries=retries,
        retry_delay_s=seconds_of(_text(given.get("retry_delay", "0s"))),
    )


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value


def _one_of(value: Json, words: Sequence[str]) -> str:
    if value not in words:
        raise ValueError(f"{value!r} is none of {', '.join(words)}")
    return str(value)
