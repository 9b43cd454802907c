"""The loop: Plan x Executor x Store -> events.

An outcome is durable before the event that tells of it is yielded. One thread writes, so that tasks
run on while the disk is waited for; what comes meanwhile is the next batch. So the slower the disk,
the more outcomes one flush serves.
"""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from heapq import heappop, heappush
from selectors import EVENT_READ, DefaultSelector
from socket import socketpair
from typing import TYPE_CHECKING

from ork.definition.bindings import NotReady, as_declared, bind, checked, variables, why_skipped
from ork.errors import Conflict, Corrupt, InvalidInput, StoreError
from ork.executors.base import Outcome, make
from ork.failpoints import failpoint
from ork.graph import order as graph
from ork.graph.plan import Plan
from ork.logs.reading import last_words
from ork.objects import canonical, tree
from ork.objects.canonical import Json, Oid
from ork.objects.kinds import (
    BACKOFF_UNIT,
    SECOND,
    Attempt,
    Blob,
    Packed,
    Run,
    Task,
    TaskRun,
    TaskState,
    is_name,
    micros,
    output_of,
)
from ork.objects.value import replace
from ork.runner import owner, record
from ork.runner.brake import NEVER, Brake, end_state, why_stopped
from ork.runner.events import (
    CheckedOut,
    Event,
    RunFinished,
    RunStarted,
    TaskFinished,
    TaskRetried,
    TaskStarted,
)
from ork.runner.target import Target, Terms, place_of
from ork.runner.workplace import Workplace
from ork.store.store import Stamp, Store
from ork.store.verdict import tainted
from ork.worktree.globs import excluded

if TYPE_CHECKING:
    from ork.definition.reach import Reach

GROUP_SECONDS = 0.03  # between two writes: each costs as much as several short tasks
QUIET_SECONDS = 0.05  # a task that runs longer is recorded as running
LOOK_SECONDS = 0.2  # how often `ork cancel` is looked for
LIFE_SECONDS = 1.0  # how often a sign is left that its owner lives
TEND_SECONDS = 1.0  # and where the store is shared; logs go there as often
RETRY_DELAY_SECONDS_MAX = 3600.0
SAID_MAX = 200  # characters of what a task printed last


@dataclass(slots=True)
class Control:
    """Lets a signal handler or another thread stop a run: once gently, twice at once.

    `more` tells who takes the events that the next one is there already: showing may wait for it.
    """

    stops: int = 0
    by: str = "the user"  # who asked first
    more: bool = False
    wake: Callable[[], None] = field(default=lambda: None, repr=False)  # the loop, if it waits
    notice: Callable[[str], None] | None = None  # in the live view, if there is one
    is_saved: Callable[[], bool] | None = None  # what runs again by itself, as another version

    def stop(self, by: str = "the user") -> None:
        """Start nothing more; asked again, kill what runs. `by` stands in the record."""
        if not self.stops:
            self.by = by
        self.stops += 1
        self.wake()


class Loop:
    """The state of one run in this process."""

    record: record.Record

    def __init__(
        self,
        store: Store,
        target: Target,
        terms: Terms,
        environ: Mapping[str, str],
        control: Control,
        *,
        began: float,
        slots: int,
        hidden: Collection[str] = (),
    ) -> None:
        """`began` is when the run was asked for, by a clock that never goes back."""
        self.store, self.target, self.terms, self.environ = store, target, terms, dict(environ)
        self.control, self.began = control, began
        oids = _task_oids(store, target.snapshot)
        self.tasks = store.get_all(Task, oids)
        self.workplace = Workplace(
            store, target, self.tasks, self.environ, hidden=hidden, checkout=terms.checkout
        )
        needs = {name: task.depends_on for name, task in self.tasks.items()}
        self.needs = {name: needs[name] for name in graph.order(needs)}
        anyway = [name for name, task in self.tasks.items() if task.on_upstream_failure == "run"]
        self.before = {name for name, one in terms.before.items() if one.state != "pending"}
        self.plan = Plan(self.needs, anyway, self.before)
        self.states = {n: TaskRun(task=oid, state="pending") for n, oid in oids.items()}
        self.states |= terms.before
        self.outputs = {
            name: as_declared(store.output(one.output), self.tasks[name].output_type)
            for name, one in terms.before.items()
            if one.output
        }
        self.skipped = {name for name, one in terms.before.items() if one.is_unmet}
        self.upstream = {above for task in self.tasks.values() for above in task.depends_on}
        self.inputs: dict[str, dict[str, Json]] = {}
        self.running: dict[str, int] = {}  # task -> attempt
        self.tried: Counter[str] = Counter()  # attempts in this process, for `retries`
        self.delayed: list[tuple[float, str]] = []  # a heap of retries: when, which task
        self.begun: dict[str, float] = {}  # running tasks that are not recorded as such: since when
        self.unsaved: dict[str, TaskRun] = {}
        self.objects = Packed()  # to be written with what is unsaved
        self.sent: dict[Oid, bytes] = {}  # those of the batch that was written last
        self.events: list[Event] = []  # to be told when what they tell of is durable
        self.writing: list[Event] = []  # those of the batch that is being written
        self.told: list[Event] = []  # those that may be told now
        self.writer = ThreadPoolExecutor(1, "ork-writer")
        self.written: Future[None] | None = None  # the batch that is being written
        self.life_at = 0.0  # when the next sign is to be left that we live
        self.tend_at = 0.0  # when the run is to be tended, if its store is shared
        self.write_at = 0.0  # not before this moment, unless nothing else is to come
        self.brake = Brake()
        self.stops = owner.Stops()  # what others have asked, as far as we have looked
        self.culprit: str | None = None  # the task whose failure stops the run
        self.owned = False
        self.failure: str | None = None  # what went wrong here, not in a task
        limit = target.settings.get("max_parallel")
        # Settings are data: with 0 a run would wait for ever.
        self.slots = max(1, min(slots, limit) if isinstance(limit, int) else slots)
        self.selector = DefaultSelector()
        self.executor = make("local", self.slots, self.selector)
        self.bell, self.button = socketpair()  # which wakes the loop
        self.button.setblocking(False)
        self.selector.register(self.bell, EVENT_READ, lambda: self.bell.recv(4096))
        self.control.wake = self._wake

    def begin(self, stamp: Stamp, host: str, token: str) -> Iterator[Event]:
        """Make the pin durable, then the place."""
        target, terms = self.target, self.terms
        environment = self._keep(self.workplace.describe())
        now = time.monotonic()
        if terms.resume:  # when another attempt began no record says
            self.began = now
        if terms.timeout_s is not None:
            self.brake.end_at = now + terms.timeout_s
        pin = Run(
            id="",
            workflow=target.workflow,
            number=0,
            snapshot=target.snapshot,
            deploy=target.deploy,
            state="running",
            trigger=terms.trigger,
            author=stamp.author,
            host=host,
            environment=environment,
            created=stamp.time,
            scheduled=terms.scheduled,
            base=terms.base,
            selected=terms.selected,
            params=self._keep(canonical.encode(dict(terms.params))) if terms.params else None,
            place=self.workplace.kind,
        )
        before = terms.before
        if terms.resume:
            before = record.carried(terms.resume[1], pin, before)
            self.states |= before
        pin = replace(pin, tasks=self._tree(before))
        room = owner.room_of(target.workflow, target.settings)
        if terms.resume:
            self.record = record.resume(self.store, *terms.resume, pin, self.objects, room=room)
        else:
            held = {} if target.deploy else self.store.held
            objects, place = {**held, **self.objects}, place_of(self.store, target)
            self.record = record.begin(
                self.store, pin, objects, random=token, place=place, along=terms.along, room=room
            )
        self.objects, self.owned = Packed(), True
        run = self.record.run
        self.workplace.belong_to(run)
        self.record.shipping = self.workplace.shipping
        self.record.patient = lambda: self.control.stops < 2 and self.failure is None
        failpoint("place.ready")
        folder = self.workplace.checkout
        yield RunStarted(
            run=run,
            tasks=self.needs,
            slots=self.slots,
            folder=str(folder) if folder else None,
        )
        for name in filter(self.before.__contains__, self.needs):  # in the order of the tasks
            kept = terms.resume is not None
            yield TaskFinished(task=name, taskrun=self.states[name], kept=kept)

    def turn(self) -> Iterator[Event]:
        """Start what may start, wait for something to happen, record it, tell of it."""
        self._wait()
        self._start_ready()
        self._save()
        told, self.told = self.told, []
        for count, event in enumerate(told, 1):
            self.control.more = count < len(told)
            yield event
        failpoint("turn.told")

    @property
    def done(self) -> bool:
        """Say whether every task has ended, is durable and told of."""
        return self.plan.done and not (self.written or self.events or self.told)

    def end(self) -> RunFinished:
        """Make the end of the run durable."""
        self.executor.close()
        self.writer.shutdown()
        failed = self.record.failures(self.states)
        stopped, why = self.brake.reason, self._why_stopped()
        state, reason = end_state(self.states, failed, stopped, self.failure, why)
        before = self.terms.resume[1].duration if self.terms.resume else None
        kept = sum(taskrun.is_kept for taskrun in self.states.values())
        ended = replace(
            self.record.run,
            base=self.record.run.base if kept else None,
            state=state,
            reason=reason,
            duration=(before or 0) + micros(time.monotonic() - self.began),
            ended=datetime.now(UTC),
        )
        oid = self.record.end(ended, self.states, self.objects)
        self.owned = False
        states: list[str] = [taskrun.state for taskrun in self.states.values()]
        counts = {state: states.count(state) for state in sorted(set(states))}
        left = self.record.checkout
        return RunFinished(
            oid=oid,
            run=self.record.run,
            states=counts,
            kept=kept,
            unmet=sum(taskrun.is_unmet for taskrun in self.states.values()),
            timed_out=self.brake.reason == "timeout",
            folder=str(left) if left else None,
            tainted=tainted(self.states),
            cut_logs=self.workplace.cut_logs,
        )

    def abandon(self) -> None:
        """Leave no child and no run without an end, whatever happened."""
        try:
            self.executor.close()
            self.writer.shutdown()
            if self.owned and not self.record.lost:
                # What failed first is told: that write may have been done after all.
                with suppress(*((StoreError, Conflict) if self.failure else ())):
                    self._cut_short()
        finally:
            if self.owned:
                self.record.lease.release()
            self.control.wake = lambda: None
            for thing in (self.selector, self.bell, self.button, self.workplace):
                thing.close()

    def _cut_short(self) -> None:
        """Record the end of a run that was not brought to one."""
        self.brake.pull("asked", NEVER)
        self.objects |= self.sent  # that write may have been what failed
        self._take(self.executor.step())
        why = self._why_stopped()
        for name, taskrun in self.states.items():
            if taskrun.state in ("pending", "running") and not self.failure:
                self.states[name] = replace(taskrun, state="cancelled", reason=why)
        self.end()

    def _start_ready(self) -> None:
        sure = False
        while len(self.running) < self.slots and (name := self._next()) is not None:
            if not sure:
                self._renew_place()
                sure = True
            self._start(name)

    def _next(self) -> str | None:
        """Return a task that is to start now."""
        if self.delayed and self.delayed[0][0] <= time.monotonic():
            return heappop(self.delayed)[1]
        return None if self.brake.reason else self.plan.next()

    def _renew_place(self) -> None:
        """Let what starts from now on find the code of the snapshot."""
        self.workplace.look()
        if changed := self.workplace.renew():
            folder = str(self.workplace.checkout)
            self.events.append(CheckedOut(folder=folder, changed=tuple(changed)))

    def _start(self, name: str) -> None:
        task, before = self.tasks[name], self.states[name]
        attempt = len(before.attempts) + 1
        try:
            if name not in self.inputs:
                if why := why_skipped(task, self.outputs, self.terms.params, self.skipped):
                    self.skipped.add(name)
                    self._finish(name, replace(before, state="skipped", reason=why))
                    return
                self.inputs[name] = bind(task, self.outputs, self.terms.params)
            job = self.workplace.enter(
                name,
                task,
                attempt,
                inputs=self.inputs[name],
                variables=variables(task, self.outputs, self.terms.params, self.environ),
                upstream={up: _how(self.states[up]) for up in task.depends_on},
            )
        except NotReady as error:
            reason = str(error).partition("\n")[0]
            self._finish(name, replace(before, state="failed", reason=reason))
            return
        self.running[name] = attempt
        self.tried[name] += 1
        self.states[name] = TaskRun(task=before.task, state="running", attempts=before.attempts)
        self.begun[name] = time.monotonic()
        failpoint("task.chosen")
        self.executor.start(name, job)
        failpoint("task.submitted")
        log = self.workplace.log(name)
        self.events.append(TaskStarted(task=name, attempt=attempt, time=datetime.now(UTC), log=log))

    def _wait(self) -> None:
        """Wait until something happens, or is due; take what has ended."""
        if self.running or self.delayed or self.written:
            for key, _ in self.selector.select(max(0.0, self._wait_until() - time.monotonic())):
                key.data()
            self._take(self.executor.step())
            if self.written and self.written.done():
                self._saved(self.written)
        self._look_around()

    def _wait_until(self) -> float:
        """Return when something is due, whatever happens until then."""
        now = time.monotonic()
        retry_at = self.delayed[0][0] if self.delayed else NEVER
        until = min(retry_at, self.brake.look_at, self.executor.step_at, now + LOOK_SECONDS)
        if self.begun:
            until = min(until, now + QUIET_SECONDS)
        if self.unsaved and not self.written:
            until = min(until, self.write_at)
        return until

    def _wake(self) -> None:
        """Let the loop look around; called from other threads and by signals."""
        with suppress(OSError):  # it knows already, or waits no more
            self.button.send(b"!")

    def _look_around(self) -> None:
        """See whether the run is to stop, and act on it."""
        now = time.monotonic()
        if now >= self.life_at:
            self.workplace.show_life()
            self.life_at = now + LIFE_SECONDS
        self.stops = self._asked()  # each time: once a stop is asked for, nothing more starts
        asked = max(self.control.stops, self.stops.times)
        grace = self.brake.look(now, asked)
        if grace is not None:
            self.executor.stop(grace_s=grace)
        if self.brake.reason:
            self._cancel_waiting()

    def _asked(self) -> owner.Stops:
        """Return what others have asked us; the writer looks where that takes long."""
        if self.store.shared:
            return self.record.asked
        try:
            return owner.stops_asked(self.store, self.record.run)
        except StoreError:
            if self.written:  # one that fails opens the store anew beneath us: that is to be told
                self._saved(self.written)
            raise

    def _why_stopped(self) -> str:
        """Return why the run stops, if it does: who asked for it, here or in another process."""
        by = self.control.by if self.control.stops else self.stops.by or self.control.by
        return why_stopped(
            self.brake.reason,
            self.failure,
            timeout_s=self.terms.timeout_s,
            by=by.partition(" <")[0] or by,
            task=self.culprit,
        )

    def _cancel_waiting(self) -> None:
        why = self._why_stopped()
        names = [name for _, name in self.delayed]
        self.delayed.clear()
        while names := [*names, *self.plan.drop_ready()]:
            for name in names:
                self._finish(name, replace(self.states[name], state="cancelled", reason=why))
            names = []

    def _take(self, outcomes: list[tuple[str, Outcome]]) -> None:
        """Take what has ended, once it is known what was touched meanwhile."""
        if outcomes:
            self.workplace.look()
        for name, outcome in outcomes:
            self._outcome(name, outcome)

    def _outcome(self, name: str, outcome: Outcome) -> None:
        failpoint("outcome.arrived")
        number = self.running.pop(name)
        self.begun.pop(name, None)
        task, before = self.tasks[name], self.states[name]
        state: TaskState = outcome.state
        error, kept = outcome.error, None
        if state == "success":
            try:
                output = checked(outcome.output, task.output_type, "output")
                kept, text, blob = output_of(output)
                self.objects |= blob
                if name in self.upstream:
                    # What follows gets what a retry or another run gets, which read the record.
                    self.outputs[name] = as_declared(canonical.read(text), task.output_type)
            except (NotReady, InvalidInput) as problem:
                state, error = "failed", str(problem)
                if task.executor == "process" and outcome.output is None:
                    error += ": has it printed a line `ORK_OUTPUT:{...}`?"
        place, touched, log = self.workplace.leave(name, number, outcome)
        if log and re.fullmatch(r"exited with code \d.*", error or ""):  # which alone tells not why
            said = last_words(self.store, log)
            error = f"{error}: {said[:SAID_MAX]}" if said else error
        attempt = Attempt(
            number=number,
            place=None if place == self.record.run.place else place,
            tainted=self._executed(name, touched) if touched else (),
            state=state,
            started=outcome.started,
            error=error,
            exit=outcome.exit,
            duration=micros(outcome.seconds),
            signal=outcome.signal,
            log=log,
        )
        after = TaskRun(
            task=before.task,
            state=state,
            output=kept,
            attempts=(*before.attempts, attempt),
            reason=self._why_stopped() if state == "cancelled" else attempt.reason,
        )
        if state == "failed" and self.tried[name] <= task.retries and not self.brake.reason:
            delay = retry_delay(task, self.tried[name])
            heappush(self.delayed, (time.monotonic() + delay, name))
            self._note(name, replace(after, state="pending"))
            self.events.append(
                TaskRetried(
                    task=name,
                    attempt=number,
                    time=attempt.ended,
                    error=error or "failed",
                    delay=delay,
                )
            )
            return
        self._finish(name, after)

    def _finish(self, name: str, taskrun: TaskRun) -> None:
        self.inputs.pop(name, None)
        del self.tried[name]
        self._note(name, taskrun)
        self.events.append(TaskFinished(task=name, taskrun=taskrun))
        if taskrun.state == "failed" and self.terms.fail_fast:
            self.culprit = self.culprit or name
            self.brake.pull("failure", time.monotonic())
        ok = taskrun.state in ("success", "skipped")
        for doomed, cause in self.plan.finish(name, ok=ok):
            stopped = taskrun.state == "cancelled"
            state: TaskState = "cancelled" if stopped else "upstream_failed"
            how = "failed" if self.states[cause].state == "failed" else "did not succeed"
            reason = taskrun.reason if stopped else f"{cause} {how}"
            lost = replace(self.states[doomed], state=state, reason=reason)
            self._note(doomed, lost)
            self.events.append(TaskFinished(task=doomed, taskrun=lost))

    def _executed(self, name: str, touched: set[str]) -> tuple[str, ...]:
        """Return which of the files that were touched an attempt may have executed, sorted."""
        if not self._reach[name].complete:
            return tuple(sorted(touched))
        anybody = touched.difference(*(its.files for its in self._reach.values()))
        return tuple(sorted(touched & self._reach[name].files | anybody))

    @cached_property
    def _reach(self) -> dict[str, Reach]:
        """What each task executes; the code is read for it, so only when a file was touched."""
        from ork.worktree.reached import reached

        captured = self.store.snapshot(self.target.snapshot).files
        return reached(self.store, captured, self.tasks, excluded(self.target.settings))

    def _note(self, name: str, taskrun: TaskRun) -> None:
        self.states[name] = self.unsaved[name] = taskrun

    def _tree(self, before: Mapping[str, TaskRun]) -> Oid | None:
        """Return a tree of what is known of tasks before any starts; None where nothing is."""
        known = {n: t for n, t in before.items() if t.state != "pending" or t.attempts}
        return tree.build(known, self.objects.add, TaskRun) if known else None

    def _keep(self, content: bytes) -> Oid:
        return self.objects.add(Blob(content))

    def _save(self) -> None:
        """Hand what has happened to the writer, if it is free; tell what needs no writing."""
        now = time.monotonic()
        if self.written:
            return
        tend = self.store.shared and now >= self.tend_at
        if now < self.write_at and self.running and not tend:
            return
        late = now - QUIET_SECONDS
        for name in [name for name, since in self.begun.items() if since <= late]:
            del self.begun[name]
            self._note(name, self.states[name])
        if not self.unsaved:
            self.told += self.events
            self.events = []
            if not tend:
                return
        self.writing, self.events = self.events, []
        self.written = self.writer.submit(self._write, self.unsaved, self.objects, tend)
        self.written.add_done_callback(lambda _: self._wake())
        self.unsaved, self.objects, self.sent = {}, Packed(), self.objects

    def _write(
        self, unsaved: Mapping[str, TaskRun], objects: Mapping[Oid, bytes], tend: bool
    ) -> None:
        if unsaved:
            self.record.save(unsaved, objects)
        if tend:
            self.record.tend()
            self.tend_at = time.monotonic() + TEND_SECONDS

    def _saved(self, written: Future[None]) -> None:
        self.written = None
        self.write_at = time.monotonic() + GROUP_SECONDS
        written.result()  # raises what went wrong
        self.told += self.writing
        self.writing = []


def _how(taskrun: TaskRun) -> TaskState:
    """Return how a task ended, for those that need it: one whose output is there succeeded."""
    return taskrun.state if taskrun.output is None else "success"


def retry_delay(task: Task, failed: int) -> float:
    """Return the seconds before the next attempt: what is written or, with a backoff, more.

    That is drawn from what is written to the same times a power of the factor, which is capped: so
    many that fail at once do not come again at once, and none gives up earlier than without it.
    """
    seconds, factor = task.retry_delay / SECOND, task.retry_backoff / BACKOFF_UNIT
    try:
        most = min(seconds * factor ** (failed - 1), RETRY_DELAY_SECONDS_MAX)
    except OverflowError:
        most = RETRY_DELAY_SECONDS_MAX if seconds else 0.0
    return random.uniform(seconds, most) if factor > 1 else seconds


def _task_oids(store: Store, snapshot: Oid) -> dict[str, Oid]:
    """Return name -> task of a snapshot; raise Corrupt if a name is none, since logs have it."""
    tasks = store.snapshot(snapshot).tasks
    for name in tasks:
        if not is_name(name):
            raise Corrupt(f"the snapshot has a task with a name that is none: {name[:100]!r}")
    return dict(tasks)
