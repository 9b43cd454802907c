"""Which cron lines are ones."""

from __future__ import annotations

import pytest

from ork.definition.schedule import schedule_error


@pytest.mark.parametrize(
    "line",
    [
        "* * * * *",
        "0 2 * * *",
        "*/5 0-23/2 1,15 jan-dec mon-fri",
        "0 0 1 1 0",
        "59 23 31 12 7",
        "0 0 * * SUN",
        "0 0 * * fri-sun",
        "0  0 * * 5-7",
        "0/15 * * * *",
        "@hourly",
        "@Daily",
        "@weekly",
        "@monthly",
        "@yearly",
        "@annually",
        "@midnight",
        "0 9 * * monday",
    ],
)
def test_these_are_schedules(line: str) -> None:
    assert schedule_error(line) is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("* * * *", "five fields, this has 4"),
        ("* * * * * *", "five fields, this has 6"),
        ("60 * * * *", "minute: 60 is not within 0-59"),
        ("* 24 * * *", "hour: 24"),
        ("* * 0 * *", "day of month: 0"),
        ("* * * 13 *", "month: 13"),
        ("* * * * 8", "week: 8"),
        ("5-1 * * * *", "runs backwards"),
        ("*/0 * * * *", "a step of 0"),
        ("* * * * foo", "foo"),
        ("@reboot", "unknown schedule '@reboot'"),
        ("1,,2 * * * *", "cannot read ''"),
        ("*-3 * * * *", "cannot read"),
        ("? * * * *", "cannot read '?'"),
        ("-1 * * * *", "-1"),
        ("* * L * *", "cannot read 'l'"),
        ("1.5 * * * *", "cannot read"),
        ("* jan * * *", "'jan'"),
    ],
)
def test_these_are_none(line: str, message: str) -> None:
    assert message in (schedule_error(line) or "")
