"""The page of a workflow: its graph, its newest deploys and its newest runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any

from ork.cli.diff.wording import declared_as
from ork.cli.pictures.graph import Graph
from ork.errors import Corrupt, OrkError
from ork.history.log import LogEntry, log
from ork.store.contents import needs_of
from ork.store.resolve import Resolved, deploy_of, has_run
from ork.store.runs import runs
from ork.store.store import Store
from ork.store.verdict import in_full


def workflow_values(
    store: Store,
    found: Resolved,
    *,
    now: datetime,
    deploys_max: int,
    runs_max: int,
    damage: list[Corrupt] | None = None,
) -> dict[str, Any]:
    """Return what the page of a workflow shows: its graph, its newest deploys and newest runs.

    Corrupt for a run whose record is lost, or where the history breaks off, is raised, or added to
    `damage`.
    """
    deploy = deploy_of(store, found)
    name = deploy.workflow
    snapshot = store.snapshot(deploy.snapshot)
    entries = list(log(store, deploy.oid, now=now, limit=deploys_max, damage=damage))
    newest = runs(store, name, limit=runs_max, damage=damage) if has_run(store, name) else ()
    return {
        "title": name,
        "about": entries[0].deploy.settings.get("description"),
        "schedules": list(_schedules(entries[0])),
        "params": {key: declared_as(param) for key, param in snapshot.params.items()},
        "graph": Graph(title=name, needs=needs_of(store, snapshot)),
        "entries": entries,
        "runs": list(in_full(store, newest)),
        "deploys_max": deploys_max,
        "runs_max": runs_max,
        "now": now,
    }


def _schedules(entry: LogEntry) -> Iterator[tuple[str, str]]:
    """Yield when it is due, and what else each schedule says."""
    from ork.schedule.schedule import schedules_of
    from ork.schedule.words import in_words, policies

    with suppress(OrkError):  # `ork schedule list` tells of it
        yield from ((in_words(one), policies(one)) for one in schedules_of(entry.deploy.settings))
