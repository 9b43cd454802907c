"""ork workflows, mv, archive: what there is, under which name, and what is put away"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from ork.cli.options import Json, Limit
from ork.cli.screen import human
from ork.cli.screen.line import Line, next_line, note_line
from ork.cli.screen.parts import Row, aligned, clip, is_narrow, name_room
from ork.cli.session import Session
from ork.errors import Corrupt, OrkError
from ork.store.resolve import workflow_meant
from ork.store.store import Store

if TYPE_CHECKING:
    from ork.heads.workflows import WorkflowEntry


def workflows(
    ctx: typer.Context,
    with_archived: Annotated[
        bool, typer.Option("-a", "--all", help="Archived ones as well.")
    ] = False,
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """List the workflows: last run, next slot, tags.

    \b
    Example:
        ork workflows
    """
    from ork.daemon.fires import NOBODY_FIRES, is_up, with_due
    from ork.heads.workflows import workflow_list

    session: Session = ctx.obj
    now = session.now()
    damage: list[Corrupt] = []
    entries = workflow_list(
        session.store,
        now=now,
        limit=limit,
        with_archived=with_archived,
        damage=damage,
    )
    rows = with_due(session.store, [*entries], now)
    if as_json:
        session.print_json("workflow-list", rows)
    elif rows:
        session.print(_workflows(rows, session), page=True)
    elif not damage:
        some = limit != 0 and next(session.store.refs("workflows/"), None)
        session.say(
            note_line("all are archived: `ork workflows --all`") if some else ["no workflows"]
        )
    if damage:
        raise damage[0]
    if not as_json and any(one.next for one in rows) and is_up(session.store) is False:
        session.say(note_line(NOBODY_FIRES))


def _workflows(found: "Iterable[WorkflowEntry]", session: Session) -> Iterator[Line]:
    """Yield a line for each workflow, with a mark of those whose slots are not fired."""
    from ork.daemon.fires import LATE

    now, width = session.now(), session.width
    narrow = is_narrow(width)

    def mark_of(one: "WorkflowEntry") -> str:
        if one.halted or one.held_by:
            return one.halted or f"held by {one.held_by}"
        if one.due and now - one.due >= LATE:
            return f"due {human.moment(one.due, now, width)}"
        return "clock ahead" if one.ahead else ""

    def row(one: "WorkflowEntry") -> Row:
        last, when = ("no runs", "dim"), ""
        if one.last:
            how = one.last.remark
            run = clip(str(one.last_run), name_room(width))  # of another name, before `ork mv`
            last = (
                f"{run} {one.last.state} {how}".rstrip(),
                "partial" if how else one.last.state,
            )
            when = human.moment(one.last.created, now, width)
        mark = mark_of(one)
        slot = human.moment(one.next, now, width) if one.next else "-"
        soon = mark or (f"next {slot}" if slot[0].isdigit() else slot)  # beside "in 2 hours"
        cells = [
            (one.workflow, "name"),
            last,
            (when, "time"),
            (soon, "warning" if mark else "time"),
            *([] if narrow else [(human.count(one.task_count, "task"), "")]),
        ]
        rest: Line = [(f"  @{label}", "tag") for label in one.tags]
        rest += [(f"  {'; '.join(one.schedules)}", "dim")] if one.schedules and not narrow else []
        return cells, rest, ((one.last and one.last.reason) or "").partition("\n")[0]

    return aligned(map(row, found), width, below=False)


def mv(
    ctx: typer.Context,
    old: Annotated[str, typer.Argument(metavar="OLD", help="The workflow.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Its name from now on.")],
    as_json: Json = False,
) -> None:
    """Give a workflow another name.

    Its tags, its schedule and its history go with it: `ork log NEW` and `ork runs NEW` show what
    was done under the old name as well. Runs keep the name that they had, so etl#3 stays etl#3, and
    the next run has the number after the newest. `ork undo` takes it back. The `name:` in the file
    is yours to change, or `ork restore NEW` does it.

    \b
    Example:
        ork mv etl load
    """
    from ork.heads.rename import rename
    from ork.worktree.restore import stale_name

    session: Session = ctx.obj
    store = session.store
    old = workflow_meant(store, old)
    done = rename(store, old, new, stamp=session.stamp())
    if as_json:
        session.print_json("mv", done)
        return
    labels = human.count(len(done.tags), "tag")
    along = f", with {labels}" if done.tags else ""
    session.print([[(old, "name"), " is ", (new, "name"), f" now{along}"]])
    session.say(*map(next_line, stale_name(store, done.path, new)))


def slots_left_out(store: Store) -> Iterator[Line]:
    """Yield how many slots that were due the newest operation has left out."""
    from ork.daemon.lines import just_left_out

    found: dict[str, int] = {}
    with suppress(OrkError):  # what is damaged is told by `ork schedule list`: this went well
        found = just_left_out(store)
    for name, number in found.items():
        are = "slot that was due is" if number == 1 else "slots that were due are"
        told = f"the schedule of {name} was changed: {number} {are} left out"
        yield note_line(told)


def archive(
    ctx: typer.Context,
    workflow: Annotated[str, typer.Argument(help="The workflow.")],
    undo: Annotated[bool, typer.Option("--undo", help="Take it out again.")] = False,
    as_json: Json = False,
) -> None:
    """Put a workflow away, with all that it has.

    No list has it any more, `@` does not mean it, no schedule of it fires, and nothing is deployed
    to it. By its name all of it is there as before, and `ork gc` keeps it as before. `ork workflows
    --all` and `ork runs --all` list it. --undo takes it out again: what its schedules would have
    fired meanwhile is left out.

    \b
    Example:
        ork archive etl
        ork archive --undo etl
    """
    from ork.daemon import pauses

    session: Session = ctx.obj
    left_out = 0
    workflow = workflow_meant(session.store, workflow)
    if undo:
        done = pauses.unarchive(session.store, workflow, stamp=session.stamp(), now=session.now())
        left_out, already = done.left_out, done.already
    else:
        already = pauses.archive(session.store, workflow, stamp=session.stamp()).already
    if as_json:
        session.print_json(
            "archive", {"workflow": workflow, "archived": not undo, "left_out": left_out}
        )
        return
    gone = f": {human.count(left_out, 'slot')} left out" if left_out else ""
    how = f" is no longer archived{gone}" if undo else " is archived"
    if already:
        session.say(note_line(f"{workflow} {'is not archived' if undo else 'is archived already'}"))
    else:
        session.print([[(workflow, "name"), how]])
    if not undo:
        if next(session.store.refs(f"queue/{workflow}/"), None):
            back = f"`ork cancel --queue {workflow}` takes it back"
            session.say(note_line(f"what waits for `ork up` begins all the same: {back}"))
        told = f"`ork archive --undo {workflow}` takes it out, `ork log {workflow}` shows it"
        session.say(next_line(told))
