"""Import: what a database of the original holds becomes deploys and runs of this store.

Everything is read and written in bounded parts that nothing leads to; then all refs appear in one
write, or none. The same rows give the same objects, so that importing again adds what is new.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import takewhile
from typing import BinaryIO

from ork.backends.base import write_all
from ork.definition.secrets import hide_secrets, secret_problems
from ork.differences.definitions import summarize
from ork.errors import InvalidInput, some
from ork.failpoints import failpoint
from ork.files import open_append, open_file, remove
from ork.history.compare import compare_deploys
from ork.logs.bytes import put
from ork.logs.reading import PIECE_BYTES
from ork.objects.canonical import Json, Oid
from ork.objects.kinds import Deploy, Log, Packed, Run, Task
from ork.objects.text import split_text
from ork.objects.value import Value, replace
from ork.orkdb.chain import Chain, Executed, Link, Reading
from ork.orkdb.database import Database
from ork.orkdb.names import renamed
from ork.orkdb.outcomes import (
    AUTHOR,
    Finished,
    Place,
    WriteLog,
    deferred_tasks,
    finished,
    run_id,
)
from ork.orkdb.rows import ENDED, WorkflowRow, workflows
from ork.orkdb.schedules import five_fields
from ork.orkdb.versions import Writer
from ork.progress import counted
from ork.store.operations import removed
from ork.store.resolve import former_names, history, next_number, present_name
from ork.store.runs import refs_of
from ork.store.store import Arrival, Stamp, Store
from ork.store.verdict import counts_as, recounted

LOG_NAME = "1.log"
SYNCING = 8  # threads that wait for the disk


class LeftOut(Value, frozen=True, kw_only=True):
    """Something of a workflow that did not come over, and why."""

    workflow: str  # as it is called there
    what: str
    reason: str


class ImportedWorkflow(Value, frozen=True, kw_only=True):
    """What an import added to one workflow; nothing if it was up to date."""

    workflow: str
    name: str  # as it is called there
    deploy: Oid | None
    snapshot: Oid | None
    parent: Oid | None  # the head before
    deploys: int
    runs: int


class ImportedDatabase(Value, frozen=True, kw_only=True):
    """The result of an import: what came over, what did not, and what has another name here.

    `renamed` are workflows and, as `WORKFLOW:TASK`, tasks: the old name and the new one.
    """

    database: str
    dry_run: bool
    workflows: tuple[ImportedWorkflow, ...]
    left_out: tuple[LeftOut, ...]
    renamed: tuple[tuple[str, str], ...]

    def cells(self) -> dict[str, object]:
        return {
            "database": self.database,
            "dry_run": "would bring" if self.dry_run else "brought",
            "workflows": some([one.workflow for one in self.workflows], 3) or "nothing",
            "left_out": f"{len(self.left_out)} left out" if self.left_out else None,
        }


def import_database(
    store: Store,
    database: Database,
    *,
    stamp: Stamp,
    rename: Mapping[str, str] = {},
    unfinished: bool = False,
    allow_secret: bool = False,
    dry_run: bool = False,
) -> ImportedDatabase:
    """Take in all workflows of a database of the original; with `dry_run` only say what that does.

    A workflow that has here a history of its own is left out, as is one that has what looks like a
    key, unless `allow_secret`. Runs that have not ended are left out, or with `unfinished` taken as
    interrupted.
    """
    importing = _Importing(store, database, dry_run=dry_run)
    names = names_of(database, rename)
    found = [row for row in workflows(database) if row.id]
    for row in sorted(found, key=lambda one: names[one.name]):
        name = present_name(store, names[row.name])
        line = importing.line(row, name, unfinished, allow_secret)
        if line is not None:
            importing.lines.append(line)
    importing.write(stamp)
    changed = [line for line in importing.lines if line.added or line.runs]
    return ImportedDatabase(
        database=database.name,
        dry_run=dry_run,
        workflows=tuple(line.told() for line in importing.lines),
        left_out=tuple(importing.left_out),
        renamed=tuple(pair for line in changed for pair in line.renamed()),
    )


def names_of(database: Database, rename: Mapping[str, str]) -> dict[str, str]:
    """Return what each workflow is called there, and here; raise UsageError where that clashes."""
    return renamed((row.name for row in workflows(database) if row.id), rename)


@dataclass(slots=True)
class _Line:
    """What is to be added to one workflow."""

    row: WorkflowRow
    name: str
    old: Oid | None  # its head before
    head: Oid | None
    chain: Chain
    deploys: list[Oid] = field(default_factory=list)  # of each link, as far as it comes over
    runs: list[Executed] = field(default_factory=list)
    added: int = 0
    snapshot: Oid | None = None

    def told(self) -> ImportedWorkflow:
        """Return what is told of it."""
        return ImportedWorkflow(
            workflow=self.name,
            name=self.row.name,
            deploy=self.head,
            snapshot=self.snapshot,
            parent=self.old,
            deploys=self.added,
            runs=len(self.runs),
        )

    def renamed(self) -> list[tuple[str, str]]:
        """Return what has another name here: the workflow, and tasks."""
        names = [(self.row.name, self.name)]
        pairs = {pair for link in self.chain.links for pair in link.version.names.items()}
        names += [(f"{self.name}:{old}", f"{self.name}:{new}") for old, new in sorted(pairs)]
        return [(old, new) for old, new in names if old != new]


class _Importing:
    def __init__(self, store: Store, database: Database, *, dry_run: bool) -> None:
        self._store, self._database, self._dry_run = store, database, dry_run
        self.lines: list[_Line] = []
        self.left_out: list[LeftOut] = []
        self._told: set[LeftOut] = set()
        self._removed = removed(store)
        self._objects: dict[Oid, bytes] = {}  # of deploys; those of runs are too many
        self._logs: list[tuple[str, str]] = []  # workflow and run; not safe on the disk yet

    def line(
        self, row: WorkflowRow, name: str, unfinished: bool, allow_secret: bool
    ) -> _Line | None:
        """Return what is to be added to a workflow, None where it is left out."""

        def tell(what: str, reason: str) -> None:
            self._leave(row, what, reason)

        settings = self._settings(row)
        chain = Reading(self._database, row, Writer(row, name, settings), tell).chain(unfinished)
        if not chain.links:
            told = any(one.workflow == row.name for one in self.left_out)
            tell("the workflow", "nothing of it is left" if told else "it has no tasks")
            return None
        head = self._store.ref(f"workflows/{name}")
        line = _Line(row=row, name=name, old=head, head=head, chain=chain)
        try:
            self._take_deploys(line, settings, allow_secret)
        except InvalidInput as error:
            tell("the workflow", error.message)
            return None
        self._take_runs(line)
        return line

    def write(self, stamp: Stamp) -> None:
        """Write everything, or nothing; without a store to write to, only find what is left out."""
        refs: dict[str, tuple[Oid | None, Oid | None]] = {}
        counts: dict[Oid, Counter[str]] = {}
        last: dict[Oid, int] = {}
        written: set[Oid] = set()

        def objects() -> Iterator[tuple[Oid, bytes]]:
            for oid, data in self._objects.items():
                written.add(oid)
                yield oid, data
            runs = sum(len(line.runs) for line in self.lines)
            for run in counted("reading runs", self._finished(), runs):
                for oid, data in run.objects.items():
                    if oid not in self._store.forgotten:
                        written.add(oid)
                        yield oid, data
                refs.update(dict.fromkeys(refs_of(run.run), (None, run.oid)))
                deploy = run.run.deploy
                assert deploy is not None
                word = counts_as(self._store, run.run, run.states)
                counts.setdefault(deploy, Counter())[word] += 1
                last[deploy] = max(last.get(deploy, 0), run.run.number)

        if self._dry_run:
            for _ in objects():
                pass
            return
        heads = {
            f"workflows/{line.name}": (line.old, line.head)
            for line in self.lines
            if line.head != line.old
        }
        if not heads and not any(line.runs for line in self.lines):
            return
        write_all(self._store.backend, objects(), between=lambda: failpoint("orkdb.batch"))
        failpoint("orkdb.objects")
        self._sync_logs()
        failpoint("orkdb.logs")

        def again(_: Oid) -> None:
            write_all(self._store.backend, objects())

        with Arrival(self._store, stamp, written | counts.keys(), again) as tx:
            tx.moves |= {**refs, **heads}
            for deploy, states in counts.items():
                known = dict(self._store.refs(f"tally/{deploy}/"))
                tx.moves |= recounted(deploy, known, states, last[deploy])
        failpoint("orkdb.written")

    def _settings(self, row: WorkflowRow) -> dict[str, Json]:
        """Return what steers a workflow but is not part of its tasks."""
        settings: dict[str, Json] = {}
        if row.description:
            settings["description"] = row.description
        if row.schedule and not row.schedule_enabled:
            self._leave(row, f"the schedule {row.schedule!r}", "it is switched off there")
        elif row.schedule:
            try:
                settings["schedule"] = five_fields(row.schedule)
            except ValueError as error:
                self._leave(row, f"the schedule {row.schedule!r}", str(error))
        return settings

    def _take_deploys(self, line: _Line, settings: Mapping[str, Json], allow_secret: bool) -> None:
        """Append to a line the deploys that its workflow lacks; raise InvalidInput for a clash."""
        before = list(history(self._store, line.name))[::-1] if line.old else []
        imported = list(takewhile(lambda one: one[1].is_without_code, before))
        known = _changes(imported)
        self._compare(line, before, known)
        line.deploys = [oid for oid, _ in known[: len(line.chain.links)]]
        fresh = line.chain.links[len(known) :]
        own = len(before) > len(imported)
        newest = before[-1][1] if before else None
        line.snapshot = newest.snapshot if newest else None
        if own:
            for link in fresh:
                day = f"{link.time:%Y-%m-%d %H:%M}"
                self._leave(line.row, f"the version of {day}", "here there are newer deploys")
            return
        if not allow_secret:
            _refuse_secrets(line.name, fresh)
        for link in fresh:
            newest = self._append(line, newest, link, settings)
        if newest and len(known) <= len(line.chain.links) and newest.settings != settings:
            time = max(newest.time, line.row.updated or newest.time)
            last = line.chain.links[-1]
            if newest.snapshot == last.snapshot:
                self._append(line, newest, replace(last, time=time), settings, more=False)

    def _compare(
        self,
        line: _Line,
        before: Sequence[tuple[Oid, Deploy]],
        known: Sequence[tuple[Oid, Deploy]],
    ) -> None:
        """Raise InvalidInput unless what is here is the begin of the chain, or all of it."""
        if before and not known:
            raise InvalidInput(f"here {line.name} has a history of its own: --rename helps")
        for number, ((_, deploy), link) in enumerate(zip(known, line.chain.links, strict=False), 1):
            if not self._is_same(deploy, link):
                raise InvalidInput(
                    f"version {number}, of {link.time:%Y-%m-%d %H:%M}, is not what {line.name} has"
                    " here: it is of another database, or older rows appeared since the last"
                    " import (--rename takes it in by another name)"
                )

    def _is_same(self, deploy: Deploy, link: Link) -> bool:
        """Say whether a deploy has this version, but for types that a run did not keep."""
        if deploy.snapshot == link.snapshot:
            return True
        there = self._store.get_all(Task, self._store.snapshot(deploy.snapshot).tasks)
        here = link.version.definition.tasks
        return there.keys() == here.keys() and all(
            task == here[name] or (_bare(task) == _bare(here[name]) in (task, here[name]))
            for name, task in there.items()
        )

    def _append(
        self,
        line: _Line,
        newest: Deploy | None,
        link: Link,
        settings: Mapping[str, Json],
        *,
        more: bool = True,
    ) -> Deploy:
        for remark in link.version.remarks:
            self._leave(line.row, "a part of its definition", remark)
        objects = Packed(link.version.built.objects)
        source = split_text(f"{line.name}.yaml", link.version.text, objects.add)
        self._keep(objects)
        deploy = Deploy(
            workflow=line.name,
            snapshot=link.snapshot,
            parents=(line.head,) if line.head else (),
            time=max(link.time, newest.time) if newest else link.time,
            author=AUTHOR,
            message="",
            settings=dict(settings),
            source=source,
            action="import",
        )
        deploy = replace(deploy, message=self._message(line, newest, deploy))
        objects = Packed()
        line.head, line.snapshot = objects.add(deploy), link.snapshot
        self._keep(objects)
        line.added += 1
        if more:
            line.deploys.append(line.head)
        return deploy

    def _message(self, line: _Line, newest: Deploy | None, deploy: Deploy) -> str:
        if newest is not None:
            return summarize(compare_deploys(self._store, newest, deploy))
        name = line.name if line.name == line.row.name else repr(line.row.name)
        return f"Import {name} from the database of the original ork"

    def _keep(self, objects: Mapping[Oid, bytes]) -> None:
        self._objects |= objects
        self._store.hold(objects)

    def _take_runs(self, line: _Line) -> None:
        names = (line.name, *former_names(self._store, line.name))
        runs = [next(self._store.refs(f"runs/{name}/", newest_first=True), None) for name in names]
        newest = max((run_id for run_id, _ in filter(None, runs)), default="")
        numbers = tuple(f"numbers/{name}/" for name in names)
        collected = any(name.startswith(numbers) for name in self._removed)
        for one in line.chain.runs:
            what = f"run {(one.row.id or '')[:8]} of {one.created:%Y-%m-%d %H:%M}"
            name = run_id(one.row, one.created)
            there = self._store.refs_at(f"runs/{workflow}/{name}" for workflow in names)
            known = next(iter(there.values()), None)
            if known is None and collected and name < newest:
                self._leave(line.row, what, "`ork gc` has removed older runs here")
            elif one.link >= len(line.deploys):
                self._leave(line.row, what, "what it executed was left out")
            elif known is None:
                line.runs.append(one)
            elif one.row.status in ENDED:
                run = self._store.get(Run, known, keep=False)
                if run.state == "interrupted":
                    reason = f"it came as interrupted, and has ended since: {one.row.status}"
                    self._leave(line.row, what, reason)

    def _finished(self) -> Iterator[Finished]:
        """Yield the runs that are to be added, in the order of their numbers; write their logs."""
        deferred = deferred_tasks(self._database)
        for line in self.lines:
            for number, one in enumerate(line.runs, next_number(self._store, line.name)):

                def tell(what: str, reason: str, row: WorkflowRow = line.row) -> None:
                    self._leave(row, what, reason)

                with self._log(line.name, run_id(one.row, one.created)) as write_log:
                    yield finished(
                        self._database,
                        one.row,
                        one.created,
                        self._place(line, one.link),
                        number,
                        deferred=deferred,
                        write_log=write_log,
                        tell=tell,
                    )

    def _place(self, line: _Line, index: int) -> Place:
        oid = line.deploys[index]
        deploy = self._store.get(Deploy, oid)
        return Place(
            workflow=line.name,
            deploy=oid,
            snapshot=deploy.snapshot,
            tasks=self._store.snapshot(deploy.snapshot).tasks,
            names=line.chain.links[index].version.names,
        )

    @contextmanager
    def _log(self, workflow: str, run: str) -> Iterator[WriteLog | None]:
        """Give what writes the log of a task of a run."""
        if self._dry_run or self._store.folder is None:
            yield None
            return
        log = _RunLog(self._store, workflow, run)
        try:
            yield log.write
        finally:
            is_written = log.close()
        if is_written and self._store.shared:
            log.give()
        elif is_written:
            self._logs.append((workflow, run))

    def _sync_logs(self) -> None:
        """Make all logs safe on the disk, which a disk does for several threads at once."""
        with ThreadPoolExecutor(SYNCING) as pool:
            for _ in pool.map(self._sync_log, self._logs):
                pass
        for line in self.lines if self._logs else ():
            for parts in (("logs", line.name), ("logs",)):
                with self._store.inside(*parts, make=True) as at:
                    os.fsync(at)

    def _sync_log(self, names: tuple[str, str]) -> None:
        with self._store.inside("logs", *names) as at:
            with open_file(LOG_NAME, at=at) as file:
                os.fsync(file.fileno())
            os.fsync(at)

    def _leave(self, row: WorkflowRow, what: str, reason: str) -> None:
        what, reason = hide_secrets(what), hide_secrets(reason)
        one = LeftOut(workflow=row.name, what=what, reason=reason)
        self.left_out += [] if one in self._told else [one]
        self._told.add(one)


class _RunLog:
    """The file with the logs of one run, one task after the other; made when there is something.

    It is not safe on the disk when it is closed: nothing leads to it yet.
    """

    def __init__(self, store: Store, workflow: str, run: str) -> None:
        self._store, self._folders = store, ("logs", workflow, run)
        self._path = f"{workflow}/{run}/{LOG_NAME}"
        self._file: BinaryIO | None = None
        self._kept = ExitStack()
        self._size = 0

    def write(self, data: bytes) -> Log:
        """Append what a task printed."""
        if self._file is None:
            with self._store.inside(*self._folders, make=True) as at:
                with suppress(FileNotFoundError):  # of an import that was stopped
                    os.unlink(LOG_NAME, dir_fd=at)
                file = open(open_append(LOG_NAME, at=at), "wb")  # noqa: SIM115
                self._file = self._kept.enter_context(file)
        self._file.write(data)
        log = Log(path=self._path, offset=self._size, length=len(data))
        self._size += len(data)
        return log

    def close(self) -> bool:
        """Close the file; say whether there is one."""
        self._kept.close()
        return self._file is not None

    def give(self) -> None:
        """Let the store itself have the log, which other machines read; the file goes."""
        *above, run = self._folders
        with self._store.inside(*self._folders) as at, open_file(LOG_NAME, at=at) as file:
            put(self._store, [(self._path, iter(lambda: file.read(PIECE_BYTES), b""))])
        with self._store.inside(*above) as at:
            remove(run, at=at)


def _changes(deploys: Sequence[tuple[Oid, Deploy]]) -> list[tuple[Oid, Deploy]]:
    """Return the deploys that have another snapshot than the one before, oldest first."""
    found: list[tuple[Oid, Deploy]] = []
    for oid, deploy in deploys:
        if not found or found[-1][1].snapshot != deploy.snapshot:
            found.append((oid, deploy))
    return found


def _bare(task: Task) -> Task:
    return replace(task, input_type=None, output_type=None)


def _refuse_secrets(name: str, links: Sequence[Link]) -> None:
    """Raise InvalidInput when a text has what is obviously a key, which would be kept for ever."""
    for link in links:
        if problems := secret_problems(link.version.text, file=f"{name}.yaml"):
            raise InvalidInput(
                f"its version of {link.time:%Y-%m-%d %H:%M} has a secret: {problems[0].message};"
                " --allow-secret takes it in"
            )
