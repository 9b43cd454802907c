"""ork blame"""

from __future__ import annotations

from typing import Annotated

import typer

from ork.cli.session import Session


def command(
    ctx: typer.Context,
    revision: Annotated[
        str,
        typer.Argument(help="A revision or range; with :TASK, :PATH or : one part of it."),
    ] = "@",
    keys: Annotated[
        bool, typer.Option("--keys", help="Each field, parameter and setting for itself.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show which deploy last touched each part.

    etl shows tasks and code files, etl:extract each field of a task, etl:tasks/etl.py each line of
    a code file, and `etl:` each line of the YAML text. Tasks and files are followed through their
    renames. In a range A..B nothing before A is looked at, and ^ marks what is as it was in A.

    \b
    Example:
        ork blame etl:extract
    """
    from ork.cli.history.blame_part import lines_view, parts_view
    from ork.history.blame import blame

    session: Session = ctx.obj
    store = session.store
    found = blame(store, revision, now=session.now(), keys=keys)
    if as_json:
        session.print_json("blame", found)
    elif found.lines:
        session.print(lines_view(found, store, session), page=True)
    else:
        session.print(parts_view(found, store, session), page=True)
