"""A difference as counts: one line per task, setting and file, with bars."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from typing import TypeAlias

from ork.cli.diff.wording import EDITED, totals
from ork.cli.pictures.looks import SIGNS
from ork.cli.screen.fit import columns, padded
from ork.cli.screen.line import Line
from ork.cli.screen.parts import clip, quoted
from ork.differences.definitions import Diff, FieldChange, FileChange, TaskChange

WIDTH_DEFAULT = 80  # of a pipe, for the bars only: names are never shortened there
NAME_COLUMNS_MAX = 120  # longer names, in a pipe, push the rest of their line to the right

_Row: TypeAlias = tuple[str, tuple[int, int, int], str]  # name, (changed, added, removed), remark


def stat_view(diff: Diff, *, width: int | None = None) -> Iterator[Line]:
    """Draw one line per task, setting and file with the size of its change, then the totals."""
    rows = [*map(_task_row, diff.tasks)]
    for noun, fields in (("param", diff.params), ("setting", diff.settings)):
        rows += [(f"{noun} {field.path}", _by_kind([field]), "") for field in fields]
    rows += map(_file_row, diff.files)
    if not rows:
        return
    if width is not None:
        rows = [(clip(name, width // 2), counts, remark) for name, counts, remark in rows]
    sizes = [columns(name) for name, *_ in rows]
    longest = max((size for size in sizes if size <= NAME_COLUMNS_MAX), default=0)
    digits = max(len(str(sum(counts))) for _, counts, _ in rows)
    room = max((width or WIDTH_DEFAULT) - longest - digits - 5, 10)
    largest = max(sum(counts) for _, counts, _ in rows)
    for name, counts, remark in rows:
        line: Line = [" ", (padded(name, longest), "name"), " | "]
        line.append(remark or str(sum(counts)).rjust(digits))
        bars = zip(("changed", "added", "removed"), _scaled(counts, largest, room), strict=True)
        marks = [(SIGNS[kind] * length, kind) for kind, length in bars if length and not remark]
        yield [*line, *([" "] if marks else []), *marks]
    yield [" ", totals(diff)]


def _task_row(task: TaskChange) -> _Row:
    old_name = f"{quoted(task.old_name)} => " if task.old_name else ""
    name = f"task {old_name}{quoted(task.name)}"
    # Of an added or a removed task the number of fields says little.
    sized = task.fields and task.kind in EDITED
    return name, _by_kind(task.fields), "" if sized else task.kind


def _file_row(file: FileChange) -> _Row:
    path = quoted(file.path)
    name = _moved(file.old_path, file.path) if file.old_path else path
    remark = f"{file.kind}, binary" if file.binary else ""
    if file.old_blob == file.new_blob:
        remark = "renamed" if file.old_path else "mode"
    return name, (0, file.added_lines, file.removed_lines), remark


def _moved(old: str, new: str) -> str:
    """Return two paths as git writes them, with the folders that both have written once."""
    if (quoted(old), quoted(new)) != (old, new):
        return f"{quoted(old)} => {quoted(new)}"
    olds, news = old.split("/"), new.split("/")
    lead = _shared(olds[:-1], news[:-1])
    begin = max(lead, 1)  # a path that ends the other one stays whole
    tail = _shared(olds[begin:][::-1], news[begin:][::-1])
    rests = ("/".join(path[lead : len(path) - tail]) for path in (olds, news))
    both = " => ".join(rests)
    if not lead and not tail:
        return both
    return "/".join([*olds[:lead], f"{{{both}}}", *olds[len(olds) - tail :]])


def _shared(old: Sequence[str], new: Sequence[str]) -> int:
    """Return with how many of the same names two paths begin."""
    pairs = zip(old, new, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _by_kind(fields: Iterable[FieldChange]) -> tuple[int, int, int]:
    kinds = [field.kind for field in fields]
    return kinds.count("changed"), kinds.count("added"), kinds.count("removed")


def _scaled(counts: tuple[int, int, int], largest: int, room: int) -> list[int]:
    """Return the lengths of the bars: each at least 1 unless it counts nothing."""
    if largest <= room:
        return list(counts)
    return [max(1, count * room // largest) if count else 0 for count in counts]
