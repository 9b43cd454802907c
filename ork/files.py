"""Files as ork opens, locks, writes and removes them, in folders that anybody may have prepared.

No link is followed below a folder, only regular files are read, and a file is there whole or not at
all. Failures are OSErrors whose `strerror` can be shown to a user. Knows nothing of stores.

A name is a path as usual or, with `at`, a single name in the folder that `at` is a descriptor of.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeAlias

Name: TypeAlias = "str | os.PathLike[str]"

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# Without O_NONBLOCK, opening a pipe would wait for somebody to write to it.
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
_LOCK = os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
_PART = r"\.ork-[0-9a-f]{12}\.part"
_PAUSE_FIRST_S = 0.0005
_PAUSE_MAX_S = 0.01
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
_TAKE_MAX = 1000  # times that a file is removed under us before we give up


class NotRegular(OSError):
    """There is something else in the place of a file; its errno is EISDIR for a folder."""


@contextmanager
def open_folder(
    top: Name, parts: Iterable[str] = (), *, make: int | None = None, made: list[str] | None = None
) -> Iterator[int]:
    """Open a folder below `top` part by part, so that no link can be put in between.

    Only `top` may be a link, and must be there. With `make`, which is their mode, missing folders
    are made on the way, and their paths below `top` are appended to `made`. Those of root belong to
    who has `top`.
    """
    at = os.open(top, _FOLDER)
    try:
        so_far = ""
        for part in parts:
            so_far = f"{so_far}/{part}" if so_far else part
            is_new = False
            if make is not None:
                with suppress(FileExistsError):
                    os.mkdir(part, make, dir_fd=at)
                    is_new = True
                    if made is not None:
                        made.append(so_far)
            below = _open(part, _FOLDER | os.O_NOFOLLOW, at)
            if is_new and not os.listdir(below):  # else another is in its place by now
                give(below, at)
            os.close(at)
            at = below
        yield at
    finally:
        os.close(at)


def give(made: int, folder: Name | int) -> None:
    """Give what root has made to the owner of its folder, who goes on with it after `sudo`."""
    if os.geteuid() == 0:
        there = os.stat(folder)
        os.fchown(made, there.st_uid, there.st_gid)


def make_folder(path: Path) -> None:
    """Make a folder for its owner only: that of the folder it is in, if root makes it."""
    path.mkdir(mode=0o700)
    path.chmod(0o700)  # what the umask took away
    with open_folder(path.parent, [path.name]) as made:
        give(made, path.parent)


def create(name: Name, flags: int, mode: int = 0o600, *, at: int | None = None) -> int:
    """Open a file, made if need be; one that root makes belongs to the owner of its folder."""
    while os.geteuid() == 0:
        try:
            made = os.open(name, flags | os.O_CREAT | os.O_EXCL, mode, dir_fd=at)
        except FileExistsError:
            if flags & os.O_EXCL:
                raise
            with suppress(FileNotFoundError):  # it was removed at this moment
                return os.open(name, flags & ~os.O_CREAT, dir_fd=at)
        else:
            give(made, Path(name).parent if at is None else at)
            return made
    return os.open(name, flags | os.O_CREAT, mode, dir_fd=at)


def open_file(name: Name, *, at: int | None = None, follow: bool = False) -> BinaryIO:
    """Open a regular file for reading, never waiting; `follow` allows that it is a link."""
    descriptor = _open(name, _READ | (0 if follow else os.O_NOFOLLOW), at)
    return open(_regular(descriptor, name), "rb")


def read_file(name: Name, limit: int, *, at: int | None = None, follow: bool = False) -> bytes:
    """Return what a regular file holds; raise OSError (EFBIG) if that is more than the limit."""
    with open_file(name, at=at, follow=follow) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"larger than {limit} bytes", os.fspath(name))
    return data


@contextmanager
def new_file(name: Name, *, at: int | None = None, mode: int = 0o666) -> Iterator[BinaryIO]:
    """Open for writing a file that must not exist yet; after the block it is safe on the disk."""
    with open(os.open(name, _NEW, mode, dir_fd=at), "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def replace_file(
    path: Path, pieces: Iterable[bytes], *, mode: int = 0o666, in_store: bool = False
) -> None:
    """Write a file beside its place and rename it: a reader sees the old one or the whole new one.

    Owner and permissions stay as they were; `mode` is that of a new one, and `in_store` one that
    root makes belongs to the owner of its folder. What is a link is replaced, not followed. What a
    process that was killed has left beside it is removed; one that is still at work keeps a lock. A
    device or a pipe is no file to be replaced: it gets the bytes.
    """
    if is_special(path):
        with open(path, "wb") as stream:
            stream.writelines(pieces)
        return
    with open_folder(path.parent) as at:
        remove_abandoned(_PART, at=at)
        try:
            beside, descriptor = _new_part(at, mode)
        except OSError as error:
            error.filename = os.fspath(path)  # of the other one nobody has heard
            raise
        try:
            with open(descriptor, "wb") as file:
                file.writelines(pieces)
                if in_store:
                    give(file.fileno(), at)
                with suppress(FileNotFoundError):
                    there = os.stat(path.name, dir_fd=at, follow_symlinks=False)
                    if stat.S_ISREG(there.st_mode):
                        if os.geteuid() == 0:
                            os.fchown(file.fileno(), there.st_uid, there.st_gid)
                        os.fchmod(file.fileno(), stat.S_IMODE(there.st_mode))
                file.flush()
                os.fsync(file.fileno())
                os.rename(beside, path.name, src_dir_fd=at, dst_dir_fd=at)
        except BaseException:
            with suppress(OSError):  # what failed first is told
                os.unlink(beside, dir_fd=at)
            raise
        os.fsync(at)


def is_special(path: Path) -> bool:
    """Say whether a path leads to a device or a pipe, such as `/dev/null` or `/dev/stdout`."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _new_part(at: int, mode: int) -> tuple[str, int]:
    """Make a file of a new name, locked, so that `remove_abandoned` knows; return its descriptor.

    Before it is locked somebody may take it for abandoned: then there is another one.
    """
    while True:
        name = f".ork-{os.urandom(6).hex()}.part"
        descriptor = os.open(name, _NEW, mode, dir_fd=at)
        if _is_ours(descriptor) and os.fstat(descriptor).st_nlink:
            return name, descriptor
        os.close(descriptor)


def place_new(made: Path, place: Path) -> None:
    """Move a file or a folder to where nothing is yet: raise FileExistsError if there is something.

    A file may stay under its old name, too.
    """
    if made.is_dir():
        try:
            made.rename(place)
        except OSError as error:
            if error.errno == errno.ENOTEMPTY:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), place) from None
            raise
        return
    try:
        os.link(made, place)
    except FileExistsError:
        raise
    except OSError:  # a file system without links, such as those of sticks
        made.rename(place)


def sync_folder(path: Name) -> None:
    """Make the names in a folder safe on the disk."""
    with open_folder(path) as at:
        os.fsync(at)


def remove(name: Name, *, at: int | None = None) -> None:
    """Remove a file, a link or a folder with all that is in it; nothing to remove is fine."""
    try:
        os.unlink(name, dir_fd=at)
    except FileNotFoundError:
        pass
    except (IsADirectoryError, PermissionError) as error:
        if not stat.S_ISDIR(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode):
            raise error from None
        from shutil import rmtree  # which takes time to import

        rmtree(name, dir_fd=at)


def open_append(name: Name, *, at: int | None = None) -> int:
    """Return the descriptor of a file to whose end is written, never waiting; made if need be."""
    return _regular(_open(name, _APPEND, at), name)


def size(name: Name, *, at: int | None = None) -> int:
    """Return how many bytes a file holds, 0 when there is none; a link is not followed."""
    try:
        status = os.stat(name, dir_fd=at, follow_symlinks=False)
    except FileNotFoundError:
        return 0
    _check_regular(status.st_mode, name)
    return status.st_size


@contextmanager
def new_folder(parent: Path, beginning: str) -> Iterator[Path]:
    """Make a folder of a new name for the block, locked, so that `remove_abandoned` knows.

    After the block it is gone, unless it has been given another name.
    """
    while True:
        made = parent / f"{beginning}{os.urandom(6).hex()}"
        made.mkdir(mode=0o700)
        if (descriptor := _locked_folder(made)) is not None:
            break
    try:
        yield made
    finally:
        remove(made)
        os.close(descriptor)


def _locked_folder(made: Path) -> int | None:
    """Return a descriptor that holds the lock; None if somebody took the folder for abandoned."""
    try:
        made.chmod(0o700)  # what the umask took away
        descriptor = os.open(made, _FOLDER)
    except FileNotFoundError:
        return None
    if _is_ours(descriptor) and made.exists():
        return descriptor
    os.close(descriptor)
    return None


def _is_ours(made: int) -> bool:
    """Lock what was made just now; say whether nobody else has, who takes it for abandoned."""
    try:
        return lock(made)
    except OSError:  # a file system without locks
        return True


def remove_abandoned(
    pattern: str, *, at: int, is_ours: Callable[[list[str]], bool] | None = None
) -> None:
    """Remove files of such names that nobody has locked: their process was killed.

    With `is_ours` these are folders, and it judges the names of what is in one. What belongs to
    another user, and what cannot be looked at, is left alone.
    """
    for name in filter(re.compile(pattern).fullmatch, os.listdir(at)):
        with suppress(OSError):
            flags = (_READ if is_ours is None else _FOLDER) | os.O_NOFOLLOW
            descriptor = os.open(name, flags, dir_fd=at)
            try:
                about = os.fstat(descriptor)
                fits = (
                    stat.S_ISREG(about.st_mode)
                    if is_ours is None
                    else is_ours(os.listdir(descriptor))
                )
                if fits and about.st_uid == os.geteuid() and lock(descriptor):
                    remove(name, at=at)
            finally:
                os.close(descriptor)


def open_lock(name: Name, *, at: int | None = None) -> int:
    """Return the descriptor of a file that is there to be locked; it is made if need be."""
    return _regular(_open(name, _LOCK, at), name)


def lock(descriptor: int, *, wait_s: float = 0.0, shared: bool = False) -> bool:
    """Lock a file or folder against other processes; return False if another one keeps it locked.

    Those that want it `shared` have it together; who has it already changes to that, or from it.

    Asking again and again, unlike one call that waits, leaves Ctrl-C and the deadline in force. The
    kernel unlocks when the descriptor is closed, however this process ends. Raise OSError (ENOLCK),
    which names the file, where its file system has no locks.
    """
    deadline = time.monotonic() + wait_s
    pause = _PAUSE_FIRST_S
    while True:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            path = os.readlink(f"/proc/self/fd/{descriptor}")
            raise OSError(errno.ENOLCK, error.strerror, path) from None
        time.sleep(pause)
        pause = min(pause * 1.5, _PAUSE_MAX_S)


def unlock(descriptor: int) -> None:
    """Let other processes have the lock, and keep the file open."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)


def lock_holders(found: os.stat_result) -> list[int]:
    """Return the processes of this machine that have locked a file; only Linux tells."""
    device = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    pids = set()
    with suppress(OSError), open("/proc/locks") as locks:
        pids = {line.split()[4] for line in locks if device in line.split() and "->" not in line}
    return sorted(int(pid) for pid in pids if pid.isdecimal())


def take_lock(name: Name, *, at: int | None = None) -> int | None:
    """Return a descriptor that holds a lock, or None while another process holds it.

    For a lock whose file is removed by whoever held it.
    """
    for _ in range(_TAKE_MAX):
        descriptor = open_lock(name, at=at)
        try:
            if not lock(descriptor):
                os.close(descriptor)
                return None
            # Its last holder may have removed the file between our open and our lock.
            with suppress(FileNotFoundError):
                there = os.stat(name, dir_fd=at, follow_symlinks=False)
                if os.path.samestat(there, os.fstat(descriptor)):
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
    raise OSError(errno.EBUSY, "it is removed again and again", os.fspath(name))


def _open(name: Name, flags: int, at: int | None) -> int:
    """Open by descriptor; where that fails, say what is in the place."""
    try:
        if flags & os.O_CREAT:
            return create(name, flags, at=at)
        return os.open(name, flags, dir_fd=at)
    except FileNotFoundError:
        raise
    except OSError as error:
        try:
            mode = os.stat(name, dir_fd=at, follow_symlinks=False).st_mode
        except FileNotFoundError:
            if flags & os.O_CREAT:  # there is none, and we may not make it
                raise error from None
            raise
        if stat.S_ISLNK(mode) and flags & os.O_NOFOLLOW:
            words = "it is a link, which is not followed"
            raise OSError(errno.ELOOP, words, os.fspath(name)) from None
        if not flags & os.O_DIRECTORY and not stat.S_ISLNK(mode):
            _check_regular(mode, name)
        raise


def _regular(descriptor: int, name: Name) -> int:
    try:
        _check_regular(os.fstat(descriptor).st_mode, name)
    except NotRegular:
        os.close(descriptor)
        raise
    return descriptor


def _check_regular(mode: int, name: Name) -> None:
    if stat.S_ISDIR(mode):
        raise NotRegular(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(name)) from None
    if not stat.S_ISREG(mode):
        raise NotRegular(errno.EINVAL, "it is not a regular file", os.fspath(name)) from None
