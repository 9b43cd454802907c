"""Damage of all kinds to a data file: what does harm is reported, and the rest is got back."""

from __future__ import annotations

import faulthandler
import os
import random
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ork.backends import anchor
from ork.errors import StoreError
from ork.store import location
from ork.upkeep.fsck import fsck
from ork.upkeep.repair import repair
from tests.cli.conftest import history, ran
from tests.conftest import Ork
from tests.scale import LONG, size
from tests.stores import reachable
from tests.torture.conftest import Score
from tests.torture.test_model import LABELS, NAMES, WORDS, Machine
from tests.upkeep.looks import in_child, look_here
from tests.upkeep.test_repair import is_left

__all__ = ["history", "ran"]

PAGE = 4096
META_BYTES = 160
SHARES = range(4)
HARM = "damage that changes or hides something: reported"


@pytest.fixture
def copies() -> list[bytes]:
    """What the data file was after each of the newest commands."""
    return []


@pytest.fixture
def folder(ran: Ork, copies: list[bytes]) -> Path:
    """The folder of a store with deploys, tags and runs."""
    folder = ran.folder / ".ork"
    for words in ("tag etl@v1 etl~2", "rollback etl etl~1", "undo", "tag etl@prod etl~1"):
        assert ran(*words.split()).code == 0
        copies.append((folder / "db/data.mdb").read_bytes())
    assert ran("run", "etl").code == 1
    copies.append((folder / "db/data.mdb").read_bytes())
    return folder


def content(folder: Path) -> object:
    """Return all refs and all that they lead to, read in a child; or how that failed."""

    def read() -> object:
        faulthandler.disable()  # to die of a damaged file is an answer
        try:
            with closing(location.open_store(folder, environ={})) as store:
                refs = dict(store.backend.refs())
                return refs, sorted(reachable(store, *refs.values()))
        except Exception as error:
            return repr(error)

    return in_child(read)


def is_told(folder: Path) -> bool:
    """Say whether a check tells of it: as `ork fsck`, of which a part may die.

    It tells by an error; or by a note, where a `gc` may have taken what is missing away, because
    only an undo needs it.
    """

    def look() -> bool:
        faulthandler.disable()
        return any(one.level == "error" or one.code == "N501" for one in look_here(folder))

    try:
        if location.data_problems(folder, environ={}, every_page=True):  # in the process itself
            return True
    except StoreError:
        return True
    found = in_child(look)
    return isinstance(found, str) or bool(found)


def missed(folder: Path, damaged: Iterable[tuple[str, bytes]], score: Score) -> list[str]:
    """Damage the data file in each of these ways; return what did harm, and was not reported."""
    file = folder / "db/data.mdb"
    whole, before = file.read_bytes(), content(folder)
    assert isinstance(before, tuple)
    assert not is_told(folder)
    harmful, silent = 0, []
    for words, data in damaged:
        file.write_bytes(data)
        told = is_told(folder)
        if content(folder) != before:
            harmful += 1
            silent += [] if told else [words]
        file.write_bytes(whole)
    assert content(folder) == before
    score(HARM, harmful, harmful - len(silent))
    return silent


def flipped(data: bytes, bits: Iterable[int]) -> Iterable[tuple[str, bytes]]:
    for bit in bits:
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        yield f"bit {bit}", bytes(damaged)


@pytest.mark.parametrize("seed", SHARES)
def test_a_flipped_bit_that_does_harm_is_reported(folder: Path, score: Score, seed: int) -> None:
    data = (folder / "db/data.mdb").read_bytes()
    numbers = random.Random(seed)
    bits = [numbers.randrange(8 * len(data)) for _ in range(size(1250, by_day=125))]
    assert missed(folder, flipped(data, bits), score) == []


@pytest.mark.parametrize("page", [0, 1])
def test_a_flipped_bit_of_a_meta_page_that_does_harm_is_reported(
    folder: Path, score: Score, page: int
) -> None:
    data = (folder / "db/data.mdb").read_bytes()
    first = 8 * PAGE * page
    bits = range(first, first + 8 * META_BYTES, 1 if LONG else 23)
    assert missed(folder, flipped(data, bits), score) == []


def test_pages_that_are_empty_stale_elsewhere_or_cut_off_are_reported(
    folder: Path, copies: list[bytes], score: Score
) -> None:
    data, numbers = copies[-1], random.Random(1)
    pages = len(data) // PAGE

    def page_of(file: bytes, page: int) -> bytes:
        return file[page * PAGE : (page + 1) * PAGE]

    def damaged() -> Iterable[tuple[str, bytes]]:
        for _ in range(size(250, by_day=25)):
            page, other = numbers.sample(range(pages), 2)
            old = numbers.choice([one for one in copies if page_of(one, page)])
            for words, new in (
                ("empty", bytes(PAGE)),
                ("stale", page_of(old, page)),
                (f"that of {other}", page_of(data, other)),
            ):
                after = data[(page + 1) * PAGE :]
                yield f"page {page}: {words}", data[: page * PAGE] + new + after
            yield f"cut at {page}", data[: page * PAGE + numbers.choice([0, 100])]

    assert missed(folder, damaged(), score) == []


def test_every_older_data_file_under_a_newer_anchor_is_reported(
    folder: Path, copies: list[bytes], score: Score
) -> None:
    assert anchor.read(folder) is not None
    older = [(f"copy {at}", data) for at, data in enumerate(copies[:-1])]
    assert missed(folder, older, score) == []


@pytest.mark.parametrize("part", ["name", "value"])
def test_a_flipped_bit_in_a_ref_is_reported(folder: Path, score: Score, part: str) -> None:
    data, numbers = (folder / "db/data.mdb").read_bytes(), random.Random(2)
    with closing(location.open_store(folder, environ={})) as store:
        names = [ref.encode() for ref, _ in store.backend.refs()]

    def damaged() -> Iterable[tuple[str, bytes]]:
        for name in names:
            for _ in range(size(8, by_day=1)):
                at = numbers.randrange(len(name)) if part == "name" else len(name)
                at += 0 if part == "name" else numbers.randrange(40)
                mask = 1 << numbers.randrange(8)
                copy, start = bytearray(data), -1
                while (start := data.find(b"r" + name, start + 1)) >= 0:
                    copy[start + 1 + at] ^= mask  # in all old pages as well as in the live one
                yield f"{name!r} + {at}", bytes(copy)

    assert missed(folder, damaged(), score) == []


def act(machine: Machine, numbers: random.Random) -> None:
    """Do something with a store."""
    name, any_of = numbers.choice(NAMES), numbers.randrange(10**6)
    if numbers.random() < 0.1:
        return machine.forget() if numbers.random() < 0.3 else machine.reopen()
    return numbers.choice(
        [
            lambda: machine.deploy(name, any_of % len(WORDS), numbers.random() < 0.5),
            lambda: machine.deploy(name, any_of % len(WORDS), numbers.random() < 0.5),
            lambda: machine.run(name, any_of, numbers.choice(["success", "failed"])),
            lambda: machine.roll_back(name, any_of),
            lambda: machine.tag(name, numbers.choice(LABELS), any_of, numbers.random() < 0.5),
            lambda: machine.untag(name, numbers.choice(LABELS)),
            lambda: machine.undo(any_of % 10),
            lambda: machine.gc(numbers.random() < 0.7, any_of % 2, numbers.choice([None, 0, 2])),
        ]
    )()


@pytest.mark.parametrize("share", SHARES)
def test_no_store_that_is_whole_is_called_damaged(score: Score, share: int) -> None:
    wrong = []
    count = size(500, by_day=25)
    for seed in range(count):
        numbers = random.Random(share * count + seed)
        machine = Machine()
        try:
            machine.begin()
            for _ in range(numbers.randrange(20)):
                act(machine, numbers)
            found = look_here(machine.folder / ".ork", "full")
            wrong += [(numbers, one) for one in found if one.level != "note"]
        finally:
            machine.teardown()
    score("stores that are whole: nothing reported", count, count - len(wrong))
    assert wrong == []


@pytest.mark.parametrize("share", SHARES)
def test_every_object_outside_of_a_damaged_page_is_got_back(
    folder: Path, score: Score, share: int
) -> None:
    file = folder / "db/data.mdb"
    data, ring = file.read_bytes(), (folder / anchor.NAME).read_bytes()
    with closing(location.open_store(folder, environ={})) as store:
        objects = {oid: store.backend.get(oid) or b"" for oid in store.backend.oids()}
        refs = dict(store.backend.refs())
    numbers = random.Random(share)
    count, wrong = size(50, by_day=5), []
    for _ in range(count):
        page = numbers.randrange(len(data) // PAGE)
        new = numbers.choice([bytes(PAGE), numbers.randbytes(PAGE)])
        damaged = data[: page * PAGE] + new + data[(page + 1) * PAGE :]
        file.write_bytes(damaged)
        (folder / anchor.NAME).write_bytes(ring)
        repair(folder, environ={}, now=datetime.now(UTC))
        with closing(location.open_store(folder, environ={})) as store:
            left = set(store.backend.oids())
            left_refs = {ref for ref, _ in store.backend.refs()}
        lost = [
            oid
            for oid, stored in objects.items()
            if oid not in left and is_left(damaged, b"o" + bytes.fromhex(oid), stored)
        ]
        names = left_refs - refs.keys()
        invented = {ref for ref in names if not ref.startswith(("tally/", "active/"))}
        if lost or invented:
            wrong.append((page, new[:8], lost, invented))
    score(
        "stores with a damaged page: every object outside of it got back", count, count - len(wrong)
    )
    assert wrong == []


def test_a_check_says_it_when_the_file_ends_who_reads_it(folder: Path) -> None:
    """The whole command, with a child of its own, on a file that is cut while it seems complete."""
    file = folder / "db/data.mdb"
    os.truncate(file, 2 * PAGE)
    assert fsck(folder, environ={}).errors > 0
