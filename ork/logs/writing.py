"""The logs of a run that goes on: slots to print to and, where a store is shared, its parts."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from sys import intern
from typing import NamedTuple

from ork import files
from ork.errors import StoreError
from ork.logs.bytes import PART_BYTES, TOGETHER_BYTES, is_log, offset_of, opened, written
from ork.objects import kinds
from ork.objects.canonical import Oid
from ork.objects.kinds import Run
from ork.objects.value import replace
from ork.store.contents import task_runs
from ork.store.store import Store

JOIN_PARTS = 16  # of one file: this many small ones are made few when the run ends


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
                if store.shared:
                    store.writing.setdefault(f"{self._folder}/begun", files.size("begun", at=at))
                self._at = os.dup(at)
        except OSError as error:
            raise self._unusable(error) from None
        if is_new and run.previous is not None:
            self._count = _slots_before(store, store.get(Run, run.previous))

    def take(self, task: str, attempt: int) -> tuple[str, kinds.Log]:
        """Give a slot to an attempt that begins now; return the file, and its log there."""
        slot = self._free.pop() if self._free else self._new()
        path = intern(f"{self._folder}/{slot}.log")  # which the records of many attempts name
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

    def show_life(self) -> None:
        """Leave a sign that the owner of the run lives: the time of the file `begun`."""
        with suppress(OSError):
            os.utime(self._begun)

    def close(self) -> None:
        """Let go of what is open. Idempotent."""
        if self._begun >= 0:
            os.close(self._begun)
            os.close(self._at)
            self._begun = -1
            if self.shipping is not None:
                self.shipping.close()
                written(self._store, self._folder)

    def _new(self) -> str:
        self._count += 1
        return str(self._count)

    def _unusable(self, error: OSError) -> StoreError:
        words = [f"{self._top}/{self._folder}", error.strerror or str(error)]
        if error.filename and error.filename not in words[0]:
            words.insert(1, os.path.basename(error.filename))
        return StoreError(
            f"the logs of the run cannot be written: {': '.join(words)}",
            hint="make room: `ork gc` says what the store can do without"
            if error.errno in (errno.ENOSPC, errno.EDQUOT)
            else f"{self._top} and what is in it must be writable by you",
        )


def _slots_before(store: Store, run: Run) -> int:
    """Return the greatest slot that attempts of a run have had."""
    attempts = (one for taskrun in task_runs(store, run).values() for one in taskrun.attempts)
    paths = (attempt.log.path for attempt in attempts if attempt.log)
    slots = (path.rpartition("/")[2].removesuffix(".log") for path in paths)
    return max((int(slot) for slot in slots if slot.isdecimal()), default=0)


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
