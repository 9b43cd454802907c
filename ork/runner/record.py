"""The record of a run in the store: the pin before anything starts, outcomes, the end.

The process that executes a run owns it (see `ork.runner.owner`). A run that is recorded as going on
and that nobody owns was killed: `settle` says so in its record.

Each write names the pin, `active/RUN-ID/.run`, which whoever takes over a run moves before all
else: so an owner that has lost its run can write nothing more.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from ork.backends.base import Lease
from ork.errors import Conflict, Corrupt, NotFound, StoreError, UsageError
from ork.failpoints import failpoint
from ork.logs.begun import Beginnings, seconds_so_far
from ork.logs.bytes import TOGETHER_BYTES
from ork.logs.writing import Part, Shipping
from ork.objects import tree
from ork.objects.canonical import Json, Oid
from ork.objects.kinds import Attempt, Blob, Run, TaskRun, micros
from ork.objects.value import replace
from ork.runner import owner
from ork.runner.brake import and_failed
from ork.runner.owner import Room, Stops
from ork.runner.target import Along
from ork.store.contents import task_runs
from ork.store.resolve import newest_number, next_number, run_of_id
from ork.store.runs import id_time
from ork.store.store import Store, Transaction
from ork.store.verdict import counts_as, failures, recounted
from ork.worktree.origin import host

POLL_SECONDS = 0.05
POLL_SHARED_SECONDS = 0.5
PATIENCE_SECONDS = 120.0  # how long a shared store may be away
PAUSE_SECONDS = 0.5  # before it is asked once more
LOST_SECONDS = 5.0  # somebody may have the lease for a moment, to see whether anybody has it
KILLED = "ork was killed"
GONE = "ork ended"  # it may have been killed, or could write no more
COPIED = "it was going on when this backup was made"
OF_RUN = ("environment", "host", "place")  # of an attempt; null is what the run has

T = TypeVar("T")


@dataclass(slots=True)
class Record:
    """A run that this process owns."""

    store: Store
    run: Run
    oid: Oid
    pin: Oid  # which nobody but the owner moves
    lease: Lease
    saved: dict[str, Oid] = field(default_factory=dict)  # task -> its TaskRun in the store
    own: set[Oid] = field(default_factory=set)  # those of them that no other run can have
    checkout: Path | None = None  # when it has ended: where tasks have left files
    lost: bool = False  # to another process, which took us for killed
    behind: bool = False  # a write failed, and may have been done
    asked: Stops = field(default_factory=Stops)  # as it was looked up last
    shipping: Shipping | None = None  # of its logs, where others read them in the store
    patient: Callable[[], bool] = lambda: True  # whether a store that is away is waited for

    def save(self, changed: Mapping[str, TaskRun], objects: Mapping[Oid, bytes]) -> None:
        """Make the state of some tasks durable, with the objects that they name."""
        failpoint("save.before")
        tx, parts = self._begin()
        tx.add_all(objects)
        new = {name: tx.add(taskrun) for name, taskrun in changed.items()}
        for name, oid in new.items():
            tx.move(f"active/{self.run.id}/{name}", old=self.saved.get(name), new=oid)
        replaced = self.own & {self.saved[name] for name in new if name in self.saved}
        tx.remove(replaced)
        self._commit(tx, parts)
        self.own.difference_update(replaced)
        self.own |= _own(new, changed)
        self.saved.update(new)
        failpoint("save.after")

    def tend(self) -> None:
        """Do what an owner does now and then, of a run that others can see from elsewhere.

        They read its logs and ask it to stop; and they believe it dead if it is not heard of.
        """
        tx, parts = self._begin()
        if parts:
            self._commit(tx, parts)
        self.asked = self._patiently(self._look)

    def _look(self) -> Stops:
        self.hold()
        if self.store.ref(owner.pin_ref(self.run.id)) != self.pin:
            self.lost = True
            raise owner.lost(self.store, self.run)
        return owner.stops_asked(self.store, self.run)

    def failures(self, states: Mapping[str, TaskRun]) -> dict[str, TaskRun]:
        """Return the tasks that failed by themselves, of this run with these states."""
        return self._patiently(lambda: failures(self.store, self.run, states))

    def end(self, run: Run, states: Mapping[str, TaskRun], objects: Mapping[Oid, bytes]) -> Oid:
        """Fold the task runs into the run, make its end durable, release the lock."""
        failpoint("end.before")
        self._join_logs()
        self.fold(run, states, objects)
        failpoint("end.written")
        self.release()
        return self.oid

    def _join_logs(self) -> None:
        """Let the logs be few refs from now on."""
        if self.shipping is None:
            return
        for part, refs in self.shipping.joined():
            tx, parts = self._begin()
            for ref, oid in refs.items():
                tx.move(ref, old=oid, new=None)
            first = self.shipping.ref(part)
            tx.move(first, old=refs[first], new=tx.add(Blob(part.data)))
            self._commit(tx, parts)

    def fold(
        self,
        run: Run,
        states: Mapping[str, TaskRun],
        objects: Mapping[Oid, bytes],
        *,
        lack: bool = False,
    ) -> None:
        """Write the end of the run with all its task runs, in place of what said it goes on.

        With `lack` some of what it executed may be lost. A clock that was set back meanwhile makes
        no run end before it began, which would be taken for an old one.
        """
        run = replace(run, ended=max(run.ended or run.created, run.created))
        store, stops = self.store, owner.stops_ref(run.id)
        counted = self._patiently(lambda: _counted(store, run, states))
        if self.behind:
            self._see_saved()
        while True:
            tx, parts = self._begin()
            if lack:
                tx.lack()
            tally, asked = self._patiently(lambda: (_tally_refs(store, run), store.ref(stops)))
            tx.add_all(objects)
            oid = tx.add(replace(run, tasks=tree.build(states, tx.add, TaskRun)))
            tx.move(f"runs/{run.workflow}/{run.id}", old=self.oid, new=oid)
            tx.move(owner.pin_ref(run.id), old=self.pin, new=None)
            tx.move(stops, old=asked, new=None)
            for name, saved in self.saved.items():
                tx.move(f"active/{run.id}/{name}", old=saved, new=None)
            tx.remove(self.own)  # they stand in the tree from now on
            if run.deploy and store.has(run.deploy):  # else it may be lost
                tx.moves |= recounted(run.deploy, tally, counted, run.number)
            try:
                self._commit(tx, parts)
            except Conflict:
                # The tally is shared with other runs, and anybody may ask for a stop; anything else
                # was really taken away.
                if self.lost or (_tally_refs(store, run), store.ref(stops)) == (tally, asked):
                    raise
            else:
                self.oid = oid
                self.run = self._patiently(lambda: store.get(Run, self.oid))
                return

    def take_over(self) -> None:
        """Let nobody else write to the run, and see what the last one who did has recorded."""
        taker = f"taken over by process {os.getpid()} of {host()} at {time.time_ns()}"
        with self.store.transaction() as tx:
            tx.lack()
            pin = tx.add(replace(self.run, reason=taker))  # an object that nobody else has
            tx.move(owner.pin_ref(self.run.id), old=self.pin, new=pin)
        self.pin = pin
        self._see_saved()

    def _see_saved(self) -> None:
        """See what is recorded of the tasks, whoever did that."""
        active = self.store.refs(f"active/{self.run.id}/")
        self.saved = {name: oid for name, oid in active if name != ".run"}

    def hold(self) -> None:
        """Make sure that the run is ours; raise Conflict when somebody took us for killed."""
        deadline = time.monotonic() + LOST_SECONDS
        while not self.lease.held():
            if gone := self.store.gone():
                # The open files would take all that is written, and nobody might ever find it.
                raise gone
            if (lease := owner.own(self.store, self.run.id)) is not None:
                self.lease = lease
            elif time.monotonic() > deadline:
                self.lost = True
                raise owner.lost(self.store, self.run)
            else:
                time.sleep(POLL_SECONDS)

    def _begin(self) -> tuple[Transaction, list[Part]]:
        """Begin a write of the run, with what its logs have grown by: an outcome names its log.

        What is too much for one write is written before.
        """
        while True:
            tx = self.store.transaction()
            tx.move(owner.pin_ref(self.run.id), old=self.pin, new=self.pin)
            parts = self.shipping.grown() if self.shipping else []
            for part in parts:
                assert self.shipping is not None
                tx.move(self.shipping.ref(part), old=None, new=tx.add(Blob(part.data)))
            if sum(len(part.data) for part in parts) < TOGETHER_BYTES:
                return tx, parts
            self._commit(tx, parts)

    def _commit(self, tx: Transaction, parts: Iterable[Part]) -> None:
        """Write something of the run, which must still be ours, and these parts of its logs."""
        unsure = False

        def commit() -> None:
            nonlocal unsure
            try:
                self.hold()
                tx.commit()
            except Conflict:
                if unsure and all(self.store.ref(ref) == new for ref, (_, new) in tx.moves.items()):
                    return  # it had arrived, and nobody was there to say so
                if self.store.ref(owner.pin_ref(self.run.id)) == self.pin:
                    raise
                self.lost = True
                raise owner.lost(self.store, self.run) from None
            except StoreError:
                unsure = self.behind = True
                raise

        self._patiently(commit)
        if self.shipping is not None:
            self.shipping.has(parts)
            failpoint("logs.shipped")

    def _patiently(self, act: Callable[[], T]) -> T:
        """Do something with the store; where it is shared, wait for it when it is away."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return act()
            except Corrupt:
                raise
            except StoreError:
                if not self.store.shared or not self.patient() or time.monotonic() > deadline:
                    raise
            time.sleep(PAUSE_SECONDS)

    def release(self) -> None:
        """Let go of the owner's lock and remove what only a living run needs."""
        self.checkout = owner.release(self.store, self.lease, self.run)


def begin(
    store: Store,
    pin: Run,
    objects: Mapping[Oid, bytes],
    *,
    random: str,
    place: Json = None,
    along: Along | None = None,
    room: Room | None = None,
) -> Record:
    """Write the pin of a run, with the next free number and an id after all earlier ones.

    `pin.number` and `pin.id` are chosen here. When this returns, the pin is durable. `place` is
    what a deploy would tell of a run that has none: see `ork.runner.target.place_of`.
    `along` adds what is to be durable with the pin: a Conflict that it raises ends all, and so does
    Full, where there is no `room` for it.
    """
    owner.sweep(store)
    while True:
        begun = owner.begun_in(store, room)
        # gc tells there of the runs, and so the numbers, that it will remove; so does who pauses or
        # archives the workflow that `along` fires.
        ops = store.ref("ops")
        number = next_number(store, pin.workflow)
        last = next(iter(store.refs(f"runs/{pin.workflow}/", newest_first=True)), None)
        run = replace(pin, number=number, id=_run_id(pin.created, last and last[0], random))
        failpoint("begin.unlocked")
        lease = owner.own(store, run.id)
        failpoint("begin.locked")
        if lease is None:
            continue  # another process is about to start a run of this id
        try:
            with store.transaction() as tx:
                tx.add_all(objects)
                oid = tx.add(run)
                tx.move(f"runs/{run.workflow}/{run.id}", old=None, new=oid)
                tx.move(f"numbers/{run.workflow}/{number:010d}", old=None, new=oid)
                tx.move(f"ran/{run.snapshot}/{run.workflow}/{run.id}", old=None, new=oid)
                tx.move(owner.pin_ref(run.id), old=None, new=oid)
                tx.expect("ops", ops)
                if run.deploy is None:
                    unattached = f"unattached/{run.workflow}/{run.id}"
                    tx.move(unattached, old=None, new=tx.add_value(place))
                owner.take_room(tx, room, begun, run)
                if along is not None:
                    along(tx, oid)
        except owner.Full:
            owner.release(store, lease)
            raise
        except Conflict:
            owner.release(store, lease)
            if along is not None:
                along(store.transaction(), oid)  # says in words what was taken, if that was it
            # Another process started a run of this workflow at the same moment: next number. Or
            # somebody has recorded an operation.
            is_next = newest_number(store, pin.workflow) >= number
            is_as_before = owner.begun_in(store, room) == begun and store.ref("ops") == ops
            if not is_next and is_as_before:
                raise
            continue
        failpoint("begin.pinned")
        return Record(store, run, oid, oid, lease)


def resume(
    store: Store,
    old: Oid,
    before: Run,
    pin: Run,
    objects: Mapping[Oid, bytes],
    *,
    room: Room | None = None,
) -> Record:
    """Go on with a run that has ended: make durable that it runs again, with what is done.

    The run keeps its number, id, snapshot and begin. Raises Conflict when another process goes on
    with it at this moment, or has done so since it was read; Full where there is no `room` for it.
    """
    failpoint("resume.unlocked")
    lease = owner.own(store, before.id)
    if lease is None:
        raise in_another_process(before)
    failpoint("resume.locked")
    run = replace(
        before,
        state="running",
        trigger=pin.trigger,
        environment=pin.environment,
        ended=None,
        duration=None,
        tasks=pin.tasks,
        reason=None,
        attempt=before.attempt + 1,
        previous=old,
        author=pin.author,
        host=pin.host,
        place=pin.place,
    )
    while True:
        begun = owner.begun_in(store, room)
        try:
            with store.transaction() as tx:
                tx.add_all(objects)
                oid = tx.add(run)
                tx.move(f"runs/{run.workflow}/{run.id}", old=old, new=oid)
                tx.move(owner.pin_ref(run.id), old=None, new=oid)
                owner.take_room(tx, room, begun, run)
            break
        except Conflict as error:
            if isinstance(error, owner.Full) or owner.begun_in(store, room) == begun:
                owner.release(store, lease)
                raise
    failpoint("resume.pinned")
    return Record(store, run, oid, oid, lease)


def carried(before: Run, run: Run, states: Mapping[str, TaskRun]) -> Mapping[str, TaskRun]:
    """Return what became of tasks before a retry, as the run has it that goes on from there.

    What an attempt does not say is as the run has it, so those of before say what was other then.
    """
    had, has = ({field: getattr(one, field) for field in OF_RUN} for one in (before, run))
    if had == has:
        return states

    def said(attempt: Attempt) -> Attempt:
        all_of_it = {field: getattr(attempt, field) or had[field] for field in OF_RUN}
        other = {field: None if it == has[field] else it for field, it in all_of_it.items()}
        return replace(attempt, **other)

    return {
        name: replace(one, attempts=tuple(map(said, one.attempts))) for name, one in states.items()
    }


def in_another_process(run: Run) -> Conflict:
    """Return the error for a run that another process owns."""
    name = run.name
    return Conflict(
        f"{name} runs in another process",
        hint=f"`ork watch {name}` shows it, `ork cancel {name}` stops it",
    )


def settle(
    store: Store, *, now: datetime, why: str | None = None, only: Collection[str] | None = None
) -> list[Run]:
    """Mark runs whose owner is gone as interrupted, and return them."""
    return [*settling(store, now=now, why=why, only=only)]


class Unsettled(Corrupt):
    """A run that nobody executes cannot be ended, for something that it executed is lost."""


def settling(
    store: Store, *, now: datetime, why: str | None = None, only: Collection[str] | None = None
) -> Iterator[Run]:
    """Mark runs whose owner is gone as interrupted, and yield each when that is recorded.

    Tasks that ran become interrupted, those that had not started stay pending. In a copy of a store
    no run has an owner, whatever has become of it where it was begun: that is `COPIED`. Else an
    owner that was killed has left a trace of its lease, and one that could write no more has not.
    When all others are settled, raises Corrupt for one that leads elsewhere, which no ork wrote, or
    else Unsettled for the first that lacks something.
    """
    traces = store.backend.leased() if next(store.folders("active/"), None) else set()
    damage: list[Corrupt] = []
    for run_id in sorted(store.folders("active/") if only is None else only):
        reason = why or (KILLED if run_id in traces else GONE)
        try:
            ended = _settled(store, run_id, now, reason)
        except Conflict:  # its owner lives, or somebody else was faster to settle it
            continue
        except Unsettled as error:  # those behind it are settled all the same
            damage.append(error)
            continue
        except (Corrupt, NotFound) as error:
            told = f"{owner.pin_ref(run_id)}: {error.message}"
            damage.append(Corrupt(told, hint=error.hint or "`ork fsck`"))
            continue
        if ended is not None:
            yield ended
    if damage:
        raise next((one for one in damage if not isinstance(one, Unsettled)), damage[0])


def _settled(store: Store, run_id: str, now: datetime, reason: str) -> Run | None:
    """Write the end of a run whose owner is gone; return it, or None where it has one."""
    pin = store.ref(owner.pin_ref(run_id))
    if pin is None:
        return None  # it has ended since
    run = store.get(Run, pin)
    if run.id != run_id:
        raise Corrupt("leads to another run", hint="no ork wrote this store")
    lease = owner.own(store, run_id)
    if lease is None:
        return None
    try:
        failpoint("settle.locked")
        oid, run = run_of_id(store, run.workflow, run_id)
        record = Record(store, run, oid, pin, lease)
        ended = None
        if run.ended is None:
            record.take_over()
            failpoint("settle.taken")
            ended = _interrupt(record, now, reason)
        failpoint("settle.written")
    except Corrupt as error:
        lease.release()  # else the run would seem to have an owner as long as we live
        raise Unsettled(f"{run.name}: {error.message}", hint=error.hint) from error
    except BaseException:
        lease.release()
        raise
    record.release()
    return ended


def cancel(store: Store, run: Run, *, author: str, now: bool = False) -> Run:
    """Ask the owner of a run to stop it, with `now` to kill what runs; return the run as it is.

    The record of the run names who asked. With `now` an owner that is suspended goes on, to do so.
    """
    times = 2 if now else 1
    if run.ended is None and owner.ask_to_stop(store, run, author=author, times=times):
        if now:
            owner.wake(store, run)
        return run
    _, run = run_of_id(store, run.workflow, run.id)
    raise UsageError(f"{run.name} has ended: {run.state}")


def wait(store: Store, run: Run) -> Run:
    """Wait until a run has ended, if only because its owner has died; return it as it is then."""
    while True:
        _, last = run_of_id(store, run.workflow, run.id)
        if last.ended is not None:
            return last
        if not owner.is_owned(store, run):
            settle(store, now=datetime.now(UTC), only=[run.id])
        time.sleep(POLL_SHARED_SECONDS if store.shared else POLL_SECONDS)


def _interrupt(record: Record, now: datetime, why: str) -> Run:
    """Write the end of a run that has no owner."""
    store, run = record.store, record.run
    started = task_runs(store, run)
    beginnings = Beginnings(store, run)
    states: dict[str, TaskRun] = {}
    with suppress(Corrupt):  # of what is lost nobody knows the tasks that had not begun
        for name, task in store.snapshot(run.snapshot).tasks.items():
            states[name] = TaskRun(task=task, state="pending")
    states = {
        name: _as_left(beginnings, run, name, before, now, why)
        for name, before in {**states, **started}.items()
    }
    record.own = _own(record.saved, started)
    attempts = [attempt for taskrun in states.values() for attempt in taskrun.attempts]
    last = max((a.ended for a in attempts), default=run.created)
    flight = sorted(name for name, t in states.items() if t.state == "interrupted")
    why_known = why in (KILLED, GONE)
    meanwhile = f" while {', '.join(flight[:10])} ran" if flight and why_known else ""
    ended = replace(
        run,
        state="interrupted",
        ended=now,
        reason=and_failed(why + meanwhile, record.failures(states)) if why_known else why,
        duration=micros(seconds_so_far(store, run, last)),
    )
    record.fold(ended, states, {}, lack=True)
    owner.remove_answers(store, run)
    return ended


def _as_left(
    beginnings: Beginnings, run: Run, name: str, before: TaskRun, now: datetime, why: str
) -> TaskRun:
    """Return a task run as its owner has left it; attempts of unknown outcome become part.

    That they have begun need not be recorded. Of the end only the last sign of life is known.
    """
    if before.state not in ("pending", "running"):
        return before
    attempts = list(before.attempts)
    while (begun := beginnings.now().get((name, len(attempts) + 1))) or (
        before.state == "running" and len(attempts) == len(before.attempts)
    ):
        number = len(attempts) + 1
        attempts.append(
            Attempt(
                number=number,
                state="interrupted",
                started=begun.started if begun else run.created,
                duration=micros(beginnings.lasted(name, number, now)),
                error=why,
                log=beginnings.log(name, number),
            )
        )
    if len(attempts) == len(before.attempts):
        return before
    return replace(before, state="interrupted", attempts=tuple(attempts), reason=why)


def _own(oids: Mapping[str, Oid], states: Mapping[str, TaskRun]) -> set[Oid]:
    """Return which of these objects only this run can have: their attempts name its logs."""
    return {oid for name, oid in oids.items() if any(a.log for a in states[name].attempts)}


def _counted(store: Store, run: Run, states: Mapping[str, TaskRun]) -> Counter[str]:
    """Return what the end of a run adds to the tally; a retry takes away how it had ended."""
    counts = Counter([counts_as(store, run, states)])
    if run.previous is not None:
        before = store.get(Run, run.previous)
        counts.subtract([counts_as(store, before, task_runs(store, before))])
    return counts


def _tally_refs(store: Store, run: Run) -> dict[str, Oid]:
    return dict(store.refs(f"tally/{run.deploy}/")) if run.deploy else {}


def _run_id(created: datetime, last: str | None, random: str) -> str:
    """Return an id that begins with the time and sorts after `last`, even if the clock jumped."""
    stamp = id_time(created)
    if last and last[:19] >= stamp:
        try:
            after = datetime.strptime(last[:19], "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC)
            stamp = id_time(after, plus_ms=1)
        except (ValueError, OverflowError):
            raise Corrupt(
                f"{last!r} is not the id of a run", hint="no ork wrote this store"
            ) from None
    return f"{stamp}-{random}"
