"""Run a snapshot: what may run, how it is stopped, and the events of it.

The loop itself is in `ork.runner.loop`.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping

from ork.core.objects import Deploy
from ork.executors.base import Executor
from ork.runner.events import Event
from ork.runner.loop import Control, Loop, Target
from ork.store.resolve import Resolved, deploy_of, snapshot_of
from ork.store.store import Stamp, Store

__all__ = ["Control", "Target", "run", "target_of"]


def target_of(store: Store, found: Resolved) -> Target:
    """Return what to run for a deploy, snapshot or run that was resolved."""
    snapshot = snapshot_of(store, found).oid
    if found.loaded:
        definition = found.loaded.definition
        return Target(workflow=definition.name, snapshot=snapshot, deploy=None,
                      settings=definition.settings, root=found.loaded.root)  # fmt: skip
    oid = deploy_of(store, found).oid
    deploy = store.get(Deploy, oid)
    root = (store.project / str(deploy.source["path"])).parent.resolve()
    return Target(workflow=deploy.workflow, snapshot=snapshot, deploy=oid,
                  settings=deploy.settings, root=root)  # fmt: skip


def run(
    store: Store, target: Target, executor: Executor, *, stamp: Stamp, host: str = "",
    trigger: str = "run", environ: Mapping[str, str] | None = None,
    control: Control | None = None, token: str | None = None,
) -> Iterator[Event]:  # fmt: skip
    """Execute a snapshot and record it; yield what happens.

    The first event comes after the pin is durable and before any task starts. A task that fails is
    an event, not an exception. Closing the iterator early stops the run and records it as
    cancelled. The executor is closed at the end, and no child is left.
    """
    loop = Loop(store, target, executor, environ or os.environ, control or Control())
    try:
        yield from loop.begin(stamp, host, trigger, token or f"{random.getrandbits(24):06x}")
        while not loop.plan.done:
            yield from loop.turn()
        yield loop.end()
    finally:
        loop.abandon()
