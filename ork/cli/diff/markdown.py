"""A change as Markdown that reads well in a pull request.

Whatever comes from a store is written as code, which no renderer interprets: in a span, in a fence
that is longer than any run of backticks in it, or, where a span could end early, by numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import escape
from typing import TYPE_CHECKING

from ork.cli.diff.wording import (
    EDITED,
    became,
    drawn,
    field_hunks,
    gist,
    headline,
    hunk_lines,
    listed,
    reason,
    remarks,
    sizes,
    unkept,
    value_text,
)
from ork.cli.pictures.change import nearest
from ork.cli.pictures.fold import folded
from ork.cli.pictures.graph import Graph, mermaid
from ork.cli.pictures.looks import SIGNS
from ork.cli.screen.line import visible
from ork.cli.screen.parts import clip
from ork.differences.definitions import Diff, FieldChange, FileChange, TaskChange
from ork.differences.impact import by_reason
from ork.differences.tasks import alike, in_common

if TYPE_CHECKING:
    from ork.differences.impact import Impact
    from ork.differences.lines import Hunk
    from ork.history.compare import Comparison

TASKS_MAX = 60  # in the picture; and edges: beyond these, renderers refuse a flowchart
EDGES_MAX = 400
OPEN_LINES_MAX = 30  # longer code is folded
FILE_LINES_MAX = 400
CODE_CHARS_MAX = 40_000  # in all: what a forge takes as one comment is 65,536
TASKS_CHARS_MAX = 15_000  # of the table of tasks, beside them
NAMES_MAX = 100
GIST_CHARS_MAX = 120
ALIKE_MAX = 8  # names of tasks that changed alike


def markdown_view(comparison: Comparison, impact: Impact, graph: Graph) -> Iterator[str]:
    """Yield the lines of a whole change: headline, picture, tasks, settings, code, impact."""
    diff = comparison.diff
    yield f"### {_text(headline(comparison, impact))}"
    yield ""
    ends = [
        f"{code(side.text)} ({code(side.snapshot[:12])})"
        for side in (comparison.old, comparison.new)
    ]
    yield f"{ends[0]} → {ends[1]}"
    if not diff:
        return
    if told := unkept(comparison):
        yield from ("", f"{_text(told[0].upper() + told[1:])}.")
    yield from _picture(nearest(folded(graph), TASKS_MAX))
    room = _Room(CODE_CHARS_MAX)
    yield from _tasks(diff, room)
    yield from _edges(diff)
    for title, fields in (("Parameters", diff.params), ("Settings", diff.settings)):
        if fields:
            yield from ("", f"**{title}**", "", "| | old | new |", "|---|---|---|")
            yield from (f"| {code(f.path)} | {_old(f)} | {_new(f)} |" for f in fields)
    if diff.files:
        yield from ("", "**Code**")
        for file in diff.files:
            yield from _file(file, room)
    yield from _impact(impact)


def code(text: str) -> str:
    """Return a text as a code span that nothing in it can end, also in the cell of a table."""
    text = visible(text).replace("\t", " ")
    if not text.strip() or re.search(r"[`|]|^ | $", text):
        escaped = re.sub(r"[^\w .-]|_", lambda found: f"&#{ord(found[0])};", text)
        return f"<code>{escaped}</code>"
    return f"`{text}`"


def fenced(lines: Iterable[str], language: str) -> Iterator[str]:
    """Yield lines as a block of code; the fence is longer than any run of backticks in it."""
    shown = [visible(line) for line in lines]
    longest = max((len(run) for line in shown for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    yield from (fence + language, *shown, fence)


class _Room:
    """The characters of code that may still be shown."""

    def __init__(self, chars: int) -> None:
        self.chars = chars

    def take(self, lines: list[str]) -> bool:
        """Say whether these lines fit, and count them if they do."""
        size = sum(len(line) + 1 for line in lines)
        if len(lines) > FILE_LINES_MAX or size > self.chars:
            return False
        self.chars -= size
        return True


def _picture(graph: Graph) -> Iterator[str]:
    if not graph.needs or sum(1 for _ in graph.edges) > EDGES_MAX:
        return
    yield ""
    yield from fenced(mermaid(graph), "mermaid")
    yield ""
    yield (
        "<sub>`+` added, `-` removed, `~` changed, `>` renamed; "
        "yellow: can give another result; grey: cannot</sub>"
    )


def _tasks(diff: Diff, room: _Room) -> Iterator[str]:
    if not diff.tasks:
        return
    yield from ("", "| | task | field | old | new |", "|---|---|---|---|---|")
    later: list[tuple[str, tuple[Hunk, ...]]] = []
    left, chars = len(diff.tasks), TASKS_CHARS_MAX
    for group in alike(diff.tasks):
        rows = list(_rows(group, later))
        chars -= sum(map(len, rows))
        if chars < 0:
            yield f"| | and {left:,} more | | | |"
            break
        yield from rows
        left -= len(group)
    for name, found in later:
        yield from _hunks(name, found, room)


def _rows(
    group: tuple[TaskChange, ...], later: list[tuple[str, tuple[Hunk, ...]]]
) -> Iterator[str]:
    """Yield the rows of tasks that changed alike; what is better shown by line comes later."""
    task, name = in_common(group), _named(group)
    lead = f"| `{SIGNS[task.kind]}` | {name}"
    # What an added task is made of is better told in one line.
    for field in task.fields if task.kind in EDITED else ():
        if found := field_hunks(field):
            several = f"{len(group):,} tasks: " if len(group) > 1 else ""
            later.append((f"{several}{task.name}.{field.path}", found))
            yield f"{lead} | {code(field.path)} | | see below |"
        else:
            yield f"{lead} | {code(field.path)} | {_old(field)} | {_new(field)} |"
        lead = "| |"
    if task.kind != "changed" or not task.fields:
        yield f"{lead} | {_title(task, group)} | | |"


def _title(task: TaskChange, group: tuple[TaskChange, ...]) -> str:
    title = drawn(became(*group), name=code, aside=", {}")
    what = "" if task.kind in EDITED else gist(task)[1]
    return f"{title}: {code(clip(what, GIST_CHARS_MAX))}" if what else title


def _named(group: tuple[TaskChange, ...]) -> str:
    """Return the names of tasks that changed alike."""
    lead = f"{len(group):,} tasks: " if len(group) > 1 else ""
    return lead + drawn(listed([task.name for task in group], ALIKE_MAX), name=code)


def _edges(diff: Diff) -> Iterator[str]:
    if diff.edges:
        yield from ("", "**Edges**", "")
        for edge in diff.edges[:NAMES_MAX]:
            yield f"- {edge.kind} {code(edge.upstream)} → {code(edge.downstream)}"
        if len(diff.edges) > NAMES_MAX:
            yield f"- and {len(diff.edges) - NAMES_MAX:,} more"


def _file(file: FileChange, room: _Room) -> Iterator[str]:
    parts = (
        drawn(remarks(file), name=code, aside=""),
        drawn(sizes(file.added_lines, file.removed_lines)),
    )
    about = ", ".join(filter(None, parts))
    if file.hunks:
        yield from _hunks(file.path, file.hunks, room, about)
    else:
        yield from ("", f"`{SIGNS[file.kind]}` {code(file.path)} {about}".rstrip())


def _hunks(name: str, hunks: tuple[Hunk, ...], room: _Room, about: str = "") -> Iterator[str]:
    lines = [line for line, _ in hunk_lines(hunks)]
    title = f"{code(name)} {about}".rstrip()
    yield ""
    if not room.take(lines):
        yield f"{title} ({len(lines):,} lines of diff, not shown)"
        return
    if len(lines) <= OPEN_LINES_MAX:
        yield from (title, "", *fenced(lines, "diff"))
        return
    shown = escape(visible(name))
    yield from (f"<details><summary><code>{shown}</code> {_text(about)}</summary>", "")
    yield from (*fenced(lines, "diff"), "", "</details>")


def _impact(impact: Impact) -> Iterator[str]:
    if impact.affected:
        yield from ("", "**Can give other results**", "")
        groups = by_reason(impact.affected)
        for group in groups[:NAMES_MAX]:
            (lead, _), *names = reason(group[0], short=len(group) > 1)
            who = drawn(listed([one.name for one in group], ALIKE_MAX), name=code)
            yield f"- {who}: {_text(lead)}{drawn(names, name=code)}".rstrip()
        if left := sum(map(len, groups[NAMES_MAX:])):
            yield f"- and {left:,} more"
    if impact.unaffected:
        number = f"{len(impact.unaffected):,}"
        yield from ("", f"<details><summary>Cannot give other results: {number}</summary>", "")
        yield drawn(listed(impact.unaffected, NAMES_MAX), name=code)
        yield from ("", "</details>")


def _old(field: FieldChange) -> str:
    return "" if field.kind == "added" else code(value_text(field.old))


def _new(field: FieldChange) -> str:
    return "" if field.kind == "removed" else code(value_text(field.new))


def _text(text: str) -> str:
    """Return words that Markdown leaves alone, outside of code."""
    special = r"[\\`*_{}\[\]<>()#|@&~]|(?<=:)/|(?<=www)\."  # the last two: links
    return re.sub(special, lambda found: f"&#{ord(found[0])};", visible(text))
