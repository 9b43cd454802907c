"""The code that a task executes: what its command, scripts and modules name, and these in turn.

Deploy captures code by this rule, and history asks by it which tasks a file belongs to. The caller
says what there is: the kind of a path, and the bytes of a file.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator, Mapping
from functools import partial

from ork.code.project import Project
from ork.code.shell.reader import read_shell, read_words
from ork.code.steps import NO_SCRIPT, OUTSIDE, File, Item, Node, Open, Step, Steps
from ork.code.use import WORK, Code, Kind, Names, Read, Use, plain
from ork.code.walk import Trail, follow
from ork.objects.kinds import Task
from ork.objects.value import Value
from ork.progress import counted


class Reach(Value, frozen=True, kw_only=True):
    """The captured files that a task executes.

    Not complete where the code leaves open what it loads: such a task may execute any of them.
    """

    files: frozenset[str] = frozenset()
    complete: bool = True

    def joined(self, other: Reach) -> Reach:
        """Return what either of two definitions of a task executes."""
        return Reach(files=self.files | other.files, complete=self.complete and other.complete)


def reach(
    tasks: Mapping[str, Task], *, read: Read, kind: Kind, names: Names = lambda _: ()
) -> dict[str, Reach]:
    """Return for each task the files that it executes."""
    return {
        name: Reach(
            files=frozenset(path for path in trail.files if kind(path) == "file").union(
                one.beside for one in trail.open if one.use.role == "named"
            ),
            complete=all(one.use.role == "named" for one in trail.open),
        )
        for name, trail in trails(tasks, read, kind, names, installed=True).items()
    }


def trails(
    tasks: Mapping[str, Task],
    read: Read,
    kind: Kind,
    names: Names,
    *,
    installed: bool,
) -> dict[str, Trail]:
    """Return for each task what it executes and why; `read` is asked for each file of code once.

    What one of the commands writes is data, even where another one executes it. Where the root may
    be `installed` as it is developed, what an import finds nowhere else may be a package of it.
    """
    project = Project(read, kind, names)
    executed = _Tasks(project, installed=installed)
    told = counted("reading code", tasks.items(), len(tasks))
    found = {name: executed.task(task) for name, task in told}
    written = frozenset(path for trail in found.values() for path in trail.writes)
    captured = (path for trail in found.values() for path in trail.files)
    # A module that is written may go before another one of its name.
    if not written.isdisjoint(captured) or any(path.endswith(".py") for path in written):
        project = Project(read, partial(_unless_written, written, kind), names)
        executed = _Tasks(project, installed=installed)
        found = {name: executed.task(task) for name, task in tasks.items()}
    made_of: dict[str, list[str]] = {}
    for target, source in sorted({pair for trail in found.values() for pair in trail.copies}):
        made_of.setdefault(target, []).append(source)
    return {name: _with_sources(trail, made_of, project) for name, trail in found.items()}


def _unless_written(written: frozenset[str], kind: Kind, path: str) -> str | None:
    return "data" if path in written else kind(path)


def _with_sources(trail: Trail, made_of: Mapping[str, list[str]], project: Project) -> Trail:
    """Return a trail that leaves also open of what files are made that the task executes."""
    found: dict[Open, None] = {}
    for one in trail.open:
        todo, seen = [*made_of.get(one.target, ())], set()
        while todo:
            source = todo.pop()
            if source not in seen:
                seen.add(source)
                todo += made_of.get(source, ())
        if one.use.role != OUTSIDE:
            found[one] = None
        itself = one.target if project.kind(one.target) == "data" else None
        made = (path for path in sorted(seen) if path == itself or project.is_there(path))
        found.update((one._replace(beside=path), None) for path in made)
    return trail if (*found,) == trail.open else trail._replace(open=(*found,))


def own_files(task: Task, kind: Kind) -> list[str]:
    """Return the files that a task names itself: its file, or those of its command."""
    return list(_Tasks(Project(lambda path: None, kind)).task(task).files)


def named_files(task: Task, among: Collection[str]) -> set[str]:
    """Return which of these files a task names itself; not what they execute in turn."""
    if task.module:
        base = task.module.replace(".", "/")
        return {f"{base}.py", f"{base}/__init__.py"}.intersection(among)
    found = own_files(task, lambda path: "file" if path in among else None)
    return {path for path in found if path in among}


def code_file(task: Task, among: Collection[str]) -> str | None:
    """Return the file or the module that a task names if it is one of these; a package first."""
    if task.file:
        return task.file if task.file in among else None
    base = (task.module or "").replace(".", "/")
    return next((path for path in (f"{base}/__init__.py", f"{base}.py") if path in among), None)


def python_path(task: Task) -> tuple[str, ...]:
    """Return the folders below the root that PYTHONPATH names in the environment of a task."""
    value = task.env.get("PYTHONPATH")
    if not isinstance(value, str):
        return ()
    found = (plain(posixpath.normpath(entry)) for entry in value.split(":") if entry)
    return tuple(entry for entry in found if entry is not None)


class _Tasks:
    """Follows what tasks execute, which they mostly share."""

    def __init__(self, project: Project, *, installed: bool = False) -> None:
        self._steps = Steps(project, installed=installed)
        self._begun: dict[Step, Trail] = {}
        self._called: dict[tuple[str | None, ...], Trail] = {}  # of tasks that are no commands

    def task(self, task: Task) -> Trail:
        """Return all that a task executes."""
        path = task.env.get("PYTHONPATH")
        if task.executor == "process" or not isinstance(path, str | None):
            return self._begin(task)
        called = (task.executor, task.module, task.file, path)
        if called not in self._called:
            self._called[called] = self._begin(task)
        return self._called[called]

    def _begin(self, task: Task) -> Trail:
        first = tuple(dict.fromkeys(self._first(task)))
        if first not in self._begun:
            # Tasks that name the same do the same, whatever else their commands say.
            self._begun[first] = follow(self._steps, first)
        return self._begun[first]

    def _first(self, task: Task) -> Iterator[Item]:
        """Yield what a task itself names, as the root has it."""
        path = python_path(task)
        value = task.env.get("PYTHONPATH", "")
        if not isinstance(value, str):
            yield Open("", Use("unclear", text="PYTHONPATH"))
        elif task.executor == "python":
            use = Use("module", text="PYTHONPATH", search=frozenset(value.split(":")))
            yield from self._steps.astray(use, Node("", "python", "", ""))
        if task.executor == "process":
            if task.file is not None:
                yield File(task.file, "file")
            yield from self._steps.uses(
                _code_of(task), Node("", "shell", zero=NO_SCRIPT, path=path)
            )
            return
        role, search = "module", ("", *path)
        if task.module is not None:
            paths = self._steps.modules.below(search, task.module)
            yield from self._steps.hidden(task.module, search, "")
        else:
            role, paths = "file", [task.file] if task.file else []
            search = (posixpath.dirname(task.file or ""), *search)
        for one in paths:
            if self._steps.project.kind(one) == "data":
                yield Open("", Use("unclear", text=one), target=one)
                continue
            yield File(one, role)
            if task.executor == "python":
                yield Node(one, "python", "", one, search, path=path)


def _code_of(task: Task) -> Code:
    """Return what a process task itself executes."""
    if task.command is None:
        return Code((Use("program", paths=frozenset((f"{WORK}/{task.file}",))),))
    known = {name: value for name, value in task.env.items() if isinstance(value, str)}
    if isinstance(task.command, tuple):
        return read_words(task.command, known)
    if task.shell is None:
        return read_shell(task.command, known)
    return read_words((*task.shell, task.command), known)
