"""ork init"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ork.cli.session import Session
from ork.errors import UsageError


def command(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="The root of the project.")] = Path(),
) -> None:
    """Make an empty store in a project.

    `ork deploy` and `ork run` make one by themselves when there is none; init is for choosing the
    folder. Running it again changes nothing.

    \b
    Example:
        ork init
    """
    from ork.store import place

    session: Session = ctx.obj
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder")
    store = session.store_path or folder.resolve() / ".ork"
    existed = store.exists()
    if not existed:
        place.create(store)
    place.open_backend(store, environ=session.world.environ).close()
    verb = "There is a store already in" if existed else "Made an empty store in"
    session.print([[f"{verb} {store}"]])
    session.say([("next: ", "hint"), "`ork deploy FILE` keeps the first version of a workflow"])
