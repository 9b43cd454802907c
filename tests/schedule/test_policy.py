"""Which slots are fired, which are left out and why: by a table, and by what always holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ork.objects.value import replace
from ork.schedule.policy import NOT_UP, Decision, Going, decide, left_out
from ork.schedule.schedule import Schedule
from ork.schedule.times import slots
from tests.scale import examples
from tests.schedule.truth import check

HOURLY = "0 * * * *"
SECOND = timedelta(seconds=1)


def at(text: str) -> datetime:
    """Return a moment of 2026-11-27, or of another day of that month, as in `25 13:00`."""
    day, _, clock = text.rpartition(" ")
    return datetime.fromisoformat(f"2026-11-{day or 27}T{clock}").replace(tzinfo=UTC)


def shown(moment: datetime) -> str:
    """Return a moment as `at` reads it."""
    return f"{moment:%H:%M}" if moment.day == 27 else f"{moment:%d %H:%M}"


def decided(
    *,
    last: str,
    now: str,
    run: tuple[str, str | None] | None = None,
    held: str | None = None,
    makes_up: bool = False,
    **policy: Any,
) -> tuple[str | None, list[str]]:
    """Return what is fired, and what is left out as `count first last reason`."""
    going = None
    if run:
        ended = at(run[1]) if run[1] else None
        going = Going(name="etl#5", created=at(run[0]), ended=ended, makes_up=makes_up)
        if held is not None:
            going = replace(going, until=at(held) if held else None, holds=not held)
    schedule = Schedule(**{"cron": HOURLY, **policy})
    found = decide(schedule, last=at(last), now=at(now), going=going)
    check(schedule, found, last=at(last), now=at(now), going=going)
    skips = [f"{s.count} {shown(s.first)} {shown(s.last)} {s.reason}" for s in found.skips]
    return shown(found.fire) if found.fire else None, skips


UP, ON, HELD = "ork was not up", "etl#5 went on", "held back by etl#5"
LAST_RUN = ("06:00:02", "06:10")

CASES: list[tuple[str, dict[str, Any], str | None, list[str]]] = [
    ("nothing is due", {"now": "06:30"}, None, []),
    ("one slot is due", {"now": "07:00:01"}, "07:00", []),
    ("several are due", {"now": "09:20"}, "09:00", [f"2 07:00 08:00 {UP}"]),
    (
        "a day and more went by",
        {"last": "24 06:00", "now": "09:20"},
        "09:00",
        [f"74 24 07:00 08:00 {UP}"],
    ),
    (
        "the only one is a day late",
        {"cron": "0 6 * * 4", "last": "25 06:00", "now": "27 06:00:00"},
        None,
        [f"1 26 06:00 26 06:00 {UP}"],
    ),
    (
        "the only one is not yet a day late",
        {"cron": "0 6 * * 4", "last": "25 06:00", "now": "27 05:59:59"},
        "26 06:00",
        [],
    ),
    ("none, and in time", {"catchup": "none", "now": "07:00:59"}, "07:00", []),
    ("none, and a minute late", {"catchup": "none", "now": "07:01"}, None, [f"1 07:00 07:00 {UP}"]),
    (
        "none, and some went by",
        {"catchup": "none", "now": "09:00:05"},
        "09:00",
        [f"2 07:00 08:00 {UP}"],
    ),
    (
        "none, and shorter than a minute",
        {"catchup": "none", "cron": None, "every_s": 10, "now": "06:00:35"},
        "06:00",  # and 30 seconds
        [f"2 06:00 06:00 {UP}"],
    ),
    ("all, oldest first", {"catchup": "all", "now": "09:20"}, "07:00", []),
    (
        "all, without the window of a day",
        {"catchup": "all", "last": "20 06:00", "now": "09:20"},
        "20 07:00",
        [],
    ),
    # A run that failed; `held` is until when it held the schedule back, or that it does
    *(
        (
            f"{catchup}, held",
            {"catchup": catchup, "run": LAST_RUN, "held": "", "now": "09:20"},
            None,
            [],
        )
        for catchup in ("latest", "none", "all")
    ),
    (
        "held no more",
        {"run": LAST_RUN, "held": "09:10", "now": "09:20"},
        "09:00",
        [f"2 07:00 08:00 {HELD}"],
    ),
    (
        "held no more, and then we were not there",
        {"run": LAST_RUN, "held": "07:10", "now": "09:20"},
        "09:00",
        [f"1 07:00 07:00 {HELD}", f"1 08:00 08:00 {UP}"],
    ),
    (
        "held no more, and nothing is late",
        {"catchup": "none", "run": LAST_RUN, "held": "09:10", "now": "09:20"},
        None,
        [f"3 07:00 09:00 {HELD}"],
    ),
    (
        "held no more, and what came while it went on",
        {"run": ("06:00:02", "07:30"), "held": "09:10", "now": "09:20"},
        "09:00",
        [f"1 07:00 07:00 {ON}", f"1 08:00 08:00 {HELD}"],
    ),
    (
        "held no more, oldest first",
        {"catchup": "all", "run": LAST_RUN, "held": "09:10", "now": "09:20"},
        "07:00",
        [],
    ),
    # A run that goes on
    ("skip waits", {"run": ("06:00:02", None), "now": "09:20"}, None, []),
    ("queue waits", {"overlap": "queue", "run": ("06:00:02", None), "now": "09:20"}, None, []),
    (
        "allow does not",
        {"overlap": "allow", "run": ("06:00:02", None), "now": "07:00:01"},
        "07:00",
        [],
    ),
    (
        "allow with several",
        {"overlap": "allow", "run": ("06:00:02", None), "now": "09:20"},
        "09:00",
        [f"2 07:00 08:00 {UP}"],
    ),
    (
        "allow, one after the other to catch up",
        {"overlap": "allow", "catchup": "all", "run": ("06:00:02", None), "now": "09:20"},
        None,
        [],
    ),
    (
        "allow with all, as long as it keeps up",
        {"overlap": "allow", "catchup": "all", "run": ("06:00:02", None), "now": "07:00:01"},
        "07:00",
        [],
    ),
    # A run that went on, and has ended
    (
        "skip leaves out",
        {"run": ("06:00:02", "08:30"), "now": "08:30:01"},
        None,
        [f"2 07:00 08:00 {ON}"],
    ),
    (
        "skip, and the next one",
        {"run": ("06:00:02", "08:30"), "now": "09:00:01"},
        "09:00",
        [f"2 07:00 08:00 {ON}"],
    ),
    (
        "skip, and then nobody was there",
        {"run": ("06:00:02", "08:30"), "now": "11:20"},
        "11:00",
        [f"2 07:00 08:00 {ON}", f"2 09:00 10:00 {UP}"],
    ),
    (
        "skip, of one that ends with a slot",
        {"run": ("06:00:02", "07:00"), "now": "07:00:01"},
        None,
        [f"1 07:00 07:00 {ON}"],
    ),
    (
        "queue fires the newest",
        {"overlap": "queue", "run": ("06:00:02", "08:30"), "now": "08:30:01"},
        "08:00",
        [f"1 07:00 07:00 {ON}"],
    ),
    (
        "queue with all fires each",
        {"overlap": "queue", "catchup": "all", "run": ("06:00:02", "08:30"), "now": "08:30:01"},
        "07:00",
        [],
    ),
    (
        "skip with all leaves out",
        {"catchup": "all", "run": ("06:00:02", "08:30"), "now": "11:20"},
        "09:00",
        [f"2 07:00 08:00 {ON}"],
    ),
    (
        "what came while the last one was made up for, waits",
        {"catchup": "all", "run": ("06:40", "07:10"), "makes_up": True, "now": "07:10:01"},
        "07:00",
        [],
    ),
    (
        "latest leaves that out",
        {"run": ("06:40", "07:10"), "makes_up": True, "now": "07:10:01"},
        None,
        [f"1 07:00 07:00 {ON}"],
    ),
    (
        "what came while older ones wait, waits with them",
        {"catchup": "all", "run": ("08:20", "09:10"), "now": "09:10:01"},
        "07:00",
        [],
    ),
    (
        "a retry began after a slot that nobody fired",
        {"run": ("07:30", "07:40"), "now": "07:40:01"},
        "07:00",
        [],
    ),
    (
        "a retry began after one and went on during the next",
        {"run": ("07:30", "08:40"), "now": "08:40:01"},
        None,
        [f"1 07:00 07:00 {UP}", f"1 08:00 08:00 {ON}"],
    ),
    (
        "before, during and after a run",
        {"run": ("07:30", "08:40"), "now": "11:40:01"},
        "11:00",
        [f"1 08:00 08:00 {ON}", f"3 07:00 10:00 {UP}"],
    ),
    ("the run before has long ended", {"run": LAST_RUN, "now": "07:00:01"}, "07:00", []),
    # Clocks
    ("a clock that goes back fires nothing again", {"now": "03:00:01", "run": LAST_RUN}, None, []),
    ("the same moment again", {"now": "06:00"}, None, []),
]


@pytest.mark.parametrize(
    ("given_", "fire", "skips"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_of_what_is_due(given_: dict[str, Any], fire: str | None, skips: list[str]) -> None:
    assert decided(**{"last": "06:00", **given_}) == (fire, skips)


def test_it_asks_again_when_the_next_slot_comes() -> None:
    hourly = Schedule(cron=HOURLY)
    for last, now, wake in (
        ("06:00", "06:30", "07:00"),
        ("06:00", "07:00", "08:00"),
        ("06:00", "09:20", "10:00"),
        ("06:00", "03:00", "07:00"),  # the clock went back
    ):
        assert decide(hourly, last=at(last), now=at(now), going=None).wake == at(wake)


def test_what_went_by_during_a_pause_can_be_named() -> None:
    skip = left_out(Schedule(cron=HOURLY), at("06:30"), at("09:30"), "paused by Ann")
    assert skip is not None
    assert (skip.count, skip.first, skip.last) == (3, at("07:00"), at("09:00"))
    assert left_out(Schedule(cron=HOURLY), at("06:30"), at("06:40"), "paused") is None


def test_a_decision_tells_up_to_where_all_is_decided() -> None:
    hourly = Schedule(cron=HOURLY)
    fires = decide(hourly, last=at("06:00"), now=at("09:20"), going=None)
    assert fires.decided == at("09:00")
    late = Schedule(cron=HOURLY, catchup="none")
    left = decide(late, last=at("06:00"), now=at("09:20"), going=None)
    assert (left.fire, left.decided) == (None, at("09:00"))
    assert Decision(wake=at("09:00")).decided is None


TIMES = [
    {"cron": "* * * * *"},
    {"cron": "*/7 * * * *", "timezone": "Europe/Berlin"},
    {"cron": HOURLY, "also": (Schedule(every_s=1800),)},
    {"cron": "30 2 * * *", "timezone": "America/New_York"},
    {"cron": "0 6 * * mon"},
    {"every_s": 1},
    {"every_s": 100},
    {"every_s": 86_400},
]
POLICIES = [
    {"catchup": catchup, "overlap": overlap}
    for catchup in ("latest", "none", "all")
    for overlap in ("skip", "queue", "allow")
    if (catchup, overlap) != ("none", "queue")
]
STEPS = st.integers(0, 2) | st.integers(0, 200_000) | st.integers(0, 40 * 86_400)


@pytest.mark.slow
@settings(max_examples=examples(500))
@given(
    times=st.sampled_from(TIMES),
    policy=st.sampled_from(POLICIES),
    gap=STEPS,
    begin=STEPS,
    length=STEPS | st.none(),
    makes_up=st.booleans(),
)
def test_each_due_slot_is_fired_left_out_or_waits(
    times: dict[str, Any],
    policy: dict[str, Any],
    gap: int,
    begin: int,
    length: int | None,
    makes_up: bool,
) -> None:
    schedule = Schedule(**times, **policy)
    last = next(slots(schedule, datetime(2026, 10, 20, tzinfo=UTC)))
    now = last + gap * SECOND
    created = last + begin * SECOND
    ended = None if length is None else created + length * SECOND
    ended = ended if ended and ended <= now else None
    going = Going(name="etl#5", created=created, ended=ended, makes_up=makes_up)
    for run in (None, going) if created <= now else (None,):
        found = decide(schedule, last=last, now=now, going=run)
        check(schedule, found, last=last, now=now, going=run)
        if found.decided is not None:  # and what is left to decide goes on from there
            again = decide(schedule, last=found.decided, now=now, going=run)
            check(schedule, again, last=found.decided, now=now, going=run)


def test_seconds_of_years_cost_nothing() -> None:
    every = Schedule(every_s=1)
    now = datetime(2026, 11, 27, tzinfo=UTC)
    last = now - timedelta(days=36_500)
    (skip,) = decide(every, last=last, now=now, going=None).skips
    assert skip.count == 36_500 * 86_400 - 1
    assert skip.reason == NOT_UP
