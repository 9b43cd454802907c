"""ork backup: a copy of the whole store, in a folder or in a file."""

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from ork.cli.options import Json
from ork.cli.screen.human import count
from ork.cli.screen.line import next_line, note_line
from ork.cli.screen.parts import quoted
from ork.cli.session import Session
from ork.errors import UsageError
from ork.store.location import told


def backup(
    ctx: typer.Context,
    target: Annotated[
        Path,
        typer.Argument(
            metavar="FILE|FOLDER",
            help="What to make; it must not exist. A name with .orkbackup at its end is a file.",
        ),
    ],
    as_json: Json = False,
) -> None:
    """Copy the whole store to a new folder or file.

    All workflows, tags, runs, operations and logs, as they are at one moment; others may go on
    running and deploying meanwhile. The copy is checked before it gets its name, and nothing is
    ever replaced. `ork init --from` makes a store of it again, with the same ids and numbers. Not
    in it are .ork/config.toml, with what `ork gc` keeps, and the names of remotes.

    A folder is a store of its own, FOLDER/.ork, and can be looked into where it lies: `ork --store
    FOLDER log`. A file is smaller, and can be checked where it lies: `ork bundle verify FILE`.

    \b
    Example:
        ork backup ../etl-2026-11-26.orkbackup
        ork backup ../etl-backup
    """
    from ork.sync.backup import backup, is_file

    session: Session = ctx.obj
    if session.at_op is not None:
        raise UsageError("--at-op is for looking back; a backup has the store as it is now")
    if str(target) == "-":
        raise UsageError("a backup is no stream", hint="name a file: `ork backup ../etl.orkbackup`")
    done = backup(session.store, target, environ=session.world.environ)
    if as_json:
        session.print_json("backup", done)
        return
    parts = (count(done.refs, "ref"), count(done.objects, "object"), count(done.logs, "log"))
    session.print([[("whole", "success"), ": ", quoted(str(target)), f", {', '.join(parts)}"]])
    if done.errors:
        wrong = f"{count(done.errors, 'ref')} wrong in the store, and in the copy"
        session.say(note_line(f"{wrong}: `ork fsck` names them"))
    if session.store.folder and (files := told(session.store.folder)):
        names = ", ".join(quoted(os.path.relpath(file)) for file in files)
        session.say(note_line(f"not in the backup: {names}"))
    made = shlex.quote(str(target))
    command, does = (
        (f"ork init --from {made}", "makes a store of it, in a folder without one")
        if is_file(target)
        else (f"ork --store {made}/.ork log", "looks into it")
    )
    session.say(next_line(f"`{command}` {does}"))
