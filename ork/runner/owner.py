"""The owner of a run: the process that executes it and holds the lease of the run's id.

It is given back however that process ends. In `.ork/locks` lies what others ask of the owner
(`RUN-ID.stop`, a byte for each request).
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from ork import files
from ork.backends.base import Lease
from ork.errors import Ambiguous, Corrupt, NotFound, StoreError
from ork.failpoints import failpoint
from ork.objects.kinds import Run, is_name
from ork.store.contents import find_run
from ork.store.resolve import resolve
from ork.store.store import Store
from ork.worktree.place import WORK, tidy

LOCKS = "locks"  # the folder of the store for requests


def own(store: Store, run_id: str) -> Lease | None:
    """Return the lease that owns the run, or None when somebody else has it."""
    return store.backend.lease(_checked(run_id))


def is_owned(store: Store, run: Run) -> bool:
    """Say whether a process lives that owns the run."""
    lease = own(store, run.id)
    if lease is not None:
        lease.release()
    return lease is None


def ask_to_stop(store: Store, run: Run) -> None:
    """Ask the owner of a run, whichever process it is, to stop it; asked twice it kills."""
    try:
        with (
            store.inside(LOCKS, make=True) as at,
            open(files.open_append(_stop(run.id), at=at), "ab") as file,
        ):
            file.write(b".")
    except OSError as error:
        raise _unusable(store, _stop(run.id), error) from None


def stops_asked(store: Store, run: Run) -> int:
    """Return how often the owner was asked to stop the run."""
    if store.folder is None:
        return 0
    try:
        return files.size(store.folder / LOCKS / _stop(run.id))
    except OSError as error:
        raise _unusable(store, _stop(run.id), error) from None


def release(store: Store, run_id: str, lease: Lease, run: Run | None = None) -> Path | None:
    """Remove what only a living run needs, and let go of its lease.

    Of a run that has ended, the checkout goes as well; if tasks have left files there it is kept,
    and returned.
    """
    failpoint("traces.before")
    checkout = tidy(store, run) if run else None
    failpoint("traces.checkout")
    remove_remains(store, run_id)
    failpoint("traces.stop")
    lease.release()
    failpoint("traces.after")
    return checkout


def remove_remains(store: Store, run_id: str) -> None:
    """Remove what an earlier owner of the run, which was killed, may have left."""
    _remove(store, _stop(run_id))


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
    it may have nothing but captured files by now.
    """
    if store.folder is None:
        return
    traces = {name.removesuffix(".stop") for name in store.backend.leased()}
    for run_id in sorted(traces.union(_names(store, WORK))):
        if not is_name(run_id):
            continue  # not of ork
        if store.ref(f"active/{run_id}/.run") is not None:
            continue  # it goes on, or `settle` has to end it first
        if (lease := own(store, run_id)) is None:
            continue
        run = None
        with suppress(NotFound, Ambiguous):
            run = find_run(store, resolve(store, f"run:{run_id}", now=datetime.now(UTC)))[1]
        release(store, run_id, lease, run)


def _names(store: Store, folder: str) -> list[str]:
    try:
        with store.inside(folder) as at:
            return os.listdir(at)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _remove(store: Store, name: str) -> None:
    if store.folder is not None:
        # Best effort: what stays, `sweep` meets again. A folder stays, for it is not ours.
        with suppress(OSError), store.inside(LOCKS) as at:
            os.unlink(name, dir_fd=at)


def _checked(run_id: str) -> str:
    """Return the id of a run, which may come from a store that others have written."""
    if not is_name(run_id):
        raise Corrupt(f"{run_id!r} is not the id of a run")
    return run_id


def _stop(run_id: str) -> str:
    return f"{_checked(run_id)}.stop"


def _unusable(store: Store, name: str, error: OSError) -> StoreError:
    path = f"{store.folder}/{LOCKS}/{name}"
    return StoreError(f"the lock of a run cannot be used: {path}: {error.strerror}")
