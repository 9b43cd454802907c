"""The process that a run of the daemon gets: forked from one that has imported everything.

The daemon starts that one as a program of its own. It opens no store and begins no thread, so it
can be forked at any moment: a child is ready in a few milliseconds, where a new interpreter takes
ten times the processor time of a short run. For each child it is sent a socket, on which the child
is told its work, and tells how that went. When the daemon is gone no more children begin; those
that there are work on to their end.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import TypeAlias

from ork.daemon import fires, hooks, queue
from ork.errors import Conflict, Corrupt, NotFound, OrkError, StoreError
from ork.executors.base import adopting
from ork.objects.kinds import Deploy, Run
from ork.objects.value import Value, as_line, of_line, replace
from ork.runner import start
from ork.runner.brake import SIGNAL
from ork.runner.events import Event, RunFinished, RunStarted
from ork.runner.loop import Control
from ork.runner.start import Caller
from ork.schedule.policy import Decision
from ork.schedule.schedule import Schedule, key_of, schedules_of
from ork.store import location
from ork.store.resolve import head, run_of_id
from ork.store.store import Stamp, Store
from ork.worktree.place import checkout_of

# What else a child needs, imported once: a run would import it otherwise when it comes to that.
PRELOADED = (
    *("ork.backends.lmdb", "ork.backends.sqlite", "ork.executors.local", "ork.executors.process"),
    *("ork.executors.worker", "ork.executors.process_tree", "zoneinfo", "ctypes"),
)
BUG_EXIT_CODE = 70
STOP, KILL = signal.SIGTERM, signal.SIGINT  # a run: gently, or at once


class Fire(Value, frozen=True, kw_only=True, tag=True):
    """Start the run for the slot of a schedule, as was decided."""

    workflow: str
    key: str  # of the schedule
    decision: Decision
    now: datetime

    @property
    def slot(self) -> datetime:
        """The slot that was decided to be fired."""
        assert self.decision.fire is not None
        return self.decision.fire


class Take(Value, frozen=True, kw_only=True, tag=True):
    """Start the run that an entry of the queue asks for."""

    workflow: str
    id: str
    now: datetime


class Retry(Value, frozen=True, kw_only=True, tag=True):
    """Go on with a run that has failed in this attempt."""

    workflow: str
    id: str
    attempt: int
    now: datetime


class Finish(Value, frozen=True, kw_only=True, tag=True):
    """Execute the hook of a run whose owner was killed."""

    workflow: str
    id: str
    now: datetime


Work: TypeAlias = Fire | Take | Retry | Finish


class Order(Value, frozen=True, kw_only=True):
    """What a child is told: its work, and in which store."""

    work: Work
    store: str  # the folder
    author: str
    hidden: tuple[str, ...]  # variables that some workflow of the store has as secrets


class Born(Value, frozen=True, kw_only=True, tag=True):
    """The child is there, and takes signals."""

    pid: int


class Pinned(Value, frozen=True, kw_only=True, tag=True):
    """The run has begun."""

    run: str
    number: int
    attempt: int
    folder: str | None = None  # the checkout in which it is executed


class Over(Value, frozen=True, kw_only=True, tag=True):
    """The run has ended."""

    state: str
    reason: str | None
    seconds: float | None
    retries: int  # that its schedule has, if it is to be tried again
    folder: str | None = None  # the checkout, when tasks have left files in it


class Hooked(Value, frozen=True, kw_only=True, tag=True):
    """The run has ended, and its hook begins, or has ended in a state."""

    which: str
    name: str  # of the run
    state: str | None = None


class Failed(Value, frozen=True, kw_only=True, tag=True):
    """The child could not do what it was told to: an error of ork, or a bug (70)."""

    message: str
    hint: str | None = None
    lost: bool = False  # another process was faster
    away: bool = False  # the store cannot be used at present


Answer: TypeAlias = Born | Pinned | Over | Hooked | Failed


def serve(more: Iterable[str]) -> None:
    """Fork a child for each socket that comes over standard input, until that is closed.

    `more` are modules that the children of this daemon need besides.
    """
    for name in (*PRELOADED, *more):
        import_module(name)
    gc.freeze()  # what is here by now stays, and the collector need not write to its pages
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the daemon sees by the sockets how they end
    with socket.socket(fileno=0) as channel:
        while True:
            data, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
            if not data:
                return
            with suppress(OSError):  # no more processes: the daemon sees the socket close
                if os.fork() == 0:
                    _become_child(descriptors[0])
            os.close(descriptors[0])


def _become_child(descriptor: int) -> None:
    """Do the work that is told on this socket, and end the process."""
    code = BUG_EXIT_CODE
    try:
        os.setsid()  # a signal to its group is for this run alone
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nothing, number)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        gc.enable()
        with socket.socket(fileno=descriptor) as there:
            code = _obey(there)
    finally:
        os._exit(code)


def _obey(there: socket.socket) -> int:
    """Do the work, tell how it went, and return the exit code."""

    def tell(answer: Answer) -> None:
        with suppress(OSError):  # the daemon is gone: the run goes on
            there.sendall(as_line(answer))

    try:
        with there.makefile("rb") as lines:
            order: Order = of_line(lines.readline(), Order)
        _run(order, tell)
    except OrkError as error:
        lost = isinstance(error, Conflict)
        away = isinstance(error, StoreError) and not isinstance(error, Corrupt)
        tell(Failed(message=error.message, hint=error.hint, lost=lost, away=away))
        return error.exit_code
    except BaseException:
        tell(Failed(message=f"a bug in ork; please report it:\n{traceback.format_exc()}"))
        raise
    return 0


def _run(order: Order, tell: Callable[[Answer], None]) -> None:
    """Execute a run; whoever looks at it sees one like every other."""
    control = Control()

    def stop(number: int, frame: FrameType | None) -> None:
        # Two of one signal may come as one, so another asks for what a second one would.
        before = control.stops
        control.stop(f"{SIGNAL} {signal.Signals(number).name.removeprefix('SIG')}")
        control.stops = 2 if number == KILL else max(1, before)

    for number in (STOP, KILL, signal.SIGHUP):
        signal.signal(number, stop)
    tell(Born(pid=os.getpid()))
    store = opened_again(lambda: location.open_here(Path(order.store), environ=os.environ))
    try:
        stamp = Stamp(time=order.work.now, author=order.author, argv=("ork", "up"))
        now, hidden = order.work.now, order.hidden
        caller = Caller(stamp=stamp, now=now, control=control, attended=False, hidden=hidden)
        with adopting():
            for event in begin(store, order.work, caller):
                match event:
                    case RunStarted(run=run, folder=folder):
                        attempt = run.attempt
                        pin = Pinned(run=run.id, number=run.number, attempt=attempt, folder=folder)
                        tell(pin)
                    case RunFinished(run=run):
                        ended, retries = run, fires.retries_of(store, run)
                        tell(over(store, run, retries))
            if isinstance(order.work, Finish):
                ended = run_of_id(store, order.work.workflow, order.work.id)[1]
                retries = fires.retries_of(store, ended)
            name = ended.name
            hook = hooks.after(
                store,
                ended,
                caller,
                retries=retries,
                begins=lambda which: tell(Hooked(which=which, name=name)),
            )
            if hook is not None:
                tell(Hooked(which=hook.which, name=name, state=hook.state))
            if hook is not None and hook.state != "success":
                message = f"the hook {hook.which} of {name}: {hook.error or hook.state}"
                tell(Failed(message=message, hint=f"`ork show {name}`"))
    finally:
        store.close()


def opened_again(opened: Callable[[], Store]) -> Store:
    """Open a store that was there before: where it is not now, it is waited for."""
    try:
        return opened()
    except NotFound as error:
        raise StoreError(error.message, hint=error.hint) from None


def over(store: Store, run: Run, retries: int) -> Over:
    """Return how a run has ended."""
    folder = checkout_of(store, run)
    return Over(
        state=run.state,
        reason=run.reason,
        seconds=run.seconds,
        retries=retries,
        folder=str(folder) if folder else None,
    )


def begin(store: Store, work: Work, caller: Caller) -> Iterator[Event]:
    """Return what happens in the run that is asked for."""
    match work:
        case Fire():
            schedule = _schedule(store, work)
            return fires.fire(store, work.workflow, schedule, work.decision, caller).events
        case Take():
            return queue.take(store, work.id, caller).events
        case Retry():
            if run_of_id(store, work.workflow, work.id)[1].attempt != work.attempt:
                raise Conflict("another process has retried it")
            options = fires.retried(store, f"run:{work.id}", start.Options(), now=work.now)
            caller = replace(caller, trigger="schedule")  # by which a person's retry is another
            return start.retry(store, f"run:{work.id}", options=options, caller=caller).events
        case Finish():
            return iter(())


def _schedule(store: Store, work: Fire) -> Schedule:
    """Return the schedule that is to be fired."""
    for schedule in schedules_of(store.get(Deploy, head(store, work.workflow)).settings):
        if key_of(schedule) == work.key:
            return schedule
    raise Conflict(f"{work.workflow} does not have this schedule any more")
