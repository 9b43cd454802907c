"""The anchor: a ring of records that says how far a store has come."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from ork.backends import anchor
from ork.backends.anchor import RECORD_BYTES, SLOTS, Anchor
from ork.errors import StoreError
from ork.objects.canonical import Oid

A = Oid("a" * 64)


def told(sequence: int, *, pin: str | None = None) -> Anchor:
    return Anchor(sequence=sequence, operation=A, pin=pin)


def test_nothing_is_told_where_there_is_no_file(tmp_path: Path) -> None:
    assert anchor.read(tmp_path) is None
    assert anchor.torn(tmp_path) == 0


def test_the_newest_record_counts_whatever_the_order_of_writing(tmp_path: Path) -> None:
    sequences = list(range(1, 700))
    random.Random(1).shuffle(sequences)
    sequences.append(700)
    for sequence in sequences:
        anchor.append(tmp_path, told(sequence))
    assert anchor.read(tmp_path) == told(700)
    assert (tmp_path / anchor.NAME).stat().st_size <= SLOTS * RECORD_BYTES


def test_the_newest_run_is_told_again_until_there_is_a_newer(tmp_path: Path) -> None:
    anchor.append(tmp_path, told(1, pin="numbers/etl/0000000001"))
    anchor.append(tmp_path, told(2))
    assert anchor.read(tmp_path) == told(2, pin="numbers/etl/0000000001")
    anchor.append(tmp_path, told(3, pin=f"numbers/{'w' * 128}/0000000001"))
    assert anchor.read(tmp_path) == told(3, pin=f"numbers/{'w' * 128}/0000000001")


def test_a_record_with_any_bit_flipped_counts_as_absent(tmp_path: Path) -> None:
    anchor.append(tmp_path, told(5))
    anchor.append(tmp_path, told(6))
    file = tmp_path / anchor.NAME
    whole = file.read_bytes()
    for bit in range(0, 8 * RECORD_BYTES, 7):
        data = bytearray(whole)
        data[6 * RECORD_BYTES + bit // 8] ^= 1 << bit % 8
        file.write_bytes(data)
        assert anchor.read(tmp_path) == told(5)
        assert anchor.torn(tmp_path) == 1


def test_a_record_at_the_place_of_another_counts_as_absent(tmp_path: Path) -> None:
    anchor.append(tmp_path, told(5))
    file = tmp_path / anchor.NAME
    file.write_bytes(bytes(RECORD_BYTES) + file.read_bytes())
    assert anchor.read(tmp_path) is None
    assert anchor.torn(tmp_path) == 1


def test_reset_leaves_only_what_it_is_given(tmp_path: Path) -> None:
    anchor.append(tmp_path, told(900))
    anchor.reset(tmp_path, told(3))
    assert anchor.read(tmp_path) == told(3)
    anchor.reset(tmp_path, None)
    assert (anchor.read(tmp_path), anchor.torn(tmp_path)) == (None, 0)


def test_what_is_no_file_in_its_place_is_told_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / anchor.NAME)
    anchor.append(tmp_path, told(1))
    with pytest.raises(StoreError, match="not a regular file"):
        anchor.read(tmp_path)


def test_what_is_forgotten_is_forgotten_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    anchor.append(tmp_path, told(5))
    flushed = []

    def flush(file: int) -> None:
        flushed.append((tmp_path / anchor.NAME).read_bytes())

    monkeypatch.setattr(os, "fsync", flush)
    anchor.reset(tmp_path, None)
    assert flushed == [bytes(SLOTS * RECORD_BYTES)]
