"""Every kind of object: encode and decode are inverse, and nothing else is let in."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from ork.errors import Corrupt, InvalidInput
from ork.objects import canonical, kinds
from ork.objects.canonical import INTEGER_MAX, frame, hash_bytes
from ork.objects.kinds import (
    LEAF_ENTRIES_MAX,
    RUN_STATES,
    TASK_STATES,
    Attempt,
    Blob,
    Cache,
    Deploy,
    FileEntry,
    FileLeaf,
    Log,
    Node,
    OidLeaf,
    Operation,
    Origin,
    Output,
    Param,
    Run,
    RunLeaf,
    Snapshot,
    Source,
    Task,
    TaskRun,
    TaskRuns,
    Tombstone,
    When,
    decode_object,
    encode_object,
    format_time,
    is_name,
    is_oid,
    kind_of,
    to_json,
)
from ork.objects.value import replace
from tests.scale import examples

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
names = st.from_regex(kinds.NAME_PATTERN, fullmatch=True)
oids = st.integers(0, 2**256 - 1).map(lambda n: f"{n:064x}")
counts = st.integers(0, INTEGER_MAX)
times = st.datetimes(timezones=st.just(UTC))
values = st.recursive(
    st.none() | st.booleans() | counts | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
mappings = st.dictionaries(texts, values, max_size=3)


def maybe(strategy):
    return st.none() | strategy


def tuples(strategy):
    return st.lists(strategy, max_size=3).map(tuple)


types = st.recursive(
    st.sampled_from(kinds.SCALARS),
    lambda inner: inner.map(lambda one: [one]) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
references = st.fixed_dictionaries({"ref": texts}, optional={"else": values})
bindings = (
    references
    | st.fixed_dictionaries({"const": values})
    | st.fixed_dictionaries({"file": texts})
    | st.fixed_dictionaries({"each": texts | st.lists(values, max_size=2)})
)
variables = texts | bindings | st.fixed_dictionaries({"secret": texts})
tasks = st.builds(
    Task,
    executor=st.sampled_from(["python", "process", "library"]),
    file=maybe(texts),
    module=maybe(texts),
    command=maybe(texts | tuples(texts)),
    function=maybe(texts),
    depends_on=tuples(names),
    input_type=maybe(types),
    output_type=maybe(types),
    inputs=st.dictionaries(texts, bindings, max_size=3),
    env=st.dictionaries(texts, variables, max_size=3),
    timeout=maybe(counts),
    retries=counts,
    retry_delay=counts,
    retry_backoff=counts,
    on_upstream_failure=st.sampled_from(["skip", "run"]),
    cache=maybe(
        st.builds(Cache, environment=maybe(tuples(texts)), max_age=maybe(counts), salt=maybe(texts))
    ),
    fresh=st.booleans(),
    max_parallel=maybe(counts),
    resources=st.dictionaries(names, counts, max_size=2),
    runs_on=maybe(names),
    shell=maybe(tuples(texts)),
    when=maybe(st.builds(When, ref=texts, is_=values)),
)
file_entries = st.builds(FileEntry, blob=oids, executable=st.booleans())


def leaves(cls, entries):
    return st.dictionaries(texts, entries, max_size=6).map(
        lambda found: cls(entries=tuple(sorted(found.items())))
    )


nodes = st.builds(
    lambda below, depth: Node(children=tuple(sorted(below.items())), depth=depth),
    st.dictionaries(st.integers(0, 15), oids, min_size=1, max_size=6),
    st.integers(0, 63),
)
params = st.builds(Param, type=maybe(types), required=st.booleans(), default=values)
snapshots = st.builds(
    Snapshot,
    tasks=oids,
    files=oids,
    task_count=counts,
    params=st.dictionaries(names, params, max_size=2),
)
sources = st.builds(Source, path=texts, blob=oids) | st.builds(Source, path=texts, chunks=oids)
deploys = st.builds(
    Deploy,
    workflow=names,
    snapshot=oids,
    parents=tuples(oids),
    time=times,
    author=texts,
    message=texts,
    settings=mappings,
    source=sources,
    origin=maybe(st.builds(Origin, commit=texts, dirty=st.booleans())),
    action=st.sampled_from(["deploy", "rollback", "import"]),
    restores=maybe(oids),
)
runs = st.builds(
    Run,
    id=names,
    workflow=names,
    number=counts,
    snapshot=oids,
    deploy=maybe(oids),
    state=st.sampled_from(RUN_STATES),
    trigger=texts,
    author=texts,
    host=texts,
    environment=maybe(oids),
    created=times,
    ended=maybe(times),
    duration=maybe(counts),
    place=st.sampled_from(["project", "checkout", "sealed"]),
    selected=maybe(tuples(names)),
    scheduled=maybe(times),
    params=maybe(oids),
    previous=maybe(oids),
    base=maybe(names),
    attempt=counts,
    tasks=maybe(oids),
    reason=maybe(texts),
)
attempts = st.builds(
    Attempt,
    number=counts,
    state=st.sampled_from(TASK_STATES),
    started=times,
    duration=counts,
    exit=maybe(st.integers(-255, 255)),
    signal=maybe(counts),
    error=maybe(texts),
    log=maybe(st.builds(Log, path=texts, offset=counts, length=maybe(counts))),
    host=maybe(texts),
    environment=maybe(oids),
    place=maybe(st.sampled_from(["project", "checkout", "sealed"])),
    tainted=tuples(texts),
)
outputs = st.builds(Output, oid=oids) | values.map(
    lambda value: (lambda data: Output(oid=hash_bytes(frame("blob", data)), text=data.decode()))(
        canonical.encode(value)
    )
)
taskruns = st.builds(
    TaskRun,
    task=oids,
    state=st.sampled_from(TASK_STATES),
    output=maybe(outputs),
    each=maybe(oids),
    key=maybe(oids),
    source=maybe(oids),
    attempts=tuples(attempts),
    reason=maybe(texts),
)
operations = st.builds(
    Operation,
    parent=maybe(oids),
    time=times,
    author=texts,
    argv=tuples(texts),
    moves=tuples(st.tuples(texts, maybe(oids), maybe(oids))),
)
tombstones = st.builds(
    Tombstone, author=texts, object=oids, reason=texts, replacement=oids, time=times
)
blobs = st.builds(Blob, st.binary())
KINDS = {
    "blob": blobs,
    "task": tasks,
    "tree": leaves(OidLeaf, oids)
    | leaves(FileLeaf, file_entries)
    | leaves(RunLeaf, taskruns)
    | nodes,
    "snapshot": snapshots,
    "deploy": deploys,
    "run": runs,
    "taskrun": taskruns,
    "operation": operations,
    "tombstone": tombstones,
}
EXAMPLES = {
    "task": Task(executor="python", file="a.py", command=("a", "b"), env={"A": {"secret": "B"}}),
    "snapshot": Snapshot(tasks="a" * 64, files="b" * 64, task_count=1),
    "deploy": Deploy(
        workflow="etl",
        snapshot="a" * 64,
        parents=(),
        time=datetime(2026, 11, 1, tzinfo=UTC),
        author="Ann",
        message="",
        settings={},
        source=Source(path="etl.yaml", blob="b" * 64),
        origin=Origin(commit="c", dirty=False),
    ),
    "run": Run(
        id="r1",
        workflow="etl",
        number=1,
        snapshot="a" * 64,
        deploy=None,
        state="running",
        trigger="run",
        author="Ann",
        host="here",
        environment=None,
        created=datetime(2026, 11, 1, tzinfo=UTC),
    ),
    "taskrun": TaskRun(
        task="a" * 64,
        state="success",
        attempts=(
            Attempt(
                number=1, state="success", started=datetime(2026, 11, 1, tzinfo=UTC), duration=5
            ),
        ),
    ),
    "operation": Operation(
        parent=None,
        time=datetime(2026, 11, 1, tzinfo=UTC),
        author="Ann",
        argv=("ork", "deploy"),
        moves=(("workflows/etl", None, "a" * 64),),
    ),
    "tombstone": Tombstone(
        author="Ann",
        object="a" * 64,
        reason="a password",
        replacement="b" * 64,
        time=datetime(2026, 11, 1, tzinfo=UTC),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=examples(60))
@given(data=st.data())
def test_encode_and_decode_are_inverse(kind, data):
    value = data.draw(KINDS[kind])
    stored = encode_object(value)
    assert decode_object(stored) == value
    assert encode_object(decode_object(stored)) == stored
    assert kind_of(value) == kind


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "blob"])
@settings(deadline=None, max_examples=examples(30))
@given(data=st.data())
def test_the_payload_is_plain_rfc8785_with_every_field_explicit(kind, data):
    value = data.draw(KINDS[kind])
    payload = to_json(value)
    assert encode_object(value) == b"ork1 " + kind.encode() + b"\n" + rfc8785.dumps(payload)
    fields = {field.encode_name for field in msgspec.structs.fields(value)}
    assert payload.keys() - {"of"} == fields


def test_a_blob_holds_any_bytes_and_its_kind_makes_it_another_object():
    assert encode_object(Blob(b"\x00\xff")) == b"ork1 blob\n\x00\xff"
    stored = encode_object(EXAMPLES["snapshot"])
    assert encode_object(Blob(canonical.unframe(stored)[1])) != stored


def corrupt(kind, payload):
    with pytest.raises(Corrupt):
        decode_object(frame(kind, canonical.encode(payload)))


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_missing_or_unknown_field_is_corrupt(kind):
    payload = to_json(EXAMPLES[kind])
    assert decode_object(frame(kind, canonical.encode(payload))) == EXAMPLES[kind]
    corrupt(kind, {**payload, "later": 1})
    for name in payload:
        corrupt(kind, {key: value for key, value in payload.items() if key != name})


@pytest.mark.parametrize("kind", EXAMPLES)
@settings(deadline=None, max_examples=examples(60))
@given(data=st.data())
def test_whatever_a_field_holds_the_object_is_read_back_exactly_or_is_corrupt(kind, data):
    payload = to_json(EXAMPLES[kind])
    payload[data.draw(st.sampled_from(sorted(payload)))] = data.draw(values)
    stored = frame(kind, canonical.encode(payload))
    try:
        value = decode_object(stored)
    except Corrupt:
        return
    assert encode_object(value) == stored


@pytest.mark.parametrize(
    ("kind", "field", "wrong"),
    [
        ("task", "executor", "shell"),
        ("task", "file", 1),
        ("task", "command", {"a": 1}),
        ("task", "command", ["a", 1]),
        ("task", "depends_on", "extract"),
        ("task", "depends_on", ["../extract"]),
        ("task", "input_type", []),
        ("task", "input_type", ["int", "str"]),
        ("task", "input_type", {"a": {"b": "text"}}),
        ("task", "output_type", 5),
        ("task", "output_type", True),
        ("task", "output_type", [None]),
        ("task", "inputs", {"a": 1}),
        ("task", "inputs", {"a": {}}),
        ("task", "inputs", {"a": {"ref": 1}}),
        ("task", "inputs", {"a": {"const": 1, "ref": "tasks.b.output"}}),
        ("task", "env", {"A": 1}),
        ("task", "env", {"A": {"secret": 1}}),
        ("task", "env", {"A": {"secret": "a", "b": "c"}}),
        ("task", "timeout", -1),
        ("task", "timeout", "300"),
        ("task", "timeout", 0.5),
        ("task", "cache", {}),
        ("task", "cache", True),
        ("task", "when", {"ref": "params.full"}),
        ("task", "shell", "sh"),
        ("task", "fresh", 1),
        ("task", "resources", {"memory": "2GiB"}),
        ("task", "inputs", {"a": {"const": 1, "else": 2}}),
        ("task", "inputs", {"a": {"each": 1}}),
        ("task", "inputs", {"a": {"file": 1}}),
        ("task", "timeout", True),
        ("task", "retries", 1.5),
        ("task", "retries", True),
        ("task", "on_upstream_failure", ["skip"]),
        ("snapshot", "tasks", "A" * 64),
        ("snapshot", "tasks", "a" * 63),
        ("snapshot", "files", None),
        ("snapshot", "task_count", -1),
        ("snapshot", "params", {"a": {"type": ["text"], "required": True, "default": None}}),
        ("deploy", "workflow", "a b"),
        ("deploy", "workflow", ""),
        ("deploy", "workflow", "x" * 129),
        ("deploy", "workflow", "etl\n"),
        ("deploy", "parents", ["a"]),
        ("deploy", "time", "2026-11-01T00:00:00+00:00"),
        ("deploy", "time", "0001-01-01T00:00:00+02:00"),
        ("deploy", "time", "2026-11-01T02:00:00+02:00"),
        ("deploy", "time", "2026-11-01T00:00:00"),
        ("deploy", "time", "2026-11-01 00:00:00Z"),
        ("deploy", "time", "2026-11-01T00:00:00.250Z"),
        ("deploy", "time", "2026-11-01T00:00:00.000000Z"),
        ("deploy", "time", "2026-11-01T00:00:00.000Z"),
        ("deploy", "time", "2026-11-01T00:00:00.000000+00:00"),
        ("deploy", "time", "2026-02-30T00:00:00Z"),
        ("deploy", "time", "٢026-11-01T00:00:00Z"),
        ("deploy", "time", 0),
        ("deploy", "settings", []),
        ("deploy", "source", {"path": "a", "blob": "a" * 64, "chunks": "a" * 64}),
        ("deploy", "source", {"path": "a", "blob": "a", "chunks": None}),
        ("deploy", "source", {"path": "a", "blob": "a" * 64}),
        ("deploy", "source", {"path": "a", "blob": None, "chunks": None}),
        ("deploy", "source", {"path": 1, "blob": "a" * 64, "chunks": None}),
        ("deploy", "source", "a"),
        ("deploy", "origin", {"commit": "a"}),
        ("deploy", "origin", {"commit": "a", "dirty": 1}),
        ("deploy", "action", "undo"),
        ("deploy", "restores", "etl~1"),
        ("run", "state", "skipped"),
        ("run", "number", "1"),
        ("run", "duration", -1),
        ("run", "duration", 0.5),
        ("run", "place", "elsewhere"),
        ("run", "selected", ["a b"]),
        ("run", "ended", "yesterday"),
        ("taskrun", "state", "done"),
        ("taskrun", "attempts", [{}]),
        ("taskrun", "output", {"oid": "a" * 64}),
        ("taskrun", "output", {"oid": "a" * 64, "text": "1"}),
        ("taskrun", "output", "a" * 64),
        ("taskrun", "attempts", [1]),
        ("operation", "argv", "ork deploy"),
        ("operation", "moves", [["workflows/etl", None]]),
        ("operation", "moves", ["abc"]),
        ("operation", "moves", [["workflows/etl", "a", None]]),
    ],
)
def test_a_field_of_a_wrong_shape_is_corrupt(kind, field, wrong):
    corrupt(kind, {**to_json(EXAMPLES[kind]), field: wrong})


OID = "a" * 64
OIDS = (
    None,
    {},
    ["ab"],
    [{"a": 1, "b": OID}],
    [["a", OID, OID]],
    [[1, OID]],
    [["a", None]],
    [["a", "a"]],
    [["a", OID.upper()]],
    [["a", {"blob": OID, "executable": True}]],
    [["b", OID], ["a", OID]],
    [["a", OID], ["a", OID]],
    [["😀", OID], ["\ufb33", OID]],
)
FILES = (
    [["a", OID]],
    [["a", {"blob": OID}]],
    [["a", {"blob": OID, "executable": 1}]],
    [["a", {"blob": "b", "executable": True}]],
    [["a", {"blob": OID, "executable": True, "mode": 1}]],
)
CHILDREN = (
    [],
    [[16, OID]],
    [[-1, OID]],
    [[1, OID], [0, OID]],
    [[0, OID], [0, OID]],
    [[0, "a"]],
    ["ab"],
)


@pytest.mark.parametrize(
    "payload",
    [
        [],
        {},
        {"entries": []},
        {"entries": [], "of": "trees"},
        {"entries": [], "of": "blobs"},
        {"entries": [], "of": "oids", "depth": 0},
        {"children": [[0, OID]], "depth": 0, "of": "oids"},
        *({"entries": entries, "of": "oids"} for entries in OIDS),
        *({"entries": entries, "of": "files"} for entries in FILES),
        *({"entries": entries, "of": "taskruns"} for entries in ([["a", OID]], [["a", {}]])),
        *({"children": children, "depth": 0, "of": "trees"} for children in CHILDREN),
        {"children": [[0, OID]], "of": "trees"},
        *({"children": [[0, OID]], "depth": n, "of": "trees"} for n in ("0", -1, 64, 0.5, None)),
    ],
)
def test_a_tree_of_a_wrong_shape_is_corrupt(payload):
    corrupt("tree", payload)


def test_a_leaf_has_64_entries_at_most():
    full = [[f"{index:03d}", OID] for index in range(LEAF_ENTRIES_MAX)]
    payload = {"entries": full, "of": "oids"}
    assert len(decode_object(frame("tree", canonical.encode(payload))).entries) == 64
    corrupt("tree", {**payload, "entries": [*full, ["zzz", OID]]})


@pytest.mark.parametrize("kind", EXAMPLES)
def test_bytes_that_are_not_canonical_are_corrupt(kind):
    stored = encode_object(EXAMPLES[kind])
    for other in (stored + b"\n", stored.replace(b":", b": ", 1), stored[:-1], stored[:20]):
        with pytest.raises(Corrupt):
            decode_object(other)


def test_an_unknown_kind_is_refused_and_asks_for_a_newer_ork():
    with pytest.raises(Corrupt, match="unknown kind") as caught:
        decode_object(b"ork1 commit\n{}")
    assert caught.value.hint == "it needs a newer ork"


@settings(deadline=None, max_examples=examples(200))
@given(st.sampled_from(sorted(KINDS)), st.binary(max_size=60))
def test_arbitrary_payloads_are_read_back_exactly_or_corrupt(kind, payload):
    stored = frame(kind, payload)
    try:
        value = decode_object(stored)
    except Corrupt:
        return
    assert encode_object(value) == stored


@settings(deadline=None)
@given(times)
def test_a_time_is_written_in_one_form_as_objects_have_it(time):
    assert msgspec.json.decode(msgspec.json.encode(time)) == format_time(time)


def test_a_time_of_another_zone_is_written_in_utc():
    there = datetime(2026, 11, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert format_time(there) == "2026-10-31T23:30:00Z"
    stored = encode_object(replace(EXAMPLES["deploy"], time=there))
    assert b'"time":"2026-10-31T23:30:00Z"' in stored
    assert decode_object(stored).time == there


def test_what_no_object_may_hold_is_told_with_its_place():
    task = Task(executor="process", command="a\ud800")
    with pytest.raises(InvalidInput, match="command: the text has a lone surrogate"):
        encode_object(task)
    for number, words in ((2**53, "only a text"), (float("nan"), "not a JSON number")):
        with pytest.raises(InvalidInput, match=rf"inputs.a.const.b\[1\]: .*{words}"):
            encode_object(Task(executor="process", inputs={"a": {"const": {"b": [0, number]}}}))


def test_an_integer_beyond_what_json_holds_is_corrupt():
    data = encode_object(Task(executor="process", timeout=7))
    with pytest.raises(Corrupt):
        decode_object(data.replace(b'"timeout":7', b'"timeout":9007199254740992'))


def deep(levels):
    return json.loads("[" * levels + "]" * levels)


def test_a_payload_has_at_most_64_levels():
    fits = Task(executor="process", inputs={"a": {"const": deep(61)}})
    assert decode_object(encode_object(fits)) == fits
    over = Task(executor="process", inputs={"a": {"const": deep(62)}})
    with pytest.raises(InvalidInput, match="64 levels"):
        encode_object(over)
    data = encode_object(fits).replace(b"[]", b"[[]]", 1)
    with pytest.raises(Corrupt):
        decode_object(data)


def test_every_oid_of_an_object_is_among_its_links():
    """Each oid is another digit sixty-four times; a short output has no object of its own."""
    attempt = replace(EXAMPLES["taskrun"].attempts[0], environment="5" * 64)
    text = Output(oid=hash_bytes(b"ork1 blob\n1"), text="1")
    taskrun = TaskRun(
        task="1" * 64,
        state="success",
        each="2" * 64,
        key="3" * 64,
        source="4" * 64,
        output=text,
        attempts=(attempt,),
    )
    large = replace(taskrun, output=Output(oid="6" * 64))
    values = [
        taskrun,
        large,
        RunLeaf(entries=(("a", taskrun), ("b", large))),
        OidLeaf(entries=(("a", "1" * 64), ("b", "2" * 64))),
        FileLeaf(entries=(("a", FileEntry(blob="1" * 64, executable=True)),)),
        Node(children=((0, "1" * 64), (9, "2" * 64)), depth=0),
        EXAMPLES["snapshot"],
        replace(EXAMPLES["deploy"], parents=("1" * 64, "2" * 64), restores="3" * 64),
        replace(EXAMPLES["deploy"], source=Source(path="a", chunks="7" * 64)),
        replace(
            EXAMPLES["run"],
            deploy="1" * 64,
            environment="2" * 64,
            params="3" * 64,
            previous="4" * 64,
            tasks="5" * 64,
        ),
        replace(EXAMPLES["operation"], parent="2" * 64, moves=(("a", "3" * 64, "4" * 64),)),
    ]
    for value in values:
        inside = {text for text in _texts(to_json(value)) if is_oid(text)} - {text.oid}
        assert set(filter(None, value.links())) == inside


def _texts(value):
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, (list, tuple)):
        return [text for item in value for text in _texts(item)]
    return [value]


@pytest.mark.parametrize("text", ["a", "_", "0", "A.b-c_9", "x" * 128])
def test_names(text):
    assert is_name(text)


@pytest.mark.parametrize("text", ["", ".a", "-a", "a b", "a/b", "é", "a\n", "x" * 129, None, 1])
def test_not_names(text):
    assert not is_name(text)


def test_an_oid_is_64_lower_case_hex_digits():
    assert is_oid("0123456789abcdef" * 4)
    for wrong in ("", "A" * 64, "a" * 63, "a" * 65, "a" * 63 + "\n", "٣" * 64, None, 1):
        assert not is_oid(wrong)


@pytest.mark.slow
@settings(deadline=None, max_examples=examples(100))
@given(st.dictionaries(texts, taskruns, max_size=4))
def test_packed_outcomes_are_read_as_they_were(states):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kinds, "KEPT_READ_MAX", 1)
        packed = TaskRuns(states.items())
    assert packed == states
    names = sorted(states, reverse=True)
    assert list(packed.ordered(["no such task\n", *names]).items()) == [
        (name, states[name]) for name in names
    ]
