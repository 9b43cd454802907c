"""The Python interface: one call for everything that a command does.

The commands pass the moment and the author explicitly; here both have defaults. A `store` comes
from `open` and is closed with `store.close()`. Every function raises the errors of `ork.errors`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from ork.core.canonical import Json
from ork.core.objects import Run
from ork.errors import NotFound
from ork.runner.api import Caller, Options, start
from ork.runner.api import retry as retry_run
from ork.runner.cancel import cancel as cancel_run
from ork.runner.events import Event
from ork.runner.loop import Control
from ork.store import compare, contents, history, place
from ork.store import deploy as deploying
from ork.store.compare import Comparison
from ork.store.contents import Definition, RunDetails
from ork.store.deploy import Deployed, FileStatus
from ork.store.history import LogEntry, RunEntry
from ork.store.origin import author as author_of
from ork.store.resolve import Resolved
from ork.store.resolve import resolve as resolve_at
from ork.store.store import Stamp, Store


def open(path: str | Path = ".", *, create: bool = False) -> Store:
    """Return the store of a folder: its `.ork`, or that of the nearest folder above.

    With `create` one is made in that folder when there is none; else NotFound is raised.
    """
    start_at = Path(path).resolve()
    folder = place.find(start_at, environ=os.environ)
    if folder is None:
        if not create:
            raise NotFound(f"no ork store in {start_at} or above", hint="pass create=True")
        folder = start_at / ".ork"
        place.create(folder)
    return Store(place.open_backend(folder, environ=os.environ), folder=folder.resolve())


def deploy(
    store: Store, path: str | Path, *, message: str | None = None, author: str | None = None,
    allow_secret: bool = False,
) -> Deployed:  # fmt: skip
    """Deploy a workflow file; `changed` of the result is False when there was nothing to do.

    Raises InvalidInput when it has what is obviously a key, unless `allow_secret`.
    """
    return deploying.deploy(store, Path(path), stamp=_stamp(author), message=message,
                            allow_secret=allow_secret)  # fmt: skip


def status(store: Store, folder: str | Path = ".") -> list[FileStatus]:
    """Return how the workflow files of the project stand to what is deployed."""
    return list(deploying.status(store, Path(folder)))


def resolve(store: Store, revision: str) -> Resolved:
    """Return what a revision means: "etl~1", "etl@v1", "etl#57", an oid, "file:PATH"..."""
    return resolve_at(store, revision, now=_now())


def log(
    store: Store, revision: str | None = None, *, limit: int | None = None,
    since: datetime | None = None, until: datetime | None = None, author: str | None = None,
    grep: str | None = None, reverse: bool = False, with_diff: bool = False,
) -> Iterator[LogEntry]:  # fmt: skip
    """Yield deploys, newest first, with how their runs went; see `ork.store.history.log`."""
    return history.log(
        store, revision, now=_now(), limit=limit, since=since, until=until, author=author,
        grep=grep, reverse=reverse, with_diff=with_diff,
    )  # fmt: skip


def diff(store: Store, old: str, new: str, *, rename: bool = True) -> Comparison:
    """Compare two revisions; the `diff` of the result is false when nothing differs."""
    return compare.diff(store, old, new, now=_now(), rename=rename)


def runs(
    store: Store, workflow: str | None = None, *, limit: int | None = None,
    states: tuple[str, ...] = (),
) -> Iterator[RunEntry]:  # fmt: skip
    """Yield runs, newest first: of one workflow or of all; `states` such as ("failed",)."""
    return history.runs(store, workflow, limit=limit, states=states)


def show(store: Store, revision: str) -> Definition | RunDetails:
    """Return a whole definition, or for a run everything that became of it, values included."""
    found = resolve(store, revision)
    if found.kind == "run":
        oid, run = contents.find_run(store, found)
        return contents.run_details(store, oid, run)
    return contents.definition(store, found)


def run(
    store: Store, what: str | Path, *, options: Options | None = None, message: str | None = None,
    author: str | None = None, control: Control | None = None, no_deploy: bool = False,
    with_code: str | None = None, allow_secret: bool = False,
) -> Iterator[Event]:  # fmt: skip
    """Run a workflow file or a revision; yield what happens, each thing after it is recorded.

    A file is deployed first if it differs from its head, unless `no_deploy`. Closing the iterator,
    or `control.stop()` from another thread or a signal handler, stops the run and records it as
    cancelled. See `ork.runner.api.start`.
    """
    return start(store, str(what), options=options, caller=_caller(author, control),
                 message=message, no_deploy=no_deploy, with_code=with_code,
                 allow_secret=allow_secret).events  # fmt: skip


def retry(
    store: Store, what: str, *, options: Options | None = None, latest: bool = False,
    author: str | None = None, control: Control | None = None,
) -> Iterator[Event]:  # fmt: skip
    """Go on with a run that has ended: what succeeded is kept, everything else runs again."""
    return retry_run(store, what, options=options, latest=latest,
                     caller=_caller(author, control)).events  # fmt: skip


def cancel(store: Store, what: str, *, now: bool = False) -> Run:
    """Ask the process that runs a run to stop it, with `now` at once; return at once."""
    return cancel_run(store, resolve(store, what), now=now)


def outputs(store: Store, what: str) -> dict[str, Json]:
    """Return the outputs of a run: task name -> value, of all tasks that gave one."""
    return contents.outputs(store, resolve(store, what))


def _now() -> datetime:
    return datetime.now().astimezone()


def _stamp(author: str | None) -> Stamp:
    return Stamp(time=_now(), author=author or author_of(os.environ, Path.cwd()), argv=("python",))


def _caller(author: str | None, control: Control | None) -> Caller:
    return Caller(stamp=_stamp(author), now=_now(), control=control)
