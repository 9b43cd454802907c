"""Canonical bytes: equal to an independent encoder, and refused when they are anything else."""

from __future__ import annotations

import json
import math
import re
import struct

import pytest
import rfc8785
from blake3 import blake3
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ork.errors import Corrupt, InvalidInput
from ork.objects.canonical import (
    DEPTH_MAX,
    INTEGER_MAX,
    decode,
    encode,
    frame,
    gist,
    hash_bytes,
    read,
    unframe,
)
from tests.scale import examples

texts = st.text(st.characters(exclude_categories=["Cs"]))
integers = st.integers(-INTEGER_MAX, INTEGER_MAX)
floats = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | integers | floats | texts
documents = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=25
)


@pytest.mark.slow
@settings(deadline=None)
@given(documents)
def test_bytes_are_those_of_the_rfc8785_package(value):
    assert encode(value) == rfc8785.dumps(value)


@settings(deadline=None, max_examples=examples(500))
@given(st.integers(0, 2**64 - 1))
def test_any_double_is_written_as_ecmascript_writes_it(bits):
    (number,) = struct.unpack(">d", bits.to_bytes(8, "big"))
    if math.isfinite(number):
        assert encode(number) == rfc8785.dumps(number)


@settings(deadline=None, max_examples=examples(300))
@given(st.integers(-(10**17), 10**17), st.integers(-12, 25))
def test_short_decimals_around_the_changes_of_notation_agree_too(digits, power):
    number = float(f"{digits}e{power}")
    assert encode(number) == rfc8785.dumps(number)
    assert decode(encode(number)) == number


@settings(deadline=None)
@given(documents)
def test_decode_gives_back_the_value_and_encode_the_bytes(value):
    data = encode(value)
    assert decode(data) == value
    assert repr(decode(data)) == repr(read(data)), "the same numbers, by the slower way too"
    assert encode(decode(data)) == data


@settings(deadline=None)
@given(documents, st.integers(3, 120))
@example([","], 6)
@example("😀" * 20, 12)  # characters of four bytes each
def test_a_gist_is_the_start_of_the_json_that_people_write(value, chars):
    value = read(encode(value))  # whose keys are sorted, and 1.0 is 1
    whole = json.dumps(value, ensure_ascii=False)
    found = gist(encode(value), chars)
    if not re.search(
        r"\de[+-]?\d", whole
    ):  # of very small and large numbers Python has other words
        assert found == (whole if len(whole) <= chars else f"{whole[: chars - 3]}...")
    assert len(found) <= chars


@pytest.mark.slow
@settings(deadline=None)
@given(st.dictionaries(texts, documents, min_size=2))
def test_key_order_never_counts(value):
    assert encode(dict(reversed(value.items()))) == encode(value)


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (1.0, b"1"),
        (-0.0, b"0"),
        (1e16, b"10000000000000000"),
        (1e20, b"100000000000000000000"),
        (1e21, b"1e+21"),
        (0.000001, b"0.000001"),
        (1e-7, b"1e-7"),
        (5e-324, b"5e-324"),
        (1.7976931348623157e308, b"1.7976931348623157e+308"),
        (-123.456, b"-123.456"),
        (INTEGER_MAX, b"9007199254740991"),
        ('"\\\b\f\n\r\t\x00\x1f\x7f/', b'"\\"\\\\\\b\\f\\n\\r\\t\\u0000\\u001f\x7f/"'),
        ("é\u2028😀", '"é\u2028😀"'.encode()),
        ({"b": 1, "a": [True, None, False]}, b'{"a":[true,null,false],"b":1}'),
    ],
)
def test_known_bytes(value, data):
    assert encode(value) == data
    assert decode(data) == value


def test_keys_are_ordered_by_utf16_units_so_an_emoji_comes_before_a_private_use_letter():
    assert encode({"\ufb33": 1, "😀": 2}) == '{"😀":2,"\ufb33":1}'.encode()


def test_one_and_one_point_zero_are_one_value():
    assert encode([1, 0]) == encode([1.0, -0.0])
    assert encode(True) != encode(1)


class Text(str):
    """Looks like a string; might encode like anything."""


@pytest.mark.parametrize(
    ("value", "place", "what"),
    [
        ({"a": ["ok", "\ud800"]}, "a[1]", "lone surrogate"),
        ({"a": {"\udfff": 1}}, "a", "lone surrogate"),
        ([[INTEGER_MAX + 1]], "[0][0]", "only a text"),
        ([-INTEGER_MAX - 1], "[0]", "only a text"),
        ({"x": {"y": math.nan}}, "x.y", "not a JSON number"),
        ([math.inf], "[0]", "not a JSON number"),
        ({"a": {1: 2}}, "a", "not a string"),
        ({None: 2}, "", "not a string"),
        ({"a": {True: 2}}, "a", "not a string"),
        ({"a": (1, 2)}, "a", "not a JSON value"),
        ({"a": {1, 2}}, "a", "not a JSON value"),
        ({"a": b"x"}, "a", "not a JSON value"),
        ([Text("x")], "[0]", "not a JSON value"),
        ({".hidden": math.nan}, ".hidden", "not a JSON number"),
    ],
)
def test_outside_the_domain_is_refused_with_its_place(value, place, what):
    with pytest.raises(InvalidInput) as caught:
        encode(value)
    where, _, message = (
        caught.value.message.rpartition(": ") if place else ("", "", str(caught.value))
    )
    assert where == place
    assert what in message


def nested(levels):
    value = []
    for _ in range(levels - 1):
        value = [value]
    return value


def test_depth_is_limited():
    assert decode(encode(nested(DEPTH_MAX))) == nested(DEPTH_MAX)
    with pytest.raises(InvalidInput, match="deeper than 64"):
        encode(nested(DEPTH_MAX + 1))


def test_a_value_inside_itself_is_refused():
    value = []
    value.append(value)
    with pytest.raises(InvalidInput, match="deeper than 64"):
        encode(value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" 1",
        b"1\n",
        b"1.0",
        b"-0",
        b"1e0",
        b"1E+21",
        b"01",
        b"9007199254740993",
        b"10000000000000000000000",
        b"1e400",
        b"NaN",
        b"Infinity",
        b"nul",
        b'"\\/"',
        b'"\\u0041"',
        b'"\\u001F"',
        b'"\\ud800"',
        b'"\xff"',
        b"\xef\xbb\xbf1",
        b'{"b":1,"a":2}',
        b'{"a":1,"a":1}',
        b'{"a": 1}',
        b"[1,]",
        b"[1][2]",
        b"[" * 65 + b"]" * 65,
        b"[" * 100_000,
        '{"\ufb33":1,"😀":2}'.encode(),
    ],
)
def test_bytes_that_are_not_canonical_are_corrupt(data):
    with pytest.raises(Corrupt):
        decode(data)


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_arbitrary_bytes_are_canonical_or_corrupt(data):
    try:
        value = decode(data)
    except Corrupt:
        return
    assert rfc8785.dumps(value) == data


@settings(deadline=None)
@given(documents)
def test_other_spellings_of_a_value_are_refused(value):
    data = encode(value)
    for other in (json.dumps(value, indent=1).encode(), data + b" ", b"\t" + data):
        if other != data:
            with pytest.raises(Corrupt):
                decode(other)


def test_an_object_is_framed_with_its_kind_and_named_by_its_hash():
    data = frame("blob", b"hi\n")
    assert data == b"ork1 blob\nhi\n"
    assert unframe(data) == ("blob", b"hi\n")
    assert hash_bytes(data) == blake3(data).hexdigest()


@pytest.mark.parametrize("data", [b"", b"blob\nhi", b"ork1 blob", b"ork1 " + b"x" * 40 + b"\n"])
def test_bytes_without_a_header_are_corrupt(data):
    with pytest.raises(Corrupt, match="header"):
        unframe(data)


def test_an_object_of_a_later_format_asks_for_a_newer_ork():
    with pytest.raises(Corrupt) as caught:
        unframe(b"ork2 task\n{}")
    assert caught.value.hint == "it needs a newer ork"
