"""Which slot of a schedule to fire now, and which ones to leave out.

Pure: the present moment, and all that is known of runs, are arguments. One call decides one step:
at most one slot is fired, and those before it that were left out are named with the reason. Who
takes the step keeps its end, and hands it in as `last` the next time: so no slot is decided twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice

from ork.objects.kinds import Time
from ork.objects.value import Value, replace
from ork.schedule.schedule import Schedule
from ork.schedule.times import count, newest, slots

# How late a slot may be to be fired as the newest one.
LATE_MAX = {"latest": timedelta(days=1), "none": timedelta(seconds=60)}
IN_TIME = timedelta(seconds=2)  # after which whoever fires a slot makes up for it
A_FEW = 3  # slots that are gone through: where more are due, the newest is found quicker
NOT_UP = "ork was not up"

_SECOND = timedelta(seconds=1)  # no two slots are nearer to each other


class Going(Value, frozen=True, kw_only=True):
    """The newest run of a schedule: its name, such as `etl#5`, and how long it went on.

    It was `created` when it began or, unless it may hold the schedule back, when its last retry
    did. It `makes_up` for a slot that was missed, or waited, where it was not started in time.
    With `after_failure: hold`, one that failed is over for good at the moment `until`: it was tried
    again and succeeded, or somebody let the schedule go on. Before that it `holds` it back.
    """

    name: str
    created: datetime
    ended: datetime | None = None  # the first time
    makes_up: bool = False
    until: datetime | None = None
    holds: bool = False


class Skip(Value, frozen=True, kw_only=True):
    """Slots that are left out for one reason."""

    count: int
    first: Time
    last: Time
    reason: str


class Decision(Value, frozen=True, kw_only=True):
    """What to do now: the slot to fire, if any, what is left out, and when to ask again.

    All that is left out lies before the slot that is fired. There may be no slot to fire and some
    to leave out. Ask again as well when the run has ended.
    """

    fire: datetime | None = None
    skips: tuple[Skip, ...] = ()
    wake: datetime

    @property
    def decided(self) -> datetime | None:
        """The slot up to which all is decided by it; None where it decides nothing."""
        ends = [skip.last for skip in self.skips] + ([self.fire] if self.fire else [])
        return max(ends, default=None)


def decide(
    schedule: Schedule,
    *,
    last: datetime,
    now: datetime,
    going: Going | None,
    out: Sequence[Skip] = (),
) -> Decision:
    """Return which slot after `last` is fired at this moment, and which are left out.

    Of several that are due, `catchup: latest` fires the newest if it is not a day late, and `none`
    if it is not a minute late; `all` fires each, oldest first. A slot that comes while a run goes
    on is left out with `overlap: skip`, waits for the end with `queue`, and takes no notice with
    `allow`; a slot to catch up with waits in any case. What comes while a run holds the schedule
    back is due when it does so no more. What is `out` was left out before its turn.
    """
    due = list(undecided(schedule, last, now, out))
    if not due:
        return Decision(wake=next(slots(schedule, max(last, now))))
    (last, until), *newer = due
    first = next(slots(schedule, last))
    latest, wake = _last_and_next(schedule, first, now)
    if latest > until:
        latest = newest(schedule, last, until) or first
    if going is not None and going.holds:
        return Decision(wake=wake)
    catches_up = schedule.catchup == "all" and (first < latest or bool(newer))
    if schedule.overlap == "allow" and not catches_up:
        going = None
    if going is not None and going.ended is None:
        return Decision(wake=wake)
    wake = now if newer else wake
    if schedule.catchup == "all":
        # What comes while older slots are made up for, or still waiting, waits with them.
        behind = last
        if going is not None and is_left_out(schedule, going, first):
            behind = newest(schedule, last, _earlier(going.ended, until)) or last
        fire = next(slots(schedule, behind))
        skips = _left_out(schedule, last, behind, going)
        return Decision(fire=fire if fire <= until else None, skips=skips, wake=wake)
    late = now - latest >= LATE_MAX[schedule.catchup]
    fires = not newer and not late and not (going and is_left_out(schedule, going, latest))
    if fires and first == latest:
        return Decision(fire=latest, wake=wake)
    skips = _left_out(schedule, last, latest - _SECOND if fires else latest, going)
    return Decision(fire=latest if fires else None, skips=skips, wake=wake)


def is_left_out(schedule: Schedule, going: Going, slot: datetime) -> bool:
    """Say whether a slot is left out since it came while a run went on; else it waits for that."""
    makes_up = schedule.catchup == "all" and going.makes_up
    return schedule.overlap == "skip" and not makes_up and _went_on(going, slot)


def undecided(
    schedule: Schedule, last: datetime, now: datetime, out: Sequence[Skip] = ()
) -> Iterator[tuple[datetime, datetime]]:
    """Yield the times that have slots due, each after one moment and up to another, oldest first.

    That is all after `last` but what is `out`, which is sorted.
    """
    ends = [(one.first - _SECOND, one.last) for one in out if one.last > last]
    for end, begin in [*ends, (now, now)]:
        if next(slots(schedule, last)) <= min(end, now):
            yield last, min(end, now)
        last = max(last, begin)


def first_undecided(schedule: Schedule, last: datetime, out: Sequence[Skip]) -> datetime:
    """Return the first slot after `last` that is not `out`, whether it has come or not."""
    first = next(slots(schedule, last))
    for one in out:
        if one.first <= first <= one.last:
            first = next(slots(schedule, one.last))
    return first


def left_out(schedule: Schedule, after: datetime, until: datetime, reason: str) -> Skip | None:
    """Return all slots later than one moment and not later than another; None if there are none."""
    last = newest(schedule, after, until)
    if last is None:
        return None
    first = next(slots(schedule, after))
    number = count(schedule, after, until)
    return Skip(count=number, first=first, last=last, reason=reason)


def told_apart(schedule: Schedule, skip: Skip, since: datetime, reason: str) -> Iterator[Skip]:
    """Yield slots that are left out as nobody was there; from a moment on for another reason."""
    if skip.reason != NOT_UP or skip.last < since:
        yield skip
        return
    later = left_out(schedule, since - timedelta.resolution, skip.last, reason)
    last = newest(schedule, skip.first - _SECOND, since - timedelta.resolution)
    if later is None or last is None or skip.count <= later.count:
        yield replace(skip, reason=reason)
        return
    yield replace(skip, count=skip.count - later.count, last=last)
    yield later


def _last_and_next(schedule: Schedule, first: datetime, now: datetime) -> tuple[datetime, datetime]:
    """Return the newest slot that is due, of which `first` is the oldest, and the one to come."""
    latest = first
    for slot in islice(slots(schedule, first), A_FEW):
        if slot > now:
            return latest, slot
        latest = slot
    return newest(schedule, first, now) or first, next(slots(schedule, now))


def _left_out(
    schedule: Schedule, after: datetime, until: datetime, going: Going | None
) -> tuple[Skip, ...]:
    """Return what is left out of these, by reason: a run went on, or nobody was there to fire."""
    if going is None:
        alone = left_out(schedule, after, until, NOT_UP)
        return (alone,) if alone else ()
    begin, end = max(after, going.created), _earlier(going.ended, until)
    over = max(end, _earlier(going.until, until)) if going.until else end
    before = left_out(schedule, after, min(begin, until), NOT_UP)
    during = left_out(schedule, begin, end, f"{going.name} went on")
    held = left_out(schedule, max(after, end), over, f"held back by {going.name}")
    later = left_out(schedule, max(after, over), until, NOT_UP)
    if before and later:
        number = before.count + later.count
        later, before = replace(later, count=number, first=before.first), None
    return tuple(skip for skip in (before, during, held, later) if skip)


def _went_on(going: Going, slot: datetime) -> bool:
    return going.created < slot and (going.ended is None or slot <= going.ended)


def _earlier(ended: datetime | None, moment: datetime) -> datetime:
    return moment if ended is None else min(ended, moment)
