"""Rollback: older content becomes the newest entry of a workflow's history again."""

from __future__ import annotations

import re
from datetime import datetime

from ork.definition.secrets import find_secrets
from ork.differences.definitions import Diff, summarize
from ork.errors import InvalidInput, NotFound, UsageError
from ork.heads.deploy import check_message, refuse_archived
from ork.history.compare import compare_deploys
from ork.objects.canonical import Oid
from ork.objects.kinds import Deploy, is_name
from ork.objects.value import Value, replace
from ork.store.contents import forgotten_part, refuse_forgotten
from ork.store.resolve import deploy_in, head, history
from ork.store.revision import as_word, in_workflow, split_part, workflow_in
from ork.store.store import Stamp, Store
from ork.store.verdict import tally
from ork.worktree.reached import lacks_code, refuse_without_code

SUBJECT_CHARS_MAX = 72  # of the message that a rollback quotes


class RolledBack(Value, frozen=True, kw_only=True):
    """The result of a rollback; `changed` is False when the head had that content already.

    `restores` is the deploy whose content the head has now, `path` the workflow file, relative to
    the project. `summary` says in a line what changed. `passed_over` are newer deploys with a good
    run, of which a part was forgotten.
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
    passed_over: tuple[Oid, ...] = ()

    @property
    def revision(self) -> str:
        """The text that means this deploy, also when it is the head no more: its oid."""
        return self.deploy

    def cells(self) -> dict[str, object]:
        return {
            "workflow": self.workflow,
            "changed": "changed" if self.changed else "unchanged",
            "deploy": self.deploy[:12],
            "message": self.message,
        }


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

    Without a revision that is the newest earlier deploy with other content and a good run, whole
    and untainted, but none that an earlier rollback has left: a second goes one further back.
    Nor one of which a part was forgotten: it never runs again, and is refused by its name.
    Writes nothing when the head has the content already; raises Conflict when the
    head moved meanwhile.
    """
    _refuse_part(workflow, revision)
    if not is_name(workflow):
        begin = re.match(r"[\w.-]+", workflow, re.ASCII)
        whole = f"{begin[0]} {as_word(workflow)}" if begin else "etl etl~2"
        hint = f"write `ork rollback {whole}`: the workflow, then the revision"
        raise UsageError(f"{workflow!r} is no name of a workflow", hint=hint)
    if message is not None:
        check_message(message)
        if found := find_secrets(message):
            raise InvalidInput(
                f"the message has what looks like {found[0].what}",
                hint="write another one: a message is kept for ever",
            )
    parent = head(store, workflow)
    before = store.get(Deploy, parent)
    chosen, passed_over = _target(store, workflow, revision, parent, now)
    target = _original(store, chosen)
    refuse_without_code(store, target)
    old = store.get(Deploy, target)
    refuse_forgotten(store, old.snapshot)
    done = RolledBack(
        workflow=workflow,
        deploy=parent,
        snapshot=old.snapshot,
        parent=parent,
        restores=target,
        changed=False,
        message=before.message,
        path=before.source.path,  # where the file lies now
    )
    if before.has(old.snapshot, old.settings):
        return done
    message = message or _message(store, old)
    diff = compare_deploys(store, before, old)
    with store.transaction(stamp) as tx:
        refuse_archived(store, workflow, tx)
        oid = tx.add(
            Deploy(
                workflow=workflow,
                snapshot=old.snapshot,
                parents=(parent,),
                time=stamp.time,
                author=stamp.author,
                message=message,
                settings=old.settings,
                source=replace(old.source, path=done.path),
                origin=None,
                action="rollback",
                restores=target,
            )
        )
        tx.move(f"workflows/{workflow}", old=parent, new=oid)
    return replace(
        done,
        deploy=oid,
        changed=True,
        message=message,
        summary=summarize(diff),
        diff=diff,
        passed_over=passed_over,
    )


def _refuse_part(workflow: str, revision: str | None) -> None:
    """Raise UsageError where a part of a workflow is to go back, NotFound where to go to one."""
    name, part = workflow_in(workflow), workflow.partition(":")[2]
    error = UsageError if part else NotFound
    before, of = split_part(revision) if revision else (f"{name}~1", None)
    if part := part or of or "":
        whole = in_workflow(name, before)
        raise error(
            f"a rollback takes back all of {name}, and not {part} alone",
            hint=f"`ork rollback {name} {as_word(whole)}` does,"
            f" `ork restore {as_word(f'{whole}:{part}')}` writes that alone",
        )


def _target(
    store: Store, workflow: str, revision: str | None, parent: Oid, now: datetime
) -> tuple[Oid, tuple[Oid, ...]]:
    """Return the deploy that is meant, and the good ones that were passed over on the way."""
    if revision is not None:
        return deploy_in(store, in_workflow(workflow, revision), workflow, now=now)[0], ()
    before = store.get(Deploy, parent)
    passed = [before]  # whose content is none to go back to
    was_left = False  # whether the next one was left by a rollback
    forgotten: list[Oid] = []
    for oid, deploy in history(store, workflow, parent):
        if was_left:
            passed.append(deploy)
        was_left = deploy.action == "rollback"
        other = not any(one.has(deploy.snapshot, deploy.settings) for one in passed)
        good = other and tally(store, oid).counts.get("success")
        if good and forgotten_part(store, deploy.snapshot):
            forgotten.append(oid)
        elif good and not lacks_code(store, deploy):
            return oid, tuple(forgotten)
    if not before.parents:
        raise NotFound(f"{workflow} has only one deploy: there is nothing to go back to")
    buts = ["what a rollback has left"] if len(passed) > 1 else []
    buts += ["those of which a part was forgotten"] if forgotten else []
    but = f", but {' and '.join(buts)}" if buts else ""
    ways = (
        f"name the one to go back to: `ork rollback {workflow} {workflow}~{number}`"
        for number, (_, deploy) in enumerate(history(store, workflow, parent))
        if not before.has(deploy.snapshot, deploy.settings)
        and not forgotten_part(store, deploy.snapshot)
        and not lacks_code(store, deploy)
    )
    raise NotFound(
        f"no earlier version of {workflow} has a good run{but}",
        hint=next(ways, "no other one can run: change the files, then `ork deploy`"),
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
