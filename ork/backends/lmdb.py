"""The default backend: one LMDB environment in one folder. Knows nothing of what it stores.

Both tables share LMDB's main database, told apart by the first byte of a key. A named database
would have to be opened by a write transaction, so that a stuck writer could stop even readers.

    b"format"                      -> b"3"
    b"o" + 32 bytes of the oid     -> the object
    b"r" + name in UTF-8           -> 32 bytes of the oid, 8 of the seal over name and oid

Refs come last, so whatever follows b"r" is one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, nullcontext, suppress
from copy import copy
from functools import partial
from itertools import islice, takewhile
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import lmdb

from ork.backends import base, lmdb_file, lmdb_pages
from ork.backends.base import Lease, Moves, OneByOne, Remain, closed, sealed, unsealed
from ork.backends.gate import WAIT_S, Gate, explaining, forked, reading_only
from ork.backends.leases import FolderLeases
from ork.errors import Corrupt, OtherFormat, StoreError
from ork.files import make_folder
from ork.objects.canonical import Oid

MAP_BYTES = 64 << 30  # reserved, not used: the file grows as data arrive
READERS_MAX = 1024
LOCK_BYTES = 128 + 64 * READERS_MAX  # of the file with the locks: who writes, and each reader
PAGE_REFS_FIRST = 32  # who wants the newest one or twenty does not wait for more
PAGE_REFS = 512
PAGE_OIDS = 4096
PAUSE_MAX_S = 0.02  # before a store is opened once more
_MARK, _FORMAT = b"format", b"3"
_OBJECT, _REF = b"o", b"r"
_SMALLER_MAPS = (8 << 30, 1 << 30, 256 << 20)  # for a process with little address space

_explain = explaining(lmdb.Error, by=lmdb_file.explanation)


class Lmdb(OneByOne):
    """A `Backend` in one folder; many threads and processes may have it open at once.

    A handle is dead in a forked child, where every use raises StoreError.
    """

    INSIDE: ClassVar[str] = ""

    @classmethod
    def files(cls, folder: Path) -> tuple[Path, ...]:
        """Return the data file, and that of LMDB's own locks."""
        return folder / "data.mdb", folder / "lock.mdb"

    @classmethod
    def exists(cls, folder: Path) -> bool:
        return os.path.lexists(folder)

    @classmethod
    def create(cls, folder: Path) -> None:
        """Make an empty store in a folder that does not exist yet, for its owner only."""
        make_folder(folder)
        data, locks = cls.files(folder)
        for path, size in ((data, 0), (locks, LOCK_BYTES), (folder / "gate", 0)):
            lmdb_file.make(path, size)
        _first_commit(folder)

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        readonly: bool = False,
        locks: Path | None = None,
        map_bytes: int = MAP_BYTES,
        wait_s: float = WAIT_S,
    ) -> Lmdb:
        """Open the store in this folder; all handles of a process share one environment.

        `locks` is the folder for leases, the same for all who use the store: else one in it.
        `wait_s` is how long a write waits for another process before it raises StoreError.
        """
        return cls(folder, readonly, locks or folder / "locks", map_bytes, wait_s)

    @classmethod
    def problems(cls, folder: Path, *, every_page: bool = True) -> list[str]:
        """Say what is wrong with the data file, without giving it to LMDB.

        Without `every_page` only what could end a process that maps the file is looked for.
        """
        path = folder / "data.mdb"
        try:
            found = lmdb_file.wrong_flags(path)
            if not every_page and lmdb_file.is_complete(path):
                return found
        except Corrupt as error:
            return [error.message]
        try:
            gate = Gate(folder / "gate", wait_s=WAIT_S)
        except StoreError:  # whoever may not write cannot keep writers out
            return found + _page_problems(folder, None)
        with closing(gate):
            return found + _page_problems(folder, gate)

    @classmethod
    def remains(cls, folder: Path) -> Iterator[Remain]:
        """Yield what can be read of a data file without trusting it: refs, and objects unproven.

        What the file still leads to comes first, then what no page leads to, or not any more.
        """
        for key, value, live in lmdb_pages.remains(folder / "data.mdb"):
            if key.startswith(_OBJECT) and len(key) == 33:
                yield Remain(None, Oid(key[1:].hex()), value, live)
            elif key.startswith(_REF):
                with suppress(Corrupt):
                    yield Remain(base.name_of(key[1:]), unsealed(key[1:], value), b"", live)

    @classmethod
    def written(cls, folder: Path) -> int | None:
        """Return the number of the newest write; None when damage lets nobody write."""
        with suppress(Corrupt):
            return lmdb_file.newest_transaction(folder / "data.mdb")
        return None

    room = staticmethod(lmdb_file.room)
    check_closed = staticmethod(lmdb_file.check_closed)
    swap = staticmethod(lmdb_file.swap)

    def __init__(
        self, folder: Path, readonly: bool, locks: Path, map_bytes: int, wait_s: float
    ) -> None:
        self._readonly = readonly
        self._leases = FolderLeases(locks)
        self._environment = lmdb_file.join(
            folder, self.refuse, lambda: _opened(folder, readonly, map_bytes, wait_s)
        )
        self._begin: Callable[..., lmdb.Transaction[bytes]] = self._environment.begin
        self._map_bytes = map_bytes

    @_explain
    def get(self, oid: Oid) -> bytes | None:
        with self._begun() as txn:
            return txn.get(_object_key(oid))

    @_explain
    def get_many(self, oids: Iterable[Oid]) -> dict[Oid, bytes]:
        keys = [(oid, _object_key(oid)) for oid in oids]
        with self._begun() as txn:
            return {oid: data for oid, key in keys if (data := txn.get(key)) is not None}

    def oids(self, prefix: str = "") -> Iterator[Oid]:
        if ends := base.oids_between(prefix):
            start, end = (_OBJECT + key for key in ends)
            for (key,) in base.paged(self._page_of_oids, start, end, PAGE_OIDS, PAGE_OIDS):
                yield Oid(key[1:].hex())

    @_explain
    def ref(self, name: str) -> Oid | None:
        key = _ref_key(name)
        with self._begun() as txn:
            if (value := txn.get(key)) is not None:
                return unsealed(key[1:], value)
            with txn.cursor() as cursor:
                _check_beside(cursor, key)
        return None

    def refs(
        self, prefix: str = "", *, newest_first: bool = False, below: str | None = None
    ) -> Iterator[tuple[str, Oid]]:
        return base.read_refs(self._kept(prefix, below, backwards=newest_first, checked=True))

    def survey(self, prefix: str = "") -> Iterator[tuple[str, Oid | None]]:
        return base.survey_refs(self._kept(prefix, None, backwards=False, checked=False))

    def write(
        self,
        objects: Mapping[Oid, bytes],
        moves: Moves,
        remove: Iterable[Oid] = (),
        needs: Iterable[Oid] = (),
    ) -> bool:
        # Made outside the lock; oids are sorted as keys are, because neighbours share pages.
        oids, doomed, needed = sorted(objects), sorted(remove), sorted(needs)
        with self._gate():
            return self._commit(objects, oids, moves, doomed, needed)

    def sweep(self, choose: Callable[[], Iterable[Oid]]) -> int:
        with self._gate():
            self._commit({}, [], {}, sorted(choose()), [])
            return self.sequence()

    @_explain
    def sequence(self) -> int:
        with self._begun() as txn:
            return txn.id()

    @contextmanager
    def frozen(self) -> Iterator[Lmdb]:
        with ExitStack() as end:
            txn = end.enter_context(self._begun())
            still = copy(self)
            still._readonly = True
            still.lease = self.lease  # type: ignore[method-assign]  # which are of no moment
            still._begin = lambda **_: self._environment.within(txn)  # type: ignore[assignment]
            try:
                yield still
            finally:
                if self._environment.forked:
                    _of_the_parent.append(end.pop_all())

    def lease(self, name: str) -> Lease | None:
        self._gate()  # a lease, too, is for those who write
        return self._leases.take(name)

    def leased(self) -> set[str]:
        return self._leases.names()

    def close(self) -> None:
        self.refuse()
        lmdb_file.leave(self._environment, self.refuse)

    def refuse(self) -> None:
        """Make every later use of this handle raise StoreError."""
        self._begin = self._refusal

    def _refusal(self, **_options: object) -> NoReturn:
        if self._environment.forked:
            raise forked()
        raise closed()

    def _gate(self) -> Gate:
        """Return what a writer must pass; raise StoreError where this handle must not write."""
        if self._begin == self._refusal:
            self._refusal()
        if self._readonly or self._environment.gate is None:
            raise reading_only(self._environment.folder)
        return self._environment.gate

    def _begun(self, *, write: bool = False) -> lmdb.Transaction[bytes]:
        """Begin a transaction, if need be after having put right what can be."""
        try:
            return self._begin(write=write)
        except lmdb.ReadersFullError:
            self._environment.engine.reader_check()  # frees the places of killed readers
        except lmdb.MapResizedError:
            self._environment.engine.set_mapsize(0)  # takes over the size that the file has now
        return self._begin(write=write)

    @contextmanager
    def _written(self) -> Iterator[lmdb.Transaction[bytes]]:
        """Begin a write and, after the block, commit it; when that fails, say what has come of it.

        LMDB does not tell.
        """
        txn = self._begun(write=True)
        number = txn.id()
        try:
            yield txn
        except BaseException:
            txn.abort()
            raise
        try:
            txn.commit()
        except lmdb.Error as error:
            raise lmdb_file.failed_commit(error, self._reopened(number)) from error

    def _reopened(self, number: int) -> bool | None:
        """Open the file anew, and say whether it has the commit of a number; None: nobody knows.

        After a failure LMDB refuses every further use. No other process writes: we are in the gate.
        """
        environment = self._environment
        try:
            environment.engine.close()
            environment.engine = _mapped(environment.folder, self._map_bytes)
            return bool(environment.engine.info()["last_txnid"] >= number)
        except lmdb.Error:
            return None

    def _kept(
        self, prefix: str, below: str | None, *, backwards: bool, checked: bool
    ) -> Iterator[tuple[bytes, bytes]]:
        """Yield refs as they are kept; if `checked`, raise Corrupt where one beside is damaged."""
        start = _ref_key(prefix)
        end = start[:-1] + bytes([start[-1] + 1])
        if below is not None:
            end = min(end, _ref_key(below))
        read = partial(self._page_of_refs, backwards=backwards, checked=checked)
        first = PAGE_REFS_FIRST if checked else PAGE_REFS
        for key, value in base.paged(read, start, end, first, PAGE_REFS, backwards=backwards):
            yield key[1:], value

    @_explain
    def _page_of_oids(self, start: bytes, end: bytes, count: int) -> list[tuple[bytes]]:
        with self._begun() as txn, txn.cursor() as cursor:
            if not cursor.set_range(start):
                return []
            page = islice(cursor.iternext(values=False), count)
            return [(key,) for key in takewhile(lambda key: key <= end, page)]

    @_explain
    def _page_of_refs(
        self, start: bytes, end: bytes, count: int, *, backwards: bool, checked: bool
    ) -> list[tuple[bytes, bytes]]:
        """Return the next refs from start on; backwards, those before the end, nearest first."""
        with self._begun() as txn, txn.cursor() as cursor:
            place = end if backwards else start
            if checked:
                _check_beside(cursor, place)
            found = cursor.set_range(place)
            if backwards:
                found = cursor.prev() if found else cursor.last()
            if not found:
                return []
            page = islice(cursor.iterprev() if backwards else cursor.iternext(), count)
            return list(takewhile(lambda item: start <= item[0] < end, page))

    @_explain
    def _commit(
        self,
        objects: Mapping[Oid, bytes],
        oids: list[Oid],
        moves: Moves,
        doomed: list[Oid],
        needs: list[Oid],
    ) -> bool:
        with self._written() as txn:
            if not self._unmoved(txn, moves) or not self._present(txn, needs):
                return False
            for oid in doomed:
                txn.delete(_object_key(oid))
            self._put(txn, objects, oids)
            for name, (old, new) in moves.items():
                key = _ref_key(name)
                if new is None:
                    txn.delete(key)
                elif new != old:
                    txn.put(key, sealed(key[1:], new))
        return True

    def _unmoved(self, txn: lmdb.Transaction[bytes], moves: Moves) -> bool:
        for name, (old, _) in moves.items():
            key = _ref_key(name)
            if txn.get(key) != (None if old is None else sealed(key[1:], old)):
                return False
        return True

    def _present(self, txn: lmdb.Transaction[bytes], needs: list[Oid]) -> bool:
        with txn.cursor() as cursor:
            return all(cursor.set_key(_object_key(oid)) for oid in needs)

    def _put(
        self, txn: lmdb.Transaction[bytes], objects: Mapping[Oid, bytes], oids: list[Oid]
    ) -> None:
        """Put objects; of those that are there already, what differs from what is given."""
        for oid in oids:
            key, data = _object_key(oid), objects[oid]
            if not txn.put(key, data, overwrite=False) and txn.get(key) != data:
                txn.put(key, data)


@_explain
def _first_commit(folder: Path) -> None:
    with _mapped(folder, MAP_BYTES, lib_version=0) as env, env.begin(write=True) as txn:
        txn.put(_MARK, _FORMAT)


_of_the_parent: list[object] = []  # ended by nobody in a child: that would end the parent's


@_explain
def _opened(
    folder: Path, readonly: bool, map_bytes: int, wait_s: float
) -> tuple[lmdb.Environment, Gate | None]:
    """Open what all handles of this process are going to share."""
    data = folder / "data.mdb"
    gate = None if readonly else Gate(folder / "gate", wait_s=wait_s, data=data)
    try:
        complete = lmdb_file.is_complete(data)
        if not complete and (problems := _page_problems(folder, gate)):
            raise Corrupt(f"{folder} is damaged: {problems[0]}", hint=lmdb_file.DAMAGE_HINT)
        deadline = time.monotonic() + wait_s
        while (env := _recognised(folder, readonly, map_bytes)) is None:
            if time.monotonic() >= deadline:
                raise StoreError(
                    f"{folder}/lock.mdb was left half made by a process that was killed",
                    hint="let all processes end that have the store open, then try again",
                )
            time.sleep(PAUSE_MAX_S * os.urandom(1)[0] / 255)
    except BaseException:
        if gate is not None:
            gate.close()
        raise
    return env, gate


def _recognised(folder: Path, readonly: bool, map_bytes: int) -> lmdb.Environment | None:
    """Open a store of ours; return None when LMDB does not know its newest transaction.

    Whoever opens a file that nobody has open fills the file with its locks anew. Who is killed in
    that leaves the number 0 to those who wait: they would read an old state, and write over the
    newest. So they all make way, until one of them is the first again.
    """
    env = _unlocked(folder, map_bytes) if readonly else _mapped(folder, map_bytes)
    try:
        with env.begin() as txn:
            mark, number = txn.get(_MARK), txn.id()
        if number == 0 and env.info()["last_txnid"] > 0:
            env.close()
            return None
        if mark != _FORMAT and mark and mark.isdigit():
            raise OtherFormat(folder, int(mark), int(_FORMAT))
        if mark != _FORMAT:
            raise StoreError(f"{folder} is no store that this ork can read (format {mark!r})")
        if not readonly:
            env.reader_check()  # frees the places of killed readers
    except BaseException:
        env.close()
        raise
    return env


def _unlocked(folder: Path, map_bytes: int) -> lmdb.Environment:
    """Open for reading, by a user who perhaps may not even write to the lock file."""
    try:
        return _mapped(folder, map_bytes, readonly=True)
    except lmdb.ReadonlyError:
        # A writer might reuse pages that are being read. Reads are short, and every object is
        # checked against its name, so at worst a command fails that would succeed a moment later.
        return _mapped(folder, map_bytes, readonly=True, lock=False)


def _mapped(folder: Path, map_bytes: int, **options: Any) -> lmdb.Environment:
    """Open with the largest map that this process has address space for."""
    for size in (map_bytes, *(smaller for smaller in _SMALLER_MAPS if smaller < map_bytes)):
        try:
            return lmdb.open(
                os.fsencode(folder),
                map_size=size,
                mode=0o600,
                create=False,
                max_readers=READERS_MAX,
                max_spare_txns=0,  # a spare transaction would be ended by a forked child
                **options,
            )
        except lmdb.MemoryError as error:
            shortage = error
    raise shortage


def _page_problems(folder: Path, gate: Gate | None) -> list[str]:
    """Read the whole file without LMDB, and say what is wrong with the pages in use."""
    from lmdb.verify import VerifyError, verify

    path = folder / "data.mdb"
    # A writer at work would look like damage.
    with gate or nullcontext():
        try:
            found = list(verify(str(path)))  # type: ignore[no-untyped-call]
        except VerifyError as error:
            return [str(error)]
        number, noted = lmdb_file.newest_transaction(path), lmdb_pages.noted_number(path)
    if number != noted:
        found.append(f"the last commit has the number {number}, and noted {noted}")
    return found


def _object_key(oid: Oid) -> bytes:
    return _OBJECT + bytes.fromhex(oid)


def _ref_key(name: str) -> bytes:
    return _REF + base.key_of(name)


def _check_beside(cursor: lmdb.Cursor[bytes], key: bytes) -> None:
    """Raise Corrupt when a ref next to this place is damaged: perhaps it is the one looked for."""
    beside = [cursor.item()] if cursor.set_range(key) else []
    if cursor.prev() if beside else cursor.last():
        beside.append(cursor.item())
    for found, value in beside:
        if found.startswith(_REF):
            unsealed(found[1:], value)
