"""`ork up` while its store cannot be used: told once, until it really can be again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from ork.daemon import loop
from ork.daemon.loop import Control, Daemon, Options
from ork.daemon.told import LeftOut, Note, Trouble
from ork.errors import StoreError
from ork.runner import record
from ork.store import location
from ork.store.store import Store
from tests.daemon.flow import FLOW
from tests.stores import NOON


@pytest.mark.slow
def test_a_store_that_can_be_read_alone_is_not_said_to_be_well(
    project: Store, keep: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(FLOW.format(schedule="{every: 1h, catchup: none}", command="true"))
    times = [NOON + timedelta(minutes=55)]
    tried = []

    def settling(store: Store, *, now: datetime) -> list[record.Run]:
        tried.append(now)
        times.append(NOON + timedelta(hours=1, minutes=5))
        if len(tried) < 3:
            raise StoreError("the disk is full")
        return []

    monkeypatch.setattr(record, "settling", settling)
    monkeypatch.setattr(loop, "AGAIN_SECONDS", 0.0)
    control = Control()
    daemon = Daemon(
        lambda: location.open_store(project.folder, environ={}),
        Options(jobs=1),
        control,
        clock=lambda: times[-1],
        environ={},
        author="ada",
    )
    told = []
    for one in daemon.events():
        told.append(one)
        if isinstance(one, LeftOut):
            control.stop()
    assert [one.message for one in told if isinstance(one, Trouble)] == ["the disk is full"]
    notes = [one.message for one in told if isinstance(one, Note)]
    assert notes.count("the store can be used again") == 1 and len(tried) == 3
    (skip,) = [one for one in told if isinstance(one, LeftOut)]
    assert (skip.count, skip.reason) == (1, "the store could not be used")
