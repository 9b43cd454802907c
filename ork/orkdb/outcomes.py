"""A run of the original and the rows of its tasks become a run of ork, with outputs and logs.

Of each task one attempt is known, the last. What was printed by all attempts is one text, of which
the original kept the first two million characters; it becomes the log of that attempt.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from datetime import datetime

from ork.errors import InvalidInput
from ork.objects import tree
from ork.objects.canonical import AS_TEXT, INTEGER_MAX, Oid
from ork.objects.kinds import (
    Attempt,
    Log,
    Output,
    Packed,
    Run,
    RunState,
    TaskRun,
    TaskState,
    micros,
    output_of,
)
from ork.objects.value import Value
from ork.orkdb.chain import Tell
from ork.orkdb.database import Cell, Database, Row, rows
from ork.orkdb.rows import ENDED, RunRow, id_of, tasks, text, time_of
from ork.store.runs import id_time

AUTHOR = "ork-db"
LOG_CHARS_MAX = 2_000_000  # that the original kept of a log
PLACE_CHARS_MAX = 60  # in a value, of what could not be kept
UPSTREAM_FAILED = "dependency failed"
WriteLog = Callable[[bytes], Log]


class Place(Value, frozen=True, kw_only=True):
    """What a run executed, as the store has it: deploy, snapshot and tasks.

    `names` is what ork calls the tasks of the original.
    """

    workflow: str
    deploy: Oid
    snapshot: Oid
    tasks: Mapping[str, Oid]
    names: Mapping[str, str]


class Finished(Value, frozen=True, kw_only=True):
    """A run as it is kept, and all objects that it needs besides its deploy."""

    oid: Oid
    run: Run
    states: Mapping[str, TaskRun]
    objects: Mapping[Oid, bytes]


def run_id(row: RunRow, created: datetime) -> str:
    """Return the id of a run: the same whenever it is read."""
    return f"{id_time(created)}-{row.id}"


def deferred_tasks(database: Database) -> set[str | None]:
    """Return the ids of the tasks that waited for a job elsewhere."""
    return {id_of(row["task_id"]) for row in rows(database, "deferred_jobs")}


def finished(
    database: Database,
    row: RunRow,
    created: datetime,
    place: Place,
    number: int,
    *,
    deferred: Set[str | None],
    write_log: WriteLog | None,
    tell: Tell,
) -> Finished:
    """Return a run with the outcomes of its tasks; tell what of it had to be left out."""
    objects = Packed()
    states: dict[str, TaskRun] = {}
    name = f"{place.workflow}#{number}"
    last = row.started or created
    for one in tasks(database, row):
        old = text(one["task_name"]) or ""
        new = place.names.get(old, old)
        if new not in place.tasks:
            tell(f"the task {old!r} of {name}", "it is not in what that run executed")
            continue
        outcome = _Outcome(one, row, f"{name}:{new}", tell)
        jobs = list(_jobs(database, one["id"])) if id_of(one["id"]) in deferred else []
        taskrun, blobs = outcome.taskrun(place.tasks[new], jobs, write_log)
        states[new] = taskrun
        objects |= blobs
        last = max([last, *filter(None, (time_of(one["finished_at"]),))])
    ended = max(row.finished or last, created)
    state: RunState = row.status if row.status in ENDED else "interrupted"  # type: ignore[assignment]
    run = Run(
        author=AUTHOR,
        created=created,
        deploy=place.deploy,
        duration=_between(row.started or created, ended),
        ended=ended,
        environment=None,
        host="",
        id=run_id(row, created),
        number=number,
        reason=_reason(state, row, states),
        snapshot=place.snapshot,
        state=state,
        tasks=tree.build(states, objects.add, TaskRun),
        trigger=_storable(row.trigger),
        workflow=place.workflow,
    )
    return Finished(oid=objects.add(run), run=run, states=states, objects=objects)


class _Outcome:
    """One task of one run."""

    def __init__(self, row: Row, run: RunRow, name: str, tell: Tell) -> None:
        self._row, self._run, self._name, self._tell = row, run, name, tell
        self._status = text(row["status"]) or ""
        self._error = _storable(text(row["error"]) or "")
        self._started = time_of(row["started_at"])

    def taskrun(
        self, task: Oid, jobs: Iterable[str], write_log: WriteLog | None
    ) -> tuple[TaskRun, dict[Oid, bytes]]:
        """Return the outcome and the blob of its output, and write its log."""
        output, blobs, unstored = self._output()
        printed = text(self._row["logs"]) or ""
        if len(printed) >= LOG_CHARS_MAX:
            self._tell(f"a part of the log of {self._name}", "the middle of it was not kept there")
        lines = [*jobs, *([f"output: {unstored}"] if unstored else [])]
        if lines:
            gap = "\n" if printed and not printed.endswith("\n") else ""
            printed += gap + "".join(f"{line}\n" for line in lines)
        state, reason = self._state()
        begun = self._started or (time_of(self._row["dispatched_at"]) if output else None)
        attempts: tuple[Attempt, ...] = ()
        if state != "upstream_failed" and (begun or printed or state in ("success", "failed")):
            data = printed.encode("utf-8", "replace")
            started = begun or time_of(self._row["created_at"]) or self._run.created
            assert started is not None
            attempt = Attempt(
                duration=_between(started, time_of(self._row["finished_at"])),
                error=self._error or None if state == "failed" else None,
                log=write_log(data) if data and write_log else None,
                number=self._number(),
                started=started,
                state=state,
            )
            attempts = (attempt,)
        return TaskRun(
            attempts=attempts, output=output, reason=reason, state=state, task=task
        ), blobs

    def _state(self) -> tuple[TaskState, str | None]:
        status = self._status
        if status == "success":
            return "success", None
        if status == "failed" and self._error == UPSTREAM_FAILED and not self._started:
            return "upstream_failed", "a task before it did not succeed"
        if status == "failed":
            return "failed", self._error.partition("\n")[0] or "failed"
        if status == "cancelled" or self._run.status in ENDED:
            words = "the run was cancelled" if self._run.status == "cancelled" else None
            return "cancelled", words or f"it was {status} when the run ended"
        if status in ("running", "dispatched"):
            return "interrupted", f"it was {status} when it was imported"
        return "pending", None

    def _number(self) -> int:
        """Return the number of the last attempt: the original counted those that failed."""
        failures = text(self._row["attempts"]) or "0"
        count = int(failures) if failures.isascii() and failures.isdigit() else 0
        return min(max(count + (self._status == "success"), 1), 1_000_000)

    def _output(self) -> tuple[Output | None, dict[Oid, bytes], str | None]:
        """Return the output, its blob, and the text of one that ork cannot keep as a value."""
        cell = text(self._row["output"])
        if cell is None:
            return None, {}, None
        try:
            output, _, blob = output_of(json.loads(cell))
        except (InvalidInput, ValueError, RecursionError) as error:
            why = error.message if isinstance(error, InvalidInput) else "it is no JSON"
            place, _, what = why.removesuffix(f"; {AS_TEXT}").rpartition(": ")
            why = f"{place}: {what}" if 0 < len(place) <= PLACE_CHARS_MAX else what
            self._tell(f"the output of {self._name}", f"{why} (its text is in the log)")
            return None, {}, cell
        return output, blob, None


def _jobs(database: Database, task: Cell) -> Iterator[str]:
    """Yield a line for each job elsewhere that a task waited for; what it gave was not kept."""
    for row in rows(database, "deferred_jobs", ("task_id", task)):
        words = [text(row[column]) or "" for column in ("service_type", "job_id", "status")]
        when = [text(row[column]) or "" for column in ("created_at", "finished_at")]
        error = f": {text(row['error'])}" if row["error"] else ""
        yield f"deferred: {' '.join(words)}, {' to '.join(filter(None, when))}{error}"


def _reason(state: str, row: RunRow, states: Mapping[str, TaskRun]) -> str | None:
    if state == "success":
        return None
    if row.error:
        return _storable(row.error)
    if state == "interrupted":
        return f"it was {row.status} when it was imported"
    if state == "cancelled":
        return "cancelled"
    failed = [name for name, taskrun in states.items() if taskrun.state == "failed"]
    if not failed:
        return "not every task succeeded"
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    return f"{min(failed)}: {states[min(failed)].reason}{more}"


def _between(start: datetime, end: datetime | None) -> int:
    seconds = max(0.0, (end - start).total_seconds()) if end else 0.0
    return min(micros(seconds), INTEGER_MAX)


def _storable(words: str) -> str:
    """Return a text without what no object may hold."""
    return words.encode("utf-8", "replace").decode()
