"""What gc removes, what it leaves, and that it removes nothing that somebody needs meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta

import pytest

from ork.backends import anchor
from ork.errors import Corrupt, NotFound, StoreError, UsageError
from ork.heads.tags import tag
from ork.heads.undo import at_operation, undo
from ork.objects.kinds import Blob, Deploy
from ork.store.store import Store
from ork.upkeep.gc import Garbage
from ork.upkeep.prune import gc
from tests.heads.conftest import version
from tests.runs import outcome, write_run
from tests.scale import size
from tests.stores import NOON, plant, reachable, stamp
from tests.upkeep.beside import LATER, Blind, put
from tests.upkeep.looks import look_here


def needed(store):
    """Check that all refs lead to whole things; return the oids that they need."""
    fresh = Store(store.backend)
    return reachable(fresh, *dict(fresh.backend.refs()).values(), undo=False)


def is_whole(store):
    """Say whether nothing that is needed is lost, as fsck sees it."""
    return {one.code for one in look_here(store.folder, "full")} <= {"N501", "N502"}


def collect(store, **options):
    done = gc(store, **{"now": LATER, "stamp": stamp(2400), **options})
    assert is_whole(store)
    return done


def beside(project, act, *arguments, **options):
    words = [sys.executable, "-m", "tests.upkeep.beside", str(project), act, *arguments]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stderr=subprocess.PIPE, **options)


@pytest.fixture
def second(project, keep):
    """The second of two versions of etl, which was undone: nothing needs it any more."""
    keep(version(1))
    oid = keep(version(2), hours=1).deploy
    undo(project, stamp=stamp(2), now=NOON)
    return oid


def test_what_nothing_needs_is_told_and_then_removed(project, keep):
    deploy = keep(version(1)).deploy
    task = project.named(project.snapshot(project.get(Deploy, deploy).snapshot).tasks.root)["a"]
    write_run(project, deploy, {"a": outcome(task)})
    (oid,) = plant(project, Blob(b"nobody needs this"))
    said = gc(project, now=NOON)
    assert (said.done, said.objects, said.kinds) == (False, 1, {"blob": 1})
    assert project.has(oid)
    done = collect(project, now=NOON)
    assert (done.done, done.objects, done.bytes) == (True, 1, said.bytes)
    assert not project.has(oid)
    assert collect(project, now=NOON).objects == 0
    assert set(project.backend.oids()) == needed(project)


def test_what_can_be_undone_is_kept_and_later_the_undo_is_refused(project, second):
    assert collect(project, now=NOON + timedelta(days=29)).objects == 0
    undo(project, stamp=stamp(3), now=NOON)
    undo(project, stamp=stamp(4), now=NOON)
    assert collect(project, undo_days=101).objects == 0
    assert collect(project).kinds["deploy"] == 1
    with pytest.raises(UsageError, match="gone for good"):
        undo(project, stamp=stamp(5), now=LATER)
    with pytest.raises(NotFound, match="can no longer be undone"):
        undo(project, "@{1}", stamp=stamp(5), now=LATER)
    assert set(project.backend.oids()) == needed(project)
    assert dict(at_operation(project, "@{1}", now=LATER).refs("workflows/"))


def test_a_text_that_was_read_keeps_nothing(project, keep, second):
    assert second in [oid for _, oid in project.refs("read/")]
    collect(project)
    assert not project.has(second)
    assert second not in [oid for _, oid in project.refs("read/")]
    assert keep(version(2), hours=3).changed
    assert is_whole(project)


def test_more_than_half_is_refused_unless_forced(project, keep):
    keep(version(1))
    plant(project, *(Blob(b"%d" % number) for number in range(50)))
    with pytest.raises(StoreError, match="were refs lost"):
        collect(project, now=NOON)
    assert collect(project, now=NOON, force=True).kinds == {"blob": 50}


def test_nothing_is_removed_where_something_needed_is_missing(project, keep):
    snapshot = project.get(Deploy, keep(version(1)).deploy).snapshot
    (oid,) = plant(project, Blob(b"nobody needs this"))
    project.backend.sweep(lambda: [snapshot])
    with pytest.raises(Corrupt, match="missing"):
        gc(Store(project.backend, folder=project.folder), now=NOON, stamp=stamp())
    assert project.has(oid)


def test_a_number_that_is_removed_is_not_told_to_the_anchor(project, keep):
    deploy = keep(version(1)).deploy
    task = project.named(project.snapshot(project.get(Deploy, deploy).snapshot).tasks.root)["a"]
    first, last = (write_run(project, deploy, {"a": outcome(task)}).number for _ in range(2))
    with project.transaction() as tx:
        ref = f"numbers/etl/{first:010d}"
        tx.move(ref, old=project.ref(ref), new=None)
    assert anchor.read(project.folder).pin == f"numbers/etl/{last:010d}"


def test_a_damaged_object_that_nothing_needs_goes(project, keep):
    keep(version(1))
    (oid,) = plant(project, Blob(b"nobody needs this"))
    project.backend.write({oid: b"\0damaged"}, {})
    assert collect(project, now=NOON).kinds == {"damaged": 1}


@pytest.mark.parametrize("kind", [Garbage, Blind])
def test_what_is_needed_again_before_the_sweep_stays(project, second, kind):
    garbage = kind(project, undo_since=LATER)
    assert second in [one.oid for one in garbage.doomed]
    tag(project, "etl@v2", second, stamp=stamp(3), now=NOON)
    gone = garbage.sweep()
    assert is_whole(project) == (kind is Garbage)
    assert (second in [one.oid for one in gone]) == (kind is Blind)


def test_what_was_needed_for_a_moment_since_the_mark_stays_whole(project, second):
    garbage = Garbage(project, undo_since=LATER)
    tag(project, "etl@v2", second, stamp=stamp(3), now=NOON)
    undo(project, stamp=stamp(4), now=NOON)
    assert second not in [one.oid for one in garbage.sweep()]
    assert reachable(project, second)


def test_whatever_is_there_between_two_writes_is_whole(project, second, monkeypatch):
    monkeypatch.setattr("ork.upkeep.gc.SWEEP_OBJECTS", 1)
    sweep, looks = project.backend.sweep, []

    def look(choose):
        done = sweep(choose)
        fresh = Store(project.backend)
        looks.append(reachable(fresh, *fresh.backend.oids(), undo=False))
        return done

    monkeypatch.setattr(project.backend, "sweep", look)
    doomed = Garbage(project, undo_since=LATER)
    assert len(doomed.sweep()) == len(looks) > 4


def test_it_is_killed_between_two_writes_and_typed_again(project, second):
    killed = beside(project.project, "prune", env={**os.environ, "ORK_FAILPOINT": "gc.swept"})
    assert (killed.communicate()[1], killed.returncode) == (b"", -signal.SIGKILL)
    assert is_whole(project)
    assert set(project.backend.oids()) > needed(project)
    assert collect(project).objects
    assert set(project.backend.oids()) == needed(project)


@pytest.mark.parametrize("collected", [True, False])
def test_a_writer_that_is_stopped_before_its_write_succeeds_whole_or_fails_cleanly(
    project, second, collected
):
    writer = beside(project.project, "tag_after_a_word", second, stdout=subprocess.PIPE)
    assert writer.stdout.readline() == b"ready\n"
    writer.send_signal(signal.SIGSTOP)
    if collected:
        collect(project)
    writer.send_signal(signal.SIGCONT)
    said = writer.communicate(b"\n")[1].decode()
    assert ("is missing from the store" in said) == collected
    assert (project.ref("tags/etl/late") is None) == collected
    assert is_whole(project)


@pytest.mark.parametrize("kind", ["exact", "blind"])
def test_writers_and_gc_in_several_processes(project, kind):
    """Processes deploy, undo and tag the same contents while another collects without end."""
    rounds = size(200, by_day=12)
    for number in range(2):
        put(project, project.project / f"w{number}.yaml", f"w{number}", 0)
    writers = [beside(project.project, "write", f"w{n}", str(rounds)) for n in range(2)]
    collector = beside(project.project, "collect", kind)
    said = [writer.communicate()[1].decode() for writer in writers]
    said.append(collector.communicate()[1].decode())
    if kind == "exact":
        assert "".join(said) == ""
        assert is_whole(project)
    else:
        assert "missing" in "".join(said) or not is_whole(project)
