"""ork schema: what a workflow file may have, for editors, as JSON Schema 2020-12.

It is made of the same lists of keys that the reader of files has. It accepts every file that
`ork check` accepts; that names which are used exist, that types match and such it cannot say.
`patternErrorMessage` is what editors show in place of a pattern; others do not know it.
"""

import json
from typing import Any

import typer

from ork.cli.session import Session
from ork.definition.bindings import INPUT_PREFIX, OWN_VARIABLES, PARAM_KEYS
from ork.definition.fields import PATH_LENGTH_MAX
from ork.definition.task import CODE_KEYS, EXECUTOR_ALIASES, TASK_KEYS
from ork.definition.workflow import RESERVED, WORKFLOW_KEYS
from ork.objects.canonical import INTEGER_MAX
from ork.objects.kinds import BACKOFF_UNIT, NAME_PATTERN, SCALARS, SECOND
from ork.schedule import durations
from ork.schedule.schedule import KEYS as SCHEDULE_KEYS
from ork.schedule.schedule import WORDS

Schema = dict[str, Any]

FILE = ".ork.schema.json"
IN_A_WORKFLOW = f"# yaml-language-server: $schema={FILE}\n"  # its first line

TEXT: Schema = {"type": "string", "pattern": r"\S"}
WORDS_OF_COMMAND: Schema = {
    "type": "array",
    "prefixItems": [TEXT],
    "items": {"type": "string"},
    "minItems": 1,
}
PATH: Schema = {
    "type": "string",
    "pattern": r"^(?=.*\S)(?![/~])(?!.*://)[^\\\x00-\x1f\x7f]+$",
    "patternErrorMessage": "A path below the folder of this file, with / between folders.",
    "maxLength": PATH_LENGTH_MAX,
}
# What is not ASCII may be a letter.
DOTTED: Schema = {
    "type": "string",
    "pattern": r"^(?![0-9])[^\x00-\x2d/:-@\[-^`{-\x7f]+$",
    "patternErrorMessage": "Names of Python, with dots between them.",
    "not": {"pattern": r"^\.|\.$|\.[.0-9]"},
}
REFERENCE: Schema = {
    "type": "string",
    "pattern": r"^(tasks(\.[^.]+)+\.output(\.[^.]+)*|params(\.[^.]+)+)$",
    "patternErrorMessage": "tasks.NAME.output, tasks.NAME.output.FIELD or params.NAME.",
}
VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
# What some executors have beside the keys that say what they execute.
OTHER_KEYS = {"python": ("function", "fresh"), "process": ("shell",), "library": ("fresh",)}
ALL_CODE_KEYS = {key for of in (CODE_KEYS, OTHER_KEYS) for keys in of.values() for key in keys}
SECONDS_MAX = INTEGER_MAX // SECOND


def schema(ctx: typer.Context) -> None:
    """Print the JSON Schema of workflow files, for editors.

    An editor that has it completes keys and marks what cannot be right while you type. Write it
    into a file and name that in the first line of a workflow, as below and as `ork init --example`
    does, or in the settings of the editor. `ork check` knows more: it reads the code as well.

    \b
        # yaml-language-server: $schema=.ork.schema.json

    \b
    Example:
        ork schema
    """
    session: Session = ctx.obj
    session.print(([line] for line in text().splitlines()), verbatim=True)


def text() -> str:
    """Return the schema as a file has it."""
    return json.dumps(document(), indent=2) + "\n"


def document() -> Schema:
    """Return the schema."""
    output = {**REFERENCE, "pattern": r"^tasks(\.[^.]+)+\.output(\.[^.]+)*$"}
    # `else` is the value itself.
    alone = {"not": {"type": "object", "required": ["const"], "maxProperties": 1}}
    with_else = _object({"ref": output, "else": alone}, ("ref", "else"), required=("ref", "else"))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A workflow of ork",
        **_object(_workflow(), WORKFLOW_KEYS, required=("name", "tasks")),
        "$defs": {
            "name": {
                "type": "string",
                "pattern": f"^{NAME_PATTERN.pattern}$",
                "description": "Letters, digits, `_`, `.` and `-`, at most 128.",
                "patternErrorMessage": "A name has letters, digits, `_`, `.` and `-`, at most 128.",
            },
            "duration": {
                "description": "500ms, 30s, 5m, 1h30m, 2d, or a number of seconds.",
                "anyOf": [
                    {"type": "number", "minimum": 0, "maximum": SECONDS_MAX},
                    {
                        "type": "string",
                        "pattern": f"^{durations.PATTERN}$",
                        "patternErrorMessage": "As in 30s, 5m, 1h30m or 2d.",
                        "minLength": 2,
                    },
                ],
            },
            "type": {
                "description": "A scalar, {field: type}, [type], or types.NAME.",
                "anyOf": [
                    {"enum": list(SCALARS)},
                    {"type": "string", "pattern": r"^types\."},
                    _ref("fields"),
                    {"type": "array", "items": _ref("type"), "minItems": 1, "maxItems": 1},
                ],
            },
            "fields": {
                "type": "object",
                "propertyNames": {"pattern": r"^[^.]+$"},
                "additionalProperties": _ref("type"),
            },
            "binding": {
                "description": "{const: VALUE}, {ref: tasks.NAME.output.FIELD} or"
                " {ref: params.NAME}.",
                "anyOf": [_one("const", {}), _one("ref", REFERENCE), with_else],
            },
            "env": {
                "type": "object",
                "description": "Variable -> a text, {const: VALUE}, {ref: ...} or {secret: NAME}.",
                "propertyNames": {
                    "pattern": VARIABLE,
                    "not": {
                        "anyOf": [{"pattern": f"^{INPUT_PREFIX}"}, {"enum": sorted(OWN_VARIABLES)}]
                    },
                },
                "additionalProperties": {
                    "anyOf": [
                        {"type": "string"},
                        _ref("binding"),
                        _one("secret", {"type": "string", "pattern": VARIABLE}),
                    ]
                },
            },
            "schedule": {
                "anyOf": [
                    {**TEXT, "examples": ["0 2 * * *", "@daily"]},
                    {
                        **_object(_schedule(), SCHEDULE_KEYS),
                        "oneOf": [{"required": ["cron"]}, {"required": ["every"]}],
                    },
                ]
            },
            "task": {
                **_object(_task(), tuple(TASK_KEYS), required=("executor",)),
                "allOf": [_code_of(executor) for executor in CODE_KEYS],
                "dependentSchemas": {
                    "shell": {
                        "properties": {"command": {"type": "string"}},
                        "required": ["command"],
                    }
                },
            },
        },
    }


def _workflow() -> dict[str, Schema]:
    globs = {"type": "array", "items": TEXT}
    schedules = {"type": "array", "items": _ref("schedule"), "minItems": 1}
    command = {"anyOf": [TEXT, WORDS_OF_COMMAND]}
    hook = _object({"command": command}, ("command",), required=("command",))
    return {
        "name": {**_ref("name"), "not": {"enum": list(RESERVED)}},
        "description": {"type": "string"},
        "tasks": {
            "type": "object",
            "description": "Task name -> task.",
            "propertyNames": {**_ref("name"), "not": {"pattern": r"\.output(\.|$)"}},
            "additionalProperties": _ref("task"),
            "minProperties": 1,
        },
        "types": {
            "type": "object",
            "description": "NAME -> a type, used as types.NAME.",
            "propertyNames": {**_ref("name"), "not": {"pattern": r"\.$"}},
            "additionalProperties": _ref("type"),
        },
        "params": {
            "type": "object",
            "description": "The parameters of a run: name -> {type, default}, or just the type.",
            "propertyNames": _ref("name"),
            "additionalProperties": {
                "anyOf": [
                    {"allOf": [_ref("type"), {"type": ["string", "array"]}]},
                    _object({"type": _ref("type"), "default": {}}, PARAM_KEYS),
                ]
            },
        },
        "include": {**globs, "description": "More files to record, as globs."},
        "exclude": {**globs, "description": "Files that are data though a task executes them."},
        "env": {**_ref("env"), "description": "Variables for all tasks."},
        "shell": {**WORDS_OF_COMMAND, "description": "What takes the commands of all tasks."},
        "schedule": {
            "description": "When `ork up` starts it: five-field cron, @daily and friends, a mapping"
            " with more, or a list of these.",
            "anyOf": [_ref("schedule"), schedules],
        },
        "on_failure": {**hook, "description": "Executed when a run has failed."},
        "on_success": {**hook, "description": "Executed when a run has succeeded."},
        "max_parallel": {"type": "integer", "minimum": 1, "description": "Tasks at once."},
        "max_active_runs": {"type": "integer", "minimum": 1, "description": "Runs at once."},
        "root": {**TEXT, "description": "A folder above that of the file, such as `..`."},
        "python": {**TEXT, "description": "The interpreter of the tasks."},
    }


def _task() -> dict[str, Schema]:
    return {
        "executor": {"enum": [*CODE_KEYS, *EXECUTOR_ALIASES], "description": "What executes it."},
        "file": {**PATH, "description": "A Python file, a program or a shared object."},
        "module": {**DOTTED, "description": "Python: a module below the root, instead of `file`."},
        "command": {
            "description": "A line for the shell, several lines, or a list of words.",
            "anyOf": [TEXT, WORDS_OF_COMMAND],
        },
        "shell": {**WORDS_OF_COMMAND, "description": "What takes the command."},
        "function": {**DOTTED, "description": "Python: what is called; else `main`."},
        "timeout": {
            "description": "For each attempt; else 5m.",
            "anyOf": [_ref("duration"), {"const": "none"}],
            "not": {"const": 0},
        },
        "retries": {
            "type": "integer",
            "minimum": 0,
            "maximum": INTEGER_MAX,
            "description": "Attempts after a failure.",
        },
        "retry_delay": {**_ref("duration"), "description": "Before an attempt after a failure."},
        "retry_backoff": {
            "type": "number",
            "minimum": 1,
            "maximum": INTEGER_MAX // BACKOFF_UNIT,
            "description": "How the delay grows.",
        },
        "fresh": {"type": "boolean", "description": "A process of its own for each attempt."},
        "depends_on": {
            "type": "array",
            "items": {"type": "string"},
            "uniqueItems": True,
            "description": "Tasks that must succeed first.",
        },
        "input_type": {
            "description": "The fields of its inputs, and their types.",
            "anyOf": [_ref("fields"), {"type": "string", "pattern": r"^types\."}],
        },
        "output_type": {**_ref("type"), "description": "The type of what it gives."},
        "inputs": {
            "type": "object",
            "description": "Field -> {const: VALUE} or {ref: tasks.NAME.output.FIELD}.",
            "additionalProperties": _ref("binding"),
        },
        "env": _ref("env"),
        "when": {
            **_object({"ref": REFERENCE, "is": {}}, ("ref", "is"), required=("ref",)),
            "description": "Runs only if what is referred to is true, or the value of `is`.",
        },
        "on_upstream_failure": {
            "enum": ["skip", "run"],
            "description": "Whether it runs when what it depends on did not succeed.",
        },
    }


def _schedule() -> dict[str, Schema]:
    return {
        "cron": {**TEXT, "description": "Minute hour day month weekday, or @daily and friends."},
        "every": {**_ref("duration"), "description": "From 1s on; counted from 1970 in UTC."},
        "timezone": {**TEXT, "description": "As in Europe/Berlin; else UTC."},
        "catchup": {"enum": list(WORDS["catchup"]), "description": "What is made up for."},
        "overlap": {"enum": list(WORDS["overlap"]), "description": "While a run goes on."},
        "after_failure": {
            "enum": list(WORDS["after_failure"]),
            "description": "Until the newest run has succeeded.",
        },
        "params": {"type": "object", "description": "The parameters of its runs."},
        "retries": {"type": "integer", "minimum": 0, "description": "Of a whole run that failed."},
        "retry_delay": _ref("duration"),
        "timeout": {
            "description": "Of a whole run; from 1s on. Else none.",
            "anyOf": [_ref("duration"), {"const": "none"}],
        },
    }


def _code_of(executor: str) -> Schema:
    """Return what a task of this executor has: one of the keys that say what it executes."""
    names = [executor, *(alias for alias, of in EXECUTOR_ALIASES.items() if of == executor)]
    known = {*CODE_KEYS[executor], *OTHER_KEYS[executor]}
    strange = [key for key in TASK_KEYS if key in ALL_CODE_KEYS - known]
    return {
        "if": {"properties": {"executor": {"enum": names}}, "required": ["executor"]},
        "then": {
            "oneOf": [{"required": [key]} for key in CODE_KEYS[executor]],
            "properties": dict.fromkeys(strange, False),
        },
    }


def _object(
    properties: dict[str, Schema], keys: tuple[str, ...], *, required: tuple[str, ...] = ()
) -> Schema:
    """Return an object with these keys, in their order, and no others."""
    return {
        "type": "object",
        "properties": {key: properties[key] for key in keys},
        "additionalProperties": False,
        **({"required": list(required)} if required else {}),
    }


def _one(key: str, value: Schema) -> Schema:
    return _object({key: value}, (key,), required=(key,))


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}
