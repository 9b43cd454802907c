"""Which attempts have begun: a file of a run with a line for each that is about to start.

So it is known of each that it has begun, and where its log begins. Another line tells of an attempt
whose log could not be written to its end. The file is as young as the last sign of its owner.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from ork.logs.bytes import opened, size_of
from ork.objects import kinds
from ork.objects.kinds import Run
from ork.objects.value import Value, replace
from ork.store.store import Store

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BEGUN = rb"(\d{1,16}) (\d{1,9}) (\d{1,15}) (\d{1,9}) ([\w.-]+)\n"
_CUT = rb"(?m)^cut (\d{1,9}) ([\w.-]+) (.{1,200})\n"


class Begun(Value, frozen=True, kw_only=True):
    """That an attempt has begun; the length of its log is None until another follows it there."""

    started: datetime
    log: kinds.Log


def seconds_so_far(store: Store, run: Run, until: datetime) -> float:
    """Return how long a run has gone on until a moment, all attempts at it together.

    When the first one began is recorded; of another it is known when its first task did.
    """
    before, began = 0.0, run.created
    if run.previous is not None:
        last = store.get(Run, run.previous)
        begun = (one.started for one in Beginnings(store, run).now().values())
        before = last.seconds or 0.0
        began = min((one for one in begun if not last.ended or one >= last.ended), default=until)
    return before + max(0.0, (until - began).total_seconds())


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
            with opened(self._store, f"{self._folder}/begun", offset=self._read) as file:
                data = file.read(file.size() - self._read, self._read)
        except OSError:
            data = b""
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        for micros, slot, offset, attempt, task in re.findall(_BEGUN, whole):
            key = task.decode(), int(attempt)
            log = kinds.Log(path=f"{self._folder}/{int(slot)}.log", offset=int(offset))
            if before := self._last.get(log.path):
                begun = self._found[before]
                ended = replace(begun.log, length=max(0, log.offset - begun.log.offset))
                self._found[before] = replace(begun, log=ended)
            self._last[log.path] = key
            started = EPOCH + timedelta(microseconds=int(micros))
            self._found[key] = Begun(started=started, log=log)
        for attempt, task, why in re.findall(_CUT, whole):
            self._cut[task.decode(), int(attempt)] = why.decode("utf-8", "replace")
        return self._found

    def lasted(self, task: str, attempt: int, until: datetime) -> float:
        """Return the seconds from the begin of an attempt to the last sign of life.

        That is when it printed, or when the owner of the run has shown that it lived; at a moment
        at the latest: the file of a copy is younger.
        """
        log = self.log(task, attempt)
        if log is None or self._found[task, attempt].log.length is not None:
            return 0.0  # another one has followed it
        started = self._found[task, attempt].started
        paths = [f"{self._folder}/begun", *([log.path] if log.length else [])]
        signs = [changed for path in paths if (changed := self._changed(path))]
        return max(0.0, (min(max(signs, default=started), until) - started).total_seconds())

    def _changed(self, path: str) -> datetime | None:
        try:
            with opened(self._store, path) as file:
                return file.changed()
        except OSError:
            return None

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
