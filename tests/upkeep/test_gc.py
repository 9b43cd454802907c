"""What gc removes, what it leaves, and that it removes nothing that somebody needs meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta

import lmdb
import pytest

from ork.backends import anchor
from ork.errors import Corrupt, NotFound, StoreError, UsageError
from ork.heads import undo as undo_module
from ork.heads.deploy import deploy
from ork.heads.tags import tag
from ork.heads.undo import at_operation, undo
from ork.objects.kinds import Blob, Deploy, Operation, Tombstone, kind_of
from ork.objects.value import replace
from ork.store import location
from ork.store import store as store_module
from ork.store.operations import operations
from ork.store.store import Store, Transaction, kind_of_target
from ork.upkeep.gc import Garbage
from ork.upkeep.keep import Keep
from ork.upkeep.prune import gc, repack, room
from ork.upkeep.repair import swap
from tests.damage import data_file, raw
from tests.heads.conftest import version
from tests.runs import begin_run, outcome, write_run
from tests.scale import TRIES_MAX, size
from tests.stores import NOON, contents, plant, reachable, stamp
from tests.upkeep.beside import LATER, Blind, opened, put
from tests.upkeep.looks import answers, look_here


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
    assert collect(project, keep=Keep(undo_days=101)).objects == 0
    assert collect(project).kinds["deploy"] == 1
    with pytest.raises(UsageError, match="gone for good"):
        undo(project, "@", stamp=stamp(5), now=LATER)
    with pytest.raises(NotFound, match="can no longer be undone"):
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


def test_what_is_needed_again_at_the_last_moment_stays(project, second, monkeypatch):
    sweep = project.backend.sweep

    def tag_and_sweep(choose):
        tag(project, "etl@v2", second, stamp=stamp(3), now=NOON)
        return sweep(choose)

    monkeypatch.setattr(project.backend, "sweep", tag_and_sweep)
    assert second not in [one.oid for one in Garbage(project, undo_since=LATER).sweep()]
    assert is_whole(project)


LEADING = (
    "active/1/.run",
    "active/1/a",
    "forgotten/1",
    "spent/etl/0000000009",
    "logs/etl/1/1.log/0000000000000000",
    "numbers/etl/0000000009",
    "ran/1/etl/1",
    "runs/etl/1",
    "stops/1",
    "begun/etl",
    "tags/etl/v1",
    "tally/1/9:success=1",
    "unattached/etl/1",
    "fires/etl/1",
    "skips/etl/1",
    "decided/etl/1",
    "paused/etl",
    "archived/etl",
    "former/etl/load",
    "remotes/origin/etl",
    "agreed/origin/etl/v1",
    "queue/etl/1",
    "up/now",
    "hooks/etl/1/1",
    "workflows/other",
)


@pytest.mark.parametrize("ref", LEADING)
def test_what_any_ref_leads_to_stays(project, keep, ref):
    oid = keep(version(1)).deploy
    deploy = project.get(Deploy, oid)
    task = project.snapshot(deploy.snapshot).tasks["a"]
    values = (
        Blob(b"of this ref alone"),
        replace(deploy, message="of this ref alone"),
        replace(write_run(project, oid, {"a": outcome(task)}), number=9),
        outcome(task, number=9),
        Tombstone(author="Ada", object=oid, reason="", replacement=task, time=NOON),
        Operation(argv=("of", "this"), author="Ada", moves=(), parent=None, time=NOON),
    )
    (value,) = (value for value in values if kind_of(value) == kind_of_target(ref))
    (oid,) = plant(project, value)
    assert project.backend.write({}, {ref: (None, oid)})
    assert gc(project, now=LATER, stamp=stamp(2400)).objects == 0
    assert project.backend.get(oid)


def test_all_kinds_of_refs_are_tried():
    tried = {ref.partition("/")[0] for ref in LEADING}
    assert tried | {"ops", "read"} == store_module._KINDS_OF_REFS.keys()


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


@pytest.mark.slow
def test_it_is_killed_between_two_writes_and_typed_again(project, second):
    killed = beside(project.project, "prune", env={**os.environ, "ORK_FAILPOINT": "gc.swept"})
    assert (killed.communicate()[1], killed.returncode) == (b"", -signal.SIGKILL)
    assert is_whole(project)
    assert set(project.backend.oids()) > needed(project)
    assert collect(project).objects
    assert set(project.backend.oids()) == needed(project)


@pytest.mark.slow
@pytest.mark.parametrize("collected", [True, False])
@pytest.mark.turns(2)
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


def test_a_deploy_whose_head_is_undone_and_removed_meanwhile_is_made_again(
    project, keep, monkeypatch
):
    keep(version(1))
    commit = Transaction.commit

    def undo_first(tx):
        monkeypatch.undo()
        undo(project, stamp=stamp(1), now=NOON)
        assert Garbage(project, undo_since=LATER).sweep()
        commit(tx)

    (project.project / "etl.yaml").write_text(version(2))
    monkeypatch.setattr(Transaction, "commit", undo_first)
    store = Store(project.backend, folder=project.folder)
    assert deploy(store, project.project / "etl.yaml", stamp=stamp(2)).parent is None
    assert is_whole(project)


def test_an_undo_passes_over_gc_and_tells_of_it(project, keep):
    first = keep(version(1)).deploy
    keep(version(2), hours=1)
    for content in (b"nobody needs this", b"nor this"):
        plant(project, Blob(content))
        assert collect(project).objects == 1
    gc = next(operations(project))[1].command
    assert undo(project, stamp=stamp(2500), now=LATER).passed == (gc, gc)
    assert project.ref("workflows/etl") == first


def test_an_undo_says_that_gc_removed_meanwhile_where_it_would_go(project, second, monkeypatch):
    def collect_then(*arguments, **options):
        check(*arguments, **options)
        assert Garbage(project, undo_since=LATER).sweep()

    check = undo_module._check_unmoved
    monkeypatch.setattr(undo_module, "_check_unmoved", collect_then)
    store = Store(project.backend, folder=project.folder)
    with pytest.raises(NotFound, match="can no longer be undone"):
        undo(store, stamp=stamp(3), now=NOON)
    assert is_whole(project)


def race(project, kind, rounds):
    """Processes deploy, undo and tag the same contents while another collects: what they said."""
    for number in range(2):
        put(project, project.project / f"w{number}.yaml", f"w{number}", 0)
    writers = [beside(project.project, "write", f"w{n}", str(rounds)) for n in range(2)]
    collector = beside(project.project, "collect", kind)
    said = [writer.communicate()[1].decode() for writer in writers]
    return "".join([*said, collector.communicate()[1].decode()])


@pytest.mark.slow
@pytest.mark.turns(3)
def test_writers_and_gc_in_several_processes(project):
    assert race(project, "exact", size(200, by_day=12)) == ""
    assert is_whole(project)


@pytest.mark.turns(3)
def test_gc_that_does_not_look_again_removes_what_writers_need(project):
    """The negative control of the race above; its processes need not meet the first time."""
    assert any(
        "missing" in race(project, "blind", 12) or not is_whole(project) for _ in range(TRIES_MAX)
    )


@pytest.fixture
def wide(ran):
    """A store whose data file has much room that is free."""
    with raw(ran.folder / ".ork") as txn:
        for number in range(100):
            txn.put(b"o" + bytes([number]) * 32, b"\0" + bytes(9000))
    with raw(ran.folder / ".ork") as txn:
        for number in range(100):
            txn.delete(b"o" + bytes([number]) * 32)
    return ran


@pytest.mark.slow
def test_a_data_file_that_is_written_anew_is_smaller_and_has_all(wide):
    folder = wide.folder / ".ork"
    before, size = answers(wide.folder), data_file(folder).stat().st_size
    store = opened(wide.folder)
    kept = contents(store)
    store.close()
    said = room(folder, environ={})
    assert said is not None
    done = repack(folder, environ={})
    assert (done.before, done.after) == (size, data_file(folder).stat().st_size)
    assert done.after < said.after * 1.5 < size / 4
    store = location.open_store(folder, environ={})
    assert contents(store) == kept
    store.close()
    assert answers(wide.folder) == before
    assert wide("fsck", "--full").code == 0
    assert wide("deploy", "etl.yaml").code == 0
    assert room(folder, environ={}).before < size / 4


@pytest.mark.slow
@pytest.mark.parametrize("point", ["repack.copied", "repack.swapped"])
@pytest.mark.turns(2)
def test_a_repack_that_was_killed_is_typed_again(wide, point):
    folder = wide.folder / ".ork"
    before = answers(wide.folder)
    killed = beside(wide.folder, "anew", env={**os.environ, "ORK_FAILPOINT": point})
    assert (killed.communicate()[1], killed.returncode) == (b"", -signal.SIGKILL)
    assert answers(wide.folder) == before
    assert wide("fsck").code == 0
    assert list(folder.glob("data.tmp-*"))
    assert repack(folder, environ={}).done
    assert not list(folder.glob("data.tmp-*"))
    assert answers(wide.folder) == before


@pytest.mark.slow
def test_a_store_that_somebody_has_open_is_not_written_anew(wide):
    folder = wide.folder / ".ork"
    before = data_file(folder).read_bytes()
    other = beside(wide.folder, "hold", stdout=subprocess.PIPE)
    assert other.stdout.readline() == b"ready\n"
    refused = wide("gc", "--prune", "--repack")
    who = f"another process has the store open: {other.pid} on {os.uname().nodename}"
    assert (refused.code, who in refused.err) == (4, True)
    store = opened(wide.folder)
    _, head = next(iter(store.backend.refs("workflows/")))
    run = begin_run(store, head).run
    store.close()
    assert f"{who}; {run.workflow}#{run.number} goes on" in wide("gc", "--repack").err
    before = data_file(folder).read_bytes()
    other.communicate(b"\n")
    assert data_file(folder).read_bytes() == before


def test_what_is_written_while_the_file_is_made_is_not_lost(wide, monkeypatch):
    def tag_first(*arguments, **options):
        assert wide("tag", "meanwhile", "etl").code == 0
        swap(*arguments, **options)

    monkeypatch.setattr("ork.upkeep.prune.swap", tag_first)
    with pytest.raises(StoreError, match="written meanwhile"):
        repack(wide.folder / ".ork", environ={})
    assert not list((wide.folder / ".ork").glob("data.tmp-*"))
    assert wide("rev-parse", "etl@meanwhile").code == 0


def test_a_damaged_data_file_is_not_written_anew(wide):
    folder = wide.folder / ".ork"
    with lmdb.open(str(folder / "db"), map_size=1 << 30) as env:
        page_bytes = env.stat()["psize"]
    data = bytearray(data_file(folder).read_bytes())
    found = -1
    while (found := data.find(b"rworkflows/etl", found + 1)) >= 0:
        data[found // page_bytes * page_bytes + 12] -= 2  # the page seems to have one record less
    data_file(folder).write_bytes(data)
    with pytest.raises(Corrupt, match="is damaged"):
        repack(folder, environ={})
    assert data_file(folder).read_bytes() == data


def test_the_anchor_is_on_the_disk_before_another_data_file_is_in_its_place(wide, monkeypatch):
    done = []
    flush, rename = os.fsync, os.rename

    def flushed(file):
        done.append(os.path.basename(os.readlink(f"/proc/self/fd/{file}")))
        flush(file)

    def renamed(old, new):
        done.append("renamed")
        rename(old, new)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "rename", renamed)
    repack(wide.folder / ".ork", environ={})
    assert done.index("anchor") < done.index("renamed")
