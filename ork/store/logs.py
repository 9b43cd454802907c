"""What the attempts of a run print: plain files below `.ork/logs/`, written and read in pieces.

A run has as many files as slots, `logs/WORKFLOW/RUN/SLOT.log`: what runs in a slot, one attempt
after the other, is appended to its file. Beside them lies `begun`, with a line for each attempt
that is about to start: so it is known of each that it has begun, and where its log begins. Another
line tells of an attempt whose log could not be written to its end.

A log may be larger than memory, may be growing while it is read, and may not be there: its attempt
has not begun, or somebody tidied up.

Where several machines share a store, the owner of a run writes the same files, and puts into the
store what they have grown by, as blobs under refs, `logs/WORKFLOW/RUN/FILE/OFFSET`. Everybody else
reads those, one after the other, as if they were the file.
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from ork import files
from ork.errors import Corrupt, NotFound, StoreError
from ork.objects import kinds
from ork.objects.canonical import Oid
from ork.objects.kinds import Run, is_name, is_path
from ork.objects.value import Value, replace
from ork.store.contents import run_and_task, task_runs
from ork.store.resolve import number_ref
from ork.store.store import Store

PIECE_BYTES = 1 << 16
ANSWER = "ORK_OUTPUT:"  # what a command gives as its output follows, to the end of the line
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BLANK = re.compile(r"(?:\s|\x1b\[[0-9;]*m)*")  # shows nothing, though it may change the colour
_BEGUN = re.compile(rb"(\d{1,16}) (\d{1,9}) (\d{1,15}) (\d{1,9}) ([\w.-]+)\n", re.ASCII)
_CUT = re.compile(rb"^cut (\d{1,9}) ([\w.-]+) (.{1,200})\n", re.ASCII | re.MULTILINE)
REFS_TOGETHER = 1000  # that one write moves
PART_BYTES = 1 << 20  # that one blob in a store has
TOGETHER_BYTES = 4 << 20  # that one write puts there
JOIN_PARTS = 16  # of one file: this many small ones are made few when the run ends
LAST_BYTES = 4096  # of a log, in which its last line is looked for
NAME_BYTES_MAX = 255  # of one part of a path, on the usual file systems


class Log(Value, frozen=True, kw_only=True):
    """The log of one attempt; `log` is where it lies, as long as it is now.

    `tainted` are the captured files that changed under the attempt. `error` says why a part of what
    it printed could not be written.
    """

    run: str
    task: str
    attempt: int
    log: kinds.Log | None
    tainted: tuple[str, ...] = ()
    error: str | None = None


def logs(
    store: Store,
    text: str,
    *,
    now: datetime,
    failed: bool = False,
    attempt: int | None = None,
    every: bool = False,
) -> list[Log]:
    """Return the logs of RUN or RUN:TASK, in the order in which the tasks started.

    Of each task that of its last attempt or of a certain one, or with `every` those of all.
    """
    run, task = run_and_task(store, text, now=now)
    states = task_runs(store, run)
    beginnings = Beginnings(store, run)
    found = []
    for one, taskrun in states.items():
        if (task and one != task) or (failed and taskrun.state != "failed"):
            continue
        attempts = [a for a in taskrun.attempts if attempt in (None, a.number)]
        number = len(taskrun.attempts) + 1
        for a in attempts if every else attempts[-1:]:
            found.append((a.started, one, a.number, a.log, a.tainted))
        if (
            not attempts
            and taskrun.state in ("running", "interrupted")
            and attempt in (None, number)
        ):
            found.append((now, one, number, beginnings.log(one, number), ()))
    if attempt is not None and not found:
        raise NotFound(f"{text} has no attempt {attempt}")
    if task and not found and not failed:
        state = f"it is {states[task].state}" if task in states else "it has not started"
        raise NotFound(f"{text} has no log: {state}", hint=f"`ork logs -f {text}` waits for it")
    name = f"{run.workflow}#{run.number}"
    refuse_removed(store, run, [log for *_, log, _ in found])
    found.sort(key=lambda entry: entry[:3])
    cut = beginnings.cut()
    return [
        Log(
            run=name,
            task=one,
            attempt=number,
            log=log,
            tainted=changed,
            error=cut.get((one, number)),
        )
        for _, one, number, log, changed in found
    ]


def name_of_logs(run: Run) -> str:
    """Return what an operation calls the logs of a run that it tells to be gone."""
    return f"logs/{run.workflow}/{run.number:010d}"


def refuse_removed(store: Store, run: Run, logs: Iterable[kinds.Log | None]) -> None:
    """Raise NotFound when none of these logs of a run is there, and `ork gc` has removed them."""
    named = [log for log in logs if log is not None]
    if not named or any(_is_there(store, log) for log in named):
        return
    from ork.store.operations import removed_in_words  # which reads the log of operations

    for name in (name_of_logs(run), number_ref(run.workflow, run.number)):
        if removed := removed_in_words(store, name):
            raise NotFound(f"the logs of {run.workflow}#{run.number} were {removed}")


def _is_there(store: Store, log: kinds.Log) -> bool:
    if _reads_parts(store, log.path, log.offset):
        return next(iter(store.refs(parts_ref(log.path))), None) is not None
    try:
        with _place(store, log.path) as (at, name):
            os.stat(name, dir_fd=at, follow_symlinks=False)
    except OSError:
        return False
    return True


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
    return sorted(filter(is_log, names), key=str.encode)


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
    file = _opened(store, path, offset)
    try:
        yield file
    finally:
        file.close()


def _opened(store: Store, path: str, offset: int) -> Bytes:
    if _reads_parts(store, path, offset):
        return _Parts(store, path)
    with _place(store, path) as (at, name):
        return _File(files.open_file(name, at=at))


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
        self._data = b""
        if self._last(None) is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)

    def size(self) -> int:
        offset = self._last(None)
        return 0 if offset is None else offset + len(self._data)

    def read(self, count: int, at: int) -> bytes:
        pieces = []
        while count:
            offset = self._last(f"{at + 1:016}")
            if offset is None or not (piece := self._data[at - offset : at - offset + count]):
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
            self._found = found
            return offset_of(found[0])
        return None


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
    _written(store, f"{run.workflow}/{run.id}")
    if store.shared:
        _remove_files(store, run.workflow, run.id)


def _remove_files(store: Store, workflow: str, run_id: str) -> None:
    if store.folder is not None:
        with suppress(OSError), store.inside("logs", workflow) as at:
            files.remove(run_id, at=at)


def _written(store: Store, folder: str) -> None:
    """Note that this process writes the logs of a run no longer."""
    for path in [path for path in store.writing if path.startswith(f"{folder}/")]:
        del store.writing[path]


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


def pieces(store: Store, log: kinds.Log | None, *, tail: int | None = None) -> Iterator[bytes]:
    """Yield what a log holds now, piece by piece; with `tail` only its last lines."""
    growing = Growing(store, lambda: log, tail=tail)
    while piece := growing.read():
        yield piece
    growing.close()


class Growing:
    """A log that is read while it is written; it may come into being later."""

    def __init__(
        self, store: Store, now: Callable[[], kinds.Log | None], *, tail: int | None = None
    ) -> None:
        """`now` returns the log as long as it is at that moment."""
        self._store, self._now, self._tail = store, now, tail
        self._file: Bytes | None = None
        self._at = 0

    def read(self) -> bytes:
        """Return the next piece of what is there; nothing when all of it was read."""
        log = self._now()
        if log is None or (self._file is None and not self._open(log)):
            return b""
        assert self._file is not None
        room = PIECE_BYTES if log.length is None else log.offset + log.length - self._at
        piece = self._file.read(max(0, min(room, PIECE_BYTES)), self._at)
        self._at += len(piece)
        return piece

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        if self._file is not None:
            self._file.close()
        self._file, self._now = None, lambda: None

    def _open(self, log: kinds.Log) -> bool:
        try:
            self._file = _opened(self._store, log.path, log.offset)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StoreError(f"a log cannot be read: {log.path}: {error.strerror}") from None
        self._at = log.offset
        if self._tail is not None:
            self._at = tail_start(self._file, self._tail, log)
        return True


def tail_start(file: Bytes, lines: int, log: kinds.Log) -> int:
    """Return where the last `lines` lines of a log begin; only these are read to find out."""
    size = file.size()
    end = size if log.length is None else min(size, log.offset + log.length)
    if lines == 0 or end <= log.offset:
        return end
    wanted = lines + (file.read(1, end - 1) == b"\n")
    while end > log.offset:
        start = max(log.offset, end - PIECE_BYTES)
        piece = file.read(end - start, start)
        found = piece.count(b"\n")
        if found >= wanted:
            at = len(piece)
            for _ in range(wanted):
                at = piece.rindex(b"\n", 0, at)
            return start + at + 1
        wanted -= found
        end = start
    return log.offset


def last_line(store: Store, log: kinds.Log) -> str:
    """Return the last line of a log that shows something, as far as its end has it.

    What a task answers is no such line.
    """
    try:
        with opened(store, log.path, offset=log.offset) as file:
            data = file.read(LAST_BYTES, max(log.offset, file.size() - LAST_BYTES))
    except OSError:
        return ""
    lines = reversed(data.decode("utf-8", "replace").split("\n"))
    parts = (last_part(line.partition(ANSWER)[0]) for line in lines)
    return next(filter(None, parts), "")


def last_part(line: str) -> str:
    """Return what is left of a line that went back to its start, as progress bars do."""
    return next((part for part in reversed(line.split("\r")) if not _BLANK.fullmatch(part)), "")


class Begun(Value, frozen=True, kw_only=True):
    """That an attempt has begun; the length of its log is None until another follows it there."""

    started: datetime
    log: kinds.Log


class Slots:
    """The logs of a run that goes on, to which its owner lets attempts print."""

    def __init__(self, store: Store, run: Run) -> None:
        """Make the folder of the run; a retry goes on in its files.

        Where they were removed it takes others: earlier attempts say that theirs begin at 0.
        """
        self.cut: dict[str, str] = {}  # tasks whose logs could not be written to the end, and why
        self.shipping: Shipping | None = None  # to others that share the store
        self._store = store
        self._top = str((store.folder or Path.cwd()) / "logs")
        self._folder = f"{run.workflow}/{run.id}"
        self._free: list[str] = []
        self._count = 0
        try:
            with store.inside("logs", run.workflow, run.id, make=True) as at:
                if store.shared:
                    self.shipping = Shipping(store, self._folder, at)
                is_new = not files.size("begun", at=at)
                self._begun = files.open_append("begun", at=at)
                self._at = os.dup(at)
        except OSError as error:
            raise self._unusable(error) from None
        if is_new and run.previous is not None:
            self._count = _slots_before(store, store.get(Run, run.previous))

    def take(self, task: str, attempt: int) -> tuple[str, kinds.Log]:
        """Give a slot to an attempt that begins now; return the file, and its log there."""
        slot = self._free.pop() if self._free else self._new()
        path = f"{self._folder}/{slot}.log"
        micros = time.time_ns() // 1000
        try:
            log = kinds.Log(path=path, offset=files.size(f"{slot}.log", at=self._at))
            os.write(self._begun, f"{micros} {slot} {log.offset} {attempt} {task}\n".encode())
        except OSError as error:
            raise self._unusable(error) from None
        if self.shipping is not None:
            self._store.writing.setdefault(path, log.offset)
        return f"{self._top}/{path}", log

    def give_back(self, log: kinds.Log, length: int) -> kinds.Log:
        """Take back the slot of an attempt that has ended; return its log, to the length."""
        self._free.append(log.path.rpartition("/")[2].removesuffix(".log"))
        return replace(log, length=length)

    def tell_cut(self, task: str, attempt: int, why: str) -> None:
        """Note that the log of an attempt has not all that it should, if the disk takes that."""
        self.cut[task] = why
        with suppress(OSError):
            os.write(self._begun, f"cut {attempt} {task} {why}\n".encode())

    def close(self) -> None:
        """Let go of what is open. Idempotent."""
        if self._begun >= 0:
            os.close(self._begun)
            os.close(self._at)
            self._begun = -1
            if self.shipping is not None:
                self.shipping.close()
                _written(self._store, self._folder)

    def _new(self) -> str:
        self._count += 1
        return str(self._count)

    def _unusable(self, error: OSError) -> StoreError:
        words = [f"{self._top}/{self._folder}", error.strerror or str(error)]
        if error.filename:
            words.insert(1, os.path.basename(error.filename))
        return StoreError(f"the logs of the run cannot be written: {': '.join(words)}")


class Part(NamedTuple):
    """Bytes of a file of logs, and where in it they begin."""

    file: str
    offset: int
    data: bytes

    @property
    def end(self) -> int:
        """Where the next part begins."""
        return self.offset + len(self.data)


class Shipping:
    """What the logs of a run have, and the store does not have yet, from the files of its owner.

    Another machine may have written what came before: where the store has that, the files here
    have nothing, and are as long.
    """

    def __init__(self, store: Store, folder: str, at: int) -> None:
        """`folder` is that of the run below `logs/`, `at` a descriptor of it on this machine."""
        self._store, self._prefix = store, f"logs/{folder}/"
        self._sent = {}
        for name in store.folders(self._prefix):
            with opened(store, f"{folder}/{name}") as parts:
                self._sent[name] = parts.size()
        self._from = dict(self._sent)
        for name in filter(is_log, {*os.listdir(at), *self._sent}):
            if name in self._sent:
                file = files.open_append(name, at=at)
                os.ftruncate(file, self._sent[name])
                os.close(file)
            else:
                os.unlink(name, dir_fd=at)
        self._at = os.dup(at)

    def ref(self, part: Part) -> str:
        """Return the ref that is to lead to a part."""
        return f"{self._prefix}{part.file}/{part.offset:016}"

    def grown(self) -> list[Part]:
        """Return what the files have grown by, as much of it as one write is to have.

        What has begun comes with what it printed, or before.
        """
        sizes = {name: files.size(name, at=self._at) for name in self._names() if name != "begun"}
        sizes = {"begun": files.size("begun", at=self._at), **sizes}
        found: list[Part] = []
        room = TOGETHER_BYTES
        for name, size in sizes.items():
            offset = self._sent.get(name, 0)
            while offset < size and room > 0:
                part = self._part(name, offset, offset + min(size - offset, PART_BYTES, room))
                found.append(part)
                offset, room = part.end, room - len(part.data)
        return found

    def has(self, parts: Iterable[Part]) -> None:
        """Note that these parts are in the store."""
        self._sent |= {part.file: part.end for part in parts}

    def joined(self) -> Iterator[tuple[Part, dict[str, Oid | None]]]:
        """Yield larger parts for files that have gone to the store in many, and the refs of those.

        So that a task that printed something every second for a day leaves no 86,400 refs.
        """
        for name in self._names():
            first = self._from.get(name, 0)
            refs = [
                (offset_of(text), oid)
                for text, oid in self._store.refs(f"{self._prefix}{name}/")
                if offset_of(text) >= first
            ]
            if len(refs) < JOIN_PARTS:
                continue
            for group in _groups(refs, self._sent[name]):
                end = group[-1][0]
                part = self._part(name, group[0][0], end)
                yield part, {self.ref(part._replace(offset=at)): oid for at, oid in group[:-1]}

    def close(self) -> None:
        """Let go of the files. Idempotent."""
        if self._at >= 0:
            os.close(self._at)
            self._at = -1

    def _names(self) -> list[str]:
        return sorted(filter(is_log, os.listdir(self._at)))

    def _part(self, name: str, start: int, end: int) -> Part:
        try:
            with files.open_file(name, at=self._at) as file:
                data = os.pread(file.fileno(), end - start, start)
        except OSError as error:
            raise StoreError(f"the log {name} cannot be read: {error.strerror}") from None
        if len(data) < end - start:
            raise StoreError(f"the log {name} became shorter while the run went on")
        return Part(name, start, data)


def _groups(parts: list[tuple[int, Oid]], end: int) -> Iterator[list[tuple[int, Oid | None]]]:
    """Yield neighbours that are together no larger than one part, each time with where they end."""
    places = [*parts, (end, None)]
    start = 0
    for index in range(1, len(places) + 1):
        if index == len(places) or places[index][0] - places[start][0] > PART_BYTES:
            if index - start > 2:
                yield places[start:index]
            start = index - 1


def _slots_before(store: Store, run: Run) -> int:
    """Return the greatest slot that attempts of a run have had."""
    attempts = (one for taskrun in task_runs(store, run).values() for one in taskrun.attempts)
    paths = (attempt.log.path for attempt in attempts if attempt.log)
    slots = (path.rpartition("/")[2].removesuffix(".log") for path in paths)
    return max((int(slot) for slot in slots if slot.isdecimal()), default=0)


class Beginnings:
    """Which attempts at the tasks of a run have begun, as its owner notes it."""

    def __init__(self, store: Store, run: Run) -> None:
        self._store, self._folder = store, f"{run.workflow}/{run.id}"
        self._read = 0
        self._found: dict[tuple[str, int], Begun] = {}
        self._last: dict[str, tuple[str, int]] = {}  # the last one of each file
        self._cut: dict[tuple[str, int], str] = {}

    def cut(self) -> Mapping[tuple[str, int], str]:
        """Return the attempts whose logs could not be written to the end by now, and why."""
        self.now()
        return self._cut

    def now(self) -> Mapping[tuple[str, int], Begun]:
        """Return those that have begun by now, by task and number."""
        try:
            with opened(self._store, f"{self._folder}/begun") as file:
                data = file.read(file.size() - self._read, self._read)
        except OSError:
            data = b""
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        for micros, slot, offset, attempt, task in _BEGUN.findall(whole):
            key = task.decode(), int(attempt)
            log = kinds.Log(path=f"{self._folder}/{int(slot)}.log", offset=int(offset))
            if before := self._last.get(log.path):
                begun = self._found[before]
                ended = replace(begun.log, length=max(0, log.offset - begun.log.offset))
                self._found[before] = replace(begun, log=ended)
            self._last[log.path] = key
            started = EPOCH + timedelta(microseconds=int(micros))
            self._found[key] = Begun(started=started, log=log)
        for attempt, task, why in _CUT.findall(whole):
            self._cut[task.decode(), int(attempt)] = why.decode("utf-8", "replace")
        return self._found

    def lasted(self, task: str, attempt: int) -> float:
        """Return the seconds from the begin of an attempt to the last sign of life in its log."""
        log = self.log(task, attempt)
        if not (log and log.length) or self._found[task, attempt].log.length is not None:
            return 0.0  # nothing was printed, or something by another
        try:
            with opened(self._store, log.path) as file:
                changed = file.changed()
        except OSError:
            return 0.0
        if changed is None:
            return 0.0
        return max(0.0, (changed - self._found[task, attempt].started).total_seconds())

    def log(self, task: str, attempt: int) -> kinds.Log | None:
        """Return the log of an attempt as long as it is now; None if it has not begun."""
        begun = self._found.get((task, attempt)) or self.now().get((task, attempt))
        if begun is None:
            return None
        if begun.log.length is not None:
            return begun.log
        size = size_of(self._store, begun.log.path, offset=begun.log.offset)
        # Asked only now: what another attempt has printed there was noted before it was printed.
        log = self.now()[task, attempt].log
        return log if log.length is not None else replace(log, length=max(0, size - log.offset))
