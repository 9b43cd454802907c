"""What a transaction does about the objects that it names and does not bring along."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from ork.backends.memory import Memory
from ork.errors import Corrupt, StoreError
from ork.objects import tree
from ork.objects.canonical import PLAIN, Oid
from ork.objects.kinds import Blob, Packed, Snapshot, Task
from ork.store.store import Store
from tests.stores import plant, stamp

ABSENT = Oid("f" * 64)
DAMAGED = PLAIN + b"ork1 blob\nrotten"


@dataclass
class Parts:
    """A snapshot of one task, in memory: its objects, of which some are stored."""

    task: Task = field(default_factory=lambda: Task(executor="process", command="true"))

    def __post_init__(self):
        self.objects = Packed()
        self.task_oid = self.objects.add(self.task)
        self.tasks = tree.build({"load": self.task_oid}, self.objects.add)
        self.files = tree.build({}, self.objects.add)
        self.snapshot = Snapshot(tasks=self.tasks, files=self.files, task_count=1)
        self.oid = self.objects.add(self.snapshot)


def test_a_ref_is_not_moved_to_what_is_absent(store):
    with pytest.raises(Corrupt, match=f"{ABSENT} is missing"), store.transaction() as tx:
        tx.add(Blob(b"x"))
        tx.move("head", old=None, new=ABSENT)
    assert list(store.backend.oids()) == []


def test_a_ref_is_not_moved_to_what_is_damaged(store):
    (oid,) = plant(store, Blob(b"x"))
    assert store.backend.write({oid: DAMAGED}, {})
    with pytest.raises(Corrupt, match=f"{oid} is damaged"), store.transaction() as tx:
        tx.move("head", old=None, new=oid)
    assert store.ref("head") is None


@pytest.mark.parametrize("lost", ["task", "tasks", "files"])
def test_what_names_an_absent_object_is_not_written(store, lost):
    parts = Parts()
    gone = {"task": parts.task_oid, "tasks": parts.tasks, "files": parts.files}[lost]
    with pytest.raises(Corrupt, match=f"{gone} is missing"), store.transaction() as tx:
        tx.add_all({oid: data for oid, data in parts.objects.items() if oid != gone})
        tx.move("head", old=None, new=parts.oid)
    assert list(store.backend.oids()) == []


def test_what_is_held_is_brought_along_where_the_store_has_lost_it(store):
    parts = Parts()
    store.hold(parts.objects)
    with store.transaction() as tx:
        tx.move("head", old=None, new=parts.oid)
    assert set(store.backend.oids()) == parts.objects.keys()
    assert store.backend.write({parts.oid: DAMAGED}, {})
    with store.transaction() as tx:
        tx.move("other", old=None, new=parts.oid)
    assert Store(store.backend).get(Snapshot, parts.oid) == parts.snapshot


def test_what_is_written_again_is_whole_afterwards(store):
    (oid,) = plant(store, Blob(b"x" * 5000))
    before = store.backend.get(oid)
    assert store.backend.write({oid: DAMAGED}, {})
    with store.transaction() as tx:
        tx.add(Blob(b"x" * 5000))
    assert store.backend.get(oid) == before


class Collected(Memory):
    """A backend from which an object is collected just before our first write."""

    def __init__(self):
        super().__init__()
        self.doomed = []

    def write(self, objects, moves, remove=(), needs=()):
        if self.doomed:
            self.sweep([self.doomed.pop()].copy)
        return super().write(objects, moves, remove, needs)


def test_what_is_collected_just_before_the_write_is_noticed():
    store = Store(Collected())
    (oid,) = plant(store, Blob(b"x"))
    store.backend.doomed.append(oid)
    with pytest.raises(Corrupt, match=f"{oid} is missing"), store.transaction(stamp()) as tx:
        tx.move("tags/etl/v1", old=None, new=oid)
    assert list(store.refs("")) == []


class Stubborn(Memory):
    """A backend that takes no write that moves a ref."""

    def write(self, objects, moves, remove=(), needs=()):
        return not moves and super().write(objects, moves, remove, needs)


def test_a_write_that_is_refused_for_no_reason_ends():
    store = Store(Stubborn())
    (oid,) = plant(store, Blob(b"x"))
    with pytest.raises(StoreError, match="no ref has moved"), store.transaction(stamp()) as tx:
        tx.move("tags/etl/v1", old=None, new=oid)
