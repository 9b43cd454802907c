"""The one thread that makes outcomes durable, so that tasks run on while the disk is waited for.

One batch is written at a time; what comes meanwhile is the next batch. So the slower the disk, the
more outcomes one flush serves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from typing import Any

from ork.failpoints import failpoint
from ork.objects.canonical import Oid
from ork.objects.kinds import TaskRun
from ork.runner.record import Record


@dataclass(frozen=True, slots=True)
class Saved:
    """A batch is durable, or could not be made so."""

    error: Exception | None


class Writer:
    """Writes batches to the record of a run; puts a Saved into the inbox after each."""

    def __init__(self, record: Record, inbox: SimpleQueue[Any]) -> None:
        self.busy = False
        self._record = record
        self._inbox = inbox
        self._work: SimpleQueue[tuple[dict[str, TaskRun], Mapping[Oid, bytes]] | None]
        self._work = SimpleQueue()
        self._thread: Thread | None = None

    def write(self, changed: dict[str, TaskRun], objects: Mapping[Oid, bytes]) -> None:
        """Begin to make the state of some tasks durable; not to be called while busy."""
        if self._thread is None:
            self._thread = Thread(target=self._loop, name="ork-writer", daemon=True)
            self._thread.start()
        self.busy = True
        self._work.put((changed, objects))

    def close(self) -> None:
        """Wait for the batch that is being written, and end the thread. Idempotent."""
        if self._thread is not None:
            self._work.put(None)
            self._thread.join()
            self._thread = None

    def _loop(self) -> None:
        while (batch := self._work.get()) is not None:
            try:
                failpoint("save.before")
                self._record.save(*batch)
                failpoint("save.after")
                self._inbox.put(Saved(None))
            except Exception as error:  # the loop raises it in its own thread
                self._inbox.put(Saved(error))
