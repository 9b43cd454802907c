"""One task of a workflow file: its keys, read and checked, in canonical form.

A task is read in two steps: `read_draft` needs nothing but the task itself, `finish` needs what the
other tasks declare.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, TypeAlias

from ork.code.shell.words import outside
from ork.definition import fields
from ork.definition.bindings import (
    INPUT_PREFIX,
    Env,
    Params,
    Scope,
    read_env,
    read_inputs,
    read_when,
    type_of,
)
from ork.definition.declarations import Declarations
from ork.definition.written import NO_TIMEOUT
from ork.objects.canonical import Json
from ork.objects.kinds import BACKOFF_UNIT, SECOND, Task
from ork.objects.value import Value
from ork.yaml.nodes import Node
from ork.yaml.problems import VALUE_LINES_MAX, Problems

READ_MAX = 1000  # different values of a key that are kept at hand
Readers: TypeAlias = Mapping[str, Callable[[Node], Any]]  # of values, by their keys

_KEYS = """executor file module command shell function timeout retries retry_delay retry_backoff
    fresh depends_on when input_type output_type inputs env on_upstream_failure"""
TASK_KEYS = dict.fromkeys(_KEYS.split())  # looked up for each key of each task
# What each executor executes; a task has exactly one of these keys.
CODE_KEYS = {"python": ("file", "module"), "process": ("command", "file"), "library": ("file",)}
EXECUTOR_ALIASES = {"shell": "process"}
EXECUTORS = (*CODE_KEYS, *EXECUTOR_ALIASES)

_OTHER_EXECUTORS = {"bash": "process", "sh": "process", "cmd": "process", "py": "python"}
# What to do where other tools have a key, and a file has none.
ALIKE = "write each task, with shared keys by `<<: *name`, or one task that goes over a list"
_PARALLEL = "`max_parallel` at the top of the file says how many tasks there are at once"
_FILES = "files that a task reads or writes need no key"
_FOLDER = "tasks run in the folder of the file, or in `root`: `cd FOLDER &&` leads elsewhere"
_NO_CACHE = "a run executes every task; `ork retry` and `ork run --from` keep what succeeded"
_ALL_THE_SAME = "the tasks after it start all the same with `on_upstream_failure: run`"
RETRIES = ("retry", "max_retries", "attempts")
# What other tools call these keys.
_OTHER_KEYS = {
    **dict.fromkeys(("needs", "after", "depends", "upstream", "dependencies"), "depends_on"),
    "requires": "depends_on",
    "deps": f"`depends_on` names tasks; {_FILES}",
    **dict.fromkeys(("run", "cmd", "script", "bash", "bash_command"), "command"),
    **dict.fromkeys(("params", "args", "arguments", "kwargs", "input", "with"), "inputs"),
    **dict.fromkeys(("op_kwargs", "op_args", "parameters"), "inputs"),
    "returns": "output_type",
    **dict.fromkeys(("output", "outputs"), f"`output_type` is of what a task returns; {_FILES}"),
    **dict.fromkeys(("outs", "artifacts", "targets", "produces"), _FILES),
    **dict.fromkeys(RETRIES, "retries"),
    **dict.fromkeys(("entrypoint", "callable", "python_callable"), "function"),
    **dict.fromkeys(("execution_timeout", "timeout_seconds"), "timeout"),
    **dict.fromkeys(("type", "python"), "executor"),
    "path": "file",
    "environment": "env",
    "interpreter": "shell",
    **dict.fromkeys(("isolated", "new_process"), "fresh"),
    "trigger_rule": "on_upstream_failure",
    **dict.fromkeys(("matrix", "each", "foreach", "for_each", "with_items", "loop", "map"), ALIKE),
    **dict.fromkeys(("pool", "concurrency", "max_parallel"), _PARALLEL),
    **dict.fromkeys(("resources", "cpus", "memory", "gpus"), f"no task is limited; {_PARALLEL}"),
    **dict.fromkeys(("cwd", "wdir", "workdir", "working_dir", "working_directory"), _FOLDER),
    **dict.fromkeys(("if", "condition", "run_if", "only_if", "preconditions"), "when"),
    **dict.fromkeys(("unless", "skip", "skip_if"), "`when: {ref: ..., is: false}` is the opposite"),
    **dict.fromkeys(("cache", "frozen", "always_changed", "persist"), _NO_CACHE),
    **dict.fromkeys(("allow_failure", "continue_on_error", "ignore_errors"), _ALL_THE_SAME),
    **dict.fromkeys(("secret", "secrets"), "as in `env: {TOKEN: {secret: NAME}}`"),
    **dict.fromkeys(("description", "desc", "doc"), "a comment beside the task says that"),
}


@dataclass(slots=True)
class Draft:
    """A task whose references are not yet checked."""

    name: str
    key: Node
    nodes: dict[str, Node]
    executor: str | None = None
    needs: tuple[str, ...] = ()
    input_type: Json = None
    output_type: Json = None

    @property
    def title(self) -> str:
        """The task as complaints name it."""
        return f"the task `{self.name[:60]}`"


def readers(problems: Problems, *, once: bool) -> Readers:
    """Return what reads the values of a task that need nothing but themselves; each node `once`.

    That is for nodes which many tasks share, and of which there is nothing to say.
    """
    every = {key: partial(read, what=key, problems=problems) for key, read in _READ.items()}
    return {key: lru_cache(READ_MAX)(read) for key, read in every.items()} if once else every


def read_draft(
    key: Node, node: Node, *, read: Readers, types: Declarations, problems: Problems
) -> Draft:
    """Return one task read by itself."""
    name = str(key.value)
    fields.name(key, "the name of a task", problems)
    if "output" in name.split(".")[1:]:
        hint = "the part `output` after a dot makes references ambiguous"
        problems.at(key, f"a task cannot be named {name[:60]!r}", hint)
    draft = Draft(name, key, {})
    draft.nodes = fields.mapping(node, draft.title, TASK_KEYS, problems, _OTHER_KEYS)
    if isinstance(node.value, dict):
        if at := draft.nodes.pop("executor", None):
            draft.executor = read["executor"](at)
        else:
            _ask_for_executor(draft, problems)
        _check_code(draft, problems)
    if "input_type" in draft.nodes:
        at = draft.nodes["input_type"]
        draft.input_type = types.read(at)
        if draft.input_type is not None and not isinstance(draft.input_type, dict):
            hint = "as in `input_type: {url: str}`"
            problems.at(at, "input_type must be an object type", hint)
    if "output_type" in draft.nodes:
        draft.output_type = types.read(draft.nodes["output_type"])
    return draft


def read_needs(draft: Draft, names: Collection[str], problems: Problems) -> None:
    """Fill in the needs of a task, sorted: known names, each once, not its own."""
    node = draft.nodes.get("depends_on")
    if node is None:
        return
    found: set[str] = set()
    word = node.value if isinstance(node.value, str) else "extract"
    hint = f"as in `depends_on: [{word[:60]}]`"
    for below in fields.sequence(node, "depends_on", hint, problems):
        name = fields.text(below, "a name in depends_on", problems)
        if name is None:
            continue
        if name == draft.name:
            problems.at(below, f"`{name[:60]}` depends on itself", "remove it")
        elif name in found:
            problems.at(below, f"`{name[:60]}` is listed twice", "remove one")
        elif name not in names:
            near = problems.near(name, names)
            problems.at(below, f"no task named `{name[:60]}`", near)
        else:
            found.add(name)
    draft.needs = tuple(sorted(found))


class Shared(Value, frozen=True, kw_only=True):
    """What the tasks of a workflow have in common."""

    outputs: Mapping[str, Json]  # of every task its declared output type, or None
    params: Params
    env: Env
    shell: tuple[str, ...] | None
    read: Readers


def finish(draft: Draft, shared: Shared, problems: Problems) -> Task:
    """Return the task."""
    nodes = draft.nodes
    scope = Scope(draft.name, draft.needs, shared.outputs, shared.params, draft.input_type)
    at = nodes.get("inputs") or nodes.get("input_type") or draft.key

    given = {key: read(nodes[key]) for key, read in shared.read.items() if key in nodes}
    shell = None
    if isinstance(command := given.get("command"), str):
        shell = fields.each(nodes, "shell", fields.shell, problems) or shared.shell
        shell = None if shell == fields.shell_of(command) else shell
    if (command := given.get("command")) and "${" in str(command):
        for ref, written in _written(_REF, "\n".join(_words(command))):
            message = f"`{written}` {_AS_IT_IS}"
            problems.at_text(nodes["command"], written, message, _as_input(ref, command))
    own = read_env(nodes.get("env"), scope, problems)
    # What is not given has the default of the kind; after a complaint nobody sees the task.
    return Task(
        executor=draft.executor or "",  # type: ignore[arg-type]
        function=given.pop("function", "main" if draft.executor == "python" else None),
        shell=shell,
        depends_on=draft.needs,
        input_type=draft.input_type,
        output_type=draft.output_type,
        inputs=read_inputs(nodes.get("inputs"), at, scope, problems),
        env=dict(sorted({**shared.env, **own}.items())) if own else shared.env,  # type: ignore[arg-type]
        when=read_when(nodes["when"], scope, problems) if "when" in nodes else None,
        **given,
    )


# Where other tools put in a value: a shell has no variable with a dot; `{{ }}` may be meant for
# what the command starts.
_REF = r"(?<![\\$])\$\{ *((?:params|tasks)\.[\w.-]+) *\}"
_BRACES = r"\{\{-? *((?:params|tasks)\.[\w.-]+) *-?\}\}"
_BARE = r"(?a)\{\{-? *(?:inputs?\.)?(\w+) *-?\}\}"
_DAY = r"(?:\w+_)?(?:ds|ts|execution_date)(?:_nodash\w*)?|\w*data_interval_\w+|logical_date|macros"
_AIRFLOW = rf"(?a)\{{\{{-? *({_DAY}|(?:var|conn|ti|task_instance)(?=\.))\b[^{{}}\n]*\}}\}}"
_BRACE = r"(?a)(?<![{$%#@\\])\{(\w+)\}(?!\})"
_VARIABLE = r"(?a)(?<![\\$])\$(?:\{(?=\w+\}))?(\w+)\}?"
_INPUT = rf"(?a)\$(?:\{{(?=\w+\}}))?{INPUT_PREFIX}(\w+)"  # no `${X:-default}`
# What has braces of its own, also in the double quotes of a shell.
_OTHER_BRACES = r"""awk\b|\b(?:jq|node|perl|xargs|parallel)\b|\.format\(|\bf["']"""
# What takes a line of a command for a program of its own, in which a variable may stand.
_OTHER_READER = rf"(?m){_OTHER_BRACES}|^-[ce]$|^(?:ssh|watch|make|envsubst)$"
_CURLY = r"(?:^|(?<=[\s=(]))([\u201c\u201d\u201e\u2018])"
# The first of two lines that each begin a command.
_FIRST = r"(?:(?P<program>[\w./-]+) .* (?P=program) |cd [^\s;&|]+ [\w./]|set -\w+ )"
_ALONE = r" *(?:cd [^ ;&|]+|set -\w+(?: \w+)?) *"  # nothing goes on behind it
_WORD = r" *([\w./][\w./-]*)(?= |$)"
_GOES_ON = r"(?:[\\|;&({]|\b(?:then|do|else)) *$"
_SIGNS = "${\u201c\u201d\u201e\u2018"


def doubtful(task: Task, place: Callable[[], Node], scope: Scope, warnings: Problems) -> None:
    """Warn of what a command seems to take for a value, and gets none. `place` is the command's."""
    params = scope.params
    command = task.command or ""
    line = "\n".join(_words(command))
    if re.match(_FIRST, line) and (second := _folded(place(), warnings)):
        message = "`>` makes one line of these, and so one command"
        warnings.add(*second, message, "write `|`, or `;` and `&&` between commands")
    if not any(sign in line for sign in _SIGNS):
        return  # as most, of which there may be many
    for ref, written in _written(_BRACES, line):
        message = f"`{written}` {_AS_IT_IS}"
        warnings.at_text(place(), written, message, _as_input(ref, command))
    is_read = not unread(command, task.env, place, warnings)
    for name, written in _written(_INPUT, line) if is_read else ():
        if name not in task.inputs:
            hint = warnings.near(name, task.inputs) or f"add `{name}` to `inputs`"
            if name in params:
                hint = f"add `inputs: {{{name}: {{ref: params.{name}}}}}`"
            warnings.at_text(place(), written, f"this task has no input `{name}`", hint)
        elif kind := _held_by_no_variable(task, name, scope):
            message = f"`{name}` is {kind}, so that `${INPUT_PREFIX}{name}` is not set"
            each = f".{name}[]" if kind == "a list" else f".{name}.FIELD"
            hint = f"`printf %s \"$ORK_INPUT_JSON\" | jq -r '{each}'` reads it"
            warnings.at_text(place(), written, message, hint)
    for name, written in _written(_AIRFLOW, line):
        if name not in task.inputs and name not in params:
            hint = _SLOT if re.fullmatch(_DAY, name) else "values come by `inputs` and `env`"
            warnings.at_text(place(), written, f"`{written}` {_AS_IT_IS}", hint)
    read = _read_by_shell(task)
    where = "" if isinstance(command, str) else ", in a command that is one text"
    found = _written(_BARE, line)
    found += [] if re.search(_OTHER_BRACES, line) else _written(_BRACE, outside(read, "'"))
    for name, written in (*found, *_written(_VARIABLE, outside(read, "'"))):
        if name in task.inputs and name not in task.env and not _sets(line, name):
            message = f"`{written}` is not the input `{name}`"
            warnings.at_text(place(), written, message, f"`${INPUT_PREFIX}{name}` is it{where}")
        elif name in params and name not in task.inputs and (name, written) in found:
            hint = _as_input(f"params.{name}", command)
            warnings.at_text(place(), written, f"`{written}` {_AS_IT_IS}", hint)
    if "<<" not in read:
        for _, written in _written(_CURLY, outside(read, "'\"")):
            hint = "write `\"` or `'`"
            warnings.at_text(place(), written, f"`{written}` is no quote for a shell", hint)


def unread(
    command: str | Sequence[str],
    env: Container[str],
    place: Callable[[], Node],
    warnings: Problems,
) -> bool:
    """Warn of what ork and `env` set where it stands in a list of words; say whether it does."""
    line = "\n".join(_words(command))
    if isinstance(command, str) or any(map(fields.is_shell, command)):
        return False
    found = [] if re.search(_OTHER_READER, line) else _written(_VARIABLE, line)
    found = [(name, written) for name, written in found if name in env or name.startswith("ORK_")]
    for _, written in found:
        message = f"`{written}` stands in a list of words, in which nothing is replaced"
        hint = "write the command as one text, which a shell reads"
        warnings.at_text(place(), written, message, hint)
    return bool(found)


def _held_by_no_variable(task: Task, name: str, scope: Scope) -> str | None:
    """Return what an input is that no variable holds; None for one that may be in a variable."""
    binding = task.inputs[name]
    kind = task.input_type.get(name) if isinstance(task.input_type, dict) else None
    if kind is None:
        kind = type_of(str(binding["ref"]), scope) if "ref" in binding else binding["const"]
    return "a list" if isinstance(kind, list) else "an object" if isinstance(kind, dict) else None


_SLOT = "the day of a slot is a parameter: `schedule: {cron: ..., params: {day: slot - 1d}}`"
_AS_IT_IS = "stands in a command, in which nothing is replaced"


def _read_by_shell(task: Task) -> str:
    """Return what of a command a shell reads, or seems to be written for one."""
    words = _words(task.command or "")
    if isinstance(task.command, str):
        words = (*(task.shell or fields.shell_of(task.command)), task.command)
    by_shell = fields.is_shell(words[0])
    return "\n".join(word for word in words[1:] if by_shell or re.fullmatch(_VARIABLE, word))


def _folded(node: Node, text: Problems) -> tuple[int, int] | None:
    """Return where the second of two commands stands that are folded into one; None if unsure."""
    if (text.source(node.line) or "")[node.column - 1 : node.column] != ">":
        return None
    first = text.source(node.line + 1) or ""
    read = ""
    for number in range(node.line + 1, node.line + VALUE_LINES_MAX):
        line, after = (text.source(n) or "" for n in (number, number + 1))
        read += line
        if not (word := re.match(_WORD, after)) or re.search(_GOES_ON, line):
            return None
        is_open = read.count("'") % 2 or read.count('"') % 2
        if not is_open and (re.fullmatch(_ALONE, first) or [word[1]] == first.split()[:1]):
            return number + 1, word.start(1) + 1
    return None


def _sets(line: str, name: str) -> bool:
    """Say whether a command seems to give a variable of its own this name."""
    words = "for|read|local|export|declare|typeset|readonly|getopts|select|mapfile|readarray"
    return re.search(rf"\b{name} ?=|\b(?:{words})\b[^\n;]*\b{name}\b", line) is not None


def _written(pattern: str, line: str) -> list[tuple[str, str]]:
    """Return what a pattern finds in a command, each once: its group and the whole."""
    return list(dict.fromkeys((match[1], match[0]) for match in re.finditer(pattern, line)))


def _words(command: str | Sequence[str]) -> Sequence[str]:
    return (command,) if isinstance(command, str) else command


def _as_input(ref: str, command: str | tuple[str, ...]) -> str:
    """Return how a command gets what is referred to."""
    last = [part for part in ref.split(".") if part != "output"][-1]
    name = re.sub(r"\W", "_", last)
    where = "the command" if isinstance(command, str) else "a command that is one text"
    return f"`inputs: {{{name}: {{ref: {ref}}}}}`, and `${INPUT_PREFIX}{name}` in {where}"


def _timeout(node: Node, what: str, problems: Problems) -> int | None:
    if node.value == NO_TIMEOUT:
        return None
    return fields.duration(node, what, problems, unit=SECOND, least=0, above=True)


def _executor(node: Node, what: str, problems: Problems) -> str | None:
    if isinstance(node.value, str) and node.value in EXECUTOR_ALIASES:
        return EXECUTOR_ALIASES[node.value]
    return fields.choice(node, what, problems, words=EXECUTORS, other=_OTHER_EXECUTORS)


# How the values that need nothing but themselves are read.
_READ: dict[str, Callable[..., Any]] = {
    "executor": _executor,
    "file": fields.path,
    "module": fields.dotted,
    "command": fields.command,
    "function": fields.dotted,
    "timeout": _timeout,
    "fresh": fields.flag,
    "retries": partial(fields.whole, least=0),
    "retry_delay": partial(fields.duration, unit=SECOND, least=0),
    "retry_backoff": partial(fields.scaled, unit=BACKOFF_UNIT, least=1),
    "on_upstream_failure": partial(fields.choice, words=("skip", "run"), other={}),
}


def _ask_for_executor(draft: Draft, problems: Problems) -> None:
    hint = "add `executor: python`, `process` or `library`"
    if "command" in draft.nodes or "shell" in draft.nodes:
        hint = "add `executor: process`"
    elif "module" in draft.nodes or "function" in draft.nodes:
        hint = "add `executor: python`"
    problems.at(draft.key, f"{draft.title} has no executor", hint)


def _check_code(draft: Draft, problems: Problems) -> None:
    """Complain unless a task says exactly once what it executes, in the way of its executor."""
    if draft.executor is None:
        return
    allowed = CODE_KEYS[draft.executor]
    given = [key for key in allowed if key in draft.nodes]
    has = f"a {draft.executor} task has `{'` or `'.join(allowed)}`"
    if not given:
        message = f"{draft.title} does not say what to execute"
        problems.at(draft.key, message, has)
    elif len(given) > 1:
        message = f"{draft.title} has both `{given[0]}` and `{given[1]}`"
        problems.at(draft.nodes[given[1]], message, "keep one of them")
    known = (*allowed, "function") if draft.executor == "python" else allowed
    for key in ("file", "module", "command", "function"):
        if key in draft.nodes and key not in known:
            message = f"`{key}` has no meaning in a {draft.executor} task"
            other = "process" if key == "command" else "python"
            problems.at(draft.nodes[key], message, f"it goes with `executor: {other}`; {has}")
    line = draft.nodes.get("command")
    if "shell" in draft.nodes and (line is None or isinstance(line.value, list)):
        hint = "a shell is given a `command` that is one text"
        problems.at(draft.nodes["shell"], "`shell` has no meaning here", hint)
    if "fresh" in draft.nodes and draft.executor == "process":
        hint = "each attempt of a process task has a process of its own"
        problems.at(draft.nodes["fresh"], "`fresh` has no meaning in a process task", hint)
