"""A revision, or a workflow file on disk in place of one: what it means."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ork.store import revision as grammar
from ork.store.resolve import Resolved, ResolvedObject, part_of, resolve
from ork.store.store import Store

if TYPE_CHECKING:
    from ork.worktree.load import Loaded


class ResolvedFile(ResolvedObject, frozen=True, kw_only=True):
    """The snapshot of a workflow file that need not be deployed."""

    loaded: Loaded

    @property
    def workflow(self) -> str:
        return self.loaded.definition.name


def look_up(store: Store, text: str, *, now: datetime) -> Resolved:
    """Return what a revision or file:PATH means; raise NotFound or Ambiguous.

    The file is loaded, and the store can then read its objects.
    """
    parsed = grammar.parse(text)
    if parsed.file is None:
        return resolve(store, text, now=now)
    from ork.worktree.load import load  # with all that it takes to read YAML

    found = resolved_file(load(store, Path(parsed.file)), text)
    if parsed.path == "":
        return ResolvedObject(text=text, oid=found.oid, kind=found.kind, name="", of=found)
    return part_of(store, found, parsed.path) if parsed.path else found


def resolved_file(loaded: Loaded, text: str) -> ResolvedFile:
    """Return the snapshot of a file that has been loaded."""
    return ResolvedFile(text=text, oid=loaded.snapshot, kind="snapshot", loaded=loaded)


def as_revision(text: str) -> str:
    """Return `file:PATH` for the path of a workflow file, any other text as it is."""
    is_file = text.endswith((".yaml", ".yml", ".json")) and ":" not in text
    return f"file:{text}" if is_file and Path(text).exists() else text
