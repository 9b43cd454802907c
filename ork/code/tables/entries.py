"""The commands that files of a project name.

A command is a function of its packages or a line for a shell: what it means executes whoever starts
a program of that name.
"""

from __future__ import annotations

import posixpath
import re
from typing import NamedTuple

from ork.code.project import Project
from ork.code.tables.documents import items_at, read_document
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
_FUNCTION = r"\s*([A-Za-z_][\w.]*)\s*:\s*[A-Za-z_][\w.]*\s*(?:\[[^\]]*\]|\(.*)?\s*"
_ENTRY = r"(?<![\w.-])([\w.-]+)[ \t]*=[ \t]*([A-Za-z_][\w.]*)[ \t]*:[ \t]*[A-Za-z_]"


class Entries:
    """The commands that files in a folder of the project name, and which file does."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._known: dict[str, dict[str, list[tuple[str, Entry]]]] = {}  # by folder

    def find(self, name: str, folder: str) -> list[tuple[str, Entry]]:
        """Return what a name means there, in the order of the files that say it."""
        if folder not in self._known:
            found = self._known[folder] = {}
            for path in (posixpath.join(folder, table) for table in TABLES):
                data = self._project.read(path) if self._project.kind(path) == "file" else None
                for command, entry in read_table(path, data).items() if data else ():
                    found.setdefault(command, []).append((path, entry))
        return self._known[folder].get(name, [])


class Entry(NamedTuple):
    """What a name means: a function of a module, or a line for a shell; and where it stands."""

    module: str = ""
    line: str = ""
    at: int = 1


def read_table(path: str, data: bytes) -> dict[str, Entry]:
    """Return what names mean in one of these files; nothing where it cannot be read."""
    name = path.rpartition("/")[2]
    text, whole = read_document(name, data)
    if name.startswith("setup."):
        return {one[1]: Entry(one[2], at=_line(text, one[1])) for one in re.finditer(_ENTRY, text)}
    found = (item for path in TABLES[name] for item in items_at(whole, *path.split(".")))
    return {name: _entry(value, _line(text, name)) for name, value in found}


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
