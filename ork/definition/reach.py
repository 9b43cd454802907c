"""The code that a task executes: what its command, scripts and modules name, and these in turn.

Deploy captures code by this rule, and history asks by it which tasks a file belongs to. The caller
says what there is: the kind of a path, and the bytes of a file.
"""

from __future__ import annotations

import fnmatch
import posixpath
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import partial
from itertools import chain
from typing import NamedTuple, TypeAlias

from ork.code.programs import LANGUAGES, NODE_ENDS, WHOLE, language_of
from ork.code.shell import read_shell, read_words
from ork.code.tables import (
    INSTALLED_FROM,
    MACHINE_CODE,
    TABLES,
    Entry,
    Packages,
    compiled_among,
    find_module,
    main_of,
    packages_around,
    read_classes,
    read_places,
    read_table,
)
from ork.code.tables import PACKAGED_BY as PACKAGED_BY
from ork.code.tables import package_folders as package_folders
from ork.code.use import (
    HERE,
    INC,
    OWN,
    UNKNOWN,
    WORK,
    ZERO,
    Code,
    Kind,
    Names,
    Read,
    Unreadable,
    Use,
    plain,
)
from ork.objects.canonical import Oid, hash_bytes
from ork.objects.kinds import Task
from ork.objects.value import Value
from ork.progress import counted

STDLIB = sys.stdlib_module_names | {"test"}
NODES_MAX = 100_000  # files of one task, in all circumstances in which it executes them
LOOKED_MAX = 200_000  # names and folders, for patterns in code
FOLDERS_MAX = 64  # that lie in one another
REMEMBERED_MAX = 4096  # files whose code is known from another workflow or snapshot
SEARCHED_MAX = 16  # folders that the code of one program adds to sys.path
_ARCHIVE, _ARCHIVE_WITHIN = b"PK\3\4", 128  # begins one, perhaps after a line with `#!`
_TABLE = "table"  # the language of a file of which one entry is executed
_OUTSIDE = "outside"  # the role of what lies there, and may be made of files of the project
_NO_SCRIPT = "/sh"  # what $0 is in a line that no file holds: a program outside of the root
_ENDS = {"js": NODE_ENDS, "ruby": (".rb",)}  # how scripts end that are named without it
_ENVIRONMENTS = ("pyvenv.cfg", "conda-meta")  # what tells one of Python, and one of conda

_known: dict[tuple[Oid, str], Code | Unreadable] = {}


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
    """A use that the text leaves open: in a file, or "" for the command of the task.

    `missing` is the file that it names and that is not there; `absolute` what it names of the
    project by a path that is not relative, and so means the project in every place; `unreadable`
    says why the file itself is no Python; `beside` is a file that may be executed as well, `among`
    the pattern that means it if it has no name, `target` the one that would be; the same, if it is
    made of itself.
    """

    by: str
    use: Use
    missing: str = ""
    absolute: str = ""
    unreadable: Unreadable | None = None
    beside: str = ""
    among: str = ""
    target: str = ""


class Trail(NamedTuple):
    """All that one task executes, as far as reading tells."""

    files: dict[str, Named]
    open: tuple[Open, ...]
    writes: frozenset[str]
    copies: frozenset[tuple[str, str]] = frozenset()  # files, each with one that it is made of


def read_code(data: bytes, language: str) -> Code | Unreadable:
    """Return what a file executes: shell, python, notebook, or package for an `__init__.py`.

    Workflows share code, and so do snapshots: it is remembered, of the file only the hash.
    """
    key = hash_bytes(data), language
    if key not in _known:
        if len(_known) >= REMEMBERED_MAX:
            _known.clear()
        _known[key] = _read_code(data, language)
    return _known[key]


def _read_code(data: bytes, language: str) -> Code | Unreadable:
    if language == "shell":
        return read_shell(data.decode("utf-8", "replace"))
    if language in LANGUAGES:
        from ork.code.scripts import read_script

        return read_script(data.decode("utf-8", "replace"), language)
    if language == "config":
        return read_classes(data)
    if language == "notebook":
        from ork.code.notebook import read_notebook

        return read_notebook(data)
    from ork.code.python import read_python  # much to load, and not needed for shell alone

    return read_python(data, is_package=language == "package")


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
    walk = _Walk(read, kind, names, installed=installed)
    told = counted("reading code", tasks.items(), len(tasks))
    found = {name: walk.task(task) for name, task in told}
    written = frozenset(path for trail in found.values() for path in trail.writes)
    captured = (path for trail in found.values() for path in trail.files)
    # A module that is written may go before another one of its name.
    if not written.isdisjoint(captured) or any(path.endswith(".py") for path in written):
        known = partial(_unless_written, written, kind)
        walk = _Walk(read, known, names, installed=installed)
        found = {name: walk.task(task) for name, task in tasks.items()}
    made_of: dict[str, list[str]] = {}
    for target, source in sorted({pair for trail in found.values() for pair in trail.copies}):
        made_of.setdefault(target, []).append(source)
    return {name: _with_sources(trail, made_of, walk) for name, trail in found.items()}


def _unless_written(written: frozenset[str], kind: Kind, path: str) -> str | None:
    return "data" if path in written else kind(path)


def _with_sources(trail: Trail, made_of: Mapping[str, list[str]], walk: _Walk) -> Trail:
    """Return a trail that leaves also open of what files are made that the task executes."""
    found: dict[Open, None] = {}
    for one in trail.open:
        todo, seen = [*made_of.get(one.target, ())], set()
        while todo:
            source = todo.pop()
            if source not in seen:
                seen.add(source)
                todo += made_of.get(source, ())
        if one.use.role != _OUTSIDE:
            found[one] = None
        itself = one.target if walk.kind(one.target) == "data" else None
        made = (path for path in sorted(seen) if path == itself or walk.is_there(path))
        found.update((one._replace(beside=path), None) for path in made)
    return trail if (*found,) == trail.open else trail._replace(open=(*found,))


def own_files(task: Task, kind: Kind) -> list[str]:
    """Return the files that a task names itself: its file, or those of its command."""
    walk = _Walk(lambda path: None, kind)
    return list(walk.task(task).files)


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


class _File(NamedTuple):
    """A file that a text executes, and its role."""

    path: str
    role: str


class _Written(NamedTuple):
    """A file that a text writes, and one of those that it is made of, if any."""

    path: str
    source: str = ""


# One thing that a text executes directly, leaves open or writes.
_Item: TypeAlias = "_File | _Node | Open | _Written"
_Step: TypeAlias = tuple[_Item, ...]


class _Walk:
    """Follows code from file to file; tasks mostly share what they execute."""

    def __init__(
        self,
        read: Read,
        kind: Kind,
        names: Names = lambda _: (),
        *,
        installed: bool = False,
    ) -> None:
        self.read, self.kind, self.names = read, kind, names
        self.within: dict[str, list[str]] = {}  # names, by folder
        self.packages = Packages(read, self.is_there, self._matching)
        self.looked = 0  # at how many, for patterns
        self.compiled = compiled_among(names)
        self.installed = package_folders(read, kind) if installed else {}
        packaged = [path for path in PACKAGED_BY if installed and kind(path) == "file"]
        self.places = [*chain(*(read_places(path, read(path) or b"").items() for path in packaged))]
        self.steps: dict[_Node, _Step] = {}
        self.begun: dict[_Step, Trail] = {}
        self.tables: dict[str, dict[str, list[tuple[str, Entry]]]] = {}  # by folder
        self.called: dict[tuple[str | None, ...], Trail] = {}  # of tasks that are no commands

    def task(self, task: Task) -> Trail:
        """Return all that a task executes."""
        path = task.env.get("PYTHONPATH")
        if task.executor == "process" or not isinstance(path, str | None):
            return self._begin(task)
        called = (task.executor, task.module, task.file, path)
        if called not in self.called:
            self.called[called] = self._begin(task)
        return self.called[called]

    def _begin(self, task: Task) -> Trail:
        first = tuple(dict.fromkeys(self._first(task)))
        if first not in self.begun:
            # Tasks that name the same do the same, whatever else their commands say.
            self.begun[first] = self._follow(first)
        return self.begun[first]

    def _follow(self, first: _Step) -> Trail:
        files: dict[str, Named] = {}
        opened: dict[Open, None] = {}
        writes: set[str] = set()
        copies: set[tuple[str, str]] = set()
        seen: set[_Node] = set()
        added: dict[_Node, frozenset[str]] = {}  # of each program, by all of its files
        todo = [(first, "")]
        while todo:
            step, by = todo.pop()
            if len(seen) > NODES_MAX:
                opened[Open("", Use("unclear"))] = None
                break
            nodes = []
            for item in step:
                if isinstance(item, _File):
                    files.setdefault(item.path, Named(item.role, by))
                elif isinstance(item, Open):
                    opened[item] = None
                elif isinstance(item, _Written):
                    writes.add(item.path)
                    copies.update([(item.path, item.source)] if item.source else ())
                else:
                    if item.added and item.file == item.zero:
                        program = item._replace(added=frozenset())
                        item = item._replace(added=added.get(program, item.added) | item.added)
                        if len(item.added) > SEARCHED_MAX:
                            opened[Open(by, Use("unclear", text="sys.path"))] = None
                            continue
                        added[program] = item.added
                    if item in seen:
                        continue
                    seen.add(item)
                    nodes.append((self._step(item), item.file))
            todo += reversed(nodes)
        return Trail(files, tuple(opened), frozenset(writes), frozenset(copies))

    def _first(self, task: Task) -> Iterator[_Item]:
        """Yield what a task itself names, as the root has it."""
        path = python_path(task)
        value = task.env.get("PYTHONPATH", "")
        if not isinstance(value, str):
            yield Open("", Use("unclear", text="PYTHONPATH"))
        elif task.executor == "python":
            use = Use("module", text="PYTHONPATH", search=frozenset(value.split(":")))
            yield from self._absolute(use, "")
        if task.executor == "process":
            if task.file is not None:
                yield _File(task.file, "file")
            yield from self._uses(_code_of(task), _Node("", "shell", zero=_NO_SCRIPT, path=path))
            return
        role, search = "module", ("", *path)
        if task.module is not None:
            paths = self._in(search, task.module)
            yield from self._hidden(task.module, search, "")
        else:
            role, paths = "file", [task.file] if task.file else []
            search = (posixpath.dirname(task.file or ""), *search)
        for one in paths:
            if self.kind(one) != "data":
                yield _File(one, role)
                if task.executor == "python":
                    yield _Node(one, "python", "", one, search, path=path)

    def _step(self, node: _Node) -> _Step:
        """Return what a file executes."""
        if node not in self.steps:
            self.steps[node] = tuple(dict.fromkeys(self._executed(node)))
        return self.steps[node]

    def _executed(self, node: _Node) -> Iterator[_Item]:
        if node.language == _TABLE:
            yield from self._entry(node)
            return
        data = self.read(node.file)
        language = node.language or (language_of(data) if data is not None else "")
        if data is None or language == "closed":
            return
        if node.file.endswith(MACHINE_CODE) or _ARCHIVE in data[:_ARCHIVE_WITHIN]:
            language = "other"
        if language == "other":
            # What it loads by rules of its own is not followed.
            yield Open(node.file, Use("unclear"))
            return
        node = node._replace(language=language)  # as of all that is loaded into it
        if language == "python":
            if not node.search:
                node = node._replace(search=(posixpath.dirname(node.file), *node.path))
            if node.zero == node.file:
                yield from self._around(node)
            if node.file.endswith("/__init__.py"):
                language = "package"
            elif node.file.endswith(".ipynb"):
                language = "notebook"
        elif language in LANGUAGES - WHOLE:
            # What else it does, by rules of its own, is not followed.
            yield Open(node.file, Use("unclear"))
        code = read_code(data, language)
        if language == "config":
            node = node._replace(language="python")  # as of what it names
        if isinstance(code, Unreadable):
            yield Open(node.file, Use("unclear", line=code.line), unreadable=code)
        else:
            yield from self._uses(code, node)

    def _around(self, node: _Node) -> Iterator[_Item]:
        """Yield what Python executes of itself, and archives in which it searches."""
        for place in sorted({*node.search, *node.added, *node.path}):
            if self.is_there(place):
                yield _File(place, "imported")
        for name in ("sitecustomize", "usercustomize"):
            for path in self._in(node.path, name):
                yield from self._take("imported", node._replace(file=path), node, name)

    def _uses(self, code: Code, node: _Node) -> Iterator[_Item]:
        """Yield what the uses of a text come to where it is executed."""
        yield from self._search_more(code, node)
        for use in code.uses:
            if use.role in ("command", "given", "named"):
                yield from (self._command if use.role == "command" else self._given)(use, node)
                continue
            if use.role == "package":
                yield from self._package(use, node)
                continue
            yield from self._absolute(use, node.file)
            in_folder = use.role in ("code", "module")
            if None in use.search or (in_folder and None in self._folders(use, node)):
                # Python may find anything there.
                yield Open(node.file, use)
            if use.role == "code":
                yield from self._inline(use, node)
            elif use.role == "imported" and not use.paths:
                yield from self._import(use.text, node)
            elif use.role == "module" and not use.paths:
                yield from self._module(use, node)
            elif use.role == "unclear" or None in use.paths:
                yield Open(node.file, use)
            for path in sorted(path for path in use.paths if path is not None):
                for one in self._spread(path, node):
                    yield from self._file(use, one, node)
        for path in sorted(code.writes.difference(path for path, _ in code.copies)):
            if place := self._place(path, node):
                yield _Written(place)
        for path, source in sorted(code.copies):
            made_of = self._place(source, node) or source
            if place := self._place(path, node) or posixpath.normpath(path):
                yield _Written(place, made_of)

    def _absolute(self, use: Use, by: str) -> Iterator[Open]:
        """Yield what lies below the root and is named as if it did not."""
        named = use.paths | use.search
        if use.role in ("code", "module"):
            named |= use.folders
        for path in sorted(path for path in named if path and path.startswith("/")):
            found = self.kind(path := posixpath.normpath(path))
            if found in ("file", "folder") and not self._is_foreign(path):
                yield Open(by, use, absolute=path)

    def _search_more(self, code: Code, node: _Node) -> Iterator[_Item]:
        """Follow the program anew, if this file of it adds folders to sys.path."""
        places = (self._place(path, node) for path in code.search)
        added = node.added.union(place for place in places if place is not None)
        if added == node.added:
            return
        if node.zero and len(added) <= SEARCHED_MAX:
            yield node._replace(file=node.zero, added=added)
        else:
            yield Open(node.file, Use("unclear", text="sys.path"))

    def _file(self, use: Use, path: str, node: _Node) -> Iterator[_Item]:
        """Yield one file that is executed, if it lies below the root."""
        place = self._place(path, node)
        if place is None:
            if path.startswith(WORK) and node.folder is None:
                yield Open(node.file, use)
            if path.startswith("/"):
                yield Open(node.file, use._replace(role=_OUTSIDE), target=posixpath.normpath(path))
            return
        kind = self.kind(place)
        if kind == "folder" and use.language == "js":
            table = posixpath.join(place, "package.json")
            data = self.read(table) if self.is_there(table) else None
            if data is not None and (main := main_of(data)):
                yield _File(table, "table")
                main = posixpath.normpath(posixpath.join(place, main))
                named = (main + end for end in ("", *NODE_ENDS))
                place = next(filter(self.is_there, named), place)
                kind = self.kind(place)
        if kind != "file" and use.role == "script" and use.language in _ENDS:
            ended = ((place + end).lstrip("/") for end in _ENDS[use.language])
            place = next(filter(self.is_there, ended), place)
            kind = self.kind(place)
            if kind != "file" and (meant := [*self._command(use, node)]):
                yield from meant  # as in `bun run load`
                return
        if kind == "folder" and use.language == "python":
            place = posixpath.join(place, "__main__.py")
            kind = self.kind(place)
        if kind != "file" or self._is_foreign(place):
            # It may come into being while the workflow runs, and execute anything.
            if not use.is_optional or kind == "data":
                yield Open(node.file, use, "" if kind else place, target=place)
            return
        yield _File(place, use.role)
        if use.role == "imported":
            yield node._replace(file=place, language=use.language)
            return
        if use.is_input and use.language == "python":
            for begin in self._begun(use, node):
                yield begin._replace(file=place, zero=place)
            return
        search = self._search(use, node)
        for folder in self._folders(use, node):
            if use.role == "sourced":
                yield node._replace(file=place, folder=folder)
            elif use.language == "notebook":
                if folder is None:
                    # Python may find anything there.
                    yield Open(node.file, use)
                is_python = place.endswith((".ipynb", ".py"))  # which `jupyter run` takes as well
                language = "python" if is_python else "other"
                first = () if folder is None else (folder,)
                searched = (*first, *search, posixpath.dirname(place), "")
                yield _Node(place, language, folder, place, searched, path=search)
            else:
                yield _Node(place, use.language, folder, place, path=search)

    def _package(self, use: Use, node: _Node) -> Iterator[_Item]:
        """Yield what a script of node imports by a name that tables of this project explain."""
        *tables, path = self.packages.find(use.text, posixpath.dirname(node.file)) or [""]
        yield from (_File(table, "table") for table in tables)
        if path:
            yield from self._file(use._replace(role="sourced"), path, node)

    def _folders(self, use: Use, node: _Node) -> list[str | None]:
        """Return the working directories in which a use may start."""
        if use.folders == HERE:
            return [node.folder]
        places = {None if one is None else self._place(one, node) for one in use.folders}
        # A script that enters a folder and starts itself would go on for ever.
        places = {p if p is None or p.count("/") < FOLDERS_MAX else None for p in places}
        return sorted(places, key=lambda place: (place is None, place or ""))

    def _search(self, use: Use, node: _Node) -> tuple[str, ...]:
        """Return the folders below the root in which Python searches beside its own."""
        places = (self._place(one, node) for one in sorted(path for path in use.search if path))
        return tuple(dict.fromkeys([*(one for one in places if one is not None), *node.path]))

    def _begun(self, use: Use, node: _Node) -> Iterator[_Node]:
        """Yield Python as it begins without a file, in each folder where it may."""
        path = self._search(use, node)
        for folder in self._folders(use, node):
            search = (*(() if folder is None else (folder,)), *path)
            yield _Node(node.file, "python", folder, "", search, path=path)

    def _module(self, use: Use, node: _Node) -> Iterator[_Item]:
        """Yield what `python -m` executes."""
        for begin in self._begun(use, node):
            files = self._found(use.text, begin.search)
            # Of a package, which need not have an `__init__.py`.
            main = self._found(f"{use.text}.__main__", begin.search)
            if main and main[-1].endswith("/__main__.py"):
                files = main
            yield from self._hidden(use.text, begin.search, node.file, use)
            if not files:
                yield from self._elsewhere(use.text, node)
            for one in files:
                yield from self._take("module", begin._replace(file=one, zero=one), node, use.text)

    def _command(self, use: Use, node: _Node) -> Iterator[_Item]:
        """Yield what a program executes whose name a table of the project gives a meaning."""
        for folder in self._folders(use, node):
            named = (self._tables(at).get(use.text, ()) for at in (folder or "", ""))
            for path, entry in next(filter(None, named), ()):
                files = [self._place(file, node) for file in use.paths if file]
                if any(file and self.is_there(file) for file in files):
                    return  # it is a program of the project itself
                yield _File(path, "table")
                begin = posixpath.dirname(path) if entry.line else folder
                for name in (use.text, f"pre{use.text}", f"post{use.text}"):
                    yield _Node(path, _TABLE, begin, name, path=self._search(use, node))

    def _given(self, use: Use, node: _Node) -> Iterator[_Item]:
        """Yield the files that a program may execute, since it is given them."""
        for path in sorted(path for path in use.paths if path):
            place = self._place(path, node)
            if place and self.is_there(place):
                yield Open(node.file, use, beside=place)
            elif place and "*" in place and use.role == "named":
                for found in self._matching(place):
                    yield Open(node.file, use, beside=found, among=place)
                if self.looked > LOOKED_MAX:
                    yield Open(node.file, Use("unclear"))

    def _matching(self, pattern: str) -> list[str]:
        """Return the files that a pattern means, of which `**` stands for any folders."""
        found: dict[str, None] = {"": None}
        for part in pattern.split("/"):
            if part == "**":
                todo = [*found]
                for folder in todo:  # which grows
                    todo += [one for one in self._within(folder, "*") if self.kind(one) == "folder"]
                    if self.looked > LOOKED_MAX:
                        break
                found = dict.fromkeys(todo)
            elif "*" in part:
                found = {one: None for folder in found for one in self._within(folder, part)}
            else:
                found = {posixpath.join(folder, part): None for folder in found}
        return [path for path in found if self.is_there(path)]

    def _within(self, folder: str, pattern: str) -> list[str]:
        """Return the paths in a folder that have such a name."""
        if folder not in self.within:
            self.within[folder] = [name for name in self.names(folder) if name[0] != "."]
        self.looked += len(self.within[folder]) + 1
        names = self.within[folder] if self.looked <= LOOKED_MAX else []
        return [posixpath.join(folder, name) for name in fnmatch.filter(names, pattern)]

    def _tables(self, folder: str) -> dict[str, list[tuple[str, Entry]]]:
        """Return the commands that files in a folder name, and which file does."""
        if folder not in self.tables:
            found = self.tables[folder] = {}
            for path in (posixpath.join(folder, table) for table in TABLES):
                data = self.read(path) if self.kind(path) == "file" else None
                for name, entry in read_table(path, data).items() if data else ():
                    found.setdefault(name, []).append((path, entry))
        return self.tables[folder]

    def _entry(self, node: _Node) -> Iterator[_Item]:
        """Yield what a name in a table means."""
        named = self._tables(posixpath.dirname(node.file)).get(node.zero, ())
        entry = next((entry for path, entry in named if path == node.file), Entry())
        code = read_shell(entry.line)
        uses = (use._replace(line=entry.at, column=1) for use in code.uses)
        yield from self._uses(code._replace(uses=tuple(uses)), node._replace(zero=_NO_SCRIPT))
        search = (*node.path, *(self.installed or INSTALLED_FROM))
        files = self._found(entry.module, search) if entry.module else []
        if entry.module and not files:
            yield Open(node.file, Use("program", paths=UNKNOWN, text=node.zero, line=entry.at))
        for path in files:
            begin = _Node(path, "python", node.folder, path, search, path=node.path)
            yield from self._take("module", begin, node, entry.module)

    def _inline(self, use: Use, node: _Node) -> Iterator[_Item]:
        """Yield what Python code in a shell text executes."""
        if use.language == "python":
            from ork.code.python import read_inline

            code = read_inline(use.text)
        else:
            from ork.code.scripts import read_script

            code = read_script(use.text, use.language, here=WORK)
        if isinstance(code, Unreadable):
            yield Open(node.file, use)
            return
        placed = [one._replace(line=use.line, column=use.column) for one in code.uses]
        for begin in self._begun(use, node):
            added = (self._place(one, begin) for one in code.search)
            inside = begin._replace(
                language=use.language, added=frozenset(one for one in added if one is not None)
            )
            yield from self._uses(code._replace(uses=tuple(placed), search=frozenset()), inside)

    def _import(self, module: str, node: _Node) -> Iterator[_Item]:
        """Yield the files that one import executes, as far as they lie below the root."""
        name = module.lstrip(".")
        if level := len(module) - len(name):
            folder = posixpath.dirname(node.file)
            for _ in range(level - 1):
                if not folder:
                    return
                folder = posixpath.dirname(folder)
            files = list(packages_around(folder, self.kind))
            files += self._in([folder], name) if name else []
        else:
            # Any of them may come first, which depends on how and when it is added.
            added = sorted(node.added)
            holding = (one for one in added if self._in([one], name))
            orders = [[*node.search, *added], *([one, *node.search, *added] for one in holding)]
            files = self._found(name, *orders)
            if files:
                yield from self._hidden(name, (*node.search, *added), node.file)
            else:
                yield from self._elsewhere(name, node)
        for path in files:
            yield from self._take("imported", node._replace(file=path), node, module)

    def _found(self, module: str, *searches: Iterable[str]) -> list[str]:
        """Return the files that importing a module executes, also where it is installed from."""
        orders = (list(dict.fromkeys(search)) for search in searches)
        files = [file for order in orders for file in self._in(order, module)]
        if not files and self.installed and module.partition(".")[0] not in STDLIB:
            files = self._in(self.installed, module)
        return files

    def _elsewhere(self, module: str, node: _Node) -> Iterator[Open]:
        """Yield the files of a package in a folder of another name, where it is installed from."""
        for name, folder in self.places:
            if f"{module}.".startswith(f"{name}."):
                rest = module[len(name) + 1 :]
                files = [posixpath.join(folder, "__init__.py")]
                files += self._in([folder], rest) if rest else []
                use = Use("named", text=module)
                yield from (Open(node.file, use, beside=one) for one in files if self.is_there(one))

    def _in(self, folders: Iterable[str], module: str) -> list[str]:
        return find_module(module, folders, self.kind, self.compiled)[0]

    def _hidden(
        self, module: str, search: Iterable[str], by: str, use: Use | None = None
    ) -> Iterator[Open]:
        """Yield a module in a folder that a module of Python itself goes before."""
        name, dot, _ = module.partition(".")
        if dot and name in STDLIB and self._in(search, module) and not self._in(search, name):
            yield Open(by, (use or Use(""))._replace(role="hidden", text=module))

    def _take(self, role: str, found: _Node, by: _Node, module: str) -> Iterator[_Item]:
        """Yield a file that is imported, unless it is data: who knows what that executes."""
        if self.kind(found.file) == "data":
            yield Open(by.file, Use("unclear", text=module))
            return
        for folder, table in self.installed.items():
            if table and found.file.startswith(f"{folder}/"):
                yield _File(table, "table")
        yield _File(found.file, role)
        yield found

    def _spread(self, path: str, node: _Node) -> Iterator[str]:
        """Yield a path, or one for each folder where the language of a file searches."""
        if path.startswith(INC):
            yield from (f"{folder or '.'}{path[len(INC) :]}" for folder in node.path)
        else:
            yield path

    def _place(self, path: str, node: _Node) -> str | None:
        """Return a path as the root sees it; None when it lies outside or is not known."""
        for begin, place in ((OWN, node.file), (ZERO, node.zero), (WORK, node.folder)):
            if path.startswith(begin):
                if place is None:
                    return None
                path = posixpath.join(place, path[len(begin) + 1 :]) if path != begin else place
                break
        return plain(posixpath.normpath(path))

    def is_there(self, path: str) -> bool:
        """Say whether a path is that of a file of the project."""
        return self.kind(path) == "file" and not self._is_foreign(path)

    def _is_foreign(self, path: str) -> bool:
        """Say whether a file belongs to an environment of Python or to installed packages."""
        folders = path.split("/")[:-1]
        if "node_modules" in folders:
            return True
        above = ["/".join(folders[:end]) for end in range(1, len(folders) + 1)]
        marks = (f"{folder}/{mark}" for folder in above for mark in _ENVIRONMENTS)
        return any(self.kind(mark) in ("file", "folder") for mark in marks)


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
