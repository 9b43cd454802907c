"""Tasks on this machine: each job goes to the executor of its kind, which is made when needed."""

from __future__ import annotations

import threading
from concurrent.futures import Future

from ork.executors.base import Executor, Job, Outcome


class Local:
    """Run python and library jobs in warm workers, process jobs as processes."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._lock = threading.Lock()
        self._executors: dict[str, Executor] = {}
        self._closed = False

    def submit(self, job: Job) -> Future[Outcome]:
        """Start the job. A run with only process tasks starts no worker."""
        kind = "process" if job.executor == "process" else "pool"
        with self._lock:
            if self._closed:
                raise RuntimeError("the executor is closed")
            if kind not in self._executors:
                self._executors[kind] = self._make(kind)
        return self._executors[kind].submit(job)

    def stop(self, *, grace_s: float) -> None:
        """Ask every running job to end, kill it after the grace."""
        for executor in list(self._executors.values()):
            executor.stop(grace_s=grace_s)

    def close(self) -> None:
        """Kill what still runs and leave no process behind. Idempotent."""
        with self._lock:
            self._closed = True
        for executor in self._executors.values():
            executor.close()

    def _make(self, kind: str) -> Executor:
        if kind == "process":
            from ork.executors.process import Process

            return Process(self.slots)
        from ork.executors.pool import Pool

        return Pool(self.slots)
