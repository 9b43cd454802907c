"""Pausing the schedules of a workflow, and putting it away: recorded moves, like those of a head.

Undo takes them back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from ork.daemon import lines
from ork.daemon.lines import Line
from ork.errors import InvalidInput, UsageError, count
from ork.heads.decisions import Passed, decided, decided_ref
from ork.objects.canonical import Oid
from ork.objects.rows import name_of
from ork.objects.value import Value
from ork.schedule.policy import first_undecided, left_out
from ork.store.operations import operations, renamed_by
from ork.store.resolve import archived, archived_ref, head
from ork.store.store import Stamp, Store, Transaction


class Paused(Value, frozen=True, kw_only=True):
    """That the schedules of a workflow are paused: by whom, since when, and the operation."""

    workflow: str
    author: str
    since: datetime
    operation: Oid

    def cells(self) -> dict[str, object]:
        return {"workflow": self.workflow, "by": name_of(self.author), "since": self.since}


class Resumed(Value, frozen=True, kw_only=True):
    """That the schedules of a workflow go on, and how many slots went by meanwhile.

    `held_by` are the runs that failed and hold it back all the same, with `after_failure: hold`.
    Where they went on `already`, nothing was written.
    """

    workflow: str
    left_out: int
    held_by: tuple[str, ...] = ()
    already: bool = False

    def cells(self) -> dict[str, object]:
        cells = {"workflow": self.workflow, "left out": f"{count(self.left_out, 'slot')} left out"}
        return {**cells, "held by": ", ".join(self.held_by)} if self.held_by else {**cells}


class Archived(Value, frozen=True, kw_only=True):
    """That a workflow is put away; where it was `already`, nothing was written."""

    workflow: str
    already: bool = False

    def cells(self) -> dict[str, object]:
        return {"workflow": self.workflow, "already": "already" if self.already else None}


def paused_ref(workflow: str) -> str:
    """Return the ref that is there while the schedules of a workflow are paused."""
    return f"paused/{workflow}"


def pause(store: Store, workflow: str, *, stamp: Stamp) -> Paused:
    """Let no schedule of a workflow fire until it is resumed; return the pause that there is."""
    newest = head(store, workflow)
    if before := paused(store, workflow):
        return before
    if not lines.lines_of(store, workflow):
        raise UsageError(f"{workflow} has no schedule", hint="`schedule:` in its file gives it one")
    return _pause(store, {workflow: newest}, stamp)[0]


def pause_all(store: Store, *, stamp: Stamp) -> list[Paused]:
    """Pause all workflows that have a schedule and are not paused, in one operation."""
    names = sorted({line.workflow for line in lines.Lines(store).look()})
    if not names:
        raise UsageError("no workflow has a schedule", hint="`schedule:` in its file gives it one")
    before = all_paused(store, names)
    heads = {name: head(store, name) for name in names if name not in before}
    return _pause(store, heads, stamp) if heads else []


def _pause(store: Store, heads: Mapping[str, Oid], stamp: Stamp) -> list[Paused]:
    with store.transaction(stamp) as tx:
        for workflow, newest in heads.items():
            ref = paused_ref(workflow)
            tx.move(ref, old=store.ref(ref), new=newest)
    return [*all_paused(store, heads).values()]


def resume(store: Store, workflow: str, *, stamp: Stamp, now: datetime) -> Resumed:
    """Let the schedules of a workflow fire again, from now on.

    The slots that went by since the pause are recorded as left out. What is decided up to a moment
    still to come, by a clock that was wrong, is undecided again. Where nothing is paused, a run
    that failed holds nothing back any more: what went by meanwhile is due.
    """
    found = lines.lines_of(store, workflow)
    if store.ref(paused_ref(workflow)) is not None:
        return _resume(store, {workflow: found}, stamp, now)[0]
    passed = {
        decided_ref(workflow, line.schedule): Passed(
            run=run.id, attempt=run.attempt, author=stamp.author, time=now
        )
        for line, run in lines.holding(store, found)
    }
    if not passed and not _is_ahead(store, found, now):
        head(store, workflow)
        return Resumed(workflow=workflow, left_out=0, already=True)
    return _resume(store, {workflow: found}, stamp, now, passed)[0]


def resume_all(store: Store, *, stamp: Stamp, now: datetime) -> list[Resumed]:
    """Resume all workflows of which `resume` would one, in one operation.

    What is archived stays paused. Of what cannot be read nothing is recorded as left out: it fires
    nothing.
    """
    put_away = archived(store)
    names = [name for name, _ in store.refs("paused/") if name not in put_away]
    found: dict[str, list[Line]] = {name: [] for name in names}
    halted = {*found}
    for line in lines.Lines(store).look():
        found.setdefault(line.workflow, []).append(line)
    some = {n: its for n, its in found.items() if n in halted or _is_ahead(store, its, now)}
    return _resume(store, dict(sorted(some.items())), stamp, now) if some else []


def _resume(
    store: Store,
    found: Mapping[str, list[Line]],
    stamp: Stamp,
    now: datetime,
    passed: Mapping[str, Passed] = {},
) -> list[Resumed]:
    pausers, done = all_paused(store, found), []
    with store.transaction(stamp) as tx:
        for workflow, some in found.items():
            ref, pauser = paused_ref(workflow), pausers.get(workflow)
            since = pauser.since if pauser else now
            reason = f"paused by {pauser.author.partition(' <')[0]}" if pauser else "paused"
            tx.move(ref, old=store.ref(ref), new=None)
            total = _go_on(tx, workflow, some, since, now, reason, passed)
            held = () if passed else tuple(run.name for _, run in lines.holding(store, some))
            done.append(Resumed(workflow=workflow, left_out=total, held_by=held))
    return done


def _is_ahead(store: Store, found: Sequence[Line], now: datetime) -> bool:
    """Say whether a clock that was wrong has decided about slots that are still to come."""
    return any(known and known.slot > now for _, known in lines.with_decided(store, found))


def archive(store: Store, workflow: str, *, stamp: Stamp) -> Archived:
    """Put a workflow away: nothing but its name leads to it, and no schedule of it fires."""
    newest, ref = head(store, workflow), archived_ref(workflow)
    if store.ref(ref) is not None:
        return Archived(workflow=workflow, already=True)
    with store.transaction(stamp) as tx:
        tx.move(ref, old=None, new=newest)
    return Archived(workflow=workflow)


def unarchive(store: Store, workflow: str, *, stamp: Stamp, now: datetime) -> Resumed:
    """Take an archived workflow out again; its schedules fire from now on, as `resume` says."""
    ref = archived_ref(workflow)
    there = store.ref(ref)
    if there is None:
        head(store, workflow)
        return Resumed(workflow=workflow, left_out=0, already=True)
    moved = (one.time for _, one in operations(store) if ref in {name for name, *_ in one.moves})
    since = next(moved, now)
    if pauser := paused(store, workflow):
        since = min(since, pauser.since)
    found: list[Line] = []
    with suppress(InvalidInput):  # what cannot be read fires nothing
        found = lines.lines_of(store, workflow)
    with store.transaction(stamp) as tx:
        tx.move(ref, old=there, new=None)
        total = _go_on(tx, workflow, found, since, now, "archived")
    return Resumed(workflow=workflow, left_out=total)


def _go_on(
    tx: Transaction,
    workflow: str,
    found: Iterable[Line],
    since: datetime,
    now: datetime,
    reason: str,
    passed: Mapping[str, Passed] = {},
) -> int:
    """Add to a write that slots between two moments are left out; return how many those are.

    Slots from before that nobody has decided about are due still; where there are none, all is
    decided up to now.
    """
    total = 0
    for line in found:
        its, ref = (workflow, line.schedule), decided_ref(workflow, line.schedule)
        known = decided(tx.store, ref)
        last, out = lines.decided_until(line, known), lines.out_of(known)
        skips = lines.left_behind(line, known)
        if skip := left_out(line.schedule, max([since, last, *(o.last for o in out)]), now, reason):
            skips, out = (*skips, skip), (*out, skip)
        total += sum(skip.count for skip in skips)
        if last > now or first_undecided(line.schedule, last, out) > now:
            last, out = now, ()
        lines.move_on(tx, its, known, last, passed=passed.get(ref), out=out, skips=skips)
    return total


def paused(store: Store, workflow: str) -> Paused | None:
    """Return whether the schedules of a workflow are paused, by whom and since when."""
    return all_paused(store, [workflow]).get(workflow)


def all_paused(store: Store, workflows: Iterable[str] | None = None) -> dict[str, Paused]:
    """Return the workflows that are paused, all or those of some, sorted.

    A pause that an undo gave back goes on from its own begin.
    """
    if workflows is None:
        names = {name for name, _ in store.refs("paused/")}
    else:
        there = store.refs_at(map(paused_ref, workflows))
        names = {ref.partition("/")[2] for ref in there}
    waiting = {name: name for name in names}  # by the name that each had then
    found: dict[str, Paused] = {}
    for oid, operation in operations(store):
        if not waiting:
            break
        begun = {ref for ref, _, new in operation.moves if new is not None}
        renamed = renamed_by(operation)
        for name in [name for name in waiting if paused_ref(name) in begun]:
            workflow = waiting.pop(name)
            found[workflow] = Paused(
                workflow=workflow, author=operation.author, since=operation.time, operation=oid
            )
            if before := renamed.get(name):
                waiting[before] = workflow
            elif operation.words[:1] == ("undo",):
                waiting[name] = workflow
    return {name: found[name] for name in sorted(found)}
