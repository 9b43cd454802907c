"""ork fetch: see what another store has."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ork.cli.options import Json
from ork.cli.screen.human import count
from ork.cli.screen.line import Line
from ork.cli.screen.parts import quoted
from ork.cli.session import Session
from ork.cli.sync.transfer import DryRun, Workflows, ends_of, exchanged, tell_dry_run

if TYPE_CHECKING:
    from ork.history.log import Standing
    from ork.sync.transfer import Moved

Remote = Annotated[str | None, typer.Argument(metavar="[REMOTE]", help="The name of a remote.")]


def fetch(
    ctx: typer.Context,
    remote: Remote = None,
    workflows: Workflows = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """See what another store has, and move nothing.

    Brings the deploys that this store lacks, and remembers where the heads are there: origin/etl is
    etl as it was in the remote `origin` when that was last looked at. It is a revision like others:
    `ork log etl..origin/etl` lists what is new there, `ork diff etl origin/etl` compares the two,
    and `ork status` tells how far yours is ahead or behind. Your own heads, tags and runs stay what
    they are until `ork pull`. A clone, a pull and a push remember the same. REMOTE is `origin`, or
    the only one, when it is left out.

    \b
    Example:
        ork fetch
        ork fetch origin etl
    """
    session: Session = ctx.obj
    place, done = exchanged(session, "fetch", remote, workflows, dry_run=dry_run, as_json=as_json)
    if as_json:
        return
    name = quoted(place.remote or place.name)
    moved = done.workflows
    width = max((len(one.workflow) for one in moved), default=0)
    session.print(_line(one, name, width) for one in moved)
    if not moved:
        session.print([["nothing new"]])
    if dry_run:
        tell_dry_run(session, done)
        return
    from ork.history.log import standings

    sides = standings(session.store, [one.workflow for one in moved if one.new])
    apart = {workflow: _of(place.remote, found) for workflow, found in sides.items()}
    session.say(*_apart_lines(apart))
    session.say(*_next_lines(moved, apart, name))


def _of(remote: str | None, found: "Sequence[Standing]") -> "Standing | None":
    return next((one for one in found if one.remote == remote), None)


def _line(one: "Moved", remote: str, width: int) -> Line:
    """Return where a head was and is in the other store, by snapshots."""
    line: Line = [(f"{remote}/{one.workflow}".ljust(len(remote) + 1 + width), "name"), "  "]
    if one.new is None:
        return [*line, "is not there any more"]
    return [*line, *ends_of(one), count(one.deploys, "deploy")]


def _apart_lines(apart: "dict[str, Standing | None]") -> Iterator[Line]:
    for workflow, found in apart.items():
        if found and found.words:
            yield [("note: ", "warning"), f"{workflow} is {found.words}/{workflow}"]


def _next_lines(
    moved: "Sequence[Moved]", apart: "dict[str, Standing | None]", remote: str
) -> Iterator[Line]:
    """Yield how to look at what is new there."""
    for workflow, found in apart.items():
        if found and found.behind:
            log = f"`ork log {workflow}..{remote}/{workflow}`"
            yield [("next: ", "hint"), f"{log}, `ork diff {workflow} {remote}/{workflow}`"]
            return
    if fresh := next((one for one in moved if one.new and one.workflow not in apart), None):
        log = f"`ork log {remote}/{fresh.workflow}`"
        yield [("next: ", "hint"), f"{log}, `ork pull {remote} {fresh.workflow}` takes it"]
