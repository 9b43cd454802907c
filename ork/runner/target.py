"""The snapshot to run, the folder its tasks work in, and the terms of the run."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from ork.errors import NotFound
from ork.objects.canonical import Json, Oid
from ork.objects.kinds import Deploy, Run, TaskRun
from ork.objects.value import Value
from ork.store.resolve import Resolved, newest_deploy, only_deploy_of, run_of, snapshot_of
from ork.store.runs import Names
from ork.store.store import Store, Transaction
from ork.worktree.folder import root_of
from ork.worktree.lookup import ResolvedFile

# Adds to the write that pins a run, given the oid of the pin, what has to be durable with it.
# Raises Conflict, in its own words, when something that it stands on is not as it was.
Along: TypeAlias = Callable[[Transaction, Oid], None]


class Target(Value, frozen=True, kw_only=True):
    """A snapshot, where it came from, and the folder its tasks work in.

    `deploy` is None for a definition that no deploy has: the run is recorded as unattached.
    `is_on_disk`: the snapshot was made of that folder a moment ago.
    """

    workflow: str
    snapshot: Oid
    root: Path
    deploy: Oid | None = None
    settings: Mapping[str, Json] = {}
    is_on_disk: bool = False


class Terms(Value, frozen=True, kw_only=True):
    """The terms of a run: bounds, parameters, and the tasks that are not executed again."""

    trigger: str = "run"
    scheduled: datetime | None = None  # the moment for which a schedule asked for the run
    along: Along | None = None
    timeout_s: float | None = None  # of the whole run
    fail_fast: bool = False  # stop at the first failure; else run all that does not depend on it
    checkout: bool = False  # do not execute in the project's folder
    params: Mapping[str, Json] = {}
    before: Mapping[str, TaskRun] = {}  # these tasks are not executed
    base: str | None = None  # the id of the run that gave outputs in `before`
    older: tuple[str, ...] = ()  # in `before`: given to a task, and of another definition
    selected: tuple[str, ...] | None = None  # the tasks that were asked for; None: all
    resume: tuple[Oid, Run] | None = None  # go on with this run that has ended


def target_of(store: Store, found: Resolved) -> Target:
    """Return what to run for a deploy, snapshot or run that was resolved."""
    snapshot = snapshot_of(found)
    if isinstance(found, ResolvedFile):
        loaded, its = found.loaded, found.loaded.definition
        return Target(
            workflow=its.name,
            snapshot=snapshot,
            root=loaded.root,
            settings=its.settings,
            is_on_disk=True,
        )
    run_oid = run_of(found)
    run = store.get(Run, run_oid) if run_oid else None
    if run is not None and run.deploy is None:
        return _unattached(store, run)
    try:
        meant = only_deploy_of(store, found)
    except NotFound:
        if found.workflow is None:
            raise
        return Target(workflow=found.workflow, snapshot=snapshot, root=store.project)
    oid, deploy = meant.oid, store.get(Deploy, meant.oid)
    workflow = Names(store).of_deploy(meant.workflow, oid, deploy.snapshot, deploy.time)
    newest = newest_deploy(store, workflow) or deploy
    # A file that moved since took its folder, and the data there, along.
    there = newest if newest.source.path != deploy.source.path else deploy
    root = root_of(store.project / there.source.path, there.settings)
    return Target(
        workflow=workflow, snapshot=snapshot, root=root, deploy=oid, settings=deploy.settings
    )


def place_of(store: Store, target: Target) -> Json:
    """Return the root, relative to the project, and the settings: for a run without a deploy."""
    return {"root": os.path.relpath(target.root, store.project), "settings": dict(target.settings)}


def _unattached(store: Store, run: Run) -> Target:
    """Return the target of a run without a deploy, as its record tells."""
    oid = store.ref(f"unattached/{run.workflow}/{run.id}")
    place = store.value(oid) if oid else None
    if (
        not isinstance(place, dict)
        or not isinstance(place.get("settings"), dict)
        or "\0" in str(place.get("root", "\0"))  # which no path has
    ):
        place = {"root": ".", "settings": {}}
    settings: Mapping[str, Json] = place["settings"]  # type: ignore[assignment]
    root = (store.project / str(place["root"])).resolve()
    return Target(workflow=run.workflow, snapshot=run.snapshot, root=root, settings=settings)
