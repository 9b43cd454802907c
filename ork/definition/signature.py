"""Whether the function of a python task is in its file, and takes what the task gives it.

Read from the source, never by running it. Nothing is said where reading does not decide: names that
come from `from x import *`, `__getattr__`, `exec` or `globals()`, functions that are decorated,
defined twice or imported.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from ork.code.python.reader import parse
from ork.definition.bindings import Params, split_param
from ork.definition.reach import code_file
from ork.definition.types import describe
from ork.definition.workflow import Definition
from ork.errors import some
from ork.objects.canonical import Json
from ork.objects.kinds import Task
from ork.yaml.nodes import Node
from ork.yaml.problems import Problems

_Complaint: TypeAlias = tuple[Node, str, str | None]  # where, what, and what to do
_Where: TypeAlias = Callable[..., Any]  # keys -> the value of the first that a task has, or None
SHOWN = 10  # names in a complaint
NAMED = 3  # tasks in one that is about many
_NAMED = ("function", "module", "file")  # where a task says what it calls, the first that it has

# Classes of dates, and the types that are most likely meant by them.
_DATES: Mapping[str, Json] = {"date": "date", "datetime": "datetime_tz"}
_LISTS = ("list", "List", "Sequence", "Collection", "Iterable")
_DICTS = ("dict", "Dict", "Mapping")

_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


class Module(NamedTuple):
    """What a source text defines, as far as that shows."""

    names: frozenset[str]
    functions: Mapping[str, _Function]  # those whose arguments are what a call has to give
    complete: bool  # it defines no other names
    source: bytes = b""


# The file of a python task, and what can be read of it; None of any other task.
ModuleOf: TypeAlias = Callable[[Task], tuple[str, Module] | None]


def check_functions(
    definition: Definition, module_of: ModuleOf, problems: Problems, root: Path = Path()
) -> None:
    """Complain of functions that are not there and of arguments that cannot fit.

    What is wrong in several tasks alike is one mistake, and told once: where the function is
    defined. `root` is what complaints call the folder of its file.
    """
    fit = set()  # calls of which there is nothing to say: most tasks make the same few
    told: dict[tuple[str, str | None], list[tuple[Node, str, Task]]] = {}
    for name, task in definition.tasks.items():
        call = task.executor, task.module, task.file, task.function, *task.inputs
        if call in fit or (found := module_of(task)) is None:
            continue
        path, module = found
        complaints = list(_check(task, path, module, partial(_place, definition, name), problems))
        if not complaints:
            fit.add(call)
        for node, message, hint in complaints:
            told.setdefault((message, hint), []).append((node, name, task))
    for (message, hint), places in told.items():
        node, _, task = places[0]
        if len(places) > 1:
            names = [name for _, name, _ in places]
            message += f"; {len(places)} tasks call it so: {some(names, NAMED)}"
        found = module_of(task) if len(places) > 1 else None
        if found and (function := found[1].functions.get(task.function or "")):
            code = Problems(str(root / found[0]), found[1].source.decode(errors="replace"))
            at = function.lineno, function.col_offset + 1
            problems.keep(code.problem(*at, message, hint))
        else:
            problems.at(node, message, hint)


def warn_of_dates(definition: Definition, module_of: ModuleOf, warnings: Problems) -> None:
    """Warn of arguments that are said to be dates, and arrive as texts: without an input_type."""
    for name, task in definition.tasks.items():
        if task.input_type is not None or (found := module_of(task)) is None:
            continue
        path, module = found
        if (function := module.functions.get(task.function or "")) is None:
            continue
        for one in (*function.args.args, *function.args.kwonlyargs):
            form = _dates_in(one.annotation)
            given = _param_type(task.inputs.get(one.arg, {}), definition.params)
            fits = given is None or type(given) is type(form)
            if form and fits and one.annotation and one.arg in task.inputs:
                kind = describe(given if given and "date" in describe(given) else form)
                what, wanted, made = "holds texts", ast.unparse(one.annotation), "so"
                if isinstance(form, str):
                    wanted = f"a {_class_named(_not_none(one.annotation))}"
                    what, made = "arrives as text", "one"
                takes = f"`{task.function}` in {path} takes {wanted}"
                rest = ", ..." if len(task.inputs) > 1 else ""
                hint = f"`input_type: {{{one.arg}: {kind}{rest}}}` makes it {made}"
                inputs: Any = _place(definition, name, "inputs")
                at = inputs.value[one.arg][0]
                warnings.at(at, f"`{one.arg}` {what}, but {takes}", hint)


def _dates_in(annotation: ast.expr | None) -> Json:
    """Return the type that an annotation of dates asks for, also of those in a list or dictionary.

    Such as `date`, `dt.date | None`, `"date"`, `list[dt.date]`; None for all others.
    """
    node = _not_none(annotation)
    if not isinstance(node, ast.Subscript):
        return _DATES.get(_class_named(node))
    name, inner = _class_named(node.value), node.slice
    if name in _LISTS:
        form = _dates_in(inner)
        return [form] if form else None
    if name in _DICTS and isinstance(inner, ast.Tuple) and len(inner.elts) == 2:
        form = _dates_in(inner.elts[1])
        return {"KEY": form} if form else None
    return None


def _not_none(annotation: ast.expr | None) -> Any:
    """Return an annotation without None as the other choice."""
    node: Any = annotation
    while isinstance(node, ast.BinOp) and getattr(node.right, "value", node) is None:
        node = node.left
    if isinstance(node, ast.Subscript) and _class_named(node.value) == "Optional":
        return node.slice
    return node


def _class_named(node: Any) -> str:
    """Return the name of a class without its module: `date`, `dt.date`, `"date"`."""
    return _word(node).rpartition(".")[2]


def _word(node: Any) -> str:
    word = getattr(node, "id", None) or getattr(node, "attr", None) or getattr(node, "value", None)
    return word if isinstance(word, str) else ""


def _param_type(binding: Mapping[str, Json], params: Params) -> Json:
    """Return the type of the parameter that is given, if it is one as a whole and has a type."""
    name, path = split_param(str(binding.get("ref"))) or ("", ())
    return params[name].type if name and not path else None


def modules_of(sources: Mapping[str, bytes]) -> ModuleOf:
    """Return a function that gives the file of a python task, and what can be read of it.

    `sources` has the captured files.
    """
    modules: dict[str, Module | None] = {}

    def module_of(task: Task) -> tuple[str, Module] | None:
        path = code_file(task, sources) if task.executor == "python" else None
        if path is None or task.function is None:
            return None
        if path not in modules:
            modules[path] = read_module(sources[path])
        return (path, module) if (module := modules[path]) else None

    return module_of


@lru_cache(maxsize=64)  # as most tasks, and workflows, name the same few files
def read_module(source: bytes) -> Module | None:
    """Return what a Python source defines; None when it cannot be read."""
    try:
        tree = parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    bound: Counter[str] = Counter()
    functions: dict[str, _Function] = {}
    complete = True
    for node in _outside_of_functions(tree):
        if isinstance(node, _SCOPES) and not isinstance(node, ast.Lambda):
            bound[node.name] += 1
            if not isinstance(node, ast.ClassDef) and not node.decorator_list:
                functions[node.name] = node
        elif isinstance(node, ast.alias):
            bound[node.asname or node.name.partition(".")[0]] += 1
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            bound[node.id] += 1
        elif name := getattr(node, "name", None) or getattr(node, "rest", None):
            bound[name] += 1  # of `except`, or of a pattern
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            bound.update(node.names)
        elif _sets_names(node):
            complete = False
    once = {name: function for name, function in functions.items() if bound[name] == 1}
    for function in once.values():
        function.body.clear()  # nothing is asked of it, and a Module is kept
    complete = complete and not {"*", "__getattr__"} & bound.keys()
    return Module(frozenset(bound), once, complete, source)


def _outside_of_functions(tree: ast.Module) -> Iterator[ast.AST]:
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        yield node
        if not isinstance(node, _SCOPES):
            todo += ast.iter_child_nodes(node)


def _sets_names(node: ast.AST) -> bool:
    """Say whether this may give the module names that do not show."""
    if isinstance(node, ast.Attribute):
        return node.attr in ("modules", "__dict__")
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        called = node.func.id
        return called in ("exec", "globals") or (called in ("vars", "locals") and not node.args)
    return False


def _place(definition: Definition, task: str, *keys: str) -> Node | None:
    """Return the value of the first of these keys that a task has."""
    places = (definition.places.get(("tasks", task, key)) for key in keys)
    return next(filter(None, places), None)


def _check(
    task: Task, path: str, module: Module, place: _Where, problems: Problems
) -> Iterator[_Complaint]:
    name = task.function or ""
    if name not in module.names:
        if module.complete:
            own = sorted(name for name in module.functions if not name.startswith("_"))
            shown = ", ".join(own[:SHOWN]) + (", ..." if len(own) > SHOWN else "")
            defines = f"it defines {shown}" if own else "it defines none"
            hint = problems.near(name, own)
            if hint is None and place("function") is None:
                hint = "`function:` names the one to call; without it that is `main`"
            yield place(*_NAMED), f"{path} has no function `{name[:60]}`; {defines}", hint
    elif function := module.functions.get(name):
        yield from _check_arguments(task, f"`{name}` in {path}", function.args, place, problems)


def _check_arguments(
    task: Task,
    title: str,
    takes: ast.arguments,
    place: _Where,
    problems: Problems,
) -> Iterator[_Complaint]:
    positional = [*takes.posonlyargs, *takes.args]
    with_default = positional[len(positional) - len(takes.defaults) :]
    with_default += [
        one
        for one, default in zip(takes.kwonlyargs, takes.kw_defaults, strict=True)
        if default is not None
    ]
    for one in takes.posonlyargs:
        if one not in with_default:
            message = f"{title} takes `{one.arg}` by position only; inputs are given by name"
            yield place(*_NAMED), message, "remove the `/` from its arguments"
    named = [*takes.args, *takes.kwonlyargs]
    names = [one.arg for one in named]
    for name in task.inputs if takes.kwarg is None else ():
        if name not in names:
            hint = problems.near(name, names)
            hint = hint or (f"it takes {', '.join(names[:SHOWN])}" if names else "it takes none")
            inputs: Any = place("inputs").value  # as there is one of them
            yield inputs[name][0], f"{title} does not take the input `{name[:60]}`", hint
    for one in named:
        if one not in with_default and one.arg not in task.inputs:
            hint = f"as in `inputs: {{{one.arg}: {{const: VALUE}}}}`, or give it a default"
            message = f"{title} needs `{one.arg}`, which no input gives"
            yield place("inputs", *_NAMED), message, hint
