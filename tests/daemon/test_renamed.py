"""The schedule of a workflow that takes another name, be it from another store."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest

from ork.daemon import fires, lines, pauses, queue
from ork.errors import Conflict, OrkError
from ork.heads.deploy import deploy
from ork.heads.rename import along, rename
from ork.heads.undo import undo
from ork.objects.value import replace
from ork.store import location
from ork.store.operations import operations
from ork.store.resolve import workflows
from ork.store.store import Store
from ork.sync.carrier import Side
from ork.sync.select import Wish, create
from ork.sync.transfer import Choice, Transferred, transfer
from ork.upkeep.fsck import inspect
from tests.daemon.flow import FLOW, MINUTE, caller, due, fire
from tests.runs import begin_run, end_run, outcome
from tests.stores import NOON, stamp
from tests.sync.test_bundle import take

WAYS = pytest.mark.parametrize("way", ["push", "pull", "bundle"])


@pytest.fixture
def flow(project, keep):
    """A workflow that is due every ten minutes, and was fired once."""
    keep(FLOW.format(schedule='{cron: "*/10 * * * *", overlap: allow}', command="true"))
    fire(project, NOON + 11 * MINUTE)
    return project


def renamed(store):
    rename(store, "etl", "load", stamp=stamp(0.5))


def test_what_was_due_stays_due_by_its_new_name(flow):
    every = lines.Lines(flow)
    every.look()
    renamed(flow)
    assert [line.workflow for line in every.look()] == ["load"]
    now = NOON + 41 * MINUTE
    one = due(flow, now)
    assert (one.line.workflow, one.decision.fire) == ("load", NOON + 40 * MINUTE)
    (skip,) = one.decision.skips
    assert (skip.count, skip.first) == (2, NOON + 20 * MINUTE), "12:10 was fired by the old name"
    *_, ended = fires.fire(flow, "load", one.line.schedule, one.decision, caller(now)).events
    assert (ended.run.workflow, ended.run.number) == ("load", 2)
    assert not [one for one in inspect(flow, depth="full") if getattr(one, "level", "") == "error"]


def test_a_pause_goes_with_it(flow):
    pauses.pause(flow, "etl", stamp=stamp(0.3))
    renamed(flow)
    assert due(flow, NOON + 41 * MINUTE).decision is None
    assert pauses.paused(flow, "load").since == stamp(0.3).time
    done = pauses.resume(flow, "load", stamp=stamp(0.8), now=NOON + 48 * MINUTE)
    assert (done.workflow, done.left_out) == ("load", 3)


def test_lists_have_what_was_left_out_by_the_name_before(flow):
    decision = due(flow, NOON + 41 * MINUTE).decision
    fires.leave_out(flow, "etl", due(flow, NOON).line.schedule, decision.skips)
    renamed(flow)
    some, now = lines.lines_of(flow, "load"), NOON + 41 * MINUTE
    (late,) = fires.late(flow, some, now, grace=60 * MINUTE, since=NOON)
    assert (late.workflow, late.left_out, late.count) == ("etl", True, 2)
    assert [one.left_out for one in fires.listed(flow, some, now)] == [
        tuple(lines.skipped(flow, "load"))
    ]
    assert [skip.count for skip in lines.skipped(flow, "etl", "load")] == [2]


def test_a_fire_that_was_decided_before_is_lost(flow):
    now = NOON + 21 * MINUTE
    mine = due(flow, now)
    renamed(flow)
    with pytest.raises(OrkError, match="etl was renamed to load"):
        fire(flow, now, mine)
    assert len(list(flow.refs("runs/"))) == 1


def test_a_slot_is_fired_once_whatever_the_name_was(flow):
    now, ten = NOON + 21 * MINUTE, NOON + 10 * MINUTE
    assert fires.fire_now(flow, "etl", caller(now), slot=NOON + 20 * MINUTE).entry.fire
    (one,) = queue.waiting(flow)
    list(queue.take(flow, one.id, caller(now)).events)
    renamed(flow)
    with pytest.raises(OrkError, match="etl#1 was started for that slot"):
        fires.fire_now(flow, "load", caller(now), slot=ten)
    made = fires.backfill(flow, "load", caller(now), since=ten, until=now)
    assert (made.queued, made.known) == ((), 2)
    one = due(flow, now)
    with pytest.raises(Conflict):
        list(fires.fire(flow, "load", one.line.schedule, one.decision, caller(now)).events)
    assert due(flow, now).decision.decided is None, "somebody made up for it"
    assert len(list(flow.refs("runs/"))) == 2


def test_what_another_that_took_the_name_has_fired_is_of_that_one(flow, keep):
    renamed(flow)
    text = FLOW.format(schedule='{cron: "*/10 * * * *", overlap: allow}', command="true")
    keep(text, hours=0.6, new=True)
    now, slot = NOON + 41 * MINUTE, NOON + 40 * MINUTE
    (its,) = lines.lines_of(flow, "etl")
    (one,) = fires.due(flow, [its], now)
    list(fires.fire(flow, "etl", its.schedule, one.decision, caller(now)).events)
    assert fires.fire_now(flow, "load", caller(now), slot=slot).entry.fire
    with pytest.raises(OrkError, match="etl#1 was started for that slot"):
        fires.fire_now(flow, "load", caller(now), slot=NOON + 10 * MINUTE)


def test_another_that_takes_the_name_is_not_held_back_by_what_failed_before(project, keep):
    text = FLOW.format(schedule='{cron: "*/10 * * * *", after_failure: hold}', command="exit 1")
    keep(text)
    fire(project, NOON + 11 * MINUTE)
    renamed(project)
    now = NOON + 41 * MINUTE
    assert due(project, now).state.going.holds, "by its new name it is"
    keep(text, hours=0.6, new=True)
    some = [line for line in lines.Lines(project).look() if line.workflow == "etl"]
    (its,) = fires.due(project, some, now)
    assert its.state.going is None and its.decision.fire == NOON + 40 * MINUTE


@pytest.fixture
def clones(tmp_path: Path) -> Iterator[list[Store]]:
    """Two other stores, which have nothing yet."""
    made = []
    for name in ("laptop", "third"):
        (tmp_path / name).mkdir()
        location.create(folder := tmp_path / name / ".ork")
        made.append(Store(location.open_backend(folder, environ={}), folder=folder))
    yield made
    for one in made:
        one.close()


@pytest.fixture
def laptop(clones) -> Store:
    return clones[0]


def move(
    source: Store, target: Store, way: str = "push", *, hours: float = 0.1, runs: int | None = None
) -> Transferred:
    sides = Side(source, "here"), Side(target, "there")
    return transfer(*sides, Choice(runs=runs), direction=way, stamp=stamp(hours))


def arrive(way: str, source: Store, target: Store, folder: Path) -> object:
    """Bring all of one store to another."""
    if way != "bundle":
        return move(source, target, way, hours=0.6)
    (file := folder / "a.bundle").unlink(missing_ok=True)
    create(source, Wish(all=True, runs=None), file, now=NOON)
    return take(target, str(file))


@WAYS
@pytest.mark.parametrize("names", [("load",), ("take", "load"), ("load", "take", "etl", "load")])
def test_no_slot_is_fired_again_where_it_arrives(flow, laptop, tmp_path, way, names):
    move(flow, laptop)
    for number, (old, new) in enumerate(zip(("etl", *names), names, strict=False)):
        rename(laptop, old, new, stamp=stamp(0.5 + number / 60))
    arrive(way, laptop, flow, tmp_path)
    assert workflows(flow) == ["load"]
    assert due(flow, NOON + 11 * MINUTE).decision.fire is None, "12:10 was fired by the old name"
    decision = due(flow, NOON + 41 * MINUTE).decision
    (skip,) = decision.skips
    assert decision.fire == NOON + 40 * MINUTE
    assert (skip.count, skip.first) == (2, NOON + 20 * MINUTE)
    undo(flow, stamp=stamp(9.5), now=NOON)
    assert workflows(flow) == ["etl"]
    assert due(flow, NOON + 11 * MINUTE).decision.fire is None, "nor after it was taken back"


@WAYS
def test_what_holds_it_back_does_so_where_it_arrives(project, keep, laptop, tmp_path, way):
    keep(FLOW.format(schedule='{cron: "*/10 * * * *", after_failure: hold}', command="exit 1"))
    fire(project, NOON + 11 * MINUTE)
    move(project, laptop, runs=0)
    rename(laptop, "etl", "take", stamp=stamp(0.4))
    rename(laptop, "take", "load", stamp=stamp(0.5))
    arrive(way, laptop, project, tmp_path)
    its = due(project, NOON + 41 * MINUTE).state
    assert (its.going.name, its.going.holds) == ("etl#1", True)


@WAYS
@pytest.mark.parametrize("waits", [False, True])
def test_it_keeps_its_name_where_a_run_goes_on_or_waits(flow, laptop, tmp_path, way, waits):
    move(flow, laptop)
    rename(laptop, "etl", "load", stamp=stamp(0.5))
    if waits:
        entry = queue.put(flow, "etl", caller=caller(NOON + 12 * MINUTE))
        says = "a run of etl waits for `ork up`"
    else:
        going, says = begin_run(flow, flow.ref("workflows/etl")), "etl#2 goes on"
    before = dict(flow.backend.refs())
    if way == "bundle":
        with pytest.raises(Conflict, match=says):
            arrive(way, laptop, flow, tmp_path)
    else:
        (one,) = arrive(way, laptop, flow, tmp_path).refused
        assert (one.workflow, one.at_work, one.heads) == ("load", says, ())
    assert dict(flow.backend.refs()) == before
    if waits:
        queue.remove(flow, entry)
    else:
        task = flow.snapshot(going.run.snapshot).tasks["load"]
        end_run(going, {"load": outcome(task)}, "success")
    arrive(way, laptop, flow, tmp_path)
    assert workflows(flow) == ["load"]


def test_it_is_not_taken_back_while_a_run_waits(flow):
    renamed(flow)
    queue.put(flow, "load", caller=caller(NOON + 31 * MINUTE))
    with pytest.raises(Conflict, match="a run of load waits"):
        undo(flow, stamp=stamp(1), now=NOON)


def test_of_two_that_become_one_the_one_that_is_further_counts(flow, laptop):
    move(flow, laptop)
    head = flow.ref("workflows/etl")
    rename(laptop, "etl", "load", stamp=stamp(0.5))
    move(laptop, flow, hours=0.6)
    with flow.transaction(stamp(0.5)) as tx:
        tx.move("workflows/etl", old=None, new=head)  # as a push with --force leaves it
    (line,) = lines.lines_of(flow, "etl")
    decision = replace(due_of(flow, "etl", NOON + 51 * MINUTE), skips=())
    *_, ended = fires.fire(flow, "etl", line.schedule, decision, caller(NOON)).events
    assert ended.run.scheduled == NOON + 50 * MINUTE
    move(laptop, flow, hours=1)
    assert due(flow, NOON + 51 * MINUTE).decision.fire is None


def due_of(store: Store, workflow: str, now: datetime) -> fires.Decision:
    (one,) = fires.due(store, lines.lines_of(store, workflow), now)
    return one.decision


def test_a_fire_beside_it_is_not_lost(flow):
    """Also the first one of all, by which there is something decided for the first time."""
    for minutes in (21, 31):
        moves = along(flow, ["etl"], "load")
        fire(flow, NOON + minutes * MINUTE)
        with pytest.raises(Conflict, match="decided/"), flow.transaction() as tx:
            for ref, (old, new) in moves.items():
                tx.move(ref, old=old, new=new)
        with flow.transaction() as tx:
            for ref, oid in flow.backend.refs("decided/"):
                tx.move(ref, old=oid, new=None)


@WAYS
def test_another_that_comes_by_its_name_is_not_held_back(project, keep, laptop, tmp_path, way):
    text = FLOW.format(schedule='{cron: "*/10 * * * *", after_failure: hold}', command="exit 1")
    keep(text)
    fire(project, NOON + 11 * MINUTE)
    renamed(project)
    (file := tmp_path / "laptop/etl.yaml").write_text(text)
    deploy(laptop, file, stamp=stamp(0.6))
    arrive(way, laptop, project, tmp_path)
    (its,) = fires.due(project, lines.lines_of(project, "etl"), NOON + 41 * MINUTE)
    assert its.state.going is None


@pytest.mark.parametrize("new", ["data", "load"])
def test_nor_is_one_that_comes_along_with_the_rename(project, keep, laptop, tmp_path, new):
    text = FLOW.format(schedule='{cron: "*/10 * * * *", after_failure: hold}', command="exit 1")
    keep(text)
    fire(project, NOON + 11 * MINUTE)
    move(project, laptop)
    rename(laptop, "etl", new, stamp=stamp(0.5))
    (file := tmp_path / "laptop/etl.yaml").write_text(text)
    deploy(laptop, file, stamp=stamp(0.6), new=True)
    move(laptop, project, hours=0.7)
    found = fires.due(project, lines.Lines(project).look(), NOON + 51 * MINUTE)
    going = {one.line.workflow: one.state.going and one.state.going.holds for one in found}
    assert going == {"etl": None, new: True}


@dataclass
class Model:
    """Stores that rename, exchange and fire one workflow, each by its own clock of decisions."""

    stores: list[Store]
    folder: Path
    fired: list[set[datetime]] = field(default_factory=lambda: [set(), set(), set()])
    minutes: int = 0

    def step(self, chance: random.Random) -> None:
        self.minutes += chance.choice((1, 4, 11))
        here, there = chance.sample(range(3), 2)
        (kind,) = chance.choices(
            ("mv", "push", "pull", "bundle", "fire", "undo", "leave"), (2, 2, 2, 2, 4, 1, 1)
        )
        if kind == "mv" and chance.random() < 0.8:
            here = 0  # else all have soon gone different ways
        with suppress(OrkError):  # what is refused has done nothing
            getattr(self, kind)(here, there, chance)

    def now(self) -> datetime:
        return NOON + self.minutes * MINUTE

    def mv(self, here: int, _: int, chance: random.Random) -> None:
        for name in workflows(self.stores[here]):
            new = chance.choice(("etl", "load", "take"))
            rename(self.stores[here], name, new, stamp=stamp(self.minutes / 60))

    def push(self, here: int, there: int, _: random.Random) -> None:
        move(self.stores[here], self.stores[there], hours=self.minutes / 60)

    def pull(self, here: int, there: int, _: random.Random) -> None:
        move(self.stores[there], self.stores[here], "pull", hours=self.minutes / 60)

    def bundle(self, here: int, there: int, _: random.Random) -> None:
        source, file = self.stores[here], self.folder / "model.bundle"
        create(source, Wish(all=True, runs=None), file, now=self.now())
        take(self.stores[there], str(file))

    def undo(self, here: int, *_: object) -> None:
        if len(list(operations(self.stores[here]))) > 1:  # else nothing is left of it
            undo(self.stores[here], stamp=stamp(self.minutes / 60), now=self.now())

    def fire(self, here: int, *_: object) -> None:
        store, now = self.stores[here], self.now()
        for line in lines.Lines(store).look():
            decision = due_of(store, line.workflow, now)
            if decision.fire:
                *_, _ended = fires.fire(
                    store, line.workflow, line.schedule, decision, caller(now)
                ).events
                assert decision.fire not in self.fired[here], (line.workflow, decision.fire)
                self.fired[here].add(decision.fire)

    def leave(self, here: int, *_: object) -> None:
        store = self.stores[here]
        for line in lines.Lines(store).look():
            if skips := due_of(store, line.workflow, self.now()).skips:
                fires.leave_out(store, line.workflow, line.schedule, skips)


@pytest.mark.parametrize("seed", range(12))
def test_after_any_order_of_renames_and_exchanges_no_store_fires_a_slot_twice(
    project, keep, clones, tmp_path, seed
):
    chance = random.Random(seed)
    catchup = chance.choice(("all", "latest"))
    keep(FLOW.format(schedule=f'{{cron: "*/5 * * * *", catchup: {catchup}}}', command="true"))
    model = Model([project, *clones], tmp_path)
    for clone in clones:
        move(project, clone)
    for _ in range(40):
        model.step(chance)
    assert any(model.fired)


@WAYS
def test_a_name_by_which_slots_came_fired_is_not_taken_back(flow, laptop, tmp_path, way):
    move(flow, laptop)
    rename(laptop, "etl", "load", stamp=stamp(0.25))
    now = NOON + 21 * MINUTE
    (its,) = lines.lines_of(laptop, "load")
    (one,) = fires.due(laptop, [its], now)
    list(fires.fire(laptop, "load", its.schedule, one.decision, caller(now)).events)
    arrive(way, laptop, flow, tmp_path)
    with pytest.raises(Conflict, match="load#2 was started for 2026-11-01 12:20 UTC") as refused:
        undo(flow, stamp=stamp(9.5), now=NOON)
    assert refused.value.hint.startswith("`ork mv load etl` gives the name back")
    rename(flow, "load", "etl", stamp=stamp(9.6))
    one = due(flow, now)
    with pytest.raises(Conflict):
        list(fires.fire(flow, "etl", one.line.schedule, one.decision, caller(now)).events)
