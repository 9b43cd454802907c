"""What `ork fsck` finds: all that was damaged, and nothing in a store that is whole."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import lmdb
import pytest

from ork.backends import anchor
from ork.backends.base import sealed
from ork.cli.app import main
from ork.errors import StoreError
from ork.objects import tree
from ork.objects.canonical import Oid, hash_bytes, pack
from ork.objects.kinds import Blob, Deploy, Node, Object, Snapshot, decode_object, encode_object
from ork.objects.value import replace
from ork.store.store import Store
from ork.upkeep.findings import CODES
from ork.upkeep.fsck import fsck
from tests.conftest import Ork
from tests.damage import data_file, flip, raw
from tests.forked import Forked
from tests.scale import examples, size
from tests.upkeep.looks import answers, differs, findings, look_here

LOOSE = "name: {name}\ntasks: {{t: {{executor: process, command: '{command}'}}}}\n"


@pytest.fixture
def folder(ran: Ork) -> Path:
    """The folder of a store with deploys, tags, runs, and a run of a file that is not deployed."""
    assert ran("tag", "etl@prod", "etl~1").code == 0
    assert ran("tag", "etl@v1", "etl~2").code == 0
    return ran.folder / ".ork"


def codes(folder: Path, *, full: bool = False) -> list[str]:
    return sorted({one.code for one in look_here(folder, "full" if full else "default")})


def put(txn: lmdb.Transaction, data: bytes) -> Oid:
    """Store an object, whatever it says."""
    oid = hash_bytes(data)
    txn.put(b"o" + bytes.fromhex(oid), pack(data))
    return oid


def point(txn: lmdb.Transaction, ref: str, oid: str) -> None:
    """Let a ref lead somewhere, with the right seal."""
    txn.put(b"r" + ref.encode(), sealed(ref.encode(), Oid(oid)))


def target(txn: lmdb.Transaction, ref: str) -> Oid:
    return Oid((txn.get(b"r" + ref.encode()) or b"")[:32].hex())


def drop(folder: Path, prefix: str) -> None:
    with raw(folder) as txn:
        keys = [key for key, _ in txn.cursor() if key.startswith(b"r" + prefix.encode())]
        assert keys
        for key in keys:
            assert txn.delete(key)


@pytest.mark.slow
def test_a_whole_store_has_no_findings(folder: Path) -> None:
    for depth in ("quick", "default"):
        found = fsck(folder, environ={}, depth=depth)  # type: ignore[arg-type]
        assert (found.findings, found.errors) == ((), 0)
        assert (found.objects, found.refs) > (20, 10)


REFS_TO_LOSE = {
    "workflows/etl": "E203",
    "tags/etl/prod": "E203",
    "runs/etl/": "E203",
    "numbers/etl/0000000001": "E203",
    "ran/": "E203",
    "tally/": "E205",
    "ops": "E301",
}


@pytest.mark.parametrize("ref", REFS_TO_LOSE)
def test_a_ref_that_was_lost_is_found(folder: Path, ref: str) -> None:
    drop(folder, ref)
    assert REFS_TO_LOSE[ref] in codes(folder)


@pytest.mark.parametrize("ref", ["workflows/etl", "tags/etl/v1"])
def test_a_head_or_tag_that_no_operation_moved_is_found(folder: Path, ref: str) -> None:
    with raw(folder) as txn:
        point(txn, ref, target(txn, "tags/etl/prod"))
    assert codes(folder) == ["E204"]
    with raw(folder) as txn:
        point(txn, "tags/etl/forged", target(txn, "tags/etl/prod"))
    assert codes(folder) == ["E204"]


@pytest.mark.parametrize("ref", ["tags/etl/prod", "workflows/etl", "numbers/etl/0000000002", "ops"])
def test_a_flipped_bit_in_the_name_of_a_ref_is_found(folder: Path, ref: str) -> None:
    flip(folder, b"r" + ref.encode(), len(ref))
    found = look_here(folder)
    assert "E201" in {one.code for one in found}
    assert any(one.code == "E203" and one.ref == ref for one in found) or ref == "ops"


def test_a_run_under_another_name_is_found(folder: Path) -> None:
    with raw(folder) as txn:
        point(txn, "numbers/etl/0000000001", target(txn, "numbers/etl/0000000002"))
        point(txn, "numbers/etl/0000000003", target(txn, "numbers/etl/0000000002"))
    found = [one.ref for one in look_here(folder) if one.code == "E202"]
    assert found == ["numbers/etl/0000000001", "numbers/etl/0000000003"]


def test_a_run_that_seems_to_go_on_is_found(folder: Path) -> None:
    with raw(folder) as txn:
        pin = target(txn, "numbers/etl/0000000001")
        point(txn, "active/nobody/.run", pin)
        point(txn, "active/other/extract", pin)
    assert codes(folder) == ["E104", "E202", "E203"]


def test_a_log_that_has_lost_a_part_is_found(folder: Path, opened: Callable[[], Store]) -> None:
    store = opened()
    at = "logs/etl/run/1.log/"
    with store.transaction() as tx:
        for offset, data in ((0, b"one"), (3, b"two"), (8, b"late"), (10, b"early")):
            tx.move(f"{at}{offset:016}", old=None, new=tx.add(Blob(data)))
        tx.move(f"{at}4", old=None, new=tx.add(Blob(b"badly named")))
        tx.move(f"logs/etl/{0:016}", old=None, new=tx.add(Blob(b"badly named")))
    store.close()
    assert {(one.code, one.ref) for one in look_here(folder)} == {
        ("E202", f"logs/etl/{0:016}"),
        ("E202", f"{at}4"),
        ("E202", f"{at}{10:016}"),
        ("E203", f"{at}{6:016}"),
    }


def test_a_request_to_stop_what_has_ended_is_found(
    folder: Path, opened: Callable[[], Store]
) -> None:
    store = opened()
    with store.transaction() as tx:
        tx.move("stops/nobody", old=None, new=tx.add_value(1))
    store.close()
    (found,) = look_here(folder)
    assert (found.code, found.ref) == ("E203", "active/nobody/.run")


def test_a_tally_that_its_runs_do_not_say_is_found(folder: Path) -> None:
    with raw(folder) as txn:
        head = target(txn, "tags/etl/v1")
        point(txn, f"tally/{head}/9:success=4", head)
    assert codes(folder) == ["E205"]


def test_an_unknown_ref_is_a_warning(folder: Path) -> None:
    with raw(folder) as txn:
        point(txn, "future/thing", target(txn, "ops"))
    found = fsck(folder, environ={})
    assert [one.code for one in found.findings] == ["W401"]
    assert found.errors == 0


def test_damage_to_an_object_says_what_suffers(folder: Path, opened: Callable[[], Store]) -> None:
    store = opened()
    entry = store.snapshot(snapshot_of(store, "etl"))
    blob = entry.files["load.sh"].blob
    store.close()
    with raw(folder) as txn:
        key = b"o" + bytes.fromhex(blob)
        data = bytearray(txn.get(key) or b"")
        data[-1] ^= 4
        txn.put(key, bytes(data))
    (found,) = look_here(folder)
    assert (found.code, found.object) == ("E102", blob)
    assert "etl#2" in found.affects
    assert "etl#1" not in found.affects
    assert any(words.startswith("etl: deploy") for words in found.affects)
    with raw(folder) as txn:
        txn.delete(key)
    assert codes(folder) == ["E101"]
    assert [one.code for one in look_here(folder, "quick")] == ["E101"]


def snapshot_of(store: Store, workflow: str) -> Oid:
    head = store.ref(f"workflows/{workflow}")
    assert head is not None
    return store.get(Deploy, head).snapshot


def test_objects_that_are_not_of_their_kind_or_shape_are_found(
    folder: Path, opened: Callable[[], Store]
) -> None:
    store = opened()
    snapshot = store.get(Snapshot, snapshot_of(store, "etl"))
    store.close()

    def planted(data: bytes) -> list[str]:
        with raw(folder) as txn:
            txn.put(b"rfuture/x", sealed(b"future/x", put(txn, data)))
        return [code for code in codes(folder) if code != "W401"]

    def other(**changes: object) -> bytes:
        return encode_object(replace(snapshot, **changes))

    assert planted(encode_object(snapshot)) == []
    assert planted(b"ork1 snapshot\n{}") == ["E103"]
    assert planted(b"ork1 unheard\n{}") == ["E103"]
    assert planted(other(task_count=99)) == ["E106"]
    assert planted(other(files=snapshot.tasks)) == ["E104"]
    # A node in the place of a leaf, and leaves at the wrong half byte.
    with raw(folder) as txn:
        leaf_root = tree.build({"a": snapshot.tasks}, lambda value: put(txn, encode_object(value)))
    small = encode_object(Node(children=((0, leaf_root),), depth=0))
    with raw(folder) as txn:
        put(txn, small)
    assert "E105" in planted(other(tasks=hash_bytes(small), task_count=1))
    deep = encode_object(Node(children=((0, leaf_root),), depth=3))
    with raw(folder) as txn:
        put(txn, deep)
    assert "E105" in planted(other(tasks=hash_bytes(deep), task_count=1))


def test_a_node_for_what_fits_into_a_leaf_is_found(
    folder: Path, opened: Callable[[], Store]
) -> None:
    store = opened()
    snapshot = store.get(Snapshot, snapshot_of(store, "etl"))
    task = store.snapshot(snapshot_of(store, "etl")).tasks["extract"]
    store.close()
    trees: dict[Oid, bytes] = {}

    def add(value: Object) -> Oid:
        data = encode_object(value)
        trees[hash_bytes(data)] = data
        return hash_bytes(data)

    root = tree.build({f"t{number}": task for number in range(65)}, add)
    whole = decode_object(trees[root])
    assert isinstance(whole, Node)
    few = replace(whole, children=whole.children[:1])
    (leaf,) = (decode_object(trees[oid]) for _, oid in few.children)
    for node, count in ((whole, 65), (few, len(leaf.entries))):
        tasks = encode_object(node)
        wrong = encode_object(replace(snapshot, tasks=hash_bytes(tasks), task_count=count))
        with raw(folder) as txn:
            for data in (*trees.values(), tasks):
                put(txn, data)
            txn.put(b"rfuture/x", sealed(b"future/x", put(txn, wrong)))
        assert codes(folder) == [*(["E105"] if node is few else []), "W401"]


def test_what_nothing_needs_is_listed_by_full_only(folder: Path) -> None:
    with raw(folder) as txn:
        oid = put(txn, encode_object(Blob(b"left behind")))
    assert codes(folder) == []
    (found,) = (one for one in look_here(folder, "full") if one.object == oid)
    assert found.code == "N502"
    with raw(folder) as txn:
        txn.put(b"o" + bytes.fromhex(oid), b"\0rotten")
    assert codes(folder) == []
    assert codes(folder, full=True) == ["E102", "N502"]


def test_an_operation_whose_end_is_gone_only_cannot_be_undone(ran: Ork, folder: Path) -> None:
    assert ran("undo").code == 0  # of the tag
    ran.write("load.sh", "#!/bin/sh\n# other\n", executable=True)
    assert ran("deploy", "etl.yaml").code == 0
    with raw(folder) as txn:
        gone = target(txn, "workflows/etl")
    assert ran("undo").code == 0
    assert codes(folder) == []
    with raw(folder) as txn:
        assert txn.delete(b"o" + bytes.fromhex(gone))
        for key in [key for key, _ in txn.cursor() if key.startswith(b"rread/etl")]:
            assert txn.delete(key)
    assert codes(folder) == ["N501"]
    assert fsck(folder, environ={}).errors == 0


def test_a_store_that_has_gone_back_is_found(ran: Ork, folder: Path) -> None:
    before = data_file(folder).read_bytes()
    assert ran("tag", "etl@new", "etl").code == 0
    data_file(folder).write_bytes(before)
    assert codes(folder) == ["E301"]


def test_a_missing_or_torn_anchor_is_a_warning(folder: Path) -> None:
    data = bytearray((folder / anchor.NAME).read_bytes())
    data[-1] ^= 1
    (folder / anchor.NAME).write_bytes(data)
    assert codes(folder) == ["W303"]
    (folder / anchor.NAME).unlink()
    assert codes(folder) == ["W302"]
    assert fsck(folder, environ={}).errors == 0


@pytest.mark.parametrize("text", ["", "{", '{"format":3}', None])
def test_a_damaged_config_is_a_finding(folder: Path, text: str | None) -> None:
    (folder / "config.json").unlink()
    if text is not None:
        (folder / "config.json").write_text(text)
    [finding] = fsck(folder, environ={}).findings
    assert (finding.code, finding.level) == ("E004", "error")
    assert "config.json" in finding.message


def test_what_is_no_store_or_of_another_ork_is_no_finding(folder: Path, tmp_path: Path) -> None:
    (tmp_path / ".ork").mkdir(mode=0o700)
    (folder / "config.json").write_text('{"backend":"lmdb","format":4}')
    for one, words in ((tmp_path / ".ork", "not an ork store"), (folder, "store format 4")):
        with pytest.raises(StoreError, match=words):
            fsck(one, environ={})


@pytest.mark.slow
def test_a_file_that_was_cut_is_found_without_dying(folder: Path) -> None:
    file = data_file(folder)
    data = file.read_bytes()
    for part in (0.5, 0.1):
        file.write_bytes(data[: int(len(data) * part) // 4096 * 4096])
        found = fsck(folder, environ={})
        assert {one.code for one in found.findings} >= {"E001"}
    file.write_bytes(b"")
    assert fsck(folder, environ={}).errors > 0


@pytest.mark.slow
def test_zeroed_pages_are_found_without_dying(folder: Path) -> None:
    file = data_file(folder)
    data = file.read_bytes()
    numbers = random.Random(2)
    for page in numbers.sample(range(2, len(data) // 4096), examples(6)):
        file.write_bytes(data[: page * 4096] + bytes(4096) + data[(page + 1) * 4096 :])
        used = answers(folder.parent)
        file.write_bytes(data)
        whole = answers(folder.parent)
        if used != whole:
            file.write_bytes(data[: page * 4096] + bytes(4096) + data[(page + 1) * 4096 :])
            assert fsck(folder, environ={}).errors > 0


@pytest.mark.parametrize("at", [28, 76])
def test_flags_that_make_the_next_write_destroy_pages_are_found(folder: Path, at: int) -> None:
    file = data_file(folder)
    data = bytearray(file.read_bytes())
    for page in (0, 4096):
        data[page + 16 + at] ^= 4
    file.write_bytes(data)
    assert "E001" in {one.code for one in fsck(folder, environ={}).findings}


def test_a_file_that_kills_its_reader_is_a_finding(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ork.upkeep.fsck.MODULE", "tests.upkeep.killed")
    found = fsck(folder, environ={"PYTHONPATH": str(Path(__file__).parents[2])})
    assert [(one.code, one.message) for one in found.findings] == [
        ("E002", "reading it ended the process by SIGBUS")
    ]


def test_what_python_prints_when_it_starts_is_no_finding(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('hello')\n")
    path = f"{tmp_path}:{Path(__file__).parents[2]}"
    assert fsck(folder, environ={"PYTHONPATH": path}).findings == ()


@pytest.mark.slow
@pytest.mark.turns(2)
def test_all_flips_that_change_an_answer_are_reported(folder: Path) -> None:
    """Bits in objects, refs, meta pages, branch pages and lists of free pages, one at a time."""
    file = data_file(folder)
    data = file.read_bytes()
    before = answers(folder.parent)
    assert {code for code, _ in before} == {0}
    numbers = random.Random(3)
    meta = [8 * (4096 * (n % 2)) + numbers.randrange(8 * 160) for n in range(examples(20))]
    anywhere = [numbers.randrange(8 * len(data)) for _ in range(examples(60))]
    heads = [8 * found.end() for found in re.finditer(b"rworkflows/etl", data)]  # one is in use
    harmful = []
    for bit in meta + anywhere + heads:
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        file.write_bytes(flipped)
        if differs(folder.parent, before):
            harmful.append(bit)
            found = findings(folder)
            assert isinstance(found, str) or any(one.level == "error" for one in found), bit
        file.write_bytes(data)
    assert len(harmful) >= examples(80) // 10


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(examples(4)))
@pytest.mark.turns(2)
def test_no_store_that_commands_have_made_is_called_damaged(ork: Ork, seed: int) -> None:
    numbers = random.Random(seed)
    folder = ork.folder / ".ork"
    done = 0
    while done < 25:
        name = numbers.choice("ab")
        command = numbers.choice(["true", "false", "echo 1", "echo 2"])
        if numbers.random() < 0.5:
            ork.write(f"{name}.yaml", LOOSE.format(name=name, command=command))
        words = numbers.choice(
            [
                f"deploy {name}.yaml",
                f"deploy {name}.yaml",
                f"run {name}.yaml",
                f"run {name}",
                f"run {name}~1",
                f"retry {name}",
                f"tag {name}@x {name}",
                f"tag -f {name}@x {name}~1",
                f"tag -d {name}@x",
                f"rollback {name} {name}~1",
                "undo",
                "undo @{1}",
            ]
        )
        if ork(*words.split()).code > 1:
            continue
        done += 1
        assert look_here(folder) == [], words
    assert [one.code for one in look_here(folder, "full") if one.level == "error"] == []


@pytest.mark.slow
@pytest.mark.turns(2)
def test_others_who_write_meanwhile_are_no_damage(etl: Ork) -> None:
    assert etl("deploy", "etl.yaml").code == 0

    enough = etl.folder / "enough"

    def write(name: str) -> None:
        while not enough.exists():
            assert main(["tag", "--force", f"etl@{name}", "etl"]) in (0, 5)
            assert main(["run", "etl"]) == 0

    children = [Forked(lambda name=name: write(name)) for name in "ab"]
    try:
        for _ in range(size(12, by_day=3)):
            assert fsck(etl.folder / ".ork", environ={}).findings == ()
    finally:
        enough.touch()
    for child in children:
        child.rest()


def test_every_code_is_explained() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reliability.md").read_text()
    for code, meaning in CODES.items():
        assert f"| `{code}` | {meaning.word} | {meaning.text} |" in page


def test_nothing_is_written(folder: Path, tmp_path: Path) -> None:
    before = tmp_path / "before"
    shutil.copytree(folder, before)
    fsck(folder, environ={}, depth="full")
    for path in before.rglob("*"):
        if path.is_file() and path.name not in ("lock.mdb", "gate"):
            assert (folder / path.relative_to(before)).read_bytes() == path.read_bytes()
