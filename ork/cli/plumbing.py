"""ork rev-parse"""

from __future__ import annotations

from typing import Annotated

import typer

from ork.cli.session import Session


def command(
    ctx: typer.Context,
    revisions: Annotated[list[str], typer.Argument(metavar="REVISION...")],
    short: Annotated[bool, typer.Option("--short", help="Print a unique prefix.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the oid of what a revision means.

    A workflow means its newest deploy; REV^{snapshot} its snapshot.

    \b
    Example:
        ork rev-parse etl~1
    """
    from ork.history.compare import as_revision
    from ork.store.resolve import resolve

    session: Session = ctx.obj
    store, now = session.store, session.now()
    found = [resolve(store, as_revision(text), now=now) for text in revisions]
    if as_json:
        rows = [
            {
                "revision": one.text,
                "oid": one.oid,
                "kind": one.kind,
                "workflow": one.workflow,
                "deploy": one.deploy,
                "snapshot": one.snapshot,
            }
            for one in found
        ]
        session.print_json("rev-parse", rows)
        return
    session.print([[(store.short(one.oid) if short else one.oid, "oid")] for one in found])
