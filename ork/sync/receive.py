"""Takes a bundle in: everything is checked where it lies, then all of it becomes visible at once.

The bundle is laid beside the store, and what its refs need is checked as `ork fsck` would check it.
Objects are then written in parts that nothing leads to, and all refs together at the end, if every
object is still there at that moment: a gc beside it can delay an import, never spoil it.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain, islice
from shlex import quote
from typing import NamedTuple

from ork.backends.base import Backend, write_all
from ork.errors import Conflict, Corrupt, InvalidInput, OrkError, count, some
from ork.failpoints import failpoint
from ork.files import give, new_file
from ork.logs.bytes import is_log, put
from ork.objects.canonical import Oid
from ork.objects.kinds import Deploy, Run, Tombstone, is_name, is_oid
from ork.objects.rows import name_of
from ork.objects.value import Value, of_line
from ork.objects.walk import Named
from ork.progress import counted, counting
from ork.runner.record import COPIED
from ork.store.contents import task_runs
from ork.store.operations import removed
from ork.store.resolve import former_in, number_ref
from ork.store.runs import END_LOST, Hook, refs_beside, refs_of, slot_text
from ork.store.store import RECORDED, Arrival, Stamp, Store, named_by
from ork.store.verdict import counts_as, recounted
from ork.sync.bundle import Bundle, LogFile
from ork.sync.carrier import Arriving, Side
from ork.sync.heads import Elsewhere, Heads, Moves
from ork.upkeep.findings import Finding
from ork.upkeep.objects import Objects

NAMES_MAX = 5  # that an error tells of
_TOLD = ("workflows/", "tags/", "runs/")  # refs whose moves are told
_OTHER_THAN_SAID = "the ref {!r} leads to something else than its name says"
_NUMBER = re.compile(r"\d{10}", re.ASCII)


class Received(Value, frozen=True, kw_only=True):
    """What a bundle brings: the refs that move, and how many objects and logs they need."""

    moves: tuple[tuple[str, Oid | None, Oid], ...]  # ref, old, new
    objects: int
    logs: int
    missing_logs: tuple[str, ...] = ()  # of runs that say that they have some
    further: tuple[str, ...] = ()  # workflows of which the store has more
    left: tuple[tuple[str, int], ...] = ()  # workflows, how many deploys left the history of each
    left_tags: Mapping[str, tuple[str, ...]] = {}  # workflows, tags that went with a name: alpha@v1
    replaced: tuple[str, ...] = ()  # runs that were retried here as well, by `force`
    # Runs that are left out, by what is here:
    removed: tuple[str, ...] = ()  # `ork gc` has removed their numbers
    other: tuple[str, ...] = ()  # other runs have these
    retried: tuple[str, ...] = ()  # they were retried as well
    going_on: tuple[str, ...] = ()  # they have not ended

    @property
    def refused(self) -> tuple[str, ...]:
        """The runs that would have taken the place of what is here."""
        return (*self.other, *self.retried, *self.going_on)

    def cells(self) -> dict[str, object]:
        return {
            "moves": count(len(self.moves), "ref"),
            "objects": count(self.objects, "object"),
            "logs": count(self.logs, "log"),
            "refused": f"left out: {some(self.refused, NAMES_MAX)}" if self.refused else None,
        }


def check(bundle: Bundle, store: Store | None) -> set[Oid]:
    """Check all of a bundle, with the store that is to take it; return what its refs need.

    Raise InvalidInput when something is wrong with the bundle or when the store lacks what the
    bundle builds on, Corrupt when what the store has of that is damaged.
    """
    arrived = beside(bundle, store)
    for oid in bundle.needs:
        if not arrived.has(oid):
            raise InvalidInput(
                f"{bundle.name} builds on deploy {oid}, which is not here",
                hint="take in an earlier bundle first, or one that was made without --since",
            )
    found: list[Finding] = []
    objects = Objects(arrived, found.append, quick=False)
    refs = bundle.refs.items()
    needs = (Named(oid, "deploy") for oid in bundle.needs)
    roots = chain((named_by(*ref) for ref in refs), needs)
    with counting("checking objects") as tell:
        for checked in objects.check(roots):
            _raise_first(bundle, found)
            tell(checked, bundle.size.objects)
    _raise_first(bundle, found)
    for ref, oid in refs:
        check_ref(bundle.refs, bundle.wrong, arrived, ref, oid)
        if ref.startswith("workflows/"):
            _check_history(bundle, arrived, ref, oid)
    check_logs(bundle)
    for oid in bundle.oids():
        if oid not in objects.reached and oid not in arrived.forgotten:
            raise bundle.wrong(f"nothing in it needs object {oid}")
    return set(objects.reached.oids())


def _needed(arrived: Store, refs: Mapping[str, Oid]) -> set[Oid]:
    """Return what some refs need, of what was checked."""
    chosen = Objects(arrived, lambda _: None, quick=True)
    for _ in chosen.check(named_by(*ref) for ref in refs.items()):
        pass
    return set(chosen.reached.oids())


def receive(
    bundle: Bundle,
    store: Store,
    *,
    stamp: Stamp,
    force: bool = False,
    runs: bool = True,
    dry_run: bool = False,
    needs: set[Oid] | None = None,
) -> Received:
    """Take a bundle in, all in one write; with `dry_run` only say what that would do.

    `needs` is what `check` has returned of a bundle that needs nothing of a store.

    Runs that are in each other's way are left out, and told. Raise InvalidInput where a head or a
    tag would have to leave what it has, unless `force`.
    """
    needs = check(bundle, store) if needs is None else needs
    arrived = beside(bundle, store)
    targets = {ref: oid for ref, oid in bundle.refs.items() if runs or ref.startswith(RECORDED)}
    heads = _heads_and_tags(bundle, arrived, store, force=force)
    moves = heads.all_moves()
    fresh, told, left_out = _runs(arrived, store, targets, force=force)
    targets = {ref: oid for ref, oid in targets.items() if ref not in left_out}
    kept = {ref: oid for ref, oid in bundle.refs.items() if ref.startswith("forgotten/")} | targets
    if len(kept) < len(bundle.refs):
        needs = _needed(arrived, kept)
    for run in fresh:
        moves |= {ref: (store.ref(ref), targets[ref]) for ref in refs_of(run)}
        pin = targets[number_ref(run.workflow, run.number)]
        moves |= moves_beside(store, refs_beside(arrived, {pin: run})[run.id])
    for ref in bundle.refs:
        oid = Oid(ref.removeprefix("forgotten/"))
        if oid != ref and moves and oid in needs and not store.has(oid):
            moves[ref] = (None, bundle.refs[ref])
    needs = {oid for oid in needs if oid not in store.forgotten and arrived.backend.get(oid)}
    wanted = {f"{run.workflow}/{run.id}" for run in fresh}
    logs = [path for path in bundle.logs if path.rpartition("/")[0] in wanted]
    brought = [oid for oid in bundle.oids() if oid in needs] if moves else []
    said = tuple((ref, old, new) for ref, (old, new) in moves.items() if new and old != new)
    received = Received(
        moves=tuple(move for move in said if move[0].startswith(_TOLD)),
        objects=len(brought),
        logs=len(logs),
        missing_logs=tuple(without_logs(said_by(arrived, fresh), bundle.logs)),
        further=tuple(heads.further),
        left=tuple((name, found.left) for name, found in heads.moves.items() if found.left),
        left_tags={name: one.left_tags for name, one in heads.moves.items() if one.left_tags},
        **{why: tuple(names) for why, names in told.items()},
    )
    if dry_run or not moves:
        return received
    failpoint("import.checked")
    write_objects(store, bundle, brought)
    failpoint("import.objects")
    write_logs(store, (LogFile(path, bundle.logs[path][1], bundle.log(path)) for path in logs))
    failpoint("import.logs")
    _write_refs(store, bundle, moves, fresh, needs, stamp)
    failpoint("import.written")
    return received


def _write_refs(
    store: Store,
    bundle: Bundle,
    moves: Mapping[str, tuple[Oid | None, Oid | None]],
    fresh: Iterable[Run],
    needs: set[Oid],
    stamp: Stamp,
) -> None:
    """Make all that arrived visible; a tally that another run changes meanwhile is made again."""

    def bring(oid: Oid) -> None:
        store.backend.write({oid: bundle.checked(oid)}, {})

    arrived = beside(bundle, store)
    olds = [moves[refs_of(run)[0]][0] for run in fresh]
    while True:
        counted = tallies(store, arrived, zip(said_by(arrived, fresh), olds, strict=True))
        try:
            with Arrival(store, stamp, needs, bring) as tx:
                tx.moves |= {**moves, **counted}
            return
        except Conflict:
            if any(store.ref(ref) != old for ref, (old, _) in moves.items()):
                raise  # else only a tally is in the way, which a run that ended has moved


def beside(bundle: Bundle, store: Store | None) -> Store:
    """Return a store that has what a bundle brings beside what is there; it cannot be written."""
    return Store(_Beside(bundle, store.backend if store else None))


class _Beside(Arriving):
    """A `Backend` of the objects of a bundle and of a store, and of the refs of the bundle.

    What the store had to forget is forgotten here as well.
    """

    def __init__(self, bundle: Bundle, backend: Backend | None) -> None:
        self._bundle, self._backend = bundle, backend

    def get(self, oid: Oid) -> bytes | None:
        stored = self._bundle.stored(oid)
        return self._backend.get(oid) if stored is None and self._backend else stored

    def get_many(self, oids: Iterable[Oid]) -> dict[Oid, bytes]:
        return {oid: stored for oid in oids if (stored := self.get(oid)) is not None}

    def oids(self, prefix: str = "") -> Iterator[Oid]:
        """Yield the objects of the bundle."""
        return (oid for oid in sorted(self._bundle.oids()) if oid.startswith(prefix))

    def ref(self, name: str) -> Oid | None:
        """Return the target of a ref of the bundle, which may have many."""
        return self._bundle.refs.get(name)

    def _refs(self) -> Mapping[str, Oid]:
        refs = dict(self._backend.refs("forgotten/")) if self._backend else {}
        return {**self._bundle.refs, **refs}


def _raise_first(bundle: Bundle, found: list[Finding]) -> None:
    """Raise the error for what was found, if anything was, by whose it is."""
    for finding in found:
        oid = finding.object
        if oid is None or oid in bundle:
            named = finding.message.startswith("object ")
            raise bundle.wrong(finding.message if named else f"object {oid}: {finding.message}")
        if finding.code == "E101":
            raise InvalidInput(
                f"{bundle.name} needs object {oid}, which is not here",
                hint="take in an earlier bundle first, or one that was made without --since",
            )
        raise Corrupt(
            f"object {oid} of the store: {finding.message}", hint="`ork fsck` looks at all of it"
        )


def check_ref(
    refs: Mapping[str, Oid],
    wrong: Callable[[str], OrkError],
    arrived: Store,
    ref: str,
    oid: Oid,
) -> None:
    """Raise an error unless a ref is of a form that ork knows and says what its object says.

    `refs` are all that arrive with it, and `wrong` gives the error for where they come from.
    """

    def must_be(is_right: bool) -> None:
        if not is_right:
            raise wrong(_OTHER_THAN_SAID.format(ref))

    space, *parts = ref.split("/")
    if not all(map(is_name, parts)):
        raise wrong(f"the ref {ref!r} is of no form that this ork knows")
    if space == "workflows" and len(parts) == 1:
        must_be(arrived.get(Deploy, oid, keep=False).workflow == parts[0])
    elif space == "tags" and len(parts) == 2:
        tagged = arrived.get(Deploy, oid, keep=False).workflow
        must_be(tagged == parts[0] or tagged in former_in(refs, parts[0]))
    elif space == "former" and len(parts) == 2:
        must_be(arrived.get(Deploy, oid, keep=False).workflow == parts[0])
    elif space == "runs" and len(parts) == 2:
        run = arrived.get(Run, oid, keep=False)
        must_be(refs_of(run)[0] == ref)
        if run.ended is None:
            raise wrong(f"the run {ref!r} has not ended")
        if missing := [name for name in refs_of(run) if name not in refs]:
            raise wrong(f"the ref {missing[0]!r} is missing, and {ref!r} needs it")
    elif (space == "numbers" and len(parts) == 2 and _NUMBER.fullmatch(parts[1])) or (
        space == "ran" and len(parts) == 3
    ):
        pin = arrived.get(Run, oid, keep=False)
        must_be(ref in refs_of(pin) and refs_of(pin)[0] in refs)
    elif space == "forgotten" and len(parts) == 1 and is_oid(parts[0]):
        must_be(arrived.get(Tombstone, oid, keep=False).object == parts[0])
    elif space == "fires" and len(parts) == 2:
        pin = arrived.get(Run, oid, keep=False)
        slot = pin.scheduled and slot_text(pin.scheduled)
        must_be([parts[0], parts[1].partition(".")[0]] == [pin.workflow, slot])
        must_be(refs.get(number_ref(pin.workflow, pin.number)) == oid)
    elif space == "hooks" and len(parts) == 3:
        must_be(f"runs/{parts[0]}/{parts[1]}" in refs)
        must_be(oid in arrived.forgotten or _is_hook(arrived, oid, parts[2]))
    elif space == "unattached" and len(parts) == 2:
        run = arrived.get(Run, refs.get("/".join(["runs", *parts]), oid), keep=False)
        must_be(run.deploy is None)
    else:
        raise wrong(f"the ref {ref!r} is of no form that this ork knows")


def _is_hook(arrived: Store, oid: Oid, name: str) -> bool:
    """Say whether a blob is what is kept of a hook of this name."""
    try:
        hook: Hook = of_line(arrived.blob(oid), Hook)
    except ValueError:
        return False
    return name == f"{hook.attempt}-{hook.which}"


def moves_beside(store: Store, refs: Mapping[str, Oid]) -> Moves:
    """Return how the refs move that go with a run besides those that each has: see `refs_beside`.

    A slot for which another run was started here keeps that.
    """
    there = {ref: store.ref(ref) for ref in refs}
    return {
        ref: (there[ref], oid)
        for ref, oid in refs.items()
        if there[ref] is None or not ref.startswith("fires/")
    }


def _check_history(bundle: Bundle, arrived: Store, ref: str, head: Oid) -> None:
    """Raise InvalidInput unless all deploys that a head brings are of its workflow."""
    waiting, seen = [head], {head}
    while waiting:
        oid = waiting.pop()
        deploy = arrived.get(Deploy, oid, keep=False)
        if oid in bundle:
            for parent in deploy.parents:
                if not deploy.follows(arrived.get(Deploy, parent, keep=False)):
                    raise bundle.wrong(_OTHER_THAN_SAID.format(ref))
            waiting += [parent for parent in deploy.parents if parent not in seen]
            seen.update(deploy.parents)


def check_logs(bundle: Bundle) -> None:
    """Raise InvalidInput for a log that is of no run of the bundle."""
    for path in bundle.logs:
        folder, _, name = path.rpartition("/")
        if f"runs/{folder}" not in bundle.refs or not is_log(name):
            raise bundle.wrong(f"the log {path!r} belongs to no run of it")


class _Brought(Side):
    """A bundle that was checked, as one of two stores."""

    def __init__(self, bundle: Bundle, arrived: Store) -> None:
        self._bundle = bundle
        super().__init__(arrived, bundle.name)

    def wrong(self, what: str) -> OrkError:
        return self._bundle.wrong(what)


def _heads_and_tags(bundle: Bundle, arrived: Store, store: Store, *, force: bool) -> Heads:
    """Find how heads and tags move; raise an error where one would have to stay.

    As InvalidInput where that would lose something, as Conflict where a run keeps a former name.
    """
    refs = (ref.split("/") for ref in bundle.refs if ref.startswith(("workflows/", "tags/")))
    source, target = _Brought(bundle, arrived), Side(store, "this store")
    heads = Heads(source, target, arrived, force=force)
    heads.compare(sorted({parts[1] for parts in refs}), tags=True)
    if heads.elsewhere:
        raise _apart(bundle, [*chain.from_iterable(heads.elsewhere.values())])
    for busy in heads.at_work.values():
        raise busy
    return heads


def _apart(bundle: Bundle, ends: Sequence[Elsewhere]) -> InvalidInput:
    """Return an error that names both ends of what went different ways, and who made each."""
    names = [one.receiver or one.name for one in ends]
    told = [
        f"{some(names, NAMES_MAX)}: here there is something else, which {bundle.name} does not"
        " have; nothing was taken"
    ]
    for name, one in islice(zip(names, ends, strict=True), NAMES_MAX):
        here = one.old_snapshot, one.old_author, one.old_message
        there = one.new_snapshot, one.new_author, one.new_message
        for place, end in ((f"{name} here", here), (f"{one.name} in {bundle.name}", there)):
            snapshot, author, message = end
            first = message.partition("\n")[0]
            by = "" if "@" in one.name else f"  {name_of(author)}"  # who need not have moved a tag
            told.append(f"{place}: {snapshot[:8]}{by}  {first}")
    hint = "--force takes what the bundle has"
    if head := next((one for one in ends if "@" not in one.name), None):
        hint += f", `ork diff {head.receiver or head.name}@{{1}}...{head.name}` shows it then"
    hint += "; `ork undo` gives yours back"
    if kept := next((one for one in ends if one.renamed_by == "receiver"), None):
        hint = f"{kept.name} keeps the name {kept.receiver} here, by --force as well: else there"
        hint += f" would be two of it; there `ork mv {kept.name} {kept.receiver}` comes first, then"
        hint += " a new bundle and --force"
    if apart := apart_from_here(bundle):
        hint += f"; {apart} let you look before"
    return InvalidInput("\n".join(told), hint=hint)


def apart_from_here(bundle: Bundle) -> str:
    """Return what to type to have a bundle in a store of its own, or "" where that cannot be."""
    if bundle.needs or not os.path.exists(bundle.name):
        return ""
    return f"`ork init look` and `ork --store look/.ork import bundle {quote(bundle.name)}`"


def _runs(
    arrived: Store, store: Store, targets: Mapping[str, Oid], *, force: bool
) -> tuple[list[Run], dict[str, list[str]], set[str]]:
    """Return the runs that are new here, or went on since, and the refs of those left out.

    And the names of those of which there is something to tell, by fields of `Received`.
    """
    fresh: list[Run] = []
    told: dict[str, list[str]] = {}
    left_out: set[str] = set()
    has_runs = any(ref.startswith("runs/") for ref in targets)
    removed_here = removed(store) if has_runs else set()
    for ref, oid in targets.items():
        if not ref.startswith("runs/"):
            continue
        run = arrived.get(Run, oid, keep=False)
        old = store.ref(ref)
        if old is not None and is_earlier(arrived, oid, old):
            continue
        number = number_ref(run.workflow, run.number)
        why = None
        if number in removed_here:
            why = "removed"
        elif any(store.ref(one) not in (None, targets[one]) for one in refs_of(run)[1:]):
            why = "other"
        elif old is not None and not is_earlier(arrived, old, oid):
            ended = store.get(Run, old, keep=False).ended
            why = ("replaced" if ended else "going_on") if force else "retried"
        if why:
            told.setdefault(why, []).append(run.name)
        if why in (None, "replaced"):
            fresh.append(run)
        else:
            left_out.update(refs_of(run), refs_beside(arrived, {targets[number]: run})[run.id])
    return fresh, told, left_out


def is_earlier(store: Store, old: Oid, new: Oid) -> bool:
    """Say whether the record of a run is another one, or that before its retries.

    A record that knows nothing of the end, of a run that went on when a copy of its store was made
    or whose end was lost, is earlier than any other one.
    """
    oid: Oid | None = new
    while oid is not None and oid != old:
        oid = store.get(Run, oid, keep=False).previous
    return oid == old or store.get(Run, old, keep=False).reason in (COPIED, END_LOST)


class Said(NamedTuple):
    """What the tasks of a run say, of whom there may be many: they are read once."""

    run: Run
    counts: str  # how its deploy counts it
    logs: frozenset[str]  # of what its attempts have printed


def said_by(arrived: Store, runs: Iterable[Run]) -> Iterator[Said]:
    """Yield what the tasks of each run say."""
    for run in runs:
        states = task_runs(arrived, run)
        logs = (attempt.log for state in states.values() for attempt in state.attempts)
        paths = frozenset(log.path for log in logs if log is not None and log.length != 0)
        yield Said(run, counts_as(arrived, run, states), paths)


def without_logs(fresh: Iterable[Said], there: Collection[str]) -> Iterator[str]:
    """Yield the runs whose attempts have printed something, of which not all is there."""
    return (said.run.name for said in fresh if not said.logs.issubset(there))


def write_objects(store: Store, bundle: Bundle, oids: Collection[Oid]) -> None:
    """Write objects of a bundle, part by part, each checked again: the file may have changed."""
    wanted = counted("writing objects", oids, len(oids))
    checked = ((oid, bundle.checked(oid)) for oid in wanted)
    write_all(store.backend, checked, between=lambda: failpoint("import.batch"))


def write_logs(store: Store, logs: Iterable[LogFile]) -> int:
    """Write logs, each whole or not at all, in the place of what is there; return how many."""
    if store.shared:
        return put(store, ((log.path, log.pieces) for log in logs))
    if store.folder is None:
        return 0
    count = 0
    touched: set[tuple[str, ...]] = set()
    for count, log in enumerate(counted("writing logs", logs, 0), 1):  # noqa: B007
        *folders, name = "logs", *log.path.split("/")
        touched |= {tuple(folders[:depth]) for depth in range(len(folders) + 1)}
        new = f".{name}.part"
        with store.inside(*folders, make=True) as at:
            with suppress(FileNotFoundError):
                os.unlink(new, dir_fd=at)
            with new_file(new, at=at, mode=0o600) as file:
                give(file.fileno(), at)
                file.writelines(log.pieces)
                if log.changed:  # the last sign of life of an attempt that did not end
                    file.flush()
                    os.utime(file.fileno(), (log.changed.timestamp(),) * 2)
            os.rename(new, name, src_dir_fd=at, dst_dir_fd=at)
    for parts in touched:  # their names are safe on the disk when their folders are
        with store.inside(*parts) as at:
            os.fsync(at)
    return count


def tallies(store: Store, arrived: Store, fresh: Iterable[tuple[Said, Oid | None]]) -> Moves:
    """Return the moves that let the tallies of deploys count new runs, too.

    With each run comes the record that the store has of it, which counts no more.
    """
    counted: dict[Oid, Counter[str]] = {}
    last: dict[Oid, int] = {}
    for (run, word, _), old in fresh:
        if run.deploy is None:
            continue
        counts = counted.setdefault(run.deploy, Counter())
        counts[word] += 1
        last[run.deploy] = max(run.number, last.get(run.deploy, 0))
        if old is not None:
            before = arrived.get(Run, old, keep=False)
            counts[counts_as(arrived, before, task_runs(arrived, before))] -= 1
    moves: Moves = {}
    for deploy, counts in counted.items():
        found = dict(store.refs(f"tally/{deploy}/"))
        moves |= recounted(deploy, found, counts, last[deploy])
    return moves
