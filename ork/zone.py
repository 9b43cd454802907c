"""The zone of this machine, in which dates are read and shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo


class Local(tzinfo):
    """The zone of this machine. A day in July has summer time, also when it is winter now."""

    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        if moment is None:
            return None
        return here(moment.replace(tzinfo=None)).utcoffset()

    def dst(self, moment: datetime | None) -> timedelta | None:
        return None

    def tzname(self, moment: datetime | None) -> str | None:
        return None if moment is None else here(moment.replace(tzinfo=None)).tzname()

    def fromutc(self, moment: datetime) -> datetime:
        there = here(moment.replace(tzinfo=UTC))
        local = there.replace(tzinfo=self)
        # What the clocks show twice a year means the second time if it is not the first.
        same = local.utcoffset() == there.utcoffset()
        return local if same else local.replace(fold=1)


LOCAL = Local()


def now_here() -> datetime:
    """Return the present moment in the zone of this machine."""
    return datetime.now(LOCAL)


def here(moment: datetime) -> datetime:
    """Return a moment with the offset that is used here then, which is found sooner than a zone.

    It is that of UTC where none is known: at the ends of the calendar, or with `TZ=UTC+25`.
    """
    try:
        return moment.astimezone()
    except (OverflowError, ValueError, OSError):
        return moment.replace(tzinfo=UTC)
