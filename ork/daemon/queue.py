"""Runs that wait for `ork up`: what is to run is decided, checked and deployed already.

An entry, `queue/WORKFLOW/ID`, goes in the write that pins its run: it is run once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Unpack

from ork.daemon import lines
from ork.errors import Conflict, Corrupt, UsageError
from ork.heads.deploy import Deployed
from ork.objects.canonical import Oid
from ork.objects.kinds import Deploy, to_json
from ork.objects.rows import name_of
from ork.objects.value import Value, field, of_line, replace
from ork.runner import start
from ork.runner.choices import Selection
from ork.runner.owner import Room, in_the_way, room_of
from ork.runner.start import Caller, Options, Started
from ork.store.runs import id_time
from ork.store.store import Stamp, Store, Transaction
from ork.worktree.load import Loaded

RACES_MAX = 100  # lost one after the other


class Entry(Value, frozen=True, kw_only=True):
    """What is to run, and who asked for it when. `fire` is the ref of the slot that it makes up."""

    deploy: str
    author: str
    time: datetime
    params: Mapping[str, Any] = {}
    selection: Selection = field(default_factory=Selection)
    base: str | None = None
    jobs: int | None = None
    timeout_s: float | None = None
    fail_fast: bool = False
    checkout: bool = False
    scheduled: datetime | None = None
    fire: str | None = None


class Queued(Value, frozen=True, kw_only=True):
    """A run that waits."""

    id: str
    workflow: str
    oid: Oid
    entry: Entry
    deployed: Deployed | None = None  # when it was put there, if its file was deployed for it
    waits_for: tuple[str, ...] = ()  # runs that go on, too many for one more

    @property
    def revision(self) -> str:
        """The text that means its run, once that has begun: its id."""
        return self.id

    def cells(self) -> dict[str, object]:
        return {
            "workflow": self.workflow,
            "by": name_of(self.entry.author),
            "since": self.entry.time,
        }


def put(
    store: Store,
    what: str | Loaded,
    *,
    options: Options | None = None,
    caller: Caller | None = None,
    fire: str | None = None,
    dry_run: bool = False,
    **how: Unpack[start.How],
) -> Queued:
    """Put a run into the queue: of a workflow file, which is deployed first, or of a revision.

    With `dry_run`, for a revision alone, it is only returned.

    What `start` refuses is refused now, but for secrets that this environment lacks: the run has
    that of `ork up`.
    """
    options, caller = options or Options(), caller or Caller()
    ready = start.prepare(store, what, options=options, caller=caller, elsewhere=True, **how)
    if ready.target.deploy is None:
        raise UsageError(
            "what no deploy has cannot wait in the queue", hint="`ork deploy FILE` deploys it"
        )
    entry = Entry(
        deploy=ready.target.deploy,
        author=caller.signed().author,
        time=caller.now,
        params=ready.terms.params,
        selection=options.selection,
        base=ready.terms.base,
        jobs=options.jobs,
        timeout_s=options.timeout_s,
        fail_fast=options.fail_fast,
        checkout=options.checkout,
        scheduled=caller.scheduled,
        fire=fire,
    )
    workflow = ready.target.workflow
    for count in range(RACES_MAX):
        name = f"{id_time(caller.now, plus_ms=count)}-{caller.ending()}"
        ref = f"queue/{workflow}/{name}"
        if store.ref(ref) is None:
            tx = store.transaction()
            tx.move(ref, old=None, new=(oid := tx.add_value(to_json(entry))))
            if not dry_run:
                tx.commit()
            return Queued(id=name, workflow=workflow, oid=oid, entry=entry, deployed=ready.deployed)
    raise Conflict("others always had the same name for a run that waits", hint="try it again")


def waiting(
    store: Store, damage: list[Corrupt] | None = None, *, workflow: str | None = None
) -> list[Queued]:
    """Return the runs that wait, of one workflow or of all; whoever waits longest comes first.

    Corrupt for what is none is raised, or added to `damage`.
    """
    found = []
    for ref, oid in store.refs("queue/"):
        whose, _, name = ref.partition("/")
        if workflow not in (None, whose):
            continue
        try:
            entry: Entry = of_line(store.blob(oid), Entry)
            found.append(Queued(id=name, workflow=whose, oid=oid, entry=entry))
        except (ValueError, Corrupt) as error:
            wrong = Corrupt(f"queue/{ref} is no run that waits: {error}", hint="`ork fsck`")
            if damage is None:
                raise wrong from None
            damage.append(wrong)
    return sorted(found, key=lambda one: one.id)


def with_reasons(store: Store, some: Iterable[Queued]) -> list[Queued]:
    """Return runs that wait with the names of those that have to end before."""
    return [
        replace(one, waits_for=waits_for(store, one.workflow, one.entry.deploy)) for one in some
    ]


def waits_for(store: Store, workflow: str, deploy: str | None) -> tuple[str, ...]:
    """Return the names of the runs that go on, where a run of a deploy is one too many."""
    return tuple(run.name for run in in_the_way(store, room_for(store, workflow, deploy)))


def room_for(store: Store, workflow: str, deploy: str | None) -> Room | None:
    """Return the bound of runs at once that a deploy sets."""
    found = store.read(Oid(deploy)) if deploy else None
    # What an entry names may be anything, of which it is said when it is to run.
    return room_of(workflow, found.settings) if isinstance(found, Deploy) else None


def find(store: Store, name: str) -> Queued | None:
    """Return the run that waits under this id, None without one."""
    return next((one for one in waiting(store, []) if one.id == name), None)


def take(store: Store, name: str, caller: Caller) -> Started:
    """Prepare the run of an entry, which goes when its run begins.

    Raises Conflict, and so does the first event, when another process has taken it.
    """
    gone = Conflict(f"{name} was taken by another process, or taken back")
    found = find(store, name)
    if found is None:
        raise gone
    entry, ref = found.entry, f"queue/{found.workflow}/{name}"

    def along(tx: Transaction, pin: Oid) -> None:
        if store.ref(ref) != found.oid:
            raise gone
        tx.move(ref, old=found.oid, new=None)
        if entry.scheduled is not None:
            lines.begin(tx, found.workflow, entry.scheduled, pin, fire=entry.fire)

    return start.start(
        store,
        entry.deploy,
        options=Options(
            jobs=entry.jobs,
            timeout_s=entry.timeout_s,
            fail_fast=entry.fail_fast,
            checkout=entry.checkout,
            values=entry.params,
            selection=entry.selection,
            base=f"run:{entry.base}" if entry.base else None,
        ),
        caller=replace(
            caller,
            stamp=Stamp(time=caller.now, author=entry.author),
            token=name.rpartition("-")[2],  # so that the id in the queue leads to the run
            trigger="queue",
            scheduled=entry.scheduled,
            along=along,
        ),
        allow_secret=True,  # who put it there was asked
    )


def remove(store: Store, queued: Queued) -> None:
    """Take an entry out of the queue; raise Conflict when its run has begun, or it is gone."""
    try:
        with store.transaction() as tx:
            tx.move(f"queue/{queued.workflow}/{queued.id}", old=queued.oid, new=None)
    except Conflict:
        raise Conflict(
            f"{queued.id} of {queued.workflow} does not wait any more: it was taken back, or its"
            " run has begun",
            hint=f"`ork runs {queued.workflow}` lists the runs that have begun",
        ) from None
