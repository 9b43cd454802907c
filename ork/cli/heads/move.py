"""ork rollback"""

from __future__ import annotations

from typing import Annotated

import typer

from ork.cli.session import Session


def command(
    ctx: typer.Context,
    workflow: Annotated[str, typer.Argument(help="A workflow; `@` is the only one there is.")],
    revision: Annotated[
        str | None,
        typer.Argument(
            help="What to go back to: etl~2, ~2, @v1.4, a run etl#56; the newest deploy with other"
            " content and a successful run when left out.",
        ),
    ] = None,
    message: Annotated[
        str | None, typer.Option("-m", "--message", help="Why; says what it restores if left out.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Deploy an older version of a workflow again.

    Its definition, code, settings and YAML text become the newest entry of the history, which
    records what it restored; nothing in between goes away. Runs of the workflow use it at once. The
    files on disk stay as they are: `ork restore` writes them back.

    \b
    Example:
        ork rollback etl etl~1 -m "It lost rows"
    """
    from ork.cli.heads.moving import rollback_hint, rollback_view
    from ork.heads.tags import rollback
    from ork.store.resolve import only_workflow

    session: Session = ctx.obj
    store = session.store
    name = only_workflow(store) if workflow == "@" else workflow
    done = rollback(
        store, name, revision, stamp=session.stamp(), now=session.now(), message=message
    )
    if as_json:
        session.print_json("rollback", done)
        return
    session.print(rollback_view(done, store))
    session.say(*rollback_hint(done))
