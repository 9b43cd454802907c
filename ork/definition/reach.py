"""The code that a task executes: what its command, scripts and modules name, and these in turn.

Deploy captures code by this rule, and history asks by it which tasks a file belongs to. The caller
says what there is: the kind of a path, and the bytes of a file.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from ork.code.programs import language_of
from ork.code.shell import read_shell, read_words
from ork.code.use import OWN, WORK, ZERO, Code, Unreadable, Use
from ork.objects.kinds import Task
from ork.objects.value import Value

Kind: TypeAlias = Callable[[str], str | None]  # file, folder, outside (a link leads out), or None
Read: TypeAlias = Callable[[str], bytes | None]  # None: the file cannot be had
Parse: TypeAlias = Callable[[bytes, str], "Code | Unreadable"]  # shell, python or package

NODES_MAX = 100_000  # files of one task, in all circumstances in which it executes them
FOLDERS_MAX = 64  # that lie in one another
SEARCHED_MAX = 16  # folders that the code of one program adds to sys.path
_NO_SCRIPT = "/sh"  # what $0 is in a line that no file holds: a program outside of the root
_ENVIRONMENT = "pyvenv.cfg"


class Reach(Value, frozen=True, kw_only=True):
    """The captured files that a task executes.

    Not complete where the code leaves open what it loads: such a task may execute any of them.
    """

    files: frozenset[str] = frozenset()
    complete: bool = True

    def joined(self, other: Reach) -> Reach:
        """Return what either of two definitions of a task executes."""
        return Reach(files=self.files | other.files, complete=self.complete and other.complete)


class Named(NamedTuple):
    """Why a file is executed: its role, and the file that names it, "" for the task itself."""

    role: str
    by: str


class Open(NamedTuple):
    """A use that the text leaves open: in a file, or "" for the command of the task."""

    by: str
    use: Use


class Trail(NamedTuple):
    """All that one task executes, as far as reading tells."""

    files: dict[str, Named]
    open: tuple[Open, ...]
    writes: frozenset[str]


def read_code(data: bytes, language: str) -> Code | Unreadable:
    """Return what a file executes: shell, python, or package for an `__init__.py`."""
    if language == "shell":
        return read_shell(data.decode("utf-8", "replace"))
    from ork.code.python import read_python  # much to load, and not needed for shell alone

    return read_python(data, is_package=language == "package")


def reach(
    tasks: Mapping[str, Task], *, read: Read, kind: Kind, parse: Parse = read_code
) -> dict[str, Reach]:
    """Return for each task the files that it executes."""
    return {
        name: Reach(
            files=frozenset(path for path in trail.files if kind(path) == "file"),
            complete=not trail.open,
        )
        for name, trail in trails(tasks, read, kind, parse).items()
    }


def trails(
    tasks: Mapping[str, Task], read: Read, kind: Kind, parse: Parse = read_code
) -> dict[str, Trail]:
    """Return for each task what it executes and why; `read` is asked for each file of code once.

    What one of the commands writes is data, even where another one executes it.
    """
    walk = _Walk(read, kind, parse)
    found = {name: walk.task(task) for name, task in tasks.items()}
    written = frozenset(path for trail in found.values() for path in trail.writes)
    if written.isdisjoint(path for trail in found.values() for path in trail.files):
        return found
    walk = _Walk(read, kind, parse, written)
    return {name: walk.task(task) for name, task in tasks.items()}


def own_files(task: Task, kind: Kind) -> list[str]:
    """Return the files that a task names itself: its file, or those of its command."""
    walk = _Walk(lambda path: None, kind, read_code)
    return list(walk.task(task).files)


def python_path(task: Task) -> tuple[str, ...]:
    """Return the folders below the root that PYTHONPATH names in the environment of a task."""
    value = task.env.get("PYTHONPATH")
    if not isinstance(value, str):
        return ()
    found = (_plain(posixpath.normpath(entry)) for entry in value.split(":") if entry)
    return tuple(entry for entry in found if entry is not None)


def find_module(module: str, folders: Iterable[str], kind: Kind) -> tuple[list[str], bool]:
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


class _Node(NamedTuple):
    """A file in the circumstances in which it is executed.

    `zero` is the script that was started, of which this may be a part; `search` are the folders
    where Python searches before its own, `added` those that the code adds, `path` PYTHONPATH.
    """

    file: str
    language: str  # shell | python | other
    folder: str | None = ""
    zero: str = ""
    search: tuple[str, ...] = ()
    added: frozenset[str] = frozenset()
    path: tuple[str, ...] = ()


class _Begin(NamedTuple):
    """What a task itself names: its file, its module, or what its command comes to."""

    executor: str
    file: str | None
    module: str | None
    code: Code | None
    path: tuple[str, ...]  # PYTHONPATH
    open: tuple[Open, ...]


class _Step(NamedTuple):
    """What one node executes directly."""

    files: tuple[tuple[str, str], ...] = ()  # path and role
    nodes: tuple[_Node, ...] = ()
    open: tuple[Open, ...] = ()
    writes: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Found:
    """What one text executes directly, while it is gathered: in order, each thing once."""

    by: str
    files: dict[tuple[str, str], None] = field(default_factory=dict)
    nodes: dict[_Node, None] = field(default_factory=dict)
    open: dict[Open, None] = field(default_factory=dict)
    writes: set[str] = field(default_factory=set)

    def leave_open(self, use: Use) -> None:
        self.open[Open(self.by, use)] = None

    def add(self, step: _Step) -> None:
        self.files |= dict.fromkeys(step.files)
        self.nodes |= dict.fromkeys(step.nodes)
        self.open |= dict.fromkeys(step.open)
        self.writes |= step.writes

    def step(self, writes: frozenset[str]) -> _Step:
        return _Step(tuple(self.files), tuple(self.nodes), tuple(self.open), writes | self.writes)


class _Walk:
    """Follows code from file to file; tasks mostly share what they execute."""

    def __init__(
        self, read: Read, kind: Kind, parse: Parse, written: frozenset[str] = frozenset()
    ) -> None:
        self.read, self.kind, self.parse = read, kind, parse
        self.written = written
        self.steps: dict[_Node, _Step] = {}
        self.begun: dict[_Begin, Trail] = {}

    def task(self, task: Task) -> Trail:
        """Return all that a task executes."""
        known = self.begun.get(begin := self._begin(task))
        if known is None:
            # Tasks that name the same do the same, whatever else their commands say.
            known = self.begun[begin] = self._follow(self._first(begin))
        return known

    def _follow(self, first: _Step) -> Trail:
        files: dict[str, Named] = {}
        opened: dict[Open, None] = {}
        writes: set[str] = set()
        seen: set[_Node] = set()
        todo = [(first, "")]
        while todo:
            step, by = todo.pop()
            for path, role in step.files:
                files.setdefault(path, Named(role, by))
            opened |= dict.fromkeys(step.open)
            writes |= step.writes
            if len(seen) > NODES_MAX:
                opened[Open("", Use("unclear"))] = None
                break
            for node in reversed(step.nodes):
                if node not in seen:
                    seen.add(node)
                    todo.append((self._step(node), node.file))
        return Trail(files, tuple(opened), frozenset(writes))

    def _begin(self, task: Task) -> _Begin:
        """Return what a task itself names."""
        path = python_path(task)
        opened: tuple[Open, ...] = ()
        if not isinstance(task.env.get("PYTHONPATH", ""), str):
            opened = (Open("", Use("unclear", text="PYTHONPATH")),)
        if task.command is None:
            return _Begin(task.executor, task.file, task.module, None, path, opened)
        known = {name: value for name, value in task.env.items() if isinstance(value, str)}
        if isinstance(task.command, tuple):
            code = read_words(task.command, known)
        elif task.shell is None:
            code = read_shell(task.command, known)
        else:
            code = read_words((*task.shell, task.command), known)
        return _Begin(task.executor, None, None, code, path, opened)

    def _first(self, task: _Begin) -> _Step:
        """Return the files that a task itself names, as the root has them."""
        if task.executor == "process":
            node = _Node("", "shell", zero=_NO_SCRIPT, path=task.path)
            use = Use("program", paths=frozenset((f"{WORK}/{task.file}",)))
            found = self._uses(task.code or Code((use,)), node)
            files = found.files if task.file is None else ((task.file, "file"),)
            return found._replace(files=files, open=(*task.open, *found.open))
        if task.module is not None:
            role, search = "module", ("", *task.path)
            paths = find_module(task.module, search, self.kind)[0]
        else:
            role, search = "file", (posixpath.dirname(task.file or ""), "", *task.path)
            paths = [task.file] if task.file else []
        files = tuple((path, role) for path in paths)
        if task.executor == "library":
            return _Step(files)
        nodes = (_Node(path, "python", "", path, search, path=task.path) for path in paths)
        return _Step(files, tuple(nodes), task.open)

    def _step(self, node: _Node) -> _Step:
        """Return what a file executes."""
        if node not in self.steps:
            self.steps[node] = self._read_step(node)
        return self.steps[node]

    def _read_step(self, node: _Node) -> _Step:
        data = self.read(node.file)
        if data is None or node.language == "closed":
            return _Step()
        language = node.language or language_of(data)
        if language == "closed":
            return _Step()
        if language == "other":
            # What it loads by rules of its own is not followed.
            return _Step(open=(Open(node.file, Use("unclear")),))
        if language == "python":
            if not node.search:
                node = node._replace(search=(posixpath.dirname(node.file), *node.path))
            language = "package" if node.file.endswith("/__init__.py") else "python"
        code = self.parse(data, language)
        if isinstance(code, Unreadable):
            return _Step(open=(Open(node.file, Use("unclear", line=code.line)),))
        return self._uses(code, node)

    def _uses(self, code: Code, node: _Node) -> _Step:
        """Return what the uses of a text come to where it is executed."""
        found = _Found(node.file)
        self._search_more(code, node, found)
        for use in code.uses:
            if use.role == "code":
                self._inline(use, node, found)
            elif use.role == "imported" and not use.paths:
                self._import(use.text, node, found)
            elif use.role == "module" and not use.paths:
                self._module(use, node, found)
            elif use.role == "unclear" or None in use.paths:
                found.leave_open(use)
            for path in sorted(path for path in use.paths if path is not None):
                self._file(use, path, node, found)
        places = (self._place(path, node) for path in code.writes)
        return found.step(frozenset(path for path in places if path))

    def _search_more(self, code: Code, node: _Node, found: _Found) -> None:
        """Follow the program anew, if this file of it adds folders to sys.path."""
        places = (self._place(path, node) for path in code.search)
        added = node.added.union(place for place in places if place is not None)
        if added == node.added:
            return
        if node.zero and len(added) <= SEARCHED_MAX:
            found.nodes[node._replace(file=node.zero, added=added)] = None
        else:
            found.leave_open(Use("unclear", text="sys.path"))

    def _file(self, use: Use, path: str, node: _Node, found: _Found) -> None:
        """Take one file that is executed, if it lies below the root."""
        place = self._place(path, node)
        if place is None:
            if path.startswith(WORK) and node.folder is None:
                found.leave_open(use)
            return
        kind = self.kind(place)
        if kind == "folder" and use.language == "python":
            place = f"{place}/__main__.py"
            kind = self.kind(place)
        if kind != "file" or place in self.written or self._is_foreign(place):
            # It may come into being while the workflow runs, and execute anything.
            if not use.is_optional:
                found.leave_open(use)
            return
        found.files[place, use.role] = None
        if use.role == "imported":
            found.nodes[node._replace(file=place)] = None
            return
        search = self._search(use, node, found)
        for folder in self._folders(use, node):
            if use.role == "sourced":
                found.nodes[node._replace(file=place, folder=folder)] = None
            elif use.is_input and use.language == "python":
                first = () if folder is None else (folder,)
                begin = _Node(place, "python", folder, place, (*first, *search), path=search)
                found.nodes[begin] = None
            else:
                found.nodes[_Node(place, use.language, folder, place, path=search)] = None

    def _folders(self, use: Use, node: _Node) -> list[str | None]:
        """Return the working directories in which a use may start."""
        places = {None if one is None else self._place(one, node) for one in use.folders}
        # A script that enters a folder and starts itself would go on for ever.
        places = {p if p is None or p.count("/") < FOLDERS_MAX else None for p in places}
        return sorted(places, key=lambda place: (place is None, place or ""))

    def _search(self, use: Use, node: _Node, found: _Found) -> tuple[str, ...]:
        """Return the folders below the root in which Python searches beside its own."""
        if None in use.search:
            found.leave_open(use._replace(role="unclear"))
        places = (self._place(one, node) for one in sorted(path for path in use.search if path))
        return tuple(dict.fromkeys([*(one for one in places if one is not None), *node.path]))

    def _module(self, use: Use, node: _Node, found: _Found) -> None:
        """Take what `python -m` executes."""
        path = self._search(use, node, found)
        for folder in self._folders(use, node):
            if folder is None:
                found.leave_open(use)
            search = (*(() if folder is None else (folder,)), *path)
            files, whole = find_module(use.text, search, self.kind)
            if whole and files and files[-1].endswith("/__init__.py"):
                main = f"{posixpath.dirname(files[-1])}/__main__.py"
                files += [main] if self.kind(main) == "file" else []
            for one in files:
                found.files[one, "module"] = None
                found.nodes[_Node(one, "python", folder, one, search, path=path)] = None

    def _inline(self, use: Use, node: _Node, found: _Found) -> None:
        """Take what Python code in a shell text executes."""
        from ork.code.python import read_inline

        code = read_inline(use.text)
        if isinstance(code, Unreadable):
            found.leave_open(use)
            return
        placed = [one._replace(line=use.line, column=use.column) for one in code.uses]
        path = self._search(use, node, found)
        for folder in self._folders(use, node):
            if folder is None:
                found.leave_open(use)
            search = (*(() if folder is None else (folder,)), *path)
            inside = _Node(node.file, "python", folder, "", search, path=path)
            added = (self._place(one, inside) for one in code.search)
            inside = inside._replace(added=frozenset(one for one in added if one is not None))
            found.add(self._uses(Code(tuple(placed), code.writes), inside))

    def _import(self, module: str, node: _Node, found: _Found) -> None:
        """Take the files that one import executes, as far as they lie below the root."""
        name = module.lstrip(".")
        if level := len(module) - len(name):
            folder = posixpath.dirname(node.file)
            for _ in range(level - 1):
                if not folder:
                    return
                folder = posixpath.dirname(folder)
            files = list(_packages(folder, self.kind))
            files += find_module(name, [folder], self.kind)[0] if name else []
        else:
            search = list(dict.fromkeys(node.search))
            files = find_module(name, search, self.kind)[0]
            if node.added:
                # What comes first depends on how and when a folder is added.
                added = sorted(node.added)
                for order in ([*added, *search], [*search, *added]):
                    files += find_module(name, list(dict.fromkeys(order)), self.kind)[0]
        for path in files:
            if path in self.written:
                found.leave_open(Use("unclear", text=module))
                continue
            found.files[path, "imported"] = None
            found.nodes[node._replace(file=path)] = None

    def _place(self, path: str, node: _Node) -> str | None:
        """Return a path as the root sees it; None when it lies outside or is not known."""
        for begin, place in ((OWN, node.file), (ZERO, node.zero), (WORK, node.folder)):
            if path.startswith(begin):
                if place is None:
                    return None
                path = posixpath.join(place, path[len(begin) + 1 :]) if path != begin else place
                break
        return _plain(posixpath.normpath(path))

    def _is_foreign(self, path: str) -> bool:
        """Say whether a file belongs to an environment of Python or to installed packages."""
        folders = path.split("/")[:-1]
        if "node_modules" in folders:
            return True
        above = ("/".join(folders[:end]) for end in range(1, len(folders) + 1))
        return any(self.kind(f"{folder}/{_ENVIRONMENT}") == "file" for folder in above)


def _plain(path: str) -> str | None:
    """Return a path in its shortest form, "" for the root; None for one outside."""
    if path.startswith(("/", "../")) or path == ".." or "\0" in path:
        return None
    return "" if path == "." else path


def _packages(folder: str, kind: Kind) -> Iterator[str]:
    """Yield the `__init__.py` of a package and of those around it."""
    # A store can hold any path; above "/" is "/" again.
    while folder.strip("/") and _is_file(init := posixpath.join(folder, "__init__.py"), kind):
        yield init
        folder = posixpath.dirname(folder)


def _is_file(path: str, kind: Kind) -> bool:
    # A link that leads out counts: the import would follow it, so taking it must complain.
    return kind(path) in ("file", "outside")
