"""The tasks of a snapshot: their edges first, each of them when it is asked for."""

import pytest

from ork.errors import Corrupt
from ork.objects import snapshot
from ork.objects.canonical import pack
from ork.objects.kinds import Blob, Task, decode_needs, encode_object
from ork.store.contents import Tasks, needs_of
from ork.store.store import Store

TASKS = {
    "a": Task(executor="process", command="true", depends_on=("b", "c.d")),
    "b": Task(executor="python", file="b.py", function="main", inputs={"x": {"const": 1e20}}),
    "c.d": Task(executor="process", command="true", depends_on=("b",)),
}


@pytest.fixture
def stored(store):
    """A snapshot of three tasks, in a store that has read nothing yet."""
    built = snapshot.build(TASKS, {})
    with store.transaction() as tx:
        tx.add_all(built.objects)
    fresh = Store(store.backend)
    return fresh, fresh.snapshot(built.oid)


def test_edges_come_in_the_order_in_which_tasks_can_run(stored):
    assert list(needs_of(*stored).items()) == [("b", ()), ("c.d", ("b",)), ("a", ("b", "c.d"))]


def test_tasks_are_those_of_the_snapshot(stored):
    tasks = Tasks(*stored)
    assert tasks == TASKS
    assert list(tasks) == ["b", "c.d", "a"]
    assert len(tasks) == 3
    assert "d" not in tasks


@pytest.mark.parametrize("task", TASKS.values())
def test_the_edges_alone_are_those_of_the_whole_task(task):
    assert decode_needs(encode_object(task)) == task.depends_on


@pytest.mark.parametrize(
    "data",
    [
        encode_object(Blob(b"{}")),
        b"ork1 task\n{",
        b'ork1 task\n{"depends_on":["../x"]}',
        b'ork1 task\n{"depends_on":null}',
        b"",
    ],
)
def test_what_is_no_task_has_no_edges(data):
    with pytest.raises(Corrupt):
        decode_needs(data)


def test_edges_of_a_damaged_task_are_not_believed(stored):
    store, contents = stored
    oid = contents.tasks["c.d"]
    data = encode_object(TASKS["c.d"]).replace(b'["b"]', b'["a"]')
    store.backend.sweep(lambda: [oid])
    assert store.backend.write({oid: pack(data)}, {})
    with pytest.raises(Corrupt, match="do not match its name"):
        needs_of(store, contents)
