"""Ten years of twenty schedules by a simulated clock: each slot is fired, or left out, once.

The machine is switched off, is suspended, and its clock is set forward and back, up to a few hours.
Each step is compared with what holds for any decision, and at the end with all slots that were due.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

import pytest

from ork.objects.value import replace
from ork.schedule.policy import IN_TIME, Going, decide
from ork.schedule.schedule import Schedule
from ork.schedule.times import slots
from tests.scale import size
from tests.schedule.truth import check

BEGIN = datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)
DAYS = size(3650, by_day=100)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)

TIMES: list[dict[str, Any]] = [
    {"cron": "0 2 * * *", "timezone": "Europe/Berlin"},
    {"cron": "30 2 * * *", "timezone": "America/New_York"},
    {"cron": "15 */6 * * *", "timezone": "Australia/Lord_Howe"},
    {"cron": "0 9,17 * * mon-fri", "timezone": "Asia/Kolkata"},
    {"cron": "0 0 * * *", "timezone": "Africa/Cairo"},
    {"cron": "0 6 1,15 * *", "also": (Schedule(cron="0 6 * * sun"),)},
    {"every_s": 5 * 3600},
    {"cron": "59 23 31 12 *", "timezone": "Pacific/Auckland"},
]
POLICIES = [
    (catchup, overlap)
    for catchup in ("latest", "none", "all")
    for overlap in ("skip", "queue", "allow")
    if (catchup, overlap) != ("none", "queue")
]
SCHEDULES = [
    Schedule(**TIMES[number % len(TIMES)], catchup=catchup, overlap=overlap)  # type: ignore[arg-type]
    for number, (catchup, overlap) in enumerate((POLICIES * 3)[:20])
]


class Machine:
    """A machine with a clock of its own, in the course of years."""

    def __init__(self, dice: random.Random) -> None:
        self.off: list[tuple[datetime, datetime]] = []  # nobody decides from one to the other
        self.set: list[tuple[datetime, timedelta]] = [(BEGIN, timedelta(0))]
        moment = BEGIN
        while moment < BEGIN + DAYS * DAY:
            moment += dice.randrange(1, 60) * DAY + dice.randrange(86_400) * SECOND
            back = moment + dice.choice((40 * SECOND, HOUR, 9 * HOUR, 2 * DAY, 30 * DAY))
            if dice.random() < 0.7:
                self.off.append((moment, back))
            else:
                wrong = dice.choice((-5 * HOUR, -90 * SECOND, 90 * SECOND, 5 * HOUR))
                self.set += [(moment, wrong), (back, timedelta(0))]
            moment = back
        self.changes = [moment for moment, _ in self.set]

    def clock(self, moment: datetime) -> datetime:
        """Return what its clock shows at a moment."""
        return moment + self.set[bisect_right(self.changes, moment) - 1][1]

    def on_again(self, moment: datetime) -> datetime:
        """Return the moment itself, or when it is on again."""
        for begin, end in self.off:
            if begin <= moment < end:
                return end
        return moment

    def next_change(self, moment: datetime) -> datetime:
        """Return when the clock is set the next time."""
        number = bisect_right(self.changes, moment)
        return self.changes[number] if number < len(self.changes) else moment + 3650 * DAY


def lived(schedule: Schedule, dice: random.Random) -> Iterator[tuple[datetime, int, str]]:
    """Live through the years; yield up to which slot was decided, how many, and how."""
    machine, end = Machine(dice), BEGIN + DAYS * DAY
    now, last, going, ends = BEGIN, BEGIN, None, None
    number = 0
    while (now := machine.on_again(now)) < end:
        if going and ends and ends <= now:
            going, ends = replace(going, ended=machine.clock(ends)), None
        clock = machine.clock(now)
        found = decide(schedule, last=last, now=clock, going=going)
        check(schedule, found, last=last, now=clock, going=going)
        for skip in found.skips:
            yield skip.last, skip.count, skip.reason
        if found.fire:
            number += 1
            yield found.fire, 1, "fired"
            length = dice.choice((SECOND, 60 * SECOND, HOUR, 7 * HOUR, 30 * HOUR))
            created = clock + SECOND
            makes_up = created - found.fire > IN_TIME
            going = Going(name=f"etl#{number}", created=created, makes_up=makes_up)
            ends = now + length + SECOND
        if found.decided is None:
            # It sleeps until the next slot or the end of the run; a clock that is set wakes it.
            wakes = (now + (found.wake - clock), machine.next_change(now), ends or end)
            now = max(min(wakes), now + SECOND)
        last = found.decided or last
    # Nobody is left to decide what came after the last decision.
    yield last, 0, "end"


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(SCHEDULES)))
def test_each_slot_of_years_is_fired_or_left_out_once(number: int) -> None:
    schedule = SCHEDULES[number]
    steps = list(lived(schedule, random.Random(number)))
    end = steps[-1][0]
    due = list(takewhile(lambda slot: slot <= end, slots(schedule, BEGIN)))
    assert sum(count for _, count, _ in steps) == len(due)
    fired = [slot for slot, _, how in steps if how == "fired"]
    assert fired == sorted(set(fired)), "a slot is fired twice, or after a later one"
    assert set(fired) <= set(due)
    if schedule.catchup == "all" and schedule.overlap != "skip":
        assert fired == due
