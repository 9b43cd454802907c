"""The code that the tasks of a stored snapshot execute, told by the rule that captured it."""

from __future__ import annotations

from collections.abc import Mapping

from ork.definition.imports import Import, Unreadable, read_imports
from ork.definition.reach import Reach, reach
from ork.objects.kinds import Task
from ork.objects.snapshot import FileMap
from ork.store.store import Store


def reached(store: Store, captured: FileMap, tasks: Mapping[str, Task]) -> dict[str, Reach]:
    """Return for each task which files of a snapshot it executes."""
    files = dict(captured)
    folders = {path[:end] for path in files for end, letter in enumerate(path) if letter == "/"}

    def kind(path: str) -> str | None:
        return "file" if path in files else "folder" if path in folders else None

    def imports(path: str) -> tuple[Import, ...] | None:
        if path not in files:
            return None
        is_package = path.rpartition("/")[2] == "__init__.py"
        named = read_imports(store.blob(files[path].blob), is_package=is_package)
        return () if isinstance(named, Unreadable) else named

    return reach(tasks, imports=imports, kind=kind)
