"""The text of a workflow file, byte for byte, so that a small edit of a large file stores little.

A text of up to 64 KiB is one blob. A larger one is cut after lines that its content decides, and
the blobs are listed in a tree: an edit changes the blobs it touches and the list.
"""

from __future__ import annotations

from collections.abc import Mapping
from zlib import crc32

from ork.objects import tree
from ork.objects.canonical import Json, Oid, hash_bytes
from ork.objects.kinds import Blob, encode_object
from ork.store.store import Store

BLOB_BYTES_MAX = 65536
CHUNK_BYTES_MIN = 4096
CHUNK_BYTES_MAX = 16384
CUT_MASK = 0x3F  # one line in 64


def split_text(text: bytes) -> tuple[dict[str, Json], dict[Oid, bytes]]:
    """Return the `source` entries of a deploy for this text, and the objects that hold it."""
    if len(text) <= BLOB_BYTES_MAX:
        data = encode_object(Blob(text))
        return {"blob": hash_bytes(data)}, {hash_bytes(data): data}
    objects: dict[Oid, bytes] = {}
    names: dict[str, Json] = {}
    for index, chunk in enumerate(_chunks(text)):
        data = encode_object(Blob(chunk))
        oid = hash_bytes(data)
        objects[oid] = data
        names[f"{index:08d}"] = oid
    root, trees = tree.build(names)
    return {"chunks": root}, objects | trees


def join_text(store: Store, source: Mapping[str, Json]) -> bytes:
    """Return the text that a deploy's `source` names."""
    if "blob" in source:
        return store.blob(text_of(source))
    return b"".join(store.blob(oid) for oid in store.named(text_of(source)).values())


def text_of(source: Mapping[str, Json]) -> Oid:
    """Return the blob that a deploy's `source` names, or the tree of its pieces."""
    return Oid(str(source.get("blob") or source["chunks"]))


def _chunks(text: bytes) -> list[bytes]:
    chunks: list[bytes] = []
    start = end = 0
    for line in text.splitlines(keepends=True) if b"\r" not in text else _lines(text):
        for piece in (line,) if len(line) <= CHUNK_BYTES_MAX else _pieces(line):
            if end - start + len(piece) > CHUNK_BYTES_MAX:
                chunks.append(text[start:end])
                start = end
            end += len(piece)
            size = end - start
            if size >= CHUNK_BYTES_MIN and (crc32(piece) & CUT_MASK == 0):
                chunks.append(text[start:end])
                start = end
    if end > start:
        chunks.append(text[start:end])
    return chunks


def _pieces(line: bytes) -> list[bytes]:
    return [line[at : at + CHUNK_BYTES_MAX] for at in range(0, len(line), CHUNK_BYTES_MAX)]


def _lines(text: bytes) -> list[bytes]:
    # bytes.splitlines also cuts at a lone carriage return, which is no line end here.
    return [line + b"\n" for line in text.split(b"\n")[:-1]] + [text.split(b"\n")[-1]]
