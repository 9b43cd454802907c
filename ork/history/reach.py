"""Which tasks of two snapshots execute which files, by their stored code alone, never by a disk."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, TypeAlias

from ork.definition.reach import reach
from ork.differences.tasks import renamed_tasks
from ork.objects.canonical import Oid
from ork.objects.kinds import Task
from ork.objects.snapshot import Contents, FileMap, changes
from ork.store.store import Store

if TYPE_CHECKING:
    from ork.definition.imports import Import

_Parsed: TypeAlias = "dict[tuple[Oid, bool], tuple[Import, ...]]"


def reach_of_both(
    store: Store,
    old: Contents,
    new: Contents,
    *,
    tasks: Mapping[str, Task],
    wanted: Collection[str],
) -> dict[str, set[str]]:
    """Return task -> which of the wanted files it executes now, or did before.

    `tasks` are those of the new snapshot. A renamed task counts by its new name, one that is gone
    by its old one; tasks that execute none of the files are absent.
    """
    gone: dict[str, Task] = {}
    came: dict[str, Task] = {}
    before = dict(tasks)
    for name, (was, now) in changes(old.tasks, new.tasks).items():
        if now is not None:
            came[name] = before.pop(name)
        if was is not None:
            before[name] = gone[name] = store.get(Task, was)
    names = renamed_tasks(gone, came)
    parsed: _Parsed = {}
    found = _Code(store, new.files, parsed).reach(tasks, wanted)
    for name, files in _Code(store, old.files, parsed).reach(before, wanted).items():
        found.setdefault(names.get(name, name), set()).update(files)
    return found


class _Code:
    """The stored code files of one snapshot, as a place in which imports are followed."""

    def __init__(self, store: Store, files: FileMap, parsed: _Parsed) -> None:
        self.store = store
        self.files = files
        self.folders = {folder for path in self.files for folder in _folders(path)}
        self.parsed = parsed

    def reach(self, tasks: Mapping[str, Task], wanted: Collection[str]) -> dict[str, set[str]]:
        return reach(tasks, wanted, imports=self._imports, kind=self._kind)

    def _kind(self, path: str) -> str | None:
        if path in self.files:
            return "file"
        return "folder" if path in self.folders else None

    def _imports(self, path: str) -> tuple[Import, ...] | None:
        from ork.definition.imports import Unreadable, read_imports

        entry = self.files.get(path)
        if entry is None:
            return None
        key = entry.blob, posixpath.basename(path) == "__init__.py"
        if key not in self.parsed:
            named = read_imports(self.store.blob(key[0]), is_package=key[1])
            self.parsed[key] = () if isinstance(named, Unreadable) else named
        return self.parsed[key]


def _folders(path: str) -> list[str]:
    """Return the folders that a path lies in."""
    ends = [index for index, letter in enumerate(path) if letter == "/"]
    return [path[:end] for end in ends]
