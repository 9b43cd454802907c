"""Schedules in words"""

from __future__ import annotations

import pytest

from ork.schedule.schedule import Schedule
from ork.schedule.words import in_words

LINES = {
    "* * * * *": "every minute",
    "*/15 * * * *": "every 15 minutes",
    "5/20 * * * *": "every 20 minutes from 00:05 to 23:45, UTC",
    "@hourly": "every hour",
    "30 * * * *": "every hour at minute 30",
    "0 2 * * *": "every day at 02:00, UTC",
    "0 2,14 * * *": "every day at 02:00 and 14:00, UTC",
    "0,30 2,14 * * *": "every day at 02:00, 02:30, 14:00 and 14:30, UTC",
    "* 2 * * *": "every minute from 02:00 to 02:59, UTC",
    "0 */2 * * *": "every 2 hours from 00:00 to 22:00, UTC",
    "0 9-17 * * *": "every hour from 09:00 to 17:00, UTC",
    "*/15 9-17 * * mon-fri": "every 15 minutes from 09:00 to 17:45, from Monday to Friday, UTC",
    "0 9 * * mon-fri": "at 09:00 from Monday to Friday, UTC",
    "0 2 * * 1,5": "at 02:00 on Mondays and Fridays, UTC",
    "0 2 * * sun-tue": "at 02:00 on Mondays, Tuesdays and Sundays, UTC",
    "@weekly": "at 00:00 on Sundays, UTC",
    "0 0 1,15 * *": "at 00:00 on the 1st and 15th of the month, UTC",
    "0 0 2,3,11,22 * *": "at 00:00 on the 2nd, 3rd, 11th and 22nd of the month, UTC",
    "0 0 1-7 * *": "at 00:00 from the 1st to the 7th of the month, UTC",
    "@yearly": "at 00:00 on the 1st of January, UTC",
    "0 0 31 1,7 *": "at 00:00 on the 31st of January and July, UTC",
    "0 0 1 6-9 *": "at 00:00 on the 1st of each month from June to September, UTC",
    "0 0 * 1 *": "every day at 00:00, in January, UTC",
    "0 0 * 6-9 mon": "at 00:00 on Mondays, from June to September, UTC",
    # One of two days is enough, which may be any; where both are asked there is no plain sentence.
    "0 0 13 * fri": "at 00:00 on the 13th of the month and on Fridays, UTC",
    "0 0 13 5 fri": "at 00:00 on the 13th of the month and on Fridays, in May, UTC",
    "0 12 1-31 * mon": "every day at 12:00, UTC",
    "0 0 */2 * mon": "0 0 */2 * mon, UTC",
    "0 0 */2 * *": "0 0 */2 * *, UTC",
    " */7 * * * * ": "*/7 * * * *, UTC",
    "0 2 * * sunL": "0 2 * * sunL, UTC",
}


@pytest.mark.parametrize(("line", "words"), LINES.items())
def test_a_line_in_words(line: str, words: str) -> None:
    assert in_words(Schedule(cron=line)) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "every second"),
        (90, "every 90 seconds"),
        (900, "every 15 minutes"),
        (5400, "every 90 minutes"),
        (86_400, "every day"),
        (7 * 86_400, "every 7 days"),
        (4000, "every 1h6m40s"),
    ],
)
def test_a_period_in_words(seconds: int, words: str) -> None:
    assert in_words(Schedule(every_s=seconds)) == words


def test_the_zone_is_named_and_every_part_of_a_schedule() -> None:
    nightly = Schedule(cron="0 2 * * *", timezone="Europe/Berlin", also=(Schedule(every_s=3600),))
    assert in_words(nightly) == "every day at 02:00, Europe/Berlin; every hour"
    often = Schedule(cron="*/5 * * * *", timezone="Asia/Kolkata")
    assert in_words(often) == "every 5 minutes, Asia/Kolkata"


def test_what_is_given_to_parameters_is_named() -> None:
    hourly = Schedule(every_s=3600, params={"region": "e\nu", "size": 1})
    assert in_words(hourly) == 'every hour, with region="e\\nu", size=1'
    daily = Schedule(every_s=86_400, params={"day": "slot - 1d"})
    assert in_words(daily) == "every day, with day=slot - 1d"
    both = Schedule(every_s=3600, also=(Schedule(cron="30 * * * *"),), params={"region": "x" * 200})
    assert in_words(both).startswith('every hour; every hour at minute 30; with region="xxx')
    assert in_words(both).endswith("xxx...")
