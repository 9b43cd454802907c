"""Each kind of store beside raw use of its own library: objects, commits, refs, eight writers.

The disks are waited for, PostgreSQL is a server of its own beside the data of the others.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import lmdb
from material import SEED, long_history
from measure import Row, Times, interleaved, number, process, ratio, row
from starting import ork

sys.path.insert(0, str(Path(__file__).parents[1]))

from ork.backends.lmdb import Lmdb
from ork.backends.plain.files import Files
from ork.backends.sqlite import Sqlite
from ork.objects.canonical import Oid, hash_bytes
from ork.store import location
from tests.postgres import Server, programs, socket_url

OBJECT_BYTES = 900
SPEED_AT_LEAST = 0.5
COMMAND_AT_MOST = 1.5
WRITERS = 8
JUDGED = ("sqlite", "postgresql")  # plain files are slow, and say so; LMDB: see the part `store`


class Raw(Protocol):
    """The least that keeps the same bytes by the library alone: no seal, no compare."""

    def put(self, objects: dict[Oid, bytes]) -> None: ...
    def get(self, oid: Oid) -> bytes: ...
    def commit(self, oid: Oid, data: bytes, ref: str) -> None: ...
    def refs(self, newest: int | None = None) -> list[tuple[bytes, bytes]]: ...
    def close(self) -> None: ...


class RawLmdb:
    """A read or write transaction for each use."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._environment = lmdb.open(str(folder), map_size=16 << 30)

    def put(self, objects: dict[Oid, bytes]) -> None:
        with self._environment.begin(write=True) as txn:
            for oid in sorted(objects):
                txn.put(b"o" + bytes.fromhex(oid), objects[oid])

    def get(self, oid: Oid) -> bytes:
        with self._environment.begin() as txn:
            return bytes(txn.get(b"o" + bytes.fromhex(oid)) or b"")

    def commit(self, oid: Oid, data: bytes, ref: str) -> None:
        with self._environment.begin(write=True) as txn:
            txn.put(b"o" + bytes.fromhex(oid), data)
            txn.put(b"r" + ref.encode(), bytes.fromhex(oid))

    def refs(self, newest: int | None = None) -> list[tuple[bytes, bytes]]:
        with self._environment.begin() as txn, txn.cursor() as cursor:
            if newest is None:
                cursor.set_range(b"r")
                return list(cursor.iternext())
            cursor.last()
            return [item for item, _ in zip(cursor.iterprev(), range(newest), strict=False)]

    def close(self) -> None:
        self._environment.close()


class RawSqlite:
    """Prepared statements, a write-ahead log, each commit on the disk."""

    def __init__(self, folder: Path) -> None:
        self._connection = sqlite3.connect(f"{folder}.db", timeout=60, isolation_level=None)
        for text in (
            "PRAGMA journal_mode = WAL",
            "PRAGMA synchronous = FULL",
            "CREATE TABLE IF NOT EXISTS objects (oid BLOB PRIMARY KEY, data BLOB)",
            "CREATE TABLE IF NOT EXISTS refs (name BLOB PRIMARY KEY, target BLOB) WITHOUT ROWID",
        ):
            self._connection.execute(text)

    def put(self, objects: dict[Oid, bytes]) -> None:
        rows = sorted((bytes.fromhex(oid), data) for oid, data in objects.items())
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany("INSERT OR REPLACE INTO objects VALUES (?, ?)", rows)
        self._connection.execute("COMMIT")

    def get(self, oid: Oid) -> bytes:
        sql = "SELECT data FROM objects WHERE oid = ?"
        return bytes(self._connection.execute(sql, (bytes.fromhex(oid),)).fetchone()[0])

    def commit(self, oid: Oid, data: bytes, ref: str) -> None:
        key, one = bytes.fromhex(oid), self._connection
        one.execute("BEGIN IMMEDIATE")
        one.execute("INSERT OR REPLACE INTO objects VALUES (?, ?)", (key, data))
        one.execute("INSERT OR REPLACE INTO refs VALUES (?, ?)", (ref.encode(), key))
        one.execute("COMMIT")

    def refs(self, newest: int | None = None) -> list[tuple[bytes, bytes]]:
        end = "" if newest is None else f" DESC LIMIT {newest}"
        return self._connection.execute(f"SELECT * FROM refs ORDER BY name{end}").fetchall()

    def close(self) -> None:
        self._connection.close()


class RawFiles:
    """A file for each object and for each ref, flushed and renamed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in ("objects", "refs"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def _write(self, place: Path, data: bytes) -> None:
        made = place.with_name(f"{place.name}.{os.getpid()}")
        with made.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        made.rename(place)
        at = os.open(place.parent, os.O_RDONLY)
        os.fsync(at)
        os.close(at)

    def put(self, objects: dict[Oid, bytes]) -> None:
        for oid, data in objects.items():
            self._write(self._folder / "objects" / oid, data)

    def get(self, oid: Oid) -> bytes:
        return (self._folder / "objects" / oid).read_bytes()

    def commit(self, oid: Oid, data: bytes, ref: str) -> None:
        self._write(self._folder / "objects" / oid, data)
        self._write(self._folder / "refs" / ref.replace("/", "%"), oid.encode())

    def refs(self, newest: int | None = None) -> list[tuple[bytes, bytes]]:
        names = sorted(os.listdir(self._folder / "refs"))
        chosen = names if newest is None else names[-newest:]
        return [(name.encode(), (self._folder / "refs" / name).read_bytes()) for name in chosen]

    def close(self) -> None:
        """Keep nothing open."""


class RawPostgresql:
    """A transaction for each write, as the driver offers it."""

    def __init__(self, url: str) -> None:
        import psycopg

        self._connection = psycopg.connect(url, autocommit=True)
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS raw_objects (oid bytea PRIMARY KEY, data bytea)"
        )
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS raw_refs (name bytea PRIMARY KEY, target bytea)"
        )

    def put(self, objects: dict[Oid, bytes]) -> None:
        rows = sorted((bytes.fromhex(oid), data) for oid, data in objects.items())
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO raw_objects VALUES (%b, %b) ON CONFLICT (oid)"
                " DO UPDATE SET data = excluded.data",
                rows,
            )

    def get(self, oid: Oid) -> bytes:
        sql = "SELECT data FROM raw_objects WHERE oid = %b"
        found = self._connection.execute(sql, [bytes.fromhex(oid)], binary=True).fetchone()
        return bytes(found[0]) if found else b""

    def commit(self, oid: Oid, data: bytes, ref: str) -> None:
        key = bytes.fromhex(oid)
        with self._connection.transaction():
            self._connection.execute(
                "INSERT INTO raw_objects VALUES (%b, %b) ON CONFLICT (oid)"
                " DO UPDATE SET data = excluded.data",
                [key, data],
            )
            self._connection.execute(
                "INSERT INTO raw_refs VALUES (%b, %b) ON CONFLICT (name)"
                " DO UPDATE SET target = excluded.target",
                [ref.encode(), key],
            )

    def refs(self, newest: int | None = None) -> list[tuple[bytes, bytes]]:
        end = "" if newest is None else f" DESC LIMIT {newest}"
        sql = f"SELECT * FROM raw_refs ORDER BY name{end}"
        return self._connection.execute(sql.encode(), binary=True).fetchall()

    def close(self) -> None:
        self._connection.close()


def rows(folder: Path, quick: bool) -> Iterator[Row]:
    """Yield the rows of each kind of store, then whole commands on all of them."""
    server = _started(folder)
    try:
        kinds: dict[str, tuple[Any, Any, Any, Any]] = {
            "lmdb": (Lmdb, folder / "lmdb", RawLmdb, folder / "raw-lmdb"),
            "sqlite": (Sqlite, folder / "sqlite.db", RawSqlite, folder / "raw-sqlite"),
            "files": (Files, folder / "files", RawFiles, folder / "raw-files"),
        }
        if server is not None:
            from ork.servers.postgresql import Postgresql

            url = socket_url(server.folder, server.port, "bench")
            kinds["postgresql"] = (Postgresql, url, RawPostgresql, url.partition("&schema")[0])
        for name, kind in kinds.items():
            yield from _kind(name, *kind, quick=quick)
        yield from _commands(folder, server, quick)
    finally:
        if server is not None:
            server.stop()


def _started(folder: Path) -> Server | None:
    if programs() is None:
        return None
    folder.chmod(0o755)  # the server has another user than root
    server = Server(folder / "server")
    server.make()
    server.start(fsync="on", shared_buffers="128MB")
    return server


def _kind(name: str, kind: Any, at: Any, raw: Any, raw_at: Any, *, quick: bool) -> Iterator[Row]:
    refs, repeats = (500, 3) if quick or name == "files" else (10_000, 9)
    kind.create(at)
    ours, theirs = kind.open(at), raw(raw_at)
    uses = _Uses(refs)
    uses.fill(ours, theirs)
    puts, gets, commits = (20, 200, 5) if name == "files" else (2_000, 500, 30)
    for what, actions in (
        (f"put {puts:,} objects in one write", uses.puts(ours, theirs, puts)),
        (f"get {gets} objects, one by one", uses.gets(ours, theirs, gets)),
        (f"commit {commits} times", uses.commits(ours, theirs, commits)),
        (f"scan {refs:,} refs", uses.scans(ours, theirs)),
        ("newest 20 refs, 50 times", uses.newest(ours, theirs)),
    ):
        yield _speed(f"{name}: {what}", interleaved(actions, repeats), name in JUDGED)
    ours.close()
    theirs.close()
    together = {
        "ours": lambda: _together(lambda: kind.open(at), uses.commit_ours, quick),
        "raw": lambda: _together(lambda: raw(raw_at), uses.commit_raw, quick),
    }
    times = interleaved(together, 2 if quick or name == "files" else 5)
    yield _speed(f"{name}: {WRITERS} writers at once", times, name in JUDGED)


def _speed(what: str, times: Times, judged: bool) -> Row:
    value, least = ratio(times, "raw", "ours")
    return Row(
        what=what,
        seconds=statistics.median(times["ours"]),
        ratio=f"{number(value)} ({number(least)}) of raw",
        budget=f"at least {SPEED_AT_LEAST:g}" if judged else "",
        ok=value >= SPEED_AT_LEAST if judged else None,
    )


Actions = dict[str, Callable[[], float | None]]


class _Uses:
    """The same work for a backend of ork and for raw use of its library."""

    def __init__(self, refs: int) -> None:
        self._dice = random.Random(SEED)
        self._names = [f"runs/etl/20260101T000000.{n:06}-abcd" for n in range(refs)]
        self._kept: list[Oid] = []

    def fill(self, ours: Any, theirs: Raw) -> None:
        objects = self._objects(len(self._names))
        self._kept = list(objects)
        ours.write(objects, {n: (None, o) for n, o in zip(self._names, objects, strict=True)})
        theirs.put(objects)
        if isinstance(theirs, RawPostgresql):
            keys = [
                (n.encode(), bytes.fromhex(o)) for n, o in zip(self._names, objects, strict=True)
            ]
            with theirs._connection.cursor() as cursor:
                cursor.executemany("INSERT INTO raw_refs VALUES (%b, %b)", keys)
            for one in ("raw_objects", "raw_refs", "bench.objects", "bench.refs"):
                theirs._connection.execute(f"ANALYZE {one}".encode())
            return
        if isinstance(theirs, RawSqlite):
            theirs._connection.execute("BEGIN")
        for name, oid in zip(self._names, objects, strict=True):
            if isinstance(theirs, RawLmdb):
                with theirs._environment.begin(write=True) as txn:
                    for key, target in zip(self._names, objects, strict=True):
                        txn.put(b"r" + key.encode(), bytes.fromhex(target))
                return
            if isinstance(theirs, RawSqlite):
                values = (name.encode(), bytes.fromhex(oid))
                theirs._connection.execute("INSERT INTO refs VALUES (?, ?)", values)
            else:
                (theirs._folder / "refs" / name.replace("/", "%")).write_text(oid)  # type: ignore[attr-defined]
        if isinstance(theirs, RawSqlite):
            theirs._connection.execute("COMMIT")

    def _objects(self, count: int) -> dict[Oid, bytes]:
        contents = (self._dice.randbytes(OBJECT_BYTES) for _ in range(count))
        return {hash_bytes(data): data for data in contents}

    def puts(self, ours: Any, theirs: Raw, count: int) -> Actions:
        def put(write: Callable[[dict[Oid, bytes]], object]) -> float:
            objects = self._objects(count)
            return _timed(lambda: write(objects))

        return {
            "ours": lambda: put(lambda objects: ours.write(objects, {})),
            "raw": lambda: put(theirs.put),
        }

    def gets(self, ours: Any, theirs: Raw, count: int) -> Actions:
        oids = self._dice.sample(self._kept, count)
        return {
            "ours": lambda: _timed(lambda: [ours.get(oid) for oid in oids]),
            "raw": lambda: _timed(lambda: [theirs.get(oid) for oid in oids]),
        }

    def commit_ours(self, backend: Any, number: int) -> None:
        data = self._dice.randbytes(OBJECT_BYTES)
        oid = hash_bytes(data)
        backend.write({oid: data}, {f"active/{os.getpid()}-{number}-{oid[:8]}": (None, oid)})

    def commit_raw(self, raw: Raw, number: int) -> None:
        data = self._dice.randbytes(OBJECT_BYTES)
        oid = hash_bytes(data)
        raw.commit(oid, data, f"active/{os.getpid()}-{number}-{oid[:8]}")

    def commits(self, ours: Any, theirs: Raw, count: int) -> Actions:
        return {
            "ours": lambda: _timed(lambda: [self.commit_ours(ours, n) for n in range(count)]),
            "raw": lambda: _timed(lambda: [self.commit_raw(theirs, n) for n in range(count)]),
        }

    def scans(self, ours: Any, theirs: Raw) -> Actions:
        return {
            "ours": lambda: _timed(lambda: list(ours.refs())),
            "raw": lambda: _timed(lambda: _as_text(theirs.refs())),
        }

    def newest(self, ours: Any, theirs: Raw) -> Actions:
        def look() -> None:
            for _ in range(50):
                found = ours.refs("runs/etl/", newest_first=True)
                assert len([name for (name, _), _ in zip(found, range(20), strict=False)]) == 20

        return {
            "ours": lambda: _timed(look),
            "raw": lambda: _timed(lambda: [_as_text(theirs.refs(20)) for _ in range(50)]),
        }


def _as_text(refs: list[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """Return refs as whoever asks for them wants them."""
    return [(name.decode(), target.hex()) for name, target in refs]


def _timed(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def _together(opened: Callable[[], Any], commit: Callable[[Any, int], None], quick: bool) -> float:
    """Return the seconds in which several processes commit at once, from their common start on."""
    ready, go = os.pipe(), os.pipe()
    children = []
    for _ in range(WRITERS):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                random.seed(os.getpid())
                os.close(go[1])
                handle = opened()
                os.write(ready[1], b".")
                os.read(go[0], 1)
                for number in range(5 if quick else 25):
                    commit(handle, number)
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        children.append(pid)
    os.close(ready[1])  # so that who fails is not waited for
    for _ in range(WRITERS):
        assert os.read(ready[0], 1)
    start = time.perf_counter()
    os.close(go[1])
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    taken = time.perf_counter() - start
    for one in (ready[0], go[0]):
        with suppress(OSError):
            os.close(one)
    assert codes == [0] * WRITERS
    return taken


def _commands(folder: Path, server: Server | None, quick: bool) -> Iterator[Row]:
    """Yield how long a whole command takes on each kind of store, beside LMDB."""
    deploys, runs, repeats = (100, 20, 3) if quick else (2_000, 200, 15)
    base = folder / "log-lmdb"
    long_history(base, deploys, runs).close()
    urls = {"sqlite": "sqlite:", "files": "files:"}
    if server is not None:
        urls["postgresql"] = socket_url(server.folder, server.port, "log")
    places = {"lmdb": base}
    for name, url in urls.items():
        places[name] = folder / f"log-{name}"
        places[name].mkdir()
        process([*ork(), "init", "--from", str(base), "--store", url, str(places[name])], folder)()
        assert location.find(places[name], environ={}) == places[name] / ".ork"
    yield from _beside(f"ork log -n 20, {deploys:,} deploys", ["log", "-n", "20"], places, repeats)
    for place in places.values():
        tasks = {f"t{number}": {"executor": "process", "command": "true"} for number in range(20)}
        (place / "twenty.json").write_text(json.dumps({"name": "twenty", "tasks": tasks}))
    words = ["run", "twenty.json", "--jobs", "2"]
    yield from _beside("ork run of 20 shell tasks", words, places, max(3, repeats // 3))


def _beside(what: str, words: list[str], places: Mapping[str, Path], repeats: int) -> Iterator[Row]:
    """Yield how long a command takes on each kind of store, beside LMDB."""
    processor: Times = {}
    actions = {name: process([*ork(), *words], place) for name, place in places.items()}
    times = interleaved(actions, repeats, processor=processor)
    yield row(f"lmdb: {what} (= 1)", times, "lmdb")
    for name in places:
        if name == "lmdb":
            continue
        at_most = COMMAND_AT_MOST if name == "postgresql" and words[0] == "log" else None
        yield row(f"{name}: the same", times, name, "lmdb", at_most=at_most)
        yield row(f"{name}: the same, processor time of ork", processor, name, "lmdb")
