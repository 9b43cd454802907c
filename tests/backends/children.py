"""What the other processes of these tests do: `python -m tests.backends.children NAME DIR`."""

from __future__ import annotations

import fcntl
import os
import resource
import select
import signal
import struct
import subprocess
import sys
import threading
import time
import urllib.parse  # noqa: F401 (of pathlib, which reads it late: from a folder that may be closed by then)
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import lmdb

from ork.backends.gate import Gate
from ork.backends.lmdb import READERS_MAX, Lmdb
from ork.backends.plain.files import Files
from ork.backends.plain.listing import Listing
from ork.backends.sqlite import Sqlite
from ork.errors import OrkError, StoreError
from ork.objects.canonical import Oid, hash_bytes

BATCH_OBJECTS = 20


def kind_of(folder: Path) -> Any:
    """Return the class of the backend in a folder."""
    if not folder.is_dir():
        return Sqlite
    return Files if (folder / "refs").exists() else Lmdb


def gate_of(folder: Path) -> Path:
    """Return the file before which writers wait."""
    return folder / "gate" if folder.is_dir() else folder.with_name(f"{folder.name}-gate")


def locks_of(folder: Path) -> Path:
    """Return where leases are, unless another folder was named."""
    return folder / "locks" if folder.is_dir() else folder.with_name(f"{folder.name}-locks")


def opened(folder: Path, **options: Any) -> Any:
    return kind_of(folder).open(folder, **options)


def unchecked(folder: Path) -> Any:
    """Open the negative control: it moves refs wherever they are."""
    backend = opened(folder)
    asked, name = (Listing, "unmoved") if isinstance(backend, Files) else (backend, "_unmoved")
    assert hasattr(asked, name)
    setattr(asked, name, lambda *_: True)
    return backend


def interrupted(folder: Path, drastic: Callable[[], None]) -> Any:
    """Open a backend that does something drastic inside of its write transaction."""
    backend = opened(folder)
    if isinstance(backend, Files):
        write, place = backend.write, backend._place

        def placed(oids: Any) -> None:
            place(oids)
            drastic()

        backend._place = placed  # type: ignore[method-assign]
        backend.write = lambda _, moves: write(batch(0), moves)  # type: ignore
        return backend

    def unmoved(txn: Any, _: Any) -> bool:
        for oid, data in batch(0).items():
            if isinstance(backend, Lmdb):
                txn.put(b"o" + bytes.fromhex(oid), data)
            else:
                txn.execute("INSERT INTO objects VALUES (?, ?)", (bytes.fromhex(oid), data))
        drastic()
        return True

    backend._unmoved = unmoved
    return backend


def batch(number: int) -> dict[Oid, bytes]:
    """Return the objects of one write of `write_batches`; the ref `newest` names the number."""
    contents = [b"%d %d" % (number, item) * 50 for item in range(BATCH_OBJECTS)]
    return {hash_bytes(data): data for data in contents}


def as_oid(number: int) -> Oid:
    return Oid(f"{number:064x}")


def as_number(oid: Oid | None) -> int:
    return int(oid or "0", 16)


def say(text: object) -> None:
    print(text, flush=True)


def increment(folder: Path, kind: str, times: str) -> None:
    """Count up one ref together with other processes; print how often that succeeded."""
    backend = {"checked": opened, "unchecked": unchecked}[kind](folder)
    say("ready")
    sys.stdin.readline()
    wins = 0
    for _ in range(int(times)):
        old = backend.ref("counter")
        wins += backend.write({}, {"counter": (old, as_oid(as_number(old) + 1))})
    say(wins)
    backend.close()


def write_batches(folder: Path) -> None:
    """Write one batch after the other until killed; print each number once it is written."""
    backend = opened(folder)
    number = as_number(backend.ref("newest"))
    while True:
        old, new = backend.ref("newest"), as_oid(number := number + 1)
        assert backend.write(batch(number), {"newest": (old, new)})
        say(number)


def die_inside(folder: Path) -> None:
    """Be killed within a write transaction that has put objects."""
    interrupted(folder, lambda: os.kill(os.getpid(), signal.SIGKILL)).write(batch(1), {})


def die_at_the_gate(folder: Path) -> None:
    """Be killed within the gate, beside a forked child that lives until its input ends."""

    def choose() -> list[Oid]:
        if os.fork() == 0:
            try:
                say("alive")
                sys.stdin.read()
            finally:
                os._exit(0)
        os.kill(os.getpid(), signal.SIGKILL)
        return []

    opened(folder).sweep(choose)


def stay_inside(folder: Path) -> None:
    """Never end a write transaction."""

    def stuck() -> None:
        say("inside")
        time.sleep(600)

    interrupted(folder, stuck).write({}, {"head": (None, as_oid(1))})


def close_beside_a_writer(folder: Path, other: str) -> None:
    """Close a store while another thread is in its gate, who opens others there, and it anew."""
    backend, anew = opened(folder), list[Any]()
    before = backend.sequence()
    closer = threading.Thread(target=backend.close)

    def choose() -> list[Oid]:
        closer.start()
        with suppress(StoreError):
            while True:
                backend.ref("head")
        for _ in range(100):
            opened(Path(other)).close()
        anew.append(opened(folder))
        return []

    try:
        backend.sweep(choose)
    except StoreError as error:
        say(error.message)
    closer.join()
    say(anew[0].sequence() - before)
    anew[0].close()


def hold_gate(folder: Path) -> None:
    """Hold the gate until killed."""
    with Gate(gate_of(folder)):
        say("inside")
        time.sleep(600)


def wait_at_gate(folder: Path) -> None:
    """Write, behind somebody who holds the gate."""
    backend = opened(folder)
    say("waiting")
    try:
        backend.write({}, {"head": (None, as_oid(1))})
    except KeyboardInterrupt:
        say("interrupted")


def fork(folder: Path) -> None:
    """Use a store in a forked child; print what each use says there."""
    backend = opened(folder)
    backend.write({}, {"head": (None, as_oid(1))})
    if os.fork() == 0:
        uses = [
            lambda: backend.get(as_oid(1)),
            lambda: backend.get_many([as_oid(1)]),
            lambda: backend.ref("head"),
            lambda: list(backend.refs()),
            lambda: list(backend.oids()),
            lambda: backend.write({}, {}),
            lambda: backend.sweep(list),
            lambda: opened(folder) and "open",
        ]
        for use in uses:
            try:
                say(f"worked: {use()}")
            except OrkError as error:
                say(type(error).__name__ + ": " + error.message)
        backend.close()
        os._exit(0)
    os.wait()
    assert backend.write({}, {"head": (as_oid(1), as_oid(2))})
    say(f"parent: {as_number(backend.ref('head'))}")
    backend.close()


def fork_within(folder: Path) -> None:
    """Fork while what there is at a moment is read; say what each process reads of it then."""
    backend = opened(folder)
    backend.write(batch(1), {"head": (None, as_oid(1))})
    with backend.frozen() as still:
        if (child := os.fork()) == 0:
            uses = [
                lambda: still.get(as_oid(1)),
                lambda: still.get_many([as_oid(1)]),
                lambda: still.ref("head"),
                lambda: list(still.refs()),
                lambda: list(still.oids("0")),
                lambda: still.sequence(),
            ]
            for use in uses:
                try:
                    say(f"worked: {use()}")
                except OrkError as error:
                    say(type(error).__name__ + ": " + error.message)
        else:
            os.wait()
            for number in range(1, 20):  # enough to write over what nobody reads any more
                other = batch(number + 1)
                assert backend.write(other, {"head": (as_oid(number), as_oid(number + 1))})
                backend.sweep(partial(batch, number))
            found = still.get_many(batch(1))
            say(f"parent: {as_number(still.ref('head'))}, {found == batch(1)}")
    if child == 0:
        sys.exit()
    backend.close()


def read_only(folder: Path) -> None:
    """Read and write where only reading is possible, as a user whom permissions bind."""
    # Relative, for the folders above may be closed to that user.
    os.chdir(folder if folder.is_dir() else folder.parent)
    here = Path("." if folder.is_dir() else folder.name)
    for path in (Path(), *Path().iterdir()):
        path.chmod(0o500 if path.is_dir() else 0o400)
        if os.geteuid() == 0:
            os.chown(path, 65534, 65534)
    if os.geteuid() == 0:
        os.setuid(65534)
    for readonly in (False, True):
        try:
            backend = opened(here, readonly=readonly)
        except OrkError as error:
            say(f"refused: {error.message}")
        else:
            say(f"head: {as_number(backend.ref('head'))}")
            try:
                backend.write({}, {"head": (None, None)})
            except OrkError as error:
                say(f"refused: {error.message}")
            backend.close()


def read_and_die(folder: Path, count: str = str(READERS_MAX)) -> None:
    """Fill the table of readers, and be killed."""
    backend = Lmdb.open(folder)
    transactions = [backend._begin() for _ in range(int(count))]
    say(len(transactions))
    os.kill(os.getpid(), signal.SIGKILL)


def grow(folder: Path) -> None:
    """Write four million bytes."""
    backend = Lmdb.open(folder)
    data = os.urandom(4_000_000)
    assert backend.write({hash_bytes(data): data}, {"head": (None, as_oid(1))})
    backend.close()


def cramped(folder: Path) -> None:
    """Use the store with 4 GiB of address space."""
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    backend = Lmdb.open(folder)
    assert backend.write({}, {"head": (None, as_oid(1))})
    say(as_number(backend.ref("head")))
    backend.close()


def lease(folder: Path, how: str) -> None:
    """Have a lease until killed: alone, or with a child that lives on."""
    held = opened(folder).lease("run")
    child, (ready, told) = 0, os.pipe()
    if how == "fork":
        if (child := os.fork()) == 0:
            try:
                os.write(told, b"!")
                time.sleep(60)
            finally:
                os._exit(0)
        os.read(ready, 1)
    if how == "exec":
        child = subprocess.Popen(["sleep", "60"]).pid
    say(f"{held is not None and held.held()} {child}")
    signal.pause()


def create(folder: Path) -> None:
    """Make a store."""
    Lmdb.create(folder)


def write_on(folder: Path) -> None:
    """Write again and again, also after what failed; say of each how it went and what is there."""
    try:
        backend = opened(folder)
    except OrkError:
        return  # the disk failed already
    at = None
    for number in range(1, 11):
        told = "written"
        try:
            assert backend.write(batch(number), {"newest": (at, as_oid(number))})
        except OrkError as error:
            told = error.message
        at = backend.ref("newest")
        say(f"{number} {as_number(at)} {told}")


def look_on(folder: Path) -> None:
    """Have the store open, and look into it now and then, until killed."""
    backend = Lmdb.open(folder)
    say("open")
    while True:
        backend.ref("head")
        time.sleep(0.1)


def name_and_need(folder: Path, name: str) -> None:
    """Write objects, and only then refs that need them, until three were swept in between."""
    backend = opened(folder)
    at, again = None, 0
    while again < 3:
        data = os.urandom(8)
        oid = hash_bytes(data)
        assert backend.write({oid: data}, {})
        time.sleep(0.001)
        while not backend.write({}, {name: (at, oid)}, needs=[oid]):
            again += 1
            assert backend.write({oid: data}, {})
        at = oid
    backend.close()


def sweep_on(folder: Path, how: str) -> None:
    """Sweep what no ref needs until told to stop; `stale`: by what was so a moment before."""
    backend = opened(folder)

    def choose() -> list[Oid]:
        needed = {oid for _, oid in backend.refs()}
        return [oid for oid in backend.oids() if oid not in needed]

    say("ready")
    while not select.select([sys.stdin], [], [], 0)[0]:
        if how == "stale":
            chosen = choose()
            time.sleep(0.002)
            backend.sweep(lambda chosen=chosen: chosen)  # type: ignore[misc]
        else:
            backend.sweep(choose)
    say("done")
    backend.close()


def keep_large(folder: Path, megabytes: str) -> None:
    """Write and read an object with so much memory that it fits in three times, and no more."""
    size = int(megabytes) << 20
    backend = opened(folder)
    data = os.urandom(1 << 20) * int(megabytes)
    oid = hash_bytes(data)
    status = Path("/proc/self/status").read_text()
    used = int(status.partition("VmData:")[2].split()[0]) << 10
    resource.setrlimit(resource.RLIMIT_DATA, (used + 2 * size + (16 << 20), -1))
    assert backend.write({oid: data}, {"large": (None, oid)})
    assert backend.write({oid: data}, {})
    del data
    found = backend.get(oid)
    assert found is not None
    assert hash_bytes(found) == oid
    say(len(found))
    backend.close()


def readers(folder: Path, count: str) -> None:
    """Kill so many processes while they read."""
    for _ in range(int(count)):
        if (pid := os.fork()) == 0:
            with suppress(lmdb.ReadersFullError):
                env = lmdb.open(str(folder), create=False, max_readers=READERS_MAX)
                env.begin().get(b"format")
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(pid, 0)


def fill_locks(folder: Path, newest: str) -> None:
    """Do half of what LMDB does as the first to open: lock the file of its locks, and empty it."""
    with (folder / "lock.mdb").open("r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX, 1)
        numbers = struct.unpack("=16Q", file.read(128))
        os.pwrite(file.fileno(), bytes(8), 8 * numbers.index(int(newest)))
        say("ready")
        signal.pause()


def tell_sequence(folder: Path) -> None:
    opened = Lmdb.open(folder)
    say(opened.sequence())
    opened.close()


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
