"""ork schedule: what is due when, what was left out, and who paused it"""

import sys
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial
from heapq import merge
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Annotated

import typer

from ork.alike import did_you_mean
from ork.cli import options as shared
from ork.cli.runs.queued import tell_queued, waiting_view, waits_for
from ork.cli.screen import human
from ork.cli.screen.line import Line, as_object, next_line, note_line
from ork.cli.screen.parts import (
    AUTHOR_CHARS_MAX,
    Row,
    aligned,
    clip,
    clipped,
    is_narrow,
    name_room,
    person,
)
from ork.cli.session import Session
from ork.errors import Corrupt, NotFound, UsageError, some
from ork.store.resolve import head, workflow_meant
from ork.store.revision import parse_moment, parse_span
from ork.store.store import Store

if TYPE_CHECKING:
    from ork.daemon.fires import Late, Listed
    from ork.daemon.lines import LeftOut
    from ork.daemon.lines import Line as OneLine
    from ork.schedule.schedule import Schedule

ACTIONS = ("list", "next", "skips", "late", "pause", "resume", "fire", "backfill")
OPTIONS = {
    "next": ("-n", "--since", "--until"),
    "skips": ("-n",),
    "late": ("--since", "--grace"),
    **dict.fromkeys(("pause", "resume"), ("--all",)),
    "fire": ("-i", "--slot"),
    "backfill": ("-i", "--since", "--until", "--dry-run"),
}
NEXT = 5
SLOTS_MAX = 1000  # that next lists up to a moment, unless -n says another number
GRACE = 600.0  # seconds for which a slot may be due
LATELY = "1 day ago"
NAMES_MAX = 10  # of workflows in a message


def schedule(
    ctx: typer.Context,
    action: Annotated[
        str, typer.Argument(metavar=f"[{'|'.join(ACTIONS)}]", help="What to do.")
    ] = "list",
    workflow: Annotated[
        str | None,
        typer.Argument(metavar="[WORKFLOW]", help="May be left out if only one has a schedule."),
    ] = None,
    every: Annotated[
        bool, typer.Option("-a", "--all", help="pause, resume: all workflows, as one operation.")
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option("-n", min=0, metavar="N", help="next, skips: show at most this many."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="next, backfill, late: count from this moment on."),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="next, backfill: before this moment; a date is its end."),
    ] = None,
    grace: Annotated[
        float | None,
        typer.Option(
            parser=shared.seconds,
            metavar="DURATION",
            help="late: how long a slot may be due; else 10m.",
        ),
    ] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "-i",
            "--input",
            metavar="NAME=VALUE",
            help="fire, backfill: a parameter, as of `ork run`.",
        ),
    ] = None,
    slot: Annotated[
        str | None, typer.Option(metavar="TIME", help="fire: make up for this slot, if none did.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="backfill: say for which slots; write nothing.")
    ] = False,
    as_json: shared.Json = False,
) -> None:
    """Tell what is due, pause it, or fire it now.

    list shows each schedule: its next slot, the run of its last one, who paused it, what was left
    out in the last week, and which runs wait for `ork up`.

    next shows the slots to come, five unless -n or --until says how many; what is paused or held
    back has none.

    skips shows the slots that were left out and have no run, newest first, and why.

    late shows the slots that have no run, for a monitor or a line of cron: due for longer than
    --grace and not fired, or left out since --since, a day ago. What is paused is not looked at.

    pause lets nothing fire until resume, which leaves out what went by; what was due before
    stays due. `ork undo` takes a pause back as if it had not been; then `catchup` applies to what
    went by.

    pause --all is of all workflows there are, as one operation; one that is deployed later fires.
    resume --all goes on with those as well that had been paused one by one, and leaves alone what
    is archived, and what a failure holds back.

    resume of what is not paused lets a schedule go on with `after_failure: hold` that a run holds
    back which failed; what went by is due then, and `catchup` applies. It also begins anew at this
    moment where a clock that was wrong has decided about slots still to come.

    fire puts a run into the queue as if its schedule were due now; with --slot for a slot that was
    left out, by your clock or else by that of the schedule's zone. backfill puts one there for
    each slot of the past that has none, also before the workflow was deployed. `ork up` runs them,
    those of past slots one after the other.

    Exit codes: 0 done; 1 of late, if it tells of any.

    \b
    Example:
        ork schedule list
        ork schedule next etl -n 3
        ork schedule next --until 07:00
        ork schedule late --since '1 hour ago'
        ork schedule pause etl
        ork schedule resume etl
        ork schedule pause --all
        ork schedule resume --all
        ork schedule fire etl
        ork schedule backfill etl --since 2026-10-25
    """
    session: Session = ctx.obj
    if action not in ACTIONS:
        if workflow is not None or session.store.ref(f"workflows/{action}") is None:
            hint = did_you_mean(action, ACTIONS, form="`ork schedule {}`")
            raise UsageError(f"{action!r}: say one of {', '.join(ACTIONS)}", hint=hint)
        action, workflow = "list", action
    given = {
        "--all": every,
        "-n": limit is not None,
        "--since": since,
        "--grace": grace is not None,
        "-i": inputs,
        "--slot": slot,
        "--until": until,
        "--dry-run": dry_run,
    }
    for name, value in given.items():
        if value and name not in OPTIONS.get(action, ()):
            raise UsageError(f"{name} is no option of `ork schedule {action}`")
    if every and workflow is not None:
        raise UsageError(f"--all means {workflow} as well: leave one of them out")
    if session.at_op is not None and action not in ("list", "next", "skips", "late"):
        raise UsageError("--at-op only reads", hint=f"`ork schedule {action}` writes")
    store = session.store
    workflow = workflow and workflow_meant(store, workflow)
    if action == "list":
        _list(session, workflow, as_json)
    elif action == "next":
        _next(session, workflow, limit, since, until, as_json)
    elif action == "skips":
        _skips(session, workflow, limit, as_json)
    elif action == "late":
        _late(session, workflow, since, GRACE if grace is None else grace, as_json)
    elif action == "fire":
        _fire(session, workflow or _only(store, action), inputs or [], slot, as_json)
    elif action == "pause":
        _pause(session, None if every else workflow or _only(store, action), as_json)
    elif action == "backfill":
        name = workflow or _only(store, action)
        _backfill(session, name, inputs or [], since, until, dry_run, as_json)
    else:
        _resume(session, None if every else workflow or _only(store, action), as_json)


def _list(session: Session, workflow: str | None, as_json: bool) -> None:
    store = session.store
    from ork.daemon import queue
    from ork.daemon.fires import NOBODY_FIRES, holder, is_up, listed
    from ork.schedule.words import in_words

    damage: list[Corrupt] = []
    found = listed(store, _lines(session, workflow), session.now(), damage)
    waiting = queue.with_reasons(store, queue.waiting(store, damage, workflow=workflow))
    up = is_up(store)
    if as_json:
        rows = [{"words": in_words(one.schedule), **as_object(one)} for one in found]
        whose = {"up": up, "holder": holder(store)}
        session.print_json("schedules", {"schedules": rows, "waiting": waiting, **whose})
    else:
        session.print(_schedules(found, session, up), page=True)
        session.print(waiting_view(waiting, session))
    if damage:
        raise damage[0]
    if as_json:
        return
    if not found:
        session.say(_unscheduled(workflow))
    if one := holder(store):
        since = human.date(one.since, session.now())
        # The store knows one of those that work on it; where it lies elsewhere it is for several.
        others = "; others may work beside it" if store.shared else ""
        session.say([f"`ork up` is process {one.pid} on {one.host}, since {since}{others}"])
    elif (found or waiting) and up is False:
        session.say(note_line(NOBODY_FIRES))


def _unscheduled(workflow: str | None) -> Line:
    who = f"{workflow} has no schedule" if workflow else "no schedules"
    return [f"{who}: `schedule:` in {'its' if workflow else 'a workflow'} file makes one"]


def _schedules(found: Iterable["Listed"], session: Session, up: bool | None) -> Iterator[Line]:
    from ork.schedule.words import in_words, policies

    now, room, found = session.now(), name_room(session.width), list(found)
    names = clipped((one.workflow for one in found), room)
    for one in found:
        yield [(names[one.workflow], "name"), "  ", in_words(one.schedule)]
        if rest := policies(one.schedule):
            yield [f"{'':9}{rest}"]
        if one.damaged:
            yield [("  damaged ", "label"), (one.damaged, "damaged"), ": nothing is fired"]
        elif one.paused:
            by = person(one.paused.author, AUTHOR_CHARS_MAX)
            when = human.near(one.paused.since, now)
            yield [("  paused ", "label"), (f"by {by}, {when}", "warning")]
        elif one.archived:
            yield [("  archived", "label")]
        elif one.held_by:
            goes = f"`ork retry {one.held_by}` or `ork schedule resume {one.workflow}`"
            yield [("  held   ", "label"), (f"by {one.held_by}", "warning"), f": {goes}"]
        elif one.next:
            yield [
                ("  next   ", "label"),
                f"{human.date(one.next, now)}, {human.near(one.next, now)}",
            ]
        if one.ahead:
            told = (f"decided up to {human.date(one.ahead, now)}, by a clock that was", "warning")
            goes = f": `ork schedule resume {one.workflow}` begins anew"
            yield [("  ahead  ", "label"), told, goes]
        if one.due:
            told = (f"since {human.date(one.due, now)}, {human.near(one.due, now)}", "warning")
            known = one.waits_for or one.held_by or up is False  # told in another way
            why = "" if known else f": {one.reason}"
            yield [("  due    ", "label"), told, *waits_for(one.waits_for), why]
        if last := one.last:
            yield [
                ("  last   ", "label"),
                f"{human.date(last.slot, now)}  ",
                (clip(last.name, room), "name"),
                "  ",
                (last.state, last.state),
            ]
        if again := one.retry:
            when = f"{human.date(again.time, now)}, {human.near(again.time, now)}"
            number = f" ({again.number} of {again.retries})"
            yield [("  retry  ", "label"), f"{when}, of ", (clip(again.run, room), "name"), number]
        if one.left_out:
            count = sum(skip.count for skip in one.left_out)
            reasons = sorted({skip.reason for skip in one.left_out})
            yield [
                ("  skips  ", "label"),
                f"{human.count(count, 'slot')} left out in the last week: {reasons[0]}",
                " and other reasons" if len(reasons) > 1 else "",
            ]


def _there(schedule: "Schedule", now: datetime, width: int | None, slot: datetime) -> str:
    """Return what clocks show there whose zone a schedule goes by, if they differ from those here.

    An interval goes by no clock, and a narrow terminal has no room for it.
    """
    from ork.schedule.times import zone

    there = slot.astimezone(zone(schedule.timezone))
    if (
        is_narrow(width)
        or schedule.cron is None
        or there.utcoffset() == slot.astimezone(now.tzinfo).utcoffset()
    ):
        return ""
    return f"  ({there:%H:%M} {schedule.timezone})"


def _next(
    session: Session,
    workflow: str | None,
    limit: int | None,
    since: str | None,
    until: str | None,
    as_json: bool,
) -> None:
    from ork.daemon.fires import NOBODY_FIRES, is_up, listed
    from ork.schedule.times import slots

    now = session.now()
    begin, end = parse_span(since or "now", until, now)
    assert begin is not None
    most = limit if limit is not None else NEXT if end is None else SLOTS_MAX

    def of(one: "Listed", first: datetime) -> Iterator[tuple[datetime, str, str]]:
        # A slot at that very moment is one of them.
        coming = slots(one.schedule, max(begin, first) - timedelta(microseconds=1))
        there = partial(_there, one.schedule, now, session.width)
        its = takewhile(lambda slot: end is None or slot < end, coming)
        return ((slot, one.workflow, there(slot)) for slot in its)

    def row(one: tuple[datetime, str, str]) -> Row:
        slot, name, there = one
        near = human.padded_near(slot, now, session.width)
        cells = [(human.date(slot, now), ""), (near, ""), (name, "name")]
        return cells, [there] if there else [], ""

    damage: list[Corrupt] = []
    every = listed(session.store, _lines(session, workflow), now, damage)
    found = list(islice(merge(*(of(one, one.next) for one in every if one.next)), most + 1))
    found, more = found[:most], found[most:]
    up = is_up(session.store)
    paused = {one.workflow: one.paused for one in every if one.paused}
    held = [(one.workflow, one.held_by) for one in every if one.held_by]
    if as_json:
        document = {
            "slots": [{"workflow": name, "slot": slot} for slot, name, _ in found],
            "paused": list(paused.values()),
            "held": [{"workflow": name, "held_by": run} for name, run in held],
            "up": up,
        }
        session.print_json("slots", document)
    else:
        session.print(aligned(map(row, found), session.width))
    if damage:
        raise damage[0]
    if as_json:
        return
    if not every:
        session.say(_unscheduled(workflow))
    elif not found and most and end is not None and len(paused) + len(held) < len(every):
        session.say([f"no slot before {human.date(end, now)}"])
    if begin < now:
        told = "`ork runs` and `ork schedule skips` tell what became of slots before now"
        session.say(note_line(told))
    if more and limit is None and end is not None:
        session.say(note_line(f"more come before {human.date(end, now)}: `-n` says how many"))
    if paused:
        are = "is" if len(paused) == 1 else "are"
        session.say(note_line(f"{some(paused, NAMES_MAX)} {are} paused, and not fired"))
    for name, run in held:
        session.say(note_line(f"{name} is held back by {run}, and not fired"))
    if every and up is False:
        session.say(note_line(NOBODY_FIRES))


def _skips(session: Session, workflow: str | None, limit: int | None, as_json: bool) -> None:
    from ork.daemon.lines import skipped

    store = session.store
    every = {*store.folders("skips/"), *(name for name, _ in store.refs("workflows/"))}
    names = [workflow] if workflow else sorted(every)
    found = skipped(store, *names)[:limit]
    if as_json:
        session.print_json("skips", found)
        return
    now = session.now()
    session.print(aligned((_row(one, now) for one in found), session.width), page=True)
    if not found:
        session.say(["no slot was left out"])


def _late(
    session: Session, workflow: str | None, since: str | None, grace: float, as_json: bool
) -> None:
    """Tell of slots that have no run; that there are any is the exit code 1."""
    from ork.daemon.fires import late

    now = session.now()
    damage: list[Corrupt] = []
    found = late(
        session.store,
        _lines(session, workflow),
        now,
        grace=timedelta(seconds=grace),
        since=parse_moment(since or LATELY, now),
        damage=damage,
    )
    if as_json:
        session.print_json("late", found)
    else:
        rows = (_row(one, now, ("left out" if one.left_out else "due", "label")) for one in found)
        session.print(aligned(rows, session.width), page=True)
    if damage:
        raise damage[0]
    if found:
        raise typer.Exit(1)
    if not as_json and sys.stdout.isatty():  # a line of cron mails what is said
        session.say(["no slot is late"])


def _row(one: "Late | LeftOut", now: datetime, *how: tuple[str, str]) -> Row:
    """Return the last of some slots that have no run, and why; of several how many, and the first.

    Between them stands what is to be said of how they were missed.
    """
    told = one.reason
    if one.count > 1:
        told += f"  {human.count(one.count, 'slot')}, from {human.date(one.first, now)}"
    return [(human.date(one.last, now), ""), (one.workflow, "name"), *how], [], told


def _pause(session: Session, workflow: str | None, as_json: bool) -> None:
    from ork.daemon.pauses import pause, pause_all

    stamp = session.stamp()
    if workflow is None:
        every = pause_all(session.store, stamp=stamp)
    else:
        every = [pause(session.store, workflow, stamp=stamp)]
    if as_json and workflow:
        session.print_json("paused", every[0])
        return
    if as_json:
        session.print_json("paused-list", every)
        return
    new = [one for one in every if one.since == stamp.time]
    session.print(([(one.workflow, "name"), " is paused"] for one in new), page=True)
    if not every:
        session.say(note_line("all are paused already"))
    for one in every if not new else ():
        by = f"by {person(one.author, AUTHOR_CHARS_MAX)}, {human.near(one.since, session.now())}"
        session.say(note_line(f"{one.workflow} is paused already, {by}"))
    if workflow is None:
        session.say(note_line("a workflow that is deployed from now on fires"))
    undo = ", or `ork undo`" if new else ""
    session.say(next_line(f"`ork schedule resume {workflow or '--all'}`{undo}"))


def _resume(session: Session, workflow: str | None, as_json: bool) -> None:
    from ork.daemon.pauses import resume, resume_all

    if workflow is None:
        every = resume_all(session.store, stamp=session.stamp(), now=session.now())
    else:
        every = [resume(session.store, workflow, stamp=session.stamp(), now=session.now())]
    if as_json and workflow:
        session.print_json("resumed", every[0])
        return
    if as_json:
        session.print_json("resumed-list", every)
        return
    done = [one for one in every if not one.already]
    session.print(
        (
            [
                (one.workflow, "name"),
                " goes on",
                f": {human.count(one.left_out, 'slot')} left out" if one.left_out else "",
            ]
            for one in done
        ),
        page=True,
    )
    if not done:
        session.say(note_line(f"{workflow} is not paused" if workflow else "nothing is paused"))
    for one in every:
        if one.held_by:
            goes = f"`ork schedule resume {one.workflow}`, once more, lets it go on"
            session.say(note_line(f"held back by {', '.join(one.held_by)}: {goes}"))
    session.say(next_line(f"`ork schedule next{f' {workflow}' if workflow else ''}`"))


def _fire(
    session: Session, workflow: str, inputs: list[str], slot: str | None, as_json: bool
) -> None:
    from ork.daemon.fires import fire_now

    caller = shared.caller_of(session)
    given = shared.parse_given(inputs)
    queued = fire_now(session.store, workflow, caller, given=given, slot=slot)
    tell_queued(session, queued, as_json)


def _backfill(
    session: Session,
    workflow: str,
    inputs: list[str],
    since: str | None,
    until: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    from ork.daemon.fires import backfill

    now = session.now()
    if since is None:
        hint = f"as in `ork schedule backfill {workflow} --since '7 days ago'`"
        raise UsageError("from which slot on? --since is missing", hint=hint)
    begin, end = parse_span(since, until or None, now)
    assert begin is not None
    done = backfill(
        session.store,
        workflow,
        shared.caller_of(session),
        since=begin,
        until=end or now,
        given=shared.parse_given(inputs),
        dry_run=dry_run,
    )
    if as_json:
        session.print_json("backfill", done)
        return
    known = f"{human.count(done.known, 'slot')} {'has' if done.known == 1 else 'have'} one already"
    slots = [one.entry.scheduled for one in done.queued if one.entry.scheduled]
    if not slots:
        session.print([[(workflow, "name"), ": put no run into the queue; ", known]])
        return
    words = f": {'would ' if dry_run else ''}put {human.count(len(slots), 'run')} into the queue"
    first, last = (human.date(slot, now) for slot in (slots[0], slots[-1]))
    words += (
        f", for the slot of {first}" if len(slots) == 1 else f", for slots from {first} to {last}"
    )
    told: Line = [(workflow, "name"), words, f"; {known}" if done.known else ""]
    each = ([f"  {human.date(slot, now)}"] for slot in slots) if dry_run and slots[1:] else ()
    session.print([told, *each], page=True)
    if dry_run:
        session.say(note_line("this was a dry run: nothing was written"))
    else:
        session.say(next_line("`ork up` runs them one after the other"))


def _lines(session: Session, workflow: str | None) -> list["OneLine"]:
    """Return the schedules of one workflow, or of all; say which cannot be read."""
    from ork.daemon.lines import Lines, lines_of

    if workflow is not None:
        head(session.store, workflow)
        return lines_of(session.store, workflow)
    every = Lines(session.store)
    found = every.look()
    for name, error in every.wrong.items():
        session.say(note_line(f"{name}: {error.message}"))
    return found


def _only(store: Store, action: str) -> str:
    """Return the only workflow that has a schedule."""
    from ork.daemon.lines import Lines

    names = sorted({line.workflow for line in Lines(store).look()})
    if len(names) == 1:
        return names[0]
    if not names:
        raise NotFound("no workflow has a schedule", hint="`schedule:` in its file gives it one")
    every = "; --all means all of them" if action in ("pause", "resume") else ""
    these = f"these have schedules: {', '.join(names[:10])}{every}"
    raise UsageError("which workflow?", hint=these)
