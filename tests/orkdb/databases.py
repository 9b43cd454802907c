"""Databases as the original ork made them: SQLite and PostgreSQL, before and after snapshots."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

SPACE = UUID("6f726b2d-6462-4000-8000-000000000000")
# Column types as SQLite and PostgreSQL had them.
TYPES = {
    "ID": ("BLOB", "UUID"),
    "TIME": ("TEXT", "TIMESTAMPTZ"),
    "JSON": ("TEXT", "JSONB"),
    "BOOL": ("INTEGER", "BOOLEAN"),
    "TEXT": ("TEXT", "TEXT"),
    "INT": ("INTEGER", "INTEGER"),
}
TABLES = {
    "workflows": "id ID, name TEXT, description TEXT, job_name TEXT, region TEXT, project TEXT,"
    " task_params JSON, created_at TIME, updated_at TIME, executor_type TEXT, schedule TEXT,"
    " schedule_enabled BOOL, last_scheduled_at TIME, next_scheduled_at TIME",
    "workflow_tasks": "id ID, workflow_id ID, task_index INT, task_name TEXT, executor_type TEXT,"
    " depends_on JSON, params JSON, created_at TIME, signature JSON",
    "runs": "id ID, workflow_id ID, status TEXT, triggered_by TEXT, started_at TIME,"
    " finished_at TIME, error TEXT, created_at TIME",
    "tasks": "id ID, run_id ID, task_index INT, task_name TEXT, executor_type TEXT,"
    " depends_on JSON, status TEXT, execution_name TEXT, params JSON, output JSON, error TEXT,"
    " dispatched_at TIME, started_at TIME, finished_at TIME, created_at TIME, logs TEXT,"
    " attempts INT, max_retries INT, timeout_seconds INT, retry_at TIME",
    "deferred_jobs": "id ID, task_id ID, service_type TEXT, job_id TEXT, job_data JSON,"
    " status TEXT, error TEXT, created_at TIME, started_at TIME, last_polled_at TIME,"
    " finished_at TIME",
}
SNAPSHOTS = {
    "workflow_snapshots": "id ID, workflow_id ID, content_hash TEXT, tasks_json JSON,"
    " created_at TIME",
}

Step = dict[str, Any]


def step(name: str, *needs: str, executor: str = "python", **params: Any) -> Step:
    """Return a task as the original kept one that a workflow file named."""
    types = params.pop("signature", None)
    if executor == "python":
        params = {
            "task_file": "/home/ann/pipelines/tasks/etl.py",
            "task_function": name,
            "python_path": "/home/ann/pipelines",
        } | params
    params = {"max_retries": 0, "timeout_seconds": 300} | params
    return {
        "task_name": name,
        "executor_type": executor,
        "depends_on": list(needs),
        "params": params,
        "signature": types,
    }


class Original:
    """A database of the original, made by hand; whoever used it closes it."""

    def __init__(self, connection: Any, *, snapshots: bool = True, server: bool = False) -> None:
        self._connection, self._server = connection, server
        self._count = 0
        self.snapshots = snapshots
        for table, columns in {**TABLES, **(SNAPSHOTS if snapshots else {})}.items():
            words = [column.split() for column in columns.split(", ")]
            if snapshots and table == "workflows":
                words.append(["current_snapshot_id", "ID"])
            if snapshots and table == "runs":
                words.append(["snapshot_id", "ID"])
            typed = (f"{name} {TYPES[kind][server]}" for name, kind in words)
            self.execute(f"CREATE TABLE {table} ({', '.join(typed)})")

    def execute(self, query: str, *values: Any) -> None:
        """Change something, at once."""
        if self._server:
            self._connection.execute(query.replace("?", "%s"), values or None)
        else:
            self._connection.execute(query, values)

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()

    def id(self, *words: object) -> Any:
        """Return an id: the same for the same words."""
        found = uuid5(SPACE, " ".join(map(str, words)))
        return str(found) if self._server else found.bytes

    def insert(self, table: str, **values: Any) -> Any:
        """Add a row; return its id."""
        self._count += 1
        values = {"id": self.id(table, self._count)} | values
        cells = [json.dumps(v) if isinstance(v, list | dict) else v for v in values.values()]
        marks = ", ".join("?" * len(values))
        self.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", *cells)
        return values["id"]

    def workflow(self, name: str, **columns: Any) -> Any:
        """Add a workflow."""
        given = {
            "name": name,
            "job_name": "dag",
            "region": "local",
            "project": "local",
            "created_at": "2026-01-01T02:00:00.000Z",
            "updated_at": "2026-01-01T02:00:00.000Z",
            "executor_type": "dag",
            "schedule_enabled": False,
        }
        return self.insert("workflows", **(given | columns))

    def deploy(self, workflow: Any, steps: list[Step], at: str, *, keep: bool = True) -> Any:
        """Deploy a version, as the original did: the one before is gone, but for its snapshot."""
        self.execute("DELETE FROM workflow_tasks WHERE workflow_id = ?", workflow)
        for index, one in enumerate(steps):
            created = {"workflow_id": workflow, "task_index": index, "created_at": at}
            self.insert("workflow_tasks", **(one | created))
        if not (self.snapshots and keep):
            return None
        kept = [one | {"task_index": index} for index, one in enumerate(steps)]
        text = json.dumps(kept, sort_keys=True)
        key = self.id("snapshot", workflow, text)
        found = self._connection.execute(
            f"SELECT 1 FROM workflow_snapshots WHERE id = {'%s' if self._server else '?'}", (key,)
        )
        if found.fetchone() is None:
            at = at if self._server else at.replace("Z", "000789+00:00")  # as sqlx bound it
            row = {"id": key, "workflow_id": workflow, "content_hash": str(key)}
            self.insert("workflow_snapshots", **row, tasks_json=kept, created_at=at)
        self.execute("UPDATE workflows SET current_snapshot_id = ? WHERE id = ?", key, workflow)
        return key

    def run(
        self,
        workflow: Any,
        steps: list[Step],
        at: str,
        *,
        status: str = "success",
        snapshot: Any = None,
        **columns: Any,
    ) -> Any:
        """Add a run that took half a minute; its tasks come by `task`."""
        day = at[:17]
        given = {
            "workflow_id": workflow,
            "status": status,
            "triggered_by": "manual",
            "created_at": at,
            "started_at": f"{day}00.512Z",
            "finished_at": f"{day}30.000Z",
        }
        if snapshot is not None:
            given["snapshot_id"] = snapshot
        key = self.insert("runs", **(given | columns))
        for index, one in enumerate(steps):
            self.task(key, index, one, at, status=status)
        return key

    def task(self, run: Any, index: int, one: Step, at: str, **columns: Any) -> Any:
        """Add a task of a run, with the parameters that the scheduler added."""
        day = at[:17]
        more = {"task_index": index, "task_name": one["task_name"], "run_id": str(run)}
        given = {
            "run_id": run,
            "task_index": index,
            "task_name": one["task_name"],
            "executor_type": one["executor_type"],
            "depends_on": one["depends_on"],
            "status": "success",
            "params": one["params"] | more,
            "created_at": at,
            "started_at": f"{day}01.007Z",
            "finished_at": f"{day}11.007Z",
            "attempts": 0,
            "max_retries": one["params"]["max_retries"],
            "timeout_seconds": one["params"]["timeout_seconds"],
        }
        return self.insert("tasks", **(given | columns))


def sqlite(path: Path, *, snapshots: bool = True, journal: str = "wal") -> Original:
    """Return a new database in a file."""
    path.parent.mkdir(exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"PRAGMA journal_mode = {journal}")
    return Original(connection, snapshots=snapshots)


EXTRACT = step(
    "extract",
    max_retries=2,
    task_bindings={"url": {"const": "https://example.org/users"}},
    signature={
        "input_type": {"url": "str"},
        "inputs": {"url": "str"},
        "output": "dict",
        "output_type": {"path": "str", "rows": "int"},
    },
)
LOAD = step(
    "load",
    "extract",
    executor="process",
    command="/home/ann/pipelines/load.sh",
    task_bindings={"path": {"ref": "tasks.extract.output.path"}},
    signature={"input_type": {"path": "str"}, "output_type": "types.Loaded"},
)
FIRST = [EXTRACT, LOAD]
SECOND = [
    EXTRACT | {"params": EXTRACT["params"] | {"timeout_seconds": 600}},
    LOAD,
    step("report", "load", executor="process", command="echo done > report.txt"),
]


def fill(original: Original) -> None:
    """Write what a project of some weeks has: versions and a way back, runs of every kind."""
    etl = original.workflow(
        "etl", description="Users, nightly", schedule="0 30 2 * * 2-6", schedule_enabled=True
    )
    first = original.deploy(etl, FIRST, "2026-01-05T02:00:00.000Z")
    old = original.run(etl, [], "2026-01-05T03:00:00.000Z", snapshot=first)
    original.task(
        old,
        0,
        EXTRACT,
        "2026-01-05T03:00:00.000Z",
        output={"path": "u.json", "rows": 41},
        logs="stderr: boom\nstdout: 41 rows\n",
        error="process failed for task extract",
        attempts=1,
    )
    original.task(old, 1, LOAD, "2026-01-05T03:00:00.000Z", output={"rows": 41})
    failed = original.run(
        etl, [], "2026-01-06T03:00:00.000Z", status="failed", snapshot=first, triggered_by="ui"
    )
    at = "2026-01-06T03:00:00.000Z"
    original.task(
        failed,
        0,
        EXTRACT,
        at,
        status="failed",
        error="ValueError: no rows\nin line 3",
        logs="stderr: no rows\n",
        attempts=3,
    )
    original.task(
        failed,
        1,
        LOAD,
        at,
        status="failed",
        error="dependency failed",
        started_at=None,
        finished_at="2026-01-06 03:00:36",
    )
    second = original.deploy(etl, SECOND, "2026-01-09T02:00:00.000Z")
    original.run(etl, SECOND, "2026-01-09T03:00:00.000Z", snapshot=second)
    original.deploy(etl, FIRST, "2026-01-12T01:00:00.000Z")
    original.run(etl, FIRST, "2026-01-12T03:00:00.000Z", snapshot=first)
    original.run(etl, FIRST, "2026-01-13T03:00:00.000Z", status="cancelled", snapshot=first)
    original.run(
        etl, FIRST, "2026-01-14T03:00:00.000Z", status="running", snapshot=first, finished_at=None
    )
    odd = original.workflow("My Flow (prod)", schedule="0 0 2 * * *")
    steps = [
        step("step one", executor="process", command="echo 1"),
        step(
            "step/two",
            "step one",
            executor="process",
            command="echo 2",
            task_bindings={"n": {"ref": "tasks.step one.output.n"}},
        ),
    ]
    key = original.deploy(odd, steps, "2026-01-05T02:00:00.000Z")
    done = original.run(odd, [], "2026-01-05T03:00:00.000Z", snapshot=key)
    deep: Any = 0
    for _ in range(70):
        deep = [deep]
    at = "2026-01-05T03:00:00.000Z"
    waited = original.task(done, 0, steps[0], at, output={"n": 2**60})
    original.task(done, 1, steps[1], at, output=deep)
    original.insert(
        "deferred_jobs",
        task_id=waited,
        service_type="bigquery",
        job_id="p/US/job_1",
        job_data={},
        status="completed",
        created_at="2026-01-05T03:00:02Z",
        finished_at="2026-01-05T03:00:09Z",
    )
    hard = original.workflow("hard")
    token = "ghp_" + "a1" * 20
    command = step("a", executor="process", command=f"curl -H 'Authorization: {token}' x")
    original.deploy(hard, [command], "2026-01-05T02:00:00.000Z")
    original.workflow("empty")
