"""docs/schedules.md: what it shows can be written, and means what it says."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ork.definition.workflow import HOOKS, parse
from ork.schedule.schedule import KEYS, Schedule, schedules_of
from ork.schedule.times import slots

PAGE = (Path(__file__).parents[2] / "docs/schedules.md").read_text()
EXAMPLES = re.findall(r"(?ms)^```yaml\n(.*?)^```", PAGE)
ROWS = re.findall(r"(?m)^\| `([^`]+)` \| ([^|]*) \| ([^|]*\+0[12]00) \|$", PAGE)
TASKS = """\
params: {region: {type: str, default: us}, day: {type: date, default: 2026-01-01}}
tasks: {t: {executor: process, command: ls}}
"""


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_can_be_written(example: str) -> None:
    settings = parse(f"name: w\n{TASKS}{example}".encode(), file="w.yaml").settings
    assert settings.keys() & {"schedule", "max_active_runs", *HOOKS}
    assert bool(schedules_of(settings)) == ("schedule:" in example)


def test_there_are_examples_of_every_key() -> None:
    assert len(EXAMPLES) >= 3
    for key in KEYS:
        assert any(f"{key}:" in example for example in EXAMPLES), key
        assert f"| `{key}` |" in PAGE


@pytest.mark.parametrize(("line", "spring", "autumn"), ROWS)
def test_the_table_of_changed_clocks_is_true(line: str, spring: str, autumn: str) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    schedule = Schedule(cron=line, timezone="Europe/Berlin")
    for day, said in (("2026-03-29", spring), ("2026-10-25", autumn)):
        begin, end = (
            datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=berlin).astimezone(UTC)
            for clock in ("01:15", "03:35")
        )
        found = []
        for slot in slots(schedule, begin):
            if slot > end:
                break
            found.append(f"{slot.astimezone(berlin):%H:%M %z}")
        assert ", ".join(found) == said.replace("never", "")


def test_the_table_has_its_rows() -> None:
    assert len(ROWS) == 4
