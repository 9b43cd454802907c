"""What a rollback, a restore or a tag did -> lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ork.cli.screen import human as words
from ork.cli.screen.line import Line
from ork.cli.session import Session
from ork.heads.tags import RolledBack, Tag, Tagged
from ork.objects.kinds import Deploy
from ork.store.store import Store
from ork.worktree.restore import Restored

_SURPLUS_MAX = 5


def rollback_view(done: RolledBack, store: Store) -> Iterator[Line]:
    """Yield the workflow, its snapshot and message, then what changed."""
    snapshot = store.short(done.snapshot)
    if not done.changed:
        yield [(done.workflow, "name"), " has that content already, at ", (snapshot, "oid")]
        return
    yield [(done.workflow, "name"), " ", (snapshot, "oid"), "  ", done.message.partition("\n")[0]]
    yield ["  ", done.summary]


def rollback_hint(done: RolledBack) -> list[Line]:
    """Return the likely next command: the files on disk are still the newer ones."""
    if not done.changed:
        return []
    name = done.workflow
    return [
        [
            ("next: ", "hint"),
            f"`ork run {name}`, or `ork restore {name} --code` to have it on disk as well",
        ]
    ]


def restore_view(done: Restored) -> Iterator[Line]:
    """Yield one line per file."""
    for file in done.files:
        style = "changed" if file.state == "written" else "dim"
        yield [(f"{file.state:<10}", style), file.path]


def restore_hint(done: Restored, *, elsewhere: bool) -> list[Line]:
    """Return what is still there of another version, and the likely next command."""
    lines: list[Line] = []
    if done.surplus:
        shown = ", ".join(done.surplus[:_SURPLUS_MAX])
        if len(done.surplus) > _SURPLUS_MAX:
            shown += f" and {len(done.surplus) - _SURPLUS_MAX} more"
        lines.append(
            [
                ("note: ", "warning"),
                "this version did not have ",
                shown,
                "; a deploy would add what is there now",
            ]
        )
    if not elsewhere:
        lines.append([("next: ", "hint"), "`ork status`"])
    return lines


def tags_view(found: Sequence[Tag], store: Store, session: Session) -> Iterator[Line]:
    """Yield one line per tag: its name, snapshot, the time and message of the deploy."""
    now = session.now()
    names = [f"{one.workflow}@{one.label}" for one in found]
    width = min(max(map(len, names), default=0), 32)
    for name, one in zip(names, found, strict=True):
        time = one.deploy.time
        shown = words.ago(time, now) if session.width else words.date(time, now)
        yield [
            (f"{name:<{width}}", "tag"),
            "  ",
            (store.short(one.deploy.snapshot), "oid"),
            "  ",
            (f"{shown:<14}", "time"),
            "  ",
            one.deploy.message.partition("\n")[0],
        ]


def tagged_view(done: Tagged, store: Store) -> Iterator[Line]:
    """Yield the tag and where it is, or where it was."""
    one = done.tag
    line: Line = [(f"{one.workflow}@{one.label}", "tag"), " "]
    now = _deploy(store, one.deploy)
    if done.removed:
        yield [*line, "is removed; it was ", *now]
    elif done.old == one.oid:
        yield [*line, "is there already: ", *now]
    else:
        yield [*line, *now]
        if done.old is not None:
            yield ["  it was ", *_deploy(store, store.get(Deploy, done.old))]


def _deploy(store: Store, deploy: Deploy) -> Line:
    subject = deploy.message.partition("\n")[0]
    return [(store.short(deploy.snapshot), "oid"), f"  {subject}"]
