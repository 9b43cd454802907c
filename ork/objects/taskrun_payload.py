"""The canonical bytes of a task run, put together by hand: the object that a run makes most of.

They are exactly what `canonical.encode` returns for its JSON value, which a property in the tests
holds, in a third of the time.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ork.objects.canonical import encode
from ork.objects.times import format_time

if TYPE_CHECKING:
    from ork.objects.kinds import Attempt, TaskRun

_QUOTE = json.encoder.encode_basestring  # as in `canonical`


def payload(taskrun: TaskRun) -> bytes:
    """Return the payload of a task run; UnicodeEncodeError when a text has a lone surrogate."""
    attempts = ",".join([_attempt(attempt) for attempt in taskrun.attempts])
    return (
        f'{{"attempts":[{attempts}],"inputs":{_text(taskrun.inputs)},'
        f'"output":{_text(taskrun.output)},"reason":{_text(taskrun.reason)},'
        f'"state":"{taskrun.state}","task":"{taskrun.task}"}}'
    ).encode()


def _attempt(attempt: Attempt) -> str:
    return (
        f'{{"error":{_text(attempt.error)},"exit":{_number(attempt.exit)},'
        f'"log":{_text(attempt.log)},"number":{_number(attempt.number)},'
        f'"seconds":{_number(attempt.seconds)},"signal":{_number(attempt.signal)},'
        f'"started":"{format_time(attempt.started)}","state":"{attempt.state}"}}'
    )


def _text(text: str | None) -> str:
    return "null" if text is None else _QUOTE(text)


def _number(number: float | None) -> str:
    if number is None:
        return "null"
    small = type(number) is int and 0 <= number <= 255
    return str(number) if small else encode(number).decode()
