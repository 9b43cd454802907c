"""What the other processes of `test_gc.py` do: `python -m tests.upkeep.beside PROJECT ACT ...`."""

from __future__ import annotations

import select
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from ork.errors import Conflict, Corrupt, InvalidInput, NotFound
from ork.heads.deploy import deploy
from ork.heads.rollback import rollback
from ork.heads.tags import tag, untag
from ork.heads.undo import undo
from ork.objects.kinds import Deploy
from ork.store import location
from ork.store.store import Stamp, Store, Transaction
from ork.upkeep import gc
from ork.upkeep.gc import Garbage
from ork.upkeep.keep import Keep
from tests.heads.conftest import version
from tests.runs import outcome, write_retry, write_run
from tests.stores import NOON, stamp

LATER = NOON + timedelta(days=100)


class Blind(Garbage):
    """The negative control: does not look at what refs have come to need since."""

    def _catch_up(self) -> None:
        pass


KINDS = {"exact": Garbage, "blind": Blind}


def opened(project: str | Path) -> Store:
    folder = Path(project) / ".ork"
    return Store(location.open_backend(folder, environ={}), folder=folder)


def write(project: str, name: str, rounds: str) -> None:
    """Deploy the same few contents again and again, tag and run them, take everything back."""
    path = Path(project) / f"{name}.yaml"
    for number in range(int(rounds)):
        store = opened(project)
        one_round(store, path, name, number)
        store.close()
    store = opened(project)
    with suppress(InvalidInput):  # the other one's undo has left the file behind
        put(store, path, name, 0)
    store.close()


def put(store: Store, path: Path, name: str, number: int) -> None:
    path.write_text(version(number % 3, name))
    deploy(store, path, stamp=stamp(number), move=True)


def one_round(store: Store, path: Path, name: str, number: int) -> None:
    """Deploy, roll back, tag, undo and remove; the other writer's undo may be in the way."""
    head, late = f"workflows/{name}", stamp(number)
    steps: list[Callable[[], object]] = [
        lambda: put(store, path, name, number),
        lambda: put(store, path, name, number + 1),
        lambda: rollback(store, name, f"{name}~1", stamp=late, now=NOON),
        lambda: tag(store, f"{name}@t", name, stamp=late, now=NOON, force=True),
        lambda: undo(store, "@{1}", stamp=late, now=NOON),
        lambda: untag(store, f"{name}@t", stamp=late),
        lambda: drop(store, head, late),
    ]
    for step in steps:
        with suppress(Conflict, NotFound, InvalidInput):
            step()


def drop(store: Store, ref: str, when: Stamp) -> None:
    with store.transaction(when) as tx:
        tx.move(ref, old=store.ref(ref), new=None)


def collect(project: str, kind: str) -> None:
    """Collect until stdin ends; nothing that was undone before is kept."""
    gc.SWEEP_OBJECTS = 3  # so that much happens between
    store = opened(project)
    while not select.select([sys.stdin], [], [], 0)[0]:
        KINDS[kind](store, undo_since=LATER).sweep()
    store.close()


def prune(project: str) -> None:
    """Remove what nothing needs in many small writes."""
    from ork.upkeep.prune import gc as remove

    gc.SWEEP_OBJECTS = 3
    store = opened(project)
    remove(store, now=LATER, stamp=stamp(2400), force=True)
    store.close()


def retain(project: str) -> None:
    """Remove all runs that need not stay."""
    from ork.upkeep.prune import gc as remove

    store = opened(project)
    remove(store, keep=Keep(runs=0), now=LATER, stamp=stamp(2400), force=True)
    store.close()


def retain_on(project: str) -> None:
    """Remove all runs but a few until stdin ends."""
    from ork.upkeep.prune import gc as remove

    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0)[0]:
        store = opened(project)
        remove(store, keep=Keep(runs=2), now=LATER, stamp=stamp(2400), force=True)
        store.close()


def run_on(project: str, rounds: str) -> None:
    """Write runs of the head, and go on with some that may be removed at that moment."""
    for number in range(int(rounds)):
        store = opened(project)
        deploy = store.ref("workflows/etl")
        assert deploy is not None
        task = store.snapshot(store.get(Deploy, deploy).snapshot).tasks["a"]
        run = write_run(store, deploy, {"a": outcome(task, "failed")}, "failed")
        before = max(1, run.number - number % 4)
        with suppress(Conflict, NotFound, Corrupt):
            write_retry(store, "etl", before, {"a": outcome(task)}, "success")
        store.close()


def anew(project: str) -> None:
    """Write the data file anew."""
    from ork.upkeep.prune import repack

    repack(Path(project) / ".ork", environ={})


def hold(project: str) -> None:
    """Have the store open until a line comes in."""
    store = opened(project)
    print("ready", flush=True)
    sys.stdin.readline()
    store.close()


def tag_after_a_word(project: str, revision: str) -> None:
    """Tag a deploy; the write waits, all being read, until a line comes in."""
    write, store = Transaction.commit, opened(project)

    def wait(tx: Transaction) -> None:
        print("ready", flush=True)
        sys.stdin.readline()
        write(tx)

    Transaction.commit = wait  # type: ignore[method-assign]
    tag(store, "etl@late", revision, stamp=stamp(5), now=NOON)


if __name__ == "__main__":
    project, act, *arguments = sys.argv[1:]
    globals()[act](project, *arguments)
