"""Objects that are read together are the same ones, checked alike."""

from __future__ import annotations

import pytest

from ork.backends.memory import Memory
from ork.errors import Corrupt
from ork.objects.canonical import Oid, hash_bytes
from ork.objects.kinds import Blob, Packed, Task
from ork.store.store import Store

ABSENT = Oid("f" * 64)


class Counting(Memory):
    """A backend that counts how often it is asked, and for how many objects."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def get(self, oid):
        self.asked.append(1)
        return super().get(oid)

    def get_many(self, oids):
        found = super().get_many(oids)
        self.asked.append(len(found))
        return found


def task(number):
    return Task(executor="process", command=f"echo {number} " + "x" * 40 * number)


def put(store, *values):
    with store.transaction() as tx:
        return [tx.add(value) for value in values]


def test_they_come_under_the_keys_that_were_given(store):
    tasks = {number: task(number) for number in range(60)}
    oids = dict(zip(tasks, put(store, *tasks.values()), strict=True))
    fresh = Store(store.backend)
    assert fresh.get_all(Task, {**oids, "again": oids[3]}) == {**tasks, "again": tasks[3]}
    assert list(fresh.get_all(Task, dict(reversed(oids.items())))) == list(reversed(oids))
    assert fresh.get_all(Task, {}) == {}


def test_the_backend_is_asked_once_and_not_for_what_is_at_hand():
    backend = Counting()
    oids = dict(enumerate(put(Store(backend), *map(task, range(20)))))
    store = Store(backend)
    store.get(Task, oids[7])
    backend.asked.clear()
    store.get_all(Task, oids)
    store.get_all(Task, oids)
    assert backend.asked == [19, 0]


def test_a_small_cache_makes_no_difference(store, monkeypatch):
    monkeypatch.setattr("ork.store.store.CACHE_OBJECTS_MAX", 5)
    tasks = dict(enumerate(map(task, range(20))))
    oids = dict(zip(tasks, put(store, *tasks.values()), strict=True))
    fresh = Store(store.backend)
    for _ in range(3):
        assert fresh.get_all(Task, oids) == tasks


def test_what_is_held_for_now_is_found(store):
    (oid,) = put(store, task(1))
    held = Packed()
    other = held.add(task(2))
    store.hold(held)
    found = store.get_all(Task, {"a": oid, "b": other})
    assert found == {"a": task(1), "b": task(2)}


def test_one_that_is_missing_damaged_or_of_another_kind_is_damage(store):
    good, blob = put(store, task(1), Blob(b"{}"))
    bad = hash_bytes(b"other")
    assert store.backend.write({bad: store.backend.get(good)}, {})
    for oid, words in (
        (ABSENT, "is missing from the store"),
        (bad, "do not match its name"),
        (blob, "is a blob, not a task"),
    ):
        for reading in (store, Store(store.backend)):
            with pytest.raises(Corrupt, match=words):
                reading.get_all(Task, {"good": good, "bad": oid})
