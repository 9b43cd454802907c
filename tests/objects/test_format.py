"""docs/format.md holds: its vectors are computed again here, without ork's encoder and trees."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from zlib import crc32

import pytest
import rfc8785
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from ork.objects import canonical
from ork.objects.canonical import unpack
from ork.objects.kinds import Packed, Source, decode_object, encode_object, kind_of, oid_of
from ork.objects.text import split_text
from tests.scale import examples

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "format.md").read_text("utf-8")


def blocks(word):
    return re.findall(rf"^```{word}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def fields(block):
    return dict(line.split(" ", 1) for line in block.splitlines())


def stored(kind, payload):
    return b"ork1 " + kind.encode() + b"\n" + payload


def name_of(kind, payload):
    return blake3(stored(kind, payload)).hexdigest()


VECTORS = [fields(block) for block in blocks("vector")]


def payload_of(vector):
    if vector["kind"] == "blob":
        return json.loads(vector["payload"]).encode()
    return vector["payload"].encode()


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["kind"])
def test_a_vector_is_plain_rfc8785_under_plain_blake3(vector):
    payload = payload_of(vector)
    if vector["kind"] != "blob":
        assert rfc8785.dumps(json.loads(payload)) == payload
    assert name_of(vector["kind"], payload) == vector["oid"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["kind"])
def test_ork_reads_a_vector_and_writes_the_same_bytes(vector):
    data = stored(vector["kind"], payload_of(vector))
    value = decode_object(data)
    assert kind_of(value) == vector["kind"]
    assert encode_object(value) == data
    assert canonical.hash_bytes(data) == vector["oid"]


def test_there_is_a_vector_of_every_kind():
    named = re.search(r"`kind` is one of `([a-z ]+)`", PAGE)
    assert {vector["kind"] for vector in VECTORS} == set(named[1].split())


VALUES = [re.split(r"  +", line) for line in blocks("json-vectors")[0].splitlines()]


@pytest.mark.parametrize(("text", "data"), VALUES)
def test_a_json_vector_is_what_rfc8785_and_ork_write(text, data):
    value = json.loads(text)
    assert rfc8785.dumps(value) == data.encode()
    assert canonical.encode(value) == data.encode()
    assert canonical.decode(data.encode()) == value


def test_the_tables_and_the_schema_are_those_of_the_code():
    spec = importlib.util.spec_from_file_location("format_tables", DOCS / "format_tables.py")
    tables = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tables)
    assert tables.refreshed(PAGE) == PAGE, "run `make docs`"
    assert set(re.findall(r"<!-- (\w+) -->", PAGE)) == tables.RECORDS.keys()
    assert (DOCS / "format.schema.json").read_text("utf-8") == tables.schema_text()


def plain_tree(entries, depth, objects):
    """The rule of the page, in the words of the page."""
    if len(entries) <= 64:
        pairs = [[name, entries[name]] for name in sorted(entries, key=str.encode)]
        value = {"entries": pairs, "of": "oids"}
    else:
        parts = {}
        for name, entry in entries.items():
            digit = int(blake3(name.encode()).hexdigest()[depth], 16)
            parts.setdefault(digit, {})[name] = entry
        children = [[b, plain_tree(parts[b], depth + 1, objects)] for b in sorted(parts)]
        value = {"children": children, "depth": depth, "of": "trees"}
    oid = name_of("tree", rfc8785.dumps(value))
    objects.add(oid)
    return oid


def test_the_shape_vector():
    (block,) = blocks("shape-vector")
    vector, objects = fields(block), set()
    entries = {f"n{index:03d}": name_of("blob", b"") for index in range(int(vector["names"]))}
    assert plain_tree(entries, 0, objects) == vector["root"]
    assert len(objects) == int(vector["objects"])


def plain_chunks(text):
    """The rule of the page, in the words of the page."""
    chunks, chunk = [], b""
    for line in re.findall(rb"[^\n]*\n|[^\n]+", text):
        for piece in [line[at : at + 16384] for at in range(0, len(line), 16384)]:
            if len(chunk) + len(piece) > 16384:
                chunks.append(chunk)
                chunk = b""
            chunk += piece
            if len(chunk) >= 4096 and crc32(piece) & 63 == 0:
                chunks.append(chunk)
                chunk = b""
    return [*chunks, chunk] if chunk else chunks


def chunk_tree(chunks):
    names = {f"{index:08d}": name_of("blob", chunk) for index, chunk in enumerate(chunks)}
    return plain_tree(names, 0, set())


def test_the_text_vector():
    (block,) = blocks("text-vector")
    vector = fields(block)
    text = b"".join(b"line %05d\n" % index for index in range(20_000))
    chunks = plain_chunks(text)
    assert len(text) == int(vector["bytes"])
    assert len(chunks) == int(vector["chunks"])
    assert ", ".join(str(len(chunk)) for chunk in chunks[:6]) == vector["first"]
    assert chunk_tree(chunks) == vector["root"]
    source = Source(path="a.yaml", chunks=vector["root"])
    assert split_text("a.yaml", text, oid_of) == source


lines = st.binary(max_size=30) | st.sampled_from([b"\r", b"x\r\ny", b"a" * 70_000, b"b" * 65_536])


@settings(deadline=None, max_examples=examples(50))
@given(st.lists(lines, min_size=1, max_size=40), st.integers(1, 60), st.booleans())
def test_ork_cuts_every_text_as_the_page_says(parts, times, ends):
    text = (b"\n".join(parts) + b"\n") * times + (b"" if ends else b"the end")
    chunks = plain_chunks(text)
    assert b"".join(chunks) == text
    objects = Packed()
    source = split_text("a.yaml", text, objects.add)
    if len(text) <= 65536:
        assert source == Source(path="a.yaml", blob=name_of("blob", text))
    else:
        assert source == Source(path="a.yaml", chunks=chunk_tree(chunks))
    assert all(blake3(unpack(oid, data)).hexdigest() == oid for oid, data in objects.items())
