"""What objects name, and the walk over all that roots reach."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ork.objects import tree
from ork.objects.canonical import Oid, hash_bytes
from ork.objects.kinds import (
    Blob,
    Deploy,
    FileEntry,
    FileLeaf,
    OidLeaf,
    Operation,
    Snapshot,
    Source,
    Task,
    decode_object,
    encode_object,
)
from ork.objects.walk import (
    BATCH,
    CHUNKS,
    FILES,
    TASKRUNS,
    TASKS,
    Named,
    Reached,
    fits,
    named,
    walk,
)
from tests.objects.test_kinds import EXAMPLES, KINDS
from tests.scale import examples
from tests.stores import NOON


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=examples(30))
@given(st.data())
def test_what_an_object_names_is_what_it_links_to(kind, data):
    value = data.draw(KINDS[kind])
    assert {one.oid for one in named(value)} == set(value.links()) - {None}


def test_only_what_an_operation_moved_is_weak():
    moved = Operation(
        argv=(),
        author="",
        moves=(("workflows/etl", Oid("a" * 64), Oid("b" * 64)),),
        parent=Oid("c" * 64),
        time=NOON,
    )
    assert list(named(moved)) == [
        Named("c" * 64, "operation"),
        Named("a" * 64, "deploy", weak=True),
        Named("b" * 64, "deploy", weak=True),
    ]
    others = [value for value in EXAMPLES.values() if not isinstance(value, Operation)]
    assert not any(one.weak for value in others for one in named(value))


def test_a_leaf_fits_the_tree_that_it_is_named_as():
    entry = FileEntry(blob=Oid("a" * 64), executable=False)
    files, oids = FileLeaf(entries=(("a.py", entry),)), OidLeaf()
    assert fits(files, FILES) and not fits(files, TASKS) and not fits(files, TASKRUNS)
    assert fits(oids, TASKS) and fits(oids, CHUNKS) and not fits(oids, FILES)
    assert not fits(Blob(b""), FILES) and not fits(files, "blob")
    assert fits(Blob(b""), "blob") and fits(Blob(b""), None) and not fits(Blob(b""), "task")


class Kept:
    """Objects in a dictionary, and which of them a walk has read."""

    def __init__(self) -> None:
        self.objects: dict[Oid, bytes] = {}
        self.read: list[Oid] = []
        self.largest = 0

    def add(self, value):
        data = encode_object(value)
        oid = hash_bytes(data)
        self.objects[oid] = data
        return oid

    def __call__(self, batch):
        self.largest = max(self.largest, len(batch))
        self.read += [one.oid for one in batch]
        return {
            one.oid: decode_object(self.objects[one.oid])
            for one in batch
            if one.oid in self.objects
        }


def deploys(kept, count):
    """Add a line of deploys of one snapshot of 100 tasks; return the newest."""
    task = kept.add(Task(executor="process", command="true"))
    tasks = tree.build({f"t{number}": task for number in range(100)}, kept.add)
    snapshot = kept.add(Snapshot(tasks=tasks, files=kept.add(OidLeaf()), task_count=100))
    parents: tuple[Oid, ...] = ()
    for number in range(count):
        text = kept.add(Blob(b"%d" % number))
        source = Source(path="etl.yaml", blob=text)
        parents = (
            kept.add(
                Deploy(
                    author="",
                    message="",
                    parents=parents,
                    settings={},
                    snapshot=snapshot,
                    source=source,
                    time=NOON,
                    workflow="etl",
                )
            ),
        )
    return parents[0]


def test_a_walk_comes_to_everything_once_in_bounded_batches():
    kept = Kept()
    head = deploys(kept, 2000)
    kept.add(Blob(b"nobody names this"))
    reached = Reached()
    found = [one.oid for one in walk(kept, [Named(head, "deploy")] * 3, reached)]
    assert len(found) == len(set(found)) == len(kept.objects) - 1
    assert kept.largest <= BATCH
    assert all(oid in reached for oid in found)
    assert list(walk(kept, [Named(head, "deploy")], reached)) == []
    assert hash_bytes(encode_object(Blob(b"nobody names this"))) not in reached


def test_an_object_that_is_absent_is_come_to_as_well():
    kept = Kept()
    head = deploys(kept, 3)
    missing = hash_bytes(encode_object(Blob(b"1")))
    del kept.objects[missing]
    assert Named(missing, "blob") in walk(kept, [Named(head, "deploy")], Reached())


def test_weak_links_are_followed_where_that_is_asked_for():
    kept = Kept()
    gone = kept.add(Blob(b"stands for a deploy"))
    moved = Operation(
        argv=(), author="", moves=(("workflows/etl", None, gone),), parent=None, time=NOON
    )
    root = Named(kept.add(moved), "operation")
    assert gone in [one.oid for one in walk(kept, [root], Reached())]
    left = walk(kept, [root], Reached(), weak=lambda operation: operation.time > NOON)
    assert [one.oid for one in left] == [root.oid]
