"""ork gc: which objects nothing needs, and their removal."""

from collections.abc import Iterator
from typing import Annotated

import typer

from ork.cli.options import Json
from ork.cli.screen import human
from ork.cli.screen.line import Line
from ork.cli.session import Session
from ork.objects.value import replace
from ork.upkeep.prune import UNDO_DAYS, Pruned, Repacked, check_closed, repack, room
from ork.upkeep.prune import gc as collect


def gc(
    ctx: typer.Context,
    prune: Annotated[bool, typer.Option("--prune", help="Remove them; else only say.")] = False,
    again: Annotated[
        bool, typer.Option("--repack", help="Write the data file anew, to give its room back.")
    ] = False,
    undo_days: Annotated[
        int,
        typer.Option(min=0, max=100_000, metavar="N", help="Undo stays possible so many days."),
    ] = UNDO_DAYS,
    force: Annotated[
        bool, typer.Option("--force", help="Remove even more than half of all objects.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Say which objects nothing needs, or remove them.

    Needed is what a workflow, a tag or a run leads to, and what commands of the last 30 days moved,
    so that `ork undo` can take it back. No deploy of a history and no run goes away. Others may
    work meanwhile. Nothing is removed when something that is needed is missing or damaged, nor more
    than half of all objects without --force.

    The data file stays as large as it is: the room is used again. With --repack it is written anew,
    and what was free is given back. Then nobody else may have the store open.

    \b
    Example:
        ork gc
        ork gc --prune --repack
    """
    session: Session = ctx.obj
    environ = session.world.environ
    if again:
        check_closed(session.folder, environ=environ)
    found = collect(
        session.store,
        now=session.now(),
        undo_days=undo_days,
        stamp=session.stamp() if prune else None,
        force=force,
    )
    if again:
        session.close()
        file = repack(session.folder, environ=environ)
    else:
        file = room(session.folder, environ=environ, less=0 if prune else found.bytes)
    if as_json:
        session.print_json("gc", replace(found, file=file))
        return
    session.print(_lines(found))
    session.print(_of_file(file))
    if found.objects and not prune:
        session.say([("next: ", "hint"), "`ork gc --prune` removes them"])


def _lines(found: Pruned) -> Iterator[Line]:
    before = human.count(found.objects_before, "object")
    if not found.objects:
        yield [f"nothing to remove: all is needed ({before})"]
        return
    verb = "removed" if found.done else "would remove"
    size = human.count(found.bytes, "byte")
    yield [f"{verb} ", (str(found.objects), "removed"), f" of {before}, {size}"]
    for kind, count in found.kinds.items():
        yield [f"  {count:>7}  {kind}"]


def _of_file(file: Repacked) -> Iterator[Line]:
    if file.done:
        yield [f"the data file has {file.after} bytes, and had {file.before} before"]
    elif file.after < file.before:
        yield [f"the data file has {file.before} bytes; --repack would leave about {file.after}"]
