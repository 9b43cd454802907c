from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import lmdb
import pytest

from ork.backends import lmdb_file
from ork.backends.base import sealed
from ork.backends.lmdb import PAGE_REFS, READERS_MAX, Lmdb
from ork.errors import Corrupt, StoreError
from ork.objects.canonical import Oid, hash_bytes
from tests.backends.children import as_oid, batch
from tests.backends.conftest import SOON_S, Start, line, output
from tests.scale import LONG


def test_a_commit_waits_for_the_disk(backend: Lmdb) -> None:
    flags = backend._environment.engine.flags()
    waits = {name: flags[name] for name in ("sync", "metasync", "writemap", "map_async")}
    assert waits == {"sync": True, "metasync": True, "writemap": False, "map_async": False}


def test_a_store_made_anew_in_the_same_place_is_another(folder: Path, tmp_path: Path) -> None:
    old = Lmdb.open(folder)
    folder.rename(tmp_path / "moved")
    Lmdb.create(folder)
    new = Lmdb.open(folder)
    assert new.write({}, {"head": (None, as_oid(1))})
    assert old.ref("head") is None
    old.close()
    new.close()


def test_a_full_map_says_so_and_keeps_what_is_there(folder: Path) -> None:
    backend = Lmdb.open(folder, map_bytes=1 << 20)
    assert backend.write({as_oid(1): b"small"}, {"head": (None, as_oid(1))})
    with pytest.raises(StoreError, match="the store is full") as error:
        backend.write({as_oid(2): bytes(2 << 20)}, {"head": (as_oid(1), as_oid(2))})
    assert error.value.hint
    assert backend.ref("head") == as_oid(1)
    assert list(backend.oids()) == [as_oid(1)]
    assert backend.write({as_oid(3): b"small"}, {"head": (as_oid(1), as_oid(3))})
    backend.close()


def test_a_map_that_another_process_outgrew_is_taken_over(start: Start, folder: Path) -> None:
    backend = Lmdb.open(folder, map_bytes=1 << 20)
    assert backend.ref("head") is None
    assert output(start("grow")) == []
    (oid,) = backend.oids()
    assert len(backend.get(oid) or b"") == 4_000_000
    assert backend.write({}, {"head": (as_oid(1), None)})
    backend.close()


def test_get_takes_over_a_map_that_another_process_outgrew(start: Start, folder: Path) -> None:
    backend = Lmdb.open(folder, map_bytes=1 << 20)
    assert output(start("grow")) == []
    assert backend.get(as_oid(1)) is None
    backend.close()


def test_little_address_space_is_enough(start: Start) -> None:
    assert output(start("cramped")) == ["1"]


def test_places_of_killed_readers_are_used_again(start: Start, backend: Lmdb) -> None:
    assert start("read_and_die").wait(timeout=SOON_S) == -signal.SIGKILL
    assert backend.get(as_oid(1)) is None
    assert backend.write({}, {"head": (None, as_oid(1))})
    assert start("read_and_die").wait(timeout=SOON_S) == -signal.SIGKILL
    assert backend.ref("head") == as_oid(1)


@pytest.mark.slow
@pytest.mark.parametrize("count", [READERS_MAX, 130, 1100] if LONG else [READERS_MAX])
def test_when_killed_readers_have_taken_all_places_the_next_look_clears_them(
    start: Start, folder: Path, count: int
) -> None:
    """When all are taken nobody can open the store while another process has it open."""
    assert line(start("look_on")) == "open"
    one = count == READERS_MAX
    start(*["read_and_die"] if one else ["readers", count]).wait()
    end = time.monotonic() + SOON_S
    while True:
        try:
            opened = Lmdb.open(folder)
            break
        except StoreError:
            assert time.monotonic() < end
            time.sleep(0.1)
    assert opened.write({}, {"head": (None, as_oid(1))})
    assert opened.ref("head") == as_oid(1)
    opened.close()


def test_the_places_of_killed_readers_are_cleared_before_they_run_out(
    start: Start, backend: Lmdb
) -> None:
    killed = start("read_and_die", 10)
    killed.wait()
    end = time.monotonic() + SOON_S
    while str(killed.pid) in backend._environment.engine.readers():
        assert time.monotonic() < end
        assert backend.ref("head") is None
        time.sleep(0.05)


def test_no_read_transaction_outlives_a_slow_consumer(backend: Lmdb) -> None:
    refs = {f"{number:05}": (None, as_oid(1)) for number in range(3 * PAGE_REFS)}
    assert backend.write(batch(1), refs)
    reading = [backend.refs(), backend.refs(newest_first=True), backend.oids()]
    for iterator in reading:
        next(iterator)
    inside = [
        text
        for text in backend._environment.engine.readers().splitlines()
        if text.split()[0].isdigit() and text.split()[2] != "-"
    ]
    assert inside == []


def test_the_environment_does_not_choose_the_format(start: Start, folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    assert output(start("create", LMDB_DEFAULT_LIB_VERSION="1")) == []
    assert lmdb_file.is_complete(folder / "data.mdb")


def test_the_other_format_is_refused(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path / "db"), lib_version=1) as env, env.begin(write=True) as txn:
        txn.put(b"format", b"2")
    with pytest.raises(StoreError):
        Lmdb.open(tmp_path / "db")


def test_a_foreign_lmdb_file_is_refused(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path / "db"), lib_version=0) as env, env.begin(write=True) as txn:
        txn.put(b"key", b"value")
    with pytest.raises(StoreError, match="no store that this ork can read"):
        Lmdb.open(tmp_path / "db")


def test_keys_and_values_of_another_format_are_refused(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path / "db"), lib_version=0) as env, env.begin(write=True) as txn:
        txn.put(b"format", b"1")
    with pytest.raises(StoreError, match="has store format 1"):
        Lmdb.open(tmp_path / "db")


@pytest.mark.parametrize("keep", [0, 1, 100, 4096, 4200, 8192, -4096, -100])
def test_a_cut_off_file_is_an_error_and_not_a_signal(folder: Path, keep: int) -> None:
    data = os.urandom(50_000)
    backend = Lmdb.open(folder)
    assert backend.write({hash_bytes(data): data, **batch(1)}, {"head": (None, as_oid(1))})
    backend.close()
    file = folder / "data.mdb"
    length = file.stat().st_size
    os.truncate(file, keep if keep >= 0 else length + keep)
    with pytest.raises(Corrupt):
        Lmdb.open(folder)


@pytest.mark.slow
def test_a_healthy_file_that_lacks_unused_pages_opens(folder: Path) -> None:
    """LMDB does not write pages that a commit took from the end of the file and gave back."""
    chance = random.Random(1)
    keys: list[bytes] = []
    with lmdb.open(str(folder), map_size=1 << 30, sync=False) as env:
        for step in range(400):
            with env.begin(write=True) as txn:
                for _ in range(chance.choice([1, 3, 30, 300])):
                    keys.append(b"o" + chance.randbytes(32))
                    txn.put(keys[-1], chance.randbytes(chance.choice([50, 300, 3000, 20_000])))
                if step % 20 == 19:
                    chance.shuffle(keys)
                    while len(keys) > 500:
                        txn.delete(keys.pop())
            if not lmdb_file.is_complete(folder / "data.mdb"):
                break
        else:
            pytest.skip("no such file came about")
    backend = Lmdb.open(folder)
    assert sum(1 for _ in backend.oids()) == len(keys)
    backend.close()


def test_a_ref_that_is_no_oid_is_damage(backend: Lmdb) -> None:
    with backend._begin(write=True) as txn:
        txn.put(b"rhead", b"short")
        txn.put(b"r\xff", sealed(b"\xff", Oid("0" * 64)))
    with pytest.raises(Corrupt, match="'head'"):
        backend.ref("head")
    with pytest.raises(Corrupt, match="not text"):
        list(backend.refs("", newest_first=True))


@pytest.mark.parametrize("commits", range(2, 6))
def test_a_flipped_bit_in_the_number_of_a_commit_is_found(folder: Path, commits: int) -> None:
    backend = Lmdb.open(folder)
    for number in range(1, commits):
        assert backend.write({}, {f"tags/{number}": (None, as_oid(number))})
    backend.close()
    assert Lmdb.problems(folder) == []
    newest = lmdb_file.newest_transaction(folder / "data.mdb")
    file = folder / "data.mdb"
    whole = file.read_bytes()
    for page in (0, 4096):
        for bit in range(64):
            data = bytearray(whole)
            data[page + 16 + 128 + bit // 8] ^= 1 << bit % 8
            file.write_bytes(data)
            if not Lmdb.problems(folder):  # then the store has gone back, which the anchor tells
                assert lmdb_file.newest_transaction(file) < newest, (page, bit)


@pytest.mark.slow
@pytest.mark.parametrize("readers", [1, 3])
def test_who_waited_for_a_process_that_was_killed_as_it_opened_sees_the_newest(
    folder: Path, start: Start, readers: int
) -> None:
    written = Lmdb.open(folder)
    for number in range(5):
        written.write(batch(number), {})
    newest = written.sequence()
    written.close()
    first = start("fill_locks", newest)
    assert line(first) == "ready"
    waiting = [start("tell_sequence") for _ in range(readers)]
    while not {child.pid for child in waiting} <= waiting_for_locks():
        time.sleep(0.01)
    first.kill()
    assert [output(child) for child in waiting] == [[str(newest)]] * readers


def waiting_for_locks() -> set[int]:
    """Return the processes that wait for a lock on a file."""
    lines = Path("/proc/locks").read_text().splitlines()
    return {int(line.split()[5]) for line in lines if "->" in line}


def test_what_cannot_be_stored_is_an_error_of_ours(backend: Lmdb) -> None:
    with pytest.raises(StoreError, match="length that cannot be stored"):
        backend.write({}, {"x" * 600: (None, as_oid(1))})
    assert backend.write({}, {"x" * 500: (None, as_oid(1))})
    assert list(backend.refs("x")) == [("x" * 500, as_oid(1))]
    assert backend.get(Oid("")) is None
