"""ork in a process of its own, forked from the tests: at once, where Python takes long to begin.

It is a process like any other: it has its own folder, environment, streams and signals, and may be
killed. What it imports is there already. Where that, or its memory, or how Python itself starts and
ends is the point of a test, the test starts Python.
"""

from __future__ import annotations

import atexit
import fcntl
import gc
import io
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

from ork import failpoints

DESCRIPTORS_MAX = 4096


class Started(subprocess.Popen[Any]):
    """`python -m ork` with these words; `patch` is Python that is executed before."""

    def __init__(self, *argv: str, patch: str = "", **options: Any) -> None:
        self._patch = patch
        super().__init__(["ork", *argv], **options)

    def _execute_child(  # type: ignore[override]
        self,
        args: list[str],
        executable: None,
        preexec_fn: Callable[[], object] | None,
        close_fds: bool,
        pass_fds: tuple[int, ...],
        cwd: str | None,
        env: dict[str, str] | None,
        startupinfo: None,
        creationflags: int,
        shell: bool,
        p2cread: int,
        p2cwrite: int,
        c2pread: int,
        c2pwrite: int,
        errread: int,
        errwrite: int,
        *rest: Any,
    ) -> None:
        start_new_session, process_group = rest[-2:]
        assert not (executable or shell or pass_fds)
        self.pid = os.fork()
        if self.pid == 0:
            try:
                gc.freeze()  # what is of the tests is never looked at, and so never closed twice
                if start_new_session:
                    os.setsid()
                if process_group >= 0:
                    os.setpgid(0, process_group)
                _move((p2cread, c2pwrite, errwrite))
                os.chdir(cwd or ".")
                _begin(args, os.environ if env is None else env)
                if preexec_fn is not None:
                    preexec_fn()
                _run(self._patch)
            except BaseException:
                os.write(2, traceback.format_exc().encode())
            finally:
                os._exit(70)
        self._child_created = True
        self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)  # type: ignore[attr-defined]


def _move(streams: tuple[int, ...]) -> None:
    """Give the standard streams their numbers, and close everything else."""
    high = [
        fcntl.fcntl(one, fcntl.F_DUPFD, 10) if one >= 0 else number
        for number, one in enumerate(streams)
    ]
    for number, one in enumerate(high):
        os.dup2(one, number)
    os.closerange(3, DESCRIPTORS_MAX)


def _begin(args: list[str], environ: Any) -> None:
    """Be as a process that has just begun."""
    kept = dict(environ)
    os.environ.clear()
    os.environ.update(kept)
    time.tzset()
    for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGTSTP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.set_wakeup_fd(-1)
    warnings.resetwarnings()
    warnings.simplefilter("ignore")
    sys.argv = args
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        file = open(number, "wb" if number else "rb", closefd=False)  # noqa: SIM115
        text = io.TextIOWrapper(file, "utf-8", line_buffering=number == 2 or file.isatty())
        setattr(sys, name, text)
        setattr(sys, f"__{name}__", text)
    name, _, count = os.environ.get("ORK_FAILPOINT", "").partition(":")
    failpoints._armed, failpoints._left = name, int(count or 1)
    atexit._clear()


def _run(patch: str) -> NoReturn:
    """Run ork to its end, and end as Python does."""
    from ork.__main__ import entry

    gc.disable()
    try:
        exec(patch, {"__name__": "__main__"})  # noqa: S102
        entry()
        code: object = 0
    except SystemExit as error:
        code = error.code
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)
