"""Bundles: what goes in comes out the same, and what is wrong with one lets nothing in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zlib
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
from blake3 import blake3

from ork.errors import Corrupt, InvalidInput, OrkError
from ork.heads.deploy import deploy
from ork.heads.tags import tag
from ork.heads.undo import undo
from ork.objects.canonical import Oid, encode, hash_bytes
from ork.objects.kinds import Blob, Deploy, Operation, Run, encode_object
from ork.objects.value import replace
from ork.store import location
from ork.store.resolve import run_of_number
from ork.store.store import Store
from ork.store.verdict import tally
from ork.sync.bundle import open_bundle
from ork.sync.receive import check, receive
from ork.sync.select import Wish, create
from tests.runs import outcome, write_retry, write_run
from tests.store.test_forgotten import forget
from tests.stores import NOON, contents, plant, stamp
from tests.sync import bundles
from tests.sync.bundles import Parts, taken_apart, together
from tests.upkeep.looks import look_here

FLOW = "name: etl\ntasks:\n  a: {{executor: process, command: echo {}}}\n"
ALL = Wish(all=True, runs=None)
HOUR = timedelta(hours=1)


@dataclass
class Places:
    """A store with a history, and others that are to have it."""

    store: Store
    folder: Path
    others: list[Store] = field(default_factory=list)

    def deploy(self, word: object, store: Store | None = None, *, new: bool = False) -> None:
        store = store or self.store
        (store.project / "etl.yaml").write_text(FLOW.format(word))
        deploy(store, store.project / "etl.yaml", stamp=stamp(), new=new)

    def run(self, random: str = "000000") -> Run:
        head = self.store.ref("workflows/etl")
        tasks = self.store.snapshot(self.store.get(Deploy, head).snapshot).tasks
        run = write_run(self.store, head, {"a": outcome(tasks["a"])})
        logs = self.store.folder / "logs/etl" / run.id
        logs.mkdir(parents=True)
        (logs / "1.log").write_text("hello\n")
        return run

    def bundle(self, wish: Wish = ALL, name: str = "a.bundle") -> str:
        create(self.store, wish, self.folder / name, now=NOON)
        return str(self.folder / name)

    def other(self, name: str = "other") -> Store:
        folder = self.folder / name / ".ork"
        folder.parent.mkdir()
        location.create(folder)
        self.others.append(Store(location.open_backend(folder, environ={}), folder=folder))
        return self.others[-1]


def take(store: Store, file: str, **options: object):
    with open_bundle(file) as bundle:
        return receive(bundle, store, stamp=stamp(9), **options)


def is_whole(store: Store) -> bool:
    """Say whether a full check finds nothing; here, since a process of its own takes long."""
    return not [one for one in look_here(store.folder, "full") if one.level == "error"]


def heads(store: Store, prefix: str = "") -> dict[str, str]:
    spaces = ("workflows/", "tags/", "runs/", "numbers/", "ran/", "tally/")
    return {r: o for r, o in store.backend.refs(prefix) if r.startswith(spaces)}


@pytest.fixture
def places(project, tmp_path):
    made = Places(project, tmp_path)
    made.deploy(1)
    made.deploy(2)
    made.run()
    tag(project, "etl@v1", "etl~1", stamp=stamp(), now=NOON)
    yield made
    for other in made.others:
        other.close()


def test_what_goes_in_comes_out_the_same(places):
    other = places.other()
    received = take(other, places.bundle())
    assert heads(other) == heads(places.store)
    assert {ref for ref, _, _ in received.moves} == {
        ref for ref in heads(other) if not ref.startswith(("numbers/", "ran/", "tally/"))
    }
    run = run_of_number(other, "etl", 1)[1]
    assert (other.folder / "logs/etl" / run.id / "1.log").read_text() == "hello\n"
    assert tally(other, run.deploy) == tally(places.store, run.deploy)
    assert is_whole(other)


def test_a_second_import_brings_nothing_and_writes_nothing(places):
    other = places.other()
    file = places.bundle()
    take(other, file)
    before = contents(other)
    assert take(other, file).moves == ()
    assert contents(other) == before


def test_a_dry_run_says_the_same_and_writes_nothing(places):
    other = places.other()
    before = contents(other)
    said = take(other, places.bundle(), dry_run=True)
    assert contents(other) == before
    assert not list((other.folder / "logs").iterdir())
    assert take(other, places.bundle()) == said


def test_what_the_receiver_has_is_left_out(places):
    other = places.other()
    take(other, places.bundle())
    places.deploy(3)
    whole, since = Wish(revisions=("etl",)), Wish(revisions=("etl",), since=("etl~1",))
    new = places.bundle(since, "new.bundle")
    assert os.path.getsize(new) < os.path.getsize(places.bundle(whole, "whole.bundle"))
    with open_bundle(new) as bundle:
        assert bundle.needs == (places.store.ref("workflows/etl") and other.ref("workflows/etl"),)
    take(other, new)
    assert other.ref("workflows/etl") == places.store.ref("workflows/etl")
    assert is_whole(other)
    with pytest.raises(InvalidInput, match="builds on deploy"):
        take(places.other("third"), new)


def test_what_a_bundle_builds_on_is_whole_as_well(places):
    other = places.other()
    take(other, places.bundle())
    places.deploy(3)
    new = places.bundle(Wish(revisions=("etl",), since=("etl~1",)), "new.bundle")
    task = other.snapshot(other.get(Deploy, other.ref("tags/etl/v1")).snapshot).tasks["a"]
    other.backend.sweep(lambda: [task])
    before = contents(other)
    with pytest.raises(InvalidInput, match=f"needs object {task}"):
        take(other, new)
    assert contents(other) == before


def test_a_head_moves_forward_only(places):
    other = places.other()
    file = places.bundle()
    take(other, file)
    places.deploy("here", other)
    further = other.ref("workflows/etl")
    received = take(other, file)
    assert (received.moves, received.further) == ((), ("etl",))
    assert other.ref("workflows/etl") == further
    places.deploy("there")
    diverged = places.bundle()
    before = contents(other)
    with pytest.raises(InvalidInput, match="etl: here there is something else"):
        take(other, diverged)
    assert contents(other) == before
    take(other, diverged, force=True)
    assert other.ref("workflows/etl") == places.store.ref("workflows/etl")
    undo(other, stamp=stamp(10), now=NOON)
    assert other.ref("workflows/etl") == further
    assert is_whole(other)


def test_a_tag_stays_where_it_is(places):
    other = places.other()
    take(other, places.bundle())
    tag(other, "etl@v1", "etl", stamp=stamp(), now=NOON, force=True)
    with pytest.raises(InvalidInput, match="etl@v1: here"):
        take(other, places.bundle())
    take(other, places.bundle(), force=True)
    assert other.ref("tags/etl/v1") == places.store.ref("tags/etl/v1")


def head_of(places: Places) -> Oid:
    return places.store.ref("workflows/etl")


@pytest.mark.parametrize("hours", [0, 1], ids=["of its id", "of another id"])
def test_a_run_never_takes_the_number_of_another(places, hours):
    other = Places(places.other(), places.folder)
    other.deploy(1)
    places.deploy(1, other.store)
    head = other.store.ref("workflows/etl")
    tasks = other.store.snapshot(other.store.get(Deploy, head).snapshot).tasks
    failed = {"a": outcome(tasks["a"], "failed")}
    write_run(other.store, head, failed, "failed", created=NOON + timedelta(hours=hours))
    before = heads(other.store, "runs/")
    places.deploy(2)
    tasks = places.store.snapshot(places.store.get(Deploy, head_of(places)).snapshot).tasks
    more = {"a": outcome(tasks["a"])}
    second = write_run(places.store, head_of(places), more, created=NOON + timedelta(hours=2))
    said = take(other.store, places.bundle(), force=True, dry_run=True)
    received = take(other.store, places.bundle(), force=True)
    assert received == said
    assert (received.other, received.refused, received.logs) == (("etl#1",), ("etl#1",), 0)
    assert other.store.ref("workflows/etl") == head_of(places)
    new = f"runs/etl/{second.id}"
    assert heads(other.store, "runs/") == {**before, new: places.store.ref(new)}
    assert is_whole(other.store)
    assert take(other.store, places.bundle()).refused == ("etl#1",)


def test_a_run_that_was_retried_here_as_well_stays_but_by_force(places):
    other = places.other()
    tasks = places.store.snapshot(places.store.get(Deploy, head_of(places)).snapshot).tasks
    failed = {"a": outcome(tasks["a"], "failed")}
    run = write_run(places.store, head_of(places), failed, "failed", created=NOON + HOUR)
    take(other, places.bundle())
    for store, number in ((places.store, 2), (other, 3)):
        write_retry(store, "etl", 2, {"a": outcome(tasks["a"], number=number)}, "success")
    before = heads(other)
    received = take(other, places.bundle())
    assert (received.retried, received.refused, received.moves) == (("etl#2",), ("etl#2",), ())
    assert heads(other) == before
    received = take(other, places.bundle(), force=True)
    assert (received.replaced, received.refused) == (("etl#2",), ())
    assert heads(other) == heads(places.store)
    assert tally(other, run.deploy) == tally(places.store, run.deploy)
    assert is_whole(other)


@pytest.mark.parametrize("of_another", [False, True])
def test_a_number_that_gc_removed_does_not_come_back(places, of_another):
    file, other = places.bundle(), places.other()
    take(other, file)
    with other.transaction() as tx:
        for ref, oid in heads(other).items():
            if ref.startswith(("runs/", "numbers/", "ran/", "tally/")):
                tx.move(ref, old=oid, new=None)
    gone = Operation(
        argv=("ork", "gc"),
        author="a",
        moves=(("numbers/etl/0000000001", None, None),),
        parent=other.ref("ops"),
        time=NOON,
    )
    plant(other, gone, ops=hash_bytes(encode_object(gone)))
    if of_another:
        places.store.close()
        places = Places(Places(places.store, places.folder).other("third"), places.folder)
        places.deploy(1)
        places.deploy(2)
        places.run()
        file = places.bundle(name="another.bundle")
    received = take(other, file, force=True)
    assert received.removed == ("etl#1",)
    assert not list(other.refs("runs/")) and not list(other.refs("tally/"))
    assert not received.logs
    assert is_whole(other)


def test_without_runs_nothing_of_them_is_written(places):
    other = places.other()
    take(other, places.bundle(), runs=False)
    assert not list(other.refs("runs/"))
    assert is_whole(other)
    assert not any(other.has(oid) for _, oid in places.store.refs("runs/"))


def test_one_run_goes_by_itself(places):
    other = places.other()
    take(other, places.bundle(Wish(revisions=("etl#1",))))
    assert other.ref("workflows/etl") is None
    assert run_of_number(other, "etl", 1)
    assert is_whole(other)


def test_a_bundle_is_the_same_bytes_every_time(places):
    one, two = places.bundle(name="one"), places.bundle(name="two")
    assert Path(one).read_bytes() == Path(two).read_bytes()
    assert together(taken_apart(Path(one).read_bytes())) == Path(one).read_bytes()


def test_what_an_object_names_comes_before_it(places):
    with open_bundle(places.bundle()) as bundle:
        seen = set()
        for oid in bundle.oids():
            links = places.store.read(oid)
            named = set(filter(None, links.links())) if hasattr(links, "links") else set()
            assert named <= seen
            seen.add(oid)


def test_a_damaged_store_makes_no_bundle(places):
    task = places.store.snapshot(
        places.store.get(Deploy, places.store.ref("workflows/etl")).snapshot
    ).tasks["a"]
    places.store.backend.sweep(lambda: [task])
    places.store = Store(places.store.backend, folder=places.store.folder)  # has nothing at hand
    with pytest.raises(Corrupt, match=task):
        places.bundle()
    assert not (places.folder / "a.bundle").exists()


IMPORT = """
import sys
from pathlib import Path
from ork.objects.value import replace
from ork.store import location
from ork.store.store import Store, Stamp
from ork.sync.bundle import open_bundle
from ork.sync.receive import receive
from tests.stores import stamp
folder = Path(sys.argv[1])
store = Store(location.open_backend(folder, environ={}), folder=folder)
with open_bundle(sys.argv[2]) as bundle:
    receive(bundle, store, stamp=stamp(9))
"""


@pytest.mark.slow
@pytest.mark.parametrize("point", ["checked", "objects", "logs", "written"])
@pytest.mark.turns(2)
def test_an_import_that_is_killed_shows_nothing_and_can_be_repeated(places, point):
    other, file = places.other(), places.bundle()
    killed = subprocess.run(
        [sys.executable, "-c", IMPORT, str(other.folder), file],
        env={**os.environ, "ORK_FAILPOINT": f"import.{point}", "PYTHONPATH": os.getcwd()},
        cwd=Path(__file__).parents[2],
    )
    assert killed.returncode == -9
    if point != "written":
        assert heads(other) == {}
    assert is_whole(other)
    take(other, file)
    assert heads(other) == heads(places.store)
    assert is_whole(other)


def test_what_gc_takes_meanwhile_is_brought_again(places, monkeypatch):
    other, file = places.other(), places.bundle()
    from ork.sync import receive as module

    def swept(name):
        if name == "import.logs":
            other.backend.sweep(lambda: list(other.backend.oids()))

    monkeypatch.setattr(module, "failpoint", swept)
    take(other, file)
    assert is_whole(other)
    assert heads(other) == heads(places.store)


def forget_text(store: Store) -> tuple[Store, str]:
    """Forget the text of the head; return the store as it is opened next, and the object."""
    (text,) = plant(store, Blob(b"[forgotten]"))
    secret = store.get(Deploy, store.ref("workflows/etl")).source.blob
    after = forget(store, secret, text)
    store.backend.sweep(lambda: [secret])
    return after, secret


def forget_message(store: Store) -> Store:
    """Forget what the head says of itself; return the store as it is opened next."""
    head = store.ref("workflows/etl")
    (other,) = plant(store, replace(store.get(Deploy, head), message="[forgotten]"))
    after = forget(store, head, other)
    store.backend.sweep(lambda: [head])
    return after


def test_a_head_that_the_sender_forgot_is_forgotten_here(places):
    places.store = forget_message(places.store)
    other = places.other()
    assert not other.forgotten
    take(other, places.bundle())
    for store in (other, Store(other.backend)):
        assert store.get(Deploy, store.ref("workflows/etl")).message == "[forgotten]"
    assert is_whole(other)


@pytest.mark.parametrize("runs", [True, False])
def test_what_the_sender_forgot_is_forgotten_here(places, runs):
    places.store, secret = forget_text(places.store)
    other = places.other()
    take(other, places.bundle(), runs=runs)
    assert Store(other.backend).blob(secret) == b"[forgotten]"
    assert is_whole(other)


def test_what_the_receiver_forgot_never_comes_back(places):
    file, other = places.bundle(), places.other()
    take(other, file)
    other, secret = forget_text(other)
    places.deploy(3)
    take(other, places.bundle())
    assert other.backend.get(secret) is None
    assert other.ref("workflows/etl") == places.store.ref("workflows/etl")
    assert is_whole(other)


def test_what_the_receiver_has_is_not_taken_away_by_a_tombstone(places):
    file, other = places.bundle(), places.other()
    take(other, file)
    places.store, secret = forget_text(places.store)
    places.deploy(3)
    take(other, places.bundle())
    assert other.backend.get(secret)
    assert other.ref(f"forgotten/{secret}") is None
    assert is_whole(other)


# -- hostile bundles


def oid_of(data: bytes) -> bytes:
    return blake3(data).digest()


def plain(kind: str, payload: bytes) -> tuple[bytes, bytes]:
    data = f"ork1 {kind}\n".encode() + payload
    return oid_of(data), b"\0" + data


def at(parts: Parts, name: bytes) -> bytes:
    return dict(parts.refs)[name]


def with_refs(parts: Parts, **changes: bytes) -> Parts:
    refs = dict(parts.refs)
    for name, oid in changes.items():
        refs[name.encode().replace(b"__", b"/")] = oid
    return parts._replace(refs=sorted(refs.items()))


def with_ref(name: bytes):
    def change(parts: Parts) -> Parts:
        refs = {**dict(parts.refs), name: at(parts, b"workflows/etl")}
        return parts._replace(refs=sorted(refs.items()))

    return change


def with_object(kind: str, payload: bytes, ref: str = "workflows/etl"):
    def change(parts: Parts) -> Parts:
        oid, stored = plain(kind, payload)
        refs = {**dict(parts.refs), ref.encode(): oid}
        return parts._replace(objects=[*parts.objects, (oid, stored)], refs=sorted(refs.items()))

    return change


def with_field(ref: bytes, **fields: object):
    """Change a record that a ref names, and let the ref name what comes of it."""

    def change(parts: Parts) -> Parts:
        stored = dict(parts.objects)[at(parts, ref)]
        data = stored[1:] if stored[:1] == b"\0" else zlib.decompress(stored[1:])
        head, _, payload = data.partition(b"\n")
        value = {**json.loads(payload), **fields}
        oid, new = plain(head.decode()[5:], encode(value))
        refs = {**dict(parts.refs), ref: oid}
        return parts._replace(objects=[*parts.objects, (oid, new)], refs=sorted(refs.items()))

    return change


def body(index: int, data: bytes):
    def change(parts: Parts) -> Parts:
        parts.objects[index] = (parts.objects[index][0], data)
        return parts

    return change


def swapped(parts: Parts) -> Parts:
    (one, a), (two, b) = parts.objects[:2]
    parts.objects[:2] = [(one, b), (two, a)]
    return parts


def without(index: int):
    def change(parts: Parts) -> Parts:
        del parts.objects[index]
        return parts

    return change


def without_ref(space: bytes):
    return lambda parts: parts._replace(
        refs=[(name, oid) for name, oid in parts.refs if not name.startswith(space)]
    )


def to(ref: bytes, space: bytes):
    """Let a ref lead where the first one of another space leads."""

    def change(parts: Parts) -> Parts:
        oid = next(oid for name, oid in parts.refs if name.startswith(space))
        return parts._replace(refs=sorted({**dict(parts.refs), ref: oid}.items()))

    return change


def with_log(path: bytes):
    return lambda parts: parts._replace(logs=sorted([*parts.logs, (path, b"x")]))


def header(data: bytes):
    return lambda parts: parts._replace(header=data)


def run_ref(parts: Parts) -> bytes:
    return next(name for name, _ in parts.refs if name.startswith(b"runs/"))


@cache
def bomb() -> bytes:
    return b"\1" + zlib.compress(bytes(80 << 20))


NODE = b'{"children":[[0,"' + b"0" * 64 + b'"]],"depth":5,"of":"trees"}'
CHANGES = {
    "swapped objects": swapped,
    "another body": body(0, b"\0ork1 blob\nx"),
    "a bomb": lambda parts: body(0, bomb())(parts),
    "nested bombs": lambda parts: body(0, b"\1" + zlib.compress(bomb()))(parts),
    "no flag": body(0, b""),
    "unknown flag": body(0, b"\7ork1 blob\nx"),
    "broken stream": body(0, b"\1ork1 blob\nx"),
    "followed stream": body(0, b"\1" + zlib.compress(b"ork1 blob\nx") + b"x"),
    "first missing": without(0),
    "middle missing": without(5),
    "last missing": without(-1),
    "unneeded": lambda parts: parts._replace(objects=[*parts.objects, plain("blob", b"new")]),
    "twice": lambda parts: parts._replace(objects=[*parts.objects, parts.objects[0]]),
    "ref twice": lambda parts: parts._replace(refs=[*parts.refs, parts.refs[-1]]),
    "refs unsorted": lambda parts: parts._replace(refs=parts.refs[::-1]),
    "head is a run": to(b"workflows/etl", b"runs/"),
    "tag is a run": to(b"tags/etl/v1", b"runs/"),
    "run is a deploy": to(b"numbers/etl/0000000001", b"workflows/"),
    "head of another": to(b"workflows/other", b"workflows/"),
    "tag of another": to(b"tags/other/v1", b"workflows/"),
    "run of another": to(b"runs/other/20261101T120000.000-000000", b"runs/"),
    "another number": to(b"numbers/etl/0000000099", b"runs/"),
    "no number": without_ref(b"numbers/"),
    "no pin": without_ref(b"ran/"),
    "pins alone": without_ref(b"runs/"),
    "unattached": to(b"unattached/etl/20261101T120000.000-000000", b"runs/"),
    "not canonical": with_object("deploy", b"{ }"),
    "unknown kind": with_object("evil", b"{}"),
    "other version": lambda parts: parts._replace(
        objects=[*parts.objects, (oid_of(b"ork2 blob\nx"), b"\0ork2 blob\nx")]
    ),
    "deep": with_object("deploy", b'{"a":' * 5000 + b"1" + b"}" * 5000),
    "a node as a head": with_object("tree", NODE),
    "snapshot count": with_field(b"workflows/etl", snapshot="0" * 64),
    "no parent": with_field(b"workflows/etl", parents=["0" * 64]),
    "parent is a task": with_field(b"workflows/etl", snapshot=None),
    "workflow is a path": with_field(b"workflows/etl", workflow="../x"),
    "run id is a path": lambda p: with_field(run_ref(p), id="../../x")(p),
    "run not ended": lambda p: with_field(run_ref(p), ended=None)(p),
    "run of a number": lambda p: with_field(run_ref(p), number=7)(p),
    "log of no log": with_log(b"etl/20261101T120000.000-000000/x.sh"),
    "log of nobody": with_log(b"etl/20261101T120000.000-999999/1.log"),
    "log outside": with_log(b"../../x.log"),
    "log absolute": with_log(b"/etc/passwd"),
    "header is a list": header(b"[]"),
    "header has more": header(b'{"needs":[],"run":"rm"}'),
    "header not canonical": header(b'{ "needs":[]}'),
    "header needs what is not there": header(b'{"needs":["' + b"0" * 64 + b'"]}'),
    "header needs a path": header(b'{"needs":["../x"]}'),
    "header deep": header(b"[" * 100_000),
} | {
    f"ref {name.decode('ascii', 'replace')[:30]!r}": with_ref(name)
    for name in (
        b"workflows/etl/inner",
        b"workflows/../x",
        b"workflows/",
        b"workflows",
        b"tags/etl/v1/x",
        b"tags/etl/..",
        b"/etc/passwd",
        b"ops",
        b"active/x/a",
        b"tally/x/1:success=9",
        b"read/etl/1/x",
        b"forgotten/x",
        b"numbers/etl/1",
        b"workflows/\x00",
        b"workflows/\xff",
        b"workflows/a b\n",
        b"workflows/" + b"x" * 2000,
    )
}


def refuses(places: Places, data: bytes) -> OrkError:
    """Import a bundle into a store, which must not change; return the error."""
    file = places.folder / "wrong.bundle"
    file.write_bytes(data)
    other = places.folder / "other/.ork"
    store = places.other() if not other.exists() else None
    store = store or Store(location.open_backend(other, environ={}), folder=other)
    before = contents(store)
    with pytest.raises(OrkError) as raised:
        take(store, str(file))
    assert contents(store) == before
    assert not list((store.folder / "logs").iterdir())
    assert "\n" not in raised.value.message
    assert len(raised.value.message) < 2500
    store.close()
    return raised.value


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.turns(2)
def test_a_hostile_bundle_lets_nothing_in(places, change):
    parts = taken_apart(Path(places.bundle()).read_bytes())
    assert refuses(places, together(CHANGES[change](parts))).exit_code == 3
    file = str(places.folder / "wrong.bundle")
    with pytest.raises(OrkError), open_bundle(file) as bundle:
        check(bundle, None)  # as `ork bundle verify` does, which takes nothing in


def frames(data: bytes):
    """Return bundles whose frame is wrong and whose hash is right, and some that are none."""
    parts = taken_apart(data)
    rows, counts = bundles.records(parts), (len(parts.refs), len(parts.objects), len(parts.logs))
    (oid, stored), (path, text) = parts.objects[0], parts.logs[0]
    first, last = len(parts.refs), len(rows) - 1

    def row(at: int, new: bytes) -> bytes:
        return bundles.framed(parts.header, [*rows[:at], new, *rows[at + 1 :]], counts)

    yield row(first, bundles.object_(oid, stored, length=1))
    yield row(first, bundles.object_(oid, stored, length=-1))
    yield row(first, bundles.object_(oid, stored, length=1 << 40))
    yield row(first, bundles.object_(oid, stored, length=(1 << 32) - 1 - len(stored)))
    yield row(last, bundles.log(path, text, length=1))
    yield row(last, bundles.log(path, text, length=-1))
    yield row(last, bundles.log(path, text)[:-1] + b"\0")
    yield row(0, b"x" + rows[0][1:])
    yield bundles.framed(parts.header, rows[::-1], counts)
    yield bundles.framed(parts.header, rows, (counts[0], counts[1] + 1, counts[2]))
    yield bundles.framed(parts.header, rows, counts) + b"x"
    yield bundles.framed(parts.header, rows, counts, magic=b"ork bundle 2\n")
    yield bundles.MAGIC + b"\xff\xff\xff\xff" + data
    yield b""
    yield bundles.MAGIC
    yield b"PK\3\4"


def test_a_wrong_frame_lets_nothing_in(places):
    for data in frames(Path(places.bundle()).read_bytes()):
        assert refuses(places, data).exit_code == 3


def test_a_length_that_lies_costs_no_memory(places):
    parts = taken_apart(Path(places.bundle()).read_bytes())
    rows, (oid, stored) = bundles.records(parts), parts.objects[0]
    lies = bundles.object_(oid, stored, length=(1 << 32) - 1 - len(stored))
    counts = len(parts.refs), len(parts.objects), len(parts.logs)
    rows[len(parts.refs)] = lies
    (places.folder / "a.bundle").write_bytes(bundles.framed(parts.header, rows, counts))
    code = (
        "import resource, sys; from ork.errors import InvalidInput\n"
        "from ork.sync.bundle import open_bundle\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n"
        "try: open_bundle(sys.argv[1]).__enter__()\n"
        "except InvalidInput as error: print(error.message)\n"
    )
    words = [sys.executable, "-c", code, str(places.folder / "a.bundle")]
    done = subprocess.run(words, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert "cut short" in done.stdout, done.stderr


def test_a_header_and_a_name_have_a_largest_size(places):
    parts = taken_apart(Path(places.bundle()).read_bytes())
    needs: list[object] = [f"{number:064x}" for number in range(20_000)]
    long = parts._replace(header=encode({"needs": needs}))
    assert "1048576 at most" in refuses(places, together(long)).message
    long = with_ref(b"workflows/" + b"x" * 2000)(parts)
    assert "1024 at most" in refuses(places, together(long)).message


@pytest.mark.slow
def test_no_flipped_byte_and_no_cut_gets_through(places):
    data = Path(places.bundle()).read_bytes()
    file = places.folder / "wrong.bundle"
    for place in range(0, len(data), 11):
        for wrong in (data[:place], data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :]):
            file.write_bytes(wrong)
            with pytest.raises(InvalidInput), open_bundle(str(file)):
                pass


def test_a_file_that_changes_after_it_was_checked_lets_nothing_in(places, monkeypatch):
    for number in range(20):  # so that not all of it is in one buffer
        places.deploy(number)
    other, file = places.other(), places.bundle()
    parts = taken_apart(Path(file).read_bytes())
    from ork.sync import receive as module

    def changed(name):
        if name == "import.checked":
            Path(file).write_bytes(together(swapped(parts)))

    monkeypatch.setattr(module, "failpoint", changed)
    with pytest.raises(InvalidInput, match="do not match its name"):
        take(other, file)
    assert heads(other) == {}


def test_names_that_differ_in_case_stay_apart(places):
    (places.store.project / "big.yaml").write_text(FLOW.format(1).replace("etl", "ETL"))
    deploy(places.store, places.store.project / "big.yaml", stamp=stamp())
    other = places.other()
    take(other, places.bundle())
    assert heads(other) == heads(places.store)


def test_a_bundle_is_checked_without_a_store(places):
    file = Path(places.bundle())
    with open_bundle(str(file)) as bundle:
        assert check(bundle, None)
    file.write_bytes(together(swapped(taken_apart(file.read_bytes()))))
    with open_bundle(str(file)) as bundle, pytest.raises(InvalidInput, match="do not match"):
        check(bundle, None)
