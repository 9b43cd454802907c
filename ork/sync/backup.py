"""Copies a whole store into a new folder, whole or not at all, while others go on writing.

The refs are read as of one moment, in one short transaction, with the few objects that a run which
goes on is going to replace. All other objects that refs need stay as long as the refs do and never
change, so they are read without a transaction: however long the copy takes, the data file does not
grow because of it. Should gc take one away meanwhile, the copy ends with an error.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from ork.backends.base import Backend
from ork.errors import Corrupt, InvalidInput, StoreError, UsageError
from ork.failpoints import failpoint
from ork.files import new_file, new_folder, open_folder, remove_abandoned, sync_folder
from ork.objects.canonical import Oid
from ork.objects.kinds import Run
from ork.objects.value import Value, replace
from ork.store import location
from ork.store.store import Store
from ork.sync.bundle import LogFile
from ork.sync.select import logs_of, needed
from ork.upkeep.fsck import fsck

BATCH_BYTES = 16 << 20  # of objects that are written together
BATCH_OBJECTS = 4096
_OF_REFS = "E2"  # the codes of findings that a faithful copy shares with its store
_BEGINNING = ".ork-backup.tmp-"
_UNFINISHED = re.compile(re.escape(_BEGINNING) + "[0-9a-f]{12}")


class BackedUp(Value, frozen=True, kw_only=True):
    """A copy that was made and checked: the store in it, and how much it holds.

    `errors` is how many refs of it are wrong, as they are in the store itself.
    """

    store: str
    refs: int
    objects: int
    logs: int
    errors: int


def backup(store: Store, target: Path, *, environ: Mapping[str, str]) -> BackedUp:
    """Copy a store into a folder that does not exist yet; what lies there is never replaced.

    The copy is checked as by `ork fsck --full` before it gets its name. Raise Corrupt when an
    object that is to be copied is damaged or missing; a ref that is wrong is copied as it is.
    """
    target = target.parent.resolve() / target.name
    _check_target(store, target)
    try:
        with open_folder(target.parent) as at:
            remove_abandoned(_UNFINISHED, at=at, is_ours={location.NAME}.issuperset)
        with new_folder(target.parent, _BEGINNING) as unfinished:
            done = _copy(store, unfinished / location.NAME, environ)
            failpoint("backup.checked")
            _check_target(store, target)
            sync_folder(unfinished)
            unfinished.rename(target)
        sync_folder(target.parent)
    except OSError as error:
        raise StoreError(
            f"no copy can be made in {target}: {error.strerror}",
            hint="name a new folder in a folder that is there and has room",
        ) from None
    return replace(done, store=str(target / location.NAME))


def _check_target(store: Store, target: Path) -> None:
    if store.folder is None:
        raise StoreError("a store in memory has no files to copy")
    if os.path.lexists(target):
        raise InvalidInput(f"{target} is there already", hint="name a folder that is not there yet")
    if store.folder.resolve() in target.parents:
        raise UsageError(f"{target} is inside the store", hint="name a folder on another disk")


def _copy(store: Store, folder: Path, environ: Mapping[str, str]) -> BackedUp:
    """Fill a new store, and check it."""
    location.create(folder)
    copy = Store(location.open_backend(folder, environ=environ), folder=folder)
    try:
        refs = _moment(store)
        objects = _write_objects(copy.backend, needed(store, refs))
        failpoint("backup.objects")
        logs = _write_logs(copy, logs_of(store, refs))
        copy.backend.write({}, {ref: (None, oid) for ref, oid in refs.items()})
        _tell_anchor(copy, refs)
    finally:
        copy.close()
    checked = fsck(folder, environ=environ, depth="full")
    errors = [finding for finding in checked.findings if finding.level == "error"]
    for finding in errors:
        if not finding.code.startswith(_OF_REFS):
            raise Corrupt(f"the copy is not whole: {finding.message}", hint="`ork fsck`")
    return BackedUp(
        store=str(folder), refs=len(refs), objects=objects, logs=logs, errors=len(errors)
    )


def _moment(store: Store) -> dict[str, Oid]:
    """Return all refs as of one moment; what runs are going to replace is held at hand."""
    with store.backend.frozen() as still:
        refs = dict(still.refs())
        moment = Store(still)
        active = {oid for ref, oid in refs.items() if ref.startswith("active/")}
        store.hold({oid: moment.raw(oid) for oid in active})
    return refs


def _write_objects(backend: Backend, objects: Iterable[tuple[Oid, bytes]]) -> int:
    batch: dict[Oid, bytes] = {}
    size = count = 0
    for oid, stored in objects:
        if batch and (size + len(stored) > BATCH_BYTES or len(batch) >= BATCH_OBJECTS):
            backend.write(batch, {})
            batch, size = {}, 0
        batch[oid] = stored
        size += len(stored)
        count += 1
    backend.write(batch, {})
    return count


def _write_logs(copy: Store, logs: Iterable[LogFile]) -> int:
    count = 0
    for count, log in enumerate(logs, 1):  # noqa: B007
        *folders, name = log.path.split("/")
        with (
            copy.inside("logs", *folders, make=True) as at,
            new_file(name, at=at, mode=0o600) as file,
        ):
            file.writelines(log.pieces)
    return count


def _tell_anchor(copy: Store, refs: Mapping[str, Oid]) -> None:
    runs = (ref for ref in refs if ref.startswith("runs/"))
    newest = max(runs, key=lambda ref: ref.rpartition("/")[2], default=None)
    pin = None
    if newest is not None:
        run = copy.get(Run, refs[newest])
        pin = f"numbers/{run.workflow}/{run.number:010d}"
    copy.tell_anchor(pin)
