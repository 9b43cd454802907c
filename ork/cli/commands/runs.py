"""ork runs"""

from __future__ import annotations

from typing import Annotated

import typer

from ork.cli.session import Session
from ork.errors import UsageError


def command(
    ctx: typer.Context,
    workflow: Annotated[str | None, typer.Argument(help="All workflows when left out.")] = None,
    limit: Annotated[int | None, typer.Option("-n", min=0, help="Show at most so many.")] = None,
    status: Annotated[
        list[str] | None,
        typer.Option("--status", help="Only success, failed, cancelled, interrupted, running."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List runs, newest first: what each executed, how it went, how long it took.

    \b
    Example:
        ork runs etl -n 10 --status failed
    """
    from ork.cli.views.runs import runs_view
    from ork.core.objects import RUN_STATES
    from ork.store.history import runs

    session: Session = ctx.obj
    for state in status or []:
        if state not in RUN_STATES:
            raise UsageError(f"--status {state}: say one of {', '.join(RUN_STATES)}")
    found = runs(session.store, workflow, limit=limit, states=tuple(status or ()))
    if as_json:
        session.print_json("runs", list(found))
    else:
        session.print(runs_view(found, session.store, session), page=True)
