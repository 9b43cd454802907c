"""ork deploy"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ork.cli.options import AllowSecret
from ork.cli.session import Session


def command(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="Workflow files.", metavar="FILE...")],
    message: Annotated[
        str | None, typer.Option("-m", "--message", help="Why; made from the diff when left out.")
    ] = None,
    allow_secret: AllowSecret = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Keep the present version of a workflow.

    The definition and its code become a snapshot, the newest of the workflow's history. When
    nothing changed since the last deploy, nothing is written: comments, key order, quoting and
    defaults do not count. No code of the workflow is run or imported. What is obviously a key or a
    password is refused, because it would be kept for ever.

    \b
    Example:
        ork deploy etl.yaml -m "Fetch twice a day"
    """
    from ork.heads.deploy import deploy_loaded, refuse_secrets
    from ork.worktree.load import check

    session: Session = ctx.obj
    checked = [check(path) for path in files]  # all, before any is deployed or a store is made
    store = session.new_store
    for loaded in checked:
        store.hold(loaded.built.objects)
        if not allow_secret:
            refuse_secrets(store, loaded, message)
    done = [
        deploy_loaded(store, one, stamp=session.stamp(), message=message, allow_secret=allow_secret)
        for one in checked
    ]
    if as_json:
        session.print_json("deploy", done)
        return
    from ork.cli.heads.deploy_part import deploy_hint, deploy_view

    for one in done:
        session.print(deploy_view(one, store))
    session.say(*deploy_hint(done))
