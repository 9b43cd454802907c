"""Fires: what is due, and the run that is begun for a slot, exactly once.

The write that pins the run also creates `fires/WORKFLOW/SLOT`, moves on what is decided, and
compares the head and that nobody has paused or archived it. So of several processes one fires, and
one that is killed has fired, or has not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from functools import cache, partial
from itertools import islice, takewhile
from typing import TypeVar

from ork.backends.base import Lease
from ork.daemon import lines, queue
from ork.daemon.lines import LeftOut, Line, Lines, fire_ref, key_of_refs, skipped_of
from ork.daemon.pauses import Paused, all_paused, paused_ref
from ork.daemon.queue import Queued
from ork.errors import Conflict, Corrupt, OrkError, UsageError, count
from ork.failpoints import failpoint
from ork.heads.decisions import Decided, decided, decided_ref, schedules_now
from ork.heads.deploy import refuse_archived
from ork.heads.workflows import WorkflowEntry
from ork.history.details import ComingRetry, RunDetails
from ork.objects.canonical import Json, Oid
from ork.objects.kinds import Deploy, Run, to_json
from ork.objects.value import Value, extended, of_line, replace
from ork.runner import record, start
from ork.runner.events import Event
from ork.runner.start import Caller, Options, Started
from ork.schedule import times
from ork.schedule.policy import (
    LATE_MAX,
    Decision,
    Going,
    Skip,
    decide,
    first_undecided,
    is_left_out,
    undecided,
)
from ork.schedule.schedule import Schedule, schedules_of, slot_name
from ork.schedule.slot_values import values_at
from ork.schedule.times import slots, zone
from ork.store.contents import find_run, newest_params, run_command
from ork.store.resolve import archived, archived_ref, head, resolve
from ork.store.revision import parse_moment
from ork.store.runs import END_LOST, Names, all_going_on
from ork.store.store import Store, Transaction
from ork.worktree.origin import host

RACES_MAX = 100  # lost one after the other
LATELY = timedelta(days=7)
BACKFILL_MAX = 1000  # runs of one command
RETRIED = ("failed", "interrupted")  # states of runs that a schedule tries again
UNKNOWN = (record.COPIED, END_LOST)  # why a run was interrupted that may have succeeded
UP = "up"  # the lease that one of those holds who fire
UP_REF = "up/now"  # who that is
LATE = timedelta(seconds=5)  # for which a slot may be due without a mark in lists
AHEAD = timedelta(minutes=1)  # that the clocks of machines may differ without a word
_MOMENT = timedelta(microseconds=1)
_NEAR = timedelta(days=366)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
T = TypeVar("T")
NOBODY_FIRES = "nothing is fired: no `ork up` works here now"


class State(Value, frozen=True, kw_only=True):
    """What a decision about a line depends on, and the newest run that was started for it."""

    last: datetime
    out: tuple[Skip, ...]  # later slots that were left out already
    behind: tuple[Skip, ...]  # earlier ones that are left out, as it had other times then
    going: Going | None
    halted: bool  # paused or archived
    run: Run | None


class Due(Value, frozen=True, kw_only=True):
    """A line, its state, and what is to be done now; None while it is paused or archived.

    `ahead` is up to where slots still to come are decided, by a clock that was ahead.
    """

    line: Line
    state: State
    decision: Decision | None
    ahead: datetime | None


class Fired(Value, frozen=True, kw_only=True):
    """The newest slot of a schedule that has a run, and that run."""

    slot: datetime
    name: str
    state: str
    created: datetime
    ended: datetime | None


class Listed(Value, frozen=True, kw_only=True):
    """A schedule, how it stands, and what was left out of its workflow lately, newest first.

    `due` is the first slot that has come and is not decided yet, and `reason` why: nobody fires,
    the failure of a run holds it back, runs go on that it `waits_for`, by its `overlap` or as no
    more may, or all places are taken. `ahead` is up to where slots are decided by a clock that was
    ahead. Where something is lost that it goes by, `damaged` says what: nothing of it is fired
    then, and nothing else is known.
    """

    workflow: str
    schedule: Schedule
    next: datetime | None = None  # while it is neither paused, held back, archived nor damaged
    due: datetime | None = None
    reason: str | None = None
    waits_for: tuple[str, ...] = ()
    ahead: datetime | None = None
    last: Fired | None = None
    retry: ComingRetry | None = None  # by `ork up`, unless a newer run is started before
    held_by: str | None = None  # the run that did not succeed, with `after_failure: hold`
    paused: Paused | None
    archived: bool
    left_out: tuple[LeftOut, ...] = ()
    damaged: str | None = None

    def cells(self) -> dict[str, object]:
        told = (("damaged", self.damaged), ("paused", self.paused), ("held", self.held_by))
        halted = next((word for word, holds in told if holds), None)
        return {
            "workflow": self.workflow,
            "next": halted or self.next,
            "last": self.last and self.last.state,
        }


class Late(Value, frozen=True, kw_only=True):
    """Slots that have no run, one after the other, and why.

    They are `left_out`, or due still: nobody has decided about them.
    """

    workflow: str
    key: str  # what stands for the parameters of the schedule; empty without any
    left_out: bool
    count: int
    first: datetime
    last: datetime
    reason: str

    def cells(self) -> dict[str, object]:
        how = "left out" if self.left_out else "due"
        return {"workflow": self.workflow, "slot": self.last, how: self.reason}


class Holder(Value, frozen=True, kw_only=True):
    """The process of the `ork up` that fires, since when it works, and how many runs at once."""

    host: str
    pid: int
    since: datetime
    jobs: int | None = None


class Backfill(Value, frozen=True, kw_only=True):
    """The runs that wait now for slots of the past, and how many slots had a run, or one waits."""

    queued: tuple[Queued, ...]
    known: int

    def cells(self) -> dict[str, object]:
        known = f"{self.known} had one" if self.known else None
        return {"queued": f"{count(len(self.queued), 'run')} to wait", "known": known}


class _HeadMoved(Conflict):
    """The head that was to be run is not the newest any more."""


def states(store: Store, some: Sequence[Line]) -> Iterator[State]:
    """Yield up to where all is decided of each line, and its newest run; all looked up together."""
    pairs = lines.with_decided(store, some)
    halting = store.refs_at(ref for line in some for ref in _halting(line.workflow))
    wanted = [(line.workflow, line.schedule, known) for line, known in pairs]
    fired = lines.newest_runs(store, wanted)
    # What retried runs were before tells when the retry began: it is at hand then.
    store.get_all(Run, {run.id: run.previous for run in fired if run and run.previous})
    for (line, known), run in zip(pairs, fired, strict=True):
        yield State(
            last=lines.decided_until(line, known),
            out=lines.out_of(known),
            behind=lines.left_behind(line, known),
            going=lines.going(store, line, known, run) if run else None,
            halted=not halting.keys().isdisjoint(_halting(line.workflow)),
            run=run,
        )


def due(store: Store, some: Sequence[Line], now: datetime) -> Iterator[Due]:
    """Yield what is to be done now of each line."""
    for line, its in zip(some, states(store, some), strict=True):
        decision = None
        if not its.halted:
            decision = decide(line.schedule, last=its.last, now=now, going=its.going, out=its.out)
            decision = replace(decision, skips=(*its.behind, *decision.skips))
        is_ahead = its.last > max(line.since, now + AHEAD)
        yield Due(line=line, state=its, decision=decision, ahead=its.last if is_ahead else None)


def listed(
    store: Store, some: Sequence[Line], now: datetime, damage: list[Corrupt] | None = None
) -> list[Listed]:
    """Return how schedules stand, sorted by workflow; Corrupt for what is lost goes to `damage`."""
    pauses, put_away = all_paused(store), archived(store)

    def lost(line: Line, error: Corrupt) -> list[Listed]:
        if damage is not None:
            damage.append(_damaged(line, error))
        return [
            Listed(
                workflow=line.workflow,
                schedule=line.schedule,
                paused=pauses.get(line.workflow),
                archived=line.workflow in put_away,
                damaged=error.message,
            )
        ]

    found = _as_left(lambda some: _listed(store, some, now, pauses, put_away), some, lost)
    return sorted(found, key=lambda one: one.workflow)


def _as_left(
    look: Callable[[Sequence[Line]], list[T]],
    some: Sequence[Line],
    lost: Callable[[Line, Corrupt], list[T]],
) -> list[T]:
    """Return what is seen of lines, looked at together, and of a damaged one what `lost` says."""
    try:
        return look(some)
    except Corrupt as error:
        if len(some) == 1:
            return lost(some[0], error)
        return [one for line in some for one in _as_left(look, [line], lost)]


def _damaged(line: Line, error: Corrupt) -> Corrupt:
    return Corrupt(f"{line.workflow} is damaged: {error.message}", hint=error.hint)


def _listed(
    store: Store,
    some: Sequence[Line],
    now: datetime,
    pauses: Mapping[str, Paused],
    put_away: Collection[str],
) -> list[Listed]:
    found, otherwise = [], cache(partial(_not_come, store))
    every = list(due(store, some, now))
    skips = skipped_of(store, [line.workflow for line in some], some, since=now - LATELY)
    newest = lines.newest_runs(store, [(line.workflow, line.schedule, None) for line in some])
    for one, latest in zip(every, newest, strict=True):
        line, run, decision = one.line, one.state.run, one.decision
        held = run if run and decision and one.state.going and one.state.going.holds else None
        others = _others(store, line.workflow) if decision and decision.fire else ()
        if before := goes_before(one, now):
            others = (before.name,)
        is_due = bool(held or others or (decision and decision.decided))
        last, first = None, first_due(line, one.state, now) if is_due else None
        if (latest := latest or run) and latest.scheduled is not None:
            last = Fired(
                slot=latest.scheduled,
                name=latest.name,
                state=latest.state,
                created=latest.created,
                ended=latest.ended,
            )
        found.append(
            Listed(
                workflow=line.workflow,
                schedule=line.schedule,
                next=decision.wake if decision and not held else None,
                due=first,
                reason=_why_due(one, others, otherwise) if first else None,
                ahead=one.ahead,
                waits_for=others,
                last=last,
                retry=coming_retry(line.schedule, run, now) if run and decision else None,
                held_by=held.name if held else None,
                paused=pauses.get(line.workflow),
                archived=line.workflow in put_away,
                left_out=tuple(
                    skip for skip in skips[line.workflow] if skip.key == key_of_refs(line.schedule)
                ),
            )
        )
    return found


def with_due(store: Store, entries: Sequence[WorkflowEntry], now: datetime) -> list[WorkflowEntry]:
    """Return workflows of a list with what is due of them, held back, or decided ahead."""
    found: dict[str, list[Listed]] = {}
    some = Lines(store, only={one.workflow for one in entries if one.next}).look()
    for one in listed(store, some, now) if some else ():
        found.setdefault(one.workflow, []).append(one)

    def of(entry: WorkflowEntry) -> WorkflowEntry:
        its = found.get(entry.workflow, ())
        return replace(
            entry,
            next=None if any(one.damaged for one in its) else entry.next,
            due=min((one.due for one in its if one.due), default=None),
            held_by=next((one.held_by for one in its if one.held_by), None),
            ahead=max((one.ahead for one in its if one.ahead), default=None),
        )

    return [of(entry) for entry in entries]


def late(
    store: Store,
    some: Sequence[Line],
    now: datetime,
    *,
    grace: timedelta,
    since: datetime,
    damage: list[Corrupt] | None = None,
) -> list[Late]:
    """Return the slots without a run, newest first: due longer than `grace`, or left out `since`.

    What is paused is meant to be so; what went by is told when it is resumed. Corrupt for a line
    that goes by what is lost is raised, or added to `damage`.
    """

    def lost(line: Line, error: Corrupt) -> list[Due]:
        if damage is None:
            raise error
        damage.append(_damaged(line, error))
        return []

    found, otherwise = list[Late](), cache(partial(_not_come, store))
    every = _as_left(lambda some: list(due(store, some, now)), some, lost)
    for one in every:
        line, its = one.line, one.state
        first = first_due(line, its, now)
        if its.halted or first is None or now - first < grace:
            continue
        waiting = list(undecided(line.schedule, its.last, now, its.out))
        found.append(
            Late(
                workflow=line.workflow,
                key=key_of_refs(line.schedule),
                left_out=False,
                count=sum(times.count(line.schedule, *one) for one in waiting),
                first=first,
                last=times.newest(line.schedule, *waiting[-1]) or first,
                reason=_why_due(one, _others(store, line.workflow), otherwise),
            )
        )
    for skips in skipped_of(store, [line.workflow for line in some], some, since=since).values():
        found += [extended(Late, skip, left_out=True) for skip in skips]
    return sorted(found, key=lambda one: (one.last, one.workflow), reverse=True)


def _why_due(one: Due, others: Sequence[str], otherwise: Callable[[], str]) -> str:
    """Return why nobody has fired what is due, or left it out."""
    going = one.state.going
    if going is not None and going.holds:
        return f"held back by {going.name}"
    if going is not None and going.ended is None:
        return f"{going.name} goes on"
    return f"waits for {', '.join(others)}" if others else otherwise()


def _others(store: Store, workflow: str) -> tuple[str, ...]:
    """Return the runs that must end before another of the workflow may begin."""
    return queue.waits_for(store, workflow, store.ref(f"workflows/{workflow}"))


def _not_come(store: Store) -> str:
    """Return why nobody has come to what is due, where no run is the reason."""
    if is_up(store) is False:
        return "no `ork up` works here"
    its, begun = holder(store), ("schedule", "queue", "retry")
    if its is not None and its.jobs is not None:
        # As far as they tell: a person may have retried one there as well.
        alike = (run.host == its.host and run.trigger in begun for run in all_going_on(store))
        if sum(alike) >= its.jobs:
            return places(its.jobs, "is", "are")
    if its is None:
        return "no `ork up` has come to it"
    who = f"process {its.pid} on {its.host}"
    return f"`ork up`, {who}, has not come to it: if that stays so, what it prints says why"


def places(jobs: int, one: str, many: str) -> str:
    """Say that all places of an `ork up` are taken, or were."""
    return f"the only place {one} taken" if jobs == 1 else f"all {jobs} places {many} taken"


def first_due(line: Line, its: State, now: datetime) -> datetime | None:
    """Return the first slot that nobody has decided about, if it has come."""
    first = first_undecided(line.schedule, its.last, its.out)
    return first if first <= now else None


def goes_before(one: Due, now: datetime) -> Going | None:
    """Return the run of a schedule for whose end a slot waits that is not left out then."""
    going, schedule = one.state.going, one.line.schedule
    if one.decision is None or one.decision.fire or going is None or going.ended is not None:
        return None
    first = first_due(one.line, one.state, now)
    return going if first and not is_left_out(schedule, going, first) else None


def is_up(store: Store) -> bool | None:
    """Say whether anybody fires: an `ork up` works on this store. None where nobody can tell."""
    try:
        lease = store.backend.lease(UP)
    except OrkError:  # it is open for reading only, or has no leases
        return None
    if lease is not None:
        lease.release()
    return lease is None


def hold(store: Store, since: datetime, jobs: int) -> Lease | None:
    """Take the lease of who fires, and tell who that is, and since when it works.

    None when another process has it.
    """
    lease = store.backend.lease(UP)
    if lease is not None:
        try:
            with store.transaction() as tx:
                me = Holder(host=host(), pid=os.getpid(), since=since, jobs=jobs)
                tx.move(UP_REF, old=store.ref(UP_REF), new=tx.add_value(to_json(me)))
        except BaseException:
            lease.release()
            raise
    return lease


def let_go(store: Store, lease: Lease) -> None:
    """Release that lease; who had it is forgotten."""
    with suppress(OrkError), store.transaction() as tx:
        tx.move(UP_REF, old=store.ref(UP_REF), new=None)
    lease.release()


def holder(store: Store) -> Holder | None:
    """Return which `ork up` fires; None where none does, or nobody can tell."""
    oid = store.ref(UP_REF)
    if oid is None or not is_up(store):
        return None
    try:
        found: Holder = of_line(store.blob(oid), Holder)
    except (ValueError, OrkError):
        return None
    return found


def coming_retry(schedule: Schedule, run: Run, now: datetime) -> ComingRetry | None:
    """Return when the newest run of a schedule is to be retried; None if it is not."""
    if run.ended is None or run.state not in RETRIED or run.attempt > schedule.retries:
        return None
    time = run.ended + timedelta(seconds=schedule.retry_delay_s)
    if run.reason in UNKNOWN or now - time >= LATE_MAX["latest"]:
        return None
    return ComingRetry(run=run.name, time=time, number=run.attempt, retries=schedule.retries)


def coming_retry_of(store: Store, run: Run, now: datetime) -> ComingRetry | None:
    """Return when a run is to be retried by its schedule; None if it is not, or that is paused."""
    if run.scheduled is None or run.state not in RETRIED:
        return None
    with suppress(OrkError):  # a schedule that cannot be read is told of elsewhere
        schedule = schedule_of(store, run)
        if schedule and store.ref(paused_ref(Names(store).of(run))) is None:
            return coming_retry(schedule, run, now)
    return None


def with_retry(store: Store, details: RunDetails, now: datetime) -> RunDetails:
    """Return a run with when its schedule is to retry it."""
    return replace(details, retry=coming_retry_of(store, details.run, now))


def retries_of(store: Store, run: Run) -> int:
    """Return how often a run is tried again that fails: as its schedule says, if it has one."""
    schedule = schedule_of(store, run)
    return schedule.retries if schedule else 0


def retried(store: Store, what: str, options: Options, *, now: datetime) -> Options:
    """Return the options to retry a run with: where they have no timeout, that of its schedule."""
    if options.timeout_s is not None:
        return options
    _, run = find_run(store, resolve(store, what, now=now))
    schedule = schedule_of(store, run)
    return replace(options, timeout_s=schedule.timeout_s) if schedule else options


def schedule_of(store: Store, run: Run) -> Schedule | None:
    """Return the schedule of which this is the newest run.

    None for a run after which another was started, and for one that no schedule has any more.
    """
    workflow = Names(store).of(run)
    if run.scheduled is None or store.ref(archived_ref(workflow)):
        return None
    for schedule in schedules_now(store, workflow):
        known = decided(store, decided_ref(workflow, schedule))
        (its,) = lines.newest_runs(store, [(workflow, schedule, known)])
        if its is not None and its.id == run.id:
            return schedule
    return None


def fire(
    store: Store, workflow: str, schedule: Schedule, decision: Decision, caller: Caller
) -> Started:
    """Prepare the run that a decision is for: of the head as it is when its first event comes.

    That event is a Conflict when the slot is not to be fired any more: another process has, or the
    schedule was paused or taken away. Its skips are recorded in the same write.
    """
    assert decision.fire is not None
    return Started(_events(store, (workflow, schedule), decision.fire, decision.skips, caller))


def leave_out(store: Store, workflow: str, schedule: Schedule, skips: Iterable[Skip]) -> None:
    """Record that slots are left out; raise Conflict when another process was faster to decide."""
    line, some = (workflow, schedule), sorted(skips, key=lambda skip: skip.first)
    with store.transaction() as tx:
        before = _undecided(store, line, some[0].first)
        lines.move_on(tx, line, before, max(skip.last for skip in some), skips=some)


def made_up(
    store: Store, workflow: str, slot: str | date, *, now: datetime
) -> tuple[Schedule, datetime, str]:
    """Return whose slot this is, and its ref; raise UsageError unless it can be made up for.

    What has no zone is read by the clock of `now` or, where that makes no slot of it, by the one of
    a schedule.
    """
    head(store, workflow)
    moment = parse_moment(slot, now)
    found = [line.schedule for line in lines.lines_of(store, workflow)]
    zones = [(one, zone(part.timezone)) for one in found for part in one.parts]
    read = [(one, moment) for one in found]
    read += [(one, parse_moment(slot, now.astimezone(there))) for one, there in zones]
    past = ((one, at) for one, at in read if _EPOCH < at <= now)
    its = next((it for it in past if next(slots(it[0], it[1] - _MOMENT), None) == it[1]), None)
    if its is None:
        if moment > now:
            raise UsageError(f"the slot {moment:%Y-%m-%d %H:%M:%S %Z} is still to come")
        told = "`ork schedule list` tells which were left out; without --slot it is fired as of now"
        raise UsageError(
            f"{moment:%Y-%m-%d %H:%M:%S %Z} is no slot of {workflow}",
            hint="; ".join(filter(None, [_nearest(found, moment, now), told])),
        )
    schedule, at = its
    ref = fire_ref(workflow, schedule, at)
    for pin in lines.fired(store, workflow, [ref]).values():
        name = store.get(Run, pin).name
        raise UsageError(
            f"{name} was started for that slot", hint=f"`ork run {name}` runs the same again"
        )
    if waits := next((one for one in queue.waiting(store) if one.entry.fire == ref), None):
        raise UsageError(
            f"{waits.id} waits in the queue for that slot",
            hint=f"`ork up` begins it, `ork cancel {waits.id}` takes it back",
        )
    return schedule, at, ref


def _nearest(found: Iterable[Schedule], moment: datetime, now: datetime) -> str:
    """Return which slots of the past come before and after a moment, by the clocks of their zones.

    They are told so that they can be given as they stand there.
    """
    moment = max(moment, _EPOCH)
    parts = [part for one in found for part in one.parts]
    before = ((times.newest(part, moment - _NEAR, moment), part) for part in parts)
    after = ((next(slots(part, moment), None), part) for part in parts)
    near = [
        max(((at, part) for at, part in before if at), key=lambda one: one[0], default=None),
        min(((at, part) for at, part in after if at), key=lambda one: one[0], default=None),
    ]
    told = [
        f"{at.astimezone(zone(part.timezone)):%Y-%m-%d %H:%M:%S %z} ({part.timezone})"
        for at, part in filter(None, near)
        if at <= now
    ]
    if not told:
        return ""
    return f"{' and '.join(told)} {'is' if len(told) == 1 else 'are'} nearest"


def fire_now(
    store: Store,
    workflow: str,
    caller: Caller,
    *,
    given: Mapping[str, object] = {},
    slot: str | date | None = None,
) -> Queued:
    """Put a run into the queue as if a schedule of the workflow were due, or for a missed slot.

    It has the parameters of the schedule, and those that are given. Where there are several, and no
    slot says which, all that they give has to be given: it is a run of none of them.
    """
    newest, ref = head(store, workflow), None
    refuse_archived(store, workflow)
    scheduled = caller.now.replace(microsecond=0)
    found = [line.schedule for line in lines.lines_of(store, workflow)]
    if not found:
        run = run_command(f"--queue {workflow}", newest_params(store, workflow))
        raise UsageError(f"{workflow} has no schedule", hint=f"`{run}` runs it all the same")
    if slot is not None:
        schedule, scheduled, ref = made_up(store, workflow, slot, now=caller.now)
        found = [schedule]
    values = _given(store, newest, found[0], scheduled) if len(found) == 1 else {}
    if missing := sorted({name for one in found for name in one.params} - {*given, *values}):
        told = " ".join(f"-i {name}=VALUE" for name in missing)
        raise UsageError(
            f"{workflow} has {len(found)} schedules, each with other parameters: which is meant?",
            hint=f"say {told}, or --slot TIME of one that is to be made up for",
        )
    timeout_s = found[0].timeout_s if len(found) == 1 else None
    options = Options(given=given, values=values, timeout_s=timeout_s)
    caller = replace(caller, scheduled=scheduled)
    return queue.put(store, newest, options=options, caller=caller, fire=ref)


def backfill(
    store: Store,
    workflow: str,
    caller: Caller,
    *,
    since: datetime,
    until: datetime,
    given: Mapping[str, object] = {},
    dry_run: bool = False,
) -> Backfill:
    """Put a run into the queue for each slot that has none: from one moment on, before another.

    What is still to come is left alone. `ork up` runs them one after the other, oldest first. With
    `dry_run` they are only returned.
    Raise UsageError where there is no slot, or more than BACKFILL_MAX.
    """
    newest, end = head(store, workflow), min(until, caller.now)
    refuse_archived(store, workflow)
    if since >= end:
        raise UsageError(
            f"the time to make up for ends at {end:%Y-%m-%d %H:%M %Z}, before it begins",
            hint="give a --since before --until, and before now",
        )
    if not (its := list(lines.lines_of(store, workflow))):
        hint = f"`ork run --queue {workflow} -i NAME=VALUE`, once for each"
        raise UsageError(f"{workflow} has no schedule", hint=hint)
    found = [
        (slot, number, line.schedule)
        for number, line in enumerate(its)
        for slot in islice(
            takewhile(lambda slot: slot < end, slots(line.schedule, since - _MOMENT)),
            BACKFILL_MAX + 1,
        )
    ]
    if not found:
        raise UsageError(
            f"{workflow} was not due from {since:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M %Z}",
            hint=_nearest([line.schedule for line in its], since, caller.now) or None,
        )
    if len(found) > BACKFILL_MAX:
        raise UsageError(f"there are more than {BACKFILL_MAX} slots", hint="choose a shorter time")
    known = {*lines.fired(store, workflow, [fire_ref(workflow, it, slot) for slot, _, it in found])}
    known |= {one.entry.fire for one in queue.waiting(store) if one.entry.fire}
    queued: list[Queued] = []
    for slot, _, schedule in sorted(found, key=lambda one: one[:2]):
        if (ref := fire_ref(workflow, schedule, slot)) not in known:
            values = _given(store, newest, schedule, slot)
            options = Options(given=given, values=values, timeout_s=schedule.timeout_s)
            # The times at which they were put there give their order.
            at = replace(caller, scheduled=slot, now=caller.now + len(queued) * _MILLISECOND)
            one = queue.put(store, newest, options=options, caller=at, fire=ref, dry_run=dry_run)
            queued.append(one)
    return Backfill(queued=tuple(queued), known=len(found) - len(queued))


def _given(store: Store, deploy: Oid, schedule: Schedule, slot: datetime) -> dict[str, Json]:
    """Return what a schedule gives to the parameters of a deploy for a slot."""
    declared = store.snapshot(store.get(Deploy, deploy).snapshot).params
    return values_at(schedule, slot, {name: param.type for name, param in declared.items()})


def _events(
    store: Store, line: tuple[str, Schedule], slot: datetime, skips: Sequence[Skip], caller: Caller
) -> Generator[Event]:
    workflow, schedule = line
    for _ in range(RACES_MAX):
        newest = head(store, workflow)
        values = _given(store, newest, schedule, slot)
        along = _along(store, line, newest, slot, skips)
        events = start.start(
            store,
            newest,
            options=Options(timeout_s=schedule.timeout_s, values=values),
            caller=replace(caller, trigger="schedule", scheduled=slot, along=along),
            allow_secret=True,  # the deploy has them
        ).events
        try:
            first = next(iter(events))
        except _HeadMoved:
            continue
        yield first
        yield from events
        return
    raise Conflict(f"{workflow} is always deployed anew before it can be fired")


def _along(
    store: Store, line: tuple[str, Schedule], newest: Oid, slot: datetime, skips: Sequence[Skip]
) -> Callable[[Transaction, Oid], None]:
    """Return what adds the fire to the write of the pin."""
    workflow, schedule = line
    ref, name = fire_ref(workflow, schedule, slot), slot_name(schedule, slot)

    def along(tx: Transaction, pin: Oid) -> None:
        before = _undecided(store, line, min([slot, *(skip.first for skip in skips)]))
        for halting, how in _halting(workflow).items():
            if store.ref(halting) is not None:
                raise Conflict(f"{workflow} was {how}")  # later it is an operation: see `begin`
        if store.ref(f"workflows/{workflow}") != newest:
            raise _HeadMoved(f"{workflow} was deployed anew")
        settings = store.get(Deploy, newest).settings
        if lines.times_of(schedule) not in map(lines.times_of, schedules_of(settings)):
            raise Conflict(f"{workflow} does not have this schedule any more")
        if lines.fired(store, workflow, [ref]):
            # Somebody made up for it: all the same it is decided.
            with store.transaction() as passing:
                lines.move_on(passing, line, before, slot, fire=name, skips=skips)
            raise Conflict(f"a run was started for {slot:%Y-%m-%d %H:%M:%S} UTC")
        tx.move(ref, old=None, new=pin)
        tx.move(f"workflows/{workflow}", old=newest, new=newest)
        lines.move_on(tx, line, before, slot, fire=name, skips=skips)
        failpoint("fire.checked")

    return along


def _halting(workflow: str) -> dict[str, str]:
    """Return the refs that keep the schedules of a workflow from firing, and what each says."""
    return {paused_ref(workflow): "paused", archived_ref(workflow): "archived"}


def _undecided(store: Store, line: tuple[str, Schedule], earliest: datetime) -> Decided | None:
    """Return what is decided of a line; raise Conflict when that reaches a slot, or a later one."""
    known = decided(store, decided_ref(*line))
    if known is not None and known.slot >= earliest:
        raise Conflict(
            f"another process has decided about {line[0]} up to {known.slot:%Y-%m-%d %H:%M:%S} UTC"
        )
    return known
