"""A workflow takes another name: its history, runs and tags go with it."""

from datetime import timedelta

import pytest

from ork.bisection import bisect
from ork.daemon import pauses
from ork.errors import Conflict, InvalidInput, NotFound, UsageError
from ork.heads.deploy import deploy
from ork.heads.rename import rename
from ork.heads.rollback import rollback
from ork.heads.tags import tag
from ork.heads.undo import at_operation, undo
from ork.heads.workflows import workflow_list
from ork.history.compare_runs import last_failure
from ork.history.log import log
from ork.history.pace import pace_of
from ork.objects.kinds import Deploy, Run
from ork.runner.target import target_of
from ork.store import location
from ork.store.contents import find_run
from ork.store.operations import operations
from ork.store.resolve import known_names, next_number, present_name, resolve, workflows
from ork.store.runs import earlier, going_on, runs
from ork.sync.select import Wish, select
from ork.upkeep.keep import Keep
from ork.upkeep.prune import gc
from ork.upkeep.repair import repair
from tests.runs import begin_run, outcome, write_run
from tests.stores import NOON, plant, stamp
from tests.sync.test_bundle import Places, is_whole

HOUR = timedelta(hours=1)


@pytest.fixture
def places(project, tmp_path):
    """Two deploys of etl; a run and a tag of the first, a run and a tag of the second."""
    made = Places(project, tmp_path)
    for number in (1, 2):
        made.deploy(number)
        made.run(f"00000{number}")
        tag(project, f"etl@v{number}", stamp=stamp(), now=NOON)
    return made


@pytest.fixture
def store(places):
    return places.store


def renamed(store, old="etl", new="load", hours=1):
    return rename(store, old, new, stamp=stamp(hours))


def run_again(store, workflow="load", state="success"):
    """Write a run of the head, as it is begun by its name."""
    target = target_of(store, resolve(store, workflow, now=NOON))
    tasks = store.snapshot(target.snapshot).tasks
    return write_run(
        store,
        target.deploy,
        {"a": outcome(tasks["a"], state)},
        state,
        workflow=target.workflow,
        created=NOON + 2 * HOUR,
    )


def names(entries):
    return [f"{one.run.workflow}#{one.run.number}" for one in entries]


def test_the_history_goes_on_under_the_new_name(store):
    first, second = (oid for oid in (one.oid for one in reversed([*log(store, "etl", now=NOON)])))
    done = renamed(store)
    assert workflows(store) == ["load"]
    entries = list(log(store, "load", now=NOON))
    assert [one.oid for one in entries] == [done.deploy, second, first]
    assert [(one.head, one.tags) for one in entries] == [
        (True, ()),
        (False, ("v2",)),
        (False, ("v1",)),
    ]
    assert entries[0].deploy.message == "Rename etl to load"
    assert list(log(store, None, now=NOON)) == entries
    for text, oid in {"load": done.deploy, "load~1": second, "load@v1": first}.items():
        found = resolve(store, text, now=NOON)
        assert (found.oid, found.workflow) == (oid, "load")
    assert resolve(store, "load@{1}", now=NOON).oid == second
    assert resolve(store, "load@{good}", now=NOON).oid == second
    assert is_whole(store)


def test_the_old_name_says_what_became_of_it(store):
    renamed(store)
    with pytest.raises(NotFound, match="etl was renamed to load"):
        resolve(store, "etl", now=NOON)
    assert resolve(store, "etl#1", now=NOON).workflow == "etl"


def test_runs_keep_their_names_and_are_counted_on(store):
    renamed(store)
    assert names(runs(store, "load")) == names(runs(store)) == ["etl#2", "etl#1"]
    assert find_run(store, resolve(store, "load", now=NOON))[1].number == 2
    assert resolve(store, "load#1", now=NOON).oid == resolve(store, "etl#1", now=NOON).oid
    (row,) = workflow_list(store, now=NOON)
    assert (row.workflow, row.last.number) == ("load", 2)
    run = run_again(store)
    assert (run.workflow, run.number, next_number(store, "load")) == ("load", 3, 4)
    for text in ("load#3", "etl#3"):  # of one deploy both may have run
        assert resolve(store, text, now=NOON).workflow == "load"
    for text in ("load#4", "etl#4"):
        with pytest.raises(NotFound, match="no run"):
            resolve(store, text, now=NOON)
    assert names(runs(store, "load")) == ["load#3", "etl#2", "etl#1"]
    assert names(runs(store, "load", limit=2)) == ["load#3", "etl#2"]
    assert is_whole(store)


def test_what_was_paused_or_archived_stays_so(store):
    pauses.archive(store, "etl", stamp=stamp())
    renamed(store)
    assert workflows(store) == list(runs(store)) == []
    assert known_names(store) == {"load"}
    assert len(list(runs(store, without=()))) == 2


def test_an_old_version_runs_under_the_new_name(store):
    renamed(store)
    run = run_again(store, "load~2")
    assert (run.workflow, run.number) == ("load", 3)
    assert store.get(Deploy, run.deploy).workflow == "etl"
    assert names(runs(store, "load", limit=1)) == ["load#3"]
    assert is_whole(store)


def test_a_rollback_and_a_tag_reach_behind_it(store):
    renamed(store)
    done = rollback(store, "load", "load~2", stamp=stamp(2), now=NOON)
    assert done.changed and store.get(Deploy, done.deploy).workflow == "load"
    assert tag(store, "old", "load~2", stamp=stamp(2), now=NOON).tag.workflow == "load"
    assert resolve(store, "load@old", now=NOON).workflow == "load"
    assert is_whole(store)


def test_an_undo_takes_it_back(store):
    pauses.archive(store, "etl", stamp=stamp())
    before = dict(store.backend.refs())
    renamed(store)
    assert store.ref("archived/load") and not store.ref("archived/etl")
    at = next(operations(store))[0]
    undo(store, stamp=stamp(2), now=NOON)
    assert {**dict(store.backend.refs()), "ops": before["ops"]} == before
    past = at_operation(store, at, now=NOON)
    assert resolve(past, "load~1", now=NOON).workflow == "load"
    undo(store, next(operations(store))[0], stamp=stamp(3), now=NOON)
    assert resolve(store, "load@v1", now=NOON).workflow == "load"
    assert is_whole(store)


def test_back_to_the_old_name(store):
    renamed(store)
    run_again(store)
    renamed(store, "load", "etl", hours=3)
    assert workflows(store) == ["etl"]
    assert names(runs(store, "etl")) == ["load#3", "etl#2", "etl#1"]
    assert run_again(store, "etl").number == 4
    assert len(list(log(store, "etl", now=NOON))) == 4
    assert is_whole(store)


def test_what_ran_before_it_is_looked_at(store):
    renamed(store)
    bad = run_again(store, state="failed")
    found = last_failure(store, "load")
    assert (found.good, found.bad) == ("etl#2", "load#3")
    assert pace_of(store, bad) is not None
    *_, found = bisect(store, "load")
    assert found.workflow == "load"
    assert [one.oid for one in found.suspects] == [resolve(store, "load~1", now=NOON).oid]


def test_a_new_workflow_of_the_old_name_has_its_own_history(store, places):
    renamed(store)
    places.deploy(9, new=True)
    assert workflows(store) == ["etl", "load"]
    assert len(list(log(store, "etl", now=NOON))) == 1
    assert present_name(store, "etl") == "etl"
    assert list(runs(store, "etl")) == []
    assert next(one.last for one in workflow_list(store, now=NOON)) is None
    run = run_again(store, "etl")
    assert run.number == 3
    of_both = {"etl": ["etl#3"], "load": ["etl#2", "etl#1"]}
    assert {name: names(runs(store, name)) for name in workflows(store)} == of_both
    assert [one.name for one in earlier(store, run)] == []
    second = store.get(Run, resolve(store, "etl#2", now=NOON).oid)
    assert [one.name for one in earlier(store, second)] == ["etl#1"]
    last = [(one.workflow, one.last.number) for one in workflow_list(store, now=NOON)]
    assert last == [("etl", 3), ("load", 2)]
    bundle = select(store, Wish(revisions=("load",), runs=None), now=NOON).refs
    assert sorted(ref for ref in bundle if ref.startswith("numbers/")) == [
        "numbers/etl/0000000001",
        "numbers/etl/0000000002",
    ]
    begin_run(store, store.ref("workflows/etl"))
    assert (going_on(store, "load"), going_on(store, "etl")[:4]) == ("load", "run:")
    assert is_whole(store)


def test_each_owner_of_a_name_has_the_runs_of_its_time(store, places):
    renamed(store)  # etl to load
    places.deploy(9, new=True)
    run_again(store, "etl")
    renamed(store, "etl", "third", hours=3)
    renamed(store, "load", "etl", hours=4)
    assert names(runs(store, "third")) == ["etl#3"]
    assert names(runs(store, "etl")) == ["etl#2", "etl#1"]
    assert is_whole(store)


@pytest.mark.parametrize(
    ("old", "new", "error", "says"),
    [
        ("etl", "a b", InvalidInput, "is no name"),
        ("etl", "run", InvalidInput, "cannot be named `run`"),
        ("etl", "file", InvalidInput, "cannot be named `file`"),
        ("etl", "etl", UsageError, "has this name already"),
        ("none", "other", NotFound, "none"),
        ("etl", "taken", InvalidInput, "there is a workflow taken already"),
    ],
)
def test_what_cannot_be(store, keep, old, new, error, says):
    keep("name: taken\ntasks:\n  a: {executor: process, command: 'true'}\n", path="taken.yaml")
    before = dict(store.backend.refs())
    with pytest.raises(error, match=says):
        renamed(store, old, new)
    assert dict(store.backend.refs()) == before


def test_not_while_a_run_goes_on(store):
    begin_run(store, store.ref("workflows/etl"))
    with pytest.raises(Conflict, match="etl#3 goes on"):
        renamed(store)


def test_an_undo_loses_no_run_of_the_new_name(store):
    before = names(runs(store, "etl"))
    renamed(store)
    run_again(store)
    with pytest.raises(Conflict, match="load#3 ran after") as refused:
        undo(store, stamp=stamp(3), now=NOON)
    assert refused.value.hint.startswith("`ork mv load etl`")
    renamed(store, "load", "etl", hours=3)
    assert names(runs(store, "etl")) == ["load#3", *before]
    undo(store, stamp=stamp(4), now=NOON)
    assert names(runs(store, "load")) == ["load#3", *before]


def test_nor_does_the_undo_of_an_undo_lose_one_of_the_old_name(store):
    renamed(store)
    undo(store, stamp=stamp(1.5), now=NOON)
    run_again(store, "etl")
    with pytest.raises(Conflict, match="etl#3 ran after") as refused:
        undo(store, next(operations(store))[0], stamp=stamp(3), now=NOON)
    assert refused.value.hint.startswith("`ork mv etl load`")


def test_not_to_a_name_that_has_runs_of_its_own(store, keep):
    keep("name: load\ntasks:\n  a: {executor: process, command: 'true'}\n", path="load.yaml")
    run_again(store)
    undo(store, stamp=stamp(3), now=NOON)
    with pytest.raises(InvalidInput, match="there are runs of load already"):
        renamed(store, hours=4)


def test_upkeep_keeps_what_is_before_it(store):
    renamed(store)
    for _ in range(3):
        run_again(store)
    done = gc(
        store, now=NOON + 9000 * HOUR, keep=Keep(runs=2, undo_days=0), stamp=stamp(9000), force=True
    )
    assert done.runs == {"etl": (2,), "load": (3,)}, "etl#1 is the good run of another version"
    for name in ("load", "etl"):
        with pytest.raises(NotFound, match=rf"{name}#3 was removed by gc on ") as told:
            resolve(store, f"{name}#3", now=NOON)
        assert told.value.hint == "the newest is load#5"
    assert len(list(log(store, "load", now=NOON))) == 3
    assert is_whole(store)


def test_a_tag_of_something_else_is_found(store, keep):
    renamed(store)
    other = keep("name: other\ntasks:\n  a: {executor: process, command: 'true'}\n", path="o.yaml")
    plant(store, tags__load__v1=other.deploy)
    assert not is_whole(store)


@pytest.mark.lmdb
def test_a_ref_that_is_lost_is_found_and_made_again(store):
    renamed(store)
    before = dict(store.backend.refs())
    store.close()
    path = store.folder / "db" / "data.mdb"
    path.write_bytes(path.read_bytes().replace(b"rformer/load/etl", b"sformer/load/etl"))
    assert [*repair(store.folder, environ={}, now=NOON).steps]
    with location.open_store(store.folder, environ={}) as again:
        assert dict(again.backend.refs()) == before
        assert is_whole(again)


def test_the_records_are_left_as_they_were(store):
    pin = store.ref("numbers/etl/0000000001")
    renamed(store)
    assert store.get(Run, pin).workflow == "etl"
    path = store.project / "etl.yaml"
    assert deploy(store, path, stamp=stamp(2), new=True).parent is None  # it says etl still
