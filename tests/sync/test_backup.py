"""Backups: whole, of one moment, checked, and never in the place of something else.

And what a store is that is made of one: the same, under the same names.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import ork as library
from ork.backends import anchor
from ork.errors import Corrupt, InvalidInput, NotFound, OrkError, UsageError
from ork.heads.undo import undo
from ork.objects.kinds import Deploy, Log
from ork.objects.value import replace
from ork.runner import record
from ork.store import location
from ork.store.contents import task_runs
from ork.store.resolve import run_of_number
from ork.store.store import Store
from ork.sync import backup as module
from ork.sync.backup import backup, check_file
from ork.sync.bundle import BACKUP, open_bundle
from ork.sync.from_backup import restore
from ork.upkeep.fsck import fsck
from tests.runs import outcome
from tests.stores import NOON, contents, stamp
from tests.sync.bundles import taken_apart, together
from tests.sync.test_bundle import Places, forget_text, is_whole, places
from tests.sync.test_transfer import move

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


def test_a_run_that_ends_meanwhile_has_no_end_in_the_copy(places, monkeypatch):
    begun = begin(places)
    needed = module.needed

    def ended_first(store, refs):
        states = {"a": store.get(record.TaskRun, begun.saved["a"])}
        begun.end(replace(begun.run, state="success", ended=NOON, duration=1), states, {})
        return needed(store, refs)

    monkeypatch.setattr(module, "needed", ended_first)
    backup(places.store, places.folder / "copy", environ=ENVIRON)
    copy = opened(places.folder / "copy")
    left = run_of_number(copy, "etl", 2)[1]
    assert (left.state, left.reason) == ("interrupted", record.COPIED)
    assert run_of_number(places.store, "etl", 2)[1].ended == NOON
    assert is_whole(copy)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["b.orkbackup", "b"])
def test_a_run_that_went_on_ends_in_the_copy_and_its_true_end_takes_that_place(places, name):
    begun = begin(places)
    done = outcome(begun.store.snapshot(begun.run.snapshot).tasks["a"])
    backup(places.store, places.folder / name, environ=ENVIRON)
    copy = restored(places, places.folder / name)
    left = run_of_number(copy, "etl", 2)[1]
    assert (left.state, left.reason) == ("interrupted", record.COPIED)
    assert {a.error for t in task_runs(copy, left).values() for a in t.attempts} <= {None}
    assert record.settle(copy, now=NOON) == []
    assert not any(copy.folders("active/"))
    assert is_whole(copy)
    begun.end(replace(begun.run, state="success", ended=NOON, duration=1), {"a": done}, {})
    assert move(copy, places.store).refused == (), "what the copy lacks is no other end"
    assert run_of_number(places.store, "etl", 2)[1].state == "success"
    brought = move(places.store, copy)
    assert (brought.refused, brought.workflows[0].runs) == ((), 1)
    assert run_of_number(copy, "etl", 2) == run_of_number(places.store, "etl", 2)
    assert is_whole(copy)


@pytest.mark.slow
@pytest.mark.turns(2)
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


def test_a_copy_that_is_not_whole_gets_no_name(places, monkeypatch):
    write = module.write_all
    monkeypatch.setattr(module, "write_all", lambda at, objects: write(at, [*objects][1:]))
    with pytest.raises(Corrupt, match="the copy is not whole"):
        backup(places.store, places.folder / "copy", environ=ENVIRON)
    assert not list(places.folder.glob("*copy*"))
    assert not list(places.folder.glob(".ork-backup*"))


def test_a_ref_that_is_wrong_is_copied_and_counted(places):
    pin = places.store.ref("numbers/etl/0000000001")
    assert places.store.backend.write({}, {"numbers/etl/0000000009": (None, pin)})
    done = backup(places.store, places.folder / "copy", environ=ENVIRON)
    assert done.errors == 1
    assert refs(opened(places.folder / "copy")) == refs(places.store)


@pytest.fixture(params=["copy", "copy.orkbackup"])
def target(request, places):
    """A backup that is a folder, and one that is a file."""
    return places.folder / request.param


def restored(places: Places, target: Path, name: str = "new") -> Store:
    (places.folder / name).mkdir(exist_ok=True)
    restore(target, places.folder / name / ".ork", environ=ENVIRON)
    return opened(places.folder / name)


@pytest.mark.slow
def test_a_store_made_of_a_backup_is_the_same(places, target):
    undo(places.store, stamp=stamp(1), now=NOON)
    done = backup(places.store, target, environ=ENVIRON)
    (places.folder / "new").mkdir()
    made = restore(target, places.folder / "new" / ".ork", environ=ENVIRON)
    assert (made.refs, made.objects, made.logs, made.errors) == (done.refs, done.objects, 1, 0)
    new = opened(places.folder / "new")
    assert contents(new) == contents(opened_copy(target, places))
    assert refs(new) == refs(places.store)
    _, run = run_of_number(new, "etl", 1)
    assert (new.folder / "logs/etl" / run.id / "1.log").read_text() == "hello\n"
    assert anchor.read(new.folder).operation == places.store.ref("ops")
    found = fsck(new.folder, environ=ENVIRON, depth="full")
    assert [one for one in found.findings if one.level != "note"] == []
    undo(new, stamp=stamp(2), now=NOON)
    new.close()


def opened_copy(target: Path, places: Places) -> Store:
    """Return what is in a backup that is a folder, or in another one of the same store."""
    if target.is_file():
        target = places.folder / "other-copy"
        backup(places.store, target, environ=ENVIRON)
    return opened(target)


def test_a_file_is_readable_by_nobody_else_and_the_same_each_time(places):
    files = [places.folder / f"{name}.orkbackup" for name in "ab"]
    for file in files:
        backup(places.store, file, environ=ENVIRON)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[0].stat().st_mode & 0o777 == 0o600
    assert files[0].stat().st_nlink == 1


def test_a_run_that_goes_on_and_what_was_forgotten_are_in_a_file(places):
    places.store, secret = forget_text(places.store)
    begun = begin(places)
    backup(places.store, places.folder / "a.orkbackup", environ=ENVIRON)
    new = restored(places, places.folder / "a.orkbackup")

    def of_others(store: Store) -> dict[str, str]:
        its = (begun.run.id, f"tally/{begun.run.deploy}/")
        return {ref: oid for ref, oid in refs(store).items() if not any(one in ref for one in its)}

    assert of_others(new) == of_others(places.store)
    assert run_of_number(new, "etl", begun.run.number)[1].reason == record.COPIED
    assert new.blob(secret) == b"[forgotten]"
    assert is_whole(new)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["b.orkbackup", "b"])
def test_a_run_that_went_on_has_lasted_until_the_backup(places, name):
    begun = begin(places)
    a = begun.store.snapshot(begun.run.snapshot).tasks["a"]
    begun.save({"a": record.TaskRun(task=a, state="running")}, {})
    started = datetime.now(UTC) - timedelta(seconds=2)
    logs = begun.store.folder / "logs/etl" / begun.run.id
    logs.mkdir(parents=True)
    (logs / "begun").write_text(f"{round(started.timestamp() * 1e6)} 1 0 1 a\n")
    (logs / "1.log").write_text("hello\n")
    backup(places.store, places.folder / name, environ=ENVIRON)
    made = datetime.now(UTC)
    copy = restored(places, places.folder / name)
    left = run_of_number(copy, "etl", begun.run.number)[1]
    (attempt,) = task_runs(copy, left)["a"].attempts
    assert (left.reason, attempt.state) == (record.COPIED, "interrupted")
    assert started + timedelta(seconds=2) <= left.ended <= made
    assert 1.9 <= attempt.duration / 1e6 <= (made - started).total_seconds()
    copy.close()


@pytest.mark.slow
def test_a_ref_that_is_wrong_is_restored_as_it_is(places, target):
    pin = places.store.ref("numbers/etl/0000000001")
    assert places.store.backend.write({}, {"numbers/etl/0000000009": (None, pin)})
    assert backup(places.store, target, environ=ENVIRON).errors == 1
    assert refs(restored(places, target)) == refs(places.store)


def test_no_file_is_replaced(places):
    file = places.folder / "a.orkbackup"
    file.write_text("precious")
    with pytest.raises(InvalidInput, match="there already"):
        backup(places.store, file, environ=ENVIRON)
    assert file.read_text() == "precious"


@pytest.mark.slow
def test_no_store_is_replaced(places, target):
    backup(places.store, target, environ=ENVIRON)
    before = contents(places.store)
    with pytest.raises(InvalidInput, match="there already"):
        restore(target, places.store.folder, environ=ENVIRON)
    assert contents(places.store) == before
    for name in ("nowhere", "nowhere.orkbackup"):
        with pytest.raises(NotFound, match="nowhere"):
            restored(places, places.folder / name)


def test_a_bundle_is_no_backup_and_a_backup_no_bundle(places):
    file = places.folder / "a.orkbackup"
    backup(places.store, file, environ=ENVIRON)
    with pytest.raises(InvalidInput, match="a backup, not a bundle"), open_bundle(str(file)):
        pass
    with pytest.raises(InvalidInput, match="a bundle, not a backup"):
        restored(places, Path(places.bundle()))
    file.write_bytes(file.read_bytes().replace(b"backup 1", b"backup 2"))
    with pytest.raises(InvalidInput, match="that this ork can read"):
        restored(places, file)


def nothing_is_made(places: Places, file: Path, match: str) -> None:
    with pytest.raises(OrkError, match=match):
        restored(places, file)
    assert list((places.folder / "new").iterdir()) == []


def test_a_damaged_file_makes_no_store(places):
    file = places.folder / "a.orkbackup"
    backup(places.store, file, environ=ENVIRON)
    data = file.read_bytes()
    for place in range(0, len(data), len(data) // 40):
        file.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        nothing_is_made(places, file, "a.orkbackup|not whole")
    for end in range(0, len(data), len(data) // 20):
        file.write_bytes(data[:end])
        nothing_is_made(places, file, "a.orkbackup|not whole")


def test_a_file_that_was_made_to_do_harm_makes_no_store(places):
    file = places.folder / "a.orkbackup"
    backup(places.store, file, environ=ENVIRON)
    parts = taken_apart(file.read_bytes(), BACKUP)
    whole = parts.objects
    a, b = whole[:2]
    text = parts.logs[0][1]
    for changed, match in (
        (parts._replace(objects=whole[1:]), "not whole|missing"),
        (parts._replace(objects=[(a[0], b[1]), *whole[1:]]), "do not match its name"),
        (parts._replace(refs=[]), "belongs to no run"),
        (parts._replace(logs=[(b"../../x/1.log", text)]), "belongs to no run"),
        (parts._replace(logs=[(parts.logs[0][0] + b"/../x", text)]), "belongs to no run"),
        (parts._replace(refs=[(b"a" * 1000, a[0]), *parts.refs]), "name|store"),
    ):
        file.write_bytes(together(changed, BACKUP))
        nothing_is_made(places, file, match)


@pytest.mark.lmdb
def test_a_damaged_folder_makes_no_store(places):
    backup(places.store, places.folder / "copy", environ=ENVIRON)
    data = places.folder / "copy/.ork/db/data.mdb"
    head = bytes.fromhex(places.store.get(Deploy, places.store.ref("workflows/etl")).snapshot)
    changed = data.read_bytes()
    assert head in changed
    data.write_bytes(changed.replace(head, bytes(32)))
    nothing_is_made(places, places.folder / "copy", "not whole")


def test_a_file_is_checked_where_it_lies(places):
    file = places.folder / "a.orkbackup"
    backup(places.store, file, environ=ENVIRON)
    with open_bundle(str(file), (BACKUP,)) as bundle:
        assert check_file(bundle) == 0
    parts = taken_apart(file.read_bytes(), BACKUP)
    file.write_bytes(together(parts._replace(objects=parts.objects[:-1]), BACKUP))
    with (
        open_bundle(str(file), (BACKUP,)) as bundle,
        pytest.raises(Corrupt, match="not whole: object"),
    ):
        check_file(bundle)


def test_the_library_does_the_same(places):
    library.Project(places.store).backup(places.folder / "a.orkbackup")
    (places.folder / "new").mkdir()
    made = library.restore_backup(places.folder / "a.orkbackup", places.folder / "new")
    assert made.store == str(places.folder / "new" / ".ork")
    assert refs(opened(places.folder / "new")) == refs(places.store)


def test_a_folder_is_made_for_a_backup_and_goes_again_where_that_fails(places):
    library.Project(places.store).backup(places.folder / "a.orkbackup")
    new = places.folder / "some" / "new"
    assert library.restore_backup(places.folder / "a.orkbackup", new).store == str(new / ".ork")
    cut = places.folder / "cut.orkbackup"
    cut.write_bytes((places.folder / "a.orkbackup").read_bytes()[:-9])
    for wrong, error in (("no.orkbackup", library.NotFound), ("cut.orkbackup", library.OrkError)):
        with pytest.raises(error):
            library.restore_backup(places.folder / wrong, places.folder / "other" / "new")
        assert not (places.folder / "other").exists()


OTHER = """
import os, sys
from pathlib import Path
from ork.store import location
from ork.store.store import Store
from ork.sync.backup import backup
from ork.sync.from_backup import restore
what, source, target = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
if what == "backup":
    store = Store(location.open_backend(source, environ={}), folder=source)
    backup(store, target, environ=dict(os.environ))
else:
    restore(source, target, environ=dict(os.environ))
"""


def killed(at: str, *words: object) -> bool:
    done = subprocess.run(
        [sys.executable, "-c", OTHER, *map(str, words)],
        env={**os.environ, "ORK_FAILPOINT": at},
        cwd=Path(__file__).parents[2],
    )
    return done.returncode == -9


@pytest.mark.slow
@pytest.mark.parametrize(
    ("point", "name"),
    [
        ("backup.objects", "copy"),
        ("backup.checked", "copy"),
        ("backup.file", "copy.orkbackup"),
        ("backup.checked", "copy.orkbackup"),
    ],
)
@pytest.mark.turns(2)
def test_a_backup_that_is_killed_leaves_nothing_and_can_be_repeated(places, point, name):
    target = places.folder / name
    assert killed(point, "backup", places.store.folder, target)
    assert not target.exists()
    backup(places.store, target, environ=ENVIRON)
    assert not list(places.folder.glob(".ork-backup*"))
    assert is_whole(restored(places, target))


def test_what_a_killed_backup_has_left_goes_even_if_this_one_is_refused(places):
    (places.folder / ".ork-backup.tmp-0123456789ab" / ".ork.tmp-0123456789ab" / "db").mkdir(
        parents=True
    )
    (places.folder / ".ork-backup.tmp-ba9876543210").mkdir()
    (places.folder / "copy").mkdir()
    with pytest.raises(InvalidInput, match="is there already"):
        backup(places.store, places.folder / "copy", environ=ENVIRON)
    assert not list(places.folder.glob(".ork-backup*"))


@pytest.mark.slow
@pytest.mark.parametrize("point", ["backup.objects", "init.checked"])
@pytest.mark.turns(2)
def test_a_restore_that_is_killed_leaves_nothing_and_can_be_repeated(places, target, point):
    backup(places.store, target, environ=ENVIRON)
    new = places.folder / "new"
    new.mkdir()
    assert killed(point, "restore", target, new / ".ork")
    assert not (new / ".ork").exists()
    assert is_whole(restored(places, target))
    assert os.listdir(new) == [".ork"]
