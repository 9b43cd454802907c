"""The folder of a store: finds it, makes it, and judges whether it may be trusted.

.ork/config.json    {"backend":"lmdb","format":3}: read before anything else
.ork/.gitignore     `*`, so that no store is ever committed to git
.ork/config.toml    what `ork gc` keeps, if somebody wrote it
.ork/db/            what the backend keeps
.ork/anchor         how far it has come (see `ork.backends.anchor`)
.ork/logs/          plain files, so that `tail -f` works
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Protocol

from ork.backends import anchor
from ork.backends.anchor import Anchor
from ork.backends.base import Backend, Remain, Room
from ork.errors import Corrupt, StoreError, UsageError
from ork.files import (
    new_file,
    new_folder,
    open_folder,
    read_file,
    remove_abandoned,
    sync_folder,
)
from ork.store.operations import operations, removal
from ork.store.store import Store

NAME = ".ork"
DATA = "db"
LOCKS = "locks"
CONFIGURATION = "config.toml"  # written by people; see `ork.upkeep.keep`
UNFINISHED = "forget.tmp-"  # how the name of a folder begins while `ork forget` is at work
FORMAT = 3
_MAKERS = {1: "by ork 0.1", 2: "by an ork that was never released"}
BACKENDS = {"lmdb": "ork.backends.lmdb:Lmdb", "sqlite": "ork.backends.sqlite:Sqlite"}
DEFAULT = "lmdb"
_UNFINISHED = re.compile(r"\.ork\.tmp-[0-9a-f]{12}")
CONFIG = "config.json"
_CONTENT = {".gitignore", "db", "logs", anchor.NAME, CONFIG}
_RENEW = "`ork fsck --repair` writes it anew"
LOST_HINT = "`ork fsck` looks at all of it; `ork fsck --repair` accepts the store as it is"
_CONFIG_BYTES_MAX = 65536
_FOLDERS = ("db", "logs", LOCKS, "work", "quarantine")
_FILES = (CONFIG, CONFIGURATION, ".gitignore", anchor.NAME)


class OnDisk(Protocol):
    """A backend that lies in a folder: its class, imported when it is needed."""

    FILES: tuple[str, ...]  # the names of its files, first that of its data

    def create(self, folder: Path) -> None:
        """Make an empty one in a folder that does not exist yet."""

    def open(self, folder: Path, *, readonly: bool, locks: Path | None = None) -> Backend:
        """Open the one in this folder; `locks` is the folder for its leases."""

    def problems(self, folder: Path, *, every_page: bool) -> list[str]:
        """Say what is wrong with the files in this folder, without opening it."""

    def remains(self, folder: Path) -> Iterator[Remain]:
        """Yield what is left of refs and objects, without trusting the files."""

    def written(self, folder: Path) -> int | None:
        """Return the number of the newest write; None where the files do not tell."""

    def room(self, folder: Path) -> Room:
        """Return how much room the files in this folder take, and how much of that is used."""

    def check_closed(self, folder: Path) -> None:
        """Raise StoreError while any process has the one in this folder open."""

    def swap(self, folder: Path, new: Path, *, keep: Path, sequence: int | None = None) -> None:
        """Put what is in a new folder into the place of what is in this one, which is kept.

        Raise StoreError when that was not done. The names are not safe on the disk yet.
        """


def scheme_of(url: str) -> str:
    """Return the backend that a URL such as `sqlite:` means; raise UsageError for any other."""
    scheme, colon, rest = url.partition(":")
    known = ", ".join(f"{one}:" for one in BACKENDS)
    if not colon or scheme not in BACKENDS:
        raise UsageError(f"{url!r} is no kind of store", hint=f"one of {known}")
    if rest:
        raise UsageError(f"{url!r} has more than {scheme}:", hint="the data lie in .ork/db")
    return scheme


def find(start: Path, *, environ: Mapping[str, str]) -> Path | None:
    """Return the store of a folder: `ORK_DIR`, else the nearest `.ork` here or above.

    The way up ends where the file system does. The store is neither opened nor judged; what
    `ORK_DIR` names may not even exist.
    """
    if chosen := environ.get("ORK_DIR"):
        return start / chosen
    start = start.absolute()
    try:
        device = start.stat().st_dev
        for folder in (start, *start.parents):
            if folder.stat().st_dev != device:
                return None
            if (folder / NAME).is_dir():
                return folder / NAME
    except OSError:
        return None  # what may not be looked into holds no store for us
    return None


def create(folder: Path, scheme: str = DEFAULT) -> None:
    """Make an empty store, whole or not at all, readable by nobody but its owner.

    When another process makes the same one at the same time, one of the two stays: both succeed.
    """
    with begun(folder, scheme) as unfinished:
        try:
            unfinished.rename(folder)
        except OSError:
            if not (folder / CONFIG).is_file():
                raise


@contextmanager
def begun(folder: Path, scheme: str = DEFAULT) -> Iterator[Path]:
    """Make an empty store beside its place, for the block to fill, to close and to rename.

    After the block it is gone, if it was not renamed. What a process that was killed has left of
    one is removed. An OSError in the block is told as a StoreError.
    """
    try:
        with open_folder(folder.parent) as at:
            remove_abandoned(_UNFINISHED, at=at, is_ours=_CONTENT.issuperset)
        with new_folder(folder.parent, f"{NAME}.tmp-") as unfinished:
            _fill(unfinished, scheme)
            yield unfinished
        sync_folder(folder.parent)
    except OSError as error:
        raise StoreError(
            f"no store can be made in {folder}: {error.strerror}",
            hint="choose another place by `--store` or ORK_DIR",
        ) from None


def open_store(folder: Path, *, environ: Mapping[str, str]) -> Store:
    """Open a store; raise Corrupt when it has lost what its anchor was told."""
    store = Store(open_backend(folder, environ=environ), folder=folder.resolve())
    try:
        if (told := anchor.read(folder)) and (loss := lost(store, told)):
            raise Corrupt(loss, hint=LOST_HINT)
    except BaseException:
        store.close()
        raise
    return store


def lost(store: Store, told: Anchor) -> str | None:
    """Return in words what a store lacks that its anchor was told, read before the store."""
    behind = told.sequence - store.backend.sequence()
    if behind > 0:
        times = "one write" if behind == 1 else f"{behind} writes"
        return f"the store has gone back by {times}: its data file is older than its anchor"
    # Another process may have written operations since.
    if told.operation not in (None, store.ref("ops")) and all(
        oid != told.operation for oid, _ in operations(store)
    ):
        return f"the store has lost operation {told.operation}"
    if told.pin and store.ref(told.pin) is None and removal(store, told.pin) is None:
        return f"the store has lost the run of {told.pin!r}"
    return None


def is_unfinished(folder: Path) -> bool:
    """Say whether `ork forget` was killed here, or is at work, so that something may be left."""
    return any(name.startswith(UNFINISHED) for name in os.listdir(folder))


def data_problems(folder: Path, *, environ: Mapping[str, str], every_page: bool) -> list[str]:
    """Say what is wrong with the files that the backend keeps, without opening it."""
    backend = kept_by(folder, environ=environ)
    return backend.problems(folder / DATA, every_page=every_page)


def kept_by(folder: Path, *, environ: Mapping[str, str]) -> OnDisk:
    """Return the backend of a store, for who works on its files; raise as `open_backend` does."""
    _judge(folder, environ)
    return _backend(_scheme(folder))


def open_backend(folder: Path, *, environ: Mapping[str, str], readonly: bool = False) -> Backend:
    """Open the backend of a store, for reading only where it cannot be written or on request.

    Raise StoreError for a store of another format, of another owner, or that is none.
    """
    opener = kept_by(folder, environ=environ)
    data = folder / DATA
    writable = all(os.access(path, os.W_OK) for path in (data, *data.glob("*")))
    return opener.open(data, readonly=readonly or not writable, locks=folder / LOCKS)


def _fill(folder: Path, scheme: str) -> None:
    _write(folder / ".gitignore", "*\n")
    _backend(scheme).create(folder / DATA)
    sync_folder(folder / DATA)
    (folder / "logs").mkdir(mode=0o700)
    (folder / "logs").chmod(0o700)
    _write(folder / anchor.NAME, "")
    _write_config(folder, scheme)


def renew_config(folder: Path) -> None:
    """Write anew the file that says how to open the store, as its data tell; there must be none."""
    there = (one for one in BACKENDS if (folder / DATA / _backend(one).FILES[0]).exists())
    _write_config(folder, next(there, DEFAULT))


def _write_config(folder: Path, scheme: str) -> None:
    config = {"backend": scheme, "format": FORMAT}
    _write(folder / CONFIG, json.dumps(config, separators=(",", ":")) + "\n")
    sync_folder(folder)


def config_problem(folder: Path, *, environ: Mapping[str, str]) -> str | None:
    """Say what is wrong with the file that says how to open a store, if there is a store."""
    _judge(folder, environ)
    try:
        _scheme(folder)
    except StoreError as error:
        lost = isinstance(error, Corrupt) or not os.path.lexists(folder / CONFIG)
        if lost and (folder / DATA).is_dir():
            return error.message
    return None


def _backend(scheme: str) -> OnDisk:
    module, _, name = BACKENDS[scheme].partition(":")
    backend: OnDisk = getattr(import_module(module), name)
    return backend


def _write(path: Path, text: str) -> None:
    with new_file(path, mode=0o600) as file:
        os.fchmod(file.fileno(), 0o600)  # what the umask took away
        file.write(text.encode())


def _scheme(folder: Path) -> str:
    """Return the name of the backend; raise StoreError when this ork cannot read the store."""
    path = folder / CONFIG
    try:
        config = json.loads(read_file(path, _CONFIG_BYTES_MAX))
        version, scheme = config["format"], config["backend"]
    except FileNotFoundError:
        raise StoreError(
            f"{folder} is not an ork store: it has no {CONFIG}", hint=f"if it was one, {_RENEW}"
        ) from None
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, KeyError, RecursionError):
        raise Corrupt(f"{path} is damaged", hint=_RENEW) from None
    if type(version) is int and version in _MAKERS:
        raise StoreError(
            f"{folder} was made {_MAKERS[version]}: it has store format {version}, this ork reads"
            f" format {FORMAT}",
            hint="to carry a history over, export it with that ork (`ork export git REPOSITORY"
            " WORKFLOW`), move the store out of the way, and import it with this ork"
            " (`ork import git REPOSITORY --path FILE`)",
        )
    if version != FORMAT or type(version) is not int:
        raise StoreError(
            f"{folder} has store format {version!r}, and this ork reads format {FORMAT}",
            hint=f"it needs an ork that reads format {version!r}",
        )
    if not isinstance(scheme, str) or scheme not in BACKENDS:
        raise StoreError(f"{folder} uses the backend {scheme!r}, which this ork does not have")
    return scheme


def _judge(folder: Path, environ: Mapping[str, str]) -> None:
    """Raise StoreError unless the store is the user's own, or named in their configuration.

    Whoever can write a store can write what LMDB, which trusts its file, is going to map.
    """
    complaint = _complaint(folder, _own_ids(environ))
    if complaint and not _is_safe(folder, environ):
        raise StoreError(
            complaint,
            hint=f"if you trust it, add safe_stores = [{json.dumps(str(folder.resolve()))}]"
            f" to {_configuration(environ)}",
        )


def _complaint(folder: Path, owners: set[int]) -> str | None:
    """Say what makes a store somebody else's; raise StoreError where it is no store at all."""
    complaint = None
    resolved = folder.resolve()
    for path in _parts(folder):
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue  # another process removed it since it was listed
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror}") from None
        link = stat.S_ISLNK(status.st_mode)
        if link and path != folder:
            raise StoreError(f"{path} is a link; nothing in a store is", hint="remove it")
        if path not in (folder, resolved) and (wrong := _wrong_kind(path, status.st_mode)):
            raise StoreError(f"{path} is {wrong}", hint="no ork made it: remove it")
        if status.st_uid not in owners:
            complaint = complaint or f"{path} belongs to another user (id {status.st_uid})"
        elif status.st_mode & stat.S_IWOTH and not link:
            complaint = complaint or f"{path} can be written by every user"
    return complaint


def _wrong_kind(path: Path, mode: int) -> str | None:
    """Say what is there instead of the folder or the file that ork makes by this name."""
    if stat.S_ISDIR(mode):
        is_file = path.name in _FILES or path.parent.name == DATA
        return "a folder, not a file" if is_file else None
    if stat.S_ISREG(mode):
        return "a file, not a folder" if path.name in _FOLDERS else None
    return "neither a file nor a folder"


def _parts(folder: Path) -> Iterator[Path]:
    """Yield what decides about a store: the folder, if a link then its target, and the insides.

    Everything that lies in it counts: ork writes into its folders, and removes from them, by name.
    """
    resolved = folder.resolve()
    if not resolved.is_dir():
        raise StoreError(f"there is no store in {folder}", hint="`ork init` makes one")
    yield folder
    yield resolved
    try:
        for inside in (resolved, resolved / DATA):
            if inside.is_dir() and not inside.is_symlink():
                yield from sorted(inside.iterdir())
    except OSError as error:
        raise StoreError(f"{inside} cannot be read: {error.strerror}") from None


def _own_ids(environ: Mapping[str, str]) -> set[int]:
    """Return the user's id; for root by way of sudo, the id of who called it as well."""
    own = {os.geteuid()}
    caller = environ.get("SUDO_UID", "")
    if own == {0} and caller.isascii() and caller.isdigit():
        own.add(int(caller))
    return own


def _is_safe(folder: Path, environ: Mapping[str, str]) -> bool:
    """Say whether `safe_stores` names the store, or the project that holds it."""
    import tomllib

    path = _configuration(environ)
    try:
        entries = tomllib.loads(path.read_text("utf-8")).get("safe_stores", [])
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read: {error}") from None
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise StoreError(f'{path}: safe_stores must be a list of paths, or ["*"]')
    if "*" in entries:
        return True
    home = environ.get("HOME", "")
    paths = [Path(home + entry[1:] if entry.startswith("~/") else entry) for entry in entries]
    named = {path.resolve() for path in paths if path.is_absolute()}
    resolved = folder.resolve()
    return not named.isdisjoint({resolved, resolved.parent})


def _configuration(environ: Mapping[str, str]) -> Path:
    base = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME", "/")) / ".config")
    return Path(base) / "ork" / "config.toml"
