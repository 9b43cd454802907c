"""Moves workflows, tags and runs from one store to another: what the other lacks, nothing else.

A pull and a push are the same act. First refs are compared. A workflow whose head is elsewhere
keeps it and its tags, a tag that is elsewhere stays, a name of another run keeps that, a run that
was retried on both sides stays, and this is told; nothing of it is in the way of the rest. Then
heads and tags move, all in one write, which is one operation there; then runs follow in parts, the
oldest first, each with all of its refs, outputs and logs. So what is there is whole after each
write, and what was interrupted is done by doing it again. A workflow that was renamed is so at the
target as well, unless that has gone on by the former name: then the two went different ways.

What has a name for the other store remembers where the heads are there, in `remotes/REMOTE/NAME`,
also where its own stay. A fetch does this and nothing else. What moves also remembers which tags
both have alike, in `agreed/REMOTE/NAME/LABEL`: a pull takes along what was moved there alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import suppress
from functools import cached_property, partial
from itertools import islice
from typing import Literal, NamedTuple, TypeAlias, TypeVar

from ork.errors import Conflict, NotFound, UsageError, count, some
from ork.failpoints import failpoint
from ork.graph.order import order
from ork.objects.canonical import Oid
from ork.objects.kinds import Deploy, Run, is_name
from ork.objects.value import Value
from ork.objects.walk import CHUNKS, Named, Reached, walk
from ork.progress import counted
from ork.store.operations import removed
from ork.store.resolve import (
    REMOTES,
    agreed_ref,
    archived,
    former_names,
    newest_number,
    number_ref,
    present_name,
    remote_ref,
)
from ork.store.runs import refs_beside, refs_of
from ork.store.store import RECORDED, Stamp, named_by
from ork.sync.bundle import LogFile
from ork.sync.carrier import Carrier, Side
from ork.sync.heads import Elsewhere, Heads, Moves, known_heads, known_tags
from ork.sync.receive import (
    check_ref,
    is_earlier,
    moves_beside,
    said_by,
    tallies,
    without_logs,
    write_logs,
)
from ork.sync.select import logs_of, read_naming, reading

DEPLOYS_TOGETHER = 64  # that are fetched, checked and sent as one part
RUNS_TOGETHER = 256
TAGS_TOLD_MAX = 8

Direction: TypeAlias = Literal["fetch", "pull", "push", "clone"]
T = TypeVar("T")


class Choice(Value, frozen=True, kw_only=True):
    """What is to move: these workflows, all if none is named; with tags; with so many runs.

    A workflow may be named by a tag, etl@v1, which moves alone then. `runs` is how many of the
    newest of each workflow; None is all of them.
    """

    workflows: tuple[str, ...] = ()
    tags: bool = True
    runs: int | None = None

    @property
    def names(self) -> set[str]:
        """The workflows that are named, as a whole or by a tag."""
        return {text.partition("@")[0] for text in self.workflows}

    @property
    def alone(self) -> dict[str, set[str]]:
        """The labels that move alone, by workflow."""
        found: dict[str, set[str]] = {}
        for text in self.workflows:
            name, at, label = text.partition("@")
            if at and name not in self.workflows:
                found.setdefault(name, set()).add(label)
        return found


class Moved(Value, frozen=True, kw_only=True):
    """What has moved of one workflow, or would."""

    workflow: str
    old: Oid | None = None  # the head before, and after; with the snapshot of each
    new: Oid | None = None
    old_snapshot: Oid | None = None
    new_snapshot: Oid | None = None
    deploys: int = 0
    tags: tuple[str, ...] = ()
    moved_tags: tuple[Elsewhere, ...] = ()  # of these, the ones that were elsewhere before
    runs: int = 0
    was: tuple[str, ...] = ()  # names that it had, which the receiver gives up
    forced: bool = False  # the old head went another way than the new one
    left: int = 0  # deploys that were in the history, and are so no more
    left_tags: tuple[str, ...] = ()  # of these, by a name that the workflow never had: alpha@v1

    @property
    def new_tags(self) -> list[str]:
        """The tags that were not there before: etl@v1."""
        moved = {one.name for one in self.moved_tags}
        return [tag for label in self.tags if (tag := f"{self.workflow}@{label}") not in moved]


class Refused(Value, frozen=True, kw_only=True):
    """What stays of a workflow where the target has something else by that name.

    With a head all tags of the workflow stay. A tag or a run stays by itself. All of it but other
    runs of a name `asks` for a decision.
    """

    workflow: str
    heads: tuple[Elsewhere, ...] = ()
    at_work: str | None = None  # what keeps the receiver from the new name: "etl#4 goes on"
    runs: tuple[str, ...] = ()  # etl#4
    older: tuple[str, ...] = ()  # of these, the ones before a run that both sides have
    retried: tuple[str, ...] = ()  # on both sides, each in its own way

    @property
    def asks(self) -> bool:
        """Whether somebody has to decide what is to become of it."""
        return bool(self.heads or self.at_work or self.retried)

    @property
    def newer(self) -> tuple[str, ...]:
        """The runs that stay since the two sides last had one in common: the others are known."""
        return tuple(run for run in self.runs if run not in self.older)


class Transferred(Value, frozen=True, kw_only=True):
    """What a push or pull has moved, or would, and what it has left out."""

    workflows: tuple[Moved, ...]
    objects: int  # that were sent
    logs: int
    refused: tuple[Refused, ...] = ()
    further: tuple[str, ...] = ()  # workflows of which the receiver has more
    gone_back: tuple[str, ...] = ()  # of these, where the sender went back since it was seen last
    archived: tuple[str, ...] = ()  # of the workflows that moved, those that are in the other store
    moved_there: tuple[str, ...] = ()  # tags that the receiver alone has moved: etl@v1
    going_on: tuple[str, ...] = ()  # runs that have not ended
    replaced: tuple[str, ...] = ()  # runs that the receiver has retried as well, by `force`
    removed: tuple[str, ...] = ()  # runs whose numbers `ork gc` has removed at the receiver
    missing_logs: tuple[str, ...] = ()  # runs that say that they have some
    forgotten: tuple[Oid, ...] = ()  # objects that the sender had to forget, and the receiver has

    def cells(self) -> dict[str, object]:
        refused = some([one.workflow for one in self.refused], 3)
        return {
            "workflows": some([one.workflow for one in self.workflows], 3) or "nothing moved",
            "objects": count(self.objects, "object"),
            "logs": count(self.logs, "log"),
            "refused": f"refused: {refused}" if refused else None,
        }


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

    What would lose something stays, and is told as refused: unless `force` heads and tags of a
    workflow, and runs that were retried on both sides; runs of which the target has another by that
    name. Raise Conflict where somebody else moves the same at this moment, NotFound for a workflow
    that is not there, Corrupt where the source is not what it should be.
    """
    return _Transfer(source, target, choice, direction, stamp, remote, force).move(dry_run)


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
        self._heads = Heads(
            source,
            target,
            self._both,
            remote=None if direction == "push" else remote,
            force=force,
            runs_differ=lambda name: name in self._with_new_runs,
            seen=known_heads(source.store, remote) if direction == "push" else {},
            agreed=known_tags(near.store, remote),
            pulls=direction == "pull",
        )
        self._first: dict[str, str] = {}  # workflow -> the id of the oldest run that is to move
        self._runs: dict[str, int] = {}  # how many
        self._staying: set[str] = set()  # runs that go on, clash, or are further at the target
        self._retried: dict[str, list[str]] = {}  # workflow -> the runs of `Refused.retried`
        self._clashes: dict[str, dict[str, bool]] = {}  # workflow -> run -> whether it is older
        self._told: dict[str, list[str]] = {
            word: [] for word in ("going_on", "replaced", "removed", "missing_logs")
        }
        self._logs = 0

    def move(self, dry_run: bool) -> Transferred:
        self._names = self._workflows()
        fetched = self._direction == "fetch"
        if fetched:
            self._heads.look(self._names)
        else:
            alone = self._choice.alone
            self._heads.compare(self._names, tags=self._choice.tags, alone=alone)
        if not self._choice.workflows:
            self._names += self._heads.forget_others(self._names)
        if self._choice.runs != 0 and not fetched:
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
        chosen = self._choice.names
        for name in chosen:
            if name not in known:
                raise NotFound(f"there is no workflow {name!r} in {self._from.name}")
        for name, labels in self._choice.alone.items():
            self._refuse_alone(name, labels)
        whole = chosen - self._choice.alone.keys()
        before = {name for one in whole for name in former_names(source, one)}
        return sorted(chosen | before or known)

    def _refuse_alone(self, name: str, labels: Set[str]) -> None:
        """Raise an error unless these tags of a workflow can move alone."""
        if self._direction == "fetch":
            raise UsageError(
                "a fetch looks at heads alone, and a pull brings tags", hint=f"write {name}"
            )
        source, target = self._from, self._to
        there = dict(source.store.refs(f"tags/{name}/"))
        if missing := sorted(labels - there.keys()):
            hint = f"its tags: {some([*there], TAGS_TOLD_MAX)}" if there else "it has none"
            raise NotFound(f"there is no tag {name}@{missing[0]} in {source.name}", hint=hint)
        formers = [f"former/{name}/{old}" for old, _ in source.store.refs(f"former/{name}/")]
        needs = [f"workflows/{name}", *formers]
        if len(dict(target.store.refs_at(needs))) < len(needs):
            raise NotFound(
                f"{target.name} has no {name} that a tag alone could be of",
                hint=f"{name} without a tag moves as a whole",
            )

    # -- heads and tags

    def _move_heads(self) -> None:
        """Carry the deploys that are new, the oldest first, and move heads and tags together."""
        new = Reached(self._known)
        for name in self._names:
            found = self._heads.moves[name]
            for oid in found.before:
                self._known.add(Named(oid, "deploy"))
            self._know_contents(found.meets)
        for name in self._names:
            parents = self._heads.moves[name].deploys
            needs = {str(oid): [str(one) for one in below] for oid, below in parents.items()}
            deploys = counted(f"sending deploys of {name}", order(needs), len(needs))
            for part in _parts(deploys, DEPLOYS_TOGETHER):
                self._carrier.fetch((Named(Oid(oid), "deploy") for oid in part), new)
                self._carrier.send()
        meets = {oid for found in self._heads.moves.values() for oid in found.meets}
        moves = self._heads.all_moves()
        self._carrier.fetch((), new)
        self._carrier.send()
        if moves or self._carrier.tombstones:
            self._carrier.land(moves, new, meets, self._stamp)
            failpoint("sync.heads")
        self._known = new

    def _remember_sent(self) -> None:
        """Let the source remember which heads the target has from it now."""
        if self._remote is None:
            return
        with suppress(Conflict), self._from.store.transaction() as tx:  # then a fetch was faster
            for name in self._names:
                ref, moves = remote_ref(self._remote, name), self._heads.moves[name].moves
                _, head = moves.get(f"workflows/{name}", (None, None))
                head = head or self._heads.equal.get(name)
                if head is not None and (old := self._from.store.ref(ref)) != head:
                    tx.move(ref, old=old, new=head)
            tags = known_tags(self._from.store, self._remote)
            for tag, oid in self._heads.alike.items():
                if (old := tags.get(tag)) != oid:
                    tx.move(agreed_ref(self._remote, tag), old=old, new=oid)
            known = known_heads(self._from.store, self._remote)
            there = dict(self._to.store.refs_at(f"workflows/{name}" for name in known))
            for name, oid in known.items():
                if f"workflows/{name}" not in there:  # it has another name by now, or is gone
                    tx.move(remote_ref(self._remote, name), old=oid, new=None)

    def _know_contents(self, deploys: Iterable[Oid]) -> None:
        """Add what these deploys consist of to what the target has, since its refs lead to it."""
        roots = []
        for oid in deploys:
            deploy = self._both.get(Deploy, oid)
            source = deploy.source
            roots.append(Named(deploy.snapshot, "snapshot"))
            roots.append(Named(source.oid, "blob" if source.blob else CHUNKS))
        for _ in walk(partial(read_naming, self._both), roots, self._known):
            pass

    # -- runs

    def _compare_runs(self) -> None:
        active = {ref.partition("/")[0] for ref, _ in self._from.store.refs("active/")}
        for name in self._names:
            if name not in self._with_new_runs:
                continue
            first = self._first[name] = self._first_run(name)
            common = None
            for _, pin, other in self._differing(f"numbers/{name}/"):
                if other is None:
                    continue
                run = self._run(pin)
                if run.id >= first and run.id not in active:
                    common = self._newest_of_both(name) if common is None else common
                    self._staying.add(run.id)
                    self._clashes.setdefault(name, {})[f"{name}#{run.number}"] = run.number < common
            self._runs[name] = 0
            for run_id, new, old in self._differing(f"runs/{name}/"):
                if run_id < first or run_id in self._staying:
                    continue
                if run_id in active:
                    self._told["going_on"].append(f"{name}#{self._run(new).number}")
                    self._staying.add(run_id)
                elif old is not None and is_earlier(self._both, new, old):
                    self._staying.add(run_id)
                elif old is None or is_earlier(self._both, old, new) or self._replaces(new, old):
                    self._runs[name] += 1
                else:
                    self._staying.add(run_id)

    def _replaces(self, new: Oid, old: Oid) -> bool:
        """Say, and note, whether a run that both sides have retried is to be as in the source."""
        run, has_ended = self._run(new), self._both.get(Run, old).ended is not None
        if not self._force:
            self._retried.setdefault(run.workflow, []).append(run.name)
        else:
            self._told["replaced" if has_ended else "going_on"].append(run.name)
        return self._force and has_ended

    def _newest_of_both(self, name: str) -> int:
        """Return the number of the newest run that both sides have; 0 if there is none."""
        own, its = (
            side.store.refs(f"numbers/{name}/", newest_first=True)
            for side in (self._from, self._to)
        )
        other = next(its, None)
        for number, pin in own:
            while other is not None and other[0] > number:
                other = next(its, None)
            if other == (number, pin):
                return int(number)
        return 0

    def _first_run(self, name: str) -> str:
        """Return the id of the oldest run of a workflow that is to move."""
        if self._choice.runs is None:
            return ""
        newest = self._from.store.refs(f"runs/{name}/", newest_first=True)
        return min((run_id for run_id, _ in islice(newest, self._choice.runs)), default="")

    def _run(self, oid: Oid) -> Run:
        with self._from.blamed():
            return self._both.get(Run, oid)

    @cached_property
    def _with_new_runs(self) -> set[str]:
        """The workflows of which the source has runs that the target has not, or elsewhere."""
        if self._choice.runs == 0:
            return set()
        if self._choice.workflows:
            whole = (name for name in self._names if name not in self._choice.alone)
            places = (f"runs/{name}/" for name in whole)
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
        moving = _Part({}, {}, {})
        with self._from.blamed():
            found = self._carrier.arriving.get_all(Run, {run_id: new for run_id, new, _ in part})
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
            if old is None and run.number <= newest and number in self._removed_there:
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
            moving.moves.update(moves_beside(self._to.store, refs))
        return moving

    @cached_property
    def _removed_there(self) -> set[str]:
        return removed(self._to.store)

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
            check_ref(moving.refs, self._from.wrong, arriving, ref, oid)
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
        every: Counter[str] = Counter()
        for name, runs in self._runs.items():
            now = present_name(self._from.store, name)
            every[now if now in self._names else name] += runs
        for name in self._names:
            found, runs = self._heads.moves[name], every[name]
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
                        moved_tags=tuple(
                            one
                            for one in self._heads.retagged.get(name, ())
                            if one.name.rpartition("@")[2] in tags
                        ),
                        runs=runs,
                        was=tuple(sorted({ref.partition("/")[2] for ref in was} - {name})),
                        forced=found.forced,
                        left=found.left if new else 0,
                        left_tags=found.left_tags,
                    )
                )
        other = self._to if self._direction == "push" else self._from
        away = archived(other.store) if moved else set()
        stays = self._heads.elsewhere, self._heads.at_work, self._clashes, self._retried
        return Transferred(
            workflows=tuple(moved),
            objects=self._carrier.objects,
            logs=self._logs,
            refused=tuple(
                Refused(
                    workflow=name,
                    heads=tuple(self._heads.elsewhere.get(name, ())),
                    at_work=busy.message if (busy := self._heads.at_work.get(name)) else None,
                    runs=tuple(self._clashes.get(name, ())),
                    older=tuple(run for run, old in self._clashes.get(name, {}).items() if old),
                    retried=tuple(self._retried.get(name, ())),
                )
                for name in self._names
                if any(name in stayed for stayed in stays)
            ),
            forgotten=tuple(sorted(self._carrier.still_there)),
            further=tuple(self._heads.further),
            gone_back=tuple(self._heads.gone_back),
            archived=tuple(one.workflow for one in moved if one.workflow in away),
            moved_there=tuple(self._heads.moved_there),
            **{word: tuple(dict.fromkeys(names)) for word, names in self._told.items()},
        )

    def _told_of(self, moves: Moves) -> Moves:
        """Return the moves of heads and tags; of a fetch what it remembers, as if those moved."""
        fetched = self._direction == "fetch"
        told = REMOTES if fetched else RECORDED
        heads = {ref: move for ref, move in moves.items() if ref.startswith(told)}
        return {f"workflows/{r.split('/')[2]}": m for r, m in heads.items()} if fetched else heads

    def _snapshot(self, deploy: Oid | None) -> Oid | None:
        return None if deploy is None else self._both.get(Deploy, deploy).snapshot


class _Part(NamedTuple):
    """Runs that move together: all of their refs, and how these move."""

    refs: dict[str, Oid]
    moves: Moves
    runs: dict[str, Run]  # by the ref of each


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


def _parts(all_of: Iterable[T], size: int) -> Iterator[list[T]]:
    waiting = iter(all_of)
    return iter(lambda: list(islice(waiting, size)), [])
