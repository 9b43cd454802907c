"""Values of parameters that a schedule takes from the slot that it fires: `slot`, `slot - 1d`.

They are for parameters of a type that has a date. A day, and a time without a zone, are those that
the clock of the schedule's zone shows. Whole days are counted on that clock, so that a day before
02:00 is 02:00, also where clocks are changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from ork.objects.canonical import Json
from ork.objects.value import replace
from ork.schedule.durations import duration_text, seconds_of
from ork.schedule.schedule import DURATION_MAX_S, Schedule
from ork.schedule.times import slots, zone

TYPES = ("date", "datetime_notz", "datetime_tz", "datetime_utc")
FORM = "`slot` is the moment for which a run is started, `slot - 1d` the day before"

_SLOT = re.compile(r"slot(?:\s*([+-])\s*(\S+))?")
_DAY_S = 86_400


def is_of_slot(value: Json) -> bool:
    """Say whether such a value stands for the slot."""
    return isinstance(value, str) and _shift_s(value) is not None


def written(value: str) -> str:
    """Return the one text for such a value."""
    shift = _shift_s(value)
    assert shift is not None
    if not shift:
        return "slot"
    return f"slot {'-' if shift < 0 else '+'} {duration_text(abs(shift))}"


def values_at(
    schedule: Schedule, slot: datetime, types: Mapping[str, Json | None]
) -> dict[str, Json]:
    """Return what a schedule gives to parameters of these types in the run for a slot."""
    return {
        name: _value(schedule, slot, str(value), str(types[name]))
        if is_of_slot(value) and types.get(name) in TYPES
        else value
        for name, value in schedule.params.items()
    }


def _value(schedule: Schedule, slot: datetime, text: str, kind: str) -> str:
    shift = _shift_s(text)
    assert shift is not None
    days = int(shift / _DAY_S)
    clock = slot.astimezone(zone(_zone_of(schedule, slot)))
    if days:  # a sum forgets which of the two it is, where an hour comes twice
        clock += timedelta(days=days)
    moment = clock.astimezone(UTC) + timedelta(seconds=shift - days * _DAY_S)
    there = moment.astimezone(clock.tzinfo)
    if kind == "date":
        return there.date().isoformat()
    if kind == "datetime_notz":
        return there.replace(tzinfo=None).isoformat()
    return (moment if kind == "datetime_utc" else there).isoformat()


def _zone_of(schedule: Schedule, slot: datetime) -> str:
    """Return by whose clock a slot is due; for any other moment, that of the first schedule."""
    before = slot - timedelta(seconds=1)
    for part in schedule.parts:
        if next(slots(replace(part, also=()), before)) == slot:
            return part.timezone
    return schedule.timezone


def _shift_s(text: str) -> float | None:
    """Return by how much such a text differs from the slot; None of any other text."""
    match = _SLOT.fullmatch(text.strip())
    if match is None:
        return None
    sign, length = match.groups()
    seconds = seconds_of(length) if sign else 0.0
    if seconds is None or seconds > DURATION_MAX_S:
        return None
    return -seconds if sign == "-" else seconds
