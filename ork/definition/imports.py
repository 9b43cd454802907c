"""The modules that a Python source text imports, found by reading it, never by running it."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator

from ork.objects.value import Value


class Import(Value, frozen=True):
    """One imported module: `level` dots, then `name`, which may be empty after dots.

    `from a import b` names both a and a.b, since b may be a module or something inside of a.
    """

    level: int
    name: str


class Unreadable(Value, frozen=True):
    """The reason why a text is not Python; line and column count from 1, 0 means the whole text."""

    line: int
    column: int
    message: str
    source: str | None = None


def read_imports(source: bytes, *, is_package: bool = False) -> tuple[Import, ...] | Unreadable:
    """Return the modules that a source text imports anywhere, sorted.

    Understood: import statements, and `import_module` and `__import__` with a literal name. In a
    package's `__init__.py` also `__all__`, whose names `from package import *` imports.
    """
    try:
        with warnings.catch_warnings():
            # Invalid escapes and the like are for whoever runs the code.
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
        found = set(_imports(tree, is_package))
    except SyntaxError as error:
        message = error.msg.split(" (<unknown>")[0]
        text = None if error.text is None else error.text.rstrip("\r\n")
        return Unreadable(error.lineno or 0, error.offset or 0, message, text)
    except (ValueError, RecursionError, MemoryError) as error:
        reason = str(error) if isinstance(error, ValueError) else "nested too deeply"
        return Unreadable(0, 0, reason)
    return tuple(sorted(found, key=lambda named: (named.level, named.name)))


def _imports(tree: ast.AST, is_package: bool) -> Iterator[Import]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            yield Import(node.level, module)
            for alias in node.names:
                if alias.name != "*":
                    yield Import(node.level, f"{module}.{alias.name}" if module else alias.name)
        elif isinstance(node, ast.Call):
            name = _literal_import(node)
            if name is not None:
                short = name.lstrip(".")
                yield Import(len(name) - len(short), short)
        elif is_package and isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
            yield from (Import(1, name) for name in _exports(node))


def _literal_import(call: ast.Call) -> str | None:
    function = call.func
    if isinstance(function, ast.Attribute):
        called = function.attr
    elif isinstance(function, ast.Name):
        called = function.id
    else:
        return None
    if called not in ("import_module", "__import__"):
        return None
    name = call.args[0] if call.args else None
    for keyword in call.keywords:
        if keyword.arg == "name":
            name = keyword.value
    if not isinstance(name, ast.Constant) or not isinstance(name.value, str):
        return None
    parts = name.value.lstrip(".").split(".")
    return name.value if all(part.isidentifier() for part in parts) else None


def _exports(node: ast.Assign | ast.AugAssign | ast.AnnAssign) -> Iterator[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    if not any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
        return
    if isinstance(node.value, (ast.List, ast.Tuple)):
        for element in node.value.elts:
            name = element.value if isinstance(element, ast.Constant) else None
            if isinstance(name, str) and name.isidentifier():
                yield name
