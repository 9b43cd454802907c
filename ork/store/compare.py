"""Two revisions -> what differs. Reads only the subtrees that are not equal."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ork.core import tree
from ork.core.canonical import Json, Oid
from ork.core.diff import Diff, FileEntry, compare
from ork.core.objects import Deploy, Snapshot, Task
from ork.errors import NotFound, UsageError
from ork.store.resolve import Resolved, deploy_of, resolve, snapshot_of
from ork.store.store import Store

if TYPE_CHECKING:
    from ork.store.load import Loaded


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One end of a comparison, for people and for JSON."""

    text: str
    workflow: str | None
    deploy: Oid | None
    snapshot: Oid


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What differs between two revisions, and which ones they were."""

    old: Side
    new: Side
    diff: Diff


def diff(store: Store, old: str, new: str, *, now: datetime, rename: bool = True) -> Comparison:
    """Compare two revisions: deploys, snapshots, runs or `file:PATH`."""
    before = resolve(store, old, now=now)
    after = resolve(store, new, now=now)
    return compare_resolved(store, before, after, rename=rename)


def compare_resolved(
    store: Store, before: Resolved, after: Resolved, *, rename: bool = True
) -> Comparison:
    """Compare what two revisions resolved to."""
    sides = [
        Side(text=r.text, workflow=r.workflow, deploy=r.deploy,
             snapshot=snapshot_of(store, r).oid)
        for r in (before, after)
    ]  # fmt: skip
    settings = [_settings(store, one) for one in (before, after)]
    # A bare snapshot has no settings, which is no difference: they are not part of a definition.
    old, new = ({} if None in settings else one or {} for one in settings)
    found = _compare(store, sides[0].snapshot, sides[1].snapshot, (old, new), rename=rename)
    return Comparison(old=sides[0], new=sides[1], diff=found)


def compare_with_loaded(store: Store, old: Deploy, loaded: Loaded) -> Diff:
    """Compare a deploy with a file that was read."""
    settings = (old.settings, loaded.definition.settings)
    return _compare(store, old.snapshot, loaded.snapshot, settings)


def compare_deploys(store: Store, old: Deploy | None, new: Deploy) -> Diff:
    """Compare a deploy with its parent; None stands for nothing at all."""
    if old is None:
        empty = _empty(store)
        return _compare(store, empty, new.snapshot, ({}, new.settings))
    return _compare(store, old.snapshot, new.snapshot, (old.settings, new.settings))


def _compare(
    store: Store, old: Oid, new: Oid,
    settings: tuple[Mapping[str, Json], Mapping[str, Json]], *, rename: bool = True,
) -> Diff:  # fmt: skip
    before, after = store.get(Snapshot, old), store.get(Snapshot, new)
    tasks = {
        name: (_task(store, was), _task(store, now))
        for name, (was, now) in tree.changes(store.tree, before.tasks, after.tasks).items()
    }
    files = {
        path: (_file(was), _file(now))
        for path, (was, now) in tree.changes(store.tree, before.files, after.files).items()
    }
    return compare(tasks=tasks, files=files, settings=settings, read=store.blob, rename=rename,
                   params=(before.params, after.params))  # fmt: skip


def _settings(store: Store, found: Resolved) -> Mapping[str, Json] | None:
    if found.loaded:
        return found.loaded.definition.settings
    return store.get(Deploy, found.deploy).settings if found.deploy else None


def _task(store: Store, entry: Json) -> Task | None:
    return None if entry is None else store.get(Task, Oid(str(entry)))


def _file(entry: Json) -> FileEntry | None:
    if not isinstance(entry, dict):
        return None
    return FileEntry(blob=Oid(str(entry["blob"])), executable=bool(entry["executable"]))


def _empty(store: Store) -> Oid:
    from ork.core.snapshot import build

    built = build({}, {})
    store.hold(built.objects)
    return built.oid


def ends(store: Store, revisions: Sequence[str], *, now: datetime) -> tuple[str, str]:
    """Return the two revisions that `ork diff` means: two, A..B, or one against its file on disk.

    The path of a workflow file stands for `file:PATH`; alone it is compared with its head.
    """
    from ork.core.revision import parse_range

    texts = [as_revision(text) for text in revisions]
    if len(texts) == 2:
        return texts[0], texts[1]
    if len(texts) > 2:
        raise UsageError("a diff has two ends", hint="write `ork diff OLD NEW`")
    text = texts[0] if texts else "@"
    if between := parse_range(text):
        return between[0] or "@", between[1] or "@"
    found = resolve(store, text, now=now)
    if found.loaded:
        return str(found.workflow), text
    deploy = store.get(Deploy, deploy_of(store, found).oid)
    path = store.project / str(deploy.source["path"])
    if not path.exists():
        raise NotFound(
            f"{deploy.workflow} came from {path}, which is gone",
            hint=f"name two revisions, such as `ork diff {deploy.workflow}~1 {deploy.workflow}`",
        )
    return deploy.workflow if text == "@" else text, f"file:{os.path.relpath(path)}"


def as_revision(text: str) -> str:
    """Return `file:PATH` for the path of a workflow file, any other text as it is."""
    is_file = text.endswith((".yaml", ".yml", ".json")) and ":" not in text
    return f"file:{text}" if is_file and Path(text).exists() else text
