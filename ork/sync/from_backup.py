"""Makes a store out of a backup, where there is none: whole or not at all, and checked before.

Whatever has refs, objects and logs can be the source; a backup is a file, or a folder with a store.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from ork.errors import InvalidInput, NotFound, StoreError
from ork.failpoints import failpoint
from ork.files import place_new, sync_folder
from ork.objects.canonical import Oid
from ork.objects.value import replace
from ork.store import location
from ork.sync.backup import BackedUp, fill, moment, wrong_refs
from ork.sync.bundle import BACKUP, Bundle, LogFile, open_bundle
from ork.sync.receive import check_logs
from ork.sync.select import logs_of, needed
from ork.upkeep.fsck import fsck

T = TypeVar("T")


class Source(NamedTuple):
    """What a store is made of: objects as a backend keeps them, each after all that it names."""

    refs: Mapping[str, Oid]
    objects: Iterable[tuple[Oid, bytes]]
    logs: Iterable[LogFile]


def restore(
    backup: Path,
    folder: Path,
    *,
    environ: Mapping[str, str],
    scheme: str = location.DEFAULT,
) -> BackedUp:
    """Make the store `folder` out of a backup, kept as `scheme` says; nothing may be there yet.

    Ids, numbers and operations are those of the backup. Raise NotFound when there is no backup,
    InvalidInput or Corrupt when it is not whole; then nothing was made.
    """
    _check_place(folder)
    with _source(backup, environ) as source, location.begun(folder, scheme) as unfinished:
        done = fill(unfinished, source.refs, source.objects, source.logs, environ=environ)
        failpoint("init.checked")
        sync_folder(unfinished)
        _check_place(folder)
        place_new(unfinished, folder)
    return replace(done, store=str(folder))


def _check_place(folder: Path) -> None:
    if os.path.lexists(folder):
        raise InvalidInput(
            f"{folder} is there already, and a backup never takes the place of a store",
            hint="choose a folder without one, or move it out of the way",
        )


@contextmanager
def _source(backup: Path, environ: Mapping[str, str]) -> Iterator[Source]:
    """Open a backup for the block."""
    if not backup.exists():
        raise NotFound(f"there is no backup {backup}")
    if not backup.is_dir():
        with open_bundle(str(backup), (BACKUP,)) as bundle:
            yield _of_file(bundle)
        return
    inside = backup / location.NAME
    folder = (inside if inside.is_dir() else backup).resolve()
    wrong_refs(fsck(folder, environ=environ, depth="full").findings, str(backup))
    store = location.open_unchecked(folder, environ=environ, readonly=True)
    try:
        refs = moment(store)
        yield Source(refs, needed(store, refs), _read(backup, logs_of(store, refs)))
    finally:
        store.close()


def _of_file(bundle: Bundle) -> Source:
    check_logs(bundle)
    objects = ((oid, bundle.checked(oid)) for oid in bundle.oids())
    logs = (
        LogFile(path, length, _read(bundle.name, bundle.log(path)))
        for path, (_, length) in bundle.logs.items()
    )
    return Source(bundle.refs, _read(bundle.name, objects), logs)


def _read(backup: object, pieces: Iterable[T]) -> Iterator[T]:
    """Yield what is read of a backup; that it cannot be read is no fault of the new store."""
    try:
        yield from pieces
    except OSError as error:
        raise StoreError(f"{backup} cannot be read: {error.strerror}") from None
