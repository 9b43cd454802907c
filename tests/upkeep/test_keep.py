"""Which runs stay, and that of the others nothing is left but that they were there."""

from __future__ import annotations

import os
import signal
import subprocess
from datetime import timedelta

import pytest

from ork.backends import anchor
from ork.errors import Conflict, Corrupt, InvalidInput, NotFound, StoreError
from ork.heads.undo import undo
from ork.objects.kinds import Deploy, Run
from ork.objects.value import replace
from ork.runner import owner, record
from ork.store import location
from ork.store.resolve import next_number, resolve, run_of_number
from ork.store.runs import refs_of
from ork.store.store import Store
from ork.store.verdict import tally
from ork.sync.bundle import open_bundle
from ork.sync.receive import receive
from ork.sync.select import Wish, create, select
from ork.upkeep import keep as module
from ork.upkeep import prune
from ork.upkeep.keep import Keep, configured
from ork.upkeep.prune import gc
from ork.upkeep.repair import repair
from tests.heads.conftest import version
from tests.runs import outcome, write_retry, write_run
from tests.scale import size
from tests.stores import NOON, reachable, stamp
from tests.upkeep.beside import LATER
from tests.upkeep.looks import look_here
from tests.upkeep.test_gc import beside, collect, is_whole

SOON = NOON + timedelta(days=31)  # the runs are at noon, and take a second


def task_of(store, deploy):
    return store.named(store.snapshot(store.get(Deploy, deploy).snapshot).tasks.root)["a"]


def write(store, deploy, *states, **fields):
    done = {state: {"a": outcome(task_of(store, deploy), state)} for state in states}
    return [write_run(store, deploy, done[state], state, **fields) for state in states]


@pytest.fixture
def five(project, keep):
    """Two versions of etl, and five runs: good, good; of the other version good, failed, failed."""
    for number, states in enumerate([["success"] * 2, ["success", "failed", "failed"]], 1):
        write(project, keep(version(number)).deploy, *states)
    for number in range(1, 6):
        _, run = run_of_number(project, "etl", number)
        for parts in (("logs", "etl", run.id), ("work", run.id)):
            with project.inside(*parts, make=True) as at:
                os.close(os.open("1.log", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=at))
                os.truncate(f"/proc/self/fd/{at}/1.log", 3)
    return project


def numbers(store, workflow="etl"):
    return [int(name) for name, _ in store.refs(f"numbers/{workflow}/")]


def folders(store, *parts):
    return sorted(os.listdir(store.folder.joinpath(*parts)))


def test_without_a_wish_every_run_stays(five):
    done = collect(five)
    assert (done.runs, done.logs.count, done.checkouts.count) == ({}, 0, 0)
    assert numbers(five) == [1, 2, 3, 4, 5]


def test_runs_go_by_number_but_for_the_newest_and_the_last_good_ones(five):
    head = five.ref("workflows/etl")
    keep = Keep(runs=0)
    said = gc(five, keep=keep, now=LATER)
    assert (said.runs, said.logs.count, said.checkouts.bytes) == ({"etl": (1, 4)}, 2, 6)
    assert numbers(five) == [1, 2, 3, 4, 5]
    done = collect(five, keep=keep)
    assert (done.runs, done.logs, done.checkouts) == (said.runs, said.logs, said.checkouts)
    assert (done.objects, done.bytes) == (said.objects, said.bytes)
    assert numbers(five) == [2, 3, 5]
    kept = [run_of_number(five, "etl", number)[1].id for number in (2, 3, 5)]
    assert folders(five, "logs", "etl") == folders(five, "work") == kept
    assert tally(five, head).counts == {"failed": 1, "success": 1}
    with pytest.raises(
        NotFound, match=r"etl#4 was removed by gc on 2027-02-09 \(operation"
    ) as told:
        resolve(five, "etl#4", now=LATER)
    assert told.value.hint == "the newest is etl#5"
    assert collect(five, keep=keep).nothing
    assert write(five, head, "success")[0].number == 6
    assert set(five.backend.oids()) >= reachable(
        five, *dict(five.backend.refs()).values(), undo=False
    )


def test_the_tally_says_which_ended_last_of_those_that_stay(five):
    write_retry(five, "etl", 3, {"a": outcome(task_of(five, five.ref("workflows/etl")))}, "success")
    write(five, five.get(Deploy, five.ref("workflows/etl")).parents[0], "failed", "failed")
    collect(five, keep=Keep(runs=0))
    assert numbers(five) == [2, 3, 7]
    assert tally(five, five.ref("workflows/etl")).last == 3


@pytest.mark.parametrize(
    ("kept", "now", "stay"),
    [
        (Keep(runs=2), LATER, [2, 3, 4, 5]),
        (Keep(runs=4, days=1), LATER, [2, 3, 4, 5]),
        (Keep(days=101), LATER, [1, 2, 3, 4, 5]),
        (Keep(days=99), LATER, [2, 3, 5]),
        (Keep(days=0), NOON + timedelta(days=30), [1, 2, 3, 4, 5]),
        (Keep(runs=0), NOON + timedelta(days=30), [1, 2, 3, 4, 5]),
        (Keep(runs=0), SOON, [2, 3, 5]),
        (Keep(runs=0, undo_days=1), NOON + timedelta(days=2), [2, 3, 5]),
    ],
)
def test_a_run_stays_that_is_among_the_newest_or_young_enough(five, kept, now, stay):
    collect(five, keep=kept, now=now)
    assert numbers(five) == stay


def test_runs_whose_outputs_others_took_stay_with_them(five):
    ids = [run_of_number(five, "etl", number)[1].id for number in (1, 4)]
    deploy = five.ref("workflows/etl")
    write(five, deploy, "failed", base=ids[0])
    write(five, deploy, "failed", base=run_of_number(five, "etl", 6)[1].id)
    write(five, deploy, "failed", base=ids[1])
    write(five, deploy, "failed", base=run_of_number(five, "etl", 7)[1].id)
    collect(five, keep=Keep(runs=0))
    assert numbers(five) == [1, 2, 3, 6, 7, 9]


def test_the_greatest_number_stays_even_if_another_run_is_newer(five):
    like = run_of_number(five, "etl", 1)[1]
    run = replace(like, id="20261101T110000.000-000000", number=9, deploy=None, state="failed")
    with five.transaction() as tx:
        oid, place = tx.add(run), tx.add_value({"root": ".", "settings": {}})
        for ref in refs_of(run):
            tx.move(ref, old=None, new=place if ref.startswith("unattached/") else oid)
    collect(five, keep=Keep(runs=0))
    assert numbers(five) == [2, 3, 5, 9]


@pytest.mark.parametrize("how", ["goes on", "went on", "owned"])
def test_a_run_that_somebody_goes_on_with_at_this_moment_stays(five, monkeypatch, how):
    oid, run = run_of_number(five, "etl", 4)
    held = []

    def go_on(*arguments):
        real(*arguments)
        if how == "goes on":
            held.append(record.resume(five, oid, run, run, {}))
        elif how == "went on":
            done = {"a": outcome(task_of(five, run.deploy), "failed")}
            write_retry(five, "etl", 4, done, "failed")
        else:
            held.append(owner.own(five, run.id))

    real = prune._record
    monkeypatch.setattr(prune, "_record", go_on)
    done = collect(five, keep=Keep(runs=0, logs_days=200, checkouts_days=200))
    assert done.runs == {"etl": (1,)}
    assert numbers(five) == [2, 3, 4, 5]
    assert run.id in folders(five, "logs", "etl")
    if how != "went on":  # at its end a run removes its checkout itself
        assert run.id in folders(five, "work")


def test_a_removed_run_is_not_gone_on_with(five):
    oid, run = run_of_number(five, "etl", 4)
    collect(five, keep=Keep(runs=0))
    with pytest.raises(Conflict, match="moved by somebody else"):
        record.resume(five, oid, run, run, {})
    assert is_whole(five)


def test_the_end_of_another_run_is_not_lost_from_the_tally(five, monkeypatch):
    head = five.ref("workflows/etl")
    real, done = module._count_out, []

    def end_another(tx, gone):
        real(tx, gone)
        if not done:
            done.extend(write(five, head, "success"))

    monkeypatch.setattr(module, "_count_out", end_another)
    collect(five, keep=Keep(runs=0))
    assert done
    assert tally(five, head).counts == {"failed": 1, "success": 2}


def test_logs_go_alone_and_a_retry_does_not_write_where_they_were(ran):
    store = location.open_store(ran.folder / ".ork", environ={})
    before = ran("logs", "etl#2:load").out
    assert before
    done = collect(store, keep=Keep(logs_days=0))
    store.close()
    assert (done.logs.count, done.runs) == (2, {})
    refused = ran("logs", "etl#2:load")
    assert (refused.code, "the logs of etl#2 were removed by gc on" in refused.err) == (3, True)
    assert ran("logs", "-f", "etl#2").err == refused.err
    assert ran("show", "etl#2").code == 0
    assert ran("retry", "etl#2").code in (0, 1)
    assert ran("logs", "etl#2:load", "--attempt", "1").out == ""
    assert ran("logs", "etl#2:load").out == before
    assert ran("fsck", "--full").code == 0


@pytest.mark.slow
@pytest.mark.parametrize("point", ["gc.recorded", "gc.folders", "gc.runs", "gc.swept"])
@pytest.mark.turns(2)
def test_it_is_killed_anywhere_and_typed_again(five, point):
    folder = five.folder
    killed = beside(five.project, "retain", env={**os.environ, "ORK_FAILPOINT": point})
    assert (killed.communicate()[1], killed.returncode) == (b"", -signal.SIGKILL)
    assert is_whole(five)
    collect(Store(five.backend, folder=folder), keep=Keep(runs=0), force=True)
    assert numbers(five) == [2, 3, 5]
    assert len(folders(five, "logs", "etl")) == len(folders(five, "work")) == 3
    assert collect(five, keep=Keep(runs=0)).nothing


@pytest.mark.slow
def test_most_may_go_where_runs_go_but_not_where_refs_were_lost(five):
    deploy = five.ref("workflows/etl")
    for number in range(60):
        write(five, deploy, "failed", author=f"{number}")
    assert collect(five, keep=Keep(runs=0)).objects > 60
    for ref, oid in list(five.backend.refs()):
        if ref != "ops":
            five.backend.write({}, {ref: (oid, None)})
    with pytest.raises(StoreError, match="were refs lost"):
        gc(five, keep=Keep(), now=LATER, stamp=stamp())


def test_the_anchor_does_not_miss_a_run_that_was_removed(five):
    told = anchor.read(five.folder)
    collect(five, keep=Keep(runs=0))
    pin = anchor.Anchor(
        sequence=five.backend.sequence(), operation=told.operation, pin="numbers/etl/0000000004"
    )
    anchor.append(five.folder, pin)
    location.open_store(five.folder, environ={}).close()
    assert is_whole(five)
    lost = anchor.Anchor(
        sequence=five.backend.sequence(), operation=told.operation, pin="numbers/etl/0000000007"
    )
    anchor.append(five.folder, lost)
    assert location.lost(five, anchor.read(five.folder))


@pytest.mark.slow
def test_what_is_left_goes_to_other_stores(five, tmp_path):
    from ork.sync.backup import backup

    collect(five, keep=Keep(runs=0))
    wish = Wish(all=True, runs=None)
    chosen = select(five, wish, now=LATER)
    assert sum(ref.startswith("runs/") for ref in chosen.refs) == 3
    create(five, wish, tmp_path / "all.orkbundle", now=LATER)
    location.create(tmp_path / ".ork")
    third = location.open_store(tmp_path / ".ork", environ={})
    with open_bundle(str(tmp_path / "all.orkbundle")) as bundle:
        receive(bundle, third, stamp=stamp())
    assert numbers(third) == [2, 3, 5]
    assert is_whole(third)
    third.close()
    done = backup(five, tmp_path / "copy", environ=dict(os.environ))
    assert done.errors == 0
    other = location.open_store(tmp_path / "copy" / ".ork", environ={})
    with pytest.raises(NotFound, match="etl#4 was removed by gc"):
        resolve(other, "etl#4", now=LATER)
    other.close()


def lose_the_root(file):
    """Damage the pages that lead to all others: what there is is found, and so is what went."""
    data = bytearray(file.read_bytes())
    page_bytes = int.from_bytes(data[40:44], "little")
    for meta in (0, page_bytes):
        root = int.from_bytes(data[meta + 128 : meta + 136], "little") * page_bytes
        data[root + 10 : root + 12] = bytes(2)
    file.write_bytes(data)


@pytest.mark.slow
@pytest.mark.lmdb
@pytest.mark.parametrize("went_on", [False, True])
def test_a_repair_brings_back_no_run_that_was_removed(five, monkeypatch, went_on):
    def go_on(*arguments):
        real(*arguments)
        if went_on:
            held.append(record.resume(five, *run_of_number(five, "etl", 4), run, {}))

    real, held, run = prune._record, [], run_of_number(five, "etl", 4)[1]
    monkeypatch.setattr(prune, "_record", go_on)
    collect(five, keep=Keep(runs=0))
    for begun in held:
        ended = replace(begun.run, state="failed", ended=LATER + timedelta(days=1), duration=1)
        begun.end(ended, {"a": outcome(task_of(five, run.deploy), "failed")}, {})
    folder = five.folder
    five.close()
    lose_the_root(folder / "db/data.mdb")
    done = repair(folder, environ=dict(os.environ), now=LATER)
    assert done.after.errors == 0
    assert {one.code for one in done.before.findings} >= {"E001"}
    store = location.open_store(folder, environ={})
    assert numbers(store) == ([2, 3, 4, 5] if went_on else [2, 3, 5])
    store.close()


def test_what_a_head_was_long_ago_is_told_to_be_gone(project, keep):
    keep(version(1))
    keep(version(2), hours=1)
    undo(project, stamp=stamp(2), now=NOON)
    assert resolve(project, "etl@{1}", now=NOON)
    collect(project)
    with pytest.raises(NotFound, match="it was undone, and `ork gc` removed it"):
        resolve(Store(project.backend), "etl@{1}", now=NOON)
    first = resolve(project, "etl@{2}", now=NOON).oid
    project.backend.sweep(lambda: [first])  # which is still needed
    with pytest.raises(Corrupt, match="missing"):
        resolve(Store(project.backend), "etl@{2}", now=NOON)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[keep]\nrun = 5", "keep.run is not known"),
        ("[keep]\nruns = -1", "keep.runs is a number"),
        ("[keep]\nruns = true", "keep.runs is a number"),
        ("[keep]\nruns = 1.5", "keep.runs is a number"),
        ("keep = 5", "'keep' is not known"),
        ("[other]", "'other' is not known"),
        ("[keep", "config.toml"),
        ("\xff", "config.toml"),
    ],
)
def test_what_the_configuration_may_not_say(project, text, words):
    (project.folder / "config.toml").write_text(text, "latin-1")
    with pytest.raises(InvalidInput, match=words):
        configured(project.folder)


def test_the_configuration_says_what_is_kept(five):
    assert configured(five.folder) == Keep()
    (five.folder / "config.toml").write_text("[keep]\nruns = 0\nlogs_days = 1\nundo_days = 7\n")
    assert configured(five.folder) == Keep(runs=0, logs_days=1, undo_days=7)
    assert collect(five).runs == {"etl": (1, 4)}
    assert not folders(five, "logs", "etl")


def test_a_configuration_that_is_a_link_is_refused(five, tmp_path):
    (tmp_path / "outside").write_text("[keep]\nruns = 0\n")
    (five.folder / "config.toml").symlink_to(tmp_path / "outside")
    with pytest.raises(StoreError, match="is a link"):
        location.open_store(five.folder, environ={})


@pytest.mark.turns(2)
def test_a_number_is_not_given_again_that_went_while_a_run_began(five, monkeypatch):
    """Others took it, and gc has removed their runs, before the run was written."""
    head = five.ref("workflows/etl")
    states = {"a": outcome(task_of(five, head), "failed")}
    passed = []

    def meanwhile(name):
        passed.append(name)
        if passed.count("begin.locked") == 1 and name == "begin.locked":
            for _ in range(3):
                write_run(five, head, states, "failed", created=NOON + timedelta(hours=1))
            done = gc(
                five, keep=Keep(runs=1, undo_days=0), now=LATER, stamp=stamp(2400), force=True
            )
            assert {6, 7} <= set(done.runs["etl"])

    monkeypatch.setattr(record, "failpoint", meanwhile)
    assert write_run(five, head, states, "failed").number == 9


@pytest.mark.slow
def test_runs_begin_and_end_while_others_are_removed(five):
    """Two processes write runs and go on with them; another one removes all but a few."""
    rounds = str(size(200, by_day=15))
    remover = beside(five.project, "retain_on", stdout=subprocess.PIPE)
    assert remover.stdout.readline() == b"ready\n"  # else all is written before it has begun
    writers = [beside(five.project, "run_on", rounds) for _ in range(2)]
    said = [writer.communicate()[1].decode() for writer in writers]
    said.append(remover.communicate()[1].decode())
    assert said == ["", "", ""]
    assert {one.code for one in look_here(five.folder, "full")} <= {"N501", "N502"}
    numbers_left = numbers(five)
    assert numbers_left[-1] == 5 + 2 * int(rounds)
    assert len(numbers_left) < int(rounds)


@pytest.fixture
def damaged(five):
    """What came of the tasks of the newest runs, etl#6 and etl#7, is gone from the store."""
    head = five.ref("workflows/etl")
    for number in (6, 7):
        states = {"a": outcome(task_of(five, head), number=number)}
        run = write_run(five, head, states)
        lost = five.get(Run, five.ref(f"runs/etl/{run.id}")).tasks
        five.backend.sweep(lambda oid=lost: [oid])
    return Store(five.backend, folder=five.folder)


def test_runs_that_lack_something_are_named(damaged, tmp_path):
    with pytest.raises(Corrupt, match="etl#6, etl#7 lack something") as caught:
        gc(damaged, now=SOON)
    assert "`ork gc --damaged`" in caught.value.hint
    with pytest.raises(Corrupt, match=r"etl#7 is not whole: object .* is missing") as caught:
        create(damaged, Wish(all=True, runs=None), tmp_path / "all.bundle", now=SOON)
    assert "`ork gc --damaged`" in caught.value.hint


@pytest.mark.parametrize("wish", [Keep(), Keep(runs=0, undo_days=0)])
def test_runs_that_lack_something_go_and_their_numbers_stay(damaged, wish):
    said = gc(damaged, now=NOON, damaged=True)
    assert (said.done, said.runs) == (False, {"etl": (6, 7)})
    done = collect(damaged, now=NOON, keep=wish, damaged=True)
    assert set(done.runs["etl"]) >= {6, 7}
    assert next_number(damaged, "etl") == 8
    with pytest.raises(NotFound, match="removed by gc"):
        run_of_number(damaged, "etl", 7)
    assert collect(damaged, now=NOON, damaged=True).nothing


def test_what_a_history_lacks_is_no_reason_to_remove_runs(damaged):
    deploy = damaged.get(Deploy, damaged.ref("workflows/etl"))
    damaged.backend.sweep(lambda: [deploy.snapshot])
    fresh = Store(damaged.backend, folder=damaged.folder)
    assert [entry.run.number for entry in module.damaged(fresh)] == [6, 7]


def lose(store, oid):
    """Let an object be gone; return the store as it is opened next."""
    store.backend.sweep(lambda: [oid])
    return Store(store.backend, folder=store.folder)


def of_deploy(store):
    """Return the only finding about a deploy that is gone: what suffers."""
    (found,) = [one for one in look_here(store.folder) if one.level == "error"]
    assert (found.code, found.message) == ("E101", "a deploy is missing")
    return found.affects


@pytest.mark.parametrize("tallied", [True, False])
def test_what_lacks_a_deploy_of_a_history_stays_with_all_objects(five, tallied):
    head = five.ref("workflows/etl")
    (lost,) = five.get(Deploy, head).parents
    if not tallied:  # as a repair has left it: no ref can lead to what is gone
        (text,) = dict(five.refs(f"tally/{lost}/"))
        with five.transaction() as tx:
            tx.move(f"tally/{lost}/{text}", old=lost, new=None)
    five = lose(five, lost)
    assert of_deploy(five) == (f"etl: deploy {head[:12]}", "etl#1", "etl#2")
    before = sorted(five.backend.oids())
    with pytest.raises(Corrupt, match="missing"):
        gc(five, now=SOON)
    done = gc(five, now=SOON, stamp=stamp(2400), keep=Keep(runs=0), damaged=True)
    assert (done.runs, done.objects, len(before)) == ({"etl": (1, 4)}, 0, done.objects_before)
    assert lost in done.lacking
    assert set(five.backend.oids()) >= set(before)
    assert of_deploy(five) == (f"etl: deploy {head[:12]}", "etl#2")


@pytest.mark.parametrize("together", [50, 2])
def test_runs_of_a_head_that_is_gone_go(five, together, monkeypatch):
    monkeypatch.setattr(module, "RUNS_TOGETHER", together)
    lost = five.ref("workflows/etl")
    with five.transaction(stamp()) as tx:  # as a repair leaves out what leads nowhere
        tx.move("workflows/etl", old=lost, new=None)
    five = lose(five, lost)
    assert of_deploy(five) == ("etl#3", "etl#4", "etl#5")
    with pytest.raises(Corrupt, match="etl#3, etl#4, etl#5 lack something"):
        gc(five, now=SOON)
    done = collect(five, now=SOON, damaged=True)
    assert (done.runs, done.lacking) == ({"etl": (3, 4, 5)}, "")
    assert numbers(five) == [1, 2]
    assert is_whole(five)
