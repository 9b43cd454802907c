from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import lmdb
import pytest

from ork.backends import lmdb_file
from ork.backends.base import sealed
from ork.backends.lmdb import PAGE_REFS, READERS_MAX, Lmdb
from ork.backends.lmdb_file import Gate
from ork.errors import Corrupt, StoreError
from ork.objects.canonical import Oid, hash_bytes
from tests.backends.children import as_number, as_oid, batch
from tests.scale import LONG

Start = Callable[..., "subprocess.Popen[str]"]
ROOT = Path(__file__).parents[2]
SOON_S = 30  # far more than needed, far less than the 60 s after which a writer gives up


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Lmdb.create(tmp_path / "db")
    return tmp_path / "db"


@pytest.fixture
def backend(folder: Path) -> Iterator[Lmdb]:
    opened = Lmdb.open(folder)
    yield opened
    opened.close()


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Start a function of `children` in a process of its own; kill at the end what is left."""
    started: list[subprocess.Popen[str]] = []

    def start(name: str, *arguments: object, **environ: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.backends.children", name, str(folder)]
            + [str(argument) for argument in arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, **environ},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


def output(process: subprocess.Popen[str]) -> list[str]:
    out, err = process.communicate(timeout=SOON_S)
    assert process.returncode == 0, err
    return out.splitlines()


def modes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o7777 for path in [folder, *folder.iterdir()]}


def increments(start: Start, kind: str, folder: Path) -> tuple[int, int]:
    """Let processes count up one ref; return how often they succeeded, and what it says."""
    processes = [start("increment", kind, 150) for _ in range(3)]
    for process in processes:
        assert line(process) == "ready"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    wins = sum(int(text) for process in processes for text in output(process))
    backend = Lmdb.open(folder)
    count = as_number(backend.ref("counter"))
    backend.close()
    return wins, count


def test_processes_that_compare_and_set_lose_nothing(start: Start, folder: Path) -> None:
    wins, count = increments(start, "Lmdb", folder)
    assert wins == count >= 150


def test_without_the_comparison_they_do_lose(start: Start, folder: Path) -> None:
    wins, count = increments(start, "Unchecked", folder)
    assert wins == 450 > count


def test_a_commit_waits_for_the_disk(backend: Lmdb) -> None:
    flags = backend._environment.engine.flags()
    waits = {name: flags[name] for name in ("sync", "metasync", "writemap", "map_async")}
    assert waits == {"sync": True, "metasync": True, "writemap": False, "map_async": False}


@pytest.mark.slow
@pytest.mark.parametrize("acknowledged", [1, 2, 7, 30, 31, 90])
def test_a_killed_writer_leaves_all_or_nothing(
    start: Start, folder: Path, acknowledged: int
) -> None:
    writer = start("write_batches")
    while int(line(writer)) < acknowledged:
        pass
    writer.kill()
    writer.wait()
    backend = Lmdb.open(folder)
    newest = as_number(backend.ref("newest"))
    assert newest >= acknowledged
    complete = {oid for number in range(1, newest + 1) for oid in batch(number)}
    assert set(backend.oids()) == complete
    assert backend.write(batch(0), {"newest": (as_oid(newest), None)})
    backend.close()


def test_a_writer_killed_inside_leaves_nothing_and_blocks_nobody(
    start: Start, backend: Lmdb
) -> None:
    assert start("die_inside").wait(timeout=SOON_S) == -signal.SIGKILL
    assert list(backend.oids()) == []
    assert backend.write(batch(0), {"head": (None, as_oid(2))})


def test_ctrl_c_ends_a_wait_for_another_writer(start: Start) -> None:
    assert line(start("hold_gate")) == "inside"
    waiting = start("wait_at_gate")
    assert line(waiting) == "waiting"
    time.sleep(0.2)
    waiting.send_signal(signal.SIGINT)
    assert output(waiting) == ["interrupted"]


def test_a_wait_that_is_too_long_names_the_holder(start: Start, folder: Path) -> None:
    holder = start("hold_gate")
    assert line(holder) == "inside"
    backend = Lmdb.open(folder, wait_s=0.05)
    with pytest.raises(
        StoreError, match=rf"process {holder.pid} \(children.py hold_gate "
    ) as error:
        backend.write({}, {"head": (None, as_oid(1))})
    assert error.value.hint
    holder.kill()
    holder.wait()
    assert backend.write({}, {"head": (None, as_oid(1))})
    backend.close()


def test_a_thread_that_waits_too_long_gives_up(folder: Path) -> None:
    gate = Gate(folder / "gate", wait_s=0.05)
    with gate, pytest.raises(StoreError, match=f"process {os.getpid()} "), gate:
        pass
    with gate:
        pass
    gate.close()


def test_a_stuck_writer_stops_no_reader(start: Start, backend: Lmdb, folder: Path) -> None:
    assert backend.write(batch(1), {"tail": (None, as_oid(7))})
    assert line(start("stay_inside")) == "inside"
    backend.close()
    reopened = Lmdb.open(folder)
    assert reopened.ref("tail") == as_oid(7)
    assert sorted(reopened.oids()) == sorted(batch(1))
    reopened.close()


def test_a_forked_child_is_refused_and_its_parent_goes_on(start: Start) -> None:
    *child, parent = output(start("fork"))
    assert child == ["StoreError: the store was opened before this process was forked"] * 8
    assert parent == "parent: 2"


def test_a_forked_child_keeps_nobody_out(start: Start, folder: Path) -> None:
    parent = start("die_at_the_gate")
    assert line(parent) == "alive"
    assert parent.wait(timeout=SOON_S) == -signal.SIGKILL
    backend = Lmdb.open(folder, wait_s=2.0)
    assert backend.write({}, {"head": (None, as_oid(1))})
    backend.close()


def test_a_second_open_shares_the_first(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    first, second = Lmdb.open(folder), Lmdb.open(tmp_path / "link")
    assert first.write({}, {"head": (None, as_oid(1))})
    first.close()
    assert second.ref("head") == as_oid(1)
    second.close()
    third = Lmdb.open(folder)
    assert third.ref("head") == as_oid(1)
    third.close()


def test_a_store_made_anew_in_the_same_place_is_another(folder: Path, tmp_path: Path) -> None:
    old = Lmdb.open(folder)
    folder.rename(tmp_path / "moved")
    Lmdb.create(folder)
    new = Lmdb.open(folder)
    assert new.write({}, {"head": (None, as_oid(1))})
    assert old.ref("head") is None
    old.close()
    new.close()


def test_a_closed_handle_says_so(folder: Path) -> None:
    closed, other = Lmdb.open(folder), Lmdb.open(folder)
    closed.close()
    uses = [
        lambda: closed.get(as_oid(1)),
        lambda: closed.ref("head"),
        lambda: list(closed.refs()),
        lambda: closed.write({}, {}),
        lambda: closed.sweep(list),
    ]
    for use in uses:
        with pytest.raises(StoreError, match="the store is closed"):
            use()
    assert other.ref("head") is None
    other.close()


def test_a_read_only_handle_reads(backend: Lmdb, folder: Path) -> None:
    assert backend.write({}, {"head": (None, as_oid(1))})
    reader = Lmdb.open(folder, readonly=True)
    assert reader.ref("head") == as_oid(1)
    with pytest.raises(StoreError, match="for reading only"):
        reader.write({}, {})
    with pytest.raises(StoreError, match="for reading only"):
        reader.sweep(list)
    reader.close()


def test_a_folder_without_write_permission_can_be_read(start: Start, folder: Path) -> None:
    backend = Lmdb.open(folder)
    backend.write({}, {"head": (None, as_oid(5))})
    backend.close()
    refused, head, write = output(start("read_only"))
    assert refused.startswith("refused: ")
    assert head == "head: 5"
    assert "for reading only" in write


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


@pytest.mark.skipif(not shutil.which("strace"), reason="strace makes system calls fail")
@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
def test_a_write_that_the_disk_refused_is_told_as_what_it_is(folder: Path, error: str) -> None:
    """Whichever call fails: what is said is true, and the same process can go on."""
    told = set()
    for call in ("pwrite64", "pwritev", "fdatasync") if LONG else ("pwrite64",):
        for when in range(1, 6) if LONG else (2, 3):
            inject = f"inject={call}:error={error}:when={when}"
            shutil.rmtree(folder)
            Lmdb.create(folder)
            trace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject]
            done = subprocess.run(
                [*trace, sys.executable, "-m", "tests.backends.children", "write_on", str(folder)],
                capture_output=True,
                text=True,
                cwd=ROOT,
            )
            assert done.returncode == 0, done.stderr
            lines = done.stdout.splitlines()
            for number, at, words in (text.split(" ", 2) for text in lines):
                assert (number == at) == ("nothing was written" not in words), lines
                assert "damaged" not in words
                told.add(words.partition(" (")[0])
            assert lines[-1] == "6 6 written"
    assert "the disk is full or failing, and nothing was written" in told


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
    with pytest.raises(StoreError, match=r"can read \(format b'1'\)"):
        Lmdb.open(tmp_path / "db")


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o777])
def test_only_the_owner_has_access_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        Lmdb.create(tmp_path / "db")
        backend = Lmdb.open(tmp_path / "db")
        backend.write({}, {"head": (None, as_oid(1))})
        backend.close()
    finally:
        os.umask(before)
    assert modes(tmp_path / "db") == {
        "db": 0o700,
        "data.mdb": 0o600,
        "lock.mdb": 0o600,
        "gate": 0o600,
    }


def test_no_store_is_no_traceback(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store in"):
        Lmdb.open(tmp_path / "db")


def test_a_link_in_place_of_the_data_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "data.mdb").rename(tmp_path / "elsewhere")
    (folder / "data.mdb").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="cannot be read"):
        Lmdb.open(folder)


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


@pytest.mark.parametrize("garbage", [b"\0" * 65536, b"garbage" * 9999, b"SQLite format 3\0" * 900])
def test_a_file_of_garbage_is_an_error(folder: Path, garbage: bytes) -> None:
    (folder / "data.mdb").write_bytes(garbage)
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


def test_what_cannot_be_stored_is_an_error_of_ours(backend: Lmdb) -> None:
    with pytest.raises(StoreError, match="length that cannot be stored"):
        backend.write({}, {"x" * 600: (None, as_oid(1))})
    assert backend.write({}, {"x" * 500: (None, as_oid(1))})
    assert list(backend.refs("x")) == [("x" * 500, as_oid(1))]
    assert backend.get(Oid("")) is None


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
