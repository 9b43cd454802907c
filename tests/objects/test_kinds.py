"""Every kind of object: encode and decode are inverse, and nothing else is let in."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta, timezone

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from ork.errors import Corrupt
from ork.objects import canonical, shapes
from ork.objects.canonical import INTEGER_MAX, frame
from ork.objects.kinds import (
    LEAF_ENTRIES_MAX,
    RUN_STATES,
    TASK_STATES,
    Attempt,
    Blob,
    Deploy,
    Operation,
    Run,
    Snapshot,
    Task,
    TaskRun,
    Tree,
    decode_object,
    encode_object,
    format_time,
    is_name,
    is_oid,
    kind_of,
    parse_time,
    to_json,
)
from tests.scale import examples

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
names = st.from_regex(shapes.NAME_PATTERN, fullmatch=True)
oids = st.integers(0, 2**256 - 1).map(lambda n: f"{n:064x}")
counts = st.integers(0, INTEGER_MAX)
seconds = counts | st.floats(0, 1e12)
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
    st.sampled_from(shapes.SCALARS),
    lambda inner: inner.map(lambda one: [one]) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
bindings = st.fixed_dictionaries({"const": values}) | st.fixed_dictionaries({"ref": texts})
variables = texts | st.fixed_dictionaries({"secret": texts})
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
    timeout=seconds,
    retries=counts,
    retry_delay=seconds,
    retry_backoff=seconds,
    on_upstream_failure=st.sampled_from(["skip", "run"]),
)
entries = oids | st.fixed_dictionaries({"blob": oids, "executable": st.booleans()})
leaves = st.dictionaries(texts, entries, max_size=6).map(
    lambda found: Tree(entries=tuple(sorted(found.items(), key=lambda item: item[0].encode())))
)
nodes = st.builds(
    lambda below, depth: Tree(children=tuple(sorted(below.items())), depth=depth),
    st.dictionaries(st.integers(0, 255), oids, min_size=1, max_size=6),
    st.integers(0, 31),
)
snapshots = st.builds(Snapshot, tasks=oids, files=oids, task_count=counts)
sources = st.fixed_dictionaries({"path": texts, "blob": oids}) | st.fixed_dictionaries(
    {"path": texts, "chunks": oids}
)
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
    origin=maybe(st.fixed_dictionaries({"commit": texts, "dirty": st.booleans()})),
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
    seconds=maybe(seconds),
    tasks=maybe(oids),
    reason=maybe(texts),
)
attempts = st.builds(
    Attempt,
    number=counts,
    state=st.sampled_from(TASK_STATES),
    started=times,
    seconds=seconds,
    exit=maybe(st.integers(-255, 255)),
    signal=maybe(counts),
    error=maybe(texts),
    log=maybe(texts),
)
taskruns = st.builds(
    TaskRun,
    task=oids,
    state=st.sampled_from(TASK_STATES),
    inputs=maybe(oids),
    output=maybe(oids),
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
blobs = st.builds(Blob, st.binary())
KINDS = {
    "blob": blobs,
    "task": tasks,
    "tree": leaves | nodes,
    "snapshot": snapshots,
    "deploy": deploys,
    "run": runs,
    "taskrun": taskruns,
    "operation": operations,
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
        source={"path": "etl.yaml", "blob": "b" * 64},
        origin={"commit": "c", "dirty": False},
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
                number=1, state="success", started=datetime(2026, 11, 1, tzinfo=UTC), seconds=0.5
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
    if kind != "tree":
        assert payload.keys() == {field.name for field in dataclasses.fields(value)}


def test_a_number_of_seconds_is_one_value_however_it_is_written():
    assert encode_object(Task(executor="process", timeout=300)) == encode_object(
        Task(executor="process", timeout=300.0)
    )


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
        ("deploy", "time", "2026-11-01T00:00:00Z"),
        ("deploy", "time", "2026-11-01T00:00:00.000Z"),
        ("deploy", "time", "2026-11-01T00:00:00.000000+00:00"),
        ("deploy", "time", "2026-02-30T00:00:00.000000Z"),
        ("deploy", "time", "٢026-11-01T00:00:00.000000Z"),
        ("deploy", "time", 0),
        ("deploy", "settings", []),
        ("deploy", "source", {"path": "a", "blob": "a" * 64, "chunks": "a" * 64}),
        ("deploy", "source", {"path": "a", "blob": "a"}),
        ("deploy", "source", {"path": 1, "blob": "a" * 64}),
        ("deploy", "source", "a"),
        ("deploy", "origin", {"commit": "a"}),
        ("deploy", "origin", {"commit": "a", "dirty": 1}),
        ("deploy", "action", "undo"),
        ("deploy", "restores", "etl~1"),
        ("run", "state", "skipped"),
        ("run", "number", "1"),
        ("run", "seconds", -0.1),
        ("run", "ended", "yesterday"),
        ("taskrun", "state", "done"),
        ("taskrun", "attempts", [{}]),
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


@pytest.mark.parametrize(
    "payload",
    [
        [],
        {},
        {"entries": None},
        {"entries": {}},
        {"entries": ["ab"]},
        {"entries": [{"a": 1, "b": OID}]},
        {"entries": [["a", OID, OID]]},
        {"entries": [[1, OID]]},
        {"entries": [["a", None]]},
        {"entries": [["a", "a"]]},
        {"entries": [["a", {"blob": OID}]]},
        {"entries": [["a", {"blob": OID, "executable": 1}]]},
        {"entries": [["a", {"blob": "b", "executable": True}]]},
        {"entries": [["a", {"blob": OID, "executable": True, "mode": 1}]]},
        {"entries": [["b", OID], ["a", OID]]},
        {"entries": [["a", OID], ["a", OID]]},
        {"entries": [["😀", OID], ["\ufb33", OID]]},
        {"entries": [], "children": [], "depth": 0},
        {"children": [], "depth": 0},
        {"children": [[0, OID]]},
        {"children": [[256, OID]], "depth": 0},
        {"children": [[-1, OID]], "depth": 0},
        {"children": [[1, OID], [0, OID]], "depth": 0},
        {"children": [[0, OID], [0, OID]], "depth": 0},
        {"children": [[0, "a"]], "depth": 0},
        {"children": [[0, OID]], "depth": "0"},
        {"children": ["ab"], "depth": 0},
    ],
)
def test_a_tree_of_a_wrong_shape_is_corrupt(payload):
    corrupt("tree", payload)


def test_a_leaf_has_256_entries_at_most():
    full = [[f"{index:03d}", OID] for index in range(LEAF_ENTRIES_MAX)]
    assert len(decode_object(frame("tree", canonical.encode({"entries": full}))).entries) == 256
    corrupt("tree", {"entries": [*full, ["zzz", OID]]})


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
def test_times_are_written_in_one_form_that_reads_back(time):
    text = format_time(time)
    assert len(text) == 27
    assert parse_time(text) == time
    assert format_time(parse_time(text)) == text


def test_a_time_of_another_zone_is_written_in_utc():
    there = datetime(2026, 11, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert format_time(there) == "2026-10-31T23:30:00.000000Z"


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
