"""Named points of a run at which a test lets this process die, as kill -9 would.

ORK_FAILPOINT=NAME kills it the first time the point is reached, NAME:3 the third time.
"""

from __future__ import annotations

import os
import signal

NAMES = (
    "deploy.before",  # `ork run FILE`: the file is read, nothing is written
    "deploy.after",
    "begin.unlocked",
    "begin.locked",  # the run has an owner, but no pin
    "begin.pinned",
    "resume.unlocked",
    "resume.locked",
    "resume.pinned",
    "code.laid",
    "task.chosen",  # its inputs are bound, it is not yet handed to the executor
    "task.submitted",
    "outcome.arrived",
    "save.before",
    "save.after",  # recorded, not yet told
    "turn.told",
    "end.before",
    "end.written",
    "settle.locked",
    "settle.written",
    "traces.before",  # of a run that has ended: its private code, its lock
    "traces.code",
    "traces.after",
)

_armed, _, _count = os.environ.get("ORK_FAILPOINT", "").partition(":")
_left = int(_count or 1)


def failpoint(name: str) -> None:
    """Die if this point is armed; else cost one comparison."""
    if name == _armed:
        _hit()


def _hit() -> None:
    global _left
    _left -= 1
    if not _left:
        os.kill(os.getpid(), signal.SIGKILL)
