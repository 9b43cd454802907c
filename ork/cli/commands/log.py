"""ork log"""

from __future__ import annotations

from typing import Annotated

import typer

from ork.cli.session import Session


def command(
    ctx: typer.Context,
    revision: Annotated[
        str | None, typer.Argument(help="A workflow, deploy or range A..B; all when left out.")
    ] = None,
    limit: Annotated[int | None, typer.Option("-n", min=0, help="Show at most so many.")] = None,
    oneline: Annotated[bool, typer.Option("--oneline", help="One line per deploy.")] = False,
    stat: Annotated[bool, typer.Option("--stat", help="With a summary of each change.")] = False,
    patch: Annotated[bool, typer.Option("-p", "--patch", help="With the whole change.")] = False,
    reverse: Annotated[bool, typer.Option("--reverse", help="Oldest first.")] = False,
    since: Annotated[str | None, typer.Option(help="Not before: 2026-11-01, '2 days ago'.")] = None,
    until: Annotated[str | None, typer.Option(help="Not after.")] = None,
    author: Annotated[str | None, typer.Option(help="Only authors that match this regex.")] = None,
    grep: Annotated[str | None, typer.Option(help="Only messages that match this regex.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the deploys of a workflow, newest first, and how their runs went.

    Each entry leads with its snapshot: the same content has the same hash on every machine.

    \b
    Example:
        ork log etl -n 5 --oneline
    """
    from ork.cli.views.log import log_view, oneline_view
    from ork.core.revision import parse_moment
    from ork.store.history import log

    session: Session = ctx.obj
    store, now = session.store, session.now()
    entries = log(
        store, revision, now=now, limit=limit, author=author, grep=grep, reverse=reverse,
        since=parse_moment(since, now) if since else None,
        until=parse_moment(until, now, end_of_day=True) if until else None,
        with_diff=stat or patch,
    )  # fmt: skip
    if as_json:
        session.print_json("log", list(entries))
        return
    if oneline and not (stat or patch):
        session.print(oneline_view(entries, store, session), page=True)
    else:
        session.print(log_view(entries, store, session, stat=stat, patch=patch, oneline=oneline),
                      page=True)  # fmt: skip
