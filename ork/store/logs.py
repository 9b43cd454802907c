"""What the attempts of a run print: plain files below `.ork/logs/`, written and read in pieces.

A run has as many files as slots, `logs/WORKFLOW/RUN/SLOT.log`: what runs in a slot, one attempt
after the other, is appended to its file. Beside them lies `begun`, with a line for each attempt
that is about to start: so it is known of each that it has begun, and where its log begins. Another
line tells of an attempt whose log could not be written to its end.

A log may be larger than memory, may be growing while it is read, and may not be there: its attempt
has not begun, or somebody tidied up.
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
from typing import BinaryIO

from ork import files
from ork.errors import NotFound, StoreError
from ork.objects import kinds
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
    try:
        with _place(store, log.path) as (at, name):
            os.stat(name, dir_fd=at, follow_symlinks=False)
    except OSError:
        return False
    return True


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


def size_of(store: Store, log: str) -> int:
    """Return how long the file of a log is now; 0 when there is none."""
    try:
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
        self._file: BinaryIO | None = None
        self._at = 0

    def read(self) -> bytes:
        """Return the next piece of what is there; nothing when all of it was read."""
        log = self._now()
        if log is None or (self._file is None and not self._open(log)):
            return b""
        assert self._file is not None
        room = PIECE_BYTES if log.length is None else log.offset + log.length - self._at
        piece = os.pread(self._file.fileno(), max(0, min(room, PIECE_BYTES)), self._at)
        self._at += len(piece)
        return piece

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        if self._file is not None:
            self._file.close()
        self._file, self._now = None, lambda: None

    def _open(self, log: kinds.Log) -> bool:
        try:
            self._file = _opened(self._store, log.path)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StoreError(f"a log cannot be read: {log.path}: {error.strerror}") from None
        self._at = log.offset
        if self._tail is not None:
            self._at = tail_start(self._file.fileno(), self._tail, log)
        return True


def _opened(store: Store, log: str) -> BinaryIO:
    with _place(store, log) as (at, name):
        return files.open_file(name, at=at)


def tail_start(file: int, lines: int, log: kinds.Log) -> int:
    """Return where the last `lines` lines of a log begin; only these are read to find out."""
    size = os.fstat(file).st_size
    end = size if log.length is None else min(size, log.offset + log.length)
    if lines == 0 or end <= log.offset:
        return end
    wanted = lines + (os.pread(file, 1, end - 1) == b"\n")
    while end > log.offset:
        start = max(log.offset, end - PIECE_BYTES)
        piece = os.pread(file, end - start, start)
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
        with _opened(store, log.path) as file:
            begin = max(log.offset, os.fstat(file.fileno()).st_size - LAST_BYTES)
            data = os.pread(file.fileno(), LAST_BYTES, begin)
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
        self._top = str((store.folder or Path.cwd()) / "logs")
        self._folder = f"{run.workflow}/{run.id}"
        self._free: list[str] = []
        self._count = 0
        try:
            with store.inside("logs", run.workflow, run.id, make=True) as at:
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

    def _new(self) -> str:
        self._count += 1
        return str(self._count)

    def _unusable(self, error: OSError) -> StoreError:
        words = [f"{self._top}/{self._folder}", error.strerror or str(error)]
        if error.filename:
            words.insert(1, os.path.basename(error.filename))
        return StoreError(f"the logs of the run cannot be written: {': '.join(words)}")


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
            with _opened(self._store, f"{self._folder}/begun") as file:
                file.seek(self._read)
                data = file.read()
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
            with _opened(self._store, log.path) as file:
                changed = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
        except OSError:
            return 0.0
        return max(0.0, (changed - self._found[task, attempt].started).total_seconds())

    def log(self, task: str, attempt: int) -> kinds.Log | None:
        """Return the log of an attempt as long as it is now; None if it has not begun."""
        begun = self._found.get((task, attempt)) or self.now().get((task, attempt))
        if begun is None:
            return None
        if begun.log.length is not None:
            return begun.log
        size = size_of(self._store, begun.log.path)
        # Asked only now: what another attempt has printed there was noted before it was printed.
        log = self.now()[task, attempt].log
        return log if log.length is not None else replace(log, length=max(0, size - log.offset))
