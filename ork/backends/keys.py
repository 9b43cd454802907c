"""The keys of the LMDB backend. Both tables live in one database, told apart by the first byte.

    b"format"                      -> b"1"
    b"o" + 32 bytes of the oid     -> the object
    b"r" + name in UTF-8           -> 32 bytes of the oid

Refs come last, so whatever follows b"r" is one.
"""

from __future__ import annotations

from ork.errors import Corrupt
from ork.objects.canonical import Oid

MARK, FORMAT = b"format", b"1"
OBJECT, REF = b"o", b"r"


def of_object(oid: Oid) -> bytes:
    """Return the key of an object."""
    return OBJECT + bytes.fromhex(oid)


def of_ref(name: str) -> bytes:
    """Return the key of a ref; any text has one, so that any text can be looked up."""
    return REF + name.encode("utf-8", "surrogatepass")


def name_of(key: bytes) -> str:
    """Return the name that a key of a ref stands for."""
    try:
        return str(key[1:], "utf-8", "surrogatepass")
    except UnicodeDecodeError:
        raise Corrupt(f"a ref has the name {key[1:]!r}, which is not text") from None


def target_of(key: bytes, value: bytes) -> Oid:
    """Return the target of a ref."""
    if len(value) != 32:
        raise Corrupt(f"the ref {name_of(key)!r} points at {len(value)} bytes that are no oid")
    return Oid(value.hex())


def raw(oid: Oid | None) -> bytes | None:
    """Return the bytes of a target, None for none."""
    return None if oid is None else bytes.fromhex(oid)
