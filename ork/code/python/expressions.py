"""What names and expressions of a Python source text mean: functions, texts and paths."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import TypeGuard

from ork.code.shell.words import PATH_MAX
from ork.code.use import OWN, WORK, above, joined

FOLDERS_MAX = 16  # that one program enters
PATHS_MAX = 1_000_000  # and of the paths that names mean
JOINING = frozenset(("Path", "PurePath", "join", "joinpath", "glob", "rglob"))
RENDERING = frozenset(("get_template", "render_template"))  # however a template is named
PERCENT = r"%[-#0 +.\d]*[a-zA-Z]"
FIELD = r"\{([^{}:!.\[]*)[^{}]*\}"
_FILLED = f"{PERCENT}|{FIELD}"  # what stands in a text for something else
DEPTH_MAX = 20  # of expressions that are followed
_ENTERING = ("chdir", "os")


class Expressions:
    """What the expressions of a text mean as far as reading tells; None for any other thing."""

    def __init__(self, nodes: Sequence[ast.AST]) -> None:
        self.nodes = nodes
        self.names: dict[str, ast.expr] = {}  # -> what they are, if that is one thing
        self.imported: dict[str, str] = {}  # name -> what `import` has bound to it
        self.environ: dict[str, str] = {}  # that the program sets for all that it starts
        self.folders: list[str | None] = [WORK]  # where it may be
        self.functions: dict[tuple[str, int], tuple[str, str]] = {}  # by name and depth
        self.paths: dict[tuple[str, int], str | None] = {}
        self.length = 0  # of these paths
        self._find_names()

    def _find_names(self) -> None:
        """Note the names that are assigned once, and so mean one thing."""
        stores: Counter[str] = Counter()
        set_by: dict[str, ast.expr] = {}
        for node in self.nodes:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                stores[node.id] += 1
            elif isinstance(node, ast.arg):
                stores[node.arg] += 2  # anything that a caller gives
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
                owner, name = node.targets[0].value, node.targets[0].slice
                if dotted(owner) == "os.environ" and isinstance(name, ast.Constant):
                    set_by[str(name.value)] = node.value
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self.names[node.targets[0].id] = node.value
            elif isinstance(node, ast.withitem) and isinstance(node.optional_vars, ast.Name):
                self.names[node.optional_vars.id] = node.context_expr
            elif isinstance(node, ast.Import):
                self.imported.update((one.asname, one.name) for one in node.names if one.asname)
            elif isinstance(node, ast.ImportFrom):
                for one in node.names:
                    self.imported[one.asname or one.name] = f"{node.module}.{one.name}"
        self.names = {name: value for name, value in self.names.items() if stores[name] == 1}
        found = {name: self._path(value) for name, value in set_by.items()}
        self.environ = {name: path for name, path in found.items() if path}
        calls = (node for node in self.nodes if isinstance(node, ast.Call))
        entered = (
            call.args[0] for call in calls if self._function(call.func) == _ENTERING and call.args
        )
        places = (joined(WORK, self._path(one)) for one in entered)
        folders = [*islice(dict.fromkeys((WORK, *places)), FOLDERS_MAX + 1)]
        # Of a program that enters many it is not known where it starts others.
        self.folders = folders if len(folders) <= FOLDERS_MAX else [None]

    def _function(self, node: ast.expr, depth: int = 0) -> tuple[str, str]:
        """Return the name of what is called, and the dotted name before it."""
        if not isinstance(node, ast.Name):
            return self._meant(node, depth)
        key = node.id, depth
        if key not in self.functions:
            self.functions[key] = self._meant(node, depth)
        return self.functions[key]

    def _meant(self, node: ast.expr, depth: int) -> tuple[str, str]:
        name = dotted(node) or ""
        if not name and isinstance(node, ast.Attribute):
            return node.attr, "?"
        first, dot, rest = name.partition(".")
        value = self.names.get(first)
        if first in self.imported:
            name = f"{self.imported[first]}{dot}{rest}"
        elif not dot and isinstance(value, (ast.Name, ast.Attribute)) and depth < 20:
            return self._function(value, depth + 1)
        elif not dot and depth < 20 and self._is_partial(value, depth):
            return self._function(value.args[0], depth + 1)
        owner, _, called = name.rpartition(".")
        return called, owner

    def _is_partial(self, node: ast.expr | None, depth: int) -> TypeGuard[ast.Call]:
        """Say whether this gives a function some of its arguments, as functools.partial does."""
        if not isinstance(node, ast.Call) or not node.args:
            return False
        return self._function(node.func, depth + 1)[0] == "partial"

    def _value(self, node: ast.expr | None) -> ast.expr | None:
        """Return what a name was given that is assigned once; of a list that may have grown."""
        if not isinstance(node, ast.Name) or node.id not in self.names:
            return node
        value = self.names[node.id]
        if isinstance(value, ast.List):
            return ast.List([*value.elts, ast.Constant(None)], ast.Load())
        return value

    def _constant(self, node: ast.expr | None) -> str | None:
        """Return the text that an expression is, if it is a literal or the name of one."""
        value = getattr(self._value(node), "value", None)
        return value if isinstance(value, str) else None

    def _path(self, node: ast.expr | None, depth: int = 0) -> str | None:
        """Return the path that an expression gives, or None when it takes more than reading."""
        if node is None or depth > 20:
            return None
        again = depth + 1
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        if isinstance(node, ast.Name):
            if node.id == "__file__":
                return OWN
            key = node.id, depth
            if key not in self.paths:
                path = self._path(self.names.get(node.id), again)
                self.length += len(path or "")
                self.paths[key] = path if self.length <= PATHS_MAX else None
            return self.paths[key]
        if isinstance(node, ast.JoinedStr):
            values = [
                one.value if isinstance(one, ast.FormattedValue) else one for one in node.values
            ]
            return _one_path([self._path(value, again) for value in values])
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return _one_path([self._path(node.left, again), self._path(node.right, again)])
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            return _below(self._path(node.left, again), self._path(node.right, again))
        if isinstance(node, ast.Attribute) and node.attr == "parent":
            return above(self._path(node.value, again))
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute):
            number = node.slice.value if isinstance(node.slice, ast.Constant) else None
            if node.value.attr == "parents" and isinstance(number, int) and 0 <= number < 20:
                path = self._path(node.value.value, again)
                for _ in range(number + 1):
                    path = above(path)
                return path
        return self._called_path(node, again) if isinstance(node, ast.Call) else None

    def _pattern(self, node: ast.AST | None, depth: int = 0) -> str | None:
        """Return a path, with a star for what is not known of its names; None for any path."""
        path = self._path(node, depth) if isinstance(node, ast.expr) else None
        again = depth + 1
        if path is not None or depth > DEPTH_MAX:
            return re.sub(_FILLED, "*", path) if isinstance(node, ast.Constant) and path else path
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            return _below(self._path(node.left, again), self._pattern(node.right, again))
        if isinstance(node, ast.Call):
            return self._called_pattern(node, again)
        parts = [node.left, node.right] if isinstance(node, ast.BinOp) else []
        if isinstance(node, ast.JoinedStr):
            parts = [
                one.value if isinstance(one, ast.FormattedValue) else one for one in node.values
            ]
        found = "".join(self._pattern(one, again) or "*" for one in parts)
        found = re.sub(r"\*+(?=[^*/])", "*", found)
        is_any = found.startswith("*") and "/" in found
        return None if is_any or "\0" in found[1:] or len(found) > PATH_MAX else found or None

    def _called_pattern(self, call: ast.Call, depth: int) -> str | None:
        called, owner = self._function(call.func)
        last = self._pattern(last_of(call), depth)
        if last is None or called in RENDERING or (called, owner) == ("glob", "glob"):
            return last
        if called in ("glob", "rglob") and isinstance(call.func, ast.Attribute):
            folder = self._path(call.func.value, depth)
            return _below(folder, f"**/{last}" if called == "rglob" else last)
        folder = self._called_path(ast.Call(call.func, call.args[:-1], []), depth)
        return _below(folder, last)

    def _called_path(self, call: ast.Call, depth: int) -> str | None:
        called, _ = self._function(call.func)
        first = call.args[0] if call.args else None
        if called in ("Path", "PurePath", "join", "joinpath"):
            parts = [self._path(argument, depth) for argument in call.args]
            if called == "joinpath" and isinstance(call.func, ast.Attribute):
                parts.insert(0, self._path(call.func.value, depth))
            path: str | None = WORK
            for part in parts:
                path = _below(path, part)
                if path is None or len(path) > PATH_MAX:
                    return None
            return path
        if called in ("str", "abspath", "realpath", "normpath", "fspath"):
            return self._path(first, depth)
        if called == "dirname":
            return above(self._path(first, depth))
        if called in ("getcwd", "cwd"):
            return WORK
        if called in ("resolve", "absolute", "as_posix") and isinstance(call.func, ast.Attribute):
            return self._path(call.func.value, depth)
        return None


def last_of(node: ast.AST | None) -> ast.AST | None:
    """Return what a path ends with that an expression puts together."""
    if isinstance(node, ast.BinOp):
        return node.right
    if isinstance(node, ast.JoinedStr):
        return node.values[-1] if node.values else None
    if isinstance(node, ast.Call) and name_of(node.func) in JOINING | RENDERING:
        return node.args[-1] if node.args else None
    return None


def name_of(function: ast.expr) -> str:
    return getattr(function, "attr", getattr(function, "id", ""))


def _one_path(parts: list[str | None]) -> str | None:
    """Return a path of several pieces; None if one is not known, or begins one of its own."""
    if sum(len(part or "") for part in parts) > PATHS_MAX:
        return None
    found = "".join(part or "\0" for part in parts)
    return None if "\0" in found[1:] or not all(parts) else found


def _below(folder: str | None, path: str | None) -> str | None:
    return None if folder is None else joined(folder, path)


def dotted(node: ast.AST | None) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return None if before is None else f"{before}.{node.attr}"
    return None
