"""What was forgotten is read as what took its place, and never written again."""

from __future__ import annotations

import pytest

from ork.errors import Corrupt
from ork.objects.canonical import Oid, hash_bytes
from ork.objects.kinds import Blob, Tombstone, encode_object
from ork.store.store import Store
from tests.stores import NOON, plant

SECRET, REDACTED = Blob(b"password: swordfish"), Blob(b"password: [forgotten]")
OID = hash_bytes(encode_object(SECRET))


def forget(store: Store, oid: Oid, replacement: Oid) -> Store:
    """Put a tombstone; return the store as another process opens it."""
    mark = Tombstone(object=oid, replacement=replacement, reason="a test", author="Ada", time=NOON)
    with store.transaction() as tx:
        tx.move(f"forgotten/{oid}", old=None, new=tx.add(mark))
    return Store(store.backend, folder=store.folder)


@pytest.fixture
def forgetful(store: Store) -> Store:
    """A store that has forgotten one blob."""
    (replacement,) = plant(store, REDACTED)
    return forget(store, OID, replacement)


def test_it_is_read_as_what_took_its_place(forgetful: Store) -> None:
    assert forgetful.read(OID) == REDACTED
    assert forgetful.get_all(Blob, {"a": OID}) == {"a": REDACTED}
    assert dict(forgetful.raws({"a": OID})) == {"a": encode_object(REDACTED)}
    assert forgetful.has(OID)
    assert forgetful.find(OID[:10]) == OID
    assert OID.startswith(forgetful.short(OID))
    mark = forgetful.tombstone(OID)
    assert mark is not None
    assert (mark.object, mark.reason) == (OID, "a test")
    assert forgetful.tombstone(mark.replacement) is None


def test_what_took_its_place_may_be_forgotten_as_well(forgetful: Store) -> None:
    mark = forgetful.tombstone(OID)
    assert mark is not None
    forgetful.backend.sweep(lambda: [mark.replacement])
    (second,) = plant(forgetful, Blob(b"nothing"))
    later = forget(forgetful, mark.replacement, second)
    assert later.read(OID) == Blob(b"nothing")


def test_it_is_never_written_again(forgetful: Store) -> None:
    with forgetful.transaction() as tx:
        assert tx.add(SECRET) == OID
        tx.move("head", old=None, new=OID)
    assert forgetful.backend.get(OID) is None
    assert forgetful.ref("head") == OID
    assert forgetful.read(OID) == REDACTED


def test_marks_that_lead_in_a_circle_end(store: Store) -> None:
    other = Oid("e" * 64)
    plant(store, Blob(b""))
    for oid, replacement in ((OID, other), (other, OID)):
        mark = Tombstone(object=oid, replacement=replacement, reason="", author="", time=NOON)
        (planted,) = plant(store, mark)
        assert store.backend.write({}, {f"forgotten/{oid}": (None, planted)})
    with pytest.raises(Corrupt, match="nothing is in its place"):
        Store(store.backend).read(OID)


def test_marks_that_are_forgotten_themselves_end(store: Store) -> None:
    marks = [Oid("d" * 64), Oid("e" * 64)]
    refs = {OID: marks[0], marks[0]: marks[1], marks[1]: marks[0]}
    assert store.backend.write({}, {f"forgotten/{a}": (None, b) for a, b in refs.items()})
    with pytest.raises(Corrupt, match="nothing is in its place"):
        Store(store.backend).read(OID)
    with pytest.raises(Corrupt, match="nothing is in its place"):
        Store(store.backend).tombstone(OID)
