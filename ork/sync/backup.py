"""Copies a whole store into a new folder or file, whole or not at all, while others go on writing.

The refs are read as of one moment, in one short transaction, with the few objects that a run which
goes on is going to replace. All other objects that refs need stay as long as the refs do and never
change, so they are read without a transaction: however long the copy takes, the data file does not
grow because of it. Should gc take one away meanwhile, the copy ends with an error.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from ork.backends.address import ELSEWHERE
from ork.backends.base import object_count, write_all
from ork.errors import Corrupt, InvalidInput, StoreError, UsageError, count
from ork.failpoints import failpoint
from ork.files import new_file, new_folder, open_folder, place_new, remove_abandoned, sync_folder
from ork.objects.canonical import pack
from ork.objects.value import Value, replace
from ork.progress import counted
from ork.runner.record import COPIED, settle
from ork.store import location
from ork.store.runs import newest_pin
from ork.store.store import Store
from ork.sync.bundle import BACKUP, Bundle, Source, open_bundle, pieces
from ork.sync.receive import beside, check_logs, write_logs
from ork.sync.select import logs_of, needed
from ork.upkeep.findings import Finding
from ork.upkeep.fsck import Counts, fsck, inspect, telling

SUFFIX = ".orkbackup"  # of a backup that is a file
_OF_REFS = "E2"  # the codes of findings that a faithful copy shares with its store
_BEGINNING = ".ork-backup.tmp-"
_OF_FILES = (".gz", ".tgz", ".zip", ".tar", ".bz2", ".xz", ".zst", ".7z")
_UNFINISHED = re.escape(_BEGINNING) + "[0-9a-f]{12}"
_FILE = "backup"  # the file, while it is made
_is_ours = re.compile(rf"{_FILE}|\.ork(\.tmp-[0-9a-f]{{12}})?").fullmatch  # what is in one


class BackedUp(Value, frozen=True, kw_only=True):
    """A copy that was made and checked: the store or the file, and how much it holds.

    `errors` is how many refs of it are wrong, as they are in the store itself.
    """

    store: str
    refs: int
    objects: int
    logs: int
    errors: int

    def cells(self) -> dict[str, object]:
        return {
            "store": self.store,
            "refs": count(self.refs, "ref"),
            "objects": count(self.objects, "object"),
            "logs": count(self.logs, "log"),
            "errors": f"{self.errors} wrong" if self.errors else None,
        }


def is_file(target: Path) -> bool:
    """Say whether a backup of this name is one file; else it is a folder."""
    return target.suffix == SUFFIX


def backup(store: Store, target: Path, *, environ: Mapping[str, str]) -> BackedUp:
    """Copy a store into a folder or file that does not exist yet; nothing is ever replaced.

    The copy is checked as by `ork fsck --full` before it gets its name. Raise Corrupt when an
    object that is to be copied is damaged or missing; a ref that is wrong is copied as it is.
    """
    scheme, colon, _ = str(target).partition(":")
    if colon and scheme in ELSEWHERE:
        raise UsageError(
            f"a backup is a file or a folder, not the {scheme}: URL of a store",
            hint="`ork init --store URL --from BACKUP` makes a store elsewhere of a backup",
        )
    target = target.parent.resolve() / target.name
    try:
        with open_folder(target.parent) as at:
            remove_abandoned(_UNFINISHED, at=at, is_ours=lambda names: all(map(_is_ours, names)))
        _check_target(store, target)
        with new_folder(target.parent, _BEGINNING) as unfinished:
            if is_file(target):
                done = _write_file(store, unfinished / _FILE)
                made, place = unfinished / _FILE, target
            else:
                location.create(unfinished / location.NAME)
                done = fill(unfinished / location.NAME, source_of(store), environ=environ)
                made, place = unfinished, target / location.NAME
            failpoint("backup.checked")
            _check_target(store, target)
            sync_folder(unfinished)
            place_new(made, target)
        sync_folder(target.parent)
    except OSError as error:
        raise StoreError(
            f"no copy can be made in {target}: {error.strerror}",
            hint="choose a new name in a folder that is there and has room",
        ) from None
    return replace(done, store=str(place))


def _check_target(store: Store, target: Path) -> None:
    if target.suffix in _OF_FILES:
        raise UsageError(
            f"{target.name} is no name of a folder, and a backup in one file ends with {SUFFIX}",
            hint=f"name it {target.stem.removesuffix('.tar')}{SUFFIX}",
        )
    if store.folder is None:
        raise StoreError("a store in memory has no files to copy")
    if os.path.lexists(target):
        raise InvalidInput(f"{target} is there already", hint="choose a name that is not taken yet")
    if store.folder.resolve() in target.parents:
        raise UsageError(f"{target} is inside the store", hint="choose a place on another disk")


def _write_file(store: Store, file: Path) -> BackedUp:
    begun, source = datetime.now(UTC), source_of(store)
    # When the copy of a run ended; without one a store has the same backup at any time.
    if any(ref.startswith("active/") for ref in source.refs):
        source = source._replace(time=begun)
    with new_file(file, mode=0o600) as out:
        out.writelines(pieces(source, form=BACKUP))
    failpoint("backup.file")
    with open_bundle(str(file), (BACKUP,)) as made:
        size, errors = made.size, check_file(made)
    return BackedUp(
        store=str(file), refs=size.refs, objects=size.objects, logs=size.logs, errors=errors
    )


def check_file(bundle: Bundle) -> int:
    """Check all of a backup in a file as `ork fsck` would; return how many of its refs are wrong.

    Raise InvalidInput or Corrupt for what a backup cannot share with the store that it is of.
    """
    check_logs(bundle)
    return wrong_refs(telling(inspect(beside(bundle, None), depth="default")), "the backup")


def fill(folder: Path, source: Source, *, environ: Mapping[str, str]) -> BackedUp:
    """Fill a new store with what another one has, and check it.

    Runs that went on there have ended here, at the time of the source or now: nobody executes them.
    """
    with location.open_unchecked(folder, environ=environ) as copy:
        object_count = write_all(copy.backend, source.objects)
        failpoint("backup.objects")
        log_count = write_logs(copy, source.logs)
        copy.backend.write({}, {ref: (None, oid) for ref, oid in source.refs.items()})
        with suppress(Corrupt):  # a ref that is wrong is copied as it is
            settle(copy, now=source.time or datetime.now(UTC), why=COPIED)
        copy.tell_anchor(newest_pin(copy))
    checked = fsck(folder, environ=environ, depth="full")
    return BackedUp(
        store=str(folder),
        refs=len(source.refs),
        objects=object_count,
        logs=log_count,
        errors=wrong_refs(checked.findings, "the copy"),
    )


def wrong_refs(found: Iterable[Finding | Counts], what: str) -> int:
    """Return how many refs are wrong in something; raise Corrupt for any other error."""
    errors = [one for one in found if isinstance(one, Finding) and one.level == "error"]
    for finding in errors:
        if not finding.code.startswith(_OF_REFS):
            place = f"object {finding.object}: " if finding.object else ""
            raise Corrupt(f"{what} is not whole: {place}{finding.message}", hint="`ork fsck`")
    return len(errors)


def source_of(store: Store) -> Source:
    """Return all of a store as of one moment; what runs are going to replace is held at hand."""
    with store.backend.frozen() as still:
        # The parts of logs that a store has come as files.
        refs = {ref: oid for ref, oid in still.refs() if not ref.startswith("logs/")}
        then = Store(still)
        active = {oid for ref, oid in refs.items() if ref.startswith(("active/", "stops/"))}
        store.hold({oid: pack(then.raw(oid)) for oid in active})
    how_many = partial(object_count, store.backend)
    objects = counted("copying objects", needed(store, refs), how_many, about=True)
    return Source(refs, objects, logs_of(store, refs))
