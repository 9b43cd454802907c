"""Tags: labels that somebody gives to deploys. Each change is one operation and can be undone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from ork.alike import meant_or_known
from ork.errors import Ambiguous, InvalidInput, NotFound
from ork.objects.canonical import Oid
from ork.objects.kinds import Deploy, is_name
from ork.objects.value import Value
from ork.store.resolve import deploy_in, present_name
from ork.store.revision import as_word, in_workflow
from ork.store.store import Stamp, Store


class Tag(Value, frozen=True, kw_only=True):
    """A label that somebody gave to a deploy."""

    workflow: str
    label: str
    oid: Oid
    deploy: Deploy

    @property
    def revision(self) -> str:
        """The text that means the deploy that has it: "etl@v1.4"."""
        return f"{self.workflow}@{self.label}"

    def cells(self) -> dict[str, object]:
        return {
            "tag": self.revision,
            "deploy": self.oid[:12],
            **self.deploy.cells(),
        }


class Tagged(Value, frozen=True, kw_only=True):
    """A tag that was given or removed, and the deploy that it was on before."""

    tag: Tag
    old: Oid | None
    removed: bool = False

    @property
    def revision(self) -> str:
        """The text that means the deploy that has the tag, or that had it."""
        return self.tag.oid if self.removed else self.tag.revision

    def cells(self) -> dict[str, object]:
        return {**self.tag.cells(), "removed": "removed" if self.removed else None}


def tag(
    store: Store,
    name: str,
    revision: str | None = None,
    *,
    stamp: Stamp,
    now: datetime,
    force: bool = False,
) -> Tagged:
    """Give a label to a deploy: name is LABEL or WORKFLOW@LABEL.

    The deploy is that of the revision, else the head of the workflow, else of the only workflow.
    A tag that is elsewhere stays there, and InvalidInput is raised, unless `force`.
    """
    workflow, label = _split(name)
    if revision is None:
        revision = workflow or "@"
    elif workflow:
        revision = in_workflow(workflow, revision)
    try:
        oid, deploy = deploy_in(store, revision, workflow, now=now)
    except NotFound as error:
        if workflow is None and is_name(revision) and store.ref(f"workflows/{label}"):
            first = f"the label comes first: `ork tag {revision} {label}`"
            raise NotFound(error.message, hint=first) from None
        raise
    except Ambiguous as error:
        only, follows = (meant := in_workflow("@", revision))[:1], meant[1:]
        hint = error.hint
        if label in error.candidates:
            hint = (
                f"`ork tag LABEL {label}` gives it a tag, `ork tag -l {label}` lists those it has"
            )
        elif only == "@":  # several are there, and one is meant
            typed = "ork tag --force" if force else "ork tag"
            hint = f"`{typed} {label} {as_word(error.candidates[0] + follows)}`"
        raise Ambiguous(error.message, candidates=error.candidates, hint=hint) from None
    workflow = workflow or present_name(store, deploy.workflow)
    old = store.ref(f"tags/{workflow}/{label}")
    if old is not None and old != oid and not force:
        raise InvalidInput(
            f"{workflow}@{label} is there already, at"
            f" {store.short(store.get(Deploy, old).snapshot)}",
            hint=f"`ork tag --force {workflow}@{label} {as_word(revision)}` moves it",
        )
    if old != oid:
        with store.transaction(stamp) as tx:
            tx.move(f"tags/{workflow}/{label}", old=old, new=oid)
    return Tagged(tag=Tag(workflow=workflow, label=label, oid=oid, deploy=deploy), old=old)


def untag(store: Store, name: str, *, stamp: Stamp) -> Tagged:
    """Remove a tag: LABEL, if only one workflow has it, or WORKFLOW@LABEL. Its deploy stays."""
    workflow, label = _split(name)
    names = [workflow] if workflow else sorted(store.folders("tags/"))
    found = [(one, oid) for one in names if (oid := store.ref(f"tags/{one}/{label}"))]
    if not found:
        labels = [f"{one.workflow}@{one.label}" for one in tags(store, workflow)]
        raise NotFound(f"there is no tag {name}", hint=meant_or_known(name, labels))
    if len(found) > 1:
        raise Ambiguous(
            f"several workflows have a tag {label}",
            candidates=[f"{one}@{label}" for one, _ in found],
        )
    ((workflow, old),) = found
    with store.transaction(stamp) as tx:
        tx.move(f"tags/{workflow}/{label}", old=old, new=None)
    gone = Tag(workflow=workflow, label=label, oid=old, deploy=store.get(Deploy, old))
    return Tagged(tag=gone, old=old, removed=True)


def tags(store: Store, workflow: str | None = None) -> Iterator[Tag]:
    """Yield the tags of a workflow, or of all, sorted by workflow and label."""
    prefix = f"tags/{workflow}/" if workflow else "tags/"
    for name, oid in store.refs(prefix):
        of, _, label = name.rpartition("/")
        yield Tag(workflow=workflow or of, label=label, oid=oid, deploy=store.get(Deploy, oid))


def _split(name: str) -> tuple[str | None, str]:
    """Return workflow, if it is named, and label."""
    workflow, at, label = name.rpartition("@")
    for one in (workflow, label) if at else (label,):
        if not is_name(one):
            raise InvalidInput(
                f"{name!r} is no name for a tag",
                hint="write LABEL or WORKFLOW@LABEL: letters, digits, `_`, `.`, `-`",
            )
    return workflow or None, label
