"""ork report: one HTML page about a change, a run or a workflow"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ork.cli.report.subject import report_of
from ork.cli.screen.output import write_text
from ork.cli.session import Session
from ork.errors import Corrupt


def report(
    ctx: typer.Context,
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Write the page to this file; - is stdout."
        ),
    ],
    subject: Annotated[
        str,
        typer.Argument(
            metavar="A..B|RUN|WORKFLOW", help="The change, run or workflow; else the only one."
        ),
    ] = "@",
) -> None:
    """Write a change, run or workflow as HTML.

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
    damage: list[Corrupt] = []
    text = report_of(session.store, subject, now=session.now(), damage=damage)
    if str(output) == "-":
        sys.stdout.writelines(text)
    else:
        write_text(output, text)
        session.say([f"wrote {output}"])
    if damage:
        raise damage[0]
