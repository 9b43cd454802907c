"""What a file executes, in whichever language it is written."""

from __future__ import annotations

from ork.code.programs import LANGUAGES
from ork.code.shell.reader import read_shell
from ork.code.use import Code, Unreadable
from ork.objects.canonical import Oid, hash_bytes

REMEMBERED_MAX = 4096  # files whose code is known from another workflow or snapshot

_known: dict[tuple[Oid, str], Code | Unreadable] = {}


def read_code(data: bytes, language: str) -> Code | Unreadable:
    """Return what a file executes: shell, python, notebook, or package for an `__init__.py`.

    Workflows share code, and so do snapshots: it is remembered, of the file only the hash.
    """
    key = hash_bytes(data), language
    if key not in _known:
        if len(_known) >= REMEMBERED_MAX:
            _known.clear()
        _known[key] = _read_code(data, language)
    return _known[key]


def _read_code(data: bytes, language: str) -> Code | Unreadable:
    if language == "shell":
        return read_shell(data.decode("utf-8", "replace"))
    if language in LANGUAGES:
        from ork.code.scripts import read_script

        return read_script(data.decode("utf-8", "replace"), language)
    if language == "config":
        from ork.code.tables.classes import read_classes

        return read_classes(data)
    if language == "notebook":
        from ork.code.python.notebook import read_notebook

        return read_notebook(data)
    from ork.code.python.reader import read_python  # much to load, and not needed for shell alone

    return read_python(data, is_package=language == "package")
