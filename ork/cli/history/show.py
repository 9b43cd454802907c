"""ork show"""

from __future__ import annotations

from typing import Annotated

import typer

from ork.cli.session import Session


def command(
    ctx: typer.Context,
    revision: Annotated[
        str, typer.Argument(help="Any revision or oid; the only workflow when left out.")
    ] = "@",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show any object: a deploy, a run, a task, a file.

    etl shows the newest deploy, etl#57 a run with all its tasks, etl:extract one task,
    etl#57:extract what became of it, etl:tasks/etl.py a code file, and `etl:` the YAML text, byte
    for byte.

    \b
    Example:
        ork show etl~1
    """
    from ork.cli.history.showing import json_of, lines_of, raw_of
    from ork.history.compare import as_revision
    from ork.store.resolve import resolve

    session: Session = ctx.obj
    store = session.store
    found = resolve(store, as_revision(revision), now=session.now())
    if as_json:
        session.print_json("show", json_of(store, found))
        return
    data = raw_of(store, found)
    if data is None:
        session.print(lines_of(session, store, found), page=True)
    else:
        session.print_bytes(data)
