"""The loop: Plan x Executor x Store -> events.

An outcome is durable before the event that tells of it is yielded. Outcomes that arrive together
are written together, so one flush serves many tasks.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from heapq import heappop, heappush
from pathlib import Path
from queue import Empty, SimpleQueue

from ork.core import canonical, graph, tree
from ork.core.canonical import Json, Oid, hash_bytes
from ork.core.job import Job, Outcome
from ork.core.objects import (
    Attempt,
    Blob,
    Run,
    Snapshot,
    Task,
    TaskRun,
    encode_object,
)
from ork.core.plan import Plan
from ork.errors import InvalidInput
from ork.executors.base import Executor
from ork.runner import prepare, record
from ork.runner.environment import describe
from ork.runner.events import (
    Event,
    RunFinished,
    RunStarted,
    TaskFinished,
    TaskRetried,
    TaskStarted,
)
from ork.runner.prepare import NotReady
from ork.store.store import Stamp, Store

RETRY_DELAY_SECONDS_MAX = 3600.0
LINGER_SECONDS = 2.0  # after the first request to stop, tasks may end by themselves this long
GRACE_SECONDS = 3.0  # then they are asked, and after this killed
STOPPED = "the run was stopped"
QUIET_SECONDS = 0.05  # a task that runs longer is recorded as running


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is to run: a snapshot, where it came from, and the folder its tasks work in."""

    workflow: str
    snapshot: Oid
    deploy: Oid | None
    settings: Mapping[str, Json]
    root: Path


@dataclass(slots=True)
class Control:
    """Lets a signal handler or another thread stop a run: once gently, twice at once."""

    inbox: SimpleQueue[tuple[str, Outcome] | None] = field(default_factory=SimpleQueue)
    stops: int = 0

    def stop(self) -> None:
        """Start nothing more; asked again, kill what runs."""
        self.stops += 1
        self.inbox.put(None)


class Loop:
    """The state of one run in this process."""

    def __init__(
        self, store: Store, target: Target, executor: Executor,
        environ: Mapping[str, str], control: Control,
    ) -> None:  # fmt: skip
        self.store, self.target, self.executor, self.control = store, target, executor, control
        self.base = environ
        snapshot = store.get(Snapshot, target.snapshot)
        self.snapshot = snapshot
        entries = tree.entries(store.tree, snapshot.tasks)
        self.oids = {name: Oid(str(oid)) for name, oid in entries.items()}
        self.tasks = {name: store.get(Task, oid) for name, oid in self.oids.items()}
        needs = {name: task.depends_on for name, task in self.tasks.items()}
        self.needs = {name: needs[name] for name in graph.order(needs)}
        anyway = [name for name, task in self.tasks.items() if task.on_upstream_failure == "run"]
        self.plan = Plan(self.needs, anyway)
        self.states = {n: TaskRun(task=oid, state="pending") for n, oid in self.oids.items()}
        self.outputs: dict[str, Json] = {}
        self.inputs: dict[str, dict[str, Json]] = {}
        self.running: dict[str, int] = {}  # task -> attempt
        self.unsaved: dict[str, TaskRun] = {}
        self.objects: dict[Oid, bytes] = {}
        self.delayed: list[tuple[float, str]] = []  # a heap of retries: when, which task
        self.stops_seen = 0
        self.stop_at: float | None = None
        self.record: record.Record | None = None
        limit = target.settings.get("max_parallel")
        self.slots = min(executor.slots, limit) if isinstance(limit, int) else executor.slots

    def begin(self, stamp: Stamp, host: str, trigger: str, token: str) -> Iterator[Event]:
        """Make the pin durable, then prepare the code."""
        target = self.target
        self.python = prepare.interpreter(target.settings, target.root, self.base)
        blob = encode_object(Blob(describe(self.python)))
        self.clock = time.monotonic()
        pin = Run(
            id="", workflow=target.workflow, number=0, snapshot=target.snapshot,
            deploy=target.deploy, state="running", trigger=trigger, author=stamp.author,
            host=host, environment=hash_bytes(blob), created=stamp.time,
        )  # fmt: skip
        held = {oid: data for oid, data in self.store.held().items() if not target.deploy}
        self.record = record.begin(
            self.store, pin, objects={**held, hash_bytes(blob): blob}, random=token
        )
        run = self.record.run
        self.logs = f"{run.workflow}/{run.id}"
        self.code = record.code_folder(self.store, run.id)
        scripts = any(task.executor == "process" for task in self.tasks.values())
        root = target.root if target.root.is_dir() else None
        self.files = prepare.write_code(
            self.store, self.snapshot, self.code, beside=root if scripts else None
        )
        self.root = str(root or self.code)
        self.extra = {
            "ORK_RUN_ID": run.id, "ORK_WORKFLOW_NAME": run.workflow,
            "ORK_SNAPSHOT": run.snapshot,
        }  # fmt: skip
        tasks = {name: tuple(needs) for name, needs in self.needs.items()}
        yield RunStarted(run=run, tasks=tasks, slots=self.slots)

    def turn(self) -> Iterator[Event]:
        """Start what may start, wait for something to happen, record it, tell of it."""
        events: list[Event] = []
        self._collect(events)
        self._start_ready(events)
        if not all(isinstance(event, TaskStarted) for event in events):
            self._save()
        yield from events

    def end(self) -> RunFinished:
        """Make the end of the run durable."""
        assert self.record is not None
        self.executor.close()
        states = [taskrun.state for taskrun in self.states.values()]
        counts = {state: states.count(state) for state in sorted(set(states))}
        if self.stops_seen:
            state, reason = "cancelled", "stopped by the user"
        elif any(s not in ("success", "skipped") for s in states):
            failed = sorted(n for n, t in self.states.items() if t.state == "failed")
            state, reason = "failed", "failed: " + ", ".join(failed[:10])
        else:
            state, reason = "success", None
        seconds = round(time.monotonic() - self.clock, 6)
        ended = replace(self.record.run, state=state, reason=reason, seconds=seconds,
                        ended=datetime.now(UTC))  # fmt: skip
        oid = self.record.end(ended, self.states)
        return RunFinished(oid=oid, run=self.store.get(Run, oid), states=counts)

    def abandon(self) -> None:
        """Leave no child and no run without an end, whatever happened."""
        self.executor.close()
        if self.record is None or self.record.lock is None:
            return
        if self.record.run.ended is None:
            self.stops_seen += 1
            for name in self.running:
                self.states[name] = replace(self.states[name], state="cancelled")
            self.end()
        self.record.release()

    def _start_ready(self, events: list[Event]) -> None:
        now = time.monotonic()
        while self.delayed and self.delayed[0][0] <= now and len(self.running) < self.slots:
            self._start(heappop(self.delayed)[1], events)
        while len(self.running) < self.slots and not self.stops_seen:
            name = self.plan.next()
            if name is None:
                return
            self._start(name, events)

    def _start(self, name: str, events: list[Event]) -> None:
        task = self.tasks[name]
        attempt = len(self.states[name].attempts) + 1
        try:
            if name not in self.inputs:
                self.inputs[name] = prepare.bind(task, self.outputs)
                self._note(name, replace(self.states[name], inputs=self._keep(self.inputs[name])))
            environ = prepare.environment(
                task, name, base=self.base, extra=self.extra, attempt=attempt
            )
        except NotReady as error:
            self._finish(name, replace(self.states[name], state="failed", reason=str(error)),
                         events)  # fmt: skip
            return
        log = f"{self.logs}/{name}.{attempt}.log"
        job = Job(
            key=f"{name}.{attempt}", executor=task.executor, file=task.file, module=task.module,
            command=task.command, function=task.function, inputs=self.inputs[name],
            input_type=task.input_type, output_type=task.output_type, environment=environ,
            root=self.root, code=str(self.code), files=self.files, python=self.python,
            timeout_s=task.timeout, log=str((self.store.folder or Path.cwd()) / "logs" / log),
        )  # fmt: skip
        self.running[name] = attempt
        self._note(name, replace(self.states[name], state="running"))
        inbox = self.control.inbox
        future = self.executor.submit(job)
        future.add_done_callback(lambda done: inbox.put((name, done.result())))
        events.append(TaskStarted(task=name, attempt=attempt, time=datetime.now(UTC), log=log))

    def _collect(self, events: list[Event]) -> None:
        """Wait for outcomes or a request to stop, if there is anything to wait for."""
        if not self.running and not self.delayed and self.control.stops == self.stops_seen:
            return
        first = self._wait()
        while True:
            if first is not None:
                self._outcome(*first, events)
            if self.control.stops > self.stops_seen:
                self._stop(events)
            try:
                first = self.control.inbox.get_nowait()
            except Empty:
                break
        if self.stops_seen:
            self._cancel_ready(events)

    def _wait(self) -> tuple[str, Outcome] | None:
        inbox = self.control.inbox
        until = [at for at in (self.stop_at, self.delayed[0][0] if self.delayed else None) if at]
        timeout = max(0.0, min(until) - time.monotonic()) if until else None
        try:
            if self.unsaved and (timeout is None or timeout > QUIET_SECONDS):
                try:
                    return inbox.get(timeout=QUIET_SECONDS)
                except Empty:
                    self._save()
            return inbox.get(timeout=timeout) if self.running or timeout else None
        except Empty:
            if self.stop_at and time.monotonic() >= self.stop_at:
                self.stop_at = None
                self.executor.stop(grace_s=GRACE_SECONDS)
            return None

    def _stop(self, events: list[Event]) -> None:
        self.stops_seen = self.control.stops
        for _, name in self.delayed:
            self._cancel(name, events)
        self.delayed.clear()
        if self.stops_seen > 1:
            self.stop_at = None
            self.executor.stop(grace_s=0)
        else:
            self.stop_at = time.monotonic() + LINGER_SECONDS

    def _outcome(self, name: str, outcome: Outcome, events: list[Event]) -> None:
        number = self.running.pop(name)
        task, before = self.tasks[name], self.states[name]
        state, error, output = outcome.state, outcome.error, None
        if state == "success":
            try:
                output = prepare.checked(outcome.output, task.output_type, "output")
                oid = self._keep(output)
            except (NotReady, InvalidInput) as problem:
                state, error = "failed", str(problem)
        attempt = Attempt(
            number=number, state=state, started=outcome.started, error=error, exit=outcome.exit,
            seconds=round(outcome.seconds, 6), signal=outcome.signal,
            log=f"{self.logs}/{name}.{number}.log",
        )  # fmt: skip
        after = replace(before, state=state, attempts=(*before.attempts, attempt))
        if state == "success":
            self.outputs[name] = output
            after = replace(after, output=oid)
        elif state == "failed":
            after = replace(after, reason=(error or "failed").partition("\n")[0])
            if number <= task.retries and not self.control.stops:
                delay = _delay(task, number)
                heappush(self.delayed, (time.monotonic() + delay, name))
                self._note(name, replace(after, state="pending"))
                events.append(TaskRetried(task=name, attempt=number, error=error or "failed",
                                          delay=delay))  # fmt: skip
                return
        self._finish(name, after, events)

    def _finish(self, name: str, taskrun: TaskRun, events: list[Event]) -> None:
        self._note(name, taskrun)
        events.append(TaskFinished(task=name, taskrun=taskrun))
        ok = taskrun.state == "success"
        for doomed, upstream in self.plan.finish(name, ok=ok):
            stopped = taskrun.state == "cancelled"
            state = "cancelled" if stopped else "upstream_failed"
            reason = STOPPED if stopped else f"{upstream} did not succeed"
            lost = replace(self.states[doomed], state=state, reason=reason)
            self._note(doomed, lost)
            events.append(TaskFinished(task=doomed, taskrun=lost))

    def _cancel_ready(self, events: list[Event]) -> None:
        while names := self.plan.drop_ready():
            for name in names:
                self._cancel(name, events)

    def _cancel(self, name: str, events: list[Event]) -> None:
        taskrun = replace(self.states[name], state="cancelled", reason=STOPPED)
        self._finish(name, taskrun, events)

    def _note(self, name: str, taskrun: TaskRun) -> None:
        self.states[name] = taskrun
        self.unsaved[name] = taskrun

    def _keep(self, value: Json) -> Oid:
        data = encode_object(Blob(canonical.encode(value)))
        oid = hash_bytes(data)
        self.objects[oid] = data
        return oid

    def _save(self) -> None:
        if self.unsaved and self.record:
            self.record.save(self.unsaved, self.objects)
        self.unsaved, self.objects = {}, {}


def _delay(task: Task, failed: int) -> float:
    """Return the seconds before the next attempt: exponential, capped, with full jitter.

    Without backoff the delay is the same each time, as written.
    """
    delay = min(task.retry_delay * task.retry_backoff ** (failed - 1), RETRY_DELAY_SECONDS_MAX)
    return random.uniform(0, delay) if task.retry_backoff > 1 else delay
