"""Makes a store out of a backup, where there is none: whole or not at all, and checked before.

Whatever has refs, objects and logs can be the source: a file, a folder with a store, a store that a
URL names.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from ork.backends.address import DEFAULT, Address, is_url, public
from ork.errors import InvalidInput, NotFound
from ork.failpoints import failpoint
from ork.files import remove, replace_file
from ork.objects.value import replace
from ork.store import location
from ork.sync.backup import BackedUp, fill, source_of, wrong_refs
from ork.sync.bundle import BACKUP, Bundle, LogFile, Source, open_bundle
from ork.sync.receive import check_logs
from ork.sync.select import reading
from ork.upkeep.fsck import fsck


def restore(
    backup: str | Path,
    folder: Path,
    *,
    environ: Mapping[str, str],
    address: Address | None = None,
) -> BackedUp:
    """Make the store `folder` out of a backup or another store, kept as `address` says.

    There may be nothing yet, not even its project, or an empty store in a place elsewhere. Ids,
    numbers and operations are those of the backup. Raise NotFound when there is none, InvalidInput
    or Corrupt when it is not whole; then nothing was made, or what is elsewhere is still empty.
    """
    with _source(str(backup), environ) as source, _project_of(folder):
        if (address and address.at) or location.elsewhere(folder, environ=environ):
            if address and os.path.lexists(folder):
                location.refuse_other(folder, address, environ=environ)
            if address and isinstance(address.at, str):  # with a password, which no file keeps
                environ = {**environ, "ORK_STORE": address.at}
            with _forgotten_on_error(folder):
                location.make(folder, environ=environ, address=address)
                _check_empty(folder, environ)
                return fill(folder, source, environ=environ)
        taken = InvalidInput(
            f"{folder} is there already, and a backup never takes the place of a store",
            hint="choose a folder without one, or move it out of the way",
        )
        scheme = address.scheme if address else DEFAULT
        with location.new_store(folder, scheme, taken) as unfinished:
            done = fill(unfinished, source, environ=environ)
            failpoint("init.checked")
    return replace(done, store=str(folder))


@contextmanager
def _project_of(folder: Path) -> Iterator[None]:
    """Make the folder of a project, and those above it, which go again on an error."""
    new = [one for one in folder.parents if not one.exists()]
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise location.not_made(folder, error) from None
    try:
        yield
    except BaseException:
        with suppress(OSError):
            for one in new:
                one.rmdir()
        raise


@contextmanager
def _forgotten_on_error(folder: Path) -> Iterator[None]:
    """Let no folder remember a place elsewhere which has not become its store."""
    is_new, path = not os.path.lexists(folder), folder / location.CONFIGURATION
    before = path.read_bytes() if path.exists() else b""
    try:
        yield
    except BaseException:
        if is_new:
            remove(folder)
        elif path.exists() and path.read_bytes() != before:
            replace_file(path, [before])
        raise


def _check_empty(folder: Path, environ: Mapping[str, str]) -> None:
    with location.open_unchecked(folder, environ=environ) as store:
        if next(store.refs(""), None) is not None:
            place = location.elsewhere(folder, environ=environ)
            raise InvalidInput(
                f"there is a store in {place} already, and a backup never takes its place",
                hint="choose another place; `ork push` brings to a store what it lacks",
            )


@contextmanager
def _source(backup: str, environ: Mapping[str, str]) -> Iterator[Source]:
    """Open a backup, or another store, for the block."""
    if is_url(backup):
        environ = {**environ, "ORK_STORE": backup}
        folder = location.of_url(backup, environ=environ)
    elif not Path(backup).exists():
        raise NotFound(f"there is no backup {backup}")
    elif not Path(backup).is_dir():
        with open_bundle(backup, (BACKUP,)) as bundle:
            yield _of_file(bundle)
        return
    else:
        inside = Path(backup, location.NAME)
        folder = (inside if inside.is_dir() else Path(backup)).resolve()
        environ = {name: value for name, value in environ.items() if name != "ORK_STORE"}
    name = public(backup)
    wrong_refs(fsck(folder, environ=environ, depth="full").findings, name)
    with location.open_unchecked(folder, environ=environ, readonly=True) as store:
        source = source_of(store)
        yield source._replace(logs=reading(name, source.logs))


def _of_file(bundle: Bundle) -> Source:
    check_logs(bundle)
    objects = ((oid, bundle.checked(oid)) for oid in bundle.oids())
    logs = (
        LogFile(path, length, reading(bundle.name, bundle.log(path)))
        for path, (_, length) in bundle.logs.items()
    )
    return Source(bundle.refs, reading(bundle.name, objects), logs, bundle.time)
