"""What a file executes where it is executed: other files, by the paths and names in its text."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

from ork.code.programs import (
    LANGUAGES,
    NODE_ENDS,
    PROFILES,
    WHOLE,
    is_named_as_code,
    language_of,
)
from ork.code.project import Project
from ork.code.python.modules import MACHINE_CODE, Modules
from ork.code.python.packages import INSTALLED_FROM
from ork.code.shell.reader import read_shell
from ork.code.source import read_code
from ork.code.tables.entries import Entries, Entry
from ork.code.tables.node import Packages
from ork.code.use import HERE, INC, OWN, UNKNOWN, WORK, ZERO, Code, Unreadable, Use, plain

FOLDERS_MAX = 64  # that lie in one another
SEARCHED_MAX = 16  # folders that the code of one program adds to sys.path
OUTSIDE = "outside"  # the role of what lies there, and may be made of files of the project
NO_SCRIPT = "/sh"  # what $0 is in a line that no file holds: a program outside of the root
_ARCHIVE, _ARCHIVE_WITHIN = b"PK\3\4", 128  # begins one, perhaps after a line with `#!`
_TABLE = "table"  # the language of a file of which one entry is executed
_ENDS = {"js": NODE_ENDS, "ruby": (".rb",)}  # how scripts end that are named without it


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


class Node(NamedTuple):
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


class File(NamedTuple):
    """A file that a text executes, and its role."""

    path: str
    role: str


class Written(NamedTuple):
    """A file that a text writes, and one of those that it is made of, if any."""

    path: str
    source: str = ""


# One thing that a text executes directly, leaves open or writes.
Item: TypeAlias = "File | Node | Open | Written"
Step: TypeAlias = tuple[Item, ...]


class Steps:
    """From a file to those that it executes; tasks mostly share them."""

    def __init__(self, project: Project, *, installed: bool) -> None:
        self.project = project
        self.modules = Modules(project, installed=installed)
        self._entries, self._packages = Entries(project), Packages(project)
        self._known: dict[Node, Step] = {}
        self._asks_for_zero = False
        self._bound: set[Node] = set()  # those that asked
        self._is_free: dict[Node, bool] = {}

    def of(self, node: Node) -> Step:
        """Return what a file executes."""
        if node not in self._known:
            self._asks_for_zero = False
            self._known[node] = tuple(dict.fromkeys(self._executed(node)))
            if self._asks_for_zero:
                self._bound.add(node)
        return self._known[node]

    def shared(self, node: Node) -> Node:
        """Return a module of a program as one of any, if it is the same whatever was started.

        Else each of many programs would follow anew what they all import.
        """
        if node.language != "python" or node.zero in ("", node.file):
            return node
        part = node._replace(zero="")
        if part not in self._is_free:
            self._look_for_zero(part)
        return part if self._is_free[part] else node

    def _look_for_zero(self, part: Node) -> None:
        """Take note whether a part of a program, or one of its parts, asks what was started."""
        seen, todo, is_free = {part}, [part], True
        while todo and is_free:
            one = todo.pop()
            inner = {item for item in self.of(one) if isinstance(item, Node) and not item.zero}
            is_free = one not in self._bound and all(
                self._is_free.get(item, True) for item in inner
            )
            todo += (inner := inner - seen - self._is_free.keys())
            seen |= inner
        self._is_free.update(dict.fromkeys(seen if is_free else (part, one), is_free))

    def _executed(self, node: Node) -> Iterator[Item]:
        if node.language == _TABLE:
            yield from self._entry(node)
            return
        data = self.project.read(node.file)
        language = node.language or (language_of(data) if data is not None else "")
        if data is None or language == "closed":
            return
        is_plain = not node.language and b"--vanilla" not in data.partition(b"\n")[0]
        if is_plain and node.folder is not None:
            use = Use("script", language, is_optional=True)
            for profile in PROFILES.get(language, ()):
                yield from self._file(use, f"{WORK}/{profile}", node)
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
            yield from self.uses(code, node)

    def _around(self, node: Node) -> Iterator[Item]:
        """Yield what Python executes of itself, and archives in which it searches."""
        for place in sorted({*node.search, *node.added, *node.path}):
            if self.project.is_there(place):
                yield File(place, "imported")
        for name in ("sitecustomize", "usercustomize"):
            for path in self.modules.below(node.path, name):
                yield from self._take("imported", node._replace(file=path), node, name)

    def uses(self, code: Code, node: Node) -> Iterator[Item]:
        """Yield what the uses of a text come to where it is executed."""
        yield from self._search_more(code, node)
        for use in code.uses:
            if use.role in ("command", "given", "named"):
                yield from (self._command if use.role == "command" else self._given)(use, node)
                continue
            if use.role == "package":
                yield from self._package(use, node)
                continue
            yield from self.astray(use, node)
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
                yield Written(place)
        for path, source in sorted(code.copies):
            made_of = self._place(source, node) or source
            if place := self._place(path, node) or posixpath.normpath(path):
                yield Written(place, made_of)

    def astray(self, use: Use, node: Node) -> Iterator[Open]:
        """Yield what lies below the root and is named as if it did not, and folders outside."""
        folders = use.search | use.folders if use.role in ("code", "module") else use.search
        for path in sorted(path for path in use.paths | folders if path):
            if path.startswith("/"):
                found = self.project.kind(path := posixpath.normpath(path))
                if found in ("file", "folder") and not self.project.is_foreign(path):
                    yield Open(node.file, use, absolute=path)
            elif path in folders and (outside := self._outside(path, node)):
                yield Open(node.file, use, target=outside)

    def _search_more(self, code: Code, node: Node) -> Iterator[Item]:
        """Follow the program anew, if this file of it adds folders to sys.path."""
        for path in sorted(code.search):
            if outside := self._outside(path, node):
                yield Open(node.file, Use("module", text="sys.path"), target=outside)
        places = (self._place(path, node) for path in code.search)
        added = node.added.union(place for place in places if place is not None)
        if added == node.added:
            return
        self._asks_for_zero = True
        if node.zero and len(added) <= SEARCHED_MAX:
            yield node._replace(file=node.zero, added=added)
        else:
            yield Open(node.file, Use("unclear", text="sys.path"))

    def _file(self, use: Use, path: str, node: Node) -> Iterator[Item]:
        """Yield one file that is executed, if it lies below the root."""
        place = self._place(path, node)
        if place is None:
            if path.startswith(WORK) and node.folder is None:
                yield Open(node.file, use)
            if path.startswith("/"):
                yield Open(node.file, use._replace(role=OUTSIDE), target=posixpath.normpath(path))
            elif outside := self._outside(path, node):
                # Of a program without such an end nobody knows that it is of these projects.
                is_code = use.role != "program" or is_named_as_code(outside)
                if is_code and (not use.is_optional or self.project.kind(outside) == "outside"):
                    yield Open(node.file, use, target=outside)
            return
        kind = self.project.kind(place)
        if kind == "folder" and use.language == "js":
            *tables, place = self._packages.begin(place) or [place]
            yield from (File(table, "table") for table in tables)
            kind = self.project.kind(place)
        if kind != "file" and use.role == "script" and use.language in _ENDS:
            place = self.project.ended(place, _ENDS[use.language]) or place
            kind = self.project.kind(place)
            if kind != "file" and (meant := [*self._command(use, node)]):
                yield from meant  # as in `bun run load`
                return
        if kind == "folder" and use.language == "python":
            place = posixpath.join(place, "__main__.py")
            kind = self.project.kind(place)
        if kind != "file" or self.project.is_foreign(place):
            # It may come into being while the workflow runs, and execute anything.
            if not use.is_optional or kind == "data":
                yield Open(node.file, use, "" if kind else place, target=place)
            return
        yield File(place, use.role)
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
                yield Node(place, language, folder, place, searched, path=search)
            else:
                yield Node(place, use.language, folder, place, path=search)

    def _package(self, use: Use, node: Node) -> Iterator[Item]:
        """Yield what a script of node imports by a name that tables of this project explain."""
        *tables, path = self._packages.find(use.text, posixpath.dirname(node.file)) or [""]
        yield from (File(table, "table") for table in tables)
        if path:
            yield from self._file(use._replace(role="sourced"), path, node)

    def _folders(self, use: Use, node: Node) -> list[str | None]:
        """Return the working directories in which a use may start."""
        if use.folders == HERE:
            return [node.folder]
        places = {None if one is None else self._place(one, node) for one in use.folders}
        # A script that enters a folder and starts itself would go on for ever.
        places = {p if p is None or p.count("/") < FOLDERS_MAX else None for p in places}
        return sorted(places, key=lambda place: (place is None, place or ""))

    def _search(self, use: Use, node: Node) -> tuple[str, ...]:
        """Return the folders below the root in which Python searches beside its own."""
        places = (self._place(one, node) for one in sorted(path for path in use.search if path))
        return tuple(dict.fromkeys([*(one for one in places if one is not None), *node.path]))

    def _begun(self, use: Use, node: Node) -> Iterator[Node]:
        """Yield Python as it begins without a file, in each folder where it may."""
        path = self._search(use, node)
        for folder in self._folders(use, node):
            search = (*(() if folder is None else (folder,)), *path)
            yield Node(node.file, "python", folder, "", search, path=path)

    def _module(self, use: Use, node: Node) -> Iterator[Item]:
        """Yield what `python -m` executes."""
        for begin in self._begun(use, node):
            files = self.modules.find(use.text, begin.search)
            # Of a package, which need not have an `__init__.py`.
            main = self.modules.find(f"{use.text}.__main__", begin.search)
            if main and main[-1].endswith("/__main__.py"):
                files = main
            yield from self.hidden(use.text, begin.search, node.file, use)
            if not files:
                yield from self._elsewhere(use.text, node)
            for one in files:
                yield from self._take("module", begin._replace(file=one, zero=one), node, use.text)

    def _command(self, use: Use, node: Node) -> Iterator[Item]:
        """Yield what a program executes whose name a table of the project gives a meaning."""
        for folder in self._folders(use, node):
            named = (self._entries.find(use.text, at) for at in (folder or "", ""))
            for path, entry in next(filter(None, named), ()):
                files = [self._place(file, node) for file in use.paths if file]
                if any(file and self.project.is_there(file) for file in files):
                    return  # it is a program of the project itself
                yield File(path, "table")
                begin = posixpath.dirname(path) if entry.line else folder
                for name in (use.text, f"pre{use.text}", f"post{use.text}"):
                    yield Node(path, _TABLE, begin, name, path=self._search(use, node))

    def _given(self, use: Use, node: Node) -> Iterator[Item]:
        """Yield the files that a program may execute, since it is given them."""
        for path in sorted(path for path in use.paths if path):
            place = self._place(path, node)
            if place and self.project.is_there(place):
                yield Open(node.file, use, beside=place)
            elif place and "*" in place and use.role == "named":
                for found in self.project.matching(place):
                    yield Open(node.file, use, beside=found, among=place)
                if self.project.is_too_large:
                    yield Open(node.file, Use("unclear"))

    def _entry(self, node: Node) -> Iterator[Item]:
        """Yield what a name in a table means."""
        named = self._entries.find(node.zero, posixpath.dirname(node.file))
        entry = next((entry for path, entry in named if path == node.file), Entry())
        code = read_shell(entry.line)
        uses = (use._replace(line=entry.at, column=1) for use in code.uses)
        yield from self.uses(code._replace(uses=tuple(uses)), node._replace(zero=NO_SCRIPT))
        search = (*node.path, *(self.modules.installed_from or INSTALLED_FROM))
        files = self.modules.find(entry.module, search) if entry.module else []
        if entry.module and not files:
            yield Open(node.file, Use("program", paths=UNKNOWN, text=node.zero, line=entry.at))
        for path in files:
            begin = Node(path, "python", node.folder, path, search, path=node.path)
            yield from self._take("module", begin, node, entry.module)

    def _inline(self, use: Use, node: Node) -> Iterator[Item]:
        """Yield what Python code in a shell text executes."""
        if use.language == "python":
            from ork.code.python.reader import read_inline

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
            if use.language == "python":
                yield from self._around(inside)
            yield from self.uses(code._replace(uses=tuple(placed), search=frozenset()), inside)

    def _import(self, module: str, node: Node) -> Iterator[Item]:
        """Yield the files that one import executes, as far as they lie below the root."""
        name = module.lstrip(".")
        if level := len(module) - len(name):
            folder = posixpath.dirname(node.file)
            for _ in range(level - 1):
                if not folder:
                    return
                folder = posixpath.dirname(folder)
            files = list(self.modules.around(folder))
            files += self.modules.below([folder], name) if name else []
        else:
            # Any of them may come first, which depends on how and when it is added.
            added = sorted(node.added)
            holding = (one for one in added if self.modules.below([one], name))
            orders = [[*node.search, *added], *([one, *node.search, *added] for one in holding)]
            files = self.modules.find(name, *orders)
            if files:
                yield from self.hidden(name, (*node.search, *added), node.file)
            else:
                yield from self._elsewhere(name, node)
        for path in files:
            yield from self._take("imported", node._replace(file=path), node, module)

    def _elsewhere(self, module: str, node: Node) -> Iterator[Open]:
        """Yield the files of a package in a folder of another name, where it is installed from."""
        use = Use("named", text=module)
        files = filter(self.project.is_there, self.modules.elsewhere(module))
        yield from (Open(node.file, use, beside=one) for one in files)

    def hidden(
        self, module: str, search: Iterable[str], by: str, use: Use | None = None
    ) -> Iterator[Open]:
        """Yield a module in a folder that a module of Python itself goes before."""
        if self.modules.is_hidden(module, search):
            yield Open(by, (use or Use(""))._replace(role="hidden", text=module))

    def _take(self, role: str, found: Node, by: Node, module: str) -> Iterator[Item]:
        """Yield a file that is imported, unless it is data: who knows what that executes."""
        if self.project.kind(found.file) == "data":
            yield Open(by.file, Use("data", text=module), target=found.file)
            return
        yield from (File(table, "table") for table in self.modules.tables(found.file))
        yield File(found.file, role)
        yield found

    def _spread(self, path: str, node: Node) -> Iterator[str]:
        """Yield a path, or one for each folder where the language of a file searches."""
        if path.startswith(INC):
            yield from (f"{folder or '.'}{path[len(INC) :]}" for folder in node.path)
        else:
            yield path

    def _place(self, path: str, node: Node) -> str | None:
        """Return a path as the root sees it; None when it lies outside or is not known."""
        seen = self._seen(path, node)
        return None if seen is None else plain(seen)

    def _outside(self, path: str, node: Node) -> str | None:
        """Return a path that leads out of the root, as that sees it; None for any other."""
        seen = self._seen(path, node) or ""
        return seen if f"{seen}/".startswith("../") else None

    def _seen(self, path: str, node: Node) -> str | None:
        """Return a path from the root, be it out of that; None when it is not known."""
        for begin, place in ((OWN, node.file), (ZERO, node.zero), (WORK, node.folder)):
            if path.startswith(begin):
                self._asks_for_zero |= begin == ZERO
                if place is None:
                    return None
                path = posixpath.join(place, path[len(begin) + 1 :]) if path != begin else place
                break
        return posixpath.normpath(path)
