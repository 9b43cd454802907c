"""What an object of each kind costs: to encode, decode, put and get it, beside LMDB and BLAKE3."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path

from material import AUTHOR, SEED, START, new_store
from measure import Row, Times, interleaved, number, ratio, timed
from raw import Raw

from ork.objects.canonical import Oid, hash_bytes
from ork.objects.kinds import (
    LEAF_ENTRIES_MAX,
    SECOND,
    Attempt,
    Blob,
    Deploy,
    FileEntry,
    FileLeaf,
    Log,
    Node,
    Object,
    OidLeaf,
    Operation,
    Run,
    RunLeaf,
    Snapshot,
    Source,
    Task,
    TaskRun,
    decode_object,
    encode_object,
    output_of,
)
from ork.store.store import Store

OBJECTS = 2_000
LEAF_AT_LEAST = 0.8
AT_LEAST = 0.6


def rows(folder: Path, quick: bool) -> Iterator[Row]:
    """Yield three rows a kind: encode and decode, put, get."""
    count, repeats = (200, 3) if quick else (OBJECTS, 9)
    for what, make in _KINDS.items():
        dice = random.Random(SEED)
        objects = [make(dice) for _ in range(count)]
        bench = _Bench(folder / what.replace(" ", "-"), objects)
        yield from _rows(what, bench, repeats)
        bench.close()


def _rows(what: str, bench: _Bench, repeats: int) -> Iterator[Row]:
    count = len(bench.objects)
    times = interleaved({"encode": bench.encode, "decode": bench.decode}, repeats)
    times |= interleaved({"raw put": bench.raw.put, "put": bench.put}, repeats)
    times |= interleaved({"raw get": bench.raw.get, "get": bench.get}, repeats)
    each = {name: statistics.median(found) / count * 1e6 for name, found in times.items()}
    size = sum(map(len, bench.encoded)) // count
    yield Row(
        what=f"{what} of {size:,} bytes: encode, decode",
        ratio=f"{number(each['encode'])}, {number(each['decode'])} us",
    )
    least = LEAF_AT_LEAST if "leaf" in what else AT_LEAST
    yield _speed(f"{what}: put", times, "put", each["put"], least)
    yield _speed(f"{what}: get", times, "get", each["get"], None)


def _speed(what: str, times: Times, ours: str, each: float, least: float | None) -> Row:
    value, fastest = ratio(times, f"raw {ours}", ours)
    return Row(
        what=f"{what}, {each:.1f} us, as part of the raw speed",
        ratio=f"{number(value)} ({number(fastest)})",
        budget=f"at least {least:g}" if least else "",
        ok=value >= least if least else None,
    )


class _Bench:
    """Objects of one kind, a store, and the bytes that it keeps of them kept directly."""

    def __init__(self, folder: Path, objects: list[Object]) -> None:
        self.folder = folder
        self.objects = objects
        self.encoded = [encode_object(value) for value in objects]
        self.count = 0
        self.oids: list[Oid] = []
        self.store = self._store()
        self.raw = Raw(folder, self.encoded)

    def close(self) -> None:
        self.store.close()
        self.raw.close()

    def encode(self) -> float:
        return timed(lambda: [encode_object(value) for value in self.objects])

    def decode(self) -> float:
        return timed(lambda: [decode_object(data) for data in self.encoded])

    def put(self) -> float:
        self.store.close()
        self.store = store = self._store()

        def put() -> None:
            with store.transaction() as tx:
                self.oids = [tx.add(value) for value in self.objects]

        return timed(put)

    def get(self) -> float:
        store = Store(self.store.backend, folder=self.store.folder)  # nothing is cached
        return timed(lambda: [store.read(oid, keep=False) for oid in self.oids])

    def _store(self) -> Store:
        self.count += 1
        store = new_store(self.folder / f"store-{self.count}")
        with store.transaction() as tx:
            for value in _NAMED.values():
                tx.add(value)
        return store


# -- one object of each kind, as a workflow of some size has it


# What all others name: the store takes in nothing that names what it does not have.
_NAMED = {hash_bytes(encode_object(one)): one for one in (Blob(b"%d" % n) for n in range(256))}
_OIDS = tuple(_NAMED)


def _oid(dice: random.Random) -> Oid:
    return dice.choice(_OIDS)


def _blob(dice: random.Random) -> Object:
    words = (f"value_{dice.randrange(1000)} = {dice.randrange(10**6)}" for _ in range(20))
    return Blob("\n".join(words).encode())


def _task(dice: random.Random) -> Object:
    above = f"task_{dice.randrange(10_000):05d}"
    return Task(
        executor="python",
        file=f"tasks/part_{dice.randrange(40):02d}.py",
        function=f"step_{dice.randrange(10)}",
        timeout=dice.choice((60, 300, 900)) * SECOND,
        retries=dice.randrange(4),
        depends_on=(above,),
        input_type={"path": "str", "rows": "int"},
        output_type={"path": "str", "rows": "int"},
        env={"REGION": f"eu-{dice.randrange(9)}"},
        inputs={
            "path": {"ref": f"tasks.{above}.output.path"},
            "rows": {"const": dice.randrange(10**6)},
        },
    )


def _names(dice: random.Random) -> list[str]:
    return sorted(f"task_{n:05d}" for n in dice.sample(range(10_000), LEAF_ENTRIES_MAX // 2))


def _oid_leaf(dice: random.Random) -> Object:
    return OidLeaf(entries=tuple((name, _oid(dice)) for name in _names(dice)))


def _file_leaf(dice: random.Random) -> Object:
    entries = [
        (f"tasks/{name}.py", FileEntry(blob=_oid(dice), executable=dice.random() < 0.1))
        for name in _names(dice)
    ]
    return FileLeaf(entries=tuple(entries))


def _run_leaf(dice: random.Random) -> Object:
    return RunLeaf(entries=tuple((name, _taskrun(dice)) for name in _names(dice)))


def _node(dice: random.Random) -> Object:
    return Node(depth=0, children=tuple((digit, _oid(dice)) for digit in range(16)))


def _snapshot(dice: random.Random) -> Object:
    return Snapshot(tasks=_oid(dice), files=_oid(dice), task_count=dice.randrange(100))


def _deploy(dice: random.Random) -> Object:
    return Deploy(
        workflow="etl",
        snapshot=_oid(dice),
        parents=(_oid(dice),),
        time=START + timedelta(minutes=dice.randrange(10**6)),
        author=AUTHOR,
        message=f"Change load.timeout 300 -> {dice.randrange(900)}",
        settings={"schedule": "0 2 * * *", "max_parallel": 4},
        source=Source(path="workflows/etl.yaml", blob=_oid(dice)),
    )


def _run(dice: random.Random) -> Object:
    created = START + timedelta(minutes=dice.randrange(10**6))
    seconds = dice.randrange(1, 1000)
    return Run(
        id=f"{created:%Y%m%dT%H%M%S}.000-{dice.randrange(10**6):06d}",
        workflow="etl",
        number=dice.randrange(1, 10_000),
        snapshot=_oid(dice),
        deploy=_oid(dice),
        state="success",
        trigger="run",
        author=AUTHOR,
        host="laptop",
        environment=_oid(dice),
        created=created,
        ended=created + timedelta(seconds=seconds),
        duration=seconds * SECOND,
        tasks=_oid(dice),
    )


def _taskrun(dice: random.Random) -> TaskRun:
    output, _, _ = output_of(
        {"path": f"data/{dice.randrange(10**6)}", "rows": dice.randrange(10**6)}
    )
    attempt = Attempt(
        number=1,
        state="success",
        started=START + timedelta(milliseconds=dice.randrange(10**9)),
        duration=dice.randrange(10 * SECOND),
        exit=0,
        log=Log(path="etl/20260101T000000.000-7a3f01/load.1.log"),
    )
    return TaskRun(task=_oid(dice), state="success", attempts=(attempt,), output=output)


def _operation(dice: random.Random) -> Object:
    return Operation(
        argv=("ork", "deploy", "workflows/etl.yaml"),
        author=AUTHOR,
        moves=(("workflows/etl", _oid(dice), _oid(dice)),),
        parent=_oid(dice),
        time=START + timedelta(minutes=dice.randrange(10**6)),
    )


_KINDS: Mapping[str, Callable[[random.Random], Object]] = {
    "blob": _blob,
    "task": _task,
    "leaf of 32 oids": _oid_leaf,
    "leaf of 32 files": _file_leaf,
    "leaf of 32 outcomes": _run_leaf,
    "node": _node,
    "snapshot": _snapshot,
    "deploy": _deploy,
    "run": _run,
    "taskrun": _taskrun,
    "operation": _operation,
}
