"""What holds for each decision about a schedule, read slot by slot."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import takewhile

from ork.schedule.policy import Decision, Going
from ork.schedule.schedule import Schedule
from ork.schedule.times import count, slots

LOOKED_AT_MAX = 3000  # slots of one decision; of more, only their number


def check(
    schedule: Schedule, found: Decision, *, last: datetime, now: datetime, going: Going | None
) -> None:
    """Assert that a decision keeps the policies, and decides each slot once or not at all."""
    goes_on = going is not None and going.ended is None
    assert found.wake > max(now, last)
    decided = found.decided
    if decided is None:
        waits = goes_on and (schedule.overlap != "allow" or schedule.catchup == "all")
        waits = waits or (going is not None and going.holds)
        due = takewhile(lambda slot: slot <= now, slots(schedule, last))
        assert waits or next(due, None) is None, "what is due waits for nothing"
        return
    assert last < decided <= now
    assert going is None or not going.holds, "it is held back"
    assert not goes_on or schedule.overlap == "allow", "two runs at once"
    number = sum(skip.count for skip in found.skips) + (found.fire is not None)
    assert count(schedule, last, decided) == number, "a slot is decided twice, or forgotten"
    if number > LOOKED_AT_MAX:
        return
    some = list(takewhile(lambda slot: slot <= decided, slots(schedule, last)))
    if found.fire is not None:
        assert some.pop() == found.fire, "what is left out comes before the fire"
        later = next(slots(schedule, found.fire))
        late = now - found.fire
        assert schedule.catchup == "all" or later > now, "there is a newer one"
        assert schedule.catchup != "latest" or late < timedelta(days=1)
        assert schedule.catchup != "none" or late < timedelta(seconds=60)
    for skip in found.skips:
        during = [slot for slot in some if went_on(going, slot) and schedule.overlap != "allow"]
        held = [slot for slot in some if slot not in during and was_held(going, slot)]
        if skip.reason == "ork was not up":
            assert schedule.catchup != "all"
            mine = [slot for slot in some if slot not in during and slot not in held]
        elif going is not None and skip.reason == f"held back by {going.name}":
            mine = held
        else:
            assert going is not None and skip.reason == f"{going.name} went on"
            assert schedule.catchup != "all" or not going.makes_up
            mine = during
        assert (skip.count, skip.first, skip.last) == (len(mine), mine[0], mine[-1])
    assert schedule.catchup != "all" or schedule.overlap == "skip" or not found.skips


def went_on(going: Going | None, slot: datetime) -> bool:
    """Say whether a slot came while a run went on."""
    if going is None or slot <= going.created:
        return False
    return going.ended is None or slot <= going.ended


def was_held(going: Going | None, slot: datetime) -> bool:
    """Say whether a slot came while a run that had failed held its schedule back."""
    if going is None or going.ended is None or going.until is None:
        return False
    return going.ended < slot <= going.until
