"""A workflow that was renamed, on its way to other stores."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ork.errors import Corrupt, InvalidInput, NotFound
from ork.heads.rename import rename
from ork.heads.tags import tag
from ork.heads.undo import undo
from ork.heads.workflows import workflow_list
from ork.history.compare_runs import LastFailure, last_failure
from ork.objects.kinds import Deploy
from ork.objects.value import replace
from ork.runner import record
from ork.runner.target import target_of
from ork.store.resolve import REMOTES, next_number, resolve, run_of_number, workflows
from ork.store.runs import Executed, earlier, going_on, newest_of, runs
from ork.store.store import Store
from ork.sync.select import Wish
from tests.runs import PIN, begin_run, end_run, outcome, write_run
from tests.stores import NOON, plant, stamp
from tests.sync.test_bundle import Places, heads, take
from tests.sync.test_transfer import is_whole, move

SPACES = ("workflows/", "tags/", "runs/", "numbers/", "ran/", "tally/", "former/")


@pytest.fixture
def places(project, tmp_path):
    """Two deploys of etl, of which the first has a tag and the second a run."""
    made = Places(project, tmp_path)
    made.deploy(1)
    tag(project, "etl@v1", stamp=stamp(), now=NOON)
    made.deploy(2)
    made.run()
    return made


def carried(store):
    return {ref: oid for ref, oid in store.backend.refs() if ref.startswith(SPACES)}


def renamed(places: Places) -> None:
    rename(places.store, "etl", "load", stamp=stamp(1))


def test_a_push_into_an_empty_store_brings_all_of_it(places):
    renamed(places)
    other = places.other()
    done = move(places.store, other)
    assert [(one.workflow, one.deploys, one.runs) for one in done.workflows] == [("load", 3, 1)]
    assert carried(other) == carried(places.store)
    assert resolve(other, "load@v1", now=NOON).workflow == "load"
    assert is_whole(other)


def test_of_one_workflow_its_former_runs_come_along(places):
    renamed(places)
    other = places.other()
    move(places.store, other, workflows=("load",))
    assert carried(other) == carried(places.store)


def test_by_a_former_name_alone_the_runs_of_that_come(places):
    renamed(places)
    done = move(places.store, places.other(), workflows=("etl",))
    assert [(one.workflow, one.runs) for one in done.workflows] == [("etl", 1)]


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_a_store_that_has_the_old_name_follows_the_rename(places, direction):
    other = places.other()
    move(places.store, other)
    tag(other, "etl@theirs", stamp=stamp(), now=NOON)
    with other.transaction(stamp()) as tx:
        tx.move("paused/etl", old=None, new=other.ref("workflows/etl"))
    renamed(places)
    (load,) = move(places.store, other, direction).workflows
    assert (load.was, load.deploys, load.tags) == (("etl",), 1, ("theirs", "v1"))
    assert load.old == places.store.get(Deploy, load.new).parents[0]
    assert workflows(other) == ["load"]
    assert resolve(other, "load@theirs", now=NOON).deploy == load.old
    assert not dict(other.refs("tags/etl/")) and other.ref("paused/load")
    assert len(list(runs(other, "load"))) == 1
    assert is_whole(other)
    undo(other, stamp=stamp(10), now=NOON)
    assert workflows(other) == ["etl"] and other.ref("tags/etl/theirs")
    assert is_whole(other)


def test_a_store_that_has_both_names_gives_up_the_old_one(places):
    other = places.other()
    move(places.store, other)
    old = dict(other.refs("workflows/"))
    renamed(places)
    move(places.store, other)
    with other.transaction(stamp()) as tx:  # as pushes left it once
        tx.move("workflows/etl", old=None, new=old["etl"])
    assert move(other, places.store, "pull").further == ("etl",)
    assert move(places.store, other).workflows[0].was == ("etl",)
    assert workflows(other) == ["load"]


def test_a_new_workflow_may_have_the_former_name(places):
    other = places.other()
    move(places.store, other)
    renamed(places)
    places.deploy(7, new=True)
    assert workflows(places.store) == ["etl", "load"]
    move(places.store, other)
    assert heads(other) == heads(places.store)
    assert is_whole(other)


def test_a_pull_does_not_bring_the_old_name_back(places):
    other = places.other()
    move(places.store, other)
    renamed(places)
    before = carried(places.store)
    told = move(other, places.store, "pull")
    assert carried(places.store) == before
    assert told.further == ("etl",)


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_what_was_deployed_under_the_old_name_meanwhile_goes_a_different_way(places, direction):
    other = places.other()
    move(places.store, other)
    base = places.store.ref("workflows/etl")
    renamed(places)
    other.project.mkdir(exist_ok=True)
    places.deploy(7, other)
    names = ("etl", "load") if direction == "pull" else ("load", "etl")
    ways = (other, places.store) if direction == "pull" else (places.store, other)
    before = heads(other), heads(places.store)
    (one,) = move(*ways, direction).refused
    (end,) = one.heads
    assert (end.name, end.receiver, end.base) == (*names, base)
    assert (heads(other), heads(places.store)) == before
    forced = move(*ways, direction, force=True)
    assert workflows(ways[1]) == ["load"]
    assert forced.refused == ((one,) if direction == "pull" else ())
    assert [load.left for load in forced.workflows] == ([] if direction == "pull" else [1])
    assert is_whole(other) and is_whole(places.store)


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_what_the_receiver_has_renamed_stays_where_another_has_the_name(places, direction):
    other = places.other()
    move(places.store, other)
    renamed(places)
    places.deploy(7, new=True)
    before = heads(places.store)
    other.project.mkdir(exist_ok=True)
    places.deploy(8, other)
    for force in (False, True):
        (etl,) = move(other, places.store, direction, force=force).refused
        (end,) = etl.heads
        assert (end.name, end.receiver, end.renamed_by) == ("etl", "load", "receiver")
        assert heads(places.store) == before


def test_two_that_renamed_alike_tell_of_heads_alone(places):
    other = places.other()
    move(places.store, other)
    renamed(places)
    rename(other, "etl", "load", stamp=stamp(2))
    (load,) = move(places.store, other).refused
    assert [one.name for one in load.heads] == ["load"]
    move(places.store, other, force=True)
    assert heads(other) == heads(places.store)
    assert is_whole(other)


@pytest.mark.parametrize("numbers_twice", [False, True])
def test_what_ran_by_the_old_name_until_it_heard_of_the_new_one_is_of_that(places, numbers_twice):
    other = places.other()
    move(places.store, other)
    renamed(places)
    head, count = other.ref("workflows/etl"), 2
    task = other.snapshot(other.get(Deploy, head).snapshot).tasks["a"]
    for state in ("failed", "success", "failed"):
        count += 1
        at = NOON + timedelta(hours=count)
        write_run(other, head, {"a": outcome(task, state)}, state, created=at)
    told = ["etl#4", "etl#3", "etl#2", "etl#1"]
    if numbers_twice:
        own = places.store.ref("workflows/load")
        options = {"workflow": "load", "created": NOON + timedelta(hours=3.5)}
        write_run(places.store, own, {"a": outcome(task)}, **options)
        told.insert(2, "load#2")
    move(places.store, other)
    move(other, places.store, "pull")
    for store in (other, places.store):
        found = [one.run for one in runs(store, "load")]
        assert [one.name for one in found] == told
        assert [one.name for one in earlier(store, found[0])] == told[1:]
        assert last_failure(store, "load") == LastFailure(good="etl#3", bad="etl#4")
        assert [one.run for one in newest_of(store, ["load"], 1)["load"]] == found[:1]
        (row,) = workflow_list(store, now=NOON)
        assert row.last_run == "etl#4"
        assert is_whole(store)
    own = "load#2" if numbers_twice else "etl#2"
    assert run_of_number(other, "load", 2)[1].name == own
    assert next_number(other, "load") == 5


@pytest.fixture
def apart(places):
    """Another store with its own etl, and runs of that before and after it heard of the rename."""
    other = places.other()
    places.deploy(7, other)
    head = other.ref("workflows/etl")
    renamed(places)
    for hours, state in ((0.5, "success"), (0.6, "failed")):
        run_of(other, head, state, created=NOON + timedelta(hours=hours))
    move(places.store, other, "pull")
    run_of(other, head, "failed", created=NOON + timedelta(hours=2))
    return other


def run_of(store, head, state="success", **options):
    task = store.snapshot(store.get(Deploy, head).snapshot).tasks["a"]
    return write_run(store, head, {"a": outcome(task, state)}, state, **options)


def listed(store, workflow):
    return [one.run.name for one in runs(store, workflow)]


def test_runs_by_a_name_that_two_workflows_had_are_of_the_one_that_has_their_deploy(places, apart):
    told = ["etl#3", "etl#2", "etl#1"]
    assert (listed(apart, "etl"), listed(apart, "load")) == (told, [])
    found = resolve(apart, "etl", now=NOON).snapshot
    executed = Executed(kind="snapshot", oid=found)
    assert len(list(runs(apart, "etl", executed=executed))) == 3
    assert not list(runs(apart, "load", executed=executed))
    newest = run_of_number(apart, "etl", 3)[1]
    assert [one.name for one in earlier(apart, newest)] == told[1:]
    assert last_failure(apart, "etl") == LastFailure(good="etl#1", bad="etl#2")
    newest_runs = newest_of(apart, ["etl", "load"], 1)
    assert {name: [one.run for one in its] for name, its in newest_runs.items()} == {
        "etl": [newest],
        "load": [],
    }
    assert [row.last_run for row in workflow_list(apart, now=NOON)] == ["#3", ""]
    with pytest.raises(NotFound, match="no run load#1") as refused:
        run_of_number(apart, "load", 1)
    assert refused.value.hint == "it has no runs"
    begin_run(apart, apart.ref("workflows/etl"))
    assert going_on(apart, "etl").startswith("run:") and going_on(apart, "load") == "load"
    assert target_of(apart, resolve(apart, "load~2", now=NOON)).workflow == "load"
    first = resolve(apart, "load~1", now=NOON).oid  # a deploy by the name etl
    assert target_of(apart, resolve(apart, first, now=NOON)).workflow == "load"


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_so_they_are_where_both_arrive_and_by_later_names(places, apart, direction):
    store = places.store
    assert listed(store, "load") == ["etl#1"]
    move(apart, store, direction, workflows=("etl",))
    assert listed(store, "load") == ["etl#1"]  # the other one of this name stayed
    assert listed(store, "etl") == ["etl#3", "etl#2"]
    rename(store, "etl", "third", stamp=stamp(3))
    rename(store, "load", "etl", stamp=stamp(4))
    assert listed(store, "etl") == ["etl#1"]
    assert listed(store, "third") == ["etl#3", "etl#2"]
    assert [one.name for one in earlier(store, run_of_number(store, "third", 3)[1])] == ["etl#2"]
    assert is_whole(store)


def test_a_run_without_a_deploy_is_of_the_one_that_has_its_snapshot_else_of_its_time(places, apart):
    places.deploy(8, apart)
    heads_of = {name: apart.ref(f"workflows/{name}") for name in workflows(apart)}
    undo(apart, stamp=stamp(), now=NOON)
    now_gone = apart.get(Deploy, heads_of["etl"]).snapshot
    own = apart.get(Deploy, apart.ref("workflows/etl")).snapshot
    its = apart.get(Deploy, heads_of["load"]).snapshot

    for snapshot, hours, name in (
        (own, 0.1, "etl"),
        (its, 5, "load"),
        (now_gone, 0.1, "load"),
        (now_gone, 5, "etl"),
    ):
        pin = replace(PIN, snapshot=snapshot, created=NOON + timedelta(hours=hours))
        run = end_run(record.begin(apart, pin, {}, random="000000"), {}, "success")
        assert [one for one in workflows(apart) if run.name in listed(apart, one)] == [name]


def test_a_run_of_what_was_undone_is_of_the_workflow_that_had_it(places, apart):
    move(apart, places.store, "push", workflows=("etl",))
    store = places.store
    places.deploy(8)
    head = store.ref("workflows/etl")
    undo(store, stamp=stamp(), now=NOON)
    run = run_of(store, head, created=NOON)
    assert run.name in listed(store, "etl") and run.name not in listed(store, "load")


def test_where_a_history_is_damaged_runs_are_listed_all_the_same(places, apart):
    before = {*listed(apart, "etl"), *listed(apart, "load")}
    lost = apart.get(Deploy, apart.ref("workflows/load")).parents[0]
    apart.backend.sweep(lambda: [lost])
    store = Store(apart.backend, folder=apart.folder)
    assert {*listed(store, "etl"), *listed(store, "load")} == before


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_two_new_names_of_one_workflow_are_different_ways(places, direction):
    other, third = places.other(), places.other("third")
    move(places.store, other)
    move(places.store, third)
    renamed(places)
    rename(other, "etl", "take", stamp=stamp(2))
    (load,) = move(places.store, other, direction).refused
    (end,) = load.heads
    assert (end.name, end.receiver) == ("load", "take")
    assert workflows(other) == ["take"]
    (load,) = move(places.store, other, direction, force=True).workflows
    assert load.was == ("take",)
    assert workflows(other) == ["load"]
    assert is_whole(other)
    move(other, third)
    assert workflows(third) == ["load"]
    assert is_whole(third)


@pytest.mark.parametrize("direction", ["push", "pull", "bundle"])
def test_a_tag_of_a_deploy_that_gives_way_with_its_name_stays_behind(places, direction):
    other, third = places.other(), places.other("third")
    move(places.store, other)
    renamed(places)
    rename(other, "etl", "take", stamp=stamp(2))
    tag(other, "take@theirs", stamp=stamp(3), now=NOON)
    with other.transaction(stamp(4)) as tx:
        tx.move("paused/take", old=None, new=other.ref("workflows/take"))
        tx.move("archived/take", old=None, new=other.ref("workflows/take"))
    before = carried(other)
    if direction == "bundle":
        taken = take(other, places.bundle(), force=True)
        assert taken.left == (("load", 1),)
        assert taken.left_tags == {"load": ("take@theirs",)}
    else:
        (load,) = move(places.store, other, direction, force=True).workflows
        assert (load.left, load.left_tags, load.tags) == (1, ("take@theirs",), ("v1",))
    assert dict(other.refs("tags/")) == {"load/v1": before["tags/take/v1"]}
    head = places.store.ref("workflows/load")
    assert other.ref("paused/load") == other.ref("archived/load") == head
    assert is_whole(other)
    move(other, third)
    assert is_whole(third)
    undo(other, stamp=stamp(10), now=NOON)
    assert carried(other) == before
    assert is_whole(other)


def test_a_push_forgets_each_name_that_is_no_more_there(places):
    other = places.other()
    move(places.store, other, remote="origin")
    rename(other, "etl", "take", stamp=stamp(2))
    renamed(places)
    assert dict(places.store.refs(REMOTES)).keys() == {"origin/etl"}
    move(places.store, other, remote="origin", force=True)
    assert dict(places.store.refs(REMOTES)) == {"origin/load": other.ref("workflows/load")}


def test_a_bundle_lets_a_store_follow_the_rename(places):
    other, third = places.other(), places.other("third")
    move(places.store, other)
    move(places.store, third)
    renamed(places)
    file = places.bundle(Wish(all=True, runs=None))
    take(other, file)
    assert workflows(other) == ["load"]
    assert is_whole(other)
    third.project.mkdir(exist_ok=True)
    places.deploy(7, third)
    with pytest.raises(InvalidInput, match="etl: here there is something else"):
        take(third, file)


def test_a_bundle_does_not_bring_the_old_name_back(places):
    other = places.other()
    move(places.store, other)
    renamed(places)
    before = carried(places.store)
    theirs, file = Places(other, places.folder), str(places.folder / "a.bundle")
    theirs.bundle()
    assert take(places.store, file).moves == ()
    assert carried(places.store) == before
    other.project.mkdir(exist_ok=True)
    theirs.deploy(7)
    theirs.bundle()
    with pytest.raises(InvalidInput, match=r"^load: here there is something else") as refused:
        take(places.store, file)
    assert f"\netl in {file}: " in refused.value.message
    hint = "etl keeps the name load here, by --force as well: else there would be two of it; there "
    assert refused.value.hint.startswith(f"{hint}`ork mv etl load` comes first")
    with pytest.raises(InvalidInput, match=r"^load: here there is something else"):
        take(places.store, file, force=True)
    assert carried(places.store) == before
    rename(other, "etl", "load", stamp=stamp(3))
    theirs.bundle()
    take(places.store, file, force=True)
    assert workflows(places.store) == ["load"]
    assert is_whole(places.store)


@pytest.mark.parametrize("wish", [Wish(all=True, runs=None), Wish(revisions=("load",), runs=None)])
def test_a_bundle_has_all_of_it(places, wish):
    renamed(places)
    other = places.other()
    take(other, places.bundle(wish))
    assert carried(other) == carried(places.store)
    assert is_whole(other)
    take(other, places.bundle(wish))  # once more changes nothing
    undo(other, stamp=stamp(10), now=NOON)
    assert heads(other, "workflows/") == {}


def test_a_history_that_comes_after_another_one_is_none(places):
    """Only a deploy with the same content may come after one of another workflow."""
    renamed(places)
    head = places.store.get(Deploy, places.store.ref("workflows/load"))
    forged = replace(head, settings={"schedule": "@daily"})
    oid = places.store.transaction().add(forged)
    plant(places.store, forged, workflows__load=oid)
    assert not is_whole(places.store)
    with pytest.raises(InvalidInput):
        take(places.other(), places.bundle(Wish(revisions=("load",), tags=False)))
    with pytest.raises(Corrupt, match="of etl is in load"):
        move(places.store, places.other("third"))


@pytest.mark.parametrize("force", [False, True])
def test_what_was_renamed_again_since_is_further_and_stays(places, force):
    other = places.other()
    renamed(places)
    move(places.store, other)
    rename(places.store, "load", "third", stamp=stamp(2))
    before = carried(places.store)
    told = move(other, places.store, "pull", force=force)
    assert (told.refused, told.further) == ((), ("load",))
    assert carried(places.store) == before
    move(places.store, other)
    assert carried(other) == before
    assert is_whole(other) and is_whole(places.store)


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_a_name_that_a_workflow_has_again_is_followed(places, direction):
    other, third = places.other(), places.other("third")
    renamed(places)
    move(places.store, other)
    rename(places.store, "load", "etl", stamp=stamp(2))
    (etl,) = move(places.store, other, direction).workflows
    assert (etl.workflow, etl.was) == ("etl", ("load",))
    assert carried(other) == carried(places.store)
    move(other, third)
    rename(places.store, "etl", "load", stamp=stamp(3))
    assert move(third, places.store, direction, force=True).further == ("etl",)
    move(places.store, third, direction)
    assert carried(third) == carried(places.store)
    assert is_whole(third)


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_a_tag_that_is_elsewhere_stays_there_under_the_new_name(places, direction):
    other = places.other()
    move(places.store, other)
    one, two = resolve(other, "etl~1", now=NOON).oid, resolve(other, "etl", now=NOON).oid
    tag(other, "etl@prod", stamp=stamp(), now=NOON)
    tag(places.store, "etl@prod", "etl~1", stamp=stamp(), now=NOON)
    renamed(places)
    (load,) = move(places.store, other, direction).refused
    assert [(end.name, end.old, end.new) for end in load.heads] == [("load@prod", two, one)]
    assert dict(other.refs("tags/")) == {"load/prod": two, "load/v1": one}
    assert workflows(other) == ["load"]
    move(places.store, other, direction, force=True)
    assert dict(other.refs("tags/")) == {"load/prod": one, "load/v1": one}
    assert is_whole(other)


def test_a_tag_that_is_elsewhere_is_taken_with_its_new_name_by_force(places):
    other = places.other()
    move(places.store, other)
    tag(other, "etl@prod", stamp=stamp(), now=NOON)
    tag(places.store, "etl@prod", "etl~1", stamp=stamp(), now=NOON)
    renamed(places)
    move(places.store, other, force=True)
    assert carried(other) == carried(places.store)
    assert is_whole(other)
