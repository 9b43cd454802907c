"""The pages of runs: lists, one run, the log of a task, code as executed, a task over time."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from itertools import islice
from typing import Any

from ork.cli.report.charts import Moment, chart
from ork.cli.report.run import run_values
from ork.cli.screen.line import as_object, with_name, with_names
from ork.cli.web.page import JSON_END, Asked, Page
from ork.definition.written import as_written
from ork.errors import Corrupt, NotFound, UsageError
from ork.history.details import python_of, task_details
from ork.history.tasks import DEPLOYS_LOOKED_AT_MAX, refuse_unknown, task_history, task_rows
from ork.logs.bytes import opened
from ork.logs.reading import Log, logs
from ork.objects.canonical import Oid
from ork.objects.kinds import RUN_STATES, Deploy, Run, Task, is_name
from ork.objects.value import Value
from ork.store.contents import entries, join_text, newest
from ork.store.resolve import part_of, resolve, resolved_run, run_of_number
from ork.store.runs import RunEntry, runs
from ork.store.store import Store
from ork.store.verdict import in_full

RUNS_A_PAGE = 50
RUNS_LOOKED_AT_MAX = 2_000  # for those in a state
TASK_RUNS = 60
LOG_BYTES = 128 << 10  # that a page shows of a log
CODE_BYTES_MAX = 1 << 20  # that a page shows of a file


def listed(asked: Asked) -> Page:
    """Show runs, newest first, of one workflow or all, and of one state or all."""
    store, name = asked.store, workflow_in(asked) if "workflow" in asked.path else None
    state, before = asked.query.get("state") or None, before_in(asked)
    if state is not None and state not in RUN_STATES:
        raise UsageError(f"state={state[:40]}: say one of {', '.join(RUN_STATES)}")
    found: list[RunEntry] = []
    damage: list[Corrupt] = []
    looked_at, last = 0, None
    for entry in runs(store, name, before=before, damage=damage):
        if looked_at == RUNS_LOOKED_AT_MAX or len(found) == RUNS_A_PAGE:
            break
        looked_at, last = looked_at + 1, entry.run.id
        if state in (None, entry.run.state):
            found.append(entry)
    else:
        last = None
    found = list(in_full(store, found))
    values = {
        "title": f"Runs of {name}" if name else "Runs",
        "name": name,
        "state": state,
        "states": RUN_STATES,
        "runs": found,
        "looked_at": looked_at,
        "before": last,
        "damage": damage,
    }
    return Page(template="runs", values=values, schema="runs", document=list(map(with_name, found)))


def workflow_in(asked: Asked) -> str:
    """Return the workflow that an address names."""
    name = asked.path["workflow"]
    if not is_name(name):
        raise NotFound(f"no workflow is named {name[:80]!r}")
    return name


def before_in(asked: Asked) -> str | None:
    """Return the id of the run behind which a list goes on."""
    before = asked.query.get("before")
    if before is not None and not is_name(before):
        raise UsageError(f"before={before[:80]}: that is no id of a run")
    return before


def run(asked: Asked) -> Page:
    """Show one run, also while it goes on, with the code that it executed."""
    store = asked.store
    oid, found = _run(asked)
    values = run_values(store, oid, found, now=asked.now)
    details = values["details"]
    whole = resolved_run(oid, found, found.name)
    values["files"] = [one for one in entries(store, whole) if one.kind == "blob"]
    document = {"kind": "run", "oid": oid, **as_object(details)}
    return Page(template="run", values=values, schema="show", document=document)


def _run(asked: Asked) -> tuple[Oid, Run]:
    return run_of_number(asked.store, workflow_in(asked), int(asked.path["number"]))


class LogPart(Value, frozen=True, kw_only=True):
    """Some bytes of a log as text, and where they are in it."""

    text: str
    start: int
    end: int
    size: int


def log(asked: Asked) -> Page:
    """Show what became of a task in a run, and what an attempt at it printed."""
    store, name = asked.store, asked.path["task"]
    oid, found = _run(asked)
    snapshot = store.snapshot(found.snapshot)
    if name not in snapshot.tasks:
        raise NotFound(f"{found.name} has no task {name!r}")
    text = f"{found.name}:{name}"
    attempts, missing = _logs(store, text, asked.now)
    chosen = _chosen(attempts, asked.query.get("attempt"), text)
    part = _part(store, chosen, asked.query.get("before")) if chosen else None
    details = _details(store, found, name)
    values = {
        "title": f"{name} in {found.name}",
        "run": found,
        "task": name,
        "definition": as_written(store.get(Task, snapshot.tasks[name])),
        "details": details,
        "attempts": attempts,
        "chosen": chosen,
        "part": part,
        "missing": missing,
        "goes_on": found.ended is None,
    }
    document = None
    if details is not None:
        part_oid = part_of(store, resolved_run(oid, found, found.name), name).oid
        python = python_of(store, found, details.taskrun)
        known = {
            "kind": "taskrun",
            "oid": part_oid,
            "name": name,
            "python": python and python.path,
            "python_version": python and python.version,
        }
        document = {**known, **as_object(details)}
    return Page(
        template="log", values=values, schema="show" if document else None, document=document
    )


def _logs(store: Store, text: str, now: datetime) -> tuple[list[Log], str]:
    """Return the logs of all attempts at a task, or why there are none."""
    try:
        return logs(store, text, now=now, every=True), ""
    except NotFound as error:
        return [], error.message


def _chosen(found: list[Log], attempt: str | None, text: str) -> Log | None:
    if not attempt:
        return found[-1] if found else None
    chosen = next((one for one in found if str(one.attempt) == attempt), None)
    if chosen is None:
        raise NotFound(f"{text} has no attempt {attempt[:20]}")
    return chosen


def _part(store: Store, chosen: Log, before: str | None) -> LogPart:
    """Return the end of a log, or what stands there before a place; whole lines if there are."""
    if chosen.log is None:
        return LogPart(text="", start=0, end=0, size=0)
    first, length = chosen.log.offset, chosen.log.length
    try:
        with opened(store, chosen.log.path, offset=first) as file:
            size = max(0, file.size() - first) if length is None else length
            end = min(size, _place(before)) if before else size
            start = max(0, end - LOG_BYTES)
            data = file.read(end - start, first + start)
    except OSError:
        return LogPart(text="", start=0, end=0, size=0)
    if start and 0 < (cut := data.find(b"\n") + 1) < len(data):
        start, data = start + cut, data[cut:]
    return LogPart(text=data.decode("utf-8", "replace"), start=start, end=end, size=size)


def _place(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise UsageError(f"before={text[:40]}: a place in a log is a number of bytes")
    return int(text)


def _details(store: Store, found: Run, name: str) -> Any:
    """Return what became of a task; None before it has started."""
    try:
        return task_details(store, found, name)
    except KeyError:
        return None


def code(asked: Asked) -> Page:
    """Show a code file of a deploy or run as it was captured; without a path the workflow file.

    A file whose name ends in `.json` has its document under that name, too.
    """
    store, path = asked.store, asked.path["path"]
    whole = resolve(store, asked.path["revision"], now=asked.now)
    found = None
    if asked.url.partition("?")[0].endswith(JSON_END):
        with suppress(NotFound):
            found = part_of(store, whole, path + JSON_END)
            path += JSON_END
    found = found or part_of(store, whole, path)
    if path == "" and found.deploy is not None:
        source = store.get(Deploy, found.deploy).source
        data, kind, title = join_text(store, source), "text", source.path
    elif found.kind == "blob":
        data, kind, title = store.blob(found.oid), "blob", path
    else:
        raise NotFound(f"{path!r} is a {found.kind}, not a code file")
    text = None if b"\0" in data else data.decode("utf-8", "replace")
    values = {
        "title": f"{title} of {whole.text}",
        "path": title,
        "revision": whole,
        "run": store.get(Run, whole.oid) if whole.kind == "run" else None,
        "text": text if text is None else text[:CODE_BYTES_MAX],
        "size": len(data),
        "is_cut": text is not None and len(text) > CODE_BYTES_MAX,
        "oid": found.oid,
    }
    document = {"kind": kind, "oid": found.oid, "name": path or None, "text": data}
    return Page(template="code", values=values, schema="show", document=document)


def task(asked: Asked) -> Page:
    """Show one task over time: how long it took, how it ended, and which deploys changed it."""
    store, name, wanted = asked.store, workflow_in(asked), asked.path["task"]
    before, damage = before_in(asked), list[Corrupt]()
    found = list(islice(runs(store, name, before=before, damage=damage), TASK_RUNS + 1))
    last = found[TASK_RUNS - 1].run.id if len(found) > TASK_RUNS else None
    rows = [row for row in task_rows(store, found, name, wanted) if not last or row.run.id >= last]
    if not rows and before is None:
        refuse_unknown(store, name, wanted, now=asked.now)
    history = task_history(store, name, wanted, rows)
    version = newest(store, name)
    oid = version.tasks.get(wanted) if version else None
    measured = [
        Moment(name=row.run.workflow, number=row.run.number, state=one.state, seconds=one.seconds)
        for row in reversed(rows)
        if (one := row.taskrun) is not None and one.seconds is not None
    ]
    values = {
        "title": f"{wanted} of {name}",
        "workflow": name,
        "task": wanted,
        "definition": as_written(store.get(Task, oid)) if oid else {},
        "rows": rows,
        "before": last,
        "chart": chart(measured),
        "entries": history.deploys,
        "looked_at": DEPLOYS_LOOKED_AT_MAX,
        "damage": damage,
    }
    return Page(template="task", values=values, schema="task", document=with_names(history))
