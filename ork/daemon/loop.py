"""The daemon: fires what is due, runs what was queued, retries what failed. Yields what it tells.

It is one thread that holds no task: each run is a process of its own (`ork.daemon.children`). All
that it goes by is in the store, so it may be killed at any instant, and several may share a store:
each decision is a compare-and-set in the write that pins the run.

Once a second it asks for the sequence number of the store, and looks further only if that has
risen. A schedule is looked at when its next slot has come, or when something about it has moved.
"""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from heapq import heappop, heappush
from itertools import chain
from selectors import EVENT_READ, DefaultSelector
from socket import socketpair
from typing import TypeAlias, TypeGuard

from ork.backends.base import Lease
from ork.daemon import fires, hooks, queue
from ork.daemon.child import (
    KILL,
    STOP,
    Born,
    Failed,
    Finish,
    Fire,
    Hooked,
    Over,
    Pinned,
    Retry,
    Take,
    Work,
    opened_again,
    over,
)
from ork.daemon.children import Child, Children
from ork.daemon.lines import Line, Lines, gone, holding, key_of_refs
from ork.daemon.page import BEAT_SECONDS, Page
from ork.daemon.queue import Queued
from ork.daemon.told import (
    Began,
    Ended,
    Listening,
    Lost,
    Teller,
    Told,
    Up,
)
from ork.errors import Conflict, Corrupt, OrkError, OtherFormat, StoreError, count
from ork.heads.decisions import decided_ref
from ork.heads.secrets import Secrets
from ork.objects.canonical import Oid
from ork.objects.kinds import Run
from ork.objects.value import Value, extended, replace
from ork.runner import record
from ork.runner.owner import going_on, in_the_way, names
from ork.schedule.policy import Decision, Skip, told_apart
from ork.schedule.schedule import key_of
from ork.schedule.times import next_slot
from ork.store import location
from ork.store.resolve import run_of_id
from ork.store.store import Store

LOOK_SECONDS = 1.0  # between two looks at the sequence number of the store
SURE_SECONDS = 30.0  # between two looks for killed owners of runs, where a server has to be asked
AGAIN_SECONDS = 5.0  # before the same is tried again that went wrong
HOOK_SECONDS = 60.0  # that a hook may take without a word
JUMP_SECONDS = 2.0  # by which the clock may be set, and a store be slow, without a word
GONE_MAX = timedelta(days=30)  # for how long it is told of a schedule that it went
END_SECONDS = 20.0  # longer than a run takes to end that was asked to stop
AWAY = "the store could not be used"
UNWRITTEN = "the store could not be written"
# Instead of what would help a command: a new store would be another one.
WAITS = "`ork up` waits, and goes on by itself as soon as the store can be used as before"
_FIRST = datetime.min.replace(tzinfo=UTC)


class Options(Value, frozen=True, kw_only=True):
    """How the daemon works."""

    jobs: int  # runs at once
    grace_s: float = 30.0  # in which runs may end by themselves when the daemon is to end
    schedule: bool = True  # else nothing is started, and there is only the page


class Control:
    """Lets a signal handler tell the daemon what to do; `wake` ends its sleep."""

    def __init__(self) -> None:
        self.stops = 0
        self.rereads = 0
        self.wake: Callable[[], object] = lambda: None

    def stop(self) -> None:
        """Start nothing more, let runs end for a grace, then stop them; asked again, kill them."""
        self.stops += 1
        self.wake()

    def reread(self) -> None:
        """Read everything again, and start the page again."""
        self.rereads += 1
        self.wake()


class Watched:
    """A line, and what the daemon remembers of it between two looks."""

    def __init__(self, line: Line, now: datetime) -> None:
        self.line = line
        self.look_at: datetime | None = now  # None: its run is about to begin, or waits for a place
        self.goes_on = False  # a run whose end decides what comes next
        self.failed: Run | None = None  # which is to be retried
        self.held: tuple[str, int] | None = None  # by which run, in which attempt, as it was told
        self.refused: tuple[str, int] | None = None  # a run that could not be retried, and attempt
        self.waited: tuple[datetime, str] | None = None  # a slot that could not be fired yet, why
        self.behind: str | None = None  # the run that a slot waits for, as it was told


# For whom something is to start: a schedule, which is looked at once more when there is a place, an
# entry of the queue, a run whose owner was killed. With since when, and a number for equals.
Whose: TypeAlias = Watched | Queued | Finish
Ready: TypeAlias = tuple[datetime, int, Whose]


class Daemon:
    """One `ork up`."""

    def __init__(
        self,
        opened: Callable[[], Store],
        options: Options,
        control: Control,
        *,
        clock: Callable[[], datetime],
        environ: Mapping[str, str],
        author: str,
        page: Page | None = None,
    ) -> None:
        self._opened, self._options, self._control, self._page = opened, options, control, page
        self._clock, self._environ = clock, environ
        self._store = opened()
        assert self._store.folder is not None
        self._folder = self._store.folder
        self._identity = location.identity(self._folder)
        self._children = Children(str(self._folder), environ, author)
        self._lines, self._secrets = Lines(self._store), Secrets(self._store)
        self._watched: dict[int, Watched] = {}  # by the identity of the line
        self._paused: set[str] = set()
        self._ops: Oid | None = None  # the newest operation that was seen
        self._decided: dict[str, Oid | None] = {}  # by its ref, what was decided of a line
        self._ready: list[Ready] = []
        self._count = 0  # of what was ever ready
        self._asked: dict[Child, Whose] = {}  # for whom a child works
        self._later: list[tuple[float, Finish]] = []  # hooks to be tried again, and when
        self._finished: set[tuple[str, int]] = set()  # runs, attempts: their hooks were asked for
        self._left: list[str] | None = None  # refs of runs that children left; None: all before
        self._hooks: dict[Child, tuple[Hooked, float]] = {}  # and when they are told to go on
        self._waits: dict[str, str] = {}  # workflow -> what was told that its runs wait for
        self._teller = Teller()
        self._sequence = -1
        self._lease: Lease | None = None  # of `fires.UP`, unless another `ork up` has it
        self._other: Oid | None = None  # who that is, as it was told last
        self._away, self._away_until = False, 0.0  # the store, and when it is asked once more
        self._away_since: datetime | None = None  # or was, the last time
        self._unwritten = False  # runs cannot be begun, or their ends recorded
        self._well_at = self._since = clock()  # when it could last be used, and when we began
        self._look_at = self._sure_at = self._beat_at = 0.0
        self._beat_ok = True  # whether the page was told last that all is well
        self._now, self._moment = clock(), time.monotonic()
        self._signal: int | None = None  # the last one that all children were sent
        self._fires = 0
        self._hooked: Counter[str] = Counter()  # state -> hooks that have ended so
        self._lag_s: float | None = None
        self._selector = DefaultSelector()
        self._bell, self._button = socketpair()
        self._button.setblocking(False)
        self._selector.register(self._bell, EVENT_READ, lambda: self._bell.recv(4096))
        control.wake = self._wake
        if page is not None and page.runs:
            self._hear_from(page)

    def events(self) -> Iterator[Told]:
        """Work until asked to stop; yield what happens. Closing it early leaves runs alone."""
        rereads = -1
        try:
            while not self._control.stops:
                if rereads != self._control.rereads:
                    if rereads >= 0 and self._page is not None:
                        self._close_page(self._page)
                    rereads = self._control.rereads
                    self._begin()
                self._turn()
                yield from self._teller.take()
            for _ in self._end():
                yield from self._teller.take()
        finally:
            self._close()

    def _begin(self) -> None:
        """Read everything, and tell what there is."""
        now = self._clock()
        self._reread()
        self._teller.tell_again()
        self._ready = [one for one in self._ready if not isinstance(one[2], Watched)]
        self._look_at = self._sure_at = 0.0
        if self._page is None:
            self._prepare()
        if self._options.schedule:
            self._patiently(self._look)
        every = self._watched.values()
        awake = [one for one in every if one.line.workflow not in self._paused and not one.held]
        coming = [  # perhaps it is looked at before a slot comes, or is ready to be retried
            (slot, one.line.workflow)
            for one in awake
            if (look_at := one.look_at or (now if one.failed else None)) is not None
            if (slot := next_slot(one.line.schedule, look_at - timedelta.resolution)) is not None
        ]
        ready = [(r[0], r[2]) for r in self._ready if isinstance(r[2], Watched)]
        coming += [(since, one.line.workflow) for since, one in ready if one.failed is None]
        soonest, workflow = min(coming, default=(None, None))
        up = Up(
            time=now,
            workflows=len({one.line.workflow for one in self._watched.values()}),
            schedules=len(self._watched),
            paused=len(self._paused),
            jobs=self._options.jobs if self._options.schedule else 0,
            next=soonest,
            workflow=workflow,
        )
        self._teller.tell(up, first=True)

    def _reread(self) -> None:
        """Take nothing of what was read of the store for known."""
        self._lines, self._secrets = Lines(self._store), Secrets(self._store)
        self._sequence, self._teller.schedules = -1, None

    def _turn(self) -> None:
        """Wait for something to happen, or to be due, and do what follows from it."""
        for key, _ in self._selector.select(self._wait_s()):
            key.data()
        if self._page is not None:
            self._tend(self._page)
        self._notice_jump(self._clock())
        self._note_hooks()
        if self._options.schedule:
            self._patiently(self._work)

    def _wait_s(self) -> float:
        """Return how long there is nothing to do, as far as is known."""
        moment = time.monotonic()
        until = moment + SURE_SECONDS
        if self._options.schedule:
            until = max(self._look_at, self._away_until)
        if self._page is not None:
            until = min(until, self._beat_at if self._page.runs else self._page.start_at)
        wait_s = max(0.0, until - moment)
        slots = [one.look_at for one in self._watched.values() if one.look_at is not None]
        if slots and moment >= self._away_until:
            wait_s = min(wait_s, max(0.0, (min(slots) - self._clock()).total_seconds()))
        return wait_s

    def _notice_jump(self, now: datetime) -> None:
        """Look at everything when the clock was set, or the machine slept."""
        moment = time.monotonic()
        jump_s = (now - self._now).total_seconds() - (moment - self._moment)
        self._now, self._moment = now, moment
        if abs(jump_s) > JUMP_SECONDS:
            way = "forward" if jump_s > 0 else "back"
            self._teller.note(
                f"the clock went {way} by {timedelta(seconds=round(abs(jump_s)))}", now
            )
            self._sure_at = self._look_at = 0.0
            for one in self._watched.values():
                one.look_at = one.look_at and now

    # -- what there is to do

    def _work(self) -> None:
        self._look()
        self._start(self._clock())

    def _look(self) -> None:
        """See what has moved in the store, and which schedules are due."""
        moment, now = time.monotonic(), self._clock()
        looks = [one.look_at for one in self._watched.values() if one.look_at is not None]
        if moment < self._look_at and all(look > now for look in looks):
            return
        self._look_at = moment + LOOK_SECONDS
        sequence = self._store.backend.sequence()
        if self._has_waited(moment):
            now = self._clock()
        if sequence != self._sequence:
            self._see(now)
            self._sequence = sequence
        # Not before: what there is can be told where nothing can be written.
        if moment >= self._sure_at or not self._store.shared:
            self._settle(now)
            self._sure_at = moment + SURE_SECONDS
        while self._later and self._later[0][0] <= moment:
            self._push(_FIRST, self._later.pop(0)[1])
        for one in self._watched.values():
            if one.look_at is not None and one.look_at <= now and (found := self._decide(one, now)):
                self._push(found[0], one)

    def _see(self, now: datetime) -> None:
        """See which heads, pauses and entries of the queue there are."""
        lines, before = self._lines.look(), self._watched
        self._watched = {id(line): before.get(id(line)) or Watched(line, now) for line in lines}
        waited = self._waited_in_vain(
            [before[one] for one in before.keys() - self._watched.keys()], now
        )
        if not before:  # it was perhaps another `ork up` that was to retry them
            waited += hooks.unfinished(self._store, lines, now)
        for run in waited:
            if not fires.retries_of(self._store, run):
                self._let_be(run, "its schedule is gone", now)
        for workflow, error in self._lines.wrong.items():
            self._teller.complain(workflow, error, now)
        # Whoever pauses, resumes, or takes that back, writes an operation. What is decided moves
        # as well when a person has fired, or another daemon.
        before_ops, ops = self._ops, self._store.ref("ops")
        if ops != before_ops:
            self._written(now)
            self._leave_out_gone(now)
        self._ops = ops
        decided, self._decided = self._decided, dict(self._store.backend.survey("decided/"))
        for one in self._watched.values():
            ref = decided_ref(one.line.workflow, one.line.schedule)
            moved = self._decided.get(ref) != decided.get(ref)
            if ops != before_ops or one.goes_on or moved:
                one.look_at = one.look_at and now
        self._paused = {workflow for workflow, _ in self._store.refs("paused/")}
        self._teller.note_schedules(lines, self._paused, now)
        damage: list[Corrupt] = []
        try:
            waiting = queue.waiting(self._store, damage)
        except Corrupt as error:
            self._teller.complain("", error, now)
            return
        for lost in damage[:1]:
            self._teller.complain("", lost, now)
        names = {line.workflow for line in lines} | {entry.workflow for entry in waiting}
        self._teller.note_secrets(self._lacking(names), now)
        every = (*(whose for *_, whose in self._ready), *self._asked.values())
        taken = {whose.id for whose in every if isinstance(whose, Queued)}  # are ready, or begin
        for entry in waiting:
            if entry.id not in taken:
                self._push(entry.entry.time, entry)

    def _lacking(self, workflows: Container[str]) -> set[tuple[str, str]]:
        """Return the secrets that are not set here, each with a workflow that needs it."""
        return {
            (secret, workflow)
            for secret, its in self._secrets.look().items()
            for workflow in its
            if secret not in self._environ and workflow in workflows
        }

    def _leave_out_gone(self, now: datetime) -> None:
        """Record what was due of schedules that went since we looked last, and is not decided."""
        try:
            for line, skips in gone(self._store, self._ops, after=now - GONE_MAX):
                with suppress(Conflict):  # another process has done so
                    fires.leave_out(self._store, line.workflow, line.schedule, skips)
                    self._teller.left_out(line.workflow, skips, now)
        except Corrupt as error:
            self._teller.complain("", error, now)

    def _waited_in_vain(self, gone: list[Watched], now: datetime) -> list[Run]:
        """Return the runs that schedules which are gone were to retry: as they are by now.

        One may have failed since its schedule was looked at.
        """
        with suppress(Corrupt):  # told by whoever decides about that line
            its = [state.run for state in fires.states(self._store, [one.line for one in gone])]
            pairs = zip(gone, its, strict=True)
            return [run for one, run in pairs if run and _retry_at(one, run, now) is not None]
        return []

    def _decide(self, one: Watched, now: datetime) -> tuple[datetime, Work] | None:
        """Return what is to be started for a schedule, and since when; None if nothing now.

        What is to be left out is recorded here.
        """
        line = one.line
        if self._watched.get(id(line)) is not one:
            return None  # its head has other schedules by now
        try:
            due = next(fires.due(self._store, [line], now))
            if (decision := due.decision) is None:  # paused
                one.look_at, one.goes_on = now + timedelta(days=1), False
                return None
            if due.ahead is not None:
                self._teller.complain(line.workflow, _ahead(line.workflow, due.ahead), now)
            decision = self._truly(one, decision)
            run = due.state.run
            at = None if run is None else _retry_at(one, run, now)
            # What is late by then is not made up for with `none`, so it does not wait for a retry.
            if at is not None and at <= now and line.schedule.catchup != "none":
                decision = replace(decision, fire=None)
            if decision.fire is None and decision.skips:
                fires.leave_out(self._store, line.workflow, line.schedule, decision.skips)
                self._teller.left_out(line.workflow, decision.skips, now)
                one.waited = None
                self._written(now)
        except Conflict:  # another process has decided
            one.look_at = now
            return None
        except OrkError as error:
            if isinstance(error, StoreError) and not isinstance(error, Corrupt):
                raise
            self._teller.complain(line.workflow, error, now)
            one.look_at = now + timedelta(seconds=AGAIN_SECONDS)
            return None
        held = due.state.going is not None and due.state.going.holds
        one.goes_on = run is not None and (run.ended is None or held)
        failed, one.failed = one.failed, run if at is not None else None
        if failed is not None and run is not None and run.id != failed.id:
            self._let_be(failed, f"{run.name} was started", now)
        before, one.held = one.held, (run.id, run.attempt) if run and held and at is None else None
        if run is not None and one.held not in (None, before):
            self._note_held(run, now)
        self._note_behind(one, due, now)
        # Whoever has recorded its end may have executed nothing, or was killed before it could.
        cut_off = run if run and at is None and run.state == "interrupted" else None
        if cut_off is not None and hooks.is_lacking(self._store, cut_off, now):
            self._finish(cut_off, now)
        if decision.fire is not None:
            one.look_at = None
            key = key_of(line.schedule)
            return decision.fire, Fire(workflow=line.workflow, key=key, decision=decision, now=now)
        one.look_at = decision.wake
        if run is None or at is None:
            return None
        if at > now:
            one.look_at = min(decision.wake, at)
            return None
        one.look_at = None
        return at, Retry(workflow=run.workflow, id=run.id, attempt=run.attempt, now=now)

    def _truly(self, one: Watched, decision: Decision) -> Decision:
        """Return a decision with the reason for what was left out though we were up.

        The store was away, or could not be written, or too many runs went on.
        """
        away = (self._away_since, AWAY) if self._away_since else None
        for since, why in filter(None, (away, one.waited)):
            parts = (told_apart(one.line.schedule, it, since, why) for it in decision.skips)
            decision = replace(decision, skips=tuple(chain.from_iterable(parts)))
        return decision

    def _push(self, since: datetime, whose: Whose) -> None:
        self._count += 1
        heappush(self._ready, (since, self._count, whose))

    def _start(self, now: datetime) -> None:
        """Start what is ready, whatever waits longest first, as long as there is a place.

        Hooks need none, and come first: one that hangs keeps no run from being started.
        Runs that make up for slots of one workflow come one after the other, and none while their
        schedule is held back. Where no more runs of a workflow may go on, what is ready of it
        waits, and all that is behind it in the queue.
        """
        asked = self._asked.items()
        going = {whose.workflow for child, whose in asked if child.works and _makes_up(whose)}
        full: set[str] = set()
        held: set[tuple[str, str]] | None = None
        later: list[Ready] = []
        try:
            while self._ready:
                _, _, whose = self._ready[0]
                if not isinstance(whose, Finish) and self._children.working >= self._options.jobs:
                    break
                behind = isinstance(whose, Queued) and whose.workflow in full
                if _makes_up(whose):
                    held = self._held_back() if held is None else held
                    behind = behind or whose.workflow in going or _line_of(whose) in held
                if behind:
                    later.append(heappop(self._ready))
                    continue
                work = self._work_for(whose, now)
                if work is not None and self._must_wait(whose, work, now):
                    full.add(work.workflow)
                    later.append(heappop(self._ready))
                    continue
                child = self._children.start(work, self._secrets.look()) if work else None
                heappop(self._ready)
                if child is not None:
                    self._asked[child] = whose
                    hear = partial(self._hear, child)
                    self._selector.register(child.socket, EVENT_READ, hear)
                    going |= {whose.workflow} if _makes_up(whose) else set()
        finally:
            for one in later:
                heappush(self._ready, one)
        if self._children.working >= self._options.jobs:
            self._note_taken()

    def _note_taken(self) -> None:
        """Remember which slots wait for a place."""
        why = fires.places(self._options.jobs, "was", "were")
        for since, _, whose in self._ready:
            if isinstance(whose, Watched) and whose.waited is None:
                whose.waited = since, why

    def _work_for(self, whose: Whose, now: datetime) -> Work | None:
        """Return what is to be started by now for what was ready; None if nothing any more."""
        if isinstance(whose, Finish):
            return whose
        if isinstance(whose, Watched):
            found = self._decide(whose, now)
            return found[1] if found else None
        if self._store.ref(f"queue/{whose.workflow}/{whose.id}") == whose.oid:
            pin = self._store.ref(whose.entry.fire) if whose.entry.fire else None
            if pin is None:
                return Take(workflow=whose.workflow, id=whose.id, now=now)
            self._take_out(whose, pin, now)
        return None  # taken by another process, or taken back

    def _take_out(self, queued: Queued, pin: Oid, now: datetime) -> None:
        """Let a run wait no more that was to make up for a slot: there is another for that."""
        try:
            queue.remove(self._store, queued)
            run = self._store.get(Run, pin)
        except Conflict:
            return
        except Corrupt as error:
            self._teller.complain(queued.workflow, error, now)
            return
        which = f"a run of {queued.workflow} is taken out of the queue"
        slot = f"{run.scheduled:%Y-%m-%d %H:%M:%S} UTC"
        self._teller.note(f"{which}: {run.name} was started for its slot, {slot}", now)

    def _note_held(self, run: Run, now: datetime) -> None:
        name, workflow = run.name, run.workflow
        how = run.state if run.state == "failed" else f"was {run.state}"
        goes = f"`ork retry {name}`, or `ork schedule resume {workflow}`, lets it go on"
        self._teller.note(f"{workflow} is held back: {name} {how}; {goes}", now)

    def _note_behind(self, one: Watched, due: fires.Due, now: datetime) -> None:
        """Tell once that slots wait for the end of a run, as `overlap: queue` lets them."""
        going = fires.goes_before(due, now)
        name = going.name if going and one.line.schedule.overlap == "queue" else None
        before, one.behind = one.behind, name
        if name not in (None, before):
            workflow = one.line.workflow
            self._teller.note(f"{workflow} waits: {name} goes on, and `overlap` is queue", now)

    def _held_back(self) -> set[tuple[str, str]]:
        """Return the schedules that a run which failed holds back: workflow, and key in refs."""
        lines = (one.line for one in self._watched.values())
        some = [line for line in lines if line.schedule.after_failure == "hold"]
        found = holding(self._store, some) if some else ()
        return {(line.workflow, key_of_refs(line.schedule)) for line, _ in found}

    def _must_wait(self, whose: Whose, work: Work, now: datetime) -> bool:
        """Say whether too many runs of a workflow go on for one more; tell once which these are."""
        match work:
            case Fire():
                deploy: str | None = self._store.ref(f"workflows/{work.workflow}")
            case Retry():
                deploy = run_of_id(self._store, work.workflow, work.id)[1].deploy
            case _:
                deploy = whose.entry.deploy if isinstance(whose, Queued) else None
        room = queue.room_for(self._store, work.workflow, deploy)
        if room is None:
            return False
        for child in self._asked:
            begins = child.pinned is None and not isinstance(child.work, Finish)
            if begins and child.work.workflow == work.workflow:
                return True  # it is counted in a moment
        others = in_the_way(self._store, room)
        if not others:
            self._waits.pop(work.workflow, None)
            return False
        why = going_on(others)
        if isinstance(whose, Watched) and whose.waited is None:
            since = work.slot if isinstance(work, Fire) else now
            whose.waited = since, f"{names(others)} went on"
        if self._waits.get(work.workflow) != why:
            self._waits[work.workflow] = why
            self._teller.note(
                f"{work.workflow} waits: {why}, and `max_active_runs` is {room.most}", now
            )
        return True

    # -- what children tell

    def _hear(self, child: Child) -> None:
        now = self._clock()
        for answer in child.hear():
            match answer:
                case Born() if self._signal is not None:
                    child.signal(self._signal)
                case Pinned():
                    self._began(child, answer, now)
                case Hooked(state=str() as state):
                    self._hooked[state] += 1
                case Hooked():
                    self._hooks[child] = answer, time.monotonic() + HOOK_SECONDS
                case Over() if child.pinned is not None:
                    self._teller.troubles.pop(child.work.workflow, None)
                    self._teller.tell(_ended(child.work.workflow, child.pinned, answer, now))
                    child.told = True
                case Failed():
                    child.told = True
                    self._failed(child, answer, now)
        if child.ended:
            self._gone(child, now)

    def _began(self, child: Child, pinned: Pinned, now: datetime) -> None:
        self._written(now)
        work, slot = child.work, None
        if isinstance(work, Fire):
            slot = work.slot
            self._fires += 1
            self._lag_s = (now - slot).total_seconds()
            self._teller.left_out(work.workflow, work.decision.skips, now)
        whose = self._asked[child]
        if isinstance(whose, Watched):
            whose.waited = None
        why = {Fire: "schedule", Take: "queue", Retry: "retry"}[type(work)]
        told = extended(Began, pinned, time=now, workflow=work.workflow, trigger=why, slot=slot)
        self._teller.tell(told)
        self._look_again(child, now)

    def _look_again(self, child: Child, at: datetime) -> None:
        """Look at what a child works for once more, at this moment."""
        whose = self._asked[child]
        if isinstance(whose, Watched):
            whose.look_at = at

    def _failed(self, child: Child, failed: Failed, now: datetime) -> None:
        """Tell why a child could not do its work, and let it not be tried again and again."""
        workflow = child.work.workflow
        if failed.lost and child.pinned is None:
            self._teller.tell(Lost(time=now, workflow=workflow, reason=failed.message))
            self._look_again(child, now)
            return
        message, hint = failed.message, failed.hint
        if failed.away:
            self._unwritten = True
            self._complain(StoreError(message), now)
            whose = self._asked[child]
            if isinstance(whose, Watched) and isinstance(child.work, Fire) and not whose.waited:
                whose.waited = child.work.slot, UNWRITTEN
        else:
            self._teller.warn(message, hint, now, workflow)
        if child.pinned is not None:
            return
        if isinstance(child.work, Finish):
            if failed.away:  # else the hook was executed, and has failed
                self._later.append((time.monotonic() + AGAIN_SECONDS, child.work))
            return
        self._look_again(child, now + timedelta(seconds=AGAIN_SECONDS))
        if failed.away:
            return
        reason = message.strip().rpartition("\n")[2]  # of a bug the last line tells the most
        try:
            self._give_up(child, reason, now)
        except Conflict:
            pass  # another process has decided
        except OrkError as error:
            self._teller.complain(workflow, error, now)

    def _give_up(self, child: Child, reason: str, now: datetime) -> None:
        """Record that what a child was to do is not done."""
        work, whose = child.work, self._asked[child]
        if isinstance(whose, Watched) and isinstance(work, Fire):
            skip = Skip(count=1, first=work.slot, last=work.slot, reason=reason)
            skips = (*work.decision.skips, skip)
            fires.leave_out(self._store, work.workflow, whose.line.schedule, skips)
            self._teller.left_out(work.workflow, skips, now)
            self._look_again(child, now)
        elif isinstance(whose, Queued):
            queue.remove(self._store, whose)
        elif isinstance(whose, Watched) and isinstance(work, Retry):
            whose.refused = work.id, work.attempt

    def _gone(self, child: Child, now: datetime) -> None:
        """Take note of the end of a child's process."""
        self._selector.unregister(child.socket)
        self._children.forget(child)
        whose = self._asked.pop(child)
        self._hooks.pop(child, None)
        killed = not child.told and not isinstance(whose, Finish)
        if killed:
            self._sure_at = self._look_at = 0.0  # its run, if it has begun, has no owner now
            if child.pinned is None:
                message = "the process of its run was killed before the run began"
                self._teller.warn(message, None, now, child.work.workflow)
        if self._left is not None and child.pinned is not None:
            self._left.append(f"runs/{child.work.workflow}/{child.pinned.run}")
        if isinstance(whose, Finish) and child.pid is None:
            self._push(_FIRST, whose)  # who forks was killed just then, and the hook has not begun
        elif isinstance(whose, Queued):
            self._sequence = -1  # it is gone, or is tried again
        elif isinstance(whose, Watched) and child.pinned is not None:
            whose.look_at = whose.look_at and now
        elif isinstance(whose, Watched) and killed:
            whose.look_at = now + timedelta(seconds=AGAIN_SECONDS)

    def _settle(self, now: datetime) -> None:
        """Put an end to the record of runs whose owners were killed, and execute their hooks."""
        if self._lease is None or not self._lease.held():
            self._lease = fires.hold(self._store, self._since, self._options.jobs)
            if self._lease is None:
                self._note_other(now)
        try:
            for run in record.settling(self._store, now=now):
                self._settled(run, now)
        except Corrupt as error:
            self._teller.complain(None, error, now)
        for run in hooks.lacking(self._store, self._left, now):
            self._finish(run, now)
        self._left = []

    def _settled(self, run: Run, now: datetime) -> None:
        """Tell of the end of a run whose owner was killed, and let it have its hook."""
        pinned = Pinned(run=run.id, number=run.number, attempt=run.attempt)
        if run.scheduled is not None or run.trigger == "queue":  # nobody sits before it
            self._finish(run, now)
        for one in self._watched.values():
            if one.line.workflow == run.workflow:
                one.look_at = one.look_at and now
        how = over(self._store, run, fires.retries_of(self._store, run))
        self._teller.tell(_ended(run.workflow, pinned, how, now))

    def _note_other(self, now: datetime) -> None:
        """Tell once of the `ork up` that works here as well: nobody may have meant two."""
        oid = self._store.ref(fires.UP_REF)
        other = fires.holder(self._store) if oid != self._other else None
        if other is not None and other.since != self._since:  # else it is what we were ourselves
            self._other = oid
            who = f"process {other.pid} on {other.host} is another `ork up` of this store"
            self._teller.note(f"{who}: each slot is fired by one of them", now)

    def _let_be(self, run: Run, why: str, now: datetime) -> None:
        """Tell why a run that failed is not retried any more, and let it have its hook."""
        self._teller.note(f"{run.name} is not retried: {why}", now)
        self._teller.ended[run.state] += 1
        self._finish(run, now)

    def _finish(self, run: Run, now: datetime) -> None:
        """Let the hook of a run be executed, if by now it has one."""
        if (run.id, run.attempt) in self._finished:
            return
        self._finished.add((run.id, run.attempt))
        self._push(_FIRST, Finish(workflow=run.workflow, id=run.id, now=now))

    def _written(self, now: datetime) -> None:
        """Take note of it that something could be written."""
        if self._unwritten:
            self._unwritten = False
            self._teller.troubles.pop(None, None)
            self._teller.note("the store can be written again", now)

    def _note_hooks(self) -> None:
        """Tell once of each hook that it goes on and on."""
        late = [it for it in self._hooks.items() if time.monotonic() >= it[1][1]]
        for child, (hook, _) in late:
            del self._hooks[child]
            message = f"the hook {hook.which} of {hook.name} has gone on for {HOOK_SECONDS:.0f} s"
            hint = f"it is killed after {hooks.TIMEOUT_S:.0f} s; `ork show {hook.name}`"
            self._teller.warn(message, hint, self._clock(), child.work.workflow)

    def _patiently(self, act: Callable[[], None]) -> None:
        """Do something with the store; when that cannot be used, wait for it and open it anew."""
        moment, began = time.monotonic(), self._clock()
        if moment < self._away_until:
            return
        try:
            if self._away or self._identity != location.identity(self._folder):
                self._let_go()
                self._store.close()
                store = opened_again(self._opened)
                self._store, self._identity = store, location.identity(self._folder)
                self._reread()
                self._sure_at = 0.0
            act()
        except StoreError as error:
            if not self._away:
                self._away, self._away_since = True, self._well_at
            self._away_until = moment + AGAIN_SECONDS
            self._complain(error, self._clock())
            return
        self._has_waited(moment)
        self._well_at = began
        if self._away:
            self._away = self._unwritten = False
            self._teller.troubles.pop(None, None)
            self._teller.note("the store can be used again", self._clock())

    def _complain(self, error: StoreError, now: datetime) -> None:
        """Tell that the store cannot be used, and what is to be done, if that is anything."""
        is_lasting = isinstance(error, Corrupt | OtherFormat)
        error = error if is_lasting else StoreError(error.message, hint=WAITS)
        self._teller.complain(None, error, now)

    def _has_waited(self, moment: float) -> bool:
        """Say whether the store was waited for since then: its server is started again."""
        waited = time.monotonic() - moment > JUMP_SECONDS
        if waited:
            self._away_since = self._well_at
        return waited

    # -- the page

    def _tend(self, page: Page) -> None:
        """Start the page when it is time to, and tell it how we are."""
        moment, ok = time.monotonic(), not (self._away or self._unwritten)
        if not page.runs:
            if moment >= page.start_at and page.start():
                self._hear_from(page)
        elif moment >= self._beat_at or ok != self._beat_ok:
            self._beat_at, self._beat_ok = moment + BEAT_SECONDS, ok
            page.beat(
                {
                    "time": self._clock().isoformat(),
                    "fires": self._fires,
                    "skips": self._teller.skips,
                    "ended": self._teller.ended,
                    "hooks": self._hooked,
                    "places": self._options.jobs if self._options.schedule else 0,
                    "lag_s": self._lag_s,
                    "running": self._children.working,
                    "ok": ok,
                }
            )

    def _hear_from(self, page: Page) -> None:
        descriptor = page.descriptor
        self._selector.register(descriptor, EVENT_READ, lambda: self._hear_page(page, descriptor))

    def _prepare(self) -> None:
        if self._options.schedule:
            with suppress(OSError):  # it is tried again when a child is to start
                self._children.prepare()

    def _hear_page(self, page: Page, descriptor: int) -> None:
        url = page.hear()
        if url is not None:
            self._teller.tell(Listening(time=self._clock(), url=url))
            self._beat_at = 0.0
            self._prepare()  # not before: the page takes the longest to begin
        elif not page.runs:
            self._selector.unregister(descriptor)
            wait_s = page.start_at - time.monotonic()
            message = f"the page has ended by itself; it is started again in {wait_s:.0f} s"
            self._teller.warn(message, None, self._clock())

    def _close_page(self, page: Page) -> None:
        if page.runs:
            self._selector.unregister(page.descriptor)
            page.close()
        page.start_at = 0.0

    # -- the end

    def _end(self) -> Iterator[None]:
        """Let runs end for a grace, then stop them; yield when there may be something to tell.

        Asked again, kill them. A child that does not end even then is killed itself, and whoever
        comes next says so in the record of its run.
        """
        asked = 0  # 1: to stop, 2: to kill what runs, 3: killed itself
        limit = time.monotonic() + self._options.grace_s
        self._note_end()
        yield
        while self._children.living:
            late = time.monotonic() >= limit
            wanted = 2 if self._control.stops > 1 else 0
            if late:
                wanted = max(wanted, min(asked + 1, 3))
            if wanted > asked:
                asked, limit = wanted, time.monotonic() + END_SECONDS
                self._signal = (STOP, KILL, signal.SIGKILL)[asked - 1]
                self._children.signal(self._signal)
            left_s = LOOK_SECONDS if asked == 3 else limit - time.monotonic()
            for key, _ in self._selector.select(max(0.0, min(LOOK_SECONDS, left_s))):
                key.data()
            if self._page is not None:
                self._tend(self._page)
            yield
        self._teller.note("ork up has ended", self._clock())
        yield

    def _note_end(self) -> None:
        if living := len(self._children.living):
            number = self._children.working
            hooks = [count(living - number, "hook")] if number < living else []
            runs = " and ".join(([count(number, "run")] if number else []) + hooks)
            words = f"{runs} may take {self._options.grace_s:g} s to end"
            self._teller.note(f"ending: {words}; asked again, they are killed", self._clock())

    def _wake(self) -> None:
        """Let the loop look around; called by signals."""
        with suppress(OSError):  # it knows already
            self._button.send(b"!")

    def _let_go(self) -> None:
        """Let go of the lease that says that this `ork up` works."""
        if self._lease is not None and self._away:
            self._lease.release()
        elif self._lease is not None:
            fires.let_go(self._store, self._lease)
        self._lease = None

    def _close(self) -> None:
        self._control.wake = lambda: None
        if self._page is not None:
            self._close_page(self._page)
        self._children.close()
        self._let_go()
        for thing in (self._selector, self._bell, self._button, self._store):
            thing.close()


def _makes_up(whose: Whose) -> TypeGuard[Queued]:
    """Say whether it is a run that waits and makes up for a slot."""
    return isinstance(whose, Queued) and whose.entry.fire is not None


def _line_of(queued: Queued) -> tuple[str, str]:
    """Return whose slot a run makes up for: the workflow, and the key of its schedule in refs."""
    slot = (queued.entry.fire or "").rpartition("/")[2]
    return queued.workflow, slot.partition(".")[2]


def _ahead(workflow: str, ahead: datetime) -> OrkError:
    until = f"{ahead:%Y-%m-%d %H:%M:%S} UTC"
    return OrkError(
        f"a clock that was ahead has decided about all slots up to {until}; none before is fired",
        hint=f"`ork schedule resume {workflow}` begins anew now",
    )


def _retry_at(one: Watched, run: Run, now: datetime) -> datetime | None:
    """Return when the newest run of a schedule is to be retried; None if it is not."""
    coming = fires.coming_retry(one.line.schedule, run, now)
    return None if coming is None or one.refused == (run.id, run.attempt) else coming.time


def _ended(workflow: str, pinned: Pinned, over: Over, now: datetime) -> Ended:
    retries = over.retries if over.state in fires.RETRIED else 0
    over = replace(over, retries=max(0, retries - pinned.attempt + 1))
    its = {"workflow": workflow, "number": pinned.number, "run": pinned.run}
    return extended(Ended, over, time=now, **its)
