"""Decides which refs a store has, given its objects and what is left of the refs.

Heads and tags are where the operations left them. What is kept of runs follows from the runs, the
tallies as well. Of a data file that is whole only what it leads to counts; of another one, whatever
is the furthest: what was acknowledged last may lie where nothing leads to. Nothing is invented.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

from ork.backends.anchor import Anchor
from ork.errors import Corrupt, some
from ork.objects.canonical import Oid
from ork.objects.kinds import Deploy, Operation, Run, kind_of
from ork.store.location import lacks
from ork.store.resolve import number_ref
from ork.store.runs import refs_of
from ork.store.store import RECORDED, Store, kind_of_target
from ork.store.verdict import Tally, tally_text
from ork.upkeep.refs import count_run

NAMES_MAX = 10
# Refs that go with a run, and which part of each, behind the space, says of which.
_PLACES = {
    "runs": 1,
    "numbers": 1,
    "ran": 2,
    "active": 0,
    "stops": 0,
    "unattached": 1,
    "hooks": 1,
    "tally": 0,
}
_AGAIN = "its refs were made again"
# Of what goes with the end of a run, or is written again, no loss is told.
_UNTOLD = ("active/", "stops/", "begun/", "tally/", "read/")
_OF_RUNS = ("runs/", "numbers/", "ran/", "active/", "stops/", "tally/")


class Rebuilt:
    """A new store that has the objects, and gets its refs."""

    def __init__(self, store: Store, *, file_is_whole: bool) -> None:
        self.store = store
        self._whole = file_is_whole
        self.deploys: list[Oid] = []
        self._seen: dict[str, Oid] = {}  # the first that was found of each
        self._live: set[str] = set()  # those of numbers and pins that the file still leads to
        self._removed: dict[str, datetime] = {}  # since when operations tell them to be gone
        self._parents: dict[Oid, Oid | None] = {}  # of all operations
        self._runs: dict[tuple[str, str], Oid] = {}  # workflow and id -> the furthest record
        self._refs: dict[str, Oid] = {}
        self.changes: dict[str, str] = {}  # ref -> in words what became of it
        self.lost: list[str] = []  # in words what there was, and is no more
        self.endless: list[str] = []  # ids of runs that had ended, of which only the begin is left

    def saw(self, ref: str, oid: Oid, *, live: bool) -> None:
        """Remember that a ref led there; those that the old data file still leads to come first."""
        if live or not self._whole:
            self._seen.setdefault(ref, oid)
        if live and ref.startswith(("numbers/", "active/")):
            self._live.add(ref)

    def has(self, oid: Oid) -> None:
        """Remember an object that the store has now, if refs follow from it."""
        with suppress(Corrupt):
            value = self.store.read(oid, keep=False)
            if isinstance(value, Deploy):
                self.deploys.append(oid)
            elif isinstance(value, Operation):
                self._parents[oid] = value.parent
            elif isinstance(value, Run):
                key = value.workflow, value.id
                before = self._runs.get(key)
                if before is None or _progress(value) > _progress(self.store.get(Run, before)):
                    self._runs[key] = oid

    def decide(self) -> Iterator[str]:
        """Write the refs; yield in words what differs from what was found, summed up by run."""
        self._keep_others()
        self._decide_heads()
        self._decide_runs()
        self._leave_out_alone()
        self._decide_tallies()
        self.store.backend.write({}, {ref: (None, oid) for ref, oid in self._refs.items()})
        for ref in sorted(self._refs.keys() | self._seen.keys()):
            before, after = self._seen.get(ref), self._refs.get(ref)
            if before is None and after is not None:
                self.changes[ref] = f"made the ref {ref!r} again"
            elif before != after and after is not None:
                self.changes[ref] = f"moved the ref {ref!r} to {after}"
            elif after is None and not ref.startswith(_UNTOLD):
                self.changes[ref] = f"left out the ref {ref!r}: what it led to is lost"
        yield from self._summed_up()

    def compare(self, told: Anchor) -> None:
        """Note what is lost that the anchor of the old store tells of."""
        try:
            loss = lacks(self.store, told)
        except Corrupt as error:  # the chain of operations breaks off
            loss = f"the store has lost operations: {error.message}"
        if loss:
            self.lost.append(loss)

    def _summed_up(self) -> Iterator[str]:
        """Yield what became of refs: each that is of no run, and then runs that fared alike."""
        names = {}
        for (workflow, run_id), oid in self._runs.items():
            names[run_id] = f"{workflow}#{self.store.get(Run, oid, keep=False).number}"
        there = {names[ref.split("/")[2]] for ref in self._refs if ref.startswith("runs/")}
        endless = {names[run_id] for run_id in self.endless}
        fates: dict[str, dict[str, None]] = {}
        for ref, words in self.changes.items():
            space, *parts = ref.split("/")
            if space not in _PLACES:
                if ref not in self._refs:
                    self.lost.append(words)
                yield words
                continue
            if space == "tally":
                continue  # it follows from the runs
            where = parts[_PLACES[space]]
            name = f"{parts[0]}#{int(where)}" if space == "numbers" else names.get(where, where)
            fate = "nothing is left of its record"
            if name in there:
                fate = "its end was lost" if name in endless else _AGAIN
            fates.setdefault(fate, {})[name] = None
        for fate, which in fates.items():
            words = f"{some(which, NAMES_MAX)}: {fate}"
            if fate != _AGAIN:
                self.lost.append(words)
            yield words
        if tallies := sum(ref.startswith("tally/") for ref in self.changes):
            yield f"tallies of deploys that were made again: {tallies}"

    def _keep_others(self) -> None:
        for ref, oid in self._seen.items():
            if ref != "ops" and not ref.startswith((*RECORDED, *_OF_RUNS)) and self._is(ref, oid):
                self._refs[ref] = oid

    def _is(self, ref: str, oid: Oid) -> bool:
        """Say whether a ref leads to an object that is there and of the kind that it must have."""
        kind = kind_of_target(ref)
        with suppress(Corrupt):
            value = self.store.read(oid, keep=False)
            return kind is None or kind_of(value) == kind
        return False

    def _decide_heads(self) -> None:
        left: dict[str, Oid | None] = {}
        for oid in self._back(self._newest_operation()):
            self._refs.setdefault("ops", oid)
            operation = self.store.get(Operation, oid, keep=False)
            for ref, old, new in operation.moves:
                left.setdefault(ref, new)
                if old is None and new is None:
                    self._removed.setdefault(ref, operation.time)
        for ref, seen in self._seen.items():
            if ref.startswith(RECORDED):
                left.setdefault(ref, seen)
        self._refs |= {ref: oid for ref, oid in left.items() if oid and self._is(ref, oid)}

    def _newest_operation(self) -> Oid | None:
        """Return `ops` as it was found, or the end of the longest chain of which all is there."""
        seen = self._seen.get("ops")
        if self._whole and seen in self._parents:
            return seen
        ends = self._parents.keys() - set(self._parents.values())
        end = max(sorted(ends), key=lambda oid: sum(1 for _ in self._back(oid)), default=None)
        # What is not complete was being written when its process was killed.
        whole = (oid for oid in self._back(end) if oid == seen or self._is_complete(oid))
        return next(whole, None)

    def _back(self, oid: Oid | None) -> Iterator[Oid]:
        """Yield an operation and those before it, as far as they are there."""
        while oid is not None and oid in self._parents:
            yield oid
            oid = self._parents[oid]

    def _is_complete(self, oid: Oid) -> bool:
        moves = self.store.get(Operation, oid, keep=False).moves
        return all(new is None or self._is(ref, new) for ref, _, new in moves)

    def _decide_runs(self) -> None:
        named = self._named_runs()
        for key, furthest in self._runs.items():
            if key not in named:
                continue  # what is left of a run that was removed
            ref = f"runs/{key[0]}/{key[1]}"
            oid = self._seen.get(ref)
            if oid is None or not self._whole or not self._is(ref, oid):
                oid = furthest
            run = self.store.get(Run, oid, keep=False)
            number = number_ref(run.workflow, run.number)
            if number not in self._live and self._was_removed(run, number):
                continue  # what is left of it lay where nothing leads to
            self._refs[ref] = oid
            pins = refs_of(run)[1:3]
            if run.ended is None:
                pins.append(f"active/{run.id}/.run")
                if pins[-1] not in self._live:
                    self.endless.append(run.id)
                self._keep_tasks(run)
            for pin in pins:
                seen = self._seen.get(pin)
                self._refs[pin] = seen if seen and self._is(pin, seen) else oid

    def _leave_out_alone(self) -> None:
        """Leave out what goes with runs that are not there."""
        for ref, oid in [*self._refs.items()]:
            if ref.startswith("hooks/"):
                place = ref.partition("/")[2].rpartition("/")[0]
                if f"runs/{place}" not in self._refs:
                    del self._refs[ref]
            elif ref.startswith("fires/"):
                run = self.store.get(Run, oid, keep=False)
                if self._refs.get(number_ref(run.workflow, run.number)) != oid:
                    del self._refs[ref]

    def _was_removed(self, run: Run, number: str) -> bool:
        """Say whether gc has removed a run; one that somebody went on with meanwhile stayed."""
        removed = self._removed.get(number)
        return removed is not None and run.ended is not None and run.ended <= removed

    def _named_runs(self) -> set[tuple[str, str]]:
        """Return workflow and id of the runs that some ref told of."""
        found = set()
        for ref, oid in self._seen.items():
            parts = ref.split("/")
            if parts[0] == "runs":
                found.add((parts[1], parts[2]))
            elif parts[0] == "ran":
                found.add((parts[2], parts[3]))
            elif parts[0] == "numbers":
                with suppress(Corrupt):
                    run = self.store.get(Run, oid, keep=False)
                    found.add((run.workflow, run.id))
        return found

    def _keep_tasks(self, run: Run) -> None:
        """Keep what is known of the tasks of a run that goes on, and who asked it to stop."""
        start, stops = f"active/{run.id}/", f"stops/{run.id}"
        for ref, oid in self._seen.items():
            of_task = ref.startswith(start) and not ref.endswith("/.run")
            if (of_task or ref == stops) and self._is(ref, oid):
                self._refs[ref] = oid

    def _decide_tallies(self) -> None:
        counted: dict[Oid, Tally] = {}
        for ref, oid in self._refs.items():
            if ref.startswith("runs/"):
                count_run(self.store, self.store.get(Run, oid, keep=False), counted)
        for deploy, tally in counted.items():
            ref = f"tally/{deploy}/{tally_text(tally)}"
            if self._is(ref, deploy):
                self._refs[ref] = deploy


def _progress(run: Run) -> tuple[int, bool]:
    return run.attempt, run.ended is not None
