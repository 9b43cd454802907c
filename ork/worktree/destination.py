"""Places for files that come out of a store: none leads out of its folder, none through a link.

All files are written beside their places first, then renamed over them: when one cannot be written,
nothing has changed. What a process that was killed has left beside them is removed by the next one.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from ork.errors import Conflict, InvalidInput, StoreError
from ork.failpoints import failpoint
from ork.files import (
    NotRegular,
    give,
    lock,
    new_file,
    open_file,
    open_folder,
    remove,
    remove_abandoned,
)
from ork.objects.kinds import is_path
from ork.objects.value import Value
from ork.store.location import LOCKS
from ork.worktree.folder import FILE_BYTES_MAX, Root

IsKept = Callable[[bytes, Collection[str]], bool]

OWN_FOLDERS = (".ork", ".git")  # files in these steer programs, so none is restored there


class Content(Value, frozen=True, kw_only=True):
    """The content that a file is to have; `executable` None leaves that as it is.

    What was made of other content takes the place of that alone: `over`. A workflow file may take
    the place of one that is kept with another of these `names`.
    """

    read: Callable[[], bytes]
    executable: bool | None
    over: bytes | None = None
    names: Collection[str] = ()


class Found(Value, frozen=True, kw_only=True):
    """A place as it is now; `wrong` says why nothing can be written there.

    `same`: it holds the wanted content already. `kept`: what it holds may be replaced.
    """

    same: bool = False
    kept: bool = True
    mode: int | None = None  # None: nothing is there
    mark: tuple[int, int, int] | None = None  # file, size, time of change: is it still that?
    wrong: str = ""


class Destination:
    """A folder that files are written to, and nowhere else. Paths are relative to it, with `/`."""

    def __init__(self, folder: Path, *, store: Path | None = None) -> None:
        self.folder = Path(os.path.realpath(folder))
        self.store = os.path.realpath(store) if store else None

    def shown(self, path: str) -> str:
        """Return a path as it is seen from the working directory."""
        return os.path.relpath(self.folder / path)

    def look(self, contents: Mapping[str, Content], *, is_kept: IsKept) -> dict[str, Found]:
        """Look at each place; `is_kept` says whether what is there may be replaced."""
        found = {}
        for path, content in contents.items():
            above = (str(folder) for folder in PurePosixPath(path).parents)
            clash = next((folder for folder in above if folder in contents), None)
            wrong = f"cannot be below {clash}, which is a file"
            found[path] = Found(wrong=wrong) if clash else self._look(path, content, is_kept)
        return found

    def parts(self, path: str) -> tuple[list[str], str]:
        """Return the folders from the top on, and the name; raise ValueError for an unsafe path."""
        if not is_path(path):
            raise ValueError("leads out of its folder")
        parts = path.split("/")
        try:
            path.encode()
        except UnicodeEncodeError:
            raise ValueError("is no name that a file can have") from None
        own = next((part for part in parts if part.casefold() in OWN_FOLDERS), None)
        inside = os.path.join(self.folder, path)
        if own or (self.store and (inside + "/").startswith(self.store + "/")):
            raise ValueError(f"lies in {own or 'the store'}, where nothing is restored")
        return parts[:-1], parts[-1]

    @contextmanager
    def opened(self, path: str, *, made: list[str] | None = None) -> Iterator[tuple[int, str]]:
        """Open the folder of a file without following links; yield it, and the file's name in it.

        With `made`, missing folders are made, and those below the destination noted there.
        """
        folders, name = self.parts(path)
        make = None if made is None else 0o777
        if made is not None:
            os.makedirs(self.folder, exist_ok=True)
        with open_folder(self.folder, folders, make=make, made=made) as at:
            yield at, name

    def _look(self, path: str, content: Content, is_kept: IsKept) -> Found:
        try:
            with self.opened(path) as (at, name):
                found = _read(at, name, content, is_kept)
        except ValueError as error:
            return Found(wrong=str(error))
        except FileNotFoundError:
            return Found()
        except OSError as error:
            found = Found(wrong=_why(error))
        if found.wrong and self._reads_so(path, content):
            return Found(same=True)
        return found

    def _reads_so(self, path: str, content: Content) -> bool:
        """Say whether a link inside of the folder leads to what is wanted, so all is well."""
        try:
            file = Root(self.folder).read(path)
        except InvalidInput:
            return False
        return file.data == content.read() and content.executable in (None, file.executable)


def write_all(
    destination: Destination, contents: Mapping[str, Content], found: Mapping[str, Found]
) -> None:
    """Write these files: all or, when one cannot be written, none. Permissions stay.

    Raise Conflict where a file is no longer as it was found.
    """
    with _at_work(destination, contents) as beginning:
        _write(destination, contents, found, beginning + os.urandom(6).hex())


@contextmanager
def _at_work(destination: Destination, paths: Iterable[str]) -> Iterator[str]:
    """Yield how names of files beside begin; what others of this store have left is removed.

    Several processes may be at work for a store, and each has a part in a lock on a folder of it.
    Who finds itself alone knows that nobody needs what is there.
    """
    if destination.store is None:
        yield ".ork-restore."
        return
    with open_folder(destination.store, [LOCKS], make=0o700) as store:
        beginning = f".ork-restore.{os.fstat(store).st_ino:x}."
        with suppress(OSError):  # a file system without locks
            if lock(store):
                _remove_remains(destination, paths, beginning)
            lock(store, shared=True, wait_s=float("inf"))
        yield beginning


def _remove_remains(destination: Destination, paths: Iterable[str], beginning: str) -> None:
    left = re.escape(beginning) + r"[0-9a-f]{12}\.\d+"
    for path in {path.rpartition("/")[0]: path for path in paths}.values():
        with suppress(OSError), destination.opened(path) as (at, _):
            remove_abandoned(left, at=at)


def _write(
    destination: Destination,
    contents: Mapping[str, Content],
    found: Mapping[str, Found],
    beginning: str,
) -> None:
    beside = {path: f"{beginning}.{number}" for number, path in enumerate(contents)}
    made: list[str] = []  # folders
    path = "."
    try:
        for path, content in contents.items():
            with destination.opened(path, made=made) as (at, _):
                _stage(at, beside[path], content, found[path])
        failpoint("restore.staged")
        for path in contents:
            _check_still(destination, path, found[path])
        for path in contents:
            with destination.opened(path) as (at, name):
                os.rename(beside[path], name, src_dir_fd=at, dst_dir_fd=at)
        for path in {path.rpartition("/")[0]: path for path in contents}.values():
            with destination.opened(path) as (at, _):
                os.fsync(at)
    except BaseException as error:
        for staged, name in beside.items():
            with suppress(OSError), destination.opened(staged) as (at, _):
                remove(name, at=at)
        for folder in reversed(made):
            with suppress(OSError):
                os.rmdir(destination.folder / folder)
        if isinstance(error, OSError):
            raise StoreError(f"cannot write {destination.shown(path)}: {error.strerror}") from None
        raise


def _read(at: int, name: str, content: Content, is_kept: IsKept) -> Found:
    try:
        with open_file(name, at=at) as file:
            data = file.read(FILE_BYTES_MAX + 1)
            status = os.fstat(file.fileno())
    except NotRegular as error:
        return Found(wrong="is a folder" if error.errno == errno.EISDIR else "is no regular file")
    except OSError as error:
        if error.errno == errno.ELOOP:
            return Found(wrong="is a link, which is not followed; remove it first")
        raise
    executable = bool(status.st_mode & stat.S_IXUSR)
    same = data == content.read() and content.executable in (None, executable)
    if content.over is not None:
        kept = same or data == content.over
    else:
        kept = same or (len(data) <= FILE_BYTES_MAX and is_kept(data, content.names))
    return Found(same=same, kept=kept, mode=stat.S_IMODE(status.st_mode), mark=_mark(status))


def _stage(at: int, name: str, content: Content, found: Found) -> None:
    with new_file(name, at=at) as file:
        give(file.fileno(), at)
        file.write(content.read())
        mode = os.fstat(file.fileno()).st_mode if found.mode is None else found.mode
        if content.executable is not None:
            # Whoever may read it may execute it, or nobody.
            mode = mode & ~0o111 | ((mode & 0o444) >> 2 if content.executable else 0)
        os.fchmod(file.fileno(), mode & 0o777)


def _check_still(destination: Destination, path: str, found: Found) -> None:
    mark = None
    with suppress(FileNotFoundError), destination.opened(path) as (at, name):
        mark = _mark(os.stat(name, dir_fd=at, follow_symlinks=False))
    if mark != found.mark:
        raise Conflict(
            f"{destination.shown(path)} changed meanwhile; nothing was written",
            hint="run the command again",
        )


def _mark(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _why(error: OSError) -> str:
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return "lies below a link or a file, where nothing is restored"
    return f"cannot be written: {error.strerror}"
