"""The objects that a store keeps, as values, and their exact payloads (docs/format.md).

Every value is frozen. `encode_object` gives the stored bytes, `decode_object` reads them back and
refuses whatever does not have exactly the fields and shapes below. Names and times inside objects
are data: nothing here trusts them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, TypeAlias

from ork.core import canonical
from ork.core.canonical import Json, Oid
from ork.errors import Corrupt

NAME_PATTERN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
ZERO_TIME = datetime(1970, 1, 1, tzinfo=UTC)

RUN_STATES = ("pending", "running", "success", "failed", "cancelled", "interrupted")
TASK_STATES = (*RUN_STATES, "skipped", "upstream_failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One step in canonical form: every field explicit, aliases resolved, without its own name.

    `command` is one line for /bin/sh, or a list of words for exec. `inputs` maps a field to
    `{"const": value}` or `{"ref": "tasks.NAME.output..."}`; `env` maps a variable to its text or to
    `{"secret": NAME}`. Times are in seconds.
    """

    executor: str  # python | process | library
    file: str | None = None
    module: str | None = None
    command: str | tuple[str, ...] | None = None
    function: str | None = None
    depends_on: tuple[str, ...] = ()
    input_type: Json = None
    output_type: Json = None
    inputs: Mapping[str, dict[str, Json]] = field(default_factory=dict)
    env: Mapping[str, Json] = field(default_factory=dict)
    timeout: float = 300
    retries: int = 0
    retry_delay: float = 0
    retry_backoff: float = 1
    on_upstream_failure: str = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A map from names to entries, or one level of a large one: see `ork.core.tree`.

    A leaf has `entries` (name, then an oid or a JSON value), a node has `children` (the byte of the
    hashed name, then the oid of the tree below) and the `depth` of that byte.
    """

    entries: tuple[tuple[str, Json], ...] = ()
    children: tuple[tuple[int, Oid], ...] = ()
    depth: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The immutable definition: a tree of tasks, a tree of code files. Content only."""

    tasks: Oid
    files: Oid
    task_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Deploy:
    """One entry of a workflow's history: what git calls a commit."""

    workflow: str
    snapshot: Oid
    parents: tuple[Oid, ...]
    time: datetime
    author: str
    message: str
    settings: Mapping[str, Json]
    source: Mapping[str, Json]  # {"path", "blob"}, or {"path", "chunks"}: store/text.py
    origin: Mapping[str, Json] | None = None  # {"commit", "dirty"} of the git repository around it
    action: str = "deploy"  # deploy | rollback | import


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of a snapshot. While it goes on, `tasks` is None: see refs `active/ID/`."""

    id: str
    workflow: str
    number: int
    snapshot: Oid
    deploy: Oid | None
    state: str
    trigger: str  # run | retry
    author: str
    host: str
    environment: Oid | None  # a blob: JSON of Python version, platform, installed distributions
    created: datetime
    ended: datetime | None = None
    seconds: float | None = None  # from a monotonic clock, so never negative
    tasks: Oid | None = None  # tree: task name -> TaskRun
    reason: str | None = None  # why it did not succeed, in words


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try of a task. `exit` is a process's exit code, `signal` the number that killed it."""

    number: int
    state: str
    started: datetime
    seconds: float
    exit: int | None = None
    signal: int | None = None
    error: str | None = None
    log: str | None = None  # path below the store's logs/


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRun:
    """What became of one task in one run. `inputs` and `output` are blobs of canonical JSON."""

    task: Oid
    state: str
    inputs: Oid | None = None
    output: Oid | None = None
    attempts: tuple[Attempt, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One command that moved refs: the chain of these is the reflog and the undo log."""

    parent: Oid | None
    time: datetime
    author: str
    argv: tuple[str, ...]
    moves: tuple[tuple[str, Oid | None, Oid | None], ...]  # ref, old, new


@dataclass(frozen=True, slots=True)
class Blob:
    """Raw bytes: a code file, the YAML text, an output."""

    data: bytes


Object: TypeAlias = Task | Tree | Snapshot | Deploy | Run | TaskRun | Operation | Blob


def encode_object(value: Object) -> bytes:
    """Return the stored bytes of an object, header included; their hash is its name."""
    if isinstance(value, Blob):
        return canonical.frame("blob", value.data)
    kind = _KIND_OF[type(value)]
    return canonical.frame(kind, canonical.encode(to_json(value)))


def decode_object(data: bytes) -> Object:
    """Return the object of stored bytes; raise Corrupt unless they are exactly of the format."""
    kind, payload = canonical.unframe(data)
    if kind == "blob":
        return Blob(payload)
    if kind not in _SHAPES:
        raise Corrupt(f"an object of an unknown kind, {kind!r}", hint="it needs a newer ork")
    return _from_json(_SHAPES[kind][0], canonical.decode(payload), kind)  # type: ignore[no-any-return]


def kind_of(value: Object) -> str:
    """Return the kind word of an object: blob, task, tree..."""
    return "blob" if isinstance(value, Blob) else _KIND_OF[type(value)]


def to_json(value: Any) -> dict[str, Json]:
    """Return the payload of an object as a JSON value, every field explicit."""
    if isinstance(value, Tree):
        if value.children:
            nodes: list[Json] = [[byte, oid] for byte, oid in value.children]
            return {"children": nodes, "depth": value.depth}
        return {"entries": [[name, entry] for name, entry in value.entries]}
    return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}


def format_time(time: datetime) -> str:
    """Return a time as objects write it: UTC, RFC 3339, always six digits of a second."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def parse_time(text: str) -> datetime:
    """Return the time of `format_time`; raise ValueError on any other form."""
    time = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    if format_time(time) != text:
        raise ValueError(f"not a time as ork writes it: {text!r}")
    return time


def is_name(text: object) -> bool:
    """Say whether this is a valid name of a workflow, task, tag or run."""
    return isinstance(text, str) and NAME_PATTERN.fullmatch(text) is not None


def is_oid(text: object) -> bool:
    """Say whether this is a full oid."""
    return isinstance(text, str) and _OID.fullmatch(text) is not None


_OID = re.compile(r"[0-9a-f]{64}", re.ASCII)


def _plain(value: Any) -> Json:
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Attempt):
        return to_json(value)
    return value  # type: ignore[no-any-return]


# -- shapes: per field, a function that turns the JSON value into the field's, or raises ValueError


def _need(condition: bool, what: str) -> None:
    if not condition:
        raise ValueError(what)


def _text(value: Any) -> str:
    _need(type(value) is str, "must be a string")
    return value  # type: ignore[no-any-return]


def _oid(value: Any) -> Oid:
    _need(is_oid(value), "must be an oid")
    return value  # type: ignore[no-any-return]


def _name(value: Any) -> str:
    _need(is_name(value), "must be a name")
    return value  # type: ignore[no-any-return]


def _count(value: Any) -> int:
    _need(type(value) is int and value >= 0, "must be a natural number")
    return value  # type: ignore[no-any-return]


def _integer(value: Any) -> int:
    _need(type(value) is int, "must be an integer")
    return value  # type: ignore[no-any-return]


def _seconds(value: Any) -> float:
    _need(type(value) in (int, float) and value >= 0, "must be a number of seconds")
    return value  # type: ignore[no-any-return]


def _time(value: Any) -> datetime:
    return parse_time(_text(value))


def _any(value: Any) -> Any:
    return value


def _object(value: Any) -> dict[str, Any]:
    _need(type(value) is dict, "must be an object")
    return value  # type: ignore[no-any-return]


def _optional(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else check(value)


def _list(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def read(value: Any) -> tuple[Any, ...]:
        _need(type(value) is list, "must be a list")
        return tuple(check(item) for item in value)

    return read


def _one_of(*words: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        _need(value in words, f"must be one of {', '.join(words)}")
        return value  # type: ignore[no-any-return]

    return read


def _command(value: Any) -> Any:
    return value if isinstance(value, str) or value is None else _list(_text)(value)


def _bindings(value: Any) -> Any:
    for binding in _object(value).values():
        _need(type(binding) is dict and len(binding) == 1, "must be const or ref")
        (word, target), *_ = binding.items()
        _need(word == "const" or (word == "ref" and type(target) is str), "must be const or ref")
    return value


def _environment(value: Any) -> Any:
    for entry in _object(value).values():
        secret = type(entry) is dict and list(entry) == ["secret"] and type(entry["secret"]) is str
        _need(type(entry) is str or secret, "must be a text or {secret: NAME}")
    return value


def _source(value: Any) -> Any:
    keys = set(_object(value))
    _need(keys in ({"path", "blob"}, {"path", "chunks"}), "must have path and blob or chunks")
    _text(value["path"])
    _oid(value.get("blob", value.get("chunks")))
    return value


def _origin(value: Any) -> Any:
    _need(set(_object(value)) == {"commit", "dirty"}, "must have commit and dirty")
    _text(value["commit"])
    _need(type(value["dirty"]) is bool, "dirty must be true or false")
    return value


def _move(value: Any) -> tuple[str, Oid | None, Oid | None]:
    _need(type(value) is list and len(value) == 3, "must be [ref, old, new]")
    return _text(value[0]), _optional(_oid)(value[1]), _optional(_oid)(value[2])


def _attempt(value: Any) -> Attempt:
    return _from_json(Attempt, value, "attempt", _ATTEMPT)  # type: ignore[no-any-return]


_ATTEMPT = {
    "number": _count, "state": _one_of(*TASK_STATES), "started": _time, "seconds": _seconds,
    "exit": _optional(_integer), "signal": _optional(_count), "error": _optional(_text),
    "log": _optional(_text),
}  # fmt: skip

_SHAPES: dict[str, tuple[type, dict[str, Callable[[Any], Any]]]] = {
    "task": (Task, {
        "executor": _one_of("python", "process", "library"),
        "file": _optional(_text), "module": _optional(_text), "command": _command,
        "function": _optional(_text), "depends_on": _list(_name),
        "input_type": _any, "output_type": _any, "inputs": _bindings, "env": _environment,
        "timeout": _seconds, "retries": _count, "retry_delay": _seconds,
        "retry_backoff": _seconds, "on_upstream_failure": _one_of("skip", "run"),
    }),
    "tree": (Tree, {}),
    "snapshot": (Snapshot, {"tasks": _oid, "files": _oid, "task_count": _count}),
    "deploy": (Deploy, {
        "workflow": _name, "snapshot": _oid, "parents": _list(_oid), "time": _time,
        "author": _text, "message": _text, "settings": _object, "source": _source,
        "origin": _optional(_origin), "action": _one_of("deploy", "rollback", "import"),
    }),
    "run": (Run, {
        "id": _name, "workflow": _name, "number": _count, "snapshot": _oid,
        "deploy": _optional(_oid), "state": _one_of(*RUN_STATES), "trigger": _text,
        "author": _text, "host": _text, "environment": _optional(_oid), "created": _time,
        "ended": _optional(_time), "seconds": _optional(_seconds), "tasks": _optional(_oid),
        "reason": _optional(_text),
    }),
    "taskrun": (TaskRun, {
        "task": _oid, "state": _one_of(*TASK_STATES), "inputs": _optional(_oid),
        "output": _optional(_oid), "attempts": _list(_attempt), "reason": _optional(_text),
    }),
    "operation": (Operation, {
        "parent": _optional(_oid), "time": _time, "author": _text, "argv": _list(_text),
        "moves": _list(_move),
    }),
}  # fmt: skip
_KIND_OF = {shape[0]: kind for kind, shape in _SHAPES.items()}


def _from_json(
    cls: type, payload: Any, kind: str, shape: dict[str, Callable[[Any], Any]] | None = None
) -> Any:
    if kind == "tree":
        return _tree(payload)
    shape = shape or _SHAPES[kind][1]
    if type(payload) is not dict or payload.keys() != shape.keys():
        raise Corrupt(f"not a {kind}: its fields are not those of the format")
    values = {}
    for name, check in shape.items():
        try:
            values[name] = check(payload[name])
        except ValueError as error:
            raise Corrupt(f"not a {kind}: {name} {error}") from None
    return cls(**values)


def _tree(payload: Any) -> Tree:
    try:
        if payload.keys() == {"entries"}:
            entries = tuple((_text(name), entry) for name, entry in payload["entries"])
            names = [name.encode() for name, _ in entries]
            _need(names == sorted(set(names)), "entries must be sorted and unique")
            return Tree(entries=entries)
        _need(payload.keys() == {"children", "depth"}, "must have entries, or children and depth")
        children = tuple((_count(byte), _oid(oid)) for byte, oid in payload["children"])
        numbers = [byte for byte, _ in children]
        _need(numbers == sorted(set(numbers)) and numbers[-1] < 256, "children must be sorted")
        return Tree(children=children, depth=_count(payload["depth"]))
    except (ValueError, AttributeError, TypeError, IndexError) as error:
        raise Corrupt(f"not a tree: {error}") from None
