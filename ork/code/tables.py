"""What files of a project name: commands, folders of packages; and where its modules lie.

The files are read as data. A command is a function of its packages or a line for a shell: what it
means executes whoever starts a program of that name.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ork.code.use import Code, Kind, Names, Read, Use, plain
from ork.objects.canonical import Json

# A folder that is none is passed over: `*` stands for any name.
_TOML = (
    "project.scripts",
    "project.gui-scripts",
    "tool.poetry.scripts",
    "tool.pdm.scripts",
    "tool.hatch.envs.*.scripts",
    "tool.poe.tasks",
    "tool.pixi.tasks",
    "tool.taskipy.tasks",
    "tool.rye.scripts",
)
TABLES: dict[str, tuple[str, ...]] = {
    "pyproject.toml": _TOML,
    "setup.cfg": (),
    "setup.py": (),
    "package.json": ("scripts",),
    "deno.json": ("tasks",),
    "Pipfile": ("scripts",),
    "pixi.toml": ("tasks",),
}
# The keys that name folders in which packages lie.
_FOLDERS = (
    "tool.setuptools.package-dir.",
    "tool.setuptools.packages.find.where",
    "tool.poetry.packages.from",
    "tool.pdm.build.package-dir",
    "tool.uv.build-backend.module-root",
    "tool.maturin.python-source",
    "tool.hatch.build.targets.wheel.sources",
)
_PACKAGES = "tool.hatch.build.targets.wheel.packages"  # and one that names the packages
_FOLDER = re.compile(
    r"""(?:package_dir\s*=\s*(?:\{\s*(?:""|'')\s*:\s*["']|=\s*)|\bwhere\s*=\s*["']|^where\s*=\s*"""
    r"""|\bfind_(?:namespace_)?packages\(\s*["'])([\w./-]+)""",
    re.M,
)
MACHINE_CODE = (".so", ".pyc", ".pyx")  # how compiled modules end, and what pyximport compiles
_PLACES = re.compile(
    r"package_dir[ \t]*=[ \t]*(\{[^{}]{0,2000}\}|(?:\r?\n[ \t]+[^\n]{0,200}){1,50})"
)
_PLACE = re.compile(r"""([A-Za-z_][\w.]*)["']?\s*[:=]\s*["']?([\w./-]+)""")
_CLASS = re.compile(
    r"""(?:\b(?:class|factory)|\(\)|\bext:/)["']?[ \t]*[:=/][ \t]*["']?([A-Za-z_]\w*(?:\.\w+)+)"""
)
PACKAGED_BY = ("pyproject.toml", "setup.py", "setup.cfg")  # what `pip install -e .` needs
INSTALLED_FROM = ("src", "")  # the folders where packages of the root lie, as a rule
TABLE_MAX = 1024 * 1024  # bytes
_FUNCTION = r"\s*([A-Za-z_][\w.]*)\s*:\s*[A-Za-z_][\w.]*\s*(?:\[[^\]]*\]|\(.*)?\s*"
_ENTRY = r"(?<![\w.-])([\w.-]+)[ \t]*=[ \t]*([A-Za-z_][\w.]*)[ \t]*:[ \t]*[A-Za-z_]"


class Entry(NamedTuple):
    """What a name means: a function of a module, or a line for a shell; and where it stands."""

    module: str = ""
    line: str = ""
    at: int = 1


def read_table(path: str, data: bytes) -> dict[str, Entry]:
    """Return what names mean in one of these files; nothing where it cannot be read."""
    name = path.rpartition("/")[2]
    text, whole = _read(name, data)
    if name.startswith("setup."):
        return {one[1]: Entry(one[2], at=_line(text, one[1])) for one in re.finditer(_ENTRY, text)}
    found = (item for path in TABLES[name] for item in _at(whole, path.split(".")))
    return {name: _entry(value, _line(text, name)) for name, value in found}


def read_folders(path: str, data: bytes) -> set[str]:
    """Return the folders where pyproject.toml, setup.py or setup.cfg says that packages lie."""
    text, whole = _read(path.rpartition("/")[2], data)
    found = _FOLDER.findall(text) if path.startswith("setup.") else []
    found += [folder for key in _FOLDERS for folder in _texts(whole, key.split("."))]
    found += [posixpath.dirname(one) for one in _texts(whole, _PACKAGES.split("."))]
    return {posixpath.normpath(folder) for folder in found}


def read_places(path: str, data: bytes) -> dict[str, str]:
    """Return the packages of which such a file says where each lies: in a folder of any name."""
    text, whole = _read(path.rpartition("/")[2], data)
    found = [*_at(whole, ["tool", "setuptools", "package-dir"])]
    if path.startswith("setup."):
        found += [pair for block in _PLACES.findall(text) for pair in _PLACE.findall(block)]
    return {n: posixpath.normpath(f) for n, f in found if n and isinstance(f, str)}


def package_folders(read: Read, kind: Kind) -> dict[str, str]:
    """Return the folders where packages of the root lie, each with the file that says so."""
    found = dict.fromkeys(INSTALLED_FROM, "")
    for path in PACKAGED_BY:
        data = read(path) if kind(path) == "file" else None
        for folder in map(plain, sorted(read_folders(path, data)) if data else ()):
            if folder is not None:
                found.setdefault(folder, path)
    return found


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


def packages_around(folder: str, kind: Kind) -> Iterator[str]:
    """Yield the `__init__.py` of a package and of those around it."""
    # A store can hold any path; above "/" is "/" again.
    while folder.strip("/") and _is_file(init := posixpath.join(folder, "__init__.py"), kind):
        yield init
        folder = posixpath.dirname(folder)


def read_classes(data: bytes) -> Code:
    """Return what a configuration of logging imports: the classes that it names."""
    text = data[:TABLE_MAX].decode("utf-8", "replace")
    return Code(tuple(dict.fromkeys(Use("imported", text=name) for name in _CLASS.findall(text))))


def main_of(data: bytes) -> str | None:
    """Return the file that a package.json names as the one with which its folder begins."""
    return next(_texts(_read("package.json", data)[1], ["main"]), None)


def _read(name: str, data: bytes) -> tuple[str, Json]:
    """Return the text of a file, and what it says; nothing where it cannot be read."""
    text = data.decode("utf-8", "replace") if len(data) <= TABLE_MAX else ""
    if name.startswith("setup."):
        return text, None
    import tomllib  # which takes its time, and few projects need

    try:
        return text, json.loads(text) if name.endswith(".json") else tomllib.loads(text)
    except (ValueError, RecursionError):
        return text, None


def _texts(value: Json, path: list[str]) -> Iterator[str]:
    """Yield the texts at a path, through lists."""
    if isinstance(value, list):
        for one in value:
            yield from _texts(one, path)
    elif path:
        yield from _texts(value.get(path[0]), path[1:]) if isinstance(value, dict) else ()
    elif isinstance(value, str):
        yield value


def _at(value: Json, path: list[str]) -> Iterator[tuple[str, Json]]:
    """Yield the items of the tables at a path."""
    if not isinstance(value, dict):
        return
    if not path:
        yield from value.items()
    elif path[0] == "*":
        for one in value.values():
            yield from _at(one, path[1:])
    else:
        yield from _at(value.get(path[0]), path[1:])


def _entry(value: Json, at: int) -> Entry:
    if isinstance(value, dict):
        keys = ("cmd", "shell", "call", "script", "reference", "callable")
        value = next((value[key] for key in keys if key in value), "")
    if isinstance(value, list):
        # The words of one command, or one command each.
        texts = [one for one in value if isinstance(one, str)]
        value = ("\n" if any(" " in one for one in texts[:1]) else " ").join(texts)
    text = value if isinstance(value, str) else ""
    function = re.fullmatch(_FUNCTION, text)
    return Entry(function[1], at=at) if function else Entry(line=text, at=at)


def _line(text: str, name: str) -> int:
    """Return the line in which a table has a name."""
    found = re.search(rf"""^[^#\n]*?(?<![\w.-]){re.escape(name)}["']?\s*[=:]""", text, re.M)
    return text.count("\n", 0, found.start()) + 1 if found else 1


def _is_file(path: str, kind: Kind) -> bool:
    # A link that leads out counts: the import would follow it, so taking it must complain.
    return kind(path) in ("file", "outside")
