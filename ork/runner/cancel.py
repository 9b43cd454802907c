"""Stop a run that another process owns."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from ork.errors import UsageError
from ork.objects.kinds import Run
from ork.runner import owner, record
from ork.store.contents import find_run
from ork.store.resolve import Resolved, run_of_id
from ork.store.store import Store

POLL_SECONDS = 0.05


def cancel(store: Store, found: Resolved, *, now: bool = False) -> Run:
    """Ask the owner of a run to stop it, with `now` to kill what runs; return the run as it is."""
    _, run = find_run(store, found)
    if run.ended is not None:
        raise UsageError(f"{run.workflow}#{run.number} has ended: {run.state}")
    for _ in range(2 if now else 1):
        owner.ask_to_stop(store, run)
    return run


def wait(store: Store, run: Run) -> Run:
    """Wait until a run has ended, if only because its owner has died; return it as it is then."""
    while True:
        _, last = run_of_id(store, run.workflow, run.id)
        if last.ended is not None or store.folder is None:
            return last
        if not owner.is_owned(store, run):
            record.settle(store, now=datetime.now(UTC))
        time.sleep(POLL_SECONDS)
