"""One thread watches attempts: it starts them while slots are free and ends them in time.

It knows trees and deadlines. The executors built on it know how an attempt starts and what it says.
"""

from __future__ import annotations

import os
import selectors
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from socket import socket

from ork.executors.attempt import FOREVER, Attempt
from ork.executors.base import Ending, Job, Outcome
from ork.executors.logfile import REST_BYTES_MAX, create
from ork.executors.process_tree import Guard, Tree, hear_of_ends

TIMEOUT_GRACE_S = 2.0  # between SIGTERM and SIGKILL when a task has taken too long
SLEEP_SECONDS_MAX = 3600.0  # for a timeout of 25 days is more than the kernel takes at once
POLL_S = 0.01  # how often a tree is looked at where nothing tells of its end


class Supervisor:
    """The life of attempts: waiting, running, stopped in time. Base of the local executors."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._lock = threading.RLock()
        self._waiting: deque[Attempt] = deque()
        self._running: dict[Attempt, None] = {}
        self._closed = False
        self._selector: selectors.BaseSelector  # as long as there is a thread
        self._thread: threading.Thread | None = None
        self._wake_at = FOREVER  # the thread sleeps until then
        self._alarm = (-1, -1)
        self._guard: Guard | None = None

    def submit(self, job: Job) -> Future[Outcome]:
        """Start the job, or keep it until a slot is free."""
        attempt = Attempt(job)
        with self._lock:
            if self._closed:
                raise RuntimeError("the executor is closed")
            if self._thread is None:
                try:
                    self._open()
                except OSError as error:  # no descriptor left, say: the next job may have luck
                    failure = attempt.outcome("failed", f"cannot start: {describe(error)}")
                    attempt.future.set_result(failure)
                    return attempt.future
            if len(self._running) >= self.slots:
                self._waiting.append(attempt)
                return attempt.future
            self._running[attempt] = None
        try:
            self._begin(attempt)
        except BaseException:  # a defect of ours: `close` would wait for it for ever
            with self._lock:
                self._running.pop(attempt, None)
            raise
        return attempt.future

    def stop(self, *, grace_s: float) -> None:
        """Ask every running job to end, kill it after the grace; waiting ones never start."""
        with self._lock:
            waiting, self._waiting = self._waiting, deque()
            for attempt in self._running:
                self._end(attempt, "cancelled", "stopped", grace_s)
            self._look_at(0.0)
        for attempt in waiting:
            attempt.future.set_result(attempt.outcome("cancelled", "stopped before it started"))

    def close(self) -> None:
        """Kill what still runs, wait for that and release everything. Idempotent."""
        with self._lock:
            self._closed = True
        self.stop(grace_s=0.0)
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    @property
    def _mark(self) -> str:
        """Return the word that the cookies of all trees must contain."""
        return "" if self._guard is None else self._guard.mark

    # What an executor supplies.

    def _start(self, attempt: Attempt) -> None:
        """Start the attempt, whose log exists; an OSError or a ValueError makes it fail."""
        raise NotImplementedError

    def _ended(self, attempt: Attempt, status: int) -> Outcome:
        """Return the outcome of an attempt whose first process ended and whose tree is gone."""
        raise NotImplementedError

    def _release(self) -> None:
        """Give back all that the executor keeps beside attempts; nothing runs any more."""

    # The life of an attempt; `_finish` is called exactly once for each.

    def _begin(self, attempt: Attempt) -> None:
        """Launch an attempt, and finish it if that was impossible."""
        if (failure := self._launch(attempt)) is not None:
            self._finish(attempt, failure)

    def _launch(self, attempt: Attempt) -> Outcome | None:
        """Start an attempt; return its outcome if that was impossible."""
        attempt.begin()
        try:
            create(attempt.job.log)
            self._start(attempt)
        except (OSError, ValueError) as error:  # a ValueError: what no program can be given
            return attempt.outcome("failed", f"cannot start: {describe(error)}")
        told = attempt.tree is None or attempt.tree.pidfd >= 0
        when = attempt.deadline if told else attempt.begun + POLL_S
        if when < self._wake_at:
            with self._lock:
                self._look_at(when)
        if attempt.state is not None and attempt.tree is not None:  # stopped while it started
            attempt.tree.terminate()
        return None

    def _finish(self, attempt: Attempt, outcome: Outcome) -> None:
        """Tell the outcome and start those that waited for the slot."""
        while True:
            with self._lock:
                self._running.pop(attempt, None)
                follower = None
                if self._waiting and len(self._running) < self.slots:
                    follower = self._waiting.popleft()
                    self._running[follower] = None
            attempt.future.set_result(outcome)
            if follower is None:
                return
            failure = self._launch(follower)
            if failure is None:
                return
            attempt, outcome = follower, failure

    def _end(self, attempt: Attempt, state: Ending, error: str, grace_s: float) -> None:
        """Begin to stop an attempt; the first reason counts, and the shortest grace."""
        if attempt.state is None:
            attempt.state, attempt.error = state, error
            if attempt.tree is not None and grace_s > 0:
                attempt.tree.terminate()
        attempt.kill_at = min(attempt.kill_at, time.monotonic() + grace_s)

    def _follow(self, tree: Tree, gone: Callable[[], None]) -> None:
        """Call `gone` from the thread when the first process of the tree has ended."""
        if tree.pidfd < 0:
            return

        def event() -> None:
            if tree.pidfd >= 0:
                self._selector.unregister(tree.pidfd)
                gone()

        self._selector.register(tree.pidfd, selectors.EVENT_READ, event)

    def _gone(self, attempt: Attempt) -> None:
        """Finish an attempt whose first process ended, unless the others still have their grace."""
        tree = attempt.tree
        if tree is None or attempt not in self._running:
            return
        if attempt.state is not None and time.monotonic() < attempt.kill_at and not tree.quiet():
            return
        tree.kill_rest()
        status = tree.status()
        self._drop(tree)
        # None: not even SIGKILL ends a process that is stuck in the kernel. It is as good as gone.
        self._finish(attempt, self._ended(attempt, -9 if status is None else status))

    def _drop(self, tree: Tree) -> None:
        """Forget a tree that is gone."""
        self._unwatch(tree.pidfd)
        tree.release()

    def _unwatch(self, file: int | socket) -> None:
        """Wait no longer for something to be read here, if anybody does."""
        try:
            self._selector.unregister(file)
        except (KeyError, ValueError):  # a ValueError: it is closed, or never was open
            pass

    def _complete(self, attempt: Attempt, hear: Callable[[], int]) -> None:
        """Complete the log of a task that has ended; who still prints is not waited for."""
        moved = 0
        while moved < REST_BYTES_MAX and (more := hear()):
            moved += more
        attempt.log.close()

    # The thread.

    def _open(self) -> None:
        """Start the thread; an OSError leaves nothing behind."""
        hear_of_ends()
        with ExitStack() as undo:
            self._selector = undo.enter_context(selectors.DefaultSelector())
            self._alarm = os.pipe()
            for descriptor in self._alarm:
                undo.callback(os.close, descriptor)
                os.set_blocking(descriptor, False)
            self._guard = Guard()
            undo.pop_all()
        self._selector.register(self._alarm[0], selectors.EVENT_READ, self._awake)
        self._thread = threading.Thread(target=self._watch, name="ork-supervisor", daemon=True)
        self._thread.start()

    def _look_at(self, when: float) -> None:
        """Let the thread wake no later than `when`; to be called under the lock."""
        if when < self._wake_at and self._thread is not None:
            self._wake_at = when
            try:
                os.write(self._alarm[1], b"!")
            except BlockingIOError:  # it has been told often enough
                pass

    def _awake(self) -> None:
        os.read(self._alarm[0], 4096)

    def _watch(self) -> None:
        try:
            while not (self._closed and not self._running):
                timeout = min(max(self._wake_at - time.monotonic(), 0.0), SLEEP_SECONDS_MAX)
                ready = self._selector.select(timeout)
                for key, _ in ready:
                    key.data()
                if time.monotonic() >= self._wake_at:
                    self._tick()
            self._release()
        finally:
            with self._lock:
                # Reached with attempts only by a defect of ours: nobody may wait for ever.
                self._closed = True
                for attempt in self._running:
                    attempt.future.set_exception(RuntimeError("the supervisor has died"))
                for descriptor in self._alarm:
                    os.close(descriptor)
                self._thread = None
                self._selector.close()
                if self._guard is not None:
                    self._guard.dismiss()

    def _tick(self) -> None:
        """Do all that is due, and set when to look again."""
        with self._lock:
            self._wake_at = FOREVER
            attempts = list(self._running)
        again = FOREVER
        for attempt in attempts:
            again = min(again, self._look(attempt, time.monotonic()))
        with self._lock:
            self._wake_at = min(self._wake_at, again)

    def _look(self, attempt: Attempt, now: float) -> float:
        """Do all that is due for one attempt; return when to look at it again."""
        with self._lock:
            if attempt not in self._running:
                return FOREVER
            if attempt.state is None and now >= attempt.deadline:
                words = f"timed out after {attempt.job.timeout_s:g} s{attempt.late}"
                self._end(attempt, "failed", words, TIMEOUT_GRACE_S)
        tree = attempt.tree
        if tree is None:  # about to start, in another thread
            return now + POLL_S
        if attempt.state is None:
            if tree.pidfd >= 0:
                return attempt.deadline
            if tree.status() is not None:
                self._gone(attempt)
            return min(attempt.deadline, now + POLL_S)
        if now >= attempt.kill_at or tree.quiet():
            tree.kill()
            self._gone(attempt)
            return FOREVER
        return min(attempt.kill_at, now + POLL_S)


def describe(error: OSError | ValueError) -> str:
    """Say in words why something does not start."""
    if isinstance(error, ValueError):
        return str(error)
    text = error.strerror or str(error)
    return f"{os.fsdecode(error.filename)}: {text}" if error.filename else text


def end_of(status: int) -> str:
    """Say in words how a process ended: "exited with code 2", "killed by signal 9 (SIGKILL)"."""
    if status >= 0:
        return f"exited with code {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = "unnamed"
    text = f"killed by signal {-status} ({name})"
    return f"{text}; perhaps out of memory" if name == "SIGKILL" else text
