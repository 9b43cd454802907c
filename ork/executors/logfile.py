"""The log of an attempt: what it prints comes through a pipe, is masked, and is kept head and tail.

Printing goes through ork, so that no secret reaches the disk and no task fills it. The head of a
log is on disk as soon as it was printed. Of what follows only the newest part is kept, in memory,
and written when the attempt ends, after a line that says how much is missing between the two.
"""

from __future__ import annotations

import json
import os

from ork.executors.base import OUTPUT_BYTES_MAX
from ork.files import open_append, open_folder
from ork.mask import Masker

HEAD_BYTES_MAX = 60 * 1024 * 1024
TAIL_BYTES_MAX = 4 * 1024 * 1024  # twice this is in memory, if an attempt prints that much
LOG_BYTES_MAX = HEAD_BYTES_MAX + TAIL_BYTES_MAX  # without the line that tells what was dropped
READ_BYTES = 64 * 1024  # as much as a pipe holds; for more, each read needs fresh memory
REST_BYTES_MAX = 1024 * 1024  # as much as a pipe can hold
MARK = b"ORK_OUTPUT:"


class Log:
    """The log of one attempt, while it is written: appended to a file that others have used.

    `answer` is what was printed behind the last ORK_OUTPUT:, not masked, and whole even where the
    log drops a part of it. Below the folder `top`, if one is given, no link is followed.
    """

    def __init__(
        self,
        path: str,
        masker: Masker | None = None,
        *,
        top: str | None = None,
        answers: bool = False,
    ) -> None:
        self.written = 0  # bytes that are in the file
        self.error: str | None = None  # why not all could be written that should be in the file
        self._folder, self._name = os.path.split(path)
        self._top = top or self._folder
        self._masker = masker
        self._descriptor = -1  # opened when something is printed
        self._room = HEAD_BYTES_MAX  # what the head can still take
        self._last = b"\n"  # the end of the head
        self._full = False  # the head; what comes now belongs to the tail
        self._tail = bytearray()
        self._dropped = 0  # between the two
        self.answer = Answer() if answers else None

    def write(self, data: bytes) -> None:
        """Take what was printed. What a full disk does not take waits as the tail does."""
        if self.answer is not None:
            self.answer.feed(data)
        self._keep(data if self._masker is None else self._masker.feed(data))

    def close(self) -> None:
        """Write what is still to be written. Idempotent."""
        if self._masker is not None:
            self._keep(self._masker.flush())
        if self._full:
            error, self.error = self.error, None  # perhaps there is room by now
            self._append(self._end())
            if self._dropped:
                self.error = self.error or error
            self._full = False
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _keep(self, data: bytes) -> None:
        if not self._full:
            if 2 * len(data) <= self._room:  # else this is where the head ends
                self._append(data)
                return
            end = self._end_of_head(data)
            self._append(data[:end])
            self._full = True
            data = data[end:]
        self._tail += data
        surplus = len(self._tail) - TAIL_BYTES_MAX - self._room
        if surplus > TAIL_BYTES_MAX:  # not for each piece, since the rest is moved
            self._dropped += surplus
            del self._tail[:surplus]

    def _end_of_head(self, data: bytes) -> int:
        """Return how much of the data is still head: whole lines, unless they are endless."""
        end = data.rfind(b"\n", 0, self._room) + 1
        if end == 0 and (self._last != b"\n" or b"\n" not in data):
            return self._room
        return end

    def _end(self) -> bytes:
        """Return what follows the head."""
        tail, self._tail = bytes(self._tail), bytearray()
        surplus = max(0, len(tail) - TAIL_BYTES_MAX - self._room)
        if not surplus and not self._dropped:
            return tail
        begin = tail.find(b"\n", surplus, surplus + TAIL_BYTES_MAX // 16) + 1 or surplus
        self._dropped += begin
        new_line = b"" if self._last == b"\n" else b"\n"
        told = b"[ork: %d bytes of this log were dropped here]\n" % self._dropped
        return new_line + told + tail[begin:]

    def _append(self, data: bytes) -> None:
        if not data:
            return
        self._room -= len(data)
        self._last = data[-1:]
        view = memoryview(data)
        try:
            if self._descriptor < 0:
                parts = os.path.relpath(self._folder, self._top).split("/")
                with open_folder(self._top, parts) as at:
                    self._descriptor = open_append(self._name, at=at)
            while view:
                count = os.write(self._descriptor, view)
                self.written += count
                view = view[count:]
        except OSError as error:
            self.error = error.strerror or str(error)
            self._full = True
            self._room, self._last = 0, b""
            self._tail += view


class Answer:
    """Catches the last answer in a stream that comes in pieces: what follows ORK_OUTPUT: in a line.

    A line that begins so always answers, right or wrong. Behind something else, such as a text that
    was printed without its newline, only valid JSON up to the end of the line is an answer.
    """

    def __init__(self) -> None:
        self._answer: bytes | None = None
        self._before = b"\n"  # the end of what came: a mark may be in two pieces
        self._open = False  # the line has a mark, and goes on in the next piece
        self._begins = False  # with that mark
        self._pieces: list[bytes] = []
        self._size = 0

    @property
    def text(self) -> bytes | None:
        """The answer, None without one; one byte above the limit, it is cut."""
        if self._open:
            self._take()
        return self._answer

    def feed(self, data: bytes) -> None:
        """Take the next piece."""
        at = len(self._before) if self._open else 0
        data = self._before + data
        while self._open or (mark := data.find(MARK, at)) >= 0:
            if not self._open:
                at = mark + len(MARK)
                self._open, self._begins = True, data[mark - 1 : mark] == b"\n"
            end = data.find(b"\n", at)
            self._add(data[at:] if end < 0 else data[at:end])
            if end < 0:
                break
            self._take()
            at = end
        self._before = data[-len(MARK) :]

    def _add(self, data: bytes) -> None:
        room = OUTPUT_BYTES_MAX + 1 - self._size
        self._pieces.append(data[:room])
        self._size += len(self._pieces[-1])

    def _take(self) -> None:
        """Take the line with a mark as the answer, if it is one."""
        text = b"".join(self._pieces)
        self._open, self._pieces, self._size = False, [], 0
        valid = (part for part in (text, text.rpartition(MARK)[2]) if _is_answer(part))
        answer = next(valid, text if self._begins else None)
        if answer is not None:
            self._answer = answer.strip()


def _is_answer(text: bytes) -> bool:
    """Say whether this is JSON, or so large that whoever reads the answer complains of that."""
    try:
        json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError):
        return len(text) > OUTPUT_BYTES_MAX
    return True


def pipe() -> tuple[int, int]:
    """Return a pipe whose reading end never waits."""
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    return ours, theirs


def read(descriptor: int) -> bytes | None:
    """Return what is in a pipe, at most READ_BYTES; b"" at its end, None when nothing is there."""
    try:
        return os.read(descriptor, READ_BYTES)
    except BlockingIOError:
        return None
