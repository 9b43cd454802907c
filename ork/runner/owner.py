"""The owner of a run: the process that executes it and holds the lock on `.ork/locks/RUN-ID`.

The kernel gives the lock back however that process ends. Beside it lies what others ask of the
owner (`RUN-ID.stop`, a byte for each request).
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from ork import files
from ork.errors import Ambiguous, Corrupt, NotFound, StoreError
from ork.failpoints import failpoint
from ork.objects.kinds import Run, is_name
from ork.store.contents import find_run
from ork.store.resolve import resolve
from ork.store.store import Store
from ork.worktree.place import tidy


def take_lock(store: Store, run_id: str) -> int | None:
    """Return a descriptor that owns the run, or None when another process does."""
    if store.folder is None:
        return None
    path = _lock_path(store, run_id)
    try:
        with files.open_folder(store.folder, ["locks"], make=0o700) as at:
            return files.take_lock(path.name, at=at)
    except OSError as error:
        raise StoreError(f"a run cannot be locked: {path}: {error.strerror}") from None


def is_owned(store: Store, run: Run) -> bool:
    """Say whether a process lives that owns the run."""
    if store.folder is None or not _lock_path(store, run.id).exists():
        return False
    lock = take_lock(store, run.id)
    if lock is None:
        return True
    os.close(lock)
    return False


def ask_to_stop(store: Store, run: Run) -> None:
    """Ask the owner of a run, whichever process it is, to stop it; asked twice it kills."""
    try:
        with _stop_path(store, run.id).open("ab") as file:
            file.write(b".")
    except OSError as error:
        raise StoreError(f"the run cannot be asked to stop: {error}") from None


def stops_asked(store: Store, run: Run) -> int:
    """Return how often the owner was asked to stop the run."""
    if store.folder is None:
        return 0
    try:
        return _stop_path(store, run.id).stat().st_size
    except FileNotFoundError:
        return 0


def release(store: Store, run_id: str, lock: int | None, run: Run | None = None) -> Path | None:
    """Remove what only a living run needs, its lock file as the last, and let go of the lock.

    Of a run that has ended, the checkout goes as well; if tasks have left files there it is kept,
    and returned.
    """
    failpoint("traces.before")
    checkout = tidy(store, run) if run else None
    if lock is not None:
        failpoint("traces.checkout")
        remove_remains(store, run_id)
        failpoint("traces.stop")
        _remove(store, run_id)
        failpoint("traces.after")
        os.close(lock)
    return checkout


def remove_remains(store: Store, run_id: str) -> None:
    """Remove what an earlier owner of the run, which was killed, may have left."""
    _remove(store, _stop_path(store, run_id).name)


def remove_answers(store: Store, run: Run) -> None:
    """Remove raw inputs and outputs of tasks whose ork was killed: they may hold secrets."""
    if store.folder is not None:
        with (
            suppress(OSError),
            files.open_folder(store.folder, ["logs", run.workflow, run.id]) as at,
        ):
            for name in os.listdir(at):
                if name.endswith((".input", ".output")):
                    files.remove(name, at=at)


def sweep(store: Store) -> None:
    """Remove the traces of runs that have ended, left by processes that were killed just then."""
    if store.folder is None:
        return
    try:
        with files.open_folder(store.folder, ["locks"]) as at:
            names = os.listdir(at)
    except (FileNotFoundError, NotADirectoryError):
        return
    for run_id in sorted({name.removesuffix(".stop") for name in names}):
        if not is_name(run_id):
            continue  # not a lock of ork
        if store.ref(f"active/{run_id}/.run") is not None:
            continue  # it goes on, or `settle` has to end it first
        if (lock := take_lock(store, run_id)) is None:
            continue
        run = None
        with suppress(NotFound, Ambiguous):
            run = find_run(store, resolve(store, f"run:{run_id}", now=datetime.now(UTC)))[1]
        release(store, run_id, lock, run)


def _remove(store: Store, name: str) -> None:
    if store.folder is not None:
        # Best effort: what stays, `sweep` meets again.
        with suppress(OSError), files.open_folder(store.folder, ["locks"]) as at:
            files.remove(name, at=at)


def _lock_path(store: Store, run_id: str) -> Path:
    """Return the lock file of a run, whose id may come from a store that others have written."""
    if not is_name(run_id):
        raise Corrupt(f"{run_id!r} is not the id of a run")
    return (store.folder or Path.cwd()) / "locks" / run_id


def _stop_path(store: Store, run_id: str) -> Path:
    return _lock_path(store, run_id).with_name(f"{run_id}.stop")
