"""A Definition and its code files -> the objects of a snapshot. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ork.objects import tree
from ork.objects.canonical import Json, Oid, hash_bytes
from ork.objects.kinds import Blob, Snapshot, Task, encode_object


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
