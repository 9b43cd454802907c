"""Moving heads and tags by hand: rollback, tag, untag. Each is one operation and can be undone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from ork.differences.definitions import Diff, summarize
from ork.errors import Ambiguous, InvalidInput, NotFound, UsageError
from ork.history.compare import compare_deploys
from ork.history.log import tally
from ork.objects.canonical import Oid
from ork.objects.kinds import Deploy, is_name
from ork.store.resolve import Resolved, deploy_of, head, history, resolve
from ork.store.store import Stamp, Store
from ork.store.suggestions import near

SUBJECT_CHARS_MAX = 72  # of the message that a rollback quotes


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledBack:
    """What a rollback did. `changed` is False when the head has that content already.

    `restores` is the deploy whose content is now that of the head; `path` the workflow file that it
    came from, relative to the project; `summary` what changed against the head before, in a line.
    """

    workflow: str
    deploy: Oid
    snapshot: Oid
    parent: Oid
    restores: Oid
    changed: bool
    message: str
    path: str
    summary: str = ""
    diff: Diff | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A label that somebody gave to a deploy."""

    workflow: str
    label: str
    oid: Oid
    deploy: Deploy


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagged:
    """What became of a tag: the tag, where it was before, and whether it is removed."""

    tag: Tag
    old: Oid | None
    removed: bool = False


def rollback(
    store: Store,
    workflow: str,
    revision: str | None = None,
    *,
    stamp: Stamp,
    now: datetime,
    message: str | None = None,
) -> RolledBack:
    """Deploy older content again: its snapshot, settings and text, as the newest entry.

    Without a revision that is the newest earlier deploy with other content and a successful run.
    Writes nothing when the head has the content already; raises Conflict when the head moved
    meanwhile.
    """
    if not is_name(workflow):
        hint = "write `ork rollback etl etl~2`: the workflow, then the revision"
        raise UsageError(f"{workflow!r} is no name of a workflow", hint=hint)
    if message is not None:
        _check_message(message)
    parent = head(store, workflow)
    before = store.get(Deploy, parent)
    target = _original(store, _target(store, workflow, revision, parent, now))
    old = store.get(Deploy, target)
    path = str(old.source["path"])
    if before.has(old.snapshot, old.settings):
        return RolledBack(
            workflow=workflow,
            deploy=parent,
            snapshot=before.snapshot,
            parent=parent,
            restores=target,
            changed=False,
            message=before.message,
            path=path,
        )
    message = message or _message(store, old)
    diff = compare_deploys(store, before, old)
    with store.transaction(stamp) as tx:
        oid = tx.add(
            Deploy(
                workflow=workflow,
                snapshot=old.snapshot,
                parents=(parent,),
                time=stamp.time,
                author=stamp.author,
                message=message,
                settings=old.settings,
                source=old.source,
                origin=None,
                action="rollback",
                restores=target,
            )
        )
        tx.move(f"workflows/{workflow}", old=parent, new=oid)
    return RolledBack(
        workflow=workflow,
        deploy=oid,
        snapshot=old.snapshot,
        parent=parent,
        restores=target,
        changed=True,
        message=message,
        path=path,
        summary=summarize(diff),
        diff=diff,
    )


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
        revision = _in(workflow, revision)
    try:
        found = _deploy(store, revision, workflow, now)
    except NotFound as error:
        if workflow is None and is_name(revision) and store.ref(f"workflows/{label}"):
            error.hint = f"the label comes first: `ork tag {revision} {label}`"
        raise
    workflow = str(found.workflow)
    old = store.ref(f"tags/{workflow}/{label}")
    if old is not None and old != found.oid and not force:
        raise InvalidInput(
            f"{workflow}@{label} is there already, at {_short(store, old)}",
            hint=f"`ork tag -f {workflow}@{label} REV` moves it",
        )
    if old != found.oid:
        with store.transaction(stamp) as tx:
            tx.move(f"tags/{workflow}/{label}", old=old, new=found.oid)
    deploy = store.get(Deploy, found.oid)
    return Tagged(tag=Tag(workflow=workflow, label=label, oid=found.oid, deploy=deploy), old=old)


def untag(store: Store, name: str, *, stamp: Stamp) -> Tagged:
    """Remove a tag: LABEL, if only one workflow has it, or WORKFLOW@LABEL. Its deploy stays."""
    workflow, label = _split(name)
    names = [workflow] if workflow else sorted(store.folders("tags/"))
    found = [(one, oid) for one in names if (oid := store.ref(f"tags/{one}/{label}"))]
    if not found:
        labels = [f"{one.workflow}@{one.label}" for one in tags(store, workflow)]
        raise NotFound(f"there is no tag {name}", hint=near(name, labels))
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


def _target(store: Store, workflow: str, revision: str | None, parent: Oid, now: datetime) -> Oid:
    if revision is not None:
        return _deploy(store, _in(workflow, revision), workflow, now).oid
    before = store.get(Deploy, parent)
    for oid, deploy in history(store, workflow, parent):
        other = not before.has(deploy.snapshot, deploy.settings)
        if other and tally(store, oid).counts.get("success"):
            return oid
    if not before.parents:
        raise NotFound(f"{workflow} has only one deploy: there is nothing to go back to")
    raise NotFound(
        f"no earlier version of {workflow} has a successful run",
        hint=f"name the one to go back to: `ork rollback {workflow} {workflow}~1`",
    )


def _original(store: Store, oid: Oid) -> Oid:
    """Return the deploy whose content a rollback brought back, for any other deploy itself."""
    deploy = store.get(Deploy, oid)
    if deploy.restores is None:
        return oid
    original = store.get(Deploy, deploy.restores)
    equal = original.has(deploy.snapshot, deploy.settings)
    return deploy.restores if equal and original.workflow == deploy.workflow else oid


def _message(store: Store, old: Deploy) -> str:
    subject = old.message.partition("\n")[0]
    if len(subject) > SUBJECT_CHARS_MAX:
        subject = subject[: SUBJECT_CHARS_MAX - 3] + "..."
    short = store.short(old.snapshot)
    return f"Roll back to {short} ({subject})" if subject else f"Roll back to {short}"


def _check_message(message: str) -> None:
    from ork.definition.secrets import find_secrets
    from ork.heads.deploy import check_message

    check_message(message)
    if found := find_secrets(message):
        raise InvalidInput(
            f"the message has what looks like {found[0].what}",
            hint="write another one: a message is kept for ever",
        )


def _in(workflow: str, revision: str) -> str:
    """Return ~2, @{1}, @v1 or #56 as a revision of this workflow, any other as it is."""
    follows = revision[:1] in ("~", "^", "#") or (
        revision[:1] == "@" and revision[1:2] not in ("", "@", "~", "^", "#", ":")
    )
    return workflow + revision if follows else revision


def _deploy(store: Store, revision: str, workflow: str | None, now: datetime) -> Resolved:
    """Return the deploy that a revision means, which must be one of the workflow."""
    found = deploy_of(store, resolve(store, revision, now=now), workflow)
    deploy = store.get(Deploy, found.oid)
    if workflow is not None and deploy.workflow != workflow:
        raise InvalidInput(
            f"{revision} is a deploy of {deploy.workflow}, not of {workflow}",
            hint=f"`ork log {workflow}` lists those of {workflow}",
        )
    return Resolved(
        text=revision,
        oid=found.oid,
        kind="deploy",
        workflow=deploy.workflow,
        deploy=found.oid,
        snapshot=deploy.snapshot,
    )


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


def _short(store: Store, deploy: Oid) -> str:
    return store.short(store.get(Deploy, deploy).snapshot)
