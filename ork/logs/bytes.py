"""Where the bytes of logs are: in plain files of this machine, or in a store that others read.

A run has as many files as slots, `logs/WORKFLOW/RUN/SLOT.log`: what runs in a slot, one attempt
after the other, is appended to its file. Beside them lies `begun` (see `ork.logs.begun`).

Where several machines share a store, the owner of a run writes the same files, and puts into the
store what they have grown by, as blobs under refs, `logs/WORKFLOW/RUN/FILE/OFFSET`. Everybody else
reads those, one after the other, as if they were the file.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import BinaryIO, Protocol

from ork import files
from ork.errors import Corrupt, StoreError
from ork.objects import kinds
from ork.objects.canonical import Oid
from ork.objects.kinds import Run, is_name, is_path
from ork.store.store import Store

PART_BYTES = 1 << 20  # that one blob in a store has
TOGETHER_BYTES = 4 << 20  # that one write puts there
REFS_TOGETHER = 1000  # that one write moves
NAME_BYTES_MAX = 255  # of one part of a path, on the usual file systems


class Bytes(Protocol):
    """The bytes of one file of logs, wherever they are."""

    def size(self) -> int:
        """Return how many there are now."""
        ...

    def read(self, count: int, at: int) -> bytes:
        """Return these bytes, or fewer where there are no more."""
        ...

    def changed(self) -> datetime | None:
        """Return when the last of them came, if that is known."""
        ...

    def close(self) -> None:
        """Let go of them. Idempotent."""
        ...


@contextmanager
def opened(store: Store, path: str, *, offset: int = 0) -> Iterator[Bytes]:
    """Open a file of logs, given its path below `logs/`, to be read from an offset on."""
    file = open_bytes(store, path, offset)
    try:
        yield file
    finally:
        file.close()


def open_bytes(store: Store, path: str, offset: int) -> Bytes:
    if _reads_parts(store, path, offset):
        return _Parts(store, path)
    with _place(store, path) as (at, name):
        return _File(files.open_file(name, at=at))


class Files:
    """Files of logs that are opened once each, for whoever reads many logs of a run."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._open: dict[tuple[str, bool], Bytes] = {}

    def at(self, path: str, offset: int) -> Bytes:
        """Return a file of logs, given its path below `logs/`, to be read from an offset on."""
        key = path, _reads_parts(self._store, path, offset)
        if key not in self._open:
            self._open[key] = open_bytes(self._store, path, offset)
        return self._open[key]

    def close(self) -> None:
        """Let go of all of them. Idempotent."""
        for file in self._open.values():
            file.close()


def _reads_parts(store: Store, path: str, offset: int) -> bool:
    """Say whether the store has the bytes: what this process itself writes is read from its file.

    That has them from where it was begun here.
    """
    return store.shared and not offset >= store.writing.get(path, offset + 1)


class _File:
    """A file of this machine."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def size(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    def read(self, count: int, at: int) -> bytes:
        return os.pread(self._file.fileno(), count, at)

    def changed(self) -> datetime | None:
        return datetime.fromtimestamp(os.fstat(self._file.fileno()).st_mtime, UTC)

    def close(self) -> None:
        self._file.close()


class _Parts:
    """A file of which the parts are blobs in a store; one of them is at hand."""

    def __init__(self, store: Store, path: str) -> None:
        self._store, self._prefix = store, parts_ref(path)
        self._found: tuple[str, Oid] | None = None
        self._start, self._data = 0, b""
        if self._last(None) is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)

    def size(self) -> int:
        offset = self._last(None)
        return 0 if offset is None else offset + len(self._data)

    def read(self, count: int, at: int) -> bytes:
        pieces = []
        while count:
            if not self._start <= at < self._start + len(self._data):
                self._last(f"{at + 1:016}")
            start = at - self._start
            if start < 0 or not (piece := self._data[start : start + count]):
                break
            pieces.append(piece)
            at, count = at + len(piece), count - len(piece)
        return b"".join(pieces)

    def changed(self) -> datetime | None:
        return None

    def close(self) -> None:
        self._data = b""

    def _last(self, below: str | None) -> int | None:
        """Have the last part at hand, or the last that begins before an offset; return its own."""
        refs = self._store.refs(self._prefix, newest_first=True, below=below)
        while (found := next(iter(refs), None)) is not None:
            try:
                if found != self._found:
                    self._data = self._store.blob(found[1])
            except Corrupt:
                # Unless `ork gc` takes the logs away at this moment, it must be there.
                if self._store.ref(self._prefix + found[0]) == found[1]:
                    raise
                refs = self._store.refs(self._prefix, newest_first=True, below=below)
                continue
            self._found, self._start = found, offset_of(found[0])
            return self._start
        return None


@contextmanager
def _place(store: Store, log: str) -> Iterator[tuple[int, str]]:
    """Open the folder of a log, given its path below `logs/`; yield it, and the name there.

    The path is data of the store: one that leads elsewhere or nowhere is not found.
    """
    *folders, name = log.split("/")
    fits = is_path(log) and len(name.encode()) <= NAME_BYTES_MAX and all(map(is_name, folders))
    if store.folder is None or not fits:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), log)
    with store.inside("logs", *folders) as at:
        yield at, name


def size_of(store: Store, log: str, *, offset: int = 0) -> int:
    """Return how long the file of a log, in which one begins there, is now; 0 when it is not."""
    try:
        if _reads_parts(store, log, offset):
            with opened(store, log) as parts:
                return parts.size()
        with _place(store, log) as (at, name):
            return files.size(name, at=at)
    except OSError:
        return 0


def is_log(name: str) -> bool:
    """Say whether this is the name of a file that a run keeps its logs in."""
    return name == "begun" or (is_name(name) and name.endswith(".log"))


def logs_there(store: Store, workflow: str, run_id: str) -> list[str]:
    """Return the names of the files that the logs of a run are in, sorted."""
    if store.shared:
        names: Iterable[str] = store.folders(f"logs/{workflow}/{run_id}/")
    else:
        try:
            with store.inside("logs", workflow, run_id) as at:
                names = os.listdir(at)
        except FileNotFoundError:
            names = ()
        except OSError as error:
            raise unreadable(f"{workflow}/{run_id}", error) from None
    return sorted(filter(is_log, names), key=str.encode)


def unreadable(path: str, error: OSError) -> StoreError:
    """Return our error for one of the system's, given a path below `logs/`."""
    return StoreError(f"logs/{path} cannot be read: {error.strerror}")


def is_there(store: Store, log: kinds.Log) -> bool:
    """Say whether there is the file, or a part of it, that a log is in."""
    try:
        if _reads_parts(store, log.path, log.offset):
            return next(iter(store.refs(parts_ref(log.path))), None) is not None
        with _place(store, log.path) as (at, name):
            os.stat(name, dir_fd=at, follow_symlinks=False)
    except PermissionError:
        return True  # who reads it is told why it cannot be read
    except OSError:
        return False
    return True


def parts_ref(path: str) -> str:
    """Return how the refs begin that lead to the parts of a file of logs."""
    *folders, _ = path.split("/")
    if not is_path(path) or len(folders) != 2 or not all(map(is_name, path.split("/"))):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    return f"logs/{path}/"


def offset_of(text: str) -> int:
    """Return where a part of a log begins, as the last word of its ref says."""
    if not (len(text) == 16 and text.isascii() and text.isdecimal()):
        raise Corrupt(f"{text!r} is not where a part of a log begins", hint="`ork fsck`")
    return int(text)


def put(store: Store, found: Iterable[tuple[str, Iterable[bytes]]]) -> int:
    """Write files of logs, each a path and bytes, into a store, in the place of what it has.

    Return how many.
    """
    tx, room, count = store.transaction(), TOGETHER_BYTES, 0
    for count, (path, pieces) in enumerate(found, 1):  # noqa: B007
        prefix, offset = parts_ref(path), 0
        before = dict(store.refs(prefix))
        for part in _in_parts(pieces):
            name = f"{offset:016}"
            tx.move(prefix + name, old=before.pop(name, None), new=tx.add(kinds.Blob(part)))
            offset, room = offset + len(part), room - len(part)
            if room < PART_BYTES or len(tx.moves) >= REFS_TOGETHER:
                tx.commit()
                tx, room = store.transaction(), TOGETHER_BYTES
        for name, oid in before.items():
            tx.move(prefix + name, old=oid, new=None)
    tx.commit()
    return count


def _in_parts(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in pieces of the size that a store has them in."""
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= PART_BYTES:
            yield bytes(held[:PART_BYTES])
            del held[:PART_BYTES]
    if held:
        yield bytes(held)


def parts_of(store: Store, workflow: str, run_id: str) -> dict[str, Oid]:
    """Return the refs that lead to what a store has of the logs of a run."""
    prefix = f"logs/{workflow}/{run_id}/"
    return {prefix + name: oid for name, oid in store.refs(prefix)}


def remove(store: Store, workflow: str, run_id: str) -> None:
    """Take the logs of a run out of a store that several machines share."""
    refs = list(parts_of(store, workflow, run_id).items())
    for start in range(0, len(refs), REFS_TOGETHER):
        with store.transaction() as tx:
            for ref, oid in refs[start : start + REFS_TOGETHER]:
                tx.move(ref, old=oid, new=None)


def tidy(store: Store, run: Run) -> None:
    """Remove the files to which logs were written here that the store has, of a run that ended."""
    written(store, f"{run.workflow}/{run.id}")
    if store.shared and store.folder is not None:
        with suppress(OSError), store.inside("logs", run.workflow) as at:
            files.remove(run.id, at=at)


def written(store: Store, folder: str) -> None:
    """Note that this process writes the logs of a run no longer."""
    for path in [path for path in store.writing if path.startswith(f"{folder}/")]:
        del store.writing[path]
