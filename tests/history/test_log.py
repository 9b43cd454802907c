"""The log of deploys, and how their runs went."""

from datetime import timedelta

import pytest

from ork.errors import NotFound, UsageError
from ork.history.log import LOOK_UPS_MAX, deploys_between, entry_of, log
from ork.objects.kinds import Deploy
from ork.objects.value import replace
from ork.runner import record
from ork.store.resolve import run_of_number
from ork.store.verdict import Tally, tally
from tests.history.histories import another_line
from tests.runs import begin_run, end_run, outcome, write_run
from tests.stores import NOON, stamp

NOW = NOON + timedelta(days=30)


def text(number, name="etl"):
    return f"name: {name}\ntasks: {{a: {{executor: process, command: echo {number}}}}}\n"


@pytest.fixture
def etl(project, keep):
    """Five deploys of etl, an hour apart."""
    for number in range(1, 6):
        keep(text(number), message=f"n{number}\n\nbody {number}", hours=number)
    return project


def messages(store, *arguments, **options):
    found = log(store, *arguments, now=NOW, **options)
    return [entry.deploy.message.partition("\n")[0] for entry in found]


def test_what_several_have_comes_after_what_one_alone_has_whatever_clocks_said(etl):
    second, third = (entry.oid for entry in list(log(etl, "etl", now=NOW))[1:3])
    another_line(etl, third, "a", 1, 9)  # a1 is older than what it comes after
    another_line(etl, second, "b", 4.5)
    found = messages(etl, "etl", others=["a/etl", "b/etl"])
    assert found == ["a2", "n5", "b1", "n4", "a1", "n3", "n2", "n1"]
    assert messages(etl, "etl", others=["a/etl", "b/etl"], limit=2) == found[:2]
    assert messages(etl, "a/etl...b/etl") == ["a2", "b1", "n4", "a1"]
    assert messages(etl, "etl~1...etl") == ["n5"]


def test_newest_first_or_oldest_first(etl):
    assert messages(etl, "etl") == ["n5", "n4", "n3", "n2", "n1"]
    assert messages(etl, "etl", reverse=True) == ["n1", "n2", "n3", "n4", "n5"]
    assert messages(etl, "etl", limit=2, reverse=True) == ["n4", "n5"]
    assert messages(etl, "etl", limit=0) == []


def test_from_a_revision_or_between_two(etl):
    assert messages(etl, "etl~3") == ["n2", "n1"]
    assert messages(etl, "etl~3..etl~1") == ["n4", "n3"]
    assert messages(etl, "etl~3..") == ["n5", "n4", "n3"]
    assert messages(etl, "..etl~3") == ["n2", "n1"]
    assert messages(etl, "etl~1..etl~3") == []
    found = deploys_between(etl, "etl~1", "etl", now=NOW)
    assert [deploy.message[:2] for _, deploy in found] == ["n5"]


def test_a_snapshot_as_an_end_is_that_of_the_workflow_at_the_other_end(etl, keep):
    second = deploys_between(etl, "etl~4", "etl~3", now=NOW)
    snapshot = next(second)[1].snapshot
    keep(text(2, "abc"), path="abc.yaml", hours=50)
    assert messages(etl, f"{snapshot}..etl") == ["n5", "n4", "n3"]
    assert messages(etl, f"etl~4..{snapshot}") == ["n2"]


def test_an_open_range_ends_with_the_same_workflow(etl, keep):
    keep(text(1, "other"), path="other.yaml", message="o1", hours=9)
    assert messages(etl, "etl~3..") == ["n5", "n4", "n3"]


def test_filters(etl):
    hour = timedelta(hours=1)
    assert messages(etl, "etl", since=NOON + 4 * hour) == ["n5", "n4"]
    assert messages(etl, "etl", until=NOON + 2 * hour) == ["n2", "n1"]
    assert messages(etl, "etl", since=NOON + 2 * hour, until=NOON + 3 * hour) == ["n3", "n2"]
    assert messages(etl, "etl", grep="body [34]") == ["n4", "n3"]
    assert messages(etl, "etl", author="^Ada .*org>$", limit=1) == ["n5"]
    assert messages(etl, "etl", author="Grace") == []
    assert messages(etl, "etl", grep="n[1-4]", limit=2) == ["n4", "n3"]


def test_all_workflows_are_merged_by_time(etl, keep):
    for number in (1, 2):
        keep(text(number, "other"), path="other.yaml", message=f"o{number}", hours=number + 2.5)
    assert messages(etl) == ["n5", "o2", "n4", "o1", "n3", "n2", "n1"]


def test_heads_and_tags_are_marked(etl):
    entries = list(log(etl, "etl", now=NOW))
    with etl.transaction(stamp()) as tx:
        tx.move("tags/etl/v1", old=None, new=entries[2].oid)
        tx.move("tags/etl/prod", old=None, new=entries[2].oid)
        tx.move("tags/etl/old", old=None, new=entries[4].oid)
    entries = list(log(etl, "etl", now=NOW))
    assert [entry.head for entry in entries] == [True, False, False, False, False]
    assert [entry.tags for entry in entries] == [(), (), ("prod", "v1"), (), ("old",)]


def test_with_the_change_of_each_deploy(etl):
    *later, first = log(etl, "etl", now=NOW, with_diff=True)
    assert [task.kind for entry in later for task in entry.diff.tasks] == ["changed"] * 4
    assert [task.kind for task in first.diff.tasks] == ["added"]
    assert next(log(etl, "etl", now=NOW)).diff is None


def test_what_cannot_be_logged(etl, project):
    with pytest.raises(NotFound):
        messages(etl, "none")
    with pytest.raises(UsageError, match="not a regular expression"):
        messages(etl, "etl", grep="[")


def test_nothing_is_deployed(project):
    with pytest.raises(NotFound, match="nothing is deployed here yet"):
        messages(project)


def test_a_history_of_a_thousand_deploys_is_no_recursion(project, keep):
    first = keep(text(1))
    template, previous = project.get(Deploy, first.deploy), first.deploy
    with project.transaction() as tx:
        for _ in range(2000):
            previous = tx.add(replace(template, parents=(previous,)))
        tx.move("workflows/etl", old=first.deploy, new=previous)
    assert len(messages(project, "etl")) == 2001
    assert len(messages(project, "etl~1999")) == 2


# -- runs


def test_how_the_runs_of_a_deploy_went(etl):
    head = etl.ref("workflows/etl")
    assert tally(etl, head).counts == {}
    with etl.transaction() as tx:
        tx.move(f"tally/{head}/7:failed=1,success=2", old=None, new=head)
    assert tally(etl, head).counts == {"failed": 1, "success": 2}
    assert tally(etl, head).last == 7
    assert next(log(etl, "etl", now=NOW)).runs.last == 7


def test_what_ended_at_the_same_moment_is_counted_together(etl):
    head = etl.ref("workflows/etl")
    with etl.transaction() as tx:
        for text in ("9:success=1", "10:failed=1,success=2"):
            tx.move(f"tally/{head}/{text}", old=None, new=head)
    assert tally(etl, head) == Tally(counts={"failed": 1, "success": 3}, last=10)


def test_two_runs_that_end_at_the_same_moment_are_both_counted(etl, monkeypatch):
    head = etl.ref("workflows/etl")
    one, other, last = (begin_run(etl, head) for _ in range(3))
    write = type(etl.backend).write

    def end(begun, state):
        begun.end(replace(begun.run, state=state, ended=NOW, duration=0), {}, {})

    def other_first(self, objects, moves, remove=(), needs=()):
        monkeypatch.undo()
        end(other, "failed")
        return write(self, objects, moves, remove, needs)

    monkeypatch.setattr(type(etl.backend), "write", other_first)
    end(one, "success")
    assert tally(etl, head) == Tally(counts={"failed": 1, "success": 1}, last=2)
    end(last, "success")
    assert tally(etl, head) == Tally(counts={"failed": 1, "success": 2}, last=3)
    assert len(list(etl.refs(f"tally/{head}/"))) == 1


def test_a_run_that_goes_on_is_counted_and_the_newest(etl):
    def told():
        (entry,) = log(etl, "etl", now=NOW, limit=1)
        assert entry.runs == entry_of(etl, head, entry.deploy).runs
        return dict(entry.runs.counts), entry.runs.last

    head = etl.ref("workflows/etl")
    a = etl.snapshot(etl.get(Deploy, head).snapshot).tasks["a"]
    states = {"a": outcome(a)}
    write_run(etl, head, states)
    write_run(etl, head, {"a": outcome(a, "failed")}, "failed")
    oid, failed = run_of_number(etl, "etl", 2)
    retried = record.resume(etl, oid, failed, failed, {})
    assert told() == ({"success": 1, "running": 1}, 2)
    begun = begin_run(etl, head)
    assert told() == ({"success": 1, "running": 2}, 3)
    end_run(retried, states, "success")
    end_run(begun, states, "success")
    assert told() == ({"success": 3}, 3)


def test_a_tally_that_makes_no_sense_is_empty(etl):
    head = etl.ref("workflows/etl")
    for text in (
        "",
        "7",
        "7:",
        ":success=1",
        "7:success",
        "7:success=x",
        "7:success=1,",
        "x/7:a=1",
    ):
        with etl.transaction() as tx:
            tx.move(f"tally/{head}/{text}", old=None, new=head)
        assert tally(etl, head) == Tally(counts={})


def test_far_back_the_tallies_are_the_same(project, keep):
    first = keep(text(1))
    template, previous, oids = project.get(Deploy, first.deploy), first.deploy, [first.deploy]
    with project.transaction() as tx:
        for _ in range(LOOK_UPS_MAX + 8):
            previous = tx.add(replace(template, parents=(previous,)))
            oids.append(previous)
        tx.move("workflows/etl", old=first.deploy, new=previous)
        for number, oid in enumerate(oids[::3]):
            tx.move(f"tally/{oid}/{number}:success={number + 1}", old=None, new=oid)
            tx.move(f"tally/{oid}/{number + 1}:failed=1", old=None, new=oid)
    found = list(log(project, "etl", now=NOW))
    assert [entry.runs for entry in found] == [tally(project, oid) for oid in reversed(oids)]
    assert [entry.head for entry in found] == [True] + [False] * (len(oids) - 1)
    assert sum(bool(entry.runs.counts) for entry in found[LOOK_UPS_MAX:]) == 3
