"""A workflow that was renamed, on its way to other stores."""

from __future__ import annotations

import pytest

from ork.errors import Corrupt, InvalidInput
from ork.heads.rename import rename
from ork.heads.tags import tag
from ork.heads.undo import undo
from ork.objects.kinds import Deploy
from ork.objects.value import replace
from ork.store.resolve import resolve, workflows
from ork.store.runs import runs
from ork.sync.select import Wish
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
    move(places.store, other)
    assert carried(other) == carried(places.store)
    assert resolve(other, "load@v1", now=NOON).workflow == "load"
    assert is_whole(other)


def test_of_one_workflow_its_former_runs_come_along(places):
    renamed(places)
    other = places.other()
    move(places.store, other, workflows=("load",))
    assert carried(other) == carried(places.store)


def test_a_store_that_has_the_old_name_gets_the_new_one(places):
    other = places.other()
    move(places.store, other)
    renamed(places)
    move(places.store, other)
    assert workflows(other) == ["etl", "load"]
    assert len(list(runs(other, "load"))) == 1
    assert is_whole(other)


def test_a_pull_does_not_bring_the_old_name_back(places):
    other = places.other()
    move(places.store, other)
    renamed(places)
    before = carried(places.store)
    told = move(other, places.store, "pull")
    assert carried(places.store) == before
    assert told.further == ("etl",)


def test_what_was_deployed_under_the_old_name_meanwhile_comes(places):
    other = places.other()
    move(places.store, other)
    renamed(places)
    other.project.mkdir(exist_ok=True)
    places.deploy(7, other)
    move(other, places.store, "pull")
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
