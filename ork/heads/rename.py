"""Another name for a workflow: one operation, which `undo` takes back."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ork.definition.workflow import RESERVED
from ork.errors import Conflict, InvalidInput, UsageError
from ork.heads.decisions import decided_of, slot_of
from ork.objects.canonical import Oid
from ork.objects.kinds import Deploy, Run, is_name
from ork.objects.value import Value
from ork.store.resolve import former_names, has_run, head
from ork.store.store import Stamp, Store


class Renamed(Value, frozen=True, kw_only=True):
    """A workflow that has another name now; `deploy` is the entry of its history that says so."""

    old: str
    new: str
    deploy: Oid
    path: str
    tags: tuple[str, ...]

    def cells(self) -> dict[str, object]:
        return {"old": self.old, "new": f"is {self.new} now"}


def rename(store: Store, old: str, new: str, *, stamp: Stamp) -> Renamed:
    """Give a workflow another name: its head and tags move, and its history goes on.

    Earlier deploys and runs keep the name that they had; later runs go on counting. Raises Conflict
    while a run of it goes on or waits, InvalidInput where the new name has a history of its own.
    """
    if not is_name(new):
        raise InvalidInput(f"{new!r} is no name", hint="letters, digits, `_`, `.`, `-`")
    if new in RESERVED:
        hint = f"choose another name: `{new}:...` would not be this workflow"
        raise InvalidInput(f"a workflow cannot be named `{new}`", hint=hint)
    if old == new:
        raise UsageError(f"{old} has this name already")
    oid = head(store, old)
    if store.ref(f"workflows/{new}"):
        raise InvalidInput(f"there is a workflow {new} already", hint="choose another name")
    if has_run(store, new) and new not in former_names(store, old):
        raise InvalidInput(f"there are runs of {new} already", hint="choose another name")
    if busy := at_work(store, old):
        raise busy
    before = store.get(Deploy, oid)
    labels = tuple(label for label, _ in store.refs(f"tags/{old}/"))
    with store.transaction(stamp) as tx:
        deploy = tx.add(before.renamed(new, oid=oid, time=stamp.time, author=stamp.author))
        tx.move(f"workflows/{old}", old=oid, new=None)
        tx.move(f"workflows/{new}", old=None, new=deploy)
        tx.move(f"former/{new}/{old}", old=store.ref(f"former/{new}/{old}"), new=deploy)
        tx.moves |= along(store, [old], new)
    return Renamed(old=old, new=new, deploy=deploy, path=before.source.path, tags=labels)


def at_work(store: Store, workflow: str) -> Conflict | None:
    """Return why a workflow keeps its name now: a run of it goes on, or waits."""
    for ref, oid in store.refs("active/"):
        if ref.endswith("/.run") and (run := store.get(Run, oid)).workflow == workflow:
            name = f"{workflow}#{run.number}"
            return Conflict(f"{name} goes on", hint=f"wait for it, or `ork cancel {name}`")
    if next(store.refs(f"queue/{workflow}/"), None):
        hint = "`ork schedule list` lists it, `ork cancel` takes it back"
        return Conflict(f"a run of {workflow} waits for `ork up`", hint=hint)
    return None


def along(
    store: Store,
    olds: Sequence[str],
    new: str,
    *,
    is_there: bool = False,
    coming: Collection[str] = (),
) -> dict[str, tuple[Oid | None, Oid | None]]:
    """Return how refs move, from where to where, when what had some names takes another one.

    Its head moves beside this. Where a workflow of the new name `is_there`, it keeps what it has,
    as do refs that are `coming`. Without former names the new one begins with nothing decided.
    """
    moves: dict[str, tuple[Oid | None, Oid | None]] = {}
    for old in olds:
        labels = [label for label, _ in store.refs(f"tags/{old}/")]
        places = [("tags", f"/{label}") for label in labels] + [("paused", ""), ("archived", "")]
        for space, rest in places:
            before, after = (f"{space}/{name}{rest}" for name in (old, new))
            if (oid := store.ref(before)) is None:
                continue
            moves[before] = (oid, None)
            if after not in coming and not (is_there and store.ref(after)):
                moves[after] = (store.ref(after), oid)
    its = {name: decided_of(store, name) for name in (*olds, new)}
    for key in dict.fromkeys(key for known in its.values() for key in known):
        found = [its[name].get(key) for name in ([*olds, new] if is_there else olds)]
        furthest = max(filter(None, found), key=lambda oid: slot_of(store, oid), default=None)
        for old in olds:  # it stays, for an undo; and nobody has decided by that name meanwhile
            moves[f"decided/{old}/{key}"] = its[old].get(key), its[old].get(key)
        moves[f"decided/{new}/{key}"] = its[new].get(key), furthest
    return moves
