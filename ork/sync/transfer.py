"""Moves workflows, tags and runs from one store to another: what the other lacks, nothing else.

A pull and a push are the same act. First refs are compared. A workflow whose head is elsewhere
keeps it and its tags, a tag that is elsewhere stays, a name of another run keeps that, and this is
told; nothing of it is in the way of the rest. Then heads and tags move, all in one write, which is
one operation there; then runs follow in parts, the oldest first, each with all of its refs, outputs
and logs. So what is there is whole after each write, and what was interrupted is done by doing it
again. A workflow that was renamed is so at the target as well, unless that has gone on by the
former name: then the two went different ways.

What has a name for the other store remembers where the heads are there, in `remotes/REMOTE/NAME`,
also where its own stay. A fetch does this and nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from itertools import islice
from typing import Literal, NamedTuple, TypeAlias, TypeVar

from ork.errors import Conflict, NotFound, OrkError
from ork.failpoints import failpoint
from ork.graph.order import order
from ork.objects.canonical import Oid
from ork.objects.kinds import Deploy, Object, Run, is_name
from ork.objects.value import Value, replace
from ork.objects.walk import CHUNKS, ENDS, Named, Reached, walk
from ork.progress import counted
from ork.store.operations import removed
from ork.store.resolve import (
    REMOTES,
    former_names,
    newest_number,
    number_ref,
    present_name,
    remote_ref,
)
from ork.store.runs import refs_beside, refs_of
from ork.store.store import Stamp, Store, named_by
from ork.sync.bundle import LogFile
from ork.sync.carrier import Carrier, Side
from ork.sync.receive import (
    Moves,
    by_run,
    check_ref,
    given_up,
    is_before,
    is_earlier,
    moves_beside,
    said_by,
    tallies,
    without_logs,
    write_logs,
)
from ork.sync.select import logs_of, reading

DEPLOYS_TOGETHER = 64  # that are fetched, checked and sent as one part
RUNS_TOGETHER = 256

Direction: TypeAlias = Literal["fetch", "pull", "push", "clone"]
T = TypeVar("T")


class Choice(Value, frozen=True, kw_only=True):
    """What is to move: these workflows, all if none is named; with tags; with so many runs.

    `runs` is how many of the newest of each workflow; None is all of them.
    """

    workflows: tuple[str, ...] = ()
    tags: bool = True
    runs: int | None = None


class Moved(Value, frozen=True, kw_only=True):
    """What has moved of one workflow, or would."""

    workflow: str
    old: Oid | None = None  # the head before, and after; with the snapshot of each
    new: Oid | None = None
    old_snapshot: Oid | None = None
    new_snapshot: Oid | None = None
    deploys: int = 0
    tags: tuple[str, ...] = ()
    runs: int = 0
    was: tuple[str, ...] = ()  # names that it had, which the receiver gives up
    forced: bool = False  # the old head is not in the history of the new one


class Refused(Value, frozen=True, kw_only=True):
    """What stays of a workflow where the target has something else by that name.

    With a head all tags of the workflow stay. A tag or a run stays by itself.
    """

    workflow: str
    heads: tuple[Elsewhere, ...] = ()
    runs: tuple[str, ...] = ()  # etl#4


class Elsewhere(Value, frozen=True, kw_only=True):
    """A head or a tag that is elsewhere at the target: the deploys there and here, and what of."""

    name: str  # etl, or etl@v1
    receiver: str | None = None  # what it is called at the receiver, where that is another name
    renamed_by: Literal["sender", "receiver"] | None = None  # of two names, whose is the newer one
    old: Oid
    new: Oid
    old_snapshot: Oid
    new_snapshot: Oid
    old_author: str
    new_author: str
    old_message: str
    new_message: str
    base: Oid | None  # the newest deploy that both sides have


class Transferred(Value, frozen=True, kw_only=True):
    """What a push or pull has moved, or would, and what it has left out."""

    workflows: tuple[Moved, ...]
    objects: int  # that were sent
    logs: int
    refused: tuple[Refused, ...] = ()
    further: tuple[str, ...] = ()  # workflows of which the receiver has more
    going_on: tuple[str, ...] = ()  # runs that have not ended
    removed: tuple[str, ...] = ()  # runs whose numbers `ork gc` has removed at the receiver
    missing_logs: tuple[str, ...] = ()  # runs that say that they have some
    forgotten: tuple[Oid, ...] = ()  # objects that the sender had to forget, and the receiver has


def transfer(
    source: Side,
    target: Side,
    choice: Choice,
    *,
    direction: Direction,
    stamp: Stamp,
    remote: str | None = None,
    force: bool = False,
    dry_run: bool = False,
) -> Transferred:
    """Move what is chosen; with `dry_run` only say what that would do.

    `remote` is the name that one store has for the other, if it has one. A fetch moves nothing but
    what that has to remember, and tells this as if these were the heads.

    What would lose something stays, and is told as refused: heads and tags of a workflow, unless
    `force`, and runs of which the target has another by that name. Raise Conflict where somebody
    else moves the same at this moment, NotFound for a workflow that is not there, Corrupt where the
    source is not what it should be.
    """
    return _Transfer(source, target, choice, direction, stamp, remote, force).move(dry_run)


class _Heads(NamedTuple):
    """How the head and the tags of a workflow move, and what is remembered of it."""

    moves: Moves
    deploys: dict[Oid, tuple[Oid, ...]]  # those that the target has not, with their parents
    before: set[Oid]  # those that it has in its history
    meets: set[Oid]  # of these the ones that new deploys come after
    forced: bool


class _Transfer:
    def __init__(
        self,
        source: Side,
        target: Side,
        choice: Choice,
        direction: Direction,
        stamp: Stamp,
        remote: str | None,
        force: bool,
    ) -> None:
        self._from, self._to = source, target
        self._choice, self._direction, self._stamp = choice, direction, stamp
        self._remote = remote
        self._force = force
        near = target if direction in ("fetch", "pull") else source
        self._carrier = Carrier(source, target, near)
        self._both = self._carrier.both
        self._known = Reached()
        self._names: list[str] = []
        self._heads: dict[str, _Heads] = {}
        self._first: dict[str, str] = {}  # workflow -> the id of the oldest run that is to move
        self._runs: dict[str, int] = {}  # how many
        self._staying: set[str] = set()  # runs that go on, clash, or are further at the target
        self._removed: set[str] | None = None
        self._sent: dict[str, Oid | None] = {}  # heads that a push finds there as they are here
        self._elsewhere: dict[str, list[Elsewhere]] = {}
        self._clashes: dict[str, dict[str, None]] = {}  # workflow -> names of runs, in order
        self._told: dict[str, list[str]] = {
            word: [] for word in ("further", "going_on", "removed", "missing_logs")
        }
        self._logs = 0

    def move(self, dry_run: bool) -> Transferred:
        self._names = self._workflows()
        self._compare_heads()
        if self._choice.runs != 0:
            self._compare_runs()
        if not dry_run:
            self._move_heads()
            for name in self._first:
                self._runs[name] = self._move_runs(name)
            if self._direction == "push":
                self._remember_sent()
        return self._result()

    def _workflows(self) -> list[str]:
        source = self._from.store
        known = {name for name, _ in source.refs("workflows/")}
        for space in ("tags/", "numbers/", "runs/"):
            known.update(source.folders(space))
        for name in known:
            if not is_name(name):
                raise self._from.wrong(f"{name!r} is no name of a workflow")
        for name in self._choice.workflows:
            if name not in known:
                raise NotFound(f"there is no workflow {name!r} in {self._from.name}")
        chosen = set(self._choice.workflows)
        before = {name for one in chosen for name in former_names(source, one)}
        return sorted(chosen | before or known)

    # -- heads and tags

    def _compare_heads(self) -> None:
        here, there = (_heads_of(side.store, self._names) for side in (self._from, self._to))
        renamed = {names.partition("/")[2] for names, _ in self._to.store.refs("former/")}
        stale = self._stale(here)
        taken_over = {old for olds in stale.values() for old in olds}  # that have another history
        remembered = self._remembered()
        for name in self._names:
            wanted, its = here[name], {} if name in taken_over else there[name]
            head = wanted.get(ref := f"workflows/{name}")
            if self._direction == "fetch":
                self._heads[name] = _Heads({}, {}, set(), set(), forced=False)
                self._remember(name, head, its, remembered)
                continue
            if head and ref not in its and name in renamed and self._stays(name, head):
                wanted = {}
            if not self._choice.tags:
                wanted = {ref: oid for ref, oid in wanted.items() if not ref.startswith("tags/")}
            olds = stale.get(name, {})
            self._heads[name] = self._compared(name, wanted, its, olds.values())
            if head:
                self._follow(name, head, olds, wanted)
            if self._direction == "push":
                self._sent[name] = head if head == its.get(ref) else None
            else:
                self._remember(name, head, its, remembered)
        if not self._choice.workflows:
            self._forget_gone(remembered)

    def _remembered(self) -> dict[str, Oid]:
        """Return where the heads in the source were by what the target remembers of it."""
        if self._remote is None or self._direction == "push":
            return {}
        return dict(self._to.store.refs(remote_ref(self._remote, "")))

    def _remember(
        self, name: str, head: Oid | None, there: Mapping[str, Oid], remembered: Mapping[str, Oid]
    ) -> None:
        """Let the target remember where the head of a workflow is in the source."""
        old = remembered.get(name)
        if self._remote is None or head == old:
            return
        found = self._heads[name]
        if head is not None and head not in found.deploys:
            known = [*there.values(), *filter(None, [old])]
            found.before.update(_ancestors(self._both, known))
            self._add_deploys(name, found, {f"workflows/{name}": head})
        found.moves[remote_ref(self._remote, name)] = (old, head)
        if self._direction == "fetch" and head and old and not is_before(self._both, old, head):
            self._heads[name] = found._replace(forced=True)

    def _forget_gone(self, remembered: Mapping[str, Oid]) -> None:
        """Let the target remember no heads of workflows that are not in the source any more."""
        gone = sorted(remembered.keys() - set(self._names))
        for name in gone:
            ref = remote_ref(str(self._remote), name)
            moves: Moves = {ref: (remembered[name], None)}
            self._heads[name] = _Heads(moves, {}, set(), set(), forced=False)
        self._names += gone

    def _remember_sent(self) -> None:
        """Let the source remember which heads the target has from it now."""
        if self._remote is None:
            return
        moved = {n: f.moves.get(f"workflows/{n}", (None, None))[1] for n, f in self._heads.items()}
        now = {n: moved[n] or self._sent.get(n) for n in self._names}
        with suppress(Conflict), self._from.store.transaction() as tx:  # then a fetch was faster
            for name, head in now.items():
                ref = remote_ref(self._remote, name)
                if head is not None and (old := self._from.store.ref(ref)) != head:
                    tx.move(ref, old=old, new=head)

    def _stays(self, name: str, head: Oid) -> bool:
        """Say whether a workflow stays out that the target has by another name now."""
        now = present_name(self._to.store, name)
        its = self._to.store.ref(f"workflows/{now}")
        if its is None:
            return False
        if is_before(self._both, head, its):
            self._told["further"].append(name)
            return True
        if not self._force:
            ends = self._ends(name, its, head)
            self._elsewhere[name] = [replace(ends, receiver=now, renamed_by="receiver")]
        return not self._force

    def _stale(self, here: Mapping[str, Mapping[str, Oid]]) -> dict[str, dict[str, Oid]]:
        """Return the heads that the target has by names that workflows had in the source before.

        By the name of today, then by the former one.
        """
        names = {
            name: former_names(self._from.store, name)
            for name, refs in here.items()
            if any(ref.startswith("former/") for ref in refs)
        }
        there = self._to.store.refs_at({f"workflows/{old}" for o in names.values() for old in o})
        found: dict[str, dict[str, Oid]] = {}
        for name, olds in names.items():
            for old in olds:
                ref, head = f"workflows/{old}", here[name].get(f"workflows/{name}")
                own = here.get(old, {}).get(ref)  # what has the name in the source by now
                its = there.get(ref)
                if its is None or head is None or (own and is_before(self._both, its, own)):
                    continue
                if own is None or is_before(self._both, its, head):
                    found.setdefault(name, {})[old] = its
        return found

    def _follow(
        self, name: str, head: Oid, olds: Mapping[str, Oid], coming: Collection[str]
    ) -> None:
        """Let the target give up the names that a workflow had, as the source has.

        It keeps all as it is where it has gone on by such a name.
        """
        found = self._heads[name]
        apart = [old for old, its in olds.items() if not is_before(self._both, its, head)]
        if apart and not self._force:
            for old in apart:
                ends = replace(self._ends(name, olds[old], head), receiver=old, renamed_by="sender")
                self._elsewhere.setdefault(name, []).append(ends)
            self._heads[name] = found._replace(moves={}, deploys={}, meets=set())
        elif name not in self._elsewhere:
            for old in olds:
                found.moves.update(given_up(self._to.store, old, name, coming))

    def _compared(
        self,
        name: str,
        wanted: Mapping[str, Oid],
        there: Mapping[str, Oid],
        also_there: Iterable[Oid],
    ) -> _Heads:
        found = _Heads({}, {}, set(), set(), forced=False)
        changed = {ref: oid for ref, oid in wanted.items() if there.get(ref) != oid}
        if not changed and name not in self._with_new_runs:
            return found
        found.before.update(_ancestors(self._both, [*there.values(), *also_there]))
        self._add_deploys(name, found, changed)
        forced = False
        for ref, new in changed.items():
            old = there.get(ref)
            parts = ref.split("/")[1:]
            if not all(map(is_name, parts)):
                raise self._from.wrong(f"the ref {ref!r} is of no form that this ork knows")
            forward = old is None
            if old is not None and ref.startswith("former/"):  # it goes with the head
                if f"workflows/{name}" not in found.moves:
                    continue
                forward = True
            elif old is not None and len(parts) == 1:
                if new in found.before and is_before(self._both, new, old):
                    self._told["further"].append(name)
                    continue
                forward = new not in found.before and self._comes_after(old, found)
                forced = not forward
            if old is not None and not forward and not self._force:
                self._elsewhere.setdefault(name, []).append(self._ends("@".join(parts), old, new))
                continue
            found.moves[ref] = (old, new)
        if any("@" not in one.name for one in self._elsewhere.get(name, ())):
            # The tags stay with the head, and so does what they need.
            return found._replace(moves={}, deploys={}, meets=set())
        return found._replace(forced=forced)

    def _ends(self, name: str, old: Oid, new: Oid) -> Elsewhere:
        before, after = (self._both.get(Deploy, oid) for oid in (old, new))
        common = set(_ancestors(self._both, [old]))
        return Elsewhere(
            name=name,
            old=old,
            new=new,
            old_snapshot=before.snapshot,
            new_snapshot=after.snapshot,
            old_author=before.author,
            new_author=after.author,
            old_message=before.message,
            new_message=after.message,
            base=next((one for one in _ancestors(self._both, [new]) if one in common), None),
        )

    def _comes_after(self, old: Oid, found: _Heads) -> bool:
        """Say whether the new deploys of a workflow come after its old head."""
        return old in found.meets or any(is_before(self._both, old, one) for one in found.meets)

    def _add_deploys(self, name: str, found: _Heads, changed: Mapping[str, Oid]) -> None:
        """Add the deploys that the target has not; those of one depth are read together."""
        names = {name, *former_names(self._from.store, name)}
        head = changed.get(f"workflows/{name}")
        after: dict[Oid, list[Deploy]] = {oid: [] for oid in changed.values()}
        while waiting := {o: n for o, n in after.items() if o not in found.deploys}:
            deploys = self._read_deploys([*waiting])
            after = {}
            for oid, newer in waiting.items():
                deploy = deploys[oid]
                allowed = names if oid != head else {name}
                if deploy.workflow not in allowed or not all(one.follows(deploy) for one in newer):
                    raise self._from.wrong(f"deploy {oid} of {deploy.workflow} is in {name}")
                if oid in found.before:
                    found.meets.update([oid] if newer else [])
                    continue
                found.deploys[oid] = deploy.parents
                for parent in deploy.parents:
                    after.setdefault(parent, []).append(deploy)

    def _read_deploys(self, oids: list[Oid]) -> Mapping[Oid, Deploy]:
        try:
            return self._both.get_all(Deploy, {oid: oid for oid in oids})
        except OrkError as error:
            raise self._from.wrong(error.message) from None

    def _move_heads(self) -> None:
        """Carry the deploys that are new, the oldest first, and move heads and tags together."""
        new = Reached(self._known)
        for name in self._names:
            found = self._heads[name]
            for oid in found.before:
                self._known.add(Named(oid, "deploy"))
            self._know_contents(found.meets)
        for name in self._names:
            parents = self._heads[name].deploys
            needs = {str(oid): [str(one) for one in below] for oid, below in parents.items()}
            deploys = counted(f"sending deploys of {name}", order(needs), len(needs))
            for part in _parts(deploys, DEPLOYS_TOGETHER):
                self._carrier.fetch((Named(Oid(oid), "deploy") for oid in part), new)
                self._carrier.send()
        meets = {oid for found in self._heads.values() for oid in found.meets}
        moves: Moves = {}
        for found in self._heads.values():
            for ref, (start, end) in found.moves.items():
                before, after = moves.get(ref, (None, None))  # a name that another has by now
                moves[ref] = (start or before, end or after)
        self._carrier.fetch((), new)
        self._carrier.send()
        if moves or self._carrier.tombstones:
            self._carrier.land(moves, new, meets, self._stamp)
            failpoint("sync.heads")
        self._known = new

    def _know_contents(self, deploys: Iterable[Oid]) -> None:
        """Add what these deploys consist of to what the target has, since its refs lead to it."""
        roots = []
        for oid in deploys:
            deploy = self._both.get(Deploy, oid)
            source = deploy.source
            roots.append(Named(deploy.snapshot, "snapshot"))
            roots.append(Named(source.oid, "blob" if source.blob else CHUNKS))
        for _ in walk(self._read, roots, self._known):
            pass

    def _read(self, batch: list[Named]) -> Mapping[Oid, Object]:
        return {
            one.oid: self._both.read(one.oid, keep=False) for one in batch if one.kind not in ENDS
        }

    # -- runs

    def _compare_runs(self) -> None:
        active = {ref.partition("/")[0] for ref, _ in self._from.store.refs("active/")}
        for name in self._names:
            if name not in self._with_new_runs:
                continue
            first = self._first[name] = self._first_run(name)
            for _, pin, other in self._differing(f"numbers/{name}/"):
                if other is None:
                    continue
                run = self._run(pin)
                if run.id >= first and run.id not in active:
                    self._clash(name, run)
            self._runs[name] = 0
            for run_id, new, old in self._differing(f"runs/{name}/"):
                if run_id < first or run_id in self._staying:
                    continue
                if run_id in active:
                    self._told["going_on"].append(f"{name}#{self._run(new).number}")
                    self._staying.add(run_id)
                elif old is not None and is_earlier(self._both, new, old):
                    self._staying.add(run_id)
                elif old is not None and not is_earlier(self._both, old, new):
                    self._clash(name, self._run(new))
                else:
                    self._runs[name] += 1

    def _clash(self, name: str, run: Run) -> None:
        """Let a run stay, since the target has another one of its name, or another end of it."""
        self._staying.add(run.id)
        self._clashes.setdefault(name, {})[f"{name}#{run.number}"] = None

    def _first_run(self, name: str) -> str:
        """Return the id of the oldest run of a workflow that is to move."""
        if self._choice.runs is None:
            return ""
        newest = self._from.store.refs(f"runs/{name}/", newest_first=True)
        return min((run_id for run_id, _ in islice(newest, self._choice.runs)), default="")

    def _run(self, oid: Oid) -> Run:
        try:
            return self._both.get(Run, oid)
        except OrkError as error:
            raise self._from.wrong(error.message) from None

    @cached_property
    def _with_new_runs(self) -> set[str]:
        """The workflows of which the source has runs that the target has not, or elsewhere."""
        if self._choice.runs == 0:
            return set()
        if self._choice.workflows:
            places = (f"runs/{name}/" for name in self._names)
            return {place.split("/")[1] for place in places if any(self._differing(place))}
        return {ref.partition("/")[0] for ref, _, _ in self._differing("runs/")}  # in long pages

    def _differing(self, prefix: str) -> Iterator[tuple[str, Oid, Oid | None]]:
        """Yield the refs of the source that the target has not, or elsewhere: name, there, here."""
        others = self._to.store.refs(prefix)
        other = next(others, None)
        for name, oid in self._from.store.refs(prefix):
            while other is not None and other[0] < name:
                other = next(others, None)
            old = other[1] if other is not None and other[0] == name else None
            if old != oid:
                yield name, oid, old

    def _move_runs(self, name: str) -> int:
        """Carry the runs of a workflow that are new or went on, the oldest first; return how many.

        A part of them becomes visible with each write.
        """
        pins = _Pins(self._from, name)
        unattached = dict(self._from.store.refs(f"unattached/{name}/"))
        newest = newest_number(self._to.store, name)
        chosen = (
            one
            for one in self._differing(f"runs/{name}/")
            if one[0] >= self._first[name] and one[0] not in self._staying
        )
        count = 0
        runs = counted(f"sending runs of {name}", chosen, self._runs[name])
        for part in _parts(runs, RUNS_TOGETHER):
            moving = self._refs_of_runs(name, part, pins, unattached, newest)
            if moving.runs:
                self._carry_runs(moving)
            count += len(moving.runs)
        return count

    def _refs_of_runs(
        self,
        name: str,
        part: list[tuple[str, Oid, Oid | None]],
        pins: _Pins,
        unattached: Mapping[str, Oid],
        newest: int,
    ) -> _Part:
        """Return runs that are to move together, with the refs that each must have."""
        moving = _Part(self._from, {}, {}, {})
        found = self._read_runs({run_id: new for run_id, new, _ in part})
        taken: dict[Oid, Run] = {}
        for run_id, new, old in part:
            run = found[run_id]
            shown = f"{name}#{run.number}"
            if (run.workflow, run.id) != (name, run_id):
                raise self._from.wrong(f"'runs/{name}/{run_id}' leads to another run")
            number = number_ref(name, run.number)
            if run.ended is None:
                self._told["going_on"].append(shown)
                continue
            if old is None and run.number <= newest and number in self._removed_there():
                self._told["removed"].append(shown)
                continue
            place, *others = refs_of(run)
            moving.refs[place] = new
            pin = pins.take(run.number)
            for ref in others:
                oid = unattached.get(run_id) if ref.startswith("unattached/") else pin
                if oid is None:
                    raise self._from.wrong(f"the ref {ref!r} is missing")
                moving.refs[ref] = oid
                if old is None:
                    moving.moves[ref] = (None, oid)
            moving.moves[place] = (old, new)
            moving.runs[place] = run
            if pin is not None:
                taken[pin] = run
        for refs in refs_beside(self._from.store, taken).values():
            moving.refs.update(refs)
        besides = by_run(moving.refs)
        for run in moving.runs.values():
            moving.moves.update(moves_beside(self._to.store, run, moving.refs, besides))
        return moving

    def _read_runs(self, oids: Mapping[str, Oid]) -> Mapping[str, Run]:
        try:
            return self._carrier.arriving.get_all(Run, oids)
        except OrkError as error:
            raise self._from.wrong(error.message) from None

    def _removed_there(self) -> set[str]:
        if self._removed is None:
            self._removed = removed(self._to.store)
        return self._removed

    def _carry_runs(self, moving: _Part) -> None:
        known = Reached(self._known)
        arriving = self._carrier.arriving
        also: set[Oid] = set()
        for run in moving.runs.values():
            if run.deploy is None or not self._known.has(Named(run.deploy, "deploy")):
                continue
            also.add(run.deploy)
            if self._both.get(Deploy, run.deploy).snapshot == run.snapshot:
                known.add(Named(run.snapshot, "snapshot"))
        new = Reached(known)
        self._carrier.fetch((named_by(*ref) for ref in moving.refs.items()), new)
        for ref, oid in moving.refs.items():
            check_ref(moving, arriving, ref, oid)
        said = dict(zip(moving.runs, said_by(arriving, moving.runs.values()), strict=True))
        logs: set[str] = set()
        fresh = [(one, moving.moves[ref][0]) for ref, one in said.items()]
        counted = tallies(self._to.store, arriving, fresh)
        self._carrier.send()
        write_logs(self._to.store, self._logs_of(moving, logs))
        self._logs += len(logs)
        self._told["missing_logs"] += without_logs(said.values(), logs)
        failpoint("sync.logs")
        moves = moving.moves
        while moves:
            try:
                self._carrier.land({**moves, **counted}, new, also, self._stamp)
                break
            except Conflict:
                moves = self._still_to_move(moves)
            # Of what is left only a tally was in the way, which a run that ended has moved.
            fresh = [(one, moves[ref][0]) for ref, one in said.items() if ref in moves]
            counted = tallies(self._to.store, self._both, fresh)
        failpoint("sync.runs")

    def _still_to_move(self, moves: Moves) -> Moves:
        """Return the moves without those that somebody else has made; raise Conflict at others."""
        now = {ref: self._to.store.ref(ref) for ref in moves}
        if any(now[ref] not in ends for ref, ends in moves.items()):
            raise Conflict(
                f"somebody else brings other runs to {self._to.name} at this moment;"
                " what had moved before is there",
                hint="run the command again: it moves the rest",
            )
        return {ref: ends for ref, ends in moves.items() if now[ref] == ends[0]}

    def _logs_of(self, moving: _Part, paths: set[str]) -> Iterator[LogFile]:
        """Yield the logs of some runs, and note their paths."""
        name = f"a log of {self._from.name}"
        for log in reading(name, logs_of(self._from.store, moving.refs)):
            paths.add(log.path)
            yield log._replace(pieces=reading(name, log.pieces))

    # -- what is told

    def _result(self) -> Transferred:
        moved = []
        for name in self._names:
            found, runs = self._heads[name], self._runs.get(name, 0)
            moves = self._told_of(found.moves)
            old, new = moves.get(f"workflows/{name}", (None, None))
            mine = (ref.partition(f"tags/{name}/") for ref in moves)
            tags = tuple(sorted(label for _, place, label in mine if place))
            gone = [ref for ref, (_, oid) in moves.items() if oid is None]
            was = {ref: moves[ref][0] for ref in gone if ref.startswith("workflows/")}
            if self._direction == "fetch":
                was = {}
            elif old is None and new is not None:
                old = next(iter(was.values()), None)
            if moves or runs:
                moved.append(
                    Moved(
                        workflow=name,
                        old=old,
                        new=new,
                        old_snapshot=self._snapshot(old),
                        new_snapshot=self._snapshot(new),
                        deploys=len(found.deploys),
                        tags=tags,
                        runs=runs,
                        was=tuple(ref.partition("/")[2] for ref in was),
                        forced=found.forced,
                    )
                )
        return Transferred(
            workflows=tuple(moved),
            objects=self._carrier.objects,
            logs=self._logs,
            refused=tuple(
                Refused(
                    workflow=name,
                    heads=tuple(self._elsewhere.get(name, ())),
                    runs=tuple(self._clashes.get(name, ())),
                )
                for name in self._names
                if name in self._elsewhere or name in self._clashes
            ),
            forgotten=tuple(sorted(self._carrier.still_there)),
            **{word: tuple(dict.fromkeys(names)) for word, names in self._told.items()},
        )

    def _told_of(self, moves: Moves) -> Moves:
        """Return the moves of heads and tags; of a fetch what it remembers, as if those moved."""
        fetched = self._direction == "fetch"
        heads = {ref: move for ref, move in moves.items() if ref.startswith(REMOTES) == fetched}
        return {f"workflows/{r.split('/')[2]}": m for r, m in heads.items()} if fetched else heads

    def _snapshot(self, deploy: Oid | None) -> Oid | None:
        return None if deploy is None else self._both.get(Deploy, deploy).snapshot


def _heads_of(store: Store, names: Iterable[str]) -> dict[str, dict[str, Oid]]:
    """Return head, former names and tags of each workflow, as refs; all looked up together."""
    found: dict[str, dict[str, Oid]] = {name: {} for name in names}
    for ref, oid in store.refs_at(f"workflows/{name}" for name in found).items():
        found[ref.partition("/")[2]][ref] = oid
    places = (f"{space}/{name}/" for name in found for space in ("former", "tags"))
    for ref, oid in store.refs_many("", places):
        found[ref.split("/")[1]][ref] = oid
    return found


class _Part(NamedTuple):
    """Runs that move together: all of their refs, and how these move."""

    side: Side
    refs: dict[str, Oid]
    moves: Moves
    runs: dict[str, Run]  # by the ref of each

    def __contains__(self, oid: object) -> bool:
        return False  # it has no deploys, of which alone this is asked

    def wrong(self, what: str) -> OrkError:
        return self.side.wrong(what)


class _Pins:
    """The pins of the runs of a workflow by number, read along as the numbers rise."""

    def __init__(self, side: Side, workflow: str) -> None:
        self._refs = side.store.refs(f"numbers/{workflow}/")
        self._passed: dict[str, Oid] = {}

    def take(self, number: int) -> Oid | None:
        """Return the pin of a run, once."""
        wanted = f"{number:010d}"
        while wanted not in self._passed and (found := next(self._refs, None)):
            self._passed[found[0]] = found[1]
        return self._passed.pop(wanted, None)


def _ancestors(store: Store, heads: Iterable[Oid]) -> Iterator[Oid]:
    """Yield some deploys and all that came before them; those of one depth are read together."""
    waiting = list(dict.fromkeys(heads))
    seen = set(waiting)
    while waiting:
        yield from waiting
        after: list[Oid] = []
        for deploy in store.get_all(Deploy, {oid: oid for oid in waiting}).values():
            after += [oid for oid in deploy.parents if oid not in seen]
            seen.update(deploy.parents)
        waiting = list(dict.fromkeys(after))


def _parts(all_of: Iterable[T], size: int) -> Iterator[list[T]]:
    waiting = iter(all_of)
    return iter(lambda: list(islice(waiting, size)), [])
