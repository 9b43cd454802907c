"""Another name for a workflow: one operation, which `undo` takes back."""

from __future__ import annotations

from ork.definition.workflow import RESERVED
from ork.errors import Conflict, InvalidInput, UsageError
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
    _refuse_at_work(store, old)
    before = store.get(Deploy, oid)
    tags = tuple(store.refs(f"tags/{old}/"))
    with store.transaction(stamp) as tx:
        deploy = tx.add(before.renamed(new, oid=oid, time=stamp.time, author=stamp.author))
        tx.move(f"workflows/{old}", old=oid, new=None)
        tx.move(f"workflows/{new}", old=None, new=deploy)
        tx.move(f"former/{new}/{old}", old=store.ref(f"former/{new}/{old}"), new=deploy)
        there, decided = (dict(store.refs(f"decided/{name}/")) for name in (new, old))
        for key in there | decided:
            tx.move(f"decided/{new}/{key}", old=there.get(key), new=decided.get(key))
        for label, tagged in tags:
            tx.move(f"tags/{old}/{label}", old=tagged, new=None)
            tx.move(f"tags/{new}/{label}", old=store.ref(f"tags/{new}/{label}"), new=tagged)
        for space in ("paused", "archived"):
            if put := store.ref(f"{space}/{old}"):
                tx.move(f"{space}/{old}", old=put, new=None)
                tx.move(f"{space}/{new}", old=store.ref(f"{space}/{new}"), new=put)
    labels = tuple(label for label, _ in tags)
    return Renamed(old=old, new=new, deploy=deploy, path=before.source.path, tags=labels)


def _refuse_at_work(store: Store, workflow: str) -> None:
    """Raise Conflict while a run goes on: its schedule would not know of it by another name."""
    for ref, oid in store.refs("active/"):
        if ref.endswith("/.run") and (run := store.get(Run, oid)).workflow == workflow:
            name = f"{workflow}#{run.number}"
            raise Conflict(f"{name} goes on", hint=f"wait for it, or `ork cancel {name}`")
    if next(store.refs(f"queue/{workflow}/"), None):
        hint = "`ork schedule list` lists it, `ork cancel` takes it back"
        raise Conflict(f"a run of {workflow} waits for `ork up`", hint=hint)
