"""The record of a run in the store: the pin before anything starts, outcomes, the end.

A run's owner holds a kernel lock (flock) on `.ork/locks/RUN-ID` while it lives. A run that is
recorded as going on and whose lock is free was killed: `settle` says so in its record.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from ork.errors import Conflict, Corrupt
from ork.failpoints import failpoint
from ork.history.log import tally
from ork.objects import tree
from ork.objects.canonical import Json, Oid, hash_bytes
from ork.objects.kinds import Attempt, Run, Snapshot, TaskRun, encode_object
from ork.runner import owner
from ork.store.contents import task_runs
from ork.store.logs import path_of
from ork.store.resolve import run_of_id
from ork.store.runs import id_time
from ork.store.store import Store, Transaction

CANCEL_POLL_SECONDS = 0.2


@dataclass(slots=True)
class Record:
    """A run that this process owns."""

    store: Store
    run: Run
    oid: Oid
    lock: int | None
    saved: dict[str, Oid] = field(default_factory=dict)  # task -> its TaskRun in the store
    written: dict[str, TaskRun] = field(default_factory=dict)  # the same ones, as values
    looked: float = 0.0  # when `ork cancel` was last looked for
    asked: int = 0

    def save(self, changed: Mapping[str, TaskRun], objects: Mapping[Oid, bytes]) -> None:
        """Make the state of some tasks durable, with the objects that they name."""
        with self.store.transaction() as tx:
            tx.add_all(objects)
            new = {name: tx.add(taskrun) for name, taskrun in changed.items()}
            for name, oid in new.items():
                tx.move(f"active/{self.run.id}/{name}", old=self.saved.get(name), new=oid)
        self.saved.update(new)
        self.written.update(changed)

    def end(self, run: Run, states: Mapping[str, TaskRun], objects: Mapping[Oid, bytes]) -> Oid:
        """Fold the task runs into the run, make its end durable, release the lock."""
        failpoint("end.before")
        oid = _end(self.store, self.oid, run, states, self.saved, objects, self.written)
        failpoint("end.written")
        self.run, self.oid = self.store.get(Run, oid), oid
        self.release()
        return oid

    def stops_asked(self, now: float) -> int:
        """Return how often `ork cancel` asked this run to stop; looks at most every 0.2 seconds."""
        if now - self.looked >= CANCEL_POLL_SECONDS and self.lock is not None:
            self.looked = now
            self.asked = owner.stops_asked(self.store, self.run)
        return self.asked

    def release(self) -> None:
        """Let go of the owner's lock and remove what only a living run needs."""
        if self.lock is not None:
            owner.remove_traces(self.store, self.run.id)
            os.close(self.lock)
            self.lock = None


def begin(
    store: Store, pin: Run, objects: Mapping[Oid, bytes], *, random: str, place: Json = None
) -> Record:
    """Write the pin of a run, with the next free number and an id after all earlier ones.

    `pin.number` and `pin.id` are chosen here. When this returns, the pin is durable. `place` is
    what a deploy would tell of a run that has none: see `ork.runner.target.place_of`.
    """
    owner.sweep(store)
    while True:
        newest = next(iter(store.refs(f"numbers/{pin.workflow}/", newest_first=True)), None)
        last = next(iter(store.refs(f"runs/{pin.workflow}/", newest_first=True)), None)
        number = int(newest[0]) + 1 if newest else 1
        run = replace(pin, number=number, id=_run_id(pin.created, last and last[0], random))
        failpoint("begin.unlocked")
        lock = owner.take_lock(store, run.id)
        failpoint("begin.locked")
        try:
            with store.transaction() as tx:
                tx.add_all(objects)
                oid = tx.add(run)
                tx.move(f"runs/{run.workflow}/{run.id}", old=None, new=oid)
                tx.move(f"numbers/{run.workflow}/{number:010d}", old=None, new=oid)
                tx.move(f"ran/{run.snapshot}/{run.workflow}/{run.id}", old=None, new=oid)
                tx.move(f"active/{run.id}/.run", old=None, new=oid)
                if run.deploy is None:
                    tx.move(
                        f"unattached/{run.workflow}/{run.id}", old=None, new=tx.add_value(place)
                    )
            failpoint("begin.pinned")
            return Record(store, run, oid, lock)
        except Conflict:
            # Another process started a run of this workflow at the same moment: next number.
            if lock is not None:
                owner.remove_traces(store, run.id)
                os.close(lock)


def resume(
    store: Store,
    old: Oid,
    before: Run,
    pin: Run,
    objects: Mapping[Oid, bytes],
    states: Mapping[str, TaskRun],
) -> Record:
    """Go on with a run that has ended: make durable that it runs again, with what is done.

    The run keeps its number, id, snapshot and begin. Raises Conflict when another process goes on
    with it at this moment, or has done so since it was read.
    """
    failpoint("resume.unlocked")
    lock = owner.take_lock(store, before.id)
    if lock is None and store.folder is not None:
        raise in_another_process(before)
    failpoint("resume.locked")
    owner.remove_remains(store, before.id)
    run = replace(
        before,
        state="running",
        trigger=pin.trigger,
        environment=pin.environment,
        ended=None,
        seconds=None,
        tasks=None,
        reason=None,
        attempt=before.attempt + 1,
        previous=old,
        author=pin.author,
        host=pin.host,
    )
    try:
        with store.transaction() as tx:
            tx.add_all(objects)
            oid = tx.add(run)
            kept = {
                name: tx.add(t) for name, t in states.items() if t.state != "pending" or t.attempts
            }
            tx.move(f"runs/{run.workflow}/{run.id}", old=old, new=oid)
            tx.move(f"active/{run.id}/.run", old=None, new=oid)
            for name, taskrun in kept.items():
                tx.move(f"active/{run.id}/{name}", old=None, new=taskrun)
        failpoint("resume.pinned")
    except Conflict:
        if lock is not None:
            owner.remove_traces(store, run.id)
            os.close(lock)
        raise
    return Record(store, run, oid, lock, kept, {name: states[name] for name in kept})


def in_another_process(run: Run) -> Conflict:
    """Return the error for a run that another process owns."""
    name = f"{run.workflow}#{run.number}"
    return Conflict(
        f"{name} runs in another process",
        hint=f"`ork watch {name}` shows it, `ork cancel {name}` stops it",
    )


def settle(store: Store, *, now: datetime) -> list[Run]:
    """Mark runs whose owner was killed as interrupted, and return them.

    Tasks that ran become interrupted, those that had not started stay pending.
    """
    settled: list[Run] = []
    if store.folder is None:
        return settled  # a store in memory has no owner but this process
    for name, oid in list(store.refs("active/")):
        run_id, _, task = name.partition("/")
        if task != ".run":
            continue
        if store.get(Run, oid).id != run_id:
            raise Corrupt(f"the ref {name} leads to another run", hint="no ork wrote this store")
        lock = owner.take_lock(store, run_id)
        if lock is None:
            continue
        failpoint("settle.locked")
        run = _settle_one(store, oid, now)
        failpoint("settle.written")
        if run:
            settled.append(run)
        owner.remove_traces(store, run_id)
        os.close(lock)
    return settled


def _settle_one(store: Store, pin: Oid, now: datetime) -> Run | None:
    run = store.get(Run, pin)
    oid, run = run_of_id(store, run.workflow, run.id)
    if run.ended is not None:
        return None
    started = task_runs(store, run)
    snapshot = store.get(Snapshot, run.snapshot)
    states = {}
    for name, task in tree.entries(store.tree, snapshot.tasks).items():
        before = started.get(name) or TaskRun(task=Oid(str(task)), state="pending")
        states[name] = _as_left(store, run, name, before)
    saved = {name: oid for name, oid in store.refs(f"active/{run.id}/") if name != ".run"}
    last = max(
        (a.started + timedelta(seconds=a.seconds) for t in states.values() for a in t.attempts),
        default=run.created,
    )
    flight = sorted(name for name, t in states.items() if t.state == "interrupted")
    reason = "ork was killed" + (f" while {', '.join(flight[:10])} ran" if flight else "")
    ended = replace(
        run,
        state="interrupted",
        ended=now,
        reason=reason,
        seconds=max(0.0, (last - run.created).total_seconds()),
    )
    _end(store, oid, ended, states, saved, {}, {})
    owner.remove_answers(store, run)
    return ended


def _as_left(store: Store, run: Run, name: str, before: TaskRun) -> TaskRun:
    """Return a task run as the death of ork left it; an attempt that was in flight becomes part.

    That it began need not be recorded: then its log tells. The next attempt gets another number and
    another log. Of its times only the last sign of life is known, the newest change of the log.
    """
    number = len(before.attempts) + 1
    log = f"{run.workflow}/{run.id}/{name}.{number}.log"
    path = path_of(store, log)
    begun = path is not None and path.exists()
    if before.state != "running" and not (before.state == "pending" and begun):
        return before
    seen = datetime.fromtimestamp(path.stat().st_mtime, UTC) if path and begun else run.created
    attempt = Attempt(
        number=number,
        state="interrupted",
        started=seen,
        seconds=0,
        error="ork was killed",
        log=log if begun else None,
    )
    return replace(
        before, state="interrupted", attempts=(*before.attempts, attempt), reason="ork was killed"
    )


def _end(
    store: Store,
    old: Oid,
    run: Run,
    states: Mapping[str, TaskRun],
    saved: Mapping[str, Oid],
    more: Mapping[Oid, bytes],
    written: Mapping[str, TaskRun],
) -> Oid:
    objects = dict(more)
    entries: dict[str, Json] = {}
    for name, taskrun in states.items():
        if written.get(name) is taskrun:
            entries[name] = saved[name]  # kept alive by the ref that is removed below
            continue
        data = encode_object(taskrun)
        entries[name] = oid = hash_bytes(data)
        objects[oid] = data
    root, trees = tree.build(entries)
    while True:
        try:
            with store.transaction() as tx:
                tx.add_all(objects)
                tx.add_all(trees)
                oid = tx.add(replace(run, tasks=root))
                tx.move(f"runs/{run.workflow}/{run.id}", old=old, new=oid)
                tx.move(f"active/{run.id}/.run", old=store.ref(f"active/{run.id}/.run"), new=None)
                for name, target in saved.items():
                    tx.move(f"active/{run.id}/{name}", old=target, new=None)
                _count(tx, run)
            return oid
        except Conflict:
            # Only the tally is shared with other runs; anything else has really been taken away.
            if store.ref(f"runs/{run.workflow}/{run.id}") != old:
                raise


def _count(tx: Transaction, run: Run) -> None:
    """Add a run that ended to the tally of its deploy."""
    if run.deploy is None:
        return
    ref = f"tally/{run.deploy}"
    was = tx.store.ref(ref)
    before = tally(tx.store, run.deploy)
    counts: dict[str, Json] = {**before.counts}
    if run.previous is not None:  # it was counted when it ended the first time
        state = tx.store.get(Run, run.previous).state
        counts[state] = int(str(counts.get(state, 1))) - 1
        if not counts[state]:
            del counts[state]
    counts[run.state] = int(str(counts.get(run.state, 0))) + 1
    newest = max(run.number, before.last or 0)
    tx.move(ref, old=was, new=tx.add_value({"counts": counts, "last": newest}))


def _run_id(created: datetime, last: str | None, random: str) -> str:
    """Return an id that begins with the time and sorts after `last`, even if the clock jumped."""
    stamp = id_time(created)
    if last and last[:19] >= stamp:
        after = datetime.strptime(last[:19], "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC)
        stamp = id_time(after, plus_ms=1)
    return f"{stamp}-{random}"
