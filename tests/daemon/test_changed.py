"""A schedule that gets other times, goes, or comes back: nothing of what was due is lost."""

from __future__ import annotations

import pytest

from ork.daemon import fires, lines, pauses
from ork.daemon.lines import CHANGED
from ork.heads.rename import rename
from ork.heads.rollback import rollback
from ork.heads.undo import undo
from ork.objects.value import replace
from tests.daemon.flow import FLOW, MINUTE, caller, decisions, due, fire
from tests.stores import NOON, stamp

# Runs end by the clock of the machine: none of them is in the way.
TENS = '{cron: "*/10 * * * *", overlap: allow}'
HOURS = '{cron: "0 * * * *", overlap: allow}'
NONE = ""
PARAM = "params: {n: {type: int, default: 1}}"


@pytest.fixture
def to(project, keep):
    """Deploy the workflow with a schedule, or none, so many minutes after noon."""

    def change(schedule, minutes):
        text = FLOW.format(schedule=schedule, command="true")
        keep(text if schedule else text.replace("schedule: \n", ""), hours=minutes / 60)

    return change


def at(minutes, command="test"):
    return replace(stamp(minutes / 60), argv=("ork", command))


def take_back(store, minutes, **options):
    undo(store, stamp=at(minutes, "undo"), now=NOON, **options)


def moment(minutes):
    return NOON + minutes * MINUTE


def left_out(store, workflow="etl"):
    """Return what is recorded as left out: how many, the minutes after noon, and why."""
    found = reversed([*lines.skipped(store, workflow)])
    return [
        (one.count, (one.first - NOON) / MINUTE, (one.last - NOON) / MINUTE, one.reason)
        for one in found
    ]


def gone(store, since=None, *, after=NOON - MINUTE):
    """Return what is told of schedules that went."""
    return lines.gone(store, since, after=after)


def record_gone(store):
    """Do as `ork up` does when it begins."""
    for line, skips in gone(store):
        fires.leave_out(store, line.workflow, line.schedule, skips)


def test_what_was_due_by_the_times_before_is_left_out(project, to):
    to(TENS, 0)
    fire(project, moment(11))
    to(HOURS, 45)
    assert decisions(project, moment(50)) == [(3, CHANGED)]
    assert left_out(project) == [(3, 20, 40, CHANGED)]
    assert decisions(project, moment(59)) == []
    assert decisions(project, moment(61)) == [60]


def test_the_write_of_the_next_fire_records_it_as_well(project, to):
    to(TENS, 0)
    to(HOURS, 45)
    assert decisions(project, moment(61)) == [(4, CHANGED), 60]
    assert left_out(project) == [(4, 10, 40, CHANGED)]


def test_several_changes_are_each_told(project, to):
    to(TENS, 0)
    to(HOURS, 25)
    to(TENS.replace("10", "20"), 65)
    to(NONE, 82)
    to(TENS, 101)
    assert decisions(project, moment(111)) == [(2, CHANGED), (1, CHANGED), (1, CHANGED), 110]
    assert left_out(project) == [(2, 10, 20, CHANGED), (1, 60, 60, CHANGED), (1, 80, 80, CHANGED)]


@pytest.mark.parametrize("how", ["rollback", "undo"])
@pytest.mark.parametrize("between", [False, True])
def test_times_that_come_back_are_neither_fired_twice_nor_lost(project, to, how, between):
    """Also where an `ork up` was there while the schedule was gone."""
    to(TENS, 0)
    fire(project, moment(11))
    to(NONE, 35)
    if between:
        record_gone(project)
    if how == "undo":
        take_back(project, 55)
    else:
        rollback(project, "etl", "etl~1", stamp=at(55), now=NOON)
    assert decisions(project, moment(61)) == ([] if between else [(2, CHANGED)]) + [60]
    assert left_out(project) == [(2, 20, 30, CHANGED)]
    assert len(list(project.refs("fires/"))) == 2
    record_gone(project)
    assert len(left_out(project)) == 1


def test_what_is_gone_is_left_out(project, to):
    to(f"[{{every: 10m}}, {{every: 5m, params: {{n: 2}}}}]\n{PARAM}", 0)
    to(f"{{every: 10m}}\n{PARAM}", 21)
    record_gone(project)
    assert left_out(project) == [(4, 5, 20, CHANGED)]
    assert decisions(project, moment(31)) == [(2, "ork was not up"), 30]


def test_it_is_left_out_of_a_workflow_that_is_taken_back_and_is_there_again(project, to):
    to(TENS, 0)
    take_back(project, 25)
    take_back(project, 35, redo=True)
    assert [*gone(project)] == []
    assert decisions(project, moment(41)) == [(2, CHANGED), 40]


def test_only_what_went_since_is_looked_for(project, to):
    to(TENS, 0)
    to(NONE, 25)
    assert [*gone(project, project.ref("ops"))] == []
    assert [*gone(project, after=moment(24))] != []
    assert [*gone(project, after=moment(25))] == []


def test_it_goes_with_another_name_and_back(project, to):
    to(TENS, 0)
    to(HOURS, 25)
    rename(project, "etl", "load", stamp=at(27))
    assert [*gone(project)] == []
    assert [skip.count for skip in due(project, moment(30)).decision.skips] == [2]
    take_back(project, 28)
    assert [*gone(project)] == []
    assert decisions(project, moment(61)) == [(2, CHANGED), 60]


def test_the_same_times_go_on_by_the_name_that_is_given_back(project, to):
    to(TENS, 0)
    rename(project, "etl", "load", stamp=at(15))
    take_back(project, 25)
    assert decisions(project, moment(31)) == [(2, "ork was not up"), 30]


@pytest.mark.parametrize("archived", [False, True])
def test_it_is_left_out_when_a_pause_ends(project, to, archived):
    to(TENS, 0)
    to(HOURS, 25)
    if archived:
        pauses.archive(project, "etl", stamp=at(26))
        done = pauses.unarchive(project, "etl", stamp=at(130), now=moment(130))
    else:
        pauses.pause(project, "etl", stamp=at(26))
        done = pauses.resume(project, "etl", stamp=at(130), now=moment(130))
    assert done.left_out == 4
    assert left_out(project)[0] == (2, 10, 20, CHANGED)
    assert decisions(project, moment(131)) == []


def test_a_run_by_hand_loses_nothing_of_it(project, to):
    to(TENS, 0)
    to(HOURS, 25)
    queued = fires.fire_now(project, "etl", caller(moment(26)))
    [*_] = fires.queue.take(project, queued.id, caller(moment(27))).events
    assert decisions(project, moment(28)) == [(2, CHANGED)]


def test_lists_tell_of_it_before_anybody_has_recorded_it(project, to):
    to(TENS, 0)
    to(HOURS, 25)
    some, now = lines.lines_of(project, "etl"), moment(50)
    (listed,) = fires.listed(project, some, now)
    assert [(one.count, one.reason) for one in listed.left_out] == [(2, CHANGED)]
    assert (listed.due, listed.next) == (None, moment(60))
    (late,) = fires.late(project, some, now, grace=MINUTE, since=NOON)
    assert (late.left_out, late.count, late.reason) == (True, 2, CHANGED)
    assert fires.late(project, some, now, grace=MINUTE, since=moment(21)) == []
    assert left_out(project) == [(2, 10, 20, CHANGED)]
    assert next(project.refs("skips/"), None) is None
    decisions(project, now)
    assert left_out(project) == [(2, 10, 20, CHANGED)]
    assert fires.listed(project, some, now) == [listed]
    assert fires.late(project, some, now, grace=MINUTE, since=NOON) == [late]


def test_another_policy_is_no_change_of_times(project, to):
    to(TENS, 0)
    to(TENS.replace("overlap", "catchup: all, overlap"), 25)
    assert decisions(project, moment(31)) == [10, 20, 30]
