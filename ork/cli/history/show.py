"""ork show: any object, as people read it, as JSON, or byte for byte"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Annotated, Any

import typer

from ork.cli.history.log import deploy_header, shown_oid
from ork.cli.options import Json
from ork.cli.screen.fit import Verbatim
from ork.cli.screen.human import count, either
from ork.cli.screen.line import Line, as_object, body_lines, next_line, note_line, to_json
from ork.cli.screen.parts import clip, column, length
from ork.cli.session import Session
from ork.definition.written import NO_TIMEOUT, SECONDS, as_written
from ork.errors import Corrupt, some
from ork.history.log import LogEntry, entry_of
from ork.objects import kinds
from ork.objects.kinds import STOPPED, Deploy, Param, Run, Task, TaskRun
from ork.store import contents
from ork.store.contents import SnapshotDetails
from ork.store.resolve import Resolved, run_of, snapshot_of
from ork.store.revision import split_part
from ork.store.verdict import failed_tasks
from ork.worktree.lookup import as_revision, bytes_of, look_up
from ork.worktree.reached import lacks_code

GIST_MIN = 24  # columns that tell what a task calls
SECRET_TASKS_MAX = 5  # that are named


def show(
    ctx: typer.Context,
    revision: Annotated[
        str, typer.Argument(help="Any revision or oid; the only workflow when left out.")
    ] = "@",
    as_json: Json = False,
) -> None:
    """Show any object: a deploy, run, task or file.

    etl shows the newest deploy, etl#57 a run with all its tasks, etl:extract one task,
    etl#57:extract its outcome in that run, 'etl:load_*' and 'etl#57:load_*' several,
    etl:tasks/etl.py a code file, and `etl:` the YAML text, byte for byte.

    \b
    Example:
        ork show etl~1
    """
    session: Session = ctx.obj
    store = session.store
    revision = as_revision(revision)
    if some_tasks := _some_tasks(session, revision):
        _show_some(session, *some_tasks, as_json=as_json)
        return
    found = look_up(store, revision, now=session.now())
    data = bytes_of(store, found)
    if mark := store.tombstone(found.oid):
        session.say(note_line(contents.forgotten_in_words(mark)))
    if data is None:
        fields, lines = _fields_and_lines(session, found, as_json=as_json)
    else:
        fields, lines = {"name": found.name or None, "text": data}, []
    if as_json:
        head = {"kind": "text" if found.name == "" else found.kind, "oid": found.oid}
        head |= {"forgotten": to_json(mark)} if mark else {}
        session.print_json("show", head | as_object(fields))
    elif data is None:
        session.print(lines, page=True)
        if isinstance(run := store.read(found.oid), Run) and run.state in ("failed", *STOPPED):
            from ork.cli.runs.plain import after_failure, retries

            if run.state == "failed":
                session.say(*after_failure(session, run, failed_tasks(fields.tasks.states)))
            else:
                session.say(next_line(either([*retries(session, run)])))
    else:
        session.print_bytes(data)


def _some_tasks(session: Session, text: str) -> tuple[Resolved, tuple[str, ...]] | None:
    """Return a definition or run, and those of its tasks that the pattern behind it means."""
    whole, part = split_part(text)
    if not part or not contents.is_pattern(part):
        return None
    found = look_up(session.store, whole, now=session.now())
    names = contents.fitting(part, session.store.snapshot(snapshot_of(found)).tasks)
    return (found, names) if names else None


def _show_some(session: Session, found: Resolved, names: Collection[str], *, as_json: bool) -> None:
    """Print some tasks of a definition, or what became of them in a run, a line for each."""
    from ork.cli.runs.list import tasks_view
    from ork.history.details import run_details

    store, name = session.store, found.text
    every: Mapping[str, Any]
    if found.kind == "run":
        run = run_details(store, found.oid, store.get(Run, found.oid))
        every, name, lines = run.tasks, run.run.name, tasks_view(run, names, session)
    else:
        every = contents.snapshot_details(store, found).tasks
        lines = _tasks({one: every[one] for one in every if one in names}, session)
    if as_json:
        tasks = {one: every[one] for one in every if one in names}
        told = {"kind": "tasks", "oid": found.oid, "name": name, "tasks": tasks}
        session.print_json("show", told)
    else:
        session.print(lines, page=True)


def _fields_and_lines(
    session: Session, found: Resolved, *, as_json: bool
) -> tuple[Any, Iterable[Line]]:
    """Return the fields that the JSON of an object has, and its lines, made from the same."""
    store = session.store
    value, name = store.read(found.oid), found.name
    if isinstance(value, Deploy):
        entry = entry_of(store, found.oid, value)
        definition = contents.snapshot_details(store, found)
        secrets = contents.secrets_of(definition)
        fields: Any = {"entry": entry, "definition": definition, "secrets": secrets}
        return fields, _deploy(entry, definition, session)
    if found.kind == "snapshot":
        definition = contents.snapshot_details(store, found)
        fields = {"definition": definition, "secrets": contents.secrets_of(definition)}
        return fields, snapshot_view(definition, session)
    if isinstance(value, (Run, TaskRun)):
        return _run(session, found, value, as_json=as_json)
    payload = kinds.to_json(value)
    fields = {"name": name, "payload": payload}
    if isinstance(value, Task):
        return fields, _task(name, shown_oid(found.oid, session), value)
    text = json.dumps(payload, indent=2, ensure_ascii=False)
    return fields, (Verbatim([line]) for line in text.split("\n"))


def _run(
    session: Session, found: Resolved, value: Run | TaskRun, *, as_json: bool
) -> tuple[Any, Iterable[Line]]:
    """Return a run, or what became of one task, with the values that were passed on.

    Of a damaged run the lines that are left are printed here, unless JSON is wanted.
    """
    store = session.store
    from ork.cli.runs.list import run_view, taskrun_view
    from ork.history.details import (
        details_of,
        python_of,
        retried_at,
        run_details,
        waited,
        without_tasks,
    )

    if isinstance(value, Run):
        try:
            run = run_details(store, found.oid, value)
        except Corrupt as error:
            if not as_json:
                session.print(run_view(without_tasks(store, found.oid, value), session), page=True)
            damage = f"{value.name} is damaged: {error.message}"
            raise Corrupt(damage, hint=error.hint) from error
        if value.scheduled:
            from ork.daemon.fires import with_retry  # which other runs do without

            run = with_retry(store, run, session.now())
        return run, run_view(run, session)
    name, details = found.name, details_of(store, found)
    run_oid = run_of(found)
    its_run = store.get(Run, run_oid) if run_oid else None
    python = python_of(store, its_run, value) if its_run else None
    between = waited(value, retried_at(store, its_run)) if its_run else 0.0
    shown = f"ork show {found.text} --json"
    whole = shown, f"ork outputs {its_run.name}:{name}" if its_run else shown
    lines = taskrun_view(
        name or found.text, details, session, whole=whole, python=python, waited=between
    )
    told = {"python": python and python.path, "python_version": python and python.version}
    return {"name": name, **told, **to_json(details)}, lines


def _deploy(entry: LogEntry, definition: SnapshotDetails, session: Session) -> Iterator[Line]:
    deploy = entry.deploy
    yield from deploy_header(entry, session)
    yield [("file     ", "label"), deploy.source.path]
    if deploy.origin:
        dirty = " with changes that are not committed" if deploy.origin.dirty else ""
        yield [("git      ", "label"), deploy.origin.commit, dirty]
    if lacks_code(session.store, deploy):
        yield [("code     ", "label"), "never kept: `ork deploy FILE` adds it as it is now"]
    yield [""]
    yield from body_lines(deploy.message)
    if deploy.settings:
        yield [""]
        yield [("settings", "heading")]
        for name, value in sorted(deploy.settings.items()):
            first, *rest = _text(value).rstrip("\n").split("\n")
            label = f"  {name:<12}  "
            yield [(label, "name"), first]
            for line in rest:
                yield [" " * len(label) if line else "", line]
    yield [""]
    yield from _definition(definition, session)


def snapshot_view(definition: SnapshotDetails, session: Session) -> Iterator[Line]:
    """Yield the hash of a snapshot and what it has."""
    yield [("snapshot ", "label"), (shown_oid(definition.snapshot, session), "oid")]
    yield [""]
    yield from _definition(definition, session)


def _definition(definition: SnapshotDetails, session: Session) -> Iterator[Line]:
    """Yield what it takes, the tasks, in the order in which they can run, and the code files."""
    if definition.params:
        yield [(count(len(definition.params), "parameter"), "heading")]
        yield from _params(definition.params)
    secrets = contents.secrets_of(definition)
    if secrets:
        yield [(count(len(secrets), "secret"), "heading")]
    for name, users in secrets.items():
        needed = some(users, SECRET_TASKS_MAX)
        yield ["  ", (f"{name:<{column(secrets)}}", "name"), ("  for ", "dim"), needed]
    yield [(count(len(definition.tasks), "task"), "heading")]
    yield from _tasks(definition.tasks, session)
    if definition.files:
        yield [(count(len(definition.files), "code file"), "heading")]
    for file in definition.files:
        oid = (shown_oid(file.oid, session), "oid")
        yield ["  ", oid, "  ", file.name, ("*" if file.executable else "", "dim")]


def _tasks(tasks: Mapping[str, Task], session: Session) -> Iterator[Line]:
    """Yield a line for each task: its name, what it calls, and what it needs."""
    from ork.cli.diff.wording import called

    width = column(tasks)
    for name, task in tasks.items():
        needs: Line = []
        if task.depends_on:
            needs = [("  after ", "dim"), ", ".join(task.depends_on)]
        room = session.width and session.width - 2 - max(width, len(name)) - 2 - length(needs)
        # Where that is too little, what it needs goes to the next line.
        gist = f"{task.executor} {called(task.command, task.file or task.module, task.function)}"
        gist = clip(gist, room and max(room, GIST_MIN))
        yield ["  ", (f"{name:<{width}}", "name"), "  ", gist, *needs]


def _params(params: Mapping[str, Param]) -> Iterator[Line]:
    """Yield each parameter with its type, and its default if it has one."""
    from ork.cli.diff.wording import declared_as

    for name, param in params.items():
        padded = f"{name:<{column(params)}}"
        yield ["  ", (padded, "name"), f"  {declared_as(param)}"]


def _task(name: str | None, oid: str, task: Task) -> Iterator[Line]:
    """Yield a task, one field a line, as its canonical form has them."""
    yield [("task ", "label"), (oid, "oid"), "  ", (name or "", "name")]
    for field, value in as_written(task).items():
        label = (f"{field:<20} ", "label")
        if value in (None, [], {}) or value is False:
            continue
        if isinstance(value, str) and "\n" in value:
            yield [label]
            yield from body_lines(value)
        elif isinstance(value, dict) and len(value) > 1:
            yield [label]
            for key, item in sorted(value.items()):
                yield ["    ", (key, "key"), ": ", json.dumps(item, ensure_ascii=False)]
        else:
            unit = "s" if field in SECONDS and value != NO_TIMEOUT else ""
            yield [label, _text(value), unit]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
