"""The slots of schedules, against truths worked out by hand, a slow reading of the rule, cronsim.

The rule is that of Debian's cron (cron(8), "local time changes"). A line whose minute and hour both
do not begin with `*` names times of the day. Of those, the ones that the clock leaves out are due
at once after the change, and those that it shows twice are due the first time. Any other line is
due at each minute at which the clock shows what it says.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from ork.errors import InvalidInput
from ork.schedule import times
from ork.schedule.cron import read
from ork.schedule.schedule import Schedule
from ork.schedule.times import count, newest, slots, zone
from tests.scale import examples

MINUTE = timedelta(minutes=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def texts(schedule: Schedule, after: str, number: int) -> list[str]:
    found = islice(slots(schedule, at(after)), number)
    return [f"{slot:%Y-%m-%d %H:%M}" for slot in found]


# line, zone, after (UTC), the next slots (UTC): a date that is left out is that of the one before
TRUTHS = [
    # Berlin, 2026-03-29: at 01:00 UTC it is 03:00 after 02:00, so 02:30 comes at 03:00.
    ("30 2 * * *", "Europe/Berlin", "2026-03-28", "03-28 01:30, 03-29 01:00, 03-30 00:30"),
    ("0,30 2 * * *", "Europe/Berlin", "2026-03-28 12:00", "03-29 01:00, 03-30 00:00, 00:30"),
    ("30 2,3 * * *", "Europe/Berlin", "2026-03-28 12:00", "03-29 01:00, 01:30, 03-30 00:30"),
    ("0 3 * * *", "Europe/Berlin", "2026-03-28 12:00", "03-29 01:00, 03-30 01:00"),
    ("30 * * * *", "Europe/Berlin", "2026-03-29 00:00", "03-29 00:30, 01:30, 02:30"),
    ("*/30 2 * * *", "Europe/Berlin", "2026-03-28 12:00", "03-30 00:00, 00:30"),
    # Berlin, 2026-10-25: at 01:00 UTC it is 02:00 again after 03:00.
    ("30 2 * * *", "Europe/Berlin", "2026-10-24", "10-24 00:30, 10-25 00:30, 10-26 01:30"),
    ("0 3 * * *", "Europe/Berlin", "2026-10-24 12:00", "10-25 02:00, 10-26 02:00"),
    ("30 * * * *", "Europe/Berlin", "2026-10-25 00:00", "10-25 00:30, 01:30, 02:30"),
    ("*/30 2 * * *", "Europe/Berlin", "2026-10-24 12:00", "10-25 00:00, 00:30, 01:00, 01:30"),
    # Asked in the second of the two hours: all of it has been.
    ("30 2 * * *", "Europe/Berlin", "2026-10-25 00:40", "10-26 01:30"),
    ("30 2 * * *", "Europe/Berlin", "2026-10-25 01:00", "10-26 01:30"),
    ("30 2 * * *", "Europe/Berlin", "2026-10-25 01:10", "10-26 01:30"),
    ("30 2 * * *", "Europe/Berlin", "2026-10-25 01:30", "10-26 01:30"),
    # Cairo, 2026-04-24: 01:00 after 24:00, there is no midnight.
    ("@daily", "Africa/Cairo", "2026-04-22", "04-22 22:00, 04-23 22:00, 04-24 21:00"),
    ("30 0 * * *", "Africa/Cairo", "2026-04-23", "04-23 22:00, 04-24 21:30"),
    # Santiago, 2026-09-06: no midnight either; 2026-04-05: 23:00 again after 24:00.
    ("0 0 * * *", "America/Santiago", "2026-09-05", "09-05 04:00, 09-06 04:00, 09-07 03:00"),
    ("30 23 * * *", "America/Santiago", "2026-04-04", "04-04 02:30, 04-05 02:30, 04-06 03:30"),
    ("0 0 * * *", "America/Santiago", "2026-04-04", "04-04 03:00, 04-05 04:00, 04-06 04:00"),
    # Lord Howe, 2026-10-04: at 15:30 UTC it is 02:30 after 02:00, half an hour less.
    ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03", "10-03 15:30, 10-04 15:15"),
    ("0,15,30 2 * * *", "Australia/Lord_Howe", "2026-10-03 00:00", "10-03 15:30, 10-04 15:00"),
    ("30 * * * *", "Australia/Lord_Howe", "2026-10-03 14:30", "10-03 15:00, 15:30, 16:30"),
    ("*/15 2 * * *", "Australia/Lord_Howe", "2026-10-03", "10-03 15:30, 15:45, 10-04 15:00"),
    # Lord Howe, 2026-04-05: at 15:00 UTC it is 01:30 again after 02:00.
    ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04", "04-04 14:45, 04-05 15:15"),
    ("0 2 * * *", "Australia/Lord_Howe", "2026-04-04", "04-04 15:30, 04-05 15:30"),
    ("30 * * * *", "Australia/Lord_Howe", "2026-04-04 14:00", "04-04 14:30, 15:00, 16:00"),
    ("*/15 2 * * *", "Australia/Lord_Howe", "2026-04-04", "04-04 15:30, 15:45, 16:00, 16:15"),
    # Troll, 2026-03-29: 03:00 after 01:00, two hours less.
    ("30 1,2 * * *", "Antarctica/Troll", "2026-03-28 12:00", "03-29 01:00, 03-29 23:30"),
    # Casablanca, Ramadan of 2026: an hour back on 02-15, forward again on 03-22.
    ("30 2 * * *", "Africa/Casablanca", "2026-02-14 12:00", "02-15 01:30, 02-16 02:30"),
    (
        "30 2 * * *",
        "Africa/Casablanca",
        "2026-03-20 12:00",
        "03-21 02:30, 03-22 02:00, 03-23 01:30",
    ),
    # Apia left out 2011-12-30 when it changed sides: what was due then came when the 31st began.
    ("0 5 * * *", "Pacific/Apia", "2011-12-29", "12-29 15:00, 12-30 10:00, 12-30 15:00"),
    # Zones that are not whole hours from UTC
    ("0 2 * * *", "Asia/Kolkata", "2026-06-01", "06-01 20:30, 06-02 20:30"),
    ("*/15 9 * * *", "Asia/Kathmandu", "2026-06-01", "06-01 03:15, 03:30, 03:45, 04:00"),
    ("0 * * * *", "Asia/Kathmandu", "2026-06-01", "06-01 00:15, 01:15"),
    # Ends of months and years, leap days
    ("0 0 31 * *", "UTC", "2026-01-31", "2026-03-31 00:00, 05-31 00:00, 07-31 00:00, 08-31 00:00"),
    ("0 0 30 2,4 *", "UTC", "2026-01-01", "2026-04-30 00:00, 2027-04-30 00:00"),
    ("0 0 29 2 *", "UTC", "2026-01-01", "2028-02-29 00:00, 2032-02-29 00:00"),
    ("0 0 29 2 *", "UTC", "2093-01-01", "2096-02-29 00:00, 2104-02-29 00:00"),
    ("0 0 29 2 */7", "UTC", "2026-01-01", "2032-02-29 00:00, 2060-02-29 00:00"),
    ("59 23 31 12 *", "UTC", "2026-01-01", "2026-12-31 23:59, 2027-12-31 23:59"),
    ("@yearly", "Pacific/Kiritimati", "2026-06-01", "2026-12-31 10:00, 2027-12-31 10:00"),
    ("@yearly", "Pacific/Auckland", "2026-06-01", "2026-12-31 11:00, 2027-12-31 11:00"),
    # Days: one of two is enough, but both are asked where one begins with `*`.
    (
        "0 0 13 * fri",
        "UTC",
        "2026-11-12",
        "2026-11-13 00:00, 11-20 00:00, 11-27 00:00, 12-04 00:00",
    ),
    ("0 0 13 * fri", "UTC", "2026-12-11", "2026-12-13 00:00, 12-18 00:00"),
    ("0 0 */2 * mon", "UTC", "2026-11-01", "2026-11-09 00:00, 11-23 00:00, 12-07 00:00"),
    ("@weekly", "UTC", "2026-11-27", "2026-11-29 00:00, 12-06 00:00"),
    ("@monthly", "UTC", "2026-11-27", "2026-12-01 00:00, 2027-01-01 00:00"),
    ("0 9 * * fri-sun", "UTC", "2026-11-27 10:00", "2026-11-28 09:00, 11-29 09:00, 12-04 09:00"),
    ("5/20 8-9 * * *", "UTC", "2026-11-27", "2026-11-27 08:05, 08:25, 08:45, 09:05"),
]


@pytest.mark.parametrize(("line", "name", "after", "expected"), TRUTHS)
def test_a_line_is_due_when_the_rule_says(line: str, name: str, after: str, expected: str) -> None:
    day, wanted = after, []
    for part in expected.split(", "):
        *given_day, clock = part.split(" ")
        if given_day:
            day = given_day[0] if len(given_day[0]) == 10 else f"{after[:4]}-{given_day[0]}"
        wanted.append(f"{day} {clock}")
    assert texts(Schedule(cron=line, timezone=name), after, len(wanted)) == wanted


def test_a_slot_is_later_than_the_moment_that_is_asked_from() -> None:
    hourly = Schedule(cron="0 * * * *")
    assert texts(hourly, "2026-01-01T01:00:00", 1) == ["2026-01-01 02:00"]
    assert texts(hourly, "2026-01-01T00:59:59.999999", 1) == ["2026-01-01 01:00"]
    assert texts(hourly, "2026-01-01T01:00:00.000001", 1) == ["2026-01-01 02:00"]
    elsewhere = at("2026-01-01T00:30").astimezone(ZoneInfo("Asia/Tokyo"))
    assert next(slots(hourly, elsewhere)) == at("2026-01-01T01:00")


def test_seconds_are_counted_from_1970() -> None:
    assert texts(Schedule(every_s=900), "2026-01-01T00:00:01", 2) == [
        "2026-01-01 00:15",
        "2026-01-01 00:30",
    ]
    week = Schedule(every_s=7 * 86_400)
    assert texts(week, "1970-01-01", 1) == ["1970-01-08 00:00"]
    assert next(slots(Schedule(every_s=7), at("2026-01-01"))).timestamp() % 7 == 0


def test_a_slot_of_two_schedules_comes_once() -> None:
    nightly = Schedule(cron="0 2 * * *", timezone="Europe/Berlin")
    both = Schedule(cron="0 1,13 * * *", also=(nightly, Schedule(every_s=86_400)))
    assert texts(both, "2026-01-01T00:30", 3) == [
        "2026-01-01 01:00",
        "2026-01-01 13:00",
        "2026-01-02 00:00",
    ]
    after, until = at("2026-01-01"), at("2026-01-11")
    assert count(both, after, until) == len(list(take(both, after, until))) == 30
    assert newest(both, after, until) == until


# -- against others


def take(schedule: Schedule, after: datetime, until: datetime) -> Iterator[datetime]:
    for slot in slots(schedule, after):
        if slot > until:
            return
        yield slot


def slowly(line: str, name: str, after: datetime, until: datetime) -> list[datetime]:
    """Read the rule minute by minute."""
    meant, there = read(line), ZoneInfo(name)

    def is_due(shown: datetime) -> bool:
        return shown.hour * 60 + shown.minute in meant.minutes and meant.is_on(shown)

    found = set()
    if not meant.at_times:
        moment = after + MINUTE
        while moment <= until:
            if is_due(moment.astimezone(there)):
                found.add(moment)
            moment += MINUTE
        return sorted(found)
    shown = (after - timedelta(days=2)).replace(tzinfo=None)
    while shown <= (until + timedelta(days=2)).replace(tzinfo=None):
        if is_due(shown):
            moment = shown.replace(tzinfo=there).astimezone(UTC)
            missing = shown
            while moment.astimezone(there).replace(tzinfo=None) != missing:  # not on the clock
                missing += MINUTE
                moment = missing.replace(tzinfo=there).astimezone(UTC)
            found.add(moment)
        shown += MINUTE
    return sorted(slot for slot in found if after < slot <= until)


CHANGES = [
    ("Europe/Berlin", "2026-03-29"),
    ("Europe/Berlin", "2026-10-25"),
    ("America/New_York", "2026-11-01"),
    ("America/St_Johns", "2006-10-29"),  # at 00:01, back to the day before
    ("America/St_Johns", "2007-03-11"),
    ("America/Santiago", "2026-04-05"),
    ("America/Nuuk", "2026-03-29"),
    ("Africa/Cairo", "2026-04-24"),
    ("Africa/Casablanca", "2026-02-15"),
    ("Antarctica/Troll", "2026-10-25"),
    ("Asia/Pyongyang", "2018-05-05"),  # half an hour, for good
    ("Australia/Lord_Howe", "2026-04-04"),
    ("Australia/Lord_Howe", "2026-10-03"),
    ("Pacific/Apia", "2011-12-30"),
    ("Pacific/Chatham", "2026-04-04"),
    ("UTC", "2026-03-29"),
]


def fields() -> st.SearchStrategy[str]:
    def field(least: int, most: int) -> st.SearchStrategy[str]:
        number = st.integers(least, most)
        return st.one_of(
            st.just("*"),
            number.map(str),
            st.integers(1, most - least).map("*/{}".format),
            st.lists(number, min_size=2, max_size=4).map(lambda n: ",".join(map(str, n))),
            st.tuples(number, number).map(lambda n: f"{min(n)}-{max(n)}"),
        )

    # Most clocks are changed in the first hours of a day.
    hours = st.one_of(field(0, 3), field(0, 23), st.just("23"))
    days = st.one_of(st.just("*"), st.just("*"), field(1, 28))
    week = st.one_of(st.just("*"), st.just("*"), field(0, 7))
    return st.tuples(field(0, 59), hours, days, st.just("*"), week).map(" ".join)


@pytest.mark.slow
@settings(max_examples=examples(150))
@given(line=fields(), change=st.sampled_from(CHANGES), minutes=st.integers(-1700, 200))
def test_a_slow_reading_of_the_rule_agrees(
    line: str, change: tuple[str, str], minutes: int
) -> None:
    name, day = change
    after = at(day) + minutes * MINUTE
    until = after + timedelta(days=1, hours=7)
    schedule = Schedule(cron=line, timezone=name)
    found = list(take(schedule, after, until))
    assert found == slowly(line, name, after, until)
    assert found == sorted(set(found))
    assert count(schedule, after, until) == len(found)
    assert newest(schedule, after, until) == (found[-1] if found else None)


# Where clocks are changed by half an hour, or by a day, cronsim loses minutes.
SIMPLE = [name for name, _ in CHANGES if name.split("/")[0] not in ("Australia", "Pacific")]


@settings(max_examples=examples(150))
@given(line=fields(), name=st.sampled_from(SIMPLE), days=st.integers(0, 730))
def test_cronsim_agrees(line: str, name: str, days: int) -> None:
    after = at("2025-01-01") + timedelta(days=days)
    # It begins after the second that it is given, and a clock that was put back began before.
    there = (after - timedelta(seconds=1)).astimezone(zone(name))
    theirs = (slot.astimezone(UTC) for slot in CronSim(line, there))
    ours = slots(Schedule(cron=line, timezone=name), after)
    expected = [slot for slot in islice(theirs, 40) if slot > after]
    assert list(islice(ours, len(expected))) == expected


# -- long gaps


@pytest.mark.slow
def test_ten_years_are_counted_in_no_time() -> None:
    after, until = at("2016-11-27"), at("2026-11-27")
    days = (until - after).days
    for schedule, expected in (
        (Schedule(every_s=1), days * 86_400),
        (Schedule(cron="* * * * *"), days * 1440),
        (Schedule(cron="*/5 * * * *", timezone="Europe/Berlin"), days * 288),
        # Each year has an hour that the clock leaves out; those that come twice are due once.
        (Schedule(cron="30 2,3 * * *", timezone="Europe/Berlin"), days * 2),
        (Schedule(cron="*/5 2 * * *", timezone="Europe/Berlin"), days * 12),
    ):
        assert count(schedule, after, until) == expected
        assert newest(schedule, after, until) is not None


def test_a_gap_of_many_slots_of_several_schedules_is_counted_by_parts() -> None:
    both = Schedule(every_s=1, also=(Schedule(cron="* * * * *"),))
    after = at("2026-01-01")
    assert count(both, after, after + timedelta(days=1)) == 86_400
    assert count(both, after, after + timedelta(days=365)) == 365 * (86_400 + 1440)


# -- zones


@pytest.mark.parametrize("name", ["Nowhere/Else", "", "/etc/passwd", "../UTC", "posix/UTC", "a\0b"])
def test_a_zone_that_is_unknown_is_an_error(name: str) -> None:
    with pytest.raises(InvalidInput, match="no time zone named"):
        next(slots(Schedule(cron="@daily", timezone=name), at("2026-01-01")))


def test_a_machine_without_data_of_zones_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import zoneinfo

    monkeypatch.setitem(sys.modules, "tzdata", None)
    zoneinfo.reset_tzpath([])
    zoneinfo.ZoneInfo.clear_cache()
    times.zone.cache_clear()
    try:
        with pytest.raises(InvalidInput) as caught:
            zone("Europe/Berlin")
        assert zone("UTC") is UTC
    finally:
        zoneinfo.reset_tzpath()
        times.zone.cache_clear()
    assert caught.value.hint == "this machine has no data of time zones: install `tzdata`"


def test_a_line_that_was_kept_and_is_none_is_an_error() -> None:
    with pytest.raises(InvalidInput, match="the schedule '0 2 \\* \\* sunL': day of week"):
        next(slots(Schedule(cron="0 2 * * sunL"), at("2026-01-01")))
