"""What the daemon tells: one value for each thing that happens, in the order in which it happens.

Each is told after what it tells of is durable. The teller collects them, and repeats no trouble.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import TypeAlias

from ork.daemon.lines import Line
from ork.errors import OrkError, some
from ork.objects.value import Value, extended
from ork.schedule.policy import Skip
from ork.schedule.schedule import Schedule
from ork.schedule.times import next_slot

NAMES_MAX = 10  # of workflows in a message


class Up(Value, frozen=True, kw_only=True):
    """The daemon has begun, or has read everything again.

    `next` is the soonest slot of all, `workflow` whose it is.
    """

    time: datetime
    workflows: int
    schedules: int
    paused: int
    jobs: int  # runs at once; 0: it fires nothing, and only serves the page
    next: datetime | None = None
    workflow: str | None = None


class Listening(Value, frozen=True, kw_only=True):
    """The page answers at this address, which has its token."""

    time: datetime
    url: str


class Began(Value, frozen=True, kw_only=True):
    """A run has begun: its pin is durable.

    `trigger` is "schedule", "queue" or "retry"; `slot` the moment for which a schedule started it;
    `folder` the checkout in which it is executed, where the files are not as in its version.
    """

    time: datetime
    workflow: str
    number: int
    run: str  # its id
    trigger: str
    attempt: int = 1
    slot: datetime | None = None
    folder: str | None = None


class Ended(Value, frozen=True, kw_only=True):
    """A run has ended, in a process of this daemon, or was found without its owner.

    `retries` is how often it may be retried yet, if it did not succeed; `folder` the checkout in
    which its tasks have left files, if they have.
    """

    time: datetime
    workflow: str
    number: int
    run: str
    state: str
    reason: str | None = None
    seconds: float | None = None
    retries: int = 0
    folder: str | None = None


class Scheduled(Value, frozen=True, kw_only=True):
    """A workflow has other schedules than before, so many.

    `next` is the soonest slot of them, if it is not paused.
    """

    time: datetime
    workflow: str
    schedules: int
    next: datetime | None = None


class LeftOut(Value, frozen=True, kw_only=True):
    """Slots for which no run was started, and it is recorded why."""

    time: datetime
    workflow: str
    count: int
    first: datetime
    last: datetime
    reason: str


class Lost(Value, frozen=True, kw_only=True):
    """Another process was faster: with a slot, an entry of the queue, a retry."""

    time: datetime
    workflow: str
    reason: str


class Trouble(Value, frozen=True, kw_only=True):
    """Something went wrong, in this workflow or, without one, here; the daemon goes on."""

    time: datetime
    message: str
    hint: str | None = None
    workflow: str | None = None


class Note(Value, frozen=True, kw_only=True):
    """Something that whoever reads along may want to know."""

    time: datetime
    message: str


Told: TypeAlias = Up | Listening | Began | Ended | Scheduled | LeftOut | Lost | Trouble | Note


class Teller:
    """Collects what is to be told, and tells of each trouble once, until there is another."""

    def __init__(self) -> None:
        self.troubles: dict[str | None, str] = {}  # workflow -> what was told last of it
        self.schedules: dict[str, list[Schedule]] | None = None  # None: none were told yet
        self.skips = 0  # slots that were left out
        self.ended: Counter[str] = Counter()  # state -> runs that have ended so for good
        self._lacking: set[tuple[str, str]] = set()  # secrets that were told, and for whom
        self._told: list[Told] = []

    def take(self) -> list[Told]:
        """Return what has not been told yet."""
        told, self._told = self._told, []
        ends = (one for one in told if isinstance(one, Ended) and not one.retries)
        self.ended.update(one.state for one in ends)
        return told

    def tell_again(self) -> None:
        """Tell anew of what is still wrong, or still lacking."""
        self.troubles, self._lacking = {}, set()

    def tell(self, one: Told, *, first: bool = False) -> None:
        """Let something be told, after all else or before it."""
        self._told.insert(0 if first else len(self._told), one)

    def note(self, message: str, now: datetime) -> None:
        self.tell(Note(time=now, message=message))

    def warn(
        self, message: str, hint: str | None, now: datetime, workflow: str | None = None
    ) -> None:
        self.tell(Trouble(time=now, message=message, hint=hint, workflow=workflow))

    def complain(self, workflow: str | None, error: OrkError, now: datetime) -> None:
        """Tell what is wrong, of each workflow once until something else is."""
        if self.troubles.get(workflow) != error.message:
            self.troubles[workflow] = error.message
            self.warn(error.message, error.hint, now, workflow or None)

    def left_out(self, workflow: str, skips: Iterable[Skip], now: datetime) -> None:
        for skip in skips:
            self.skips += skip.count
            self.tell(extended(LeftOut, skip, time=now, workflow=workflow))

    def note_schedules(self, lines: Iterable[Line], paused: Collection[str], now: datetime) -> None:
        """Tell which workflows have other schedules than before."""
        found: dict[str, list[Schedule]] = {}
        for line in lines:
            found.setdefault(line.workflow, []).append(line.schedule)
        before, self.schedules = self.schedules, found
        if before is None:
            return
        for workflow in sorted(before.keys() | found.keys()):
            its = found.get(workflow, [])
            if its != before.get(workflow, []):
                awake = () if workflow in paused else its
                soonest = min(filter(None, (next_slot(one, now) for one in awake)), default=None)
                self.tell(Scheduled(time=now, workflow=workflow, schedules=len(its), next=soonest))

    def note_secrets(self, lacking: set[tuple[str, str]], now: datetime) -> None:
        """Tell which secrets are not set, each with the workflows that need it, of each once."""
        new: dict[str, list[str]] = {}
        for secret, workflow in sorted(lacking - self._lacking):
            new.setdefault(secret, []).append(workflow)
        self._lacking = lacking
        for secret, whose in new.items():
            need = f"{some(whose, NAMES_MAX)} need{'s' if len(whose) == 1 else ''}"
            message = f"the secret {secret}, which {need}, is not set in the environment of ork up"
            hint = "start ork up again with it; a service has it from its EnvironmentFile"
            self.warn(message, hint, now)
