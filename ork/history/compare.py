"""The difference of two revisions, and its impact. Reads only the subtrees that are not equal."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain
from shlex import quote
from typing import TYPE_CHECKING

from ork.alike import alike
from ork.differences.definitions import Diff, compare, declared
from ork.differences.tasks import renamed_tasks
from ork.errors import NotFound, UsageError, quoted
from ork.history.lineage import tasks_of_both
from ork.objects.canonical import Json, Oid
from ork.objects.drawn import Drawn
from ork.objects.kinds import Deploy, Task, is_oid
from ork.objects.snapshot import Contents, build, changes
from ork.objects.value import Value, replace
from ork.store.contents import Tasks
from ork.store.resolve import Resolved, ResolvedObject, deploy_of, heads, history, snapshot_of
from ork.store.revision import (
    as_word,
    in_workflow,
    parse_range,
    parse_since,
    split_part,
    workflow_in,
)
from ork.store.store import Store
from ork.worktree.globs import excluded
from ork.worktree.lookup import ResolvedFile, as_revision, look_up, settings_of
from ork.worktree.reached import lacks_code, reached

if TYPE_CHECKING:
    from ork.definition.reach import Reach
    from ork.differences.impact import Impact
    from ork.worktree.load import Loaded

SHOWN_DIGITS = 12  # of an oid, in a line about a comparison


class Side(Value, frozen=True, kw_only=True):
    """One end of a comparison, for people and for JSON."""

    text: str
    workflow: str | None
    deploy: Oid | None
    snapshot: Oid
    without_code: bool = False  # it was imported, and its code was never kept

    @property
    def shown(self) -> str:
        """Its text, of an oid the first digits."""
        return self.text[:SHOWN_DIGITS] if is_oid(self.text) else self.text


class Comparison(Drawn, frozen=True, kw_only=True):
    """The difference of two revisions, and its two ends."""

    old: Side
    new: Side
    diff: Diff
    exclude: tuple[str, ...] = ()  # patterns of what is data to either
    names: tuple[str, ...] = ()  # of the tasks and code files that it is about, if not about all

    @property
    def unkept(self) -> tuple[str, ...]:
        """The ends whose code was never kept: then nothing is known of how code differs."""
        return tuple(side.text for side in (self.old, self.new) if side.without_code)

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.diff)

    def cells(self) -> dict[str, object]:
        return {"old": self.old.shown, "new": self.new.shown, **self.diff.cells()}

    def _columns(self) -> tuple[str, ...]:
        return self.diff._columns()

    def _records(self) -> Iterator[Mapping[str, object]]:
        return self.diff._records()


def diff(store: Store, old: str, new: str, *, now: datetime, rename: bool = True) -> Comparison:
    """Compare two revisions: deploys, snapshots, runs or `file:PATH`."""
    before, after = (look_up(store, text, now=now) for text in (old, new))
    return compare_resolved(store, before, after, rename=rename)


def compare_resolved(
    store: Store, before: Resolved, after: Resolved, *, rename: bool = True
) -> Comparison:
    """Compare what two revisions resolved to; two tasks by their oids as two versions of one."""
    if before.kind == after.kind == "task":
        before, after = (_alone(store, one) for one in (before, after))
    sides = [
        Side(
            text=r.text,
            workflow=r.workflow,
            deploy=r.deploy,
            snapshot=snapshot_of(r),
            without_code=lacks_code(store, store.get(Deploy, r.deploy) if r.deploy else None),
        )
        for r in (before, after)
    ]
    settings = [settings_of(store, one) for one in (before, after)]
    # A bare snapshot has no settings, which is no difference: they are not part of a definition.
    old, new = ({} if None in settings else one or {} for one in settings)
    known = not any(side.without_code for side in sides)
    found = _compare(
        store, sides[0].snapshot, sides[1].snapshot, (old, new), code=known, rename=rename
    )
    exclude = sorted({*excluded(old), *excluded(new)})
    return Comparison(old=sides[0], new=sides[1], diff=found, exclude=tuple(exclude))


def _alone(store: Store, task: Resolved) -> Resolved:
    """Return a snapshot of nothing but a task, whose name its oid does not tell."""
    built = build({"task": store.get(Task, task.oid)}, {})
    store.hold(built.objects)
    return ResolvedObject(text=task.text, oid=built.oid, kind="snapshot")


def compare_with_loaded(store: Store, old: Deploy, loaded: Loaded) -> Diff:
    """Compare a deploy with a file that was read."""
    settings = (old.settings, loaded.definition.settings)
    known = not lacks_code(store, old)
    return _compare(store, old.snapshot, loaded.snapshot, settings, code=known)


def compare_deploys(store: Store, old: Deploy | None, new: Deploy) -> Diff:
    """Compare a deploy with its parent; None stands for nothing at all."""
    if old is None:
        empty = build({}, {})
        store.hold(empty.objects)
        return _compare(store, empty.oid, new.snapshot, ({}, new.settings))
    known = not (lacks_code(store, old) or lacks_code(store, new))
    return _compare(store, old.snapshot, new.snapshot, (old.settings, new.settings), code=known)


def ends(store: Store, revisions: Sequence[str], *, now: datetime) -> tuple[str, str]:
    """Return the two revisions that `ork diff` means: two, A..B, or one against its file on disk.

    The path of a workflow file stands for `file:PATH`; alone it is compared with its head. Behind a
    workflow, ~1 and @v1 are of it. A...B compares B with the newest deploy that both have.
    """
    texts = [as_revision(text) for text in revisions]
    if len(texts) == 2:
        name = workflow_in(texts[0])
        is_workflow = "/" in name or store.ref(f"workflows/{name}") is not None
        return texts[0], in_workflow(name, texts[1]) if is_workflow else texts[1]
    if len(texts) > 2:
        raise UsageError("a diff has two ends", hint="write `ork diff OLD NEW`")
    text = texts[0] if texts else "@"
    if since := parse_since(text):
        return _common(store, *since, now=now), since[1]
    if between := parse_range(text):
        other = between[1] or (workflow_in(between[0]) if between[0] else "@")
        return as_revision(between[0] or "@"), as_revision(other)
    found = look_up(store, text, now=now)
    if isinstance(found, ResolvedFile):
        if store.ref(f"workflows/{found.workflow}"):
            return found.workflow, text
        if workflow := _deployed_from(store, found):
            return workflow, text
        raise NotFound(
            f"{found.workflow} was never deployed: nothing is there to compare with",
            hint=f"`ork deploy {as_word(revisions[0])}` deploys it",
        )
    deploy = store.get(Deploy, deploy_of(store, found).oid)
    path = store.project / deploy.source.path
    if not path.exists():
        raise NotFound(
            f"{deploy.workflow} came from {path}, which is not here",
            hint=f"name two revisions, such as `ork diff {deploy.workflow}~1 {deploy.workflow}`",
        )
    return deploy.workflow if text == "@" else text, f"file:{os.path.relpath(path)}"


def _deployed_from(store: Store, file: ResolvedFile) -> str | None:
    """Return the workflow that a file was deployed as when one of them had another name."""
    path = file.loaded.path.resolve()
    deploys = store.get_all(Deploy, heads(store)).items()
    files = ((name, (store.project / one.source.path).resolve()) for name, one in deploys)
    return next((name for name, source in files if source == path), None)


def split_parts(
    revisions: Sequence[str], names: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """Return the revisions without :TASK or :PATH, and the names with what stood there.

    The third says that all are texts of a workflow file: a colon with nothing behind it. Raises
    UsageError for two different parts: only the same one of two versions is compared.
    """
    split = [split_part(as_revision(text)) for text in revisions]
    parts = tuple(dict.fromkeys(part for _, part in split if part))
    if len(parts) > 1:
        raise UsageError(
            f"{parts[0]} and {parts[1]} are two parts: a diff compares two versions",
            hint=f"write `ork diff {' '.join(as_word(base) for base, _ in split)} --"
            f" {' '.join(map(as_word, parts))}`",
        )
    are_texts = bool(split) and all(part == "" for _, part in split)
    whole = tuple(
        base if part or are_texts else typed
        for typed, (base, part) in zip(revisions, split, strict=True)
    )
    return whole, (*names, *parts), are_texts


def _common(store: Store, one: str, other: str, *, now: datetime) -> str:
    """Return the newest deploy that is in the history of both, in short."""
    deploys = [deploy_of(store, look_up(store, text, now=now)) for text in (one, other)]
    lines = [history(store, deploy.workflow, deploy.oid) for deploy in deploys]
    known = {oid for oid, _ in lines[0]}
    if (found := next((oid for oid, _ in lines[1] if oid in known), None)) is None:
        hint = f"`ork diff {quote(one)} {quote(other)}` compares the two as they are"
        raise NotFound(f"{one} and {other} have no deploy in common", hint=hint)
    return store.short(found)


def impact_of(
    store: Store,
    comparison: Comparison,
    environments: Mapping[str, tuple[str, ...]] | None = None,
) -> Impact:
    """Tell the tasks of the new side that can give other results from those that cannot.

    Reads the edges of all its tasks; the rest of them, and the code, only where that can matter.
    `environments` tells of tasks what differs of the environment that executed them before.
    """
    from ork.differences.impact import impact

    tasks = Tasks(store, store.snapshot(comparison.new.snapshot))
    reach = _reach(store, comparison, tasks)
    return impact(
        comparison.diff, tasks=tasks, reach=reach, needs=tasks.needs, environments=environments
    )


def narrow(store: Store, comparison: Comparison, names: Collection[str]) -> Comparison:
    """Return the comparison of these tasks and code files alone; no settings.

    With a task come its edges, the parameters that it takes, and the code files that it executes
    or may read. Raises NotFound for a name that neither side has; a renamed task has two.
    """
    from ork.differences.impact import code_of, params_of

    diff = comparison.diff
    wanted = {name.removeprefix("./") for name in names}
    entries = _tasks_of_both(store, comparison, wanted)
    renamed = [{task.name, task.old_name} for task in diff.tasks if task.old_name]
    tasks = wanted.intersection({name for name, _ in entries})
    tasks = tasks.union(*(pair for pair in renamed if pair & wanted))
    params = {
        param
        for name, task in entries
        if diff.params and name in tasks
        for param in params_of(store.get(Task, task))
    }
    new = store.snapshot(comparison.new.snapshot)
    reach = _reach(store, comparison, Tasks(store, new)) if diff.files else {}
    files = wanted.union(*chain(*code_of(diff, tasks=tasks, reach=reach).values()))
    kept = Diff(
        tasks=tuple(task for task in diff.tasks if task.name in tasks),
        edges=tuple(edge for edge in diff.edges if {edge.upstream, edge.downstream} & tasks),
        params=tuple(param for param in diff.params if param.path.partition(".")[0] in params),
        files=tuple(file for file in diff.files if {file.path, file.old_path} & files),
    )
    return replace(comparison, diff=kept, names=tuple(names))


def _tasks_of_both(
    store: Store, comparison: Comparison, wanted: Collection[str]
) -> set[tuple[str, Oid]]:
    """Return name and oid of the tasks of both sides; raise NotFound unless all wanted are there.

    What is wanted may be the path of a code file as well.
    """
    found: set[tuple[str, Oid]] = set()
    paths: set[str] = set()
    for side in (comparison.old, comparison.new):
        snapshot = store.snapshot(side.snapshot)
        found.update(snapshot.tasks.items())
        paths.update(snapshot.files)
    known = paths.union(name for name, _ in found)
    if missing := sorted(set(wanted) - known):
        near = dict.fromkeys(one for name in missing for one in alike(name, known)[:1])
        raise NotFound(
            f"neither side has a task or code file named {', '.join(map(quoted, missing))}",
            hint=f"did you mean {' or '.join(near)}?" if near else None,
        )
    return found


def _reach(store: Store, comparison: Comparison, tasks: Mapping[str, Task]) -> Mapping[str, Reach]:
    """Return what each task executes, where code differs; `tasks` are those of the new side."""
    if not comparison.diff.files:
        return {}
    old, new = (store.snapshot(side.snapshot) for side in (comparison.old, comparison.new))
    return reach_of_both(store, old, new, tasks, comparison.exclude)


def reach_of_both(
    store: Store, old: Contents, new: Contents, tasks: Mapping[str, Task], exclude: Collection[str]
) -> dict[str, Reach]:
    """Return task -> the files that it executes now or did before, by their stored code.

    `tasks` are those of the new snapshot. A renamed task counts by its new name, one that is gone
    by its old one.
    """
    names = renamed_tasks(*tasks_of_both(store, changes(old.tasks, new.tasks)))
    found = reached(store, new.files, tasks, exclude)
    for name, one in reached(store, old.files, Tasks(store, old), exclude).items():
        name = names.get(name, name)
        found[name] = found[name].joined(one) if name in found else one
    return found


def _compare(
    store: Store,
    old: Oid,
    new: Oid,
    settings: tuple[Mapping[str, Json], Mapping[str, Json]],
    *,
    code: bool = True,
    rename: bool = True,
) -> Diff:
    """Compare two snapshots; without `code` that is left out: of one side it is not known."""
    before, after = store.snapshot(old), store.snapshot(new)
    changed = changes(before.tasks, after.tasks)
    olds, news = tasks_of_both(store, changed)
    tasks = {name: (olds.get(name), news.get(name)) for name in changed}
    files = changes(before.files, after.files) if code else {}
    params = (declared(before.params), declared(after.params))
    return compare(
        tasks=tasks, files=files, settings=settings, params=params, read=store.blob, rename=rename
    )
