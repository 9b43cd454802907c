"""Which files an import executes: where Python searches, and where a project is installed from."""

from __future__ import annotations

import posixpath
import sys
from collections.abc import Iterable, Iterator

from ork.code.project import Project
from ork.code.python.packages import PACKAGED_BY, package_folders, read_places
from ork.code.use import Kind, Names

MACHINE_CODE = (".so", ".pyc", ".pyx")  # how compiled modules end, and what pyximport compiles
STDLIB = sys.stdlib_module_names | {"test"}


class Modules:
    """The modules of a project, which may be `installed` as it is developed."""

    def __init__(self, project: Project, *, installed: bool) -> None:
        self._kind, self._compiled = project.kind, compiled_among(project.names)
        self.installed_from = package_folders(project.read, project.kind) if installed else {}
        packaged = [path for path in PACKAGED_BY if installed and project.kind(path) == "file"]
        places = (read_places(path, project.read(path) or b"") for path in packaged)
        self._places = [item for found in places for item in found.items()]

    def below(self, folders: Iterable[str], module: str) -> list[str]:
        """Return the files that importing a module executes where Python searches these folders."""
        return find_module(module, folders, self._kind, self._compiled)[0]

    def find(self, module: str, *searches: Iterable[str]) -> list[str]:
        """Return the files that importing a module executes, also where it is installed from."""
        orders = (list(dict.fromkeys(search)) for search in searches)
        files = [file for order in orders for file in self.below(order, module)]
        if not files and self.installed_from and module.partition(".")[0] not in STDLIB:
            files = self.below(self.installed_from, module)
        return files

    def elsewhere(self, module: str) -> Iterator[str]:
        """Yield the files of a package in a folder of another name, where it is installed from."""
        for name, folder in self._places:
            if f"{module}.".startswith(f"{name}."):
                rest = module[len(name) + 1 :]
                yield posixpath.join(folder, "__init__.py")
                yield from self.below([folder], rest) if rest else ()

    def around(self, folder: str) -> Iterator[str]:
        """Yield the `__init__.py` of a package and of those around it."""
        # A store can hold any path; above "/" is "/" again.
        while folder.strip("/") and _is_file(f"{folder}/__init__.py", self._kind):
            yield f"{folder}/__init__.py"
            folder = posixpath.dirname(folder)

    def tables(self, file: str) -> Iterator[str]:
        """Yield the files that say where the folder lies in which a file is."""
        for folder, table in self.installed_from.items():
            if table and file.startswith(f"{folder}/"):
                yield table

    def is_hidden(self, module: str, search: Iterable[str]) -> bool:
        """Say whether a module is in a folder that a module of Python itself goes before."""
        name, dot, _ = module.partition(".")
        within = bool(dot) and name in STDLIB and bool(self.below(search, module))
        return within and not self.below(search, name)


def find_module(
    module: str, folders: Iterable[str], kind: Kind, compiled: Names = lambda _: ()
) -> tuple[list[str], bool]:
    """Return the files that importing a module executes, and whether the last part is there.

    As Python searches: in the first folder with a package or a module of that name, else in all
    folders of that name, which together are one package; see `compiled_among` for machine code.
    """
    found: list[str] = []
    parts = module.split(".")
    for number, part in enumerate(parts):
        bases = [posixpath.join(folder, part) for folder in folders]
        for base in bases:
            package, module = f"{base}/__init__.py", f"{base}.py"
            # What is data may be there or not when it is imported.
            found += [path for path in (package, module) if kind(path) == "data"]
            if _is_file(package, kind):
                found.append(package)
                folders = [base]
                break
            files = [*compiled(base), *([module] if _is_file(module, kind) else ())]
            if files:
                return found + files, number + 1 == len(parts)
        else:
            folders = [base for base in bases if kind(base) == "folder"]
            if not folders or number + 1 == len(parts):
                return found, False
    return found, True


def compiled_among(names: Names) -> Names:
    """Return what tells the files of machine code for a module, of whichever Python they are.

    A module is named by its path without an end, `names` tells what lies in a folder.
    """
    known: dict[str, dict[str, list[str]]] = {}

    def compiled(base: str) -> list[str]:
        folder, name = posixpath.split(base)
        if folder not in known:
            found = known[folder] = {}
            for file in names(folder):
                if file.endswith(MACHINE_CODE):
                    stem = file.partition(".")[0]
                    found.setdefault(stem, []).append(posixpath.join(folder, file))
        return known[folder].get(name, [])

    return compiled


def _is_file(path: str, kind: Kind) -> bool:
    # A link that leads out counts: the import would follow it, so taking it must complain.
    return kind(path) in ("file", "outside")
