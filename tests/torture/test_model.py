"""Everything the library does to a store, in any order, beside a model of dictionaries.

Two stores are kept: one is worked with, the other one takes bundles of it. After each step both
must hold what the model says, and at the end a full check finds nothing. On each backend.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from datetime import timedelta
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
from ork.errors import Conflict, InvalidInput, NotFound, UsageError
from ork.heads.deploy import deploy
from ork.heads.rollback import rollback
from ork.heads.tags import tag, untag
from ork.heads.undo import undo
from ork.objects.canonical import Oid
from ork.objects.kinds import Deploy
from ork.store import location
from ork.store.contents import join_text
from ork.store.operations import operations
from ork.store.resolve import history, workflows
from ork.store.runs import runs
from ork.store.store import RECORDED, Stamp, Store
from ork.sync.bundle import open_bundle
from ork.sync.receive import receive
from ork.sync.select import Wish, create
from ork.upkeep.findings import Finding
from ork.upkeep.forget import forget
from ork.upkeep.fsck import inspect
from ork.upkeep.keep import Keep
from ork.upkeep.prune import gc
from tests.runs import outcome, write_run
from tests.scale import size
from tests.stores import ADA, NOON
from tests.torture.conftest import Score

NAMES = ("etl", "other")
LABELS = ("v1", "prod")
WORDS = ("one", "two", "three", "secret")  # of which the last is to be forgotten
TEXT = "name: {name}\ntasks:\n  a: {{executor: process, command: echo {word}}}\n"
MARK = "[forgotten]"
ROW = "steps beside a model, on each backend"
name_of_a_workflow = st.sampled_from(NAMES)
any_of = st.integers(0, 10**6)  # modulo how many there are


@dataclass(frozen=True)
class Version:
    """A deploy as it should be."""

    workflow: str
    word: str
    text: str
    parent: Oid | None
    restores: Oid | None = None


@dataclass(frozen=True)
class Ran:
    """A run as it should be."""

    id: str
    number: int
    deploy: Oid
    state: str


class Machine(RuleBasedStateMachine):
    """A store, one that takes bundles of it, and what both should be."""

    steps = 0
    on_disk = True

    def __init__(self) -> None:
        super().__init__()
        self.before = os.getcwd()
        self.folder = Path(tempfile.mkdtemp())
        os.chdir(self.folder)  # where a store in memory has its project
        self.memory = Memory()
        if self.on_disk:
            location.create(self.folder / ".ork")
        self.store = self.opened()
        self.other = Store(Memory())
        self.seconds = 0
        self.versions: dict[Oid, Version] = {}
        self.refs: dict[str, Oid] = {}
        self.moves: list[dict[str, tuple[Oid | None, Oid | None]]] = []
        self.runs: dict[str, list[Ran]] = {name: [] for name in NAMES}
        self.gone: set[Oid] = set()  # that gc has removed
        self.secrets = 0
        self.forgotten: set[str] = set()
        self.there: dict[str, Oid] = {}
        self.runs_there: dict[str, list[Ran]] = {name: [] for name in NAMES}

    def opened(self) -> Store:
        if self.on_disk:
            return location.open_store(self.folder / ".ork", environ={})
        return Store(self.memory)

    def teardown(self) -> None:
        for store in (self.store, self.other):
            assert found_in(store) <= {"N501", "N502"}
        self.store.close()
        os.chdir(self.before)
        shutil.rmtree(self.folder)

    # -- the model

    def stamp(self) -> Stamp:
        type(self).steps += 1
        self.seconds += 1
        return Stamp(time=NOON + timedelta(seconds=self.seconds), author=ADA, argv=("ork", "x"))

    @property
    def now(self):
        return NOON + timedelta(seconds=self.seconds + 1)

    def line(self, start: Oid | None) -> list[Oid]:
        """Return a deploy and its ancestors, newest first."""
        found = []
        while start is not None:
            found.append(start)
            start = self.versions[start].parent
        return found

    def of(self, name: str) -> list[Oid]:
        """Return every deploy of a workflow that is still there."""
        known = self.versions.items()
        return [oid for oid, one in known if one.workflow == name and oid not in self.gone]

    def needed(self) -> set[Oid]:
        """Return the deploys that refs lead to."""
        waiting = [
            *self.refs.values(),
            *(run.deploy for found in self.runs.values() for run in found),
        ]
        seen: set[Oid] = set()
        while waiting:
            if (oid := waiting.pop()) not in seen:
                seen.add(oid)
                version = self.versions[oid]
                waiting += [one for one in (version.parent, version.restores) if one]
        return seen

    def moved(self, ref: str, old: Oid | None, new: Oid | None) -> None:
        assert self.refs.get(ref) == old
        self.moves.append({ref: (old, new)})
        self.set(self.refs, ref, new)

    def set(self, refs: dict[str, Oid], ref: str, new: Oid | None) -> None:
        refs.pop(ref, None)
        if new is not None:
            refs[ref] = new

    def is_behind(self, name: str, word: str) -> bool:
        """Say whether an older version has this, and something else than a deploy made the head."""
        ref = f"workflows/{name}"
        moves = [one[ref] for one in self.moves if ref in one]
        if not moves or moves[-1][0] is None or moves[-1][1] is None:
            return False
        before, head = moves[-1]
        is_deploy = self.versions[head].restores is None
        line = self.line(head)
        if self.versions[head].word == word or before not in line:
            return False
        if is_deploy and [new for _, new in moves].index(head) == len(moves) - 1:
            return False
        return any(self.versions[oid].word == word for oid in line[line.index(before) :])

    # -- what users do

    @initialize()
    def begin(self) -> None:
        # So that there is something to lose: hypothesis tries many histories where little happens.
        for number, word in enumerate((0, 3)):
            self.deploy("etl", word, False)
            self.run("etl", number, "success")
        self.run("etl", 1, "failed")

    @rule(name=name_of_a_workflow, word=st.integers(0, len(WORDS) - 1), comment=st.booleans())
    def deploy(self, name: str, word: int, comment: bool) -> None:
        said = f"{WORDS[word]}{self.secrets:04}" if word == len(WORDS) - 1 else WORDS[word]
        text = ("# the same\n" if comment else "") + TEXT.format(name=name, word=said)
        (self.folder / f"{name}.yaml").write_text(text)
        head = self.refs.get(f"workflows/{name}")
        if self.is_behind(name, said):
            with pytest.raises(InvalidInput, match="is as in"):
                deploy(self.store, self.folder / f"{name}.yaml", stamp=self.stamp())
            return
        done = deploy(self.store, self.folder / f"{name}.yaml", stamp=self.stamp())
        assert done.parent == head
        if head and self.versions[head].word == said:
            assert (done.changed, done.deploy) == (False, head)
            return
        assert done.changed
        self.versions[done.deploy] = Version(name, said, text, head)
        self.moved(f"workflows/{name}", head, done.deploy)

    @precondition(lambda self: self.forgotten)
    @rule(name=name_of_a_workflow, which=any_of)
    def deploy_what_was_forgotten(self, name: str, which: int) -> None:
        word = sorted(self.forgotten)[which % len(self.forgotten)]
        (self.folder / f"{name}.yaml").write_text(TEXT.format(name=name, word=word))
        with pytest.raises(NotFound, match="forgotten"):
            deploy(self.store, self.folder / f"{name}.yaml", stamp=self.stamp())

    @rule(name=name_of_a_workflow, which=any_of)
    def roll_back(self, name: str, which: int) -> None:
        head, known = self.refs.get(f"workflows/{name}"), self.of(name)
        if head is None:
            return
        target = known[which % len(known)]
        version = self.versions[target]
        if version.word in self.forgotten:
            with pytest.raises(NotFound, match="forgotten"):
                rollback(self.store, name, target, stamp=self.stamp(), now=self.now)
            return
        done = rollback(self.store, name, target, stamp=self.stamp(), now=self.now)
        original = version.restores or target
        assert (done.parent, done.restores) == (head, original)
        if self.versions[head].word == version.word:
            assert (done.changed, done.deploy) == (False, head)
            return
        assert done.changed
        self.versions[done.deploy] = Version(name, version.word, version.text, head, original)
        self.moved(f"workflows/{name}", head, done.deploy)

    @rule(name=name_of_a_workflow, label=st.sampled_from(LABELS), which=any_of, force=st.booleans())
    def tag(self, name: str, label: str, which: int, force: bool) -> None:
        known, ref = self.of(name), f"tags/{name}/{label}"
        if not known:
            return
        old, new = self.refs.get(ref), known[which % len(known)]
        words = self.store, f"{name}@{label}", new
        if old not in (None, new) and not force:
            with pytest.raises(InvalidInput, match="is there already"):
                tag(*words, stamp=self.stamp(), now=self.now)
            return
        assert tag(*words, stamp=self.stamp(), now=self.now, force=force).old == old
        if old != new:
            self.moved(ref, old, new)

    @rule(name=name_of_a_workflow, label=st.sampled_from(LABELS))
    def untag(self, name: str, label: str) -> None:
        ref = f"tags/{name}/{label}"
        old = self.refs.get(ref)
        if old is None:
            with pytest.raises(NotFound):
                untag(self.store, f"{name}@{label}", stamp=self.stamp())
            return
        assert untag(self.store, f"{name}@{label}", stamp=self.stamp()).old == old
        self.moved(ref, old, None)

    @rule(back=st.just(0) | st.integers(0, 20))
    def undo(self, back: int) -> None:
        back %= len(self.moves)
        moves = self.moves[-1 - back]
        error: type[Exception] | None = None
        if not moves:
            error = UsageError
        elif any(old in self.gone for old, _ in moves.values()):
            error = NotFound
        elif any(self.refs.get(ref) != new for ref, (_, new) in moves.items()):
            error = Conflict
        if error:
            with pytest.raises(error):
                undo(self.store, f"@{{{back}}}", stamp=self.stamp(), now=self.now)
            return
        undo(self.store, f"@{{{back}}}", stamp=self.stamp(), now=self.now)
        ((ref, (old, new)),) = moves.items()
        self.moved(ref, new, old)

    @rule(name=name_of_a_workflow, which=any_of, state=st.sampled_from(["success", "failed"]))
    def run(self, name: str, which: int, state: str) -> None:
        if not (known := self.of(name)):
            return
        oid = known[which % len(known)]
        tasks = self.store.snapshot(self.store.get(Deploy, oid).snapshot).tasks
        created = self.stamp().time
        states = {task: outcome(one, state) for task, one in tasks.items()}
        run = write_run(self.store, oid, states, state=state, created=created)
        before = [one.number for one in self.runs[name][-1:]]
        assert run.number == sum(before) + 1  # the newest run always stays
        self.runs[name].append(Ran(run.id, run.number, oid, state))

    @rule(prune=st.booleans(), days=st.sampled_from([0, 0, 1]), runs=st.sampled_from([None, 0, 2]))
    def gc(self, prune: bool, days: int, runs: int | None) -> None:
        stamp = self.stamp()
        done = gc(
            self.store,
            now=self.now,
            keep=Keep(runs=runs, undo_days=days),
            stamp=stamp if prune else None,
            force=True,
        )
        assert done.done == prune
        if prune and not done.nothing:
            self.moves.append({})
        if prune and days == 0 and runs is not None:
            self.runs = {name: self.kept(found, runs) for name, found in self.runs.items()}
        if prune and days == 0:
            self.gone = self.versions.keys() - self.needed()
            assert found_in(self.store) <= {"N501"}

    def kept(self, found: list[Ran], count: int) -> list[Ran]:
        """Return the runs that stay when so many are kept."""
        good: set[str] = set()  # of the two versions that had a good run last, the newest
        stay = []
        for index, run in enumerate(reversed(found)):
            word = self.versions[run.deploy].word
            if run.state == "success" and word not in good and len(good) < 2:
                good.add(word)
                stay.append(run)
            elif index < max(1, count):
                stay.append(run)
        return stay[::-1]

    @rule()
    def reopen(self) -> None:
        if self.on_disk:
            self.store.close()
        self.store = self.opened()

    @precondition(lambda self: self.on_disk)
    @rule()
    def forget(self) -> None:
        word = f"{WORDS[-1]}{self.secrets:04}"
        self.secrets += 1
        stamp = self.stamp()
        self.store.close()
        done = forget(self.folder / ".ork", environ={}, stamp=stamp, text=word, yes=True)
        self.store = self.opened()
        assert not done.stays
        self.moves.append({})
        if any(one.where == "object" for one in done.found):
            self.forgotten.add(word)
        for path in (self.folder / ".ork").rglob("*"):
            assert not path.is_file() or word.encode() not in path.read_bytes()

    @rule(name=name_of_a_workflow, tags=st.booleans(), with_runs=st.booleans(), force=st.booleans())
    def send(self, name: str, tags: bool, with_runs: bool, force: bool) -> None:
        head = self.refs.get(f"workflows/{name}")
        if head is None:
            return
        wish = Wish(revisions=(name,), tags=tags, runs=None if with_runs else 0)
        file = self.folder / "bundle"
        create(self.store, wish, file, now=self.now)
        line = self.line(head)
        sent = {f"workflows/{name}": head}
        if tags:
            sent |= {
                ref: oid
                for ref, oid in self.refs.items()
                if ref.startswith(f"tags/{name}/") and oid in line
            }
        moves = {}
        refused = False
        for ref, new in sent.items():
            old = self.there.get(ref)
            if old == new or (ref.startswith("workflows/") and new in self.line(old)):
                continue
            is_head = ref.startswith("workflows/")
            refused |= not (old is None or (is_head and old in self.line(new)))
            moves[ref] = new
        with open_bundle(str(file)) as bundle:
            if refused and not force:
                with pytest.raises(InvalidInput, match="something else"):
                    receive(bundle, self.other, stamp=self.stamp(), force=force)
                return
            receive(bundle, self.other, stamp=self.stamp(), force=force)
        self.there |= moves
        if with_runs:
            known = {run.id: run for run in (*self.runs_there[name], *self.runs[name])}
            self.runs_there[name] = [known[run_id] for run_id in sorted(known)]
        self.other = Store(self.other.backend)  # which tombstones it has is read once

    # -- what must hold after each of these

    @invariant()
    def the_store_is_where_the_model_is(self) -> None:
        assert heads_and_tags(self.store) == self.refs
        heads = [ref.partition("/")[2] for ref in sorted(self.refs) if ref.startswith("work")]
        assert workflows(self.store) == heads
        for name in NAMES:
            line = self.line(self.refs.get(f"workflows/{name}"))
            assert [oid for oid, _ in history(self.store, name)] == line
        for oid in self.versions.keys() - self.gone:
            assert self.text(self.store, oid) == self.as_forgotten(oid)
        for oid in self.gone:
            assert not self.store.has(oid)
        found = [
            {ref: (old, new) for ref, old, new in one.moves if ref.startswith(RECORDED)}
            for _, one in operations(self.store)
        ]
        assert found == self.moves[::-1]

    @invariant()
    def runs_are_those_of_the_model(self) -> None:
        for store, known in ((self.store, self.runs), (self.other, self.runs_there)):
            for name in NAMES:
                found = [
                    Ran(
                        entry.run.id, entry.run.number, entry.run.deploy or Oid(""), entry.run.state
                    )
                    for entry in (runs(store, name) if known[name] else ())
                ]
                assert found[::-1] == known[name]

    @invariant()
    def the_other_store_has_what_was_sent(self) -> None:
        assert heads_and_tags(self.other) == self.there
        for name in NAMES:
            line = self.line(self.there.get(f"workflows/{name}"))
            assert [oid for oid, _ in history(self.other, name)] == line
            for oid in line:
                # What was sent before it was forgotten is as it was sent.
                texts = (self.versions[oid].text, self.as_forgotten(oid))
                assert self.text(self.other, oid) in texts

    def text(self, store: Store, oid: Oid) -> str:
        return join_text(store, store.get(Deploy, oid).source).decode()

    def as_forgotten(self, oid: Oid) -> str:
        version = self.versions[oid]
        if version.word in self.forgotten:
            return version.text.replace(version.word, MARK)
        return version.text


class InMemory(Machine):
    """The same with a store that forgets everything when the process ends."""

    on_disk = False


def heads_and_tags(store: Store) -> dict[str, Oid]:
    return {name: oid for name, oid in store.backend.refs() if name.startswith(RECORDED)}


def found_in(store: Store) -> set[str]:
    """Return the codes of all that a full check finds."""
    return {one.code for one in inspect(store, depth="full") if isinstance(one, Finding)}


@pytest.mark.parametrize("machine", [Machine, InMemory])
def test_whatever_is_done_the_store_is_where_the_model_is(
    machine: type[Machine], score: Score
) -> None:
    machine.steps = 0
    run_state_machine_as_test(
        machine,
        settings=settings(
            deadline=None,
            max_examples=size(200, by_day=25),
            stateful_step_count=size(100, by_day=40),
            suppress_health_check=list(HealthCheck),
        ),
    )
    score(ROW, machine.steps, machine.steps)
    assert machine.steps > 100
