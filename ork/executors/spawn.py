"""Starting a program while the rest of ork goes on. Knows no tree and no job.

The kernel holds back whoever starts a program until that has been loaded: half a millisecond, more
on a busy machine. `subprocess` keeps the interpreter's lock for all of that time; posix_spawn of
the C library, called through ctypes, does not. Where that lacks what is needed here (glibc before
2.34, other C libraries, macOS), subprocess does the same.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ctypes

SETSIGDEF, SETSID = 0x04, 0x80  # glibc's numbers
STRUCTURE_BYTES = 1024  # glibc's own structures are a third of it at most
NEWEST = "posix_spawn_file_actions_addclosefrom_np"  # where this is, the others are as well
PREPARED_MAX = 128
STREAMS = 3  # descriptors below are standard input, output and error
IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)  # a program wants them as they were


def spawn(
    words: Sequence[str],
    *,
    environment: Mapping[str, str],
    cwd: str | None,
    output: int,
    pass_fds: Sequence[int] = (),
) -> int:
    """Start `words` in a new session; return its process id, which the caller has to reap.

    The program has no input, prints to `output`, and gets no other descriptor but `pass_fds`. An
    OSError names the file or folder that is in the way; a ValueError says what nobody can be given.
    """
    glibc = _glibc()
    if glibc is None:
        return _by_subprocess(words, environment, cwd, output, pass_fds)
    if "=" in "".join(environment):
        raise ValueError("illegal environment variable name")
    variables = [f"{name}={value}" for name, value in environment.items()]
    copy = _away_from_streams(output) if output < STREAMS else -1
    try:
        prepared = glibc.prepared(cwd, output if copy < 0 else copy, tuple(pass_fds))
        return glibc.spawn(_located(words[0], environment, cwd), words, variables, prepared)
    except OSError as error:
        blamed = words[0] if cwd is None or os.access(f"{cwd}/.", os.X_OK) else cwd
        raise OSError(error.errno, error.strerror, blamed) from None
    finally:
        if copy >= 0:
            os.close(copy)


class _Glibc:
    """posix_spawn and what belongs to it; AttributeError or OSError where there is no such thing.

    What a new process does before it becomes the program is kept, for the same folder and
    descriptors come again and again.
    """

    def __init__(self) -> None:
        import ctypes

        self.library = library = ctypes.CDLL(None)
        self._ctypes = ctypes
        self._posix_spawn = library.posix_spawn
        getattr(library, NEWEST)
        self.prepared = lru_cache(PREPARED_MAX)(lambda *given: _Prepared(self, *given))
        signals, self._attributes = self.structure(), self.structure()
        library.sigemptyset(signals)
        for number in IGNORED_BY_PYTHON:
            library.sigaddset(signals, int(number))
        library.posix_spawnattr_init(self._attributes)
        library.posix_spawnattr_setsigdefault(self._attributes, signals)
        library.posix_spawnattr_setflags(self._attributes, ctypes.c_short(SETSID | SETSIGDEF))

    def structure(self) -> ctypes.Array[ctypes.c_longlong]:
        """Return room for any structure of the C library."""
        return (self._ctypes.c_longlong * (STRUCTURE_BYTES // 8))()

    def spawn(
        self, path: str, words: Sequence[str], variables: Sequence[str], prepared: _Prepared
    ) -> int:
        """Start the program; return its process id."""
        pid = self._ctypes.c_int()
        (program,) = _encoded([path])
        _check(
            self._posix_spawn(
                self._ctypes.byref(pid),
                program,
                prepared.actions,
                self._attributes,
                self._texts(words),
                self._texts(variables),
            )
        )
        return pid.value

    def _texts(self, texts: Sequence[str]) -> ctypes.Array[ctypes.c_char_p]:
        return (self._ctypes.c_char_p * (len(texts) + 1))(*(_encoded(texts) if texts else ()))


class _Prepared:
    """What a new process does to its folder and its descriptors."""

    def __init__(
        self, glibc: _Glibc, cwd: str | None, output: int, pass_fds: tuple[int, ...]
    ) -> None:
        library = glibc.library
        self._destroy = library.posix_spawn_file_actions_destroy
        self.actions = actions = glibc.structure()
        _check(library.posix_spawn_file_actions_init(actions))
        if cwd is not None:
            _check(library.posix_spawn_file_actions_addchdir_np(actions, *_encoded([cwd])))
        add_open = library.posix_spawn_file_actions_addopen
        add_copy = library.posix_spawn_file_actions_adddup2
        add_close = library.posix_spawn_file_actions_addclose
        _check(add_open(actions, 0, os.devnull.encode(), os.O_RDONLY, 0))
        _check(add_copy(actions, output, 1))
        _check(add_copy(actions, output, 2))
        beyond = STREAMS
        for descriptor in sorted(pass_fds):
            for unwanted in range(beyond, descriptor):
                _check(add_close(actions, unwanted))
            _check(add_copy(actions, descriptor, descriptor))  # so it outlives the exec
            beyond = descriptor + 1
        _check(library.posix_spawn_file_actions_addclosefrom_np(actions, beyond))

    def __del__(self) -> None:
        self._destroy(self.actions)


@cache
def _glibc() -> _Glibc | None:
    try:
        return _Glibc()
    except (ImportError, AttributeError, OSError):
        return None


def _check(number: int) -> None:
    if number:
        raise OSError(number, os.strerror(number))


def _encoded(texts: Sequence[str]) -> list[bytes]:
    # All at once: an environment has many, and each would be a call.
    found = os.fsencode("\0".join(texts)).split(b"\0")
    if len(found) != len(texts):
        raise ValueError("embedded null byte")
    return found


def _away_from_streams(descriptor: int) -> int:
    """Return a copy of a descriptor that the program's own streams will not replace."""
    import fcntl

    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, STREAMS)


def _located(word: str, environment: Mapping[str, str], cwd: str | None) -> str:
    """Return the path of a program, which may be one of the folders of its own PATH."""
    if "/" in word:
        return word
    there = None
    for folder in os.get_exec_path(environment):
        path = os.path.join(cwd or "", folder, word)
        if os.path.isfile(path):
            if os.access(path, os.X_OK):
                return path
            there = there or path
    if there is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), word)
    return there


def _by_subprocess(
    words: Sequence[str],
    environment: Mapping[str, str],
    cwd: str | None,
    output: int,
    pass_fds: Sequence[int],
) -> int:
    import subprocess

    popen = subprocess.Popen(
        words,
        env=environment,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        pass_fds=pass_fds,
        start_new_session=True,
    )
    popen.returncode = 0  # so it believes: else it would reap what the caller reaps
    return popen.pid
