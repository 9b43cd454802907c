"""A store in plain files: for a folder that machines share, and to be looked at without ork.

    format               the line "ork files 3"
    refs                 a text: number of the newest write, what it did to objects, all refs
    objects/ab/cdef...   the stored bytes of the object abcdef...
    new/                 what a write is about to put into place
    removed/             objects that are gone, while somebody still reads as of a moment before
    gate, open, frozen   to be locked: by who writes, has the store open, reads as of one moment
    locks/               a file for each lease

A write puts new objects in their places, and then a new `refs` in the place of the old one: by that
rename all of it is done, and until then nothing is. What a killed writer has left in `new` is put
right by the next one: `new/refs` says which objects were not there before, and `refs`, when the
write was done, which ones have to go. No file is changed in its place, so readers need no lock.
Whether `refs` is still what was read before, its first line says, which has a hash of all others:
no time and no size is trusted, for machines tell each other those late.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import ClassVar

from ork.backends.base import Moves, Remain, Room, key_of, name_of
from ork.backends.gate import Gate, Handle, alone, outcome
from ork.backends.plain import folder as disk
from ork.backends.plain.folder import FORMAT, GONE, NEW, OBJECTS, REFS, REMOVED, explain
from ork.backends.plain.listing import TITLE, Listing, damaged, named_in, text_of
from ork.errors import Corrupt, OtherFormat, StoreError
from ork.files import NotRegular, lock, make_folder
from ork.objects.canonical import Oid

_LOCKS = ("gate", "open", "frozen")
_OID = re.compile(r"[0-9a-f]{64}")
_TRIES_OF_A_MOMENT = 5


class Files(Handle):
    """A `Backend` in one folder; threads, processes and machines may have it open at once."""

    INSIDE: ClassVar[str] = ""

    @classmethod
    def files(cls, folder: Path) -> tuple[Path, ...]:
        """Return the list of the refs, the folder of the objects, and what else has data."""
        return tuple(folder / name for name in (REFS, OBJECTS, NEW, REMOVED, "format"))

    @classmethod
    def exists(cls, folder: Path) -> bool:
        return os.path.lexists(folder / "format")

    @classmethod
    @explain
    def create(cls, folder: Path) -> None:
        """Make an empty store in a folder that does not exist yet, for its owner only."""
        make_folder(folder)
        disk.complete(folder)
        for name in _LOCKS:
            disk.write_file(folder / name, ())
        disk.write_file(folder / REFS, text_of(0, (), (), ()))
        disk.write_file(folder / "format", (FORMAT,))
        disk.sync(folder)

    @classmethod
    def problems(cls, folder: Path, *, every_page: bool = True) -> list[str]:
        """Say what is wrong with the file of refs; objects are checked by their names elsewhere."""
        try:
            disk.check_format(folder)
            listing = disk.read_listing(folder / REFS)
        except OtherFormat:
            raise
        except StoreError as error:
            return [error.message]
        except OSError as error:
            return [disk.explanation(error).message]
        return [] if listing.whole else [damaged().message]

    @classmethod
    def remains(cls, folder: Path) -> Iterator[Remain]:
        """Yield the refs that their seals prove, and all objects, unproven, wherever they lie."""
        for path, live in ((folder / REFS, True), (folder / NEW / REFS, False)):
            with suppress(OSError):
                listing = disk.read_listing(path)
                for line in listing.lines:
                    with suppress(Corrupt):
                        yield Remain(name_of(named_in(line)), listing.target(line), b"", live)
        for oid in disk.listed(folder / OBJECTS):
            with suppress(OSError):
                yield Remain(None, oid, disk.stored(disk.path_of(folder, oid)), True)
        for name in filter(_OID.fullmatch, disk.entries(folder / NEW)):
            with suppress(OSError):
                yield Remain(None, Oid(name), disk.stored(folder / NEW / name), False)

    @classmethod
    def written(cls, folder: Path) -> int | None:
        """Return the number of the newest write; None when damage hides it."""
        with suppress(OSError, Corrupt):
            listing = disk.read_listing(folder / REFS)
            return listing.sequence if listing.whole else None
        return None

    @classmethod
    @explain
    def room(cls, folder: Path) -> Room:
        records = len(disk.read_listing(folder / REFS).lines)
        size = left = 0
        for base, _, files in os.walk(folder):
            top = Path(base).relative_to(folder).parts[:1]
            for name in files:
                with suppress(FileNotFoundError):
                    size += (length := (Path(base) / name).lstat().st_size)
                    left += length * (top in ((NEW,), (REMOVED,)))
                    records += top == (OBJECTS,)
        return Room(bytes=size, used=size - left, records=records)

    @classmethod
    def check_closed(cls, folder: Path) -> None:
        with alone(folder, folder / "open"):
            pass

    @classmethod
    def swap(cls, folder: Path, new: Path, *, keep: Path, sequence: int | None = None) -> None:
        """Let the store in a folder be what the one in `new` is; `keep` gets what it has been.

        That is a folder then, with `refs` and those objects that the new one does not have, or has
        with other bytes. Raise StoreError, and do nothing, while
        any process has the store open, or when it was written after this sequence number.
        """
        with alone(folder, folder / "open"), alone(new, new / "open"):
            if sequence is not None and sequence != cls.written(folder):
                raise StoreError("the store was written meanwhile", hint="repeat the command")
            disk.swap(folder, new, keep)

    def _begin(self, readonly: bool) -> None:
        self._known: Listing | None = None
        self._moment: tuple[Listing, bytes] | None = None  # what a frozen one has: refs, objects
        disk.check_format(self._path)
        self._users = disk.sharing(self._path, self._wait_s, readonly=readonly)
        if not readonly:
            self._gate = Gate(self._path / "gate", wait_s=self._wait_s)
            disk.complete(self._path)
        if not self._listing().first.startswith(TITLE):
            raise Corrupt(f"{self._path / REFS} is no file of refs", hint="`ork fsck`")
        self._put_right()

    def _beside(self, name: str) -> Path:
        return self._path / name

    def get(self, oid: Oid) -> bytes | None:
        self._check_open()
        if self._moment and not _has_key(self._moment[1], bytes.fromhex(oid)):
            return None
        return self._get(oid)

    def get_many(self, oids: Iterable[Oid]) -> dict[Oid, bytes]:
        found: dict[Oid, bytes] = {}
        wanted = list(dict.fromkeys(oids))
        while wanted:
            before = self._listing()
            found |= {oid: data for oid in wanted if (data := self.get(oid)) is not None}
            wanted = [oid for oid in wanted if oid not in found]
            if self._listing().first == before.first:
                break
            # Else somebody wrote: what was not there yet may have replaced what is no longer there.
        return found

    def oids(self, prefix: str = "") -> Iterator[Oid]:
        self._check_open()
        if self._moment is not None:
            keys = self._moment[1]
            every = (Oid(keys[at : at + 32].hex()) for at in range(0, len(keys), 32))
            yield from (oid for oid in every if oid.startswith(prefix))
            return
        hidden = self._half_done()
        for oid in disk.listed(self._path / OBJECTS, prefix):
            if oid not in hidden:
                yield oid

    def ref(self, name: str) -> Oid | None:
        return self._listing().ref(name)

    def refs(
        self, prefix: str = "", *, newest_first: bool = False, below: str | None = None
    ) -> Iterator[tuple[str, Oid]]:
        """Yield the refs whose names start with prefix, sorted by name; backwards on request.

        They are as of the moment when the first one is asked for.
        """
        yield from self._listing().refs(prefix, below, backwards=newest_first)

    def survey(self, prefix: str = "") -> Iterator[tuple[str, Oid | None]]:
        yield from self._listing().survey(prefix)

    def write(
        self,
        objects: Mapping[Oid, bytes],
        moves: Moves,
        remove: Iterable[Oid] = (),
        needs: Iterable[Oid] = (),
    ) -> bool:
        doomed = sorted(set(remove).difference(objects))
        with self._passed():
            before = self._settle()
            if not before.unmoved(moves) or not all(map(self._has, needs)):
                return False
            steps = {key_of(name): new for name, (old, new) in moves.items() if new != old}
            self._commit(before, objects, steps, doomed)
        return True

    def sweep(self, choose: Callable[[], Iterable[Oid]]) -> int:
        with self._passed():
            before = self._settle()
            self._commit(before, {}, {}, sorted(set(choose())))
            return self.sequence()

    def sequence(self) -> int:
        return self._listing().proven().sequence

    @contextmanager
    def frozen(self) -> Iterator[Files]:
        """Give a handle whose reads all are of this moment; it cannot write.

        Where others write all the time it may have some objects that came a moment later.
        """
        if self._moment is not None:
            yield self
            return
        still = self._reading()
        with self._nothing_deleted():
            still._moment = self._now()
            yield still

    # -- what there is

    @explain
    def _listing(self) -> Listing:
        """Return what the refs are now; when they are as before, one line of the file is read."""
        self._check_open()
        if self._moment is not None:
            return self._moment[0]
        self._known = known = disk.read_listing(self._path / REFS, self._known)
        return known

    @explain
    def _get(self, oid: Oid) -> bytes | None:
        path = disk.path_of(self._path, oid)
        # One that is removed and written again is where it was.
        for place in (path, self._path / REMOVED / oid, path) if self._moment else (path,):
            try:
                return disk.stored(place)
            except NotRegular:
                continue
            except OSError as error:
                if error.errno not in GONE:
                    raise
        return None

    @explain
    def _has(self, oid: Oid) -> bool:
        return disk.path_of(self._path, oid).is_file()

    @explain
    def _half_done(self) -> Collection[Oid]:
        """Return the objects that are there for a write that is not done, or should be gone."""
        listing = self._listing()
        if not disk.entries(self._path / NEW):
            return ()
        return {*listing.removed, *disk.begun(self._path, listing)}

    @contextmanager
    def _nothing_deleted(self) -> Iterator[None]:
        """Let whoever removes objects keep them in another place for the block."""
        path = self._path / "frozen"
        descriptor = explain(disk.lock_file)(path, readonly=self._gate is None)
        try:
            if not explain(lock)(descriptor, wait_s=self._wait_s, shared=True):
                words = "waited too long for another process that removes objects"
                raise StoreError(words, hint="it may be stopped or stuck: end it")
            yield
        finally:
            with suppress(OSError):
                if lock(descriptor):  # the last one out
                    disk.empty(self._path / REMOVED)
            os.close(descriptor)

    def _now(self) -> tuple[Listing, bytes]:
        for _ in range(_TRIES_OF_A_MOMENT):
            listing = self._listing()
            keys = [bytes.fromhex(oid) for oid in self.oids()]
            if self._listing().first == listing.first:
                return listing, b"".join(keys)
        # Nothing that these refs need is missing: what was removed since lies elsewhere.
        keys += map(bytes.fromhex, filter(_OID.fullmatch, disk.entries(self._path / REMOVED)))
        return listing, b"".join(sorted(set(keys)))

    # -- to write

    def _put_right(self) -> None:
        """Put right what a killed writer has left, unless somebody is writing."""
        if self._gate is not None and disk.entries(self._path / NEW):
            path = self._path / "gate"
            with suppress(StoreError), closing(Gate(path, wait_s=0.0)) as gate, gate:
                self._settle()

    @explain
    def _settle(self) -> Listing:
        """Undo, or do to its end, what a killed writer has begun; return the refs."""
        listing = self._listing().proven()
        if disk.entries(self._path / NEW):
            disk.unlink(self._path, disk.begun(self._path, listing))
            disk.delete(self._path, listing.removed)
            disk.empty(self._path / NEW)
            disk.sync(self._path / NEW)
        return listing

    def _commit(
        self,
        before: Listing,
        objects: Mapping[Oid, bytes],
        steps: Mapping[bytes, Oid | None],
        doomed: Sequence[Oid],
    ) -> None:
        """Write, or raise StoreError that says whether it was written; the gate has let us in."""
        fresh = self._fresh(objects)
        doomed = [oid for oid in doomed if self._has(oid)]
        if not (fresh or steps or doomed):
            return
        added = sorted(oid for oid in fresh if not self._has(oid))
        new = self._path / NEW
        try:
            disk.write_refs(new, before.sequence + 1, added, doomed, before.moved(steps))
            for oid, data in fresh.items():
                disk.write_file(new / oid, (data,))
            if fresh or doomed:
                disk.sync(new)  # it must be known what is placed, and what has to go
            self._place(fresh)
            os.rename(new / REFS, self._path / REFS)
        except BaseException as error:
            done = self._undone(before)
            if isinstance(error, OSError):
                refused = disk.is_refused(error)
                raise (disk.explanation(error) if refused else outcome(error, done)) from error
            raise
        try:
            disk.sync(self._path)
        except OSError as error:
            raise outcome(error, True) from error
        if doomed:
            with suppress(OSError):  # what is left, `_settle` meets again
                disk.delete(self._path, doomed)
                disk.empty(new)

    def _place(self, oids: Collection[Oid]) -> None:
        """Let objects that are written be found, with the refs that are written as the next."""
        disk.place_all(self._path, self._path / NEW, oids)

    def _undone(self, before: Listing) -> bool | None:
        """Take back what was begun; return whether it was done all the same, if that is known."""
        try:
            return self._settle().first != before.first
        except StoreError:
            with suppress(StoreError):
                return self._listing().first != before.first
            return None

    @explain
    def _fresh(self, objects: Mapping[Oid, bytes]) -> dict[Oid, bytes]:
        """Return those of these objects that are not there with the same bytes."""
        return {
            oid: data
            for oid, data in objects.items()
            if not disk.holds(disk.path_of(self._path, oid), data)
        }


def _has_key(keys: bytes, key: bytes) -> bool:
    at = 32 * bisect_left(range(len(keys) // 32), key, key=lambda at: keys[32 * at : 32 * at + 32])
    return keys[at : at + 32] == key
