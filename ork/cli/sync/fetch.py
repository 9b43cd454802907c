"""ork fetch: see what another store has."""

from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Annotated

import typer

from ork.cli.options import Json
from ork.cli.screen.line import Line, next_line, note_line
from ork.cli.screen.parts import AUTHOR_CHARS_MAX, Row, aligned, person, quoted
from ork.cli.session import Session
from ork.cli.sync.transfer import (
    Asked,
    DryRun,
    Workflows,
    archived_lines,
    brought_by,
    ends_of,
    exchanged,
    tell_dry_run,
)

if TYPE_CHECKING:
    from ork.history.log import Standing
    from ork.objects.kinds import Deploy
    from ork.store.store import Store
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
    place, done = exchanged(session, "fetch", remote, Asked(workflows, dry_run, as_json))
    if as_json:
        return
    name = quoted(place.remote or place.name)
    moved = done.workflows
    session.print(aligned((_row(one, name) for one in moved), session.width))
    if not moved:
        session.print([["no new deploys"]])
    if dry_run:
        tell_dry_run(session, moved)
        return
    from ork.history.log import standings

    heads = session.store.refs("workflows/")
    fresh = [one.workflow for one in moved if one.new]
    apart = {
        workflow: one
        for workflow, found in standings(session.store, [name for name, _ in heads]).items()
        for one in found
        if one.remote == place.remote and (one.name or workflow) in fresh
    }
    session.say(*archived_lines(done, name), *_apart_lines(apart))
    lines = {workflow: _since(session.store, workflow, one) for workflow, one in apart.items()}
    session.say(*_renamed_lines(lines.values(), name))
    equal = {
        workflow
        for workflow, line in lines.items()
        if apart[workflow].related and line[0].has(line[-1].snapshot, line[-1].settings)
    }
    session.say(*_next_lines(fresh, apart, name, equal))
    if not moved:
        asked = " ".join((name, *(workflows or ())))
        session.say(next_line(f"`ork pull {asked} --dry-run` tells of new tags and runs as well"))


def _row(one: "Moved", remote: str) -> Row:
    """Return where a head was and is in the other store, by snapshots."""
    is_now: Line = [*ends_of(one), brought_by(one)]
    gone: Line = ["is not there any more"]
    return [(f"{remote}/{one.workflow}", "name")], ["  ", *(is_now if one.new else gone)], ""


def _apart_lines(apart: "dict[str, Standing]") -> Iterator[Line]:
    for workflow, found in apart.items():
        if found.words:
            words = found.words if found.name else f"{found.words}/{workflow}"
            yield note_line(f"{workflow} is {words}")


def _since(store: "Store", workflow: str, found: "Standing") -> "list[Deploy]":
    """Return what a remote has of a workflow since both had the same, and that, newest first."""
    from ork.store.resolve import history, remote_ref

    there = found.name or workflow
    newest = store.ref(remote_ref(found.remote, there))
    line = history(store, there, newest)
    return [deploy for _, deploy in islice(line, found.behind + found.related)]


def _renamed_lines(lines: "Iterable[list[Deploy]]", remote: str) -> Iterator[Line]:
    for line in lines:
        for new, old in pairwise(line):
            if new.workflow != old.workflow:
                by = person(new.author, AUTHOR_CHARS_MAX)
                yield note_line(f"{by} renamed {old.workflow} to {new.workflow} in {remote}")


def _next_lines(
    fresh: "Sequence[str]", apart: "dict[str, Standing]", remote: str, equal: Container[str]
) -> Iterator[Line]:
    """Yield how to look at what is new there, but for a diff of what is equal."""
    for workflow, found in apart.items():
        if found.behind:
            there = f"{remote}/{found.name or workflow}"
            dots = "..." if found.related else " "
            diff = "" if workflow in equal else f", `ork diff {workflow}{dots}{there}`"
            yield next_line(f"`ork log {workflow}..{there}`{diff}")
            return
    known = {found.name or workflow for workflow, found in apart.items()}
    if new := next((name for name in fresh if name not in known), None):
        yield next_line(f"`ork log {remote}/{new}`, `ork pull {remote} {new}` takes it")
