"""How far a store has come, told outside of what its backend keeps.

A data file of yesterday is whole in itself: nothing in it says that it is not the newest. So a
small file beside it is told after each commit, and whoever opens the store compares. It is never
forced to the disk: after a loss of power it is older than the store, which says nothing.

The file is a ring of sealed records of one length, at the place that the number of the commit
gives, so that two processes do not write over each other's. A record that is torn counts as absent.
"""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from pathlib import Path

from ork.backends.base import SEAL_BYTES, seal
from ork.errors import StoreError
from ork.files import open_lock, read_file
from ork.objects.canonical import Oid
from ork.objects.value import Value, replace

NAME = "anchor"
SLOTS = 256
RECORD_BYTES = 256
_SEALED = struct.Struct(f"<Q32s{RECORD_BYTES - 40 - SEAL_BYTES}s")  # sequence, operation, pin
_SEQUENCES = struct.Struct("<" + f"Q{RECORD_BYTES - 8}x" * SLOTS)
_CONTEXT = b"ork anchor\n"
_NONE = bytes(32)


class Anchor(Value, frozen=True, kw_only=True):
    """What had been written when the store had come to a sequence number."""

    sequence: int
    operation: Oid | None  # the newest; those that follow have it as an ancestor
    pin: str | None = None  # the ref of the newest run's number; gone only if an operation says so


def read(folder: Path) -> Anchor | None:
    """Return the newest record; None when there is none that is whole."""
    ring = _ring(folder)
    sequences = list(_SEQUENCES.unpack(ring))
    while newest := max(sequences):
        slot = sequences.index(newest)
        if (record := _record(ring, slot)) is not None:
            return record
        sequences[slot] = 0
    return None


def torn(folder: Path) -> int:
    """Return how many records are not whole."""
    ring = _ring(folder)
    slots = range(SLOTS)
    return sum(any(_slot(ring, slot)) and _record(ring, slot) is None for slot in slots)


def append(folder: Path, anchor: Anchor) -> None:
    """Tell how far the store has come; without a pin, the one that was told before stays."""
    # Best effort: what cannot be told now leaves an older record, which is as true.
    with suppress(OSError, StoreError):
        if anchor.pin is None and (before := read(folder)):
            anchor = replace(anchor, pin=before.pin)
        _write(folder, _bytes(anchor), RECORD_BYTES * (anchor.sequence % SLOTS))


def reset(folder: Path, anchor: Anchor | None) -> None:
    """Forget all that was told, and tell this; raise OSError when that cannot be done.

    For who replaces what the backend keeps: without an anchor before, with the new one after. It is
    on the disk when this returns, else the old anchor might outlive a loss of power, and the new
    store would seem to have gone back.
    """
    ring = bytearray(SLOTS * RECORD_BYTES)
    if anchor is not None:
        start = RECORD_BYTES * (anchor.sequence % SLOTS)
        ring[start : start + RECORD_BYTES] = _bytes(anchor)
    _write(folder, bytes(ring), 0, flush=True)


def _ring(folder: Path) -> bytes:
    size = SLOTS * RECORD_BYTES
    try:
        return read_file(folder / NAME, size).ljust(size, b"\0")
    except FileNotFoundError:
        return bytes(size)
    except OSError as error:
        raise StoreError(f"{folder / NAME} cannot be read: {error.strerror}") from None


def _slot(ring: bytes, slot: int) -> bytes:
    return ring[slot * RECORD_BYTES : (slot + 1) * RECORD_BYTES]


def _record(ring: bytes, slot: int) -> Anchor | None:
    """Return a record that is whole and at its place."""
    record = _slot(ring, slot)
    data, proof = record[:-SEAL_BYTES], record[-SEAL_BYTES:]
    sequence, operation, pin = _SEALED.unpack(data)
    if proof != seal(_CONTEXT + data) or sequence % SLOTS != slot:
        return None
    return Anchor(
        sequence=sequence,
        operation=None if operation == _NONE else Oid(operation.hex()),
        pin=pin.rstrip(b"\0").decode() or None,
    )


def _bytes(anchor: Anchor) -> bytes:
    operation = bytes.fromhex(anchor.operation) if anchor.operation else _NONE
    data = _SEALED.pack(anchor.sequence, operation, (anchor.pin or "").encode())
    return data + seal(_CONTEXT + data)


def _write(folder: Path, data: bytes, offset: int, *, flush: bool = False) -> None:
    file = open_lock(folder / NAME)
    try:
        os.pwrite(file, data, offset)
        if flush:
            os.fsync(file)
    finally:
        os.close(file)
