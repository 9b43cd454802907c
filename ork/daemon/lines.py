"""The schedules of a store's heads, and up to which slot all is decided of each.

`decided/WORKFLOW/KEY` is moved by every fire, and by all that leaves slots out, in the same write:
so the decisions of several processes are one line, whatever their clocks say. KEY stands for the
parameters of the schedule. A schedule that has other times than before begins when it was deployed;
what was due by the times before and is not decided then is left out. The operations tell of these.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import chain, islice, takewhile

from ork.backends.base import Span
from ork.errors import Conflict, Corrupt, OrkError
from ork.heads.decisions import Decided, Passed, decided, decided_at, decided_ref, schedules_now
from ork.objects.canonical import Json, Oid, encode
from ork.objects.kinds import Blob, Deploy, Run, format_time, to_json
from ork.objects.value import Value, extended, of_line, replace
from ork.schedule import policy
from ork.schedule.policy import Going, Skip, first_undecided, left_out
from ork.schedule.schedule import Schedule, key_of, schedules_of, slot_name
from ork.store.operations import operations, renamed_by
from ork.store.resolve import archived, former_in
from ork.store.runs import Names, records_of, retry_began, slot_text
from ork.store.store import Store, Transaction
from ork.store.verdict import verdict

FIRES_LOOKED_AT = 64  # for the newest of a schedule, among those of the workflow's others
CHANGED = "its schedule was changed"
_SECOND = timedelta(seconds=1)  # no two slots are nearer to each other
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


class Former(Value, frozen=True, kw_only=True):
    """A schedule with other times, which the head had after one moment and until another."""

    schedule: Schedule
    after: datetime
    until: datetime


class Line(Value, frozen=True, kw_only=True):
    """One schedule of the head of a workflow, since when the head has had it, and those before it.

    They have the same parameters, and are newest first as far as slots of them may be undecided.
    """

    workflow: str
    schedule: Schedule
    since: datetime
    former: tuple[Former, ...] = ()

    @property
    def begins(self) -> datetime:
        """Since when there may be slots that nobody has decided about."""
        return self.former[-1].after if self.former else self.since


class LeftOut(Value, frozen=True, kw_only=True):
    """Slots of a workflow that were left out, one after the other, and why."""

    workflow: str
    key: str  # what stands for the parameters of the schedule; empty without any
    count: int
    first: datetime
    last: datetime
    reason: str


class Lines:
    """All lines of a store, but of what is archived; a head is read again when it has moved.

    `wrong` are the workflows whose heads, or schedules, cannot be read.
    """

    def __init__(self, store: Store, *, only: Collection[str] | None = None) -> None:
        """`only` are the workflows that are looked at, if not all."""
        self._store, self._only = store, only
        self._heads: dict[str, tuple[Oid, tuple[Line, ...]]] = {}
        self.wrong: dict[str, OrkError] = {}

    def look(self) -> list[Line]:
        """Return the lines as they are now."""
        put_away = archived(self._store)
        found = {
            name: oid
            for ref, oid in self._store.backend.survey("workflows/")
            if (name := ref.partition("/")[2]) not in put_away
            and (self._only is None or name in self._only)
        }
        heads = {workflow: oid for workflow, oid in found.items() if oid is not None}
        moved = {
            workflow: oid
            for workflow, oid in heads.items()
            if workflow not in self._heads or self._heads[workflow][0] != oid
        }
        deploys: dict[str, Deploy] = {}
        with suppress(Corrupt):  # then one by one, to see which
            deploys = self._store.get_all(Deploy, moved, keep=False)
        new: dict[str, tuple[Schedule, ...]] = {}
        for workflow, oid in moved.items():
            self.wrong.pop(workflow, None)
            try:
                deploy = deploys.get(workflow) or self._store.get(Deploy, oid, keep=False)
                new[workflow] = schedules_of(deploy.settings)
            except OrkError as error:
                self.wrong[workflow] = error
                new[workflow] = ()
        for workflow, lines in _lines(self._store, new).items():
            self._heads[workflow] = heads[workflow], lines
        self._heads = {workflow: self._heads[workflow] for workflow in heads}
        self.wrong = {name: error for name, error in self.wrong.items() if name in heads}
        for workflow in found.keys() - heads.keys():
            self.wrong[workflow] = Corrupt(f"the ref of the head of {workflow} is damaged")
        return [line for _, lines in self._heads.values() for line in lines]


def lines_of(store: Store, workflow: str) -> list[Line]:
    """Return the lines of the head of one workflow, which is there."""
    return [*_lines(store, {workflow: schedules_now(store, workflow)})[workflow]]


def gone(
    store: Store, since: Oid | None, *, after: datetime
) -> Iterator[tuple[Line, tuple[Skip, ...]]]:
    """Yield schedules that heads have no more, and what of them was due then and is not decided.

    Those count that went by an operation which is newer than `since`, and later than `after`.
    """
    names: dict[str, str] = {}  # that workflows had -> those that they have now
    found: dict[str, set[str]] = {}
    for oid, operation in operations(store):
        if oid == since or operation.time <= after:
            break
        olds = {ref: old for ref, old, _ in operation.moves if ref.startswith("workflows/")}
        renamed = renamed_by(operation)
        for name in [ref.partition("/")[2] for ref in olds]:
            if former := renamed.get(name):
                names[former] = names.get(name, name)
        for ref, old in olds.items():
            name = ref.partition("/")[2]
            found.setdefault(names.get(name, name), set()).update(_schedules(store, old))
    wanted: dict[str, dict[str, None]] = {}
    for workflow, keys in found.items():
        with suppress(OrkError):  # a head that cannot be read is told of
            there = schedules_now(store, workflow)
            wanted[workflow] = dict.fromkeys(sorted(keys.difference(map(key_of, there))))
    for (workflow, key), past in _pasts(store, wanted).items():
        if past.former:
            newest, known = past.former[0], decided(store, f"decided/{workflow}/{key}")
            line = Line(
                workflow=workflow,
                schedule=newest.schedule,
                since=newest.until,
                former=tuple(past.former),
            )
            if skips := left_behind(line, known):
                yield line, skips


def just_left_out(store: Store) -> dict[str, int]:
    """Return how many slots the newest operation has left out of workflows, as they were due.

    That is by another schedule that it gave them, or by taking theirs away.
    """
    _, newest = next(operations(store))
    moves = {
        ref.removeprefix("workflows/"): (_schedules(store, old), _schedules(store, new))
        for ref, old, new in newest.moves
        if ref.startswith("workflows/") and old and new
    }
    other = {
        name
        for name, (before, after) in moves.items()
        if not {*map(times_of, before.values())} <= {*map(times_of, after.values())}
    }
    if not other:
        return {}
    some = Lines(store, only=other).look() + [
        line for line, _ in gone(store, newest.parent, after=_EARLIEST)
    ]
    found: Counter[str] = Counter()
    for line, known in with_decided(store, some):
        if line.since == newest.time:
            skips = left_behind(replace(line, former=line.former[:1]), known)
            found[line.workflow] += sum(one.count for one in skips)
    return +found


def times_of(schedule: Schedule) -> str:
    """Return what is equal for schedules with the same parameters and times."""
    parts: list[list[Json]] = [
        [one.cron, one.every_s, one.timezone] for one in (schedule, *schedule.also)
    ]
    return encode([dict(schedule.params), *sorted(parts, key=str)]).decode()


def key_of_refs(schedule: Schedule) -> str:
    """Return what stands after the time in refs that name a slot; empty without parameters."""
    return key_of(schedule) if schedule.params else ""


def with_decided(store: Store, some: Sequence[Line]) -> list[tuple[Line, Decided | None]]:
    """Return lines, each with what is decided of it, looked up together."""
    refs = [decided_ref(line.workflow, line.schedule) for line in some]
    known = decided_at(store, refs)
    return [(line, known.get(ref)) for line, ref in zip(some, refs, strict=True)]


def decided_until(line: Line, known: Decided | None) -> datetime:
    """Return after which moment a line is due, given what is decided of it."""
    return max(known.slot, line.since) if known else line.since


def out_of(known: Decided | None) -> tuple[Skip, ...]:
    """Return the later slots that were left out already, given what is decided of a line."""
    return known.out if known else ()


def left_behind(
    line: Line, known: Decided | None, *, since: datetime = _EARLIEST
) -> tuple[Skip, ...]:
    """Return the slots, oldest first, that came before a line had its times and are not decided.

    Only those later than a moment.
    """
    found = (
        left_out(one.schedule, after, until, CHANGED)
        for one in reversed(line.former)
        for after, until in policy.undecided(
            one.schedule,
            max(one.after, since, known.slot if known else since),
            one.until,
            out_of(known),
        )
    )
    return tuple(filter(None, found))


def undecided(store: Store, some: Sequence[Line]) -> Iterator[datetime]:
    """Yield of each line the first slot that is not decided, whether it has come or not."""
    for line, known in with_decided(store, some):
        yield first_undecided(line.schedule, decided_until(line, known), out_of(known))


def newest_runs(
    store: Store, some: Sequence[tuple[str, Schedule, Decided | None]]
) -> list[Run | None]:
    """Return for each schedule of a workflow the run that was started last, None if it is gone.

    What is decided has its name; where nothing tells it, as in a clone, that of the newest slot
    counts.
    """
    fires = store.abreast([Span(f"fires/{workflow}/") for workflow, *_ in some])
    known_as = Names(store)
    names: list[str] = []
    for (workflow, schedule, known), newest in zip(some, fires, strict=True):
        slot, key = known.fire if known else None, key_of_refs(schedule)
        if slot is None:
            looked_at = islice(newest, FIRES_LOOKED_AT)
            alike = (one for one in looked_at if one[0].partition(".")[2] == key)
            # Another may have had its name before, and what was fired then is of that one.
            its = (
                one for one, pin in alike if known_as.has(workflow, store.get(Run, pin, keep=False))
            )
            slot = next(its, None)
        names.append(f"fires/{workflow}/{slot}" if slot else "")
    there = dict(store.refs_at(filter(None, names)))
    for (workflow, *_), name in zip(some, names, strict=True):
        if name and name not in there:  # it was fired by a name that it had before
            there |= fired(store, workflow, [name])
    # None of them is kept at hand: a daemon sees many, and each but a few times.
    pins = store.get_all(Run, there, keep=False)
    places = {ref: f"runs/{pin.workflow}/{pin.id}" for ref, pin in pins.items()}
    found = store.get_all(Run, store.refs_at(places.values()), keep=False)
    return [found.get(places.get(name, "")) for name in names]


def going(store: Store, line: Line, known: Decided | None, run: Run) -> Going:
    """Return the newest run of a line as whoever decides about slots sees it."""
    makes_up = run.scheduled is not None and run.created - run.scheduled > policy.IN_TIME
    its = Going(name=run.name, created=run.created, ended=run.ended, makes_up=makes_up)
    if run.ended is None:
        return its
    if line.schedule.after_failure == "fire":
        return replace(its, created=retry_began(store, run)) if run.previous else its
    *_, first = records_of(store, run)
    until = _over(store, line.workflow, known, run)
    return replace(its, ended=first.ended, until=until, holds=until is None)


def holding(store: Store, some: Sequence[Line]) -> Iterator[tuple[Line, Run]]:
    """Yield those of some lines that are held back, and the run that does so."""
    pairs = with_decided(store, some)
    newest = newest_runs(store, [(line.workflow, line.schedule, known) for line, known in pairs])
    for (line, known), run in zip(pairs, newest, strict=True):
        if run is not None and going(store, line, known, run).holds:
            yield line, run


def _over(store: Store, workflow: str, known: Decided | None, run: Run) -> datetime | None:
    """Return when the newest run of a schedule succeeded, or another with its parameters did.

    Or when somebody let the schedule go on; None while the run holds it back.
    """
    if run.state == "success":
        return run.ended
    passed = known.passed if known else None
    if passed is not None and (passed.run, passed.attempt) == (run.id, run.attempt):
        return passed.time
    known_as = Names(store)
    names = [workflow] if workflow == run.workflow else known_as.names(workflow)
    every = (store.refs(f"runs/{name}/", newest_first=True) for name in names)
    later = (takewhile(lambda ref: ref[0] > run.id, refs) for refs in every)
    for _, oid in chain.from_iterable(later):
        other = store.get(Run, oid, keep=False)
        alike = other.params == run.params and other.trigger != "bisect"
        alike = alike and known_as.has(workflow, other)
        if alike and other.state == "success" and verdict(store, other) == "good":
            return other.ended
    return None


def move_on(
    tx: Transaction,
    line: tuple[str, Schedule],
    before: Decided | None,
    slot: datetime,
    *,
    fire: str | None = None,
    passed: Passed | None = None,
    out: Sequence[Skip] | None = None,
    skips: Iterable[Skip] = (),
) -> None:
    """Add to a write that all is decided up to a slot; `fire` is its name if a run has it.

    `before` is what was decided when this was: the write fails when that has changed since.
    `passed` says that the newest run holds nothing back, `out` what is left out after the slot,
    `skips` what the same write records as left out.
    """
    skip_in(tx, line, skips)
    ref = decided_ref(*line)
    if before and out is None:
        out = before.out
    if before and not fire:
        fire, passed = before.fire, passed or before.passed
    value: dict[str, Json] = {"slot": format_time(slot)}
    if fire:
        value["fire"] = fire
    if passed:
        value["passed"] = to_json(passed)
    if later := [to_json(one) for one in out or () if one.last > slot]:
        value["out"] = later
    tx.move(ref, old=before.oid if before else None, new=tx.add_value(value))


def fire_ref(workflow: str, schedule: Schedule, slot: datetime) -> str:
    """Return the ref of the run that was started for a slot."""
    return f"fires/{workflow}/{slot_name(schedule, slot)}"


def fired(store: Store, workflow: str, refs: Iterable[str]) -> dict[str, Oid]:
    """Return the pins of the runs for slots that have one, by this name or one it had before.

    Slots are given by their refs. Another may have or have had a former name: what that fired is of
    that one.
    """
    known_as = Names(store)
    names = known_as.names(workflow)
    sought = {f"fires/{name}/{ref.rpartition('/')[2]}": ref for ref in refs for name in names}
    found = {}
    for ref, pin in store.refs_at(sought).items():
        is_taken = ref.split("/")[1] == workflow  # be that by another: it is no slot to fire
        if is_taken or known_as.has(workflow, store.get(Run, pin)):
            found[sought[ref]] = pin
    return found


def begin(
    tx: Transaction, workflow: str, slot: datetime, pin: Oid, *, fire: str | None = None
) -> None:
    """Add to a write that a run begins that a person has fired: the newest of its schedule.

    `fire` is the ref of the slot that it makes up for, once. Else its schedule is the only one that
    the workflow has by now, unless that has a run for this very second.
    """
    store = tx.store
    found = lines_of(store, workflow)
    if fire is not None and store.ref(fire) is not None:
        raise Conflict("a run was started for that slot")
    for line in found if fire is not None or len(found) == 1 else ():
        ref, name = fire_ref(workflow, line.schedule, slot), slot_name(line.schedule, slot)
        if fire in (None, ref) and store.ref(ref) is None:
            before = decided(store, decided_ref(workflow, line.schedule))
            last = before.slot if before else line.begins
            move_on(tx, (workflow, line.schedule), before, last, fire=name)
            fire = ref
    if fire is not None:
        tx.move(fire, old=None, new=pin)


def skip_in(tx: Transaction, line: tuple[str, Schedule], skips: Iterable[Skip]) -> None:
    """Add to a write that some slots were left out, and why."""
    workflow, schedule = line
    for skip in skips:
        ref = f"skips/{workflow}/{slot_name(schedule, skip.last)}"
        tx.move(ref, old=tx.store.ref(ref), new=tx.add_value(to_json(skip)))


def skipped(store: Store, *workflows: str) -> list[LeftOut]:
    """Return what was left out of some workflows, recorded or not, and has no run; newest first."""
    some = Lines(store, only=workflows).look()
    former = {one for its in _names(store, workflows).values() for one in its[1:]}
    names = [workflow for workflow in workflows if workflow not in former]
    found = skipped_of(store, names, some, since=_EARLIEST)
    return sorted(chain.from_iterable(found.values()), key=lambda skip: skip.last, reverse=True)


def skipped_of(
    store: Store,
    workflows: Iterable[str],
    some: Sequence[Line],
    *,
    since: datetime,
) -> dict[str, list[LeftOut]]:
    """Return the slots of some workflows later than that which were left out and have no run.

    They are newest first. `some` are the schedules there are: what is left out of them need not be
    recorded yet.
    """
    every = with_decided(store, some)
    behind = [(line, left_behind(line, known, since=since)) for line, known in every]
    whose = [(workflow, one) for workflow, its in _names(store, workflows).items() for one in its]
    spans = [Span(f"skips/{name}/") for _, name in whose]
    oids = {
        (workflow, name, slot): oid
        for (workflow, name), refs in zip(whose, store.abreast(spans), strict=True)
        for slot, oid in takewhile(lambda ref: ref[0] >= slot_text(since), refs)
    }
    found: dict[str, list[LeftOut]] = {workflow: [] for workflow, _ in whose}
    for (workflow, name, slot), blob in store.get_all(Blob, oids).items():
        found[workflow].append(_left_out(name, slot, blob))
    schedules: dict[tuple[str, str], Schedule] = {}
    for line, skips in behind:
        workflow, key = line.workflow, key_of_refs(line.schedule)
        schedules[workflow, key] = line.schedule
        found[workflow] += [extended(LeftOut, skip, workflow=workflow, key=key) for skip in skips]
    found = {workflow: [one for one in its if one.last > since] for workflow, its in found.items()}
    whose = [(workflow, name) for workflow, name in whose if found[workflow]]
    ran = _fired(store, whose, after=since)

    def of(workflow: str, its: Sequence[LeftOut]) -> Iterator[LeftOut]:
        for key in dict.fromkeys(one.key for one in its):
            alike = sorted((one for one in its if one.key == key), key=lambda one: one.last)
            line = workflow, key
            for one in alike:
                yield from _without_run(one, schedules.get(line), alike, ran.get(line, ()), since)

    return {
        workflow: sorted(of(workflow, its), key=lambda skip: skip.last, reverse=True)
        for workflow, its in found.items()
    }


def _fired(
    store: Store, whose: Sequence[tuple[str, str]], *, after: datetime
) -> dict[tuple[str, str], list[datetime]]:
    """Return the slots from a moment on that have a run, by workflow and key, oldest first.

    Given are workflows, and a name that each has or had.
    """
    found: dict[tuple[str, str], list[datetime]] = {}
    fires = store.abreast([Span(f"fires/{name}/") for _, name in whose])
    for (workflow, _), refs in zip(whose, fires, strict=True):
        for name, _ in takewhile(lambda ref: ref[0] >= slot_text(after), refs):
            slot, _, key = name.partition(".")
            with suppress(ValueError):  # `ork fsck` tells of it
                moment = datetime.fromisoformat(slot).replace(tzinfo=UTC)
                found.setdefault((workflow, key), []).append(moment)
    return {line: sorted(its) for line, its in found.items()}


def _without_run(
    skip: LeftOut,
    schedule: Schedule | None,
    alike: Sequence[LeftOut],
    ran: Sequence[datetime],
    since: datetime,
) -> Iterator[LeftOut]:
    """Yield those slots that are later than a moment and have no run, oldest first.

    `alike` were left out of the same schedule, and `ran` are the slots of it that have one. Where
    it has other times by now, it is not known which slots are left, but how many.
    """
    first = bisect_right(alike, skip.first, key=lambda one: one.last)
    inside = [
        Skip(count=one.count, first=one.first, last=one.last, reason=one.reason)
        for one in alike[first : bisect_left(alike, skip.last, key=lambda one: one.last)]
        if skip.first < one.first
    ]
    fired = [
        Skip(count=1, first=slot, last=slot, reason="")
        for slot in ran[bisect_left(ran, skip.first) : bisect_right(ran, skip.last)]
        if not any(one.first <= slot <= one.last for one in inside)
    ]
    if not fired and skip.first > since:
        yield skip
        return

    def rest(after: datetime, out: Iterable[Skip]) -> list[Skip]:
        if schedule is None:
            return []
        gaps = sorted(out, key=lambda one: one.first)
        times = policy.undecided(schedule, after, skip.last, gaps)
        with suppress(OverflowError):  # a damaged store may say that it is the year 9999
            return [*filter(None, (left_out(schedule, *it, skip.reason) for it in times))]
        return []

    before = max(skip.first, _EARLIEST) - _SECOND
    if sum(one.count for one in rest(before, inside)) == skip.count:
        for one in rest(max(before, since), [*inside, *fired]):
            yield extended(LeftOut, one, workflow=skip.workflow, key=skip.key)
    elif skip.count > len(fired):
        yield replace(skip, count=skip.count - len(fired))


def _names(store: Store, workflows: Iterable[str]) -> dict[str, list[str]]:
    """Return the names that workflows have, and had before if no other has them now."""
    renames = [f"former/{names}" for names, _ in store.refs("former/")]
    free = {
        name
        for ref in renames
        if store.ref(f"workflows/{(name := ref.rpartition('/')[2])}") is None
    }
    return {one: [one, *sorted(former_in(renames, one) & free)] for one in workflows}


def _left_out(workflow: str, name: str, blob: Blob) -> LeftOut:
    try:
        skip: Skip = of_line(blob.data, Skip)
    except ValueError:
        wrong = f"skips/{workflow}/{name} does not say which slots"
        raise Corrupt(wrong, hint="no ork wrote this store") from None
    return extended(LeftOut, skip, workflow=workflow, key=name.partition(".")[2])


class _Past:
    """What a head has had by the parameters of one schedule, as it is found newest first."""

    def __init__(self, schedule: Schedule | None, enough: datetime | None) -> None:
        """`schedule` is what the head has now, `enough` the slot up to which all is decided."""
        self.since: datetime | None = None  # of what the head has now
        self.former: list[Former] = []
        self.seen: datetime | None = None  # up to where the operations were read
        self._schedule, self._enough = schedule, enough
        self._until: datetime | None = None  # None: it has it still

    def goes_on(self, before: Schedule | None, moment: datetime) -> bool:
        """Take note of what the head had before it moved; say whether older moves count as well."""
        self.seen = moment
        same = before and self._schedule and times_of(before) == times_of(self._schedule)
        is_last = self._enough is not None and moment <= self._enough
        if is_last or not same:
            self.ends(moment)
            self._schedule, self._until = before, moment
        return not is_last

    def ends(self, after: datetime) -> None:
        """Take note of since when the head had what it had at the moment that was reached."""
        if self._schedule and self._until:
            one = Former(schedule=self._schedule, after=after, until=self._until)
            self.former.append(one)
        elif self._schedule:
            self.since = after


def _lines(store: Store, heads: Mapping[str, tuple[Schedule, ...]]) -> dict[str, tuple[Line, ...]]:
    """Return the lines of workflows whose heads have these schedules."""
    pasts = _pasts(store, {name: {key_of(one): one for one in its} for name, its in heads.items()})

    def line(workflow: str, schedule: Schedule) -> Line:
        past = pasts[workflow, key_of(schedule)]
        assert past.since is not None
        former = tuple(past.former)
        return Line(workflow=workflow, schedule=schedule, since=past.since, former=former)

    return {name: tuple(line(name, one) for one in its) for name, its in heads.items()}


def _pasts(
    store: Store, heads: Mapping[str, Mapping[str, Schedule] | Mapping[str, None]]
) -> dict[tuple[str, str], _Past]:
    """Return what heads have had, by workflow and key; given is what they have now.

    The operations tell: a deploy may have been made long before, elsewhere. What is before a slot
    up to which all is decided is not looked at.
    """
    refs = {
        (workflow, key): f"decided/{workflow}/{key}"
        for workflow in heads
        for key in heads[workflow]
    }
    known: dict[str, Decided] = {}
    with suppress(Corrupt):  # told by whoever decides about that line; then all is looked at
        known = decided_at(store, refs.values())
    found: dict[tuple[str, str], _Past] = {}
    waiting: dict[str, dict[str, _Past]] = {}
    for (workflow, key), ref in refs.items():
        its = known.get(ref)
        past = _Past(heads[workflow][key], its.slot if its else None)
        waiting.setdefault(workflow, {})[key] = found[workflow, key] = past
    names = {workflow: workflow for workflow in waiting}  # by the name that each had then
    for _, operation in operations(store) if waiting else ():
        olds, renamed = {ref: old for ref, old, _ in operation.moves}, renamed_by(operation)
        for ref, old in olds.items():
            name = ref.removeprefix("workflows/")
            workflow = names.get(name, "")
            if name == ref or workflow not in waiting:
                continue
            if old is None and (former := renamed.get(name)):
                del names[name]
                names[former], old = workflow, olds.get(f"workflows/{former}")
            before, moment = _schedules(store, old), operation.time
            waiting[workflow] = {
                key: past
                for key, past in waiting[workflow].items()
                if past.goes_on(before.get(key), moment)
            }
            # By an undo it may be there again that was there before.
            if not waiting[workflow] or (old is None and operation.words[:1] != ("undo",)):
                del waiting[workflow]
        if not waiting:
            break
    # No operation tells of what is left.
    there = store.get_all(Deploy, store.refs_at(f"workflows/{workflow}" for workflow in waiting))
    for workflow, some in waiting.items():
        for past in some.values():
            past.ends(past.seen or there[f"workflows/{workflow}"].time)
    return found


def _schedules(store: Store, oid: Oid | None) -> dict[str, Schedule]:
    """Return the schedules that a deploy has, by key; none of one that is gone."""
    try:
        settings = store.get(Deploy, oid, keep=False).settings if oid else {}
        return {key_of(one): one for one in schedules_of(settings)}
    except OrkError:
        return {}
