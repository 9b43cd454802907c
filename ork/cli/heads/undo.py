"""ork undo"""

from __future__ import annotations

from typing import Annotated

import typer

from ork.cli.session import Session


def command(
    ctx: typer.Context,
    operation: Annotated[
        str | None,
        typer.Argument(
            metavar="[OP]", help="A prefix of its oid, or @{2} for the one two before the newest."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Take back a command that moved a head or a tag.

    Moves the refs back to where they were and appends that as an operation of its own: no deploy
    and no run goes away, and undoing the undo does it again. Refused when a later command moved one
    of these refs.

    \b
    Example:
        ork undo
    """
    from ork.heads.undo import undo

    session: Session = ctx.obj
    store = session.store
    done = undo(store, operation, stamp=session.stamp(), now=session.now())
    if as_json:
        session.print_json("undo", done)
        return
    from ork.cli.heads.ops import undo_view

    session.print(undo_view(done, store))
    session.say([("next: ", "hint"), "`ork ops` lists all operations; `ork undo` takes this back"])
