"""Which tasks of a run are executed, and what stands in for the others."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from functools import cached_property

from ork.alike import meant_or_known
from ork.definition.bindings import NotReady, refs_of, split_ref, why_skipped
from ork.differences.impact import params_of
from ork.errors import NotFound, UsageError, quoted, some
from ork.graph import order as graph
from ork.history.details import RunValues
from ork.history.results import Made, made_by, makers_of
from ork.objects import canonical
from ork.objects.canonical import Json, Oid
from ork.objects.kinds import NOT_SELECTED, Run, Task, TaskRun
from ork.objects.value import Value, force_setattr
from ork.params.given import in_words
from ork.params.recorded import recorded_params
from ork.store.contents import fitting, task_runs
from ork.store.resolve import Resolved, has_run, snapshot_of
from ork.store.runs import runs
from ork.store.store import Store
from ork.store.verdict import taint, taint_text, tainted

SHOWN = 5  # names in a complaint


def require_secrets(tasks: Mapping[str, Task], environ: Mapping[str, str]) -> None:
    """Raise UsageError naming every secret that one of these tasks asks for and nobody has set."""
    missing: dict[str, list[str]] = {}
    for name, task in tasks.items():
        for secret in task.secrets:
            if secret not in environ:
                missing.setdefault(secret, []).append(name)
    if missing:
        names = sorted(missing)
        lines = [f"the secret {name} is not set: {_needed_by(missing[name])}" for name in names]
        message = "\n".join(line.replace("\n", "\\n") for line in lines)  # a name begins no line
        set_them = " ".join(f"{name}=..." for name in names[:SHOWN])
        raise UsageError(message, hint=f"`export {set_them}` sets what is needed")


def will_be_skipped(
    tasks: Mapping[str, Task],
    params: Mapping[str, Json],
    ended: Mapping[str, TaskRun],
    outputs: Mapping[str, Json] | None = None,
) -> dict[str, str]:
    """Return the tasks of which it is known before a run that they will be skipped, and why.

    `ended` are not to run at all. What a condition asks of an output is known of these `outputs`.
    """
    unmet = {name for name, one in ended.items() if one.is_unmet}
    found: dict[str, str] = {}
    if not (unmet or any(task.when for task in tasks.values())):
        return found
    for name in graph.order({name: task.depends_on for name, task in tasks.items()}):
        if name in ended:
            continue
        with suppress(NotReady):
            if why := why_skipped(tasks[name], outputs or {}, params, unmet):
                found[name] = why
                unmet.add(name)
    return found


class Stays(Value, frozen=True, kw_only=True):
    """A task that would not be executed: kept, or left out, and why."""

    outcome: str
    reason: str | None


class Selection(Value, frozen=True, kw_only=True):
    """The tasks that the user selected, by names or patterns; all tasks when it is empty."""

    only: tuple[str, ...] = ()
    start: tuple[str, ...] = ()  # --from: these and what depends on them
    until: tuple[str, ...] = ()  # these and what they depend on
    without: tuple[str, ...] = ()  # --except: of those all but these

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            force_setattr(self, name, as_names(getattr(self, name)))
        if self.only and (self.start or self.until or self.without):
            raise UsageError("a Selection has `only`, or `start`, `until` and `without`")

    def __bool__(self) -> bool:
        return bool(self.only or self.start or self.until or self.without)


def as_names(names: str | Collection[str]) -> tuple[str, ...]:
    """Return names as a tuple; a text is one name, and not as many as it has letters."""
    return (names,) if isinstance(names, str) else tuple(names)


def chosen(needs: Mapping[str, tuple[str, ...]], selection: Selection) -> set[str]:
    """Return the names of the tasks that a selection means; raise NotFound where it means none."""

    def named(option: str, texts: tuple[str, ...]) -> set[str]:
        found: set[str] = set()
        for text in texts:
            meant = fitting(text, needs)
            if not meant:
                hint = meant_or_known(text, needs)
                if needs.keys() >= {*(several := text.split(","))}:
                    hint = f"one at a time: `{' '.join(f'{option} {one}' for one in several)}`"
                raise NotFound(f"no task named {quoted(text)}", hint=hint)
            found.update(meant)
        return found

    only, start = named("--only", selection.only), named("--from", selection.start)
    until, without = named("--until", selection.until), named("--except", selection.without)
    if only:
        return only
    names = set(needs)
    if start:
        names &= {*start, *graph.descendants(needs, start)}
    if until:
        names &= {*until, *graph.ancestors(needs, until)}
    if not names:
        raise UsageError(
            "there is no task to run: nothing that --from names leads to what --until names"
        )
    names -= without
    if not names:
        raise UsageError("there is no task to run: --except names all that there are")
    return names


class Meant:
    """The tasks that a run is to have and the values of its parameters, which outputs must fit."""

    def __init__(self, store: Store, tasks: Mapping[str, Task], params: Mapping[str, Json]) -> None:
        self.store, self.tasks, self.params = store, tasks, params
        self.needs = {name: task.depends_on for name, task in tasks.items()}

    @cached_property
    def skipped(self) -> dict[str, str]:
        """The tasks that the parameters skip, and why."""
        return will_be_skipped(self.tasks, self.params, {})

    def taken_by(self, names: Iterable[str]) -> dict[str, Json]:
        """Return the values of the parameters that one of these tasks takes."""
        taken = set().union(*(params_of(self.tasks[name]) for name in names))
        return {name: value for name, value in self.params.items() if name in taken}

    def done(self, run: Run) -> dict[str, TaskRun]:
        """Return the tasks whose outputs in a run can stand in, or that have rightly none there.

        Those are to be skipped, or would be with these parameters and the outputs of the run.
        """
        states = task_runs(self.store, run)
        found = {n: t for n, t in states.items() if t.output is not None and not taint(t)}
        ended = {n: t for n, t in states.items() if not t.is_unmet}
        if len(ended) < len(states):
            outputs = RunValues(self.store, run, states).outputs
            unmet = will_be_skipped(self.tasks, self.params, ended, outputs)
            found |= {n: _unmet(states[n].task, why) for n, why in unmet.items() if n in states}
        return {n: t for n, t in found.items() if n not in self.skipped}

    def other_values(self, run: Run, names: Collection[str]) -> Iterator[tuple[str, Json] | None]:
        """Yield each parameter of which outputs of a run were made with another value, and that.

        Or what is before them was. Only what they take of these parameters counts. None is yielded
        for what is not known. Outputs of other runs may stand in the run, if somebody has named
        these.
        """
        ahead = [(run, {*names})]
        while ahead:
            run, names = ahead.pop()
            made = makers_of(self.store, run, names)
            if not names <= made.keys():
                yield None
            makers = {maker.id: maker for maker, _ in made.values()}
            for maker in makers.values():
                its = {name for name, (one, _) in made.items() if one.id == maker.id}
                before = graph.ancestors(self.needs, its)
                if maker.base is None:  # so all was made there
                    its |= before
                elif before:
                    there = task_runs(self.store, maker)
                    above = {up for name in its for up in self.needs[name] if up in there}
                    ahead.append((maker, above))
                yield from _others(self.store, maker, self.taken_by(its))


def stand_ins(
    store: Store,
    selected: set[str],
    workflow: str,
    base: Run | None,
    params: Mapping[str, Json],
    *,
    new: Resolved,
    now: datetime,
) -> tuple[dict[str, TaskRun], Run | None, tuple[str, ...]]:
    """Return a TaskRun for each task that is not selected, and the run that gave their outputs.

    And what a selected task depends on and has from another definition than the `new` one.

    What a selected task depends on must have succeeded in that run: in `base`, else in the newest
    run of the workflow in which all of it did, with these values of the parameters that it, or what
    comes before it, takes. Where there is none, a task that runs whatever became of the others
    does without those that it takes nothing of. What the parameters skip has no output, whatever
    it gave there.
    """
    oids = store.snapshot(snapshot_of(new)).tasks
    meant = Meant(store, store.get_all(Task, oids), params)
    tasks, needs, skipped = meant.tasks, meant.needs, meant.skipped
    executed = selected - skipped.keys()
    wanted = {up for name in executed for up in needs[name]} - selected - skipped.keys()
    taken = _taken(tasks[name] for name in executed if {*needs[name]} & wanted)
    found = None
    known = wanted.union(graph.ancestors(needs, wanted))
    given = meant.taken_by(known)
    for names in (wanted, wanted & taken) if wanted or base else ():
        try:
            found = _base(meant, workflow, names, base, given) if names or base else None
            break
        except UsageError:
            if names != wanted or taken >= wanted:
                raise
    outputs = meant.done(found) if found else {}
    if found and base is None and recorded_params(store, found) != params:
        outputs = {name: one for name, one in outputs.items() if name in known}
    staying = needs.keys() - selected
    made = made_by(store, found, new, staying & outputs.keys(), now=now) if found else {}
    states = {
        name: stand_in(oids[name], outputs.get(name), found, made.get(name)) for name in staying
    }
    states |= {name: _unmet(oids[name], skipped[name]) for name in staying & skipped.keys()}
    older = tuple(sorted(name for name in wanted if name in made and made[name].older))
    return states, found if outputs else None, older


def _taken(tasks: Iterable[Task]) -> set[str]:
    """Return what tasks cannot do without: those that they depend on, or else take an output of."""
    found: set[str] = set()
    for task in tasks:
        refs = (split_ref(ref) for ref in refs_of(task))
        taken = {split[0] for split in refs if split}
        found |= taken if task.on_upstream_failure == "run" else {*task.depends_on}
    return found


def stand_in(
    task: Oid, before: TaskRun | None, run: Run | None, made: Made | None = None
) -> TaskRun:
    """Return the outcome of a task that is not executed, with what it gave in a run, if at all.

    That run may have passed on what another one has `made`.
    """
    if before is None or run is None:
        return TaskRun(task=task, state="skipped", reason=NOT_SELECTED)
    reason = before.reason if before.state == "skipped" else None
    if made is not None:
        reason = f"output of {made.run}{', of another definition' if made.older else ''}"
    reason = reason or f"output of {run.name}"
    return TaskRun(task=task, state="skipped", output=before.output, reason=reason)


def _unmet(task: Oid, why: str) -> TaskRun:
    return TaskRun(task=task, state="skipped", reason=why)


def again(
    store: Store, run: Run, needs: Mapping[str, tuple[str, ...]], asked: set[str]
) -> set[str]:
    """Return the tasks that a retry of a run executes again.

    Those that were asked for or, where none was, that did not succeed; and always what was tainted,
    with all that depends on it. A task that succeeded although one before it did not was told so:
    it is executed again when that one is, with all that depends on it.
    """
    states = task_runs(store, run)
    undone = {name for name, t in states.items() if t.state not in ("success", "skipped")}
    changed = {*tainted(states)}
    if not asked:
        done = states.keys() - undone
        changed |= {name for name in done if not undone.isdisjoint(needs.get(name, ()))}
    return {*(asked or undone), *changed, *graph.descendants(needs, changed)}


def why_again(
    store: Store,
    run: Run,
    needs: Mapping[str, tuple[str, ...]],
    executed: Collection[str],
    asked: Collection[str],
    other: Mapping[str, str],
) -> dict[str, str]:
    """Return why a retry of a run executes these tasks, of which some were asked for.

    `other` are those that could give something else now, and why.
    """
    states = task_runs(store, run)
    found: dict[str, str] = {}
    for name in filter(executed.__contains__, needs):
        before = states.get(name)
        above = [up for up in needs[name] if up in executed]
        if before is None:
            found[name] = other.get(name, "it is new")
        elif before.state not in ("success", "skipped"):
            found[name] = _how(before)
        elif files := taint(before):
            found[name] = taint_text(files)
        elif name in asked:
            found[name] = "asked for"
        elif name in other:
            found[name] = other[name]
        elif above:
            found[name] = f"needs {some(above, SHOWN)}"
        else:
            found[name] = _how(before)
    return found


def stays(taskrun: TaskRun) -> Stays:
    """Return what is said of a task that is not executed."""
    if taskrun.output is not None:
        return Stays(outcome="kept", reason=taskrun.reason)
    if taskrun.is_unmet:
        return Stays(outcome="skipped", reason=taskrun.reason)
    ended = taskrun.state != "skipped"
    return Stays(outcome="left out", reason=_how(taskrun) if ended else taskrun.reason)


def _how(taskrun: TaskRun) -> str:
    """Return how a task that has no output ended."""
    word = "skipped" if taskrun.state == "upstream_failed" else taskrun.state
    return f"{word}: {taskrun.reason}" if taskrun.reason else word


def _needed_by(names: list[str]) -> str:
    tasks = sorted(set(names))
    return f"the task {tasks[0]} needs it" if len(tasks) == 1 else f"{some(tasks, SHOWN)} need it"


def _base(
    meant: Meant, workflow: str, wanted: set[str], base: Run | None, params: Mapping[str, Json]
) -> Run:
    store = meant.store
    if base is not None:
        if missing := sorted(wanted - meant.done(base).keys()):
            kind = "untainted output" if tainted(task_runs(store, base)) else "output"
            raise UsageError(
                f"{base.name} has no {kind} of {some(missing, SHOWN)}",
                hint="choose another run with --base, or run from there with --from",
            )
        return base
    earlier = runs(store, workflow) if has_run(store, workflow) else ()
    other: Run | None = None  # the newest that has them, of other parameters
    for run in (one.run for one in earlier):
        same = not [*_others(store, run, params)]
        if run.ended is not None and (same or not other) and wanted <= meant.done(run).keys():
            if same and not [*meant.other_values(run, wanted)]:
                return run
            other = other if same else run
    outputs = f"the outputs of {some(sorted(wanted), SHOWN)}"
    hint = "`--until` runs what a task needs as well; tainted outputs do not count"
    if other is None:
        raise UsageError(f"no run of {workflow} has {outputs}", hint=hint)
    name = other.name
    raise UsageError(
        f"no run of {workflow} with these parameters has {outputs}; {name} has, with"
        f" {in_words(recorded_params(store, other))}",
        hint=f"{hint}; `--base {name}` takes those of {name} all the same",
    )


def _others(
    store: Store, run: Run, params: Mapping[str, Json]
) -> Iterator[tuple[str, Json] | None]:
    """Yield each of these parameters of which a run had another value; None where it had none."""
    had = recorded_params(store, run)
    for name, value in params.items():
        if name not in had:
            yield None
        elif not is_one(had[name], value):
            yield name, had[name]


def is_one(value: Json, other: Json) -> bool:
    """Say whether two values are the same; 1 is not true."""
    return canonical.encode(value) == canonical.encode(other)
