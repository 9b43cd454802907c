"""The owner of a run: the process that executes it and holds the lease of the run's id.

It is given back however that process ends. What others ask of the owner is a ref, `stops/RUN-ID`,
to who was the first to ask, and how often it was asked; it goes with those that say that the run
goes on.

Where a workflow has a bound of runs at once, `begun/WORKFLOW` moves with each that begins or goes
on again: so of two processes that have counted the same only one can write.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from ork.backends.base import Lease
from ork.errors import Ambiguous, Conflict, Corrupt, NotFound, some
from ork.failpoints import failpoint
from ork.files import lock_holders
from ork.logs.bytes import tidy as tidy_logs
from ork.objects.canonical import Json, Oid
from ork.objects.kinds import Run, is_name, to_json
from ork.objects.value import Value, of_line
from ork.store.contents import find_run, newest_params, run_command
from ork.store.location import LOCKS
from ork.store.resolve import resolve, run_of_id
from ork.store.runs import all_going_on
from ork.store.store import Store, Transaction
from ork.worktree.place import WORK, tidy

RACES_MAX = 100  # lost one after the other
NAMES_MAX = 3  # of runs in a message


class Stops(Value, frozen=True, kw_only=True):
    """Requests to stop a run: the author of the first, and how many there are."""

    by: str | None = None
    times: int = 0


class Full(Conflict):
    """No more runs of a workflow may go on at once."""


class Room(Value, frozen=True, kw_only=True):
    """How many runs of a workflow may go on at once, by the version that is to be run."""

    workflow: str
    most: int

    @property
    def ref(self) -> str:
        """The ref that moves with each run that begins where there is such a bound."""
        return f"begun/{self.workflow}"


def room_of(workflow: str, settings: Mapping[str, Json]) -> Room | None:
    """Return the bound that a version of a workflow sets."""
    most = settings.get("max_active_runs")
    return Room(workflow=workflow, most=max(1, most)) if isinstance(most, int) else None


def in_the_way(store: Store, room: Room | None, *, but: str | None = None) -> list[Run]:
    """Return the runs that go on if one more would be too many; `but` is the id of that one."""
    if room is None:
        return []
    going = [run for run in all_going_on(store, room.workflow) if run.id != but]
    going = [run for run in going if is_owned(store, run)] if len(going) >= room.most else []
    return going if len(going) >= room.most else []


def make_sure_of_room(store: Store, room: Room | None, *, but: str | None = None) -> None:
    """Raise Full where one more run of a workflow would be too many."""
    if room is None or not (others := in_the_way(store, room, but=but)):
        return
    first = others[0].name
    hint = f"`ork watch {first}` shows it, `ork cancel {first}` stops it"
    if but is None:
        run = run_command(f"--queue {room.workflow}", newest_params(store, room.workflow))
        hint = f"`{run}` lets a run wait for it; {hint}"
    raise Full(
        f"{going_on(others)}, and `max_active_runs` of {room.workflow} is {room.most}", hint=hint
    )


def going_on(others: Sequence[Run]) -> str:
    """Return "etl#5 goes on", or "etl#6, etl#5 go on"."""
    return f"{names(others)} {'goes' if len(others) == 1 else 'go'} on"


def names(runs: Sequence[Run]) -> str:
    """Return the names of runs, for a message."""
    return some([run.name for run in runs], NAMES_MAX)


def take_room(tx: Transaction, room: Room | None, begun: Oid | None, run: Run) -> None:
    """Add to the write that begins a run, or goes on with one, that no other does so meanwhile.

    `begun` is where the ref of the room was when all this began. Raises Full.
    """
    if room is not None:
        make_sure_of_room(tx.store, room, but=run.id)
        tx.move(room.ref, old=begun, new=tx.add_value({"run": run.id, "attempt": run.attempt}))


def begun_in(store: Store, room: Room | None) -> Oid | None:
    """Return where the ref of a room is, which is looked up before runs are counted."""
    return store.ref(room.ref) if room else None


def own(store: Store, run_id: str) -> Lease | None:
    """Return the lease that owns the run, or None when somebody else has it."""
    if not is_name(run_id):  # it may come from a store that others have written
        raise Corrupt(f"{run_id!r} is not the id of a run")
    return store.backend.lease(run_id)


def is_owned(store: Store, run: Run) -> bool:
    """Say whether a process lives that owns the run."""
    lease = own(store, run.id)
    if lease is not None:
        lease.release()
    return lease is None


def suspended(store: Store, run: Run) -> int | None:
    """Return the process that owns a run where it is suspended, as by Ctrl-Z, and of this machine.

    Only Linux tells.
    """
    if store.folder is not None:
        with suppress(OSError), store.inside(LOCKS) as at:
            for pid in lock_holders(os.stat(run.id, dir_fd=at, follow_symlinks=False)):
                state = Path("/proc", str(pid), "stat").read_bytes().rpartition(b")")[2].split()[0]
                if state == b"T":
                    return pid
    return None


def wake(store: Store, run: Run) -> None:
    """Let the process that owns a run go on if it is suspended."""
    if pid := suspended(store, run):
        with suppress(OSError):  # it has ended since, or is not ours
            os.kill(pid, signal.SIGCONT)


def pin_ref(run_id: str) -> str:
    """Return the ref that says that a run goes on."""
    return f"active/{run_id}/.run"


def stops_ref(run_id: str) -> str:
    """Return the ref that says who asked a run to stop, and how often."""
    return f"stops/{run_id}"


def ask_to_stop(store: Store, run: Run, *, author: str, times: int = 1) -> bool:
    """Ask the owner of a run, whoever it is, to stop it; asked twice it kills.

    Return False, with nothing asked, when the run has ended.
    """
    for _ in range(RACES_MAX):
        pin, asked = store.ref(pin_ref(run.id)), store.ref(stops_ref(run.id))
        if pin is None:
            return False
        with suppress(Conflict):  # somebody else asks as well, or it has ended
            with store.transaction() as tx:
                tx.move(pin_ref(run.id), old=pin, new=pin)
                before = _stops(store, asked)
                stops = Stops(by=before.by or author, times=before.times + times)
                tx.move(stops_ref(run.id), old=asked, new=tx.add_value(to_json(stops)))
            return True
    raise Conflict(f"others have always been faster to ask {run.name} to stop")


def stops_asked(store: Store, run: Run) -> Stops:
    """Return how often the owner was asked to stop the run, and by whom first."""
    return _stops(store, store.ref(stops_ref(run.id)))


def _stops(store: Store, asked: Oid | None) -> Stops:
    if asked is None:
        return Stops()
    try:
        stops: Stops = of_line(store.blob(asked), Stops)
        if stops.times < 1:
            raise ValueError(f"{stops.times} of them")
    except ValueError as error:
        raise Corrupt(f"object {asked} is no request to stop: {error}", hint="`ork fsck`") from None
    return stops


def release(store: Store, lease: Lease, run: Run | None = None) -> Path | None:
    """Remove what only a living run needs, and let go of its lease.

    Of a run that has ended, the checkout goes as well; if tasks have left files there it is kept,
    and returned.
    """
    failpoint("traces.before")
    checkout = tidy(store, run) if run else None
    if run is not None and run.ended is not None:
        tidy_logs(store, run)
    failpoint("traces.checkout")
    lease.release()
    failpoint("traces.after")
    return checkout


def remove_answers(store: Store, run: Run) -> None:
    """Remove raw inputs and outputs of tasks whose ork was killed: they may hold secrets."""
    if store.folder is not None:
        with suppress(OSError), store.inside("logs", run.workflow, run.id) as at:
            for name in os.listdir(at):
                if name.endswith((".input", ".output")):
                    os.unlink(name, dir_fd=at)


def sweep(store: Store) -> None:
    """Remove the traces of runs that have ended, left by processes that were killed just then.

    These are leases, and checkouts: one may have lost its lease, and one that had files of tasks in
    it may have nothing but captured files by now. And files of logs that the store has, or that
    nobody has put there in time.
    """
    traces = store.backend.leased().union(_names(store, WORK))
    if store.shared:
        for workflow in filter(is_name, _names(store, "logs")):
            traces.update(_names(store, "logs", workflow))
    for run_id in sorted(traces):
        if not is_name(run_id):
            continue  # not of ork
        if store.ref(pin_ref(run_id)) is not None:
            continue  # it goes on, or `settle` has to end it first
        if (lease := own(store, run_id)) is None:
            continue
        run = None
        with suppress(NotFound, Ambiguous):
            run = find_run(store, resolve(store, f"run:{run_id}", now=datetime.now(UTC)))[1]
        release(store, lease, run)


def _names(store: Store, *folders: str) -> list[str]:
    if store.folder is None:
        return []
    try:
        with store.inside(*folders) as at:
            return os.listdir(at)
    except (FileNotFoundError, NotADirectoryError):
        return []


def lost(store: Store, run: Run) -> Conflict:
    """Return the error for who has owned a run until somebody else took it for abandoned."""
    name = run.name
    _, now = run_of_id(store, run.workflow, run.id)
    what = f"is recorded as {now.state} by now" if now.ended else "is owned by somebody else"
    return Conflict(
        f"{name} was lost to another process: it {what}",
        hint=f"nothing more was recorded from here, and its tasks were stopped; `ork show {name}`"
        " shows the run as it is",
    )
