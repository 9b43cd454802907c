"""The log of workflows, newest deploy first, with how the runs of each deploy went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import chain, groupby, islice
from typing import TYPE_CHECKING

from ork.errors import Corrupt, UsageError
from ork.objects.canonical import Oid
from ork.objects.kinds import Deploy, Run
from ork.objects.value import Value, replace
from ork.store import location
from ork.store import revision as grammar
from ork.store.contents import task_runs
from ork.store.resolve import (
    REMOTES,
    apart,
    as_far_as_whole,
    deploy_of,
    heads,
    histories,
    history,
)
from ork.store.runs import Names, all_going_on, tags_of
from ork.store.store import Store
from ork.store.verdict import Tally, counts_as, read_tally, tallies
from ork.worktree.lookup import look_up

if TYPE_CHECKING:
    from ork.differences.definitions import Diff


LOOK_UPS_MAX = 32  # of tallies each by itself, for a page; then all that there are are read


_NO_RUNS = Tally(counts={})


class Standing(Value, frozen=True, kw_only=True):
    """How the head of a workflow stands to what a remote had when it was last looked at."""

    remote: str
    ahead: int  # deploys that only this store has
    behind: int  # that only the remote had
    name: str | None = None  # what the workflow is called there, where that is another name
    related: bool = True  # the two have a deploy in common

    @property
    def words(self) -> str:
        """How many deploys ahead of the remote, or behind it; nothing if neither."""
        sides = ((self.ahead, "ahead of"), (self.behind, "behind"))
        apart = ", ".join(f"{number} {word}" for number, word in sides if number)
        return f"{apart} {self.remote}{f'/{self.name}' if self.name else ''}" if apart else ""


class LogEntry(Value, frozen=True, kw_only=True):
    """One deploy in a log. `diff` is against its first parent, when it was asked for."""

    oid: Oid
    deploy: Deploy
    runs: Tally
    tags: tuple[str, ...] = ()
    remotes: tuple[str, ...] = ()  # origin/etl: of which it was the head when that was looked at
    head: bool = False
    reached_from: tuple[str, ...] = ()  # of several revisions, those that have it in their history
    diff: Diff | None = None

    @property
    def revision(self) -> str:
        """The text that means this deploy, also when it is the head no more: its oid."""
        return self.oid

    def cells(self) -> dict[str, object]:
        runs = map(str, self.runs.cells().values())
        return {
            "deploy": self.oid[:12],
            **self.deploy.cells(),
            "runs": ", ".join(runs),
            "tags": " ".join(f"@{tag}" for tag in self.tags),
        }


def log(
    store: Store,
    revision: str | None = None,
    *,
    others: Sequence[str] = (),
    now: datetime,
    limit: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    author: str | None = None,
    grep: str | None = None,
    text: str | None = None,
    reverse: bool = False,
    with_diff: bool = False,
    names: Sequence[str] = (),
    follow: bool = False,
    damage: list[Corrupt] | None = None,
) -> Iterator[LogEntry]:
    """Yield the deploys of a workflow, newest first, that all filters let through.

    `revision` is a workflow or a deploy to start from, or a range A..B (what B has and A has not)
    or A...B (what one of them alone has); None means every workflow, merged by time. With `others`
    it is what any of these revisions has, each deploy before those that it comes after.

    `author` and `grep` are regular expressions; with `text` only deploys that have it more often,
    or less, than the one before. With `names` of tasks and code files, or REV:NAME, only deploys
    that changed one of these, and a diff has nothing else: see `ork.history.filters`.

    Where a history breaks off, all that is left comes before Corrupt is raised, or added to
    `damage`.
    """
    broken = [] if damage is None else damage
    patterns = []
    if author is not None or grep is not None or text is not None:
        from ork.search.grep import pattern_of
        from ork.search.texts import counts_otherwise

        wanted = {"author": author, "message": grep}
        patterns = [(pattern_of(it), name) for name, it in wanted.items() if it is not None]
    revision, part = grammar.split_part(revision) if revision else (None, None)
    revisions = list(dict.fromkeys([*filter(None, [revision]), *others]))
    if others and part is not None:
        raise UsageError(f"{part!r} is a part of one revision, and there are several")
    reached: dict[Oid, tuple[str, ...]] = {}
    deploys = _walk(store, revisions, now, broken, reached)
    parts = None
    if names or part is not None:
        from ork.history.filters import Parts, existing, refuse_unknown

        refuse_unknown(store, _all_of(store, revisions, now), names)
        if revision and part is not None:
            names = (*names, existing(store, revision, part, now=now))
        parts = Parts(store, names, follow=follow)
        deploys = parts.changed(deploys)
    deploys = (
        (oid, deploy)
        for oid, deploy in deploys
        if (since is None or deploy.time >= since)
        and (until is None or deploy.time <= until)
        and all(pattern.search(getattr(deploy, name)) for pattern, name in patterns)
        and (text is None or counts_otherwise(store, text, _parent(store, deploy), deploy))
    )
    limited = islice(deploys, limit)
    waiting = iter(list(limited)[::-1]) if reverse else limited
    first = list(islice(waiting, LOOK_UPS_MAX))
    tags, remotes, heads = _names(store, (deploy for _, deploy in first))
    counted = _with_going_on(store, tallies(store, [oid for oid, _ in first]))
    for count, (oid, deploy) in enumerate(chain(first, waiting)):
        if count == LOOK_UPS_MAX:
            counted = _with_going_on(store, _all_tallies(store))
            heads = dict(store.refs("workflows/"))
        diff = _against_parent(store, deploy) if with_diff else None
        yield LogEntry(
            oid=oid,
            deploy=deploy,
            runs=counted.get(oid, _NO_RUNS),
            tags=tags.get(oid, ()),
            remotes=remotes.get(oid, ()),
            head=heads.get(deploy.workflow) == oid,
            reached_from=reached.get(oid, ()),
            diff=parts.only(oid, diff) if parts and diff else diff,
        )
    if damage is None and broken:
        raise broken[0]


def entry_of(store: Store, oid: Oid, deploy: Deploy, *, diff: Diff | None = None) -> LogEntry:
    """Return one deploy as a log has it."""
    return replace(entries_of(store, {oid: deploy})[0], diff=diff)


def entries_of(store: Store, deploys: Mapping[Oid, Deploy]) -> list[LogEntry]:
    """Return some deploys as a log has them, looked up together."""
    tags, remotes, heads = _names(store, deploys.values())
    counted = _with_going_on(store, tallies(store, deploys))
    return [
        LogEntry(
            oid=oid,
            deploy=deploy,
            runs=counted[oid],
            tags=tags.get(oid, ()),
            remotes=remotes.get(oid, ()),
            head=heads.get(deploy.workflow) == oid,
        )
        for oid, deploy in deploys.items()
    ]


def _names(
    store: Store, deploys: Iterable[Deploy]
) -> tuple[dict[Oid, tuple[str, ...]], dict[Oid, tuple[str, ...]], dict[str, Oid]]:
    """Return the tags of each deploy, the heads of remotes that it was, and the heads by name.

    Those of remotes as in `origin/etl`, the others of the workflows that these deploys are of.
    """
    labels: list[tuple[str, Oid]] = []
    remotes: dict[Oid, tuple[str, ...]] = {}
    heads: dict[str, Oid] = {}
    own = dict.fromkeys(f"workflows/{one.workflow}" for one in deploys)
    for ref, oid in store.refs_many("", ("tags/", REMOTES, *own)):  # together: one round trip
        space, _, name = ref.partition("/")
        if space == "tags":
            labels.append((name, oid))
        elif space == "workflows":
            heads[name] = oid
        else:
            remotes[oid] = (*remotes.get(oid, ()), name)
    return tags_of(labels), remotes, heads


def standings(store: Store, workflows: Collection[str]) -> dict[str, tuple[Standing, ...]]:
    """Return how the heads of these workflows stand to those of each remote that has them, too.

    By whatever name: it may have been renamed there, or here, or both. A store that is made of a
    backup remembers heads of remotes that it does not know.
    """
    refs = store.refs_at(f"workflows/{name}" for name in workflows)
    heads = {ref.partition("/")[2]: oid for ref, oid in refs.items()}
    found: dict[str, tuple[Standing, ...]] = {}
    known_as = Names(store)
    seen = list(store.refs(REMOTES))
    known = location.remotes(store.folder) if seen else {}
    for ref, theirs in seen:
        remote, _, there = ref.partition("/")
        if remote not in known:
            continue
        ends = apart(store, there, heads[there], theirs) if there in heads else None
        workflow = there if ends else known_as.called_here(there, theirs) or there
        if ours := heads.get(workflow):
            lines = (history(store, workflow, end) for end in (ours, theirs))
            ends = ends or apart(store, workflow, ours, theirs)
            ahead, behind = ends or (sum(1 for _ in line) for line in lines)
            related = ends is not None
            name = there if there != workflow else None
            one = Standing(remote=remote, ahead=ahead, behind=behind, name=name, related=related)
            found[workflow] = (*found.get(workflow, ()), one)
    return found


def _with_going_on(store: Store, counted: dict[Oid, Tally]) -> dict[Oid, Tally]:
    """Count the runs that go on as well; one that is retried no more as what it had ended with."""
    with suppress(Corrupt):  # a log is read where a run is lost, too
        for run in all_going_on(store):
            if run.deploy is None:
                continue
            found = counted.get(run.deploy, _NO_RUNS)
            counts = Counter(found.counts)
            if run.previous is not None:
                before = store.get(Run, run.previous)
                counts.subtract([counts_as(store, before, task_runs(store, before))])
            counts["running"] += 1
            last = max(found.last or 0, run.number)
            counted[run.deploy] = Tally(counts={**+counts}, last=last)
    return counted


def _all_tallies(store: Store) -> dict[Oid, Tally]:
    names = (name.partition("/") for name, _ in store.refs("tally/"))
    found = groupby(names, key=lambda parts: parts[0])
    return {Oid(deploy): read_tally(text for _, _, text in parts) for deploy, parts in found}


def deploys_between(
    store: Store, old: str, new: str, *, now: datetime
) -> Iterator[tuple[Oid, Deploy]]:
    """Yield the deploys that `new` has and `old` has not, newest first.

    An end that is left out is the newest deploy of the same workflow, or the first of all.
    """
    ends = [look_up(store, text, now=now) for text in (new, old) if text]
    # A snapshot that several workflows have had is meant as that of the workflow at the other end.
    workflow = next((end.workflow for end in ends if end.workflow), None)
    start = deploy_of(store, ends[-1], workflow) if old else None
    newest = ends[0] if new else look_up(store, start.workflow if start else "@", now=now)
    end = deploy_of(store, newest, workflow)
    newer = history(store, end.workflow, end.oid)
    if start is None:
        yield from newer
        return
    between = []
    for oid, deploy in newer:
        if oid == start.oid:  # nearly always: then nothing before it is read
            break
        between.append((oid, deploy))
    else:
        older = {oid for oid, _ in history(store, start.workflow, start.oid)}
        between = [entry for entry in between if entry[0] not in older]
    yield from between


def _walk(
    store: Store,
    revisions: Sequence[str],
    now: datetime,
    damage: list[Corrupt],
    reached: dict[Oid, tuple[str, ...]],
) -> Iterator[tuple[Oid, Deploy]]:
    """Yield the deploys that revisions mean, all without one; `damage` as `histories` does.

    `reached` gets of several revisions, or of the ends of A...B, which have a deploy.
    """
    if not revisions:
        there = heads(store)
        if not there:
            from ork.store.suggestions import nothing_deployed  # what only an error needs

            raise nothing_deployed(store)
        return histories(store, there, damage)
    if len(revisions) > 1:
        return _together(store, revisions, now, damage, reached)
    (revision,) = revisions
    if ends := grammar.parse_since(revision):
        both = _together(store, ends, now, damage, reached)
        return (entry for entry in both if len(reached[entry[0]]) == 1)
    if ends := grammar.parse_range(revision):
        found = deploys_between(store, ends[0], ends[1], now=now)
    else:
        start = deploy_of(store, look_up(store, revision, now=now))
        found = history(store, start.workflow, start.oid)
    return as_far_as_whole(found, damage)


def _together(
    store: Store,
    revisions: Sequence[str],
    now: datetime,
    damage: list[Corrupt],
    reached: dict[Oid, tuple[str, ...]],
) -> Iterator[tuple[Oid, Deploy]]:
    """Yield the deploys of several histories, each once, newest first.

    What both have comes after what either has alone, whatever clocks said.
    """
    ends = [look_up(store, text, now=now) for text in revisions]
    workflow = next((end.workflow for end in ends if end.workflow), None)
    found: dict[Oid, Deploy] = {}
    for text, end in zip(revisions, ends, strict=True):
        start = deploy_of(store, end, workflow)
        for oid, deploy in as_far_as_whole(history(store, start.workflow, start.oid), damage):
            found[oid] = deploy
            reached[oid] = (*reached.get(oid, ()), text)
    after = Counter(deploy.parents[0] for deploy in found.values() if deploy.parents)
    ready = [oid for oid in found if oid not in after]
    while ready:
        newest = max(ready, key=lambda oid: found[oid].time)
        ready.remove(newest)
        yield newest, found[newest]
        for parent in found[newest].parents[:1]:
            after[parent] -= 1
            ready += [parent] if parent in found and not after[parent] else []


def _all_of(store: Store, revisions: Sequence[str], now: datetime) -> Iterator[tuple[Oid, Deploy]]:
    """Yield what `_walk` does; of a range also what was before it."""
    if len(revisions) == 1 and (ends := grammar.parse_range(revisions[0])):
        revisions = [ends[1] or ends[0]]
    elif len(revisions) == 1 and (ends := grammar.parse_since(revisions[0])):
        revisions = ends
    damage: list[Corrupt] = []
    yield from _walk(store, revisions, now, damage, {})
    if damage:
        raise damage[0]


def _against_parent(store: Store, deploy: Deploy) -> Diff:
    from ork.history.compare import compare_deploys

    return compare_deploys(store, _parent(store, deploy), deploy)


def _parent(store: Store, deploy: Deploy) -> Deploy | None:
    return store.get(Deploy, deploy.parents[0]) if deploy.parents else None
