"""Named points of a run at which a test lets this process die, as kill -9 would.

ORK_FAILPOINT=NAME kills it the first time the point is reached, NAME:3 the third time. A name says
what has just happened: `begin.locked` is when the run has an owner, but no pin yet; `save.after`,
when outcomes are recorded and not yet told; `traces`, when the checkout and the lock of a run that
has ended are removed; `gc.runs`, when one write of `ork gc` has removed runs whose logs are gone
already (`gc.folders`); `gc.swept`, when one write of `ork gc` has deleted objects; `repack.copied`,
when a new data file has all, and is not in its place yet.
"""

from __future__ import annotations

import os
import signal

POINTS = """
deploy.before deploy.after
begin.unlocked begin.locked begin.pinned
resume.unlocked resume.locked resume.pinned
place.ready task.chosen task.submitted outcome.arrived
save.before logs.shipped save.after turn.told
end.before end.written
settle.locked settle.taken settle.written
backup.objects backup.file backup.checked init.checked
import.checked import.batch import.objects import.logs import.written
orkdb.batch orkdb.objects orkdb.logs orkdb.written
sync.blobs sync.objects sync.heads sync.logs sync.runs clone.filled
restore.staged
traces.before traces.checkout traces.after
fire.checked hook.claimed hook.ended
gc.recorded gc.folders gc.runs gc.swept
repack.copied repack.swapped
"""
NAMES = POINTS.split()

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
