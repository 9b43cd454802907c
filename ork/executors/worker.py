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
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from ork.executors.attempt import Attempt
from ork.executors.base import OUTPUT_BYTES_MAX, TOO_LARGE, Job, Outcome
from ork.executors.child import Child, end_of, environment_of
from ork.executors.logfile import READ_BYTES
from ork.objects.canonical import Json, parse

FRAME_BYTES_MAX = OUTPUT_BYTES_MAX + 1024 * 1024
# Read once by every program when it starts: by Python, by the loader, by libraries.
READ_AT_START = ("PYTHON", "LD_", "DYLD_", "LANG", "LC_", "OMP_", "MKL_", "OPENBLAS_", "CUDA_")
RETURNED = ": the function had returned, its threads had not ended"
FAILED = ": the function had failed ({}), its threads had not ended"
Answer: TypeAlias = dict[str, Json]
TRACE = (b"Thread 0x", b"Current thread 0x")  # how what faulthandler tells begins
TRACE_BYTES_MAX = 64 * 1024
WORKER = str(Path(__file__).parent.parent / "worker" / "main.py")
OURS = WORKER.removesuffix("main.py")


class Worker(Child):
    """A warm process, our end of its socket, and what it knows from the job before."""

    def __init__(self, job: Job, kind: tuple[object, ...], mark: str) -> None:
        self.socket, theirs = socket.socketpair()
        # Nobody writes to this pipe: when its only writer is gone, ork has died.
        lifeline, self._lifeline = -1, -1
        try:
            lifeline, self._lifeline = os.pipe()
            super().__init__(
                [job.python, WORKER, str(theirs.fileno()), str(lifeline)],
                environment=environment_of(job),
                cwd=job.root,
                mark=mark,
                pass_fds=(theirs.fileno(), lifeline),
            )
        except OSError as error:
            self._hang_up()
            if error.filename == job.root:
                raise
            message = f"the Python interpreter {job.python} does not start: {error.strerror}"
            raise OSError(error.errno, message) from None
        except BaseException:
            self._hang_up()
            raise
        finally:
            theirs.close()
            if lifeline >= 0:
                os.close(lifeline)
        self.socket.setblocking(False)
        self.kind = kind
        self.received = bytearray()
        self.unsent = memoryview(b"")
        self.silent = False  # it has closed its end of the socket
        self._answer: Answer | None = None  # of one that is ending
        self._base = dict(job.base)
        self._environment: Mapping[str, str | None] = {}
        self._code: tuple[object, ...] | None = None
        self._task: tuple[Json, ...] | None = None

    def tell(self, job: Job) -> None:
        """Begin to send a job; raise OSError if nobody is there to read it."""
        self.unsent = memoryview(self._frame(job))
        self.send()

    def send(self) -> None:
        """Send as much as the worker takes at once."""
        unsent, self.unsent = self.unsent, memoryview(b"")
        try:
            sent = self.socket.send(unsent)
        except BlockingIOError:
            sent = 0
        self.unsent = unsent[sent:]

    def read(self) -> Answer | None:
        """Take what has come; return the answer to the job once it is whole."""
        while not self.silent:
            try:
                data = self.socket.recv(READ_BYTES)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            self.silent = not data
            self.received += data
            if self.received.startswith(TRACE):  # it is ending, and says where it was
                del self.received[TRACE_BYTES_MAX:]
            elif self._answer is not None:
                self.received.clear()  # it has answered
            elif len(self.received) > FRAME_BYTES_MAX:
                return {"error": f"output: {TOO_LARGE}", "then": "kill"}
            elif data.endswith(b"\n"):
                line, self.received = self.received, bytearray()
                return _answer(line)
        return None

    def ending(self, attempt: Attempt, answer: Answer) -> None:
        """Note the answer of a worker that ends with its attempt."""
        self._answer = answer
        error = answer.get("error")
        attempt.late = FAILED.format(str(error).partition("\n")[0]) if error else RETURNED

    def outcome(self, attempt: Attempt, status: int) -> Outcome:
        """Return the outcome of an attempt that ended with the worker."""
        answer = self._answer
        where = "" if attempt.state == "cancelled" else _where(bytes(self.received))
        if attempt.state is not None:
            attempt.error = f"{attempt.error}{where}"
        if answer is not None and (status == 0 or "error" in answer):
            return outcome_of(attempt, answer)
        words, exit = end_of(status), status if status > 0 else None
        if answer is not None:
            words += ", after the function had returned"
        elif status >= 0:
            words, exit = f"{words} before answering", status
        number = -status if status < 0 else None
        return attempt.outcome("failed", words + where, exit=exit, signal=number)

    def files(self) -> list[int]:
        """Return the descriptors on which something is waited for."""
        return [self.socket.fileno(), *super().files()]

    def close(self) -> None:
        """Give all descriptors back; a process that still lives is killed by the kernel."""
        super().close()
        self._hang_up()

    def _hang_up(self) -> None:
        self.socket.close()
        if self._lifeline >= 0:
            os.close(self._lifeline)

    def _frame(self, job: Job) -> bytes:
        """Return the job as one line of JSON, without what the worker has from the job before."""
        code = (job.root, job.files, job.project, job.data)
        task = (job.executor, job.file, job.module, job.function, job.input_type)
        frame = {"inputs": job.inputs, **self._changes(job)}
        if task != self._task:
            self._task = frame["task"] = task
        if code != self._code:
            self._code = frame["code"] = code
        if job.fresh:
            frame["fresh"] = True
        return json.dumps(frame).encode() + b"\n"

    def _changes(self, job: Job) -> dict[str, object]:
        """Return the variables that differ from those of the job before, if there was one."""
        own, before = job.environment, self._environment
        names = {name for name, _ in own.items() ^ before.items()}
        if not self._task:
            names |= self._base.keys()
        known = self._base if self._task else {}
        old = {name: before.get(name, known.get(name)) for name in names}
        new = {name: own.get(name, self._base.get(name)) for name in names}
        self._environment = own
        return {
            "set": {name: text for name, text in new.items() if text not in (None, old[name])},
            "unset": [name for name in names if new[name] is None and old[name] is not None],
        }


def kind_of(job: Job) -> tuple[object, ...]:
    """Return what all jobs of one worker have in common."""
    own = sorted(item for item in job.environment.items() if item[0].startswith(READ_AT_START))
    return job.python, job.root, job.base, own


def outcome_of(attempt: Attempt, answer: Answer) -> Outcome:
    """Return the outcome of an attempt as the worker has told it."""
    if "error" not in answer:
        return attempt.outcome("success", output=answer.get("output"))
    exit = answer.get("exit")
    return attempt.outcome(
        "failed", str(answer["error"]), exit=exit if isinstance(exit, int) else None
    )


def _where(told: bytes) -> str:
    """Return where the threads of a task were when it was asked to end, without our own frames."""
    threads = []
    for part in told.decode("utf-8", "backslashreplace").split("\n\n"):
        frames = [line for line in part.splitlines() if line.startswith("  File ")]
        if own := [frame for frame in frames if f'"{OURS}' not in frame]:
            threads.append("\n".join(own))
    shown = "a thread was here" if len(threads) > 1 else "it was here"
    return "".join(f"\n\n{shown} (most recent call first):\n{frames}" for frames in threads)


def _answer(line: bytearray) -> Answer:
    try:
        answer = parse(line)
    except (ValueError, RecursionError):
        answer = None
    if isinstance(answer, dict) and "then" in answer:
        return answer
    # The task has written to descriptors that it did not open.
    return {"error": "the task wrote into the channel of its worker", "then": "kill"}
