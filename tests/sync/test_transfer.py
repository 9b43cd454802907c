"""Push and pull: what the other side lacks moves, nothing else, and never half of it."""

from __future__ import annotations

import os
from contextlib import closing
from datetime import timedelta

import pytest

from ork.errors import Corrupt, NotFound, StoreError, UsageError
from ork.heads.deploy import deploy
from ork.heads.rename import rename
from ork.heads.tags import tag
from ork.heads.undo import undo
from ork.objects.canonical import hash_bytes
from ork.objects.kinds import Deploy, Operation, Run, Task, encode_object
from ork.objects.value import replace
from ork.runner import record
from ork.store import location
from ork.store.operations import operations
from ork.store.resolve import run_of_number
from ork.store.runs import refs_of
from ork.store.store import Store
from ork.store.verdict import Tally, tally, tally_text
from ork.sync.carrier import Side
from ork.sync.transfer import Choice, Transferred, transfer
from ork.upkeep.findings import Finding
from ork.upkeep.fsck import inspect
from tests.runs import outcome, write_retry, write_run
from tests.store.test_forgotten import forget
from tests.stores import NOON, contents, plant, stamp
from tests.sync.test_bundle import Places, forget_message, forget_text, heads, places

__all__ = ["places"]

BOTH = pytest.mark.parametrize("direction", ["push", "pull"])


def move(source: Store, target: Store, direction: str = "push", **options) -> Transferred:
    choice = Choice(
        **{key: options.pop(key) for key in ("workflows", "tags", "runs") & options.keys()}
    )
    anew = [Store(one.backend, folder=one.folder, shared=one.shared) for one in (source, target)]
    sides = Side(anew[0], "here"), Side(anew[1], "there")
    return transfer(*sides, choice, direction=direction, stamp=stamp(9), **options)


def is_whole(store: Store) -> bool:
    """As fsck in a process of its own, which here takes longer than all else."""
    fresh = Store(store.backend, folder=store.folder)
    found = [one for one in inspect(fresh, depth="full") if isinstance(one, Finding)]
    return not [one for one in found if one.level == "error"]


def deploy_two(places: Places, command: str = "echo 1") -> None:
    """Deploy another workflow."""
    file = places.store.project / "two.yaml"
    file.write_text(f"name: two\ntasks: {{a: {{executor: process, command: {command}}}}}\n")
    deploy(places.store, file, stamp=stamp())


def another_run(store: Store, hours: int, state: str = "success"):
    head = store.ref("workflows/etl")
    tasks = store.snapshot(store.get(Deploy, head).snapshot).tasks
    return write_run(
        store,
        head,
        {"a": outcome(tasks["a"], state)},
        state,
        created=NOON + timedelta(hours=hours),
    )


def retried_twice(places: Places, direction: str) -> Run:
    """Bring etl#2 to the first of the other stores, and retry it in both, in different ways."""
    (other,) = places.others
    run = another_run(places.store, 1, "failed")
    move(places.store, other, direction)
    tasks = places.store.snapshot(run.snapshot).tasks
    for store, number in ((places.store, 2), (other, 3)):
        states = {"a": outcome(tasks["a"], "success" if number == 2 else "failed", number=number)}
        write_retry(store, "etl", 2, states, states["a"].state)
    return run


@BOTH
def test_what_moves_is_the_same_there(places, direction):
    other = places.other()
    done = move(places.store, other, direction)
    assert heads(other) == heads(places.store)
    (etl,) = done.workflows
    assert (etl.deploys, etl.runs, etl.tags, etl.forced) == (2, 1, ("v1",), False)
    assert done.logs == 1 and done.objects == len(list(other.backend.oids())) - 1  # the operation
    assert is_whole(other)
    ((_, operation),) = operations(other)
    assert operation.author == stamp().author


@BOTH
def test_only_what_is_lacking_moves(places, direction):
    other = places.other()
    move(places.store, other, direction)
    before = contents(other)
    again = move(places.store, other, direction)
    assert (again.workflows, again.objects, again.logs) == ((), 0, 0)
    assert contents(other) == before
    places.deploy(3)
    another_run(places.store, 1)
    new = set(contents(places.store)[0]) - set(before[0])
    done = move(places.store, other, direction)
    # Without the pin of the tag, the operations of each side, which are its own.
    operation = {oid for oid, _ in operations(places.store)}
    assert done.objects == len(new - operation)
    assert (done.workflows[0].deploys, done.workflows[0].runs) == (1, 1)
    assert heads(other) == heads(places.store)
    assert is_whole(other)


def test_a_store_goes_by_another_kind_and_back(places):
    sqlite, back = places.folder / "sqlite/.ork", places.other("back")
    sqlite.parent.mkdir()
    location.create(sqlite, "sqlite")
    with closing(Store(location.open_backend(sqlite, environ={}), folder=sqlite)) as middle:
        move(places.store, middle)
        move(middle, back)
        assert is_whole(middle)
    assert heads(back) == heads(places.store)
    assert is_whole(back)


@BOTH
def test_a_dry_run_says_the_same_and_writes_nothing(places, direction):
    other = places.other()
    before = contents(other)
    said = move(places.store, other, direction, dry_run=True)
    assert contents(other) == before
    assert move(places.store, other, direction).workflows == said.workflows


@BOTH
def test_different_ways_are_refused_and_named(places, direction):
    other = places.other()
    move(places.store, other, direction)
    places.deploy("here")
    places.deploy("there", other)
    tag(other, "etl@v1", "etl", stamp=stamp(), now=NOON, force=True)
    before = contents(other)
    refused = move(places.store, other, direction).refused
    assert contents(other) == before
    ((etl,), here, there) = refused, heads(places.store), heads(other)
    assert [(one.name, one.old, one.new) for one in etl.heads] == [
        ("etl", there["workflows/etl"], here["workflows/etl"]),
        ("etl@v1", there["tags/etl/v1"], here["tags/etl/v1"]),
    ]
    done = move(places.store, other, direction, force=True)
    assert done.workflows[0].forced
    assert heads(other) == heads(places.store)
    undo(other, stamp=stamp(10), now=NOON)
    assert is_whole(other)


@BOTH
def test_a_receiver_that_is_further_stays(places, direction):
    other = places.other()
    move(places.store, other, direction)
    places.deploy("there", other)
    head = other.ref("workflows/etl")
    done = move(places.store, other, direction)
    assert done.further == ("etl",) and done.workflows == ()
    assert other.ref("workflows/etl") == head
    move(other, places.store, direction)
    assert heads(other) == heads(places.store)


@BOTH
def test_what_went_different_ways_does_not_stop_the_others(places, direction):
    other = places.other()
    deploy_two(places)
    move(places.store, other, direction)
    places.deploy("here")
    places.deploy("there", other)
    tag(places.store, "etl@v2", "etl", stamp=stamp(), now=NOON)
    deploy_two(places, "echo 2")
    another_run(places.store, 1)
    here, before = heads(places.store), heads(other)
    said = move(places.store, other, direction, dry_run=True)
    done = move(places.store, other, direction)
    assert [one.workflow for one in done.refused] == ["etl"] and said.refused == done.refused
    assert [one.workflow for one in done.workflows] == ["etl", "two"]
    after = heads(other)
    assert after["workflows/two"] == here["workflows/two"]
    assert after["workflows/etl"] == before["workflows/etl"] and "tags/etl/v2" not in after
    assert heads(other, "runs/") == heads(places.store, "runs/")  # with the deploy of each
    assert is_whole(other)
    undo(other, stamp=stamp(10), now=NOON)
    assert other.ref("workflows/two") == before["workflows/two"]
    move(places.store, other, direction, force=True)
    assert heads(other) == here
    assert is_whole(other)


@BOTH
def test_a_tag_that_is_elsewhere_stays_and_the_head_moves(places, direction):
    other = places.other()
    move(places.store, other, direction)
    places.deploy(3)
    tag(places.store, "etl@v3", "etl", stamp=stamp(), now=NOON)
    tag(other, "etl@v1", "etl", stamp=stamp(), now=NOON, force=True)
    here, theirs = heads(places.store), other.ref("tags/etl/v1")
    (etl,) = move(places.store, other, direction).refused
    assert [one.name for one in etl.heads] == ["etl@v1"]
    assert heads(other) == {**here, "tags/etl/v1": theirs}
    before = contents(other)
    assert move(places.store, other, direction).refused == (etl,)
    assert contents(other) == before
    assert not move(places.store, other, direction, tags=False).refused
    assert is_whole(other)
    move(places.store, other, direction, force=True)
    assert heads(other) == here


def retag(store: Store, revision: str) -> None:
    tag(store, "etl@v1", revision, stamp=stamp(), now=NOON, force=True)


def pull(team: Store, mine: Store, **options) -> Transferred:
    return move(team, mine, "pull", remote="origin", **options)


def push(mine: Store, team: Store, **options) -> Transferred:
    return move(mine, team, "push", remote="origin", **options)


def test_a_tag_that_was_moved_there_alone_is_moved_here_and_told(places):
    team, mine = places.store, places.other()
    pull(team, mine)
    old, new = heads(mine)["tags/etl/v1"], heads(mine)["workflows/etl"]
    retag(team, "etl")
    pushed = push(mine, team)
    assert (pushed.workflows, pushed.refused, pushed.moved_there) == ((), (), ("etl@v1",))
    move(team, mine, "fetch", remote="origin")  # which moves no tag, and forgets nothing of it
    (etl,) = pull(team, mine).workflows
    assert [(one.name, one.old, one.new) for one in etl.moved_tags] == [("etl@v1", old, new)]
    assert heads(mine) == heads(team)
    assert pull(team, mine) == push(mine, team) == move(team, mine), "nothing is left to tell"
    assert is_whole(mine)
    undo(mine, stamp=stamp(10), now=NOON)
    assert mine.ref("tags/etl/v1") == old
    again = pull(team, mine)  # which does not take back the undo
    assert (again.workflows, again.refused, again.moved_there) == ((), (), ("etl@v1",))


def test_a_tag_that_both_have_moved_stays_until_it_is_forced_alone(places):
    team, mine = places.store, places.other()
    places.deploy(3)
    pull(team, mine)
    retag(team, "etl~1")
    retag(mine, "etl")
    places.deploy("theirs")
    another_run(team, 1)
    theirs = heads(team)
    for _ in range(2):
        done = pull(team, mine)
        assert [[one.name for one in refused.heads] for refused in done.refused] == [["etl@v1"]]
    assert heads(mine) == {**theirs, "tags/etl/v1": heads(mine)["tags/etl/v1"]}
    places.deploy("mine", mine)
    assert push(mine, team).refused
    retag(mine, "etl")
    another_run(mine, 2)
    before = heads(team, "workflows/"), heads(team, "runs/")
    (etl,) = push(mine, team, workflows=("etl@v1",), force=True).workflows
    assert (etl.tags, etl.new, etl.runs, etl.deploys) == (("v1",), None, 0, 0)
    assert (heads(team, "workflows/"), heads(team, "runs/")) == before
    assert team.ref("tags/etl/v1") == mine.ref("tags/etl/v1")
    assert is_whole(team)


def test_a_tag_that_was_moved_here_alone_stays_here_and_is_pushed_by_force(places):
    team, mine = places.store, places.other()
    pull(team, mine)
    retag(mine, "etl")
    pulled = pull(team, mine)
    assert (pulled.workflows, pulled.refused, pulled.moved_there) == ((), (), ("etl@v1",))
    assert push(mine, team).refused and heads(team) != heads(mine)
    push(mine, team, workflows=("etl@v1",), force=True)
    assert heads(team) == heads(mine)
    retag(team, "etl~1")  # and from there on as from any tag that both have alike
    assert pull(team, mine).workflows and heads(team) == heads(mine)


def test_a_tag_that_was_moved_there_follows_a_rename(places):
    team, mine = places.store, places.other()
    pull(team, mine)
    rename(team, "etl", "load", stamp=stamp())
    tag(team, "load@v1", "load~1", stamp=stamp(), now=NOON, force=True)
    assert not pull(team, mine).refused
    assert heads(mine, "tags/") == heads(team, "tags/") and is_whole(mine)


@BOTH
def test_a_tag_goes_alone_only_where_its_workflow_is(places, direction):
    other = places.other()
    before = contents(other)
    for text, told in (("etl@v1", "has no etl"), ("etl@v2", "no tag etl@v2"), ("no@v1", "'no'")):
        with pytest.raises(NotFound, match=told):
            move(places.store, other, direction, workflows=(text,))
    with pytest.raises(UsageError, match="heads alone"):
        move(places.store, other, "fetch", workflows=("etl@v1",))
    assert contents(other) == before
    move(places.store, other, direction, tags=False)
    assert "tags/etl/v1" not in heads(other)
    (etl,) = move(places.store, other, direction, workflows=("etl@v1",)).workflows
    assert (etl.tags, heads(other)) == (("v1",), heads(places.store))


@BOTH
def test_another_run_of_a_number_keeps_it_and_stops_no_other(places, direction):
    other = places.other()
    move(places.store, other, direction, runs=0)
    mine = another_run(other, 1)
    places.deploy(3)
    another_run(places.store, 2)
    deploy_two(places)
    said = move(places.store, other, direction, dry_run=True)
    done = move(places.store, other, direction, force=True)
    assert said.refused == done.refused and said.workflows == done.workflows
    (clash,) = done.refused
    assert (clash.heads, clash.runs, clash.older, clash.newer) == ((), ("etl#1",), (), ("etl#1",))
    assert run_of_number(other, "etl", 1)[1] == mine
    assert run_of_number(other, "etl", 2) == run_of_number(places.store, "etl", 2)
    assert heads(other, "workflows/") == heads(places.store, "workflows/")
    assert heads(other, "tags/") == heads(places.store, "tags/")
    assert is_whole(other)
    before = contents(other)
    again = move(places.store, other, direction)
    (older,) = again.refused
    assert (older.runs, older.older, older.newer) == (("etl#1",), ("etl#1",), ()), "2 is of both"
    assert (again.workflows, again.objects) == ((), 0)
    assert contents(other) == before
    assert not move(places.store, other, direction, runs=1).refused


@BOTH
def test_a_run_that_went_on_in_two_ways_stays(places, direction):
    other, run = places.other(), retried_twice(places, direction)
    another_run(places.store, 3)
    kept = other.ref(f"runs/etl/{run.id}")
    done = move(places.store, other, direction)
    (refused,) = done.refused
    assert (refused.retried, refused.runs, refused.asks) == (("etl#2",), (), True)
    assert done.workflows[0].runs == 1
    assert other.ref(f"runs/etl/{run.id}") == kept
    assert is_whole(other)


@BOTH
def test_a_run_that_went_on_in_two_ways_goes_one_of_them_by_force(places, direction):
    other, run = places.other(), retried_twice(places, direction)
    said = move(places.store, other, direction, force=True, dry_run=True)
    done = move(places.store, other, direction, force=True)
    assert (done.refused, done.replaced) == ((), ("etl#2",)) == (said.refused, said.replaced)
    assert done.workflows[0].runs == 1
    assert heads(other) == heads(places.store)
    assert tally(other, run.deploy) == tally(places.store, run.deploy)
    assert is_whole(other)
    assert move(places.store, other, direction).workflows == ()


@BOTH
def test_a_retry_that_goes_on_loses_its_place_to_no_other(places, direction):
    other = places.other()
    run = another_run(places.store, 1, "failed")
    move(places.store, other, direction)
    tasks = places.store.snapshot(run.snapshot).tasks
    write_retry(places.store, "etl", 2, {"a": outcome(tasks["a"], number=2)}, "success")
    oid, before = run_of_number(other, "etl", 2)
    going = record.resume(other, oid, before, before, {})
    done = move(places.store, other, direction, force=True)
    assert (done.going_on, done.replaced, done.workflows) == (("etl#2",), (), ())
    assert other.ref(f"runs/etl/{run.id}") == going.oid


@BOTH
def test_a_run_that_went_on_goes_on_there(places, direction):
    other = places.other()
    run = another_run(places.store, 1, "failed")
    move(places.store, other, direction)
    tasks = places.store.snapshot(run.snapshot).tasks
    write_retry(places.store, "etl", 2, {"a": outcome(tasks["a"], number=2)}, "success")
    done = move(places.store, other, direction)
    assert done.workflows[0].runs == 1
    assert heads(other) == heads(places.store)
    assert tally(other, run.deploy) == tally(places.store, run.deploy)
    assert is_whole(other)
    later = heads(other)
    old = Store(places.store.backend, folder=places.store.folder)
    write_retry(other, "etl", 2, {"a": outcome(tasks["a"], number=3)}, "success")
    assert move(old, other, direction).workflows == ()
    assert later != heads(other)


@BOTH
def test_the_newest_runs_are_chosen(places, direction):
    for hours in range(1, 5):
        another_run(places.store, hours)
    other = places.other()
    assert move(places.store, other, direction, runs=2).workflows[0].runs == 2
    assert [ref for ref, _ in other.refs("numbers/etl/")] == ["0000000004", "0000000005"]
    assert is_whole(other)
    assert move(places.store, other, direction).workflows[0].runs == 3
    assert heads(other) == heads(places.store)
    assert is_whole(other)


def test_a_workflow_is_chosen_by_its_name(places):
    (places.store.project / "big.yaml").write_text(
        "name: big\ntasks: {a: {executor: process, command: 'true'}}\n"
    )
    deploy(places.store, places.store.project / "big.yaml", stamp=stamp())
    other = places.other()
    done = move(places.store, other, workflows=("big",), tags=False)
    assert [one.workflow for one in done.workflows] == ["big"]
    assert [name for name, _ in other.refs("workflows/")] == ["big"]
    with pytest.raises(NotFound, match="no workflow 'bag' in here"):
        move(places.store, other, workflows=("bag",))


@BOTH
def test_what_was_forgotten_never_comes_back(places, direction):
    other = places.other()
    move(places.store, other, direction)
    other, secret = forget_text(other)
    places.deploy(3)
    done = move(places.store, other, direction)
    assert other.backend.get(secret) is None
    assert other.ref("workflows/etl") == places.store.ref("workflows/etl")
    assert done.forgotten == ()
    assert is_whole(other)


@BOTH
def test_what_was_forgotten_does_not_come_back_by_another_workflow(places, direction):
    other = places.other()
    move(places.store, other, direction)
    head = other.get(Deploy, other.ref("workflows/etl"))
    secret = other.snapshot(head.snapshot).tasks["a"]
    (empty,) = plant(other, replace(other.get(Task, secret), command="[forgotten]"))
    other = forget(other, secret, empty)
    other.backend.sweep(lambda: [secret])
    file = places.store.project / "etl.yaml"
    (places.store.project / "two.yaml").write_text(file.read_text().replace("etl", "two"))
    deploy(places.store, places.store.project / "two.yaml", stamp=stamp())
    done = move(places.store, other, direction)
    assert [one.workflow for one in done.workflows] == ["two"]
    assert other.backend.get(secret) is None
    assert is_whole(other)


@BOTH
def test_what_the_sender_forgot_is_forgotten_there(places, direction):
    places.store, secret = forget_text(places.store)
    other = places.other()
    move(places.store, other, direction)
    assert Store(other.backend).blob(secret) == b"[forgotten]"
    assert is_whole(other)


@BOTH
def test_a_head_that_the_sender_forgot_is_read_as_soon_as_it_is_there(places, direction):
    places.store = forget_message(places.store)
    other = places.other()
    assert not other.forgotten
    sides = Side(places.store, "here"), Side(other, "there")
    transfer(*sides, Choice(), direction=direction, stamp=stamp(9))
    assert other.get(Deploy, other.ref("workflows/etl")).message == "[forgotten]"
    assert is_whole(other)


@BOTH
def test_what_the_receiver_has_of_what_was_forgotten_is_told(places, direction):
    other = places.other()
    move(places.store, other, direction)
    places.store, secret = forget_text(places.store)
    places.deploy(3)
    done = move(places.store, other, direction)
    assert done.forgotten == (secret,)
    assert other.backend.get(secret) and other.ref(f"forgotten/{secret}") is None
    assert is_whole(other)


def test_a_damaged_source_moves_nothing(places):
    task = places.store.snapshot(
        places.store.get(Deploy, places.store.ref("workflows/etl")).snapshot
    ).tasks["a"]
    places.store.backend.sweep(lambda: [task])
    other = places.other()
    with pytest.raises(Corrupt, match=f"here: object {task}"):
        move(places.store, other)
    assert heads(other) == {}
    assert is_whole(other)
    assert os.listdir(other.folder / "logs") == []


@BOTH
@pytest.mark.parametrize("of_another", [False, True])
def test_a_number_that_gc_removed_does_not_come_back(places, direction, of_another):
    for hours in (1, 2):
        another_run(places.store, hours)
    other = places.other()
    move(places.store, other, direction)
    run = run_of_number(other, "etl", 2)[1]
    with other.transaction() as tx:
        for ref in refs_of(run):
            tx.move(ref, old=other.ref(ref), new=None)
        left = tally_text(Tally(counts={"success": 2}, last=3))
        for text, oid in other.refs(f"tally/{run.deploy}/"):
            tx.move(f"tally/{run.deploy}/{text}", old=oid, new=None)
        tx.move(f"tally/{run.deploy}/{left}", old=None, new=run.deploy)
    gone = Operation(
        argv=("ork", "gc"),
        author="a",
        moves=(("numbers/etl/0000000002", None, None),),
        parent=other.ref("ops"),
        time=NOON,
    )
    plant(other, gone, ops=hash_bytes(encode_object(gone)))
    source = places.store
    if of_another:
        source = places.other("second")
        move(other, source, direction, runs=0)
        for hours in (0, 3):
            another_run(source, hours)
        with source.transaction() as tx:  # the first is the same in both
            tx.move("numbers/etl/0000000001", old=source.ref("numbers/etl/0000000001"), new=None)
    before = contents(other)
    done = move(source, other, direction)
    assert done.removed == ("etl#2",)
    assert contents(other)[1] == before[1]
    assert is_whole(other)


@BOTH
def test_a_run_that_goes_on_is_left_out_and_told(places, direction):
    head = places.store.ref("workflows/etl")
    pin = replace(another_run(places.store, 1), id="", state="running", ended=None, tasks=None)
    begun = record.begin(
        places.store, replace(pin, created=NOON + timedelta(hours=2)), {}, random="000000"
    )
    other = places.other()
    done = move(places.store, other, direction)
    assert done.going_on == (f"etl#{begun.run.number}",)
    assert done.workflows[0].runs == 2
    assert is_whole(other)
    assert other.ref("workflows/etl") == head
    tasks = places.store.snapshot(pin.snapshot).tasks
    ended = replace(begun.run, state="success", ended=NOON + timedelta(hours=3))
    begun.end(ended, {"a": outcome(tasks["a"])}, {})
    assert move(places.store, other, direction).workflows[0].runs == 1
    assert heads(other) == heads(places.store)


@BOTH
def test_a_run_of_a_deploy_that_is_in_no_history_goes_along(places, direction):
    other = places.other()
    move(places.store, other, direction)
    places.deploy(3)
    another_run(places.store, 1)
    undo(places.store, stamp=stamp(10), now=NOON)
    assert move(places.store, other, direction).workflows[0].runs == 1
    assert heads(other) == heads(places.store)
    assert is_whole(other)


def test_a_run_without_a_deploy_goes_along(places):
    head = places.store.get(Deploy, places.store.ref("workflows/etl"))
    tasks = places.store.snapshot(head.snapshot).tasks
    pin = replace(another_run(places.store, 1), id="", state="running", ended=None, tasks=None)
    pin = replace(pin, deploy=None, created=NOON + timedelta(hours=2))
    begun = record.begin(places.store, pin, {}, random="000000", place={"root": "."})
    ended = replace(begun.run, state="success", ended=NOON + timedelta(hours=3))
    begun.end(ended, {"a": outcome(tasks["a"])}, {})
    other = places.other()
    move(places.store, other)
    assert heads(other) == heads(places.store)
    assert dict(other.refs("unattached/")) == dict(places.store.refs("unattached/")) != {}
    assert is_whole(other)


def test_a_source_that_can_only_be_read_is_enough(places):
    other = places.other()
    reading = Store(
        location.open_backend(places.store.folder, environ={}, readonly=True),
        folder=places.store.folder,
    )
    move(reading, other)
    assert heads(other) == heads(places.store)


@BOTH
def test_large_logs_go_by_a_store_that_machines_share(places, direction):
    run = run_of_number(places.store, "etl", 1)[1]
    text = b"".join(b"%d\n" % number for number in range(400_000))  # more than two parts
    (places.store.folder / "logs/etl" / run.id / "1.log").write_bytes(text)
    middle, last = places.other("middle"), places.other("last")
    middle = Store(middle.backend, folder=middle.folder, shared=True)
    assert move(places.store, middle, direction).logs == 1
    parts = [ref for ref, _ in middle.refs(f"logs/etl/{run.id}/1.log/")]
    assert len(parts) > 2
    assert not (middle.folder / "logs/etl").exists()
    assert move(middle, last, direction).logs == 1
    assert (last.folder / "logs/etl" / run.id / "1.log").read_bytes() == text
    assert is_whole(middle) and is_whole(last)
    first = f"logs/etl/{run.id}/1.log/{parts[1]}"
    middle.backend.write({}, {first: (middle.ref(first), None)})
    with pytest.raises(StoreError, match="is missing"):
        move(middle, places.other("no"), direction)
