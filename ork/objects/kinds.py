"""The objects that a store keeps, as values, and their exact payloads (docs/format.md).

Every value is frozen. `encode_object` gives the stored bytes, `decode_object` reads them back and
refuses whatever does not have exactly the fields and shapes below. Names and times inside objects
are data: nothing here trusts them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

from ork.errors import Corrupt
from ork.objects import canonical, recognise, taskrun_payload, tree_payload
from ork.objects.canonical import Json, Oid
from ork.objects.shapes import NAME_PATTERN as NAME_PATTERN
from ork.objects.shapes import (
    a_command,
    a_count,
    a_mapping,
    a_move,
    a_name,
    a_source,
    a_text,
    a_type,
    an_integer,
    an_oid,
    an_origin,
    bindings,
    environment,
    list_of,
    one_of,
    optional,
    parameters,
    seconds,
)
from ork.objects.shapes import is_name as is_name
from ork.objects.shapes import is_oid as is_oid
from ork.objects.times import format_time as format_time
from ork.objects.times import parse_time as parse_time
from ork.objects.tree_payload import LEAF_ENTRIES_MAX as LEAF_ENTRIES_MAX

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
    """A map from names to entries, or one level of a large one: see `ork.objects.tree`.

    A leaf has `entries` (name, then an oid or a JSON value), a node has `children` (the byte of the
    hashed name, then the oid of the tree below) and the `depth` of that byte.
    """

    entries: tuple[tuple[str, Json], ...] = ()
    children: tuple[tuple[int, Oid], ...] = ()
    depth: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The immutable definition: a tree of tasks, a tree of code files, parameters. Content only.

    `params` maps a name to its type, whether a run must give a value, and the default otherwise.
    """

    tasks: Oid
    files: Oid
    task_count: int
    params: Mapping[str, dict[str, Json]] = field(default_factory=dict)


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
    restores: Oid | None = None  # the deploy whose content a rollback brought back

    def has(self, snapshot: Oid, settings: Mapping[str, Json]) -> bool:
        """Say whether this is its content, so that to deploy it on top would change nothing."""
        return self.snapshot == snapshot and dict(self.settings) == dict(settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of a snapshot. While it goes on, `tasks` is None: see refs `active/ID/`."""

    id: str
    workflow: str
    number: int
    snapshot: Oid
    deploy: Oid | None
    state: str
    trigger: str  # run | retry | bisect
    author: str
    host: str
    params: Oid | None = None  # a blob: JSON object, parameter -> value
    attempt: int = 1  # a retry goes on with the same run: this counts up, and
    previous: Oid | None = None  # is the record as it was before
    base: str | None = None  # the id of the run whose outputs stand in for tasks that did not run
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
    if isinstance(value, TaskRun):
        try:
            return canonical.frame("taskrun", taskrun_payload.payload(value))
        except UnicodeEncodeError:
            pass  # `encode` says where
    kind = _KIND_OF[type(value)]
    return canonical.frame(kind, canonical.encode(to_json(value)))


def decode_object(data: bytes) -> Object:
    """Return the object of stored bytes; raise Corrupt unless they are exactly of the format."""
    known = _RECOGNISED.get(data[:8])
    if known and (values := known[1](data)):
        # `__init__` of a frozen dataclass would take as long as to recognise the bytes.
        made: Any = object.__new__(known[0])
        for put, value in zip(known[2], values, strict=True):
            put(made, value)
        return made  # type: ignore[no-any-return]
    kind, payload = canonical.unframe(data)
    if kind == "blob":
        return Blob(payload)
    if kind == "tree" and (node := tree_payload.node(payload)):
        return Tree(children=node[0], depth=node[1])
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
    return {name: _plain(getattr(value, name)) for name in _FIELDS[type(value)]}


def _plain(value: Any) -> Json:
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Attempt):
        return to_json(value)
    return value  # type: ignore[no-any-return]


def _time(value: Any) -> datetime:
    return parse_time(a_text(value))


def _attempt(value: Any) -> Attempt:
    return _from_json(Attempt, value, "attempt", _ATTEMPT)  # type: ignore[no-any-return]


_ATTEMPT = {
    "number": a_count,
    "state": one_of(*TASK_STATES),
    "started": _time,
    "seconds": seconds,
    "exit": optional(an_integer),
    "signal": optional(a_count),
    "error": optional(a_text),
    "log": optional(a_text),
}

_SHAPES: dict[str, tuple[type, dict[str, Callable[[Any], Any]]]] = {
    "task": (
        Task,
        {
            "executor": one_of("python", "process", "library"),
            "file": optional(a_text),
            "module": optional(a_text),
            "command": a_command,
            "function": optional(a_text),
            "depends_on": list_of(a_name),
            "input_type": optional(a_type),
            "output_type": optional(a_type),
            "inputs": bindings,
            "env": environment,
            "timeout": seconds,
            "retries": a_count,
            "retry_delay": seconds,
            "retry_backoff": seconds,
            "on_upstream_failure": one_of("skip", "run"),
        },
    ),
    "tree": (Tree, {}),
    "snapshot": (
        Snapshot,
        {"tasks": an_oid, "files": an_oid, "task_count": a_count, "params": parameters},
    ),
    "deploy": (
        Deploy,
        {
            "workflow": a_name,
            "snapshot": an_oid,
            "parents": list_of(an_oid),
            "time": _time,
            "author": a_text,
            "message": a_text,
            "settings": a_mapping,
            "source": a_source,
            "origin": optional(an_origin),
            "action": one_of("deploy", "rollback", "import"),
            "restores": optional(an_oid),
        },
    ),
    "run": (
        Run,
        {
            "id": a_name,
            "workflow": a_name,
            "number": a_count,
            "snapshot": an_oid,
            "deploy": optional(an_oid),
            "state": one_of(*RUN_STATES),
            "trigger": a_text,
            "params": optional(an_oid),
            "attempt": a_count,
            "previous": optional(an_oid),
            "base": optional(a_name),
            "author": a_text,
            "host": a_text,
            "environment": optional(an_oid),
            "created": _time,
            "ended": optional(_time),
            "seconds": optional(seconds),
            "tasks": optional(an_oid),
            "reason": optional(a_text),
        },
    ),
    "taskrun": (
        TaskRun,
        {
            "task": an_oid,
            "state": one_of(*TASK_STATES),
            "inputs": optional(an_oid),
            "output": optional(an_oid),
            "attempts": list_of(_attempt),
            "reason": optional(a_text),
        },
    ),
    "operation": (
        Operation,
        {
            "parent": optional(an_oid),
            "time": _time,
            "author": a_text,
            "argv": list_of(a_text),
            "moves": list_of(a_move),
        },
    ),
}
_KIND_OF = {shape[0]: kind for kind, shape in _SHAPES.items()}
_FIELDS = {Attempt: tuple(_ATTEMPT), **{cls: tuple(shape) for cls, shape in _SHAPES.values()}}
# How the bytes begin -> the class, what may give its values sorted by field, and a setter for each.
_RECOGNISED = {
    start: (cls, reader, [vars(cls)[name].__set__ for name in sorted(cls.__slots__)])
    for start, cls, reader in (
        (b"ork1 dep", Deploy, recognise.deploy),
        (b"ork1 sna", Snapshot, recognise.snapshot),
        (b"ork1 tre", Tree, recognise.leaf),
    )
}


def _from_json(
    cls: type, payload: Any, kind: str, shape: dict[str, Callable[[Any], Any]] | None = None
) -> Any:
    if kind == "tree":
        try:
            entries, children, depth = tree_payload.shape(payload)
        except ValueError as error:
            raise Corrupt(f"not a tree: {error}") from None
        return Tree(entries=entries, children=children, depth=depth)
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
