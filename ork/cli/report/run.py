"""The page of a run: its graph, timeline, tasks, values and logs, and what made it fail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cached_property
from itertools import chain, islice
from typing import Any

from ork.cli.pictures.graph import Graph
from ork.cli.report.change import change_values
from ork.cli.report.timeline import Timeline, critical_path, lanes, timeline
from ork.cli.screen import human
from ork.daemon.fires import with_retry
from ork.differences.tasks import together
from ork.history.compare import compare_resolved
from ork.history.compare_runs import diff_runs, last_good
from ork.history.details import RunDetails, run_details, where_executed
from ork.logs.begun import Beginnings
from ork.logs.drawn import last_part, last_states
from ork.logs.reading import pieces
from ork.objects.canonical import Json, Oid, indented
from ork.objects.kinds import Deploy, Run, TaskRun
from ork.objects.value import Value
from ork.store.resolve import resolve
from ork.store.runs import records_of
from ork.store.store import Store
from ork.store.verdict import failed_tasks, tainted

VALUES_MAX = 300  # of the tasks whose inputs and outputs are shown
GIST_CHARS_MAX = 80
LOG_LINES = 40
LOG_BYTES_MAX = 1 << 20
LOGS_MAX = 50
RUNS_LOOKED_AT_MAX = 1_000  # for a good run before a failed one


def run_values(store: Store, oid: Oid, run: Run, *, now: datetime) -> dict[str, Any]:
    """Return what the page of a run shows; if it failed, also what changed since a good one."""
    details = with_retry(store, run_details(store, oid, run), now)
    report = RunReport(
        details=details,
        deploy=store.get(Deploy, run.deploy) if run.deploy else None,
        records=tuple(records_of(store, run))[::-1],
        environments=_environments(store, details),
        failures=_failures(store, details),
        going={name: (since, now) for name, since in _begun(store, details)},
    )
    good = _since_good(store, run, now) if run.state == "failed" else None
    title = f"{run.name} {run.state}"
    return {"title": title, "report": report, "good": good, "now": now}


class Failure(Value, frozen=True, kw_only=True):
    """A task that failed, and what tells why: none says again what another one has said."""

    name: str
    state: str
    reason: str
    error: str
    log: str


class Environment(Value, frozen=True, kw_only=True):
    """What is recorded of an environment; of one before a retry the tasks that it has left."""

    value: Json
    tasks: tuple[str, ...] = ()

    @property
    def machine(self) -> str:
        """What the environment says in words and numbers: the Python, the system."""
        return ", ".join(
            f"{key} {item}" for key, item in self._facts if not isinstance(item, (dict, list))
        )

    @property
    def listed(self) -> list[tuple[str, int, str]]:
        """What the environment lists, such as distributions: name, how many, the list as text."""
        return [
            (key, len(item), _lines(item))
            for key, item in self._facts
            if isinstance(item, (dict, list)) and item
        ]

    @property
    def _facts(self) -> list[tuple[str, Json]]:
        return list(self.value.items()) if isinstance(self.value, dict) else []


class RunReport(Value, frozen=True, kw_only=True, dict=True):
    """All that the page tells of a run itself."""

    details: RunDetails
    deploy: Deploy | None
    records: tuple[Run, ...]  # the run as it began, and after each retry
    environments: list[Environment]
    failures: list[tuple[Failure, ...]]  # those that failed alike together
    going: Mapping[str, tuple[datetime, datetime]]  # task that runs -> since when, and now

    @property
    def needs(self) -> Mapping[str, tuple[str, ...]]:
        """What each task depends on, in the order in which they can run."""
        return self.details.tasks.needs

    @property
    def taskruns(self) -> Mapping[str, TaskRun]:
        """What became of each task that has got anywhere."""
        return self.details.tasks.states

    @property
    def tainted(self) -> str:
        """What is to be said where captured files changed under tasks."""
        changed = tainted(self.taskruns)
        return human.how_tainted(self.details.run.name, changed) if changed else ""

    @property
    def outcomes(self) -> list[tuple[tuple[str, str], int]]:
        """How many tasks came out how: state and word."""
        return human.outcomes(self.taskruns.values())

    @property
    def people(self) -> tuple[list[str], list[str]]:
        """Who began it, and who retried it."""
        return human.people(self.records[:1]), human.people(self.records[1:])

    @property
    def graph(self) -> Graph:
        """The picture of the run."""
        return Graph(title=self.details.run.name, needs=self.needs, states=self.taskruns)

    @cached_property
    def timeline(self) -> Timeline:
        """When each task ran."""
        run = self.details.run
        found = lanes(self.taskruns, self.needs, run.created, going=self.going)
        path = critical_path(found, self.needs) if run.ended else ()
        return timeline(found, path if len(path) > 1 else ())

    @property
    def values(self) -> Iterator[tuple[str, str, Json, Json]]:
        """The inputs and the output of each task that has any, with the output in short."""
        tasks = self.details.tasks
        return (
            (name, tasks.gist(name, GIST_CHARS_MAX), task.inputs, task.output)
            for name, task in islice(tasks.items(), VALUES_MAX)
            if task.inputs or task.output is not None
        )


def _environments(store: Store, details: RunDetails) -> list[Environment]:
    """Return in what the run executed last, then in what tasks did that it has kept since."""
    run = details.run
    tasks: dict[Oid | None, list[str]] = {run.environment: []}
    for name, taskrun in details.tasks.states.items():
        where = where_executed(run, taskrun)
        if where and where.environment != run.environment:
            tasks.setdefault(where.environment, []).append(name)
    return [
        Environment(value=store.value(oid), tasks=tuple(names))
        for oid, names in tasks.items()
        if oid
    ]


def _begun(store: Store, details: RunDetails) -> list[tuple[str, datetime]]:
    """Return the tasks that run now, and since when; the newest attempt of each comes last."""
    running = {name for name, one in details.tasks.states.items() if one.state == "running"}
    if not running or details.run.ended:
        return []
    attempts = Beginnings(store, details.run).now()
    return [(name, one.started) for (name, _), one in attempts.items() if name in running]


def _failures(store: Store, details: RunDetails) -> list[tuple[Failure, ...]]:
    """Return the tasks that failed; alike are those with one error or, without any, one log."""
    found: list[Failure] = []
    states = details.tasks.states
    interrupted = (item for item in states.items() if item[1].state == "interrupted")
    for name, taskrun in chain(failed_tasks(states).items(), interrupted):
        reason = taskrun.reason or ""
        error = (taskrun.last and taskrun.last.error) or ""
        error = f"{error}\n".removeprefix(f"{reason}\n").strip("\n")
        log = _end_of_log(store, taskrun) if len(found) < LOGS_MAX else ""
        log = "" if log in error or reason.endswith(log) else log.replace(error, "").strip("\n")
        found.append(Failure(name=name, state=taskrun.state, reason=reason, error=error, log=log))

    def key(one: Failure) -> object:
        return one.state, one.reason, one.error or one.log

    return list(together(found, key))


def _end_of_log(store: Store, taskrun: TaskRun) -> str:
    """Return the last lines of the last log of a task."""
    log = taskrun.last and taskrun.last.log
    data = b""
    for piece in pieces(store, log, tail=LOG_LINES) if log else ():
        data = (data + piece)[-LOG_BYTES_MAX:]  # one line may be larger than memory
    lines = b"".join(last_states([data])).decode("utf-8", "replace").rstrip("\n").split("\n")
    return "\n".join(map(last_part, lines))


def _since_good(store: Store, run: Run, now: datetime) -> dict[str, Any] | None:
    """Return what changed since the last good run: the values of that part of the page."""
    good = last_good(store, run, within=RUNS_LOOKED_AT_MAX)
    if good is None:
        return None
    before, after = (resolve(store, one.name, now=now) for one in (good, run))
    comparison = compare_resolved(store, before, after)
    return change_values(store, comparison, diff_runs(store, before, after), now=now)


def _lines(value: Json) -> str:
    if isinstance(value, list):
        return "\n".join(map(str, value))
    return indented(value)
