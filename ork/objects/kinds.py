"""The nine kinds of object that a store keeps (docs/format.md).

A kind is declared once: the annotations of its class are its format. Fields stand in the order of
their names, as the canonical form has them. Whatever is read is encoded again and compared, so that
there is one string of bytes for each value. What msgspec cannot say of a field, `__post_init__`
checks, when a value is made and when it is read. Names and times inside objects are data: nothing
here trusts them.

Without `from __future__ import annotations`: msgspec would compile each of them in every process.
"""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import Annotated, Any, Literal, TypeAlias, get_args

import msgspec
from msgspec import Meta

from ork.errors import Corrupt, InvalidInput
from ork.objects import canonical
from ork.objects.canonical import INTEGER_MAX, Json, Oid
from ork.objects.rows import name_of
from ork.objects.value import Value

ZERO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000  # microseconds, in which every duration is kept
BACKOFF_UNIT = 1000  # a retry_backoff of 1, which is kept in thousandths
LEAF_ENTRIES_MAX = 64
TREE_DEPTH_MAX = 63  # half bytes of a hash, counted from 0
KEPT_READ_MAX = 2_000  # outcomes of one run, some 2 MB
INLINE_OUTPUT_BYTES_MAX = 1024  # of the blob that it would be, header included
SCALARS = ("str", "int", "float", "bool", "date", "datetime_notz", "datetime_tz", "datetime_utc")
# No two dots in a row: A..B is a range.
NAME_PATTERN = re.compile(r"(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_OID = re.compile(r"[0-9a-f]{64}", re.ASCII)

RunState: TypeAlias = Literal["pending", "running", "success", "failed", "cancelled", "interrupted"]
NOT_SELECTED = "not selected"  # the reason of a task that was left out
TaskState: TypeAlias = Literal[RunState, "skipped", "upstream_failed", "reused"]
RUN_STATES: tuple[str, ...] = get_args(RunState)[1:]  # of runs: what is pending is a task
STOPPED = ("cancelled", "interrupted")  # states of what ended because its run did
TASK_STATES: tuple[str, ...] = get_args(TaskState)
NOT_EXECUTED = ("kept", "left out")  # as lists call tasks that are stored as skipped
OWN_OPTIONS = ("-C", "--store", "--at-op", "--color")  # of ork itself, with a value behind them
Place: TypeAlias = Literal["project", "checkout", "sealed"]

# Its digits are checked for all oids of an object at once: a pattern for each would cost more than
# everything else about a leaf.
Link: TypeAlias = Annotated[Oid, Meta(min_length=64, max_length=64, title="oid")]
Name: TypeAlias = Annotated[str, Meta(pattern=rf"\A{NAME_PATTERN.pattern}\Z", title="name")]
Count: TypeAlias = Annotated[int, Meta(ge=0, le=INTEGER_MAX, title="count")]
Integer: TypeAlias = Annotated[int, Meta(ge=-INTEGER_MAX, le=INTEGER_MAX, title="integer")]
Micros: TypeAlias = Annotated[int, Meta(ge=0, le=INTEGER_MAX, title="microseconds")]
HalfByte: TypeAlias = Annotated[int, Meta(ge=0, le=15, title="half byte")]
Type: TypeAlias = Annotated[Any, Meta(title="type")]
Binding: TypeAlias = Annotated[dict[str, Any], Meta(title="binding")]
Variable: TypeAlias = str | Annotated[dict[str, Any], Meta(title="variable")]
Time: TypeAlias = Annotated[datetime, Meta(tz=True, title="time")]


class Kind(Value, frozen=True, kw_only=True):
    """Base of the kinds."""

    def links(self) -> Iterable[Oid | None]:
        """Return the oids that the object names."""
        return ()

    def free(self) -> Iterable[Any]:
        """Return its values that may be any JSON, for which msgspec has no canonical form."""
        return ()


class Cache(Value, frozen=True, kw_only=True):
    """The wish that a task's result be used again, and what narrows or widens that."""

    environment: tuple[str, ...] | None = None  # only these distributions count; null: all
    max_age: Micros | None = None
    salt: str | None = None


class When(Value, frozen=True, kw_only=True):
    """The condition under which a task runs: a reference has a certain value."""

    is_: Any = msgspec.field(name="is", default=True)
    ref: str

    @property
    def words(self) -> str:
        """The condition as one says it: "params.full is true"."""
        return f"{self.ref} is {canonical.encode(self.is_).decode()}"


class Task(Kind, frozen=True, kw_only=True):
    """One step in canonical form: every field explicit, aliases resolved, without its own name.

    `command` is one line for the shell, or a list of words for exec. `inputs` maps a field to a
    binding: `{"const": value}`, `{"ref": "tasks.NAME.output..."}`, which may have an `else`,
    `{"each": ...}` or `{"file": path}`; `env` maps a variable to its text, a binding, or
    `{"secret": NAME}`.
    """

    cache: Cache | None = None
    command: str | tuple[str, ...] | None = None
    depends_on: tuple[Name, ...] = ()
    env: dict[str, Variable] = {}
    executor: Literal["python", "process", "library"]
    file: str | None = None
    fresh: bool = False
    function: str | None = None
    input_type: Type | None = None
    inputs: dict[str, Binding] = {}
    max_parallel: Count | None = None
    module: str | None = None
    on_upstream_failure: Literal["skip", "run"] = "skip"
    output_type: Type | None = None
    resources: dict[Name, Count] = {}
    retries: Count = 0
    retry_backoff: Count = BACKOFF_UNIT
    retry_delay: Micros = 0
    runs_on: Name | None = None
    shell: tuple[str, ...] | None = None
    timeout: Micros | None = 300 * SECOND
    when: When | None = None

    def __post_init__(self) -> None:
        for kind in (self.input_type, self.output_type):
            if kind is not None:
                _check_type(kind)
        for binding in self.inputs.values():
            _check_binding(binding)
        for entry in self.env.values():
            if not isinstance(entry, str) and entry.keys() != {"secret"}:
                _check_binding(entry)
            elif isinstance(entry, dict) and type(entry["secret"]) is not str:
                raise ValueError("a secret has the name of a variable")

    def cells(self) -> dict[str, object]:
        command = self.command if isinstance(self.command, str) else shlex.join(self.command or ())
        place = ":".join(filter(None, (self.file or self.module, self.function)))
        after = f"after {', '.join(self.depends_on)}" if self.depends_on else None
        return {"executor": self.executor, "executes": command or place, "after": after}

    @property
    def secrets(self) -> list[str]:
        """The names of the secrets that it asks for."""
        entries = (entry for entry in self.env.values() if isinstance(entry, dict))
        return [str(entry["secret"]) for entry in entries if "secret" in entry]

    def free(self) -> Iterable[Any]:
        condition = self.when.is_ if self.when else None
        return (self.inputs, self.env, self.input_type, self.output_type, condition)


class Param(Value, frozen=True, kw_only=True):
    """A parameter of a workflow."""

    default: Any
    required: bool
    type: Type | None

    def __post_init__(self) -> None:
        if self.type is not None:
            _check_type(self.type)


class FileEntry(Value, frozen=True, kw_only=True):
    """A code file in a tree."""

    blob: Link
    executable: bool


class Log(Value, frozen=True, kw_only=True):
    """Where an attempt's output lies: a path below the store's `logs/`, and the bytes in it."""

    length: Count | None = None  # null: to the end of the file
    offset: Count = 0
    path: str


class Attempt(Value, frozen=True, kw_only=True):
    """One try of a task. `exit` is a process's exit code, `signal` the number that killed it."""

    duration: Micros
    environment: Link | None = None  # null: the one of the run
    error: str | None = None
    exit: Integer | None = None
    host: str | None = None  # null: the one of the run
    log: Log | None = None
    number: Count
    place: Place | None = None  # null: the one of the run
    signal: Count | None = None
    started: Time
    state: TaskState
    tainted: tuple[str, ...] = ()  # captured files that changed while it executed them

    def __post_init__(self) -> None:
        _to_utc(self, "started")

    @property
    def seconds(self) -> float:
        """The duration in seconds."""
        return self.duration / SECOND

    @property
    def ended(self) -> datetime:
        """When it ended."""
        return self.started + timedelta(microseconds=self.duration)

    @property
    def reason(self) -> str | None:
        """Why it failed, in one line."""
        if self.state != "failed":
            return None
        return (self.error or "").partition("\n")[0] or "failed"


class Output(Value, frozen=True, kw_only=True):
    """The value that a task gave: the oid of its canonical JSON as a blob.

    A short value stands here as that text, and no blob is stored.
    """

    oid: Link
    text: str | None = None

    def __post_init__(self) -> None:
        if self.text is not None:
            data = canonical.frame("blob", self.text.encode())
            if canonical.hash_bytes(data) != self.oid or len(data) > INLINE_OUTPUT_BYTES_MAX:
                raise ValueError("the text of an output is short and has the hash of its oid")


def output_of(value: Json) -> tuple[Output, bytes, dict[Oid, bytes]]:
    """Return the output of a task as its record has it, its text, and the blob of a large one."""
    text = canonical.encode(value, "output")
    data = canonical.frame("blob", text)
    if len(data) <= INLINE_OUTPUT_BYTES_MAX:
        return _short_output(text), text, {}
    oid = canonical.hash_bytes(data)
    return Output(oid=oid), text, {oid: canonical.pack(data)}


@lru_cache(maxsize=64)  # many tasks give the same, nothing above all
def _short_output(text: bytes) -> Output:
    oid = canonical.hash_bytes(canonical.frame("blob", text))
    return Output(oid=oid, text=text.decode())


class TaskRun(Kind, frozen=True, kw_only=True):
    """The outcome of one task in one run."""

    attempts: tuple[Attempt, ...] = ()
    each: Link | None = None  # a blob: the lists that it was taken for
    key: Link | None = None  # that decides about reuse
    output: Output | None = None
    reason: str | None = None
    source: Link | None = None  # the taskrun whose output was used again
    state: TaskState
    task: Link

    def links(self) -> Iterable[Oid | None]:
        output = self.output.oid if self.output and self.output.text is None else None
        places = (attempt.environment for attempt in self.attempts)
        return (self.task, self.each, self.key, self.source, output, *places)

    @property
    def seconds(self) -> float | None:
        """How long its last attempt took; None if there was none."""
        return self.attempts[-1].seconds if self.attempts else None

    @property
    def last(self) -> Attempt | None:
        """The attempt that the state tells of; None if it failed before another one began."""
        attempt = self.attempts[-1] if self.attempts else None
        if attempt and self.state == "failed" and self.reason != attempt.reason:
            return None
        return attempt

    @property
    def is_unmet(self) -> bool:
        """Whether its condition did not hold, or that of a task whose output it takes."""
        other = self.output is not None or self.reason in (None, NOT_SELECTED)
        return self.state == "skipped" and not other

    @property
    def is_kept(self) -> bool:
        """Whether it was not executed because an earlier run gave its output."""
        return self.state == "skipped" and self.output is not None

    @property
    def called(self) -> str:
        """Its state as lists have it.

        Of those that were not executed: *kept* is one whose output an earlier run gave, *left out*
        one that was not asked for, *skipped* one that lacked what another task should have given,
        or whose condition did not hold.
        """
        if self.is_unmet or self.state == "upstream_failed":
            return "skipped"
        if self.state == "skipped":
            return "kept" if self.is_kept else "left out"
        return self.state

    def cells(self) -> dict[str, object]:
        count = len(self.attempts)
        return {
            "state": self.state,
            "attempts": f"{count} attempts" if count > 1 else None,
            "took": None if self.seconds is None else timedelta(seconds=self.seconds),
            "reason": self.reason,
        }


class TaskRuns(Mapping[str, TaskRun]):
    """The outcomes of tasks by their names; of many, each is read when it is asked for.

    As bytes they take a third of the memory, and reading costs time, so the first are kept read.
    """

    def __init__(self, taskruns: Iterable[tuple[str, TaskRun]]) -> None:
        encode, buffer = msgspec.msgpack.Encoder().encode_into, bytearray()

        def packed(taskrun: TaskRun) -> bytes:
            encode(_said(taskrun), buffer)
            return bytes(buffer)  # what `encode` returns has room to spare

        self._last: tuple[bytes, TaskRun] | None = None  # it is looked at several times in a row
        self._held: dict[str, TaskRun | bytes] = {}
        for number, (name, taskrun) in enumerate(taskruns):
            self._held[name] = taskrun if number < KEPT_READ_MAX else packed(taskrun)

    def ordered(self, names: Iterable[str]) -> "TaskRuns":
        """Return those of these names, in their order."""
        found = TaskRuns(())
        found._held = {name: self._held[name] for name in names if name in self._held}
        return found

    def __getitem__(self, name: str) -> TaskRun:
        held = self._held[name]
        if not isinstance(held, bytes):
            return held
        if self._last is None or self._last[0] is not held:
            self._last = held, _of_pack()(held)
        return self._last[1]

    def __contains__(self, name: object) -> bool:
        return name in self._held

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)


def _said(taskrun: TaskRun) -> dict[str, Any]:
    """Return the fields of an outcome but those of null, which is the default of each."""
    found = msgspec.to_builtins(taskrun, builtin_types=(datetime,))
    found["attempts"] = [*map(_without_null, found["attempts"])]
    return _without_null(found)


def _without_null(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


@cache
def _of_pack() -> Any:
    return msgspec.msgpack.Decoder(TaskRun).decode


class Leaf(Kind, frozen=True, kw_only=True, tag_field="of"):
    """Base of the leaves: entries sorted by the bytes of their names."""

    def __post_init__(self) -> None:
        entries: tuple[tuple[str, Any], ...] = self.entries  # type: ignore[attr-defined]
        names = [name for name, _ in entries]
        if len(names) > LEAF_ENTRIES_MAX or names != sorted(set(names)):
            raise ValueError(f"a leaf has at most {LEAF_ENTRIES_MAX} entries, sorted, each once")


class OidLeaf(Leaf, frozen=True, kw_only=True, tag="oids"):
    """A part of a map from names to objects."""

    entries: tuple[tuple[str, Link], ...] = ()

    def links(self) -> Iterable[Oid | None]:
        return [oid for _, oid in self.entries]


class FileLeaf(Leaf, frozen=True, kw_only=True, tag="files"):
    """A part of a map from paths to code files."""

    entries: tuple[tuple[str, FileEntry], ...] = ()

    def links(self) -> Iterable[Oid | None]:
        return [file.blob for _, file in self.entries]


class RunLeaf(Leaf, frozen=True, kw_only=True, tag="taskruns"):
    """A part of a map from names of tasks to their outcomes in one run."""

    entries: tuple[tuple[str, TaskRun], ...] = ()

    def links(self) -> Iterable[Oid | None]:
        return [oid for _, taskrun in self.entries for oid in taskrun.links()]


class Node(Kind, frozen=True, kw_only=True, tag_field="of", tag="trees"):
    """One level of a large map: half bytes of the hashed names, and the trees below."""

    children: Annotated[tuple[tuple[HalfByte, Link], ...], Meta(min_length=1)]
    depth: Annotated[int, Meta(ge=0, le=TREE_DEPTH_MAX, title="count")]

    def __post_init__(self) -> None:
        numbers = [number for number, _ in self.children]
        if numbers != sorted(set(numbers)):
            raise ValueError("children are sorted, each once")

    def links(self) -> Iterable[Oid | None]:
        return [oid for _, oid in self.children]


Tree: TypeAlias = OidLeaf | FileLeaf | RunLeaf | Node


class Snapshot(Kind, frozen=True, kw_only=True):
    """The immutable definition: a tree of tasks, a tree of code files, parameters. Content only."""

    files: Link
    params: dict[Name, Param] = {}
    task_count: Count
    tasks: Link

    def links(self) -> Iterable[Oid | None]:
        return (self.tasks, self.files)

    def free(self) -> Iterable[Any]:
        return [value for param in self.params.values() for value in (param.default, param.type)]


class Source(Value, frozen=True, kw_only=True):
    """The workflow file of a deploy: its path, and its text as one blob or as a tree of chunks."""

    blob: Link | None = None
    chunks: Link | None = None
    path: str

    def __post_init__(self) -> None:
        if (self.blob is None) == (self.chunks is None):
            raise ValueError("a source has either blob or chunks")

    @property
    def oid(self) -> Oid:
        """The blob of the text, or the tree of its chunks."""
        return self.blob or self.chunks  # type: ignore[return-value]


class Origin(Value, frozen=True, kw_only=True):
    """The git commit that a deploy came from; dirty when files differed from it."""

    commit: str
    dirty: bool


class Deploy(Kind, frozen=True, kw_only=True):
    """One entry of a workflow's history: what git calls a commit."""

    action: Literal["deploy", "rollback", "import"] = "deploy"
    author: str
    message: str
    origin: Origin | None = None
    parents: tuple[Link, ...]
    restores: Link | None = None  # the deploy whose content a rollback brought back
    settings: dict[str, Any]
    snapshot: Link
    source: Source
    time: Time
    workflow: Name

    def __post_init__(self) -> None:
        _to_utc(self, "time")

    def links(self) -> Iterable[Oid | None]:
        return (self.snapshot, self.source.oid, self.restores, *self.parents)

    def free(self) -> Iterable[Any]:
        return (self.settings,)

    @property
    def is_without_code(self) -> bool:
        """Whether it was imported from where no code was kept: not from a git commit."""
        return self.action == "import" and self.origin is None

    def has(self, snapshot: Oid, settings: Mapping[str, Json]) -> bool:
        """Say whether this is its content, so that to deploy it on top would change nothing."""
        return self.snapshot == snapshot and self.settings == dict(settings)

    def follows(self, before: "Deploy") -> bool:
        """Say whether this may come after another deploy: of its workflow, or as its new name."""
        same = self.has(before.snapshot, before.settings) and self.source == before.source
        return self.workflow == before.workflow or same

    def renamed(self, name: str, *, oid: Oid, time: datetime, author: str) -> "Deploy":
        """Return the deploy that may come after this one, `oid`, and has another name."""
        return msgspec.structs.replace(
            self,
            workflow=name,
            parents=(oid,),
            time=time,
            author=author,
            message=f"Rename {self.workflow} to {name}",
            origin=None,
            action="import" if self.is_without_code else "deploy",
            restores=None,
        )

    def cells(self) -> dict[str, object]:
        return {
            "workflow": self.workflow,
            "time": self.time,
            "author": name_of(self.author),
            "message": self.message.partition("\n")[0],
        }


class Run(Kind, frozen=True, kw_only=True):
    """One execution of a snapshot. Of one that goes on, refs `active/ID/` have what is new."""

    attempt: Count = 1  # a retry goes on with the same run: this counts up
    author: str
    base: Name | None = None  # the run whose outputs stand in for tasks that did not run
    created: Time
    deploy: Link | None
    duration: Micros | None = None  # of all attempts; by a clock that never goes back
    ended: Time | None = None
    environment: Link | None  # a blob: JSON of Python version, platform, installed distributions
    host: str
    id: Name
    number: Count
    params: Link | None = None  # a blob: JSON object, parameter -> value
    place: Place = "project"
    previous: Link | None = None  # the record as it was before the retry
    reason: str | None = None  # why it did not succeed, in words
    scheduled: Time | None = None  # the moment for which a schedule started it
    selected: tuple[Name, ...] | None = None  # the tasks that were asked for; null: all
    snapshot: Link
    state: RunState
    tasks: Link | None = None  # tree: task name -> its outcome
    trigger: str  # run | retry | bisect | schedule | queue
    workflow: Name

    def __post_init__(self) -> None:
        _to_utc(self, "created", "ended", "scheduled")

    def links(self) -> Iterable[Oid | None]:
        records = (self.deploy, self.previous, self.tasks)
        return (self.snapshot, self.environment, self.params, *records)

    @property
    def name(self) -> str:
        """What people call it: "etl#5"."""
        return f"{self.workflow}#{self.number}"

    @property
    def revision(self) -> str:
        """The text that means it: its name."""
        return self.name

    @property
    def seconds(self) -> float | None:
        """The duration in seconds."""
        return None if self.duration is None else self.duration / SECOND

    def cells(self) -> dict[str, object]:
        return {
            "run": self.name,
            "state": self.state,
            "began": self.created,
            "took": None if self.duration is None else timedelta(microseconds=self.duration),
            "reason": self.reason,
        }


class Operation(Kind, frozen=True, kw_only=True):
    """One command that moved refs: the chain of these is the reflog and the undo log."""

    argv: tuple[str, ...]
    author: str
    moves: tuple[tuple[str, Link | None, Link | None], ...]  # ref, old, new
    parent: Link | None
    time: Time

    def __post_init__(self) -> None:
        _to_utc(self, "time")

    def links(self) -> Iterable[Oid | None]:
        return (self.parent, *(oid for _, *ends in self.moves for oid in ends))

    @property
    def words(self) -> tuple[str, ...]:
        """The command and what stands behind it, without the options of ork itself before it."""
        words = iter(self.argv[1:])
        for word in words:
            if word in OWN_OPTIONS:
                next(words, None)
            elif not word.startswith("-") and word != "up:":  # which the page puts first
                return (word, *words)
        return ()

    @property
    def command(self) -> str:
        """What was typed, or called in Python: `ork undo --redo`, `project.undo(redo=True)`."""
        if self.argv[:1] != ("project",):
            return shlex.join(self.argv)
        _, method, *words = self.argv
        given = (f"{it[2:]}=True" if it.startswith("--") else repr(it) for it in words)
        return f"project.{method}({', '.join(given)})"

    def cells(self) -> dict[str, object]:
        return {"command": self.command, "author": name_of(self.author), "time": self.time}


class Tombstone(Kind, frozen=True, kw_only=True):
    """That an object was forgotten on purpose, and what is read in its place."""

    author: str
    object: Link  # is not there any more, so this is no link
    reason: str
    replacement: Link
    time: Time

    def __post_init__(self) -> None:
        _to_utc(self, "time")
        _check_oids((self.object,))

    def links(self) -> Iterable[Oid | None]:
        return (self.replacement,)


class Blob(Kind, frozen=True):
    """Raw bytes: a code file, the YAML text, an output."""

    data: bytes


Object: TypeAlias = Task | Tree | Snapshot | Deploy | Run | TaskRun | Operation | Tombstone | Blob

KINDS: dict[str, Any] = {
    "task": Task,
    "tree": Tree,
    "snapshot": Snapshot,
    "deploy": Deploy,
    "run": Run,
    "taskrun": TaskRun,
    "operation": Operation,
    "tombstone": Tombstone,
}
TREES = (OidLeaf, FileLeaf, RunLeaf, Node)
_KIND_OF = {cls: kind for kind, cls in KINDS.items() if kind != "tree"} | dict.fromkeys(
    TREES, "tree"
)
_HEADERS = {cls: canonical.frame(kind, b"") for cls, kind in _KIND_OF.items()}
_ENCODE = msgspec.json.Encoder(order="sorted").encode
FREE_DEPTH = 4  # of a payload, at the deepest place where a free value begins


def encode_object(value: Object) -> bytes:
    """Return the stored bytes of an object, header included; their hash is its name.

    Raise InvalidInput, with the place, for a text or number that no object may hold.
    """
    if isinstance(value, Blob):
        return canonical.frame("blob", value.data)
    if _is_plain(value):
        try:
            return _HEADERS[type(value)] + _ENCODE(value)
        except UnicodeEncodeError:
            pass  # `canonical.encode` says where
    return _HEADERS[type(value)] + canonical.encode(to_json(value))


class Packed(dict[Oid, bytes]):
    """Objects under their names, packed as a backend keeps them."""

    def add(self, value: Object) -> Oid:
        """Add an object and return its oid."""
        data = encode_object(value)
        oid = canonical.hash_bytes(data)
        if oid not in self:
            self[oid] = canonical.pack(data)
        return oid


def oid_of(value: Object) -> Oid:
    """Return the name of an object."""
    return canonical.hash_bytes(encode_object(value))


@cache
def _decoder(kind: str) -> Any:
    """Return what reads a kind of objects, which costs much to make and is not always needed."""
    return msgspec.json.Decoder(KINDS[kind]).decode


def decode_object(data: bytes) -> Object:
    """Return the object of stored bytes; raise Corrupt unless they are exactly of the format."""
    kind, payload = canonical.unframe(data)
    if kind == "blob":
        return Blob(payload)
    if kind not in KINDS:
        raise Corrupt(f"an object of an unknown kind, {kind!r}", hint="it needs a newer ork")
    try:
        value: Any = _decoder(kind)(payload)
        if _is_plain(value):
            same = _ENCODE(value) == payload
        else:
            # It may have numbers such as 1e20, which is written with all its digits.
            value = msgspec.convert(canonical.decode(payload), KINDS[kind])
            same = encode_object(value) == data
        _check_oids(value.links())
    except (ValueError, RecursionError, OverflowError, InvalidInput, Corrupt) as error:
        raise Corrupt(f"not a {kind}: {error}") from None
    if not same:
        raise Corrupt(f"not a {kind}: its bytes are not the canonical form of its fields")
    return value  # type: ignore[no-any-return]


class _Needs(msgspec.Struct, frozen=True):
    """The edges of a task; its other fields are passed over."""

    depends_on: tuple[Name, ...] = ()


@cache
def _needs_decoder() -> Any:
    return msgspec.json.Decoder(_Needs).decode


def decode_needs(data: bytes) -> tuple[str, ...]:
    """Return what a task depends on, of its stored bytes; nothing else of these is looked at."""
    kind, payload = canonical.unframe(data)
    if kind != "task":
        raise Corrupt(f"a {kind} where a task should be")
    try:
        found: tuple[str, ...] = _needs_decoder()(payload).depends_on
    except ValueError as error:
        raise Corrupt(f"not a task: {error}") from None
    return found


def _is_plain(value: Object) -> bool:
    """Say whether msgspec writes this object as RFC 8785 does."""
    return canonical.is_plain([*value.free()], FREE_DEPTH - 1)


def kind_of(value: Object) -> str:
    """Return the kind word of an object: blob, task, tree..."""
    return "blob" if isinstance(value, Blob) else _KIND_OF[type(value)]


def to_json(value: Any) -> Any:
    """Return the payload of an object as a JSON value, every field explicit."""
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    return to_json(msgspec.to_builtins(value)) if isinstance(value, Value) else value


def is_name(text: object) -> bool:
    """Say whether this is a valid name of a workflow, task, tag or run."""
    return isinstance(text, str) and NAME_PATTERN.fullmatch(text) is not None


def is_oid(text: object) -> bool:
    """Say whether this is a full oid."""
    return isinstance(text, str) and _OID.fullmatch(text) is not None


def is_path(text: str) -> bool:
    """Say whether this is a path that stays below the folder that it is relative to, and names one.

    With `/` between its parts, none of which is empty, `.` or `..`.
    """
    return "\0" not in text and {"", ".", ".."}.isdisjoint(text.split("/"))


def format_time(time: datetime) -> str:
    """Return a time as objects write it: UTC, RFC 3339, six digits of a second or none."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_time(text: str) -> datetime:
    """Return the time of `format_time`; raise ValueError on any other form."""
    time = datetime.fromisoformat(text)
    if time.tzinfo is not UTC or format_time(time) != text:
        raise ValueError(f"not a time as ork writes it: {text!r}")
    return time


def micros(seconds: float) -> int:
    """Return seconds as objects keep them."""
    return round(seconds * SECOND)


def _check_oids(oids: Iterable[str | None]) -> None:
    joined = "".join(filter(None, oids))
    try:
        same = bytes.fromhex(joined).hex() == joined
    except ValueError:
        same = False
    if not same:
        raise ValueError("an oid has 64 digits, 0-9 and a-f")


def _to_utc(value: Value, *names: str) -> None:
    """Turn times of other zones into UTC; a stored one then has other bytes, and is refused."""
    for name in names:
        time = getattr(value, name)
        if time is not None and time.tzinfo is not UTC:
            msgspec.structs.force_setattr(value, name, time.astimezone(UTC))


def _check_type(kind: Json) -> None:
    """Check a type without aliases: a word, a list of one type, or field -> type."""
    if isinstance(kind, dict):
        for inner in kind.values():
            if inner not in SCALARS:  # one call less for most of them
                _check_type(inner)
    elif isinstance(kind, list) and len(kind) == 1:
        _check_type(kind[0])
    elif kind not in SCALARS:
        raise ValueError(f"{kind!r} is not a type")


_BINDINGS = ({"const"}, {"ref"}, {"ref", "else"}, {"each"}, {"file"})


def _check_binding(binding: dict[str, Json]) -> None:
    if binding.keys() not in _BINDINGS:
        raise ValueError("a binding has const, ref, each or file, and a ref may have else")
    if type(binding.get("ref", "")) is not str or type(binding.get("file", "")) is not str:
        raise ValueError("ref and file have a text")
    if "each" in binding and not isinstance(binding["each"], str | list):
        raise ValueError("each has a reference or a list")
