"""The chain of versions that a workflow has had, as far as the original's rows give evidence.

A version was there when it was kept, and when a run executed it; what a workflow has now it has had
since its last deploy. Sorted by time, each change is a deploy. That somebody went back to an older
version shows only where a run executed it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from ork.errors import InvalidInput
from ork.objects.canonical import Oid
from ork.objects.value import Value, replace
from ork.orkdb.database import Database
from ork.orkdb.rows import (
    ENDED,
    RunRow,
    SnapshotRow,
    Step,
    Unreadable,
    WorkflowRow,
    current_steps,
    executed_steps,
    old_steps,
    runs,
    snapshots,
)
from ork.orkdb.versions import Version, Writer

Tell = Callable[[str, str], None]
"""Is told of what is left out: what it is, and why."""

OF_KEPT, OF_RUN = range(2)  # of events at the same moment, which was first


class Link(Value, frozen=True, kw_only=True):
    """One version in the chain, and since when it is known to have been there."""

    time: datetime
    version: Version

    @property
    def snapshot(self) -> Oid:
        """The snapshot of its version."""
        return self.version.built.oid


class Executed(Value, frozen=True, kw_only=True):
    """A run that is to come over, and the place in the chain of what it executed."""

    row: RunRow
    created: datetime
    link: int


class Chain(Value, frozen=True, kw_only=True):
    """All of one workflow: its versions and its runs, oldest first."""

    links: tuple[Link, ...]
    runs: tuple[Executed, ...]


class Reading:
    """Reads the chain of a workflow; tells what has to be left out of it."""

    def __init__(
        self, database: Database, workflow: WorkflowRow, writer: Writer, tell: Tell
    ) -> None:
        self._database, self._workflow = database, workflow
        self._writer, self._tell = writer, tell

    def chain(self, unfinished: bool) -> Chain:
        """Return the versions in the order in which they were there, and the runs with them."""
        kept = sorted(snapshots(self._database, self._workflow), key=_age)
        events = list(self._kept(kept))
        now = self._now({row.id: row for row in kept if row.id})
        # Last: the others have types, which the tasks of a run do not tell.
        events += self._executed({row.id: row for row in kept if row.id}, unfinished)
        events.sort(key=lambda event: event[:3])
        links: list[Link] = []
        executed = []
        for time, _, _, version, row in events:
            if not links or links[-1].snapshot != version.built.oid:
                links.append(Link(time=time, version=version))
            if row is not None:
                executed.append(Executed(row=row, created=time, link=len(links) - 1))
        if now is not None:
            self._end(links, *now)
        return Chain(links=tuple(links), runs=tuple(executed))

    def _end(self, links: list[Link], time: datetime, version: Version) -> None:
        """Let a chain end with the present version, which was deployed last at that time."""
        before = links[-1] if links else None
        if before is None or before.snapshot != version.built.oid:
            time = max(time, before.time) if before else time
            links.append(Link(time=time, version=version))
        elif (links[-2].time if links[1:] else time) <= time <= before.time:
            links[-1] = replace(before, time=time)

    def _kept(self, kept: Sequence[SnapshotRow]) -> Iterator[_Event]:
        for row in kept:
            what = f"the version of {_day(row.created)}"
            if row.created is None:
                self._tell(what, "it does not say when it was kept")
            elif row.steps is None:
                self._tell(what, row.wrong)
            elif version := self._version(row.steps, what):
                yield row.created, OF_KEPT, row.id or "", version, None

    def _now(self, kept: Mapping[str, SnapshotRow]) -> tuple[datetime, Version] | None:
        """Return what the workflow has now, and since when."""
        workflow = self._workflow
        try:
            steps, deployed = current_steps(self._database, workflow)
        except Unreadable as error:
            self._tell("the present version", str(error))
            return None
        current = kept.get(workflow.current or "")
        if current is not None and current.steps is not None:
            steps = current.steps
        steps = steps or old_steps(workflow)
        time = deployed or (current and current.created) or workflow.created or workflow.updated
        if not steps or time is None:
            return None
        version = self._version(steps, "the present version")
        return (time, version) if version else None

    def _executed(self, kept: Mapping[str, SnapshotRow], unfinished: bool) -> Iterator[_Event]:
        for row in runs(self._database, self._workflow):
            what = f"run {(row.id or '?')[:8]} of {_day(row.created)}"
            if row.id is None or row.created is None:
                self._tell(what, "it has no id" if row.created else "it does not say when it was")
            elif row.status not in ENDED and not unfinished:
                self._tell(what, f"it is {row.status}: --unfinished takes it as interrupted")
            elif (version := self._of_run(row, kept, what)) is not None:
                yield row.created, OF_RUN, row.id, version, row

    def _of_run(self, row: RunRow, kept: Mapping[str, SnapshotRow], what: str) -> Version | None:
        """Return what a run executed: the version that it names, else that of its own tasks."""
        named = kept.get(row.snapshot or "")
        if named and named.steps:
            return self._version(named.steps, what)
        try:
            return self._writer.executed(executed_steps(self._database, row))
        except Unreadable as error:
            self._tell(what, str(error))
        except InvalidInput as error:
            self._tell(what, error.message)
        return None

    def _version(self, steps: Sequence[Step], what: str) -> Version | None:
        try:
            return self._writer.version(steps)
        except InvalidInput as error:
            self._tell(what, error.message)
            return None


_Event = tuple[datetime, int, str, Version, RunRow | None]


def _age(row: SnapshotRow) -> tuple[bool, str, str]:
    return (row.created is None, row.created.isoformat() if row.created else "", row.id or "")


def _day(time: datetime | None) -> str:
    return f"{time:%Y-%m-%d %H:%M}" if time else "an unknown day"
