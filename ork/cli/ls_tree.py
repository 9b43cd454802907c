"""ork ls-tree"""

from __future__ import annotations

from typing import Annotated

import typer

from ork.cli.session import Session


def command(
    ctx: typer.Context,
    revision: Annotated[str, typer.Argument(help="A workflow, deploy, run, snapshot or tree.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the tasks and code files of a snapshot.

    A file that its owner may execute has a fourth column, *. A name with a tab or another character
    that is not seen is written as a JSON string.

    \b
    Example:
        ork ls-tree etl
    """
    from ork.cli.screen.parts import quoted
    from ork.history.compare import as_revision
    from ork.store.contents import entries
    from ork.store.resolve import resolve

    session: Session = ctx.obj
    store = session.store
    found = resolve(store, as_revision(revision), now=session.now())
    rows = entries(store, found)
    if as_json:
        session.print_json("ls-tree", rows)
        return
    session.print(
        [
            [
                row.kind,
                "\u0009",
                (row.oid, "oid"),
                "\u0009",
                quoted(row.name),
                "\u0009*" if row.executable else "",
            ]
            for row in rows
        ],
        page=True,
    )
