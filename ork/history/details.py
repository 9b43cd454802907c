"""A run with its values: its parameters, the inputs that each task got, the outputs that it gave.

Inputs are not stored: the bindings of a task, the parameters and the outputs before it give them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from itertools import chain, islice, pairwise
from typing import Any, NamedTuple, TypeAlias

from ork.alike import meant_or_known
from ork.definition.bindings import NotReady, bind, unchecked
from ork.errors import Corrupt, NotFound, StoreError, count
from ork.objects.canonical import Json, Oid, encode, gist
from ork.objects.drawn import Drawn
from ork.objects.kinds import Output, Run, Task, TaskRun, TaskState
from ork.objects.rows import TEXT_CHARS_MAX, Framed, line, table, while_open
from ork.objects.value import Value, extended, replace
from ork.store.contents import needs_of, run_and_place, task_runs
from ork.store.resolve import Resolved, run_of, workflows_with_runs
from ork.store.runs import (
    Hook,
    OfRun,
    RunEntry,
    RunWithOutputs,
    hooks_of,
    records_of,
    retry_began,
    tags_of,
)
from ork.store.store import Store
from ork.store.verdict import leaves_out, taint_text, tainted

# Of a path, as changes have it: `tables[0].rows`, `"a b".c`.
_STEP = re.compile(r'"(?:[^"\\]|\\(?:["\\/bfnrt]|u[0-9a-f]{4}))*"|\[\d+\]|[^.\[\]"]+')
_PATH_HINT = 'a path is such as `tables[0].rows`, with a key of other signs in quotes: `"a b".c`'
BASES_MAX = 50  # runs of a part, one on top of the other, that are looked through
COLUMNS = ("state", "started", "seconds", "attempts", "reason", "error", "inputs", "output")
SHOWN = 10  # of the values of a mapping, in a line about it

Origins: TypeAlias = tuple[Oid, Oid | None, tuple[Oid | None, ...]]


class TaskDetails(Value, frozen=True, kw_only=True):
    """What became of one task, with the values that it got and gave.

    Of one that was kept, `inputs` are those with which its output was made, as far as is known.
    """

    taskrun: TaskRun
    inputs: Json = None
    output: Json = None

    @property
    def state(self) -> TaskState:
        """success, failed, or what else became of it."""
        return self.taskrun.state

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.state == "success"

    @property
    def reason(self) -> str | None:
        """Why it did not succeed, in a line."""
        return self.taskrun.reason

    @property
    def error(self) -> str | None:
        """What its last attempt failed with, as a traceback; None if it did not fail."""
        return self.taskrun.last.error if self.taskrun.last else None

    def cells(self) -> dict[str, object]:
        return self.taskrun.cells() | {"output": self.output}

    def _row(self) -> dict[str, object]:
        attempts = self.taskrun.attempts
        of_task = (
            self.state,
            attempts[0].started if attempts else None,
            self.taskrun.seconds,
            len(attempts),
            self.reason,
            self.error,
            self.inputs,
            self.output,
        )
        return dict(zip(COLUMNS, of_task, strict=True))


class DetailsOfTasks(Framed, Mapping[str, TaskDetails]):
    """The tasks of a run in the order in which they can run; one that has not started is absent.

    Their values are read when they are asked for, and may be more than the memory holds. A pickle
    has all of them.
    """

    def __init__(self, values: RunValues | _Read, needs: Mapping[str, tuple[str, ...]]) -> None:
        """`needs` are the edges of all tasks, in that order, in which the values are as well."""
        self.needs, self._values = needs, values
        self.states = values.states

    def output(self, name: str) -> Json:
        """Return the value that a task gave; None of one that gave none."""
        return self._values.output(name)

    def gist(self, name: str, chars: int) -> str:
        """Return as many characters of the value that a task gave; "" of none, and of null."""
        text = self._values.gist(name, chars)
        return "" if text == "null" else text

    @property
    def outputs(self) -> Mapping[str, Json]:
        """Task -> the value that it gave, of those that gave one."""
        return self._values.outputs

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return DetailsOfTasks, (_Read(dict(self)), dict(self.needs))

    def _columns(self) -> Iterable[str]:
        return ["name", *COLUMNS]

    def _records(self) -> Iterator[Mapping[str, object]]:
        return ({"name": name, **task._row()} for name, task in self.items())

    def __getitem__(self, name: str) -> TaskDetails:
        return self._values.details(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.states)

    def __len__(self) -> int:
        return len(self.states)

    def _table(self, caption: str = "") -> str | None:
        """Return them as a table in HTML; None once the store is closed, which has the values."""
        rows = (
            {"task": name, **task.cells(), "output": self.gist(name, TEXT_CHARS_MAX)}
            for name, task in self.states.items()
        )
        return while_open(lambda: table(rows, len(self), caption=caption))

    def _repr_html_(self) -> str | None:
        return self._table()

    def __repr__(self) -> str:
        return _first("DetailsOfTasks", (f"{name} {it.state}" for name, it in self.states.items()))


class ComingRetry(Value, frozen=True, kw_only=True):
    """When a schedule is to try its newest run again, and the how manieth of its retries it is."""

    run: str  # its name
    time: datetime
    number: int
    retries: int


class RunDetails(OfRun, Drawn, frozen=True, kw_only=True):
    """A run, whole."""

    oid: Oid
    run: Run
    params: Json
    tasks: DetailsOfTasks
    hooks: tuple[Hook, ...] = ()
    tags: tuple[str, ...] = ()  # of its deploy
    retry: ComingRetry | None = None  # by `ork up`, if its schedule is to try it again

    @property
    def partial(self) -> bool:
        """Whether tasks were left out by a selection."""
        return leaves_out(self.run, self.tasks.states.values())

    @cached_property  # of no property does IPython complete the keys
    def outputs(self) -> Mapping[str, Any]:
        """Task -> the value that it gave, of those that gave one; read when it is asked for."""
        return self.tasks.outputs

    def cells(self) -> dict[str, object]:
        states = self.tasks.states.values()
        failed = sum(1 for one in states if one.state == "failed")
        tasks = count(len(states), "task")
        tasks = f"{failed} of {tasks} failed" if failed else tasks
        changed = tainted(self.tasks.states)
        return {
            **self.run.cells(),
            "partial": "partial" if self.partial else None,
            "tasks": tasks,
            "tainted": taint_text(sorted(set(chain(*changed.values())))) if changed else None,
        }

    def _columns(self) -> Iterable[str]:
        return self.tasks._columns()

    def _records(self) -> Iterator[Mapping[str, object]]:
        return self.tasks._records()

    def _repr_html_(self) -> str:
        return self.tasks._table(repr(self)[1:-1]) or table([self.cells()], 1)


def run_details(store: Store, oid: Oid, run: Run) -> RunDetails:
    """Return a run with all its tasks."""
    # First the edges, whose order takes memory for a moment, then the outcomes, which stay.
    needs = needs_of(store, store.snapshot(run.snapshot, keep=False))
    values = RunValues(store, run, task_runs(store, run).ordered(needs))
    return RunDetails(
        oid=oid,
        run=run,
        params=values.params,
        tasks=DetailsOfTasks(values, needs),
        hooks=hooks_of(store, run),
        tags=tags_of(store.refs("tags/")).get(run.deploy, ()) if run.deploy else (),
    )


def without_tasks(store: Store, oid: Oid, run: Run) -> RunDetails:
    """Return a run of which nothing but its own record can be read."""
    tasks = DetailsOfTasks(RunValues(store, run, {}), {})
    return RunDetails(oid=oid, run=run, params=None, tasks=tasks)


def run_with_outputs(store: Store, entry: RunEntry) -> RunWithOutputs:
    """Return a run of a list with all that its tasks gave, nothing where that is lost."""
    try:
        gave = dict(Outputs(store, entry.run, task_runs(store, entry.run)))
    except Corrupt:
        return extended(RunWithOutputs, replace(entry, damaged=True), outputs={})
    return extended(RunWithOutputs, entry, outputs=gave)


def task_details(store: Store, run: Run, name: str) -> TaskDetails:
    """Return one task of a run that has started."""
    return RunValues(store, run, task_runs(store, run)).details(name)


class Python(Value, frozen=True, kw_only=True):
    """The interpreter that executed a task; the version is not known of one that did not start."""

    path: str
    version: str | None = None


def python_of(store: Store, run: Run, taskrun: TaskRun) -> Python | None:
    """Return the interpreter of a task's last attempt; None of a command, and of no attempt."""
    where = where_executed(run, taskrun)
    if where is None or store.get(Task, taskrun.task).executor == "process":
        return None
    found = recorded_environment(store, where.environment)
    if "executable" not in found:
        return None
    version = str(found["python"]) if "python" in found else None
    return Python(path=str(found["executable"]), version=version)


def base_of(store: Store, run: Run) -> Run | None:
    """Return the run whose outputs stand in for what a run did not execute, if it is known."""
    if run.base is None:
        return None
    oid = store.ref(f"runs/{run.workflow}/{run.base}")
    if oid is None:  # perhaps its workflow had another name then
        places = (f"runs/{name}/{run.base}" for name in workflows_with_runs(store))
        oid = next(iter(store.refs_at(places).values()), None)
    return store.get(Run, oid) if oid else None


class Where(NamedTuple):
    """On which machine, and in which environment there, something was executed."""

    host: str
    environment: Oid | None

    def folder(self, store: Store) -> str | None:
        """Return the folder in which it worked, if that is recorded, and not lost."""
        with suppress(Corrupt):
            folder = recorded_environment(store, self.environment).get("folder")
            return folder if isinstance(folder, str) else None
        return None


def where_executed(run: Run, taskrun: TaskRun) -> Where | None:
    """Return where the last attempt at a task of a run was executed; None if there was none."""
    for last in taskrun.attempts[-1:]:
        return Where(last.host or run.host, last.environment or run.environment)
    return None


def recorded_environment(store: Store, oid: Oid | None) -> dict[str, Json]:
    """Return what is recorded of an environment: see `as_environment`."""
    return as_environment(store.value(oid)) if oid else {}


def as_environment(value: Json) -> dict[str, Json]:
    """Return what an interpreter said of itself, the distributions as name -> version."""
    found = dict(value) if isinstance(value, dict) else {}
    names = found.get("distributions")
    if isinstance(names, list):
        versions: dict[str, Json] = {}
        for text in sorted(map(str, names)):
            name, _, version = text.partition("==")
            versions[name] = f"{versions[name]}, {version}" if name in versions else version
        found["distributions"] = versions
    return found


def retried_at(store: Store, run: Run) -> list[datetime]:
    """Return when a run had ended before each of its retries."""
    return [one.ended for one in islice(records_of(store, run), 1, None) if one.ended is not None]


def waited(taskrun: TaskRun, retried: Collection[datetime]) -> float:
    """Return the seconds that a task waited between its attempts, but not for a retry of the run.

    `retried` is when the run had ended before those.
    """
    return sum(
        max(0.0, (after.started - before.started).total_seconds() - before.seconds)
        for before, after in pairwise(taskrun.attempts)
        if not any(before.started <= end <= after.started for end in retried)
    )


def waits_for_next(taskrun: TaskRun, retried: Collection[datetime]) -> bool:
    """Say whether a task has failed in this run, or this retry of it, and is tried again."""
    last = taskrun.attempts[-1:]
    return taskrun.state == "pending" and any(
        all(end < attempt.started for end in retried) for attempt in last
    )


def details_of(store: Store, found: Resolved) -> TaskDetails:
    """Return what became of one task, which a revision led to."""
    if (run := run_of(found)) and found.name:
        return task_details(store, store.get(Run, run), found.name)
    taskrun = store.get(TaskRun, found.oid)  # found by its oid: only what it has
    output = store.output(taskrun.output) if taskrun.output else None
    return TaskDetails(taskrun=taskrun, output=output)


class _Read:
    """The values of a run, all read: what a pickle has in place of a store."""

    def __init__(self, tasks: Mapping[str, TaskDetails]) -> None:
        self.tasks = tasks
        self.states = {name: task.taskrun for name, task in tasks.items()}
        self.outputs = {name: it.output for name, it in tasks.items() if it.taskrun.output}

    def details(self, name: str) -> TaskDetails:
        """Return one task with its values."""
        return self.tasks[name]

    def output(self, name: str) -> Json:
        """Return the value that a task gave; None of one that gave none."""
        return self.tasks[name].output

    def gist(self, name: str, chars: int) -> str:
        """Return as many characters of the value that a task gave."""
        return gist(encode(self.output(name)), chars)


class RunValues:
    """The values of a run, each read when it is asked for."""

    def __init__(self, store: Store, run: Run, states: Mapping[str, TaskRun]) -> None:
        self.store, self.run, self.states = store, run, states
        self.outputs = Outputs(store, run, states)

    @cached_property
    def params(self) -> dict[str, Json]:
        """The parameters of the run."""
        value = self.store.value(self.run.params) if self.run.params else {}
        return value if isinstance(value, dict) else {}

    @cached_property
    def before(self) -> RunValues | None:
        """The run as it was before it was retried."""
        if self.run.previous is None:
            return None
        run = self.store.get(Run, self.run.previous)
        return RunValues(self.store, run, task_runs(self.store, run))

    @cached_property
    def began(self) -> datetime:
        """When the run began first."""
        *_, first = records_of(self.store, self.run)
        return retry_began(self.store, first)

    @cached_property
    def base(self) -> RunValues | None:
        """The run whose outputs this one kept; None where that is gone, or damaged."""
        with suppress(Corrupt):
            if run := base_of(self.store, self.run):
                return RunValues(self.store, run, task_runs(self.store, run))
        return None

    def details(self, name: str) -> TaskDetails:
        """Return one task with its values."""
        taskrun = self.states[name]
        inputs = self._made_with(name) if taskrun.is_kept else self.inputs(name)
        return TaskDetails(taskrun=taskrun, inputs=inputs, output=self.output(name))

    def output(self, name: str) -> Json:
        """Return the value that a task gave; None of one that gave none."""
        output = self.states[name].output
        return self.store.output(output) if output else None

    def gist(self, name: str, chars: int) -> str:
        """Return as many characters of the value that a task gave, which is not decoded."""
        output = self.states[name].output
        return self.store.gist(output, chars) if output else ""

    def received(self, name: str) -> dict[str, Json]:
        """Return the inputs of a task and the variables that refer to a value; of no start none."""
        found = self._executed(name)
        if found is None:
            return {}
        task = found.store.get(Task, found.states[name].task)
        variables = {
            k: one for k, one in task.env.items() if isinstance(one, dict) and "ref" in one
        }
        with suppress(NotReady):
            task = replace(task, inputs=variables | {**task.inputs})
            return unchecked(task, found.outputs, found.params)
        return {}

    def inputs(self, name: str) -> Json:
        """Return what a task received last, or was not to have; None when it has not started."""
        found = self._executed(name)
        if found is None:
            return None
        task = found.store.get(Task, found.states[name].task)
        for values in (bind, unchecked):
            with suppress(NotReady):
                return values(task, found.outputs, found.params)
        return None

    def origins(
        self, name: str, known: tuple[Oid, tuple[str, ...]] | None = None
    ) -> Origins | None:
        """Return what decides about the inputs of a task, for which no value is read.

        `known` is what a task, by its oid, depends on: most probably it is this one.
        """
        found = self._executed(name)
        if found is None:
            return None
        oid = found.states[name].task
        above = known[1] if known and known[0] == oid else self.store.get(Task, oid).depends_on
        states = map(found.states.get, above)
        outputs = (one.output.oid if one and one.output else None for one in states)
        return oid, found.run.params, tuple(outputs)

    def _made_with(self, name: str, depth: int = 0) -> Json:
        """Return the inputs with which an output was made that is kept; None where a run is lost.

        Of the run that gave it as it was then: a retry may have executed the task again since.
        """
        if not self.states[name].is_kept:
            return self.inputs(name)
        found = self.base if depth < BASES_MAX else None
        with suppress(Corrupt):
            while found and (gave := found.states.get(name)):
                is_later = gave.last is not None and gave.last.started > self.began
                if gave.output == self.states[name].output and not is_later:
                    return found._made_with(name, depth + 1)
                found = found.before
        return None

    def _executed(self, name: str) -> RunValues | None:
        """Return the run as it was when it executed a task last; a stand-in was not executed.

        A retry may run a task again and keep others, which had got what it gave before.
        """
        found, state = self, self.states.get(name)
        if state is None or not (state.attempts or state.state in ("running", "failed")):
            return None
        while state.attempts and state.state != "running" and found.before is not None:
            earlier = found.before.states.get(name)
            if earlier is None or len(earlier.attempts) != len(state.attempts):
                break
            found, state = found.before, earlier
        return found


class Outputs(Mapping[str, Json]):
    """Task -> the value that it gave in one run. All together may be more than the memory holds."""

    def __init__(self, store: Store, run: Run, states: Mapping[str, TaskRun]) -> None:
        self.store, self.run, self.states = store, run, states
        self._last: tuple[Oid, Json] | None = None  # many tasks in a row may receive a large value

    def __getitem__(self, name: str) -> Json:
        output = self._output(name)
        if output is None:
            raise KeyError(self._why_none(name))
        if output.text is not None:  # it is small
            return self.store.output(output)
        if self._last is None or self._last[0] != output.oid:
            self._last = output.oid, self.store.output(output)
        return self._last[1]

    def _output(self, name: str) -> Output | None:
        taskrun = self.states.get(name)
        return taskrun.output if taskrun else None

    def _why_none(self, name: str) -> str:
        taskrun, run = self.states.get(name), self.run
        if taskrun is None:
            known = meant_or_known(name, list(self.states))
            told = f"no task named {name!r} has started: {known}"
        else:
            reason = f": {taskrun.reason}" if taskrun.reason else ""
            word = "skipped" if taskrun.state == "upstream_failed" else taskrun.state
            told = f"{name} gave no output ({word}){reason}"
            culprit, _, why = (run.reason or "").partition(": ")
            if run.reason == f"{name}{reason}":
                return told
            if why and reason == f": {culprit} failed":
                return f"{told}: {why}"
        because = f": {run.reason}" if run.reason else ""
        return told if run.state == "success" else f"{told}; {run.name} {run.state}{because}"

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._output(name) is not None

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    def __iter__(self) -> Iterator[str]:
        return (name for name, taskrun in self.states.items() if taskrun.output)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _repr_html_(self) -> str:
        outputs = ((name, self._output(name)) for name in self)
        return table(({"task": n, "output": self._gist(it)} for n, it in outputs if it), len(self))

    def __repr__(self) -> str:
        outputs = ((name, self._output(name)) for name in self)
        return _first("Outputs", (f"{name}: {self._gist(it)}" for name, it in outputs if it))

    def _gist(self, output: Output) -> str:
        try:
            return self.store.gist(output, TEXT_CHARS_MAX)
        except StoreError:  # it is closed, or this is damaged: no reason to show nothing else
            return "..."


def _first(name: str, texts: Iterator[str]) -> str:
    """Return a line about a mapping, whose values may be more than the memory holds."""
    return line(name, [*islice(texts, SHOWN), *("..." for _ in islice(texts, 1))])


def outputs(store: Store, text: str, *, now: datetime) -> tuple[Outputs, Json | Outputs]:
    """Return the outputs of a run, or of tasks of it, and what of them is meant.

    That is all of RUN and of RUN:PATTERN, the value of RUN:TASK, and the part of it where
    RUN:TASK.FIELD leads.
    """
    run, tasks, path = run_and_place(store, text, now=now)
    states = task_runs(store, run)
    found = Outputs(store, run, states.ordered(tasks) if tasks else states)
    if len(tasks) != 1:
        return found, found
    if not found:
        name = f"{run.name}:{tasks[0]}"
        raise NotFound(f"{name} gave no output", hint=f"`ork show {name}` says why")
    return found, value_at(found[tasks[0]], path)


def value_at(value: Json, path: str) -> Json:
    """Return the part of a value to which a path leads; raise NotFound where it leads nowhere."""
    if unread := _STEP.sub("", path).strip("."):
        raise NotFound(f"{path!r} leads to no value: what does {unread[0]} mean?", hint=_PATH_HINT)
    for step in _STEP.findall(path):
        if isinstance(value, list):
            number = step.strip("[]")
            if not number.isdecimal() or int(number) >= len(value):
                raise NotFound(f"there is no {step} among {count(len(value), 'element')}")
            value = value[int(number)]
            continue
        key = json.loads(step, strict=False) if step[0] == '"' else step
        if not isinstance(value, dict) or key not in value:
            keys = value if isinstance(value, dict) else ()
            # What begins so comes first: the point in a key that has one was taken for a step.
            known = sorted(keys, key=lambda one: (not one.startswith(key), one))
            hint = meant_or_known(_as_step(key), map(_as_step, known))
            raise NotFound(f"there is no {step} in it", hint=hint)
        value = value[key]
    return value


def _as_step(key: str) -> str:
    """Return a key as it is written in a path."""
    step = _STEP.fullmatch(key)
    return key if step and key[0] not in '"[' else json.dumps(key, ensure_ascii=False)
