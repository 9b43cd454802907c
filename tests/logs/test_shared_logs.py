"""The logs of a store that several machines share: written to files here, read from it there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ork.backends.memory import Memory
from ork.errors import Corrupt
from ork.logs import bytes as logs
from ork.logs.begun import Beginnings
from ork.logs.bytes import PART_BYTES
from ork.logs.reading import PIECE_BYTES, Growing, last_line, pieces
from ork.logs.writing import JOIN_PARTS, Shipping, Slots
from ork.objects import kinds
from ork.objects.kinds import Blob
from ork.store.store import Store
from tests.runs import PIN as RUN

FOLDER = f"{RUN.workflow}/{RUN.id}"


def on(backend: Memory, folder: Path) -> Store:
    """Return what one machine sees of a store."""
    folder.mkdir(exist_ok=True)
    return Store(backend, folder=folder, shared=True)


@pytest.fixture
def backend() -> Memory:
    return Memory()


@pytest.fixture
def here(backend: Memory, tmp_path: Path) -> Store:
    """The machine that runs."""
    return on(backend, tmp_path / "here")


@pytest.fixture
def there(backend: Memory, tmp_path: Path) -> Store:
    """Another one."""
    return on(backend, tmp_path / "there")


@pytest.fixture
def slots(here: Store) -> Iterator[Slots]:
    made = Slots(here, RUN)
    yield made
    made.close()


def ship(store: Store, shipping: Shipping | None) -> list[str]:
    """Put into the store what logs have grown by; return which refs that made."""
    assert shipping is not None
    refs = []
    while parts := shipping.grown():
        with store.transaction() as tx:
            for part in parts:
                refs.append(shipping.ref(part))
                tx.move(refs[-1], old=None, new=tx.add(Blob(part.data)))
        shipping.has(parts)
    return refs


def join(store: Store, shipping: Shipping | None) -> None:
    assert shipping is not None
    for part, refs in shipping.joined():
        with store.transaction() as tx:
            for ref, oid in refs.items():
                tx.move(ref, old=oid, new=None)
            tx.move(shipping.ref(part), old=refs[shipping.ref(part)], new=tx.add(Blob(part.data)))


def say(path: str, data: bytes) -> None:
    with open(path, "ab") as file:
        file.write(data)


def whole(store: Store, log: kinds.Log) -> bytes:
    return b"".join(pieces(store, log))


def test_what_was_printed_here_is_read_there(here: Store, there: Store, slots: Slots) -> None:
    path, log = slots.take("a", 1)
    say(path, b"one\ntwo\n")
    assert whole(there, log) == b"", "nothing has arrived yet"
    assert whole(here, log) == b"one\ntwo\n", "who writes it sees it at once"
    assert Beginnings(here, RUN).log("a", 1) == kinds.Log(path=log.path, offset=0, length=8)
    assert ship(here, slots.shipping) == [
        f"logs/{FOLDER}/begun/0000000000000000",
        f"logs/{FOLDER}/1.log/0000000000000000",
    ]
    assert whole(there, log) == b"one\ntwo\n"
    growing = Growing(there, lambda: log)
    assert growing.read() == b"one\ntwo\n"
    say(path, b"three\n")
    ship(here, slots.shipping)
    assert (growing.read(), growing.read()) == (b"three\n", b"")
    assert last_line(there, log) == "three"
    assert Beginnings(there, RUN).log("a", 1) == kinds.Log(path=log.path, offset=0, length=14)
    assert logs.logs_there(there, RUN.workflow, RUN.id) == ["1.log", "begun"]


def test_attempts_share_a_file_there_as_well(here: Store, there: Store, slots: Slots) -> None:
    path, first = slots.take("a", 1)
    say(path, b"first\n")
    first = slots.give_back(first, 6)
    again, second = slots.take("b", 1)
    assert again == path
    say(path, b"second\n")
    ship(here, slots.shipping)
    assert (whole(there, first), whole(there, second)) == (b"first\n", b"second\n")
    assert b"".join(pieces(there, second, tail=1)) == b"second\n"


def test_a_large_log_comes_in_parts_and_is_read_in_pieces(
    here: Store, there: Store, slots: Slots
) -> None:
    path, log = slots.take("a", 1)
    data = b"".join(b"%09d\n" % number for number in range(PART_BYTES // 4))
    say(path, data)
    ship(here, slots.shipping)
    parts = [here.blob(oid) for _, oid in here.refs(f"logs/{log.path}/")]
    assert max(map(len, parts)) == PART_BYTES
    assert b"".join(parts) == data
    assert whole(there, log) == data
    assert max(map(len, pieces(there, log))) <= PIECE_BYTES
    assert b"".join(pieces(there, log, tail=3)) == data[-30:]


def test_another_machine_goes_on_where_the_store_ends(
    here: Store, there: Store, slots: Slots
) -> None:
    path, log = slots.take("a", 1)
    say(path, b"shipped\n")
    ship(here, slots.shipping)
    say(path, b"not in time\n")
    slots.close()  # its process was killed
    goes_on = Slots(there, RUN)
    path, later = goes_on.take("a", 2)
    assert (later.path, later.offset) == (log.path, 8)
    say(path, b"later\n")
    refs = ship(there, goes_on.shipping)
    assert f"logs/{log.path}/0000000000000008" in refs, "what is not here is not shipped"
    assert whole(here, later) == whole(there, later) == b"later\n"
    first = kinds.Log(path=log.path, offset=0, length=8)
    assert whole(there, first) == b"shipped\n", "from the store, although this machine writes"
    goes_on.close()
    back = Slots(here, RUN)
    _, last = back.take("a", 3)
    assert last.offset == 14
    assert os.path.getsize(here.folder / "logs" / log.path) == 14, "what came too late is gone"
    back.close()


def test_a_file_that_nobody_has_seen_is_not_gone_on_with(here: Store, slots: Slots) -> None:
    path, _ = slots.take("a", 1)
    say(path, b"not in time\n")
    back = Slots(here, RUN)
    assert back.take("a", 1)[1].offset == 0
    assert ship(here, back.shipping) == [f"logs/{FOLDER}/begun/0000000000000000"]
    back.close()


def test_many_small_parts_become_few(here: Store, there: Store, slots: Slots) -> None:
    path, log = slots.take("a", 1)
    lines = [b"line %d\n" % number for number in range(3 * JOIN_PARTS)]
    for line in lines:
        say(path, line)
        ship(here, slots.shipping)
    growing = Growing(there, lambda: log)
    growing.read()
    join(here, slots.shipping)
    assert [name for name, _ in here.refs(f"logs/{log.path}/")] == ["0000000000000000"]
    assert whole(there, log) == b"".join(lines)
    say(path, b"end\n")
    ship(here, slots.shipping)
    assert growing.read() == b"end\n", "who was reading goes on"


def test_large_parts_stay_as_they_are(here: Store, there: Store, slots: Slots) -> None:
    path, log = slots.take("a", 1)
    chunks = [b"x" * (PART_BYTES // 3), *[b"y" * 1000] * JOIN_PARTS, b"z" * PART_BYTES]
    for chunk in chunks:
        say(path, chunk)
        ship(here, slots.shipping)
    join(here, slots.shipping)
    assert len(list(here.refs(f"logs/{log.path}/"))) == 2
    assert whole(there, log) == b"".join(chunks)


@given(
    cuts=st.lists(st.integers(1, 60), max_size=12), at=st.integers(0, 400), count=st.integers(0, 99)
)
def test_any_bytes_of_any_parts_are_those_of_the_file(cuts: list[int], at: int, count: int) -> None:
    store = Store(Memory(), shared=True)
    data = bytes(number % 251 for number in range(sum(cuts)))
    start = 0
    with store.transaction() as tx:
        for cut in cuts:
            part = tx.add(Blob(data[start : start + cut]))
            tx.move(f"logs/{FOLDER}/1.log/{start:016}", old=None, new=part)
            start += cut
    if not cuts:
        assert logs.size_of(store, f"{FOLDER}/1.log") == 0
        return
    with logs.opened(store, f"{FOLDER}/1.log") as file:
        assert file.size() == len(data)
        assert file.read(count, at) == data[at : at + count]


def test_who_takes_logs_in_replaces_what_is_there(here: Store, there: Store) -> None:
    path = f"{FOLDER}/1.log"
    assert (
        logs.put(here, [(path, [b"a" * PART_BYTES, b"b" * 10]), (f"{FOLDER}/begun", [b"x"])]) == 2
    )
    log = kinds.Log(path=path, offset=0)
    assert whole(there, log) == b"a" * PART_BYTES + b"b" * 10
    logs.put(here, [(path, [b"short"])])
    assert whole(there, log) == b"short"
    logs.remove(here, RUN.workflow, RUN.id)
    assert list(here.refs("logs/")) == []
    assert whole(there, log) == b""


@pytest.mark.parametrize("name", ["", "1", "-000000000000001", "00000000000000001", "٠" * 16])
def test_a_part_with_another_name_is_damage(there: Store, name: str) -> None:
    with there.transaction() as tx:
        tx.move(f"logs/{FOLDER}/1.log/{name}", old=None, new=tx.add(Blob(b"x")))
    with pytest.raises(Corrupt):
        whole(there, kinds.Log(path=f"{FOLDER}/1.log", offset=0))


@pytest.mark.parametrize("path", ["../x/1.log", "etl/1.log", "etl/run/../1.log", "etl/r/s/1.log"])
def test_a_path_that_leads_elsewhere_is_not_found(there: Store, path: str) -> None:
    assert whole(there, kinds.Log(path=path, offset=0)) == b""
    assert not logs.is_there(there, kinds.Log(path=path, offset=0))


def test_a_part_is_looked_up_once_however_small_the_pieces(
    here: Store, there: Store, slots: Slots, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, log = slots.take("a", 1)
    say(path, b"x" * PART_BYTES)
    ship(here, slots.shipping)
    looks = []
    real = there.refs
    monkeypatch.setattr(there, "refs", lambda *a, **b: (looks.append(a), real(*a, **b))[1])
    assert len(list(pieces(there, log))) > 10
    assert len(looks) <= 3


def test_the_files_here_go_when_the_run_has_ended(here: Store, there: Store, slots: Slots) -> None:
    path, log = slots.take("a", 1)
    say(path, b"done\n")
    ship(here, slots.shipping)
    logs.tidy(here, RUN)
    assert not os.path.exists(path)
    assert whole(here, log) == whole(there, log) == b"done\n"
