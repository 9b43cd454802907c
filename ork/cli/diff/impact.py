"""An impact as lines: which tasks can give other results, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ork.cli.diff.wording import drawn, reason, short_reach
from ork.cli.screen.line import Line
from ork.cli.screen.parts import column, quoted
from ork.differences.impact import Impact

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
    shown = affected if patch else affected[:TASKS_MAX]
    longest = column(quoted(task.name) for task in shown)
    for task in shown:
        why = drawn(reason(task, short=True, names_max=None if patch else NAMES_MAX))
        # What comes after a change recedes behind the change itself.
        style = _STYLES.get(task.why, "changed")
        yield ["  ", (quoted(task.name).ljust(longest), "name"), "  ", (why, style)]
    if len(affected) > len(shown):
        yield [(f"  and {len(affected) - len(shown)} more (-p shows all)", "dim")]
    if affected and unaffected:
        lead = "  the other cannot: "
        if len(unaffected) > 1:
            lead = f"  the other {len(unaffected)} cannot: "
        most = None if patch else OTHERS_MAX
        yield [(lead + _fitted(unaffected, width and width - len(lead), most), "dim")]


def _fitted(names: Sequence[str], room: int | None, most: int | None) -> str:
    """Return the names, as many as fit, and how many are left out; `most` where all would fit."""
    if room is None:
        first = names[:most]
        rest = f" and {len(names) - len(first)} more" if len(first) < len(names) else ""
        return ", ".join(map(quoted, first)) + rest
    text, shown = quoted(names[0]), 1
    for name in names[1:]:
        left = f" and {len(names) - shown - 1} more" if shown + 1 < len(names) else ""
        longer = f"{text}, {quoted(name)}"
        if len(longer) + len(left) > room:
            return f"{text} and {len(names) - shown} more"
        text, shown = longer, shown + 1
    return text
