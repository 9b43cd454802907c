"""`after_failure: hold`: after a run that failed nothing is fired until that is mended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from ork.daemon import fires, lines, pauses, queue
from ork.heads.decisions import decided, decided_ref
from ork.heads.deploy import Deployed
from ork.heads.rename import rename
from ork.objects.kinds import Blob, Run
from ork.objects.value import replace
from ork.runner.choices import Selection
from ork.runner.events import RunFinished
from ork.runner.start import Options, Started, retry, start
from ork.store.store import Store
from tests.daemon.flow import MINUTE, caller, decisions, due, fire
from tests.runs import taint
from tests.stores import ADA, NOON, plant, stamp

Keep = Callable[..., Deployed]
FLOW = """\
name: etl
params: {{n: {{type: int, default: 1}}}}
schedule: {{cron: "*/10 * * * *", after_failure: hold{more}}}
tasks:
  load: {{executor: process, command: test -e mended, inputs: {{n: {{ref: params.n}}}}}}
  other: {{executor: process, command: "true"}}
"""
FIRST = NOON + 10 * MINUTE


@pytest.fixture
def failed(project: Store, keep: Keep) -> Callable[..., Run]:
    """Deploy the workflow, and fire its first slot, which fails: failed(", catchup: all")."""

    def deployed(more: str = "") -> Run:
        keep(FLOW.format(more=more))
        run = fire(project, FIRST)
        assert run.state == "failed"
        return as_ended(project, run, 12)

    return deployed


def mend(store: Store) -> None:
    (store.project / "mended").touch()


def as_ended(store: Store, run: Run, minutes: float) -> Run:
    """Let a run have ended so long after noon: it was recorded by the clock of today."""
    run = replace(run, ended=NOON + minutes * MINUTE)
    ref = f"runs/{run.workflow}/{run.id}"
    with store.transaction() as tx:
        tx.move(ref, old=store.ref(ref), new=tx.add(run))
    return run


def ended(store: Store, started: Started, minutes: float) -> Run:
    """Return a run as it has ended so long after noon."""
    *_, last = started.events
    assert isinstance(last, RunFinished)
    return as_ended(store, last.run, minutes)


def tried_again(store: Store, run: Run, minutes: float) -> Run:
    return ended(store, retry(store, run.name, caller=caller(NOON + minutes * MINUTE)), minutes)


def by_hand(store: Store, what: str = "etl", minutes: float = 30, **options: object) -> Run:
    who = caller(NOON + minutes * MINUTE)
    return ended(store, start(store, what, options=Options(**options), caller=who), minutes)


def late_at(store: Store, now: datetime) -> list[fires.Late]:
    some = lines.lines_of(store, "etl")
    return fires.late(store, some, now, grace=10 * MINUTE, since=NOON)


def left_out(store: Store) -> list[tuple[int, datetime, str]]:
    return [(skip.count, skip.last, skip.reason) for skip in lines.skipped(store, "etl")]


@pytest.mark.parametrize("catchup", ["latest", "none", "all"])
def test_no_slot_is_fired_after_a_failure(project, failed, catchup):
    run = failed(f", catchup: {catchup}")
    for minutes in (20, 20.5, 65, 60 * 20):
        decision = due(project, NOON + minutes * MINUTE).decision
        assert (decision.fire, decision.skips) == (None, ())
    (listed,) = fires.listed(project, lines.lines_of(project, "etl"), NOON + 65 * MINUTE)
    assert (listed.held_by, listed.next, listed.due) == (run.name, None, NOON + 20 * MINUTE)
    (late,) = late_at(project, NOON + 65 * MINUTE)
    assert (late.left_out, late.count, late.reason) == (False, 5, f"held back by {run.name}")
    assert late_at(project, NOON + 25 * MINUTE) == []


@pytest.mark.parametrize(
    ("catchup", "slot", "left"), [("latest", 60, 4), ("none", None, 5), ("all", 20, 0)]
)
def test_a_retry_that_succeeds_lets_it_go_on_as_catchup_says(project, failed, catchup, slot, left):
    run = failed(f", catchup: {catchup}")
    mend(project)
    assert tried_again(project, run, 62).state == "success"
    decision = due(project, NOON + 62 * MINUTE).decision
    assert decision.fire == (slot and NOON + slot * MINUTE)
    assert [skip.count for skip in decision.skips] == ([left] if left else [])
    assert {skip.reason for skip in decision.skips} <= {"held back by etl#1"}
    if decision.fire:
        assert fire(project, NOON + 62 * MINUTE).state == "success"


def test_a_retry_that_fails_again_holds_it_back(project, failed):
    run = failed()
    pauses.resume(project, "etl", stamp=stamp(0.4), now=NOON + 25 * MINUTE)
    assert due(project, NOON + 26 * MINUTE).decision.fire == NOON + 20 * MINUTE
    assert tried_again(project, run, 27).state == "failed"
    assert due(project, NOON + 31 * MINUTE).decision.fire is None


def test_a_run_by_hand_mends_it_that_is_whole_and_for_the_same(project, failed):
    failed()
    assert by_hand(project).state == "failed"
    mend(project)
    assert by_hand(project, values={"n": 2}).state == "success"
    assert by_hand(project, selection=Selection(only=("other",))).state == "success"
    assert by_hand(project).number == 5
    taint(project, "etl", 5, load=("load.sh",))
    assert due(project, NOON + 31 * MINUTE).decision.fire is None
    assert by_hand(project, "etl#1").state == "success"
    assert due(project, NOON + 31 * MINUTE).decision.fire == NOON + 30 * MINUTE


def test_a_fire_by_hand_is_the_newest_run_and_counts(project, failed):
    failed()
    mend(project)
    now = NOON + 25 * MINUTE
    queued = fires.fire_now(project, "etl", caller(now))
    assert ended(project, queue.take(project, queued.id, caller(now)), 25).state == "success"
    assert due(project, now).decision.fire == NOON + 20 * MINUTE


def test_resume_lets_it_go_on_and_what_went_by_is_due(project, failed):
    failed()
    now = NOON + 45 * MINUTE
    done = pauses.resume(project, "etl", stamp=stamp(0.75), now=now)
    assert done.left_out == 0
    assert pauses.resume(project, "etl", stamp=stamp(0.76), now=now).already
    (line,) = lines.lines_of(project, "etl")
    passed = decided(project, decided_ref("etl", line.schedule)).passed
    assert (passed.author, passed.time) == (ADA, now)
    assert as_ended(project, fire(project, now + 6 * MINUTE), 52).number == 2
    assert left_out(project) == [(3, NOON + 40 * MINUTE, "held back by etl#1")]
    assert due(project, NOON + 61 * MINUTE).decision.fire is None, "that one has failed as well"


@pytest.mark.parametrize("how", ["retry", "by hand", "resume"])
def test_another_name_leaves_it_held_back_until_it_is_mended(project, failed, how):
    run = failed()
    rename(project, "etl", "load", stamp=stamp(0.3))
    (listed,) = fires.listed(project, lines.lines_of(project, "load"), NOON + 21 * MINUTE)
    assert (listed.held_by, listed.last.name) == ("etl#1", "etl#1")
    assert due(project, NOON + 21 * MINUTE).decision.fire is None
    mend(project)
    if how == "retry":
        assert tried_again(project, run, 25).state == "success"
    elif how == "by hand":
        assert by_hand(project, "load", minutes=25).name == "load#2"
    else:
        pauses.resume(project, "load", stamp=stamp(0.4), now=NOON + 25 * MINUTE)
    assert due(project, NOON + 31 * MINUTE).decision.fire == NOON + 30 * MINUTE
    rename(project, "load", "third", stamp=stamp(0.5))
    assert due(project, NOON + 31 * MINUTE).decision.fire == NOON + 30 * MINUTE


def test_the_end_of_all_pauses_leaves_it_held_back(project, failed):
    failed()
    pauses.pause_all(project, stamp=stamp(0.4))
    (done,) = pauses.resume_all(project, stamp=stamp(0.5), now=NOON + 31 * MINUTE)
    assert (done.left_out, done.held_by) == (1, ("etl#1",))
    assert due(project, NOON + 41 * MINUTE).decision.fire is None
    pauses.pause(project, "etl", stamp=stamp(0.7))
    pauses.resume(project, "etl", stamp=stamp(0.8), now=NOON + 49 * MINUTE)
    assert due(project, NOON + 51 * MINUTE).decision.fire is None
    pauses.resume(project, "etl", stamp=stamp(0.84), now=NOON + 50.5 * MINUTE)
    assert decisions(project, NOON + 51 * MINUTE)[-1] == 50


def test_what_comes_between_the_attempts_of_a_run_is_held_back(project, failed):
    """Also when it is the schedule that tries again."""
    run = failed(", retries: 2, retry_delay: 30m")
    assert due(project, NOON + 21 * MINUTE).decision.fire is None
    mend(project)
    tried_again(project, run, 45)
    decision = due(project, NOON + 46 * MINUTE).decision
    assert decision.fire == NOON + 40 * MINUTE
    assert {skip.reason for skip in decision.skips} == {"held back by etl#1"}


def test_nonsense_about_who_let_it_go_on_is_corrupt(project, failed):
    failed()
    (line,) = lines.lines_of(project, "etl")
    ref = decided_ref("etl", line.schedule)
    text = b'{"passed":{"run":1},"slot":"2026-11-01T12:10:00Z"}'
    (oid,) = plant(project, Blob(text))
    plant(project, **{ref.replace("/", "__"): oid})
    with pytest.raises(lines.Corrupt):
        due(project, NOON + timedelta(hours=1))
