"""`ork show`: which view, which JSON and which bytes belong to an object of each kind."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ork.cli.screen.line import Line, to_json
from ork.cli.session import Session
from ork.history.log import LogEntry, tally
from ork.objects.kinds import Deploy, Run, Task, TaskRun
from ork.store import contents
from ork.store.resolve import Resolved
from ork.store.store import Store
from ork.store.text import join_text


def raw_of(store: Store, found: Resolved) -> bytes | None:
    """Return the bytes of what is shown as it is: a blob, the YAML text; None of anything else."""
    if found.source:
        if found.loaded:
            return found.loaded.text
        assert found.deploy is not None
        return join_text(store, store.get(Deploy, found.deploy).source)
    return store.blob(found.oid) if found.kind == "blob" else None


def lines_of(session: Session, store: Store, found: Resolved) -> Iterable[Line]:
    """Return the view of an object that is not shown as bytes."""
    from ork.cli.history import objects
    from ork.cli.runs.list import run_view, taskrun_view

    value = store.read(found.oid)
    if isinstance(value, Deploy):
        entry = _log_entry(store, found, value)
        return objects.deploy_view(entry, contents.definition(store, found), store, session)
    if found.kind == "snapshot":
        return objects.snapshot_view(contents.definition(store, found), store, session)
    if isinstance(value, Run):
        return run_view(contents.run_details(store, found.oid, value), store, session)
    if isinstance(value, TaskRun):
        details = contents.task_details(store, value)
        return taskrun_view(found.name or found.text, details, session)
    if isinstance(value, Task):
        return objects.task_view(found.name, found.oid, value)
    return objects.payload_view(to_json(value))


def json_of(store: Store, found: Resolved) -> Any:
    """Return what `ork show --json` prints: the same values that the view draws."""
    data = raw_of(store, found)
    head = {"kind": "text" if found.source else found.kind, "oid": found.oid}
    if data is not None:
        return {**head, "name": found.name, "text": data}
    value = store.read(found.oid)
    if isinstance(value, Deploy):
        entry = _log_entry(store, found, value)
        return {**head, "entry": entry, "definition": contents.definition(store, found)}
    if found.kind == "snapshot":
        return {**head, "definition": contents.definition(store, found)}
    if isinstance(value, Run):
        return {**head, **to_json(contents.run_details(store, found.oid, value))}
    if isinstance(value, TaskRun):
        return {**head, "name": found.name, **to_json(contents.task_details(store, value))}
    return {**head, "name": found.name, "payload": value}


def _log_entry(store: Store, found: Resolved, deploy: Deploy) -> LogEntry:
    tags = tuple(
        name.partition("/")[2]
        for name, oid in store.refs(f"tags/{deploy.workflow}/")
        if oid == found.oid
    )
    is_head = store.ref(f"workflows/{deploy.workflow}") == found.oid
    return LogEntry(
        oid=found.oid, deploy=deploy, runs=tally(store, found.oid), tags=tags, head=is_head
    )
