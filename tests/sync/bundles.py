"""Reads and writes bundles as docs/format.md says, without ork, so that they can be made wrong."""

from __future__ import annotations

import struct
from typing import NamedTuple

from blake3 import blake3

MAGIC = b"ork bundle 1\n"


class Parts(NamedTuple):
    """A bundle in its parts, each of which may be changed before it is put together again."""

    header: bytes
    refs: list[tuple[bytes, bytes]]  # name, oid
    objects: list[tuple[bytes, bytes]]  # oid, flag and object
    logs: list[tuple[bytes, bytes]]  # path, bytes


def taken_apart(data: bytes, magic: bytes = MAGIC) -> Parts:
    assert data.startswith(magic)
    (length,) = struct.unpack_from("<I", data, len(magic))
    at = len(magic) + 4 + length
    parts = Parts(data[at - length : at], [], [], [])
    while (kind := data[at : at + 1]) != b"e":
        at += 1
        if kind == b"r":
            (length,) = struct.unpack_from("<H", data, at)
            name = data[at + 2 : at + 2 + length]
            at += 2 + length
            parts.refs.append((name, data[at : at + 32]))
            at += 32
        elif kind == b"o":
            (length,) = struct.unpack_from("<Q", data, at + 32)
            parts.objects.append((data[at : at + 32], data[at + 40 : at + 40 + length]))
            at += 40 + length
        else:
            assert kind == b"l"
            (length,) = struct.unpack_from("<H", data, at)
            path = data[at + 2 : at + 2 + length]
            at += 2 + length
            (length,) = struct.unpack_from("<Q", data, at)
            text = data[at + 8 : at + 8 + length]
            at += 8 + length
            assert data[at : at + 32] == blake3(text).digest()
            at += 32
            parts.logs.append((path, text))
    counts = struct.unpack_from("<QQQ", data, at + 1)
    assert counts == (len(parts.refs), len(parts.objects), len(parts.logs))
    assert data[at + 25 :] == blake3(data[: at + 25]).digest()
    return parts


def ref(name: bytes, oid: bytes) -> bytes:
    return b"r" + struct.pack("<H", len(name)) + name + oid


def object_(oid: bytes, stored: bytes, *, length: int = 0) -> bytes:
    return b"o" + oid + struct.pack("<Q", len(stored) + length) + stored


def log(path: bytes, text: bytes, *, length: int = 0) -> bytes:
    name = b"l" + struct.pack("<H", len(path)) + path
    return name + struct.pack("<Q", len(text) + length) + text + blake3(text).digest()


def records(parts: Parts) -> list[bytes]:
    found = [ref(*one) for one in parts.refs]
    return [*found, *(object_(*one) for one in parts.objects), *(log(*one) for one in parts.logs)]


def framed(
    header: bytes, rows: list[bytes], counts: tuple[int, int, int], *, magic: bytes = MAGIC
) -> bytes:
    data = magic + struct.pack("<I", len(header)) + header + b"".join(rows)
    data += b"e" + struct.pack("<QQQ", *counts)
    return data + blake3(data).digest()


def together(parts: Parts, magic: bytes = MAGIC) -> bytes:
    counts = len(parts.refs), len(parts.objects), len(parts.logs)
    return framed(parts.header, records(parts), counts, magic=magic)
