"""ork push, ork pull: move what the other store lacks."""

import os
import shlex
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from ork.backends.address import is_url, public
from ork.cli.options import Json, runs_of
from ork.cli.screen.human import count
from ork.cli.screen.line import Line, as_object, hint_line, next_line, note_line
from ork.cli.screen.parts import (
    AUTHOR_CHARS_MAX,
    IN_CHECKOUTS,
    clip,
    clipped,
    column,
    left_line,
    length,
    name_room,
    person,
    quoted,
)
from ork.cli.session import Session
from ork.errors import Conflict, some

if TYPE_CHECKING:
    from ork.sync.heads import Elsewhere
    from ork.sync.remotes import Place
    from ork.sync.transfer import Direction, Moved, Refused, Transferred

OID_DIGITS = 8
NAMES_MAX = 5  # of tags and runs that stay

Remote = Annotated[
    str | None,
    typer.Argument(metavar="[REMOTE]", help="A remote, a folder (with a / in it) or a URL."),
]
Workflows = Annotated[
    list[str] | None, typer.Argument(metavar="[WORKFLOW]...", help="Only these; else all.")
]
Chosen = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[WORKFLOW]...", help="Only these, or tags of one, as etl@v1; else all."
    ),
]
Runs = Annotated[
    str, typer.Option(metavar="N|all|none", help="So many of the newest runs of each workflow.")
]
Tags = Annotated[bool, typer.Option("--tags/--no-tags", help="Move tags, too.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would move; write nothing.")]


class Asked(NamedTuple):
    """What is to move, and how that is told."""

    workflows: list[str] | None
    dry_run: bool
    as_json: bool
    runs: str = "all"
    tags: bool = True
    force: bool = False


def push(
    ctx: typer.Context,
    remote: Remote = None,
    workflows: Chosen = None,
    runs: Runs = "all",
    tags: Tags = True,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Move heads that went another way there, too, tags that are elsewhere, and runs"
            " that were retried on both sides.",
        ),
    ] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Bring to another store what it lacks.

    Heads move forward only, as one operation there; runs follow with outputs and logs. What the two
    sides changed in different ways stays, so does a run that both have retried, or whose name
    another one has there: they are listed, and all else moves. etl@v1 instead of a workflow is that
    tag alone: with --force one that you moved is moved there, too. What was interrupted is typed
    again, and sends the rest. REMOTE is `origin`, or the only one, when it is left out.

    Exit codes: 0 done; 5 a head, a tag or a retry stayed, or somebody else moved the same.

    \b
    Example:
        ork push
        ork push ../team etl --runs 10
        ork push origin etl@v1 --force
    """
    asked = Asked(workflows, dry_run, as_json, runs, tags, force)
    _transfer(ctx.obj, "push", remote, asked)


def pull(
    ctx: typer.Context,
    remote: Remote = None,
    workflows: Chosen = None,
    runs: Runs = "all",
    tags: Tags = True,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Move heads that went another way here, too, tags that are elsewhere, and runs"
            " that were retried on both sides.",
        ),
    ] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Take from another store what this one lacks.

    Everything is checked as it arrives. Heads move forward only, as one operation that `ork undo`
    takes back; where this store is further, its own stays, with --force as well, and where both
    have deployed the same content, the deploy of the other takes the place of its own. Runs follow
    with outputs and logs. What the two sides changed in different ways stays, so does a run that
    both have retried, or whose name another one has here: they are listed, and all else moves. A
    tag that was moved there and not here is moved here as well; etl@v1 is that tag alone. Workflow
    files are not touched: those that are older now are named, `ork restore` writes them. REMOTE is
    `origin`, or the only one, when it is left out.

    Exit codes: 0 done; 5 a head, a tag or a retry stayed, or somebody else moved the same.

    \b
    Example:
        ork pull
        ork pull origin etl --dry-run
    """
    asked = Asked(workflows, dry_run, as_json, runs, tags, force)
    _transfer(ctx.obj, "pull", remote, asked)


def _transfer(session: Session, direction: "Direction", remote: str | None, asked: Asked) -> None:
    place, done = exchanged(session, direction, remote, asked)
    if not asked.as_json:
        session.print(moved_lines(done, session.width))
        goes_back = asked.force and direction == "pull" and place.remote is not None
        session.say(*left_out_lines(done, quoted(place.name), direction, goes_back=goes_back))
        if asked.dry_run:
            tell_dry_run(session, done.workflows)
        session.say(*refused_lines(done, place, direction, force=asked.force))
        if direction == "pull" and not asked.dry_run:
            forced = [m.workflow for m in done.workflows if m.forced]
            arrived = [m.workflow for m in done.workflows if m.new]
            session.say(*arrived_lines(session, arrived, forced))
    if any(one.asks for one in done.refused):
        raise typer.Exit(Conflict.exit_code)


def exchanged(
    session: Session, direction: "Direction", remote: str | None, asked: Asked
) -> "tuple[Place, Transferred]":
    """Move what is chosen, and print it where JSON is wanted."""
    from ork.sync.remotes import exchange
    from ork.sync.transfer import Choice

    place, done = exchange(
        session.store,
        session.folder,
        direction,
        remote,
        Choice(workflows=tuple(asked.workflows or ()), runs=runs_of(asked.runs), tags=asked.tags),
        start=Path.cwd(),
        environ=session.world.environ,
        stamp=session.stamp(),
        force=asked.force,
        dry_run=asked.dry_run,
    )
    if asked.as_json:
        ends = {"direction": direction, "remote": place.name}
        session.print_json("transfer", ends | as_object(done))
    return place, done


def tell_dry_run(session: Session, moved: Sequence[object]) -> None:
    """Say that nothing was moved of what was told."""
    if moved:
        session.say(note_line("this was a dry run: nothing was moved"))


def arrived_lines(
    session: Session, workflows: list[str], forced: Collection[str] = ()
) -> Iterator[Line]:
    """Yield what to do where heads of workflows came from elsewhere, some of them by force.

    Of each file that is still as before, or in part and edited, it is told.
    """
    from ork.heads.deploy import former_file, head_status, runs_in_checkouts
    from ork.worktree.restore import stale_name

    def here(path: str) -> str:
        return quoted(os.path.relpath(session.store.project / path))

    absent = []
    for workflow in workflows:
        file = head_status(session.store, workflow, author=session.author())
        path = here(file.path)
        write = f"`ork restore {workflow} --code` writes the new one"
        if file.state == "behind":
            told = f"{path} is as in {file.other}: {write}"
            is_apart = runs_in_checkouts(session.store, file)
            yield note_line(f"{told}; {IN_CHECKOUTS}" if is_apart else told)
        elif file.state == "renamed" and file.summary:
            yield note_line(f"{path} still says {file.workflow}, and is {file.summary}: {write}")
        elif file.state == "renamed":
            yield from map(next_line, stale_name(session.store, file.path, workflow))
        elif file.state == "missing" and (left := former_file(session.store, workflow)):
            moved = f"{here(left)} was the file of {workflow}, which is {path} now"
            yield note_line(f"{moved}: {write}, {here(left)} is not needed then")
        elif file.state == "missing":
            absent.append(workflow)
        elif file.lost:
            yield [("warning: ", "warning"), f"{path} as it is {file.lost}"]
        elif file.state == "modified" and workflow in forced:
            keep = f"`ork deploy {path}` keeps what it has"
            yield note_line(f"{path} differs from the new one: {keep}, {write}")
    if workflows:
        log = f"`ork log {workflows[0]}`"
        which = "--all" if absent[1:] else "".join(absent)
        files = f"`ork restore {which} --code` writes the files"
        yield next_line(f"{files}, {log} shows the history" if absent else log)


def moved_lines(done: "Transferred", width: int | None) -> Iterator[Line]:
    """Yield a line for each workflow of which something moved, or would."""
    names = clipped((one.workflow for one in done.workflows), name_room(width))
    pad = column(names.values(), width)
    for one in done.workflows:
        yield [(f"{names[one.workflow]:<{pad}}", "name"), "  ", *ends_of(one), brought_by(one)]
        for tag in one.moved_tags:
            old, new = (oid[:OID_DIGITS] for oid in (tag.old_snapshot, tag.new_snapshot))
            ends: Line = ["  ", (old, "oid"), " -> ", (new, "oid")]
            yield ["  ", (clip(tag.name, width and width - 2 - length(ends)), "tag"), *ends]
        if new_tags := some(one.new_tags, NAMES_MAX):
            yield ["  ", (clip(new_tags, width and width - len("    new")), "tag"), "  new"]
        if one.was:
            yield [f"  {one.workflow} was called {some(one.was, NAMES_MAX)} before"]
    if not done.workflows:
        stayed = any(one.asks or one.newer for one in done.refused)
        yield ["nothing was moved" if stayed else "nothing new"]


def ends_of(one: "Moved") -> Line:
    """Return from where to where a head moves, by the snapshots, as `ork log` shows them."""
    if one.new_snapshot is None:
        return []
    new = (one.new_snapshot[:OID_DIGITS], "oid")
    if one.old_snapshot is None:
        return [new, "  new: " if one.deploys else "  "]
    forced: Line = [("forced: ", "warning")] if one.forced else []
    if one.old_snapshot == one.new_snapshot:  # as where settings alone have changed
        return [new, "  ", *forced]
    dots = "..." if one.forced else ".."
    return [(one.old_snapshot[:OID_DIGITS], "oid"), dots, new, "  ", *forced]


def brought_by(one: "Moved") -> str:
    """Return what came along with a head."""
    counts = ((one.deploys, "deploy"), (one.runs, "run"), (len(one.tags), "tag"))
    return ", ".join(count(number, noun) for number, noun in counts if number) or "no new deploys"


def left_out_lines(
    done: "Transferred", name: str, direction: "Direction", *, goes_back: bool = False
) -> Iterator[Line]:
    """Yield what was left out, and why; on request also what goes back to the other side."""
    pushed = direction == "push"
    receiver = name if pushed else "this store"
    for moved in done.workflows:
        if moved.left:
            has = "its content" if moved.left == 1 else "what they led to"
            more = "" if moved.forced else f", {name} has {has}"
            at = "there " if pushed else ""
            yield left_line(moved.workflow, moved.left, receiver, moved.left_tags, more, at)
    yield from archived_lines(done, name)
    for one in done.further:
        other = "`ork pull` brings it here" if pushed else "`ork push` brings it there"
        if one in done.gone_back:
            same = f"`ork rollback {one} {name}/{one}` takes it back here too"
            yield note_line(f"{one} went back in {name}, as by an undo; {same}, {other} again")
        else:
            back = f"`ork rollback {one} {name}/{one}` goes back to that of {name}, "
            yield note_line(f"{one}: {receiver} is further; {back if goes_back else ''}{other}")
    if done.moved_there:
        tags = " ".join(done.moved_there)
        which = "them" if len(done.moved_there) > 1 else "it"
        other = f"`ork push {name} {tags} --force` moves {which} there too"
        if pushed:
            other = f"`ork pull {name} {tags}` moves {which} here too"
        told = some(done.moved_there, NAMES_MAX)
        yield note_line(f"{told} moved in {receiver} alone; {other}")
    for one in done.going_on:
        yield note_line(f"{one} was left out: it has not ended")
    for one in done.replaced:
        yield note_line(f"{one} was retried in {receiver} as well: nothing stays of that retry")
    for one in done.removed:
        yield note_line(f"{one} was left out: there `ork gc` has removed the run of this number")
    for one in done.missing_logs:
        yield note_line(f"{one} came without its log, which is gone")
    if done.forgotten:
        objects, by = count(len(done.forgotten), "object"), "this store" if pushed else name
        there = "there " if pushed else ""
        yield note_line(
            f"{by} had to forget {objects} that {receiver} has, and logs may have the text as well:"
            f" {there}`ork forget --text` asks for it; what went as a whole goes by its name"
        )


def archived_lines(done: "Transferred", name: str) -> Iterator[Line]:
    """Yield a note where something has moved of workflows that the other store has put away."""
    if told := some(done.archived, NAMES_MAX):
        verb, them = ("is", "it") if len(done.archived) == 1 else ("are", "them")
        yield note_line(f"{told} {verb} archived in {name}: no schedule of {them} fires there")


def refused_lines(
    done: "Transferred", place: "Place", direction: "Direction", *, force: bool = False
) -> Iterator[Line]:
    """Yield what stayed since it would have lost something, and what to do about it."""
    name, address = quoted(place.name), public(place.address)
    sides = (name, "this store") if direction == "push" else ("this store", name)
    error = ("error: ", "error")
    gone_back = {one.workflow for one in done.refused for head in one.heads if head.gone_back}
    same = {one.workflow for one in done.refused for head in one.heads if head.same}
    split = [one for one in done.refused if one.heads]
    for one in split:
        if one.workflow in gone_back:
            yield [error, f"{one.workflow} stayed, {name} went back from what this store has:"]
        elif one.workflow in same:
            yield [error, f"{one.workflow} stayed, {name} has the same content by another deploy:"]
        elif all("@" in head.name for head in one.heads):
            yield [error, f"tags of {one.workflow} stayed, {sides[0]} has them elsewhere:"]
        else:
            yield [error, f"{one.workflow} stayed, {' and '.join(sides)} went different ways:"]
        for head in one.heads[:NAMES_MAX]:
            yield from _different_lines(head, sides)
        if more := one.heads[NAMES_MAX:]:
            yield [f"  and {count(len(more), 'more tag')}"]
        if force and (kept := _head(one)):  # all else is moved by force
            told = f"{kept.name} keeps the name {kept.receiver} in {sides[0]}, by --force as well"
            yield hint_line(f"{told}: else there would be two of it")
    for one in done.refused:
        if one.at_work:
            yield [error, f"{one.workflow} stayed: {one.at_work} in {sides[0]}, by its former name"]
            again = f"`ork {direction} {shlex.quote(name)} {one.workflow}`"
            yield hint_line(f"{again} renames it once that has ended")
    there = f"ork {'--store' if is_url(address) else '-C'} {shlex.quote(address)}"
    for one in done.refused:
        if one.retried:
            many = f"{count(len(one.retried), 'run')} stayed ({some(one.retried, NAMES_MAX)})"
            yield [error, f"{many}, retried here and in {name}: {sides[0]} keeps its own retry"]
            yield hint_line(f"`{there} show {one.retried[0]}` shows that of {name}")
            typed = f"{shlex.quote(name)} {one.workflow} --force"
            ways = f"`ork pull {typed}` takes that, `ork push {typed}` puts yours in its place"
            yield hint_line(f"{ways}; nothing stays of the other retry")
    for workflow in sorted(gone_back):
        yield hint_line(
            f"`ork fetch {name}`, then `ork rollback {workflow} {name}/{workflow}` takes it back"
            f" here too, `ork push {name} {workflow} --force` brings it there again"
        )
    for workflow in sorted(same):
        typed = f"{shlex.quote(name)} {workflow}"
        yield hint_line(
            f"`ork pull {typed}` takes that, `ork push {typed} --force` puts yours in its place"
        )
    if split := [one for one in split if one.workflow not in gone_back | same]:
        for told in _ways_out(split, place.remote, name, there, direction):
            yield hint_line(told)
    if clashing := [run for one in done.refused for run in one.newer]:
        many = count(len(clashing), "run")
        told = f"{many} stayed ({some(clashing, NAMES_MAX)}), each side has its own by that name;"
        yield note_line(f"{told} `{there} show {clashing[0]}` shows that of {name}")


def _different_lines(one: "Elsewhere", sides: tuple[str, str]) -> Iterator[Line]:
    """Yield what a head or a tag is at each side, and who has made that."""
    ends = (
        (one.old_snapshot, one.old_author, one.old_message),
        (one.new_snapshot, one.new_author, one.new_message),
    )
    places = [f"{one.receiver or one.name} in {sides[0]}", f"{one.name} in {sides[1]}"]
    width = max(map(len, places))
    for place, (snapshot, author, message) in zip(places, ends, strict=True):
        first = message.partition("\n")[0]
        # Who has deployed it need not have moved the tag.
        by = "" if "@" in one.name else f"  {person(author, AUTHOR_CHARS_MAX)}"
        told = f"{by}  {first}".rstrip()
        yield [f"  {place:<{width}}  ", (snapshot[:OID_DIGITS], "oid"), told]


def _ways_out(
    split: "Sequence[Refused]", remote: str | None, name: str, there: str, direction: "Direction"
) -> Iterator[str]:
    """Yield how to see what the other side has done, and each way to go on."""

    typed = f"{shlex.quote(name)} {' '.join(one.workflow for one in split)}"
    if all("@" in head.name for one in split for head in one.heads):
        tags = " ".join(head.name for one in split for head in one.heads)
        tags = f"{shlex.quote(name)} {tags} --force"
        yield f"`ork push {tags}` puts yours in its place, `ork pull {tags}` takes that of {name}"
        return
    before = f"`ork fetch {remote}`, then " if direction == "push" else ""
    for one in split[:NAMES_MAX]:
        if (head := _head(one)) and head.unchanged:  # what it is called is told already
            continue
        if remote is None:
            shown = f"`{there} {_their_change(one, direction)}`"
        else:
            shown = f"{before}`ork {_their_change(one, direction, f'{remote}/')}`"
        yield f"{shown} shows what {name} has"
    ours = "sender" if direction == "push" else "receiver"
    theirs = []
    for one in split:
        head = _head(one)
        if head and head.renamed_by == ours:
            mine = head.name if direction == "push" else head.receiver
            yield (
                f"{mine} was renamed here: bring what {name} has into its file and `ork deploy`"
                f" that; `ork push {shlex.quote(name)} {mine} --force` gives it this name there too"
            )
        else:
            theirs.append(_their_name(one, direction))
    if not theirs:
        return
    yield (
        f"`ork pull {shlex.quote(name)} {' '.join(theirs)} --force` takes that (`ork undo` gives"
        " yours back): bring it into your files before `ork deploy FILE`, which takes back what"
        " they lack"
    )
    if direction == "push" and not any(head.receiver for one in split for head in one.heads):
        yield f"`ork push {typed} --force` puts yours in its place"


def _head(one: "Refused") -> "Elsewhere | None":
    """Return what there is to say of the head of a workflow, not of its tags."""
    return next((head for head in one.heads if head.name == one.workflow), None)


def _their_name(one: "Refused", direction: "Direction") -> str:
    """Return what a workflow is called on the other side."""
    head = _head(one)
    return (direction == "push" and head and head.receiver) or one.workflow


def _their_change(one: "Refused", direction: "Direction", before: str = "") -> str:
    """Return what shows what the other side has changed since both had the same.

    `before` is what stands before the name of the workflow to mean that of the other side.
    """
    head, theirs = _head(one), before + _their_name(one, direction)
    if head is None or head.base is None:
        return f"log {theirs}"
    if not before:
        return f"diff {head.base[:OID_DIGITS]} {theirs}"
    ours = (direction == "pull" and head.receiver) or head.name
    return f"diff {ours}...{theirs}"
