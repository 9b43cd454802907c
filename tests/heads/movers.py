"""What the processes of `test_races.py` do.

Each makes moves of the heads and tags that all share; whoever loses a race goes on with the next.
"""

from __future__ import annotations

import random
import sys
from datetime import UTC, datetime
from pathlib import Path

from ork.backends.address import BACKENDS
from ork.errors import Conflict, NotFound, UsageError
from ork.heads.rollback import rollback
from ork.heads.tags import tag, untag
from ork.heads.undo import undo
from ork.store import location
from ork.store.resolve import history
from ork.store.store import Stamp, Store


def move(store: Store, act: str, stamp: Stamp, deploys: list[str], numbers: random.Random) -> bool:
    """Do one thing; say whether anything moved."""
    now, target = stamp.time, numbers.choice(deploys)
    if act == "rollback":
        return rollback(store, "etl", target, stamp=stamp, now=now).changed
    if act == "tag":
        done = tag(store, "etl@v1", target, stamp=stamp, now=now, force=True)
        return done.old != done.tag.oid
    if act == "untag":
        untag(store, "etl@v1", stamp=stamp)
        return True
    undo(store, stamp=stamp, now=now)
    return True


def main(project: Path, kind: str, who: str, times: int) -> None:
    """Move this and that; print the number of each act that moved something, once it is done."""
    BACKENDS["lmdb"] = {"Lmdb": "ork.backends.lmdb:Lmdb"}.get(kind, f"tests.heads.deployers:{kind}")
    store = Store(location.open_backend(project / ".ork", environ={}), folder=project / ".ork")
    numbers = random.Random(who)
    deploys = [oid for oid, _ in history(store, "etl")]
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(times):
        act = numbers.choice(["rollback", "tag", "untag", "undo", "undo"])
        stamp = Stamp(time=datetime.now(UTC), author="Ada", argv=("ork", act, who, str(number)))
        try:
            if move(store, act, stamp, deploys, numbers):
                print(number, flush=True)
        except (Conflict, NotFound, UsageError):
            pass  # somebody else was first, or only what was there before is left
    store.close()
