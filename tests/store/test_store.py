"""Store: everything read is checked, everything written is written whole or not at all."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ork.backends.memory import Memory
from ork.errors import Ambiguous, Conflict, Corrupt, NotFound
from ork.objects.canonical import Oid, hash_bytes, pack
from ork.objects.kinds import Blob, OidLeaf, Operation, Packed, Snapshot, encode_object
from ork.objects.walk import Named
from ork.store.store import Store, named_by
from tests.scale import examples
from tests.stores import contents, plant, stamp

ABSENT = Oid("f" * 64)


def put(store, *values):
    with store.transaction() as tx:
        return [tx.add(value) for value in values]


def overwrite(store, oid, data):
    """Put other bytes under a name, as a failing disk would."""
    store.backend.sweep(lambda: [oid])
    assert store.backend.write({oid: pack(data)}, {})


def test_what_was_written_is_read(store):
    values = [
        Blob(b""),
        Blob(b"x" * 100_000),
        OidLeaf(),
        Snapshot(tasks=ABSENT, files=ABSENT, task_count=0),
    ]
    oids = plant(store, *values)
    fresh = Store(store.backend)
    for oid, value in zip(oids, values, strict=True):
        assert fresh.read(oid) == value
        assert fresh.get(type(value), oid) == value
        assert fresh.raw(oid) == encode_object(value)
        assert fresh.has(oid)


@pytest.mark.parametrize(
    ("ref", "kind"),
    [
        ("workflows/etl", "deploy"),
        ("numbers/etl/0000000001", "run"),
        ("active/20261101T120000.000-000000/.run", "run"),
        ("active/20261101T120000.000-000000/load", "taskrun"),
        ("unattached/etl/20261101T120000.000-000000", "blob"),
        ("ops", "operation"),
        ("from/another/ork", None),
    ],
)
def test_the_name_of_a_ref_says_what_it_leads_to(ref, kind):
    assert named_by(ref, ABSENT) == Named(ABSENT, kind)


def test_a_value_is_a_blob_of_its_canonical_bytes(store):
    with store.transaction() as tx:
        oid = tx.add_value({"b": 1.0, "a": [None]})
    assert store.blob(oid) == b'{"a":[null],"b":1}'
    assert store.value(oid) == {"a": [None], "b": 1}


@pytest.mark.parametrize("position", [0, 5, 9, -1])
def test_one_flipped_bit_is_noticed_by_every_way_to_read(store, position):
    (oid,) = put(store, Blob(b"some bytes"))
    data = bytearray(store.raw(oid))
    data[position] ^= 4
    overwrite(store, oid, bytes(data))
    for read in (store.raw, store.read, store.blob, store.value, lambda o: store.get(Blob, o)):
        with pytest.raises(Corrupt, match=f"object {oid} is damaged"):
            read(oid)


def test_bytes_cut_short_are_noticed(store):
    (oid,) = put(store, OidLeaf())
    for data in (b"", store.raw(oid)[:-1], store.raw(oid) + b"\n"):
        overwrite(store, oid, data)
        with pytest.raises(Corrupt):
            Store(store.backend).read(oid)


def test_true_bytes_of_no_object_are_refused(store):
    for data in (b"", b"ork1 blob", b"ork1 tree\n{}", b"ork2 blob\n", b"ork1 nonsense\n{}"):
        oid = hash_bytes(data)
        store.backend.write({oid: pack(data)}, {})
        with pytest.raises(Corrupt):
            store.read(oid)


def test_a_missing_object_is_damage(store):
    for read in (store.raw, store.read, store.tree, store.blob):
        with pytest.raises(Corrupt, match="is missing from the store"):
            read(ABSENT)
    assert not store.has(ABSENT)


def test_another_kind_is_damage(store):
    (oid,) = put(store, Blob(b"{}"))
    with pytest.raises(Corrupt, match="is a blob, not a tree"):
        store.tree(oid)


def test_the_cache_is_bounded_and_never_wrong(store, monkeypatch):
    monkeypatch.setattr("ork.store.store.CACHE_OBJECTS_MAX", 5)
    snapshots = [Snapshot(tasks=ABSENT, files=ABSENT, task_count=n) for n in range(20)]
    oids = plant(store, *snapshots)
    assert [store.read(oid) for oid in oids] == snapshots
    assert len(store._cache) <= 5
    (blob,) = put(store, Blob(b"large"))
    store.read(blob)
    assert blob not in store._cache  # code and outputs may be large


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "/etc", "a\n", ".hidden"])
def test_a_folder_inside_is_known_by_a_name(project, name):
    before = sorted(project.project.rglob("*"))
    with pytest.raises(Corrupt, match="no name of a folder"):
        project.inside("logs", name, make=True).__enter__()
    assert sorted(project.project.rglob("*")) == before


def test_held_objects_are_readable_and_not_stored(store):
    held = Packed()
    oid = held.add(Blob(b"not deployed"))
    store.hold(held)
    assert store.blob(oid) == b"not deployed"
    assert store.has(oid)
    assert store.find(oid[:8]) == oid
    assert store.backend.get(oid) is None


def test_a_transaction_writes_all_or_nothing(store):
    before = contents(store)
    with pytest.raises(ZeroDivisionError), store.transaction(stamp()) as tx:
        tx.move("workflows/etl", old=None, new=tx.add(Blob(b"x")))
        raise ZeroDivisionError
    assert contents(store) == before
    with store.transaction(stamp()) as tx:
        oid = tx.add(Blob(b"x"))
        tx.move("workflows/etl", old=None, new=oid)
    assert store.ref("workflows/etl") == oid
    assert store.has(oid)


def test_an_empty_transaction_writes_nothing(store):
    before = contents(store)
    with store.transaction(stamp()):
        pass
    assert contents(store) == before


def test_a_conflict_writes_nothing(store):
    first, second = put(store, Blob(b"1"), Blob(b"2"))
    with store.transaction(stamp()) as tx:
        tx.move("workflows/etl", old=None, new=first)
    before = contents(store)
    moves = {"workflows/etl": (None, second), "workflows/other": (None, second)}
    with pytest.raises(Conflict, match="workflows/etl was moved"), store.transaction(stamp()) as tx:
        tx.add(Blob(b"lost"))
        for ref, (old, new) in moves.items():
            tx.move(ref, old=old, new=new)
    assert contents(store) == before


def operations(store):
    found = []
    oid = store.ref("ops")
    while oid:
        found.append(store.get(Operation, oid))
        oid = found[-1].parent
    return found


def test_moves_of_heads_and_tags_are_chained_operations(store):
    first, second = put(store, Blob(b"1"), Blob(b"2"))
    with store.transaction(stamp()) as tx:
        tx.move("workflows/etl", old=None, new=first)
        tx.move("tags/etl/v1", old=None, new=first)
    with store.transaction(stamp(1)) as tx:
        tx.move("workflows/etl", old=first, new=second)
        tx.move("runs/etl/1", old=None, new=second)
    with store.transaction(stamp(2)) as tx:
        tx.move("tags/etl/v1", old=first, new=None)
    newest, middle, oldest = operations(store)
    assert oldest.moves == (("tags/etl/v1", None, first), ("workflows/etl", None, first))
    assert middle.moves == (("workflows/etl", first, second),)
    assert newest.moves == (("tags/etl/v1", first, None),)
    assert (newest.time, newest.author, newest.argv) == (
        stamp(2).time,
        stamp(2).author,
        stamp(2).argv,
    )


def test_moves_of_runs_and_moves_without_a_stamp_are_no_operations(store):
    (oid,) = put(store, Blob(b"1"))
    with store.transaction(stamp()) as tx:
        tx.move("runs/etl/1", old=None, new=oid)
    with store.transaction() as tx:
        tx.move("workflows/etl", old=None, new=oid)
    assert store.ref("ops") is None


class Overtaken(Memory):
    """A backend where somebody else records an operation just before our first write."""

    def __init__(self):
        super().__init__()
        self.others = []

    def write(self, objects, moves, remove=(), needs=()):
        if self.others and "ops" in moves:
            theirs = self.others.pop()
            super().write({}, {"ops": (self.ref("ops"), theirs)})
        return super().write(objects, moves, remove, needs)


def test_an_operation_that_was_overtaken_follows_the_other():
    store = Store(Overtaken())
    (oid,) = put(store, Blob(b"1"))
    other = Operation(parent=None, time=stamp().time, author="Grace", argv=(), moves=())
    store.backend.others += put(store, other)
    with store.transaction(stamp()) as tx:
        tx.move("workflows/etl", old=None, new=oid)
    assert [operation.author for operation in operations(store)] == [stamp().author, "Grace"]


def test_refs_are_listed_without_their_prefix(store):
    (oid,) = put(store, Blob(b"1"))
    with store.transaction() as tx:
        for name in ("runs/etl/1", "runs/etl/2", "runs/etl2/9"):
            tx.move(name, old=None, new=oid)
    assert list(store.refs("runs/etl/")) == [("1", oid), ("2", oid)]
    assert list(store.refs("runs/etl/", newest_first=True)) == [("2", oid), ("1", oid)]


def alike(digits):
    """Return objects of which two have oids that begin with the same digits."""
    seen = {}
    for number in range(1_000_000):
        blob = Blob(b"%d" % number)
        prefix = hash_bytes(encode_object(blob))[:digits]
        if prefix in seen:
            return prefix, seen[prefix], blob
        seen[prefix] = blob
    raise AssertionError


def test_a_unique_prefix_is_found(store):
    (oid,) = put(store, Blob(b"1"))
    assert store.find(oid[:4]) == store.find(oid[:63]) == store.find(oid) == oid


def test_an_unknown_prefix(store):
    with pytest.raises(NotFound, match="no object starts with ffff"):
        store.find("ffff")


def test_an_ambiguous_prefix_has_its_candidates(store):
    prefix, *blobs = alike(4)
    oids = put(store, *blobs)
    with pytest.raises(Ambiguous, match=prefix) as caught:
        store.find(prefix)
    assert caught.value.candidates == tuple(f"{oid[:16]}  blob" for oid in sorted(oids))


def test_an_abbreviation_is_as_long_as_it_must_be(monkeypatch, store):
    monkeypatch.setattr("ork.store.store.SHORT_DIGITS_MIN", 4)
    prefix, *blobs = alike(4)
    for oid in put(store, *blobs):
        short = store.short(oid)
        assert short.startswith(prefix)
        assert len(short) > 4
        assert store.find(short) == oid
    assert store.short(ABSENT) == "ffff"


def test_few_abbreviations_are_remembered(monkeypatch, store):
    monkeypatch.setattr("ork.store.store.SHORT_OIDS_MAX", 2)
    for oid in put(store, *(Blob(bytes([n])) for n in range(20))):
        assert store.find(store.short(oid)) == oid
        assert len(store._short) <= 3


@given(st.sets(st.binary(max_size=4), min_size=1, max_size=30))
@settings(deadline=None, max_examples=examples(50))
def test_every_abbreviation_is_accepted_back(contents_of_blobs):
    store = Store(Memory())
    for oid in put(store, *map(Blob, contents_of_blobs)):
        assert store.find(store.short(oid)) == oid


def test_folders_of_refs_are_named_once_and_backwards(store):
    names = ["ran/a/1", "ran/a/2", "ran/a-b/1", "ran/a.b/c/1", "ran/b", "ran/a0/9", "rao/x/1"]
    with store.transaction() as tx:
        oid = tx.add(Blob(b""))
        for name in names:
            tx.move(name, old=None, new=oid)
    assert list(store.folders("ran/")) == ["a0", "a", "a.b", "a-b"]
    assert list(store.folders("ran/a.b/")) == ["c"]
    assert list(store.folders("none/")) == []
    below = [name for name, _ in store.refs("ran/", below="a0")]
    assert below == ["a-b/1", "a.b/c/1", "a/1", "a/2"]
