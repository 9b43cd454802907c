"""Leases on this machine: locked files in a folder, as the kernel gives them back by itself."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from weakref import WeakSet

from ork.errors import StoreError
from ork.files import open_folder, take_lock


class FolderLeases:
    """A file for each lease; it is there while somebody has it, or when its holder was killed."""

    def __init__(self, folder: Path) -> None:
        """The folder is made for the first of them."""
        self._folder = folder

    def take(self, name: str) -> FileLease | None:
        """Take a lease; None when this process or another has it."""
        store = self._folder.parent
        try:
            os.stat(store)  # which is not made: who removed it wants no lease
            with open_folder(store, [self._folder.name], make=0o700) as at:
                descriptor = take_lock(name, at=at)
        except OSError as error:
            if not os.path.lexists(store):
                raise StoreError(f"there is no store in {store}: {error.strerror}") from None
            path = self._folder / name
            raise StoreError(
                f"the lock {path} cannot be used: {error.strerror}",
                hint=f"{self._folder} must be there, and writable by you",
            ) from None
        return None if descriptor is None else FileLease(self._folder / name, descriptor)

    def names(self) -> set[str]:
        """Return the names of the files that are there."""
        try:
            with open_folder(self._folder.parent, [self._folder.name]) as at:
                return set(os.listdir(at))
        except (FileNotFoundError, NotADirectoryError):
            return set()
        except OSError as error:
            raise StoreError(f"{self._folder} cannot be read: {error.strerror}") from None


class FileLease:
    """A `Lease`: a file that this process has locked. The lock ends with the process."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path, self._descriptor = path, descriptor
        _held.add(self)

    def held(self) -> bool:
        """Say whether the file is there still: who finds none makes another one, and locks that."""
        if self._descriptor < 0:
            return False
        try:
            there = os.stat(self._path, follow_symlinks=False)
        except OSError:
            return False
        return os.path.samestat(there, os.fstat(self._descriptor))

    def release(self) -> None:
        """Remove the file, and let go of its lock. Idempotent."""
        if self._descriptor < 0:
            return
        if self.held():
            with suppress(OSError):  # what stays has no holder, and is a trace of one
                os.unlink(self._path)
        self.forget()

    def forget(self) -> None:
        """Let go of the lock, unless another process has it by the same descriptor."""
        os.close(self._descriptor)
        self._descriptor = -1


_held: WeakSet[FileLease] = WeakSet()


def _after_fork() -> None:
    """Let a forked child hold nothing: its parent may be killed, and be waited for by others."""
    for lease in _held:
        if lease._descriptor >= 0:
            lease.forget()


os.register_at_fork(after_in_child=_after_fork)
