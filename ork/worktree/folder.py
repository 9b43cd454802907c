"""Reading files below one folder, safely on anybody's data.

Nothing is read through a link that leads out of the folder, nothing that is not a regular file, and
never more than a fixed number of bytes.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Protocol

from ork.errors import InvalidInput
from ork.objects.snapshot import CodeFile

FILE_BYTES_MAX = 16 * 1024 * 1024


class Files(Protocol):
    """What a capture reads: files below one folder, on disk (`Root`) or in a commit of git.

    Paths are relative to that folder, with `/`.
    """

    def kind(self, path: str) -> str | None:
        """Return file, folder, other, or outside (a link leads out); None when nothing is there."""

    def names(self, path: str) -> list[str]:
        """Return the sorted names in a folder; none when it cannot be read."""

    def is_link(self, path: str) -> bool:
        """Say whether the path itself is a symbolic link."""

    def read(self, path: str) -> CodeFile:
        """Return a file's bytes, all of one moment; raise InvalidInput with what to do instead."""


class Root:
    """The folder of a workflow file. Paths are relative to it, with `/`."""

    def __init__(self, folder: Path) -> None:
        self.folder = os.path.realpath(folder)
        self._kinds: dict[str, str | None] = {}

    def kind(self, path: str) -> str | None:
        """Return file, folder, other, or outside (a link leads out); None when nothing is there."""
        if path not in self._kinds:
            self._kinds[path] = self._kind(path)
        return self._kinds[path]

    def names(self, path: str) -> list[str]:
        """Return the sorted names in a folder; none when it cannot be read."""
        try:
            return sorted(below.name for below in self._at(path).iterdir())
        except (OSError, ValueError):
            return []

    def is_link(self, path: str) -> bool:
        """Say whether the path itself is a symbolic link."""
        try:
            return self._at(path).is_symlink()
        except (OSError, ValueError):
            return False

    def read(self, path: str) -> CodeFile:
        """Return a file's bytes, all of one moment; raise InvalidInput with what to do instead."""
        try:
            descriptor = self._open(path)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise InvalidInput(f"cannot read {path}: {reason}") from None
        try:
            return _read(descriptor, path)
        except OSError as error:
            raise InvalidInput(f"cannot read {path}: {error.strerror}") from None
        finally:
            os.close(descriptor)

    def _at(self, path: str) -> Path:
        return Path(self.folder, path)

    def _kind(self, path: str) -> str | None:
        try:
            mode = self._at(path).stat().st_mode
            if not self._is_inside(os.path.realpath(self._at(path))):
                return "outside"
        except (OSError, ValueError):
            return None
        if stat.S_ISREG(mode):
            return "file"
        return "folder" if stat.S_ISDIR(mode) else "other"

    def _is_inside(self, real: str) -> bool:
        return real == self.folder or real.startswith(self.folder.rstrip("/") + "/")

    def _open(self, path: str) -> int:
        """Open the file that a path means, after links; refuse one that lies outside."""
        real = os.path.realpath(self._at(path), strict=True)
        if not self._is_inside(real):
            raise leads_out(path)
        # Folder by folder without following links, so that none can be put in between now.
        *folders, name = os.path.relpath(real, self.folder).split("/")
        at = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for folder in folders:
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                below = os.open(folder, flags, dir_fd=at)
                os.close(at)
                at = below
            # Without O_NONBLOCK opening a pipe would wait for whoever writes to it.
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
            return os.open(name, flags, dir_fd=at)
        finally:
            os.close(at)


def leads_out(path: str) -> InvalidInput:
    """Return the error for a file that lies outside of the folder."""
    return InvalidInput(
        f"{path} is, or lies behind, a link that leads out of the workflow's folder",
        hint="copy the file into the folder of the workflow file, or link inside of it",
    )


def is_folder(path: str) -> InvalidInput:
    """Return the error for a folder where a file is wanted."""
    return InvalidInput(f"{path} is a folder, not a file", hint=f"name a file, or {path}/**")


def too_large(path: str) -> InvalidInput:
    """Return the error for a file beyond FILE_BYTES_MAX."""
    return InvalidInput(
        f"{path} is larger than {FILE_BYTES_MAX // 1024**2} MiB, too large for code",
        hint="large data is no part of a definition: pass its path in `inputs` or `env`",
    )


def _read(descriptor: int, path: str) -> CodeFile:
    before = os.fstat(descriptor)
    if stat.S_ISDIR(before.st_mode):
        raise is_folder(path)
    if not stat.S_ISREG(before.st_mode):
        raise InvalidInput(
            f"{path} is not a regular file", hint="pipes and devices have no content"
        )
    data = b""
    if before.st_size <= FILE_BYTES_MAX:
        with os.fdopen(os.dup(descriptor), "rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    if before.st_size > FILE_BYTES_MAX or len(data) > FILE_BYTES_MAX:
        raise too_large(path)
    after = os.fstat(descriptor)
    if len(data) != after.st_size or before.st_mtime_ns != after.st_mtime_ns:
        raise InvalidInput(f"{path} changed while it was read", hint="try again when it is at rest")
    return CodeFile(data=data, executable=bool(before.st_mode & stat.S_IXUSR))
