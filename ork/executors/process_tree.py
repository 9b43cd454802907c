"""A process tree: start it, see whether it lives, end all of it. Knows no job.

A tree is a session of its own. Its processes are known by that session, by their parents, and by a
cookie, a random word in their environment. One that has left all three, session, parents and
environment, is an orphan: Linux gives it to ork (where the process is ork's own, see `adopting`).
It does not say whose it is: it ends with the last tree that may have left it.
Where there is no /proc (not Linux), a process that leaves the group escapes.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from ork.executors.subreaper import adopt_orphans

COOKIE = "ORK_COOKIE"
KILL_SECONDS_MAX = 5.0  # a process in an uninterruptible system call outlives even SIGKILL
LOST = 255  # how a process ended that somebody else has reaped: nobody can say it was a success
EXEC_SECONDS_MAX = 1.0  # many times what an exec or an exit takes, even on a busy machine
EMPTY_SECONDS = 0.05  # an environment that has nothing in it for so long is empty
YOUNG_SECONDS_MAX = 1.0  # too short a time for process numbers to go once around
PROC = "/proc"
# Both end with the newest number; the second exists everywhere, but a container may see the host's.
LAST_PID = (f"{PROC}/sys/kernel/ns_last_pid", f"{PROC}/loadavg")
NEWER_MAX = 100
DEAD = (b"Z", b"X")

_ours: set[int] = set()  # our own children, as far as they are known here, not seen to end
_starting: set[object] = set()  # those that may be our children already, not known by number
_sources: set[object] = set()  # trees that may have left orphans to us
_orphans: set[int] = set()  # those of which nobody could tell yet whose they are
_strangers: set[int] = set()  # our children from before we adopted any
_adopting = False


class Tree:
    """One started program and everything it starts."""

    def __init__(
        self,
        words: Sequence[str],
        *,
        environment: Mapping[bytes, bytes],
        cwd: str | None,
        output: int,
        stdin: int = subprocess.DEVNULL,
        pass_fds: Sequence[int] = (),
        mark: str = "",
    ) -> None:
        """Start `words` in a new session; raise OSError when that cannot be done.

        `mark` becomes a part of the cookie: the mark of the guard that watches over us.
        """
        self.cookie = os.urandom(12).hex()  # which the whole tree has in its environment
        outer = os.environ.get(COOKIE)  # ork inside a task: the outer ork must find our children
        cookie = ".".join(part for part in (outer, mark, self.cookie) if part)
        self._begun = time.monotonic()
        self._status: int | None = None
        self._found: set[tuple[int, int]] = set()  # members that may become orphans: see _birth
        _starting.add(self)
        try:
            self.pid = spawn(
                words,
                environment={**environment, COOKIE.encode(): cookie.encode()},
                cwd=cwd,
                output=output,
                stdin=stdin,
                pass_fds=pass_fds,
            )
            _ours.add(self.pid)
            _sources.add(self)
        finally:
            _starting.discard(self)
        self._birth = 0  # before which nobody of the tree has begun
        with suppress(OSError):
            self._birth = _birth(_stat(self.pid))
        self.pidfd = -1  # else a descriptor that is readable once the first process has ended
        if hasattr(os, "pidfd_open"):
            try:
                self.pidfd = os.pidfd_open(self.pid)
            except OSError:  # an old kernel, or no descriptor left: the owner polls
                pass

    def status(self) -> int | None:
        """Return how the first process ended: exit code, or minus the signal; None if it runs."""
        if self._status is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                self._status = LOST
            else:
                self._status = os.waitstatus_to_exitcode(status) if pid else None
            if self._status is not None:
                _ours.discard(self.pid)
        return self._status

    def members(self) -> list[int]:
        """Return the living processes of the tree, the first one included."""
        return [pid for pid in _processes() if self._belongs(pid)]

    def left_over(self) -> bool:
        """Say whether the tree has a process besides the first one; cheap, for every task."""
        young = time.monotonic() - self._begun < YOUNG_SECONDS_MAX
        pids = _newer(self.pid) if young else _processes()
        _orphans.difference_update(_ours)
        pids = [*pids, *_orphans]
        return any(pid not in _ours and self._belongs(pid) for pid in pids if pid != self.pid)

    def quiet(self) -> bool:
        """Say whether the first process has ended and no other of the tree lives."""
        if self.status() is None:
            return False
        group = _signal_group(self.pid, 0)
        if group:
            self._reap()
            group = _signal_group(self.pid, 0)
        if not group:
            return not self.left_over()
        # A zombie that its parent has not reaped counts in a group, but does not live.
        return os.path.exists(f"{PROC}/self/stat") and not self.members()

    def terminate(self) -> None:
        """Ask every process of the tree to end (SIGTERM)."""
        _signal_group(self.pid, signal.SIGTERM)
        for pid in self.members():
            if _group(pid) != self.pid:
                _signal(pid, signal.SIGTERM)

    def kill(self) -> None:
        """Kill until no process of the tree is left, and reap the first one."""
        end = time.monotonic() + KILL_SECONDS_MAX
        pause = 0.0005
        while not self.quiet() and time.monotonic() < end:
            _signal_group(self.pid, signal.SIGKILL)
            for pid in self.members():
                _signal(pid, signal.SIGKILL)
            time.sleep(pause)
            pause = min(pause * 2, 0.02)
        _sources.discard(self)

    def kill_rest(self) -> None:
        """Kill what is left of the tree, if anything, once its first process has ended."""
        if not self.quiet():
            self.kill()
        _sources.discard(self)

    def rest(self) -> None:
        """Note that the tree has nothing to do, and so leaves no orphans."""
        _sources.discard(self)

    def work(self) -> None:
        """Note that the tree has something to do again."""
        _sources.add(self)

    def release(self) -> None:
        """Give the descriptor back. Idempotent."""
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1

    def _belongs(self, pid: int) -> bool:
        try:
            session = os.getsid(pid)
            if pid != self.pid and session == self.pid:
                return not _is_dead(_stat(pid))
            # 0: the kernel's own, or begun outside of our container. No task can enter our own.
            if session in (0, os.getsid(0)):
                return False
            if pid == self.pid:
                return self._status is None and not _is_dead(_stat(pid))
            if (below := self._is_below(pid)) is None:
                below = self.cookie.encode() in _environ(pid)
            if below:
                self._found.add((pid, _birth(_stat(pid))))
            return below
        except OSError:  # gone, or not ours
            _orphans.discard(pid)
            return False

    def _is_below(self, pid: int) -> bool | None:
        """Say whether a process comes from this tree by its ancestors; None if they do not tell."""
        at = pid
        while True:
            try:
                fields = _stat(at)
            except OSError:
                if at == pid:
                    raise
                at = pid  # an ancestor has just ended: there are others now
                continue
            parent = int(fields[1])
            if at == pid and _is_dead(fields):
                _bury(pid)
                return False
            if parent == self.pid or (at, _birth(fields)) in self._found:
                return True
            if parent in _ours:
                return False
            if parent == os.getpid():
                return self._inherits(at)
            if at == pid and _birth(fields) < self._birth:
                return False
            if parent <= 1:
                return None
            at = parent

    def _inherits(self, orphan: int) -> bool | None:
        """Say whether an orphan that has come to us can only be of this tree; None if not sure."""
        starting = bool(_starting)  # asked first: what has been started meanwhile is no orphan
        if not _is_orphan(orphan):
            return None
        if _sources == {self} and not starting:
            return True
        _orphans.add(orphan)
        return None

    def _reap(self) -> None:
        # Orphans come to us only where we are their reaper (init of a container, say).
        try:
            while os.waitid(os.P_PGID, self.pid, os.WEXITED | os.WNOHANG):
                pass
        except OSError:
            pass


def spawn(
    words: Sequence[str],
    *,
    environment: Mapping[bytes, bytes],
    cwd: str | None,
    output: int,
    stdin: int = subprocess.DEVNULL,
    pass_fds: Sequence[int] = (),
) -> int:
    """Start `words` in a new session; return its process id, which the caller has to reap.

    The program reads `stdin`, prints to `output`, and gets no other descriptor but `pass_fds`. An
    OSError names the file or folder that is in the way; a ValueError says what nobody can be given.
    """
    popen = subprocess.Popen(
        words,
        env=environment,
        cwd=cwd,
        stdin=stdin,
        stdout=output,
        stderr=output,
        pass_fds=pass_fds,
        start_new_session=True,
    )
    popen.returncode = 0  # so it believes: else it would reap what the caller reaps
    return popen.pid


def hear_of_ends() -> None:
    """Let the kernel tell how children end, which it does not where SIGCHLD is ignored.

    Whoever started ork may have had it so (`trap '' CHLD`). Only the main thread can change that.
    """
    ignored = signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN
    if ignored and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


class Guard:
    """A process that kills every tree with its mark when this one dies, however that happens."""

    # It waits for the end of its input, then kills until it finds none three times (a task may be
    # starting processes at that moment, and one that we were just starting has not got its
    # environment yet), but not for ever.
    _SCRIPT = """
        read -r line
        quiet=0
        for round in 1 2 3 4 5 6 7 8 9 10; do
            found=$(grep -lsF -e "$1" /proc/[0-9]*/environ | cut -d/ -f3)
            if test -n "$found"; then
                kill -9 $found
            else
                quiet=$((quiet + 1))
                test $quiet -lt 3 || exit 0
                sleep 0.$quiet
            fi
        done
    """

    def __init__(self) -> None:
        self.mark = os.urandom(12).hex()
        self._popen: subprocess.Popen[bytes] | None = None
        if not os.path.exists(f"{PROC}/self/environ"):
            return
        _starting.add(self)
        try:
            self._popen = subprocess.Popen(
                ["/bin/sh", "-c", self._SCRIPT, "ork-guard", self.mark],
                env={"PATH": "/usr/bin:/bin"},
                cwd="/",
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            _ours.add(self._popen.pid)
        finally:
            _starting.discard(self)

    def dismiss(self) -> None:
        """End the guard, which is needed no more. Idempotent."""
        if self._popen is not None:
            self._popen.kill()
            self._popen.wait()
            _ours.discard(self._popen.pid)
            if self._popen.stdin is not None:
                self._popen.stdin.close()


@contextmanager
def adopting() -> Iterator[None]:
    """Let orphans of programs come to us, while the block lasts; see `base.adopting`."""
    global _adopting
    _strangers.clear()
    if _has_children():
        _strangers.update(pid for pid in _processes() if _parent(pid) == os.getpid())
    _adopting = adopt_orphans()
    try:
        yield
    finally:
        if _adopting:
            adopt_orphans(False)
        _adopting = False


def end_orphans() -> None:
    """Kill the orphans of which nobody could tell whose they were, once no tree is left."""
    end = time.monotonic() + KILL_SECONDS_MAX
    while not (_sources or _starting) and _has_children() and time.monotonic() < end:
        found = [pid for pid in _processes() if _parent(pid) == os.getpid() and _is_orphan(pid)]
        for pid in found:
            _signal(pid, signal.SIGKILL)
            _bury(pid)
        if not found:
            return
        time.sleep(0.001)


def _is_orphan(child: int) -> bool:
    """Say whether a child of ours is one that came to us."""
    if not _adopting or child in _ours or child in _strangers:
        return False
    try:
        return os.getsid(child) != os.getsid(0)  # which no task can enter
    except OSError:
        return False


def _bury(pid: int) -> None:
    """Reap an orphan that has ended; what we have started is reaped by whoever asks how it went."""
    if not _starting and _parent(pid) == os.getpid() and _is_orphan(pid):
        try:
            if os.waitpid(pid, os.WNOHANG)[0]:
                _orphans.discard(pid)
        except ChildProcessError:
            _orphans.discard(pid)


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _processes() -> list[int]:
    try:
        return [int(name) for name in os.listdir(PROC) if name.isdigit()]
    except OSError:
        return []


def _newer(first: int) -> Sequence[int]:
    """Return the processes that `first` may have started since a moment ago, and others.

    Numbers are given in rising order, to threads as well; after the largest they begin again from
    below. When few were given since, they are told without a look at all that runs, which every
    task would pay for. Most of these numbers are nobody's by now.
    """
    newest = _newest()
    if first <= newest <= first + NEWER_MAX:
        return range(first, newest + 1)
    pids = _processes()
    return pids if newest < first else [pid for pid in pids if pid >= first]


def _newest() -> int:
    """Return the newest process number, 0 where nothing tells."""
    for path in LAST_PID:
        try:
            with open(path, "rb", buffering=0) as file:
                return int(file.read().split()[-1])
        except (OSError, ValueError, IndexError):
            continue
    return 0


def _environ(pid: int) -> bytes:
    """Return the environment that a process was given; nothing for a zombie.

    It also seems to have none while it becomes another program, or a zombie: that is waited for.
    If its first thread has ended, another one tells.
    """
    begun, thread = time.monotonic(), str(pid)
    while True:
        try:
            with open(f"{PROC}/{thread}/environ", "rb", buffering=0) as file:
                found = file.read()
        except (ProcessLookupError, FileNotFoundError):  # it is ending, or gone; `stat` tells
            found = b""
        waited = time.monotonic() - begun
        if found or waited > EXEC_SECONDS_MAX or _has_no_environ(pid, waited):
            return found
        time.sleep(0.0002)
        thread = max(os.listdir(f"{PROC}/{pid}/task"), key=int, default=thread)


def _has_no_environ(pid: int, waited_s: float) -> bool:
    fields = _stat(pid)
    start, stop = int(fields[47]), int(fields[48])  # where it lies; 0 in the middle of an exec
    # The kernel makes them equal for a moment, before it writes what lies between.
    return _is_dead(fields) or (start == stop != 0 and waited_s > EMPTY_SECONDS)


def _is_dead(fields: list[bytes]) -> bool:
    """Say whether a process has ended, and not only its first thread before others."""
    return fields[0] in DEAD and int(fields[17]) <= 1


def _stat(pid: int) -> list[bytes]:
    """Return the state of a process and the fields that follow it in its `stat`.

    A number may also be that of a thread, which has all that a process has, and is none.
    """
    with open(f"{PROC}/{pid}/stat", "rb", buffering=0) as file:
        fields = file.read().rpartition(b")")[2].split()
    if fields[35] == b"-1":  # the signal that its parent gets at its end: none
        raise ProcessLookupError(errno.ESRCH, "a thread")
    return fields


def _birth(fields: list[bytes]) -> int:
    """Return when a process began, which tells it from a later one with its number."""
    return int(fields[19])


def _parent(pid: int) -> int:
    try:
        return int(_stat(pid)[1])
    except OSError:
        return -1


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except OSError:
        return -1


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except OSError:
        pass


def _signal_group(group: int, number: int) -> bool:
    """Send a signal; say whether there was anybody to receive it."""
    try:
        os.killpg(group, number)
    except PermissionError:
        return True  # macOS says so for a group of zombies; elsewhere: a setuid program
    except ProcessLookupError:
        return False
    return True
