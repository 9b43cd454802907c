"""The text of a workflow file, byte for byte, so that a small edit of a large file stores little.

A text of up to 64 KiB is one blob. A larger one is cut after lines that its content decides, and
the blobs are listed in a tree: an edit changes the blobs it touches and the list.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from zlib import crc32

from ork.objects import tree
from ork.objects.canonical import Oid
from ork.objects.kinds import Blob, Object, Source

BLOB_BYTES_MAX = 65536
CHUNK_BYTES_MIN = 4096
CHUNK_BYTES_MAX = 16384
CUT_MASK = 0x3F  # one line in 64
# A line, which ends at a line feed only; of a longer one, a piece of the largest size.
_PIECE = re.compile(rb"[^\n]{0,%d}\n|[^\n]{1,%d}" % (CHUNK_BYTES_MAX - 1, CHUNK_BYTES_MAX))


def split_text(path: str, text: bytes, add: Callable[[Object], Oid]) -> Source:
    """Return the source of a deploy for the text of this file; `add` the objects that hold it."""
    if len(text) <= BLOB_BYTES_MAX:
        return Source(path=path, blob=add(Blob(text)))
    chunks = {f"{index:08d}": add(Blob(chunk)) for index, chunk in enumerate(_chunks(text))}
    return Source(path=path, chunks=tree.build(chunks, add))


def _chunks(text: bytes) -> list[bytes]:
    chunks: list[bytes] = []
    start = end = 0
    for piece in _PIECE.findall(text):
        if end - start + len(piece) > CHUNK_BYTES_MAX:
            chunks.append(text[start:end])
            start = end
        end += len(piece)
        if end - start >= CHUNK_BYTES_MIN and crc32(piece) & CUT_MASK == 0:
            chunks.append(text[start:end])
            start = end
    return [*chunks, text[start:]] if end > start else chunks
