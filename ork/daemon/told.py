"""What the daemon tells: one value for each thing that happens, in the order in which it happens.

Each is told after what it tells of is durable.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

from ork.objects.value import Value


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
