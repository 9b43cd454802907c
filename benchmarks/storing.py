"""What typed, checked objects cost beside raw LMDB, and comparing trees beside comparing lists."""

from __future__ import annotations

import json
import random
import statistics
from collections.abc import Iterator
from pathlib import Path

import msgspec
from material import AUTHOR, SEED, START, new_store
from measure import Row, Times, interleaved, number, ratio, row, timed
from raw import Raw

from ork.history import compare
from ork.objects import snapshot, tree
from ork.objects.canonical import Oid, encode, frame, hash_bytes, unframe
from ork.objects.kinds import Blob, Deploy, Kind, Link, Snapshot, Source, Task
from ork.store.store import Stamp, Store

OBJECTS = 10_000
OBJECT_BYTES = 300
SPEED_AT_LEAST = 0.6
DIFF_AT_MOST = 1 / 20


def rows(folder: Path, quick: bool) -> Iterator[Row]:
    """Yield put and get beside raw LMDB, then the diff of two large snapshots."""
    repeats = 5 if quick else 15
    yield from _objects(folder, 1_000 if quick else OBJECTS, repeats)
    yield from _diff(folder, 1_000 if quick else OBJECTS, repeats)


def _objects(folder: Path, count: int, repeats: int) -> Iterator[Row]:
    dice = random.Random(SEED)
    payloads = [dice.randbytes(OBJECT_BYTES) for _ in range(count)]
    bench = _Objects(folder, payloads)
    raw = Raw(folder, [b"ork1 blob\n" + payload for payload in payloads])
    times = interleaved({"raw put": raw.put, "put": bench.put}, repeats)
    times |= interleaved({"raw get": raw.get, "get": bench.get}, repeats)
    yield row(f"raw lmdb + blake3, put {count:,} objects in one write (= 1)", times, "raw put")
    yield _speed("ork: put, as part of the raw speed", times, "put", "raw put")
    yield row(f"raw lmdb + blake3, get and check {count:,}, one read each (= 1)", times, "raw get")
    yield _speed("ork: get, as part of the raw speed", times, "get", "raw get")


def _speed(what: str, times: Times, ours: str, theirs: str) -> Row:
    value, least = ratio(times, theirs, ours)
    return Row(
        what=what,
        seconds=statistics.median(times[ours]),
        ratio=f"{number(value)} ({number(least)})",
        budget=f"at least {SPEED_AT_LEAST:g}",
        ok=value >= SPEED_AT_LEAST,
    )


class _Objects:
    """Blobs, put into and got from a store."""

    def __init__(self, folder: Path, payloads: list[bytes]) -> None:
        self.folder = folder
        self.payloads = payloads
        self.count = 0
        self.store = self._store()
        self.oids: list[Oid] = []

    def put(self) -> float:
        self.store.close()
        self.store = store = self._store()

        def put() -> None:
            with store.transaction() as tx:
                self.oids = [tx.add(Blob(payload)) for payload in self.payloads]

        return timed(put)

    def get(self) -> float:
        raw = self.store.raw
        return timed(lambda: [raw(oid) for oid in self.oids])

    def _store(self) -> Store:
        self.count += 1
        return new_store(self.folder / f"objects-{self.count}")


def _diff(folder: Path, count: int, repeats: int) -> Iterator[Row]:
    store = new_store(folder / "diff")
    dice = random.Random(SEED)
    tasks = {
        f"task_{n:05d}": Task(executor="process", command=f"true {dice.random()}")
        for n in range(count)
    }
    changed = {**tasks, f"task_{count // 2:05d}": Task(executor="process", command="false")}
    deploys = [_deploy(store, tasks, None)]
    deploys.append(_deploy(store, changed, deploys[0]))
    old, new = (store.get(Deploy, oid) for oid in deploys)
    lists = [_flat_list(store, deploy) for deploy in (old, new)]

    def ours() -> float:
        fresh = Store(store.backend, folder=store.folder)  # nothing is cached
        return timed(lambda: compare.compare_deploys(fresh, old, new))

    times = interleaved(
        {
            "ours": ours,
            "flat": lambda: timed(lambda: _compared([_checked(data) for data in lists])),
            "bare": lambda: timed(lambda: _compared([_bare(data) for data in lists])),
        },
        repeats,
    )
    yield row(
        f"flat lists of {count:,} names, read with ork's checks, compared (= 1)", times, "flat"
    )
    yield row(
        "ork: diff of two such snapshots, one change",
        times,
        "ours",
        "flat",
        at_most=DIFF_AT_MOST,
        budget="at most 1/20",
    )
    yield row("flat lists by json.loads, nothing checked", times, "bare", "flat")
    store.close()


def _deploy(store: Store, tasks: dict[str, Task], parent: Oid | None) -> Oid:
    built = snapshot.build(tasks, {})
    with store.transaction(Stamp(time=START, author=AUTHOR)) as tx:
        tx.add_all(built.objects)
        source = tx.add(Blob(b"name: large\n"))
        oid = tx.add(
            Deploy(
                workflow="large",
                snapshot=built.oid,
                parents=(parent,) if parent else (),
                time=START,
                author=AUTHOR,
                message="",
                settings={},
                source=Source(path="large.yaml", blob=source),
            )
        )
        tx.move("workflows/large", old=parent, new=oid)
    return oid


def _flat_list(store: Store, deploy: Deploy) -> bytes:
    """Return what a snapshot would hold if trees did not fan out: one leaf with all the names."""
    entries = tree.entries(store.tree, store.get(Snapshot, deploy.snapshot).tasks)
    return frame("tree", encode({"entries": [[name, oid] for name, oid in entries.items()]}))


class FlatList(Kind, frozen=True, kw_only=True):
    """A leaf of any length."""

    entries: tuple[tuple[str, Link], ...]


_DECODE = msgspec.json.Decoder(FlatList).decode
_ENCODE = msgspec.json.Encoder(order="sorted").encode


def _checked(data: bytes) -> dict[str, Oid]:
    """Read a list of any length as ork reads a leaf of at most 64 entries."""
    hash_bytes(data)
    _, payload = unframe(data)
    value = _DECODE(payload)
    names, oids = zip(*value.entries, strict=True)
    joined = "".join(oids)
    assert list(names) == sorted(set(names))
    assert bytes.fromhex(joined).hex() == joined
    assert _ENCODE(value) == payload
    return dict(value.entries)


def _bare(data: bytes) -> dict[str, Oid]:
    return dict(json.loads(data[10:])["entries"])


def _compared(lists: list[dict[str, Oid]]) -> list[tuple[str, Oid | None, Oid | None]]:
    old, new = lists
    return [
        (name, old.get(name), new.get(name))
        for name in old.keys() | new.keys()
        if old.get(name) != new.get(name)
    ]
