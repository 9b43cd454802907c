"""What a Python source text executes, found by reading it, never by running it.

Understood are import statements, the calls that import or run a file by a literal name, additions
to sys.path that follow from the literal or from `__file__`, and commands that are given to
subprocess or os as literals. A call with a name that is computed is told as not known.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import count
from shlex import split

from ork.code.programs import is_named_as_code
from ork.code.python.expressions import (
    DEPTH_MAX,
    FIELD,
    PERCENT,
    RENDERING,
    Expressions,
    dotted,
    last_of,
    name_of,
)
from ork.code.shell.reader import read_shell, read_words
from ork.code.shell.words import PATH_MAX
from ork.code.use import OWN, UNKNOWN, WORK, Code, Unreadable, Use, joined

STARTED_MAX = 100_000  # words, characters and variables of the commands that one program starts
HANDED_MAX = 16  # functions that start commands, given to one call
SHOWN_MAX = 1_000_000  # characters of the calls that complaints quote
NAMED_MAX = 1000  # files that are named as code is
NAMED_IN_MAX = 16  # folders in which they may be
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
_TEXTS = (ast.BinOp, ast.Constant, ast.JoinedStr)
_PARTS_MAX = 8  # of a path, by whose last ones it is known again
_LAST_MAX = 3  # expressions in one another, of which the last one is a name
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


class _Reading(Expressions):
    def __init__(self, tree: ast.AST, is_package: bool) -> None:
        nodes = list(_nodes(tree))
        super().__init__([node for node in nodes if not isinstance(node, _TEXTS)])
        calls = (node for node in nodes if isinstance(node, ast.Call))
        named = {id(call) for call in calls if _is_named(call)}
        self.texts = [node for node in nodes if isinstance(node, _TEXTS) or id(node) in named]
        self.is_package = is_package
        self.search: set[str] = set()
        self.writes: set[str] = set()
        self.copies: set[tuple[str, str]] = set()
        self.started = 0  # words and characters of commands
        self.put_in: dict[str, str] = {}  # paths, by the variables that stand for them in a line
        self.shown: tuple[ast.AST | None, str] = (None, "")  # the node that was placed last
        self.unparsed = 0  # characters

    def uses(self) -> Iterator[Use]:
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
            if path is None and (last := self._pattern(last_of(node))) and "*" in last:
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
        for _ in range(DEPTH_MAX):
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
            elif isinstance(value, ast.Starred) and dotted(value.value) == "sys.path":
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
            if (dotted(target) or "").endswith("__path__"):
                yield self._placed(node, Use("module", "python", UNKNOWN))
            whole = target.value if isinstance(target, ast.Subscript) else target
            if dotted(whole) == "sys.path" and node.value is not None:
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
            return template and re.sub(PERCENT, lambda _: self._part(next(whole, None)), template)
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

        return re.sub(FIELD, filled, template)

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

    def _word(self, node: ast.expr | None) -> str | None:
        if dotted(node) == "sys.executable":
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
        last = last if isinstance(last, ast.Constant) else last_of(last)
    if not isinstance(last, ast.Constant) or not isinstance(last.value, str):
        return False
    if isinstance(node, ast.Call) and name_of(node.func) in RENDERING:
        return True
    is_end = last is node and last.value.rfind(".") == 0  # as of an f-string
    is_common = last.value.rpartition("/")[2] in _MARKS
    is_known = is_common or is_end or len(last.value) > PATH_MAX
    return not is_known and is_named_as_code(last.value)


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
