"""Tags: where they go, what is refused, and that nothing is lost."""

import pytest

from ork.errors import Ambiguous, Conflict, InvalidInput, NotFound
from ork.heads.tags import tag, tags, untag
from ork.store.operations import operations
from ork.store.resolve import resolve
from tests.heads.conftest import NOW, Raced, version
from tests.stores import contents, stamp


def put(store, name, revision=None, **options):
    return tag(store, name, revision, stamp=stamp(9), now=NOW, **options)


def test_a_tag_is_an_operation_and_a_revision(etl):
    done = put(etl.store, "v1.4", "etl~1")
    assert (done.tag.workflow, done.tag.label, done.old) == ("etl", "v1.4", None)
    assert done.tag.oid == etl.deploys[2]
    assert resolve(etl.store, "etl@v1.4", now=NOW).oid == etl.deploys[2]
    _, operation = next(operations(etl.store))
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
    assert caught.value.hint == "a tag is written as etl@v1, or @v1 in a store with one workflow"


def test_a_workflow_like_a_hash_prefix_leaves_its_object_to_more_digits(etl):
    for digits in (8, 63):
        name = etl.deploys[0][:digits]
        other = etl.keep(version(1, name), path=f"{digits}.yaml")
        assert resolve(etl.store, name, now=NOW).oid == other.deploy
        assert resolve(etl.store, etl.deploys[0][: digits + 1], now=NOW).oid == etl.deploys[0]
    etl.keep(version(1, etl.deploys[1]), path="whole.yaml")
    assert resolve(etl.store, etl.deploys[1], now=NOW).oid == etl.deploys[1]


def test_a_lost_race_writes_nothing(etl):
    raced = Raced(etl.store.backend, folder=etl.store.folder)
    raced.meanwhile = lambda: tag(etl.store, "v1", "etl~1", stamp=stamp(), now=NOW)
    with pytest.raises(Conflict, match="tags/etl/v1"):
        tag(raced, "v1", stamp=stamp(), now=NOW)
    raced.meanwhile = lambda: tag(etl.store, "v1", "etl~2", stamp=stamp(), now=NOW, force=True)
    with pytest.raises(Conflict, match="tags/etl/v1"):
        untag(raced, "v1", stamp=stamp())
