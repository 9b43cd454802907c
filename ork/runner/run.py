"""Run a snapshot, and go on with a run that ended before its time."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping

from ork.executors.base import Executor
from ork.runner.events import Event
from ork.runner.loop import Control, Loop
from ork.runner.target import Target, Terms
from ork.store.store import Stamp, Store


def run(
    store: Store,
    target: Target,
    executor: Executor,
    *,
    stamp: Stamp,
    terms: Terms | None = None,
    host: str = "",
    environ: Mapping[str, str] | None = None,
    control: Control | None = None,
    token: str | None = None,
) -> Iterator[Event]:
    """Execute a snapshot and record it; yield what happens.

    The first event comes after the pin is durable and before any task starts. A task that fails is
    an event, not an exception. Closing the iterator early stops the run and records it as
    cancelled; what goes wrong in ork itself is raised, and recorded as interrupted. The executor is
    closed at the end, and no child is left.
    """
    loop = Loop(
        store,
        target,
        terms or Terms(),
        executor,
        os.environ if environ is None else environ,
        control or Control(),
    )
    try:
        yield from loop.begin(stamp, host, token or f"{random.getrandbits(24):06x}")
        while not loop.done:
            yield from loop.turn()
        yield loop.end()
    except Exception as error:
        loop.failure = str(error).partition("\n")[0] or type(error).__name__
        raise
    finally:
        loop.abandon()
