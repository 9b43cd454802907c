"""What a backend keeps: a flag, then the bytes of an object or their zlib stream."""

from __future__ import annotations

import random
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ork.backends.memory import Memory
from ork.errors import Corrupt
from ork.objects.canonical import PACK_BYTES_MAX, PACK_BYTES_MIN, Oid, hash_bytes, pack, unpack
from ork.objects.kinds import Blob, encode_object
from ork.store.store import Store
from tests.scale import examples

ANY = Oid("a" * 64)


def put(store, data):
    with store.transaction() as tx:
        return tx.add(Blob(data))


def keep(store, data, stored):
    """Put these stored bytes under the name of these plain ones."""
    oid = hash_bytes(data)
    assert store.backend.write({oid: stored}, {})
    return oid


@given(st.binary(max_size=3000) | st.integers(0, 9000).map(lambda n: b"abc" * n))
@settings(deadline=None, max_examples=examples(200))
def test_what_is_packed_is_unpacked(data):
    assert unpack(ANY, pack(data)) == data
    assert len(pack(data)) <= len(data) + 1


def test_only_what_gets_much_smaller_is_compressed():
    assert pack(b"x" * (PACK_BYTES_MIN - 1)) == b"\0" + b"x" * (PACK_BYTES_MIN - 1)
    assert pack(b"x" * PACK_BYTES_MIN)[:1] == b"\1"
    noise = random.Random(1).randbytes(10_000)
    assert pack(noise) == b"\0" + noise
    assert pack(noise + b"x" * 2000)[:1] == b"\0"  # saves less than a quarter
    assert pack(noise + b"x" * 9000)[:1] == b"\1"


def test_names_and_raw_bytes_are_of_the_plain_object(store):
    data = b"a,b\n" * 5000
    oid = put(store, data)
    assert oid == hash_bytes(b"ork1 blob\n" + data)
    assert len(store.backend.get(oid)) < 200
    fresh = Store(store.backend)
    assert fresh.raw(oid) == b"ork1 blob\n" + data
    assert fresh.blob(oid) == data
    assert fresh.keeps(oid)


def test_a_stream_of_another_writer_is_read(store):
    data = encode_object(Blob(b"small"))
    oid = keep(store, data, b"\1" + zlib.compress(data, 9))
    assert store.blob(oid) == b"small"


@pytest.mark.parametrize("flag", [b"", b"\2", b"o", b"\xff"])
def test_an_unknown_flag_is_damage(store, flag):
    data = encode_object(Blob(b"x"))
    oid = keep(store, data, flag and flag + data)
    with pytest.raises(Corrupt, match=f"object {oid} is damaged: nothing known"):
        store.read(oid)
    assert not store.keeps(oid)


@pytest.mark.parametrize(
    "broken",
    [
        lambda stream: b"",
        lambda stream: stream[:-1],
        lambda stream: stream[: len(stream) // 2],
        lambda stream: stream + b"\0",
        lambda stream: stream + stream,
        lambda stream: stream[:-1] + bytes([stream[-1] ^ 1]),
        lambda stream: b"y" + stream[1:],
    ],
)
def test_a_broken_stream_is_damage(store, broken):
    data = encode_object(Blob(b"some text\n" * 500))
    oid = keep(store, data, b"\1" + broken(zlib.compress(data)))
    with pytest.raises(Corrupt, match=f"object {oid} is damaged: "):
        store.raw(oid)
    assert not store.keeps(oid)


def test_a_stream_of_other_bytes_is_damage(store):
    oid = keep(store, encode_object(Blob(b"x")), b"\1" + zlib.compress(encode_object(Blob(b"y"))))
    with pytest.raises(Corrupt, match="do not match its name"):
        store.raw(oid)


def test_as_much_as_may_be_packed_is_unpacked_and_no_byte_more(monkeypatch):
    monkeypatch.setattr("ork.objects.canonical.PACK_BYTES_MAX", 5000)
    assert pack(b"x" * 5000)[:1] == b"\1"
    assert unpack(ANY, pack(b"x" * 5000)) == b"x" * 5000
    assert pack(b"x" * 5001) == b"\0" + b"x" * 5001  # of any size, it is read back
    with pytest.raises(Corrupt, match="unpacks to more than 5000 bytes"):
        unpack(ANY, b"\1" + zlib.compress(b"x" * 5001))


def test_a_bomb_does_not_fill_the_memory():
    packer = zlib.compressobj(9)
    zeros = bytes(1 << 20)
    first, again = (packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    bomb = b"\1" + first + 599 * again  # each block stands for itself, so one is as good as all
    assert len(bomb) < 700_000
    store = Store(Memory())
    oid = keep(store, b"", bomb)
    tracemalloc.start()
    try:
        with pytest.raises(Corrupt, match="unpacks to more than"):
            store.raw(oid)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 3 * PACK_BYTES_MAX
