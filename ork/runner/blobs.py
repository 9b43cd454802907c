"""What goes into and comes out of tasks, as the blobs that record it."""

from __future__ import annotations

from functools import lru_cache

from ork.objects import canonical
from ork.objects.canonical import Json, Oid, hash_bytes
from ork.objects.kinds import Blob, encode_object

SMALL_BYTES_MAX = 1024
EMPTY = {type(None): b"null", dict: b"{}"}  # of tasks without an output, and without inputs


def blob_of(value: Json) -> tuple[Oid, bytes]:
    """Return the oid and the stored bytes of the blob of a JSON value."""
    content = (not value and EMPTY.get(type(value))) or canonical.encode(value)
    return _small(content) if len(content) <= SMALL_BYTES_MAX else stored(content)


def stored(content: bytes) -> tuple[Oid, bytes]:
    """Return the oid and the stored bytes of the blob with this content."""
    data = encode_object(Blob(content))
    return hash_bytes(data), data


_small = lru_cache(maxsize=256)(stored)  # many tasks have the same inputs, or the same output
