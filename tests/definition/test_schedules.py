"""`schedule`, `on_failure` and `on_success` of a file: what is kept, and every complaint."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ork.definition.workflow import parse
from ork.errors import InvalidInput, Problem
from ork.objects.canonical import Json
from tests.definition import schema

HEAD = """\
name: etl
params:
  region: str
  day: {type: date, default: 2026-01-01}
  factor: {type: float, default: 1}
tasks: {t: {executor: python, file: a.py}}
"""


def settings(text: str) -> Json:
    found = dict(parse((HEAD + text).encode(), file="etl.yaml").settings)
    assert schema.errors(HEAD + text) == [], "the JSON Schema refuses what ork accepts"
    return found


def complaints(text: str) -> list[Problem]:
    with pytest.raises(InvalidInput) as caught:
        parse((HEAD + text).encode(), file="etl.yaml")
    schema.check_refused(HEAD + text, caught.value.problems)
    return list(caught.value.problems)


def test_what_a_schedule_gives_to_parameters_has_the_form_of_their_types() -> None:
    text = "schedule: {cron: '@daily', params: {factor: 2, region: eu, day: 2026-02-01}}\n"
    params: Json = {"day": "2026-02-01", "factor": 2.0, "region": "eu"}
    assert settings(text) == {"schedule": {"cron": "@daily", "params": params}}


def test_a_parameter_with_a_date_can_take_the_slot() -> None:
    text = "schedule: {cron: '@daily', params: {day: slot-24h, region: eu}}\n"
    params: Json = {"day": "slot - 1d", "region": "eu"}
    assert settings(text) == {"schedule": {"cron": "@daily", "params": params}}


@pytest.mark.parametrize(
    ("text", "at", "message", "hint"),
    [
        ("schedule: {every: 5m, params: {region: slot}}", "slot}", "it is a str", "one of date"),
        (
            "schedule: {every: 5m, params: {region: a, day: slt}}",
            "slt}",
            "expected date",
            "slot - 1d",
        ),
        ("schedule: '@daily'", "'@daily'", "no value to the parameter `region`", "a default"),
        ("schedule: {every: 5m}", "{every", "no value to the parameter `region`", "a default"),
        ("schedule: {every: 5m, params: {region: 5}}", "5}", "expected str, got int 5", None),
        ("schedule: {every: 5m, params: {region: ~}}", "~}", "expected str, got null", None),
        ("schedule: {every: 5m, params: {region: a, dai: 1}}", "dai", "named `dai`", "`day`?"),
        ("schedule: {every: 5m, parms: {}, params: {region: a}}", "parms", "key", "`params`?"),
        (
            "schedule: {every: 5m, sla: 1h, params: {region: a}}",
            "sla",
            "key",
            "`ork schedule late` tells",
        ),
        (
            "schedule: {every: 5m, timeout: 1x, params: {region: a}}",
            "1x",
            "timeout cannot",
            "as in",
        ),
        ("schedule: {every: 5m, end_date: x, params: {region: a}}", "end_d", "key", "pause`"),
        ("schedule: {evry: 5m, every: 5m, params: {region: a}}", "evry", "key", "`every`?"),
        ("schedule: {every: 5x, params: {region: a}}", "5x", "every cannot be", "as in `30s`"),
        ("schedule: {every: 5m, overlap: skp, params: {region: a}}", "skp", "one of", "`skip`?"),
    ],
)
def test_a_wrong_part_is_named(text: str, at: str, message: str, hint: str | None) -> None:
    (found,) = complaints(text + "\n")
    assert message in found.message
    assert found.source is not None
    assert found.source[found.column - 1 :].startswith(at)
    assert hint is None or hint in (found.hint or "")


def test_each_key_of_another_tool_has_its_hint() -> None:
    keys = {
        "max_active_runs": "top of the file",
        "depends_on_past": "`after_failure: hold`",
        "start_date": "backfill",
        "dagrun_timeout": "`timeout: 2h`",
        "retry": "did you mean `retries`?",
    }
    given = "".join(f", {key}: 1" for key in keys)
    found = complaints(f"schedule: {{every: 5m, params: {{region: a}}{given}}}\n")
    assert [one.message.split("`")[1] for one in found] == [*keys]
    assert all(word in (one.hint or "") for one, word in zip(found, keys.values(), strict=True))


LONG = "schedule:\n  params: {region: eu}\n  "


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("cron: 0 2 * * sunL", "sunL"),
        ("cron: '0 2 * * 1,5-1'", "5-1'"),
        ('cron: "  0 2 * janmon *"', "janmon"),
        ('cron: "0 2 *\\t* 9"', '"0 2'),
        ("cron: '0 2 *  61 *'", "61"),
        ("cron: >-\n    0 2 * * 9", ">-"),
        ("cron: 0 2 *\n    * 9", "0 2"),
        ("timezone: Europe/Berln\n  cron: '@daily'", "Europe/Berln"),
    ],
)
def test_the_caret_stands_at_the_wrong_part_of_a_text(text: str, at: str) -> None:
    (found,) = complaints(LONG + text + "\n")
    assert found.source is not None
    assert found.source[found.column - 1 :].startswith(at)


def test_a_line_that_an_alias_brings_is_complained_of_where_it_is_used() -> None:
    text = "description: &line 0 2 * * 9\n" + LONG + "cron: *line\n"
    (found,) = complaints(text)
    assert found.source == "  cron: *line"
    assert found.source[found.column - 1 :] == "*line"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("europe/berlin", "did you mean `Europe/Berlin`?"),
        ("Europe", "did you mean `Europe/"),
        ("../passwd", "new ones need"),
        ("localtime", "new ones need a new `tzdata`"),
        ("+02:00", "new ones need"),
    ],
)
def test_a_zone_that_is_none_is_told(name: str, hint: str) -> None:
    (found,) = complaints(LONG + f"timezone: {name}\n  cron: '@daily'\n")
    assert f"no time zone named '{name}'" in found.message
    assert hint in (found.hint or "")


def test_every_schedule_of_a_list_is_checked() -> None:
    text = """\
schedule:
  - {cron: 0 2 * * *, params: {region: eu}}
  - {cron: 0 2 * * *, params: {reigon: us}}
  - 0 2 31 2 *
"""
    assert [(found.line, found.column, found.message[:30]) for found in complaints(text)] == [
        (9, 5, "the schedule gives no value to"),
        (9, 32, "no parameter named `reigon`"),
        (10, 5, "the schedule gives no value to"),
        (10, 9, "it never comes: no month that "),
    ]


def test_commands_for_the_end_of_a_run_are_settings() -> None:
    text = "on_failure: {command: ./tell.sh}\non_success: {command: [python, done.py]}\n"
    assert settings(text) == {
        "on_failure": {"command": "./tell.sh"},
        "on_success": {"command": ["python", "done.py"]},
    }


@pytest.mark.parametrize(
    ("text", "at", "message"),
    [
        ("on_failure: ./tell.sh", "./tell.sh", 'on_failure must be a mapping, not str "./tell.sh"'),
        ("on_success: {}", "{}", "on_success has no `command`"),
        ("on_failure: {command: ''}", "''", "command is empty"),
        ("on_failure: {command: x, shell: y}", "shell", "unknown key `shell` in on_failure"),
        ("on_failur: {command: x}", "on_failur", "unknown key `on_failur`"),
    ],
)
def test_a_wrong_command_is_named(text: str, at: str, message: str) -> None:
    found = next(found for found in complaints(text + "\n"))
    assert message in found.message
    assert found.source is not None
    assert found.source[found.column - 1 :].startswith(at)


def test_a_file_without_a_schedule_needs_nothing_of_schedules() -> None:
    code = "import sys; from ork.definition.workflow import parse\n"
    code += f"parse({HEAD.encode()!r}, file='etl.yaml')\n"
    code += "print(*(m for m in ('ork.schedule.schedule', 'zoneinfo') if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
