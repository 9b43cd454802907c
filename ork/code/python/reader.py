"""What a Python source text executes, found by reading it, never by running it.

Understood are import statements, the calls that import or run a file by a literal name, additions
to sys.path that follow from the literal or from `__file__`, and commands that are given to
subprocess or os as literals. A call with a name that is computed is told as not known.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import count, islice
from shlex import split
from typing import TypeGuard

from ork.code.programs import is_named_as_code
from ork.code.shell.reader import read_shell, read_words
from ork.code.shell.words import PATH_MAX
from ork.code.use import OWN, UNKNOWN, WORK, Code, Unreadable, Use, above, joined

FOLDERS_MAX = 16  # that one program enters
STARTED_MAX = 100_000  # words, characters and variables of the commands that one program starts
HANDED_MAX = 16  # functions that start commands, given to one call
SHOWN_MAX = 1_000_000  # characters of the calls that complaints quote
NAMED_MAX = 1000  # files that are named as code is
NAMED_IN_MAX = 16  # folders in which they may be
PATHS_MAX = 1_000_000  # and of the paths that names mean
_ANY = "${_}"  # what a shell puts there is not known
_SOURCE_CHARACTERS = 60  # of a call that a complaint quotes
_EXPANSION = r"\$(?:\{[^}]*\}|\([^)]*\)|\w+)"
_IMPORTING = frozenset(("import_module", "__import__", "run_module"))
_FINDING = frozenset(("find_spec", "resolve_name", "locate"))  # of importlib, pkgutil, pydoc
_LOADING = {
    "run_path": 0,
    "spec_from_file_location": 1,
    "SourceFileLoader": 1,
    "load_source": 1,
    "execute_notebook": 0,  # of papermill
}
_PATHS = ("path_name", "location", "input_path")
_ENTERING = ("chdir", "os")
_ASKING = (("get", "os.environ"), ("getenv", "os"))
_CLASS_KEYS = ("()", "class", "_target_")  # of logging and hydra: what they name is imported
_MARKS = frozenset(("__init__.py", "__main__.py", "setup.py"))  # by which folders are known
# Whose argument is a folder, or a package, of files that are named elsewhere.
_HOLDING = frozenset(
    (
        "FileSystemLoader",
        "files",
        "get_data",
        "open_binary",
        "open_text",
        "read_binary",
        "read_text",
    )
)
_JOINING = frozenset(("Path", "PurePath", "join", "joinpath", "glob", "rglob"))
_RENDERING = frozenset(("get_template", "render_template"))  # however a template is named
_PERCENT = r"%[-#0 +.\d]*[a-zA-Z]"
_FIELD = r"\{([^{}:!.\[]*)[^{}]*\}"
_FILLED = f"{_PERCENT}|{_FIELD}"  # what stands in a text for something else
_TEXTS = (ast.BinOp, ast.Constant, ast.JoinedStr)
_PARTS_MAX = 8  # of a path, by whose last ones it is known again
_LAST_MAX = 3  # expressions in one another, of which the last one is a name
_DEPTH_MAX = 20  # of expressions that are followed
_TELLING = frozenset(  # kinds of nodes; most are others
    (
        ast.AnnAssign,
        ast.Assign,
        ast.Attribute,
        ast.AugAssign,
        ast.Call,
        ast.Dict,
        ast.Import,
        ast.ImportFrom,
        ast.Name,
        ast.arg,
        ast.withitem,
    )
)
_LINKING = frozenset(
    ("CDLL", "PyDLL", "LoadLibrary", "dlopen", "load_extension")
)  # of ctypes, cffi, sqlite3
_STARTING = {
    "subprocess": frozenset(
        ("run", "Popen", "call", "check_call", "check_output", "getoutput", "getstatusoutput")
    ),
    "os": frozenset(("system", "popen")),
    "pty": frozenset(("spawn",)),
    "asyncio": frozenset(("create_subprocess_shell", "create_subprocess_exec")),
}


def read_python(source: bytes, *, is_package: bool = False) -> Code | Unreadable:
    """Return what a source text imports, runs and starts.

    A module is named with as many dots before it as its import has: `.name`, `..name`, `.`. From
    `from a import b` come both a and a.b, since b may be a module or something inside of a. In a
    package's `__init__.py` also `__all__` counts, whose names `from package import *` imports.
    """
    try:
        reading = _Reading(parse(source), is_package)
        found = [*reading.uses()]
        found += reading.named(found)
        uses = sorted(dict.fromkeys(found), key=lambda use: (use.role, use.text, use.line))
    except SyntaxError as error:
        message = error.msg.split(" (<unknown>")[0]
        text = None if error.text is None else error.text.rstrip("\r\n")
        return Unreadable(error.lineno or 0, error.offset or 0, message, text)
    except (ValueError, RecursionError, MemoryError) as error:
        reason = str(error) if isinstance(error, ValueError) else "nested too deeply"
        return Unreadable(0, 0, reason)
    written, copies = frozenset(reading.writes), frozenset(reading.copies)
    return Code(tuple(uses), written, frozenset(reading.search), copies)


def parse(source: bytes) -> ast.Module:
    """Return the tree of a source text; raise what `ast.parse` raises, and warn of nothing."""
    with warnings.catch_warnings():
        # Invalid escapes and the like are for whoever runs the code.
        warnings.simplefilter("ignore")
        return ast.parse(source)


def read_inline(text: str) -> Code | Unreadable:
    """Return what Python code in a shell line executes; what the shell expands is left open."""
    found = read_python(text.encode("utf-8", "replace"))
    if isinstance(found, Unreadable) and "$" in text:
        return read_python(re.sub(_EXPANSION, "0", text).encode("utf-8", "replace"))
    return found


class _Reading:
    def __init__(self, tree: ast.AST, is_package: bool) -> None:
        nodes = list(_nodes(tree))
        calls = (node for node in nodes if isinstance(node, ast.Call))
        named = {id(call) for call in calls if _is_named(call)}
        self.texts = [node for node in nodes if isinstance(node, _TEXTS) or id(node) in named]
        self.nodes = [node for node in nodes if not isinstance(node, _TEXTS)]
        self.is_package = is_package
        self.names: dict[str, ast.expr] = {}  # -> what they are, if that is one thing
        self.imported: dict[str, str] = {}  # name -> what `import` has bound to it
        self.search: set[str] = set()
        self.writes: set[str] = set()
        self.copies: set[tuple[str, str]] = set()
        self.environ: dict[str, str] = {}  # that the program sets for all that it starts
        self.folders: list[str | None] = [WORK]  # where it may be
        self.started = 0  # words and characters of commands
        self.put_in: dict[str, str] = {}  # paths, by the variables that stand for them in a line
        self.functions: dict[tuple[str, int], tuple[str, str]] = {}  # by name and depth
        self.paths: dict[tuple[str, int], str | None] = {}
        self.length = 0  # of these paths
        self.shown: tuple[ast.AST | None, str] = (None, "")  # the node that was placed last
        self.unparsed = 0  # characters

    def uses(self) -> Iterator[Use]:
        self._find_names()
        # Functions that are called here, or by another name that is known.
        followed = {id(node.func) for node in self.nodes if isinstance(node, ast.Call)}
        followed.update(map(id, self.names.values()))
        for node in self.nodes:
            if isinstance(node, ast.Import):
                yield from (Use("imported", text=alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                module = "." * node.level + (node.module or "")
                yield Use("imported", text=module)
                between = "." if node.module else ""
                for alias in node.names:
                    if alias.name != "*":
                        yield Use("imported", text=module + between + alias.name)
            elif isinstance(node, ast.Call):
                yield from self._call(node)
                yield from self._handed(node)
            elif isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
                yield from self._assignment(node)
            elif isinstance(node, ast.Dict):
                for key, value in _items(node):
                    name = getattr(value, "value", None)
                    if getattr(key, "value", None) in _CLASS_KEYS and isinstance(name, str):
                        yield from (Use("imported", text=one) for one in _names(name) if "." in one)
            elif id(node) not in followed and self._is_importing(node):
                yield self._placed(node, Use("imported", paths=UNKNOWN))

    def named(self, found: Iterable[Use]) -> Iterator[Use]:
        """Yield other files that are named as code is: who is given the names may execute them."""
        if not self.texts:
            return
        folders = [WORK, f"{OWN}/.."]
        values = [one for one in self.names.values() if isinstance(one, (ast.BinOp, ast.Call))]
        folders += filter(None, map(self._path, values))
        known = {path for use in found for path in use.paths}.union(*self.copies)
        for call in (node for node in self.nodes if isinstance(node, ast.Call)):
            for one in self._write(call):
                known.update((joined(WORK, self._path(one)), self._pattern(one)))
            called, _ = self._function(call.func)
            is_package = called == "PackageLoader"
            path = self._path(_argument(call, 0)) if called in _HOLDING or is_package else None
            if path:
                below = self._path(_argument(call, 1, "package_path")) if is_package else None
                path = path if "/" in path else path.replace(".", "/")
                path += f"/{below or 'templates'}" if is_package else ""
                folders.append(f"{WORK}/{path}")
        folders = [*dict.fromkeys(folders)][:NAMED_IN_MAX]
        known.update([end for path in known if path for end in _ends(path)])
        if len(self.texts) > NAMED_MAX:
            yield Use("unclear")
        for node in self.texts[:NAMED_MAX]:
            path = self._pattern(node)
            if path is None and (last := self._pattern(_last(node))) and "*" in last:
                known.add(last)  # in a folder that is not known
            # Tools look for modules, of which they execute none.
            is_any = path and path.startswith(("*", "[")) and path.endswith(".py")
            if path and path not in known and not is_any:
                known.update(_ends(path))
                paths = frozenset(joined(folder, path) for folder in folders)
                yield self._placed(node, Use("named", paths=paths, text="Python"))

    def _write(self, call: ast.Call) -> Iterator[ast.expr]:
        """Yield the path of a file that a call writes."""
        called, _ = self._function(call.func)
        mode = self._constant(_argument(call, 1, "mode"))
        if called == "open" and call.args and mode and not {*"wax"}.isdisjoint(mode):
            yield call.args[0]
        elif called in ("write_text", "write_bytes") and isinstance(call.func, ast.Attribute):
            yield call.func.value

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
                if _dotted(owner) == "os.environ" and isinstance(name, ast.Constant):
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
        name = _dotted(node) or ""
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

    def _is_importing(self, node: ast.AST) -> bool:
        """Say whether this hands a function that imports to somebody else."""
        if not (isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load)):
            return False
        name = node.attr if isinstance(node, ast.Attribute) else self._function(node)[0]
        return name in _IMPORTING

    def _call(self, call: ast.Call) -> Iterator[Use]:
        called, owner = self._function(call.func)
        if called in _IMPORTING:
            yield self._import(call)
        elif called in _FINDING and (name := self._constant(_argument(call, 0, "name", "path"))):
            yield from (Use("imported", text=one) for one in _names(name.partition(":")[0]))
        elif called in _LOADING:
            yield self._file(call, _argument(call, _LOADING[called], *_PATHS))
            if called == "execute_notebook":
                self._copy(call)
        elif called in _LINKING and "/" in ((path := self._path(_argument(call, 0))) or ""):
            found = frozenset((joined(WORK, path),))
            yield self._placed(call, Use("imported", "closed", found, is_optional=True))
        elif called in ("dictConfig", "fileConfig"):
            given = _argument(call, 0, "config", "fname")
            node = self._read(given) if called == "dictConfig" else given
            if path := self._path(node):
                found = frozenset((joined(WORK, path),))
                yield self._placed(call, Use("imported", "config", found, is_optional=True))
        elif (called, owner) == ("instantiate", "hydra.utils"):
            yield self._placed(call, Use("loaded", paths=UNKNOWN, text="hydra"))
        elif called == "execute_from_command_line" or (called, owner) == ("setup", "django"):
            yield self._placed(call, Use("loaded", paths=UNKNOWN, text="django"))
        elif called in ("exec", "eval") and owner in ("", "builtins"):
            yield from self._exec(call, called)
        elif owner == "sys.path" and called in ("insert", "append", "extend"):
            yield from self._added(call, call.args[-1:])
        elif called == "addsitedir" and owner == "site":
            yield from self._added(call, call.args)
        elif owner.endswith("__path__") and called in ("insert", "append", "extend"):
            yield self._placed(call, Use("module", "python", UNKNOWN))
        elif owner == "__all__" and self.is_package:
            yield from (Use("imported", text=f".{n}") for one in call.args for n in _strings(one))
        elif owner == "shutil" and called in ("copy", "copy2", "copyfile", "move"):
            self._copy(call)
        elif _is_start(owner, called):
            yield from self._start(call)

    def _copy(self, call: ast.Call) -> None:
        """Note the file that a call writes, and the one that it is made of."""
        given = (_argument(call, 0, "src", "input_path"), _argument(call, 1, "dst", "output_path"))
        source, target = (joined(WORK, self._path(one)) for one in given)
        if source and target:
            self.writes.add(target)
            self.copies.add((target, source))

    def _handed(self, call: ast.Call) -> Iterator[Use]:
        """Yield what a command executes that somebody else starts, who is given the function."""
        function = self._function(call.func)[0]
        given = [*call.args, *(one.value for one in call.keywords)]
        handed = 0
        for at, one in enumerate(given):
            if not isinstance(one, (ast.Name, ast.Attribute)) or function == "partial":
                continue
            called, owner = self._function(one)
            if _is_start(owner, called):
                handed += 1
                if handed > HANDED_MAX:
                    yield self._placed(call, Use("unclear"))
                    return
                rest = [x for e in given[at + 1 :] for x in getattr(e, "elts", [e])]
                if rest and not isinstance(given[at + 1], ast.Tuple) and function != "map":
                    rest = given[at + 1 :]
                for arguments in [[x] for x in rest] if function == "map" else [rest]:
                    yield from self._start(ast.copy_location(ast.Call(one, arguments, []), call))

    def _import(self, call: ast.Call) -> Use:
        name = self._constant(_argument(call, 0, "name", "mod_name")) or ""
        package = self._constant(_argument(call, 1, "package"))
        if package and name.startswith(".") and name[1:2] != ".":
            name = package + name
        for one in _names(name):
            return Use("imported", text=one)
        return self._placed(call, Use("imported", paths=UNKNOWN))

    def _exec(self, call: ast.Call, function: str) -> Iterator[Use]:
        """Yield what a text executes, or the file that it is read from: exec(open(PATH).read())."""
        code = call.args[0] if call.args else None
        if text := self._constant(code):
            found = read_python(text.strip().encode("utf-8", "replace"))
            if isinstance(found, Code):
                self.search |= found.search
                self.writes |= found.writes
                self.copies |= found.copies
                yield from (self._placed(call, use) for use in found.uses)
            return
        if function == "eval" or isinstance(code, ast.Constant):
            return  # as a rule of data, by which nothing is imported
        path = self._read(code)
        yield (
            self._file(call, path)
            if path
            else self._placed(call, Use("imported", "python", UNKNOWN))
        )

    def _read(self, node: ast.expr | None) -> ast.expr | None:
        """Return the path of the file that an expression reads, as open(PATH).read() does."""
        for _ in range(_DEPTH_MAX):
            node = self._value(node)
            if not isinstance(node, ast.Call):
                return None
            called, _ = self._function(node.func)
            if called in ("open", "compile") and node.args:
                if called == "open":
                    return node.args[0]
                node = node.args[0]
            elif called in ("load", "loads", "safe_load") and node.args:
                node = node.args[0]
            elif isinstance(node.func, ast.Attribute):
                if called in ("read_text", "read_bytes"):
                    return node.func.value
                node = node.func.value
            else:
                return None
        return None

    def _file(self, call: ast.Call, node: ast.expr | None) -> Use:
        path = joined(WORK, self._path(node))
        return self._placed(call, Use("imported", "python", frozenset((path,))))

    def _added(self, node: ast.AST, values: list[ast.expr]) -> Iterator[Use]:
        """Yield a use where it is not known what is added to sys.path."""
        for value in values:
            if isinstance(value, (ast.List, ast.Tuple)):
                yield from self._added(node, value.elts)
            elif isinstance(value, ast.Starred) and _dotted(value.value) == "sys.path":
                pass
            elif (path := self._path(value)) is None:
                yield self._placed(node, Use("module", "python", UNKNOWN))
            else:
                self.search.add(joined(WORK, path) or WORK)

    def _assignment(self, node: ast.Assign | ast.AugAssign | ast.AnnAssign) -> Iterator[Use]:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            if self.is_package and isinstance(target, ast.Name) and target.id == "__all__":
                yield from (Use("imported", text=f".{name}") for name in _strings(node.value))
            if (_dotted(target) or "").endswith("__path__"):
                yield self._placed(node, Use("module", "python", UNKNOWN))
            whole = target.value if isinstance(target, ast.Subscript) else target
            if _dotted(whole) == "sys.path" and node.value is not None:
                yield from self._added(node, [node.value])

    def _start(self, call: ast.Call) -> Iterator[Use]:
        """Yield what a command executes that is started from Python."""
        if self.started > STARTED_MAX:
            yield self._placed(call, Use("unclear"))
            return
        command = _argument(call, 0, "args", "cmd", "command")
        options = {one.arg: one.value for one in call.keywords}
        folders = self.folders
        if "cwd" in options:
            path = self._path(options["cwd"])
            folders = [path and joined(WORK, path)]
        self.put_in.clear()
        words = self._words(command)
        called, owner = self._function(call.func)
        if called == "create_subprocess_exec":
            words = [self._word(word) for word in call.args]
        elif owner == "os" and called not in ("system", "popen"):
            mode = called.startswith("spawn")  # which comes before all else
            words = self._replacing(call.args[mode:])
        variables = {**self.environ, **self._variables(call)}
        read = self._path(self._read(options.get("stdin") or options.get("input")))
        line = self._line(command) if words is None else None
        length = len(line or "") if words is None else len(words)
        self.started += (length + len(variables)) * len(folders)
        for folder in folders:
            if words is not None:
                code = read_words(words, variables, folder=folder, stdin=joined(WORK, read))
            elif line is not None:
                code = read_shell(line, {**variables, **self.put_in}, folder=folder)
            else:
                code = Code((Use("unclear"),))
            self.writes |= code.writes
            self.copies |= code.copies
            yield from (self._placed(call, use.within_program()) for use in code.uses)

    def _variables(self, call: ast.Call) -> dict[str, str]:
        """Return the variables that a command is given, as far as they are literals."""
        given = next((self._value(one.value) for one in call.keywords if one.arg == "env"), None)
        if not isinstance(given, ast.Dict):
            return {}
        items = ((self._constant(key), self._path(value)) for key, value in _items(given))
        return {name: path for name, path in items if name and path}

    def _replacing(self, given: list[ast.expr]) -> list[str | None]:
        """Return the words of a program with its arguments, as os.execv or os.execl take them."""
        words = self._words(given[1]) if len(given) > 1 else []
        if words is None:
            words = [self._word(word) for word in given[1:]]
        return [*map(self._word, given[:1]), *words[1:]]  # without what it is to be called

    def _words(self, node: ast.expr | None, depth: int = 0) -> list[str | None] | None:
        """Return the words of a list, with None for any others; None for what is no list."""
        node = self._value(node)
        if isinstance(node, (ast.List, ast.Tuple)):
            return [self._word(word) for word in node.elts]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) and depth < 20:
            before = self._words(node.left, depth + 1)
            return None if before is None else [*before, None]
        if isinstance(node, ast.Call) and self._function(node.func)[0] == "split":
            of_shlex = self._function(node.func)[1] == "shlex" and node.args
            line = self._line(node.args[0] if of_shlex else getattr(node.func, "value", None))
            self.started += len(line or "")
            with suppress(ValueError):
                return [self._filled(word) for word in split(line or "")] or None
        return None

    def _filled(self, word: str) -> str | None:
        """Return a word of a line with the paths that are put into it."""
        word = re.sub(r"\$\{(\w+)\}", lambda one: self.put_in.get(one[1], one[0]), word)
        return None if _ANY in word or "\0" in word[1:] else word

    def _line(self, node: ast.expr | None, depth: int = 0) -> str | None:
        """Return a line for a shell, in which a variable stands for what else is put into it."""
        node = self._value(node)
        if isinstance(node, ast.JoinedStr):
            return "".join(self._part(part) for part in node.values)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) and depth < 20:
            before = self._line(node.left, depth + 1)
            # What is added is seldom a sum as well: not twice as much to read with each name.
            return before and before + (self._line(node.right, depth + 10) or _ANY)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
            whole = iter(getattr(node.right, "elts", [node.right]))
            template = self._constant(node.left)
            return template and re.sub(_PERCENT, lambda _: self._part(next(whole, None)), template)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            called, owner = self._function(node.func)
            template = self._constant(node.func.value)
            if called == "join" and (owner == "shlex" or template == " "):
                words = self._words(_argument(node, 0))
                return " ".join(_ANY if word is None else word for word in words or ()) or None
            if called == "format" and template:
                return self._formatted(template, node)
        return self._part(node) if node is not None and self._word(node) else None

    def _formatted(self, template: str, call: ast.Call) -> str:
        """Return a line that str.format makes."""
        given = {str(number): one for number, one in enumerate(call.args)}
        given |= {one.arg or "": one.value for one in call.keywords}
        numbers = map(str, count())

        def filled(field: re.Match[str]) -> str:
            return self._part(given.get(field[1] or next(numbers)))

        return re.sub(_FIELD, filled, template)

    def _part(self, node: ast.expr | None) -> str:
        """Return what stands in a line for an expression that is put into it."""
        value = node.value if isinstance(node, ast.FormattedValue) else node
        word = self._word(value)
        if len(word or "") > PATH_MAX and not isinstance(value, ast.Constant):
            return _ANY  # which may be put in many times
        if word is not None and word.startswith("\0"):
            name = f"_{len(self.put_in)}"
            self.put_in[name] = word
            return f"${{{name}}}"
        return _ANY if word is None else word

    def _placed(self, node: ast.AST, use: Use) -> Use:
        """Return a use with the place and the text of a node."""
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1
        if use.text and "\0" not in use.text:
            return use._replace(line=line, column=column)
        if node is not self.shown[0]:
            text = ast.unparse(node) if self.unparsed <= SHOWN_MAX else ""
            self.unparsed += len(text)
            self.shown = node, text[:_SOURCE_CHARACTERS]
        return use._replace(line=line, column=column, text=self.shown[1])

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

    def _word(self, node: ast.expr | None) -> str | None:
        if _dotted(node) == "sys.executable":
            return "python"
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        if isinstance(self._value(node), ast.Call):
            node = self._value(node)
        if isinstance(node, ast.Call) and node.args:
            called, owner = self._function(node.func)
            if called == "which" or ((called, owner) in _ASKING and len(node.args) == 2):
                return self._word(node.args[-1])  # the program, or what it is if none is set
        path = self._path(node)
        return path and path.removeprefix(f"{WORK}/")

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
        if path is not None or depth > _DEPTH_MAX:
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
        last = self._pattern(_last(call), depth)
        if last is None or called in _RENDERING or (called, owner) == ("glob", "glob"):
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


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a tree that tell something, in the order of `ast.walk`."""
    todo = [tree]
    for node in todo:  # which grows
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, list):
                todo += [one for one in value if isinstance(one, ast.AST)]
            elif isinstance(value, ast.AST) and value._fields:
                todo.append(value)
        if type(node) in _TELLING or _is_named(node):
            yield node


def _ends(path: str) -> Iterator[str]:
    """Yield a path as it may be known again, without more and more of its beginning."""
    parts = path.split("/")[-_PARTS_MAX:]
    yield from (path, *("/".join(parts[at:]) for at in range(len(parts))))


def _is_named(node: ast.AST) -> bool:
    """Say whether an expression is a name as files of code have, or a path that ends with one."""
    last: ast.AST | None = node
    for _ in range(_LAST_MAX):
        last = last if isinstance(last, ast.Constant) else _last(last)
    if not isinstance(last, ast.Constant) or not isinstance(last.value, str):
        return False
    if isinstance(node, ast.Call) and _name_of(node.func) in _RENDERING:
        return True
    is_end = last is node and last.value.rfind(".") == 0  # as of an f-string
    is_common = last.value.rpartition("/")[2] in _MARKS
    is_known = is_common or is_end or len(last.value) > PATH_MAX
    return not is_known and is_named_as_code(last.value)


def _last(node: ast.AST | None) -> ast.AST | None:
    """Return what a path ends with that an expression puts together."""
    if isinstance(node, ast.BinOp):
        return node.right
    if isinstance(node, ast.JoinedStr):
        return node.values[-1] if node.values else None
    if isinstance(node, ast.Call) and _name_of(node.func) in _JOINING | _RENDERING:
        return node.args[-1] if node.args else None
    return None


def _name_of(function: ast.expr) -> str:
    return getattr(function, "attr", getattr(function, "id", ""))


def _one_path(parts: list[str | None]) -> str | None:
    """Return a path of several pieces; None if one is not known, or begins one of its own."""
    if sum(len(part or "") for part in parts) > PATHS_MAX:
        return None
    found = "".join(part or "\0" for part in parts)
    return None if "\0" in found[1:] or not all(parts) else found


def _below(folder: str | None, path: str | None) -> str | None:
    return None if folder is None else joined(folder, path)


def _dotted(node: ast.AST | None) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return None if before is None else f"{before}.{node.attr}"
    return None


def _is_start(owner: str, called: str) -> bool:
    if owner == "os" and called.startswith(("exec", "spawn", "posix_spawn")):
        return True
    return called in _STARTING.get(owner, ())


def _argument(call: ast.Call, index: int, *names: str) -> ast.expr | None:
    for keyword in call.keywords:
        if keyword.arg in names:
            return keyword.value
    return call.args[index] if len(call.args) > index else None


def _items(node: ast.Dict) -> Iterator[tuple[ast.expr | None, ast.expr]]:
    return zip(node.keys, node.values, strict=True)


def _names(module: str) -> Iterator[str]:
    """Yield the name of a module, if it can be one."""
    if all(part.isidentifier() for part in module.lstrip(".").split(".")):
        yield module


def _strings(node: ast.expr | None) -> Iterator[str]:
    """Yield the identifiers among the strings of a list, or of several that are added."""
    todo = [node]
    while todo:
        one = todo.pop()
        if isinstance(one, ast.BinOp):
            todo += [one.right, one.left]
        elif isinstance(one, (ast.List, ast.Tuple)):
            todo += reversed(one.elts)
        elif isinstance(one, ast.Constant):
            yield from (
                text for text in [one.value] if isinstance(text, str) and text.isidentifier()
            )
