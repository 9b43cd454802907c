"""Rollback and tags: what is written, what is refused, and that nothing is lost."""

from datetime import timedelta
from types import SimpleNamespace

import pytest

from ork.errors import Ambiguous, Conflict, InvalidInput, NotFound, UsageError
from ork.heads.tags import rollback, tag, tags, untag
from ork.objects.canonical import encode
from ork.objects.kinds import Blob, Deploy
from ork.store.operations import operations
from ork.store.resolve import history, resolve
from ork.store.store import Store
from tests.stores import NOON, contents, reachable, stamp

NOW = NOON + timedelta(days=10)


def version(number, name="etl", schedule="@daily"):
    return (
        f"name: {name}\nschedule: '{schedule}'\n"
        f"tasks: {{a: {{executor: process, command: echo {number}}}}}\n"
    )


def succeed(store, deploy, state="success"):
    """Count one run of a deploy that ended so."""
    with store.transaction() as tx:
        data = encode({"counts": {state: 1}, "last": 1})
        tx.move(f"tally/{deploy}", old=store.ref(f"tally/{deploy}"), new=tx.add(Blob(data)))


@pytest.fixture
def etl(project, keep):
    """Four deploys of etl; the second had a good run, the third a bad one."""
    deploys = [keep(version(n), message=f"n{n}", hours=n).deploy for n in range(1, 5)]
    succeed(project, deploys[1])
    succeed(project, deploys[2], "failed")
    return SimpleNamespace(
        store=project,
        deploys=deploys,
        keep=keep,
        back=lambda *words, **options: rollback(
            project, "etl", *words, stamp=stamp(50), now=NOW, **options
        ),
        get=lambda oid: project.get(Deploy, oid),
    )


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
    ((_, operation),) = operations(etl.store, limit=1)
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
    # Of the deploys with content that ran well, the newest with another content than now: n4.
    assert etl.back().restores == etl.deploys[3]


def test_without_a_good_run_a_revision_must_be_named(project, keep):
    for number in range(3):
        keep(version(number))
    with pytest.raises(NotFound, match="no earlier version of etl has a successful run") as caught:
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


class _Raced(Store):
    """Somebody deploys between our look and our write."""

    meanwhile = None

    def transaction(self, stamp=None):
        if self.meanwhile:
            act, self.meanwhile = self.meanwhile, None
            act()
        return super().transaction(stamp)


def test_a_lost_race_writes_nothing(etl):
    raced = _Raced(etl.store.backend, folder=etl.store.folder)
    raced.meanwhile = lambda: etl.keep(version(9), hours=9)
    with pytest.raises(Conflict, match="workflows/etl was moved by somebody else"):
        rollback(raced, "etl", stamp=stamp(), now=NOW)
    assert etl.get(etl.store.ref("workflows/etl")).action == "deploy"
    raced.meanwhile = lambda: tag(etl.store, "v1", "etl~1", stamp=stamp(), now=NOW)
    with pytest.raises(Conflict, match="tags/etl/v1"):
        tag(raced, "v1", stamp=stamp(), now=NOW)
    raced.meanwhile = lambda: tag(etl.store, "v1", "etl~2", stamp=stamp(), now=NOW, force=True)
    with pytest.raises(Conflict, match="tags/etl/v1"):
        untag(raced, "v1", stamp=stamp())


def put(store, name, revision=None, **options):
    return tag(store, name, revision, stamp=stamp(9), now=NOW, **options)


def test_a_tag_is_an_operation_and_a_revision(etl):
    done = put(etl.store, "v1.4", "etl~1")
    assert (done.tag.workflow, done.tag.label, done.old) == ("etl", "v1.4", None)
    assert done.tag.oid == etl.deploys[2]
    assert resolve(etl.store, "etl@v1.4", now=NOW).oid == etl.deploys[2]
    ((_, operation),) = operations(etl.store, limit=1)
    assert operation.moves == (("tags/etl/v1.4", None, etl.deploys[2]),)


def test_where_a_tag_goes(etl):
    assert put(etl.store, "a").tag.oid == etl.deploys[3]
    assert put(etl.store, "etl@b").tag.oid == etl.deploys[3]
    assert put(etl.store, "etl@c", "~2").tag.oid == etl.deploys[1]
    assert put(etl.store, "d", "etl@c").tag.oid == etl.deploys[1]
    other = etl.keep(version(1, "other"), path="other.yaml")
    assert put(etl.store, "other@e").tag.oid == other.deploy
    assert put(etl.store, "f", other.deploy).tag.workflow == "other"
    with pytest.raises(Ambiguous):
        put(etl.store, "g")
    with pytest.raises(InvalidInput, match="is a deploy of other, not of etl"):
        put(etl.store, "etl@g", "other")
    assert [f"{one.workflow}@{one.label}" for one in tags(etl.store)] == [
        "etl@a",
        "etl@b",
        "etl@c",
        "etl@d",
        "other@e",
        "other@f",
    ]
    assert [one.label for one in tags(etl.store, "other")] == ["e", "f"]


def test_a_tag_stays_where_it_is_unless_forced(etl):
    put(etl.store, "v1", "etl~1")
    before = contents(etl.store)
    assert put(etl.store, "v1", "etl~1").old == etl.deploys[2]
    with pytest.raises(InvalidInput, match="etl@v1 is there already") as caught:
        put(etl.store, "v1")
    assert "-f" in caught.value.hint
    assert contents(etl.store) == before
    moved = put(etl.store, "v1", force=True)
    assert (moved.old, moved.tag.oid) == (etl.deploys[2], etl.deploys[3])


def test_a_tag_is_removed_by_its_label_if_that_is_enough(etl):
    etl.keep(version(1, "other"), path="other.yaml")
    put(etl.store, "etl@v1")
    put(etl.store, "etl@v2")
    put(etl.store, "other@v2")
    assert untag(etl.store, "v1", stamp=stamp()).old == etl.deploys[3]
    with pytest.raises(Ambiguous) as caught:
        untag(etl.store, "v2", stamp=stamp())
    assert caught.value.candidates == ("etl@v2", "other@v2")
    untag(etl.store, "other@v2", stamp=stamp())
    assert [one.label for one in tags(etl.store)] == ["v2"]
    for name in ("v1", "etl@v1", "other@v2"):
        with pytest.raises(NotFound, match="there is no tag"):
            untag(etl.store, name, stamp=stamp())


@pytest.mark.parametrize(
    "name", ["", "@", "@v1", "etl@", "a b", "a/b", "etl@a..b", "../x", "v\n", "é", "x" * 129, "-d"]
)
def test_what_is_no_name_for_a_tag(etl, name):
    for act in (lambda: put(etl.store, name), lambda: untag(etl.store, name, stamp=stamp())):
        with pytest.raises(InvalidInput, match="is no name for a tag"):
            act()


def test_the_label_comes_first(etl):
    with pytest.raises(NotFound) as caught:
        put(etl.store, "etl", "v1")
    assert caught.value.hint == "the label comes first: `ork tag v1 etl`"


def test_a_label_like_a_hash_prefix_hides_no_object(etl):
    digits = etl.deploys[0][:8]
    put(etl.store, digits)
    assert resolve(etl.store, digits, now=NOW).oid == etl.deploys[0]
    assert resolve(etl.store, f"etl@{digits}", now=NOW).oid == etl.deploys[3]
    with pytest.raises(NotFound) as caught:
        put(etl.store, "v1")
        resolve(etl.store, "v1", now=NOW)
    assert caught.value.hint == "there is a tag etl@v1"


def test_a_workflow_like_a_hash_prefix_leaves_its_object_to_more_digits(etl):
    for digits in (8, 63):
        name = etl.deploys[0][:digits]
        other = etl.keep(version(1, name), path=f"{digits}.yaml")
        assert resolve(etl.store, name, now=NOW).oid == other.deploy
        assert resolve(etl.store, etl.deploys[0][: digits + 1], now=NOW).oid == etl.deploys[0]
    etl.keep(version(1, etl.deploys[1]), path="whole.yaml")
    assert resolve(etl.store, etl.deploys[1], now=NOW).oid == etl.deploys[1]
