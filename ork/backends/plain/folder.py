"""The files of a store in plain files: how each is read, and how the one who may changes them."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from ork.backends.gate import explaining
from ork.backends.plain.listing import FIRST_BYTES, Listing, parsed, text_of
from ork.errors import Corrupt, OtherFormat, StoreError
from ork.files import (
    NotRegular,
    create,
    lock,
    make_folder,
    open_file,
    open_lock,
    read_file,
    sync_folder,
)
from ork.objects.canonical import Oid

FORMAT = b"ork files 3\n"
_FORMAT = re.compile(rb"ork files (\d+)\n")
_FORMAT_BYTES_MAX = 32
REFS, OBJECTS, NEW, REMOVED = "refs", "objects", "new", "removed"
GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_MARK = "removing"  # in `new`, as long as objects that were removed may still be there
_SHARD = re.compile(r"[0-9a-f]{2}")
_REST = re.compile(r"[0-9a-f]{62}")
_PIECE_BYTES = 1 << 20
_STALE_MAX = 3  # times that a server has forgotten a file between our open and our read


explain = explaining(OSError, by=lambda error: explanation(error))


def path_of(folder: Path, oid: Oid) -> Path:
    """Return where an object lies."""
    digits = bytes.fromhex(oid).hex()
    return folder.joinpath(OBJECTS, digits[:2], digits[2:])


@explain
def entries(folder: Path) -> list[str]:
    """Return the names in a folder, sorted; none where there is none."""
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def listed(objects: Path, prefix: str = "") -> Iterator[Oid]:
    """Yield the oids in a folder of objects, sorted, one of its folders after the other."""
    for shard in filter(_SHARD.fullmatch, entries(objects)):
        if not shard.startswith(prefix[:2]):
            continue
        for rest in filter(_REST.fullmatch, entries(objects / shard)):
            if (shard + rest).startswith(prefix) and (objects / shard / rest).is_file():
                yield Oid(shard + rest)


def read_listing(path: Path, known: Listing | None = None) -> Listing:
    """Return what a file of refs says; `known`, which was read before, if that is still so."""
    for attempt in range(_STALE_MAX):
        try:
            with open_file(path) as file:
                first = file.readline(FIRST_BYTES)
                if known is not None and first == known.first:
                    return known
                rest = file.read()
            break
        except OSError as error:
            if error.errno != errno.ESTALE or attempt == _STALE_MAX - 1:
                raise
    return parsed(first, rest)


def stored(path: Path) -> bytes:
    """Return what a regular file holds."""
    with open_file(path) as file:
        return file.read()


def holds(path: Path, data: bytes) -> bool:
    """Say whether a file has these bytes, without a second copy of them in memory."""
    try:
        with open_file(path) as file:
            if os.fstat(file.fileno()).st_size != len(data):
                return False
            view = memoryview(data)
            starts = range(0, len(data), _PIECE_BYTES)
            return all(
                file.read(_PIECE_BYTES) == view[start : start + _PIECE_BYTES] for start in starts
            )
    except NotRegular:
        return False
    except OSError as error:
        if error.errno in GONE:
            return False
        raise


def write_file(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a file that does not exist yet, safe on the disk but for its name."""
    descriptor = create(path, os.O_WRONLY | os.O_EXCL | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, 0o600)  # what the umask took away
        at = 0
        for piece in pieces:
            view = memoryview(piece)
            while view:
                count = os.pwrite(descriptor, view, at)
                at, view = at + count, view[count:]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync(folder: Path) -> None:
    """Make the names in a folder safe on the disk."""
    try:
        sync_folder(folder)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that keeps names safe by itself
            raise


def check_format(folder: Path) -> None:
    """Raise StoreError when there is no store of this form."""
    path = folder / "format"
    try:
        found = read_file(path, _FORMAT_BYTES_MAX)
    except FileNotFoundError:
        raise StoreError(f"there is no store in {folder}: no regular file format") from None
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from None
    refuse_format(path, found)


def refuse_format(place: object, found: bytes) -> None:
    """Raise StoreError unless this is what a store of this form says of its format."""
    if found != FORMAT and (other := _FORMAT.fullmatch(found)):
        raise OtherFormat(place, int(other[1]), int(FORMAT.split()[-1]))
    if found != FORMAT:
        wanted = FORMAT.decode().strip()
        raise StoreError(f"{place} does not say {wanted!r}: this ork reads nothing else")


@explain
def complete(folder: Path) -> None:
    """Make what folders are missing: some tools copy none that is empty."""
    for name in (OBJECTS, NEW, REMOVED):
        with suppress(FileExistsError):
            make_folder(folder / name)


def begun(folder: Path, listing: Listing) -> tuple[Oid, ...]:
    """Return the objects that a write which is not done may have put where none was."""
    try:
        next_one = read_listing(folder / NEW / REFS)
    except FileNotFoundError:
        return ()
    return next_one.added if next_one.whole and next_one.first != listing.first else ()


def write_refs(
    new: Path,
    sequence: int,
    added: Collection[Oid],
    removed: Collection[Oid],
    lines: Iterable[bytes],
) -> None:
    """Write the refs that come next, and the mark that objects have to go."""
    write_file(new / REFS, text_of(sequence, added, removed, lines))
    if removed:
        write_file(new / _MARK, ())


def place_all(folder: Path, source: Path, oids: Collection[Oid]) -> None:
    """Move files named by oids to where objects are, safe on the disk."""
    shards = sorted({path_of(folder, oid).parent for oid in oids})
    for shard in shards:
        with suppress(FileExistsError):
            make_folder(shard)
    for oid in oids:
        os.rename(source / oid, path_of(folder, oid))
    for changed in (*shards, folder / OBJECTS) if shards else ():
        sync(changed)


def unlink(folder: Path, oids: Collection[Oid]) -> None:
    """Remove objects, those that are there."""
    for oid in oids:
        path_of(folder, oid).unlink(missing_ok=True)
    _sync_shards(folder, oids)


def delete(folder: Path, oids: Collection[Oid]) -> None:
    """Remove objects, or put them elsewhere while somebody reads as of a moment before."""
    if not oids:
        return
    descriptor = lock_file(folder / "frozen", readonly=False)
    try:
        if lock(descriptor):
            unlink(folder, oids)
            empty(folder / REMOVED)
            return
        for oid in oids:
            with suppress(FileNotFoundError):
                os.rename(path_of(folder, oid), folder / REMOVED / oid)
        _sync_shards(folder, oids)
    finally:
        os.close(descriptor)


def _sync_shards(folder: Path, oids: Collection[Oid]) -> None:
    for shard in sorted({path_of(folder, oid).parent for oid in oids}):
        with suppress(FileNotFoundError):
            sync(shard)


def empty(folder: Path) -> None:
    """Remove the files in a folder."""
    for name in os.listdir(folder):
        (folder / name).unlink()


def swap(folder: Path, new: Path, keep: Path) -> None:
    """Put what is in a new folder into the place of what is in this one; nobody has it open.

    The objects of the new one come, then its refs, as in every write; then the others go.
    """
    try:
        listing = read_listing(new / REFS)
        complete(folder)
        empty(folder / NEW)
        make_folder(keep)
        with suppress(FileNotFoundError):
            _keep(folder / REFS, keep / REFS)
        added, other = [], []
        for oid in listed(new / OBJECTS):
            place = path_of(folder, oid)
            if not place.exists():
                added.append(oid)
            elif not holds(place, stored(path_of(new, oid))):
                other.append(oid)
        removed = [oid for oid in listed(folder / OBJECTS) if not path_of(new, oid).is_file()]
        for oid in (*other, *removed):
            _keep(path_of(folder, oid), path_of(keep, oid))
        write_refs(folder / NEW, listing.sequence, added, removed, listing.lines)
        for oid in (*added, *other):
            os.rename(path_of(new, oid), folder / NEW / oid)
        sync(folder / NEW)
        place_all(folder, folder / NEW, (*added, *other))
        os.rename(folder / NEW / REFS, folder / REFS)  # the last that can fail
    except OSError as error:
        raise StoreError(f"{folder} cannot be changed: {error.strerror}") from None
    sync(folder)
    delete(folder, removed)
    empty(folder / REMOVED)
    empty(folder / NEW)


def _keep(path: Path, place: Path) -> None:
    """Let a file be in another place as well."""
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        os.link(path, place)
    except FileNotFoundError:
        raise
    except OSError:  # a file system without links
        write_file(place, (stored(path),))


def lock_file(path: Path, *, readonly: bool) -> int:
    """Return the descriptor of a file to be locked, also where nothing can be written."""
    if readonly:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    return open_lock(path)


@explain
def sharing(folder: Path, wait_s: float, *, readonly: bool) -> int:
    """Tell others that the store is open here, as long as the descriptor is."""
    users = lock_file(folder / "open", readonly=readonly)
    try:
        if not lock(users, wait_s=wait_s, shared=True):
            words = "another process is putting new data into this store"
            raise StoreError(words, hint="let it end")
    except BaseException:
        os.close(users)
        raise
    return users


def explanation(error: OSError) -> StoreError:
    """Return our error for one of the system's."""
    name = os.fspath(error.filename) if error.filename else "a file"
    words = f"{name}: {error.strerror}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG):
        words = f"the disk is full or failing ({words})"
        return StoreError(words, hint="make room, then run the command again")
    if is_refused(error):
        return StoreError(
            f"the store cannot be used ({words})",
            hint="its folder and its files must be writable by you",
        )
    if error.errno in (errno.ENOLCK, errno.EOPNOTSUPP, errno.EBADF):
        return StoreError(
            f"the store cannot be locked ({words})",
            hint="mount the folder so that all machines see each other's locks (flock)",
        )
    if error.errno in GONE:
        return Corrupt(
            f"a file of the store is missing or no regular file ({words})", hint="`ork fsck`"
        )
    return StoreError(f"a file of the store cannot be read ({words})")


def is_refused(error: OSError) -> bool:
    """Say whether the system did not let us, so that nothing is wrong with the disk."""
    return error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
