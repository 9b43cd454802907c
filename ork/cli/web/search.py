"""Searches names, messages, authors and oids, newest first, and looks at a bounded part of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from itertools import islice
from typing import Any

from ork.errors import Ambiguous, NotFound
from ork.history.log import LogEntry, entry_of
from ork.objects.kinds import Deploy
from ork.objects.value import Value
from ork.store.resolve import Resolved, heads, histories, known_names, resolve
from ork.store.store import Store

DEPLOYS_LOOKED_AT_MAX = 3_000
WORKFLOWS_LOOKED_INTO_MAX = 300  # for tasks and code files
FOUND_MAX = 50  # of each sort


class PartFound(Value, frozen=True, kw_only=True):
    """A task or code file of the newest version of a workflow."""

    workflow: str
    kind: str  # task | file
    name: str


class Found(Value, frozen=True, kw_only=True):
    """What a search found. `one` is what the text means as a revision, such as an oid or etl#57.

    `looked_at` deploys were read, back to `until`; `complete` says whether these were all of them.
    `more` names the sorts of which there is more than is here.
    """

    text: str
    one: Resolved | None
    workflows: tuple[str, ...]
    parts: tuple[PartFound, ...]
    tags: tuple[tuple[str, str], ...]  # workflow, label
    deploys: tuple[LogEntry, ...]
    looked_at: int
    until: datetime | None
    complete: bool
    more: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.one or self.workflows or self.parts or self.tags or self.deploys)


def search(store: Store, text: str, *, now: datetime) -> Found:
    """Return what has this text in it, in any case: names, tags, messages and authors."""
    wanted = text.casefold()
    names = sorted(known_names(store))
    tags = (name.partition("/") for name, _ in store.refs("tags/"))
    deploys, looked_at, last, complete = _deploys(store, wanted)
    sorts = {
        "workflows": (name for name in names if wanted in name.casefold()),
        "parts": _parts(store, wanted),
        "tags": ((name, tag) for name, _, tag in tags if wanted in tag.casefold()),
    }
    found: dict[str, Any] = {
        name: tuple(islice(all_, FOUND_MAX + 1)) for name, all_ in sorts.items()
    }
    return Found(
        text=text,
        one=_meant(store, text, now),
        **{name: some[:FOUND_MAX] for name, some in found.items()},
        deploys=tuple(deploys),
        looked_at=looked_at,
        until=last.time if last else None,
        complete=complete,
        more=tuple(name for name, some in found.items() if len(some) > FOUND_MAX),
    )


def _meant(store: Store, text: str, now: datetime) -> Resolved | None:
    with suppress(NotFound, Ambiguous):
        return resolve(store, text, now=now)
    return None


def _parts(store: Store, wanted: str) -> Iterator[PartFound]:
    there = dict(islice(heads(store).items(), WORKFLOWS_LOOKED_INTO_MAX))
    for name, deploy in store.get_all(Deploy, there).items():
        snapshot = store.snapshot(deploy.snapshot)
        for kind, parts in (("task", snapshot.tasks), ("file", snapshot.files)):
            for part in parts:
                if wanted in part.casefold():
                    yield PartFound(workflow=name, kind=kind, name=part)


def _deploys(store: Store, wanted: str) -> tuple[list[LogEntry], int, Deploy | None, bool]:
    """Return those whose message or author has it, how many were looked at, the last, and if all.

    It ends early when enough were found.
    """
    found: list[LogEntry] = []
    looked_at, last = 0, None
    deploys = histories(store, heads(store))
    for oid, deploy in deploys:
        if looked_at == DEPLOYS_LOOKED_AT_MAX or len(found) == FOUND_MAX:
            return found, looked_at, last, False
        looked_at, last = looked_at + 1, deploy
        if wanted in deploy.message.casefold() or wanted in deploy.author.casefold():
            found.append(entry_of(store, oid, deploy))
    return found, looked_at, last, True
