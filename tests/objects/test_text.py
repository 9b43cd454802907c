"""The text of a workflow file: byte for byte, and small edits of large files store little."""

import random
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ork.backends.memory import Memory
from ork.objects.canonical import hash_bytes
from ork.objects.kinds import encode_object
from ork.objects.text import CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, CUT_MASK, split_text
from ork.store.contents import join_text
from ork.store.store import Store
from tests.scale import examples

KIB16, KIB64 = 16384, 65536
PATH = "etl.yaml"


class Shelf(dict):
    """Objects by oid, as they are."""

    def add(self, value):
        data = encode_object(value)
        self[hash_bytes(data)] = data
        return hash_bytes(data)


def kept(text):
    """Return a store that holds a text, and the `source` that names it."""
    store = Store(Memory())
    with store.transaction() as tx:
        source = split_text(PATH, text, tx.add)
    return store, source


def chunks(text):
    store, source = kept(text)
    if source.blob:
        return [store.blob(source.blob)]
    return [store.blob(oid) for oid in store.named(source.chunks).values()]


def by_the_rule(text):
    """Cut a text as section 4 of docs/format.md says, word for word."""
    found, chunk = [], b""
    lines = [line + b"\n" for line in text.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    for line in lines:
        pieces = [line[at : at + KIB16] for at in range(0, len(line), KIB16)]
        for piece in pieces:
            if len(chunk) + len(piece) > KIB16:
                found.append(chunk)
                chunk = b""
            chunk += piece
            if len(chunk) >= 4096 and crc32(piece) % 64 == 0:
                found.append(chunk)
                chunk = b""
    return [*found, chunk] if chunk else found


def yaml(tasks, seed=0):
    numbers = random.Random(seed)
    lines = ["name: large\ntasks:\n"]
    for number in range(tasks):
        lines.append(f"  task_{number:06d}:\n    executor: process\n")
        lines.append(f"    command: ./run --part {number} --seed {numbers.random()}\n")
    return "".join(lines).encode()


def test_the_numbers_are_those_of_the_format():
    assert (CHUNK_BYTES_MIN, CHUNK_BYTES_MAX, CUT_MASK) == (4096, 16384, 63)


@pytest.mark.parametrize("size", [0, 1, 4096, KIB64 - 1, KIB64])
def test_a_text_of_up_to_64_kib_is_one_blob(size):
    store, source = kept(b"x" * size)
    assert source.blob and not source.chunks
    assert source.path == PATH
    assert join_text(store, source) == b"x" * size


def test_a_longer_text_is_a_tree_of_chunks():
    store, source = kept(b"x" * (KIB64 + 1))
    assert source.chunks and not source.blob
    assert source.path == PATH
    names = store.named(source.chunks)
    assert list(names) == [f"0000000{number}" for number in range(5)]


lines = st.lists(
    st.one_of(
        st.binary(max_size=300),
        st.sampled_from([b"", b"\r", b"a\rb", b"\x0b\x0c\x1c\x1d\x1e\x85", b"x" * 3000, b"same"]),
        st.integers(KIB16 - 2, 2 * KIB64 + 2).map(lambda size: b"l" * size),
    ),
    max_size=60,
)
ends = st.sampled_from([b"\n", b"\r\n", b"\r"])


@pytest.mark.slow
@given(lines, ends, st.sampled_from([b"", b"\n"]), st.integers(1, 40))
@settings(deadline=None, max_examples=examples(60))
def test_every_text_comes_back_and_is_cut_by_the_rule(texts, end, last, times):
    text = (end.join(texts) + last) * times
    store, source = kept(text)
    assert join_text(store, source) == text
    if len(text) > KIB64:
        assert chunks(text) == by_the_rule(text)
        assert all(0 < len(chunk) <= KIB16 for chunk in chunks(text))


def test_the_same_text_is_cut_the_same_with_and_without_carriage_returns_elsewhere():
    text = yaml(3000)
    assert chunks(text)[1:-1] == chunks(text + b"\r")[1:-1]


@pytest.mark.slow
@pytest.mark.parametrize("edit", ["change", "insert", "delete", "append", "prepend"])
@pytest.mark.turns(3)
def test_one_edit_in_three_megabytes_adds_less_than_64_kib(edit):
    text = yaml(33_000)
    assert len(text) > 3_000_000
    numbers = random.Random(edit)
    before = Shelf()
    split_text(PATH, text, before.add)
    for _ in range(examples(10)):
        at = text.index(b"\n", numbers.randrange(len(text) - 200)) + 1
        end = text.index(b"\n", at) + 1
        new = {
            "change": text[:at] + b"    timeout: 5\n" + text[end:],
            "insert": text[:at] + b"    retries: 3\n" + text[at:],
            "delete": text[:at] + text[end:],
            "append": text + b"# the end\n",
            "prepend": b"# the begin\n" + text,
        }[edit]
        after = Shelf()
        split_text(PATH, new, after.add)
        added = sum(len(data) for oid, data in after.items() if oid not in before)
        assert 0 < added < KIB64


def test_a_large_line_of_json_is_cut_as_well():
    text = b'{"tasks": {' + b'"a": {}, ' * 50_000 + b"}}"
    assert b"".join(chunks(text)) == text
    assert [len(chunk) for chunk in chunks(text)[:-1]] == [KIB16] * (len(text) // KIB16)
