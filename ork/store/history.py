"""The history of workflows: log, with how the runs of each deploy went, and the list of runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

from ork.core import revision as grammar
from ork.core.canonical import Json, Oid
from ork.core.objects import Deploy, Run
from ork.errors import NotFound, UsageError
from ork.store.resolve import (
    deploy_of,
    has_run,
    head,
    history,
    resolve,
    workflows,
    workflows_with_runs,
)
from ork.store.store import Store

if TYPE_CHECKING:
    from ork.core.diff import Diff


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How the runs of one deploy went: state -> count, and the number of the newest that ended."""

    counts: Mapping[str, int]
    last: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One deploy in a log. `diff` is against its first parent, when it was asked for."""

    oid: Oid
    deploy: Deploy
    runs: Tally
    tags: tuple[str, ...] = ()
    head: bool = False
    diff: Diff | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEntry:
    """One run in a list of runs."""

    oid: Oid
    run: Run


def log(
    store: Store, revision: str | None = None, *, now: datetime, limit: int | None = None,
    since: datetime | None = None, until: datetime | None = None, author: str | None = None,
    grep: str | None = None, reverse: bool = False, with_diff: bool = False,
) -> Iterator[LogEntry]:  # fmt: skip
    """Yield the deploys of a workflow, newest first, that all filters let through.

    `revision` is a workflow or a deploy to start from, or a range A..B (what B has and A has not);
    None means every workflow, merged by time. `author` and `grep` are regular expressions.
    """
    patterns = [(_pattern(text), name) for text, name in ((author, "author"), (grep, "message"))
                if text is not None]  # fmt: skip
    chosen = (
        (oid, deploy)
        for oid, deploy in _walk(store, revision, now)
        if (since is None or deploy.time >= since)
        and (until is None or deploy.time <= until)
        and all(pattern.search(getattr(deploy, name)) for pattern, name in patterns)
    )
    limited = islice(chosen, limit)
    tags = _tags(store)
    for oid, deploy in reversed(list(limited)) if reverse else limited:
        yield LogEntry(
            oid=oid, deploy=deploy, runs=tally(store, oid), tags=tuple(tags.get(oid, ())),
            head=store.ref(f"workflows/{deploy.workflow}") == oid,
            diff=_against_parent(store, deploy) if with_diff else None,
        )  # fmt: skip


def runs(
    store: Store, workflow: str | None = None, *, limit: int | None = None,
    states: tuple[str, ...] = (),
) -> Iterator[RunEntry]:  # fmt: skip
    """Yield runs, newest first: of one workflow, or of all, merged by their ids."""
    names = [workflow] if workflow else workflows_with_runs(store)
    if workflow and not has_run(store, workflow):
        head(store, workflow)
    found = (entry for entry in _merge_runs(store, names)
             if not states or entry.run.state in states)  # fmt: skip
    yield from islice(found, limit)


def tally(store: Store, deploy: Oid) -> Tally:
    """Return how the runs of a deploy went."""
    oid = store.ref(f"tally/{deploy}")
    if oid is None:
        return Tally(counts={})
    value = store.value(oid)
    if not isinstance(value, dict) or not isinstance(value.get("counts"), dict):
        return Tally(counts={})
    counts: dict[str, Json] = value["counts"]  # type: ignore[assignment]
    last = value.get("last")
    return Tally(counts={state: int(str(count)) for state, count in sorted(counts.items())},
                 last=last if isinstance(last, int) else None)  # fmt: skip


def deploys_between(
    store: Store, old: str, new: str, *, now: datetime
) -> Iterator[tuple[Oid, Deploy]]:
    """Yield the deploys that `new` has and `old` has not, newest first."""
    end = deploy_of(store, resolve(store, new or "@", now=now))
    start = deploy_of(store, resolve(store, old, now=now)) if old else None
    excluded = set()
    if start:
        excluded = {oid for oid, _ in history(store, str(start.workflow), start.oid)}
    for oid, deploy in history(store, str(end.workflow), end.oid):
        if oid in excluded:
            return
        yield oid, deploy


def _walk(store: Store, revision: str | None, now: datetime) -> Iterator[tuple[Oid, Deploy]]:
    if revision is None:
        names = workflows(store)
        if not names:
            raise NotFound("nothing is deployed here yet", hint="`ork deploy FILE` deploys one")
        return _merge(store, names)
    ends = grammar.parse_range(revision)
    if ends:
        return deploys_between(store, ends[0], ends[1], now=now)
    start = deploy_of(store, resolve(store, revision, now=now))
    return history(store, str(start.workflow), start.oid)


def _merge(store: Store, names: list[str]) -> Iterator[tuple[Oid, Deploy]]:
    from heapq import merge

    return merge(*(history(store, name) for name in names),
                 key=lambda entry: entry[1].time, reverse=True)  # fmt: skip


def _merge_runs(store: Store, names: list[str]) -> Iterator[RunEntry]:
    from heapq import merge

    streams = [store.refs(f"runs/{name}/", newest_first=True) for name in names]
    for _, oid in merge(*streams, key=lambda entry: entry[0], reverse=True):
        yield RunEntry(oid=oid, run=store.get(Run, oid))


def _against_parent(store: Store, deploy: Deploy) -> Diff:
    from ork.store.compare import compare_deploys

    parent = store.get(Deploy, deploy.parents[0]) if deploy.parents else None
    return compare_deploys(store, parent, deploy)


def _tags(store: Store) -> dict[Oid, list[str]]:
    tags: dict[Oid, list[str]] = {}
    for name, oid in store.refs("tags/"):
        tags.setdefault(oid, []).append(name.partition("/")[2])
    return tags


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise UsageError(f"not a regular expression: {text!r}: {error}") from None
