"""What parameters get of the slot for which a run is started."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ork.objects.canonical import Json
from ork.schedule.schedule import Schedule
from ork.schedule.slot_values import is_of_slot, values_at, written

BERLIN = Schedule(cron="30 1 * * *", timezone="Europe/Berlin")
SLOT = datetime(2026, 11, 1, 0, 30, tzinfo=UTC)  # 01:30 in Berlin


def value(text: str, kind: Json, schedule: Schedule = BERLIN, slot: datetime = SLOT) -> Json:
    given = Schedule(cron=schedule.cron, timezone=schedule.timezone, params={"day": text})
    return values_at(given, slot, {"day": kind})["day"]


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("slot", "date", "2026-11-01"),
        ("slot", "datetime_notz", "2026-11-01T01:30:00"),
        ("slot", "datetime_tz", "2026-11-01T01:30:00+01:00"),
        ("slot", "datetime_utc", "2026-11-01T00:30:00+00:00"),
        ("slot - 1d", "date", "2026-10-31"),
        ("slot - 2h", "date", "2026-10-31"),
        ("slot + 1d12h", "datetime_utc", "2026-11-02T12:30:00+00:00"),
        ("slot - 90m", "datetime_notz", "2026-11-01T00:00:00"),
    ],
)
def test_a_value_has_the_form_of_its_type(text: str, kind: str, expected: str) -> None:
    assert value(text, kind) == expected


def test_a_day_is_one_of_the_zone_s_calendar_and_its_clock_stays() -> None:
    """On 2026-10-25 the clocks of Berlin go back: that day has 25 hours."""
    slot = datetime(2026, 10, 26, 0, 30, tzinfo=UTC)
    assert value("slot - 1d", "datetime_tz", slot=slot) == "2026-10-25T01:30:00+02:00"
    assert value("slot - 24h", "datetime_tz", slot=slot) == "2026-10-25T01:30:00+02:00"
    assert value("slot - 23h", "datetime_tz", slot=slot) == "2026-10-25T02:30:00+01:00"


def test_an_hour_that_comes_twice_is_two_slots_of_different_values() -> None:
    for hour, there in ((0, "2026-10-25T02:00:00+02:00"), (1, "2026-10-25T02:00:00+01:00")):
        slot = datetime(2026, 10, 25, hour, tzinfo=UTC)
        assert value("slot", "datetime_tz", slot=slot) == there
        assert value("slot", "datetime_utc", slot=slot) == slot.isoformat()
        assert value("slot - 1d", "datetime_tz", slot=slot) == "2026-10-24T02:00:00+02:00"
        after = datetime(2026, 10, 25, hour + 1, tzinfo=UTC)
        assert value("slot - 1h", "datetime_utc", slot=after) == slot.isoformat()


def test_schedules_that_are_one_each_have_their_own_clock() -> None:
    tokyo = Schedule(cron="0 8 * * *", timezone="Asia/Tokyo", params={"day": "slot"})
    both = Schedule(cron="30 1 * * *", params={"day": "slot"}, also=(tokyo,))
    there, here = datetime(2026, 10, 31, 23, tzinfo=UTC), datetime(2026, 11, 1, 1, 30, tzinfo=UTC)
    assert values_at(both, there, {"day": "date"}) == {"day": "2026-11-01"}  # 8 o'clock in Tokyo
    assert values_at(both, here, {"day": "datetime_notz"}) == {"day": "2026-11-01T01:30:00"}
    by_hand = datetime(2026, 10, 31, 23, 5, tzinfo=UTC)
    assert values_at(both, by_hand, {"day": "date"}) == {"day": "2026-10-31"}


def test_other_values_are_as_they_are_given() -> None:
    given: dict[str, Json] = {"a": "slots", "b": 1, "c": "slot - x", "d": None, "e": "slot - 9999d"}
    assert not any(map(is_of_slot, given.values()))
    assert values_at(Schedule(cron="@daily", params=given), SLOT, dict.fromkeys(given)) == given
    # A deploy by another ork may give the word to what is no date.
    assert value("slot", "str") == value("slot", None) == "slot"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (" slot ", "slot"),
        ("slot-1d", "slot - 1d"),
        ("slot  -  24h", "slot - 1d"),
        ("slot +90s", "slot + 1m30s"),
        ("slot - 0s", "slot"),
    ],
)
def test_it_is_kept_in_one_form(text: str, kept: str) -> None:
    assert written(text) == kept
