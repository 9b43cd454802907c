"""Lists runs, newest first: of one workflow or all, by snapshot, task or file, time and state.

The ids of runs begin with the time and rise within a workflow, so a bound in time is a place to
seek in the refs. `ran/SNAPSHOT/WORKFLOW/RUN-ID` tells which runs executed a snapshot.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property, partial
from itertools import chain, islice, takewhile
from typing import Literal, TypeAlias

from ork.alike import did_you_mean, meant_or_known
from ork.backends.base import Span
from ork.errors import Corrupt, NotFound, UsageError, some
from ork.objects import tree
from ork.objects.canonical import Json, Oid
from ork.objects.kinds import (
    NOT_EXECUTED,
    RUN_STATES,
    TASK_STATES,
    Blob,
    Deploy,
    Node,
    Run,
    TaskRun,
    is_name,
)
from ork.objects.rows import columns
from ork.objects.value import Value, fields_of, of_line, replace
from ork.store.resolve import (
    Resolved,
    apart,
    archived,
    as_far_as_whole,
    former_in,
    has_run,
    head,
    history,
    number_ref,
    run_ref,
    snapshot_of,
    workflows,
    workflows_with_runs,
)
from ork.store.store import Store

PAGE_RUNS = 32
TRIGGERS = ("run", "retry", "schedule", "queue", "bisect")  # imported runs have others
SHOWN = 10  # names of runs in a message
HOOK_MAX = timedelta(minutes=5)  # that a hook may take
END_LOST = "how it ended was lost when the store was damaged"
Which: TypeAlias = Literal["on_failure", "on_success"]


_Record: TypeAlias = tuple[str, str, Oid]  # the workflow and the id of a run, and where its ref is
_Place: TypeAlias = tuple[str, str]  # a name, and the prefix of refs that end with ids of its runs


class OfRun:
    """What tells of a run that it has: its name, and how it ended."""

    __slots__ = ()
    run: Run

    @property
    def name(self) -> str:
        """What it is called: "etl#5"."""
        return self.run.name

    @property
    def revision(self) -> str:
        """The text that means it: its name."""
        return self.run.name

    @property
    def state(self) -> str:
        """How it ended, or that it goes on."""
        return self.run.state

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.run.state == "success"


class RunEntry(OfRun, Value, frozen=True, kw_only=True):
    """One run in a list of runs.

    `partial` says whether tasks were left out by a selection, `tainted` are the captured files that
    changed under its tasks, `tags` those of its deploy, `params` the values of its parameters,
    `failed_hooks` such as "on_failure", `damaged` whether what became of it, or of its tasks, was
    found to be lost; all where that was asked for.
    """

    oid: Oid
    run: Run
    partial: bool = False
    tainted: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    params: Json = None
    failed_hooks: tuple[Which, ...] = ()
    damaged: bool = False

    def cells(self) -> dict[str, object]:
        from ork.store.verdict import taint_text

        return {
            **self.run.cells(),
            "partial": "partial" if self.partial else None,
            "damaged": "damaged" if self.damaged else None,
            "tainted": taint_text(self.tainted) if self.tainted else None,
            "hooks": ", ".join(f"hook {which} failed" for which in self.failed_hooks),
            "tags": " ".join(f"@{tag}" for tag in self.tags),
            **self._values(),
        }

    def _values(self) -> dict[str, object]:
        return columns("params", self.params) if self.params else {}

    def _row(self) -> dict[str, object]:
        return {**fields_of(self), **self._values()}


class RunWithOutputs(RunEntry, frozen=True, kw_only=True):
    """One run in a list of runs, with what its tasks gave: task -> the value."""

    outputs: Mapping[str, Json]

    def _values(self) -> dict[str, object]:
        found = super()._values()
        for task, value in self.outputs.items():
            found |= columns(f"outputs.{task}", value)
        return found


class Executed(Value, frozen=True, kw_only=True):
    """The object that runs are searched for: a snapshot, or a task or blob under any name."""

    kind: str  # snapshot | task | blob
    oid: Oid


class Names:
    """The names that workflows have and had, and so of which workflow each run is.

    Several may have had the name by which one ran. By its deploy it is of the one whose history
    has that, or what it came after; without one, its snapshot tells. Where neither does, it is of
    the one that had the name at the time, or that has it still without having heard of the next.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sharing, self._line = cache(self._with_name), cache(self._history)
        self._near = cache(self._by_history)

    def names(self, workflow: str) -> list[str]:
        """Return the name of a workflow and all that it had, perhaps as others did."""
        refs = ("/".join(("former", *pair)) for pair in self._pairs)
        return [workflow, *sorted(former_in(refs, workflow))]

    def has(self, workflow: str, run: Run) -> bool:
        """Say whether a run by one of its names is of a workflow; each is, of one without a head.

        Nothing is read where no other workflow has had the name.
        """
        return workflow not in self._sharing(run.workflow) or self.of(run) == workflow

    def is_shared(self, workflow: str) -> bool:
        """Say whether others have or had a name of a workflow."""
        return any(len(self._sharing(name)) > 1 for name in self.names(workflow))

    def of(self, run: Run) -> str:
        """Return what the workflow of a run is called now."""
        return self.of_deploy(run.workflow, run.deploy, run.snapshot, run.created)

    def of_deploy(self, name: str, deploy: Oid | None, snapshot: Oid, time: datetime) -> str:
        """Return what the workflow is called now that had a name when there was this."""
        found = self._sharing(name)
        if len(found) > 1:
            found = self._near(name, deploy, snapshot)
        return next(iter(found)) if len(found) == 1 else self._by_time(name, time)

    def called_here(self, name: str, head: Oid) -> str | None:
        """Return the workflow here that has a part of its history in common with a head elsewhere.

        Only if it has or had a name that is in that history. Without a rename little of it is read.
        """
        others = (deploy.workflow for _, deploy in history(self._store, name, head))
        seen: set[str] = set()
        for one in chain([name], others):
            for workflow in sorted(self._sharing(one) - seen, key=lambda it: it != one):
                seen.add(workflow)
                ours = self._store.ref(f"workflows/{workflow}")
                if ours and apart(self._store, workflow, ours, head):
                    return workflow
        return None

    def _with_name(self, name: str) -> set[str]:
        """Return the workflows there are that have or had a name, and one that had no other."""
        found = {name}
        while more := {new for new, old in self._pairs if old in found} - found:
            found |= more
        if len(found) == 1:  # then nobody shares it
            return found
        refs = self._store.refs_at(f"workflows/{one}" for one in found)
        return {ref.partition("/")[2] for ref in refs}

    def _history(self, workflow: str) -> set[Oid]:
        """Return the deploys of a workflow, and their snapshots; of a damaged one what is left."""
        line = as_far_as_whole(history(self._store, workflow), [])
        return {one for oid, deploy in line for one in (oid, deploy.snapshot)}

    def _by_history(self, name: str, deploy: Oid | None, snapshot: Oid) -> set[str]:
        """Return the workflows with this name whose histories have what is nearest to a deploy."""
        line = as_far_as_whole(history(self._store, name, deploy), []) if deploy else ()
        every = (
            {w for w in self._sharing(name) if one in self._line(w)}
            for one in chain((oid for oid, _ in line), [snapshot])
        )
        return next(filter(None, every), set())

    def _by_time(self, name: str, time: datetime) -> str:
        seen: set[tuple[str, datetime]] = set()
        while (name, time) not in seen:
            seen.add((name, time))
            given = sorted((it.time, it.workflow) for old, it in self._renames if old == name)
            later = [one for one in given if one[0] >= time]
            if not given or (not later and self._store.ref(f"workflows/{name}")):
                break
            time, name = (later or given[-1:])[0]
        return name

    @cached_property
    def _pairs(self) -> list[tuple[str, ...]]:
        """The new and the old name of each rename."""
        return [tuple(names.split("/")) for names, _ in self._store.refs("former/")]

    @cached_property
    def _renames(self) -> list[tuple[str, Deploy]]:
        """Each name that was given up, with the deploy that gave the next one."""
        found = self._store.get_all(Deploy, dict(self._store.refs("former/")))
        return [(names.partition("/")[2], deploy) for names, deploy in found.items()]


class Hook(Value, frozen=True, kw_only=True):
    """How a hook of a run went; one that is executed now, or whose ork was killed, has no state."""

    attempt: int  # of the run
    which: Which
    command: str | tuple[str, ...]
    started: datetime
    state: str | None = None  # success | failed | cancelled
    exit: int | None = None
    error: str | None = None
    duration: int | None = None  # microseconds
    output: str = ""  # the end of what it printed

    @property
    def line(self) -> str:
        """The command as one would type it."""
        return self.command if isinstance(self.command, str) else shlex.join(self.command)


def refs_of(run: Run) -> list[str]:
    """Return the refs that a run which has ended must have; its own comes first."""
    place = f"{run.workflow}/{run.id}"
    number = number_ref(run.workflow, run.number)
    found = [f"runs/{place}", number, f"ran/{run.snapshot}/{place}"]
    return found if run.deploy is not None else [*found, f"unattached/{place}"]


def tags_of(refs: Iterable[tuple[str, Oid]]) -> dict[Oid, tuple[str, ...]]:
    """Return the labels of each deploy, of refs below `tags/`: (etl/v1.4, deploy)."""
    found: dict[Oid, tuple[str, ...]] = {}
    for name, oid in refs:
        found[oid] = (*found.get(oid, ()), name.partition("/")[2])
    return found


def refs_beside(store: Store, pins: Mapping[Oid, Run]) -> dict[str, dict[str, Oid]]:
    """Return by id the refs that go with runs, given by their pins, and that not each has.

    Those of the slots for which they were started, and of their hooks.
    """
    found: dict[str, dict[str, Oid]] = {run.id: {} for run in pins.values()}
    hooks = [f"hooks/{run.workflow}/{run.id}/" for run in pins.values()]
    for ref, oid in store.backend.refs_many(hooks):
        found[ref.split("/")[2]][ref] = oid
    scheduled = [(run.workflow, run.scheduled) for run in pins.values() if run.scheduled]
    slots = [f"fires/{workflow}/{slot_text(slot)}" for workflow, slot in scheduled]
    for ref, oid in store.backend.refs_many(slots):
        if oid in pins:
            found[pins[oid].id][ref] = oid
    return found


def slot_text(slot: datetime) -> str:
    """Return how the name of a ref begins that is about a slot."""
    return f"{slot.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def hooks_of(store: Store, run: Run) -> tuple[Hook, ...]:
    """Return how the hooks of a run went, in the order of its attempts."""
    found = []
    for ref, oid in store.refs(f"hooks/{run.workflow}/{run.id}/"):
        try:
            hook: Hook = of_line(store.blob(oid), Hook)
        except ValueError as error:
            if oid in store.forgotten:
                continue
            raise Corrupt(f"the hook {ref} of {run.name}: {error}") from None
        found.append(hook)
    return tuple(sorted(found, key=lambda hook: hook.attempt))


def failed_hooks(store: Store, found: Iterable[Run]) -> dict[str, tuple[Which, ...]]:
    """Return by id of runs which of their hooks failed when last executed. Looked up together.

    Where one of them is damaged nothing is told: `ork show` and `ork fsck` name it.
    """
    oids = dict(store.refs_many("hooks/", (f"{run.workflow}/{run.id}/" for run in found)))
    newest: dict[tuple[str, Which], Hook] = {}
    with suppress(Corrupt):
        for ref, blob in store.get_all(Blob, oids).items():
            with suppress(ValueError):  # what stands for one that was forgotten
                hook: Hook = of_line(blob.data, Hook)
                key = (ref.split("/")[1], hook.which)
                if key not in newest or newest[key].attempt < hook.attempt:
                    newest[key] = hook
    told: dict[str, tuple[Which, ...]] = {}
    for (run_id, which), hook in sorted(newest.items()):
        if hook.state == "failed":
            told[run_id] = (*told.get(run_id, ()), which)
    return told


def runs(
    store: Store,
    workflow: str | None = None,
    *,
    limit: int | None = None,
    states: tuple[str, ...] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    before: str | None = None,
    executed: Executed | None = None,
    having: Callable[[Run], bool] | None = None,
    author: re.Pattern[str] | None = None,
    triggers: tuple[str, ...] = (),
    without: Collection[str] | None = None,
    damage: list[Corrupt] | None = None,
) -> Iterator[RunEntry]:
    """Yield runs, newest first: of one workflow, or of all, merged by their ids. Lazy.

    Of `states`, "failed" means also a run that was stopped when a task of it had failed. With
    `having` those of which it says so. `triggers` say why they began, an imported one with a
    word of its own; `triggers` and `author` count for the first time and for each retry.

    Of runs that have the task of `executed` those that executed it, and of a snapshot or a file
    those that have it.

    Unless one is named, workflows are left out: `without`, or those that are archived. One that was
    renamed has those from before, too, under the name that they had.
    `since` and `until` bound the times in the ids, to the millisecond; where `triggers` ask for
    retries, a run that was retried within them is there as well. An id has the time at which
    its run began or, where the clock had been set back, one just after the run before it. With
    `before` the list goes on behind the run with this id.

    Corrupt is raised for a run whose record is lost or, with `damage`, added to that, and what is
    left of the run comes marked.
    """
    from ork.store.verdict import Tally, has_failed

    for state in states:
        if state not in RUN_STATES:
            near = did_you_mean(state, RUN_STATES, form="`{}`")
            hint = near or f"say one of {', '.join(RUN_STATES)}"
            if state in (*TASK_STATES, *NOT_EXECUTED):
                hint = f"a task is, as in `ork runs etl:load --status {shlex.quote(state)}`"
            raise UsageError(f"no run is {state!r}", hint=hint)
    if workflow and not has_run(store, workflow):
        head(store, workflow)
    by_failure = "failed" in states
    known: dict[Oid, Tally] = {}
    bounds = [] if until is None else [id_time(until, plus_ms=1)]
    below = min(bounds if before is None else [*bounds, before], default=None)
    first = "" if since is None else id_time(since)
    lowest = "" if "retry" in triggers else first  # of runs from before, one may be retried since
    is_its: Callable[[Run], bool] | None = None
    if workflow:
        known_as = Names(store)
        names = known_as.names(workflow)
        if known_as.is_shared(workflow):
            is_its = partial(known_as.has, workflow)
    else:
        names = _all_names(store, without)
    named = _search(store, executed) if executed and executed.kind != "snapshot" else None
    if executed is None:
        places = _of_names(names)
    elif named is None:
        places = list(_places(store, names, [executed.oid]))
    else:
        places = list(_places(store, names, filter(named, map(Oid, store.folders("ran/")))))

    def is_meant(record: Run) -> bool:
        if record.trigger not in triggers:
            return False
        if record.previous is None or "retry" not in triggers:
            return record.id >= first
        began = retry_began(store, record)
        is_since = since is None or record.ended is None or began >= since
        return is_since and (until is None or began <= until)

    records = (
        # A pin is not the run as it is now.
        (name, run_id, run_ref(store, name, run_id) if executed else target)
        for run_id, name, target in _merge(store, places, below, lowest)
    )
    page = PAGE_RUNS if limit is None or is_its else min(limit, PAGE_RUNS)
    entries = _entries(store, records, page, damage)
    entries = (
        one
        for one in entries
        if (is_its is None or is_its(one.run))
        and (
            not states
            or one.run.state in states
            or (by_failure and has_failed(store, one.run, known))
        )
        and (not triggers or any(map(is_meant, records_of(store, one.run))))
        and (author is None or any(author.search(it.author) for it in records_of(store, one.run)))
        and (having is None or having(one.run))
    )
    if named and executed and executed.kind == "task":
        entries = _that_executed(store, entries, named)
    yield from islice(entries, limit)


def records_of(store: Store, run: Run) -> Iterator[Run]:
    """Yield a run and then, newest first, what it was before each of its retries."""
    yield run
    while run.previous is not None:
        run = store.get(Run, run.previous, keep=False)
        yield run


def retry_began(store: Store, record: Run) -> datetime:
    """Return when a retry of a run began; of one that goes on, when the run had ended before."""
    before = store.get(Run, record.previous, keep=False) if record.previous else record
    earliest = before.ended or before.created
    if record.ended is None or record.duration is None:
        return earliest
    took = timedelta(microseconds=record.duration - (before.duration or 0))
    return max(earliest, record.ended - took)


def newest_of(
    store: Store, workflows: Iterable[str], limit: int, damage: list[Corrupt] | None = None
) -> dict[str, list[RunEntry]]:
    """Return what `runs` yields of each of some workflows, so many of each, read together."""
    found: dict[str, list[RunEntry]] = {name: [] for name in workflows}
    renamed = {name for names, _ in store.refs("former/") for name in names.split("/")}
    names = [name for name in found if name not in renamed]
    streams = store.abreast([Span(f"runs/{name}/") for name in names])
    records = [
        (name, run_id, oid)
        for name, refs in zip(names, streams, strict=True)
        for run_id, oid in islice(refs, limit)
    ]
    for (name, *_), entry in _read(store, records, damage).items():
        found[name].append(entry)
    for name in renamed & found.keys():  # which has those of others, or others have its
        found[name] = list(runs(store, name, limit=limit, damage=damage))
    return found


def params_of(store: Store, oid: Oid | None) -> Mapping[str, Json]:
    """Return parameters of runs; none where they are damaged or forgotten."""
    values: Json = None
    with suppress(Corrupt):
        values = store.value(oid) if oid else None
    return values if isinstance(values, dict) else {}


def refuse_unknown_params(store: Store, workflow: str | None, params: Collection[str]) -> None:
    """Raise NotFound for a parameter that a workflow, or any, neither takes nor took in a run."""
    known = params_known(store, workflow)
    if known.issuperset(params):
        return
    given = {entry.run.params for entry in runs(store, workflow, without=())}
    known.update(name for oid in given for name in params_of(store, oid))
    for name in params:
        if name not in known:
            hint = meant_or_known(name, sorted(known))
            raise NotFound(f"no run had a parameter named {name!r}", hint=hint)


def refuse_unknown_triggers(store: Store, workflow: str | None, words: Collection[str]) -> None:
    """Raise NotFound for a word by which no run of a workflow, or of any, began or can begin."""
    if not (words := [word for word in words if word not in TRIGGERS]):
        return
    began = {entry.run.trigger for entry in runs(store, workflow, without=())}
    for word in words:
        if word not in began:
            known = [*TRIGGERS, *sorted(began.difference(TRIGGERS))]
            raise NotFound(f"no run began by {word!r}", hint=meant_or_known(word, known))


def params_known(store: Store, workflow: str | None) -> set[str]:
    """Return the parameters that the newest version of a workflow takes, or of any."""
    heads = {name: oid for name, oid in store.refs("workflows/") if workflow in (None, name)}
    deploys = store.get_all(Deploy, heads).values()
    return {name for one in deploys for name in store.snapshot(one.snapshot).params}


def all_going_on(store: Store, workflow: str | None = None) -> list[Run]:
    """Return the runs, of all workflows or one, that go on, or whose ork was killed unnoticed."""
    pins = store.refs_at(f"active/{run_id}/.run" for run_id in store.folders("active/"))
    going = list(store.get_all(Run, dict(sorted(pins.items(), reverse=True))).values())
    if not (workflow and going):
        return going
    known_as = Names(store)
    its = set(known_as.names(workflow))
    return [run for run in going if run.workflow in its and known_as.has(workflow, run)]


def going_on(store: Store, text: str) -> str:
    """Return the revision that is meant where runs are looked for that go on.

    That is the run that goes on of a workflow, or of all that there are for "@", with a task behind
    it if that is named. What is anything else is returned as it is, and a workflow of which no run
    goes on, whose newest is meant then.
    """
    name, colon, task = text.partition(":")
    if name != "@" and store.ref(f"workflows/{name}") is None:
        return text
    going = all_going_on(store, None if name == "@" else name)
    if len(going) == 1:
        return f"run:{going[0].id}{colon}{task}"
    if going:
        pairs = sorted((run.workflow, run.number) for run in going)
        which = some([f"{workflow}#{number}" for workflow, number in pairs], SHOWN)
        raise UsageError(f"{len(going)} runs go on: {which}", hint="name the one that is meant")
    if name == "@" and len(workflows(store)) > 1:
        raise NotFound("no run goes on", hint="`ork runs` lists those that have ended")
    return text


def earlier(store: Store, run: Run) -> Iterator[Run]:
    """Yield the runs of a workflow before this one, newest first, each read when asked for."""
    known_as = Names(store)
    workflow = known_as.of(run)
    for _, _, oid in _merge(store, _of_names(known_as.names(workflow)), run.id):
        other = store.get(Run, oid)
        if known_as.has(workflow, other):
            yield other


def _all_names(store: Store, without: Collection[str] | None) -> list[str]:
    """Return the names of all workflows that have runs, but for some, or those archived."""
    put_away = archived(store) if without is None else set(without)
    if put_away:
        renames = [f"former/{names}" for names, _ in store.refs("former/")]
        before = {old for name in put_away for old in former_in(renames, name)}
        taken = store.refs_at(f"workflows/{name}" for name in before)
        put_away |= {name for name in before if f"workflows/{name}" not in taken}
    return [name for name in workflows_with_runs(store) if name not in put_away]


def _entries(
    store: Store, records: Iterator[_Record], count: int, damage: list[Corrupt] | None
) -> Iterator[RunEntry]:
    """Yield the runs with these records, so many of them read together."""
    while page := list(islice(records, count)):
        yield from _read(store, page, damage).values()


def _read(
    store: Store, records: Sequence[_Record], damage: list[Corrupt] | None
) -> dict[_Record, RunEntry]:
    """Return the runs with these records, read together; of what is lost that which is left."""
    try:
        found = store.get_all(Run, {one: one[2] for one in records})
        return {one: RunEntry(oid=one[2], run=run) for one, run in found.items()}
    except Corrupt as error:
        if damage is None:
            raise
        if len(records) > 1:  # one by one, to see which
            each = [_read(store, [one], damage) for one in records]
            return {one: entry for its in each for one, entry in its.items()}
        ((workflow, run_id, oid),) = records
        run = _left_of(store, workflow, run_id)
        name = run.name if run else f"the run {run_id} of {workflow}"
        damage.append(Corrupt(f"{name} is damaged: {error.message}", hint=error.hint))
        return {records[0]: RunEntry(oid=oid, run=run, damaged=True)} if run else {}


def _left_of(store: Store, workflow: str, run_id: str) -> Run | None:
    """Return what the pin tells of a run whose record is lost, as a repair would end it.

    None where that is lost as well.
    """
    refs = (f"ran/{snapshot}/{workflow}/{run_id}" for snapshot in store.folders("ran/"))
    with suppress(Corrupt):
        for pin in store.refs_at(refs).values():
            run = store.get(Run, pin)
            if store.ref(f"active/{run_id}/.run"):
                return run
            return replace(run, state="interrupted", ended=run.created, reason=END_LOST)
    return None


def newest_pin(store: Store) -> str | None:
    """Return the ref of the number of the newest run of all, None without any."""
    newest = max(store.refs("runs/"), key=lambda item: item[0].rpartition("/")[2], default=None)
    if newest is None:
        return None
    run = store.get(Run, newest[1])
    return number_ref(run.workflow, run.number)


def wanted(
    store: Store, *, containing: Resolved | None = None, snapshot: Resolved | None = None
) -> Executed | None:
    """Return the object that runs are searched for, or None; raise UsageError when both are given.

    `containing` means a task, a code file or a snapshot, `snapshot` that of a deploy or run, too.
    """
    if containing and snapshot:
        raise UsageError("--containing and --snapshot exclude each other")
    if snapshot:
        return Executed(kind="snapshot", oid=snapshot_of(snapshot))
    return _executed(store, containing) if containing else None


def _executed(store: Store, found: Resolved) -> Executed:
    if found.kind == "taskrun":
        return Executed(kind="task", oid=store.get(TaskRun, found.oid).task)
    if found.kind in ("task", "blob") and found.name != "":  # which is the workflow file
        return Executed(kind=found.kind, oid=found.oid)
    if found.snapshot and found.name != "":
        return Executed(kind="snapshot", oid=found.snapshot)
    raise NotFound(
        f"{found.text} is no task, code file or snapshot, so no run executed it",
        hint="write REV:TASK, REV:PATH/TO/FILE, or the start of an oid",
    )


def id_time(moment: datetime, *, plus_ms: int = 0) -> str:
    """Return a time in the form in which run ids begin: UTC, to the millisecond."""
    try:
        utc = moment.astimezone(UTC) + timedelta(milliseconds=plus_ms)
    except OverflowError:  # at the very begin or end of the calendar, where nothing runs
        utc = moment.replace(tzinfo=UTC)
    return f"{utc.year:04}{utc:%m%dT%H%M%S}.{utc.microsecond // 1000:03}"


def _of_names(names: Iterable[str]) -> list[_Place]:
    return [(name, f"runs/{name}/") for name in names]


def _merge(
    store: Store, places: list[_Place], below: str | None = None, first: str = ""
) -> Iterator[tuple[str, str, Oid]]:
    """Yield (run id, workflow, target of the ref) of all places, greatest id first."""
    from heapq import merge

    def ids(name: str, refs: Iterable[tuple[str, Oid]]) -> Iterator[tuple[str, str, Oid]]:
        return ((run_id, name, oid) for run_id, oid in refs)

    spans = [Span(prefix, below and prefix + below) for _, prefix in places]
    streams = map(ids, (name for name, _ in places), store.abreast(spans))
    return takewhile(lambda found: found[0] >= first, merge(*streams, reverse=True))


def _that_executed(
    store: Store, entries: Iterator[RunEntry], named: Callable[[Oid], tuple[str, ...]]
) -> Iterator[RunEntry]:
    """Yield the runs that executed a task."""
    while page := list(islice(entries, PAGE_RUNS)):
        # Where the store is far away, one by one takes a round trip for each.
        store.get_all(object, {one.oid: one.run.tasks for one in page if one.run.tasks})
        yield from (one for one in page if _has_executed(store, one.run, named))


def _has_executed(store: Store, run: Run, named: Callable[[Oid], tuple[str, ...]]) -> bool:
    """Say whether a run executed a task that has these names in its snapshot.

    Then it has begun an attempt; what was kept, left out or skipped has not.
    """
    found = (outcome_of(store, run, name) for name in named(run.snapshot))
    return any(one and (one.attempts or one.state in ("running", "success")) for one in found)


def outcome_of(store: Store, run: Run, name: str) -> TaskRun | None:
    """Return what became of one task of a run; nothing else of the run is read."""
    return outcomes_of(store, run, [name]).get(name)


def outcomes_of(store: Store, run: Run, names: Collection[str]) -> dict[str, TaskRun]:
    """Return what became of these tasks of a run, read together."""
    recorded = tree.among(store.tree, run.tasks, names) if run.tasks else ()
    found = {name: one for name, one in recorded if isinstance(one, TaskRun)}
    if run.ended is None:
        places = {name: f"active/{run.id}/{name}" for name in names if is_name(name)}
        oids = store.refs_at(places.values())
        begun = {name: oids[ref] for name, ref in places.items() if ref in oids}
        found |= store.get_all(TaskRun, begun)
    return found


def _places(store: Store, names: Sequence[str], snapshots: Iterable[Oid]) -> Iterator[_Place]:
    """Yield names, and the prefixes of the refs that end with the ids of the runs by them.

    A snapshot at a time.
    """
    for oid in snapshots:
        there = {*names} if len(names) == 1 else set(store.folders(f"ran/{oid}/"))
        yield from ((name, f"ran/{oid}/{name}/") for name in names if name in there)


def _search(store: Store, executed: Executed) -> Callable[[Oid], tuple[str, ...]]:
    """Return what gives the names of it in a snapshot; it looks at equal subtrees once."""
    known: dict[Oid, tuple[str, ...]] = {}

    def in_tree(oid: Oid, depth: int) -> tuple[str, ...]:
        if oid not in known:
            found = store.tree(oid)
            if isinstance(found, Node):
                if found.depth != depth:  # in a damaged store, perhaps bottomless
                    raise Corrupt(f"a tree node of depth {found.depth} at depth {depth}")
                below = (in_tree(below, depth + 1) for _, below in found.children)
                known[oid] = tuple(chain.from_iterable(below))
            else:
                links = zip(found.entries, found.links(), strict=False)
                known[oid] = tuple(name for (name, _), link in links if link == executed.oid)
        return known[oid]

    def in_snapshot(oid: Oid) -> tuple[str, ...]:
        found = store.snapshot(oid)
        return in_tree((found.tasks if executed.kind == "task" else found.files).root, 0)

    return in_snapshot
