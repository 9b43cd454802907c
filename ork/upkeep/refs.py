"""Checks refs against what they must be: by the operations, by the runs, and by each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

from ork.errors import Corrupt
from ork.logs.bytes import offset_of, parts_ref
from ork.objects.canonical import Json, Oid, decode
from ork.objects.kinds import Blob, Deploy, Operation, Run, Tombstone, parse_time
from ork.objects.walk import Named
from ork.store.contents import task_runs
from ork.store.resolve import former_in, number_ref
from ork.store.runs import refs_of, slot_text
from ork.store.store import RECORDED, Store, kind_of_target
from ork.store.verdict import DAMAGED, Tally, counts_as, read_tally, tally_text
from ork.upkeep.findings import Finding

TOGETHER = 1000  # refs that are looked up in one question

T = TypeVar("T")


def count_run(store: Store, run: Run, counted: dict[Oid, Tally]) -> None:
    """Add a run to the tally of its deploy; one that goes on again counts as it had ended."""
    with suppress(Corrupt):  # which the check of objects tells
        if run.ended is None and run.previous is not None:
            run = store.get(Run, run.previous, keep=False)
        if run.ended is None or run.deploy is None:
            return
        try:
            word = counts_as(store, run, task_runs(store, run))
        except Corrupt:
            word = DAMAGED
        before = counted.get(run.deploy, Tally(counts={}))
        counts = Counter(before.counts)
        counts[word] += 1
        last = max(run.number, before.last or 0)
        counted[run.deploy] = Tally(counts=dict(counts), last=last)


# What the blobs of these refs must say.
SHAPES = {
    "skips": ("count", "first", "last", "reason"),
    "decided": ("slot",),
    "queue": ("author", "deploy", "time"),
    "up": ("host", "pid", "since"),
    "hooks": ("attempt", "command", "started", "which"),
}


def _is_at(ref: str, last: Json) -> bool:
    try:
        slot = slot_text(parse_time(str(last)))
    except ValueError:
        return False
    return ref.rpartition("/")[2].partition(".")[0] == slot


@dataclass(slots=True)
class Refs:
    """The refs of a store that do not change while they are checked."""

    store: Store
    tell: Callable[[Finding], None]
    damaged: set[str] = field(default_factory=set)
    operations: list[Oid] = field(default_factory=list)  # newest first, as far as they are whole
    all_operations: bool = True
    wanted: list[tuple[str, str, Oid | None]] = field(default_factory=list)  # to be looked for

    def roots(self) -> Iterator[Named]:
        """Yield what refs name, with the kind that it must have; tell of damaged refs."""
        listed = self.store.backend.survey()
        while page := list(islice(listed, TOGETHER)):
            there = self._refs_at([ref for ref, _ in page])
            for ref, oid in page:
                kind = kind_of_target(ref)
                if oid is None:
                    self.damaged.add(ref)
                    self._say("E201", ref, "its seal does not match its name and target")
                    continue
                if kind is None:
                    self._say("W401", ref, "this ork does not know what it is")
                elif there.get(ref) != oid:
                    self._say("E201", ref, "it is listed, and not found by its name")
                yield Named(oid, kind)

    def check(self, *, tallies: bool) -> Iterator[int]:
        """Check all refs; yield, now and then, how many were looked at."""
        self._check_heads()
        counted: dict[Oid, Tally] = {}
        for number, (ref, oid) in enumerate(self._whole("runs/"), 1):
            run = self._get(Run, oid)
            if run is not None:
                self._check_run(ref, oid, run)
                if tallies:
                    count_run(self.store, run, counted)
            if number % 1000 == 0:
                yield number
        self._check_pins()
        self._check_active()
        self._check_logs()
        self._check_schedules()
        for ref, _ in self._whole("stops/"):
            self._must_be(f"active/{ref.partition('/')[2]}/.run", ref)
        if tallies:
            self._check_tallies(counted)
        for ref, oid in self._whole("forgotten/"):
            tombstone = self._get(Tombstone, oid)
            if tombstone is not None and ref != f"forgotten/{tombstone.object}":
                self._say("E202", ref, f"it leads to the tombstone of {tombstone.object}", oid)
        self._look()
        for space, part in (("read", 1), ("remotes", 2)):
            for ref, oid in self._whole(f"{space}/"):
                deploy = self._get(Deploy, oid)
                if deploy is not None and ref.split("/")[part] != deploy.workflow:
                    self._say("E202", ref, f"it leads to a deploy of {deploy.workflow}", oid)

    def named(self) -> Iterator[tuple[str, Oid]]:
        """Yield in words each deploy of a history and each run, with its oid."""
        for ref, head in self._whole("workflows/"):
            workflow = ref.partition("/")[2]
            for oid, _ in self._history(head):
                yield f"{workflow}: deploy {oid[:12]}", oid
        for ref, oid in self._whole("runs/"):
            run = self._get(Run, oid)
            yield (run.name if run else ref), oid

    def log(self) -> Iterator[tuple[Oid, Operation]]:
        """Yield the operations that can be read, newest first."""
        oid = self._ref("ops")
        while oid is not None:
            operation = self._get(Operation, oid)
            if operation is None:
                self.all_operations = False
                return
            yield oid, operation
            oid = operation.parent

    def _check_heads(self) -> None:
        """Compare heads and tags with where the operations, played again, have left them."""
        left: dict[str, Oid | None] = {}
        for _, operation in self.log():
            for ref, _, new in operation.moves:
                left.setdefault(ref, new)
        for prefix in RECORDED:
            for ref, oid in self._whole(prefix):
                self._check_head(ref, oid)
                if ref not in left:
                    if self.all_operations:
                        self._say("E204", ref, "no operation tells of it", oid)
                elif (right := left.pop(ref)) != oid:
                    self._say("E204", ref, f"the operations left it at {right or 'nothing'}", oid)
        for ref, right in left.items():
            if right is not None and ref not in self.damaged:
                self._say("E203", ref, f"the operations left it at {right}, and it is gone", right)

    def _check_head(self, ref: str, head: Oid) -> None:
        workflow = ref.split("/")[1]
        chain = self._history(head) if ref.startswith("workflows/") else self._one(head)
        after: Deploy | None = None
        for oid, deploy in chain:
            follows = after.follows(deploy) if after else deploy.workflow == workflow
            if not follows and not (after is None and self._was_called(ref, deploy.workflow)):
                self._say("E206", ref, f"a deploy of {deploy.workflow} is in its history", oid)
                return
            after = deploy

    def _was_called(self, ref: str, name: str) -> bool:
        """Say whether a ref may lead to a deploy of this name: its workflow had it before."""
        space, workflow, *_ = ref.split("/")
        names = (former for former, _ in self._whole("former/"))
        return space != "workflows" and name in former_in(names, workflow)

    def _check_run(self, ref: str, oid: Oid, run: Run) -> None:
        place, *pins = refs_of(run)
        if ref != place:
            self._say("E202", ref, f"it leads to the run {run.workflow}/{run.id}", oid)
            return
        for pin in pins:
            self._must_be(pin, ref)
        if run.ended is None:
            self._must_be(f"active/{run.id}/.run", ref)

    def _check_pins(self) -> None:
        """Check the pins of runs: that each is the run that its name says, and the run is there."""
        for at, space in enumerate(("numbers", "ran"), 1):
            for ref, oid in self._whole(f"{space}/"):
                if run := self._get(Run, oid):
                    place, right = refs_of(run)[0], refs_of(run)[at]
                    if ref != right:
                        self._say("E202", ref, f"it leads to the pin of {right!r}", oid)
                    else:
                        self._must_be(place, ref)
        for ref, _ in self._whole("unattached/"):
            self._must_be(f"runs/{ref.partition('/')[2]}", ref)

    def _check_active(self) -> None:
        for ref, oid in self._whole("active/"):
            _, run_id, name = ref.split("/", 2)
            if name != ".run":
                self._must_be(f"active/{run_id}/.run", ref)
                continue
            pin = self._get(Run, oid)
            if pin is None:
                continue
            place = f"runs/{pin.workflow}/{pin.id}"
            now = self._ref(place)
            run = self._get(Run, now) if now else None
            if pin.id != run_id:
                self._say("E202", ref, f"it leads to the run {pin.id}", oid)
            elif now is None:
                self._must_be(place, ref)
            elif run is not None and run.ended is not None:
                self._say("E202", ref, "the run that it says goes on has ended", oid)

    def _check_logs(self) -> None:
        """Check that each file of logs is whole: its parts follow each other, from byte 0 on."""
        file = ""
        end: int | None = 0
        for ref, oid in self._whole("logs/"):
            before, (file, _, text) = file, ref.rpartition("/")
            try:
                known, offset = parts_ref(file.partition("/")[2]), offset_of(text)
            except (Corrupt, OSError):
                self._say("E202", ref, "it is no part of a log by its name", oid)
                continue
            end = end if file == before else 0
            if end is not None and offset > end:
                self._say("E203", f"{known}{end:016}", f"it is missing, and {ref!r} follows it")
            elif end is not None and offset < end:
                self._say("E202", ref, f"the part before it ends at {end}", oid)
            part = self._get(Blob, oid)  # None: it is damaged, and nobody knows how long it was
            end = offset + len(part.data) if part else None

    def _check_schedules(self) -> None:
        """Check what is kept of schedules, of runs that wait, and of hooks."""
        for ref, oid in self._whole("fires/"):
            if (pin := self._get(Run, oid)) is None:
                continue
            slot = slot_text(pin.scheduled) if pin.scheduled else "no slot"
            if ref.partition(".")[0] != f"fires/{pin.workflow}/{slot}":
                self._say("E202", ref, f"it leads to a run for {slot} of {pin.workflow}", oid)
            else:
                self._must_be(number_ref(pin.workflow, pin.number), ref, oid)
        for ref, _ in self._whole("hooks/"):
            self._must_be(f"runs/{ref.partition('/')[2].rpartition('/')[0]}", ref)
        for space, keys in SHAPES.items():
            for ref, oid in self._whole(f"{space}/"):
                blob = self._get(Blob, oid)
                if blob is not None and oid not in self.store.forgotten:
                    self._check_shape(ref, oid, blob.data, keys)

    def _check_shape(self, ref: str, oid: Oid, data: bytes, keys: Collection[str]) -> None:
        """Check that a blob is an object of JSON with these fields, and about the slot it is at."""
        try:
            value = decode(data)
        except Corrupt:
            value = None
        if not isinstance(value, dict) or not value.keys() >= set(keys):
            self._say("E202", ref, f"it leads to no object with {', '.join(keys)}", oid)
        elif ref.startswith("skips/") and not _is_at(ref, value["last"]):
            self._say("E202", ref, f"it is about slots up to {value['last']}", oid)

    def _check_tallies(self, counted: dict[Oid, Tally]) -> None:
        found: dict[Oid, list[str]] = {}
        for ref, oid in self._whole("tally/"):
            _, deploy, text = ref.split("/", 2)
            if deploy != oid:
                self._say("E202", ref, "it leads to another deploy than its name says", oid)
            found.setdefault(Oid(deploy), []).append(text)
        for deploy in sorted(found.keys() | counted.keys()):
            folder = f"tally/{deploy}/"
            said, right = read_tally(found.get(deploy, [])), counted.get(deploy)
            if right is None or said != right:
                if deploy not in found and self._get(Deploy, deploy) is None:
                    continue  # no ref can lead to what is gone
                words = tally_text(right) if right else "nothing"
                shown = ", ".join(sorted(found.get(deploy, []))) or "nothing"
                self._say("E205", folder, f"it says {shown}, and its runs say {words}", deploy)

    def _must_be(self, ref: str, because: str, at: Oid | None = None) -> None:
        """See to it that a ref is looked for, with others; `at` is where it must lead to."""
        self.wanted.append((ref, because, at))
        if len(self.wanted) >= TOGETHER:
            self._look()

    def _look(self) -> None:
        wanted, self.wanted = self.wanted, []
        there = self._refs_at([ref for ref, *_ in wanted])
        for ref, because, at in wanted:
            found = there.get(ref)
            if at is not None and found != at:
                self._say("E202", because, f"it is not where {ref!r} is", at)
            elif found is None and ref not in self.damaged:
                self._say("E203", ref, f"it is missing, and {because!r} needs it")

    def _history(self, head: Oid) -> Iterator[tuple[Oid, Deploy]]:
        oid: Oid | None = head
        while oid is not None and (deploy := self._get(Deploy, oid)) is not None:
            yield oid, deploy
            oid = deploy.parents[0] if deploy.parents else None

    def _one(self, oid: Oid) -> Iterator[tuple[Oid, Deploy]]:
        if deploy := self._get(Deploy, oid):
            yield oid, deploy

    def _whole(self, prefix: str) -> Iterator[tuple[str, Oid]]:
        return ((ref, oid) for ref, oid in self.store.backend.survey(prefix) if oid is not None)

    def _ref(self, ref: str) -> Oid | None:
        try:
            return self.store.ref(ref)
        except Corrupt:  # it or one beside it, which is told of where it stands
            return dict(self._whole(ref)).get(ref)

    def _refs_at(self, names: Sequence[str]) -> Mapping[str, Oid]:
        """Return where those of these refs lead to that are there, looked up together."""
        try:
            return self.store.refs_at(names)
        except Corrupt:  # one of them, or one beside it
            return {name: oid for name in names if (oid := self._ref(name)) is not None}

    def _get(self, kind: type[T], oid: Oid) -> T | None:
        """Return an object; None where it is damaged, which the check of objects tells."""
        try:
            return self.store.get(kind, oid, keep=False)
        except Corrupt:
            return None

    def _say(self, code: str, ref: str, message: str, oid: Oid | None = None) -> None:
        self.tell(Finding(code=code, ref=ref, message=message, object=oid))
