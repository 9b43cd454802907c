"""A comparison -> the sections of a page: the picture, tasks, edges, settings, code, impact."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ork.cli.diff.wording import field_hunks, many, reach, reason, title_of, value_text
from ork.cli.pictures.change import nearest
from ork.cli.pictures.graph import SIGNS, Graph
from ork.cli.report.markup import Html, Part, chip, code, el, join, section, table
from ork.cli.report.page import header, picture
from ork.cli.report.parts import ends_line
from ork.differences.definitions import Diff, EdgeChange, FieldChange, FileChange, TaskChange

if TYPE_CHECKING:
    from ork.differences.impact import Impact
    from ork.differences.lines import Hunk
    from ork.history.compare import Comparison

TASKS_MAX = 60  # in the picture
OPEN_LINES_MAX = 400  # of one diff; a longer one is closed at first,
LINES_MAX = 5_000  # and ends here
ROWS_MAX = 500  # of tasks, edges, files and reasons


def change_header(comparison: Comparison, impact: Impact) -> Html:
    """Return the head of the page of a change: its two ends, its reach, how much changed."""
    diff = comparison.diff
    kinds = [(kind, sum(task.kind == kind for task in diff.tasks)) for kind in SIGNS]
    chips = [chip(f"{many(number, 'task')} {kind}", kind) for kind, number in kinds if number]
    things = (("code file", diff.files), ("parameter", diff.params), ("setting", diff.settings))
    chips += [chip(f"{many(len(found), noun)} changed", "same") for noun, found in things if found]
    total = len(impact.affected) + len(impact.unaffected)
    lead = reach(len(impact.affected), total) if diff else "nothing differs"
    return header(ends_line(comparison), lead[0].upper() + lead[1:], chips)


def change_sections(diff: Diff, impact: Impact, graph: Graph) -> Iterator[Html]:
    """Yield all that is to say of a change; nothing when there is none."""
    if not diff:
        return
    if graph.needs:
        yield picture(
            "The change",
            nearest(graph, TASKS_MAX),
            note=many(len(impact.affected) + len(impact.unaffected), "task"),
        )
    if impact.affected or impact.unaffected:
        yield _impact(impact)
    if diff.tasks:
        yield section(
            "Tasks", [_task(task) for task in diff.tasks[:ROWS_MAX]], note=_clipped(len(diff.tasks))
        )
    if diff.edges:
        yield section("Edges", _edges(diff.edges), note=_clipped(len(diff.edges)))
    for title, fields in (("Parameters", diff.params), ("Settings", diff.settings)):
        if fields:
            yield section(title, _fields(fields))
    if diff.files:
        lines = [
            f"+{sum(f.added_lines for f in diff.files):,}",
            f"−{sum(f.removed_lines for f in diff.files):,}",
        ]
        yield section(
            "Code",
            [_file(file) for file in diff.files[:ROWS_MAX]],
            note=" ".join(lines) + (_clipped(len(diff.files)) or ""),
        )


def _impact(impact: Impact) -> Html:
    total = len(impact.affected) + len(impact.unaffected)
    rows = []
    for one in impact.affected[:ROWS_MAX]:
        lead, names = reason(one)
        rows.append(
            el(
                "li",
                code(one.name),
                el("span", f" — {lead} ", class_="soft"),
                _list(map(code, names)),
            )
        )
    cannot = None
    if impact.unaffected:
        shown = impact.unaffected[:ROWS_MAX]
        cannot = el(
            "details",
            el(
                "summary",
                "Cannot give other results",
                el("span", f"{len(impact.unaffected):,}", class_="note"),
            ),
            el("p", _list(map(code, shown)), class_="soft"),
        )
    return section(
        "Impact",
        el("ul", rows, class_="reasons") if rows else None,
        cannot,
        note=reach(len(impact.affected), total),
    )


def _task(task: TaskChange) -> Html:
    edited = task.kind in ("changed", "renamed")
    title: list[Part] = [
        chip(SIGNS[task.kind], task.kind),
        " ",
        code(task.name),
        el("span", title_of(task), class_="note"),
    ]
    fields = [field for field in task.fields if field.path != "depends_on" or edited]
    if not fields:
        return el("details", el("summary", title))
    return el("details", el("summary", title), _fields(fields), open=edited)


def _fields(fields: Iterable[FieldChange]) -> Html:
    rows, long = [], []
    for field in fields:
        if found := field_hunks(field):
            long.append(join([el("h3", code(field.path)), _hunks(found)]))
            continue
        old = None if field.kind == "added" else code(value_text(field.old), "old")
        new = None if field.kind == "removed" else code(value_text(field.new), "new")
        rows.append([code(field.path), old, new])
    return join([table(("field", "before", "after"), rows) if rows else None, long])


def _edges(edges: tuple[EdgeChange, ...]) -> Html:
    rows = [
        el(
            "li",
            chip(SIGNS[edge.kind], edge.kind),
            " ",
            code(edge.upstream),
            " → ",
            code(edge.downstream),
            el("span", f" {edge.kind}", class_="note"),
        )
        for edge in edges[:ROWS_MAX]
    ]
    return el("ul", rows, class_="reasons")


def _file(file: FileChange) -> Html:
    remarks = [] if file.kind == "changed" else [file.kind]
    if file.kind == "renamed":
        remarks = [f"renamed from {file.old_path}, {file.similarity}% similar"]
    if file.binary:
        remarks.append("binary")
    if file.kind in ("changed", "renamed") and file.old_executable != file.new_executable:
        remarks.append("now executable" if file.new_executable else "no longer executable")
    sizes: list[Part] = []
    if file.added_lines:
        sizes += [" ", el("span", f"+{file.added_lines:,}", class_="new")]
    if file.removed_lines:
        sizes += [" ", el("span", f"−{file.removed_lines:,}", class_="old")]
    title = el(
        "summary",
        chip(SIGNS[file.kind], file.kind),
        " ",
        code(file.path),
        el("span", ", ".join(remarks), sizes, class_="note"),
    )
    size = sum(len(hunk.lines) for hunk in file.hunks or ())
    return el(
        "details",
        title,
        _hunks(file.hunks) if file.hunks else None,
        open=0 < size <= OPEN_LINES_MAX,
    )


def _hunks(hunks: tuple[Hunk, ...]) -> Html:
    looks = {"+": "plus", "-": "minus", "\\": "at"}
    lines: list[Html] = []
    for hunk in hunks:
        place = f"-{hunk.old_start},{hunk.old_lines} +{hunk.new_start},{hunk.new_lines}"
        lines.append(el("b", f"@@ {place} @@", class_="at"))
        lines += [el("b", line, class_=looks.get(line[0])) for line in hunk.lines]
    if len(lines) > LINES_MAX:
        rest = f"and {len(lines) - LINES_MAX:,} more lines: `ork diff -p` shows them"
        lines = [*lines[:LINES_MAX], el("b", rest, class_="at")]
    return el("pre", lines)


def _list(items: Iterable[Html]) -> Html:
    return join([[", " if index else None, item] for index, item in enumerate(items)])


def _clipped(total: int) -> str | None:
    return f" the first {ROWS_MAX:,} of {total:,}" if total > ROWS_MAX else None
