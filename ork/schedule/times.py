"""The slots of a schedule: the moments at which it is due."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from ork.schedule.schedule import Schedule


def slots(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    """Yield the slots later than a moment, in UTC, each later than the one before; for ever."""
    if schedule.every_s is not None:
        number = int(after.timestamp() // schedule.every_s) + 1
        while True:
            yield datetime.fromtimestamp(number * schedule.every_s, UTC)
            number += 1
    from cronsim import CronSim  # which takes its time, and few commands need it

    assert schedule.cron is not None
    begin = after.astimezone(ZoneInfo(schedule.timezone)) - timedelta(seconds=1)
    for slot in CronSim(schedule.cron, begin):
        moment = slot.astimezone(UTC)
        if moment > after:
            yield moment
