"""The Python interface: one function for each command.

The commands pass the moment and the author explicitly; here both have defaults. A `store` comes
from `open` and is closed with `store.close()`. Every function raises the errors of `ork.errors`.
`ork` offers what its `__all__` lists: the functions below and the classes they are called with.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import ork.bisection
import ork.heads.deploy
import ork.heads.rollback
import ork.heads.tags
import ork.heads.undo
import ork.history.blame
import ork.history.compare
import ork.history.compare_runs
import ork.history.details
import ork.history.log
import ork.runner.record
import ork.runner.start
import ork.store.contents
import ork.store.operations
import ork.store.resolve
import ork.store.runs
import ork.worktree.restore
from ork.backends.address import is_url, parse_url, public
from ork.bisection import Judge, Question, Step
from ork.differences.impact import Impact
from ork.errors import Ambiguous as Ambiguous
from ork.errors import Conflict as Conflict
from ork.errors import Corrupt as Corrupt
from ork.errors import InvalidInput as InvalidInput
from ork.errors import NotFound as NotFound
from ork.errors import OrkError as OrkError
from ork.errors import StoreError
from ork.heads.deploy import Deployed, FileStatus
from ork.heads.rollback import RolledBack
from ork.heads.tags import Tag, Tagged
from ork.heads.undo import Undone
from ork.history.blame import Blame
from ork.history.compare import Comparison
from ork.history.compare_runs import RunDiff
from ork.history.details import RunDetails
from ork.history.log import LogEntry
from ork.objects.canonical import Json, Oid
from ork.objects.kinds import Operation, Run
from ork.runner.choices import Selection as Selection
from ork.runner.events import Event
from ork.runner.loop import Control as Control
from ork.runner.start import Caller
from ork.runner.start import Options as Options
from ork.store import location
from ork.store.contents import SnapshotDetails
from ork.store.resolve import Resolved
from ork.store.runs import RunEntry
from ork.store.store import Stamp as Stamp
from ork.store.store import Store as Store
from ork.worktree.load import check as check
from ork.worktree.lookup import look_up
from ork.worktree.origin import author as author_of
from ork.worktree.restore import Restored
from ork.zone import now_here

if TYPE_CHECKING:
    from ork.daemon.fires import Listed
    from ork.daemon.pauses import Paused, Resumed
    from ork.daemon.queue import Queued
    from ork.git.from_git import Imported
    from ork.git.to_git import Exported
    from ork.orkdb.importing import ImportedDatabase
    from ork.sync.backup import BackedUp
    from ork.sync.clone import Cloned
    from ork.sync.receive import Received
    from ork.sync.select import Created
    from ork.sync.transfer import Direction, Transferred
    from ork.upkeep.forget import Forgotten
    from ork.upkeep.fsck import Checked, Depth
    from ork.upkeep.prune import Pruned, Repacked
    from ork.upkeep.repair import Repaired


def open(
    path: str | Path = ".", *, create: bool = False, at_op: str | None = None, store: str = "lmdb:"
) -> Store:
    """Return the store of a folder: its `.ork`, or that of the nearest folder above.

    `path` may be the URL of a store as well. With `create` one is made in that folder, or where the
    URL says, when there is none; `store` is the URL of where its data are to be, "lmdb:" in there.
    Else NotFound is raised. With `at_op` its heads and tags are those right after that operation,
    and it can only be read.
    """
    environ = _environ(path)
    folder = _found(path)
    if create:
        folder = folder or Path(path).resolve() / location.NAME
        if not location.is_there(folder, environ=environ):
            address = parse_url(store, base=Path.cwd())
            location.make(folder, environ=environ, address=address)
    elif folder is None:
        raise NotFound(f"no ork store in {Path(path)} or above", hint="pass create=True")
    opened = location.open_store(folder, environ=environ)
    if at_op is None:
        return opened
    try:
        return ork.heads.undo.at_operation(opened, at_op, now=now_here())
    except OrkError:
        opened.close()
        raise


def fsck(path: str | Path = ".", *, depth: Depth = "default") -> Checked:
    """Check the store of a folder without opening it here; it is whole if `errors` is 0."""
    from ork.upkeep.fsck import fsck

    return fsck(_folder(path), environ=os.environ, depth=depth)


def repair(path: str | Path = ".") -> Repaired:
    """Repair the store of a folder, which no process may have open; nothing is deleted."""
    from ork.upkeep.repair import repair

    return repair(_folder(path), environ=os.environ, now=now_here())


def forget(
    path: str | Path = ".",
    *objects: str,
    text: str | None = None,
    reason: str = "",
    yes: bool = False,
    author: str | None = None,
) -> Forgotten:
    """Say where a text is, or what objects hold, in the store of a folder; with `yes` take it away.

    No process may have the store open.
    """
    from ork.upkeep.forget import forget

    return forget(
        _folder(path),
        environ=os.environ,
        stamp=_stamp(author, "forget", *objects),
        text=text,
        objects=objects,
        reason=reason,
        yes=yes,
    )


def gc(
    store: Store,
    *,
    prune: bool = False,
    keep_runs: int | None = None,
    keep_days: int | None = None,
    keep_logs_days: int | None = None,
    keep_checkouts_days: int | None = None,
    undo_days: int | None = None,
    force: bool = False,
    author: str | None = None,
) -> Pruned:
    """Say what need not stay in a store; with `prune`, remove it, while others work.

    What is None is as the store's own configuration says; else no run and no log goes, and what was
    moved in the last 30 days can be undone.
    """
    from ork.upkeep.keep import chosen
    from ork.upkeep.prune import gc

    keep = chosen(
        store.folder,
        runs=keep_runs,
        days=keep_days,
        logs_days=keep_logs_days,
        checkouts_days=keep_checkouts_days,
        undo_days=undo_days,
    )
    return gc(
        store, keep=keep, now=now_here(), stamp=_stamp(author) if prune else None, force=force
    )


def repack(path: str | Path = ".") -> Repacked:
    """Write the data file of a folder's store anew, so that what is free in it is given back.

    No process may have the store open.
    """
    from ork.upkeep.prune import repack

    return repack(_folder(path), environ=os.environ)


def deploy(
    store: Store,
    path: str | Path,
    *,
    message: str | None = None,
    author: str | None = None,
    allow_secret: bool = False,
    move: bool = False,
) -> Deployed:
    """Deploy a workflow file; `changed` of the result is False when the head had its content.

    Raises InvalidInput when it has what is obviously a key, unless `allow_secret`, and when the
    workflow was deployed from another file, unless `move`.
    """
    return ork.heads.deploy.deploy(
        store,
        Path(path),
        stamp=_stamp(author),
        message=message,
        allow_secret=allow_secret,
        move=move,
    )


def status(store: Store, folder: str | Path = ".") -> list[FileStatus]:
    """Return how the workflow files of the project stand to what is deployed."""
    return list(ork.heads.deploy.status(store, Path(folder)))


def resolve(store: Store, revision: str) -> Resolved:
    """Return what a revision means: "etl~1", "etl@v1", "etl#57", an oid, "file:PATH"..."""
    return look_up(store, revision, now=now_here())


def log(
    store: Store,
    revision: str | None = None,
    *,
    limit: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    author: str | None = None,
    grep: str | None = None,
    reverse: bool = False,
    with_diff: bool = False,
    names: Sequence[str] = (),
    follow: bool = False,
) -> Iterator[LogEntry]:
    """Yield deploys, newest first, with how their runs went; see `ork.history.log.log`.

    Of "etl:extract", or with `names` of tasks and code files, only those that changed these.
    """
    return ork.history.log.log(
        store,
        revision,
        now=now_here(),
        limit=limit,
        since=since,
        until=until,
        author=author,
        grep=grep,
        reverse=reverse,
        with_diff=with_diff,
        names=names,
        follow=follow,
    )


def blame(store: Store, revision: str, *, keys: bool = False) -> Blame:
    """Return which deploy last touched each task and code file, or with `keys` each field.

    Of "etl:extract" it is each field, of "etl:tasks/etl.py" and "etl:" each line.
    """
    return ork.history.blame.blame(store, revision, now=now_here(), keys=keys)


def diff(
    store: Store, old: str, new: str, *, rename: bool = True, tasks: Collection[str] = ()
) -> Comparison:
    """Compare two revisions; the `diff` of the result is false when nothing differs.

    With `tasks`, names of tasks or paths of code files, only what concerns these.
    """
    found = ork.history.compare.diff(store, old, new, now=now_here(), rename=rename)
    return ork.history.compare.narrow(store, found, tasks) if tasks else found


def impact(store: Store, comparison: Comparison) -> Impact:
    """Return which tasks can give other results after a change, and which cannot."""
    return ork.history.compare.impact_of(store, comparison)


def diff_runs(store: Store, old: str, new: str) -> RunDiff:
    """Compare two runs in layers; `first` of the result is the first task at which they part."""
    before, after = resolve(store, old), resolve(store, new)
    return ork.history.compare_runs.diff_runs(store, before, after)


def runs(
    store: Store,
    workflow: str | None = None,
    *,
    limit: int | None = None,
    states: tuple[str, ...] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    containing: str | None = None,
    snapshot: str | None = None,
) -> Iterator[RunEntry]:
    """Yield runs, newest first: of one workflow or of all; `states` such as ("failed",).

    `containing` names a task or code file that they executed, "etl:load", `snapshot` a definition.
    """
    executed = ork.store.runs.wanted(
        store,
        containing=resolve(store, containing) if containing else None,
        snapshot=resolve(store, snapshot) if snapshot else None,
    )
    return ork.store.runs.runs(
        store, workflow, limit=limit, states=states, since=since, until=until, executed=executed
    )


def show(store: Store, revision: str) -> SnapshotDetails | RunDetails:
    """Return a whole definition, or for a run everything that became of it, values included."""
    found = resolve(store, revision)
    if found.kind == "run":
        return ork.history.details.run_details(store, *ork.store.contents.find_run(store, found))
    return ork.store.contents.snapshot_details(store, found)


def run(
    store: Store,
    what: str | Path,
    *,
    options: Options | None = None,
    message: str | None = None,
    author: str | None = None,
    control: Control | None = None,
    no_deploy: bool = False,
    with_code: str | None = None,
    allow_secret: bool = False,
    move: bool = False,
    hooks: bool = True,
) -> Iterator[Event]:
    """Run a workflow file or a revision; yield what happens, each thing after it is recorded.

    A file is deployed first if it differs from its head, unless `no_deploy`. Closing the iterator,
    or `control.stop()` from another thread or a signal handler, stops the run and records it as
    cancelled. Its hook is executed after the last event. See `ork.runner.start.start`.
    """
    caller = _caller(author, control)
    events = ork.runner.start.start(
        store,
        str(what),
        options=options,
        caller=caller,
        message=message,
        no_deploy=no_deploy,
        with_code=with_code,
        allow_secret=allow_secret,
        move=move,
    ).events
    return _with_hooks(store, events, caller) if hooks else events


def retry(
    store: Store,
    what: str,
    *,
    options: Options | None = None,
    latest: bool = False,
    author: str | None = None,
    control: Control | None = None,
    hooks: bool = True,
) -> Iterator[Event]:
    """Go on with a run that has ended: what succeeded is kept, everything else runs again."""
    caller = _caller(author, control)
    started = ork.runner.start.retry(store, what, options=options, latest=latest, caller=caller)
    return _with_hooks(store, started.events, caller) if hooks else started.events


def bisect(
    store: Store,
    workflow: str,
    *,
    good: str | None = None,
    bad: str | None = None,
    options: Options | None = None,
    judge: Judge | None = None,
    author: str | None = None,
    control: Control | None = None,
) -> Iterator[Step]:
    """Find the deploy that made a workflow fail: yield each verdict, and what was found at last.

    Takes recorded outcomes first and runs what is missing. See `ork.bisection.bisect`.
    """
    question = Question(
        options=options or Options(), judge=judge, caller=lambda: _caller(author, control)
    )
    return ork.bisection.bisect(store, workflow, good=good, bad=bad, question=question)


def cancel(store: Store, what: str, *, now: bool = False) -> Run:
    """Ask the process that runs a run to stop it, with `now` at once; return at once."""
    return ork.runner.record.cancel(store, resolve(store, what), now=now)


def schedules(store: Store, workflow: str | None = None) -> list[Listed]:
    """Return the schedules of a workflow, or of all: what is next, the last run, who paused it."""
    from ork.daemon.fires import listed
    from ork.daemon.lines import Lines, lines_of

    if workflow is not None:
        ork.store.resolve.head(store, workflow)
    found = Lines(store).look() if workflow is None else lines_of(store, workflow)
    return listed(store, found, now_here())


def pause(store: Store, workflow: str, *, author: str | None = None) -> Paused:
    """Let no schedule of a workflow fire until it is resumed, or the pause undone."""
    from ork.daemon.pauses import pause

    return pause(store, workflow, stamp=_stamp(author, "schedule", "pause", workflow))


def resume(store: Store, workflow: str, *, author: str | None = None) -> Resumed:
    """Let the schedules of a workflow fire again from now on; what went by is left out."""
    from ork.daemon.pauses import resume

    stamp = _stamp(author, "schedule", "resume", workflow)
    return resume(store, workflow, stamp=stamp, now=now_here())


def queue(
    store: Store,
    what: str | Path,
    *,
    options: Options | None = None,
    message: str | None = None,
    author: str | None = None,
    with_code: str | None = None,
    allow_secret: bool = False,
    move: bool = False,
) -> Queued:
    """Let `ork up` run a workflow file, which is deployed first, or a revision; return at once."""
    from ork.daemon.queue import put

    return put(
        store,
        str(what),
        options=options,
        caller=_caller(author, None),
        message=message,
        with_code=with_code,
        allow_secret=allow_secret,
        move=move,
    )


def queued(store: Store) -> list[Queued]:
    """Return the runs that wait for `ork up`, those that wait longest first."""
    from ork.daemon.queue import waiting

    return waiting(store)


def unqueue(store: Store, waiting: Queued) -> None:
    """Take a run that waits out of the queue; raise Conflict when it has begun, or is gone."""
    from ork.daemon.queue import remove

    remove(store, waiting)


def outputs(store: Store, what: str) -> dict[str, Json]:
    """Return the outputs of a run, or of RUN:TASK: task name -> value, of those that gave one."""
    run, task = ork.store.contents.run_and_task(store, what, now=now_here())
    return ork.store.contents.outputs(store, run, task)


def rollback(
    store: Store,
    workflow: str,
    revision: str | None = None,
    *,
    message: str | None = None,
    author: str | None = None,
) -> RolledBack:
    """Deploy older content again; without a revision the newest that had a good run."""
    stamp = _stamp(author, "rollback", workflow)
    return ork.heads.rollback.rollback(
        store, workflow, revision, message=message, now=now_here(), stamp=stamp
    )


def restore(
    store: Store,
    revision: str,
    *,
    code: bool = False,
    to: str | Path | None = None,
    force: bool = False,
) -> Restored:
    """Write a workflow file, with `code` the files it calls too, back to disk, or to a folder.

    Raises InvalidInput when that would lose changes which are not deployed, unless `force`.
    """
    folder = Path(to) if to else None
    return ork.worktree.restore.restore(
        store, revision, now=now_here(), code=code, force=force, to=folder
    )


def tag(
    store: Store,
    name: str,
    revision: str | None = None,
    *,
    force: bool = False,
    author: str | None = None,
) -> Tagged:
    """Give a label to a deploy: "v1.4", or "etl@v1.4"; `force` moves one that is elsewhere."""
    stamp = _stamp(author, "tag", name)
    return ork.heads.tags.tag(store, name, revision, now=now_here(), force=force, stamp=stamp)


def untag(store: Store, name: str, *, author: str | None = None) -> Tagged:
    """Remove a tag: "etl@v1.4", or "v1.4" when one workflow only has it."""
    return ork.heads.tags.untag(store, name, stamp=_stamp(author, "untag", name))


def tags(store: Store, workflow: str | None = None) -> list[Tag]:
    """Return the tags of a workflow, or of all, sorted."""
    return list(ork.heads.tags.tags(store, workflow))


def operations(store: Store, *, limit: int | None = None) -> Iterator[tuple[Oid, Operation]]:
    """Yield the commands that moved heads and tags, newest first."""
    return ork.store.operations.operations(store, limit=limit)


def undo(
    store: Store,
    operation: str | None = None,
    *,
    redo: bool = False,
    author: str | None = None,
) -> Undone:
    """Move the refs of an operation back to where they were.

    If none is named it is the newest that was not undone; with `redo` the newest undo.
    """
    words = [operation] if operation else ["--redo"] if redo else []
    stamp = _stamp(author, "undo", *words)
    return ork.heads.undo.undo(store, operation, redo=redo, stamp=stamp, now=now_here())


def export_git(
    store: Store,
    destination: str | Path,
    workflow: str | None = None,
    *,
    branch: str = "main",
    update: bool = False,
) -> Exported:
    """Write the history of a workflow as a git repository, or with `update` what is new of it."""
    from ork.git.to_git import export_git, the_workflow

    name = the_workflow(store, workflow)
    return export_git(store, Path(destination), name, branch=branch, update=update)


def import_git(
    store: Store,
    repository: str | Path,
    path: str,
    *,
    branch: str | None = None,
    author: str | None = None,
    allow_secret: bool = False,
) -> Imported:
    """Make deploys of the versions that a git repository has of a workflow file, or of a pattern.

    `skipped` of the result are versions that could not be deployed.
    """
    from ork.git.from_git import import_git

    folder, stamp = Path(repository), _stamp(author)
    return import_git(store, folder, path, branch=branch, stamp=stamp, allow_secret=allow_secret)


def import_ork_db(
    store: Store,
    source: str | Path,
    *,
    rename: Mapping[str, str] = {},
    unfinished: bool = False,
    allow_secret: bool = False,
    dry_run: bool = False,
    author: str | None = None,
) -> ImportedDatabase:
    """Take in a database of the original ork: a file, its folder, or postgresql://USER@HOST/NAME.

    `left_out` of the result is what did not come over, and why; `dry_run` only says all that.
    """
    from ork.orkdb.database import open_database
    from ork.orkdb.importing import import_database

    database = open_database(source)
    try:
        return import_database(
            store,
            database,
            stamp=_stamp(author, "import", "ork-db", public(str(source))),
            rename=rename,
            unfinished=unfinished,
            allow_secret=allow_secret,
            dry_run=dry_run,
        )
    finally:
        database.close()


def backup(store: Store, target: str | Path) -> BackedUp:
    """Copy a whole store into a folder or a file (NAME.orkbackup) that does not exist yet."""
    from ork.sync.backup import backup

    return backup(store, Path(target), environ=os.environ)


def restore_backup(source: str | Path, folder: str | Path = ".") -> BackedUp:
    """Make the store of a folder that has none out of a backup, with the same ids and numbers."""
    from ork.sync.from_backup import restore

    return restore(source, Path(folder).resolve() / ".ork", environ=os.environ)


def clone(
    source: str | Path, target: str | Path, *, store: str = "lmdb", author: str | None = None
) -> Cloned:
    """Make a new store of another one: workflows, tags, runs and logs; both are folders or URLs.

    `store` is how it is kept in a folder: "lmdb" or "sqlite".
    """
    from ork.sync.clone import clone

    return clone(
        str(source),
        str(target),
        scheme=store,
        start=Path.cwd(),
        environ=os.environ,
        stamp=_stamp(author, "clone", public(str(source)), public(str(target))),
    )


def create_bundle(
    store: Store,
    file: str | Path,
    *revisions: str,
    since: tuple[str, ...] = (),
    runs: int | None = 0,
    tags: bool = True,
) -> Created:
    """Write workflows, all if none is named, with what they need into one file for another store.

    `runs` is how many of the newest runs of each come along; None is all of them.
    """
    from ork.sync.select import Wish, create

    wish = Wish(revisions=revisions, all=not revisions, since=since, runs=runs, tags=tags)
    return create(store, wish, Path(file), now=now_here())


def import_bundle(
    store: Store,
    file: str | Path,
    *,
    author: str | None = None,
    force: bool = False,
    runs: bool = True,
    dry_run: bool = False,
) -> Received:
    """Take in what a bundle holds: all of it or nothing; `dry_run` only says what is new."""
    from ork.sync.bundle import open_bundle
    from ork.sync.receive import receive

    stamp = _stamp(author, "import", "bundle", str(file))
    with open_bundle(str(file)) as bundle:
        return receive(bundle, store, stamp=stamp, force=force, runs=runs, dry_run=dry_run)


def _stamp(author: str | None, *words: str) -> Stamp:
    author = author or author_of(os.environ, Path.cwd())
    return Stamp(time=now_here(), author=author, argv=("python", *words))


def _with_hooks(store: Store, events: Iterator[Event], caller: Caller) -> Iterator[Event]:
    from ork.daemon.hooks import with_hooks

    return with_hooks(store, events, caller)


def _caller(author: str | None, control: Control | None) -> Caller:
    return Caller(stamp=_stamp(author), now=now_here(), control=control)


def _folder(path: str | Path) -> Path:
    folder = _found(path)
    if folder is None:
        raise NotFound(f"no ork store in {path} or above")
    return folder.resolve()


def _found(path: str | Path) -> Path | None:
    start_at = Path.cwd() if is_url(str(path)) else Path(path).resolve()
    return location.find(start_at, environ=_environ(path))


def _environ(path: str | Path) -> Mapping[str, str]:
    """Return the environment in which the store is found that a folder or a URL means."""
    return {**os.environ, "ORK_STORE": str(path)} if is_url(str(path)) else os.environ


def push(
    store: Store,
    remote: str | None = None,
    *workflows: str,
    runs: int | None = None,
    tags: bool = True,
    force: bool = False,
    dry_run: bool = False,
    author: str | None = None,
) -> Transferred:
    """Bring to another store, a remote, folder or URL, what it lacks of this one.

    `runs` is how many of the newest of each workflow move; None is all of them.
    """
    words = tuple(filter(None, ("push", remote, *workflows)))
    return _transfer(store, "push", remote, words, workflows, runs, tags, force, dry_run, author)


def pull(
    store: Store,
    remote: str | None = None,
    *workflows: str,
    runs: int | None = None,
    tags: bool = True,
    force: bool = False,
    dry_run: bool = False,
    author: str | None = None,
) -> Transferred:
    """Take from another store, a remote, folder or URL, what this one lacks; see `push`."""
    words = tuple(filter(None, ("pull", remote, *workflows)))
    return _transfer(store, "pull", remote, words, workflows, runs, tags, force, dry_run, author)


def _transfer(
    store: Store,
    direction: Direction,
    remote: str | None,
    words: tuple[str, ...],
    workflows: tuple[str, ...],
    runs: int | None,
    tags: bool,
    force: bool,
    dry_run: bool,
    author: str | None,
) -> Transferred:
    from ork.sync.carrier import Side
    from ork.sync.remotes import opened, place_of
    from ork.sync.transfer import Choice, transfer

    choice = Choice(workflows=workflows, runs=runs, tags=tags)
    name, place = place_of(_folder_of(store), remote, start=Path.cwd())
    with opened(place, name, environ=os.environ) as other:
        here = Side(store, "this store")
        source, target = (here, other) if direction == "push" else (other, here)
        return transfer(
            source,
            target,
            choice,
            direction=direction,
            stamp=_stamp(author, *words),
            force=force,
            dry_run=dry_run,
        )


def remotes(store: Store) -> dict[str, str]:
    """Return the names that a store has for others, and where these are."""
    from ork.sync.remotes import remotes

    return remotes(_folder_of(store))


def add_remote(store: Store, name: str, place: str, *, force: bool = False) -> str:
    """Name another store, a folder or a URL; `force` lets a name lead elsewhere than before."""
    from ork.sync.remotes import add

    return add(_folder_of(store), name, place, start=Path.cwd(), force=force)


def remove_remote(store: Store, name: str) -> str:
    """Take a name away; return where it led."""
    from ork.sync.remotes import remove

    return remove(_folder_of(store), name)


def _folder_of(store: Store) -> Path:
    if store.folder is None:
        raise StoreError("a store in memory has no remotes")
    return store.folder
