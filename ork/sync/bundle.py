"""A bundle: refs, the objects that they need and logs of runs in one file (docs/format.md).

A backup in a file is the same with all that a store has, under another first line.

A flat row of records with their lengths before them, and a hash over everything at the end. It is
written and read piece by piece. Nothing here believes what a bundle says of its objects: that is
for `ork.sync.receive`.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import chain
from pathlib import Path
from struct import Struct
from typing import BinaryIO, NamedTuple, TypeVar

from ork.errors import Corrupt, InvalidInput, NotFound
from ork.files import NotRegular, open_file
from ork.objects import canonical
from ork.objects.canonical import Json, Oid, is_whole, running_hash, unpack
from ork.objects.kinds import Object, decode_object, format_time, is_oid, kind_of, parse_time
from ork.objects.value import Value
from ork.progress import counted

BUNDLE, BACKUP = b"ork bundle 1\n", b"ork backup 1\n"  # the first line of a file
HEADER_BYTES_MAX = 1 << 20
NAME_BYTES_MAX = 1024  # of a ref, and of the path of a log
OBJECT_BYTES_MAX = (1 << 32) - 1  # more than LMDB can keep in one place
PIECE_BYTES = 1 << 20
STANDARD = "-"  # as the name of a file: standard input or output
_REF, _OBJECT, _LOG, _END = b"r", b"o", b"l", b"e"
_ORDER = _REF + _OBJECT + _LOG + _END
_HEADER, _NAME, _LENGTH, _COUNTS = Struct("<I"), Struct("<H"), Struct("<Q"), Struct("<QQQ")
_OID_BYTES = 32

T = TypeVar("T")


class LogFile(NamedTuple):
    """The bytes of a log, of which as many come as are said here."""

    path: str  # below `logs/`
    length: int
    pieces: Iterable[bytes]
    changed: datetime | None = None  # where that is known


class Source(NamedTuple):
    """What a bundle, or a store, is made of: objects as a backend keeps them."""

    refs: Mapping[str, Oid]
    objects: Iterable[tuple[Oid, bytes]]  # each after all that it names
    logs: Iterable[LogFile]
    time: datetime | None = None  # of a backup: when it was begun, if a run went on


class Size(Value, frozen=True, kw_only=True):
    """How much a bundle holds; workflows, tags and runs are among its refs."""

    workflows: int
    tags: int
    runs: int
    refs: int
    objects: int
    logs: int
    bytes: int


def pieces(source: Source, needs: Iterable[Oid] = (), *, form: bytes = BUNDLE) -> Iterator[bytes]:
    """Yield the bytes of a bundle; `needs` are deploys that the receiver must have. Lazy."""
    time = {"time": format_time(source.time)} if source.time else {}
    header: Json = {"needs": [*sorted(needs)], **time}
    return _sealed(chain([form], _records(header, source)))


def _records(header: Json, source: Source) -> Iterator[bytes]:
    encoded = canonical.encode(header)
    yield _HEADER.pack(len(encoded)) + encoded
    for name, oid in sorted((ref.encode(), oid) for ref, oid in source.refs.items()):
        yield _REF + _NAME.pack(len(name)) + name + bytes.fromhex(oid)
    object_count = log_count = 0
    for oid, stored in source.objects:
        yield _OBJECT + bytes.fromhex(oid) + _LENGTH.pack(len(stored))
        yield stored
        object_count += 1
    for log in counted("writing logs", source.logs, 0):
        name = log.path.encode()
        yield _LOG + _NAME.pack(len(name)) + name + _LENGTH.pack(log.length)
        yield from _sealed(log.pieces)
        log_count += 1
    yield _END + _COUNTS.pack(len(source.refs), object_count, log_count)


def _sealed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield these bytes, and at last the hash over all of them."""
    everything = running_hash()
    for piece in pieces:
        everything.update(piece)
        yield piece
    yield everything.digest()


class Bundle:
    """A bundle in a file that is open: what it holds, and where. Its frame is whole."""

    def __init__(self, file: BinaryIO, name: str, forms: Collection[bytes] = (BUNDLE,)) -> None:
        """Read the whole file once; raise InvalidInput when it is none of these, or was damaged."""
        self.name = name
        self.form = BUNDLE
        self.needs: tuple[Oid, ...] = ()
        self.time: datetime | None = None  # of a backup, when it was begun while a run went on
        self.refs: dict[str, Oid] = {}
        self.logs: dict[str, tuple[int, int]] = {}  # path -> where its bytes begin, how many
        self._file = file
        self._places: dict[bytes, int] = {}
        self.size = _Reading(self, file).read(forms, self._places)

    def __contains__(self, oid: Oid) -> bool:
        return bytes.fromhex(oid) in self._places

    def oids(self) -> Iterator[Oid]:
        """Yield the names of the objects, in the order of the file."""
        return (Oid(key.hex()) for key in self._places)

    def stored(self, oid: Oid) -> bytes | None:
        """Return the bytes of an object as a backend keeps them, unchecked; None if not here."""
        at = self._places.get(bytes.fromhex(oid))
        if at is None:
            return None
        self._file.seek(at)
        (length,) = _LENGTH.unpack(self._file.read(_LENGTH.size).ljust(_LENGTH.size, b"\0"))
        return self._file.read(min(length, OBJECT_BYTES_MAX))

    def checked(self, oid: Oid) -> bytes:
        """Return the same, after it has proven whole; raise InvalidInput when it does not."""
        stored = self.stored(oid)
        try:
            if stored is not None and is_whole(oid, stored):
                return stored
        except Corrupt as error:
            raise self.wrong(error.message) from None
        raise self.wrong(f"object {oid} is missing, or its bytes do not match its name")

    def get(self, kind: type[T], oid: Oid) -> T:
        """Return an object that must be of this class; raise InvalidInput when it is not."""
        try:
            value: Object = decode_object(unpack(oid, self.checked(oid)))
        except Corrupt as error:
            raise self.wrong(f"object {oid}: {error.message}") from None
        if not isinstance(value, kind):
            raise self.wrong(f"object {oid} is a {kind_of(value)}, not a {kind.__name__.lower()}")
        return value

    def log(self, path: str) -> Iterator[bytes]:
        """Yield the bytes of a log; raise InvalidInput after them if they are not what they were.

        Nothing else may be read of the bundle meanwhile.
        """
        at, left = self.logs[path]
        self._file.seek(at)
        of_log = running_hash()
        while left and (piece := self._file.read(min(left, PIECE_BYTES))):
            left -= len(piece)
            of_log.update(piece)
            yield piece
        if left or self._file.read(_OID_BYTES) != of_log.digest():
            raise self.wrong(f"the log {path!r} does not match its hash")

    def wrong(self, what: str) -> InvalidInput:
        """Return the error for a bundle that is not what it should be."""
        return InvalidInput(f"{self.name}: {what}", hint="get the file again; nothing was taken")


class _Reading:
    """The first pass over a bundle: record by record, as if each was made to do harm."""

    def __init__(self, bundle: Bundle, file: BinaryIO) -> None:
        self._bundle = bundle
        self._file = file
        self._at = 0
        self._everything = running_hash()
        self._wrong = bundle.wrong

    def read(self, forms: Collection[bytes], places: dict[bytes, int]) -> Size:
        """Read all of it, and note where each object lies."""
        self._read_form(forms)
        self._read_header()
        counts = {_REF: 0, _OBJECT: 0, _LOG: 0}
        before = _REF
        while (kind := self._bytes(1)) != _END:
            if kind not in counts or _ORDER.index(kind) < _ORDER.index(before):
                raise self._wrong(f"an unknown record, or one out of order, at byte {self._at - 1}")
            if kind == _REF:
                self._read_ref()
            elif kind == _OBJECT:
                self._read_object(places)
            else:
                self._read_log()
            counts[kind] += 1
            before = kind
        if self._unpacked(_COUNTS) != tuple(counts.values()):
            raise self._wrong("it does not hold as much as its end says")
        right = self._everything.digest()
        if self._bytes(_OID_BYTES) != right:
            raise self._wrong("its bytes do not match the hash at its end")
        if self._file.read(1):
            raise self._wrong("something follows its end")
        refs, objects, logs = counts.values()
        spaces = Counter(ref.partition("/")[0] for ref in self._bundle.refs)
        return Size(
            workflows=spaces["workflows"],
            tags=spaces["tags"],
            runs=spaces["runs"],
            refs=refs,
            objects=objects,
            logs=logs,
            bytes=self._at,
        )

    def _read_form(self, forms: Collection[bytes]) -> None:
        form = self._file.read(len(BUNDLE))
        if form not in forms:
            what, hint = _instead(form, forms)
            raise InvalidInput(f"{self._bundle.name}: {what}", hint=hint)
        self._take(form)
        self._bundle.form = form

    def _read_header(self) -> None:
        (length,) = self._unpacked(_HEADER)
        if length > HEADER_BYTES_MAX:
            raise self._wrong(f"a header of {length} bytes; {HEADER_BYTES_MAX} at most")
        try:
            header = canonical.decode(self._bytes(length))
        except Corrupt as error:
            raise self._wrong(f"its header is {error.message}") from None
        known = {"needs", "time"} if self._bundle.form == BACKUP else {"needs"}
        if not isinstance(header, dict) or not {"needs"} <= header.keys() <= known:
            raise self._wrong("its header has other fields than `needs`")
        if "time" in header:
            try:
                self._bundle.time = parse_time(str(header["time"]))
            except ValueError as error:
                raise self._wrong(f"its header has {error}") from None
        needs = header["needs"]
        if not isinstance(needs, list) or not all(map(is_oid, needs)):
            raise self._wrong("its header has something else than oids")
        self._bundle.needs = tuple(needs)  # type: ignore[arg-type]

    def _read_ref(self) -> None:
        name, oid = self._name(), self._bytes(_OID_BYTES).hex()
        last = next(reversed(self._bundle.refs), "")
        if name.encode() <= last.encode():
            raise self._wrong(f"the ref {name!r} is out of order, or comes twice")
        self._bundle.refs[name] = Oid(oid)

    def _read_object(self, places: dict[bytes, int]) -> None:
        key = self._bytes(_OID_BYTES)
        if key in places:
            raise self._wrong(f"object {key.hex()} comes twice")
        places[key] = self._at
        (length,) = self._unpacked(_LENGTH)
        if length > OBJECT_BYTES_MAX:
            raise self._wrong(f"object {key.hex()} would have {length} bytes")
        self._skip(length)

    def _read_log(self) -> None:
        path = self._name()
        last = next(reversed(self._bundle.logs), "")
        if path.encode() <= last.encode():
            raise self._wrong(f"the log {path!r} is out of order, or comes twice")
        (length,) = self._unpacked(_LENGTH)
        self._bundle.logs[path] = (self._at, length)
        of_log = running_hash()
        for piece in self._pieces(length):
            of_log.update(piece)
        if self._bytes(_OID_BYTES) != of_log.digest():
            raise self._wrong(f"the log {path!r} does not match its hash")

    def _name(self) -> str:
        (length,) = self._unpacked(_NAME)
        if length > NAME_BYTES_MAX:
            raise self._wrong(f"a name of {length} bytes; {NAME_BYTES_MAX} at most")
        try:
            return self._bytes(length).decode()
        except UnicodeDecodeError:
            raise self._wrong(f"a name that is no UTF-8 at byte {self._at - length}") from None

    def _unpacked(self, form: Struct) -> tuple[int, ...]:
        return form.unpack(self._bytes(form.size))

    def _bytes(self, count: int) -> bytes:
        return b"".join(self._pieces(count))

    def _skip(self, count: int) -> None:
        for _ in self._pieces(count):
            pass

    def _pieces(self, count: int) -> Iterator[bytes]:
        """Yield so many bytes; a length that lies costs no memory."""
        while count:
            piece = self._file.read(min(count, PIECE_BYTES))
            if not piece:
                raise self._wrong(f"cut short: it ends at byte {self._at}")
            count -= len(piece)
            self._take(piece)
            yield piece

    def _take(self, piece: bytes) -> None:
        self._at += len(piece)
        self._everything.update(piece)


def _instead(form: bytes, forms: Collection[bytes]) -> tuple[str, str]:
    """Say what a file is, if it is not of the form that is wanted, and what to do with it."""
    if form == BUNDLE:
        return "a bundle, not a backup", "`ork import bundle` takes it in"
    if form == BACKUP:
        return "a backup, not a bundle", "`ork init --from` makes a store of it"
    if form.startswith((BUNDLE[:-2], BACKUP[:-2])):
        return "not a bundle that this ork can read", "it needs a newer ork"
    if BUNDLE in forms:
        return "not a bundle", "`ork bundle create` makes one"
    return "not a backup", "`ork backup` makes one"


@contextmanager
def open_bundle(name: str, forms: Collection[bytes] = (BUNDLE,)) -> Iterator[Bundle]:
    """Open a bundle, `-` from standard input; raise InvalidInput where it is of no such form.

    Raise NotFound where there is no such file. What cannot be read twice, such as a pipe, is kept
    on the disk for the block.
    """
    with _opened(name) as file:
        yield Bundle(file, "standard input" if name == STANDARD else name, forms)


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    if name != STANDARD:
        if not Path(name).exists():
            raise NotFound(f"there is no file {name}")
        with suppress(NotRegular), open_file(Path(name), follow=True) as file:
            yield file
            return
    source = os.dup(sys.stdin.fileno()) if name == STANDARD else Path(name)
    with open(source, "rb") as pipe, tempfile.TemporaryFile() as spool:
        shutil.copyfileobj(pipe, spool, PIECE_BYTES)
        spool.seek(0)
        yield spool
