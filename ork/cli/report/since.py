"""Two runs -> one section: where they part and why, what they were given, where they ran."""

from __future__ import annotations

from collections.abc import Iterable

from ork.cli.diff.wording import value_text
from ork.cli.report.markup import Html, code, el, facts, join, section, table
from ork.cli.report.parts import state_chip
from ork.cli.screen import human as words
from ork.differences.runs import Divergence
from ork.differences.values import FieldChange
from ork.history.compare_runs import RunDiff, RunSide

ROWS_MAX = 200


def run_diff_section(title: str, diff: RunDiff) -> Html:
    """Return what two runs have not in common, beside the definition that they executed."""
    if not diff:
        return section(title, el("p", "Nothing differs between the two runs but times."))
    rows = [
        ("first to differ", _divergence(diff.first)),
        ("first other outcome", _divergence(diff.outcome) if diff.outcome != diff.first else None),
        ("outcome", join([_run(diff.old), " → ", _run(diff.new)])),
        ("definition", None if diff.definition else "the same"),
        ("parameters", None if diff.params else "the same"),
        ("environment", None if diff.environment else "the same"),
    ]
    states = [task for task in diff.tasks if "state" in task.kinds]
    tables = [_fields("Parameters", diff.params), _fields("Environment", diff.environment)]
    if states:
        cells = [
            [
                code(task.name),
                state_chip(task.old.state) if task.old else "-",
                state_chip(task.new.state) if task.new else "-",
            ]
            for task in states[:ROWS_MAX]
        ]
        head = ("task", diff.old.name, diff.new.name)
        tables.append(join([el("h3", "Tasks that ended differently"), table(head, cells)]))
    return section(title, facts(rows), tables, note=_alike(diff))


def _divergence(found: Divergence | None) -> Html | None:
    return join([code(found.task), f": {found.why}"]) if found else None


def _run(side: RunSide) -> Html:
    took = f" in {words.duration(side.run.seconds)}" if side.run.seconds is not None else ""
    return join([code(side.name), " ", state_chip(side.run.state), took])


def _fields(title: str, fields: Iterable[FieldChange]) -> Html | None:
    rows = [
        [
            code(f.path),
            None if f.kind == "added" else code(value_text(f.old), "old"),
            None if f.kind == "removed" else code(value_text(f.new), "new"),
        ]
        for f in list(fields)[:ROWS_MAX]
    ]
    return join([el("h3", title), table(("", "before", "after"), rows)]) if rows else None


def _alike(diff: RunDiff) -> str | None:
    return f"{words.count(diff.alike, 'task')} did the same in both" if diff.alike else None
