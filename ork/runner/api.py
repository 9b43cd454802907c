"""One call that runs a file or a revision: deploy if needed, choose an executor, execute."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ork.executors.base import make
from ork.runner.events import Event
from ork.runner.run import Control, run, target_of
from ork.store.compare import as_revision
from ork.store.deploy import Deployed, deploy_loaded
from ork.store.origin import author, host
from ork.store.resolve import resolve
from ork.store.store import Stamp, Store


@dataclass(frozen=True, slots=True)
class Started:
    """A run that is about to happen: iterate `events` to make it so."""

    events: Iterator[Event]
    deployed: Deployed | None = None


def start(
    store: Store, what: str, *, stamp: Stamp | None = None, now: datetime | None = None,
    jobs: int | None = None, message: str | None = None,
    environ: Mapping[str, str] | None = None, control: Control | None = None,
    token: str | None = None,
) -> Started:  # fmt: skip
    """Prepare a run of a workflow file or of any revision.

    A file (its path, or file:PATH) is deployed first if it differs from the head. Nothing runs
    until the events are iterated; closing the iterator stops the run.
    """
    now = now or datetime.now(UTC)
    environ = os.environ if environ is None else environ
    stamp = stamp or Stamp(time=now, author=author(environ, Path.cwd()))
    found = resolve(store, as_revision(what), now=now)
    deployed = None
    if found.loaded:
        deployed = deploy_loaded(store, found.loaded, stamp=stamp, message=message)
        found = resolve(store, deployed.deploy, now=now)
    slots = jobs or os.cpu_count() or 1
    events = run(
        store, target_of(store, found), make("local", slots), stamp=stamp, host=host(),
        environ=environ, control=control, token=token,
    )  # fmt: skip
    return Started(events, deployed)
