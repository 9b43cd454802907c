"""ork backup: a copy of the whole store."""

from pathlib import Path
from typing import Annotated

import typer

from ork.cli.options import Json
from ork.cli.screen.human import count
from ork.cli.screen.parts import quoted
from ork.cli.session import Session
from ork.errors import UsageError


def backup(
    ctx: typer.Context,
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The folder to make; it must not exist.")
    ],
    as_json: Json = False,
) -> None:
    """Copy the whole store into a new folder.

    All workflows, tags, runs, operations and logs, as they are at one moment; others may go on
    running and deploying meanwhile. The copy is checked before it gets its name, and nothing is
    ever replaced. It is a store of its own: FOLDER/.ork, which can be used where it lies by
    ORK_DIR, or put into a project that has none.

    \b
    Example:
        ork backup ../etl-backup
    """
    from ork.sync.backup import backup

    session: Session = ctx.obj
    if session.at_op is not None:
        raise UsageError("--at-op is for looking back; a backup has the store as it is now")
    done = backup(session.store, folder, environ=session.world.environ)
    if as_json:
        session.print_json("backup", done)
        return
    parts = (count(done.refs, "ref"), count(done.objects, "object"), count(done.logs, "log"))
    session.print([[("whole", "success"), ": ", quoted(str(folder)), f", {', '.join(parts)}"]])
    if done.errors:
        wrong = f"{count(done.errors, 'ref')} wrong in the store, and in the copy"
        session.say([("note: ", "warning"), f"{wrong}: `ork fsck` names them"])
    session.say([("next: ", "hint"), f"`ork --store {folder}/.ork log` looks into it"])
