"""An impact as lines: which tasks can give other results, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ork.cli.diff.wording import drawn, reason, short_reach
from ork.cli.screen.line import Line
from ork.cli.screen.parts import column, fitted, quoted
from ork.differences.impact import Affected, Impact, by_reason

TASKS_MAX = 20  # shown without being asked for
NAMES_MAX = 3  # in one reason, likewise
OTHERS_MAX = 100  # names of the others where no terminal is to be fitted, likewise
_STYLES = {"added": "added", "renamed": "renamed", "upstream": "dim"}  # of the reasons


def impact_view(impact: Impact, *, width: int | None = None, patch: bool = False) -> Iterator[Line]:
    """Draw the affected tasks, each with its reason, and the names of the others in one line.

    Long lists are folded, unless `patch`. With a `width` the one line is shortened to fit.
    """
    affected, unaffected = impact.affected, impact.unaffected
    yield [("impact", "heading"), f"  {short_reach(impact)}"]
    rows = [(task,) for task in affected] if patch else by_reason(affected)
    shown = rows if patch else rows[:TASKS_MAX]
    longest = column(_lead(row) for row in shown)
    for row in shown:
        # What comes after a change recedes behind the change itself.
        style = _STYLES.get(row[0].why, "changed")
        why = drawn(reason(row[0], short=True, names_max=None if patch else NAMES_MAX))
        line: Line = ["  ", (_lead(row).ljust(longest), "name"), "  ", (why, style)]
        if len(row) > 1:
            room = width and width - longest - len(why) - 6
            line += [": ", (fitted([task.name for task in row], room, OTHERS_MAX), "name")]
        yield line
    if len(rows) > len(shown):
        left = sum(map(len, rows[TASKS_MAX:]))
        yield [(f"  and {left} more (-p shows all)", "dim")]
    if affected and unaffected:
        lead = "  the other cannot: "
        if len(unaffected) > 1:
            lead = f"  the other {len(unaffected)} cannot: "
        room = width and width - len(lead)
        shown_names = (
            ", ".join(map(quoted, unaffected)) if patch else fitted(unaffected, room, OTHERS_MAX)
        )
        yield [(lead + shown_names, "dim")]


def _lead(row: Sequence[Affected]) -> str:
    return quoted(row[0].name) if len(row) == 1 else f"{len(row)} tasks"
