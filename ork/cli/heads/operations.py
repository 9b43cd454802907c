"""ork ops"""

from __future__ import annotations

from typing import Annotated

import typer

from ork.cli.session import Session


def command(
    ctx: typer.Context,
    limit: Annotated[int | None, typer.Option("-n", min=0, help="Show at most this many.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List every command that moved a head or a tag.

    Each begins with the oid of the operation, which `ork undo` and `ork --at-op` take; moves are
    shown by their snapshots. Runs move nothing here: `ork runs` lists them.

    \b
    Example:
        ork ops -n 5
    """
    from ork.store.operations import operations

    session: Session = ctx.obj
    store = session.store
    found = operations(store, limit=limit)
    if as_json:
        rows = [{"oid": oid, "operation": operation} for oid, operation in found]
        session.print_json("ops", rows)
        return
    from ork.cli.heads.ops import ops_view

    session.print(ops_view(found, store, session), page=True)
    if store.ref("ops") is None:
        session.say(["no operations: nothing is deployed here yet"])
