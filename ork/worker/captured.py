"""Imports from captured files; runs in the worker, on Python 3.9 or newer.

Modules below the root are compiled from the captured bytes alone, though they say that they lie
below the root. A top-level name is looked for in the folder of the task's own file, then in the
root, then among the interpreter's own modules. A file below the root that was not captured cannot
be imported. Each task folder has its own set of modules, so `a/common.py` and `b/common.py` never
meet.
"""

from __future__ import annotations

import importlib.util
import linecache
import os
import sys
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    ExtensionFileLoader,
    ModuleSpec,
    PathFinder,
    SourceFileLoader,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence, Set
    from types import CodeType, ModuleType


class Loader(SourceFileLoader):
    """Load the module at `path`, below the root, from the bytes below the code folder."""

    def __init__(self, name: str, path: str, captured: Captured) -> None:
        super().__init__(name, path)
        self._captured = captured

    def get_data(self, path: str) -> bytes:
        """Return the captured bytes of a file, or those on disk if it was not captured."""
        with open(self._captured.bytes_of(os.fspath(path)), "rb") as file:
            return file.read()

    def path_stats(self, path: str) -> dict[str, int]:
        """Refuse: without them Python neither reads nor writes compiled files."""
        raise OSError("captured code has no compiled files")

    def get_code(self, fullname: str) -> CodeType | None:
        """Return the compiled bytes, and let tracebacks show exactly these lines."""
        source = self.get_data(self.path)
        code: CodeType = self.source_to_code(source, self.path)
        text = importlib.util.decode_source(source)
        linecache.cache[self.path] = (len(text), None, text.splitlines(True), self.path)
        return code


class Captured:
    """The captured files of a snapshot as something to import from; a finder for sys.meta_path."""

    def __init__(self, root: str, code: str, files: Sequence[str], startup: Set[str]) -> None:
        self._root = root.rstrip("/") or "/"
        self._prefix = root.rstrip("/") + "/"
        self._code = code
        self._files = frozenset(files)
        self._directories = {
            path[:end] for path in files for end, sign in enumerate(path) if sign == "/"
        }
        self._startup = startup  # modules that stay what they are, as in any Python script
        real = os.path.realpath(root)
        self._path = [entry for entry in sys.path if entry and os.path.realpath(entry) != real]
        self._packages: dict[str, str] = {}  # folder of a captured package -> the same below root
        self._folder = ""
        self._loaded: set[str] = set()  # names of captured modules in sys.modules
        self._aside: dict[str, dict[str, ModuleType]] = {}  # those of other folders
        self._hidden: dict[str, ModuleType] = {}  # of the interpreter, hidden by captured ones
        sys.meta_path.insert(sys.meta_path.index(PathFinder), self)
        self._hide()

    def remove(self) -> None:
        """Forget every captured module."""
        self._take_out()
        sys.meta_path.remove(self)

    def enter(self, folder: str) -> None:
        """Make `folder` (below the root, "" for the root itself) the first place of imports."""
        sys.path[:] = self._path
        if folder != self._folder:
            self._aside[self._folder] = self._take_out()
            self._folder = folder
            self._hide()
            modules = self._aside.pop(folder, {})
            self._loaded.update(modules)
            sys.modules.update(modules)

    def load_file(self, path: str) -> ModuleType:
        """Import a captured file: by its name where an `import` would find it, else by its path."""
        absolute = self._prefix + path
        name = self._name_of(path)
        if name is not None:
            module = sys.modules.get(name)
            if module is None and self._origin_of(name) == absolute:
                return importlib.import_module(name)
            if module is not None and getattr(module, "__file__", None) == absolute:
                return module
        return self._load_alone(path, absolute)

    def bytes_of(self, path: str) -> str:
        """Return the path to read a file from: below the code folder if it was captured."""
        if path.startswith(self._prefix) and path[len(self._prefix) :] in self._files:
            return f"{self._code}/{path[len(self._prefix) :]}"
        return path

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: object = None
    ) -> ModuleSpec | None:
        """Find a module as sys.meta_path asks for it."""
        if path is None:
            elsewhere = [entry for entry in sys.path if self._below_root(entry) is None]
            places = self._places()
        else:
            places = [self._packages[entry] for entry in path if entry in self._packages]
            elsewhere = [entry for entry in path if entry not in self._packages]
            if not places:
                return None
        tail = name.rpartition(".")[2]
        bases = [f"{place}/{tail}" if place else tail for place in places]
        for base in bases:
            spec = self._spec(name, base)
            if spec is not None:
                self._loaded.add(name)
                return spec
        found = PathFinder.find_spec(name, elsewhere)
        if found is not None and found.loader is not None and found.origin is not None:
            return found
        portions = [base for base in bases if base in self._directories]
        if portions:
            return self._namespace(name, portions, found)
        if found is None:
            self._complain(name, bases, final=path is not None)
        return found

    def _spec(self, name: str, base: str) -> ModuleSpec | None:
        package = f"{base}/__init__.py"
        if package in self._files:
            return self._source(name, package, self._prefix + base)
        for suffix in EXTENSION_SUFFIXES:
            if base + suffix in self._files:
                path = f"{self._code}/{base}{suffix}"
                loader = ExtensionFileLoader(name, path)
                return importlib.util.spec_from_file_location(name, path, loader=loader)
        return self._source(name, f"{base}.py") if f"{base}.py" in self._files else None

    def _source(self, name: str, path: str, package: str | None = None) -> ModuleSpec | None:
        absolute = self._prefix + path
        if package is not None:
            self._packages[package] = package[len(self._prefix) :]
        return importlib.util.spec_from_file_location(
            name,
            absolute,
            loader=Loader(name, absolute, self),
            submodule_search_locations=None if package is None else [package],
        )

    def _namespace(
        self, name: str, portions: Sequence[str], found: ModuleSpec | None
    ) -> ModuleSpec:
        spec = ModuleSpec(name, None, is_package=True)
        locations = [self._prefix + portion for portion in portions]
        self._packages.update(zip(locations, portions))  # noqa: B905 (strict came with 3.10)
        if found is not None:
            locations += found.submodule_search_locations or ()
        spec.submodule_search_locations = locations
        self._loaded.add(name)
        return spec

    def _places(self) -> list[str]:
        """Return the folders below the root in which top-level names are looked for."""
        places = [self._folder, ""] if self._folder else [""]
        for entry in sys.path:
            place = self._below_root(entry)
            if place is not None and place not in places:
                places.append(place)
        return places

    def _below_root(self, entry: str) -> str | None:
        """Return the place below the root that a task added to sys.path, else None."""
        if entry in self._path:
            return None
        full = os.path.normpath(os.path.join(self._root, entry))
        if full == self._root:
            return ""
        return full[len(self._prefix) :] if full.startswith(self._prefix) else None

    def _complain(self, name: str, bases: Sequence[str], *, final: bool) -> None:
        """Raise if the module lies below the root, or cannot lie anywhere else."""
        for base in bases:
            for path in (f"{base}.py", f"{base}/__init__.py"):
                if os.path.exists(self._prefix + path):
                    message = f"No module named {name!r}: {path} was not captured"
                    raise ModuleNotFoundError(f"{message}; add it to `include:`", name=name)
        if final:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    def _name_of(self, path: str) -> str | None:
        """Return the name by which others import this file, if there is one."""
        parts = path.split("/")
        stem, dot, suffix = parts.pop().rpartition(".")
        if dot + suffix != ".py":
            return None
        folder = "/".join(parts)
        if folder and f"{folder}/__init__.py" in self._files:
            parts += [stem] if stem != "__init__" else []
        else:
            parts = [stem]
        return ".".join(parts) if all(part.isidentifier() for part in parts) else None

    def _origin_of(self, name: str) -> str | None:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            return None
        return spec.origin if spec is not None else None

    def _load_alone(self, path: str, absolute: str) -> ModuleType:
        # No dot, which would mean a package; and one name for each path.
        name = "ork_task:" + path.replace("%", "%25").replace(".", "%2E")
        module = sys.modules.get(name)
        if module is None:
            loader = Loader(name, absolute, self)
            spec = importlib.util.spec_from_file_location(name, absolute, loader=loader)
            assert spec is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules[name] = module
            self._loaded.add(name)
            try:
                loader.exec_module(module)
            except BaseException:
                del sys.modules[name]
                raise
        return module

    def _hide(self) -> None:
        """Hide modules of the interpreter for which the captured files have others."""
        for place in self._places():
            start = f"{place}/" if place else ""
            for path in self._files:
                if path.startswith(start) and path.endswith(".py"):
                    name = path[len(start) :].partition("/")[0]
                    name = name[:-3] if name.endswith(".py") else name
                    if name in sys.modules and name not in self._startup | self._loaded:
                        self._hidden[name] = sys.modules.pop(name)

    def _take_out(self) -> dict[str, ModuleType]:
        """Take the captured modules out of sys.modules and put back what they hid."""
        modules = {name: sys.modules.pop(name) for name in self._loaded if name in sys.modules}
        self._loaded.clear()
        sys.modules.update(self._hidden)
        self._hidden.clear()
        return modules
