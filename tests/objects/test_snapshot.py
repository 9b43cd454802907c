import pytest

from ork.backends.memory import Memory
from ork.errors import Corrupt
from ork.objects.kinds import LEAF_ENTRIES_MAX, Task
from ork.objects.snapshot import CodeFile, FileEntry, FileMap, build, changes
from ork.store.store import Store

MANY = LEAF_ENTRIES_MAX * 20


def contents(tasks, files=None):
    """Return the contents of a snapshot, and the oids of the trees that are read."""
    built = build(tasks, files or {})
    store = Store(Memory())
    store.hold(built.objects)
    read = []
    found = store.snapshot(built.oid)
    for part in (found.tasks, found.files):
        part.read = lambda oid: read.append(oid) or store.tree(oid)
    return found, read


def task(number):
    return Task(executor="process", command=f"echo {number}")


def test_a_snapshot_gives_its_tasks_and_files_by_name():
    files = {"b.py": CodeFile(data=b"b", executable=True), "a.py": CodeFile(data=b"a")}
    found, _ = contents({"load": task(1), "extract": task(0)}, files)
    assert list(found.tasks) == ["extract", "load"]
    assert list(found.files) == ["a.py", "b.py"]
    assert found.files["b.py"] == FileEntry(blob=found.files["b.py"].blob, executable=True)
    assert "c.py" not in found.files
    assert found.tasks.get("transform") is None
    assert found.tasks.get("\udcff") is None
    with pytest.raises(KeyError):
        found.tasks["transform"]


def test_one_name_is_looked_up_without_reading_all():
    found, read = contents({f"task_{number}": task(number) for number in range(MANY)})
    assert read == []
    assert found.tasks["task_7"]
    assert len(read) == 3
    assert len(found.tasks) == MANY
    assert len(read) > 20


def test_what_was_read_whole_is_not_read_again():
    found, read = contents({f"task_{number}": task(number) for number in range(MANY)})
    oids = dict(found.tasks)
    count = len(read)
    assert dict(found.tasks.items()) == oids
    assert found.tasks["task_7"] == oids["task_7"]
    assert len(read) == count


def test_equal_parts_are_equal_without_being_read():
    one, read = contents({"load": task(1)}, {"a.py": CodeFile(data=b"a")})
    other, read_too = contents({"load": task(1)}, {"a.py": CodeFile(data=b"b")})
    assert one.tasks == other.tasks
    assert one.files != other.files
    assert hash(one.tasks) == hash(other.tasks)
    assert read == read_too == []


def test_changes_skip_equal_subtrees():
    tasks = {f"task_{number}": task(number) for number in range(MANY)}
    old, _ = contents(tasks)
    built = build({**tasks, "task_7": task(-1)}, {})
    store = Store(Memory())
    store.hold({**build(tasks, {}).objects, **built.objects})
    read = []
    new = store.snapshot(built.oid)
    new.tasks.read = lambda oid: read.append(oid) or store.tree(oid)
    found = changes(old.tasks, new.tasks)
    assert len(set(read)) == 6  # two nodes and one leaf of each
    assert found == {"task_7": (old.tasks["task_7"], new.tasks["task_7"])}


def test_a_snapshot_says_which_objects_it_adds():
    before = build({"load": task(1)}, {"a.py": CodeFile(data=b"a")})
    after = build({"load": task(1)}, {"a.py": CodeFile(data=b"a"), "b.py": CodeFile(data=b"b")})
    store = Store(Memory())
    store.hold({**before.objects, **after.objects})
    added = store.snapshot(after.oid).added_to(store.snapshot(before.oid))
    assert added == after.objects.keys() - before.objects.keys()


def test_a_code_file_among_tasks_or_a_task_among_files_is_damage():
    built = build({"load": task(1)}, {"a.py": CodeFile(data=b"a")})
    store = Store(Memory())
    store.hold(built.objects)
    with pytest.raises(Corrupt, match=r"there is no object where 'a\.py' should be one"):
        list(store.named(built.snapshot.files))
    with pytest.raises(Corrupt, match="a file entry that is not one: 'load'"):
        FileMap(store.tree, built.snapshot.tasks)["load"]


def test_what_is_built_gives_its_tasks_back():
    tasks = {f"task_{number}": task(number) for number in range(3)}
    built = build(tasks, {})
    assert dict(built.tasks) == tasks and len(built.tasks) == 3
    assert build(tasks, {}, kept=built.snapshot).tasks is tasks
