"""The slots of a schedule: the moments at which it is due.

When clocks are changed, a line of cron is due as with the cron of Debian. One that names times of
the day comes once for each of them: those that the clock leaves out come at once after the change,
and those that it shows twice come the first time. Any other goes on steadily, by what the clock
shows at each minute.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from heapq import merge
from itertools import takewhile

from ork.errors import InvalidInput
from ork.objects.value import Value, replace
from ork.schedule.cron import Cron, CronError, read
from ork.schedule.schedule import Schedule

COUNTED_ONE_BY_ONE_MAX = 100_000

_OTHERS_ELSEWHERE = {"localtime", "Factory"}  # they mean another zone on another machine
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
_SECOND = timedelta(seconds=1)
_NONE = timedelta(0)


def slots(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    """Yield the slots later than a moment, in UTC, each later than the one before; for ever."""
    if not schedule.also:
        yield from _slots_of(schedule, after)
    latest = after
    for slot in merge(*(_slots_of(part, after) for part in schedule.parts)):
        if slot > latest:
            latest = slot
            yield slot


def next_slot(schedule: Schedule, after: datetime) -> datetime | None:
    """Return the first slot later than a moment; None in a zone that this machine lacks."""
    with suppress(InvalidInput):
        return next(slots(schedule, after))
    return None


def newest(schedule: Schedule, after: datetime, until: datetime) -> datetime | None:
    """Return the last slot that is later than one moment and not later than another."""
    found = [_newest(part, after, until) for part in schedule.parts]
    return max((slot for slot in found if slot is not None), default=None)


def count(schedule: Schedule, after: datetime, until: datetime) -> int:
    """Return how many slots are later than one moment and not later than another.

    It takes some microseconds for each day. Where several schedules are one, a slot that is due by
    two of them counts once, as long as there are at most COUNTED_ONE_BY_ONE_MAX.
    """
    parts = schedule.parts
    total = sum(_count(part, after, until) for part in parts)
    if len(parts) == 1 or total > COUNTED_ONE_BY_ONE_MAX:
        return total
    return sum(1 for _ in _between(schedule, after, until))


@lru_cache(maxsize=1024)
def zone(name: str) -> tzinfo:
    """Return a time zone; raise InvalidInput where this machine knows none of that name."""
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        if name.startswith(("posix", "right/")) or name in _OTHERS_ELSEWHERE:
            raise ValueError(name)
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = "a name is as in `Europe/Berlin`; new ones need a new `tzdata` on this machine"
        if not known_zones():
            hint = "this machine has no data of time zones: install `tzdata`"
        raise InvalidInput(f"there is no time zone named {name[:60]!r}", hint=hint) from None


def known_zones() -> set[str]:
    """Return the names of all time zones that this machine has data of."""
    from zoneinfo import available_timezones

    return available_timezones() - _OTHERS_ELSEWHERE


def _between(schedule: Schedule, after: datetime, until: datetime) -> Iterator[datetime]:
    return takewhile(lambda slot: slot <= until, slots(schedule, after))


def _slots_of(part: Schedule, after: datetime) -> Iterator[datetime]:
    if part.every_s is not None:
        period = timedelta(seconds=part.every_s)
        number = (after - _EPOCH) // period + 1
        while True:
            yield _EPOCH + number * period
            number += 1
    line, latest = _cron(part), after
    for stretch in _stretches(line, zone(part.timezone), after):
        for slot in _due(line, stretch):
            if slot > latest:
                latest = slot
                yield slot


def _newest(part: Schedule, after: datetime, until: datetime) -> datetime | None:
    if part.every_s is not None:
        period = timedelta(seconds=part.every_s)
        slot = _EPOCH + (until - _EPOCH) // period * period
        return slot if slot > after else None
    # Where nothing is due for long, little is due in the stretch before: each step costs little.
    for days in (0.05, 1, 32, 366, 41 * 366):
        begin = max(after, until - timedelta(days=days))
        found = deque(_between(part, begin, until), maxlen=1)
        if found or begin == after:
            break
    return found[0] if found else None


def _count(part: Schedule, after: datetime, until: datetime) -> int:
    if part.every_s is not None:
        period = timedelta(seconds=part.every_s)
        return max((until - _EPOCH) // period - (after - _EPOCH) // period, 0)
    line, total = _cron(part), 0
    end = _next_second(until)
    for stretch in _stretches(line, zone(part.timezone), after):
        if stretch.begin >= end:
            break
        if stretch.is_plain and stretch.begin > after:
            until_end = replace(stretch, high=min(stretch.high, _naive(end + stretch.offset)))
            total += sum(last - first for _, first, last in _days(line, until_end))
        else:
            total += len({slot for slot in _due(line, stretch) if after < slot <= until})
    return total


def _cron(part: Schedule) -> Cron:
    assert part.cron is not None
    try:
        return read(part.cron)
    except CronError as error:
        raise InvalidInput(f"the schedule {part.cron[:80]!r}: {error}", hint=error.hint) from None


class _Stretch(Value, frozen=True, kw_only=True):
    """A time of a day at most in which the clock is not changed, and for which lines are read.

    The lines are due in it that the clock comes past from `low` to `high`, without the last. Where
    that begins before what the clock shows at `begin`, the clock was put forward.
    """

    begin: datetime
    offset: timedelta
    low: datetime  # naive, as the clock shows it
    high: datetime

    @property
    def is_plain(self) -> bool:
        """Say whether exactly that is due in it which the clock shows."""
        return _naive(self.begin + self.offset) == self.low


def _stretches(line: Cron, where: tzinfo, after: datetime) -> Iterator[_Stretch]:
    """Yield the time from a moment on, without a gap; a day more where the clock was changed."""
    begin = _next_second(after)
    if _offset(begin - _DAY, where) != _offset(begin, where):
        begin -= _DAY
    passed = None  # up to where the clock was read
    offset = _offset(begin, where)
    while True:
        end = begin + _DAY
        after_it = _offset(end, where)
        if after_it != offset:
            end = _change(begin, end, where)
            after_it = _offset(end, where)
        low, high = _naive(begin + offset), _naive(end + offset)
        if line.at_times and passed is not None:
            low, high = passed, max(high, passed)
        yield _Stretch(begin=begin, offset=offset, low=low, high=high)
        begin, offset, passed = end, after_it, high


def _change(begin: datetime, end: datetime, where: tzinfo) -> datetime:
    """Return the second between two moments from which on the clock goes otherwise."""
    offset = _offset(begin, where)
    while end - begin > _SECOND:
        middle = begin + (end - begin) // _SECOND // 2 * _SECOND
        if _offset(middle, where) == offset:
            begin = middle
        else:
            end = middle
    return end


def _due(line: Cron, stretch: _Stretch) -> Iterator[datetime]:
    """Yield what is due in a stretch, in order; several times what is due when it begins."""
    for midnight, first, last in _days(line, stretch):
        begin = midnight.replace(tzinfo=UTC) - stretch.offset
        for minute in line.minutes[first:last]:
            yield max(begin + minute * _MINUTE, stretch.begin)


def _days(line: Cron, stretch: _Stretch) -> Iterator[tuple[datetime, int, int]]:
    """Yield each day on which a line is due, and which of its minutes lie in a stretch."""
    midnight = stretch.low.replace(hour=0, minute=0, second=0)
    while midnight < stretch.high:
        if line.is_on(midnight):
            first = bisect_left(line.minutes, (stretch.low - midnight) / _MINUTE)
            yield midnight, first, bisect_left(line.minutes, (stretch.high - midnight) / _MINUTE)
        midnight += _DAY


def _offset(moment: datetime, where: tzinfo) -> timedelta:
    return moment.astimezone(where).utcoffset() or _NONE


def _naive(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)


def _next_second(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0) + _SECOND
