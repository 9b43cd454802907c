"""The code files that a task executes: those that its command names, and those that it imports.

Deploy captures code by this rule, and history asks by it which tasks a file belongs to. The caller
says what there is: the kind of a path, and the imports of a file.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from ork.definition.command import file_words
from ork.objects.kinds import Task
from ork.objects.value import Value

if TYPE_CHECKING:
    from ork.definition.imports import Import

Kind: TypeAlias = Callable[[str], str | None]  # file, folder, outside (a link leads out), or None
Imports: TypeAlias = "Callable[[str], Iterable[Import] | None]"  # None: the file cannot be had
_Step: TypeAlias = Callable[[str, str], list[str] | None]


class Reach(Value, frozen=True, kw_only=True):
    """The captured files that a task executes.

    Not complete where the code leaves open what it loads: such a task may execute any of them.
    """

    files: frozenset[str] = frozenset()
    complete: bool = True

    def joined(self, other: Reach) -> Reach:
        """Return what either of two definitions of a task executes."""
        return Reach(files=self.files | other.files, complete=self.complete and other.complete)


def command_files(command: str | tuple[str, ...], kind: Kind) -> Iterator[str]:
    """Yield the words of a command that are files, as paths; most words are none."""
    for word in file_words(command):
        path = posixpath.normpath(word)
        absolute = path.startswith(("/", "../")) or "\0" in path
        if not absolute and kind(path) == "file":
            yield path


def reach(tasks: Mapping[str, Task], *, imports: Imports, kind: Kind) -> dict[str, Reach]:
    """Return for each task the files that it executes."""
    # Tasks mostly share what they import.
    step = cache(lambda path, first: _imported(path, first, imports, kind))
    followed: dict[tuple[str, str], list[str]] = {}
    found: dict[str, Reach] = {}
    for name, task in tasks.items():
        files = {task.file} if task.file and kind(task.file) == "file" else set()
        if task.command is not None:
            files.update(command_files(task.command, kind))
        starts, first = _starts(task, kind)
        for start in starts:
            # Tasks often share their file, and differ in the function that they call.
            if (start, first) not in followed:
                followed[start, first] = _follow(start, first, step, set())
            files.update(followed[start, first])
        found[name] = Reach(files=frozenset(files))
    return found


def follow(
    path: str, first: str, *, imports: Imports, kind: Kind, seen: set[tuple[str, str]]
) -> list[str]:
    """Return a file and every file that it imports, transitively, as far as they can be had.

    `seen` holds what was followed before, which is left out, and takes what is followed now.
    """
    return _follow(path, first, lambda path, first: _imported(path, first, imports, kind), seen)


def find_module(module: str, folders: list[str], kind: Kind) -> tuple[list[str], bool]:
    """Return the files that importing a module executes, and whether the last part is there.

    As Python searches: in the first folder with a package or a module of that name, else in all
    folders of that name, which together are one package.
    """
    found: list[str] = []
    parts = module.split(".")
    for number, part in enumerate(parts):
        bases = [posixpath.join(folder, part) for folder in folders]
        for base in bases:
            if _is_file(f"{base}/__init__.py", kind):
                found.append(f"{base}/__init__.py")
                folders = [base]
                break
            if _is_file(f"{base}.py", kind):
                found.append(f"{base}.py")
                return found, number + 1 == len(parts)
        else:
            folders = [base for base in bases if kind(base) == "folder"]
            if not folders or number + 1 == len(parts):
                return found, False
    return found, True


def _starts(task: Task, kind: Kind) -> tuple[list[str], str]:
    """Return the Python files that a task names, and the folder in which it imports from first."""
    if task.module is not None:
        return find_module(task.module, [""], kind)[0], ""
    if task.executor == "python" and task.file is not None:
        return [task.file], posixpath.dirname(task.file)
    return [], ""


def _follow(path: str, first: str, step: _Step, seen: set[tuple[str, str]]) -> list[str]:
    found: list[str] = []
    todo = [path]
    while todo:
        path = todo.pop()
        if (path, first) in seen:
            continue
        files = step(path, first)
        if files is not None:
            seen.add((path, first))
            found.append(path)
            todo += files
    return found


def _imported(path: str, first: str, imports: Imports, kind: Kind) -> list[str] | None:
    """Return the files below the root that a file's imports execute; None if it cannot be had."""
    named = imports(path)
    if named is None:
        return None
    return [file for one in named for file in _named(one, path, first, kind)]


def _named(named: Import, path: str, first: str, kind: Kind) -> Iterator[str]:
    """Yield the files that one import in a file executes, as far as they lie below the root."""
    if named.level == 0:
        yield from find_module(named.name, list(dict.fromkeys((first, ""))), kind)[0]
        return
    folder = posixpath.dirname(path)
    for _ in range(named.level - 1):
        if not folder:
            return
        folder = posixpath.dirname(folder)
    yield from _packages(folder, kind)
    if named.name:
        yield from find_module(named.name, [folder], kind)[0]


def _packages(folder: str, kind: Kind) -> Iterator[str]:
    """Yield the `__init__.py` of a package and of those around it."""
    # A store can hold any path; above "/" is "/" again.
    while folder.strip("/") and _is_file(init := posixpath.join(folder, "__init__.py"), kind):
        yield init
        folder = posixpath.dirname(folder)


def _is_file(path: str, kind: Kind) -> bool:
    # A link that leads out counts: the import would follow it, so taking it must complain.
    return kind(path) in ("file", "outside")
