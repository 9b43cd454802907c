"""Backups: whole, of one moment, checked, and never in the place of something else."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ork.errors import Corrupt, InvalidInput, UsageError
from ork.heads.undo import undo
from ork.objects.kinds import Deploy, Log
from ork.objects.value import replace
from ork.runner import record
from ork.store import location
from ork.store.resolve import run_of_number
from ork.store.store import Store
from ork.sync import backup as module
from ork.sync.backup import backup
from ork.upkeep.fsck import fsck
from tests.runs import outcome
from tests.stores import NOON, stamp
from tests.sync.test_bundle import Places, forget_text, is_whole, places

__all__ = ["places"]
ENVIRON = dict(os.environ)


def opened(folder: Path) -> Store:
    return Store(location.open_backend(folder / ".ork", environ={}), folder=folder / ".ork")


def refs(store: Store) -> dict[str, str]:
    return dict(store.backend.refs())


def begin(places: Places) -> record.Record:
    """Begin a run that has recorded a task and goes on."""
    _, before = run_of_number(places.store, "etl", 1)
    pin = replace(before, state="running", ended=None, duration=None, tasks=None)
    begun = record.begin(places.store, pin, {}, random="abcdef")
    head = places.store.get(Deploy, places.store.ref("workflows/etl"))
    task = places.store.snapshot(head.snapshot).tasks["a"]
    done = outcome(task)
    log = Log(path=f"etl/{begun.run.id}/1.log", length=0)  # so that no other run can have it
    begun.save({"a": replace(done, attempts=(replace(done.attempts[0], log=log),))}, {})
    return begun


def test_a_backup_is_the_store(places):
    undo(places.store, stamp=stamp(1), now=NOON)
    done = backup(places.store, places.folder / "copy", environ=ENVIRON)
    copy = opened(places.folder / "copy")
    assert refs(copy) == refs(places.store)
    assert (done.refs, done.logs) == (len(refs(copy)), 1)
    assert done.objects == len(list(copy.backend.oids()))
    _, run = run_of_number(copy, "etl", 1)
    assert (copy.folder / "logs/etl" / run.id / "1.log").read_text() == "hello\n"
    found = fsck(copy.folder, environ=ENVIRON, depth="full")
    assert [one for one in found.findings if one.level != "note"] == []
    undo(copy, stamp=stamp(2), now=NOON)
    copy.close()


def test_what_was_forgotten_is_forgotten_in_the_copy(places):
    places.store, secret = forget_text(places.store)
    backup(places.store, places.folder / "copy", environ=ENVIRON)
    copy = opened(places.folder / "copy")
    assert copy.blob(secret) == b"[forgotten]"
    assert is_whole(copy)


def test_a_run_that_ends_meanwhile_goes_on_in_the_copy(places, monkeypatch):
    begun = begin(places)
    needed = module.needed

    def ended_first(store, refs):
        states = {"a": store.get(record.TaskRun, begun.saved["a"])}
        begun.end(replace(begun.run, state="success", ended=NOON, duration=1), states, {})
        return needed(store, refs)

    monkeypatch.setattr(module, "needed", ended_first)
    backup(places.store, places.folder / "copy", environ=ENVIRON)
    copy = opened(places.folder / "copy")
    assert run_of_number(copy, "etl", 2)[1].ended is None
    assert run_of_number(places.store, "etl", 2)[1].ended == NOON
    assert is_whole(copy)


def test_writers_go_on_meanwhile(places):
    stop = threading.Event()

    def deploys():
        number = 10
        while not stop.is_set() and number < 60:
            number += 1
            places.deploy(number)

    writer = threading.Thread(target=deploys)
    writer.start()
    try:
        for number in range(2):
            backup(places.store, places.folder / f"copy{number}", environ=ENVIRON)
            assert is_whole(opened(places.folder / f"copy{number}"))
    finally:
        stop.set()
        writer.join()


def test_nothing_is_replaced_and_nothing_made_inside_the_store(places):
    (places.folder / "there").mkdir()
    (places.folder / "link").symlink_to("nowhere")
    for name in ("there", "link"):
        with pytest.raises(InvalidInput, match="there already"):
            backup(places.store, places.folder / name, environ=ENVIRON)
    with pytest.raises(UsageError, match="inside the store"):
        backup(places.store, places.store.folder / "logs/copy", environ=ENVIRON)
    assert not list(places.folder.glob(".ork-backup*"))


def test_a_damaged_store_is_not_copied(places):
    head = places.store.get(Deploy, places.store.ref("workflows/etl"))
    places.store.backend.sweep(lambda: [head.snapshot])
    fresh = Store(places.store.backend, folder=places.store.folder)  # which has nothing at hand
    with pytest.raises(Corrupt, match=head.snapshot):
        backup(fresh, places.folder / "copy", environ=ENVIRON)
    assert not list(places.folder.glob("*copy*"))
    assert not list(places.folder.glob(".ork-backup*"))


def test_a_ref_that_is_wrong_is_copied_and_counted(places):
    pin = places.store.ref("numbers/etl/0000000001")
    assert places.store.backend.write({}, {"numbers/etl/0000000009": (None, pin)})
    done = backup(places.store, places.folder / "copy", environ=ENVIRON)
    assert done.errors == 1
    assert refs(opened(places.folder / "copy")) == refs(places.store)


BACKUP = """
import os, sys
from pathlib import Path
from ork.store import location
from ork.store.store import Store
from ork.sync.backup import backup
folder = Path(sys.argv[1])
store = Store(location.open_backend(folder, environ={}), folder=folder)
backup(store, Path(sys.argv[2]), environ=dict(os.environ))
"""


@pytest.mark.parametrize("point", ["objects", "checked"])
def test_a_backup_that_is_killed_leaves_nothing_and_can_be_repeated(places, point):
    target = places.folder / "copy"
    killed = subprocess.run(
        [sys.executable, "-c", BACKUP, str(places.store.folder), str(target)],
        env={**os.environ, "ORK_FAILPOINT": f"backup.{point}"},
        cwd=Path(__file__).parents[2],
    )
    assert killed.returncode == -9
    assert not target.exists()
    backup(places.store, target, environ=ENVIRON)
    assert not list(places.folder.glob(".ork-backup*"))
    assert is_whole(opened(target))
