"""Type expressions: what is one, what fits where, and the single form of each value."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ork.definition.types import assignable, convert, describe
from ork.objects import canonical
from ork.objects.canonical import Json


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("int", "float"),
        ("datetime_utc", "datetime_tz"),
        (["int"], ["float"]),
        ({"a": "int"}, {"a": "float"}),
    ],
)
def test_widening_goes_one_way(source: Json, target: Json) -> None:
    assert assignable(source, target)
    assert assignable(source, source)
    assert not assignable(target, source)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("bool", "int"),
        ("str", "date"),
        ("datetime_notz", "datetime_tz"),
        ("int", ["int"]),
        ({"a": "int"}, {}),
        ({}, {"a": "int"}),
        ({"a": "int"}, {"b": "int"}),
    ],
)
def test_other_types_do_not_fit(source: Json, target: Json) -> None:
    assert not assignable(source, target)


@pytest.mark.parametrize(
    ("value", "kind", "result"),
    [
        ("x", "str", "x"),
        (1, "int", 1),
        (1.0, "int", 1),
        (1, "float", 1.0),
        (-0.0, "float", 0.0),
        (False, "bool", False),
        ("2026-02-28", "date", "2026-02-28"),
        ("2026-01-02 03:04", "datetime_notz", "2026-01-02T03:04:00"),
        ("2026-01-02t03:04:05.500", "datetime_notz", "2026-01-02T03:04:05.500000"),
        ("2026-01-02T03:04:05.120000000", "datetime_notz", "2026-01-02T03:04:05.120000"),
        ("2026-01-02T03:04:05+00:00", "datetime_utc", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05z", "datetime_utc", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05-0000", "datetime_utc", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05+0130", "datetime_tz", "2026-01-02T03:04:05+01:30"),
        ("2026-01-02T03:04:05-05", "datetime_tz", "2026-01-02T03:04:05-05:00"),
        ("2026-01-02T03:04:05+00:00", "datetime_tz", "2026-01-02T03:04:05Z"),
        ([1.0, 2], ["int"], [1, 2]),
        ([], ["int"], []),
        ({"a": [1]}, {"a": ["float"]}, {"a": [1.0]}),
    ],
)
def test_a_value_gets_its_one_form(value: Json, kind: Json, result: Json) -> None:
    found, mismatches = convert(value, kind)
    assert mismatches == []
    assert found == result
    assert repr(found) == repr(result)


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        ("12", "int", 'expected int, got str "12"'),
        (True, "int", "expected int, got bool true"),
        (1.5, "int", "expected int, got float 1.5"),
        (True, "float", "expected float, got bool true"),
        (1, "bool", "expected bool, got int 1"),
        (1, "str", "expected str, got int 1"),
        (None, "str", "expected str, got null"),
        (2**53, "int", "expected int, got int 9007199254740992 (beyond 2^53-1)"),
        (10**60, "float", "expected float, got int of many digits (beyond 2^53-1)"),
        (float("inf"), "float", "expected float, got float Infinity (not finite)"),
        ("2026-02-30", "date", 'expected date, got str "2026-02-30" (no such day)'),
        ("20260101", "date", "(a date is written YYYY-MM-DD)"),
        (20260101, "date", "expected date, got int 20260101"),
        ("2026-01-02", "datetime_notz", "(a datetime is written YYYY-MM-DDTHH:MM:SS)"),
        ("2026-01-02T03:04Z", "datetime_notz", "(it has an offset; a datetime_notz has none)"),
        ("2026-01-02T03:04", "datetime_tz", "(the offset is missing, as in +01:00 or Z)"),
        ("2026-01-02T03:04+25:00", "datetime_tz", "(no such offset)"),
        ("2026-01-02T03:04", "datetime_utc", "(a datetime_utc ends in Z)"),
        ("2026-01-02T03:04+01:00", "datetime_utc", "(a datetime_utc ends in Z)"),
        ("2026-01-02T24:00:00", "datetime_notz", "(no such day or time)"),
        ("2026-01-02T03:04:05.1234567", "datetime_notz", "at most six digits"),
        ({"a": 1}, ["int"], "expected [int], got an object"),
        ([1], {"a": "int"}, "expected {a: int}, got a list"),
        ({"rows": "12"}, {"rows": "int"}, 'rows: expected int, got str "12"'),
        ({"a": [{"b": 1}]}, {"a": [{"b": "str"}]}, "a[0].b: expected str, got int 1"),
        ({}, {"a": "int"}, "a: missing; expected int"),
        ({"a": 1}, {}, "a: not a field of the declared type"),
        ("x" * 99, "int", 'expected int, got str "' + "x" * 36 + "..."),
    ],
)
def test_what_does_not_fit_is_said(value: Json, kind: Json, message: str) -> None:
    _, mismatches = convert(value, kind)
    assert message in str(mismatches[0])


def test_every_mismatch_is_named_but_not_endlessly() -> None:
    _, mismatches = convert({"a": 1, "b": "x"}, {"a": "str", "b": "int", "c": "int"})
    assert sorted(m.path for m in mismatches) == [("a",), ("b",), ("c",)]
    _, mismatches = convert(["x"] * 10_000, ["int"])
    assert 0 < len(mismatches) < 100


def test_a_type_is_described_as_it_is_written() -> None:
    assert describe({"b": ["int"], "a": "str"}) == "{a: str, b: [int]}"


kinds = st.recursive(
    st.sampled_from(["str", "int", "float", "bool"]),
    lambda below: (
        st.lists(below, min_size=1, max_size=1)
        | st.dictionaries(st.text("abc", min_size=1, max_size=2), below, max_size=3)
    ),
    max_leaves=6,
)


def values(kind: Json) -> st.SearchStrategy[Json]:
    if isinstance(kind, list):
        return st.lists(values(kind[0]), max_size=3)
    if isinstance(kind, dict):
        return st.fixed_dictionaries({name: values(below) for name, below in kind.items()})
    numbers = st.integers(-(2**53) + 1, 2**53 - 1)
    return {
        "str": st.text(max_size=5),
        "int": numbers,
        "float": st.floats(allow_nan=False, allow_infinity=False) | numbers,
        "bool": st.booleans(),
    }[str(kind)]


@settings(deadline=None)
@given(data=st.data(), kind=kinds)
def test_a_value_of_its_type_keeps_its_bytes(data: st.DataObject, kind: Json) -> None:
    value = data.draw(values(kind))
    found, mismatches = convert(value, kind)
    assert mismatches == []
    assert canonical.encode(found) == canonical.encode(value)
    stored = canonical.decode(canonical.encode(found))
    assert convert(stored, kind) == (found, [])


@settings(deadline=None)
@given(st.datetimes(timezones=st.timezones()))
def test_equal_moments_in_utc_have_one_text(moment: object) -> None:
    from datetime import UTC, datetime

    assert isinstance(moment, datetime)
    utc = moment.astimezone(UTC)
    texts = {utc.isoformat(), utc.isoformat(" "), utc.isoformat().replace("+00:00", "Z")}
    assert len({str(convert(text, "datetime_utc")[0]) for text in texts}) == 1
    assert convert(utc.isoformat(), "datetime_utc") == convert(utc.isoformat(), "datetime_tz")
