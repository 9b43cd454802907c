"""A change in words, for pages and pull requests: the headline, reasons, values. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ork.differences.definitions import Diff, FieldChange, TaskChange
from ork.objects.canonical import Json

if TYPE_CHECKING:
    from ork.differences.impact import Affected, Impact
    from ork.differences.lines import Hunk
    from ork.history.compare import Comparison

KINDS = ("changed", "added", "removed", "renamed")
VALUE_CHARS_MAX = 300
NAMES_MAX = 12
LEGEND = {
    "added": "added",
    "removed": "removed",
    "changed": "changed",
    "renamed": "renamed",
    "affected": "can give another result",
    "same": "gives the same result",
}


def headline(comparison: Comparison, impact: Impact) -> str:
    """Return one line: what changed, and how many tasks can give other results."""
    name = comparison.new.workflow or comparison.old.workflow or "change"
    parts = counts(comparison.diff)
    if not parts:
        return f"{name}: nothing differs"
    total = len(impact.affected) + len(impact.unaffected)
    return f"{name}: {', '.join(parts)}; {reach(len(impact.affected), total)}"


def counts(diff: Diff) -> list[str]:
    """Return how much changed: "2 tasks changed", "1 added", "3 code files changed"..."""
    numbers = [(kind, sum(task.kind == kind for task in diff.tasks)) for kind in KINDS]
    found = [(kind, number) for kind, number in numbers if number]
    parts = [
        f"{many(number, 'task') if index == 0 else f'{number:,}'} {kind}"
        for index, (kind, number) in enumerate(found)
    ]
    things = (("code file", diff.files), ("parameter", diff.params), ("setting", diff.settings))
    return parts + [f"{many(len(changes), noun)} changed" for noun, changes in things if changes]


def reach(affected: int, total: int) -> str:
    """Return how many tasks can give other results."""
    if not affected:
        return "no task can give another result"
    if affected == total:
        return "every task can give another result"
    return f"{affected:,} of {many(total, 'task')} can give {_results(affected)}"


def many(number: int, noun: str) -> str:
    """Return "1 task", "10,000 tasks"."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _results(affected: int) -> str:
    return "another result" if affected == 1 else "other results"


def reason(affected: Affected) -> tuple[str, tuple[str, ...]]:
    """Return why a task can give another result: a few words, and the names that follow them."""
    lead = {
        "upstream": "needs",
        "code": "its code changed:",
        "param": "its parameters changed:",
        "setting": "another setting:",
        "added": "it is new",
        "changed": "it changed",
        "renamed": "it was renamed and changed",
    }
    return lead.get(affected.why, affected.why), affected.via[:NAMES_MAX]


def title_of(task: TaskChange) -> str:
    """Return what became of a task: its kind, and of a renamed one where it comes from."""
    if task.kind != "renamed":
        return task.kind
    return f"renamed from {task.old_name}, {task.similarity}% similar"


def value_text(value: Json) -> str:
    """Return a value as JSON, its middle left out when it is long."""
    from ork.cli.screen.parts import clip

    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return clip(json.dumps(value, ensure_ascii=False, sort_keys=True), VALUE_CHARS_MAX)


def field_hunks(field: FieldChange) -> tuple[Hunk, ...]:
    """Return the lines that differ in a text of several lines; nothing for any other value."""
    from ork.differences import lines

    old, new = field.old or "", field.new or ""
    if not isinstance(old, str) or not isinstance(new, str) or "\n" not in old + new:
        return ()
    # That the last line of both has no newline would be noise in a command.
    end = "" if old.endswith("\n") or new.endswith("\n") else "\n"
    return lines.hunks(old and old + end, new and new + end)
