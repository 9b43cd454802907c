"""Process tasks: a shell line, a list of words or a file; any program, one session each.

What is executed is what the workflow says, word for word, in the folder of the place. The program
gets its inputs as JSON in ORK_INPUT_JSON, or, when they are too large for an environment, in the
file named by ORK_INPUT_FILE; each that is a text, a number or a boolean also as ORK_IN_NAME. A
command that names a variable which cannot hold its value does not start. The output of a program is
what it wrote to the file named by ORK_OUTPUT_FILE, else the last answer that it printed behind
ORK_OUTPUT:, else nothing. It ends when its first process ends: what it left running in the
background is then killed.
"""

from __future__ import annotations

import codecs
import errno
import json
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ork.definition.bindings import INPUT_PREFIX, as_variable
from ork.definition.fields import is_variable, shell_of
from ork.errors import InvalidInput
from ork.executors.attempt import Attempt
from ork.executors.base import OUTPUT_BYTES_MAX, TOO_LARGE, Job, Outcome
from ork.executors.child import Child, end_of, environment_of
from ork.files import NotRegular, open_file, remove
from ork.objects.canonical import Json, encode

INPUT_BYTES_MAX = 100_000  # in the environment; Linux allows 128 KiB for one variable
SHOWN_CHARACTERS = 200
FIRST_LINE_BYTES = 256  # as much of it as Linux reads
MASKED_BYTES = 64 * 1024  # taken of what is no JSON; more than is shown, so that it masks whole
HINTS = {126: "perhaps a file is not executable: `chmod +x` it", 127: "command not found"}
CRASHES = (signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGKILL, signal.SIGSEGV)
WINDOWS = "it has Windows line ends: `sed -i 's/\\r$//' {}` takes them out"
TOO_LARGE_TO_HOLD = "is too large for a variable: read it from $ORK_INPUT_FILE"
HAS_NUL = "has the character NUL, which no variable can hold: read it from $ORK_INPUT_JSON"
_VARIABLE = re.compile(r"\bORK_IN\w+", re.ASCII)
_WORD = re.compile(r"[\w./-]+")  # of a shell text; a path may be one


class Program(Child):
    """The process of one attempt."""

    def __init__(self, attempt: Attempt, mark: str) -> None:
        job = attempt.job
        words = _words(job)
        beside = f"{job.log}.{os.urandom(6).hex()}"  # the next attempt has the same log
        self._input, self._output = f"{beside}.input", f"{beside}.output"
        try:
            with _stdin(job.stdin) as stdin:
                super().__init__(
                    words,
                    environment=self._environment(job),
                    cwd=job.root,
                    mark=mark,
                    stdin=stdin,
                )
        except OSError as error:
            self._clean()
            if reason := _cannot_start(error, job.root, job.file or words[0]):
                raise OSError(error.errno, reason, job.file or words[0]) from None
            raise
        except BaseException:
            self._clean()
            raise

    def outcome(self, attempt: Attempt, status: int) -> Outcome:
        """Return the outcome of the attempt, whose process has ended."""
        try:
            if status < 0:
                return attempt.outcome("failed", end_of(status), signal=-status)
            if status > 0:
                why = HINTS.get(status)
                if status == 127:
                    why = _flaw_of_script(attempt.job) or why
                if status - 128 in CRASHES:
                    why = f"as a shell tells of a command that was {end_of(128 - status)}"
                told = f"{end_of(status)} ({why})" if why else end_of(status)
                return attempt.outcome("failed", told, exit=status)
            try:
                output = _answer(attempt, self._output)
            except InvalidInput as error:
                return attempt.outcome("failed", error.message, exit=0)
            except (OSError, ValueError) as error:
                return attempt.outcome("failed", f"output: {error}", exit=0)
            return attempt.outcome("success", output=output, exit=0)
        finally:
            self._clean()

    def _environment(self, job: Job) -> dict[bytes, bytes]:
        """Return the environment of the program, with its inputs; large ones are in a file."""
        environment = environment_of(job)
        environment |= _inputs(job)
        environment[b"ORK_OUTPUT_FILE"] = os.fsencode(self._output)
        text = json.dumps({} if job.inputs is None else job.inputs)
        if len(text) <= INPUT_BYTES_MAX:
            environment[b"ORK_INPUT_JSON"] = text.encode()
        else:
            if _expects(job, "ORK_INPUT_JSON"):
                raise ValueError(f"the whole of its inputs {TOO_LARGE_TO_HOLD}")
            environment[b"ORK_INPUT_FILE"] = os.fsencode(self._input)
            with open(
                os.open(self._input, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w"
            ) as file:
                file.write(text)
        return environment

    def _clean(self) -> None:
        for path in (self._input, self._output):
            with suppress(OSError):
                remove(path)


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


@contextmanager
def _stdin(text: str) -> Iterator[int]:
    """Give what a program reads a text from; a file, so that nobody waits for it to read."""
    if not text:
        yield subprocess.DEVNULL
        return
    from tempfile import TemporaryFile  # which tasks do without

    with TemporaryFile() as file:
        file.write(text.encode())
        file.seek(0)
        yield file.fileno()


def _inputs(job: Job) -> dict[bytes, bytes]:
    """Return the inputs that a variable can hold.

    Raise ValueError for one that none can hold though the command names its variable.
    """
    found = {}
    for name, value in (job.inputs if isinstance(job.inputs, dict) else {}).items():
        if not is_variable(name) or isinstance(value, list | dict):
            continue
        text = as_variable(value)
        if text is None:
            continue
        held = os.fsencode(text)
        if len(held) <= INPUT_BYTES_MAX and b"\0" not in held:
            found[os.fsencode(INPUT_PREFIX + name)] = held
        elif _expects(job, INPUT_PREFIX + name):
            why = TOO_LARGE_TO_HOLD if len(held) > INPUT_BYTES_MAX else HAS_NUL
            raise ValueError(f"input {name} {why}")
    return found


def _expects(job: Job, variable: str) -> bool:
    """Say whether a command names a variable, and not the file that has what it cannot hold."""
    words = (job.command,) if isinstance(job.command, str) else job.command or ()
    named = {name for word in words for name in _VARIABLE.findall(word)}
    return variable in named and "ORK_INPUT_FILE" not in named


def _cannot_start(error: OSError, root: str, program: str) -> str | None:
    """Say why a program that is there cannot be started, or None."""
    if error.errno == errno.E2BIG:
        return "its inputs and environment are more than the system lets a program be given"
    if error.errno in (errno.ENOENT, errno.ENOEXEC) and (flaw := _flaw(root, program)):
        return flaw
    if error.errno == errno.ENOEXEC:
        return "not a program; its first line must be like `#!/bin/sh`"
    return None


def _flaw_of_script(job: Job) -> str | None:
    """Say of a script that a task names why nobody finds what is to execute it, or None."""
    words = job.command or (job.file or "",)
    for word in _WORD.findall(words) if isinstance(words, str) else words:
        if flaw := _flaw(job.root, word):
            return f"{word}: {flaw}"
    return None


def _flaw(root: str, program: str) -> str | None:
    """Say what is wrong with the first line of a script, or None."""
    first = _first_line(os.path.join(root, program))
    if first.startswith(codecs.BOM_UTF8 + b"#!"):
        return "a byte order mark (U+FEFF) stands before its `#!`: save it without"
    if first.endswith(b"\r") and (first.startswith(b"#!") or program.endswith(".sh")):
        return WINDOWS.format(shlex.quote(program))
    named = first[2:].split(maxsplit=1) if first.startswith(b"#!") else []
    if named and not os.path.exists(os.path.join(os.fsencode(root), named[0])):
        return f"its first line names a program that is not there: {first.decode(errors='replace')}"
    return None


def _first_line(path: str) -> bytes:
    """Return how a file begins; nothing of one that cannot be read."""
    try:
        with open_file(path, follow=True) as file:
            return file.readline(FIRST_LINE_BYTES).rstrip(b"\n")
    except (OSError, ValueError):
        return b""


def _answer(attempt: Attempt, file: str) -> Json:
    """Return what the program answered; raise ValueError with what is wrong with it."""
    answer = attempt.log.answer
    text = _from_file(file) or (answer.text if answer else None)
    if text is None:
        return None
    if len(text) > OUTPUT_BYTES_MAX:
        raise ValueError(TOO_LARGE)
    try:
        value: Json = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        shown = attempt.masked(text[:MASKED_BYTES].decode("utf-8", "backslashreplace"))
        shown = shown[:SHOWN_CHARACTERS]
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise ValueError(f"not JSON: {shown!r} ({reason})") from None
    encode(value, "output")
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
