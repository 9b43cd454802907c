"""What is archived: nothing leads to it but its name, nothing fires, nothing is deployed to it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ork.daemon import fires, lines, pauses
from ork.errors import Conflict, InvalidInput, NotFound
from ork.heads.deploy import deploy, status
from ork.heads.rollback import rollback
from ork.heads.undo import at_operation, undo
from ork.heads.workflows import workflow_list
from ork.history.log import log
from ork.store import location
from ork.store.operations import operations
from ork.store.resolve import resolve, workflows
from ork.store.runs import runs
from ork.sync.backup import backup
from ork.sync.clone import clone
from ork.upkeep.fsck import fsck
from ork.upkeep.keep import Keep
from ork.upkeep.prune import gc
from tests.daemon.flow import FLOW, MINUTE, caller, fire
from tests.stores import NOON, stamp

SCHEDULE = '{cron: "*/10 * * * *", overlap: allow}'
ETL, CHANGED = (FLOW.format(schedule=SCHEDULE, command=word) for word in ("true", "false"))
OTHER = "name: other\ntasks:\n  a: {executor: process, command: 'true'}\n"


@pytest.fixture
def flow(project, keep):
    """Two workflows; etl is due every ten minutes and was fired once."""
    keep(ETL)
    keep(OTHER, path="other.yaml")
    fire(project, NOON + 11 * MINUTE)
    return project


def due(store, now):
    (only,) = fires.due(store, lines.lines_of(store, "etl"), now)
    return only


def archive(store):
    return pauses.archive(store, "etl", stamp=stamp(0.3))


def test_it_is_not_fired_by_hand_either(flow):
    archive(flow)
    now = caller(NOON + 35 * MINUTE)
    for by_hand in (
        lambda: fires.fire_now(flow, "etl", now),
        lambda: fires.fire_now(flow, "etl", now, slot=NOON + 20 * MINUTE),
        lambda: fires.backfill(flow, "etl", now, since=NOON, until=now.now),
    ):
        with pytest.raises(InvalidInput, match="etl is archived") as caught:
            by_hand()
        assert "`ork archive --undo etl`" in str(caught.value.hint)
    assert list(flow.refs("queue/")) == []


def test_only_its_name_leads_to_it(flow):
    archive(flow)
    assert workflows(flow) == ["other"]
    assert [one.workflow for one in workflow_list(flow, now=NOON)] == ["other"]
    assert [one.workflow for one in status(flow, flow.project, author="Ada")] == ["other"]
    assert [one.deploy.workflow for one in log(flow, None, now=NOON)] == ["other"]
    assert resolve(flow, "@", now=NOON).workflow == "other"
    assert list(runs(flow)) == []
    assert len(list(runs(flow, "etl"))) == len(list(runs(flow, without=()))) == 1
    assert len(list(log(flow, "etl", now=NOON))) == 1
    assert resolve(flow, "etl#1", now=NOON).workflow == "etl"
    both = list(workflow_list(flow, now=NOON, with_archived=True))
    assert [(one.workflow, one.archived, one.next) for one in both] == [
        ("etl", True, None),
        ("other", False, None),
    ]


def test_when_all_are_archived_none_is_meant(flow):
    archive(flow)
    pauses.archive(flow, "other", stamp=stamp(0.4))
    with pytest.raises(NotFound, match="all workflows are archived"):
        resolve(flow, "@", now=NOON)


def test_no_schedule_of_it_is_due(flow):
    archive(flow)
    assert lines.Lines(flow).look() == []
    one = due(flow, NOON + 21 * MINUTE)
    assert one.state.halted and one.decision is None


def test_a_daemon_sees_that_it_is_archived_and_taken_out(flow):
    every = lines.Lines(flow)
    assert [line.workflow for line in every.look()] == ["etl"]
    archive(flow)
    assert every.look() == []
    pauses.unarchive(flow, "etl", stamp=stamp(0.4), now=NOON + 20 * MINUTE)
    assert [line.workflow for line in every.look()] == ["etl"]


def test_a_fire_that_was_decided_before_is_lost(flow):
    now = NOON + 21 * MINUTE
    mine = due(flow, now)
    archive(flow)
    with pytest.raises(Conflict, match="etl was archived"):
        fire(flow, now, mine)
    assert len(list(flow.refs("runs/"))) == 1


def test_a_fire_sees_that_it_is_archived_while_the_run_is_prepared(flow, monkeypatch):
    now, prepared = NOON + 21 * MINUTE, fires.lines.move_on
    mine = due(flow, now)

    def and_archive(*args, **options):
        prepared(*args, **options)
        monkeypatch.setattr(fires.lines, "move_on", prepared)
        archive(flow)

    monkeypatch.setattr(fires.lines, "move_on", and_archive)
    with pytest.raises(Conflict, match="etl was archived"):
        fire(flow, now, mine)
    assert len(list(flow.refs("runs/"))) == 1


def test_what_went_by_is_left_out(flow):
    archive(flow)
    now = NOON + 45 * MINUTE
    assert pauses.unarchive(flow, "etl", stamp=stamp(0.8), now=now).left_out == 3
    (skip,) = lines.skipped(flow, "etl")
    assert (skip.count, skip.last, skip.reason) == (3, NOON + 40 * MINUTE, "archived")
    one = due(flow, now)
    assert one.decision.fire is None and one.decision.wake == NOON + 50 * MINUTE


def test_a_pause_outlives_it(flow):
    pauses.pause(flow, "etl", stamp=stamp(0.2))
    archive(flow)
    pauses.unarchive(flow, "etl", stamp=stamp(0.4), now=NOON + 20 * MINUTE)
    assert due(flow, NOON + 31 * MINUTE).decision is None


def test_nothing_is_deployed_to_it(flow, keep):
    keep(CHANGED)
    archive(flow)
    assert keep(CHANGED).changed is False
    with pytest.raises(InvalidInput, match="etl is archived"):
        keep(ETL)
    with pytest.raises(InvalidInput, match="etl is archived"):
        rollback(flow, "etl", "etl~1", stamp=stamp(), now=NOON)
    pauses.unarchive(flow, "etl", stamp=stamp(0.5), now=NOON + 30 * MINUTE)
    assert keep(ETL).changed is True


@pytest.mark.parametrize("act", ["deploy", "rollback"])
def test_nothing_is_deployed_to_what_is_archived_meanwhile(flow, keep, monkeypatch, act):
    keep(CHANGED)
    path, head = flow.project / "etl.yaml", flow.ref("workflows/etl")
    path.write_text(ETL)
    moved = type(flow.transaction()).move

    def and_archive(tx, ref, **ends):
        moved(tx, ref, **ends)
        if ref == "workflows/etl":
            monkeypatch.undo()
            archive(flow)

    monkeypatch.setattr(type(flow.transaction()), "move", and_archive)
    with pytest.raises(InvalidInput if act == "deploy" else Conflict):
        if act == "deploy":
            deploy(flow, path, stamp=stamp())
        else:
            rollback(flow, "etl", "etl~1", stamp=stamp(), now=NOON)
    assert flow.ref("workflows/etl") == head


def test_it_is_an_operation(flow):
    head = flow.ref("workflows/etl")
    archive(flow)
    before = next(operations(flow))[0]
    assert next(operations(flow))[1].moves == (("archived/etl", None, head),)
    undo(flow, stamp=stamp(0.4), now=NOON)
    assert workflows(flow) == ["etl", "other"]
    assert workflows(at_operation(flow, before, now=NOON)) == ["other"]
    assert due(flow, NOON + 21 * MINUTE).decision.fire == NOON + 20 * MINUTE


def test_a_deploy_tells_of_no_ref_that_it_compares(flow, keep):
    keep(CHANGED)
    assert {ref for _, one in operations(flow) for ref, *_ in one.moves} == {
        "workflows/etl",
        "workflows/other",
    }


def test_twice_changes_nothing(flow):
    ops = flow.ref("ops")
    assert pauses.unarchive(flow, "etl", stamp=stamp(), now=NOON).already
    assert flow.ref("ops") == ops
    assert not archive(flow).already
    ops = flow.ref("ops")
    assert archive(flow).already
    assert flow.ref("ops") == ops
    for act in (pauses.archive, pauses.unarchive):
        with pytest.raises(NotFound):
            act(flow, "none", stamp=stamp(), **({"now": NOON} if act is pauses.unarchive else {}))


@pytest.mark.slow
def test_upkeep_keeps_it_and_it_is_of_one_store(flow, tmp_path):
    archive(flow)
    now = NOON + timedelta(days=400)
    assert gc(flow, now=now, keep=Keep(undo_days=0), stamp=stamp(), force=True).runs == {}
    assert whole(flow)
    backup(flow, tmp_path / "copy", environ={})
    source, target = str(flow.project), str(tmp_path / "cloned")
    clone(source, target, scheme="lmdb", start=tmp_path, environ={}, stamp=stamp(1))
    for name, there in (("copy", ["other"]), ("cloned", ["etl", "other"])):
        with location.open_store(tmp_path / name / ".ork", environ={}) as store:
            assert workflows(store) == there
            assert whole(store)


def whole(store):
    return all(
        one.level != "error" for one in fsck(store.folder, environ={}, depth="full").findings
    )
