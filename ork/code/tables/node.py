"""What names of packages mean to scripts of node, where tables of the project explain them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, islice

from ork.code.programs import NODE_ENDS
from ork.code.project import Project
from ork.code.tables.documents import read_document, texts_at
from ork.code.use import plain
from ork.objects.canonical import Json

# Those of TypeScript have comments, and commas before a bracket.
_COMMENT = re.compile(r'("(?:[^"\\]|\\.?)*(?:"|\Z))|//[^\n]*|/\*.*?(?:\*/|\Z)', re.S)
_TABLES = ("package.json", "tsconfig.json", "deno.json", "deno.jsonc")
_NAMES_MAX = 500  # of a table, among which one is looked for
COMMENTED_MAX = 64 * 1024  # bytes of a table that may have comments


class Packages:
    """The packages of a project."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._others: dict[str, dict[Json, str]] = {}  # tables by names, of each table

    def find(self, name: str, folder: str) -> list[str]:
        """Return what a name means in a folder or above: tables that say so, then the file.

        Without any it is an installed package.
        """
        for table in (posixpath.join(one, end) for one in _above(folder) for end in _TABLES):
            data = self._project.content(table)
            for path in named_paths(table, data, name) if data else ():
                if file := self._file(table, path):
                    return [table, file]
            if data and (other := self._named(table, data).get(_package(name)[0])):
                main = _packaged_path(self._project.read(other) or b"", name)
                if file := self._file(other, main):
                    return [table, other, file]
        return []

    def begin(self, folder: str) -> list[str]:
        """Return the table that names the file with which a folder begins, then that file."""
        table = posixpath.join(folder, "package.json")
        main = main_of(self._project.content(table) or b"")
        return [table, self._file(table, main) or folder] if main else []

    def _file(self, table: str, path: str) -> str | None:
        """Return the file that a path means in the folder of a table."""
        place = plain(posixpath.normpath(posixpath.join(posixpath.dirname(table), path)))
        if place is None:
            return None
        found = self._project.ended(place, ("", *NODE_ENDS))
        return found or self._project.ended(place.removesuffix(".js"), (".ts",))

    def _named(self, table: str, data: bytes) -> dict[Json, str]:
        """Return the tables of other packages that a package.json names, by their names."""
        if table not in self._others:
            found = self._others[table] = {}
            for pattern in _workspaces(data) if table.endswith("package.json") else ():
                path = posixpath.join(posixpath.dirname(table), pattern, "package.json")
                for other in self._project.matching(plain(posixpath.normpath(path)) or ""):
                    data = self._project.read(other) or b""
                    found[next(texts_at(_parsed(data), "name"), None)] = other
        return self._others[table]


def main_of(data: bytes) -> str | None:
    """Return the file that a package.json names as the one with which its folder begins."""
    return next(texts_at(_parsed(data), "main"), None)


def named_paths(path: str, data: bytes, name: str) -> Iterator[str]:
    """Yield the paths that one of these tables gives a name that a script imports.

    They begin in the folder of that file; the end of a file may lack.
    """
    table = _parsed(data)
    if path.endswith("tsconfig.json"):
        options = _table(table.get("compilerOptions"))
        base = next(texts_at(options, "baseUrl"), None)
        meant = [*_meant(options.get("paths"), name), *([name] if base else ())]
        yield from (posixpath.join(base or "", one) for one in meant)
        return
    yield from _meant(table.get("imports"), name)
    package, rest = _package(name)
    if package == table.get("name"):
        yield from _meant(_exports(table), f".{rest}")


def _above(folder: str) -> Iterator[str]:
    """Yield a folder and those around it."""
    while folder.strip("/"):
        yield folder
        folder = posixpath.dirname(folder)
    yield ""


def _workspaces(data: bytes) -> list[str]:
    """Return the folders of other packages that a package.json names, as patterns."""
    table = _parsed(data)
    given = (_table(table.get(group)).values() for group in ("dependencies", "devDependencies"))
    found = (re.fullmatch("(?:file|link|portal):(.+)", str(one)) for one in chain(*given))
    folders = [*texts_at(table, "workspaces"), *texts_at(table, "workspaces", "packages")]
    return folders + [one[1] for one in found if one]


def _packaged_path(data: bytes, name: str) -> str:
    """Return the path in the folder of its package.json that a name of a package means."""
    rest = _package(name)[1]
    exported = _meant(_exports(_parsed(data)), f".{rest}")
    return next(exported, rest.lstrip("/") or main_of(data) or ".")


def _exports(table: dict[str, Json]) -> Json:
    """Return what a package exports, by paths that begin with a dot."""
    found = table.get("exports")
    is_whole = not isinstance(found, dict) or not any(key[:1] == "." for key in found)
    return {".": found} if is_whole else found


@lru_cache(16)
def _parsed(data: bytes) -> dict[str, Json]:
    """Return what one of these tables says, which many names ask."""
    if len(data) <= COMMENTED_MAX:
        text = _COMMENT.sub(r"\1", data.decode("utf-8", "replace"))
        data = re.sub(r",(?=\s*[}\]])", "", text).encode()
    return _table(read_document("package.json", data)[1])


def _package(name: str) -> tuple[str, str]:
    """Return the name of a package, such as @a/b, and what comes after it."""
    parts = name.split("/")
    package = "/".join(parts[: 1 + name.startswith("@")])
    return package, name[len(package) :]


def _meant(names: Json, name: str) -> Iterator[str]:
    """Yield what a name means among others, of which `*` stands for any part."""
    for key, value in islice(_table(names).items(), _NAMES_MAX):
        if key.endswith("/") and isinstance(value, str):  # as deno has it: all that begins so
            key, value = f"{key}*", f"{value}*"
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
