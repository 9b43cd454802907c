"""The pages: what each is asked by its address, and what it shows.

Each looks at a bounded part of the store, newest first; `before` goes on behind what was shown. So
a store with a million runs opens as fast as one with twenty. Of all workflows, what needs somebody
comes first: for that the schedules of each are looked at, and its newest run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from ork.cli.pictures.change import Change, change_of
from ork.cli.pictures.graph import Graph
from ork.cli.report.change import change_values
from ork.cli.report.charts import Moment
from ork.cli.report.workflow import workflow_values
from ork.cli.screen import human
from ork.cli.screen.line import as_object
from ork.cli.web import runs as run_pages
from ork.cli.web.page import Answer, Asked, Page
from ork.cli.web.search import search
from ork.daemon import queue
from ork.daemon.fires import LATE, Fired, Listed, holder, is_up, listed
from ork.daemon.lines import Lines
from ork.daemon.pauses import Paused, all_paused
from ork.differences.definitions import SHORT_DIFF_LINES, with_hunks
from ork.errors import Corrupt, OrkError, UsageError
from ork.heads.tags import tags
from ork.heads.undo import display
from ork.history.compare import compare_resolved
from ork.history.compare_runs import diff_runs
from ork.history.details import ComingRetry
from ork.history.log import LogEntry, entries_of, entry_of, log
from ork.objects.canonical import Json, Oid
from ork.objects.kinds import Deploy, Param, Run, is_oid
from ork.objects.value import Value, replace
from ork.schedule.schedule import schedules_of
from ork.schedule.times import slots
from ork.schedule.words import in_words, policies
from ork.store.contents import needs_of, secrets_of, snapshot_details
from ork.store.operations import operations, without_runs
from ork.store.resolve import (
    Resolved,
    archived,
    deploy_in,
    deploy_of,
    former_names,
    has_run,
    head,
    known_names,
    resolve,
)
from ork.store.runs import Executed, RunEntry, newest_of, runs
from ork.store.store import Store
from ork.store.verdict import in_full

WORKFLOWS_A_PAGE = 50
STRIP_RUNS = 20  # of each workflow
SHORT_LIST = 15  # deploys and runs, where a page shows more than those
LOG_A_PAGE = 30
OPERATIONS_A_PAGE = 50
SCHEDULES_MAX = 500  # that one page shows
NEXT_TIMES = 3


class WorkflowRow(Value, frozen=True, kw_only=True):
    """One workflow among all: its newest deploy, its newest runs, and when it is due."""

    name: str
    head: LogEntry | None  # None: it was never deployed, its runs are unattached
    runs: list[Moment]  # oldest first
    last: Run | None
    schedule: Json = None
    next: datetime | None = None
    paused: Paused | None = None
    due: datetime | None = None  # a slot that has come and is not decided
    reason: str | None = None  # why
    held_by: str | None = None  # the run that did not succeed, with `after_failure: hold`
    ahead: datetime | None = None  # a clock that was has decided up to there
    damaged: str | None = None  # what is lost that a schedule goes by
    retry: ComingRetry | None = None  # the first that comes


def overview(asked: Asked) -> Page:
    """Show all workflows by their names, but first those that are late, held or failed last."""
    store, after = asked.store, asked.query.get("after")
    names = known_names(store) - archived(store)
    schedules: dict[str, list[Listed]] = {}
    for one in listed(store, Lines(store).look(), asked.now):
        schedules.setdefault(one.workflow, []).append(one)
    last = newest_of(store, names, 1, damage=[])

    def place(name: str) -> tuple[bool, str]:
        its = schedules.get(name, ())
        waits = _late(its, asked.now) or any(one.held_by or one.damaged for one in its)
        failed = any(one.damaged or _failed(one) for one in last.get(name, ()))
        return not (waits or failed), name

    rest = [name for name in sorted(names, key=place) if not after or place(name) > place(after)]
    shown = rest[:WORKFLOWS_A_PAGE]
    damage: list[Corrupt] = []
    paused, newest = all_paused(store, shown), newest_of(store, shown, STRIP_RUNS, damage)
    refs = store.refs_at(f"workflows/{name}" for name in shown)
    deploys = store.get_all(Deploy, {oid: oid for oid in refs.values()})
    heads = {entry.oid: entry for entry in entries_of(store, deploys)}
    entries = {ref.partition("/")[2]: heads[oid] for ref, oid in refs.items()}
    rows = [
        _row(
            name,
            entries.get(name),
            newest[name],
            paused.get(name),
            schedules.get(name, ()),
            asked.now,
        )
        for name in shown
    ]
    values = {
        "title": "Workflows",
        "rows": rows,
        "total": len(names),
        "after": rows[-1].name if len(rest) > len(rows) else None,
        "damage": damage,
    }
    return Page(template="workflows", values=values, schema="workflows", document=rows)


def _failed(run: RunEntry | Fired | None) -> bool:
    return run is not None and run.state == "failed"


def _late(schedules: Iterable[Listed], now: datetime) -> list[tuple[datetime, str | None]]:
    """Return which slots have come and are not decided, and why, the first one first."""
    return sorted((one.due, one.reason) for one in schedules if one.due and now - one.due >= LATE)


def _row(
    name: str,
    head: LogEntry | None,
    newest: list[RunEntry],
    paused: Paused | None,
    schedules: Sequence[Listed],
    now: datetime,
) -> WorkflowRow:
    late = _late(schedules, now)
    settings = head.deploy.settings if head else {}
    return WorkflowRow(
        name=name,
        head=head,
        runs=moments(newest),
        last=newest[0].run if newest else None,
        schedule=settings.get("schedule"),
        next=min((one.next for one in schedules if one.next), default=None),
        paused=paused,
        due=late[0][0] if late else None,
        reason=late[0][1] if late else None,
        held_by=next((one.held_by for one in schedules if one.held_by), None),
        ahead=max((one.ahead for one in schedules if one.ahead), default=None),
        damaged=next((one.damaged for one in schedules if one.damaged), None),
        retry=min(
            (one.retry for one in schedules if one.retry), key=lambda one: one.time, default=None
        ),
    )


def moments(newest: Iterable[RunEntry]) -> list[Moment]:
    """Return runs that were listed newest first as they are drawn: the oldest first."""
    return [
        Moment(
            name=one.run.workflow,
            number=one.run.number,
            state=one.state,
            seconds=one.run.seconds,
            damaged=one.damaged,
        )
        for one in newest
    ][::-1]


def next_times(settings: Mapping[str, Json], now: datetime, count: int) -> list[datetime]:
    """Return when a workflow with these settings is due next; nothing if they make no sense."""
    try:
        found = {
            slot
            for schedule in schedules_of(settings)
            for slot in islice(slots(schedule, now), count)
        }
    except (OrkError, ValueError):
        return []
    return sorted(found)[:count]


def workflow(asked: Asked) -> Page:
    """Show one workflow: its graph, its newest deploys and runs, settings, schedule and tags."""
    store, name = asked.store, run_pages.workflow_in(asked)
    damage: list[Corrupt] = []
    if store.ref(f"workflows/{name}") is None and has_run(store, name):
        values = _of_unattached(asked, name, damage)
    else:
        found = resolve(store, head(store, name), now=asked.now)
        values = workflow_values(
            store, found, now=asked.now, deploys_max=SHORT_LIST, runs_max=SHORT_LIST, damage=damage
        )
    first: LogEntry | None = next(iter(values["entries"]), None)
    settings = first.deploy.settings if first else {}
    newest = newest_of(store, [name], STRIP_RUNS, damage=[])[name]
    found_tags = list(tags(store, name))
    put_away = name in archived(store)
    times = [] if put_away else next_times(settings, asked.now, NEXT_TIMES)
    paused = all_paused(store, [name]).get(name)
    schedules = listed(store, Lines(store, only={name}).look(), asked.now)
    told = {"description", *(["schedule"] if values["schedules"] else [])}  # in words
    values |= {
        "row": _row(name, first, newest, paused, schedules, asked.now),
        "tags": found_tags,
        "settings": {key: value for key, value in settings.items() if key not in told},
        "next_times": times,
        "archived": put_away,
        "head": first,
        "params": _params(store, first),
        "damage": damage,
    }
    document = {
        "workflow": name,
        "log": values["entries"],
        "runs": values["runs"],
        "tags": found_tags,
        "settings": settings,
        "next": times,
        "paused": paused,
        "archived": put_away,
    }
    return Page(template="workflow", values=values, schema="workflow", document=document)


def _of_unattached(asked: Asked, name: str, damage: list[Corrupt]) -> dict[str, Any]:
    """Return the values of a workflow that has no head: of its runs alone."""
    found = runs(asked.store, name, limit=SHORT_LIST, damage=damage)
    newest = list(in_full(asked.store, found))
    if not newest:
        raise damage[0]
    snapshot = asked.store.snapshot(newest[0].run.snapshot)
    return {
        "title": name,
        "about": None,
        "schedules": [],
        "graph": Graph(title=name, needs=needs_of(asked.store, snapshot)),
        "entries": [],
        "runs": newest,
        "deploys_max": SHORT_LIST,
        "runs_max": SHORT_LIST,
    }


def _params(store: Store, newest: LogEntry | None) -> Mapping[str, Param]:
    return store.snapshot(newest.deploy.snapshot).params if newest else {}


def history(asked: Asked) -> Page:
    """Show the deploys of a workflow, newest first, a page of them."""
    store, name, before = asked.store, run_pages.workflow_in(asked), asked.query.get("before")
    start: str = head(store, name)
    if before is not None:
        last = store.get(Deploy, oid_of(before))
        if last.workflow not in (name, *former_names(store, name)):
            raise UsageError(f"{before[:16]} is no deploy of {name}")
        start = last.parents[0] if last.parents else ""
    entries = list(log(store, start, now=asked.now, limit=LOG_A_PAGE)) if start else []
    more = entries[-1].oid if entries and entries[-1].deploy.parents else None
    values = {"title": f"Deploys of {name}", "name": name, "entries": entries, "before": more}
    return Page(template="history", values=values, schema="log", document=entries)


def oid_of(text: str) -> Oid:
    """Return a whole oid that an address has; raise UsageError for anything else."""
    if not is_oid(text):
        raise UsageError(f"{text[:80]!r} is no whole oid", hint="pages are turned by their links")
    return Oid(text)


def deploy(asked: Asked) -> Page:
    """Show one deploy: what it changed, what it has, and the runs of what it deployed."""
    store, text = asked.store, asked.path["revision"]
    found = deploy_of(store, resolve(store, text, now=asked.now))
    value = store.get(Deploy, found.oid)
    entry = entry_of(store, found.oid, value)
    definition = snapshot_details(store, found)
    secrets = secrets_of(definition)
    executed = Executed(kind="snapshot", oid=value.snapshot)
    name = value.workflow
    damage: list[Corrupt] = []
    found_runs = runs(store, name, limit=SHORT_LIST, executed=executed, damage=damage)
    newest = list(in_full(store, found_runs))
    values = {
        "title": f"{name} {store.short(value.snapshot)}",
        "entry": entry,
        "definition": definition,
        "secrets": secrets,
        "change": _since_parent(store, found.oid, value, asked.now),
        "graph": Graph(title=name, needs=needs_of(store, store.snapshot(value.snapshot))),
        "runs": newest,
        "runs_max": SHORT_LIST,
        "short": store.short(found.oid),
        "names": _names(store, found.oid, value),
        "damage": damage,
    }
    document = {"kind": "deploy", "oid": found.oid, "entry": entry, "definition": definition}
    document["secrets"] = secrets
    return Page(template="deploy", values=values, schema="show", document=document)


def _since_parent(store: Store, oid: Oid, value: Deploy, now: datetime) -> Change | None:
    if not value.parents:
        return None
    ends = (value.parents[0], oid)
    before, after = (replace(resolve(store, end, now=now), text=store.short(end)) for end in ends)
    return change_of(store, compare_resolved(store, before, after), hunks=True)


def _names(store: Store, oid: Oid, value: Deploy) -> list[str]:
    """Return the revisions that mean a deploy, as people write them."""
    found = [f"{one.workflow}@{one.label}" for one in tags(store, value.workflow) if one.oid == oid]
    return [value.workflow, *found] if store.ref(f"workflows/{value.workflow}") == oid else found


def start(asked: Asked) -> Page:
    """Ask for the parameters with which to run a workflow."""
    store, name = asked.store, run_pages.workflow_in(asked)
    oid = head(store, name)
    entry = entry_of(store, oid, store.get(Deploy, oid))
    values = {"title": f"Run {name}", "name": name, "head": entry, "params": _params(store, entry)}
    return Page(template="start", values=values)


def back(asked: Asked) -> Page:
    """Show what a rollback would change, and ask whether to make it."""
    store, name, now = asked.store, run_pages.workflow_in(asked), asked.now
    newest = replace(resolve(store, head(store, name), now=now), text=name)
    oid, older = deploy_in(store, asked.query.get("to", ""), name, now=now)
    target = replace(resolve(store, oid, now=now), text=store.short(oid))
    values = {
        "title": f"Roll back {name}",
        "name": name,
        "entry": entry_of(store, oid, older),
        "change": change_of(store, compare_resolved(store, newest, target), hunks=True),
    }
    return Page(template="rollback", values=values)


def compare(asked: Asked) -> Page:
    """Compare two revisions or two runs; without them, ask for them."""
    store, now = asked.store, asked.now
    old, new = (asked.query.get(end, "").strip() for end in ("old", "new"))
    values: dict[str, Any] = {"title": "Compare", "old": old, "new": new, "change": None}
    if not (old and new):
        return Page(template="compare", values=values)
    before, after = (resolve(store, text, now=now) for text in (old, new))
    comparison = compare_resolved(store, before, after)
    run_diff = diff_runs(store, before, after) if before.kind == after.kind == "run" else None
    values |= change_values(store, comparison, run_diff, now=now)
    if run_diff is not None:
        found = with_hunks(run_diff.definition, store.blob, lines_max=SHORT_DIFF_LINES)
        schema, document = "diff-runs", as_object(replace(run_diff, definition=found))
    else:
        found = with_hunks(comparison.diff, store.blob, lines_max=SHORT_DIFF_LINES)
        ends = {"old": comparison.old, "new": comparison.new}
        schema, document = "diff", {**ends, "diff": found, "impact": values["change"].impact}
    return Page(template="compare", values=values, schema=schema, document=document)


def found(asked: Asked) -> Page:
    """Search names, messages, authors and oids."""
    text = asked.query.get("q", "").strip()
    result = search(asked.store, text, now=asked.now) if text else None
    one = _address(asked.store, result.one) if result and result.one else None
    values = {"title": "Search", "text": text, "found": result, "one": one}
    return Page(
        template="search",
        values=values,
        schema="search" if result is not None else None,
        document=result,
    )


def _address(store: Store, one: Resolved) -> tuple[str, ...] | None:
    """Return the words of the address of what a revision means, if there is a page of it."""
    if one.kind == "run":
        run = store.get(Run, one.oid)
        return ("runs", run.workflow, str(run.number))
    if one.kind == "deploy":
        return ("deploys", one.oid)
    if one.deploy is not None:
        return ("deploys", one.deploy)
    return None


def moves(asked: Asked) -> Page:
    """Show what moved heads, tags and pauses, newest first."""
    store, before = asked.store, asked.query.get("before")
    rows = list(_operations(store, before))
    more = rows[-1]["oid"] if len(rows) == OPERATIONS_A_PAGE else None
    values = {
        "title": "Operations",
        "rows": rows,
        "before": more,
        "deploys": _targets(store, rows),
        "display": display,
        "without_runs": without_runs,
        "numbers": human.numbers,
    }
    return Page(template="ops", values=values, schema="ops", document=rows)


def _operations(store: Store, before: str | None) -> Iterable[dict[str, Any]]:
    start = oid_of(before) if before is not None else None
    found = islice(operations(store, start=start), 1 if start else 0, None)
    for oid, operation in islice(found, OPERATIONS_A_PAGE):
        yield {"oid": oid, "operation": operation}


def _targets(store: Store, rows: list[dict[str, Any]]) -> dict[Oid, Deploy]:
    """Return the deploys that names were moved to and from, but those that are gone."""
    ends = {end: end for row in rows for _, *both in row["operation"].moves for end in both if end}
    present = {oid: oid for oid in ends if store.has(oid)}
    return {oid: one for oid in present if isinstance(one := store.read(oid), Deploy)}


def schedules(asked: Asked) -> Page:
    """Show what is due when, how the last fires went, what was left out, and what waits.

    First what is held back, is due already or failed last, then what is due next.
    """
    store, lines = asked.store, Lines(asked.store)
    rows = listed(store, lines.look(), asked.now)
    damage: list[Corrupt] = []
    waiting = queue.with_reasons(store, queue.waiting(store, damage))

    def place(row: Listed) -> tuple[bool, bool, datetime, str]:
        asks = bool(row.held_by or row.due or _failed(row.last)) and not row.paused
        return not asks, row.next is None, row.next or asked.now, row.workflow

    values = {
        "title": "Schedules",
        "rows": sorted(rows, key=place)[:SCHEDULES_MAX],
        "total": len(rows),
        "wrong": lines.wrong,
        "damage": damage,
        "waiting": waiting[:SCHEDULES_MAX],
        "in_words": in_words,
        "policies": policies,
    }
    told = [{"words": in_words(row.schedule), **as_object(row)} for row in rows]
    whose = {"up": is_up(store), "holder": holder(store)}
    document = {"schedules": told, "waiting": waiting, **whose}
    return Page(template="schedules", values=values, schema="schedules", document=document)


PAGES: tuple[tuple[str, Answer], ...] = (
    ("/", overview),
    ("/workflows/{workflow}", workflow),
    ("/workflows/{workflow}/log", history),
    ("/workflows/{workflow}/run", start),
    ("/workflows/{workflow}/rollback", back),
    ("/deploys/{revision}", deploy),
    ("/runs", run_pages.listed),
    ("/runs/{workflow}", run_pages.listed),
    ("/runs/{workflow}/{number:int}", run_pages.run),
    ("/runs/{workflow}/{number:int}/log/{task:path}", run_pages.log),
    ("/code/{revision}/{path:path}", run_pages.code),
    ("/tasks/{workflow}/{task:path}", run_pages.task),
    ("/compare", compare),
    ("/search", found),
    ("/ops", moves),
    ("/schedules", schedules),
)
