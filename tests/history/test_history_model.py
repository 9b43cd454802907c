"""A plain model of heads, tags, runs and the log of operations, and the store beside it.

Whatever is deployed, rolled back, tagged, run and undone in any order, with a clock that may stand
still or go back: the store is where the model is, and nothing that ever was there is lost.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ork.backends.memory import Memory
from ork.errors import Conflict, InvalidInput, NotFound
from ork.git.from_git import import_git
from ork.git.to_git import export_git
from ork.heads.deploy import deploy
from ork.heads.rollback import rollback
from ork.heads.tags import tag, tags, untag
from ork.heads.undo import at_operation, undo
from ork.history.log import log
from ork.objects.canonical import Oid
from ork.objects.kinds import Deploy, TaskRun
from ork.objects.value import replace
from ork.runner import record
from ork.store import location
from ork.store.contents import find_run
from ork.store.operations import find_operation, operations
from ork.store.resolve import deploy_of, history, resolve, workflows
from ork.store.runs import runs
from ork.store.store import RECORDED, Stamp, Store
from ork.store.verdict import tally
from tests.runs import PIN
from tests.scale import size
from tests.stores import ADA, NOON, contents, reachable

NOW = NOON + timedelta(days=400)
NAMES = ("etl", "other")
LABELS = ("v1", "prod")
A = "tasks:\n  a: {executor: process, command: echo 1}\n"
# What is in a file -> ways to write it; all of one kind are the same definition and settings.
CONTENTS = {
    "one": ("name: NAME\n" + A, "# the same\n" + A + "name: NAME\n"),
    "two": ("name: NAME\n" + A.replace("1", "2"),),
    "daily": ("name: NAME\nschedule: '@daily'\n" + A,),
    "more": ("name: NAME\n" + A + "  b: {executor: process, command: sh ./run.sh}\n",),
    "renamed": ("name: NAME\n" + A.replace("a:", "z:"),),
}
CLOCK = (1, 0, 60, 0, -30, 86_400, 1, -3600, 0, 7, 300)  # how far it goes from act to act
name_of_a_workflow = st.sampled_from(NAMES)
any_of = st.integers(0, 10**6)  # modulo how many there are


@dataclass
class Entry:
    """A deploy as it should be."""

    workflow: str
    content: str
    parent: Oid | None
    restores: Oid | None = None
    runs: Counter[str] = field(default_factory=Counter)
    last: int | None = None


@dataclass(frozen=True)
class Moved:
    """An operation as it should be, and the refs after it."""

    oid: Oid
    time: datetime
    moves: dict[str, tuple[Oid | None, Oid | None]]
    after: dict[str, Oid]


class Machine(RuleBasedStateMachine):
    """The store and its model."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        location.create(self.folder / ".ork")
        backend = location.open_backend(self.folder / ".ork", environ={})
        self.store = Store(backend, folder=self.folder / ".ork")
        (self.folder / "run.sh").write_text("#!/bin/sh\n")
        self.time, self.count, self.exports = NOON, 0, 0
        self.deploys: dict[Oid, Entry] = {}
        self.refs: dict[str, Oid] = {}
        self.ops: list[Moved] = []
        self.runs: dict[str, list[tuple[Oid, str]]] = {name: [] for name in NAMES}
        self.seen: dict[Oid, bytes | None] = {}

    def teardown(self) -> None:
        for number, moved in enumerate(reversed(self.ops)):
            then = at_operation(self.store, f"@{{{number}}}", now=NOW)
            assert heads_and_tags(then) == moved.after
        # Nothing that any of the moves ever named has gone, nor has what these need.
        named = {oid for moved in self.ops for pair in moved.moves.values() for oid in pair if oid}
        now, refs = contents(self.store)
        assert self.seen.items() <= now.items()
        reachable(self.store, *named, *refs.values())
        assert set(self.deploys) <= now.keys()
        self.store.close()
        shutil.rmtree(self.folder)

    # -- the model

    def stamp(self) -> Stamp:
        self.count += 1
        self.time += timedelta(seconds=CLOCK[self.count % len(CLOCK)])
        return Stamp(time=self.time, author=ADA, argv=("ork", str(self.count)))

    def head(self, name: str) -> Oid | None:
        return self.refs.get(f"workflows/{name}")

    def line(self, start: Oid | None) -> list[Oid]:
        """Return a deploy and its ancestors, newest first."""
        found = []
        while start is not None:
            found.append(start)
            start = self.deploys[start].parent
        return found

    def of(self, name: str) -> list[Oid]:
        """Return every deploy that a workflow ever had."""
        return [oid for oid, entry in self.deploys.items() if entry.workflow == name]

    def live(self, name: str) -> list[tuple[datetime, Oid | None]]:
        """Return where the head of a workflow was moved, newest first."""
        ref = f"workflows/{name}"
        return [(one.time, one.moves[ref][1]) for one in reversed(self.ops) if ref in one.moves]

    def moved(self, **moves: tuple[Oid | None, Oid | None]) -> None:
        """Note an operation, which must be the newest one of the store."""
        for ref, (old, new) in moves.items():
            assert self.refs.get(ref) == old
            self.refs.pop(ref, None)
            if new is not None:
                self.refs[ref] = new
        oid, newest = next(operations(self.store))
        assert newest.moves == tuple((ref, *moves[ref]) for ref in sorted(moves))
        assert (newest.time, newest.argv) == (self.time, ("ork", str(self.count)))
        assert newest.parent == (self.ops[-1].oid if self.ops else None)
        self.ops.append(Moved(oid, self.time, moves, dict(self.refs)))

    def add(self, oid: Oid, **fields) -> None:
        """Note a deploy; it may be one that was undone, made again at the same moment."""
        self.deploys.setdefault(oid, Entry(**fields))
        known = self.deploys[oid]
        assert {name: getattr(known, name) for name in fields} == fields

    # -- what users do

    @initialize()
    def begin(self) -> None:
        # In many histories that hypothesis tries nobody deploys; so that something moves there.
        for name, content in (("etl", "one"), ("etl", "two"), ("other", "one")):
            self.deploy(name, content, 0)
            self.run(name, 0, "success")

    @rule(name=name_of_a_workflow, content=st.sampled_from(sorted(CONTENTS)), way=any_of)
    def deploy(self, name: str, content: str, way: int) -> None:
        ways = CONTENTS[content]
        path = self.folder / f"{name}.yaml"
        path.write_text(ways[way % len(ways)].replace("NAME", name))
        before = self.head(name)
        try:
            done = deploy(self.store, path, stamp=self.stamp())
        except InvalidInput:
            self.refused_as_behind(name, content)
            return
        assert done.parent == before
        if before and self.deploys[before].content == content:
            assert not done.changed and done.deploy == before and done.bytes_written == 0
            return
        assert done.changed
        self.add(done.deploy, workflow=name, content=content, parent=before)
        self.moved(**{f"workflows/{name}": (before, done.deploy)})

    def refused_as_behind(self, name: str, content: str) -> None:
        """Note that a file is as an older version, and that no deploy made the newest one it."""
        ref, head = f"workflows/{name}", self.head(name)
        moves = [one for one in self.ops if ref in one.moves]
        is_first = [one.moves[ref][1] for one in moves].index(head) == len(moves) - 1
        assert self.deploys[head].restores or not is_first
        assert content in {self.deploys[oid].content for oid in self.of(name)}
        assert heads_and_tags(self.store) == self.refs

    @precondition(lambda self: any(self.head(name) for name in NAMES))
    @rule(name=name_of_a_workflow)
    def roll_back(self, name: str) -> None:
        head, target, passed, was_left = self.head(name), None, set(), True
        for oid in self.line(head):
            entry = self.deploys[oid]
            if was_left:  # by a rollback; or it is the head
                passed.add(entry.content)
            was_left = entry.restores is not None
            if entry.content not in passed and entry.runs["success"]:
                target = oid
                break
        if head is None or target is None:
            with pytest.raises(NotFound):
                rollback(self.store, name, stamp=self.stamp(), now=NOW)
            return
        self.rolled_back(name, None, target)

    @rule(name=name_of_a_workflow, which=any_of)
    def roll_back_to(self, name: str, which: int) -> None:
        known, line = self.of(name), self.line(self.head(name))
        if not line:
            return
        if which % 2:
            target = known[which % len(known)]
            self.rolled_back(name, target, target)
        else:
            back = which % len(line)
            self.rolled_back(name, f"~{back}", line[back])

    def rolled_back(self, name: str, revision: str | None, target: Oid) -> None:
        head, content = self.head(name), self.deploys[target].content
        done = rollback(self.store, name, revision, stamp=self.stamp(), now=NOW)
        original = self.deploys[target].restores or target
        assert (done.parent, done.restores) == (head, original)
        if self.deploys[head].content == content:
            assert not done.changed and done.deploy == head
            return
        assert done.changed
        self.add(done.deploy, workflow=name, content=content, parent=head, restores=original)
        self.moved(**{f"workflows/{name}": (head, done.deploy)})

    @rule(name=name_of_a_workflow, label=st.sampled_from(LABELS), which=any_of, force=st.booleans())
    def tag(self, name: str, label: str, which: int, force: bool) -> None:
        known = self.of(name)
        if not known:
            return
        target, ref = known[which % len(known)], f"tags/{name}/{label}"
        old = self.refs.get(ref)
        words = (self.store, f"{name}@{label}", target)
        if old not in (None, target) and not force:
            with pytest.raises(InvalidInput, match="is there already"):
                tag(*words, stamp=self.stamp(), now=NOW)
            return
        done = tag(*words, stamp=self.stamp(), now=NOW, force=force)
        assert (done.old, done.tag.oid) == (old, target)
        if old != target:
            self.moved(**{ref: (old, target)})

    @rule(name=name_of_a_workflow, label=st.sampled_from(LABELS))
    def untag(self, name: str, label: str) -> None:
        ref = f"tags/{name}/{label}"
        old = self.refs.get(ref)
        if old is None:
            with pytest.raises(NotFound):
                untag(self.store, f"{name}@{label}", stamp=self.stamp())
            return
        assert untag(self.store, f"{name}@{label}", stamp=self.stamp()).old == old
        self.moved(**{ref: (old, None)})

    @rule(which=st.just(0) | any_of, twice=st.booleans())
    def undo(self, which: int, twice: bool) -> None:
        if not self.ops:
            with pytest.raises(NotFound):
                undo(self.store, stamp=self.stamp(), now=NOW)
            return
        back = which % len(self.ops)
        one, before = self.ops[-1 - back], dict(self.refs)
        text = None if which == 0 else (f"@{{{back}}}", one.oid)[which % 2]
        if any(self.refs.get(ref) != new for ref, (_, new) in one.moves.items()):
            with pytest.raises(Conflict):
                undo(self.store, text, stamp=self.stamp(), now=NOW)
            assert heads_and_tags(self.store) == before
            return
        for _ in range(1 + twice):
            done = undo(self.store, text, stamp=self.stamp(), now=NOW)
            assert done.oid == one.oid
            self.moved(**{ref: (new, old) for ref, (old, new) in one.moves.items()})
            one, text = self.ops[-1], None
        assert (self.refs == before) == twice

    @rule(
        name=name_of_a_workflow,
        which=any_of,
        state=st.sampled_from(["success", "success", "failed", "cancelled"]),
    )
    def run(self, name: str, which: int, state: str) -> None:
        known = self.of(name)
        if not known:
            return
        oid = known[which % len(known)]
        snapshot = self.store.get(Deploy, oid).snapshot
        pin = replace(PIN, workflow=name, snapshot=snapshot, deploy=oid, created=self.time)
        begun = record.begin(self.store, pin, {}, random=f"{self.count:06x}")
        assert begun.run.number == len(self.runs[name]) + 1
        self.end(begun, state)
        self.runs[name].append((oid, state))
        self.counted(oid, begun.run.number, state)

    @rule(name=name_of_a_workflow, which=any_of, state=st.sampled_from(["success", "failed"]))
    def retry(self, name: str, which: int, state: str) -> None:
        unfinished = [n for n, (_, was) in enumerate(self.runs[name]) if was != "success"]
        if not unfinished:
            return
        index = unfinished[which % len(unfinished)]
        oid, was = self.runs[name][index]
        old, before = find_run(self.store, resolve(self.store, f"{name}#{index + 1}", now=NOW))
        begun = record.resume(self.store, old, before, before, {})
        self.end(begun, state)
        self.runs[name][index] = oid, state
        self.deploys[oid].runs[was] -= 1
        self.counted(oid, index + 1, state)

    def end(self, begun: record.Record, state: str) -> None:
        store, run = self.store, begun.run
        tasks = store.snapshot(run.snapshot).tasks
        states = {name: TaskRun(task=oid, state=state) for name, oid in tasks.items()}
        ended = record.replace(run, state=state, ended=self.time, duration=0)
        begun.end(ended, states, {})

    def counted(self, oid: Oid, number: int, state: str) -> None:
        entry = self.deploys[oid]
        entry.runs[state] += 1
        entry.last = max(number, entry.last or 0)

    @precondition(lambda self: self.exports < 1 and len(self.ops) > 6)
    @rule(name=name_of_a_workflow)
    def export_and_import(self, name: str) -> None:
        line = self.line(self.head(name))
        if not line:
            return
        self.exports += 1
        out, before = self.folder / f"out{self.count}", contents(self.store)
        done = export_git(self.store, out, name)
        assert (done.commits, contents(self.store)) == (len(line), before)
        other = Store(Memory())
        import_git(other, out, f"{name}.yaml", stamp=self.stamp())
        kept = ("snapshot", "settings", "author", "time", "message", "source")
        assert [[getattr(one, word) for word in kept] for _, one in history(other, name)] == [
            [getattr(self.store.get(Deploy, oid), word) for word in kept] for oid in line
        ]

    # -- what must hold after each of these

    @invariant()
    def refs_are_where_they_should_be(self) -> None:
        assert heads_and_tags(self.store) == self.refs
        heads = [ref.partition("/")[2] for ref in sorted(self.refs) if ref.startswith("work")]
        assert workflows(self.store) == heads
        assert [(one.workflow, one.label, one.oid) for one in tags(self.store)] == [
            (*ref.split("/")[1:], oid)
            for ref, oid in sorted(self.refs.items())
            if ref.startswith("tags/")
        ]
        assert [oid for oid, _ in operations(self.store)] == [one.oid for one in self.ops[::-1]]
        now = contents(self.store)[0]
        assert self.seen.items() <= now.items()
        self.seen = now

    @invariant()
    def histories_and_counts_are_those_of_the_model(self) -> None:
        lines = {name: self.line(self.head(name)) for name in NAMES}
        for name, line in lines.items():
            assert [oid for oid, _ in history(self.store, name)] == line
            found = log(self.store, name, now=NOW) if line else ()
            assert [(one.oid, one.head, one.tags) for one in found] == [
                (oid, oid == line[0], self.labels(oid)) for oid in line
            ]
            assert [(one.run.number, one.run.state) for one in self.listed(name)] == [
                (n, state) for n, (_, state) in reversed([*enumerate(self.runs[name], 1)])
            ]
        for oid, entry in self.deploys.items():
            found = tally(self.store, oid)
            assert (found.counts, found.last) == (dict(sorted((+entry.runs).items())), entry.last)
        if any(lines.values()):
            merged = [one.oid for one in log(self.store, now=NOW)]
            for name, line in lines.items():
                assert [oid for oid in merged if self.deploys[oid].workflow == name] == line

    def listed(self, name: str):
        return runs(self.store, name) if self.runs[name] else ()

    def labels(self, oid: Oid) -> tuple[str, ...]:
        return tuple(
            ref.split("/")[2]
            for ref, target in sorted(self.refs.items())
            if target == oid and ref.startswith("tags/")
        )

    @invariant()
    def revisions_mean_what_the_model_says(self) -> None:
        for name in NAMES:
            expected: dict[str, Oid | None] = {}
            line, live = self.line(self.head(name)), self.live(name)
            expected |= {f"{name}~{n}": oid for n, oid in enumerate([*line, None])}
            expected |= {f"{name}@{{{n}}}": oid for n, (_, oid) in enumerate([*live, (0, None)])}
            for moment in {one.time + timedelta(seconds=s) for one in self.ops for s in (-1, 0)}:
                oid = next((oid for time, oid in live if time <= moment), None)
                expected[f"{name}@{{{moment.isoformat()}}}"] = oid
            expected |= {
                f"{name}@{label}": self.refs.get(f"tags/{name}/{label}") for label in LABELS
            }
            expected |= {f"{name}#{n}": oid for n, (oid, _) in enumerate(self.runs[name], 1)}
            for text, oid in expected.items():
                assert self.meaning(self.store, text) == oid, text

    @invariant()
    def the_past_is_as_it_was(self) -> None:
        if not self.ops:
            return
        index = self.count % len(self.ops)
        moved = self.ops[index]
        then = at_operation(self.store, moved.oid, now=NOW)
        assert heads_and_tags(then) == moved.after
        assert workflows(then) == [name for name in NAMES if f"workflows/{name}" in moved.after]
        for name in NAMES:
            line = self.line(moved.after.get(f"workflows/{name}"))
            assert [oid for oid, _ in history(then, name)] == line
            assert self.meaning(then, f"{name}~1") == ([*line, None, None][1])
        newest = next((one for one in reversed(self.ops) if one.time <= moved.time), None)
        text = f"@{{{moved.time.isoformat()}}}"
        assert newest and find_operation(self.store, text, now=NOW)[0] == newest.oid

    @staticmethod
    def meaning(store: Store, text: str) -> Oid | None:
        try:
            return deploy_of(store, resolve(store, text, now=NOW)).oid
        except NotFound:
            return None


def heads_and_tags(store: Store) -> dict[str, Oid]:
    return {name: oid for name, oid in store.backend.refs() if name.startswith(RECORDED)}


@pytest.mark.slow
def test_whatever_users_do_the_store_is_where_the_model_is():
    run_state_machine_as_test(
        Machine,
        settings=settings(
            deadline=None,
            max_examples=size(60, by_day=6),
            stateful_step_count=40,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
