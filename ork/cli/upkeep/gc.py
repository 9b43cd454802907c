"""ork gc: what need not stay in a store, and its removal."""

from collections.abc import Iterator
from typing import Annotated

import typer

from ork.cli.options import Json
from ork.cli.screen import human
from ork.cli.screen.line import Line, next_line, note_line
from ork.cli.session import Session
from ork.objects.value import replace
from ork.upkeep.keep import DAYS_MAX, RUNS_MAX, chosen
from ork.upkeep.prune import Folders, Pruned, Repacked, check_closed, repack, room
from ork.upkeep.prune import gc as collect

_RECORDS = {"run": "records of runs", "taskrun": "records of tasks in runs"}


def days(text: str) -> int:
    """Return the days that a text says: 90 or 90d."""
    number = text.removesuffix("d")
    if not (number.isascii() and number.isdigit()) or int(number[:9]) > DAYS_MAX:
        raise typer.BadParameter(f"say days, up to {DAYS_MAX:,}: 90, or 90d")
    return int(number)


def gc(
    ctx: typer.Context,
    prune: Annotated[bool, typer.Option("--prune", help="Remove it; else only say.")] = False,
    again: Annotated[
        bool, typer.Option("--repack", help="Write the data file anew, to give its room back.")
    ] = False,
    keep_runs: Annotated[
        int | None,
        typer.Option(min=0, max=RUNS_MAX, metavar="N", help="Keep the newest N of each workflow."),
    ] = None,
    keep_days: Annotated[
        int | None, typer.Option(parser=days, metavar="N", help="Keep runs that ended in N days.")
    ] = None,
    keep_logs_days: Annotated[
        int | None, typer.Option(parser=days, metavar="N", help="Keep logs only for N days.")
    ] = None,
    keep_checkouts_days: Annotated[
        int | None, typer.Option(parser=days, metavar="N", help="Keep checkouts only for N days.")
    ] = None,
    undo_days: Annotated[
        int | None,
        typer.Option(parser=days, metavar="N", help="Undo stays possible so many days, else 30."),
    ] = None,
    damaged: Annotated[
        bool, typer.Option("--damaged", help="Runs go, too, of which something is lost.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Remove even more than half of all objects.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Say what need not stay, or remove it.

    Objects go that nothing needs. Needed is what a workflow, a tag or a run leads to, and what
    commands of the last 30 days moved, so that `ork undo` can take it back. No deploy of a history
    goes away. Others may work meanwhile. Nothing is removed when something that is needed is
    missing or damaged, nor, without --force, where nothing needs more than half of all objects,
    beside those of runs that go: then refs may have been lost.

    Runs go, with their logs and checkouts, only if you say which may: by --keep-runs and
    --keep-days, or in the table [keep] of .ork/config.toml. A run stays that is among the newest or
    young enough. Always kept are the newest run of a workflow, its last good ones, what goes on or
    ended while undo is possible, and runs whose outputs others took. --keep-logs-days removes logs
    alone. A number is never given again.

    With --damaged the runs go, too, that lack something which `ork fsck --repair` has not found:
    with them no backup, bundle or clone can be made.

    The data file stays as large as it is: the room is used again. With --repack it is written anew,
    and what was free is given back. Then nobody else may have the store open.

    \b
    Example:
        ork gc
        ork gc --keep-runs 500 --keep-days 90
        ork gc --prune --repack
    """
    session: Session = ctx.obj
    environ = session.world.environ
    if again:
        check_closed(session.folder, environ=environ)
    keep = chosen(
        session.store.folder,
        runs=keep_runs,
        days=keep_days,
        logs_days=keep_logs_days,
        checkouts_days=keep_checkouts_days,
        undo_days=undo_days,
    )
    stamp = session.stamp() if prune else None
    store, now = session.store, session.now()
    found = collect(store, keep=keep, now=now, stamp=stamp, force=force, damaged=damaged)
    if again:
        session.close()
        file: Repacked | None = repack(session.folder, environ=environ)
    else:
        file = room(session.folder, environ=environ, less=0 if prune else found.bytes)
    if as_json:
        session.print_json("gc", replace(found, file=file))
        return
    session.print(_lines(found))
    if file is not None:
        session.print(_of_file(file))
    if found.undoable:
        stay = "run stays" if found.undoable == 1 else "runs stay"
        told = f"{found.undoable:,} {stay}, ended in the last {human.count(keep.undo_days, 'day')}:"
        told += " `ork undo` may need them; --undo-days says how long"
        session.say(note_line(told))
    if found.lacking:
        told = f"{found.lacking}: all objects stay, since nobody knows what that needs"
        session.say(note_line(told))
    if not found.nothing and not prune:
        given = {
            "--keep-runs": keep_runs,
            "--keep-days": keep_days,
            "--keep-logs-days": keep_logs_days,
            "--keep-checkouts-days": keep_checkouts_days,
            "--undo-days": undo_days,
        }
        words = ["gc", *(f"{name} {it}" for name, it in given.items() if it is not None)]
        words += ["--damaged"] if damaged else []
        session.say(next_line(f"`ork {' '.join(words)} --prune` removes it"))


def _lines(found: Pruned) -> Iterator[Line]:
    before = human.count(found.objects_before, "object")
    if found.nothing:
        why = "something is lost" if found.lacking else "all is needed"
        yield [f"nothing to remove: {why} ({before})"]
        return
    verb = "removed" if found.done else "would remove"
    for workflow, gone in found.runs.items():
        count = human.count(len(gone), "run")
        yield [f"{verb} ", (count, "removed"), f" of {workflow}: {human.numbers(gone)}"]
    yield from _of_folders(verb, "the logs of", "run", found.logs)
    yield from _of_folders(verb, "the", "checkout", found.checkouts)
    size = _bytes(found.bytes)
    yield [f"{verb} ", (str(found.objects), "removed"), f" of {before}, {size}"]
    for kind, objects in found.kinds.items():
        what = _RECORDS.get(kind, kind)
        if what != kind and not found.runs:  # the runs stay
            what = f"superseded {what}"
        yield [f"  {objects:>7}  {what}"]


def _of_folders(verb: str, before: str, noun: str, found: Folders) -> Iterator[Line]:
    if found.count:
        count, size = human.count(found.count, noun), _bytes(found.bytes)
        yield [f"{verb} {before} ", (count, "removed"), f", {size}"]


def _of_file(file: Repacked) -> Iterator[Line]:
    if file.done:
        yield [f"the data file has {_bytes(file.after)}, and had {file.before:,} before"]
    elif file.after < file.before:
        yield [
            f"the data file has {_bytes(file.before)}; --repack would leave about {file.after:,}"
        ]


def _bytes(number: int) -> str:
    return f"{number:,} bytes"
