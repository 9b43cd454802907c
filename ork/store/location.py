"""The folder of a store: finds it, makes it, and judges whether it may be trusted.

.ork/config.json    {"backend":"lmdb","format":3}: read before anything else
.ork/.gitignore     `*`, so that no store is ever committed to git
.ork/config.toml    what people write: what `ork gc` keeps, the URL of a store that lies elsewhere
.ork/remotes.json   names of other stores, if there are any
.ork/db/            what the backend keeps
.ork/anchor         how far it has come (see `ork.backends.anchor`)
.ork/logs/          plain files, so that `tail -f` works
.ork/cache/         objects of a store on a server (see `ork.servers.cache`)

Where the data lie elsewhere, the folder has no config.json, and config.toml says `store = "URL"`;
it is for what this machine needs alone. What a URL of `--store` or `ORK_STORE` means has such a
folder in the state directory of the user.
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import quote
from typing import Any

from ork.backends import anchor
from ork.backends.address import (
    BACKENDS,
    CACHED,
    CHECKED,
    DEFAULT,
    DISTANT,
    ELSEWHERE,
    KEYS,
    MEMORY,
    Address,
    OnDisk,
    class_of,
    imported,
    is_url,
    on_disk_class,
    parse_url,
    public,
)
from ork.backends.anchor import Anchor
from ork.backends.base import Backend
from ork.errors import Corrupt, InvalidInput, NotFound, OtherFormat, StoreError, UsageError
from ork.files import (
    give,
    new_file,
    new_folder,
    open_folder,
    place_new,
    read_file,
    remove,
    remove_abandoned,
    replace_file,
    sync_folder,
)
from ork.objects.canonical import hash_bytes
from ork.objects.kinds import is_name
from ork.objects.value import Value, replace
from ork.store.operations import operations, removal
from ork.store.resolve import sources
from ork.store.store import Store
from ork.store.trust import Layout, judge

NAME = ".ork"
DATA = "db"
LOCKS = "locks"
CACHE = "cache"
ORIGINAL = "ork.db"  # what the ork that this one descends from kept in its own `.ork`
CONFIGURATION = "config.toml"  # written by people; see `ork.upkeep.keep`
KNOWN = {"store", "keep"}  # what it may have
REMOTES = "remotes.json"
UNFINISHED = "forget.tmp-"  # how the name of a folder begins while `ork forget` is at work
FORMAT = 3
_UNRELEASED = (1, 2)  # formats of an ork that was never released
_TRUSTING = {"lmdb"}  # who can write its file can write what is mapped into memory, unchecked
_UNFINISHED = r"\.ork\.tmp-[0-9a-f]{12}"
_STORE_LINE = rb"(?m)^\s*store\s*=.*\n?"  # in config.toml
CONFIG = "config.json"
_CONTENT = {".gitignore", "db", "logs", anchor.NAME, CONFIG, REMOTES}
_SET_STATE = "set XDG_STATE_HOME, or HOME, to a folder that you can write: it is kept in there"
_RENEW = "`ork fsck --repair` writes it anew"
LOST_HINT = "`ork fsck` looks at all of it; `ork fsck --repair` accepts the store as it is"
_CONFIG_BYTES_MAX = 65536
_REMOTES_BYTES_MAX = 1 << 20
_FOLDERS = ("db", "logs", LOCKS, CACHE, "work", "quarantine", "objects", "new", "removed")
_FILES = (CONFIG, CONFIGURATION, REMOTES, ".gitignore", anchor.NAME)
_LAYOUT = Layout(data=DATA, folders=_FOLDERS, files=_FILES)


class Home(Value, frozen=True, kw_only=True):
    """The folder in which files are made that are to take the place of the data of a store."""

    folder: Path
    store: str | None = None  # the name of the data where the folder is not the store's own

    def new(self, beginning: str) -> Path:
        """Return a new name in there; it begins so, and tells of which store it is."""
        return self.folder / f"{self._beginning(beginning)}{os.urandom(6).hex()}"

    def begun(self, beginning: str) -> list[Path]:
        """Return what such names there are."""
        start = self._beginning(beginning)
        return sorted(one for one in self.folder.iterdir() if one.name.startswith(start))

    def named(self, name: str) -> Path:
        """Return where something of this name lies."""
        return self.folder / (f"{self.store}-{name}" if self.store else name)

    def _beginning(self, beginning: str) -> str:
        return f".{self.store}.{beginning}" if self.store else beginning


class Data(Value, frozen=True, kw_only=True):
    """The data of a store, for who works on their files."""

    kind: OnDisk
    at: Path
    home: Home


def of_url(url: str, *, environ: Mapping[str, str]) -> Path:
    """Return the folder that this machine keeps for the store of a URL; it is made if need be."""
    there = parse_url(url, base=Path.cwd())
    if there.is_inside:
        raise UsageError(f"{url} says no place", hint=f"{url}PATH, or `ork init --store {url}`")
    if (state := _state(environ)) is None:
        raise StoreError("there is no folder for what runs need on this machine", hint=_SET_STATE)
    line = _store_line(str(there))
    # What one process has in memory is of no use to another.
    alone = f"{MEMORY}-{os.urandom(6).hex()}" if there.scheme == MEMORY else None
    folder = state / (alone or hash_bytes(str(there).encode())[:16])
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (folder / CONFIGURATION).exists():
            replace_file(folder / CONFIGURATION, [line])
    except OSError as error:
        raise StoreError(f"{folder} cannot be made: {error.strerror}", hint=_SET_STATE) from None
    return folder


def _state(environ: Mapping[str, str]) -> Path | None:
    """Return where the folders for the stores of URLs are, None if the environment says nothing."""
    base, home = environ.get("XDG_STATE_HOME"), environ.get("HOME")
    found = Path(base or f"{home}/.local/state", "ork", "stores") if base or home else None
    return found if found and found.is_absolute() else None


def remove_passing(folder: Path) -> None:
    """Remove the folder of a store that was in the memory of this process."""
    if folder.name.startswith(f"{MEMORY}-"):
        remove(folder)


def project_of(start: Path) -> Path:
    """Return the top of the git repository around a folder, else the folder itself."""
    return next((one for one in (start, *start.parents) if (one / ".git").exists()), start)


def is_in_git(folder: Path) -> bool:
    """Say whether a store lies in a git repository, where `git clean -fdx` deletes it."""
    return (project_of(folder.parent) / ".git").exists()


def chosen(start: Path, *, environ: Mapping[str, str]) -> Path | None:
    """Return the store that `ORK_STORE`, else `ORK_DIR` names; it may not exist."""
    text = environ.get("ORK_STORE")
    if text and is_url(text):
        named = parse_url(text, base=Path.cwd())
        return None if named.is_inside else of_url(text, environ=environ)
    text = text or environ.get("ORK_DIR")
    return store_of(start / text) if text else None


def store_of(folder: Path) -> Path:
    """Return the store in the folder of a project, else the folder itself: it is, or will be, one.

    >>> store_of(Path("somewhere"))
    PosixPath('somewhere')
    """
    inside = folder / NAME
    return inside if os.path.isdir(inside) else folder


def find(start: Path, *, environ: Mapping[str, str]) -> Path | None:
    """Return the store of a folder: the one `chosen`, else the nearest `.ork` here or above.

    The way up ends where the file system does. The store is neither opened nor judged.
    """
    if (named := chosen(start, environ=environ)) is not None:
        return named
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


def make(folder: Path, *, environ: Mapping[str, str], address: Address | None = None) -> bool:
    """Let a folder have a store, in it or elsewhere as it or `address` says; say if one was made.

    A folder of a project remembers an address elsewhere, without a password; `address` comes before
    one that it remembers. Without any the data are in the folder, of the kind that `ORK_STORE`
    says, if that is all that it says.
    """
    refuse_data(folder.parent)
    known = elsewhere(folder, environ=environ)
    named = address if address and address.at else known or address or _address(environ)
    if named is None or named.is_inside:
        create(folder, named.scheme if named else DEFAULT)
        return True
    if isinstance(named.at, Path) and named.at.is_relative_to(folder):
        hint = f"`ork init --store {named.scheme}:` makes it"
        raise UsageError(f"a store in {folder} has no path of its own: {named.at}", hint=hint)
    line = _store_line(_from_project(folder, named))
    made = _make_there(named)
    if named != known:
        class_of(named.scheme).open(named.at, readonly=not _is_writable(named.at)).close()
        _remember(folder, line)  # not before: a place that cannot be opened is no store of it
    return made


def _address(environ: Mapping[str, str]) -> Address | None:
    """Return what the URL in `ORK_STORE` says, if there is one."""
    text = environ.get("ORK_STORE", "")
    return parse_url(text, base=Path.cwd()) if is_url(text) else None


def _from_project(folder: Path, address: Address) -> str:
    """Return the URL by which the store in a folder names an address: a project can be moved."""
    project = folder.parent
    if isinstance(address.at, Path) and address.at.is_relative_to(project):
        address = replace(address, at=str(address.at.relative_to(project)))
    return str(address)


def _remember(folder: Path, line: bytes) -> None:
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        replace_file(folder / ".gitignore", [b"*\n"])
        kept = re.sub(_STORE_LINE, b"", _written(folder))
        replace_file(folder / CONFIGURATION, [line, kept])
        sync_folder(folder)
    except OSError as error:
        raise not_made(folder, error) from None


def _written(folder: Path) -> bytes:
    try:
        return read_file(folder / CONFIGURATION, _CONFIG_BYTES_MAX)
    except FileNotFoundError:
        return b""


def is_there(folder: Path, *, environ: Mapping[str, str]) -> bool:
    """Say whether there is a store in a folder, or in the place elsewhere that it names."""
    if not folder.exists():
        return False
    there = elsewhere(folder, environ=environ)
    return there is None or class_of(there.scheme).exists(there.at)


def is_distant(folder: Path, *, environ: Mapping[str, str]) -> bool:
    """Say whether a folder names a store on a server: there others may have made it, or lost it."""
    there = elsewhere(folder, environ=environ)
    return there is not None and there.scheme in DISTANT


def refuse_other(folder: Path, address: Address, *, environ: Mapping[str, str]) -> None:
    """Raise UsageError when the store of a folder is not the one that an address asks for.

    A place elsewhere that has no store any more is in nobody's way.
    """
    there = elsewhere(folder, environ=environ)
    if there and address.at and not class_of(there.scheme).exists(there.at):
        return
    kept = f"{_scheme(folder)}:" if there is None else str(there)
    if kept == (f"{address.scheme}:" if address.is_inside else str(address)):
        return
    hint = f"`ork init --from . --store {quote(public(str(address)))} ../copy` makes a copy in that"
    if there is not None:
        hint += f"; if the store itself has moved there, say so in {folder / CONFIGURATION}"
    raise UsageError(f"{folder} has its store already: {public(kept)}", hint=hint)


def _make_there(there: Address) -> bool:
    """Make an empty store elsewhere, and say so; two who do it at once both succeed."""
    kind, at = class_of(there.scheme), there.at
    if kind.exists(at):
        return False
    if isinstance(at, str):
        kind.create(at)
        return True
    try:
        with new_folder(at.parent, f".{at.name}.tmp-") as made:
            kind.create(made / at.name)
            # The data last: who finds them finds all that belongs to them.
            for path in sorted(made.iterdir(), key=lambda path: path.name == at.name):
                with suppress(FileExistsError):
                    place_new(path, at.parent / path.name)
        sync_folder(at.parent)
    except OSError as error:
        raise not_made(at, error) from None
    return True


def not_made(place: Path, error: OSError) -> StoreError:
    """Return the error for a store that cannot be made in a place."""
    return StoreError(
        f"no store can be made in {place}: {error.strerror}",
        hint=f"`mkdir -p {quote(str(place.parent))}` makes the folder that it is to be in"
        if error.errno == errno.ENOENT
        else "choose another folder, or name another place: ORK_DIR, or the URL in ORK_STORE",
    )


def refuse_bytes(url: str) -> None:
    """Raise UsageError for the URL of a store whose path is not UTF-8."""
    try:
        url.encode()
    except UnicodeEncodeError:
        raise UsageError(
            f"{url} is not UTF-8, and no store elsewhere can have such a path",
            hint="give the folder another name, or keep the store in the project",
        ) from None


def _store_line(url: str) -> bytes:
    """Return what `config.toml` says of a store elsewhere; raise UsageError where it cannot."""
    refuse_bytes(url)
    return f"store = {json.dumps(url)}\n".encode()


@contextmanager
def begun(folder: Path, scheme: str = DEFAULT) -> Iterator[Path]:
    """Make an empty store beside its place, for the block to fill, to close and to rename.

    After the block it is gone, if it was not renamed. What a process that was killed has left of
    one is removed. An OSError in the block is told as a StoreError.
    """
    refuse_data(folder.parent)
    try:
        with open_folder(folder.parent) as at:
            remove_abandoned(_UNFINISHED, at=at, is_ours=_CONTENT.issuperset)
        with new_folder(folder.parent, f"{NAME}.tmp-") as unfinished:
            _fill(unfinished, scheme)
            yield unfinished
        sync_folder(folder.parent)
    except OSError as error:
        raise not_made(folder, error) from None
    except StoreError as error:
        if isinstance(error.__cause__, OSError):  # whatever was written, it is gone
            raise not_made(folder, error.__cause__) from None
        raise


@contextmanager
def new_store(folder: Path, scheme: str, taken: InvalidInput) -> Iterator[Path]:
    """Make a store beside its place, for the block to fill and to close; then it is there, whole.

    Raise `taken` where something is in the place already, be it only after the block.
    """
    _refuse_taken(folder, taken)
    with begun(folder, scheme) as unfinished:
        yield unfinished
        sync_folder(unfinished)
        _refuse_taken(folder, taken)
        place_new(unfinished, folder)


def _refuse_taken(folder: Path, taken: InvalidInput) -> None:
    if os.path.lexists(folder):
        raise taken


def open_store(folder: Path, *, environ: Mapping[str, str]) -> Store:
    """Open a store; raise Corrupt when it has lost what its anchor was told."""
    store = open_unchecked(folder, environ=environ)
    try:
        if not store.shared and (told := anchor.read(folder)) and (loss := lost(store, told)):
            raise Corrupt(loss, hint=LOST_HINT)
    except BaseException:
        store.close()
        raise
    return store


def open_here(folder: Path, *, environ: Mapping[str, str]) -> Store:
    """Open a store for the files around the working directory, where that is in another clone.

    It is one if it has a deployed file, and no store of its own.
    """
    store = open_store(folder, environ=environ)
    here = project_of_files(folder, [Path()], environ=environ)
    is_own = here == store.project or (here / NAME).exists()
    if not is_own and any((here / source).is_file() for source in sources(store)):
        store.project = here
    return store


def lost(store: Store, told: Anchor) -> str | None:
    """Return in words what a store lacks that its anchor was told, read before the store."""
    behind = told.sequence - store.backend.sequence()
    if behind > 0:
        times = "one write" if behind == 1 else f"{behind} writes"
        return f"the store has gone back by {times}: its data file is older than its anchor"
    return lacks(store, told)


def lacks(store: Store, told: Anchor) -> str | None:
    """Return in words what is not there that an anchor tells of, whatever was written since."""
    # Another process may have written operations since.
    if told.operation not in (None, store.ref("ops")) and all(
        oid != told.operation for oid, _ in operations(store)
    ):
        return f"the store has lost operation {told.operation}"
    if told.pin and store.ref(told.pin) is None and removal(store, told.pin) is None:
        return f"the store has lost the run of {told.pin!r}"
    return None


def open_unchecked(folder: Path, *, environ: Mapping[str, str], readonly: bool = False) -> Store:
    """Open a store without looking at its anchor, for reading only on request."""
    there = elsewhere(folder, environ=environ)
    return Store(
        open_backend(folder, environ=environ, readonly=readonly),
        folder=folder.resolve(),
        project=_project_of_url(folder, environ=environ),
        shared=there is not None,
        keys=KEYS.get(there.scheme, ()) if there else (),
    )


def not_yet_made(folder: Path, *, environ: Mapping[str, str]) -> Store:
    """Return an empty store in memory, of the project of which one in this folder would be."""
    project = _project_of_url(folder, environ=environ) or folder.resolve().parent
    return Store(class_of(MEMORY).open(""), project=project)


def _project_of_url(folder: Path, *, environ: Mapping[str, str]) -> Path | None:
    """Return the project of a store that a URL names, None where it is that around the folder."""
    return project_of(Path.cwd()) if folder.parent == _state(environ) else None


def project_of_files(folder: Path, paths: Iterable[Path], *, environ: Mapping[str, str]) -> Path:
    """Return the project of files that may lie in another clone than the store in a folder.

    Their paths are the same in each clone: a job of CI has a new folder each time. It is that of
    the store where they lie in there, or in no git repository, or in several.
    """
    of_url = _project_of_url(folder, environ=environ)
    own = of_url or folder.resolve().parent
    folders = [Path(os.path.realpath(path if path.is_dir() else path.parent)) for path in paths]
    is_known = of_url is None or (own / ".git").exists()
    if is_known and all(one.is_relative_to(own) for one in folders):
        return own
    tops = {project_of(one) for one in folders}
    top = tops.pop()
    if tops or not (top / ".git").exists():
        return own
    same = top / own.relative_to(project_of(own))  # where a repository has several projects
    return same if all(one.is_relative_to(same) for one in folders) else top


def open_url(text: str, *, environ: Mapping[str, str]) -> Store:
    """Open the store that a text names: a URL, a folder with `.ork` in it, or such a folder.

    Raise NotFound when there is none.
    """
    if is_url(text):
        environ = {**environ, "ORK_STORE": text}  # which may have a password
        return open_store(of_url(text, environ=environ), environ=environ)
    return open_store(store_of(Path(text)), environ=environ)


def open_backend(folder: Path, *, environ: Mapping[str, str], readonly: bool = False) -> Backend:
    """Open the backend of a store, for reading only where it cannot be written or on request.

    Raise StoreError for a store of another format, of another owner, or that is none; NotFound when
    there is none in the place elsewhere that the folder names.
    """
    judge(folder, _LAYOUT, environ=environ)
    if (there := elsewhere(folder, environ=environ)) is None:
        ours, at = _inside(folder)
        paths = (folder / DATA, *(folder / DATA).glob("*"))
        readonly = readonly or any(map(_is_protected, paths))
        return ours.open(at, readonly=readonly, locks=folder / LOCKS)
    if isinstance(there.at, Path) and (owner := _owner_of(there.at)) is not None:
        # Whose runs are owned by locks elsewhere, and have their logs there.
        words = f"{there} are the data of the store {owner}"
        raise StoreError(words, hint=f"name that one: --store {quote(str(owner))}")
    if there.scheme in _TRUSTING and isinstance(there.at, Path) and there.at.exists():
        judge(there.at, _LAYOUT, environ=environ)
    kind = class_of(there.scheme)
    try:
        found = kind.open(there.at, readonly=readonly or not _is_writable(there.at))
        if there.scheme not in DISTANT:
            return found
        cached: Backend = imported(CACHED)(found, folder / CACHE)
        return cached
    except Corrupt:
        raise
    except StoreError:
        if isinstance(there.at, str) or kind.exists(there.at):
            raise
    raise _absent(there)


def _absent(there: Address) -> NotFound:
    return NotFound(
        f"there is no store in {there}", hint=f"`ork init --store {quote(str(there))}` makes one"
    )


def identity(folder: Path) -> tuple[int, ...] | None:
    """Return what is another once another store has taken the place of one, as after a restore."""
    for name in (CONFIG, CONFIGURATION):
        with suppress(OSError):
            found = (folder / name).stat()
            return found.st_dev, found.st_ino, found.st_mtime_ns
    return None


def reach(folder: Path, *, environ: Mapping[str, str]) -> None:
    """Raise StoreError when the store of a folder is on a server that does not answer."""
    there = elsewhere(folder, environ=environ)
    if there is not None and there.scheme in DISTANT:
        class_of(there.scheme).exists(there.at)


def check_there(folder: Path, *, environ: Mapping[str, str]) -> None:
    """Raise NotFound when there is nothing in the place elsewhere that a folder names.

    Raise StoreError when it is on a server that does not answer.
    """
    there = elsewhere(folder, environ=environ)
    if there is None:
        return
    is_path = isinstance(there.at, Path)
    if not (os.path.lexists(there.at) if is_path else class_of(there.scheme).exists(there.at)):
        raise _absent(there)


def _owner_of(at: Path) -> Path | None:
    """Return the folder of the store that has its data in this place, if there is one."""
    real = at.resolve()
    inside = (folder for folder in real.parents[:2] if real.is_relative_to(folder / DATA))
    return next((folder for folder in inside if (folder / CONFIG).is_file()), None)


def _is_protected(path: Path) -> bool:
    """Say whether a file is there and cannot be written: another process may just remove it."""
    return not os.access(path, os.W_OK) and path.exists() and not os.access(path, os.W_OK)


def _is_writable(at: Path | str) -> bool:
    """Say whether a store in this place can be written, as far as files tell."""
    return isinstance(at, str) or (os.access(at, os.W_OK) and os.access(at.parent, os.W_OK))


def on_disk(folder: Path, *, environ: Mapping[str, str]) -> Data:
    """Return where the data of a store lie, for who works on its files.

    Raise StoreError as `open_backend` does, and for a store that is no file on this machine.
    """
    judge(folder, _LAYOUT, environ=environ)
    at_home = home(folder, environ=environ)
    there = elsewhere(folder, environ=environ)
    if there is None:
        kind, at = _inside(folder)
    else:
        kind, at = on_disk_class(there.scheme), Path(there.at)
    return Data(kind=kind, at=at, home=at_home)


def home(folder: Path, *, environ: Mapping[str, str]) -> Home:
    """Return the folder beside the data of a store; raise StoreError where they are no files."""
    there = elsewhere(folder, environ=environ)
    if there is None:
        return Home(folder=folder)
    if isinstance(there.at, str):
        raise StoreError(
            f"{there} is no file on this machine",
            hint="use the means of its server, or do it in a file:"
            f" `ork init --from {quote(str(there))} --store sqlite: ../copy` makes one of it, and"
            " `ork init --from ../copy --store URL` brings that to a new place, such as a schema",
        )
    return Home(folder=there.at.parent, store=there.at.name)


def data_problems(folder: Path, *, environ: Mapping[str, str], every_page: bool) -> list[str]:
    """Say what is wrong with the files that the backend keeps, if any, without opening it."""
    there = elsewhere(folder, environ=environ)
    if there is not None and isinstance(there.at, str):
        return []
    data = on_disk(folder, environ=environ)
    return data.kind.problems(data.at, every_page=every_page)


def lacking(folder: Path, *, environ: Mapping[str, str]) -> list[str]:
    """Return what the place of a store lacks, on a server that can tell: nothing of any other."""
    there = elsewhere(folder, environ=environ)
    if there is None or there.scheme not in CHECKED:
        return []
    found: list[str] = imported(CHECKED[there.scheme])(there.at)
    return found


def is_unfinished(folder: Path, *, environ: Mapping[str, str]) -> bool:
    """Say whether `ork forget` was killed here, or is at work, so that something may be left."""
    there = elsewhere(folder, environ=environ)
    if there is not None and isinstance(there.at, str):
        return False
    return bool(home(folder, environ=environ).begun(UNFINISHED))


def has_data(folder: Path) -> bool:
    """Say whether the data of a store lie in its folder."""
    return os.path.lexists(folder / CONFIG)


def is_beside(store: Store, path: Path) -> bool:
    """Say whether a path lies in the project that has the data of a store: both move together.

    Else several folders may have one store.
    """
    if store.folder is None:
        return True
    return has_data(store.folder) and path.is_relative_to(store.folder.parent)


def elsewhere(folder: Path, *, environ: Mapping[str, str]) -> Address | None:
    """Return where the data of a store lie, as its folder says; None when they lie in there."""
    if has_data(folder) or not os.path.lexists(folder / CONFIGURATION):
        return None
    path = folder / CONFIGURATION
    url = configuration(folder).get("store")
    if url is None:
        return None
    if not isinstance(url, str) or not is_url(url):
        raise InvalidInput(f'{path}: store = "URL" is wanted', hint="such as sqlite:../runs.db")
    if public(url) != url:
        raise InvalidInput(
            f"{path}: there is a password in the URL of the store",
            hint="take it out: PGPASSWORD, ~/.pgpass and service files are read",
        )
    # Who has named the store for this command may have given one.
    named = _address(environ)
    is_given = named is not None and str(named) == url
    found = named if named and is_given else parse_url(url, base=folder.parent)
    if not is_given and found.scheme not in ELSEWHERE:
        raise InvalidInput(
            f"{path}: a file may not name a class of Python, {found.scheme}",
            hint=f"say so yourself: ORK_STORE={url}",
        )
    return found


def configuration(folder: Path) -> dict[str, Any]:
    """Return what people wrote into config.toml; raise InvalidInput where that is no TOML."""
    import tomllib

    path = folder / CONFIGURATION
    try:
        return tomllib.loads(read_file(path, _CONFIG_BYTES_MAX).decode())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path}: {error}") from None


def remotes(folder: Path | None) -> dict[str, str]:
    """Return the names that a store has for others, sorted, and where these are."""
    if folder is None:  # of a store in memory
        return {}
    path = folder / REMOTES
    try:
        found = json.loads(read_file(path, _REMOTES_BYTES_MAX))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not all(
        is_name(name) and isinstance(place, str) for name, place in found.items()
    ):
        raise Corrupt(
            f"{path} is damaged", hint="remove it, and name the others anew: `ork remote add`"
        )
    return dict(sorted(found.items()))


def told(folder: Path) -> list[Path]:
    """Return the files in which people have said something of a store; no copy of it has them."""
    keeps = re.sub(_STORE_LINE, b"", _written(folder)).strip()
    found = [folder / CONFIGURATION] if keeps else []
    return found + [path for path in (folder / REMOTES,) if path.exists()]


def _fill(folder: Path, scheme: str) -> None:
    _write(folder / ".gitignore", "*\n")
    kind = on_disk_class(scheme)
    for name in ("logs", DATA) if kind.INSIDE else ("logs",):
        (folder / name).mkdir(mode=0o700)
        (folder / name).chmod(0o700)
    kind.create(folder / DATA / kind.INSIDE)
    sync_folder(folder / DATA)
    _write(folder / anchor.NAME, "")
    _write_config(folder, scheme)


def renew_config(folder: Path) -> None:
    """Write anew the file that says how to open the store, as its data tell; there must be none."""
    kinds = {scheme: on_disk_class(scheme) for scheme in BACKENDS}
    there = (
        scheme
        for scheme, kind in kinds.items()
        if kind.files(folder / DATA / kind.INSIDE)[0].exists()
    )
    _write_config(folder, next(there, DEFAULT))


def _write_config(folder: Path, scheme: str) -> None:
    config = {"backend": scheme, "format": FORMAT}
    _write(folder / CONFIG, json.dumps(config, separators=(",", ":")) + "\n")
    sync_folder(folder)


def config_problem(folder: Path, *, environ: Mapping[str, str]) -> str | None:
    """Say what is wrong with the file that says how to open a store, if there is a store."""
    judge(folder, _LAYOUT, environ=environ)
    try:
        _scheme(folder)
    except StoreError as error:
        lost = isinstance(error, Corrupt) or not os.path.lexists(folder / CONFIG)
        if lost and (folder / DATA).is_dir():
            return error.message
    return None


def _inside(folder: Path) -> tuple[OnDisk, Path]:
    """Return what keeps the data of a store that are in its folder, and where they lie."""
    kind = on_disk_class(_scheme(folder))
    at = folder / DATA / kind.INSIDE
    if not any(map(os.path.lexists, kind.files(at))):
        how = f"{DATA} has none" if os.path.lexists(folder / DATA) else f"it has no {DATA}"
        raise StoreError(
            f"{folder} has lost its data: {how}",
            hint="once it is out of the way, `ork init --from BACKUP` makes a store of a backup,"
            " and `ork init` an empty one",
        )
    return kind, at


def _write(path: Path, text: str) -> None:
    with new_file(path, mode=0o600) as file:
        give(file.fileno(), path.parent)
        os.fchmod(file.fileno(), 0o600)  # what the umask took away
        file.write(text.encode())


def _scheme(folder: Path) -> str:
    """Return the name of the backend; raise StoreError when this ork cannot read the store."""
    path = folder / CONFIG
    try:
        config = json.loads(read_file(path, _CONFIG_BYTES_MAX))
        version, scheme = config["format"], config["backend"]
    except FileNotFoundError:
        if (folder / ORIGINAL).is_file():
            raise _of_the_original(folder) from None
        raise _no_store(folder) from None
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, KeyError, RecursionError):
        raise Corrupt(f"{path} is damaged", hint=_RENEW) from None
    if type(version) is int and version in _UNRELEASED:
        raise StoreError(
            f"{folder} was made by an ork that was never released: it has store format {version},"
            f" this ork reads format {FORMAT}",
            hint="to carry a history over, export it with that ork (`ork export git REPOSITORY"
            " WORKFLOW`), move the store out of the way, and import it with this ork"
            " (`ork import git REPOSITORY --path FILE`)",
        )
    if version != FORMAT or type(version) is not int:
        raise OtherFormat(folder, version, FORMAT)
    if not isinstance(scheme, str) or scheme not in BACKENDS:
        raise StoreError(f"{folder} uses the backend {scheme!r}, which this ork does not have")
    return scheme


def refuse_data(folder: Path) -> None:
    """Raise UsageError for a folder that is itself the data of a store, which a URL names."""
    for scheme in BACKENDS:
        if all(path.exists() for path in on_disk_class(scheme).files(folder)):
            named = quote(str(_owner_of(folder) or f"{scheme}:{folder}"))
            raise UsageError(
                f"{folder} is the data of a store, and no project",
                hint=f"write {named} for that store, as in `ork --store {named} log`",
            )


def _no_store(folder: Path) -> StoreError:
    """Return the error for a folder that is no store: of a project, or what is left of a store."""
    refuse_data(folder)
    if (folder / DATA).is_dir():
        words, hint = f"it has no {CONFIG}", f"if it was one, {_RENEW}"
    elif folder.name == NAME:
        words = f"it has neither {CONFIG} nor {DATA}"
        hint = "once it is out of the way, `ork init` makes a store"
    else:
        words = f"it has no {CONFIG}, as a store has, and no {NAME}, as a project has"
        hint = f"`ork -C {quote(str(folder))} init` makes a store in it"
    return StoreError(f"{folder} is not an ork store: {words}", hint=hint)


def _of_the_original(folder: Path) -> NotFound:
    """Return the error for a folder that another ork made, and that keeps a history."""
    old, new = (quote(str(path)) for path in (folder, folder.with_name(f"{folder.name}-original")))
    return NotFound(
        f"no ork store here: {folder} is of the original ork, and keeps its database, {ORIGINAL}",
        hint=f"`mv {old} {new}`, then `ork import ork-db {new}` takes its history in; while it is"
        f" in use, `ORK_DIR=OTHER ork import ork-db {old}`",
    )
