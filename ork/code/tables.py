"""What files of a project name: commands, folders of packages; and where its modules lie.

The files are read as data. A command is a function of its packages or a line for a shell: what it
means executes whoever starts a program of that name.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import chain, islice
from typing import NamedTuple

from ork.code.programs import NODE_ENDS
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
# Those of TypeScript have comments, and commas before a bracket.
_COMMENT = re.compile(r'("(?:[^"\\]|\\.?)*(?:"|\Z))|//[^\n]*|/\*.*?(?:\*/|\Z)', re.S)
NODE_TABLES = ("package.json", "tsconfig.json")
PACKAGED_BY = ("pyproject.toml", "setup.py", "setup.cfg")  # what `pip install -e .` needs
INSTALLED_FROM = ("src", "")  # the folders where packages of the root lie, as a rule
NAMES_MAX = 500  # of a table, among which one is looked for
COMMENTED_MAX = 64 * 1024  # bytes of a table that may have comments
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


class Packages:
    """What names of packages mean to scripts of node, by tables of the project."""

    def __init__(
        self,
        read: Read,
        is_there: Callable[[str], bool],
        matching: Callable[[str], Iterable[str]],
    ) -> None:
        self.read, self.is_there, self.matching = read, is_there, matching
        self.others: dict[str, dict[Json, str]] = {}  # tables by names, of each table

    def find(self, name: str, folder: str) -> list[str]:
        """Return what a name means in a folder or above: tables that say so, then the file.

        Without any it is an installed package.
        """
        for table in (posixpath.join(one, end) for one in _above(folder) for end in NODE_TABLES):
            data = self.read(table) if self.is_there(table) else None
            for path in named_paths(table, data, name) if data else ():
                if file := self._file(table, path):
                    return [table, file]
            if data and (other := self._others(table, data).get(_package(name)[0])):
                main = packaged_path(self.read(other) or b"", name)
                if file := self._file(other, main):
                    return [table, other, file]
        return []

    def _file(self, table: str, path: str) -> str | None:
        """Return the file that a path means in the folder of a table."""
        place = plain(posixpath.normpath(posixpath.join(posixpath.dirname(table), path)))
        if place is None:
            return None
        ended = (f"{place}{end}".lstrip("/") for end in ("", *NODE_ENDS))
        return next(filter(self.is_there, (*ended, f"{place.removesuffix('.js')}.ts")), None)

    def _others(self, table: str, data: bytes) -> dict[Json, str]:
        if table not in self.others:
            found = self.others[table] = {}
            for pattern in _workspaces(data) if table.endswith("package.json") else ():
                path = posixpath.join(posixpath.dirname(table), pattern, "package.json")
                for other in self.matching(plain(posixpath.normpath(path)) or ""):
                    found[next(_texts(_parsed(self.read(other) or b""), ["name"]), None)] = other
        return self.others[table]


def _above(folder: str) -> Iterator[str]:
    """Yield a folder and those around it."""
    while folder.strip("/"):
        yield folder
        folder = posixpath.dirname(folder)
    yield ""


def named_paths(path: str, data: bytes, name: str) -> Iterator[str]:
    """Yield the paths that a package.json or a tsconfig.json gives a name that a script imports.

    They begin in the folder of that file; the end of a file may lack.
    """
    table = _parsed(data)
    if path.endswith("tsconfig.json"):
        options = _table(table.get("compilerOptions"))
        base = next(_texts(options, ["baseUrl"]), None)
        meant = [*_meant(options.get("paths"), name), *([name] if base else ())]
        yield from (posixpath.join(base or "", one) for one in meant)
        return
    yield from _meant(table.get("imports"), name)
    package, rest = _package(name)
    if package == table.get("name"):
        yield from _meant(exports_of(table), f".{rest}")


def _workspaces(data: bytes) -> list[str]:
    """Return the folders of other packages that a package.json names, as patterns."""
    table = _parsed(data)
    given = (_table(table.get(group)).values() for group in ("dependencies", "devDependencies"))
    found = (re.fullmatch("(?:file|link|portal):(.+)", str(one)) for one in chain(*given))
    folders = [*_texts(table, ["workspaces"]), *_texts(table, ["workspaces", "packages"])]
    return folders + [one[1] for one in found if one]


def packaged_path(data: bytes, name: str) -> str:
    """Return the path in the folder of its package.json that a name of a package means."""
    table, rest = _parsed(data), _package(name)[1]
    main = next(_texts(table, ["main"]), ".")
    return next(_meant(exports_of(table), f".{rest}"), rest.lstrip("/") or main)


def exports_of(table: dict[str, Json]) -> Json:
    """Return what a package exports, by paths that begin with a dot."""
    found = table.get("exports")
    is_whole = not isinstance(found, dict) or not any(key[:1] == "." for key in found)
    return {".": found} if is_whole else found


@lru_cache(16)
def _parsed(data: bytes) -> dict[str, Json]:
    """Return what a package.json or a tsconfig.json says, which many names ask."""
    if len(data) <= COMMENTED_MAX:
        text = _COMMENT.sub(r"\1", data.decode("utf-8", "replace"))
        data = re.sub(r",(?=\s*[}\]])", "", text).encode()
    return _table(_read("package.json", data)[1])


def _package(name: str) -> tuple[str, str]:
    """Return the name of a package, such as @a/b, and what comes after it."""
    parts = name.split("/")
    package = "/".join(parts[: 1 + name.startswith("@")])
    return package, name[len(package) :]


def _meant(names: Json, name: str) -> Iterator[str]:
    """Yield what a name means among others, of which `*` stands for any part."""
    for key, value in islice(_table(names).items(), NAMES_MAX):
        before, star, after = key.partition("*")
        part = name[len(before) : len(name) - len(after)]
        if name == key or (star and name == f"{before}{part}{after}"):
            todo = [value]
            for one in todo:  # which grows: conditions, or one after the other
                one = [*one.values()] if isinstance(one, dict) else one
                todo += one if isinstance(one, list) else []
            yield from (
                one.replace("*", part) if star else one for one in todo if isinstance(one, str)
            )


def _table(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


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
