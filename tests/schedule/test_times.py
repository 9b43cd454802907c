"""The slots of schedules"""

from datetime import UTC, datetime
from itertools import islice

from ork.schedule.schedule import Schedule
from ork.schedule.times import slots

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_slot_is_later_than_the_moment_that_is_asked_from():
    found = list(islice(slots(Schedule(cron="0 * * * *"), NEW_YEAR), 2))
    assert found == [NEW_YEAR.replace(hour=1), NEW_YEAR.replace(hour=2)]


def test_seconds_are_counted_from_1970():
    found = list(islice(slots(Schedule(every_s=900), NEW_YEAR), 2))
    assert found == [NEW_YEAR.replace(minute=15), NEW_YEAR.replace(minute=30)]
