"""Copies of what a server has: never more than copies."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ork.backends.memory import Memory
from ork.objects.canonical import Oid, hash_bytes
from ork.servers import cache
from ork.servers.cache import Cached
from ork.servers.postgresql import Postgresql
from tests.forked import Forked
from tests.servers.conftest import Open

A, B, C = (Oid(digit * 64) for digit in "abc")


class Far(Memory):
    """A backend that says what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.epoch = "one"
        self.asked: list[str] = []
        self.cached: list[Cached] = []

    def close(self) -> None:
        """Stay, for who asks next."""

    def get_many(self, oids: Iterable[Oid]) -> dict[Oid, bytes]:
        wanted = list(oids)
        self.asked.append("".join(oid[0] for oid in wanted))
        return super().get_many(wanted)

    def ahead(self, oids: Iterable[Oid], after: int) -> tuple[dict[Oid, bytes], int]:
        wanted = list(oids)
        self.asked.append("".join(oid[0] for oid in wanted) + f" after {after}")
        return Memory.get_many(self, wanted), 7


@pytest.fixture
def far() -> Iterator[Far]:
    far = Far()
    far.write({A: b"a", B: b"b", C: b"c"}, {"head": (None, A)})
    yield far
    for cached in far.cached:
        cached.close()


def cache_of(far: Far, folder: Path) -> Cached:
    """Return a cache that is closed at the end of the test."""
    far.cached.append(Cached(far, folder))
    return far.cached[-1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_what_was_read_once_is_not_asked_for_again(far: Far, folder: Path) -> None:
    first = cache_of(far, folder)
    assert first.get_many([A, B]) == {A: b"a", B: b"b"}
    assert (first.get(A), first.get(C)) == (b"a", b"c")
    first.close()
    assert cache_of(far, folder).get_many([A, B, C]) == {A: b"a", B: b"b", C: b"c"}
    assert far.asked == ["ab after 0", "c"]


def test_what_was_written_is_not_asked_for(far: Far, folder: Path) -> None:
    cached = cache_of(far, folder)
    oid = Oid("d" * 64)
    assert cached.write({oid: b"d"}, {})
    assert cached.get(oid) == b"d"
    assert far.asked == []
    assert not cached.write({A: b"x"}, {"head": (None, B)})
    assert cached.get(A) == b"a", "what was refused was not written"


def test_what_is_absent_is_asked_for_each_time(far: Far, folder: Path) -> None:
    cached = cache_of(far, folder)
    oid = Oid("d" * 64)
    assert cached.get(oid) is None
    far.write({oid: b"d"}, {})
    assert cached.get(oid) == b"d"


def test_after_a_refusal_what_was_needed_is_looked_for_anew(far: Far, folder: Path) -> None:
    cached = cache_of(far, folder)
    assert cached.get(A) == b"a"
    far.write({}, {}, [A])  # another machine removed it
    assert cached.get(A) == b"a"
    assert not cached.write({}, {"x": (None, A)}, (), [A])
    assert cached.get(A) is None


def test_what_is_removed_here_has_no_copy(far: Far, folder: Path) -> None:
    cached = cache_of(far, folder)
    assert cached.get_many([A, B, C])
    assert cached.write({}, {}, [A])
    cached.sweep(lambda: [B])
    assert cached.get_many([A, B, C]) == {C: b"c"}
    assert not any(b"secret" in path.read_bytes() for path in folder.iterdir())


def test_after_a_sweep_elsewhere_no_copy_is_left(far: Far, folder: Path) -> None:
    assert cache_of(far, folder).get_many([A, B])
    far.epoch = "two"
    far.write({}, {}, [A])
    cached = cache_of(far, folder)
    assert cached.get_many([A, B]) == {B: b"b"}
    assert len({path.name.partition(".")[0] for path in folder.iterdir()}) == 1


@pytest.mark.parametrize(
    "damage", ["CAST(x'00' || data AS BLOB)", "substr(data, 2)", "'text'", "x''", "7"]
)
def test_a_damaged_copy_counts_as_absent(far: Far, folder: Path, damage: str) -> None:
    cache_of(far, folder).get_many([A, B])
    (file,) = folder.glob(f"*{cache.END}")
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(f"UPDATE objects SET data = {damage} WHERE oid = ?", [b"\xaa" * 32])
    cached = cache_of(far, folder)
    assert cached.get_many([A, B]) == {A: b"a", B: b"b"}
    assert far.asked[1:] == ["a after 7"]
    assert cache_of(far, folder).get_many([A]) == {A: b"a"}
    assert len(far.asked) == 2, "the truth has taken its place"


@pytest.mark.parametrize("text", [b"", b"no database at all" * 500, None])
def test_a_file_that_cannot_be_used_is_made_anew(
    far: Far, folder: Path, text: bytes | None
) -> None:
    cache_of(far, folder).get(A)
    (file,) = folder.glob(f"*{cache.END}")
    data = file.read_bytes()
    file.write_bytes(data[:100] + bytes(len(data) - 100) if text is None else text)
    for _ in range(3):
        cached = cache_of(far, folder)
        assert cached.get_many([A, B]) == {A: b"a", B: b"b"}
        cached.close()
    far.asked.clear()
    assert cache_of(far, folder).get(A) == b"a"
    assert far.asked == []


def test_where_nothing_can_be_kept_nothing_fails(far: Far, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file/below"):
        cached = cache_of(far, folder)
        assert cached.get_many([A, B]) == {A: b"a", B: b"b"}
        assert cached.write({C: b"c"}, {}, [Oid("d" * 64)])
        cached.close()


def test_it_does_not_grow_for_ever(far: Far, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "BYTES_MAX", 200_000)
    monkeypatch.setattr(cache, "COPY_MAX", 10_000)
    cached = cache_of(far, folder)
    newest = {}
    for number in range(100):
        newest = {hash_bytes(b"%d" % number): b"%d" % number * 2500}
        assert cached.write(newest, {})
        assert cached.write({A: bytes(10_001)}, {}), "it is too large to be kept"
    cached.close()
    assert sum(path.stat().st_size for path in folder.iterdir()) < 400_000
    assert all(cache_of(far, folder).get(oid) == data for oid, data in newest.items())
    assert far.asked == []
    assert cache_of(far, folder).get(A) == bytes(10_001)
    assert far.asked == ["a after 0"]


def test_it_belongs_to_the_user_alone(far: Far, folder: Path) -> None:
    old = os.umask(0)
    try:
        cache_of(far, folder).get(A)
    finally:
        os.umask(old)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


@pytest.mark.slow
def test_many_threads_and_processes_use_it_at_once(far: Far, folder: Path) -> None:
    objects = {hash_bytes(b"%d" % n): b"%d" % n * 100 for n in range(200)}
    far.write(objects, {})

    def use() -> None:
        cached = cache_of(far, folder)
        for oid, data in objects.items():
            assert cached.get(oid) == data
            cached.write({oid: data}, {}, [B])

    def threads() -> Iterator[threading.Thread]:
        for _ in range(3):
            yield threading.Thread(target=use)

    children = [Forked(use) for _ in range(3)]
    running = list(threads())
    for one in running:
        one.start()
    for one in running:
        one.join()
    assert [child.rest() for child in children] == [""] * 3
    asked = len(far.asked)
    assert cache_of(far, folder).get_many(objects) == objects
    assert len(far.asked) == asked, "all of it is there"


def test_a_forked_child_keeps_its_hands_off(far: Far, folder: Path) -> None:
    cached = cache_of(far, folder)
    assert cached.get(A) == b"a"

    def use() -> None:
        far.asked.clear()
        cached.get(A)
        print(far.asked)
        cached.close()

    assert Forked(use).rest() == "['a']\n"
    assert cached.get(A) == b"a"
    assert len(far.asked) == 1


def test_one_trip_brings_what_came_last(url: str, opened: Open, folder: Path) -> None:
    writer = opened(url)
    objects = {hash_bytes(b"%d" % n): b"%d" % n * 100 for n in range(60)}
    for oid, data in objects.items():
        assert writer.write({oid: data}, {})
    large = hash_bytes(b"large")
    assert writer.write({large: bytes(100_000)}, {})
    oids, reader = list(objects), opened(url)
    found, newest = reader.ahead([oids[0], B], 0)
    assert (found, newest) == (objects, 60)
    assert reader.ahead([large], 0)[0] == {**objects, large: bytes(100_000)}
    assert reader.ahead([], newest) == ({}, 0)
    assert set(reader.ahead([], 50)[0]) == set(oids[50:])
    cached = Cached(reader, folder)
    assert cached.get(oids[30]) == objects[oids[30]]
    assert writer.write({C: b"new"}, {})
    again = Cached(opened(url), folder)
    reader.close()
    assert again.get_many(oids) == objects
    assert again.get(C) == b"new"
    cached.close()
    again.close()


def test_a_sweep_tells_all_machines(url: str, opened: Open, folder: Path) -> None:
    writer: Postgresql = opened(url)
    assert writer.write({A: b"secret", B: b"b"}, {"head": (None, B)})
    here = Cached(opened(url), folder)
    assert here.get_many([A, B]) == {A: b"secret", B: b"b"}
    here.close()
    writer.sweep(lambda: [A])
    again = Cached(opened(url), folder)
    assert again.get_many([A, B]) == {B: b"b"}
    again.close()
    assert not any(b"secret" in path.read_bytes() for path in folder.iterdir())
