"""A store in a bucket of a real server: the suite, races, lost answers, refusals."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from ork.errors import Corrupt, NotFound, StoreError, UsageError
from ork.objects.canonical import Oid, hash_bytes
from tests.conftest import Ork
from tests.servers.proxy import HANG_UP, LOSE_ANSWER, LOSE_REQUEST, Proxy

obstore = pytest.importorskip("obstore", reason="obstore is not installed")
if find_spec("moto") is None:  # to import it takes a second, for which every test would wait
    pytest.skip("moto, a server like S3, is not installed", allow_module_level=True)
pytest.register_assert_rewrite("tests.backends.suite")

from ork.servers import cloud  # noqa: E402
from ork.servers.cloud import Cloud  # noqa: E402
from tests.backends.suite import (  # noqa: E402, F401
    fill,
    names,
    point,
    test_a_ref_is_created_moved_and_removed,
    test_a_ref_may_stay_where_it_is,
    test_a_stale_move_writes_nothing,
    test_a_write_removes_what_it_names_together_with_its_moves,
    test_a_write_without_what_it_needs_writes_nothing,
    test_absence_can_be_asked_for,
    test_absent_is_none,
    test_an_object_that_is_there_with_other_bytes_is_put_right,
    test_any_text_is_a_name_and_sorted_by_its_characters,
    test_close_may_be_called_twice,
    test_names_are_text_and_not_patterns,
    test_newest_first_is_the_same_backwards,
    test_objects_of_any_length_are_kept_as_they_are,
    test_one_of_many_threads_wins,
    test_refs_and_objects_do_not_meet,
    test_the_sequence_rises_with_each_write_and_never_falls,
    test_writing_nothing_succeeds,
    test_writing_twice_is_harmless,
)

SECRET = "a-secret-key-of-somebody"
AUTHORIZATION = "AWS4-HMAC-SHA256 Credential=ada/20260101/us-east-1/s3/aws4_request"
A, B, C = (Oid(digit * 64) for digit in "abc")
numbers = count(1)

COLON = ":"  # so that no line here looks like one with a password


def ask(port: int, method: str, path: str, data: bytes = b"") -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        data=data,
        method=method,
        headers={"Authorization": AUTHORIZATION, "Content-Type": "text/plain"},
    )
    urllib.request.urlopen(request).close()


# As `python -m moto.server`, but one request after the other: it looks whether a condition holds,
# and then puts, and between the two another request could put something as well.
SERVER = """
import sys, threading
from moto.server import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple
app, lock = DomainDispatcherApplication(create_backend_app), threading.Lock()
def alone(environ, start_response):
    with lock:
        return [*app(environ, start_response)]
port = int(sys.argv[1])
run_simple("127.0.0.1", port, alone, threaded=True, request_handler=MotoRequestHandler)
"""


@pytest.fixture(scope="session")
def port() -> Iterator[int]:
    """The port of a server like S3, in a process of its own, that has the bucket `bucket`."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    words = [sys.executable, "-c", SERVER, str(port)]
    with subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as server:
        try:
            while server.poll() is None:
                try:
                    ask(port, "PUT", "/bucket")
                    break
                except OSError:
                    time.sleep(0.05)
            yield port
        finally:
            server.kill()


def environment(port: int) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "ada",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
    }


@pytest.fixture(autouse=True)
def _world(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in environment(port).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(cloud._RETRY, "max_retries", 1)


@pytest.fixture
def url() -> str:
    """The URL of an empty store."""
    url = f"s3://bucket/team/{os.getpid()}-{next(numbers)}"
    Cloud.create(url)
    return url


@pytest.fixture
def opened() -> Iterator[Callable[..., Cloud]]:
    handles: list[Cloud] = []

    def opening(url: str, **options: bool) -> Cloud:
        handles.append(Cloud.open(url, **options))
        return handles[-1]

    yield opening
    for handle in handles:
        handle.close()


@pytest.fixture
def backend(url: str, opened: Callable[..., Cloud]) -> Cloud:
    return opened(url)


@pytest.fixture
def proxy(port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """What stands between us and the service, for what is opened from now on."""
    proxy = Proxy(port)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
    yield proxy
    proxy.close()


def key_of_refs(url: str) -> bytes:
    return f"PUT /{url.removeprefix('s3://')}/refs".encode()


def test_it_lies_there_as_plain_files_would(backend: Cloud, url: str) -> None:
    (oid,) = fill(backend, b"hello")
    point(backend, "workflows/etl")
    bucket = cloud._bucket(url)
    assert sorted(cloud._names(bucket, "", url)) == [
        "format",
        f"objects/{oid[:2]}/{oid[2:]}",
        "refs",
    ]
    assert cloud._read(bucket, "format", url) == b"ork files 3\n"
    refs = cloud._read(bucket, "refs", url)
    assert refs is not None
    assert f"\nworkflows/etl {A} ".encode() in refs


@pytest.mark.slow
def test_all_that_is_asked_for_at_once_comes(backend: Cloud) -> None:
    oids = fill(backend, *(b"%d" % number for number in range(40)))
    assert backend.get_many([*oids, B, *oids[:3]]) == {oid: backend.get(oid) for oid in oids}
    assert list(backend.oids()) == oids
    assert list(backend.oids(oids[7][:5])) == [oids[7]]
    assert list(backend.oids("0")) == [oid for oid in oids if oid.startswith("0")]


@pytest.mark.slow
def test_writers_that_race_lose_nothing(url: str, opened: Callable[..., Cloud]) -> None:
    handles = [opened(url) for _ in range(4)]

    def add(number: int) -> None:
        at, backend = None, handles[number]
        for step in range(5):
            data = b"%d %d" % (number, step)
            oid = hash_bytes(data)
            assert backend.write({oid: data}, {f"own/{number}": (at, oid)})
            at = oid
            while True:
                old = backend.ref("counter")
                new = Oid(f"{int(old or '0', 16) + 1:064x}")
                if backend.write({}, {"counter": (old, new)}):
                    break

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refs = dict(opened(url).refs())
    assert int(refs.pop("counter"), 16) == 20
    assert len(refs) == 4
    assert all(handles[0].get(oid) is not None for oid in refs.values())


@pytest.mark.parametrize("look", range(4))
def test_a_move_is_not_made_on_top_of_what_another_thread_has_seen_since(
    url: str, opened: Callable[..., Cloud], look: int
) -> None:
    backend, other = opened(url), opened(url)
    point(backend, "a")
    looks = count()

    class Moves(dict[str, Any]):
        def items(self) -> Any:
            yield from super().items()
            if next(looks) == look:
                assert other.write({}, {"a": (A, B)})
                assert backend.ref("a") == B, "as another thread of this process may ask"

    wrote = backend.write({}, Moves({"a": (A, C)}))
    came = next(looks) > look
    assert wrote != came
    assert opened(url).ref("a") == (B if came else C)


def test_a_list_that_was_put_is_known_though_its_answer_was_lost(
    url: str, proxy: Proxy, opened: Callable[..., Cloud]
) -> None:
    backend = opened(url)
    point(backend, "a")
    proxy.once(LOSE_ANSWER, key_of_refs(url))
    assert backend.write({}, {"a": (A, B)}), "it was moved, though it seemed to stand at B already"
    assert opened(url).ref("a") == B
    assert opened(url).sequence() == 2


def test_a_write_that_never_arrived_is_made_again(
    url: str, proxy: Proxy, opened: Callable[..., Cloud]
) -> None:
    backend = opened(url)
    for fate in (LOSE_REQUEST, HANG_UP):
        proxy.once(fate, key_of_refs(url))
        assert backend.write({A: b"data"}, {fate: (None, A)})
    assert [name for name, _ in backend.refs()] == sorted([LOSE_REQUEST, HANG_UP])
    assert backend.sequence() == 2


def test_what_was_cut_in_between_moved_nothing_and_can_be_done_again(
    url: str, proxy: Proxy, opened: Callable[..., Cloud]
) -> None:
    backend = opened(url)
    proxy.rule = lambda data: LOSE_REQUEST if key_of_refs(url) in data else "pass"
    with pytest.raises(StoreError, match="nothing was written") as failed:
        backend.write({A: b"data"}, {"a": (None, A)})
    assert SECRET not in str(failed.value) + str(failed.value.hint)
    proxy.rule = lambda _: LOSE_REQUEST
    with pytest.raises(StoreError, match="cannot be used"):
        backend.ref("a")
    proxy.rule = lambda _: "pass"
    assert backend.ref("a") is None
    assert backend.write({A: b"data"}, {"a": (None, A)})
    assert backend.get(A) == b"data"


def test_who_is_refused_is_told_so(
    url: str, port: int, backend: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(port, "POST", "/moto-api/reset-auth", b"0")
    try:
        for use in (lambda: Cloud.open(url), lambda: backend.write({}, {"a": (None, A)})):
            with pytest.raises(
                StoreError, match=r"refused to you \(InvalidAccessKeyId\)"
            ) as refused:
                use()
            assert SECRET not in str(refused.value) + str(refused.value.hint)
    finally:
        ask(port, "POST", "/moto-api/reset-auth", b"inf")


def test_what_is_not_there_is_told(url: str) -> None:
    with pytest.raises(NotFound, match=f"there is no store in {url}/deeper"):
        Cloud.open(f"{url}/deeper")
    assert not Cloud.exists(f"{url}/deeper")
    assert Cloud.exists(url)
    with pytest.raises(StoreError, match="there is no bucket nowhere"):
        Cloud.create("s3://nowhere/store")
    for wrong in (
        "s3:",
        "s3:bucket",
        "s3://",
        f"s3://key{COLON}secret@bucket",
        "s3://bucket?key=secret",
    ):
        with pytest.raises(UsageError, match="needs a bucket") as refused:
            Cloud.open(wrong)
        assert "secret" not in str(refused.value)


def test_of_two_that_make_one_both_succeed(url: str, backend: Cloud) -> None:
    point(backend, "a")
    Cloud.create(url)
    assert backend.ref("a") == A


def test_a_damaged_list_is_not_believed(url: str, backend: Cloud) -> None:
    point(backend, "aa", "bb")
    bucket = cloud._bucket(url)
    text = cloud._read(bucket, "refs", url)
    assert text is not None
    obstore.put(bucket, "refs", text.replace(b"\naa ", b"\nab "))
    assert backend.ref("bb") == A
    uses: list[Callable[[], Any]] = [
        lambda: backend.ref("aa"),
        lambda: names(backend),
        lambda: backend.write({}, {"c": (None, A)}),
    ]
    for use in uses:
        with pytest.raises(Corrupt):
            use()
    obstore.put(bucket, "format", b"ork files 4\n")
    with pytest.raises(StoreError, match="has store format 4"):
        Cloud.open(url)


def test_what_a_bucket_cannot_do_is_refused_with_the_reason(backend: Cloud) -> None:
    with pytest.raises(StoreError, match="does not tell who is alive"):
        backend.lease("run")
    with pytest.raises(StoreError, match="nobody can be kept from writing"):
        backend.sweep(list)
    assert backend.leased() == set()


def test_frozen_refs_are_of_one_moment(backend: Cloud) -> None:
    point(backend, "a")
    with backend.frozen() as still:
        assert backend.write({}, {"a": (A, B), "b": (None, B)})
        assert list(still.refs()) == [("a", A)]
        assert still.sequence() == 1
        with pytest.raises(StoreError, match="for reading only"):
            still.write({}, {})
    assert dict(backend.refs()) == {"a": B, "b": B}


@pytest.fixture
def ran(etl: Ork, port: int, edit: Callable[[str, str, str], None]) -> Ork:
    """A project with two deploys and a run, and what it takes to reach the server."""
    assert etl("deploy", "etl.yaml").code == 0
    edit("etl.yaml", "timeout: 300", "timeout: 600")
    assert etl("run", "etl.yaml").code == 0
    etl.environ.update(environment(port))
    return etl


@pytest.mark.slow
def test_a_history_is_pushed_to_a_bucket_read_there_and_cloned(
    ran: Ork, url: str, tmp_path: Path
) -> None:
    ork, place = ran, f"{url}/history"
    assert ork("init", "--store", place, str(tmp_path)).code == 0
    assert ork("remote", "add", "origin", place).code == 0
    assert ork("push").code == 0
    assert ork("push").out == "nothing new\n"
    for words in (["log", "etl"], ["runs"], ["logs", "etl#1"], ["show", "etl#1"]):
        here = ork(*words).out.replace("(etl, origin/etl)", "(etl)")
        assert ork("--store", place, *words).out == here
    refused = ork("--store", place, "run", "etl")
    assert (refused.code, "does not tell who is alive" in refused.err) == (4, True)
    assert "ork push" in refused.err
    done = ork("clone", place, str(tmp_path / "copy"))
    assert done.code == 0, done.err
    copy = str(tmp_path / "copy" / ".ork")
    assert ork("--store", copy, "log", "etl").out == ork("log", "etl").out
    assert ork("--store", copy, "fsck", "--full").code == 0
    for done in (refused, ork("push", f"{url}/nowhere"), ork("--store", f"{url}/none", "log")):
        assert done.code != 0
        assert SECRET not in done.out + done.err
