"""The parameters of a workflow, and what a task gets: its inputs, its variables, its condition.

Each is a constant, or a reference to a parameter or to the output of a task. All are checked
against the declared types, in the file and when a task receives them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import TypeAlias

from ork.definition import fields
from ork.definition.declarations import Declarations
from ork.definition.types import (
    LEGACY,
    MISMATCHES_MAX,
    SCALARS,
    assignable,
    convert,
    describe,
    show,
)
from ork.errors import some
from ork.objects.canonical import Json, encode
from ork.objects.kinds import Param, Task, When
from ork.objects.value import Value, replace
from ork.yaml.nodes import Node, plain
from ork.yaml.problems import Problems

FIELDS_SHOWN = 5  # in a complaint
NEEDS_SHOWN = 5  # in a hint
VALUE_CHARS_MAX = 60  # of a value for which a task was skipped

_FORM = "{const: VALUE}, {ref: params.NAME} or {ref: tasks.NAME.output.FIELD}"
_SOURCES = ("params.", "tasks.")  # what references begin with
PARAM_KEYS = ("type", "default")
_REF_FORM = "as in `tasks.NAME.output`, `tasks.NAME.output.FIELD` or `params.NAME`"
_PARAM_FORM = "as in `params: {day: {type: date, default: 2026-01-01}}`"

_WHEN_FORM = "as in `when: {ref: params.full}` or `when: {ref: params.mode, is: fast}`"
_ENV_FORM = "as in `env: {MODE: fast, DAY: {ref: params.day}, TOKEN: {secret: API_TOKEN}}`"
# The variables that ork itself gives to a task.
_OWN = """ORK_RUN_ID ORK_WORKFLOW_NAME ORK_SNAPSHOT ORK_TASK_NAME ORK_ATTEMPT
    ORK_SCHEDULED_TIME ORK_UPSTREAM_JSON ORK_INPUT_JSON
    ORK_INPUT_FILE ORK_OUTPUT_FILE ORK_COOKIE"""
OWN_VARIABLES = frozenset(_OWN.split())
INPUT_PREFIX = "ORK_IN_"  # of the variables that hold the inputs of a process task

Params = dict[str, Param]
Env: TypeAlias = "dict[str, Json]"  # variable -> its text, a binding, or {"secret": NAME}


class Scope(Value, frozen=True):
    """The names that the bindings of one task may use."""

    task: str  # "" for what the workflow gives to all of its tasks
    needs: Collection[str]  # its depends_on
    outputs: Mapping[str, Json]  # every task of the file -> its declared output type, or None
    params: Params
    input_type: Json  # None when it is not declared


def split_ref(ref: str) -> tuple[str, tuple[str, ...]] | None:
    """Return task and field path of `tasks.NAME.output.FIELD...`; None for any other text.

    A name may have dots, but no part `output` after its first, so there is one way to read a ref.
    """
    parts = ref.split(".")
    if len(parts) < 3 or parts[0] != "tasks" or "output" not in parts[2:] or not all(parts):
        return None
    at = parts.index("output", 2)
    return ".".join(parts[1:at]), tuple(parts[at + 1 :])


def split_param(ref: str) -> tuple[str, tuple[str, ...]] | None:
    """Return name and field path of `params.NAME.FIELD...`; None for any other text."""
    parts = ref.split(".")
    if len(parts) < 2 or parts[0] != "params" or not all(parts):
        return None
    return parts[1], tuple(parts[2:])


def read_params(node: Node | None, types: Declarations, problems: Problems) -> Params:
    """Return the declared parameters, sorted.

    A parameter without a type takes any value; one without a default must be given to a run.
    """
    if node is None:
        return {}
    if not isinstance(node.value, dict):
        problems.at(node, "params must be a mapping", _PARAM_FORM)
        return {}
    found: Params = {}
    for name, (key, below) in sorted(node.value.items()):
        fields.name(key, "the name of a parameter", problems)
        if "." in name:
            problems.at(key, "the name of a parameter has no dots", "use `_`")
        found[name] = _param(name, below, types, problems)
    return found


def _param(name: str, node: Node, types: Declarations, problems: Problems) -> Param:
    if not isinstance(node.value, dict):
        # `day: date` is short for `day: {type: date}`.
        if isinstance(node.value, list) or types.is_meant(node.value):
            return Param(type=types.read(node), required=True, default=None)
        value = show(plain(node)).partition(" ")[2] or "null"
        message = f"a parameter is declared by its type, not by {show(plain(node))}"
        form = _typed(str(node.value)) or f"{{default: {value}}}"
        problems.at(node, message, f"a default is written as `{name[:60]}: {form}`")
        return Param(type=None, required=True, default=None)
    title = f"the parameter `{name[:60]}`"
    nodes = fields.mapping(node, title, PARAM_KEYS, problems, {})
    declared = types.read(nodes["type"]) if "type" in nodes else None
    given = node.value.get("default")
    if given is None:
        return Param(type=declared, required=True, default=None)
    default = plain(given[1])
    if declared is not None:
        written = default
        default, mismatches = convert(default, declared)
        for mismatch in mismatches:
            hint = mismatch.hint or _of_day(name, written)
            problems.at(given[1], f"the default of {title}: {mismatch}", hint)
    return Param(type=declared, required=False, default=default)


def _typed(text: str) -> str | None:
    """Return how a parameter is declared, if a text says that in another way, as `int = 3`."""
    said = re.fullmatch(r"(\w+)(?:(?: *= *| +(?=-?\d))(.+)| *[?|(,:].*)", text)
    kind = said and LEGACY.get(said[1].lower(), said[1])
    return f"{{type: {kind}, default: {said[2] or 'VALUE'}}}" if said and kind in SCALARS else None


def _of_day(name: str, default: Json) -> str | None:
    """Return how a parameter gets the day of a run, if a default is meant to be that."""
    from ork.schedule import slot_values  # which most files do not need

    gives = "`schedule: {{cron: ..., params: {{{}: {}}}}}` gives it"
    if default in ("today", "yesterday"):
        slot = "slot" if default == "today" else "slot - 1d"
        given = f"a default is the same each day; `ork run -i {name[:60]}={default}`, or "
        return given + gives.format(name[:60], slot)
    return gives.format(name[:60], default) if slot_values.is_of_slot(default) else None


def read_inputs(
    node: Node | None, at: Node, scope: Scope, problems: Problems
) -> dict[str, dict[str, Json]]:
    """Return the bindings of a task, sorted; constants in the one form of their declared type.

    `at` is where a binding that is missing is complained of.
    """
    entries = {} if node is None else node.value
    if node is not None and not isinstance(entries, dict):
        message = f"inputs must be a mapping, not {show(plain(node))}"
        problems.at(node, message, f"as in `inputs: {{NAME: {{const: VALUE}}}}`, or {_FORM}")
        return {}
    assert isinstance(entries, dict)
    declared = scope.input_type if isinstance(scope.input_type, dict) else None
    bindings: dict[str, dict[str, Json]] = {}
    for field, (key, value) in sorted(entries.items()):
        if declared is not None and field not in declared:
            hint = (
                problems.near(field, declared) or "the fields of input_type and inputs must match"
            )
            problems.at(key, f"`{field[:60]}` is no field of input_type", hint)
        wanted = None if declared is None else declared.get(field)
        binding = _binding(field, value, wanted, scope, problems)
        if binding is not None:
            bindings[field] = binding
    for field in sorted((declared or {}).keys() - entries.keys()):
        message = f"inputs: nothing is bound to the field `{field[:60]}` of input_type"
        problems.at(at, message, f"add `{field[:60]}` to inputs, as {_FORM}")
    return bindings


def _binding(
    field: str, node: Node, wanted: Json, scope: Scope, problems: Problems
) -> dict[str, Json] | None:
    entries = node.value
    if isinstance(entries, dict) and len(entries) == 1:
        ((word, (_, value)),) = entries.items()
        if word == "const":
            return {"const": _constant(field, value, problems, wanted=wanted)}
        if word == "ref":
            return _reference(value, wanted, scope, problems)
    if isinstance(entries, dict) and entries.keys() == {"ref", "else"}:
        return _with_else(
            entries, partial(_constant, field, wanted=wanted), wanted, scope, problems
        )
    hint = f"write {_FORM}"
    if isinstance(entries, str) and (ref := _meant(entries, scope)):
        hint = f"write {{ref: {ref}}}"
    elif not isinstance(entries, (dict, list)) and not str(entries).startswith(_SOURCES):
        hint = f"write {{const: {entries}}}"
    what = "is neither a constant nor a reference"
    if isinstance(entries, dict) and len(entries) == 1:
        (word,) = entries
        hint = problems.near(word, ("const", "ref")) or hint
        if problems.near(word, ("secret",)):
            hint = f"a variable takes a secret, as in `env: {{{field[:60]}: {{secret: NAME}}}}`"
    if isinstance(entries, dict) and {"const", "ref"} <= entries.keys():
        what, hint = "has both `const` and `ref`", "keep one of them"
    problems.at(node, f"inputs: `{field[:60]}` {what}", hint[:200])
    return None


def _with_else(
    entries: Mapping[str, tuple[Node, Node]],
    read: Callable[[Node, Problems], Json],
    wanted: Json,
    scope: Scope,
    problems: Problems,
) -> dict[str, Json] | None:
    """Return a reference to an output, and what stands in where there is none."""
    (_, ref), (key, other) = entries["ref"], entries["else"]
    binding = _reference(ref, wanted, scope, problems)
    if binding and split_param(str(binding["ref"])):
        problems.at(key, "a parameter always has a value: there is no `else`", "remove it")
    if isinstance(other.value, dict) and other.value.keys() == {"const"}:
        problems.at(other, "`else` is the value itself, without `const`", "write the value alone")
    value = read(other, problems)
    return binding and {**binding, "else": value}


def read_when(node: Node, scope: Scope, problems: Problems) -> When | None:
    """Return the condition of a task; the value that is asked in the one form of its type."""
    entries = node.value
    if not isinstance(entries, dict) or not {"ref"} <= entries.keys() <= {"ref", "is"}:
        meant = _meant(entries, scope) if isinstance(entries, str) else None
        hint = f"write {{ref: {meant}}}" if meant else _WHEN_FORM
        problems.at(node, "when is a reference, and the value that it must have", hint[:200])
        return None
    at = entries["ref"][1]
    if (binding := _reference(at, None, scope, problems)) is None:
        return None
    ref = str(binding["ref"])
    kind = type_of(ref, scope)
    if "is" in entries:
        return When(ref=ref, is_=_constant("when", entries["is"][1], problems, wanted=kind))
    if kind not in (None, "bool"):
        hint = f"say which value is meant: `when: {{ref: {ref}, is: VALUE}}`"
        problems.at(at, f"`{ref}` is {describe(kind)[:80]}, but bool is asked", hint[:200])
    return When(ref=ref)


def type_of(ref: str, scope: Scope) -> Json:
    """Return the declared type of what is referred to, None where that is not known."""
    name, path = split_param(ref) or split_ref(ref) or ("", ())
    param = scope.params.get(name) if split_param(ref) else None
    kind = param.type if param else scope.outputs.get(name)
    for field in path:
        kind = kind.get(field) if isinstance(kind, dict) else None
    return kind


def _meant(text: str, scope: Scope) -> str | None:
    """Return the reference that a text is, or would be in other tools: `${...}`, `{{ ... }}`.

    So is one to what the file has that is not quite written so, as `tasks.NAME.FIELD`.
    """
    ref = text.strip("${ }")
    if split_ref(ref) or split_param(ref):
        return ref
    kind, _, rest = ref.partition(".")
    if kind in ("param", "parameters") and rest in scope.params:
        return f"params.{rest}"
    parts = (rest if kind in ("task", "tasks") else ref).split(".")
    for at in range(len(parts) if all(parts) else 0, 0, -1):
        name, path = ".".join(parts[:at]), parts[at:]
        says_output = path[:1] in (["output"], ["outputs"])
        if name in scope.outputs and (says_output or kind in ("task", "tasks")):
            return ".".join(("tasks", name, "output", *path[says_output:]))
    return None


def _reference(
    node: Node, wanted: Json, scope: Scope, problems: Problems
) -> dict[str, Json] | None:
    ref = node.value
    if isinstance(ref, str) and (output := split_ref(ref)):
        _check_ref(node, *output, wanted, scope, problems)
    elif isinstance(ref, str) and (param := split_param(ref)):
        _check_param(node, *param, wanted, scope, problems)
    else:
        meant = _meant(ref, scope) if isinstance(ref, str) else None
        hint = f"did you mean `{meant}`?" if meant else _REF_FORM
        problems.at(node, f"not a reference: {show(plain(node))}", hint[:200])
        return None
    return {"ref": ref}


def _constant(field: str, node: Node, problems: Problems, *, wanted: Json) -> Json:
    value = plain(node)
    if wanted is None:
        return value
    converted, mismatches = convert(value, wanted)
    for mismatch in mismatches:
        place = _below(node, mismatch.path)
        where = replace(mismatch, path=(field, *mismatch.path))
        problems.at(place, str(where), mismatch.hint)
    return converted


def _below(node: Node, path: tuple[str | int, ...]) -> Node:
    """Return the node at this path, or the last on the way that exists."""
    for step in path:
        value = node.value
        if isinstance(value, list) and isinstance(step, int):
            node = value[step]
        elif isinstance(value, dict) and step in value:
            node = value[str(step)][1]
    return node


def _check_ref(
    node: Node, task: str, path: tuple[str, ...], wanted: Json, scope: Scope, problems: Problems
) -> None:
    if not scope.task:
        hint = f"a task that depends on `{task[:60]}` can have an `env` of its own"
        problems.at(node, "env of the whole workflow can refer to parameters only", hint)
        return
    if task not in scope.outputs:
        problems.at(node, f"no task named `{task[:60]}`", problems.near(task, scope.outputs))
        return
    if task == scope.task:
        problems.at(node, "a task cannot use its own output")
        return
    if task not in scope.needs:
        message = f"`{task}` is not in depends_on of `{scope.task}`"
        before = scope.needs if len(scope.needs) <= NEEDS_SHOWN else ["..."]
        problems.at(node, message, f"add it: `depends_on: [{', '.join([*before, task])}]`")
    _check_path(node, f"`output` of `{task}`", scope.outputs[task], path, wanted, problems)


def _check_param(
    node: Node, name: str, path: tuple[str, ...], wanted: Json, scope: Scope, problems: Problems
) -> None:
    if name not in scope.params:
        hint = problems.near(name, scope.params) or "declare it under `params:`"
        problems.at(node, f"no parameter named `{name[:60]}`", hint)
        return
    title = f"the parameter `{name}`"
    _check_path(node, title, scope.params[name].type, path, wanted, problems)


def _check_path(
    node: Node, title: str, kind: Json, path: tuple[str, ...], wanted: Json, problems: Problems
) -> None:
    """Complain unless `title`, which is of this type, has the path and is there what is asked."""
    for number, field in enumerate(path):
        if kind is None:
            return
        if not isinstance(kind, dict) or field not in kind:
            so_far = f"`{'.'.join(path[:number])}` in " if number else ""
            hint = problems.near(field, kind) if isinstance(kind, dict) else None
            message = f"{so_far}{title} has no field `{field[:60]}`"
            problems.at(node, message, hint or f"its type is {describe(kind)[:120]}")
            return
        kind = kind[field]
    if kind is not None and wanted is not None and not assignable(kind, wanted):
        message = f"`{node.value}` is {describe(kind)[:80]}, but {describe(wanted)[:80]} is asked"
        problems.at(node, message, "change one of the two declared types")


def read_env(node: Node | None, scope: Scope, problems: Problems) -> Env:
    """Return variables, sorted: each a text, `{"ref": ...}`, `{"secret": NAME}`, or no text.

    A constant that is not null stands as the text that it is.
    """
    if node is None:
        return {}
    if not isinstance(node.value, dict):
        problems.at(node, f"env must be a mapping, not {show(plain(node))}", _ENV_FORM)
        return {}
    found: Env = {}
    for variable, (key, value) in sorted(node.value.items()):
        if not fields.is_variable(variable):
            hint = "letters, digits and `_`, the first not a digit"
            problems.at(key, f"{fields.short(variable)} is not a name of a variable", hint)
        elif given_by_ork(variable):
            message = f"ork itself gives the variable {variable[:60]} to each task"
            problems.at(key, message, "choose another name")
        entry = _variable(variable, value, scope, problems)
        if entry is not None:
            found[variable] = entry
    return found


def _variable(variable: str, node: Node, scope: Scope, problems: Problems) -> Json:
    entries = node.value
    if isinstance(entries, dict) and entries.keys() == {"ref", "else"}:
        text_of = partial(_as_text, variable)
        return _with_else(entries, text_of, None, scope, problems)
    if isinstance(entries, dict) and len(entries) == 1:
        ((word, (_, value)),) = entries.items()
        if word == "ref":
            return _reference(value, None, scope, problems)
        if word == "const":
            text = _as_text(variable, value, problems)
            return {"const": None} if plain(value) is None else text
        if word == "secret" and isinstance(value.value, str) and fields.is_variable(value.value):
            return {"secret": value.value}
        if word == "secret":
            message = "a secret names one variable of ork's own environment"
            hint = "letters, digits and `_`, as in {secret: API_TOKEN}"
            problems.at(value, message, hint)
            return None
    if isinstance(entries, str):
        if "{" in entries and (ref := _meant(entries, scope)):
            message = f"env: {variable[:60]} is this text, in which nothing is replaced"
            hint = f"{{ref: {ref}}}; {{const: ...}} for the text itself"
            problems.at(node, message, hint[:200])
        return _no_nul(variable, node, entries, problems)
    form = "quote it"
    if isinstance(entries, dict) and len(both := entries.keys() & {"const", "ref", "secret"}) > 1:
        message = f"env: {variable[:60]} has both `{'` and `'.join(sorted(both))}`"
        problems.at(node, message, "keep one of them")
        return None
    if entries is None:
        form = 'quote it: `""` is the empty text; {const: null} takes the variable away'
    elif isinstance(entries, (list, dict)):
        form = "a text, {const: VALUE}, {ref: params.NAME}, {ref: tasks.NAME.output} or "
        form += "{secret: NAME}"
        if isinstance(entries, dict) and len(entries) == 1:
            near = problems.near(next(iter(entries)), ("const", "ref", "secret"))
            form = f"{near} A variable is {form}" if near else form
    problems.at(node, f"env: {variable[:60]} must be a text, not {show(plain(node))}", form)
    return None


def _as_text(variable: str, node: Node, problems: Problems) -> str | None:
    text = as_variable(plain(node))
    return None if text is None else _no_nul(variable, node, text, problems)


def _no_nul(variable: str, node: Node, text: str, problems: Problems) -> str | None:
    if "\0" in text:
        message = f"env: {variable[:60]} contains the character NUL, which no variable can hold"
        problems.at(node, message)
        return None
    return text


def given_by_ork(variable: str) -> bool:
    """Say whether ork itself gives this variable to a task."""
    return variable in OWN_VARIABLES or variable.startswith(INPUT_PREFIX)


def refs_of(task: Task) -> Iterator[str]:
    """Yield what the condition, the inputs and the variables of a task refer to."""
    if task.when is not None:
        yield task.when.ref
    for binding in (*task.inputs.values(), *task.env.values()):
        if isinstance(binding, dict) and isinstance(ref := binding.get("ref"), str):
            yield ref


def needed_outputs(task: Task) -> Iterator[str]:
    """Yield the tasks without whose output a task cannot run: nothing stands in for that."""
    bindings = (one for one in (*task.inputs.values(), *task.env.values()) if isinstance(one, dict))
    refs = [str(one["ref"]) for one in bindings if "ref" in one and "else" not in one]
    for ref in (task.when.ref, *refs) if task.when else refs:
        if source := split_ref(ref):
            yield source[0]


class NotReady(Exception):
    """A task cannot start; the text says why. The task has failed, the run goes on."""


def why_skipped(
    task: Task,
    outputs: Mapping[str, Json],
    params: Mapping[str, Json],
    skipped: Collection[str],
) -> str | None:
    """Return why a task is not to run, None if it is: its condition, or what it takes, says no.

    `skipped` are tasks for which this said no. Raise NotReady where the condition cannot be told.
    """
    for name in needed_outputs(task) if skipped else ():
        if name in skipped:
            return f"{name} was skipped"
    if task.when is None:
        return None
    ref, wanted = task.when.ref, task.when.is_
    value = _follow("when", ref, outputs, params)
    if wanted is True and not isinstance(value, bool):
        raise NotReady(f"when: {ref}: not true or false, but {show(value)}")
    if encode(value) == encode(wanted):
        return None
    text = encode(value).decode()
    said = text if len(text) <= VALUE_CHARS_MAX else f"{text[: VALUE_CHARS_MAX - 3]}..."
    return f"{ref} is {said}"


def bind(task: Task, outputs: Mapping[str, Json], params: Mapping[str, Json]) -> dict[str, Json]:
    """Return the inputs of a task, from constants, outputs and parameters, as their types say."""
    converted = checked(unchecked(task, outputs, params), task.input_type, "input")
    return converted if isinstance(converted, dict) else {}


def unchecked(
    task: Task, outputs: Mapping[str, Json], params: Mapping[str, Json]
) -> dict[str, Json]:
    """Return the inputs of a task as they come, whatever type is declared."""
    inputs: dict[str, Json] = {}
    for field_name, binding in task.inputs.items():
        if "const" in binding:
            inputs[field_name] = binding["const"]
        else:
            inputs[field_name] = _taken(f"input {field_name}", binding, outputs, params)
    return inputs


def as_variable(value: Json) -> str | None:
    """Return a value as the text of a variable: a text as it is, JSON of others, None of null."""
    if value is None or isinstance(value, str):
        return value
    return encode(value).decode()


def variables(
    task: Task,
    outputs: Mapping[str, Json],
    params: Mapping[str, Json],
    environ: Mapping[str, str],
) -> dict[str, str | None]:
    """Return the variables of a task, secrets from `environ`; None takes an inherited one away.

    Raise NotReady where a secret is not set.
    """
    found: dict[str, str | None] = {}
    for variable, entry in task.env.items():
        if isinstance(entry, str):
            found[variable] = entry
        elif "secret" in entry:
            secret = str(entry["secret"])
            if secret not in environ:
                raise NotReady(f"the secret {secret} is not set")
            found[variable] = environ[secret]
        else:
            title = f"env {variable}"
            value = _taken(title, entry, outputs, params) if "ref" in entry else None
            text = found[variable] = as_variable(value)
            if text is not None and "\0" in text:
                raise NotReady(f"{title}: the value has the character NUL")
    return found


def checked(value: Json, declared: Json, what: str) -> Json:
    """Return a value converted to its declared type; raise NotReady naming field and types."""
    if declared is None:
        return value
    converted, problems = convert(value, declared)
    if problems:
        first, *others = (problem.of(what) for problem in problems)
        least = "at least " if len(problems) >= MISMATCHES_MAX else ""
        more = f" (and {least}{len(others)} more)" if others else ""
        raise NotReady("\n".join([first + more, *others]))
    return converted


def as_declared(value: Json, declared: Json) -> Json:
    """Return an output that a record gave in the form of its type: 1 is the float 1.0 there.

    One that is not of the type stays as it is: another definition gave it.
    """
    if declared is None:
        return value
    converted, problems = convert(value, declared)
    return value if problems else converted


def _taken(
    what: str,
    binding: Mapping[str, Json],
    outputs: Mapping[str, Json],
    params: Mapping[str, Json],
) -> Json:
    """Return the value of a reference, or what stands in where a task gave none."""
    ref = str(binding["ref"])
    source = split_ref(ref)
    if "else" in binding and source and source[0] not in outputs:
        return binding["else"]
    return _follow(what, ref, outputs, params)


def _follow(what: str, ref: str, outputs: Mapping[str, Json], params: Mapping[str, Json]) -> Json:
    param = split_param(ref)
    source, path = param or split_ref(ref) or ("", ())
    values = params if param else outputs
    if source not in values:
        raise NotReady(f"{what}: {ref}: {source} gave no output")
    value = values[source]
    for step in path:
        if not isinstance(value, dict) or step not in value:
            known = isinstance(value, dict) and some(value, FIELDS_SHOWN)
            where = f"among {known}" if known else f"in {show(value)}"
            raise NotReady(f"{what}: {ref}: there is no field {step!r} {where}")
        value = value[step]
    return value
