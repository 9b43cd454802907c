"""The tasks and code files of a snapshot: read from its trees, or built from a definition.

The only place that knows what a tree keeps under a name: the oid of an object, or of a code file a
JSON object with its blob and whether it is executable.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import ItemsView, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from ork.errors import Corrupt
from ork.objects import tree
from ork.objects.canonical import Json, Oid, hash_bytes
from ork.objects.kinds import Blob, Snapshot, Task, encode_object
from ork.objects.tree import Read

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One code file of a snapshot."""

    blob: Oid
    executable: bool


class TreeMap(Mapping[str, T]):
    """A tree as a mapping, sorted by name: reads one path for one name, everything for a loop.

    Two are equal when their trees are, for which nothing is read.
    """

    def __init__(self, read: Read, root: Oid) -> None:
        self.read, self.root = read, root
        self._whole: dict[str, T] | None = None

    @staticmethod
    @abstractmethod
    def entry(name: str, value: Json) -> T:
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
    def entry(name: str, value: Json) -> Oid:
        found = read_entry(value)
        if isinstance(found, FileEntry):
            raise Corrupt(f"there is a code file where {name!r} should be an object")
        return found


class FileMap(TreeMap[FileEntry]):
    """Path -> code file."""

    @staticmethod
    def entry(name: str, value: Json) -> FileEntry:
        found = read_entry(value)
        if not isinstance(found, FileEntry):
            raise Corrupt(f"the snapshot has a file entry that is not one: {name!r}")
        return found


def changes(old: TreeMap[T], new: TreeMap[T]) -> dict[str, tuple[T | None, T | None]]:
    """Return name -> (old, new) where they differ, None for absent; skips equal subtrees."""
    return {
        name: (
            None if before is None else old.entry(name, before),
            None if after is None else new.entry(name, after),
        )
        for name, (before, after) in tree.changes(new.read, old.root, new.root).items()
    }


def read_entry(value: Json) -> Oid | FileEntry:
    """Return what a tree keeps under a name: a code file, or the oid of another object."""
    if isinstance(value, dict):
        return FileEntry(blob=Oid(str(value["blob"])), executable=bool(value["executable"]))
    return Oid(str(value))


def named_oid(value: Json) -> Oid:
    """Return the object that a tree keeps under a name, be it a code file or another object."""
    return Oid(str(value["blob"] if isinstance(value, dict) else value))


@dataclass(frozen=True, slots=True)
class Contents:
    """The tasks and code files of a snapshot, read when they are asked for, and its parameters."""

    oid: Oid
    tasks: OidMap
    files: FileMap
    params: Mapping[str, dict[str, Json]]

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


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeFile:
    """One captured file: its bytes, and whether its owner may execute it."""

    data: bytes
    executable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A snapshot that need not be stored: its oid and all objects it consists of."""

    oid: Oid
    snapshot: Snapshot
    objects: Mapping[Oid, bytes]


def build(
    tasks: Mapping[str, Task],
    files: Mapping[str, CodeFile],
    params: Mapping[str, dict[str, Json]] | None = None,
) -> Built:
    """Return the snapshot of these tasks, code files and parameters."""
    objects: dict[Oid, bytes] = {}
    task_entries: dict[str, Json] = {}
    for name, task in tasks.items():
        data = encode_object(task)
        oid = hash_bytes(data)
        objects[oid] = data
        task_entries[name] = oid
    file_entries: dict[str, Json] = {}
    for path, file in files.items():
        data = encode_object(Blob(file.data))
        oid = hash_bytes(data)
        objects[oid] = data
        file_entries[path] = {"blob": oid, "executable": file.executable}
    task_root, task_trees = tree.build(task_entries)
    file_root, file_trees = tree.build(file_entries)
    snapshot = Snapshot(
        tasks=task_root, files=file_root, task_count=len(tasks), params=params or {}
    )
    data = encode_object(snapshot)
    oid = hash_bytes(data)
    return Built(
        oid=oid, snapshot=snapshot, objects={**objects, **task_trees, **file_trees, oid: data}
    )
