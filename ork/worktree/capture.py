"""The code that a Definition calls: read from the files below its root, never executed.

A python task takes its file and, transitively, every module below the root that imports name; a
process task its file and the words of its command that are files; `include` adds the rest.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from ork.definition.imports import Import, Unreadable, read_imports
from ork.definition.reach import command_files, find_module, follow
from ork.definition.workflow import Definition
from ork.errors import InvalidInput, Problem
from ork.objects.kinds import Task
from ork.objects.snapshot import CodeFile
from ork.worktree.folder import Files, Root
from ork.worktree.globs import matching
from ork.yaml.problems import Problems, nearest

FILES_MAX = 50_000
CAPTURE_BYTES_MAX = 512 * 1024 * 1024

ReadImports: TypeAlias = Callable[..., tuple[Import, ...] | Unreadable]


def capture(
    definition: Definition, root: Path | Files, *, file: str, read: ReadImports = read_imports
) -> dict[str, CodeFile]:
    """Return the files that a Definition needs, sorted by path; raise InvalidInput with all errors.

    `root` is the folder of the workflow file, `file` what the complaints call that file. Nothing is
    imported or run, and no link out of the root is followed. `read` may remember what it has read.
    """
    taking = _Capture(definition, Root(root) if isinstance(root, Path) else root, file, read)
    for name, task in definition.tasks.items():
        taking.task(name, task)
    for pattern in definition.include:
        taking.include(pattern)
    taking.problems.check()
    return dict(sorted(taking.files.items()))


class _Capture:
    def __init__(self, definition: Definition, root: Files, file: str, read: ReadImports) -> None:
        self.read = read
        self.places = definition.places
        self.root = root
        self.problems = Problems(file, definition.text)
        self.beside = Path(file).parent  # for the names of other files in complaints
        self.files: dict[str, CodeFile] = {}
        self.bytes = 0
        self.imports: dict[str, tuple[Import, ...] | Unreadable] = {}
        self.followed: set[tuple[str, str]] = set()  # a path, and the folder that is searched first

    def task(self, name: str, task: Task) -> None:
        """Take what one task executes."""
        at = ("tasks", name, "file")
        if task.module is not None:
            self._module(task.module, ("tasks", name, "module"))
        elif task.file is not None and self._named(task.file, at) and task.executor == "python":
            self._follow(task.file, posixpath.dirname(task.file), at)
            self._must_be_python(task.file)
        for path in command_files(task.command, self.root.kind) if task.command else ():
            self._take(path, ("tasks", name, "command"))

    def include(self, pattern: str) -> None:
        """Take the files that a pattern of `include` means."""
        at = ("include", pattern)
        try:
            paths = matching(self.root, pattern)
        except InvalidInput as error:
            self._say(at, error.message, error.hint)
            return
        if not paths:
            hint = "the pattern is relative to the folder of the workflow file"
            self._say(at, f"include: no file matches {pattern}", hint)
        for path in paths:
            self._take(path, at)

    def _named(self, path: str, at: tuple[str, ...]) -> bool:
        """Take a file that the workflow names; complain when it is not there."""
        if self.root.kind(path) is None and not self.root.is_link(path):
            folder, name = posixpath.split(path)
            near = nearest(name, self.root.names(folder))
            hint = f"did you mean {posixpath.join(folder, near)}?" if near else None
            hint = hint or "paths are relative to the folder of the workflow file"
            self._say(at, f"no such file: {path}", hint)
            return False
        return self._take(path, at)

    def _take(self, path: str, at: tuple[str, ...]) -> bool:
        if path in self.files:
            return True
        try:
            found = self.root.read(path)
        except InvalidInput as error:
            self._say(at, error.message, error.hint)
            return False
        self.bytes += len(found.data)
        if len(self.files) >= FILES_MAX or self.bytes > CAPTURE_BYTES_MAX:
            limit = f"{FILES_MAX} files or {CAPTURE_BYTES_MAX // 1024**2} MiB"
            self._say(at, f"the code of this workflow is more than {limit}", "include less")
            self.problems.check()
        self.files[path] = found
        return True

    def _module(self, module: str, at: tuple[str, ...]) -> None:
        paths, complete = find_module(module, [""], self.root.kind)
        if not complete or not paths:
            hint = f"it is looked for as {module.replace('.', '/')}.py beside the workflow file"
            self._say(at, f"no module named {module}", hint)
            return
        for path in paths:
            if self._take(path, at):
                self._follow(path, "", at)
        self._must_be_python(paths[-1])

    def _must_be_python(self, path: str) -> None:
        found = self.imports.get(path)
        if isinstance(found, Unreadable):
            self.problems.keep(
                Problem(
                    file=str(self.beside / path),
                    line=found.line,
                    column=found.column,
                    message=f"not valid Python: {found.message}",
                    source=found.source,
                )
            )

    def _follow(self, path: str, first: str, at: tuple[str, ...]) -> None:
        """Take every module that a file names, and those that they name."""
        follow(
            path,
            first,
            imports=lambda path: self._imports(path, at),
            kind=self.root.kind,
            seen=self.followed,
        )

    def _imports(self, path: str, at: tuple[str, ...]) -> tuple[Import, ...] | None:
        """Take a file and return what it imports; None when it cannot be taken."""
        if not self._take(path, at):
            return None
        found = self.imports.get(path)
        if found is None:
            is_package = posixpath.basename(path) == "__init__.py"
            found = self.read(self.files[path].data, is_package=is_package)
            self.imports[path] = found
        return () if isinstance(found, Unreadable) else found

    def _say(self, at: tuple[str, ...], message: str, hint: str | None) -> None:
        place = self.places.get(at)
        line, column = (place.line, place.column) if place else (0, 0)
        self.problems.add(line, column, message, hint)
