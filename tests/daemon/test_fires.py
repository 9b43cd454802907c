"""Fires: each slot once, whoever fires, and what is left out is recorded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from ork.daemon import fires, lines, queue
from ork.errors import Conflict, UsageError
from ork.heads.deploy import Deployed
from ork.heads.undo import undo
from ork.objects.kinds import Blob, Run
from ork.objects.value import replace
from ork.runner.choices import Selection
from ork.runner.events import RunFinished
from ork.runner.start import Options, retry, start
from ork.schedule.policy import Skip
from ork.store.store import Store
from tests.daemon.flow import FLOW, MINUTE, caller, decisions, due, fire
from tests.stores import NOON, plant, stamp

Keep = Callable[..., Deployed]


@pytest.fixture
def flow(keep: Keep) -> Callable[..., Deployed]:
    """Deploy the workflow: flow("0 * * * *", hours=...)."""

    def deployed(schedule: str = '"*/10 * * * *"', *, command: str = "true", hours: float = 0):
        return keep(FLOW.format(schedule=schedule, command=command), hours=hours)

    return deployed


def test_nothing_is_due_before_the_first_slot_after_the_deploy(project, flow):
    flow(hours=0.01)
    decision = due(project, NOON + 9 * MINUTE).decision
    assert decision.fire is None and decision.skips == ()
    assert decision.wake == NOON + 10 * MINUTE


def test_a_slot_is_fired_and_then_decided(project, flow):
    flow(command="printenv ORK_SCHEDULED_TIME; test $ORK_SCHEDULED_TIME = 2026-11-01T12:10:00Z")
    now = NOON + 11 * MINUTE
    run = fire(project, now)
    assert (run.state, run.trigger, run.scheduled) == ("success", "schedule", NOON + 10 * MINUTE)
    pin = project.ref("numbers/etl/0000000001")
    assert dict(project.refs("fires/")) == {"etl/20261101T121000Z": pin}
    again = due(project, now)
    assert again.decision.fire is None and again.state.run == run
    assert again.state.last == NOON + 10 * MINUTE


def test_what_was_missed_is_left_out_with_the_fire(project, flow):
    flow()
    fire(project, NOON + 35 * MINUTE)
    (skip,) = lines.skipped(project, "etl")
    assert (skip.count, skip.first, skip.last) == (2, NOON + 10 * MINUTE, NOON + 20 * MINUTE)
    assert skip.reason == "ork was not up"


@pytest.mark.parametrize(
    ("begun", "expected"), [(10.02, [(2, "etl#1 went on")]), (17, [20.0, 30.0])]
)
def test_what_comes_while_the_last_slot_is_made_up_for_waits(project, flow, begun, expected):
    flow("{every: 10m, catchup: all}")
    run = fire(project, NOON + begun * MINUTE)
    ref, ended = f"runs/etl/{run.id}", replace(run, ended=NOON + 31 * MINUTE)
    with project.transaction() as tx:
        tx.move(ref, old=project.ref(ref), new=tx.add(ended))
    assert decisions(project, NOON + 32 * MINUTE) == expected


def test_what_came_between_a_run_and_its_retry_came_while_none_went_on(project, flow):
    flow()
    run = fire(project, NOON + 10.02 * MINUTE)
    took = 4 * MINUTE / timedelta(microseconds=1)
    retried = replace(run, ended=NOON + 35 * MINUTE, duration=run.duration + int(took))
    with project.transaction() as tx:
        ref = f"runs/etl/{run.id}"
        before = project.ref(ref)
        tx.move(ref, old=before, new=tx.add(replace(retried, attempt=2, previous=before)))
    assert decisions(project, NOON + 36 * MINUTE) == [(1, "ork was not up"), 30.0]


@pytest.mark.parametrize(
    ("schedule", "begun", "waits"),
    [
        ("{every: 10m, overlap: queue}", 10.02, True),
        ("{every: 10m}", 10.02, False),
        ("{every: 10m, overlap: allow}", 10.02, False),
        ("{every: 10m, catchup: all}", 17, True),
    ],
)
def test_a_slot_that_waits_for_the_run_that_goes_on_is_told(project, flow, schedule, begun, waits):
    flow(schedule)
    now = NOON + begun * MINUTE
    one = due(project, now)
    events = fires.fire(project, "etl", one.line.schedule, one.decision, caller(now)).events
    begin = iter(events)
    next(begin)
    now = NOON + 21 * MINUTE
    (listed,) = fires.listed(project, lines.lines_of(project, "etl"), now)
    assert listed.waits_for == (("etl#1",) if waits else ())
    if waits:
        assert (listed.due, listed.reason) == (NOON + 20 * MINUTE, "etl#1 goes on")
    list(begin)


def test_a_slot_that_somebody_has_decided_is_not_fired_again(project, flow):
    flow()
    now = NOON + 11 * MINUTE
    mine = due(project, now)
    fire(project, now)
    with pytest.raises(Conflict, match="another process has decided about etl up to 2026-11-01"):
        fire(project, now, mine)
    assert len(list(project.refs("runs/etl/"))) == 1


def test_what_is_decided_while_the_write_is_prepared_is_seen(project, flow, monkeypatch):
    flow()
    now = NOON + 11 * MINUTE
    mine = due(project, now)
    undecided, later = fires._undecided, mine.decision.fire + 10 * MINUTE

    def and_decide(*args):
        found = undecided(*args)
        monkeypatch.setattr(fires, "_undecided", undecided)
        skip = Skip(count=2, first=mine.decision.fire, last=later, reason="not up")
        fires.leave_out(project, "etl", mine.line.schedule, [skip])
        return found

    monkeypatch.setattr(fires, "_undecided", and_decide)
    with pytest.raises(Conflict):
        fire(project, now, mine)
    assert list(project.refs("runs/")) == []
    assert next(fires.states(project, [mine.line])).last == later


def test_a_clock_that_goes_back_fires_nothing_again(project, flow):
    flow()
    fire(project, NOON + 31 * MINUTE)
    assert due(project, NOON + 11 * MINUTE).decision.fire is None


def test_the_head_at_the_moment_of_the_fire_is_run(project, flow):
    flow(command="exit 1")
    now = NOON + 11 * MINUTE
    mine = due(project, now)
    started = fires.fire(project, "etl", mine.line.schedule, mine.decision, caller(now))
    newest = flow(command="true", hours=0.15)
    *_, last = started.events
    assert last.run.deploy == newest.deploy and last.run.state == "success"


def test_a_head_that_moves_while_the_run_is_prepared_is_read_again(project, flow, monkeypatch):
    flow(command="exit 1")
    now = NOON + 11 * MINUTE
    mine = due(project, now)
    begin = fires.start.start

    def and_deploy(*args, **options):
        monkeypatch.setattr(fires.start, "start", begin)
        started = begin(*args, **options)
        flow(command="true", hours=0.15)
        return started

    monkeypatch.setattr(fires.start, "start", and_deploy)
    assert fire(project, now, mine).state == "success"
    assert len(list(project.refs("runs/etl/"))) == 1


def test_a_schedule_that_was_taken_away_is_not_fired(project, flow):
    flow()
    now = NOON + 11 * MINUTE
    mine = due(project, now)
    flow(schedule='"5 * * * *"', hours=0.15)
    with pytest.raises(Conflict, match="etl does not have this schedule any more"):
        fire(project, now, mine)


def test_other_times_count_from_their_deploy_on(project, flow):
    flow()
    fire(project, NOON + 11 * MINUTE)
    flow(schedule='"15 * * * *"', hours=0.5)
    assert due(project, NOON + 40 * MINUTE).decision.fire is None
    flow(hours=1.5)
    skips = due(project, NOON + 95 * MINUTE).decision.skips
    assert [(skip.count, skip.reason) for skip in skips] == [(2, lines.CHANGED), (1, lines.CHANGED)]


def test_of_what_was_left_out_only_slots_without_a_run_are_late(project, flow):
    flow()
    now = NOON + 45 * MINUTE
    fire(project, now)
    some = lines.lines_of(project, "etl")

    def left_out(since=NOON):
        (one,) = fires.listed(project, some, now)
        late = fires.late(project, some, now, grace=MINUTE, since=since)
        assert since > NOON or [skip.count for skip in one.left_out] == [one.count for one in late]
        return [(one.count, one.first - NOON, one.last - NOON) for one in late]

    assert left_out() == [(3, 10 * MINUTE, 30 * MINUTE)]
    assert left_out(NOON + 15 * MINUTE) == [(2, 20 * MINUTE, 30 * MINUTE)]
    pin = project.ref("numbers/etl/0000000001")
    plant(project, **{"fires/etl/20261101T123000Z": pin})
    assert left_out() == [(2, 10 * MINUTE, 20 * MINUTE)]
    assert left_out(NOON + 25 * MINUTE) == []
    plant(project, **{"fires/etl/20261101T121000Z": pin})
    plant(project, **{"fires/etl/20261101T122000Z": pin})
    assert left_out() == []


def test_a_run_that_goes_on_is_known(project, flow):
    flow()
    now = NOON + 11 * MINUTE
    one = due(project, now)
    events = fires.fire(project, "etl", one.line.schedule, one.decision, caller(now)).events
    next(events)
    some = lines.lines_of(project, "etl")
    (late,) = fires.late(project, some, now + 20 * MINUTE, grace=MINUTE, since=NOON)
    assert (late.count, late.reason) == (2, "etl#1 goes on")
    going = due(project, NOON + 25 * MINUTE)
    assert going.state.going.name == "etl#1" and going.state.going.ended is None
    assert going.decision.fire is None
    events.close()


def test_slots_can_be_left_out_alone(project, flow):
    flow()
    now = NOON + 11 * MINUTE
    one = due(project, now)
    slot = one.decision.fire
    skip = Skip(count=1, first=slot, last=slot, reason="the head does not load")
    fires.leave_out(project, "etl", one.line.schedule, [skip])
    assert due(project, now).decision.fire is None
    with pytest.raises(Conflict):
        fires.leave_out(project, "etl", one.line.schedule, [skip])
    with pytest.raises(Conflict):
        fire(project, now, one)


def test_who_decides_at_the_same_moment_writes_nothing(project, flow, monkeypatch):
    flow()
    now = NOON + 11 * MINUTE
    one = due(project, now)
    slot = one.decision.fire
    skip = Skip(count=1, first=slot, last=slot, reason="a test")
    record_skips = lines.skip_in

    def and_fire(*args):
        monkeypatch.setattr(lines, "skip_in", record_skips)
        fire(project, now + 10 * MINUTE)
        record_skips(*args)

    monkeypatch.setattr(lines, "skip_in", and_fire)
    with pytest.raises(Conflict):
        fires.leave_out(project, "etl", one.line.schedule, [skip])
    assert [one.reason for one in lines.skipped(project, "etl")] == ["ork was not up"]
    assert due(project, now + 10 * MINUTE).state.last == NOON + 20 * MINUTE


def test_parameters_of_a_schedule_have_slots_of_their_own(project, keep):
    keep(
        "name: etl\n"
        'schedule: ["0 * * * *", {cron: "0 * * * *", params: {day: "007"}}]\n'
        "params: {day: {default: none}}\n"
        "tasks:\n"
        "  load: {executor: process, command: 'true', inputs: {day: {ref: params.day}}}\n"
    )
    now = NOON + 61 * MINUTE
    for one in fires.due(project, lines.Lines(project).look(), now):
        list(fires.fire(project, "etl", one.line.schedule, one.decision, caller(now)).events)
    names = [name for name, _ in project.refs("fires/etl/")]
    assert names[0] == "20261101T130000Z" and names[1].startswith("20261101T130000Z.")
    params = [project.value(run.params) for run in runs_of(project)]
    assert params == [{"day": "none"}, {"day": "007"}]


def runs_of(store: Store) -> list[Run]:
    return [store.get(Run, oid) for _, oid in store.refs("runs/etl/")]


def test_a_slot_can_be_made_up_for_once(project, flow):
    flow()
    fire(project, NOON + 35 * MINUTE)
    now, slot = NOON + 40 * MINUTE, NOON + 10 * MINUTE
    schedule, found, ref = fires.made_up(project, "etl", slot, now=now)
    assert (found, ref) == (slot, "fires/etl/20261101T121000Z")
    assert schedule.cron == "*/10 * * * *"
    with pytest.raises(UsageError, match="etl#1 was started for that slot"):
        fires.made_up(project, "etl", NOON + 30 * MINUTE, now=now)
    waits = fires.fire_now(project, "etl", caller(now), slot=slot)
    with pytest.raises(UsageError, match=f"{waits.id} waits in the queue for that slot"):
        fires.fire_now(project, "etl", caller(now), slot=slot)
    with pytest.raises(UsageError, match="is no slot of etl"):
        fires.made_up(project, "etl", NOON + 11 * MINUTE, now=now)
    with pytest.raises(UsageError, match="still to come"):
        fires.made_up(project, "etl", NOON + 50 * MINUTE, now=now)


@pytest.mark.parametrize(
    ("schedule", "text", "slot"),
    [
        ("{cron: 30 0 * * *, timezone: Europe/Berlin}", "2026-10-31 00:30", "2026-10-30T23:30"),
        ("{cron: 30 0 * * *, timezone: Europe/Berlin}", "2026-10-30 23:30", "2026-10-30T23:30"),
        ("{cron: 30 * * * *, timezone: Europe/Berlin}", "2026-10-31 00:30", "2026-10-31T00:30"),
        ("[0 1 * * *, {cron: 30 0 * * *, timezone: Asia/Tokyo}]", "00:30", "2026-10-31T15:30"),
    ],
)
def test_a_slot_is_read_by_the_clock_here_or_else_by_that_of_the_schedule(
    project, flow, schedule, text, slot
):
    flow(schedule)
    _, found, _ = fires.made_up(project, "etl", text, now=NOON)
    assert found == datetime.fromisoformat(slot).replace(tzinfo=UTC)


def test_where_there_is_no_slot_the_nearest_are_told_as_they_can_be_given(project, flow):
    flow("[{cron: 30 0 * * *, timezone: Europe/Berlin}, {every: 5d}]")
    hints = {}
    for text in ("2026-10-31 01:00", "2026-11-01 06:00", "0001-01-01"):
        with pytest.raises(UsageError, match="is no slot of etl") as caught:
            fires.made_up(project, "etl", text, now=NOON)
        hints[text] = (caught.value.hint or "").partition("`ork")[0]
    before = "2026-10-31 00:30:00 +0100 (Europe/Berlin)"
    after = "2026-11-01 00:30:00 +0100 (Europe/Berlin)"
    assert hints["2026-10-31 01:00"] == f"{before} and {after} are nearest; "
    assert hints["2026-11-01 06:00"] == f"{after} is nearest; "
    text = after.partition(" (")[0]
    assert fires.made_up(project, "etl", text, now=NOON)[1] == NOON - timedelta(hours=12.5)


def test_a_slot_for_which_somebody_has_started_a_run_is_passed_over(project, flow):
    flow()
    now = NOON + 11 * MINUTE
    queued = fires.fire_now(project, "etl", caller(now), slot=NOON + 10 * MINUTE)
    list(queue.take(project, queued.id, caller(now)).events)
    with pytest.raises(Conflict, match="2026-11-01 12:10:00 UTC"):
        fire(project, now)
    assert due(project, now).decision.fire is None
    assert [run.trigger for run in runs_of(project)] == ["queue"]
    assert [name for name, _ in project.refs("fires/etl/")] == ["20261101T121000Z"]


DAILY = """\
name: etl
params: {day: date, n: {type: int, default: 1}}
schedule: {cron: 30 1 * * *, timezone: Europe/Berlin, params: {day: slot - 1d}}
tasks:
  load: {executor: process, command: "true", inputs: {day: {ref: params.day}}}
"""


def params_of(store, run):
    return store.value(run.params)


def test_a_parameter_gets_the_slot(project, keep):
    keep(DAILY)
    run = fire(project, NOON + timedelta(hours=14))
    assert run.scheduled == NOON + timedelta(hours=12.5)
    assert params_of(project, run) == {"day": "2026-11-01", "n": 1}
    now = NOON + timedelta(hours=15)
    fires.fire_now(project, "etl", caller(now), slot=NOON - timedelta(hours=11.5), given={"n": 2})
    fires.fire_now(project, "etl", caller(now + MINUTE))
    missed, by_hand = (taken(project, now) for _ in range(2))
    assert params_of(project, missed) == {"day": "2026-10-31", "n": 2}
    assert params_of(project, by_hand) == {"day": "2026-11-01", "n": 1}


def test_the_same_run_again_is_for_the_same_slot(project, flow):
    flow(command="printenv ORK_SCHEDULED_TIME > slot")
    before = fire(project, NOON + 11 * MINUTE)
    (project.folder.parent / "slot").unlink()
    *_, last = start(project, before.name, caller=caller(NOON + 60 * MINUTE)).events
    assert (last.run.number, last.run.scheduled) == (2, before.scheduled)
    assert (project.folder.parent / "slot").read_text() == "2026-11-01T12:10:00Z\n"
    assert due(project, NOON + 11 * MINUTE).state.run == before, "it is none of the schedule's"


def test_slots_of_the_past_are_made_up_for_once(project, keep):
    keep(DAILY)
    now = NOON + timedelta(hours=14)
    fire(project, now)
    since, until = NOON - timedelta(days=3), NOON + timedelta(days=9)
    fires.fire_now(project, "etl", caller(now), slot=NOON - timedelta(hours=11.5))
    before, span = dict(project.backend.refs()), {"since": since, "until": until}
    would = fires.backfill(project, "etl", caller(now), **span, given={"n": 3}, dry_run=True)
    assert dict(project.backend.refs()) == before
    done = fires.backfill(project, "etl", caller(now), since=since, until=until, given={"n": 3})
    assert [one.entry for one in would.queued] == [one.entry for one in done.queued]
    assert [one.entry.params["day"] for one in done.queued] == ["2026-10-29", "2026-10-30"]
    assert done.known == 2 and done.queued[0].entry.params["n"] == 3
    days = [params_of(project, taken(project, now))["day"] for _ in range(3)]
    assert sorted(days) == ["2026-10-29", "2026-10-30", "2026-10-31"]
    assert days.index("2026-10-29") < days.index("2026-10-30")
    again = fires.backfill(project, "etl", caller(now), since=since, until=until)
    assert (again.queued, again.known) == ((), 4)
    first = NOON - timedelta(days=2, hours=11.5)
    one = fires.backfill(project, "etl", caller(now), since=first, until=first + MINUTE)
    assert one.known == 1, "the begin is of that time"
    with pytest.raises(UsageError, match="was not due from 2026-10-29 12:00 to 2026-10-29 12:01"):
        fires.backfill(project, "etl", caller(now), since=since, until=since + MINUTE)


def test_without_a_schedule_there_are_no_slots_to_make_up_for(project, keep):
    keep("name: etl\ntasks: {t: {executor: process, command: 'true'}}\n")
    with pytest.raises(UsageError, match="etl has no schedule"):
        fires.backfill(project, "etl", caller(NOON), since=NOON - MINUTE, until=NOON)


def test_there_is_an_end_to_how_many_are_made_up_for(project, flow):
    flow()
    with pytest.raises(UsageError, match="more than 1000 slots"):
        fires.backfill(project, "etl", caller(NOON), since=NOON - timedelta(days=8), until=NOON)
    assert queue.waiting(project) == []


def taken(store, now):
    """Run what waits longest."""
    *_, last = queue.take(store, queue.waiting(store)[0].id, caller(now)).events
    return last.run


def test_a_retry_finds_the_same_slot(project, flow):
    flow(command="test $ORK_SCHEDULED_TIME = 2026-11-01T12:10:00Z && test -e there")
    run = fire(project, NOON + 11 * MINUTE)
    assert run.state == "failed"
    (project.project / "there").touch()
    *_, last = retry(project, "etl#1", caller=caller(NOON)).events
    assert (last.run.state, last.run.scheduled) == ("success", NOON + 10 * MINUTE)
    *_, last = retry(
        project, "etl#1", caller=caller(NOON), options=Options(selection=Selection(only=("load",)))
    ).events
    assert (last.run.state, last.run.number) == ("success", 2)
    assert [name for name, _ in project.refs("fires/etl/")] == ["20261101T121000Z"]


def test_a_damaged_head_stops_no_other(project, keep, flow):
    flow()
    text = FLOW.format(schedule='"* * * * *"', command="true").replace("name: etl", "name: other")
    keep(text, path="other.yaml")
    (oid,) = plant(project, Blob(b"no deploy"))
    plant(project, workflows__etl=oid)
    all_lines = lines.Lines(project)
    assert [line.workflow for line in all_lines.look()] == ["other"]
    assert list(all_lines.wrong) == ["etl"]


def test_a_head_that_is_taken_away_has_no_lines(project, keep, flow):
    flow()
    keep("name: other\ntasks:\n  a: {executor: process, command: 'true'}\n", path="other.yaml")
    all_lines = lines.Lines(project)
    assert [line.workflow for line in all_lines.look()] == ["etl"]
    undo(project, stamp=stamp(1), now=NOON)
    assert [line.workflow for line in all_lines.look()] == ["etl"]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["slot", "now", "backfill", "retry"])
def test_a_run_that_a_person_asks_for_has_the_time_limit_of_its_schedule(project, flow, how):
    flow("{every: 1m, timeout: 1s}", command="test -e quick || sleep 60")
    now = NOON + 5 * MINUTE
    if how == "retry":
        run = fire(project, NOON + MINUTE)
        how_long = fires.retried(project, run.name, Options(), now=now)
        *_, last = retry(project, run.name, options=how_long, caller=caller(now)).events
        run = last.run
        longer = fires.retried(project, run.name, Options(timeout_s=60.0), now=now)
        assert (run.attempt, longer.timeout_s) == (2, 60.0)
        (project.project / "quick").touch()
        by_hand(project, now)
        assert fires.retried(project, run.name, Options(), now=now).timeout_s is None
    elif how == "backfill":
        fires.backfill(project, "etl", caller(now), since=NOON - MINUTE, until=NOON)
        run = taken(project, now)
    else:
        run = by_hand(project, now, slot=NOON - MINUTE if how == "slot" else None)
    assert (run.state, run.reason) == ("failed", "the run took longer than 1 s")


def by_hand(store: Store, now: datetime, slot: datetime | None = None) -> Run:
    """Return the run that a person has fired, as it has ended."""
    queued = fires.fire_now(store, "etl", caller(now), slot=slot)
    *_, last = queue.take(store, queued.id, caller(now)).events
    assert isinstance(last, RunFinished)
    return last.run


def test_a_run_that_a_person_fires_is_the_newest_of_its_schedule(project, flow):
    flow("{every: 12h, retries: 1}", command="false")
    now = NOON + 5 * MINUTE
    run = by_hand(project, now)
    assert fires.retries_of(project, run) == 1
    state = due(project, now).state
    assert (state.run.id, state.last) == (run.id, NOON)  # and it decides no slot
    (listed,) = fires.listed(project, lines.lines_of(project, "etl"), now)
    assert listed.last.name == "etl#1"


def test_a_run_after_which_another_was_started_is_not_tried_again(project, flow):
    flow("{every: 12h, retries: 1, overlap: allow}", command="false")
    first, second = (by_hand(project, NOON + n * MINUTE) for n in (5, 6))
    assert [fires.retries_of(project, run) for run in (first, second)] == [0, 1]
    slot = NOON + timedelta(hours=12)
    fired = fire(project, slot)
    assert [fires.retries_of(project, run) for run in (second, fired)] == [0, 1]
    missed = by_hand(project, slot + MINUTE, slot=NOON - timedelta(hours=12))
    assert [fires.retries_of(project, run) for run in (fired, missed)] == [0, 1]
    assert due(project, slot + MINUTE).state.last == slot


def test_what_a_person_fires_in_the_second_of_a_slot_is_run_all_the_same(project, flow):
    flow("{every: 1m, retries: 1}")
    slot = NOON + MINUTE
    fired = fire(project, slot)
    again = by_hand(project, slot)
    assert [fires.retries_of(project, run) for run in (fired, again)] == [1, 0]
    assert [run.id for run in runs_of(project)] == [fired.id, again.id]


def test_what_a_person_fires_of_several_schedules_is_of_none(project, keep):
    keep(
        FLOW.format(
            schedule='[{every: 1h, retries: 1}, {every: 1d, retries: 1, params: {day: "007"}}]',
            command="false",
        )
        + "params: {day: {default: none}}\n"
    )
    with pytest.raises(UsageError, match="2 schedules, each with other parameters") as refused:
        by_hand(project, NOON + MINUTE)
    assert str(refused.value.hint).startswith("say -i day=VALUE, or --slot TIME")
    assert list(project.refs("queue/")) == []
    queued = fires.fire_now(project, "etl", caller(NOON + MINUTE), given={"day": "7"})
    *_, last = queue.take(project, queued.id, caller(NOON + MINUTE)).events
    assert params_of(project, last.run) == {"day": 7}
    assert fires.retries_of(project, last.run) == 0
    assert list(project.refs("fires/")) == []


def test_a_slot_that_two_have_made_up_for_is_run_once(project, flow):
    flow()
    now, slot = NOON + 11 * MINUTE, NOON + 10 * MINUTE
    first = fires.fire_now(project, "etl", caller(now), slot=slot)
    # Who asked at the same moment had not seen that one waits.
    asked = replace(caller(now), scheduled=slot)
    second = queue.put(project, "etl", caller=asked, fire=first.entry.fire)
    list(queue.take(project, first.id, caller(now)).events)
    with pytest.raises(Conflict, match="a run was started for that slot"):
        list(queue.take(project, second.id, caller(now)).events)
