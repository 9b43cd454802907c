"""Tasks on this machine: programs and warm workers, heard and ended in time by whoever calls.

Nothing here waits. What happens to children is heard through the selector of the caller; what is
due by the clock is done in `step`. Only to start a program takes long, since the kernel has to load
it: a few threads do that and nothing else.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector
from typing import TypeVar

from ork.executors.attempt import FOREVER, Attempt
from ork.executors.base import Ending, Job, Outcome
from ork.executors.child import Child
from ork.executors.process_tree import Guard, end_orphans, hear_of_ends
from ork.executors.worker import Answer, Worker, kind_of, outcome_of

TIMEOUT_GRACE_S = 2.0  # between SIGTERM and SIGKILL when a task has taken too long
STARTERS_MAX = 4  # threads; more of them only wait for each other
ANSWER_S = 1.0  # between two parts of an answer, which come as fast as ork takes them
POLL_S = 0.01  # how often a tree is looked at where nothing tells of its end
AnyChild = TypeVar("AnyChild", bound=Child)


class Local:
    """Run python and library jobs in warm workers, process jobs as processes."""

    def __init__(self, slots: int, selector: BaseSelector) -> None:
        self.slots = slots
        self.step_at = FOREVER
        self._selector = selector
        self._children: dict[Child, None] = {}  # all that live
        self._idle: list[Worker] = []
        self._ended: list[tuple[str, Outcome]] = []
        self._starting: dict[Future[Child], Attempt] = {}
        self._starters: ThreadPoolExecutor | None = None
        self._alarm = (-1, -1)  # written to when a program has been started
        self._guard: Guard | None = None
        self._closed = False

    def start(self, name: str, job: Job) -> None:
        """Start a job."""
        if self._closed:
            raise RuntimeError("the executor is closed")
        attempt = Attempt(name, job)
        try:
            if self._guard is None:
                hear_of_ends()
                self._guard = Guard()
            if job.executor == "process":
                self._start_program(attempt, self._guard.mark)
            else:
                self._watch_over(self._start_worker(attempt, self._guard.mark), attempt)
        except (OSError, ValueError) as error:
            self._failed(attempt, error)

    def step(self) -> list[tuple[str, Outcome]]:
        """Do what is due by now; return what has ended."""
        now = time.monotonic()
        if now >= self.step_at:
            again = [self._look(child, now) for child in [*self._children]]
            self.step_at = min(again, default=FOREVER)
        ended, self._ended = self._ended, []
        return ended

    def stop(self, *, grace_s: float) -> None:
        """Ask every running job to end, kill it after the grace."""
        for child in [*self._children]:
            self._take_in(child)
            if child.attempt is not None:
                self._end(child, child.attempt, "cancelled", "stopped", grace_s)
        for attempt in self._starting.values():
            self._end(None, attempt, "cancelled", "stopped", grace_s)
        self.step_at = 0.0

    def close(self) -> None:
        """Kill what still runs and leave no process behind. Idempotent."""
        self._closed = True
        self.stop(grace_s=0.0)
        try:
            self._end_starting()
        finally:
            for child in [*self._children]:
                self._gone(child)
            if self._guard is not None:
                self._guard.dismiss()
            end_orphans()

    # Children come,

    def _start_program(self, attempt: Attempt, mark: str) -> None:
        from ork.executors.process import Program  # not for each run

        if self._starters is None:
            self._alarm = os.pipe()
            for file in self._alarm:
                os.set_blocking(file, False)
            self._selector.register(self._alarm[0], EVENT_READ, self._started)
            threads = min(self.slots, STARTERS_MAX)
            self._starters = ThreadPoolExecutor(threads, "ork-starter")
        starting: Future[Child] = self._starters.submit(Program, attempt, mark)
        self._starting[starting] = attempt
        starting.add_done_callback(lambda _: os.write(self._alarm[1], b"!"))

    def _started(self) -> None:
        """Take the programs that have been started, or could not be."""
        with suppress(BlockingIOError):
            os.read(self._alarm[0], 4096)
        for starting in [starting for starting in self._starting if starting.done()]:
            attempt = self._starting.pop(starting)
            try:
                child = self._follow(starting.result(), attempt)
            except (OSError, ValueError) as error:
                self._failed(attempt, error)
                continue
            self._watch_over(child, attempt)
            if attempt.state is not None:  # stopped while it was started
                child.tree.terminate()
                self.step_at = 0.0

    def _end_starting(self) -> None:
        """Wait for the threads that start programs, and do without them."""
        if self._starters is None:
            return
        self._starters.shutdown()
        self._starters = None
        try:
            self._started()
        finally:
            self._unwatch(self._alarm[0])
            for file in self._alarm:
                os.close(file)

    def _failed(self, attempt: Attempt, error: OSError | ValueError) -> None:
        """Tell that an attempt could not start; a ValueError is what no program can be given."""
        failure = attempt.outcome("failed", f"cannot start: {describe(error)}")
        self._ended.append((attempt.name, failure))
        self.step_at = 0.0

    def _watch_over(self, child: Child, attempt: Attempt) -> None:
        """See to it that the child is looked at when the attempt has taken too long."""
        told = child.tree.pidfd >= 0
        self.step_at = min(self.step_at, attempt.deadline if told else attempt.begun + POLL_S)

    def _start_worker(self, attempt: Attempt, mark: str) -> Child:
        job = attempt.job
        kind = kind_of(job)
        while (idle := None if job.fresh else self._fitting(kind)) is not None:
            self._idle.remove(idle)
            idle.complete()  # what it has printed since its last task is nobody's
            try:
                self._tell(idle, job)
            except OSError:  # it died while it was idle, which is nothing to this job
                self._dismiss(idle)
                continue
            idle.attempt = attempt
            idle.tree.work()
            return idle
        workers = sum(isinstance(child, Worker) for child in self._children)
        if self._idle and workers >= self.slots:
            self._dismiss(self._idle[0])
        worker = self._follow(Worker(job, kind, mark), attempt)
        with suppress(OSError):  # its end is noticed and told elsewhere
            self._tell(worker, job)
        return worker

    def _fitting(self, kind: tuple[object, ...]) -> Worker | None:
        return next((worker for worker in reversed(self._idle) if worker.kind == kind), None)

    def _follow(self, child: AnyChild, attempt: Attempt) -> AnyChild:
        """Hear from now on what the child prints, and when it has ended."""
        self._children[child] = None
        calls = {child.printed: partial(self._hear, child)}
        calls[child.tree.pidfd] = partial(self._left, child)
        if isinstance(child, Worker):
            calls[child.socket.fileno()] = partial(self._talk, child)
        try:
            for file, call in calls.items():
                if file >= 0:
                    self._selector.register(file, EVENT_READ, call)
        except BaseException:
            self._dismiss(child)
            raise
        child.attempt = attempt
        return child

    # and go.

    def _left(self, child: Child) -> None:
        """React to the end of a child's first process; the others may still have their grace."""
        self._unwatch(child.tree.pidfd)
        if child in self._children:
            self._look(child, time.monotonic())

    def _look(self, child: Child, now: float) -> float:
        """Do all that is due for a child; return when to look at it again."""
        if child.attempt is not None and now >= child.attempt.deadline:
            self._take_in(child)
        attempt, tree, again = child.attempt, child.tree, FOREVER
        if attempt is not None and attempt.state is None and now >= attempt.deadline:
            words = f"timed out after {attempt.job.timeout_s:g} s{attempt.late}"
            self._end(child, attempt, "failed", words, TIMEOUT_GRACE_S)
        if attempt is not None and attempt.state is not None:
            over = now >= attempt.kill_at or tree.quiet()
            again = min(attempt.kill_at, now + POLL_S)
        else:
            over = tree.status() is not None
            if attempt is not None:
                again = attempt.deadline if tree.pidfd >= 0 else min(attempt.deadline, now + POLL_S)
        if not over:
            return again
        self._gone(child)
        return FOREVER

    def _take_in(self, child: Child) -> None:
        """Take the answer or the end of a child, which nobody may have listened to for seconds."""
        if child.attempt is None or child.attempt.state is not None:
            return
        if isinstance(child, Worker):
            self._talk(child)
        if child.attempt is not None and child.tree.status() is not None:
            self._gone(child)

    def _end(
        self, child: Child | None, attempt: Attempt, state: Ending, error: str, grace_s: float
    ) -> None:
        """Begin to stop an attempt; the first reason counts, and the shortest grace."""
        if attempt.state is None:
            attempt.state, attempt.error = state, error
            if grace_s > 0 and child is not None:
                child.tree.terminate()
        attempt.kill_at = min(attempt.kill_at, time.monotonic() + grace_s)

    def _gone(self, child: Child) -> None:
        """Finish what a child worked for, kill what is left of it, and forget it."""
        if isinstance(child, Worker):
            self._talk(child)  # it may have answered before it ended
        if child not in self._children:
            return
        attempt = child.attempt
        child.tree.kill_rest()
        child.complete()
        self._forget(child)
        if attempt is not None:
            status = child.tree.status()
            # None: stuck in the kernel, where not even SIGKILL ends it. It is as good as gone.
            outcome = child.outcome(attempt, -9 if status is None else status)
            self._ended.append((attempt.name, outcome))

    def _dismiss(self, child: Child) -> None:
        """Kill a child and all it started."""
        self._forget(child)
        child.tree.kill()

    def _forget(self, child: Child) -> None:
        del self._children[child]
        child.attempt = None
        for file in child.files():
            self._unwatch(file)
        if isinstance(child, Worker) and child in self._idle:
            self._idle.remove(child)
        child.close()

    def _unwatch(self, file: int) -> None:
        """Wait no longer for something to be read here, if anybody does."""
        try:
            self._selector.unregister(file)
        except (KeyError, ValueError):  # a ValueError: there is no such file
            pass

    # What they print, and what workers say.

    def _hear(self, child: Child) -> None:
        if child.hear() < 0:
            self._unwatch(child.printed)

    def _talk(self, worker: Worker) -> None:
        """Take what a worker has sent: nothing, a part of its answer, the answer, or its end."""
        if worker not in self._children:
            return
        attempt, before = worker.attempt, len(worker.received)
        if worker.unsent:
            with suppress(OSError):
                worker.send()
            if not worker.unsent and not worker.silent:
                self._selector.modify(worker.socket, EVENT_READ, partial(self._talk, worker))
        answer = worker.read()
        if worker.silent:
            # With a task in it, either the worker is ending, or the task has closed the socket;
            # then the end of the process will tell.
            self._unwatch(worker.socket.fileno())
        if attempt is None:
            if worker.silent or worker.received or answer:
                self._dismiss(worker)  # nobody asked
        elif answer is not None:
            self._answered(worker, attempt, answer)
        elif len(worker.received) > before:  # the task has ended: nothing else sends
            attempt.deadline = max(attempt.deadline, time.monotonic() + ANSWER_S)

    def _answered(self, worker: Worker, attempt: Attempt, answer: Answer) -> None:
        then = answer["then"]
        if then == "end":
            worker.ending(attempt, answer)
            return
        attempt.ended_at(answer.get("at"))
        keep = then == "wait" or (then == "look" and not worker.tree.left_over())
        worker.complete()
        worker.attempt = None
        if keep and attempt.state is None:
            self._idle.append(worker)
            worker.tree.rest()
        else:
            self._dismiss(worker)
        self._ended.append((attempt.name, outcome_of(attempt, answer)))

    def _tell(self, worker: Worker, job: Job) -> None:
        """Send a job to a worker; what it does not take at once is sent when it can."""
        worker.tell(job)
        if worker.unsent:
            both = EVENT_READ | EVENT_WRITE
            self._selector.modify(worker.socket, both, partial(self._talk, worker))


def describe(error: OSError | ValueError) -> str:
    """Say in words why something does not start."""
    if isinstance(error, ValueError):
        return str(error)
    text = error.strerror or str(error)
    return f"{os.fsdecode(error.filename)}: {text}" if error.filename else text
