"""Which deploy last touched each task, field, or line: by first parents, through renames.

The walk goes from newest to oldest and ends when everything is attributed. Of a deploy that left
alone what is asked for, only the deploy and its snapshot are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from ork.differences.tasks import given_fields
from ork.differences.values import leaves
from ork.errors import UsageError
from ork.history.attribution import Files, Lines, Open, Rename, Tasks, Touch, Values
from ork.objects.canonical import Json, Oid
from ork.objects.kinds import Deploy, Task
from ork.objects.snapshot import Contents
from ork.store import revision as grammar
from ork.store.contents import tasks_of
from ork.store.resolve import ResolvedDeploy, deploy_of, history
from ork.store.store import Store
from ork.worktree.lookup import look_up


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A task, a code file, or one field of a definition, and the deploy that last touched it.

    `field` and `value` are those of a field, by its path in a diff. `old_name` is the name that it
    had before `renamed_by`, the newest deploy that gave it another one. With `boundary` the deploy
    is only where the range begins: it has the part like that, and nothing before it was looked at.
    """

    kind: str  # task | file | setting | param
    name: str
    field: str | None = None
    value: Json = None
    deploy: Oid
    boundary: bool = False
    old_name: str | None = None
    renamed_by: Oid | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BlamedLine:
    """One line of a text, and the deploy that last touched it.

    `old_number` and `path` are its number and its file in that deploy.
    """

    number: int
    text: str
    deploy: Oid
    boundary: bool = False
    old_number: int
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Blame:
    """The parts of a definition, or the lines of one text; `deploys` are those that they name."""

    workflow: str
    deploy: Oid
    name: str | None = None  # the task or code file asked for; "" is the text of the workflow file
    parts: tuple[Part, ...] = ()
    lines: tuple[BlamedLine, ...] = ()
    deploys: Mapping[Oid, Deploy] = field(default_factory=dict)


def blame(store: Store, revision: str, *, now: datetime, keys: bool = False) -> Blame:
    """Return who last touched each task and code file of a definition, or with `keys` each field.

    Of REV:TASK each field is attributed, of REV:PATH and of `REV:`, the text of the workflow file,
    each line. In A..B, which may end in a name as well, nothing before A is looked at.
    """
    whole, name = grammar.split_part(revision)
    first, last = grammar.parse_range(whole) or ("", whole)
    last = last or deploy_of(store, look_up(store, first, now=now)).workflow
    start = deploy_of(store, look_up(store, last, now=now))
    stop = _boundary(store, start, first, now) if first else None
    if name is None:
        return _of_parts(store, start, stop, None, keys=keys)
    found = look_up(store, f"{last}:{name}", now=now)
    if name == "" or found.kind == "blob":
        return _of_lines(store, start, stop, name.removeprefix("./") or None)
    return _of_parts(store, start, stop, name, keys=keys)


def _boundary(store: Store, start: ResolvedDeploy, first: str, now: datetime) -> Oid:
    """Return the deploy at which to stop: one that the walk comes to."""
    oid = deploy_of(store, look_up(store, first, now=now), start.workflow).oid
    if all(oid != other for other, _ in history(store, start.workflow, start.oid)):
        raise UsageError(
            f"{first} is not in the history of {start.text}",
            hint="a range begins with the older deploy",
        )
    return oid


def _of_lines(store: Store, start: ResolvedDeploy, stop: Oid | None, path: str | None) -> Blame:
    lines = Lines(store, store.get(Deploy, start.oid), path=path)
    _walk(store, start, stop, [lines])
    found = tuple(
        BlamedLine(
            number=place + 1,
            text=text.removesuffix("\n"),
            deploy=at.touch.deploy,
            boundary=at.touch.boundary,
            old_number=at.number,
            path=at.path,
        )
        for place, text in enumerate(lines.text)
        for at in (lines.found[place],)
    )
    return Blame(
        workflow=start.workflow,
        deploy=start.oid,
        name=path or "",
        lines=found,
        deploys=_deploys(store, {line.deploy for line in found}),
    )


def _of_parts(
    store: Store, start: ResolvedDeploy, stop: Oid | None, name: str | None, *, keys: bool
) -> Blame:
    deploy = store.get(Deploy, start.oid)
    snapshot = store.snapshot(deploy.snapshot)
    chosen = _tasks(store, snapshot, name)
    tasks = Tasks(store, chosen, by_field=keys or name is not None)
    files = Files(store, snapshot.files if name is None else ())
    values = {
        kind: Values(leaves_of, leaves_of(deploy) if keys and name is None else ())
        for kind, leaves_of in (("setting", _settings), ("param", partial(_params, store)))
    }
    _walk(store, start, stop, [tasks, files, *values.values()])
    found: list[Part] = []
    for task in chosen:
        found += _parts_of_task(task, chosen[task], tasks)
    for kind, these in values.items():
        present = these.leaves(deploy)
        found += [
            _part(kind, path, these.found[path], value=present[path])
            for path in sorted(these.found)
        ]
    found += [
        _part("file", path, files.found[path], renamed=files.renames.get(path))
        for path in sorted(files.found)
    ]
    oids = {oid for part in found for oid in (part.deploy, part.renamed_by) if oid}
    return Blame(
        workflow=deploy.workflow,
        deploy=start.oid,
        name=name,
        parts=tuple(found),
        deploys=_deploys(store, oids),
    )


def _parts_of_task(name: str, task: Task, tasks: Tasks) -> list[Part]:
    renamed = tasks.renames.get(name)
    if not tasks.by_field:
        return [_part("task", name, tasks.found[name, ""], renamed=renamed)]
    return [
        _part("task", name, tasks.found[name, path], renamed=renamed, field=path, value=value)
        for path, value in given_fields(task).items()
    ]


def _part(
    kind: str,
    name: str,
    touch: Touch,
    *,
    renamed: Rename | None = None,
    field: str | None = None,
    value: Json = None,
) -> Part:
    return Part(
        kind=kind,
        name=name,
        field=field,
        value=value,
        deploy=touch.deploy,
        boundary=touch.boundary,
        old_name=renamed.old_name if renamed else None,
        renamed_by=renamed.deploy if renamed else None,
    )


def _walk(store: Store, start: ResolvedDeploy, stop: Oid | None, opens: Sequence[Open]) -> None:
    """Go back from deploy to deploy until everything is attributed."""
    deploys = history(store, start.workflow, start.oid)
    oid, deploy = next(deploys)
    while opens := [one for one in opens if one.is_open()]:
        before = None if oid == stop else next(deploys, None)
        if before is None:
            for one in opens:
                one.end(oid, boundary=oid == stop)
            return
        for one in opens:
            one.step(oid, deploy, before[1])
        oid, deploy = before


def _tasks(store: Store, snapshot: Contents, name: str | None) -> dict[str, Task]:
    """Return the tasks, or the one of that name, in the order in which they can run."""
    if name is not None:
        return {name: store.get(Task, snapshot.tasks[name])}
    return tasks_of(store, snapshot)


def _settings(deploy: Deploy) -> dict[str, Json]:
    return {path: value for path, value in leaves(dict(deploy.settings)) if path}


def _params(store: Store, deploy: Deploy) -> dict[str, Json]:
    params = dict(store.snapshot(deploy.snapshot).params)
    return {path: value for path, value in leaves(params) if path}  # type: ignore[arg-type]


def _deploys(store: Store, oids: Iterable[Oid]) -> dict[Oid, Deploy]:
    return {oid: store.get(Deploy, oid) for oid in sorted(oids)}
