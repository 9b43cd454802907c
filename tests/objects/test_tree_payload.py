"""Nodes of a tree, read by hand, are what the long way reads, and nothing else is."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ork.errors import Corrupt
from ork.objects import canonical, tree_payload
from tests.scale import examples

OID = "0123456789abcdef" * 4
OIDS = st.binary(min_size=32, max_size=32).map(bytes.hex)
NODES = st.builds(
    lambda children, depth: {"children": sorted(map(list, children.items())), "depth": depth},
    st.dictionaries(st.integers(0, 255), OIDS, min_size=1, max_size=6),
    st.integers(0, 31),
)


def long_way(payload: bytes) -> object:
    try:
        entries, children, depth = tree_payload.shape(canonical.decode(payload))
    except (Corrupt, ValueError):
        return None
    return None if entries else (children, depth)


@given(NODES)
@settings(deadline=None)
def test_a_node_is_read_as_the_long_way_reads_it(value):
    payload = canonical.encode(value)
    assert tree_payload.node(payload) == long_way(payload) is not None


@given(NODES, st.data())
@settings(deadline=None, max_examples=examples(400))
def test_bytes_that_are_changed_anywhere_are_read_alike_or_left_to_the_long_way(value, data):
    payload = bytearray(canonical.encode(value))
    place = data.draw(st.integers(0, len(payload) - 1))
    payload[place : place + data.draw(st.integers(0, 3))] = data.draw(
        st.one_of(
            st.binary(max_size=3), st.sampled_from([b"0", b"-", b" ", b"F", b",", b'"', b"]"])
        )
    )
    assert tree_payload.node(bytes(payload)) in (None, long_way(bytes(payload)))


@pytest.mark.parametrize(
    ("children", "depth"),
    [
        ("", "0"),
        (f'[1,"{OID}"]', "-0"),
        (f'[01,"{OID}"]', "0"),
        (f'[-1,"{OID}"]', "0"),
        (f'[256,"{OID}"]', "0"),
        (f'[1,"{OID.upper()}"]', "0"),
        (f'[1,"{OID[:-2]} a"]', "0"),
        (f'[1,"{OID[:-1]}"]', "0"),
        (f'[1,"é{OID[1:]}"]', "0"),
        (f'[1,"{OID}"]', "1_0"),
        (f'[2,"{OID}"],[1,"{OID}"]', "0"),
        (f'[1,"{OID}"]', "0}"),
        (f'[1,"{OID}"]', "32"),
    ],
)
def test_what_only_looks_like_a_node_is_left_to_the_long_way(children, depth):
    assert tree_payload.node(f'{{"children":[{children}],"depth":{depth}}}'.encode()) is None


def test_any_order_of_children_but_the_rising_one_is_refused():
    value = {"children": [[2, OID], [1, OID]], "depth": 0}
    assert long_way(json.dumps(value, separators=(",", ":")).encode()) is None
    assert long_way(canonical.encode({"children": [], "depth": 0})) is None


def test_no_node_is_deeper_than_a_hash_is_long():
    children = [[1, OID]]
    assert long_way(canonical.encode({"children": children, "depth": 31})) is not None
    assert long_way(canonical.encode({"children": children, "depth": 32})) is None
