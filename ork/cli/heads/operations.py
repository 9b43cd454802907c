"""ork ops, undo: the commands that moved a name, and the way back"""

import os
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import partial
from itertools import chain, islice
from shlex import quote
from typing import Annotated

import typer

from ork.cli.heads.workflows import slots_left_out
from ork.cli.options import Author, Json, Limit, NotAfter, NotBefore, matching
from ork.cli.screen import human
from ork.cli.screen.line import Line, next_line, note_line
from ork.cli.screen.parts import IN_CHECKOUTS, author_room, clip, clipped, is_narrow, length, person
from ork.cli.session import Session
from ork.errors import Corrupt, UsageError
from ork.heads.undo import display, meaning
from ork.objects.canonical import Oid
from ork.objects.kinds import Deploy, Operation
from ork.store.operations import Move, selected, without_runs
from ork.store.resolve import workflow_meant
from ork.store.revision import parse_span
from ork.store.store import Store

MOVE_COLUMNS = 33  # of a move beside the name: its indent, and what is told of it


def ops(
    ctx: typer.Context,
    workflow: Annotated[
        str | None, typer.Argument(help="What moved this one; all when left out.")
    ] = None,
    limit: Limit = None,
    author: Author = None,
    since: NotBefore = None,
    until: NotAfter = None,
    as_json: Json = False,
) -> None:
    """List every command that moved a head or a tag.

    The head of a workflow is its newest deploy; a deploy, a rollback and an undo move it.
    The newest comes first: when, who, and what moved. Each begins with the oid of the operation,
    which `ork undo` and `ork --at-op` take; moves are shown by their snapshots. Pauses of schedules
    and what is archived are among them. Runs move no head: `ork runs` lists them. Of one workflow
    the moves of others are left out, that were made by the same command.

    \b
    Example:
        ork ops -n 5
        ork ops etl --author ada --since 2d
    """
    session: Session = ctx.obj
    store = session.store
    now = session.now()
    begin, end = parse_span(since or None, until or None, now)
    workflow = workflow and workflow_meant(store, workflow)
    every = selected(store, workflow, author=matching(author), since=begin, until=end)
    found = islice(every, limit)
    if as_json:
        rows = [{"oid": oid, "operation": operation} for oid, operation in found]
        session.print_json("ops", rows)
        return
    lines = _operations(found, session, now)
    if first := next(lines, None):
        session.print(chain([first], lines), page=True)
    else:
        why = ": nothing is deployed here yet" if store.ref("ops") is None else ""
        session.say([f"no operations{why}"])


def undo(
    ctx: typer.Context,
    operation: Annotated[
        str | None,
        typer.Argument(
            metavar="[OP]", help="A prefix of its oid, or @{2} for the one two before the newest."
        ),
    ] = None,
    workflows: Annotated[
        list[str] | None,
        typer.Argument(metavar="[WORKFLOW...]", help="Take back what it did to these alone."),
    ] = None,
    redo: Annotated[
        bool, typer.Option("--redo", help="Take back the newest undo instead.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Take back what moved a head or a tag.

    The head of a workflow is its newest deploy: `ork undo` makes the one before it the newest, `ork
    rollback` adds the older version as a new one, and `ork restore` writes files. OP is any
    operation that `ork ops` lists; without it, the newest that was not taken back yet, so that each
    undo goes one further back. What another author did has to be named. The refs move back to where
    they were, and that is an operation of its own: no deploy and no run goes away, and --redo does
    it again. Refused when a later command moved one of these refs; of an operation on several
    workflows, such as the deploy of a folder, what it did to some of them is taken back by their
    names.

    \b
    Example:
        ork undo
        ork undo @ etl
    """
    from ork.heads.undo import undo

    session: Session = ctx.obj
    store = session.store
    if redo and operation:
        raise UsageError("--redo names the newest undo; leave the other operation out")
    done = undo(
        store, operation, workflows or (), redo=redo, stamp=session.stamp(), now=session.now()
    )
    if as_json:
        session.print_json("undo", done)
        return
    words = done.operation.command
    session.print([["undid ", (store.short(done.oid), "oid"), "  ", (words, "name")]])
    session.print(_moves(done.moves, store, session.width))
    for command in dict.fromkeys(done.passed):
        session.say(note_line(f"`{command}` came later: what that took away stays away"))
    session.say(*slots_left_out(store))
    session.say(*_still_there(session, done.moves), *_still_elsewhere(store, done.moves))
    again = "`ork undo` takes it back again" if redo else "`ork undo --redo` takes this back"
    session.say(next_line(f"`ork ops` lists all operations; {again}"))


def _still_there(session: Session, moves: Iterable[Move]) -> Iterator[Line]:
    """Yield a note for each workflow file that is not as its newest version is now."""
    from ork.heads.deploy import head_status, runs_in_checkouts
    from ork.worktree.restore import stale_name

    for ref, _, new in moves:
        space, _, name = ref.partition("/")
        if space != "workflows" or new is None:
            continue
        file = head_status(session.store, name, author=session.author())
        if file.state in ("modified", "behind"):
            path = quote(os.path.relpath(session.store.project / file.path))
            write = f"`ork restore {name} --code` writes that here"
            told = f"{path}, or code that it calls, is not as in this version: {write}"
            is_apart = runs_in_checkouts(session.store, file)
            yield note_line(f"{told}; {IN_CHECKOUTS}" if is_apart else told)
        elif file.state == "renamed":
            yield from map(next_line, stale_name(session.store, file.path, name))


def _still_elsewhere(store: Store, moves: Iterable[Move]) -> Iterator[Line]:
    """Yield a note for each head that a remote still has as it was, by what is known of it."""
    from ork.history.log import standings

    heads = {
        ref.partition("/")[2]: new
        for ref, old, new in moves
        if ref.startswith("workflows/") and old
    }
    for name, found in standings(store, heads).items():
        for one in found:
            if one.behind and not one.ahead and (head := heads[name]):
                way = f"`ork undo --redo`, `ork rollback {name} {store.short(head)}` and `ork push`"
                told = f"{one.remote} still has that, and `ork pull` brings it here again"
                yield note_line(f"{told}: {way} take it back there as well")


def _operations(
    found: Iterable[tuple[Oid, Operation]], session: Session, now: datetime
) -> Iterator[Line]:
    """Yield each operation: its oid, time, author and command, then a line per ref that moved."""
    store = session.store
    width = session.width

    def named(entry: tuple[Oid, Operation]) -> list[Oid]:
        oid, one = entry
        ends = (end for _, *both in one.moves for end in both if end)
        return [oid, *(deploy.snapshot for deploy in map(partial(_deploy, store), ends) if deploy)]

    for oid, one in store.shortened(found, named):
        time = human.padded_moment(one.time, now, width)
        line: Line = [(store.short(oid), "oid"), "  ", (time, "time"), "  "]
        if not is_narrow(width):
            line += [(person(one.author, author_room(width)), "author"), "  "]
        room = width and width - length(line)
        yield [*line, (clip(one.command, room), "name")]
        if is_narrow(width) and one.author != session.author():
            yield ["          by ", (person(one.author, author_room(width)), "author")]
        yield from _moves(one.moves, store, width)


def _moves(moves: Iterable[Move], store: Store, width: int | None) -> Iterator[Line]:
    others, gone = without_runs(moves)
    names = clipped((display(ref) for ref, *_ in others), width and width - MOVE_COLUMNS)
    for ref, old, new in others:
        if ref.startswith("former/"):  # the heads tell
            continue
        if words := meaning(ref, new):
            yield ["          ", (names[display(ref)], "head"), f"  {words}"]
            continue
        style = "tag" if ref.startswith("tags/") else "head"
        before, after = (_short(store, old), "oid"), (_short(store, new), "oid")
        line: Line = ["          ", (names[display(ref)], style), "  "]
        if old is None and new is None:
            yield [*line, "(gone for good)"]
        elif old is None:
            yield [*line, after, " (created)"]
        elif new is None:
            yield [*line, before, " (removed)"]
        elif before == after:
            yield [*line, before, f" ({_besides_content(store, old, new)})"]
        else:
            yield [*line, before, " -> ", after]
    for (workflow, what), numbers in gone.items():
        yield [
            "          ",
            (workflow, "head"),
            f"  {what} {human.numbers(numbers)} (gone for good)",
        ]


def _besides_content(store: Store, old: Oid, new: Oid) -> str:
    """Return what a move between two deploys of one snapshot changed."""
    before, after = store.get(Deploy, old).settings, store.get(Deploy, new).settings
    names = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
    return f"{', '.join(names)} changed" if names else "another deploy of the same content"


def _short(store: Store, oid: Oid | None) -> str:
    """Return the short snapshot of a deploy, which may be gone: operations outlive it."""
    if oid is None:
        return ""
    deploy = _deploy(store, oid)
    return store.short(deploy.snapshot) if deploy else f"{oid[:8]} (missing)"


def _deploy(store: Store, oid: Oid) -> Deploy | None:
    try:
        return store.get(Deploy, oid)
    except Corrupt:
        return None
