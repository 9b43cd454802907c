"""Tasks and code files from one definition to the next: what changed, and what was renamed.

Reads only what is not equal on both sides, and nothing of it unless a wanted name is concerned.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Generic, TypeAlias, TypeVar

from ork.differences.files import renamed_files
from ork.differences.tasks import changed_fields, renamed_tasks, with_new_names
from ork.objects.canonical import Oid
from ork.objects.kinds import FileEntry, Task
from ork.objects.snapshot import FileMap, OidMap, changes
from ork.objects.value import Value
from ork.store.store import Store

T = TypeVar("T")


class Step(Value, Generic[T], frozen=True):
    """A task or code file that differs from one definition to the next; None where it is absent."""

    name: str
    old_name: str
    old: T | None
    new: T | None
    env_of_all: bool = False  # its environment differs just as that of most tasks does

    @property
    def is_renamed(self) -> bool:
        """Say whether both sides have it, under two names."""
        return self.old is not None and self.old_name != self.name


def tasks_of_both(
    store: Store, changed: Mapping[str, tuple[Oid | None, Oid | None]]
) -> tuple[dict[str, Task], dict[str, Task]]:
    """Return the tasks that differ, given name -> (old, new): those of the old side, of the new."""
    olds = store.get_all(Task, {name: was for name, (was, _) in changed.items() if was})
    return olds, store.get_all(Task, {name: now for name, (_, now) in changed.items() if now})


def task_steps(store: Store, old: OidMap, new: OidMap, wanted: Collection[str]) -> list[Step[Task]]:
    """Return the wanted tasks that differ, renamed ones included.

    The old side calls its neighbours by their new names, so that their renames are no change of it.
    """
    found = changes(old, new)
    chosen = [name for name in found if name in wanted]
    if not chosen:
        return []
    olds, news = tasks_of_both(store, found)
    names = renamed_tasks(olds, news)
    old_names = {after: before for before, after in names.items()}
    of_all = _env_of_all(olds, news, len(new))
    steps = []
    for name in chosen:
        old_name = old_names.get(name, name)
        before = olds.get(old_name)
        if before is not None and names:
            before = with_new_names(before, names)
        after = news.get(name)
        env_of_all = bool(before and after and _env_changes(before, after) <= of_all)
        steps.append(Step(name, old_name, before, after, env_of_all))
    return steps


_EnvChange: TypeAlias = tuple[str, str, str]  # variable, old and new value


def _env_of_all(
    olds: Mapping[str, Task], news: Mapping[str, Task], count: int
) -> frozenset[_EnvChange]:
    """Return what changed alike in most of so many tasks.

    It is `env` of the workflow, which has no place of its own in a snapshot.
    """
    changed = Counter(
        change
        for name, task in news.items()
        if (old := olds.get(name)) is not None
        for change in _env_changes(old, task)
    )
    return frozenset(one for one, n in changed.items() if n >= 2 and 2 * n > count)


def _env_changes(old: Task, new: Task) -> set[_EnvChange]:
    before, after = ({(key, repr(it)) for key, it in one.env.items()} for one in (old, new))
    names = {name for name, _ in before ^ after}
    return {(name, repr(old.env.get(name)), repr(new.env.get(name))) for name in names}


def file_steps(
    store: Store, old: FileMap, new: FileMap, wanted: Collection[str]
) -> list[Step[FileEntry]]:
    """Return the wanted code files that differ, renamed ones included."""
    found = changes(old, new)
    chosen = [path for path in found if path in wanted]
    olds = {path: was for path, (was, _) in found.items() if was}
    news = {path: now for path, (_, now) in found.items() if now}
    # Files are read to find similar ones: in vain, when none of the wanted files is new.
    is_any_new = any(path not in olds for path in chosen)
    names = renamed_files(olds, news, store.blob) if is_any_new else {}
    old_names = {after: before for before, after in names.items()}
    return [
        Step(path, (was := old_names.get(path, path)), olds.get(was), news.get(path))
        for path in chosen
    ]


def is_changed(step: Step[Task]) -> bool:
    """Say whether anything but names differs, and what the workflow's `env` gives to all tasks."""
    if step.old is None or step.new is None:
        return True
    return bool({*changed_fields(step.old, step.new)} - ({"env"} if step.env_of_all else set()))
