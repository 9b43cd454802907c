"""Which of Python's own modules are met where a project has files of their names.

What its modules import as they are loaded is read from their sources; nothing is executed.
"""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from functools import cache

from ork.code.python.modules import STDLIB
from ork.code.python.reader import parse
from ork.code.use import Kind, Names, Read

# What is there before any program, and is searched for no more.
_LOADED = (
    *("abc", "builtins", "codecs", "encodings", "genericpath", "io", "marshal", "os", "posix"),
    *("posixpath", "site", "stat", "sys", "time", "zipimport"),
)
_HIDEABLE = STDLIB.difference(_LOADED)


def named_so(folder: str, names: Names, kind: Kind) -> dict[str, str]:
    """Return the modules of Python that files of a folder hide, where imports search it first."""
    found = {}
    for name in names(folder):
        path, module = posixpath.join(folder, name), name.removesuffix(".py")
        if module not in _HIDEABLE:
            continue
        file = path if module != name else f"{path}/__init__.py"
        if kind(file) == "file":
            found[module] = file
    return found


def met(names: Collection[str], sources: Mapping[str, bytes], library: Read) -> dict[str, str]:
    """Return which of these of Python's own modules a program imports, and what does so first.

    That is one of its `sources`, a module of Python, or one from elsewhere, which may import any.
    `library` reads the files of Python's own modules.
    """
    own = {part for path in sources for part in path.removesuffix(".py").split("/")}
    todo = [(one, path) for path, source in sources.items() for one in _all_of(source)]
    found: dict[str, str] = {}
    seen, elsewhere = set[str](), ""
    for module, by in todo:  # which grows
        top = module.partition(".")[0]
        if top in names:
            found.setdefault(top, by)
        elif top not in STDLIB:  # what Python imports where it is there says nothing
            elsewhere = elsewhere or (top if by in sources and top not in own else "")
        elif module not in seen:
            seen.add(module)
            todo += [(one, top) for one in _loaded_by(module, library)]
    return found if not elsewhere else dict.fromkeys(names, elsewhere) | found


def _all_of(source: bytes) -> Iterator[str]:
    """Yield the modules that a source imports anywhere."""
    with suppress(SyntaxError, ValueError, RecursionError):
        for node in ast.walk(parse(source)):
            yield from _named(node)


@cache
def _loaded_by(module: str, library: Read) -> tuple[str, ...]:
    """Return what a module of Python imports as it is loaded; nothing of what is none."""
    path, package = module.replace(".", "/"), module
    data = library(f"{path}/__init__.py")
    if data is None:
        data, package = library(f"{path}.py"), module.rpartition(".")[0]
    todo: list[ast.AST] = [*parse(data or b"").body]
    for node in todo:  # which grows
        is_main = isinstance(node, ast.If) and "'__name__'" in ast.dump(node.test)
        if isinstance(node, ast.If | ast.Try | ast.With | ast.ExceptHandler) and not is_main:
            todo += ast.iter_child_nodes(node)
    return tuple(dict.fromkeys(one for node in todo for one in _named(node, package)))


def _named(node: ast.AST, package: str = "") -> Iterator[str]:
    """Yield the modules that a statement imports, and what may be one; `package` is its own."""
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [one.name for one in node.names]
    elif isinstance(node, ast.ImportFrom):
        above = package.split(".")[: 1 - node.level or None] if node.level else []
        base = [*above, *(node.module or "").split(".")]
        names = [".".join(filter(None, (*base, one.name))) for one in node.names if any(base)]
    for name in names:
        parts = name.split(".")
        yield from (".".join(parts[:depth]) for depth in range(1, len(parts) + 1))
