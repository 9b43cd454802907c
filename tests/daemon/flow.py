"""A workflow with a schedule, and what is due of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from ork.daemon import fires, lines
from ork.daemon.fires import Due
from ork.objects.kinds import Run
from ork.runner.events import RunFinished
from ork.runner.start import Caller
from ork.store.store import Store
from tests.stores import NOON, stamp

MINUTE = timedelta(minutes=1)
FLOW = """\
name: etl
schedule: {schedule}
tasks:
  load: {{executor: process, command: '{command}'}}
"""
Write = Callable[..., object]


def caller(now: datetime, **fields: object) -> Caller:
    """Return who fires at a moment, in an empty environment."""
    author = stamp((now - NOON) / timedelta(hours=1))
    return Caller(stamp=author, now=now, environ={}, **fields)


def due(store: Store, now: datetime) -> Due:
    """Return what is due of the only line there is."""
    (only,) = fires.due(store, lines.Lines(store).look(), now)
    return only


def fire(store: Store, now: datetime, one: Due | None = None) -> Run:
    """Fire what is due; return the run as it has ended."""
    one = one or due(store, now)
    assert one.decision is not None
    started = fires.fire(store, "etl", one.line.schedule, one.decision, caller(now))
    *_, last = started.events
    assert isinstance(last, RunFinished)
    return last.run


def decisions(store: Store, now: datetime) -> list[object]:
    """Fire and leave out until nothing is due; return the minutes after noon, and what is left out.

    That is how many slots, and why.
    """
    done: list[object] = []
    while (decision := (one := due(store, now)).decision) and decision.decided:
        done += [(skip.count, skip.reason) for skip in decision.skips]
        if decision.fire:
            fire(store, now, one)
            done.append((decision.fire - NOON) / MINUTE)
        else:
            fires.leave_out(store, "etl", one.line.schedule, decision.skips)
    return done
