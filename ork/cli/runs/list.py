"""ork runs"""

from __future__ import annotations

from itertools import chain
from typing import Annotated

import typer

from ork.cli.session import Session
from ork.errors import UsageError


def command(
    ctx: typer.Context,
    workflow: Annotated[
        str | None, typer.Argument(help="A workflow; all of them when left out.")
    ] = None,
    limit: Annotated[int | None, typer.Option("-n", min=0, help="Show at most this many.")] = None,
    status: Annotated[
        list[str] | None,
        typer.Option(
            "--status",
            metavar="STATE",
            help="Only success, failed, cancelled, interrupted, running.",
        ),
    ] = None,
    containing: Annotated[
        str | None,
        typer.Option(
            "--containing",
            metavar="OBJECT",
            help="Only runs that executed this task or code file: REV:NAME, REV:PATH or an oid.",
        ),
    ] = None,
    snapshot: Annotated[
        str | None,
        typer.Option("--snapshot", metavar="REV", help="Only runs of exactly this definition."),
    ] = None,
    since: Annotated[str | None, typer.Option(help="Not before: 2026-11-01, '2 days ago'.")] = None,
    until: Annotated[str | None, typer.Option(help="Not after.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List runs, newest first: what each executed, how it went, how long it took.

    A task or file counts under whatever name it ran, also unattached and in other workflows.

    \b
    Example:
        ork runs etl -n 10 --status failed
        ork runs --containing etl~1:load
    """
    from ork.cli.runs.runs import runs_view
    from ork.objects.kinds import RUN_STATES
    from ork.store.revision import parse_moment
    from ork.store.runs import runs, wanted

    session: Session = ctx.obj
    for state in status or []:
        if state not in RUN_STATES:
            raise UsageError(f"--status {state}: say one of {', '.join(RUN_STATES)}")
    store, now = session.store, session.now()
    found = runs(
        store,
        workflow,
        limit=limit,
        states=tuple(status or ()),
        since=parse_moment(since, now) if since else None,
        until=parse_moment(until, now, end_of_day=True) if until else None,
        executed=wanted(store, containing=containing, snapshot=snapshot, now=now),
    )
    if as_json:
        session.print_json("runs", list(found))
        return
    first = next(found, None)
    if first is None:
        session.say(["no runs"])
        return
    session.print(runs_view(chain([first], found), store, session), page=True)
