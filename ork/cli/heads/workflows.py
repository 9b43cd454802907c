"""ork workflows"""

from collections.abc import Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING

import typer

from ork.cli.options import Json, Limit
from ork.cli.screen import human
from ork.cli.screen.line import Line
from ork.cli.screen.parts import CLIP_MIN, clip, column, length
from ork.cli.session import Session

if TYPE_CHECKING:
    from ork.heads.workflows import WorkflowEntry

TOGETHER = 500  # lines that have columns together: the first of many come at once


def workflows(ctx: typer.Context, limit: Limit = None, as_json: Json = False) -> None:
    """List the workflows: last run, next slot, tags.

    \b
    Example:
        ork workflows
    """
    from ork.heads.workflows import workflow_list

    session: Session = ctx.obj
    found = workflow_list(session.store, now=session.now(), limit=limit)
    if as_json:
        session.print_json("workflow-list", list(found))
        return
    first = next(found, None)
    if first is None:
        session.say(["no workflows"])
        return
    session.print(_workflows(chain([first], found), session), page=True)


def _workflows(found: "Iterator[WorkflowEntry]", session: Session) -> Iterator[Line]:
    """Yield a line for each workflow."""
    now, width = session.now(), session.width
    time = human.ago if width else human.date
    ahead = human.ahead if width else human.date
    while page := list(islice(found, TOGETHER)):
        runs = [f"#{one.last.number} {one.last.state}" if one.last else "no runs" for one in page]
        times = [time(one.last.created, now) if one.last else "" for one in page]
        coming = [
            ahead(one.next, now) if one.next else "paused" if one.paused else "-" for one in page
        ]
        columns = [column(one.workflow for one in page), *map(column, (runs, times, coming))]
        for one, *cells in zip(page, runs, times, coming, strict=True):
            name, run, when, soon = (
                f"{cell:<{size}}  "
                for cell, size in zip((one.workflow, *cells), columns, strict=True)
            )
            line: Line = [
                (name, "name"),
                (run, one.last.state if one.last else "dim"),
                (when, "time"),
                (soon, "warning" if one.paused else "time"),
                human.count(one.task_count, "task"),
                ("".join(f"  @{label}" for label in one.tags), "tag"),
            ]
            room = width and width - length(line) - 2
            if one.schedules and (room is None or room >= CLIP_MIN):
                line += ["  ", clip("; ".join(one.schedules), room)]
            yield line
