"""What hangs, or cannot be written, keeps nothing else from going on, and is told once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from ork.daemon import loop
from ork.daemon.loop import Control, Daemon, Options
from ork.daemon.told import Began, Told, Trouble
from ork.store import location
from tests.conftest import Ork

pytestmark = pytest.mark.slow
FLOW = """\
name: {name}
schedule: {schedule}
on_failure: {{command: 'touch begun; until test -e go; do sleep 0.05; done'}}
tasks: {{t: {{executor: process, command: '{command}'}}}}
"""


def deploy(ork: Ork, name: str, schedule: str, command: str = "true") -> None:
    ork.write(f"{name}.yaml", FLOW.format(name=name, schedule=schedule, command=command))
    assert ork("deploy", f"{name}.yaml").code == 0


class Within:
    """A daemon in this process, by the real clock."""

    def __init__(self, ork: Ork, jobs: int) -> None:
        self.control = Control()
        self.daemon = Daemon(
            lambda: location.open_store(ork.folder / ".ork", environ=ork.environ),
            Options(jobs=jobs),
            self.control,
            clock=lambda: datetime.now(UTC),
            environ=ork.environ,
            author="ada",
        )
        self.told: list[Told] = []

    def events(self) -> Iterator[Told]:
        """Yield what it tells, and keep that."""
        for one in self.daemon.events():
            self.told.append(one)
            yield one

    def troubles(self) -> list[str]:
        return [one.message for one in self.told if isinstance(one, Trouble)]


def test_a_hook_that_hangs_holds_no_place(ork: Ork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "HOOK_SECONDS", 0.0)
    deploy(ork, "bad", "{every: 300d, after_failure: fire}", "exit 1")
    assert ork("schedule", "fire", "bad").code == 0
    up, good = Within(ork, jobs=1), 0
    for one in up.events():
        if isinstance(one, Trouble) and not good:
            deploy(ork, "good", "{every: 1s}")
        if isinstance(one, Began) and one.workflow == "good":
            good += 1
            assert not (ork.folder / "go").exists()
        if good == 2:
            ork.write("go", "")
            up.control.stop()
    assert good == 2
    assert up.troubles() == ["the hook on_failure of bad#1 has gone on for 0 s"]
    (trouble,) = (one for one in up.told if isinstance(one, Trouble))
    assert (trouble.workflow, trouble.hint) == ("bad", "it is killed after 300 s; `ork show bad#1`")
