"""Pauses: recorded, taken back, and what goes by meanwhile."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice

import pytest

from ork.daemon import fires, lines, pauses
from ork.errors import Conflict, NotFound, UsageError
from ork.heads.undo import undo
from ork.objects.value import replace
from ork.store.operations import operations
from tests.daemon.flow import FLOW, MINUTE, caller, decisions, due, fire
from tests.stores import ADA, NOON, stamp


@pytest.fixture
def flow(project, keep):
    """A store with the workflow, due every ten minutes."""
    keep(FLOW.format(schedule='"*/10 * * * *"', command="true"))
    return project


def test_nothing_is_due_while_it_is_paused(flow):
    paused = pauses.pause(flow, "etl", stamp=stamp(0.1))
    assert (paused.author, paused.since) == (ADA, stamp(0.1).time)
    one = due(flow, NOON + 11 * MINUTE)
    assert one.state.halted and one.decision is None
    ops = flow.ref("ops")
    assert pauses.pause(flow, "etl", stamp=stamp(0.2)) == paused
    assert flow.ref("ops") == ops


def test_a_fire_that_was_decided_before_the_pause_is_lost(flow):
    now = NOON + 11 * MINUTE
    mine = due(flow, now)
    pauses.pause(flow, "etl", stamp=stamp(0.2))
    with pytest.raises(Conflict, match="etl was paused"):
        fire(flow, now, mine)
    assert list(flow.refs("runs/")) == []


def test_a_pause_while_the_run_is_prepared_is_seen(flow, monkeypatch):
    now = NOON + 11 * MINUTE
    mine = due(flow, now)
    prepared = fires.lines.move_on

    def and_pause(*args, **options):
        prepared(*args, **options)
        monkeypatch.setattr(fires.lines, "move_on", prepared)
        pauses.pause(flow, "etl", stamp=stamp(0.2))

    monkeypatch.setattr(fires.lines, "move_on", and_pause)
    with pytest.raises(Conflict, match="etl was paused"):
        fire(flow, now, mine)
    assert list(flow.refs("runs/")) == []


def test_what_went_by_is_left_out_and_who_paused_is_told(flow):
    pauses.pause(flow, "etl", stamp=stamp(0.1))
    now = NOON + 35 * MINUTE
    done = pauses.resume(flow, "etl", stamp=stamp(35 / 60), now=now)
    assert done.left_out == 3
    (skip,) = lines.skipped(flow, "etl")
    assert (skip.count, skip.last, skip.reason) == (3, NOON + 30 * MINUTE, "paused by Ada Lovelace")
    one = due(flow, now)
    assert one.decision.fire is None and one.decision.wake == NOON + 40 * MINUTE


@pytest.mark.parametrize("archived", [False, True])
@pytest.mark.parametrize(
    ("catchup", "at_once", "later"),
    [
        ("all", [10, 20, 30], [10, 20, 30, 70, 80]),
        ("latest", [(2, "ork was not up"), 30], [(3, "ork was not up"), (1, "ork was not up"), 80]),
    ],
)
def test_what_was_due_before_stays_due(project, keep, catchup, at_once, later, archived):
    keep(FLOW.format(schedule=f'{{cron: "*/10 * * * *", catchup: {catchup}}}', command="true"))
    back, now = stamp(65 / 60), NOON + 65 * MINUTE
    if archived:
        pauses.archive(project, "etl", stamp=stamp(35 / 60))
        done = pauses.unarchive(project, "etl", stamp=back, now=now)
    else:
        pauses.pause(project, "etl", stamp=stamp(35 / 60))
        done = pauses.resume(project, "etl", stamp=back, now=now)
    assert done.left_out == 3
    (skip,) = lines.skipped(project, "etl")
    assert (skip.first, skip.last) == (NOON + 40 * MINUTE, NOON + 60 * MINUTE)
    (late, _) = fires.late(project, lines.lines_of(project, "etl"), now, grace=MINUTE, since=NOON)[
        ::-1
    ]
    assert (late.count, late.last, late.left_out) == (3, NOON + 30 * MINUTE, False)
    pauses.pause(project, "etl", stamp=back)
    assert pauses.resume(project, "etl", stamp=back, now=now).left_out == 0
    assert next(lines.undecided(project, lines.lines_of(project, "etl"))) == NOON + 10 * MINUTE
    expected, now = (at_once, now) if catchup == "all" and archived else (later, now + 20 * MINUTE)
    assert decisions(project, now) == expected
    assert sum(one.count for one in lines.skipped(project, "etl")) + len(
        list(project.refs("fires/"))
    ) == (6 if expected is at_once else 8)


def test_an_undo_lets_the_policy_catch_up(flow):
    pauses.pause(flow, "etl", stamp=stamp(0.1))
    undo(flow, stamp=stamp(0.5), now=NOON)
    decision = due(flow, NOON + 35 * MINUTE).decision
    assert decision.fire == NOON + 30 * MINUTE and decision.skips[0].count == 2


def test_one_that_an_undo_gives_back_goes_on_from_its_begin(flow):
    pauses.pause(flow, "etl", stamp=stamp(0.1))
    pauses.resume(flow, "etl", stamp=stamp(0.4), now=NOON + 24 * MINUTE)
    undo(flow, stamp=replace(stamp(0.5), argv=("ork", "undo")), now=NOON)
    assert pauses.paused(flow, "etl").since == stamp(0.1).time
    now = NOON + 45 * MINUTE
    assert pauses.resume(flow, "etl", stamp=stamp(0.75), now=now).left_out == 2
    assert sum(one.count for one in lines.skipped(flow, "etl")) == 4
    pauses.pause(flow, "etl", stamp=stamp(0.8))
    assert pauses.paused(flow, "etl").since == stamp(0.8).time


def test_pauses_are_operations(flow):
    pauses.pause(flow, "etl", stamp=stamp(0.1))
    pauses.resume(flow, "etl", stamp=stamp(0.2), now=NOON + 12 * MINUTE)
    moves = [one.moves for _, one in islice(operations(flow), 2)]
    head = flow.ref("workflows/etl")
    assert moves == [(("paused/etl", head, None),), (("paused/etl", None, head),)]


def test_a_clock_that_was_in_the_future_is_put_right(flow):
    tomorrow = NOON + timedelta(days=1, minutes=11)
    fire(flow, tomorrow)
    assert due(flow, NOON + 21 * MINUTE).decision.fire is None
    now = NOON + 21 * MINUTE
    pauses.resume(flow, "etl", stamp=stamp(0.4), now=now)
    assert due(flow, now).state.last == now
    ops = flow.ref("ops")
    assert pauses.resume(flow, "etl", stamp=stamp(0.4), now=now).already
    assert flow.ref("ops") == ops


def test_what_has_no_schedule_is_not_paused(flow, keep):
    keep("name: other\ntasks:\n  a: {executor: process, command: 'true'}\n", path="other.yaml")
    with pytest.raises(UsageError, match="other has no schedule"):
        pauses.pause(flow, "other", stamp=stamp())
    for act in (pauses.pause, pauses.resume):
        with pytest.raises(NotFound):
            act(flow, "none", stamp=stamp(), **({"now": NOON} if act is pauses.resume else {}))


@pytest.fixture
def three(flow, keep):
    """The store with report as well, due every hour, and with hand, which has no schedule."""
    for name, schedule in (("report", '"0 * * * *"'), ("hand", None)):
        text = FLOW.format(schedule=schedule, command="true").replace("name: etl", f"name: {name}")
        text = text if schedule else text.replace("schedule: None\n", "")
        keep(text, path=f"{name}.yaml")
    return flow


def states(store, now):
    every = lines.Lines(store).look()
    return {one.line.workflow: one.state for one in fires.due(store, every, now)}


def halted(store):
    return [name for name, one in sorted(states(store, NOON).items()) if one.halted]


def test_all_are_paused_and_resumed_each_in_one_operation(three):
    pauses.pause(three, "report", stamp=stamp(0.1))
    done = pauses.pause_all(three, stamp=stamp(0.2))
    assert [(one.workflow, one.since) for one in done] == [("etl", stamp(0.2).time)]
    assert halted(three) == ["etl", "report"]
    ops = three.ref("ops")
    assert pauses.pause_all(three, stamp=stamp(0.3)) == []
    assert three.ref("ops") == ops
    now = NOON + 61 * MINUTE
    done = pauses.resume_all(three, stamp=stamp(61 / 60), now=now)
    assert [(one.workflow, one.left_out) for one in done] == [("etl", 5), ("report", 1)]
    assert halted(three) == []
    _, operation = next(operations(three))
    assert [ref for ref, _, _ in operation.moves] == ["paused/etl", "paused/report"]
    ops = three.ref("ops")
    assert pauses.resume_all(three, stamp=stamp(61 / 60), now=now) == []
    assert three.ref("ops") == ops


def test_an_undo_takes_back_a_pause_of_all_and_no_other(three):
    pauses.pause(three, "report", stamp=stamp(0.1))
    pauses.pause_all(three, stamp=stamp(0.2))
    undo(three, stamp=stamp(0.3), now=NOON)
    assert halted(three) == ["report"]
    pauses.resume_all(three, stamp=stamp(0.4), now=NOON + MINUTE)
    assert halted(three) == []
    undo(three, stamp=stamp(0.5), now=NOON)
    assert halted(three) == ["report"]


def test_of_all_what_is_archived_is_neither_paused_nor_resumed(three):
    pauses.pause(three, "report", stamp=stamp(0.1))
    for name in ("etl", "report"):
        pauses.archive(three, name, stamp=stamp(0.2))
    with pytest.raises(UsageError, match="no workflow has a schedule"):
        pauses.pause_all(three, stamp=stamp(0.3))
    now = NOON + 61 * MINUTE
    assert pauses.resume_all(three, stamp=stamp(0.4), now=now) == []
    pauses.unarchive(three, "report", stamp=stamp(61 / 60), now=now)
    assert pauses.paused(three, "report").since == stamp(0.1).time
    (done,) = pauses.resume_all(three, stamp=stamp(2.5), now=NOON + 150 * MINUTE)
    assert (done.workflow, done.left_out) == ("report", 1)
    told = [(one.count, one.reason) for one in lines.skipped(three, "report")]
    assert told == [(1, "paused by Ada Lovelace"), (1, "archived")]


def test_all_that_a_wrong_clock_has_decided_about_go_on_from_now(three):
    tomorrow, now = NOON + timedelta(days=1, minutes=11), NOON + 21 * MINUTE
    every = lines.Lines(three).look()
    one = next(one for one in fires.due(three, every, tomorrow) if one.line.workflow == "etl")
    fire(three, tomorrow, one)
    (done,) = pauses.resume_all(three, stamp=stamp(0.4), now=now)
    assert (done.workflow, states(three, now)["etl"].last) == ("etl", now)


def test_all_that_are_paused(flow):
    assert pauses.all_paused(flow) == {}
    pauses.pause(flow, "etl", stamp=stamp(0.1))
    assert list(pauses.all_paused(flow)) == ["etl"]
    assert caller(NOON).now == NOON
