"""The tasks and code files of a snapshot: read from its trees, or built from a definition.

Both are mappings that read of their trees what they are asked for.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from typing import TypeVar

from ork.errors import Corrupt, some
from ork.objects import tree
from ork.objects.canonical import Oid, unpack
from ork.objects.kinds import Blob, FileEntry, Packed, Param, Snapshot, Task, TaskRun, decode_object
from ork.objects.tree import Entry, Read
from ork.objects.value import Value
from ork.progress import counted

SHOWN = 10  # names of tasks, in a line about them
T = TypeVar("T", Oid, FileEntry)


class TreeMap(Mapping[str, T]):
    """A tree as a mapping, sorted by name: reads one path for one name, everything for a loop.

    Two are equal when their trees are, for which nothing is read.
    """

    def __init__(self, read: Read, root: Oid) -> None:
        self.read, self.root = read, root
        self._whole: dict[str, T] | None = None

    @staticmethod
    @abstractmethod
    def entry(name: str, value: Entry) -> T:
        """Return what a tree keeps under a name; raise Corrupt when it is something else."""

    def __getitem__(self, name: str) -> T:
        if self._whole is not None:
            return self._whole[name]
        value = tree.lookup(self.read, self.root, name)
        if value is None:
            raise KeyError(name)
        return self.entry(name, value)

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def items(self) -> ItemsView[str, T]:
        return self._all().items()

    def values(self) -> ValuesView[T]:
        return self._all().values()

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.root == self.root

    def __hash__(self) -> int:
        return hash(self.root)

    def _all(self) -> dict[str, T]:
        if self._whole is None:
            entries = tree.entries(self.read, self.root)
            self._whole = {name: self.entry(name, value) for name, value in entries.items()}
        return self._whole


class OidMap(TreeMap[Oid]):
    """Name -> oid: the tasks of a snapshot, the task runs of a run, the pieces of a long text."""

    @staticmethod
    def entry(name: str, value: Entry) -> Oid:
        if not isinstance(value, str):
            raise Corrupt(f"there is no object where {name!r} should be one")
        return value


class FileMap(TreeMap[FileEntry]):
    """Path -> code file."""

    @staticmethod
    def entry(name: str, value: Entry) -> FileEntry:
        if not isinstance(value, FileEntry):
            raise Corrupt(f"the snapshot has a file entry that is not one: {name!r}")
        return value


def changes(old: TreeMap[T], new: TreeMap[T]) -> dict[str, tuple[T | None, T | None]]:
    """Return name -> (old, new) where they differ, None for absent; skips equal subtrees."""
    return {
        name: (
            None if before is None else old.entry(name, before),
            None if after is None else new.entry(name, after),
        )
        for name, (before, after) in tree.changes(new.read, old.root, new.root).items()
    }


def named_oid(entry: Entry) -> Oid:
    """Return the object that an entry of a snapshot names, be it a code file or another object."""
    assert not isinstance(entry, TaskRun)
    return entry.blob if isinstance(entry, FileEntry) else entry


class Contents(Value, frozen=True):
    """The tasks and code files of a snapshot, read when they are asked for, and its parameters."""

    oid: Oid
    tasks: OidMap
    files: FileMap
    params: Mapping[str, Param]

    @classmethod
    def of(cls, read: Read, oid: Oid, snapshot: Snapshot) -> Contents:
        """Return the contents of a snapshot, given what reads its trees."""
        return cls(
            oid, OidMap(read, snapshot.tasks), FileMap(read, snapshot.files), snapshot.params
        )

    def added_to(self, old: Contents) -> set[Oid]:
        """Return the objects of this snapshot that `old` does not have at the same place."""
        found = {self.oid}
        for before, after in ((old.tasks, self.tasks), (old.files, self.files)):
            found.update(tree.fresh(after.read, before.root, after.root))
            entries = tree.changes(after.read, before.root, after.root).values()
            found.update(named_oid(entry) for _, entry in entries if entry is not None)
        return found


class CodeFile(Value, frozen=True, kw_only=True):
    """One captured file: its bytes, and whether its owner may execute it."""

    data: bytes
    executable: bool = False


class Built(Value, frozen=True, kw_only=True):
    """A snapshot that need not be stored: its oid and all objects it consists of, packed.

    Each of the tasks is read from its bytes, for many are much smaller so.
    """

    oid: Oid
    snapshot: Snapshot
    objects: Mapping[Oid, bytes]
    tasks: Mapping[str, Task]


class PackedTasks(Mapping[str, Task]):
    """Tasks by their names, each read from its bytes when it is asked for."""

    def __init__(self, oids: Mapping[str, Oid], objects: Mapping[Oid, bytes]) -> None:
        self._oids, self._objects = oids, objects

    def __getitem__(self, name: str) -> Task:
        oid = self._oids[name]
        found = decode_object(unpack(oid, self._objects[oid]))
        assert isinstance(found, Task)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._oids)

    def __len__(self) -> int:
        return len(self._oids)

    def __repr__(self) -> str:
        return f"<Tasks {some(self, SHOWN)}>"


def build(
    tasks: Mapping[str, Task],
    files: Mapping[str, CodeFile],
    params: Mapping[str, Param] | None = None,
    *,
    kept: Snapshot | None = None,
) -> Built:
    """Return the snapshot of these tasks, code files and parameters.

    `kept` is one that is stored and has the same tasks: their objects are not made anew.
    """
    objects = Packed()
    if kept is None:
        told = counted("hashing tasks", tasks.items(), len(tasks))
        oids = {name: objects.add(task) for name, task in told}
        task_root, tasks = tree.build(oids, objects.add), PackedTasks(oids, objects)
    else:
        task_root = kept.tasks
    entries = {
        path: FileEntry(blob=objects.add(Blob(file.data)), executable=file.executable)
        for path, file in files.items()
    }
    snapshot = Snapshot(
        tasks=task_root,
        files=tree.build(entries, objects.add, FileEntry),
        task_count=len(tasks),
        params=dict(params or {}),
    )
    oid = objects.add(snapshot)
    return Built(oid=oid, snapshot=snapshot, objects=objects, tasks=tasks)
