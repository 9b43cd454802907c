"""The page of a run: its graph, timeline, tasks, values and logs, and what made it fail."""

from __future__ import annotations

from datetime import datetime
from itertools import chain, islice
from typing import Any

from ork.cli.pictures.graph import Graph
from ork.cli.report.change import change_values
from ork.cli.report.timeline import Timeline, critical_path, lanes, timeline
from ork.cli.screen import human
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
    details = run_details(store, oid, run)
    if run.scheduled:
        from ork.daemon.fires import with_retry  # which other runs do without

        details = with_retry(store, details, now)
    tasks, states = details.tasks, details.tasks.states
    changed = tainted(states)
    first, *retries = tuple(records_of(store, run))[::-1]
    return {
        "title": f"{run.name} {run.state}",
        "details": details,
        "run": run,
        "deploy": store.get(Deploy, run.deploy) if run.deploy else None,
        "needs": tasks.needs,
        "states": states,
        "tainted": human.how_tainted(run.name, changed) if changed else "",
        "outcomes": human.outcomes(states.values()),
        "trigger": first.trigger,
        "starters": human.people([first]),
        "retriers": human.people(retries),
        "graph": Graph(title=run.name, needs=tasks.needs, states=states),
        "times": _timeline(store, details, now),
        "data": (
            (name, tasks.gist(name, GIST_CHARS_MAX), task.inputs, task.output)
            for name, task in islice(tasks.items(), VALUES_MAX)
            if task.inputs or task.output is not None
        ),
        "environments": _environments(store, details),
        "failures": _failures(store, details),
        "good": _since_good(store, run, now) if run.state == "failed" else None,
        "now": now,
    }


class Failure(Value, frozen=True, kw_only=True):
    """A task that failed, and what tells why: none says again what another one has said."""

    name: str
    state: str
    reason: str
    error: str
    log: str


def _environments(store: Store, details: RunDetails) -> list[dict[str, Any]]:
    """Return in what the run executed last, then in what tasks did that it has kept since.

    Of each what it says in words and numbers, such as the Python, and then what it lists, such as
    distributions: name, how many, the list as text. The tasks are those of one before a retry.
    """
    run = details.run
    tasks: dict[Oid | None, list[str]] = {run.environment: []}
    for name, taskrun in details.tasks.states.items():
        where = where_executed(run, taskrun)
        if where and where.environment != run.environment:
            tasks.setdefault(where.environment, []).append(name)
    found = []
    for oid, names in tasks.items():
        value = store.value(oid) if oid else None
        facts = value.items() if isinstance(value, dict) else ()
        words = (f"{key} {one}" for key, one in facts if not isinstance(one, (dict, list)))
        lists = ((key, one) for key, one in facts if isinstance(one, (dict, list)) and one)
        listed = [(key, len(one), _lines(one)) for key, one in lists]
        if oid:
            found.append({"tasks": names, "machine": ", ".join(words), "listed": listed})
    return found


def _timeline(store: Store, details: RunDetails, now: datetime) -> Timeline:
    """Return when each task ran; of those that run now the newest attempt goes on."""
    run, states, needs = details.run, details.tasks.states, details.tasks.needs
    running = {name for name, one in states.items() if one.state == "running"}
    begun = Beginnings(store, run).now() if running and run.ended is None else {}
    going = {name: (one.started, now) for (name, _), one in begun.items() if name in running}
    found = lanes(states, needs, run.created, going=going)
    path = critical_path(found, needs) if run.ended else ()
    return timeline(found, path if len(path) > 1 else ())


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
