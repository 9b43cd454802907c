"""Python and library tasks: warm workers, each a process that holds one task at a time.

A worker is started when a job finds none free, and serves further jobs of the same place under the
same interpreter; so what others have written is imported once per worker. It runs
`ork/worker/main.py`, which needs nothing of ork. Jobs and answers cross a socket as lines of JSON.
A worker in which something waits for the end of the process, or in which a task has failed, answers
and ends; the attempt ends with it. One that dies, is stopped, or leaves processes behind takes
nobody with it: it is killed with all it started, and the next job gets a new one.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from ork.executors.attempt import Attempt
from ork.executors.base import Job, Outcome
from ork.executors.logfile import READ_BYTES, pipe, read
from ork.executors.process_tree import Tree
from ork.executors.supervisor import Supervisor, end_of
from ork.objects.canonical import Json

OUTPUT_BYTES_MAX = 64 * 1024 * 1024
FRAME_BYTES_MAX = OUTPUT_BYTES_MAX + 1024 * 1024
TOO_LARGE = f"the output is larger than {OUTPUT_BYTES_MAX >> 20} MiB; write a file, return its path"
# Read once by every program when it starts: by Python, by the loader, by libraries.
READ_AT_START = ("PYTHON", "LD_", "DYLD_", "LANG", "LC_", "OMP_", "MKL_", "OPENBLAS_", "CUDA_")
RETURNED = ": the function had returned, its threads had not ended"
FAILED = ": the function had failed ({}), its threads had not ended"
WORKER = str(Path(__file__).parent.parent / "worker" / "main.py")


class _Worker:
    """A warm process, our end of its socket, and what it knows from the job before."""

    def __init__(self, job: Job, mark: str) -> None:
        ours, theirs = socket.socketpair()
        life_ours, life_theirs, print_ours, print_theirs = -1, -1, -1, -1
        try:
            print_ours, print_theirs = pipe()
            # Nobody writes to this pipe: when its only writer is gone, ork has died.
            life_theirs, life_ours = os.pipe()
            self.tree = Tree(
                [job.python, WORKER, str(theirs.fileno()), str(life_theirs)],
                environment=job.environment,
                cwd=job.root,
                output=print_theirs,
                pass_fds=(theirs.fileno(), life_theirs),
                mark=mark,
            )
        except BaseException:
            ours.close()
            _close(life_ours, print_ours)
            raise
        finally:
            theirs.close()
            _close(life_theirs, print_theirs)
        self.socket = ours
        self.lifeline = life_ours
        self.printed = print_ours
        self.dead = False
        self.kind = _kind(job)
        self.answer: dict[str, Json] | None = None  # of a worker that is ending
        self.environment: Mapping[str, str] = {}
        self.code: tuple[object, ...] | None = None
        self.task: tuple[Json, ...] | None = None
        self.received = bytearray()
        self.attempt: Attempt | None = None

    def close(self) -> None:
        """Give the descriptors back; a process that still lives is killed by the kernel."""
        self.socket.close()
        _close(self.lifeline, self.printed)


class Pool(Supervisor):
    """Run jobs in warm worker processes."""

    def __init__(self, slots: int) -> None:
        super().__init__(slots)
        self._idle: list[_Worker] = []
        self._workers: dict[_Worker, None] = {}

    def _start(self, attempt: Attempt) -> None:
        while True:
            worker = idle = self._take(attempt.job)
            if worker is None:
                worker = self._hire(attempt)
            else:
                with self._lock:
                    worker.attempt, attempt.tree = attempt, worker.tree
            try:
                worker.socket.sendall(_frame(attempt.job, worker))
                return
            except OSError:
                with self._lock:
                    known = worker in self._workers and not worker.dead
                    if idle is None or attempt.state is not None or not known:
                        return  # its end is noticed and told elsewhere
                    # It died while it was idle, which is nothing to this job.
                    worker.attempt = attempt.tree = None
                self._dismiss(worker)

    def _ended(self, attempt: Attempt, status: int) -> Outcome:
        answer = None
        for worker in list(self._workers):
            if worker.tree is attempt.tree:
                self._complete(attempt, partial(self._hear, worker))
                self._remove(worker)
                answer = worker.answer
        attempt.log.close()
        if answer is not None and (status == 0 or "error" in answer):
            return _outcome(attempt, answer)
        words, exit = end_of(status), status if status > 0 else None
        if answer is not None:
            words += ", after the function had returned"
        elif status >= 0:
            words, exit = f"{words} before answering", status
        return attempt.outcome("failed", words, exit=exit, signal=-status if status < 0 else None)

    def _release(self) -> None:
        for worker in list(self._workers):
            self._dismiss(worker)

    # Workers come,

    def _take(self, job: Job) -> _Worker | None:
        """Return a free worker for the job; else make room for a new one."""
        kind = _kind(job)
        with self._lock:
            for index in range(len(self._idle) - 1, -1, -1):
                if self._idle[index].kind == kind and not job.fresh:
                    return self._idle.pop(index)
            full = len(self._workers) >= self.slots
            surplus = self._idle[0] if full and self._idle else None
        if surplus is not None:
            self._dismiss(surplus)
        return None

    def _hire(self, attempt: Attempt) -> _Worker:
        python = attempt.job.python
        try:
            worker = _Worker(attempt.job, self._mark)
        except OSError as error:
            if error.filename == attempt.job.root:
                raise
            message = f"the Python interpreter {python} does not start: {error.strerror}"
            raise OSError(error.errno, message) from None
        with self._lock:
            self._workers[worker] = None
            worker.attempt = attempt  # it may end at once, and must not be taken for an idle one
        self._selector.register(worker.socket, selectors.EVENT_READ, partial(self._read, worker))
        self._selector.register(worker.printed, selectors.EVENT_READ, partial(self._hear, worker))
        attempt.tree = worker.tree
        self._follow(worker.tree, partial(self._left, worker))
        return worker

    # and go.

    def _left(self, worker: _Worker) -> None:
        """React to the end of a worker's process."""
        self._read(worker)  # it may have answered before it ended
        with self._lock:
            if worker not in self._workers:
                return
            attempt = worker.attempt
            worker.dead = True
        if attempt is None:
            self._remove(worker)
            worker.tree.kill_rest()
            self._drop(worker.tree)
        else:
            self._gone(attempt)

    def _dismiss(self, worker: _Worker) -> None:
        """Kill a worker and all it started."""
        self._remove(worker)
        worker.tree.kill()
        self._drop(worker.tree)

    def _remove(self, worker: _Worker) -> None:
        with self._lock:
            if worker not in self._workers:
                return
            del self._workers[worker]
            if worker in self._idle:
                self._idle.remove(worker)
            self._unwatch(worker.socket)
            self._unwatch(worker.printed)
            worker.close()

    # What they print,

    def _hear(self, worker: _Worker) -> int:
        """Move what a worker has printed to the log of its task; return how much that was."""
        with self._lock:
            if worker not in self._workers:  # its descriptor may be another's by now
                return 0
            attempt = worker.attempt
            if attempt is None and worker not in self._idle:
                return 0  # just taken: this belongs to the attempt that it is about to get
            data = read(worker.printed)
            if data == b"":
                self._unwatch(worker.printed)
        if not data:
            return 0
        if attempt is not None:
            attempt.log.write(data)
        return len(data)

    # and what they say.

    def _read(self, worker: _Worker) -> None:
        """Take what a worker has sent; a whole line is the answer to its job."""
        while worker in self._workers:
            try:
                data = worker.socket.recv(READ_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._hung_up(worker)
                return
            worker.received += data
            if worker.attempt is None:
                self._dismiss(worker)  # nobody asked
            elif worker.answer is not None:
                worker.received.clear()  # nor now
            elif len(worker.received) > FRAME_BYTES_MAX:
                self._answered(worker, {"error": TOO_LARGE, "then": "kill"})
            elif data.endswith(b"\n"):
                self._answered(worker, _answer(worker.received))
                return

    def _hung_up(self, worker: _Worker) -> None:
        # With a task in it, either the worker is ending, or the task has closed the socket; then
        # the end of the process will tell.
        self._unwatch(worker.socket)
        if worker.attempt is None:
            self._dismiss(worker)

    def _answered(self, worker: _Worker, answer: dict[str, Json]) -> None:
        attempt = worker.attempt
        if attempt is None or attempt not in self._running:
            return
        then = answer["then"]
        if then == "end":
            worker.answer = answer
            error = answer.get("error")
            attempt.late = FAILED.format(str(error).partition("\n")[0]) if error else RETURNED
            return
        keep = then == "wait" or (then == "look" and not worker.tree.left_over())
        self._complete(attempt, partial(self._hear, worker))
        with self._lock:
            keep = keep and attempt.state is None
            worker.attempt = attempt.tree = None
            worker.received.clear()
            if keep:
                self._idle.append(worker)
        if not keep:
            self._dismiss(worker)
        self._finish(attempt, _outcome(attempt, answer))


def _kind(job: Job) -> tuple[object, ...]:
    """Return what all jobs of one worker have in common."""
    environment = job.environment.items()
    read = sorted(item for item in environment if item[0].startswith(READ_AT_START))
    return job.python, job.root, read


def _outcome(attempt: Attempt, answer: dict[str, Json]) -> Outcome:
    if "error" not in answer:
        return attempt.outcome("success", output=answer.get("output"))
    exit = answer.get("exit")
    return attempt.outcome(
        "failed", str(answer["error"]), exit=exit if isinstance(exit, int) else None
    )


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        if descriptor >= 0:
            os.close(descriptor)


def _frame(job: Job, worker: _Worker) -> bytes:
    """Return the job as one line of JSON, without what the worker has from the job before.

    That saves a seventh of a run of 1,000 small tasks with 40 variables in their environment.
    """
    code = (job.root, job.files, job.project, job.data)
    task = (job.executor, job.file, job.module, job.function, job.input_type)
    environment, before = job.environment, worker.environment
    worker.environment = environment
    frame: dict[str, object] = {
        "inputs": job.inputs,
        "set": {key: value for key, value in environment.items() if before.get(key) != value},
        "unset": [key for key in before if key not in environment],
    }
    if task != worker.task:
        worker.task = frame["task"] = task
    if code != worker.code:
        worker.code = frame["code"] = code
    if job.fresh:
        frame["fresh"] = True
    return json.dumps(frame).encode() + b"\n"


def _answer(line: bytearray) -> dict[str, Json]:
    try:
        answer = json.loads(line.decode())
    except (ValueError, RecursionError):
        answer = None
    if isinstance(answer, dict) and "then" in answer:
        return answer
    # The task has written to descriptors that it did not open.
    return {"error": "the task wrote into the channel of its worker", "then": "kill"}
