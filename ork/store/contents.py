"""Snapshots, trees and runs, read whole: their entries, tasks, values and outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ork.errors import NotFound
from ork.graph import order as graph
from ork.objects.canonical import Json, Oid
from ork.objects.kinds import Run, Task, TaskRun, Tree, kind_of
from ork.objects.snapshot import Contents, FileEntry, read_entry
from ork.store.resolve import Resolved, ResolvedObject, run_of, run_of_id, snapshot_of
from ork.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of a snapshot or tree."""

    kind: str  # task | blob | tree
    oid: Oid
    name: str
    executable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotDetails:
    """A snapshot, whole: its tasks in the order in which they can run, and its code files."""

    snapshot: Oid
    tasks: Mapping[str, Task]
    files: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDetails:
    """The outcome of one task in one run, with the values that it got and gave."""

    taskrun: TaskRun
    inputs: Json = None
    output: Json = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDetails:
    """A run, whole; tasks in the order in which they can run."""

    oid: Oid
    run: Run
    params: Json = None
    tasks: Mapping[str, TaskDetails] = field(default_factory=dict)


def entries(store: Store, found: Resolved) -> list[Entry]:
    """Return the tasks and code files of a snapshot, or the direct entries of a tree object."""
    if found.kind == "tree":
        value = store.get(Tree, found.oid)
        if value.children:
            return [Entry(kind="tree", oid=oid, name=f"{byte:02x}") for byte, oid in value.children]
        return [_entry(store, name, read_entry(entry)) for name, entry in value.entries]
    snapshot = store.snapshot(snapshot_of(found))
    parts: list[tuple[str, Oid | FileEntry]] = [*snapshot.tasks.items(), *snapshot.files.items()]
    return [_entry(store, name, entry) for name, entry in parts]


def snapshot_details(store: Store, found: Resolved) -> SnapshotDetails:
    """Return the snapshot of a deploy or run, or a snapshot itself, whole."""
    snapshot = store.snapshot(snapshot_of(found))
    files = tuple(_entry(store, path, entry) for path, entry in snapshot.files.items())
    return SnapshotDetails(snapshot=snapshot.oid, tasks=tasks_of(store, snapshot), files=files)


def run_details(store: Store, oid: Oid, run: Run) -> RunDetails:
    """Return a run with its tasks; tasks that have not started are absent."""
    states = task_runs(store, run)
    names = [n for n in tasks_of(store, store.snapshot(run.snapshot)) if n in states]
    tasks = {name: task_details(store, states[name]) for name in names}
    params = store.value(run.params) if run.params else {}
    return RunDetails(oid=oid, run=run, params=params, tasks=tasks)


def task_runs(store: Store, run: Run) -> dict[str, TaskRun]:
    """Return task name -> TaskRun of a run, also of one that goes on.

    Tasks that have not started are absent. If the run has ended since it was read, its end counts.
    """
    if run.tasks is None:
        started = {name: oid for name, oid in store.refs(f"active/{run.id}/") if name != ".run"}
        if store.ref(f"active/{run.id}/.run") is not None:
            return {name: store.get(TaskRun, oid) for name, oid in started.items()}
        _, run = run_of_id(store, run.workflow, run.id)
    ended = store.named(run.tasks) if run.tasks else {}
    return {name: store.get(TaskRun, oid) for name, oid in ended.items()}


def task_details(store: Store, taskrun: TaskRun) -> TaskDetails:
    """Return a task run with its values."""
    return TaskDetails(
        taskrun=taskrun,
        inputs=store.value(taskrun.inputs) if taskrun.inputs else None,
        output=store.value(taskrun.output) if taskrun.output else None,
    )


def find_run(store: Store, found: Resolved) -> tuple[Oid, Run]:
    """Return the run that is meant: a run itself, or the newest one of a workflow's deploy."""
    if run_oid := run_of(found):
        return run_oid, store.get(Run, run_oid)
    if found.workflow is None:
        raise NotFound(f"{found.text} is a {found.kind}, not a run", hint="write NAME#NUMBER")
    of_any = found.text in (found.workflow, "@")
    place = f"runs/{found.workflow}/" if of_any else f"ran/{found.snapshot}/{found.workflow}/"
    for run_id, _ in store.refs(place, newest_first=True):
        oid, run = run_of_id(store, found.workflow, run_id)
        if of_any or run.deploy == found.deploy:
            return oid, run
    raise NotFound(f"{found.text} has not run", hint=f"`ork run {found.text}` runs it")


def tasks_of(store: Store, snapshot: Contents) -> dict[str, Task]:
    """Return the tasks of a snapshot in the order in which they can run."""
    tasks = {name: store.get(Task, oid) for name, oid in snapshot.tasks.items()}
    order = graph.order({name: task.depends_on for name, task in tasks.items()})
    return {name: tasks[name] for name in order}


def _entry(store: Store, name: str, entry: Oid | FileEntry) -> Entry:
    if isinstance(entry, FileEntry):
        return Entry(kind="blob", oid=entry.blob, name=name, executable=entry.executable)
    return Entry(kind=kind_of(store.read(entry)), oid=entry, name=name)


def outputs(store: Store, found: Resolved) -> dict[str, Json]:
    """Return task name -> output of a run, or of its one task that is meant."""
    if isinstance(found, ResolvedObject) and found.kind == "taskrun":
        states = {str(found.name): store.get(TaskRun, found.oid)}
    else:
        _, run = find_run(store, found)
        states = task_runs(store, run)
    return {name: store.value(t.output) for name, t in states.items() if t.output is not None}
