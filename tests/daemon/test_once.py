"""Exactly once: processes that race with clocks of their own, and ones that are killed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from ork import failpoints
from ork.daemon import fires, lines
from ork.errors import Conflict
from ork.heads.deploy import deploy
from ork.objects.kinds import Run
from ork.runner import record
from ork.servers.postgresql import Postgresql
from ork.store import location
from ork.store.store import Store
from tests.daemon.flow import FLOW, MINUTE, due, fire
from tests.daemon.flow import caller as caller_at
from tests.forked import Forked
from tests.scale import size
from tests.stores import NOON, stamp

CLOCKS = (-1.5, -0.5, 0.0, 0.7, 2.0)  # seconds that each process is ahead
SLOTS = size(20, by_day=5)
Open = Callable[[], Store]


def prepared(folder: Path, scheme: str, url: str | None = None) -> Open:
    """Make a store with the workflow in it; return what opens it."""
    place = folder / ".ork"
    if url is None:
        location.create(place, scheme)
    else:
        Postgresql.create(url)

    def opening() -> Store:
        if url is not None:
            return location.open_url(url, environ={"HOME": str(folder)})
        return Store(location.open_backend(place, environ={}), folder=place)

    # Runs end by the real clock, which is long after all of this.
    schedule = '{cron: "* * * * *", overlap: allow}'
    (folder / "etl.yaml").write_text(FLOW.format(schedule=schedule, command="true"))
    store = opening()
    deploy(store, folder / "etl.yaml", stamp=stamp())
    store.close()
    return opening


def racer(open_store: Open, ahead: float) -> Callable[[], None]:
    """Return what looks when it is told to, and then, told again, fires what its clock says is due.

    So several have looked before one fires.
    """

    def work() -> None:
        store = open_store()
        for line in sys.stdin:
            now = NOON + timedelta(seconds=float(line) + ahead)
            told = "nothing"
            due = list(fires.due(store, lines.Lines(store).look(), now))
            print("looked", flush=True)
            sys.stdin.readline()
            for one in due:
                if one.decision.fire is not None:
                    events = fires.fire(
                        store, "etl", one.line.schedule, one.decision, caller_at(now)
                    ).events
                    try:
                        list(events)
                        told = "fired"
                    except Conflict:
                        told = "lost"
            print(told, flush=True)
        store.close()

    return work


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["lmdb", "sqlite", "postgresql"])
def test_several_processes_fire_each_slot_once(tmp_path, scheme, request, monkeypatch):
    url = request.getfixturevalue("postgres").url() if scheme == "postgresql" else None
    monkeypatch.chdir(tmp_path)
    open_store = prepared(tmp_path, scheme, url)
    racers = [Forked(racer(open_store, ahead)) for ahead in CLOCKS]
    told = []
    for number in range(1, SLOTS + 1):
        for said in (str(60 * number), "fire"):
            for one in racers:
                one.tell(said)
            told += [one.hear() for one in racers]
    for one in racers:
        one.rest()
    store = open_store()
    slots = [store.get(Run, oid).scheduled for _, oid in store.refs("runs/etl/")]
    pins = [store.ref(f"numbers/etl/{number:010}") for number in range(1, SLOTS + 1)]
    assert slots == [NOON + number * MINUTE for number in range(1, SLOTS + 1)]
    assert [oid for _, oid in store.refs("fires/etl/")] == pins
    assert list(lines.skipped(store, "etl")) == []
    store.close()
    assert told.count("fired") == SLOTS
    assert "lost" in told


IN_FIRE = [
    "begin.unlocked",
    "begin.locked",
    "fire.checked",
    "begin.pinned",
    "place.ready",
    "task.submitted",
    "save.after",
    "end.before",
    "end.written",
    "traces.after",
]


@pytest.mark.parametrize("point", IN_FIRE)
def test_one_that_is_killed_has_fired_or_has_not(tmp_path, point):
    open_store = prepared(tmp_path, "lmdb")
    now = NOON + MINUTE + timedelta(seconds=3)

    def killed() -> None:
        failpoints._armed, failpoints._left = point, 1
        fire(open_store(), now)

    child = Forked(killed)
    child.rest()
    store = open_store()
    record.settle(store, now=now)
    again = due(store, now + timedelta(seconds=1))
    if again.decision.fire is not None:
        fire(store, now, again)
    (run,) = [store.get(Run, oid) for _, oid in store.refs("runs/etl/")]
    pinned = IN_FIRE.index(point) >= IN_FIRE.index("begin.pinned")
    ended = IN_FIRE.index(point) >= IN_FIRE.index("end.written")
    assert run.scheduled == NOON + MINUTE
    assert (again.decision.fire is None) == pinned
    assert run.state == ("success" if ended or not pinned else "interrupted")
    assert [name for name, _ in store.refs("fires/etl/")] == ["20261101T120100Z"]
    assert due(store, now + timedelta(seconds=2)).decision.fire is None
    store.close()
