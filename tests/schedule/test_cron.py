"""A line of cron is understood, or what is wrong in it is named at its place."""

from __future__ import annotations

from datetime import date

import pytest

from ork.schedule.cron import NICKNAMES, CronError, read


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
        "0 0 29 2 *",
        "0 0 31 2,3 *",
        "0 0 31 2 mon",
        "0 0 31 september-october *",
        "5/20 * * * *",
    ],
)
def test_these_are_schedules(line: str) -> None:
    assert read(line)


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
        ("* * L * *", "cannot read 'L'"),
        ("1.5 * * * *", "cannot read"),
        ("* jan * * *", "'jan'"),
        ("0 0 * * sunshine", "day of week: cannot read 'sunshine'"),
        ("0 0 * mayor *", "month: cannot read 'mayor'"),
        ("*/90 * * * *", "minute: a step of 90 is not within 1-59"),
        ("0 */24 * * *", "hour: a step of 24 is not within 1-23"),
        ("0 0 31 2 *", "it never comes: no month that is meant has a day 31"),
        ("0 0 31 feb,apr-apr *", "it never comes"),
        ("0 0 30/1 2 *", "it never comes"),
    ],
)
def test_these_are_none(line: str, message: str) -> None:
    with pytest.raises(CronError) as caught:
        read(line)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("line", "at"),
    [
        ("0 2 * * sunL", "sunL"),
        ("0 2 * janmon *", "janmon"),
        ("  0  2 * * 1,5-1", "5-1"),
        ("0 2 * * 1,mon-xyz", "xyz"),
        ("*/0 * * * *", "0 * * * *"),
        ("0,1,61 * * * *", "61"),
        ("0 2-24 * * *", "24 * *"),
        ("0 2 L * *", "L"),
        ("0 2 1W * *", "1W"),
        ("0 2 * * 1#2", "1#2"),
        ("0 0 31 2 *", "31"),
        ("0 0 30 feb *", "30"),
        ("0 0 2 * * mon", "mon"),
        (" @sometimes", "@sometimes"),
    ],
)
def test_the_wrong_part_is_found(line: str, at: str) -> None:
    with pytest.raises(CronError) as caught:
        read(line)
    assert line[caught.value.at :].startswith(at)
    assert caught.value.hint


@pytest.mark.parametrize("line", ["0 2 L * *", "0 2 1W * *", "0 2 * * 1#2", "0 2 * * 5L"])
def test_what_other_tools_have_is_named(line: str) -> None:
    with pytest.raises(CronError) as caught:
        read(line)
    assert "of other tools" in caught.value.hint


def test_names_mean_their_numbers() -> None:
    assert read("0 0 * jan,MAR-may,September Mon,fri-SUN") == read("0 0 * 1,3-5,9 1,5-7")
    assert read("0 0 * * sunday-tuesday") == read("0 0 * * 0-2")
    assert read("0 0 * * 0") == read("0 0 * * 7")


@pytest.mark.parametrize("word", sorted(NICKNAMES))
def test_a_word_means_its_five_fields(word: str) -> None:
    assert read(word.upper()) == read(NICKNAMES[word])


def test_one_of_two_days_is_enough_unless_one_begins_with_a_star() -> None:
    friday, thirteenth = date(2026, 11, 27), date(2026, 10, 13)
    for line, due in (("0 0 13 * 5", True), ("0 0 */1 * 5", False), ("0 0 13 * *", False)):
        assert read(line).is_on(friday) == (due or line == "0 0 */1 * 5")
        assert read(line).is_on(thirteenth) == (line != "0 0 */1 * 5")


def test_a_line_of_any_length_is_read_in_time() -> None:
    with pytest.raises(CronError):
        read("1-" * 100_000 + " * * * *")
