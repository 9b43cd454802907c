"""The difference between two definitions: tasks, edges, settings and code files.

Compares values only and knows no store: the caller names what differs by oid, and says how a code
file is read. Everything that leaves is sorted, and comparing the other way round gives the inverse.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain, groupby

from ork.differences.files import FileChange, Read, file_changes, hunks, renamed_files
from ork.differences.renames import family
from ork.differences.tasks import (
    EdgeChange,
    TaskChange,
    alike,
    edge_changes,
    in_common,
    renamed_tasks,
    task_changes,
)
from ork.differences.values import FieldChange, object_changes
from ork.errors import count
from ork.objects.canonical import Json
from ork.objects.drawn import Drawn
from ork.objects.kinds import FileEntry, Param, Task, to_json
from ork.objects.value import replace

__all__ = [
    "Diff",
    "EdgeChange",
    "FieldChange",
    "FileChange",
    "TaskChange",
    "compare",
    "hunks",
    "summarize",
    "with_hunks",
]

SHORT_DIFF_LINES = 40  # changed lines of code that are shown without being asked for
SUMMARY_CHARS_MAX = 72
SUMMARY_VALUE_CHARS_MAX = 30
SUMMARY_FIELDS_MAX = 3


class Diff(Drawn, frozen=True, kw_only=True):
    """All that differs between two definitions; false when nothing does."""

    tasks: tuple[TaskChange, ...] = ()
    edges: tuple[EdgeChange, ...] = ()
    params: tuple[FieldChange, ...] = ()
    settings: tuple[FieldChange, ...] = ()
    files: tuple[FileChange, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.tasks or self.edges or self.params or self.settings or self.files)

    def cells(self) -> dict[str, object]:
        counts: dict[str, object] = {
            title: count(len(changes), title[:-1])
            for title in self.__struct_fields__
            if (changes := getattr(self, title))
        }
        return counts or {"": "nothing differs"}

    def _columns(self) -> tuple[str, ...]:
        return ("change", "of", "name", "field", "old", "new")

    def _records(self) -> Iterator[dict[str, object]]:
        """Yield a row for each field that differs, and each edge and file."""
        for task in self.tasks:
            about = {"change": task.kind, "of": "task", "name": task.name}
            yield from ({**about, **_of_field(field)} for field in task.fields or [None])
        for edge in self.edges:
            name = f"{edge.upstream} before {edge.downstream}"
            yield {"change": edge.kind, "of": "edge", "name": name}
        for of, changes in (("param", self.params), ("setting", self.settings)):
            for field in changes:
                yield {"change": field.kind, "of": of, **_of_field(field)}
        for file in self.files:
            yield {"change": file.kind, "of": "file", "name": file.path}


def _of_field(change: FieldChange | None) -> dict[str, object]:
    """Return the cells about one value that differs."""
    return {"field": change.path, "old": change.old, "new": change.new} if change else {}


def declared(params: Mapping[str, Param]) -> dict[str, Json]:
    """Return the declarations of parameters as a file has them, to compare them.

    Only those with a `default` have that key, be it null.
    """
    return {name: _declaration(param) for name, param in params.items()}


def _declaration(param: Param) -> Json:
    given: dict[str, Json] = {} if param.required else {"default": param.default}
    return given if param.type is None else {**given, "type": to_json(param.type)}


def compare(
    *,
    tasks: Mapping[str, tuple[Task | None, Task | None]],
    files: Mapping[str, tuple[FileEntry | None, FileEntry | None]],
    settings: tuple[Mapping[str, Json], Mapping[str, Json]],
    params: tuple[Mapping[str, Json], Mapping[str, Json]] = ({}, {}),
    read: Read,
    rename: bool = True,
) -> Diff:
    """Return the difference, given name -> (old, new) of all that may differ; None is absent.

    With `rename`, what went away and came back under another name, equal or similar, is one change
    and not two. `read` is called only for text files whose bytes differ.
    """
    old_tasks = {name: old for name, (old, _) in tasks.items() if old is not None}
    new_tasks = {name: new for name, (_, new) in tasks.items() if new is not None}
    old_files = {path: old for path, (old, _) in files.items() if old is not None}
    new_files = {path: new for path, (_, new) in files.items() if new is not None}
    names = renamed_tasks(old_tasks, new_tasks) if rename else {}
    paths = renamed_files(old_files, new_files, read) if rename else {}
    return Diff(
        tasks=tuple(task_changes(old_tasks, new_tasks, names)),
        edges=tuple(edge_changes(old_tasks, new_tasks, names)),
        params=tuple(object_changes(*params)),
        settings=tuple(object_changes(*_in_one_form(*settings))),
        files=tuple(file_changes(old_files, new_files, paths, read)),
    )


def _in_one_form(
    old: Mapping[str, Json], new: Mapping[str, Json]
) -> tuple[Mapping[str, Json], Mapping[str, Json]]:
    """Return settings whose schedules can be compared: a line of cron is short for a mapping."""
    before, after = old.get("schedule"), new.get("schedule")
    if before is None or after is None:
        return old, new
    several = isinstance(before, list) or isinstance(after, list)
    sides: list[list[Json]] = [one if isinstance(one, list) else [one] for one in (before, after)]
    if any(isinstance(one, dict) for side in sides for one in side):
        sides = [[{"cron": one} if isinstance(one, str) else one for one in s] for s in sides]
    before, after = sides if several else (side[0] for side in sides)
    return {**old, "schedule": before}, {**new, "schedule": after}


def with_hunks(diff: Diff, read: Read, *, lines_max: int | None = None) -> Diff:
    """Return the diff with the hunks of its files filled in.

    With `lines_max`, only those of files that both sides have, and none if they are longer in all.
    """
    chosen = [f for f in diff.files if lines_max is None or f.kind in ("changed", "renamed")]
    if lines_max is not None and sum(f.added_lines + f.removed_lines for f in chosen) > lines_max:
        return diff
    filled = {file.path: replace(file, hunks=hunks(file, read)) for file in chosen}
    return replace(diff, files=tuple(filled.get(file.path, file) for file in diff.files))


def summarize(diff: Diff, *, first: Diff | None = None) -> str:
    """Return one line of at most 72 characters, as for a deploy that was given no message.

    `first` is a part of the diff that matters more, as to why a run failed: what it has is told
    before the rest. There, and where not all has room, the settings come last, but for the
    interpreter, which executes the tasks.
    """
    clauses = list(_clauses(diff))
    if not clauses:
        return "No changes"
    if first is None and len(text := _sentence(clauses)) <= SUMMARY_CHARS_MAX:
        return text
    telling = tuple(setting for setting in diff.settings if setting.path == "python")
    parts = [first or Diff(), replace(diff, settings=telling), diff]
    clauses = list(dict.fromkeys(chain(*map(_clauses, parts))))
    for shown in range(len(clauses), 0, -1):
        text = _sentence(clauses[:shown])
        more = f" and {len(clauses) - shown} more" if shown < len(clauses) else ""
        if len(text + more) <= SUMMARY_CHARS_MAX:
            return text + more
    more = f" and {len(clauses) - 1} more" if len(clauses) > 1 else ""
    return _sentence(clauses[:1])[: SUMMARY_CHARS_MAX - len(more) - 3] + "..." + more


def _clauses(diff: Diff) -> Iterator[tuple[str, str]]:
    """Yield a verb and what it is done to, for each thing that differs."""
    verbs = {"added": "add", "renamed": "rename", "changed": "change", "removed": "remove"}
    for kind, verb in verbs.items():
        of_kind = (task for task in diff.tasks if task.kind == kind)
        if kind == "renamed":
            yield from ((verb, _renamed(group)) for group in alike(of_kind))
        elif kind == "changed":
            sizes: Counter[str] = Counter()  # groups may differ only in what is not told
            for group in alike(of_kind):
                sizes[_tasks(group)] += len(group)
            for what, size in sizes.items():
                yield verb, f"{what} of {size} tasks" if size > 1 else what
        else:
            yield from ((verb, _task(task)) for task in of_kind)
    yield from (("change", f"params.{_field(param)}") for param in diff.params)
    yield from (("change", _field(setting)) for setting in diff.settings)
    verbs = {"changed": "edit", "added": "add", "renamed": "rename", "removed": "remove"}
    for kind, verb in verbs.items():
        files = (file for file in diff.files if file.kind == kind and not _is_turned(file))
        yield from ((verb, _file(file)) for file in files)
    for file in filter(_is_turned, diff.files):
        yield "make", f"{_file(file)} {'' if file.new_executable else 'not '}executable"


def _is_turned(file: FileChange) -> bool:
    """Say whether nothing of a file changed but whether it can be executed."""
    turned = file.old_executable != file.new_executable
    return file.kind == "changed" and turned and file.old_blob == file.new_blob


def _sentence(clauses: list[tuple[str, str]]) -> str:
    groups = groupby(clauses, key=lambda clause: clause[0])
    text = "; ".join(f"{verb} {', '.join(what for _, what in group)}" for verb, group in groups)
    return text[0].upper() + text[1:]


def _tasks(group: tuple[TaskChange, ...]) -> str:
    if len(group) == 1:
        return _task(group[0])
    fields = in_common(group).fields
    return _field(fields[0]) if len(fields) == 1 else _names(fields)


def _renamed(group: tuple[TaskChange, ...]) -> str:
    first = group[0]
    if len(group) == 1:
        return _task(first)
    return f"{len(group)} tasks {family(str(first.old_name))} to {family(first.name)}"


def _task(task: TaskChange) -> str:
    if task.kind == "renamed":
        return f"{task.old_name} to {task.name}"
    if task.kind != "changed":
        return task.name
    if len(task.fields) == 1:
        return f"{task.name}.{_field(task.fields[0])}"
    return f"{task.name} ({_names(task.fields)})"


def _names(fields: tuple[FieldChange, ...]) -> str:
    names = list(dict.fromkeys(re.split(r"[.\[]", field.path)[0] for field in fields))
    rest = ["..."] if len(names) > SUMMARY_FIELDS_MAX else []
    return ", ".join(names[:SUMMARY_FIELDS_MAX] + rest)


def _file(file: FileChange) -> str:
    paths = (path for path in (file.old_path, file.path) if path)
    return " to ".join(map(_printable, paths))


def _field(change: FieldChange) -> str:
    """Return the path, with the values where they are short enough for a sentence."""
    old, new = (json.dumps(value, ensure_ascii=False) for value in (change.old, change.new))
    values = f"{old} -> {new}"
    short = len(values) <= SUMMARY_VALUE_CHARS_MAX and values.isprintable()
    # The environment may hold what somebody should not have written there; a message is for ever.
    shown = change.kind == "changed" and short and not change.path.startswith("env.")
    return f"{change.path} {values}" if shown else change.path


def _printable(text: str) -> str:
    return text if text.isprintable() else json.dumps(text)
