"""ork report: one HTML page about a change, a run or a workflow"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from ork.cli.report.change import change_page
from ork.cli.report.run import run_page
from ork.cli.report.workflow import workflow_page
from ork.cli.screen.output import write_text
from ork.cli.session import Session
from ork.history.compare import ends
from ork.store.revision import parse_range
from ork.worktree.lookup import look_up


def report(
    ctx: typer.Context,
    subject: Annotated[
        str, typer.Argument(metavar="A..B|RUN|WORKFLOW", help="The change, run or workflow.")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Write the page to this file; - is stdout.")
    ],
) -> None:
    """Write an HTML page about a change, run or workflow.

    The page needs no network and runs no script: it can be mailed, archived, and printed. Of a
    change, A..B, it shows the graph, the diff with all lines, the deploys between and how their
    runs went. Of a run it shows the graph, a timeline of every attempt, errors and the ends of
    logs, inputs and outputs and, when it failed, what changed since the last good run. Of a
    workflow it shows the newest deploys and runs. Values and logs are in it: look at it before you
    hand it on.

    \b
    Example:
        ork report etl~1..etl -o change.html
        ork report etl#57 -o run.html
    """
    session: Session = ctx.obj
    text = _page(session, subject)
    if str(output) == "-":
        sys.stdout.writelines(text)
        return
    write_text(output, text)
    session.say([f"wrote {output}"])


def _page(session: Session, subject: str) -> Iterator[str]:
    store, now = session.store, session.now()
    if parse_range(subject):
        old, new = ends(store, [subject], now=now)
        return change_page(store, old, new, now=now)
    found = look_up(store, subject, now=now)
    if found.kind == "run":
        return run_page(store, found, now=now)
    return workflow_page(store, found, now=now)
