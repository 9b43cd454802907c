"""ork logs"""

from __future__ import annotations

from typing import Annotated

import typer

from ork.cli.session import Session


def command(
    ctx: typer.Context,
    revision: Annotated[
        str, typer.Argument(help="RUN or RUN:TASK; a workflow means its newest run.")
    ] = "@",
    failed: Annotated[bool, typer.Option("--failed", help="Only tasks that failed.")] = False,
    attempt: Annotated[
        int | None, typer.Option("--attempt", min=1, help="Only this attempt; the last otherwise.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print what tasks wrote to their standard output and error.

    One task's log comes as it is, byte for byte; several follow each other, each under its name.

    \b
    Example:
        ork logs etl#57:extract
    """
    from ork.store.logs import logs

    session: Session = ctx.obj
    found = logs(session.store, revision, now=session.now(), failed=failed, attempt=attempt)
    if as_json:
        session.print_json("logs", list(found))
        return
    one = ":" in revision.removeprefix("run:")
    for entry in found:
        if not one:
            session.print([[(f"==> {entry.task} (attempt {entry.attempt}) <==", "heading")]])
        session.print_bytes(entry.data)
