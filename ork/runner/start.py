"""One call that runs a file or a revision, or goes on with a run that has ended."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import TypedDict, Unpack

from ork.definition.secrets import find_secrets
from ork.differences.impact import NAMED_MAX
from ork.errors import (
    Ambiguous,
    Corrupt,
    InvalidInput,
    NotFound,
    StoreError,
    UsageError,
    count,
    some,
)
from ork.failpoints import failpoint
from ork.graph import order as graph
from ork.heads.deploy import Deployed, FileStatus, deploy_all, head_status, refuse_secrets
from ork.history.results import made_by, other_environments, other_folders, still_valid
from ork.history.tasks import ran_since, written_since
from ork.objects import canonical
from ork.objects.canonical import Json, Oid
from ork.objects.drawn import Drawn
from ork.objects.kinds import Param, Run, Task, TaskRun
from ork.objects.value import Value, field, fields_of, replace
from ork.params.given import exactly, in_words, settle_params
from ork.params.recorded import recorded_params
from ork.runner import record
from ork.runner.choices import (
    Meant,
    Selection,
    Stays,
    again,
    chosen,
    is_one,
    require_secrets,
    stand_in,
    stand_ins,
    stays,
    why_again,
    will_be_skipped,
)
from ork.runner.events import Event
from ork.runner.loop import Control, Loop
from ork.runner.owner import is_owned, make_sure_of_room, room_of
from ork.runner.target import Along, Target, Terms, target_of
from ork.runner.workplace import describe
from ork.store.contents import find_run, needs_of, refuse_forgotten, run_command, task_runs
from ork.store.resolve import (
    Resolved,
    a_kind,
    newest_deploy,
    only_workflow,
    resolve,
    run_of,
    run_of_id,
    snapshot_of,
)
from ork.store.revision import as_word, split_part
from ork.store.runs import Names, all_going_on
from ork.store.store import Stamp, Store
from ork.worktree.load import Loaded
from ork.worktree.lookup import AnyRevision, ResolvedFile, as_revision, look_up, resolved_file
from ork.worktree.origin import author, host
from ork.worktree.place import interpreter
from ork.worktree.reached import refuse_without_code

NAMES_MAX = 5  # tasks that a note names
JOBS = 4  # tasks at once even on fewer cores: they wait more than they compute


class Started(Value, frozen=True):
    """A run that is about to happen: iterate `events` to make it so.

    `beside` is the run that succeeded, if a retry of it begins a new one. `others` are the runs of
    the workflow that go on already, `notes` what whoever begins the run may not expect.
    """

    events: Generator[Event]
    deployed: Deployed | None = None
    beside: Run | None = None
    others: tuple[Run, ...] = ()
    notes: tuple[str, ...] = ()


class Prepared(Value, frozen=True, kw_only=True):
    """A run of which all is known that can be known before it begins."""

    target: Target
    terms: Terms
    deployed: Deployed | None = None
    before: Run | None = None  # the run of which it is a retry
    asked: tuple[str, ...] = ()  # the tasks of a retry that are executed again in any case
    why: Mapping[str, str] = {}  # task -> why its output in that run does not do any more
    notes: tuple[str, ...] = ()  # what whoever begins it may not expect


class WouldRun(Drawn, frozen=True, kw_only=True):
    """What a run would execute: each task in the order in which they can run, and what it needs.

    `others` are the tasks that would not be executed; of some that is known when what `conditions`
    tells of is known. `deploys` says whether a file would be deployed first. Of a retry `why` says
    why it would execute a task again, and `run` is the one that would go on; None where a new one
    begins.
    """

    workflow: str
    run: str | None
    snapshot: Oid
    deployed: bool
    deploys: bool
    params: Mapping[str, Json]
    tasks: Mapping[str, tuple[str, ...]]
    why: Mapping[str, str]
    conditions: Mapping[str, str]  # task -> when it runs: "tasks.check.output.ok is true"
    others: Mapping[str, Stays]

    def cells(self) -> dict[str, object]:
        tasks = f"{count(len(self.tasks), 'task')} would run"
        return {"run": self.run or self.workflow, "tasks": tasks}

    def _records(self) -> Iterator[dict[str, object]]:
        """Yield a row for each task."""
        for name in self.tasks:
            yield {"task": name, "outcome": "run", "reason": self.why.get(name)}
        for name, one in self.others.items():
            yield {"task": name, **fields_of(one)}


class Options(Value, frozen=True, kw_only=True):
    """How to run; a retry, a bisection and the queue take it as well."""

    jobs: int | None = None  # tasks at once; None: the number of cores, at least 4
    timeout_s: float | None = None
    fail_fast: bool = False
    checkout: bool = False  # execute in a checkout even where the project's folder would do
    given: Mapping[str, object] = {}  # parameter -> value or its text
    selection: Selection = field(default_factory=Selection)
    base: AnyRevision | None = None  # a run whose outputs stand in for what is not selected
    values: Mapping[str, Json] = {}  # parameter -> value, taken as it is

    def __post_init__(self) -> None:
        jobs, timeout_s, selection = self.jobs, self.timeout_s, self.selection
        if jobs is not None and not (isinstance(jobs, int) and jobs >= 1):
            raise UsageError(f"jobs={jobs!r}: say how many tasks run at once, 1 or more")
        if timeout_s is not None and not (isinstance(timeout_s, (int, float)) and timeout_s > 0):
            raise UsageError(
                f"timeout_s={timeout_s!r}: say after how many seconds a run is stopped, more than 0"
            )
        if not isinstance(selection, Selection):
            raise UsageError(f"selection={selection!r}: write ork.Selection(only=...)")


class Caller(Value, frozen=True, kw_only=True):
    """Who runs, when, and in which world; everything has a default."""

    stamp: Stamp | None = None
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    clock: float = field(default_factory=time.monotonic)  # the same moment: durations begin here
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    control: Control | None = None
    token: str | None = None
    trigger: str = "run"  # what the record says about why a run began; a person's retry says so
    scheduled: datetime | None = None  # the moment for which a schedule asked for the run
    along: Along | None = None  # what becomes durable with the pin of the run
    attended: bool = True  # somebody sees what is refused; else tasks fail that lack a secret
    hidden: tuple[str, ...] = ()  # variables whose values are shown no more than a task's secrets

    def signed(self) -> Stamp:
        """Return the stamp, made from the environment when none was given."""
        return self.stamp or Stamp(time=self.now, author=author(self.environ, Path.cwd()))

    def ending(self) -> str:
        """Return what an id ends with, so that no other has it."""
        return self.token or f"{random.getrandbits(24):06x}"


class How(TypedDict, total=False):
    """What `prepare` is told by whoever starts a run, or puts it into the queue."""

    message: str | None
    no_deploy: bool
    with_code: str | None
    allow_secret: bool
    move: bool


def start(
    store: Store,
    what: str | Loaded,
    *,
    options: Options | None = None,
    caller: Caller | None = None,
    **how: Unpack[How],
) -> Started:
    """Prepare a run of a workflow file or of any revision.

    A file (its path, file:PATH, or what `check` has read of it) is deployed first if it differs
    from the head; with `no_deploy` it is run unattached. A run stands for its snapshot and
    parameters; `with_code`, a revision, replaces the snapshot. Nothing runs until the events are
    iterated; closing the iterator stops the run.
    """
    options, caller = options or Options(), caller or Caller()
    ready = prepare(store, what, options=options, caller=caller, **how)
    others = all_going_on(store, ready.target.workflow)
    return Started(
        _run(store, ready.target, ready.terms, options, caller),
        ready.deployed,
        others=tuple(run for run in others if is_owned(store, run)),
        notes=ready.notes,
    )


def prepare(
    store: Store,
    what: str | Loaded,
    *,
    options: Options,
    caller: Caller,
    message: str | None = None,
    no_deploy: bool = False,
    with_code: str | None = None,
    allow_secret: bool = False,
    move: bool = False,
    elsewhere: bool = False,
    dry: bool = False,
) -> Prepared:
    """Do all of `start` that comes before the run, a deploy if need be.

    With `elsewhere` another process is to run it, in whose environment the secrets are. `dry`
    writes nothing, and refuses what the deploy would.
    """
    if isinstance(what, str):
        found = _look_up(store, what, caller.now)
    else:
        store.hold(what.built.objects)
        found = resolved_file(what, f"file:{what.path}")
    if found.kind in ("task", "taskrun") and found.snapshot:
        is_of_run = run_of(found) is not None  # which has its parameters
        declared = {} if is_of_run else store.snapshot(found.snapshot).params
        whole, _ = split_part(found.text)
        hint = run_command(f"{as_word(whole)} --only {found.name}", declared)
        told = f"{found.text} is {a_kind(found)}; a workflow is wanted here"
        raise NotFound(told, hint=f"`{hint}` runs no other")
    same = store.get(Run, run) if (run := run_of(found)) else None
    recorded = recorded_params(store, same)
    if same is not None and caller.scheduled is None and not elsewhere:
        caller = replace(caller, scheduled=same.scheduled)  # it is for that moment as well
    if with_code is not None:
        if same is None:
            words = f"{found.text} is not a run: --with-code takes a run's inputs, as in etl#57"
            raise UsageError(words)
        found = look_up(store, as_revision(with_code), now=caller.now)
    # What is wrong with parameters, selection and secrets is said before anything is deployed.
    declared = store.snapshot(snapshot_of(found)).params
    params = settle_params(declared, {**exactly(options.values), **options.given}, recorded)
    if not allow_secret:
        _refuse_secrets(options.given)
    target = target_of(store, found)
    refuse_without_code(store, target.deploy)
    refuse_forgotten(store, target.snapshot)
    base = same if with_code is None and recorded == params else None
    terms = _selected(store, target, options, caller, params, base, found)
    terms = _completed(terms, options, caller, params)
    coming = _Coming(store, target, terms)
    if caller.attended and not elsewhere:
        require_secrets(coming.executed, caller.environ)
    if not (elsewhere or dry):
        make_sure_of_room(store, room_of(target.workflow, target.settings))
    deployed = None
    if isinstance(found, ResolvedFile) and no_deploy and not allow_secret:
        refuse_secrets(store, found.loaded)
    if isinstance(found, ResolvedFile) and not no_deploy:
        failpoint("deploy.before")
        (deployed,) = deploy_all(
            store,
            [found.loaded],
            stamp=caller.signed(),
            message=message,
            allow_secret=allow_secret,
            move=move,
            dry=dry,
        )
        failpoint("deploy.after")
        if not dry:
            store.let_go(found.loaded.built.objects)  # a run can be long
            target = replace(target, deploy=deployed.deploy)
    notes = (
        *_other_values(coming, options.base, caller.now),
        *_older(terms),
        *_files_of_others(coming, caller),
        *_fewer(coming, options),
    )
    if not elsewhere:  # it asks the interpreter of this machine
        notes += tuple(_other_environments(coming, caller))
    return Prepared(target=target, terms=terms, deployed=deployed, notes=notes)


def retry(
    store: Store,
    what: str,
    *,
    options: Options | None = None,
    caller: Caller | None = None,
    latest: bool = False,
) -> Started:
    """Prepare to go on with a run: recorded successes are kept, everything else runs again.

    The run keeps its snapshot and its number. A selection is run again even where it succeeded, and
    so is what was tainted; of a run that succeeded, in a new run. With `latest` a new run of the
    newest definition begins, which keeps what is unchanged.
    Raises UsageError when it succeeded, or with `latest`, and nothing would run again, Conflict
    when another process goes on with the same run.
    """
    options, caller = options or Options(), caller or Caller()
    ready = prepare_retry(store, what, options=options, caller=caller, latest=latest)
    before = ready.before
    beside = before if before and before.state == "success" and not latest else None
    events = _run(store, ready.target, ready.terms, options, caller)
    return Started(events, beside=beside, notes=ready.notes)


def prepare_retry(
    store: Store, what: str, *, options: Options, caller: Caller, latest: bool = False
) -> Prepared:
    """Do all of `retry` that comes before the run."""
    if options.given or options.values:
        raise UsageError(
            "a retry goes on with the parameters of the run",
            hint=f"`project.run({what!r}, params=...)` begins a new run with others",
        )
    if options.selection.without:
        raise UsageError(
            "a retry goes on with all that did not succeed, and leaves no task out",
            hint="select those that are to run again by `only` or `start`",
        )
    oid, before = find_run(store, resolve(store, what, now=caller.now))
    if before.ended is None:
        record.settle(store, now=caller.now, only=[before.id])
        oid, before = run_of_id(store, before.workflow, before.id)
    if before.ended is None:
        raise record.in_another_process(before)
    meant = Names(store).of(before) if latest else f"run:{before.id}"
    found = resolve(store, meant, now=caller.now)
    target = target_of(store, found)
    needs = needs_of(store, store.snapshot(target.snapshot))
    asked = chosen(needs, options.selection) if options.selection else set()
    refuse_without_code(store, target.deploy)
    refuse_forgotten(store, target.snapshot)
    declared = store.snapshot(target.snapshot).params
    params = settle_params(declared, {}, recorded_params(store, before))
    why: dict[str, str] = {}
    if latest:
        if before.state == "failed" and before.snapshot == target.snapshot:
            _refuse_the_same(store, before, caller)
        python = interpreter(target.settings, target.root, caller.environ)
        same, why = still_valid(
            store,
            before,
            found,
            params=params,
            here=canonical.read(describe(python)),
            again=asked,
            now=caller.now,
        )
        oids = store.snapshot(target.snapshot).tasks
        made = made_by(store, before, found, same, now=caller.now)
        kept = {name: stand_in(oids[name], it, before, made.get(name)) for name, it in same.items()}
        terms = Terms(base=before.id, before=kept)
    else:
        terms = _go_on(store, oid, before, needs, asked, found, params, now=caller.now)
    trigger = "schedule" if caller.trigger == "schedule" else "retry"
    caller = replace(caller, trigger=trigger, scheduled=before.scheduled)
    terms = _completed(terms, options, caller, params)
    coming = _Coming(store, target, terms)
    if not coming.executed and (latest or before.state == "success"):
        raise _nothing_to_do(store, before, target if latest else None, caller)
    if caller.attended:
        require_secrets(coming.executed, caller.environ)
    return Prepared(
        target=target,
        terms=terms,
        before=before,
        asked=tuple(sorted(asked)),
        why=why,
        notes=(
            *_kept_values(store, before, declared, params),
            *_older(terms),
            *_files_of_others(coming, caller),
            *(() if latest else _other_environments(coming, caller)),
            *_fewer(coming, options),
        ),
    )


def would_run(store: Store, ready: Prepared) -> WouldRun:
    """Return what a run that was prepared would do."""
    target, terms, before = ready.target, ready.terms, ready.before
    needs = needs_of(store, store.snapshot(target.snapshot))
    newest = newest_deploy(store, target.workflow)
    coming = _Coming(store, target, terms)
    others = {name: stays(one) for name, one in coming.ended.items()}
    others |= {name: Stays(outcome="skipped", reason=why) for name, why in coming.skipped.items()}
    tasks = {name: above for name, above in needs.items() if name not in others}
    is_newest = newest is not None and newest.has(target.snapshot, target.settings)
    deployed = target.deploy is not None or is_newest
    return WouldRun(
        workflow=target.workflow,
        run=terms.resume[1].name if terms.resume else None,
        snapshot=target.snapshot,
        deployed=deployed,
        deploys=ready.deployed is not None and not deployed,
        params={name: canonical.settled(it) for name, it in terms.params.items()},
        tasks=tasks,
        why=why_again(store, before, needs, tasks, ready.asked, ready.why) if before else {},
        conditions={name: when.words for name in tasks if (when := coming.tasks[name].when)},
        others={name: others[name] for name in needs if name in others},
    )


class _Coming:
    """A run of which target and terms are known: its tasks, and which of them it executes."""

    def __init__(self, store: Store, target: Target, terms: Terms) -> None:
        self.store, self.target, self.terms = store, target, terms
        self.tasks = store.get_all(Task, store.snapshot(target.snapshot).tasks)
        self.needs = {name: task.depends_on for name, task in self.tasks.items()}
        # What is not executed, and how that ended; and what is known to be skipped, and why.
        self.ended = {name: one for name, one in terms.before.items() if one.state != "pending"}
        self.skipped = will_be_skipped(self.tasks, terms.params, self.ended)
        stay = self.ended.keys() | self.skipped
        self.executed = {name: task for name, task in self.tasks.items() if name not in stay}

    def keeping(self, now: datetime) -> Run:
        """Return the run whose outputs are kept."""
        gave = self.terms.resume[1].id if self.terms.resume else self.terms.base
        return find_run(self.store, resolve(self.store, f"run:{gave}", now=now))[1]


def _look_up(store: Store, what: str, now: datetime) -> Resolved:
    """Return what is to run; for the name of a task alone, the task of the only workflow."""
    try:
        return look_up(store, as_revision(what), now=now)
    except NotFound as error:
        with suppress(NotFound, Ambiguous):
            part = resolve(store, f"{only_workflow(store)}:{what}", now=now)
            if part.kind == "task":
                return part
        raise error


def _run(
    store: Store, target: Target, terms: Terms, options: Options, caller: Caller
) -> Generator[Event]:
    """Execute a snapshot and record it; yield what happens.

    The first event comes after the pin is durable and before any task starts. A task that fails is
    an event, not an exception. Closing the iterator early stops the run and records it as
    cancelled; what goes wrong in ork itself is raised, and recorded as interrupted. No child is
    left.
    """
    slots = options.jobs or at_once()
    control = caller.control or Control()
    loop = Loop(
        store,
        target,
        terms,
        caller.environ,
        control,
        began=caller.clock,
        slots=slots,
        hidden=caller.hidden,
    )
    try:
        yield from loop.begin(caller.signed(), host(), caller.ending())
        while not loop.done:
            yield from loop.turn()
        yield loop.end()
    except Exception as error:
        loop.failure = str(error).partition("\n")[0] or type(error).__name__
        if isinstance(error, StoreError) and loop.owned:
            raise _in_the_midst(loop.record.run, error) from error
        raise
    finally:
        loop.abandon()


def _in_the_midst(run: Run, error: StoreError) -> StoreError:
    """Return what went wrong with the store, with the run that has begun: nobody begins another."""
    name, hint = run.name, error.hint
    if hint and not isinstance(error, Corrupt):
        mend = hint.removesuffix(", then run the command again")
        hint = f"{mend}; then `ork retry {name}` goes on with it"
    return type(error)(f"{name} could not go on: {error.message}", hint=hint)


def at_once() -> int:
    """Return how many tasks run at once, or runs of `ork up`, when nobody says so."""
    return max(JOBS, os.cpu_count() or 1)


def _refuse_secrets(given: Mapping[str, object]) -> None:
    for name, value in given.items():
        if secrets := find_secrets(str(value)):
            raise InvalidInput(
                f"the parameter {name} has what looks like {secrets[0].what}",
                hint="it would be kept with the run: use `env: {NAME: {secret: NAME}}`; "
                "--allow-secret keeps it",
            )


def _completed(terms: Terms, options: Options, caller: Caller, params: dict[str, Json]) -> Terms:
    """Return the terms with what does not depend on which tasks are executed."""
    return replace(
        terms,
        trigger=caller.trigger,
        scheduled=caller.scheduled,
        along=caller.along,
        timeout_s=options.timeout_s,
        fail_fast=options.fail_fast,
        checkout=options.checkout,
        params=params,
    )


def _selected(
    store: Store,
    target: Target,
    options: Options,
    caller: Caller,
    params: Mapping[str, Json],
    base: Run | None,
    found: Resolved,
) -> Terms:
    """Return the terms of a new run: which tasks are not executed, and what stands in for them.

    `base` is the run that is to be run once more, with the same parameters: if nobody says
    otherwise it gives its outputs.
    """
    if not options.selection:
        return Terms()
    if options.base:
        _, base = find_run(store, resolve(store, as_revision(options.base), now=caller.now))
    selected = chosen(needs_of(store, store.snapshot(target.snapshot)), options.selection)
    states, gave, older = stand_ins(
        store, selected, target.workflow, base, params, new=found, now=caller.now
    )
    base_id = gave.id if gave else None
    return Terms(before=states, base=base_id, older=older, selected=tuple(sorted(selected)))


def _go_on(
    store: Store,
    oid: Oid,
    before: Run,
    needs: Mapping[str, tuple[str, ...]],
    asked: set[str],
    found: Resolved,
    params: Mapping[str, Json],
    *,
    now: datetime,
) -> Terms:
    """Return the terms on which a run is retried: as itself or, if it succeeded, as a new one.

    A record of success is never taken back.
    """
    names = again(store, before, needs, asked)
    if before.state != "success":
        recorded = task_runs(store, before)
        _refuse_unready(store, before, recorded, needs, names)
        kept = {
            name: replace(one, state="pending", output=None, reason=None) if name in names else one
            for name, one in recorded.items()
        }
        return Terms(resume=(oid, before), before=kept)
    states, _, older = stand_ins(store, names, before.workflow, before, params, new=found, now=now)
    part = asked or before.selected is not None
    selected = tuple(sorted(names)) if part else None
    return Terms(base=before.id, before=states, older=older, selected=selected)


def _nothing_to_do(store: Store, before: Run, newest: Target | None, caller: Caller) -> UsageError:
    """Return the error for a retry by which nothing would run, perhaps of the newest definition."""
    name, how, hint, words = before.name, "", "", ""
    if newest and newest.snapshot == before.snapshot:
        how = " with the newest definition"
        if one := _edited(store, before, caller):
            hint = f"`ork deploy {_typed(store, one)}` keeps what was changed since; "
    elif newest:
        how = ", and nothing of the newest definition would run again"
        words = f" --with-code {newest.workflow}"
    ended = "succeeded" if before.state == "success" else "did not succeed"
    return UsageError(
        f"{name} {ended}{how}: there is nothing to go on with",
        hint=f"{hint}`ork run {name}{words}` runs all of it again",
    )


def _refuse_the_same(store: Store, before: Run, caller: Caller) -> None:
    """Raise UsageError if what failed is still the newest definition, and its file another."""
    if one := _edited(store, before, caller):
        raise UsageError(
            f"{before.name} failed with the newest definition: what you changed is not deployed:"
            f" {one.summary}",
            hint=f"`ork deploy {_typed(store, one)}`, then `ork retry {before.name} --latest` runs"
            f" with that; `ork retry {before.name}` tries the same again",
        )


def _edited(store: Store, before: Run, caller: Caller) -> FileStatus | None:
    """Return the file of the workflow of a run, if it is another than the newest definition."""
    workflow = Names(store).of(before)
    one = head_status(store, workflow, author=caller.signed().author)
    return one if one.state == "modified" and one.workflow == workflow else None


def _typed(store: Store, one: FileStatus) -> str:
    return quote(os.path.relpath(store.project / one.path))


def _kept_values(
    store: Store, before: Run, declared: Mapping[str, Param], params: Mapping[str, Json]
) -> Iterator[str]:
    """Yield notes of parameters that a retry keeps though their defaults are others by now.

    A record does not tell whether a value was given.
    """
    old = store.snapshot(before.snapshot).params
    for name, entry in declared.items():
        was = old.get(name)
        if entry.required or (was and not was.required and is_one(was.default, entry.default)):
            continue
        value = canonical.settled(params[name])
        if not is_one(value, entry.default):
            kept, default = (json.dumps(it, ensure_ascii=False) for it in (value, entry.default))
            yield f"{name} is {kept} as in {before.name}; its default is {default} now"


def _other_values(coming: _Coming, named: AnyRevision | None, now: datetime) -> Iterator[str]:
    """Yield a note of parameters with other values of which outputs of a named base were made."""
    store, terms = coming.store, coming.terms
    if named is None or terms.base is None:
        return
    _, base = find_run(store, resolve(store, as_revision(named), now=now))
    kept = [name for name, one in terms.before.items() if one.output]
    found = Meant(store, coming.tasks, terms.params).other_values(base, kept)
    if other := dict(sorted(filter(None, found))):
        yield f"the outputs of {base.name} were made with {in_words(other)}"


def _fewer(coming: _Coming, options: Options) -> Iterator[str]:
    """Yield a note where fewer tasks run at once than the file allows, which nobody asked for."""
    limit, most = coming.target.settings.get("max_parallel"), at_once()
    is_less = options.jobs is None and isinstance(limit, int) and limit > most
    if is_less and len(coming.executed) > most:
        yield f"{most} tasks run at once, though max_parallel is {limit}: --jobs allows more"


def _older(terms: Terms) -> tuple[str, ...]:
    """Return notes of the outputs that tasks are given though they are of another definition."""
    told: dict[str, list[str]] = {}
    for name in terms.older:
        told.setdefault(terms.before[name].reason or "", []).append(name)
    return tuple(f"{some(names, NAMES_MAX)}: {reason}" for reason, names in told.items())


def _other_environments(coming: _Coming, caller: Caller) -> Iterator[str]:
    """Yield notes of outputs that are kept though they were made in another environment.

    As for `still_valid` that counts for what an interpreter executes.
    """
    ended, tasks = coming.ended, coming.tasks
    kept = [n for n, it in ended.items() if it.output and tasks[n].executor != "process"]
    if not kept:
        return
    run, target = coming.keeping(caller.now), coming.target
    python = interpreter(target.settings, target.root, caller.environ)
    here = canonical.read(describe(python))
    told: dict[str, list[str]] = {}
    for name, words in sorted(other_environments(coming.store, run, kept, here).items()):
        output = ended[name].reason or f"output of {run.name}"
        why = f"{output}, of another environment: {some(words, NAMED_MAX)}"
        told.setdefault(why, []).append(name)
    yield from (f"{some(names, NAMES_MAX)}: {why}" for why, names in told.items())


def _files_of_others(coming: _Coming, caller: Caller) -> Iterator[str]:
    """Yield notes of tasks whose outputs are kept, and whose files are others or in another folder.

    Of those before what is executed, the nearest first. Another run may have written the files.
    """
    store, ended = coming.store, coming.ended
    near = {up for task in coming.executed.values() for up in task.depends_on}
    if not any(ended[name].output or ended[name].attempts for name in near & ended.keys()):
        return
    before = dict.fromkeys([*sorted(near), *sorted(graph.ancestors(coming.needs, near))])
    kept, run = [name for name in before if name in ended], coming.keeping(caller.now)
    yield from written_since(ran_since(store, run, kept))
    told: dict[str, list[str]] = {}
    for name, folder in other_folders(store, run, kept, coming.target.root).items():
        told.setdefault(folder, []).append(name)
    for folder, names in told.items():
        it = "it" if len(names) == 1 else "they"
        yield f"{some(names, NAMES_MAX)} ran in {folder}: files that {it} wrote are there"


def _refuse_unready(
    store: Store,
    before: Run,
    recorded: Mapping[str, TaskRun],
    needs: Mapping[str, tuple[str, ...]],
    names: set[str],
) -> None:
    """Raise UsageError where a task is to run again, and one before it that failed is not."""
    failed = {n for n, one in recorded.items() if one.state in ("failed", "upstream_failed")}
    failed -= names
    for name in sorted(names & recorded.keys()):
        for above in sorted(failed.intersection(needs.get(name, ()))):
            if store.get(Task, recorded[name].task).on_upstream_failure != "run":
                raise UsageError(
                    f"{name} needs {above}, which did not succeed in {before.name}",
                    hint=f"`ork retry {before.name} --from {above}` runs that again as well",
                )
