"""A setting becomes schedules, and schedules the one setting that means them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ork.errors import InvalidInput
from ork.objects.canonical import Json
from ork.schedule import cron
from ork.schedule.durations import duration_text, seconds_of
from ork.schedule.schedule import (
    KEYS,
    Schedule,
    key_of,
    read,
    schedules_of,
    setting_of,
    slot_name,
)
from tests.scale import examples

LATE = {"cron": "0 2 * * *", "timezone": "Europe/Berlin"}


def kept(value: Json) -> Json:
    schedules, wrong = read(value)
    assert wrong == []
    return setting_of(schedules)


def complaint(value: Json) -> str:
    _, (first, *_) = read(value)
    return first.message


@pytest.mark.parametrize(
    ("written", "setting"),
    [
        ("0 2 * * *", "0 2 * * *"),
        (" @Daily ", " @Daily "),
        ({"cron": "0 2 * * MON"}, "0 2 * * MON"),
        ({"cron": "@daily", "timezone": "UTC", "catchup": "latest", "overlap": "skip"}, "@daily"),
        ({"cron": "@daily", "params": {}, "retries": 0, "retry_delay": 0}, "@daily"),
        ({"cron": "@daily", "params": None}, "@daily"),
        (["@daily"], "@daily"),
        ({"cron": "@daily", "timeout": None, "after_failure": "fire"}, "@daily"),
        ({"every": 60, "timeout": 7200.0}, {"every": "1m", "timeout": "2h"}),
        ({"every": 60, "timeout": "none"}, {"every": "1m"}),
        (LATE, LATE),
        ({"every": 5400}, {"every": "1h30m"}),
        ({"every": "90m"}, {"every": "1h30m"}),
        ({"every": "1s", "retry_delay": "90s"}, {"every": "1s", "retry_delay": "1m30s"}),
        (["@daily", LATE], ["@daily", LATE]),
        (["@daily", {"cron": "@hourly"}], ["@daily", "@hourly"]),
    ],
)
def test_what_means_the_same_is_kept_alike(written: Json, setting: Json) -> None:
    assert kept(written) == setting
    assert kept(setting) == setting


def test_everything_that_can_be_said_is_read() -> None:
    setting: Json = {
        "cron": "0 2 * * *",
        "timezone": "Europe/Berlin",
        "catchup": "all",
        "overlap": "queue",
        "params": {"region": "eu"},
        "retries": 3,
        "retry_delay": "1m30s",
        "timeout": "2h",
        "after_failure": "hold",
    }
    (schedule,) = schedules_of({"schedule": setting})
    assert schedule == Schedule(
        cron="0 2 * * *",
        timezone="Europe/Berlin",
        catchup="all",
        overlap="queue",
        params={"region": "eu"},
        retries=3,
        retry_delay_s=90,
        timeout_s=7200,
        after_failure="hold",
    )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (5, "must be a text, a mapping or a list of these, not 5"),
        ("  ", "schedule is empty"),
        ([], "a list of 1 to 100, not of 0"),
        (["@daily"] * 101, "a list of 1 to 100, not of 101"),
        ([["@daily"]], "not a list"),
        ({}, "neither `cron` nor `every`"),
        ({"cron": "@daily", "every": "5m"}, "both `cron` and `every`"),
        ({"cron": 5}, "cron must be a text, not 5"),
        ({"cron": "@daily", "tz": "UTC"}, "unknown key `tz`"),
        ({"every": "5 minutes"}, 'every cannot be "5 minutes"'),
        ({"every": True}, "every cannot be true"),
        ({"every": 0}, "every must be from 1s to 366d, not 0"),
        ({"every": "0.5s"}, "every must be from 1s"),
        ({"every": "1.5s"}, "every must be a whole number of seconds"),
        ({"every": "367d"}, "every must be from 1s to 366d"),
        ({"every": "9" * 400 + "d"}, "every must be from 1s to 366d"),
        ({"every": "5m", "timezone": "UTC"}, "no time zone has a meaning"),
        ({"cron": "@daily", "timezone": 1}, "timezone cannot be 1"),
        ({"cron": "@daily", "catchup": "newest"}, "catchup must be one of latest, none, all"),
        ({"cron": "@daily", "overlap": ["skip"]}, "overlap must be one of skip, queue, allow"),
        ({"cron": "@daily", "overlap": "queue", "catchup": "none"}, "has late slots wait"),
        ({"cron": "@daily", "params": "x"}, "params must be a mapping"),
        ({"cron": "@daily", "after_failure": "stop"}, "after_failure must be one of fire, hold"),
        ({"cron": "@daily", "after_failure": "hold", "overlap": "allow"}, "allow` does not"),
        ({"cron": "@daily", "params": {"x": float("nan")}}, "params: x: nan is not a JSON number"),
        ({"cron": "@daily", "retries": 1.0}, "retries must be a whole number from 0 to 1000"),
        ({"cron": "@daily", "retries": -1}, "retries must be a whole number"),
        ({"cron": "@daily", "retry_delay": -1}, "retry_delay must be from 0s"),
        ({"cron": "@daily", "timeout": 0}, "timeout must be from 1s to 366d, not 0"),
        ({"cron": "@daily", "timeout": "never"}, 'timeout cannot be "never"'),
        (["@daily", {"cron": "@daily"}], "this schedule is given twice"),
        (["@daily", {"cron": "@hourly", "catchup": "all"}], "another `catchup` than a schedule"),
        (["@daily", {"cron": "@hourly", "retry_delay": 5}], "another `retry_delay` than"),
        (["@daily", {"cron": "@hourly", "timeout": "2h"}], "another `timeout` than"),
    ],
)
def test_what_is_wrong_is_named(value: Json, message: str) -> None:
    assert message in complaint(value)


def test_schedules_that_start_the_same_runs_are_one() -> None:
    setting: Json = [
        "0 2 * * *",
        {"cron": "0 3 * * *", "params": {"region": "eu"}, "catchup": "all"},
        {"cron": "0 14 * * mon", "timezone": "Europe/Berlin"},
    ]
    plain, european = schedules_of({"schedule": setting})
    assert [part.cron for part in plain.parts] == ["0 2 * * *", "0 14 * * mon"]
    assert [part.cron for part in european.parts] == ["0 3 * * *"]
    assert key_of(plain) == key_of(Schedule(every_s=5))
    assert key_of(plain) != key_of(european)


def test_a_workflow_without_a_schedule_has_none() -> None:
    assert schedules_of({}) == schedules_of({"schedule": None}) == ()


@pytest.mark.parametrize("setting", ["0 2 * * sunL", 5, {"at": "noon"}, ["x"], {"cron": None}])
def test_nonsense_that_was_kept_is_told(setting: Json) -> None:
    with pytest.raises(InvalidInput, match="cannot be read") as caught:
        schedules_of({"schedule": setting})
    assert "`ork deploy` it" in (caught.value.hint or "")


def test_a_slot_is_named_by_its_moment_and_its_parameters() -> None:
    slot = datetime(2026, 11, 27, 2, tzinfo=UTC)
    assert slot_name(Schedule(cron="@daily"), slot) == "20261127T020000Z"
    schedule = Schedule(cron="@daily", params={"region": "eu", "size": 1})
    again = Schedule(cron="@hourly", params={"size": 1.0, "region": "eu"})
    assert slot_name(schedule, slot) == f"20261127T020000Z.{key_of(schedule)}"
    assert key_of(schedule) == key_of(again) == "3ddd605e59e81260"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.5, "0.5s"), (59, "59s"), (60, "1m"), (5400, "1h30m"), (172_801.25, "2d1.25s")],
)
def test_a_duration_has_one_text(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
    assert seconds_of(text) == seconds


def test_true_is_not_one() -> None:
    setting: Json = [{"every": "5m", "params": {"x": value}} for value in (True, 1)]
    assert kept(setting) == setting
    assert len(schedules_of({"schedule": setting})) == 2


ODD = st.text(max_size=12) | st.sampled_from(["@daily", "0 2 * * *", "5m", "UTC", "all", "skip"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ODD,
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | ODD, below, max_size=4)
    ),
    max_leaves=8,
)


@pytest.mark.slow
@settings(max_examples=examples(400))
@given(value=VALUES)
def test_whatever_is_given_is_read_or_complained_of(value: Json) -> None:
    schedules, wrong = read(value)
    for one in wrong:
        assert one.message
    if not wrong:
        setting = setting_of(schedules)
        assert kept(setting) == setting
        assert [key_of(one) for one in read(setting)[0]] == [key_of(one) for one in schedules]


@pytest.mark.slow
@settings(max_examples=examples(400))
@given(line=st.text("0123456789*/,-@# \tLWafeu", max_size=20) | st.text(max_size=20))
def test_a_line_means_something_or_is_complained_of_within(line: str) -> None:
    try:
        found = cron.read(line)
    except cron.CronError as error:
        assert 0 <= error.at <= len(line)
    else:
        assert found.minutes
