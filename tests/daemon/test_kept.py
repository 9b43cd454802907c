"""What is kept of schedules: checked, removed with its run, carried with it, rebuilt."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from ork.daemon import fires, hooks, lines, pauses, queue
from ork.errors import InvalidInput
from ork.heads.decisions import decided
from ork.heads.deploy import deploy
from ork.objects.kinds import Blob
from ork.schedule.policy import Skip
from ork.store import location
from ork.store.runs import hooks_of
from ork.store.store import Store
from ork.sync import select
from ork.sync.backup import backup
from ork.sync.bundle import Source, open_bundle, pieces
from ork.sync.clone import clone
from ork.sync.receive import receive
from ork.sync.select import Wish, create
from ork.upkeep import keep
from ork.upkeep.findings import Finding
from ork.upkeep.fsck import fsck
from ork.upkeep.keep import Keep
from ork.upkeep.prune import gc
from ork.upkeep.repair import repair
from tests.daemon.flow import FLOW, MINUTE, caller, due, fire
from tests.stores import NOON, plant, stamp

HOOKS = "on_success: {command: echo sent}\n"


@pytest.fixture
def full(project: Store) -> Iterator[Store]:
    """A store with two fires, a hook, slots that were left out, a pause, and a run that waits."""
    schedule = '{cron: "*/10 * * * *", overlap: allow}'
    text = HOOKS + FLOW.format(schedule=schedule, command="true")
    (project.project / "etl.yaml").write_text(text)
    deploy(project, project.project / "etl.yaml", stamp=stamp())
    for minutes in (31, 41):
        run = fire(project, NOON + minutes * MINUTE)
        assert hooks.after(project, run, caller(NOON)) is not None
    queue.put(project, "etl", caller=caller(NOON))
    pauses.pause(project, "etl", stamp=stamp(0.8))
    yield project


def findings(store: Store) -> list[tuple[str, str | None]]:
    assert store.folder is not None
    found = fsck(store.folder, environ={}, depth="full").findings
    return [(one.code, one.ref) for one in found if one.level == "error"]


def spaces(store: Store) -> set[str]:
    return {ref.partition("/")[0] for ref, _ in store.backend.refs()}


ALL = {"fires", "skips", "decided", "paused", "queue", "hooks"}


def test_a_store_with_all_of_it_is_whole(full):
    assert spaces(full) >= ALL
    assert findings(full) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ref", "says"),
    [
        ("skips/etl/20261101T122000Z", b"{}"),
        ("skips/etl/20261101T122000Z", b'{"count":1,"first":"x","last":"x","reason":"x"}'),
        ("decided/etl/44136fa355b3678a", b"[]"),
        ("queue/etl/20261101T120000.000-000000", b"nonsense"),
        ("hooks/etl/20261101T120000.000-000000/1-on_success", b"{}"),
    ],
)
def test_what_makes_no_sense_is_found(full, ref, says):
    plant(full, Blob(says), **{ref.replace("/", "__"): Blob(says) and _oid(says)})
    assert ("E202", ref) in findings(full)


def _oid(data: bytes):
    from ork.objects.canonical import hash_bytes
    from ork.objects.kinds import encode_object

    return hash_bytes(encode_object(Blob(data)))


@pytest.mark.slow
@pytest.mark.parametrize("slot", ["20261101T130000Z", "20261101T124000Z.0000000000000000"])
def test_a_fire_that_is_not_of_its_run_is_found(full, slot):
    pin = full.ref("numbers/etl/0000000001")
    plant(full, **{f"fires__etl__{slot}": pin})
    assert ("E202", f"fires/etl/{slot}") in findings(full)


@pytest.mark.slow
def test_fires_and_hooks_go_with_their_run(full):
    now = NOON + timedelta(days=400)
    done = gc(full, now=now, keep=Keep(runs=1, undo_days=0), stamp=stamp(), force=True)
    assert done.runs == {"etl": (1,)}
    assert [name for name, _ in full.refs("fires/etl/")] == ["20261101T124000Z"]
    assert len(list(full.refs("hooks/"))) == 1
    assert findings(full) == []
    assert due(full, NOON + 41 * MINUTE).decision is None  # it is paused; nothing comes back
    assert decided(full, "decided/etl/" + _key(full)).slot == NOON + 40 * MINUTE


def _key(store: Store) -> str:
    ((name, _),) = store.refs("decided/etl/")
    return name


@pytest.mark.slow
def test_the_newest_skips_stay(full, monkeypatch):
    monkeypatch.setattr(keep, "SKIPS_KEPT", 2)
    pauses.resume(full, "etl", stamp=stamp(0.85), now=NOON + 51 * MINUTE)
    line = lines.lines_of(full, "etl")[0]
    for number in range(6, 10):
        slot = NOON + number * 10 * MINUTE
        skip = Skip(count=1, first=slot, last=slot, reason="a test")
        fires.leave_out(full, "etl", line.schedule, [skip])
    gc(full, now=NOON, keep=Keep(), stamp=stamp(), force=True)
    found = [skip.last for skip in lines.skipped(full, "etl")]
    assert found == [NOON + 90 * MINUTE, NOON + 80 * MINUTE]
    assert findings(full) == []


def other(folder: Path) -> Store:
    location.create(folder / ".ork")
    return opened(folder)


def opened(folder: Path) -> Store:
    place = folder / ".ork"
    return Store(location.open_backend(place, environ={}), folder=place)


@pytest.mark.slow
def test_a_bundle_carries_fires_and_hooks(full, tmp_path):
    create(full, Wish(all=True, runs=None), tmp_path / "all.bundle", now=NOON)
    (tmp_path / "other").mkdir()
    store = other(tmp_path / "other")
    with open_bundle(str(tmp_path / "all.bundle")) as bundle:
        receive(bundle, store, stamp=stamp(1))
    with open_bundle(str(tmp_path / "all.bundle")) as bundle:
        receive(bundle, store, stamp=stamp(1))  # once more changes nothing
    check_carried(full, store)
    store.close()


@pytest.mark.slow
def test_a_clone_carries_fires_and_hooks_and_fires_nothing_old(full, tmp_path):
    source = str(full.project)
    clone(
        source, str(tmp_path / "other"), scheme="lmdb", start=tmp_path, environ={}, stamp=stamp(1)
    )
    store = opened(tmp_path / "other")
    check_carried(full, store)
    store.close()


def check_carried(full: Store, store: Store) -> None:
    assert dict(store.refs("fires/")) == dict(full.refs("fires/"))
    assert dict(store.refs("hooks/")) == dict(full.refs("hooks/")) != {}
    assert spaces(store) & {"paused", "queue", "decided", "skips"} == set()
    (run,) = lines.newest_runs(store, [("etl", lines.lines_of(store, "etl")[0].schedule, None)])
    assert run is not None and hooks_of(store, run)[0].output == "sent\n"
    # It has had its schedule since it was made, an hour after noon.
    now = NOON + timedelta(hours=1, minutes=5)
    assert due(store, now).decision.fire is None
    assert due(store, now + 5 * MINUTE).decision.fire == NOON + 70 * MINUTE
    assert findings(store) == []


@pytest.mark.slow
def test_a_backup_has_it_all(full, tmp_path):
    backup(full, tmp_path / "copy", environ={})
    store = opened(tmp_path / "copy")
    assert dict(store.backend.refs()) == dict(full.backend.refs())
    store.close()


@pytest.mark.lmdb
@pytest.mark.slow
def test_a_repair_keeps_it_all(full):
    before = {ref: oid for ref, oid in full.backend.refs() if ref.partition("/")[0] in ALL}
    full.close()
    path = full.folder / "db" / "data.mdb"
    data = bytearray(path.read_bytes())
    at = data.index(b"rpaused/etl")
    data[at + 1] ^= 1
    path.write_bytes(data)
    steps = [*repair(full.folder, environ={}, now=NOON).steps]
    assert steps
    store = opened(full.project)
    after = {ref: oid for ref, oid in store.backend.refs() if ref.partition("/")[0] in ALL}
    assert after == before
    assert findings(store) == []
    store.close()


@pytest.mark.slow
def test_a_finding_names_what_is_wrong(full):
    plant(full, Blob(b"[]"), decided__etl__0000=_oid(b"[]"))
    found = fsck(full.folder, environ={}, depth="full").findings
    (one,) = [one for one in found if isinstance(one, Finding) and one.level == "error"]
    assert one.message == "it leads to no object with slot"


@pytest.mark.parametrize(
    ("ref", "says"),
    [
        ("hooks/etl/{id}/1-on_success", b"{}"),
        ("hooks/etl/{id}/2-on_failure", None),
        ("hooks/etl/20200101T000000.000-000000/1-on_success", None),
        ("fires/etl/20200101T000000Z", None),
    ],
)
def test_a_bundle_in_which_they_make_no_sense_is_refused(full, tmp_path, ref, says):
    runs = dict(full.refs("runs/etl/"))
    ref = ref.format(id=min(runs))
    hook = dict(full.refs("hooks/"))[f"etl/{min(runs)}/1-on_success"]
    pin = full.ref("numbers/etl/0000000001")
    target = pin if ref.startswith("fires") else hook if says is None else _oid(says)
    plant(full, *([Blob(says)] if says else []), **{ref.replace("/", "__"): target})
    refs = {**dict(full.backend.refs()), ref: target}
    there = {
        name: oid
        for name, oid in refs.items()
        if name.partition("/")[0] in ("workflows", "runs", "numbers", "ran", "fires", "hooks")
    }
    objects = select.needed(full, there)
    file = tmp_path / "bad.bundle"
    file.write_bytes(b"".join(pieces(Source(there, objects, ()))))
    (tmp_path / "other").mkdir()
    store = other(tmp_path / "other")
    with open_bundle(str(file)) as bundle, pytest.raises(InvalidInput):
        receive(bundle, store, stamp=stamp(1))
    assert dict(store.backend.refs()) == {}
    store.close()
