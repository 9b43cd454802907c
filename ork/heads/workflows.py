"""Workflows in a list: what each is, how its last run went, and when the next is due."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from itertools import islice

from ork.errors import Corrupt, OrkError
from ork.objects.canonical import Oid
from ork.objects.kinds import Deploy, Run, Snapshot
from ork.objects.value import Value
from ork.schedule.schedule import schedules_of
from ork.schedule.times import slots
from ork.schedule.words import in_words
from ork.store.resolve import archived
from ork.store.runs import newest_of, runs, tags_of
from ork.store.store import Store
from ork.store.verdict import is_partial, of_newest

PAGE = 512


class LastRun(Value, frozen=True, kw_only=True):
    """The newest run of a workflow."""

    name: str  # "etl#5", of the time before it was renamed by its former name
    number: int
    state: str
    partial: bool
    other_version: bool  # than what was the newest one when it began
    created: datetime
    ended: datetime | None
    reason: str | None = None  # why it did not end well
    damaged: bool = False  # its record is lost

    @property
    def remark(self) -> str:
        """What qualifies its state, in words; empty without."""
        told = {
            "damaged": self.damaged,
            "partial": self.partial,
            "of another version": self.other_version,
        }
        return " ".join(words for words, holds in told.items() if holds)


class WorkflowEntry(Value, frozen=True, kw_only=True):
    """A workflow in a list; `next` is None if it has no schedule, or is paused or archived.

    `due` is the first slot that has come and is not decided yet, `held_by` the run whose failure
    holds a schedule back, `ahead` up to where slots are decided by a clock that was ahead.
    """

    workflow: str
    deploy: Oid
    snapshot: Oid
    path: str
    deployed: datetime
    task_count: int
    tags: tuple[str, ...]  # of its head
    schedules: tuple[str, ...]  # in words
    next: datetime | None
    due: datetime | None = None
    held_by: str | None = None
    ahead: datetime | None = None
    paused: bool
    archived: bool
    last: LastRun | None

    @property
    def revision(self) -> str:
        """The text that means its newest deploy: its name."""
        return self.workflow

    def cells(self) -> dict[str, object]:
        return {
            "workflow": self.workflow,
            "last": self.last and f"{self.last_run} {self.last.state}",
            "partial": self.last and (self.last.remark or None),
            "next": self.halted or self._waits or self.next,
            "tags": ", ".join(self.tags),
        }

    @property
    def last_run(self) -> str:
        """The newest run in a word: "#5", or its name where that has a former one in it."""
        if (last := self.last) is None:
            return ""
        number = f"#{last.number}"
        return number if last.name == self.workflow + number else last.name

    @property
    def _waits(self) -> str:
        """What keeps its next slot from being the next that is fired; empty if nothing does."""
        if self.held_by:
            return f"held by {self.held_by}"
        return f"due {self.due:%Y-%m-%d %H:%M}" if self.due else ""

    @property
    def halted(self) -> str:
        """Why no schedule of it fires, in a word; empty if they do."""
        return "archived" if self.archived else "paused" if self.paused else ""


def workflow_list(
    store: Store,
    *,
    now: datetime,
    limit: int | None = None,
    with_archived: bool = False,
    damage: list[Corrupt] | None = None,
) -> Iterator[WorkflowEntry]:
    """Yield the workflows, sorted by name. Reads a few objects of each, many of them together.

    Corrupt for those whose newest version or run is lost is raised behind all others, or added to
    `damage`.
    """
    broken = [] if damage is None else damage
    paused, put_away = {name for name, _ in store.refs("paused/")}, archived(store)
    tags = tags_of(store.refs("tags/"))
    shown = (one for one in store.refs("workflows/") if with_archived or one[0] not in put_away)
    heads = islice(shown, limit)
    while page := dict(islice(heads, PAGE)):
        versions = _versions(store, page, broken)  # first: what was read together is known then
        last = _last_runs(store, page, broken)
        for name, (deploy, snapshot) in versions.items():
            try:
                schedules = schedules_of(deploy.settings)
            except OrkError:  # `ork schedule list` tells of it
                schedules = ()
            halted = name in paused or name in put_away
            coming = () if halted else (next(slots(one, now), None) for one in schedules)
            yield WorkflowEntry(
                workflow=name,
                deploy=page[name],
                snapshot=deploy.snapshot,
                path=deploy.source.path,
                deployed=deploy.time,
                task_count=snapshot.task_count,
                tags=tags.get(page[name], ()),
                schedules=tuple(map(in_words, schedules)),
                next=min(filter(None, coming), default=None),
                paused=name in paused,
                archived=name in put_away,
                last=last.get(name),
            )
    if damage is None and broken:
        raise broken[0]


def _versions(
    store: Store, heads: Mapping[str, Oid], damage: list[Corrupt]
) -> dict[str, tuple[Deploy, Snapshot]]:
    """Return these deploys with their snapshots, but for what is lost, which is told of."""
    try:
        deploys = store.get_all(Deploy, heads)
        snapshots = store.get_all(Snapshot, {name: d.snapshot for name, d in deploys.items()})
        return {name: (deploy, snapshots[name]) for name, deploy in deploys.items()}
    except Corrupt as error:
        if len(heads) == 1:
            (name,) = heads
            damage.append(Corrupt(f"{name} is damaged: {error.message}", hint=error.hint))
            return {}
        found: dict[str, tuple[Deploy, Snapshot]] = {}
        for name, oid in heads.items():
            found |= _versions(store, {name: oid}, damage)
        return found


def _last_runs(store: Store, heads: Mapping[str, Oid], damage: list[Corrupt]) -> dict[str, LastRun]:
    """Return the newest run of each that has one, but for those of a bisection."""
    last = {}
    for name, found in newest_of(store, heads, 1, damage).items():
        for entry in found:
            if entry.run.trigger == "bisect":
                every = runs(store, name, damage=damage)
                entry = next((one for one in every if one.run.trigger != "bisect"), entry)
            run = entry.run
            last[name] = LastRun(
                name=run.name,
                number=run.number,
                state=run.state,
                partial=is_partial(store, run),
                other_version=_ran_another(store, name, heads[name], run),
                created=run.created,
                ended=run.ended,
                reason=run.reason,
                damaged=entry.damaged,
            )
    return last


def _ran_another(store: Store, workflow: str, head: Oid, run: Run) -> bool:
    """Say whether a run was of another version than the newest then; not where one is damaged."""
    with suppress(Corrupt):
        return not any(of_newest(store, workflow, [run], head=head))
    return False
