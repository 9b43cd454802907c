"""Connections that break: nothing is lost, nothing written twice, and what is not known is said."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from ork.errors import NotFound, StoreError
from ork.objects.canonical import Oid, hash_bytes
from ork.servers import session as sessions
from ork.servers.postgresql import Postgresql
from tests.postgres import Running, Server, new_schema
from tests.servers.conftest import Open
from tests.servers.proxy import HANG_UP, LOSE_ANSWER, LOSE_REQUEST, PASS, Proxy

A, B, C = (Oid(digit * 64) for digit in "abc")
WRITE = b"written("  # is in what a client says when it writes, the first times


@pytest.fixture
def cut_off(postgres: Running, proxy: Proxy, url: str, opened: Open) -> Postgresql:
    """The store by way of the proxy."""
    schema = url.rpartition("=")[2]
    return opened(postgres.tcp_url(proxy.port, schema=schema))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "WAIT_S", 0.3)
    monkeypatch.setattr(sessions.Session.connected, "__kwdefaults__", {"wait_s": 0.3})


def test_a_read_whose_connection_broke_is_answered_by_another(
    cut_off: Postgresql, proxy: Proxy
) -> None:
    assert cut_off.write({A: b"data"}, {"head": (None, A)})
    for number in range(3):
        proxy.cut()
        assert cut_off.get(A) == b"data", number
        assert cut_off.ref("head") == A
    proxy.once(LOSE_ANSWER, b"FROM refs")
    assert dict(cut_off.refs()) == {"head": A}


def test_a_write_that_never_arrived_is_sent_again(cut_off: Postgresql, proxy: Proxy) -> None:
    before = cut_off.sequence()
    proxy.once(LOSE_REQUEST, WRITE)
    assert cut_off.write({A: b"data"}, {"head": (None, A)})
    assert (cut_off.ref("head"), cut_off.sequence()) == (A, before + 1)


def test_a_first_write_and_a_first_lease_wait_for_a_server_that_was_reached(
    cut_off: Postgresql, proxy: Proxy
) -> None:
    assert cut_off.ref("head") is None
    uses = (lambda: cut_off.write({}, {"head": (None, A)}), lambda: cut_off.lease("run"))
    for use in uses:
        proxy.rule = lambda _: HANG_UP
        back = threading.Timer(0.3, setattr, [proxy, "rule", lambda _: PASS])
        back.start()
        assert use()
        back.join()


def test_a_write_whose_answer_was_lost_is_known_to_have_happened(
    cut_off: Postgresql, proxy: Proxy
) -> None:
    before = cut_off.sequence()
    proxy.once(LOSE_ANSWER, WRITE)
    assert cut_off.write({A: b"data"}, {"head": (None, A)})
    assert (cut_off.ref("head"), cut_off.sequence()) == (A, before + 1)
    proxy.once(LOSE_ANSWER, WRITE)
    assert not cut_off.write({}, {"head": (None, B)}), "what was refused is refused again"
    assert cut_off.sequence() == before + 1


def test_a_large_write_whose_commit_was_lost_is_known_to_have_happened(
    cut_off: Postgresql, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ork.servers.postgresql.BATCH_BYTES", 10)
    objects = {hash_bytes(b"%d" % n): b"%d" % n * 8 for n in range(5)}
    before = cut_off.sequence()
    for fate, mark, ref in (
        (LOSE_ANSWER, b"COMMIT", "a"),
        (LOSE_REQUEST, b"COMMIT", "b"),
        (LOSE_ANSWER, b"INSERT", "c"),
        (LOSE_REQUEST, b"BEGIN", "d"),
    ):
        proxy.once(fate, mark)
        assert cut_off.write(objects, {ref: (None, A)})
    assert cut_off.sequence() == before + 4
    assert cut_off.get_many(objects) == objects


@pytest.mark.parametrize("fate", [LOSE_REQUEST, LOSE_ANSWER])
def test_wherever_a_write_is_cut_it_happens_once(
    cut_off: Postgresql, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, fate: str
) -> None:
    """Cut at each message of a write in several parts, the first, the second and so on."""
    monkeypatch.setattr("ork.servers.postgresql.BATCH_BYTES", 10)
    objects = {hash_bytes(b"%d" % n): b"%d" % n * 8 for n in range(3)}
    assert cut_off.write({}, {"warm": (None, A)})  # the connection is there
    cuts = 0
    for at in range(20):
        passed = 0

        def rule(_: bytes, at: int = at) -> str:
            nonlocal passed, cuts
            passed += 1
            if passed != at + 1:
                return PASS
            proxy.rule = lambda _: PASS
            cuts += 1
            return fate

        proxy.rule = rule
        before = cut_off.sequence() if at % 2 else None  # the cut may hit the reader, too
        old = cuts
        assert cut_off.write(objects, {f"refs/{at}": (None, A)})
        proxy.rule = lambda _: PASS
        assert before is None or cut_off.sequence() == before + 1
        assert cut_off.get_many(objects) == objects
        assert cut_off.write({}, {}, objects)
        if cuts == old:
            break
    assert cuts >= 4
    assert len(list(cut_off.refs("refs/"))) == at + 1


def test_what_the_server_still_does_for_a_lost_connection_is_ended_first(
    cut_off: Postgresql, proxy: Proxy, backend: Postgresql, postgres: Running
) -> None:
    """A session that waits for a lock when its client goes away would write after all."""
    assert cut_off.write({}, {"warm": (None, A)})
    old = cut_off._writer._process
    inside, done = threading.Event(), threading.Event()

    def choose() -> list[Oid]:
        inside.set()
        done.wait()
        return []

    sweeper = threading.Thread(target=backend.sweep, args=(choose,))
    sweeper.start()
    inside.wait()
    before = backend.sequence()
    proxy.once(HANG_UP, WRITE)
    written: list[bool] = []
    writer = threading.Thread(target=lambda: written.append(cut_off.write({}, {"x": (None, A)})))
    writer.start()
    waiting: set[int] = set()
    sql = (
        "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        f" AND query LIKE '%written(%' AND application_name LIKE 'ork, process {os.getpid()} %'"
    )
    try:
        while not waiting - {old}:  # until it has been sent again
            waiting = {pid for (pid,) in postgres.sql(sql)}
    finally:
        done.set()
        sweeper.join()
        writer.join()
    assert old not in waiting
    assert written == [True]
    assert backend.sequence() == before + 2, "the sweep and one write"


def test_when_nobody_can_be_asked_that_is_said(
    cut_off: Postgresql, proxy: Proxy, impatient: None
) -> None:
    def rule(data: bytes) -> str:
        if WRITE in data:
            proxy.close()
            return LOSE_ANSWER
        return PASS

    proxy.rule = rule
    with pytest.raises(StoreError, match="whether the change was written is not known"):
        cut_off.write({}, {"head": (None, A)})


def test_a_sweep_whose_connection_broke_deletes_nothing_and_says_so(
    cut_off: Postgresql, proxy: Proxy
) -> None:
    assert cut_off.write({A: b"data"}, {})
    proxy.once(LOSE_REQUEST, b"DELETE")
    with pytest.raises(StoreError, match="nothing was changed"):
        cut_off.sweep(lambda: [A])
    assert cut_off.get(A) == b"data"
    proxy.once(LOSE_ANSWER, b"COMMIT")
    assert cut_off.sweep(lambda: [A]) == cut_off.sequence()
    assert cut_off.get(A) is None


def test_one_moment_ends_with_its_connection(cut_off: Postgresql, proxy: Proxy) -> None:
    with (
        pytest.raises(StoreError, match="the connection to the server was lost"),
        cut_off.frozen() as still,
    ):
        proxy.cut()
        still.ref("head")
    assert cut_off.ref("head") is None


def test_a_lease_outlives_its_connection(
    cut_off: Postgresql, proxy: Proxy, backend: Postgresql, postgres: Running
) -> None:
    lease = cut_off.lease("run")
    assert lease is not None
    assert backend.lease("run") is None
    process = cut_off._leases._session._process
    proxy.cut()
    while postgres.sql(f"SELECT FROM pg_stat_activity WHERE pid = {process}"):
        pass  # until the server has noticed
    assert backend.lease("run") is None, "its holder was heard of a moment ago"
    assert lease.held()
    assert backend.lease("run") is None
    lease.release()
    taken = backend.lease("run")
    assert taken is not None
    taken.release()


def test_a_holder_that_comes_back_too_late_finds_out(
    cut_off: Postgresql, proxy: Proxy, backend: Postgresql, postgres: Running, url: str
) -> None:
    lease = cut_off.lease("run")
    assert lease is not None
    postgres.sql(f"UPDATE {url.rpartition('=')[2]}.store SET grace = interval '0'")
    proxy.cut()
    taken = None
    while taken is None:  # until the server has noticed
        taken = backend.lease("run")
    assert not lease.held()
    taken.release()
    assert not lease.held()
    lease.release()


def test_a_pool_in_transaction_mode_is_refused(
    postgres: Running, url: str, opened: Open, pool: tuple[int, str]
) -> None:
    port, mode = pool
    address = postgres.tcp_url(port, schema=url.rpartition("=")[2])
    if mode == "session":
        backend = opened(address)
        lease = backend.lease("run")
        assert lease is not None
        assert backend.write({}, {"head": (None, A)})
        lease.release()
    else:
        for _ in range(5):
            with pytest.raises(StoreError, match="a pool of connections in transaction mode"):
                opened(address)


@pytest.fixture(params=["session", "transaction", "transaction, round robin", "statement"])
def pool(request: pytest.FixtureRequest, postgres: Running) -> Iterator[tuple[int, str]]:
    """A pool of connections in front of the server."""
    from tests.postgres import Pool, pooler

    if pooler() is None:
        pytest.skip("no pgbouncer is installed")
    pool = Pool(postgres, *request.param.split(", "))
    yield pool.port, request.param
    pool.close()


@pytest.mark.slow
@pytest.mark.turns(2)
def test_a_server_that_is_started_again_goes_unnoticed(server: Server, opened: Open) -> None:
    url = server.url()
    Postgresql.create(url)
    backend, other = opened(url), opened(url)
    lease = backend.lease("run")
    assert lease is not None
    assert backend.write({A: b"data"}, {"head": (None, A)})
    for how in ("SIGINT", "SIGQUIT"):
        server.stop(how)
        starter = threading.Timer(0.5, server.start)
        starter.start()
        assert backend.ref("head") == A
        starter.join()
        assert backend.write({}, {"head": (A, B)})
        assert other.lease("run") is None
        assert backend.write({}, {"head": (B, A)})
        assert lease.held()
        assert other.lease("run") is None


def test_a_store_that_is_gone_may_come_back(
    postgres: Running, url: str, backend: Postgresql, opened: Open
) -> None:
    """As while it is restored from a dump: `ork up` waits for it."""
    assert backend.write({}, {"head": (None, A)})
    postgres.sql(f"ALTER SCHEMA {(schema := url.rpartition('=')[2])} RENAME TO {schema}_away")
    for _ in range(2):
        with pytest.raises(StoreError, match="there is no store in schema"):
            backend.ref("head")
        backend._reader.drop()
    with pytest.raises(NotFound, match="there is no store in schema"):
        opened(url)
    postgres.sql(f"ALTER SCHEMA {schema}_away RENAME TO {schema}")
    assert backend.ref("head") == A


@pytest.mark.slow
@pytest.mark.turns(2)
def test_a_server_that_does_not_come_back_is_told(
    server: Server, opened: Open, impatient: None
) -> None:
    url = server.url()
    Postgresql.create(url)
    backend = opened(url)
    lease = backend.lease("run")
    server.stop()
    with pytest.raises(StoreError, match="cannot be reached"):
        backend.ref("head")
    with pytest.raises(StoreError, match="cannot be reached"):
        backend.write({}, {"head": (None, A)})
    assert lease is not None
    assert lease.held(), "nobody else can have it: the server is gone for all"
    with pytest.raises(StoreError, match="cannot be reached"):
        Postgresql.open(url)


def test_an_administrator_may_end_sessions(backend: Postgresql, postgres: Running) -> None:
    lease = backend.lease("run")
    assert lease is not None
    assert backend.write({}, {"head": (None, A)})
    postgres.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE application_name LIKE 'ork, process {os.getpid()} %'"
    )
    assert backend.write({}, {"head": (A, B)})
    assert backend.ref("head") == B
    assert lease.held()


def test_schemas_do_not_meet(postgres: Running, opened: Open) -> None:
    first, second = (postgres.url(schema=new_schema()) for _ in range(2))
    for url in (first, second):
        Postgresql.create(url)
    one, two = opened(first), opened(second)
    assert one.write({A: b"one"}, {"head": (None, A)})
    assert two.ref("head") is None
    assert two.write({A: b"two"}, {"head": (None, B)})
    leases = one.lease("run"), two.lease("run")
    assert all(leases)
    assert (one.get(A), two.get(A)) == (b"one", b"two")
    with one.frozen(), two.frozen():
        pass
    assert C not in (one.ref("head"), two.ref("head"))
