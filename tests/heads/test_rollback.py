"""Rollback: what is written, what is refused, and that nothing is lost."""

import pytest

from ork.errors import Conflict, InvalidInput, NotFound, UsageError
from ork.heads.rollback import rollback
from ork.heads.tags import tag
from ork.objects.kinds import Task
from ork.store.operations import operations
from ork.store.resolve import history, resolve
from tests.heads.conftest import NOW, Raced, succeed, version
from tests.store.test_forgotten import forget
from tests.stores import contents, plant, reachable, stamp


def test_a_rollback_is_a_new_deploy_with_the_old_content(etl):
    done = etl.back()
    new, old = etl.get(done.deploy), etl.get(etl.deploys[1])
    assert (new.snapshot, new.settings, new.source) == (old.snapshot, old.settings, old.source)
    assert (new.parents, new.action, new.origin) == ((etl.deploys[3],), "rollback", None)
    assert new.restores == done.restores == etl.deploys[1]
    assert new.message == f"Roll back to {old.snapshot[:8]} (n2)"
    assert (done.changed, done.parent) == (True, etl.deploys[3])
    assert done.summary == 'Change a.command "echo 4" -> "echo 2"'
    assert [oid for oid, _ in history(etl.store, "etl")] == [done.deploy, *etl.deploys[::-1]]
    _, operation = next(operations(etl.store))
    assert operation.moves == (("workflows/etl", etl.deploys[3], done.deploy),)
    assert etl.deploys[1] in reachable(etl.store, done.deploy)


@pytest.mark.parametrize(
    ("revision", "number"),
    [
        ("etl~1", 3),
        ("~3", 1),
        ("^", 3),
        ("@{3}", 1),
        ("@v1", 1),
        ("etl@v1", 1),
        ("#1", 3),
        ("@v1^{snapshot}", 1),
    ],
)
def test_any_revision_of_the_workflow_can_be_gone_back_to(etl, revision, number, monkeypatch):
    from tests.store.test_resolve import add_run

    tag(etl.store, "v1", "etl~3", stamp=stamp(), now=NOW)
    add_run(etl.store, 1, etl.deploys[2])
    assert etl.back(revision).restores == etl.deploys[number - 1]


def test_settings_are_rolled_back_too(etl):
    changed = etl.keep(version(4, schedule="@hourly"), hours=9)
    assert etl.get(changed.deploy).snapshot == etl.get(etl.deploys[3]).snapshot
    done = etl.back("etl~1")
    assert etl.get(done.deploy).settings == {"schedule": "@daily"}
    assert done.summary == 'Change schedule "@hourly" -> "@daily"'


def test_nothing_is_written_when_the_head_has_that_content(etl):
    etl.back()
    before = contents(etl.store)
    for revision in ("etl", "etl~3", etl.get(etl.deploys[1]).snapshot):
        done = etl.back(revision)
        assert (done.changed, done.parent) == (False, etl.store.ref("workflows/etl"))
    assert contents(etl.store) == before


def test_a_rollback_to_a_rollback_restores_what_that_one_restored(etl):
    first = etl.back()
    etl.back("etl~1")
    again = etl.back("etl~1")
    assert again.restores == first.restores == etl.deploys[1]
    assert "Roll back" not in again.message.removeprefix("Roll back to ")


def test_by_default_content_that_the_head_has_is_passed_over(etl):
    succeed(etl.store, etl.deploys[3])
    assert etl.back().restores == etl.deploys[1]
    succeed(etl.store, etl.deploys[0])
    # Of the deploys with content that ran well and that was not left: n1.
    assert etl.back().restores == etl.deploys[0]


def test_a_second_rollback_goes_one_further_back(etl):
    for number in (0, 2, 3):
        succeed(etl.store, etl.deploys[number])
    assert [etl.back().restores for _ in range(3)] == etl.deploys[2::-1]
    with pytest.raises(NotFound, match="has a good run, but what a rollback has left"):
        etl.back()
    again = etl.back("etl~3")  # asked for by name, it counts again
    succeed(etl.store, again.deploy)
    etl.keep(version(5), hours=13)
    assert etl.back().restores == again.restores == etl.deploys[3]


def test_a_version_of_which_a_part_was_forgotten_is_passed_over(etl):
    for number in (0, 2):
        succeed(etl.store, etl.deploys[number])
    assert etl.deploys[2] == resolve(etl.store, "etl@{good}", now=NOW).oid
    for number in (2, 1):
        snapshot = etl.store.snapshot(etl.get(etl.deploys[number]).snapshot)
        (other,) = plant(etl.store, Task(executor="process", command=f"[forgotten] {number}"))
        forget(etl.store, snapshot.tasks["a"], other)
    assert etl.deploys[0] == resolve(etl.store, "etl@{good}", now=NOW).oid
    with pytest.raises(NotFound, match="a: forgotten "):
        etl.back("etl~1")
    done = etl.back()
    assert done.restores == etl.deploys[0]
    assert done.passed_over == (etl.deploys[2], etl.deploys[1])
    with pytest.raises(
        NotFound, match="but what a rollback has left and those of which a part was forgotten"
    ):
        etl.back()


def test_the_version_that_is_proposed_is_one_that_can_run(etl):
    def forgotten(number):
        snapshot = etl.store.snapshot(etl.get(etl.deploys[number]).snapshot)
        (other,) = plant(etl.store, Task(executor="process", command=f"[forgotten] {number}"))
        forget(etl.store, snapshot.tasks["a"], other)

    def proposed():
        with pytest.raises(NotFound) as refused:
            etl.back()
        return refused.value.hint

    forgotten(2)
    forgotten(1)
    assert proposed() == "name the one to go back to: `ork rollback etl etl~3`"
    forgotten(0)
    assert proposed() == "no other one can run: change the files, then `ork deploy`"


def test_without_a_good_run_a_revision_must_be_named(project, keep):
    for number in range(3):
        keep(version(number))
    with pytest.raises(NotFound, match="no earlier version of etl has a good run") as caught:
        rollback(project, "etl", stamp=stamp(), now=NOW)
    assert "`ork rollback etl etl~1`" in caught.value.hint


def test_a_deploy_of_another_workflow_is_refused(etl):
    other = etl.keep(version(9, "other"), path="other.yaml")
    before = contents(etl.store)
    for revision in ("other", other.deploy, other.snapshot):
        with pytest.raises(InvalidInput, match="is a deploy of other, not of etl"):
            etl.back(revision)
    for revision in ("etl:a", "etl:", "nothing", "etl~9"):
        with pytest.raises(NotFound):
            etl.back(revision)
    with pytest.raises(UsageError, match="no name of a workflow"):
        rollback(etl.store, "etl~2", stamp=stamp(), now=NOW)
    assert contents(etl.store) == before


def test_a_snapshot_that_two_workflows_have_means_the_deploy_of_this_one(etl):
    etl.keep(version(1, "another"), path="another.yaml")
    assert etl.back(etl.get(etl.deploys[0]).snapshot).restores == etl.deploys[0]


def test_messages_of_rollbacks(etl):
    done = etl.back("etl~1", message="It lost rows\n\nTwice.")
    assert etl.get(done.deploy).message == "It lost rows\n\nTwice."
    long = etl.keep(version(7), message="x" * 500, hours=60)
    etl.keep(version(8), hours=61)
    assert len(etl.back(long.deploy).message) < 120
    for message, words in (
        ("x" * 70_000, "longer than"),
        ("\udc80", "UTF-8"),
        ("AKIA" + "IOSFODNN7EXAMPLQ", "looks like"),
    ):
        with pytest.raises(InvalidInput, match=words):
            etl.back("etl~5", message=message)


def test_a_lost_race_writes_nothing(etl):
    raced = Raced(etl.store.backend, folder=etl.store.folder)
    raced.meanwhile = lambda: etl.keep(version(9), hours=9)
    with pytest.raises(Conflict, match="workflows/etl was moved by somebody else"):
        rollback(raced, "etl", stamp=stamp(), now=NOW)
    assert etl.get(etl.store.ref("workflows/etl")).action == "deploy"
