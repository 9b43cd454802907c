"""What became of tasks and code files from one definition to the next: changed, renamed, as before.

Reads only what is not equal on both sides, and nothing of it unless a wanted name is concerned.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ork.differences.files import renamed_files
from ork.differences.tasks import changed_fields, renamed_tasks, with_new_names
from ork.objects.kinds import Task
from ork.objects.snapshot import FileEntry, FileMap, OidMap, changes
from ork.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStep:
    """A task that differs from one definition to the next; None where it is absent.

    `old` calls its neighbours by their new names, so that their renames are no change of it.
    """

    name: str
    old_name: str
    old: Task | None
    new: Task | None

    @property
    def changed(self) -> bool:
        """Say whether anything but names differs."""
        if self.old is None or self.new is None:
            return True
        return bool(changed_fields(self.old, self.new))


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStep:
    """A code file that differs from one definition to the next; None where it is absent."""

    path: str
    old_path: str
    old: FileEntry | None
    new: FileEntry | None


def task_steps(store: Store, old: OidMap, new: OidMap, wanted: Collection[str]) -> list[TaskStep]:
    """Return which of the wanted tasks differ between two trees of tasks, renamed ones included."""
    found = changes(old, new)
    chosen = [name for name in found if name in wanted]
    if not chosen:
        return []
    olds = {name: store.get(Task, was) for name, (was, _) in found.items() if was}
    news = {name: store.get(Task, now) for name, (_, now) in found.items() if now}
    names = renamed_tasks(olds, news)
    old_names = {after: before for before, after in names.items()}
    steps = []
    for name in chosen:
        old_name = old_names.get(name, name)
        before = olds.get(old_name)
        if before is not None and names:
            before = with_new_names(before, names)
        steps.append(TaskStep(name=name, old_name=old_name, old=before, new=news.get(name)))
    return steps


def file_steps(store: Store, old: FileMap, new: FileMap, wanted: Collection[str]) -> list[FileStep]:
    """Return which of the wanted files differ between two trees of files, renamed ones included."""
    found = changes(old, new)
    chosen = [path for path in found if path in wanted]
    if not chosen:
        return []
    olds = {path: was for path, (was, _) in found.items() if was}
    news = {path: now for path, (_, now) in found.items() if now}
    # To tell similar files apart these are read, which is for nothing if none of the wanted is new.
    moved = any(path not in olds for path in chosen)
    names = renamed_files(olds, news, store.blob) if moved else {}
    old_paths = {after: before for before, after in names.items()}
    return [
        FileStep(
            path=path,
            old_path=old_paths.get(path, path),
            new=news.get(path),
            old=olds.get(old_paths.get(path, path)),
        )
        for path in chosen
    ]
