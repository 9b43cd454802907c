"""Pauses: recorded, taken back, and what goes by meanwhile."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ork.daemon import fires, lines, pauses
from ork.errors import Conflict, NotFound, UsageError
from ork.heads.undo import undo
from ork.store.operations import operations
from tests.daemon.flow import FLOW, MINUTE, caller, due, fire
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
    with pytest.raises(UsageError, match="etl is paused already by Ada Lovelace"):
        pauses.pause(flow, "etl", stamp=stamp(0.2))


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


def test_an_undo_lets_the_policy_catch_up(flow):
    pauses.pause(flow, "etl", stamp=stamp(0.1))
    undo(flow, stamp=stamp(0.5), now=NOON)
    decision = due(flow, NOON + 35 * MINUTE).decision
    assert decision.fire == NOON + 30 * MINUTE and decision.skips[0].count == 2


def test_pauses_are_operations(flow):
    pauses.pause(flow, "etl", stamp=stamp(0.1))
    pauses.resume(flow, "etl", stamp=stamp(0.2), now=NOON + 12 * MINUTE)
    moves = [one.moves for _, one in operations(flow, limit=2)]
    head = flow.ref("workflows/etl")
    assert moves == [(("paused/etl", head, None),), (("paused/etl", None, head),)]


def test_a_clock_that_was_in_the_future_is_put_right(flow):
    tomorrow = NOON + timedelta(days=1, minutes=11)
    fire(flow, tomorrow)
    assert due(flow, NOON + 21 * MINUTE).decision.fire is None
    now = NOON + 21 * MINUTE
    pauses.resume(flow, "etl", stamp=stamp(0.4), now=now)
    assert due(flow, now).state.last == now
    with pytest.raises(UsageError, match="etl is not paused"):
        pauses.resume(flow, "etl", stamp=stamp(0.4), now=now)


def test_what_has_no_schedule_is_not_paused(flow, keep):
    keep("name: other\ntasks:\n  a: {executor: process, command: 'true'}\n", path="other.yaml")
    with pytest.raises(UsageError, match="other has no schedule"):
        pauses.pause(flow, "other", stamp=stamp())
    for act in (pauses.pause, pauses.resume):
        with pytest.raises(NotFound):
            act(flow, "none", stamp=stamp(), **({"now": NOON} if act is pauses.resume else {}))


def test_all_that_are_paused(flow):
    assert pauses.all_paused(flow) == {}
    pauses.pause(flow, "etl", stamp=stamp(0.1))
    assert list(pauses.all_paused(flow)) == ["etl"]
    assert caller(NOON).now == NOON
