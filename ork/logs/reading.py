"""What attempts printed: which logs there are, their pieces, their ends, and how they grow.

A log may be larger than memory, may be growing while it is read, and may not be there: its attempt
has not begun, or somebody tidied up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import datetime
from itertools import chain

from ork.errors import NotFound
from ork.logs.begun import Beginnings
from ork.logs.bytes import Bytes, Files, is_there, opened, unreadable
from ork.logs.drawn import LastStates, last_part, undrawn
from ork.objects import kinds
from ork.objects.kinds import Run, TaskRun
from ork.objects.value import Value
from ork.store.contents import run_and_tasks, task_runs
from ork.store.resolve import number_ref
from ork.store.revision import as_word
from ork.store.store import Store
from ork.store.verdict import taint_text

PIECE_BYTES = 1 << 16
ANSWER = "ORK_OUTPUT:"  # what a command gives as its output follows, to the end of the line
LAST_BYTES = 4096  # of a log, in which its last line is looked for
BARS_BYTES = 1 << 15  # where there are progress bars below each other
_MARKS = re.compile(r"[\W_]*(?:error here)?[\W_]*")  # no words but those of sqlite3
NOT_EXECUTED = ("skipped", "upstream_failed", "cancelled")


class Log(Value, frozen=True, kw_only=True):
    """The log of one attempt; `log` is where it lies, as long as it is now.

    `tainted` are the captured files that changed under the attempt. `error` says why a part of what
    it printed could not be written, `reason` why the task failed where it has printed nothing. With
    the number 0 there was no attempt at all.
    """

    run: str
    task: str
    attempt: int
    log: kinds.Log | None
    tainted: tuple[str, ...] = ()
    error: str | None = None
    reason: str | None = None


def logs(
    store: Store,
    text: str,
    *,
    now: datetime,
    failed: bool = False,
    attempt: int | None = None,
    every: bool = False,
) -> list[Log]:
    """Return the logs of RUN or RUN:TASK, which may be a pattern, as tasks began, or `failed`.

    Of each task that of its last attempt or of a certain one, or with `every` those of all.
    Without either there is one, too, for each task that failed before an attempt began, and for a
    task that alone is named and was not executed.
    """
    run, tasks = run_and_tasks(store, text, now=now)
    task = tasks[0] if len(tasks) == 1 else None
    states = task_runs(store, run)
    beginnings = Beginnings(store, run)
    found = []
    for one, taskrun in states.items():
        if (tasks and one not in tasks) or (failed and taskrun.state != "failed"):
            continue
        attempts = [a for a in taskrun.attempts if attempt in (None, a.number)]
        number = len(taskrun.attempts) + 1
        unbegun = taskrun.state == "failed" and taskrun.last is None
        if unbegun and attempt is None and not every:
            attempts = []  # an old log says nothing of why it failed
        for a in attempts if every else attempts[-1:]:
            silent = a.state == "failed" and not (a.log and a.log.length)
            reason = (a.error or a.state).partition("\n")[0] if silent else None
            found.append(
                (a.ended if failed else a.started, one, a.number, a.log, a.tainted, reason)
            )
        if (
            not attempts
            and taskrun.state in ("running", "interrupted")
            and attempt in (None, number)
        ):
            found.append((now, one, number, beginnings.log(one, number), (), None))
        executed = taskrun.attempts or taskrun.state not in NOT_EXECUTED
        if (unbegun or (task and not executed)) and attempt is None and not every:
            found.append((now, one, 0, None, (), why_none(taskrun)))
    if attempt is not None and not found:
        raise NotFound(f"{text} has no attempt {attempt}")
    if task and not found and not failed:
        waits = task not in states or states[task].state == "pending"
        reason = "it has not started" if waits else why_none(states[task])
        hint = (
            f"`ork logs -f {as_word(text)}` waits for it" if waits and run.ended is None else None
        )
        raise NotFound(f"{text} has no log: {reason}", hint=hint)
    name = run.name
    refuse_removed(store, run, [log for *_, log, _, _ in found])
    found.sort(key=lambda entry: entry[:3])
    cut = beginnings.cut()
    gone: dict[str, bool] = {}

    def missing(log: kinds.Log | None) -> str | None:
        """Say what is missing of a log that had something."""
        if log is None or not log.length:
            return None
        if log.path not in gone:
            gone[log.path] = not is_there(store, log)
        return f"logs/{log.path} is not there" if gone[log.path] else None

    return [
        Log(
            run=name,
            task=one,
            attempt=number,
            log=log,
            tainted=changed,
            error=cut.get((one, number)) or missing(log),
            reason=reason,
        )
        for _, one, number, log, changed, reason in found
    ]


def with_headings(
    store: Store, found: Iterable[Log], *, one: bool, tail: int | None = None
) -> Iterator[tuple[Log, str, Iterator[bytes]]]:
    """Yield each log with the line that it stands under, and its pieces.

    It is "" for the log of `one` task, and for one that is empty.
    """
    for log, data in with_pieces(store, found, tail=tail):
        begin = next(data, b"")
        taint = f", {taint_text(log.tainted)}" if log.tainted else ""
        shown = not one and log.attempt and (begin or taint)
        heading = f"==> {log.task} (attempt {log.attempt}){taint} <==" if shown else ""
        yield log, heading, chain([begin], data) if begin else data


def with_pieces(
    store: Store, found: Iterable[Log], *, tail: int | None = None
) -> Iterator[tuple[Log, Iterator[bytes]]]:
    """Yield each of some logs of a run with its pieces, as `pieces` does."""
    with closing(Files(store)) as files:
        for log in found:
            yield log, pieces(store, log.log, tail=tail, files=files)


def why_none(taskrun: TaskRun) -> str:
    """Return why a task that has ended has no log."""
    if taskrun.state not in ("skipped", "upstream_failed"):
        return taskrun.reason or taskrun.state
    how = "kept" if taskrun.is_kept else "left out"
    how = "skipped" if taskrun.state == "upstream_failed" or taskrun.is_unmet else how
    return f"{how}: {taskrun.reason}" if taskrun.reason else how


def name_of_logs(run: Run) -> str:
    """Return what an operation calls the logs of a run that it tells to be gone."""
    return f"logs/{run.workflow}/{run.number:010d}"


def refuse_removed(store: Store, run: Run, logs: Iterable[kinds.Log | None]) -> None:
    """Raise NotFound when none of what these logs of a run had is there, and say why if known."""
    named = [log for log in logs if log is not None and log.length != 0]
    if not named or any(is_there(store, log) for log in named):
        return
    from ork.store.operations import removed_in_words  # which reads the log of operations

    for name in (name_of_logs(run), number_ref(run.workflow, run.number)):
        if removed := removed_in_words(store, name):
            raise NotFound(f"the logs of {run.name} were {removed}")
    if all(log.length for log in named):  # else a task has perhaps not printed anything yet
        raise NotFound(f"the logs of {run.name} are gone: logs/{named[0].path} is not there")


def pieces(
    store: Store, log: kinds.Log | None, *, tail: int | None = None, files: Files | None = None
) -> Iterator[bytes]:
    """Yield what a log holds now, piece by piece; with `tail` only its last lines.

    Of `files`, which others may read as well, it is one.
    """
    growing = Growing(store, lambda: log, tail=tail, files=files)
    while piece := growing.read():
        yield piece
    growing.close()


class Growing:
    """A log that is read while it is written; it may come into being later."""

    def __init__(
        self,
        store: Store,
        now: Callable[[], kinds.Log | None],
        *,
        tail: int | None = None,
        skip: int = 0,
        files: Files | None = None,
    ) -> None:
        """`now` returns the log as long as it is at that moment; `skip` bytes of it are known."""
        self._now, self._tail, self._skip = now, tail, skip
        self._files, self._is_own = files or Files(store), files is None
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
        if self._is_own:
            self._files.close()
        self._file, self._now = None, lambda: None

    def _open(self, log: kinds.Log) -> bool:
        try:
            self._file = self._files.at(log.path, log.offset)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise unreadable(log.path, error) from None
        self._at = log.offset + self._skip
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

    Of progress bars below each other it is the one that was drawn last. What a task answers is no
    such line.
    """
    return next(_from_end(store, log), "")


def last_words(store: Store, log: kinds.Log) -> str:
    """Return the last line that says something in words, without what is for terminals.

    No such line is one of marks, such as a caret, nor what stands above a caret, which it marks.
    """
    lines = map(undrawn, _from_end(store, log))
    for line in lines:
        if not _MARKS.fullmatch(line):
            return line
        if "^" in line:
            next(lines, None)
    return ""


def _from_end(store: Store, log: kinds.Log) -> Iterator[str]:
    """Yield the lines at the end of a log that show something, the last one first."""
    try:
        with opened(store, log.path, offset=log.offset) as file:
            end = file.size() if log.length is None else log.offset + log.length
            start = max(log.offset, end - LAST_BYTES)
            data = file.read(end - start, start)
            if b"\x1b[A" in data:  # the bar above is drawn less often
                start = max(log.offset, end - BARS_BYTES)
                data = file.read(end - start, start)
    except OSError:
        return
    text = re.sub(f"{ANSWER}.*", "", data.decode("utf-8", "replace"))
    states = LastStates(waits=True)
    lines = reversed(states.add(text.encode()).decode().split("\n"))
    yield from filter(None, (states.open_line, *map(last_part, lines)))
