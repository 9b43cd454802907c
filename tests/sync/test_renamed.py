"""A workflow that was renamed, on its way to other stores."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ork.errors import Corrupt, InvalidInput
from ork.heads.rename import rename
from ork.heads.tags import tag
from ork.heads.undo import undo
from ork.heads.workflows import workflow_list
from ork.history.compare_runs import LastFailure, last_failure
from ork.objects.kinds import Deploy
from ork.objects.value import replace
from ork.store.resolve import next_number, resolve, run_of_number, workflows
from ork.store.runs import earlier, newest_of, runs
from ork.sync.select import Wish
from tests.runs import outcome, write_run
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
    move(*ways, direction, force=True)
    assert workflows(ways[1]) == (["etl", "load"] if direction == "pull" else ["load"])
    assert is_whole(other) and is_whole(places.store)


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
        assert newest_of(store, ["load"], 1)["load"] == found[:1]
        (row,) = workflow_list(store, now=NOON)
        assert row.last_run == "etl#4"
        assert is_whole(store)
    own = "load#2" if numbers_twice else "etl#2"
    assert run_of_number(other, "load", 2)[1].name == own
    assert next_number(other, "load") == 5


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
    hint = "--force takes etl in beside load, `ork diff load...etl` shows it then; "
    assert refused.value.hint.startswith(hint)
    assert carried(places.store) == before
    take(places.store, file, force=True)
    assert workflows(places.store) == ["etl", "load"]
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
