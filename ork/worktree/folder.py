"""Reading files below one folder, safely on anybody's data.

No link that leads out of the folder is followed; only regular files of bounded size are read.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Protocol

from ork.errors import InvalidInput
from ork.files import NotRegular, open_file, open_folder
from ork.objects.canonical import Json
from ork.objects.snapshot import CodeFile

FILE_BYTES_MAX = 16 * 1024 * 1024


class Files(Protocol):
    """The files below one folder, on disk (`Root`) or in a commit of git, for a capture to read.

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
    """The root of a workflow file on disk; see `Files`."""

    def __init__(self, folder: Path) -> None:
        self.folder = os.path.realpath(folder)
        self._kinds: dict[str, str | None] = {}

    def kind(self, path: str) -> str | None:
        if path not in self._kinds:
            self._kinds[path] = self._kind(path)
        return self._kinds[path]

    def names(self, path: str) -> list[str]:
        try:
            return sorted(os.listdir(self._at(path)))
        except (OSError, ValueError):
            return []

    def has_above(self, path: str) -> bool:
        """Say whether the folder above has such a file, from which the workflow file was moved."""
        return os.path.isfile(os.path.join(os.path.dirname(self.folder), path))

    def below(self, path: str) -> str:
        """Return an absolute path that lies below the root from there."""
        return os.path.relpath(os.path.realpath(self._at(path)), self.folder)

    def is_link(self, path: str) -> bool:
        try:
            return self._at(path).is_symlink()
        except (OSError, ValueError):
            return False

    def read(self, path: str) -> CodeFile:
        try:
            real = os.path.realpath(self._at(path), strict=True)
            if not self._is_inside(real):
                raise leads_out(path)
            *folders, name = os.path.relpath(real, self.folder).split("/")
            with open_folder(self.folder, folders) as at, open_file(name, at=at) as file:
                return _read(file, path)
        except NotRegular as error:
            if error.errno == errno.EISDIR:
                raise is_folder(path) from None
            hint = "pipes and devices have no content"
            raise InvalidInput(f"{path} is not a regular file", hint=hint) from None
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise InvalidInput(f"cannot read {path}: {reason}") from None

    def _at(self, path: str) -> Path:
        if path.startswith("/"):
            from ork.code.shell.words import HOME  # what does not read code does without that room

            if path.startswith(f"{HOME}/"):
                path = os.path.expanduser("~") + path[len(HOME) :]
        return Path(self.folder, path)

    def _kind(self, path: str) -> str | None:
        try:
            at = self._at(path)
            mode = at.stat().st_mode
            if not self._is_inside(os.path.realpath(at)):
                return "outside"
        except (OSError, ValueError):
            return None
        if stat.S_ISREG(mode):
            return "file"
        return "folder" if stat.S_ISDIR(mode) else "other"

    def _is_inside(self, real: str) -> bool:
        return real == self.folder or real.startswith(self.folder.rstrip("/") + "/")


def root_of(file: Path, settings: Mapping[str, Json]) -> Path:
    """Return the root of a workflow file: its folder, or what `root:` names above that."""
    folder = os.path.dirname(os.path.realpath(file))
    above = settings.get("root")
    return Path(folder if above is None else os.path.realpath(os.path.join(folder, str(above))))


def root_below(path: str, settings: Mapping[str, Json]) -> str:
    """Return the root of a workflow file from where its path begins, with a slash; "" for there."""
    up = posixpath.normpath(posixpath.join(posixpath.dirname(path), str(settings.get("root", "."))))
    return "" if up == "." else f"{up}/"


def leads_out(path: str) -> InvalidInput:
    """Return the error for a file that lies outside of the folder."""
    if f"{path}/".startswith("../"):
        hint = "copy it there; or a `root: ..` at the top takes the folder above for the root"
        return InvalidInput(f"{path} lies outside of the workflow's folder", hint=hint)
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
        hint="large data is no part of a definition: pass its path in `inputs` or `env`;"
        f" `exclude: [{path}]` says that it is data",
    )


def _read(file: BinaryIO, path: str) -> CodeFile:
    before = os.fstat(file.fileno())
    data = file.read(FILE_BYTES_MAX + 1) if before.st_size <= FILE_BYTES_MAX else b""
    if max(before.st_size, len(data)) > FILE_BYTES_MAX:
        raise too_large(path)
    after = os.fstat(file.fileno())
    if len(data) != after.st_size or before.st_mtime_ns != after.st_mtime_ns:
        raise InvalidInput(f"{path} changed while it was read", hint="try again when it is at rest")
    return CodeFile(data=data, executable=bool(before.st_mode & stat.S_IXUSR))
