"""Dates are shown and read by the rules of the day that is meant, whatever today is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ork.cli.screen import human, parts
from ork.store.revision import parse_moment
from ork.zone import LOCAL
from tests.conftest import START, Ork

MOMENTS = st.datetimes(datetime(1971, 1, 1), datetime(2037, 1, 1))


@pytest.fixture
def set_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Let `TZ` be this."""

    def set_it(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield set_it
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def zone(set_zone: Callable[[str], None]) -> Callable[[str], ZoneInfo]:
    """Let this machine be in a zone."""

    def live_in(name: str) -> ZoneInfo:
        set_zone(name)
        return ZoneInfo(name)

    return live_in


@pytest.mark.parametrize(
    "name", ["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "UTC"]
)
def test_here_is_what_the_zone_database_says(zone, name: str) -> None:
    there = zone(name)

    @given(moment=MOMENTS, fold=st.integers(0, 1))
    @settings(max_examples=50, suppress_health_check=[HealthCheck.nested_given])
    def as_the_database(moment: datetime, fold: int) -> None:
        instant = moment.replace(tzinfo=UTC)
        here, expected = instant.astimezone(LOCAL), instant.astimezone(there)
        assert (here.isoformat(), here.fold) == (expected.isoformat(), expected.fold)
        assert here.astimezone(UTC) == instant
        typed = moment.replace(tzinfo=LOCAL, fold=fold)
        same = moment.replace(tzinfo=there, fold=fold)
        assert typed.astimezone(UTC) == same.astimezone(UTC)

    as_the_database()


def test_what_no_zone_can_be_counts_as_utc(ork: Ork, set_zone: Callable[[str], None]) -> None:
    set_zone("UTC+25")
    ork.write("w.yaml", "name: w\ntasks: {a: {executor: process, command: 'true'}}\n")
    done = ork("run", "w.yaml")
    assert (done.code, "2026-11-01 12:00" in done.err) == (0, True)
    assert "2026-11-01 12:00" in ork("runs").out


def test_the_hour_that_comes_twice(zone) -> None:
    zone("Europe/Berlin")
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    shown = [(first + timedelta(hours=late)).astimezone(LOCAL).isoformat() for late in (0, 1)]
    assert shown == ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"]


def test_the_ends_of_the_calendar_are_times_too(zone) -> None:
    zone("Europe/Berlin")
    for moment in (datetime.min, datetime.max):
        assert moment.replace(tzinfo=UTC).astimezone(LOCAL)


def test_a_time_is_read_by_the_clocks_of_its_day(zone) -> None:
    zone("Europe/Berlin")
    now = datetime(2026, 11, 1, 12, tzinfo=LOCAL)
    day, minute = parse_moment("2026-07-01", now), parse_moment("2026-07-01T12:30", now)
    assert day.isoformat() == "2026-07-01T00:00:00+02:00"
    assert minute.isoformat() == "2026-07-01T12:30:00+02:00"
    before = datetime(2026, 10, 25, 4, tzinfo=LOCAL)  # an hour after the clocks were set back
    assert parse_moment("2 hours ago", before).isoformat() == "2026-10-25T02:00:00+01:00"
    assert parse_moment("1 day ago", before).isoformat() == "2026-10-24T04:00:00+02:00"
    assert human.date(START - timedelta(days=100), now) == "2026-07-24 14:00:00 +0200"
    assert human.date(START, now) == "2026-11-01 13:00:00 +0100"


def test_a_slot_of_the_hour_that_comes_twice_says_which_one_it_is(zone) -> None:
    zone("Europe/Berlin")
    now, first = datetime(2026, 11, 1, 12, tzinfo=LOCAL), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    slots = [human.slot(first + timedelta(hours=hours), now) for hours in (-1, 0, 1, 2)]
    assert slots == [
        "2026-10-25 01:30",
        "2026-10-25 02:30 +0200",
        "2026-10-25 02:30 +0100",
        "2026-10-25 03:30",
    ]
    assert parts.given({"at": "2026-10-25T02:30:00+02:00"}) == '  at="2026-10-25T02:30:00+02:00"'


def test_commands_show_and_read_the_dates_of_summer_in_winter(
    ork: Ork, zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone("Europe/Berlin")
    ork.write("etl.yaml", "name: etl\ntasks: {a: {executor: process, command: 'true'}}\n")
    world = ork.world
    with monkeypatch.context() as july:
        july.setattr(ork, "world", lambda: in_july(world()))
        assert ork("run", "etl.yaml").code == 0
    for command in (("log", "--oneline"), ("show",), ("runs",), ("show", "etl#1"), ("ops",)):
        assert "2026-07-01 14:00:0" in ork(*command).out
    for since, found in (("13:59", True), ("14:01", False)):
        window = ("--since", f"2026-07-01 {since}", "--until", "2026-07-01 14:10")
        assert ("etl" in ork("log", "--oneline", *window).out) is found
        assert ("etl#1" in ork("runs", *window).out) is found
    assert ork("rev-parse", "etl@{2026-07-01T14:01}").code == 0
    assert ork("rev-parse", "etl@{2026-07-01T13:59}").code == 3


def in_july(world):
    """Return the world as it was 123 days before."""
    return world._replace(clock=lambda: world.clock() - timedelta(days=123))
