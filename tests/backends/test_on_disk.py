"""What backends that lie in a folder promise beyond the suite: killed, forked, locked, refused."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from ork.backends.base import Backend
from ork.backends.gate import Gate
from ork.backends.lmdb import Lmdb
from ork.backends.plain.files import Files
from ork.backends.sqlite import Sqlite
from ork.errors import Corrupt, StoreError
from tests.backends.children import as_number, as_oid, batch, gate_of, locks_of
from tests.backends.conftest import ROOT, SOON_S, Start, line, made, output
from tests.scale import LONG, TRIES_MAX, size


@pytest.fixture(params=[Lmdb, Sqlite, Files], ids=lambda kind: kind.__name__.lower())
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


def modes(folder: Path) -> dict[str, int]:
    """Return the mode of each file and folder, but that folders are to be entered."""
    return {
        path.name: path.stat().st_mode & 0o7777 & (~0o100 if path.is_dir() else ~0)
        for path in [folder, *folder.rglob("*")]
    }


def increments(start: Start, how: str, folder: Path, kind: Any) -> tuple[int, int]:
    """Let processes count up one ref; return how often they succeeded, and what it says."""
    processes = [start("increment", how, 150) for _ in range(3)]
    for process in processes:
        assert line(process) == "ready"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    wins = sum(int(text) for process in processes for text in output(process))
    backend = kind.open(folder)
    count = as_number(backend.ref("counter"))
    backend.close()
    return wins, count


@pytest.mark.slow
@pytest.mark.turns(3)
def test_processes_that_compare_and_set_lose_nothing(start: Start, folder: Path, kind: Any) -> None:
    wins, count = increments(start, "checked", folder, kind)
    assert wins == count >= 150


@pytest.mark.turns(3)
def test_without_the_comparison_they_do_lose(start: Start, folder: Path, kind: Any) -> None:
    total, count = 0, 0
    while total == count:
        wins, count = increments(start, "unchecked", folder, kind)
        assert wins == 450
        total += wins
        assert total <= 450 * TRIES_MAX, "nobody was ever in the way of another"
    assert count < total


@pytest.mark.slow
@pytest.mark.turns(3)
def test_writers_and_sweeps_lose_no_object_that_a_ref_needs(
    start: Start, folder: Path, kind: Any
) -> None:
    sweeper = start("sweep_on", "checked")
    assert line(sweeper) == "ready"
    for writer in [start("name_and_need", name) for name in ("a", "b")]:
        output(writer)
    output(sweeper)  # which ends when its input does
    backend = kind.open(folder)
    assert [name for name, oid in backend.refs() if backend.get(oid) is None] == []
    assert len(list(backend.refs())) == 2
    backend.close()


@pytest.mark.slow
@pytest.mark.turns(3)
def test_an_object_of_100_mb_is_kept_with_little_memory_besides(start: Start) -> None:
    megabytes = size(100, by_day=16)
    assert output(start("keep_large", megabytes)) == [str(megabytes << 20)]


@pytest.mark.slow
@pytest.mark.parametrize("acknowledged", [1, 2, 7, 30, 31, 90])
@pytest.mark.turns(3)
def test_a_killed_writer_leaves_all_or_nothing(
    start: Start, folder: Path, acknowledged: int, kind: Any
) -> None:
    writer = start("write_batches")
    while int(line(writer)) < acknowledged:
        pass
    writer.kill()
    writer.wait()
    backend = kind.open(folder)
    newest = as_number(backend.ref("newest"))
    assert newest >= acknowledged
    complete = {oid for number in range(1, newest + 1) for oid in batch(number)}
    assert set(backend.oids()) == complete
    assert backend.write(batch(0), {"newest": (as_oid(newest), None)})
    backend.close()


def test_a_writer_killed_inside_leaves_nothing_and_blocks_nobody(
    start: Start, backend: Backend
) -> None:
    assert start("die_inside").wait(timeout=SOON_S) == -signal.SIGKILL
    assert list(backend.oids()) == []
    assert backend.write(batch(0), {"head": (None, as_oid(2))})


@pytest.mark.slow
def test_ctrl_c_ends_a_wait_for_another_writer(start: Start) -> None:
    assert line(start("hold_gate")) == "inside"
    waiting = start("wait_at_gate")
    assert line(waiting) == "waiting"
    time.sleep(0.2)
    waiting.send_signal(signal.SIGINT)
    assert output(waiting) == ["interrupted"]


def test_a_wait_that_is_too_long_names_the_holder(start: Start, folder: Path, kind: Any) -> None:
    holder = start("hold_gate")
    assert line(holder) == "inside"
    backend = kind.open(folder, wait_s=0.05)
    for _ in range(2):  # who gave up leaves what the file says of the holder
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
    gate = Gate(gate_of(folder), wait_s=0.05)
    with gate, pytest.raises(StoreError, match=f"process {os.getpid()} "), gate:
        pass
    with gate:
        pass
    gate.close()


def test_a_stuck_writer_stops_no_reader(
    start: Start, backend: Backend, folder: Path, kind: Any
) -> None:
    assert backend.write(batch(1), {"tail": (None, as_oid(7))})
    assert line(start("stay_inside")) == "inside"
    backend.close()
    reopened = kind.open(folder)
    assert reopened.ref("tail") == as_oid(7)
    assert sorted(reopened.oids()) == sorted(batch(1))
    reopened.close()


def test_a_forked_child_is_refused_and_its_parent_goes_on(start: Start, kind: Any) -> None:
    *child, anew, parent = output(start("fork"))
    assert child == ["StoreError: the store was opened before this process was forked"] * 7
    # LMDB cannot open a file twice in a process, and a child is none of its own in that.
    assert anew == (child[0] if kind is Lmdb else "worked: open")
    assert parent == "parent: 2"


def test_a_moment_is_the_parents_alone_and_outlasts_a_child(start: Start, kind: Any) -> None:
    *child, parent = output(start("fork_within"))
    assert child == ["StoreError: the store was opened before this process was forked"] * 6
    assert parent == "parent: 1, True"


def test_a_forked_child_keeps_nobody_out(start: Start, folder: Path, kind: Any) -> None:
    parent = start("die_at_the_gate")
    assert line(parent) == "alive"
    assert parent.wait(timeout=SOON_S) == -signal.SIGKILL
    backend = kind.open(folder, wait_s=2.0)
    assert backend.write({}, {"head": (None, as_oid(1))})
    backend.close()


@pytest.mark.parametrize("how", ["alone", "fork", "exec"])
def test_a_lease_ends_with_its_process_whatever_lives_on(
    start: Start, backend: Backend, how: str
) -> None:
    holder = start("lease", how)
    held, child = line(holder).split()
    try:
        assert held == "True"
        assert backend.lease("run") is None
        assert backend.leased() == {"run"}
        holder.kill()
        holder.wait()
        assert backend.leased() == {"run"}, "a trace of who was killed"
        lease = backend.lease("run")
        assert lease is not None
        lease.release()
        assert backend.leased() == set()
    finally:
        if child != "0":
            os.kill(int(child), signal.SIGKILL)


def test_a_lease_whose_file_is_removed_is_lost_for_ever(
    start: Start, folder: Path, backend: Backend
) -> None:
    lost = backend.lease("run")
    assert lost is not None
    (locks_of(folder) / "run").unlink()
    assert not lost.held()
    assert line(start("lease", "alone")) == "True 0"
    assert not lost.held()
    lost.release()
    assert backend.lease("run") is None, "the lease of another is not released"


def test_the_folder_for_leases_may_be_given(folder: Path, tmp_path: Path, kind: Any) -> None:
    backend, other = (kind.open(folder, locks=tmp_path / "locks") for _ in range(2))
    lease = backend.lease("run")
    assert (tmp_path / "locks" / "run").stat().st_mode & 0o7777 == 0o600
    assert (tmp_path / "locks").stat().st_mode & 0o7777 == 0o700
    assert other.lease("run") is None
    lease.release()
    backend.close()
    with pytest.raises(StoreError, match="closed"):
        backend.lease("run")
    other.close()


def test_a_second_open_shares_the_first(folder: Path, tmp_path: Path, kind: Any) -> None:
    (tmp_path / "link").symlink_to(folder.parent)
    first, second = kind.open(folder), kind.open(tmp_path / "link" / folder.name)
    assert first.write({}, {"head": (None, as_oid(1))})
    first.close()
    assert second.ref("head") == as_oid(1)
    second.close()
    third = kind.open(folder)
    assert third.ref("head") == as_oid(1)
    third.close()


def test_a_closed_handle_says_so(folder: Path, kind: Any) -> None:
    closed, other = kind.open(folder), kind.open(folder)
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


def test_who_closes_and_who_writes_do_not_wait_for_each_other(
    start: Start, tmp_path: Path, kind: Any
) -> None:
    (tmp_path / "other").mkdir()
    said = output(start("close_beside_a_writer", made(kind, tmp_path / "other")))
    assert said == ["the store is closed", "0"], "and nothing was written"


def test_a_read_only_handle_reads(backend: Backend, folder: Path, kind: Any) -> None:
    assert backend.write({}, {"head": (None, as_oid(1))})
    reader = kind.open(folder, readonly=True)
    assert reader.ref("head") == as_oid(1)
    with pytest.raises(StoreError, match="for reading only"):
        reader.write({}, {})
    with pytest.raises(StoreError, match="for reading only"):
        reader.sweep(list)
    with pytest.raises(StoreError, match="for reading only"):
        reader.lease("run")
    assert not reader.leased()
    reader.close()


def test_a_folder_without_write_permission_can_be_read(
    start: Start, folder: Path, kind: Any
) -> None:
    backend = kind.open(folder)
    backend.write({}, {"head": (None, as_oid(5))})
    backend.close()
    parent = folder.parent if kind.INSIDE else folder
    with tempfile.TemporaryDirectory() as outside:  # where others may look for it
        os.chmod(outside, 0o711)
        shutil.move(parent, outside)
        parent.symlink_to(Path(outside) / parent.name)
        refused, head, write = output(start("read_only"))
    assert refused.startswith("refused: ")
    assert head == "head: 5"
    assert "for reading only" in write


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("strace"), reason="strace makes system calls fail")
@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
@pytest.mark.turns(3)
def test_a_write_that_the_disk_refused_is_told_as_what_it_is(
    folder: Path, tmp_path: Path, error: str, kind: Any
) -> None:
    """Whichever call fails: what is said is true, and the same process can go on."""
    told = set()
    for call in ("pwrite64", "pwritev", "fdatasync") if LONG else ("pwrite64",):
        for when in range(1, 12) if LONG else (2, 3, 14):
            inject = f"inject={call}:error={error}:when={when}"
            shutil.rmtree(tmp_path / "db")
            made(kind, tmp_path)
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
                assert (number == at) == ("the change was not written" not in words), lines
                assert "damaged" not in words
                told.add(words.partition(" (")[0])
            assert not lines or lines[-1] == "10 10 written"
    assert "the disk is full or failing, and the change was not written" in told


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o777])
def test_only_the_owner_has_access_whatever_the_umask(tmp_path: Path, mask: int, kind: Any) -> None:
    before = os.umask(mask)
    try:
        at = made(kind, tmp_path)
        backend = kind.open(at)
        backend.write(batch(1), {"head": (None, as_oid(1))})
        backend.close()
    finally:
        os.umask(before)
    found = modes(tmp_path / "db")
    assert kind.INSIDE or found["db"] == 0o600
    found.pop("db")
    assert found.keys() >= {kind.files(at)[0].name, gate_of(at).name}
    assert set(found.values()) == {0o600}


def test_no_store_is_no_traceback(tmp_path: Path, kind: Any) -> None:
    with pytest.raises(StoreError, match="there is no store in"):
        kind.open(tmp_path / "db")


def test_a_link_in_place_of_the_data_is_refused(folder: Path, tmp_path: Path, kind: Any) -> None:
    kind.files(folder)[0].rename(tmp_path / "elsewhere")
    kind.files(folder)[0].symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match=r"cannot be read|no regular file"):
        kind.open(folder)


@pytest.mark.parametrize("garbage", [b"\0" * 65536, b"garbage" * 9999, b"SQLite format 3\0" * 900])
def test_a_file_of_garbage_is_an_error(folder: Path, garbage: bytes, kind: Any) -> None:
    kind.files(folder)[0].write_bytes(garbage)
    with pytest.raises(Corrupt):
        kind.open(folder)
