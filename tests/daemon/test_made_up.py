"""Slots that were left out and have a run since are not told of any more, wherever it is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ork.daemon import fires, lines, queue
from tests.daemon.flow import FLOW, caller, fire
from tests.stores import NOON

HOUR = timedelta(hours=1)


@pytest.fixture
def hourly(project, keep):
    """A workflow that is due every hour, of which ten slots were left out before one was fired."""
    keep(FLOW.format(schedule='"0 * * * *"', command="true"))
    fire(project, NOON + 11 * HOUR)
    return project


def told(store, now, *, since=NOON):
    """Return what `skips`, `late` and `list` tell: of each entry the hours, and how many slots."""
    some = lines.lines_of(store, "etl")
    late = fires.late(store, some, now, grace=12 * HOUR, since=since)
    (listed,) = fires.listed(store, some, now)
    every = (lines.skipped(store, "etl"), late, listed.left_out)
    return [[(*_hours(one), one.count) for one in found] for found in every]


def _hours(one):
    return (one.first - NOON) // HOUR, (one.last - NOON) // HOUR


def make_up(store, now, **span):
    """Run all that is queued for the slots of a span."""
    fires.backfill(store, "etl", caller(now), **span)
    for one in queue.waiting(store):
        list(queue.take(store, one.id, caller(now)).events)


def test_what_has_a_run_is_not_left_out_any_more(hourly):
    now = NOON + 11.5 * HOUR
    assert told(hourly, now) == [[(1, 10, 10)]] * 3
    make_up(hourly, now, since=NOON + 4 * HOUR, until=NOON + 6 * HOUR)
    assert told(hourly, now) == [[(6, 10, 5), (1, 3, 3)]] * 3
    make_up(hourly, now, since=NOON + HOUR, until=NOON + 11 * HOUR)
    assert told(hourly, now) == [[]] * 3


def test_what_ran_before_it_was_left_out_has_a_run(project, keep):
    keep(FLOW.format(schedule='"0 * * * *"', command="true"))
    now = NOON + 3.5 * HOUR
    make_up(project, now, since=NOON + HOUR, until=NOON + 3 * HOUR)
    fire(project, now)
    assert told(project, now) == [[]] * 3


def test_of_slots_of_other_times_the_number_is_told(hourly, keep):
    make_up(hourly, NOON + 11.5 * HOUR, since=NOON + 4 * HOUR, until=NOON + 6 * HOUR)
    keep(FLOW.format(schedule='"30 12 * * *"', command="true"), hours=11.6)
    assert told(hourly, NOON + 11.7 * HOUR) == [[(1, 10, 8)]] * 3


def test_those_before_and_after_a_run_are_told_without_those_during_it(project, keep):
    keep(FLOW.format(schedule='"0 * * * *"', command="true"))
    (line,) = lines.lines_of(project, "etl")
    hours = [NOON + n * HOUR for n in range(8)]
    reason = "etl#1 went on"
    skips = [
        lines.Skip(count=2, first=hours[3], last=hours[4], reason=reason),
        lines.Skip(count=4, first=hours[1], last=hours[6], reason="ork was not up"),
    ]
    fires.leave_out(project, "etl", line.schedule, skips)
    now = NOON + 6.5 * HOUR
    make_up(project, now, since=hours[3], until=hours[4])
    assert told(project, now) == [[(1, 6, 4), (4, 4, 1)]] * 3
    make_up(project, now, since=hours[1], until=hours[2])
    assert told(project, now) == [[(5, 6, 2), (4, 4, 1), (2, 2, 1)]] * 3


def test_of_the_last_week_are_those_within_it(project, keep):
    keep(FLOW.format(schedule='"0 * * * *"', command="true"))
    fire(project, NOON + 500 * HOUR)
    (listed,) = fires.listed(project, lines.lines_of(project, "etl"), NOON + 500.5 * HOUR)
    assert [one.count for one in listed.left_out] == [167]
    assert sum(one.count for one in lines.skipped(project, "etl")) == 499


def test_a_store_may_say_any_time(project, keep):
    keep(FLOW.format(schedule='"0 * * * *"', command="true"))
    fire(project, NOON + HOUR)
    (line,), pin = lines.lines_of(project, "etl"), project.ref("numbers/etl/0000000001")
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC, microsecond=0)
    with project.transaction() as tx:
        skip = lines.Skip(count=10, first=first, last=last, reason="a test")
        lines.skip_in(tx, ("etl", line.schedule), [skip])
        tx.move("fires/etl/20261101T1210", old=None, new=pin)
        tx.move("fires/etl/yesterday", old=None, new=pin)
    for found in (lines.skipped(project, "etl"), fires.listed(project, [line], NOON)[0].left_out):
        assert [one.count for one in found] == [8]


def test_the_last_slot_is_the_newest_whatever_ran_after_it(hourly):
    now = NOON + 11.5 * HOUR
    make_up(hourly, now, since=NOON + 4 * HOUR, until=NOON + 5 * HOUR)
    (listed,) = fires.listed(hourly, lines.lines_of(hourly, "etl"), now)
    assert (listed.last.name, listed.last.slot) == ("etl#1", NOON + 11 * HOUR)
    assert next(fires.states(hourly, lines.lines_of(hourly, "etl"))).run.name == "etl#2"
