"""The logs of a run: plain files below `.ork/logs/`, one per attempt. Read in pieces, never whole.

A log may be larger than memory, may be growing while it is read, and may not be there: its attempt
has not begun, or somebody tidied up.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from ork.errors import NotFound
from ork.files import open_file, open_folder
from ork.objects.kinds import is_path
from ork.objects.value import Value
from ork.store.contents import run_and_task, task_runs
from ork.store.store import Store

PIECE_BYTES = 1 << 16
ANSWER = "ORK_OUTPUT:"  # what a command gives as its output follows, to the end of the line
_BLANK = re.compile(r"(?:\s|\x1b\[[0-9;]*m)*")  # shows nothing, though it may change the colour
NAME_BYTES_MAX = 255  # of one part of a path, on the usual file systems


class Log(Value, frozen=True, kw_only=True):
    """The log of one attempt; `path` is None where the store has no folder.

    `tainted` are the captured files that changed under the attempt.
    """

    run: str
    task: str
    attempt: int
    path: Path | None
    tainted: tuple[str, ...] = ()


def logs(
    store: Store, text: str, *, now: datetime, failed: bool = False, attempt: int | None = None
) -> list[Log]:
    """Return the logs of RUN or RUN:TASK, in the order in which the tasks started."""
    run, task = run_and_task(store, text, now=now)
    states = task_runs(store, run)
    found = []
    for one, taskrun in states.items():
        if (task and one != task) or (failed and taskrun.state != "failed"):
            continue
        attempts = [a for a in taskrun.attempts if attempt in (None, a.number)]
        number = attempts[-1].number if attempts else attempt or len(taskrun.attempts) + 1
        if attempts or (
            taskrun.state in ("running", "interrupted") and number == len(taskrun.attempts) + 1
        ):
            began = attempts[-1].started if attempts else now
            found.append((began, one, number, attempts[-1].tainted if attempts else ()))
    if attempt is not None and not found:
        raise NotFound(f"{text} has no attempt {attempt}")
    if task and not found and not failed:
        state = f"it is {states[task].state}" if task in states else "it has not started"
        raise NotFound(f"{text} has no log: {state}", hint=f"`ork logs -f {text}` waits for it")
    return [
        Log(
            run=f"{run.workflow}#{run.number}",
            task=one,
            attempt=number,
            path=path_of(store, f"{run.workflow}/{run.id}/{one}.{number}.log"),
            tainted=changed,
        )
        for _, one, number, changed in sorted(found)
    ]


def path_of(store: Store, log: str) -> Path | None:
    """Return where a log is, given its path below `logs/` as attempts and events name it.

    None without a folder, and for a path that leads elsewhere or nowhere: it is data of the store.
    """
    if store.folder is None or not is_path(log):
        return None
    if max(len(part.encode()) for part in log.split("/")) > NAME_BYTES_MAX:
        return None
    return store.folder / "logs" / log


def pieces(path: Path | None, *, tail: int | None = None) -> Iterator[bytes]:
    """Yield what a log holds now, piece by piece; with `tail` only its last lines."""
    growing = Growing(path, tail=tail)
    while piece := growing.read():
        yield piece
    growing.close()


class Growing:
    """A log that is read while it is written; it may come into being later."""

    def __init__(self, path: Path | None, *, tail: int | None = None) -> None:
        self._path, self._tail = path, tail
        self._file: BinaryIO | None = None

    def read(self) -> bytes:
        """Return the next piece of what is there; nothing when all of it was read."""
        if self._file is None and not self._open():
            return b""
        assert self._file is not None
        return os.read(self._file.fileno(), PIECE_BYTES)

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        if self._file is not None:
            self._file.close()
        self._file = self._path = None

    def _open(self) -> bool:
        if self._path is None:
            return False
        try:
            self._file = _opened(self._path)
        except FileNotFoundError:
            return False
        if self._tail is not None:
            file = self._file.fileno()
            os.lseek(file, tail_start(file, self._tail), os.SEEK_SET)
        return True


def _opened(path: Path) -> BinaryIO:
    """Open `logs/WORKFLOW/RUN/LOG`, of which only the part above `logs` may be a link."""
    with open_folder(path.parents[2], path.parts[-3:-1]) as at:
        return open_file(path.name, at=at)


def tail_start(file: int, lines: int) -> int:
    """Return where the last `lines` lines of a file begin; only these are read to find out."""
    end = os.fstat(file).st_size
    if lines == 0 or end == 0:
        return end
    wanted = lines + (os.pread(file, 1, end - 1) == b"\n")
    while end > 0:
        start = max(0, end - PIECE_BYTES)
        piece = os.pread(file, end - start, start)
        found = piece.count(b"\n")
        if found >= wanted:
            at = len(piece)
            for _ in range(wanted):
                at = piece.rindex(b"\n", 0, at)
            return start + at + 1
        wanted -= found
        end = start
    return 0


def last_line(path: Path | None) -> str:
    """Return the last line of a log that shows something, as far as its end has it.

    What a task answers is no such line.
    """
    if path is None:
        return ""
    try:
        with _opened(path) as file:
            size = os.fstat(file.fileno()).st_size
            data = os.pread(file.fileno(), 4096, max(0, size - 4096))
    except OSError:
        return ""
    lines = reversed(data.decode("utf-8", "replace").split("\n"))
    parts = (last_part(line.partition(ANSWER)[0]) for line in lines)
    return next(filter(None, parts), "")


def last_part(line: str) -> str:
    """Return what is left of a line that went back to its start, as progress bars do."""
    return next((part for part in reversed(line.split("\r")) if not _BLANK.fullmatch(part)), "")
