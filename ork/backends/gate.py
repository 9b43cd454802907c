"""What stands in front of the writers of a data file: one at a time, in turn, and interruptible.

And what backends in files have in common: a handle that ends with a fork, and what they say of a
commit that failed, and of the errors of others.
"""

from __future__ import annotations

import os
import sys
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import copy
from pathlib import Path
from threading import Lock
from typing import Any, ParamSpec, Self, TypeVar
from weakref import WeakSet

from ork.backends.base import Lease, OneByOne, closed
from ork.backends.leases import FolderLeases
from ork.errors import StoreError
from ork.files import lock, lock_holders, open_lock, unlock

WAIT_S = 60.0
_NOTE_BYTES = 256
_NOBODY = b" " * (_NOTE_BYTES - 1) + b"\n"

P = ParamSpec("P")
T = TypeVar("T")


class Gate:
    """A lock between processes, and between the threads of one, taken by `with`.

    It stands in front of the lock that a library has for its writers, because whoever waits there
    can be neither interrupted nor told who is in the way. While it is held, its file says by whom.

    With `data` it lets nobody write to a file that is no longer at this path: a library goes on
    with the one that it has open, which takes all, and nobody ever finds that.
    """

    def __init__(self, path: Path, *, wait_s: float = WAIT_S, data: Path | None = None) -> None:
        self._path = path
        self._data, self._identity = data, _identity(data)
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
        except BaseException:
            self._threads.release()  # and nothing else, which is of who holds the lock
            raise
        try:
            if self._identity != _identity(self._data):
                raise StoreError(
                    f"the store was removed, renamed or replaced while it was used: {self._data}",
                    hint="if a folder above it was renamed, go to where it is now",
                )
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

    @contextmanager
    def left(self) -> Iterator[None]:
        """Wait until the last thread of this process has left, and let none in for the block."""
        with self._threads:
            yield

    def close(self) -> None:
        """Give back the file, after the last thread inside has left. Idempotent."""
        with self.left():
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


class Handle(OneByOne):
    """A store in files that is open; dead in a forked child, where every use raises StoreError."""

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        readonly: bool = False,
        locks: Path | None = None,
        wait_s: float = WAIT_S,
    ) -> Self:
        """Open the store in this place.

        `locks` is the folder for leases, the same for all who use the store: else one beside it.
        `wait_s` is how long a write waits for another process before it raises StoreError.
        """
        return cls(path, readonly, locks, wait_s)

    def __init__(self, path: Path, readonly: bool, locks: Path | None, wait_s: float) -> None:
        self._path, self._wait_s = path, wait_s
        self._leases = FolderLeases(locks or self._beside("locks"))
        self._gate: Gate | None = None  # of a handle that may write
        self._users = -1  # a descriptor that is locked as long as the store is open here
        self._refusal: StoreError | None = None
        try:
            self._begin(readonly)
        except BaseException:
            self.close()
            raise
        handles.add(self)

    @abstractmethod
    def _begin(self, readonly: bool) -> None: ...

    @abstractmethod
    def _beside(self, name: str) -> Path:
        """Return a file or a folder of the store by its name."""

    def lease(self, name: str) -> Lease | None:
        self._passed()  # a lease, too, is for those who write
        return self._leases.take(name)

    def leased(self) -> set[str]:
        return self._leases.names()

    def close(self) -> None:
        self._refusal = self._refusal or closed()
        if self._gate is not None:
            self._gate.close()
        self._leave()

    def _leave(self) -> None:
        if self._users >= 0:
            os.close(self._users)
            self._users = -1

    def _forget(self) -> None:
        """End in a forked child, without a word to who has the store open: the parent has it."""
        self._refusal = forked()
        if self._gate is not None:
            self._gate.forget()
        self._leave()

    def _reading(self) -> Self:
        """Return another handle of the store, which cannot write."""
        other = copy(self)
        other._gate, other._users = None, -1
        other.lease = self.lease  # type: ignore[method-assign]  # which are of no moment
        handles.add(other)
        return other

    def _check_open(self) -> None:
        if self._refusal is not None:
            raise self._refusal

    def _passed(self) -> Gate:
        """Return what a writer must pass; raise StoreError where this handle must not write."""
        self._check_open()
        if self._gate is None:
            raise reading_only(self._path)
        return self._gate


handles: WeakSet[Handle] = WeakSet()  # that end with a fork


def _after_fork() -> None:
    for handle in handles:
        handle._forget()


os.register_at_fork(after_in_child=_after_fork)


def _identity(data: Path | None) -> tuple[int, int] | None:
    """Return what is another once another file is at this path; None without a file."""
    with suppress(OSError):
        found = os.stat(data) if data else None
        return found and (found.st_dev, found.st_ino)
    return None


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
    who = ", ".join(str(pid) for pid in lock_holders(os.fstat(descriptor)) if pid != os.getpid())
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
