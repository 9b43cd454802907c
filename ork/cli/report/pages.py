"""What a report is about -> its page: a change, a run, or a workflow. Reads the store."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from ork.cli.diff.wording import headline, many
from ork.cli.pictures.change import nearest
from ork.cli.pictures.comparing import change_of
from ork.cli.pictures.graph import Graph
from ork.cli.report.change import change_header, change_sections
from ork.cli.report.markup import Html, el, section
from ork.cli.report.page import header, page, picture
from ork.cli.report.parts import deploys_table, runs_table
from ork.cli.report.run import RunReport, run_header, run_sections
from ork.cli.report.since import run_diff_section
from ork.cli.screen import human as words
from ork.history.compare import Comparison, compare_resolved
from ork.history.compare_runs import diff_runs, last_good
from ork.history.log import LogEntry, log
from ork.objects.kinds import Deploy, Run
from ork.store.contents import definition, find_run, run_details
from ork.store.logs import path_of, pieces
from ork.store.resolve import Resolved, deploy_of, has_run, resolve
from ork.store.runs import runs
from ork.store.store import Store

DEPLOYS_MAX = 100
RUNS_MAX = 50
TASKS_MAX = 150  # in a picture
LOG_LINES = 40
LOG_BYTES_MAX = 1 << 20
LOGS_MAX = 50
RUNS_LOOKED_AT_MAX = 1_000  # for a good run before a failed one


def change_page(store: Store, old: str, new: str, *, now: datetime) -> Iterator[str]:
    """Return the page of a change: what differs, the deploys between, how their runs went."""
    before, after = (resolve(store, text, now=now) for text in (old, new))
    comparison = compare_resolved(store, before, after)
    change = change_of(store, comparison, hunks=True)
    title = headline(comparison, change.impact)
    parts = [change_header(comparison, change.impact)]
    if before.kind == after.kind == "run":
        parts.append(run_diff_section("The two runs", diff_runs(store, before, after)))
        parts.append(section("Runs", runs_table(_runs_of(store, before, after), now)))
    parts += _deploys(store, comparison, now)
    parts += change_sections(change.comparison.diff, change.impact, change.graph)
    return page(title, parts, made=now)


def run_page(store: Store, found: Resolved, *, now: datetime) -> Iterator[str]:
    """Return the page of a run; of one that failed also what changed since the last good one."""
    oid, run = find_run(store, found)
    details = run_details(store, oid, run)
    tasks = definition(store, _as_resolved(oid, run)).tasks
    report = RunReport(
        details=details,
        needs={name: task.depends_on for name, task in tasks.items()},
        deploy=store.get(Deploy, run.deploy) if run.deploy else None,
        environment=store.value(run.environment) if run.environment else None,
        logs=_logs(
            store,
            details.run,
            [
                name
                for name, task in details.tasks.items()
                if task.taskrun.state in ("failed", "interrupted")
            ],
        ),
    )
    parts = [run_header(report, now), *run_sections(report, now)]
    if run.state == "failed":
        parts += _since_good(store, oid, run, now)
    return page(f"{run.workflow}#{run.number} {run.state}", parts, made=now)


def workflow_page(store: Store, found: Resolved, *, now: datetime) -> Iterator[str]:
    """Return the page of a workflow: its graph, its newest deploys and its newest runs."""
    found = deploy_of(store, found)
    name = str(found.workflow)
    tasks = definition(store, found).tasks
    graph = Graph(title=name, needs={name: task.depends_on for name, task in tasks.items()})
    entries = list(log(store, str(found.deploy), now=now, limit=DEPLOYS_MAX))
    newest = []
    if has_run(store, name):
        newest = [entry.run for entry in runs(store, name, limit=RUNS_MAX)]
    about = entries[0].deploy.settings.get("description")
    parts = [
        header(name, str(about) if about else None),
        picture("Graph", nearest(graph, TASKS_MAX), note=many(len(tasks), "task")),
        section("Deploys", deploys_table(entries, now), note=_newest(len(entries), DEPLOYS_MAX)),
    ]
    if newest:
        parts.append(section("Runs", runs_table(newest, now), note=_newest(len(newest), RUNS_MAX)))
    return page(name, parts, made=now)


def _deploys(store: Store, comparison: Comparison, now: datetime) -> Iterator[Html]:
    """Yield the deploys that the new side has and the old one has not, and the old one below."""
    old, new = comparison.old, comparison.new
    if old.deploy is None or new.deploy is None or old.workflow != new.workflow:
        return
    between = list(islice(log(store, f"{old.deploy}..{new.deploy}", now=now), DEPLOYS_MAX + 1))
    note = words.count(len(between), "deploy")
    if len(between) > DEPLOYS_MAX:
        note, between = f"the newest {DEPLOYS_MAX}", between[:DEPLOYS_MAX]
    if between:
        note += ", and the one before"
    elif old.deploy == new.deploy:
        note = "the same deploy on both sides"
    else:
        note, between = "the new side is no later deploy", _one(store, str(new.deploy), now)
    start = _one(store, str(old.deploy), now)
    yield section("History", deploys_table([*between, *start], now), note=note)


def _one(store: Store, deploy: str, now: datetime) -> list[LogEntry]:
    return list(log(store, deploy, now=now, limit=1))


def _since_good(store: Store, oid: str, run: Run, now: datetime) -> Iterator[Html]:
    good = last_good(store, run, within=RUNS_LOOKED_AT_MAX)
    if good is None:
        return
    name = f"{run.workflow}#{good.number}"
    before = resolve(store, name, now=now)
    after = resolve(store, f"{run.workflow}#{run.number}", now=now)
    change = change_of(store, compare_resolved(store, before, after), hunks=True)
    title = f"What changed since {name}, the last good run"
    yield el(
        "header",
        el("h1", title),
        el("p", headline(change.comparison, change.impact), class_="lead"),
        class_="part",
    )
    yield run_diff_section("The two runs", diff_runs(store, before, after))
    yield from _deploys(store, change.comparison, now)
    yield from change_sections(change.comparison.diff, change.impact, change.graph)


def _logs(store: Store, run: Run, names: list[str]) -> dict[str, str]:
    """Return the last lines of the log of each of these tasks, of its last attempt."""
    from ork.store.contents import task_runs

    states = task_runs(store, run)
    logs = {}
    for name in names[:LOGS_MAX]:
        attempts = [attempt for attempt in states[name].attempts if attempt.log]
        if attempts:
            path = path_of(store, str(attempts[-1].log))
            data = b""
            for piece in pieces(path, tail=LOG_LINES):  # one line may be larger than memory
                data = (data + piece)[-LOG_BYTES_MAX:]
            logs[name] = data.decode("utf-8", "replace")
    return logs


def _runs_of(store: Store, *found: Resolved) -> list[Run]:
    return [find_run(store, one)[1] for one in found]


def _as_resolved(oid: str, run: Run) -> Resolved:
    from ork.objects.canonical import Oid

    return Resolved(
        text=run.id,
        oid=Oid(oid),
        kind="run",
        workflow=run.workflow,
        deploy=run.deploy,
        snapshot=run.snapshot,
        run=Oid(oid),
    )


def _newest(shown: int, most: int) -> str:
    return f"the newest {most}" if shown == most else str(shown)
