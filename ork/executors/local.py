"""Tasks on this machine: each job goes to the runner of its kind, which is made when needed."""

from __future__ import annotations

import threading
from concurrent.futures import Future

from ork.executors.base import Executor
from ork.executors.job import Job, Outcome


class Local:
    """Run python and library jobs in warm workers, process jobs as processes."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._lock = threading.Lock()
        self._pool: Executor | None = None
        self._process: Executor | None = None
        self._closed = False

    def submit(self, job: Job) -> Future[Outcome]:
        """Start the job. A run with only process tasks starts no worker."""
        with self._lock:
            if self._closed:
                raise RuntimeError("the executor is closed")
            runner = self._process if job.executor == "process" else self._pool
            if runner is None:
                runner = self._open(job)
        return runner.submit(job)

    def stop(self, *, grace_s: float) -> None:
        """Ask every running job to end, kill it after the grace."""
        for runner in (self._pool, self._process):
            if runner is not None:
                runner.stop(grace_s=grace_s)

    def close(self) -> None:
        """Kill what still runs and leave no process behind. Idempotent."""
        with self._lock:
            self._closed = True
        for runner in (self._pool, self._process):
            if runner is not None:
                runner.close()

    def _open(self, job: Job) -> Executor:
        if job.executor == "process":
            from ork.executors.process import Process

            self._process = Process(self.slots)
            return self._process
        from ork.executors.pool import Pool

        self._pool = Pool(self.slots)
        return self._pool
