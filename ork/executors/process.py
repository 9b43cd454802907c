"""Process tasks: a shell line, a list of words or a file; any program, one session each.

What is executed is what the workflow says, word for word, in the folder of the place. The program
gets its inputs as JSON in ORK_INPUT_JSON, or, when they are too large for an environment, in the
file named by ORK_INPUT_FILE; each that is a text, a number or a boolean also as ORK_IN_NAME. Its
output is what it wrote to the file named by ORK_OUTPUT_FILE, else the last answer that it printed
behind ORK_OUTPUT:, else nothing. It ends when its first process ends: what it left running in the
background is then killed.
"""

from __future__ import annotations

import errno
import json
import os
import selectors
import threading
from functools import partial
from queue import SimpleQueue

from ork.definition.bindings import INPUT_PREFIX, as_variable
from ork.definition.fields import is_variable, shell_of
from ork.errors import InvalidInput
from ork.executors.attempt import Attempt
from ork.executors.base import Job, Outcome
from ork.executors.logfile import ANSWER_BYTES_MAX, pipe, read
from ork.executors.process_tree import Tree
from ork.executors.supervisor import Supervisor, end_of
from ork.files import NotRegular, open_file
from ork.objects.canonical import Json, encode

INPUT_BYTES_MAX = 100_000  # in the environment; Linux allows 128 KiB for one variable
OUTPUT_BYTES_MAX = ANSWER_BYTES_MAX
SHOWN_CHARACTERS = 200
FIRST_LINE_BYTES = 256  # as much of it as Linux reads
STARTERS_MAX = 4  # threads; more of them only wait for each other
MASKED_BYTES = 64 * 1024  # taken of what is no JSON; more than is shown, so that it masks whole
HINTS = {126: "a file is not executable: `chmod +x` it", 127: "command not found"}


class Process(Supervisor):
    """Run each job as an operating system process of its own."""

    def __init__(self, slots: int) -> None:
        super().__init__(slots)
        self._printed: dict[Attempt, int] = {}  # the pipes of those that may still print
        self._to_start: SimpleQueue[Attempt | None] = SimpleQueue()
        self._starters: list[threading.Thread] = []

    def _begin(self, attempt: Attempt) -> None:
        # Whoever starts a program waits until the kernel has loaded it. Done by our caller and by
        # the thread that watches, this makes a run of 1,000 small tasks a third longer.
        if len(self._starters) < min(self.slots, STARTERS_MAX):
            starter = threading.Thread(target=self._start_all, name="ork-starter", daemon=True)
            self._starters.append(starter)
            starter.start()
        self._to_start.put(attempt)

    def _start_all(self) -> None:
        """Start one program after the other."""
        while (attempt := self._to_start.get()) is not None:
            try:
                if attempt.state is None:
                    super()._begin(attempt)
                else:
                    self._finish(attempt, attempt.outcome("cancelled"))
            except BaseException:  # a defect of ours: nobody may wait for ever
                self._starters.remove(threading.current_thread())
                self._finish(attempt, attempt.outcome("failed", "cannot start: a defect of ork"))
                raise

    def _release(self) -> None:
        for _ in self._starters:
            self._to_start.put(None)
        for starter in self._starters:
            starter.join()

    def _start(self, attempt: Attempt) -> None:
        ours, theirs = pipe()
        try:
            tree = _tree(attempt.job, theirs, self._mark)
        except BaseException:
            os.close(ours)
            _clean(attempt.job)
            raise
        finally:
            os.close(theirs)
        self._printed[attempt] = ours
        self._selector.register(ours, selectors.EVENT_READ, partial(self._hear, attempt))
        with self._lock:  # from now on its end is noticed
            attempt.tree = tree
            self._follow(tree, partial(self._gone, attempt))

    def _hear(self, attempt: Attempt) -> int:
        """Move what was printed to the log; return how much that was."""
        printed = self._printed.get(attempt, -1)
        data = read(printed) if printed >= 0 else None
        if data:
            attempt.log.write(data)
        elif data is not None:
            self._unwatch(printed)
        return len(data or b"")

    def _ended(self, attempt: Attempt, status: int) -> Outcome:
        self._complete(attempt, partial(self._hear, attempt))
        printed = self._printed.pop(attempt)
        self._unwatch(printed)
        os.close(printed)
        try:
            if status < 0:
                return attempt.outcome("failed", end_of(status), signal=-status)
            if status > 0:
                hint = f" ({HINTS[status]})" if status in HINTS else ""
                return attempt.outcome("failed", end_of(status) + hint, exit=status)
            try:
                output = _output(attempt)
            except (OSError, ValueError, InvalidInput) as error:
                return attempt.outcome("failed", f"no valid output: {error}", exit=0)
            return attempt.outcome("success", output=output, exit=0)
        finally:
            _clean(attempt.job)


def _tree(job: Job, printed: int, mark: str) -> Tree:
    """Start the program of the job; raise OSError when that is impossible."""
    words = _words(job)
    environment = {**job.environment, **_inputs(job), "ORK_OUTPUT_FILE": _output_file(job)}
    text = json.dumps({} if job.inputs is None else job.inputs)
    if len(text) <= INPUT_BYTES_MAX:
        environment["ORK_INPUT_JSON"] = text
    else:
        environment["ORK_INPUT_FILE"] = _input_file(job)
        _write_private(_input_file(job), text.encode())
    try:
        return Tree(words, environment=environment, cwd=job.root, output=printed, mark=mark)
    except OSError as error:
        program = os.path.join(job.root, words[0])
        if reason := _cannot_start(error, program):
            raise OSError(error.errno, reason, job.file or words[0]) from None
        raise
    except ValueError as error:  # a NUL byte, which no program can be given
        raise OSError(errno.EINVAL, str(error)) from None


def _words(job: Job) -> list[str]:
    """Return what to execute; raise OSError when that is clearly impossible."""
    if job.command is None:
        path = f"{job.root}/{job.file}"
        if os.path.exists(path) and not os.access(path, os.X_OK):
            reason = f"not executable; run `chmod +x {job.file}`"
            raise PermissionError(errno.EACCES, reason, job.file)
        return [path]
    if isinstance(job.command, str):
        return [*(job.shell or shell_of(job.command)), job.command]
    return list(job.command)


def _inputs(job: Job) -> dict[str, str]:
    """Return the inputs that a variable can hold."""
    found = {}
    for name, value in (job.inputs if isinstance(job.inputs, dict) else {}).items():
        if is_variable(name) and not isinstance(value, list | dict):
            text = as_variable(value)
            if text is not None and len(text) <= INPUT_BYTES_MAX and "\0" not in text:
                found[INPUT_PREFIX + name] = text
    return found


def _cannot_start(error: OSError, program: str) -> str | None:
    """Say why a program that is there cannot be started, or None."""
    if error.errno == errno.ENOEXEC:
        return "not a program; its first line must be like `#!/bin/sh`"
    if error.errno == errno.E2BIG:
        return "its inputs and environment are more than the system lets a program be given"
    try:
        with open_file(program, follow=True) as file:
            first = file.readline(FIRST_LINE_BYTES).rstrip(b"\n")
    except OSError:
        return None
    if error.errno != errno.ENOENT or not first.startswith(b"#!"):
        return None
    if first.endswith(b"\r"):
        return "its first line ends with a carriage return: save it with Unix line ends"
    return f"its first line names a program that is not there: {first.decode(errors='replace')}"


def _output_file(job: Job) -> str:
    return f"{job.log}.output"


def _input_file(job: Job) -> str:
    return f"{job.log}.input"


def _write_private(path: str, data: bytes) -> None:
    with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(data)


def _clean(job: Job) -> None:
    for path in (_output_file(job), _input_file(job)):
        try:
            os.unlink(path)
        except OSError:  # most tasks need neither
            pass


def _output(attempt: Attempt) -> Json:
    """Return what the program answered; raise ValueError with what is wrong with it."""
    answer = attempt.log.answer
    text = _from_file(_output_file(attempt.job)) or (answer.text if answer else None)
    if text is None:
        return None
    if len(text) > OUTPUT_BYTES_MAX:
        raise ValueError(f"larger than {OUTPUT_BYTES_MAX >> 20} MiB; write a file, return its path")
    try:
        value: Json = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        shown = attempt.masked(text[:MASKED_BYTES].decode("utf-8", "backslashreplace"))
        shown = shown[:SHOWN_CHARACTERS]
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise ValueError(f"not JSON: {shown!r} ({reason})") from None
    encode(value)
    return value


def _from_file(path: str) -> bytes | None:
    """Return at most one byte more than the limit of the file, or None when it says nothing."""
    try:
        with open_file(path, follow=True) as file:
            return file.read(OUTPUT_BYTES_MAX + 1).strip() or None
    except FileNotFoundError:
        return None
    except NotRegular as error:
        raise ValueError(f"$ORK_OUTPUT_FILE: {error.strerror}") from None
