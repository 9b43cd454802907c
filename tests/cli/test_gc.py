"""ork gc"""

import json
import re

import pytest

from ork.objects.kinds import Operation, Run
from ork.objects.value import replace
from ork.store import location
from ork.upkeep.gc import Garbage


@pytest.fixture
def undone(ran, edit):
    """A store with a deploy that was undone, and nothing else that nothing needs."""
    store = location.open_store(ran.folder / ".ork", environ={})
    Garbage(store, undo_since=store.get(Operation, store.ref("ops")).time).sweep()
    store.close()  # what a run leaves depends on how quick it was
    edit("etl.yaml", "@daily", "@hourly")
    assert ran("deploy", "etl.yaml").code == 0
    assert ran("undo").code == 0
    return ran


def without_file(text):
    """Leave out how large the data file is, and whether it would be smaller when written anew.

    That depends on the pages of the system, and on how quick the run was that wrote into it.
    """
    text = re.sub(r"the data file has [\d,]+ bytes; --repack would leave about [\d,]+\n", "", text)
    return re.sub(r'"(before|after)": \d+', r'"\1": 0', text)


def without_sizes(text):
    """Leave out what is as long as times are, and the objects: how many a run leaves depends."""
    text = re.sub(r"(?m)^(\w.* of \d+ objects.*|  .*)\n", "", without_file(text))
    return re.sub(r"\d+ bytes", "N bytes", text)


@pytest.mark.slow
def test_it_says_what_would_go_and_removes_it(undone, golden):
    said = undone("gc", "--undo-days", "0")
    assert said.code == 0
    golden("gc/dry.txt", without_file(said.out))
    assert said.err == "next: `ork gc --undo-days 0 --prune` removes it\n"
    done = undone("gc", "--undo-days", "0", "--prune")
    assert (done.code, done.err) == (0, "")
    golden("gc/pruned.txt", without_file(done.out))
    golden("gc/nothing.txt", without_file(undone("gc").out))
    golden("gc/nothing.json", without_file(undone("gc", "--json").out))
    assert undone("fsck", "--full").code == 0
    golden("gc/ops.txt", undone("ops", "-n", "3").out)


def test_what_was_removed_cannot_be_undone(undone):
    assert undone("gc", "--undo-days", "0", "--prune").code == 0
    refused = undone("undo", "@")
    assert (refused.code, "gone for good" in refused.err) == (2, True)
    refused = undone("undo", "@{1}")
    assert (refused.code, "can no longer be undone" in refused.err) == (3, True)


def test_json(undone):
    done = json.loads(undone("gc", "--undo-days", "0", "--prune", "--json").out)
    assert done["schema"] == "ork.gc.v1"
    done = done["data"]
    assert done["done"]
    assert done["objects"] == sum(done["kinds"].values())


def test_it_says_when_less_room_would_do(undone):
    found = json.loads(undone("gc", "--json").out)["data"]["file"]
    words = f"the data file has {found['before']:,} bytes; --repack would leave about"
    told = f"{words} {found['after']:,}\n" in undone("gc").out
    assert told == (found["after"] < found["before"])


@pytest.mark.slow
def test_room_is_given_back(undone):
    folder = undone.folder / ".ork/db"
    (file,) = (folder / name for name in ("data.mdb", "store.db") if (folder / name).exists())
    before = file.stat().st_size
    done = undone("gc", "--prune", "--repack", "--undo-days", "0")
    after = file.stat().st_size
    assert (done.code, done.err) == (0, "")
    assert f"the data file has {after:,} bytes, and had {before:,} before" in done.out
    assert undone("fsck", "--full").code == 0
    done = json.loads(undone("gc", "--repack", "--json").out)["data"]["file"]
    assert done == {"done": True, "before": after, "after": after}


@pytest.mark.slow
def test_runs_that_need_not_stay(ran, golden):
    assert ran("run", "etl").code == ran("run", "etl").code
    ran._seconds += 3_000_000_000  # runs end by the real clock
    said = ran("gc", "--keep-runs", "1")
    assert said.code == 0
    golden("gc/runs-dry.txt", without_sizes(said.out))
    done = ran("gc", "--keep-runs", "1", "--keep-logs-days", "1", "--prune")
    assert done.code == 0
    golden("gc/runs.txt", without_sizes(done.out))
    golden("gc/runs-ops.txt", ran("ops", "-n", "1").out)
    refused = ran("show", "etl#3")
    assert (refused.code, refused.out) == (3, "")
    golden("gc/runs-show.txt", refused.err)
    assert ran("logs", "etl#4").code == 3
    assert [line.split()[1] for line in ran("runs").out.splitlines()] == ["etl#4", "etl#1"]
    assert "etl#3" not in ran("log").out
    assert ran("export", "git", "repo", "etl").code == 0
    assert ran("fsck", "--full").code == 0
    refused = ran("undo", "@")
    assert (refused.code, "gone for good" in refused.err) == (2, True)


@pytest.mark.slow
def test_no_run_that_was_removed_is_said_never_to_have_been(ork):
    ork.write("w.yaml", "name: w\ntasks: {a: {executor: process, command: test -e ok}}\n")
    assert ork("run", "w.yaml").code == 1
    ork.write("ok", "")
    ork.write("w.yaml", "name: w\ntasks: {a: {executor: process, command: test -e ./ok}}\n")
    assert [ork("run", "w.yaml").code for _ in "abc"] == [0, 0, 0]
    ork._seconds += 3_000_000_000  # runs end by the real clock
    done = ork("gc", "--keep-runs", "1", "--undo-days", "0", "--prune", "--force")
    assert "removed 3 runs of w: #1 to #3" in done.out
    assert "error: no kept run of w has failed" in ork("diff", "--last", "w").err
    assert "error: no run of w~1 is kept" in ork("logs", "w~1").err
    ork.write("v.yaml", "name: v\ntasks: {a: {executor: process, command: 'true'}}\n")
    assert ork("run", "v.yaml").code == 0
    assert "error: no run of v has failed" in ork("diff", "--last", "v").err


def test_it_says_which_runs_stay_since_undo_is_possible(ran):
    assert ran("run", "etl").code == ran("run", "etl").code
    said = ran("gc", "--keep-runs", "1")
    number = json.loads(ran("gc", "--keep-runs", "1", "--json").out)["data"]["undoable"]
    assert said.err.startswith(f"note: {number} runs stay, ended in the last 30 days: `ork undo`")
    assert number > 1
    for options in ([], ["--keep-days", "3"], ["--keep-runs", "9"]):
        assert "stay" not in ran("gc", *options).err


def test_looking_back_removes_nothing(undone):
    assert undone("--at-op", "@{1}", "gc").code == 2


def test_records_that_are_superseded_are_not_called_runs(ork, opened):
    text = "name: f\ntasks:\n  a: {executor: process, command: sleep 0.2}\n"  # recorded as running
    ork.write("f.yaml", text)
    assert ork("run", "f.yaml").code == 0
    store = opened()
    with store.transaction() as tx:
        left = tx.add(replace(store.get(Run, store.ref("numbers/f/0000000001")), number=2))
        tx.move("runs/f/left", old=None, new=left)
    with store.transaction() as tx:
        tx.move("runs/f/left", old=left, new=None)
    told = ork("gc").out
    assert "1  superseded records of runs\n" in told and " run\n" not in told


@pytest.mark.parametrize("text", ["", "d", "-1", "x", "1h", "100001", "9" * 30])
def test_days_are_a_number_with_or_without_their_unit(ran, text):
    assert ran("gc", "--keep-days", "90d").out == ran("gc", "--keep-days", "90").out
    refused = ran("gc", "--keep-days", text)
    assert (refused.code, "say days, up to 100,000: 90, or 90d" in refused.err) == (2, True)
