"""The code that the tasks of a stored snapshot execute, told by the rule that captured it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ork.code.use import Code, Unreadable
from ork.definition.reach import Reach, reach, read_code
from ork.objects.canonical import Oid, hash_bytes
from ork.objects.kinds import Task
from ork.objects.snapshot import FileMap
from ork.store.store import Store
from ork.worktree.globs import excluding

REMEMBERED_MAX = 1024  # files whose code is known from another snapshot

_known: dict[tuple[Oid, str], Code | Unreadable] = {}


def reached(
    store: Store, captured: FileMap, tasks: Mapping[str, Task], exclude: Iterable[str]
) -> dict[str, Reach]:
    """Return for each task which files of a snapshot it executes.

    `exclude` are the patterns of what is data to its workflow.
    """
    files = dict(captured)
    folders = {path[:end] for path in files for end, letter in enumerate(path) if letter == "/"}

    def kind(path: str) -> str | None:
        return "file" if path in files else "folder" if path in folders else None

    def read(path: str) -> bytes | None:
        return store.blob(files[path].blob) if path in files else None

    return reach(tasks, read=read, kind=excluding(kind, exclude), parse=_parse)


def _parse(data: bytes, language: str) -> Code | Unreadable:
    key = hash_bytes(data), language  # of a file only its name is kept, not its contents
    if key not in _known:
        if len(_known) >= REMEMBERED_MAX:
            _known.clear()
        _known[key] = read_code(data, language)
    return _known[key]
