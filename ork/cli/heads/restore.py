"""ork restore"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ork.cli.session import Session
from ork.errors import UsageError


def command(
    ctx: typer.Context,
    revision: Annotated[
        str, typer.Argument(help="A deploy or run; REV:PATH or REV:TASK for one code file.")
    ],
    code: Annotated[bool, typer.Option("--code", help="The code files as well.")] = False,
    to: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="PATH",
            help="Another file, a folder with / at its end, or - for stdout.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite changes.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write a workflow file back as it was deployed.

    A file on disk is replaced only if its present content is in the store already, so that nothing
    is lost; else nothing at all is written, and all such files are listed. No path leaves the
    project, and no link is followed.

    \b
    Example:
        ork restore etl~1 --code -o before/
    """
    from ork.worktree.restore import restore, restored_bytes

    session: Session = ctx.obj
    store = session.store
    if to == "-":
        if code or as_json:
            raise UsageError("-o - writes one file to standard output: no --code and no --json")
        session.print_bytes(restored_bytes(store, revision, now=session.now()))
        return
    done = restore(
        store,
        revision,
        now=session.now(),
        code=code,
        force=force,
        to=Path(to) if to else None,
        as_folder=bool(to) and str(to).endswith("/"),
    )
    if as_json:
        session.print_json("restore", done)
        return
    from ork.cli.heads.moving import restore_hint, restore_view

    session.print(restore_view(done), page=True)
    session.say(*restore_hint(done, elsewhere=to is not None))
