import json
import re
from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ork.differences import values as diff_values
from ork.differences.values import FieldChange, object_changes, set_changes
from ork.objects import canonical
from ork.objects.canonical import encode, same

leaves = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "a", "b.c"])
keys = st.sampled_from(["a", "b", "a.b", "", "x[0]", 'q"', "ü"])
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner), max_leaves=12
)
objects = st.dictionaries(keys, values)


@given(objects)
@settings(deadline=None)
def test_an_object_does_not_differ_from_itself(value):
    assert list(object_changes(value, deepcopy(value))) == []


@given(objects)
@settings(deadline=None)
def test_each_leaf_has_a_path_of_its_own(value):
    found = list(diff_values.leaves(value))
    assert len(dict(found)) == len(found)
    assert not any(isinstance(leaf, dict) and leaf for _, leaf in found)


def test_a_leaf_has_the_path_that_its_change_has():
    old = {"url": {"const": {"a b": 1}}, "none": {}}
    new = {"url": {"const": {"a b": 2}}, "none": {}}
    (change,) = object_changes(old, new)
    assert list(diff_values.leaves(new)) == [("none", {}), (change.path, 2)]
    assert change.path == 'url.const."a b"'


@pytest.mark.slow
@given(objects, objects)
@settings(deadline=None)
def test_changes_applied_to_the_old_object_give_the_new_one(old, new):
    assert encode(applied(old, list(object_changes(old, new)))) == encode(new)


@pytest.mark.slow
@given(objects, objects)
@settings(deadline=None)
def test_swapping_the_sides_swaps_every_change(old, new):
    there = {inverse(comparable(change)) for change in object_changes(old, new)}
    assert there == {comparable(change) for change in object_changes(new, old)}


def test_a_nested_field_is_named_by_its_path():
    changes = object_changes({"a": {"b": {"c": 1, "d": 2}}}, {"a": {"b": {"c": 3, "d": 2}}})
    assert list(changes) == [FieldChange(kind="changed", path="a.b.c", old=1, new=3)]


def test_a_key_that_is_not_a_plain_word_is_quoted():
    (change,) = object_changes({}, {"a.b\x1b": 1})
    assert change.path == '"a.b\\u001b"'


def test_null_is_not_absent():
    (change,) = object_changes({"a": None}, {})
    assert change == FieldChange(kind="removed", path="a", old=None)
    (change,) = object_changes({"a": None}, {"a": 0})
    assert change == FieldChange(kind="changed", path="a", old=None, new=0)


def test_true_is_not_one_and_one_is_one_point_zero():
    assert [c.kind for c in object_changes({"a": [True]}, {"a": [1]})] == ["changed"]
    assert [c.path for c in object_changes({"a": [1, 1, 2]}, {"a": [1, True]})] == [
        "a[1]",
        "a[2]",
        "a[1]",
    ]
    assert list(object_changes({"a": 1}, {"a": 1.0})) == []


def test_objects_without_a_common_key_differ_as_a_whole():
    (change,) = object_changes({"a": {"const": 1}}, {"a": {"ref": "x"}})
    assert change == FieldChange(kind="changed", path="a", old={"const": 1}, new={"ref": "x"})


def test_a_word_put_into_a_list_is_one_change():
    (change,) = object_changes({"c": ["a", "b"]}, {"c": ["a", "x", "b"]})
    assert change == FieldChange(kind="added", path="c[1]", new="x")


def test_a_word_replaced_in_a_list_is_one_change():
    (change,) = object_changes({"c": ["a", "b", "c"]}, {"c": ["a", "x", "c"]})
    assert change == FieldChange(kind="changed", path="c[1]", old="b", new="x")


def test_of_long_lists_only_what_lies_between_their_equal_ends_is_encoded(monkeypatch):
    encoded = []
    real = canonical.encode
    monkeypatch.setattr(canonical, "encode", lambda value: encoded.append(value) or real(value))
    old = [{"id": n, "ok": n % 2 == 0} for n in range(100)]
    for new in ([*old[:40], {"id": 40, "ok": None}, *old[41:]], old[:40] + old[42:]):
        (*_, change) = object_changes({"rows": old}, {"rows": deepcopy(new)})
        assert change.path in ("rows[40].ok", "rows[41]")
        assert all(one in (old[40], old[41], {"id": 40, "ok": None}) for one in encoded)


def test_elements_of_a_set_follow_renames():
    changes = set_changes(("a", "b", "c"), ("b", "d", "z"), path="s", names={"a": "z"})
    assert [(c.kind, c.old, c.new) for c in changes] == [
        ("removed", "c", None),
        ("added", None, "d"),
    ]


def applied(value: dict, changes: list[FieldChange]) -> dict:
    value = {"": deepcopy(value)}
    for change in [c for c in changes if c.kind == "changed"]:
        place, step = place_of(value, change.path)
        place[step] = change.new
    for change in [c for c in reversed(changes) if c.kind == "removed"]:
        place, step = place_of(value, change.path)
        del place[step]
    for change in [c for c in changes if c.kind == "added"]:
        place, step = place_of(value, change.path)
        place.insert(step, change.new) if isinstance(place, list) else place.update(
            {step: change.new}
        )
    return value[""]


def place_of(value, path: str):
    steps = [""]
    for index, quoted, plain in re.findall(r'\[(\d+)\]|("(?:[^"\\]|\\.)*")|([\w-]+)', path):
        steps.append(int(index) if index else json.loads(quoted) if quoted else plain)
    for step in steps[:-1]:
        value = value[step]
    return value, steps[-1]


def comparable(change: FieldChange) -> tuple[str, str, str, str]:
    return change.kind, change.path, json.dumps(change.old), json.dumps(change.new)


def inverse(change: tuple[str, str, str, str]) -> tuple[str, str, str, str]:
    kind, path, old, new = change
    return {"added": "removed", "removed": "added"}.get(kind, kind), path, new, old


def test_true_is_not_one():
    assert same(1, 1.0)
    assert not same(True, 1)
    assert not same({"a": [True]}, {"a": [1]})
    assert same({"a": [1], "b": 2}, {"b": 2, "a": [1]})
