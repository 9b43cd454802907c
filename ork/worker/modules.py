"""The project's own modules in a worker: found where they lie, executed anew for each attempt.

Runs in the worker, on Python 3.9 or newer. Python itself finds and loads them: `sys.path` begins
with the folder of the task's file and the root. Only two things differ. What Python has compiled of
the project is kept here, in memory, for as long as its file is the same; and a file below the root
that was not captured is not executed, unless the workflow says that it is data. Modules of
everybody else are imported once.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import sys
import time
from _thread import get_ident
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    ExtensionFileLoader,
    FrozenImporter,
    SourceFileLoader,
    SourcelessFileLoader,
)
from types import FunctionType, ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence, Set
    from types import CodeType
    from typing import Any

SOON_NS = 1_000_000_000
# Assigned attributes of what has a name: `json.dumps = x`, `setattr(json, "dumps", x)`.
ASSIGNED = re.compile(
    r"(?:^|[;:=])[ \t]*((?!self\b|cls\b)[A-Za-z_][\w.]*)\.(\w+)[ \t]*=(?!=)"
    r"|\bsetattr\(\s*([A-Za-z_][\w.]*)\s*,\s*[\"'](\w+)",
    re.MULTILINE,
)
# What Python itself has; of builtins all is put back, of `sys` what people assign.
STDLIB = frozenset(getattr(sys, "stdlib_module_names", sys.modules)) - {"sys", "builtins"}
INSTALLED = ("/site-packages/", "/dist-packages/")


class Modules:
    """The modules of the attempt that runs, and those that stay for the next."""

    def __init__(
        self,
        startup: Set[str],
        around_import: Callable[[Callable[[], None]], None],
        put_back: Set[tuple[str, str]],
    ):
        self._startup = startup  # modules that stay what they are, as in any Python script
        self._put_back = put_back  # attributes of modules that somebody else puts back
        self._around_import = around_import  # told of each import of what is not the project's
        self._thread = get_ident()
        self._importing = False
        # path -> the version of the file, unless it may change unseen; its content; its code
        self._codes: dict[str, tuple[Any, bytes, Any]] = {}
        # path -> the attributes that its source assigns, as `json` and `dumps`
        self._assigned: dict[str, Set[tuple[str, str]]] = {}
        self._blanks: dict[tuple[str, str], dict[str, Any]] = {}
        self._grown = False  # whether there is more than before that stays
        self._machine_code = False  # whether some of the project was loaded
        self._executed: dict[str, ModuleType] = {}  # of the project, in this attempt
        self._below: dict[str, str | None] = {}  # path -> the same below the root
        self._prefixes: tuple[str, ...] = ()  # of all paths below the root
        self._project: str | None = None  # the same of where its files come from
        self._interpreter: tuple[str, ...] = ()  # of what lies below them and is not the project's
        self._files: frozenset[str] = frozenset()
        self._data = re.compile("")  # of paths that are imported without being captured
        self._first: list[str] = []  # where imports look first
        self._top: dict[str, set[str]] = {}  # folder -> the names that it has for an import
        self._staying: dict[str, ModuleType] = dict(sys.modules)
        self._get_code = SourceFileLoader.get_code
        self._get_bytes = SourcelessFileLoader.get_code
        self._exec_module = SourceFileLoader.exec_module
        self._create_module = ExtensionFileLoader.create_module

        def get_code(loader: Any, fullname: str) -> CodeType | None:
            return self._code_of(loader, fullname)

        def exec_module(loader: Any, module: ModuleType) -> None:
            self._execute(loader, module)

        def get_bytes(loader: Any, fullname: str) -> CodeType | None:
            self._check(fullname, loader.path)
            return self._get_bytes(loader, fullname)

        def create_module(loader: Any, spec: Any) -> ModuleType:
            if self._check(spec.name, loader.path) is not None:
                self._machine_code = True
            return self._create_module(loader, spec)

        for kind, name, changed in (
            (SourceFileLoader, "get_code", get_code),
            (SourceFileLoader, "exec_module", exec_module),
            (SourcelessFileLoader, "get_code", get_bytes),
            (ExtensionFileLoader, "create_module", create_module),
        ):
            setattr(kind, name, changed)

    def settle(self, root: str, files: Sequence[str], project: str | None, data: str) -> None:
        """Say where the project lies, which of its files were captured, and where it comes from.

        `data` is a regular expression of files that may be imported as well.
        """
        spellings = dict.fromkeys((root.rstrip("/"), os.path.realpath(root).rstrip("/")))
        self._root = root.rstrip("/") or "/"
        self._prefixes = tuple(f"{path}/" for path in spellings)
        self._project = f"{project}/" if project else None
        self._files = frozenset(files)
        self._data = re.compile(data)
        self._top.clear()
        self._below.clear()
        own = (sys.prefix, sys.base_prefix, sys.exec_prefix, os.path.dirname(os.__file__))
        # An interpreter may lie below the root; more often the root lies below its /usr.
        roots = (*self._prefixes, *([self._project] if self._project else []))
        folders = {f"{path}/" for path in own}.difference(roots)
        self._interpreter = tuple(path for path in folders if path.startswith(roots))

    def enter(self, folder: str) -> None:
        """Let imports look into `folder` (below the root, "" for the root) and the root first."""
        places = (folder, "") if folder else ("",)
        self._first = [(self._prefixes[0] + place).rstrip("/") or "/" for place in places]
        sys.path[:] = [*self._first, *map(self._in_place, sys.path)]
        # An empty one: what children of multiprocessing import to begin with is nothing of ours.
        sys.modules["__main__"] = ModuleType("__main__")
        for place in places:
            for name in [name for name in self._names(place) if name in sys.modules]:
                for hidden in [n for n in sys.modules if n == name or n.startswith(f"{name}.")]:
                    del sys.modules[hidden]

    def load_file(self, path: str) -> ModuleType:
        """Import a captured file: by its name where an `import` would find it, else by its path."""
        absolute = self._prefixes[0] + path
        name = self._name_of(path)
        if name is not None and "." in name:
            spec = _spec_of(name)
            if spec is not None and spec.origin == absolute:
                return importlib.import_module(name)
        if name is None or "." in name or name in sys.modules or _is_within(name):
            # No dot, which would mean a package; and one name for each path.
            name = "ork_task:" + path.replace("%", "%25").replace(".", "%2E")
        module = sys.modules[name] = ModuleType(name)
        vars(module).update(self._blank(name, absolute))
        module.__loader__.exec_module(module)  # type: ignore[union-attr]
        return module

    def leave(self) -> tuple[bool, bool]:
        """Take the project's modules out; say if more stays than before, and if all is well."""
        if sys.path[: len(self._first)] == self._first:
            del sys.path[: len(self._first)]
        sys.modules["__main__"] = self._staying["__main__"]
        replaced = bool(self._assigned) and any(map(self._replaces, self._executed.values()))
        gone = {name: m for name, m in self._executed.items() if sys.modules.get(name) is m}
        self._executed.clear()
        for name in gone:
            del sys.modules[name]
        came: dict[str, ModuleType] = {}
        if sys.modules != self._staying:
            came, more = self._sort()
            for name in more:
                del sys.modules[name]
            gone.update(more)
        # Machine code of the project does not begin anew, nor what is replaced in a library.
        clean = not (self._machine_code or replaced)
        clean = clean and not any(_holds(came, one) for one in gone.values())
        for name, module in gone.items():
            parent, _, tail = name.rpartition(".")
            if getattr(sys.modules.get(parent), "__dict__", {}).get(tail) is module:
                delattr(sys.modules[parent], tail)
        self._staying.update(came)
        if len(sys.modules) != len(self._staying):  # hidden or removed by the attempt
            sys.modules.update(self._staying)
        grown, self._grown = self._grown or bool(came), False
        return grown, clean

    def _replaces(self, module: ModuleType) -> bool:
        """Say whether a module may assign attributes of what Python itself has."""
        for owner, name in self._assigned.get(getattr(module, "__file__", None) or "", ()):
            first, *rest = owner.split(".")
            value: Any = vars(module).get(first, sys.modules.get(first))
            for part in rest:
                value = getattr(value, part, None)
            if isinstance(value, (ModuleType, type)):
                where = value.__name__ if isinstance(value, ModuleType) else value.__module__
                if where.partition(".")[0] in STDLIB and (where, name) not in self._put_back:
                    return True
        return False

    def is_own(self, path: str) -> bool:
        """Say whether a file is one of the project's own."""
        return self._below_root(path) is not None

    # How they are executed.

    def _blank(self, name: str, path: str) -> dict[str, Any]:
        """Return what an import gives a module before it is executed."""
        if (name, path) not in self._blanks:
            loader = SourceFileLoader(name, path)
            spec = importlib.util.spec_from_file_location(name, path, loader=loader)
            assert spec is not None
            blank = vars(importlib.util.module_from_spec(spec))
            if "__path__" in blank:  # a list, which an attempt may change
                return blank
            self._blanks[name, path] = blank
        return self._blanks[name, path]

    def _code_of(self, loader: Any, name: str) -> CodeType | None:
        path = loader.path
        if self._check(name, path) is None:
            return self._get_code(loader, name)
        if type(loader) is not SourceFileLoader:  # it may compile in its own way
            return loader.source_to_code(loader.get_data(path), path)  # type: ignore[no-any-return]
        code: CodeType
        status = os.stat(path)
        changed = status.st_ctime_ns
        version = status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, changed
        known, content, code = self._codes.get(path, (None, b"", None))
        if known != version:
            source = loader.get_data(path)
            if code is None or source != content:
                self._grown = True
                code = loader.source_to_code(source, path)
                text = source.decode("utf-8", "replace")
                self._assigned.pop(path, None)
                if found := {(a or c, b or d) for a, b, c, d in ASSIGNED.findall(text)}:
                    self._assigned[path] = found
            young = time.time_ns() - changed <= SOON_NS  # the next change may have the same time
            self._codes[path] = None if young else version, source, code
        return code

    def _execute(self, loader: Any, module: ModuleType) -> None:
        ours = get_ident() == self._thread and not self._importing
        own = self.is_own(loader.path)
        if own:
            self._executed[module.__name__] = module
        if own or not ours:
            self._exec_module(loader, module)
            return
        self._importing = True
        try:
            self._around_import(lambda: self._exec_module(loader, module))
        finally:
            self._importing = False

    def _check(self, name: str, path: str) -> str | None:
        """Return the path below the root, None outside; raise if it was not captured."""
        below = self._below_root(path)
        if not (below is None or below in self._files or self._data.fullmatch(below)):
            # Without its name, for else `from package import name` says something else.
            message = f"No module named {name!r}: {below} was not captured"
            hint = "add it to `include:`, or to `exclude:` if a task writes it"
            raise ModuleNotFoundError(f"{message}; {hint}", path=path)
        if below is None and self._in_place(path) != path:
            message = f"No module named {name!r}: {path} is not of the snapshot that runs"
            raise ModuleNotFoundError(message, path=path)
        return below

    def _in_place(self, entry: str) -> str:
        """Return a path of the project as it is here: what is installed may point to the former."""
        if self._project is None or not f"{entry}/".startswith(self._project):
            return entry
        whole = f"{entry}/"
        if whole.startswith(self._prefixes):
            return entry  # as a relative one in PYTHONPATH: the place may lie in the project
        if whole.startswith(self._interpreter) or any(part in whole for part in INSTALLED):
            return entry
        return os.path.join(self._root, entry[len(self._project) :])

    def _below_root(self, path: str) -> str | None:
        if not path.startswith(("/", "<")):
            path = os.path.abspath(path)
        if path not in self._below:
            self._below[path] = self._find_below_root(path)
        return self._below[path]

    def _find_below_root(self, path: str) -> str | None:
        if "/." in path or "//" in path:
            path = os.path.abspath(path)
        if not path.startswith(self._prefixes) or path.startswith(self._interpreter):
            return None
        below = next(path[len(p) :] for p in self._prefixes if path.startswith(p))
        return None if any(part in f"/{below}" for part in INSTALLED) else below

    # Which they are.

    def _names(self, place: str) -> set[str]:
        """Return the top-level names that the captured files have in a folder below the root."""
        if place not in self._top:
            start = f"{place}/" if place else ""
            names = self._top[place] = set()
            for path in self._files:
                if path.startswith(start):
                    first, _, rest = path[len(start) :].partition("/")
                    stem, _, suffix = first.partition(".")
                    if rest == "__init__.py" or (not rest and f".{suffix}" in SUFFIXES):
                        names.add(stem)
            names -= self._startup
        return self._top[place]

    def _name_of(self, path: str) -> str | None:
        """Return the name by which others import this file, if there is one."""
        parts = path.split("/")
        stem, dot, suffix = parts.pop().rpartition(".")
        if dot + suffix != ".py":
            return None
        folder = "/".join(parts)
        if folder and f"{folder}/__init__.py" in self._files:
            parts += [stem] if stem != "__init__" else []
        elif f"{path[:-3]}/__init__.py" in self._files:  # a package goes before a file
            return None
        else:
            parts = [stem]
        return ".".join(parts) if all(part.isidentifier() for part in parts) else None

    def _sort(self) -> tuple[dict[str, ModuleType], dict[str, ModuleType]]:
        """Return the modules that the attempt brought: those that stay, and those that go."""
        staying = self._staying
        new = {n: m for n, m in sys.modules.items() if n not in staying or staying[n] is not m}
        came: dict[str, ModuleType] = {}
        unknown = []
        gone = {}
        for name, module in new.items():
            origin = _origin(module)
            if name in staying or (origin is not None and self.is_own(origin)):
                gone[name] = module
            elif origin is not None:
                came[name] = module
            else:
                unknown.append(name)
        for name in unknown:  # namespaces, and what was made by hand
            top = name.partition(".")[0]
            start = f"{name}."
            inside = any(other.startswith(start) for other in came)
            (came if inside or top in came or top in staying else gone)[name] = new[name]
        return came, gone


SUFFIXES = (".py", *EXTENSION_SUFFIXES)


def _is_within(name: str) -> bool:
    """Say whether a module is a part of the interpreter, which goes before all files."""
    return name in sys.builtin_module_names or FrozenImporter.find_spec(name) is not None


def _spec_of(name: str) -> Any:
    """Return where an import would find the module, None if nowhere."""
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None


def _origin(module: Any) -> str | None:
    """Return the file of a module, "<built-in>" or the like; None if it came from nowhere."""
    try:
        spec = module.__spec__
        if spec.origin and not spec.has_location:
            return f"<{spec.origin}>"
        found = spec.origin or module.__file__
    except AttributeError:
        return None
    return found if isinstance(found, str) else None


def _holds(staying: dict[str, ModuleType], gone: ModuleType) -> bool:
    """Say whether a module that stays has imported one that goes, or a part of it."""
    name = getattr(gone, "__name__", "")
    return any(
        value is gone or (type(value) in (FunctionType, type) and value.__module__ == name)
        for module in staying.values()
        for value in list(getattr(module, "__dict__", {}).values())
    )
