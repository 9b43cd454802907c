"""One LMDB file, shared by many processes and threads.

One open environment per folder and process, a look at the data file before LMDB is trusted with it,
and LMDB's errors in words. Does not import LMDB.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from threading import Lock
from typing import Any

from ork.backends.base import Room
from ork.backends.gate import Gate, forked, in_use, outcome
from ork.errors import Corrupt, StoreError
from ork.files import create, open_file, open_lock

DAMAGE_HINT = (
    "`ork fsck --repair` saves what it can; a backup has the rest: `ork init --from BACKUP`"
)
CHECK_SECONDS = 1.0

# The fields of a meta page in LMDB's data format 1. There are two; the newer one counts.
MAGIC = 0xBEEFC0DE
_FORMAT = 1
META = 16  # where the meta record starts in its page
_META_BYTES = 136
PAGE_BYTES = 24
_FREE_FLAGS = 28  # of the table of free pages
_MAIN_FLAGS = 76
_PAGES = 4  # after the flags of a table: how many of branches, of leaves, and of long values
_RECORDS = 28
_LAST_PAGE = 120
TRANSACTION = 128

_INTEGER_KEYS = 8
_LOOKS = 10

_DAMAGE = frozenset({"CorruptedError", "InvalidError", "PageNotFoundError", "VersionMismatchError"})
_CAUSES = {
    "MapFullError": (
        "the store is full: its memory map has no room left",
        "a new store begins empty; `ulimit -v`, where it is set, makes the map smaller",
    ),
    "DiskError": (
        "the disk is full or failing",
        "make room, then see in `ork log` whether the last change arrived",
    ),
    "PanicError": (
        "the disk has failed while the store was written",
        "see in `ork log` whether the last change arrived, then run the command again",
    ),
    "LockError": (
        "another process with the same process id has the store open",
        "containers that share a store must share a pid namespace too, or differ in the pid of ork",
    ),
    "MemoryError": (
        "there is not enough address space for the store",
        "raise the limit: `ulimit -v unlimited`",
    ),
    "ReadersFullError": ("too many processes are reading the store", "end some of them"),
    "ReadonlyError": (
        "the store cannot be written",
        "its folder and its files must be writable by you",
    ),
    "BadValsizeError": (
        "a name or an object has a length that cannot be stored",
        "names have at most 500 bytes, objects less than 4 GiB",
    ),
}


class Environment:
    """An open LMDB environment of this process, and the handles that use it.

    LMDB must not open a file twice in a process: closing one would drop the locks of the other.
    """

    def __init__(
        self, folder: Path, identity: tuple[int, int], engine: Any, gate: Gate | None
    ) -> None:
        self.folder = folder
        self.identity = identity  # device and inode of its data file
        self.engine = engine
        self.gate = gate  # in front of its writers; None: read only
        self.check_at = 0.0
        self.handles: set[Callable[[], None]] = set()
        self.forked = False  # the locks and the map are still the parent's

    def begin(self, *, write: bool = False) -> Any:
        """Begin a transaction of the engine as it is now: one that failed is opened anew.

        Whoever has the store open for long frees the places of readers that were killed: once all
        are taken nobody else can open it, and their old pages are not used again.
        """
        if (now := time.monotonic()) >= self.check_at:
            self.check_at = now + CHECK_SECONDS
            self.engine.reader_check()
        return self.engine.begin(write=write)

    def within(self, txn: Any) -> AbstractContextManager[Any]:
        """Use a transaction once more that goes on; raise StoreError in a forked child."""
        if self.forked:
            raise forked()
        return nullcontext(txn)


_open: dict[tuple[int, int], Environment] = {}
_opening = Lock()


def join(
    folder: Path, refuse: Callable[[], None], open_it: Callable[[], tuple[Any, Gate | None]]
) -> Environment:
    """Return the environment of a folder with one more handle; open it when it is the first.

    `refuse` stands for the handle: it is called in a forked child, to make later uses fail.
    """
    with _opening:
        identity = _identity(folder)
        environment = _open.get(identity)
        if environment is None:
            engine, gate = open_it()
            # Once more, since somebody may have made the store anew meanwhile.
            identity = _identity(folder)
            environment = Environment(folder, identity, engine, gate)
            _open[identity] = environment
        elif environment.forked:
            raise forked()
        environment.handles.add(refuse)
    return environment


def leave(environment: Environment, refuse: Callable[[], None]) -> None:
    """Take a handle away; the last one closes the environment. Idempotent."""
    with _opening:
        environment.handles.discard(refuse)
        if environment.handles or environment.forked:
            return
    gate = environment.gate
    # The writing thread first, which may be about to open another store itself.
    with gate.left() if gate else nullcontext(), _opening:
        if environment.handles or _open.get(environment.identity) is not environment:
            return  # somebody else has opened it, or closed it
        del _open[environment.identity]
        if gate is not None:
            gate.forget()
        environment.engine.close()


def make(path: Path, size: int = 0) -> None:
    """Make a file of a store, for its owner only, with so much room; StoreError without it.

    LMDB writes to the file with the locks by a map: of one with holes, on a full disk, the process
    would be killed.
    """
    try:
        with open(create(path, os.O_WRONLY | os.O_EXCL), "wb") as file:
            os.fchmod(file.fileno(), 0o600)  # LMDB would follow the umask
            file.write(bytes(size))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise StoreError(f"the disk is full: {path} needs {size} bytes", hint="make room") from None


def swap(folder: Path, new: Path, *, keep: Path, sequence: int | None = None) -> None:
    """Let the store in a folder be what the one in `new` is; `keep` is its data file until now.

    Raise StoreError, and do nothing, while any process has it open, when it was written after this
    sequence number, or when the disk fails. A process that opens it at this very moment gets an
    error of LMDB: the file with its locks, which it waits for, is empty then.
    """
    with _alone(folder) as locks:
        if sequence is not None and sequence != newest_transaction(folder / "data.mdb"):
            raise StoreError("the store was written meanwhile", hint="repeat the command")
        os.link(folder / "data.mdb", keep)
        os.ftruncate(locks, 0)
        os.rename(new / "data.mdb", folder / "data.mdb")  # the last that can fail


def check_closed(folder: Path) -> None:
    """Raise StoreError while any process has the store in a folder open."""
    with _alone(folder):
        pass


@contextmanager
def _alone(folder: Path) -> Iterator[int]:
    """Let no process open a store, and give the file with its locks; StoreError when one has it."""
    with _opening:
        if _identity(folder) in _open:
            raise StoreError("this process has the store open itself")
        locks = -1
        try:
            locks = open_lock(folder / "lock.mdb")
            _lock_as_lmdb(locks)
            yield locks
        except OSError as error:
            raise StoreError(f"{folder} cannot be changed: {error.strerror}") from None
        finally:
            if locks >= 0:
                os.close(locks)


def _lock_as_lmdb(locks: int) -> None:
    """Take the byte on which every process that has the file open keeps a lock."""
    try:
        fcntl.lockf(locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1)
    except BlockingIOError:
        raise in_use(locks) from None


def _identity(folder: Path) -> tuple[int, int]:
    try:
        status = (folder / "data.mdb").stat()
    except OSError as error:
        raise StoreError(f"there is no store in {folder}: {error.strerror}") from None
    return status.st_dev, status.st_ino


def _after_fork() -> None:
    global _opening
    _opening = Lock()  # perhaps held by a thread that the child does not have
    for environment in _open.values():
        environment.forked = True
        if environment.gate is not None:
            environment.gate.forget()
        for refuse in environment.handles:
            refuse()


os.register_at_fork(after_in_child=_after_fork)


def is_complete(path: Path) -> bool:
    """Say whether a data file is as long as its newest commit says.

    LMDB maps the file and believes it: of damage the process dies by a signal. A healthy file may
    lack a few unused pages at its end, so False means: look closer. Raise Corrupt or StoreError
    when this is no data file of the one format that ork writes.
    """
    try:
        opened = open_file(path)
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from None
    with opened:
        file = opened.fileno()
        newest = _newest_meta(path, file)
        length = os.fstat(file).st_size  # after the meta pages: a writer lengthens it before them
    return length >= (number_at(newest, _LAST_PAGE, 8) + 1) * number_at(newest, PAGE_BYTES, 4)


def wrong_flags(path: Path) -> list[str]:
    """Say which of the two tables in the newest meta page has flags that ork never gives it.

    LMDB reads on with them, and the next write destroys what it meets.
    """
    newest = _newest_of(path)
    tables = (("free pages", _FREE_FLAGS, _INTEGER_KEYS), ("data", _MAIN_FLAGS, 0))
    return [
        f"the table of {name} has the flags {found:#x} and not {right:#x}"
        for name, at, right in tables
        if (found := number_at(newest, at, 2)) != right
    ]


def newest_transaction(path: Path) -> int:
    """Return the number of the newest transaction of a data file; raise Corrupt for damage."""
    return number_at(_newest_of(path), TRANSACTION, 8)


def room(folder: Path) -> Room:
    """Return how much room the data file takes, and how much of that is used."""
    path = folder / "data.mdb"
    newest = _newest_of(path)
    pages = 2  # these
    for table in (_FREE_FLAGS, _MAIN_FLAGS):
        pages += sum(number_at(newest, table + _PAGES + 8 * number, 8) for number in range(3))
    return Room(
        bytes=path.stat().st_size,
        used=pages * number_at(newest, PAGE_BYTES, 4),
        records=number_at(newest, _MAIN_FLAGS + _RECORDS, 8),
    )


def _newest_of(path: Path) -> bytes:
    with open_file(path) as opened:
        return _newest_meta(path, opened.fileno())


def _newest_meta(path: Path, file: int) -> bytes:
    """Return the newer of the two meta pages; raise Corrupt unless two commits in a row wrote them.

    Else the older one may have become the newer by a flipped bit, and the store have gone back.
    """
    for _ in range(_LOOKS):  # others may commit between two reads
        first = _meta(path, os.pread(file, META + _META_BYTES, 0))
        page_bytes = number_at(first, PAGE_BYTES, 4)
        if not 512 <= page_bytes <= 65536 or page_bytes & (page_bytes - 1):
            raise Corrupt(f"{path} is damaged: pages of {page_bytes} bytes", hint=DAMAGE_HINT)
        second = _meta(path, os.pread(file, META + _META_BYTES, page_bytes))
        metas = {number_at(meta, TRANSACTION, 8): meta for meta in (first, second)}
        newest = max(metas)
        if newest - min(metas) == 1:
            return metas[newest]
    raise Corrupt(
        f"{path} is damaged: its last two commits have the numbers {min(metas)} and {newest}",
        hint=DAMAGE_HINT,
    )


def _meta(path: Path, page: bytes) -> bytes:
    meta = page[META:]
    if len(meta) < _META_BYTES or number_at(meta, 0, 4) != MAGIC:
        raise Corrupt(f"{path} is damaged, or not an LMDB data file", hint=DAMAGE_HINT)
    if number_at(meta, 4, 4) != _FORMAT:
        raise StoreError(
            f"{path} has LMDB data format {number_at(meta, 4, 4)}; ork reads format {_FORMAT}",
            hint="another program made it; ork makes its own with `ork init`",
        )
    return meta


def number_at(data: bytes, start: int, size: int) -> int:
    """Return a number of so many bytes as LMDB writes it."""
    return int.from_bytes(data[start : start + size], sys.byteorder)


def explanation(error: Exception) -> StoreError:
    """Return our error for one of LMDB's."""
    kind = type(error).__name__
    if kind in _DAMAGE:
        return Corrupt(f"the store is damaged ({error})", hint=DAMAGE_HINT)
    if kind in _CAUSES:
        message, hint = _CAUSES[kind]
        return StoreError(f"{message} ({error})", hint=hint)
    return StoreError(f"the store failed ({error})")


def failed_commit(error: Exception, done: bool | None) -> StoreError:
    """Return our error for a commit that failed; `done` says whether it is in the file, if known.

    It may be there all the same: LMDB writes one last page, and the disk may have failed after it.
    """
    if done is False and type(error).__name__ == "MapFullError":
        return explanation(error)
    return outcome(error, done)
