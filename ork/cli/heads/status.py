"""ork status"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ork.cli.session import Session


def command(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show which files differ from what is deployed.

    Looks at every file that a deploy came from, and below the working directory for workflow files
    that are not deployed yet.

    \b
    Example:
        ork status
    """
    from ork.heads.deploy import status

    session: Session = ctx.obj
    found = list(status(session.store, Path.cwd()))
    if as_json:
        session.print_json("status", found)
        return
    from ork.cli.heads.deploy_part import status_view

    session.print(status_view(found, session.store))
    modified = next((one for one in found if one.state == "modified"), None)
    fresh = next((one for one in found if one.state == "new"), None)
    if modified:
        session.say(
            [
                ("next: ", "hint"),
                f"`ork diff {modified.workflow}` shows what changed, "
                f"`ork deploy {modified.path}` keeps it",
            ]
        )
    elif fresh:
        session.say([("next: ", "hint"), f"`ork deploy {fresh.path}`"])
    elif not found:
        session.say(["no workflow files here"])
