"""A store that has gone back, or lost what it acknowledged, is not believed by any command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ork.backends import anchor
from ork.cli.app import main
from ork.errors import Corrupt
from ork.store import location
from ork.store.store import Store
from tests.conftest import Ork
from tests.damage import data_file, flip, raw
from tests.forked import Forked
from tests.scale import size

ROOT = Path(__file__).parents[2]
READERS = ["log", "status", "runs", "ops", "tag"]


@pytest.fixture
def store(ran: Ork) -> Path:
    """The folder of a store with deploys, a tag and two runs."""
    assert ran("tag", "etl@prod", "etl~1").code == 0
    return ran.folder / ".ork"


def test_an_older_data_file_is_noticed_by_every_command(ran: Ork, store: Path) -> None:
    before = data_file(store).read_bytes()
    assert ran("tag", "etl@new", "etl").code == 0
    data_file(store).write_bytes(before)
    for command in READERS:
        result = ran(command)
        assert (result.code, result.out) == (4, "")
        assert "gone back by one write" in result.err
        assert "ork fsck" in result.err


def test_an_older_anchor_says_nothing(ran: Ork, store: Path) -> None:
    before = (store / anchor.NAME).read_bytes()
    assert ran("tag", "etl@new", "etl").code == 0
    (store / anchor.NAME).write_bytes(before)
    assert ran("log").code == 0
    (store / anchor.NAME).unlink()
    assert ran("log").code == 0
    assert ran("tag", "etl@newer", "etl").code == 0
    assert anchor.read(store) is not None


def test_operations_that_were_lost_are_noticed_although_others_followed(
    ran: Ork, store: Path
) -> None:
    before = data_file(store).read_bytes()
    assert ran("tag", "etl@new", "etl").code == 0
    told = (store / anchor.NAME).read_bytes()
    data_file(store).write_bytes(before)
    (store / anchor.NAME).unlink()
    for label in ("x", "y", "z"):
        assert ran("tag", f"etl@{label}", "etl").code == 0
    (store / anchor.NAME).write_bytes(told)
    result = ran("log")
    assert result.code == 4
    assert "has lost operation" in result.err


def test_a_newest_run_that_was_lost_is_noticed(ran: Ork, store: Path) -> None:
    with raw(store) as txn:
        assert txn.delete(b"rnumbers/etl/0000000002")
    result = ran("log")
    assert result.code == 4
    assert "lost the run of 'numbers/etl/0000000002'" in result.err


@pytest.mark.parametrize(
    ("text", "at", "commands"),
    [
        (b"rtags/etl/prod", 12, [["tag"], ["log", "etl@prod"], ["tag", "etl@prod", "etl"]]),
        (b"rworkflows/etl", 12, [["status"], ["log", "etl"], ["deploy", "etl.yaml"], ["log"]]),
        (b"rruns/etl/2", 6, [["runs"], ["runs", "etl"]]),
        (b"rnumbers/etl/0000000001", 22, [["show", "etl#1"], ["run", "etl"]]),
        (b"rtally/", 8, [["log"], ["log", "etl"]]),
        (b"rops", 3, [["ops"], ["log"], ["tag"]]),
    ],
)
def test_a_damaged_name_of_a_ref_is_not_believed(
    ran: Ork, store: Path, text: bytes, at: int, commands: list[list[str]]
) -> None:
    flip(store, text, at)
    for command in commands:
        result = ran(*command)
        assert (result.code, result.out) == (4, ""), command
        assert "its seal does not match" in result.err


def test_a_damaged_target_of_a_ref_is_not_believed(ran: Ork, store: Path) -> None:
    with raw(store) as txn:
        value = bytearray(txn.get(b"rtags/etl/prod") or b"")
        value[:32] = (txn.get(b"rworkflows/etl") or b"")[:32]
        txn.put(b"rtags/etl/prod", bytes(value))
    result = ran("log", "etl@prod")
    assert result.code == 4
    assert "'tags/etl/prod' is damaged" in result.err


@pytest.mark.slow
def test_nothing_is_missed_while_others_write(etl: Ork, opened: Callable[[], Store]) -> None:
    assert etl("deploy", "etl.yaml").code == 0
    folder = etl.folder / ".ork"

    def write(name: str) -> None:
        for _ in range(size(40, by_day=15)):
            assert main(["tag", "--force", f"etl@{name}", "etl"]) in (0, 5)
        for _ in range(size(5, by_day=2)):
            assert main(["run", "quick.yaml"]) == 0

    etl.write("quick.yaml", "name: quick\ntasks: {t: {executor: process, command: 'true'}}\n")
    children = [Forked(lambda name=name: write(name)) for name in "ab"]
    opens = 0
    while any(child.is_running() for child in children):
        location.open_store(folder, environ={}).close()
        opens += 1
    for child in children:
        child.rest()
    assert opens > 10
    store = opened()
    told = anchor.read(folder)
    assert told is not None
    assert (told.sequence, told.operation) == (store.backend.sequence(), store.ref("ops"))
    assert anchor.torn(folder) == 0


def test_a_store_is_closed_when_it_is_not_believed(ran: Ork, store: Path) -> None:
    before = data_file(store).read_bytes()
    assert ran("tag", "etl@new", "etl").code == 0
    data_file(store).write_bytes(before)
    for _ in range(2):
        with pytest.raises(Corrupt, match="gone back"):
            location.open_store(store, environ={})
