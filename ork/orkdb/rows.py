"""The rows of the original's tables as values: what each cell means, whatever form it has.

Times have four forms in SQLite and another in PostgreSQL; ids are 16 bytes or a text of 36
characters. What is no time, or no JSON, where one should be, is None or raises Unreadable.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from ork.objects.canonical import Json
from ork.objects.value import Value
from ork.orkdb.database import Cell, Database, Row, rows

ENDED = ("success", "failed", "cancelled")
OLD_TASKS_MAX = 10_000  # of a workflow that only has their number
_ID_BYTES = 16
# What the scheduler added to the parameters of a task when it started it.
_ADDED = ("task_index", "task_name", "workflow_name", "run_id")


class Unreadable(ValueError):
    """A cell does not hold what it should; the message says so in words."""


class Step(Value, frozen=True, kw_only=True):
    """One task as the original kept it."""

    name: str
    executor: str
    needs: tuple[str, ...] = ()
    params: Mapping[str, Json] = {}
    types: Mapping[str, Json] = {}  # its signature: input_type and output_type


class WorkflowRow(Value, frozen=True, kw_only=True):
    """One workflow; `key` is what other tables call it."""

    key: Cell
    id: str
    name: str
    description: str | None
    job: tuple[str, str, str]  # what it runs, region and project, where its tasks do not say
    executor: str
    task_count: int
    schedule: str | None
    schedule_enabled: bool
    current: str | None  # the id of a snapshot
    created: datetime | None
    updated: datetime | None


class SnapshotRow(Value, frozen=True, kw_only=True):
    """One version of a workflow; `steps` is None, and `wrong` says why, if it cannot be read."""

    id: str | None
    created: datetime | None
    steps: tuple[Step, ...] | None
    wrong: str = ""


class RunRow(Value, frozen=True, kw_only=True):
    """One run."""

    key: Cell
    id: str | None
    status: str
    trigger: str
    snapshot: str | None
    created: datetime | None
    started: datetime | None
    finished: datetime | None
    error: str | None


def workflows(database: Database) -> Iterator[WorkflowRow]:
    """Yield all workflows."""
    for row in rows(database, "workflows"):
        try:
            params = json_of(row["task_params"])
        except Unreadable:
            params = None
        found = params.get("task_count") if isinstance(params, dict) else None
        job, region, project = (text(row[key]) or "" for key in ("job_name", "region", "project"))
        yield WorkflowRow(
            key=row["id"],
            id=id_of(row["id"]) or "",
            name=text(row["name"]) or "",
            description=text(row["description"]),
            job=(job, region, project),
            executor=text(row["executor_type"]) or "dag",
            task_count=found if type(found) is int else 3,  # which was its default
            schedule=text(row["schedule"]),
            schedule_enabled=text(row["schedule_enabled"]) in ("1", "true", "t"),
            current=id_of(row["current_snapshot_id"]),
            created=time_of(row["created_at"]),
            updated=time_of(row["updated_at"]),
        )


def snapshots(database: Database, workflow: WorkflowRow) -> Iterator[SnapshotRow]:
    """Yield the versions of a workflow that were kept."""
    for row in rows(database, "workflow_snapshots", ("workflow_id", workflow.key)):
        steps, wrong = None, ""
        try:
            steps = _steps(json_of(row["tasks_json"]))
        except Unreadable as error:
            wrong = str(error)
        yield SnapshotRow(
            id=id_of(row["id"]), created=time_of(row["created_at"]), steps=steps, wrong=wrong
        )


def current_steps(
    database: Database, workflow: WorkflowRow
) -> tuple[tuple[Step, ...], datetime | None]:
    """Return the tasks of a workflow now, and when they were deployed."""
    found = list(rows(database, "workflow_tasks", ("workflow_id", workflow.key)))
    times = [time for row in found if (time := time_of(row["created_at"]))]
    return tuple(_step(row) for row in found), min(times, default=None)


def old_steps(workflow: WorkflowRow) -> tuple[Step, ...]:
    """Return the tasks of a workflow from before there were tasks: so many of the same."""
    if workflow.executor == "dag" or not 0 < workflow.task_count <= OLD_TASKS_MAX:
        return ()
    return tuple(
        Step(name=f"task_{number}", executor=workflow.executor)
        for number in range(workflow.task_count)
    )


def runs(database: Database, workflow: WorkflowRow) -> Iterator[RunRow]:
    """Yield the runs of a workflow."""
    for row in rows(database, "runs", ("workflow_id", workflow.key)):
        yield RunRow(
            key=row["id"],
            id=id_of(row["id"]),
            status=text(row["status"]) or "",
            trigger=text(row["triggered_by"]) or "manual",
            snapshot=id_of(row["snapshot_id"]),
            created=time_of(row["created_at"]),
            started=time_of(row["started_at"]),
            finished=time_of(row["finished_at"]),
            error=text(row["error"]) or None,
        )


def tasks(database: Database, run: RunRow) -> Iterator[Row]:
    """Yield the rows of the tasks of a run, as they are."""
    return rows(database, "tasks", ("run_id", run.key))


def executed_steps(database: Database, run: RunRow) -> tuple[Step, ...]:
    """Return the tasks that a run executed, as its own rows tell; they have no types."""
    of = ("run_id", run.key)
    return tuple(_step(row) for row in rows(database, "tasks", of, without=("output", "logs")))


def _step(row: Row) -> Step:
    """Return the task of a row; raise Unreadable when the row cannot be understood."""
    params = json_of(row["params"])
    params = {} if params is None else params
    found = {
        "task_name": text(row["task_name"]),
        "executor_type": text(row["executor_type"]),
        "depends_on": json_of(row["depends_on"]),
        "params": {k: v for k, v in params.items() if k not in _ADDED}
        if isinstance(params, dict)
        else params,
        "signature": json_of(row.get("signature")),
    }
    for key in ("max_retries", "timeout_seconds"):
        number = text(row.get(key))
        if isinstance(params, dict) and key not in params and number and number.isdigit():
            found["params"][key] = int(number)  # type: ignore[index,call-overload]
    return _steps([found])[0]


def _steps(value: Json) -> tuple[Step, ...]:
    """Return the tasks that a JSON text tells."""
    if not isinstance(value, list):
        raise Unreadable("its tasks are no list")
    found = []
    for one in value:
        if not isinstance(one, dict) or not isinstance(one.get("task_name"), str):
            raise Unreadable("one of its tasks has no name")
        name, executor = one["task_name"], one.get("executor_type")
        needs, params = one.get("depends_on") or [], one.get("params") or {}
        types = one.get("signature") or {}
        if not isinstance(executor, str) or not isinstance(params, dict):
            raise Unreadable(f"the task {name!r} does not say what it executes")
        if not isinstance(needs, list) or not all(isinstance(need, str) for need in needs):
            raise Unreadable(f"the task {name!r} does not say what it depends on")
        found.append(
            Step(
                name=str(name),
                executor=executor,
                needs=tuple(map(str, needs)),
                params=params,
                types=types if isinstance(types, dict) else {},
            )
        )
    return tuple(found)


def text(cell: Cell) -> str | None:
    """Return a cell as text."""
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "replace")
    return None if cell is None else str(cell)


def id_of(cell: Cell) -> str | None:
    """Return an id as 32 digits; None of what is no id."""
    if isinstance(cell, bytes) and len(cell) == _ID_BYTES:
        return cell.hex()
    digits = (text(cell) or "").replace("-", "").lower()
    is_id = len(digits) == 2 * _ID_BYTES and not {*digits} - {*"0123456789abcdef"}
    return digits if is_id else None


def time_of(cell: Cell) -> datetime | None:
    """Return a time; one that names no zone is UTC."""
    try:
        found = datetime.fromisoformat(text(cell) or "")
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def json_of(cell: Cell) -> Json:
    """Return the value of a JSON text, None of no text; raise Unreadable where it is none."""
    if cell is None:
        return None
    try:
        value: Any = json.loads(text(cell) or "")
    except (ValueError, RecursionError):
        raise Unreadable("what should be JSON there is none") from None
    return value  # type: ignore[no-any-return]
