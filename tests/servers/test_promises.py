"""What PostgreSQL has to keep beyond the suite: races, kills, sizes, rights, formats, forks."""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections.abc import Callable

import pytest

from ork.backends.base import SEAL_BYTES
from ork.errors import Corrupt, NotFound, OrkError, StoreError
from ork.objects.canonical import Oid, hash_bytes
from ork.servers import postgresql
from ork.servers.postgresql import Postgresql
from ork.servers.session import Session
from tests.backends.children import as_number, as_oid, batch
from tests.forked import Forked
from tests.postgres import Running
from tests.scale import TRIES_MAX, size
from tests.servers.conftest import Open

A, B, C = (Oid(digit * 64) for digit in "abc")


def schema_of(url: str) -> str:
    return url.rpartition("=")[2]


def together(count: int, work: Callable[[int], object]) -> list[str]:
    """Let processes begin to work at the same moment; return what they say."""

    def child(number: int) -> Callable[[], object]:
        def run() -> None:
            sys.stdin.readline()
            print(work(number))

        return run

    children = [Forked(child(number)) for number in range(count)]
    for one in children:
        one.tell("go")
    return [one.rest().strip() for one in children]


# Without its locks: what several writers do at once, each has compared before.
UNLOCKED = """
CREATE OR REPLACE FUNCTION {schema}.held(
    alone boolean, locks bigint[], names bytea[], olds bytea[], needed bytea[]
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    unmoved boolean := NOT EXISTS (
        SELECT FROM unnest(names, olds) AS move (name, old)
        LEFT JOIN refs ON refs.name = move.name WHERE refs.target IS DISTINCT FROM move.old
    );
BEGIN
    PERFORM pg_sleep(0.005);
    RETURN unmoved;
END
$$
"""


@pytest.mark.parametrize("locked", [True, False])
def test_no_count_of_several_processes_is_lost(url: str, postgres: Running, locked: bool) -> None:
    if not locked:  # the negative control
        postgres.sql(UNLOCKED.format(schema=schema_of(url)))
    times = 40

    def count(_: int) -> int:
        backend = Postgresql.open(url)
        wins = 0
        for _ in range(times):
            old = backend.ref("counter")
            wins += backend.write({}, {"counter": (old, as_oid(as_number(old) + 1))})
        return wins

    wins = sum(map(int, together(3, count)))
    backend = Postgresql.open(url)
    counted = as_number(backend.ref("counter"))
    assert backend.sequence() == wins
    backend.close()
    assert (counted == wins) is locked, (counted, wins)


@pytest.mark.slow
@pytest.mark.parametrize("locked", [True, False])
def test_no_ref_dangles_while_others_write_and_sweep(url: str, locked: bool) -> None:
    tries = 1 if locked else TRIES_MAX  # without the lock, the processes need not meet at once
    assert any(dangling(url, locked, part) for part in range(tries)) is not locked


def dangling(url: str, locked: bool, part: int) -> list[str]:
    """Return the refs whose objects are gone after two wrote and one swept."""
    rounds = size(300, by_day=80)

    def write(number: int) -> int:
        backend = Postgresql.open(url)
        for step in range(rounds):
            data = b"%d %d %d" % (part, number, step)
            oid = hash_bytes(data)
            assert backend.write({oid: data}, {})
            backend.write({}, {f"{part}/{number}/{step:05}": (None, oid)}, (), [oid])
        return 0

    def sweep(_: int) -> int:
        if not locked:  # the negative control
            real = Session.run

            def run(session: Session, sql: str, *values: object) -> None:
                if not sql.startswith("LOCK"):
                    real(session, sql, *values)

            Session.run = run  # type: ignore[method-assign]
        backend = Postgresql.open(url)
        swept = 0

        def choose() -> list[Oid]:
            needed = {oid for _, oid in backend.refs()}
            time.sleep(0.002)  # as long as a small store takes
            return [oid for oid in backend.oids() if oid not in needed]

        for _ in range(rounds // 2):
            before = backend.sequence()
            swept += backend.sweep(choose) - before
        return swept

    together(3, lambda number: sweep(0) if number == 2 else write(number))
    backend = Postgresql.open(url)
    there = set(backend.oids())
    gone = [name for name, oid in backend.refs() if oid not in there]
    backend.close()
    return gone


@pytest.mark.slow
def test_a_killed_writer_leaves_all_or_nothing(url: str, backend: Postgresql) -> None:
    dice = random.Random(7)

    def write() -> None:
        own = Postgresql.open(url)
        while True:
            old = own.ref("newest")
            number = as_number(old) + 1
            assert own.write(batch(number), {"newest": (old, as_oid(number))})
            print(number, flush=True)

    for _ in range(size(12, by_day=4)):
        child = Forked(write)
        told = int(child.hear())
        time.sleep(dice.random() / 20)
        child.kill()
        told = max([told, *map(int, child.rest().split())])
        deadline = time.monotonic() + 10
        while True:  # the server goes on with what it was doing
            newest = as_number(backend.ref("newest"))
            assert newest >= told
            assert backend.get_many(batch(newest)) == batch(newest)
            if backend.write({}, {"newest": (as_oid(newest), as_oid(newest))}):
                break
            assert time.monotonic() < deadline
    newest = as_number(backend.ref("newest"))
    assert {*backend.oids()} == {oid for n in range(1, newest + 1) for oid in batch(n)}


def test_a_killed_holder_lets_go_of_its_lease(
    url: str, backend: Postgresql, postgres: Running
) -> None:
    def hold() -> None:
        assert Postgresql.open(url).lease("run")
        print("held", flush=True)
        sys.stdin.read()

    child = Forked(hold)
    assert child.hear() == "held"
    child.kill()
    child.rest()
    assert backend.leased() == {"run"}
    assert backend.lease("run") is None, "it may be about to come back"
    postgres.sql(
        f"UPDATE {schema_of(url)}.leases SET heard = heard - interval '1 hour';"
        f"UPDATE {schema_of(url)}.store SET grace = interval '0'"
    )
    lease = None
    while lease is None:  # until the server has noticed
        lease = backend.lease("run")
    assert lease.held()
    lease.release()
    assert backend.leased() == set()


def test_writers_of_the_same_objects_in_any_order_do_not_fail(url: str) -> None:
    """One removes what the other brings: the server finds the circle, and one begins again."""
    contents = [b"%d" % number for number in range(30)]
    oids = [hash_bytes(data) for data in contents]
    objects = dict(zip(oids, contents, strict=True))

    def write(number: int) -> int:
        backend = Postgresql.open(url)
        own = dict(list(objects.items())[:: -1 if number else 1])
        for step in range(size(40, by_day=15)):
            some = oids[step % 30 :: 3]
            brought = {oid: data for oid, data in own.items() if oid not in some}
            assert backend.write(brought, {}, some)
        return 1

    assert together(3, write) == ["1"] * 3


@pytest.mark.slow
def test_more_names_than_there_are_locks(backend: Postgresql) -> None:
    names = [f"runs/etl/{number:06}" for number in range(postgresql.NAMES_MAX * 60)]
    assert backend.write({}, dict.fromkeys(names, (None, A)))
    assert not backend.write({}, {**dict.fromkeys(names, (A, B)), "x": (A, None)})
    assert backend.write({}, dict.fromkeys(names, (A, None)))
    assert list(backend.refs()) == []


def test_names_are_bytes(backend: Postgresql) -> None:
    names = ["\0", "a\0b", "\ud800", "a\udfffb", "\U0010ffff", "é", "\xff", " ", "'", '"', "\\x00"]
    assert backend.write({}, dict.fromkeys(names, (None, A)))
    assert {name for name, _ in backend.refs()} == {*names}
    assert all(backend.ref(name) == A for name in names)


def test_a_damaged_ref_is_told(backend: Postgresql, url: str, postgres: Running) -> None:
    assert backend.write({}, {"a": (None, A), "b": (None, B)})
    postgres.sql(
        f"UPDATE {schema_of(url)}.refs SET target = set_byte(target, 3, 0) WHERE name = 'a'"
    )
    for look in (lambda: backend.ref("a"), lambda: list(backend.refs())):
        with pytest.raises(Corrupt, match="the ref 'a' is damaged"):
            look()
    assert list(backend.survey()) == [("a", None), ("b", B)]
    assert SEAL_BYTES == 8


@pytest.mark.slow
def test_an_object_of_a_hundred_megabytes(backend: Postgresql) -> None:
    data = random.Random(1).randbytes(1 << 20) * size(100, by_day=25)
    oid = hash_bytes(data)
    assert backend.write({oid: data, A: b"small"}, {"head": (None, oid)})
    assert backend.get(oid) == data
    assert backend.get(A) == b"small"


def test_what_is_larger_than_the_largest_is_refused(
    backend: Postgresql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "OBJECT_BYTES_MAX", 1000)
    assert backend.write({A: b"x" * 1000}, {})
    with pytest.raises(StoreError, match="has 1,001 bytes; 1,000 at most"):
        backend.write({B: b"x" * 1001}, {"head": (None, B)})
    assert (backend.get(B), backend.ref("head")) == (None, None)


def test_a_write_in_several_parts_is_one(
    backend: Postgresql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "BATCH_OBJECTS", 3)
    objects = {hash_bytes(b"%d" % n): b"%d" % n for n in range(20)}
    assert not backend.write(objects, {"head": (A, B)})
    assert not backend.write(objects, {}, (), [C])
    assert list(backend.oids()) == []
    before = backend.sequence()
    assert backend.write(objects, {"head": (None, A)}, [*objects][:3], [*objects][:9])
    assert backend.get_many(objects) == objects
    assert backend.sequence() == before + 1


def test_two_who_make_the_same_store_both_succeed(postgres: Running, opened: Open) -> None:
    url = postgres.url()
    ready = threading.Barrier(4)
    failed: list[OrkError] = []

    def make() -> None:
        ready.wait()
        try:
            Postgresql.create(url)
        except OrkError as error:
            failed.append(error)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert Postgresql.exists(url)
    backend = opened(url)
    assert backend.write({}, {"head": (None, A)})
    Postgresql.create(url)
    assert backend.ref("head") == A, "what is there is left alone"


def test_where_there_is_no_store_that_is_told(postgres: Running) -> None:
    url = postgres.url()
    assert not Postgresql.exists(url)
    with pytest.raises(NotFound, match="there is no store in schema 'test_"):
        Postgresql.open(url)
    with pytest.raises(StoreError, match="cannot be reached"):
        Postgresql.open(url.replace("/postgres?", "/nowhere?"))


def test_a_store_of_another_format_is_refused(url: str, postgres: Running) -> None:
    postgres.sql(f"UPDATE {schema_of(url)}.store SET format = 4")
    for use in (Postgresql.open, Postgresql.create):
        with pytest.raises(StoreError, match="has store format 4, and this ork, "):
            use(url)


def test_a_schema_with_tables_of_others_is_left_alone(postgres: Running) -> None:
    url = postgres.url()
    schema = schema_of(url)
    postgres.sql(f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.refs (mine int)")
    with pytest.raises(StoreError, match='relation "refs" already exists'):
        Postgresql.create(url)
    assert postgres.sql(f"SELECT count(*) FROM {schema}.refs") == [(0,)]
    assert not Postgresql.exists(url)


@pytest.fixture
def reader(url: str, postgres: Running) -> str:
    """The URL for a role that may read."""
    schema = schema_of(url)
    postgres.sql(
        f"CREATE ROLE {schema}_reader LOGIN; GRANT USAGE ON SCHEMA {schema} TO {schema}_reader;"
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {schema}_reader"
    )
    return postgres.url(schema=schema, user=f"{schema}_reader")


def test_a_role_that_may_only_read_can_read(backend: Postgresql, reader: str, opened: Open) -> None:
    assert backend.write({A: b"data"}, {"head": (None, A)})
    looking = opened(reader)
    assert looking.get_many([A]) == {A: b"data"}
    assert dict(looking.refs()) == {"head": A}
    assert looking.sequence() == backend.sequence()
    with looking.frozen() as still:
        assert list(still.oids()) == [A]
    for use in (
        lambda: looking.write({}, {"head": (A, B)}),
        lambda: looking.sweep(lambda: [A]),
        lambda: looking.lease("run"),
    ):
        with pytest.raises(StoreError, match="open for reading only: permission denied"):
            use()
    assert backend.ref("head") == A
    with pytest.raises(StoreError, match="open for reading only"):
        opened(reader, readonly=True).write({}, {})


def test_what_the_server_itself_refuses_is_told_apart_from_one_that_is_away(
    url: str, postgres: Running
) -> None:
    with pytest.raises(StoreError, match="cannot be reached") as told:
        Postgresql.open(postgres.url(user="nobody_of_that_name"))
    assert told.value.hint and "the server answers, and refuses" in told.value.hint
    with pytest.raises(StoreError, match="cannot be reached") as told:
        Postgresql.open(url.replace(f"port={postgres.port}", "port=1"))
    assert told.value.hint and "is the server running" in told.value.hint


def test_a_role_whose_transactions_only_read_is_told_that(
    reader: str, postgres: Running, opened: Open, url: str
) -> None:
    schema = schema_of(url)
    postgres.sql(
        f"GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {schema}_reader;"
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {schema}_reader;"
        f"ALTER ROLE {schema}_reader SET default_transaction_read_only = on"
    )
    with pytest.raises(StoreError, match="open for reading only") as told:
        opened(reader).write({A: b"data"}, {"head": (None, A)})
    assert told.value.hint and "standby" in told.value.hint


def test_a_role_without_rights_is_told_so_where_a_store_is_looked_for_or_made(
    url: str, postgres: Running
) -> None:
    schema = schema_of(url)
    postgres.sql(f"CREATE ROLE {schema}_other LOGIN")
    there = postgres.url(schema=schema, user=f"{schema}_other")
    nowhere = postgres.url(user=f"{schema}_other")
    for use, at in (
        (Postgresql.exists, there),
        (Postgresql.create, there),
        (Postgresql.create, nowhere),
    ):
        with pytest.raises(StoreError, match="is not for this role: permission denied") as told:
            use(at)
        assert told.value.hint and "CREATE SCHEMA" in told.value.hint


def test_a_role_with_the_rights_that_the_page_names_can_do_all(
    backend: Postgresql, reader: str, postgres: Running, opened: Open, url: str
) -> None:
    schema = schema_of(url)
    postgres.sql(
        f"GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {schema}_reader;"
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {schema}_reader"
    )
    writing = opened(reader)
    assert writing.write({A: b"data"}, {"head": (None, A)})
    assert writing.write({}, dict.fromkeys(map(str, range(300)), (None, A)))
    writing.sweep(lambda: [A])
    lease = writing.lease("run")
    assert lease is not None
    assert backend.lease("run") is None
    lease.release()


def test_a_schema_made_by_an_administrator_is_used(postgres: Running, opened: Open) -> None:
    url = postgres.url()
    schema = schema_of(url)
    postgres.sql(f"CREATE ROLE {schema} LOGIN; CREATE SCHEMA {schema} AUTHORIZATION {schema}")
    own = postgres.url(schema=schema, user=schema)
    Postgresql.create(own)
    assert opened(own).write({}, {"head": (None, A)})


def test_a_child_has_no_part_in_it(url: str, backend: Postgresql) -> None:
    lease = backend.lease("run")
    assert lease is not None
    assert backend.write({}, {"head": (None, A)})

    def use() -> None:
        for name, look in (
            ("ref", lambda: backend.ref("head")),
            ("write", lambda: backend.write({}, {})),
            ("sweep", lambda: backend.sweep(list)),
            ("lease", lambda: backend.lease("other")),
        ):
            try:
                print(name, "worked", look())
            except StoreError as error:
                print(name, error.message)
        print("held", lease.held())
        lease.release()
        backend.close()
        with_own = Postgresql.open(url)
        print("own", with_own.ref("head") == A, with_own.lease("run"))
        with_own.close()

    said = Forked(use).rest().splitlines()
    forked = "the store was opened before this process was forked"
    assert said == [
        *(f"{name} {forked}" for name in ("ref", "write", "sweep", "lease")),
        "held False",
        "own True None",
    ]
    assert backend.ref("head") == A
    assert lease.held()
    assert backend.write({}, {"head": (A, B)})


def test_use_after_close_is_told(backend: Postgresql) -> None:
    backend.close()
    for use in (lambda: backend.get(A), lambda: backend.write({}, {}), lambda: backend.lease("a")):
        with pytest.raises(StoreError, match="the store is closed"):
            use()


def test_who_waits_for_another_writer_is_not_left_waiting(
    backend: Postgresql, url: str, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ork.servers.session._SETTINGS", ("SET lock_timeout = 100", "SELECT 1"))
    waiting = opened(url)

    def choose() -> list[Oid]:
        with pytest.raises(StoreError, match="for another writer"):
            waiting.write({}, {"head": (None, A)})
        return []

    backend.sweep(choose)
    assert waiting.write({}, {"head": (None, A)})


def test_without_the_driver_it_says_how_to_get_it(tmp_path: object) -> None:
    def use() -> None:
        for name in [name for name in sys.modules if name.startswith(("psycopg", "ork.servers"))]:
            del sys.modules[name]
        sys.modules["psycopg"] = None  # type: ignore[assignment]
        from ork.cli.app import main

        os.environ["HOME"] = str(tmp_path)
        sys.stderr = sys.stdout
        print(main(["--store", "postgresql://h/db", "log"]))

    said = Forked(use).rest()
    assert "-m pip install 'psycopg[binary]'" in said
    assert said.endswith("4\n")
