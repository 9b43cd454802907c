"""What a deploy did, and how files stand to their heads -> lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ork.cli.screen.line import Line
from ork.heads.deploy import Deployed, FileStatus
from ork.store.store import Store

_STATE_STYLES = {
    "unchanged": "dim",
    "modified": "changed",
    "new": "added",
    "missing": "removed",
    "invalid": "failed",
}


def deploy_view(done: Deployed, store: Store) -> Iterator[Line]:
    """Yield one line: the workflow, its snapshot, and what changed."""
    snapshot = store.short(done.snapshot)
    if not done.changed:
        yield [(done.workflow, "name"), " is up to date at ", (snapshot, "oid")]
        return
    first = done.message.partition("\n")[0]
    yield [(done.workflow, "name"), " ", (snapshot, "oid"), "  ", first]


def deploy_hint(done: Sequence[Deployed]) -> list[Line]:
    """Return the likely next command."""
    changed = [one for one in done if one.changed]
    if not changed:
        return []
    name = changed[0].workflow
    if changed[0].parent is None:
        return [[("next: ", "hint"), f"`ork run {name}`"]]
    return [[("next: ", "hint"), f"`ork diff {name}~1 {name}` or `ork run {name}`"]]


def status_view(found: Sequence[FileStatus], store: Store) -> Iterator[Line]:
    """Yield one line per workflow file."""
    width = max((len(one.path) for one in found), default=0)
    for one in found:
        oid = store.ref(f"workflows/{one.workflow}") if one.workflow and one.deploy else None
        line: Line = [(f"{one.state:<10}", _STATE_STYLES[one.state]), f"{one.path:<{width}}"]
        if one.workflow:
            line += ["  ", (one.workflow, "name")]
        if oid and one.snapshot and one.state == "unchanged":
            line += [" ", (store.short(one.snapshot), "oid")]
        if one.summary:
            line += ["  ", one.summary]
        yield line
