"""Compares heads and tags of two stores: how those of the target would move, and which stay.

Writes nothing. What has a name for the source also remembers where the heads are there, in
`remotes/REMOTE/NAME`, be it that its own stay, and in `agreed/REMOTE/NAME/LABEL` which tags both
have alike: that tells later which of the two has moved one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import takewhile
from typing import Literal, NamedTuple, TypeAlias

from ork.errors import Conflict
from ork.heads.rename import along, at_work
from ork.objects.canonical import Oid
from ork.objects.kinds import Deploy, is_name
from ork.objects.value import Value, replace
from ork.store.resolve import agreed_ref, former_in, former_names, remote_ref
from ork.store.store import RECORDED, Store
from ork.sync.carrier import Side

FORMER = "former/"
Moves: TypeAlias = dict[str, tuple[Oid | None, Oid | None]]  # ref -> old, new


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
    gone_back: bool = False  # the receiver had it, as the sender saw, and went back from it
    same: bool = False  # the receiver has the content of it by another deploy
    unchanged: bool = False  # the other store has the content of `base`, as after a rename


class HeadMoves(NamedTuple):
    """How the head and the tags of a workflow move, and what is remembered of it."""

    moves: Moves
    deploys: dict[Oid, tuple[Oid, ...]]  # those that the target has not, with their parents
    before: set[Oid]  # those that it has in its history
    meets: set[Oid]  # of these the ones that new deploys come after
    forced: bool
    left: int = 0  # deploys of the target that are in its history no more
    left_tags: tuple[str, ...] = ()  # tags of such deploys, which go with a name: alpha@v1


class Heads:
    """How the heads and tags of workflows move from one store to another."""

    def __init__(
        self,
        source: Side,
        target: Side,
        both: Store,
        *,
        force: bool,
        remote: str | None = None,
        runs_differ: Callable[[str], bool] = lambda _: False,
        seen: Mapping[str, Oid] = {},
        agreed: Mapping[str, Oid] = {},
        pulls: bool = False,
    ) -> None:
        """`remote` is what the target calls the source, if it does; `both` reads of either.

        `runs_differ` says of a workflow that runs of it are to move as well; `seen` is where the
        source saw the heads of the target last, `agreed` which tags both had alike. With `pulls` a
        head of the source also takes the place of one of the target whose content it has: see
        `_has_content`. What the target has renamed stays by force as well.
        """
        self._from, self._to, self._both = source, target, both
        self._remote, self._force, self._runs_differ = remote, force, runs_differ
        self._seen, self._agreed, self._pulls = seen, agreed, pulls
        self.moves: dict[str, HeadMoves] = {}
        self.elsewhere: dict[str, list[Elsewhere]] = {}
        self.at_work: dict[str, Conflict] = {}  # by a run that keeps the target from a new name
        self.further: dict[str, None] = {}  # workflows of which the target has more, in order
        self.gone_back: dict[str, None] = {}  # of these, what the source had itself before
        self.equal: dict[str, Oid] = {}  # heads that are the same on both sides
        self.alike: dict[str, Oid] = {}  # tags that are, then: etl/v1
        self.retagged: dict[str, list[Elsewhere]] = {}  # tags that leave what they were on
        self.moved_there: list[str] = []  # tags that the target alone has moved: etl@v1

    def look(self, names: Sequence[str]) -> None:
        """Let the target remember where the heads of these workflows are, and no more."""
        here, there = (_heads_of(side.store, names) for side in (self._from, self._to))
        stale, remembered = self._stale(here), known_heads(self._to.store, self._remote)
        for name in names:
            self.moves[name] = HeadMoves({}, {}, set(), set(), forced=False)
            old, head = remembered.get(name), here[name].get(f"workflows/{name}")
            self._remember(name, head, {**there[name], **stale.get(name, {})}, remembered)
            if head and old and not is_before(self._both, old, head):
                self.moves[name] = self.moves[name]._replace(forced=True)

    def compare(
        self, names: Sequence[str], *, tags: bool, alone: Mapping[str, Collection[str]] = {}
    ) -> None:
        """Find how the heads of these workflows move, and their tags; `alone` some labels."""
        here, there = (_heads_of(side.store, names) for side in (self._from, self._to))
        renamed = {ref.split("/")[2] for ref in self._former_there}
        stale = self._stale(here)
        taken_over = {old for olds in stale.values() for old in olds}  # that have another history
        remembered = known_heads(self._to.store, self._remote)
        for name in names:
            wanted = here[name]
            its = {ref: oid for ref, oid in self._former_there.items() if ref in wanted}
            its |= {} if name in taken_over else there[name]
            head = wanted.get(ref := f"workflows/{name}")
            if labels := alone.get(name):
                only = {f"tags/{name}/{label}" for label in labels}
                wanted = {r: o for r, o in wanted.items() if r in only or r.startswith(FORMER)}
                self.moves[name] = self._compared(name, wanted, its, ())
                self._agree(name, wanted, its)
                continue
            if head and head == its.get(ref):
                self.equal[name] = head
            stays = head and name in renamed and self._stays(name, head, its.get(ref))
            if stays:
                wanted = {}
            if not tags:
                wanted = {ref: oid for ref, oid in wanted.items() if not ref.startswith("tags/")}
            olds = stale.get(name, {})
            former = self._tags_of(name, olds)
            self.moves[name] = self._compared(name, wanted, former | its, olds.values())
            moves = self.moves[name].moves
            moves |= {one: (its.get(one), moves[one][1]) for one in moves.keys() & former.keys()}
            if head and not stays:
                self._follow(name, head, olds, is_there=ref in its)
            self._agree(name, wanted, former | its)
            is_further = head and name in self.further and ref in its
            if head and is_further and self._goes_back(remembered.get(name), head, its[ref]):
                self.gone_back[name] = None
            self._remember(name, head, its, remembered)

    def all_moves(self) -> Moves:
        """Return how the refs of all these workflows move together."""
        moves: Moves = {}
        for found in self.moves.values():
            for ref, (start, end) in found.moves.items():
                before, after = moves.get(ref, (None, None))  # a name that another has by now
                if before == after:
                    moves[ref] = (start, end)
                elif start != end:
                    moves[ref] = (start or before, end or after)
        return moves

    def forget_others(self, names: Collection[str]) -> list[str]:
        """Let the target remember no heads of other workflows than these; return the names."""
        remembered = known_heads(self._to.store, self._remote)
        gone = sorted(remembered.keys() - set(names))
        for name in gone:
            moves: Moves = {remote_ref(str(self._remote), name): (remembered[name], None)}
            self.moves[name] = HeadMoves(moves, {}, set(), set(), forced=False)
        return gone

    def _remember(
        self, name: str, head: Oid | None, there: Mapping[str, Oid], remembered: Mapping[str, Oid]
    ) -> None:
        """Let the target remember where the head of a workflow is in the source."""
        old = remembered.get(name)
        if self._remote is None or head == old:
            return
        found = self.moves[name]
        if head is not None and head not in found.deploys:
            known = [*there.values(), *filter(None, [old])]
            found.before.update(ancestors(self._both, known))
            self._add_deploys(name, found, {f"workflows/{name}": head})
        found.moves[remote_ref(self._remote, name)] = (old, head)

    def _stays(self, name: str, head: Oid, its: Oid | None) -> bool:
        """Say whether a workflow stays out that the target has by another name now."""
        if its and self._base(its, head):
            return False
        for now in self._other_names(name, [name]):
            its = self._to.store.ref(f"workflows/{now}")
            if its is None or self._base(its, head) is None:  # or this is another workflow
                continue
            if is_before(self._both, head, its):
                self.further[name] = None
                return True
            if now in former_names(self._from.store, name):  # the source has renamed it since
                return False
            ends = self._ends(name, its, head)
            self.elsewhere[name] = [replace(ends, receiver=now, renamed_by="receiver")]
            return True
        return False

    def _stale(self, here: Mapping[str, Mapping[str, Oid]]) -> dict[str, dict[str, Oid]]:
        """Return the heads that the target has of workflows by other names than the source.

        By the name in the source, then by that in the target: a former one, or what the target
        itself has renamed it to.
        """
        renamed = (name for name, refs in here.items() if any(r.startswith(FORMER) for r in refs))
        names = {
            name: self._other_names(name, former_names(self._from.store, name)) for name in renamed
        }
        there = self._to.store.refs_at({f"workflows/{one}" for o in names.values() for one in o})
        found: dict[str, dict[str, Oid]] = {}
        for name, others in names.items():
            head = here[name].get(f"workflows/{name}")
            for other in others:
                ref = f"workflows/{other}"
                own = here.get(other, {}).get(ref)  # what has the name in the source by now
                its = there.get(ref)
                if head is None or its is None or (own and self._base(its, own)):
                    continue
                if self._base(its, head):
                    found.setdefault(name, {})[other] = its
        return found

    def _other_names(self, name: str, olds: Iterable[str]) -> list[str]:
        """Return what the target may call a workflow that had these names in the source."""
        pairs = [ref.split("/")[1:] for ref in self._former_there]
        found = dict.fromkeys(olds)
        while more := {new: None for new, old in pairs if old in found and new not in found}:
            found |= more
        return [one for one in found if one != name]

    @cached_property
    def _former_there(self) -> dict[str, Oid]:
        return {f"{FORMER}{names}": oid for names, oid in self._to.store.refs(FORMER)}

    def _base(self, one: Oid, other: Oid) -> Oid | None:
        """Return the newest deploy that is in the history of both."""
        known = set(ancestors(self._both, [one]))
        return next((oid for oid in ancestors(self._both, [other]) if oid in known), None)

    def _tags_of(self, name: str, olds: Iterable[str]) -> dict[str, Oid]:
        """Return the tags that the target has by other names of a workflow, as they will be."""
        return {
            f"tags/{name}/{label}": oid
            for old in olds
            for label, oid in self._to.store.refs(f"tags/{old}/")
        }

    def _follow(self, name: str, head: Oid, olds: Mapping[str, Oid], *, is_there: bool) -> None:
        """Let the target give up the names that a workflow had, as the source has.

        It keeps all as it is where it has gone on by such a name, or a run by one goes on or waits.
        """
        found, there = self.moves[name], self._to.store
        apart = [old for old, its in olds.items() if not is_before(self._both, its, head)]
        busy = [error for old in olds if (error := at_work(there, old))]
        if apart and not self._force:
            for old in apart:
                ends = replace(self._ends(name, olds[old], head), receiver=old, renamed_by="sender")
                self.elsewhere.setdefault(name, []).append(ends)
            self.moves[name] = found._replace(moves={}, deploys={}, meets=set())
        elif busy:
            self.at_work[name] = busy[0]
            self.moves[name] = found._replace(moves={}, deploys={}, meets=set())
        elif all("@" in one.name for one in self.elsewhere.get(name, ())) and (  # the head moves
            olds or (f"workflows/{name}" in found.moves and not is_there)
        ):
            its = given_up(there, [*olds], name, found.moves.keys(), is_there=is_there)
            left_tags = self._leave_others(its, name, head)
            found.moves.update(its)
            if apart:
                lines = [self._since(self._base(olds[old], head), olds[old]) for old in apart]
                left = sum(1 for line in lines for _ in line)
                self.moves[name] = found._replace(forced=True, left=left, left_tags=left_tags)

    def _leave_others(self, moves: Moves, name: str, head: Oid) -> tuple[str, ...]:
        """Keep a workflow from what leads to a deploy by a name that it never had.

        The tags of those stay behind, and are returned as they were called; what says that it is
        paused or archived says so of its head.
        """
        names = {name, *former_in({**self._former_there, **self.moves[name].moves}, name)}
        arriving = {ref: new for ref, (_, new) in moves.items() if new and ref.startswith(RECORDED)}
        deploys = self._both.get_all(Deploy, arriving)
        others = [ref for ref, deploy in deploys.items() if deploy.workflow not in names]
        left = {moves.pop(ref)[1] for ref in others if ref.startswith("tags/")}
        moves |= {ref: (moves[ref][0], head) for ref in others if ref in moves}
        tags = {ref: old for ref, (old, _) in moves.items() if ref.startswith("tags/")}
        return tuple(_told(ref) for ref, old in tags.items() if old in left)

    def _compared(
        self,
        name: str,
        wanted: Mapping[str, Oid],
        there: Mapping[str, Oid],
        also_there: Iterable[Oid],
    ) -> HeadMoves:
        found = HeadMoves({}, {}, set(), set(), forced=False)
        changed = {ref: oid for ref, oid in wanted.items() if there.get(ref) != oid}
        tags = [ref for ref in changed if ref.startswith("tags/") and ref in there]
        apart: dict[str, Oid] = {}
        for ref in [] if self._force else tags:
            base = self._base_of(ref, former_in(wanted, name))
            if base == there[ref] and self._remote is not None:  # the source alone has moved it
                continue
            new = changed.pop(ref)
            if base == new:
                self.moved_there.append(_told(ref))
            else:
                apart[ref] = new
        if not (changed or apart) and not self._runs_differ(name):
            return found
        found.before.update(ancestors(self._both, [*there.values(), *also_there]))
        self._add_deploys(name, found, changed)
        forced = gone_back = same = False
        left = 0
        for ref, new in changed.items():
            old = there.get(ref)
            parts = ref.split("/")[1:]
            if not all(map(is_name, parts)):
                raise self._from.wrong(f"the ref {ref!r} is of no form that this ork knows")
            forward = old is None or ref in tags
            if old is not None and ref.startswith(FORMER):  # it goes with the head
                if f"workflows/{name}" not in found.moves:
                    continue
                forward = True
            elif old is not None and len(parts) == 1:
                if new in found.before and is_before(self._both, new, old):
                    self.further[name] = None
                    continue
                gone_back = self._goes_back(self._seen.get(name), old, new)
                forward = (
                    not gone_back and new not in found.before and self._comes_after(old, found)
                )
                if not forward:
                    left = sum(1 for _ in self._since(self._base(old, new), old))
                    mine, other = (old, new) if self._pulls else (new, old)
                    same = not gone_back and self._has_content(mine, other)
                    forward = same and self._pulls
                forced = not forward
            if old is not None and not forward and not self._force:
                # The tags stay with the head, and so does what they need.
                ends = replace(self._ends(name, old, new), gone_back=gone_back, same=same)
                self.elsewhere.setdefault(name, []).append(ends)
                found = found._replace(moves={}, deploys={}, meets=set())
                break
            found.moves[ref] = (old, new)
        for ref, new in apart.items():
            ends = self._ends(_told(ref), there[ref], new)
            self.elsewhere.setdefault(name, []).append(ends)
        self.retagged[name] = [
            self._ends(_told(ref), there[ref], changed[ref]) for ref in tags if ref in found.moves
        ]
        return found._replace(forced=forced and bool(found.moves), left=left)

    def _since(self, base: Oid | None, head: Oid) -> Iterator[Oid]:
        return takewhile(lambda oid: oid != base, ancestors(self._both, [head]))

    def _has_content(self, mine: Oid, other: Oid) -> bool:
        """Say whether another line has the content of a head since the two went different ways.

        Then nothing is lost where its own deploys give way, if they are of one content, or came
        after one that both lines have.
        """
        base, wanted = self._base(mine, other), self._both.get(Deploy, mine)
        if base is None and wanted.parents:
            return False
        line = (self._both.get(Deploy, oid) for oid in self._since(base, other))
        return any(one.has(wanted.snapshot, wanted.settings) for one in line)

    def _base_of(self, ref: str, formers: Iterable[str]) -> Oid | None:
        """Return where a tag was when both sides had it alike last, be it by a former name."""
        _, name, label = ref.split("/", 2)
        tags = (f"{one}/{label}" for one in (name, *formers))
        return next((self._agreed[tag] for tag in tags if tag in self._agreed), None)

    def _agree(self, name: str, wanted: Mapping[str, Oid], its: Mapping[str, Oid]) -> None:
        """Let the target remember which tags of a workflow both sides have alike then."""
        moves = self.moves[name].moves
        for ref, oid in wanted.items():
            tag = ref.removeprefix("tags/")
            if tag == ref or moves.get(ref, (None, its.get(ref)))[1] != oid:
                continue
            self.alike[tag] = oid
            if self._remote is not None and (old := self._agreed.get(tag)) != oid:
                moves[agreed_ref(self._remote, tag)] = (old, oid)

    def _goes_back(self, seen: Oid | None, now: Oid, other: Oid) -> bool:
        """Say whether a head went back from what it was seen at, and another head still has."""
        return (
            seen not in (None, now)
            and is_before(self._both, now, seen)
            and is_before(self._both, seen, other)
        )

    def _ends(self, name: str, old: Oid, new: Oid) -> Elsewhere:
        before, after = (self._both.get(Deploy, oid) for oid in (old, new))
        base = self._base(old, new)
        common = self._both.get(Deploy, base) if base else None
        theirs = after if self._pulls else before
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
            base=base,
            unchanged=common is not None and theirs.has(common.snapshot, common.settings),
        )

    def _comes_after(self, old: Oid, found: HeadMoves) -> bool:
        """Say whether the new deploys of a workflow come after its old head."""
        return old in found.meets or any(is_before(self._both, old, one) for one in found.meets)

    def _add_deploys(self, name: str, found: HeadMoves, changed: Mapping[str, Oid]) -> None:
        """Add the deploys that the target has not; those of one depth are read together."""
        names = {name, *former_names(self._from.store, name)}
        head = changed.get(f"workflows/{name}")
        after: dict[Oid, list[Deploy]] = {oid: [] for oid in changed.values()}
        while waiting := {o: n for o, n in after.items() if o not in found.deploys}:
            with self._from.blamed():
                deploys = self._both.get_all(Deploy, {oid: oid for oid in waiting})
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


def _told(ref: str) -> str:
    """Return a tag as it is written: "etl@v1"."""
    return "@".join(ref.split("/")[1:])


def known_tags(store: Store, remote: str | None) -> dict[str, Oid]:
    """Return the tags that a remote and a store had alike last: etl/v1."""
    return {} if remote is None else dict(store.refs(agreed_ref(remote, "")))


def known_heads(store: Store, remote: str | None) -> dict[str, Oid]:
    """Return where the heads of a remote were when a store saw them last, by name."""
    return {} if remote is None else dict(store.refs(remote_ref(remote, "")))


def _heads_of(store: Store, names: Iterable[str]) -> dict[str, dict[str, Oid]]:
    """Return head and tags of each workflow, as refs, all looked up together.

    With a head come the refs that say what it was called before, be it long ago.
    """
    found: dict[str, dict[str, Oid]] = {name: {} for name in names}
    renames = {f"{FORMER}{names}": oid for names, oid in store.refs(FORMER)}
    for ref, oid in store.refs_at(f"workflows/{name}" for name in found).items():
        name = ref.partition("/")[2]
        found[name][ref] = oid
        its = {name, *former_in(renames, name)}
        found[name] |= {one: oid for one, oid in renames.items() if one.split("/")[1] in its}
    for ref, oid in store.refs_many("", (f"tags/{name}/" for name in found)):
        found[ref.split("/")[1]][ref] = oid
    return found


def given_up(
    store: Store, olds: Sequence[str], new: str, coming: Collection[str], *, is_there: bool
) -> Moves:
    """Return how the refs move that a workflow has by names that it has no more elsewhere.

    They go to its new name, but for those that are `coming` there; see `along`.
    """
    moves: Moves = {}
    after = f"workflows/{new}"
    for old in olds:
        its = store.ref(f"workflows/{old}")
        moves[f"workflows/{old}"] = (its, None)
        if after not in coming and store.ref(after) is None:
            moves[after] = (None, its)
    return moves | along(store, olds, new, is_there=is_there, coming=coming)


def ancestors(store: Store, deploys: Iterable[Oid]) -> Iterator[Oid]:
    """Yield some deploys and all that came before them; those of one depth are read together."""
    waiting = list(dict.fromkeys(deploys))
    seen = set(waiting)
    while waiting:
        yield from waiting
        after: list[Oid] = []
        for deploy in store.get_all(Deploy, {oid: oid for oid in waiting}).values():
            after += [oid for oid in deploy.parents if oid not in seen]
            seen.update(deploy.parents)
        waiting = list(dict.fromkeys(after))


def is_before(store: Store, old: Oid, new: Oid) -> bool:
    """Say whether a deploy is another one, or came before it."""
    return old in ancestors(store, [new])
