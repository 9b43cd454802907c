"""Behind: a file that still has an older version, while the newest came from elsewhere."""

from __future__ import annotations

import shlex
from itertools import dropwhile

from ork.errors import InvalidInput
from ork.objects.canonical import Oid
from ork.objects.kinds import Deploy, Operation
from ork.objects.value import Value
from ork.store.operations import operations
from ork.store.resolve import history
from ork.store.store import Store
from ork.worktree.load import Loaded


class Behind(Value, frozen=True, kw_only=True):
    """The version that a file has, as one would type it, and what made another the newest."""

    workflow: str
    version: str
    then: str


def behind(store: Store, loaded: Loaded, *, author: str) -> Behind | None:
    """Return the older version that a file has, if the newest one was not made of this file.

    It was not when a rollback, a pull or another author made it the newest. Whoever edits
    a file back to what it was is not behind: what they deployed was the newest.
    """
    name, settings = loaded.definition.name, loaded.definition.settings
    head = store.ref(f"workflows/{name}")
    if head is None or store.get(Deploy, head).has(loaded.snapshot, settings):
        return None
    moved = _newest_move(store, f"workflows/{name}", head)
    if moved is None:
        return None
    operation, before = moved
    newest = store.get(Deploy, head)
    is_deploy = newest.action == "deploy" and newest.time == operation.time
    if is_deploy and newest.author == author:
        return None
    older = dropwhile(lambda one: one[1][0] != before, enumerate(history(store, name, head)))
    for back, (_, deploy) in older:  # none after an undo, which leaves files as they were
        if deploy.has(loaded.snapshot, settings):
            then = shlex.join(operation.argv)
            then = f"a deploy by {newest.author}" if is_deploy else f"`{then}`"
            return Behind(workflow=name, version=f"{name}~{back}", then=then)
    return None


def refuse_behind(store: Store, loaded: Loaded, *, author: str) -> None:
    """Raise InvalidInput when a deploy of this file would take back what others did."""
    if found := behind(store, loaded, author=author):
        name, version = found.workflow, found.version
        raise InvalidInput(
            f"{loaded.path} is still as in {version}, before {found.then}: nothing was deployed",
            hint=f"`ork restore {name} --code` writes the newest version here,"
            f" `ork rollback {name} {version}` makes this one the newest",
        )


def _newest_move(store: Store, ref: str, head: Oid) -> tuple[Operation, Oid] | None:
    """Return the operation that made this deploy the newest, and what was so before it."""
    for _, operation in operations(store):
        for moved, old, new in operation.moves:
            if moved == ref:
                return (operation, old) if new == head and old is not None else None
    return None
