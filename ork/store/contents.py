"""Snapshots, trees, texts and runs, read whole: their entries, tasks, values and outcomes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from fnmatch import fnmatchcase
from itertools import chain

from ork.alike import meant_or_known
from ork.errors import Corrupt, NotFound, count, quoted, some
from ork.graph import order as graph
from ork.objects import tree
from ork.objects.canonical import Oid
from ork.objects.drawn import Drawn
from ork.objects.kinds import (
    Deploy,
    FileEntry,
    Node,
    Param,
    Run,
    Source,
    Task,
    TaskRun,
    TaskRuns,
    Tombstone,
    decode_needs,
    kind_of,
    oid_of,
)
from ork.objects.rows import table, while_open
from ork.objects.snapshot import SHOWN, Contents
from ork.objects.value import Value, columns_of, fields_of
from ork.store import revision as grammar
from ork.store.resolve import Resolved, a_kind, lacks_runs, resolve, run_of, run_of_id, snapshot_of
from ork.store.store import Store


class Entry(Value, frozen=True, kw_only=True):
    """One entry of a snapshot or tree."""

    kind: str  # task | blob | tree
    oid: Oid
    name: str
    executable: bool = False


class Tasks(Mapping[str, Task]):
    """The tasks of a snapshot in the order in which they can run, each read when it is asked for.

    So a workflow may have more tasks than the memory holds.
    """

    def __init__(self, store: Store, snapshot: Contents) -> None:
        self.store, self.oids = store, snapshot.tasks
        self.needs = needs_of(store, snapshot)

    def __getitem__(self, name: str) -> Task:
        return self.store.get(Task, self.oids[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.needs)

    def __len__(self) -> int:
        return len(self.needs)

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    def _repr_html_(self) -> str | None:
        rows = ({"task": name, **it.cells()} for name, it in self.items())
        return while_open(lambda: table(rows, len(self)))

    def __repr__(self) -> str:
        return f"<Tasks {some(self.needs, SHOWN)}>"


class SnapshotDetails(Drawn, frozen=True, kw_only=True):
    """A snapshot, whole: its tasks in the order in which they can run, and its code files."""

    snapshot: Oid
    params: Mapping[str, Param]
    tasks: Mapping[str, Task]
    files: tuple[Entry, ...]

    def cells(self) -> dict[str, object]:
        tasks, files = count(len(self.tasks), "task"), count(len(self.files), "file")
        return {"snapshot": self.snapshot[:12], "has": f"{tasks}, {files}"}

    def _columns(self) -> Iterable[str]:
        return ["name", *columns_of(Task)]

    def _records(self) -> Iterator[Mapping[str, object]]:
        """Yield the fields of each task."""
        return ({"name": name, **fields_of(task)} for name, task in self.tasks.items())


def entries(store: Store, found: Resolved) -> list[Entry]:
    """Return the tasks and code files of a snapshot, or the direct entries of a tree object."""
    if found.kind == "tree":
        value = store.tree(found.oid)
        if isinstance(value, Node):
            return [Entry(kind="tree", oid=oid, name=f"{digit:x}") for digit, oid in value.children]
        return [_entry(store, name, entry) for name, entry in value.entries]
    snapshot = store.snapshot(snapshot_of(found))
    parts: list[tuple[str, Oid | FileEntry]] = [*snapshot.tasks.items(), *snapshot.files.items()]
    return [_entry(store, name, entry) for name, entry in parts]


def snapshot_details(store: Store, found: Resolved) -> SnapshotDetails:
    """Return the snapshot of a deploy or run, or a snapshot itself, whole."""
    snapshot = store.snapshot(snapshot_of(found))
    files = tuple(_entry(store, path, entry) for path, entry in snapshot.files.items())
    return SnapshotDetails(
        snapshot=snapshot.oid, params=snapshot.params, tasks=Tasks(store, snapshot), files=files
    )


def secrets_of(definition: SnapshotDetails) -> dict[str, list[str]]:
    """Return each secret that a run needs, and the tasks that ask for it."""
    found: dict[str, list[str]] = {}
    for name, task in definition.tasks.items():
        for secret in sorted(set(task.secrets)):
            found.setdefault(secret, []).append(name)
    return found


def join_text(store: Store, source: Source) -> bytes:
    """Return the text of a workflow file, which a deploy's source names."""
    if source.blob is not None:
        return store.blob(source.blob)
    return b"".join(store.blob(oid) for oid in store.named(source.oid).values())


def task_runs(store: Store, run: Run) -> TaskRuns:
    """Return task name -> TaskRun of a run, also of one that goes on.

    Tasks that have not started are absent. If the run has ended since it was read, its end counts.
    """
    active = f"active/{run.id}/"
    while run.ended is None:
        started = dict(store.refs(active))
        if (pin := started.pop(".run", None)) is None:
            _, run = run_of_id(store, run.workflow, run.id)
            break
        try:
            before = recorded(store, store.get(Run, pin))
            found = TaskRuns(chain(before, store.get_all(TaskRun, started).items()))
            return found.ordered(sorted(found))
        except Corrupt:
            # A run that goes on takes away what it replaces; what is still named must be there.
            if started.items() <= dict(store.refs(active)).items():
                raise
    found = TaskRuns(recorded(store, run))
    return found.ordered(sorted(found))


def recorded(store: Store, run: Run) -> Iterator[tuple[str, TaskRun]]:
    """Yield the outcomes that a run has in its record, in no order.

    Of one that goes on these are what it began with.
    """
    for name, one in tree.each(store.tree, run.tasks) if run.tasks else ():
        if isinstance(one, TaskRun):
            yield name, one


def outcomes(store: Store, run: Run) -> Iterator[tuple[str, TaskRun]]:
    """Yield the same, task by task, and of a run that has ended in no order."""
    yield from task_runs(store, run).items() if run.ended is None else recorded(store, run)


def find_run(store: Store, found: Resolved) -> tuple[Oid, Run]:
    """Return the run that is meant: a run itself, or the newest one of a workflow's deploy.

    Of a workflow it is one of a bisection only if it has no other: they run what is long replaced.
    """
    if run_oid := run_of(found):
        return run_oid, store.get(Run, run_oid)
    if found.workflow is None:
        raise NotFound(f"{found.text} is {a_kind(found)}, not a run", hint="write NAME#NUMBER")
    of_any = found.text in (found.workflow, "@")
    from ork.store.runs import Executed, runs  # which most do without

    executed = None if of_any else Executed(kind="snapshot", oid=snapshot_of(found))
    searching = None
    for one in runs(store, found.workflow, executed=executed):
        if of_any and one.run.trigger == "bisect":
            searching = searching or one
        elif of_any or one.run.deploy == found.deploy:
            return one.oid, one.run
    if searching:
        return searching.oid, searching.run
    run = run_command(grammar.as_word(found.text), store.snapshot(snapshot_of(found)).params)
    lacks = lacks_runs(store, found.workflow)
    told = f"no run of {found.text} is kept" if lacks else f"{found.text} has not run"
    raise NotFound(told, hint=f"`{run}` runs it")


def run_command(what: str, declared: Mapping[str, Param]) -> str:
    """Return the command that runs this, with a place for each value that has no default."""
    lacking = (name for name, entry in declared.items() if entry.required)
    return " ".join([f"ork run {what}", *(f"-i {name}=VALUE" for name in lacking)])


def newest(store: Store, workflow: str) -> Contents | None:
    """Return the newest version of a workflow; None of one that is not deployed."""
    head = store.ref(f"workflows/{workflow}")
    return store.snapshot(store.get(Deploy, head).snapshot) if head else None


def newest_params(store: Store, workflow: str) -> Mapping[str, Param]:
    """Return the parameters of a workflow's newest version; none of one that is not deployed."""
    found = newest(store, workflow)
    return found.params if found else {}


def run_and_tasks(store: Store, text: str, *, now: datetime) -> tuple[Run, tuple[str, ...]]:
    """Return the run and the tasks that RUN:TASK names, by a pattern several; none for RUN alone.

    They need not have started. WORKFLOW:TASK is that task of the newest run.
    """
    run, tasks, path = run_and_place(store, text, now=now)
    if path:
        raise _no_task(store, run, text.partition(":")[2])
    return run, tasks


def run_and_place(store: Store, text: str, *, now: datetime) -> tuple[Run, tuple[str, ...], str]:
    """Return the run and the tasks as `run_and_tasks`, and the path behind: of RUN:TASK.FIELD.

    The path is as a diff writes it: "rows[0].name". It is the shortest where names have dots.
    """
    name, part = grammar.split_part(text)
    _, run = find_run(store, resolve(store, name, now=now))
    if not part:
        return run, (), ""
    tasks = store.snapshot(run.snapshot).tasks
    ends = [len(part), *(found.start() for found in reversed([*re.finditer(r"[.\[]", part)]))]
    for end in ends:
        if part[:end] in tasks:
            return run, (part[:end],), part[end:].removeprefix(".")
    if found := fitting(part, tasks):
        return run, found, ""
    raise _no_task(store, run, part)


def is_pattern(text: str) -> bool:
    """Say whether a text may mean several names: one with *, ? or [...]."""
    return not {*text}.isdisjoint("*?[")


def fitting(text: str, tasks: Collection[str]) -> tuple[str, ...]:
    """Return which of the tasks a name, or a pattern such as load_*, means, in their order."""
    return (text,) if text in tasks else tuple(one for one in tasks if fnmatchcase(one, text))


def _no_task(store: Store, run: Run, task: str) -> NotFound:
    tasks = store.snapshot(run.snapshot).tasks
    hint = meant_or_known(task, sorted(tasks))
    return NotFound(f"{run.name} has no task {quoted(task)}", hint=hint)


def needs_of(store: Store, snapshot: Contents) -> dict[str, tuple[str, ...]]:
    """Return task -> what it depends on, in the order in which they can run."""
    needs = read_needs(store, snapshot.tasks)
    return {name: needs[name] for name in graph.order(needs)}


def read_needs(store: Store, tasks: Mapping[str, Oid]) -> dict[str, tuple[str, ...]]:
    """Return task -> what it depends on.

    Nothing else of the tasks is read, but all their bytes are checked.
    """
    name_of = {name: name for name in tasks}  # of equal texts one is enough
    return {
        name: tuple(name_of.get(up, up) for up in decode_needs(data))
        for name, data in store.raws(tasks)
    }


def forgotten_part(
    store: Store, snapshot: Oid, text: Iterable[Oid] = ()
) -> tuple[str, Tombstone] | None:
    """Return a part of a snapshot, or of its text, that was forgotten; None if none was."""
    if not store.forgotten:
        return None
    parts = dict.fromkeys((snapshot, *text), "its text")
    content = store.snapshot(snapshot)
    parts |= {oid: name for name, oid in content.tasks.items()}
    parts |= {file.blob: path for path, file in content.files.items()}
    marks = ((name, store.tombstone(oid)) for oid, name in parts.items())
    return next(((name, mark) for name, mark in marks if mark), None)


def refuse_forgotten(store: Store, snapshot: Oid, text: Iterable[Oid] = ()) -> None:
    """Raise NotFound when a part of a snapshot, or of its text, was forgotten."""
    if found := forgotten_part(store, snapshot, text):
        name, mark = found
        raise NotFound(
            f"{name}: {forgotten_in_words(mark)}",
            hint="take what had to go out of the files: what is left is a new version",
        )


def forgotten_in_words(mark: Tombstone) -> str:
    """Return when, by whom and why something was forgotten."""
    reason = f": {mark.reason}" if mark.reason else ""
    return f"forgotten {mark.time:%Y-%m-%d} by {mark.author}{reason}"


def _entry(store: Store, name: str, entry: Oid | FileEntry | TaskRun) -> Entry:
    if isinstance(entry, TaskRun):
        return Entry(kind="taskrun", oid=oid_of(entry), name=name)
    if isinstance(entry, FileEntry):
        return Entry(kind="blob", oid=entry.blob, name=name, executable=entry.executable)
    return Entry(kind=kind_of(store.read(entry)), oid=entry, name=name)
