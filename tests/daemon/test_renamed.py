"""The schedule of a workflow that takes another name."""

from __future__ import annotations

import pytest

from ork.daemon import fires, lines, pauses
from ork.errors import OrkError
from ork.heads.rename import rename
from ork.upkeep.fsck import inspect
from tests.daemon.flow import FLOW, MINUTE, caller, due, fire
from tests.stores import NOON, stamp


@pytest.fixture
def flow(project, keep):
    """A workflow that is due every ten minutes, and was fired once."""
    keep(FLOW.format(schedule='{cron: "*/10 * * * *", overlap: allow}', command="true"))
    fire(project, NOON + 11 * MINUTE)
    return project


def renamed(store):
    rename(store, "etl", "load", stamp=stamp(0.5))


def test_what_was_due_stays_due_by_its_new_name(flow):
    every = lines.Lines(flow)
    every.look()
    renamed(flow)
    assert [line.workflow for line in every.look()] == ["load"]
    now = NOON + 41 * MINUTE
    one = due(flow, now)
    assert (one.line.workflow, one.decision.fire) == ("load", NOON + 40 * MINUTE)
    (skip,) = one.decision.skips
    assert (skip.count, skip.first) == (2, NOON + 20 * MINUTE), "12:10 was fired by the old name"
    *_, ended = fires.fire(flow, "load", one.line.schedule, one.decision, caller(now)).events
    assert (ended.run.workflow, ended.run.number) == ("load", 2)
    assert not [one for one in inspect(flow, depth="full") if getattr(one, "level", "") == "error"]


def test_a_pause_goes_with_it(flow):
    pauses.pause(flow, "etl", stamp=stamp(0.3))
    renamed(flow)
    assert due(flow, NOON + 41 * MINUTE).decision is None
    assert pauses.paused(flow, "load").since == stamp(0.3).time
    done = pauses.resume(flow, "load", stamp=stamp(0.8), now=NOON + 48 * MINUTE)
    assert (done.workflow, done.left_out) == ("load", 3)


def test_lists_have_what_was_left_out_by_the_name_before(flow):
    decision = due(flow, NOON + 41 * MINUTE).decision
    fires.leave_out(flow, "etl", due(flow, NOON).line.schedule, decision.skips)
    renamed(flow)
    some, now = lines.lines_of(flow, "load"), NOON + 41 * MINUTE
    (late,) = fires.late(flow, some, now, grace=60 * MINUTE, since=NOON)
    assert (late.workflow, late.left_out, late.count) == ("etl", True, 2)
    assert [one.left_out for one in fires.listed(flow, some, now)] == [
        tuple(lines.skipped(flow, "load"))
    ]
    assert [skip.count for skip in lines.skipped(flow, "etl", "load")] == [2]


def test_a_fire_that_was_decided_before_is_lost(flow):
    now = NOON + 21 * MINUTE
    mine = due(flow, now)
    renamed(flow)
    with pytest.raises(OrkError, match="etl was renamed to load"):
        fire(flow, now, mine)
    assert len(list(flow.refs("runs/"))) == 1


def test_another_that_takes_the_name_is_not_held_back_by_what_failed_before(project, keep):
    text = FLOW.format(schedule='{cron: "*/10 * * * *", after_failure: hold}', command="exit 1")
    keep(text)
    fire(project, NOON + 11 * MINUTE)
    renamed(project)
    now = NOON + 41 * MINUTE
    assert due(project, now).state.going.holds, "by its new name it is"
    keep(text, hours=0.6, new=True)
    some = [line for line in lines.Lines(project).look() if line.workflow == "etl"]
    (its,) = fires.due(project, some, now)
    assert its.state.going is None and its.decision.fire == NOON + 40 * MINUTE
