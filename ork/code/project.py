"""The files that code of a project can name: those of the project itself, not what is installed.

Whoever asks says the kind of a path, what a file holds and what lies in a folder.
"""

from __future__ import annotations

import fnmatch
import posixpath
from collections.abc import Iterable

from ork.code.use import Kind, Names, Read

LOOKED_MAX = 200_000  # names and folders, for patterns in code
_ENVIRONMENTS = ("pyvenv.cfg", "conda-meta")  # what tells one of Python, and one of conda


class Project:
    """The files of a project, as names and as patterns."""

    def __init__(self, read: Read, kind: Kind, names: Names = lambda _: ()) -> None:
        self.read, self.kind, self.names = read, kind, names
        self._within: dict[str, list[str]] = {}  # names, by folder
        self._looked = 0  # at how many, for patterns

    def content(self, path: str) -> bytes | None:
        """Return what a file of the project holds; None if it is none."""
        return self.read(path) if self.is_there(path) else None

    def is_there(self, path: str) -> bool:
        """Say whether a path is that of a file of the project."""
        return self.kind(path) == "file" and not self.is_foreign(path)

    def is_foreign(self, path: str) -> bool:
        """Say whether a file belongs to an environment of Python or to installed packages."""
        folders = path.split("/")[:-1]
        if "node_modules" in folders:
            return True
        above = ["/".join(folders[:end]) for end in range(1, len(folders) + 1)]
        marks = (f"{folder}/{mark}" for folder in above for mark in _ENVIRONMENTS)
        return any(self.kind(mark) in ("file", "folder") for mark in marks)

    def ended(self, path: str, ends: Iterable[str]) -> str | None:
        """Return the first file that is there, of a path with one of these ends."""
        return next(filter(self.is_there, (f"{path}{end}".lstrip("/") for end in ends)), None)

    @property
    def is_too_large(self) -> bool:
        """Say whether patterns mean more than is looked at."""
        return self._looked > LOOKED_MAX

    def matching(self, pattern: str) -> list[str]:
        """Return the files that a pattern means, of which `**` stands for any folders."""
        found: dict[str, None] = {"": None}
        for part in pattern.split("/"):
            if part == "**":
                todo = [*found]
                for folder in todo:  # which grows
                    todo += [one for one in self._named(folder, "*") if self.kind(one) == "folder"]
                    if self.is_too_large:
                        break
                found = dict.fromkeys(todo)
            elif "*" in part:
                found = {one: None for folder in found for one in self._named(folder, part)}
            else:
                found = {posixpath.join(folder, part): None for folder in found}
        return [path for path in found if self.is_there(path)]

    def _named(self, folder: str, pattern: str) -> list[str]:
        """Return the paths in a folder that have such a name."""
        if folder not in self._within:
            self._within[folder] = [name for name in self.names(folder) if name[0] != "."]
        self._looked += len(self._within[folder]) + 1
        names = [] if self.is_too_large else self._within[folder]
        return [posixpath.join(folder, name) for name in fnmatch.filter(names, pattern)]
