"""ork clone: a new store of another one."""

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from ork.backends.address import is_url, parse_url, public
from ork.cli.options import Json
from ork.cli.screen.human import count
from ork.cli.screen.line import next_line
from ork.cli.screen.parts import quoted
from ork.cli.session import Session
from ork.cli.sync.transfer import left_out_lines, moved_lines
from ork.errors import UsageError


def clone(
    ctx: typer.Context,
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="The folder of a project, or a URL.")
    ],
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="TARGET",
            help="A folder without a store, or a URL; when left out, a folder here with the name"
            " of the other one.",
        ),
    ] = None,
    url: Annotated[
        str, typer.Option("--store", metavar="URL", help="In a folder: lmdb:, sqlite: or files:.")
    ] = "lmdb:",
    as_json: Json = False,
) -> None:
    """Make a new store of another one.

    It gets all workflows with their history, tags, all runs that have ended, their outputs and
    logs, each object checked as it arrives, and remembers the other store as the remote `origin`.
    Its log of operations is its own. To move a store with that log as well: `ork init --from`.

    A folder has the new store whole or not at all. What was interrupted at a URL is typed again;
    once the workflows are there, `ork pull` brings the rest of the runs.

    \b
    Example:
        ork clone ../team
        ork clone ../team mine
        ork clone ../team sqlite:../copy.db
    """
    from ork.sync.clone import clone

    session: Session = ctx.obj
    if session.store_option or (target is None and session.chosen is not None):
        told = "a clone makes a store: TARGET names it, not --store, ORK_DIR or ORK_STORE"
        raise UsageError(told)
    address = parse_url(url, base=Path.cwd())
    if address.at:
        raise UsageError(
            f"--store {url}: say lmdb:, sqlite: or files:", hint="TARGET may be a URL itself"
        )
    if target is None and is_url(source):
        raise UsageError("say where to: a URL has no name for it", hint="`ork clone URL FOLDER`")
    if target is None and Path.cwd().is_relative_to(Path(source).resolve()):
        copy = os.path.relpath(f"{Path(source).resolve()}-copy")
        hint = f"`ork clone {shlex.quote(source)} {shlex.quote(copy)}`"
        raise UsageError(f"say where to: this folder is in {quoted(source)} itself", hint=hint)
    target = target or Path(source).resolve().name
    done = clone(
        source,
        target,
        scheme=address.scheme,
        start=Path.cwd(),
        environ=session.world.environ,
        stamp=session.stamp(),
    )
    if as_json:
        session.print_json("clone", done)
        return
    session.print(moved_lines(done.brought, session.width))
    session.say(*left_out_lines(done.brought, quoted(done.origin), "clone"))
    parts = (count(done.brought.objects, "object"), count(done.brought.logs, "log"))
    session.say([f"made {quoted(done.store)}: {', '.join(parts)}"])
    there = f"--store {shlex.quote(public(target))} "
    if not is_url(target):
        there = "" if Path(target).resolve() == Path.cwd() else f"-C {shlex.quote(target)} "
    first = "log` shows the history" if is_url(target) else "restore --all --code` writes the files"
    session.say(next_line(f"`ork {there}{first}, `ork {there}pull` brings what is new"))
