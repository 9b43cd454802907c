"""The part of a change that takes an earlier one back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ork.differences.definitions import Diff
from ork.differences.tasks import TaskChange
from ork.differences.values import FieldChange, same
from ork.objects.value import replace

_OPPOSITE = {"added": "removed", "removed": "added"}


def taken_back(earlier: Diff, later: Diff) -> Diff:
    """Return what of a change gives values, tasks and files back that an earlier one replaced.

    Edges are left out: `depends_on` is among the fields of tasks.
    """
    files = {file.path: file for file in earlier.files}
    return Diff(
        tasks=tuple(_tasks(earlier.tasks, later.tasks)),
        params=tuple(_fields(earlier.params, later.params)),
        settings=tuple(_fields(earlier.settings, later.settings)),
        files=tuple(
            file
            for file in later.files
            if (one := files.get(file.old_path or file.path))
            and (one.old_blob, one.old_executable) == (file.new_blob, file.new_executable)
        ),
    )


def _tasks(earlier: Iterable[TaskChange], later: Iterable[TaskChange]) -> Iterator[TaskChange]:
    before = {task.name: task for task in earlier}
    for task in later:
        one = before.get(task.old_name or task.name)
        if one is None:
            continue
        if one.kind == task.kind == "changed":
            if fields := tuple(_fields(one.fields, task.fields)):
                yield replace(task, fields=fields)
            continue
        renamed = one.kind == task.kind == "renamed" and one.old_name == task.name
        if renamed or one.kind == _OPPOSITE.get(task.kind):
            yield task


def _fields(earlier: Iterable[FieldChange], later: Iterable[FieldChange]) -> Iterator[FieldChange]:
    before: dict[tuple[str, str], list[FieldChange]] = {}  # of a list several have one path
    for one in earlier:
        before.setdefault((one.path, one.kind), []).append(one)
    for field in later:
        found = before.get((field.path, _OPPOSITE.get(field.kind, field.kind)), ())
        if any(same(one.old, field.new) and same(one.new, field.old) for one in found):
            yield field
