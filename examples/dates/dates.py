"""Arithmetic with days and moments: they arrive as objects, no text is parsed here."""

from datetime import date, datetime, timedelta


def follow_up(day: date, doors: datetime, call: datetime, logged: datetime) -> dict[str, object]:
    return {
        "day": day + timedelta(days=1),
        "doors": doors + timedelta(days=1, hours=1),
        "call": call + timedelta(days=1),
        "logged": logged + timedelta(days=1, minutes=30),
    }


def describe(day: date, doors: datetime, call: datetime, logged: datetime) -> dict[str, object]:
    if (doors.tzinfo, doors.date()) != (None, day):
        raise ValueError(f"the doors should open on {day}, by the clock on the wall")
    return {
        "weekday": f"{day:%A}",
        "apart_s": (logged - call).total_seconds(),
    }
