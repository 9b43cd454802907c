"""ork diff"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from ork.cli.session import Session


def command(
    ctx: typer.Context,
    revisions: Annotated[
        list[str] | None,
        typer.Argument(help="Two revisions, A..B, or one workflow: its head against its file."),
    ] = None,
    patch: Annotated[bool, typer.Option("-p", "--patch", help="All lines of the code.")] = False,
    stat: Annotated[bool, typer.Option("--stat", help="Only how much changed where.")] = False,
    name_status: Annotated[
        bool, typer.Option("--name-status", help="Only what changed: STATUS KIND NAME, by tabs.")
    ] = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 1 when there is a difference.")
    ] = False,
    no_renames: Annotated[
        bool, typer.Option("--no-renames", help="Show a rename as removed and added.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what changed between two revisions: tasks, fields, edges, settings, code.

    A revision is a workflow, etl~1, a tag etl@v1, a run etl#57, an oid, or a file that need not be
    deployed, file:PATH. One workflow alone means: what a deploy of its file would change.

    \b
    Exit codes: 0, or with --exit-code 1 when something differs.

    \b
    Example:
        ork diff etl~1 etl
    """
    from ork.cli.views.diff import diff_view, name_status_view
    from ork.cli.views.diff_stat import stat_view
    from ork.core.diff import SHORT_DIFF_LINES, with_hunks
    from ork.store.compare import diff, ends

    session: Session = ctx.obj
    store, now = session.store, session.now()
    old, new = ends(store, revisions or [], now=now)
    found = diff(store, old, new, now=now, rename=not no_renames)
    changes = with_hunks(found.diff, store.blob, lines_max=None if patch else SHORT_DIFF_LINES)
    if as_json:
        session.print_json("diff", replace(found, diff=changes))
    elif name_status:
        session.print(name_status_view(changes), page=True)
    elif stat:
        session.print(stat_view(changes, width=session.width), page=True)
    else:
        session.print(diff_view(changes, width=session.width, patch=patch), page=True)
    if not found.diff and not as_json:
        session.say([f"no difference between {found.old.text} and {found.new.text}"])
    raise typer.Exit(1 if exit_code and found.diff else 0)
