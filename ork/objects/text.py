"""The text of a workflow file, byte for byte, so that a small edit of a large file stores little.

A text of up to 64 KiB is one blob. A larger one is cut after lines that its content decides, and
the blobs are listed in a tree: an edit changes the blobs it touches and the list.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
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


def _chunks(text: bytes) -> Iterator[bytes]:
    start = end = 0
    while end < len(text):
        # No line is the last one that ends before a chunk has its least size.
        end = max(end, text.rfind(b"\n", start, start + CHUNK_BYTES_MIN - 1) + 1)
        if not (piece := _PIECE.match(text, end)):
            break
        if piece.end() - start > CHUNK_BYTES_MAX:
            yield text[start:end]
            start = end
        end = piece.end()
        if end - start >= CHUNK_BYTES_MIN and crc32(piece[0]) & CUT_MASK == 0:
            yield text[start:end]
            start = end
    if end > start:
        yield text[start:]
