"""What is recognised by a pattern is what the long way gives; all else is left to the long way."""

import sys
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ork.errors import Corrupt
from ork.objects import recognise
from ork.objects.kinds import Blob, Deploy, Snapshot, Tree, decode_object, encode_object
from tests.objects.test_kinds import deploys, leaves, snapshots
from tests.scale import examples

DEPLOY = Deploy(
    workflow="etl",
    snapshot="a" * 64,
    parents=("b" * 64,),
    author="Ann <ann@example.org>",
    time=datetime(2026, 11, 1, 9, 30, tzinfo=UTC),
    message='Say "hi"\n\nWhy: \\ é 😀',
    settings={"description": "Rows\tand rows", "max_parallel": 4},
    source={"path": "etl.yaml", "blob": "c" * 64},
    origin={"commit": "1" * 40, "dirty": True},
)
SNAPSHOT = Snapshot(tasks="a" * 64, files="b" * 64, task_count=20)
LEAF = Tree(entries=(("a", "a" * 64), ("b", "b" * 64), ("é", "c" * 64)))
READERS = {Deploy: recognise.deploy, Snapshot: recognise.snapshot, Tree: recognise.leaf}


@pytest.fixture(autouse=True)
def at_once():
    """Let neither way wait for a hundred objects."""
    was, recognise._patience = recognise._patience, 0
    yield
    recognise._patience = was


def the_long_way(data):
    """Return the object, or what is wrong with it, without any pattern."""
    recognise._patience = sys.maxsize
    try:
        return decode_object(data)
    except Corrupt as error:
        return error.message
    finally:
        recognise._patience = 0


def now(data):
    try:
        return decode_object(data)
    except Corrupt as error:
        return error.message


@pytest.mark.parametrize("value", [DEPLOY, SNAPSHOT, LEAF])
def test_the_usual_ones_are_recognised(value):
    data = encode_object(value)
    assert READERS[type(value)](data) is not None
    assert decode_object(data) == the_long_way(data) == value


@settings(deadline=None, max_examples=examples(300))
@given(deploys | snapshots | leaves)
def test_both_ways_give_the_same(value):
    data = encode_object(value)
    assert decode_object(data) == the_long_way(data) == value
    assert encode_object(decode_object(data)) == data


BYTES = (
    b'"',
    b"\\",
    b"0",
    b"F",
    b" ",
    b"\n",
    b"\x00",
    b"\xff",
    b",",
    b"}",
    b"]",
    b"..",
    b"\\u0041",
    b"\\/",
    b"\xed\xa0\x80",
    b"\xd9\xa0",
    b"null",
    b"1.0",
    b"24",
)


@settings(deadline=None, max_examples=examples(1500))
@given(st.sampled_from([DEPLOY, SNAPSHOT, LEAF]), st.data())
def test_damaged_bytes_fare_the_same_in_both_ways(value, data):
    stored = encode_object(value)
    for _ in range(data.draw(st.integers(1, 2))):
        start = data.draw(st.integers(0, len(stored)))
        end = start + data.draw(st.integers(0, 3))
        stored = stored[:start] + data.draw(st.sampled_from((b"", *BYTES))) + stored[end:]
    assert now(stored) == the_long_way(stored)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"a" * 64, b"A" * 64),
        (b"a" * 64, b"a" * 62 + b" a"),
        (b"a" * 64, b"a" * 63),
        (b"T09:30", b"T24:00"),
        (b"T09:30", b"T09:60"),
        (b"2026-11", b"2026-13"),
        (b"2026-11", b"0000-11"),
        (b".000000Z", b"Z"),
        (b".000000Z", b".000000+00:00"),
        (b'"etl"', b'"e..l"'),
        (b'"etl"', b'".etl"'),
        (b'"etl"', b'"' + b"e" * 129 + b'"'),
        (b'"max_parallel":4', b'"max_parallel":04'),
        (b'"max_parallel":4', b'"max_parallel":4.0'),
        (b'"max_parallel":4', b'"a":1'),
        (b'"max_parallel":4', b'"description":"again"'),
        (b'"max_parallel":4', b'"max_parallel":9999999999999999999999'),
        (b"\\n", b"\\u000a"),
        (b"\\\\", b"\\u005c"),
        (b'"message"', b' "message"'),
        (b"}", b"}\n"),
        (b"true", b"1"),
        (b'"restores":null', b'"restores":"' + b"d" * 64 + b'"'),
        (b"deploy\n", b"deploy\r"),
        (b'"deploy"', b'"restore"'),
        (b"ork1", b"ork2"),
    ],
)
def test_what_is_nearly_right_fares_the_same_in_both_ways(old, new):
    data = encode_object(DEPLOY)
    assert old in data
    assert now(data.replace(old, new)) == the_long_way(data.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"task_count":20', b'"task_count":020'),
        (b'"task_count":20', b'"task_count":-1'),
        (b'"task_count":20', b'"task_count":20000000000000000'),
        (b"{}", b"{ }"),
    ],
)
def test_a_snapshot_that_is_nearly_right_fares_the_same(old, new):
    data = encode_object(SNAPSHOT).replace(old, new)
    assert now(data) == the_long_way(data)


def test_a_leaf_has_its_limits_and_its_order():
    many = Tree(entries=tuple((f"n{n:03d}", f"{n:064x}") for n in range(257)))
    assert "256" in now(encode_object(many))
    assert decode_object(encode_object(Tree(entries=many.entries[1:]))).entries[0][0] == "n001"
    assert "sorted" in now(encode_object(Tree(entries=LEAF.entries[::-1])))
    assert "sorted" in now(encode_object(Tree(entries=LEAF.entries[:1] * 2)))


def test_a_hundred_objects_are_read_before_the_patterns_are_compiled():
    recognise._patience = recognise.PATIENCE
    data = encode_object(DEPLOY)
    found = [recognise.deploy(data) is not None for _ in range(recognise.PATIENCE + 1)]
    assert found == [False] * recognise.PATIENCE + [True]


def test_a_tally_and_what_is_nearly_one():
    def tally(payload):
        return recognise.tally(encode_object(Blob(payload)))

    assert tally(b'{"counts":{"failed":2,"success":10},"last":7}') == (
        {"failed": 2, "success": 10},
        7,
    )
    assert tally(b'{"counts":{},"last":null}') == ({}, None)
    for other in (
        b'{"counts":{"b":1,"a":2},"last":7}',
        b'{"counts":{"a":1,"a":2},"last":7}',
        b"",
        b'{"counts":{"a":01},"last":7}',
        b'{"counts":{"a":1},"last":-7}',
        b'{"counts":{}}',
        b'{"counts":{"a":1,},"last":7}',
        b'{"counts":{"a":1}, "last":7}',
        b"\xff",
    ):
        assert tally(other) is None
