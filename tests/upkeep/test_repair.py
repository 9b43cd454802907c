"""Repair: what can be proven is there again, the rest is named, and nothing is deleted."""

from __future__ import annotations

import os
import random
import re
import signal
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ork.backends import anchor, lmdb_file
from ork.errors import StoreError
from ork.files import lock, open_folder
from ork.objects.canonical import hash_bytes
from ork.objects.kinds import Blob, encode_object
from ork.store import location
from ork.store.resolve import run_of_number
from ork.store.runs import END_LOST
from ork.upkeep import repair as repairing
from ork.upkeep.repair import QUARANTINE, Repaired, repair
from tests.conftest import START, Ork
from tests.damage import data_file, flip, raw
from tests.scale import examples
from tests.upkeep.looks import answers, differs, in_child

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(ran: Ork) -> Path:
    """The folder of a store with deploys, tags and runs."""
    assert ran("tag", "etl@prod", "etl~1").code == 0
    return ran.folder / ".ork"


@pytest.fixture(scope="module")
def answered() -> list[Any]:
    return []


@pytest.fixture
def before(folder: Path, answered: list[Any]) -> Any:
    """What commands answer of the whole store; they are asked once, all tests begin with copies."""
    if not answered:
        answered.append(answers(folder.parent))
    return answered[0]


def repaired(folder: Path) -> Repaired:
    return repair(folder, environ={}, now=START)


def test_a_whole_store_is_left_alone(folder: Path) -> None:
    before = data_file(folder).read_bytes()
    done = repaired(folder)
    assert (done.steps, done.after.findings) == ((), ())
    assert data_file(folder).read_bytes() == before
    assert not (folder / QUARANTINE).exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "ref",
    [
        "workflows/etl",
        "tags/etl/prod",
        "runs/etl/",
        "numbers/etl/0000000002",
        "ran/",
        "tally/",
        "ops",
    ],
)
@pytest.mark.parametrize("how", ["dropped", "flipped"])
@pytest.mark.turns(4)
def test_refs_that_follow_from_the_rest_are_made_again(
    folder: Path, before: Any, ref: str, how: str
) -> None:
    assert {code for code, _ in before} == {0}
    if how == "flipped":
        flip(folder, b"r" + ref.encode(), len(ref))
    else:
        with raw(folder) as txn:
            for key in [k for k, _ in txn.cursor() if k.startswith(b"r" + ref.encode())]:
                txn.delete(key)
    assert differs(folder.parent, before)
    done = repaired(folder)
    assert done.before.errors > 0
    assert done.after.findings == ()
    assert answers(folder.parent) == before
    assert any("quarantine" in step for step in done.steps)


@pytest.mark.slow
def test_texts_and_code_are_taken_from_the_disk_where_they_are_the_same(
    folder: Path, before: Any
) -> None:
    flip(folder, b"loading $ORK_INPUT_JSON", 3)
    done = repaired(folder)
    # The present file is that of the newest deploy; the older one is nowhere any more.
    assert "objects taken from files of the project that have their bytes: 1" in done.steps
    assert {one.code for one in done.after.findings} == {"E101"}
    assert all("etl#2" not in one.affects for one in done.after.findings)
    assert differs(folder.parent, before)


@pytest.mark.slow
def test_what_is_only_missing_is_healed_in_place(folder: Path, before: Any) -> None:
    code = (folder.parent / "load.sh").read_bytes()
    oid = hash_bytes(encode_object(Blob(code)))
    with raw(folder) as txn:
        assert txn.delete(b"o" + bytes.fromhex(oid))
    (folder.parent / "load.sh").write_bytes(b"something else")
    done = repaired(folder)
    assert done.after.errors == 1
    assert not (folder / QUARANTINE).exists()
    (folder.parent / "load.sh").write_bytes(code)
    assert repaired(folder).after.findings == ()
    assert answers(folder.parent) == before


@pytest.mark.slow
def test_the_old_data_file_is_kept_as_it_was(folder: Path) -> None:
    flip(folder, b"rtags/etl/prod", 12)
    damaged = data_file(folder).read_bytes()
    repaired(folder)
    (kept,) = (folder / QUARANTINE).iterdir()
    assert kept.read_bytes() == damaged
    assert kept.stat().st_mode & 0o077 == 0
    assert not list(folder.glob("data.tmp-*"))


@pytest.mark.slow
def test_what_is_written_while_the_new_file_is_made_is_not_lost(ran: Ork, folder: Path) -> None:
    with raw(folder) as txn:
        for key in [k for k, _ in txn.cursor() if k.startswith(b"rtally/")]:
            txn.delete(key)

    def tag(step: str) -> None:
        if "copied" in step:
            assert ran("tag", "etl@late", "etl").code == 0

    with pytest.raises(StoreError, match="written meanwhile"):
        repair(folder, environ={}, now=START, say=tag)
    assert "etl@late" in ran("tag").out
    assert repaired(folder).after.findings == ()
    assert "etl@late" in ran("tag").out


@pytest.mark.slow
def test_a_store_that_has_gone_back_is_accepted(ran: Ork, folder: Path) -> None:
    before = data_file(folder).read_bytes()
    assert ran("tag", "etl@new", "etl").code == 0
    data_file(folder).write_bytes(before)
    assert ran("log").code == 4
    done = repaired(folder)
    back = "accepted: the store has gone back by one write: its data file is older than its anchor"
    assert done.steps == (back, "the anchor tells of the store as it is now")
    assert done.after.findings == ()
    assert ran("log").code == 0
    assert data_file(folder).read_bytes() == before


@pytest.mark.slow
def test_a_missing_anchor_is_made_again_with_the_newest_run(folder: Path) -> None:
    (folder / anchor.NAME).unlink()
    assert repaired(folder).after.findings == ()
    told = anchor.read(folder)
    assert told is not None
    assert told.pin == "numbers/etl/0000000002"


@pytest.mark.slow
def test_a_run_that_was_removed_stays_so(folder: Path) -> None:
    """What is left of it, in objects and in pages that nothing leads to, makes no ref again."""
    store = location.open_store(folder, environ={})
    ((run_id, _), *_) = store.refs("runs/etl/")
    store.close()
    with raw(folder) as txn:
        gone = [key for key, _ in txn.cursor() if key.endswith((run_id.encode(), b"/0000000001"))]
        assert {key[1:].partition(b"/")[0] for key in gone} == {b"runs", b"numbers", b"ran"}
        for key in gone:
            txn.delete(key)
    flip(folder, b"rtags/etl/prod", 12)
    done = repaired(folder)
    assert done.after.errors == 0
    assert any("tags/etl/prod" in step for step in done.steps)
    store = location.open_store(folder, environ={})
    left = {name for name, _ in store.backend.refs()}
    store.close()
    assert left.isdisjoint(key[1:].decode() for key in gone)


def is_left(data: bytes, key: bytes, value: bytes) -> bool:
    """Say whether a page still has an entry: its value after its key, or in pages of its own.

    What lies in the free space of a page is not there any more, though its bytes may be.
    """
    page, rest = divmod(data.find(value), 4096)
    ends = [value, struct.pack("=Q", page)] if rest == 16 else [value]
    for found in re.finditer(b"|".join(re.escape(key + end) for end in ends), data):
        page, at = divmod(found.start(), 4096)
        (used_from,) = struct.unpack_from("=H", data, page * 4096 + 14)
        if at - 8 >= used_from:
            return True
    return False


@pytest.mark.slow
@pytest.mark.turns(2)
def test_every_object_outside_of_a_damaged_page_is_recovered(folder: Path) -> None:
    """Zero one page at a time: what the others have is there afterwards, and no ref is invented."""
    file = data_file(folder)
    data = file.read_bytes()
    store = location.open_store(folder, environ={})
    objects = {oid: store.backend.get(oid) or b"" for oid in store.backend.oids()}
    refs = dict(store.backend.refs())
    store.close()
    numbers = random.Random(5)
    pages = range(2, len(data) // 4096)
    for page in numbers.sample(pages, min(examples(20), len(pages))):
        zeroed = data[: page * 4096] + bytes(4096) + data[(page + 1) * 4096 :]
        file.write_bytes(zeroed)
        repair(folder, environ={}, now=datetime.now(UTC))
        opened = location.open_store(folder, environ={})
        left, left_refs = set(opened.backend.oids()), dict(opened.backend.refs())
        opened.close()
        for oid, stored in objects.items():
            if is_left(zeroed, b"o" + bytes.fromhex(oid), stored):
                assert oid in left, page
        invented = {ref for ref in left_refs if ref not in refs}
        assert all(ref.startswith(("tally/", "active/")) for ref in invented), page


@pytest.mark.slow
@pytest.mark.parametrize("page", [0, 4096])
def test_a_store_with_a_broken_meta_page_is_salvaged(
    ran: Ork, folder: Path, before: Any, page: int
) -> None:
    data = bytearray(data_file(folder).read_bytes())
    data[page + 16 : page + 152] = bytes(136)
    data_file(folder).write_bytes(data)
    assert ran("log").code == 4
    done = repaired(folder)
    assert done.after.errors == 0
    assert answers(folder.parent) == before


@pytest.mark.parametrize("left", [0, 2 * 4096])
@pytest.mark.parametrize("anchored", [True, False])
def test_where_nothing_is_left_the_store_stays_as_it_is(
    ran: Ork, folder: Path, left: int, anchored: bool
) -> None:
    """An empty store in its place would be whole, and look as if nothing had ever been in it."""
    os.truncate(data_file(folder), left)
    if not anchored:
        (folder / anchor.NAME).unlink()
    before = data_file(folder).read_bytes(), anchor.read(folder)
    done = ran("fsck", "--repair")
    assert (done.code, done.out) == (4, "")
    assert "no workflow, tag or run was found in what is left" in done.err
    assert "`ork init --from BACKUP`" in done.err
    assert (data_file(folder).read_bytes(), anchor.read(folder)) == before
    assert not list(folder.glob("data.tmp-*"))
    assert ran("log").code == 4


@pytest.mark.slow
def test_what_a_repair_could_not_save_is_told(ran: Ork, folder: Path) -> None:
    """Of the newest run no object is left that a ref could lead to."""
    store = location.open_store(folder, environ={})
    oid, _ = run_of_number(store, "etl", 2)
    records = [store.backend.get(one) for one in {oid, store.ref("numbers/etl/0000000002")}]
    store.close()
    for stored in records:
        flip(folder, stored, len(stored) // 2)
    done = ran("fsck", "--repair")
    assert done.code == 1
    assert "what is left is whole: " in done.out
    assert re.search("lost: etl#2, .*: nothing is left of its record", done.err)
    assert "lost: the store has lost the run of 'numbers/etl/0000000002'" in done.err
    assert "`ork init --from BACKUP FOLDER`" in done.err
    assert ran("fsck").code == 0


@pytest.mark.slow
def test_two_repairs_are_not_made_at_once(folder: Path) -> None:
    flip(folder, b"rtags/etl/prod", 12)
    with open_folder(folder) as other:
        assert lock(other)
        with pytest.raises(StoreError, match="another process is making a new data file"):
            repaired(folder)
    assert repaired(folder).after.findings == ()


@pytest.mark.slow
def test_a_commit_whose_number_was_raised_is_not_believed(ran: Ork, folder: Path) -> None:
    assert ran("run", "etl").code == 1
    before = answers(folder.parent)
    file = folder / "db/data.mdb"
    data = bytearray(file.read_bytes())
    places = {int.from_bytes(data[at : at + 8], sys.byteorder): at for at in (144, 4096 + 144)}
    older = min(places)
    data[places[older] : places[older] + 8] = (older + 2).to_bytes(8, sys.byteorder)
    file.write_bytes(data)
    done = repaired(folder)
    assert done.before.errors > 0
    assert done.after.errors == 0
    assert answers(folder.parent) == before


@pytest.mark.slow
def test_nothing_is_repaired_while_somebody_has_the_store_open(folder: Path) -> None:
    flip(folder, b"rtags/etl/prod", 12)
    before = data_file(folder).read_bytes()
    script = (
        "import sys; from pathlib import Path; from ork.store import location\n"
        "s = location.open_backend(Path(sys.argv[1]), environ={}); print(1, flush=True); input()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert other.stdout is not None
    other.stdout.readline()
    with pytest.raises(StoreError, match="another process has the store open"):
        repaired(folder)
    assert data_file(folder).read_bytes() == before
    other.communicate(b"\n")
    assert repaired(folder).after.findings == ()


PLACES = (
    (repairing, "_copy"),
    (lmdb_file, "swap"),
    (anchor, "reset"),
    (repairing, "remove"),
    (repairing, "sync_folder"),
)


@pytest.mark.slow
@pytest.mark.parametrize("at", range(6))
@pytest.mark.turns(3)
def test_a_repair_that_was_killed_is_begun_again(
    ran: Ork, folder: Path, before: Any, at: int
) -> None:
    flip(folder, b"rtags/etl/prod", 12)
    steps = iter(range(99))

    def dying(step: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            if next(steps) == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return step(*arguments, **options)

        return call

    def repair_and_die() -> None:
        for module, name in PLACES:
            setattr(module, name, dying(getattr(module, name)))
        repaired(folder)

    assert in_child(repair_and_die) in (None, "SIGKILL")
    assert repaired(folder).after.errors == 0
    assert answers(folder.parent) == before
    assert ran("fsck").code == 0
    assert not list(folder.glob("data.tmp-*"))


@pytest.mark.parametrize("text", ["{", None])
def test_a_damaged_config_is_written_anew(ran: Ork, folder: Path, text: str | None) -> None:
    before, config = ran("log").out, folder / "config.json"
    whole = config.read_text()
    config.unlink()
    if text is not None:
        config.write_text(text)
    assert "ork fsck --repair" in ran("log").err
    done = repaired(folder)
    assert done.steps == ("config.json was written anew",)
    assert done.after.findings == ()
    assert (config.read_text(), config.stat().st_mode & 0o777) == (whole, 0o600)
    kept = [path.read_text() for path in (folder / QUARANTINE).iterdir()]
    assert kept == ([text] if text is not None else [])
    assert ran("log").out == before


@pytest.mark.slow
def test_a_damaged_config_is_no_obstacle_to_the_rest(ran: Ork, folder: Path) -> None:
    before = ran("log").out
    (folder / "config.json").write_text("{")
    flip(folder, b"rworkflows/etl", 12)
    done = repaired(folder)
    assert done.after.errors == 0
    assert ran("log").out == before


def test_the_config_of_a_later_ork_is_not_guessed(folder: Path) -> None:
    with raw(folder) as txn:
        txn.put(b"format", b"4")
    (folder / "config.json").write_text("{")
    with pytest.raises(StoreError, match="has store format 4"):
        repaired(folder)
    assert (folder / "config.json").read_text() == "{"


@pytest.mark.parametrize("kind", ["sqlite", "files", "lmdb"])
def test_what_a_newer_ork_has_made_is_not_to_be_repaired(ork: Ork, kind: str) -> None:
    assert ork("init", "--store", f"{kind}:").code == 0
    folder = ork.folder / ".ork"
    if kind == "sqlite":
        with closing(sqlite3.connect(folder / "db/store.db")) as connection:
            connection.execute("PRAGMA user_version = 99")
    elif kind == "files":
        (folder / "db/format").write_text("ork files 99\n")
    else:
        with raw(folder) as txn:
            txn.put(b"format", b"99")
    before = sorted(folder.rglob("*"))
    for words in (("fsck",), ("fsck", "--quick"), ("fsck", "--repair"), ("log",)):
        said = ork(*words)
        assert said.code == 4 and said.out == ""
        assert "has store format 99" in said.err
        assert "a newer ork than 0." in said.err and "nothing is to be repaired" in said.err
        assert "--repair" not in said.err
    assert sorted(folder.rglob("*")) == before


def test_what_was_begun_for_a_repair_goes_when_it_is_refused(folder: Path) -> None:
    flip(folder, b"rworkflows/etl", 12)
    held = location.open_unchecked(folder, environ={})
    with pytest.raises(StoreError):
        repaired(folder)
    held.close()
    assert not list(folder.glob("*.tmp-*"))


@pytest.mark.slow
def test_the_drill_of_the_documents(ran: Ork, folder: Path) -> None:
    before = ran("log").out
    flip(folder, b"rworkflows/etl", 12)
    assert ran("log").code == 4
    found = ran("fsck", "--full")
    assert found.code == 1
    done = ran("fsck", "--repair")
    assert done.code == 0, done.out
    assert "made the ref 'workflows/etl' again" in done.out
    assert ran("fsck").code == 0
    assert ran("log").out == before
    assert ran("fsck", "--repair", "--json").code == 0
    assert ran("fsck", "--repair", "--full").code == 2


@pytest.mark.slow
def test_a_run_whose_end_was_lost_is_not_said_to_be_killed(ran: Ork, folder: Path) -> None:
    assert ran("clone", ".", "../other").code == 0
    store = location.open_store(folder, environ={})
    _, run = run_of_number(store, "etl", 2)
    end = store.ref(f"runs/etl/{run.id}")
    stored = store.backend.get(end)
    store.close()
    flip(folder, stored, len(stored) // 2)
    told = ran("fsck", "--repair")
    assert "etl#2: its end was lost\n" in told.out
    assert told.out.count("etl/") == 0, "refs are no words for people"
    assert run.ended is not None
    (shown,) = [line for line in ran("runs").out.splitlines() if "etl#2" in line]
    assert "interrupted" in shown and shown.endswith(END_LOST)
    assert ran("pull", "../other").code == 0
    assert END_LOST not in ran("runs").out
    store = location.open_store(folder, environ={})
    assert store.ref(f"runs/etl/{run.id}") == end
    store.close()
    assert ran("fsck").code == 0


@pytest.mark.slow
def test_a_number_of_a_run_that_is_lost_is_not_given_again(ran: Ork, folder: Path) -> None:
    """The anchor knows the newest, and each that is lost has logs."""
    before = data_file(folder).read_bytes()
    for _ in range(2):
        assert ran("run", "etl").code == 1
    data_file(folder).write_bytes(before)
    done = ran("fsck", "--repair")
    assert done.code == 0
    assert "accepted: the store has gone back by " in done.out
    assert "runs are lost up to etl#4: no other run gets these numbers" in done.out
    asked = ran("show", "etl#4")
    assert (asked.code, "the newest is etl#2" in asked.err) == (3, True)
    assert "etl#5" in ran("run", "etl").out
    assert ran("fsck", "--full").code == 0
    assert ran("backup", "../copy").code == 0
    assert "ork fsck --repair" in ran("ops").out


@pytest.mark.slow
def test_logs_alone_tell_of_runs_that_are_lost(ran: Ork, folder: Path) -> None:
    before = data_file(folder).read_bytes()
    assert ran("run", "etl").code == 1
    data_file(folder).write_bytes(before)
    (folder / anchor.NAME).unlink()
    assert "lost up to etl#3" in ran("fsck", "--repair").out
