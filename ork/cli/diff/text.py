"""A Diff -> lines for people: what changed, by task, edge, setting and file.

Pure. Values are JSON and arrows are ASCII, so that what is seen can be searched for. With a
`width`, long values are shortened to fit it; without, nothing is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ork.cli.screen.line import Line
from ork.cli.screen.parts import CLIP_MIN, clip, column, quoted
from ork.differences import lines
from ork.differences.definitions import (
    SHORT_DIFF_LINES,
    Diff,
    EdgeChange,
    FieldChange,
    FileChange,
    TaskChange,
)
from ork.differences.lines import Hunk
from ork.objects.canonical import Json

if TYPE_CHECKING:
    from ork.differences.inline import Piece

SIGNS = {"added": "+", "removed": "-", "changed": "~", "renamed": ">"}
_MARKS = {"-": ("removed", "[-", "-]"), "+": ("added", "{+", "+}")}  # as git's --word-diff
LETTERS = {"added": "A", "removed": "D", "changed": "M", "renamed": "R"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _How:
    """How a diff is to be drawn: see `diff_view`."""

    width: int | None
    patch: bool
    word_marks: bool | None


def diff_view(
    diff: Diff, *, width: int | None = None, patch: bool = False, word_marks: bool | None = None
) -> Iterator[Line]:
    """Draw a diff by its structure, with the hunks that it holds.

    Texts of several lines, such as a command, are shown by line: long ones, and all fields of added
    and removed tasks, with `patch`. With `word_marks`, which may be False, lines and texts show
    which words changed: [-removed-]{+added+}, or without marks by their colours alone.
    """
    how = _How(width=width, patch=patch, word_marks=word_marks)
    if diff.tasks:
        yield [("tasks", "heading")]
        names = column(quoted(task.name) for task in diff.tasks)
        for task in diff.tasks:
            yield from _task_lines(task, names, how)
    if diff.edges:
        yield [("edges", "heading")]
        for edge in diff.edges:
            yield ["  ", (f"{SIGNS[edge.kind]} {_arrow(edge)}", edge.kind)]
    if diff.params:
        yield [("params", "heading")]
        paths = column(param.path for param in diff.params)
        for param in diff.params:
            yield from _field_lines(param, "  ", paths, how)
    if diff.settings:
        yield [("settings", "heading")]
        paths = column(setting.path for setting in diff.settings)
        for setting in diff.settings:
            yield from _field_lines(setting, "  ", paths, how)
    if diff.files:
        yield [("files", "heading")]
        names = column(quoted(file.path) for file in diff.files)
        for file in diff.files:
            yield from _file_lines(file, names, how)


def name_status_view(diff: Diff) -> Iterator[Line]:
    """Draw one line per change: status, kind, name and, if renamed, the old name, after tabs."""
    for task in diff.tasks:
        yield _status(task.kind, "task", task.name, task.old_name)
    for edge in diff.edges:
        yield _status(edge.kind, "edge", f"{edge.upstream} -> {edge.downstream}")
    for param in diff.params:
        yield _status(param.kind, "param", param.path)
    for setting in diff.settings:
        yield _status(setting.kind, "setting", setting.path)
    for file in diff.files:
        yield _status(file.kind, "file", file.path, file.old_path)


# -- tasks and fields


def _task_lines(task: TaskChange, pad: int, how: _How) -> Iterator[Line]:
    remark = task.kind
    if task.kind == "renamed":
        remark = f"renamed from {quoted(task.old_name or '')} ({task.similarity}% similar)"
    elif task.kind != "changed":
        remark = clip(f"{task.kind} ({_gist(task)})", how.width and how.width - pad - 5)
    # The edges section tells of depends_on; here it is only named when there is nothing else.
    fields = [field for field in task.fields if field.path != "depends_on"]
    if task.fields and not fields:
        remark += " (depends_on)"
    yield _entry(task.kind, quoted(task.name), "name", pad, (remark, "dim"))
    if how.patch or task.kind in ("changed", "renamed"):
        paths = column(field.path for field in fields)
        for field in fields:
            yield from _field_lines(field, "      ", paths, how)


def _gist(task: TaskChange) -> str:
    """Return what an added task calls, or a removed one called, in a few words."""
    values = {f.path: f.old if f.kind == "removed" else f.new for f in task.fields}
    command = values.get("command")
    if isinstance(command, list):
        command = " ".join(map(str, command))
    target = command or values.get("file") or values.get("module") or ""
    function = f":{values['function']}" if values.get("function") else ""
    first, *more = str(target).strip().split("\n")
    return quoted(f"{values.get('executor', '')}: {first}{' ...' if more else ''}{function}")


def _field_lines(field: FieldChange, indent: str, pad: int, how: _How) -> Iterator[Line]:
    lead: Line = [indent, (field.path.ljust(pad), "name"), "  "]
    texts = _texts(field, how.patch)
    if texts is None:
        room = how.width and how.width - len(indent) - max(pad, len(field.path)) - 2
        yield [*lead, *_values(field, room, how.word_marks)]
        return
    added, removed = lines.count_changes(*texts)
    yield [*lead, *_counts(added, removed)]
    if how.patch or added + removed <= SHORT_DIFF_LINES:
        yield from _hunk_lines(lines.hunks(*texts), indent + "    ", how.word_marks)


def _texts(field: FieldChange, patch: bool) -> tuple[str, str] | None:
    """Return the two texts to show by line, or None where a field is better shown as a value."""
    if field.kind != "changed" and not patch:
        return None
    old = "" if field.kind == "added" else field.old
    new = "" if field.kind == "removed" else field.new
    if not isinstance(old, str) or not isinstance(new, str) or "\n" not in old + new:
        return None
    # That the last line of both has no newline would be noise in a command.
    end = "" if old.endswith("\n") or new.endswith("\n") else "\n"
    return old and old + end, new and new + end


def _values(field: FieldChange, room: int | None, word_marks: bool | None) -> Line:
    if field.kind == "added":
        return [(f"+ {clip(_json(field.new), room and room - 2)}", "added")]
    if field.kind == "removed":
        return [(f"- {clip(_json(field.old), room and room - 2)}", "removed")]
    if word_marks is not None and isinstance(field.old, str) and isinstance(field.new, str):
        from ork.differences.inline import word_changes

        return _words(word_changes(_json(field.old), _json(field.new)), word_marks, room)
    old, new = _clip_pair(_json(field.old), _json(field.new), room and room - len(" -> "))
    return [(old, "removed"), (" -> ", "dim"), (new, "added")]


# -- files


def _file_lines(file: FileChange, pad: int, how: _How) -> Iterator[Line]:
    remarks: list[str] = []
    if file.kind == "renamed":
        remarks.append(f"renamed from {quoted(file.old_path or '')} ({file.similarity}% similar)")
    elif file.kind != "changed":
        remarks.append(file.kind)
    if file.binary:
        remarks.append("binary")
    if file.kind in ("changed", "renamed") and file.old_executable != file.new_executable:
        remarks.append("now executable" if file.new_executable else "no longer executable")
    rest: Line = [(", ".join(remarks), "dim")] if remarks else []
    counts = _counts(file.added_lines, file.removed_lines)
    gap: Line = ["  "] if rest and counts else []
    yield _entry(file.kind, quoted(file.path), "file", pad, *rest, *gap, *counts)
    yield from _hunk_lines(file.hunks or (), "      ", how.word_marks)


def _hunk_lines(hunks: Iterable[Hunk], indent: str, word_marks: bool | None) -> Iterator[Line]:
    styles = {"+": "added", "-": "removed", "\\": "dim"}
    for hunk in hunks:
        place = f"-{hunk.old_start},{hunk.old_lines} +{hunk.new_start},{hunk.new_lines}"
        yield [indent, (f"@@ {place} @@", "hunk")]
        if word_marks is not None:
            from ork.differences.inline import hunk_words

            yield from ([indent, *_words(line, word_marks)] for line in hunk_words(hunk.lines))
            continue
        for line in hunk.lines:
            style = styles.get(line[0])
            yield [indent, (line, style) if style else line]


def _words(pieces: list[Piece], marks: bool, room: int | None = None) -> Line:
    """Return pieces in their colours; with marks, as are blanks always, since they have no colour.

    In a text that is longer than the room, what did not change is shortened.
    """
    each: int | None = None
    if room is not None and sum(len(text) for _, text in pieces) > room:
        kept = sum(sign == " " for sign, _ in pieces)
        changed = sum(len(text) + 4 for sign, text in pieces if sign != " ")
        each = max((room - changed) // max(kept, 1), 0)
    line: Line = []
    for sign, text in pieces:
        if sign == " ":
            line.append(clip(text, each))
        else:
            style, start, end = _MARKS[sign]
            line.append((f"{start}{text}{end}" if marks or text.isspace() else text, style))
    return line


# -- parts of lines


def _entry(kind: str, name: str, style: str, pad: int, *rest: str | tuple[str, str]) -> Line:
    line: Line = ["  ", (SIGNS[kind], kind), " "]
    return [*line, (name.ljust(pad), style), "  ", *rest] if rest else [*line, (name, style)]


def _counts(added: int, removed: int) -> Line:
    found: Line = [(f"+{added}", "added")] if added else []
    if removed:
        found += [*([" "] if found else []), (f"-{removed}", "removed")]
    return found


def _status(kind: str, thing: str, name: str, old_name: str | None = None) -> Line:
    line: Line = [(LETTERS[kind], kind), f"\t{thing}\t", (quoted(name), "name")]
    return [*line, f"\t{quoted(old_name)}"] if old_name else line


def _arrow(edge: EdgeChange) -> str:
    return f"{quoted(edge.upstream)} -> {quoted(edge.downstream)}"


def _json(value: Json) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _clip_pair(old: str, new: str, room: int | None) -> tuple[str, str]:
    """Return both, shortened to fit together, so that where they part is still seen."""
    if room is None or len(old) + len(new) <= room:
        return old, new
    each = max(room // 2, CLIP_MIN)
    same = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), 0)
    start = min(same - each // 4, max(len(old), len(new)) - each) + 3
    if start > 3:
        old, new = f"...{old[start:]}", f"...{new[start:]}"
    return clip(old, max(each, room - len(new))), clip(new, max(each, room - len(old)))
