"""A difference as lines for people: what changed, by task, edge, setting and file.

Values are JSON and arrows are ASCII, so that what is seen can be searched for. With a `width`, long
values are shortened to fit it; without, nothing is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ork.cli.diff.wording import (
    EDITED,
    as_line,
    became,
    drawn,
    field_texts,
    gist,
    hunk_header,
    hunk_lines,
    remarks,
    replacement,
    sizes,
    value_text,
)
from ork.cli.pictures.looks import SIGNS
from ork.cli.screen.fit import Verbatim, padded
from ork.cli.screen.line import Line, plain
from ork.cli.screen.parts import clip, column, fitted, quoted
from ork.differences import lines
from ork.differences.definitions import SHORT_DIFF_LINES, Diff, FieldChange, FileChange, TaskChange
from ork.differences.files import text_shown
from ork.differences.tasks import alike, in_common
from ork.objects.value import Value

if TYPE_CHECKING:
    from ork.differences.inline import Piece
    from ork.differences.lines import Hunk

_MARKS = {"-": ("removed", "[-", "-]"), "+": ("added", "{+", "+}")}  # as git's --word-diff
VALUE_MAX = 240  # characters of a value that has lines of its own
LETTERS = {"added": "A", "removed": "D", "changed": "M", "renamed": "R"}


class _How(Value, frozen=True, kw_only=True):
    """The options of `diff_view`."""

    width: int | None
    patch: bool
    words: bool


def diff_view(
    diff: Diff, *, width: int | None = None, patch: bool = False, words: bool = False
) -> Iterator[Line]:
    """Draw a diff by its structure, with the hunks that it holds.

    Texts of several lines, such as a command, are shown by line: long ones, and all fields of added
    and removed tasks, with `patch`. With `words`, lines and texts show which words changed:
    [-removed-]{+added+}.
    """
    how = _How(width=width, patch=patch, words=words)
    if diff.tasks:
        yield [("tasks", "heading")]
        groups = [(task,) for task in diff.tasks] if patch else list(alike(diff.tasks))
        names = column(quoted(group[0].name) for group in groups if len(group) == 1)
        for group in groups:
            if len(group) == 1:
                yield from _task_lines(group[0], names, how)
            else:
                yield from _alike_lines(group, how)
    if diff.edges:
        yield [("edges", "heading")]
        for edge in diff.edges:
            arrow = f"{quoted(edge.upstream)} -> {quoted(edge.downstream)}"
            yield ["  ", (f"{SIGNS[edge.kind]} {arrow}", edge.kind)]
    for title, fields in (("params", diff.params), ("settings", diff.settings)):
        if fields:
            yield [(title, "heading")]
            yield from _fields_lines(fields, "  ", how)
    if diff.files:
        yield [("files", "heading")]
        names = column(quoted(file.path) for file in diff.files)
        for file in diff.files:
            yield from _file_lines(file, names, how)


def text_view(old: bytes, new: bytes, *, words: bool = False) -> Iterator[Line]:
    """Draw the lines that differ in two texts."""
    texts = [text_shown(one) or one.decode("utf-8", "replace") for one in (old, new)]
    if old != new and texts[0] == texts[1]:
        yield ["only the layout differs"]
    yield from _hunk_lines(lines.hunks(*texts), "", words)


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
    remark = drawn(became(task))
    if task.kind not in EDITED:
        what = quoted(": ".join(gist(task)))
        remark = clip(f"{remark} ({what})", how.width and how.width - pad - 5)
    # The edges section tells of depends_on; here it is only named when there is nothing else.
    fields = [field for field in task.fields if field.path != "depends_on"]
    if task.fields and not fields:
        remark += " (depends_on)"
    yield _entry(task.kind, quoted(task.name), "name", pad, (remark, "dim"))
    if how.patch or task.kind in EDITED:
        yield from _fields_lines(fields, "      ", how)


def _alike_lines(group: Sequence[TaskChange], how: _How) -> Iterator[Line]:
    """Yield what is the same of several tasks."""
    first = in_common(group)
    lead = f"{len(group)} tasks"
    what = "" if first.kind in EDITED else f" ({quoted(': '.join(gist(first)))})"
    remark = f"{drawn(became(*group))}{clip(what, how.width and how.width // 2)}: "
    room = how.width and how.width - len(lead) - len(remark) - 6
    shown = fitted([task.name for task in group], room)
    yield ["  ", (SIGNS[first.kind], first.kind), " ", lead, "  ", (remark, "dim"), (shown, "name")]
    fields = [field for field in first.fields if field.path != "depends_on"]
    if first.kind in EDITED:
        yield from _fields_lines(fields, "      ", how)


def _fields_lines(fields: Sequence[FieldChange], indent: str, how: _How) -> Iterator[Line]:
    pad = column(field.path for field in fields)
    for field in fields:
        lead: Line = [indent, (padded(field.path, pad), "name"), "  "]
        texts = field_texts(field) if field.kind == "changed" or how.patch else None
        if texts is None:
            yield from _values(field, lead, how)
            continue
        added, removed = lines.count_changes(*texts)
        yield [*lead, *as_line(sizes(added, removed))]
        if how.patch or added + removed <= SHORT_DIFF_LINES:
            yield from _hunk_lines(lines.hunks(*texts), indent + "    ", how.words)


def _values(field: FieldChange, lead: Line, how: _How) -> Iterator[Line]:
    """Yield both values in one line, or below each other where the line has no room for both."""
    indent = plain(lead[:1])
    room = how.width and how.width - len(plain(lead))
    old, new = value_text(field.old, None), value_text(field.new, None)
    if field.kind != "changed":
        room = room and room - 2
        yield [*lead, *as_line(replacement(field.kind, clip(old, room), clip(new, room)))]
    elif how.words and isinstance(field.old, str) and isinstance(field.new, str):
        from ork.differences.inline import word_changes

        yield [*lead, *_words(word_changes(old, new), room)]
    elif room is None or len(old) + len(new) + len(" -> ") <= room:
        yield [*lead, *as_line(replacement("changed", old, new))]
    else:
        old, new = _clip_pair(old, new)
        yield [indent, (field.path, "name")]
        yield Verbatim([f"{indent}    ", (f"- {old}", "removed")])
        yield Verbatim([f"{indent}    ", (f"+ {new}", "added")])


# -- files


def _file_lines(file: FileChange, pad: int, how: _How) -> Iterator[Line]:
    remark = drawn(remarks(file))
    counts = as_line(sizes(file.added_lines, file.removed_lines))
    rest: Line = [(remark, "dim"), *(["  "] if counts else [])] if remark else []
    yield _entry(file.kind, quoted(file.path), "file", pad, *rest, *counts)
    yield from _hunk_lines(file.hunks or (), "      ", how.words)


def _hunk_lines(hunks: Iterable[Hunk], indent: str, words: bool) -> Iterator[Line]:
    if not words:
        for line in hunk_lines(hunks):
            yield Verbatim([indent, *as_line([line])])
        return
    from ork.differences.inline import hunk_words

    for hunk in hunks:
        yield [indent, (hunk_header(hunk), "hunk")]
        for pieces in hunk_words(hunk.lines):
            yield Verbatim([indent, *_words(pieces)])


def _words(pieces: list[Piece], room: int | None = None) -> Line:
    """Return pieces with marks; in a text that is longer than the room, the same is shortened."""
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
            line.append((f"{start}{text}{end}", style))
    return line


# -- parts of lines


def _entry(kind: str, name: str, style: str, pad: int, *rest: str | tuple[str, str]) -> Line:
    line: Line = ["  ", (SIGNS[kind], kind), " "]
    return [*line, (padded(name, pad), style), "  ", *rest] if rest else [*line, (name, style)]


def _status(kind: str, thing: str, name: str, old_name: str | None = None) -> Line:
    line: Line = [(LETTERS[kind], kind), f"\t{thing}\t", (quoted(name), "name")]
    return [*line, f"\t{quoted(old_name)}"] if old_name else line


def _clip_pair(old: str, new: str) -> tuple[str, str]:
    """Return both, shortened if they are long, so that where they part is still seen."""
    same = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), 0)
    start = min(same - VALUE_MAX // 4, max(len(old), len(new)) - VALUE_MAX) + 3
    if start > 3:
        old, new = f"...{old[start:]}", f"...{new[start:]}"
    return clip(old, VALUE_MAX), clip(new, VALUE_MAX)
