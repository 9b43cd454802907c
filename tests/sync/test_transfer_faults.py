"""Push and pull when something goes wrong: kills, races, gc beside them, stores made to do harm."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from datetime import timedelta
from pathlib import Path

import pytest
from blake3 import blake3

from ork.errors import Conflict, OrkError
from ork.heads.deploy import deploy
from ork.heads.tags import tag
from ork.objects.canonical import Oid
from ork.objects.kinds import Blob, Deploy, Snapshot, Tombstone
from ork.objects.value import replace
from ork.runner import record
from ork.store import location
from ork.store.store import Store
from ork.store.verdict import Tally, tally
from ork.sync import carrier, transfer
from tests.runs import outcome, write_retry
from tests.stores import NOON, contents, plant, stamp
from tests.sync.test_bundle import Places, bomb, heads
from tests.sync.test_transfer import another_run, is_whole, move

BOTH = pytest.mark.parametrize("direction", ["push", "pull"])
ROOT = Path(__file__).parents[2]


@pytest.fixture
def places(project, tmp_path):
    made = Places(project, tmp_path)
    for number in range(3):
        made.deploy(number)
    made.run()
    another_run(project, 1)
    tag(project, "etl@v1", "etl~1", stamp=stamp(), now=NOON)
    return made


TRANSFER = """
import sys
from pathlib import Path
from ork.errors import Conflict
from ork.store import location
from ork.sync import transfer
from ork.sync.carrier import Side
from tests.stores import stamp
transfer.DEPLOYS_TOGETHER = transfer.RUNS_TOGETHER = 1
source, target, direction = sys.argv[1:]
stores = [location.open_store(Path(folder), environ={}) for folder in (source, target)]
sys.stdin.readline()
sides = [Side(store, name) for store, name in zip(stores, ("here", "there"))]
try:
    done = transfer.transfer(*sides, transfer.Choice(), direction=direction, stamp=stamp(9))
except Conflict:
    sys.exit(5)
sys.exit(5 if done.refused else 0)
"""


def begin(source: Store, target: Store, direction: str = "push", at: str = "") -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", TRANSFER, str(source.folder), str(target.folder), direction],
        env={**os.environ, "ORK_FAILPOINT": at, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        stdin=subprocess.PIPE,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("at", "direction"),
    [
        (point, direction)
        for point in (
            *("sync.objects:1", "sync.objects:3", "sync.blobs:2", "sync.heads"),
            *("sync.objects:5", "sync.logs", "sync.runs", "sync.runs:2"),
        )
        for direction in ("push", "pull")
    ],
)
@pytest.mark.turns(5)
def test_what_is_killed_is_whole_and_is_done_by_doing_it_again(places, at, direction):
    other = places.other()
    with begin(places.store, other, direction, at) as child:
        child.communicate(b"\n")
    assert child.returncode == -9
    assert is_whole(other)
    found = heads(other)
    assert set(found) <= set(heads(places.store)) | {f for f in found if f.startswith("tally/")}
    assert len([ref for ref in found if ref.startswith(("workflows/", "tags/"))]) in (0, 2)
    there = len(list(other.backend.oids())) - (other.ref("ops") is not None)
    done = move(places.store, other, direction)
    assert heads(other) == heads(places.store)
    # What had arrived is not sent again.
    assert done.objects == len(list(other.backend.oids())) - 1 - there
    assert is_whole(other)


@BOTH
def test_logs_in_a_shared_store_wait_for_their_run(places, monkeypatch, direction):
    other = places.other()
    other = Store(other.backend, folder=other.folder, shared=True)

    def stop(name):
        if name == "sync.logs":
            raise KeyboardInterrupt

    monkeypatch.setattr(transfer, "failpoint", stop)
    with pytest.raises(KeyboardInterrupt):
        move(places.store, other, direction)
    assert list(other.refs("logs/")) and not list(other.refs("runs/"))
    assert is_whole(other)
    monkeypatch.undo()
    move(places.store, other, direction)
    assert heads(other) == heads(places.store)
    assert is_whole(other)


CLONE = """
import os, sys
from pathlib import Path
from ork.sync import transfer
from ork.sync.clone import clone
from tests.stores import stamp
transfer.DEPLOYS_TOGETHER = transfer.RUNS_TOGETHER = 1
clone(*sys.argv[1:3], scheme="lmdb", start=Path.cwd(), environ=os.environ, stamp=stamp(9))
"""


@pytest.mark.slow
@pytest.mark.parametrize("at", ["clone.filled", "sync.heads", "sync.objects:2"])
@pytest.mark.parametrize("by_url", [False, True], ids=["folder", "url"])
@pytest.mark.turns(4)
def test_a_clone_that_is_killed_can_be_made_again(places, at, by_url):
    target = f"sqlite:{places.folder}/clone.db" if by_url else str(places.folder / "clone")
    words = [sys.executable, "-c", CLONE, str(places.store.project), target]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(places.folder)}
    killed = subprocess.run(words, env={**environ, "ORK_FAILPOINT": at}, cwd=ROOT)
    if not by_url:
        assert killed.returncode == -9
        assert not (places.folder / "clone/.ork").exists()
    again = subprocess.run(words, env=environ, cwd=ROOT, capture_output=True, text=True)
    if by_url and at in ("sync.heads", "clone.filled"):
        assert "already" in again.stderr  # and a pull there brings the rest
        return
    assert again.returncode == 0, again.stderr
    if not by_url:
        assert os.listdir(places.folder / "clone") == [".ork"]
        made = location.open_store(places.folder / "clone/.ork", environ={})
        assert heads(made) == heads(places.store)
        made.close()


def meanwhile(monkeypatch, module, point, act):
    """Let something happen, once, when a point is come to."""

    def come_to(name):
        if name == point:
            monkeypatch.undo()
            act()

    monkeypatch.setattr(module, "failpoint", come_to)


def test_of_two_pushes_one_is_told_to_look_again(places, monkeypatch):
    other, second = places.other(), Places(places.other("second"), places.folder)
    move(places.store, other)
    move(places.store, second.store)
    second.deploy("second", second.store)
    places.deploy("first")

    meanwhile(monkeypatch, carrier, "sync.objects", lambda: move(places.store, other))
    with pytest.raises(Conflict, match="workflows/etl was moved"):
        move(second.store, other)
    assert heads(other) == heads(places.store)
    assert is_whole(other)
    assert [one.workflow for one in move(second.store, other).refused] == ["etl"]


def test_who_brings_the_same_runs_at_the_same_moment_goes_on(places, monkeypatch):
    other = places.other()

    meanwhile(monkeypatch, transfer, "sync.logs", lambda: move(places.store, other))
    move(places.store, other)
    assert is_whole(other)
    assert heads(other) == heads(places.store)
    assert dict(other.refs("tally/")) == dict(places.store.refs("tally/"))
    assert move(places.store, other).workflows == ()


def test_who_brings_another_run_of_a_name_at_the_same_moment_is_told(places, monkeypatch):
    other, second = places.other(), Places(places.other("second"), places.folder)
    move(places.store, other)
    move(places.store, second.store)
    another_run(places.store, 9, "failed")
    another_run(second.store, 9, "success")

    meanwhile(monkeypatch, transfer, "sync.logs", lambda: move(places.store, other))
    with pytest.raises(Conflict, match="somebody else brings other runs"):
        move(second.store, other)
    assert is_whole(other)
    assert heads(other) == heads(places.store)


@pytest.mark.slow
@pytest.mark.turns(2)
def test_pushes_that_race_leave_what_one_of_them_has(places):
    other, second = places.other(), Places(places.other("second"), places.folder)
    move(places.store, second.store)
    second.deploy("second", second.store)
    places.deploy("first")
    children = [begin(store, other) for store in (places.store, second.store)]
    for child in children:
        child.stdin.write(b"\n")
        child.stdin.close()
    codes = [child.wait() for child in children]
    assert sorted(codes) == [0, 5]
    won = (places.store, second.store)[codes.index(0)]
    assert {ref: oid for ref, oid in heads(won).items() if ref in heads(other)} == heads(other)
    assert is_whole(other)


@BOTH
@pytest.mark.parametrize("point", ["sync.objects", "sync.logs"])
def test_what_gc_takes_meanwhile_is_sent_again(places, monkeypatch, direction, point):
    other = places.other()
    module = carrier if point == "sync.objects" else transfer

    def swept(name):
        if name == point and other.ref("ops") is None:
            other.backend.sweep(lambda: list(other.backend.oids()))

    monkeypatch.setattr(module, "failpoint", swept)
    move(places.store, other, direction)
    assert heads(other) == heads(places.store)
    assert is_whole(other)


def test_a_run_that_ends_there_meanwhile_is_counted_as_well(places, monkeypatch):
    other, run = places.other(), another_run(places.store, 2, "failed")
    move(places.store, other)
    tasks = {"a": outcome(places.store.snapshot(run.snapshot).tasks["a"], number=2)}
    write_retry(places.store, "etl", 3, tasks, "success")
    pin = replace(run, id="", state="running", ended=None, tasks=None)
    begun = record.begin(
        other, replace(pin, created=NOON + timedelta(hours=3)), {}, random="000000"
    )

    def end(name):
        if name == "sync.logs":
            monkeypatch.undo()
            ended = replace(begun.run, state="success", ended=NOON + timedelta(hours=4))
            begun.end(ended, tasks, {})

    monkeypatch.setattr(transfer, "failpoint", end)
    move(places.store, other)
    assert tally(other, run.deploy) == Tally(counts={"success": 4}, last=4)
    assert is_whole(other)


# -- stores that were made to do harm


def at(store: Store, ref: str) -> Oid:
    found = store.ref(ref)
    assert found is not None
    return found


def put(store: Store, oid: str, stored: bytes | None) -> None:
    if stored is None:
        store.backend.sweep(lambda: [oid])
    else:
        store.backend.write({Oid(oid): stored}, {})


def snapshot_of(store: Store) -> Oid:
    return decode(store, at(store, "workflows/etl"), Deploy).snapshot


def decode(store: Store, oid: Oid, kind: type):
    return Store(store.backend).get(kind, oid)


def run_ref(store: Store) -> str:
    return "runs/" + next(name for name, _ in store.refs("runs/"))


def changed(ref: str | None = None, **fields: object):
    """Change a record that a ref names, and let the ref name what comes of it."""

    def change(store: Store) -> None:
        name = ref or run_ref(store)
        value = Store(store.backend).read(at(store, name))
        (oid,) = plant(store, replace(value, **fields))
        move_to(name, oid)(store)

    return change


def move_to(ref: str, oid: Oid | None):
    return lambda store: store.backend.write({}, {ref: (store.ref(ref), oid)})


def leads_to(ref: str, other: str):
    return lambda store: move_to(ref, at(store, other))(store)


def body(stored: bytes | None):
    """Give the snapshot of the head another body."""
    return lambda store: put(store, snapshot_of(store), stored)


def planted(kind: str, payload: bytes):
    """Let the head be another object."""

    def change(store: Store) -> None:
        data = f"ork1 {kind}\n".encode() + payload
        oid = Oid(blake3(data).hexdigest())
        put(store, oid, b"\0" + data)
        move_to("workflows/etl", oid)(store)

    return change


def in_a_head(**fields: object):
    """Change the snapshot of the head."""

    def change(store: Store) -> None:
        value = decode(store, snapshot_of(store), Snapshot)
        (oid,) = plant(store, replace(value, **fields))
        changed("workflows/etl", snapshot=oid)(store)

    return change


def without(space: str):
    return lambda store: store.backend.write(
        {}, {ref: (oid, None) for ref, oid in store.backend.refs(space)}
    )


def forgotten(name: str, of: str):
    def change(store: Store) -> None:
        (other,) = plant(store, Blob(b"x"))
        mark = Tombstone(author="a", object=Oid(of), reason="", replacement=other, time=NOON)
        (oid,) = plant(store, mark)
        move_to(f"forgotten/{name}", oid)(store)

    return change


def swapped(store: Store) -> None:
    one, two = snapshot_of(store), at(store, "workflows/etl")
    put(store, one, store.backend.get(two))


def linked_log(store: Store) -> None:
    file = store.folder / "logs" / run_ref(store).partition("/")[2] / "1.log"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    file.symlink_to("/etc/passwd")


def texts_for_tasks(store: Store) -> None:
    """Give the tasks of the head the bytes of blobs, which are sent ahead of all else."""
    text = "name: etl\ntasks:\n"
    for name in "abc":
        text += f"  {name}: {{executor: process, command: echo {name}}}\n"
    (store.project / "etl.yaml").write_text(text)
    deploy(store, store.project / "etl.yaml", stamp=stamp())
    for oid in store.snapshot(snapshot_of(store)).tasks.values():
        put(store, oid, b"\0ork1 blob\nx")


NOBODY = Oid("0" * 64)
HARM = {
    "swapped objects": swapped,
    "another body": body(b"\0ork1 blob\nx"),
    "no flag": body(b""),
    "unknown flag": body(b"\7x"),
    "a bomb": lambda store: body(bomb())(store),
    "nested bombs": lambda store: body(b"\1" + zlib.compress(bomb()))(store),
    "missing": body(None),
    "texts for tasks": texts_for_tasks,
    "not canonical": planted("deploy", b"{ }"),
    "unknown kind": planted("evil", b"{}"),
    "deep": planted("deploy", b'{"a":' * 5000 + b"1" + b"}" * 5000),
    "a blob as a head": planted("blob", b"x"),
    "head is a run": lambda store: leads_to("workflows/etl", run_ref(store))(store),
    "head is nothing": move_to("workflows/etl", NOBODY),
    "head of another": leads_to("workflows/other", "workflows/etl"),
    "tag of another": leads_to("tags/other/v1", "workflows/etl"),
    "tag is a run": lambda store: leads_to("tags/etl/v1", run_ref(store))(store),
    "tag is a path": leads_to("tags/etl/../x", "workflows/etl"),
    "workflow is a path": leads_to("workflows/../x", "workflows/etl"),
    "workflow has a blank": leads_to("workflows/a b\n", "workflows/etl"),
    "no parent": changed("workflows/etl", parents=(NOBODY,)),
    "parent of another": changed("workflows/etl", workflow="other"),
    "snapshot is nothing": changed("workflows/etl", snapshot=NOBODY),
    "snapshot count": in_a_head(task_count=7),
    "tasks are no tree": in_a_head(tasks=NOBODY),
    "run is a deploy": lambda store: leads_to(run_ref(store), "workflows/etl")(store),
    "run of another": lambda store: leads_to("runs/other/x", run_ref(store))(store),
    "run of another place": lambda store: leads_to("runs/etl/x", run_ref(store))(store),
    "run is a path": lambda store: leads_to("runs/etl/../../x", run_ref(store))(store),
    "run of nothing": lambda store: move_to(run_ref(store), NOBODY)(store),
    "run not ended": changed(ended=None),
    "run of a number": changed(number=7),
    "run of a snapshot": changed(snapshot=NOBODY),
    "run without outcomes": changed(tasks=NOBODY),
    "run before is nothing": changed(previous=NOBODY),
    "no numbers": without("numbers/"),
    "pin is a deploy": leads_to("numbers/etl/0000000001", "workflows/etl"),
    "pin of another": lambda store: leads_to("numbers/etl/0000000001", "numbers/etl/0000000002")(
        store
    ),
    "pins of a path": leads_to("numbers/../0000000001", "numbers/etl/0000000001"),
    "forgotten is a path": forgotten("../x", NOBODY),
    "forgotten is another": forgotten("1" * 64, NOBODY),
    "forgotten by nothing": move_to(f"forgotten/{NOBODY}", Oid("2" * 64)),
    "forgotten by a deploy": leads_to(f"forgotten/{NOBODY}", "workflows/etl"),
    "a log is a link": linked_log,
}
# In these the definitions are whole, and arrive before it is seen what is wrong with a run.
OF_RUNS = ("run", "pin", "no numbers", "a log")


@BOTH
@pytest.mark.parametrize("harm", HARM)
@pytest.mark.turns(2)
def test_a_store_made_to_do_harm_lets_nothing_in(places, harm, direction, monkeypatch):
    monkeypatch.setattr(carrier, "BATCH_BYTES", 1)
    HARM[harm](places.store)
    other = places.other()
    if harm == "run not ended":
        done = move(places.store, other, direction)
        assert done.going_on
    else:
        with pytest.raises(OrkError) as raised:
            move(places.store, other, direction)
        assert "\n" not in raised.value.message and len(raised.value.message) < 500
    seen = set(contents(other)[1])
    if harm == "run of another":  # what is of etl is whole
        assert not [ref for ref in seen if "other" in ref]
    elif harm.startswith(OF_RUNS):
        assert seen <= {"workflows/etl", "tags/etl/v1", "ops"} or harm == "run not ended"
    else:
        assert not seen
    for folder, _, files in os.walk(other.folder / "logs"):
        assert not [name for name in files if b"root:" in Path(folder, name).read_bytes()]
    assert is_whole(other)
