"""The Python interface: `open` returns a Project, and what needs no open store is a function."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import ork.heads.undo
from ork.backends.address import is_url, parse_url
from ork.errors import Ambiguous as Ambiguous
from ork.errors import Conflict as Conflict
from ork.errors import Corrupt as Corrupt
from ork.errors import InvalidInput as InvalidInput
from ork.errors import NotFound as NotFound
from ork.errors import OrkError as OrkError
from ork.errors import StoreError as StoreError
from ork.errors import UsageError as UsageError
from ork.params.arguments import checked
from ork.project import OrkWarning as OrkWarning
from ork.project import Project as Project
from ork.project import RunFailed as RunFailed
from ork.project import stamp_of
from ork.runner.choices import Selection as Selection
from ork.runner.loop import Control as Control
from ork.runner.start import Options as Options
from ork.store import location
from ork.worktree.load import check as check
from ork.zone import now_here

if TYPE_CHECKING:
    from ork.sync.backup import BackedUp
    from ork.sync.clone import Cloned
    from ork.upkeep.forget import Forgotten
    from ork.upkeep.fsck import Examined
    from ork.upkeep.prune import Repacked
    from ork.upkeep.repair import Repaired


@checked
def open(
    path: str | Path = ".", *, create: bool = False, at_op: str | None = None, store: str = "lmdb:"
) -> Project:
    """Return the project of a folder that has a store, `.ork`, or of the nearest folder above.

    `path` may be the URL of a store as well. With `create` one is made in that folder, which need
    not be there, or where the URL says, when there is none; `store` is the URL of where its data
    are to be, "lmdb:" in there. Else NotFound is raised. With `at_op` its heads and tags are those
    right after that operation, and it can only be read.

    >>> with ork.open() as project:
    ...     print(project.runs("etl")[-1].run.state)
    success
    """
    environ = _environ(path)
    folder = _found(path)
    if create:
        folder = folder or Path(path).resolve() / location.NAME
        if not location.is_there(folder, environ=environ):
            address = parse_url(store, base=Path.cwd())
            with suppress(OSError):  # making the store says what is in the way
                folder.parent.mkdir(parents=True, exist_ok=True)
            location.make(folder, environ=environ, address=address)
    elif folder is None:
        raise NotFound(f"no ork store in {Path(path)} or above", hint="pass create=True")
    opened = location.open_store(folder, environ=environ)
    if at_op is None:
        return Project(opened)
    try:
        return Project(ork.heads.undo.at_operation(opened, at_op, now=now_here()))
    except OrkError:
        opened.close()
        raise


@checked
def fsck(
    path: str | Path = ".", *, depth: Literal["quick", "default", "full"] = "default"
) -> Examined:
    """Check the store of a folder without opening it here; it is whole if `errors` is 0.

    >>> ork.fsck().errors
    0
    """
    from ork.upkeep.fsck import fsck

    return fsck(_folder(path), environ=os.environ, depth=depth)


@checked
def repair(path: str | Path = ".") -> Repaired:
    """Repair the store of a folder, which no process may have open; nothing is deleted.

    >>> ork.repair().after.findings
    ()
    """
    from ork.upkeep.repair import repair

    return repair(_folder(path), environ=os.environ, now=now_here())


@checked
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

    >>> [found.name for found in ork.forget(text="loading").found if found.where == "file"]
    ['load.sh']
    """
    from ork.upkeep.forget import forget

    return forget(
        _folder(path),
        environ=os.environ,
        stamp=stamp_of(author, "forget", *objects, of="ork"),
        text=text,
        objects=objects,
        reason=reason,
        yes=yes,
    )


@checked
def repack(path: str | Path = ".") -> Repacked:
    """Write the data file of a folder's store anew, so that what is free in it is given back.

    No process may have the store open.

    >>> ork.repack().done
    True
    """
    from ork.upkeep.prune import repack

    return repack(_folder(path), environ=os.environ)


@checked
def restore_backup(source: str | Path, folder: str | Path = ".") -> BackedUp:
    """Make the store of a folder that has none out of a backup, with the same ids and numbers.

    >>> ork.restore_backup("../etl.orkbackup", "../restored").errors
    0
    """
    from ork.sync.from_backup import restore

    return restore(source, Path(folder).resolve() / ".ork", environ=os.environ)


@checked
def clone(
    source: str | Path, target: str | Path, *, store: str = "lmdb", author: str | None = None
) -> Cloned:
    """Make a new store of another one: workflows, tags, runs and logs; both are folders or URLs.

    `store` is how it is kept in a folder: "lmdb" or "sqlite".

    >>> ork.clone(".", "../copy").store
    '.../copy/.ork'
    """
    from ork.sync.clone import clone

    return clone(
        str(source),
        str(target),
        scheme=store,
        start=Path.cwd(),
        environ=os.environ,
        stamp=stamp_of(author, "clone", str(source), str(target), of="ork"),
    )


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
