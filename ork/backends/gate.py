"""What stands in front of the writers of a data file: one at a time, in turn, and interruptible.

And what a file backend says of a fork, of a commit that failed, and of the errors of others.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any, ParamSpec, TypeVar

from ork.backends.base import closed
from ork.errors import StoreError
from ork.files import lock, open_lock, unlock

WAIT_S = 60.0
_NOTE_BYTES = 256
_NOBODY = b" " * (_NOTE_BYTES - 1) + b"\n"

P = ParamSpec("P")
T = TypeVar("T")


class Gate:
    """A lock between processes, and between the threads of one, taken by `with`.

    It stands in front of the lock that a library has for its writers, because whoever waits there
    can be neither interrupted nor told who is in the way. While it is held, its file says by whom.
    """

    def __init__(self, path: Path, *, wait_s: float = WAIT_S) -> None:
        self._path = path
        self._wait_s = wait_s
        self._threads = Lock()
        try:
            self._file = open_lock(path)
        except OSError as error:
            raise StoreError(
                f"the store cannot be written: {path}: {error.strerror}",
                hint="its folder and its files must be writable by you",
            ) from None
        self._note = _note()

    def __enter__(self) -> Gate:
        """Wait for the lock; raise StoreError naming the holder when that takes too long."""
        deadline = time.monotonic() + self._wait_s
        if not self._threads.acquire(timeout=self._wait_s):
            raise self._busy()
        try:
            self._lock(deadline)
            with suppress(OSError):  # a full disk must not stop who is about to make room
                os.pwrite(self._file, self._note, 0)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        try:
            if self._file >= 0:
                with suppress(OSError):  # who wrote may have been told what must not stay
                    os.pwrite(self._file, _NOBODY, 0)
                unlock(self._file)
        finally:
            self._threads.release()

    def close(self) -> None:
        """Give back the file, after the last thread inside has left. Idempotent."""
        with self._threads:
            self.forget()

    def forget(self) -> None:
        """Give back the file of a forked child; what the parent holds, it goes on holding."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _lock(self, deadline: float) -> None:
        if self._file < 0:
            raise closed()
        try:
            locked = lock(self._file, wait_s=deadline - time.monotonic())
        except OSError as error:
            raise StoreError(
                f"the file {self._path} cannot be locked: {error.strerror}",
                hint="keep the store on a local disk",
            ) from None
        if not locked:
            raise self._busy()

    def _busy(self) -> StoreError:
        holder = os.pread(self._file, _NOTE_BYTES, 0).rstrip(b"\n ").decode("utf-8", "replace")
        return StoreError(
            f"waited {self._wait_s:g} s for another writer: {holder or 'an unknown process'}",
            hint="it may be stopped (Ctrl-Z) or stuck: let it go on with `fg`, or end it",
        )


def _note() -> bytes:
    """Return this process in words, of fixed length so that the next holder's covers it."""
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]] if sys.argv else [])
    shown = "".join(c if c.isprintable() else "?" for c in command)
    text = f"process {os.getpid()} ({shown})".encode("utf-8", "replace")[: _NOTE_BYTES - 1]
    return text.decode("utf-8", "ignore").encode().ljust(_NOTE_BYTES - 1) + b"\n"


def explaining(
    *errors: type[Exception], by: Callable[[Any], StoreError]
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Return what lets a function raise, in place of these errors, what `by` makes of each."""

    def explain(function: Callable[P, T]) -> Callable[P, T]:
        def explained(*args: P.args, **options: P.kwargs) -> T:
            try:
                return function(*args, **options)
            except errors as error:
                raise by(error) from error

        return explained

    return explain


def reading_only(path: Path) -> StoreError:
    """Return the error for a write by a handle that only reads, and what to do about it."""
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return StoreError(
            f"the store {path} cannot be written: its file system is read-only",
            hint="mount it for writing, or keep a store elsewhere: `ork --store FOLDER ...`",
        )
    return StoreError(
        f"the store {path} is open for reading only",
        hint="its folder and its files must be writable by you",
    )


@contextmanager
def alone(store: Path, users: Path) -> Iterator[None]:
    """Let no process open a store; raise StoreError when one has it open, and so has locked a file.

    `users` is that file.
    """
    try:
        descriptor = open_lock(users)
    except OSError as error:
        raise StoreError(f"{store} cannot be changed: {error.strerror}") from None
    try:
        if not lock(descriptor):
            raise in_use(descriptor)
        yield
    finally:
        os.close(descriptor)


def in_use(descriptor: int) -> StoreError:
    """Return the error for a store that others have open, who keep this file locked."""
    found, pids = os.fstat(descriptor), set()
    device = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    with suppress(OSError), open("/proc/locks") as locks:  # only Linux tells
        pids = {line.split()[4] for line in locks if device in line.split() and "->" not in line}
    known = sorted(int(pid) for pid in pids - {str(os.getpid())} if pid.isdecimal())
    who = ", ".join(map(str, known))
    return StoreError(
        f"another process has the store open{f': {who} on {os.uname().nodename}' if who else ''}",
        hint="let it end, then repeat the command",
    )


def outcome(error: Exception, done: bool | None) -> StoreError:
    """Return our error for a commit that failed; `done`: whether it is in the file, if known."""
    if done is False:
        return StoreError(
            f"the disk is full or failing, and the change was not written ({error})",
            hint="make room, then run the command again",
        )
    if done:
        return StoreError(
            f"the change was written, but the disk has failed meanwhile ({error})",
            hint="`ork log` shows it as long as the machine runs; see to the disk",
        )
    return StoreError(
        f"the disk has failed, and whether the change was written is not known ({error})",
        hint="see to the disk, then in `ork log` whether the change arrived",
    )


def forked() -> StoreError:
    """Return the error for any use, in a forked child, of what its parent opened."""
    return StoreError(
        "the store was opened before this process was forked",
        hint='start the other one by `multiprocessing.get_context("spawn")`, and open it there',
    )
