"""A change turned round, and the part of one that takes an earlier one back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from ork.differences.definitions import Diff, EdgeChange
from ork.differences.files import FileChange
from ork.differences.tasks import TaskChange
from ork.differences.values import FieldChange
from ork.objects.canonical import same
from ork.objects.value import replace

_OPPOSITE = {"added": "removed", "removed": "added"}
_EDITED = ("changed", "renamed")

Change = TypeVar("Change", TaskChange, EdgeChange, FieldChange, FileChange)


def inverse(diff: Diff) -> Diff:
    """Return the change in the other direction, without hunks: what was new is old."""
    return Diff(
        tasks=tuple(
            replace(
                _turned(task),
                name=task.old_name or task.name,
                old_name=task.old_name and task.name,
                fields=_inverse(task.fields),
            )
            for task in diff.tasks
        ),
        edges=tuple(map(_turned, diff.edges)),
        params=_inverse(diff.params),
        settings=_inverse(diff.settings),
        files=tuple(
            replace(
                _turned(file),
                path=file.old_path or file.path,
                old_path=file.old_path and file.path,
                old_blob=file.new_blob,
                new_blob=file.old_blob,
                old_executable=file.new_executable,
                new_executable=file.old_executable,
                added_lines=file.removed_lines,
                removed_lines=file.added_lines,
                hunks=None,
            )
            for file in diff.files
        ),
    )


def _inverse(changes: Iterable[FieldChange]) -> tuple[FieldChange, ...]:
    return tuple(replace(_turned(one), old=one.new, new=one.old) for one in changes)


def _turned(change: Change) -> Change:
    return replace(change, kind=_OPPOSITE.get(change.kind, change.kind))


def taken_back(earlier: Sequence[Diff], later: Diff) -> Diff:
    """Return what of a change gives values, tasks and files back that earlier ones replaced.

    Edges are left out: `depends_on` is among the fields of tasks.
    """
    files = {
        (file.path, file.old_blob, file.old_executable) for one in earlier for file in one.files
    }
    return Diff(
        tasks=tuple(_tasks([task for one in earlier for task in one.tasks], later.tasks)),
        params=tuple(_fields([field for one in earlier for field in one.params], later.params)),
        settings=tuple(
            _fields([field for one in earlier for field in one.settings], later.settings)
        ),
        files=tuple(
            file
            for file in later.files
            if (file.old_path or file.path, file.new_blob, file.new_executable) in files
        ),
    )


def _tasks(earlier: Iterable[TaskChange], later: Iterable[TaskChange]) -> Iterator[TaskChange]:
    before: dict[str, list[TaskChange]] = {}
    for one in earlier:
        before.setdefault(one.name, []).append(one)
    for task in later:
        found = before.get(task.old_name or task.name, ())
        if any(
            one.kind == _OPPOSITE.get(task.kind)
            or (one.kind == task.kind == "renamed" and one.old_name == task.name)
            for one in found
        ):
            yield task
        elif task.kind in _EDITED:
            edited = [field for one in found if one.kind in _EDITED for field in one.fields]
            if fields := tuple(_fields(edited, task.fields)):
                name = task.old_name or task.name
                yield TaskChange(kind="changed", name=name, fields=fields)


def _fields(earlier: Iterable[FieldChange], later: Iterable[FieldChange]) -> Iterator[FieldChange]:
    before: dict[tuple[str, str], list[FieldChange]] = {}  # of a list several have one path
    for one in earlier:
        before.setdefault((one.path, one.kind), []).append(one)
    for field in later:
        found = before.get((field.path, _OPPOSITE.get(field.kind, field.kind)), ())
        if any(same(one.old, field.new) and same(one.new, field.old) for one in found):
            yield field
