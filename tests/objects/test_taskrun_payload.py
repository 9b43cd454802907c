"""A task run written by hand: the same bytes as by the encoder for all values."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings

from ork.errors import InvalidInput
from ork.objects import canonical
from ork.objects.kinds import Attempt, TaskRun, encode_object, to_json
from ork.objects.taskrun_payload import payload
from tests.objects.test_kinds import taskruns

ODD = replace(
    TaskRun(task="a" * 64, state="failed"),
    reason='"quoted" \\ \n \x00 \x7f \u2028 \N{SNOWMAN} \U0001f600',
)


@pytest.fixture
def taskrun() -> TaskRun:
    started = datetime(2026, 1, 1, tzinfo=UTC)
    attempt = Attempt(number=1, state="success", started=started, seconds=1)
    return TaskRun(task="a" * 64, state="success", attempts=(attempt,))


@settings(deadline=None)
@example(ODD)
@given(taskruns)
def test_the_bytes_are_those_of_the_encoder(taskrun: TaskRun) -> None:
    assert payload(taskrun) == canonical.encode(to_json(taskrun))


@pytest.mark.parametrize("seconds", [0, 0.0, 1e-7, 1e21, 0.1, 3600.0, 2**53 - 1])
def test_every_duration_is_written_as_the_encoder_does(seconds: float, taskrun: TaskRun) -> None:
    attempt = replace(taskrun.attempts[0], seconds=seconds)
    taskrun = replace(taskrun, attempts=(attempt,))
    assert payload(taskrun) == canonical.encode(to_json(taskrun))


def test_half_a_character_is_refused_with_its_place(taskrun: TaskRun) -> None:
    attempt = replace(taskrun.attempts[0], error="\ud800")
    with pytest.raises(InvalidInput, match=r"attempts\[0\]\.error: the text has a lone surrogate"):
        encode_object(replace(taskrun, attempts=(attempt,)))
