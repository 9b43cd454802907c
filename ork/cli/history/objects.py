"""Deploys, snapshots and tasks, whole -> lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ork.cli.history.log_part import deploy_header
from ork.cli.screen import human as words
from ork.cli.screen.line import Line, wrap_body
from ork.cli.session import Session
from ork.history.log import LogEntry
from ork.objects.canonical import Oid
from ork.objects.kinds import Task, to_json
from ork.store.contents import Definition
from ork.store.store import Store


def deploy_view(
    entry: LogEntry, definition: Definition, store: Store, session: Session
) -> Iterator[Line]:
    """Yield a deploy: its head, message, settings, then its definition."""
    yield from deploy_header(entry, store, session)
    source = str(entry.deploy.source["path"])
    yield [("file     ", "label"), source]
    if entry.deploy.origin:
        dirty = " with changes that are not committed" if entry.deploy.origin["dirty"] else ""
        yield [("git      ", "label"), str(entry.deploy.origin["commit"]), dirty]
    yield [""]
    yield from wrap_body(entry.deploy.message, "    ")
    if entry.deploy.settings:
        yield [""]
        yield [("settings", "heading")]
        for name, value in sorted(entry.deploy.settings.items()):
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield ["  ", (f"{name:<12}", "name"), "  ", text]
    yield [""]
    yield from definition_view(definition, store, session)


def snapshot_view(definition: Definition, store: Store, session: Session) -> Iterator[Line]:
    """Yield a snapshot: its hash, then its definition."""
    oid = store.short(definition.snapshot) if session.width else definition.snapshot
    yield [("snapshot ", "label"), (oid, "oid")]
    yield [""]
    yield from definition_view(definition, store, session)


def definition_view(definition: Definition, store: Store, session: Session) -> Iterator[Line]:
    """Yield the tasks, in the order in which they can run, and the code files."""
    yield [(words.count(len(definition.tasks), "task"), "heading")]
    width = min(max((len(name) for name in definition.tasks), default=0), 32)
    for name, task in definition.tasks.items():
        line: Line = ["  ", (f"{name:<{width}}", "name"), "  ", gist(task)]
        if task.depends_on:
            line += [("  after ", "dim"), ", ".join(task.depends_on)]
        yield line
    if definition.files:
        yield [(words.count(len(definition.files), "code file"), "heading")]
    for file in definition.files:
        oid = store.short(file.oid) if session.width else file.oid
        yield ["  ", (oid, "oid"), "  ", file.name, ("*" if file.executable else "", "dim")]


def gist(task: Task) -> str:
    """Return what a task calls, in a few words."""
    if task.executor == "python":
        return f"python {task.file or task.module}:{task.function}"
    if task.command is not None:
        command = task.command if isinstance(task.command, str) else " ".join(task.command)
        first, _, rest = command.strip().partition("\n")
        return f"process {first}{' ...' if rest else ''}"
    return f"{task.executor} {task.file}"


def task_view(name: str | None, oid: Oid, task: Task) -> Iterator[Line]:
    """Yield a task, one field a line, as its canonical form has them."""
    yield [("task ", "label"), (oid, "oid"), "  ", (name or "", "name")]
    for field, value in to_json(task).items():
        if value not in (None, [], {}):
            yield from _field(field, value)


def payload_view(payload: dict[str, Any]) -> Iterator[Line]:
    """Yield the payload of any object."""
    for line in json.dumps(payload, indent=2, ensure_ascii=False).split("\n"):
        yield [line]


def _field(field: str, value: Any) -> Iterator[Line]:
    label = (f"{field:<20} ", "label")
    if isinstance(value, str) and "\n" in value:
        yield [label]
        yield from wrap_body(value, "    ")
    elif isinstance(value, dict) and len(value) > 1:
        yield [label]
        for key, item in sorted(value.items()):
            yield ["    ", (key, "key"), ": ", json.dumps(item, ensure_ascii=False)]
    else:
        yield [label, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)]
